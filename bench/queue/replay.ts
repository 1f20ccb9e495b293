import { classOf, type JobClass } from '../../packages/server/src/scheduler/rules/job-class.ts'
import { defaultPolicy } from '../../packages/server/src/configuration/policy/policy-of.ts'
import { type Decider, simulate } from '../../packages/server/src/scheduler/forecast/simulate.ts'
import type { ActiveJob, PlannerEvent, QueuedJob } from '../../packages/server/src/scheduler/cache/snapshot.ts'
import type { RunTimes } from './run-times.ts'
import type { Trace, TraceJob } from './trace.ts'

/** A Monday, in milliseconds since the epoch. */
export const epoch = Date.UTC(2026, 10, 23)

/** The result of a replay. */
export interface Replay {
  /** Wait in seconds, by number of job. */
  readonly waits: ReadonlyMap<number, number>
  /** Used part of the cores, from the first submission to the last. */
  readonly utilisation: number
}

/** Callbacks of a replay. */
export interface Observer {
  readonly onSubmitted?: (job: QueuedJob) => void
  readonly onPlaced?: (job: ActiveJob) => void
  readonly onEnded?: (job: ActiveJob, endedAt: number) => readonly PlannerEvent[]
}

/** Runs a trace under a decider. */
export function replay(trace: Trace, decider: Decider, runTimes: RunTimes, observer: Observer = {}): Replay {
  const byId = new Map(trace.jobs.map((job) => [String(job.number), job]))
  const of = (id: string): TraceJob => byId.get(id) as TraceJob
  const last = epoch + (trace.jobs.at(-1)?.submitSeconds ?? 0) * 1000
  const waits = new Map<number, number>()
  let coreMs = 0
  simulate({
    decider,
    now: epoch,
    arrivals: Iterator.from(trace.jobs).map((job) => queued(job, runTimes)),
    runSeconds: ({ id }) => of(id).runSeconds,
    onSubmitted: (job) => observer.onSubmitted?.(job),
    onPlaced: (job) => {
      const { number, submitSeconds } = of(job.id)
      waits.set(number, (job.placedAt - epoch) / 1000 - submitSeconds)
      observer.onPlaced?.(job)
    },
    onEnded: (job, endedAt) => {
      coreMs += job.needs.cores * Math.max(0, Math.min(endedAt, last) - job.placedAt)
      const { application, runSeconds } = of(job.id)
      runTimes.ended(application, runSeconds)
      return observer.onEnded?.(job, endedAt) ?? []
    },
  })
  const cores = trace.nodes.reduce((sum, node) => sum + node.cores, 0)
  return { waits, utilisation: coreMs / (cores * (last - epoch)) }
}

function queued(job: TraceJob, runTimes: RunTimes): QueuedJob {
  const { history, estimateSeconds } = runTimes.of(job.application, job.requestedSeconds)
  return {
    id: String(job.number),
    seq: job.number,
    user: job.user,
    group: job.group,
    needs: { cores: job.cores, memoryGb: job.memoryGb, gpus: 0 },
    submittedAt: epoch + job.submitSeconds * 1000,
    limitSeconds: job.requestedSeconds,
    estimateSeconds,
    ...(history.length === 0 ? {} : { history }),
  }
}

/** The priority class of a job of a trace. */
export const classOfJob = ({ cores, memoryGb }: TraceJob): JobClass =>
  classOf({ cores, memoryGb, gpus: 0 }, defaultPolicy)

/** Bounded slowdown: wait and run divided by the run; runs under ten seconds count as ten (Feitelson and others, 1997). */
export const boundedSlowdown = ({ runSeconds }: TraceJob, waitSeconds: number): number =>
  Math.max(1, (waitSeconds + runSeconds) / Math.max(10, runSeconds))
