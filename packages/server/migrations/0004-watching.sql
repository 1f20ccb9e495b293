-- How many jobs are in each state, for those who watch, without reading the jobs.
create index jobs_not_ended_by_state on jobs (state)
  where state in ('held', 'queued', 'starting', 'running', 'stopping');

-- One row that is written to find out whether the store can be.
create table probe (
  at bigint not null
);
insert into probe values (0);
