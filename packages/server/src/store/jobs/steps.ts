import { isEnded } from '@science-platform/contract'
import type { Updateable } from 'kysely'
import type { Seal } from '../../lib/secrets/seal.ts'
import type { StoredJob } from '../../job/job.ts'
import { changeKindOf, nextState } from '../../job/lifecycle.ts'
import { countScore } from '../queue/estimate-scores.ts'
import { insertEvents } from './events.ts'
import { revokeTokenOfJob } from '../users/tokens.ts'
import { attemptRow, jobOf } from './rows.ts'
import { execute } from '../sql/execute.ts'
import { upsertRunHistory } from '../queue/run-histories.ts'
import type { Schema } from '../sql/schema.ts'
import { charge } from '../queue/shares.ts'
import { insertForecast } from '../queue/start-forecasts.ts'
import type { Appended, WriteTransaction } from '../sql/write-transaction.ts'
import type { JobFields, JobStep } from '../store.ts'

/** A job after a step, and the number of its change. */
export interface TakenStep {
  readonly job: StoredJob
  readonly change: Appended
}

/** Applies one step to one job. Undefined where the job is no longer in the state `from`. */
export async function takeStep(tx: WriteTransaction, step: JobStep, seal: Seal): Promise<TakenStep | undefined> {
  const { db } = tx
  const state = nextState(step.from, step.event)
  const isEnd = isEnded(state) && !isEnded(step.from)
  // Pages of jobs that have not ended are found by this column.
  const columns = { state, ...(isEnd ? { ended_at: step.at } : {}), ...columnsOf(step.fields ?? {}) }
  const [row] = await execute(
    db,
    `update job ${Object.keys(columns).join()}`,
    () =>
      db.updateTable('jobs').set(columns).where('id', '=', step.jobId).where('state', '=', step.from).returningAll(),
    [...Object.values(columns), step.jobId, step.from],
  )
  if (row === undefined) return undefined
  if (step.attempt !== undefined) {
    const { id, ...attempt } = attemptRow(step.attempt)
    const values = Object.values(attempt)
    await execute(
      db,
      'upsert attempt',
      () =>
        db
          .insertInto('attempts')
          .values({ id, ...attempt })
          .onConflict((conflict) => conflict.column('id').doUpdateSet(attempt)),
      [id, ...values, ...values],
    )
  }
  await insertEvents(tx, step.events ?? [])
  if (step.charge !== undefined) await charge(db, step.charge)
  if (step.history !== undefined) await upsertRunHistory(db, step.history)
  for (const score of step.scores ?? []) await countScore(db, score)
  if (step.forecast !== undefined) await insertForecast(db, step.forecast)
  const job = jobOf(row, seal)
  const change = tx.append({
    at: step.at,
    kind: changeKindOf(step.event.type),
    owner: job.owner,
    subject: job.id,
    name: job.name,
    from: step.from,
    to: state,
    ...(job.arrayId === undefined ? {} : { arrayId: job.arrayId }),
    ...(!isEnd || job.exitCode === undefined ? {} : { exitCode: job.exitCode }),
    ...(!isEnd || job.cause === undefined ? {} : { causeCode: job.cause.code }),
  })
  if (isEnd) {
    await execute(db, 'delete secret', () => db.deleteFrom('job_secrets').where('job_id', '=', step.jobId), [
      step.jobId,
    ])
    if (job.jobToken !== undefined) await revokeTokenOfJob(tx, job.id, job.endedAt ?? step.at)
  }
  return { job, change }
}

const postponedJson = (postponed: JobFields['postponed']): string | null =>
  postponed ? JSON.stringify(postponed) : null

function columnsOf(fields: JobFields): Updateable<Schema['jobs']> {
  return {
    ...(fields.imageDigest === undefined ? {} : { image_digest: fields.imageDigest }),
    ...(fields.startedAt === undefined ? {} : { started_at: fields.startedAt }),
    ...(fields.endedAt === undefined ? {} : { ended_at: fields.endedAt }),
    ...(fields.deadlineAt === undefined ? {} : { deadline_at: fields.deadlineAt }),
    ...(fields.exitCode === undefined ? {} : { exit_code: fields.exitCode }),
    ...(fields.cause === undefined ? {} : { cause_json: JSON.stringify(fields.cause) }),
    ...(fields.attempt === undefined ? {} : { attempt: fields.attempt }),
    ...(fields.stopReason === undefined ? {} : { stop_reason: fields.stopReason }),
    ...(fields.removedAt === undefined ? {} : { removed_at: fields.removedAt }),
    ...(fields.notBefore === undefined ? {} : { not_before: fields.notBefore }),
    ...(fields.postponed === undefined ? {} : { postponed_json: postponedJson(fields.postponed) }),
  }
}
