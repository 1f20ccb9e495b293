import type { Kysely } from 'kysely'
import { insertRows } from '../sql/insert-rows.ts'
import type { Schema } from '../sql/schema.ts'
import type { StoredEvent } from '../store.ts'

/** Adds events in the order given. */
export async function insertEvents(
  db: Kysely<Schema>,
  events: readonly StoredEvent[],
  nextSeq: () => number,
): Promise<void> {
  await insertRows(
    db,
    'events',
    events.map(({ jobId, at, type, reason, message }) => ({
      seq: nextSeq(),
      job_id: jobId,
      at,
      type,
      reason,
      message,
    })),
  )
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
