import type { Directory, DirectoryChange, StoredAccount, StoredGroup } from '../store/store.ts'
import { checkId, checkName } from './accounts.ts'
import { withChanges } from './directory.ts'

/** One user of a passwd file, passwd(5), with the line that names it. */
interface PasswdEntry {
  readonly line: number
  readonly name: string
  readonly uid: number
  readonly gid: number
}

/** One group of a group file, group(5), with the line that names it. */
interface GroupEntry {
  readonly line: number
  readonly name: string
  readonly gid: number
  readonly members: readonly string[]
}

/** A line of a file that prevents the import. */
export interface Conflict {
  readonly file: 'passwd' | 'group'
  readonly line: number
  readonly message: string
}

/** The changes that an import would write. With conflicts nothing is written. */
export interface ImportPlan {
  readonly changes: readonly DirectoryChange[]
  readonly conflicts: readonly Conflict[]
}

/** Ids below are the machine's own: root's and those of its services (login.defs(5), UID_MIN). */
export const machineIds = 1_000

/**
 * Plans the import of passwd and group files. It adds new users and groups, and sets the members of each group in the files
 * to those of the file. Users and groups outside the files stay. A group with the name and number of a user's primary group
 * and no other member is that user's own group and is not added. Pure.
 */
export function planImport(
  directory: Directory,
  { passwd, group, minId = machineIds }: { readonly passwd: string; readonly group: string; readonly minId?: number },
): ImportPlan {
  const conflicts: Conflict[] = []
  const users = readEntries('passwd', passwd, 7, passwdEntry, conflicts)
  const allGroups = readEntries('group', group, 4, groupEntry, conflicts)
  const primary = new Map(users.map((user) => [user.name, user.gid]))
  const gidOf = (name: string): number | undefined => primary.get(name) ?? directory.users.get(name)?.gid
  const groups = allGroups.filter(
    ({ name, gid, members }) =>
      gidOf(name) !== gid || directory.groups.has(name) || members.some((member) => member !== name),
  )

  const changes: DirectoryChange[] = []
  const conflict = (file: Conflict['file'], line: number, message: string): void => {
    conflicts.push({ file, line, message })
  }
  const checked = (file: Conflict['file'], line: number, check: () => void): boolean => {
    try {
      check()
      return true
    } catch (error) {
      conflict(file, line, (error as Error).message)
      return false
    }
  }
  const checkIds = (file: Conflict['file'], line: number, ids: Readonly<Record<string, number>>): void => {
    for (const [field, id] of Object.entries(ids)) {
      if (!checked(file, line, () => checkId(field, id)) || id >= minId) continue
      conflict(
        file,
        line,
        `${field} is ${id}; ids below ${minId} belong to the machine: remove the line, or allow it with --min-id`,
      )
    }
  }
  const otherOwner = (given: ReadonlyMap<number, string>, id: number, name: string): string | undefined => {
    const owner = given.get(id)
    return owner === name ? undefined : owner
  }

  for (const { line, name, gid } of groups) {
    checked('group', line, () => checkName('name', name))
    checkIds('group', line, { gid })
    const known = directory.groups.get(name)
    const owner = otherOwner(directory.gids, gid, name)
    if (known !== undefined && known.gid !== gid) conflict('group', line, `the group ${name} has the gid ${known.gid}`)
    else if (owner !== undefined) conflict('group', line, `the gid ${gid} is or was that of ${owner}`)
    else if (known === undefined) changes.push({ type: 'group', group: { name, gid } })
  }
  const groupsAfter = withChanges(directory, changes).groups
  const byGid = new Map([...groupsAfter.values()].map((one) => [one.gid, one]))

  for (const { line, name, uid, gid } of users) {
    checked('passwd', line, () => checkName('name', name))
    checkIds('passwd', line, { uid, gid })
    const known = directory.users.get(name)
    const owner = otherOwner(directory.uids, uid, name)
    const gidOwner = byGid.has(gid) ? undefined : otherOwner(directory.gids, gid, name)
    if (known !== undefined && (known.uid !== uid || known.gid !== gid))
      conflict('passwd', line, `the user ${name} has the uid ${known.uid} and the gid ${known.gid}`)
    else if (owner !== undefined) conflict('passwd', line, `the uid ${uid} is or was that of ${owner}`)
    else if (gidOwner !== undefined) conflict('passwd', line, `the gid ${gid} is or was that of ${gidOwner}`)
    else if (!byGid.has(gid) && gid !== uid && !allGroups.some((one) => one.gid === gid && one.name === name))
      conflict('passwd', line, `no group has the gid ${gid}, neither in the files nor here`)
  }

  const memberships = membershipsAfter(directory, users, groups, byGid, conflict)
  for (const [name, groupsOf] of memberships) {
    const known = directory.users.get(name)
    const entry = users.find((user) => user.name === name)
    const base: StoredAccount | undefined =
      known ?? (entry && { name, uid: entry.uid, gid: entry.gid, admin: false, groups: [] })
    if (base === undefined) continue
    const wanted = [...groupsOf].toSorted((a, b) => (a.name < b.name ? -1 : 1))
    if (known !== undefined && sameGroups(known.groups, wanted)) continue
    changes.push({ type: 'user', user: { ...base, groups: wanted } })
  }
  return conflicts.length > 0 ? { changes: [], conflicts: conflicts.toSorted(byLine) } : { changes, conflicts }
}

/** The groups of each user after an import: groups of the files that name the user, and the user's groups outside the files. */
function membershipsAfter(
  directory: Directory,
  users: readonly PasswdEntry[],
  groups: readonly GroupEntry[],
  byGid: ReadonlyMap<number, StoredGroup>,
  conflict: (file: Conflict['file'], line: number, message: string) => void,
): Map<string, Set<StoredGroup>> {
  const named = new Set(groups.map(({ name }) => name))
  const after = new Map<string, Set<StoredGroup>>()
  for (const user of directory.users.values())
    after.set(user.name, new Set(user.groups.filter((one) => !named.has(one.name) || one.gid === user.gid)))
  for (const { name, gid } of users) {
    const own = after.get(name) ?? new Set()
    after.set(name, own)
    const primary = byGid.get(gid)
    if (primary !== undefined && ![...own].some((one) => one.name === primary.name)) own.add(primary)
  }
  for (const { line, name, gid, members } of groups) {
    for (const member of new Set(members)) {
      const own = after.get(member)
      if (own === undefined)
        conflict('group', line, `its member ${member} is not a user, neither in the files nor here`)
      else if (![...own].some((one) => one.name === name)) own.add({ name, gid })
    }
  }
  return after
}

/** Users as a passwd file, passwd(5), for machines that show the names of the platform's users. Pure. */
export const passwdOf = ({ users }: Directory): string =>
  [...users.values()]
    .map(({ name, uid, gid }) => `${name}:x:${uid}:${gid}:${name}:/arc/home/${name}:/usr/sbin/nologin\n`)
    .join('')

/** Groups as a group file, group(5), with the users' own groups. Pure. */
export function groupFileOf({ users, groups }: Directory): string {
  const gids = new Set([...groups.values()].map(({ gid }) => gid))
  const own = [...users.values()].filter(({ gid }) => !gids.has(gid)).map(({ name, gid }) => `${name}:x:${gid}:\n`)
  const shared = [...groups.values()].map(({ name, gid }) => {
    const members = [...users.values()].filter((user) => user.groups.some((one) => one.name === name))
    return `${name}:x:${gid}:${members.map((user) => user.name).join(',')}\n`
  })
  return [...own, ...shared].join('')
}

function readEntries<T extends { readonly name: string; readonly line: number }>(
  file: Conflict['file'],
  text: string,
  fieldCount: number,
  read: (fields: readonly string[], line: number) => T | string,
  conflicts: Conflict[],
): T[] {
  const entries: T[] = []
  const seen = new Map<string, number>()
  for (const [i, content] of text.split(/\r?\n/).entries()) {
    const line = i + 1
    if (content.trim() === '' || content.startsWith('#')) continue
    const fields = content.split(':')
    const entry =
      fields.length === fieldCount
        ? read(fields, line)
        : `it has ${fields.length} fields; a ${file} file has ${fieldCount}, separated by colons`
    if (typeof entry === 'string') {
      conflicts.push({ file, line, message: entry })
      continue
    }
    const keys = [
      entry.name,
      'uid' in entry ? `uid ${String(entry.uid)}` : `gid ${String((entry as { gid?: number }).gid)}`,
    ]
    const twice = keys.find((key) => seen.has(key))
    if (twice === undefined) entries.push(entry)
    else conflicts.push({ file, line, message: `${twice} is on line ${seen.get(twice)} already` })
    for (const key of keys) if (!seen.has(key)) seen.set(key, line)
  }
  return entries
}

const passwdEntry = ([name = '', , uid = '', gid = '']: readonly string[], line: number): PasswdEntry | string => {
  const ids = [numberOf(uid), numberOf(gid)] as const
  if (ids[0] === undefined) return `the uid is ${JSON.stringify(uid)}, which is not a number`
  if (ids[1] === undefined) return `the gid is ${JSON.stringify(gid)}, which is not a number`
  return { line, name, uid: ids[0], gid: ids[1] }
}

const groupEntry = ([name = '', , gid = '', members = '']: readonly string[], line: number): GroupEntry | string => {
  const id = numberOf(gid)
  if (id === undefined) return `the gid is ${JSON.stringify(gid)}, which is not a number`
  return { line, name, gid: id, members: members.split(',').filter((member) => member !== '') }
}

const numberOf = (text: string): number | undefined => (/^\d{1,15}$/.test(text) ? Number(text) : undefined)

const sameGroups = (one: readonly StoredGroup[], other: readonly StoredGroup[]): boolean =>
  one.length === other.length && one.every(({ name }) => other.some((group) => group.name === name))

const byLine = (a: Conflict, b: Conflict): number =>
  a.file === b.file ? a.line - b.line : a.file === 'passwd' ? -1 : 1
