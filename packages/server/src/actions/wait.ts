import { isEnded } from '@science-platform/contract'
import { setTimeout as pause } from 'node:timers/promises'
import type { StoredAttempt, StoredJob } from '../job/job.ts'
import type { Store } from '../store/store.ts'
import { endOf, type JobWatch } from './job-watch.ts'

/** Milliseconds after the first end in which further ends join its answer. */
const gatherMs = 50

/** Dependencies of {@link waitForAny}. */
export interface WaitDependencies {
  readonly store: Pick<Store, 'jobsById' | 'attempts'>
  readonly watch: Pick<JobWatch, 'watch'>
}

/** The result of a wait. */
export interface WaitOutcome {
  readonly ended: readonly { readonly job: StoredJob; readonly attempt: StoredAttempt | undefined }[]
  /** Ids that do not exist, or that the caller may not read. */
  readonly unknown: readonly string[]
}

/**
 * Waits until at least one of the jobs has ended, or the signal is aborted. Returns at once where a job has ended or is
 * unknown. The jobs are read once at the beginning and, where some ended, once at the end.
 */
export async function waitForAny(
  { store, watch }: WaitDependencies,
  ids: readonly string[],
  maySee: (job: StoredJob) => boolean,
  signal: AbortSignal,
): Promise<WaitOutcome> {
  const wanted = [...new Set(ids)]
  const ended = new Set<string>()
  const { promise, resolve } = Promise.withResolvers<void>()
  const leave = (): void => {
    resolve()
  }
  // Watched before the first read, so that no end is missed.
  const stops = wanted.map((id) =>
    watch.watch({ id }, (change) => {
      if (endOf(change) === undefined && change.kind !== 'deleted') return
      ended.add(id)
      resolve()
    }),
  )
  signal.addEventListener('abort', leave, { once: true })
  try {
    const jobs = (await store.jobsById(wanted)).filter(maySee)
    const seen = new Map(jobs.map((job) => [job.id, job]))
    const unknown = wanted.filter((id) => !seen.has(id))
    // When a whole array ends in one change, that change names only the array.
    for (const { id, arrayId } of jobs)
      if (arrayId !== undefined)
        stops.push(
          watch.watch({ id: arrayId }, (change) => {
            if (endOf(change) === undefined) return
            ended.add(id)
            resolve()
          }),
        )
    for (const { id, state } of jobs) if (isEnded(state)) ended.add(id)
    if (ended.size === 0 && unknown.length === 0 && !signal.aborted) {
      await promise
      if (!signal.aborted) await pause(gatherMs, undefined, { signal }).catch(() => undefined)
    }
    const over = await store.jobsById([...ended].filter((id) => seen.has(id)))
    const attempts = new Map(
      (await store.attempts(over.map(({ id }) => id))).map((attempt) => [attempt.jobId, attempt]),
    )
    return {
      ended: over.filter(({ state }) => isEnded(state)).map((job) => ({ job, attempt: attempts.get(job.id) })),
      unknown,
    }
  } finally {
    for (const stop of stops) stop()
    signal.removeEventListener('abort', leave)
  }
}
