import assert from 'node:assert/strict'
import { test } from 'node:test'
import fc from 'fast-check'
import { Planner } from './planner.ts'
import { policyOf } from './policy.ts'
import { pick, randomFrom } from './random.ts'
import { simulate } from './simulate.ts'
import type { ActiveJob, Plan, QueuedJob } from './snapshot.ts'
import { anySnapshot } from './testing/arbitrary-queue.ts'
import { hour, jobOf, minute, morning, node, snapshotOf } from './testing/examples.ts'

const ids = ({ placements }: Plan): string[] => placements.map(({ job }) => job.id)
const running = (cores: number, parts: Partial<ActiveJob> = {}): ActiveJob => ({
  ...jobOf(cores),
  node: node.name,
  placedAt: morning,
  ...parts,
})
const old = morning - 30 * hour
/** The first in order, needs the whole node. */
const large = jobOf(16, { id: 'large', user: 'bob', submittedAt: old })

test('the first that finds no room has it kept, at the time that running jobs are expected to end', () => {
  const plan = new Planner(snapshotOf({ active: [running(8)], queued: [large] })).plan(morning)
  assert.deepEqual(plan.reservations, [
    { jobId: 'large', node: 'n1', at: morning + hour, madeAt: morning, promisedAt: morning + hour },
  ])
  assert.deepEqual(plan.reasonOf('large'), { kind: 'reservation', asks: large.needs, at: morning + hour, node: 'n1' })
})

test('a later job starts beside it only if it ends in time, also at its limit but for what the policy allows', () => {
  const may = (estimateMinutes: number, limitMinutes: number): boolean => {
    const job = jobOf(1, { estimateSeconds: estimateMinutes * 60, limitSeconds: limitMinutes * 60 })
    const plan = new Planner(snapshotOf({ active: [running(8)], queued: [large, job] })).plan(morning)
    const reason = plan.reasonOf(job.id)?.kind
    assert.equal(reason, ids(plan).includes(job.id) ? 'placed' : 'backfill')
    return reason === 'placed'
  }
  assert.equal(may(30, 30), true)
  assert.equal(may(30, 3 * 60), true, 'an hour and four more are within the delay of four')
  assert.equal(may(30, 6 * 60), false, 'at its limit it would delay by more')
  assert.equal(may(55, 55), false, 'an estimate is trusted with half of it more')
})

test('or if it leaves enough', () => {
  const most = { ...large, needs: { cores: 14, memoryGb: 8, gpus: 0 } }
  const long = ['ada', 'cyd', 'dov'].map((user) =>
    jobOf(1, { user, limitSeconds: 1_000_000, estimateSeconds: 1_000_000 }),
  )
  // There is room for twelve now; when the large one starts there is room for two beside it.
  const plan = new Planner(snapshotOf({ active: [running(4)], queued: [most, ...long] })).plan(morning)
  assert.deepEqual(
    ids(plan),
    long.slice(0, 2).map(({ id }) => id),
  )
  assert.equal(plan.reasonOf(long[2]?.id ?? '')?.kind, 'backfill')
})

test('a job past its estimate is expected after twice that, and so on to its limit', () => {
  const active = [running(8, { estimateSeconds: 600, limitSeconds: 3000 })]
  const at = (now: number) => new Planner(snapshotOf({ now, active, queued: [large] })).plan(now).reservations[0]?.at
  assert.deepEqual(
    [0, 9, 10, 20, 40, 50, 51].map((minutes) => ((at(morning + minutes * minute) ?? 0) - morning) / minute),
    [10, 10, 20, 40, 50, 51, 52],
  )
})

test('a reservation stays on its node while that keeps to what was promised', () => {
  const nodes = [node, { ...node, name: 'n2' }]
  const active = [
    running(8, { id: 'a' }),
    running(8, { id: 'b', node: 'n2', estimateSeconds: 3700, limitSeconds: 3700 }),
  ]
  const planner = new Planner(snapshotOf({ nodes, active, queued: [large] }))
  assert.equal(planner.plan(morning).reservations[0]?.node, 'n1')
  planner.tell({ type: 'placed', job: { ...(active[1] as ActiveJob), estimateSeconds: 60 } })
  assert.equal(planner.plan(morning).reservations[0]?.node, 'n1', 'though n2 would be free sooner')
  planner.tell({ type: 'placed', job: { ...(active[0] as ActiveJob), estimateSeconds: 90_000, limitSeconds: 90_000 } })
  assert.equal(planner.plan(morning).reservations[0]?.node, 'n2', 'n1 is later by more than the policy allows')
})

test('what was promised stays promised when more is known of the job, and not when it asks for something else', () => {
  const planner = new Planner(snapshotOf({ active: [running(8, { limitSeconds: 864_000 })], queued: [large] }))
  const [promise] = planner.plan(morning).reservations
  const later = morning + 90 * minute
  planner.tell({ type: 'queued', job: { ...large, estimateSeconds: 3000 } })
  assert.deepEqual(planner.plan(later).reservations, [{ ...promise, at: morning + 2 * hour }])
  planner.tell({ type: 'queued', job: { ...large, needs: { ...large.needs, cores: 15 } } })
  assert.equal(planner.plan(later).reservations[0]?.madeAt, later)
})

test('what a user may hold is kept for his own job at the head, too', () => {
  const policy = policyOf({ limits: { user: { cores: 16 } } })
  const nodes = [node, { ...node, name: 'n2' }]
  const head = { ...large, needs: { cores: 12, memoryGb: 64, gpus: 0 } }
  const own = jobOf(8, { user: 'bob', limitSeconds: 1_000_000, estimateSeconds: 1_000_000 })
  const active = [running(8, { user: 'cyd' }), running(6, { user: 'cyd', node: 'n2', memoryGb: 4 } as object)]
  const planner = new Planner(snapshotOf({ policy, nodes, active, queued: [head, own] }))
  const plan = planner.plan(morning)
  assert.equal(plan.reservations[0]?.jobId, 'large')
  assert.deepEqual(ids(plan), [], 'with it bob would be at his limit when his first job could start')
  assert.deepEqual(plan.reasonOf(own.id), {
    kind: 'limit', holder: 'user', name: 'bob', on: 'cores', limit: 16, held: 0, kept: 12, asks: 8,
  }) // prettier-ignore
})

test('whoever has a node kept uses the gap before it himself, at his limit too, if that is over in time', () => {
  const policy = policyOf({ limits: { user: { cores: 16 } } })
  const active = [running(8, { user: 'cyd', limitSeconds: 7200, estimateSeconds: 7200 })]
  const own = jobOf(4, { user: 'bob', limitSeconds: 1800, estimateSeconds: 1800 })
  const planner = new Planner(snapshotOf({ policy, active, queued: [large, own] }))
  const plan = planner.plan(morning)
  assert.deepEqual(ids(plan), [own.id])
  const started = { ...own, node: node.name, placedAt: morning }
  planner.tell({ type: 'placed', job: started })
  // What runs ends early: he is at his limit until his own does.
  planner.tell({ type: 'gone', id: active[0]?.id ?? '' })
  const [reservation] = planner.plan(morning + minute).reservations
  assert.deepEqual([reservation?.jobId, reservation?.at], ['large', morning + 30 * minute])
  assert.equal(planner.reasonOf('large', morning + minute)?.kind, 'reservation')
  const tooLong = jobOf(2, { user: 'bob', limitSeconds: 1800, estimateSeconds: 1800 })
  planner.tell({ type: 'queued', job: tooLong })
  assert.deepEqual(ids(planner.plan(morning + minute)), [])
  planner.tell({ type: 'gone', id: own.id })
  assert.deepEqual(ids(planner.plan(morning + 31 * minute)), ['large'])
})

test('a job for off-peak hours keeps its node when they end before there is room, and takes nothing by day', () => {
  const offPeak = { days: ['mon', 'tue'], from: '18:00', to: '20:00', weekends: false, timezone: 'UTC' } as const
  const policy = policyOf({ offPeak, limits: { user: { cores: 16 } } })
  const evening = morning + 8 * hour
  const night = jobOf(16, { id: 'night', user: 'bob', offPeak: true, submittedAt: old })
  const long = running(8, { user: 'cyd', placedAt: evening - hour, estimateSeconds: 86_400, limitSeconds: 86_400 })
  const planner = new Planner(snapshotOf({ now: evening, policy, active: [long], queued: [night] }))
  const [promise] = planner.plan(evening).reservations
  // There is room at five in the afternoon of the next day, and its hours are from six.
  assert.equal(promise?.at, evening + 24 * hour)
  const after = evening + 3 * hour
  const [own, tooLong] = [jobOf(4, { user: 'bob' }), jobOf(4, { limitSeconds: 1e6, estimateSeconds: 1e6 })]
  for (const job of [own, tooLong]) planner.tell({ type: 'queued', job })
  const plan = planner.plan(after)
  assert.deepEqual(plan.reservations, [promise])
  assert.deepEqual(ids(plan), [own.id])
  assert.equal(plan.reasonOf('night')?.kind, 'window')
  assert.equal(plan.reasonOf(tooLong.id)?.kind, 'backfill')
  for (const id of [long.id, own.id]) planner.tell({ type: 'gone', id })
  assert.ok(!ids(planner.plan(evening + 23 * hour)).includes('night'), 'it is not off-peak yet')
  assert.deepEqual(ids(planner.plan(evening + 24 * hour)), ['night'])
})

test('a reservation moves only to a node that is free sooner at the latest too', () => {
  const nodes = [node, { ...node, name: 'n2' }]
  const slow = { estimateSeconds: 60, limitSeconds: 7000 * 60 }
  const whole = running(16, { node: 'n2', estimateSeconds: 1e6, limitSeconds: 1e6 })
  const planner = new Planner(snapshotOf({ nodes, active: [running(8, slow), whole], queued: [large] }))
  assert.equal(planner.plan(morning).reservations[0]?.node, 'n1')
  const fresh = { ...slow, id: whole.id, node: 'n2', placedAt: morning + 600 * minute }
  planner.tell({ type: 'placed', job: running(16, fresh) })
  const [kept] = planner.plan(morning + 601 * minute).reservations
  assert.equal(kept?.node, 'n1', 'though what has just started on n2 is expected to end sooner')
  planner.tell({ type: 'placed', job: running(16, { ...fresh, limitSeconds: 600 }) })
  assert.equal(planner.plan(morning + 901 * minute).reservations[0]?.node, 'n1', 'and still keeps to what it says now')
  assert.equal(planner.plan(morning + 1501 * minute).reservations[0]?.node, 'n2', 'where all must have ended sooner')
})

test('nobody behind delays a reservation: with estimates that hold it starts when it was promised, or before', () => {
  fc.assert(
    fc.property(anySnapshot, fc.nat(), (any, seed) => {
      // Order by waiting alone and nobody at a limit, so that nobody who is ahead comes back; nothing that changes by the hour.
      const { offPeak: _, ...policy } = any.policy
      const rules = { ...policy, limits: { user: {}, group: {} } }
      const points = { class: { small: 0, normal: 0, large: 0 }, groupShare: 0, userShare: 0, deadline: 0 }
      const random = randomFrom(seed)
      const queued = [...any.queued].map(({ notBefore: _n, offPeak: _o, by: _b, ...job }): QueuedJob => {
        const seconds = 1 + Math.floor(random() * 20_000)
        const cores = pick(random, [1, 2, 4, 8, 16])
        return {
          ...job,
          needs: { cores, memoryGb: cores, gpus: 0 },
          estimateSeconds: seconds,
          limitSeconds: seconds,
          submittedAt: morning - Math.floor(random() * 1e7),
        }
      })
      const nodes = [node, { ...node, name: 'n2' }].slice(0, 1 + (seed % 2))
      const snapshot = {
        ...any,
        users: new Map(),
        groups: new Map(),
        now: morning,
        nodes,
        queued,
        policy: { ...rules, points },
      }
      const planner = new Planner(snapshot)
      const promised = new Map<string, number>()
      const first = new Planner(snapshot).plan(morning)
      for (const { jobId, at } of first.reservations.slice(0, 1)) promised.set(jobId, at)
      simulate({
        decider: planner,
        now: morning,
        runSeconds: ({ limitSeconds }) => limitSeconds,
        onPlaced: ({ id, placedAt }) => {
          const at = promised.get(id)
          if (at !== undefined)
            assert.ok(placedAt <= at, `${id} was promised ${at - morning} and came ${placedAt - morning}`)
          promised.delete(id)
        },
      })
      assert.deepEqual([...promised.keys()], [], 'it never started')
    }),
    { numRuns: 1000 },
  )
})

test('wrong estimates of those behind delay a reservation by no more than the policy says', () => {
  const { maxDelaySeconds } = policyOf({}).backfill
  fc.assert(
    fc.property(fc.nat(), fc.integer({ min: 2, max: 40 }), (seed, count) => {
      const random = randomFrom(seed)
      const points = { class: { small: 0, normal: 0, large: 0 }, groupShare: 0, userShare: 0, deadline: 0 }
      // What runs keeps to its estimate. Who comes after says little and takes all that its limit allows.
      const active = Array.from({ length: 4 }, () => {
        const seconds = 600 + Math.floor(random() * 20_000)
        return running(pick(random, [1, 2, 4]), { estimateSeconds: seconds, limitSeconds: seconds })
      })
      const head = { ...large, needs: { cores: pick(random, [10, 13, 16]), memoryGb: 8, gpus: 0 } }
      const behind = Array.from({ length: count }, (_, i) => {
        const limitSeconds = 60 + Math.floor(random() * 40_000)
        const needs = { cores: pick(random, [1, 2, 4, 8]), memoryGb: 1, gpus: 0 }
        return jobOf(1, { needs, user: `u${i}`, limitSeconds, estimateSeconds: Math.ceil(limitSeconds * random()) })
      })
      const snapshot = snapshotOf({ policy: policyOf({ points }), active, queued: [head, ...behind] })
      const planner = new Planner(snapshot)
      const promised = new Planner(snapshot).plan(morning).reservations.find(({ jobId }) => jobId === head.id)?.at
      fc.pre(promised !== undefined)
      let startedAt = Infinity
      simulate({
        decider: planner,
        now: morning,
        active,
        runSeconds: ({ limitSeconds }) => limitSeconds,
        onPlaced: ({ id, placedAt }) => {
          if (id === head.id) startedAt = placedAt
        },
      })
      const late = (startedAt - (promised ?? 0)) / 1000
      assert.ok(late <= maxDelaySeconds, `it was late by ${late} s`)
    }),
    { numRuns: 500 },
  )
})
