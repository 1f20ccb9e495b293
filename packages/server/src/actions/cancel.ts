import { isEnded } from '@science-platform/contract'
import type { Caller } from '../access/authenticate.ts'
import type { StoredJob } from '../job/job.ts'
import { mayHappen, nextState } from '../job/lifecycle.ts'
import type { JobStep, Store } from '../store/store.ts'

/** Cancels a job. Returns the job before and after. */
export type Cancel = (
  job: StoredJob,
  caller: Caller,
) => Promise<{ readonly before: StoredJob; readonly job: StoredJob }>

/** Dependencies of {@link canceller}. */
export interface CancelDependencies {
  readonly store: Pick<Store, 'step' | 'job'>
  /** Milliseconds since the epoch. */
  readonly now: () => number
}

/** The single implementation of cancel, for every API. A job that has ended or is stopping stays unchanged. */
export function canceller({ store, now }: CancelDependencies): Cancel {
  return (found, caller) => cancelJob({ store, now }, found, actorText(found, caller))
}

/** Cancels a job in the state that it has by then. Returns the job before and after. `who` names the actor for the owner. */
export async function cancelJob({ store, now }: CancelDependencies, found: StoredJob, who: string): ReturnType<Cancel> {
  let before = found
  // The step fails when the job changed state after the read. That happens only a few times before the job ends.
  for (;;) {
    const step = cancelStep(before, who, now())
    if (step === undefined) return { before, job: before }
    const [taken] = await store.step([step])
    if (taken !== undefined) return { before, job: taken.job }
    const current = await store.job(before.id)
    if (current === undefined) return { before, job: before }
    before = current
  }
}

/** Who cancels a job, as its owner reads it. Pure. */
export const actorText = (job: Pick<StoredJob, 'owner'>, { account: { name } }: Caller): string =>
  name === job.owner ? 'its owner' : `the administrator ${name}`

/** The step that cancels a job; `who` names the actor for the owner. Undefined where the job has ended or is stopping. Pure. */
export function cancelStep(job: Pick<StoredJob, 'id' | 'state'>, who: string, now: number): JobStep | undefined {
  if (!mayHappen(job.state, 'cancelRequested')) return undefined
  const endsNow = isEnded(nextState(job.state, { type: 'cancelRequested' }))
  return {
    jobId: job.id,
    at: now,
    from: job.state,
    event: { type: 'cancelRequested' },
    fields: {
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
