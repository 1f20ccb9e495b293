import { setImmediate as othersFirst } from 'node:timers/promises'
import { type DatabaseConnection, SqliteDialect, SqliteDriver, type SqliteDialectConfig } from 'kysely'

/** Milliseconds of reads before the event loop gets a turn. */
const turnMs = 8

/**
 * SQLite answers without waiting, so a hundred reads that arrive together run one after the other before the event loop gets a turn.
 * Through this dialect they take turns with everything else. For a connection that only reads: a transaction would hold others up.
 */
export class ReadsInTurns extends SqliteDialect {
  readonly #config: SqliteDialectConfig

  constructor(config: SqliteDialectConfig) {
    super(config)
    this.#config = config
  }

  override createDriver(): SqliteDriver {
    return new TurnTakingDriver(this.#config)
  }
}

class TurnTakingDriver extends SqliteDriver {
  /** When the first read of this turn of the event loop began; undefined where there was none. */
  #begunAt: number | undefined

  override async acquireConnection(): Promise<DatabaseConnection> {
    while (this.#begunAt !== undefined && performance.now() - this.#begunAt >= turnMs) await othersFirst()
    if (this.#begunAt === undefined) {
      this.#begunAt = performance.now()
      setImmediate(() => {
        this.#begunAt = undefined
      })
    }
    return super.acquireConnection()
  }
}
