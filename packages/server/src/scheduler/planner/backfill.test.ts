import assert from 'node:assert/strict'
import { test } from 'node:test'
import fc from 'fast-check'
import { Planner } from './planner.ts'
import { policyOf } from '../../configuration/policy/policy-of.ts'
import { pick, randomFrom } from '../../lib/random.ts'
import { simulate } from '../forecast/simulate.ts'
import type { ActiveJob } from '../cache/snapshot.ts'
import { hour, ids, jobOf, minute, morning, node, running, snapshotOf } from '../testing/examples.ts'

const old = morning - 30 * hour
/** Order by waiting alone. */
const byAge = policyOf({ points: { class: { small: 0, normal: 0, large: 0 }, groupShare: 0, userShare: 0 } })
/** The first in order, needs the whole node. */
const large = jobOf(16, { id: 'large', user: 'bob', submittedAt: old })

test('the first job that finds no room gets a reservation, at the expected end of running jobs', () => {
  const plan = new Planner(snapshotOf({ active: [running(8)], queued: [large] })).plan(morning)
  assert.deepEqual(plan.reservations, [
    { jobId: 'large', node: 'n1', at: morning + hour, madeAt: morning, firstAt: morning + hour },
  ])
  assert.deepEqual(plan.reasonOf('large'), { kind: 'reservation', asks: large.needs, at: morning + hour, node: 'n1' })
})

test('a job that has not waited for half an hour gets no reservation, and the plan says when it will have', () => {
  const waited = (minutes: number) => ({ ...large, submittedAt: morning - minutes * minute })
  const long = jobOf(1, { limitSeconds: 1_000_000, estimateSeconds: 1_000_000 })
  const planOf = (minutes: number) =>
    new Planner(snapshotOf({ policy: byAge, active: [running(8)], queued: [waited(minutes), long] })).plan(morning)
  const [young, old] = [planOf(29), planOf(30)]
  assert.deepEqual([young.reservations, ids(young), young.again], [[], [long.id], morning + minute])
  assert.equal(young.reasonOf('large')?.kind, 'resources')
  assert.deepEqual([old.reservations.length, ids(old)], [1, []])
})

test('a later job starts beside a reservation only if it ends in time: by its limit, or by past runs whatever its limit', () => {
  const may = (trustedMinutes: number | undefined, limitMinutes: number): boolean => {
    const job = jobOf(1, {
      limitSeconds: limitMinutes * 60,
      ...(trustedMinutes === undefined ? {} : { trustedSeconds: trustedMinutes * 60 }),
    })
    const plan = new Planner(snapshotOf({ active: [running(8)], queued: [large, job] })).plan(morning)
    const reason = plan.reasonOf(job.id)?.kind
    assert.equal(reason, ids(plan).includes(job.id) ? 'placed' : 'backfill')
    return reason === 'placed'
  }
  assert.equal(may(undefined, 45), true)
  assert.equal(may(undefined, 61), false)
  assert.equal(may(45, 14 * 24 * 60), true)
  assert.equal(may(61, 14 * 24 * 60), false)
})

test('jobs that run longer than their past runs put a reservation off to the longest limit and the delay, and no further', () => {
  const hours = fc.integer({ min: 1, max: 24 * 30 })
  fc.assert(
    fc.property(fc.array(hours, { minLength: 1, maxLength: 40 }), fc.integer({ min: 1, max: 12 }), (limits, every) => {
      const first = jobOf(16, { id: 'large', user: 'bob' })
      // Past runs took minutes, and each of these runs to its limit.
      const others = Array.from({ length: 200 }, (_, i) =>
        jobOf(4, {
          submittedAt: morning + i * every * hour,
          limitSeconds: (limits[i % limits.length] ?? 1) * 3600,
          estimateSeconds: 600,
          trustedSeconds: 600,
        }),
      )
      const active = [running(8, { limitSeconds: 30 * 86_400, estimateSeconds: 600 })]
      let startedAt = Infinity
      simulate({
        decider: new Planner(snapshotOf({ policy: byAge, active })),
        now: morning,
        active,
        arrivals: [first, ...others],
        runSeconds: ({ limitSeconds }) => limitSeconds,
        onPlaced: (job) => {
          if (job.id === 'large') startedAt = job.placedAt
          return job.id !== 'large'
        },
      })
      const bound = 1800 + 30 * 86_400 + 14_400
      assert.ok(startedAt - morning <= bound * 1000, `it started after ${(startedAt - morning) / hour} hours`)
    }),
    { numRuns: 100 },
  )
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

test('a reservation stays on its node while its start slips by no more than the policy allows', () => {
  const nodes = [node, { ...node, name: 'n2' }]
  const active = [
    running(8, { id: 'a' }),
    running(8, { id: 'b', node: 'n2', estimateSeconds: 3700, limitSeconds: 3700 }),
  ]
  const planner = new Planner(snapshotOf({ nodes, active, queued: [large] }))
  assert.equal(planner.plan(morning).reservations[0]?.node, 'n1')
  planner.apply({ type: 'placed', job: { ...(active[1] as ActiveJob), estimateSeconds: 60 } })
  assert.equal(planner.plan(morning).reservations[0]?.node, 'n1', 'though n2 would be free sooner')
  planner.apply({ type: 'placed', job: { ...(active[0] as ActiveJob), estimateSeconds: 90_000, limitSeconds: 90_000 } })
  assert.equal(planner.plan(morning).reservations[0]?.node, 'n2', 'n1 is later by more than the policy allows')
})

test('a reservation outlives a new estimate of its job, but not other needs', () => {
  const planner = new Planner(snapshotOf({ active: [running(8, { limitSeconds: 864_000 })], queued: [large] }))
  const [reservation] = planner.plan(morning).reservations
  const later = morning + 90 * minute
  planner.apply({ type: 'queued', job: { ...large, estimateSeconds: 3000 } })
  assert.deepEqual(planner.plan(later).reservations, [{ ...reservation, at: morning + 2 * hour }])
  planner.apply({ type: 'queued', job: { ...large, needs: { ...large.needs, cores: 15 } } })
  assert.equal(planner.plan(later).reservations[0]?.madeAt, later)
})

test('a reservation also counts under the limits of its user', () => {
  const policy = policyOf({ limits: { user: { cores: 16 } } })
  const nodes = [node, { ...node, name: 'n2' }]
  const head = { ...large, needs: { cores: 12, memoryGb: 64, gpus: 0 } }
  const own = jobOf(8, { user: 'bob', limitSeconds: 1_000_000, estimateSeconds: 1_000_000 })
  const active = [running(8, { user: 'cyd' }), running(6, { user: 'cyd', node: 'n2', memoryGb: 4 } as object)]
  const planner = new Planner(snapshotOf({ policy, nodes, active, queued: [head, own] }))
  const plan = planner.plan(morning)
  assert.equal(plan.reservations[0]?.jobId, 'large')
  assert.deepEqual(ids(plan), [], 'with it bob would be at the limit when the first job could start')
  assert.deepEqual(plan.reasonOf(own.id), {
    kind: 'limit', holder: 'user', name: 'bob', on: 'cores', limit: 16, allocated: 0, reserved: 12, asks: 8,
  }) // prettier-ignore
})

test('a user with a reservation may backfill the gap before it, at a limit too, if that is over in time', () => {
  const policy = policyOf({ limits: { user: { cores: 16 } } })
  const active = [running(8, { user: 'cyd', limitSeconds: 7200, estimateSeconds: 7200 })]
  const own = jobOf(4, { user: 'bob', limitSeconds: 1800, estimateSeconds: 1800 })
  const planner = new Planner(snapshotOf({ policy, active, queued: [large, own] }))
  const plan = planner.plan(morning)
  assert.deepEqual(ids(plan), [own.id])
  const started = { ...own, node: node.name, placedAt: morning }
  planner.apply({ type: 'placed', job: started })
  // The running job ends early: bob is at the limit until his own job ends.
  planner.apply({ type: 'gone', id: active[0]?.id ?? '' })
  const [reservation] = planner.plan(morning + minute).reservations
  assert.deepEqual([reservation?.jobId, reservation?.at], ['large', morning + 30 * minute])
  assert.equal(planner.reasonOf('large', morning + minute)?.kind, 'reservation')
  const tooLong = jobOf(2, { user: 'bob', limitSeconds: 1800, estimateSeconds: 1800 })
  planner.apply({ type: 'queued', job: tooLong })
  assert.deepEqual(ids(planner.plan(morning + minute)), [])
  planner.apply({ type: 'gone', id: own.id })
  assert.deepEqual(ids(planner.plan(morning + 31 * minute)), ['large'])
})

test('a job for off-peak hours keeps its node when they end before there is room, and takes nothing by day', () => {
  const offPeak = { days: ['mon', 'tue'], from: '18:00', to: '20:00', weekends: false, timezone: 'UTC' } as const
  const policy = policyOf({ offPeak, limits: { user: { cores: 16 } } })
  const evening = morning + 8 * hour
  const night = jobOf(16, { id: 'night', user: 'bob', offPeak: true, submittedAt: old })
  const long = running(8, { user: 'cyd', placedAt: evening - hour, estimateSeconds: 86_400, limitSeconds: 86_400 })
  const planner = new Planner(snapshotOf({ now: evening, policy, active: [long], queued: [night] }))
  const [reservation] = planner.plan(evening).reservations
  // The node has room at 17:00 the next day, and the job's hours begin at 18:00.
  assert.equal(reservation?.at, evening + 24 * hour)
  const after = evening + 3 * hour
  const [own, tooLong] = [jobOf(4, { user: 'bob' }), jobOf(4, { limitSeconds: 1e6, estimateSeconds: 1e6 })]
  for (const job of [own, tooLong]) planner.apply({ type: 'queued', job })
  const plan = planner.plan(after)
  assert.deepEqual(plan.reservations, [reservation])
  assert.deepEqual(ids(plan), [own.id])
  assert.equal(plan.reasonOf('night')?.kind, 'window')
  assert.equal(plan.reasonOf(tooLong.id)?.kind, 'backfill')
  for (const id of [long.id, own.id]) planner.apply({ type: 'gone', id })
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
  planner.apply({ type: 'placed', job: running(16, fresh) })
  const [reservation] = planner.plan(morning + 601 * minute).reservations
  assert.equal(reservation?.node, 'n1', 'though the job that has just started on n2 is expected to end sooner')
  planner.apply({ type: 'placed', job: running(16, { ...fresh, limitSeconds: 600 }) })
  assert.equal(
    planner.plan(morning + 901 * minute).reservations[0]?.node,
    'n1',
    'its start has not slipped by more than the policy allows',
  )
  assert.equal(
    planner.plan(morning + 1501 * minute).reservations[0]?.node,
    'n2',
    'there every job must have ended sooner',
  )
})

test('as many jobs as the policy says get a reservation, each of another node, and the next gets none', () => {
  const names = ['n1', 'n2', 'n3', 'n4', 'n5', 'n6']
  const nodes = names.map((name) => ({ ...node, name }))
  const active = names.map((name) => running(8, { node: name }))
  const queued = names.map((id, i) => ({ ...large, id, user: id, seq: i, submittedAt: old + i * minute }))
  const policy = policyOf({ backfill: { reservations: 4 } })
  const { reservations } = new Planner(snapshotOf({ policy, nodes, active, queued })).plan(morning)
  assert.deepEqual(
    reservations.map(({ jobId }) => jobId),
    names.slice(0, 4),
  )
  assert.equal(new Set(reservations.map((reservation) => reservation.node)).size, 4)
})

test('no job behind delays a reservation: with right estimates each reserved job starts at its reservation or before', () => {
  // Each user has one job.
  const cases = fc.record({
    seed: fc.nat(),
    nodes: fc.integer({ min: 1, max: 5 }),
    count: fc.integer({ min: 2, max: 40 }),
  })
  let checked = 0
  fc.assert(
    fc.property(cases, ({ seed, nodes: nodeCount, count }) => {
      const random = randomFrom(seed)
      const nodes = Array.from({ length: nodeCount }, (_, i) => ({ ...node, name: `n${i}` }))
      const times = () => {
        const estimateSeconds = 1 + Math.floor(random() * 20_000)
        return { estimateSeconds, limitSeconds: Math.ceil(estimateSeconds * (1 + 3 * random())) }
      }
      const active = nodes.map(({ name }) => running(pick(random, [4, 8, 12]), { node: name, user: name, ...times() }))
      const queued = Array.from({ length: count }, (_, i) => {
        const needs = { cores: pick(random, [1, 2, 4, 8, 12, 16]), memoryGb: 1, gpus: 0 }
        return jobOf(1, { needs, user: `u${i}`, submittedAt: old + i * minute, ...times() })
      })
      const planner = new Planner(snapshotOf({ policy: byAge, nodes, active, queued }))
      const reserved = new Map(planner.plan(morning).reservations.map((each) => [each.jobId, each]))
      const placeOf = new Map(queued.map(({ id }, i) => [id, i]))
      /** A job ahead in the order may take a reserved node: that reservation no longer holds. */
      const give = (jobId: string, nodeName: string | undefined): void => {
        for (const each of reserved.values())
          if (each.node === nodeName && (placeOf.get(jobId) ?? 0) < (placeOf.get(each.jobId) ?? 0))
            reserved.delete(each.jobId)
      }
      simulate({
        decider: {
          apply: (event) => planner.apply(event),
          plan: (now) => {
            const plan = planner.plan(now)
            for (const each of plan.reservations) give(each.jobId, each.node)
            return plan
          },
        },
        now: morning,
        active,
        runSeconds: ({ estimateSeconds }) => estimateSeconds,
        onPlaced: ({ id, node: on, placedAt }) => {
          const at = reserved.get(id)?.at
          if (at !== undefined) {
            assert.ok(placedAt <= at, `${id} was reserved for ${at - morning} and started at ${placedAt - morning}`)
            checked++
          }
          reserved.delete(id)
          // The reservations count on jobs that started with them.
          if (placedAt > morning) give(id, on)
        },
      })
      assert.deepEqual([...reserved.keys()], [], 'it never started')
    }),
    { numRuns: 500 },
  )
  assert.ok(checked > 500, `only ${checked} reservations were checked`)
})

test('wrong estimates of jobs behind delay a reservation by no more than the policy says', () => {
  const { maxDelaySeconds } = policyOf({}).backfill
  fc.assert(
    fc.property(fc.nat(), fc.integer({ min: 2, max: 40 }), (seed, count) => {
      const random = randomFrom(seed)
      const points = { class: { small: 0, normal: 0, large: 0 }, groupShare: 0, userShare: 0 }
      // Running jobs end at their estimate. Later jobs have a short estimate and run to their limit.
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
      const reservedAt = new Planner(snapshot).plan(morning).reservations.find(({ jobId }) => jobId === head.id)?.at
      fc.pre(reservedAt !== undefined)
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
      const late = (startedAt - (reservedAt ?? 0)) / 1000
      assert.ok(late <= maxDelaySeconds, `it was late by ${late} s`)
    }),
    { numRuns: 500 },
  )
})
