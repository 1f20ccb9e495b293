import { isEnded } from '@science-platform/contract'
import type { Caller } from '../access/authenticate.ts'
import type { StoredJob } from '../job/job.ts'
import type { JobStep, Store } from '../store/store.ts'
import type { Cancel } from './cancel.ts'

/** Dependencies of {@link remover}. */
export interface RemoveDependencies {
  readonly store: Pick<Store, 'step' | 'job'>
  readonly cancel: Cancel
  /** Milliseconds since the epoch. */
  readonly now: () => number
}

/** Ends a job and hides it on the skaha wire (wire contract 2). It stays in the history. */
export type Remove = (job: StoredJob, caller: Caller) => Promise<void>

/** The single implementation of remove, for every API. For an active job, one step cancels and hides it. */
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

/** The step that hides an ended job. Pure. */
const removeStep = (job: StoredJob, now: number): JobStep => ({
  jobId: job.id,
  at: now,
  from: job.state,
  event: { type: 'removed' },
  fields: { removedAt: now },
})
