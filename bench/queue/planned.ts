import { Planner } from '../../packages/server/src/scheduler/planner.ts'
import { defaultPolicy } from '../../packages/server/src/scheduler/policy.ts'
import type {
  ActiveJob,
  PlannerEvent,
  PlanNode,
  Policy,
  Snapshot,
  Usage,
} from '../../packages/server/src/scheduler/snapshot.ts'
import { usageAfter } from '../../packages/server/src/scheduler/usage.ts'
import { epoch, type Observer } from './replay.ts'

/** A snapshot of a cluster of which nothing is known but its nodes. */
export const emptySnapshot = (nodes: Iterable<PlanNode>, policy: Policy = defaultPolicy): Snapshot => ({
  now: epoch,
  policy,
  nodes,
  queued: [],
  active: [],
  usage: [],
  users: new Map(),
  groups: new Map(),
  served: new Map(),
  reservations: [],
})

/** The platform's planner for a replay, and what tells it what jobs have used when they end. */
export function planned(nodes: Iterable<PlanNode>): {
  readonly planner: Planner
  readonly observer: Required<Pick<Observer, 'onEnded'>>
} {
  const usages = new Map<string, Usage>()
  const onEnded = (job: ActiveJob, endedAt: number): PlannerEvent[] => {
    const key = `${job.user} ${job.group ?? ''}`
    const usage = usageAfter(usages.get(key), { ...job, endedAt }, defaultPolicy, undefined)
    usages.set(key, usage)
    return [{ type: 'usage', usage }]
  }
  return { planner: new Planner(emptySnapshot(nodes)), observer: { onEnded } }
}
