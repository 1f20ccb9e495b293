import { sql, type Kysely, type Transaction } from 'kysely'
import type { Schema } from './schema.ts'

type Write = {
  readonly run: (transaction: Transaction<Schema>) => Promise<unknown>
  readonly resolve: (value: unknown) => void
  readonly reject: (error: unknown) => void
}

/**
 * Writes that arrive together share one transaction and so one fsync. A promise is kept only after the commit that
 * covers it. A write that fails takes nothing of itself into the commit and does not spare the others theirs.
 */
export class GroupCommit {
  readonly #db: Kysely<Schema>
  readonly #onCommit: (seconds: number) => void
  #waiting: Write[] = []
  #flushing: Promise<void> | undefined

  constructor(db: Kysely<Schema>, onCommit: (seconds: number) => void = () => {}) {
    this.#db = db
    this.#onCommit = onCommit
  }

  /** Runs `write` in the next transaction; fulfilled when it is durable. */
  run<T>(write: (transaction: Transaction<Schema>) => Promise<T>): Promise<T> {
    return new Promise<T>((resolve, reject) => {
      this.#waiting.push({ run: write, resolve: resolve as (value: unknown) => void, reject })
      this.#flushing ??= this.#flushSoon()
    })
  }

  /** Fulfilled when nothing is waiting to be written. */
  async idle(): Promise<void> {
    while (this.#flushing !== undefined) await this.#flushing
  }

  async #flushSoon(): Promise<void> {
    // One turn of the event loop: requests that were readable at the same moment meet here.
    await new Promise((resolve) => setImmediate(resolve))
    try {
      while (this.#waiting.length > 0) await this.#flush()
    } finally {
      this.#flushing = undefined
    }
  }

  async #flush(): Promise<void> {
    const batch = this.#waiting
    this.#waiting = []
    const begun = performance.now()
    try {
      const outcomes = await this.#db.transaction().execute(async (transaction) => {
        const [only] = batch
        if (batch.length === 1 && only !== undefined) {
          const value = await only.run(transaction)
          return [
            {
              settle: () => {
                only.resolve(value)
              },
            },
          ]
        }
        const settled: { settle: () => void }[] = []
        for (const write of batch) settled.push(await runApart(transaction, write))
        return settled
      })
      this.#onCommit((performance.now() - begun) / 1000)
      for (const outcome of outcomes) outcome.settle()
    } catch (error) {
      for (const write of batch) write.reject(error)
    }
  }
}

async function runApart(transaction: Transaction<Schema>, write: Write): Promise<{ settle: () => void }> {
  await sql`savepoint one_write`.execute(transaction)
  try {
    const value = await write.run(transaction)
    await sql`release savepoint one_write`.execute(transaction)
    return {
      settle: () => {
        write.resolve(value)
      },
    }
  } catch (error) {
    await sql`rollback to savepoint one_write`.execute(transaction)
    await sql`release savepoint one_write`.execute(transaction)
    return {
      settle: () => {
        write.reject(error)
      },
    }
  }
}
