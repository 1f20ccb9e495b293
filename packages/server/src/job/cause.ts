import type { Cause } from '@science-platform/contract'
import type { StoredJob } from './job.ts'
import type { LifecycleEvent } from './lifecycle.ts'

/** How an attempt ended, as the evidence shows it. */
export interface Evidence {
  readonly exitCode?: number
  readonly cause: Cause
  /** Whether the platform had asked it to end. */
  readonly stopped: boolean
}

/** What of a job decides what its ending means. */
export type Stopping = Pick<StoredJob, 'state' | 'stopReason' | 'cause' | 'timeSeconds'>

/** What an ending means for its job: the event of the lifecycle, and the cause to keep. Pure. */
export function judgeEnding(evidence: Evidence, job: Stopping): { event: LifecycleEvent; cause: Cause } {
  const stopReason = job.state === 'stopping' ? (job.stopReason ?? 'cancelled') : undefined
  if (stopReason === 'cancelled') {
    // Who asked for it was recorded with the request.
    return { event: { type: 'cancelled' }, cause: job.cause ?? { code: 'cancelled', message: 'It was cancelled.' } }
  }
  if (stopReason === 'time-limit') {
    return {
      event: { type: 'timedOut' },
      cause: {
        code: 'time-limit',
        message: `It ran longer than its ${job.timeSeconds} seconds.`,
        hint: 'Ask for more time, or save the state of the work now and then and go on from there.',
      },
    }
  }
  const { cause, exitCode } = evidence
  if (cause.code === 'exited' && exitCode !== undefined) return { event: { type: 'exited', exitCode }, cause }
  if (cause.code === 'lost') return { event: { type: 'lost' }, cause }
  return { event: { type: 'failed' }, cause }
}
