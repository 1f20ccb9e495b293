import assert from 'node:assert/strict'
import { test } from 'node:test'
import fc from 'fast-check'
import type { Observed } from '../executor/executor.ts'
import { attemptId, type StoredAttempt, type StoredJob } from '../job/job.ts'
import { nextState } from '../job/lifecycle.ts'
import { someJob } from '../store/testing/some-job.ts'
import { reconcile } from './reconcile.ts'

const attemptOf = (job: StoredJob): StoredAttempt => ({
  id: attemptId(job.id, job.attempt),
  jobId: job.id,
  number: job.attempt,
  node: 'here',
  placedAt: 1,
})
const active = (state: StoredJob['state'], parts: Partial<StoredJob> = {}) => someJob({ state, attempt: 1, ...parts })
const seen = (job: StoredJob, parts: Partial<Observed>): Observed => ({
  attemptId: attemptId(job.id, job.attempt),
  phase: 'preparing',
  ...parts,
})
const ending = (exitCode: number) =>
  ({ at: 50, exitCode, cause: { code: 'exited', message: 'm' }, stopped: false }) as const
const agree = (jobs: StoredJob[], observed: Observed[]) => reconcile(jobs, observed, attemptOf, () => 'over', 99, 600)

test('a placed job of which the executor knows nothing is given to it again', () => {
  const job = active('starting')
  assert.deepEqual(agree([job], []), { steps: [], start: [job], stop: [], forget: [], unrecorded: [] })
})

test('a job that was running and left no trace is lost', () => {
  const job = active('running', { startedAt: 5 })
  const [step] = agree([job], []).steps
  assert.equal(step?.event.type, 'lost')
  assert.equal(step?.fields?.cause?.code, 'lost')
  assert.equal(step?.fields?.endedAt, 99)
})

test('a start is recorded with its deadline and the digest of its image', () => {
  const job = active('starting')
  const [step] = agree([job], [seen(job, { phase: 'running', startedAt: 10, imageDigest: 'sha256:a' })]).steps
  assert.deepEqual(step?.fields, { startedAt: 10, deadlineAt: 60_010, imageDigest: 'sha256:a' })
})

test('a job that started and ended between two looks has both in its history', () => {
  const job = active('starting')
  const [step] = agree([job], [seen(job, { phase: 'ended', startedAt: 10, ending: ending(3) })]).steps
  assert.ok(step)
  assert.equal(nextState(step.from, step.event), 'failed')
  assert.deepEqual(
    step.events?.map(({ reason }) => reason),
    ['Started', 'Exited'],
  )
})

test('a job that is to end is told so, and its ending means what it was asked to end for', () => {
  const job = active('stopping', { stopReason: 'cancelled', graceSeconds: 7 })
  assert.deepEqual(agree([job], [seen(job, { phase: 'running' })]).stop, [
    { attemptId: `${job.id}-1`, graceSeconds: 7 },
  ])
  const [step] = agree([job], [seen(job, { phase: 'ended', ending: ending(143) })]).steps
  assert.ok(step)
  assert.equal(nextState(step.from, step.event), 'cancelled')
})

test('attempts of no active job are ended if they run, forgotten if they ended', () => {
  const [one, other] = [active('running'), active('running')]
  const agreement = agree([], [seen(one, { phase: 'running' }), seen(other, { phase: 'ended', ending: ending(0) })])
  assert.deepEqual(agreement.stop, [{ attemptId: `${one.id}-1`, graceSeconds: 0 }])
  assert.deepEqual(agreement.forget, [`${other.id}-1`])
})

test('attempts without a record are neither ended nor forgotten, whatever they do', () => {
  const mine = active('stopping', { stopReason: 'cancelled', graceSeconds: 7 })
  const foreign = [
    seen(active('running'), { phase: 'preparing' }),
    seen(active('running'), { phase: 'running' }),
    seen(active('running'), { phase: 'ended', ending: ending(0) }),
  ]
  const agreement = reconcile(
    [mine],
    [...foreign, seen(mine, { phase: 'running' })],
    attemptOf,
    () => undefined,
    99,
    600,
  )
  const stop = [{ attemptId: `${mine.id}-1`, graceSeconds: 7 }]
  assert.deepEqual(agreement, { steps: [], start: [], stop, forget: [], unrecorded: foreign })
})

test('an attempt whose job is active in the store, and not yet in the job cache, is left alone for this cycle', () => {
  const adopted = [
    seen(active('running'), { phase: 'running' }),
    seen(active('running'), { phase: 'ended', ending: ending(0) }),
  ]
  const nothing = { steps: [], start: [], stop: [], forget: [], unrecorded: [] }
  assert.deepEqual(
    reconcile([], adopted, attemptOf, () => 'current', 99, 600),
    nothing,
  )
})

test('every step it makes is one the lifecycle knows, and none leaves an ending untold', () => {
  const anyObserved = fc.constantFrom<Partial<Observed> | undefined>(
    undefined,
    { phase: 'preparing' },
    { phase: 'running', startedAt: 3 },
    { phase: 'ended', ending: ending(0) },
    { phase: 'ended', startedAt: 3, ending: { at: 4, cause: { code: 'lost', message: 'm' }, stopped: false } },
    { phase: 'ended', ending: { at: 4, cause: { code: 'image-not-found', message: 'm' }, stopped: true } },
  )
  const anyCase = fc.record({
    state: fc.constantFrom('starting', 'running', 'stopping' as const),
    stopReason: fc.constantFrom(undefined, 'cancelled', 'time-limit' as const),
    parts: anyObserved,
  })
  fc.assert(
    fc.property(fc.array(anyCase), (cases) => {
      const jobs = cases.map(({ state, stopReason }) => active(state, stopReason === undefined ? {} : { stopReason }))
      const observed = cases.flatMap(({ parts }, i) =>
        parts === undefined || jobs[i] === undefined ? [] : [seen(jobs[i], parts)],
      )
      const { steps } = agree(jobs, observed)
      for (const step of steps) nextState(step.from, step.event)
      const told = new Set(steps.map((step) => step.jobId))
      cases.forEach(({ parts }, i) => {
        if (parts?.ending !== undefined) assert.ok(told.has(jobs[i]?.id ?? ''))
      })
    }),
  )
})
