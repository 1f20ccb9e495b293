import type { Kysely } from 'kysely'
import type { Seal } from '../../lib/secrets/seal.ts'
import { insertEvents } from './events.ts'
import { insertItems, insertRows } from '../sql/insert-rows.ts'
import type { AuditEntry } from '../../audit/entry.ts'
import type { NewJob } from '../../job/job.ts'
import type { NewChange } from '../change.ts'
import type { GroupCommit } from '../sql/group-commit.ts'
import { jobRow } from './rows.ts'
import type { Schema } from '../sql/schema.ts'
import { deleteStaged, publish, requireStaged, stage } from './staging.ts'
import { insertTokensOfJobs } from '../users/tokens.ts'
import type { Appended, WriteTransaction } from '../sql/write-transaction.ts'
import { JobIdTaken, type IdempotencyKey, type Store, type SubmitOutcome } from '../store.ts'

type Submission = Parameters<Store['submit']>[0]

/** What one transaction of a submission may insert: it takes the writer for some milliseconds, and other writes wait as long. */
const mostAtOnce = { jobs: 100, bytes: 2 ** 20 }

/** Submissions of up to so many jobs share their transaction with other writes. */
const mostShared = 10

/** Inserts jobs of a submission, the first with the number `firstSeq`, with all that belongs to them. @throws {JobIdTaken} */
type InsertJobs = (tx: WriteTransaction, jobs: readonly NewJob[], firstSeq: number) => Promise<void>

/**
 * Stores a submission: in one transaction, or a large one in several that no reader sees before the last. Other writes run between
 * them. @throws {JobIdTaken}
 */
export async function storeSubmission(commit: GroupCommit, submission: Submission, seal: Seal): Promise<SubmitOutcome> {
  const [first = [], ...later] = piecesOf(submission.jobs)
  const insertJobs = jobInserter(submission, seal)
  const { outcome, change } =
    later.length === 0
      ? await storeAtOnce(commit, submission, first, insertJobs)
      : await storeInStages(commit, submission, first, later, insertJobs)
  return outcome.outcome === 'stored' ? { ...outcome, change: change?.number ?? 0 } : outcome
}

/** Jobs in pieces for one transaction each. Pure. */
function piecesOf(jobs: readonly NewJob[]): (readonly NewJob[])[] {
  if (jobs.length <= 1) return [jobs]
  const pieces: NewJob[][] = []
  let room = 0
  let size = 0
  for (const [i, job] of jobs.entries()) {
    const { arrayId, cmd, args, env } = job
    // The tasks of an array are alike in size.
    if (arrayId === undefined || arrayId !== jobs[i - 1]?.arrayId)
      size = Buffer.byteLength(JSON.stringify([cmd, args, env]))
    const piece = pieces.at(-1)
    if (piece === undefined || piece.length === mostAtOnce.jobs || room < size) {
      pieces.push([job])
      room = mostAtOnce.bytes - size
    } else {
      piece.push(job)
      room -= size
    }
  }
  return pieces
}

function storeAtOnce(
  commit: GroupCommit,
  submission: Submission,
  jobs: readonly NewJob[],
  insertJobs: InsertJobs,
): Promise<StoredSubmission> {
  const store = async (tx: WriteTransaction): Promise<StoredSubmission> => {
    const known = await knownOutcome(tx, submission)
    if (known !== undefined) return { outcome: known }
    await insertJobs(tx, jobs, await tx.take('jobs', jobs.length))
    return accept(tx, submission)
  }
  const audited = auditOf(submission)
  return jobs.length <= mostShared ? commit.run(store, audited) : commit.runPiece(store, audited)
}

async function storeInStages(
  commit: GroupCommit,
  submission: Submission,
  first: readonly NewJob[],
  later: readonly (readonly NewJob[])[],
  insertJobs: InsertJobs,
): Promise<StoredSubmission> {
  const { jobs } = submission
  const begun = await commit.runPiece(async (tx) => {
    const known = await knownOutcome(tx, submission)
    if (known !== undefined) return known
    const staging = await stage(tx, jobs.length, jobs[0]?.submittedAt ?? 0)
    await insertJobs(tx, first, staging.firstJob)
    return staging
  })
  if ('outcome' in begun) return { outcome: begun }
  let isStored = false
  try {
    let seq = begun.firstJob + first.length
    for (const piece of later) {
      const at = seq
      await commit.runPiece(async (tx) => {
        await requireStaged(tx, begun)
        await insertJobs(tx, piece, at)
      })
      seq += piece.length
    }
    const result = await commit.runPiece(async (tx) => {
      // A request with the same key may have been stored meanwhile.
      const known = await knownOutcome(tx, submission)
      if (known !== undefined) return { outcome: known }
      await requireStaged(tx, begun)
      await publish(tx, begun)
      return accept(tx, submission)
    }, auditOf(submission))
    isStored = result.outcome.outcome === 'stored'
    return result
  } finally {
    // Where this fails too, retention deletes what is left.
    if (!isStored) await deleteStaged(commit, begun.firstJob).catch(() => undefined)
  }
}

/** The answer to an earlier request with the key of this one, if any. Without one, `confirm` may refuse the submission. */
async function knownOutcome(tx: WriteTransaction, { idempotency, confirm }: Submission): Promise<Answered | undefined> {
  const known = idempotency && (await answeredBefore(tx.db, idempotency))
  if (known === undefined) confirm?.()
  return known
}

function jobInserter({ events, secrets, tokens }: Submission, seal: Seal): InsertJobs {
  const eventsOf = Map.groupBy(events, ({ jobId }) => jobId)
  const tokensOf = Map.groupBy(tokens ?? [], ({ jobId = '' }) => jobId)
  return async (tx, jobs, firstSeq) => {
    const { db } = tx
    try {
      await insertItems(db, 'jobs', jobs, (job, i) => jobRow({ ...job, seq: firstSeq + i }, seal))
    } catch (error) {
      // SQLite names the column in its message, PostgreSQL the key.
      if (/jobs\.id\b|jobs_pkey/.test((error as Error).message)) throw new JobIdTaken({ cause: error })
      throw error
    }
    await insertRows(
      db,
      'job_labels',
      jobs.flatMap(({ owner, labels = {} }, i) =>
        Object.entries(labels).map(([key, value]) => ({ job: firstSeq + i, owner, key, value })),
      ),
    )
    await insertEvents(
      tx,
      jobs.flatMap(({ id }) => eventsOf.get(id) ?? []),
    )
    const sealed = jobs.flatMap(({ id }) => {
      const text = secrets?.get(id)
      return text === undefined ? [] : [{ job_id: id, sealed: text }]
    })
    await insertRows(db, 'job_secrets', sealed)
    await insertTokensOfJobs(
      db,
      jobs.flatMap(({ id }) => tokensOf.get(id) ?? []),
      tokens?.[0],
    )
  }
}

/** Records the answer and appends the changes: the submission is accepted when this transaction is committed. */
async function accept(tx: WriteTransaction, { jobs, idempotency }: Submission): Promise<StoredSubmission> {
  const ids = jobs.map((job) => job.id)
  if (idempotency !== undefined) {
    await tx.db
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
  return {
    outcome: { outcome: 'stored', ids },
    change: acceptances(jobs)
      .map((change) => tx.append(change))
      .at(-1),
  }
}

const auditOf =
  ({ audit }: Submission) =>
  ({ outcome: { outcome } }: StoredSubmission): readonly AuditEntry[] =>
    outcome === 'stored' && audit !== undefined ? [audit] : []

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
