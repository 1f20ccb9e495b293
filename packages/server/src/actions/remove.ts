import { isEnded } from '@science-platform/contract'
import type { Caller } from '../access/authenticate.ts'
import type { StoredJob } from '../job/job.ts'
import type { JobStep, Store } from '../store/store.ts'
import type { Cancel } from './cancel.ts'

/** What {@link remover} is built from. */
export interface RemoveDependencies {
  readonly store: Pick<Store, 'step' | 'job'>
  readonly cancel: Cancel
  /** Milliseconds since the epoch. */
  readonly now: () => number
}

/** Ends a job and takes it off the skaha wire (wire contract 2). It stays in the history. */
export type Remove = (job: StoredJob, caller: Caller) => Promise<void>

/** The one way to remove, whichever API it comes through. A job that is cancelled by it is gone from the wire with that. */
export function remover({ store, cancel, now }: RemoveDependencies): Remove {
  return async (found, caller) => {
    const { before, job } = await cancel(found, caller)
    const endsAnyway = job.state === 'stopping' && job.stopReason !== 'cancelled'
    if (!isEnded(before.state) && !endsAnyway) return
    for (
      let current: StoredJob | undefined = job;
      current?.removedAt === undefined;
      current = await store.job(job.id)
    ) {
      if (current === undefined) return
      if ((await store.step([removeStep(current, now())])).length > 0) return
    }
  }
}

/** Pure. */
const removeStep = (job: StoredJob, now: number): JobStep => ({
  jobId: job.id,
  at: now,
  from: job.state,
  event: { type: 'removed' },
  change: { removedAt: now },
})
