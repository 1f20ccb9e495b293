import { setTimeout as sleep } from 'node:timers/promises'
import type { Cause, Usage } from '@science-platform/contract'
import type { Logger } from 'pino'
import type { KubernetesConfig } from '../../configuration/config.ts'
import { stoppedBeforeStart } from '../causes.ts'
import type { AttemptSpec, Executor, ExecutorEvent, LogRange, Node, Observed } from '../executor.ts'
import { AttemptLogs, type RunningLog } from '../log/attempt-log.ts'
import { LogWriter } from '../log/log-writer.ts'
import { ApiError, KubernetesApi } from './api/api-client.ts'
import { Attempt } from './attempt/attempt.ts'
import { AttemptFolders } from './attempt/attempt-folder.ts'
import { AttemptObjects } from './objects/attempt-objects.ts'
import { shownBy, type Shown } from './attempt/attempt-state.ts'
import { nodesOf } from './cache/node-capacity.ts'
import { CannotRun } from './objects/job-object.ts'
import type { IdentitySource } from './credentials/kubeconfig.ts'
import { LogCopier } from './log/log-copier.ts'
import { CreationQueue } from './objects/creation-queue.ts'
import { ClusterCache } from './cache/cluster-cache.ts'
import { causeAnnotation, objectName, stopAnnotation } from './objects/names.ts'
import type { JobRecord, PodRecord } from './cache/records.ts'
import { requireRights } from './api/rights.ts'
import type { ClusterSettings } from './settings.ts'
import { Semaphore } from '../../lib/semaphore.ts'
import { UsageSampler } from './attempt/usage-sampler.ts'

/** Settings of {@link createKubernetesExecutor}. */
export interface KubernetesOptions extends ClusterSettings {
  /** The cluster, and who one is there. */
  readonly identity: IdentitySource
  /** Absolute path of the data folder; see {@link AttemptFolders} for what is kept in it. */
  readonly dataDir: string
  /** Where this process sees the volume of the homes, to make missing ones; undefined: somebody else makes them. */
  readonly homesFolder?: string
  /** Where the figures of running attempts come from. */
  readonly usage: KubernetesConfig['usage']
  /** Bytes of output kept of an attempt. @defaultValue 67108864 (64 MiB) */
  readonly logLimitBytes?: number
  /** Logs that are followed at once; the rest is fetched every ten seconds. @defaultValue 200 */
  readonly followedLogs?: number
  /** Seconds from one listing of the cluster to the next. @defaultValue 10 */
  readonly listSeconds?: number
  readonly log: Logger
}

/** Runs attempts as Jobs of a Kubernetes cluster. */
export function createKubernetesExecutor(options: KubernetesOptions): Executor {
  return new Kubernetes(options)
}

/** Milliseconds that a server which stops gives the removal of what has ended. */
const lastRemovalsMs = 5_000

/** Milliseconds, at most, between two tries of a change that the cluster refuses. */
const mostRestMs = 60_000

/** Milliseconds after which an attempt that waits is looked at again although nothing changed: patience runs out. */
const lookAgainMs = 2_000

class Kubernetes implements Executor {
  readonly name = 'kubernetes'
  readonly #options: KubernetesOptions
  readonly #api: KubernetesApi
  readonly #cache: ClusterCache
  readonly #objects: AttemptObjects
  readonly #usage: UsageSampler
  readonly #creationQueue: CreationQueue
  readonly #folders: AttemptFolders
  readonly #logs: AttemptLogs
  readonly #attempts = new Map<string, Attempt>()
  readonly #changeListeners: (() => void)[] = []
  readonly #eventListeners: ((event: ExecutorEvent) => void)[] = []
  readonly #background = new Set<Promise<void>>()
  /** Of the work in the background: removing objects of which nobody wants to know any more. */
  readonly #removals = new Map<string, Promise<void>>()
  readonly #closing = new AbortController()
  #looking: NodeJS.Timeout | undefined
  /** Whether all that was there at the start is known. */
  #isOpen = false
  /** At logs that are not followed. */
  readonly #looks = new Semaphore(16)
  #followed = 0

  constructor(options: KubernetesOptions) {
    const { identity, namespace, instance, gpuResource, listSeconds = 10, log } = options
    this.#options = options
    this.#api = new KubernetesApi(identity, { log })
    this.#folders = new AttemptFolders(options.dataDir)
    this.#logs = new AttemptLogs(this.#folders, (attemptId) => this.#runningLog(attemptId))
    this.#cache = new ClusterCache({
      api: this.#api,
      namespace,
      instance,
      gpuResource,
      listSeconds,
      log,
      onChange: (ids) => {
        this.#lookAt(ids)
      },
    })
    this.#objects = new AttemptObjects({
      api: this.#api,
      cache: this.#cache,
      settings: options,
      closing: this.#closing.signal,
    })
    this.#creationQueue = new CreationQueue({
      objects: this.#objects,
      cache: this.#cache,
      folders: this.#folders,
      homesFolder: options.homesFolder,
      closing: this.#closing.signal,
      onFailure: (attempt, error) => {
        this.#endUnmade(attempt, error)
      },
      onDelay: (attempt, waiting) => {
        this.#show(attempt, { phase: 'preparing', waiting })
      },
      own: (work, attemptId) => {
        this.#own(work, attemptId)
      },
    })
    this.#usage = new UsageSampler({
      api: this.#api,
      source: options.usage,
      namespace,
      pods: () => [...this.#cache.pods.values()].filter(({ phase }) => phase === 'Running'),
      signal: this.#closing.signal,
      log,
    })
  }

  nodes(): Promise<readonly Node[]> {
    return Promise.resolve(nodesOf(this.#cache.nodes.values(), this.#cache.tenants.values(), this.#options))
  }

  async open(): Promise<void> {
    await this.#folders.open()
    const { namespace } = this.#options
    await requireRights(this.#api, namespace, this.#closing.signal, this.#options)
    await this.#requireQueue()
    await this.#cache.open()
    for (const job of this.#cache.jobs.values()) await this.#adopt(job)
    for (const id of await this.#folders.ids()) if (!this.#attempts.has(id)) await this.#adoptFolder(id)
    this.#lookAt([...this.#attempts.keys()])
    // Endings that are there already are told from the beginning on.
    const settling = [...this.#attempts.values()].flatMap((attempt) => attempt.settling ?? [])
    await Promise.race([Promise.allSettled(settling), sleep(20_000, undefined, { ref: false })])
    this.#isOpen = true
    this.#looking = setInterval(() => {
      this.#lookAt([...this.#attempts.values()].filter(({ ended }) => !ended).map(({ id }) => id))
    }, lookAgainMs)
    this.#usage.start()
  }

  start(spec: AttemptSpec): Promise<void> {
    if (this.#attempts.has(spec.id)) return Promise.resolve()
    const attempt = new Attempt(spec.id, objectName(this.#options.instance, spec.id))
    this.#attempts.set(spec.id, attempt)
    this.#creationQueue.add(attempt, spec)
    return Promise.resolve()
  }

  stop(attemptId: string, graceSeconds: number): Promise<void> {
    const attempt = this.#attempts.get(attemptId)
    if (attempt === undefined || attempt.ended) return Promise.resolve()
    attempt.stopAsked = true
    const told = new Error('The attempt was told to end.')
    if (!attempt.made && attempt.making === undefined) this.#endUnmade(attempt, told)
    this.#creationQueue.stop(attempt, told)
    this.#insist(attempt, () => this.#objects.end(attempt, { [stopAnnotation]: String(graceSeconds) }, graceSeconds))
    return Promise.resolve()
  }

  list(): Promise<readonly Observed[]> {
    return Promise.resolve([...this.#attempts.values()].map(({ observed }) => observed))
  }

  forget(attemptId: string): Promise<void> {
    const attempt = this.#attempts.get(attemptId)
    if (attempt === undefined) return Promise.resolve()
    if (!attempt.ended) throw new Error(`Attempt ${attemptId} has not ended; it cannot be forgotten.`)
    this.#attempts.delete(attemptId)
    this.#usage.forget(attemptId)
    // The log is moved first, so that there is none of a moment in which nobody finds it.
    const moved = this.#folders.keepOnlyLog(attemptId)
    this.#remove(attemptId, async () => {
      await moved
      await attempt.inTurn(() => this.#objects.remove(attempt))
      this.#cache.forget(attemptId)
    })
    return moved
  }

  usage(attemptId: string): Promise<Usage | undefined> {
    const running = this.#attempts.get(attemptId)?.observed.phase === 'running'
    return Promise.resolve(running ? this.#usage.now(attemptId) : undefined)
  }

  logSize(attemptId: string): Promise<number | undefined> {
    return this.#logs.size(attemptId)
  }

  readLog(attemptId: string, range: LogRange): AsyncIterable<Uint8Array> {
    return this.#logs.read(attemptId, range)
  }

  followLog(attemptId: string, start: number, signal: AbortSignal): AsyncIterable<Uint8Array> {
    return this.#logs.follow(attemptId, start, signal)
  }

  deleteLog(attemptId: string): Promise<void> {
    return this.#logs.delete(attemptId)
  }

  onChange(listener: () => void): void {
    this.#changeListeners.push(listener)
  }

  onEvent(listener: (event: ExecutorEvent) => void): void {
    this.#eventListeners.push(listener)
  }

  async close(): Promise<void> {
    clearInterval(this.#looking)
    // The next server would remove them too, but there may be none: then finalizers would hold their namespace for ever.
    await Promise.race([Promise.allSettled(this.#removals.values()), sleep(lastRemovalsMs, undefined, { ref: false })])
    const stopping = new Error('The platform is stopping.')
    this.#closing.abort(stopping)
    for (const { making } of this.#attempts.values()) making?.abort(stopping)
    await this.#cache.close()
    await Promise.allSettled(this.#background)
    this.#api.close()
  }

  /** A queue that is configured must be there, as on the reference server: jobs would wait in it for ever. */
  async #requireQueue(): Promise<void> {
    const { queue, namespace } = this.#options
    if (queue === undefined) return
    const signal = this.#closing.signal
    try {
      type Group = { readonly preferredVersion: { readonly groupVersion: string } }
      const { preferredVersion } = await this.#api.getPatiently<Group>('/apis/kueue.x-k8s.io', { signal })
      const path = `/apis/${preferredVersion.groupVersion}/namespaces/${namespace}/localqueues/${queue.localQueue}`
      await this.#api.getPatiently(path, { signal })
    } catch (error) {
      if (!(error instanceof ApiError)) throw error
      throw new Error(
        `kubernetes.queue.localQueue is ${queue.localQueue}, which cannot be read in the namespace ${namespace}: ${error.message}. Is Kueue installed, and the LocalQueue made?`,
        { cause: error },
      )
    }
  }

  /** Takes over an attempt of an earlier server. */
  async #adopt(job: JobRecord): Promise<void> {
    const attempt = new Attempt(job.attemptId, job.name)
    attempt.made = true
    const isHeld = job.suspended && !job.queued && job.stopSeconds === undefined && !job.deleting
    const hasRun = (await this.#folders.hasRun(attempt.id)) || this.#cache.podsOf(attempt.id).length > 0
    // Its Secret was not made, and only those who start it anew have what is in it.
    if (isHeld && !hasRun) {
      await this.#objects.remove(attempt)
      await this.#folders.remove(attempt.id)
      return
    }
    this.#attempts.set(attempt.id, attempt)
    // Somebody suspended it by hand while no server was there, which ends its pod.
    if (isHeld) this.#runNoMore(attempt, Date.now())
  }

  /** A folder whose attempt is not in the cluster: it was never made, or somebody has removed every trace. */
  async #adoptFolder(id: string): Promise<void> {
    if (!(await this.#folders.wasMade(id))) {
      await this.#folders.remove(id)
      return
    }
    const attempt = new Attempt(id, objectName(this.#options.instance, id))
    attempt.made = true
    this.#attempts.set(id, attempt)
  }

  #endUnmade(attempt: Attempt, error: unknown): void {
    const ending = { at: Date.now(), cause: this.#causeOf(attempt, error), stopped: attempt.stopAsked }
    this.#finish(attempt, { phase: 'ended', ending })
  }

  #causeOf(attempt: Attempt, error: unknown): Cause {
    if (attempt.stopAsked) return stoppedBeforeStart
    if (error instanceof CannotRun) return { code: 'start-failed', message: error.message, hint: error.hint }
    this.#options.log.warn({ attemptId: attempt.id, err: error }, 'an attempt could not be made')
    const message = error instanceof Error ? error.message : String(error)
    return {
      code: 'start-failed',
      message: `The cluster did not take it: ${message}`,
      hint: 'If this happens again, it is for the people who run the platform.',
    }
  }

  /** Decides anew about attempts. */
  #lookAt(ids: readonly string[]): void {
    if (this.#closing.signal.aborted) return
    for (const id of ids) {
      const attempt = this.#attempts.get(id)
      if (attempt !== undefined) this.#look(attempt)
      else if (this.#isOpen) this.#removeStrays(id)
    }
    this.#changed()
  }

  /**
   * Pods that turn up after their attempt was forgotten, or whose Job somebody removed with all its traces; and a Job that the API
   * server made of a request that was given up.
   */
  #removeStrays(id: string): void {
    if (this.#removals.has(id)) return
    const attempt = new Attempt(id, objectName(this.#options.instance, id))
    const strays = this.#cache.podsOf(id).filter(({ kept }) => kept)
    if (this.#cache.jobs.get(attempt.name)?.deleting === false) this.#remove(id, () => this.#objects.remove(attempt))
    else if (strays.length > 0) this.#remove(id, () => this.#objects.removePods(strays))
  }

  #remove(id: string, work: () => Promise<void>): void {
    const removal = this.#untilDone(id, work).finally(() => this.#removals.delete(id))
    this.#removals.set(id, removal)
    this.#own(removal, id)
  }

  /** Does something to an attempt's objects, after what was asked for before, and again until it is done. */
  #insist(attempt: Attempt, work: () => Promise<void>): void {
    this.#own(
      attempt.inTurn(() => this.#untilDone(attempt.id, work)),
      attempt.id,
    )
  }

  async #untilDone(attemptId: string, work: () => Promise<void>): Promise<void> {
    for (let restMs = 1_000; ; restMs = Math.min(2 * restMs, mostRestMs)) {
      try {
        await work()
        return
      } catch (error) {
        if (this.#closing.signal.aborted) throw error
        this.#options.log.warn({ attemptId, err: error }, 'the cluster refused a change; it is tried again')
      }
      await sleep(restMs, undefined, { signal: this.#closing.signal })
    }
  }

  #look(attempt: Attempt): void {
    if (!attempt.made || attempt.ended || attempt.settling !== undefined) return
    const { imageSeconds } = this.#options
    const job = this.#cache.jobs.get(attempt.name)
    const pod = this.#cache.podOf(attempt.id)
    const now = Date.now()
    if (job?.deleting === true) attempt.deletingSince ??= now
    if (pod?.gated === true) this.#openGate(attempt, pod)
    const requeued = this.#cache.podsOf(attempt.id).some((other) => other.gated && other !== pod)
    // It has had its run: no second one follows.
    if ((job?.suspended === true && pod !== undefined) || requeued) this.#runNoMore(attempt, now)
    const shown = shownBy({
      job,
      pod,
      node: pod?.node === undefined ? undefined : this.#cache.nodes.get(pod.node),
      requeued,
      stopAsked: attempt.stopAsked,
      deletingForMs: attempt.deletingSince === undefined ? 0 : now - attempt.deletingSince,
      warning: this.#cache.warning(attempt.id),
      imageSeconds,
      now,
    })
    if (shown.failure !== undefined) this.#giveUp(attempt, shown.failure)
    else if (shown.phase === 'ended') {
      attempt.settling = this.#settle(attempt, shown)
      this.#own(attempt.settling, attempt.id)
    } else {
      if (shown.phase === 'running') this.#copyLog(attempt)
      this.#show(attempt, shown)
    }
  }

  /** Opens the gate for the first pod of an attempt, and for no other that is made while this server is away. */
  #openGate(attempt: Attempt, pod: PodRecord): void {
    if (attempt.stopAsked || attempt.gateOf === pod.uid) return
    attempt.gateOf = pod.uid
    const opened = attempt.inTurn(async () => {
      try {
        if (await this.#folders.grantRun(attempt.id, pod.uid)) await this.#objects.openGate(pod)
        else {
          this.#runNoMore(attempt, Date.now())
          // Nobody else ends it: its Job, kept until its ending is known, still owns it.
          await this.#objects.removePods([pod])
        }
      } catch (error) {
        attempt.gateOf = undefined // it is looked at again, as long as the attempt waits
        throw error
      }
    })
    this.#own(opened, attempt.id)
  }

  #runNoMore(attempt: Attempt, now: number): void {
    if (attempt.deletingSince !== undefined) return
    attempt.deletingSince = now
    this.#insist(attempt, () => this.#objects.deleteJob(attempt))
  }

  #show(attempt: Attempt, { failure: _, silence, ...shown }: Shown): void {
    const wait = silence ?? shown.waiting
    if (attempt.waits(wait, Date.now()))
      this.#tell(attempt.id, 'Warning', silence === undefined ? 'Waiting' : 'NodeSilent', wait ?? '')
    attempt.observed = { attemptId: attempt.id, ...shown }
  }

  /** It will not run: it ends now, and its objects are taken away from the cluster's hands. */
  #giveUp(attempt: Attempt, cause: Cause): void {
    const at = Date.now()
    const annotations = { [causeAnnotation]: JSON.stringify({ cause, at }) }
    this.#insist(attempt, () => this.#objects.end(attempt, annotations, 1))
    this.#finish(attempt, { phase: 'ended', ending: { at, cause, stopped: attempt.stopAsked } })
  }

  /** Fetches the rest of the log; only then has the attempt ended for all to see. */
  async #settle(attempt: Attempt, shown: Shown): Promise<void> {
    const pod = this.#cache.podOf(attempt.id)
    const hasRun = pod?.container.startedAt !== undefined || attempt.copier !== undefined
    // Of a pod that is gone there may be what an earlier server has copied.
    if (hasRun || (await LogWriter.isBegun(this.#folders.of(attempt.id)))) {
      const node = pod?.node === undefined ? undefined : this.#cache.nodes.get(pod.node)
      attempt.copier ??= this.#copierOf(attempt, pod?.name ?? '')
      // Whoever told how the container ended is there, although the cluster may not have noticed yet that it is back.
      const terminated = pod?.container.terminated
      const told = terminated !== undefined && terminated.reason !== 'ContainerStatusUnknown'
      const isThere = pod !== undefined && (node?.ready === true || told)
      const { joined, missing } = await attempt.copier.finish(isThere, pod?.deletingUntil !== undefined)
      attempt.joined = joined
      if (missing !== undefined) this.#tell(attempt.id, 'Warning', 'LogIncomplete', missing)
    }
    this.#finish(attempt, shown)
  }

  #finish(attempt: Attempt, { ending, phase: _, waiting: __, ...facts }: Shown): void {
    if (ending === undefined) throw new Error('It has not ended.')
    const usage = this.#usage.total(attempt.id)
    attempt.joined ??= {}
    attempt.end({ ...ending, ...(usage === undefined ? {} : { usage }) }, facts)
    this.#changed()
  }

  #copyLog(attempt: Attempt): void {
    const pod = this.#cache.podOf(attempt.id)
    if (pod === undefined) return
    attempt.copier ??= this.#copierOf(attempt, pod.name)
    const following = attempt.copier.follow(() => this.#followLease())
    if (following !== undefined) this.#own(following, attempt.id)
  }

  #copierOf(attempt: Attempt, pod: string): LogCopier {
    const { namespace, logLimitBytes } = this.#options
    return new LogCopier({
      api: this.#api,
      attemptId: attempt.id,
      namespace,
      pod,
      folder: this.#folders.of(attempt.id),
      limitBytes: logLimitBytes ?? 64 * 2 ** 20,
      looks: this.#looks,
      wake: attempt.wake,
      onGap: () => {
        const message = 'Part of its log may be missing: its node had put it away before it was fetched.'
        this.#tell(attempt.id, 'Warning', 'LogIncomplete', message)
      },
      signal: this.#closing.signal,
      log: this.#options.log,
    })
  }

  /** A place among the logs that are followed; undefined when all are taken. */
  #followLease(): Disposable | undefined {
    if (this.#followed >= (this.#options.followedLogs ?? 200)) return undefined
    this.#followed++
    let given = true
    return {
      [Symbol.dispose]: () => {
        if (given) this.#followed--
        given = false
      },
    }
  }

  #runningLog(attemptId: string): RunningLog | undefined {
    const attempt = this.#attempts.get(attemptId)
    if (attempt === undefined || attempt.ended) return undefined
    return {
      logLimitBytes: this.#options.logLimitBytes ?? 64 * 2 ** 20,
      get joined() {
        return attempt.ended ? attempt.joined : undefined
      },
      changed: attempt.changed,
      wake: attempt.wake,
    }
  }

  #changed(): void {
    for (const listener of this.#changeListeners) listener()
  }

  #tell(attemptId: string, type: ExecutorEvent['type'], reason: string, message: string): void {
    for (const listener of this.#eventListeners) listener({ attemptId, at: Date.now(), type, reason, message })
  }

  /** Gives a promise that nobody awaits an owner. */
  #own(work: Promise<void>, attemptId: string): void {
    const owned = work.catch((error: unknown) => {
      if (!this.#closing.signal.aborted) this.#options.log.error({ attemptId, err: error }, 'work on an attempt failed')
    })
    this.#background.add(owned)
    void owned.finally(() => this.#background.delete(owned))
  }
}
