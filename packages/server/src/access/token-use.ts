import type { Logger } from 'pino'
import type { Store } from '../store/store.ts'

/** How exactly the last use of a token is kept: one write a minute and token, however many requests there are. */
const exactnessMs = 60_000

/** How long uses are gathered before they are written together. */
const gatheringMs = 1_000

/** Notes when tokens are used, for their owners to see which still are. */
export interface TokenUse {
  /** A token was used. `lastKnown` is what the store has. Cheap: most calls do nothing. */
  note(tokenId: string, lastKnown: number | undefined): void
  /** Writes what is not written yet. */
  close(): Promise<void>
}

/** Makes a {@link TokenUse}. What cannot be written is logged and written with the next use: nobody waits for it. */
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
    const old = now() - exactnessMs
    for (const [id, at] of noted) if (at <= old) noted.delete(id)
    if (uses.size === 0) return
    try {
      await store.noteTokenUse(uses)
    } catch (error) {
      for (const id of uses.keys()) noted.delete(id)
      log.warn({ err: error, count: uses.size }, 'the last use of tokens could not be noted')
    }
  }

  return {
    note(tokenId, lastKnown) {
      const at = now()
      const last = Math.max(lastKnown ?? -Infinity, noted.get(tokenId) ?? -Infinity)
      if (at - last < exactnessMs) return
      noted.set(tokenId, at)
      waiting.set(tokenId, at)
      timer ??= setTimeout(() => void write(), gatheringMs)
    },
    close: write,
  }
}
