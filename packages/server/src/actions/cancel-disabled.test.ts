import assert from 'node:assert/strict'
import { test } from 'node:test'
import { disableUser, enableUser } from '../access/directory.ts'
import { startCancellingDisabled } from './cancel-disabled.ts'
import { testApp } from '../http/testing/test-app.ts'

test('cancels all jobs of a disabled user, beyond one transaction and with late submissions, and no other jobs', async () => {
  const t = await testApp()
  const many = await t.as('bob', {
    method: 'POST',
    url: '/api/v1/jobs',
    payload: { name: 'many', image: 'localhost/test:1', replicas: 1_100 },
  })
  const { ids } = many.json<{ ids: string[] }>()
  const adas = await t.submit('ada')
  const cancelling = startCancellingDisabled({
    store: t.store,
    changes: t.changes,
    log: { error: () => undefined },
    now: () => t.clock.now,
  })
  await cancelling.now()
  assert.equal((await t.store.notEnded()).length, 1_101, 'nobody is disabled yet')

  // Like an administrative command: in the store, without the server.
  await t.store.changeDirectory(disableUser('bob', { cancelJobs: true, now: t.clock.now }))
  await cancelling.now()
  assert.deepEqual(
    (await t.store.notEnded()).map(({ id }) => id),
    [adas],
  )
  const late = { ...(await t.store.job(ids[0] ?? ''))!, id: 'late0000', state: 'queued' as const }
  await t.store.submit({ jobs: [late], events: [] })
  await cancelling.now()
  assert.equal((await t.store.job('late0000'))?.state, 'cancelled')

  await t.store.changeDirectory(enableUser('bob'))
  await t.store.submit({ jobs: [{ ...late, id: 'late0001' }], events: [] })
  await cancelling.now()
  assert.equal((await t.store.job('late0001'))?.state, 'queued')
  await cancelling.close()
})
