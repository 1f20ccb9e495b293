import { CommandFailure } from '../failure.ts'

/** What Node puts in the place of bytes that are not UTF-8. */
const replacement = '\ufffd'

/** The words of a file such as /proc/self/cmdline (proc_pid_cmdline(5)), as bytes. Pure. */
function wordsOf(bytes: Uint8Array): Uint8Array[] {
  const words: Uint8Array[] = []
  for (let at = 0; at < bytes.length;) {
    const end = bytes.indexOf(0, at)
    words.push(bytes.subarray(at, end < 0 ? undefined : end))
    at = end < 0 ? bytes.length : end + 1
  }
  return words
}

/** The bytes of a word as text: those that are no printable ASCII as `\xNN`. Pure. */
const shownBytes = (word: Uint8Array): string =>
  Array.from(word, (byte) =>
    byte >= 0x20 && byte < 0x7f ? String.fromCharCode(byte) : `\\x${byte.toString(16).padStart(2, '0')}`,
  ).join('')

/**
 * Refuses words that are not UTF-8. Node reads them with U+FFFD in the place of their bytes, and a job would get another file
 * name than the user meant. `raw` reads the bytes of the words, on Linux alone.
 *
 * @param what `argument` or `environment variable`
 */
async function requireUtf8(
  what: string,
  words: readonly string[],
  raw: () => Promise<readonly Uint8Array[]>,
): Promise<void> {
  if (!words.some((word) => word.includes(replacement))) return
  const { isUtf8 } = await import('node:buffer')
  const wrong = (await raw()).find((word) => !isUtf8(word))
  if (wrong === undefined) return // the character itself, or a system without /proc
  throw new CommandFailure(
    'usage',
    'command.validation_failed',
    `the ${what} '${shownBytes(wrong)}' is not UTF-8`,
    'convert it with iconv, or match the file by a pattern inside sh -c',
  )
}

/** Refuses arguments, and variables of `canfar` in the environment, that are not UTF-8. */
export async function requireUtf8Words(argv: readonly string[], environment: NodeJS.ProcessEnv): Promise<void> {
  const { readFile } = await import('node:fs/promises')
  const read = async (file: string): Promise<Uint8Array[]> =>
    wordsOf(await readFile(file).catch(() => new Uint8Array()))
  await requireUtf8('argument', argv, async () => (await read('/proc/self/cmdline')).slice(-argv.length))
  const own = Object.entries(environment).filter(([name]) => name.startsWith('CANFAR_'))
  await requireUtf8(
    'environment variable',
    own.map(([, value]) => value ?? ''),
    async () => (await read('/proc/self/environ')).filter((word) => shownBytes(word.subarray(0, 7)) === 'CANFAR_'),
  )
}
