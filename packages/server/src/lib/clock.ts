/** A source of time: the machine's clock, or one that a test advances ({@link VirtualClock}). */
export interface Clock {
  /** Milliseconds since the epoch. */
  now(): number
  /** Milliseconds of a monotonic clock, which stops while the machine is suspended. */
  elapsed(): number
  /**
   * Calls `run` once the instant has come: never within this call, soon where it is past, and never where it
   * is infinite. Returns a function that cancels the call.
   */
  at(instant: number, run: () => void): () => void
}

/** The longest delay of a Node timer. Above it the timer fires at once. */
const longestMs = 2 ** 31 - 1

/** The machine's clock. A clock that is set back does not delay timers that are already set. */
export const machineClock: Clock = {
  now: Date.now,
  elapsed: () => performance.now(),
  at(instant, run) {
    if (instant === Infinity) return () => {}
    let timer: NodeJS.Timeout
    const wait = (): void => {
      const ms = instant - Date.now()
      timer = setTimeout(ms > longestMs ? wait : run, Math.min(longestMs, Math.max(0, ms)))
    }
    wait()
    return () => {
      clearTimeout(timer)
    }
  },
}
