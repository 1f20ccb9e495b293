import type { CoreV1Event, V1Job, V1ListMeta, V1Node, V1Pod } from '@kubernetes/client-node'
import { setTimeout as sleep } from 'node:timers/promises'
import type { Logger } from 'pino'
import type { KubernetesApi } from '../api/api-client.ts'
import { ApiError, isTransient } from '../api/api-error.ts'
import { instanceLabel, objectName, ownSelector } from '../objects/names.ts'
import { cachedResource, type CachedResource } from './cached-resource.ts'
import { ObjectCache } from './object-cache.ts'
import {
  jobRecord,
  nodeRecord,
  podRecord,
  tenant,
  type JobRecord,
  type NodeRecord,
  type PodRecord,
  type Tenant,
} from './records.ts'
import { WarningCache } from './warning-cache.ts'

/** Settings of {@link ClusterCache}. */
export interface ClusterCacheOptions {
  readonly api: Pick<KubernetesApi, 'get' | 'getWithRetry' | 'watch'>
  readonly namespace: string
  readonly instance: string
  readonly gpuResource: string
  /** Seconds from one listing to the next, of whatever kind. */
  readonly listSeconds: number
  /** Objects of these attempts have changed; an empty list: nodes have. */
  readonly onChange: (attemptIds: readonly string[]) => void
  readonly log: Logger
}

/** Milliseconds for which a warning about a pod is valid: nodes repeat those that persist at least every two minutes. */
const podWarningMs = 180_000

/** Objects in one page of a listing. A pod takes 10 KB until its record is made. */
const pageSize = 250

/** Milliseconds to the next try after a watch ended or broke, of objects and of warnings. */
const watchAgainMs = { objects: 1_000, warnings: 2_000 }

/**
 * An informer cache of the cluster. The kinds are listed in turn, and watched in between. A watch that falls silent or storms
 * costs only time, since each listing begins a new one.
 */
export class ClusterCache {
  readonly jobs = new ObjectCache<JobRecord>()
  readonly pods = new ObjectCache<PodRecord>()
  readonly nodes = new ObjectCache<NodeRecord>()
  /** Pods of other programs on the nodes. */
  readonly tenants = new ObjectCache<Tenant>()
  /** What the cluster warned of last about each attempt. */
  readonly warnings = new WarningCache((attemptId) => this.hasObjects(attemptId))
  readonly #options: ClusterCacheOptions
  /** The names of an attempt's pods. There are several only where pods were created or deleted by hand. */
  readonly #podNames = new Map<string, Set<string>>()
  readonly #watches = new Map<string, AbortController>()
  readonly #closing = new AbortController()
  readonly #resources: Readonly<Record<'jobs' | 'pods' | 'nodes' | 'tenants', CachedResource>>
  #background: Promise<void>[] = []

  constructor(options: ClusterCacheOptions) {
    this.#options = options
    const { namespace, instance, gpuResource } = options
    const own = { labelSelector: ownSelector(instance) }
    const onAttempts = (records: readonly { readonly attemptId: string }[]): void => {
      for (const { attemptId } of records) this.warnings.objectChanged(attemptId)
      if (records.length > 0) options.onChange(records.map(({ attemptId }) => attemptId))
    }
    const onNodes = (): void => {
      options.onChange([])
    }
    this.#resources = {
      jobs: cachedResource({
        name: 'jobs',
        path: `/apis/batch/v1/namespaces/${namespace}/jobs`,
        query: own,
        isWatched: true,
        cache: this.jobs,
        recordOf: jobRecord,
        onChange: onAttempts,
      }),
      pods: cachedResource({
        name: 'pods',
        path: `/api/v1/namespaces/${namespace}/pods`,
        query: own,
        isWatched: true,
        cache: this.pods,
        recordOf: podRecord,
        onChange: (records) => {
          for (const record of records) this.#index(record)
          onAttempts(records)
        },
      }),
      nodes: cachedResource({
        name: 'nodes',
        path: '/api/v1/nodes',
        query: {},
        isWatched: true,
        cache: this.nodes,
        recordOf: (node: V1Node) => nodeRecord(node, gpuResource),
        onChange: onNodes,
      }),
      tenants: cachedResource({
        name: 'pods of others',
        path: '/api/v1/pods',
        query: {
          labelSelector: `${instanceLabel}!=${instance}`,
          fieldSelector: 'spec.nodeName!=,status.phase!=Succeeded,status.phase!=Failed',
        },
        isWatched: false,
        cache: this.tenants,
        recordOf: (pod: V1Pod) => tenant(pod, gpuResource),
        onChange: onNodes,
      }),
    }
  }

  /** Lists every kind once, with retries, and then follows the cluster in the background. */
  async open(): Promise<void> {
    for (const resource of Object.values(this.#resources)) await this.#list(resource, true)
    this.#background = [this.#listInTurn(), this.#watchWarnings()]
  }

  /** The pod of an attempt; where there are several, the one that has run. */
  podOf(attemptId: string): PodRecord | undefined {
    const pods = this.podsOf(attemptId)
    return pods.find(({ container }) => container.startedAt !== undefined) ?? pods[0]
  }

  podsOf(attemptId: string): PodRecord[] {
    return [...(this.#podNames.get(attemptId) ?? [])].flatMap((name) => this.pods.get(name) ?? [])
  }

  /** Whether the cluster has a Job or a pod of an attempt. */
  hasObjects(attemptId: string): boolean {
    const job = this.jobs.get(objectName(this.#options.instance, attemptId))
    return job !== undefined || this.#podNames.has(attemptId)
  }

  /** Applies the answer to a create request, before a watch reports the Job. */
  upsertJob(job: V1Job): void {
    this.#resources.jobs.upsert(job)
  }

  async close(): Promise<void> {
    this.#closing.abort(new Error('The platform is stopping.'))
    await Promise.allSettled(this.#background)
  }

  /** Lists pods and Jobs in every third turn each; nodes and tenants share the others. */
  async #listInTurn(): Promise<void> {
    const { jobs, pods, nodes, tenants } = this.#resources
    const turns = [pods, jobs, nodes, pods, jobs, tenants]
    const everyMs = this.#options.listSeconds * 1000
    for (let turn = 0, tookMs = 0; await this.#rest(Math.max(everyMs - tookMs, everyMs / 5)); turn++) {
      const resource = turns[turn % turns.length] ?? pods
      const began = performance.now()
      try {
        await this.#list(resource, false)
      } catch (error) {
        if (this.#closing.signal.aborted) return
        this.#options.log.warn({ err: error, kind: resource.name }, 'listing the cluster failed, retrying')
      }
      tookMs = performance.now() - began
    }
  }

  async #list(resource: CachedResource, withRetry: boolean): Promise<void> {
    const { api, log } = this.#options
    const signal = this.#closing.signal
    const listing = resource.beginListing()
    let objects = 0
    let version = 0
    let from: string | undefined
    do {
      const { path, query } = resource
      const request = {
        query: { ...query, limit: pageSize, ...(from === undefined ? {} : { continue: from }) },
        signal,
      }
      type Page = { metadata: V1ListMeta; items: object[] }
      const page: Page = withRetry ? await api.getWithRetry(path, request) : await api.get(path, request)
      const { resourceVersion, _continue } = page.metadata as V1ListMeta & { continue?: string }
      version = Number(resourceVersion)
      from = (page.metadata as { continue?: string }).continue ?? _continue
      listing.add(page.items)
      objects += page.items.length
    } while (from !== undefined && from !== '')
    log.debug({ kind: resource.name, objects }, 'listed the cluster')
    listing.end(version)
    if (resource.isWatched) this.#watchFrom(resource, version)
  }

  #watchFrom(resource: CachedResource, version: number): void {
    this.#watches.get(resource.name)?.abort(new Error('A newer listing begins a new watch.'))
    const ending = new AbortController()
    this.#watches.set(resource.name, ending)
    void this.#watch(resource, version, AbortSignal.any([ending.signal, this.#closing.signal]))
  }

  async #watch(
    { name, path, query, ...resource }: CachedResource,
    version: number,
    signal: AbortSignal,
  ): Promise<void> {
    const { api, log } = this.#options
    for (let from = version; !signal.aborted;) {
      let restMs = watchAgainMs.objects
      try {
        const watched = { ...query, resourceVersion: String(from), allowWatchBookmarks: true, timeoutSeconds: 300 }
        for await (const { type, object } of api.watch<V1Pod>(path, { query: watched, signal })) {
          if (type === 'ERROR') return // the version is too old: the next listing begins a new watch
          from = Number(object.metadata?.resourceVersion ?? from)
          if (type === 'DELETED') resource.remove(object)
          else if (type !== 'BOOKMARK') resource.upsert(object)
        }
      } catch (error) {
        if (signal.aborted) return
        if (error instanceof ApiError && !isTransient(error)) return
        log.debug({ err: error, kind: name }, 'a watch broke, retrying')
        restMs = retryAfter(error, restMs)
      }
      await sleep(restMs, undefined, { signal }).catch(() => undefined)
    }
  }

  /** Warnings say what objects do not: why a Job gets no pod, or a pod no volume. A warning that is missed costs an explanation. */
  async #watchWarnings(): Promise<void> {
    const { api, namespace, log } = this.#options
    const signal = this.#closing.signal
    const path = `/api/v1/namespaces/${namespace}/events`
    let restMs: number
    do {
      restMs = watchAgainMs.warnings
      try {
        const query = { fieldSelector: 'type=Warning', timeoutSeconds: 300 }
        for await (const { type, object } of api.watch<CoreV1Event>(path, { query, signal }))
          if (type === 'ADDED' || type === 'MODIFIED') this.#applyWarning(object)
      } catch (error) {
        if (!signal.aborted) log.debug({ err: error }, 'the watch of warnings broke, retrying')
        restMs = retryAfter(error, restMs)
      }
    } while (await this.#rest(restMs))
  }

  #index({ attemptId, name }: PodRecord): void {
    const names = this.#podNames.get(attemptId) ?? new Set()
    if (this.pods.get(name) === undefined) names.delete(name)
    else names.add(name)
    if (names.size === 0) this.#podNames.delete(attemptId)
    else this.#podNames.set(attemptId, names)
  }

  #applyWarning({ involvedObject, reason = '', message = '', lastTimestamp }: CoreV1Event): void {
    const { kind, name = '' } = involvedObject
    const attemptId =
      kind === 'Pod' ? this.pods.get(name)?.attemptId : this.jobs.get(jobNameOf(kind ?? '', name))?.attemptId
    if (attemptId === undefined) return
    const at = Math.min(Date.now(), lastTimestamp ? Date.parse(String(lastTimestamp)) : Infinity)
    const until = kind === 'Pod' ? at + podWarningMs : Infinity
    if (this.warnings.upsert(attemptId, { reason, message, until })) this.#options.onChange([attemptId])
  }

  /** False when the cache was closed meanwhile. */
  async #rest(milliseconds: number): Promise<boolean> {
    try {
      await sleep(milliseconds, undefined, { signal: this.#closing.signal })
      return true
    } catch (error) {
      if (this.#closing.signal.aborted) return false
      throw error
    }
  }
}

/** Milliseconds to the next try: the Retry-After of the API server, or else so many. */
const retryAfter = (error: unknown, milliseconds: number): number =>
  error instanceof ApiError && error.retryAfterSeconds !== undefined ? error.retryAfterSeconds * 1000 : milliseconds

/** The name of the Job that a warning is about; '' for another object. Kueue names a Workload after its Job, with a hash. */
function jobNameOf(kind: string, name: string): string {
  if (kind === 'Job') return name
  return kind === 'Workload' ? name.replace(/^job-/, '').replace(/-[0-9a-f]+$/, '') : ''
}
