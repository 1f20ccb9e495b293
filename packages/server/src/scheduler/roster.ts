import { isEnded } from '@science-platform/contract'
import type { StoredAttempt, StoredJob } from '../job/job.ts'
import { activeStates } from '../job/lifecycle.ts'

/** The jobs that have not ended, as the store has them, kept in memory so that a decision reads no database. */
export class Roster {
  readonly #queued = new Map<string, StoredJob>()
  readonly #active = new Map<string, StoredJob>()
  readonly #attempts = new Map<string, StoredAttempt>()
  #inOrder = true
  /** Place in the queue by job, made when asked for after the queue has changed. */
  #places: ReadonlyMap<string, number> | undefined
  #lastSeq = 0

  /** These jobs are now as they are here. */
  learn(jobs: readonly StoredJob[]): void {
    this.#places = undefined
    for (const job of jobs) {
      if (job.state !== 'queued') this.#queued.delete(job.id)
      if ((activeStates as readonly string[]).includes(job.state)) this.#active.set(job.id, job)
      else this.#active.delete(job.id)
      if (isEnded(job.state)) this.#attempts.delete(job.id)
      if (job.state === 'queued') {
        if (!this.#queued.has(job.id) && job.seq < this.#lastSeq) this.#inOrder = false
        this.#lastSeq = Math.max(this.#lastSeq, job.seq)
        this.#queued.set(job.id, job)
      }
    }
  }

  /** The latest attempts of active jobs. */
  learnAttempts(attempts: readonly StoredAttempt[]): void {
    for (const attempt of attempts) this.#attempts.set(attempt.jobId, attempt)
  }

  /** Jobs that wait, in order of submission. */
  queued(): Iterable<StoredJob> {
    if (!this.#inOrder) {
      const sorted = [...this.#queued.values()].toSorted((a, b) => a.seq - b.seq)
      this.#queued.clear()
      for (const job of sorted) this.#queued.set(job.id, job)
      this.#inOrder = true
    }
    return this.#queued.values()
  }

  /** How many jobs wait before this one. */
  ahead(job: StoredJob): number {
    this.#places ??= new Map(Iterator.from(this.queued()).map(({ id }, place) => [id, place] as const))
    return this.#places.get(job.id) ?? 0
  }

  /** Jobs that hold resources. */
  active(): Iterable<StoredJob> {
    return this.#active.values()
  }

  /** The latest attempt of an active job. */
  attempt(job: StoredJob): StoredAttempt {
    const attempt = this.#attempts.get(job.id)
    if (attempt === undefined) throw new Error(`Job ${job.id} is ${job.state} without an attempt.`)
    return attempt
  }
}
