import type { Cause } from '@science-platform/contract'
import { constants } from 'node:os'
import type { StoredJob } from './job.ts'
import type { LifecycleEvent } from './lifecycle.ts'
import { memoryKillText, type MemoryKills } from './memory-kills.ts'

/** How an attempt ended, from the evidence of its executor. */
export interface Evidence {
  /** Milliseconds since the epoch. */
  readonly at?: number
  readonly exitCode?: number
  readonly cause: Cause
  /** Whether the platform had stopped it. */
  readonly stopped: boolean
  readonly memoryKills?: MemoryKills
}

/** The fields of a job that decide what an ending means. */
export type Stopping = Pick<StoredJob, 'state' | 'stopReason' | 'cause' | 'timeSeconds' | 'signal' | 'deadlineAt'>

/** The lifecycle event and the cause that follow from the end of an attempt. Pure. */
export function judgeEnding(evidence: Evidence, job: Stopping): { event: LifecycleEvent; cause: Cause } {
  const { cause, exitCode, memoryKills } = evidence
  const stopReason = job.state === 'stopping' ? (job.stopReason ?? 'cancelled') : undefined
  const killed = memoryKills === undefined ? [] : [memoryKillText(memoryKills)]
  const remarks = cause.remarks ?? []
  if (stopReason === 'cancelled') {
    // The cause was recorded with the request to cancel and names the user.
    const recorded = job.cause ?? ({ code: 'cancelled', message: 'It was cancelled.' } as const)
    return { event: { type: 'cancelled' }, cause: withRemarks(recorded, [...killed, ...remarks]) }
  }
  if (stopReason === 'time-limit')
    return { event: { type: 'timedOut' }, cause: withRemarks(timeLimit(job, killed), remarks) }
  // The cause out-of-memory says it already.
  const told = cause.code === 'out-of-memory' ? remarks : [...killed, ...remarks]
  const whole = withRemarks(cause, [...told, ...warningRemark(evidence, job)])
  if (cause.code === 'exited' && exitCode !== undefined) return { event: { type: 'exited', exitCode }, cause: whole }
  if (cause.code === 'lost') return { event: { type: 'lost' }, cause: whole }
  return { event: { type: 'failed' }, cause: whole }
}

/** A job that lost a process for memory often waits for that process until its time is over: then both belong to the cause. */
function timeLimit({ timeSeconds }: Stopping, [killed]: readonly string[]): Cause {
  const message = `It reached its time limit of ${timeSeconds} seconds.`
  return killed === undefined
    ? {
        code: 'time-limit',
        message,
        hint: 'Ask for more time, or let the job save its state and resume from it.',
      }
    : {
        code: 'time-limit',
        message: `${message} ${killed}`,
        hint: 'The job may have waited for the killed process until its time was over: ask for more memory first.',
      }
}

/** Says whose signal it was, where the command ended as the warning signal of `--signal` ends a program without a handler. */
function warningRemark({ at, exitCode }: Evidence, { signal, deadlineAt }: Stopping): string[] {
  if (signal === undefined || deadlineAt === undefined || at === undefined) return []
  const name = `SIG${signal.name}` as const
  const isSent = at >= deadlineAt - signal.secondsBefore * 1000
  return isSent && exitCode === 128 + constants.signals[name]
    ? [
        `${name} is the warning that the platform sent ${signal.secondsBefore} seconds before the time limit (--signal).`,
      ]
    : []
}

const withRemarks = ({ remarks: _, ...cause }: Cause, remarks: readonly string[]): Cause =>
  remarks.length === 0 ? cause : { ...cause, remarks: [...remarks] }
