import assert from 'node:assert/strict'
import { test } from 'node:test'
import { JobIdTaken } from '../store.ts'
import { all, ids, queued, someJob, submit, wishes } from '../testing/some-job.ts'
import type { OpenedStore } from './opened-store.ts'

/** Jobs: submitting, reading, steps. */
export function describeJobs(opened: OpenedStore): void {
  test('gives back what was submitted, also after it was opened again', async () => {
    const job = someJob({
      cmd: ['sh', '-c', 'echo "a  b"'],
      args: [],
      network: 'none',
      arrayId: 'arr',
      taskCount: 2,
      ...wishes,
    })
    assert.deepEqual(await submit(opened.store, job), { outcome: 'stored', ids: [job.id], change: 1 })
    assert.deepEqual(await opened.store.job(job.id), { ...job, seq: 1 })
    await opened.store.close()
    opened.store = await opened.place.open()
    assert.deepEqual(await opened.store.job(job.id), { ...job, seq: 1 })
    assert.deepEqual(await opened.store.events(job.id), [queued(job)])
    assert.equal(await opened.store.job('zzzzzzzz'), undefined)
  })

  test("gives a job by its id and owner, and no other's", async () => {
    const job = someJob()
    await submit(opened.store, job)
    assert.deepEqual(await opened.store.job(job.id, 'ada'), { ...job, seq: 1 })
    assert.equal(await opened.store.job(job.id, 'bob'), undefined)
  })

  test('stores all jobs of a submission or none, and spares its neighbours', async () => {
    const [first, twin, other] = [someJob(), someJob(), someJob()]
    const outcomes = await Promise.allSettled([
      submit(opened.store, first),
      submit(opened.store, twin, { ...twin }),
      submit(opened.store, other),
    ])
    assert.deepEqual(
      outcomes.map((outcome) => outcome.status),
      ['fulfilled', 'rejected', 'fulfilled'],
    )
    assert.ok((outcomes[1] as PromiseRejectedResult).reason instanceof JobIdTaken)
    assert.deepEqual(ids(await opened.store.jobs(all('ada'))), ids([first, other]))
    assert.deepEqual(await opened.store.events(twin.id), [])
  })

  test('takes a thousand jobs in one submission', async () => {
    const jobs = Array.from({ length: 1_000 }, (_, i) => someJob({ taskIndex: i + 1, taskCount: 1_000 }))
    await submit(opened.store, ...jobs)
    assert.deepEqual(ids(await opened.store.notEnded()), ids(jobs))
  })

  test('answers a repeated request as before, and refuses another under the same key', async () => {
    const idempotency = { account: 'ada', key: 'k', fingerprint: 'f' }
    const [job, again] = [someJob(), someJob()]
    const answers = await Promise.all([
      opened.store.submit({ jobs: [job], events: [], idempotency }),
      opened.store.submit({ jobs: [again], events: [], idempotency }),
    ])
    assert.deepEqual(answers, [
      { outcome: 'stored', ids: [job.id], change: 1 },
      { outcome: 'repeated', ids: [job.id] },
    ])
    const other = { jobs: [someJob()], events: [], idempotency: { ...idempotency, fingerprint: 'g' } }
    assert.deepEqual(await opened.store.submit(other), { outcome: 'conflict' })
    const theirs = { jobs: [someJob()], events: [], idempotency: { ...idempotency, account: 'bob' } }
    assert.equal((await opened.store.submit(theirs)).outcome, 'stored')
    assert.equal((await opened.store.notEnded()).length, 2)
    assert.deepEqual(await opened.store.answeredBefore(idempotency), { outcome: 'repeated', ids: [job.id] })
    assert.deepEqual(await opened.store.answeredBefore({ ...idempotency, fingerprint: 'g' }), { outcome: 'conflict' })
    assert.equal(await opened.store.answeredBefore({ ...idempotency, key: 'other' }), undefined)
    await opened.store.deleteIdempotencyBefore(2_000)
    assert.equal((await opened.store.submit(other)).outcome, 'stored')
  })

  test('takes a step from the state it names and from no other', async () => {
    const job = someJob()
    await submit(opened.store, job)
    const place = {
      jobId: job.id,
      from: 'queued',
      event: { type: 'placed' },
      fields: { attempt: 1 },
      at: 5,
    } as const
    const attempt = { id: `${job.id}-1`, jobId: job.id, number: 1, node: 'here', placedAt: 5 }
    const [placed] = await opened.store.step([{ ...place, attempt, events: [queued(job)] }])
    assert.equal(placed?.job.state, 'starting')
    assert.equal(placed.job.attempt, 1)
    assert.deepEqual(await opened.store.step([{ ...place, events: [queued(job)] }]), [])
    assert.equal((await opened.store.events(job.id)).length, 2)
    const started = { jobId: job.id, at: 6, from: 'starting', event: { type: 'started' } } as const
    await opened.store.step([
      { ...started, fields: { startedAt: 6, deadlineAt: 66 }, attempt: { ...attempt, startedAt: 6 } },
    ])
    const cause = { code: 'exited', message: 'It exited with 3.' } as const
    const [ended] = await opened.store.step([
      {
        jobId: job.id,
        at: 1,
        from: 'running',
        event: { type: 'exited', exitCode: 3 },
        fields: { endedAt: 9, exitCode: 3, cause },
        attempt: { ...attempt, startedAt: 6, endedAt: 9, exitCode: 3, cause, usage: { cpuSeconds: 1.5 } },
      },
    ])
    assert.deepEqual(ended?.job, await opened.store.job(job.id))
    assert.equal(ended?.job.state, 'failed')
    assert.deepEqual(ended.job.cause, cause)
    assert.deepEqual(await opened.store.attempts([job.id]), [
      { ...attempt, startedAt: 6, endedAt: 9, exitCode: 3, cause, usage: { cpuSeconds: 1.5 } },
    ])
    assert.deepEqual(await opened.store.notEnded(), [])
  })

  test('returns a job to the queue until an instant, and clears that when it starts', async () => {
    const job = someJob()
    await submit(opened.store, job)
    const place = { jobId: job.id, at: 5, from: 'queued', event: { type: 'placed' }, fields: { attempt: 1 } } as const
    await opened.store.step([place])
    const cause = { code: 'image-unreachable', message: 'The registry does not answer.' } as const
    const wait = { notBefore: 60, postponed: { cause, since: 6, until: 600 } }
    const event = { type: 'returned' } as const
    const [returned] = await opened.store.step([{ jobId: job.id, at: 6, from: 'starting', event, fields: wait }])
    assert.deepEqual(returned?.job, { ...job, seq: returned?.job.seq, attempt: 1, state: 'queued', ...wait })
    assert.deepEqual(await opened.store.job(job.id), returned.job)
    await opened.store.step([place])
    const over = { startedAt: 61, notBefore: null, postponed: null }
    const start = { jobId: job.id, at: 61, from: 'starting', event: { type: 'started' }, fields: over } as const
    const [started] = await opened.store.step([start])
    assert.deepEqual([started?.job.notBefore, started?.job.postponed], [undefined, undefined])
  })

  test('moves the deadline of a job that runs, and of no other', async () => {
    const job = someJob()
    await submit(opened.store, job)
    const renew = {
      jobId: job.id,
      at: 4,
      from: 'running',
      event: { type: 'renewed' },
      fields: { deadlineAt: 9 },
    } as const
    assert.deepEqual(await opened.store.step([renew]), [])
    await opened.store.step([{ jobId: job.id, at: 1, from: 'queued', event: { type: 'placed' } }])
    await opened.store.step([
      { jobId: job.id, at: 2, from: 'starting', event: { type: 'started' }, fields: { deadlineAt: 5 } },
    ])
    assert.equal((await opened.store.step([renew])).length, 1)
    assert.equal((await opened.store.job(job.id))?.deadlineAt, 9)
  })
}
