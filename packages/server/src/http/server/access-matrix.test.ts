import assert from 'node:assert/strict'
import { describe, it } from 'node:test'
import { jobScopes, problems, problemUri, type ProblemBody } from '@science-platform/contract'
import { addUser, disableUser } from '../../access/directory.ts'
import { scopes, type Scope } from '../../access/scopes.ts'
import type { DeclaredRoute } from './route-table.ts'
import { accessRules, type AccessRule, type AddressParts } from '../testing/access-rules.ts'
import { testApp } from '../testing/test-app.ts'

const t = await testApp()
const everyScope: readonly Scope[] = scopes
const own: readonly Scope[] = ['read', 'submit', 'manage']

/** The caller of a request. `account` is undefined where the server must not authenticate the caller. */
interface Caller {
  readonly who: string
  readonly account?: string
  readonly scopes: readonly Scope[]
  readonly authorization?: string
}

const recognised = async (who: string, account: string, scopes: readonly Scope[]): Promise<Caller> => ({
  who,
  account,
  scopes,
  authorization: `Bearer ${await t.token(account, scopes)}`,
})

const revoked = await t.token('ada', everyScope)
const kept = (await t.store.tokens('ada')).find(({ prefix }) => revoked.startsWith(prefix))
assert.ok(await t.store.revokeToken(kept?.id ?? '', t.clock.now))

await t.store.changeDirectory(addUser({ name: 'dan' }))
const disabled = await t.token('dan', own)
await t.store.changeDirectory(disableUser('dan', { cancelJobs: false, now: t.clock.now }))

/** The token of a running job of ada, and the token of a job that has ended. */
const ofJob = async (): Promise<{ id: string; token: string }> => {
  const { id } = await t.run(await t.submit('ada', { jobToken: true }))
  return { id, token: t.jobToken(id) }
}
const running = await ofJob()
const ended = await ofJob()
await t.finish(ended.id, 0)

/** Every kind of caller. All requested objects belong to ada. */
const callers: readonly Caller[] = [
  await recognised('its owner', 'ada', own),
  await recognised('a user of another group', 'bob', own),
  await recognised('a user of both groups', 'carol', own),
  await recognised('an administrator', 'root', everyScope),
  await recognised("an administrator's token without admin", 'root', own),
  await recognised('a token with the scope admin of a user who is no administrator', 'bob', everyScope),
  ...(await Promise.all(scopes.map((scope) => recognised(`a token with only the scope ${scope}`, 'ada', [scope])))),
  await recognised('a token without scopes', 'ada', []),
  { who: "its owner's running job", account: 'ada', scopes: jobScopes, authorization: `Bearer ${running.token}` },
  { who: "its owner's job that has ended", scopes: [], authorization: `Bearer ${ended.token}` },
  { who: 'a user who is disabled', scopes: [], authorization: `Bearer ${disabled}` },
  { who: 'nobody', scopes: [] },
  { who: 'an invented token', scopes: [], authorization: `Bearer sp_${'0'.repeat(52)}` },
  { who: 'a malformed token', scopes: [], authorization: 'Bearer x' },
  { who: 'a password', scopes: [], authorization: 'Basic YWRhOmE=' },
  { who: 'two tokens', scopes: [], authorization: 'Bearer a, Bearer b' },
  { who: 'a token that has expired', scopes: [], authorization: `Bearer ${await expiredToken()}` },
  { who: 'a token that was revoked', scopes: [], authorization: `Bearer ${revoked}` },
]

async function expiredToken(): Promise<string> {
  return t.token('ada', everyScope, { expiresAt: t.clock.now - 1 })
}

/** Whether a route belongs to the skaha wire, which answers errors as lines of text. */
const speaksText = (url: string): boolean => /^\/(skaha|arc)(\/|$)/.test(url)

/** The key of a route in the table of access rules. */
const ruleName = ({ method, url }: DeclaredRoute): string =>
  `${method === 'HEAD' ? 'GET' : method} ${url.replace(/^\/skaha\/v[01]/, '/skaha/VERSION')}`

const addressOf = (url: string, parts: AddressParts): string =>
  url.replace(/:(\w+)/g, (_, name: string) => encodeURIComponent(parts[name] ?? 'x')).replace('*', 'x')

/** The status that a caller must receive. Pure. */
function expectedStatus(rule: AccessRule, { account, scopes }: Caller): number {
  const granted = rule.status ?? 200
  if (rule.whose === 'anybody') return granted
  if (account === undefined) return 401
  if (rule.scope !== 'public' && !scopes.includes(rule.scope)) return 403
  const administrator = account === 'root' && scopes.includes('admin')
  if (rule.whose === 'administrators') return administrator ? granted : 403
  if (rule.whose === 'owner') return administrator || account === 'ada' ? granted : (rule.absent ?? 404)
  if (rule.whose === 'user') return account === 'ada' ? granted : (rule.absent ?? 404)
  return granted
}

const ajob = async (): Promise<AddressParts> => ({ id: (await t.run(await t.submit('ada'))).id })
const nojob: AddressParts = { id: 'zzzzzzzz' }

function ask(route: DeclaredRoute, rule: AccessRule, parts: AddressParts, { authorization }: Caller) {
  const { headers, ...rest } = rule.request?.(parts) ?? {}
  return t.app.inject({
    ...rest,
    method: route.method as 'GET',
    url: addressOf(route.url, parts),
    headers: { ...headers, ...(authorization === undefined ? {} : { authorization }) },
  })
}

type Answer = Awaited<ReturnType<typeof ask>>

/** Checks that a refusal has the form of its part of the server: a problem document, or a line of text. */
function checkRefusal(route: DeclaredRoute, answer: Answer, what: string): void {
  if (route.method === 'HEAD') {
    assert.equal(answer.body, '', what)
  } else if (speaksText(route.url)) {
    assert.equal(answer.headers['content-type'], 'text/plain; charset=utf-8', what)
    assert.match(answer.body, /^[^\n]+\n$/, what)
  } else {
    assert.equal(answer.headers['content-type'], 'application/problem+json; charset=utf-8', what)
    const { type, title, status, detail, hint } = answer.json<ProblemBody>()
    const [, kind] = Object.entries(problems).find(([name]) => problemUri(name as 'internal') === type) ?? []
    assert.deepEqual({ status, title }, kind, what)
    assert.equal(status, answer.statusCode, what)
    assert.ok(detail.length > 0 && (hint ?? '').length > 0, what)
  }
  if (answer.statusCode === 401 || answer.statusCode === 403) {
    const challenge = String(answer.headers['www-authenticate'])
    assert.match(challenge, answer.statusCode === 401 ? /^Bearer realm=/ : /^Bearer .*error="insufficient_scope"/, what)
    assert.equal(answer.headers['cache-control'], 'no-store', what)
  }
}

/** An answer without the values that differ between any two answers: time, remaining rate limit, and requested ids. */
function comparable({ statusCode, headers, body }: Answer, parts: AddressParts): unknown {
  const { date: _, ratelimit: __, ...kept } = headers
  const ids = Object.values(parts)
  return JSON.parse(
    ids.reduce((text, id) => text.replaceAll(id, 'ID'), JSON.stringify({ statusCode, headers: kept, body })),
  )
}

describe('access by route', () => {
  it('rules cover every declared route and no undeclared one', () => {
    const declared = new Set(t.routes.map(ruleName))
    for (const name of declared) {
      assert.ok(
        name in accessRules,
        `${name} has no entry in http/testing/access-rules.ts. Add one with the required scope, the permitted callers ` +
          "('anybody', 'callers', 'owner', 'user' or 'administrators'), and a request that is granted.",
      )
    }
    for (const name of Object.keys(accessRules))
      assert.ok(declared.has(name), `http/testing/access-rules.ts has an entry for ${name}, which is not a route.`)
    assert.ok(t.routes.length > 60)
  })

  for (const route of t.routes) {
    const rule = accessRules[ruleName(route)]
    if (rule === undefined) continue
    const make = rule.make ?? ajob

    it(`${route.method} ${route.url}: ${rule.whose}`, async () => {
      assert.equal(route.scope, rule.scope)
      for (const caller of callers) {
        const parts = rule.whose === 'owner' || rule.make !== undefined ? await make(t, 'ada') : {}
        const answer = await ask(route, rule, parts, caller)
        const status = expectedStatus(rule, caller)
        const what = `${route.method} ${route.url} as ${caller.who}: ${answer.statusCode} ${answer.body.slice(0, 200)}`
        assert.equal(answer.statusCode, status, what)
        if (status >= 400) checkRefusal(route, answer, what)
      }
    })

    if (rule.whose !== 'owner' && rule.whose !== 'user') continue
    it(`${route.method} ${route.url}: the object of another user looks like a missing object`, async () => {
      const [others, none] = [await make(t, 'ada'), rule.missing ?? nojob]
      for (const caller of callers.filter(({ who }) =>
        /another group|both groups|without admin|with the scope admin/.test(who),
      )) {
        await ask(route, rule, none, caller)
        const asked = async (parts: AddressParts) => {
          t.calls.length = 0
          const answer = comparable(await ask(route, rule, parts, caller), parts)
          return { answer, calls: [...t.calls] }
        }
        // The answers need the same look-ups in the same order. So response time does not reveal which case applied.
        const [forOthers, forNone] = [await asked(others), await asked(none)]
        assert.deepEqual(forOthers, forNone, caller.who)
      }
      const [owner] = callers
      if (owner !== undefined) {
        const answer = await ask(route, rule, others, owner)
        assert.equal(answer.statusCode, rule.status ?? 200, 'the object is unchanged')
      }
    })
  }
})

describe('methods by address', () => {
  const verbs = ['GET', 'HEAD', 'POST', 'PUT', 'PATCH', 'DELETE', 'OPTIONS', 'TRACE', 'QUERY'] as const

  // A wrong method is refused because of the method, not because of the body.
  const body = (method: string) =>
    method === 'PUT' || method === 'PATCH' ? { payload: '<a/>', headers: { 'content-type': 'text/xml' } } : {}

  const endsAtOnce = (url: string) => (url === '/api/v1/changes' ? { query: { after: '0-0' } } : {})

  for (const url of new Set(t.routes.map((route) => route.url))) {
    it(`${url}: other methods are refused, and Allow names the valid ones`, async () => {
      const address = addressOf(url, nojob)
      const answers = await Promise.all(
        verbs.map(async (method) => ({
          method,
          // A stream stays open. With an expired cursor it is refused at once.
          answer: await t.as('bob', { ...body(method), method, url: address, ...endsAtOnce(url) }),
        })),
      )
      const taken = answers.filter(({ answer }) => answer.statusCode !== 405).map(({ method }) => method)
      for (const route of t.routes.filter((route) => route.url === url))
        assert.ok(taken.includes(route.method as 'GET'), route.method)
      for (const { method, answer } of answers.filter(({ answer }) => answer.statusCode === 405)) {
        assert.equal(answer.headers.allow, taken.join(', '), method)
        if (speaksText(url) && method !== 'HEAD') assert.equal(answer.body, `unsupported: HTTP ${method}\n`)
        else if (method !== 'HEAD') assert.equal(answer.json<ProblemBody>().type, problemUri('method-not-allowed'))
      }
      assert.ok(taken.length < verbs.length)
    })
  }
})

describe('lists', () => {
  it("contain only the caller's own objects; an administrator reads and ends others' objects by id", async () => {
    const mine = await t.submit('ada', { name: 'mine' })
    const bobs = await t.as('bob', { url: '/api/v1/jobs?limit=1000' })
    assert.ok(!bobs.body.includes(mine))
    const seen = await t.as('root', { url: `/api/v1/jobs/${mine}` })
    assert.equal(seen.json<{ owner: string }>().owner, 'ada')
    const wire = await t.as('root', { url: `/skaha/v1/session/${mine}` })
    assert.equal(wire.json<{ runAsUID: string }>().runAsUID, '1001')
    const ended = await t.as('root', { method: 'POST', url: `/api/v1/jobs/${mine}/cancel` })
    assert.match(ended.json<{ cause: { message: string } }>().cause.message, /the administrator root/)
  })
})
