import { isEnded } from '@science-platform/contract'
import { attemptId, type StoredJob } from '../job/job.ts'
import { formsOf, type JobWatch } from './job-watch.ts'
import type { Executor } from '../executor/executor.ts'
import type { Store } from '../store/store.ts'

/** What {@link followJob} is built from. */
export interface FollowDependencies {
  readonly store: Pick<Store, 'job'>
  readonly executor: Pick<Executor, 'followLog'>
  readonly watch: Pick<JobWatch, 'watch'>
}

/**
 * What a job writes, from a byte on, until the job has ended: also when it has not started yet. `attempt` is one of its
 * attempts; without it the latest, and when that is tried again, the next one from its beginning.
 */
export async function* followJob(
  dependencies: FollowDependencies,
  job: StoredJob,
  { start, attempt: wanted }: { readonly start: number; readonly attempt?: number | undefined },
  signal: AbortSignal,
): AsyncGenerator<Uint8Array> {
  // Nothing is written yet, but the head of the answer must go out now: clients give up on a server that says nothing.
  yield new Uint8Array()
  let position = start
  let following = 0
  for await (const { attempt: latest, state } of formsOf(dependencies, job, signal)) {
    const attempt = wanted ?? latest
    if (attempt !== following && following !== 0) position = 0
    following = attempt
    if (attempt > 0) {
      for await (const bytes of dependencies.executor.followLog(attemptId(job.id, attempt), position, signal)) {
        position += bytes.length
        yield bytes
      }
    }
    if (isEnded(state) || attempt < latest) return
  }
}
