import assert from 'node:assert/strict'
import { describe, it } from 'node:test'
import type { InjectOptions } from 'fastify'
import type { Scope } from '../access/scopes.ts'
import { testApp } from './testing/test-app.ts'

/** Everything that anybody may ask. A route that is added here is open to the world. */
const open = [
  'GET /api/v1/openapi.json',
  'GET /skaha',
  'GET /skaha/availability',
  'GET /skaha/capabilities',
  'GET /skaha/v0/availability',
  'GET /skaha/v0/capabilities',
  'GET /skaha/v1/availability',
  'GET /skaha/v1/capabilities',
]

const at = (url: string, id: string): string => url.replace(':id', id).replace(/:\w+|\*/g, 'x')

const t = await testApp()
const guarded = t.routes.filter(({ scope }) => scope !== 'public')

describe('who may use a route', () => {
  it('is everybody for these, and no others', () => {
    const found = t.routes.filter(({ scope, method }) => scope === 'public' && method !== 'HEAD')
    assert.deepEqual(found.map(({ method, url }) => `${method} ${url}`).toSorted(), open)
    assert.ok(guarded.length > 40)
  })

  it('is nobody without a token: 401 with a challenge, before anything else is looked at', async () => {
    for (const { method, url } of guarded) {
      for (const headers of [{}, { authorization: 'Bearer sp_wrong' }, { authorization: 'Basic YWRhOmE=' }]) {
        const answer = await t.app.inject({ method: method as 'GET', url: at(url, 'a0000000'), headers })
        assert.equal(answer.statusCode, 401, `${method} ${url}`)
        assert.match(String(answer.headers['www-authenticate']), /^Bearer/)
      }
    }
  })

  it('is nobody with a token that expired or was revoked', async () => {
    const expired = await t.token('ada', ['read'], { expiresAt: t.clock.now - 1 })
    const answer = await t.app.inject({ url: '/api/v1/account', headers: { authorization: `Bearer ${expired}` } })
    assert.equal(answer.statusCode, 401)
    assert.equal(answer.json<{ detail: string }>().detail, 'The token has expired.')
    const wire = await t.app.inject({ url: '/skaha/v1/session', headers: { authorization: `Bearer ${expired}` } })
    assert.equal(wire.statusCode, 401)
    assert.match(wire.body, /^The token has expired\. .*\n$/)
  })

  it('is nobody whose token was made for something else', async () => {
    for (const { method, url, scope } of guarded) {
      const others = (['read', 'submit', 'manage', 'admin'] as const satisfies readonly Scope[]).filter(
        (s) => s !== scope,
      )
      const authorization = `Bearer ${await t.token('ada', others)}`
      const answer = await t.app.inject({
        method: method as 'GET',
        url: at(url, 'a0000000'),
        headers: { authorization },
      })
      assert.equal(answer.statusCode, 403, `${method} ${url}`)
    }
  })

  it("answers another's job exactly as one that does not exist, on every route", async () => {
    const foreign = await t.submit('bob')
    await t.run(foreign)
    const missing = 'zzzzzzzz'
    for (const { method, url } of guarded.filter(({ url }) => url.includes(':id'))) {
      const ask = async (id: string) => {
        const query = url.startsWith('/api') ? '' : '?action=renew'
        const request = { method, url: at(url, id) + query } as InjectOptions
        const { statusCode, body, headers } = await t.as('ada', request)
        return { statusCode, body: body.replaceAll(id, 'ID'), type: headers['content-type'] }
      }
      assert.deepEqual(await ask(foreign), await ask(missing), `${method} ${url}`)
    }
    assert.equal((await t.store.job(foreign))?.state, 'running')
    assert.equal((await t.store.job(foreign))?.removedAt, undefined)
  })

  it('lists nobody but oneself, and an administrator sees and ends what is asked for by its id', async () => {
    const mine = await t.submit('ada', { name: 'mine' })
    const bobs = await t.as('bob', { url: '/api/v1/jobs?limit=1000' })
    assert.ok(!bobs.body.includes(mine))
    const seen = await t.as('root', { url: `/api/v1/jobs/${mine}` })
    assert.equal(seen.json<{ owner: string }>().owner, 'ada')
    const wire = await t.as('root', { url: `/skaha/v1/session/${mine}` })
    assert.equal(wire.json<{ runAsUID: string }>().runAsUID, '1001')
    const reader = await t.token('root', ['read', 'manage'])
    const narrower = await t.app.inject({ url: `/api/v1/jobs/${mine}`, headers: { authorization: `Bearer ${reader}` } })
    assert.equal(narrower.statusCode, 404)
    const ended = await t.as('root', { method: 'POST', url: `/api/v1/jobs/${mine}/cancel` })
    assert.match(ended.json<{ cause: { message: string } }>().cause.message, /the administrator root/)
  })
})
