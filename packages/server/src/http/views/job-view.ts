import { Job as JobSchema, type Attempt, type EndedJob, type Job, type Usage } from '@science-platform/contract'
import { InvalidRequest, shown } from '../../job/invalid.ts'
import { attemptId, type JobOutline, type StoredAttempt, type StoredJob } from '../../job/job.ts'
import type { Dependencies } from '../server/dependencies.ts'

type ViewParts = Pick<Dependencies, 'store' | 'executor' | 'queue'>

/** Jobs in `/api/v1`: stored fields, and the current usage of running jobs. Only the named fields need be right; left out: all. */
export async function viewJobs(
  parts: ViewParts,
  jobs: readonly StoredJob[],
  fields: ReadonlySet<keyof Job> = allFields,
): Promise<Job[]> {
  if (fields.has('reason') && jobs.some(isWaiting)) await parts.queue.caughtUp(jobs)
  const view = await outlineViews(parts, jobs, fields)
  return jobs.map((job, i) => ({
    ...view(job, i),
    ...specificationView(job),
    ...known({ reason: parts.queue.reason(job) }),
  }))
}

/** A job in `/api/v1`. */
export async function viewJob(parts: ViewParts, job: StoredJob): Promise<Job> {
  const [view] = await viewJobs(parts, [job])
  if (view === undefined) throw new Error('One job has one view.')
  return view
}

/** Jobs with the named fields alone, which do not need their specifications ({@link isOutlined}). */
export async function viewOutlines(
  parts: Omit<ViewParts, 'queue'>,
  jobs: readonly JobOutline[],
  fields: ReadonlySet<keyof Job>,
): Promise<Partial<Job>[]> {
  const view = await outlineViews(parts, jobs, fields)
  return jobs.map((job, i) => withFields(view(job, i), fields))
}

/** The fields of a job that do not need its specification, nor the queue. */
const outlinedFields = [
  'id',
  'name',
  'owner',
  'kind',
  'state',
  'image',
  'imageDigest',
  'labels',
  'array',
  'submittedAt',
  'startedAt',
  'endedAt',
  'deadlineAt',
  'exitCode',
  'cause',
  'usage',
  'notBefore',
  'attempts',
] as const satisfies readonly (keyof Job)[]
type JobOutlineView = Pick<Job, (typeof outlinedFields)[number]>

/** Every field of a job. */
const allFields: ReadonlySet<keyof Job> = new Set(Object.keys(JobSchema.properties) as (keyof Job)[])

/** Whether {@link viewOutlines} knows all of these fields. Pure. */
export const isOutlined = (fields: ReadonlySet<keyof Job>): boolean =>
  [...fields].every((field) => (outlinedFields as readonly (keyof Job)[]).includes(field))

/** A job with the named fields alone. Pure. */
export const withFields = (job: Partial<Job>, fields: ReadonlySet<keyof Job>): Partial<Job> =>
  Object.fromEntries(Object.entries(job).filter(([name]) => fields.has(name as keyof Job)))

/** Reads the fields of a list, such as `id,state`. Pure. @throws {InvalidRequest} with the names of all. */
export function readFields(text: string): ReadonlySet<keyof Job> {
  const names = text.split(',').map((name) => name.trim())
  const wrong = names.find((name) => !allFields.has(name as keyof Job))
  if (wrong === undefined) return new Set(names as (keyof Job)[])
  throw new InvalidRequest(
    'fields',
    `fields names ${shown(wrong)}, which is not a field of a job`,
    `The fields are: ${[...allFields].join(', ')}.`,
  )
}

/** Reads what the fields of some jobs need, and returns their views. */
async function outlineViews(
  parts: Omit<ViewParts, 'queue'>,
  jobs: readonly JobOutline[],
  fields: ReadonlySet<keyof Job>,
): Promise<(job: JobOutline, index: number) => JobOutlineView> {
  const [attempts, usages] = await Promise.all([
    fields.has('attempts') || fields.has('usage') ? attemptsByJob(parts, jobs) : new Map<string, StoredAttempt[]>(),
    fields.has('usage') ? Promise.all(jobs.map((job) => usageNow(parts, job))) : [],
  ])
  return (job, index) => outlineView(job, attempts.get(job.id) ?? [], usages[index])
}

/** Whether a job may have a reason text. For these the queue must have caught up. */
const isWaiting = ({ state }: JobOutline): boolean => state === 'queued' || state === 'starting'

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
  job: JobOutline,
): Promise<Usage | undefined> {
  return job.state === 'running' || job.state === 'stopping'
    ? executor.usage(attemptId(job.id, job.attempt))
    : undefined
}

async function attemptsByJob(
  { store }: Pick<Dependencies, 'store'>,
  jobs: readonly JobOutline[],
): Promise<ReadonlyMap<string, StoredAttempt[]>> {
  const tried = jobs.filter((job) => job.attempt > 0).map((job) => job.id)
  return Map.groupBy(tried.length === 0 ? [] : await store.attempts(tried), (attempt) => attempt.jobId)
}

/** Pure. `live` is the current usage of a running job. */
function outlineView(job: JobOutline, attempts: readonly StoredAttempt[], live: Usage | undefined): JobOutlineView {
  const usage = live ?? attempts.at(-1)?.usage
  return {
    id: job.id,
    name: job.name,
    owner: job.owner,
    kind: 'headless',
    state: job.state,
    image: job.image,
    ...known({ imageDigest: job.imageDigest }),
    ...(job.labels === undefined ? {} : { labels: { ...job.labels } }),
    ...(job.arrayId === undefined ? {} : { array: { id: job.arrayId, index: job.taskIndex, count: job.taskCount } }),
    submittedAt: instant(job.submittedAt),
    ...instants(job),
    ...(job.deadlineAt === undefined ? {} : { deadlineAt: instant(job.deadlineAt) }),
    ...known({ exitCode: job.exitCode, cause: job.cause, usage }),
    ...(job.state !== 'queued' || job.notBefore === undefined ? {} : { notBefore: instant(job.notBefore) }),
    attempts: attempts.map(attemptView),
  }
}

/** The fields of a job that its user asked for. Pure. */
const specificationView = (job: StoredJob): Omit<Job, keyof JobOutlineView | 'reason'> => ({
  ...(job.cmd === undefined ? {} : { cmd: [...job.cmd] }),
  ...(job.args === undefined ? {} : { args: [...job.args] }),
  env: { ...job.env },
  resources: job.resources,
  ...(job.jobToken === undefined ? {} : { jobToken: [...job.jobToken] }),
  timeSeconds: job.timeSeconds,
  ...(job.signal === undefined ? {} : { signal: `${job.signal.name}@${job.signal.secondsBefore}` }),
  ...(job.after === undefined ? {} : { after: instant(job.after) }),
  ...(job.by === undefined ? {} : { by: instant(job.by) }),
  ...known({
    workingDirectory: job.workingDirectory,
    network: job.network,
    when: job.when,
    group: job.group,
    gpuKind: job.gpuKind,
  }),
})

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
