import type { JobChangeKind, JobState } from '@science-platform/contract'

/**
 * What may happen to a job.
 *
 * - `placed`: the plan gave it a node. `returned`: nothing of the attempt ran, and the job waits in the queue for a later one.
 * - `started`: its command runs. `exited`: its command ended by itself with this code.
 * - `failed`: it could not be started, or was killed by other than its exit. `lost`: nobody knows what became of it.
 * - `cancelRequested`, `timeLimitReached`: it is asked to end. `cancelled`, `timedOut`: so it has.
 * - `held`, `released`: its owner or a policy asks it to wait, or lets it go on.
 * - `renewed`: its time begins anew. `removed`: its owner deleted it on the skaha wire. Neither changes the state.
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

/** The whole lifecycle. What is not in it cannot happen. `docs/job-states.md` draws it; a test holds the two together. */
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

/** What the change log calls an event: its name in kebab-case. */
export const changeKindOf = (event: LifecycleEvent['type']): JobChangeKind =>
  event.replaceAll(/[A-Z]/g, (letter) => `-${letter.toLowerCase()}`) as JobChangeKind

/** Thrown when an event meets a state that does not know it. */
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

/** Whether the event means something in this state. */
export const mayHappen = (from: JobState, event: LifecycleEvent['type']): boolean =>
  (transitions[from] as Row)[event] !== undefined

/** The state that follows. Pure. @throws {IllegalTransition} where the table has no such row. */
export function nextState(from: JobState, event: LifecycleEvent): JobState {
  const to = (transitions[from] as Row)[event.type]
  if (to === undefined) throw new IllegalTransition(from, event.type)
  if (to !== 'by exit code') return to
  return event.type === 'exited' && event.exitCode === 0 ? 'succeeded' : 'failed'
}

/** The states in which an attempt holds its resources on a node. */
export const activeStates = ['starting', 'running', 'stopping'] as const satisfies readonly JobState[]
