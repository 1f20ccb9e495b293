import type { Observed } from '../executor/executor.ts'
import type { RecordState } from './attempt-records.ts'
import { judgeEnding } from '../job/cause.ts'
import { judgeFailedTry } from '../job/postpone.ts'
import { attemptId, type StoredAttempt, type StoredJob } from '../job/job.ts'
import type { JobFields, JobStep } from '../store/store.ts'
import { triedAgainText } from './explain/reason-text.ts'
import { instantText } from './explain/why.ts'

/** The actions that make the store and the executor agree. */
export interface Agreement {
  /** Steps for observations that the store does not have yet. */
  readonly steps: readonly JobStep[]
  /** Placed jobs that the executor does not know: start them (again). */
  readonly start: readonly StoredJob[]
  /** Attempts to stop, with their grace periods in seconds. */
  readonly stop: readonly { readonly attemptId: string; readonly graceSeconds: number }[]
  /** Attempts whose end is stored: the executor may delete their evidence. */
  readonly forget: readonly string[]
  /** Attempts without a record in the store. They belong to another database, or to a later state of this one: none is touched. */
  readonly unrecorded: readonly Observed[]
}

/**
 * Compares the store with the observations of the executor. Pure. The store is authoritative for the desired state,
 * the executor for what happened.
 *
 * @param recordOf The record of an attempt of no active job.
 * @param waitSeconds how long a job is tried again whose attempts could not run
 */
export function reconcile(
  active: Iterable<StoredJob>,
  observed: readonly Observed[],
  attemptOf: (job: StoredJob) => StoredAttempt,
  recordOf: (attemptId: string) => RecordState,
  now: number,
  waitSeconds: number,
): Agreement {
  const steps: JobStep[] = []
  const start: StoredJob[] = []
  const stop: { attemptId: string; graceSeconds: number }[] = []
  const forget: string[] = []
  const evidence = new Map(observed.map((one) => [one.attemptId, one]))
  for (const job of active) {
    const id = attemptId(job.id, job.attempt)
    const seen = evidence.get(id)
    evidence.delete(id)
    if (seen === undefined) {
      if (job.state === 'starting') start.push(job)
      else steps.push(vanished(job, attemptOf(job), now))
    } else if (seen.ending !== undefined) {
      steps.push(tried(job, attemptOf(job), seen, seen.ending, waitSeconds))
    } else {
      if (seen.phase === 'running' && job.state === 'starting') steps.push(started(job, attemptOf(job), seen, now))
      if (job.state === 'stopping') stop.push({ attemptId: id, graceSeconds: job.graceSeconds })
    }
  }
  // The remaining attempts belong to no active job: the end is stored already, the job was abandoned, or the store has no record.
  const unrecorded: Observed[] = []
  for (const [id, seen] of evidence) {
    const record = recordOf(id)
    if (record === undefined) unrecorded.push(seen)
    else if (record === 'current') continue
    else if (seen.ending === undefined) stop.push({ attemptId: id, graceSeconds: 0 })
    else forget.push(id)
  }
  return { steps, start, stop, forget, unrecorded }
}

/** The end of an attempt: of the job too, unless nothing of it ran and it is tried again later. */
function tried(
  job: StoredJob,
  attempt: StoredAttempt,
  seen: Observed,
  ending: NonNullable<Observed['ending']>,
  waitSeconds: number,
): JobStep {
  const { retry, cause, at: endedAt } = ending
  if (retry === undefined || job.state !== 'starting') return ended(job, attempt, seen, ending)
  const verdict = judgeFailedTry({ cause, endedAt, placedAt: attempt.placedAt, ...retry }, job, waitSeconds)
  if (verdict.type === 'given-up') return ended(job, attempt, seen, { ...ending, cause: verdict.cause })
  const { notBefore, postponed } = verdict
  return {
    jobId: job.id,
    at: endedAt,
    from: 'starting',
    event: { type: 'returned' },
    fields: { notBefore, postponed },
    attempt: { ...attempt, ...placeOf(seen), endedAt, cause },
    events: [
      {
        jobId: job.id,
        at: endedAt,
        type: 'Warning',
        reason: 'Returned',
        message: triedAgainText({ notBefore, postponed }, endedAt, instantText),
      },
    ],
  }
}

/** A job that has started or ended waits for nothing. */
const waitIsOver = ({ postponed }: StoredJob): Pick<JobFields, 'notBefore' | 'postponed'> =>
  postponed === undefined ? {} : { notBefore: null, postponed: null }

function started(job: StoredJob, attempt: StoredAttempt, seen: Observed, now: number): JobStep {
  const startedAt = seen.startedAt ?? now
  return {
    jobId: job.id,
    at: startedAt,
    from: 'starting',
    event: { type: 'started' },
    fields: {
      startedAt,
      deadlineAt: startedAt + job.timeSeconds * 1000,
      ...waitIsOver(job),
      ...(seen.imageDigest === undefined ? {} : { imageDigest: seen.imageDigest }),
    },
    attempt: { ...attempt, ...placeOf(seen), startedAt },
    events: [
      {
        jobId: job.id,
        at: startedAt,
        type: 'Normal',
        reason: 'Started',
        message: `Its command runs on ${seen.node ?? attempt.node}.`,
      },
    ],
  }
}

function ended(
  job: StoredJob,
  attempt: StoredAttempt,
  seen: Observed,
  ending: NonNullable<Observed['ending']>,
): JobStep {
  const { event, cause } = judgeEnding(ending, job)
  const { at: endedAt, exitCode, usage } = ending
  const startedAt = seen.startedAt
  const outcome = { endedAt, cause, ...(exitCode === undefined ? {} : { exitCode }) }
  const success = cause.code === 'exited' && exitCode === 0
  const unseenStart = startedAt !== undefined && job.startedAt === undefined
  return {
    jobId: job.id,
    at: endedAt,
    from: job.state,
    event,
    fields: {
      ...outcome,
      ...waitIsOver(job),
      ...(startedAt === undefined ? {} : { startedAt }),
      ...(seen.imageDigest === undefined ? {} : { imageDigest: seen.imageDigest }),
    },
    attempt: {
      ...attempt,
      ...placeOf(seen),
      ...outcome,
      ...(startedAt === undefined ? {} : { startedAt }),
      ...(usage === undefined ? {} : { usage }),
    },
    events: [
      ...(unseenStart
        ? [
            {
              jobId: job.id,
              at: startedAt,
              type: 'Normal' as const,
              reason: 'Started',
              message: `Its command runs on ${seen.node ?? attempt.node}.`,
            },
          ]
        : []),
      {
        jobId: job.id,
        at: endedAt,
        type: success || cause.code === 'cancelled' ? 'Normal' : 'Warning',
        reason: success ? 'Completed' : pascal(cause.code),
        message: cause.message,
      },
    ],
  }
}

/** An executor with its own scheduler may have chosen another node than the plan. */
const placeOf = ({ node }: Observed): { node?: string } => (node === undefined ? {} : { node })

/** The executor has no evidence of an attempt that had started: its folder is gone. */
function vanished(job: StoredJob, attempt: StoredAttempt, now: number): JobStep {
  const ending = {
    at: now,
    cause: {
      code: 'lost' as const,
      message: 'Nothing is left of it on its node.',
      hint: 'Look at what it wrote under /arc, and submit it again.',
    },
    stopped: job.state === 'stopping',
  }
  return ended(job, attempt, { attemptId: attempt.id, phase: 'ended' }, ending)
}

const pascal = (code: string): string => code.replace(/(?:^|-)(\w)/g, (_, letter: string) => letter.toUpperCase())
