import type { Cause } from '@science-platform/contract'
import type { Postponement, StoredJob } from './job.ts'

/** An attempt that failed before its command ran; a later attempt may succeed. Instants are milliseconds since the epoch. */
export interface FailedTry {
  readonly cause: Cause
  readonly endedAt: number
  /** When it was placed. */
  readonly placedAt: number
  /** Earliest time of the next attempt. */
  readonly notBefore: number
}

/** The consequence of a {@link FailedTry}: the job waits, or it fails. */
export type Verdict =
  | { readonly type: 'postponed'; readonly notBefore: number; readonly postponed: Postponement }
  | { readonly type: 'given-up'; readonly cause: Cause }

/**
 * Whether a job waits for another attempt. Pure. Time in the queue after the end of a postponement does not count, because a
 * long queue must not shorten the time for a registry to recover.
 *
 * @param waitSeconds maximum time from the first failed attempt; the last attempt is at its end. Zero: no second attempt.
 */
export function judgeFailedTry(
  { cause, endedAt, placedAt, notBefore }: FailedTry,
  job: Pick<StoredJob, 'notBefore' | 'postponed'>,
  waitSeconds: number,
): Verdict {
  const inQueue = job.notBefore === undefined ? 0 : Math.max(0, placedAt - job.notBefore)
  const since = job.postponed === undefined ? endedAt : job.postponed.since + inQueue
  const until = since + waitSeconds * 1000
  if (endedAt >= until) return { type: 'given-up', cause: since < endedAt ? triedFor(cause, endedAt - since) : cause }
  return { type: 'postponed', notBefore: Math.min(notBefore, until), postponed: { cause, since, until } }
}

function triedFor(cause: Cause, milliseconds: number): Cause {
  const seconds = Math.round(milliseconds / 1000)
  const time = seconds < 120 ? `${seconds} s` : `${Math.round(seconds / 60)} minutes`
  return { ...cause, message: `${cause.message} It was tried again for ${time}.` }
}
