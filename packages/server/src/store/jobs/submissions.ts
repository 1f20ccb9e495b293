import type { Kysely } from 'kysely'
import type { Seal } from '../../lib/secrets/seal.ts'
import { insertEvents } from './events.ts'
import { insertItems } from '../sql/insert-rows.ts'
import type { NewJob } from '../../job/job.ts'
import type { NewChange } from '../change.ts'
import { jobRow } from './rows.ts'
import type { Schema } from '../sql/schema.ts'
import { insertTokensOfJobs } from '../users/tokens.ts'
import type { Appended, WriteTransaction } from '../sql/write-transaction.ts'
import { JobIdTaken, type IdempotencyKey, type Store, type SubmitOutcome } from '../store.ts'

type Submission = Parameters<Store['submit']>[0]

/** Stores one submission inside a transaction. @throws {JobIdTaken} */
export async function insertSubmission(
  tx: WriteTransaction,
  submission: Submission,
  seal: Seal,
): Promise<StoredSubmission> {
  const { db } = tx
  const { jobs, events, secrets, tokens, idempotency } = submission
  const ids = jobs.map((job) => job.id)
  if (idempotency !== undefined) {
    const known = await answeredBefore(db, idempotency)
    if (known !== undefined) return { outcome: known }
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
  const first = await tx.take('jobs', jobs.length)
  try {
    await insertItems(db, 'jobs', jobs, (job, i) => jobRow({ ...job, seq: first + i }, seal))
  } catch (error) {
    // SQLite names the column in its message, PostgreSQL the key.
    if (/jobs\.id\b|jobs_pkey/.test((error as Error).message)) throw new JobIdTaken({ cause: error })
    throw error
  }
  await insertEvents(tx, events)
  if (secrets !== undefined) {
    for (const [job_id, sealed] of secrets) await db.insertInto('job_secrets').values({ job_id, sealed }).execute()
  }
  if (tokens !== undefined) await insertTokensOfJobs(db, tokens)
  return {
    outcome: { outcome: 'stored', ids },
    change: acceptances(jobs)
      .map((change) => tx.append(change))
      .at(-1),
  }
}

/** The outcome of a submission with a known Idempotency-Key. */
type Answered = Exclude<SubmitOutcome, { readonly outcome: 'stored' }>

/** The outcome of a submission, and its last change where it was stored. */
export interface StoredSubmission {
  readonly outcome: Answered | { readonly outcome: 'stored'; readonly ids: readonly string[] }
  readonly change?: Appended | undefined
}

/** The changes of a submission: one for an array, one for each job outside an array. Pure. */
function acceptances(jobs: readonly NewJob[]): NewChange[] {
  const arrays = Map.groupBy(jobs, (job) => job.arrayId)
  return [...arrays].flatMap(([arrayId, members]) => {
    const [first] = members
    if (arrayId === undefined || first === undefined) return members.map((job) => acceptance(job, job.id))
    const tasks = { first: first.taskIndex, last: members.at(-1)?.taskIndex ?? first.taskIndex }
    return [{ ...acceptance(first, arrayId), arrayId, tasks }]
  })
}

const acceptance = ({ submittedAt, owner, name, state }: NewJob, subject: string): NewChange => ({
  at: submittedAt,
  kind: 'submitted',
  owner,
  subject,
  name,
  to: state,
})

/** Deletes expired idempotency answers. Served by idempotency_by_age. */
export async function deleteIdempotencyBefore(db: Kysely<Schema>, at: number): Promise<void> {
  await db.deleteFrom('idempotency').where('at', '<', at).execute()
}

/** The earlier answer for this key; undefined where the key is new. Served by the primary key. */
export async function answeredBefore(
  db: Kysely<Schema>,
  { account, key, fingerprint }: IdempotencyKey,
): Promise<Answered | undefined> {
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
