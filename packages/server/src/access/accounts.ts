import { InvalidRequest, shown } from '../job/invalid.ts'
import type { StoredAccount } from '../store/store.ts'

/** First POSIX id that is given to a user; below are the machine's own (Debian gives people 1000 to 59999 by hand). */
export const firstUid = 20_000
/** First POSIX id that is given to a group. */
export const firstGid = 40_000

/** POSIX leaves the sign bit alone; Linux keeps the last two of sixteen bits for nobody (debian-policy, 9.2.2). */
const lastId = 2 ** 31 - 1
const nobodys: readonly number[] = [65_534, 65_535]

/** The first id that was never given, so that nobody inherits the files of another. Pure. */
export function nextId(first: number, ...given: readonly { has: (id: number) => boolean }[]): number {
  let id = first
  while (nobodys.includes(id) || given.some((ids) => ids.has(id))) id += 1
  return id
}

/** Pure. @throws {InvalidRequest} where a number cannot be the id of a user or group whose jobs run here. */
export function checkId(field: string, id: number): void {
  if (Number.isInteger(id) && id >= 1 && id <= lastId && !nobodys.includes(id)) return
  const why = id === 0 ? 'which is root, whom no job may be' : 'which no user or group can have'
  throw new InvalidRequest(
    field,
    `${field} is ${id}, ${why}`,
    `Use a whole number from 1 to ${lastId}, not 65534 or 65535; or leave it out for the next free one.`,
  )
}

/** What POSIX systems take as a name, and what is safe as a folder's. */
const namePattern = /^[a-z][a-z0-9_-]{0,31}$/

/** Pure. @throws {InvalidRequest} where a text cannot be the name of a user, a group or a project. */
export function checkName(field: string, name: string): void {
  if (namePattern.test(name)) return
  throw new InvalidRequest(
    field,
    `${field} is ${shown(name)}`,
    'Use a lower-case letter, then at most 31 lower-case letters, digits, hyphens and underscores.',
  )
}

/** An account as other parts of the platform need it to run jobs. */
export const accountFor = ({ name, uid, gid, groups }: StoredAccount) => ({ name, uid, gid, groups })
