-- In how many seconds waiting jobs were expected to start when that was told, and in how many they did: what later forecasts
-- are corrected by.
create table start_forecasts (
  job_id text primary key,
  at bigint not null,
  forecast double precision not null,
  waited double precision not null
);
create index start_forecasts_by_time on start_forecasts (at);
