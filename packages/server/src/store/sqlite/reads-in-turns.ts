import { type DatabaseConnection, SqliteAdapter, SqliteDialect, type SqliteDialectConfig, SqliteDriver } from 'kysely'
import { workTurns, type WorkSize, type WorkTurns } from '../../lib/work-turns.ts'

/**
 * SQLite answers without waiting, so a hundred reads that arrive together run one after the other before the event loop gets a turn.
 * Through this dialect they take turns with everything else (`lib/work-turns.ts`), small ones first. For a connection that only reads:
 * a transaction would hold others up. Several dialects may share one database.
 */
export class ReadsInTurns extends SqliteDialect {
  readonly #config: SqliteDialectConfig
  readonly #size: WorkSize
  readonly #turns: WorkTurns

  constructor(config: SqliteDialectConfig, size: WorkSize, turns = workTurns) {
    super(config)
    this.#config = config
    this.#size = size
    this.#turns = turns
  }

  override createDriver(): SqliteDriver {
    return new TurnTakingDriver(this.#config, this.#size, this.#turns)
  }

  override createAdapter(): SqliteAdapter {
    return new UnlockedAdapter()
  }
}

/** Kysely locks a connection of SQLite for each query, and wakes all that wait when it is free. This leaves the order to the driver. */
export class UnlockedAdapter extends SqliteAdapter {
  override get supportsMultipleConnections(): boolean {
    return true
  }
}

class TurnTakingDriver extends SqliteDriver {
  readonly #size: WorkSize
  readonly #turns: WorkTurns

  constructor(config: SqliteDialectConfig, size: WorkSize, turns: WorkTurns) {
    super(config)
    this.#size = size
    this.#turns = turns
  }

  override async acquireConnection(): Promise<DatabaseConnection> {
    await this.#turns.begin(this.#size)
    return super.acquireConnection()
  }

  override async releaseConnection(): Promise<void> {
    this.#turns.end()
  }
}
