import assert from 'node:assert/strict'
import { test } from 'node:test'
import type { NewJob } from '../../job/job.ts'
import type { JobStep } from '../store.ts'
import { someJob, submit } from '../testing/some-job.ts'
import type { OpenedStore } from './opened-store.ts'

/** What the queue keeps: charges, runs, limits, uses of images. */
export function describeQueue(opened: OpenedStore): void {
  test('charges with the step that ends a job: once, and not where the step is too late', async () => {
    const [first, second] = [someJob(), someJob()]
    await submit(opened.store, first, second)
    const ends = (job: NewJob): JobStep => ({
      jobId: job.id,
      at: 1,
      from: 'starting',
      event: { type: 'exited', exitCode: 0 },
      fields: { endedAt: 9 },
      charge: {
        user: 'ada',
        next: (before) => ({ user: 'ada', coreHours: (before?.coreHours ?? 0) / 2 + 1.5, at: (before?.at ?? 0) + 1 }),
      },
      history: {
        alike: 'sleep',
        runs: [
          { endedAt: 9, seconds: 0.25, peakBytes: 7 },
          { endedAt: 9, seconds: 3 },
        ],
      },
      scores: [
        { what: 'start', outcome: 'inside', at: 86_400_000 },
        { what: 'start', outcome: 'late', at: 86_400_000 },
        { what: 'run', outcome: 'early', at: 1 },
      ],
      forecast: { jobId: job.id, at: job === first ? 5 : 6, forecast: 1.5, waited: 2 },
    })
    assert.deepEqual(await opened.store.step([ends(first)]), [], 'it has not been placed')
    assert.deepEqual(await opened.store.shares(), [])
    for (const job of [first, second]) {
      await opened.store.step([{ jobId: job.id, at: 1, from: 'queued', event: { type: 'placed' } }])
      await opened.store.step([ends(job), ends(job)])
    }
    assert.deepEqual(await opened.store.shares(), [{ user: 'ada', coreHours: 2.25, at: 2 }])
    assert.deepEqual(await opened.store.runHistories(), [
      {
        alike: 'sleep',
        runs: [
          { endedAt: 9, seconds: 0.25, peakBytes: 7 },
          { endedAt: 9, seconds: 3 },
        ],
      },
    ])
    const none = { inside: 0, early: 0, late: 0 }
    assert.deepEqual(await opened.store.estimateScores(86_400_001), {
      start: { inside: 2, early: 0, late: 2 },
      run: none,
    })
    assert.deepEqual((await opened.store.estimateScores(0)).run, { inside: 0, early: 2, late: 0 })
    assert.deepEqual(await opened.store.startForecasts(1), [{ jobId: second.id, at: 6, forecast: 1.5, waited: 2 }])
    await opened.store.deleteStartForecastsBefore(6)
    assert.deepEqual(
      (await opened.store.startForecasts(9)).map(({ at }) => at),
      [6],
    )
    await opened.store.replaceShares([{ user: 'bob', group: 'survey', coreHours: 1, at: 3 }])
    assert.deepEqual(await opened.store.shares(), [{ user: 'bob', group: 'survey', coreHours: 1, at: 3 }])
    await opened.store.deleteRunHistoriesBefore(10)
    assert.deepEqual(await opened.store.runHistories(), [])
  })

  test('gives back the runs that ended, oldest first', async () => {
    const jobs = [someJob(), someJob(), someJob(), someJob()]
    await submit(opened.store, ...jobs)
    for (const [i, job] of jobs.entries()) {
      const attempt = { id: `${job.id}-1`, jobId: job.id, number: 1, node: 'here', placedAt: 5 }
      const endedAt = i === 0 ? 100 : 99
      await opened.store.step([
        { jobId: job.id, at: 1, from: 'queued', event: { type: 'placed' }, fields: { attempt: 1 }, attempt },
      ])
      if (i < 3)
        await opened.store.step([
          {
            jobId: job.id,
            at: 1,
            from: 'starting',
            event: { type: 'exited', exitCode: 0 },
            fields: { endedAt },
            attempt: { ...attempt, endedAt },
          },
        ])
    }
    const runs = await opened.store.endedRuns({ at: 99 }, 10)
    const [last, ...others] = jobs.slice(0, 3).map(({ id }) => id)
    assert.deepEqual(
      runs.map(({ job }) => job.id),
      [...others.toSorted(), last],
    )
    assert.deepEqual(
      runs.map(({ attempt }) => attempt.endedAt),
      [99, 99, 100],
    )
    assert.equal((await opened.store.endedRuns({ at: 0 }, 2)).length, 2)
    const [first, ...rest] = runs.map(({ attempt }) => attempt)
    const after = { at: first!.endedAt!, attemptId: first!.id }
    const next = (await opened.store.endedRuns(after, 10)).map(({ attempt }) => attempt)
    assert.deepEqual(next, rest, 'from where a page ended, also in the midst of an instant')
  })

  test('keeps what is set for users and groups until it is cleared', async () => {
    const ada = {
      kind: 'user',
      name: 'ada',
      weight: 2,
      limits: { cores: 4, offPeak: { cores: 8 } },
      setAt: 1,
    } as const
    const group = { kind: 'group', name: 'ada', limits: { queued: 0 }, setAt: 2 } as const
    await opened.store.setHolder({ ...ada, limits: { gpus: 1 } })
    await opened.store.setHolder(ada)
    await opened.store.setHolder(group)
    assert.deepEqual(await opened.store.holders(), [group, ada])
    assert.equal(await opened.store.clearHolder('user', 'ada', 3), true)
    assert.equal(await opened.store.clearHolder('user', 'ada', 3), false)
    assert.deepEqual(await opened.store.holders(), [group])
  })

  test('knows who ran which image when, and which images jobs are about to need', async () => {
    const ran = (owner: string, image: string, startedAt: number) =>
      someJob({ owner, image, startedAt, state: 'succeeded', endedAt: startedAt + 1 })
    await submit(
      opened.store,
      ran('ada', 'r/a:1', 5),
      ran('ada', 'r/a:1', 9),
      ran('ada', 'r/b:1', 7),
      ran('bob', 'r/a:1', 8),
    )
    await submit(
      opened.store,
      someJob({ image: 'r/waiting:1' }),
      someJob({ image: 'r/again:1', imageDigest: 'sha256:1' }),
      someJob({ image: 'r/starting:1', state: 'starting' }),
      someJob({ image: 'r/starting:1', state: 'starting' }),
      someJob({ image: 'r/running:1', state: 'running', imageDigest: 'sha256:2' }),
    )
    assert.deepEqual(await opened.store.imageUses({ account: 'ada' }), [
      { account: 'ada', image: 'r/a:1', at: 9 },
      { account: 'ada', image: 'r/b:1', at: 7 },
    ])
    assert.deepEqual(await opened.store.imageUses({ image: 'r/a:1' }), [
      { account: 'ada', image: 'r/a:1', at: 9 },
      { account: 'bob', image: 'r/a:1', at: 8 },
    ])
    const inUse = (await opened.store.imagesInUse()).toSorted((a, b) => (a.image < b.image ? -1 : 1))
    assert.deepEqual(inUse, [
      { image: 'r/again:1', digest: 'sha256:1' },
      { image: 'r/running:1', digest: 'sha256:2' },
      { image: 'r/starting:1', digest: undefined },
    ])
  })

  test('counts the jobs of each state that is not an end, and says whether it can be written', async () => {
    assert.deepEqual(await opened.store.jobsByState(), new Map())
    await submit(opened.store, someJob(), someJob(), someJob({ state: 'running' }), someJob({ state: 'failed' }))
    assert.deepEqual(
      await opened.store.jobsByState(),
      new Map([
        ['queued', 2],
        ['running', 1],
      ]),
    )
    await opened.store.checkWritable()
  })
}
