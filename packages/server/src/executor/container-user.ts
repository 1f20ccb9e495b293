import type { Account } from './account.ts'

/** Path of an account's home inside every container. */
export const homeOf = (account: Account): string => `/arc/home/${account.name}`

/** The ids that a job's processes have inside its container. */
export interface ContainerIds {
  readonly uid: number
  readonly gid: number
  readonly additionalGids: readonly number[]
}

/**
 * As root the account's own ids. Without root the user namespace has a single user with the id 0, and no supplementary groups
 * (user_namespaces(7): setgroups is denied).
 */
export const containerIds = (account: Account, rootless: boolean): ContainerIds =>
  rootless
    ? { uid: 0, gid: 0, additionalGids: [] }
    : { uid: account.uid, gid: account.gid, additionalGids: account.groups.map(({ gid }) => gid) }

/** /etc/passwd for a container: the account first, so that programs show its id under its name, then the image's own entries. */
export function passwdText(ofImage: string, account: Account, rootless: boolean): string {
  const { uid, gid } = containerIds(account, rootless)
  return joined([`${account.name}:x:${uid}:${gid}:${account.name}:${homeOf(account)}:/bin/sh`], ofImage)
}

/** /etc/group for a container: the account's groups, then the image's own entries. */
export function groupText(ofImage: string, account: Account, rootless: boolean): string {
  const { gid } = containerIds(account, rootless)
  const groups = rootless ? [] : account.groups
  const primary = groups.some((group) => group.gid === gid) ? [] : [`${account.name}:x:${gid}:`]
  return joined([...primary, ...groups.map((group) => `${group.name}:x:${group.gid}:${account.name}`)], ofImage)
}

/** The platform's lines, then those lines of the image that have other names: the first entry of a name or number counts. */
function joined(ours: readonly string[], ofImage: string): string {
  const names = new Set(ours.map(nameOf))
  const theirs = ofImage.split('\n').filter((line) => line !== '' && !names.has(nameOf(line)))
  return [...ours, ...theirs, ''].join('\n')
}

const nameOf = (line: string): string => line.split(':', 1)[0] ?? ''
