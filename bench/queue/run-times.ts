/** Number of stored run times per application. */
const remembered = 21

/** Run times so far by application: the data of a running platform at a submission. */
export class RunTimes {
  readonly #recent = new Map<string, number[]>()
  readonly #sorted = new Map<string, readonly number[]>()

  ended(application: string, seconds: number): void {
    const recent = this.#recent.get(application) ?? []
    recent.push(seconds)
    if (recent.length > remembered) recent.shift()
    this.#recent.set(application, recent)
    this.#sorted.delete(application)
  }

  /** The ascending history, and the estimate: its third quartile, or the requested time with a short history. */
  of(application: string, requestedSeconds: number): { history: readonly number[]; estimateSeconds: number } {
    let history = this.#sorted.get(application)
    if (history === undefined) {
      history = (this.#recent.get(application) ?? []).toSorted((a, b) => a - b)
      this.#sorted.set(application, history)
    }
    const known = history[Math.ceil(history.length * 0.75) - 1]
    return {
      history,
      estimateSeconds: history.length < 3 || known === undefined ? requestedSeconds : Math.min(known, requestedSeconds),
    }
  }
}
