import type { AuditEntry } from '../../audit/entry.ts'
import type { NewJob, StoredJob } from '../../job/job.ts'
import { newJobId } from '../../job/ids.ts'
import type { JobFilter, Store, StoredEvent, StoredToken } from '../store.ts'

let jobsMade = 0

/** A job for tests; any field may be given. The store assigns its `seq`. */
export function someJob(parts: Partial<StoredJob> = {}): StoredJob {
  return {
    id: newJobId(),
    seq: ++jobsMade,
    owner: 'ada',
    name: 'job',
    image: 'localhost/test:1',
    state: 'queued',
    env: { A: 'b=c "d" $e' },
    resources: { cores: { request: 1, limit: 8 }, memoryGb: { request: 1, limit: 32 }, gpus: 0, fixed: false },
    timeSeconds: 60,
    graceSeconds: 5,
    taskIndex: 1,
    taskCount: 1,
    submittedAt: 1_000,
    attempt: 0,
    ...parts,
  }
}

/** All optional fields of a job that no statement filters by. */
export const wishes = {
  timeIsAsked: true,
  signal: { name: 'USR1', secondsBefore: 10 },
  when: 'off-peak',
  after: 2_000,
  by: 3_000,
  group: 'survey',
  gpuKind: 'a100',
  labels: { run: 'night 42' },
} as const satisfies Partial<NewJob>

/** An audit entry for tests. */
export const audited = (change: Partial<AuditEntry> = {}): AuditEntry => ({
  at: 1,
  actor: 'ada',
  via: 'api',
  action: 'submitJobs',
  outcome: 'done',
  count: 1,
  ...change,
})
/** A token of ada for tests. */
export const token = (id: string, change: Partial<StoredToken> = {}): StoredToken => ({
  id,
  prefix: `sp_${id}`,
  hash: `hash of ${id}`,
  account: 'ada',
  name: 'laptop',
  scopes: ['read', 'submit'],
  createdAt: 1,
  ...change,
})
/** The event of a submission. */
export const queued = (job: StoredJob): StoredEvent => ({
  jobId: job.id,
  at: 1,
  type: 'Normal',
  reason: 'Queued',
  message: 'x',
})
/** Submits jobs with their events. */
export const submit = (store: Store, ...jobs: StoredJob[]) => store.submit({ jobs, events: jobs.map(queued) })
/** The jobs of a user, 100 of them. */
export const all = (owner: string, parts: Partial<JobFilter> = {}): JobFilter => ({
  owner,
  sort: 'submitted',
  limit: 100,
  ...parts,
})
/** The ids of jobs, in their order. */
export const ids = (jobs: readonly StoredJob[]): string[] => jobs.map((job) => job.id)
