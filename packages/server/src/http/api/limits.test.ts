import assert from 'node:assert/strict'
import { describe, it } from 'node:test'
import type { Holder, HolderList, QueueOverview, Why } from '@science-platform/contract'
import { testApp } from '../testing/test-app.ts'

const t = await testApp()
const put = (url: string, payload: object) => t.as('root', { method: 'PUT', url: `/api/v1/limits/${url}`, payload })
const problem = (answer: Awaited<ReturnType<typeof put>>) =>
  answer.json<{ field?: string; detail: string; hint: string }>()

describe('/api/v1/limits', () => {
  it('replaces and removes the limits of a user or group', async () => {
    const limits = { cores: 4, running: 2, offPeak: { cores: 8 } }
    const answer = await put('user/ada', { limits, weight: 2 })
    assert.equal(answer.statusCode, 200, answer.body)
    assert.deepEqual(answer.json<Holder>(), {
      kind: 'user',
      name: 'ada',
      limits,
      weight: 2,
      setAt: '2026-11-23T08:00:00.000Z',
    })
    await put('group/survey', { limits: { gpus: 0 } })
    await put('user/ada', { limits: { cores: 3 } })
    const { holders, defaults } = (await t.as('root', { url: '/api/v1/limits' })).json<HolderList>()
    assert.deepEqual(
      holders.map(({ kind, name, limits: set }) => [kind, name, set]),
      [
        ['group', 'survey', { gpus: 0 }],
        ['user', 'ada', { cores: 3 }],
      ],
    )
    assert.deepEqual(defaults, { user: { queued: 100_000 }, group: {} })
    for (const url of ['user/ada', 'group/survey'])
      assert.equal((await t.as('root', { method: 'DELETE', url: `/api/v1/limits/${url}` })).statusCode, 204)
    assert.equal((await t.as('root', { method: 'DELETE', url: '/api/v1/limits/user/ada' })).statusCode, 404)
  })

  it('refuses invalid limits by field with a hint, and changes nothing', async () => {
    const cases: [string, object, number, string | undefined, RegExp][] = [
      ['user/ada', {}, 400, 'body', /.*/],
      ['user/ada', { limits: { cores: -1 } }, 400, 'limits.cores', /-1/],
      ['user/ada', { limits: { cores: 1e99 } }, 400, 'limits.cores', /1e\+99/],
      ['user/ada', { limits: { cores: null } }, 400, 'limits.cores', /null/],
      ['user/ada', { limits: { running: 1.5 } }, 400, 'limits.running', /1\.5/],
      ['user/ada', { limits: { coers: 4 } }, 400, 'limits.coers', /unknown key/],
      ['user/ada', { weight: -1 }, 400, 'weight', /-1/],
      ['user/ada', { limits: { offPeak: { queued: 1 } } }, 400, 'limits.offPeak.queued', /unknown key/],
      ['user/nobody', { weight: 2 }, 404, undefined, /There is no user "nobody"/],
      ['group/nobody', { weight: 2 }, 404, undefined, /There is no group "nobody"/],
      ['planet/ada', { weight: 2 }, 400, 'kind', /planet/],
    ]
    for (const [url, body, status, field, detail] of cases) {
      const answer = await put(url, body)
      assert.equal(answer.statusCode, status, `${url} ${JSON.stringify(body)}: ${answer.body}`)
      const { field: named, detail: told, hint } = problem(answer)
      assert.equal(named, field)
      assert.match(told, detail)
      assert.notEqual(hint, '')
    }
    assert.deepEqual((await t.as('root', { url: '/api/v1/limits' })).json<HolderList>().holders, [])
  })

  it('takes effect at once: a full queue is 429 with Retry-After, but a repeated request gets its first answer', async () => {
    await put('user/ada', { limits: { queued: 2, cores: 2 } })
    const request = { name: 'full', image: 'localhost/test:1', cmd: 'true', replicas: 2 }
    const submit = (key: string) =>
      t.as('ada', { method: 'POST', url: '/api/v1/jobs', payload: request, headers: { 'idempotency-key': key } })
    const first = await submit('one')
    assert.equal(first.statusCode, 201)
    const again = await submit('one')
    assert.deepEqual([again.statusCode, again.json()], [201, first.json()])
    const full = await submit('two')
    assert.equal(full.statusCode, 429)
    assert.equal(full.headers['retry-after'], '60')
    assert.match(problem(full).detail, /2 jobs of ada wait already; with 2 more they would exceed the limit of 2/)
    const wire = await t.as('ada', { method: 'POST', url: '/skaha/v1/session?name=a&image=localhost/test:1' })
    assert.equal(wire.statusCode, 429)
    assert.match(wire.body, /^2 jobs of ada wait already.*Submit again when some have started\.\n$/)
    const never = await t.as('ada', {
      method: 'POST',
      url: '/api/v1/jobs',
      payload: { ...request, cores: 3, replicas: 1 },
    })
    assert.equal(never.statusCode, 400)
    assert.match(problem(never).detail, /cores is 3, but ada may hold at most 2/)
    await t.as('root', { method: 'DELETE', url: '/api/v1/limits/user/ada' })
    assert.equal((await submit('two')).statusCode, 201)
  })
})

describe('/api/v1/queue and why', () => {
  it('show free capacity, own allocations, and why a job waits', async () => {
    const overview = (await t.as('bob', { url: '/api/v1/queue' })).json<QueueOverview>()
    assert.equal(overview.nodes, 1)
    assert.deepEqual(overview.capacity, { cores: 16, memoryGb: 64, gpus: 0 })
    assert.deepEqual(overview.holders[0]?.holds, { cores: 0, memoryGb: 0, gpus: 0, running: 0, queued: 0 })
    assert.ok(!JSON.stringify(overview).includes('ada'))
    const id = await t.submit('bob', { after: '2026-11-23T09:00Z' })
    const why = (await t.as('bob', { url: `/api/v1/jobs/${id}/why` })).json<Why>()
    assert.deepEqual(why.reason, { kind: 'not-before', until: '2026-11-23T09:00:00.000Z' })
    const events = await t.as('bob', { url: `/skaha/v1/session/${id}?view=events` })
    assert.match(
      events.body,
      /Waiting +It was submitted with a start time: it does not start before 2026-11-23 09:00 UTC\./,
    )
    await t.run(id)
    const running = (await t.as('bob', { url: `/api/v1/jobs/${id}/why` })).json<Why>()
    assert.match(running.summary, /It does not wait: it runs, and may until/)
    await t.finish(id, 3)
    assert.match((await t.as('bob', { url: `/api/v1/jobs/${id}/why` })).json<Why>().summary, /^It has ended\. /)
  })
})
