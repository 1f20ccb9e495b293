import assert from 'node:assert/strict'
import { randomBytes } from 'node:crypto'
import { access, mkdir, mkdtemp, readdir, rm, utimes } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { after, before, describe, it } from 'node:test'
import { runTool } from '../../lib/tool.ts'
import { isGarbage, leastNeeded, usedAtWhenRemoved, type Candidate, type ImagesOfJobs } from './garbage-collection.ts'
import { MachineImages } from '../machine-images.ts'
import { busyboxImage } from '../testing/busybox-image.ts'
import { pushImage, startRegistry, type TestRegistry } from '../testing/registry.ts'
import { requireReference } from '../../job/image-reference.ts'
import { byText } from '../testing/by-text.ts'

const day = 24 * 3_600_000
const now = 1_800_000_000_000
const candidate = (hex: string, more: Partial<Candidate> = {}): Candidate => ({
  hex,
  references: [],
  mounted: false,
  needed: false,
  usedAt: now - 30 * day,
  ...more,
})

describe('an image', () => {
  it('is garbage when it has no name, no container mounts it and no queued job may need it', () => {
    assert.equal(isGarbage(candidate('a'), now), true)
    assert.equal(isGarbage(candidate('a', { references: [requireReference('localhost/a:1')] }), now), false)
    assert.equal(isGarbage(candidate('a', { mounted: true }), now), false)
    assert.equal(isGarbage(candidate('a', { needed: true }), now), false)
    assert.equal(isGarbage(candidate('a', { usedAt: now - day }), now), false)
  })

  it('is garbage ten minutes after its removal, when no container can be about to mount it', () => {
    const removed = candidate('a', { usedAt: usedAtWhenRemoved(now) })
    assert.equal(isGarbage(removed, now), false)
    assert.equal(isGarbage(removed, now + 700_000), true)
  })

  it('is deleted first when it was fetched and is the least recently used', () => {
    const images = [
      candidate('loaded', { references: [requireReference('localhost/a:1')], usedAt: 1 }),
      candidate('mounted', { references: [requireReference('r.test/a:1')], usedAt: 1, mounted: true }),
      candidate('needed', { references: [requireReference('r.test/e:1')], usedAt: 1, needed: true }),
      candidate('newer', { references: [requireReference('r.test/b:1')], usedAt: 3 }),
      candidate('older', { references: [requireReference('r.test/c:1')], usedAt: 2 }),
      candidate('fresh', { references: [requireReference('r.test/d:1')], usedAt: now }),
    ]
    assert.equal(leastNeeded(images, now)?.hex, 'older')
    assert.equal(
      leastNeeded(
        images.filter(({ hex }) => !hex.endsWith('er')),
        now,
      ),
      undefined,
    )
  })
})

describe('garbage collection', () => {
  let scratch: string
  let registry: TestRegistry
  const signal = AbortSignal.timeout(1_200_000)
  before(async () => {
    scratch = await mkdtemp(join(tmpdir(), 'garbage-'))
    registry = await startRegistry(join(scratch, 'registry'))
  })
  after(async () => {
    await registry.stop()
    await rm(scratch, { recursive: true })
  })

  const open = (folder: string, limitBytes?: number, ofJobs?: () => Promise<ImagesOfJobs>) =>
    MachineImages.open({
      folder,
      policy: { registries: [registry.host], aliases: {}, insecure: [registry.host] },
      log: { info: () => undefined },
      ...(limitBytes !== undefined && { limitBytes }),
      ...(ofJobs !== undefined && { ofJobs }),
    }).then(byText)
  const longAgo = async (folder: string) => {
    for (const part of ['roots', 'layouts']) {
      for (const hex of await readdir(join(folder, part))) await utimes(join(folder, part, hex), 1, 1)
    }
  }
  const rest = async (folder: string) =>
    Promise.all(
      ['roots', 'layouts', 'blobs', 'records'].map(async (part) => (await readdir(join(folder, part))).length),
    )

  it('deletes a removed image and its blobs once it is old, but no blob of another image', async () => {
    const folder = join(scratch, 'removed')
    const images = await open(folder)
    const archive = join(scratch, 'a.tar')
    for (const cmd of ['a', 'b']) {
      await busyboxImage({ archive, cmd: [cmd] })
      await images.load(archive, `localhost/${cmd}:1`, signal)
      await images.prepare(`localhost/${cmd}:1`, { signal })
    }
    // Two roots, two layouts; a shared layer, two manifests and two configurations; two records.
    assert.deepEqual(await rest(folder), [2, 2, 5, 2])
    await images.remove('localhost/a:1')
    assert.deepEqual(await rest(folder), [2, 2, 5, 1])
    await longAgo(folder)
    const again = await open(folder)
    assert.deepEqual(await rest(folder), [1, 1, 3, 1])
    assert.ok(await again.prepare('localhost/b:1', { signal }))
  })

  it(
    'keeps a root file system that a container mounts',
    { skip: process.geteuid?.() !== 0 && 'only root mounts an overlay' },
    async () => {
      const folder = join(scratch, 'mounted')
      const images = await open(folder)
      const archive = join(scratch, 'b.tar')
      // A digest of its own: a container of another platform on this machine keeps all root file systems with its digest.
      await busyboxImage({ archive, layers: [[{ path: 'unique', content: randomBytes(16) }]] })
      await images.load(archive, 'localhost/a:1', signal)
      const { rootfs } = await images.prepare('localhost/a:1', { signal })
      const [upper, work, merged] = ['upper', 'work', 'merged'].map((name) => join(scratch, name))
      for (const path of [upper, work, merged]) await mkdir(path ?? '')
      await runTool('mount', [
        '-t',
        'overlay',
        'overlay',
        '-o',
        `lowerdir=${rootfs},upperdir=${upper},workdir=${work}`,
        merged ?? '',
      ])
      try {
        await images.remove('localhost/a:1')
        await longAgo(folder)
        await open(folder)
        await access(join(rootfs, 'bin/busybox'))
      } finally {
        await runTool('umount', [merged ?? ''])
      }
      // Other processes of this machine may have taken a copy of the mount into namespaces of their own.
      for (const end = Date.now() + 60_000; Date.now() < end && (await readdir(join(folder, 'roots'))).length > 0;)
        await open(folder)
      await assert.rejects(access(rootfs), { code: 'ENOENT' })
    },
  )

  it('deletes fetched images above its limit, the least recently used first', async () => {
    const folder = join(scratch, 'limited')
    const archive = join(scratch, 'c.tar')
    const names: string[] = []
    for (const cmd of ['a', 'b', 'c']) {
      await busyboxImage({ archive, layers: [[{ path: cmd, content: Buffer.alloc(3_000_000, cmd) }]] })
      await pushImage(archive, registry, `${cmd}:1`)
      names.push(`${registry.host}/${cmd}:1`)
    }
    const images = await open(folder, 13_000_000)
    for (const name of names) {
      await longAgo(folder)
      await images.prepare(name, { signal })
    }
    const left = (await images.list()).map(({ reference }) => reference)
    assert.ok(left.includes(names[2] ?? ''), left.join())
    assert.equal(left.length, 2)
    assert.ok(await images.prepare(names[0] ?? '', { signal }))
  })

  it('deletes neither loaded images nor those of placed jobs, however small its limit', async () => {
    const folder = join(scratch, 'held')
    const archive = join(scratch, 'd.tar')
    const images = await open(folder)
    for (const name of ['loaded', 'placed', 'known', 'idle']) {
      await busyboxImage({ archive, cmd: [name] })
      if (name === 'loaded') {
        await images.load(archive, 'localhost/loaded:1', signal)
        continue
      }
      await pushImage(archive, registry, `${name}:1`)
      await images.prepare(`${registry.host}/${name}:1`, { signal })
    }
    const digest = (await images.list()).find(({ reference }) => reference.includes('known'))?.digest
    await longAgo(folder)
    // As after a crash: nothing is mounted yet, and only the store knows the placed jobs.
    const ofJobs = async () => [
      { image: `${registry.host}/placed:1` },
      { image: `${registry.host}/known:moved`, digest },
    ]
    const again = await open(folder, 1, ofJobs)
    const left = (await again.list()).map(({ reference }) => reference.replace(/^.*\//, '')).toSorted()
    assert.deepEqual(left, ['known:1', 'loaded:1', 'placed:1'])
  })
})
