/**
 * The states of a job. `docs/job-states.md` draws them; the server's `job/lifecycle.ts` has the transitions.
 *
 * - `queued`: accepted and stored, waiting for capacity.
 * - `held`: accepted, and held by its owner or a policy.
 * - `starting`: placed on a node; its image is being fetched or its container created.
 * - `running`: its command has started.
 * - `stopping`: cancelled or over its time limit, and not ended yet.
 * - `succeeded`: its command exited with 0.
 * - `failed`: its command exited with another code, was killed, or could not be started. The cause says which.
 * - `cancelled`: its owner or an administrator cancelled it.
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

/** The final states: no event leads out of them. */
export const endedStates = ['succeeded', 'failed', 'cancelled'] as const satisfies readonly JobState[]

/** Whether a state is final. */
export const isEnded = (state: JobState): boolean => (endedStates as readonly JobState[]).includes(state)
