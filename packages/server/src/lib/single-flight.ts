interface Entry<T> {
  readonly result: Promise<T>
  readonly controller: AbortController
  wanted: number
}

/**
 * Runs work once for concurrent callers of the same key. The work continues while at least one caller waits, and is
 * aborted when the last caller leaves.
 */
export class SingleFlight<T> {
  readonly #entries = new Map<string, Entry<T>>()

  /**
   * Joins the work under this key, or starts it. When aborted, it rejects with the signal's reason: at once while other callers
   * wait, else after the work has ended and cleaned up.
   */
  async join(key: string, signal: AbortSignal, work: (signal: AbortSignal) => Promise<T>): Promise<T> {
    signal.throwIfAborted()
    const entry = this.#entries.get(key) ?? this.#start(key, work)
    entry.wanted += 1
    const { promise: left, reject: leave } = Promise.withResolvers<never>()
    const onAbort = (): void => {
      entry.wanted -= 1
      if (entry.wanted > 0) return leave(signal.reason)
      // Aborted work must not be joined: the next caller starts it again.
      if (this.#entries.get(key) === entry) this.#entries.delete(key)
      entry.controller.abort(signal.reason)
      const end = (): void => {
        leave(signal.reason)
      }
      entry.result.then(end, end)
    }
    signal.addEventListener('abort', onAbort, { once: true })
    try {
      return await Promise.race([entry.result, left])
    } catch (error) {
      throw signal.aborted ? signal.reason : error
    } finally {
      signal.removeEventListener('abort', onAbort)
    }
  }

  #start(key: string, work: (signal: AbortSignal) => Promise<T>): Entry<T> {
    const controller = new AbortController()
    const result = work(controller.signal).finally(() => {
      if (this.#entries.get(key) === entry) this.#entries.delete(key)
    })
    const entry: Entry<T> = { result, controller, wanted: 0 }
    this.#entries.set(key, entry)
    return entry
  }
}
