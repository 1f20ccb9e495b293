import type { DirectoryChange } from '../store.ts'

/** A group of tests. */
export const survey = { name: 'survey', gid: 3000 }

/** An administrator, in the group. */
export const ada = { name: 'ada', uid: 2000, gid: 2000, admin: true, groups: [survey] }

/** A user without a group. */
export const bob = { name: 'bob', uid: 2001, gid: 2001, admin: false, groups: [] }

/** The changes that add them and a project. */
export const people: readonly DirectoryChange[] = [
  { type: 'group', group: survey },
  { type: 'user', user: ada },
  { type: 'user', user: bob },
  { type: 'project', project: { name: 'night', group: 'survey' } },
]
