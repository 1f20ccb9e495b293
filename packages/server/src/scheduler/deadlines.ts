import { attemptId, type StoredJob } from '../job/job.ts'

/** Less is no step of the clock, but how clocks go: what was told as the deadline stays that. */
const toleranceMs = 5_000

interface Seen {
  readonly deadlineAt: number
  readonly leftMs: number
  readonly elapsed: number
}

/**
 * When the time of running jobs is over. A clock that is set forward, or a machine that slept, takes nothing of it, and one
 * that is set back adds nothing: since this process first saw a job run, its time passes by a clock that nobody sets.
 */
export class Deadlines {
  readonly #seen = new Map<string, Seen>()

  /**
   * The instant by the clock as it goes now; undefined where the job has no deadline or does not run.
   * @param elapsed - Milliseconds by a clock that nobody sets.
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
      // Where the clock was set back before this process saw it, no more is left than all of its time.
      seen = { deadlineAt, leftMs: Math.min(deadlineAt - now, job.timeSeconds * 1000), elapsed }
      this.#seen.set(key, seen)
    }
    const owed = now + seen.leftMs - (elapsed - seen.elapsed)
    return Math.abs(owed - deadlineAt) > toleranceMs ? owed : deadlineAt
  }

  /** The attempt is over. */
  forget(id: string): void {
    this.#seen.delete(id)
  }
}
