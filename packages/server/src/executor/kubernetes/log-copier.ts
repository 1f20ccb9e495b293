import { setTimeout as sleep } from 'node:timers/promises'
import { LogWriter } from '../log/log-writer.ts'
import type { Joined } from '../log/log-view.ts'
import { ApiError, type KubernetesApi } from './api.ts'
import { LogLines, NoLog, secondOf, type LogPlace } from './log-lines.ts'
import { containerName } from './names.ts'
import type { Turns } from './turns.ts'

/** Settings of {@link LogCopier}. */
export interface LogCopierOptions {
  readonly api: KubernetesApi
  readonly namespace: string
  readonly pod: string
  /** The attempt's folder, in which the log is written. */
  readonly folder: string
  readonly limitBytes: number
  /** Those of all logs that are not followed: thousands of requests at once would keep the API server from all else. */
  readonly looks: Turns
  /** Something was written. */
  readonly wake: () => void
  readonly signal: AbortSignal
}

/** Milliseconds between two looks at a log: one that is followed, and one that is not. After failures twice as long each time, up to the last. */
const restsMs = { followed: 500, unfollowed: 10_000, longest: 30_000 }

/** Milliseconds of one try to fetch what there is: a node that went away does not answer. */
const oneTryMs = 20_000

/** Tries to fetch the end of a log whose node does not hand it out. */
const lastTries = 4

/** Copies a container's log into the platform while its pod lives. */
export class LogCopier {
  readonly #options: LogCopierOptions
  /** The container has ended. */
  readonly #over = new AbortController()
  /** And a stream that was under way then has had the time to come to its end. */
  readonly #ended = new AbortController()
  #following: Promise<void> | undefined
  #followedToEnd = false

  constructor(options: LogCopierOptions) {
    this.#options = options
  }

  /** Begins to copy while the container runs; `mayFollow` says whether another lasting connection may be held, and for how long it is. */
  follow(lease: () => Disposable | undefined): void {
    this.#following ??= this.#follow(lease)
  }

  /**
   * The container has ended: copies what is left. Where the log cannot be had to its end, what there is of it is kept.
   *
   * @param isThere whether the node may be asked at all.
   * @param isLeaving whether the pod is being removed: its node then soon has nothing more to hand out.
   */
  async finish(isThere: boolean, isLeaving: boolean): Promise<{ readonly joined: Joined; readonly complete: boolean }> {
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
    const { signal, folder, limitBytes } = this.#options
    const tries = isLeaving && this.#followedToEnd ? 1 : lastTries
    for (let tried = 0; isThere && tried < tries; tried++) {
      if (tried > 0) await sleep(500 * 2 ** tried, undefined, { signal })
      if (await this.#copy('to the end', AbortSignal.any([signal, AbortSignal.timeout(oneTryMs)]))) break
    }
    signal.throwIfAborted()
    const writer = await LogWriter.open(folder, limitBytes)
    try {
      const complete = writer.joined !== undefined || this.#followedToEnd
      return { joined: await writer.finish(), complete }
    } finally {
      await writer.close()
    }
  }

  async #follow(lease: () => Disposable | undefined): Promise<void> {
    const signal = AbortSignal.any([this.#options.signal, this.#ended.signal])
    const over = AbortSignal.any([signal, this.#over.signal])
    for (let failed = 0; !over.aborted;) {
      const connection = lease()
      const ended = connection === undefined ? await this.#look(signal, over) : await this.#copy('as it grows', signal)
      connection?.[Symbol.dispose]()
      this.#followedToEnd = ended && connection !== undefined
      failed = ended ? 0 : failed + 1
      const restMs = (connection === undefined ? restsMs.unfollowed : restsMs.followed) * 2 ** failed
      await sleep(Math.min(restMs, restsMs.longest), undefined, { signal: over }).catch(() => undefined)
    }
  }

  async #look(signal: AbortSignal, over: AbortSignal): Promise<boolean> {
    try {
      return await this.#options.looks.take(over, () =>
        this.#copy('as it is', AbortSignal.any([signal, AbortSignal.timeout(oneTryMs)])),
      )
    } catch (error) {
      if (over.aborted) return false
      throw error
    }
  }

  /** Copies from where it was left. Whether the end was reached: as it is now, or, where it grows, that of the container. */
  async #copy(extent: 'as it is' | 'as it grows' | 'to the end', signal: AbortSignal): Promise<boolean> {
    const { api, namespace, pod, folder, limitBytes, wake } = this.#options
    const writer = await LogWriter.open(folder, limitBytes)
    try {
      if (writer.joined !== undefined) return true
      const place = parsePlace(writer.place)
      const since = place.latest === '' ? {} : { sinceTime: new Date(secondOf(place.latest)).toISOString() }
      const query = { container: containerName, follow: extent === 'as it grows', timestamps: true, ...since }
      const path = `/api/v1/namespaces/${namespace}/pods/${pod}/log`
      const lines = new LogLines(place)
      for await (const chunk of api.stream(path, { query, signal })) {
        const { bytes, place: next, placeBytes } = lines.take(chunk)
        await writer.write(bytes, JSON.stringify(next), placeBytes)
        if (bytes.length > 0) wake()
      }
      if (extent === 'to the end') await writer.finish()
      return true
    } catch (error) {
      // Whoever asked for it decides whether to try again; what was copied is kept.
      if (signal.aborted || error instanceof ApiError || error instanceof NoLog) return false
      throw error
    } finally {
      await writer.close()
    }
  }
}

const parsePlace = (text: string): LogPlace => (text === '' ? { latest: '', lines: 0 } : (JSON.parse(text) as LogPlace))
