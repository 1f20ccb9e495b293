import assert from 'node:assert/strict'
import { describe, it } from 'node:test'
import { nodesOf } from './node-capacity.ts'
import type { NodeRecord, Tenant } from './records.ts'

const node = (name: string, changes: Partial<NodeRecord> = {}): NodeRecord => ({
  name,
  uid: name,
  version: 1,
  ready: true,
  cordoned: false,
  labels: {},
  taints: [],
  cores: 4,
  memoryGb: 8,
  gpus: 1,
  ...changes,
})
const tenant = (on: string, cores: number, memoryGb: number): Tenant => ({
  name: `${on}-${cores}`,
  uid: on,
  version: 1,
  node: on,
  cores,
  memoryGb,
  gpus: 0,
})
const plain = { nodeSelector: {}, tolerations: [], overcommit: 1 }
const names = (nodes: readonly NodeRecord[], settings: Parameters<typeof nodesOf>[2] = plain) =>
  nodesOf(nodes, [], settings).map(({ name }) => name)

describe('the capacity of a cluster', () => {
  it('is what is allocatable less the requests of other programs', () => {
    const offered = nodesOf([node('a'), node('b')], [tenant('a', 1, 2), tenant('a', 0.5, 1), tenant('c', 9, 9)], plain)
    assert.deepEqual(offered, [
      { name: 'a', cores: 2.5, memoryGb: 5, gpus: 1 },
      { name: 'b', cores: 4, memoryGb: 8, gpus: 1 },
    ])
    assert.deepEqual(nodesOf([node('a')], [tenant('a', 4, 0)], plain), [])
  })

  it('excludes nodes that are cordoned, silent or not for jobs', () => {
    const gpu = [{ key: 'gpu', value: 'yes', effect: 'NoSchedule' }]
    const nodes = [
      node('cordoned', { cordoned: true }),
      node('silent', { ready: false }),
      node('kept', { taints: gpu }),
      node('preferred', { taints: [{ key: 'x', value: '', effect: 'PreferNoSchedule' }] }),
      node('labelled', { labels: { pool: 'batch' } }),
    ]
    assert.deepEqual(names(nodes), ['preferred', 'labelled'])
    assert.deepEqual(names(nodes, { ...plain, nodeSelector: { pool: 'batch' } }), ['labelled'])
    for (const toleration of [
      { key: 'gpu', value: 'yes' },
      { key: 'gpu', operator: 'Exists' },
      { operator: 'Exists' },
    ] as const)
      assert.deepEqual(names(nodes, { ...plain, tolerations: [toleration] }), ['kept', 'preferred', 'labelled'])
    assert.deepEqual(names(nodes, { ...plain, tolerations: [{ key: 'gpu', value: 'no' }] }), ['preferred', 'labelled'])
  })

  it('is multiplied where Kueue queues, but not for one job', () => {
    const queue = { localQueue: 'q', priorityClasses: {}, depth: 10 }
    assert.deepEqual(nodesOf([node('a')], [], { ...plain, queue }), [
      { name: 'a', cores: 40, memoryGb: 80, gpus: 10, largestJob: { cores: 4, memoryGb: 8, gpus: 1 } },
    ])
    assert.equal(nodesOf([node('a')], [], { ...plain, overcommit: 2 })[0]?.cores, 8)
  })
})
