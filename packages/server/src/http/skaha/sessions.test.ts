import assert from 'node:assert/strict'
import { describe, it } from 'node:test'
import type { SessionRecord } from '@science-platform/contract'
import { use, write } from '../../executor/simulated/behaviour.ts'
import { testApp } from '../testing/test-app.ts'
import { requireReference } from '../../job/image-reference.ts'

const t = await testApp()
const form = { 'content-type': 'application/x-www-form-urlencoded' }
const get = (path: string) => t.as('ada', { url: `/skaha/${path}` })
const destroy = (id: string) => t.as('ada', { method: 'DELETE', url: `/skaha/v1/session/${id}`, headers: form })
const status = async (path: string): Promise<string | number> => {
  const answer = await get(path)
  return answer.statusCode === 200 ? answer.json<SessionRecord>().status : answer.statusCode
}
const create = async (query: string, more: object = {}): Promise<string> => {
  const answer = await t.as('ada', { method: 'POST', url: `/skaha/v1/session?${query}`, headers: form, ...more })
  assert.equal(answer.statusCode, 200, answer.body)
  assert.match(answer.body, /^[a-z][a-z0-9]{7}\n$/)
  return answer.body.trim()
}

describe('POST /session', () => {
  it('accepts parameters in the address, in a form, in both, and in a multipart form', async () => {
    const inQuery = await create('name=Q&image=localhost/a:1&cmd=sh&args=-c+%22echo+hi%22&env=A=b=c&env=E=')
    const job = await t.store.job(inQuery)
    assert.deepEqual([job?.name, job?.cmd, job?.args], ['q', ['sh'], ['-c', 'echo hi']])
    assert.deepEqual(job?.env, { REPLICA_ID: '1', REPLICA_COUNT: '1', A: 'b=c', E: '' })

    const mixed = await create('NAME=first&env=A=1', { payload: 'name=second&Image=localhost/a:1&env=B=%26%2B+' })
    const both = await t.store.job(mixed)
    assert.equal(both?.name, 'first')
    assert.deepEqual([both?.env.A, both?.env.B], ['1', '&+ '])

    const parts = new FormData()
    for (const [name, value] of [
      ['name', 'm'],
      ['image', 'localhost/a:1'],
      ['env', 'A=1'],
      ['env', 'B=ü'],
    ] as const)
      parts.append(name, value)
    parts.append('file', new Blob(['x']), 'x.txt')
    const request = new Request('http://x', { method: 'POST', body: parts })
    const multipart = await create('', {
      payload: Buffer.from(await request.arrayBuffer()),
      headers: { 'content-type': request.headers.get('content-type') ?? '' },
    })
    assert.deepEqual((await t.store.job(multipart))?.env, { REPLICA_ID: '1', REPLICA_COUNT: '1', A: '1', B: 'ü' })
    const broken = { 'content-type': 'multipart/form-data; boundary=x' }
    const answer = await t.as('ada', { method: 'POST', url: '/skaha/v1/session', headers: broken, payload: 'nonsense' })
    assert.equal(answer.statusCode, 400)
  })

  it('accepts them with any Content-Type', async () => {
    await create('name=a&image=localhost/a:1', { headers: {} })
    await create('name=a&image=localhost/a:1', { headers: { 'content-type': 'application/json' } })
    await create('name=a&image=localhost/a:1', { headers: { 'content-type': 'text/weird' }, payload: 'ignored' })
  })

  it('accepts 100 KB of arguments in the address', async () => {
    const id = await create(`name=long&image=localhost/a:1&cmd=x&args=${'y'.repeat(100_000)}`)
    assert.equal((await t.store.job(id))?.args?.[0]?.length, 100_000)
  })

  it('stores registry credentials sealed, until the job has ended', async () => {
    const secret = Buffer.from('ada:se:cret').toString('base64')
    const id = await create('name=a&image=images.canfar.net/private/a:1', {
      headers: { ...form, 'X-Skaha-Registry-Auth': secret },
    })
    const image = requireReference('images.canfar.net/private/a:1')
    assert.equal(await t.logins.ofJob({ id, owner: 'ada' }, image), 'ada:se:cret')
    assert.doesNotMatch((await t.store.secret(id)) ?? 'missing', /se:cret|missing/)
    const local = await create('name=a&image=localhost/a:1', { headers: { ...form, 'X-Skaha-Registry-Auth': secret } })
    assert.equal(await t.store.secret(local), undefined, 'the local store needs no credentials, so none are stored')
    await destroy(id)
    assert.equal(await t.store.secret(id), undefined)
  })

  it('names the authenticated user, and never redirects', async () => {
    const answer = await get('v1/session/')
    assert.deepEqual([answer.statusCode, answer.headers['x-vo-authenticated']], [200, 'ada'])
  })
})

describe('the lifecycle of a session', () => {
  it('has the words of each version', async () => {
    const id = await create('name=life&image=localhost/a:1&ram=1')
    assert.equal(await status(`v1/session/${id}`), 'Pending')
    await t.run(id)
    t.cluster.tell(`${id}-1`, use({ cores: 1.5, memoryBytes: 250_000_000 }))
    const running = (await get(`v1/session/${id}`)).json<SessionRecord>()
    assert.deepEqual([running.status, running.startTime, running.ramInUse], ['Running', '2026-11-23T08:00:00Z', '0.25'])
    await t.finish(id, 0)
    assert.equal(await status(`v1/session/${id}`), 'Completed')
    assert.equal(await status(`v0/session/${id}`), 'Succeeded')
    const failed = await create('name=life&image=localhost/a:1')
    await t.run(failed)
    await t.finish(failed, 1)
    assert.equal(await status(`v1/session/${failed}`), 'Failed')
    assert.equal((await get(`v1/session/${failed}`)).json<SessionRecord>().exitCode, 1)
  })

  it('ends with DELETE: at once while it waits, after its stop while it runs', async () => {
    const waiting = await create('name=del&image=localhost/a:1')
    const answer = await destroy(waiting)
    assert.deepEqual([answer.statusCode, answer.body], [200, ''])
    assert.equal(await status(`v1/session/${waiting}`), 404)
    assert.equal(await status(`v0/session/${waiting}`), 'Terminated')
    assert.equal((await t.store.job(waiting))?.state, 'cancelled')

    const running = await create('name=del&image=localhost/a:1')
    await t.run(running)
    await destroy(running)
    assert.equal(await status(`v1/session/${running}`), 'Terminating')
    assert.equal((await destroy(running)).statusCode, 200)
    await t.finish(running, 143)
    assert.equal(await status(`v1/session/${running}`), 404)
    assert.equal(await status(`v0/session/${running}`), 'Terminated')
    const list = async (version: string) => (await get(`${version}/session?status=Terminated`)).json<SessionRecord[]>()
    assert.ok((await list('v0')).some(({ id }) => id === running))
    assert.deepEqual(await list('v1'), [])
    await destroy(running)
    assert.equal(await status(`v0/session/${running}`), 404)
  })

  it('disappears from the wire, but not from the history, with DELETE after its end', async () => {
    const id = await create('name=over&image=localhost/a:1')
    await t.run(id)
    await t.finish(id, 0)
    await destroy(id)
    for (const path of ['', '?view=logs', '?view=events'])
      assert.equal((await get(`v1/session/${id}${path}`)).statusCode, 404)
    assert.ok(!(await get('v1/session')).body.includes(id))
    assert.equal((await t.as('ada', { url: `/api/v1/jobs/${id}` })).json<{ state: string }>().state, 'succeeded')
    assert.equal((await destroy(id)).statusCode, 200)
  })

  it('DELETE succeeds for a missing session, and is refused for all sessions at once', async () => {
    assert.equal((await destroy('zzzzzzzz')).statusCode, 200)
    const all = await t.as('ada', { method: 'DELETE', url: '/skaha/v1/session' })
    assert.deepEqual([all.statusCode, all.body.startsWith('Cannot kill all sessions.')], [400, true])
  })

  it('is hidden at once when it is deleted after its time limit', async () => {
    const id = await create('name=late&image=localhost/a:1')
    await t.run(id)
    const overdue = { jobId: id, at: t.clock.now, from: 'running', event: { type: 'timeLimitReached' } } as const
    await t.store.step([{ ...overdue, fields: { stopReason: 'time-limit' } }])
    await destroy(id)
    assert.equal(await status(`v1/session/${id}`), 404)
    assert.equal((await t.store.job(id))?.stopReason, 'time-limit')
  })

  it('is renewed while it runs, never to an earlier end', async () => {
    const renew = (id: string, query = 'action=Renew') =>
      t.as('ada', { method: 'POST', url: `/skaha/v1/session/${id}?${query}`, headers: form })
    const id = await create('name=renew&image=localhost/a:1')
    const waiting = await renew(id)
    assert.deepEqual([waiting.statusCode, waiting.body], [400, `No active job for user ada with session ${id}\n`])
    await t.run(id)
    t.clock.now += 3_600_000
    const renewed = await renew(id)
    assert.deepEqual([renewed.statusCode, renewed.body], [200, ''])
    assert.equal((await get(`v1/session/${id}`)).json<SessionRecord>().expiryTime, '2026-12-07T09:00:00Z')
    t.clock.now -= 1_800_000
    await renew(id)
    assert.equal((await get(`v1/session/${id}`)).json<SessionRecord>().expiryTime, '2026-12-07T09:00:00Z')
    assert.match((await renew(id, '')).body, /^Cannot modify an existing session/)
    assert.match((await renew(id, 'action=x')).body, /^unrecognized action/)
    assert.match((await renew('zzzzzzzz')).body, /^No active job for user ada with session zzzzzzzz/)
    await t.finish(id, 0)
    assert.equal((await renew(id)).statusCode, 400)
    t.clock.now -= 1_800_000
  })
})

describe('logs and events', () => {
  it('are empty while the session waits, and 404 without a session', async () => {
    const id = await create('name=logs&image=localhost/a:1')
    const log = await get(`v1/session/${id}?view=logs`)
    assert.deepEqual([log.statusCode, log.body, log.headers['content-type']], [200, '', 'text/plain; charset=utf-8'])
    await t.run(id)
    t.cluster.tell(`${id}-1`, write('[bold]x[/bold]\n'))
    assert.equal((await get(`v1/session/${id}?view=logs`)).body, '[bold]x[/bold]\n')
    const events = await get(`v1/session/${id}?view=events`)
    assert.match(events.body, /^TYPE {3,}REASON {3,}MESSAGE {3,}FIRST-TIME {3,}LAST-TIME\nNormal {3,}Queued/)
    const none = await get('v1/session/zzzzzzzz?view=events')
    assert.deepEqual([none.statusCode, none.body], [404, 'session zzzzzzzz not found.\n'])
    assert.equal((await get('v1/session/zzzzzzzz?view=logs')).body, 'session zzzzzzzz not found\n')
    assert.equal((await get(`v1/session/${id}?view=LOGS`)).json<SessionRecord>().id, id)
  })

  it('of malformed ids are refused as on the reference server', async () => {
    assert.match((await get('v1/session/a%20b')).body, /must match Kubernetes label value syntax/)
    assert.match((await get(`v1/session/${'a'.repeat(64)}`)).body, /exceeds 63 characters/)
    assert.match((await get('v1/session/a%00')).body, /must match Kubernetes label/)
  })
})

describe('GET /session', () => {
  it('contains active and recently ended sessions, with filters', async () => {
    const other = await testApp()
    const ids: string[] = []
    for (let i = 0; i < 4; i++) ids.push(await other.submit('ada', { name: `s${i}` }))
    const [old = '', late = '', running = '', waiting = ''] = ids
    await other.run(old)
    await other.finish(old, 0)
    other.clock.now += 25 * 3_600_000
    for (const id of [late, running]) await other.run(id)
    await other.finish(late, 0)
    const list = async (query: string) =>
      (await other.as('ada', { url: `/skaha/v1/session${query}` })).json<SessionRecord[]>().map(({ id }) => id)
    assert.deepEqual(await list(''), [waiting, running, late])
    assert.deepEqual(await list('?status=succeeded'), [late])
    assert.deepEqual(await list('?status=Completed&type=HEADLESS'), [late])
    assert.deepEqual(await list('?STATUS=running'), [running])
    assert.deepEqual(await list('?type=notebook'), [])
    assert.deepEqual(await list('?view=Interactive'), [])
    assert.deepEqual(await list('?view=nonsense'), [waiting, running, late])
    // The session and its logs stay available after it has left the list.
    const info = await other.as('ada', { url: `/skaha/v1/session/${old}` })
    assert.equal(info.json<SessionRecord>().status, 'Completed')

    const everybody = await other.as('bob', { url: '/skaha/v1/session?view=all' })
    assert.deepEqual(everybody.json(), [
      { userid: 'ada', type: 'headless', status: 'Running', startTime: '2026-11-24T09:00:00Z' },
      { userid: 'ada', type: 'headless', status: 'Pending' },
    ])
    const narrowed = await other.as('bob', { url: '/skaha/v1/session?view=all&status=pending' })
    assert.deepEqual(narrowed.json(), [{ userid: 'ada', type: 'headless', status: 'Pending' }])
  })

  it('is one array for any number of sessions', async () => {
    const other = await testApp()
    await other.submit('ada', { replicas: 1203 })
    const sessions = (await other.as('ada', { url: '/skaha/v1/session' })).json<SessionRecord[]>()
    assert.equal(new Set(sessions.map(({ id }) => id)).size, 1203)
  })
})

describe('the rest of the wire', () => {
  it('lists sizes, images and registries on offer', async () => {
    assert.deepEqual((await get('v1/repository')).json(), ['images.canfar.net'])
    const digest = (letter: string) => `sha256:${letter.repeat(64)}`
    const images = [
      { id: 'images.canfar.net/skaha/astroml:1', types: ['notebook', 'headless'], digest: digest('b') },
      { id: 'images.canfar.net/skaha/carta:1', types: ['carta'], digest: digest('c') },
      { id: 'localhost/astro/source-extractor:1', types: ['headless'], digest: digest('a') },
    ]
    assert.deepEqual((await get('v1/image')).json(), images)
    assert.deepEqual((await get('v0/image?type=Headless')).json(), [images[0], images[2]])
    assert.deepEqual((await get('v1/image?type=notebook')).json(), [images[0]])
    assert.deepEqual((await get('v1/image?type=desktop')).json(), [])
    const unknown = await get('v1/image?type=x')
    assert.deepEqual([unknown.statusCode, unknown.body], [400, 'unknown type: x\n'])
    const context = (await get('v1/context')).json<{ cores: { options: number[] }; maxInteractiveSessions: number }>()
    assert.deepEqual([context.cores.options.length, context.maxInteractiveSessions], [16, 5])
    const stats = (await get('v1/session?view=stats')).json<{ cores: { requestedCPUCores: number } }>()
    assert.equal(stats.cores.requestedCPUCores, 3)
  })

  it('publishes its configured address, not the one of the request', async () => {
    for (const path of ['/skaha/capabilities', '/skaha/v1/capabilities', '/skaha/v0/capabilities/']) {
      const headers = {
        host: 'evil.example',
        'x-forwarded-host': 'evil.example',
        'x-forwarded-proto': 'gopher',
        forwarded: 'host=evil.example',
      }
      const answer = await t.app.inject({ url: path, headers })
      assert.equal(answer.statusCode, 200)
      assert.equal(answer.headers['content-type'], 'text/xml')
      assert.match(answer.body, /use="base">https:\/\/batch\.example\.org:8443\/skaha\/v1\/session</)
      assert.doesNotMatch(answer.body, /evil|gopher/)
      const head = await t.app.inject({ method: 'HEAD', url: path })
      assert.deepEqual([head.statusCode, head.body], [200, ''])
    }
    for (const method of ['GET', 'HEAD'] as const)
      for (const url of ['/skaha', '/skaha/']) assert.equal((await t.app.inject({ method, url })).statusCode, 200)
    assert.match((await t.app.inject('/skaha/availability')).body, /<vosi:available>true</)
    const min = await t.app.inject('/skaha/availability?detail=min')
    assert.deepEqual([min.statusCode, min.body], [200, ''])
  })

  it('reports an unavailable store', async () => {
    const other = await testApp()
    Object.assign(other.store, { checkWritable: () => Promise.reject(new Error('away')) })
    assert.match((await other.app.inject('/skaha/availability')).body, /<vosi:available>false</)
    assert.equal((await other.app.inject('/skaha/availability?detail=min')).statusCode, 503)
    assert.deepEqual(
      [(await other.app.inject('/readyz')).statusCode, (await other.app.inject('/healthz')).statusCode],
      [503, 200],
    )
  })

  it('answers wrong methods, wrong addresses and desktop apps as the reference server does', async () => {
    const put = await t.as('ada', { method: 'PUT', url: '/skaha/v1/session' })
    assert.deepEqual(
      [put.statusCode, put.body, put.headers.allow],
      [405, 'unsupported: HTTP PUT\n', 'GET, POST, DELETE'],
    )
    assert.equal((await t.as('ada', { method: 'HEAD', url: '/skaha/v1/session' })).statusCode, 405)
    assert.equal((await get('v2/session')).statusCode, 404)
    const id = await create('name=app&image=localhost/a:1')
    assert.deepEqual((await get(`v1/session/${id}/app`)).json(), [])
    const app = async (method: 'GET' | 'POST' | 'DELETE', path: string) => {
      const answer = await t.as('ada', { method, url: `/skaha/v1/session/${id}/${path}` })
      return `${answer.statusCode} ${answer.body}`
    }
    assert.match(await app('POST', 'app'), /^400 Invalid session type: desktop-app/)
    assert.equal(await app('DELETE', 'app'), '400 Missing app ID\n')
    assert.equal(await app('GET', 'app/abc'), `404 desktop app with session ${id} and app ID abc was not found\n`)
    assert.equal(await app('POST', 'app/abc'), '400 Cannot modify an existing app.\n')
    assert.equal(await app('GET', 'app/abc/d'), `400 Invalid request: /skaha/v1/session/${id}/app/abc/d\n`)
  })
})
