-- contract: a server that does not know this table would show half a submission.
-- Submissions whose jobs are being written, in several transactions. Their jobs have these numbers and do not exist for
-- readers until the row is deleted by the last transaction (docs/decisions/0009-large-writes-in-stages.md).
create table staged (
  first_job bigint primary key,
  last_job bigint not null,
  at bigint not null,
  -- 1: what was written is being deleted, and must not be completed.
  abandoned integer not null default 0
);
