-- A disabled user has no tokens; with cancel_jobs the jobs end as well.
alter table accounts add column disabled_at bigint;
alter table accounts add column cancel_jobs integer not null default 0;
create index accounts_to_cancel on accounts (name) where cancel_jobs = 1;

create table projects (
  name text primary key,
  group_name text not null references groups (name),
  created_at bigint not null
);
-- Until now a group was made with a project of its name.
insert into projects (name, group_name, created_at) select name, name, 0 from groups;

-- Every id that was ever given, and to whom. What is deleted elsewhere stays here, so that nobody inherits files.
create table given_ids (
  kind text not null check (kind in ('user', 'group')),
  id bigint not null,
  name text not null,
  primary key (kind, id)
);
insert into given_ids (kind, id, name) select 'user', uid, name from accounts;
insert into given_ids (kind, id, name) select 'group', gid, name from groups;
insert into given_ids (kind, id, name)
  select 'group', gid, name from accounts where gid not in (select gid from groups);

alter table tokens add column last_used_at bigint;
-- The token that this one was made with, and with which it ends.
alter table tokens add column made_with text;
-- The job that carries it, and with which it ends.
alter table tokens add column job_id text;
create index tokens_by_account on tokens (account, created_at);
create index tokens_by_maker on tokens (made_with) where made_with is not null;
create index tokens_by_job on tokens (job_id) where job_id is not null;
