/**
 * Milliseconds of work before the event loop gets a turn. Small pieces may begin when there is no time left for large ones: a short answer
 * is made of several, one after another, and would need a turn for each.
 */
const turnMs: Readonly<Record<WorkSize, number>> = { large: 5, small: 10 }

/**
 * `small`: what scheduling waits for, and short answers; at most about a millisecond. `large`: a piece of a long answer, a few
 * milliseconds.
 */
export type WorkSize = 'small' | 'large'

/**
 * Lets pieces of work of all requests take turns with everything else on the event loop: together they get some milliseconds of each
 * turn. One piece at a time; small ones first, but a large one in every turn; otherwise in the order of their arrival. So a small piece
 * waits for at most one large one, however many wait.
 */
export class WorkTurns {
  readonly #waiting: Readonly<Record<WorkSize, (() => void)[]>> = { small: [], large: [] }
  #isBusy = false
  /** When the first piece of this turn of the event loop began; undefined where there was none. */
  #begunAt: number | undefined
  #largeInTurn = 0
  /** Large pieces waited for a whole turn and none of them had it. */
  #isLargeDue = false

  /** Runs one piece of work when it is its turn. */
  async run<T>(size: WorkSize, work: () => T): Promise<T> {
    await this.begin(size)
    try {
      return work()
    } finally {
      this.end()
    }
  }

  /** Resolves when a piece may begin. Call {@link end} after it, and begin no other before. */
  begin(size: WorkSize): Promise<void> {
    const { promise, resolve } = Promise.withResolvers<void>()
    this.#waiting[size].push(resolve)
    this.#next()
    return promise
  }

  end(): void {
    this.#isBusy = false
    this.#next()
  }

  #next(): void {
    if (this.#isBusy) return
    const size = this.#isLargeDue || this.#waiting.small.length === 0 ? 'large' : 'small'
    if (this.#begunAt !== undefined && performance.now() - this.#begunAt >= turnMs[size]) return
    const begin = this.#waiting[size].shift()
    if (begin === undefined) return
    if (this.#begunAt === undefined) {
      this.#begunAt = performance.now()
      setImmediate(() => {
        this.#endTurn()
      })
    }
    if (size === 'large') {
      this.#isLargeDue = false
      this.#largeInTurn++
    }
    this.#isBusy = true
    begin()
  }

  #endTurn(): void {
    this.#begunAt = undefined
    this.#isLargeDue = this.#waiting.large.length > 0 && this.#largeInTurn === 0
    this.#largeInTurn = 0
    this.#next()
  }
}

/** The turns of this thread. */
export const workTurns = new WorkTurns()
