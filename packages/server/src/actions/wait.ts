import { isEnded } from '@science-platform/contract'
import { setTimeout as pause } from 'node:timers/promises'
import type { StoredAttempt, StoredJob } from '../job/job.ts'
import type { StoredChange } from '../store/change.ts'
import type { Store } from '../store/store.ts'
import { endOf, type JobWatch } from './job-watch.ts'

/** Milliseconds after the first end in which further ends join its answer. */
const gatherMs = 50

/** Waits for up to so many jobs are registered by id, as ten thousand clients may wait for one job each. */
const fewJobs = 8

/** Dependencies of {@link waitForAny}. */
export interface WaitDependencies {
  readonly store: Pick<Store, 'glimpsesById' | 'jobsById' | 'attempts'>
  readonly watch: Pick<JobWatch, 'watch' | 'watchAny'>
}

/** The result of a wait. */
export interface WaitOutcome {
  readonly ended: readonly { readonly job: StoredJob; readonly attempt: StoredAttempt | undefined }[]
  /** Ids that do not exist, or that the caller may not read. */
  readonly unknown: readonly string[]
}

/**
 * Waits until at least one of the jobs has ended, or the signal is aborted. Returns at once where a job has ended or is
 * unknown. Owner and state of the jobs are read once at the beginning, and those that ended are read once at the end.
 */
export async function waitForAny(
  { store, watch }: WaitDependencies,
  ids: readonly string[],
  maySee: (job: Pick<StoredJob, 'owner'>) => boolean,
  signal: AbortSignal,
): Promise<WaitOutcome> {
  /** The ids, and the arrays of these jobs: when a whole array ends in one change, that change names only the array. */
  const subjects = new Set(ids)
  const wanted = subjects.size === ids.length ? ids : [...subjects]
  const ended = new Set<string>()
  const { promise, resolve } = Promise.withResolvers<void>()
  const leave = (): void => {
    resolve()
  }
  const tasksOf = new Map<string, string[]>()
  const call = (change: StoredChange): void => {
    if (endOf(change) === undefined && change.kind !== 'deleted') return
    for (const id of tasksOf.get(change.subject) ?? [change.subject]) ended.add(id)
    resolve()
  }
  // Watched before the first read, so that no end is missed.
  const stops =
    wanted.length > fewJobs ? [watch.watchAny(subjects, call)] : wanted.map((id) => watch.watch({ id }, call))
  signal.addEventListener('abort', leave, { once: true })
  try {
    const jobs = (await store.glimpsesById(wanted)).filter(maySee)
    const unknown = jobs.length === wanted.length ? [] : without(wanted, jobs)
    for (const { id, arrayId } of jobs) {
      if (arrayId === undefined) continue
      const tasks = tasksOf.get(arrayId)
      if (tasks !== undefined) tasks.push(id)
      else {
        tasksOf.set(arrayId, [id])
        subjects.add(arrayId)
        if (wanted.length <= fewJobs) stops.push(watch.watch({ id: arrayId }, call))
      }
    }
    for (const { id, state } of jobs) if (isEnded(state)) ended.add(id)
    if (ended.size === 0 && unknown.length === 0 && !signal.aborted) {
      await promise
      if (!signal.aborted) await pause(gatherMs, undefined, { signal }).catch(() => undefined)
    }
    const over = (await store.jobsById([...ended])).filter(maySee)
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

/** The ids of no given job. Pure. */
function without(ids: readonly string[], jobs: readonly Pick<StoredJob, 'id'>[]): string[] {
  const seen = new Set(jobs.map(({ id }) => id))
  return ids.filter((id) => !seen.has(id))
}
