import type { Attempt, EndedJob, Job, Usage } from '@science-platform/contract'
import { attemptId, type StoredAttempt, type StoredJob } from '../../job/job.ts'
import type { Dependencies } from '../server/dependencies.ts'

/** Jobs in `/api/v1`: stored fields, and the current usage of running jobs. */
export async function viewJobs(
  parts: Pick<Dependencies, 'store' | 'executor' | 'queue'>,
  jobs: readonly StoredJob[],
): Promise<Job[]> {
  if (jobs.some(isWaiting)) await parts.queue.caughtUp(jobs)
  const [attempts, usages] = await Promise.all([
    attemptsByJob(parts, jobs),
    Promise.all(jobs.map((job) => usageNow(parts, job))),
  ])
  return jobs.map((job, i) => jobView(job, attempts.get(job.id) ?? [], usages[i], parts.queue.reason(job)))
}

/** A job in `/api/v1`. */
export async function viewJob(parts: Pick<Dependencies, 'store' | 'executor' | 'queue'>, job: StoredJob): Promise<Job> {
  if (isWaiting(job)) await parts.queue.caughtUp([job])
  const [attempts, usage] = await Promise.all([attemptsByJob(parts, [job]), usageNow(parts, job)])
  return jobView(job, attempts.get(job.id) ?? [], usage, parts.queue.reason(job))
}

/** Whether a job may have a reason text. For these the queue must have caught up. */
const isWaiting = ({ state }: StoredJob): boolean => state === 'queued' || state === 'starting'

/** A job that has ended, as a waiting client needs it. Pure. */
export const endedJobView = (job: StoredJob, attempt: StoredAttempt | undefined): EndedJob => ({
  id: job.id,
  name: job.name,
  state: job.state as EndedJob['state'],
  ...known({ exitCode: job.exitCode, cause: job.cause, usage: attempt?.usage }),
  ...instants(job),
})

/** The current usage of a running job. */
export async function usageNow(
  { executor }: Pick<Dependencies, 'executor'>,
  job: StoredJob,
): Promise<Usage | undefined> {
  return job.state === 'running' || job.state === 'stopping'
    ? executor.usage(attemptId(job.id, job.attempt))
    : undefined
}

async function attemptsByJob(
  { store }: Pick<Dependencies, 'store'>,
  jobs: readonly StoredJob[],
): Promise<ReadonlyMap<string, StoredAttempt[]>> {
  const tried = jobs.filter((job) => job.attempt > 0).map((job) => job.id)
  return Map.groupBy(tried.length === 0 ? [] : await store.attempts(tried), (attempt) => attempt.jobId)
}

/** Pure. `live` is the current usage of a running job. */
function jobView(
  job: StoredJob,
  attempts: readonly StoredAttempt[],
  live: Usage | undefined,
  reason: string | undefined,
): Job {
  const usage = live ?? attempts.at(-1)?.usage
  return {
    id: job.id,
    name: job.name,
    owner: job.owner,
    kind: 'headless',
    state: job.state,
    ...known({ reason }),
    image: job.image,
    ...known({ imageDigest: job.imageDigest }),
    ...(job.cmd === undefined ? {} : { cmd: [...job.cmd] }),
    ...(job.args === undefined ? {} : { args: [...job.args] }),
    env: { ...job.env },
    ...known({ workingDirectory: job.workingDirectory }),
    ...(job.labels === undefined ? {} : { labels: { ...job.labels } }),
    resources: job.resources,
    ...known({ network: job.network }),
    ...(job.jobToken === undefined ? {} : { jobToken: [...job.jobToken] }),
    timeSeconds: job.timeSeconds,
    ...(job.signal === undefined ? {} : { signal: `${job.signal.name}@${job.signal.secondsBefore}` }),
    ...known({ when: job.when, group: job.group, gpuKind: job.gpuKind }),
    ...(job.after === undefined ? {} : { after: instant(job.after) }),
    ...(job.by === undefined ? {} : { by: instant(job.by) }),
    ...(job.arrayId === undefined ? {} : { array: { id: job.arrayId, index: job.taskIndex, count: job.taskCount } }),
    submittedAt: instant(job.submittedAt),
    ...instants(job),
    ...(job.deadlineAt === undefined ? {} : { deadlineAt: instant(job.deadlineAt) }),
    ...known({ exitCode: job.exitCode, cause: job.cause, usage }),
    ...(job.state !== 'queued' || job.notBefore === undefined ? {} : { notBefore: instant(job.notBefore) }),
    attempts: attempts.map(attemptView),
  }
}

const attemptView = (attempt: StoredAttempt): Attempt => ({
  number: attempt.number,
  node: attempt.node,
  placedAt: instant(attempt.placedAt),
  ...instants(attempt),
  ...known({ exitCode: attempt.exitCode, cause: attempt.cause, usage: attempt.usage }),
})

/** Milliseconds since the epoch as an instant of the API. */
export const instant = (at: number): string => new Date(at).toISOString()

const instants = ({ startedAt, endedAt }: { readonly startedAt?: number; readonly endedAt?: number }) => ({
  ...(startedAt === undefined ? {} : { startedAt: instant(startedAt) }),
  ...(endedAt === undefined ? {} : { endedAt: instant(endedAt) }),
})

/** The fields that have a value. */
function known<T extends object>(fields: T): { [K in keyof T]?: Exclude<T[K], undefined> } {
  return Object.fromEntries(Object.entries(fields).filter(([, value]) => value !== undefined)) as {
    [K in keyof T]?: Exclude<T[K], undefined>
  }
}
