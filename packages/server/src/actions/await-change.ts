import type { JobChanges } from '../job/changes.ts'
import type { StoredJob } from '../job/job.ts'
import type { Store } from '../store/store.ts'

/** Announcements are hints: after so long the store is read without one. */
const longestSilenceMs = 2_000

/**
 * A job now and each time that something may have changed, read from the store, until the signal. Ends too when there is
 * no such job any more. The same form may come twice.
 */
export async function* formsOf(
  { store, changes }: { readonly store: Pick<Store, 'job'>; readonly changes: Pick<JobChanges, 'watch'> },
  jobId: string,
  signal: AbortSignal,
): AsyncGenerator<StoredJob> {
  while (!signal.aborted) {
    const woken = Promise.withResolvers<void>()
    const wake = (): void => {
      woken.resolve()
    }
    // Watched before it is read, so that nothing that happens in between is missed.
    const unwatch = changes.watch(jobId, wake)
    const timer = setTimeout(wake, longestSilenceMs)
    signal.addEventListener('abort', wake, { once: true })
    try {
      const job = await store.job(jobId)
      if (job === undefined) return
      yield job
      await woken.promise
    } finally {
      unwatch()
      clearTimeout(timer)
      signal.removeEventListener('abort', wake)
    }
  }
}
