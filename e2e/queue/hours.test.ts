import assert from 'node:assert/strict'
import { after, before, test } from 'node:test'
import type { Job, JobRequest } from '@science-platform/contract'
import { Platform, testImage } from '../support/platform.ts'
import { waitsFor } from '../support/waits-for.ts'

let platform: Platform
const timezone = 'America/Vancouver'
/** When the off-peak hours of this test begin: on a minute, as hours are configured. */
let opensAt: number

before(async () => {
  const minute = 60_000
  opensAt = Math.ceil((Date.now() + 60_000) / minute) * minute
  const time = (at: number): string =>
    Temporal.Instant.fromEpochMilliseconds(at).toZonedDateTimeISO(timezone).toPlainTime().toString().slice(0, 5)
  platform = await Platform.make(
    [
      'capacity: {cores: 4, memoryGb: 4}',
      'limits: {user: {cores: 1, offPeak: {cores: 3}}}',
      `queue: {offPeak: {days: [mon, tue, wed, thu, fri, sat, sun], from: "${time(opensAt)}", to: "${time(opensAt + 2 * 60 * minute)}", weekends: false, timezone: ${timezone}}}`,
      '',
    ].join('\n'),
  )
  await platform.start()
})
const used = async (): Promise<number> => (await platform.jobs().queue()).holders[0]?.coreHours ?? 0
/** Core-hours that a job of one core held its node for. */
const held = ({ attempts }: Job): number =>
  attempts.reduce((sum, { placedAt, endedAt = '' }) => sum + (Date.parse(endedAt) - Date.parse(placedAt)) / 3.6e6, 0)
/** What a job was charged, as a part of what it held. */
async function charged(line: string): Promise<number> {
  const before = await used()
  const { job } = await platform.run(line, { cores: 1, memoryGb: 1 })
  assert.equal(job.state, 'succeeded')
  return ((await used()) - before) / held(job)
}
after(() => platform[Symbol.asyncDispose]())

async function submit(line: string, request: Partial<JobRequest>): Promise<string> {
  const asked = { image: testImage, cmd: 'sh', args: ['-c', line], memoryGb: 1, name: 'test', ...request }
  return (await platform.jobs().submit(asked)).ids[0] ?? assert.fail()
}
test('a job for the off-peak hours waits for them, larger limits hold in them, and it is told when they begin', async () => {
  assert.ok(Date.now() < opensAt, 'the platform is up before its hours begin')
  const opening = new Date(opensAt).toISOString()
  const { offPeak } = await platform.jobs().queue()
  assert.deepEqual(offPeak, { isNow: false, changesAt: opening, timezone })

  const night = await submit('true', { cores: 1, when: 'off-peak' })
  const large = await submit('true', { cores: 3 })
  const told = await waitsFor(platform.jobs(), night, 'window')
  assert.equal(told.reason?.until, opening)
  assert.match(told.summary, /It waits for off-peak hours, which begin 2\d\d\d-.* \(\d\d:\d\d in America\/Vancouver\)/)
  assert.ok(
    told.sooner.some(({ change, startsNow }) => change.when === 'any' && startsNow),
    JSON.stringify(told.sooner),
  )
  const limited = await waitsFor(platform.jobs(), large, 'limit')
  assert.match(limited.summary, /0 of 1 core are held, and it asks for 3. Off-peak, from .*, 3 cores may be held/)
  assert.equal(limited.reason?.until, opening)
  const part = await charged('sleep 1')
  assert.ok(Math.abs(part - 1) < 0.01, `others do not wait, and are charged in full: ${part}`)

  for (const id of [night, large]) {
    const job = await platform.ended(id)
    assert.equal(job.state, 'succeeded')
    const startedAt = Date.parse(job.startedAt ?? '')
    assert.ok(startedAt >= opensAt, `${job.startedAt} is not before ${opening}`)
  }
  assert.equal((await platform.jobs().queue()).offPeak?.isNow, true)

  const discounted = await charged('sleep 1')
  assert.ok(Math.abs(discounted - 0.5) < 0.01, `now half is charged: ${discounted}`)
})
