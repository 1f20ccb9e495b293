import { EventEmitter } from 'node:events'
import type { StoredJob } from './job.ts'

/** Tells those who wait for a job that it changed. A hint: who was told reads the store. */
export class JobChanges {
  readonly #emitter = new EventEmitter().setMaxListeners(0)

  /** These jobs were written as they are here. */
  announce(jobs: readonly StoredJob[]): void {
    for (const job of jobs) this.#emitter.emit(job.id, job)
  }

  /** Calls `listener` with each new form of the job until the returned function is called. */
  watch(jobId: string, listener: (job: StoredJob) => void): () => void {
    this.#emitter.on(jobId, listener)
    return () => this.#emitter.off(jobId, listener)
  }
}
