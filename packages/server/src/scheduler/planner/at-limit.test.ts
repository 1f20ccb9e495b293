import assert from 'node:assert/strict'
import { test } from 'node:test'
import { Planner } from './planner.ts'
import { policyOf } from '../../configuration/policy/policy-of.ts'
import { weekdays } from '../../configuration/policy/policy.ts'
import { type QueuedJob } from '../cache/snapshot.ts'
import { hour, ids, jobOf, minute, morning, node, running, snapshotOf } from '../testing/examples.ts'

const policy = policyOf({ limits: { user: {}, group: { cores: 8 } } })
const sky = (cores: number, parts: Partial<QueuedJob> = {}): QueuedJob => jobOf(cores, { group: 'sky', ...parts })
/** The first in order; all but one core of its group's limit are allocated. */
const first = sky(2, { id: 'first', user: 'bob', submittedAt: morning - 30 * hour })
const filling = running(7, { id: 'filling', group: 'sky' })

test('the first job that meets a limit gets its part reserved: jobs behind under it start if they end before', () => {
  const [short, long] = [sky(1, { estimateSeconds: 600, limitSeconds: 600 }), sky(1)]
  const others = [jobOf(1, { user: 'bob' }), jobOf(1, { group: 'sea' })]
  const planner = new Planner(snapshotOf({ policy, active: [filling], queued: [first, long, ...others] }))
  const plan = planner.plan(morning)
  assert.deepEqual(new Set(ids(plan)), new Set(others.map(({ id }) => id)), 'jobs of others are not affected')
  const asked = { holder: 'group', name: 'sky', on: 'cores', limit: 8, allocated: 7 } as const
  assert.deepEqual(plan.reasonOf('first'), { kind: 'limit', ...asked, asks: 2 })
  assert.deepEqual(plan.reasonOf(long.id), { kind: 'limit', ...asked, reserved: 2, asks: 1 })
  planner.apply({ type: 'queued', job: short })
  assert.ok(ids(planner.plan(morning)).includes(short.id))
  planner.apply({ type: 'gone', id: filling.id })
  assert.ok(ids(planner.plan(morning)).includes('first'))
})

test('a limit on GPUs stops no job without GPUs', () => {
  const limited = policyOf({ limits: { user: { gpus: 1 }, group: {} } })
  const asks = (gpus: number) => ({ needs: { cores: 1, memoryGb: 1, gpus } })
  const nodes = [{ ...node, gpus: 4 }]
  const queued = [jobOf(1, { ...asks(1), submittedAt: morning - 30 * hour }), jobOf(1, asks(0))]
  const plan = new Planner(snapshotOf({ policy: limited, nodes, active: [running(1, asks(1))], queued })).plan(morning)
  assert.deepEqual(ids(plan), [queued[1]?.id])
})

test('a reservation of a limit stays while nothing can start: its delay does not begin anew', () => {
  const late = { ...filling, limitSeconds: 100 * 3600 }
  const none = policyOf({ ...policy, backfill: { ...policy.backfill, reservations: 0 } })
  const planner = new Planner(snapshotOf({ policy: none, active: [late], queued: [first] }))
  const reserved = { jobId: 'first', at: morning + hour, madeAt: morning, firstAt: morning + hour }
  assert.deepEqual(planner.plan(morning).reservations, [reserved])
  planner.apply({ type: 'placed', job: running(9, { id: 'fills', group: 'sea', limitSeconds: 7200 }) })
  assert.deepEqual(planner.plan(morning + 90 * minute).reservations, [reserved])
  planner.apply({ type: 'gone', id: 'fills' })
  const [later] = planner.plan(morning + 90 * minute).reservations
  assert.deepEqual(later, { ...reserved, at: morning + 2 * hour })
})

test('by day nothing is reserved for a job of larger off-peak limits, unless it could not start in hours that have passed', () => {
  const nightly = policyOf({
    limits: { user: { cores: 1, offPeak: { cores: 3 } }, group: {} },
    offPeak: { days: weekdays, from: '18:00', to: '20:00', weekends: false, timezone: 'UTC' },
  })
  const large = jobOf(3, { id: 'large', submittedAt: morning - hour })
  const small = jobOf(1, { id: 'small', limitSeconds: 336 * 3600, estimateSeconds: 336 * 3600 })
  const planner = new Planner(snapshotOf({ policy: nightly, queued: [large, small] }))
  assert.deepEqual(ids(planner.plan(morning)), ['small'])
  planner.apply({ type: 'queued', job: { ...large, submittedAt: morning - 30 * hour } })
  const plan = planner.plan(morning)
  assert.deepEqual(ids(plan), [])
  assert.equal(plan.reasonOf('small')?.kind, 'limit')
})
