import { limits, type Resources } from '@science-platform/contract'
import { InvalidRequest, shown } from './invalid.ts'

const keyPattern = /^[A-Za-z_][A-Za-z0-9_.-]*$/

/**
 * Checks the environment of a job. A value may hold anything that the kernel can pass on, such as `=`, quotes and `$`, and
 * may be empty.
 * @throws {InvalidRequest} naming the key.
 */
export function checkEnvironment(env: Readonly<Record<string, string>>): Readonly<Record<string, string>> {
  const entries = Object.entries(env)
  if (entries.length > limits.envEntries) {
    throw new InvalidRequest(
      'env',
      `env has ${entries.length} entries, at most ${limits.envEntries} are allowed`,
      'Put the variables in a file under /arc.',
    )
  }
  for (const [key, value] of entries) {
    if (!keyPattern.test(key)) {
      throw new InvalidRequest(
        'env',
        `env has the key ${shown(key)}`,
        'A key is a letter or underscore, then letters, digits, underscores, dots and hyphens.',
      )
    }
    if (value.includes('\0')) {
      throw new InvalidRequest('env', `env ${key} contains a NUL byte: ${shown(value)}`, 'Remove the NUL byte.')
    }
    if (Buffer.byteLength(key) + Buffer.byteLength(value) + 2 > limits.wordBytes) {
      throw new InvalidRequest(
        'env',
        `env ${key} has ${Buffer.byteLength(value)} bytes; a value with its key must be below ${limits.wordBytes}`,
        'Put the value in a file under /arc and pass its path.',
      )
    }
  }
  return env
}

/**
 * Parses `KEY=VALUE` of the wire. The first `=` ends the key; the value may be empty. The reference server silently drops
 * `A=b=c` and `A=` (wire contract 3.1).
 * @throws {InvalidRequest} for an entry without `=`.
 */
export function parseEnvironment(items: readonly string[]): Record<string, string> {
  return Object.fromEntries(
    items.map((item) => {
      const at = item.indexOf('=')
      if (at < 1) throw new InvalidRequest('env', `env has the entry ${shown(item)}`, 'Write it as KEY=VALUE.')
      return [item.slice(0, at), item.slice(at + 1)]
    }),
  )
}

/** Variables whose values describe the job itself: a user cannot set them. */
const reserved = [
  'skaha_hostname',
  'skaha_username',
  'skaha_sessionid',
  'HOME',
  'PWD',
  'USER',
  'LOGNAME',
  'CANFAR_ATTEMPT',
] as const
/** Those of a job with a token. Without one, a user may pass a token of their own. */
const reservedWithToken = ['CANFAR_TOKEN', 'CANFAR_URL'] as const

/** The variables of a user that the platform sets itself, in their order. Pure. */
export const reservedIn = (env: Readonly<Record<string, string>>, hasToken: boolean): string[] =>
  [...reserved, ...(hasToken ? reservedWithToken : [])].filter((key) => Object.hasOwn(env, key))

/** @throws {InvalidRequest} naming the variables that the platform sets itself. */
export function checkReserved(env: Readonly<Record<string, string>>, hasToken: boolean): void {
  const keys = reservedIn(env, hasToken)
  if (keys.length === 0) return
  throw new InvalidRequest(
    'env',
    `env has ${keys.join(', ')}: the platform sets ${keys.length === 1 ? 'it' : 'them'} for every job`,
    `Leave ${keys.length === 1 ? 'it' : 'them'} out, or set another value within the job: sh -c '${keys[0]}=… exec PROGRAM'.`,
  )
}

/**
 * The variables of the user and of the platform together. The platform's take precedence, but for the number of threads: a user who gives
 * one has a reason. Pure.
 */
export function mergedEnvironment(
  ofUser: Readonly<Record<string, string>>,
  ofPlatform: Readonly<Record<string, string>>,
): Record<string, string> {
  const { OMP_NUM_THREADS: threads } = ofUser
  return { ...ofUser, ...ofPlatform, ...(threads === undefined ? {} : { OMP_NUM_THREADS: threads }) }
}

/** Variables that the platform sets for a job (wire contract 3.1); {@link mergedEnvironment} joins them with those of the user. */
export function platformEnvironment(job: {
  readonly id: string
  readonly owner: string
  readonly hostname: string
  readonly home: string
  /** Absent: the home. */
  readonly workingDirectory?: string | undefined
  readonly attempt: number
  readonly resources: Resources
  /** The token of the job, and the server that accepts it (wire contract 4.2). */
  readonly token?: { readonly token: string; readonly url: string } | undefined
}): Record<string, string> {
  return {
    skaha_hostname: job.hostname,
    skaha_username: job.owner,
    skaha_sessionid: job.id,
    HOME: job.home,
    PWD: job.workingDirectory ?? job.home,
    USER: job.owner,
    LOGNAME: job.owner,
    OMP_NUM_THREADS: String(Math.max(1, Math.floor(job.resources.cores.request))),
    CANFAR_ATTEMPT: String(job.attempt),
    ...(job.token === undefined ? {} : { CANFAR_TOKEN: job.token.token, CANFAR_URL: job.token.url }),
  }
}

/** The variables that {@link platformEnvironment} sets. */
const platformKeys: ReadonlySet<string> = new Set([...reserved, 'OMP_NUM_THREADS', ...reservedWithToken])

/** The user's variables among those of an attempt. Pure. */
export const ownVariables = (env: Readonly<Record<string, string>>): Record<string, string> =>
  Object.fromEntries(Object.entries(env).filter(([key]) => !platformKeys.has(key)))
