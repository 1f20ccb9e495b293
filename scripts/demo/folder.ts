import { accessSync, constants, existsSync } from 'node:fs'
import { homedir } from 'node:os'
import { join } from 'node:path'

/**
 * The folder of the demo's platform: `.demo` in the checkout, or `science-platform-demo` in the user's cache folder if the
 * checkout or its `.demo` belongs to another user.
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
