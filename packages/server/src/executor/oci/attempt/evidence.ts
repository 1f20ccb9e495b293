import type { Stage } from './journal.ts'

/** What is found of an attempt in its folder. */
export interface Evidence {
  /** Undefined when the folder was never completed. */
  readonly stage: Stage | undefined
  /** Whether the journal tells an end. */
  readonly told: boolean
  /** Whether the process that the journal names is there and is that process. */
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

/** Pure: no attempt runs twice, and none stays. The lock on the journal has the last word where a supervisor is only just starting. */
export function judge({ stage, told, supervised }: Evidence): Judgement {
  if (stage === undefined) return 'discard'
  if (stage === 'cleaned') return told ? 'keep' : 'discard'
  if (supervised) return 'watch'
  return stage === 'prepared' ? 'discard' : 'clean'
}
