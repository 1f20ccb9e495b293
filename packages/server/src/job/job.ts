import type { Cause, JobState, Network, Resources, Usage, WarningSignal, JobScope } from '@science-platform/contract'

/** Why a job was asked to end. */
export type StopReason = 'cancelled' | 'time-limit'

/** A job as the store keeps it. Instants are milliseconds since the epoch. */
export interface StoredJob {
  readonly id: string
  /** Order of submission: given by the store at the commit; grows. */
  readonly seq: number
  readonly owner: string
  readonly name: string
  readonly image: string
  readonly imageDigest?: string
  readonly state: JobState
  readonly cmd?: readonly string[]
  readonly args?: readonly string[]
  readonly env: Readonly<Record<string, string>>
  readonly resources: Resources
  readonly network?: Network
  /** What its own token may be used for; absent: it has none. */
  readonly jobToken?: readonly JobScope[]
  readonly timeSeconds: number
  readonly graceSeconds: number
  /** Whether `timeSeconds` was asked for, or is the default, which says nothing about the job. */
  readonly timeIsAsked?: true
  /** A signal to send so many seconds before the time is over. */
  readonly signal?: { readonly name: WarningSignal; readonly secondsBefore: number }
  /** It is to start in the off-peak hours only. */
  readonly when?: 'off-peak'
  /** It is to start no earlier. */
  readonly after?: number
  /** It is wanted to have ended by then. */
  readonly by?: number
  /** The group it is charged to; absent: none. */
  readonly group?: string
  /** The kind of GPU that would do; absent: any. */
  readonly gpuKind?: string
  readonly arrayId?: string
  /** From 1; what `REPLICA_ID` says. */
  readonly taskIndex: number
  /** What `REPLICA_COUNT` says. */
  readonly taskCount: number
  readonly submittedAt: number
  /** When the command of the latest attempt was started. */
  readonly startedAt?: number
  readonly endedAt?: number
  /** When it will be ended for running too long; set when it starts. */
  readonly deadlineAt?: number
  readonly exitCode?: number
  readonly cause?: Cause
  /** Number of the latest attempt; 0 before the first. */
  readonly attempt: number
  readonly stopReason?: StopReason
  /** Its owner deleted it on the skaha wire: gone from there, still in the history. */
  readonly removedAt?: number
}

/** A job to submit: the store gives it its `seq`. */
export type NewJob = Omit<StoredJob, 'seq'>

/** A try at running a job, as the store keeps it. */
export interface StoredAttempt {
  /** `JOB-NUMBER`. */
  readonly id: string
  readonly jobId: string
  readonly number: number
  readonly node: string
  readonly placedAt: number
  readonly startedAt?: number
  readonly endedAt?: number
  readonly exitCode?: number
  readonly cause?: Cause
  readonly usage?: Usage
}

/** The id of a job's attempt. */
export const attemptId = (jobId: string, number: number): string => `${jobId}-${number}`

/** The id of an attempt's job. */
export const jobIdOf = (attemptId: string): string => attemptId.slice(0, attemptId.lastIndexOf('-'))
