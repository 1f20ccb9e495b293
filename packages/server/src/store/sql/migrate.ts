import { readdir, readFile } from 'node:fs/promises'
import { join } from 'node:path'
import { sql, type Kysely } from 'kysely'
import type { Schema } from './schema.ts'

/** Thrown when the database was made by a newer version of the platform. */
export class NewerDatabase extends Error {
  override readonly name = 'NewerDatabase'
}

/**
 * Brings the database to the shape this version needs: runs what is missing of `migrations/NNNN-*.sql`, in order, each
 * in a transaction together with the row that records it.
 * @throws {NewerDatabase} where the database has migrations that this version does not know.
 */
export async function migrate(db: Kysely<Schema>, folder: string): Promise<void> {
  await sql`create table if not exists migrations (name text primary key, at bigint not null)`.execute(db)
  const files = (await readdir(folder)).filter((name) => /^\d{4}-.*\.sql$/.test(name)).toSorted()
  const known = new Set(files)
  const done = new Set(
    (await sql<{ name: string }>`select name from migrations`.execute(db)).rows.map((row) => row.name),
  )
  const unknown = [...done].find((name) => !known.has(name))
  if (unknown !== undefined) {
    throw new NewerDatabase(
      `The database has the migration ${unknown}, which this version does not know. Start the version that made it, or a newer one.`,
    )
  }
  for (const name of files.filter((file) => !done.has(file))) {
    const statements = (await readFile(join(folder, name), 'utf8'))
      .replace(/^\s*--.*$/gm, '')
      // A trigger has statements of its own, indented, up to its end.
      .split(/;\s*$(?!\s+end;)/m)
      .map((statement) => statement.trim())
      .filter((statement) => statement !== '')
    await db.transaction().execute(async (transaction) => {
      // Asked again inside: of two processes that start together, one waits for the other and finds it done.
      const { rows } = await sql`select 1 from migrations where name = ${name}`.execute(transaction)
      if (rows.length > 0) return
      await sql`insert into migrations (name, at) values (${name}, ${Date.now()})`.execute(transaction)
      for (const statement of statements) await sql.raw(statement).execute(transaction)
    })
  }
}
