import assert from 'node:assert/strict'
import { mkdtemp, readdir, rm, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { after, before, describe, it } from 'node:test'
import { ImageError } from '../fetch/image-error.ts'
import { loadArchive } from '../fetch/load-archive.ts'
import { busyboxImage } from '../testing/busybox-image.ts'
import { ImageStore } from './image-store.ts'

describe('the image store', () => {
  let scratch: string
  let store: ImageStore
  let digest: string
  const signal = AbortSignal.timeout(1_200_000)
  const local = (path: string, tag = '1') => ({ registry: 'localhost', path, tag })
  const isMissing = (error: unknown) => error instanceof ImageError && error.why.code === 'image-not-found'

  before(async () => {
    scratch = await mkdtemp(join(tmpdir(), 'image-store-'))
    const log = { info: () => undefined }
    store = await ImageStore.open({
      folder: join(scratch, 'images'),
      log,
      limitBytes: undefined,
      ofJobs: async () => [],
    })
    const archive = join(scratch, 'a.tar')
    digest = await busyboxImage({ archive, cmd: ['stored'] })
    await loadArchive(archive, local('a'), store, { signal })
  })
  after(() => rm(scratch, { recursive: true }))

  it('describes a stored image and unpacks it once for callers at once', async () => {
    assert.deepEqual((await store.describe(digest)).cmd, ['stored'])
    const [first, second] = await Promise.all(['x', 'y'].map((name) => store.unpack(digest, local(name), signal)))
    assert.equal(first, second)
    assert.deepEqual((await store.unpacked(digest))?.image.cmd, ['stored'])
  })

  it('finds a loaded image by tag and by digest, and a fetched image by neither', async () => {
    assert.equal(await store.loadedDigest(local('a')), digest)
    assert.equal(await store.loadedDigest({ registry: 'localhost', path: 'a', digest }), digest)
    const fetched = `sha256:${'f'.repeat(64)}`
    const record = {
      reference: { registry: 'images.test', path: 'a', tag: '1' },
      digest: fetched,
      sizeBytes: 1,
      public: false,
      types: [],
      loadedAt: 1,
    }
    await store.temporaries.use((temporary) => store.records.write(record, temporary))
    await assert.rejects(store.loadedDigest({ registry: 'localhost', path: 'a', digest: fetched }), isMissing)
    await assert.rejects(store.loadedDigest(local('none')), isMissing)
  })

  it('adds a name to a stored image alone, and does not make a public name private again', async () => {
    const name = { registry: 'images.test', path: 'b', tag: '1' }
    await store.addName(name, digest, false)
    assert.equal((await store.record(name)).public, false)
    await store.addName(name, digest, true)
    assert.equal((await store.record(name)).public, true)
    await store.addName(name, digest, false)
    assert.equal((await store.record(name)).public, true)
    const missing = { registry: 'images.test', path: 'c', tag: '1' }
    await store.addName(missing, `sha256:${'e'.repeat(64)}`, true)
    await assert.rejects(store.record(missing), isMissing)
  })

  it('removes blobs at opening that a killed process left and no layout uses', async () => {
    const pool = join(store.folder, 'blobs')
    const before = await readdir(pool)
    await writeFile(join(pool, 'left'), 'x')
    await ImageStore.open({
      folder: store.folder,
      log: { info: () => undefined },
      limitBytes: 2 ** 40,
      ofJobs: async () => [],
    })
    assert.deepEqual((await readdir(pool)).sort(), before.sort())
  })

  it('counts an image that another process deleted no more', async () => {
    const folder = join(scratch, 'counted')
    const options = { folder, log: { info: () => undefined }, limitBytes: undefined, ofJobs: async () => [] }
    const counting = await ImageStore.open(options)
    await loadArchive(join(scratch, 'a.tar'), local('a'), counting, { signal })
    const withRoot = await counting.bytesUsed()
    await rm(counting.roots.path(digest), { recursive: true })
    assert.ok((await counting.bytesUsed()) < withRoot)
    assert.equal(await counting.unpacked(digest), undefined)
  })

  it('refuses a folder with a colon in its path', async () => {
    const options = { log: { info: () => undefined }, limitBytes: undefined, ofJobs: async () => [] }
    await assert.rejects(ImageStore.open({ ...options, folder: join(scratch, 'a:b') }), /has a colon/)
  })
})
