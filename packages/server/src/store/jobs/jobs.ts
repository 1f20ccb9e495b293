import { endedStates, isEnded, type JobState } from '@science-platform/contract'
import { sql, type Kysely } from 'kysely'
import type { Seal } from '../../lib/secrets/seal.ts'
import type { StoredAttempt, StoredJob } from '../../job/job.ts'
import { attemptOf, jobOf } from './rows.ts'
import type { Schema } from '../sql/schema.ts'
import type { JobFilter } from '../store.ts'

/** As literals: SQLite serves no bound values from an index over some of the rows. */
const notEnded = sql<boolean>`state in ('held', 'queued', 'starting', 'running', 'stopping')`

/** Served by the primary key. */
export async function findJob(
  db: Kysely<Schema>,
  seal: Seal,
  id: string,
  owner?: string,
): Promise<StoredJob | undefined> {
  const byId = db.selectFrom('jobs').selectAll().where('id', '=', id)
  const row = await (owner === undefined ? byId : byId.where('owner', '=', owner)).executeTakeFirst()
  return row && jobOf(row, seal)
}

/** The column that an order goes by before `seq`, if there is one. */
const sortColumns = { name: 'name', ended: 'ended_at', submitted: undefined } as const

/**
 * One page of one owner's jobs. Served by jobs_by_owner, jobs_by_owner_name, jobs_by_owner_state, jobs_by_array; by
 * jobs_not_ended_by_owner where none of the states is an end; by jobs_by_end for the order of their ends.
 */
export async function listJobs(db: Kysely<Schema>, seal: Seal, filter: JobFilter): Promise<StoredJob[]> {
  const { states, namePrefix, arrayId, after, endedSince } = filter
  const direction = filter.sort.startsWith('-') ? 'desc' : 'asc'
  const beyond = direction === 'desc' ? '<' : '>'
  const column = sortColumns[filter.sort.replace('-', '') as keyof typeof sortColumns]
  let query = db.selectFrom('jobs').selectAll().where('owner', '=', filter.owner)
  if (states !== undefined) query = query.where('state', 'in', states)
  if (states !== undefined && !states.some(isEnded)) query = query.where(notEnded)
  if (namePrefix !== undefined) {
    // A range rather than LIKE, so that the index serves it and `%` means itself.
    query = query.where('name', '>=', namePrefix).where('name', '<', `${namePrefix}\u{10ffff}`)
  }
  if (arrayId !== undefined) query = query.where('array_id', '=', arrayId)
  if (filter.notRemoved) query = query.where('removed_at', 'is', null)
  if (column === 'ended_at') query = query.where('ended_at', 'is not', null)
  if (endedSince !== undefined) query = query.where('ended_at', '>=', endedSince)
  if (after !== undefined && column !== undefined) {
    const place = column === 'name' ? after.name : (after.endedAt ?? 0)
    query = query.where((where) =>
      where.or([where(column, beyond, place), where.and([where(column, '=', place), where('seq', beyond, after.seq)])]),
    )
  } else if (after !== undefined) {
    query = query.where('seq', beyond, after.seq)
  }
  if (column !== undefined) query = query.orderBy(column, direction)
  const rows = await query.orderBy('seq', direction).limit(filter.limit).execute()
  return rows.map((row) => jobOf(row, seal))
}

/** Served by jobs_not_ended_by_state alone. */
export async function countByState(db: Kysely<Schema>): Promise<ReadonlyMap<JobState, number>> {
  const rows = await db
    .selectFrom('jobs')
    .select((select) => ['state', select.fn.countAll<number>().as('count')])
    .where(notEnded)
    .groupBy('state')
    .execute()
  return new Map(rows.map(({ state, count }) => [state, Number(count)]))
}

/** Served by jobs_not_ended. */
export async function jobsNotEnded(db: Kysely<Schema>, seal: Seal): Promise<StoredJob[]> {
  const rows = await db.selectFrom('jobs').selectAll().where(notEnded).orderBy('seq').execute()
  return rows.map((row) => jobOf(row, seal))
}

/** Served by the unique key on (job_id, number). */
export async function attemptsOf(db: Kysely<Schema>, jobIds: readonly string[]): Promise<StoredAttempt[]> {
  if (jobIds.length === 0) return []
  const rows = await db
    .selectFrom('attempts')
    .selectAll()
    .where('job_id', 'in', jobIds)
    .orderBy('job_id')
    .orderBy('number')
    .execute()
  return rows.map(attemptOf)
}

export async function sealedSecret(db: Kysely<Schema>, jobId: string): Promise<string | undefined> {
  const row = await db.selectFrom('job_secrets').select('sealed').where('job_id', '=', jobId).executeTakeFirst()
  return row?.sealed
}

export async function markRemoved(db: Kysely<Schema>, jobId: string, at: number): Promise<void> {
  await db.updateTable('jobs').set({ removed_at: at }).where('id', '=', jobId).where('removed_at', 'is', null).execute()
}

export async function moveDeadline(db: Kysely<Schema>, jobId: string, deadlineAt: number): Promise<boolean> {
  const result = await db
    .updateTable('jobs')
    .set({ deadline_at: deadlineAt })
    .where('id', '=', jobId)
    .where('state', '=', 'running')
    .executeTakeFirst()
  return result.numUpdatedRows > 0n
}

/** Deletes at most `most` jobs that ended before `at`, and all that belongs to them. */
export async function deleteEnded(db: Kysely<Schema>, at: number, most: number): Promise<string[]> {
  const old = await db
    .selectFrom('jobs')
    .select('id')
    .where('state', 'in', endedStates)
    .where('ended_at', '<', at)
    .limit(most)
    .execute()
  if (old.length === 0) return []
  const ids = old.map((row) => row.id)
  const attempts = await db.deleteFrom('attempts').where('job_id', 'in', ids).returning('id').execute()
  await db.deleteFrom('events').where('job_id', 'in', ids).execute()
  await db.deleteFrom('job_secrets').where('job_id', 'in', ids).execute()
  await db.deleteFrom('tokens').where('job_id', 'in', ids).execute()
  await db.deleteFrom('jobs').where('id', 'in', ids).execute()
  return attempts.map((row) => row.id)
}

/** Served by attempts_by_end. */
export async function attemptsEndedBetween(db: Kysely<Schema>, from: number, to: number): Promise<string[]> {
  const rows = await db
    .selectFrom('attempts')
    .select('id')
    .where('ended_at', '>=', from)
    .where('ended_at', '<', to)
    .execute()
  return rows.map((row) => row.id)
}
