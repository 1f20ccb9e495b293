import { setTimeout as sleep } from 'node:timers/promises'
import type { Usage } from '@science-platform/contract'
import { Semaphore } from '../../lib/semaphore.ts'
import type { AttemptSpec, Executor, ExecutorEvent, LogRange, Node, Observed, Output } from '../executor.ts'
import { AttemptLogs, noteGap, type RunningLog } from '../log/attempt-log.ts'
import { KubernetesApi } from './api/api-client.ts'
import { requireLocalQueue } from './api/local-queue.ts'
import { requireRights } from './api/rights.ts'
import { adoptAttempts, adoptJob, type AdoptionSources } from './attempt/adoption.ts'
import { AttemptFolders } from './attempt/attempt-folder.ts'
import { Attempt } from './attempt/attempt.ts'
import { AttemptReconciler } from './attempt/reconciler.ts'
import { UsageSampler } from './attempt/usage-sampler.ts'
import { BackgroundTasks } from './background-tasks.ts'
import { ClusterCache } from './cache/cluster-cache.ts'
import { nodesOf } from './cache/node-capacity.ts'
import type { JobCounts } from './lease/judge-lease.ts'
import { NamespaceLease } from './lease/namespace-lease.ts'
import { LogCopiers } from './log/log-copiers.ts'
import { AttemptObjects } from './objects/attempt-objects.ts'
import { CreationQueue } from './objects/creation-queue.ts'
import { objectName, stopAnnotation } from './objects/names.ts'
import { ObjectRemovals } from './objects/object-removals.ts'
import type { KubernetesOptions } from './settings.ts'

/** Runs attempts as Jobs of a Kubernetes cluster. */
export function createKubernetesExecutor(options: KubernetesOptions): Executor {
  return new KubernetesExecutor(options)
}

/** Milliseconds that closing waits for the removals that are under way. */
const lastRemovalsMs = 5_000

/** Attempts at once whose log is moved: more would keep the threads of the file system from other work. */
const logMovesAtOnce = 8

/** Milliseconds that opening waits for the logs of attempts that have ended. */
const openingLogsMs = 20_000

/** Milliseconds that closing waits for the release of the Lease. */
const releaseMs = 2_000

/** Milliseconds between two reconciliations of an attempt without a change in the cluster: time limits of waiting pass. */
const resyncMs = 2_000

class KubernetesExecutor implements Executor {
  readonly name = 'kubernetes'
  readonly workingDirectoryNeedsCommand = true
  readonly #options: KubernetesOptions
  readonly #logLimitBytes: number
  readonly #api: KubernetesApi
  readonly #cache: ClusterCache
  readonly #objects: AttemptObjects
  readonly #usage: UsageSampler
  readonly #creationQueue: CreationQueue
  readonly #removals: ObjectRemovals
  readonly #reconciler: AttemptReconciler
  readonly #folders: AttemptFolders
  readonly #logs: AttemptLogs
  readonly #lease: NamespaceLease
  readonly #attempts = new Map<string, Attempt>()
  /** Attempts with objects in the cluster that the database has no record of. Nothing of them is changed. */
  readonly #unrecorded = new Set<string>()
  readonly #logMoves = new Semaphore(logMovesAtOnce)
  readonly #changeListeners: (() => void)[] = []
  readonly #eventListeners: ((event: ExecutorEvent) => void)[] = []
  readonly #closing = new AbortController()
  readonly #tasks: BackgroundTasks
  /** Attempts that {@link KubernetesExecutor.#examine} works on. */
  readonly #examining = new Set<string>()
  #resync: NodeJS.Timeout | undefined
  /** Whether all attempts of earlier servers are adopted. */
  #isOpen = false

  constructor(options: KubernetesOptions) {
    const { identity, namespace, instance, gpuResource, listSeconds = 10, homesFolder, log } = options
    const closing = this.#closing.signal
    this.#options = options
    this.#logLimitBytes = options.logLimitBytes ?? 64 * 2 ** 20
    const api = new KubernetesApi(identity, { log })
    const folders = new AttemptFolders(options.dataDir)
    const tasks = new BackgroundTasks(closing, log)
    const cache = new ClusterCache({
      api,
      namespace,
      instance,
      gpuResource,
      listSeconds,
      log,
      onChange: (ids) => {
        this.#reconcile(ids)
      },
    })
    const objects = new AttemptObjects({ api, cache, settings: options, closing })
    const usage = new UsageSampler({
      api,
      source: options.usage,
      namespace,
      pods: () =>
        [...cache.pods.values()].filter(
          ({ phase, attemptId }) => phase === 'Running' && this.#attempts.get(attemptId)?.custody.type === 'tracked',
        ),
      signal: closing,
      log,
    })
    const copiers = new LogCopiers({
      api,
      namespace,
      folders,
      limitBytes: this.#logLimitBytes,
      followed: options.followedLogs ?? 200,
      onGap: (attemptId) => {
        const message = 'Part of the log may be missing: the node deleted it before it was copied.'
        this.#report(attemptId, 'Warning', 'LogIncomplete', message)
      },
      signal: closing,
      log,
    })
    const reconciler = new AttemptReconciler({
      cache,
      objects,
      folders,
      copiers,
      usage,
      tasks,
      onEvent: (...event) => {
        this.#report(...event)
      },
      onEnd: () => {
        this.#changed()
      },
      log,
    })
    this.#creationQueue = new CreationQueue({
      objects,
      cache,
      folders,
      homesFolder,
      closing,
      onFailure: (attempt, error) => {
        reconciler.endNotCreated(attempt, error)
      },
      onDelay: (attempt, waiting) => {
        reconciler.show(attempt, { phase: 'preparing', waiting })
      },
      onHomeOfAnother: (attempt, message) => {
        this.#report(attempt.id, 'Warning', 'HomeOfAnother', message)
      },
      tasks,
    })
    this.#lease = new NamespaceLease({
      api,
      namespace,
      instance,
      identity: options.ownership.identity,
      signal: closing,
      onLost: options.onLeaseLost,
      log,
    })
    this.#removals = new ObjectRemovals({ objects, cache, instance, tasks })
    this.#logs = new AttemptLogs(folders, (attemptId) => this.#runningLog(attemptId))
    this.#api = api
    this.#folders = folders
    this.#tasks = tasks
    this.#cache = cache
    this.#objects = objects
    this.#usage = usage
    this.#reconciler = reconciler
  }

  nodes(): Promise<readonly Node[]> {
    return Promise.resolve(nodesOf(this.#cache.nodes.values(), this.#cache.tenants.values(), this.#options))
  }

  async open(): Promise<void> {
    const { namespace, queue } = this.#options
    const signal = this.#closing.signal
    // 1. Check what the executor needs of the cluster.
    await this.#folders.open()
    await requireRights(this.#api, namespace, signal, this.#options)
    if (queue !== undefined) await requireLocalQueue(this.#api, namespace, queue.localQueue, signal)
    // 2. Fill the cache, take the Lease, and adopt the attempts of earlier servers.
    await this.#cache.open()
    await this.#lease.take(await this.#countJobs())
    const { attempts, suspended, unrecorded } = await adoptAttempts(this.#sources)
    for (const attempt of attempts) this.#attempts.set(attempt.id, attempt)
    for (const id of unrecorded) this.#unrecorded.add(id)
    this.#stampJobs()
    for (const attempt of suspended) this.#reconciler.preventSecondRun(attempt, Date.now())
    // 3. Bring all up to date, so that the first list shows the endings.
    this.#reconcile([...this.#attempts.keys()])
    const settling = attempts.flatMap(({ custody }) => (custody.type === 'settling' ? [custody.done] : []))
    await Promise.race([Promise.allSettled(settling), sleep(openingLogsMs, undefined, { ref: false })])
    // 4. Follow the cluster from now on.
    this.#isOpen = true
    this.#resync = setInterval(() => {
      this.#reconcile([...this.#attempts.values()].filter(({ ended }) => !ended).map(({ id }) => id))
      if (this.#unrecorded.size > 0) this.#tasks.own('', this.#adoptRecorded())
    }, resyncMs)
    this.#usage.start()
  }

  async start(spec: AttemptSpec): Promise<void> {
    await this.#adoptIfRecorded(spec.id)
    if (this.#attempts.has(spec.id)) return
    const attempt = Attempt.queued(spec.id, objectName(this.#options.instance, spec.id))
    this.#attempts.set(spec.id, attempt)
    this.#creationQueue.add(attempt, spec)
  }

  async stop(attemptId: string, graceSeconds: number): Promise<void> {
    await this.#adoptIfRecorded(attemptId)
    const attempt = this.#attempts.get(attemptId)
    if (attempt === undefined || attempt.ended) return
    attempt.stopRequested = true
    const reason = new Error('The attempt was stopped.')
    if (attempt.custody.type === 'queued') this.#reconciler.endNotCreated(attempt, reason)
    this.#creationQueue.remove(attempt, reason)
    const annotations = { [stopAnnotation]: String(graceSeconds) }
    this.#reconciler.change(attempt, () =>
      this.#tasks.retry(attempt.id, () => this.#objects.end(attempt, annotations, graceSeconds)),
    )
  }

  list(): Promise<readonly Observed[]> {
    const unrecorded = [...this.#unrecorded].map((attemptId): Observed => {
      const startedAt = this.#cache.podOf(attemptId)?.container.startedAt
      return startedAt === undefined ? { attemptId, phase: 'preparing' } : { attemptId, phase: 'running', startedAt }
    })
    return Promise.resolve([...this.#attempts.values()].map(({ observed }) => observed).concat(unrecorded))
  }

  async forget(attemptId: string): Promise<void> {
    const attempt = this.#attempts.get(attemptId)
    if (attempt === undefined) return
    if (!attempt.ended) throw new Error(`Attempt ${attemptId} has not ended; it cannot be forgotten.`)
    // The log is moved first. Until that has succeeded, the attempt is listed and a caller may retry.
    const joined = attempt.custody.type === 'ended' ? attempt.custody.joined : {}
    await this.#logMoves.take(this.#closing.signal, async () => {
      await noteGap(this.#folders, attemptId, joined)
      await this.#folders.keepOnlyLog(attemptId)
    })
    if (this.#attempts.delete(attemptId)) this.#removals.remove(attempt)
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

  output(attemptId: string, from: number): Promise<Output | undefined> {
    return this.#logs.output(attemptId, from)
  }

  readOutput(attemptId: string, start: number, end: number): AsyncIterable<Uint8Array> {
    return this.#logs.readOutput(attemptId, start, end)
  }

  followOutput(attemptId: string, start: number, signal: AbortSignal): AsyncIterable<Uint8Array> {
    return this.#logs.followOutput(attemptId, start, signal)
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
    clearInterval(this.#resync)
    // The next server would continue them, but there may be none: then finalizers would block their namespace for ever.
    await this.#removals.settled(lastRemovalsMs)
    await this.#releaseLease()
    const stopping = new Error('The platform is stopping.')
    this.#closing.abort(stopping)
    for (const { creation } of this.#attempts.values()) creation?.abort(stopping)
    await this.#cache.close()
    await this.#tasks.settled()
    await this.#lease.settled()
    this.#api.close()
  }

  /** Brings attempts up to date with the cache. */
  #reconcile(ids: readonly string[]): void {
    if (this.#closing.signal.aborted) return
    for (const id of ids) {
      const attempt = this.#attempts.get(id)
      if (attempt !== undefined) this.#reconciler.reconcile(attempt)
      else if (this.#isOpen) this.#examine(id)
    }
    this.#changed()
  }

  /** Examines, in the background, an attempt that has objects in the cluster and is not known here. */
  #examine(id: string): void {
    if (this.#examining.has(id) || this.#removals.isUnderWay(id)) return
    this.#examining.add(id)
    const done = this.#examineNow(id).finally(() => this.#examining.delete(id))
    this.#tasks.own(id, done)
  }

  async #examineNow(id: string): Promise<void> {
    if (!this.#cache.hasObjects(id)) {
      if (this.#unrecorded.delete(id)) this.#changed()
      return
    }
    if (this.#unrecorded.has(id)) return
    const recorded = await this.#options.ownership.recorded([id])
    if (this.#attempts.has(id) || this.#closing.signal.aborted) return
    if (recorded.has(id)) this.#removals.removeStrays(id)
    else {
      this.#unrecorded.add(id)
      this.#changed()
    }
  }

  /** Takes over the attempts that got their record after they were found, as by `science-platform adopt`. */
  async #adoptRecorded(): Promise<void> {
    for (const id of await this.#options.ownership.recorded([...this.#unrecorded])) await this.#adopt(id)
  }

  async #adoptIfRecorded(id: string): Promise<void> {
    if (this.#unrecorded.has(id) && (await this.#options.ownership.recorded([id])).has(id)) await this.#adopt(id)
  }

  async #adopt(id: string): Promise<void> {
    if (!this.#unrecorded.has(id)) return
    const job = this.#cache.jobs.get(objectName(this.#options.instance, id))
    const adopted = job && (await adoptJob(job, this.#sources))
    this.#unrecorded.delete(id)
    if (adopted === undefined || this.#attempts.has(id)) return
    this.#attempts.set(id, adopted.attempt)
    if (adopted.isSuspended) this.#reconciler.preventSecondRun(adopted.attempt, Date.now())
    this.#stampJobs()
    this.#reconcile([id])
  }

  /** Stamps the identity on the Jobs of attempts with a record that an earlier release, or another database, created. */
  #stampJobs(): void {
    const { identity } = this.#options.ownership
    for (const job of this.#cache.jobs.values()) {
      const attempt = this.#attempts.get(job.attemptId)
      if (attempt !== undefined && job.identity !== identity && !job.deleting)
        this.#reconciler.change(attempt, () =>
          this.#tasks.retry(attempt.id, () => this.#objects.stamp(attempt, identity)),
        )
    }
  }

  async #countJobs(): Promise<JobCounts> {
    const ids = [...this.#cache.jobs.values()].filter(({ failed }) => !failed).map(({ attemptId }) => attemptId)
    const { size } = await this.#options.ownership.recorded(ids)
    return { recorded: size, others: ids.length - size }
  }

  /** A cluster that does not answer does not delay the stop of the server: the next one waits for the Lease to run out. */
  async #releaseLease(): Promise<void> {
    const released = this.#lease.release().catch((error: unknown) => {
      this.#options.log.debug({ err: error }, 'the Lease could not be released')
    })
    await Promise.race([released, sleep(releaseMs, undefined, { ref: false })])
  }

  get #sources(): AdoptionSources {
    const { instance, ownership } = this.#options
    return { cache: this.#cache, folders: this.#folders, objects: this.#objects, instance, ownership }
  }

  #runningLog(attemptId: string): RunningLog | undefined {
    const attempt = this.#attempts.get(attemptId)
    if (attempt === undefined) return undefined
    return {
      logLimitBytes: this.#logLimitBytes,
      get joined() {
        return attempt.custody.type === 'ended' ? attempt.custody.joined : undefined
      },
      changed: attempt.changed,
      wake: attempt.wake,
    }
  }

  #changed(): void {
    for (const listener of this.#changeListeners) listener()
  }

  #report(attemptId: string, type: ExecutorEvent['type'], reason: string, message: string): void {
    for (const listener of this.#eventListeners) listener({ attemptId, at: Date.now(), type, reason, message })
  }
}
