import assert from 'node:assert/strict'
import { spawn } from 'node:child_process'
import { randomBytes } from 'node:crypto'
import { once } from 'node:events'
import { mkdir, mkdtemp, readdir, rm, stat, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { after, before, describe, it } from 'node:test'
import { runTool } from '../../lib/tool.ts'
import { MachineImages } from '../machine-images.ts'
import { busyboxImage } from '../testing/busybox-image.ts'
import { ImageError } from './image-error.ts'

const signal = AbortSignal.timeout(1_200_000)
const reference = { registry: 'localhost', path: 't/a', tag: '1' }
const policy = { registries: [], aliases: {}, insecure: [] }
const open = (folder: string) => MachineImages.open({ folder, policy, log: { info: () => undefined } })

describe('an image that is loaded from an archive', () => {
  let scratch: string
  let archive: string
  let digest: string
  let count = 0
  before(async () => {
    scratch = await mkdtemp(join(tmpdir(), 'load-archive-'))
    archive = join(scratch, 'a.tar')
    digest = await busyboxImage({ archive, cmd: ['loaded'] })
  })
  after(() => rm(scratch, { recursive: true }))

  const fresh = () => join(scratch, `images-${++count}`)
  const contents = (folder: string) =>
    Promise.all(
      ['records', 'layouts', 'roots', 'temporary'].map(async (part) => (await readdir(join(folder, part))).length),
    )

  /** Does work while no program but those of `path` is found. */
  async function withPath<T>(path: string, work: () => Promise<T>): Promise<T> {
    const before = process.env['PATH']
    process.env['PATH'] = path
    try {
      return await work()
    } finally {
      process.env['PATH'] = before
    }
  }

  /** A folder with an `umoci` that creates the file `unpacking` and then blocks until it is killed. */
  async function blockingUmoci(): Promise<{ path: string; isUnpacking: () => Promise<void> }> {
    const folder = join(scratch, `bin-${++count}`)
    await mkdir(folder)
    const pipe = join(folder, 'unpacking')
    await runTool('mkfifo', [pipe, join(folder, 'never')])
    await writeFile(
      join(folder, 'umoci'),
      `#!/bin/sh\necho unpacking > ${pipe}\nread line < ${join(folder, 'never')}\n`,
      {
        mode: 0o755,
      },
    )
    return {
      path: `${folder}:${process.env['PATH'] ?? ''}`,
      isUnpacking: async () => {
        const reader = spawn('cat', [pipe], { stdio: 'ignore' })
        await once(reader, 'exit')
      },
    }
  }

  it('is unpacked: preparing it takes no further program', async () => {
    const folder = fresh()
    const images = await open(folder)
    const steps: string[] = []
    const loaded = await images.load(archive, reference, { signal, onProgress: (step) => steps.push(step) })
    assert.equal(loaded, digest)
    assert.deepEqual(steps, ['Loading', 'Unpacking'])
    assert.deepEqual(await contents(folder), [1, 1, 1, 0])
    const { rootfs } = await withPath('/nonexistent', () => images.prepare(reference, { signal }))
    assert.equal((await stat(join(rootfs, 'bin/busybox'))).isFile(), true)
  })

  it('is unpacked once, under however many names', async () => {
    const images = await open(fresh())
    await images.load(archive, reference, { signal })
    const steps: string[] = []
    await images.load(archive, { ...reference, tag: '2' }, { signal, onProgress: (step) => steps.push(step) })
    assert.deepEqual(steps, ['Loading'])
    assert.equal((await images.list()).length, 2)
  })

  it('by another process is ready for one that has the folder open, which collects meanwhile', async () => {
    const folder = fresh()
    const serving = await open(folder)
    const code = `
      import { MachineImages } from ${JSON.stringify(new URL('../machine-images.ts', import.meta.url).href)}
      const images = await MachineImages.open({ folder: ${JSON.stringify(folder)}, policy: ${JSON.stringify(policy)}, log: console })
      await images.load(${JSON.stringify(archive)}, ${JSON.stringify(reference)}, { signal: new AbortController().signal })`
    const { path, isUnpacking } = await blockingUmoci()
    const blocked = spawn(process.execPath, ['--input-type=module', '--eval', code], {
      env: { ...process.env, PATH: path },
      stdio: 'inherit',
    })
    await isUnpacking()
    // A second server's start and a collection in the midst of the load take nothing away from it.
    await open(folder)
    assert.deepEqual(await contents(folder), [0, 0, 0, 1])
    await assert.rejects(serving.prepare(reference, { signal }), ImageError)
    // Killed there, it leaves one temporary folder, which the next process removes.
    blocked.kill('SIGKILL')
    await once(blocked, 'exit')
    assert.deepEqual(await contents(folder), [0, 0, 0, 1])
    await open(folder)
    assert.deepEqual(await contents(folder), [0, 0, 0, 0])

    await runTool(process.execPath, ['--input-type=module', '--eval', code], { signal })
    const { cmd } = await withPath('/nonexistent', () => serving.prepare(reference, { signal }))
    assert.deepEqual(cmd, ['loaded'])
  })

  it('and interrupted while it is unpacked leaves nothing', async () => {
    const folder = fresh()
    const images = await open(folder)
    const { path, isUnpacking } = await blockingUmoci()
    const interrupt = new AbortController()
    await withPath(path, async () => {
      const loading = images.load(archive, reference, { signal: interrupt.signal })
      await Promise.race([isUnpacking(), loading])
      interrupt.abort(new Error('enough'))
      await assert.rejects(loading, /enough/)
    })
    assert.deepEqual(await contents(folder), [0, 0, 0, 0])
    assert.equal(await images.load(archive, reference, { signal }), digest)
  })

  it('and cannot be unpacked is refused, and leaves nothing', async () => {
    const folder = fresh()
    const images = await open(folder)
    const broken = join(scratch, 'broken.tar')
    await busyboxImage({ archive: broken, brokenLayer: true })
    await assert.rejects(
      images.load(broken, reference, { signal }),
      (error) => error instanceof ImageError && error.why.code === 'image-invalid',
    )
    assert.deepEqual(await contents(folder), [0, 0, 0, 0])
  })

  it(
    'and finds the disk full while it is unpacked says so, leaves nothing, and loads once there is room',
    { skip: process.geteuid?.() !== 0 && 'only root mounts a tmpfs' },
    async () => {
      const big = join(scratch, 'big.tar')
      await busyboxImage({
        archive: big,
        layers: [
          [
            { path: 'noise', content: randomBytes(1_000_000) },
            { path: 'zeros', content: Buffer.alloc(30_000_000) },
          ],
        ],
      })
      const folder = fresh()
      await mkdir(folder)
      await runTool('mount', ['-t', 'tmpfs', '-o', 'size=16m', 'tmpfs', folder])
      try {
        const images = await open(folder)
        const steps: string[] = []
        await assert.rejects(
          images.load(big, reference, { signal, onProgress: (step) => steps.push(step) }),
          (error: unknown) => {
            assert.ok(error instanceof ImageError, String(error))
            assert.equal(error.why.code, 'disk-full')
            assert.match(error.why.hint ?? '', /^Nothing was loaded\. Free space on the disk of /)
            return true
          },
        )
        assert.deepEqual(steps, ['Loading', 'Unpacking'])
        assert.deepEqual(await contents(folder), [0, 0, 0, 0])
        await runTool('mount', ['-o', 'remount,size=64m', folder])
        await images.load(big, reference, { signal })
        assert.equal((await images.list()).length, 1)
      } finally {
        await runTool('umount', [folder])
      }
    },
  )
})
