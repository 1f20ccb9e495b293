import { classOf, type JobClass } from '../../packages/server/src/scheduler/rules/job-class.ts'
import { defaultPolicy } from '../../packages/server/src/configuration/policy/policy-of.ts'
import { type Decider, simulate } from '../../packages/server/src/scheduler/forecast/simulate.ts'
import type { ActiveJob, PlannerEvent, QueuedJob } from '../../packages/server/src/scheduler/cache/snapshot.ts'
import { expectedRunTime } from '../../packages/server/src/scheduler/cache/expected-run-time.ts'
import { RunHistories } from '../../packages/server/src/scheduler/cache/run-histories.ts'
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

/** Runs a trace under a decider. As on a running platform a run that changes what is expected of such jobs changes it for those that wait. */
export function replay(trace: Trace, decider: Decider, observer: Observer = {}): Replay {
  const histories = new RunHistories()
  const queued = (job: TraceJob): QueuedJob => queuedJob(job, trace.timesAreGiven, histories)
  const waiting = new Map<string, Set<TraceJob>>()
  const byId = new Map(trace.jobs.map((job) => [String(job.number), job]))
  const of = (id: string): TraceJob => byId.get(id) as TraceJob
  const last = epoch + (trace.jobs.at(-1)?.submitSeconds ?? 0) * 1000
  const waits = new Map<number, number>()
  let coreMs = 0
  simulate({
    decider,
    now: epoch,
    arrivals: Iterator.from(trace.jobs).map(queued),
    runSeconds: ({ id }) => of(id).runSeconds,
    onSubmitted: (job) => {
      const submitted = of(job.id)
      const alike = waiting.get(submitted.application)
      if (alike === undefined) waiting.set(submitted.application, new Set([submitted]))
      else alike.add(submitted)
      observer.onSubmitted?.(job)
    },
    onPlaced: (job) => {
      const placed = of(job.id)
      const { number, submitSeconds } = placed
      waiting.get(placed.application)?.delete(placed)
      waits.set(number, (job.placedAt - epoch) / 1000 - submitSeconds)
      observer.onPlaced?.(job)
    },
    onEnded: (job, endedAt) => {
      coreMs += job.needs.cores * Math.max(0, Math.min(endedAt, last) - job.placedAt)
      const events = observer.onEnded?.(job, endedAt) ?? []
      const ended = of(job.id)
      const run = { endedAt, seconds: ended.runSeconds, jobClass: classOfJob(ended) }
      if (!histories.add(runnable(ended), run).estimateChanged) return events
      const alike = [...(waiting.get(ended.application) ?? [])]
      return [...events, ...alike.map((each) => ({ type: 'queued' as const, job: queued(each) }))]
    },
  })
  const cores = trace.nodes.reduce((sum, node) => sum + node.cores, 0)
  return { waits, utilisation: coreMs / (cores * (last - epoch)) }
}

function queuedJob(job: TraceJob, isLimitGiven: boolean, histories: RunHistories): QueuedJob {
  const limitSeconds = job.requestedSeconds
  return {
    id: String(job.number),
    seq: job.number,
    user: job.user,
    group: job.group,
    needs: { cores: job.cores, memoryGb: job.memoryGb, gpus: 0 },
    submittedAt: epoch + job.submitSeconds * 1000,
    limitSeconds,
    ...expectedRunTime({
      limitSeconds,
      isLimitGiven,
      history: histories.expectation(runnable(job))?.seconds,
      ofClass: histories.ofClass(classOfJob(job)),
      confidence: defaultPolicy.backfill.confidence,
    }),
  }
}

/** What the fingerprint of a job of a trace is made of. */
const runnable = ({ user, application }: TraceJob): Parameters<RunHistories['expectation']>[0] => ({
  owner: user,
  image: 'localhost/application:1',
  cmd: [application],
  args: [],
})

/** The priority class of a job of a trace. */
export const classOfJob = ({ cores, memoryGb }: TraceJob): JobClass =>
  classOf({ cores, memoryGb, gpus: 0 }, defaultPolicy)

/** Bounded slowdown: wait and run divided by the run; runs under ten seconds count as ten (Feitelson and others, 1997). */
export const boundedSlowdown = ({ runSeconds }: TraceJob, waitSeconds: number): number =>
  Math.max(1, (waitSeconds + runSeconds) / Math.max(10, runSeconds))
