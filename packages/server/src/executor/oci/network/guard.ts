import { setTimeout as delay } from 'node:timers/promises'
import type { Logger } from 'pino'

/** What a {@link NetworkGuard} looks after. */
export interface Guarded {
  /** What is wrong now: a part of a sentence for each fault; empty where nothing is. */
  look(): Promise<readonly string[]>
  /** Puts everything back. */
  repair(): Promise<void>
}

/** Settings of {@link NetworkGuard}. */
export interface GuardOptions {
  readonly guarded: Guarded
  readonly log: Pick<Logger, 'info' | 'warn' | 'error'>
  /** Milliseconds between two looks without a reason. @defaultValue 5000 */
  readonly everyMs?: number
  /** Milliseconds for which a look is trusted while nothing reports a change. @defaultValue 1000 */
  readonly freshMs?: number
  /** Milliseconds before the next try after a repair failed. @defaultValue 1000 */
  readonly retryMs?: number
}

/** Milliseconds between two looks for reported changes: another program may change its own rules a hundred times a second. */
const betweenLooksMs = 100

interface Waiter {
  readonly attemptId: string
  readonly resolve: () => void
  readonly reject: (reason: Error) => void
}

/**
 * Keeps the network of jobs whole: looks every few seconds, at every reported change and before a lease, repairs what is wrong, and lets
 * no attempt have a lease meanwhile.
 */
export class NetworkGuard {
  readonly #options: Required<GuardOptions>
  readonly #closing = new AbortController()
  #waiters: Waiter[] = []
  #timer: NodeJS.Timeout | undefined
  #working: Promise<void> | undefined
  #again = false
  #lookedAt = -Infinity
  /** Changes reported so far, and how many of them the latest look without a fault has seen. */
  #reported = 0
  #seen = 0
  #fault: string | undefined
  #changedBy: string | undefined

  constructor(options: GuardOptions) {
    this.#options = { everyMs: 5000, freshMs: 1000, retryMs: 1000, ...options }
  }

  /** Begins to look. Call it when the network is complete. */
  start(): void {
    this.#lookedAt = performance.now()
    this.#timer = setInterval(() => {
      this.#lookSoon()
    }, this.#options.everyMs).unref()
  }

  /** What is wrong; undefined while nothing is known to be. */
  fault(): string | undefined {
    return this.#fault
  }

  /** Something may have changed: looks soon. @param by the program that changed it, for the log. */
  changed(by?: string): void {
    this.#changedBy = by ?? this.#changedBy
    this.#reported += 1
    this.#lookSoon()
  }

  /** Whether the latest look is recent, found nothing, and nothing was reported since. */
  isWhole(): boolean {
    return this.#age() < this.#options.freshMs && this.#fault === undefined && this.#reported === this.#seen
  }

  /** Resolves once a look has found nothing wrong. Rejects when {@link NetworkGuard.leave} is called for the attempt. */
  whole(attemptId: string): Promise<void> {
    if (this.isWhole()) {
      // The next look begins before this one is too old, so that a row of leases waits for none.
      if (this.#age() > this.#options.freshMs / 2) this.#lookSoon()
      return Promise.resolve()
    }
    if (this.#closing.signal.aborted) return Promise.reject(new Error('the isolated network is closed'))
    return new Promise((resolve, reject) => {
      this.#waiters.push({ attemptId, resolve, reject })
      this.#lookSoon()
    })
  }

  /** Milliseconds since the latest look began. */
  #age(): number {
    return performance.now() - this.#lookedAt
  }

  #lookSoon(): void {
    if (this.#closing.signal.aborted) return
    this.#again = true
    this.#working ??= this.#work().finally(() => {
      this.#working = undefined
    })
  }

  /** The attempt waits no longer. */
  leave(attemptId: string): void {
    for (const { reject } of this.#waiters.filter((waiter) => waiter.attemptId === attemptId))
      reject(new Error(`attempt ${attemptId} ended while it waited for its network`))
    this.#waiters = this.#waiters.filter((waiter) => waiter.attemptId !== attemptId)
  }

  /** Looks no more; rejects those that wait. */
  async close(): Promise<void> {
    this.#closing.abort()
    clearInterval(this.#timer)
    for (const { reject } of this.#waiters.splice(0)) reject(new Error('the isolated network was closed'))
    await this.#working
  }

  async #work(): Promise<void> {
    while (this.#again && !this.#closing.signal.aborted) {
      this.#again = false
      // Those that arrive during a look wait for the next one.
      const served = new Set(this.#waiters)
      const reported = this.#reported
      await this.#lookAndRepair()
      if (this.#fault === undefined) {
        this.#seen = reported
        this.#waiters = this.#waiters.filter((waiter) => !served.has(waiter))
        for (const { resolve } of served) resolve()
      }
      this.#again ||= this.#fault !== undefined
      if (this.#again) await this.#pause(this.#fault === undefined ? betweenLooksMs : this.#options.retryMs)
    }
  }

  /** One look, and where something is wrong a repair and a second look. */
  async #lookAndRepair(): Promise<void> {
    const { log } = this.#options
    const before = this.#fault
    const found = await this.#look()
    if (found !== undefined) {
      this.#fault = found
      if (found !== before)
        log.warn(
          { failure: found, program: this.#changedBy },
          'the network of jobs was changed by another program; jobs wait until it is repaired',
        )
      const failure = await this.#repair()
      const left = failure ?? (await this.#look())
      if (left !== undefined && left !== before)
        log.error({ failure: left }, 'the network of jobs could not be repaired, retrying')
      this.#fault = left
    } else this.#fault = undefined
    if (this.#fault === undefined && (found !== undefined || before !== undefined))
      log.info({ failure: found ?? before }, 'the network of jobs is repaired')
    this.#changedBy = undefined
  }

  async #look(): Promise<string | undefined> {
    const startedAt = performance.now()
    try {
      const faults = await this.#options.guarded.look()
      this.#lookedAt = startedAt
      return faults.length === 0 ? undefined : faults.join('; ')
    } catch (error) {
      return `it cannot be looked at: ${(error as Error).message}`
    }
  }

  async #repair(): Promise<string | undefined> {
    try {
      await this.#options.guarded.repair()
      return undefined
    } catch (error) {
      return (error as Error).message
    }
  }

  async #pause(milliseconds: number): Promise<void> {
    const { signal } = this.#closing
    await delay(milliseconds, undefined, { signal }).catch(() => undefined)
  }
}
