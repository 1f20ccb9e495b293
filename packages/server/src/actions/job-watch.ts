import { isEnded, type JobState } from '@science-platform/contract'
import type { StoredJob } from '../job/job.ts'
import type { StoredChange } from '../store/change.ts'
import type { ChangeLog } from '../store/change-log.ts'
import type { Store } from '../store/store.ts'

/** A watched job, or a watched task of an array. */
type Watched = Pick<StoredJob, 'id' | 'arrayId'>

/** What one watcher of many jobs is called with. */
interface Group {
  readonly ids: ReadonlySet<string>
  readonly call: (change: StoredChange) => void
}

/**
 * Notifies watchers of jobs. All watchers share one reader of the change log: ten thousand waiting clients cost one query per
 * commit, and nothing while nothing changes.
 */
export class JobWatch {
  readonly #watchers = new Map<string, Set<(change: StoredChange) => void>>()
  readonly #groups = new Set<Group>()
  readonly #stop: () => void

  constructor(log: Pick<ChangeLog, 'follow'>) {
    this.#stop = log.follow((changes) => {
      for (const change of changes) {
        for (const call of this.#watchers.get(change.subject) ?? []) call(change)
        for (const { ids, call } of this.#groups) if (ids.has(change.subject)) call(change)
      }
    })
  }

  /** Calls `call` with each change of a job from now on. Returns a function that unsubscribes. */
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

  /**
   * Calls `call` with each change of any of these jobs and arrays from now on. Beginning and end cost the same for one id and for a
   * thousand; each change costs a look-up. Ids may be added to the set later. Returns a function that unsubscribes.
   */
  watchAny(ids: ReadonlySet<string>, call: (change: StoredChange) => void): () => void {
    const group = { ids, call }
    this.#groups.add(group)
    return () => this.#groups.delete(group)
  }

  /** The number of watched keys and groups, to detect leaks. */
  get size(): number {
    return this.#watchers.size + this.#groups.size
  }

  /** Stops all notifications. */
  close(): void {
    this.#stop()
  }
}

/**
 * Yields a job now and after each change of its state, read from the store, until the signal is aborted or the job is
 * deleted. The same state may come twice.
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
    // Watched before the first read, so that no change is missed.
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

/** The final state in a change; undefined where the change does not end the job. */
export const endOf = ({ to }: StoredChange): JobState | undefined => (to !== undefined && isEnded(to) ? to : undefined)
