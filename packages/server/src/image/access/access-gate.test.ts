import assert from 'node:assert/strict'
import { once } from 'node:events'
import { mkdtemp, rm } from 'node:fs/promises'
import { createServer, type Server } from 'node:http'
import type { AddressInfo } from 'node:net'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { after, before, beforeEach, describe, it } from 'node:test'
import { ImageError } from '../fetch/image-error.ts'
import { AccessCache } from './access-cache.ts'
import { AccessGate } from './access-gate.ts'

const digest = `sha256:${'a'.repeat(64)}`
const loaded = `sha256:${'b'.repeat(64)}`
const signal = AbortSignal.timeout(1_200_000)
const basic = `Basic ${Buffer.from('ada:secret').toString('base64')}`

describe('the access gate', () => {
  let folder: string
  let server: Server
  let host: string
  let requests: string[] = []
  let gate: AccessGate

  before(async () => {
    folder = await mkdtemp(join(tmpdir(), 'access-gate-'))
    // A registry with one public image, `open`, and one that takes ada's password, `closed`.
    server = createServer((request, response) => {
      requests.push(`${request.headers.authorization === undefined ? 'anonymous' : 'authenticated'} ${request.url}`)
      const isOpen = request.url?.startsWith('/v2/open/') === true || request.headers.authorization === basic
      if (isOpen) response.writeHead(200, { 'docker-content-digest': digest })
      else response.writeHead(401, { 'www-authenticate': 'Basic realm="test"' })
      response.end()
    }).listen(0, '127.0.0.1')
    await once(server, 'listening')
    host = `127.0.0.1:${(server.address() as AddressInfo).port}`
    const cache = new AccessCache(join(folder, 'grants'))
    await cache.open()
    gate = new AccessGate({
      policy: { registries: [host], aliases: {}, insecure: [host] },
      cache,
      loadedDigest: async () => loaded,
    })
  })
  beforeEach(() => {
    requests = []
  })
  after(async () => {
    server.closeAllConnections()
    server.close()
    await rm(folder, { recursive: true })
  })

  const image = (path: string) => ({ registry: host, path, tag: '1' })

  it('lets every user have images of the local store, without a request', async () => {
    const local = { registry: 'localhost', path: 'a', tag: '1' }
    assert.deepEqual(await gate.permission(local, { signal }), { digest: loaded, registryAuth: undefined })
    assert.deepEqual(requests, [])
  })

  it('refuses what the policy does not allow, without a request', async () => {
    await assert.rejects(
      gate.permission({ registry: 'other.test', path: 'a', tag: '1' }, { signal }),
      (error) => error instanceof ImageError && error.why.code === 'image-not-found',
    )
    assert.deepEqual(requests, [])
  })

  it('sends no credentials for a public image', async () => {
    const permission = await gate.permission(image('open'), { registryAuth: 'ada:secret', signal })
    assert.deepEqual(permission, { digest, registryAuth: undefined })
    assert.deepEqual(requests, ['anonymous /v2/open/manifests/1'])
  })

  it('sends one request for callers at once with the same credentials', async () => {
    const request = () => gate.permission(image('closed'), { registryAuth: 'ada:secret', signal })
    const [first, second] = await Promise.all([request(), request()])
    assert.deepEqual(first, { digest, registryAuth: 'ada:secret' })
    assert.deepEqual(second, first)
    assert.equal(requests.filter((line) => line.startsWith('authenticated')).length, 1)
  })

  it('shares no result between callers with different credentials', async () => {
    const [right, wrong] = await Promise.allSettled(
      ['ada:secret', 'eve:guess'].map((registryAuth) => gate.permission(image('closed'), { registryAuth, signal })),
    )
    assert.equal(right?.status, 'fulfilled')
    assert.ok(wrong?.status === 'rejected' && wrong.reason instanceof ImageError)
    assert.equal(wrong.reason.why.code, 'image-unauthorized')
  })
})
