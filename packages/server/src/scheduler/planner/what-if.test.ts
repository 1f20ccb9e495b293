import assert from 'node:assert/strict'
import { test } from 'node:test'
import { Planner } from './planner.ts'
import type { Needs, Snapshot } from '../cache/snapshot.ts'
import { hour, jobOf, morning, node, running, snapshotOf } from '../testing/examples.ts'

/** A snapshot without the sequence of its rows. */
const sorted = (snapshot: Snapshot) => ({
  ...snapshot,
  nodes: [...snapshot.nodes],
  queued: [...snapshot.queued].toSorted((a, b) => a.seq - b.seq),
  active: [...snapshot.active],
  usage: [...snapshot.usage],
  reservations: [...snapshot.reservations],
})

/** Needs that throw when they are read the `count`-th time. */
function failingNeeds(count: number): Needs {
  let left = count
  return {
    memoryGb: 1,
    gpus: 0,
    get cores(): number {
      if (left-- <= 0) throw new Error('it fails')
      return 1
    },
  }
}

test('a what-if that throws, wherever it does, leaves the planner as it was', () => {
  const large = jobOf(16, { id: 'large', submittedAt: morning - 30 * hour })
  const small = jobOf(12, { limitSeconds: 90_000 })
  const planner = new Planner(snapshotOf({ active: [running(8)], queued: [large, small] }))
  const plan = planner.plan(morning)
  assert.equal(plan.reservations.length, 1)
  const before = sorted(planner.snapshot())
  let thrown = 0
  for (let count = 0; count < 40; count++) {
    try {
      planner.whatIf(small.id, { needs: failingNeeds(count) }, morning)
    } catch (error) {
      assert.match(String(error), /it fails/)
      thrown++
    }
    assert.deepEqual(sorted(planner.snapshot()), before, `after ${count} reads`)
  }
  assert.ok(thrown > 3, `${thrown} threw`)
  assert.deepEqual(planner.plan(morning).placements, plan.placements)
})

test('a priority of a job with a start time leaves it waiting for that time', () => {
  const later = jobOf(1, { notBefore: morning + hour })
  const planner = new Planner(snapshotOf({ nodes: [node], queued: [later] }))
  assert.equal(planner.priorityOf(later.id, morning)?.age, 0)
  assert.deepEqual([...planner.snapshot().queued], [later])
  assert.equal(planner.reasonOf(later.id, morning)?.kind, 'not-before')
})
