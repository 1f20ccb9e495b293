import type { Kysely } from 'kysely'
import { chained, trailStart, type AuditEntry, type StoredAuditEntry } from '../../audit/entry.ts'
import { insertRows } from '../sql/insert-rows.ts'
import { lock } from '../sql/lock.ts'
import { present } from '../jobs/rows.ts'
import type { AuditRow, Schema } from '../sql/schema.ts'
import type { AuditFilter } from '../store.ts'

/** Appends entries inside a transaction. The lock row prevents a concurrent append after the same entry. */
export async function appendAudit(db: Kysely<Schema>, entries: readonly AuditEntry[]): Promise<void> {
  await lock(db, 'audit')
  const last = await db.selectFrom('audit').select(['seq', 'hash']).orderBy('seq', 'desc').limit(1).executeTakeFirst()
  await insertRows(db, 'audit', chained(last ?? trailStart, entries).map(auditRow))
}

/** Served by the primary key, audit_by_actor, audit_by_action, audit_by_subject or audit_by_time. */
export async function listAudit(db: Kysely<Schema>, filter: AuditFilter): Promise<StoredAuditEntry[]> {
  const { actor, action, subject, since, until, after, order, limit } = filter
  let query = db.selectFrom('audit').selectAll()
  if (actor !== undefined) query = query.where('actor', '=', actor)
  if (action !== undefined) query = query.where('action', '=', action)
  if (subject !== undefined) query = query.where('subject', '=', subject)
  if (since !== undefined) query = query.where('at', '>=', since)
  if (until !== undefined) query = query.where('at', '<', until)
  if (after !== undefined) query = query.where('seq', order === 'oldest-first' ? '>' : '<', after)
  const rows = await query
    .orderBy('seq', order === 'oldest-first' ? 'asc' : 'desc')
    .limit(limit)
    .execute()
  return rows.map(entryOf)
}

/** Deletes entries before `at`, except the newest of them: the next entry contains its hash. */
export async function deleteAuditBefore(db: Kysely<Schema>, at: number): Promise<void> {
  // By number and not by time alone: a clock that was set back leaves no gap.
  const { kept, last } = await db
    .selectFrom('audit')
    .select((select) => [select.fn.min('seq').filterWhere('at', '>=', at).as('kept'), select.fn.max('seq').as('last')])
    .executeTakeFirstOrThrow()
  const newest = kept === null ? last : kept - 1
  if (newest === null || newest <= 1) return
  await db.updateTable('audit_retention').set({ before: at }).execute()
  await db.deleteFrom('audit').where('seq', '<', newest).execute()
}

const auditRow = (entry: StoredAuditEntry): AuditRow => ({
  seq: entry.seq,
  at: entry.at,
  actor: entry.actor ?? null,
  via: entry.via,
  token_prefix: entry.tokenPrefix ?? null,
  token_job: entry.tokenJob ?? null,
  action: entry.action,
  subject: entry.subject ?? null,
  address: entry.address ?? null,
  outcome: entry.outcome,
  status: entry.status ?? null,
  problem: entry.problem ?? null,
  count: entry.count,
  hash: entry.hash,
})

const entryOf = ({ token_prefix, token_job, ...row }: AuditRow): StoredAuditEntry =>
  present({ ...row, tokenPrefix: token_prefix, tokenJob: token_job })
