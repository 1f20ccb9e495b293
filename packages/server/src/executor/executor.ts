import type { Cause, Network, Resources, Usage, WarningSignal } from '@science-platform/contract'
import type { ImageReference } from '../job/image-reference.ts'

/** The account a job runs as. Ids are POSIX ids; they decide what it may read and write under `/arc`. */
export interface Account {
  readonly name: string
  readonly uid: number
  readonly gid: number
  /** Supplementary groups, by name, so that `id` inside the container can name them. */
  readonly groups: readonly { readonly name: string; readonly gid: number }[]
}

/** Everything an executor needs to run one attempt. Plain data: it is written to disk and read back by supervisors. */
export interface AttemptSpec {
  /** `JOB-NUMBER`, unique for ever, made of letters, digits and hyphens. */
  readonly id: string
  readonly jobId: string
  readonly name: string
  readonly account: Account
  readonly image: ImageReference
  /** Known once the image was resolved; later attempts and siblings run the very same image. */
  readonly imageDigest?: string
  /** Replaces the image's entry point. */
  readonly cmd?: readonly string[]
  /** Replaces the image's CMD. */
  readonly args?: readonly string[]
  /** The user's variables and the platform's, in that order of precedence already merged (platform wins). */
  readonly env: Readonly<Record<string, string>>
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
}

/** How an attempt ended, as the executor saw it. */
export interface Ending {
  /** Milliseconds since the epoch. */
  readonly at: number
  /** 0 to 255, 128 + N after signal N; absent where nothing exited (never started, lost). */
  readonly exitCode?: number
  /** Only what the evidence shows. Cancellation and time limits are the store's knowledge and are added there. */
  readonly cause: Cause
  readonly usage?: Usage
  /** Whether the executor had been told to stop it before it ended. */
  readonly stopped: boolean
}

/** What is really there of one attempt. */
export interface Observed {
  readonly attemptId: string
  /** `preparing`: fetching the image or making the container. */
  readonly phase: 'preparing' | 'running' | 'ended'
  /** Where it is, once that is known. */
  readonly node?: string
  /** While it prepares: what it waits for, in a sentence for its owner. */
  readonly waiting?: string
  readonly imageDigest?: string
  /** Milliseconds since the epoch, once the command was started. */
  readonly startedAt?: number
  readonly ending?: Ending
}

/** Something worth telling the user about an attempt that is under way, such as an image being fetched. */
export interface ExecutorEvent {
  readonly attemptId: string
  readonly at: number
  readonly type: 'Normal' | 'Warning'
  /** One word, as Kubernetes writes them: `Pulling`, `Pulled`, `Created`. */
  readonly reason: string
  readonly message: string
}

/** A piece of an attempt's log. */
export interface LogRange {
  /** First byte wanted; default 0. */
  readonly start?: number
  /** Byte after the last one wanted; default: the end as it is now. */
  readonly end?: number
}

/** Where attempts run. Every method may be called twice for one attempt and must then do no more. */
export interface Executor {
  readonly name: string
  /** Whole capacity offered to jobs on each node, as it is now. Cheap: it is asked in every cycle. */
  nodes(): Promise<readonly Node[]>
  /** Finds again what an earlier server started. Called once, before anything else. */
  open(): Promise<void>
  /** Accepts the attempt; it is not finished, nor even started, when this returns. Failures are observed as endings. */
  start(attempt: AttemptSpec): Promise<void>
  /** SIGTERM, then SIGKILL to everything in the container after the grace period. Ends a preparing attempt at once. */
  stop(attemptId: string, graceSeconds: number): Promise<void>
  /**
   * Sends a signal to the command, as a warning: nothing is ended by it. False where nothing runs that could get it.
   * Executors without this cannot; jobs that ask for it are refused there.
   */
  signal?(attemptId: string, signal: WarningSignal): Promise<boolean>
  /** What is really there now, ended attempts included until they are forgotten. The only truth; `onChange` is a hint. */
  list(): Promise<readonly Observed[]>
  /** The store has the ending: everything but the log may go. */
  forget(attemptId: string): Promise<void>
  /** What a running attempt uses now; undefined when it is not running or the machine cannot tell. */
  usage(attemptId: string): Promise<Usage | undefined>
  /** Bytes in the log so far; undefined when there is none. */
  logSize(attemptId: string): Promise<number | undefined>
  /** The bytes of a range of the log, stdout and stderr interleaved as written. */
  readLog(attemptId: string, range: LogRange): AsyncIterable<Uint8Array>
  /** The log from `start` on, until the attempt has ended and everything was delivered, or the signal. */
  followLog(attemptId: string, start: number, signal: AbortSignal): AsyncIterable<Uint8Array>
  /** Deletes the log: retention is over. */
  deleteLog(attemptId: string): Promise<void>
  /** Calls `listener` soon after something changed. May call it too often; a missed call costs only time. */
  onChange(listener: () => void): void
  onEvent(listener: (event: ExecutorEvent) => void): void
  /** Lets go of everything in this process. Attempts go on running. */
  close(): Promise<void>
}

/** A machine with capacity. */
export interface Node {
  readonly name: string
  readonly cores: number
  readonly memoryGb: number
  readonly gpus: number
  /** The most that one job may have, where the node takes on more jobs than it runs at once and queues them by itself. */
  readonly largestJob?: { readonly cores: number; readonly memoryGb: number; readonly gpus: number }
  /** Its GPUs are of one kind; absent: nobody said which. */
  readonly gpuKind?: string
}
