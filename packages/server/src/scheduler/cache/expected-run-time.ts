import { percentile, studentQuantile } from '../../lib/quantiles.ts'
import type { PlannedJob } from './snapshot.ts'

/** From so many runs of its own history on, a job may start before a reservation by them. */
export const trustedRuns = 5
/** Runs differ by at least this part: the times of the next one are not exactly those of the last. */
const leastDeviation = 0.03

/** How long a job is expected to run: the planner's fields for it. */
export type ExpectedRunTime = Pick<PlannedJob, 'estimateSeconds' | 'trustedSeconds' | 'history' | 'prior'>

/** What is known of a job's run time. */
export interface RunTimeKnowledge {
  readonly limitSeconds: number
  /** Its submission gave the limit: it says something about the run time. */
  readonly isLimitGiven: boolean
  /** Seconds of runs with its fingerprint, ascending; undefined where too few are known. */
  readonly history: readonly number[] | undefined
  /** Seconds of runs of its class, ascending. */
  readonly ofClass: readonly number[]
  /** The policy's `backfill.confidence`. */
  readonly confidence: number
}

/**
 * By the runs of its own history; without one by its limit where the submission gave it, and otherwise by the runs of its class. Of
 * those the confidence is halfway to certainty: other users' jobs say less. Pure.
 */
export function expectedRunTime(known: RunTimeKnowledge): ExpectedRunTime {
  const { limitSeconds, isLimitGiven, history, ofClass, confidence } = known
  const within = (seconds: number): number => Math.max(1, Math.min(limitSeconds, seconds))
  const trustedOfClass = isLimitGiven ? {} : { trustedSeconds: within(percentile(ofClass, (1 + confidence) / 2)) }
  if (history === undefined) {
    if (isLimitGiven) return { estimateSeconds: limitSeconds }
    return { estimateSeconds: within(percentile(ofClass, estimatedPart)), ...trustedOfClass, prior: ofClass }
  }
  const trusted =
    history.length < trustedRuns ? trustedOfClass : { trustedSeconds: within(boundOf(history, confidence)) }
  return { estimateSeconds: within(percentile(history, estimatedPart)), ...trusted, history }
}

/** Three in four runs take no longer than a job is expected to. */
export const estimatedPart = 0.75

/** By history array, since all jobs with a fingerprint share theirs. */
const bounds = new WeakMap<readonly number[], { readonly confidence: number; readonly seconds: number }>()

/**
 * Within how many seconds the next run ends with a confidence: the prediction bound of a log-normal distribution for so many runs, and
 * no less than that part of the runs took.
 */
function boundOf(runs: readonly number[], confidence: number): number {
  const cached = bounds.get(runs)
  if (cached?.confidence === confidence) return cached.seconds
  const logs = runs.map((each) => Math.log(Math.max(1, each)))
  const mean = logs.reduce((sum, log) => sum + log, 0) / logs.length
  const variance = logs.reduce((sum, log) => sum + (log - mean) ** 2, 0) / (logs.length - 1)
  const deviation = Math.max(leastDeviation, Math.sqrt(variance)) * Math.sqrt(1 + 1 / logs.length)
  const predicted = Math.exp(mean + studentQuantile(confidence, logs.length - 1) * deviation)
  const seconds = Math.max(predicted, percentile(runs, confidence))
  bounds.set(runs, { confidence, seconds })
  return seconds
}
