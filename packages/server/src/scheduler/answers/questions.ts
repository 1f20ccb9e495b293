import type { QueueOverview } from '@science-platform/contract'
import type { StartForecast } from '../../store/store.ts'
import { explain, forecastStart, type WhyAnswer, type WhyQuestion } from '../explain/explain.ts'
import { overview, type OverviewQuestion } from '../explain/overview.ts'
import type { PlannerPair } from '../forecast/planner-pair.ts'
import type { GivenForecast } from '../forecast/start-forecasts.ts'

/** What may be asked of the queue, by kind: plain data, which a structured clone carries to a worker thread. */
export interface Questions {
  readonly why: WhyQuestion
  readonly overview: OverviewQuestion
  /** When a waiting job is expected to start. */
  readonly start: { readonly jobId: string; readonly outcomes: readonly StartForecast[] }
}

export type QuestionKind = keyof Questions

/** The answers, by the same kinds. */
export interface Answers {
  readonly why: WhyAnswer
  readonly overview: QueueOverview
  /** Undefined where the job does not wait, or never starts. */
  readonly start: GivenForecast | undefined
}

const answerers: {
  readonly [K in QuestionKind]: (planners: PlannerPair, question: Questions[K], now: number) => Answers[K]
} = {
  why: explain,
  overview,
  start: (planners, { jobId, outcomes }, now) => forecastStart(planners, jobId, outcomes, now),
}

/** Answers a question by planners that have planned. They are as before when it returns. */
export function answer<K extends QuestionKind>(
  planners: PlannerPair,
  kind: K,
  question: Questions[K],
  now: number,
): Answers[K] {
  return answerers[kind](planners, question, now)
}
