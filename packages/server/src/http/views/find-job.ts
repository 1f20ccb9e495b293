import type { Caller } from '../../access/authenticate.ts'
import { mayTouchJobsOf } from '../../access/may-touch.ts'
import type { StoredJob } from '../../job/job.ts'
import type { Store } from '../../store/store.ts'

/** What ids look like (wire contract 2.2). */
const pattern = /^[a-z][a-z0-9]{7}$/

/**
 * The job of this id, if there is one and it is the caller's business. Another's job does not exist for them: it is not even
 * read, so that the time to find out tells nothing.
 */
export async function findJob(store: Pick<Store, 'job'>, caller: Caller, id: string): Promise<StoredJob | undefined> {
  return pattern.test(id) ? store.job(id, mayTouchJobsOf(caller)) : undefined
}
