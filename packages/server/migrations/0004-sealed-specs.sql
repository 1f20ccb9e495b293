-- What a job asks for, sealed with the key that is not in the database: environments hold secrets. What was stored in clear
-- before stays readable until its row is deleted.
alter table jobs rename column spec_json to spec_sealed;
