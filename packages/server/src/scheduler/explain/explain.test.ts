import assert from 'node:assert/strict'
import { test } from 'node:test'
import type { StoredJob } from '../../job/job.ts'
import { someJob } from '../../store/store-contract.ts'
import { policyOf } from '../../configuration/policy/policy-of.ts'
import type { PlannerEvent } from '../cache/snapshot.ts'
import { placementsPerPlan, PlannerPair } from '../forecast/planner-pair.ts'
import { Queue } from '../queue.ts'
import { explain, explainIn } from './explain.ts'
import { overviewIn } from './overview.ts'

const hour = 3_600_000
const scores = { start: { inside: 8, early: 1, late: 1 }, run: { inside: 1, early: 0, late: 0 } }
const asks = (cores: number) => ({
  resources: { cores: { request: cores, limit: cores }, memoryGb: { request: 1, limit: 1 }, gpus: 0, fixed: true },
})
const policy = policyOf({
  limits: { user: { cores: 6 }, group: {} },
  offPeak: { days: ['mon'], from: '18:00', to: '08:00', weekends: true, timezone: 'UTC' },
})
const holders = [
  { kind: 'user', name: 'ada' },
  { kind: 'group', name: 'sky' },
] as const

/** A queue with jobs of every state, on nodes that may queue jobs themselves. */
function filled(queue: Queue, queuesJobs: boolean): readonly StoredJob[] {
  const largestJob = queuesJobs ? { largestJob: { cores: 4, memoryGb: 16, gpus: 0 } } : {}
  queue.setNodes([{ name: 'n1', cores: 8, memoryGb: 64, gpus: 0, ...largestJob }])
  queue.upsertHolder({ kind: 'user', name: 'bob', limits: { running: 1 }, setAt: 1 })
  queue.setShares([{ user: 'ada', group: 'sky', coreHours: 10, at: 0 }])
  const active = (['running', 'starting'] as const).map((state) =>
    someJob({ ...asks(3), state, attempt: 1, group: 'sky', ...(state === 'running' ? { startedAt: 1000 } : {}) }),
  )
  queue.upsertJobs(active)
  queue.upsertAttempts(active.map(({ id }) => ({ id: `${id}-1`, jobId: id, number: 1, node: 'n1', placedAt: 500 })))
  const queued = [
    someJob(asks(4)),
    someJob({ ...asks(1), owner: 'bob', after: 2 * hour }),
    someJob({ ...asks(2), when: 'off-peak' }),
  ]
  queue.upsertJobs(queued)
  return [...active, ...queued]
}

for (const queuesJobs of [false, true])
  test(`a clone of the snapshot answers as the queue does, on nodes that ${queuesJobs ? 'queue jobs' : 'do not queue jobs'}`, () => {
    const queue = new Queue(policy, 0)
    const jobs = filled(queue, queuesJobs)
    queue.plan(hour)
    const snapshot = structuredClone(queue.snapshot())
    assert.deepEqual(overviewIn(snapshot, holders, scores, hour), queue.overview(holders, hour, scores))
    for (const job of jobs) {
      const question = structuredClone(queue.whyQuestion(job, scores))
      const { why, given } = explainIn(snapshot, question, hour)
      assert.deepEqual(why, queue.why(job, hour, scores), job.state)
      assert.equal(given !== undefined, why.expectedStart !== undefined)
    }
  })

test('planners that receive the events of a queue answer as the queue does', () => {
  const queue = new Queue(policy, 0)
  const planners = new PlannerPair(structuredClone(queue.snapshot()))
  const stop = queue.onEvent((event: PlannerEvent) => {
    planners.apply(structuredClone(event))
  })
  const jobs = filled(queue, true)
  queue.plan(hour)
  planners.deciding.plan(hour, placementsPerPlan)
  for (const job of jobs)
    assert.deepEqual(explain(planners, queue.whyQuestion(job, scores), hour).why, queue.why(job, hour, scores))
  stop()
  queue.upsertJobs(jobs.map((job) => ({ ...job, state: 'cancelled' })))
  assert.equal(planners.deciding.queueLength, 3, 'it receives no events any more')
})
