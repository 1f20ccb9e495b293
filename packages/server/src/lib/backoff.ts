import { BoundedMap } from './bounded-map.ts'

/** Settings of {@link Backoff}. Durations are milliseconds. */
export interface BackoffOptions {
  /** Delay after the first failure. It doubles with each further failure. */
  readonly firstMs: number
  /** Maximum delay, unless a caller requires a longer one. */
  readonly mostMs: number
  /** A random number in [0, 1). Jitter lengthens delays by up to a quarter, so that servers do not retry in step. */
  readonly random: () => number
}

interface Failures<F> {
  readonly failure: F
  readonly count: number
  readonly retryAt: number
}

/** Maximum of stored keys. The least recently used one is dropped; its next failure counts as the first. */
const mostKeys = 1024

/** Exponential backoff by key. A failure during a delay does not extend it, so that concurrent users of a key retry together. */
export class Backoff<F> {
  readonly #options: BackoffOptions
  readonly #failures = new BoundedMap<string, Failures<F>>(mostKeys)

  constructor(options: BackoffOptions) {
    this.#options = options
  }

  /** The last failure of a key and the end of its delay; undefined when the delay is over. */
  waiting(key: string, now: number): { readonly failure: F; readonly retryAt: number } | undefined {
    const last = this.#failures.get(key)
    return last !== undefined && now < last.retryAt ? last : undefined
  }

  /**
   * Records a failure and returns the end of the delay, in milliseconds since the epoch.
   * @param leastMs minimum delay, such as the Retry-After of a server
   */
  failed(key: string, failure: F, now: number, leastMs = 0): number {
    const waiting = this.waiting(key, now)
    if (waiting !== undefined) return waiting.retryAt
    const { firstMs, mostMs, random } = this.#options
    const last = this.#failures.get(key)
    // An old failure does not count.
    const count = last === undefined || now - last.retryAt > 10 * mostMs ? 1 : last.count + 1
    const delay = Math.max(leastMs, Math.min(mostMs, firstMs * 2 ** (count - 1)))
    const jitter = Math.min(mostMs, delay) * 0.25 * random()
    const retryAt = Math.ceil(now + delay + jitter)
    this.#failures.set(key, { failure, count, retryAt })
    return retryAt
  }

  /** Records a success: the next failure counts as the first. */
  succeeded(key: string): void {
    this.#failures.delete(key)
  }
}
