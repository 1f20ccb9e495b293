import type { StoredAttempt, StoredJob } from '../../job/job.ts'
import { estimateOf, type Expectation } from './run-histories.ts'
import type { ActiveJob, Needs, QueuedJob } from './snapshot.ts'

/** What is set aside for a job while it is active. */
export const needsOf = ({ resources, gpuKind }: Pick<StoredJob, 'resources' | 'gpuKind'>): Needs => ({
  cores: resources.cores.request,
  memoryGb: resources.memoryGb.request,
  gpus: resources.gpus,
  ...(gpuKind === undefined ? {} : { gpuKind }),
})

/** How long a job is expected to run, in seconds: as most runs of jobs like it, else as long as it may. */
const estimateSeconds = ({ timeSeconds }: StoredJob, expectation: Expectation | undefined): number =>
  expectation === undefined ? timeSeconds : Math.min(timeSeconds, estimateOf(expectation))

/** A waiting job as the planner sees it. */
export const queuedJobOf = (job: StoredJob, expectation: Expectation | undefined): QueuedJob => ({
  ...plannedJobOf(job, expectation),
  seq: job.seq,
  submittedAt: job.submittedAt,
  ...(job.after === undefined ? {} : { notBefore: job.after }),
})

/** A job that holds capacity as the planner sees it. */
export const activeJobOf = (
  job: StoredJob,
  { node, placedAt }: StoredAttempt,
  expectation: Expectation | undefined,
): ActiveJob => ({ ...plannedJobOf(job, expectation), node, placedAt })

const plannedJobOf = (job: StoredJob, expectation: Expectation | undefined) => ({
  id: job.id,
  user: job.owner,
  ...(job.group === undefined ? {} : { group: job.group }),
  needs: needsOf(job),
  estimateSeconds: estimateSeconds(job, expectation),
  limitSeconds: job.timeSeconds,
  ...(expectation === undefined ? {} : { history: expectation.seconds }),
  ...(job.by === undefined ? {} : { by: job.by }),
  ...(job.when === undefined ? {} : { offPeak: true as const }),
})
