import { jobStates, isEnded } from '@science-platform/contract'
import type { Logger } from 'pino'
import { mayHappen } from '../job/lifecycle.ts'
import type { Store } from '../store/store.ts'
import { cancelStep } from './cancel.ts'

/** How often the store is asked, for what an administrative command wrote into it. */
const restMs = 2_000

/** Jobs that are cancelled in one transaction. */
const atOnce = 500

const cancellable = jobStates.filter((state) => !isEnded(state) && mayHappen(state, 'cancelRequested'))

/** Ends the jobs of users who were disabled so. */
export interface CancelDisabled {
  /** Asks every such job to end that there is now. */
  now(): Promise<void>
  close(): Promise<void>
}

/**
 * Sees to it that users who were disabled with their jobs have none that run or wait, for as long as they are: also of a
 * submission that was under way when they were disabled, and when the server was killed half-way through.
 */
export function startCancellingDisabled(
  store: Pick<Store, 'usersToCancel' | 'jobs' | 'step'>,
  log: Pick<Logger, 'error'>,
  now: () => number = Date.now,
): CancelDisabled {
  async function cancelAll(): Promise<void> {
    for (const owner of await store.usersToCancel()) {
      for (;;) {
        const jobs = await store.jobs({ owner, states: cancellable, sort: 'submitted', limit: atOnce })
        await store.step(
          jobs.flatMap((job) => cancelStep(job, 'the platform, since its owner was disabled,', now()) ?? []),
        )
        if (jobs.length < atOnce) break
      }
    }
  }

  let work = Promise.resolve()
  const next = (): Promise<void> => {
    const done = work.then(cancelAll)
    work = done.catch(() => undefined)
    return done
  }
  const timer = setInterval(() => {
    next().catch((error: unknown) => {
      log.error({ err: error }, 'the jobs of a disabled user could not be cancelled; it is tried again')
    })
  }, restMs)
  timer.unref()
  return {
    now: next,
    async close() {
      clearInterval(timer)
      await work
    },
  }
}
