/** Longest time between two cycles of a loop that turns: it looks every two seconds, and a cycle may have much to do. */
const longestPauseMs = 30_000

/** Knows when something last happened that should happen again and again. */
export class Heartbeat {
  readonly #now: () => number
  #lastAt: number

  constructor(now: () => number = () => performance.now()) {
    this.#now = now
    this.#lastAt = now()
  }

  /** It happened. */
  beat(): void {
    this.#lastAt = this.#now()
  }

  /** @throws where it has not happened for too long. */
  check(): void {
    const pause = this.#now() - this.#lastAt
    if (pause > longestPauseMs) throw new Error(`nothing for ${Math.round(pause / 1000)} s`)
  }
}
