import { randomBytes, randomUUID } from 'node:crypto'
import { existsSync } from 'node:fs'
import { mkdir, open } from 'node:fs/promises'
import { dirname, join } from 'node:path'
import { fileURLToPath } from 'node:url'
import { DatabaseSync } from 'node:sqlite'
import { setTimeout as wait } from 'node:timers/promises'
import { Kysely, type SqliteAdapter, SqliteDialect } from 'kysely'
import { openSeal, type Seal } from '../../lib/secrets/seal.ts'
import { drawnFact } from '../sql/facts.ts'
import { migrate } from '../sql/migrate.ts'
import type { Schema } from '../sql/schema.ts'
import { sqlStore, type StoreOptions } from '../sql/sql-store.ts'
import type { Store } from '../store.ts'
import { ReadsInTurns, UnlockedAdapter } from './reads-in-turns.ts'
import { asBetterSqlite } from './statements.ts'

/** The key file beside the database. A copy of the database alone reveals no job environment and no credentials. */
export const sealFile = 'seal.key'

/** Milliseconds that one process waits for the write of another. */
const patienceMs = 10_000

const migrations = fileURLToPath(new URL('../../../migrations', import.meta.url))

/**
 * Opens or creates the embedded database at `path`, and its encryption key beside it.
 *
 * Write-ahead log with `synchronous=FULL`: a commit is on the disk when it returns. Other processes, such as administrative
 * commands, may write at the same time. Each waits up to ten seconds for the other.
 */
export async function openSqliteStore(path: string, options: StoreOptions = {}): Promise<Store> {
  await mkdir(dirname(path), { recursive: true, mode: 0o755 })
  const seal = await openKey(path)
  // SQLite creates its other files with the mode of this file.
  await (await open(path, 'a', 0o600)).close()
  const database = new DatabaseSync(path, { timeout: patienceMs })
  await switchToWriteAheadLog(database)
  database.exec(`
    pragma synchronous = full;
    pragma foreign_keys = on;
    pragma cache_size = -16000;
  `)
  const writer = kyselyOver(database)
  await migrate(writer, { folder: migrations, dialect: 'sqlite' })
  const ids = {
    logId: await drawnFact(writer, 'log_id', newLogId),
    identity: await drawnFact(writer, 'identity', randomUUID),
  }
  // A separate connection: a long write transaction delays no read. SQLite shows it the last commit.
  const reading = new DatabaseSync(path, { timeout: patienceMs })
  reading.exec('pragma query_only = on; pragma cache_size = -16000;')
  const shared = { database: asBetterSqlite(reading) }
  const reader = new Kysely<Schema>({ dialect: new ReadsInTurns(shared, 'small') })
  const pages = new Kysely<Schema>({ dialect: new ReadsInTurns(shared, 'large') })
  const store = sqlStore({ writer, reader, pages }, ids, seal, options)
  return {
    ...store,
    close: async () => {
      await store.close()
      // Kysely closes no connection that was never used. An open one would keep the write-ahead log beside the database.
      for (const connection of [database, reading]) if (connection.isOpen) connection.close()
    },
  }
}

/** Draws the id of a change log. */
export const newLogId = (): string => randomBytes(8).toString('hex')

/**
 * Kysely locks a connection of SQLite for each query, and wakes all that wait when it is free. There is nothing to lock: a query runs
 * within one call, and transactions are run by `GroupCommit` alone, one after another.
 */
class Dialect extends SqliteDialect {
  override createAdapter(): SqliteAdapter {
    return new UnlockedAdapter()
  }
}

const kyselyOver = (database: DatabaseSync): Kysely<Schema> =>
  new Kysely<Schema>({ dialect: new Dialect({ database: asBetterSqlite(database) }) })

/**
 * Opens the key. A new key is created before its database. @throws where an existing database has no key: a new key could not
 * decrypt it.
 */
async function openKey(path: string): Promise<Seal> {
  const file = join(dirname(path), sealFile)
  if (existsSync(path) && !existsSync(file)) {
    throw new Error(
      `${file} is missing: it holds the key of what is sealed in ${path}. Put it back from where it is kept; without it jobs and credentials cannot be read.`,
    )
  }
  return openSeal(file)
}

/** This statement ignores the busy timeout of SQLite, so it is retried here. Only the first process makes the switch. */
async function switchToWriteAheadLog(database: DatabaseSync): Promise<void> {
  for (const end = Date.now() + patienceMs; ;) {
    try {
      database.exec('pragma journal_mode = wal')
      return
    } catch (error) {
      const busy = error instanceof Error && 'errcode' in error && error.errcode === 5
      if (!busy || Date.now() > end) throw error
      await wait(20)
    }
  }
}
