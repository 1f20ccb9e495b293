import assert from 'node:assert/strict'
import { test } from 'node:test'
import { Platform, testImage } from '../support/platform.ts'
import { clientEnvironment, PublishedClient } from './published-client.ts'

test('256 replicas over 32 connections are all accepted, numbered, and run to their end', async () => {
  await using platform = await Platform.make('capacity: {cores: 8, memoryGb: 8}\n')
  await platform.start()
  const client = await PublishedClient.install('canfar-1.5.2')
  const environment = { ...(await clientEnvironment(platform, 'many')), ACCEPTANCE_IMAGE: testImage }
  const { code, stdout, stderr } = await client.python(['replicas.py', '256', '32'], environment)
  assert.equal(code, 0, stderr)
  const ids = JSON.parse(stdout) as string[]
  const jobs = await Promise.all(ids.map((id) => platform.jobs().get(id)))
  assert.deepEqual(
    jobs.filter(({ state, exitCode }) => state !== 'succeeded' || exitCode !== 0),
    [],
  )
})
