import type { AttemptEvidence } from '../executor/attempt-evidence.ts'
import { ownVariables } from '../job/environment.ts'
import { attemptId, type NewJob, type StoredAttempt } from '../job/job.ts'
import { defaultTimeSeconds } from '../job/submission.ts'
import type { Store } from '../store/store.ts'

/** An attempt without a record, and why it cannot be adopted, where it cannot. */
export interface Candidate {
  readonly evidence: AttemptEvidence
  /** A sentence with what to do; undefined: it can be adopted. */
  readonly obstacle?: string
}

/** The store as adoption uses it. */
type AdoptionStore = Pick<Store, 'recordedAttempts' | 'job' | 'account' | 'submit' | 'step'>

/** The attempts among these that the database has no record of, each with its obstacle. Reads only. */
export async function unrecordedAmong(
  store: AdoptionStore,
  evidence: readonly AttemptEvidence[],
): Promise<Candidate[]> {
  const recorded = await store.recordedAttempts(evidence.map(({ id }) => id))
  const missing = evidence.filter(({ id }) => !recorded.has(id))
  return Promise.all(
    missing.map(async (one) => {
      const obstacle = await obstacleOf(store, one)
      return { evidence: one, ...(obstacle === undefined ? {} : { obstacle }) }
    }),
  )
}

async function obstacleOf(store: AdoptionStore, { id, jobId, owner }: AttemptEvidence): Promise<string | undefined> {
  const number = numberOf(id)
  if (number === undefined) return `${id} is no id of an attempt`
  const job = await store.job(jobId)
  if (job === undefined)
    return (await store.account(owner)) === undefined
      ? `no user ${owner} here; add the user with the uid of the files: science-platform user add ${owner} --uid UID`
      : undefined
  if (job.owner !== owner) return `the job ${jobId} belongs to ${job.owner} here, not to ${owner}`
  // The backup may have been made while the job waited.
  return job.state === 'queued' && job.attempt + 1 === number
    ? undefined
    : `the job ${jobId} is ${job.state} here, with attempt ${job.attempt} as its latest`
}

/**
 * Writes a record of an attempt that runs without one: its job, as the evidence has it, placed where it runs. The executor then adopts
 * the attempt, and its start and end are recorded as of any other. May be interrupted and repeated.
 *
 * @param now - Milliseconds since the epoch.
 */
export async function adopt(store: AdoptionStore, evidence: AttemptEvidence, now: number): Promise<void> {
  const { id, jobId, node = 'unknown' } = evidence
  const number = numberOf(id) ?? 1
  if ((await store.job(jobId)) === undefined) {
    const message = 'It was found running without a record, and adopted.'
    await store.submit({
      jobs: [jobOf(evidence, number)],
      events: [{ jobId, at: now, type: 'Warning', reason: 'Adopted', message }],
    })
  }
  const attempt: StoredAttempt = { id, jobId, number, node, placedAt: evidence.createdAt }
  await store.step([
    { jobId, at: now, from: 'queued', event: { type: 'placed' }, fields: { attempt: number }, attempt },
  ])
}

/** The job of an attempt, as it was before that attempt was placed. Pure. */
function jobOf(evidence: AttemptEvidence, number: number): NewJob {
  const {
    jobId,
    owner,
    name,
    image,
    cmd,
    args,
    env,
    workingDirectory,
    resources,
    network,
    graceSeconds,
    origin,
    createdAt,
  } = evidence
  return {
    id: jobId,
    owner,
    name,
    image,
    state: 'queued',
    ...(evidence.imageDigest === undefined ? {} : { imageDigest: evidence.imageDigest }),
    ...(cmd === undefined ? {} : { cmd }),
    ...(args === undefined ? {} : { args }),
    env: ownVariables(env),
    ...(workingDirectory === undefined ? {} : { workingDirectory }),
    ...(evidence.labels === undefined ? {} : { labels: evidence.labels }),
    resources,
    ...(network === undefined ? {} : { network }),
    timeSeconds: origin?.timeSeconds ?? defaultTimeSeconds,
    graceSeconds,
    ...(origin?.group === undefined ? {} : { group: origin.group }),
    ...(origin?.arrayId === undefined ? {} : { arrayId: origin.arrayId }),
    taskIndex: origin?.taskIndex ?? 1,
    taskCount: origin?.taskCount ?? 1,
    submittedAt: origin?.submittedAt ?? createdAt,
    attempt: number - 1,
  }
}

/** The number of an attempt; undefined where the id has none. */
function numberOf(id: string): number | undefined {
  const number = Number(id.slice(id.lastIndexOf('-') + 1))
  return Number.isSafeInteger(number) && number > 0 && attemptId(id.slice(0, id.lastIndexOf('-')), number) === id
    ? number
    : undefined
}
