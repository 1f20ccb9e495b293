import assert from 'node:assert/strict'
import { test } from 'node:test'
import { token } from '../testing/some-job.ts'
import { ada, bob, people, survey } from '../testing/some-people.ts'
import type { OpenedStore } from './opened-store.ts'

/** Users, groups, tokens and registry logins. */
export function describeUsers(opened: OpenedStore): void {
  test('knows users, groups and projects, and whose every id is or was', async () => {
    assert.deepEqual(await opened.store.changeDirectory(() => people), people)
    assert.deepEqual(await opened.store.account('ada'), ada)
    assert.equal(await opened.store.account('eve'), undefined)
    const directory = await opened.store.directory()
    assert.deepEqual([...directory.users.values()], [ada, bob])
    assert.deepEqual([...directory.groups.values()], [survey])
    assert.deepEqual([...directory.projects.values()], [{ name: 'night', group: 'survey' }])
    assert.deepEqual(Object.fromEntries(directory.uids), { 2000: 'ada', 2001: 'bob' })
    assert.deepEqual(Object.fromEntries(directory.gids), { 2000: 'ada', 2001: 'bob', 3000: 'survey' })
    const changed = { ...bob, admin: true, groups: [survey], disabledAt: 7, cancelJobs: true as const }
    await opened.store.changeDirectory(({ users }) => [
      { type: 'user', user: { ...ada, groups: [] } },
      { type: 'user', user: { ...changed, uid: users.get('bob')?.uid ?? 0 } },
    ])
    assert.deepEqual(await opened.store.account('ada'), { ...ada, groups: [] })
    assert.deepEqual(await opened.store.account('bob'), changed)
    assert.deepEqual(await opened.store.usersToCancel(), ['bob'])
  })

  test('writes nothing of a change that is decided against, or that fails half-way', async () => {
    await assert.rejects(
      opened.store.changeDirectory(() => {
        throw new Error('no')
      }),
      /no/,
    )
    const half = [...people, { type: 'user', user: { ...bob, name: 'eve' } }] as const
    await assert.rejects(opened.store.changeDirectory(() => half))
    assert.equal((await opened.store.directory()).users.size, 0)
    assert.equal((await opened.store.directory()).gids.size, 0)
  })

  const good = async (): Promise<string[]> =>
    (await opened.store.tokens('ada')).filter(({ revokedAt }) => revokedAt === undefined).map(({ id }) => id)

  test('knows tokens by their hash, and when they were used', async () => {
    await opened.store.changeDirectory(() => people)
    assert.equal(await opened.store.addToken(token('a', { expiresAt: 99 })), true)
    assert.deepEqual(await opened.store.tokenByHash('hash of a'), token('a', { expiresAt: 99 }))
    assert.equal(await opened.store.tokenByHash('g'), undefined)
    await opened.store.noteTokenUse(
      new Map([
        ['a', 20],
        ['gone', 21],
      ]),
    )
    assert.equal(await opened.store.revokeToken('a', 50), true)
    assert.equal(await opened.store.revokeToken('a', 51), false)
    assert.deepEqual(await opened.store.tokens('ada'), [token('a', { expiresAt: 99, lastUsedAt: 20, revokedAt: 50 })])
    assert.equal(await opened.store.addToken(token('b', { account: 'eve' })), false)
  })

  test('ends with a token what was made with it, and nothing else', async () => {
    await opened.store.changeDirectory(() => people)
    await opened.store.addToken(token('a'))
    await opened.store.addToken(token('b', { madeWith: 'a' }))
    await opened.store.addToken(token('c', { madeWith: 'b' }))
    await opened.store.addToken(token('d'))
    assert.equal(await opened.store.revokeToken('b', 5), true)
    assert.deepEqual(await good(), ['a', 'd'])
    assert.equal(await opened.store.addToken(token('e', { madeWith: 'b' })), false)
    assert.equal(await opened.store.addToken(token('f', { madeWith: 'nothing' })), false)
  })

  test('stores no token that would outlive the one it was made with', async () => {
    await opened.store.changeDirectory(() => people)
    await opened.store.addToken(token('a', { expiresAt: 100 }))
    assert.equal(await opened.store.addToken(token('b', { madeWith: 'a' })), false)
    assert.equal(await opened.store.addToken(token('c', { madeWith: 'a', expiresAt: 101 })), false)
    assert.equal(await opened.store.addToken(token('d', { madeWith: 'a', expiresAt: 100, createdAt: 100 })), false)
    assert.equal(await opened.store.addToken(token('e', { madeWith: 'a', expiresAt: 100 })), true)
  })

  test('puts a successor into the place of a token, which ends after the overlap', async () => {
    await opened.store.changeDirectory(() => people)
    await opened.store.addToken(token('a'))
    await opened.store.addToken(token('b', { madeWith: 'a' }))
    assert.equal(await opened.store.rotateToken('a', token('c', { createdAt: 10 }), 30), true)
    assert.equal((await opened.store.tokenByHash('hash of a'))?.expiresAt, 30)
    assert.equal((await opened.store.tokenByHash('hash of b'))?.madeWith, 'c')
    await opened.store.revokeToken('a', 11)
    assert.deepEqual(await good(), ['b', 'c'])
    assert.equal(await opened.store.rotateToken('a', token('d'), 30), false)
    assert.equal(await opened.store.rotateToken('nothing', token('d'), 30), false)
    await opened.store.rotateToken('c', token('e', { createdAt: 12, expiresAt: 40 }), 12)
    assert.equal(await opened.store.rotateToken('c', token('f', { createdAt: 12 }), 13), false)
    assert.equal(await opened.store.tokenByHash('hash of f'), undefined)
  })

  test('ends all tokens of a user who is disabled, for good, and takes no more', async () => {
    await opened.store.changeDirectory(() => people)
    await opened.store.addToken(token('a'))
    await opened.store.addToken(token('b', { madeWith: 'a' }))
    await opened.store.addToken(token('c', { account: 'bob' }))
    await opened.store.changeDirectory(() => [{ type: 'user', user: { ...ada, disabledAt: 7 } }])
    assert.deepEqual(await good(), [])
    assert.equal((await opened.store.tokenByHash('hash of c'))?.revokedAt, undefined)
    assert.equal(await opened.store.addToken(token('d')), false)
    await opened.store.changeDirectory(() => [{ type: 'user', user: ada }])
    assert.deepEqual(await good(), [])
    assert.equal(await opened.store.addToken(token('d')), true)
  })

  test('keeps one login for each registry of an account', async () => {
    await opened.store.changeDirectory(() => [
      { type: 'user', user: { name: 'ada', uid: 1, gid: 1, admin: false, groups: [] } },
    ])
    const login = { account: 'ada', registry: 'a.test', address: 'm.test', username: 'x', sealed: 's', createdAt: 1 }
    await opened.store.putRegistryLogin(login)
    await opened.store.putRegistryLogin({ ...login, registry: 'b.test' })
    await opened.store.putRegistryLogin({ ...login, username: 'y', createdAt: 2 })
    assert.deepEqual(await opened.store.registryLogins('ada'), [
      { ...login, username: 'y', createdAt: 2 },
      { ...login, registry: 'b.test' },
    ])
    assert.deepEqual(await opened.store.registryLogin('ada', 'b.test'), { ...login, registry: 'b.test' })
    assert.equal(await opened.store.registryLogin('bob', 'b.test'), undefined)
    assert.deepEqual(
      [
        await opened.store.deleteRegistryLogin('ada', 'a.test'),
        await opened.store.deleteRegistryLogin('ada', 'a.test'),
      ],
      [true, false],
    )
    assert.equal((await opened.store.registryLogins('ada')).length, 1)
  })
}
