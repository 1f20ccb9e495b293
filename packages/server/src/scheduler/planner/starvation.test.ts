import assert from 'node:assert/strict'
import { test } from 'node:test'
import fc from 'fast-check'
import { OffPeakHours } from '../../configuration/policy/off-peak.ts'
import { Planner } from './planner.ts'
import { policyOf } from '../../configuration/policy/policy-of.ts'
import { randomFrom } from '../../lib/random.ts'
import { simulate } from '../forecast/simulate.ts'
import type { Limits, OffPeak, Policy } from '../../configuration/policy/policy.ts'
import type { QueuedJob } from '../cache/snapshot.ts'
import { hour, jobOf, morning, node, snapshotOf } from '../testing/examples.ts'

/** The most points that a job can have besides those for its age: jobs submitted that many hours later never come before it. */
const mostPoints = ({ points }: Policy): number =>
  Math.max(...Object.values(points.class)) + points.groupShare + points.userShare

interface Others {
  readonly seed: number
  readonly nodes: number
  readonly users: number
  readonly limitHours: number
  /** Their estimate as a part of their limit. They run for any time up to the limit. */
  readonly estimated: number
}

/** Hours that a job waits under an endless stream of small ones, more than the nodes can run. */
function waitHours(wanted: QueuedJob, policy: Policy, { seed, nodes, users, limitHours, estimated }: Others): number {
  const random = randomFrom(seed)
  const limitSeconds = limitHours * 3600
  const planner = new Planner(
    snapshotOf({ policy, nodes: Array.from({ length: nodes }, (_, i) => ({ ...node, name: `n${i}` })) }),
  )
  function* stream(): Generator<QueuedJob> {
    const everyMs = (limitSeconds * 1000) / (40 * nodes)
    let hasCome = false
    // The nodes are full before the job is submitted.
    for (let at = morning - 2 * limitHours * hour; ; at += everyMs) {
      if (at >= morning && !hasCome) yield wanted
      hasCome = at >= morning
      yield jobOf(1, {
        user: `user${Math.floor(random() * users)}`,
        ...(wanted.group === undefined ? {} : { group: wanted.group }),
        submittedAt: at,
        limitSeconds,
        estimateSeconds: Math.max(1, estimated * limitSeconds),
      })
    }
  }
  let startedAt = Infinity
  simulate({
    decider: planner,
    now: morning - 2 * limitHours * hour,
    arrivals: stream(),
    runSeconds: () => limitSeconds * (0.2 + 0.8 * random()),
    onPlaced: ({ id, placedAt }) => {
      if (id === wanted.id) startedAt = placedAt
      return startedAt === Infinity
    },
    until: morning + 3 * (mostPoints(policy) + limitHours) * hour,
  })
  return (startedAt - morning) / hour
}

/** By then a job that may start at any hour has started: none is before it, a node is drained, and backfill was late. */
const boundHours = (policy: Policy, { nodes, users, limitHours }: Others): number =>
  mostPoints(policy) + (1 + users / (16 * nodes)) * limitHours + policy.backfill.maxDelaySeconds / 3600

const large = jobOf(16, { id: 'large', user: 'bob', limitSeconds: 7200, estimateSeconds: 7200 })
const anyOthers = fc.record({
  seed: fc.nat(),
  nodes: fc.constantFrom(1, 2, 3),
  users: fc.constantFrom(1, 2, 5),
  limitHours: fc.constantFrom(1, 12, 30),
  estimated: fc.constantFrom(1, 0.3, 0.001),
})

test('nothing starves: under an endless stream of others a large job starts within what the policy says, whatever estimates are worth', () => {
  const policy = policyOf({})
  fc.assert(
    fc.property(anyOthers, (others) => {
      const hours = waitHours(large, policy, others)
      assert.ok(hours <= boundHours(policy, others), `it started after ${hours} h`)
    }),
    { numRuns: 100 },
  )
})

test('a job that waits for off-peak hours does not starve, though jobs run there for longer than the hours last', () => {
  const offPeak: OffPeak = { days: ['mon', 'tue', 'wed', 'thu', 'fri'], from: '22:00', to: '02:00', weekends: false, timezone: 'UTC' } // prettier-ignore
  const policy = policyOf({ offPeak })
  const hours = new OffPeakHours(offPeak)
  fc.assert(
    fc.property(anyOthers, (others) => {
      const waited = waitHours({ ...large, offPeak: true }, policy, others)
      const opens = hours.nextOpening(morning + (boundHours(policy, others) + 24) * hour) ?? 0
      assert.ok(morning + waited * hour <= opens, `it started after ${waited} h`)
    }),
    { numRuns: 25 },
  )
})

/** A limit that the others fill, and a job under it: of another user in their group, or of one of them. */
const anyLimited = fc.record({
  limits: fc.constantFrom<{ user: Limits; group: Limits }>(
    { user: {}, group: { cores: 16 } },
    { user: {}, group: { memoryGb: 64, running: 15 } },
    { user: { cores: 16 }, group: {} },
    { user: { cores: 16 }, group: { cores: 20 } },
  ),
  user: fc.constantFrom('bob', 'user0'),
  cores: fc.constantFrom(2, 8, 16),
})

/** By then it has started: a limit is drained, and then a node. */
const limitedBoundHours = (policy: Policy, others: Others): number =>
  boundHours(policy, { ...others, nodes: 1 }) + others.limitHours + policy.backfill.maxDelaySeconds / 3600

test('a job at a limit that smaller jobs keep full does not starve, its group’s or its user’s', () => {
  fc.assert(
    fc.property(anyOthers, anyLimited, (others, { limits, user, cores }) => {
      const policy = policyOf({ limits })
      const wanted = { ...large, user, group: 'sky', needs: { cores, memoryGb: 4 * cores, gpus: 0 } }
      const hours = waitHours(wanted, policy, others)
      assert.ok(hours <= limitedBoundHours(policy, others), `it started after ${hours} h`)
    }),
    { numRuns: 100 },
  )
})

test('a job that only the off-peak limits let start does not starve', () => {
  const offPeak: OffPeak = { days: ['mon', 'tue', 'wed', 'thu', 'fri'], from: '22:00', to: '02:00', weekends: false, timezone: 'UTC' } // prettier-ignore
  const policy = policyOf({ offPeak, limits: { user: {}, group: { cores: 8, offPeak: { cores: 16 } } } })
  const hours = new OffPeakHours(offPeak)
  fc.assert(
    fc.property(anyOthers, fc.boolean(), (others, isForOffPeak) => {
      const wanted = { ...large, group: 'sky', ...(isForOffPeak ? { offPeak: true as const } : {}) }
      const waited = waitHours(wanted, policy, others)
      const opens = hours.nextOpening(morning + (limitedBoundHours(policy, others) + 24) * hour) ?? 0
      assert.ok(morning + waited * hour <= opens, `it started after ${waited} h`)
    }),
    { numRuns: 25 },
  )
})
