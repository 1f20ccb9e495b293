import assert from 'node:assert/strict'
import { after, before, test } from 'node:test'
import type { JobRequest, Why } from '@science-platform/contract'
import { eventually, Platform, testImage } from '../support/platform.ts'

let platform: Platform
/** When the off-peak hours of this test begin: on a minute, as hours are configured. */
let opensAt: number

before(async () => {
  const minute = 60_000
  opensAt = Math.ceil((Date.now() + 60_000) / minute) * minute
  const time = (at: number): string => new Date(at).toISOString().slice(11, 16)
  platform = await Platform.make(
    [
      'capacity: {cores: 4, memoryGb: 4}',
      'limits: {user: {cores: 1, offPeak: {cores: 3}}}',
      `queue: {offPeak: {days: [mon, tue, wed, thu, fri, sat, sun], from: "${time(opensAt)}", to: "${time(opensAt + 2 * 60 * minute)}", weekends: false, timezone: UTC}}`,
      '',
    ].join('\n'),
  )
  await platform.start()
})
after(() => platform[Symbol.asyncDispose]())

async function submit(line: string, request: Partial<JobRequest>): Promise<string> {
  const asked = { image: testImage, cmd: 'sh', args: ['-c', line], memoryGb: 1, name: 'test', ...request }
  return (await platform.jobs().submit(asked)).ids[0] ?? assert.fail()
}
const waitsFor = (id: string, kind: string): Promise<Why> =>
  eventually(`${id} to wait for ${kind}`, async () => {
    const told = await platform.jobs().why(id)
    return told.reason?.kind === kind ? told : undefined
  })

test('a job for the off-peak hours waits for them, larger limits hold in them, and it is told when they begin', async () => {
  assert.ok(Date.now() < opensAt, 'the platform is up before its hours begin')
  const opening = new Date(opensAt).toISOString()
  const { offPeak } = await platform.jobs().queue()
  assert.deepEqual(offPeak, { isNow: false, changesAt: opening })

  const night = await submit('true', { cores: 1, when: 'off-peak' })
  const large = await submit('true', { cores: 3 })
  const told = await waitsFor(night, 'window')
  assert.equal(told.reason?.until, opening)
  assert.match(told.summary, /It waits for off-peak hours, which begin 2\d\d\d-/)
  assert.ok(
    told.sooner.some(({ change, startsNow }) => change.when === 'any' && startsNow),
    JSON.stringify(told.sooner),
  )
  const limited = await waitsFor(large, 'limit')
  assert.match(
    limited.summary,
    /holds 0 cores of at most 1 core, and it asks for 3. Off-peak, from .*, 3 cores may be held/,
  )
  assert.equal(limited.reason?.until, opening)
  const day = await platform.run('true', { cores: 1, memoryGb: 1 })
  assert.equal(day.job.state, 'succeeded', 'others do not wait')

  for (const id of [night, large]) {
    const job = await platform.ended(id)
    assert.equal(job.state, 'succeeded')
    const startedAt = Date.parse(job.startedAt ?? '')
    assert.ok(startedAt >= opensAt, `${job.startedAt} is not before ${opening}`)
  }
  assert.equal((await platform.jobs().queue()).offPeak?.isNow, true)
})
