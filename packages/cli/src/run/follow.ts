import { setTimeout as pause } from 'node:timers/promises'
import { endingOfSession } from './ending.ts'
import { PrefixedLines } from './prefixed-lines.ts'
import { printBytes } from '../output/terminal.ts'
import type { MissingOutput } from './missing-output.ts'
import type { Platform } from '../platform.ts'

/** Milliseconds between two requests to a server without followable logs. */
const pollMilliseconds = 2_000

/** The output of a job, from its beginning until the job has ended. Bytes that are missing are noted. */
export async function* followOutput(
  platform: Platform,
  id: string,
  missing: MissingOutput,
  signal?: AbortSignal,
): AsyncGenerator<Uint8Array> {
  const jobs = await platform.jobs()
  if (jobs !== undefined) {
    yield* jobs.logs(id, { follow: true, signal, onGap: (gap) => missing.add(id, gap) })
    return
  }
  // Another server sends the whole log each time. Bytes printed before are left out.
  const { session } = platform
  for (let shown = 0; ; await pause(pollMilliseconds, undefined, signal === undefined ? {} : { signal })) {
    const record = (await session.info(id))[0]
    const log = Buffer.from((await session.logs(id))[id] ?? '')
    if (log.length > shown) yield log.subarray(shown)
    shown = Math.max(shown, log.length)
    if (record === undefined || endingOfSession(record) !== undefined) return
  }
}

/** Writes a stream of bytes unchanged. */
export async function printStream(source: AsyncIterable<Uint8Array>): Promise<void> {
  for await (const bytes of source) await printBytes(bytes)
}

/** Milliseconds between two states of a progress bar that are printed. */
const redrawMilliseconds = 500

/** Writes a stream in whole lines with a prefix, which names the job; of a progress bar the newest state twice a second. */
export async function printPrefixed(source: AsyncIterable<Uint8Array>, prefix: string): Promise<void> {
  const lines = new PrefixedLines(prefix)
  let timer: NodeJS.Timeout | undefined
  try {
    for await (const bytes of source) {
      const complete = lines.take(bytes)
      if (complete.length > 0) await printBytes(complete)
      if (!lines.hasState || timer !== undefined) continue
      timer = setTimeout(() => {
        timer = undefined
        process.stdout.write(lines.state())
      }, redrawMilliseconds)
    }
  } finally {
    clearTimeout(timer)
  }
  await printBytes(lines.end())
}
