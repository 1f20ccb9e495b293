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

/** How long an answer to an Idempotency-Key is remembered. */
const idempotencyMs = dayMs

/** Deletes, hour by hour from now on, what was kept for as long as the configuration says. Returns how to stop it. */
export function startRetention(
  store: Pick<
    Store,
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
  async function deleteOld(): Promise<void> {
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

  /** Goes on where the last run of this or an earlier process ended: a log is deleted once. */
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

  /** In small transactions: other writes come between. */
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
