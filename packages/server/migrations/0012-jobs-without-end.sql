-- Pages of all jobs that have not ended, in order. The index by their states did not serve them: SQLite took jobs_not_ended_by_state,
-- read every job that had not ended for each page, and sorted them.
create index jobs_without_end on jobs (seq) where ended_at is null;
drop index jobs_not_ended;
