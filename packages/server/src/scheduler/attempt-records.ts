import type { Observed } from '../executor/executor.ts'
import type { Store } from '../store/store.ts'

/** Remembers which listed attempts of no active job the store has a record of, so that a cycle asks only for new ones. */
export class AttemptRecords {
  readonly #store: Pick<Store, 'recordedAttempts'>
  #recorded: ReadonlySet<string> = new Set()

  constructor(store: Pick<Store, 'recordedAttempts'>) {
    this.#store = store
  }

  /**
   * Reads the records of the attempts in a list that belong to no active job. A record that is missing is asked for again: an
   * operator may adopt the attempt.
   *
   * @param isActive - Whether an attempt is the latest one of an active job.
   */
  async read(observed: readonly Observed[], isActive: (attemptId: string) => boolean): Promise<void> {
    const others = observed.map(({ attemptId }) => attemptId).filter((id) => !isActive(id))
    const before = this.#recorded
    const asked = others.filter((id) => !before.has(id))
    const found = asked.length === 0 ? new Set<string>() : await this.#store.recordedAttempts(asked)
    this.#recorded = new Set(others.filter((id) => before.has(id) || found.has(id)))
  }

  has(attemptId: string): boolean {
    return this.#recorded.has(attemptId)
  }
}
