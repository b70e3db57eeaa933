-- What every other file builds on: the schema `private`, what is granted by default (nothing), extensions, and small
-- functions that belong to no subject.

-- Nothing in `public` is reachable because it exists: every grant below and in later files is by name.
alter default privileges in schema public revoke all on tables from anon, authenticated;
alter default privileges in schema public revoke all on sequences from anon, authenticated;
alter default privileges in schema public revoke all on functions from anon, authenticated;
alter default privileges revoke execute on functions from public;

-- Helpers of policies and functions: not exposed by PostgREST.
create schema private;
grant usage on schema private to anon, authenticated, service_role;
alter default privileges in schema private grant all on tables to service_role;
alter default privileges in schema private grant execute on functions to service_role;

create extension if not exists pg_trgm with schema extensions;
create extension if not exists btree_gin with schema extensions;

create function private.touch_updated_at() returns trigger
language plpgsql set search_path = '' as $$
begin
  new.updated_at := now();
  return new;
end;
$$;

create function private.meta_time(seconds bigint) returns timestamptz
language sql stable set search_path = '' as $$
  -- A clock that is absurdly ahead must not pin a conversation to the top for ever.
  select case when seconds between 1 and extract(epoch from now())::bigint + 86400
    then to_timestamp(seconds) else now() end;
$$;

-- A list, or none where Meta sent something else.
create function private.json_list(value jsonb) returns jsonb
language sql immutable parallel safe set search_path = '' as $$
  select case jsonb_typeof(value) when 'array' then value else '[]' end;
$$;

-- A text as it is compared: without case and accents. Most texts are plain, and plainly done.
create function private.fold_text(words text) returns text
language sql immutable strict parallel safe set search_path = '' as $$
  select case when octet_length(words) = char_length(words) then lower(words)
    else translate(
      lower(regexp_replace(normalize(words, nfkd), '[\u0300-\u036f]', '', 'g')), 'đłøßæœıð', 'dlosaeid'
    ) end;
$$;

-- What a message is found by: its words, and the month it is of within its tenant, so that a search goes from month to
-- month and ends when it has enough. Campaigns are not searched.
create function private.month_of(moment timestamptz) returns integer
language plpgsql immutable strict parallel safe set search_path = '' as $$
begin
  return floor(extract(epoch from moment) / 2592000)::integer;
end;
$$;

create function private.uuids(list jsonb) returns uuid[]
language sql immutable set search_path = '' as $$
  select array(select distinct e::uuid from jsonb_array_elements_text(coalesce(nullif(list, 'null'), '[]')) e);
$$;

-- A list, or the one thing that should have been in one.
create function private.json_elements(value jsonb) returns jsonb
language sql immutable parallel safe set search_path = '' as $$
  select case jsonb_typeof(value) when 'array' then value when 'object' then jsonb_build_array(value) else '[]' end;
$$;

grant execute on function
  private.fold_text(text),
  private.month_of(timestamptz)
to authenticated;
