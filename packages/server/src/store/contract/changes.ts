import assert from 'node:assert/strict'
import { test } from 'node:test'
import { CursorTooOld, type StoredChange } from '../change.ts'
import type { JobStep } from '../store.ts'
import { ids, someJob, submit, token } from '../testing/some-job.ts'
import { people } from '../testing/some-people.ts'
import type { OpenedStore } from './opened-store.ts'

/** The change log. */
export function describeChanges(opened: OpenedStore): void {
  test('appends a change for each job that is submitted, and one for an array, with its numbers in order', async () => {
    const [one, two] = [someJob({ submittedAt: 3 }), someJob({ submittedAt: 3 })]
    const tasks = [1, 2, 3].map((taskIndex) => someJob({ arrayId: 'arr00000', taskIndex, taskCount: 3, name: 'a' }))
    await submit(opened.store, one, two)
    await submit(opened.store, ...tasks)
    assert.deepEqual(await opened.store.changesAfter(0, 10), [
      { number: 1, at: 3, kind: 'submitted', owner: 'ada', subject: one.id, name: 'job', to: 'queued' },
      { number: 2, at: 3, kind: 'submitted', owner: 'ada', subject: two.id, name: 'job', to: 'queued' },
      {
        number: 3,
        at: 1_000,
        kind: 'submitted',
        owner: 'ada',
        subject: 'arr00000',
        arrayId: 'arr00000',
        tasks: { first: 1, last: 3 },
        name: 'a',
        to: 'queued',
      },
    ])
    assert.equal(await opened.store.logHead(), 3)
    assert.deepEqual(
      ids(await opened.store.tasks('arr00000', { first: 2, last: 3, after: 0, limit: 1_000 })),
      ids(tasks.slice(1)),
    )
    assert.deepEqual(
      ids(await opened.store.jobsById([two.id, one.id, 'zzzzzzzz'])).toSorted(),
      ids([one, two]).toSorted(),
    )
  })

  test('appends what a step changed, with what its readers need, and nothing for one that was too late', async () => {
    const job = someJob({ arrayId: 'arr00000' })
    await submit(opened.store, job)
    const place: JobStep = { jobId: job.id, at: 5, from: 'queued', event: { type: 'placed' }, fields: { attempt: 1 } }
    const cause = { code: 'exited', message: 'It exited with 3.' } as const
    const [placed] = await opened.store.step([place])
    await opened.store.step([place])
    await opened.store.step([
      {
        jobId: job.id,
        at: 9,
        from: 'starting',
        event: { type: 'exited', exitCode: 3 },
        fields: { endedAt: 9, exitCode: 3, cause },
      },
      { jobId: job.id, at: 11, from: 'failed', event: { type: 'removed' }, fields: { removedAt: 11 } },
    ])
    await opened.store.addEvents([{ jobId: job.id, at: 12, type: 'Normal', reason: 'Late', message: 'a\0b' }])
    const common = { owner: 'ada', subject: job.id, arrayId: 'arr00000', name: 'job' }
    assert.equal(placed?.change, 2)
    assert.deepEqual(await opened.store.changesAfter(1, 10), [
      { number: 2, at: 5, kind: 'placed', ...common, from: 'queued', to: 'starting' },
      {
        number: 3,
        at: 9,
        kind: 'exited',
        ...common,
        from: 'starting',
        to: 'failed',
        exitCode: 3,
        causeCode: 'exited',
      },
      { number: 4, at: 11, kind: 'removed', ...common, from: 'failed', to: 'failed' },
      { number: 5, at: 12, kind: 'noted', ...common },
    ])
    assert.equal((await opened.store.events(job.id)).at(-1)?.message, 'ab')
  })

  test('appends what changed of limits, users and tokens, and what retention deleted', async () => {
    const job = someJob()
    await submit(opened.store, job)
    await opened.store.setHolder({ kind: 'user', name: 'ada', limits: {}, setAt: 1 })
    await opened.store.clearHolder('user', 'ada', 2)
    await opened.store.clearHolder('user', 'ada', 3)
    await opened.store.changeDirectory(() => people)
    await opened.store.addToken(token('a', { account: 'ada' }))
    await opened.store.addToken(token('b', { account: 'ada', madeWith: 'a' }))
    await opened.store.revokeToken('a', 7)
    await opened.store.revokeToken('a', 8)
    await opened.store.step([
      { jobId: job.id, at: 9, from: 'queued', event: { type: 'cancelRequested' }, fields: { endedAt: 9 } },
    ])
    await opened.store.deleteJobsEndedBefore(10, 10)
    assert.deepEqual(
      (await opened.store.changesAfter(1, 100)).map(({ kind, subject }) => `${kind} ${subject}`),
      [
        'limit-set user ada',
        'limit-cleared user ada',
        'group-changed survey',
        'user-changed ada',
        'user-changed bob',
        'project-changed night',
        'token-revoked a',
        'token-revoked b',
        `cancel-requested ${job.id}`,
        `deleted ${job.id}`,
      ],
    )
  })

  test('gives numbers without gaps where writes fail between others, and those of another process follow on', async () => {
    const [first, taken] = [someJob(), someJob()]
    await submit(opened.store, first)
    const other = await opened.place.open()
    const outcomes = await Promise.allSettled([
      submit(opened.store, taken),
      submit(opened.store, { ...first }),
      submit(other, someJob()),
      submit(opened.store, someJob()),
    ])
    assert.equal(outcomes.filter(({ status }) => status === 'rejected').length, 1)
    await submit(other, someJob())
    const numbers = (await opened.store.changesAfter(0, 100)).map(({ number }) => number)
    assert.deepEqual(numbers, [1, 2, 3, 4, 5])
    const seqs = (await opened.store.notEnded()).map(({ seq }) => seq)
    assert.deepEqual(seqs, [1, 2, 3, 4, 5])
    assert.equal(other.logId, opened.store.logId)
    await other.close()
  })

  test('deletes old changes piece by piece, and tells who reads on from what is deleted', async () => {
    for (const submittedAt of [10, 20, 15, 30])
      await submit(opened.store, someJob({ submittedAt, owner: `o${submittedAt}` }))
    assert.equal(await opened.store.deleteChangesBefore(20, 1), 1)
    assert.equal(await opened.store.deleteChangesBefore(20, 1), 0, 'what a clock that was set back left is kept')
    await assert.rejects(opened.store.changesAfter(0, 10), CursorTooOld)
    assert.deepEqual(
      (await opened.store.changesAfter(1, 10)).map(({ number }) => number),
      [2, 3, 4],
    )
    assert.deepEqual(
      (await opened.store.changesAfter(1, 10, 'o15')).map(({ number }) => number),
      [3],
    )
    await assert.rejects(opened.store.changesAfter(5, 10), CursorTooOld, 'beyond the head')
    assert.equal(await opened.store.deleteChangesBefore(1_000, 10), 3)
    assert.deepEqual(await opened.store.changesAfter(4, 10), [])
    await assert.rejects(opened.store.changesAfter(3, 10), CursorTooOld)
    await submit(opened.store, someJob())
    assert.equal((await opened.store.changesAfter(4, 10))[0]?.number, 5)
  })

  test('reads what everybody may know page by page, and where retention has come to', async () => {
    const jobs = Array.from({ length: 5 }, (_, i) => someJob({ owner: `o${i}` }))
    await submit(opened.store, ...jobs)
    const [first] = jobs
    await opened.store.step([
      { jobId: first?.id ?? '', at: 9, from: 'queued', event: { type: 'cancelRequested' }, fields: { endedAt: 9 } },
    ])
    const page = await opened.store.glimpses(0, 3)
    assert.deepEqual(page, [
      { seq: 2, owner: 'o1', state: 'queued' },
      { seq: 3, owner: 'o2', state: 'queued' },
      { seq: 4, owner: 'o3', state: 'queued' },
    ])
    assert.deepEqual(
      (await opened.store.glimpses(4, 3)).map(({ owner }) => owner),
      ['o4'],
    )
    assert.equal(await opened.store.logsDeletedTo(), undefined)
    await opened.store.setLogsDeletedTo({ at: 5, attemptId: 'a-1' })
    await opened.store.setLogsDeletedTo({ at: 6, attemptId: 'b-1' })
    assert.deepEqual(await opened.store.logsDeletedTo(), { at: 6, attemptId: 'b-1' })
  })

  test('hands over the changes of each commit that appended, as a reader finds them', async () => {
    const seen: StoredChange[][] = []
    const stop = opened.store.onCommit((changes) => seen.push([...changes]))
    const job = someJob()
    await submit(opened.store, job)
    await opened.store.checkWritable()
    await opened.store.step([{ jobId: job.id, at: 3, from: 'queued', event: { type: 'cancelRequested' } }])
    stop()
    const stored = await opened.store.changesAfter(0, 10)
    await submit(opened.store, someJob())
    assert.deepEqual(seen, [stored.slice(0, 1), stored.slice(1)])
  })
}
