/**
 * The states of a job. `docs/job-states.md` draws them; the server's `job/lifecycle.ts` says what leads from one to the next.
 *
 * - `queued`: accepted and durable, waiting for its turn.
 * - `held`: accepted, but its owner or a policy asked it to wait.
 * - `starting`: placed on a node; its image is being fetched or its container made.
 * - `running`: its command has been started.
 * - `stopping`: it was asked to end (cancelled, or over its time) and has not ended yet.
 * - `succeeded`: its command exited with 0.
 * - `failed`: its command exited with another code, was killed, or could not be started. The cause says which.
 * - `cancelled`: its owner ended it.
 */
export const jobStates = [
  'held',
  'queued',
  'starting',
  'running',
  'stopping',
  'succeeded',
  'failed',
  'cancelled',
] as const
export type JobState = (typeof jobStates)[number]

/** The states that no event leads out of. */
export const endedStates = ['succeeded', 'failed', 'cancelled'] as const satisfies readonly JobState[]

/** Whether a job in this state will never change state again. */
export const isEnded = (state: JobState): boolean => (endedStates as readonly JobState[]).includes(state)
