-- What is set for one user or group while the platform runs; what is left out is as the configuration says for all.
create table holders (
  kind text not null check (kind in ('user', 'group')),
  name text not null,
  weight double precision,
  limits_json text not null,
  set_at bigint not null,
  primary key (kind, name)
);

-- Core-hours that a user has used in the name of a group (or of none: ''), as they count at an instant: they halve with time.
create table shares (
  account text not null,
  group_name text not null,
  core_hours double precision not null,
  at bigint not null,
  primary key (account, group_name)
);

-- The last runs of jobs alike: same user, image and command.
create table run_histories (
  alike text primary key,
  runs_json text not null,
  at bigint not null
);

-- How many estimates of a day came true: of starts and of run times.
create table estimate_scores (
  what text not null check (what in ('start', 'run')),
  day bigint not null,
  inside integer not null,
  early integer not null,
  late integer not null,
  primary key (what, day)
);
