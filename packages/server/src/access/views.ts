import type { Group, User } from '@science-platform/contract'
import type { Directory, StoredAccount, StoredGroup } from '../store/store.ts'
import { membersOf } from './directory.ts'

/** A user in API responses. Pure. */
export const viewUser = ({ name, uid, gid, groups, admin, disabledAt, cancelJobs }: StoredAccount): User => ({
  name,
  uid,
  gid,
  groups: groups.map((group) => ({ name: group.name, gid: group.gid })),
  admin,
  ...(disabledAt === undefined ? {} : { disabledAt: new Date(disabledAt).toISOString() }),
  ...(cancelJobs === undefined ? {} : { cancelJobs }),
})

/** A group with its members in API responses. Pure. */
export const viewGroup = (directory: Directory, { name, gid }: StoredGroup): Group => ({
  name,
  gid,
  members: membersOf(directory, name),
})
