import type { Logger } from 'pino'
import type { Store } from '../store/store.ts'

/** Precision of the last use of a token: one write a minute and token, whatever the number of requests. */
const precisionMs = 60_000

/** How long uses are collected before one write. */
const collectMs = 1_000

/** Records the last use of tokens, which shows their owners the unused ones. */
export interface TokenUse {
  /** Records a use. `lastKnown` is the last use in the store. Most calls write nothing. */
  note(tokenId: string, lastKnown: number | undefined): void
  /** Writes the uses that are not written yet. */
  close(): Promise<void>
}

/** Creates a {@link TokenUse}. No request waits for a write; a failed one is logged and repeated with the next use. */
export function openTokenUse(
  store: Pick<Store, 'noteTokenUse'>,
  log: Pick<Logger, 'warn'>,
  now: () => number = Date.now,
): TokenUse {
  /** Uses of the last minute, by token: written ones, and those in `waiting`. */
  const noted = new Map<string, number>()
  let waiting = new Map<string, number>()
  let timer: NodeJS.Timeout | undefined

  async function write(): Promise<void> {
    clearTimeout(timer)
    timer = undefined
    const uses = waiting
    waiting = new Map()
    const old = now() - precisionMs
    for (const [id, at] of noted) if (at <= old) noted.delete(id)
    if (uses.size === 0) return
    try {
      await store.noteTokenUse(uses)
    } catch (error) {
      for (const id of uses.keys()) noted.delete(id)
      log.warn({ err: error, count: uses.size }, 'last use of tokens not recorded')
    }
  }

  return {
    note(tokenId, lastKnown) {
      const at = now()
      const last = Math.max(lastKnown ?? -Infinity, noted.get(tokenId) ?? -Infinity)
      if (at - last < precisionMs) return
      noted.set(tokenId, at)
      waiting.set(tokenId, at)
      timer ??= setTimeout(() => void write(), collectMs)
    },
    close: write,
  }
}
