import { placementsPerPlan, PlannerPair } from '../forecast/planner-pair.ts'
import { emptySnapshot, type PlannerEvent, type Reservation } from '../cache/snapshot.ts'
import type { Policy } from '../../configuration/policy/policy.ts'
import { answer, type Answers, type QuestionKind, type Questions } from './questions.ts'

/** A question on its way to the worker, and what its answer depends on besides events. */
export type AskedQuestion = {
  readonly [K in QuestionKind]: {
    readonly type: 'question'
    readonly id: number
    readonly kind: K
    readonly question: Questions[K]
    readonly now: number
    /** Of the queue's last plan: they depend on earlier plans, which the worker did not make. */
    readonly reservations: readonly Reservation[]
  }
}[QuestionKind]

/** What the worker receives, in order. */
export type FeedItem =
  /** The queue anew: what came before no longer counts. */
  { readonly type: 'begin'; readonly now: number; readonly policy: Policy } | PlannerEvent | AskedQuestion

/** An answer on its way back. */
export interface FoundAnswer {
  readonly id: number
  readonly answer: Answers[QuestionKind]
}

/** The queue as the worker has it: planners that the feed keeps up to date. */
export class Mirror {
  #planners: PlannerPair | undefined

  /** Applies an event, or answers a question. */
  take(item: FeedItem): FoundAnswer | undefined {
    if (item.type === 'begin') {
      this.#planners = new PlannerPair(emptySnapshot(item.now, item.policy))
      return undefined
    }
    const planners = this.#planners
    if (planners === undefined) throw new Error(`The feed of the queue begins with ${item.type}.`)
    if (item.type === 'question') return { id: item.id, answer: answerOf(planners, item) }
    planners.apply(item)
    return undefined
  }
}

function answerOf(planners: PlannerPair, { kind, question, now, reservations }: AskedQuestion): Answers[QuestionKind] {
  planners.deciding.setReservations(reservations)
  planners.deciding.plan(now, placementsPerPlan)
  return answer(planners, kind, question, now)
}
