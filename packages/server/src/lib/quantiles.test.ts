import assert from 'node:assert/strict'
import { test } from 'node:test'
import { normalQuantile, studentQuantile } from './quantiles.ts'

const near = (value: number, expected: number, part: number): void => {
  assert.ok(Math.abs(value - expected) <= part * Math.abs(expected), `${value} is not ${expected}`)
}

test('quantiles are those of the printed tables', () => {
  near(normalQuantile(0.95), 1.6449, 0.001)
  near(normalQuantile(0.05), -1.6449, 0.001)
  near(normalQuantile(0.99), 2.3263, 0.001)
  for (const [freedom, expected] of [
    [4, 2.1318],
    [9, 1.8331],
    [49, 1.6766],
  ] as const)
    near(studentQuantile(0.95, freedom), expected, 0.01)
})
