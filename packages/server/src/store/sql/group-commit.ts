import { CompiledQuery, type Kysely, type Transaction } from 'kysely'
import type { AuditEntry } from '../../audit/entry.ts'
import type { StoredChange } from '../change.ts'
import { appendAudit } from '../users/audit.ts'
import type { Schema } from './schema.ts'
import { WriteTransaction } from './write-transaction.ts'

type Write = {
  readonly run: (transaction: WriteTransaction) => Promise<unknown>
  readonly audited: ((value: never) => readonly AuditEntry[]) | undefined
  readonly resolve: (value: unknown) => void
  readonly reject: (error: unknown) => void
}

/**
 * Group commit: concurrent writes share one transaction and so one fsync. A write is fulfilled only after its commit. A
 * failed write is rolled back alone; the other writes of the transaction still commit.
 */
export class GroupCommit {
  readonly #db: Kysely<Schema>
  readonly #onCommit: (seconds: number, changes: readonly StoredChange[]) => void
  #waiting: Write[] = []
  /** Pieces of large writes. */
  readonly #pieces: Write[] = []
  #isPieceNext = false
  #flushing: Promise<void> | undefined

  constructor(db: Kysely<Schema>, onCommit: (seconds: number, changes: readonly StoredChange[]) => void = () => {}) {
    this.#db = db
    this.#onCommit = onCommit
  }

  /**
   * Runs `write` in the next transaction. Fulfilled when it is durable. `audited` makes audit entries from its value, which
   * are stored in the same transaction: both are stored, or neither.
   */
  run<T>(
    write: (transaction: WriteTransaction) => Promise<T>,
    audited?: (value: T) => readonly AuditEntry[],
  ): Promise<T> {
    return this.#enqueue(this.#waiting, write, audited)
  }

  /**
   * As {@link run}, for a piece of a large write: it has a transaction of its own, after one with all other writes that wait. So a
   * small write waits for at most one piece.
   */
  runPiece<T>(
    write: (transaction: WriteTransaction) => Promise<T>,
    audited?: (value: T) => readonly AuditEntry[],
  ): Promise<T> {
    return this.#enqueue(this.#pieces, write, audited)
  }

  #enqueue<T>(
    queue: Write[],
    run: (transaction: WriteTransaction) => Promise<T>,
    audited: ((value: T) => readonly AuditEntry[]) | undefined,
  ): Promise<T> {
    return new Promise<T>((resolve, reject) => {
      queue.push({ run, audited, resolve: resolve as (value: unknown) => void, reject })
      this.#flushing ??= this.#flushSoon()
    })
  }

  /** Fulfilled when no write is pending. */
  async idle(): Promise<void> {
    while (this.#flushing !== undefined) await this.#flushing
  }

  async #flushSoon(): Promise<void> {
    try {
      while (this.#waiting.length > 0 || this.#pieces.length > 0) {
        // One turn of the event loop: requests that became readable together share the commit, and no request waits for two.
        await new Promise((resolve) => setImmediate(resolve))
        await this.#flush()
      }
    } finally {
      this.#flushing = undefined
    }
  }

  /** All small writes, or one piece: by turns where both wait. */
  #nextBatch(): readonly Write[] {
    const piece = this.#isPieceNext || this.#waiting.length === 0 ? this.#pieces.shift() : undefined
    this.#isPieceNext = piece === undefined
    if (piece !== undefined) return [piece]
    const batch = this.#waiting
    this.#waiting = []
    return batch
  }

  async #flush(): Promise<void> {
    const batch = this.#nextBatch()
    const begun = performance.now()
    let committed: { readonly outcomes: readonly Outcome[]; readonly changes: readonly StoredChange[] }
    try {
      committed = await this.#db.transaction().execute(async (db) => {
        const transaction = new WriteTransaction(db)
        const alone = batch.length === 1
        const outcomes: Outcome[] = []
        for (const write of batch)
          outcomes.push(alone ? await runAlone(transaction, write) : await runApart(transaction, write))
        await appendEntries(
          db,
          outcomes.flatMap(({ entries }) => entries),
        )
        return { outcomes, changes: await transaction.finish() }
      })
    } catch (error) {
      // The transaction was rolled back. Where the audit trail failed, writes without audit entries are retried.
      const spared = error instanceof AuditFault ? batch.filter(({ audited }) => audited === undefined) : []
      for (const write of batch) if (!spared.includes(write)) write.reject(error)
      this.#waiting.unshift(...spared)
      return
    }
    for (const outcome of committed.outcomes) outcome.settle()
    this.#onCommit((performance.now() - begun) / 1000, committed.changes)
  }
}

/** Thrown where audit entries could not be appended. */
class AuditFault extends Error {
  override readonly name = 'AuditFault'
}

async function appendEntries(transaction: Transaction<Schema>, entries: readonly AuditEntry[]): Promise<void> {
  if (entries.length === 0) return
  try {
    await appendAudit(transaction, entries)
  } catch (error) {
    throw new AuditFault('the audit trail cannot be written', { cause: error })
  }
}

/** The outcome of a write inside its transaction. */
interface Outcome {
  readonly entries: readonly AuditEntry[]
  /** Settles the promise of the write. Call it after the commit. */
  readonly settle: () => void
}

async function runAlone(transaction: WriteTransaction, write: Write): Promise<Outcome> {
  const value = await write.run(transaction)
  return {
    entries: write.audited?.(value as never) ?? [],
    settle: () => {
      write.resolve(value)
    },
  }
}

async function runApart(transaction: WriteTransaction, write: Write): Promise<Outcome> {
  const { db } = transaction
  const mark = transaction.mark()
  await db.executeQuery(CompiledQuery.raw('savepoint one_write'))
  try {
    const outcome = await runAlone(transaction, write)
    await db.executeQuery(CompiledQuery.raw('release savepoint one_write'))
    return outcome
  } catch (error) {
    await db.executeQuery(CompiledQuery.raw('rollback to savepoint one_write'))
    await db.executeQuery(CompiledQuery.raw('release savepoint one_write'))
    transaction.rollBack(mark)
    return {
      entries: [],
      settle: () => {
        write.reject(error)
      },
    }
  }
}
