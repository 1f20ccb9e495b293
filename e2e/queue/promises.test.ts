import assert from 'node:assert/strict'
import { after, afterEach, before, test } from 'node:test'
import { Platform } from '../support/platform.ts'
import { waitsFor } from '../support/waits-for.ts'

/** How long a wrong estimate may delay what has a node kept, in seconds. */
const maxDelay = 8
/** What a busy machine takes to end one container and start the next, in seconds. */
const leeway = 5

let platform: Platform
before(async () => {
  platform = await Platform.make(
    `capacity: {cores: 4, memoryGb: 8}\nqueue: {backfill: {maxDelaySeconds: ${maxDelay}}}\n`,
  )
  await platform.start()
})
afterEach(() => platform.cancelAll())
after(() => platform[Symbol.asyncDispose]())

const seconds = (at = ''): number => Date.parse(at) / 1000
/** Three runs at once of one core each, from which the next of a line's runs are estimated: lines differ by their numbers only. */
async function ranBefore(line: string): Promise<void> {
  const runs = await Promise.all([1, 2, 3].map(() => platform.run(line, { cores: 1, memoryGb: 1 })))
  for (const { job } of runs) assert.equal(job.state, 'succeeded')
}

test('a job whose estimate was wrong delays what has a node kept by no more than the policy says', async () => {
  await ranBefore('sleep 0.1; true')
  const running = await platform.submit('sleep 600; false', { cores: 2, memoryGb: 1, timeSeconds: 10, graceSeconds: 0 })
  await platform.becomes(running, 'running')
  const large = await platform.submit('true', { cores: 4, memoryGb: 1 })
  const { reason } = await waitsFor(platform.jobs(), large, 'reservation')
  const promised = seconds(reason?.until)
  // Both are expected to be through in a second, and are not.
  const asked = { cores: 2, memoryGb: 1, graceSeconds: 0 }
  const tooLong = await platform.submit('sleep 601; true', { ...asked, timeSeconds: 60 })
  await waitsFor(platform.jobs(), tooLong, 'backfill')
  const wrong = await platform.submit('sleep 600; true', { ...asked, timeSeconds: 10 })
  await platform.becomes(wrong, 'running')
  const started = seconds((await platform.ended(large)).startedAt)
  assert.equal((await platform.ended(wrong)).cause?.code, 'time-limit')
  assert.ok(started > promised, 'it was delayed')
  assert.ok(started < promised + maxDelay + leeway, `by ${started - promised} s`)
})

test('a job starts within the band that is told, where run times are known', async () => {
  await ranBefore('sleep 2; exit 0')
  const ids: string[] = []
  for (let i = 0; i < 3; i++) ids.push(await platform.submit('sleep 2; exit 0', { cores: 4, memoryGb: 1 }))
  const [first = '', , last = ''] = ids
  await platform.becomes(first, 'running')
  const told = await platform.jobs().why(last)
  assert.equal(told.expectedRun?.runs, 3)
  const { p10, p50, p90 } = told.expectedStart ?? assert.fail('no start is told')
  const now = Date.now() / 1000
  assert.ok(seconds(p50) > now && seconds(p90) < now + 120, `${p10}, ${p50}, ${p90}: two runs are ahead of it`)
  const { startedAt } = await platform.ended(last)
  assert.ok(seconds(p10) <= seconds(startedAt) && seconds(startedAt) <= seconds(p90), `${startedAt}: ${p10} to ${p90}`)
})
