import type { Kysely } from 'kysely'
import type { Seal } from '../../lib/secrets/seal.ts'
import { insertEvents } from './events.ts'
import { insertRows } from '../sql/insert-rows.ts'
import { jobRow } from './rows.ts'
import type { Schema } from '../sql/schema.ts'
import { insertTokensOfJobs } from '../users/tokens.ts'
import { JobIdTaken, type IdempotencyKey, type Store, type SubmitOutcome } from '../store.ts'

type Submission = Parameters<Store['submit']>[0]

/** Stores one submission inside a transaction. @throws {JobIdTaken} */
export async function insertSubmission(
  db: Kysely<Schema>,
  submission: Submission,
  nextSeq: () => number,
  seal: Seal,
): Promise<SubmitOutcome> {
  const { jobs, events, secrets, tokens, idempotency } = submission
  const ids = jobs.map((job) => job.id)
  if (idempotency !== undefined) {
    const known = await answeredBefore(db, idempotency)
    if (known !== undefined) return known
    await db
      .insertInto('idempotency')
      .values({
        account: idempotency.account,
        idempotency_key: idempotency.key,
        fingerprint: idempotency.fingerprint,
        answer_json: JSON.stringify(ids),
        at: jobs[0]?.submittedAt ?? 0,
      })
      .execute()
  }
  try {
    await insertRows(
      db,
      'jobs',
      jobs.map((job) => jobRow(job, seal)),
    )
  } catch (error) {
    // SQLite says it in words, PostgreSQL by the name of the key.
    if (/jobs\.id\b|jobs_pkey/.test((error as Error).message)) throw new JobIdTaken({ cause: error })
    throw error
  }
  await insertEvents(db, events, nextSeq)
  if (secrets !== undefined) {
    for (const [job_id, sealed] of secrets) await db.insertInto('job_secrets').values({ job_id, sealed }).execute()
  }
  if (tokens !== undefined) await insertTokensOfJobs(db, tokens)
  return { outcome: 'stored', ids }
}

/** Forgets answers that nobody will ask for again. Served by idempotency_by_age. */
export async function deleteIdempotencyBefore(db: Kysely<Schema>, at: number): Promise<void> {
  await db.deleteFrom('idempotency').where('at', '<', at).execute()
}

/** What was answered to the same key before; undefined where it is new. The primary key serves this look-up. */
export async function answeredBefore(
  db: Kysely<Schema>,
  { account, key, fingerprint }: IdempotencyKey,
): Promise<SubmitOutcome | undefined> {
  const known = await db
    .selectFrom('idempotency')
    .select(['fingerprint', 'answer_json'])
    .where('account', '=', account)
    .where('idempotency_key', '=', key)
    .executeTakeFirst()
  if (known === undefined) return undefined
  if (known.fingerprint !== fingerprint) return { outcome: 'conflict' }
  return { outcome: 'repeated', ids: JSON.parse(known.answer_json) as string[] }
}
