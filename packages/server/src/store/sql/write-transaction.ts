import type { Transaction } from 'kysely'
import type { NewChange, StoredChange } from '../change.ts'
import { changeOf } from './changes.ts'
import { execute } from './execute.ts'
import { insertRows } from './insert-rows.ts'
import type { ChangeRow, Schema } from './schema.ts'

/** The counters of the database. */
export type Counter = keyof Schema['counters']

/** The number of an appended change: 0 until its transaction ends, then final. */
export interface Appended {
  number: number
}

/** A savepoint of a transaction. */
export interface Mark {
  readonly counters: Schema['counters'] | undefined
  readonly appended: number
}

/**
 * A transaction that assigns numbers and appends to the change log. Numbers come from the counter row, which is the
 * last statement before the commit. So on PostgreSQL other writers wait for its row lock only briefly.
 */
export class WriteTransaction {
  readonly db: Transaction<Schema>
  #counters: Schema['counters'] | undefined
  #isCounted = false
  readonly #appended: { readonly change: NewChange; readonly place: Appended }[] = []

  constructor(db: Transaction<Schema>) {
    this.db = db
  }

  /** Assigns `count` numbers and returns the first. A rolled-back transaction leaves no gap. */
  async take(counter: Exclude<Counter, 'changes'>, count: number): Promise<number> {
    const counters = (this.#counters ??= await this.#read())
    const first = counters[counter] + 1
    this.#counters = { ...counters, [counter]: counters[counter] + count }
    this.#isCounted = true
    return first
  }

  /** Appends a change. Its number is known when the transaction has ended. */
  append(change: NewChange): Appended {
    const place = { number: 0 }
    this.#appended.push({ change, place })
    return place
  }

  /** A savepoint for {@link rollBack}. */
  mark(): Mark {
    return { counters: this.#counters, appended: this.#appended.length }
  }

  /** Returns the numbers and drops the changes since the mark. */
  rollBack({ counters, appended }: Mark): void {
    this.#counters = counters
    this.#appended.length = appended
  }

  /** Writes the appended changes and the counters. The last call before the commit. Returns the changes with their numbers. */
  async finish(): Promise<readonly StoredChange[]> {
    if (!this.#isCounted && this.#appended.length === 0) return []
    const counters = this.#counters ?? (await this.#read())
    let number = counters.changes
    for (const { place } of this.#appended) place.number = ++number
    const rows = this.#appended.map(({ change, place }) => changeRow(change, place.number))
    await insertRows(this.db, 'changes', rows)
    await execute(
      this.db,
      'update counters',
      () => this.db.updateTable('counters').set(counters),
      Object.values({ ...counters, changes: number }),
    )
    return rows.map(changeOf)
  }

  async #read(): Promise<Schema['counters']> {
    const [row] = await execute(
      this.db,
      'select counters',
      () => this.db.selectFrom('counters').select(['jobs', 'events', 'changes']),
      [],
    )
    if (row === undefined) throw new Error('The table counters has no row.')
    return row
  }
}

const changeRow = (change: NewChange, seq: number): ChangeRow => ({
  seq,
  at: change.at,
  kind: change.kind,
  owner: change.owner ?? null,
  subject: change.subject,
  array_id: change.arrayId ?? null,
  first_task: change.tasks?.first ?? null,
  last_task: change.tasks?.last ?? null,
  name: change.name ?? null,
  from_state: change.from ?? null,
  to_state: change.to ?? null,
  exit_code: change.exitCode ?? null,
  cause_code: change.causeCode ?? null,
})
