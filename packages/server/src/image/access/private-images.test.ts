import assert from 'node:assert/strict'
import { mkdtemp, readdir, rm, utimes } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { after, afterEach, before, describe, it } from 'node:test'
import { freshMilliseconds, graceMilliseconds } from './access-cache.ts'
import { ImageError } from '../fetch/image-error.ts'
import { MachineImages } from '../machine-images.ts'
import { busyboxImage } from '../testing/busybox-image.ts'
import { startRecordingProxy, type RecordingProxy } from '../testing/recording-proxy.ts'
import { pushImage, startRegistry, type TestRegistry } from '../testing/registry.ts'
import { byText } from '../testing/by-text.ts'

const account = { user: 'ada', password: 'love:lace' }
const other = { user: 'bob', password: 'builder' }
const adas = 'ada:love:lace'
const bobs = 'bob:builder'
const signal = AbortSignal.timeout(1_200_000)

let scratch: string
/** Ada's private registry, behind the proxy `way`. */
let registry: TestRegistry
let way: RecordingProxy
/** Bob's private registry. */
let theirs: TestRegistry
let theirWay: RecordingProxy
/** A public registry. */
let open: TestRegistry
let openWay: RecordingProxy
let digest: string
let count = 0

before(async () => {
  scratch = await mkdtemp(join(tmpdir(), 'private-images-'))
  registry = await startRegistry(join(scratch, 'registry'), { account })
  theirs = await startRegistry(join(scratch, 'theirs'), { account: other })
  open = await startRegistry(join(scratch, 'open'))
  way = await startRecordingProxy(registry.host)
  theirWay = await startRecordingProxy(theirs.host)
  openWay = await startRecordingProxy(open.host)
  const archive = join(scratch, 'image.tar')
  digest = await busyboxImage({ archive, cmd: ['private'] })
  await pushImage(archive, registry, 'team/private:1', { account })
  await pushImage(archive, theirs, 'team/private:1', { account: other })
  await pushImage(archive, open, 'team/public:1')
})
after(async () => {
  for (const each of [way, theirWay, openWay, registry, theirs, open]) await each.stop()
  await rm(scratch, { recursive: true })
})
afterEach(() => {
  for (const each of [way, theirWay, openWay]) {
    each.requests.length = 0
    delete each.answerInstead
  }
})

async function store(): Promise<{
  images: ReturnType<typeof byText>
  folder: string
  age: (milliseconds: number) => Promise<void>
}> {
  const folder = join(scratch, `images-${++count}`)
  const images = await MachineImages.open({
    folder,
    policy: {
      registries: ['private.test', 'theirs.test', 'open.test'],
      aliases: { 'private.test': way.host, 'theirs.test': theirWay.host, 'open.test': openWay.host },
      insecure: [way.host, theirWay.host, openWay.host],
    },
    log: { info: () => undefined },
  })
  /** Sets the age of every entry of the access cache. */
  const age = async (milliseconds: number): Promise<void> => {
    for (const name of await readdir(join(folder, 'grants'))) {
      const at = (Date.now() - milliseconds) / 1000
      if (name !== 'key') await utimes(join(folder, 'grants', name), at, at)
    }
  }
  return { images: byText(images), folder, age }
}

const isWhy = (code: string) => (error: unknown) => {
  assert.ok(error instanceof ImageError, String(error))
  assert.equal(error.why.code, code, error.why.message)
  return true
}
const authorizations = ({ requests }: RecordingProxy): string[] =>
  requests.flatMap(({ authorization }) => (authorization === undefined ? [] : [authorization]))
const basic = (auth: string): string => `Basic ${Buffer.from(auth).toString('base64')}`

describe('a private image', () => {
  it('that one user fetched runs for no other user, by tag, by digest, or by another name', async () => {
    const { images } = await store()
    await images.prepare('private.test/team/private:1', { registryAuth: adas, signal })
    const byDigest = `private.test/team/private@${digest}`
    await images.prepare(byDigest, { registryAuth: adas, signal })
    for (const registryAuth of [undefined, bobs, 'ada:wrong']) {
      const credentials = registryAuth === undefined ? {} : { registryAuth }
      for (const image of ['private.test/team/private:1', byDigest])
        await assert.rejects(images.prepare(image, { ...credentials, signal }), isWhy('image-unauthorized'))
      await assert.rejects(images.prepare(byDigest, { ...credentials, digest, signal }), isWhy('image-unauthorized'))
      await assert.rejects(
        images.prepare(`open.test/team/other@${digest}`, { ...credentials, signal }),
        isWhy('image-not-found'),
      )
      await assert.rejects(
        images.prepare(`localhost/team/a@${digest}`, { ...credentials, signal }),
        isWhy('image-not-found'),
      )
    }
  })

  it('takes one request in five minutes, and is refused once the registry refuses it', async () => {
    const { images, age } = await store()
    const again = () => images.prepare('private.test/team/private:1', { registryAuth: adas, digest, signal })
    await again()
    way.requests.length = 0
    await again()
    assert.deepEqual(way.requests, [])
    await age(freshMilliseconds + 1000)
    await again()
    assert.ok(way.requests.length > 0)
    await age(freshMilliseconds + 1000)
    way.answerInstead = () => ({ status: 403 })
    await assert.rejects(again(), isWhy('image-unauthorized'))
    // The refusal ends the 24 hours as well.
    way.answerInstead = () => ({ status: 503 })
    await assert.rejects(again(), isWhy('image-unreachable'))
  })

  it('runs for a day while the registry is down, for users whom the registry accepted before', async () => {
    const { images, folder, age } = await store()
    const byDigest = `private.test/team/private@${digest}`
    await images.prepare(byDigest, { registryAuth: adas, signal })
    way.answerInstead = () => ({ status: 503 })
    await age(freshMilliseconds + 1000)
    assert.equal((await images.prepare(byDigest, { registryAuth: adas, signal })).digest, digest)
    await assert.rejects(images.prepare(byDigest, { registryAuth: bobs, signal }), isWhy('image-unreachable'))
    await assert.rejects(images.prepare(byDigest, { signal }), isWhy('image-unreachable'))
    await age(graceMilliseconds + 1000)
    await assert.rejects(images.prepare(byDigest, { registryAuth: adas, signal }), isWhy('image-unreachable'))
    assert.doesNotMatch((await readdir(join(folder, 'grants'))).join(), /love|lace|private/)
  })
})

describe('credentials', () => {
  it('go to the registry of the image alone, and not even there for a public image', async () => {
    const { images } = await store()
    await images.prepare('private.test/team/private:1', { registryAuth: adas, signal })
    assert.deepEqual([...new Set(authorizations(way))], [basic(adas)])
    await images.prepare('open.test/team/public:1', { registryAuth: adas, signal })
    assert.ok(openWay.requests.length > 0)
    assert.deepEqual(authorizations(openWay), [])
    assert.deepEqual(theirWay.requests, [])
  })

  it('are not sent along a redirection to another address', async () => {
    const { images } = await store()
    way.answerInstead = ({ path, authorization }) =>
      authorization === basic(adas) && path.includes('/blobs/')
        ? { status: 307, headers: { location: `http://${theirWay.host}${path}` } }
        : undefined
    // The other registry has the blob, too, and demands credentials.
    await assert.rejects(images.prepare('private.test/team/private:1', { registryAuth: adas, signal }))
    assert.ok(theirWay.requests.length > 0)
    assert.deepEqual(authorizations(theirWay), [])
  })

  it('are not sent to a token service that is another site', async () => {
    const { images } = await store()
    theirWay.answerInstead = () => ({ status: 401 })
    way.answerInstead = () => ({
      status: 401,
      headers: {
        'www-authenticate': `Bearer realm="http://${theirWay.host}/token",service="test",scope="repository:a:pull"`,
      },
    })
    const preparing = images.prepare('private.test/team/private:1', { registryAuth: adas, signal })
    await assert.rejects(preparing, (error: ImageError) => {
      assert.match(error.why.message, /another site/)
      assert.match(error.why.hint ?? '', /images\.tokenHosts/)
      return true
    })
    assert.deepEqual([authorizations(way), authorizations(theirWay)], [[], []])
  })

  it('of one user do not fail the fetch of another user', async () => {
    const { images } = await store()
    const [wrong, right] = await Promise.allSettled([
      images.prepare('private.test/team/private:1', { registryAuth: bobs, signal }),
      images.prepare('private.test/team/private:1', { registryAuth: adas, signal }),
    ])
    assert.deepEqual([wrong.status, right.status], ['rejected', 'fulfilled'])
  })
})
