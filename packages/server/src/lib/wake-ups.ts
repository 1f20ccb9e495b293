/** Notifies waiters of a change. */
export class WakeUps {
  readonly #waiting = new Set<() => void>()

  /** Something changed: wakes all waiters. */
  wake = (): void => {
    for (const resolve of this.#waiting) resolve()
  }

  /** Resolves at the next {@link wake}, or after a second in case a change came without one; rejects when aborted. */
  changed = (signal: AbortSignal): Promise<void> =>
    new Promise((resolve, reject) => {
      const finish = (): void => {
        clearTimeout(timer)
        this.#waiting.delete(finish)
        signal.removeEventListener('abort', finish)
        if (signal.aborted) reject(signal.reason as Error)
        else resolve()
      }
      const timer = setTimeout(finish, 1000)
      timer.unref()
      this.#waiting.add(finish)
      signal.addEventListener('abort', finish)
      if (signal.aborted) finish()
    })
}
