import type { StoredJob } from '../job/job.ts'
import type { Deferral } from './plan.ts'

/** Why a job waits, in words for its owner. Pure. Undefined where it does not wait. */
export function explain(
  job: StoredJob,
  queue: { readonly deferral?: Deferral | undefined; readonly ahead: number },
): string | undefined {
  if (job.state === 'held') return 'It is held: release it to let it go on.'
  if (job.state !== 'queued') return undefined
  if (queue.deferral?.job.id === job.id) return queue.deferral.reason
  if (queue.ahead === 0) return 'It is next and is about to be placed.'
  return `It waits for its turn: ${queue.ahead} ${queue.ahead === 1 ? 'job is' : 'jobs are'} ahead of it.`
}
