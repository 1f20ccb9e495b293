import assert from 'node:assert/strict'
import { after, afterEach, before, test } from 'node:test'
import { Platform } from '../support/platform.ts'
import { waitsFor } from '../support/waits-for.ts'

/** Seconds that a busy machine needs to end one container and start the next. */
const leeway = 5

let platform: Platform
before(async () => {
  platform = await Platform.make('capacity: {cores: 4, memoryGb: 8}\nqueue: {backfill: {reserveAfterSeconds: 0}}\n')
  await platform.start()
})
afterEach(() => platform.cancelAll())
after(() => platform[Symbol.asyncDispose]())

const seconds = (at = ''): number => Date.parse(at) / 1000
/** Runs five jobs of one core, four at once. Later runs of the same shell line are estimated from them. */
async function ranBefore(line: string): Promise<void> {
  const runs = await Promise.all([1, 2, 3, 4, 5].map(() => platform.run(line, { cores: 1, memoryGb: 1 })))
  for (const { job } of runs) assert.equal(job.state, 'succeeded')
}

test('a job that outlives its past runs delays a reservation until its time limit and no longer', async () => {
  await ranBefore('sleep 0.1; true')
  const running = await platform.submit('sleep 600; false', { cores: 2, memoryGb: 1, timeSeconds: 20, graceSeconds: 0 })
  await platform.becomes(running, 'running')
  const large = await platform.submit('true', { cores: 4, memoryGb: 1 })
  const { reason } = await waitsFor(platform.jobs(), large, 'reservation')
  const promised = seconds(reason?.until)
  const limit = 25
  const asked = { cores: 2, memoryGb: 1, graceSeconds: 0, timeSeconds: limit }
  const unknown = await platform.submit('exec sleep 600', asked)
  await waitsFor(platform.jobs(), unknown, 'backfill')
  await platform.jobs().cancel(unknown)
  // Past runs took a fraction of a second.
  const wrong = await platform.submit('sleep 600; true', asked)
  await platform.becomes(wrong, 'running')
  const wrongStarted = seconds((await platform.jobs().get(wrong)).startedAt)
  const started = seconds((await platform.ended(large)).startedAt)
  assert.equal((await platform.ended(wrong)).cause?.code, 'time-limit')
  assert.ok(started > promised, 'it was delayed')
  assert.ok(started < wrongStarted + limit + leeway, `by ${started - promised} s`)
})

test('with known run times a job starts within the forecast band', async () => {
  await ranBefore('sleep 2; exit 0')
  const ids: string[] = []
  for (let i = 0; i < 3; i++) ids.push(await platform.submit('sleep 2; exit 0', { cores: 4, memoryGb: 1 }))
  const [first = '', , last = ''] = ids
  await platform.becomes(first, 'running')
  const told = await platform.jobs().why(last)
  assert.equal(told.expectedRun?.runs, 5)
  const { p10, p50, p90 } = told.expectedStart ?? assert.fail('no start is told')
  const now = Date.now() / 1000
  assert.ok(seconds(p50) > now && seconds(p90) < now + 120, `${p10}, ${p50}, ${p90}: two runs are ahead of it`)
  const { startedAt } = await platform.ended(last)
  assert.ok(seconds(p10) <= seconds(startedAt) && seconds(startedAt) <= seconds(p90), `${startedAt}: ${p10} to ${p90}`)
})
