import { setTimeout as sleep } from 'node:timers/promises'
import { LogWriter } from '../log/log-writer.ts'
import type { Joined } from '../log/log-view.ts'
import { ApiError, type KubernetesApi } from './api.ts'
import { LogLines, NoLog, secondOf, type LogPlace } from './log-lines.ts'
import { containerName } from './names.ts'

/** Settings of {@link LogCopier}. */
export interface LogCopierOptions {
  readonly api: KubernetesApi
  readonly namespace: string
  readonly pod: string
  /** The attempt's folder, in which the log is written. */
  readonly folder: string
  readonly limitBytes: number
  /** Something was written. */
  readonly wake: () => void
  readonly signal: AbortSignal
}

/** Milliseconds between two looks at a log that is not followed. */
const unfollowedMs = 10_000

/** Milliseconds of one such try: a node that went away right after it told of the end never answers. */
const lastTryMs = 20_000

/** Tries to fetch the end of a log whose node does not hand it out. */
const lastTries = 4

/** Copies a container's log into the platform while its pod lives. */
export class LogCopier {
  readonly #options: LogCopierOptions
  readonly #ended = new AbortController()
  #following: Promise<void> | undefined
  #isOver = false
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
    this.#isOver = true
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
      if (await this.#copy('to the end', AbortSignal.any([signal, AbortSignal.timeout(lastTryMs)]))) break
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
    while (!this.#isOver && !signal.aborted) {
      const connection = lease()
      const ended = await this.#copy(connection === undefined ? 'as it is' : 'as it grows', signal)
      connection?.[Symbol.dispose]()
      this.#followedToEnd = ended && connection !== undefined
      const restMs = connection === undefined ? unfollowedMs : 500
      if (!this.#isOver) await sleep(restMs, undefined, { signal }).catch(() => undefined)
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
      for await (const chunk of (await api.stream(path, { query, signal })) as AsyncIterable<Uint8Array>) {
        const { bytes, place: next, placeBytes } = lines.take(chunk)
        await writer.write(bytes, JSON.stringify(next), placeBytes)
        if (bytes.length > 0) wake()
      }
      if (extent === 'to the end') await writer.finish()
      return true
    } catch (error) {
      // Whoever asked for it decides whether to try again; what was copied is kept.
      if (signal.aborted || error instanceof ApiError || error instanceof NoLog || isBroken(error)) return false
      throw error
    } finally {
      await writer.close()
    }
  }
}

const isBroken = (error: unknown): boolean =>
  error instanceof Error &&
  ['ECONNRESET', 'ERR_STREAM_PREMATURE_CLOSE'].includes((error as NodeJS.ErrnoException).code ?? '')

const parsePlace = (text: string): LogPlace => (text === '' ? { latest: '', lines: 0 } : (JSON.parse(text) as LogPlace))
