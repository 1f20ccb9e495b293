import type { Cause, Network, Resources, Usage, WarningSignal } from '@science-platform/contract'
import type { Account } from './account.ts'
import type { ArcLook } from './arc-look.ts'
import type { ImageReference } from '../job/image-reference.ts'
import type { Labels } from '../job/labels.ts'
import type { MemoryKills } from '../job/memory-kills.ts'

/** Where an attempt comes from: what a server that adopts it must know of its job, beside the rest of the {@link AttemptSpec}. */
export interface AttemptOrigin {
  /** The identity of the database that has the attempt's record, a UUID. */
  readonly identity: string
  /** Milliseconds since the epoch. */
  readonly submittedAt: number
  readonly timeSeconds: number
  /** The group that is charged; absent: none. */
  readonly group?: string
  readonly arrayId?: string
  readonly taskIndex: number
  readonly taskCount: number
}

/** Everything that an executor needs to run one attempt. Plain data: the oci executor writes it to disk for the next server. */
export interface AttemptSpec {
  /** `JOB-NUMBER`, unique for ever, made of letters, digits and hyphens. */
  readonly id: string
  readonly jobId: string
  readonly name: string
  readonly account: Account
  readonly image: ImageReference
  /** Known once the image was resolved: later attempts, and other tasks of the array, run the same image. */
  readonly imageDigest?: string
  /** Replaces the image's entry point. */
  readonly cmd?: readonly string[]
  /** Replaces the image's CMD. */
  readonly args?: readonly string[]
  /** The variables of the user and of the platform, merged: the platform's take precedence. */
  readonly env: Readonly<Record<string, string>>
  /**
   * Names of the variables whose values are known to be no secrets, such as HOME. All others, among them every variable of the user, are
   * treated as secrets.
   */
  readonly publicEnv?: readonly string[]
  /** Absolute and normalised; absent: the home. Below /scratch it is created, elsewhere it must exist. */
  readonly workingDirectory?: string
  /** Labels of the job, for operators to read. Absent: none. */
  readonly labels?: Labels
  readonly resources: Resources
  /** Absent: the executor's default. */
  readonly network?: Network
  readonly graceSeconds: number
  /** The node that the plan chose; an executor with a scheduler of its own may choose another. */
  readonly node?: string
  /** By size; for an executor whose own queue knows priorities. */
  readonly priorityClass?: 'small' | 'normal' | 'large'
  /** `user:password` for the image's registry, for this attempt only. Never written to disk in clear. */
  readonly registryAuth?: string
  /** Absent in attempts of releases that did not know it. */
  readonly origin?: AttemptOrigin
}

/** How an attempt ended, as the executor observed it. */
export interface Ending {
  /** Milliseconds since the epoch. */
  readonly at: number
  /** 0 to 255, 128 + N after signal N; absent where no command exited (never started, lost). */
  readonly exitCode?: number
  /** What the evidence shows. The store knows of cancellation and time limits, and adds them. */
  readonly cause: Cause
  readonly usage?: Usage
  /** Absent where there was none, or where the executor does not see them. */
  readonly memoryKills?: MemoryKills
  /** Whether {@link Executor.stop} was called before it ended. */
  readonly stopped: boolean
  /** Present where nothing of the attempt ran, and a later attempt may succeed: the job waits for it in the queue. */
  readonly retry?: Retry
}

/** When the obstacle of an attempt that could not run may have passed. */
export interface Retry {
  /** Milliseconds since the epoch. Attempts that met the same obstacle get the same instant. */
  readonly notBefore: number
}

/** The observed state of one attempt. */
export interface Observed {
  readonly attemptId: string
  /** `preparing`: fetching the image or making the container. */
  readonly phase: 'preparing' | 'running' | 'ended'
  /** Its node, once known. */
  readonly node?: string
  /** What it waits for while it is prepared: a sentence for its owner. */
  readonly waiting?: string
  readonly imageDigest?: string
  /** Milliseconds since the epoch, once the command has started. */
  readonly startedAt?: number
  readonly ending?: Ending
}

/** An event of an attempt for its owner, such as the start of an image's fetch. */
export interface ExecutorEvent {
  readonly attemptId: string
  readonly at: number
  readonly type: 'Normal' | 'Warning'
  /** One word, as Kubernetes writes them: `Pulling`, `Pulled`, `Created`. */
  readonly reason: string
  readonly message: string
  /** An earlier server may have reported it: stored only where the job has no event of this reason and instant. */
  readonly isRepeated?: true
}

/** Which attempts the server may change: the identity of its database, and the records in it. */
export interface Ownership {
  /** The identity of the database, a UUID. Executors stamp it on what they create. */
  readonly identity: string
  /** Those of these attempts that the database has a record of. An executor on shared ground changes and ends no other. */
  readonly recorded: (attemptIds: readonly string[]) => Promise<ReadonlySet<string>>
}

/** A piece of an attempt's log. */
export interface LogRange {
  /** First byte wanted; default 0. */
  readonly start?: number
  /** Byte after the last one wanted; default: the end as it is now. */
  readonly end?: number
}

/** Output that is there without a gap. Bytes are numbered from 0 as the attempt wrote them. */
export interface Output {
  readonly start: number
  /** The byte after the last one. */
  readonly end: number
  /** Bytes written so far, those included that are missing. */
  readonly size: number
  /** Bytes for which the disk had no room; known once the attempt has ended. A line in the output stands in their place. */
  readonly lostBytes: number
}

/**
 * Where attempts run. Every method may be called twice for one attempt, and the second call has no further effect. Calls for different
 * attempts run side by side: no call waits for the fetch, the end or the removal of another attempt.
 */
export interface Executor {
  readonly name: string
  /** The whole capacity that each node offers to jobs now. Called in every scheduling cycle, so it must be cheap. */
  nodes(): Promise<readonly Node[]>
  /** Takes over the attempts of an earlier server. Called once, before anything else. */
  open(): Promise<void>
  /** Accepts the attempt, and returns before it has started. Failures are observed as endings. */
  start(attempt: AttemptSpec): Promise<void>
  /**
   * Sends SIGTERM, and after the grace period SIGKILL to everything in the container. The attempt ends when all its processes have ended,
   * with the exit code of the first one. Ends a preparing attempt at once.
   */
  stop(attemptId: string, graceSeconds: number): Promise<void>
  /**
   * Sends a signal as a warning to each process of the attempt that has a handler for it: the warning ends no process. Jobs that ask for a
   * warning are refused by executors without this method.
   */
  signal?(attemptId: string, signal: WarningSignal): Promise<WarningOutcome>
  /** Looks into /arc as a user. Absent: this server does not see /arc, or does not before `open()`. */
  readonly arc?: ArcLook
  /** Present where an attempt with a `workingDirectory` needs a `cmd`: the executor does not know the entry points of images. */
  readonly workingDirectoryNeedsCommand?: true
  /** Every attempt as it is now, ended ones included until they are forgotten. The only truth: `onChange` is a hint. */
  list(): Promise<readonly Observed[]>
  /** The store has the ending: the executor may remove everything but the log. */
  forget(attemptId: string): Promise<void>
  /** What a running attempt uses now; undefined when it does not run, or where usage is not measured. */
  usage(attemptId: string): Promise<Usage | undefined>
  /** Bytes in the log so far; undefined when there is none. */
  logSize(attemptId: string): Promise<number | undefined>
  /** The bytes of a range of the log, stdout and stderr interleaved as written; a line stands in the place of what is missing. */
  readLog(attemptId: string, range: LogRange): AsyncIterable<Uint8Array>
  /** The log from `start` on, until the attempt has ended and everything was delivered, or until the signal. */
  followLog(attemptId: string, start: number, signal: AbortSignal): AsyncIterable<Uint8Array>
  /** The first output at or after a byte, up to what is missing behind it; undefined when there is no log. */
  output(attemptId: string, from: number): Promise<Output | undefined>
  /** The output from `start` to `end`, without lines in the place of what is missing: it ends before a gap. */
  readOutput(attemptId: string, start: number, end: number): AsyncIterable<Uint8Array>
  /** The output from `start` on, until bytes are missing, the attempt has ended, or the signal. */
  followOutput(attemptId: string, start: number, signal: AbortSignal): AsyncIterable<Uint8Array>
  /** Deletes the log: retention is over. */
  deleteLog(attemptId: string): Promise<void>
  /** Calls `listener` soon after a change. It may be called too often; a missed call costs only time. */
  onChange(listener: () => void): void
  onEvent(listener: (event: ExecutorEvent) => void): void
  /** Releases everything that this process holds. Attempts go on running. */
  close(): Promise<void>
}

/** What became of a warning signal: sent to at least one process; not sent, since no process has a handler; no command runs. */
export type WarningOutcome = 'sent' | 'not-handled' | 'not-running'

/** A machine with capacity. */
export interface Node {
  readonly name: string
  readonly cores: number
  readonly memoryGb: number
  readonly gpus: number
  /** The most that one job may have, on a node that accepts more jobs than it runs at once and queues them itself. */
  readonly largestJob?: { readonly cores: number; readonly memoryGb: number; readonly gpus: number }
  /** The kind of its GPUs, which are all of one kind; absent where it is not configured. */
  readonly gpuKind?: string
}
