import assert from 'node:assert/strict'
import { describe, it } from 'node:test'
import type { NewToken, ProblemBody, Token } from '@science-platform/contract'
import type { Scope } from '../../access/scopes.ts'
import { testApp } from '../testing/test-app.ts'

const t = await testApp()

/** A request with this token. */
async function using(token: string, method: 'GET' | 'POST' | 'DELETE', url: string, payload?: object) {
  const headers = { authorization: `Bearer ${token}` }
  return t.app.inject({ method, url: `/api/v1${url}`, headers, ...(payload === undefined ? {} : { payload }) })
}
async function made(token: string, payload: object = {}): Promise<NewToken> {
  const answer = await using(token, 'POST', '/tokens', payload)
  assert.equal(answer.statusCode, 201, answer.body)
  return answer.json<NewToken>()
}
const status = async (token: string): Promise<number> => (await using(token, 'GET', '/account')).statusCode
const own: readonly Scope[] = ['read', 'submit', 'manage']

describe('tokens of a user', () => {
  it('are shown once, and later by their prefixes', async () => {
    const token = await t.token('ada', own)
    const { token: secret, prefix, id, scopes } = await made(token, { name: 'laptop' })
    assert.match(secret, /^sp_[0-9a-z]{52}$/)
    assert.deepEqual(scopes, own)
    const list = await using(secret, 'GET', '/tokens')
    assert.ok(!list.body.includes(secret))
    const { tokens } = list.json<{ tokens: Token[] }>()
    const mine = tokens.find((one) => one.id === id)
    assert.deepEqual([mine?.prefix, mine?.name, mine?.current], [prefix, 'laptop', true])
    assert.equal(tokens.filter(({ current }) => current).length, 1)
    const bobs = await using(await t.token('bob', own), 'GET', '/tokens')
    assert.ok(!bobs.body.includes(id))
  })

  it('have at most the scopes and the lifetime of the token that creates them', async () => {
    const expiresAt = t.clock.now + 3_600_000
    const narrow = await t.token('root', ['read', 'manage'], { expiresAt })
    for (const [payload, field] of [
      [{ scopes: ['submit'] }, 'scopes'],
      [{ scopes: ['read', 'admin'] }, 'scopes'],
      [{ expiresInSeconds: 3_601 }, 'expiresInSeconds'],
    ] as const) {
      const answer = await using(narrow, 'POST', '/tokens', payload)
      assert.equal(answer.statusCode, 400)
      assert.equal(answer.json<ProblemBody>().field, field)
    }
    const child = await made(narrow)
    assert.deepEqual(child.scopes, ['read', 'manage'])
    assert.equal(child.expiresAt, new Date(expiresAt).toISOString())
    const shorter = await made(narrow, { expiresInSeconds: 60, scopes: ['read'] })
    assert.equal(shorter.expiresAt, new Date(t.clock.now + 60_000).toISOString())
    assert.equal((await using(shorter.token, 'POST', '/tokens', {})).statusCode, 403)
    // A token of an administrator has the scope admin only when it was requested.
    const admin = await t.token('root')
    assert.deepEqual((await made(admin)).scopes, own)
    assert.deepEqual((await made(admin, { scopes: ['admin'] })).scopes, ['admin'])
    // The scope admin has no effect for other users.
    assert.equal((await using(await t.token('ada'), 'POST', '/tokens', { scopes: ['admin'] })).statusCode, 400)
  })

  it('end with the token that created them', async () => {
    const token = await t.token('ada', own)
    const child = await made(token)
    const grandchild = await made(child.token)
    const [parent] = (await using(token, 'GET', '/tokens'))
      .json<{ tokens: Token[] }>()
      .tokens.filter(({ current }) => current)
    assert.equal((await using(child.token, 'DELETE', `/tokens/${parent?.id}`)).statusCode, 200)
    assert.deepEqual(await Promise.all([token, child.token, grandchild.token].map(status)), [401, 401, 401])
  })

  it('end at once when revoked, and revoking again changes nothing', async () => {
    const token = await t.token('ada', own)
    const child = await made(token)
    assert.equal(await status(child.token), 200)
    const first = await using(token, 'DELETE', `/tokens/${child.id}`)
    assert.equal(await status(child.token), 401)
    t.clock.now += 10
    const second = await using(token, 'DELETE', `/tokens/${child.id}`)
    assert.equal(second.json<Token>().revokedAt, first.json<Token>().revokedAt)
    assert.equal((await using(token, 'DELETE', '/tokens/nothing')).statusCode, 404)
  })

  it('are rotated: the new token has the same rights, and the old one ends after the overlap', async () => {
    const expiresAt = t.clock.now + 7_200_000
    const token = await t.token('ada', own, { expiresAt })
    const child = await made(token, { name: 'pipeline', scopes: ['read', 'manage'] })
    const grandchild = await made(child.token)
    const answer = await using(child.token, 'POST', `/tokens/${child.id}/rotate`, { overlapSeconds: 3600 })
    assert.equal(answer.statusCode, 201, answer.body)
    const next = answer.json<NewToken>()
    assert.deepEqual(
      [next.name, next.scopes, next.expiresAt, next.madeWith],
      ['pipeline', ['read', 'manage'], child.expiresAt, child.madeWith],
    )
    assert.deepEqual([await status(child.token), await status(next.token)], [200, 200])
    t.clock.now += 3_600_000
    assert.deepEqual([await status(child.token), await status(next.token)], [401, 200])
    assert.equal(await status(grandchild.token), 200, 'tokens created with the old token stay valid with the new one')
    // Without an overlap the old token ends with the answer.
    const last = (await using(next.token, 'POST', `/tokens/${next.id}/rotate`, {})).json<NewToken>()
    assert.deepEqual([await status(next.token), await status(last.token)], [401, 200])
    assert.equal((await using(last.token, 'POST', `/tokens/${next.id}/rotate`, {})).statusCode, 403)
  })

  it('are rotated only by themselves and the token that created them, so that no caller gains scopes or lifetime', async () => {
    const wide = await t.token('ada', own)
    const narrow = await t.token('ada', ['manage'])
    const [{ id } = { id: '' }] = (await using(wide, 'GET', '/tokens'))
      .json<{ tokens: Token[] }>()
      .tokens.filter(({ current }) => current)
    const answer = await using(narrow, 'POST', `/tokens/${id}/rotate`, {})
    assert.equal(answer.statusCode, 403)
    assert.equal(await status(wide), 200)
    const child = await made(wide)
    assert.equal((await using(wide, 'POST', `/tokens/${child.id}/rotate`, {})).statusCode, 201)
  })

  it('show their last use, to the minute', async () => {
    const token = await t.token('ada', own)
    await status(token)
    const used = async (): Promise<string | undefined> =>
      (await using(token, 'GET', '/tokens')).json<{ tokens: Token[] }>().tokens.find(({ current }) => current)
        ?.lastUsedAt
    const first = new Date(t.clock.now).toISOString()
    while ((await used()) !== first) await new Promise((resolve) => setTimeout(resolve, 20))
    t.clock.now += 59_999
    await status(token)
    assert.equal(await used(), first)
  })
})

describe('the token of a job', () => {
  const submit = async (token: string, change: object) =>
    using(token, 'POST', '/jobs', { name: 'job', image: 'localhost/test:1', cmd: 'true', ...change })
  const idOf = async (token: string, change: object): Promise<string> => {
    const answer = await submit(token, change)
    assert.equal(answer.statusCode, 201, answer.body)
    return answer.json<{ ids: [string] }>().ids[0]
  }

  it('has the scopes of the submitting token except admin, and ends with the job', async () => {
    const root = await t.token('root')
    const id = await idOf(root, { jobToken: true })
    await t.run(id)
    const token = t.jobToken(id)
    const account = (await using(token, 'GET', '/account')).json<{ name: string; scopes: string[]; admin: boolean }>()
    assert.deepEqual([account.name, account.scopes, account.admin], ['root', own, false])
    assert.deepEqual((await using(root, 'GET', `/jobs/${id}`)).json<{ jobToken: string[] }>().jobToken, own)
    assert.equal((await using(token, 'GET', '/users')).statusCode, 403)
    await t.finish(id, 0)
    await t.changes.refresh()
    assert.equal(await status(token), 401)
    const list = (await using(root, 'GET', '/tokens')).json<{ tokens: Token[] }>()
    assert.ok(list.tokens.every(({ jobId }) => jobId !== id))
  })

  it('has the requested scopes that the submitting token has', async () => {
    const submitter = await t.token('ada', ['read', 'submit'])
    const narrow = await idOf(submitter, { jobToken: ['read'] })
    assert.equal((await submit(t.jobToken(narrow), {})).statusCode, 403)
    const all = await idOf(submitter, { jobToken: true })
    const account = await using(t.jobToken(all), 'GET', '/account')
    assert.deepEqual(account.json<{ scopes: string[] }>().scopes, ['read', 'submit'])
    for (const [change, field] of [
      [{ jobToken: ['manage'] }, 'jobToken'],
      [{ jobToken: ['admin'] }, 'jobToken'],
      [{ jobToken: [] }, 'jobToken'],
      [{ jobToken: 'sp_secret' }, 'jobToken'],
      [{ jobToken: true, network: 'none' }, 'jobToken'],
    ] as const) {
      const answer = await submit(submitter, change)
      assert.equal(answer.statusCode, 400, JSON.stringify(change))
      assert.match(String(answer.json<ProblemBody>().field), new RegExp(field))
    }
    const none = await idOf(submitter, {})
    assert.equal(await status(t.jobToken(none)), 401)
  })

  it('ends when the job is cancelled, waiting or running', async () => {
    const token = await t.token('ada', own)
    const [waiting, running] = [await idOf(token, { jobToken: true }), await idOf(token, { jobToken: true })]
    await t.run(running)
    for (const id of [waiting, running])
      assert.equal((await using(token, 'POST', `/jobs/${id}/cancel`)).statusCode, 202)
    await t.changes.refresh()
    assert.equal(await status(t.jobToken(waiting)), 401)
    assert.equal(await status(t.jobToken(running)), 200, 'a stopping job may still use its token')
    await t.finish(running, 143)
    await t.changes.refresh()
    assert.equal(await status(t.jobToken(running)), 401)
  })

  it('works in jobs of jobs, as long as the first submitting token is valid', async () => {
    const token = await t.token('ada', own, { expiresAt: t.clock.now + 86_400_000 })
    const first = await idOf(token, { jobToken: true })
    const second = await idOf(t.jobToken(first), { jobToken: true })
    const made1 = await made(t.jobToken(first))
    await t.run(first)
    await t.finish(first, 0)
    assert.deepEqual([await status(t.jobToken(second)), await status(made1.token)], [200, 401])
    const expiry = (await using(t.jobToken(second), 'GET', '/account')).json<{ tokenExpiresAt: string }>()
    assert.equal(Date.parse(expiry.tokenExpiresAt) - t.clock.now, 86_400_000)
    const list = (await using(token, 'GET', '/tokens')).json<{ tokens: Token[] }>()
    const current = list.tokens.find((one) => one.current)
    assert.equal(list.tokens.find(({ jobId }) => jobId === second)?.madeWith, current?.id)
    await using(token, 'DELETE', `/tokens/${current?.id}`)
    assert.equal(await status(t.jobToken(second)), 401)
  })

  it('cannot be rotated', async () => {
    const token = await t.token('ada', own)
    const id = await idOf(token, { jobToken: true })
    const list = (await using(token, 'GET', '/tokens')).json<{ tokens: Token[] }>()
    const one = list.tokens.find(({ jobId }) => jobId === id)
    assert.equal((await using(t.jobToken(id), 'POST', `/tokens/${one?.id}/rotate`, {})).statusCode, 403)
  })

  it('is requested on the skaha wire by jobtoken', async () => {
    const token = await t.token('ada', own)
    const ask = (jobtoken: string) =>
      t.app.inject({
        method: 'POST',
        url: '/skaha/v1/session',
        query: { name: 'a', image: 'localhost/test:1', jobtoken },
        headers: { authorization: `Bearer ${token}` },
      })
    const id = (await ask('read,submit')).body.trim()
    const account = await using(t.jobToken(id), 'GET', '/account')
    assert.deepEqual(account.json<{ scopes: string[] }>().scopes, ['read', 'submit'])
    const refused = await ask('sp_secret')
    assert.equal(refused.statusCode, 400)
    assert.match(refused.body, /^Invalid value for 'jobtoken'/)
    assert.ok(!refused.body.includes('sp_secret'))
  })
})
