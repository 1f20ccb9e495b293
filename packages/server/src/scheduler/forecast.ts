import { Charges } from './charges.ts'
import { Planner } from './planner.ts'
import { randomFrom } from './random.ts'
import { simulate } from './simulate.ts'
import type { ActiveJob, QueuedJob } from './snapshot.ts'

/** Enough for a figure that means something, little enough for an answer at once. */
const draws = 5
const sampleSize = { jobs: 200, nodes: 64, active: 1000 }

/**
 * In how many seconds a waiting job is expected to start, from running the planner forward on a virtual clock: in each draw
 * every job runs for a time drawn from its history, and nothing new is submitted. Of a long queue a scale model is run.
 * Ascending, one for each draw; `band` (calibration.ts) makes of them what users are shown. Undefined where it does not
 * wait; empty where it never started in any draw.
 * @param seed - The same seed gives the same draws.
 */
export function forecast(planner: Planner, jobId: string, now: number, seed: number): readonly number[] | undefined {
  const random = randomFrom(seed)
  const seconds: number[] = []
  for (let draw = 0; draw < draws; draw++) {
    const sample = planner.sample(jobId, sampleSize, random)
    if (sample === undefined) return undefined
    const { snapshot, depth } = sample
    const active = [...snapshot.active]
    let startedAt: number | undefined
    let placed = 0
    const waiting = [...snapshot.queued]
    const usage = [...snapshot.usage]
    const charges = new Charges(snapshot.policy, usage)
    const end = simulate({
      decider: new Planner({ ...snapshot, now, active, usage, queued: waiting }),
      now,
      active,
      runSeconds: (job) => drawRunSeconds(job, now, random),
      onPlaced: (job) => {
        placed++
        if (job.id === jobId) startedAt = job.placedAt
        return startedAt === undefined
      },
      onEnded: (job, endedAt) => charges.ended(job, endedAt),
      until: now + horizonMs,
    })
    // Only the first part of the queue was run: the rest goes at the same pace.
    if (startedAt !== undefined) seconds.push((startedAt - now) / 1000 / depth)
    else if (placed > 0) seconds.push((((end - now) / 1000) * waiting.length) / placed / depth)
  }
  return seconds.toSorted((a, b) => a - b)
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
