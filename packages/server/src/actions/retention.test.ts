import assert from 'node:assert/strict'
import { mock, test } from 'node:test'
import { pino } from 'pino'
import { startRetention } from './retention.ts'

test('what is left of incomplete submissions is deleted at the start, and later where they are an hour old', async () => {
  mock.timers.enable({ apis: ['setInterval'] })
  let now = 10_000_000
  const calls: number[] = []
  const nothing = async () => {}
  const store = {
    deleteStagedBefore: async (at: number) => {
      calls.push(at)
    },
    deleteIdempotencyBefore: nothing,
    deleteRunHistoriesBefore: nothing,
    deleteStartForecastsBefore: nothing,
    deleteAuditBefore: nothing,
    deleteChangesBefore: async () => 0,
    attemptsEndedBefore: async () => [],
    logsDeletedTo: async () => undefined,
    setLogsDeletedTo: nothing,
    deleteJobsEndedBefore: async () => [],
  }
  const days = { jobsDays: 1, logsDays: 1, changesDays: 1, auditDays: 1, sessionsHours: 1 }
  const stop = startRetention(store, { deleteLog: nothing }, days, pino({ level: 'silent' }), () => now)
  await new Promise((resolve) => setImmediate(resolve))
  assert.deepEqual(calls, [10_000_000])
  now += 2 * 3_600_000
  mock.timers.tick(3_600_000)
  await stop()
  mock.timers.reset()
  assert.deepEqual(calls, [10_000_000, 13_600_000])
})
