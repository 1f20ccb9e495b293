import { limits } from '@science-platform/contract'
import type { Command } from './command.ts'
import { InvalidRequest } from './invalid.ts'

/** What the kernel counts for a word besides its bytes: the zero at its end and the pointer to it. */
const besides = 1 + 8

const bytesOf = (words: readonly string[]): number =>
  words.reduce((sum, word) => sum + Buffer.byteLength(word) + besides, 0)

/**
 * Checks that the kernel will take a command with its environment: more words than it takes would only fail when the job
 * starts. Each word alone was checked before.
 * @throws {InvalidRequest} naming what takes the most.
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
    `cmd, args and env take ${together} bytes together, most of them ${field}; the kernel takes ${limits.commandBytes}`,
    'Put the data in a file under /arc and pass its path.',
  )
}
