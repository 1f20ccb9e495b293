import type { StoredJob } from '../job/job.ts'
import { duration } from './explain/reason-text.ts'

/** It is told that a job's time is nearly over when a tenth of it is left, and ten minutes before at the earliest. */
const noticePart = 0.1
const longestNoticeMs = 600_000

/** What the events are called by which a job is warned; there is one of each for an attempt. */
export const warningReasons = ['TimeLimitNear', 'WarningSignal'] as const

/** Something to do or to tell before a running job's time is over. */
export interface Warning {
  /** Milliseconds since the epoch. */
  readonly at: number
  readonly reason: (typeof warningReasons)[number]
  readonly message: string
}

/** What a running job is warned by, in order; nothing where it has no deadline. Pure. */
export function warningsOf(
  job: Pick<StoredJob, 'state' | 'deadlineAt' | 'timeSeconds' | 'graceSeconds' | 'signal'>,
): readonly Warning[] {
  const { state, deadlineAt, timeSeconds, graceSeconds, signal } = job
  if (state !== 'running' || deadlineAt === undefined) return []
  const noticeMs = Math.min(longestNoticeMs, noticePart * timeSeconds * 1000)
  const left = duration(noticeMs / 1000)
  return [
    {
      at: deadlineAt - noticeMs,
      reason: 'TimeLimitNear' as const,
      message: `${left} of its time are left; then it gets SIGTERM, and SIGKILL ${graceSeconds} seconds later.`,
    },
    ...(signal === undefined
      ? []
      : [
          {
            at: deadlineAt - signal.secondsBefore * 1000,
            reason: 'WarningSignal' as const,
            message: `It was sent SIG${signal.name}, ${signal.secondsBefore} seconds before its time is over.`,
          },
        ]),
  ].toSorted((a, b) => a.at - b.at)
}
