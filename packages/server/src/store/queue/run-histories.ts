import { endedStates } from '@science-platform/contract'
import type { Kysely } from 'kysely'
import type { Seal } from '../../lib/secrets/seal.ts'
import type { StoredAttempt, StoredJob } from '../../job/job.ts'
import { attemptsOf } from '../jobs/jobs.ts'
import { jobOf } from '../jobs/rows.ts'
import { execute } from '../sql/execute.ts'
import type { Schema } from '../sql/schema.ts'
import type { EndedAt, StoredRun, StoredRunHistory } from '../store.ts'

/** A packed run: end time, seconds, bytes, class. It is short because every end of a job rewrites it. */
type Packed = readonly [endedAt: number, seconds: number, peakBytes?: number | null, jobClass?: StoredRun['jobClass']]

export async function allRunHistories(db: Kysely<Schema>): Promise<StoredRunHistory[]> {
  const rows = await db.selectFrom('run_histories').select(['alike', 'runs_json']).execute()
  return rows.map(({ alike, runs_json }) => ({
    alike,
    runs: (JSON.parse(runs_json) as Packed[]).map(([endedAt, seconds, peakBytes, jobClass]): StoredRun => ({
      endedAt,
      seconds,
      ...(peakBytes === undefined || peakBytes === null ? {} : { peakBytes }),
      ...(jobClass === undefined ? {} : { jobClass }),
    })),
  }))
}

export async function upsertRunHistory(db: Kysely<Schema>, { alike, runs }: StoredRunHistory): Promise<void> {
  const packed = runs.map(({ endedAt, seconds, peakBytes, jobClass }): Packed => {
    if (jobClass !== undefined) return [endedAt, seconds, peakBytes ?? null, jobClass]
    return peakBytes === undefined ? [endedAt, seconds] : [endedAt, seconds, peakBytes]
  })
  const values = { runs_json: JSON.stringify(packed), at: runs.at(-1)?.endedAt ?? 0 }
  const list = Object.values(values)
  await execute(
    db,
    'upsert run history',
    () =>
      db
        .insertInto('run_histories')
        .values({ alike, ...values })
        .onConflict((conflict) => conflict.column('alike').doUpdateSet(values)),
    [alike, ...list, ...list],
  )
}

/** Deletes histories of jobs that have not run since `at`. */
export async function deleteRunHistoriesBefore(db: Kysely<Schema>, at: number): Promise<void> {
  await db.deleteFrom('run_histories').where('at', '<', at).execute()
}

/** Served by attempts_by_end, and the primary key of jobs. */
export async function endedRuns(
  db: Kysely<Schema>,
  { at, attemptId = '' }: EndedAt,
  most: number,
  seal: Seal,
): Promise<{ job: StoredJob; attempt: StoredAttempt }[]> {
  const rows = await db
    .selectFrom('attempts')
    .innerJoin('jobs', 'jobs.id', 'attempts.job_id')
    .selectAll('jobs')
    .where('attempts.ended_at', '>=', at)
    .where((eb) => eb.or([eb('attempts.ended_at', '>', at), eb('attempts.id', '>', attemptId)]))
    .whereRef('attempts.number', '=', 'jobs.attempt')
    .where('jobs.state', 'in', endedStates)
    .orderBy('attempts.ended_at')
    .orderBy('attempts.id')
    .limit(most)
    .execute()
  const attempts = new Map(
    (
      await attemptsOf(
        db,
        rows.map(({ id }) => id),
      )
    ).map((attempt) => [`${attempt.jobId} ${attempt.number}`, attempt]),
  )
  return rows.flatMap((row) => {
    const attempt = attempts.get(`${row.id} ${row.attempt}`)
    return attempt === undefined ? [] : [{ job: jobOf(row, seal), attempt }]
  })
}
