import { lostEvidence, parseEndEvidence, type EndEvidence } from './ending.ts'
import { parseIdentity, type SupervisorIdentity } from '../supervisor/supervisor.ts'
import { parseRecord, type AttemptRecord } from './record.ts'

/**
 * One file says everything about an attempt. Its name is the stage of the attempt. It holds the plan, which the server wrote, an empty
 * line, the identity of the supervisor (`supervisor PID START BOOT`), kills for memory (`memory-kills FIRST LAST COUNT`, else blanks) and the
 * end (`ended {…}`).
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
  readonly memoryKills?: ObservedMemoryKills
  readonly end?: EndEvidence
}

/** Kills for memory that a supervisor has seen so far. Instants are milliseconds since the epoch. */
export interface ObservedMemoryKills {
  readonly firstAt: number
  readonly lastAt: number
  readonly count: number
}

/** Reads `memory-kills FIRST LAST COUNT`; undefined when the line is another one. Pure. */
export function parseMemoryKills(line: string | undefined): ObservedMemoryKills | undefined {
  const [, firstAt, lastAt, count] = /^memory-kills (\d+) (\d+) (\d+)\b/.exec(line ?? '') ?? []
  return count === undefined ? undefined : { firstAt: Number(firstAt), lastAt: Number(lastAt), count: Number(count) }
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
  const memoryKills = parseMemoryKills(/^memory-kills .*$/m.exec(rest)?.[0])
  return {
    ...(record === undefined ? {} : { record }),
    ...(memoryKills === undefined ? {} : { memoryKills }),
    ...(identity === undefined ? {} : { identity }),
    ...(end === undefined ? {} : { end }),
  }
}
