import { setTimeout as sleep } from 'node:timers/promises'
import { Attempt } from '../attempt/attempt.ts'
import type { BackgroundTasks } from '../background-tasks.ts'
import type { ClusterCache } from '../cache/cluster-cache.ts'
import type { AttemptObjects } from './attempt-objects.ts'
import { objectName } from './names.ts'

/** Settings of {@link ObjectRemovals}. */
export interface ObjectRemovalsOptions {
  readonly objects: AttemptObjects
  readonly cache: ClusterCache
  readonly instance: string
  readonly tasks: BackgroundTasks
}

/** Removes the objects of attempts that this executor no longer knows, in the background. */
export class ObjectRemovals {
  readonly #options: ObjectRemovalsOptions
  readonly #underWay = new Map<string, Promise<void>>()

  constructor(options: ObjectRemovalsOptions) {
    this.#options = options
  }

  /** Removes the objects of an attempt whose ending is stored. */
  remove(attempt: Attempt): void {
    const { objects } = this.#options
    this.#begin(attempt.id, () => attempt.serialize(() => objects.remove(attempt)))
  }

  /**
   * Removes what appears in the cluster after its attempt was removed: pods of a Job that was deleted by hand with all its
   * traces, and a Job that the API server created from a request that was aborted.
   */
  removeStrays(attemptId: string): void {
    if (this.isUnderWay(attemptId)) return
    const { objects, cache, instance } = this.#options
    const attempt = Attempt.adopted(attemptId, objectName(instance, attemptId))
    const pods = cache.podsOf(attemptId).filter(({ hasFinalizer }) => hasFinalizer)
    if (cache.jobs.get(attempt.name)?.deleting === false) this.#begin(attemptId, () => objects.remove(attempt))
    else if (pods.length > 0) this.#begin(attemptId, () => objects.removePods(pods))
  }

  /** Whether objects of an attempt are being removed. */
  isUnderWay(attemptId: string): boolean {
    return this.#underWay.has(attemptId)
  }

  /** Resolves when all removals have ended, or after a time. */
  async settled(atMostMs: number): Promise<void> {
    const all = Promise.allSettled(this.#underWay.values())
    await Promise.race([all, sleep(atMostMs, undefined, { ref: false })])
  }

  #begin(attemptId: string, removal: () => Promise<void>): void {
    const { tasks } = this.#options
    const removed = tasks.retry(attemptId, removal).finally(() => this.#underWay.delete(attemptId))
    this.#underWay.set(attemptId, removed)
    tasks.own(attemptId, removed)
  }
}
