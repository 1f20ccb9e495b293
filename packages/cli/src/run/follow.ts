import { setTimeout as pause } from 'node:timers/promises'
import { endingOfSession } from './ending.ts'
import { printBytes } from '../output/terminal.ts'
import type { Platform } from '../platform.ts'

/** Milliseconds between two looks at a server whose logs cannot be followed. */
const pollMilliseconds = 2_000
const lineBreak = 0x0a

/** The output of a job, from its beginning until the job has ended. */
export async function* followOutput(platform: Platform, id: string, signal?: AbortSignal): AsyncGenerator<Uint8Array> {
  const jobs = await platform.jobs()
  if (jobs !== undefined) {
    yield* jobs.logs(id, { follow: true, signal })
    return
  }
  // A foreign server sends the whole log each time; what was shown already is left out.
  const { session } = platform
  for (let shown = 0; ; await pause(pollMilliseconds, undefined, signal === undefined ? {} : { signal })) {
    const record = (await session.info(id))[0]
    const log = Buffer.from((await session.logs(id))[id] ?? '')
    if (log.length > shown) yield log.subarray(shown)
    shown = Math.max(shown, log.length)
    if (record === undefined || endingOfSession(record) !== undefined) return
  }
}

/** Writes a stream of bytes as it is. */
export async function printStream(source: AsyncIterable<Uint8Array>): Promise<void> {
  for await (const bytes of source) await printBytes(bytes)
}

/** Writes a stream line by line with a prefix, so that the lines of several jobs can be told apart and are never mixed. */
export async function printPrefixed(source: AsyncIterable<Uint8Array>, prefix: string): Promise<void> {
  let rest = Buffer.alloc(0)
  for await (const bytes of source) {
    const text = Buffer.concat([rest, bytes])
    const end = text.lastIndexOf(lineBreak) + 1
    rest = text.subarray(end)
    if (end > 0) await printBytes(prefixLines(text.subarray(0, end), prefix))
  }
  if (rest.length > 0) await printBytes(prefixLines(Buffer.concat([rest, Buffer.from('\n')]), prefix))
}

/** Every line with the prefix before it. `lines` ends with a line break. Bytes that are no UTF-8 stay as they are. */
function prefixLines(lines: Buffer, prefix: string): Buffer {
  const before = Buffer.from(prefix)
  const parts: Buffer[] = []
  for (let start = 0; start < lines.length;) {
    const end = lines.indexOf(lineBreak, start) + 1
    parts.push(before, lines.subarray(start, end))
    start = end
  }
  return Buffer.concat(parts)
}
