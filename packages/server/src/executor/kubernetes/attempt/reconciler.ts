import type { Cause } from '@science-platform/contract'
import type { Logger } from 'pino'
import { printReference, unknownImage, type ImageReference } from '../../../job/image-reference.ts'
import { Backoff } from '../../../lib/backoff.ts'
import { execFailure, notRunnable, stoppedBeforeStart } from '../../causes.ts'
import type { ExecutorEvent } from '../../executor.ts'
import { readShortLog } from '../../log/attempt-log.ts'
import { LogWriter } from '../../log/log-writer.ts'
import type { BackgroundTasks } from '../background-tasks.ts'
import type { ClusterCache } from '../cache/cluster-cache.ts'
import type { PodRecord } from '../cache/records.ts'
import type { LogCopiers } from '../log/log-copiers.ts'
import type { AttemptObjects } from '../objects/attempt-objects.ts'
import { CannotRun } from '../objects/job-object.ts'
import { causeAnnotation } from '../objects/names.ts'
import type { AttemptFolders } from './attempt-folder.ts'
import type { Attempt } from './attempt.ts'
import type { Tracked } from './custody.ts'
import { observe, type GivenUp, type Observation } from './observation.ts'
import type { UsageSampler } from './usage-sampler.ts'

/** Settings of {@link AttemptReconciler}. */
export interface AttemptReconcilerOptions {
  readonly cache: ClusterCache
  readonly objects: AttemptObjects
  readonly folders: AttemptFolders
  readonly copiers: LogCopiers
  readonly usage: UsageSampler
  readonly tasks: BackgroundTasks
  readonly onEvent: (attemptId: string, type: ExecutorEvent['type'], reason: string, message: string) => void
  /** An attempt has ended. */
  readonly onEnd: () => void
  readonly log: Logger
}

/** Follows what becomes of attempts: compares each with the cache of the cluster, and acts on the difference. */
export class AttemptReconciler {
  readonly #options: AttemptReconcilerOptions
  /** Longer than on one machine: each try is a pod that the cluster schedules. */
  readonly #registries = new Backoff<undefined>({ firstMs: 10_000, mostMs: 60_000, random: Math.random })

  constructor(options: AttemptReconcilerOptions) {
    this.#options = options
  }

  /** Brings one attempt up to date with the cache. Cheap, and safe to repeat. */
  reconcile(attempt: Attempt): void {
    const { custody } = attempt
    if (custody.type !== 'tracked') return
    const { cache } = this.#options
    const now = Date.now()
    // 1. Read the evidence from the cache.
    const job = cache.jobs.get(attempt.name)
    const pod = cache.podOf(attempt.id)
    const requeued = cache.podsOf(attempt.id).some((other) => other.gated && other !== pod)
    // 2. Let the first pod run, and no second one.
    if (job?.deleting === true) attempt.apply({ type: 'deletion-began', at: now })
    if (pod?.gated === true) this.#openGate(attempt, custody, pod)
    if ((job?.suspended === true && pod !== undefined) || requeued) this.preventSecondRun(attempt, now)
    if (job?.deleting === true && pod !== undefined) this.#endPod(attempt, pod)
    // 3. Decide what the evidence shows.
    const observation = observe({
      job,
      pod,
      node: pod?.node === undefined ? undefined : cache.nodes.get(pod.node),
      requeued,
      stopRequested: attempt.stopRequested,
      deletingForMs: attempt.deletingSince === undefined ? 0 : now - attempt.deletingSince,
      warning: cache.warnings.get(attempt.id, now),
      now,
    })
    // 4. Act on it.
    if (observation.failure !== undefined) this.#giveUp(attempt, observation.failure, observation.passes && job?.image)
    else if (observation.phase === 'ended') this.#settle(attempt, custody, observation)
    else {
      if (observation.phase === 'running' && pod !== undefined) this.#copyLog(attempt, custody, pod)
      this.show(attempt, observation)
    }
  }

  /** Shows what an attempt does or waits for, and reports an event where it waits for long. */
  show(attempt: Attempt, { failure: _, passes: __, silence, ...observed }: Observation): void {
    // The creation queue may still retry a Secret after the end.
    if (attempt.custody.type === 'settling' || attempt.ended) return
    const wait = silence ?? observed.waiting
    if (attempt.isReportDue(wait, Date.now()))
      this.#options.onEvent(attempt.id, 'Warning', silence === undefined ? 'Waiting' : 'NodeSilent', wait ?? '')
    attempt.observed = { attemptId: attempt.id, ...observed }
  }

  /** Ends an attempt whose objects were not created. */
  endNotCreated(attempt: Attempt, error: unknown): void {
    const ending = { at: Date.now(), cause: this.#causeOf(attempt, error), stopped: attempt.stopRequested }
    this.#finish(attempt, { phase: 'ended', ending })
  }

  /** Deletes the attempt's Job, so that the cluster creates no further pod of it. */
  preventSecondRun(attempt: Attempt, now: number): void {
    if (attempt.custody.type !== 'tracked' || attempt.deletingSince !== undefined) return
    const { objects, tasks } = this.#options
    attempt.apply({ type: 'deletion-began', at: now })
    this.change(attempt, () => tasks.retry(attempt.id, () => objects.deleteJob(attempt)))
  }

  /** Ends the pod of a Job that was deleted by hand: the finalizer keeps the Job, and so the cluster does not remove its pod. */
  #endPod(attempt: Attempt, pod: PodRecord): void {
    if (attempt.stopRequested || pod.deletingUntil !== undefined || pod.container.terminated !== undefined) return
    if (attempt.custody.type !== 'tracked' || attempt.custody.podDeletedFor === pod.uid) return
    const { objects, tasks } = this.#options
    attempt.apply({ type: 'pod-deleted', podUid: pod.uid })
    this.change(attempt, () => tasks.retry(attempt.id, () => objects.endPod(pod)))
  }

  /** Changes an attempt's objects in the background, after the changes that were scheduled before. */
  change(attempt: Attempt, change: () => Promise<void>): void {
    this.#options.tasks.own(attempt.id, attempt.serialize(change))
  }

  /** Opens the scheduling gate of the attempt's first pod. A pod that was created since is removed. */
  #openGate(attempt: Attempt, custody: Tracked, pod: PodRecord): void {
    if (attempt.stopRequested || custody.gateOpenedFor === pod.uid) return
    const { folders, objects } = this.#options
    attempt.apply({ type: 'gate-opened', podUid: pod.uid })
    this.change(attempt, async () => {
      try {
        if (await folders.grantRun(attempt.id, pod.uid)) await objects.openGate(pod)
        else {
          this.preventSecondRun(attempt, Date.now())
          // The Job owns the pod and keeps its finalizer, so garbage collection does not remove the pod.
          await objects.removePods([pod])
        }
      } catch (error) {
        attempt.apply({ type: 'gate-refused' }) // the next reconciliation tries again
        throw error
      }
    })
  }

  /**
   * Ends an attempt that will not run, and then removes its objects from the cluster.
   * @param retried the image, where another attempt may be able to have it
   */
  #giveUp(attempt: Attempt, cause: Cause, retried: ImageReference | undefined): void {
    const { objects, tasks } = this.#options
    const at = Date.now()
    // Attempts with the same image wait together, whatever node they were on.
    const retry =
      retried === undefined
        ? {}
        : { retry: { notBefore: this.#registries.failed(printReference(retried), undefined, at) } }
    const annotations = { [causeAnnotation]: JSON.stringify({ cause, at, ...retry } satisfies GivenUp) }
    this.change(attempt, () => tasks.retry(attempt.id, () => objects.end(attempt, annotations, 1)))
    this.#finish(attempt, { phase: 'ended', ending: { at, cause, stopped: attempt.stopRequested, ...retry } })
  }

  /** Copies the rest of the log. The attempt is shown as ended only after that. */
  #settle(attempt: Attempt, custody: Tracked, observation: Observation): void {
    const done = this.#copyRest(attempt, custody, observation)
    attempt.apply({ type: 'container-ended', done })
    this.#options.tasks.own(attempt.id, done)
  }

  async #copyRest(attempt: Attempt, { copier }: Tracked, observation: Observation): Promise<void> {
    const { cache, copiers, folders, onEvent } = this.#options
    const pod = cache.podOf(attempt.id)
    const hasRun = pod?.container.startedAt !== undefined || copier !== undefined
    // The pod may be gone, and an earlier server may have copied its log.
    if (!hasRun && !(await LogWriter.isBegun(folders.of(attempt.id)))) {
      this.#finish(attempt, observation)
      return
    }
    const node = pod?.node === undefined ? undefined : cache.nodes.get(pod.node)
    // A node that reported the end of the container answers, although the cluster may still show it as not ready.
    const terminated = pod?.container.terminated
    const hasReported = terminated !== undefined && terminated.reason !== 'ContainerStatusUnknown'
    const nodeAnswers = pod !== undefined && (node?.ready === true || hasReported)
    const { joined, missing } = await (copier ?? copiers.of(attempt, pod?.name ?? '')).finish(
      nodeAnswers,
      pod?.deletingUntil !== undefined,
    )
    if (missing !== undefined) onEvent(attempt.id, 'Warning', 'LogIncomplete', missing)
    this.#finish(attempt, await this.#withProgram(attempt, observation), joined)
  }

  /** A container whose program could not be executed has the runtime's message as its whole log, and an exit code of the runtime. */
  async #withProgram(attempt: Attempt, observation: Observation): Promise<Observation> {
    const { ending } = observation
    if (ending?.cause.code !== 'exited' || ending.exitCode === undefined || ending.exitCode === 0) return observation
    const { cache, folders } = this.#options
    const failed = execFailure(ending.exitCode, await readShortLog(folders.of(attempt.id)))
    if (failed === undefined) return observation
    const job = cache.jobs.get(attempt.name)
    const runner = { image: job?.image ?? unknownImage, account: { name: job?.account ?? '' } }
    const cause = notRunnable(failed.program, failed.reason, runner, { isThere: failed.isThere })
    return { ...observation, ending: { ...ending, cause } }
  }

  #finish(attempt: Attempt, { ending, phase: _, waiting: __, ...facts }: Observation, joined = {}): void {
    if (ending === undefined) throw new Error('The attempt has not ended.')
    const { usage: sampler, onEnd } = this.#options
    const usage = sampler.remove(attempt.id)
    attempt.end({ ...ending, ...(usage === undefined ? {} : { usage }) }, facts, joined)
    onEnd()
  }

  #copyLog(attempt: Attempt, custody: Tracked, pod: PodRecord): void {
    const { copiers, tasks } = this.#options
    if (custody.copier !== undefined) return
    const copier = copiers.of(attempt, pod.name)
    attempt.apply({ type: 'copying-began', copier })
    const copying = copier.follow(copiers.lease)
    if (copying !== undefined) tasks.own(attempt.id, copying)
  }

  #causeOf(attempt: Attempt, error: unknown): Cause {
    if (attempt.stopRequested) return stoppedBeforeStart
    if (error instanceof CannotRun) return { code: 'start-failed', message: error.message, hint: error.hint }
    this.#options.log.warn({ attemptId: attempt.id, err: error }, 'objects of an attempt could not be created')
    const message = error instanceof Error ? error.message : String(error)
    return {
      code: 'start-failed',
      message: `The cluster refused the job: ${message}`,
      hint: 'If it fails again, ask the operators of the platform.',
    }
  }
}
