/** Longest time between two cycles of a working loop. It runs every two seconds, and a cycle over a long queue takes longer. */
const longestPauseMs = 30_000

/** Detects when a periodic activity stops. */
export class Heartbeat {
  readonly #now: () => number
  #lastAt: number

  constructor(now: () => number = () => performance.now()) {
    this.#now = now
    this.#lastAt = now()
  }

  /** Records that the activity happened. */
  beat(): void {
    this.#lastAt = this.#now()
  }

  /** @throws when the activity has not happened for {@link longestPauseMs}. */
  check(): void {
    const pause = this.#now() - this.#lastAt
    if (pause > longestPauseMs) throw new Error(`no activity for ${Math.round(pause / 1000)} s`)
  }
}
