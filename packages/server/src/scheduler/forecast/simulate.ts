import { Heap } from '../../lib/heap.ts'
import type { ActiveJob, Plan, PlannerEvent, QueuedJob } from '../cache/snapshot.ts'

/** The part that decides: a planner, or another kind of queue that a benchmark compares with it. */
export interface Decider {
  apply(event: PlannerEvent): void
  plan(now: number): Pick<Plan, 'placements' | 'again'>
}

/** A cluster on a virtual clock. */
export interface Simulated {
  readonly decider: Decider
  readonly now: number
  /** What runs at the beginning; the decider has it. */
  readonly active?: Iterable<ActiveJob>
  /** Submissions, in order of `submittedAt`. */
  readonly arrivals?: Iterable<QueuedJob>
  /** How long a job runs once it is placed; a job that runs at the beginning, in all. */
  readonly runSeconds: (job: QueuedJob | ActiveJob) => number
  readonly onSubmitted?: (job: QueuedJob) => void
  /** Returning false ends the simulation. */
  readonly onPlaced?: (job: ActiveJob) => boolean | void
  /** Further events for the decider at an ending: the usage that follows. */
  readonly onEnded?: (job: ActiveJob, endedAt: number) => readonly PlannerEvent[]
  /** The simulation ends at this time. Default: when nothing more happens. */
  readonly until?: number
}

interface Ending {
  readonly at: number
  readonly job: ActiveJob
}

/**
 * Runs a cluster without waiting: jumps from one event to the next, lets the decider plan after each, and carries the plan out at
 * once. Returns the time at which it ended.
 */
export function simulate(simulated: Simulated): number {
  const { decider, runSeconds, onSubmitted, onPlaced, onEnded, until = Infinity } = simulated
  const endings = new Heap<Ending>((a, b) => a.at < b.at || (a.at === b.at && a.job.id < b.job.id))
  const end = (job: ActiveJob, now: number) =>
    endings.push({ at: Math.max(now, job.placedAt + runSeconds(job) * 1000), job })
  for (const job of simulated.active ?? []) end(job, simulated.now)
  const arrivals = Iterator.from(simulated.arrivals ?? [])
  let arriving = arrivals.next()
  let { now } = simulated
  let again: number | undefined = now
  for (;;) {
    const next = Math.min(
      arriving.done === true ? Infinity : arriving.value.submittedAt,
      endings.first()?.at ?? Infinity,
      again ?? Infinity,
    )
    if (next === Infinity || next > until) return now
    now = Math.max(now, next)
    while (arriving.done !== true && arriving.value.submittedAt <= now) {
      decider.apply({ type: 'queued', job: arriving.value })
      onSubmitted?.(arriving.value)
      arriving = arrivals.next()
    }
    for (let ending = endings.first(); ending !== undefined && ending.at <= now; ending = endings.first()) {
      endings.pop()
      decider.apply({ type: 'gone', id: ending.job.id })
      for (const event of onEnded?.(ending.job, ending.at) ?? []) decider.apply(event)
    }
    const plan = decider.plan(now)
    for (const { job, node } of plan.placements) {
      const active = { ...job, node, placedAt: now }
      decider.apply({ type: 'placed', job: active })
      end(active, now)
      if (onPlaced?.(active) === false) return now
    }
    again = plan.again
  }
}
