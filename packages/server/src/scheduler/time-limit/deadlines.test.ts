import assert from 'node:assert/strict'
import { test } from 'node:test'
import { Deadlines } from './deadlines.ts'

const hour = 3_600_000
const start = Date.UTC(2026, 10, 23, 10)
const job = { id: 'a', attempt: 1, state: 'running', deadlineAt: start + hour, timeSeconds: 3600 } as const

/** Of a job's hour, what is left at an instant, in hours, after half an hour has passed since it was first seen. */
function leftAfterHalf(step: number, firstSeenAt = start): number {
  const deadlines = new Deadlines()
  deadlines.of(job, firstSeenAt, 0)
  const now = firstSeenAt + hour / 2 + step
  return ((deadlines.of(job, now, hour / 2) ?? Number.NaN) - now) / hour
}

test('a job has its time and no more, wherever the clock is set meanwhile', () => {
  assert.equal(leftAfterHalf(0), 0.5)
  assert.equal(leftAfterHalf(10 * hour), 0.5, 'set forward')
  assert.equal(leftAfterHalf(-10 * hour), 0.5, 'set back')
})

test('the deadline that was told stays as it is while clocks only go a little differently', () => {
  const deadlines = new Deadlines()
  deadlines.of(job, start, 0)
  assert.equal(deadlines.of(job, start + hour / 2, hour / 2 + 4000), job.deadlineAt)
  assert.equal(deadlines.of(job, start + hour / 2, hour / 2 - 4000), job.deadlineAt)
})

test('a clock that was set back before the job was seen leaves it no more than its time', () => {
  assert.equal(leftAfterHalf(0, start - 10 * hour), 0.5)
})

test('what does not run, or has no deadline, has none; a deadline that is moved counts from then on', () => {
  const deadlines = new Deadlines()
  assert.equal(deadlines.of({ ...job, state: 'stopping' }, start, 0), undefined)
  const { deadlineAt: _, ...without } = job
  assert.equal(deadlines.of(without, start, 0), undefined)
  deadlines.of(job, start, 0)
  const longer = { ...job, deadlineAt: start + 2 * hour, timeSeconds: 7200 }
  assert.equal(deadlines.of(longer, start - 9 * hour, hour), start - 9 * hour + 2 * hour)
})
