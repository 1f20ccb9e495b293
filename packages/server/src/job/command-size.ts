import { limits } from '@science-platform/contract'
import type { Command } from './command.ts'
import { InvalidRequest } from './invalid.ts'

/** Bytes that the kernel counts for each word besides its text: the NUL at its end and the pointer to it (execve(2)). */
const overheadBytes = 1 + 8

const bytesOf = (words: readonly string[]): number =>
  words.reduce((sum, word) => sum + Buffer.byteLength(word) + overheadBytes, 0)

/**
 * Checks that the kernel accepts a command with its environment, which would otherwise fail only when the job starts. The
 * length of each word has been checked before.
 * @throws {InvalidRequest} naming the largest of the three fields.
 */
export function checkCommandSize({ cmd = [], args = [] }: Command, env: Readonly<Record<string, string>>): void {
  const sizes = {
    cmd: bytesOf(cmd),
    args: bytesOf(args),
    env: bytesOf(Object.entries(env).map(([key, value]) => `${key}=${value}`)),
  }
  const together = sizes.cmd + sizes.args + sizes.env
  if (together <= limits.commandBytes) return
  const [[field] = ['args']] = Object.entries(sizes).sort(([, a], [, b]) => b - a)
  throw new InvalidRequest(
    field,
    `cmd, args and env take ${together} bytes together, most of them ${field}; the limit is ${limits.commandBytes}`,
    'Put the data in a file under /arc and pass its path.',
  )
}
