-- Labels of jobs, as their users gave them: JSON in the job's own row for reading, and one row each for finding jobs by them.
alter table jobs add column labels_json text;
create table job_labels (
  -- jobs.seq
  job bigint not null,
  owner text not null,
  key text not null,
  value text not null,
  primary key (job, key)
);
create index job_labels_by_value on job_labels (owner, key, value, job);
create index job_labels_by_key on job_labels (owner, key, job);
