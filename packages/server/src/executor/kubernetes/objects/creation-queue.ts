import { realpath } from 'node:fs/promises'
import { isAbsolute, join, sep } from 'node:path'
import { setTimeout as sleep } from 'node:timers/promises'
import { homeOf } from '../../container-user.ts'
import type { AttemptSpec } from '../../executor.ts'
import { homeOfAnother, makeHome, type Home } from '../../home.ts'
import type { ApiError } from '../api/api-error.ts'
import type { AttemptFolders } from '../attempt/attempt-folder.ts'
import type { Attempt } from '../attempt/attempt.ts'
import type { BackgroundTasks } from '../background-tasks.ts'
import type { ClusterCache } from '../cache/cluster-cache.ts'
import { QuotaExceeded, type AttemptObjects } from './attempt-objects.ts'
import { hasSecrets } from './job-object.ts'

/** Attempts whose objects are created at once. */
const concurrency = 16

/** Milliseconds after which an attempt that exceeds a quota is queued again. */
const quotaRetryMs = 10_000

/** What an attempt in the queue waits for. */
const queuedText = 'The job waits until the objects of the jobs before it are created in the cluster.'

/** Settings of {@link CreationQueue}. */
export interface CreationQueueOptions {
  readonly objects: AttemptObjects
  readonly cache: ClusterCache
  readonly folders: AttemptFolders
  /** Where this process sees the volume of the homes; undefined: another program creates them. */
  readonly homesFolder: string | undefined
  /** Aborts the waits of the queue. */
  readonly closing: AbortSignal
  /** The objects of an attempt cannot be created, and a retry is useless. */
  readonly onFailure: (attempt: Attempt, error: unknown) => void
  /** An attempt waits for a retry. */
  readonly onDelay: (attempt: Attempt, reason: string) => void
  /** The home of an attempt's account belongs to another user. */
  readonly onHomeOfAnother: (attempt: Attempt, message: string) => void
  readonly tasks: BackgroundTasks
}

/**
 * Creates the objects of attempts, 16 attempts at once, in order of arrival. Of ten thousand that start together, most wait as
 * their specification, which takes the least memory.
 */
export class CreationQueue {
  readonly #options: CreationQueueOptions
  readonly #waiting = new Map<Attempt, AttemptSpec>()
  #underWay = 0

  constructor(options: CreationQueueOptions) {
    this.#options = options
  }

  add(attempt: Attempt, spec: AttemptSpec): void {
    this.#waiting.set(attempt, spec)
    attempt.observed = { ...attempt.observed, waiting: queuedText }
    this.#next()
  }

  /** Removes an attempt from the queue. A creation that is under way fails with this error. */
  remove(attempt: Attempt, reason: Error): void {
    this.#waiting.delete(attempt)
    attempt.creation?.abort(reason)
  }

  #next(): void {
    const { closing, tasks } = this.#options
    while (this.#underWay < concurrency && !closing.aborted) {
      const [next] = this.#waiting
      if (next === undefined) return
      const [attempt, spec] = next
      this.#waiting.delete(attempt)
      this.#underWay++
      const created = attempt.serialize(() => this.#create(attempt, spec))
      tasks.own(
        attempt.id,
        created.finally(() => {
          this.#underWay--
          this.#next()
        }),
      )
    }
  }

  async #create(attempt: Attempt, spec: AttemptSpec): Promise<void> {
    if (attempt.ended) return
    const { closing, onFailure } = this.#options
    const abort = new AbortController()
    attempt.apply({ type: 'creation-began', abort })
    try {
      await this.#createObjects(attempt, spec, abort.signal)
    } catch (error) {
      // A closing server leaves the attempt to the next one. A stopped attempt that has a Job is ended next.
      if (closing.aborted || (attempt.custody.type !== 'creating' && attempt.stopRequested)) return
      if (error instanceof QuotaExceeded && !attempt.stopRequested) this.#requeue(attempt, spec, error)
      else onFailure(attempt, error)
    } finally {
      attempt.apply({ type: 'creation-ended' })
    }
  }

  async #createObjects(attempt: Attempt, spec: AttemptSpec, signal: AbortSignal): Promise<void> {
    const { objects, cache, folders, onDelay } = this.#options
    const onRetry = ({ status, message }: ApiError): void => {
      onDelay(
        attempt,
        status === 0
          ? 'The API server of the cluster does not answer. The platform retries until it does.'
          : `The cluster does not accept the job yet: ${message}. The platform retries.`,
      )
    }
    if (await folders.wasRemoved(spec.id))
      throw new Error(`attempt ${spec.id} has run and was removed; it does not run twice`)
    signal.throwIfAborted()
    await this.#createHome(attempt, spec)
    const job = await objects.createJob(attempt, spec, signal, onRetry)
    // The cache comes first: a tracked attempt without a Job in the cache counts as deleted by hand.
    cache.upsertJob(job)
    attempt.apply({ type: 'job-created' })
    await folders.noteCreated(spec.id, job.metadata?.uid ?? '')
    if (hasSecrets(spec)) await objects.createSecret(spec, job, signal, onRetry)
  }

  /** Queues an attempt again later: others that need less of the quota may fit meanwhile. */
  #requeue(attempt: Attempt, spec: AttemptSpec, { message }: QuotaExceeded): void {
    const { closing, onDelay, tasks } = this.#options
    onDelay(attempt, `The cluster accepts no more jobs now: ${message}.`)
    const requeued = sleep(quotaRetryMs, undefined, { signal: closing }).then(
      () => {
        if (!attempt.ended && !attempt.stopRequested) this.add(attempt, spec)
      },
      () => undefined,
    )
    tasks.own(attempt.id, requeued)
  }

  async #createHome(attempt: Attempt, { account, id }: AttemptSpec): Promise<void> {
    const { homesFolder } = this.#options
    if (homesFolder === undefined) return
    if (!/^[A-Za-z0-9_][A-Za-z0-9_.-]*$/.test(account.name))
      throw new Error(`the account name ${JSON.stringify(account.name)} cannot be the name of a folder`)
    try {
      const home = await makeHome(join(homesFolder, account.name), id, account)
      requireFollowable(home, await realpath(homesFolder))
      if (home.otherUid !== undefined)
        this.#options.onHomeOfAnother(attempt, homeOfAnother(homeOf(account), account, home.otherUid))
    } catch (error) {
      const message = `the home ${homeOf(account)} could not be created: ${(error as Error).message}`
      throw new Error(message, { cause: error })
    }
  }
}

/**
 * A node mounts a folder of the volume (`subPath`) and follows a symbolic link within the volume only.
 * @throws Error that names the link.
 */
function requireFollowable({ folder, link }: Home, homesFolder: string): void {
  if (link === undefined) return
  if (isAbsolute(link) || !folder.startsWith(`${homesFolder}${sep}`))
    throw new Error(
      `it is a symbolic link to ${link}, and nodes only follow relative links to folders of the same volume; make it a folder, or such a link`,
    )
}
