import { InvalidRequest, shown } from '../job/invalid.ts'
import type { StoredAccount } from '../store/store.ts'

/** First POSIX id of a user. Lower ids belong to the machine; Debian's adduser gives 1000 to 59999. */
export const firstUid = 20_000
/** First POSIX id of a group. */
export const firstGid = 40_000

/** Ids are positive 32-bit numbers. 65534 and 65535 are reserved (debian-policy, 9.2.2). */
const lastId = 2 ** 31 - 1
const reservedIds: readonly number[] = [65_534, 65_535]

/** The first id that was never given: a new user must not inherit the files of a former one. Pure. */
export function nextId(first: number, ...given: readonly { has: (id: number) => boolean }[]): number {
  let id = first
  while (reservedIds.includes(id) || given.some((ids) => ids.has(id))) id += 1
  return id
}

/** Checks the id of a user or group. Pure. @throws {InvalidRequest} where the number cannot be one */
export function checkId(field: string, id: number): void {
  if (Number.isInteger(id) && id >= 1 && id <= lastId && !reservedIds.includes(id)) return
  const why = id === 0 ? 'which is root; no job runs as root' : 'which no user or group can have'
  throw new InvalidRequest(
    field,
    `${field} is ${id}, ${why}`,
    `Use a whole number from 1 to ${lastId}, not 65534 or 65535; or omit it for the next free one.`,
  )
}

/** Names that POSIX systems accept and that are safe as names of folders. */
const namePattern = /^[a-z][a-z0-9_-]{0,31}$/

/** Checks the name of a user, a group or a project. Pure. @throws {InvalidRequest} where the text cannot be one */
export function checkName(field: string, name: string): void {
  if (namePattern.test(name)) return
  throw new InvalidRequest(
    field,
    `${field} is ${shown(name)}`,
    'Use a lower-case letter, then at most 31 lower-case letters, digits, hyphens and underscores.',
  )
}

/** The POSIX account of a user, for executors. Pure. */
export const accountFor = ({ name, uid, gid, groups }: StoredAccount) => ({ name, uid, gid, groups })
