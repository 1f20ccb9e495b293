import { setTimeout as sleep } from 'node:timers/promises'
import type { Logger } from 'pino'

/** Milliseconds to the first retry of a change that the cluster refuses, and the most between two tries. */
const retryMs = { first: 1_000, most: 60_000 }

/** The tasks of an executor that no caller awaits. */
export class BackgroundTasks {
  readonly #tasks = new Set<Promise<void>>()
  readonly #closing: AbortSignal
  readonly #log: Logger

  /** @param closing Ends the retries; what fails after it is expected and not logged. */
  constructor(closing: AbortSignal, log: Logger) {
    this.#closing = closing
    this.#log = log
  }

  /** Takes over a task of an attempt; logs its failure. */
  own(attemptId: string, task: Promise<void>): void {
    const owned = task.catch((error: unknown) => {
      if (!this.#closing.aborted) this.#log.error({ attemptId, err: error }, 'background task of an attempt failed')
    })
    this.#tasks.add(owned)
    void owned.finally(() => this.#tasks.delete(owned))
  }

  /** Does a task, with retries and backoff until it succeeds. @throws once the executor closes. */
  async retry(attemptId: string, task: () => Promise<void>): Promise<void> {
    for (let restMs = retryMs.first; ; restMs = Math.min(2 * restMs, retryMs.most)) {
      try {
        await task()
        return
      } catch (error) {
        if (this.#closing.aborted) throw error
        this.#log.warn({ attemptId, err: error }, 'Kubernetes API refused a change, retrying with backoff')
      }
      await sleep(restMs, undefined, { signal: this.#closing })
    }
  }

  /** Resolves when all tasks have ended. */
  async settled(): Promise<void> {
    await Promise.allSettled(this.#tasks)
  }
}
