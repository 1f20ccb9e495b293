import assert from 'node:assert/strict'
import { describe, it } from 'node:test'
import fc from 'fast-check'
import type { InvalidRequest } from '../job/invalid.ts'
import type { Directory } from '../store/store.ts'
import {
  addGroup,
  addMember,
  addProject,
  addUser,
  disableUser,
  enableUser,
  inTurn,
  membersOf,
  removeMember,
  setProject,
  setUser,
  withChanges,
  type DirectoryStep,
} from './directory.ts'

const empty: Directory = { users: new Map(), groups: new Map(), projects: new Map(), uids: new Map(), gids: new Map() }

/** The directory after steps. */
const after = (...steps: DirectoryStep[]): Directory => withChanges(empty, inTurn(...steps)(empty))

/** The refusal of a step. */
function refusal(directory: Directory, step: DirectoryStep): InvalidRequest {
  try {
    step(directory)
  } catch (error) {
    return error as InvalidRequest
  }
  throw new Error('it was not refused')
}

describe('users and groups', () => {
  it('get the next ids that were never given', () => {
    const directory = after(
      addGroup({ name: 'survey' }),
      addGroup({ name: 'optics' }),
      addUser({ name: 'ada', groups: ['survey'] }),
      addUser({ name: 'bob', uid: 20_001 }),
      addUser({ name: 'carol', admin: true }),
    )
    assert.deepEqual(directory.users.get('carol'), { name: 'carol', uid: 20_002, gid: 20_002, admin: true, groups: [] })
    assert.equal(directory.groups.get('optics')?.gid, 40_001)
    const deleted = { ...directory, users: new Map(), groups: new Map() }
    assert.equal(withChanges(deleted, addUser({ name: 'dan' })(deleted)).users.get('dan')?.uid, 20_003)
    assert.equal(withChanges(deleted, addGroup({ name: 'new' })(deleted)).groups.get('new')?.gid, 40_002)
    const { message, problem } = refusal(deleted, addUser({ name: 'eve', uid: 20_000 }))
    assert.match(message, /20000 was that of the user ada/)
    assert.equal(problem, 'conflict')
  })

  it('share no group id, whatever order and ids they are added with', () => {
    const step = fc.record({ kind: fc.constantFrom('user', 'group'), id: fc.option(fc.integer({ min: 1, max: 12 })) })
    fc.assert(
      fc.property(fc.array(step, { maxLength: 30 }), (steps) => {
        let directory = empty
        for (const [i, { kind, id }] of steps.entries()) {
          const add =
            kind === 'user'
              ? addUser({ name: `u${i}`, uid: id ?? undefined })
              : addGroup({ name: `g${i}`, gid: id ?? undefined })
          try {
            directory = withChanges(directory, add(directory))
          } catch (error) {
            assert.equal((error as InvalidRequest).problem, 'conflict')
            assert.ok(id !== null, 'only an id that was asked for can be taken')
          }
        }
        const gids = [
          ...[...directory.users.values()].map(({ gid }) => gid),
          ...directory.groups.values().map((g) => g.gid),
        ]
        assert.equal(new Set(gids).size, gids.length)
      }),
    )
  })

  it('have names and ids within bounds, and refusals name the field', () => {
    for (const name of ['', 'Ada', '1a', 'a b', '../a', 'a'.repeat(33), 'root\n', 'é'])
      assert.equal(refusal(empty, addUser({ name })).field, 'name', name)
    for (const uid of [0, -1, 1.5, Number.NaN, 2 ** 31, 65_534, 65_535])
      assert.equal(refusal(empty, addUser({ name: 'a', uid })).field, 'uid', String(uid))
    assert.match(refusal(empty, addUser({ name: 'a', uid: 0 })).message, /root/)
    assert.equal(refusal(empty, addGroup({ name: 'a', gid: 0 })).field, 'gid')
    const unknown = refusal(empty, addUser({ name: 'a', groups: ['nowhere'] }))
    assert.equal(unknown.field, 'groups')
    assert.match(unknown.hint, /group add nowhere/)
    assert.equal(refusal(after(addUser({ name: 'a' })), addUser({ name: 'a' })).problem, 'conflict')
  })

  it('are connected by membership, which can be added and removed', () => {
    const directory = after(
      addGroup({ name: 'survey' }),
      addUser({ name: 'ada' }),
      addUser({ name: 'bob' }),
      addMember('survey', 'ada'),
      addMember('survey', 'ada'),
      addMember('survey', 'bob'),
      removeMember('survey', 'bob'),
      removeMember('survey', 'bob'),
    )
    assert.deepEqual(membersOf(directory, 'survey'), ['ada'])
    assert.equal(refusal(directory, addMember('survey', 'eve')).problem, 'not-found')
    assert.equal(refusal(directory, addMember('nowhere', 'ada')).problem, 'not-found')
    const cleared = withChanges(directory, setUser('ada', { groups: [] })(directory))
    assert.deepEqual(membersOf(cleared, 'survey'), [])
  })
})

describe('administrators', () => {
  it('cannot all be removed', () => {
    const one = after(addUser({ name: 'root', admin: true }), addUser({ name: 'ada' }))
    for (const step of [setUser('root', { admin: false }), disableUser('root', { cancelJobs: false, now: 1 })])
      assert.match(refusal(one, step).message, /last administrator/)
    const two = withChanges(one, setUser('ada', { admin: true })(one))
    const left = withChanges(two, disableUser('root', { cancelJobs: false, now: 1 })(two))
    assert.match(refusal(left, setUser('ada', { admin: false })).message, /last administrator/)
    // Without any administrator every user can be disabled.
    const none = after(addUser({ name: 'ada' }))
    assert.equal(disableUser('ada', { cancelJobs: false, now: 1 })(none).length, 1)
  })
})

describe('a user who is disabled', () => {
  it('stays disabled since the first time, and keeps cancelJobs, until enabled', () => {
    const directory = after(
      addUser({ name: 'ada' }),
      disableUser('ada', { cancelJobs: true, now: 5 }),
      disableUser('ada', { cancelJobs: false, now: 6 }),
    )
    assert.equal(directory.users.get('ada')?.disabledAt, 5)
    assert.equal(directory.users.get('ada')?.cancelJobs, true)
    const enabled = withChanges(directory, enableUser('ada')(directory))
    assert.deepEqual(Object.keys(enabled.users.get('ada') ?? {}), ['name', 'uid', 'gid', 'admin', 'groups'])
  })
})

describe('projects', () => {
  it('belong to a group, of any name, and can be given to another', () => {
    const directory = after(
      addGroup({ name: 'survey' }),
      addGroup({ name: 'optics' }),
      addProject({ name: 'night', group: 'survey' }),
      setProject({ name: 'night', group: 'optics' }),
    )
    assert.deepEqual(directory.projects.get('night'), { name: 'night', group: 'optics' })
    assert.equal(refusal(directory, addProject({ name: 'night', group: 'optics' })).problem, 'conflict')
    assert.equal(refusal(directory, addProject({ name: 'day', group: 'nowhere' })).field, 'group')
    assert.equal(refusal(directory, setProject({ name: 'day', group: 'optics' })).problem, 'not-found')
  })
})
