import assert from 'node:assert/strict'
import { afterEach, test } from 'node:test'
import fc from 'fast-check'
import { chunk, stripe } from './distributed.ts'

const range = (count: number): number[] => Array.from({ length: count }, (_, index) => index)
const striped = (count: number, replica: number, total: number): number[] => [
  ...stripe(range(count), { replica, total }),
]
const chunked = (count: number, replica: number, total: number): number[] => chunk(range(count), { replica, total })

afterEach(() => {
  delete process.env['REPLICA_ID']
  delete process.env['REPLICA_COUNT']
})

// The expected values of the first two tests were printed by the published Python client 1.5.2.
test('stripe returns the same as the published client', () => {
  assert.deepEqual(striped(10, 1, 3), [0, 3, 6, 9])
  assert.deepEqual(striped(10, 2, 3), [1, 4, 7])
  assert.deepEqual(striped(3, 5, 4), [])
  assert.deepEqual(striped(3, 0, 4), [])
  assert.deepEqual(striped(3, 0, 0), [])
  assert.throws(() => striped(3, 1, 0), RangeError)
})

test('chunk returns the same as the published client: the last chunk has the remainder', () => {
  assert.deepEqual(chunked(12, 1, 3), [0, 1, 2, 3])
  assert.deepEqual(chunked(10, 3, 4), [4, 5])
  assert.deepEqual(chunked(10, 4, 4), [6, 7, 8, 9])
  assert.deepEqual(chunked(3, 2, 5), [1])
  assert.deepEqual(chunked(3, 4, 5), [])
  for (const [replica, total] of [
    [0, 3],
    [4, 3],
    [1, 0],
  ] as const)
    assert.throws(() => chunked(9, replica, total), RangeError)
})

test('the replica comes from the environment, and is 1 of 1 outside of a job', () => {
  assert.deepEqual(chunk(range(4)), [0, 1, 2, 3])
  process.env['REPLICA_ID'] = '2'
  process.env['REPLICA_COUNT'] = '3'
  assert.deepEqual([...stripe(range(6))], [1, 4])
  assert.deepEqual(chunk(range(6)), [2, 3])
  process.env['REPLICA_ID'] = 'two'
  assert.throws(() => stripe(range(6)), /REPLICA_ID is 'two'; it must be a whole number/)
})

test('stripe reads an endless source lazily', () => {
  function* endless(): Generator<number> {
    for (let index = 0; ; index += 1) yield index
  }
  const [first, second] = stripe(endless(), { replica: 2, total: 5 })
  assert.deepEqual([first, second], [1, 6])
})

test('every item is in exactly one share', () => {
  fc.assert(
    fc.property(fc.nat(200), fc.integer({ min: 1, max: 20 }), (count, total) => {
      const replicas = range(total).map((index) => index + 1)
      const byNumber = (a: number, b: number): number => a - b
      assert.deepEqual(replicas.flatMap((replica) => striped(count, replica, total)).toSorted(byNumber), range(count))
      assert.deepEqual(
        replicas.flatMap((replica) => chunked(count, replica, total)),
        range(count),
      )
    }),
  )
})
