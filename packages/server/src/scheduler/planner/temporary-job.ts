import type { QueueState } from '../cache/queue-state.ts'
import type { QueuedJob } from '../cache/snapshot.ts'

/**
 * Runs a function on a state in which a waiting job is another. The job and all reservations are as before when it returns, and when
 * it throws.
 */
export function withTemporaryJob<T>(state: QueueState, job: QueuedJob, temporary: QueuedJob, run: () => T): T {
  const reservations = [...state.reservations.values()]
  try {
    state.apply({ type: 'queued', job: temporary })
    return run()
  } finally {
    state.apply({ type: 'queued', job })
    state.reservations.clear()
    for (const reservation of reservations) state.reservations.set(reservation.jobId, reservation)
  }
}
