import { jobStates, isEnded } from '@science-platform/contract'
import type { Logger } from 'pino'
import { mayHappen } from '../job/lifecycle.ts'
import type { StoredChange } from '../store/change.ts'
import type { ChangeLog } from '../store/change-log.ts'
import type { Store } from '../store/store.ts'
import { cancelStep } from './cancel.ts'

/** Milliseconds before a failed run is retried. */
const retryMs = 2_000

/** Jobs cancelled per transaction. */
const atOnce = 500

const cancellable = jobStates.filter((state) => !isEnded(state) && mayHappen(state, 'cancelRequested'))

/** Cancels the jobs of users who were disabled with that option. */
export interface CancelDisabled {
  /** Cancels all such jobs that exist now. */
  now(): Promise<void>
  close(): Promise<void>
}

/** Dependencies of {@link startCancellingDisabled}. */
export interface CancelDisabledDependencies {
  readonly store: Pick<Store, 'usersToCancel' | 'jobs' | 'step'>
  readonly changes: Pick<ChangeLog, 'follow'>
  readonly log: Pick<Logger, 'error'>
  /** Milliseconds since the epoch. @defaultValue the system's clock */
  readonly now?: () => number
}

/**
 * Cancels the jobs of users who were disabled with that option. It runs at the start, when another process disables a user,
 * and when a submission of such a user is stored late.
 */
export function startCancellingDisabled({
  store,
  changes,
  log,
  now = Date.now,
}: CancelDisabledDependencies): CancelDisabled {
  let users: ReadonlySet<string> = new Set()
  let retry: NodeJS.Timeout | undefined
  let work = Promise.resolve()

  async function cancelAll(): Promise<void> {
    users = new Set(await store.usersToCancel())
    for (const owner of users) {
      for (;;) {
        const jobs = await store.jobs({ owner, states: cancellable, sort: 'submitted', limit: atOnce })
        await store.step(
          jobs.flatMap((job) => cancelStep(job, 'the platform, since its owner was disabled,', now()) ?? []),
        )
        if (jobs.length < atOnce) break
      }
    }
  }

  const next = (): Promise<void> => {
    const done = work.then(cancelAll)
    work = done.catch(() => undefined)
    return done
  }
  const inBackground = (): void => {
    next().catch((error: unknown) => {
      log.error({ err: error }, 'jobs of disabled users could not be cancelled, retrying')
      clearTimeout(retry)
      retry = setTimeout(inBackground, retryMs).unref()
    })
  }
  const concerns = ({ kind, owner = '' }: StoredChange): boolean =>
    kind === 'user-changed' || (kind === 'submitted' && users.has(owner))
  const stop = changes.follow((page) => {
    if (page.some(concerns)) inBackground()
  })
  inBackground()
  return {
    now: next,
    async close() {
      stop()
      clearTimeout(retry)
      await work
    },
  }
}
