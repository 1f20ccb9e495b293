import assert from 'node:assert/strict'
import { test } from 'node:test'
import fc from 'fast-check'
import { secondsUntilToken, take, type Bucket } from './token-bucket.ts'

const allowance = { burst: 3, perSecond: 2 }

test('a full bucket grants its burst at once, then its refill rate', () => {
  let bucket: Bucket | undefined
  const ask = (now: number): boolean => {
    const asked = take(bucket, allowance, now)
    bucket = asked.bucket
    return asked.taken
  }
  assert.deepEqual([0, 0, 0, 0].map(ask), [true, true, true, false])
  assert.equal(secondsUntilToken(bucket!, allowance), 1)
  assert.deepEqual([499, 500, 999, 1000].map(ask), [false, true, false, true])
  assert.deepEqual([60_000, 60_000, 60_000, 60_000].map(ask), [true, true, true, false])
})

test('after the reported wait a token is available', () => {
  fc.assert(
    fc.property(
      fc.record({ burst: fc.integer({ min: 1, max: 50 }), perSecond: fc.double({ min: 0.01, max: 50, noNaN: true }) }),
      fc.array(fc.integer({ min: 0, max: 2_000 }), { maxLength: 100 }),
      (allowance, pauses) => {
        let bucket: Bucket | undefined
        let now = 0
        for (const pause of pauses) {
          now += pause
          const asked = take(bucket, allowance, now)
          bucket = asked.bucket
          if (asked.taken) continue
          assert.ok(take(bucket, allowance, now + secondsUntilToken(bucket, allowance) * 1000 + 1).taken)
        }
      },
    ),
  )
})

test('never grants more than the burst and the refill', () => {
  fc.assert(
    fc.property(fc.array(fc.integer({ min: -500, max: 500 }), { maxLength: 300 }), (steps) => {
      let bucket: Bucket | undefined
      let now = 0
      let latest = 0
      let forward = 0
      let given = 0
      for (const step of steps) {
        now += step
        forward += Math.max(0, now - latest)
        latest = now
        const asked = take(bucket, allowance, now)
        bucket = asked.bucket
        if (asked.taken) given += 1
      }
      assert.ok(given <= allowance.burst + (forward / 1000) * allowance.perSecond + 1e-9)
    }),
  )
})
