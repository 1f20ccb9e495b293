-- contract: a server that does not append to the change log must not write here.
-- Numbers that the database gives in the order of commits, without gaps: of jobs, of events, and of changes, where it is the
-- head of the log. One row, which a write takes last (docs/decisions/0006-change-log.md).
create table counters (
  jobs bigint not null,
  events bigint not null,
  changes bigint not null
);
insert into counters (jobs, events, changes)
  select coalesce((select max(seq) from jobs), 0), coalesce((select max(seq) from events), 0), 0;

-- The change log: one row a change, appended in the transaction of the change.
create table changes (
  seq bigint primary key,
  at bigint not null,
  kind text not null,
  owner text,
  subject text not null,
  array_id text,
  first_task integer,
  last_task integer,
  name text,
  from_state text,
  to_state text,
  exit_code integer,
  cause_code text
);
create index changes_by_owner on changes (owner, seq) where owner is not null;
create index changes_by_age on changes (at);

-- Facts about the database as a whole: `log_id` names this log and is drawn anew by a restore; `least_migration` is the
-- newest migration that a server must know to work here.
create table facts (
  name text primary key,
  value text not null
);

-- Rows that a transaction updates to keep others out: the end of the audit trail, and users, groups and projects.
create table locks (
  name text primary key
);
insert into locks values ('audit');
insert into locks values ('directory');
