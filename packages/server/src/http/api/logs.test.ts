import assert from 'node:assert/strict'
import { connect } from 'node:net'
import { describe, it } from 'node:test'
import { write } from '../../executor/simulated/behaviour.ts'
import { testApp } from '../testing/test-app.ts'

const t = await testApp()
const base = await t.listen()
const token = await t.token('ada')

const open = (path: string, headers: Record<string, string> = {}, signal?: AbortSignal): Promise<Response> =>
  fetch(base + path, { headers: { authorization: `Bearer ${token}`, ...headers }, ...(signal && { signal }) })

/** Resolves when a condition holds. */
async function until(condition: () => boolean): Promise<void> {
  while (!condition()) await new Promise((resolve) => setImmediate(resolve))
}

/** A running job that has written output. */
async function running(text = ''): Promise<string> {
  const id = await t.submit('ada')
  await t.run(id)
  t.cluster.tell(`${id}-1`, write(text))
  return id
}

describe('the log of a job', () => {
  it('is empty before the start, partial while the job runs, and complete after its end', async () => {
    const id = await t.submit('ada')
    const log = () => t.as('ada', { url: `/api/v1/jobs/${id}/logs` })
    const waiting = await log()
    assert.deepEqual([waiting.statusCode, waiting.body], [200, ''])
    await t.run(id)
    assert.equal((await log()).body, '')
    t.cluster.tell(`${id}-1`, write('one\n'))
    assert.equal((await log()).body, 'one\n')
    t.cluster.tell(`${id}-1`, write(Buffer.from([0, 255, 10])))
    await t.finish(id, 0)
    const ended = await log()
    assert.deepEqual(ended.rawPayload, Buffer.from('one\n\0\u00ff\n', 'latin1'))
    assert.equal(ended.headers['content-length'], '7')
    assert.equal(ended.headers['content-type'], 'text/plain; charset=utf-8')
    const head = await t.as('ada', { method: 'HEAD', url: `/api/v1/jobs/${id}/logs` })
    assert.deepEqual([head.statusCode, head.headers['content-length'], head.body], [200, '7', ''])
  })

  it('is served in ranges', async () => {
    const id = await running('0123456789')
    const part = async (range: string) => {
      const answer = await t.as('ada', { url: `/api/v1/jobs/${id}/logs`, headers: { range } })
      return [answer.statusCode, answer.body, answer.headers['content-range']]
    }
    assert.deepEqual(await part('bytes=2-4'), [206, '234', 'bytes 2-4/10'])
    assert.deepEqual(await part('bytes=7-'), [206, '789', 'bytes 7-9/10'])
    assert.deepEqual(await part('bytes=-2'), [206, '89', 'bytes 8-9/10'])
    assert.deepEqual(await part('bytes=0-1,3-4'), [200, '0123456789', undefined])
    const [status, body, range] = await part('bytes=10-')
    assert.deepEqual([status, range], [416, 'bytes */10'])
    assert.match(String(body), /range-not-satisfiable.*10 bytes/)
    await t.finish(id, 0)
    const answer = await t.as('ada', { url: `/api/v1/jobs/${id}/logs`, headers: { range: 'bytes=-4' } })
    assert.equal(answer.headers['content-length'], '4')
  })

  it('says without marks where its bytes are, and where bytes are missing', async () => {
    const id = await running('0123456789')
    // The simulated executor misses nothing: bytes 4 and 5 are taken out here.
    const there = (from: number) =>
      from < 4 ? { start: from, end: 4 } : { start: Math.max(6, from), end: Math.max(10, from) }
    Object.assign(t.executor, {
      output: (_: string, from: number) => Promise.resolve({ ...there(from), size: 10, lostBytes: 3 }),
      followOutput: (name: string, start: number) => t.executor.readOutput(name, start, there(start).end),
    })
    const log = async (range: string | undefined, query = '') => {
      const url = `/api/v1/jobs/${id}/logs?marks=0${query}`
      const { statusCode, body, headers } = await t.as('ada', { url, headers: range === undefined ? {} : { range } })
      return [statusCode, body, headers['log-start'], headers['log-size'], headers['log-attempt'], headers['log-lost']]
    }
    try {
      assert.deepEqual(await log(undefined), [200, '0123', '0', '10', '1', '3'])
      assert.deepEqual(await log('bytes=4-'), [206, '6789', '6', '10', '1', '3'])
      assert.deepEqual(await log('bytes=4-7'), [206, '67', '6', '10', '1', '3'])
      assert.deepEqual(await log('bytes=-2'), [206, '89', '8', '10', '1', '3'])
      assert.deepEqual((await log('bytes=10-')).slice(0, 3), [204, '', '10'])
      assert.equal((await log('bytes=11-'))[0], 416)
      // A followed answer ends before the gap; the next one goes on after it, until the job has ended.
      assert.deepEqual(await log(undefined, '&follow=1'), [200, '0123', '0', '10', '1', '3'])
      const rest = log('bytes=4-', '&follow=1')
      await t.finish(id, 0)
      assert.deepEqual(await rest, [206, '6789', '6', '10', '1', '3'])
    } finally {
      for (const name of ['output', 'followOutput']) Reflect.deleteProperty(t.executor, name)
    }
  })

  it('is that of the requested attempt, or 404 where the attempt or its log does not exist', async () => {
    const id = await running('first')
    const log = (query: string) => t.as('ada', { url: `/api/v1/jobs/${id}/logs?${query}` })
    assert.equal((await log('attempt=1')).body, 'first')
    assert.equal((await log('attempt=2')).statusCode, 404)
    assert.equal((await log('attempt=0')).statusCode, 400)
    await t.finish(id, 0)
    await t.executor.deleteLog(`${id}-1`)
    const gone = await log('')
    assert.equal(gone.statusCode, 404)
    assert.match(gone.body, /365 days/)
  })

  it('of 50 MB arrives complete', async () => {
    const id = await running()
    t.cluster.tell(`${id}-1`, write(Buffer.alloc(50_000_000, 'x')))
    const response = await open(`/api/v1/jobs/${id}/logs`)
    assert.equal((await response.arrayBuffer()).byteLength, 50_000_000)
    assert.equal(t.executor.openReads, 0)
  })
})

describe('following a log', () => {
  it('begins before the job starts, sends its head at once, and ends with the job', async () => {
    const id = await t.submit('ada')
    // The head arrives before the first byte of the log: otherwise this would wait forever.
    const response = await open(`/api/v1/jobs/${id}/logs?follow=1`)
    assert.equal(response.status, 200)
    const reader: ReadableStreamDefaultReader<Uint8Array> | undefined = response.body?.getReader()
    assert.ok(reader)
    const decoder = new TextDecoder()
    const next = async () => decoder.decode((await reader.read()).value)
    await t.run(id)
    t.cluster.tell(`${id}-1`, write('one\n'))
    assert.equal(await next(), 'one\n')
    t.cluster.tell(`${id}-1`, write('two\n'))
    assert.equal(await next(), 'two\n')
    t.cluster.tell(`${id}-1`, write('last\n'))
    await t.finish(id, 0)
    assert.equal(await next(), 'last\n')
    assert.equal((await reader.read()).done, true)
    assert.equal(t.executor.openReads, 0)
  })

  it('of an ended job is the complete log, and empty for a job that never ran', async () => {
    const id = await running('all\n')
    await t.finish(id, 1)
    assert.equal(await (await open(`/api/v1/jobs/${id}/logs?follow=1`)).text(), 'all\n')
    const never = await t.submit('ada')
    const following = open(`/api/v1/jobs/${never}/logs?follow=1`)
    await t.as('ada', { method: 'POST', url: `/api/v1/jobs/${never}/cancel` })
    assert.equal(await (await following).text(), '')
  })

  it('continues from a byte, also from one that is not written yet', async () => {
    const id = await running('0123')
    const response = await open(`/api/v1/jobs/${id}/logs?follow=1`, { range: 'bytes=4-' })
    assert.equal(response.status, 206)
    assert.equal(response.headers.get('content-range'), 'bytes 4-9007199254740991/*')
    t.cluster.tell(`${id}-1`, write('4567'))
    await t.finish(id, 0)
    assert.equal(await response.text(), '4567')
  })

  it('ends when its client disconnects, and closes its source', async () => {
    const id = await running('x')
    const client = new AbortController()
    const response = await open(`/api/v1/jobs/${id}/logs?follow=1`, {}, client.signal)
    await response.body?.getReader().read()
    assert.equal(t.executor.openReads, 1)
    client.abort()
    await until(() => t.executor.openReads === 0)

    const waiting = await t.submit('ada')
    const other = new AbortController()
    const early = await open(`/api/v1/jobs/${waiting}/logs?follow=1`, {}, other.signal)
    assert.equal(early.status, 200)
    other.abort()
    await assert.rejects(early.text(), { name: 'AbortError' })
  })

  it('applies back-pressure for a slow reader instead of buffering', async () => {
    const id = await running()
    t.cluster.tell(`${id}-1`, write(Buffer.alloc(60_000_000, 'x')))
    const socket = connect(Number(new URL(base).port), '127.0.0.1')
    socket.write(`GET /api/v1/jobs/${id}/logs HTTP/1.1\r\nHost: x\r\nAuthorization: Bearer ${token}\r\n\r\n`)
    await new Promise((resolve) => socket.once('readable', resolve))
    // The client stops reading. The buffers bound what the server reads from its source.
    assert.equal(t.executor.openReads, 1)
    socket.destroy()
    await until(() => t.executor.openReads === 0)
  })
})

describe('a server that stops', () => {
  it('aborts incomplete answers, so that they do not look complete, and answers waiting requests', async () => {
    const other = await testApp()
    const address = await other.listen()
    const authorization = `Bearer ${await other.token('ada')}`
    const id = await other.submit('ada')
    await other.run(id)
    other.cluster.tell(`${id}-1`, write('half'))
    const follower = await fetch(`${address}/api/v1/jobs/${id}/logs?follow=1`, { headers: { authorization } })
    const reader = follower.body?.getReader()
    assert.ok(reader)
    await reader.read()
    let watched = 0
    const watch = other.watch.watch.bind(other.watch)
    Object.assign(other.watch, {
      watch: (...args: Parameters<typeof watch>) => {
        watched += 1
        return watch(...args)
      },
    })
    const waiter = fetch(`${address}/api/v1/jobs/${id}/wait?timeout=300`, { headers: { authorization } })
    await until(() => watched > 0)
    await other.app.close()
    await assert.rejects(reader.read())
    const answer = (await (await waiter).json()) as { state: string }
    assert.equal(answer.state, 'running')
    assert.equal(other.executor.openReads, 0)
  })
})

describe('a server that stops while a client does not read', () => {
  it('stops in time', async () => {
    const other = await testApp()
    const address = new URL(await other.listen())
    const token = await other.token('ada')
    const id = await other.submit('ada')
    await other.run(id)
    other.cluster.tell(`${id}-1`, write(Buffer.alloc(60_000_000, 'x')))
    const socket = connect(Number(address.port), '127.0.0.1')
    socket.write(`GET /api/v1/jobs/${id}/logs HTTP/1.1\r\nHost: x\r\nAuthorization: Bearer ${token}\r\n\r\n`)
    await new Promise((resolve) => socket.once('readable', resolve))
    await other.app.close()
    await until(() => other.executor.openReads === 0)
    socket.destroy()
  })
})

describe('data that is not HTTP', () => {
  const talk = async (text: string): Promise<string> => {
    const socket = connect(Number(new URL(base).port), '127.0.0.1')
    socket.end(text)
    let answer = ''
    for await (const chunk of socket) answer += String(chunk)
    return answer
  }

  it('is answered with a line of text', async () => {
    assert.match(
      await talk('nonsense\r\n\r\n'),
      /^HTTP\/1\.1 400 Bad Request\r\n[^]*not well-formed HTTP\. See RFC 9112\.\n$/,
    )
    const long = `GET /skaha/v1/session?args=${'x'.repeat(1_400_000)} HTTP/1.1\r\nHost: x\r\n\r\n`
    assert.match(await talk(long), /^HTTP\/1\.1 414 [^]*in the body/)
  })
})
