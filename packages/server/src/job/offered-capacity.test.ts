import assert from 'node:assert/strict'
import { test } from 'node:test'
import { offeredCapacity } from './offered-capacity.ts'

const node = (cores: number, memoryGb: number, gpus = 0) => ({ cores, memoryGb, gpus })

test('capacity has the sum and the largest of each resource', () => {
  assert.deepEqual(offeredCapacity([node(4, 8), node(2, 16, 1)]), {
    ...node(6, 24, 1),
    largest: node(4, 16, 1),
  })
})

test('a node with a queue of its own counts with its largest job', () => {
  assert.deepEqual(offeredCapacity([{ ...node(40, 80), largestJob: node(4, 8) }]), {
    ...node(4, 8),
    largest: node(4, 8),
  })
})

test('the largest node counts while it is unavailable', () => {
  assert.deepEqual(offeredCapacity([node(2, 2)], node(8, 1)).largest, node(8, 2))
  assert.deepEqual(offeredCapacity([]).largest, node(0, 0))
})
