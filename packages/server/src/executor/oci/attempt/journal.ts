import { lostEvidence, parseEndEvidence, type EndEvidence } from './ending.ts'
import { parseIdentity, type SupervisorIdentity } from '../supervisor/supervisor.ts'
import { parseRecord, type AttemptRecord } from './record.ts'

/**
 * One file says everything about an attempt. Its name is the stage of the attempt. It holds the plan, which the server wrote, an empty
 * line, the identity of the supervisor (`supervisor PID START BOOT`) and the end (`ended {…}`).
 */
export const stages = ['prepared', 'launched', 'started', 'ended', 'cleaned'] as const
/**
 * - `prepared`: the plan is complete; nothing has run.
 * - `launched`: the runtime was called; the command may have run.
 * - `started`: the command runs; the file was last changed when it started.
 * - `ended`: the end is written; files are still being removed.
 * - `cleaned`: only the journal and the log are left.
 */
export type Stage = (typeof stages)[number]

/** What a journal says. */
export interface Journal {
  /** Absent when a power failure destroyed it. */
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
 * Reads a journal. An incomplete end, as after a power failure, counts as one that was not observed. An attempt that was cleaned up before
 * its command started has no end at all.
 */
export function parseJournal(text: string, stage: Stage, now: number): Journal {
  const plan = planOf(text)
  const rest = text.slice(plan.length + 1)
  const record = parseRecord(/^record (.*)$/m.exec(plan)?.[1])
  const identity = parseIdentity(rest)
  const complete = parseEndEvidence(/^ended (.*)$/m.exec(rest)?.[1])
  const unseen = stage === 'ended' || (stage === 'cleaned' && record === undefined)
  const end = complete ?? (unseen ? lostEvidence(now) : undefined)
  return {
    ...(record === undefined ? {} : { record }),
    ...(identity === undefined ? {} : { identity }),
    ...(end === undefined ? {} : { end }),
  }
}
