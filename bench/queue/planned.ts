import { Planner } from '../../packages/server/src/scheduler/planner.ts'
import { defaultPolicy } from '../../packages/server/src/scheduler/policy.ts'
import {
  type ActiveJob,
  emptySnapshot,
  type PlannerEvent,
  type PlanNode,
  type Usage,
} from '../../packages/server/src/scheduler/snapshot.ts'
import { usageAfter } from '../../packages/server/src/scheduler/usage.ts'
import { epoch, type Observer } from './replay.ts'

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
  return { planner: new Planner({ ...emptySnapshot(epoch, defaultPolicy), nodes }), observer: { onEnded } }
}
