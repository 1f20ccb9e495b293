import type { StoredAttempt, StoredJob } from '../../job/job.ts'
import { activeStates } from '../../job/lifecycle.ts'
import type { StoredHolder } from '../../store/store.ts'
import { jobFingerprint } from '../rules/job-fingerprint.ts'

/** Whether a job has an allocation: it starts, runs or stops. */
export const isActive = ({ state }: Pick<StoredJob, 'state'>): boolean =>
  (activeStates as readonly string[]).includes(state)

/** The jobs that have not ended, as the store has them, in memory: a scheduling cycle reads no database. */
export class JobCache {
  readonly #queued = new Map<string, StoredJob>()
  readonly #active = new Map<string, StoredJob>()
  readonly #attempts = new Map<string, StoredAttempt>()
  /** Number of queued jobs by quota holder. */
  readonly #queuedBy = new Map<string, number>()
  /** Ids of queued jobs by fingerprint. */
  readonly #byFingerprint = new Map<string, Set<string>>()

  /** Inserts or replaces a job; removes one that is neither queued nor active. */
  upsert(job: StoredJob): void {
    const before = this.#queued.get(job.id)
    if (before !== undefined) this.#count(before, -1)
    this.#queued.delete(job.id)
    this.#active.delete(job.id)
    if (isActive(job)) this.#active.set(job.id, job)
    else this.#attempts.delete(job.id)
    if (job.state === 'queued') {
      this.#queued.set(job.id, job)
      this.#count(job, 1)
    }
  }

  /** The latest attempt of an active job. */
  upsertAttempt(attempt: StoredAttempt): void {
    this.#attempts.set(attempt.jobId, attempt)
  }

  queued(): Iterable<StoredJob> {
    return this.#queued.values()
  }

  get queueLength(): number {
    return this.#queued.size
  }

  queuedJob(id: string): StoredJob | undefined {
    return this.#queued.get(id)
  }

  /** Number of queued jobs that a user submitted or a group is charged for. */
  queuedCount(kind: StoredHolder['kind'], name: string): number {
    return this.#queuedBy.get(`${kind} ${name}`) ?? 0
  }

  /** Queued jobs with a fingerprint. They may change while this is read. */
  *queuedLike(fingerprint: string): Generator<StoredJob, void> {
    for (const id of this.#byFingerprint.get(fingerprint) ?? []) {
      const job = this.#queued.get(id)
      if (job !== undefined) yield job
    }
  }

  activeJob(id: string): StoredJob | undefined {
    return this.#active.get(id)
  }

  active(): Iterable<StoredJob> {
    return this.#active.values()
  }

  get activeCount(): number {
    return this.#active.size
  }

  /** The latest attempt of an active job. */
  attempt(job: StoredJob): StoredAttempt {
    const attempt = this.#attempts.get(job.id)
    if (attempt === undefined) throw new Error(`Job ${job.id} is ${job.state} without an attempt.`)
    return attempt
  }

  /** Whether the latest attempt of an active job is known. */
  hasAttempt(jobId: string): boolean {
    return this.#attempts.has(jobId)
  }

  #count(job: StoredJob, change: 1 | -1): void {
    for (const key of [`user ${job.owner}`, ...(job.group === undefined ? [] : [`group ${job.group}`])]) {
      const count = (this.#queuedBy.get(key) ?? 0) + change
      if (count === 0) this.#queuedBy.delete(key)
      else this.#queuedBy.set(key, count)
    }
    const fingerprint = jobFingerprint(job)
    const ids = this.#byFingerprint.get(fingerprint) ?? new Set()
    if (change === 1) ids.add(job.id)
    else ids.delete(job.id)
    if (ids.size === 0) this.#byFingerprint.delete(fingerprint)
    else this.#byFingerprint.set(fingerprint, ids)
  }
}
