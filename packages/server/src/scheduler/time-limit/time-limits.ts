import type { WarningSignal } from '@science-platform/contract'
import type { Executor } from '../../executor/executor.ts'
import { attemptId, type StoredJob } from '../../job/job.ts'
import type { Clock } from '../../lib/clock.ts'
import type { JobStep, Store } from '../../store/store.ts'
import type { JobCache } from '../cache/job-cache.ts'
import { Deadlines } from './deadlines.ts'
import { warningReasons, warningsOf, type Warning } from './warnings.ts'

/** What {@link TimeLimits} works with. */
export interface TimeLimitsParts {
  readonly jobs: Pick<JobCache, 'active'>
  readonly store: Pick<Store, 'events' | 'addEvents'>
  readonly executor: Pick<Executor, 'signal'>
  readonly clock: Clock
}

/** The time limits of running jobs: warns jobs before theirs, and says which to end. */
export class TimeLimits {
  readonly #parts: TimeLimitsParts
  readonly #deadlines = new Deadlines()
  /** Warnings already sent, by attempt and reason. */
  readonly #warned = new Set<string>()
  #dueAt = 0

  constructor(parts: TimeLimitsParts) {
    this.#parts = parts
  }

  /** The earliest instant at which a running job must be warned or ended. */
  get dueAt(): number {
    return this.#dueAt
  }

  /** These jobs have changed: one of them may be due earlier than the others. */
  note(jobs: Iterable<StoredJob>): void {
    this.#dueAt = Math.min(this.#dueAt, this.#firstDue(jobs))
  }

  /** Finds the instant afresh. Call it after the jobs that were due have been warned and ended. */
  renew(): void {
    this.#dueAt = this.#firstDue(this.#parts.jobs.active())
  }

  /** Warns jobs whose time is nearly over. The event is stored before the signal is sent: a signal is never sent twice. */
  async warn(): Promise<void> {
    const { jobs, store } = this.#parts
    const now = this.#now()
    for (const job of jobs.active()) {
      for (const { at, reason, message } of this.#warningsOf(job)) {
        const key = warningKey(attemptId(job.id, job.attempt), reason)
        if (at > now || this.#warned.has(key)) continue
        const { startedAt = 0 } = job
        const before = await store.events(job.id)
        const isTold = before.some((event) => event.reason === reason && event.at >= startedAt)
        if (!isTold) await store.addEvents([{ jobId: job.id, at: now, type: 'Warning', reason, message }])
        this.#warned.add(key)
        if (!isTold && reason === 'WarningSignal' && job.signal !== undefined)
          await this.#sendWarning(job, job.signal.name)
      }
    }
  }

  /** Steps that end the jobs whose time limit has passed. */
  overdue(): JobStep[] {
    const at = this.#now()
    return [...this.#parts.jobs.active()]
      .filter((job) => (this.#deadlineOf(job) ?? Infinity) <= at)
      .map((job) => ({
        jobId: job.id,
        at,
        from: 'running',
        event: { type: 'timeLimitReached' },
        fields: { stopReason: 'time-limit' },
        events: [
          {
            jobId: job.id,
            at,
            type: 'Warning',
            reason: 'TimeLimit',
            message: `It ran for its ${job.timeSeconds} seconds and is ended.`,
          },
        ],
      }))
  }

  /** Removes an ended attempt. */
  forget(id: string): void {
    this.#deadlines.forget(id)
    for (const reason of warningReasons) this.#warned.delete(warningKey(id, reason))
  }

  async #sendWarning(job: StoredJob, signal: WarningSignal): Promise<void> {
    const { executor, store } = this.#parts
    const outcome = await executor.signal?.(attemptId(job.id, job.attempt), signal)
    if (outcome !== 'not-handled') return
    const message = `SIG${signal} was not sent: no process of the job has a handler for it, and a process without one would die of it.`
    await store.addEvents([
      { jobId: job.id, at: this.#now(), type: 'Warning', reason: 'WarningSignalNotSent', message },
    ])
  }

  #deadlineOf(job: StoredJob): number | undefined {
    return this.#deadlines.of(job, this.#now(), this.#parts.clock.elapsed())
  }

  #warningsOf(job: StoredJob): readonly Warning[] {
    const deadlineAt = this.#deadlineOf(job)
    return deadlineAt === undefined ? [] : warningsOf({ ...job, deadlineAt })
  }

  /** The earliest warning or deadline among these jobs; Infinity where there is none. */
  #firstDue(jobs: Iterable<StoredJob>): number {
    let first = Infinity
    for (const job of jobs) {
      const deadlineAt = this.#deadlineOf(job)
      if (deadlineAt === undefined) continue
      first = Math.min(first, deadlineAt)
      for (const { at, reason } of this.#warningsOf(job))
        if (!this.#warned.has(warningKey(attemptId(job.id, job.attempt), reason))) first = Math.min(first, at)
    }
    return first
  }

  #now(): number {
    return this.#parts.clock.now()
  }
}

const warningKey = (attempt: string, reason: string): string => `${attempt} ${reason}`
