import assert from 'node:assert/strict'
import { DatabaseSync } from 'node:sqlite'
import { describe, it, mock } from 'node:test'
import type { AuditPage } from '@science-platform/contract'
import { testApp } from '../testing/test-app.ts'

const t = await testApp()
const entries = async (query: Record<string, string> = {}) => {
  const answer = await t.as('root', { url: '/api/v1/audit', query })
  assert.equal(answer.statusCode, 200, answer.body)
  return answer.json<AuditPage>()
}
/** The newest entry after pending refusals are written. Answers do not wait for those writes. */
const refusal = async () => {
  await t.audit.record({ at: 0, via: 'command', action: 'after it', outcome: 'done', count: 1 })
  return (await entries({ limit: '2' })).entries[1]
}
const newest = async () => (await entries({ limit: '1' })).entries[0]

describe('the audit trail of requests', () => {
  it('records the user, action, subject, time, address and outcome', async () => {
    const id = await t.submit('ada')
    const prefix = (await t.store.tokens('ada'))[0]?.prefix
    const common = {
      at: '2026-11-23T08:00:00.000Z',
      actor: 'ada',
      via: 'api',
      tokenPrefix: prefix,
      subject: id,
      address: '127.0.0.1',
      count: 1,
    }
    const { seq: first, hash: _, ...submitted } = (await newest()) ?? { seq: 0, hash: '' }
    assert.deepEqual(submitted, { ...common, action: 'submitJobs', outcome: 'done', status: 201 })
    await t.as('ada', { method: 'POST', url: `/api/v1/jobs/${id}/cancel` })
    const { seq: second, hash: __, ...cancelled } = (await newest()) ?? { seq: 0, hash: '' }
    assert.deepEqual(cancelled, { ...common, action: 'cancelJob', outcome: 'done', status: 202 })
    assert.equal(second, first + 1)
  })

  it('records refused and invalid requests with their problem type', async () => {
    await t.as('ada', { method: 'POST', url: '/api/v1/jobs', payload: { name: 'no image' } })
    assert.deepEqual(pick(await newest()), ['ada', 'submitJobs', undefined, 'refused', 400, 'invalid-request'])
    await t.as('bob', { method: 'POST', url: '/api/v1/jobs/zzzzzzzz/cancel' })
    assert.deepEqual(pick(await newest()), ['bob', 'cancelJob', 'zzzzzzzz', 'refused', 404, 'job-not-found'])
  })

  it('records the skaha wire', async () => {
    const query = { name: 'a', image: 'localhost/test:1' }
    const answer = await t.as('ada', { method: 'POST', url: '/skaha/v1/session', query })
    const id = answer.body.trim()
    assert.deepEqual(pick(await newest()), ['ada', 'createSession', id, 'done', 200, undefined])
    await t.as('ada', { method: 'DELETE', url: `/skaha/v0/session/${id}` })
    assert.deepEqual(pick(await newest()), ['ada', 'deleteSession', id, 'done', 200, undefined])
    assert.equal((await newest())?.via, 'skaha')
  })

  it('records failed authentication, also of reads, with only the prefix of the token', async () => {
    const token = await t.token('bob', ['read'], { expiresAt: t.clock.now - 1 })
    await t.app.inject({ url: '/api/v1/account', headers: { authorization: `Bearer ${token}` } })
    const entry = await refusal()
    assert.deepEqual(pick(entry), [undefined, 'getAccount', undefined, 'refused', 401, 'unauthenticated'])
    assert.equal(entry?.tokenPrefix, token.slice(0, 9))
    const narrow = await t.token('bob', ['submit'])
    await t.app.inject({ url: '/skaha/v1/context', headers: { authorization: `Bearer ${narrow}` } })
    assert.deepEqual(pick(await refusal()), ['bob', 'getContext', undefined, 'refused', 403, 'forbidden'])
    for (const [url, authorization] of [
      ['/api/v1/images', 'Basic YWRhOnNlY3JldA=='],
      ['/api/v1/jobs', `Token ${token}x`],
    ] as const) {
      await t.app.inject({ url, headers: { authorization } })
      const { tokenPrefix, status } = (await refusal()) ?? {}
      assert.deepEqual([tokenPrefix, status], [undefined, 401])
    }
  })

  it('does not record permitted reads', async () => {
    const before = await newest()
    await t.as('ada', { url: '/api/v1/jobs' })
    await t.as('ada', { url: '/skaha/v1/session' })
    await t.app.inject('/healthz')
    await t.as('ada', { method: 'POST', url: '/api/v1/nothing' })
    assert.deepEqual(await newest(), before)
  })

  it('is searched by user, action, subject and time, page by page', async () => {
    const id = await t.submit('carol')
    t.clock.now += 60_000
    await t.as('carol', { method: 'POST', url: `/api/v1/jobs/${id}/cancel` })
    const actions = async (query: Record<string, string>) =>
      (await entries(query)).entries.map(({ action, actor }) => `${actor} ${action}`)
    assert.deepEqual(await actions({ user: 'carol' }), ['carol cancelJob', 'carol submitJobs'])
    assert.deepEqual(await actions({ subject: id, action: 'submitJobs' }), ['carol submitJobs'])
    assert.deepEqual(await actions({ user: 'carol', since: '2026-11-23T08:01:00Z' }), ['carol cancelJob'])
    assert.deepEqual(await actions({ user: 'carol', until: '2026-11-23T08:01:00Z' }), ['carol submitJobs'])
    const first = await entries({ user: 'carol', limit: '1' })
    assert.equal(first.entries.length, 1)
    const second = await entries({ user: 'carol', limit: '1', cursor: first.next ?? '' })
    assert.deepEqual([second.entries[0]?.action, second.next], ['submitJobs', undefined])
  })

  it('refuses an invalid query and names the field', async () => {
    for (const [query, field] of [
      [{ since: 'yesterday' }, 'since'],
      [{ until: '2026-12-31T23:59:60Z' }, 'until'],
      [{ limit: '0' }, 'limit'],
      [{ cursor: '-1' }, 'cursor'],
      [{ who: 'ada' }, 'who'],
    ] as const) {
      const answer = await t.as('root', { url: '/api/v1/audit', query })
      assert.equal(answer.statusCode, 400, answer.body)
      assert.equal(answer.json<{ field: string }>().field, field)
    }
  })

  it('cannot be changed through the API', async () => {
    const before = await newest()
    for (const method of ['POST', 'PUT', 'PATCH', 'DELETE'] as const) {
      const answer = await t.as('root', { method, url: '/api/v1/audit' })
      assert.equal(answer.statusCode, 405)
    }
    assert.deepEqual(await newest(), before)
  })

  it('queues entries of changes while it cannot be written, and writes them later', async () => {
    const [one, other] = [await t.submit('ada'), await t.submit('ada')]
    const away = mock.method(t.store, 'addAudit', () => Promise.reject(new Error('away')))
    assert.equal((await t.as('ada', { method: 'POST', url: `/api/v1/jobs/${one}/cancel` })).statusCode, 202)
    away.mock.restore()
    assert.ok(t.logged.some(({ msg }) => msg === 'the audit trail cannot be written'))
    await t.as('ada', { method: 'POST', url: `/api/v1/jobs/${other}/cancel` })
    const actions = (await entries({ action: 'cancelJob', limit: '2' })).entries.map(({ subject }) => subject)
    assert.deepEqual(actions, [other, one])
  })

  it('records every stored job: while it cannot be written, no job is stored and all else works', async () => {
    const waiting = await t.submit('ada')
    const database = new DatabaseSync(t.databasePath)
    database.exec(`create trigger broken before insert on audit begin select raise(abort, 'broken') ; end`)
    const payload = { name: 'unaudited', image: 'localhost/test:1' }
    const [submitted, cancelled] = await Promise.all([
      t.as('ada', { method: 'POST', url: '/api/v1/jobs', payload }),
      t.as('ada', { method: 'POST', url: `/api/v1/jobs/${waiting}/cancel` }),
    ])
    database.exec('drop trigger broken')
    database.close()
    assert.deepEqual([submitted.statusCode, cancelled.statusCode], [500, 202])
    const names = (await t.store.jobs({ owner: 'ada', sort: 'submitted', limit: 100 })).map(({ name }) => name)
    assert.ok(!names.includes('unaudited'))
    assert.equal((await t.store.job(waiting))?.state, 'cancelled')
  })
})

function pick(entry: AuditPage['entries'][number] | undefined) {
  return [entry?.actor, entry?.action, entry?.subject, entry?.outcome, entry?.status, entry?.problem]
}
