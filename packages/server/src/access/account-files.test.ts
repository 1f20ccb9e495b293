import assert from 'node:assert/strict'
import { describe, it } from 'node:test'
import fc from 'fast-check'
import type { Directory } from '../store/store.ts'
import { groupFileOf, passwdOf, planImport } from './account-files.ts'
import { addGroup, addMember, addUser, inTurn, withChanges } from './directory.ts'

const empty: Directory = { users: new Map(), groups: new Map(), projects: new Map(), uids: new Map(), gids: new Map() }

const passwd = [
  '# of the institute',
  'ada:x:5001:5001:Ada Lovelace:/home/ada:/bin/bash',
  'bob:x:5002:100000:,,,:/home/bob:/bin/sh',
  '',
].join('\n')
const group = ['ada:x:5001:', 'staff:x:100000:', 'survey:x:6000:ada,bob', ''].join('\n')

/** The conflicts of an import, with file and line. */
const against = (directory: Directory, files: { passwd?: string; group?: string; minId?: number }): string[] => {
  const { changes, conflicts } = planImport(directory, { passwd: '', group: '', ...files })
  if (conflicts.length > 0) assert.deepEqual(changes, [])
  return conflicts.map(({ file, line, message }) => `${file} ${line}: ${message}`)
}
const imported = (directory: Directory, files: { passwd: string; group: string }): Directory =>
  withChanges(directory, planImport(directory, files).changes)

describe('passwd and group files', () => {
  it('become users, groups and memberships, without the own groups of users', () => {
    const { users, groups } = imported(empty, { passwd, group })
    assert.deepEqual([...groups.keys()], ['staff', 'survey'])
    const survey = { name: 'survey', gid: 6000 }
    assert.deepEqual(users.get('ada'), { name: 'ada', uid: 5001, gid: 5001, admin: false, groups: [survey] })
    assert.deepEqual(users.get('bob')?.gid, 100_000)
    assert.deepEqual(users.get('bob')?.groups, [{ name: 'staff', gid: 100_000 }, survey])
  })

  it('add the primary group of a user that has other members', () => {
    const { groups, users } = imported(empty, { passwd, group: `ada:x:5001:bob\nstaff:x:100000:\n` })
    assert.equal(groups.get('ada')?.gid, 5001)
    assert.deepEqual(
      users.get('bob')?.groups.map(({ name }) => name),
      ['ada', 'staff'],
    )
  })

  it('change nothing when they are imported again', () => {
    const directory = imported(empty, { passwd, group })
    assert.deepEqual(planImport(directory, { passwd, group }), { changes: [], conflicts: [] })
  })

  it('are exported as they were imported, for any users and groups', () => {
    const step = fc.record({ user: fc.nat(5), group: fc.nat(3), admin: fc.boolean() })
    fc.assert(
      fc.property(fc.array(step, { maxLength: 20 }), (steps) => {
        let directory = empty
        for (const { user, group: g } of steps) {
          const [name, groupName] = [`user${user}`, `group${g}`]
          const all = inTurn(
            ...(directory.groups.has(groupName) ? [] : [addGroup({ name: groupName })]),
            ...(directory.users.has(name) ? [] : [addUser({ name })]),
            addMember(groupName, name),
          )
          directory = withChanges(directory, all(directory))
        }
        const files = { passwd: passwdOf(directory), group: groupFileOf(directory) }
        assert.deepEqual(planImport(directory, files), { changes: [], conflicts: [] })
        const copy = imported(empty, files)
        assert.deepEqual({ passwd: passwdOf(copy), group: groupFileOf(copy) }, files)
      }),
    )
  })

  it('set the members of the groups that they name, and of no others', () => {
    const before = imported(empty, { passwd, group })
    const after = imported(before, { passwd: '', group: 'survey:x:6000:bob\n' })
    assert.deepEqual(after.users.get('ada')?.groups, [])
    assert.deepEqual(
      after.users.get('bob')?.groups.map(({ name }) => name),
      ['staff', 'survey'],
    )
  })

  it('are refused by line: malformed entries, duplicates, and ids of other users', () => {
    const directory = imported(empty, { passwd, group })
    assert.deepEqual(
      against(directory, {
        passwd: [
          'eve:x:5003:5003',
          'eve:x:abc:5003::/:',
          'ada:x:5009:5001::/:',
          'dan:x:5001:5001::/:',
          'Eve:x:5010:5010::/:',
          'fay:x:5011:7777::/:',
          'gus:x:5012:5012::/:',
          'gus:x:5013:5013::/:',
          'hal:x:5012:5012::/:',
        ].join('\n'),
        group: ['survey:x:6001:', 'optics:x:6000:', 'empty:x:6002:nobody'].join('\n'),
      }),
      [
        'passwd 1: it has 4 fields; a passwd file has 7, separated by colons',
        'passwd 2: the uid is "abc", which is not a number',
        'passwd 3: the user ada has the uid 5001 and the gid 5001',
        'passwd 4: the uid 5001 is or was that of ada',
        'passwd 5: name is "Eve"',
        'passwd 6: no group has the gid 7777, neither in the files nor here',
        'passwd 8: gus is on line 7 already',
        'passwd 9: uid 5012 is on line 7 already',
        'group 1: the group survey has the gid 6000',
        'group 2: the gid 6000 is or was that of survey',
        'group 3: its member nobody is not a user, neither in the files nor here',
      ],
    )
  })

  it('are refused with ids of the machine, unless --min-id allows them; root always', () => {
    const files = { passwd: 'news:x:9:9::/:\nroot:x:0:0::/:\nnobody:x:65534:65534::/:\n' }
    const messages = against(empty, files)
    assert.ok(
      messages.includes(
        'passwd 1: uid is 9; ids below 1000 belong to the machine: remove the line, or allow it with --min-id',
      ),
      messages.join('\n'),
    )
    assert.match(messages.join('\n'), /passwd 2: uid is 0, which is root/)
    assert.match(messages.join('\n'), /passwd 3: uid is 65534, which no user or group can have/)
    assert.deepEqual(against(empty, { passwd: 'news:x:9:9::/:\n', minId: 9 }), [])
    assert.ok(against(empty, { ...files, minId: 1 }).length > 0)
  })
})
