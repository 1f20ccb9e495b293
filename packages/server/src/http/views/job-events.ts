import type { StoredJob } from '../../job/job.ts'
import type { StoredEvent } from '../../store/store.ts'
import type { Dependencies } from '../server/dependencies.ts'

/** The events of a job, oldest first. For a waiting job, the last one is its reason text. */
export async function jobEvents(
  { store, queue, now }: Pick<Dependencies, 'store' | 'queue' | 'now'>,
  job: StoredJob,
): Promise<StoredEvent[]> {
  const events = await store.events(job.id)
  const message = queue.reason(job)
  if (message === undefined) return events
  return [...events, { jobId: job.id, at: now(), type: 'Normal', reason: 'Waiting', message }]
}
