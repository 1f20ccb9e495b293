import assert from 'node:assert/strict'
import { describe, it } from 'node:test'
import type { Group, ProblemBody, User } from '@science-platform/contract'
import { testApp } from '../testing/test-app.ts'

const t = await testApp()

const ask = (method: 'GET' | 'POST' | 'PATCH' | 'PUT' | 'DELETE', url: string, payload?: object) =>
  t.as('root', { method, url: `/api/v1${url}`, ...(payload === undefined ? {} : { payload }) })

describe('users, groups and projects', () => {
  it('are added, changed and listed', async () => {
    const group = await ask('POST', '/groups', { name: 'night', gid: 41_000 })
    assert.deepEqual([group.statusCode, group.json<Group>()], [201, { name: 'night', gid: 41_000, members: [] }])
    const added = await ask('POST', '/users', { name: 'grace', groups: ['night'] })
    assert.equal(added.statusCode, 201)
    assert.equal(added.headers.location, '/api/v1/users/grace')
    assert.deepEqual(added.json<User>(), {
      name: 'grace',
      uid: 20_000,
      gid: 20_000,
      groups: [{ name: 'night', gid: 41_000 }],
      admin: false,
    })
    assert.deepEqual((await ask('PUT', '/groups/night/members/ada')).json<Group>().members, ['ada', 'grace'])
    assert.deepEqual((await ask('DELETE', '/groups/night/members/grace')).json<Group>().members, ['ada'])
    assert.equal((await ask('PATCH', '/users/grace', { admin: true })).json<User>().admin, true)
    assert.deepEqual((await ask('PATCH', '/users/grace', { admin: false, groups: [] })).json<User>().groups, [])
    const project = { name: 'deep', group: 'night' }
    assert.deepEqual((await ask('POST', '/projects', project)).json(), project)
    assert.deepEqual((await ask('GET', '/projects')).json(), { projects: [project] })
  })

  it('are refused with the field, its value and a hint, and nothing changes', async () => {
    const before = (await ask('GET', '/users')).body
    const cases: [Awaited<ReturnType<typeof ask>>, number, string | undefined][] = [
      [await ask('POST', '/users', { name: 'ada' }), 409, 'name'],
      [await ask('POST', '/users', { name: 'Ada' }), 400, 'name'],
      [await ask('POST', '/users', { name: 'henry', uid: 0 }), 400, 'uid'],
      [await ask('POST', '/users', { name: 'henry', uid: 65_534 }), 400, 'uid'],
      [await ask('POST', '/users', { name: 'henry', uid: 1001 }), 409, 'uid'],
      [await ask('POST', '/users', { name: 'henry', groups: ['nowhere'] }), 400, 'groups'],
      [await ask('PATCH', '/users/root', { admin: false }), 409, 'admin'],
      [await ask('POST', '/users/root/disable', {}), 409, 'admin'],
      [await ask('GET', '/users/henry'), 404, undefined],
      [await ask('POST', '/projects', { name: 'x', group: 'nowhere' }), 400, 'group'],
    ]
    for (const [answer, status, field] of cases) {
      assert.equal(answer.statusCode, status, answer.body)
      const problem = answer.json<ProblemBody>()
      if (field !== undefined) assert.match(String(problem.field), new RegExp(field))
      assert.ok((problem.hint ?? '') !== '', answer.body)
    }
    assert.equal((await ask('GET', '/users')).body, before)
  })
})

describe('a disabled user', () => {
  it('is refused from the answer on, and has no valid token after being enabled', async () => {
    await ask('POST', '/users', { name: 'alan' })
    const token = await t.token('alan')
    const get = () => t.app.inject({ url: '/api/v1/account', headers: { authorization: `Bearer ${token}` } })
    assert.equal((await get()).statusCode, 200)
    assert.ok((await ask('POST', '/users/alan/disable', {})).json<User>().disabledAt)
    assert.equal((await get()).statusCode, 401)
    assert.equal((await ask('POST', '/users/alan/enable')).json<User>().disabledAt, undefined)
    assert.equal((await get()).statusCode, 401)
  })

  it('keeps waiting and running jobs, unless they are cancelled too', async () => {
    const [waiting, running] = [await t.submit('bob'), await t.submit('bob')]
    await t.run(running)
    const stateOf = async (id: string): Promise<string | undefined> => (await t.store.job(id))?.state
    await ask('POST', '/users/bob/disable', {})
    assert.deepEqual([await stateOf(waiting), await stateOf(running)], ['queued', 'running'])
    await ask('POST', '/users/bob/disable', { cancelJobs: true })
    assert.deepEqual([await stateOf(waiting), await stateOf(running)], ['cancelled', 'stopping'])
    assert.match((await t.store.job(waiting))?.cause?.message ?? '', /owner was disabled/)
  })
})
