import type { JobChangeKind, JobState } from '@science-platform/contract'

/**
 * Events of the lifecycle of a job.
 *
 * - `placed`: the plan gave it a node. `returned`: nothing of the attempt ran; the job waits in the queue for another.
 * - `started`: its command runs. `exited`: its command ended by itself with this code.
 * - `failed`: the attempt could not start, or was killed. `lost`: it disappeared without an exit code.
 * - `cancelRequested`, `timeLimitReached`: the platform stops it. `cancelled`, `timedOut`: it ended because of that.
 * - `held`, `released`: its owner or a policy puts it on hold, or releases it.
 * - `renewed`: its time limit restarts. `removed`: its owner deleted it on the skaha wire. Neither changes the state.
 */
export type LifecycleEvent =
  | { readonly type: 'exited'; readonly exitCode: number }
  | {
      readonly type:
        | 'held'
        | 'released'
        | 'placed'
        | 'returned'
        | 'started'
        | 'failed'
        | 'lost'
        | 'cancelRequested'
        | 'timeLimitReached'
        | 'cancelled'
        | 'timedOut'
        | 'renewed'
        | 'removed'
    }

type Row = Partial<Record<LifecycleEvent['type'], JobState | 'by exit code'>>

/** The whole lifecycle: an event without a row is illegal. `docs/job-states.md` draws it; a test compares the two. */
export const transitions = {
  held: { released: 'queued', cancelRequested: 'cancelled' },
  queued: { held: 'held', placed: 'starting', cancelRequested: 'cancelled' },
  starting: {
    started: 'running',
    returned: 'queued',
    exited: 'by exit code',
    failed: 'failed',
    lost: 'failed',
    cancelRequested: 'stopping',
    timeLimitReached: 'stopping',
  },
  running: {
    exited: 'by exit code',
    failed: 'failed',
    lost: 'failed',
    cancelRequested: 'stopping',
    timeLimitReached: 'stopping',
    renewed: 'running',
  },
  stopping: { cancelled: 'cancelled', timedOut: 'failed', removed: 'stopping' },
  succeeded: { removed: 'succeeded' },
  failed: { removed: 'failed' },
  cancelled: { removed: 'cancelled' },
} as const satisfies Record<JobState, Row>

/** The kind of an event in the change log: its name in kebab-case. */
export const changeKindOf = (event: LifecycleEvent['type']): JobChangeKind =>
  event.replaceAll(/[A-Z]/g, (letter) => `-${letter.toLowerCase()}`) as JobChangeKind

/** Thrown for an event that is illegal in the state of the job. */
export class IllegalTransition extends Error {
  override readonly name = 'IllegalTransition'
  readonly from: JobState
  readonly event: LifecycleEvent['type']

  constructor(from: JobState, event: LifecycleEvent['type']) {
    super(`A job that is ${from} cannot be ${event}.`)
    this.from = from
    this.event = event
  }
}

/** Whether the event is legal in this state. */
export const mayHappen = (from: JobState, event: LifecycleEvent['type']): boolean =>
  (transitions[from] as Row)[event] !== undefined

/** The state after an event. Pure. @throws {IllegalTransition} where the table has no row for it. */
export function nextState(from: JobState, event: LifecycleEvent): JobState {
  const to = (transitions[from] as Row)[event.type]
  if (to === undefined) throw new IllegalTransition(from, event.type)
  if (to !== 'by exit code') return to
  return event.type === 'exited' && event.exitCode === 0 ? 'succeeded' : 'failed'
}

/** The states in which an attempt holds its resources on a node. */
export const activeStates = ['starting', 'running', 'stopping'] as const satisfies readonly JobState[]
