import { isEnded } from '@science-platform/contract'
import type { Caller } from '../access/authenticate.ts'
import type { StoredJob } from '../job/job.ts'
import { mayHappen, nextState } from '../job/lifecycle.ts'
import type { JobStep, Store } from '../store/store.ts'

/** Asks for a job to be ended, and returns it as it was before and as it is now. */
export type Cancel = (
  job: StoredJob,
  caller: Caller,
) => Promise<{ readonly before: StoredJob; readonly job: StoredJob }>

/** What {@link canceller} is built from. */
export interface CancelDependencies {
  readonly store: Pick<Store, 'step' | 'job'>
  /** Milliseconds since the epoch. */
  readonly now: () => number
}

/** The one way to cancel, whichever API it comes through. A job that has ended, or is ending, is left as it is. */
export function canceller({ store, now }: CancelDependencies): Cancel {
  return async (found, caller) => {
    let before = found
    // A step is too late when the job moved on meanwhile. It can do so only a few times before it ends.
    for (;;) {
      const step = cancelStep(before, who(before, caller.account.name), now())
      if (step === undefined) return { before, job: before }
      const [taken] = await store.step([step])
      if (taken !== undefined) return { before, job: taken.job }
      const current = await store.job(before.id)
      if (current === undefined) return { before, job: before }
      before = current
    }
  }
}

const who = (job: StoredJob, by: string): string => (by === job.owner ? 'its owner' : `the administrator ${by}`)

/**
 * The step that cancels a job, by `who` in words for its owner; undefined where there is none to take: it has ended, or is
 * ending already. Pure.
 */
export function cancelStep(job: StoredJob, who: string, now: number): JobStep | undefined {
  if (!mayHappen(job.state, 'cancelRequested')) return undefined
  const endsNow = isEnded(nextState(job.state, { type: 'cancelRequested' }))
  return {
    jobId: job.id,
    at: now,
    from: job.state,
    event: { type: 'cancelRequested' },
    change: {
      stopReason: 'cancelled',
      cause: { code: 'cancelled', message: `It was cancelled by ${who}${endsNow ? ' before it started' : ''}.` },
      ...(endsNow ? { endedAt: now } : {}),
    },
    events: [
      {
        jobId: job.id,
        at: now,
        type: 'Normal',
        reason: endsNow ? 'Cancelled' : 'Stopping',
        message: endsNow ? `Cancelled by ${who} before it started.` : `Asked to end by ${who}.`,
      },
    ],
  }
}
