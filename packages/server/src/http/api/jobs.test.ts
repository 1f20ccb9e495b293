import assert from 'node:assert/strict'
import { describe, it } from 'node:test'
import type { Job, JobPage, ProblemBody, Submitted } from '@science-platform/contract'
import { use } from '../../executor/simulated/behaviour.ts'
import { testApp } from '../testing/test-app.ts'

const good = { name: 'reduce', image: 'localhost/test:1', cmd: 'python', args: ['a b', '$c', '"d"'] }

const t = await testApp()

describe('/api/v1/jobs', () => {
  const post = (payload: object, headers: Record<string, string> = {}) =>
    t.as('ada', { method: 'POST', url: '/api/v1/jobs', payload, headers })
  const get = async (id: string): Promise<Job> => (await t.as('ada', { url: `/api/v1/jobs/${id}` })).json<Job>()

  it('names the ids where a name stands in the place of one, on every address of both interfaces', async () => {
    const id = await t.submit('ada', { name: 'q1' })
    await t.submit('ada', { name: 'q10' })
    await t.submit('bob', { name: 'q1' })
    const sentence = `q1 is a name; its id is ${id}.`
    for (const [method, url] of [
      ['GET', ''],
      ['GET', '/logs'],
      ['GET', '/logs?follow=1'],
      ['GET', '/events'],
      ['GET', '/why'],
      ['GET', '/wait'],
      ['POST', '/cancel'],
    ] as const) {
      const answer = await t.as('ada', { method, url: `/api/v1/jobs/q1${url}` })
      assert.deepEqual([answer.statusCode, answer.json<ProblemBody>().detail], [404, sentence], url)
    }
    for (const view of ['', '?view=events', '?view=logs']) {
      const answer = await t.as('ada', { url: `/skaha/v1/session/q1${view}` })
      assert.deepEqual([answer.statusCode, answer.body], [404, `session q1 not found. ${sentence}\n`], view)
    }
    const renewal = await t.as('ada', { method: 'POST', url: '/skaha/v1/session/q1?action=renew' })
    assert.equal(renewal.body, `No active job for user ada with session q1. ${sentence}\n`)
    const [first = '', second = ''] = (await post({ ...good, name: 'survey', replicas: 2 })).json<Submitted>().ids
    const array = (await t.as('ada', { url: '/api/v1/jobs/survey' })).json<ProblemBody>()
    assert.match(
      array.detail,
      new RegExp(`^survey is a name; its ids are (${first} and ${second}|${second} and ${first})\\.$`),
    )
    for (const each of ['nobody', '-', '%25', '%C3%BC']) {
      const answer = await t.as('ada', { url: `/api/v1/jobs/${each}` })
      assert.match(answer.json<ProblemBody>().detail, /^The job .* does not exist, or belongs to another user\.$/)
    }
  })

  it('accepts a job, answers with its address, and shows it as requested', async () => {
    const env = { A: 'b=c', EMPTY: '', QUOTES: `"'$x\n\\`, ÜNI: 'x' }
    const { ÜNI: _, ...plain } = env
    const answer = await post({ ...good, env: plain, cores: 2, memoryGb: 8, timeSeconds: 60, network: 'none' })
    assert.equal(answer.statusCode, 201)
    const [id = ''] = answer.json<Submitted>().ids
    assert.equal(answer.headers.location, `/api/v1/jobs/${id}`)
    assert.deepEqual(await get(id), {
      id,
      name: 'reduce',
      owner: 'ada',
      kind: 'headless',
      state: 'queued',
      reason: 'It is next and is about to be placed.',
      image: 'localhost/test:1',
      cmd: ['python'],
      args: ['a b', '$c', '"d"'],
      env: { REPLICA_ID: '1', REPLICA_COUNT: '1', ...plain },
      resources: { cores: { request: 2, limit: 2 }, memoryGb: { request: 8, limit: 8 }, gpus: 0, fixed: true },
      network: 'none',
      timeSeconds: 60,
      group: 'survey',
      submittedAt: '2026-11-23T08:00:00.000Z',
      attempts: [],
    })
  })

  it('accepts options for the queue, and refuses contradictory ones with a hint', async () => {
    const wishes = { when: 'off-peak', after: '2026-11-23T18:00-08:00', by: '2026-11-25T08:00Z' }
    const [id = ''] = (
      await post({ ...good, ...wishes, group: 'survey', timeSeconds: 600, signal: 'USR1@60' })
    ).json<Submitted>().ids
    const { when, after, by, group, signal } = await get(id)
    assert.deepEqual(
      { when, after, by, group, signal },
      {
        when: 'off-peak',
        after: '2026-11-24T02:00:00.000Z',
        by: '2026-11-25T08:00:00.000Z',
        group: 'survey',
        signal: 'USR1@60',
      },
    )
    for (const [field, wish] of Object.entries({
      group: { group: 'optical' },
      after: { after: '2026-11-23 18:00' },
      by: { by: '2026-11-22T00:00Z' },
      when: { when: 'night' },
      signal: { signal: 'KILL@1' },
      gpuKind: { gpuKind: 'a100' },
    })) {
      const answer = await post({ ...good, ...wish })
      assert.equal(answer.statusCode, 400, field)
      const problem = answer.json<{ field: string; hint: string }>()
      assert.equal(problem.field, field)
      assert.notEqual(problem.hint, '')
    }
  })

  it('accepts a working directory, shows it normalised, and names the field where it is no path', async () => {
    const [id = ''] = (await post({ ...good, workingDirectory: '//arc/home/ada/./run/' })).json<Submitted>().ids
    assert.equal((await get(id)).workingDirectory, '/arc/home/ada/run')
    for (const workingDirectory of ['', 'run', '/arc/../etc', '/a\0', `/${'x'.repeat(5000)}`]) {
      const answer = await post({ ...good, workingDirectory })
      const problem = answer.json<ProblemBody>()
      assert.deepEqual([answer.statusCode, problem.field], [400, 'workingDirectory'], workingDirectory.slice(0, 20))
      assert.notEqual(problem.hint ?? '', '')
    }
  })

  it('refuses a working directory without cmd where the executor does not know entry points', async () => {
    const { cmd: _, args: __, ...bare } = good
    const wanted = { ...bare, workingDirectory: '/arc' }
    assert.equal((await post(wanted)).statusCode, 201)
    Object.assign(t.executor, { workingDirectoryNeedsCommand: true })
    try {
      const problem = (await post(wanted)).json<ProblemBody>()
      assert.equal(problem.field, 'workingDirectory')
      assert.match(problem.detail, /without cmd.*entry point/)
      assert.equal((await post({ ...wanted, cmd: 'true' })).statusCode, 201)
    } finally {
      Object.assign(t.executor, { workingDirectoryNeedsCommand: undefined })
    }
  })

  it('has labels, lists by them, and refuses bad ones by name', async () => {
    const labels = { run: 'night 42', 'a/b': 'x=y' }
    const [id = ''] = (await post({ ...good, labels })).json<Submitted>().ids
    const [other = ''] = (await post({ ...good, labels: { run: 'night 43' } })).json<Submitted>().ids
    await t.submit('bob', { labels })
    assert.deepEqual((await get(id)).labels, labels)
    assert.equal('labels' in (await get(await t.submit('ada', { labels: {} }))), false)
    const list = async (label: string): Promise<string[]> =>
      (await t.as('ada', { url: '/api/v1/jobs', query: { label, sort: 'submitted' } }))
        .json<JobPage>()
        .jobs.map((job) => job.id)
    assert.deepEqual(await list('run=night 42'), [id])
    assert.deepEqual(await list('run'), [id, other])
    assert.deepEqual(await list('a/b=x=y'), [id])
    assert.deepEqual(await list('a/b='), [])
    const wrong = await t.as('ada', { url: '/api/v1/jobs?label=a%20b' })
    assert.deepEqual([wrong.statusCode, wrong.json<ProblemBody>().field], [400, 'label'])
    for (const [field, given] of Object.entries({
      labels: { 'a b': 'x' },
      'labels.run': { run: 'line\nend' },
      'labels.n': { n: 1 },
    })) {
      const answer = await post({ ...good, labels: given })
      assert.deepEqual([answer.statusCode, answer.json<ProblemBody>().field], [400, field])
    }
  })

  it('lists only the named fields, page by page, and reads no more than they need', async () => {
    const labels = { run: 'slim' }
    const ids = [
      await t.submit('ada', { name: 'slim-a', labels }),
      await t.submit('ada', { name: 'slim-b', labels, env: { A: '1' } }),
      await t.submit('ada', { name: 'slim-c', labels }),
    ]
    const [first = '', , third = ''] = ids
    await t.run(first)
    await t.finish(first, 3)
    await t.run(third)
    const list = async (query: Record<string, string>): Promise<JobPage> => {
      const answer = await t.as('ada', {
        url: '/api/v1/jobs',
        query: { label: 'run=slim', sort: 'submitted', ...query },
      })
      assert.equal(answer.statusCode, 200, answer.body)
      assert.equal(answer.headers['content-type'], 'application/json; charset=utf-8')
      return answer.json<JobPage>()
    }
    const before = t.calls.length
    assert.deepEqual(await list({ fields: 'id,state,exitCode' }), {
      jobs: [
        { id: ids[0], state: 'failed', exitCode: 3 },
        { id: ids[1], state: 'queued' },
        { id: ids[2], state: 'running' },
      ],
    })
    const read = t.calls.slice(before)
    assert.ok(read.includes('jobOutlines'))
    for (const none of ['jobs', 'attempts', 'usage']) assert.ok(!read.includes(none), none)
    const whole = await list({})
    for (const fields of [
      Object.keys(whole.jobs[0] ?? {}),
      ['attempts'],
      ['usage', 'cause'],
      ['reason', 'id'],
      ['env'],
    ])
      assert.deepEqual(
        (await list({ fields: fields.join() })).jobs,
        whole.jobs.map((job) => Object.fromEntries(Object.entries(job).filter(([name]) => fields.includes(name)))),
        fields.join(),
      )
    const page = await list({ fields: 'name, labels', limit: '2' })
    assert.deepEqual(page.jobs, [
      { name: 'slim-a', labels },
      { name: 'slim-b', labels },
    ])
    assert.deepEqual(await list({ fields: 'name', limit: '2', cursor: page.next ?? '' }), {
      jobs: [{ name: 'slim-c' }],
    })
    for (const fields of ['', 'id,', 'id,stat', 'constructor', 'seq']) {
      const answer = await t.as('ada', { url: '/api/v1/jobs', query: { fields } })
      const problem = answer.json<ProblemBody>()
      assert.deepEqual([answer.statusCode, problem.field], [400, 'fields'], fields)
      assert.match(problem.hint ?? '', /^The fields are: id, name, .*attempts\.$/)
    }
    const head = await t.as('ada', { method: 'HEAD', url: '/api/v1/jobs?fields=id' })
    assert.deepEqual([head.statusCode, head.body], [200, ''])
  })

  it('draws new ids when one exists already', async () => {
    const submit = t.store.submit.bind(t.store)
    const taken: string[][] = []
    t.store.submit = (submission) => {
      const ids = submission.jobs.map((job) => job.id)
      if (taken.push(ids) > 2) return submit(submission)
      const [first] = submission.jobs
      // A job with the drawn id is stored first, so that the id exists already.
      return submit({ jobs: first === undefined ? [] : [first], events: [] }).then(() => submit(submission))
    }
    try {
      const { ids } = (await post({ ...good, name: 'drawn', replicas: 2 })).json<Submitted>()
      assert.equal(taken.length, 3)
      assert.deepEqual(ids, taken[2])
    } finally {
      t.store.submit = submit
    }
  })

  it('creates the replicas of a request', async () => {
    const { ids } = (await post({ ...good, replicas: 3 })).json<Submitted>()
    assert.equal(new Set(ids).size, 3)
    const jobs = await Promise.all(ids.map(get))
    assert.deepEqual(
      jobs.map(({ name, env, array }) => [name, env.REPLICA_ID, env.REPLICA_COUNT, array?.index, array?.count]),
      [1, 2, 3].map((i) => [`reduce-${i}`, String(i), '3', i, 3]),
    )
    const listed = (await t.as('ada', { url: `/api/v1/jobs?array=${jobs[0]?.array?.id ?? ''}` })).json<JobPage>()
    assert.equal(listed.jobs.length, 3)
  })

  it('accepts 1,000 replicas in one request', async () => {
    const answer = await post({ ...good, replicas: 1000 })
    assert.equal(new Set(answer.json<Submitted>().ids).size, 1000)
  })

  it('answers a repeated request with the same Idempotency-Key with the same ids', async () => {
    const headers = { 'idempotency-key': 'key-1' }
    const first = await post({ ...good, name: 'once' }, headers)
    assert.equal(first.headers['idempotency-replayed'], undefined)
    const again = await t.as('ada', {
      method: 'POST',
      url: '/api/v1/jobs',
      headers: { ...headers, 'content-type': 'application/json' },
      payload: JSON.stringify(Object.fromEntries(Object.entries({ ...good, name: 'once' }).toReversed()), null, 1),
    })
    assert.equal(again.statusCode, 201)
    assert.equal(again.headers['idempotency-replayed'], 'true')
    assert.deepEqual(again.json(), first.json())

    const other = await post({ ...good, name: 'twice' }, headers)
    assert.equal(other.statusCode, 409)
    assert.equal(other.json<ProblemBody>().type, 'urn:science-platform:problem:idempotency-conflict')
    const bobs = await t.as('bob', { method: 'POST', url: '/api/v1/jobs', payload: { ...good, name: 'once' }, headers })
    assert.equal(bobs.statusCode, 201)
    assert.notDeepEqual(bobs.json(), first.json())

    const atOnce = await Promise.all(
      Array.from({ length: 8 }, () => post({ ...good, name: 'race' }, { 'idempotency-key': 'key-2' })),
    )
    assert.equal(new Set(atOnce.map((answer) => answer.body)).size, 1)
    const listed = (await t.as('ada', { url: '/api/v1/jobs?name=race' })).json<JobPage>()
    assert.equal(listed.jobs.length, 1)
  })

  it('lists in pages, each job once, in every order on offer', async () => {
    const names = ['page-b', 'page-a', 'page-c', 'page-a', 'page-d']
    for (const name of names) await t.submit('ada', { name })
    const all = async (sort: string): Promise<string[]> => {
      const found: string[] = []
      for (let cursor: string | undefined = ''; cursor !== undefined;) {
        const after = cursor === '' ? '' : `&cursor=${cursor}`
        const answer = await t.as('ada', { url: `/api/v1/jobs?name=Page-&limit=2&sort=${sort}${after}` })
        const page = answer.json<JobPage>()
        assert.ok(page.jobs.length <= 2)
        found.push(...page.jobs.map((job) => job.name))
        cursor = page.next
      }
      return found
    }
    assert.deepEqual(await all('submitted'), names)
    assert.deepEqual(await all('-submitted'), names.toReversed())
    assert.deepEqual(await all('name'), names.toSorted())
    assert.deepEqual(await all('-name'), names.toSorted().toReversed())
  })

  it('lists by state, and refuses unknown states and invalid cursors', async () => {
    const id = await t.submit('ada', { name: 'stated' })
    await t.run(id)
    const ask = (query: string) => t.as('ada', { url: `/api/v1/jobs?${query}` })
    const running = (await ask('state=running,stopping&name=stated')).json<JobPage>()
    assert.deepEqual(
      running.jobs.map((job) => job.id),
      [id],
    )
    assert.equal((await ask('state=Running')).json<ProblemBody>().field, 'state')
    assert.equal((await ask('cursor=abc')).json<ProblemBody>().field, 'cursor')
    const { next = '' } = (await ask('limit=1')).json<JobPage>()
    const other = (await ask(`limit=1&sort=name&cursor=${next}`)).json<ProblemBody>()
    assert.match(other.detail, /sorted by -submitted/)
    for (const wrong of ['limit=0', 'limit=x', 'limit=1001', 'nonsense=1', 'limit=1&limit=2'])
      assert.equal((await ask(wrong)).statusCode, 400, wrong)
  })

  it('shows the usage of a running job, and the cause of an ended one', async () => {
    const id = await t.submit('ada')
    await t.run(id)
    t.cluster.tell(`${id}-1`, use({ cores: 0.5, memoryBytes: 1_000_000 }))
    const running = await get(id)
    assert.equal(running.state, 'running')
    assert.deepEqual(running.usage, { cpuSeconds: 0, cores: 0.5, memoryBytes: 1_000_000, memoryPeakBytes: 1_000_000 })
    assert.equal(running.deadlineAt, '2026-12-07T08:00:00.000Z')
    t.clock.now += 1000
    await t.finish(id, 3)
    const ended = await get(id)
    assert.equal(ended.state, 'failed')
    assert.equal(ended.exitCode, 3)
    assert.equal(ended.endedAt, new Date(t.clock.now).toISOString())
    assert.deepEqual(ended.cause, { code: 'exited', message: 'The command ended with 3.' })
    assert.deepEqual(ended.usage, { cpuSeconds: 1.5, memoryPeakBytes: 110_000_000 })
    assert.equal(ended.attempts.length, 1)
    assert.equal(ended.attempts[0]?.exitCode, 3)
  })

  it('cancels a waiting job at once, stops a running one, and leaves an ended one', async () => {
    const cancel = (id: string) => t.as('ada', { method: 'POST', url: `/api/v1/jobs/${id}/cancel` })
    const waiting = await t.submit('ada')
    const one = await cancel(waiting)
    assert.equal(one.statusCode, 202)
    const cancelled = one.json<Job>()
    assert.equal(cancelled.state, 'cancelled')
    assert.equal(cancelled.cause?.code, 'cancelled')
    assert.ok(cancelled.endedAt)
    assert.equal((await cancel(waiting)).statusCode, 200)

    const running = await t.submit('ada')
    await t.run(running)
    const asked = await cancel(running)
    assert.equal(asked.statusCode, 202)
    assert.equal(asked.json<Job>().state, 'stopping')
    assert.equal((await t.store.job(running))?.stopReason, 'cancelled')
    const again = await cancel(running)
    assert.deepEqual([again.statusCode, again.json<Job>().state], [202, 'stopping'])
    await t.finish(running, 143)
    const after = await cancel(running)
    assert.deepEqual([after.statusCode, after.json<Job>().state], [200, 'cancelled'])

    const { events } = (await t.as('ada', { url: `/api/v1/jobs/${running}/events` })).json<{
      events: { reason: string }[]
    }>()
    assert.deepEqual(
      events.map(({ reason }) => reason),
      ['Queued', 'Stopping'],
    )
    // An empty body with a Content-Type counts as no body.
    const typed = await t.as('ada', {
      method: 'POST',
      url: `/api/v1/jobs/${waiting}/cancel`,
      headers: { 'content-type': 'application/json' },
    })
    assert.equal(typed.statusCode, 200)
  })

  it('waits until a job has ended, or until the timeout', async () => {
    const id = await t.submit('ada')
    const wait = (timeout: string) => t.as('ada', { url: `/api/v1/jobs/${id}/wait?timeout=${timeout}` })
    assert.equal((await wait('0')).json<Job>().state, 'queued')
    assert.equal((await wait('0.05')).json<Job>().state, 'queued')
    const waiting = wait('60')
    await t.run(id)
    await t.finish(id, 0)
    const ended = (await waiting).json<Job>()
    assert.deepEqual([ended.state, ended.exitCode], ['succeeded', 0])
    assert.equal((await wait('300')).json<Job>().state, 'succeeded')
    for (const wrong of ['301', '-1', 'x']) assert.equal((await wait(wrong)).statusCode, 400, wrong)
  })

  it('distinguishes wrong addresses from wrong methods', async () => {
    for (const id of ['zzzzzzzz', 'x', '..%2f..%2fetc', '%00', "'%20or%201=1", 'a'.repeat(5000)]) {
      const answer = await t.as('ada', { url: `/api/v1/jobs/${id}` })
      assert.equal(answer.statusCode, 404, id)
      assert.equal(answer.headers['content-type'], 'application/problem+json; charset=utf-8')
    }
    const wrong = await t.as('ada', { method: 'DELETE', url: '/api/v1/jobs' })
    assert.equal(wrong.statusCode, 405)
    assert.equal(wrong.headers.allow, 'GET, HEAD, POST')
    assert.equal((await t.as('ada', { url: '/api/v1/jobs/' })).statusCode, 200)
    assert.equal((await t.as('ada', { url: '/api/v1/job%ZZ' })).statusCode, 404)
    assert.equal((await t.as('ada', { url: '/api/v2' })).statusCode, 404)
  })

  it('answers an internal error without its details, and logs them', async () => {
    const broken = await testApp({ context: () => assert.fail('the secret reason') })
    const answer = await broken.as('ada', { method: 'POST', url: '/api/v1/jobs', payload: good })
    assert.equal(answer.statusCode, 500)
    assert.ok(!answer.body.includes('secret'))
    assert.ok(JSON.stringify(broken.logged).includes('the secret reason'))
    const wire = await broken.as('ada', { method: 'POST', url: '/skaha/v1/session?name=a&image=localhost/a:1' })
    assert.deepEqual([wire.statusCode, wire.body.includes('secret')], [500, false])
    assert.match(wire.body, /^unexpected exception: .*\n$/)
  })
})

describe('the log of requests', () => {
  it('contains no token, no environment and no argument', async () => {
    const t = await testApp()
    await t.as('ada', {
      method: 'POST',
      url: '/skaha/v1/session?name=a&image=localhost/a:1&env=KEY=planted&args=planted',
    })
    await t.as('ada', { method: 'POST', url: '/skaha/v1/session?name=a&image=evil/a:1&env=KEY=planted' })
    await t.submit('ada', { env: { KEY: 'planted' } })
    await t.as('ada', { url: '/api/v1/jobs?token=planted' })
    const text = JSON.stringify(t.logged)
    assert.ok(text.includes('/skaha/v1/session'))
    assert.doesNotMatch(text, /planted|sp_/)
  })
})
