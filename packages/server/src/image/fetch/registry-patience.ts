import { Backoff, type BackoffOptions } from '../../lib/backoff.ts'
import { ImageError } from './image-error.ts'

/** How long a registry is left alone after a failure. Milliseconds. */
export type PatienceOptions = Pick<BackoffOptions, 'firstMs' | 'mostMs'>

/** Without a `Retry-After`: at first a restart of a registry, then few enough requests of a whole queue. */
const usual: PatienceOptions = { firstMs: 5_000, mostMs: 30_000 }

/**
 * After a failure that may pass the registry is not asked for the same image again before a wait is over. Jobs that want the
 * image meanwhile fail with the same error, and with the same `retryAt`: they wait together and try again together.
 */
export class RegistryPatience {
  readonly #backoff: Backoff<ImageError>

  constructor(options: PatienceOptions = usual) {
    this.#backoff = new Backoff({ ...options, random: Math.random })
  }

  /**
   * Does work that asks the registry for an image.
   * @throws {ImageError} with `retryAt` where the failure may pass; other errors of the work as they are
   */
  async try<T>(key: string, work: () => Promise<T>): Promise<T> {
    const waiting = this.#backoff.waiting(key, Date.now())
    if (waiting !== undefined) throw later(waiting.failure, waiting.retryAt)
    try {
      const result = await work()
      this.#backoff.succeeded(key)
      return result
    } catch (error) {
      if (!(error instanceof ImageError) || error.retryAfterMs === undefined) throw error
      throw later(error, this.#backoff.failed(key, error, Date.now(), error.retryAfterMs))
    }
  }
}

const later = ({ why, cause, retryAfterMs }: ImageError, retryAt: number): ImageError =>
  new ImageError(why, { cause, retryAfterMs, retryAt })
