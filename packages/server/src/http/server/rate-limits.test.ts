import assert from 'node:assert/strict'
import { describe, it } from 'node:test'
import { newToken } from '../../lib/secrets/token-text.ts'
import { testApp, testConfig } from '../testing/test-app.ts'

const limited = (requests: Partial<typeof testConfig.limits.requests>, trustedProxies: readonly string[] = []) =>
  testApp({
    config: {
      ...testConfig,
      trustedProxies,
      limits: { ...testConfig.limits, requests: { ...testConfig.limits.requests, ...requests } },
    },
  })
const wrong = () => ({ authorization: `Bearer ${newToken().token}` })

describe('the rate limit of a user', async () => {
  const t = await limited({ reads: { burst: 3, perSecond: 0.5 }, changes: { burst: 2, perSecond: 1 } })

  it('is reported in every answer, with the time to wait', async () => {
    const answers = []
    for (let i = 0; i < 4; i++) answers.push(await t.as('ada', { url: '/api/v1/account' }))
    assert.deepEqual(
      answers.map(({ statusCode, headers }) => [statusCode, headers['ratelimit-policy'], headers.ratelimit]),
      [
        [200, '"reads";q=3;w=6', '"reads";r=2;t=0'],
        [200, '"reads";q=3;w=6', '"reads";r=1;t=0'],
        [200, '"reads";q=3;w=6', '"reads";r=0;t=0'],
        [429, '"reads";q=3;w=6', '"reads";r=0;t=2'],
      ],
    )
    const last = answers.at(-1)
    assert.equal(last?.headers['retry-after'], '2')
    assert.match(last?.json<{ type: string }>().type ?? '', /too-many-requests$/)
  })

  it('is shared by all tokens of a user, and separate by user and for changes', async () => {
    const second = await t.token('ada')
    const headers = { authorization: `Bearer ${second}` }
    assert.equal((await t.app.inject({ url: '/api/v1/jobs', headers })).statusCode, 429)
    assert.equal((await t.as('bob', { url: '/api/v1/account' })).statusCode, 200)
    await t.submit('ada')
  })

  it('is reported on the skaha wire as a line of text', async () => {
    const answer = await t.as('ada', { url: '/skaha/v1/session' })
    assert.equal(answer.statusCode, 429)
    assert.equal(answer.headers['retry-after'], '2')
    assert.match(answer.body, /^ada has sent too many requests\. Send the next request in 2 s [^\n]*\n$/)
  })

  it('refills with time', async () => {
    t.clock.now += 2_000
    assert.equal((await t.as('ada', { url: '/api/v1/account' })).statusCode, 200)
    assert.equal((await t.as('ada', { url: '/api/v1/account' })).statusCode, 429)
  })

  it('refuses a change before any part of it is done', async () => {
    await t.submit('carol')
    await t.submit('carol')
    const payload = { name: 'third', image: 'localhost/test:1' }
    assert.equal((await t.as('carol', { method: 'POST', url: '/api/v1/jobs', payload })).statusCode, 429)
    assert.equal((await t.store.jobs({ owner: 'carol', sort: 'submitted', limit: 10 })).length, 2)
    // Refusals are written asynchronously. This entry waits for them.
    await t.audit.record({ at: 0, via: 'command', action: 'after it', outcome: 'done', count: 1 })
    const [entry] = await t.store.audit({ actor: 'carol', order: 'newest-first', limit: 1 })
    assert.deepEqual([entry?.action, entry?.status, entry?.problem], ['submitJobs', 429, 'too-many-requests'])
  })
})

describe('the rate limit of failed authentication by address', () => {
  it('is finite, and a valid token from the same address is still accepted', async () => {
    const t = await limited({ unauthenticated: { burst: 5, perSecond: 1 } })
    const ask = async () => (await t.app.inject({ url: '/api/v1/account', headers: wrong() })).statusCode
    assert.deepEqual(await Promise.all(Array.from({ length: 7 }, ask)), [401, 401, 401, 401, 401, 429, 429])
    for (let i = 0; i < 20; i++) assert.equal((await t.as('ada', { url: '/api/v1/account' })).statusCode, 200)
    const elsewhere = { url: '/api/v1/account', headers: wrong(), remoteAddress: '10.1.2.3' }
    assert.equal((await t.app.inject(elsewhere)).statusCode, 401)
  })

  it('does not lock out users, and wrong tokens leave few audit entries', async () => {
    const t = await testApp()
    for (let i = 0; i < 2_000; i++) await t.app.inject({ url: '/api/v1/account', headers: wrong() })
    assert.equal((await t.as('ada', { url: '/api/v1/account' })).statusCode, 200)
    await t.audit.close()
    const entries = await t.store.audit({ order: 'newest-first', limit: 100 })
    assert.ok(entries.length <= 4, String(entries.length))
    assert.equal(
      entries.reduce((sum, { count }) => sum + count, 0),
      2_000,
    )
  })
})

describe('the client address', () => {
  const seen = async (t: Awaited<ReturnType<typeof testApp>>, forwarded: string, remoteAddress: string) => {
    await t.as('ada', {
      method: 'POST',
      url: '/api/v1/jobs/zzzzzzzz/cancel',
      remoteAddress,
      headers: { 'x-forwarded-for': forwarded, forwarded: 'for=6.6.6.6', 'x-real-ip': '6.6.6.6' },
    })
    return (await t.store.audit({ order: 'newest-first', limit: 1 }))[0]?.address
  }

  it('is the peer address, whatever the headers contain', async () => {
    const t = await testApp()
    assert.equal(await seen(t, '6.6.6.6', '192.0.2.1'), '192.0.2.1')
    assert.equal(await seen(t, '127.0.0.1', '192.0.2.1'), '192.0.2.1')
  })

  it('is taken from a trusted proxy, and not from what the client sent to the proxy', async () => {
    const t = await limited({}, ['10.0.0.0/8'])
    assert.equal(await seen(t, '6.6.6.6, 192.0.2.1', '10.0.0.7'), '192.0.2.1')
    assert.equal(await seen(t, '192.0.2.1, 10.9.9.9', '10.0.0.7'), '192.0.2.1')
    assert.equal(await seen(t, '6.6.6.6', '192.0.2.1'), '192.0.2.1')
  })
})
