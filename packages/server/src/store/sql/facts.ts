import { sql, type Kysely } from 'kysely'
import type { Schema } from './schema.ts'

/** Facts about the database as a whole. */
export type FactName =
  /** The id of the change log: drawn with the database, and again by a restore. */
  | 'log_id'
  /** The identity of the database, a UUID: drawn with it, and kept by backup and restore. */
  | 'identity'
  /** When the database was restored from a backup, in milliseconds since the epoch; until attempts since then are adopted. */
  | 'restored_at'

/** A fact that is drawn at first use. Of several processes that start together, all get the value of the first. */
export async function drawnFact(db: Kysely<Schema>, name: FactName, draw: () => string): Promise<string> {
  await sql`insert into facts (name, value) values (${name}, ${draw()}) on conflict (name) do nothing`.execute(db)
  return (await readFact(db, name)) ?? ''
}

export async function readFact(db: Kysely<Schema>, name: FactName): Promise<string | undefined> {
  return (await db.selectFrom('facts').select('value').where('name', '=', name).executeTakeFirst())?.value
}

export async function deleteFact(db: Kysely<Schema>, name: FactName): Promise<void> {
  await db.deleteFrom('facts').where('name', '=', name).execute()
}
