import assert from 'node:assert/strict'
import { describe, it } from 'node:test'
import type { StoredAccount, StoredToken } from '../store/store.ts'
import { createAuthenticator } from './authenticate.ts'
import { isAdministrator, mayTouchJobsOf } from './may-touch.ts'
import { newToken } from '../lib/secrets/token-text.ts'

const ada: StoredAccount = { name: 'ada', uid: 1001, gid: 1001, admin: false, groups: [] }

/** A store of one token that counts its queries, and a clock that moves by hand. */
function setUp(change: Partial<StoredToken> = {}) {
  const made = newToken()
  const clock = { now: 1_000_000 }
  const tokens = new Map<string, StoredToken>()
  tokens.set(made.hash, {
    id: made.id,
    prefix: made.prefix,
    hash: made.hash,
    account: 'ada',
    name: 'laptop',
    scopes: ['read', 'submit', 'nonsense'],
    createdAt: 0,
    ...change,
  })
  let queries = 0
  let broken = false
  const store = {
    async tokenByHash(hash: string) {
      queries += 1
      if (broken) throw new Error('the database is away')
      return tokens.get(hash)
    },
    async account(name: string) {
      return name === 'ada' ? ada : undefined
    },
  }
  const revoke = (): void => {
    for (const [hash, token] of tokens) tokens.set(hash, { ...token, revokedAt: 1 })
  }
  const authenticator = createAuthenticator(store, () => clock.now)
  return {
    made,
    clock,
    revoke,
    authenticator,
    header: `Bearer ${made.token}`,
    queries: () => queries,
    breakStore: (now: boolean) => (broken = now),
  }
}

describe('authentication', () => {
  it('accepts a token with its scopes', async () => {
    const { authenticator, header } = setUp({ expiresAt: 2_000_000 })
    const caller = await authenticator.authenticate(header)
    assert.ok(typeof caller === 'object')
    assert.equal(caller.account.name, 'ada')
    assert.deepEqual([...caller.scopes], ['read', 'submit'])
    assert.equal(caller.tokenExpiresAt, 2_000_000)
    assert.equal(typeof (await authenticator.authenticate(header.replace('Bearer', 'bearer '))), 'object')
  })

  it('says why it refuses, and queries nothing for a malformed token', async () => {
    const { authenticator, queries } = setUp()
    assert.equal(await authenticator.authenticate(undefined), 'missing')
    assert.equal(await authenticator.authenticate(''), 'missing')
    assert.equal(await authenticator.authenticate('Basic YTpi'), 'malformed')
    assert.equal(await authenticator.authenticate('Bearer'), 'malformed')
    assert.equal(await authenticator.authenticate('Bearer a b'), 'malformed')
    assert.equal(await authenticator.authenticate("Bearer ' or 1=1"), 'malformed')
    assert.equal(await authenticator.authenticate('Bearer abc'), 'unknown')
    assert.equal(queries(), 0)
    assert.equal(await authenticator.authenticate(`Bearer ${newToken().token}`), 'unknown')
    assert.equal(queries(), 1)
  })

  it('queries the store once a second', async () => {
    const { authenticator, header, queries, clock } = setUp()
    await Promise.all(Array.from({ length: 32 }, () => authenticator.authenticate(header)))
    clock.now += 999
    await authenticator.authenticate(header)
    assert.equal(queries(), 1)
    clock.now += 1
    await authenticator.authenticate(header)
    assert.equal(queries(), 2)
  })

  it('caches no wrong token and no failure', async () => {
    const { authenticator, header, queries, breakStore } = setUp()
    const wrong = `Bearer ${newToken().token}`
    await authenticator.authenticate(wrong)
    await authenticator.authenticate(wrong)
    assert.equal(queries(), 2)
    breakStore(true)
    await assert.rejects(authenticator.authenticate(header), /away/)
    breakStore(false)
    assert.equal(typeof (await authenticator.authenticate(header)), 'object')
  })

  it('refuses a token from the moment it expires, cached or not', async () => {
    const { authenticator, header, clock } = setUp({ expiresAt: 1_000_500 })
    assert.equal(typeof (await authenticator.authenticate(header)), 'object')
    clock.now = 1_000_500
    assert.equal(await authenticator.authenticate(header), 'expired')
  })

  it('refuses a revoked token at once, and within a second after another process revoked it', async () => {
    const here = setUp()
    await here.authenticator.authenticate(here.header)
    here.revoke()
    here.authenticator.forget()
    assert.equal(await here.authenticator.authenticate(here.header), 'revoked')

    const elsewhere = setUp()
    await elsewhere.authenticator.authenticate(elsewhere.header)
    elsewhere.revoke()
    elsewhere.clock.now += 1000
    assert.equal(await elsewhere.authenticator.authenticate(elsewhere.header), 'revoked')
  })

  it('refuses a token whose account is gone', async () => {
    const { authenticator, header } = setUp({ account: 'gone' })
    assert.equal(await authenticator.authenticate(header), 'unknown')
  })
})

describe('access to jobs', () => {
  it("is one's own, and everybody's for an administrator whose token says so", () => {
    const caller = (name: string, admin: boolean, ...scopes: ('read' | 'admin')[]) => ({
      account: { ...ada, name, admin },
      scopes: new Set(scopes),
      tokenPrefix: 'sp_000000',
      tokenId: 't',
    })
    assert.equal(mayTouchJobsOf(caller('bob', false, 'read', 'admin')), 'bob')
    assert.equal(mayTouchJobsOf(caller('bob', true, 'read')), 'bob')
    assert.equal(mayTouchJobsOf(caller('bob', true, 'admin')), undefined)
    assert.equal(isAdministrator(caller('bob', false, 'admin')), false)
  })
})
