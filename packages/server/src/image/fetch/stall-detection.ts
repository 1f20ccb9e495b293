import { readdir, stat } from 'node:fs/promises'
import { join } from 'node:path'
import { RegistryError } from '../registry/registry-error.ts'

/** How often the folder is measured. Milliseconds. */
const intervalMilliseconds = 1000

/** Settings of {@link withStallDetection}. */
export interface StallOptions {
  /** Bytes that the folder will have. */
  readonly expectedBytes: number
  /** Milliseconds without a change after which the work is aborted. */
  readonly stallMilliseconds: number
  /** Receives about once a second how many bytes are there. */
  readonly onBytes?: ((bytes: number, expectedBytes: number) => void) | undefined
}

/**
 * Does work that fills a folder, and aborts it when the size of the folder no longer changes: a registry that stalls would
 * otherwise delay a job for ever. @throws {RegistryError} then.
 */
export async function withStallDetection<T>(
  folder: string,
  { expectedBytes, stallMilliseconds, onBytes }: StallOptions,
  signal: AbortSignal,
  work: (signal: AbortSignal) => Promise<T>,
): Promise<T> {
  const stalled = new AbortController()
  let last = 0
  let changedAt = performance.now()
  let measuring = false
  const measure = async (): Promise<void> => {
    if (measuring) return
    measuring = true
    const bytes = await bytesIn(folder).finally(() => {
      measuring = false
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
      // A file may be renamed meanwhile. The next measurement counts.
      measure().catch(() => undefined)
    },
    Math.min(intervalMilliseconds, stallMilliseconds),
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
