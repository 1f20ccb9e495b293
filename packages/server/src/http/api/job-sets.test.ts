import assert from 'node:assert/strict'
import { describe, it } from 'node:test'
import type { CancelledJobs, Job, ProblemBody, Submitted } from '@science-platform/contract'
import { testApp } from '../testing/test-app.ts'

const t = await testApp()
const good = { name: 'reduce', image: 'localhost/test:1', cmd: 'python' }

describe('cancelling many jobs', () => {
  const post = (payload: object, account = 'ada') =>
    t.as(account, { method: 'POST', url: '/api/v1/jobs/cancel', payload })
  const cancel = async (payload: object, account = 'ada'): Promise<CancelledJobs> => {
    const answer = await post(payload, account)
    assert.equal(answer.statusCode, 200, answer.body)
    return answer.json<CancelledJobs>()
  }
  const stateOf = async (id: string): Promise<string | undefined> => (await t.store.job(id))?.state
  const audited = async () => await t.store.audit({ order: 'newest-first', limit: 100, action: 'cancelJobs' })

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
