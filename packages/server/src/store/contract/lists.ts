import assert from 'node:assert/strict'
import { test } from 'node:test'
import { specificationKeys, type StoredJob } from '../../job/job.ts'
import type { JobFilter } from '../store.ts'
import { all, ids, someJob, submit } from '../testing/some-job.ts'
import type { OpenedStore } from './opened-store.ts'

/** Lists and filters of jobs. */
export function describeLists(opened: OpenedStore): void {
  test('lists by state, name, array and end, in any order, page by page', async () => {
    const jobs = ['b', 'a%', 'a_', 'c', 'ab'].map((name, i) => someJob({ name, ...(i > 2 ? { arrayId: 'arr' } : {}) }))
    await submit(opened.store, ...jobs, someJob({ owner: 'bob', name: 'a' }))
    const cancelled = jobs[3]
    assert.ok(cancelled)
    await opened.store.step([
      { jobId: cancelled.id, at: 1, from: 'queued', event: { type: 'cancelRequested' }, fields: { endedAt: 500 } },
    ])
    const names = async (parts: Partial<JobFilter>) =>
      (await opened.store.jobs(all('ada', parts))).map((job) => job.name)
    assert.deepEqual(await names({ sort: 'name' }), ['a%', 'a_', 'ab', 'b', 'c'])
    assert.deepEqual(await names({ sort: '-submitted' }), ['ab', 'c', 'a_', 'a%', 'b'])
    assert.deepEqual(await names({ namePrefix: 'a%' }), ['a%'])
    assert.deepEqual(await names({ arrayId: 'arr' }), ['c', 'ab'])
    assert.deepEqual(await names({ states: ['cancelled'] }), ['c'])
    await opened.store.step(
      [jobs[0], jobs[1]].map((job, i) => ({
        jobId: job?.id ?? '',
        at: 1,
        from: 'queued',
        event: { type: 'cancelRequested' },
        fields: { endedAt: 500 + i * 100 },
      })),
    )
    assert.deepEqual(await names({ endedSince: 501 }), [jobs[1]?.name])
    assert.deepEqual(await names({ sort: '-ended' }), [jobs[1]?.name, 'c', jobs[0]?.name])
    for (const sort of ['submitted', '-submitted', 'name', '-name', '-ended'] as const) {
      const paged: StoredJob[] = []
      for (let after: StoredJob | undefined; ; after = paged.at(-1)) {
        const page = await opened.store.jobs(all('ada', { sort, limit: 2, ...(after === undefined ? {} : { after }) }))
        if (page.length === 0) break
        paged.push(...page)
      }
      assert.deepEqual(ids(paged), ids(await opened.store.jobs(all('ada', { sort }))), sort)
    }
    const everything = await opened.store.jobs(all('ada', { sort: 'submitted' }))
    for (const states of [
      ['cancelled', 'queued'],
      ['queued', 'running', 'queued'],
      ['held', 'queued', 'starting', 'running', 'stopping'],
      ['failed', 'running'],
    ] as const)
      for (const filter of [{}, { arrayId: 'arr' }, { namePrefix: 'a' }])
        for (const sort of ['submitted', '-submitted'] as const) {
          const { namePrefix = '', arrayId } = filter as { readonly namePrefix?: string; readonly arrayId?: string }
          const wanted = everything.filter(
            (job) =>
              (states as readonly string[]).includes(job.state) &&
              job.name.startsWith(namePrefix) &&
              (arrayId === undefined || job.arrayId === arrayId),
          )
          const paged: StoredJob[] = []
          for (let after: StoredJob | undefined; ; after = paged.at(-1)) {
            const place = after === undefined ? {} : { after }
            const page = await opened.store.jobs(all('ada', { ...filter, states, sort, limit: 2, ...place }))
            if (page.length === 0) break
            paged.push(...page)
          }
          assert.deepEqual(
            ids(paged),
            ids(sort === 'submitted' ? wanted : wanted.toReversed()),
            `${states.join()} ${sort}`,
          )
        }
    await opened.store.step([
      { jobId: cancelled.id, at: 7, from: 'cancelled', event: { type: 'removed' }, fields: { removedAt: 7 } },
    ])
    assert.deepEqual(await names({ notRemoved: true, states: ['cancelled'] }), ['b', 'a%'])
    assert.equal((await opened.store.job(cancelled.id))?.removedAt, 7)
  })

  test('finds jobs by a label with or without its value, and with every other filter and order', async () => {
    const labelled = (name: string, labels: Record<string, string>, owner = 'ada') => someJob({ name, labels, owner })
    const jobs = [
      labelled('c', { run: '7', step: 'fit' }),
      labelled('b', { run: '7' }),
      labelled('a', { run: '8' }),
      someJob({ name: 'd' }),
      labelled('e', { run: '7', step: '' }),
    ]
    await submit(opened.store, ...jobs, labelled('f', { run: '7' }, 'bob'))
    assert.deepEqual((await opened.store.jobs(all('ada', { namePrefix: 'c' })))[0]?.labels, { run: '7', step: 'fit' })
    await opened.store.step([
      { jobId: jobs[1]?.id ?? '', at: 1, from: 'queued', event: { type: 'cancelRequested' }, fields: { endedAt: 5 } },
    ])
    const names = async (parts: Partial<JobFilter>) =>
      (await opened.store.jobs(all('ada', parts))).map((job) => job.name)
    const run = { key: 'run', value: '7' }
    assert.deepEqual(await names({ label: run }), ['c', 'b', 'e'])
    assert.deepEqual(await names({ label: { key: 'run' } }), ['c', 'b', 'a', 'e'])
    assert.deepEqual(await names({ label: { key: 'step', value: '' } }), ['e'])
    assert.deepEqual(await names({ label: { key: 'ru' } }), [])
    assert.deepEqual(await names({ label: run, states: ['queued', 'running'] }), ['c', 'e'])
    assert.deepEqual(await names({ label: { key: 'step' }, states: ['queued'] }), ['c', 'e'])
    assert.deepEqual(await names({ label: run, states: ['queued', 'cancelled'] }), ['c', 'b', 'e'])
    assert.deepEqual(await names({ label: run, namePrefix: 'b' }), ['b'])
    for (const states of [undefined, ['queued']] as const)
      for (const sort of ['submitted', '-submitted', 'name', '-name'] as const) {
        const filter = { label: { key: 'run' }, sort, ...(states === undefined ? {} : { states }) }
        const paged: StoredJob[] = []
        for (let after: StoredJob | undefined; ; after = paged.at(-1)) {
          const page = await opened.store.jobs(
            all('ada', { ...filter, limit: 1, ...(after === undefined ? {} : { after }) }),
          )
          if (page.length === 0) break
          paged.push(...page)
        }
        assert.deepEqual(ids(paged), ids(await opened.store.jobs(all('ada', filter))), sort)
      }
    for (const filter of [
      { label: run },
      { label: run, states: ['queued'] as const, sort: '-name' as const },
      { limit: 2 },
    ]) {
      const whole = await opened.store.jobs(all('ada', filter))
      const outlines = whole.map((job) =>
        Object.fromEntries(
          Object.entries(job).filter(([key]) => !(specificationKeys as readonly string[]).includes(key)),
        ),
      )
      assert.deepEqual(await opened.store.jobOutlines(all('ada', filter)), outlines)
    }
    const matches = async (filter: Pick<JobFilter, 'label' | 'namePrefix'>, after = 0, limit = 9) =>
      (await opened.store.notEndedOf('ada', filter, after, limit)).map(({ id, isMatch }) => [
        jobs.find((job) => job.id === id)?.name,
        isMatch,
      ])
    assert.deepEqual(await matches({ label: run }), [
      ['c', true],
      ['a', false],
      ['d', false],
      ['e', true],
    ])
    const [first] = await opened.store.notEndedOf('ada', {}, 0, 1)
    assert.partialDeepStrictEqual(first, { id: jobs[0]?.id, owner: 'ada', state: 'queued', isMatch: true })
    assert.deepEqual(await matches({ label: { key: 'run' }, namePrefix: 'a' }, first?.seq, 2), [
      ['a', true],
      ['d', false],
    ])
    await opened.store.deleteJobsEndedBefore(10, 10)
    assert.deepEqual(await names({ label: run }), ['c', 'e'])
  })

  test('no longer counts a job as not ended after a step that does not say when it ended', async () => {
    const job = someJob()
    await submit(opened.store, job)
    await opened.store.step([{ jobId: job.id, at: 7, from: 'queued', event: { type: 'cancelRequested' } }])
    assert.deepEqual(await opened.store.notEnded(), [])
    assert.equal((await opened.store.job(job.id))?.endedAt, 7)
  })
}
