-- Instants are milliseconds since the epoch; columns ending in _json hold JSON text.
create table accounts (
  name text primary key,
  uid bigint not null unique,
  gid bigint not null,
  admin integer not null default 0,
  created_at bigint not null
);

create table groups (
  name text primary key,
  gid bigint not null unique
);

create table memberships (
  account text not null references accounts (name),
  group_name text not null references groups (name),
  primary key (account, group_name)
);

-- A token is stored as the SHA-256 of itself; its prefix is for people to tell tokens apart.
create table tokens (
  id text primary key,
  prefix text not null,
  hash text not null unique,
  account text not null references accounts (name),
  name text not null,
  scopes text not null,
  created_at bigint not null,
  expires_at bigint,
  revoked_at bigint
);

create table jobs (
  id text primary key,
  seq bigint not null,
  owner text not null,
  name text not null,
  image text not null,
  image_digest text,
  state text not null
    check (state in ('held', 'queued', 'starting', 'running', 'stopping', 'succeeded', 'failed', 'cancelled')),
  spec_json text not null,
  array_id text,
  task_index integer not null,
  task_count integer not null,
  submitted_at bigint not null,
  started_at bigint,
  ended_at bigint,
  deadline_at bigint,
  exit_code integer,
  cause_json text,
  attempt integer not null,
  stop_reason text,
  removed_at bigint
);
-- The lists of one user, newest first.
create index jobs_by_owner on jobs (owner, seq);
create index jobs_by_owner_name on jobs (owner, name, seq);
-- What the loop works on: everything that has not ended, few among many.
create index jobs_not_ended on jobs (seq)
  where state in ('held', 'queued', 'starting', 'running', 'stopping');
create index jobs_by_owner_state on jobs (owner, state, seq);
create index jobs_by_array on jobs (array_id, seq) where array_id is not null;
create index jobs_by_end on jobs (owner, ended_at) where ended_at is not null;

create table attempts (
  id text primary key,
  job_id text not null references jobs (id),
  number integer not null,
  node text not null,
  placed_at bigint not null,
  started_at bigint,
  ended_at bigint,
  exit_code integer,
  cause_json text,
  usage_json text,
  unique (job_id, number)
);
create index attempts_by_end on attempts (ended_at) where ended_at is not null;

create table events (
  seq bigint primary key,
  job_id text not null,
  at bigint not null,
  type text not null,
  reason text not null,
  message text not null
);
create index events_by_job on events (job_id, seq);

-- What was answered to an Idempotency-Key, so that the same request gets the same answer.
create table idempotency (
  account text not null,
  idempotency_key text not null,
  fingerprint text not null,
  answer_json text not null,
  at bigint not null,
  primary key (account, idempotency_key)
);
create index idempotency_by_age on idempotency (at);

-- Registry credentials of jobs that have not ended, sealed with a key that is not in the database.
create table job_secrets (
  job_id text primary key references jobs (id),
  sealed text not null
);
