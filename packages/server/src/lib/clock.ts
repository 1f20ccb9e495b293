/** Time as those know it who wait for it: the machine's, or one that somebody moves on ({@link VirtualClock}). */
export interface Clock {
  /** Milliseconds since the epoch. */
  now(): number
  /** Milliseconds by a clock that nobody sets; it stands still while the machine sleeps. */
  elapsed(): number
  /**
   * Calls `run` once the instant has come: never within this call, soon where it is over already, and never at all where it
   * is infinite. What is returned calls it off.
   */
  at(instant: number, run: () => void): () => void
}

/** The longest that a timer of Node can wait; asked for more, it fires at once. */
const longestMs = 2 ** 31 - 1

/** The time of this machine. When that is set back, what was asked for before comes no later. */
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
