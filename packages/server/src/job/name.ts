import { limits } from '@science-platform/contract'
import { InvalidRequest, shown } from './invalid.ts'

/**
 * The stored name of a job: in lower case, because it is also the host name of the container (RFC 1123, wire contract 2.2).
 * @throws {InvalidRequest} with a valid name as its hint.
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

/** The name of a task of an array, `name-1` to `name-N` (wire contract 2.7). A single job keeps its name. */
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
  return fitting === '' ? 'Use letters, digits and hyphens, such as my-job-1.' : `Use a name such as ${fitting}.`
}
