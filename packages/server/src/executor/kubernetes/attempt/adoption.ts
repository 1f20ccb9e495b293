import type { Ownership } from '../../executor.ts'
import type { ClusterCache } from '../cache/cluster-cache.ts'
import type { JobRecord } from '../cache/records.ts'
import type { AttemptObjects } from '../objects/attempt-objects.ts'
import { objectName } from '../objects/names.ts'
import type { AttemptFolders } from './attempt-folder.ts'
import { Attempt } from './attempt.ts'

/** Where attempts of earlier servers are found. */
export interface AdoptionSources {
  readonly cache: ClusterCache
  readonly folders: AttemptFolders
  readonly objects: AttemptObjects
  readonly instance: string
  readonly ownership: Ownership
}

/** The attempts of earlier servers. */
export interface Adopted {
  readonly attempts: readonly Attempt[]
  /** Those whose Job was suspended by hand after their pod had run. The suspension ended the pod. */
  readonly suspended: readonly Attempt[]
  /** Attempts with objects in the cluster that the database has no record of. Nothing of them was changed. */
  readonly unrecorded: readonly string[]
}

/**
 * Adopts the attempts that the database has a record of: those with a Job in the cluster, and those with a folder alone. Leaves all
 * others as they are.
 */
export async function adoptAttempts(sources: AdoptionSources): Promise<Adopted> {
  const { cache, folders, instance, ownership } = sources
  const inCluster = new Set([...cache.jobs.values(), ...cache.pods.values()].map(({ attemptId }) => attemptId))
  const withFolder = await folders.ids()
  const recorded = await ownership.recorded([...new Set([...inCluster, ...withFolder])])
  const attempts = new Map<string, Attempt>()
  const suspended: Attempt[] = []
  for (const job of cache.jobs.values()) {
    if (!recorded.has(job.attemptId)) continue
    const adopted = await adoptJob(job, sources)
    if (adopted === undefined) continue
    attempts.set(job.attemptId, adopted.attempt)
    if (adopted.isSuspended) suspended.push(adopted.attempt)
  }
  for (const id of withFolder) {
    if (attempts.has(id) || !recorded.has(id)) continue
    // Without a Job, the attempt was never created, or its objects were removed by hand.
    if (await folders.wasCreated(id)) attempts.set(id, Attempt.adopted(id, objectName(instance, id)))
    else await folders.remove(id)
  }
  const unrecorded = [...inCluster].filter((id) => !recorded.has(id))
  return { attempts: [...attempts.values()], suspended, unrecorded }
}

/** Adopts the attempt of a Job. Undefined where it never ran and only a new start can run it: then the Job is removed. */
export async function adoptJob(
  job: JobRecord,
  { cache, folders, objects }: Pick<AdoptionSources, 'cache' | 'folders' | 'objects'>,
): Promise<{ readonly attempt: Attempt; readonly isSuspended: boolean } | undefined> {
  const attempt = Attempt.adopted(job.attemptId, job.name)
  const isSuspended = isSuspendedByHandOrHeld(job)
  const hasRun = (await folders.hasRun(attempt.id)) || cache.podsOf(attempt.id).length > 0
  if (!isSuspended || hasRun) return { attempt, isSuspended }
  // Its Secret was not created, and only a new start has its content.
  await objects.remove(attempt)
  await folders.remove(attempt.id)
  return undefined
}

const isSuspendedByHandOrHeld = ({ suspended, queued, stopSeconds, deleting }: JobRecord): boolean =>
  suspended && !queued && stopSeconds === undefined && !deleting
