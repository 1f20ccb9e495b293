import assert from 'node:assert/strict'
import { Readable } from 'node:stream'
import { afterEach, beforeEach, describe, test } from 'node:test'
import type { AuditEntry } from '../audit/entry.ts'
import { verifyTrail } from '../audit/verify.ts'
import { specificationKeys, type NewJob, type StoredJob } from '../job/job.ts'
import { newJobId } from '../job/ids.ts'
import { CursorTooOld, type StoredChange } from './change.ts'
import {
  JobIdTaken,
  type AuditFilter,
  type DirectoryChange,
  type EndedAt,
  type JobFilter,
  type JobStep,
  type Store,
  type StoredEvent,
  type StoredToken,
} from './store.ts'

let jobsMade = 0

/** A job for tests; any field may be given. The store assigns its `seq`. */
export function someJob(parts: Partial<StoredJob> = {}): StoredJob {
  return {
    id: newJobId(),
    seq: ++jobsMade,
    owner: 'ada',
    name: 'job',
    image: 'localhost/test:1',
    state: 'queued',
    env: { A: 'b=c "d" $e' },
    resources: { cores: { request: 1, limit: 8 }, memoryGb: { request: 1, limit: 32 }, gpus: 0, fixed: false },
    timeSeconds: 60,
    graceSeconds: 5,
    taskIndex: 1,
    taskCount: 1,
    submittedAt: 1_000,
    attempt: 0,
    ...parts,
  }
}

/** All optional fields of a job that no statement filters by. */
const wishes = {
  timeIsAsked: true,
  signal: { name: 'USR1', secondsBefore: 10 },
  when: 'off-peak',
  after: 2_000,
  by: 3_000,
  group: 'survey',
  gpuKind: 'a100',
  labels: { run: 'night 42' },
} as const satisfies Partial<NewJob>

const audited = (change: Partial<AuditEntry> = {}): AuditEntry => ({
  at: 1,
  actor: 'ada',
  via: 'api',
  action: 'submitJobs',
  outcome: 'done',
  count: 1,
  ...change,
})
const token = (id: string, change: Partial<StoredToken> = {}): StoredToken => ({
  id,
  prefix: `sp_${id}`,
  hash: `hash of ${id}`,
  account: 'ada',
  name: 'laptop',
  scopes: ['read', 'submit'],
  createdAt: 1,
  ...change,
})
const queued = (job: StoredJob): StoredEvent => ({
  jobId: job.id,
  at: 1,
  type: 'Normal',
  reason: 'Queued',
  message: 'x',
})
const submit = (store: Store, ...jobs: StoredJob[]) => store.submit({ jobs, events: jobs.map(queued) })
const all = (owner: string, parts: Partial<JobFilter> = {}): JobFilter => ({
  owner,
  sort: 'submitted',
  limit: 100,
  ...parts,
})
const ids = (jobs: readonly StoredJob[]): string[] => jobs.map((job) => job.id)

/** The suite that every driver of the {@link Store} port passes. Within one test, each `open` opens the same data. */
export function describeStore(
  name: string,
  make: () => Promise<{ open: () => Promise<Store>; remove: () => Promise<void> }>,
): void {
  describe(`the store on ${name}`, () => {
    let place: Awaited<ReturnType<typeof make>>
    let store: Store
    beforeEach(async () => {
      place = await make()
      store = await place.open()
    })
    afterEach(async () => {
      await store.close()
      await place.remove()
    })

    test('gives back what was submitted, also after it was opened again', async () => {
      const job = someJob({
        cmd: ['sh', '-c', 'echo "a  b"'],
        args: [],
        network: 'none',
        arrayId: 'arr',
        taskCount: 2,
        ...wishes,
      })
      assert.deepEqual(await submit(store, job), { outcome: 'stored', ids: [job.id], change: 1 })
      assert.deepEqual(await store.job(job.id), { ...job, seq: 1 })
      await store.close()
      store = await place.open()
      assert.deepEqual(await store.job(job.id), { ...job, seq: 1 })
      assert.deepEqual(await store.events(job.id), [queued(job)])
      assert.equal(await store.job('zzzzzzzz'), undefined)
    })

    test("gives a job by its id and owner, and no other's", async () => {
      const job = someJob()
      await submit(store, job)
      assert.deepEqual(await store.job(job.id, 'ada'), { ...job, seq: 1 })
      assert.equal(await store.job(job.id, 'bob'), undefined)
    })

    test('stores all jobs of a submission or none, and spares its neighbours', async () => {
      const [first, twin, other] = [someJob(), someJob(), someJob()]
      const outcomes = await Promise.allSettled([
        submit(store, first),
        submit(store, twin, { ...twin }),
        submit(store, other),
      ])
      assert.deepEqual(
        outcomes.map((outcome) => outcome.status),
        ['fulfilled', 'rejected', 'fulfilled'],
      )
      assert.ok((outcomes[1] as PromiseRejectedResult).reason instanceof JobIdTaken)
      assert.deepEqual(ids(await store.jobs(all('ada'))), ids([first, other]))
      assert.deepEqual(await store.events(twin.id), [])
    })

    test('takes a thousand jobs in one submission', async () => {
      const jobs = Array.from({ length: 1_000 }, (_, i) => someJob({ taskIndex: i + 1, taskCount: 1_000 }))
      await submit(store, ...jobs)
      assert.deepEqual(ids(await store.notEnded()), ids(jobs))
    })

    describe('a submission too large for one transaction', () => {
      const many = (parts: Partial<StoredJob> = {}) =>
        Array.from({ length: 1_000 }, (_, i) =>
          someJob({ arrayId: 'arr00000', taskIndex: i + 1, taskCount: 1_000, jobToken: ['read'], ...parts }),
        )
      const tokenFor = ({ id }: StoredJob, i: number): StoredToken => ({
        ...token(`t${i}`),
        jobId: id,
      })
      beforeEach(async () => {
        const user = { name: 'ada', uid: 20_000, gid: 20_000, admin: false, groups: [] }
        await store.changeDirectory(() => [{ type: 'user', user }])
      })
      const submissionOf = (jobs: readonly StoredJob[]) => ({
        jobs,
        events: jobs.map(queued),
        secrets: new Map(jobs.map(({ id }) => [id, 'sealed'])),
        tokens: jobs.map(tokenFor),
      })
      /** Nothing in the store is of these jobs, and the log has no gap. */
      async function assertNothing(jobs: readonly StoredJob[]): Promise<void> {
        assert.deepEqual(await store.jobsById(ids(jobs)), [])
        assert.deepEqual(await store.tokens('ada'), [])
        for (const { id } of [jobs[0], jobs.at(-1)].filter((job) => job !== undefined)) {
          assert.deepEqual(await store.events(id), [])
          assert.equal(await store.secret(id), undefined)
        }
        const changes = await store.changesAfter(0, 10_000)
        assert.deepEqual(
          changes.map(({ number }) => number),
          changes.map((_, i) => i + 1),
        )
      }

      test('lets other writes be stored before it, and is one change after them', async () => {
        const jobs = many()
        const order: string[] = []
        const large = store.submit(submissionOf(jobs)).then((outcome) => {
          order.push('large')
          return outcome
        })
        for (let i = 0; i < 3; i += 1) {
          await submit(store, someJob({ name: 'small' }))
          order.push('small')
        }
        const outcome = await large
        assert.equal(order[0], 'small')
        assert.ok(outcome.outcome === 'stored')
        assert.deepEqual(outcome.ids, ids(jobs))
        const changes = await store.changesAfter(0, 10)
        assert.deepEqual(
          changes.map(({ number }) => number),
          // The first is of the user.
          [1, 2, 3, 4, 5],
        )
        const own = changes.find(({ tasks }) => tasks !== undefined)
        assert.deepEqual([own?.number, own?.tasks], [outcome.change, { first: 1, last: 1_000 }])
        const stored = await store.tasks('arr00000', { first: 1, last: 1_000, after: 0, limit: 1_000 })
        assert.deepEqual(ids(stored), ids(jobs))
        const pages: StoredJob[] = []
        for (let last: StoredJob | undefined; pages.length < 900; last = pages.at(-1))
          pages.push(...(await store.tasks('arr00000', { first: 51, last: 950, after: last?.seq ?? 0, limit: 300 })))
        assert.deepEqual(ids(pages), ids(jobs.slice(50, 950)))
        const { id, owner, state, arrayId } = jobs[7] ?? someJob()
        assert.deepEqual(await store.glimpsesById([id, 'zzzzzzzz']), [{ id, owner, state, arrayId }])
        assert.deepEqual(
          stored.map(({ seq }) => seq - (stored[0]?.seq ?? 0)),
          jobs.map((_, i) => i),
        )
        assert.deepEqual(await store.events(jobs[999]?.id ?? ''), jobs.slice(999).map(queued))
        assert.deepEqual([...(await store.jobsByState())], [['queued', 1_003]])
      })

      test('leaves nothing where it is refused at last', async () => {
        const jobs = many()
        let asked = 0
        const confirm = () => {
          asked += 1
          if (asked === 2) throw new Error('no room now')
        }
        await assert.rejects(store.submit({ ...submissionOf(jobs), confirm, audit: audited() }), /no room now/)
        await assertNothing(jobs)
        assert.deepEqual(await store.audit({ order: 'newest-first', limit: 9 }), [])
        assert.equal((await store.submit(submissionOf(jobs))).outcome, 'stored')
      })

      test('leaves nothing where a late id is taken', async () => {
        const jobs = many()
        const twin = someJob({ id: jobs[990]?.id ?? '', owner: 'bob' })
        await submit(store, twin)
        await assert.rejects(store.submit(submissionOf(jobs)), JobIdTaken)
        await assertNothing(jobs.toSpliced(990, 1))
        assert.deepEqual(ids(await store.notEnded()), [twin.id])
      })

      test('is stored once under one key, and not beside another request with it', async () => {
        const [jobs, again, other] = [many(), many(), someJob()]
        const idempotency = { account: 'ada', key: 'k', fingerprint: 'f' }
        const outcomes = await Promise.all([
          store.submit({ jobs, events: [], idempotency }),
          store.submit({ jobs: again, events: [], idempotency }),
        ])
        assert.deepEqual(outcomes.map(({ outcome }) => outcome).toSorted(), ['repeated', 'stored'])
        const [one, two] = outcomes
        assert.ok(one.outcome !== 'conflict' && two.outcome !== 'conflict')
        assert.deepEqual(one.ids, two.ids)
        assert.deepEqual(ids(await store.notEnded()).toSorted(), one.ids.toSorted())
        const small = { jobs: [other], events: [], idempotency: { account: 'ada', key: 'l', fingerprint: 'g' } }
        const late = store.submit({ jobs: many(), events: [], idempotency: { ...small.idempotency, fingerprint: 'f' } })
        assert.equal((await store.submit(small)).outcome, 'stored')
        assert.deepEqual(await late, { outcome: 'conflict' })
        assert.equal((await store.notEnded()).length, 1_001)
      })

      test('has all of its tokens revoked or rotated where their parent is, between two transactions', async () => {
        for (const write of ['revoke', 'rotate'] as const) {
          await store.addToken(token(`parent-${write}`))
          const jobs = many({ arrayId: `arr-${write}` })
          const tokens = jobs.map(({ id }, i) => token(`${write}${i}`, { madeWith: `parent-${write}`, jobId: id }))
          // Both are written after the first transaction of the jobs.
          const stored = store.submit({ jobs, events: [], tokens })
          if (write === 'revoke') await store.revokeToken('parent-revoke', 5)
          else await store.rotateToken('parent-rotate', token('successor', { createdAt: 2 }), 6)
          await stored
          const found = new Set<number | string | undefined>()
          for (const { hash } of tokens) {
            const { revokedAt, madeWith } = (await store.tokenByHash(hash)) ?? {}
            found.add(write === 'revoke' ? revokedAt : madeWith)
          }
          assert.deepEqual([...found], [write === 'revoke' ? 5 : 'successor'])
        }
      })
    })

    test('answers a repeated request as before, and refuses another under the same key', async () => {
      const idempotency = { account: 'ada', key: 'k', fingerprint: 'f' }
      const [job, again] = [someJob(), someJob()]
      const answers = await Promise.all([
        store.submit({ jobs: [job], events: [], idempotency }),
        store.submit({ jobs: [again], events: [], idempotency }),
      ])
      assert.deepEqual(answers, [
        { outcome: 'stored', ids: [job.id], change: 1 },
        { outcome: 'repeated', ids: [job.id] },
      ])
      const other = { jobs: [someJob()], events: [], idempotency: { ...idempotency, fingerprint: 'g' } }
      assert.deepEqual(await store.submit(other), { outcome: 'conflict' })
      const theirs = { jobs: [someJob()], events: [], idempotency: { ...idempotency, account: 'bob' } }
      assert.equal((await store.submit(theirs)).outcome, 'stored')
      assert.equal((await store.notEnded()).length, 2)
      assert.deepEqual(await store.answeredBefore(idempotency), { outcome: 'repeated', ids: [job.id] })
      assert.deepEqual(await store.answeredBefore({ ...idempotency, fingerprint: 'g' }), { outcome: 'conflict' })
      assert.equal(await store.answeredBefore({ ...idempotency, key: 'other' }), undefined)
      await store.deleteIdempotencyBefore(2_000)
      assert.equal((await store.submit(other)).outcome, 'stored')
    })

    test('takes a step from the state it names and from no other', async () => {
      const job = someJob()
      await submit(store, job)
      const place = {
        jobId: job.id,
        from: 'queued',
        event: { type: 'placed' },
        fields: { attempt: 1 },
        at: 5,
      } as const
      const attempt = { id: `${job.id}-1`, jobId: job.id, number: 1, node: 'here', placedAt: 5 }
      const [placed] = await store.step([{ ...place, attempt, events: [queued(job)] }])
      assert.equal(placed?.job.state, 'starting')
      assert.equal(placed.job.attempt, 1)
      assert.deepEqual(await store.step([{ ...place, events: [queued(job)] }]), [])
      assert.equal((await store.events(job.id)).length, 2)
      const started = { jobId: job.id, at: 6, from: 'starting', event: { type: 'started' } } as const
      await store.step([
        { ...started, fields: { startedAt: 6, deadlineAt: 66 }, attempt: { ...attempt, startedAt: 6 } },
      ])
      const cause = { code: 'exited', message: 'It exited with 3.' } as const
      const [ended] = await store.step([
        {
          jobId: job.id,
          at: 1,
          from: 'running',
          event: { type: 'exited', exitCode: 3 },
          fields: { endedAt: 9, exitCode: 3, cause },
          attempt: { ...attempt, startedAt: 6, endedAt: 9, exitCode: 3, cause, usage: { cpuSeconds: 1.5 } },
        },
      ])
      assert.deepEqual(ended?.job, await store.job(job.id))
      assert.equal(ended?.job.state, 'failed')
      assert.deepEqual(ended.job.cause, cause)
      assert.deepEqual(await store.attempts([job.id]), [
        { ...attempt, startedAt: 6, endedAt: 9, exitCode: 3, cause, usage: { cpuSeconds: 1.5 } },
      ])
      assert.deepEqual(await store.notEnded(), [])
    })

    test('returns a job to the queue until an instant, and clears that when it starts', async () => {
      const job = someJob()
      await submit(store, job)
      const place = { jobId: job.id, at: 5, from: 'queued', event: { type: 'placed' }, fields: { attempt: 1 } } as const
      await store.step([place])
      const cause = { code: 'image-unreachable', message: 'The registry does not answer.' } as const
      const wait = { notBefore: 60, postponed: { cause, since: 6, until: 600 } }
      const event = { type: 'returned' } as const
      const [returned] = await store.step([{ jobId: job.id, at: 6, from: 'starting', event, fields: wait }])
      assert.deepEqual(returned?.job, { ...job, seq: returned?.job.seq, attempt: 1, state: 'queued', ...wait })
      assert.deepEqual(await store.job(job.id), returned.job)
      await store.step([place])
      const over = { startedAt: 61, notBefore: null, postponed: null }
      const start = { jobId: job.id, at: 61, from: 'starting', event: { type: 'started' }, fields: over } as const
      const [started] = await store.step([start])
      assert.deepEqual([started?.job.notBefore, started?.job.postponed], [undefined, undefined])
    })

    test('lists by state, name, array and end, in any order, page by page', async () => {
      const jobs = ['b', 'a%', 'a_', 'c', 'ab'].map((name, i) =>
        someJob({ name, ...(i > 2 ? { arrayId: 'arr' } : {}) }),
      )
      await submit(store, ...jobs, someJob({ owner: 'bob', name: 'a' }))
      const cancelled = jobs[3]
      assert.ok(cancelled)
      await store.step([
        { jobId: cancelled.id, at: 1, from: 'queued', event: { type: 'cancelRequested' }, fields: { endedAt: 500 } },
      ])
      const names = async (parts: Partial<JobFilter>) => (await store.jobs(all('ada', parts))).map((job) => job.name)
      assert.deepEqual(await names({ sort: 'name' }), ['a%', 'a_', 'ab', 'b', 'c'])
      assert.deepEqual(await names({ sort: '-submitted' }), ['ab', 'c', 'a_', 'a%', 'b'])
      assert.deepEqual(await names({ namePrefix: 'a%' }), ['a%'])
      assert.deepEqual(await names({ arrayId: 'arr' }), ['c', 'ab'])
      assert.deepEqual(await names({ states: ['cancelled'] }), ['c'])
      await store.step(
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
          const page = await store.jobs(all('ada', { sort, limit: 2, ...(after === undefined ? {} : { after }) }))
          if (page.length === 0) break
          paged.push(...page)
        }
        assert.deepEqual(ids(paged), ids(await store.jobs(all('ada', { sort }))), sort)
      }
      const everything = await store.jobs(all('ada', { sort: 'submitted' }))
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
              const page = await store.jobs(all('ada', { ...filter, states, sort, limit: 2, ...place }))
              if (page.length === 0) break
              paged.push(...page)
            }
            assert.deepEqual(
              ids(paged),
              ids(sort === 'submitted' ? wanted : wanted.toReversed()),
              `${states.join()} ${sort}`,
            )
          }
      await store.step([
        { jobId: cancelled.id, at: 7, from: 'cancelled', event: { type: 'removed' }, fields: { removedAt: 7 } },
      ])
      assert.deepEqual(await names({ notRemoved: true, states: ['cancelled'] }), ['b', 'a%'])
      assert.equal((await store.job(cancelled.id))?.removedAt, 7)
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
      await submit(store, ...jobs, labelled('f', { run: '7' }, 'bob'))
      assert.deepEqual((await store.jobs(all('ada', { namePrefix: 'c' })))[0]?.labels, { run: '7', step: 'fit' })
      await store.step([
        { jobId: jobs[1]?.id ?? '', at: 1, from: 'queued', event: { type: 'cancelRequested' }, fields: { endedAt: 5 } },
      ])
      const names = async (parts: Partial<JobFilter>) => (await store.jobs(all('ada', parts))).map((job) => job.name)
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
            const page = await store.jobs(
              all('ada', { ...filter, limit: 1, ...(after === undefined ? {} : { after }) }),
            )
            if (page.length === 0) break
            paged.push(...page)
          }
          assert.deepEqual(ids(paged), ids(await store.jobs(all('ada', filter))), sort)
        }
      for (const filter of [
        { label: run },
        { label: run, states: ['queued'] as const, sort: '-name' as const },
        { limit: 2 },
      ]) {
        const whole = await store.jobs(all('ada', filter))
        const outlines = whole.map((job) =>
          Object.fromEntries(
            Object.entries(job).filter(([key]) => !(specificationKeys as readonly string[]).includes(key)),
          ),
        )
        assert.deepEqual(await store.jobOutlines(all('ada', filter)), outlines)
      }
      const matches = async (filter: Pick<JobFilter, 'label' | 'namePrefix'>, after = 0, limit = 9) =>
        (await store.notEndedOf('ada', filter, after, limit)).map(({ id, isMatch }) => [
          jobs.find((job) => job.id === id)?.name,
          isMatch,
        ])
      assert.deepEqual(await matches({ label: run }), [
        ['c', true],
        ['a', false],
        ['d', false],
        ['e', true],
      ])
      const [first] = await store.notEndedOf('ada', {}, 0, 1)
      assert.partialDeepStrictEqual(first, { id: jobs[0]?.id, owner: 'ada', state: 'queued', isMatch: true })
      assert.deepEqual(await matches({ label: { key: 'run' }, namePrefix: 'a' }, first?.seq, 2), [
        ['a', true],
        ['d', false],
      ])
      await store.deleteJobsEndedBefore(10, 10)
      assert.deepEqual(await names({ label: run }), ['c', 'e'])
    })

    test('no longer counts a job as not ended after a step that does not say when it ended', async () => {
      const job = someJob()
      await submit(store, job)
      await store.step([{ jobId: job.id, at: 7, from: 'queued', event: { type: 'cancelRequested' } }])
      assert.deepEqual(await store.notEnded(), [])
      assert.equal((await store.job(job.id))?.endedAt, 7)
    })

    test('moves the deadline of a job that runs, and of no other', async () => {
      const job = someJob()
      await submit(store, job)
      const renew = {
        jobId: job.id,
        at: 4,
        from: 'running',
        event: { type: 'renewed' },
        fields: { deadlineAt: 9 },
      } as const
      assert.deepEqual(await store.step([renew]), [])
      await store.step([{ jobId: job.id, at: 1, from: 'queued', event: { type: 'placed' } }])
      await store.step([
        { jobId: job.id, at: 2, from: 'starting', event: { type: 'started' }, fields: { deadlineAt: 5 } },
      ])
      assert.equal((await store.step([renew])).length, 1)
      assert.equal((await store.job(job.id))?.deadlineAt, 9)
    })

    test('appends a change for each job that is submitted, and one for an array, with its numbers in order', async () => {
      const [one, two] = [someJob({ submittedAt: 3 }), someJob({ submittedAt: 3 })]
      const tasks = [1, 2, 3].map((taskIndex) => someJob({ arrayId: 'arr00000', taskIndex, taskCount: 3, name: 'a' }))
      await submit(store, one, two)
      await submit(store, ...tasks)
      assert.deepEqual(await store.changesAfter(0, 10), [
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
      assert.equal(await store.logHead(), 3)
      assert.deepEqual(
        ids(await store.tasks('arr00000', { first: 2, last: 3, after: 0, limit: 1_000 })),
        ids(tasks.slice(1)),
      )
      assert.deepEqual(ids(await store.jobsById([two.id, one.id, 'zzzzzzzz'])).toSorted(), ids([one, two]).toSorted())
    })

    test('appends what a step changed, with what its readers need, and nothing for one that was too late', async () => {
      const job = someJob({ arrayId: 'arr00000' })
      await submit(store, job)
      const place: JobStep = { jobId: job.id, at: 5, from: 'queued', event: { type: 'placed' }, fields: { attempt: 1 } }
      const cause = { code: 'exited', message: 'It exited with 3.' } as const
      const [placed] = await store.step([place])
      await store.step([place])
      await store.step([
        {
          jobId: job.id,
          at: 9,
          from: 'starting',
          event: { type: 'exited', exitCode: 3 },
          fields: { endedAt: 9, exitCode: 3, cause },
        },
        { jobId: job.id, at: 11, from: 'failed', event: { type: 'removed' }, fields: { removedAt: 11 } },
      ])
      await store.addEvents([{ jobId: job.id, at: 12, type: 'Normal', reason: 'Late', message: 'a\0b' }])
      const common = { owner: 'ada', subject: job.id, arrayId: 'arr00000', name: 'job' }
      assert.equal(placed?.change, 2)
      assert.deepEqual(await store.changesAfter(1, 10), [
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
      assert.equal((await store.events(job.id)).at(-1)?.message, 'ab')
    })

    test('appends what changed of limits, users and tokens, and what retention deleted', async () => {
      const job = someJob()
      await submit(store, job)
      await store.setHolder({ kind: 'user', name: 'ada', limits: {}, setAt: 1 })
      await store.clearHolder('user', 'ada', 2)
      await store.clearHolder('user', 'ada', 3)
      await store.changeDirectory(() => people)
      await store.addToken(token('a', { account: 'ada' }))
      await store.addToken(token('b', { account: 'ada', madeWith: 'a' }))
      await store.revokeToken('a', 7)
      await store.revokeToken('a', 8)
      await store.step([
        { jobId: job.id, at: 9, from: 'queued', event: { type: 'cancelRequested' }, fields: { endedAt: 9 } },
      ])
      await store.deleteJobsEndedBefore(10, 10)
      assert.deepEqual(
        (await store.changesAfter(1, 100)).map(({ kind, subject }) => `${kind} ${subject}`),
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

    test('knows which attempts it has a record of, and which of them are over', async () => {
      const [running, ended] = [someJob(), someJob()]
      await submit(store, running, ended)
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
      await store.step([placed(running.id), placed(ended.id)])
      await store.step([
        { jobId: ended.id, at: 9, from: 'starting', event: { type: 'exited', exitCode: 0 }, fields: { endedAt: 9 } },
      ])
      const many = Array.from({ length: 1000 }, (_, i) => `a${i}-1`)
      assert.deepEqual(
        new Map(await store.recordedAttempts([...many, `${running.id}-1`, `${ended.id}-1`, `${running.id}-2`])),
        new Map([
          [`${running.id}-1`, 'current'],
          [`${ended.id}-1`, 'over'],
        ]),
      )
      assert.equal((await store.recordedAttempts([])).size, 0)
    })

    test('gives numbers without gaps where writes fail between others, and those of another process follow on', async () => {
      const [first, taken] = [someJob(), someJob()]
      await submit(store, first)
      const other = await place.open()
      const outcomes = await Promise.allSettled([
        submit(store, taken),
        submit(store, { ...first }),
        submit(other, someJob()),
        submit(store, someJob()),
      ])
      assert.equal(outcomes.filter(({ status }) => status === 'rejected').length, 1)
      await submit(other, someJob())
      const numbers = (await store.changesAfter(0, 100)).map(({ number }) => number)
      assert.deepEqual(numbers, [1, 2, 3, 4, 5])
      const seqs = (await store.notEnded()).map(({ seq }) => seq)
      assert.deepEqual(seqs, [1, 2, 3, 4, 5])
      assert.equal(other.logId, store.logId)
      await other.close()
    })

    test('deletes old changes piece by piece, and tells who reads on from what is deleted', async () => {
      for (const submittedAt of [10, 20, 15, 30])
        await submit(store, someJob({ submittedAt, owner: `o${submittedAt}` }))
      assert.equal(await store.deleteChangesBefore(20, 1), 1)
      assert.equal(await store.deleteChangesBefore(20, 1), 0, 'what a clock that was set back left is kept')
      await assert.rejects(store.changesAfter(0, 10), CursorTooOld)
      assert.deepEqual(
        (await store.changesAfter(1, 10)).map(({ number }) => number),
        [2, 3, 4],
      )
      assert.deepEqual(
        (await store.changesAfter(1, 10, 'o15')).map(({ number }) => number),
        [3],
      )
      await assert.rejects(store.changesAfter(5, 10), CursorTooOld, 'beyond the head')
      assert.equal(await store.deleteChangesBefore(1_000, 10), 3)
      assert.deepEqual(await store.changesAfter(4, 10), [])
      await assert.rejects(store.changesAfter(3, 10), CursorTooOld)
      await submit(store, someJob())
      assert.equal((await store.changesAfter(4, 10))[0]?.number, 5)
    })

    test('reads what everybody may know page by page, and where retention has come to', async () => {
      const jobs = Array.from({ length: 5 }, (_, i) => someJob({ owner: `o${i}` }))
      await submit(store, ...jobs)
      const [first] = jobs
      await store.step([
        { jobId: first?.id ?? '', at: 9, from: 'queued', event: { type: 'cancelRequested' }, fields: { endedAt: 9 } },
      ])
      const page = await store.glimpses(0, 3)
      assert.deepEqual(page, [
        { seq: 2, owner: 'o1', state: 'queued' },
        { seq: 3, owner: 'o2', state: 'queued' },
        { seq: 4, owner: 'o3', state: 'queued' },
      ])
      assert.deepEqual(
        (await store.glimpses(4, 3)).map(({ owner }) => owner),
        ['o4'],
      )
      assert.equal(await store.logsDeletedTo(), undefined)
      await store.setLogsDeletedTo({ at: 5, attemptId: 'a-1' })
      await store.setLogsDeletedTo({ at: 6, attemptId: 'b-1' })
      assert.deepEqual(await store.logsDeletedTo(), { at: 6, attemptId: 'b-1' })
    })

    test('lists attempts by their ends, in pieces, also where several ended at once', async () => {
      const jobs = [someJob(), someJob(), someJob()]
      await submit(store, ...jobs)
      for (const [i, { id: jobId }] of jobs.entries()) {
        const attempt = { id: `${jobId}-1`, jobId, number: 1, node: 'here', placedAt: 1, endedAt: i === 0 ? 20 : 10 }
        await store.step([{ jobId, at: 1, from: 'queued', event: { type: 'placed' }, attempt }])
      }
      const [last, ...others] = jobs.map(({ id }) => `${id}-1`)
      const found: string[] = []
      for (let after: EndedAt = { at: 0 }; ;) {
        const [one] = await store.attemptsEndedBefore(21, after, 1)
        if (one === undefined) break
        found.push(one.attemptId)
        after = one
      }
      assert.deepEqual(found, [...others.toSorted(), last])
      assert.equal((await store.attemptsEndedBefore(20, { at: 0 }, 10)).length, 2)
    })

    test('hands over the changes of each commit that appended, as a reader finds them', async () => {
      const seen: StoredChange[][] = []
      const stop = store.onCommit((changes) => seen.push([...changes]))
      const job = someJob()
      await submit(store, job)
      await store.checkWritable()
      await store.step([{ jobId: job.id, at: 3, from: 'queued', event: { type: 'cancelRequested' } }])
      stop()
      const stored = await store.changesAfter(0, 10)
      await submit(store, someJob())
      assert.deepEqual(seen, [stored.slice(0, 1), stored.slice(1)])
    })

    test('finds attempts and jobs by id, however many there are', async () => {
      const jobs = Array.from({ length: 1_201 }, () => someJob())
      await submit(store, ...jobs)
      await store.step(
        jobs.slice(1).map(({ id }) => ({
          jobId: id,
          at: 1,
          from: 'queued' as const,
          event: { type: 'placed' as const },
          fields: { attempt: 1 },
          attempt: { id: `${id}-1`, jobId: id, number: 1, node: 'here', placedAt: 1 },
        })),
      )
      assert.equal((await store.attempts(ids(jobs))).length, 1_200)
      assert.equal((await store.jobsById(ids(jobs))).length, 1_201)
    })

    test('keeps a secret until its job has ended', async () => {
      const job = someJob()
      await store.submit({ jobs: [job], events: [], secrets: new Map([[job.id, 'sealed']]) })
      assert.equal(await store.secret(job.id), 'sealed')
      await store.step([
        { jobId: job.id, at: 1, from: 'queued', event: { type: 'cancelRequested' }, fields: { endedAt: 1 } },
      ])
      assert.equal(await store.secret(job.id), undefined)
    })

    test('deletes old ended jobs with all that is theirs', async () => {
      const [old, young, waiting] = [someJob(), someJob(), someJob()]
      await submit(store, old, young, waiting)
      for (const [job, endedAt] of [
        [old, 10],
        [young, 20],
      ] as const) {
        const attempt = { id: `${job.id}-1`, jobId: job.id, number: 1, node: 'here', placedAt: 5 }
        await store.step([{ jobId: job.id, at: 1, from: 'queued', event: { type: 'placed' }, attempt }])
        await store.step([{ jobId: job.id, at: 1, from: 'starting', event: { type: 'lost' }, fields: { endedAt } }])
      }
      assert.deepEqual(await store.attemptsEndedBefore(20, { at: 10 }, 10), [])
      assert.deepEqual(await store.deleteJobsEndedBefore(20, 10), [`${old.id}-1`])
      assert.deepEqual(ids(await store.jobs(all('ada'))), ids([young, waiting]))
      assert.deepEqual(await store.events(old.id), [])
    })

    test('charges with the step that ends a job: once, and not where the step is too late', async () => {
      const [first, second] = [someJob(), someJob()]
      await submit(store, first, second)
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
      assert.deepEqual(await store.step([ends(first)]), [], 'it has not been placed')
      assert.deepEqual(await store.shares(), [])
      for (const job of [first, second]) {
        await store.step([{ jobId: job.id, at: 1, from: 'queued', event: { type: 'placed' } }])
        await store.step([ends(job), ends(job)])
      }
      assert.deepEqual(await store.shares(), [{ user: 'ada', coreHours: 2.25, at: 2 }])
      assert.deepEqual(await store.runHistories(), [
        {
          alike: 'sleep',
          runs: [
            { endedAt: 9, seconds: 0.25, peakBytes: 7 },
            { endedAt: 9, seconds: 3 },
          ],
        },
      ])
      const none = { inside: 0, early: 0, late: 0 }
      assert.deepEqual(await store.estimateScores(86_400_001), { start: { inside: 2, early: 0, late: 2 }, run: none })
      assert.deepEqual((await store.estimateScores(0)).run, { inside: 0, early: 2, late: 0 })
      assert.deepEqual(await store.startForecasts(1), [{ jobId: second.id, at: 6, forecast: 1.5, waited: 2 }])
      await store.deleteStartForecastsBefore(6)
      assert.deepEqual(
        (await store.startForecasts(9)).map(({ at }) => at),
        [6],
      )
      await store.replaceShares([{ user: 'bob', group: 'survey', coreHours: 1, at: 3 }])
      assert.deepEqual(await store.shares(), [{ user: 'bob', group: 'survey', coreHours: 1, at: 3 }])
      await store.deleteRunHistoriesBefore(10)
      assert.deepEqual(await store.runHistories(), [])
    })

    test('gives back the runs that ended, oldest first', async () => {
      const jobs = [someJob(), someJob(), someJob(), someJob()]
      await submit(store, ...jobs)
      for (const [i, job] of jobs.entries()) {
        const attempt = { id: `${job.id}-1`, jobId: job.id, number: 1, node: 'here', placedAt: 5 }
        const endedAt = i === 0 ? 100 : 99
        await store.step([
          { jobId: job.id, at: 1, from: 'queued', event: { type: 'placed' }, fields: { attempt: 1 }, attempt },
        ])
        if (i < 3)
          await store.step([
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
      const runs = await store.endedRuns({ at: 99 }, 10)
      const [last, ...others] = jobs.slice(0, 3).map(({ id }) => id)
      assert.deepEqual(
        runs.map(({ job }) => job.id),
        [...others.toSorted(), last],
      )
      assert.deepEqual(
        runs.map(({ attempt }) => attempt.endedAt),
        [99, 99, 100],
      )
      assert.equal((await store.endedRuns({ at: 0 }, 2)).length, 2)
      const [first, ...rest] = runs.map(({ attempt }) => attempt)
      const after = { at: first!.endedAt!, attemptId: first!.id }
      const next = (await store.endedRuns(after, 10)).map(({ attempt }) => attempt)
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
      await store.setHolder({ ...ada, limits: { gpus: 1 } })
      await store.setHolder(ada)
      await store.setHolder(group)
      assert.deepEqual(await store.holders(), [group, ada])
      assert.equal(await store.clearHolder('user', 'ada', 3), true)
      assert.equal(await store.clearHolder('user', 'ada', 3), false)
      assert.deepEqual(await store.holders(), [group])
    })

    const survey = { name: 'survey', gid: 3000 }
    const ada = { name: 'ada', uid: 2000, gid: 2000, admin: true, groups: [survey] }
    const bob = { name: 'bob', uid: 2001, gid: 2001, admin: false, groups: [] }
    const people: readonly DirectoryChange[] = [
      { type: 'group', group: survey },
      { type: 'user', user: ada },
      { type: 'user', user: bob },
      { type: 'project', project: { name: 'night', group: 'survey' } },
    ]

    test('knows users, groups and projects, and whose every id is or was', async () => {
      assert.deepEqual(await store.changeDirectory(() => people), people)
      assert.deepEqual(await store.account('ada'), ada)
      assert.equal(await store.account('eve'), undefined)
      const directory = await store.directory()
      assert.deepEqual([...directory.users.values()], [ada, bob])
      assert.deepEqual([...directory.groups.values()], [survey])
      assert.deepEqual([...directory.projects.values()], [{ name: 'night', group: 'survey' }])
      assert.deepEqual(Object.fromEntries(directory.uids), { 2000: 'ada', 2001: 'bob' })
      assert.deepEqual(Object.fromEntries(directory.gids), { 2000: 'ada', 2001: 'bob', 3000: 'survey' })
      const changed = { ...bob, admin: true, groups: [survey], disabledAt: 7, cancelJobs: true as const }
      await store.changeDirectory(({ users }) => [
        { type: 'user', user: { ...ada, groups: [] } },
        { type: 'user', user: { ...changed, uid: users.get('bob')?.uid ?? 0 } },
      ])
      assert.deepEqual(await store.account('ada'), { ...ada, groups: [] })
      assert.deepEqual(await store.account('bob'), changed)
      assert.deepEqual(await store.usersToCancel(), ['bob'])
    })

    test('writes nothing of a change that is decided against, or that fails half-way', async () => {
      await assert.rejects(
        store.changeDirectory(() => {
          throw new Error('no')
        }),
        /no/,
      )
      const half = [...people, { type: 'user', user: { ...bob, name: 'eve' } }] as const
      await assert.rejects(store.changeDirectory(() => half))
      assert.equal((await store.directory()).users.size, 0)
      assert.equal((await store.directory()).gids.size, 0)
    })

    const good = async (): Promise<string[]> =>
      (await store.tokens('ada')).filter(({ revokedAt }) => revokedAt === undefined).map(({ id }) => id)

    test('knows tokens by their hash, and when they were used', async () => {
      await store.changeDirectory(() => people)
      assert.equal(await store.addToken(token('a', { expiresAt: 99 })), true)
      assert.deepEqual(await store.tokenByHash('hash of a'), token('a', { expiresAt: 99 }))
      assert.equal(await store.tokenByHash('g'), undefined)
      await store.noteTokenUse(
        new Map([
          ['a', 20],
          ['gone', 21],
        ]),
      )
      assert.equal(await store.revokeToken('a', 50), true)
      assert.equal(await store.revokeToken('a', 51), false)
      assert.deepEqual(await store.tokens('ada'), [token('a', { expiresAt: 99, lastUsedAt: 20, revokedAt: 50 })])
      assert.equal(await store.addToken(token('b', { account: 'eve' })), false)
    })

    test('ends with a token what was made with it, and nothing else', async () => {
      await store.changeDirectory(() => people)
      await store.addToken(token('a'))
      await store.addToken(token('b', { madeWith: 'a' }))
      await store.addToken(token('c', { madeWith: 'b' }))
      await store.addToken(token('d'))
      assert.equal(await store.revokeToken('b', 5), true)
      assert.deepEqual(await good(), ['a', 'd'])
      assert.equal(await store.addToken(token('e', { madeWith: 'b' })), false)
      assert.equal(await store.addToken(token('f', { madeWith: 'nothing' })), false)
    })

    test('stores no token that would outlive the one it was made with', async () => {
      await store.changeDirectory(() => people)
      await store.addToken(token('a', { expiresAt: 100 }))
      assert.equal(await store.addToken(token('b', { madeWith: 'a' })), false)
      assert.equal(await store.addToken(token('c', { madeWith: 'a', expiresAt: 101 })), false)
      assert.equal(await store.addToken(token('d', { madeWith: 'a', expiresAt: 100, createdAt: 100 })), false)
      assert.equal(await store.addToken(token('e', { madeWith: 'a', expiresAt: 100 })), true)
    })

    test('puts a successor into the place of a token, which ends after the overlap', async () => {
      await store.changeDirectory(() => people)
      await store.addToken(token('a'))
      await store.addToken(token('b', { madeWith: 'a' }))
      assert.equal(await store.rotateToken('a', token('c', { createdAt: 10 }), 30), true)
      assert.equal((await store.tokenByHash('hash of a'))?.expiresAt, 30)
      assert.equal((await store.tokenByHash('hash of b'))?.madeWith, 'c')
      await store.revokeToken('a', 11)
      assert.deepEqual(await good(), ['b', 'c'])
      assert.equal(await store.rotateToken('a', token('d'), 30), false)
      assert.equal(await store.rotateToken('nothing', token('d'), 30), false)
      await store.rotateToken('c', token('e', { createdAt: 12, expiresAt: 40 }), 12)
      assert.equal(await store.rotateToken('c', token('f', { createdAt: 12 }), 13), false)
      assert.equal(await store.tokenByHash('hash of f'), undefined)
    })

    test('ends all tokens of a user who is disabled, for good, and takes no more', async () => {
      await store.changeDirectory(() => people)
      await store.addToken(token('a'))
      await store.addToken(token('b', { madeWith: 'a' }))
      await store.addToken(token('c', { account: 'bob' }))
      await store.changeDirectory(() => [{ type: 'user', user: { ...ada, disabledAt: 7 } }])
      assert.deepEqual(await good(), [])
      assert.equal((await store.tokenByHash('hash of c'))?.revokedAt, undefined)
      assert.equal(await store.addToken(token('d')), false)
      await store.changeDirectory(() => [{ type: 'user', user: ada }])
      assert.deepEqual(await good(), [])
      assert.equal(await store.addToken(token('d')), true)
    })

    test('appends to the audit trail, each entry chained to the one before, from several at once too', async () => {
      const other = await place.open()
      await Promise.all(
        Array.from({ length: 20 }, (_, i) => (i % 2 === 0 ? store : other).addAudit([audited(), audited({ at: 5 })])),
      )
      await other.close()
      const trail = await store.audit({ order: 'oldest-first', limit: 100 })
      assert.equal(trail.length, 40)
      assert.equal((await verifyTrail(Readable.from(trail))).whole, true)
      assert.deepEqual(
        trail.map(({ seq }) => seq),
        Array.from({ length: 40 }, (_, i) => i + 1),
      )
    })

    test('gives audit entries back as they were, by who, what and when', async () => {
      const entries = [
        audited({ at: 1 }),
        audited({ at: 2, actor: 'bob', subject: 'k3x9a0qz', tokenPrefix: 'sp_abcdef', tokenJob: 'a0000000' }),
        audited({ at: 3, action: 'cancelJob', address: '::1', status: 404, problem: 'job-not-found', count: 7 }),
      ]
      await store.addAudit(entries)
      const ask = async (filter: Partial<AuditFilter>) =>
        (await store.audit({ order: 'newest-first', limit: 10, ...filter })).map(
          ({ seq: _, hash: __, ...entry }) => entry,
        )
      assert.deepEqual(await ask({}), entries.toReversed())
      assert.deepEqual(await ask({ actor: 'bob' }), [entries[1]])
      assert.deepEqual(await ask({ subject: 'k3x9a0qz' }), [entries[1]])
      assert.deepEqual(await ask({ action: 'cancelJob' }), [entries[2]])
      assert.deepEqual(await ask({ since: 2, until: 3 }), [entries[1]])
      assert.deepEqual(await ask({ after: 2 }), [entries[0]])
    })

    test('deletes old audit entries, and what stays still follows on the newest of them', async () => {
      await store.addAudit([1, 2, 3, 2, 5, 6].map((at) => audited({ at })))
      await store.deleteAuditBefore(5)
      const trail = await store.audit({ order: 'oldest-first', limit: 10 })
      assert.deepEqual(
        trail.map(({ seq }) => seq),
        [4, 5, 6],
      )
      assert.equal((await verifyTrail(Readable.from(trail))).whole, true)
      await store.deleteAuditBefore(100)
      assert.equal((await store.audit({ order: 'oldest-first', limit: 10 })).length, 1)
    })

    test('keeps one login for each registry of an account', async () => {
      await store.changeDirectory(() => [
        { type: 'user', user: { name: 'ada', uid: 1, gid: 1, admin: false, groups: [] } },
      ])
      const login = { account: 'ada', registry: 'a.test', address: 'm.test', username: 'x', sealed: 's', createdAt: 1 }
      await store.putRegistryLogin(login)
      await store.putRegistryLogin({ ...login, registry: 'b.test' })
      await store.putRegistryLogin({ ...login, username: 'y', createdAt: 2 })
      assert.deepEqual(await store.registryLogins('ada'), [
        { ...login, username: 'y', createdAt: 2 },
        { ...login, registry: 'b.test' },
      ])
      assert.deepEqual(await store.registryLogin('ada', 'b.test'), { ...login, registry: 'b.test' })
      assert.equal(await store.registryLogin('bob', 'b.test'), undefined)
      assert.deepEqual(
        [await store.deleteRegistryLogin('ada', 'a.test'), await store.deleteRegistryLogin('ada', 'a.test')],
        [true, false],
      )
      assert.equal((await store.registryLogins('ada')).length, 1)
    })

    test('knows who ran which image when, and which images jobs are about to need', async () => {
      const ran = (owner: string, image: string, startedAt: number) =>
        someJob({ owner, image, startedAt, state: 'succeeded', endedAt: startedAt + 1 })
      await submit(
        store,
        ran('ada', 'r/a:1', 5),
        ran('ada', 'r/a:1', 9),
        ran('ada', 'r/b:1', 7),
        ran('bob', 'r/a:1', 8),
      )
      await submit(
        store,
        someJob({ image: 'r/waiting:1' }),
        someJob({ image: 'r/again:1', imageDigest: 'sha256:1' }),
        someJob({ image: 'r/starting:1', state: 'starting' }),
        someJob({ image: 'r/starting:1', state: 'starting' }),
        someJob({ image: 'r/running:1', state: 'running', imageDigest: 'sha256:2' }),
      )
      assert.deepEqual(await store.imageUses({ account: 'ada' }), [
        { account: 'ada', image: 'r/a:1', at: 9 },
        { account: 'ada', image: 'r/b:1', at: 7 },
      ])
      assert.deepEqual(await store.imageUses({ image: 'r/a:1' }), [
        { account: 'ada', image: 'r/a:1', at: 9 },
        { account: 'bob', image: 'r/a:1', at: 8 },
      ])
      const inUse = (await store.imagesInUse()).toSorted((a, b) => (a.image < b.image ? -1 : 1))
      assert.deepEqual(inUse, [
        { image: 'r/again:1', digest: 'sha256:1' },
        { image: 'r/running:1', digest: 'sha256:2' },
        { image: 'r/starting:1', digest: undefined },
      ])
    })

    test('counts the jobs of each state that is not an end, and says whether it can be written', async () => {
      assert.deepEqual(await store.jobsByState(), new Map())
      await submit(store, someJob(), someJob(), someJob({ state: 'running' }), someJob({ state: 'failed' }))
      assert.deepEqual(
        await store.jobsByState(),
        new Map([
          ['queued', 2],
          ['running', 1],
        ]),
      )
      await store.checkWritable()
    })
  })
}
