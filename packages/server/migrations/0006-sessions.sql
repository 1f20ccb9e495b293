-- What one user has waiting and running, few among many that ended: without it every job of theirs is looked at.
create index jobs_not_ended_by_owner on jobs (owner, seq)
  where state in ('held', 'queued', 'starting', 'running', 'stopping');
