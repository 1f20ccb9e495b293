import type { Job, SessionRecord } from '@science-platform/contract'
import { causeCodes, type CauseCode } from '@science-platform/contract/causes'
import { troubleshooting } from '@science-platform/contract/troubleshooting'
import { exitCodes } from '../exit-codes.ts'
import { duration } from '../output/quantities.ts'

/** The end of a job, as far as its server knows. */
export interface Ending {
  readonly id: string
  readonly name: string
  readonly state: 'succeeded' | 'failed' | 'cancelled'
  readonly exitCode?: number
  readonly cause?: {
    readonly code: string
    readonly message: string
    readonly hint?: string
    readonly remarks?: readonly string[]
  }
  /** Seconds from the start of its command to its end. */
  readonly seconds?: number
}

/** The end of a job of the platform's own API. Throws for a job that has not ended. */
export function endingOfJob(job: Job): Ending {
  const { id, name, state, exitCode, cause, startedAt, endedAt } = job
  if (state !== 'succeeded' && state !== 'failed' && state !== 'cancelled')
    throw new Error(`job ${id} is ${state} and has not ended`)
  const seconds =
    startedAt === undefined || endedAt === undefined ? undefined : (Date.parse(endedAt) - Date.parse(startedAt)) / 1000
  return {
    id,
    name,
    state,
    ...(exitCode === undefined ? {} : { exitCode }),
    ...(cause === undefined ? {} : { cause }),
    ...(seconds === undefined ? {} : { seconds }),
  }
}

/** The end of a session of any skaha server; undefined before its end. */
export function endingOfSession({ id, name, status, exitCode, cause }: SessionRecord): Ending | undefined {
  const known = { id, name, ...(exitCode === undefined ? {} : { exitCode }), ...(cause === undefined ? {} : { cause }) }
  if (status === 'Completed' || status === 'Succeeded') return { exitCode: 0, ...known, state: 'succeeded' }
  if (status === 'Failed' || status === 'Error') return { ...known, state: 'failed' }
  return status === 'Terminated' ? { ...known, state: 'cancelled' } : undefined
}

/** The exit code for the end of a job: its own, 143 when cancelled, 70 when it failed without an exit code. */
export function endingExitCode({ state, exitCode }: Ending): number {
  if (state === 'succeeded') return 0
  if (state === 'cancelled') return exitCodes.cancelled.code
  return exitCode === undefined || exitCode === 0 ? exitCodes.noExitCode.code : exitCode
}

/** The exit code for several jobs: the first code that is not 0. */
export const endingsExitCode = (endings: readonly Ending[]): number =>
  endings.map(endingExitCode).find((code) => code !== 0) ?? 0

/** A line about the end of a job, its remarks, and of a failed job its hint and the place that explains its cause. */
export function endingLines({ id, name, state, exitCode, cause, seconds }: Ending): string[] {
  const after = seconds === undefined ? '' : ` after ${duration(seconds)}`
  const code = exitCode === undefined || state === 'cancelled' ? '' : `, exit code ${exitCode}`
  const why = state !== 'failed' || cause === undefined || cause.code === 'exited' ? '' : `: ${cause.message}`
  const line = `${id} (${name}) ${state}${after}${code}${why}`
  const notes = (cause?.remarks ?? []).map((remark) => `note: ${remark}`)
  if (state !== 'failed' || cause === undefined) return [line, ...notes]
  const fix = cause.hint === undefined ? [] : [`fix: ${cause.hint}`]
  // Another server has causes of its own.
  const isKnown = (causeCodes as readonly string[]).includes(cause.code)
  return [line, ...fix, ...(isKnown ? [`see: ${troubleshooting(cause.code as CauseCode)}`] : []), ...notes]
}
