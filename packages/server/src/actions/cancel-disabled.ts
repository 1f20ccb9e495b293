import type { Logger } from 'pino'
import type { StoredChange } from '../store/change.ts'
import type { ChangeLog } from '../store/change-log.ts'
import type { Store } from '../store/store.ts'
import { cancelMatching } from './cancel-jobs.ts'

/** Milliseconds before a failed run is retried. */
const retryMs = 2_000

/** Cancels the jobs of users who were disabled with that option. */
export interface CancelDisabled {
  /** Cancels all such jobs that exist now. */
  now(): Promise<void>
  close(): Promise<void>
}

/** Dependencies of {@link startCancellingDisabled}. */
export interface CancelDisabledDependencies {
  readonly store: Pick<Store, 'usersToCancel' | 'notEndedOf' | 'job' | 'step'>
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
    for (const owner of users)
      await cancelMatching({ store, now }, { owner }, 'the platform, since its owner was disabled,')
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
