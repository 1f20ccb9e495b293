import { InvalidRequest } from '../job/invalid.ts'
import type { Directory, DirectoryChange, StoredAccount, StoredGroup, StoredProject } from '../store/store.ts'
import { checkId, checkName, firstGid, firstUid, nextId } from './accounts.ts'

/** A change of the directory: returns what to write, or throws {@link InvalidRequest}. Pure. */
export type DirectoryStep = (directory: Directory) => readonly DirectoryChange[]

/** Several steps as one. Each step gets the directory after the step before. */
export const inTurn =
  (...steps: readonly DirectoryStep[]): DirectoryStep =>
  (directory) => {
    const all: DirectoryChange[] = []
    let now = directory
    for (const step of steps) {
      const changes = step(now)
      now = withChanges(now, changes)
      all.push(...changes)
    }
    return all
  }

/** The directory after changes. Pure. */
export function withChanges(directory: Directory, changes: readonly DirectoryChange[]): Directory {
  const users = new Map(directory.users)
  const groups = new Map(directory.groups)
  const projects = new Map(directory.projects)
  const uids = new Map(directory.uids)
  const gids = new Map(directory.gids)
  const give = (ids: Map<number, string>, id: number, name: string): void => {
    if (!ids.has(id)) ids.set(id, name)
  }
  for (const change of changes) {
    if (change.type === 'user') {
      users.set(change.user.name, change.user)
      give(uids, change.user.uid, change.user.name)
      give(gids, change.user.gid, change.user.name)
    } else if (change.type === 'group') {
      groups.set(change.group.name, change.group)
      give(gids, change.group.gid, change.group.name)
    } else {
      projects.set(change.project.name, change.project)
    }
  }
  return { users, groups, projects, uids, gids }
}

/** Adds a user with a primary group of the same number. @throws {InvalidRequest} */
export const addUser =
  (request: {
    readonly name: string
    readonly uid?: number | undefined
    readonly admin?: boolean | undefined
    readonly groups?: readonly string[] | undefined
  }): DirectoryStep =>
  (directory) => {
    const { name, uid = nextId(firstUid, directory.uids, directory.gids), admin = false, groups = [] } = request
    checkName('name', name)
    if (directory.users.has(name)) throw taken('name', `There is a user ${name} already.`)
    checkId('uid', uid)
    checkFree('uid', uid, name, directory.uids, directory.users, 'user')
    checkFree('uid', uid, name, directory.gids, directory.groups, 'group')
    return [{ type: 'user', user: { name, uid, gid: uid, admin, groups: groupsNamed(directory, groups) } }]
  }

/** Changes a user's rights and groups. Omitted fields stay. @throws {InvalidRequest} */
export const setUser =
  (
    name: string,
    change: { readonly admin?: boolean | undefined; readonly groups?: readonly string[] | undefined },
  ): DirectoryStep =>
  (directory) => {
    const user = userNamed(directory, name)
    const admin = change.admin ?? user.admin
    if (!admin) checkNotLastAdministrator(directory, user)
    const groups = change.groups === undefined ? user.groups : groupsNamed(directory, change.groups)
    return [{ type: 'user', user: { ...user, admin, groups } }]
  }

/** Disables a user's tokens and, with `cancelJobs`, has the user's jobs cancelled. @throws {InvalidRequest} */
export const disableUser =
  (name: string, { cancelJobs, now }: { readonly cancelJobs: boolean; readonly now: number }): DirectoryStep =>
  (directory) => {
    const user = userNamed(directory, name)
    checkNotLastAdministrator(directory, user)
    const disabledAt = user.disabledAt ?? now
    return [{ type: 'user', user: { ...user, disabledAt, ...(cancelJobs ? { cancelJobs } : {}) } }]
  }

/** Allows new tokens for a disabled user; earlier tokens stay revoked. @throws {InvalidRequest} */
export const enableUser =
  (name: string): DirectoryStep =>
  (directory) => {
    const { disabledAt: _, cancelJobs: __, ...user } = userNamed(directory, name)
    return [{ type: 'user', user }]
  }

/** @throws {InvalidRequest} */
export const addGroup =
  ({ name, gid: asked }: { readonly name: string; readonly gid?: number | undefined }): DirectoryStep =>
  (directory) => {
    checkName('name', name)
    if (directory.groups.has(name)) throw taken('name', `There is a group ${name} already.`)
    const gid = asked ?? nextId(firstGid, directory.gids, directory.uids)
    checkId('gid', gid)
    checkFree('gid', gid, name, directory.gids, directory.groups, 'group')
    return [{ type: 'group', group: { name, gid } }]
  }

/** Adds a user to a group; without effect where the user is a member. @throws {InvalidRequest} */
export const addMember = (group: string, user: string): DirectoryStep => changeMembership(group, user, true)

/** Removes a user from a group; without effect where the user is no member. @throws {InvalidRequest} */
export const removeMember = (group: string, user: string): DirectoryStep => changeMembership(group, user, false)

const changeMembership =
  (groupName: string, userName: string, member: boolean): DirectoryStep =>
  (directory) => {
    const group = groupNamed(directory, groupName)
    const user = userNamed(directory, userName)
    if (!member && user.gid === group.gid) {
      throw new InvalidRequest(
        'user',
        `${groupName} is the primary group of ${userName} and cannot be removed`,
        `Disable the user instead: science-platform user disable ${userName}`,
        'conflict',
      )
    }
    const others = user.groups.filter(({ name }) => name !== groupName)
    return [{ type: 'user', user: { ...user, groups: member ? [...others, group] : others } }]
  }

/** Adds a project of a group. @throws {InvalidRequest} */
export const addProject =
  ({ name, group }: StoredProject): DirectoryStep =>
  (directory) => {
    checkName('name', name)
    if (directory.projects.has(name)) throw taken('name', `There is a project ${name} already.`)
    groupsNamed(directory, [group], 'group')
    return [{ type: 'project', project: { name, group } }]
  }

/** Changes the group of a project. @throws {InvalidRequest} */
export const setProject =
  ({ name, group }: StoredProject): DirectoryStep =>
  (directory) => {
    if (!directory.projects.has(name)) throw missing('project', name)
    groupsNamed(directory, [group], 'group')
    return [{ type: 'project', project: { name, group } }]
  }

/** @throws {InvalidRequest} where there is no such user. */
export const userNamed = (directory: Pick<Directory, 'users'>, name: string): StoredAccount => {
  const user = directory.users.get(name)
  if (user === undefined) throw missing('user', name)
  return user
}

/** @throws {InvalidRequest} where there is no such group. */
export const groupNamed = (directory: Pick<Directory, 'groups'>, name: string): StoredGroup => {
  const group = directory.groups.get(name)
  if (group === undefined) throw missing('group', name)
  return group
}

/** The names of a group's members. Pure. */
export const membersOf = (directory: Directory, group: string): string[] =>
  [...directory.users.values()].filter((user) => user.groups.some(({ name }) => name === group)).map(({ name }) => name)

function groupsNamed(directory: Directory, names: readonly string[], field = 'groups'): StoredGroup[] {
  return [...new Set(names)].map((name) => {
    const group = directory.groups.get(name)
    if (group !== undefined) return group
    throw new InvalidRequest(
      field,
      `${field} has ${name}, and there is no such group`,
      `Add it: science-platform group add ${name}`,
    )
  })
}

/** @throws {InvalidRequest} where the id was ever given to another name */
function checkFree(
  field: string,
  id: number,
  name: string,
  given: ReadonlyMap<number, string>,
  present: ReadonlyMap<string, unknown>,
  kind: 'user' | 'group',
): void {
  const owner = given.get(id)
  if (owner === undefined || owner === name) return
  const verb = present.has(owner) ? 'is' : 'was'
  throw taken(
    field,
    `The id ${id} ${verb} that of the ${kind} ${owner}; ids are given once.`,
    `Use another id, or omit it for the next free one.`,
  )
}

/** @throws {InvalidRequest} where no administrator would be left */
function checkNotLastAdministrator(directory: Directory, user: StoredAccount): void {
  const isActive = ({ admin, disabledAt }: StoredAccount): boolean => admin && disabledAt === undefined
  if (!isActive(user) || [...directory.users.values()].some((other) => other.name !== user.name && isActive(other)))
    return
  throw new InvalidRequest(
    'admin',
    `${user.name} is the last administrator`,
    'Make another user an administrator first: science-platform user set NAME --admin yes',
    'conflict',
  )
}

const taken = (field: string, message: string, hint = 'Use another.'): InvalidRequest =>
  new InvalidRequest(field, message, hint, 'conflict')

const missing = (kind: 'user' | 'group' | 'project', name: string): InvalidRequest =>
  new InvalidRequest(
    'name',
    `There is no ${kind} ${name}.`,
    `List them: science-platform ${kind} list. Add it: science-platform ${kind} add ${name}`,
    'not-found',
  )
