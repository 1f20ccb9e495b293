import type { V1Job } from '@kubernetes/client-node'
import { randomBytes } from 'node:crypto'
import { Semaphore } from '../../../lib/semaphore.ts'
import type { AttemptSpec } from '../../executor.ts'
import type { KubernetesApi, OnRetry } from '../api/api-client.ts'
import { ApiError, isConflict, isGone } from '../api/api-error.ts'
import type { Attempt } from '../attempt/attempt.ts'
import type { ClusterCache } from '../cache/cluster-cache.ts'
import type { PodRecord } from '../cache/records.ts'
import type { ClusterSettings } from '../settings.ts'
import { identityLabel } from './names.ts'
import { jobObject, releaseOf, secretObject } from './job-object.ts'

/** A resource quota of the cluster leaves no room for an object. */
export class QuotaExceeded extends Error {
  override readonly name = 'QuotaExceeded'
}

/** Settings of {@link AttemptObjects}. */
export interface AttemptObjectsOptions {
  readonly api: KubernetesApi
  readonly cache: ClusterCache
  readonly settings: ClusterSettings
  /** Aborts the requests that are under way. */
  readonly closing: AbortSignal
}

/**
 * Creates, changes and removes the Jobs, pods and Secrets of attempts. Each method may be repeated after it was aborted, and then
 * does the rest.
 */
export class AttemptObjects {
  readonly #options: AttemptObjectsOptions
  /** Requests at once. Each purpose has a limit of its own: ten thousand removals delay no start and no stop. */
  readonly #limits = {
    creations: new Semaphore(16),
    gates: new Semaphore(16),
    endings: new Semaphore(16),
    removals: new Semaphore(8),
  }

  constructor(options: AttemptObjectsOptions) {
    this.#options = options
  }

  /**
   * Creates the Job of an attempt.
   *
   * @throws {QuotaExceeded}
   * @throws {CannotRun} where no cluster can run the attempt.
   * @throws {ApiError} where the cluster refuses the Job.
   */
  async createJob(attempt: Attempt, spec: AttemptSpec, signal: AbortSignal, onRetry: OnRetry): Promise<V1Job> {
    const { api, settings } = this.#options
    // The name is unique to this try: garbage collection removes the Secret of an earlier try with its Job.
    const secret = `${attempt.name}-${randomBytes(4).toString('hex')}`
    const job = jobObject(spec, settings, secret)
    try {
      const limit = this.#limits.creations
      return await api.create<V1Job>(this.#path('batch', 'jobs'), job, signal, { onRetry, limit })
    } catch (error) {
      // An earlier try without an answer has succeeded.
      if (isConflict(error)) return api.getWithRetry<V1Job>(this.#job(attempt), { signal })
      throw asQuotaExceeded(error)
    }
  }

  /**
   * Creates the Secret of an attempt, and then releases its Job, which was held for the Secret.
   *
   * @throws {QuotaExceeded}
   */
  async createSecret(spec: AttemptSpec, job: V1Job, signal: AbortSignal, onRetry: OnRetry): Promise<void> {
    const { api, settings } = this.#options
    const limit = this.#limits.creations
    try {
      await api.create(this.#path('', 'secrets'), secretObject(spec, settings, job), signal, { onRetry, limit })
    } catch (error) {
      if (!isConflict(error)) throw asQuotaExceeded(error)
    }
    const path = `${this.#path('batch', 'jobs')}/${job.metadata?.name ?? ''}`
    await api.patch(path, releaseOf(spec, settings), signal, { limit })
  }

  /** Removes the scheduling gate of a pod. */
  async openGate(pod: PodRecord): Promise<void> {
    await this.#patch(this.#pod(pod), { spec: { schedulingGates: null } }, this.#limits.gates)
  }

  /**
   * Ends an attempt: deletes its Job, so that the cluster creates no further pod, and then its pods. The annotations say why to
   * later servers.
   */
  async end(attempt: Attempt, annotations: Readonly<Record<string, string>>, graceSeconds: number): Promise<void> {
    const { cache } = this.#options
    if (attempt.ended && cache.jobs.get(attempt.name) === undefined) return
    await this.#patch(this.#job(attempt), { metadata: { annotations } }, this.#limits.endings)
    await this.deleteJob(attempt)
    attempt.apply({ type: 'deletion-began', at: Date.now() })
    // With 0 the API server would not wait for the node: the pod could run on unseen.
    const body = { gracePeriodSeconds: Math.max(1, Math.ceil(graceSeconds)) }
    for (const pod of cache.podsOf(attempt.id)) await this.#delete(this.#pod(pod), body, this.#limits.endings)
  }

  /** Deletes a pod with the grace period of its specification. */
  async endPod(pod: PodRecord): Promise<void> {
    await this.#delete(this.#pod(pod), {}, this.#limits.endings)
  }

  /** Deletes the Job, so that the cluster creates no further pod. Pods that exist run on. */
  async deleteJob(attempt: Attempt): Promise<void> {
    await this.#delete(this.#job(attempt), { propagationPolicy: 'Background' }, this.#limits.endings)
  }

  /** Stamps the identity of the database that has the attempt's record on its Job. */
  async stamp(attempt: Attempt, identity: string): Promise<void> {
    await this.#patch(this.#job(attempt), { metadata: { labels: { [identityLabel]: identity } } }, this.#limits.gates)
  }

  /** Removes all objects of an attempt that has ended, or never began. */
  async remove(attempt: Attempt): Promise<void> {
    await this.#delete(this.#job(attempt), { propagationPolicy: 'Background' }, this.#limits.removals)
    await this.removePods(this.#options.cache.podsOf(attempt.id))
    await this.#removeFinalizer(this.#job(attempt))
  }

  /** Removes pods whose endings no reader needs. */
  async removePods(pods: readonly PodRecord[]): Promise<void> {
    for (const pod of pods) {
      await this.#delete(this.#pod(pod), { gracePeriodSeconds: 1 }, this.#limits.removals)
      await this.#removeFinalizer(this.#pod(pod))
    }
  }

  #removeFinalizer(path: string): Promise<void> {
    return this.#patch(path, { metadata: { finalizers: null } }, this.#limits.removals)
  }

  /** Patches an object that may be gone. */
  async #patch(path: string, body: object, limit: Semaphore): Promise<void> {
    try {
      await this.#options.api.patch(path, body, this.#options.closing, { limit })
    } catch (error) {
      if (!isGone(error)) throw error
    }
  }

  #delete(path: string, body: object, limit: Semaphore): Promise<void> {
    return this.#options.api.delete(path, body, this.#options.closing, { limit })
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

function asQuotaExceeded(error: unknown): unknown {
  const isQuota = error instanceof ApiError && error.status === 403 && error.message.includes('exceeded quota')
  return isQuota ? new QuotaExceeded(error.message, { cause: error }) : error
}
