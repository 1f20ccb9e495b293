import type { Cause } from '@science-platform/contract'
import type { LifecycleEvent } from './lifecycle.ts'

/** How an attempt ended, as the evidence shows it. */
export interface Evidence {
  readonly exitCode?: number
  readonly cause: Cause
  /** Whether the platform had asked it to end. */
  readonly stopped: boolean
}

/** Why a job was asked to end. */
export type StopReason = 'cancelled' | 'time-limit'

/** What an ending means for its job: the event of the lifecycle, and the cause to keep. Pure. */
export function judgeEnding(
  evidence: Evidence,
  stopReason: StopReason | undefined,
  timeSeconds: number,
): { event: LifecycleEvent; cause: Cause } {
  if (stopReason === 'cancelled') {
    return { event: { type: 'cancelled' }, cause: { code: 'cancelled', message: 'It was cancelled by its owner.' } }
  }
  if (stopReason === 'time-limit') {
    return {
      event: { type: 'timedOut' },
      cause: {
        code: 'time-limit',
        message: `It ran longer than its ${timeSeconds} seconds.`,
        hint: 'Ask for more time, or save the state of the work now and then and go on from there.',
      },
    }
  }
  const { cause, exitCode } = evidence
  if (cause.code === 'exited' && exitCode !== undefined) return { event: { type: 'exited', exitCode }, cause }
  if (cause.code === 'lost') return { event: { type: 'lost' }, cause }
  return { event: { type: 'failed' }, cause }
}
