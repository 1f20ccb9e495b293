import type { Stage } from './folders.ts'

/** What is found of an attempt in its folder. */
export interface Evidence {
  /** Undefined when the folder was never completed. */
  readonly stage?: Stage
  /** Whether `ended.json` is there. */
  readonly ended: boolean
  /** Whether the process that `supervisor` names is there and is that process. */
  readonly supervised: boolean
}

/**
 * What is to be done with an attempt that an earlier server left.
 *
 * - `discard`: its command was never started; the folder goes, and whoever wants it run starts it again.
 * - `watch`: a supervisor has it.
 * - `clean`: it has no supervisor, but something of it may be left running or lying about; if nobody saw its end, it is lost.
 * - `keep`: it has ended, and there is nothing left to do but tell.
 */
export type Judgement = 'discard' | 'watch' | 'clean' | 'keep'

/** Pure: no attempt runs twice, and none stays. The lock on the plan has the last word where a supervisor is only just starting. */
export function judge({ stage, ended, supervised }: Evidence): Judgement {
  if (stage === undefined) return ended ? 'keep' : 'discard'
  if (stage === 'cleaned') return ended ? 'keep' : 'discard'
  if (supervised) return 'watch'
  if (stage === 'prepared' && !ended) return 'discard'
  return 'clean'
}
