import { join } from 'node:path'
import { setTimeout as sleep } from 'node:timers/promises'
import { homeOf } from '../../container-user.ts'
import type { AttemptSpec } from '../../executor.ts'
import { makeHome } from '../../home.ts'
import type { ApiError } from '../api/api-error.ts'
import type { AttemptFolders } from '../attempt/attempt-folder.ts'
import { NoRoom, type AttemptObjects } from './attempt-objects.ts'
import type { Attempt } from '../attempt/attempt.ts'
import type { BackgroundTasks } from '../background-tasks.ts'
import type { ClusterCache } from '../cache/cluster-cache.ts'

/** Attempts whose objects are made at the same time. */
const mostAtOnce = 16

/** Milliseconds between two tries to make a Job for which a quota leaves no room. */
const quotaRestMs = 10_000

/** What an attempt waits for before anything is done for it. */
const itsTurn = 'Its objects are made in the cluster as soon as those asked for before it are.'

/** Settings of {@link CreationQueue}. */
export interface CreationQueueOptions {
  readonly objects: AttemptObjects
  readonly cache: ClusterCache
  readonly folders: AttemptFolders
  /** Where this process sees the volume of the homes; undefined: somebody else makes them. */
  readonly homesFolder: string | undefined
  /** Ends everything that is under way. */
  readonly closing: AbortSignal
  /** An attempt cannot be made; there is no use in another try. */
  readonly onFailure: (attempt: Attempt, error: unknown) => void
  /** An attempt must wait before it is tried again. */
  readonly onDelay: (attempt: Attempt, why: string) => void
  readonly tasks: BackgroundTasks
}

/**
 * Makes the objects of attempts, a few at a time, as they came. Of ten thousand that start together most wait as they were asked
 * for, which takes least room.
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
    attempt.observed = { ...attempt.observed, waiting: itsTurn }
    this.#next()
  }

  /** Removes an attempt from the queue. A creation that is under way fails with this error. */
  remove(attempt: Attempt, reason: Error): void {
    this.#waiting.delete(attempt)
    attempt.creation?.abort(reason)
  }

  #next(): void {
    const { closing, tasks } = this.#options
    while (this.#underWay < mostAtOnce && !closing.aborted) {
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
      if (error instanceof NoRoom && !attempt.stopRequested) this.#requeue(attempt, spec, error)
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
          ? 'The API server of the cluster does not answer. It is asked again until it does.'
          : `The cluster does not take it yet: ${message}. It is tried again.`,
      )
    }
    if (await folders.wasForgotten(spec.id))
      throw new Error(`attempt ${spec.id} has run and was forgotten; it does not run twice`)
    signal.throwIfAborted()
    await this.#makeHome(spec)
    const job = await objects.makeJob(attempt, spec, signal, onRetry)
    // First known, then made: what is made and not known counts as removed by somebody.
    cache.upsertJob(job)
    attempt.apply({ type: 'job-created' })
    await folders.noteMade(spec.id, job.metadata?.uid ?? '')
    if (spec.registryAuth !== undefined) await objects.makeSecret(attempt, spec, job, signal, onRetry)
  }

  /** A quota leaves no room for it: others, of which less is asked, may find some meanwhile. */
  #requeue(attempt: Attempt, spec: AttemptSpec, { message }: NoRoom): void {
    const { closing, onDelay, tasks } = this.#options
    onDelay(attempt, `The cluster takes no more jobs now: ${message}.`)
    const rest = sleep(quotaRestMs, undefined, { signal: closing }).then(
      () => {
        if (!attempt.ended && !attempt.stopRequested) this.add(attempt, spec)
      },
      () => undefined,
    )
    tasks.own(attempt.id, rest)
  }

  async #makeHome({ account, id }: AttemptSpec): Promise<void> {
    const { homesFolder } = this.#options
    if (homesFolder === undefined) return
    if (!/^[A-Za-z0-9_][A-Za-z0-9_.-]*$/.test(account.name))
      throw new Error(`the account name ${JSON.stringify(account.name)} cannot be a folder's name`)
    try {
      await makeHome(join(homesFolder, account.name), id, account)
    } catch (error) {
      throw new Error(`its home ${homeOf(account)} could not be made: ${(error as Error).message}`, { cause: error })
    }
  }
}
