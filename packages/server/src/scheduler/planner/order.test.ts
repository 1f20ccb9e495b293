import assert from 'node:assert/strict'
import { test } from 'node:test'
import { Planner } from './planner.ts'
import { policyOf } from '../../configuration/policy/policy-of.ts'
import type { Plan, PlannerEvent, QueuedJob, Snapshot } from '../cache/snapshot.ts'
import { hour, ids, jobOf, minute, morning, node, snapshotOf } from '../testing/examples.ts'

const planOf = (parts: Partial<Snapshot>, now = morning): Plan => new Planner(snapshotOf({ now, ...parts })).plan(now)
const running = (job: QueuedJob, placedAt = morning, on = node.name) => ({ ...job, node: on, placedAt })

test('small jobs go first, and a large one that has waited half a day goes before them', () => {
  const large = jobOf(16)
  const small = jobOf(1, { user: 'bob' })
  assert.deepEqual(ids(planOf({ queued: [large, small] })), [small.id])
  const patient = { ...large, submittedAt: morning - 12 * hour - minute }
  assert.deepEqual(ids(planOf({ queued: [patient, small] })), [large.id])
})

test('jobs of one lane start in the order of submission', () => {
  const jobs = [jobOf(8), jobOf(8), jobOf(8)]
  assert.deepEqual(
    ids(planOf({ queued: jobs.toReversed() })),
    jobs.slice(0, 2).map(({ id }) => id),
  )
})

test('the lower share starts first: among groups, users of a group, and users without a group', () => {
  const used = { coreHours: 500, at: morning }
  const first = (a: Partial<QueuedJob>, b: Partial<QueuedJob>, usage: Snapshot['usage']) => {
    const [heavy, light] = [jobOf(16, a), jobOf(16, b)]
    assert.deepEqual(ids(planOf({ queued: [heavy, light], usage })), [light.id])
  }
  first({ user: 'ada' }, { user: 'bob' }, [{ user: 'ada', ...used }])
  first({ user: 'ada', group: 'sky' }, { user: 'bob', group: 'sea' }, [{ user: 'cyd', group: 'sky', ...used }])
  first({ user: 'ada', group: 'sky' }, { user: 'bob', group: 'sky' }, [{ user: 'ada', group: 'sky', ...used }])
  first({ user: 'ada', group: 'sky' }, { user: 'bob' }, [{ user: 'ada', group: 'sky', ...used }])
})

test('charged core-hours halve with the half-life, and running jobs count', () => {
  const planner = new Planner(
    snapshotOf({
      queued: [jobOf(1, { id: 'q', user: 'ada' }), jobOf(1, { id: 'r', user: 'bob' })],
      usage: [{ user: 'ada', coreHours: 100, at: morning }],
    }),
  )
  const share = (id: string, now: number): number => 12 * -Math.log2((planner.priorityOf(id, now)?.userShare ?? 0) / 12)
  assert.ok(Math.abs(share('q', morning + 168 * hour) / share('q', morning) - 0.5) < 1e-9)
  const before = share('r', morning + hour)
  planner.apply({ type: 'placed', job: running(jobOf(8, { user: 'bob' })) })
  assert.equal(Math.abs(before), 0)
  assert.ok(share('r', morning + hour) > 0)
})

test('a larger weight starts first with equal charges', () => {
  const usage = [
    { user: 'ada', coreHours: 100, at: morning },
    { user: 'bob', coreHours: 100, at: morning },
  ]
  const [ada, bob] = [jobOf(16), jobOf(16, { user: 'bob' })]
  assert.deepEqual(ids(planOf({ queued: [ada, bob], usage, users: new Map([['bob', { weight: 2 }]]) })), [bob.id])
})

test('the many jobs of a lane age together: the single job of another user follows the first of them', () => {
  const many = Array.from({ length: 50 }, () => jobOf(16, { submittedAt: morning - 10 * hour }))
  const one = jobOf(16, { user: 'bob', submittedAt: morning - hour })
  const planner = new Planner(snapshotOf({ queued: [...many, one] }))
  const first = planner.plan(morning)
  assert.deepEqual(ids(first), [many[0]?.id])
  assert.equal(planner.ahead(one.id, morning)?.jobs, 1)
  const started = running(many[0] as QueuedJob)
  planner.apply({ type: 'placed', job: started })
  planner.apply({ type: 'gone', id: started.id })
  assert.deepEqual(ids(planner.plan(morning + minute)), [one.id])
})

test('in a lane the earliest wished end starts first, then jobs without one in the order of submission', () => {
  const [plain, late, soon] = [jobOf(16), jobOf(16, { by: morning + 9 * hour }), jobOf(16, { by: morning + 2 * hour })]
  const planner = new Planner(snapshotOf({ queued: [plain, late, soon] }))
  for (const next of [soon, late, plain]) {
    assert.deepEqual(ids(planner.plan(morning)), [next.id])
    planner.apply({ type: 'placed', job: running(next) })
    planner.apply({ type: 'gone', id: next.id })
  }
})

test('a wished end does not change the order between users: the job takes the place of its lane', () => {
  const old = jobOf(16, { submittedAt: morning - 10 * hour })
  const other = jobOf(16, { user: 'bob', submittedAt: morning - hour })
  const due = jobOf(16, { by: morning + 2 * hour })
  const planner = new Planner(snapshotOf({ queued: [other, due] }))
  assert.deepEqual(
    ids(planner.plan(morning)),
    [other.id],
    'without an older job in its lane, the wished end has no effect',
  )
  planner.apply({ type: 'queued', job: old })
  assert.deepEqual(ids(planner.plan(morning)), [due.id])
  assert.deepEqual(
    [due, old, other].map(({ id }) => planner.ahead(id, morning)?.jobs),
    [0, 2, 1],
  )
  assert.equal(planner.priorityOf(due.id, morning)?.age, 10)
  const started = running(due)
  planner.apply({ type: 'placed', job: started })
  planner.apply({ type: 'gone', id: started.id })
  assert.deepEqual(ids(planner.plan(morning)), [other.id], 'the age of the lane restarts')
})

test('different wished ends do not split a lane', () => {
  const due = (i: number) => morning + 300 * 24 * hour + i * hour * 100
  const many = Array.from({ length: 50 }, (_, i) => jobOf(16, { submittedAt: morning - 10 * hour, by: due(i) }))
  const one = jobOf(16, { user: 'bob', submittedAt: morning - hour })
  const planner = new Planner(snapshotOf({ queued: [...many, one] }))
  assert.deepEqual(ids(planner.plan(morning)), [many[0]?.id])
  assert.equal(planner.ahead(one.id, morning)?.jobs, 1)
  assert.equal(
    planner.ahead(many[30]?.id ?? '', morning)?.jobs,
    31,
    'thirty jobs of the same lane and the job of the other user',
  )
  const nodes = [node, { ...node, name: 'n2' }]
  assert.deepEqual(ids(planOf({ nodes, queued: [...many, one] })), [many[0]?.id, one.id])
})

test('the total is the sum of the named terms', () => {
  const job = jobOf(1, { submittedAt: morning - 3 * hour })
  const priority = new Planner(snapshotOf({ queued: [job] })).priorityOf(job.id, morning)
  assert.deepEqual(priority, { class: 12, age: 3, groupShare: 12, userShare: 12, total: 39 })
})

test('a limit defers only jobs of its quota holder, and names the allocation', () => {
  const policy = policyOf({
    limits: { user: { cores: 4, offPeak: { cores: 8 } }, group: { running: 1 } },
    offPeak: { days: ['mon'], from: '18:00', to: '20:00', weekends: false, timezone: 'UTC' },
  })
  const ada = [jobOf(4), jobOf(4)] as const
  const bob = jobOf(2, { user: 'bob' })
  const group = [jobOf(1, { user: 'cyd', group: 'sky' }), jobOf(1, { user: 'dov', group: 'sky' })] as const
  const planner = new Planner(snapshotOf({ policy, queued: [...ada, bob, ...group] }))
  const plan = planner.plan(morning)
  assert.deepEqual(new Set(ids(plan)), new Set([ada[0].id, bob.id, group[0].id]))
  for (const { job } of plan.placements) planner.apply({ type: 'placed', job: running(job) })
  assert.deepEqual(planner.reasonOf(ada[1].id, morning), {
    kind: 'limit', holder: 'user', name: 'ada', on: 'cores', limit: 4, allocated: 4, asks: 4, larger: { limit: 8, at: morning + 8 * hour },
  }) // prettier-ignore
  const hit = planner.reasonOf(group[1].id, morning)
  assert.ok(hit?.kind === 'limit' && hit.holder === 'group' && hit.on === 'running')
  assert.deepEqual(ids(planner.plan(morning + 8 * hour)), [ada[1].id], 'the off-peak limit admits it')
})

test('a limit below the allocation starts no job and ends none', () => {
  const planner = new Planner(snapshotOf({ active: [running(jobOf(4)), running(jobOf(4))], queued: [jobOf(1)] }))
  planner.apply({ type: 'user', name: 'ada', settings: { limits: { cores: 2 } } })
  assert.deepEqual(ids(planner.plan(morning)), [])
  planner.apply({ type: 'user', name: 'ada', settings: undefined })
  assert.equal(ids(planner.plan(morning)).length, 1)
})

test('off-peak jobs and jobs with a start time wait, and the plan has the instant of the next cycle', () => {
  const night = jobOf(1, { offPeak: true })
  const later = jobOf(1, { notBefore: morning + hour })
  const planner = new Planner(snapshotOf({ queued: [night, later] }))
  const plan = planner.plan(morning)
  assert.deepEqual(ids(plan), [])
  assert.deepEqual(plan.reasonOf(night.id), { kind: 'window', opensAt: morning + 8 * hour })
  assert.deepEqual(plan.reasonOf(later.id), { kind: 'not-before', at: morning + hour })
  assert.equal(plan.again, morning + hour)
  assert.deepEqual(ids(planner.plan(morning + hour)), [later.id])
  assert.deepEqual(ids(planner.plan(morning + 8 * hour - 1)), [later.id])
  assert.deepEqual(ids(planner.plan(morning + 8 * hour)).toSorted(), [night.id, later.id].toSorted())
})

test('windows, start times and ages follow a clock that is set back or forward', () => {
  const night = jobOf(1, { offPeak: true })
  const later = jobOf(1, { notBefore: morning + hour })
  const old = jobOf(16, { user: 'bob', submittedAt: morning - hour })
  const planner = new Planner(snapshotOf({ queued: [night, later, old], active: [running(jobOf(1))] }))
  const kinds = (at: number) => {
    const plan = planner.plan(at)
    return [night, later].map(({ id }) => plan.reasonOf(id)?.kind)
  }
  const ages = [1, 9, -1, 700, 1].map((hours) => {
    planner.plan(morning + hours * hour)
    return planner.priorityOf(old.id, morning + hours * hour)?.age
  })
  assert.deepEqual(ages, [2, 10, 0, 701, 2])
  assert.deepEqual(kinds(morning + 8 * hour), ['placed', 'placed'])
  assert.deepEqual(kinds(morning + 8 * hour - 1), ['window', 'placed'])
  assert.deepEqual(kinds(morning + hour - 1), ['window', 'not-before'])
  assert.deepEqual(kinds(morning + 8 * hour), ['placed', 'placed'])
})

test('with many lanes the planner drops last starts after a month', () => {
  const planner = new Planner(snapshotOf())
  const serve = (count: number, at: number): void => {
    for (let i = 0; i < count; i++) {
      const job = running(jobOf(1, { user: `user${i}` }), at)
      planner.apply({ type: 'placed', job })
      planner.apply({ type: 'gone', id: job.id })
    }
  }
  serve(20_000, morning)
  assert.equal(planner.snapshot().served.size, 20_000)
  planner.plan(morning + 40 * 24 * hour)
  serve(50_000, morning + 40 * 24 * hour)
  assert.ok(planner.snapshot().served.size <= 50_000, `${planner.snapshot().served.size} are in the snapshot`)
})

test('best fit: the node with the least remaining capacity; jobs without GPUs use GPU nodes last', () => {
  const nodes = [
    { name: 'gpu', cores: 8, memoryGb: 64, gpus: 2, gpuKind: 'a100' },
    { name: 'big', cores: 32, memoryGb: 128, gpus: 0 },
    { name: 'small', cores: 8, memoryGb: 32, gpus: 0 },
  ]
  const plain = jobOf(8)
  const kind = jobOf(1, { needs: { cores: 1, memoryGb: 1, gpus: 1, gpuKind: 'h200' } })
  const gpu = jobOf(1, { needs: { cores: 1, memoryGb: 1, gpus: 1, gpuKind: 'a100' } })
  const plan = planOf({ nodes, queued: [plain, kind, gpu] })
  assert.deepEqual(Object.fromEntries(plan.placements.map(({ job, node: on }) => [job.id, on])), {
    [plain.id]: 'small',
    [gpu.id]: 'gpu',
  })
  assert.deepEqual(plan.reasonOf(kind.id)?.kind, 'no-node')
})

test('a node that lost allocated GPUs still gets jobs without GPUs, now and after an end', () => {
  const withGpus = running(jobOf(8, { needs: { cores: 8, memoryGb: 8, gpus: 4 } }))
  const lost = [{ ...node, gpus: 2 }]
  const [plain, gpu] = [jobOf(8), jobOf(1, { needs: { cores: 1, memoryGb: 1, gpus: 1 } })]
  assert.deepEqual(ids(planOf({ nodes: lost, active: [withGpus], queued: [plain, gpu] })), [plain.id])
  // The job with the GPUs continues. When the other has ended, enough cores are free.
  const slow = { ...withGpus, estimateSeconds: 36_000, limitSeconds: 36_000 }
  const waits = { ...plain, user: 'bob', submittedAt: morning - hour }
  const plan = planOf({ nodes: lost, active: [slow, running(jobOf(8))], queued: [waits] })
  assert.equal(plan.reservations[0]?.at, morning + hour)
})

test('a lost node has no capacity; its jobs count under limits until they end, and once', () => {
  const job = running(jobOf(4))
  const waiting = jobOf(1)
  const planner = new Planner(
    snapshotOf({ active: [job], queued: [waiting], users: new Map([['ada', { limits: { cores: 4 } }]]) }),
  )
  const gone: PlannerEvent = { type: 'gone', id: job.id }
  planner.apply({ type: 'nodeGone', name: node.name })
  assert.equal(planner.plan(morning).reasonOf(waiting.id)?.kind, 'limit')
  planner.apply(gone)
  planner.apply(gone)
  assert.deepEqual(ids(planner.plan(morning)), [])
  planner.apply({ type: 'node', node })
  assert.equal(ids(planner.plan(morning)).length, 1)
  assert.equal([...planner.snapshot().active].length, 0)
})
