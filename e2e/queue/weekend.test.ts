import assert from 'node:assert/strict'
import { after, before, test } from 'node:test'
import { weekdays } from '../../packages/server/src/configuration/policy/policy.ts'
import { Platform, testImage } from '../support/platform.ts'
import { waitsFor } from '../support/waits-for.ts'

/** A zone in which it is about noon, so that the test does not cross midnight. */
const zone = (): string => {
  const east = 12 - new Date().getUTCHours()
  return `Etc/GMT${east > 0 ? '-' : '+'}${Math.abs(east)}`
}
const timezone = zone()
const today = Temporal.Now.zonedDateTimeISO(timezone)
const isToday = (_day: string, place: number): boolean => place === today.dayOfWeek - 1

let platform: Platform

/** Changes the days of the weekend in the configuration, and restarts the platform. */
async function restart(weekend: readonly string[]): Promise<void> {
  await platform.stop()
  platform.set('SCIENCE_PLATFORM_QUEUE_OFF_PEAK_WEEKENDS', `[${weekend.join(', ')}]`)
  await platform.start()
}

before(async () => {
  platform = await Platform.make(
    [
      'capacity: {cores: 4, memoryGb: 4}',
      'limits: {user: {cores: 1, offPeak: {cores: 3}}}',
      `queue: {offPeak: {days: [], from: "08:00", to: "18:00", timezone: ${timezone}}}`,
      '',
    ].join('\n'),
  )
  await restart(weekdays.filter((day, place) => !isToday(day, place)))
})
after(() => platform[Symbol.asyncDispose]())

test('an off-peak job waits for the weekend and starts on it, with larger limits', async () => {
  const jobs = platform.jobs()
  const begins = today.add({ days: 1 }).startOfDay().toInstant().toString({ fractionalSecondDigits: 3 })
  assert.deepEqual((await jobs.queue()).offPeak, { isNow: false, changesAt: begins, timezone })
  const asked = { name: 'test', image: testImage, cmd: 'true', memoryGb: 1 }
  const { ids: [night = ''] } = await jobs.submit({ ...asked, cores: 1, when: 'off-peak' }) // prettier-ignore
  const { ids: [large = ''] } = await jobs.submit({ ...asked, cores: 3 }) // prettier-ignore
  assert.equal((await waitsFor(jobs, night, 'window')).reason?.until, begins)
  assert.equal((await waitsFor(jobs, large, 'limit')).reason?.until, begins)
  // Other jobs run meanwhile.
  assert.equal((await platform.run('true', { cores: 1, memoryGb: 1 })).job.state, 'succeeded')
  assert.deepEqual([(await jobs.get(night)).state, (await jobs.get(large)).state], ['queued', 'queued'])

  await restart(weekdays.filter(isToday))
  for (const id of [night, large]) assert.equal((await platform.ended(id)).state, 'succeeded')
  assert.deepEqual((await jobs.queue()).offPeak, { isNow: true, changesAt: begins, timezone })
})
