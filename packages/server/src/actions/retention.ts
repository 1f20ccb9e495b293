import { setImmediate as yieldToOthers } from 'node:timers/promises'
import type { Logger } from 'pino'
import type { Config } from '../configuration/config.ts'
import type { Executor } from '../executor/executor.ts'
import type { Store } from '../store/store.ts'

const hourMs = 3_600_000
const dayMs = 24 * hourMs
const jobsAtOnce = 200
const changesAtOnce = 1_000
const logsAtOnce = 500

/** Milliseconds for which an answer to an Idempotency-Key is stored. */
const idempotencyMs = dayMs

/** Deletes expired data every hour, by the retention of the configuration. Returns a function that stops it. */
export function startRetention(
  store: Pick<
    Store,
    | 'deleteStagedBefore'
    | 'deleteIdempotencyBefore'
    | 'deleteRunHistoriesBefore'
    | 'deleteStartForecastsBefore'
    | 'deleteAuditBefore'
    | 'deleteChangesBefore'
    | 'attemptsEndedBefore'
    | 'logsDeletedTo'
    | 'setLogsDeletedTo'
    | 'deleteJobsEndedBefore'
  >,
  executor: Pick<Executor, 'deleteLog'>,
  config: Config['retention'],
  log: Logger,
  now: () => number = Date.now,
): () => Promise<void> {
  const startedAt = now()

  async function deleteOld(): Promise<void> {
    // Submissions from before this process are of one that has ended. One of this process does not take an hour.
    await store.deleteStagedBefore(Math.max(startedAt, now() - hourMs))
    await store.deleteIdempotencyBefore(now() - idempotencyMs)
    await store.deleteRunHistoriesBefore(now() - config.jobsDays * dayMs)
    await store.deleteStartForecastsBefore(now() - config.jobsDays * dayMs)
    await store.deleteAuditBefore(now() - config.auditDays * dayMs)
    await deleteChanges()
    await deleteLogs()
    for (;;) {
      const attempts = await store.deleteJobsEndedBefore(now() - config.jobsDays * dayMs, jobsAtOnce)
      for (const id of attempts) await executor.deleteLog(id)
      if (attempts.length < jobsAtOnce) return
    }
  }

  /** Continues after the last deleted log, also of an earlier process: each log is deleted once. */
  async function deleteLogs(): Promise<void> {
    const end = now() - config.logsDays * dayMs
    for (;;) {
      const after = (await store.logsDeletedTo()) ?? { at: 0 }
      const attempts = await store.attemptsEndedBefore(end, after, logsAtOnce)
      for (const { attemptId } of attempts) await executor.deleteLog(attemptId)
      const last = attempts.at(-1)
      if (last !== undefined) await store.setLogsDeletedTo(last)
      if (attempts.length < logsAtOnce) return
    }
  }

  /** Deletes changes in small transactions, so that other writes run in between. */
  async function deleteChanges(): Promise<void> {
    const before = now() - config.changesDays * dayMs
    while ((await store.deleteChangesBefore(before, changesAtOnce)) === changesAtOnce) await yieldToOthers()
  }

  let work = Promise.resolve()
  const tick = (): void => {
    work = work.then(deleteOld).catch((error: unknown) => {
      log.error({ err: error }, 'old jobs could not be deleted; it is tried again in an hour')
    })
  }
  tick()
  const timer = setInterval(tick, hourMs)
  return async () => {
    clearInterval(timer)
    await work
  }
}
