import type { Cause, ImagePull } from '@science-platform/contract'
import type { Logger } from 'pino'
import { printReference, type ImageReference } from '../../job/image-reference.ts'
import type { LocalImages } from '../store/local-images.ts'
import { ImageError } from './image-error.ts'

/** Fetches that users request beforehand. They run in the background, a few at a time, and end with the server. */
export interface Pulls {
  /** Begins a fetch, or returns this user's fetch of the same image; undefined where the user has too many. */
  begin(pull: {
    readonly account: string
    readonly reference: ImageReference
    readonly registryAuth?: string | undefined
  }): ImagePull | undefined
  /** The state of a fetch, by the text of its reference; undefined where this user requested none lately. */
  find(account: string, reference: string): ImagePull | undefined
  close(): Promise<void>
}

/** Fetches at once. The rest of the bandwidth is for jobs. */
const atOnce = 2
/** Fetches of one user that wait or run. */
const mostPerAccount = 20
/** Ended fetches of one user that are remembered. */
const mostEndedPerAccount = 100
/** How long an ended fetch is remembered. Milliseconds. */
const rememberedMilliseconds = 3_600_000

interface Entry {
  readonly account: string
  readonly reference: ImageReference
  /** Dropped at the end of the fetch. */
  registryAuth: string | undefined
  endedAt?: number
  pull: ImagePull
}

/** Creates {@link Pulls} over the images of this machine. */
export function createPulls(
  images: Pick<LocalImages, 'prepare'>,
  log: Pick<Logger, 'error'>,
  now: () => number = Date.now,
): Pulls {
  const entries = new Map<string, Entry>()
  const working = new Set<Promise<void>>()
  const closing = new AbortController()
  const keyOf = (account: string, reference: string): string => JSON.stringify([account, reference])
  const isUnderWay = ({ endedAt }: Entry): boolean => endedAt === undefined
  const isOld = ({ endedAt = Infinity }: Entry): boolean => now() - endedAt > rememberedMilliseconds

  async function fetch(entry: Entry): Promise<void> {
    const { reference, registryAuth } = entry
    const update = (change: Partial<ImagePull>): void => {
      entry.pull = { ...entry.pull, ...change }
    }
    update({ state: 'pulling' })
    try {
      const { digest } = await images.prepare(reference, {
        ...(registryAuth === undefined ? {} : { registryAuth }),
        signal: closing.signal,
        onProgress: (reason) => {
          if (reason === 'Unpacking') update({ state: 'unpacking' })
        },
        onBytes: (bytes, totalBytes) => {
          update({ bytes, totalBytes })
        },
      })
      update({ state: 'present', digest })
    } catch (error) {
      update({ state: 'failed', cause: causeOf(error) })
      if (!(error instanceof ImageError) && !closing.signal.aborted)
        log.error({ err: error, image: entry.pull.reference }, 'image pull failed')
    }
    entry.registryAuth = undefined
    entry.endedAt = now()
    forgetEnded(entry.account)
  }

  /** Bounds the memory: ended fetches go after an hour, and above a number for each user the oldest first. */
  function forgetEnded(account: string): void {
    let ended = 0
    for (const [key, entry] of [...entries].sort(([, a], [, b]) => (b.endedAt ?? 0) - (a.endedAt ?? 0))) {
      const isEnded = entry.endedAt !== undefined
      const isBeyond = isEnded && entry.account === account && ++ended > mostEndedPerAccount
      if (isOld(entry) || isBeyond) entries.delete(key)
    }
  }

  function next(): void {
    const waiting = [...entries.values()].find(({ pull }) => pull.state === 'waiting')
    if (waiting === undefined || working.size >= atOnce || closing.signal.aborted) return
    const work = fetch(waiting).finally(() => {
      working.delete(work)
      next()
    })
    working.add(work)
    next()
  }

  return {
    begin({ account, reference, registryAuth }) {
      const text = printReference(reference)
      const key = keyOf(account, text)
      const known = entries.get(key)
      if (known !== undefined && isUnderWay(known)) return known.pull
      const own = [...entries.values()].filter((entry) => entry.account === account && isUnderWay(entry))
      if (own.length >= mostPerAccount) return undefined
      const entry: Entry = { account, reference, registryAuth, pull: { reference: text, state: 'waiting' } }
      entries.delete(key)
      entries.set(key, entry)
      next()
      return entry.pull
    },
    find: (account, reference) => {
      const entry = entries.get(keyOf(account, reference))
      return entry === undefined || isOld(entry) ? undefined : entry.pull
    },
    close: async () => {
      closing.abort(new Error('the platform is stopping'))
      await Promise.all(working)
    },
  }
}

const causeOf = (error: unknown): Cause =>
  error instanceof ImageError
    ? error.why
    : {
        code: 'start-failed',
        message: 'The platform could not fetch the image.',
        hint: 'Ask the operators of the platform to look at its log.',
      }
