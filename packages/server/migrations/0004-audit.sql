-- The audit trail: what was done, by whom, and how it came out. seq counts without gaps; hash covers the entry and the
-- hash of the one before, so that what is changed or taken out later shows (docs/audit.md).
create table audit (
  seq bigint primary key,
  at bigint not null,
  actor text,
  via text not null check (via in ('api', 'skaha', 'command')),
  token_prefix text,
  token_job text,
  action text not null,
  subject text,
  address text,
  outcome text not null check (outcome in ('done', 'refused', 'failed')),
  status integer,
  problem text,
  count integer not null,
  hash text not null
);
create index audit_by_actor on audit (actor, seq);
create index audit_by_action on audit (action, seq);
create index audit_by_subject on audit (subject, seq) where subject is not null;
create index audit_by_time on audit (at);

-- Entries older than this may be deleted; only the retention moves it.
create table audit_retention (
  before bigint not null
);
insert into audit_retention values (0);

create trigger audit_is_never_changed before update on audit
begin
  select raise(abort, 'entries of the audit trail are never changed');
end;
create trigger audit_is_kept before delete on audit
  when old.at >= (select before from audit_retention)
begin
  select raise(abort, 'entries of the audit trail are kept until their retention is over');
end;
