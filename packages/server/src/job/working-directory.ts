import { limits } from '@science-platform/contract'
import { InvalidRequest, shown } from './invalid.ts'

const field = 'workingDirectory'

/**
 * The stored form of a working directory: without `.`, doubled and trailing slashes. `..` is refused: what it means depends on links. Pure.
 * @throws {InvalidRequest} naming the field.
 */
export function normalisedDirectory(path: string): string {
  if (path.includes('\0'))
    throw new InvalidRequest(field, `${field} contains a NUL byte: ${shown(path)}`, 'Remove the NUL byte.')
  if (!path.startsWith('/'))
    throw new InvalidRequest(
      field,
      `${field} is ${shown(path)}, which is not an absolute path`,
      'Give the whole path in the container, such as /arc/home/USER/data or /scratch/work.',
    )
  const bytes = Buffer.byteLength(path)
  if (bytes > limits.pathBytes)
    throw new InvalidRequest(
      field,
      `${field} has ${bytes} bytes, at most ${limits.pathBytes} are allowed`,
      'Use a shorter path, such as a symbolic link to the folder.',
    )
  const parts = path.split('/').filter((part) => part !== '' && part !== '.')
  if (parts.includes('..'))
    throw new InvalidRequest(field, `${field} is ${shown(path)}, which contains ..`, 'Give the path without ..')
  return `/${parts.join('/')}`
}
