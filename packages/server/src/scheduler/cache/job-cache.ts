import { isEnded } from '@science-platform/contract'
import type { StoredAttempt, StoredJob } from '../../job/job.ts'
import { activeStates } from '../../job/lifecycle.ts'
import type { StoredHolder } from '../../store/store.ts'
import { alike } from '../rules/job-fingerprint.ts'

const isActive = ({ state }: StoredJob): boolean => (activeStates as readonly string[]).includes(state)

/** The jobs that have not ended, as the store has them, kept in memory so that a decision reads no database. */
export class JobCache {
  readonly #queued = new Map<string, StoredJob>()
  readonly #active = new Map<string, StoredJob>()
  readonly #attempts = new Map<string, StoredAttempt>()
  /** How many jobs of a user or group wait. */
  readonly #waiting = new Map<string, number>()
  /** Ids of jobs that wait, by what makes them alike. */
  readonly #alike = new Map<string, Set<string>>()

  /** The job is now as it is here. */
  learn(job: StoredJob): void {
    const before = this.#queued.get(job.id)
    if (before !== undefined) this.#count(before, -1)
    this.#queued.delete(job.id)
    this.#active.delete(job.id)
    if (isEnded(job.state)) this.#attempts.delete(job.id)
    if (isActive(job)) this.#active.set(job.id, job)
    if (job.state === 'queued') {
      this.#queued.set(job.id, job)
      this.#count(job, 1)
    }
  }

  /** The latest attempt of an active job. */
  learnAttempt(attempt: StoredAttempt): void {
    this.#attempts.set(attempt.jobId, attempt)
  }

  /** Jobs that wait. */
  queued(): Iterable<StoredJob> {
    return this.#queued.values()
  }

  /** How many wait. */
  get queueLength(): number {
    return this.#queued.size
  }

  /** A job that waits. */
  queuedJob(id: string): StoredJob | undefined {
    return this.#queued.get(id)
  }

  /** How many jobs wait that a user submitted or a group is charged for. */
  waiting(kind: StoredHolder['kind'], name: string): number {
    return this.#waiting.get(`${kind} ${name}`) ?? 0
  }

  /** Jobs that wait and are like this one. */
  alike(job: StoredJob): StoredJob[] {
    return [...(this.#alike.get(alike(job)) ?? [])].flatMap((id) => this.#queued.get(id) ?? [])
  }

  /** A job that holds resources. */
  activeJob(id: string): StoredJob | undefined {
    return this.#active.get(id)
  }

  /** Jobs that hold resources. */
  active(): Iterable<StoredJob> {
    return this.#active.values()
  }

  /** How many hold resources. */
  get activeCount(): number {
    return this.#active.size
  }

  /** The latest attempt of an active job. */
  attempt(job: StoredJob): StoredAttempt {
    const attempt = this.#attempts.get(job.id)
    if (attempt === undefined) throw new Error(`Job ${job.id} is ${job.state} without an attempt.`)
    return attempt
  }

  #count(job: StoredJob, change: 1 | -1): void {
    for (const key of [`user ${job.owner}`, ...(job.group === undefined ? [] : [`group ${job.group}`])]) {
      const count = (this.#waiting.get(key) ?? 0) + change
      if (count === 0) this.#waiting.delete(key)
      else this.#waiting.set(key, count)
    }
    const key = alike(job)
    const ids = this.#alike.get(key) ?? new Set()
    if (change === 1) ids.add(job.id)
    else ids.delete(job.id)
    if (ids.size === 0) this.#alike.delete(key)
    else this.#alike.set(key, ids)
  }
}
