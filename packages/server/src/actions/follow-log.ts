import { isEnded } from '@science-platform/contract'
import { attemptId, type StoredJob } from '../job/job.ts'
import { formsOf, type JobWatch } from './job-watch.ts'
import type { Executor } from '../executor/executor.ts'
import type { Store } from '../store/store.ts'

/** Dependencies of {@link followJob}. */
export interface FollowDependencies {
  readonly store: Pick<Store, 'job'>
  readonly executor: Pick<Executor, 'followLog' | 'followOutput' | 'output'>
  readonly watch: Pick<JobWatch, 'watch'>
}

/**
 * The output of a job from a byte offset until the job ends. It may be called before the job starts. `attempt` selects one
 * attempt. Without it the output is that of the latest attempt, then of each retry from its beginning.
 */
export async function* followJob(
  dependencies: FollowDependencies,
  job: StoredJob,
  { start, attempt: wanted }: { readonly start: number; readonly attempt?: number | undefined },
  signal: AbortSignal,
): AsyncGenerator<Uint8Array> {
  // There is no output yet, but the response head must be sent now: clients time out on a silent server.
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

/**
 * The output of one attempt from a byte until the attempt has ended, or bytes are missing. Before the first attempt, that of the
 * first. It has no lines in the place of what is missing.
 */
export async function* followOutput(
  dependencies: FollowDependencies,
  job: StoredJob,
  { start, attempt: wanted }: { readonly start: number; readonly attempt: number },
  signal: AbortSignal,
): AsyncGenerator<Uint8Array> {
  yield new Uint8Array() // the response head, at once
  const attempt = Math.max(1, wanted)
  const name = attemptId(job.id, attempt)
  let position = start
  for await (const { attempt: latest, state } of formsOf(dependencies, job, signal)) {
    if (latest >= attempt) {
      for await (const bytes of dependencies.executor.followOutput(name, position, signal)) {
        position += bytes.length
        yield bytes
      }
      const next = await dependencies.executor.output(name, position)
      if (next !== undefined && next.start > position) return
    }
    if (isEnded(state) || attempt < latest) return
  }
}
