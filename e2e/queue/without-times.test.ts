import assert from 'node:assert/strict'
import { after, before, test } from 'node:test'
import { Platform } from '../support/platform.ts'
import { waitsFor } from '../support/waits-for.ts'

let platform: Platform
before(async () => {
  platform = await Platform.make('capacity: {cores: 2, memoryGb: 8}\n')
  await platform.start()
})
after(() => platform[Symbol.asyncDispose]())

test('small jobs without a time limit use the idle core beside a job that waits for both', async () => {
  const running = await platform.submit('sleep 600', { cores: 1, memoryGb: 1 })
  await platform.becomes(running, 'running')
  const large = await platform.submit('true', { cores: 2, memoryGb: 1 })
  await waitsFor(platform.jobs(), large, 'resources')
  const small = await Promise.all(
    [1, 2, 3, 4, 5].map((number) => platform.submit(`echo ${number}`, { cores: 1, memoryGb: 1 })),
  )
  for (const id of small) assert.equal((await platform.ended(id)).state, 'succeeded')
  assert.equal((await platform.jobs().get(large)).state, 'queued')
  await platform.jobs().cancel(running)
  assert.equal((await platform.ended(large)).state, 'succeeded')
})
