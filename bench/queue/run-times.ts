/** How many run times are remembered of an application. */
const remembered = 21

/** Run times seen so far, by application: what a running platform would know when a job is submitted. */
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

  /** The history, ascending, and the estimate: three quarters ran no longer; what was asked for where little is known. */
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
