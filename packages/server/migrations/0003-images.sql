-- Users' credentials for registries, sealed with a key that is not in the database. `address` is the one host they may
-- be sent to: what stood for the registry when they were given.
create table registry_logins (
  account text not null references accounts (name) on delete cascade,
  registry text not null,
  address text not null,
  username text not null,
  sealed text not null,
  created_at bigint not null,
  primary key (account, registry)
);

-- When a user last ran an image.
create index jobs_by_owner_image on jobs (owner, image, started_at) where started_at is not null;
