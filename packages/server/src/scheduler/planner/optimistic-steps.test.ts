import assert from 'node:assert/strict'
import { beforeEach, test } from 'node:test'
import type { StoredJob } from '../../job/job.ts'
import { someJob } from '../../store/testing/some-job.ts'
import type { JobStep } from '../../store/store.ts'
import { policyOf } from '../../configuration/policy/policy-of.ts'
import { Queue } from '../queue.ts'
import { overviewIn, whyIn } from '../testing/answers.ts'

const hour = 3_600_000
const scores = { start: { inside: 0, early: 0, late: 0 }, run: { inside: 0, early: 0, late: 0 } }
const whole = {
  resources: { cores: { request: 4, limit: 4 }, memoryGb: { request: 1, limit: 1 }, gpus: 0, fixed: true },
}

let queue: Queue
beforeEach(() => {
  queue = new Queue(policyOf({ limits: { user: {}, group: {} } }), 0)
  queue.setNodes([{ name: 'here', cores: 4, memoryGb: 16, gpus: 0 }])
})

function running(parts: Partial<StoredJob> = {}): StoredJob {
  const job: StoredJob = someJob({ ...whole, state: 'running', attempt: 1, startedAt: 0, cmd: ['reduce'], ...parts })
  queue.upsertJobs([job])
  queue.upsertAttempts([{ id: `${job.id}-1`, jobId: job.id, number: 1, node: 'here', placedAt: 0, startedAt: 0 }])
  return job
}

const ending = (job: StoredJob, endedAt: number): JobStep => ({
  jobId: job.id,
  at: 1,
  from: 'running',
  event: { type: 'exited', exitCode: 0 },
  fields: { endedAt, exitCode: 0, cause: { code: 'exited', message: '' } },
  attempt: { id: `${job.id}-1`, jobId: job.id, number: 1, node: 'here', placedAt: 0, startedAt: 0, endedAt },
})

/** Everything that an optimistic step may change. */
const stateOf = (job: StoredJob, now: number) => ({
  placements: queue.plan(now).placements.map(({ job: { id } }) => id),
  allocated: queue.allocated(),
  holder: overviewIn(queue, [{ kind: 'user', name: 'ada' }], now, scores).holders[0],
  free: overviewIn(queue, [], now, scores).largestFree,
  expected: queue.whyQuestion(job, scores).expectation,
  outcomes: [...queue.whyQuestion(job, scores).outcomes],
})

test('an ending frees its node for the same plan and charges its user; a commit keeps that', () => {
  const first = running()
  const second = someJob(whole)
  queue.upsertJobs([second])
  using applied = queue.applyOptimistically([ending(first, 2 * hour)], 2 * hour)
  assert.deepEqual(
    queue.plan(2 * hour).placements.map(({ job }) => job.id),
    [second.id],
  )
  assert.deepEqual(applied.steps[0]?.charge?.next(undefined), { user: 'ada', coreHours: 8, at: 2 * hour })
  const placed: JobStep = {
    jobId: second.id,
    at: 1,
    from: 'queued',
    event: { type: 'placed' },
    attempt: { id: `${second.id}-1`, jobId: second.id, number: 1, node: 'here', placedAt: 2 * hour },
  }
  assert.deepEqual(applied.add([placed]), [placed])
  applied.commit([
    { ...first, state: 'succeeded' },
    { ...second, state: 'starting', attempt: 1 },
  ])
  applied.rollBack()
  assert.deepEqual(queue.allocated(), { cores: 4, memoryGb: 1, gpus: 0 })
  const [ada] = overviewIn(queue, [{ kind: 'user', name: 'ada' }], 2 * hour, scores).holders
  assert.equal(ada?.coreHours, 8)
  assert.deepEqual(queue.plan(2 * hour).placements, [])
})

test('a throw between application and commit rolls back capacity, shares, run histories and forecasts', () => {
  for (let i = 1; i < 4; i++) {
    const past = running()
    queue.applyOptimistically([ending(past, i * 1000)], i * 1000).commit([{ ...past, state: 'succeeded' }])
  }
  const first = running()
  const second = someJob(whole)
  queue.upsertJobs([second])
  queue.plan(hour)
  assert.ok(whyIn(queue, second, hour, scores).expectedStart)
  const before = stateOf(first, hour)
  const starting: JobStep = { jobId: second.id, at: 1, from: 'queued', event: { type: 'placed' } }
  assert.throws(() => {
    using applied = queue.applyOptimistically([ending(first, hour)], hour)
    const [scored] = applied.add([starting])
    assert.ok(scored?.forecast)
    assert.notDeepEqual(stateOf(first, hour), before)
    throw new Error('the disk is full')
  }, /the disk is full/)
  assert.deepEqual(stateOf(first, hour), before)
  using again = queue.applyOptimistically([starting], hour)
  assert.ok(again.steps[0]?.forecast, 'the forecast can still be scored')
})

test('a step that came too late is rolled back when the others are committed', () => {
  queue.setNodes([{ name: 'here', cores: 8, memoryGb: 16, gpus: 0 }])
  const [taken, late] = [running(), running()]
  using applied = queue.applyOptimistically([ending(taken, hour), ending(late, hour)], hour)
  assert.equal(applied.steps[1]?.history?.runs.length, 2, 'the second history has the first run too')
  assert.deepEqual(overviewIn(queue, [], hour, scores).largestFree[0]?.cores, 8)
  applied.commit([{ ...taken, state: 'succeeded' }])
  assert.deepEqual(overviewIn(queue, [], hour, scores).largestFree[0]?.cores, 4)
  const [ada] = overviewIn(queue, [{ kind: 'user', name: 'ada' }], hour, scores).holders
  assert.equal(ada?.coreHours, 4)
  using retried = queue.applyOptimistically([ending(late, hour)], hour)
  assert.equal(retried.steps[0]?.history?.runs.length, 2, 'its run was removed with it')
})

test('an estimate that an uncommitted run changed is taken back from waiting jobs too', () => {
  const run = (seconds: number) => {
    const job = running({ timeSeconds: 86_400 })
    return { job, applied: queue.applyOptimistically([ending(job, seconds * 1000)], seconds * 1000) }
  }
  for (const seconds of [100, 100]) {
    const { job, applied } = run(seconds)
    applied.commit([{ ...job, state: 'succeeded' }])
  }
  const waiting = someJob({ ...whole, cmd: ['reduce'], timeSeconds: 86_400, timeIsAsked: true })
  queue.upsertJobs([waiting])
  const estimate = () =>
    queue.snapshot() && [...queue.snapshot().queued].find(({ id }) => id === waiting.id)?.estimateSeconds
  assert.equal(estimate(), 86_400)
  const { applied } = run(100)
  assert.equal(estimate(), 100)
  applied.rollBack()
  assert.equal(estimate(), 86_400)
})
