import { sql, type Kysely } from 'kysely'
import type { Schema } from './schema.ts'

/**
 * Keeps other writers out of a subject until the end of the transaction. Locks are taken in one order everywhere: `directory`,
 * jobs by id, `audit`, the counters. SQLite has one writer at a time anyway.
 */
export async function lock(db: Kysely<Schema>, name: 'directory' | 'audit'): Promise<void> {
  await sql`update locks set name = name where name = ${name}`.execute(db)
}
