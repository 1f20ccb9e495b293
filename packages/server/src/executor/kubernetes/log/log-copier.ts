import { setTimeout as sleep } from 'node:timers/promises'
import type { Logger } from 'pino'
import { LogWriter } from '../../log/log-writer.ts'
import { isDiskFull } from '../../../lib/files.ts'
import type { Joined } from '../../log/log-view.ts'
import type { KubernetesApi } from '../api/api-client.ts'
import { ApiError } from '../api/api-error.ts'
import { LogLines, NoLog, secondOf, type LogPiece, type LogPlace } from './log-lines.ts'
import { containerName } from '../objects/names.ts'
import type { Semaphore } from '../../../lib/semaphore.ts'

/** Settings of {@link LogCopier}. */
export interface LogCopierOptions {
  readonly api: Pick<KubernetesApi, 'stream'>
  readonly attemptId: string
  readonly namespace: string
  readonly pod: string
  /** The attempt's folder, in which the log is written. */
  readonly folder: string
  readonly limitBytes: number
  /** Those of all logs that are not followed: thousands of requests at once would keep the API server from all else. */
  readonly polls: Semaphore
  /** Something was written. */
  readonly wake: () => void
  /** A line in the log now says that part of it may be missing there. Called for the first such line only. */
  readonly onGap: () => void
  readonly signal: AbortSignal
  readonly log: Logger
  /** Milliseconds before the second try to fetch and keep the end; before each more twice as long. @defaultValue 1000 */
  readonly lastRestMs?: number
}

/** Milliseconds between two polls at a log: one that is followed, and one that is not. After failures twice as long each time, up to the last. */
const restsMs = { followed: 500, unfollowed: 10_000, longest: 30_000 }

/** Milliseconds of one try to fetch what there is: a node that went away does not answer. */
const oneTryMs = 20_000

/** Tries to fetch the end of a log whose node does not hand it out, or for which there is no room. */
const lastTries = 4

/** Tries to join a log until the oldest of its tail has to make room. */
const patientTries = 2

/** What there is of a log at its end. */
export interface CopiedLog {
  readonly joined: Joined
  /** Why not all of it is there, in words for its owner; undefined when it is. */
  readonly missing: string | undefined
}

/**
 * Copies a container's log into the platform while its pod lives. What cannot be fetched, or not be written, is fetched from there
 * on at a later time: it stays on its node meanwhile.
 */
export class LogCopier {
  readonly #options: LogCopierOptions
  /** The container has ended. */
  readonly #over = new AbortController()
  /** And a stream that was under way then has had the time to come to its end. */
  readonly #ended = new AbortController()
  #following: Promise<void> | undefined
  #followedToEnd = false
  /** Bytes written by this copier: whether a try that failed was for something. */
  #written = 0
  /** Why the platform itself could not go on at the last try; undefined when it could. */
  #fault: unknown
  #faultTold = false
  #gapTold = false

  constructor(options: LogCopierOptions) {
    this.#options = options
  }

  /**
   * Begins to copy while the container runs; `lease` gives a place among the
   * lasting connections, which is given back with each, or undefined when there is none left.
   *
   * @returns what is to be awaited before another copier takes over; undefined when it had begun already.
   */
  follow(lease: () => Disposable | undefined): Promise<void> | undefined {
    if (this.#following !== undefined) return undefined
    this.#following = this.#follow(lease)
    return this.#following
  }

  /**
   * The container has ended: copies what is left. Where the log cannot be had to its end, what there is of it is kept.
   *
   * @param isThere whether the node may be asked at all.
   * @param isLeaving whether the pod is being removed: its node then soon has nothing more to hand out.
   * @throws only where it is ended by the signal.
   */
  async finish(isThere: boolean, isLeaving: boolean): Promise<CopiedLog> {
    this.#over.abort()
    // A stream that is under way delivers the end by itself; one of a node that is gone does not.
    const patience = setTimeout(
      () => {
        this.#ended.abort(new Error('The container has ended.'))
      },
      isThere ? 5000 : 0,
    )
    await this.#following
    clearTimeout(patience)
    const isFetched = isThere && (await this.#copyToEnd(isLeaving && this.#followedToEnd ? 1 : lastTries))
    this.#options.signal.throwIfAborted()
    const fault = isFetched ? undefined : this.#fault
    const found = await this.#join()
    this.#options.signal.throwIfAborted()
    if (found === undefined) return { joined: {}, missing: wordsFor(this.#fault) }
    const isWhole = found.isWhole && (isFetched || this.#followedToEnd || found.wasJoined)
    return { joined: found.joined, missing: isWhole ? undefined : wordsFor(found.isWhole ? fault : this.#fault) }
  }

  async #follow(lease: () => Disposable | undefined): Promise<void> {
    const signal = AbortSignal.any([this.#options.signal, this.#ended.signal])
    const over = AbortSignal.any([signal, this.#over.signal])
    for (let failed = 0; !over.aborted;) {
      const written = this.#written
      const { isFollowed, isEnded } = await this.#try(lease, signal, over)
      this.#followedToEnd = isEnded && isFollowed
      if (isEnded) failed = 0
      else failed = this.#written > written ? 1 : failed + 1
      const restMs = (isFollowed ? restsMs.followed : restsMs.unfollowed) * 2 ** failed
      await sleep(Math.min(restMs, restsMs.longest), undefined, { signal: over }).catch(() => undefined)
    }
  }

  async #try(
    lease: () => Disposable | undefined,
    signal: AbortSignal,
    over: AbortSignal,
  ): Promise<{ readonly isFollowed: boolean; readonly isEnded: boolean }> {
    using connection = lease()
    return connection === undefined
      ? { isFollowed: false, isEnded: await this.#look(signal, over) }
      : { isFollowed: true, isEnded: await this.#copy('as it grows', signal) }
  }

  async #look(signal: AbortSignal, over: AbortSignal): Promise<boolean> {
    try {
      return await this.#options.polls.take(over, () =>
        this.#copy('as it is', AbortSignal.any([signal, AbortSignal.timeout(oneTryMs)])),
      )
    } catch (error) {
      if (over.aborted) return false
      throw error
    }
  }

  /** Whether all that the node has was fetched. A try that brought something does not count: what is left becomes less. */
  async #copyToEnd(tries: number): Promise<boolean> {
    const { signal, lastRestMs = 1000 } = this.#options
    for (let failed = 0; ;) {
      const written = this.#written
      if (await this.#copy('to the end', AbortSignal.any([signal, AbortSignal.timeout(oneTryMs)]))) return true
      failed = this.#written > written ? 0 : failed + 1
      if (failed >= (this.#fault === undefined ? tries : lastTries)) return false
      await sleep(lastRestMs * 2 ** Math.max(0, failed - 1), undefined, { signal })
    }
  }

  /**
   * Makes one file of what there is. Without room even for that, the oldest of the tail makes some, and what is there is not whole.
   *
   * @returns undefined where that failed, too: what there is stays as it is.
   */
  async #join(): Promise<
    { readonly joined: Joined; readonly wasJoined: boolean; readonly isWhole: boolean } | undefined
  > {
    const { folder, limitBytes, signal, lastRestMs = 1000 } = this.#options
    if (!(await LogWriter.isBegun(folder))) return { joined: {}, wasJoined: false, isWhole: true }
    for (let tried = 0; tried < lastTries; tried++) {
      if (tried > 0) await sleep(lastRestMs * 2 ** (tried - 1), undefined, { signal })
      try {
        await using writer = await LogWriter.open(folder, limitBytes)
        const wasJoined = writer.joined !== undefined
        const isFull = tried >= patientTries && isDiskFull(this.#fault)
        return { joined: await writer.finish(isFull), wasJoined, isWhole: wasJoined || !isFull }
      } catch (error) {
        this.#failed(error)
      }
    }
    return undefined
  }

  /** Copies from where it was left. Whether the end was reached: as it is now, or, where it grows, that of the container. */
  async #copy(extent: 'as it is' | 'as it grows' | 'to the end', signal: AbortSignal): Promise<boolean> {
    try {
      const isEnded = await this.#copyOn(extent, signal)
      this.#fault = undefined
      return isEnded
    } catch (error) {
      // Whoever asked for it decides whether to try again; what was copied is kept.
      const isNodes = error instanceof ApiError || error instanceof NoLog
      if (!isNodes && (!signal.aborted || isDiskFull(error))) this.#failed(error)
      return false
    }
  }

  async #copyOn(extent: 'as it is' | 'as it grows' | 'to the end', signal: AbortSignal): Promise<boolean> {
    const { api, namespace, pod, folder, limitBytes } = this.#options
    await using writer = await LogWriter.open(folder, limitBytes)
    if (writer.joined !== undefined || writer.isJoining) return true
    const place = parsePlace(writer.place)
    const since = place.latest === '' ? {} : { sinceTime: new Date(secondOf(place.latest)).toISOString() }
    const query = { container: containerName, follow: extent === 'as it grows', timestamps: true, ...since }
    const path = `/api/v1/namespaces/${namespace}/pods/${pod}/log`
    const lines = new LogLines(place)
    for await (const chunk of api.stream(path, { query, signal })) await this.#write(writer, lines, lines.take(chunk))
    // That it ended here says nothing where all of it was put away since the last time.
    if (extent === 'as it grows') return !lines.awaitsLast
    if (extent === 'to the end' && !this.#followedToEnd) await this.#write(writer, lines, lines.end())
    return true
  }

  async #write(writer: LogWriter, lines: LogLines, { bytes, place }: LogPiece): Promise<void> {
    await writer.write(bytes, JSON.stringify(place))
    if (bytes.length === 0) return
    this.#written += bytes.length
    this.#fault = undefined
    this.#options.wake()
    if (lines.gaps === 0 || this.#gapTold) return
    this.#gapTold = true
    this.#options.onGap()
  }

  /** The platform itself could not go on, as a rule for want of room. One word about it is enough. */
  #failed(error: unknown): void {
    const { log, attemptId } = this.#options
    this.#fault = error
    if (!this.#faultTold) log.warn({ attemptId, err: error }, 'a log cannot be written; it is tried again')
    this.#faultTold = true
  }
}

const parsePlace = (text: string): LogPlace => (text === '' ? { latest: '', lines: 0 } : (JSON.parse(text) as LogPlace))

/** Why not all of a log is there, to its owner. Pure. */
function wordsFor(fault: unknown): string {
  if (fault === undefined) return 'The end of its log could not be fetched from its node.'
  if (isDiskFull(fault)) return "Not all of its log could be kept: the platform's disk was full."
  return 'Not all of its log could be kept: the platform could not write it.'
}
