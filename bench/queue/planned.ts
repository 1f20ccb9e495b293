import { Charges } from '../../packages/server/src/scheduler/rules/charges.ts'
import { Planner } from '../../packages/server/src/scheduler/planner/planner.ts'
import { defaultPolicy } from '../../packages/server/src/configuration/policy/policy-of.ts'
import { emptySnapshot, type PlanNode } from '../../packages/server/src/scheduler/cache/snapshot.ts'
import { epoch, type Observer } from './replay.ts'

/** The platform's planner for a replay, and the observer that charges ended jobs. */
export function planned(
  nodes: Iterable<PlanNode>,
  policy = defaultPolicy,
): {
  readonly planner: Planner
  readonly observer: Required<Pick<Observer, 'onEnded'>>
} {
  const charges = new Charges(policy)
  return {
    planner: new Planner({ ...emptySnapshot(epoch, policy), nodes }),
    observer: { onEnded: (job, endedAt) => charges.ended(job, endedAt) },
  }
}
