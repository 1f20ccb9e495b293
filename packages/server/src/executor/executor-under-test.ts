import type { AttemptSpec, Executor } from './executor.ts'
import type { BehaviourOf } from './simulated/behaviour.ts'
import type { ImageReference } from '../job/image-reference.ts'

/** What an executor cannot give a job, each with the reason; absent where it can. docs/environment.md names the same. */
export interface EnvironmentGaps {
  /** Programs count more processors than the job has. */
  readonly processors?: string
  /** The umask is that of the runtime. */
  readonly umask?: string
  /** The limits of setrlimit(2) are those of the runtime. */
  readonly resourceLimits?: string
}

/** An open executor for the contract suite, and what the suite needs to use it. */
export interface ExecutorUnderTest {
  readonly executor: Executor
  /** An image with a POSIX shell at /bin/sh and the usual small programs in its PATH. */
  readonly image: ImageReference
  /** An image that does not exist. */
  readonly missingImage: ImageReference
  /** An image whose fetch never ends by itself; absent where there is none. */
  readonly stalledImage?: ImageReference
  /** Whether stdout and stderr are logged apart, line by line, which loses their order and a CR before a newline. @defaultValue false */
  readonly logOfLines?: boolean
  /** Why a grace period cannot be shortened once it has begun; absent where it can. */
  readonly whyNotShorter?: string
  /** Resolution of instants in milliseconds. @defaultValue 1 */
  readonly instantMs?: number
  /** Why the usage of attempts is not known; absent where it is. */
  readonly whyNoUsage?: string
  /** Seconds within which the usage of an attempt is known. @defaultValue 5 */
  readonly usageAfterSeconds?: number
  /** An image that needs credentials, `user:password`; absent where there is none. */
  readonly privateImage?: { readonly image: ImageReference; readonly registryAuth: string }
  /** Why there are no containers with folders, accounts and names; absent where there are. */
  readonly whyNoContainers?: string
  /** Gives an attempt, before it is started, the behaviour of its script, where there is no shell to run the script. */
  rehearse?(attemptId: string, behaviourOf: BehaviourOf): void
  /** Milliseconds since the epoch, as the executor counts them. @defaultValue the machine's clock */
  now?(): number
  /** Why a signal that ended a command cannot be told from an exit code; absent where it can. */
  readonly whyNoSignals?: string
  /** Why an attempt ends with its first process also during the grace period; absent where it ends with its last process. */
  readonly whyFirstAlone?: string
  /** Why kills for memory are not seen as they happen; absent where they are. */
  readonly whyNoMemoryKillEvents?: string
  /** Why memory limits do not hold; absent where they do. */
  readonly whyNoMemoryLimit?: string
  /** What of docs/environment.md the executor cannot give. @defaultValue nothing */
  readonly gaps?: EnvironmentGaps
  /** An account that attempts may run as. */
  readonly account: AttemptSpec['account']
  /** Closes the executor and opens another one on the same state, as a restarted server does. */
  reopen(): Promise<Executor>
  /** Closes the executor and removes everything, running attempts too. */
  close(): Promise<void>
}
