import assert from 'node:assert/strict'
import { test } from 'node:test'
import type { EndedAt } from '../store.ts'
import { all, ids, someJob, submit } from '../testing/some-job.ts'
import type { OpenedStore } from './opened-store.ts'

/** Attempts, secrets, and the deletion of old jobs. */
export function describeAttempts(opened: OpenedStore): void {
  test('knows which attempts it has a record of, and which of them are over', async () => {
    const [running, ended] = [someJob(), someJob()]
    await submit(opened.store, running, ended)
    const placed = (jobId: string) => {
      const attempt = { id: `${jobId}-1`, jobId, number: 1, node: 'n', placedAt: 5 }
      return {
        jobId,
        at: 5,
        from: 'queued' as const,
        event: { type: 'placed' as const },
        fields: { attempt: 1 },
        attempt,
      }
    }
    await opened.store.step([placed(running.id), placed(ended.id)])
    await opened.store.step([
      { jobId: ended.id, at: 9, from: 'starting', event: { type: 'exited', exitCode: 0 }, fields: { endedAt: 9 } },
    ])
    const many = Array.from({ length: 1000 }, (_, i) => `a${i}-1`)
    assert.deepEqual(
      new Map(await opened.store.recordedAttempts([...many, `${running.id}-1`, `${ended.id}-1`, `${running.id}-2`])),
      new Map([
        [`${running.id}-1`, 'current'],
        [`${ended.id}-1`, 'over'],
      ]),
    )
    assert.equal((await opened.store.recordedAttempts([])).size, 0)
  })

  test('lists attempts by their ends, in pieces, also where several ended at once', async () => {
    const jobs = [someJob(), someJob(), someJob()]
    await submit(opened.store, ...jobs)
    for (const [i, { id: jobId }] of jobs.entries()) {
      const attempt = { id: `${jobId}-1`, jobId, number: 1, node: 'here', placedAt: 1, endedAt: i === 0 ? 20 : 10 }
      await opened.store.step([{ jobId, at: 1, from: 'queued', event: { type: 'placed' }, attempt }])
    }
    const [last, ...others] = jobs.map(({ id }) => `${id}-1`)
    const found: string[] = []
    for (let after: EndedAt = { at: 0 }; ;) {
      const [one] = await opened.store.attemptsEndedBefore(21, after, 1)
      if (one === undefined) break
      found.push(one.attemptId)
      after = one
    }
    assert.deepEqual(found, [...others.toSorted(), last])
    assert.equal((await opened.store.attemptsEndedBefore(20, { at: 0 }, 10)).length, 2)
  })

  test('finds attempts and jobs by id, however many there are', async () => {
    const jobs = Array.from({ length: 1_201 }, () => someJob())
    await submit(opened.store, ...jobs)
    await opened.store.step(
      jobs.slice(1).map(({ id }) => ({
        jobId: id,
        at: 1,
        from: 'queued' as const,
        event: { type: 'placed' as const },
        fields: { attempt: 1 },
        attempt: { id: `${id}-1`, jobId: id, number: 1, node: 'here', placedAt: 1 },
      })),
    )
    assert.equal((await opened.store.attempts(ids(jobs))).length, 1_200)
    assert.equal((await opened.store.jobsById(ids(jobs))).length, 1_201)
  })

  test('keeps a secret until its job has ended', async () => {
    const job = someJob()
    await opened.store.submit({ jobs: [job], events: [], secrets: new Map([[job.id, 'sealed']]) })
    assert.equal(await opened.store.secret(job.id), 'sealed')
    await opened.store.step([
      { jobId: job.id, at: 1, from: 'queued', event: { type: 'cancelRequested' }, fields: { endedAt: 1 } },
    ])
    assert.equal(await opened.store.secret(job.id), undefined)
  })

  test('deletes old ended jobs with all that is theirs', async () => {
    const [old, young, waiting] = [someJob(), someJob(), someJob()]
    await submit(opened.store, old, young, waiting)
    for (const [job, endedAt] of [
      [old, 10],
      [young, 20],
    ] as const) {
      const attempt = { id: `${job.id}-1`, jobId: job.id, number: 1, node: 'here', placedAt: 5 }
      await opened.store.step([{ jobId: job.id, at: 1, from: 'queued', event: { type: 'placed' }, attempt }])
      await opened.store.step([
        { jobId: job.id, at: 1, from: 'starting', event: { type: 'lost' }, fields: { endedAt } },
      ])
    }
    assert.deepEqual(await opened.store.attemptsEndedBefore(20, { at: 10 }, 10), [])
    assert.deepEqual(await opened.store.deleteJobsEndedBefore(20, 10), [`${old.id}-1`])
    assert.deepEqual(ids(await opened.store.jobs(all('ada'))), ids([young, waiting]))
    assert.deepEqual(await opened.store.events(old.id), [])
  })
}
