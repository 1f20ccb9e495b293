import { execFile } from 'node:child_process'
import { join } from 'node:path'
import { fileURLToPath } from 'node:url'
import { promisify } from 'node:util'

const program = fileURLToPath(new URL('python-environment', import.meta.url))

/**
 * The folder of programs of a virtual environment with the very packages that a file lists. It is made where it is not
 * there yet; several tests at a time share one. @param pinned lines of NAME==VERSION.
 */
export async function pythonPrograms(pinned: string): Promise<string> {
  const { stdout } = await promisify(execFile)(program, [pinned])
  return join(stdout.trim(), 'bin')
}
