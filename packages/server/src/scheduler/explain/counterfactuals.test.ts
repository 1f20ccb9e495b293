import assert from 'node:assert/strict'
import { test } from 'node:test'
import fc from 'fast-check'
import { type Modification, submittedWith } from './counterfactuals.ts'
import { Planner } from '../planner/planner.ts'
import { policyOf } from '../../configuration/policy/policy-of.ts'
import type { ActiveJob, Needs, QueuedJob, Snapshot } from '../cache/snapshot.ts'
import { anySnapshot } from '../testing/arbitrary-queue.ts'
import { hour, jobOf, morning, node, snapshotOf } from '../testing/examples.ts'

const needs = (cores: number, memoryGb: number, gpus = 0): Needs => ({ cores, memoryGb, gpus })
const active = (asks: Needs, on = 'n1'): ActiveJob => ({
  ...jobOf(1, { user: 'cyd', needs: asks }),
  node: on,
  placedAt: morning,
})
/** With which modifications the job would start, after a plan. */
function counterfactualsOf(job: QueuedJob, parts: Partial<Snapshot>): readonly Modification[] {
  const planner = new Planner(snapshotOf({ ...parts, queued: [job, ...(parts.queued ?? [])] }))
  planner.plan(morning)
  return planner.counterfactuals(job.id, morning).map(({ modification }) => modification)
}

test('every counterfactual starts the job at once when it is cancelled and submitted again', () => {
  let found = 0
  fc.assert(
    fc.property(anySnapshot, (snapshot) => {
      const planner = new Planner(snapshot)
      const { now } = snapshot
      planner.plan(now)
      for (const job of snapshot.queued) {
        for (const { modification, node: where } of planner.counterfactuals(job.id, now)) {
          const again = { ...submittedWith(job, modification, now), id: `${job.id} again` }
          const other = new Planner(planner.snapshot())
          other.apply({ type: 'gone', id: job.id })
          other.apply({ type: 'queued', job: again })
          const placed = other.plan(now).placements.find((one) => one.job.id === again.id)
          assert.equal(placed?.node, where, `${job.id} with ${JSON.stringify(modification)}`)
          found++
        }
      }
    }),
    { numRuns: 200 },
  )
  assert.ok(found > 20, `${found} were found`)
})

test('a job that only its age would let start has no counterfactual: submitted again it has no age', () => {
  const old = jobOf(16, { needs: needs(16, 16), submittedAt: morning - 60 * hour, limitSeconds: 90_000 })
  const other = jobOf(16, { user: 'bob', needs: needs(16, 16), submittedAt: morning - 50 * hour })
  const parts = { active: [active(needs(8, 8))], queued: [other] }
  const job = { ...old, estimateSeconds: 90_000 }
  assert.deepEqual(counterfactualsOf(job, parts), [])
  assert.deepEqual(counterfactualsOf(job, { active: parts.active }), [{ needs: needs(8, 16) }], 'alone it would')
})

test('at a limit the counterfactual asks for what the limit leaves', () => {
  const policy = policyOf({ limits: { user: { cores: 5 }, group: { memoryGb: 12 } } })
  const running = { ...active(needs(3, 3)), user: 'ada' }
  assert.deepEqual(counterfactualsOf(jobOf(4), { policy, active: [running] }), [{ needs: needs(2, 16) }])
  const ofGroup = { ...running, group: 'sea' }
  assert.deepEqual(counterfactualsOf(jobOf(4, { group: 'sea' }), { policy, active: [ofGroup] }), [
    { needs: needs(2, 9) },
  ])
  const one = policyOf({ limits: { user: { running: 1 }, group: {} } })
  assert.deepEqual(counterfactualsOf(jobOf(4), { policy: one, active: [running] }), [], 'nothing smaller would help')
})

test('short of cores and memory, less of both; short of GPUs, fewer', () => {
  assert.deepEqual(counterfactualsOf(jobOf(8), { active: [active(needs(12, 50))] }), [{ needs: needs(4, 14) }])
  const nodes = [{ ...node, gpus: 4 }]
  const busy = active(needs(1, 1, 3))
  assert.deepEqual(counterfactualsOf(jobOf(1, { needs: needs(1, 1, 2) }), { nodes, active: [busy] }), [
    { needs: needs(1, 1, 1) },
  ])
})

test('of several nodes at most three counterfactuals come, those first that give up least', () => {
  const nodes = [1, 2, 3, 4, 5].map((i) => ({ ...node, name: `n${i}` }))
  // Free: 14 cores and 8 GiB, 8 and 32, 4 and 64, 6 and 30; nothing.
  const busy = [needs(2, 56), needs(8, 32), needs(12, 0.5), needs(10, 34), needs(16, 64)]
  const found = counterfactualsOf(jobOf(16, { needs: needs(16, 60) }), {
    nodes,
    active: busy.map((one, i) => active(one, `n${i + 1}`)),
  })
  assert.deepEqual(found, [{ needs: needs(4, 60) }, { needs: needs(8, 32) }, { needs: needs(14, 8) }])
})

test('by day without its off-peak hours, and smaller where there is no room for all of it', () => {
  const job = jobOf(8, { offPeak: true })
  assert.deepEqual(counterfactualsOf(job, {}), [{ anyHour: true }])
  assert.deepEqual(counterfactualsOf(job, { active: [active(needs(12, 4))] }), [{ anyHour: true, needs: needs(4, 32) }])
})
