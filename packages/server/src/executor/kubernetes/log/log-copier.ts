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
  /** Limits the requests for logs that are not followed: thousands at once would overload the API server. */
  readonly polls: Semaphore
  /** Called after each write. */
  readonly wake: () => void
  /** Called once, when a line in the log says that part of the log may be missing there. */
  readonly onGap: () => void
  readonly signal: AbortSignal
  readonly log: Logger
  /** Milliseconds to the first retry of copying the end; doubled for each further one. @defaultValue 1000 */
  readonly lastRestMs?: number
}

/** Milliseconds between two requests for a log, doubled after each failure up to the longest. */
const restsMs = { followed: 500, unfollowed: 10_000, longest: 30_000 }

/** Milliseconds after which a request for a log that is not followed is aborted: a node that is gone does not answer. */
const requestMs = 20_000

/** Tries to copy the end of a log when the node does not return it or the disk is full. */
const mostTries = 4

/** Tries to join a log on a full disk before the oldest part of its tail is dropped. */
const triesBeforeDropping = 2

/** The log of a container that has ended. */
export interface CopiedLog {
  readonly joined: Joined
  /** Why part of the log is missing, as a text for its owner; undefined when it is whole. */
  readonly missing: string | undefined
}

/**
 * Copies a container's log into the platform while its pod exists. After a failed read or write, copying resumes at the same
 * place later: the node keeps the log meanwhile.
 */
export class LogCopier {
  readonly #options: LogCopierOptions
  /** Aborted when the container has ended: no further request for a growing log is sent. */
  readonly #containerEnded = new AbortController()
  /** Aborted when the stream that was open at that time has had its time to end. */
  readonly #streamDeadline = new AbortController()
  #following: Promise<void> | undefined
  #followedToEnd = false
  /** Bytes written by this copier: they show whether a try that failed made progress. */
  #written = 0
  /** The error of the platform's own disk at the last try; undefined after a success. */
  #fault: unknown
  #isFaultLogged = false
  #isGapReported = false

  constructor(options: LogCopierOptions) {
    this.#options = options
  }

  /**
   * Begins to copy while the container runs. `lease` returns a lease on one of the connections for followed logs, or undefined
   * when all are in use; it is disposed with each connection.
   *
   * @returns the copying, to be awaited before another copier takes over; undefined when it had begun before.
   */
  follow(lease: () => Disposable | undefined): Promise<void> | undefined {
    if (this.#following !== undefined) return undefined
    this.#following = this.#follow(lease)
    return this.#following
  }

  /**
   * Copies the rest of the log after the end of the container. A log whose end cannot be fetched stays as far as it was copied.
   *
   * @param nodeAnswers whether the node can be reached.
   * @param isDeleting whether the pod is being deleted: its node soon has no log of it.
   * @throws only after an abort by the signal.
   */
  async finish(nodeAnswers: boolean, isDeleting: boolean): Promise<CopiedLog> {
    this.#containerEnded.abort()
    // An open stream delivers the end of the log, except from a node that is gone.
    const deadline = setTimeout(
      () => {
        this.#streamDeadline.abort(new Error('The container has ended.'))
      },
      nodeAnswers ? 5000 : 0,
    )
    await this.#following
    clearTimeout(deadline)
    const isFetched = nodeAnswers && (await this.#copyToEnd(isDeleting && this.#followedToEnd ? 1 : mostTries))
    this.#options.signal.throwIfAborted()
    const fault = isFetched ? undefined : this.#fault
    const found = await this.#join()
    this.#options.signal.throwIfAborted()
    if (found === undefined) return { joined: {}, missing: missingText(this.#fault) }
    const isWhole = found.isWhole && (isFetched || this.#followedToEnd || found.wasJoined)
    return { joined: found.joined, missing: isWhole ? undefined : missingText(found.isWhole ? fault : this.#fault) }
  }

  async #follow(lease: () => Disposable | undefined): Promise<void> {
    const signal = AbortSignal.any([this.#options.signal, this.#streamDeadline.signal])
    const over = AbortSignal.any([signal, this.#containerEnded.signal])
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
      ? { isFollowed: false, isEnded: await this.#poll(signal, over) }
      : { isFollowed: true, isEnded: await this.#copy('as it grows', signal) }
  }

  async #poll(signal: AbortSignal, over: AbortSignal): Promise<boolean> {
    try {
      return await this.#options.polls.take(over, () =>
        this.#copy('as it is', AbortSignal.any([signal, AbortSignal.timeout(requestMs)])),
      )
    } catch (error) {
      if (over.aborted) return false
      throw error
    }
  }

  /** Whether the whole log was copied. A failed try that made progress does not count. */
  async #copyToEnd(tries: number): Promise<boolean> {
    const { signal, lastRestMs = 1000 } = this.#options
    for (let failed = 0; ;) {
      const written = this.#written
      if (await this.#copy('to the end', AbortSignal.any([signal, AbortSignal.timeout(requestMs)]))) return true
      failed = this.#written > written ? 0 : failed + 1
      if (failed >= (this.#fault === undefined ? tries : mostTries)) return false
      await sleep(lastRestMs * 2 ** Math.max(0, failed - 1), undefined, { signal })
    }
  }

  /**
   * Joins head and tail of the log in one file. On a disk that stays full, the oldest part of the tail is dropped.
   *
   * @returns undefined where the disk has no room even so: the files stay as they are.
   */
  async #join(): Promise<
    { readonly joined: Joined; readonly wasJoined: boolean; readonly isWhole: boolean } | undefined
  > {
    const { folder, limitBytes, signal, lastRestMs = 1000 } = this.#options
    if (!(await LogWriter.isBegun(folder))) return { joined: {}, wasJoined: false, isWhole: true }
    for (let tried = 0; tried < mostTries; tried++) {
      if (tried > 0) await sleep(lastRestMs * 2 ** (tried - 1), undefined, { signal })
      try {
        await using writer = await LogWriter.open(folder, limitBytes)
        const wasJoined = writer.joined !== undefined
        const isFull = tried >= triesBeforeDropping && isDiskFull(this.#fault)
        return { joined: await writer.finish(isFull), wasJoined, isWhole: wasJoined || !isFull }
      } catch (error) {
        this.#noteFault(error)
      }
    }
    return undefined
  }

  /** Resumes copying. Whether it reached the end: the present one, or that of the container for a log that grows. */
  async #copy(extent: 'as it is' | 'as it grows' | 'to the end', signal: AbortSignal): Promise<boolean> {
    try {
      const isEnded = await this.#resume(extent, signal)
      this.#fault = undefined
      return isEnded
    } catch (error) {
      // The caller decides on a retry; the bytes that were copied stay.
      const isFromNode = error instanceof ApiError || error instanceof NoLog
      if (!isFromNode && (!signal.aborted || isDiskFull(error))) this.#noteFault(error)
      return false
    }
  }

  async #resume(extent: 'as it is' | 'as it grows' | 'to the end', signal: AbortSignal): Promise<boolean> {
    const { api, namespace, pod, folder, limitBytes } = this.#options
    await using writer = await LogWriter.open(folder, limitBytes)
    if (writer.joined !== undefined || writer.isJoining) return true
    const place = parsePlace(writer.place)
    const since = place.latest === '' ? {} : { sinceTime: new Date(secondOf(place.latest)).toISOString() }
    const query = { container: containerName, follow: extent === 'as it grows', timestamps: true, ...since }
    const path = `/api/v1/namespaces/${namespace}/pods/${pod}/log`
    const lines = new LogLines(place)
    for await (const chunk of api.stream(path, { query, signal })) await this.#write(writer, lines, lines.take(chunk))
    // An end says nothing if the node has rotated away all that was copied before.
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
    if (lines.gaps === 0 || this.#isGapReported) return
    this.#isGapReported = true
    this.#options.onGap()
  }

  /** Notes that the platform's disk refused a write, and logs the first such error. */
  #noteFault(error: unknown): void {
    const { log, attemptId } = this.#options
    this.#fault = error
    if (!this.#isFaultLogged) log.warn({ attemptId, err: error }, 'writing the log of an attempt failed, retrying')
    this.#isFaultLogged = true
  }
}

const parsePlace = (text: string): LogPlace => (text === '' ? { latest: '', lines: 0 } : (JSON.parse(text) as LogPlace))

/** Why part of a log is missing, as a text for its owner. Pure. */
function missingText(fault: unknown): string {
  if (fault === undefined) return 'The end of the log could not be fetched from the node.'
  if (isDiskFull(fault)) return "Part of the log is missing: the platform's disk was full."
  return 'Part of the log is missing: the platform could not write it.'
}
