import assert from 'node:assert/strict'
import { connect } from 'node:net'
import { describe, it } from 'node:test'
import type { Change } from '@science-platform/contract'
import { disableUser } from '../../access/directory.ts'
import { openSqliteStore } from '../../store/sqlite/open.ts'
import { testApp } from '../testing/test-app.ts'

const t = await testApp()
const base = await t.listen()

/** A received event. */
interface Received {
  readonly id: string
  readonly change: Change
}

/** A stream of changes, which a test reads event by event. */
class Stream {
  readonly response: Response
  #opened: ReadableStreamDefaultReader<Uint8Array> | undefined
  #text = ''
  /** The last received id, also without an event. */
  lastId = ''

  private constructor(response: Response) {
    this.response = response
  }

  get #reader(): ReadableStreamDefaultReader<Uint8Array> {
    assert.ok(this.response.body)
    return (this.#opened ??= this.response.body.getReader())
  }

  static async open(token: string, query = '', headers: Record<string, string> = {}): Promise<Stream> {
    const response = await fetch(`${base}/api/v1/changes${query}`, {
      headers: { authorization: `Bearer ${token}`, ...headers },
    })
    return new Stream(response)
  }

  /** The next event; undefined at the end of the stream. */
  async next(): Promise<Received | undefined> {
    for (;;) {
      const end = this.#text.indexOf('\n\n')
      if (end >= 0) {
        const lines = this.#text.slice(0, end).split('\n')
        this.#text = this.#text.slice(end + 2)
        const field = (name: string) => lines.find((line) => line.startsWith(`${name}: `))?.slice(name.length + 2)
        const id = field('id')
        if (id !== undefined) this.lastId = id
        const data = field('data')
        if (data !== undefined) return { id: this.lastId, change: JSON.parse(data) as Change }
        continue
      }
      const { done, value } = await this.#reader.read()
      if (done) return undefined
      this.#text += new TextDecoder().decode(value)
    }
  }

  /** Kinds and subjects of the next `count` events. */
  async kinds(count: number): Promise<string[]> {
    const found: string[] = []
    while (found.length < count) {
      const event = await this.next()
      if (event === undefined) break
      found.push(`${event.change.kind} ${event.change.job ?? event.change.array ?? ''}`)
    }
    return found
  }

  close(): Promise<void> {
    return this.#reader.cancel()
  }
}

/** Reads until the stream has sent its cursor. */
async function placed(stream: Stream, submit: () => Promise<string>): Promise<string> {
  const id = await submit()
  assert.deepEqual(await stream.kinds(1), [`submitted ${id}`])
  return stream.lastId
}

describe('the feed of changes', () => {
  it("sends changes of the user's own jobs at once, with the facts that a reader needs", async () => {
    const token = await t.token('ada')
    const stream = await Stream.open(token)
    assert.equal(stream.response.headers.get('content-type'), 'text/event-stream')
    assert.equal(stream.response.headers.get('x-accel-buffering'), 'no')
    assert.equal(stream.response.headers.get('cache-control'), 'no-store')
    const first = await placed(stream, () => t.submit('ada'))
    await t.submit('bob')
    const id = await t.submit('ada', { name: 'reduce' })
    await t.run(id)
    await t.finish(id, 3)
    assert.deepEqual(await stream.kinds(3), [`submitted ${id}`, `placed ${id}`, `started ${id}`])
    const last = await stream.next()
    assert.deepEqual(
      { ...last?.change, number: 0 },
      {
        number: 0,
        at: '2026-11-23T08:00:00.000Z',
        kind: 'exited',
        owner: 'ada',
        job: id,
        name: 'reduce',
        from: 'running',
        to: 'failed',
        exitCode: 3,
        cause: 'exited',
      },
    )
    await stream.close()

    const resumed = await Stream.open(token, '', { 'last-event-id': first })
    assert.deepEqual(await resumed.kinds(4), [`submitted ${id}`, `placed ${id}`, `started ${id}`, `exited ${id}`])
    await resumed.close()
    const byQuery = await Stream.open(token, `?kind=exited&after=${first}`)
    assert.deepEqual(await byQuery.kinds(1), [`exited ${id}`])
    await byQuery.close()
  })

  it('sends one event for an array, and filters by job, array and kind', async () => {
    const token = await t.token('ada')
    const all = await Stream.open(token)
    const start = await placed(all, () => t.submit('ada'))
    const answer = await t.as('ada', {
      method: 'POST',
      url: '/api/v1/jobs',
      payload: { name: 'many', image: 'localhost/test:1', replicas: 300 },
    })
    const [one = ''] = answer.json<{ ids: string[] }>().ids
    const array = (await t.store.job(one))?.arrayId ?? ''
    const accepted = await all.next()
    assert.deepEqual([accepted?.change.array, accepted?.change.tasks], [array, { first: 1, last: 300 }])
    await all.close()
    await t.as('ada', { method: 'POST', url: `/api/v1/jobs/${one}/cancel` })
    const other = await t.submit('ada')
    for (const [query, wanted] of [
      [`?job=${one}`, [`cancel-requested ${one}`]],
      [`?array=${array}`, [`submitted ${array}`, `cancel-requested ${one}`]],
      ['?kind=submitted', [`submitted ${array}`, `submitted ${other}`]],
    ] as const) {
      const narrow = await Stream.open(token, query, { 'last-event-id': start })
      assert.deepEqual(await narrow.kinds(wanted.length), wanted, query)
      await narrow.close()
    }
  })

  it('sends the changes of all users to administrators who request them, and to no other user', async () => {
    const refused = await Stream.open(await t.token('bob'), '?all=1')
    assert.equal(refused.response.status, 403)
    const narrow = await Stream.open(await t.token('root', ['read']), '?all=1')
    assert.equal(narrow.response.status, 403)
    const admin = await Stream.open(await t.token('root'), '?all=1')
    const id = await t.submit('bob')
    assert.deepEqual(await admin.kinds(1), [`submitted ${id}`])
    await admin.close()
  })

  it('sends what another process wrote', async () => {
    const stream = await Stream.open(await t.token('ada'))
    const id = await t.submit('ada')
    assert.deepEqual(await stream.kinds(1), [`submitted ${id}`])
    const other = await openSqliteStore(t.databasePath)
    await other.addEvents([{ jobId: id, at: 1, type: 'Normal', reason: 'Looked', message: 'at' }])
    assert.deepEqual(await stream.kinds(1), [`noted ${id}`])
    await other.close()
    await stream.close()
  })

  it('refuses malformed cursors, cursors of another log, cursors beyond the head, and unknown kinds', async () => {
    const token = await t.token('ada')
    const stream = await Stream.open(token)
    const start = await placed(stream, () => t.submit('ada'))
    await stream.close()
    const [log = ''] = start.split('-')
    for (const [headers, query, status, text] of [
      [{ 'last-event-id': 'nonsense' }, '', 400, /Last-Event-ID/],
      [{ 'last-event-id': '00000000deadbeef-1' }, '', 410, /List your jobs again/],
      [{ 'last-event-id': `${log}-999999999` }, '', 410, /cursor-too-old/],
      [{ 'last-event-id': '' }, '?after=00000000deadbeef-1', 410, /List your jobs again/],
      [{}, '?kind=exploded', 400, /exited/],
      [{}, '?kinds=exited', 400, /kind/],
    ] as const) {
      const { response } = await Stream.open(token, query, headers)
      assert.equal(response.status, status, JSON.stringify([headers, query]))
      assert.match(await response.text(), text)
    }
  })

  it('ends when the token is revoked or expires, or the user is disabled, also by another process', async () => {
    const other = await openSqliteStore(t.databasePath)
    const [revoked, disabled] = [await t.token('ada'), await t.token('bob')]
    const streams = [await Stream.open(revoked), await Stream.open(disabled)]
    const [mine] = (await t.store.tokens('ada')).filter(({ prefix }) => revoked.startsWith(prefix))
    await other.revokeToken(mine?.id ?? '', t.clock.now)
    await other.changeDirectory(disableUser('bob', { cancelJobs: false, now: t.clock.now }))
    for (const stream of streams) assert.equal(await stream.next(), undefined)
    await other.close()

    const short = await Stream.open(await t.token('ada', ['read'], { expiresAt: t.clock.now + 50 }))
    t.clock.now += 60
    assert.equal(await short.next(), undefined)
  })

  it('limits a user to twenty concurrent streams', async () => {
    const token = await t.token('ada')
    const streams = await Promise.all(Array.from({ length: 20 }, () => Stream.open(token)))
    assert.ok(streams.every(({ response }) => response.status === 200))
    const more = await Stream.open(token)
    assert.equal(more.response.status, 429)
    assert.equal(more.response.headers.get('retry-after'), '10')
    await Promise.all(streams.map((stream) => stream.close()))
  })
})

describe('a client that does not read', () => {
  it('is disconnected, and no longer counts as a stream', async () => {
    const own = await testApp({}, {})
    const address = new URL(await own.listen())
    const token = await own.token('ada')
    const start = `${own.changes.id}-0`
    const socket = connect(Number(address.port), '127.0.0.1')
    socket.pause()
    socket.write(
      `GET /api/v1/changes HTTP/1.1\r\nHost: x\r\nAuthorization: Bearer ${token}\r\nLast-Event-ID: ${start}\r\n\r\n`,
    )
    socket.on('error', () => undefined)
    const many = { name: 'n'.repeat(50), image: 'localhost/test:1', replicas: 5_000 }
    const answer = await own.as('ada', { method: 'POST', url: '/api/v1/jobs', payload: many })
    const { ids } = answer.json<{ ids: string[] }>()
    // 17 MB of events: the socket buffers of a connection take less than 10 MB.
    for (let round = 0; round < 12; round += 1)
      await own.store.addEvents(ids.map((jobId) => ({ jobId, at: 1, type: 'Normal', reason: 'Noted', message: 'x' })))
    const connections = () =>
      new Promise<number>((resolve, reject) => {
        own.app.server.getConnections((error, count) => {
          if (error) reject(error)
          else resolve(count)
        })
      })
    for (const end = Date.now() + 60_000; (await connections()) > 0 && Date.now() < end;)
      await new Promise((resolve) => setTimeout(resolve, 50))
    assert.equal(await connections(), 0)
    socket.destroy()
  })
})

describe('waiting for any of many jobs', () => {
  const wait = async (ids: readonly string[], timeout = 20, account = 'ada') =>
    (await t.as(account, { method: 'POST', url: '/api/v1/jobs/wait', payload: { ids, timeout } })).json<{
      ended: { id: string; state: string; exitCode?: number; cause?: { code: string }; usage?: object }[]
      unknown: string[]
    }>()

  it('answers at once for ended and unknown jobs, with states and exit codes', async () => {
    const [running, over] = [await t.submit('ada'), await t.submit('ada')]
    await t.run(over)
    await t.finish(over, 3)
    const { ended, unknown } = await wait([running, over, 'zzzzzzzz'])
    assert.deepEqual(
      ended.map(({ id, state, exitCode, cause }) => [id, state, exitCode, cause?.code]),
      [[over, 'failed', 3, 'exited']],
    )
    assert.ok(ended[0]?.usage)
    assert.deepEqual(unknown, ['zzzzzzzz'])
    assert.deepEqual((await wait([running], 0)).ended, [])
  })

  it("answers at the first end, and counts another user's job as unknown", async () => {
    const [one, two] = [await t.submit('ada'), await t.submit('ada')]
    const waiting = wait([one, two])
    await t.run(two)
    await t.finish(two, 0)
    assert.deepEqual(
      (await waiting).ended.map(({ id }) => id),
      [two],
    )
    const { unknown } = await wait([one], 0, 'carol')
    assert.deepEqual(unknown, [one])
  })

  it('notices an end that another process wrote', async () => {
    const id = await t.submit('ada')
    const waiting = wait([id])
    const other = await openSqliteStore(t.databasePath)
    const cancelled = { jobId: id, at: t.clock.now, from: 'queued', event: { type: 'cancelRequested' } } as const
    await other.step([{ ...cancelled, fields: { endedAt: t.clock.now } }])
    assert.deepEqual(
      (await waiting).ended.map(({ id, state }) => [id, state]),
      [[id, 'cancelled']],
    )
    await other.close()
  })

  it('is counted as a read and not audited', async () => {
    const audited = await t.store.audit({ order: 'newest-first', limit: 5, action: 'waitForJobs' })
    assert.deepEqual(audited, [])
  })
})
