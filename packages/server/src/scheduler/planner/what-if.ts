import type { QueueState } from '../cache/queue-state.ts'
import type { QueuedJob } from '../cache/snapshot.ts'
import {
  type Counterfactual,
  givesUpMore,
  type Modification,
  modificationsWorthTrying,
  submittedWith,
} from '../explain/counterfactuals.ts'
import { leastOf, type Size } from '../rules/size.ts'
import { type Decision, runCycle } from './cycle.ts'
import { withTemporaryJob } from './temporary-job.ts'

/** At most so many counterfactuals are found, and so many tried: each costs a cycle. */
const mostFound = 3
const mostTried = 8

/**
 * Whether a waiting job would start now if it were cancelled and submitted again with a modification: one cycle decides, with all else
 * as it is.
 * @returns the node it would start on.
 */
export function whatIf(job: QueuedJob, modification: Modification, state: QueueState, now: number): string | undefined {
  return withTemporaryJob(state, job, submittedWith(job, modification, now), () => {
    state.advance(now)
    const { placed } = runCycle(state, now, Infinity)
    return placed.find(({ entry }) => entry.job.id === job.id)?.node.name
  })
}

/**
 * The modifications with which a waiting job would start now, each tried: the few that give up least, and none that gives up more than
 * another.
 * @param suits - Whether a modification leaves the job what it needs.
 */
export function counterfactualsOf(
  job: QueuedJob,
  state: QueueState,
  nodeReservations: Decision['nodeReservations'],
  suits: (modification: Modification) => boolean,
  now: number,
): readonly Counterfactual[] {
  const room = {
    nodes: state.nodes.values(),
    reservations: nodeReservations,
    headroom: headroomOf(job, state, now),
    isShut: !state.mayStart({ offPeak: true }, now),
  }
  const found: Counterfactual[] = []
  let tried = 0
  for (const modification of modificationsWorthTrying(job, room, now)) {
    if (found.length === mostFound || tried === mostTried) break
    if (!suits(modification) || found.some((other) => givesUpMore(modification, other.modification, job))) continue
    tried++
    const node = whatIf(job, modification, state, now)
    if (node !== undefined) found.push({ modification, node })
  }
  return found
}

/** What the limits of its user and group leave. */
function headroomOf({ user, group }: QueuedJob, state: QueueState, now: number): Size {
  const { ledger, policy } = state
  const isOffPeak = state.isOffPeak(now)
  const ofUser = ledger.user(user).headroom(policy, isOffPeak)
  return group === undefined ? ofUser : leastOf(ofUser, ledger.group(group).headroom(policy, isOffPeak))
}
