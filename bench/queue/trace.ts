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
}
