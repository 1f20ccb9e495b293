import assert from 'node:assert/strict'
import { it } from 'node:test'
import { defaultPolicy } from '../configuration/policy/policy-of.ts'
import { testApp } from '../http/testing/test-app.ts'
import { attemptSpec } from './attempt-spec.ts'

it('marks as public what the platform sets, never the token of a job or what its user gives', async () => {
  const t = await testApp()
  const id = await t.submit('ada', { env: { DB_PASSWORD: 'word', REPLICA_COUNT: 'word', SKY: '' }, jobToken: true })
  const job = await t.store.job(id)
  assert.ok(job !== undefined)
  const { env, publicEnv = [] } = await attemptSpec(
    { ...job, env: { ...job.env, OMP_NUM_THREADS: 'word' } },
    {
      store: t.store,
      logins: t.logins,
      jobToken: () => 'token',
      platformUrl: () => 'http://platform.example',
      identity: 'i',
      policy: defaultPolicy,
    },
  )
  assert.equal(env['CANFAR_TOKEN'], 'token')
  const secret = Object.keys(env).filter((key) => !publicEnv.includes(key))
  assert.deepEqual(secret.sort(), ['CANFAR_TOKEN', 'DB_PASSWORD', 'OMP_NUM_THREADS', 'REPLICA_COUNT', 'SKY'])
  assert.ok(publicEnv.includes('HOME') && publicEnv.includes('REPLICA_ID'))
})

it('gives the working directory to the executor, with PWD', async () => {
  const t = await testApp()
  const parts = {
    store: t.store,
    logins: t.logins,
    jobToken: () => 'token',
    platformUrl: () => 'http://platform.example',
    identity: 'i',
    policy: defaultPolicy,
  }
  const specOf = async (changes: Record<string, unknown>) => {
    const job = await t.store.job(await t.submit('ada', changes))
    assert.ok(job !== undefined)
    const { workingDirectory, env } = await attemptSpec(job, parts)
    return [workingDirectory, env['PWD'], env['HOME']]
  }
  assert.deepEqual(await specOf({}), [undefined, '/arc/home/ada', '/arc/home/ada'])
  assert.deepEqual(await specOf({ workingDirectory: '/scratch/a/' }), ['/scratch/a', '/scratch/a', '/arc/home/ada'])
})
