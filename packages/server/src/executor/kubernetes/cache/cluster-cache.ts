import type { CoreV1Event, V1Job, V1ListMeta, V1Node, V1Pod } from '@kubernetes/client-node'
import { setTimeout as sleep } from 'node:timers/promises'
import type { Logger } from 'pino'
import { ApiError, isPassing, type KubernetesApi } from '../api/api-client.ts'
import { ObjectCache } from './object-cache.ts'
import { instanceLabel, ownSelector } from '../objects/names.ts'
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

/** Settings of {@link ClusterCache}. */
export interface ClusterCacheOptions {
  readonly api: KubernetesApi
  readonly namespace: string
  readonly instance: string
  readonly gpuResource: string
  /** Seconds from one listing to the next, of whatever kind. */
  readonly listSeconds: number
  /** Something changed about these attempts; without any: about nodes. */
  readonly onChange: (attemptIds: readonly string[]) => void
  readonly log: Logger
}

/** What the cluster warned of last about an attempt. */
export interface ClusterWarning {
  /** When what it warned of has passed if nobody has said it again, in milliseconds since the epoch. */
  readonly until: number
  readonly reason: string
  readonly message: string
}

/** A kind of objects: where they are listed, and what is remembered of them. */
interface Kind {
  readonly name: string
  readonly path: string
  readonly query: Readonly<Record<string, string>>
  /** Whether it is watched between listings. */
  readonly watched: boolean
  /** Begins a listing: takes its pages as they come, and at the end what was listed is what there is. */
  readonly listing: () => {
    readonly take: (objects: readonly object[]) => void
    readonly end: (version: number) => void
  }
  readonly put: (object: object) => void
  readonly remove: (object: object) => void
}

/** Milliseconds for which a warning about a pod holds: nodes repeat those of what lasts, every two minutes at the latest. */
const podWarningMs = 180_000

/** Objects in one answer: a listing of all at once would have to fit the memory of both sides. A pod takes 10 KB until it is read. */
const pageSize = 250

/**
 * What there is in the cluster: one listing at a time in turn, and watches between them. A watch that falls silent, or storms, costs no
 * more than time: each listing begins a new one.
 */
export class ClusterCache {
  readonly jobs = new ObjectCache<JobRecord>()
  readonly pods = new ObjectCache<PodRecord>()
  readonly nodes = new ObjectCache<NodeRecord>()
  /** Pods of others on the nodes. */
  readonly tenants = new ObjectCache<Tenant>()
  readonly #options: ClusterCacheOptions
  /** Names of an attempt's pods: one, but for hands that make more. */
  readonly #podNames = new Map<string, Set<string>>()
  readonly #warnings = new Map<string, ClusterWarning>()
  readonly #watches = new Map<string, AbortController>()
  readonly #closing = new AbortController()
  readonly #kinds: Readonly<Record<'jobs' | 'pods' | 'nodes' | 'tenants', Kind>>
  #background: Promise<void>[] = []

  constructor(options: ClusterCacheOptions) {
    this.#options = options
    const { namespace, instance, gpuResource } = options
    const own = { labelSelector: ownSelector(instance) }
    const aboutAttempts = (records: readonly { readonly attemptId: string }[]): void => {
      if (records.length > 0) options.onChange(records.map(({ attemptId }) => attemptId))
    }
    this.#kinds = {
      jobs: kind('jobs', `/apis/batch/v1/namespaces/${namespace}/jobs`, own, this.jobs, jobRecord, aboutAttempts),
      pods: kind('pods', `/api/v1/namespaces/${namespace}/pods`, own, this.pods, podRecord, (records) => {
        for (const record of records) this.#index(record)
        aboutAttempts(records)
      }),
      nodes: kind(
        'nodes',
        '/api/v1/nodes',
        {},
        this.nodes,
        (node: V1Node) => nodeRecord(node, gpuResource),
        () => {
          options.onChange([])
        },
      ),
      tenants: {
        ...kind(
          'pods of others',
          '/api/v1/pods',
          {
            labelSelector: `${instanceLabel}!=${instance}`,
            fieldSelector: 'spec.nodeName!=,status.phase!=Succeeded,status.phase!=Failed',
          },
          this.tenants,
          (pod: V1Pod) => tenant(pod, gpuResource),
          () => {
            options.onChange([])
          },
        ),
        watched: false,
      },
    }
  }

  /** Lists everything once, waiting for the API server where it does not answer, and goes on looking. */
  async open(): Promise<void> {
    for (const one of Object.values(this.#kinds)) await this.#list(one, true)
    this.#background = [this.#lookInTurn(), this.#listenForWarnings()]
  }

  /** The pod of an attempt: the one that has run, where there are several. */
  podOf(attemptId: string): PodRecord | undefined {
    const pods = this.podsOf(attemptId)
    return pods.find(({ container }) => container.startedAt !== undefined) ?? pods[0]
  }

  /** All pods of an attempt. */
  podsOf(attemptId: string): PodRecord[] {
    return [...(this.#podNames.get(attemptId) ?? [])].flatMap((name) => this.pods.get(name) ?? [])
  }

  /** The latest warning about an attempt's objects, unless it is so old that what it warned of has passed. */
  warning(attemptId: string): ClusterWarning | undefined {
    const warning = this.#warnings.get(attemptId)
    return warning !== undefined && Date.now() < warning.until ? warning : undefined
  }

  /** Takes over an object that was just made or changed. */
  learnJob(job: V1Job): void {
    this.#kinds.jobs.put(job)
  }

  /** The attempt is of no interest any more. */
  forget(attemptId: string): void {
    this.#warnings.delete(attemptId)
  }

  async close(): Promise<void> {
    this.#closing.abort(new Error('The platform is stopping.'))
    await Promise.allSettled(this.#background)
  }

  /** Pods and Jobs every third time each, nodes and what others use in the turns left over. */
  async #lookInTurn(): Promise<void> {
    const { jobs, pods, nodes, tenants } = this.#kinds
    const turns = [pods, jobs, nodes, pods, jobs, tenants]
    const everyMs = this.#options.listSeconds * 1000
    for (let turn = 0, tookMs = 0; await this.#rest(Math.max(everyMs - tookMs, everyMs / 5)); turn++) {
      const one = turns[turn % turns.length] ?? pods
      const began = performance.now()
      try {
        await this.#list(one, false)
      } catch (error) {
        if (this.#closing.signal.aborted) return
        this.#options.log.warn({ err: error, kind: one.name }, 'the cluster could not be listed; it is tried again')
      }
      tookMs = performance.now() - began
    }
  }

  async #list(one: Kind, patiently: boolean): Promise<void> {
    const { api } = this.#options
    const signal = this.#closing.signal
    const listing = one.listing()
    let objects = 0
    let version = 0
    let from: string | undefined
    do {
      const request = {
        query: { ...one.query, limit: pageSize, ...(from === undefined ? {} : { continue: from }) },
        signal,
      }
      type Page = { metadata: V1ListMeta; items: object[] }
      const page: Page = patiently ? await api.getPatiently(one.path, request) : await api.get(one.path, request)
      const { resourceVersion, _continue } = page.metadata as V1ListMeta & { continue?: string }
      version = Number(resourceVersion)
      from = (page.metadata as { continue?: string }).continue ?? _continue
      listing.take(page.items)
      objects += page.items.length
    } while (from !== undefined && from !== '')
    this.#options.log.debug({ kind: one.name, objects }, 'listed the cluster')
    listing.end(version)
    if (one.watched) this.#watchFrom(one, version)
  }

  #watchFrom(one: Kind, version: number): void {
    this.#watches.get(one.name)?.abort(new Error('A newer listing begins a new watch.'))
    const ending = new AbortController()
    this.#watches.set(one.name, ending)
    void this.#watch(one, version, AbortSignal.any([ending.signal, this.#closing.signal]))
  }

  async #watch(one: Kind, version: number, signal: AbortSignal): Promise<void> {
    for (let from = version; !signal.aborted;) {
      let restMs = 1000
      try {
        const query = { ...one.query, resourceVersion: String(from), allowWatchBookmarks: true, timeoutSeconds: 300 }
        for await (const { type, object } of this.#options.api.watch<V1Pod>(one.path, { query, signal })) {
          if (type === 'ERROR') return // it asks for a listing, which comes in its turn
          from = Number(object.metadata?.resourceVersion ?? from)
          if (type === 'DELETED') one.remove(object)
          else if (type !== 'BOOKMARK') one.put(object)
        }
      } catch (error) {
        if (signal.aborted) return
        if (error instanceof ApiError && !isPassing(error)) return
        this.#options.log.debug({ err: error, kind: one.name }, 'a watch broke off')
        restMs = restAfter(error, restMs)
      }
      await sleep(restMs, undefined, { signal }).catch(() => undefined)
    }
  }

  /** Warnings explain what the objects themselves do not: why a Job gets no pod, a pod no volume. Those missed are only unexplained. */
  async #listenForWarnings(): Promise<void> {
    const { api, namespace, log } = this.#options
    const signal = this.#closing.signal
    let restMs: number
    do {
      restMs = 2000
      try {
        const query = { fieldSelector: 'type=Warning', timeoutSeconds: 300 }
        for await (const { type, object } of api.watch<CoreV1Event>(`/api/v1/namespaces/${namespace}/events`, {
          query,
          signal,
        }))
          if (type === 'ADDED' || type === 'MODIFIED') this.#warn(object)
      } catch (error) {
        if (!signal.aborted) log.debug({ err: error }, 'the watch of warnings broke off')
        restMs = restAfter(error, restMs)
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

  #warn({ involvedObject, reason = '', message = '', lastTimestamp }: CoreV1Event): void {
    const { kind: of, name = '' } = involvedObject
    const attemptId = of === 'Pod' ? this.pods.get(name)?.attemptId : this.jobs.get(jobOf(of ?? '', name))?.attemptId
    if (attemptId === undefined) return
    const at = Math.min(Date.now(), lastTimestamp ? Date.parse(String(lastTimestamp)) : Infinity)
    this.#warnings.set(attemptId, { reason, message, until: of === 'Pod' ? at + podWarningMs : Infinity })
    this.#options.onChange([attemptId])
  }

  /** False when it was closed meanwhile. */
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

/** Milliseconds to the next try: what the API server asked for, or so many. */
const restAfter = (error: unknown, milliseconds: number): number =>
  error instanceof ApiError && error.retryAfterSeconds !== undefined ? error.retryAfterSeconds * 1000 : milliseconds

/** The Job that a warning is about; Kueue names its Workload after it, with a hash behind. '' where it is about no Job. */
function jobOf(kindOfObject: string, name: string): string {
  if (kindOfObject === 'Job') return name
  return kindOfObject === 'Workload' ? name.replace(/^job-/, '').replace(/-[0-9a-f]+$/, '') : ''
}

function kind<Raw extends object, Known extends { readonly name: string; readonly version: number }>(
  name: string,
  path: string,
  query: Readonly<Record<string, string>>,
  collection: ObjectCache<Known>,
  recordOf: (object: Raw) => Known,
  changed: (records: readonly Known[]) => void,
): Kind {
  return {
    name,
    path,
    query,
    watched: true,
    listing: () => {
      const records: Known[] = []
      return {
        take: (objects) => {
          for (const object of objects) records.push(recordOf(object as Raw))
        },
        end: (version) => {
          changed(collection.replace(records, version))
        },
      }
    },
    put: (object) => {
      const record = recordOf(object as Raw)
      if (collection.put(record)) changed([record])
    },
    remove: (object) => {
      const record = recordOf(object as Raw)
      collection.remove(record.name)
      changed([record])
    },
  }
}
