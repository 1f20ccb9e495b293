import type { Cause, Usage } from '@science-platform/contract'
import type { Seal } from '../../lib/secrets/seal.ts'
import type { Labels } from '../../job/labels.ts'
import {
  specificationKeys,
  type JobOutline,
  type Postponement,
  type StopReason,
  type StoredAttempt,
  type StoredJob,
} from '../../job/job.ts'
import type { AttemptRow, JobRow } from '../sql/schema.ts'

/** The object without its null values: a null column becomes an absent property. */
type Present<T> = { [K in keyof T as null extends T[K] ? K : never]?: NonNullable<T[K]> } & {
  [K in keyof T as null extends T[K] ? never : K]: T[K]
}

/** See {@link Present}. */
export function present<T extends object>(row: T): Present<T> {
  const result: Record<string, unknown> = {}
  for (const [key, value] of Object.entries(row)) if (value !== null) result[key] = value
  return result as Present<T>
}

type Specification = Pick<StoredJob, (typeof specificationKeys)[number]>

/** The specification is encrypted: command, arguments and environment must not be readable in a copy of the database. */
export function jobRow(job: StoredJob, { seal }: Pick<Seal, 'seal'>): JobRow {
  return {
    id: job.id,
    seq: job.seq,
    owner: job.owner,
    name: job.name,
    image: job.image,
    image_digest: job.imageDigest ?? null,
    state: job.state,
    spec_sealed: seal(JSON.stringify(Object.fromEntries(specificationKeys.map((key) => [key, job[key]])))),
    array_id: job.arrayId ?? null,
    task_index: job.taskIndex,
    task_count: job.taskCount,
    submitted_at: job.submittedAt,
    started_at: job.startedAt ?? null,
    ended_at: job.endedAt ?? null,
    deadline_at: job.deadlineAt ?? null,
    exit_code: job.exitCode ?? null,
    cause_json: job.cause === undefined ? null : JSON.stringify(job.cause),
    attempt: job.attempt,
    stop_reason: job.stopReason ?? null,
    removed_at: job.removedAt ?? null,
    not_before: job.notBefore ?? null,
    postponed_json: job.postponed === undefined ? null : JSON.stringify(job.postponed),
    labels_json: job.labels === undefined ? null : JSON.stringify(job.labels),
  }
}

/** Versions before encryption stored plain JSON. */
const isSealed = (text: string): boolean => !text.startsWith('{')

export function jobOf(row: JobRow, { unseal }: Pick<Seal, 'unseal'>): StoredJob {
  const text = isSealed(row.spec_sealed) ? unseal(row.spec_sealed) : row.spec_sealed
  return { ...(JSON.parse(text) as Specification), ...outlineOf(row) }
}

/** The columns of a job without its specification. */
export const outlineColumns = [
  'id',
  'seq',
  'owner',
  'name',
  'image',
  'image_digest',
  'state',
  'array_id',
  'task_index',
  'task_count',
  'submitted_at',
  'started_at',
  'ended_at',
  'deadline_at',
  'exit_code',
  'cause_json',
  'attempt',
  'stop_reason',
  'removed_at',
  'not_before',
  'postponed_json',
  'labels_json',
] as const satisfies readonly (keyof JobRow)[]

export function outlineOf(row: Pick<JobRow, (typeof outlineColumns)[number]>): JobOutline {
  return present({
    id: row.id,
    seq: row.seq,
    owner: row.owner,
    name: row.name,
    image: row.image,
    imageDigest: row.image_digest,
    state: row.state,
    arrayId: row.array_id,
    taskIndex: row.task_index,
    taskCount: row.task_count,
    submittedAt: row.submitted_at,
    startedAt: row.started_at,
    endedAt: row.ended_at,
    deadlineAt: row.deadline_at,
    exitCode: row.exit_code,
    cause: row.cause_json === null ? null : (JSON.parse(row.cause_json) as Cause),
    attempt: row.attempt,
    stopReason: row.stop_reason as StopReason | null,
    removedAt: row.removed_at,
    notBefore: row.not_before,
    postponed: row.postponed_json === null ? null : (JSON.parse(row.postponed_json) as Postponement),
    labels: row.labels_json === null ? null : (JSON.parse(row.labels_json) as Labels),
  })
}

export function attemptRow(attempt: StoredAttempt): AttemptRow {
  return {
    id: attempt.id,
    job_id: attempt.jobId,
    number: attempt.number,
    node: attempt.node,
    placed_at: attempt.placedAt,
    started_at: attempt.startedAt ?? null,
    ended_at: attempt.endedAt ?? null,
    exit_code: attempt.exitCode ?? null,
    cause_json: attempt.cause === undefined ? null : JSON.stringify(attempt.cause),
    usage_json: attempt.usage === undefined ? null : JSON.stringify(attempt.usage),
  }
}

export function attemptOf(row: AttemptRow): StoredAttempt {
  return present({
    id: row.id,
    jobId: row.job_id,
    number: row.number,
    node: row.node,
    placedAt: row.placed_at,
    startedAt: row.started_at,
    endedAt: row.ended_at,
    exitCode: row.exit_code,
    cause: row.cause_json === null ? null : (JSON.parse(row.cause_json) as Cause),
    usage: row.usage_json === null ? null : (JSON.parse(row.usage_json) as Usage),
  })
}
