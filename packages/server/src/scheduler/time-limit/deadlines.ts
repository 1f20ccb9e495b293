import { attemptId, type StoredJob } from '../../job/job.ts'

/** Smaller differences are clock drift, not a clock step: the announced deadline stays. */
const toleranceMs = 5_000

interface Seen {
  readonly deadlineAt: number
  readonly leftMs: number
  readonly elapsed: number
}

/**
 * Deadlines of running jobs, independent of clock steps. A clock set forward or a suspended machine shortens no job, and a
 * clock set back extends none. From the moment this process first observes a running job, a monotonic clock measures its time.
 */
export class Deadlines {
  readonly #seen = new Map<string, Seen>()

  /**
   * The deadline on the current clock; undefined where the job has no deadline or does not run.
   * @param elapsed - Milliseconds of a monotonic clock.
   */
  of(
    job: Pick<StoredJob, 'id' | 'attempt' | 'state' | 'deadlineAt' | 'timeSeconds'>,
    now: number,
    elapsed: number,
  ): number | undefined {
    const { state, deadlineAt } = job
    if (state !== 'running' || deadlineAt === undefined) return undefined
    const key = attemptId(job.id, job.attempt)
    let seen = this.#seen.get(key)
    if (seen?.deadlineAt !== deadlineAt) {
      // The clock may have been set back before this process observed the job: the rest is at most the full time limit.
      seen = { deadlineAt, leftMs: Math.min(deadlineAt - now, job.timeSeconds * 1000), elapsed }
      this.#seen.set(key, seen)
    }
    const owed = now + seen.leftMs - (elapsed - seen.elapsed)
    return Math.abs(owed - deadlineAt) > toleranceMs ? owed : deadlineAt
  }

  /** Removes an ended attempt. */
  forget(id: string): void {
    this.#seen.delete(id)
  }
}
