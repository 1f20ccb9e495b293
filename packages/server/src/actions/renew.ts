import type { StoredJob } from '../job/job.ts'
import type { JobStep, Store } from '../store/store.ts'

/** What {@link renewer} is built from. */
export interface RenewDependencies {
  readonly store: Pick<Store, 'step' | 'job'>
  /** Milliseconds since the epoch. */
  readonly now: () => number
}

/** Begins the time of a running job anew. False where it does not run; a job that starts has all of its time yet. */
export type Renew = (job: StoredJob) => Promise<boolean>

/** The one way to renew, whichever API it comes through. */
export function renewer({ store, now }: RenewDependencies): Renew {
  return async (found) => {
    for (let job: StoredJob | undefined = found; job !== undefined; job = await store.job(job.id)) {
      if (job.state === 'starting') return true
      if (job.state !== 'running') return false
      const step = renewStep(job, now())
      if (step === undefined) return true
      const [taken] = await store.step([step])
      if (taken !== undefined) return true
      // It moved on meanwhile; it can do so only a few times before it ends.
    }
    return false
  }
}

/** The step that begins a running job's time anew; undefined where it has more time left already. Pure. */
function renewStep(job: StoredJob, now: number): JobStep | undefined {
  const deadlineAt = now + job.timeSeconds * 1000
  if (job.deadlineAt !== undefined && job.deadlineAt >= deadlineAt) return undefined
  return {
    jobId: job.id,
    at: now,
    from: 'running',
    event: { type: 'renewed' },
    change: { deadlineAt },
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
