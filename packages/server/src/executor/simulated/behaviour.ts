import type { Cause, WarningSignal } from '@science-platform/contract'
import type { AttemptSpec } from '../executor.ts'

/** What a command does next. After the last step it exits with 0, as a script does. */
export type Step =
  | { readonly type: 'write'; readonly bytes: Uint8Array }
  | { readonly type: 'wait'; readonly ms: number }
  | { readonly type: 'use'; readonly cores: number; readonly memoryBytes: number }
  | { readonly type: 'touch'; readonly file: string }
  | { readonly type: 'remove'; readonly file: string }
  | { readonly type: 'await'; readonly file: string }
  | { readonly type: 'exit'; readonly code: number }
  | { readonly type: 'die'; readonly signal: NodeJS.Signals }

/** Writes to the log. */
export const write = (output: string | Uint8Array): Step => ({
  type: 'write',
  bytes: typeof output === 'string' ? Buffer.from(output) : output,
})
/** Does nothing for so many milliseconds. */
export const wait = (ms: number): Step => ({ type: 'wait', ms })
/** Does nothing more until it is ended. */
export const forever: Step = wait(Infinity)
/** Uses so much from now on; no more cores than its limit, and with more memory than its limit it is killed. @defaultValue 0 of each */
export const use = ({ cores = 0, memoryBytes = 0 }: { cores?: number; memoryBytes?: number }): Step => ({
  type: 'use',
  cores,
  memoryBytes,
})
/** Makes an empty file in its owner's home. */
export const touch = (file: string): Step => ({ type: 'touch', file })
/** Removes a file from its owner's home; where there is none it exits with 1. */
export const remove = (file: string): Step => ({ type: 'remove', file })
/** Goes on when there is such a file in its owner's home. */
export const awaitFile = (file: string): Step => ({ type: 'await', file })
/** Ends, with this exit code. */
export const exit = (code: number): Step => ({ type: 'exit', code })
/** Is ended by a signal that nobody here sent. */
export const die = (signal: NodeJS.Signals): Step => ({ type: 'die', signal })

/** All that an attempt does, as data. */
export interface Behaviour {
  /** Milliseconds for which its image is fetched and its container made; Infinity: for ever. @defaultValue 0 */
  readonly prepareMs?: number
  /** What it waits for meanwhile, in a sentence for its owner. */
  readonly waiting?: string
  /** Why it cannot be started, found out when that time is over; undefined where it can. */
  readonly failure?: Cause
  readonly command: readonly Step[]
  /** What it does on a signal before it goes on with what it did; nothing at all: it ignores it. Of a signal that is not here it dies. */
  readonly onSignal?: { readonly [Name in WarningSignal]?: readonly Step[] }
}

/** What an attempt does. Pure. @throws where it is not to be taken at all, as `start` does then. */
export type BehaviourOf = (spec: AttemptSpec) => Behaviour
