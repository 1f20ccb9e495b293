import type { StoredJob } from '../../job/job.ts'
import type { StoredEvent } from '../../store/store.ts'
import type { Dependencies } from '../server/dependencies.ts'

/** What happened to a job, oldest first, and of one that waits what it waits for now. */
export async function jobEvents(
  { store, queue, now }: Pick<Dependencies, 'store' | 'queue' | 'now'>,
  job: StoredJob,
): Promise<StoredEvent[]> {
  const events = await store.events(job.id)
  const message = queue.reason(job)
  if (message === undefined) return events
  return [...events, { jobId: job.id, at: now(), type: 'Normal', reason: 'Waiting', message }]
}
