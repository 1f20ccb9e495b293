import Type, { type Static } from 'typebox'
import { Instant } from './instant.ts'

const Closed = { additionalProperties: false } as const

/** The name of a user, a group or a project. */
const Name = Type.String({
  pattern: '^[a-z][a-z0-9_-]{0,31}$',
  description: 'A lower-case letter, then at most 31 lower-case letters, digits, hyphens and underscores.',
  examples: ['ada'],
})

const PosixId = (of: string) =>
  Type.Integer({
    minimum: 1,
    maximum: 2_147_483_647,
    description: `The POSIX id of the ${of}. Left out: the next free id. An id is never used again.`,
  })

/** A group of a user. */
const GroupId = Type.Object({ name: Type.String(), gid: Type.Integer() })

/** A user. */
export const User = Type.Object(
  {
    name: Type.String(),
    uid: Type.Integer({ description: 'The user id that jobs run as.' }),
    gid: Type.Integer({ description: 'The primary group, which owns files that the jobs create.' }),
    groups: Type.Array(GroupId, { description: 'The groups whose files jobs can access under /arc.' }),
    admin: Type.Boolean({ description: 'Whether tokens of this user may have the scope admin.' }),
    disabledAt: Type.Optional(Instant),
    cancelJobs: Type.Optional(Type.Boolean({ description: 'Whether the jobs were cancelled too.' })),
  },
  { $id: 'User' },
)
export type User = Static<typeof User>

/** All users, by name. */
export const Users = Type.Object({ users: Type.Array(Type.Ref('User')) }, { $id: 'Users' })
export type Users = { users: User[] }

/** A user to add. */
export const UserRequest = Type.Object(
  {
    name: Name,
    uid: Type.Optional(PosixId('user')),
    admin: Type.Optional(Type.Boolean({ default: false })),
    groups: Type.Optional(Type.Array(Name, { description: 'Names of existing groups.' })),
  },
  { ...Closed, $id: 'UserRequest' },
)
export type UserRequest = Static<typeof UserRequest>

/** Changes of a user. Fields left out stay as they are. */
export const UserChange = Type.Object(
  {
    admin: Type.Optional(Type.Boolean()),
    groups: Type.Optional(Type.Array(Name, { description: 'The complete new list of groups.' })),
  },
  { ...Closed, $id: 'UserChange' },
)
export type UserChange = Static<typeof UserChange>

/** Options of disabling a user. */
export const DisableRequest = Type.Object(
  {
    cancelJobs: Type.Optional(
      Type.Boolean({ default: false, description: 'Whether waiting and running jobs are cancelled too.' }),
    ),
  },
  { ...Closed, $id: 'DisableRequest' },
)
export type DisableRequest = Static<typeof DisableRequest>

/** A group with its members. */
export const Group = Type.Object(
  { name: Type.String(), gid: Type.Integer(), members: Type.Array(Type.String()) },
  { $id: 'Group' },
)
export type Group = Static<typeof Group>

/** All groups, by name. */
export const Groups = Type.Object({ groups: Type.Array(Type.Ref('Group')) }, { $id: 'Groups' })
export type Groups = { groups: Group[] }

/** A group to add. */
export const GroupRequest = Type.Object(
  { name: Name, gid: Type.Optional(PosixId('group')) },
  { ...Closed, $id: 'GroupRequest' },
)
export type GroupRequest = Static<typeof GroupRequest>

/** A directory under `/arc/projects` and the group that owns it. */
export const Project = Type.Object({ name: Type.String(), group: Type.String() }, { $id: 'Project' })
export type Project = Static<typeof Project>

/** All projects, by name. */
export const Projects = Type.Object({ projects: Type.Array(Type.Ref('Project')) }, { $id: 'Projects' })
export type Projects = { projects: Project[] }

/** A project to add. */
export const ProjectRequest = Type.Object({ name: Name, group: Name }, { ...Closed, $id: 'ProjectRequest' })
export type ProjectRequest = Static<typeof ProjectRequest>

/** The new group of a project. */
export const ProjectChange = Type.Object({ group: Name }, { ...Closed, $id: 'ProjectChange' })
export type ProjectChange = Static<typeof ProjectChange>
