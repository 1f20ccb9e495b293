import assert from 'node:assert/strict'
import { test } from 'node:test'
import fc from 'fast-check'
import { someJob } from '../store/store-contract.ts'
import { explain } from './explain.ts'
import { freeCapacity, plan, type Snapshot } from './plan.ts'

const jobOf = (cores: number, memoryGb: number, gpus: number) =>
  someJob({
    resources: {
      cores: { request: cores, limit: cores },
      memoryGb: { request: memoryGb, limit: memoryGb },
      gpus,
      fixed: true,
    },
  })
const anyJob = fc
  .tuple(fc.integer({ min: 1, max: 20 }), fc.integer({ min: 1, max: 80 }), fc.integer({ min: 0, max: 2 }))
  .map((sizes) => jobOf(...sizes))
const anyNodes = fc
  .array(
    fc.record({
      cores: fc.integer({ min: 1, max: 16 }),
      memoryGb: fc.integer({ min: 1, max: 64 }),
      gpus: fc.integer({ min: 0, max: 2 }),
    }),
    { maxLength: 5 },
  )
  .map((sizes) => sizes.map((size, i) => ({ name: `node${i}`, ...size })))
const anySnapshot: fc.Arbitrary<Snapshot> = fc.record({
  nodes: anyNodes,
  active: fc.constant([]),
  queued: fc.array(anyJob, { maxLength: 40 }),
})

test('no node is ever given more than it has', () => {
  fc.assert(
    fc.property(anySnapshot, (snapshot) => {
      const { placements } = plan(snapshot)
      for (const free of freeCapacity({ nodes: snapshot.nodes, active: placements }).values())
        assert.ok(free.cores >= 0 && free.memoryGb >= 0 && free.gpus >= 0)
    }),
  )
})

test('every queued job is placed or has a reason, and nobody overtakes', () => {
  fc.assert(
    fc.property(anySnapshot, (snapshot) => {
      const { placements, deferral } = plan(snapshot)
      const queued = [...snapshot.queued]
      assert.deepEqual(
        placements.map(({ job }) => job.id),
        queued.slice(0, placements.length).map((job) => job.id),
      )
      const waiting = queued.slice(placements.length)
      assert.equal(deferral?.job.id, waiting[0]?.id)
      waiting.forEach((job, ahead) => assert.ok(explain(job, { deferral, ahead })))
    }),
  )
})

test('planning again from what was planned changes nothing', () => {
  fc.assert(
    fc.property(anySnapshot, (snapshot) => {
      const first = plan(snapshot)
      const rest = [...snapshot.queued].slice(first.placements.length)
      const second = plan({ nodes: snapshot.nodes, active: first.placements, queued: rest })
      assert.deepEqual(second.placements, [])
      assert.deepEqual(second.deferral, first.deferral)
    }),
  )
})

test('takes the node that is left with the least', () => {
  const nodes = [
    { name: 'large', cores: 16, memoryGb: 64, gpus: 0 },
    { name: 'small', cores: 4, memoryGb: 16, gpus: 0 },
  ]
  assert.equal(plan({ nodes, active: [], queued: [jobOf(2, 4, 0)] }).placements[0]?.node, 'small')
})

test('says what the first one waits for, and how many the others wait behind', () => {
  const nodes = [{ name: 'here', cores: 2, memoryGb: 8, gpus: 0 }]
  const active = [{ job: jobOf(1, 2, 0), node: 'here' }]
  const [head, next] = [jobOf(2, 4, 0), jobOf(1, 1, 0)]
  const { deferral } = plan({ nodes, active, queued: [head, next] })
  assert.equal(
    explain(head, { deferral, ahead: 0 }),
    'It is next, and waits for 2 cores and 4 GiB; 1 core and 6 GiB are free now.',
  )
  assert.equal(explain(next, { deferral, ahead: 1 }), 'It waits for its turn: 1 job is ahead of it.')
})
