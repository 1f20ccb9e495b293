import { attemptId, type StoredJob } from '../job/job.ts'

/** Less is no step of the clock, but how clocks go. */
const toleranceMs = 5_000

interface Seen {
  readonly deadlineAt: number
  readonly leftMs: number
  readonly elapsed: number
}

/**
 * When the time of running jobs is over. A clock that is set forward, or a machine that slept, takes nothing of it: since this
 * process first saw a job run, its time also has to pass by a clock that nobody sets.
 */
export class Deadlines {
  readonly #seen = new Map<string, Seen>()

  /**
   * The instant by the clock as it goes now; undefined where the job has no deadline or does not run.
   * @param elapsed - Milliseconds by a clock that nobody sets.
   */
  of(
    job: Pick<StoredJob, 'id' | 'attempt' | 'state' | 'deadlineAt'>,
    now: number,
    elapsed: number,
  ): number | undefined {
    const { state, deadlineAt } = job
    if (state !== 'running' || deadlineAt === undefined) return undefined
    const key = attemptId(job.id, job.attempt)
    let seen = this.#seen.get(key)
    if (seen?.deadlineAt !== deadlineAt) {
      seen = { deadlineAt, leftMs: deadlineAt - now, elapsed }
      this.#seen.set(key, seen)
    }
    const owed = now + seen.leftMs - (elapsed - seen.elapsed)
    return owed > deadlineAt + toleranceMs ? owed : deadlineAt
  }

  /** The attempt is over. */
  forget(id: string): void {
    this.#seen.delete(id)
  }
}
