import assert from 'node:assert/strict'
import { test } from 'node:test'
import fc from 'fast-check'
import { limitsOf } from '../cache/quota-holder.ts'
import { OffPeakHours } from '../../configuration/policy/off-peak.ts'
import { Planner, planOnce } from './planner.ts'
import { randomFrom } from '../../lib/random.ts'
import { sizeOfOffer, sizeOfRequest } from '../rules/size.ts'
import type { Limits } from '../../configuration/policy/policy.ts'
import type { ActiveJob, Plan, Snapshot } from '../cache/snapshot.ts'
import { anySnapshot } from '../testing/arbitrary-queue.ts'
import { anyStep, eventOf } from '../testing/arbitrary-steps.ts'
import { Model } from '../testing/model.ts'

const started = (plan: Plan, placedAt: number): ActiveJob[] =>
  plan.placements.map(({ job, node }) => ({ ...job, node, placedAt }))

/** The allocations of a quota holder against its limits: counted from rows, without the planner's code. */
function requireWithin(limits: Limits, jobs: readonly ActiveJob[], isNew: (job: ActiveJob) => boolean, whose: string) {
  const sum = (of: 'milliCores' | 'mib' | 'gpus') =>
    jobs.reduce((total, { needs }) => total + sizeOfRequest(needs)[of], 0)
  const { cores = Infinity, memoryGb = Infinity, gpus = Infinity, running = Infinity } = limits
  const most = sizeOfOffer({ cores, memoryGb, gpus })
  if (!jobs.some(isNew)) return
  assert.ok(jobs.length <= running, `${whose}: ${jobs.length} of ${running} run`)
  assert.ok(sum('milliCores') <= most.milliCores, `${whose}: cores`)
  assert.ok(sum('mib') <= most.mib, `${whose}: memory`)
  if (jobs.some((job) => isNew(job) && job.needs.gpus > 0)) assert.ok(sum('gpus') <= most.gpus, `${whose}: gpus`)
}

function requireNothingOvercommitted(snapshot: Snapshot, plan: Plan) {
  const before = [...snapshot.active]
  const placed = started(plan, snapshot.now)
  const all = [...before, ...placed]
  const isNew = (job: ActiveJob) => placed.includes(job)
  for (const node of snapshot.nodes) {
    const there = all.filter((job) => job.node === node.name)
    if (!there.some(isNew)) continue
    const offer = sizeOfOffer(node)
    for (const unit of ['milliCores', 'mib', 'gpus'] as const) {
      const allocated = there.reduce((sum, { needs }) => sum + sizeOfRequest(needs)[unit], 0)
      const asked = there.some((job) => isNew(job) && sizeOfRequest(job.needs)[unit] > 0)
      if (asked) assert.ok(allocated <= offer[unit], `${node.name}: ${allocated} ${unit} of ${offer[unit]}`)
    }
    for (const { needs } of there.filter(isNew)) {
      if (needs.gpus > 0 && needs.gpuKind !== undefined) assert.equal(node.gpuKind, needs.gpuKind)
    }
  }
  const { policy, now } = snapshot
  const isOffPeak = policy.offPeak !== undefined && new OffPeakHours(policy.offPeak).isOpen(now)
  const names = (of: (job: ActiveJob) => string | undefined) =>
    new Set(all.map(of).filter((name) => name !== undefined))
  for (const name of names(({ user }) => user)) {
    const limits = limitsOf(policy.limits.user, snapshot.users.get(name)?.limits, isOffPeak)
    requireWithin(
      limits,
      all.filter(({ user }) => user === name),
      isNew,
      name,
    )
  }
  for (const name of names(({ group }) => group)) {
    const limits = limitsOf(policy.limits.group, snapshot.groups.get(name)?.limits, isOffPeak)
    requireWithin(
      limits,
      all.filter(({ group }) => group === name),
      isNew,
      name,
    )
  }
  for (const { job } of plan.placements) {
    assert.ok((job.notBefore ?? 0) <= now)
    assert.ok(job.offPeak !== true || isOffPeak || policy.offPeak === undefined)
  }
}

const answer = ({ placements, reservations, again }: Plan) => ({
  placements: placements.map(({ job, node }) => `${job.id} on ${node}`),
  reservations,
  again,
})

/** In another sequence (Fisher and Yates). */
const shuffledBy =
  (random: () => number) =>
  <T>(rows: readonly T[]): readonly T[] => {
    const shuffled = [...rows]
    for (let i = shuffled.length - 1; i > 0; i--) {
      const j = Math.floor(random() * (i + 1))
      ;[shuffled[i], shuffled[j]] = [shuffled[j] as T, shuffled[i] as T]
    }
    return shuffled
  }

test('a planner kept up to date by events plans as one made from scratch, whatever the sequence of rows', () => {
  fc.assert(
    fc.property(anySnapshot, fc.array(anyStep, { maxLength: 60 }), fc.nat(), (first, steps, seed) => {
      const arrange = shuffledBy(randomFrom(seed))
      const planner = new Planner(first)
      const model = new Model(first)
      let now = first.now
      for (const step of steps) {
        if (step.type === 'clock') now += step.seconds * 1000
        const event = eventOf(step, model)
        if (event !== undefined) {
          planner.apply(event)
          model.apply(event)
        }
        if (step.type !== 'plan') continue
        const snapshot = model.snapshot(now, arrange)
        const plan = planner.plan(now, step.most)
        assert.deepEqual(answer(plan), answer(new Planner(snapshot).plan(now, step.most)))
        requireNothingOvercommitted(snapshot, plan)
        for (const job of snapshot.queued) assert.ok(plan.reasonOf(job.id), `${job.id} waits without a reason`)
        for (const job of snapshot.active) assert.equal(plan.reasonOf(job.id), undefined)
        model.planned(plan)
        if (!step.isCommitted) continue
        for (const job of started(plan, now)) {
          planner.apply({ type: 'placed', job })
          model.apply({ type: 'placed', job })
        }
      }
    }),
    { numRuns: 250 },
  )
})

test('after a plan is carried out, every job that waits has a reason other than its turn', () => {
  fc.assert(
    fc.property(anySnapshot, (snapshot) => {
      const planner = new Planner(snapshot)
      const plan = planner.plan(snapshot.now)
      for (const job of started(plan, snapshot.now)) planner.apply({ type: 'placed', job })
      for (const { id } of planner.snapshot().queued) {
        const reason = planner.reasonOf(id, snapshot.now)
        assert.ok(reason !== undefined && reason.kind !== 'turn' && reason.kind !== 'placed', `${id}: ${reason?.kind}`)
      }
      const next = planner.plan(snapshot.now)
      assert.deepEqual(next.placements, [], 'a second plan at the same time starts nothing')
    }),
    { numRuns: 250 },
  )
})

test('queries change no plan', () => {
  fc.assert(
    fc.property(anySnapshot, (snapshot) => {
      const planner = new Planner(snapshot)
      const plan = planner.plan(snapshot.now)
      for (const { id } of snapshot.queued) {
        planner.ahead(id, snapshot.now)
        planner.priorityOf(id, snapshot.now)
      }
      assert.deepEqual(answer(planner.plan(snapshot.now)), answer(plan))
      assert.deepEqual(answer(planOnce(planner.snapshot())), answer(plan))
    }),
  )
})
