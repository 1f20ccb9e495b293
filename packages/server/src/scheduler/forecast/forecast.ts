import { Charges } from '../rules/charges.ts'
import { Planner } from '../planner/planner.ts'
import { randomFrom } from '../../lib/random.ts'
import type { Sample, SampleSize } from './sample.ts'
import { simulate } from './simulate.ts'
import type { ActiveJob, QueuedJob } from '../cache/snapshot.ts'

/** Most queues fit whole, since a sample costs accuracy; a simulation takes at most about 200 ms. */
const sampleSize: SampleSize = { jobs: 2000, work: 300_000, nodes: 64, active: 2000 }

/** A queue is simulated so many times, or as often as the work of one large sample allows. */
const mostDraws = 5

/** A simulation ends after this time: later starts are extrapolated. */
const horizonMs = 120 * 86_400_000

/**
 * In how many seconds a waiting job is expected to start: the planner runs forward on a virtual clock, every job runs for a time drawn
 * from its history, and no new job is submitted. The result is the median of some draws; of a long queue a sample runs (sample.ts).
 * `band` (calibration.ts) corrects it by what came of earlier forecasts. Undefined where the job does not wait, or never starts.
 * @param seed - The same seed gives the same draws.
 */
export function forecast(planner: Planner, jobId: string, now: number, seed: number): number | undefined {
  const random = randomFrom(seed)
  const draws: number[] = []
  for (let drawn = 0, work = 0; drawn < mostDraws && work < sampleSize.work / 2; drawn++) {
    const sample = planner.sample(jobId, sampleSize, now, random)
    if (sample === undefined) return undefined
    work += sample.work
    const seconds = startOf(sample, jobId, now, random)
    if (seconds !== undefined) draws.push(seconds)
  }
  return draws.toSorted((a, b) => a - b)[draws.length >> 1]
}

/** In how many seconds a job starts in one simulation; undefined where no job ever starts. */
function startOf(sample: Sample, jobId: string, now: number, random: () => number): number | undefined {
  const { offPeak, thinning, single, limitSeconds } = sample
  const [queued, active, usage] = [[...sample.snapshot.queued], [...sample.snapshot.active], [...sample.snapshot.usage]]
  const snapshot = { ...sample.snapshot, queued, active, usage }
  const notBefore = new Map(queued.flatMap(({ id, notBefore: at }) => (at === undefined ? [] : [[id, at] as const])))
  const charges = new Charges(snapshot.policy, usage, offPeak)
  let hasStarted = false
  let placed = 0
  let placedAt = now
  // Time in the whole queue: the jobs that one of the sample stands for start after it, each as long after the one before.
  let passedMs = 0
  const end = simulate({
    decider: new Planner(snapshot, offPeak),
    now,
    active,
    runSeconds: (job) => drawRunSeconds(job, now, random),
    onPlaced: (job) => {
      // The part of the wait that is due to the job's own start time or window is not multiplied.
      const due = Math.max(placedAt, notBefore.get(job.id) ?? 0)
      const ready = Math.min(job.placedAt, (job.offPeak === true ? offPeak?.nextOpening(due) : undefined) ?? due)
      hasStarted = job.id === jobId
      passedMs += ready - placedAt + (job.placedAt - ready) * (single.has(job.id) ? 1 : thinning)
      placedAt = job.placedAt
      placed++
      return !hasStarted
    },
    onEnded: (job, endedAt) => charges.ended(job, endedAt),
    until: now + horizonMs,
  })
  if (hasStarted) return Math.max(limitSeconds, passedMs / 1000)
  // The queue goes on at the same pace.
  return placed === 0 ? undefined : (((passedMs + end - placedAt) / 1000) * queued.length) / placed
}

function drawRunSeconds(job: QueuedJob | ActiveJob, now: number, random: () => number): number {
  const elapsed = 'placedAt' in job ? Math.max(0, (now - job.placedAt) / 1000) : 0
  const possible = (job.history ?? job.prior ?? []).filter((seconds) => seconds > elapsed)
  const drawn = possible[Math.floor(random() * possible.length)]
  if (drawn !== undefined) return Math.min(drawn, job.limitSeconds)
  // No run took as long: uniform up to the estimate, or where that is over, up to the limit.
  const most = elapsed < job.estimateSeconds ? job.estimateSeconds : Math.max(job.limitSeconds, elapsed + 60)
  return elapsed + random() * (most - elapsed)
}
