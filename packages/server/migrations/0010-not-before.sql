-- A job that was returned to the queue is not placed before this instant; and why, since when, and until when it is tried.
alter table jobs add column not_before bigint;
alter table jobs add column postponed_json text;
