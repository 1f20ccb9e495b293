import type { StoredJob } from '../../job/job.ts'
import { duration } from '../explain/reason-text.ts'

/** The notice comes when a tenth of the time is left, and at most ten minutes before the deadline. */
const noticePart = 0.1
const longestNoticeMs = 600_000

/** Reasons of the warning events. Each occurs at most once per attempt. */
export const warningReasons = ['TimeLimitNear', 'WarningSignal'] as const

/** A warning before the deadline of a running job. */
export interface Warning {
  /** Milliseconds since the epoch. */
  readonly at: number
  readonly reason: (typeof warningReasons)[number]
  readonly message: string
}

/** The warnings of a running job, in order; empty where it has no deadline. Pure. */
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
            message: `SIG${signal.name} is sent to each of its processes that handles it, ${signal.secondsBefore} seconds before its time is over.`,
          },
        ]),
  ].toSorted((a, b) => a.at - b.at)
}
