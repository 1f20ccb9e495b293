import type { PlanNode } from '../../packages/server/src/scheduler/cache/snapshot.ts'

/** A job of a trace: what was asked for, and how long it really ran. */
export interface TraceJob {
  readonly number: number
  readonly submitSeconds: number
  readonly runSeconds: number
  readonly cores: number
  readonly memoryGb: number
  /** What the user said it would take at most. */
  readonly requestedSeconds: number
  readonly user: string
  readonly group: string
  /** What was run: jobs of one user and application are alike. */
  readonly application: string
}

/** A workload and the cluster it is for. */
export interface Trace {
  readonly name: string
  readonly nodes: readonly PlanNode[]
  readonly jobs: readonly TraceJob[]
}
