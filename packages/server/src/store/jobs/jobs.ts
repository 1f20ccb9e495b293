import { endedStates, isEnded, jobStates, type JobState } from '@science-platform/contract'
import { sql, type Compilable, type Kysely, type SelectQueryBuilder } from 'kysely'
import type { Seal } from '../../lib/secrets/seal.ts'
import type { JobOutline, StoredAttempt, StoredJob } from '../../job/job.ts'
import type { LabelFilter } from '../../job/labels.ts'
import { activeStates } from '../../job/lifecycle.ts'
import { workTurns, type WorkSize } from '../../lib/work-turns.ts'
import { attemptOf, jobOf, outlineColumns, outlineOf } from './rows.ts'
import { execute } from '../sql/execute.ts'
import { parts } from '../../lib/parts.ts'
import { idsPerStatement, paddedIds } from '../sql/padded-ids.ts'
import type { JobRow, Schema } from '../sql/schema.ts'
import type { WriteTransaction } from '../sql/write-transaction.ts'
import { isVisible } from './visible.ts'
import type { EndedAt, IdentifiedGlimpse, JobFilter, JobGlimpse, JobMatch, TaskPage } from '../store.ts'

/** Literals instead of bound values: SQLite does not use a partial index for bound values. */
const notEnded = sql<boolean>`state in ('held', 'queued', 'starting', 'running', 'stopping')`

/**
 * As {@link notEnded}, by the column that every end sets. For pages of all users' jobs: with {@link notEnded} SQLite takes the index by
 * state, and reads and sorts all of them for each page.
 */
export const withoutEnd = sql<boolean>`ended_at is null`

/** Rows that one piece of work decrypts. */
const rowsAtOnce = 50

/** Decrypts rows. Many of them are decrypted in pieces, in turns with others' work. */
async function jobsOf(rows: readonly JobRow[], seal: Seal, size: WorkSize = 'small'): Promise<StoredJob[]> {
  const decrypt = (part: readonly JobRow[]): StoredJob[] => part.map((row) => jobOf(row, seal))
  if (rows.length <= rowsAtOnce) return decrypt(rows)
  const jobs: StoredJob[] = []
  for (const some of parts(rows, rowsAtOnce)) jobs.push(...(await workTurns.run(size, () => decrypt(some))))
  return jobs
}

/** Served by the primary key. */
export async function findJob(
  db: Kysely<Schema>,
  seal: Seal,
  id: string,
  owner?: string,
): Promise<StoredJob | undefined> {
  const byId = db.selectFrom('jobs').selectAll().where('id', '=', id).where(isVisible)
  const row = await (owner === undefined ? byId : byId.where('owner', '=', owner)).executeTakeFirst()
  return row && jobOf(row, seal)
}

/** Jobs by their labels. The cross join makes SQLite begin with the labels, of which few match. */
const fromLabels = (
  db: Kysely<Schema>,
  owner: string,
  { key, value }: LabelFilter,
): SelectQueryBuilder<Schema, 'jobs', object> => {
  const labels = db
    .selectFrom('job_labels')
    .crossJoin('jobs')
    .whereRef('jobs.seq', '=', 'job_labels.job')
    .where('job_labels.owner', '=', owner)
    .where('job_labels.key', '=', key)
  return value === undefined ? labels : labels.where('job_labels.value', '=', value)
}

/** Whether a job has a label. Served by the primary key of job_labels. */
const hasLabel = ({ key, value }: LabelFilter) => {
  const ofValue = value === undefined ? sql`` : sql`and value = ${value}`
  return sql<boolean>`exists (select 1 from job_labels where job = jobs.seq and key = ${key} ${ofValue})`
}

/** The sort column before `seq`, if any. */
const sortColumns = { name: 'name', ended: 'ended_at', submitted: undefined } as const

/**
 * One page of the jobs of one owner. Served by jobs_by_owner, jobs_by_owner_name, jobs_by_owner_state, jobs_by_array; by
 * jobs_not_ended_by_owner where all active states are requested; by jobs_by_end where sorted by end; by job_labels_by_value or
 * job_labels_by_key where a label is requested, and not only active states.
 */
export async function listJobs(db: Kysely<Schema>, seal: Seal, filter: JobFilter): Promise<StoredJob[]> {
  return jobsOf(await pageOf(db, filter).selectAll('jobs').execute(), seal, 'large')
}

/** As {@link listJobs}. It does not read the specifications. */
export async function listOutlines(db: Kysely<Schema>, filter: JobFilter): Promise<JobOutline[]> {
  const columns = outlineColumns.map((column) => `jobs.${column}` as const)
  return (await pageOf(db, filter).select(columns).execute()).map(outlineOf)
}

/**
 * The rows of a page. Where some states of many are requested in the order in which jobs were submitted, the page is merged from one page
 * of each state, so that jobs in other states are not read. It is one statement: a job that goes from one state to another is in one of them.
 */
function pageOf(db: Kysely<Schema>, filter: JobFilter): SelectQueryBuilder<Schema, 'jobs', object> {
  const states = [...new Set(filter.states)]
  const isAllActive = jobStates.every((state) => states.includes(state) !== isEnded(state))
  if (states.length < 2 || isAllActive || filter.label !== undefined || !filter.sort.endsWith('submitted'))
    return pageByFilter(db, filter)
  const direction = directionOf(filter)
  const merged = states
    .map((state) => {
      const page = pageByFilter(db, { ...filter, states: [state] }).select('jobs.seq')
      return db.selectFrom(page.as('of_state')).select('seq')
    })
    .reduce((all, page) => all.unionAll(page))
  const seqs = db.selectFrom(merged.as('merged')).select('seq').orderBy('seq', direction).limit(filter.limit)
  return db
    .selectFrom('jobs')
    .where('jobs.owner', '=', filter.owner)
    .where('jobs.seq', 'in', seqs)
    .orderBy('jobs.seq', direction)
}

const directionOf = ({ sort }: JobFilter): 'asc' | 'desc' => (sort.startsWith('-') ? 'desc' : 'asc')

function pageByFilter(db: Kysely<Schema>, filter: JobFilter): SelectQueryBuilder<Schema, 'jobs', object> {
  const { owner, states, namePrefix, arrayId, label, after, endedSince } = filter
  const direction = directionOf(filter)
  const beyond = direction === 'desc' ? '<' : '>'
  const column = sortColumns[filter.sort.replace('-', '') as keyof typeof sortColumns]
  const isActive = states !== undefined && !states.some(isEnded)
  const startsAtLabels = label !== undefined && !isActive
  let query = (startsAtLabels ? fromLabels(db, owner, label) : db.selectFrom('jobs'))
    .where('jobs.owner', '=', owner)
    .where(isVisible)
  // The order of the index of labels, where the rows come from there.
  const seq = startsAtLabels ? sql.ref<number>('job_labels.job') : sql.ref<number>('jobs.seq')
  if (states !== undefined) query = query.where('state', 'in', states)
  if (isActive) query = query.where(notEnded)
  if (isActive && label !== undefined) query = query.where(hasLabel(label))
  if (namePrefix !== undefined) {
    // A range instead of LIKE: the index serves it, and `%` needs no escape.
    query = query.where('name', '>=', namePrefix).where('name', '<', `${namePrefix}\u{10ffff}`)
  }
  if (arrayId !== undefined) query = query.where('array_id', '=', arrayId)
  if (filter.notRemoved) query = query.where('removed_at', 'is', null)
  if (column === 'ended_at') query = query.where('ended_at', 'is not', null)
  if (endedSince !== undefined) query = query.where('ended_at', '>=', endedSince)
  if (after !== undefined && column !== undefined) {
    const place = column === 'name' ? after.name : (after.endedAt ?? 0)
    query = query.where((where) =>
      where.or([where(column, beyond, place), where.and([where(column, '=', place), where(seq, beyond, after.seq)])]),
    )
  } else if (after !== undefined) {
    query = query.where(seq, beyond, after.seq)
  }
  if (column !== undefined) query = query.orderBy(column, direction)
  return query.orderBy(seq, direction).limit(filter.limit)
}

/** Served by jobs_not_ended_by_state as a covering index: it counts all jobs, and subtracts those that are not visible. */
export async function countByState(db: Kysely<Schema>): Promise<ReadonlyMap<JobState, number>> {
  const { rows } = await sql<{ state: JobState; count: number }>`
    select state, sum(count) as count from (
      select state, count(*) as count from jobs where ${notEnded} group by state
      union all
      select state, -count(*) from staged join jobs on seq between first_job and last_job where ${notEnded} group by state
    ) as counts group by state having sum(count) > 0`.execute(db)
  return new Map(rows.map(({ state, count }) => [state, Number(count)]))
}

/** A page of the jobs that have not ended. Served by jobs_without_end. */
const pageOfNotEnded = (db: Kysely<Schema>, after: number, limit: number) =>
  db.selectFrom('jobs').where(withoutEnd).where(isVisible).where('seq', '>', after).orderBy('seq').limit(limit)

export async function jobsNotEnded(db: Kysely<Schema>, seal: Seal, after: number, limit: number): Promise<StoredJob[]> {
  return jobsOf(await pageOfNotEnded(db, after, limit).selectAll().execute(), seal)
}

/** Runs a statement for parts of a long list of ids, one after another. Its text is built once for each length of a part. */
async function inParts<R>(
  db: Kysely<Schema>,
  name: string,
  ids: readonly string[],
  build: (part: readonly string[]) => Compilable<R>,
): Promise<R[]> {
  const rows: R[] = []
  for (const some of parts(ids, idsPerStatement)) {
    const part = paddedIds(some)
    rows.push(...(await execute(db, `${name} ${part.length}`, () => build(part), part)))
  }
  return rows
}

/** Served by the primary key. */
export const jobsById = async (db: Kysely<Schema>, seal: Seal, ids: readonly string[]): Promise<StoredJob[]> =>
  jobsOf(
    await inParts(db, 'jobs by id', ids, (part) =>
      db.selectFrom('jobs').selectAll().where('id', 'in', part).where(isVisible),
    ),
    seal,
  )

/** Reads four columns and decrypts nothing. Served by the primary key. */
export async function glimpsesById(db: Kysely<Schema>, ids: readonly string[]): Promise<IdentifiedGlimpse[]> {
  const rows = await inParts(db, 'glimpses by id', ids, (part) =>
    db.selectFrom('jobs').select(['id', 'owner', 'state', 'array_id']).where('id', 'in', part).where(isVisible),
  )
  return rows.map(({ id, owner, state, array_id }) =>
    array_id === null ? { id, owner, state } : { id, owner, state, arrayId: array_id },
  )
}

/** Served by jobs_by_array: it reads no task outside the page, but for those before `first`. */
export async function tasksOf(
  db: Kysely<Schema>,
  seal: Seal,
  arrayId: string,
  { first, last, after, limit }: TaskPage,
): Promise<StoredJob[]> {
  const rows = await db
    .selectFrom('jobs')
    .selectAll()
    .where('array_id', '=', arrayId)
    .where('seq', '>', after)
    .where('task_index', '>=', first)
    .where('task_index', '<=', last)
    .where(isVisible)
    .orderBy('seq')
    .limit(limit)
    .execute()
  return jobsOf(rows, seal)
}

/** Served by the unique key on (job_id, number). */
export const attemptsOf = async (db: Kysely<Schema>, jobIds: readonly string[]): Promise<StoredAttempt[]> =>
  (
    await inParts(db, 'attempts by job', jobIds, (part) =>
      db.selectFrom('attempts').selectAll().where('job_id', 'in', part).orderBy('job_id').orderBy('number'),
    )
  ).map(attemptOf)

/** Served by the primary keys. */
export async function recordedAttempts(
  db: Kysely<Schema>,
  ids: readonly string[],
): Promise<ReadonlyMap<string, 'current' | 'over'>> {
  const rows = await inParts(db, 'recorded attempts', ids, (part) =>
    db
      .selectFrom('attempts')
      .innerJoin('jobs', 'jobs.id', 'attempts.job_id')
      .select(['attempts.id', 'attempts.number', 'jobs.attempt', 'jobs.state'])
      .where('attempts.id', 'in', part),
  )
  return new Map(
    rows.map(({ id, number, attempt, state }) => [
      id,
      number === attempt && (activeStates as readonly string[]).includes(state) ? 'current' : 'over',
    ]),
  )
}

export async function sealedSecret(db: Kysely<Schema>, jobId: string): Promise<string | undefined> {
  const row = await db.selectFrom('job_secrets').select('sealed').where('job_id', '=', jobId).executeTakeFirst()
  return row?.sealed
}

/** Deletes at most `most` jobs that ended before `at`, with all their rows. Appends a change for each job. */
export async function deleteEnded(tx: WriteTransaction, at: number, most: number, now: number): Promise<string[]> {
  const { db } = tx
  const old = await db
    .selectFrom('jobs')
    .select(['id', 'owner', 'name', 'array_id'])
    .where('state', 'in', endedStates)
    .where('ended_at', '<', at)
    .limit(most)
    .execute()
  if (old.length === 0) return []
  const ids = old.map((row) => row.id)
  const attempts = await deleteJobs(db, ids)
  for (const { id, owner, name, array_id } of old)
    tx.append({
      at: now,
      kind: 'deleted',
      owner,
      subject: id,
      name,
      ...(array_id === null ? {} : { arrayId: array_id }),
    })
  return attempts
}

/** Deletes jobs with all their rows. Returns the ids of their attempts. */
export async function deleteJobs(db: Kysely<Schema>, ids: readonly string[]): Promise<string[]> {
  if (ids.length === 0) return []
  const attempts = await db.deleteFrom('attempts').where('job_id', 'in', ids).returning('id').execute()
  await db.deleteFrom('events').where('job_id', 'in', ids).execute()
  await db.deleteFrom('job_secrets').where('job_id', 'in', ids).execute()
  await db.deleteFrom('tokens').where('job_id', 'in', ids).execute()
  await db
    .deleteFrom('job_labels')
    .where('job', 'in', db.selectFrom('jobs').select('seq').where('id', 'in', ids))
    .execute()
  await db.deleteFrom('jobs').where('id', 'in', ids).execute()
  return attempts.map((row) => row.id)
}

/** Served by attempts_by_end. */
export async function attemptsEndedBefore(
  db: Kysely<Schema>,
  to: number,
  { at, attemptId }: EndedAt,
  most: number,
): Promise<(EndedAt & { readonly attemptId: string })[]> {
  const rows = await db
    .selectFrom('attempts')
    .select(['id', 'ended_at'])
    .where('ended_at', '<', to)
    .where('ended_at', '>=', at)
    .where((where) => where.or([where('ended_at', '>', at), where('id', '>', attemptId ?? '')]))
    .orderBy('ended_at')
    .orderBy('id')
    .limit(most)
    .execute()
  return rows.map((row) => ({ attemptId: row.id, at: row.ended_at ?? 0 }))
}

const logsDeletedFact = 'logs_deleted_to'

/** One row by its primary key. */
export async function logsDeletedTo(db: Kysely<Schema>): Promise<EndedAt | undefined> {
  const row = await db.selectFrom('facts').select('value').where('name', '=', logsDeletedFact).executeTakeFirst()
  return row && (JSON.parse(row.value) as EndedAt)
}

export async function setLogsDeletedTo(db: Kysely<Schema>, place: EndedAt): Promise<void> {
  const value = JSON.stringify(place)
  await db
    .insertInto('facts')
    .values({ name: logsDeletedFact, value })
    .onConflict((conflict) => conflict.column('name').doUpdateSet({ value }))
    .execute()
}

/** Reads four columns only and decrypts nothing. */
export async function glimpses(db: Kysely<Schema>, after: number, limit: number): Promise<JobGlimpse[]> {
  const rows = await pageOfNotEnded(db, after, limit).select(['seq', 'owner', 'state', 'started_at']).execute()
  return rows.map(({ started_at, ...row }) => ({ ...row, ...(started_at === null ? {} : { startedAt: started_at }) }))
}

/** Served by jobs_not_ended_by_owner, and the primary key of job_labels. The statement looks at `limit` jobs at most. */
export async function notEndedOf(
  db: Kysely<Schema>,
  owner: string,
  { label, namePrefix }: Pick<JobFilter, 'label' | 'namePrefix'>,
  after: number,
  limit: number,
): Promise<JobMatch[]> {
  const labelled = label === undefined ? sql<boolean>`1 = 1` : hasLabel(label)
  const rows = await db
    .selectFrom('jobs')
    .select([
      'id',
      'seq',
      'owner',
      'state',
      'name',
      sql<number>`case when ${labelled} then 1 else 0 end`.as('labelled'),
    ])
    .where('owner', '=', owner)
    .where(notEnded)
    .where(isVisible)
    .where('seq', '>', after)
    .orderBy('seq')
    .limit(limit)
    .execute()
  return rows.map(({ name, labelled: has, ...job }) => ({
    ...job,
    isMatch: has === 1 && (namePrefix === undefined || name.startsWith(namePrefix)),
  }))
}
