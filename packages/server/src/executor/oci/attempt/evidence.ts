import type { Stage } from './journal.ts'

/** What the folder of an attempt says. */
export interface Evidence {
  /** Undefined when the folder was never completed. */
  readonly stage: Stage | undefined
  /** Whether the journal holds an end. */
  readonly hasEnd: boolean
  /** Whether the supervisor that the journal names lives. */
  readonly supervised: boolean
}

/**
 * What a server does with an attempt that an earlier server left.
 *
 * - `discard`: its command never started. The folder is removed, and the scheduler starts the attempt again.
 * - `watch`: a supervisor runs it.
 * - `clean`: it has no supervisor, and processes or files of it may be left. Without an observed end it is lost.
 * - `keep`: it has ended, and nothing is left to do but to list it.
 */
export type Judgement = 'discard' | 'watch' | 'clean' | 'keep'

/** No attempt runs twice, and none is left behind. Where a supervisor is just starting, the lock on the journal decides. Pure. */
export function judge({ stage, hasEnd, supervised }: Evidence): Judgement {
  if (stage === undefined) return 'discard'
  if (stage === 'cleaned') return hasEnd ? 'keep' : 'discard'
  if (supervised) return 'watch'
  return stage === 'prepared' ? 'discard' : 'clean'
}
