import { accessSync, constants, existsSync } from 'node:fs'
import { homedir } from 'node:os'
import { join } from 'node:path'

/**
 * Where the demo keeps its platform between two runs: `.demo` in the checkout, or, where the checkout or the `.demo` in
 * it belongs to somebody else, `science-platform-demo` in the user's cache folder.
 */
export function demoFolder(root: string): string {
  const beside = join(root, '.demo')
  const writable = existsSync(beside) ? beside : root
  try {
    accessSync(writable, constants.W_OK)
    return beside
  } catch {
    return join(process.env.XDG_CACHE_HOME ?? join(homedir(), '.cache'), 'science-platform-demo')
  }
}
