import assert from 'node:assert/strict'
import { once } from 'node:events'
import { createServer, type IncomingMessage, type ServerResponse } from 'node:http'
import type { AddressInfo } from 'node:net'
import { describe, it } from 'node:test'
import { pino } from 'pino'
import { KubernetesApi } from './api-client.ts'
import type { ApiError } from './api-error.ts'
import type { IdentitySource } from '../credentials/kubeconfig.ts'

const forever = new AbortController().signal
const rbac = 'jobs.batch is forbidden: User "platform" cannot create resource "jobs" in API group "batch"'
const quota = 'jobs.batch "x" is forbidden: exceeded quota: few, requested: count/jobs.batch=1'

type Answer = (response: ServerResponse, request: IncomingMessage) => void
const status =
  (code: number, message = '', headers: Record<string, string> = {}): Answer =>
  (response) =>
    response.writeHead(code, headers).end(JSON.stringify({ message }))
const ok = status(200)

/** An API server that gives these answers one after the other, and repeats the last; and a client of it. */
async function withServer(
  answers: readonly Answer[],
  test: (api: KubernetesApi, requests: IncomingMessage[], times: number[]) => Promise<void>,
  identity: (server: string) => IdentitySource = (server) => () => Promise.resolve({ server, tls: {}, headers: {} }),
): Promise<void> {
  const requests: IncomingMessage[] = []
  const times: number[] = []
  const server = createServer((request, response) => {
    const answer = answers[Math.min(requests.length, answers.length - 1)] ?? ok
    requests.push(request)
    times.push(Date.now())
    request.resume().on('end', () => {
      answer(response, request)
    })
  })
  await once(server.listen(0, '127.0.0.1'), 'listening')
  const { port } = server.address() as AddressInfo
  const api = new KubernetesApi(identity(`http://127.0.0.1:${port}`), { log: pino({ level: 'silent' }) })
  try {
    await test(api, requests, times)
  } finally {
    api.close()
    server.close()
    server.closeAllConnections()
  }
}

describe('a change on the Kubernetes API', () => {
  it('is retried while the API server is down, overloaded or starting', () =>
    withServer([status(503), status(500), status(429), ok], async (api, requests) => {
      await api.create('/jobs', {}, forever)
      assert.equal(requests.length, 4)
    }))

  it('is not retried before Retry-After', () =>
    withServer([status(429, '', { 'retry-after': '1' }), ok], async (api, requests, times) => {
      await api.create('/jobs', {}, forever)
      assert.equal(requests.length, 2)
      const [first = 0, second = 0] = times
      assert.ok(second - first >= 990, `${second - first} ms`)
    }))

  it('reports failures from the third on', async () => {
    const reported: string[] = []
    const onRetry = ({ message }: ApiError) => void reported.push(message)
    await withServer([status(503, 'once'), ok], (api) => api.create('/jobs', {}, forever, { onRetry }))
    assert.deepEqual(reported, [])
    await withServer([status(503, 'a'), status(503, 'b'), status(503, 'c'), ok], (api) =>
      api.create('/jobs', {}, forever, { onRetry }),
    )
    assert.deepEqual(reported, ['c'])
  })

  it('is retried when a right is refused that was granted before: an API server that starts knows no roles yet', () =>
    withServer([ok, status(403, rbac), status(401), ok], async (api, requests) => {
      await api.get('/jobs', { signal: forever })
      await api.create('/jobs', {}, forever)
      assert.ok(requests.length >= 4)
    }))

  it('fails at once where the identity was never accepted', () =>
    withServer([status(403, rbac)], async (api, requests) => {
      await assert.rejects(api.create('/jobs', {}, forever), { status: 403 })
      assert.equal(requests.length, 1)
    }))

  it('fails at once for a quota, an invalid object, and one that exists', () =>
    withServer([ok, status(403, quota), status(422), status(409)], async (api, requests) => {
      await api.get('/jobs', { signal: forever })
      for (const code of [403, 422, 409]) await assert.rejects(api.create('/jobs', {}, forever), { status: code })
      assert.equal(requests.length, 4)
    }))

  it('is retried when another client changed the object at the same time', () =>
    withServer([status(409), ok], async (api, requests) => {
      await api.patch('/jobs/x', {}, forever)
      assert.equal(requests.length, 2)
    }))

  it('is aborted by its signal', () =>
    withServer([status(503)], async (api) => {
      const ending = new AbortController()
      const made = api.create('/jobs', {}, ending.signal)
      setTimeout(() => {
        ending.abort(new Error('stopped'))
      }, 100)
      await assert.rejects(made)
    }))
})

describe('an identity that expires', () => {
  it('is read again once, however many requests are refused at the same time', async (t) => {
    t.mock.timers.enable({ apis: ['Date'], now: Date.now() })
    const together = 16
    let token = 'old'
    let valid = 'old'
    let reads = 0
    const refusals: (() => void)[] = []
    const check: Answer = (response, request) => {
      if (request.headers.authorization === `Bearer ${valid}`) return ok(response, request)
      refusals.push(() => status(401)(response, request))
      if (refusals.length === together) for (const refuse of refusals) refuse()
    }
    const identity =
      (server: string): IdentitySource =>
      async (wasRefused) => {
        reads++
        if (wasRefused) {
          await new Promise((resolve) => setImmediate(resolve))
          token = 'new'
        }
        return { server, tls: {}, headers: { authorization: `Bearer ${token}` } }
      }
    await withServer(
      [check],
      async (api, requests) => {
        await api.get('/jobs', { signal: forever })
        t.mock.timers.tick(1100)
        valid = 'new'
        await Promise.all(Array.from({ length: together }, () => api.get('/jobs', { signal: forever })))
        assert.equal(reads, 2)
        assert.equal(requests.length, 1 + 2 * together)
      },
      identity,
    )
  })

  it('is read once where it was never accepted', async () => {
    let reads = 0
    await withServer(
      [status(401)],
      async (api) => {
        await assert.rejects(api.get('/jobs', { signal: forever }), { status: 401 })
        assert.equal(reads, 1)
      },
      (server) => () => {
        reads++
        return Promise.resolve({ server, tls: {}, headers: {} })
      },
    )
  })
})
