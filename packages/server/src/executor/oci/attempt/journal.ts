import { lostEvidence, parseEndEvidence, type EndEvidence } from './ending.ts'
import { parseIdentity, type SupervisorIdentity } from '../supervisor/supervisor.ts'
import { parseRecord, type AttemptRecord } from './record.ts'

/**
 * One file tells everything about an attempt. Its name is the stage the attempt has come to; it holds the plan, which the server wrote,
 * a blank line, and then either who the supervisor is (`supervisor PID START BOOT`) or how it ended (`ended {…}`).
 */
export const stages = ['prepared', 'launched', 'started', 'ended', 'cleaned'] as const
/**
 * - `prepared`: everything is there, nothing has run.
 * - `launched`: the runtime was called; the command may have run.
 * - `started`: the command runs; the file was last changed when it started.
 * - `ended`: the end is told; files are still being removed.
 * - `cleaned`: nothing is left of it but the journal and the log.
 */
export type Stage = (typeof stages)[number]

/** What a journal says. */
export interface Journal {
  /** Absent when a power failure took it. */
  readonly record?: AttemptRecord
  readonly identity?: SupervisorIdentity
  readonly end?: EndEvidence
}

/** The network slot in the plan of a journal. */
export function slotOf(journal: string): number | undefined {
  const slot = /^slot (\d+)$/m.exec(planOf(journal))?.[1]
  return slot === undefined ? undefined : Number(slot)
}

/** What the server wrote: everything before the first empty line. */
function planOf(journal: string): string {
  const end = journal.indexOf('\n\n')
  return end < 0 ? journal : journal.slice(0, end + 1)
}

/**
 * Reads a journal. An end that is not told whole, as after a power failure, is one that nobody saw; but an attempt that was cleaned away
 * before its command was started has no end at all.
 */
export function parseJournal(text: string, stage: Stage, now: number): Journal {
  const plan = planOf(text)
  const rest = text.slice(plan.length + 1)
  const record = parseRecord(/^record (.*)$/m.exec(plan)?.[1])
  const identity = parseIdentity(rest)
  const told = parseEndEvidence(/^ended (.*)$/m.exec(rest)?.[1])
  const unseen = stage === 'ended' || (stage === 'cleaned' && record === undefined)
  const end = told ?? (unseen ? lostEvidence(now) : undefined)
  return {
    ...(record === undefined ? {} : { record }),
    ...(identity === undefined ? {} : { identity }),
    ...(end === undefined ? {} : { end }),
  }
}
