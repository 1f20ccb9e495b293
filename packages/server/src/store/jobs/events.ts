import type { Kysely } from 'kysely'
import { insertItems } from '../sql/insert-rows.ts'
import type { Schema } from '../sql/schema.ts'
import type { WriteTransaction } from '../sql/write-transaction.ts'
import type { StoredEvent } from '../store.ts'

/** Inserts events in the order given. The caller appends the matching change. */
export async function insertEvents(tx: WriteTransaction, events: readonly StoredEvent[]): Promise<void> {
  if (events.length === 0) return
  const first = await tx.take('events', events.length)
  await insertItems(tx.db, 'events', events, ({ jobId, at, type, reason, message }, i) => ({
    seq: first + i,
    job_id: jobId,
    at,
    type,
    reason,
    message: withoutNul(message),
  }))
}

/** Inserts events without a step, and appends a `noted` change for each of their jobs that still exists. */
export async function noteEvents(tx: WriteTransaction, events: readonly StoredEvent[]): Promise<void> {
  await insertEvents(tx, events)
  for (const jobId of new Set(events.map((event) => event.jobId))) {
    const job = await tx.db
      .selectFrom('jobs')
      .select(['owner', 'name', 'array_id'])
      .where('id', '=', jobId)
      .executeTakeFirst()
    const at = events.findLast((event) => event.jobId === jobId)?.at ?? 0
    if (job === undefined) continue
    tx.append({
      at,
      kind: 'noted',
      owner: job.owner,
      subject: jobId,
      name: job.name,
      ...(job.array_id === null ? {} : { arrayId: job.array_id }),
    })
  }
}

/** Messages can come from container runtimes. PostgreSQL refuses NUL in text (SQLSTATE 22021). */
const withoutNul = (text: string): string => text.replaceAll('\0', '')

/** The events of a job, oldest first. Served by events_by_job. */
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
