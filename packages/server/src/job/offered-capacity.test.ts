import assert from 'node:assert/strict'
import { test } from 'node:test'
import { offeredCapacity } from './offered-capacity.ts'

const node = (cores: number, memoryGb: number, gpus = 0) => ({ cores, memoryGb, gpus })

test('capacity is summed up, and the largest of each is told', () => {
  assert.deepEqual(offeredCapacity([node(4, 8), node(2, 16, 1)]), {
    ...node(6, 24, 1),
    largest: node(4, 16, 1),
  })
})

test('a node that queues by itself counts with what it can run', () => {
  assert.deepEqual(offeredCapacity([{ ...node(40, 80), largestJob: node(4, 8) }]), {
    ...node(4, 8),
    largest: node(4, 8),
  })
})

test('what was once on offer is remembered while its node is away', () => {
  assert.deepEqual(offeredCapacity([node(2, 2)], node(8, 1)).largest, node(8, 2))
  assert.deepEqual(offeredCapacity([]).largest, node(0, 0))
})
