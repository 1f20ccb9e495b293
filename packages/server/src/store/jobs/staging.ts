import type { Kysely } from 'kysely'
import type { GroupCommit } from '../sql/group-commit.ts'
import type { Schema } from '../sql/schema.ts'
import type { WriteTransaction } from '../sql/write-transaction.ts'
import { deleteJobs, withoutEnd } from './jobs.ts'

/** Jobs that one transaction deletes. */
const jobsAtOnce = 100

/** The numbers of the jobs of a submission that is written in several transactions. */
export interface Staging {
  readonly firstJob: number
  readonly lastJob: number
}

/** Reserves the numbers of `count` jobs, which no reader sees until {@link publish}. */
export async function stage(tx: WriteTransaction, count: number, at: number): Promise<Staging> {
  const firstJob = await tx.take('jobs', count)
  const lastJob = firstJob + count - 1
  await tx.db.insertInto('staged').values({ first_job: firstJob, last_job: lastJob, at, abandoned: 0 }).execute()
  return { firstJob, lastJob }
}

/** Checks in each later transaction that nothing has begun to delete the submission. @throws {StagingAbandoned} */
export async function requireStaged(tx: WriteTransaction, { firstJob }: Staging): Promise<void> {
  const row = await tx.db
    .selectFrom('staged')
    .select('first_job')
    .where('first_job', '=', firstJob)
    .where('abandoned', '=', 0)
    .executeTakeFirst()
  if (row === undefined) throw new StagingAbandoned()
}

/** Makes the jobs exist for readers, from the commit of this transaction on. */
export async function publish(tx: WriteTransaction, { firstJob }: Staging): Promise<void> {
  await tx.db.deleteFrom('staged').where('first_job', '=', firstJob).execute()
}

/** A submission took so long that it was taken for one of a dead process. Nothing of it is stored. */
class StagingAbandoned extends Error {
  override readonly name = 'StagingAbandoned'

  constructor() {
    super('the submission was not complete within the time that one may take')
  }
}

/** Deletes what was written of a submission, in small transactions. Does nothing where it is complete. */
export async function deleteStaged(commit: GroupCommit, firstJob: number): Promise<void> {
  while (await commit.runPiece((tx) => deleteSome(tx, firstJob)));
}

/** Deletes submissions that began before `at` and are not complete. */
export async function deleteStagedBefore(db: Kysely<Schema>, commit: GroupCommit, at: number): Promise<void> {
  const old = await db.selectFrom('staged').select('first_job').where('at', '<', at).execute()
  for (const { first_job } of old) await deleteStaged(commit, first_job)
}

/** Whether there may be more. The row is deleted with the last jobs: until then no reader sees them. */
async function deleteSome({ db }: WriteTransaction, firstJob: number): Promise<boolean> {
  const staging = await db
    .updateTable('staged')
    .set({ abandoned: 1 })
    .where('first_job', '=', firstJob)
    .returning('last_job')
    .executeTakeFirst()
  if (staging === undefined) return false
  // Served by jobs_without_end.
  const jobs = await db
    .selectFrom('jobs')
    .select('id')
    .where(withoutEnd)
    .where('seq', '>=', firstJob)
    .where('seq', '<=', staging.last_job)
    .limit(jobsAtOnce)
    .execute()
  await deleteJobs(
    db,
    jobs.map(({ id }) => id),
  )
  if (jobs.length === jobsAtOnce) return true
  await db.deleteFrom('staged').where('first_job', '=', firstJob).execute()
  return false
}
