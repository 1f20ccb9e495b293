import assert from 'node:assert/strict'
import { test } from 'node:test'
import { forecast } from './forecast.ts'
import { Planner } from '../planner/planner.ts'
import { policyOf } from '../../configuration/policy/policy-of.ts'
import { pick, randomFrom } from '../../lib/random.ts'
import type { Limits } from '../../configuration/policy/policy.ts'
import type { PlanNode, QueuedJob, Snapshot } from '../cache/snapshot.ts'
import { hour, jobOf, morning, node, snapshotOf } from '../testing/examples.ts'

const size = { jobs: 200, work: 40_000, nodes: 64, active: 1000 }
const nodesOf = (count: number): readonly PlanNode[] =>
  Array.from({ length: count }, (_, i) => ({ ...node, name: `n${i}` }))
/** Jobs of so many users with five kinds each. */
function manyLanes(jobs: number, users: number): QueuedJob[] {
  const random = randomFrom(1)
  return Array.from({ length: jobs }, (_, i) => {
    const user = Math.floor(random() * users)
    const cores = 1 + ((user + Math.floor(random() * 5)) % 8)
    const limitSeconds = pick(random, [3600, 14_400])
    return jobOf(cores, { user: `u${user}`, group: `g${user % 7}`, limitSeconds, submittedAt: morning - hour + i })
  })
}
const sampled = (planner: Planner, id: string, seed = 1) => {
  const sample = planner.sample(id, size, morning, randomFrom(seed))
  assert.ok(sample)
  return { ...sample, jobs: [...sample.snapshot.queued] }
}
const seconds = (parts: Partial<Snapshot>, { id }: QueuedJob): number =>
  forecast(new Planner(snapshotOf(parts)), id, morning, 1) ?? NaN
const requireNear = (is: number, wanted: number, part = 0.2): void => {
  assert.ok(Math.abs(is - wanted) <= part * wanted, `${is}, not about ${wanted}`)
}

test('a sample is no larger than it may be, however many lanes and however few nodes; it stands for the whole queue', () => {
  for (const count of [1, 16, 200]) {
    const queued = manyLanes(5000, 1000)
    const planner = new Planner(snapshotOf({ nodes: nodesOf(count), queued }))
    for (const { id } of [queued[17], queued[4990]] as QueuedJob[]) {
      const { jobs, scale, thinning, single } = sampled(planner, id)
      assert.ok(jobs.length <= size.jobs, `${jobs.length} of ${count} nodes`)
      assert.equal(jobs.filter((job) => job.id === id).length, 1)
      assert.equal(new Set(jobs.map((job) => job.id)).size, jobs.length)
      const all = jobs.reduce((sum, job) => sum + scale * (single.has(job.id) ? 1 : thinning), 0)
      requireNear(all, 5000, 0.05)
    }
  }
})

test('a queue that is small enough is its own sample', () => {
  const queued = manyLanes(150, 30)
  const planner = new Planner(
    snapshotOf({ nodes: nodesOf(3), queued, users: new Map([['u1', { limits: { cores: 4 } }]]) }),
  )
  const { jobs, snapshot, scale, thinning, limitSeconds } = sampled(planner, queued[7]?.id ?? '')
  assert.deepEqual([scale, thinning, limitSeconds], [1, 1, 0])
  assert.deepEqual(new Set(jobs), new Set(queued))
  assert.deepEqual(snapshot.users, planner.snapshot().users)
})

test('of as many lanes as jobs, the forecasts of the first and the last are about right', () => {
  const queued = Array.from({ length: 6400 }, (_, i) => jobOf(4, { user: `u${i}`, history: [600], seq: i }))
  for (const rank of [20, 3000, 6300]) requireNear(seconds({ queued }, queued[rank] as QueuedJob), (rank / 4) * 600)
})

test('in a sample too a job starts when the limits of its user and group let it', () => {
  const run = { history: [600], estimateSeconds: 600 }
  const queuedOf = (cores: number, group?: string) =>
    Array.from({ length: 1000 }, (_, i) =>
      jobOf(cores, { user: i % 2 === 0 ? 'ada' : 'bob', ...(group === undefined ? {} : { group }), ...run }),
    )
  const under = (user: Limits, group: Limits = {}) => policyOf({ limits: { user, group } })
  const nodes = nodesOf(640)
  // One or two at once: the hundredth job of ada starts after as many rounds, that of a group of both after two hundred.
  for (const [cores, policy, wanted] of [
    [8, under({ cores: 8 }), 100],
    [8, under({ memoryGb: 32 }), 100],
    [8, under({ running: 1 }), 100],
    [8, under({ cores: 20 }), 50],
    [1, under({ cores: 100 }), 1],
  ] as const) {
    const queued = queuedOf(cores)
    requireNear(seconds({ nodes, queued, policy }, queued[200] as QueuedJob), wanted * 600, 0.25)
  }
  const ofGroup = queuedOf(8, 'sea')
  requireNear(
    seconds({ nodes, queued: ofGroup, policy: under({}, { cores: 8 }) }, ofGroup[200] as QueuedJob),
    200 * 600,
    0.25,
  )
})

test('at a limit a job waits for its user’s running jobs, also for those on nodes that are not in the sample', () => {
  const nodes = nodesOf(640)
  const active = { ...jobOf(1, { limitSeconds: 7200, estimateSeconds: 7200 }), node: 'n321', placedAt: morning }
  const waiting = jobOf(1)
  const policy = policyOf({ limits: { user: { running: 1 }, group: {} } })
  assert.equal(seconds({ nodes, active: [active], queued: [waiting], policy }, waiting), 7200)
})

test('off-peak hours are computed once for all samples of a planner', () => {
  const job = jobOf(1)
  const planner = new Planner(snapshotOf({ queued: [job] }))
  const { offPeak } = sampled(planner, job.id)
  assert.ok(offPeak)
  assert.equal(sampled(planner, job.id, 2).offPeak, offPeak)
})
