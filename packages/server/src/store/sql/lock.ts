import { sql, type Kysely } from 'kysely'
import type { Schema } from './schema.ts'

/**
 * Locks a subject until the end of the transaction. All code takes locks in the same order: `directory`, jobs by id, `audit`,
 * the counters. SQLite allows one writer at a time anyway.
 */
export async function lock(db: Kysely<Schema>, name: 'directory' | 'audit'): Promise<void> {
  await sql`update locks set name = name where name = ${name}`.execute(db)
}
