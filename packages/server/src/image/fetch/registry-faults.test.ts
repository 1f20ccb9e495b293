import assert from 'node:assert/strict'
import { randomBytes } from 'node:crypto'
import { mkdtemp, readdir, readFile, rm, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import type { OutgoingHttpHeaders } from 'node:http'
import { after, before, describe, it } from 'node:test'
import { freePort } from '../../lib/free-port.ts'
import { ImageError } from './image-error.ts'
import { MachineImages } from '../machine-images.ts'
import { busyboxImage } from '../testing/busybox-image.ts'
import { startRecordingProxy } from '../testing/recording-proxy.ts'
import { pushImage, startRegistry, type TestRegistry } from '../testing/registry.ts'
import { startStallingProxy } from '../testing/stalling-proxy.ts'
import { byText } from '../testing/by-text.ts'

const signal = AbortSignal.timeout(1_200_000)
let scratch: string
let registry: TestRegistry
let count = 0

before(async () => {
  scratch = await mkdtemp(join(tmpdir(), 'registry-faults-'))
  registry = await startRegistry(join(scratch, 'registry'))
})
after(async () => {
  await registry.stop()
  await rm(scratch, { recursive: true })
})

async function store(
  host: string,
  stallMilliseconds?: number,
  firstMs = 0,
): Promise<{ images: ReturnType<typeof byText>; folder: string }> {
  const folder = join(scratch, `images-${++count}`)
  const images = await MachineImages.open({
    folder,
    policy: { registries: ['r.test'], aliases: { 'r.test': host }, insecure: [host] },
    log: { info: () => undefined },
    patience: { firstMs, mostMs: 60_000 },
    ...(stallMilliseconds === undefined ? {} : { stallMilliseconds }),
  })
  return { images: byText(images), folder }
}

/** Pushes an image with an incompressible layer, and returns its digest. */
async function push(as: string, to = registry, bytes = 100_000): Promise<string> {
  const archive = join(scratch, 'archive.tar')
  const digest = await busyboxImage({ archive, layers: [[{ path: 'noise', content: randomBytes(bytes) }]] })
  await pushImage(archive, to, as)
  return digest
}

const isWhy = (code: string, message: RegExp) => (error: unknown) => {
  assert.ok(error instanceof ImageError, String(error))
  assert.equal(error.why.code, code, error.why.message)
  assert.match(error.why.message, message)
  return true
}

/** Asserts that a failed fetch leaves nothing and the next one works. */
async function isTidy(folder: string): Promise<void> {
  for (const part of ['temporary', 'layouts', 'roots', 'records'])
    assert.deepEqual(await readdir(join(folder, part)), [], part)
}

/** Answers of a registry that is away, or that never has the image. */
const answers: readonly (readonly [string, { status: number; headers?: OutgoingHttpHeaders }, RegExp, number?])[] = [
  ['too many requests', { status: 429, headers: { 'retry-after': '40' } }, /\(status 429\)/, 40_000],
  ['too many requests, without a time', { status: 429 }, /\(status 429\)/, 5_000],
  ['maintenance', { status: 503, headers: { 'retry-after': '20' } }, /\(status 503\)/, 20_000],
  ['a proxy without its server', { status: 502 }, /\(status 502\)/, 5_000],
  ['no such image', { status: 404 }, /has no image/],
  ['refused', { status: 403 }, /credentials/],
]

describe('a registry', () => {
  for (const [name, answer, message, waitMs] of answers)
    it(`that answers with ${name} is ${waitMs === undefined ? 'not asked again' : 'asked again, once for all replicas'}`, async () => {
      await push('t/away:1')
      const proxy = await startRecordingProxy(registry.host)
      const { images } = await store(proxy.host, undefined, 5_000)
      proxy.answerInstead = () => answer
      const before = Date.now()
      const replicas = Array.from({ length: 5 }, () => images.prepare('r.test/t/away:1', { signal }))
      const ends = await Promise.allSettled(replicas)
      // A replica that comes later waits with the others, and asks nothing.
      ends.push(...(await Promise.allSettled([images.prepare('r.test/t/away:1', { signal })])))
      const retries = ends.map((end) => {
        assert.equal(end.status, 'rejected')
        assert.ok(end.reason instanceof ImageError)
        assert.match(end.reason.message, message)
        return end.reason.retryAt
      })
      assert.equal(new Set(retries).size, 1, 'they wait for the same instant')
      const [retryAt] = retries
      assert.equal(retryAt === undefined, waitMs === undefined)
      if (retryAt !== undefined) {
        assert.ok(retryAt >= before + (waitMs ?? 0) && retryAt <= Date.now() + 1.25 * (waitMs ?? 0) + 1)
        assert.equal(proxy.requests.length, 1)
      }
      await proxy.stop()
    })

  it('that nobody listens for, or whose name is not known yet, is asked again', async () => {
    for (const host of [`127.0.0.1:${await freePort()}`, 'registry-of-nobody.invalid']) {
      const { images } = await store(host, undefined, 5_000)
      await assert.rejects(images.prepare('r.test/t/away:1', { signal }), (error) => {
        assert.ok(isWhy('image-unreachable', /reached|no such host/)(error))
        assert.notEqual((error as ImageError).retryAt, undefined)
        return true
      })
    }
  })

  it('that stalls ends the fetch, and the next job fetches again', async () => {
    await push('t/still:1')
    const proxy = await startStallingProxy(registry.host)
    const { images, folder } = await store(proxy.host, 3_000)
    await assert.rejects(images.prepare('r.test/t/still:1', { signal }), isWhy('image-unreachable', /broke off/))
    await isTidy(folder)
    proxy.letThrough()
    assert.ok(await images.prepare('r.test/t/still:1', { signal }))
    await proxy.stop()
  })

  it('that is killed in the middle of a fetch fails that job alone', async () => {
    const folder = join(scratch, 'dying')
    let dying = await startRegistry(folder)
    await push('t/dying:1', dying)
    const proxy = await startStallingProxy(dying.host)
    const { images, folder: kept } = await store(proxy.host)
    const fetching = images.prepare('r.test/t/dying:1', { signal })
    await Promise.race([proxy.stalled, fetching])
    const port = Number(dying.host.split(':')[1])
    await dying.stop()
    await proxy.stop()
    await assert.rejects(fetching, isWhy('image-unreachable', /broke off|could not be reached/))
    await isTidy(kept)
    dying = await startRegistry(folder, { port })
    const again = await store(dying.host)
    assert.ok(await again.images.prepare('r.test/t/dying:1', { signal }))
    await dying.stop()
  })

  it('that refuses too many requests is distinguished from one that refuses access', async () => {
    await push('t/busy:1')
    const proxy = await startRecordingProxy(registry.host)
    const { images, folder } = await store(proxy.host)
    proxy.answerInstead = () => ({ status: 429, headers: { 'retry-after': '60' } })
    await assert.rejects(
      images.prepare('r.test/t/busy:1', { signal }),
      isWhy('image-unreachable', /refuses more downloads/),
    )
    // Only blobs are refused as too many: skopeo gets the answer, not the platform's client.
    proxy.answerInstead = ({ path }) => (path.includes('/blobs/') ? { status: 429 } : undefined)
    await assert.rejects(
      images.prepare('r.test/t/busy:1', { signal }),
      isWhy('image-unreachable', /refuses more downloads/),
    )
    await isTidy(folder)
    await proxy.stop()
  })

  it('whose blob is damaged fails the fetch', async () => {
    const own = await startRegistry(join(scratch, 'damaged'))
    await push('t/damaged:1', own)
    const blobs = join(scratch, 'damaged/data/docker/registry/v2/blobs/sha256')
    const files = (await readdir(blobs, { recursive: true })).filter((name) => name.endsWith('data'))
    const sizes = await Promise.all(files.map(async (name) => [name, await readFile(join(blobs, name))] as const))
    const [largest, bytes] = sizes.toSorted(([, a], [, b]) => b.length - a.length)[0] ?? ['', Buffer.alloc(0)]
    const damaged = Buffer.from(bytes)
    damaged[damaged.length >> 1] = (damaged[damaged.length >> 1] ?? 0) ^ 0xff
    await writeFile(join(blobs, largest), damaged)
    const { images, folder } = await store(own.host)
    await assert.rejects(images.prepare('r.test/t/damaged:1', { signal }), isWhy('image-invalid', /could not be read/))
    await isTidy(folder)
    await writeFile(join(blobs, largest), bytes)
    assert.ok(await images.prepare('r.test/t/damaged:1', { signal }))
    await own.stop()
  })

  it('that moves a tag during a fetch changes nothing: the job runs what the tag meant', async () => {
    const first = await push('t/moved:1')
    const proxy = await startRecordingProxy(registry.host)
    let moved: Promise<string> | undefined
    proxy.answerInstead = ({ method, path }) => {
      // Between resolving the tag and fetching.
      if (method === 'GET' && path.includes('/manifests/sha256')) moved ??= push('t/moved:1')
      return undefined
    }
    const { images } = await store(proxy.host)
    assert.equal((await images.prepare('r.test/t/moved:1', { signal })).digest, first)
    const second = await moved
    assert.notEqual(second, first)
    assert.equal(await images.resolve('r.test/t/moved:1', { signal }), second)
    await proxy.stop()
  })

  it('that answers with another image than the requested one fails the fetch', async () => {
    const [mine, theirs] = [await push('t/mine:1'), await push('t/theirs:1')]
    const proxy = await startRecordingProxy(registry.host)
    const other = Buffer.from(
      await (
        await fetch(`http://${registry.host}/v2/t/theirs/manifests/1`, {
          headers: { accept: 'application/vnd.oci.image.manifest.v1+json' },
        })
      ).arrayBuffer(),
    )
    proxy.answerInstead = ({ method, path }) =>
      path.endsWith(mine)
        ? {
            status: 200,
            headers: { 'docker-content-digest': theirs },
            ...(method === 'GET' && { body: other.toString() }),
          }
        : undefined
    const { images, folder } = await store(proxy.host)
    await assert.rejects(
      images.prepare(`r.test/t/mine@${mine}`, { signal }),
      isWhy('image-invalid', /could not be read/),
    )
    await assert.rejects(images.prepare('r.test/t/mine:1', { signal }), isWhy('image-invalid', /could not be read/))
    await isTidy(folder)
    await proxy.stop()
  })
})
