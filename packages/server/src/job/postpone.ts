import type { Cause } from '@science-platform/contract'
import type { Postponement, StoredJob } from './job.ts'

/** An attempt of which nothing ran, and after which a later one may succeed. Instants are milliseconds since the epoch. */
export interface FailedTry {
  readonly cause: Cause
  readonly endedAt: number
  /** When it was placed. */
  readonly placedAt: number
  /** When the obstacle may have passed. */
  readonly notBefore: number
}

/** What follows from a {@link FailedTry}: the job waits, or it is given up. */
export type Verdict =
  | { readonly type: 'postponed'; readonly notBefore: number; readonly postponed: Postponement }
  | { readonly type: 'given-up'; readonly cause: Cause }

/**
 * Whether a job waits for another try. Pure. Time in which the job could be tried but had no capacity does not count: a long
 * queue must not use up the patience for a registry.
 *
 * @param waitSeconds from the first failed try on; a last try is made at the end. Zero: no second try.
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
