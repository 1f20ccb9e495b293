import assert from 'node:assert/strict'
import { test } from 'node:test'
import { QueueState } from './queue-state.ts'
import { jobOf, morning, node, running, snapshotOf } from '../testing/examples.ts'

test('a node that changes, vanishes and comes back has the allocations of its jobs', () => {
  const active = [running(4, { id: 'a' }), running(2, { id: 'b' }), running(8, { id: 'c', node: 'n2' })]
  const state = new QueueState(snapshotOf({ nodes: [node, { ...node, name: 'n2' }], active }))
  const free = () => [...state.nodes.values()].map(({ name, free: { milliCores } }) => `${name} ${milliCores / 1000}`)
  state.apply({ type: 'node', node: { ...node, cores: 32 } })
  assert.deepEqual(free(), ['n2 8', 'n1 26'])
  state.apply({ type: 'nodeGone', name: 'n1' })
  state.apply({ type: 'gone', id: 'a' })
  state.apply({ type: 'placed', job: running(1, { id: 'd' }) })
  state.apply({ type: 'placed', job: { ...running(3), id: 'c', node: 'n1' } })
  state.apply({ type: 'node', node })
  assert.deepEqual(free(), ['n2 16', 'n1 10'])
})

test('a change of one node reads the allocations of that node alone', () => {
  const nodes = Array.from({ length: 500 }, (_, i) => ({ ...node, name: `n${i}` }))
  const active = Array.from({ length: 10_000 }, (_, i) => running(1, { id: `job-${i}`, node: `n${i % 500}` }))
  const state = new QueueState(snapshotOf({ nodes, active: [], queued: [jobOf(1)] }))
  let reads = 0
  for (const job of active) {
    const { node: name } = job
    const counted = Object.defineProperty({ ...job }, 'node', { get: () => (reads++, name), enumerable: true })
    state.apply({ type: 'placed', job: counted })
  }
  reads = 0
  for (const each of nodes) state.apply({ type: 'node', node: { ...each, memoryGb: 128 } })
  assert.ok(reads <= active.length, `${reads} reads of ${active.length} allocations`)
  assert.equal(state.nodes.get('n7')?.allocations(morning).length, 20)
})
