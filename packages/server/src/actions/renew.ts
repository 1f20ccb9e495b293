import type { StoredJob } from '../job/job.ts'
import type { JobStep, Store } from '../store/store.ts'

/** Dependencies of {@link renewer}. */
export interface RenewDependencies {
  readonly store: Pick<Store, 'step' | 'job'>
  /** Milliseconds since the epoch. */
  readonly now: () => number
}

/** Restarts the time limit of a running job. False where the job does not run. A starting job still has its full time. */
export type Renew = (job: StoredJob) => Promise<boolean>

/** The single implementation of renew, for every API. */
export function renewer({ store, now }: RenewDependencies): Renew {
  return async (found) => {
    for (let job: StoredJob | undefined = found; job !== undefined; job = await store.job(job.id)) {
      if (job.state === 'starting') return true
      if (job.state !== 'running') return false
      const step = renewStep(job, now())
      if (step === undefined) return true
      const [taken] = await store.step([step])
      if (taken !== undefined) return true
      // The job changed state after the read. That happens only a few times before it ends.
    }
    return false
  }
}

/** The step that restarts the time of a running job; undefined where the job already has more time left. Pure. */
function renewStep(job: StoredJob, now: number): JobStep | undefined {
  const deadlineAt = now + job.timeSeconds * 1000
  if (job.deadlineAt !== undefined && job.deadlineAt >= deadlineAt) return undefined
  return {
    jobId: job.id,
    at: now,
    from: 'running',
    event: { type: 'renewed' },
    fields: { deadlineAt },
    events: [
      {
        jobId: job.id,
        at: now,
        type: 'Normal',
        reason: 'Renewed',
        message: `Its ${job.timeSeconds} seconds begin anew: it may run until ${new Date(deadlineAt).toISOString()}.`,
      },
    ],
  }
}
