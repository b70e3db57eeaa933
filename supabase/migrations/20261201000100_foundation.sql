-- The foundation of all other files: the schema `private`, default privileges, extensions, and small functions that
-- belong to no single subject.

-- No role reaches an object of `public` by default: this file and later ones grant each right by name.
alter default privileges in schema public revoke all on tables from anon, authenticated;
alter default privileges in schema public revoke all on sequences from anon, authenticated;
alter default privileges in schema public revoke all on functions from anon, authenticated;
alter default privileges revoke execute on functions from public;

-- Schema `private` holds the functions that policies and other functions call. PostgREST does not expose it.
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
  -- The limit keeps a clock that is far ahead from pinning a conversation to the top.
  select case when seconds between 1 and extract(epoch from now())::bigint + 86400
    then to_timestamp(seconds) else now() end;
$$;

-- Returns the value if it is an array, and an empty array otherwise.
create function private.json_list(value jsonb) returns jsonb
language sql immutable parallel safe set search_path = '' as $$
  select case jsonb_typeof(value) when 'array' then value else '[]' end;
$$;

-- Normalizes a text for comparison: without case and accents. Plain texts take a fast path.
create function private.fold_text(words text) returns text
language sql immutable strict parallel safe set search_path = '' as $$
  select case when octet_length(words) = char_length(words) then lower(words)
    else translate(
      lower(regexp_replace(normalize(words, nfkd), '[\u0300-\u036f]', '', 'g')), 'đłøßæœıð', 'dlosaeid'
    ) end;
$$;

-- Searches read messages month by month within a tenant and stop when they have enough results. This function numbers
-- the months. Campaign messages are not searched.
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

-- Returns the value if it is an array, and an array with that one value otherwise.
create function private.json_elements(value jsonb) returns jsonb
language sql immutable parallel safe set search_path = '' as $$
  select case jsonb_typeof(value) when 'array' then value when 'object' then jsonb_build_array(value) else '[]' end;
$$;

-- Work that was set aside because its workers died, for operators: `worker_health` counts it. A queue counts a try when it
-- hands the item out, in the same statement, and clears the count when the worker reports anything at all.
create table private.set_aside_work (
  id bigint generated always as identity primary key,
  queue text not null,
  item text not null,
  tenant_id uuid,
  set_aside_at timestamptz not null default now()
);
create index set_aside_work_at_idx on private.set_aside_work (set_aside_at);

-- How many workers may die of one item before it is set aside.
create function private.most_tries() returns integer
language sql immutable set search_path = '' as $$
  select 2;
$$;

-- Notes an item that was set aside. Notes are kept for 30 days.
create function private.note_set_aside(queue text, item text, tenant uuid) returns void
language sql set search_path = '' as $$
  delete from private.set_aside_work w where w.set_aside_at < now() - interval '30 days';
  insert into private.set_aside_work (queue, item, tenant_id) values (queue, item, tenant);
$$;

alter table private.set_aside_work enable row level security;
create policy "no client access" on private.set_aside_work to authenticated using (false);

-- Whether a text shows anything: it has a character besides white space, control characters, characters that only
-- direct or join others, and blank letters. The rule is that of `SHOWS_NOTHING` in the functions.
create function private.is_visible(words text) returns boolean
language sql immutable strict parallel safe set search_path = '' as $$
  select words ~ '[^\u0001-\u0020\u007f-\u00a0\u00ad\u034f\u061c\u115f-\u1160\u1680\u17b4-\u17b5\u180b-\u180f\u2000-\u200f\u2028-\u202f\u205f-\u206f\u2800\u3000\u3164\ufe00-\ufe0f\ufeff\uffa0\ufff0-\ufffb\U0001bca0-\U0001bca3\U0001d173-\U0001d17a\U000e0000-\U000e0fff]';
$$;

-- An e-mail address in the form in which it is compared; null if the text is none. Local parts have at most 64 characters
-- and addresses at most 254, as in RFC 5321.
create function private.email_address(words text) returns text
language sql immutable strict parallel safe set search_path = '' as $$
  select lower(trim(words))
  where char_length(trim(words)) <= 254
    and lower(trim(words))
      ~ '^[a-z0-9.!#$%&''*+/=?^_`{|}~-]{1,64}@([a-z0-9]([a-z0-9-]{0,61}[a-z0-9])?\.)+[a-z0-9]([a-z0-9-]{0,61}[a-z0-9])?$';
$$;

grant execute on function
  private.fold_text(text),
  private.month_of(timestamptz),
  private.is_visible(text)
to authenticated;
