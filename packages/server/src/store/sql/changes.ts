import type { CauseCode, JobState } from '@science-platform/contract'
import type { Kysely, Selectable } from 'kysely'
import { CursorTooOld, type StoredChange } from '../change.ts'
import type { Schema } from './schema.ts'

/** The number of the newest change. Reads the single row of `counters`. */
export async function headOfLog(db: Kysely<Schema>): Promise<number> {
  const { changes } = await db.selectFrom('counters').select('changes').executeTakeFirstOrThrow()
  return changes
}

/** At most `limit` changes after a number, in order. For one owner it is served by changes_by_owner, else by the primary key. */
export async function changesAfter(
  db: Kysely<Schema>,
  number: number,
  limit: number,
  owner?: string,
): Promise<StoredChange[]> {
  await requireKept(db, number)
  const all = db.selectFrom('changes').selectAll().where('seq', '>', number)
  const rows = await (owner === undefined ? all : all.where('owner', '=', owner)).orderBy('seq').limit(limit).execute()
  return rows.map(changeOf)
}

/** Checks that the changes after a number still exist: two look-ups by primary key. @throws {CursorTooOld} */
async function requireKept(db: Kysely<Schema>, number: number): Promise<void> {
  const oldest = await oldestChange(db)
  const head = await headOfLog(db)
  if (number > head || number < (oldest ?? head + 1) - 1) throw new CursorTooOld(number)
}

/** The number of the oldest stored change; undefined where the log is empty. */
async function oldestChange(db: Kysely<Schema>): Promise<number | undefined> {
  const row = await db.selectFrom('changes').select('seq').orderBy('seq').limit(1).executeTakeFirst()
  return row?.seq
}

/** Deletes at most `most` of the oldest changes before `at`; returns their count. Served by the primary key. */
export async function deleteChangesBefore(db: Kysely<Schema>, at: number, most: number): Promise<number> {
  // By number instead of time: a clock that was set back leaves no gap.
  const oldest = await oldestChange(db)
  if (oldest === undefined) return 0
  const kept = await db
    .selectFrom('changes')
    .select('seq')
    .where('at', '>=', at)
    .orderBy('seq')
    .limit(1)
    .executeTakeFirst()
  const bound = Math.min(oldest + most, kept?.seq ?? Infinity)
  const result = await db.deleteFrom('changes').where('seq', '<', bound).executeTakeFirst()
  return Number(result.numDeletedRows)
}

/** A row as its readers get it. Pure. */
export function changeOf(row: Selectable<Schema['changes']>): StoredChange {
  return {
    number: row.seq,
    at: row.at,
    kind: row.kind as StoredChange['kind'],
    ...(row.owner === null ? {} : { owner: row.owner }),
    subject: row.subject,
    ...(row.array_id === null ? {} : { arrayId: row.array_id }),
    ...(row.first_task === null || row.last_task === null
      ? {}
      : { tasks: { first: row.first_task, last: row.last_task } }),
    ...(row.name === null ? {} : { name: row.name }),
    ...(row.from_state === null ? {} : { from: row.from_state as JobState }),
    ...(row.to_state === null ? {} : { to: row.to_state as JobState }),
    ...(row.exit_code === null ? {} : { exitCode: row.exit_code }),
    ...(row.cause_code === null ? {} : { causeCode: row.cause_code as CauseCode }),
  }
}
