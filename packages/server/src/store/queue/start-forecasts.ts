import type { Kysely } from 'kysely'
import type { Schema } from '../sql/schema.ts'
import type { StartForecast } from '../store.ts'

export async function insertForecast(
  db: Kysely<Schema>,
  { jobId, at, forecast, waited }: StartForecast,
): Promise<void> {
  const values = { at, forecast, waited }
  await db
    .insertInto('start_forecasts')
    .values({ job_id: jobId, ...values })
    .onConflict((conflict) => conflict.column('job_id').doUpdateSet(values))
    .execute()
}

/** The newest `most` forecasts, newest last. Served by start_forecasts_by_time. */
export async function newestForecasts(db: Kysely<Schema>, most: number): Promise<StartForecast[]> {
  const rows = await db.selectFrom('start_forecasts').selectAll().orderBy('at', 'desc').limit(most).execute()
  return rows.map(({ job_id, ...row }) => ({ jobId: job_id, ...row })).toReversed()
}

/** Served by start_forecasts_by_time. */
export async function deleteForecastsBefore(db: Kysely<Schema>, at: number): Promise<void> {
  await db.deleteFrom('start_forecasts').where('at', '<', at).execute()
}
