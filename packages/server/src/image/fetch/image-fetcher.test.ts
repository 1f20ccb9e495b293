import assert from 'node:assert/strict'
import { mkdtemp, readdir, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { after, before, describe, it } from 'node:test'
import { ImageStore } from '../store/image-store.ts'
import { busyboxImage } from '../testing/busybox-image.ts'
import { pushImage, startRegistry, type TestRegistry } from '../testing/registry.ts'
import { startStallingProxy } from '../testing/stalling-proxy.ts'
import { ImageFetcher } from './image-fetcher.ts'

describe('the image fetcher', () => {
  let scratch: string
  let registry: TestRegistry
  let digest: string
  let count = 0
  const signal = AbortSignal.timeout(1_200_000)
  const reference = { registry: 'images.test', path: 't/fetched', tag: '1' }

  before(async () => {
    scratch = await mkdtemp(join(tmpdir(), 'image-fetcher-'))
    registry = await startRegistry(join(scratch, 'registry'))
    const archive = join(scratch, 'a.tar')
    digest = await busyboxImage({ archive })
    await pushImage(archive, registry, 't/fetched:1')
  })
  after(async () => {
    await registry.stop()
    await rm(scratch, { recursive: true })
  })

  async function make(host: string) {
    const store = await ImageStore.open({
      folder: join(scratch, `images-${++count}`),
      log: { info: () => undefined },
      limitBytes: undefined,
      ofJobs: async () => [],
    })
    const policy = { registries: ['images.test'], aliases: { 'images.test': host }, insecure: [host] }
    return { store, fetcher: new ImageFetcher({ store, policy, stallMilliseconds: 60_000 }) }
  }

  it('stores layout and record, and leaves no temporary folder', async () => {
    const { store, fetcher } = await make(registry.host)
    const bytes = await fetcher.fetch(reference, { digest, registryAuth: undefined }, signal)
    assert.equal(await store.layouts.has(digest), true)
    const record = await store.records.find(reference)
    assert.deepEqual([record?.digest, record?.sizeBytes, record?.public], [digest, bytes, true])
    assert.deepEqual(await readdir(join(store.folder, 'temporary')), [])
  })

  it('reports the bytes of one fetch to all callers that share it', async () => {
    const proxy = await startStallingProxy(registry.host)
    const { store, fetcher } = await make(proxy.host)
    const reports = [Promise.withResolvers<number>(), Promise.withResolvers<number>()]
    const fetches = reports.map(({ resolve }) =>
      fetcher.fetch(reference, { digest, registryAuth: undefined }, signal, (_bytes, totalBytes) => {
        resolve(totalBytes)
      }),
    )
    const [first, second] = await Promise.all(reports.map(({ promise }) => promise))
    assert.equal(first, second)
    assert.equal((await readdir(join(store.folder, 'temporary'))).length, 1)
    proxy.letThrough()
    await Promise.all(fetches)
    await proxy.stop()
  })

  it('starts a fetch of its own for other credentials', async () => {
    const proxy = await startStallingProxy(registry.host)
    const { store, fetcher } = await make(proxy.host)
    const one = fetcher.fetch(reference, { digest, registryAuth: undefined }, signal)
    await proxy.stalled
    const other = new AbortController()
    const two = fetcher.fetch(reference, { digest, registryAuth: 'ada:guess' }, other.signal)
    other.abort(new Error('the second left'))
    await assert.rejects(two, /the second left/)
    proxy.letThrough()
    await one
    assert.equal(await store.layouts.has(digest), true)
    await proxy.stop()
  })
})
