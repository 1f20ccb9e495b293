import assert from 'node:assert/strict'
import { describe, it } from 'node:test'
import type { CancelledJobs, Job, ProblemBody, Submitted } from '@science-platform/contract'
import { testApp } from '../testing/test-app.ts'

const t = await testApp()
const good = { name: 'reduce', image: 'localhost/test:1', cmd: 'python' }

describe('a batch', () => {
  const post = (jobs: unknown, headers: Record<string, string> = {}, account = 'ada') =>
    t.as(account, { method: 'POST', url: '/api/v1/jobs/batch', payload: { jobs }, headers })
  const count = async (): Promise<number> => (await t.store.notEnded()).length

  it('is accepted as a whole: the ids are in the order of the requests, and replicas in a row', async () => {
    const answer = await post([
      { ...good, name: 'one', cores: 2, labels: { run: 'b' } },
      { ...good, name: 'many', replicas: 3, env: { A: '1' } },
      { ...good, name: 'last', image: 'localhost/other:1', group: 'survey' },
    ])
    assert.equal(answer.statusCode, 201, answer.body)
    const { ids } = answer.json<Submitted>()
    assert.equal(answer.headers.location, `/api/v1/jobs/${ids[0]}`)
    const jobs = await Promise.all(
      ids.map(async (id) => (await t.as('ada', { url: `/api/v1/jobs/${id}` })).json<Job>()),
    )
    assert.deepEqual(
      jobs.map(({ name, image, env, resources, labels }) => [
        name,
        image,
        env['REPLICA_ID'],
        resources.cores.limit,
        labels,
      ]),
      [
        ['one', 'localhost/test:1', '1', 2, { run: 'b' }],
        ['many-1', 'localhost/test:1', '1', 8, undefined],
        ['many-2', 'localhost/test:1', '2', 8, undefined],
        ['many-3', 'localhost/test:1', '3', 8, undefined],
        ['last', 'localhost/other:1', '1', 8, undefined],
      ],
    )
    assert.equal(new Set(jobs.slice(1, 4).map(({ array }) => array?.id)).size, 1)
    assert.equal(jobs[4]?.array, undefined)
    const [entry] = await t.store.audit({ order: 'newest-first', limit: 1 })
    assert.deepEqual([entry?.action, entry?.subject, entry?.status], ['submitJobBatch', ids[0], 201])
  })

  it('of several hundred jobs is written in pieces, and repeated under its key it submits nothing', async () => {
    const jobs = Array.from({ length: 350 }, (_, i) => ({ ...good, name: `piece-${i}`, env: { I: `${i}` } }))
    const key = { 'idempotency-key': 'batch-1' }
    const before = await count()
    const { ids } = (await post(jobs, key)).json<Submitted>()
    assert.equal(await count(), before + 350)
    const again = await post(jobs, key)
    assert.deepEqual([again.json<Submitted>().ids, again.headers['idempotency-replayed']], [ids, 'true'])
    assert.equal(await count(), before + 350)
    assert.equal((await t.store.job(ids[349] ?? ''))?.env['I'], '349')
    const other = await post(jobs.slice(1), key)
    assert.equal(other.statusCode, 409)
    const single = await t.as('ada', { method: 'POST', url: '/api/v1/jobs', payload: good, headers: key })
    assert.equal(single.statusCode, 409)
  })

  it('is refused as a whole, and the error names the request', async () => {
    const before = await count()
    const at = (job: unknown): unknown[] => [good, { ...good, replicas: 2 }, good, job, good]
    for (const [field, message, jobs] of [
      ['jobs[3].cores', /^jobs\[3\]\.cores must be >= 1; it was 0/, at({ ...good, cores: 0 })],
      ['jobs[3].memroyGb', /^jobs\[3\] has an unknown key "memroyGb"/, at({ ...good, memroyGb: 1 })],
      ['jobs[3].image', /^jobs\[3\] has no image/, at({ name: 'x' })],
      ['jobs[3].args.1', /^jobs\[3\]\.args\.1 must be string/, at({ ...good, args: ['a', 1] })],
      ['jobs.3', /must be object/, at(7)],
      ['jobs[3].name', /^jobs\[3\]: name can only contain/, at({ ...good, name: 'a b' })],
      ['jobs[3].image', /must come from one of/, at({ ...good, image: 'example.org/a:1' })],
      ['jobs[3].labels', /^jobs\[3\]: labels has the key/, at({ ...good, labels: { 'a b': '' } })],
      ['jobs[3].group', /^jobs\[3\]: group/, at({ ...good, group: 'optics' })],
      ['jobs[3].gpus', /^jobs\[3\]: gpus is 1, but no node/, at({ ...good, gpus: 1 })],
      ['jobs[3].gpuKind', /^jobs\[3\]: gpuKind is a100, but no GPU/, at({ ...good, gpuKind: 'a100' })],
      ['jobs', /must not have fewer than 1/, []],
      ['jobs', /must not have more than 1000/, Array.from({ length: 1_001 }, () => good)],
      ['jobs', /ask for 10001 jobs together/, [good, { ...good, replicas: 10_000 }]],
      ['body', /has no jobs|must be object|unknown key/, undefined],
    ] as const) {
      const answer = await post(jobs)
      const problem = answer.json<ProblemBody>()
      assert.equal(answer.statusCode, 400, answer.body)
      assert.match(problem.detail, message)
      assert.equal(problem.field, field === 'body' ? 'jobs' : field)
      assert.ok(problem.hint)
    }
    const mistyped = (await post(at({ ...good, memroyGb: 1 }))).json<ProblemBody>()
    assert.equal(mistyped.hint, 'Did you mean memoryGb?')
    assert.equal(await count(), before)
  })

  it('counts all of its jobs against the limit of queued jobs, of the user and of each group', async () => {
    const limits = { url: '/api/v1/limits/group/optics', payload: { limits: { queued: 3 } } }
    assert.equal((await t.as('root', { method: 'PUT', ...limits })).statusCode, 200)
    await t.as('carol', { url: '/api/v1/queue' })
    const optics = (replicas: number) => ({ ...good, group: 'optics', replicas })
    const before = await count()
    const answer = await post([{ ...good, group: 'survey' }, optics(2), optics(2)], {}, 'carol')
    const problem = answer.json<ProblemBody>()
    assert.deepEqual([answer.statusCode, problem.field], [429, 'jobs'], answer.body)
    assert.match(
      problem.detail,
      /0 jobs of the group optics wait already; with 4 more they would exceed the limit of 3/,
    )
    assert.equal(await count(), before)
    assert.equal(
      (await post([optics(1), { ...good, group: 'survey', replicas: 5 }, optics(2)], {}, 'carol')).statusCode,
      201,
    )
    assert.equal((await post([optics(1)], {}, 'carol')).statusCode, 429)
    await t.as('root', { method: 'DELETE', url: limits.url })
    await t.as('carol', { url: '/api/v1/queue' })
  })

  it('of more than 4 MiB is refused with the limit, and other bodies keep theirs', async () => {
    const large = (bytes: number): object => ({
      ...good,
      env: { A: 'x'.repeat(100_000), B: 'x'.repeat(bytes % 100_000) },
    })
    const sized = (total: number): object[] => Array.from({ length: Math.floor(total / 100_000) }, () => large(0))
    assert.equal((await post(sized(4_000_000))).statusCode, 201)
    const answer = await post(sized(4_400_000))
    assert.deepEqual(
      [answer.statusCode, answer.json<ProblemBody>().detail],
      [413, 'The body has more than 4194304 bytes.'],
    )
    const payload = { ...good, args: Array.from({ length: 14 }, () => 'x'.repeat(100_000)) }
    const single = await t.as('ada', { method: 'POST', url: '/api/v1/jobs', payload })
    assert.deepEqual(
      [single.statusCode, single.json<ProblemBody>().detail],
      [413, 'The body has more than 1310720 bytes.'],
    )
  })

  it('with credentials takes images of one registry', async () => {
    const headers = { 'x-skaha-registry-auth': Buffer.from('ada:secret').toString('base64') }
    const image = 'images.canfar.net/skaha/astroml:1'
    const answer = await post([{ ...good, image }, good], headers)
    assert.deepEqual([answer.statusCode, answer.json<ProblemBody>().field], [400, 'X-Skaha-Registry-Auth'])
    const { ids } = (
      await post(
        [
          { ...good, image },
          { ...good, image, name: 'b' },
        ],
        headers,
      )
    ).json<Submitted>()
    for (const id of ids) assert.notEqual(await t.store.secret(id), undefined)
  })
})

describe('cancelling many jobs', () => {
  const post = (payload: object, account = 'ada') =>
    t.as(account, { method: 'POST', url: '/api/v1/jobs/cancel', payload })
  const cancel = async (payload: object, account = 'ada'): Promise<CancelledJobs> => {
    const answer = await post(payload, account)
    assert.equal(answer.statusCode, 200, answer.body)
    return answer.json<CancelledJobs>()
  }
  const stateOf = async (id: string): Promise<string | undefined> => (await t.store.job(id))?.state
  const audited = () => t.store.audit({ order: 'newest-first', limit: 100, action: 'cancelJobs' })

  it('by ids cancels what has not ended, and says what had ended and what is unknown', async () => {
    const [waiting, running, over, stopping, theirs] = [
      await t.submit('ada'),
      await t.submit('ada'),
      await t.submit('ada'),
      await t.submit('ada'),
      await t.submit('bob'),
    ]
    for (const id of [running, over, stopping]) await t.run(id)
    await t.finish(over, 0)
    await cancel({ ids: [stopping] })
    assert.deepEqual(await cancel({ ids: [waiting, over, waiting, 'zzzzzzzz', theirs, running, stopping] }), {
      cancelled: [waiting, running, stopping],
      ended: [over],
      unknown: ['zzzzzzzz', theirs],
      counts: { cancelled: 3, ended: 1, unknown: 2 },
    })
    assert.deepEqual(await Promise.all([waiting, running, over, theirs].map(stateOf)), [
      'cancelled',
      'stopping',
      'succeeded',
      'queued',
    ])
    const job = (await t.as('ada', { url: `/api/v1/jobs/${waiting}` })).json<Job>()
    assert.equal(job.cause?.message, 'It was cancelled by its owner before it started.')
    assert.deepEqual((await cancel({ ids: [waiting, theirs] })).counts, { cancelled: 0, ended: 1, unknown: 1 })
    assert.deepEqual((await cancel({ ids: [theirs] }, 'root')).cancelled, [theirs])
    assert.match((await t.store.job(theirs))?.cause?.message ?? '', /by the administrator root/)
  })

  it('by label and by prefix cancels the own jobs that have not ended, once, and a dry run cancels none', async () => {
    const mine = [
      await t.submit('ada', { name: 'night-1', labels: { run: '42' } }),
      await t.submit('ada', { name: 'night-2', labels: { run: '43' } }),
      await t.submit('ada', { name: 'nights', labels: { run: '42' } }),
    ]
    const theirs = await t.submit('bob', { name: 'night-1', labels: { run: '42' } })
    const [first = '', second = '', third = ''] = mine
    assert.deepEqual((await cancel({ label: 'run=42', dryRun: true })).cancelled, [first, third])
    assert.deepEqual(await Promise.all(mine.map(stateOf)), ['queued', 'queued', 'queued'])
    assert.deepEqual((await cancel({ label: 'run=42' })).cancelled, [first, third])
    assert.deepEqual((await cancel({ label: 'run=42' })).counts, { cancelled: 0, ended: 0, unknown: 0 })
    assert.deepEqual((await cancel({ prefix: 'NIGHT-' })).cancelled, [second])
    assert.equal(await stateOf(theirs), 'queued')
    assert.deepEqual((await cancel({ label: 'run' }, 'root')).cancelled, [], 'an administrator names the user')
    assert.deepEqual((await cancel({ label: 'run', owner: 'bob' }, 'root')).cancelled, [theirs])
  })

  it('has one audit entry, stored with the first jobs, and none for a dry run', async () => {
    const before = (await audited()).length
    const [one, other] = [await t.submit('ada', { name: 'aud-1' }), await t.submit('ada', { name: 'aud-2' })]
    await cancel({ prefix: 'aud-', dryRun: true })
    await cancel({ ids: [one, other] })
    await cancel({ label: 'run=nothing' })
    await t.submit('bob', { name: 'aud-3' })
    await cancel({ prefix: 'aud-', owner: 'bob' }, 'root')
    assert.deepEqual(
      (await audited())
        .slice(0, -before || undefined)
        .map(({ actor, subject, outcome, status }) => [actor, subject, outcome, status]),
      [
        ['root', 'prefix aud- of bob', 'done', 200],
        ['ada', 'label run=nothing', 'done', 200],
        ['ada', `2 jobs: ${one} ${other}`, 'done', 200],
      ],
    )
  })

  it('refuses anything but exactly one of ids, label and prefix, and the jobs of another user', async () => {
    for (const [field, payload] of [
      ['body', {}],
      ['label', { ids: ['k3x9a0qz'], label: 'run' }],
      ['prefix', { label: 'run', prefix: 'night' }],
      ['owner', { ids: ['k3x9a0qz'], owner: 'ada' }],
      ['prefix', { prefix: 'ab' }],
      ['label', { label: '=x' }],
      ['ids', { ids: [] }],
      ['ids.1', { ids: ['k3x9a0qz', 'no id'] }],
      ['ids', { ids: Array.from({ length: 1_001 }, () => 'k3x9a0qz') }],
    ] as const) {
      const answer = await post(payload)
      const problem = answer.json<ProblemBody>()
      assert.deepEqual([answer.statusCode, problem.field], [400, field], JSON.stringify(payload).slice(0, 80))
      assert.ok(problem.hint)
    }
    const other = await post({ label: 'run', owner: 'bob' })
    assert.deepEqual([other.statusCode, other.json<ProblemBody>().field], [403, 'owner'])
    assert.equal((await post({ label: 'run', owner: 'nobody' }, 'root')).statusCode, 400)
  })

  it('cancels a thousand in pieces, with other writes in between, also where jobs change state meanwhile', async () => {
    const payload = { ...good, name: 'large', replicas: 1_000, labels: { run: 'large' } }
    const { ids } = (await t.as('ada', { method: 'POST', url: '/api/v1/jobs', payload })).json<Submitted>()
    const step = t.store.step.bind(t.store)
    let steps = 0
    let between: Promise<string> | undefined
    t.store.step = async (all, audit) => {
      steps += 1
      assert.ok(all.length <= 25)
      // A job of the piece starts before its step.
      if (steps === 2 && all[0] !== undefined) {
        const { jobId } = all[0]
        await step([{ jobId, at: 1, from: 'queued', event: { type: 'placed' }, fields: { attempt: 1 } }])
        between = t.submit('bob', { name: 'between' })
      }
      return step(all, audit)
    }
    try {
      assert.deepEqual((await cancel({ label: 'run=large' })).cancelled, ids)
    } finally {
      t.store.step = step
    }
    assert.ok(steps >= 40)
    assert.ok(between !== undefined)
    await between
    assert.deepEqual([...new Set(await Promise.all(ids.map(stateOf)))].toSorted(), ['cancelled', 'stopping'])
    assert.deepEqual((await cancel({ label: 'run=large' })).counts.cancelled, 1, 'the one that stops')
  })
})
