import type { Cause, JobState, Network, Resources, Usage, WarningSignal, JobScope } from '@science-platform/contract'
import type { Labels } from './labels.ts'

/** Why the platform stops a job. */
export type StopReason = 'cancelled' | 'time-limit'

/** Why a job was returned to the queue, and for how long it is tried again. */
export interface Postponement {
  /** Why the last attempt could not run. */
  readonly cause: Cause
  /** When it was first returned for this, less the time that it waited for capacity since. */
  readonly since: number
  /** A try that fails at or after this instant is the last. */
  readonly until: number
}

/** A job in the store. Instants are milliseconds since the epoch. */
export interface StoredJob {
  readonly id: string
  /** Sequence number of the submission, assigned by the store in the order of commits. */
  readonly seq: number
  readonly owner: string
  readonly name: string
  readonly image: string
  readonly imageDigest?: string
  readonly state: JobState
  readonly cmd?: readonly string[]
  readonly args?: readonly string[]
  readonly env: Readonly<Record<string, string>>
  /** Absolute and normalised. Absent: the home. */
  readonly workingDirectory?: string
  /** Absent: none. In clear in the database. */
  readonly labels?: Labels
  readonly resources: Resources
  readonly network?: Network
  /** Scopes of the job's own token. Absent: the job has no token. */
  readonly jobToken?: readonly JobScope[]
  readonly timeSeconds: number
  readonly graceSeconds: number
  /** Whether the submission named `timeSeconds`. Absent: it is the default, which is no estimate of the run time. */
  readonly timeIsAsked?: true
  /** A signal to send, and the seconds before the time limit at which it is sent. */
  readonly signal?: { readonly name: WarningSignal; readonly secondsBefore: number }
  /** The job starts only in the off-peak hours. */
  readonly when?: 'off-peak'
  /** Earliest start. */
  readonly after?: number
  /** Wanted end. */
  readonly by?: number
  /** The charged group. Absent: none. */
  readonly group?: string
  /** The requested kind of GPU. Absent: any. */
  readonly gpuKind?: string
  readonly arrayId?: string
  /** `REPLICA_ID`, from 1. */
  readonly taskIndex: number
  /** `REPLICA_COUNT`. */
  readonly taskCount: number
  readonly submittedAt: number
  /** When the command of the latest attempt started. */
  readonly startedAt?: number
  readonly endedAt?: number
  /** When the job reaches its time limit. Set at the start. */
  readonly deadlineAt?: number
  readonly exitCode?: number
  readonly cause?: Cause
  /** Number of the latest attempt; 0 before the first. */
  readonly attempt: number
  readonly stopReason?: StopReason
  /** It is not placed earlier, whatever it was submitted with: it was returned to the queue until then. */
  readonly notBefore?: number
  /** Present with `notBefore`, until its command starts. */
  readonly postponed?: Postponement
  /** When the owner deleted the job on the skaha wire, which no longer shows it. The history keeps it. */
  readonly removedAt?: number
}

/** The specification of a job: what its user asked for, and no statement filters by. */
export const specificationKeys = [
  'cmd',
  'args',
  'env',
  'workingDirectory',
  'resources',
  'network',
  'jobToken',
  'timeSeconds',
  'timeIsAsked',
  'graceSeconds',
  'signal',
  'when',
  'after',
  'by',
  'group',
  'gpuKind',
] as const satisfies readonly (keyof StoredJob)[]

/** A job without its specification. */
export type JobOutline = Omit<StoredJob, (typeof specificationKeys)[number]>

/** A job to submit. The store assigns its `seq`. */
export type NewJob = Omit<StoredJob, 'seq'>

/** The jobs of one request, which are alike but for their numbers. */
export interface RequestedJobs {
  /** The place of the request among several, such as `jobs[3]`. Absent: it is the only one. */
  readonly place?: string
  readonly jobs: readonly NewJob[]
}

/** One attempt to run a job, in the store. */
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
