import { BoundedMap } from './bounded-map.ts'

/** Settings of {@link Backoff}. Durations are milliseconds. */
export interface BackoffOptions {
  /** After the first failure; it doubles with each further one. */
  readonly firstMs: number
  /** The longest wait, unless a caller names a longer one. */
  readonly mostMs: number
  /** A number in [0, 1): waits are longer by up to a quarter, so that servers do not retry in step. */
  readonly random: () => number
}

interface Failures<F> {
  readonly failure: F
  readonly count: number
  readonly retryAt: number
}

/** Keys that are remembered. Of more, the least recently used are forgotten, and begin anew. */
const mostKeys = 1024

/** Exponential backoff by key: who fails within a wait shares its end, so that all try again together. */
export class Backoff<F> {
  readonly #options: BackoffOptions
  readonly #failures = new BoundedMap<string, Failures<F>>(mostKeys)

  constructor(options: BackoffOptions) {
    this.#options = options
  }

  /** The last failure of a key whose wait is not over, and its end; undefined where it may be tried. */
  waiting(key: string, now: number): { readonly failure: F; readonly retryAt: number } | undefined {
    const last = this.#failures.get(key)
    return last !== undefined && now < last.retryAt ? last : undefined
  }

  /**
   * A key failed now: the end of its wait, in milliseconds since the epoch.
   * @param leastMs how long at least, as a server asked for
   */
  failed(key: string, failure: F, now: number, leastMs = 0): number {
    const waiting = this.waiting(key, now)
    if (waiting !== undefined) return waiting.retryAt
    const { firstMs, mostMs, random } = this.#options
    const last = this.#failures.get(key)
    // Failures that are long over say nothing about this one.
    const count = last === undefined || now - last.retryAt > 10 * mostMs ? 1 : last.count + 1
    const delay = Math.max(leastMs, Math.min(mostMs, firstMs * 2 ** (count - 1)))
    const jitter = Math.min(mostMs, delay) * 0.25 * random()
    const retryAt = Math.ceil(now + delay + jitter)
    this.#failures.set(key, { failure, count, retryAt })
    return retryAt
  }

  /** A key succeeded: its next failure is a first one. */
  succeeded(key: string): void {
    this.#failures.delete(key)
  }
}
