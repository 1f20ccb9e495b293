import assert from 'node:assert/strict'
import { beforeEach, test } from 'node:test'
import type { Why } from '@science-platform/contract'
import { InvalidRequest } from '../job/invalid.ts'
import type { StoredJob } from '../job/job.ts'
import { someJob } from '../store/testing/some-job.ts'
import type { JobStep, StoredHolder } from '../store/store.ts'
import { policyOf } from '../configuration/policy/policy-of.ts'
import { Queue } from './queue.ts'
import { overviewIn, whyIn } from './testing/answers.ts'
import { type LimitsByHour, type OffPeak, weekdays } from '../configuration/policy/policy.ts'

const hour = 3_600_000
const here = { name: 'here', cores: 4, memoryGb: 16, gpus: 0 }
const asks = (cores: number, memoryGb = 1) => ({
  resources: {
    cores: { request: cores, limit: cores },
    memoryGb: { request: memoryGb, limit: memoryGb },
    gpus: 0,
    fixed: true,
  },
})
const scores = { start: { inside: 8, early: 1, late: 1 }, run: { inside: 0, early: 0, late: 0 } }

let queue: Queue
beforeEach(() => {
  queue = new Queue(policyOf({ limits: { user: { queued: 5 }, group: {} } }), 0)
  queue.setNodes([here])
})

/** The job, running since an instant. */
function running(job: StoredJob, placedAt: number): StoredJob {
  const active: StoredJob = { ...job, state: 'running', attempt: 1, startedAt: placedAt }
  queue.upsertJobs([active])
  queue.upsertAttempts([{ id: `${job.id}-1`, jobId: job.id, number: 1, node: 'here', placedAt, startedAt: placedAt }])
  return active
}
const ending = (job: StoredJob, endedAt: number): JobStep => ({
  jobId: job.id,
  at: 1,
  from: 'running',
  event: { type: 'exited', exitCode: 0 },
  fields: { endedAt, exitCode: 0, cause: { code: 'exited', message: '' } },
  attempt: {
    id: `${job.id}-1`,
    jobId: job.id,
    number: 1,
    node: 'here',
    placedAt: job.startedAt ?? 0,
    startedAt: job.startedAt ?? 0,
    endedAt,
    usage: { memoryPeakBytes: 1e9 },
  },
})
const placing = ({ id }: StoredJob): JobStep => ({ jobId: id, at: 1, from: 'queued', event: { type: 'placed' } })
/** What the store is to keep with a step that starts a job. */
function scoresOf(step: JobStep, now: number): Pick<JobStep, 'scores' | 'forecast'> {
  const [{ scores: outcomes, forecast } = step] = queue.applyOptimistically([step], now).steps
  return { ...(outcomes && { scores: outcomes }), ...(forecast && { forecast }) }
}
const refused = (jobs: readonly StoredJob[], field: string, message: RegExp, problem = 'never-fits') =>
  assert.throws(
    () => queue.admit([{ jobs }]),
    (error) => {
      assert.ok(error instanceof InvalidRequest)
      assert.deepEqual([error.field, error.problem], [field, problem])
      assert.match(error.message, message)
      assert.notEqual(error.hint, '')
      return true
    },
  )
const set = (limits: StoredHolder['limits'], kind: 'user' | 'group' = 'user', name = 'ada', setAt = 1): void => {
  queue.setHolders([{ kind, name, limits, setAt }])
}

test('an infeasible job is refused, with what would do', () => {
  refused([someJob(asks(8))], 'memoryGb', /no node has 8 cores/)
  refused([someJob({ gpuKind: 'a100' })], 'gpuKind', /no GPU is asked for/, 'invalid-request')
  set({ cores: 2 })
  refused([someJob(asks(3))], 'cores', /cores is 3, but ada may hold at most 2 cores at once/)
  queue.admit([{ jobs: [someJob(asks(2))] }]).leave()
  queue.admit([{ jobs: [someJob({ ...asks(3), owner: 'bob' })] }]).leave()
  set({ running: 0 }, 'group', 'survey')
  refused([someJob({ group: 'survey' })], 'name', /no job of the group survey may run/)
  set({ memoryGb: 0 })
  refused([someJob()], 'memoryGb', /at most 0 GiB/)
})

test('a limit counts only at hours at which the job may start, and off-peak hours that never come are refused', () => {
  const evenings = { days: ['mon'], from: '18:00', to: '20:00', weekends: false, timezone: 'UTC' } as const
  const daily = { ...evenings, days: weekdays, from: '00:00', to: '00:00' }
  const night = { ...asks(4), when: 'off-peak' } as const
  const opened = (limits: LimitsByHour, offPeak?: OffPeak): void => {
    queue = new Queue(policyOf({ limits: { user: limits, group: {} }, ...(offPeak && { offPeak }) }), 0)
    queue.setNodes([here])
  }
  opened({ cores: 8, offPeak: { cores: 2 } }, evenings)
  refused([someJob(night)], 'cores', /cores is 4, but ada may hold at most 2 cores at once off-peak/)
  queue.admit([{ jobs: [someJob(asks(4))] }]).leave()
  opened({ cores: 8, offPeak: { cores: 2 } }, daily)
  refused([someJob(asks(4))], 'cores', /at most 2 cores/)
  opened({ cores: 2, offPeak: { cores: 8 } }, evenings)
  queue.admit([{ jobs: [someJob(night)] }]).leave()
  queue.admit([{ jobs: [someJob(asks(4))] }]).leave()
  for (const none of [undefined, { ...evenings, days: [] }]) {
    opened({ cores: 2, offPeak: { cores: 8 } }, none)
    refused([someJob(asks(4))], 'cores', /at most 2 cores/)
    refused([someJob(night)], 'when', /this platform has no off-peak hours/)
  }
})

test('a queue is full with what waits and what is about to be stored, and has room again when that starts', () => {
  const jobs = Array.from({ length: 3 }, () => someJob())
  const { leave } = queue.admit([{ jobs }])
  refused(
    Array.from({ length: 3 }, () => someJob()),
    'replicas',
    /3 jobs of ada wait already; with 3 more/,
    'queue-full',
  )
  queue.upsertJobs(jobs)
  leave()
  queue.admit([{ jobs: [someJob(), someJob()] }]).leave()
  for (const job of jobs) running(job, 1)
  queue.admit([{ jobs: Array.from({ length: 5 }, () => someJob()) }]).leave()
  refused(
    Array.from({ length: 6 }, () => someJob()),
    'replicas',
    /6 more/,
    'queue-full',
  )
})

test('an ending makes room for a start in the same plan, and charges its core-hours', () => {
  const first = running(someJob(asks(4)), 0)
  const second = someJob(asks(4))
  queue.upsertJobs([second])
  assert.equal(queue.plan(hour).placements.length, 0)
  const [step] = queue.applyOptimistically([ending(first, 2 * hour)], 2 * hour).steps
  assert.deepEqual(
    queue.plan(2 * hour).placements.map(({ job }) => job.id),
    [second.id],
  )
  const charged = step?.charge?.next(undefined)
  assert.deepEqual(charged, { user: 'ada', coreHours: 8, at: 2 * hour })
  const [holder] = overviewIn(queue, [{ kind: 'user', name: 'ada' }], 2 * hour, scores).holders
  assert.equal(holder?.coreHours, 8)
})

test('past runs become the estimate of waiting jobs with the fingerprint, and each run is scored', () => {
  const steps = [10, 20, 30, 25].map((seconds) => {
    const job = running(someJob({ cmd: ['reduce'] }), 0)
    const applied = queue.applyOptimistically([ending(job, seconds * 1000)], seconds * 1000)
    const [step] = applied.steps
    applied.commit([{ ...job, state: 'succeeded' }])
    return step
  })
  assert.deepEqual(
    steps.map((step) => step?.scores?.map(({ what, outcome }) => `${what} ${outcome}`)),
    [undefined, undefined, undefined, ['run inside']],
  )
  assert.equal(steps.at(-1)?.history?.runs.length, 4)
  running(someJob({ ...asks(4), owner: 'bob' }), 0)
  const job = someJob({ cmd: ['reduce'] })
  queue.upsertJobs([job])
  queue.plan(hour)
  const why = whyIn(queue, job, hour, scores)
  assert.deepEqual(why.expectedRun, { seconds: { p10: 13, p50: 22.5, p90: 28.5 }, runs: 4, memoryPeakBytes: 1e9 })
  assert.deepEqual(why.scores.start, { told: 10, inside: 8, early: 1, late: 1 })
  assert.ok(why.expectedStart)
})

test('the forecast of a start is scored when the job starts', () => {
  const blocking = running(someJob({ ...asks(4), timeSeconds: 600 }), 0)
  const job = someJob()
  queue.upsertJobs([job])
  queue.plan(0)
  assert.deepEqual(scoresOf(placing(job), 0), {}, 'no forecast was given')
  const { expectedStart } = whyIn(queue, job, 0, scores)
  assert.ok(expectedStart && Date.parse(expectedStart.p90) > 60_000, JSON.stringify(expectedStart))
  queue.applyOptimistically([ending(blocking, 300_000)], 300_000)
  const { scores: outcomes, forecast } = scoresOf(placing(job), 300_000)
  assert.deepEqual(outcomes, [{ what: 'start', outcome: 'inside', at: 300_000 }])
  assert.equal(forecast?.waited, 300)
})

test('why counts other users’ jobs, and discloses nothing else of them', () => {
  running(someJob({ ...asks(4), owner: 'bob', name: 'secret-plan' }), 0)
  const theirs = someJob({ ...asks(2), owner: 'bob', name: 'secret-too', cmd: ['secret'] })
  const own = someJob({ ...asks(4), submittedAt: 5_000 })
  queue.upsertJobs([theirs, own])
  queue.setShares([{ user: 'ada', coreHours: 1000, at: 0 }])
  queue.plan(hour)
  const why = whyIn(queue, own, hour, scores)
  assert.deepEqual(why.ahead, { jobs: 1, cores: 2, memoryGb: 1, gpus: 0 })
  assert.ok(!/bob|secret/.test(JSON.stringify(why)), JSON.stringify(why))
  assert.equal(queue.reason(own, hour), why.summary)
})

test('waiting jobs are counted by class, also those with a start time', () => {
  running(someJob(asks(4)), 0)
  const [one, ...others] = [someJob(), someJob(), someJob({ after: hour }), someJob(asks(4, 17)), someJob(asks(16))]
  queue.upsertJobs([one ?? assert.fail(), ...others])
  const waiting = () => overviewIn(queue, [], 0, scores).waiting
  assert.deepEqual(waiting(), { small: 3, normal: 1, large: 1 })
  queue.upsertJobs([{ ...(one ?? assert.fail()), state: 'cancelled' }])
  assert.deepEqual(waiting(), { small: 2, normal: 1, large: 1 })
})

test('the overview has the largest free capacity of single nodes, since a job must fit in one', () => {
  const free = () => overviewIn(queue, [], 0, scores).largestFree
  assert.deepEqual(free(), [{ cores: 4, memoryGb: 16, gpus: 0 }])
  running(someJob(asks(4)), 0)
  assert.deepEqual(free(), [{ cores: 0, memoryGb: 15, gpus: 0 }], 'memory alone')
  queue.setNodes([
    here,
    { ...here, name: 'more', cores: 2, memoryGb: 15 },
    { ...here, name: 'less', cores: 1, memoryGb: 8 },
    { name: 'gpus', cores: 1, memoryGb: 32, gpus: 2 },
  ])
  assert.deepEqual(free(), [
    { cores: 2, memoryGb: 15, gpus: 0 },
    { cores: 1, memoryGb: 32, gpus: 2 },
  ])
  queue.setNodes([])
  assert.deepEqual(free(), [])
})

test('changed limits apply to the next plan; a quota holder without settings has the policy’s', () => {
  const jobs = Array.from({ length: 3 }, () => someJob(asks(1)))
  queue.upsertJobs(jobs)
  set({ running: 1 })
  assert.equal(queue.plan(0).placements.length, 1)
  set({ running: 2 }, 'user', 'ada', 2)
  assert.equal(queue.plan(0).placements.length, 2)
  queue.setHolders([])
  assert.equal(queue.plan(0).placements.length, 3)
})

test('a node that vanishes takes its capacity with it, and brings it back', () => {
  queue.upsertJobs([someJob(asks(1))])
  queue.setNodes([])
  assert.match(queue.reason([...queue.jobCache.queued()][0] ?? assert.fail(), 0) ?? '', /none is there now/)
  assert.equal(queue.plan(0).placements.length, 0)
  queue.setNodes([{ ...here, cores: 1 }])
  assert.equal(queue.plan(0).placements.length, 1)
})

test('on nodes that queue jobs themselves, forecasts go by what they run at once, and are scored when jobs run', () => {
  queue = new Queue(policyOf({ limits: { user: {}, group: {} } }), 0)
  queue.setNodes([{ ...here, cores: 40, memoryGb: 160, largestJob: { cores: 4, memoryGb: 16, gpus: 0 } }])
  const [first, second] = [someJob({ ...asks(4), timeSeconds: 3600 }), someJob({ ...asks(4), timeSeconds: 3600 })]
  queue.upsertJobs([first, second])
  assert.equal(queue.plan(0).placements.length, 2, 'both are handed over')
  running(first, 0)
  const handedOver: StoredJob = { ...second, state: 'starting', attempt: 1 }
  queue.upsertJobs([handedOver])
  queue.upsertAttempts([{ id: `${second.id}-1`, jobId: second.id, number: 1, node: 'here', placedAt: 0 }])
  const { expectedStart } = whyIn(queue, handedOver, 1000, scores)
  const median = Date.parse(expectedStart?.p50 ?? '')
  assert.ok(median > 1000 && median <= hour, `${expectedStart?.p50} is when the first is expected to end`)
  assert.deepEqual(scoresOf(placing(second), 1000), {}, 'it is handed over, not started')
  const step: JobStep = { jobId: second.id, at: 1, from: 'starting', event: { type: 'started' } }
  assert.equal(scoresOf(step, median).scores?.[0]?.outcome, 'inside')
})

const officeHours = policyOf({
  limits: { user: {}, group: {} },
  offPeak: { days: ['mon', 'tue', 'wed', 'thu', 'fri'], from: '18:00', to: '08:00', weekends: true, timezone: 'UTC' },
})
const noon = Date.UTC(2026, 10, 23, 12)
const starts = ({ expectedStart }: Why): readonly number[] =>
  Object.values(expectedStart ?? assert.fail('no start is expected')).map(Date.parse)

test('of a job that waits for off-peak hours, why counts the jobs ahead in those hours, and the forecast begins with them', () => {
  queue = new Queue(officeHours, noon)
  queue.setNodes([here])
  const before = Array.from({ length: 24 }, () =>
    someJob({ owner: 'bob', when: 'off-peak', submittedAt: noon - 9 * hour }),
  )
  const own = someJob({ when: 'off-peak', submittedAt: noon })
  // By day off-peak jobs are not ahead of it.
  const byDay = someJob({ owner: 'eve', ...asks(4, 17), submittedAt: noon })
  queue.upsertJobs([...before, own, byDay])
  queue.plan(noon)
  assert.equal(whyIn(queue, own, noon, scores).ahead?.jobs, 24)
  assert.equal(whyIn(queue, before[23] ?? assert.fail(), noon, scores).ahead?.jobs, 23)
  assert.equal(whyIn(queue, byDay, noon, scores).ahead?.jobs, 0)
  const [p10 = 0, , p90 = 0] = starts(whyIn(queue, own, noon, scores))
  assert.ok(p10 >= noon + 6 * hour, `${new Date(p10).toISOString()}`)
  assert.ok(p90 < noon + 11 * hour, `${new Date(p90).toISOString()}`)
})

test('of a job with --after, why answers as if that had come, and the forecast begins with it', () => {
  queue = new Queue(officeHours, noon)
  queue.setNodes([here])
  running(someJob({ ...asks(4), owner: 'bob', timeSeconds: 2 * 3600 }), noon)
  const waiting = someJob({ ...asks(1), owner: 'bob', submittedAt: noon - 9 * hour })
  const later = someJob({ after: noon + hour, submittedAt: noon, by: noon + 40 * hour })
  queue.upsertJobs([waiting, later])
  queue.plan(noon)
  const why = whyIn(queue, later, noon, scores)
  assert.equal(why.ahead?.jobs, 1)
  assert.deepEqual(
    why.priority?.terms.find(({ name }) => name === 'age'),
    { name: 'age', points: 0, meaning: 'an hour of waiting is a point' },
  )
  const [p10 = 0] = starts(why)
  assert.ok(p10 >= noon + hour, `${new Date(p10).toISOString()}`)
  assert.equal(why.deadline?.outlook, 'likely')
  assert.equal(queue.plan(noon + hour - 1).placements.length, 0, 'it still waits for its time')
})

test('a start is scored from when it could begin', () => {
  queue = new Queue(officeHours, noon)
  queue.setNodes([here])
  const night = someJob({ when: 'off-peak', submittedAt: noon })
  queue.upsertJobs([night])
  queue.plan(noon)
  whyIn(queue, night, noon, scores)
  const { scores: outcomes, forecast } = scoresOf(placing(night), noon + 6 * hour)
  assert.equal(outcomes?.[0]?.outcome, 'inside')
  assert.equal(forecast?.waited, 0)
})
