import assert from 'node:assert/strict'
import { test } from 'node:test'
import { median, percentile, slope } from './statistics.ts'

test('the median is the value in the middle', () => {
  assert.equal(median([3, 1, 2]), 2)
  assert.equal(median([4, 1, 2, 3]), 2.5)
  assert.equal(median([7]), 7)
  assert.throws(() => median([]))
})

test('a percentile is one of the values', () => {
  const values = [5, 1, 4, 2, 3]
  assert.equal(percentile(values, 0.5), 3)
  assert.equal(percentile(values, 0.99), 5)
  assert.equal(percentile(values, 0), 1)
})

test('the slope is of the line with the least squares', () => {
  assert.equal(
    slope([
      [0, 1],
      [1, 3],
      [2, 5],
    ]),
    2,
  )
  assert.equal(
    slope([
      [0, 0],
      [1, 1],
      [2, 0],
    ]),
    0,
  )
  assert.throws(() => slope([[1, 1]]))
})
