import assert from 'node:assert/strict'
import { test } from 'node:test'
import { percentile } from '../../lib/quantiles.ts'
import { outcomeOf, RunHistories } from './run-histories.ts'

const job = { owner: 'ada', image: 'localhost/a:1', cmd: ['reduce'] }
const run = (seconds: number, peakBytes?: number) => ({
  endedAt: 1,
  seconds,
  ...(peakBytes === undefined ? {} : { peakBytes }),
})

test('three runs make an expectation, fewer do not', () => {
  const histories = new RunHistories()
  for (const seconds of [30, 10]) histories.add(job, run(seconds))
  assert.equal(histories.expectation(job), undefined)
  const { stored, estimateChanged } = histories.add(job, run(20, 5))
  assert.equal(estimateChanged, true)
  assert.deepEqual(
    stored.runs.map(({ seconds }) => seconds),
    [30, 10, 20],
  )
  assert.deepEqual(histories.expectation(job), { runs: 3, seconds: [10, 20, 30], peakBytes: 5 })
  assert.equal(histories.expectation(job), histories.expectation(job), 'one object for all jobs with the fingerprint')
  assert.equal(histories.expectation({ ...job, owner: 'bob' }), undefined)
})

test('the last fifty runs count, and the estimate changes when they move it by a quarter', () => {
  const histories = new RunHistories()
  const changes = Array.from({ length: 200 }, (_, i) => i + 1).filter((i) => histories.add(job, run(i)).estimateChanged)
  assert.equal(changes[0], 3)
  assert.ok(changes.length < 25, String(changes))
  assert.equal(
    Array.from({ length: 100 }).some(() => histories.add(job, run(200)).estimateChanged),
    false,
  )
  const { runs, seconds = [] } = histories.expectation(job) ?? {}
  assert.deepEqual([runs, seconds[0], seconds.at(-1)], [50, 200, 200])
})

test('stored runs give the same expectation in a new process', () => {
  const before = new RunHistories()
  const stored = [1, 2, 3].map((seconds) => before.add(job, run(seconds)).stored).at(-1)
  assert.ok(stored)
  assert.deepEqual(new RunHistories([stored]).expectation(job), before.expectation(job))
})

test('percentiles lie between values in proportion', () => {
  assert.equal(percentile([10, 20], 0.5), 15)
  assert.equal(percentile([1, 2, 3, 4, 5], 0.9), 4.6)
  assert.equal(percentile([7], 0.1), 7)
})

test('a run of a second more or less is inside', () => {
  assert.equal(outcomeOf(5.2, 5, 5), 'inside')
  assert.equal(outcomeOf(7, 5, 5), 'late')
  assert.equal(outcomeOf(900, 1000, 2000), 'early')
  assert.equal(outcomeOf(2090, 1000, 2000), 'inside')
})

test('a run that is undone leaves the history, its estimate and its number of runs as before', () => {
  const histories = new RunHistories()
  const first = histories.add(job, run(10))
  first.undo()
  assert.equal(histories.size, 0)
  for (let i = 0; i < 50; i++) histories.add(job, run(10 + i))
  const before = histories.expectation(job)
  const [one, two] = [histories.add(job, run(1000)), histories.add(job, run(2000))]
  two.undo()
  one.undo()
  assert.deepEqual(histories.expectation(job), before, 'also the run that the fiftieth had pushed out')
  const [three, four] = [histories.add(job, run(3000)), histories.add(job, run(4000))]
  three.undo()
  assert.deepEqual(histories.expectation(job)?.seconds.at(-1), 4000, 'a later run stays')
  four.undo()
})

test('histories without a run for as long as the store keeps them are dropped', () => {
  const histories = new RunHistories()
  const at = (endedAt: number, owner: string) => histories.add({ ...job, owner }, { endedAt, seconds: 1 })
  for (let i = 0; i < 1000; i++) at(i, `user${i}`)
  at(5000, 'user1')
  histories.prune(900)
  assert.equal(histories.size, 101)
})
