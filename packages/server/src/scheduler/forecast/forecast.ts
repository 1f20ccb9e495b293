import { Charges } from '../rules/charges.ts'
import { Planner } from '../planner/planner.ts'
import { randomFrom } from '../../lib/random.ts'
import type { Sample } from './sample.ts'
import { simulate } from './simulate.ts'
import type { ActiveJob, QueuedJob } from '../cache/snapshot.ts'

/** Enough for a figure that means something, little enough for an answer at once. */
const draws = 5
const sampleSize = { jobs: 160, nodes: 64, active: 1000 }

/**
 * In how many seconds a waiting job is expected to start, from running the planner forward on a virtual clock: in each draw
 * every job runs for a time drawn from its history, and nothing new is submitted. Of a long queue a scale model is run.
 * Ascending, one for each draw; `band` (calibration.ts) makes of them what users are shown. Undefined where it does not
 * wait; empty where it never started in any draw.
 * @param seed - The same seed gives the same draws.
 */
export function forecast(planner: Planner, jobId: string, now: number, seed: number): readonly number[] | undefined {
  const random = randomFrom(seed)
  const draw = planner.sampler(jobId, sampleSize, now)
  if (draw === undefined) return undefined
  const seconds = Array.from({ length: draws }, () => startOf(draw(random), jobId, now, random))
  return seconds.filter((each) => each !== undefined).toSorted((a, b) => a - b)
}

/** In how many seconds a job starts where the sample is run once; undefined where nothing ever starts. */
function startOf(sample: Sample, jobId: string, now: number, random: () => number): number | undefined {
  const { offPeak, standsFor } = sample
  const [queued, active, usage] = [[...sample.snapshot.queued], [...sample.snapshot.active], [...sample.snapshot.usage]]
  const snapshot = { ...sample.snapshot, queued, active, usage }
  const notBefore = new Map(queued.flatMap(({ id, notBefore: at }) => (at === undefined ? [] : [[id, at] as const])))
  const charges = new Charges(snapshot.policy, usage, offPeak)
  let hasStarted = false
  let placed = 0
  let placedAt = now
  // What passed in the whole queue: of what a job stands for the others start after it, each as long after the one before.
  let passedMs = 0
  const end = simulate({
    decider: new Planner(snapshot, offPeak),
    now,
    active,
    runSeconds: (job) => drawRunSeconds(job, now, random),
    onPlaced: (job) => {
      // Nobody before it made it wait for its time.
      const due = Math.max(placedAt, notBefore.get(job.id) ?? 0)
      const ready = Math.min(job.placedAt, (job.offPeak === true ? offPeak?.nextOpening(due) : undefined) ?? due)
      passedMs += ready - placedAt + (job.placedAt - ready) * standsFor(job.id)
      placedAt = job.placedAt
      placed++
      hasStarted = job.id === jobId
      return !hasStarted
    },
    onEnded: (job, endedAt) => charges.ended(job, endedAt),
    until: now + horizonMs,
  })
  if (hasStarted) return passedMs / 1000
  // It goes on at the same pace.
  return placed === 0 ? undefined : (((passedMs + end - placedAt) / 1000) * queued.length) / placed
}

/** Nobody is told of starts that are further off. */
const horizonMs = 120 * 86_400_000

function drawRunSeconds(job: QueuedJob | ActiveJob, now: number, random: () => number): number {
  const elapsed = 'placedAt' in job ? Math.max(0, (now - job.placedAt) / 1000) : 0
  const possible = (job.history ?? []).filter((seconds) => seconds > elapsed)
  const drawn = possible[Math.floor(random() * possible.length)]
  if (drawn !== undefined) return Math.min(drawn, job.limitSeconds)
  // Nothing like it ran for so long: between now and its estimate, or where that is over, its limit, anything is as likely.
  const most = elapsed < job.estimateSeconds ? job.estimateSeconds : Math.max(job.limitSeconds, elapsed + 60)
  return elapsed + random() * (most - elapsed)
}
