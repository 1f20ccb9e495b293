interface Waiter {
  readonly attemptId: string
  readonly count: number
  readonly present: readonly number[]
  readonly resolve: (gpus: readonly number[]) => void
  readonly reject: (reason: Error) => void
}

/**
 * Which attempt has which GPUs of this machine. No two attempts have the same GPU: an attempt waits until those before it have ended and
 * are cleaned up.
 */
export class GpuPool {
  readonly #held = new Map<string, readonly number[]>()
  /** Attempts of a release that gave every GPU to every job, and how many each had asked for. */
  readonly #unnamed = new Map<string, number>()
  #waiters: Waiter[] = []

  /**
   * GPUs for an attempt, lowest numbers first; the same when called again. Waits, first come, first served, while too few are free.
   * Rejects when the attempt is released meanwhile.
   *
   * @param present the numbers of the machine's GPUs.
   */
  take(attemptId: string, count: number, present: readonly number[]): Promise<readonly number[]> {
    const held = this.#held.get(attemptId)
    if (held !== undefined) return Promise.resolve(held)
    return new Promise((resolve, reject) => {
      this.#waiters.push({ attemptId, count, present, resolve, reject })
      this.#serve()
    })
  }

  /** Whether an attempt waits. */
  isWaiting(attemptId: string): boolean {
    return this.#waiters.some((waiter) => waiter.attemptId === attemptId)
  }

  /**
   * An attempt of an earlier server has these GPUs.
   *
   * @param gpus their numbers; undefined: of a release that did not say which, so that the lowest numbers count as taken.
   */
  hold(attemptId: string, gpus: readonly number[] | undefined, count: number): void {
    if (gpus !== undefined) this.#held.set(attemptId, gpus)
    else if (count > 0) this.#unnamed.set(attemptId, count)
  }

  /** The attempt has ended, and no process of it is left. Without GPUs it does nothing. */
  release(attemptId: string): void {
    this.#held.delete(attemptId)
    this.#unnamed.delete(attemptId)
    for (const { reject } of this.#waiters.filter((waiter) => waiter.attemptId === attemptId))
      reject(new Error(`attempt ${attemptId} ended while it waited for a GPU`))
    this.#waiters = this.#waiters.filter((waiter) => waiter.attemptId !== attemptId)
    this.#serve()
  }

  #free(present: readonly number[]): readonly number[] {
    const named = new Set([...this.#held.values()].flat())
    const unnamed = [...this.#unnamed.values()].reduce((sum, count) => sum + count, 0)
    return present.filter((number) => !named.has(number)).slice(unnamed)
  }

  #serve(): void {
    for (let [next] = this.#waiters; next !== undefined; [next] = this.#waiters) {
      const free = this.#free(next.present)
      if (free.length < next.count) return
      const gpus = free.slice(0, next.count)
      this.#held.set(next.attemptId, gpus)
      this.#waiters.shift()
      next.resolve(gpus)
    }
  }
}
