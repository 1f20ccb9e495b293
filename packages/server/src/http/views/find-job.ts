import type { Caller } from '../../access/authenticate.ts'
import { mayTouchJobsOf } from '../../access/may-touch.ts'
import type { StoredJob } from '../../job/job.ts'
import type { Store } from '../../store/store.ts'

/** The pattern of job ids (wire contract 2.2). */
const pattern = /^[a-z][a-z0-9]{7}$/

/**
 * The job with this id if the caller may access it. The query itself excludes the jobs of other users: the response time
 * does not reveal whether such a job exists.
 */
export async function findJob(store: Pick<Store, 'job'>, caller: Caller, id: string): Promise<StoredJob | undefined> {
  return pattern.test(id) ? store.job(id, mayTouchJobsOf(caller)) : undefined
}
