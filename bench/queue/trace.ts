import type { PlanNode } from '../../packages/server/src/scheduler/cache/snapshot.ts'

/** A job of a trace: its request, and its real run time. */
export interface TraceJob {
  readonly number: number
  readonly submitSeconds: number
  readonly runSeconds: number
  readonly cores: number
  readonly memoryGb: number
  /** Requested time limit in seconds. */
  readonly requestedSeconds: number
  readonly user: string
  readonly group: string
  /** Number of the application. Jobs of one user and application are alike. */
  readonly application: string
}

/** A workload and its cluster. */
export interface Trace {
  readonly name: string
  readonly nodes: readonly PlanNode[]
  readonly jobs: readonly TraceJob[]
  /** The users gave the requested times; otherwise each is the platform's default. */
  readonly timesAreGiven: boolean
}

/** The platform's default time limit in seconds (wire contract: sessions live for 14 days). */
const defaultSeconds = 14 * 86_400

/** The same trace without time limits given: no published client can send one. */
export const withoutTimes = (trace: Trace): Trace => ({
  ...trace,
  name: `${trace.name}, no times given`,
  jobs: trace.jobs.map((job) => ({ ...job, requestedSeconds: defaultSeconds })),
  timesAreGiven: false,
})
