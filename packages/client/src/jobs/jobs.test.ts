import assert from 'node:assert/strict'
import type { ServerResponse } from 'node:http'
import { after, test } from 'node:test'
import { hasJobsApi, Jobs } from './jobs.ts'
import { ProblemError } from '../connection/problem-error.ts'
import { recordingServer, type RecordingServer, type Recorded, type Reply } from '../testing/recording-server.ts'
import { UnreachableError } from '../connection/unreachable-error.ts'

const servers: RecordingServer[] = []
after(async () => {
  for (const server of servers) await server.close()
})

async function start(
  answer: (request: Recorded, response: ServerResponse) => Reply | Promise<Reply>,
): Promise<{ jobs: Jobs; url: string; requests: Recorded[] }> {
  const server = await recordingServer(answer)
  servers.push(server)
  return { jobs: new Jobs({ url: server.url, token: 't' }), url: server.url, requests: server.requests }
}

async function textOf(log: AsyncIterable<Uint8Array>): Promise<string> {
  const parts: Uint8Array[] = []
  for await (const part of log) parts.push(part)
  return Buffer.concat(parts).toString()
}

const problem = (name: string, status: number): Reply => ({
  status,
  headers: { 'content-type': 'application/problem+json' },
  body: { type: `urn:science-platform:problem:${name}`, title: 'T', status, detail: 'D', hint: 'H', field: '/name' },
})

test('cancelMany sends the selection, and again without an answer', async () => {
  let lost = 1
  const outcome = { cancelled: ['a'], ended: [], unknown: [], counts: { cancelled: 1, ended: 0, unknown: 0 } }
  const { jobs, requests } = await start((_, response) => {
    if (lost-- > 0) response.destroy()
    return { body: outcome }
  })
  assert.deepEqual(await jobs.cancelMany({ label: 'run=7' }), outcome)
  assert.deepEqual(
    requests.map(({ method, url, body }) => [method, url, JSON.parse(body) as object]),
    Array.from({ length: 2 }, () => ['POST', '/api/v1/jobs/cancel', { label: 'run=7' }]),
  )
})

test('submitBatch sends all requests under one key, and again without an answer', async () => {
  const { jobs, requests } = await start((_, response) => {
    if (requests.length > 1) return { status: 201, body: { ids: ['a', 'b'] } }
    response.destroy()
    return undefined
  })
  const list = [
    { name: 'a', image: 'localhost/i:1' },
    { name: 'b', image: 'localhost/i:1', cores: 2 },
  ]
  assert.deepEqual(await jobs.submitBatch(list, { idempotencyKey: 'mine' }), { ids: ['a', 'b'] })
  assert.deepEqual(
    requests.map(({ url, body, headers }) => [url, JSON.parse(body) as object, headers['idempotency-key']]),
    Array.from({ length: 2 }, () => ['/api/v1/jobs/batch', { jobs: list }, 'mine']),
  )
})

test('listAll asks for the named fields on every page', async () => {
  const { jobs, requests } = await start(({ url }) => ({
    body: url.includes('cursor') ? { jobs: [{ id: 'b' }] } : { jobs: [{ id: 'a' }], next: 'c' },
  }))
  const ids: string[] = []
  for await (const { id } of jobs.listAll({ label: 'run=7', fields: ['id', 'state'] })) ids.push(id)
  assert.deepEqual(ids, ['a', 'b'])
  for (const { url } of requests) assert.match(url, /^\/api\/v1\/jobs\?label=run%3D7&fields=id%2Cstate/)
})

test('submit sends the request as JSON with an idempotency key', async () => {
  const { jobs, requests } = await start(() => ({ status: 201, body: { ids: ['a', 'b'] } }))
  const request = { name: 'n', image: 'localhost/i:1', cmd: 'true', replicas: 2 }
  assert.deepEqual(await jobs.submit(request), { ids: ['a', 'b'] })
  await jobs.submit(request, { idempotencyKey: 'mine' })
  assert.equal(`${requests[0]?.method} ${requests[0]?.url}`, 'POST /api/v1/jobs')
  assert.deepEqual(JSON.parse(requests[0]?.body ?? ''), request)
  assert.equal(requests[0]?.headers['content-type'], 'application/json')
  assert.match(String(requests[0]?.headers['idempotency-key']), /^[0-9a-f-]{36}$/)
  assert.equal(requests[1]?.headers['idempotency-key'], 'mine')
})

test('a submission without an answer is repeated with the same key', async () => {
  const { jobs, requests } = await start((_, response) => {
    if (requests.length > 1) return { status: 201, body: { ids: ['a'] } }
    response.destroy()
    return undefined
  })
  assert.deepEqual(await jobs.submit({ name: 'n', image: 'i' }), { ids: ['a'] })
  assert.equal(requests.length, 2)
  assert.equal(requests[0]?.headers['idempotency-key'], requests[1]?.headers['idempotency-key'])
})

test('a problem is thrown with all its fields', async () => {
  const { jobs } = await start(() => problem('invalid-request', 400))
  await assert.rejects(jobs.submit({ name: '', image: '' }), (error) => {
    assert.ok(error instanceof ProblemError)
    const { type, status, message, hint, field } = error
    assert.deepEqual([type, status, message, hint, field], ['invalid-request', 400, 'D', 'H', '/name'])
    return true
  })
})

test('an error that is not a problem names the request', async () => {
  const { jobs, url } = await start(() => ({ status: 418, body: '<html>' }))
  await assert.rejects(jobs.get('a'), (error) => {
    assert.ok(error instanceof ProblemError)
    assert.equal(error.message, `The server answered with HTTP 418 to GET ${url}/api/v1/jobs/a, without an explanation`)
    return true
  })
})

test('pages of a list are fetched on demand', async () => {
  const { jobs, requests } = await start(({ url }) => ({
    body: url.includes('cursor=c1') ? { jobs: [{ id: 'c' }] } : { jobs: [{ id: 'a' }, { id: 'b' }], next: 'c1' },
  }))
  const ids: string[] = []
  for await (const { id } of jobs.listAll({ state: 'queued,running', limit: 2 })) ids.push(id)
  assert.deepEqual(ids, ['a', 'b', 'c'])
  assert.deepEqual(
    requests.map(({ url }) => url),
    ['/api/v1/jobs?state=queued%2Crunning&limit=2', '/api/v1/jobs?state=queued%2Crunning&limit=2&cursor=c1'],
  )
  assert.deepEqual(await jobs.list(), { jobs: [{ id: 'a' }, { id: 'b' }], next: 'c1' })
})

test('get, cancel, events, why and queue use their routes', async () => {
  const { jobs, requests } = await start(() => ({ body: { id: 'a', events: [] } }))
  await jobs.get('a/b')
  await jobs.cancel('a')
  assert.deepEqual(await jobs.events('a'), [])
  assert.equal((await jobs.why('a')).id, 'a')
  await jobs.queue()
  assert.deepEqual(
    requests.map(({ method, url }) => `${method} ${url}`),
    [
      'GET /api/v1/jobs/a%2Fb',
      'POST /api/v1/jobs/a/cancel',
      'GET /api/v1/jobs/a/events',
      'GET /api/v1/jobs/a/why',
      'GET /api/v1/queue',
    ],
  )
})

test('a range of a log is requested with an inclusive last byte', async () => {
  const { jobs, requests } = await start(() => ({ status: 206, body: 'ell' }))
  assert.equal(await textOf(jobs.logs('a', { range: { start: 1, end: 4 } })), 'ell')
  assert.equal(await textOf(jobs.logs('a', { range: { start: 4, end: 4 } })), '')
  await textOf(jobs.logs('a', { range: { start: 7 } }))
  assert.deepEqual(
    requests.map(({ headers }) => headers['range']),
    ['bytes=1-3', 'bytes=7-'],
  )
})

test('a followed log resumes at the next byte when the connection breaks', async () => {
  const log = 'one\ntwo\nthree\n'
  let reads = 0
  const { jobs, requests } = await start(({ url, headers }, response) => {
    if (!url.includes('/logs')) return { body: { state: reads < 2 ? 'running' : 'succeeded' } }
    reads += 1
    const from = Number(/bytes=(\d+)-/.exec(headers['range'] ?? '')?.[1] ?? 0)
    if (from >= log.length) return problem('range-not-satisfiable', 416)
    response.writeHead(from === 0 ? 200 : 206, { 'content-type': 'text/plain' })
    if (reads > 1) response.end(log.slice(from))
    else response.write(log.slice(0, 6), () => response.destroy())
    return undefined
  })
  assert.equal(await textOf(jobs.logs('a', { follow: true })), log)
  assert.deepEqual(
    requests.filter(({ url }) => url.includes('/logs')).map(({ url, headers }) => [url, headers['range']]),
    [
      ['/api/v1/jobs/a/logs?follow=1', undefined],
      ['/api/v1/jobs/a/logs?follow=1', 'bytes=6-'],
      ['/api/v1/jobs/a/logs?follow=1', 'bytes=14-'],
    ],
  )
})

/** A server whose job has written 20 bytes in its first attempt, of which 6 to 11 are missing, and 3 in its second. */
const gapServer = () => {
  const attempts = [
    { there: [['abcdef', 0] as const, ['mnopqrst', 12] as const], size: 20, lost: 0 },
    { there: [['xyz', 0] as const], size: 3, lost: 7 },
  ]
  return start(({ url, headers }) => {
    if (!url.includes('/logs')) return { body: { state: 'failed', attempts: [{}, {}] } }
    const query = new URL(url, 'http://x').searchParams
    assert.equal(query.get('marks'), '0')
    const number = Number(query.get('attempt') ?? 1)
    const { there, size, lost } = attempts[number - 1] ?? { there: [], size: 0, lost: 0 }
    const from = Number(/bytes=(\d+)-/.exec(headers['range'] ?? '')?.[1] ?? 0)
    const [text, first] = there.find(([part, begin]) => begin + part.length > from) ?? ['', size]
    const begin = Math.max(first, from)
    const facts = { 'log-attempt': `${number}`, 'log-start': `${begin}`, 'log-size': `${size}`, 'log-lost': `${lost}` }
    return { status: begin === size ? 204 : 206, headers: facts, body: text.slice(begin - first) }
  })
}

test('gaps of a followed log are told where they are, and every attempt is read from its beginning', async () => {
  const { jobs } = await gapServer()
  const seen: unknown[] = []
  for await (const bytes of jobs.logs('a', { follow: true, onGap: (gap) => seen.push(gap) }))
    seen.push(Buffer.from(bytes).toString())
  assert.deepEqual(seen, ['abcdef', { attempt: 1, start: 6, bytes: 6 }, 'mnopqrst', 'xyz', { attempt: 2, bytes: 7 }])
})

test('gaps of a log that is not followed are told, too', async () => {
  const { jobs } = await gapServer()
  const gaps: unknown[] = []
  const text = await textOf(jobs.logs('a', { range: { start: 3 }, onGap: (gap) => gaps.push(gap) }))
  assert.deepEqual([text, gaps], ['defmnopqrst', [{ attempt: 1, start: 6, bytes: 6 }]])
})

test('a server that does not know of gaps sends the log as it always did', async () => {
  const { jobs } = await start(({ url }) =>
    url.includes('marks')
      ? {
          status: 400,
          body: JSON.stringify({ type: 'x', title: 'x', status: 400, detail: 'there is no parameter marks' }),
        }
      : { body: 'all' },
  )
  assert.equal(await textOf(jobs.logs('a', { onGap: () => assert.fail() })), 'all')
})

test('a stream that ends while the job runs is resumed, also on a server without ranges', async () => {
  let reads = 0
  const { jobs } = await start(({ url }) => {
    if (!url.includes('/logs')) return { body: { state: reads < 2 ? 'running' : 'failed' } }
    reads += 1
    return { body: 'abcdef'.slice(0, reads * 2) }
  })
  assert.equal(await textOf(jobs.logs('a', { follow: true })), 'abcdef')
})

test('following an unknown log fails at once, and following stops at the signal', async () => {
  const missing = await start(() => problem('job-not-found', 404))
  await assert.rejects(textOf(missing.jobs.logs('a', { follow: true })), ProblemError)
  const stop = new AbortController()
  const { jobs } = await start((_, response) => {
    response.writeHead(200)
    response.write('x')
    return undefined
  })
  await assert.rejects(async () => {
    for await (const part of jobs.logs('a', { follow: true, signal: stop.signal })) {
      assert.equal(Buffer.from(part).toString(), 'x')
      stop.abort(new Error('enough'))
    }
  }, /enough/)
})

test('wait asks for all jobs at once until every job has ended, and keeps the order', async () => {
  let waits = 0
  const { jobs, requests } = await start(({ url }) => {
    if (!url.endsWith('/wait')) return { body: { id: url.slice(url.lastIndexOf('/') + 1), state: 'succeeded' } }
    waits += 1
    return { body: { ended: [{ id: waits === 1 ? 'fast' : 'slow', state: 'succeeded' }], unknown: [] } }
  })
  const ended: string[] = []
  const all = await jobs.wait(['slow', 'fast'], { onEnded: ({ id }) => ended.push(id) })
  assert.deepEqual(
    all.map(({ id }) => id),
    ['slow', 'fast'],
  )
  assert.deepEqual(ended, ['fast', 'slow'])
  const asked = requests.filter(({ url }) => url === '/api/v1/jobs/wait').map(({ body }) => JSON.parse(body) as object)
  assert.deepEqual(asked, [
    { ids: ['slow', 'fast'], timeout: 25 },
    { ids: ['slow'], timeout: 25 },
  ])
})

test('wait asks for one job after the other on a server that cannot wait for many', async () => {
  const { jobs } = await start(({ url }) =>
    url.endsWith('jobs/wait')
      ? problem('method-not-allowed', 405)
      : { body: { id: /jobs\/(\w+)/.exec(url)?.[1] ?? '', state: 'failed' } },
  )
  const all = await jobs.wait(['a', 'b'])
  assert.deepEqual(
    all.map(({ id, state }) => [id, state]),
    [
      ['a', 'failed'],
      ['b', 'failed'],
    ],
  )
})

test('waiting survives a short outage of the server, and fails at once for an unknown job', async () => {
  let answers = 0
  const { jobs } = await start(({ url }, response) => {
    answers += 1
    if (answers > 2)
      return url.endsWith('/wait')
        ? { body: { ended: [{ id: 'a', state: 'succeeded' }], unknown: [] } }
        : { body: { id: 'a', state: 'succeeded' } }
    if (answers === 2) return { status: 503, body: 'starting' }
    response.destroy()
    return undefined
  })
  assert.equal((await jobs.wait('a'))[0]?.state, 'succeeded')
  const unknown = await start(({ url }) =>
    url.endsWith('/wait') ? { body: { ended: [], unknown: ['gone'] } } : problem('job-not-found', 404),
  )
  await assert.rejects(unknown.jobs.wait(['here', 'gone']), ProblemError)
})

test('changes come event by event, and a broken stream is resumed at the last id', async () => {
  const event = (number: number): string =>
    `id: log-${number}\nevent: change\ndata: ${JSON.stringify({ number, kind: 'exited' })}\n\n`
  let streams = 0
  const { jobs, requests } = await start((_, response) => {
    streams += 1
    response.writeHead(200, { 'content-type': 'text/event-stream' })
    if (streams === 1) {
      const text = `retry: 1000\nid: log-4\n\n: alive\nid: log-5\n\n${event(6)}`
      // In pieces, as a network may cut them.
      response.write(text.slice(0, 30))
      setImmediate(() => {
        response.write(text.slice(30))
        setImmediate(() => response.destroy())
      })
    } else response.write(`${event(7)}: alive\n\n`)
    return undefined
  })
  const seen: string[] = []
  for await (const { id, change } of jobs.changes({ kind: 'exited', lastEventId: 'log-3' })) {
    seen.push(`${id} ${change.number}`)
    if (seen.length === 2) break
  }
  assert.deepEqual(seen, ['log-6 6', 'log-7 7'])
  assert.deepEqual(
    requests.map(({ url, headers }) => [url, headers['last-event-id'], headers.authorization]),
    [
      ['/api/v1/changes?kind=exited', 'log-3', 'Bearer t'],
      ['/api/v1/changes?kind=exited', 'log-6', 'Bearer t'],
    ],
  )
})

test('changes say so where the place is no longer there', async () => {
  const { jobs } = await start(() => problem('cursor-too-old', 410))
  await assert.rejects(
    jobs.changes({ lastEventId: 'log-1' }).next(),
    (error) => error instanceof ProblemError && error.type === 'cursor-too-old',
  )
})

test('waiting stops at the signal', async () => {
  const { jobs } = await start(() => new Promise(() => undefined))
  await assert.rejects(jobs.wait('a', { signal: AbortSignal.abort(new Error('enough')) }), /enough/)
})

test('this platform is distinguished from other servers', async () => {
  const own = await start(() => ({ body: { openapi: '3.1.0' } }))
  const foreign = await start(() => ({ status: 404, body: 'no' }))
  const page = await start(() => ({ body: '<html>', headers: { 'content-type': 'text/html' } }))
  assert.equal(await hasJobsApi({ url: `${own.url}/skaha/v1`, token: 't' }), true)
  assert.equal(own.requests[0]?.url, '/api/v1/openapi.json')
  assert.equal(await hasJobsApi({ url: foreign.url, token: 't' }), false)
  assert.equal(await hasJobsApi({ url: page.url, token: 't' }), false)
  await assert.rejects(hasJobsApi({ url: 'http://127.0.0.1:1', token: 't' }), UnreachableError)
})
