import { readdir, readFile } from 'node:fs/promises'
import { join } from 'node:path'
import { sql, type Kysely, type Transaction } from 'kysely'
import type { Schema } from './schema.ts'

/** Thrown when a newer version has migrated the database to a schema that this version cannot use. */
export class NewerDatabase extends Error {
  override readonly name = 'NewerDatabase'
}

/** Options that a driver passes to {@link migrate}. */
export interface MigrationOptions {
  /** The folder of `NNNN-*.sql`. A file of the same name in its folder `<dialect>/` takes precedence. */
  readonly folder: string
  readonly dialect: 'sqlite' | 'postgres'
  /**
   * Locks out migrations of other processes until the transaction ends. SQLite needs no lock: its transactions are `begin
   * immediate`.
   */
  readonly lock?: (transaction: Transaction<Schema>) => Promise<void>
}

/** A migration whose first line is `-- contract: …` breaks compatibility with earlier servers. */
const contract = /^-- contract:/

/**
 * Migrates the database to the schema of this version: runs the missing migrations in order. Each runs in a transaction
 * with the row that records it. Several processes may start at once.
 * @throws {NewerDatabase} where a contract migration of the database is unknown to this version. Other unknown migrations
 * only add to the schema: a newer server may run beside this one.
 */
export async function migrate(db: Kysely<Schema>, { folder, dialect, lock }: MigrationOptions): Promise<void> {
  const isMigration = (name: string): boolean => /^\d{4}-.*\.sql$/.test(name)
  const files = (await readdir(folder)).filter(isMigration).toSorted()
  const own = new Set(await readdir(join(folder, dialect)).catch(() => []))
  await db.transaction().execute(async (transaction) => {
    await lock?.(transaction)
    await sql`create table if not exists migrations (name text primary key, at bigint not null)`.execute(transaction)
    await requireKnown(transaction, new Set(files))
  })
  for (const name of files) {
    const text = await readFile(own.has(name) ? join(folder, dialect, name) : join(folder, name), 'utf8')
    await db.transaction().execute(async (transaction) => {
      await lock?.(transaction)
      // Checked inside the lock: of two processes that start together, the second waits and finds the migration done.
      if ((await sql`select 1 from migrations where name = ${name}`.execute(transaction)).rows.length > 0) return
      await sql`insert into migrations (name, at) values (${name}, ${Date.now()})`.execute(transaction)
      for (const statement of statementsOf(text)) await sql.raw(statement).execute(transaction)
      if (contract.test(text)) await noteLeast(transaction, name)
    })
  }
}

/** The statements of a migration. Pure. */
const statementsOf = (text: string): string[] =>
  text
    .replace(/^\s*--.*$/gm, '')
    // A trigger contains statements of its own, indented, up to its `end`.
    .split(/;\s*$(?!\s+end;)/m)
    .map((statement) => statement.trim())
    .filter((statement) => statement !== '')

const noteLeast = (transaction: Transaction<Schema>, name: string): Promise<unknown> =>
  sql`insert into facts (name, value) values ('least_migration', ${name})
    on conflict (name) do update set value = excluded.value`.execute(transaction)

async function requireKnown(transaction: Transaction<Schema>, known: ReadonlySet<string>): Promise<void> {
  const { rows } = await sql<{ name: string }>`select name from migrations where name = '0007-changes.sql'`.execute(
    transaction,
  )
  if (rows.length === 0) return
  const least = await transaction
    .selectFrom('facts')
    .select('value')
    .where('name', '=', 'least_migration')
    .executeTakeFirst()
  if (least === undefined || known.has(least.value)) return
  throw new NewerDatabase(
    `The database needs the migration ${least.value}, which this version does not know. Start the version that made it, or a newer one.`,
  )
}
