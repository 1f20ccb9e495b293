import type { JobState } from '@science-platform/contract'
import type { EntryPoint, Outcome } from '../../audit/entry.ts'

/** The tables of `migrations/`. Instants are in milliseconds. `_json` columns contain JSON text. */
export interface Schema {
  accounts: {
    name: string
    uid: number
    gid: number
    admin: number
    created_at: number
    disabled_at: number | null
    cancel_jobs: number
  }
  groups: { name: string; gid: number }
  projects: { name: string; group_name: string; created_at: number }
  given_ids: { kind: 'user' | 'group'; id: number; name: string }
  memberships: { account: string; group_name: string }
  tokens: {
    id: string
    prefix: string
    hash: string
    account: string
    name: string
    scopes: string
    created_at: number
    expires_at: number | null
    revoked_at: number | null
    last_used_at: number | null
    made_with: string | null
    job_id: string | null
  }
  jobs: JobRow
  job_labels: { job: number; owner: string; key: string; value: string }
  attempts: AttemptRow
  events: { seq: number; job_id: string; at: number; type: string; reason: string; message: string }
  changes: ChangeRow
  counters: { jobs: number; events: number; changes: number }
  staged: { first_job: number; last_job: number; at: number; abandoned: number }
  facts: { name: string; value: string }
  locks: { name: string }
  idempotency: { account: string; idempotency_key: string; fingerprint: string; answer_json: string; at: number }
  job_secrets: { job_id: string; sealed: string }
  holders: { kind: string; name: string; weight: number | null; limits_json: string; set_at: number }
  shares: { account: string; group_name: string; core_hours: number; at: number }
  run_histories: { alike: string; runs_json: string; at: number }
  start_forecasts: { job_id: string; at: number; forecast: number; waited: number }
  estimate_scores: { what: string; day: number; inside: number; early: number; late: number }
  audit: AuditRow
  audit_retention: { before: number }
  probe: { at: number }
  registry_logins: {
    account: string
    registry: string
    address: string
    username: string
    sealed: string
    created_at: number
  }
}

export interface ChangeRow {
  seq: number
  at: number
  kind: string
  owner: string | null
  subject: string
  array_id: string | null
  first_task: number | null
  last_task: number | null
  name: string | null
  from_state: string | null
  to_state: string | null
  exit_code: number | null
  cause_code: string | null
}

export interface JobRow {
  id: string
  seq: number
  owner: string
  name: string
  image: string
  image_digest: string | null
  state: JobState
  spec_sealed: string
  array_id: string | null
  task_index: number
  task_count: number
  submitted_at: number
  started_at: number | null
  ended_at: number | null
  deadline_at: number | null
  exit_code: number | null
  cause_json: string | null
  attempt: number
  stop_reason: string | null
  removed_at: number | null
  not_before: number | null
  postponed_json: string | null
  labels_json: string | null
}

export interface AttemptRow {
  id: string
  job_id: string
  number: number
  node: string
  placed_at: number
  started_at: number | null
  ended_at: number | null
  exit_code: number | null
  cause_json: string | null
  usage_json: string | null
}

export interface AuditRow {
  seq: number
  at: number
  actor: string | null
  via: EntryPoint
  token_prefix: string | null
  token_job: string | null
  action: string
  subject: string | null
  address: string | null
  outcome: Outcome
  status: number | null
  problem: string | null
  count: number
  hash: string
}
