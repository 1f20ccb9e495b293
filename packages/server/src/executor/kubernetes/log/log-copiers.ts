import type { Logger } from 'pino'
import { Semaphore } from '../../../lib/semaphore.ts'
import type { KubernetesApi } from '../api/api-client.ts'
import type { AttemptFolders } from '../attempt/attempt-folder.ts'
import { LogCopier } from './log-copier.ts'

/** Settings of {@link LogCopiers}. */
export interface LogCopiersOptions {
  readonly api: KubernetesApi
  readonly namespace: string
  readonly folders: AttemptFolders
  /** Bytes of output that are stored of an attempt. */
  readonly limitBytes: number
  /** Logs that are followed at once. */
  readonly followed: number
  /** Called once per attempt, when a line in its log says that part of the log may be missing. */
  readonly onGap: (attemptId: string) => void
  readonly signal: AbortSignal
  readonly log: Logger
}

/** Requests at once for logs that are not followed. */
const polledAtOnce = 16

/** Makes the copiers of all attempts, which share a limit of followed logs. */
export class LogCopiers {
  readonly #options: LogCopiersOptions
  readonly #polls = new Semaphore(polledAtOnce)
  #followed = 0

  constructor(options: LogCopiersOptions) {
    this.#options = options
  }

  /** A copier for the log of an attempt's pod. */
  of({ id, wake }: { readonly id: string; readonly wake: () => void }, pod: string): LogCopier {
    const { api, namespace, folders, limitBytes, onGap, signal, log } = this.#options
    return new LogCopier({
      api,
      attemptId: id,
      namespace,
      pod,
      folder: folders.of(id),
      limitBytes,
      polls: this.#polls,
      wake,
      onGap: () => {
        onGap(id)
      },
      signal,
      log,
    })
  }

  /** A lease on one of the connections for followed logs; undefined when all are in use. */
  readonly lease = (): Disposable | undefined => {
    if (this.#followed >= this.#options.followed) return undefined
    this.#followed++
    let isHeld = true
    return {
      [Symbol.dispose]: () => {
        if (isHeld) this.#followed--
        isHeld = false
      },
    }
  }
}
