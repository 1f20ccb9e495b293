import type { Cause, ImagePull } from '@science-platform/contract'
import type { Logger } from 'pino'
import { ImageError } from './image-error.ts'
import type { LocalImages } from '../store/local-images.ts'
import { printReference, type ImageReference } from '../../job/image-reference.ts'

/** Fetches that users asked for beforehand, done in the background a few at a time. They end with the server. */
export interface Pulls {
  /** Begins, or tells of one that is under way for this user; undefined where the user has too many. */
  begin(pull: {
    readonly account: string
    readonly reference: ImageReference
    readonly registryAuth?: string | undefined
  }): ImagePull | undefined
  /** How far it is; undefined where this user asked for none lately. */
  find(account: string, reference: string): ImagePull | undefined
  close(): Promise<void>
}

/** Fetches at once, so that jobs have most of the way to the registries for themselves. */
const atOnce = 2
/** Fetches that one user may have waiting or under way. */
const mostPerAccount = 20
/** How long an end is told. Milliseconds. */
const toldMilliseconds = 3_600_000

type Entry = {
  readonly account: string
  readonly reference: ImageReference
  readonly registryAuth: string | undefined
  endedAt?: number
  pull: ImagePull
}

/** Makes {@link Pulls} over the images of this machine. */
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

  async function fetch(entry: Entry): Promise<void> {
    const { reference, registryAuth } = entry
    const become = (change: Partial<ImagePull>): void => {
      entry.pull = { ...entry.pull, ...change }
    }
    become({ state: 'pulling' })
    try {
      const { digest } = await images.prepare(reference, {
        ...(registryAuth === undefined ? {} : { registryAuth }),
        signal: closing.signal,
        onProgress: (reason) => {
          if (reason === 'Unpacking') become({ state: 'unpacking' })
        },
        onBytes: (bytes, totalBytes) => {
          become({ bytes, totalBytes })
        },
      })
      become({ state: 'present', digest })
    } catch (error) {
      become({ state: 'failed', cause: causeOf(error) })
      if (!(error instanceof ImageError) && !closing.signal.aborted)
        log.error({ err: error, image: entry.pull.reference }, 'an image could not be fetched beforehand')
    }
    entry.endedAt = now()
  }

  function next(): void {
    for (const [key, { endedAt }] of entries)
      if (endedAt !== undefined && now() - endedAt > toldMilliseconds) entries.delete(key)
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
    find: (account, reference) => entries.get(keyOf(account, reference))?.pull,
    close: async () => {
      closing.abort(new Error('the platform is stopping'))
      await Promise.all(working)
    },
  }
}

const causeOf = (error: unknown): Cause =>
  error instanceof ImageError
    ? error.why
    : { code: 'start-failed', message: 'The platform could not fetch the image.', hint: 'Tell its operators.' }
