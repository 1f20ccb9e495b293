import assert from 'node:assert/strict'
import { test } from 'node:test'
import { judgeFailedTry } from './postpone.ts'

const cause = { code: 'image-unreachable', message: 'The registry does not answer.' } as const
const failed = (at: number, notBefore: number, placedAt = at) => ({ cause, endedAt: at, placedAt, notBefore })

test('a failed try is followed by another one within the patience, and by a last one at its end', () => {
  const first = judgeFailedTry(failed(1_000, 6_000), {}, 10)
  assert.deepEqual(first, { type: 'postponed', notBefore: 6_000, postponed: { cause, since: 1_000, until: 11_000 } })
  assert.ok(first.type === 'postponed')
  const second = judgeFailedTry(failed(6_000, 60_000), first, 10)
  assert.deepEqual(second, { ...first, notBefore: 11_000 })
  assert.deepEqual(judgeFailedTry(failed(11_000, 60_000), second as typeof first, 10), {
    type: 'given-up',
    cause: { ...cause, message: 'The registry does not answer. It was tried again for 10 s.' },
  })
})

test('without patience the first failed try is the last, with its cause as it is', () => {
  assert.deepEqual(judgeFailedTry(failed(1_000, 6_000), {}, 0), { type: 'given-up', cause })
})

test('time in which a job waits for capacity does not count', () => {
  const postponed = { cause, since: 1_000, until: 11_000 }
  const verdict = judgeFailedTry(failed(100_500, 101_000, 100_000), { notBefore: 6_000, postponed }, 10)
  assert.deepEqual(verdict, {
    type: 'postponed',
    notBefore: 101_000,
    postponed: { cause, since: 95_000, until: 105_000 },
  })
})
