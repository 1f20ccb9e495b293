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
}

/** The attempts of earlier servers. */
export interface Adopted {
  readonly attempts: readonly Attempt[]
  /** Those whose Job was suspended by hand after their pod had run. The suspension ended the pod. */
  readonly suspended: readonly Attempt[]
}

/** Adopts the attempts of earlier servers: those with a Job in the cluster, and those with a folder alone. */
export async function adoptAttempts(sources: AdoptionSources): Promise<Adopted> {
  const { cache, folders, objects, instance } = sources
  const attempts = new Map<string, Attempt>()
  const suspended: Attempt[] = []
  for (const job of cache.jobs.values()) {
    const attempt = Attempt.adopted(job.attemptId, job.name)
    const isSuspended = isSuspendedByHandOrHeld(job)
    const hasRun = (await folders.hasRun(attempt.id)) || cache.podsOf(attempt.id).length > 0
    if (isSuspended && !hasRun) {
      // Its Secret was not created, and only a new start has its content.
      await objects.remove(attempt)
      await folders.remove(attempt.id)
      continue
    }
    attempts.set(attempt.id, attempt)
    if (isSuspended) suspended.push(attempt)
  }
  for (const id of await folders.ids()) {
    if (attempts.has(id)) continue
    // Without a Job, the attempt was never created, or its objects were removed by hand.
    if (await folders.wasCreated(id)) attempts.set(id, Attempt.adopted(id, objectName(instance, id)))
    else await folders.remove(id)
  }
  return { attempts: [...attempts.values()], suspended }
}

const isSuspendedByHandOrHeld = ({ suspended, queued, stopSeconds, deleting }: JobRecord): boolean =>
  suspended && !queued && stopSeconds === undefined && !deleting
