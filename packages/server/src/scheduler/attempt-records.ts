import type { Observed } from '../executor/executor.ts'
import type { Store } from '../store/store.ts'

/**
 * The record of an attempt that belongs to no active job of the job cache. `over`: its job has ended, or is past it. `current`: its job is
 * active in the store, and the job cache lags behind, as after `science-platform adopt`. Undefined: it has none.
 */
export type RecordState = 'over' | 'current' | undefined

/** Remembers which listed attempts are over by their records, so that a cycle asks only for the others. */
export class AttemptRecords {
  readonly #store: Pick<Store, 'recordedAttempts'>
  #records: ReadonlyMap<string, RecordState> = new Map()

  constructor(store: Pick<Store, 'recordedAttempts'>) {
    this.#store = store
  }

  /**
   * Reads the records of the attempts in a list that belong to no active job. What is not over is asked for again: it may end, and an
   * operator may adopt an attempt without a record.
   *
   * @param isActive Whether an attempt is the latest one of an active job.
   */
  async read(observed: readonly Observed[], isActive: (attemptId: string) => boolean): Promise<void> {
    const others = observed.map(({ attemptId }) => attemptId).filter((id) => !isActive(id))
    const before = this.#records
    const asked = others.filter((id) => before.get(id) !== 'over')
    const found = asked.length === 0 ? new Map<string, RecordState>() : await this.#store.recordedAttempts(asked)
    this.#records = new Map(others.map((id) => [id, before.get(id) === 'over' ? 'over' : found.get(id)]))
  }

  /** The record of an attempt as it was read last; `current` for one that was active then. */
  of(attemptId: string): RecordState {
    return this.#records.has(attemptId) ? this.#records.get(attemptId) : 'current'
  }
}
