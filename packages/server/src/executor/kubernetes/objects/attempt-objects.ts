import type { V1Job } from '@kubernetes/client-node'
import type { AttemptSpec } from '../../executor.ts'
import { randomBytes } from 'node:crypto'
import type { KubernetesApi, OnRetry } from '../api/api-client.ts'
import { ApiError, isConflict, isGone } from '../api/api-error.ts'
import type { Attempt } from '../attempt/attempt.ts'
import { jobObject, releaseOf, secretObject } from './job-object.ts'
import type { ClusterCache } from '../cache/cluster-cache.ts'
import type { PodRecord } from '../cache/records.ts'
import type { ClusterSettings } from '../settings.ts'

/** A quota of the cluster leaves no room for a Job now. */
export class NoRoom extends Error {
  override readonly name = 'NoRoom'
}

/** Settings of {@link AttemptObjects}. */
export interface AttemptObjectsOptions {
  readonly api: KubernetesApi
  readonly cache: ClusterCache
  readonly settings: ClusterSettings
  /** Ends everything that is under way. */
  readonly closing: AbortSignal
}

/**
 * Makes, changes and removes the Jobs, pods and Secrets of attempts. Every method may be called again after it was cut short,
 * and then does what is left.
 */
export class AttemptObjects {
  readonly #options: AttemptObjectsOptions

  constructor(options: AttemptObjectsOptions) {
    this.#options = options
  }

  /**
   * Makes the Job.
   *
   * @throws {NoRoom} where a quota of the cluster leaves none for it now.
   * @throws {CannotRun} where the attempt cannot be run on a cluster as it is asked for.
   * @throws {ApiError} where the cluster refuses it.
   */
  async makeJob(attempt: Attempt, spec: AttemptSpec, signal: AbortSignal, onRetry: OnRetry): Promise<V1Job> {
    const { api, settings } = this.#options
    // A name that no other try has: the Secret of an earlier one goes with its Job, and must not be taken for this one's.
    const secret = `${attempt.name}-${randomBytes(4).toString('hex')}`
    try {
      return await api.create<V1Job>(this.#path('batch', 'jobs'), jobObject(spec, settings, secret), signal, onRetry)
    } catch (error) {
      // An earlier try was answered by nobody, and has succeeded.
      if (isConflict(error)) return api.getWithRetry<V1Job>(this.#job(attempt), { signal })
      throw withoutRoom(error)
    }
  }

  /**
   * Makes the Secret with the credentials of an attempt whose Job was held back for it, and lets the Job go on.
   *
   * @throws {NoRoom} as {@link makeJob}.
   */
  async makeSecret(
    attempt: Attempt,
    spec: AttemptSpec,
    job: V1Job,
    signal: AbortSignal,
    onRetry: OnRetry,
  ): Promise<void> {
    const { api, settings } = this.#options
    try {
      await api.create(this.#path('', 'secrets'), secretObject(spec, settings, job), signal, onRetry)
    } catch (error) {
      if (!isConflict(error)) throw withoutRoom(error)
    }
    await api.patch(this.#job(attempt), releaseOf(spec, settings), signal)
  }

  /** Lets a pod that was made with a gate be given to a node. */
  async openGate(pod: PodRecord): Promise<void> {
    const { api, closing } = this.#options
    await quietly(api.patch(this.#pod(pod), { spec: { schedulingGates: null } }, closing))
  }

  /**
   * Ends whatever there is of an attempt: first its Job, so that no pod is made any more, then its pods. The annotations tell
   * later servers why.
   */
  async end(attempt: Attempt, annotations: Readonly<Record<string, string>>, graceSeconds: number): Promise<void> {
    const { api, cache, closing } = this.#options
    if (attempt.ended && cache.jobs.get(attempt.name) === undefined) return
    await quietly(api.patch(this.#job(attempt), { metadata: { annotations } }, closing))
    await this.deleteJob(attempt)
    attempt.apply({ type: 'deletion-began', at: Date.now() })
    // 0 would mean not to wait for the node: a pod that goes on running unseen.
    const body = { gracePeriodSeconds: Math.max(1, Math.ceil(graceSeconds)) }
    for (const pod of cache.podsOf(attempt.id)) await api.delete(this.#pod(pod), body, closing)
  }

  /** No pod is made of it any more; those that there are go in their own time. */
  async deleteJob(attempt: Attempt): Promise<void> {
    await this.#options.api.delete(this.#job(attempt), { propagationPolicy: 'Background' }, this.#options.closing)
  }

  /** Removes all objects of an attempt that has ended, or has never begun. */
  async remove(attempt: Attempt): Promise<void> {
    await this.deleteJob(attempt)
    await this.removePods(this.#options.cache.podsOf(attempt.id))
    await this.#letGo(this.#job(attempt))
  }

  /** Removes pods of which nobody wants to know how they ended. */
  async removePods(pods: readonly PodRecord[]): Promise<void> {
    const { api, closing } = this.#options
    for (const pod of pods) {
      await api.delete(this.#pod(pod), { gracePeriodSeconds: 1 }, closing)
      await this.#letGo(this.#pod(pod))
    }
  }

  /** Takes off the finalizer that kept an object until its ending was known. */
  #letGo(path: string): Promise<void> {
    return quietly(this.#options.api.patch(path, { metadata: { finalizers: null } }, this.#options.closing))
  }

  #job({ name }: Attempt): string {
    return `${this.#path('batch', 'jobs')}/${name}`
  }

  #pod({ name }: PodRecord): string {
    return `${this.#path('', 'pods')}/${name}`
  }

  #path(group: '' | 'batch', resource: string): string {
    const { namespace } = this.#options.settings
    return `${group === '' ? '/api/v1' : '/apis/batch/v1'}/namespaces/${namespace}/${resource}`
  }
}

function withoutRoom(error: unknown): unknown {
  const isQuota = error instanceof ApiError && error.status === 403 && error.message.includes('exceeded quota')
  return isQuota ? new NoRoom(error.message, { cause: error }) : error
}

/** An object that is gone needs no change any more. */
async function quietly(change: Promise<unknown>): Promise<void> {
  try {
    await change
  } catch (error) {
    if (!isGone(error)) throw error
  }
}
