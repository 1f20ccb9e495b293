import type { Kysely } from 'kysely'
import type { Schema } from './schema.ts'
import type { StoredEvent } from './store.ts'

const rowsPerInsert = 1000

/** Adds events in the order given. */
export async function insertEvents(
  db: Kysely<Schema>,
  events: readonly StoredEvent[],
  nextSeq: () => number,
): Promise<void> {
  for (let i = 0; i < events.length; i += rowsPerInsert) {
    await db
      .insertInto('events')
      .values(
        events.slice(i, i + rowsPerInsert).map(({ jobId, at, type, reason, message }) => ({
          seq: nextSeq(),
          job_id: jobId,
          at,
          type,
          reason,
          message,
        })),
      )
      .execute()
  }
}

/** A job's events, oldest first. Served by events_by_job. */
export async function eventsOf(db: Kysely<Schema>, jobId: string): Promise<StoredEvent[]> {
  const rows = await db.selectFrom('events').selectAll().where('job_id', '=', jobId).orderBy('seq').execute()
  return rows.map(({ at, type, reason, message }) => ({
    jobId,
    at,
    type: type as StoredEvent['type'],
    reason,
    message,
  }))
}
