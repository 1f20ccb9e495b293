import type { StoredAttempt, StoredJob } from '../../job/job.ts'
import type { ExpectedRunTime } from './expected-run-time.ts'
import type { ActiveJob, Needs, QueuedJob } from './snapshot.ts'

/** What a job is allocated while it is active. */
export const needsOf = ({ resources, gpuKind }: Pick<StoredJob, 'resources' | 'gpuKind'>): Needs => ({
  cores: resources.cores.request,
  memoryGb: resources.memoryGb.request,
  gpus: resources.gpus,
  ...(gpuKind === undefined ? {} : { gpuKind }),
})

/** A waiting job as the planner reads it. */
export const queuedJobOf = (job: StoredJob, expected: ExpectedRunTime): QueuedJob => ({
  id: job.id,
  user: job.owner,
  ...(job.group === undefined ? {} : { group: job.group }),
  needs: needsOf(job),
  ...expected,
  limitSeconds: job.timeSeconds,
  ...(job.by === undefined ? {} : { by: job.by }),
  ...(job.when === undefined ? {} : { offPeak: true as const }),
  seq: job.seq,
  submittedAt: job.submittedAt,
  ...notBeforeOf(job),
})

/** A returned job keeps the age that it had: it did not choose to wait. */
function notBeforeOf({ after, notBefore, submittedAt }: StoredJob): Pick<QueuedJob, 'notBefore' | 'agesSince'> {
  if (notBefore === undefined) return after === undefined ? {} : { notBefore: after }
  return { notBefore: Math.max(after ?? 0, notBefore), agesSince: Math.max(after ?? 0, submittedAt) }
}

/** A job with an allocation as the planner reads it. */
export const activeJobOf = (
  job: StoredJob,
  { node, placedAt }: StoredAttempt,
  expected: ExpectedRunTime,
): ActiveJob => ({
  ...queuedJobOf(job, expected),
  node,
  placedAt,
  ...(job.state === 'starting' ? { isStarting: true as const } : {}),
  ...(job.startedAt === undefined || job.state === 'starting' ? {} : { startedAt: job.startedAt }),
})
