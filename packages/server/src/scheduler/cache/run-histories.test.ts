import assert from 'node:assert/strict'
import { test } from 'node:test'
import { outcomeOf, percentile, RunHistories } from './run-histories.ts'

const job = { owner: 'ada', image: 'localhost/a:1', cmd: ['reduce'] }
const run = (seconds: number, peakBytes?: number) => ({
  endedAt: 1,
  seconds,
  ...(peakBytes === undefined ? {} : { peakBytes }),
})

test('nothing is expected before three runs are known, and then what they say', () => {
  const histories = new RunHistories()
  for (const seconds of [30, 10]) histories.learn(job, run(seconds))
  assert.equal(histories.expectation(job), undefined)
  const { stored, isNews } = histories.learn(job, run(20, 5))
  assert.equal(isNews, true)
  assert.deepEqual(
    stored.runs.map(({ seconds }) => seconds),
    [30, 10, 20],
  )
  assert.deepEqual(histories.expectation(job), { runs: 3, seconds: [10, 20, 30], peakBytes: 5 })
  assert.equal(histories.expectation(job), histories.expectation(job), 'one object for all jobs alike')
  assert.equal(histories.expectation({ ...job, owner: 'bob' }), undefined)
})

test('of many runs the last fifty count, and are news when they change the estimate', () => {
  const histories = new RunHistories()
  const news = Array.from({ length: 200 }, (_, i) => i + 1).filter((i) => histories.learn(job, run(i)).isNews)
  assert.equal(news[0], 3)
  assert.ok(news.length < 25, String(news))
  assert.equal(
    Array.from({ length: 100 }).some(() => histories.learn(job, run(200)).isNews),
    false,
  )
  const { runs, seconds = [] } = histories.expectation(job) ?? {}
  assert.deepEqual([runs, seconds[0], seconds.at(-1)], [50, 200, 200])
})

test('what was stored is known again', () => {
  const before = new RunHistories()
  const stored = [1, 2, 3].map((seconds) => before.learn(job, run(seconds)).stored).at(-1)
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
