import assert from 'node:assert/strict'
import { test } from 'node:test'
import { band, isWithin, type Score } from './calibration.ts'
import { forecast } from './forecast.ts'
import { Planner } from '../planner/planner.ts'
import { randomFrom } from '../../lib/random.ts'
import type { QueuedJob, Snapshot } from '../cache/snapshot.ts'
import { hour, jobOf, minute, morning, node, snapshotOf } from '../testing/examples.ts'

const plannerOf = (parts: Partial<Snapshot>): Planner => new Planner(snapshotOf(parts))
const seconds = (planner: Planner, { id }: QueuedJob, now = morning): number => forecast(planner, id, now, 1) ?? NaN
/** A job of the whole node whose earlier runs all took so many minutes. */
const whole = (minutes: number, parts: Partial<QueuedJob> = {}): QueuedJob =>
  jobOf(16, { limitSeconds: 86_400, estimateSeconds: minutes * 60, history: [minutes * 60], ...parts })

test('where run times are known the expected start is what the planner will do', () => {
  const first = { ...whole(60, { user: 'cyd' }), node: node.name, placedAt: morning - 30 * minute }
  const [second, third] = [whole(45), whole(10, { user: 'bob', submittedAt: morning + minute })]
  const planner = plannerOf({ now: morning + minute, active: [first], queued: [second, third] })
  assert.equal(forecast(planner, second.id, morning + minute, 1), 29 * 60)
  assert.equal(forecast(planner, third.id, morning + minute, 1), (29 + 45) * 60)
  assert.equal(forecast(planner, first.id, morning, 1), undefined, 'it does not wait')
})

test('a running job is charged when it ends, in the forecast too: a user without usage is next', () => {
  const running = { ...whole(60), node: node.name, placedAt: morning }
  const hers = whole(30)
  const his = whole(30, { user: 'bob', submittedAt: morning + minute })
  const planner = plannerOf({ active: [running], queued: [hers, his] })
  const now = morning + 30 * minute
  assert.equal(forecast(planner, his.id, now, 1), 30 * 60)
  assert.equal(forecast(planner, hers.id, now, 1), 60 * 60)
})

test('the same seed gives the same forecast, and a forecast leaves the planner as it was', () => {
  const queued = Array.from({ length: 30 }, (_, i) => jobOf(4, { user: `u${i % 3}`, history: [60, 600, 3000] }))
  const planner = plannerOf({ queued })
  const before = planner.plan(morning)
  const wanted = queued[29] as QueuedJob
  assert.equal(forecast(planner, wanted.id, morning, 5), forecast(planner, wanted.id, morning, 5))
  assert.ok((forecast(planner, wanted.id, morning, 5) ?? 0) > 0)
  assert.deepEqual(planner.plan(morning).placements, before.placements)
})

test('a sample of a long queue gives about the same', () => {
  const nodes = Array.from({ length: 64 }, (_, i) => ({ ...node, name: `n${i}` }))
  const queued = Array.from({ length: 6400 }, () => jobOf(4, { history: [600] }))
  const last = queued.at(-1) as QueuedJob
  // 256 run at once: the last of 6,400 starts after 24 rounds of ten minutes.
  const expected = seconds(plannerOf({ nodes, queued }), last)
  assert.ok(Math.abs(expected - 24 * 600) < 0.15 * 24 * 600, `${expected}`)
  const single = seconds(plannerOf({ queued }), last)
  assert.ok(Math.abs(single - 1599 * 600) < 0.15 * 1599 * 600, `${single}`)
})

test('the band holds four in five starts, whatever the error of the forecasts', () => {
  const random = randomFrom(3)
  const scores: Score[] = []
  let within = 0
  const rounds = 2000
  for (let i = 0; i < rounds; i++) {
    const expected = Math.exp(3 + 8 * random())
    // Twice too low as a rule, and wide.
    const waited = expected * 2 * Math.exp(2 * (random() + random() - 1))
    const answer = band(expected, scores)
    if (i >= 200 && isWithin(answer, waited)) within++
    scores.push({ forecast: expected, waited })
  }
  assert.ok(Math.abs(within / (rounds - 200) - 0.8) < 0.03, `${within / (rounds - 200)}`)
})

test('a counterfactual is tried on the planner, and comes true', () => {
  const running = { ...jobOf(12), needs: { cores: 12, memoryGb: 20, gpus: 0 }, node: node.name, placedAt: morning }
  const tooLarge = jobOf(8, { needs: { cores: 8, memoryGb: 40, gpus: 0 } })
  const night = jobOf(1, { offPeak: true })
  const later = jobOf(1, { notBefore: morning + hour })
  const planner = plannerOf({ active: [running], queued: [tooLarge, night, later] })
  planner.plan(morning)
  const counterfactualsOf = (job: QueuedJob) =>
    planner.counterfactuals(job.id, morning).map(({ modification }) => modification)
  assert.deepEqual(counterfactualsOf(tooLarge), [{ needs: { cores: 4, memoryGb: 40, gpus: 0 } }])
  assert.deepEqual(counterfactualsOf(night), [{ anyHour: true }])
  assert.deepEqual(counterfactualsOf(later), [{ atOnce: true }])
  const plan = plannerOf({
    active: [running],
    queued: [{ ...tooLarge, needs: { cores: 4, memoryGb: 40, gpus: 0 } }],
  }).plan(morning)
  assert.equal(plan.placements.length, 1)
  assert.equal(planner.whatIf(tooLarge.id, { needs: { cores: 5, memoryGb: 40, gpus: 0 } }, morning), undefined)
})

test('a shorter time that ends before what is reserved would start it', () => {
  const running = { ...jobOf(8), node: node.name, placedAt: morning }
  const large = jobOf(16, { user: 'bob', submittedAt: morning - 40 * hour })
  const long = jobOf(1, { limitSeconds: 90_000, estimateSeconds: 90_000 })
  const planner = plannerOf({ active: [running], queued: [large, long] })
  planner.plan(morning)
  const [first] = planner.counterfactuals(long.id, morning)
  const seconds = first?.modification.limitSeconds ?? 0
  assert.ok(seconds >= 1200 && seconds <= 2880, `${seconds}`)
  assert.equal(first?.node, 'n1')
  assert.equal(planner.reasonOf(long.id, morning)?.kind, 'backfill', 'the job itself waits as before')
})
