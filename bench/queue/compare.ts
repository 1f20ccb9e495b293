import { defaultPolicy } from '../../packages/server/src/configuration/policy/policy-of.ts'
import type { Decider } from '../../packages/server/src/scheduler/forecast/simulate.ts'
import { FirstCome } from './first-come.ts'
import { planned } from './planned.ts'
import { boundedSlowdown, classOfJob, type Observer, replay } from './replay.ts'
import type { Trace, TraceJob } from './trace.ts'

/** The figures of a queue for a trace. */
export interface Treatment {
  readonly queue: string
  /** Used part of all cores, from the first submission to the last. */
  readonly utilisation: number
  /** Mean bounded slowdown of all jobs and by class. Undefined for a class without jobs. */
  readonly slowdown: Readonly<Record<'all' | 'small' | 'normal' | 'large', number | undefined>>
  readonly meanWaitHours: number
  readonly worstWaitHours: { readonly small: number; readonly large: number }
  /** Longest wait of a large job since it became the first of its user's jobs of that size. */
  readonly worstTurnHours: number
}

/** Replays a trace with first come, first served, with EASY, and with the platform's planner with and without reservations, on the same simulated cluster. */
export function compare(trace: Trace): readonly Treatment[] {
  const { planner, observer } = planned(trace.nodes)
  const free = planned(trace.nodes, { ...defaultPolicy, backfill: { ...defaultPolicy.backfill, reservations: 0 } })
  return [
    treat('first come', trace, new FirstCome(trace.nodes, false)),
    treat('EASY', trace, new FirstCome(trace.nodes, true)),
    treat('platform', trace, planner, observer),
    treat('no reservations', trace, free.planner, free.observer),
  ]
}

/** Upper bound by the policy of the wait of the first job of a lane: all points, and a drained node. */
export function boundHours({ jobs }: Trace): number {
  const { points } = defaultPolicy
  const hours = points.class.small + points.groupShare + points.userShare
  return hours + jobs.reduce((max, { requestedSeconds }) => Math.max(max, requestedSeconds), 0) / 3600
}

function treat(queue: string, trace: Trace, decider: Decider, observer: Observer = {}): Treatment {
  const { waits, utilisation } = replay(trace, decider, observer)
  if (waits.size < trace.jobs.length) throw new Error(`${queue} left ${trace.jobs.length - waits.size} jobs waiting`)
  const waitOf = ({ number }: TraceJob): number => waits.get(number) ?? 0
  const of = (name: string): readonly TraceJob[] =>
    trace.jobs.filter((job) => name === 'all' || classOfJob(job) === name)
  const slowdown = (name: string) => mean(of(name).map((job) => boundedSlowdown(job, waitOf(job))))
  const worst = (name: string): number => of(name).reduce((max, job) => Math.max(max, waitOf(job)), 0) / 3600
  return {
    queue,
    utilisation,
    slowdown: { all: slowdown('all'), small: slowdown('small'), normal: slowdown('normal'), large: slowdown('large') },
    meanWaitHours: (mean(trace.jobs.map(waitOf)) ?? 0) / 3600,
    worstWaitHours: { small: worst('small'), large: worst('large') },
    worstTurnHours: worstTurn(of('large'), waitOf) / 3600,
  }
}

/** Longest wait in seconds of a job since its submission, or since it became the first of its user's jobs of that size. */
function worstTurn(jobs: readonly TraceJob[], waitOf: (job: TraceJob) => number): number {
  const started = Map.groupBy(jobs, ({ user, cores, memoryGb }) => `${user} ${cores} ${memoryGb}`)
  let worst = 0
  for (const sameSize of started.values()) {
    const byStart = sameSize
      .map((job) => ({ submitted: job.submitSeconds, start: job.submitSeconds + waitOf(job) }))
      .toSorted((a, b) => a.start - b.start)
    let before = -Infinity
    for (const { submitted, start } of byStart) {
      worst = Math.max(worst, start - Math.max(before, submitted))
      before = start
    }
  }
  return worst
}

const mean = (values: readonly number[]): number | undefined =>
  values.length === 0 ? undefined : values.reduce((sum, value) => sum + value, 0) / values.length
