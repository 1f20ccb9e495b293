import assert from 'node:assert/strict'
import { test } from 'node:test'
import { warningsOf } from './warnings.ts'

const job = { state: 'running', deadlineAt: 10_000_000, timeSeconds: 3600, graceSeconds: 30 } as const

test('a tenth of its time before, and ten minutes at most, it is told that the end is near', () => {
  const [only, ...others] = warningsOf(job)
  assert.deepEqual(others, [])
  assert.equal(only?.at, 10_000_000 - 360_000)
  assert.equal(only.message, '6 minutes of its time are left; then it gets SIGTERM, and SIGKILL 30 seconds later.')
  assert.equal(warningsOf({ ...job, timeSeconds: 1_209_600 })[0]?.at, 10_000_000 - 600_000)
})

test('a signal is sent when it was asked for, in order with the notice', () => {
  const warnings = warningsOf({ ...job, signal: { name: 'USR1', secondsBefore: 600 } })
  assert.deepEqual(
    warnings.map(({ at, reason }) => [at, reason]),
    [
      [9_400_000, 'WarningSignal'],
      [9_640_000, 'TimeLimitNear'],
    ],
  )
})

test('what does not run is not warned', () => {
  assert.deepEqual(warningsOf({ ...job, state: 'stopping' }), [])
  assert.deepEqual(warningsOf({ ...job, state: 'starting' }), [])
})
