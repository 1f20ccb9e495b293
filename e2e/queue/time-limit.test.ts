import assert from 'node:assert/strict'
import { after, before, test } from 'node:test'
import { eventually, Platform } from '../support/platform.ts'

let platform: Platform
before(async () => {
  platform = await Platform.make('capacity: {cores: 4, memoryGb: 4}\n')
  await platform.start()
})
after(() => platform[Symbol.asyncDispose]())

test('a job gets its requested warning signal and an event, and ends with that cause', async () => {
  const { job, log } = await platform.run(
    "trap 'echo warned' USR1; trap 'echo saved; exit 0' TERM; echo ready; while :; do sleep 0.1; done",
    { timeSeconds: 12, signal: 'USR1@6', graceSeconds: 20, cores: 1, memoryGb: 1 },
  )
  // The signal also reaches its children, as from a terminal, and the shell prints a line about them.
  assert.match(log, /^ready\n[^]*warned\n[^]*saved\n$/)
  assert.equal(job.state, 'failed')
  assert.equal(job.cause?.code, 'time-limit')
  assert.match(job.cause.message, /12 seconds/)
  const events = await platform.jobs().events(job.id)
  const reasons = events.map(({ reason }) => reason).filter((reason) => /Limit|Signal/.test(reason))
  assert.deepEqual(reasons, ['WarningSignal', 'TimeLimitNear', 'TimeLimit', 'TimeLimit'])
  assert.match(
    events.find(({ reason }) => reason === 'WarningSignal')?.message ?? '',
    /SIGUSR1 is sent to each of its processes that handles it, 6 seconds before/,
  )
})

test('a server that was down when the warning was due sends it once after its start', async () => {
  const id = await platform.submit("trap 'echo warned' USR1; echo ready; while :; do sleep 0.1; done", {
    timeSeconds: 60,
    signal: 'USR1@55',
    cores: 1,
    memoryGb: 1,
  })
  const { startedAt = '' } = await platform.becomes(id, 'running')
  await platform.stop('SIGKILL')
  await eventually('the warning to be due', async () => Date.now() > Date.parse(startedAt) + 5_000)
  await platform.start()
  await platform.stop('SIGKILL')
  await platform.start()
  await eventually('the warning', async () => (await platform.logOf(id)).includes('warned'))
  await platform.jobs().cancel(id)
  await platform.ended(id)
  assert.equal((await platform.logOf(id)).split('warned').length - 1, 1)
})
