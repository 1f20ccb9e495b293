import assert from 'node:assert/strict'
import { spawn } from 'node:child_process'
import { randomBytes } from 'node:crypto'
import { once } from 'node:events'
import { mkdir, mkdtemp, open as openFile, readdir, readFile, rm, stat, statfs, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { after, before, describe, it } from 'node:test'
import { runTool } from '../../lib/tool.ts'
import { MachineImages } from '../machine-images.ts'
import { machineArchitecture } from '../manifest.ts'
import { archiveOfImages } from '../testing/archive-of-images.ts'
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

  for (const format of ['oci', 'docker'] as const) {
    it(`from an archive (${format}) with one image under several names needs no choice`, async () => {
      const several = join(scratch, `names-${format}.tar`)
      await archiveOfImages(several, format, [
        { names: ['docker.io/library/a:1', 'docker.io/library/a:latest'], cmd: ['one'] },
      ])
      const images = await open(fresh())
      await images.load(several, reference, { signal })
      assert.deepEqual((await images.prepare(reference, { signal })).cmd, ['one'])
    })

    it(`from an archive (${format}) with several images is chosen by FILE:NAME, and their names are listed`, async () => {
      const several = join(scratch, `several:${format}.tar`)
      await archiveOfImages(several, format, [
        { names: ['docker.io/library/a:1', 'r.test/b/c:2'], cmd: ['first'] },
        { names: ['r.test/b/d:3'], cmd: ['second'] },
        { names: [], cmd: ['nameless'] },
      ])
      const images = await open(fresh())
      const refusal = async (from: string): Promise<ImageError> => {
        const error: unknown = await images.load(from, reference, { signal }).catch((each: unknown) => each)
        assert.ok(error instanceof ImageError, String(error))
        return error
      }
      const { why } = await refusal(several)
      assert.match(
        why.message,
        /has 3 images: docker\.io\/library\/a:1 = r\.test\/b\/c:2, r\.test\/b\/d:3, sha256:[0-9a-f]{64}\.$/,
      )
      assert.ok(why.hint?.includes(`image load ${several}:docker.io/library/a:1 --as`))
      assert.match((await refusal(`${several}:r.test/b/x:1`)).message, /has no single image r\.test\/b\/x:1\. It has /)
      assert.match((await refusal(join(scratch, 'nothing.tar:a:1'))).message, /There is no archive/)
      const nameless = /sha256:[0-9a-f]{64}/.exec(why.message)?.[0] ?? ''
      for (const [name, cmd] of [
        ['a:1', 'first'],
        ['r.test/b/c:2', 'first'],
        ['r.test/b/d:3', 'second'],
        [nameless, 'nameless'],
      ] as const) {
        await images.load(`${several}:${name}`, reference, { signal })
        assert.deepEqual((await images.prepare(reference, { signal })).cmd, [cmd])
      }
    })
  }

  it('is found by its configuration where its index names no platform', async () => {
    const other = machineArchitecture === 'arm64' ? 'amd64' : 'arm64'
    const unnamed = join(scratch, 'unnamed.tar')
    await busyboxImage({ archive: unnamed, architectures: [other, machineArchitecture], platforms: false })
    const images = await open(fresh())
    await images.load(unnamed, reference, { signal })
    assert.equal((await images.describeStored(reference)).platform?.architecture, machineArchitecture)
    await busyboxImage({ archive: unnamed, architectures: [other, 's390x'], platforms: false })
    await assert.rejects(
      images.load(unnamed, reference, { signal }),
      new RegExp(`is made for linux/${other}, linux/s390x`),
    )
  })

  const compressed = [
    ['zstd', { compression: 'zstd' }],
    [
      'zstd under the media type of gzip',
      { compression: 'zstd', layerType: 'application/vnd.oci.image.layer.v1.tar+gzip' },
    ],
    ['zstd in one frame', { compression: 'zstd-frame' }],
    ['gzip under the media type of zstd', { layerType: 'application/vnd.oci.image.layer.v1.tar+zstd' }],
    ['gzip under the media type of no compression', { layerType: 'application/vnd.oci.image.layer.v1.tar' }],
  ] as const
  for (const [name, parts] of compressed)
    it(`with layers of ${name} runs`, async () => {
      const other = join(scratch, 'compressed.tar')
      const layers = [[{ path: 'above', content: 'it' }]]
      await busyboxImage({ archive: other, layers, ...parts })
      const folder = fresh()
      const images = await open(folder)
      await images.load(other, reference, { signal })
      const { rootfs } = await images.prepare(reference, { signal })
      assert.equal(await readFile(join(rootfs, 'above'), 'utf8'), 'it')
      assert.equal((await stat(join(rootfs, 'bin/busybox'))).isFile(), true)
      assert.deepEqual(await contents(folder), [1, 1, 1, 0])
    })

  it('is unpacked again where umoci panics', async () => {
    const bin = join(scratch, `bin-${++count}`)
    await mkdir(bin)
    const real = (await runTool('sh', ['-c', 'command -v umoci'])).toString().trim()
    const panic = 'mkdir -p "$last/partly"; printf "panic: d.nx != 0\\n\\ngoroutine 20 [running]:\\n" >&2; exit 2'
    const script = `#!/bin/sh\nfor last; do :; done\nif mkdir ${bin}/first; then ${panic}; fi\nexec ${real} "$@"\n`
    await writeFile(join(bin, 'umoci'), script, { mode: 0o755 })
    const images = await open(fresh())
    await withPath(`${bin}:${process.env['PATH'] ?? ''}`, () => images.load(archive, reference, { signal }))
    const { rootfs } = await images.prepare(reference, { signal })
    assert.deepEqual((await readdir(rootfs)).includes('partly'), false)
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
    'and has a hole that does not fit is refused before anything is written, with the file and its size',
    { skip: process.geteuid?.() !== 0 && 'only root mounts a tmpfs' },
    async () => {
      const tree = join(scratch, 'tree')
      await mkdir(join(tree, 'data'), { recursive: true })
      const hole = await openFile(join(tree, 'data/map.fits'), 'w')
      await hole.write('start')
      await hole.truncate(4 * 2 ** 30)
      await hole.close()
      const layer = await runTool('tar', ['--sparse', '--format=posix', '-C', tree, '-c', 'data'], {})
      const holed = join(scratch, 'holed.tar')
      await busyboxImage({ archive: holed, archives: [layer] })
      const folder = fresh()
      await mkdir(folder)
      await runTool('mount', ['-t', 'tmpfs', '-o', 'size=64m', 'tmpfs', folder])
      try {
        const images = await open(folder)
        const before = (await statfs(folder)).bavail
        let least = before
        const watch = setInterval(() => {
          void statfs(folder).then(({ bavail }) => (least = Math.min(least, bavail)))
        }, 5)
        const error: unknown = await images.load(holed, reference, { signal }).catch((each: unknown) => each)
        clearInterval(watch)
        assert.ok(error instanceof ImageError, String(error))
        assert.equal(error.why.code, 'disk-full')
        assert.match(
          error.message,
          /takes 4\.0 GiB unpacked, 4\.0 GiB of it for the file data\/map\.fits\. .* disk has \d+\.\d MiB free; 3\.2 MiB of them are kept/,
        )
        assert.ok(least > before / 2, 'the hole was never written')
        assert.deepEqual(await contents(folder), [0, 0, 0, 0])
      } finally {
        await runTool('umount', [folder])
      }
    },
  )

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
