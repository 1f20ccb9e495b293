import type { QueueOverview, Why } from '@science-platform/contract'
import type { StoredJob } from '../../job/job.ts'
import type { EstimateScores } from '../../store/store.ts'
import type { Queue } from '../queue.ts'
import type { QuotaHolderName } from '../rules/quota-holder-name.ts'

/** Why a job waits, found in this thread. The forecast is recorded, as in production. */
export function whyIn(queue: Queue, job: StoredJob, now: number, scores: EstimateScores): Why {
  const { why, given } = queue.answer('why', queue.whyQuestion(job, scores), now)
  if (given !== undefined) queue.recordForecast(job.id, given)
  return why
}

/** The overview of a queue, found in this thread. */
export const overviewIn = (
  queue: Queue,
  quotaHolders: readonly QuotaHolderName[],
  now: number,
  scores: EstimateScores,
): QueueOverview => queue.answer('overview', { quotaHolders, scores }, now)
