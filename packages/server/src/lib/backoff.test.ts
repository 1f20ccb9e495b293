import assert from 'node:assert/strict'
import { test } from 'node:test'
import fc from 'fast-check'
import { Backoff } from './backoff.ts'

const backoff = (random = 0) => new Backoff<string>({ firstMs: 100, mostMs: 1_000, random: () => random })

test('each failure after a wait doubles the wait, up to the most', () => {
  const waits = backoff()
  let now = 0
  const delays = Array.from({ length: 6 }, () => {
    const delay = waits.failed('a', 'why', now) - now
    now += delay
    return delay
  })
  assert.deepEqual(delays, [100, 200, 400, 800, 1_000, 1_000])
  assert.equal(waits.failed('b', 'why', now) - now, 100, 'other keys have waits of their own')
})

test('who fails or asks within a wait gets its end', () => {
  const waits = backoff()
  const retryAt = waits.failed('a', 'first', 0)
  assert.equal(waits.failed('a', 'second', 50), retryAt)
  assert.deepEqual(waits.waiting('a', 99), { failure: 'first', count: 1, retryAt })
  assert.equal(waits.waiting('a', 100), undefined)
})

test('a success, or a long time without failures, begins anew', () => {
  const waits = backoff()
  waits.failed('a', 'why', 0)
  waits.succeeded('a')
  assert.equal(waits.failed('a', 'why', 200) - 200, 100)
  assert.equal(waits.failed('a', 'why', 400) - 400, 200)
  assert.equal(waits.failed('a', 'why', 20_000) - 20_000, 100)
})

test('a wait is never shorter than a server asked for, and longer by a quarter of the most at most', () => {
  fc.assert(
    fc.property(fc.double({ min: 0, max: 0.999, noNaN: true }), fc.nat(100_000), (random, leastMs) => {
      const delay = backoff(random).failed('a', 'why', 0, leastMs)
      const least = Math.max(100, leastMs)
      assert.ok(delay >= least && delay <= least + 250 + 1, `${delay}`)
    }),
  )
})
