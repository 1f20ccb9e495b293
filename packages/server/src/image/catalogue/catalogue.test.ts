import assert from 'node:assert/strict'
import { once } from 'node:events'
import { mkdir, mkdtemp, readdir, rm, symlink } from 'node:fs/promises'
import { createServer } from 'node:http'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { after, before, describe, it } from 'node:test'
import type { ImagePolicy } from '../access/allowed.ts'
import { busyboxImage } from '../testing/busybox-image.ts'
import { startRecordingProxy, type RecordingProxy } from '../testing/recording-proxy.ts'
import { pushImage, startRegistry, type TestRegistry } from '../testing/registry.ts'
import { openCatalogue } from './catalogue.ts'
import { listedRegistry } from './listed-registry.ts'

let scratch: string
let registry: TestRegistry
let way: RecordingProxy
let digest: string
let count = 0
/** More than a page holds. */
const many = 1_100

before(async () => {
  scratch = await mkdtemp(join(tmpdir(), 'catalogue-'))
  registry = await startRegistry(join(scratch, 'registry'))
  way = await startRecordingProxy(registry.host)
  const archive = join(scratch, 'image.tar')
  digest = await busyboxImage({ archive, labels: { 'ca.nrc.cadc.skaha.type': 'Notebook, headless' } })
  await pushImage(archive, registry, 'mirror/astro/a:1')
  await pushImage(archive, registry, 'mirror/other/b:2')
})
after(async () => {
  await way.stop()
  await registry.stop()
  await rm(scratch, { recursive: true })
})

const policy = (host = way.host, registries = ['r.test']): ImagePolicy => ({
  registries,
  aliases: { 'r.test': `${host}/mirror` },
  insecure: [host],
})

async function open(settings: { policy?: ImagePolicy; file?: string } = {}) {
  const warnings: unknown[] = []
  const catalogue = await openCatalogue({
    file: settings.file ?? join(scratch, `catalogue-${++count}.json`),
    policy: settings.policy ?? policy(),
    refreshMinutes: 1000,
    log: { info: () => undefined, warn: (...warning: unknown[]) => void warnings.push(warning) },
    now: () => 1_000,
  })
  return { catalogue, warnings }
}

const image = (reference: string) => ({ reference, digest, types: ['notebook', 'headless'] })

describe('the catalogue', () => {
  it('lists the images of an alias under the registry that users write, and only allowed ones', async () => {
    const { catalogue } = await open({ policy: policy(way.host, ['r.test', 'r.test/astro']) })
    assert.deepEqual(
      catalogue.registries().map(({ images }) => images),
      [[], []],
      'it answers before the first listing',
    )
    await catalogue.refresh()
    assert.deepEqual(catalogue.registries(), [
      { registry: 'r.test', images: [image('r.test/astro/a:1'), image('r.test/other/b:2')], listedAt: 1_000 },
      { registry: 'r.test/astro', images: [image('r.test/astro/a:1')], listedAt: 1_000 },
    ])
    await catalogue.close()
    assert.equal(listedRegistry('r.test/astro', policy()).imageAt('mirror/astronomy/a'), undefined)
    assert.equal(listedRegistry('r.test', policy()).imageAt('elsewhere/a'), undefined)
  })

  it('keeps the last list of a registry that is down, refuses or answers nonsense, also after a restart', async () => {
    const file = join(scratch, 'kept.json')
    const { catalogue, warnings } = await open({ file })
    await catalogue.refresh()
    const [before] = catalogue.registries()
    const faults = {
      'it could not be reached': { status: 503 },
      'it does not list its images without credentials': { status: 401 },
      'it does not list its images': { status: 404 },
      'it refuses requests as too many': { status: 429 },
      'its answers could not be understood': { status: 200, body: 'hello' },
    }
    for (const [fault, answer] of Object.entries(faults)) {
      way.answerInstead = () => answer
      await catalogue.refresh()
      assert.deepEqual(catalogue.registries(), [{ ...before, fault }])
    }
    assert.equal(warnings.length, Object.keys(faults).length)
    await catalogue.close()
    const again = await open({ file })
    assert.deepEqual(again.catalogue.registries()[0]?.images, before?.images)
    delete way.answerInstead
    await again.catalogue.refresh()
    way.requests.length = 0
    await again.catalogue.refresh()
    assert.ok(!way.requests.some(({ path }) => path.includes('/blobs/')), 'the types of a digest never change')
    assert.deepEqual(again.catalogue.registries(), [before], 'it has forgotten the fault')
    await again.catalogue.close()
  })

  it('closes at once while a registry does not answer', async () => {
    const silent = createServer(() => undefined).listen(0, '127.0.0.1')
    await once(silent, 'listening')
    const address = silent.address()
    const host = `127.0.0.1:${typeof address === 'object' ? (address?.port ?? 0) : 0}`
    const { catalogue } = await open({ policy: policy(host) })
    const requested = once(silent, 'connection')
    await requested
    assert.deepEqual(catalogue.registries(), [{ registry: 'r.test', images: [] }])
    await catalogue.close()
    silent.closeAllConnections()
    silent.close()
  })

  it(`lists a registry of ${many} repositories page by page, and sends only the requests for tags the next time`, async () => {
    const large = await startRegistry(join(scratch, 'large'))
    const archive = join(scratch, 'large.tar')
    digest = await busyboxImage({ archive, labels: { 'ca.nrc.cadc.skaha.type': 'Notebook, headless' } })
    await pushImage(archive, large, 'mirror/r0:1')
    const repositories = join(scratch, 'large/data/docker/registry/v2/repositories/mirror')
    for (let i = 1; i < many; i++) {
      await mkdir(join(repositories, `r${i}`))
      for (const part of await readdir(join(repositories, 'r0')))
        await symlink(join('../r0', part), join(repositories, `r${i}`, part))
    }
    const counted = await startRecordingProxy(large.host)
    const { catalogue } = await open({ policy: policy(counted.host) })
    await catalogue.refresh()
    const [listed] = catalogue.registries()
    assert.equal(listed?.images.length, many)
    assert.equal(new Set(listed?.images.map(({ reference }) => reference)).size, many)
    const requested = (pattern: RegExp) => counted.requests.filter(({ path }) => pattern.test(path)).length
    assert.ok(requested(/_catalog/) >= many / 1000)
    assert.equal(requested(/blobs/), 1, 'the types of a digest never change')
    await catalogue.close()
    await counted.stop()
    await large.stop()
  })

  it("takes Harbor's labels for types, by the answers its documentation gives", async () => {
    const artifact = (tags: string[] | null, labels: string[] | null) => ({
      digest,
      tags: tags?.map((name) => ({ name })) ?? null,
      labels: labels?.map((name) => ({ name })) ?? null,
    })
    const answers: Record<string, unknown> = {
      '/api/v2.0/systeminfo': { auth_mode: 'oidc_auth' },
      '/api/v2.0/projects?public=true&page_size=100': [{ name: 'mirror' }],
      '/api/v2.0/projects/mirror/repositories?page_size=100': [{ name: 'mirror/astro/ml' }, { name: 'mirror/carta' }],
      '/api/v2.0/projects/mirror/repositories/astro%252Fml/artifacts?page_size=100&with_tag=true&with_label=true': [
        artifact(['24.07', 'latest'], ['notebook', 'Headless']),
        artifact(null, ['headless']),
      ],
      '/api/v2.0/projects/mirror/repositories/carta/artifacts?page_size=100&with_tag=true&with_label=true': [
        artifact(['1'], null),
      ],
    }
    const harbor = createServer((requested, answer) => {
      const value = answers[requested.url ?? '']
      answer.writeHead(value === undefined ? 404 : 200, { 'content-type': 'application/json' })
      answer.end(JSON.stringify(value ?? {}))
    }).listen(0, '127.0.0.1')
    await once(harbor, 'listening')
    const address = harbor.address()
    const { catalogue } = await open({
      policy: policy(`127.0.0.1:${typeof address === 'object' ? (address?.port ?? 0) : 0}`),
    })
    await catalogue.refresh()
    assert.deepEqual(catalogue.registries()[0]?.images, [
      { reference: 'r.test/astro/ml:24.07', digest, types: ['notebook', 'headless'] },
      { reference: 'r.test/astro/ml:latest', digest, types: ['notebook', 'headless'] },
      { reference: 'r.test/carta:1', digest, types: ['headless'] },
    ])
    await catalogue.close()
    harbor.closeAllConnections()
    harbor.close()
  })
})
