import assert from 'node:assert/strict'
import { execFile } from 'node:child_process'
import { after, before, describe, it } from 'node:test'
import { fileURLToPath } from 'node:url'
import { promisify } from 'node:util'
import type { Job, JobRequest } from '@science-platform/contract'
import { onlyInAll } from '../support/all.ts'
import { Platform, testImage } from '../support/platform.ts'
import { waitsFor } from '../support/waits-for.ts'

const run = promisify(execFile)
const canfar = fileURLToPath(new URL('../../bin/canfar', import.meta.url))

// Takes one to two minutes, because hours have a resolution of a minute. CI runs weekend.test.ts instead, and tests with a virtual
// clock.
describe('off-peak hours that begin while the server runs', { skip: onlyInAll }, () => {
  let platform: Platform
  let eve: string
  const timezone = 'America/Vancouver'
  /** The beginning of the off-peak hours of this test, on a full minute. */
  let opensAt: number

  before(async () => {
    platform = await Platform.make(
      [
        'capacity: {cores: 4, memoryGb: 4}',
        'limits: {user: {cores: 1, offPeak: {cores: 3}}}',
        `queue: {offPeak: {days: [mon, tue, wed, thu, fri, sat, sun], weekends: false, timezone: ${timezone}}}`,
        '',
      ].join('\n'),
    )
    await platform.admin('user', 'add', 'eve', '--group', 'sky')
    eve = await platform.admin('token', 'create', 'eve')
    await platform.admin('limit', 'set', 'user', 'eve', '--cores', '4')
    await platform.admin('limit', 'set', 'group', 'sky', '--cores', '1')
    await platform.admin('limit', 'set', 'group', 'sky', '--cores', '2', '--off-peak')
    const minute = 60_000
    // At least a minute from now, for the checks before the beginning.
    opensAt = Math.ceil((Date.now() + 60_000) / minute) * minute
    const time = (at: number): string =>
      Temporal.Instant.fromEpochMilliseconds(at).toZonedDateTimeISO(timezone).toPlainTime().toString().slice(0, 5)
    platform.set('SCIENCE_PLATFORM_QUEUE_OFF_PEAK_FROM', time(opensAt))
    platform.set('SCIENCE_PLATFORM_QUEUE_OFF_PEAK_TO', time(opensAt + 2 * 60 * minute))
    await platform.start()
  })
  const used = async (): Promise<number> => (await platform.jobs().queue()).holders[0]?.coreHours ?? 0
  /** Core-hours that a job of one core was allocated. */
  const held = ({ attempts }: Job): number =>
    attempts.reduce((sum, { placedAt, endedAt = '' }) => sum + (Date.parse(endedAt) - Date.parse(placedAt)) / 3.6e6, 0)
  /** The charge of a job divided by its allocated core-hours. */
  async function charged(line: string): Promise<number> {
    const before = await used()
    const { job } = await platform.run(line, { cores: 1, memoryGb: 1 })
    assert.equal(job.state, 'succeeded')
    return ((await used()) - before) / held(job)
  }
  after(() => platform[Symbol.asyncDispose]())

  async function submit(line: string, request: Partial<JobRequest>, token = platform.token): Promise<string> {
    const asked = { image: testImage, cmd: 'sh', args: ['-c', line], memoryGb: 1, name: 'test', ...request }
    return (await platform.jobs(token).submit(asked)).ids[0] ?? assert.fail()
  }

  /** Submits a job that ends at its warning signal three seconds after its start. */
  async function submitByCommand(): Promise<string> {
    const wishes = ['--when', 'off-peak', '--after', '20s', '--by', '1h', '--time', '60s', '--signal', 'USR1@57']
    const line = "trap 'echo warned; exit 0' USR1; while :; do sleep 0.1; done"
    const env = await platform.userEnvironment()
    const words = ['create', '-q', '-c', '1', '-m', '1', ...wishes, testImage, '--', 'sh', '-c', line]
    return (await run(canfar, words, { env })).stdout.trim()
  }
  it('an off-peak job waits with the beginning as its reason, and larger limits apply in these hours', async () => {
    assert.ok(Date.now() < opensAt, 'the platform is up before its hours begin')
    const opening = new Date(opensAt).toISOString()
    const { offPeak } = await platform.jobs().queue()
    assert.deepEqual(offPeak, { isNow: false, changesAt: opening, timezone })

    const night = await submit('true', { cores: 1, when: 'off-peak' })
    const large = await submit('true', { cores: 3 })
    const asked = await submitByCommand()
    const hers = await submit('true', { cores: 2 }, eve)
    const told = await waitsFor(platform.jobs(), night, 'window')
    assert.equal(told.reason?.until, opening)
    assert.match(
      told.summary,
      /It waits for off-peak hours, which begin 2\d\d\d-.* \(\d\d:\d\d in America\/Vancouver\)/,
    )
    assert.ok(
      told.sooner.some(({ change, startsNow }) => change.when === 'any' && startsNow),
      JSON.stringify(told.sooner),
    )
    const limited = await waitsFor(platform.jobs(), large, 'limit')
    assert.match(
      limited.summary,
      /0 of 1 core are allocated, and it asks for 3. In off-peak hours, from .*, the limit is 3 cores/,
    )
    assert.equal(limited.reason?.until, opening)
    const ofGroup = await waitsFor(platform.jobs(eve), hers, 'limit')
    assert.match(
      ofGroup.summary,
      /the limit of its group, sky: 0 of 1 core are allocated, and it asks for 2. In off-peak hours, from/,
    )
    assert.match(ofGroup.summary, /the limit is 2 cores/)
    await waitsFor(platform.jobs(), asked, 'not-before|window')
    const part = await charged('sleep 1')
    assert.ok(Math.abs(part - 1) < 0.01, `others do not wait, and are charged in full: ${part}`)

    for (const [id, jobs] of [
      [night, platform.jobs()],
      [large, platform.jobs()],
      [asked, platform.jobs()],
      [hers, platform.jobs(eve)],
    ] as const) {
      const [job] = await jobs.wait([id])
      assert.ok(job !== undefined && job.state === 'succeeded', `${id}: ${job?.cause?.message}`)
      const startedAt = Date.parse(job.startedAt ?? '')
      assert.ok(startedAt >= opensAt, `${job.startedAt} is not before ${opening}`)
    }
    assert.equal((await platform.jobs().queue()).offPeak?.isNow, true)
    const { timeSeconds, when, signal, after: later = '', by = '', submittedAt } = await platform.jobs().get(asked)
    assert.deepEqual({ timeSeconds, when, signal }, { timeSeconds: 60, when: 'off-peak', signal: 'USR1@57' })
    assert.ok(Date.parse(submittedAt) < Date.parse(later) && Date.parse(later) < Date.parse(by))
    assert.match(await platform.logOf(asked), /warned\n$/)

    const discounted = await charged('sleep 1')
    assert.ok(Math.abs(discounted - 0.5) < 0.01, `now half is charged: ${discounted}`)
  })
})
