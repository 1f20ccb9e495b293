import type { StoredAccount } from '../store/store.ts'

/** First POSIX id that is given to a user; below are the machine's own (Debian gives people 1000 to 59999 by hand). */
export const firstUid = 20_000
/** First POSIX id that is given to a group. */
export const firstGid = 40_000

/** The next id after all that are in use, so that no new user inherits the files of an old one. Pure. */
export const nextId = (first: number, used: readonly number[]): number => Math.max(first - 1, ...used) + 1

/** Whether a text can be a user's or a group's name: what POSIX systems take, and safe as a folder. */
const isAccountName = (name: string): boolean => /^[a-z][a-z0-9_-]{0,31}$/.test(name)

/** Throws an error that says what is wrong with a name, and what would do. */
export function checkAccountName(what: 'user' | 'group', name: string): void {
  if (isAccountName(name)) return
  throw new Error(
    `${JSON.stringify(name)} cannot be the name of a ${what}: it takes a lower-case letter, then at most 31 lower-case letters, digits, hyphens and underscores.`,
  )
}

/** An account as other parts of the platform need it to run jobs. */
export const accountFor = ({ name, uid, gid, groups }: StoredAccount) => ({ name, uid, gid, groups })
