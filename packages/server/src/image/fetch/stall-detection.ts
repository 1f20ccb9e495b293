import { readdir, stat } from 'node:fs/promises'
import { join } from 'node:path'
import { RegistryError } from '../registry/registry-error.ts'

/** How often is looked. Milliseconds. */
const everyMilliseconds = 1000

/** What {@link watching} tells, and when it gives up. */
export interface Watch {
  /** Bytes that are to come. */
  readonly expectedBytes: number
  /** Gives up when nothing came for so long. */
  readonly stallMilliseconds: number
  /** Told about once a second how many bytes are there. */
  readonly onBytes?: ((bytes: number, expectedBytes: number) => void) | undefined
}

/**
 * Does work that fills a folder, and ends it when the folder no longer changes: a registry that stands still would otherwise
 * hold a job for ever. @throws {RegistryError} then.
 */
export async function watching<T>(
  folder: string,
  { expectedBytes, stallMilliseconds, onBytes }: Watch,
  signal: AbortSignal,
  work: (signal: AbortSignal) => Promise<T>,
): Promise<T> {
  const stalled = new AbortController()
  let last = 0
  let changedAt = performance.now()
  let looking = false
  const look = async (): Promise<void> => {
    if (looking) return
    looking = true
    const bytes = await bytesIn(folder).finally(() => {
      looking = false
    })
    if (bytes !== last) changedAt = performance.now()
    last = bytes
    onBytes?.(Math.min(bytes, expectedBytes), expectedBytes)
    if (performance.now() - changedAt < stallMilliseconds) return
    const message = `timed out: nothing came for ${Math.round(stallMilliseconds / 1000)} s, after ${bytes} bytes`
    stalled.abort(new RegistryError('unreachable', message))
  }
  const timer = setInterval(
    () => {
      // What is being written may go while it is looked at; the next look counts.
      look().catch(() => undefined)
    },
    Math.min(everyMilliseconds, stallMilliseconds),
  )
  try {
    return await work(AbortSignal.any([signal, stalled.signal]))
  } finally {
    clearInterval(timer)
  }
}

async function bytesIn(folder: string): Promise<number> {
  const entries = await readdir(folder, { recursive: true, withFileTypes: true })
  const sizes = entries
    .filter((entry) => entry.isFile())
    .map(async (entry) => (await stat(join(entry.parentPath, entry.name))).size)
  return (await Promise.all(sizes)).reduce((sum, size) => sum + size, 0)
}
