import assert from 'node:assert/strict'
import { describe, it } from 'node:test'
import type { ImagePage, ImagePull, ProblemBody, Registries } from '@science-platform/contract'
import { testApp, testConfig } from '../testing/test-app.ts'
import { requireReference } from '../../job/image-reference.ts'

const t = await testApp()
const get = (url: string, account = 'ada') => t.as(account, { url: `/api/v1${url}` })
const references = async (query: string) =>
  (await get(`/images?${query}`)).json<ImagePage>().images.map(({ reference }) => reference)
const address = (reference: string) => `/images/${encodeURIComponent(reference)}`

const astroml = 'images.canfar.net/skaha/astroml:1'
const carta = 'images.canfar.net/skaha/carta:1'
const local = 'localhost/astro/source-extractor:1'

describe('the list of images', () => {
  it('combines registries and the local store, with filters and pages', async () => {
    assert.deepEqual(await references(''), [astroml, carta, local])
    assert.deepEqual(await references('name=ASTRO'), [astroml, local])
    assert.deepEqual(await references('type=carta'), [carta])
    assert.deepEqual(await references('here=true'), [local])
    assert.deepEqual(await references('here=false'), [astroml, carta])
    const first = (await get('/images?limit=2')).json<ImagePage>()
    assert.deepEqual([first.images.length, first.next], [2, carta])
    const second = (await get(`/images?limit=2&cursor=${encodeURIComponent(first.next ?? '')}`)).json<ImagePage>()
    assert.deepEqual([second.images.map(({ reference }) => reference), second.next], [[local], undefined])
  })

  it('describes an image', async () => {
    for (const [query, field] of Object.entries({ 'limit=0': 'limit', 'here=perhaps': 'here', 'color=red': 'color' })) {
      const answer = await get(`/images?${query}`)
      assert.deepEqual([answer.statusCode, answer.json<ProblemBody>().field], [400, field], query)
    }
  })
})

describe('one image', () => {
  it('that is malformed, not allowed, missing or unreachable gets its own problem', async () => {
    const told: Record<string, [number, string]> = {
      'not an image': [400, 'image-not-allowed'],
      'evil.example/a:1': [400, 'image-not-allowed'],
      'localhost/none:1': [404, 'image-not-found'],
      [astroml]: [424, 'registry-unavailable'],
    }
    for (const [reference, [status, type]] of Object.entries(told)) {
      const answer = await get(address(reference))
      const problem = answer.json<ProblemBody>()
      assert.deepEqual([answer.statusCode, problem.type.split(':').at(-1)], [status, type], reference)
      assert.ok((problem.hint ?? '') !== '', reference)
    }
  })

  it('is fetched in the background, and only the requesting user sees the progress', async () => {
    const begun = await t.as('ada', { method: 'POST', url: `/api/v1${address(astroml)}/pull` })
    assert.equal(begun.statusCode, 202)
    assert.equal((await get(`${address(astroml)}/pull`, 'bob')).statusCode, 404)
    let pull = begun.json<ImagePull>()
    for (const end = Date.now() + 30_000; pull.state !== 'failed' && Date.now() < end;)
      pull = (await get(`${address(astroml)}/pull`)).json<ImagePull>()
    assert.deepEqual([pull.state, pull.cause?.code], ['failed', 'image-unreachable'])
  })
})

describe('credentials for a registry', () => {
  const put = (registry: string, payload: object, account = 'ada') =>
    t.as(account, { method: 'PUT', url: `/api/v1/registries/${registry}/login`, payload })
  const login = { username: 'ada', secret: 'love:lace', check: false }

  it('are stored for one user and one registry address, and never shown', async () => {
    const stored = await put('Images.canfar.net', login)
    assert.deepEqual(stored.json(), { registry: 'images.canfar.net', username: 'ada', checked: false })
    const mine = await get('/registries')
    assert.deepEqual(mine.json<Registries>().registries, [
      {
        registry: 'images.canfar.net',
        login: { username: 'ada', since: '2026-11-23T08:00:00.000Z' },
        images: 2,
        listedAt: '1970-01-01T00:00:00.000Z',
      },
    ])
    assert.doesNotMatch(mine.body, /lace/)
    assert.equal((await get('/registries', 'bob')).json<Registries>().registries[0]?.login, undefined)
    const kept = await t.store.registryLogin('ada', 'images.canfar.net')
    assert.equal(kept?.address, testConfig.images.aliases['images.canfar.net'])
    assert.doesNotMatch(JSON.stringify(kept), /love:lace/)
    assert.equal(await t.logins.ofUser('ada', requireReference('images.canfar.net/private/a:1')), 'ada:love:lace')
    assert.equal(await t.logins.ofUser('bob', requireReference('images.canfar.net/private/a:1')), undefined)
    assert.equal(await t.logins.ofUser('ada', requireReference('localhost/a:1')), undefined)

    const forget = () => t.as('ada', { method: 'DELETE', url: '/api/v1/registries/images.canfar.net/login' })
    assert.equal((await forget()).statusCode, 204)
    assert.equal((await forget()).statusCode, 404)
    assert.equal(await t.logins.ofUser('ada', requireReference('images.canfar.net/private/a:1')), undefined)
  })

  it('that are malformed are refused by field, neither stored nor repeated', async () => {
    const wrong: [object, string][] = [
      [{ ...login, username: 'a:b' }, 'username'],
      [{ ...login, username: '' }, 'username'],
      [{ ...login, secret: 'line\nbreak-7f3' }, 'secret'],
      [{ username: 'ada' }, 'secret'],
      [{ ...login, password: 'x' }, 'password'],
    ]
    for (const [payload, field] of wrong) {
      const answer = await put('images.canfar.net', payload)
      assert.deepEqual([answer.statusCode, answer.json<ProblemBody>().field], [400, field])
      assert.doesNotMatch(answer.body, /7f3/)
    }
    assert.doesNotMatch((await put('images.canfar.net', ['planted-7f3'])).body, /7f3/)
    assert.equal((await put('evil.example', login)).statusCode, 404)
    assert.equal((await put('localhost', login)).statusCode, 404)
    const unchecked = await put('images.canfar.net', { username: 'ada', secret: 'planted-7f3' })
    assert.deepEqual(
      [unchecked.statusCode, unchecked.json<ProblemBody>().type.split(':').at(-1)],
      [424, 'registry-unavailable'],
    )
    assert.equal(await t.store.registryLogin('ada', 'images.canfar.net'), undefined)
    assert.doesNotMatch(JSON.stringify(t.logged), /7f3|lace/)
  })
})
