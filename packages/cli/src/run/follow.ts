import { setTimeout as pause } from 'node:timers/promises'
import { endingOfSession } from './ending.ts'
import { printBytes } from '../output/terminal.ts'
import type { Platform } from '../platform.ts'

/** Milliseconds between two requests to a server without followable logs. */
const pollMilliseconds = 2_000
const lineBreak = 0x0a

/** The output of a job, from its beginning until the job has ended. */
export async function* followOutput(platform: Platform, id: string, signal?: AbortSignal): AsyncGenerator<Uint8Array> {
  const jobs = await platform.jobs()
  if (jobs !== undefined) {
    yield* jobs.logs(id, { follow: true, signal })
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

/** Writes a stream in whole lines with a prefix, which names the job. */
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

/** Lines with the prefix before each. `lines` ends with a line break. Bytes that are not UTF-8 stay as they are. */
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
