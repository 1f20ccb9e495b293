import type { Why } from '@science-platform/contract'
import { isEnded } from '@science-platform/contract/states'
import type { StoredJob } from '../../job/job.ts'
import type { EstimateScores, StartForecast } from '../../store/store.ts'
import type { Policy } from '../../configuration/policy/policy.ts'
import { needsOf } from '../cache/planned-job.ts'
import type { Expectation } from '../cache/run-histories.ts'
import { forecast } from '../forecast/forecast.ts'
import type { PlannerPair } from '../forecast/planner-pair.ts'
import { givenForecast, type GivenForecast } from '../forecast/start-forecasts.ts'
import { classOf } from '../rules/job-class.ts'
import { adviceOf, suitsRuns } from './advice.ts'
import { type ExpectedStart, whyOf } from './why.ts'

/** A question why a job waits. */
export interface WhyQuestion {
  readonly job: StoredJob
  /** What past runs of its fingerprint say. */
  readonly expectation: Expectation | undefined
  /** What came of earlier forecasts, newest last. */
  readonly outcomes: readonly StartForecast[]
  readonly scores: EstimateScores
  readonly policy: Policy
}

/** The answer, and the forecast that it gives: the caller records it, so that the job's start can be scored. */
export interface WhyAnswer {
  readonly why: Why
  readonly given: GivenForecast | undefined
}

/** Why a job waits, from planners that have planned. They are as before when it returns. */
export function explain(planners: PlannerPair, question: WhyQuestion, now: number): WhyAnswer {
  const { job, expectation, outcomes, scores, policy } = question
  const { deciding, nodesQueueJobs } = planners
  const { id } = job
  const isWaiting = job.state === 'queued'
  const waitsInNode = job.state === 'starting' && nodesQueueJobs
  const given = isWaiting || waitsInNode ? forecastStart(planners, id, outcomes, now) : undefined
  const found = isWaiting ? deciding.counterfactuals(id, now, (each) => suitsRuns(each, expectation)) : []
  const why = whyOf({
    job,
    now,
    policy,
    jobClass: classOf(needsOf(job), policy),
    waiting: deciding.queueLength,
    reason: isWaiting ? deciding.reasonOf(id, now) : undefined,
    ahead: deciding.ahead(id, now),
    priority: deciding.priorityOf(id, now),
    expectation: isEnded(job.state) ? undefined : expectation,
    start: given && expectedStart(given),
    advice: adviceOf(found, job, expectation),
    scores,
  })
  return { why, given }
}

/** Forecasts when a job starts; undefined where it does not wait, or never starts. */
export function forecastStart(
  planners: PlannerPair,
  jobId: string,
  outcomes: readonly StartForecast[],
  now: number,
): GivenForecast | undefined {
  const earliest = planners.deciding.earliestStart(jobId, now)
  const seconds = forecast(planners.forecasting, jobId, now, now)
  // The certain part of the wait is not estimated: the forecast counts from its end.
  return seconds === undefined
    ? undefined
    : givenForecast(Math.max(0, seconds - (earliest - now) / 1000), earliest, outcomes)
}

function expectedStart({ from, band }: GivenForecast): ExpectedStart {
  const at = (seconds: number): number => Math.round(from + seconds * 1000)
  return { p10: at(band.p10), p50: at(band.p50), p90: at(band.p90) }
}
