import { EventEmitter } from 'node:events'
import type { StoredJob } from './job.ts'

/** No job has this id. */
const allJobs = Symbol('all jobs')

/** Tells those who wait that jobs changed, after the change is durable. */
export class JobChanges {
  readonly #emitter = new EventEmitter().setMaxListeners(0)

  /** These jobs were written as they are here. */
  announce(jobs: readonly StoredJob[]): void {
    this.#emitter.emit(allJobs, jobs)
    for (const job of jobs) this.#emitter.emit(job.id, job)
  }

  /** Calls `listener` with every group of jobs that changed together. */
  watchAll(listener: (jobs: readonly StoredJob[]) => void): () => void {
    this.#emitter.on(allJobs, listener)
    return () => this.#emitter.off(allJobs, listener)
  }

  /** Calls `listener` with each new form of the job until the returned function is called. */
  watch(jobId: string, listener: (job: StoredJob) => void): () => void {
    this.#emitter.on(jobId, listener)
    return () => this.#emitter.off(jobId, listener)
  }
}
