import { isEnded } from '@science-platform/contract'
import type { StoredAttempt, StoredJob } from '../job/job.ts'
import { activeStates } from '../job/lifecycle.ts'

/** The jobs that have not ended, as the store has them, kept in memory so that a decision reads no database. */
export class Roster {
  readonly #queued = new Map<string, StoredJob>()
  readonly #active = new Map<string, StoredJob>()
  readonly #attempts = new Map<string, StoredAttempt>()
  #inOrder = true
  #lastSeq = 0

  /** These jobs are now as they are here. */
  learn(jobs: readonly StoredJob[]): void {
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

  get queueLength(): number {
    return this.#queued.size
  }

  /** How many jobs wait before this one. */
  ahead(job: StoredJob): number {
    let count = 0
    for (const other of this.#queued.values()) if (other.seq < job.seq) count++
    return count
  }

  /** Jobs that hold resources. */
  active(): Iterable<StoredJob> {
    return this.#active.values()
  }

  activeJob(id: string): StoredJob | undefined {
    return this.#active.get(id)
  }

  /** The latest attempt of an active job. */
  attempt(job: StoredJob): StoredAttempt {
    const attempt = this.#attempts.get(job.id)
    if (attempt === undefined) throw new Error(`Job ${job.id} is ${job.state} without an attempt.`)
    return attempt
  }
}
