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
const fine = status(200)

/** An API server that gives these answers one after the other, the last of them for ever, and the API as a client sees it. */
async function withServer(
  answers: readonly Answer[],
  test: (api: KubernetesApi, asked: IncomingMessage[], times: number[]) => Promise<void>,
  identity: (server: string) => IdentitySource = (server) => () => Promise.resolve({ server, tls: {}, headers: {} }),
): Promise<void> {
  const asked: IncomingMessage[] = []
  const times: number[] = []
  const server = createServer((request, response) => {
    const answer = answers[Math.min(asked.length, answers.length - 1)] ?? fine
    asked.push(request)
    times.push(Date.now())
    request.resume().on('end', () => {
      answer(response, request)
    })
  })
  await once(server.listen(0, '127.0.0.1'), 'listening')
  const { port } = server.address() as AddressInfo
  const api = new KubernetesApi(identity(`http://127.0.0.1:${port}`), { log: pino({ level: 'silent' }) })
  try {
    await test(api, asked, times)
  } finally {
    api.close()
    server.close()
    server.closeAllConnections()
  }
}

describe('a change on the Kubernetes API', () => {
  it('is made again while the API server is away, overloaded or starts', () =>
    withServer([status(503), status(500), status(429), fine], async (api, asked) => {
      await api.create('/jobs', {}, forever)
      assert.equal(asked.length, 4)
    }))

  it('is not made again before the API server wants it', () =>
    withServer([status(429, '', { 'retry-after': '1' }), fine], async (api, asked, times) => {
      await api.create('/jobs', {}, forever)
      assert.equal(asked.length, 2)
      const [first = 0, second = 0] = times
      assert.ok(second - first >= 990, `${second - first} ms`)
    }))

  it('tells of trouble that lasts, not of a single fault', async () => {
    const told: string[] = []
    const onRetry = ({ message }: ApiError) => void told.push(message)
    await withServer([status(503, 'once'), fine], (api) => api.create('/jobs', {}, forever, { onRetry }))
    assert.deepEqual(told, [])
    await withServer([status(503, 'a'), status(503, 'b'), status(503, 'c'), fine], (api) =>
      api.create('/jobs', {}, forever, { onRetry }),
    )
    assert.deepEqual(told, ['c'])
  })

  it('is made again when a right is refused that was there: a server that has just started knows no roles', () =>
    withServer([fine, status(403, rbac), status(401), fine], async (api, asked) => {
      await api.get('/jobs', { signal: forever })
      await api.create('/jobs', {}, forever)
      assert.ok(asked.length >= 4)
    }))

  it('fails at once where one was never let in', () =>
    withServer([status(403, rbac)], async (api, asked) => {
      await assert.rejects(api.create('/jobs', {}, forever), { status: 403 })
      assert.equal(asked.length, 1)
    }))

  it('fails at once for a quota, what is wrong, and what is there already', () =>
    withServer([fine, status(403, quota), status(422), status(409)], async (api, asked) => {
      await api.get('/jobs', { signal: forever })
      for (const code of [403, 422, 409]) await assert.rejects(api.create('/jobs', {}, forever), { status: code })
      assert.equal(asked.length, 4)
    }))

  it('is made again when somebody else changed the object at the same moment', () =>
    withServer([status(409), fine], async (api, asked) => {
      await api.patch('/jobs/x', {}, forever)
      assert.equal(asked.length, 2)
    }))

  it('is given up when nobody wants it any more', () =>
    withServer([status(503)], async (api) => {
      const ending = new AbortController()
      const made = api.create('/jobs', {}, ending.signal)
      setTimeout(() => {
        ending.abort(new Error('stopped'))
      }, 100)
      await assert.rejects(made)
    }))
})

describe('an identity that runs out', () => {
  it('is found anew once, however many requests are refused at the same time', async () => {
    let token = 'old'
    let valid = 'old'
    let found = 0
    const check: Answer = (response, request) => {
      const isValid = request.headers.authorization === `Bearer ${valid}`
      setTimeout(() => {
        if (isValid) fine(response, request)
        else status(401)(response, request)
      }, 50)
    }
    const identity =
      (server: string): IdentitySource =>
      async (wasRefused) => {
        found++
        if (wasRefused) {
          await new Promise((resolve) => setTimeout(resolve, 100))
          token = 'new'
        }
        return { server, tls: {}, headers: { authorization: `Bearer ${token}` } }
      }
    await withServer(
      [check],
      async (api, asked) => {
        await api.get('/jobs', { signal: forever })
        await new Promise((resolve) => setTimeout(resolve, 1100))
        valid = 'new'
        await Promise.all(Array.from({ length: 16 }, () => api.get('/jobs', { signal: forever })))
        assert.equal(found, 2)
        assert.equal(asked.length, 1 + 16 + 16)
      },
      identity,
    )
  })

  it('is not sought again and again where it was never good', async () => {
    let found = 0
    await withServer(
      [status(401)],
      async (api) => {
        await assert.rejects(api.get('/jobs', { signal: forever }), { status: 401 })
        assert.equal(found, 1)
      },
      (server) => () => {
        found++
        return Promise.resolve({ server, tls: {}, headers: {} })
      },
    )
  })
})
