import type { Cause } from '@science-platform/contract'
import type { StoredJob } from './job.ts'
import type { LifecycleEvent } from './lifecycle.ts'

/** How an attempt ended, from the evidence of its executor. */
export interface Evidence {
  readonly exitCode?: number
  readonly cause: Cause
  /** Whether the platform had stopped it. */
  readonly stopped: boolean
}

/** The fields of a job that decide what an ending means. */
export type Stopping = Pick<StoredJob, 'state' | 'stopReason' | 'cause' | 'timeSeconds'>

/** The lifecycle event and the cause that follow from the end of an attempt. Pure. */
export function judgeEnding(evidence: Evidence, job: Stopping): { event: LifecycleEvent; cause: Cause } {
  const stopReason = job.state === 'stopping' ? (job.stopReason ?? 'cancelled') : undefined
  if (stopReason === 'cancelled') {
    // The cause was recorded with the request to cancel and names the user.
    return { event: { type: 'cancelled' }, cause: job.cause ?? { code: 'cancelled', message: 'It was cancelled.' } }
  }
  if (stopReason === 'time-limit') {
    return {
      event: { type: 'timedOut' },
      cause: {
        code: 'time-limit',
        message: `It reached its time limit of ${job.timeSeconds} seconds.`,
        hint: 'Ask for more time, or let the job save its state and resume from it.',
      },
    }
  }
  const { cause, exitCode } = evidence
  if (cause.code === 'exited' && exitCode !== undefined) return { event: { type: 'exited', exitCode }, cause }
  if (cause.code === 'lost') return { event: { type: 'lost' }, cause }
  return { event: { type: 'failed' }, cause }
}
