import { limits } from '@science-platform/contract'
import { InvalidRequest, shown } from './invalid.ts'

/**
 * A job's name as it is stored: lower case, since it is also the container's host name (RFC 1123, wire contract 2.2).
 * @throws {InvalidRequest} with a name that would do.
 */
export function jobName(name: string): string {
  if (!/^[A-Za-z0-9-]+$/.test(name)) {
    throw new InvalidRequest(
      'name',
      `name can only contain alpha-numeric chars and '-'; it was ${shown(name)}`,
      suggestion(name),
    )
  }
  if (name.length > limits.nameLength) {
    throw new InvalidRequest(
      'name',
      `name has ${name.length} characters, at most ${limits.nameLength} are allowed`,
      suggestion(name),
    )
  }
  if (name.startsWith('-') || name.endsWith('-')) {
    throw new InvalidRequest(
      'name',
      `name must start and end with a letter or digit; it was ${shown(name)}`,
      suggestion(name),
    )
  }
  return name.toLowerCase()
}

/** The name of one of several jobs: `name-1` to `name-N` (wire contract 2.7); a single job keeps its name. */
export function replicaName(name: string, index: number, count: number): string {
  if (count === 1) return name
  const full = `${name}-${index}`
  if (full.length > limits.nameLength) {
    const room = limits.nameLength - `-${count}`.length
    throw new InvalidRequest(
      'name',
      `name has ${name.length} characters; with -${count} for the last replica it would exceed ${limits.nameLength}`,
      `Use a name of at most ${room} characters.`,
    )
  }
  return full
}

function suggestion(name: string): string {
  const fitting = name
    .replace(/[^A-Za-z0-9-]+/g, '-')
    .slice(0, limits.nameLength)
    .replace(/^-+|-+$/g, '')
    .toLowerCase()
  return fitting === '' ? 'Use letters, digits and hyphens, such as my-job-1.' : `This would do: ${fitting}`
}
