import type { Cause, WarningSignal } from '@science-platform/contract'
import type { AttemptSpec } from '../executor.ts'

/** A step of a command. After the last one the command exits with 0, as a script does. */
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
/** Does nothing for this many milliseconds. */
export const wait = (ms: number): Step => ({ type: 'wait', ms })
/** Does nothing until it is ended. */
export const forever: Step = wait(Infinity)
/** Uses this much from now on. The limit caps cores; above the memory limit the command is killed. @defaultValue 0 of each */
export const use = ({ cores = 0, memoryBytes = 0 }: { cores?: number; memoryBytes?: number }): Step => ({
  type: 'use',
  cores,
  memoryBytes,
})
/** Makes an empty file in its owner's home. */
export const touch = (file: string): Step => ({ type: 'touch', file })
/** Removes a file from its owner's home; where there is none it exits with 1. */
export const remove = (file: string): Step => ({ type: 'remove', file })
/** Waits for a file in its owner's home. */
export const awaitFile = (file: string): Step => ({ type: 'await', file })
/** Exits with this code. */
export const exit = (code: number): Step => ({ type: 'exit', code })
/** Dies of a signal of another sender. */
export const die = (signal: NodeJS.Signals): Step => ({ type: 'die', signal })

/** Everything that an attempt does, as data. */
export interface Behaviour {
  /** Milliseconds until its image is fetched and its container made; Infinity: never. @defaultValue 0 */
  readonly prepareMs?: number
  /** What it waits for meanwhile: a sentence for its owner. */
  readonly waiting?: string
  /** Why it cannot be started, known after that time; absent where it can. */
  readonly failure?: Cause
  /** Milliseconds after which its failure may have passed; absent: never. */
  readonly retryMs?: number
  readonly command: readonly Step[]
  /** Steps on a signal, after which the command continues; no steps: it ignores the signal. It dies of signals without an entry. */
  readonly onSignal?: { readonly [Name in WarningSignal]?: readonly Step[] }
}

/** The behaviour of an attempt. Pure. @throws to make `start` reject the attempt */
export type BehaviourOf = (spec: AttemptSpec) => Behaviour
