import { execFile } from 'node:child_process'
import { join } from 'node:path'
import { fileURLToPath } from 'node:url'
import { promisify } from 'node:util'

const program = fileURLToPath(new URL('../../scripts/python-environment', import.meta.url))

/**
 * The program folder of a virtual environment with exactly the listed packages. It is created if it is missing, and concurrent
 * tests share it. @param pinned lines NAME==VERSION
 */
export async function pythonPrograms(pinned: string): Promise<string> {
  const { stdout } = await promisify(execFile)(program, [pinned])
  return join(stdout.trim(), 'bin')
}
