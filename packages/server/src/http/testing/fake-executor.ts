import type { Usage } from '@science-platform/contract'
import type { HttpParts } from '../parts.ts'

/** The part of an executor that HTTP uses, over logs in memory that a test writes to. */
export class FakeExecutor implements Pick<
  HttpParts['executor'],
  'usage' | 'logSize' | 'readLog' | 'followLog' | 'signal'
> {
  /** What running attempts use. */
  readonly usages = new Map<string, Usage>()
  /** Reads and follows that were begun and have not ended. */
  open = 0
  readonly #logs = new Map<string, { bytes: Buffer; ended: boolean }>()
  #wake = Promise.withResolvers<void>()

  /** Adds to the log of an attempt, and makes it where it is not there. */
  write(attemptId: string, text: string | Uint8Array): void {
    const log = this.#log(attemptId)
    log.bytes = Buffer.concat([log.bytes, Buffer.from(text)])
    this.#change()
  }

  /** The attempt writes no more. */
  end(attemptId: string): void {
    this.#log(attemptId).ended = true
    this.#change()
  }

  /** Retention took the log. */
  forgetLog(attemptId: string): void {
    this.#logs.delete(attemptId)
  }

  async signal(): Promise<boolean> {
    return true
  }

  async usage(attemptId: string): Promise<Usage | undefined> {
    return this.usages.get(attemptId)
  }

  async logSize(attemptId: string): Promise<number | undefined> {
    return this.#logs.get(attemptId)?.bytes.length
  }

  async *readLog(attemptId: string, range: { start?: number; end?: number }): AsyncIterable<Uint8Array> {
    this.open += 1
    try {
      const bytes = this.#logs.get(attemptId)?.bytes.subarray(range.start ?? 0, range.end) ?? Buffer.alloc(0)
      for (let at = 0; at < bytes.length; at += 65_536) yield bytes.subarray(at, at + 65_536)
    } finally {
      this.open -= 1
    }
  }

  async *followLog(attemptId: string, start: number, signal: AbortSignal): AsyncIterable<Uint8Array> {
    this.open += 1
    const aborted = new Promise<void>((resolve) => {
      signal.addEventListener('abort', () => {
        resolve()
      })
    })
    try {
      for (let position = start; !signal.aborted;) {
        const changed = this.#wake.promise
        const log = this.#logs.get(attemptId)
        if (log !== undefined && log.bytes.length > position) {
          yield log.bytes.subarray(position)
          position = log.bytes.length
        } else if (log === undefined || log.ended) {
          return
        } else {
          await Promise.race([changed, aborted])
        }
      }
    } finally {
      this.open -= 1
    }
  }

  #log(attemptId: string): { bytes: Buffer; ended: boolean } {
    const log = this.#logs.get(attemptId) ?? { bytes: Buffer.alloc(0), ended: false }
    this.#logs.set(attemptId, log)
    return log
  }

  #change(): void {
    this.#wake.resolve()
    this.#wake = Promise.withResolvers<void>()
  }
}
