import { isEnded, type JobState } from '@science-platform/contract'
import type { StoredJob } from '../job/job.ts'
import type { StoredChange } from '../store/change.ts'
import type { ChangeLog } from '../store/change-log.ts'
import type { Store } from '../store/store.ts'

/** A job, or a task of an array, that is watched. */
type Watched = Pick<StoredJob, 'id' | 'arrayId'>

/**
 * Wakes those who wait for jobs: one reader of the change log for all of them, so that ten thousand waiting clients cost one
 * query a commit together.
 */
export class JobWatch {
  readonly #watchers = new Map<string, Set<(change: StoredChange) => void>>()
  readonly #stop: () => void

  constructor(log: Pick<ChangeLog, 'follow'>) {
    this.#stop = log.follow((changes) => {
      for (const change of changes) for (const call of this.#watchers.get(change.subject) ?? []) call(change)
    })
  }

  /** Calls `call` with each change of a job from now on. Returns how to stop it. */
  watch({ id, arrayId }: Watched, call: (change: StoredChange) => void): () => void {
    const keys = arrayId === undefined ? [id] : [id, arrayId]
    for (const key of keys) {
      const watchers = this.#watchers.get(key) ?? new Set()
      this.#watchers.set(key, watchers.add(call))
    }
    return () => {
      for (const key of keys) {
        const watchers = this.#watchers.get(key)
        watchers?.delete(call)
        if (watchers?.size === 0) this.#watchers.delete(key)
      }
    }
  }

  /** How many keys are watched: a leak would show here. */
  get size(): number {
    return this.#watchers.size
  }

  /** Wakes no more. */
  close(): void {
    this.#stop()
  }
}

/**
 * A job now and each time that its state changed, read from the store, until the signal. Ends where the job is deleted. The
 * same form may come twice.
 */
export async function* formsOf(
  { store, watch }: { readonly store: Pick<Store, 'job'>; readonly watch: Pick<JobWatch, 'watch'> },
  job: Watched,
  signal: AbortSignal,
): AsyncGenerator<StoredJob> {
  while (!signal.aborted) {
    const { promise, resolve } = Promise.withResolvers<void>()
    const leave = (): void => {
      resolve()
    }
    // Watched before it is read: what happens in between is not missed.
    const unwatch = watch.watch(job, ({ kind, to }) => {
      if (to !== undefined || kind === 'deleted') resolve()
    })
    signal.addEventListener('abort', leave, { once: true })
    try {
      const form = await store.job(job.id)
      if (form === undefined) return
      yield form
      if (isEnded(form.state)) return
      await promise
    } finally {
      unwatch()
      signal.removeEventListener('abort', leave)
    }
  }
}

/** The state that a change left its job in, where that is an end. */
export const endOf = ({ to }: StoredChange): JobState | undefined => (to !== undefined && isEnded(to) ? to : undefined)
