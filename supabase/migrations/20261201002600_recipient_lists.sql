-- Recipient lists: people that campaigns are sent to, from a file, entered one by one, or selected from the contacts.
--
-- Files are imported in batches. Each transaction also records its position in the file, so that nothing is lost or
-- repeated if a reader dies. Contacts are imported in the same way: `contact_imports` describes the shared process, and
-- why the tables are separate.

create table public.recipient_lists (
  id uuid primary key default gen_random_uuid(),
  tenant_id uuid not null references public.tenants (id) on delete cascade,
  name text not null check (char_length(name) between 1 and 200 and private.is_visible(name)),
  -- {"type": "file", "file_name"}, {"type": "manual"} or {"type": "contacts", "filter"}
  source jsonb not null check (source ->> 'type' in ('file', 'manual', 'contacts')),
  -- refused: a row has an error, and the list was to be imported as a whole or not at all
  status text not null default 'ready' check (status in ('importing', 'ready', 'refused', 'failed')),
  -- why it is refused or failed, as a code
  status_reason text,
  on_error text not null default 'keep' check (on_error in ('keep', 'refuse')),
  -- the variables in their order: the values of `{{1}}`, `{{2}}` …
  columns text[] not null default '{}' check (cardinality(columns) <= 200),
  -- the rows of the file, and how many of them have been read
  total_rows integer not null default 0 check (total_rows >= 0),
  read_rows integer not null default 0,
  -- kept by triggers
  entry_count integer not null default 0,
  -- rows with errors; a repeated number is a duplicate, not an error
  error_count integer not null default 0,
  duplicate_count integer not null default 0,
  -- when its counts were last broadcast to the tenant's topic
  progress_announced_at timestamptz not null default '-infinity',
  created_by uuid,
  created_at timestamptz not null default now(),
  updated_at timestamptz not null default now(),
  finished_at timestamptz,
  unique (id, tenant_id),
  foreign key (created_by, tenant_id) references public.profiles (user_id, tenant_id)
    on delete set null (created_by)
);
create index recipient_lists_list_idx on public.recipient_lists (tenant_id, created_at desc, id);
create index recipient_lists_created_by_idx on public.recipient_lists (created_by, tenant_id);

create table public.recipient_list_entries (
  list_id uuid not null,
  tenant_id uuid not null,
  -- the row in the file
  line integer not null check (line > 0),
  wa_id text not null check (wa_id ~ '^[0-9]{8,15}$'),
  name text check (char_length(name) between 1 and 200),
  -- texts by the names of the list's columns
  variables jsonb not null default '{}' check (jsonb_typeof(variables) = 'object'),
  primary key (list_id, tenant_id, line),
  foreign key (list_id, tenant_id) references public.recipient_lists (id, tenant_id) on delete cascade
);
-- A list contains each person once, in whichever form their number is written.
create unique index recipient_list_entries_key_idx
  on public.recipient_list_entries (list_id, private.phone_key(wa_id));
-- finds the lists of a person who is to be erased
create index recipient_list_entries_person_idx on public.recipient_list_entries (tenant_id, wa_id);

-- Rows that are not on the list, and why.
create table public.recipient_list_errors (
  list_id uuid not null,
  tenant_id uuid not null,
  line integer not null check (line > 0),
  -- the column as the file names it
  field text not null default '' check (char_length(field) <= 100),
  code text not null check (code ~ '^[a-z_]{1,40}$'),
  -- the rejected value, shortened
  value text not null default '' check (char_length(value) <= 200),
  -- of a duplicate: the row that was kept
  first_line integer,
  primary key (list_id, tenant_id, line, field),
  foreign key (list_id, tenant_id) references public.recipient_lists (id, tenant_id) on delete cascade
);

-- Files that are being imported into lists: their place, the position reached, and the current reader.
create table private.recipient_imports (
  list_id uuid not null,
  tenant_id uuid not null,
  -- in bucket `imports`
  file_path text not null unique,
  -- the person or the API key that began it
  author uuid not null,
  -- the country of numbers without a country code
  country text not null check (country ~ '^[A-Z]{2}$'),
  done_line integer not null default 0,
  holder uuid,
  leased_until timestamptz not null default '-infinity',
  -- how many claims there were since a batch was last recorded
  idle_claims integer not null default 0,
  created_at timestamptz not null default now(),
  primary key (list_id, tenant_id),
  foreign key (list_id, tenant_id) references public.recipient_lists (id, tenant_id) on delete cascade
);

-- Foreign keys of earlier tables.
alter table public.broadcast_campaigns add constraint broadcast_campaigns_recipient_list_id_fkey
  foreign key (recipient_list_id) references public.recipient_lists (id) on delete set null;

create function private.count_entries() returns trigger
language plpgsql set search_path = '' as $$
begin
  update public.recipient_lists l
  set entry_count = l.entry_count + case tg_op when 'INSERT' then c.n else -c.n end
  from (select list_id, count(*) as n from changed group by list_id) c
  where l.id = c.list_id;
  return null;
end;
$$;

create function private.recipient_list_json(l public.recipient_lists) returns jsonb
language sql stable set search_path = '' as $$
  select jsonb_build_object(
    'id', l.id, 'name', l.name, 'source', l.source, 'status', l.status, 'status_reason', l.status_reason,
    'on_error', l.on_error, 'columns', l.columns,
    'total_rows', l.total_rows, 'read_rows', l.read_rows, 'entry_count', l.entry_count,
    'error_count', l.error_count, 'duplicate_count', l.duplicate_count,
    'progress_percent', case
      when l.status <> 'importing' then 100
      when l.total_rows = 0 then 0
      else least(floor(1000.0 * l.read_rows / l.total_rows) / 10, 100)
    end,
    'created_by', l.created_by, 'created_at', l.created_at, 'updated_at', l.updated_at, 'finished_at', l.finished_at
  );
$$;

-- Broadcasts the progress of an import to people who may read lists, without the names of lists and files: Realtime keeps
-- what was broadcast for days.
-- Security definer: it also runs when Auth removes an account, and the role of Auth has no rights here.
create function private.announce_recipient_list() returns trigger
language plpgsql security definer set search_path = '' as $$
begin
  perform private.record_and_broadcast(
    new.tenant_id, 'recipient_lists', null, 'recipient_list.updated',
    private.recipient_list_json(new) - '{name,source,columns,created_by}'::text[]
  );
  return null;
end;
$$;

-- The lines of a list whose people have opted out of marketing, found by their number in any form.
-- Security definer: readers of a list learn of opt-outs without the right to read every contact.
create function private.opted_out_lines(list uuid, lines integer[] default null) returns setof integer
language sql stable security definer set search_path = '' as $$
  select e.line
  from public.recipient_list_entries e
  join public.contacts c on c.tenant_id = e.tenant_id and c.phone_key = private.phone_key(e.wa_id)
  where e.list_id = list and e.tenant_id = (select private.tenant_id())
    and (select private.has_permission('recipient_lists.view'))
    and (lines is null or e.line = any (lines))
    and private.opted_out(c);
$$;

-- The people of a list for a campaign, in order, with variables by name and in the order of the columns. Empty for a
-- list that is not ready. The calling function has checked the access to the list.
create function private.recipient_list_rows(list uuid)
returns table (line integer, wa_id text, name text, variables jsonb, ordered jsonb, opted_out boolean)
language sql stable set search_path = '' as $$
  select
    e.line, e.wa_id, e.name, e.variables,
    (
      select coalesce(jsonb_agg(coalesce(e.variables -> k.name, '""') order by k.place), '[]')
      from unnest(l.columns) with ordinality as k (name, place)
    ),
    c.id is not null and private.opted_out(c)
  from public.recipient_lists l
  join public.recipient_list_entries e on e.list_id = l.id and e.tenant_id = l.tenant_id
  left join public.contacts c on c.tenant_id = e.tenant_id and c.phone_key = private.phone_key(e.wa_id)
  where l.id = list and l.status = 'ready'
  order by e.line;
$$;

create function public.list_recipient_lists(
  search text, status_filter text, page integer, page_size integer
) returns jsonb
language sql stable set search_path = '' as $$
  with found_lists as (
    select l from public.recipient_lists l
    where (status_filter is null or l.status = status_filter)
      and (list_recipient_lists.search is null or strpos(lower(l.name), lower(list_recipient_lists.search)) > 0)
  )
  select jsonb_build_object(
    'total', (select count(*) from found_lists),
    'rows', coalesce((
      select jsonb_agg(private.recipient_list_json(p.l) order by (p.l).created_at desc, (p.l).id)
      from (
        select f.l from found_lists f
        order by (f.l).created_at desc, (f.l).id
        limit page_size offset (page - 1)::bigint * page_size
      ) p
    ), '[]')
  );
$$;

-- Null if the list does not exist or the caller may not see it.
create function public.get_recipient_list(list_id uuid) returns jsonb
language sql stable set search_path = '' as $$
  select private.recipient_list_json(l) || jsonb_build_object(
    'opted_out_count', (select count(*) from private.opted_out_lines(l.id))
  )
  from public.recipient_lists l
  where l.id = get_recipient_list.list_id;
$$;

-- One page of a list's people; null without the list. `after_line` continues after another page.
create function public.list_recipient_list_entries(
  list_id uuid, search text, page integer, page_size integer, after_line integer default 0
) returns jsonb
language sql stable set search_path = '' as $$
  with page_entries as (
    select e.line, e.wa_id, e.name, e.variables
    from public.recipient_list_entries e
    where e.list_id = list_recipient_list_entries.list_id and e.line > after_line
      and (search is null or strpos(e.wa_id, search) > 0 or strpos(lower(e.name), lower(search)) > 0)
    order by e.line
    limit page_size offset (page - 1)::bigint * page_size
  ),
  silent as materialized (
    select o as line from private.opted_out_lines(
      list_recipient_list_entries.list_id, array(select p.line from page_entries p)
    ) o
  )
  select jsonb_build_object(
    'columns', l.columns,
    'total', case when search is null then l.entry_count else (
      select count(*) from public.recipient_list_entries e
      where e.list_id = l.id and (strpos(e.wa_id, search) > 0 or strpos(lower(e.name), lower(search)) > 0)
    ) end,
    'rows', coalesce((
      select jsonb_agg(jsonb_build_object(
        'line', p.line, 'phone_number', '+' || p.wa_id, 'name', p.name, 'variables', p.variables,
        'opted_out', exists (select 1 from silent s where s.line = p.line)
      ) order by p.line)
      from page_entries p
    ), '[]')
  )
  from public.recipient_lists l
  where l.id = list_recipient_list_entries.list_id;
$$;

-- One page of the rows that are not on the list, and why; null without the list.
create function public.list_recipient_list_errors(
  list_id uuid, page integer, page_size integer, after_line integer default 0, after_field text default ''
) returns jsonb
language sql stable set search_path = '' as $$
  select jsonb_build_object(
    'total', (
      select count(*) from public.recipient_list_errors e where e.list_id = list_recipient_list_errors.list_id
    ),
    'rows', coalesce((
      select jsonb_agg(jsonb_build_object(
        'line', p.line, 'field', p.field, 'code', p.code, 'value', p.value, 'first_line', p.first_line
      ) order by p.line, p.field)
      from (
        select e.* from public.recipient_list_errors e
        where e.list_id = list_recipient_list_errors.list_id and (e.line, e.field) > (after_line, after_field)
        order by e.line, e.field
        limit page_size offset (page - 1)::bigint * page_size
      ) p
    ), '[]')
  )
  from public.recipient_lists l
  where l.id = list_recipient_list_errors.list_id;
$$;

-- Stores entries {"line", "wa_id", "name"?, "variables"?} and errors {"line", "field", "code", "value"}. Of several
-- rows with one number the first is kept. The others become errors that refer to it.
create function private.add_recipients(list public.recipient_lists, entries jsonb, errors jsonb) returns void
language plpgsql set search_path = '' as $$
declare
  kept integer[];
  duplicates integer;
begin
  with given as (
    select e.* from jsonb_to_recordset(entries) as e (line integer, wa_id text, name text, variables jsonb)
  ),
  added as (
    insert into public.recipient_list_entries as e (list_id, tenant_id, line, wa_id, name, variables)
    select list.id, list.tenant_id, g.line, g.wa_id, g.name, coalesce(g.variables, '{}')
    from given g
    order by g.line
    on conflict (list_id, private.phone_key(wa_id)) do nothing
    returning e.line
  )
  select array_agg(a.line) into kept from added a;

  insert into public.recipient_list_errors (list_id, tenant_id, line, field, code, value, first_line)
  select list.id, list.tenant_id, g.line, 'phone_number', 'duplicate', g.wa_id, e.line
  from jsonb_to_recordset(entries) as g (line integer, wa_id text)
  join public.recipient_list_entries e on e.list_id = list.id and private.phone_key(e.wa_id) = private.phone_key(g.wa_id)
  where g.line <> all (coalesce(kept, '{}')) and jsonb_array_length(entries) > coalesce(cardinality(kept), 0);
  get diagnostics duplicates = row_count;

  insert into public.recipient_list_errors (list_id, tenant_id, line, field, code, value)
  select list.id, list.tenant_id, r.line, left(r.field, 100), r.code, left(r.value, 200)
  from jsonb_to_recordset(errors) as r (line integer, field text, code text, value text);

  update public.recipient_lists l
  set
    read_rows = l.read_rows + jsonb_array_length(entries) + c.bad,
    error_count = l.error_count + c.bad,
    duplicate_count = l.duplicate_count + duplicates,
    progress_announced_at = case
      when l.status = 'importing' and l.progress_announced_at <= now() - interval '1 second' then now()
      else l.progress_announced_at
    end
  from (
    select count(distinct r.line)::integer as bad from jsonb_to_recordset(errors) as r (line integer)
  ) c
  where l.id = list.id;
end;
$$;

-- Creates a list of people who are entered one by one.
-- Security definer: clients have no right to write these tables.
create function public.create_recipient_list(
  name text, columns text[], entries jsonb, errors jsonb default '[]', on_error text default 'keep'
) returns jsonb
language plpgsql security definer set search_path = '' as $$
declare
  list public.recipient_lists;
begin
  perform private.require('recipient_lists.create');
  insert into public.recipient_lists as l (tenant_id, name, source, columns, on_error, total_rows, created_by, finished_at)
  select
    private.tenant_id(), create_recipient_list.name, '{"type": "manual"}', create_recipient_list.columns,
    create_recipient_list.on_error,
    jsonb_array_length(create_recipient_list.entries) + (
      select count(distinct r.line) from jsonb_to_recordset(create_recipient_list.errors) as r (line integer)
    ),
    private.person_id(), now()
  returning l.* into list;
  perform private.add_recipients(list, create_recipient_list.entries, create_recipient_list.errors);
  select l.* into list from public.recipient_lists l where l.id = list.id;
  if list.entry_count = 0 then
    raise sqlstate 'PT422' using message = 'A list needs at least one recipient.', detail = 'invalid_field',
      hint = 'recipients';
  end if;
  return private.recipient_list_json(list);
end;
$$;

-- Creates a list of the contacts that currently match a filter. Contacts without a known phone number are not included.
-- Security definer: clients have no right to write recipient lists.
-- Time limit: it copies every contact that matches: 100,000 take about 5 s of computing. The API waits 15 s.
create function public.create_recipient_list_from_contacts(name text, filter jsonb default '{}') returns jsonb
language plpgsql security definer set search_path = '' set statement_timeout = '14s' as $$
declare
  tenant constant uuid := private.tenant_id();
  list public.recipient_lists;
begin
  perform private.require('recipient_lists.create');
  perform private.require('contacts.view');
  if filter ?| '{segment_id,segment}' then
    perform private.require('segments.view');
  end if;
  insert into public.recipient_lists as l (tenant_id, name, source, created_by, finished_at)
  values (
    tenant, create_recipient_list_from_contacts.name,
    jsonb_build_object('type', 'contacts', 'filter', create_recipient_list_from_contacts.filter),
    private.person_id(), now()
  )
  returning l.* into list;
  insert into public.recipient_list_entries (list_id, tenant_id, line, wa_id, name)
  select
    list.id, tenant, row_number() over (order by c.created_at, c.id), c.wa_id,
    left(nullif(trim(coalesce(c.name, c.profile_name)), ''), 200)
  from private.contacts_matching(tenant, create_recipient_list_from_contacts.filter) m
  join public.contacts c on c.id = m
  where c.wa_id ~ '^[0-9]{8,15}$';
  if not found then
    raise sqlstate 'PT422' using message = 'No contact with a phone number matches.', detail = 'invalid_field',
      hint = 'filter';
  end if;
  update public.recipient_lists l set total_rows = l.entry_count, read_rows = l.entry_count
  where l.id = list.id
  returning l.* into list;
  return private.recipient_list_json(list);
end;
$$;

-- Creates a list that is filled from a file in bucket `imports`, in the tenant's folder.
-- Security definer: clients have no right to write imports and recipient lists.
create function public.begin_recipient_import(
  name text, file_path text, file_name text, columns text[], total_rows integer,
  on_error text default 'keep', country text default 'ID'
) returns jsonb
language plpgsql security definer set search_path = '' as $$
declare
  tenant constant uuid := private.tenant_id();
  list public.recipient_lists;
begin
  perform private.require('recipient_lists.import');
  if begin_recipient_import.file_path !~ ('^' || tenant || '/[0-9a-f-]{36}$') then
    raise sqlstate 'PT422' using message = 'There is no such file.', detail = 'invalid_field', hint = 'storage_path';
  end if;
  insert into public.recipient_lists as l
    (tenant_id, name, source, status, on_error, columns, total_rows, created_by)
  values (
    tenant, begin_recipient_import.name,
    jsonb_build_object('type', 'file', 'file_name', begin_recipient_import.file_name), 'importing',
    begin_recipient_import.on_error, begin_recipient_import.columns, begin_recipient_import.total_rows,
    private.person_id()
  )
  returning l.* into list;
  insert into private.recipient_imports (list_id, tenant_id, file_path, author, country)
  values (list.id, tenant, begin_recipient_import.file_path, auth.uid(), begin_recipient_import.country)
  on conflict on constraint recipient_imports_file_path_key do nothing;
  if not found then
    raise sqlstate 'PT409' using message = 'This file is being imported already.', detail = 'file_in_use';
  end if;
  return private.recipient_list_json(list);
end;
$$;

-- Security definer: clients have no right to write recipient lists.
create function public.rename_recipient_list(list_id uuid, name text) returns jsonb
language plpgsql security definer set search_path = '' as $$
declare
  list public.recipient_lists;
begin
  perform private.require('recipient_lists.create');
  update public.recipient_lists l set name = rename_recipient_list.name
  where l.id = rename_recipient_list.list_id and l.tenant_id = private.tenant_id()
  returning l.* into list;
  if not found then
    raise sqlstate 'PT404' using message = 'There is no such list.', detail = 'not_found';
  end if;
  return private.recipient_list_json(list);
end;
$$;

-- Deletes a list, and an import that fills it. Returns the file that is left over, if any.
-- Security definer: clients have no right to write recipient lists.
create function public.delete_recipient_list(list_id uuid) returns text
language plpgsql security definer set search_path = '' as $$
declare
  file text;
begin
  perform private.require('recipient_lists.delete');
  select i.file_path into file from private.recipient_imports i
  where i.list_id = delete_recipient_list.list_id and i.tenant_id = private.tenant_id()
  -- the import is locked before the list, as its reader does
  for update;
  delete from public.recipient_lists l
  where l.id = delete_recipient_list.list_id and l.tenant_id = private.tenant_id();
  if not found then
    raise sqlstate 'PT404' using message = 'There is no such list.', detail = 'not_found';
  end if;
  return file;
end;
$$;

-- Fails the lists whose readers died too often at the same position, so that they cannot kill another one.
create function private.set_aside_recipient_imports() returns void
language plpgsql set search_path = '' as $$
declare
  import record;
begin
  for import in
    delete from private.recipient_imports i
    where i.list_id = any (array(
      select w.list_id from private.recipient_imports w
      where w.leased_until <= now() and w.idle_claims >= private.most_tries()
      limit 100
      for update skip locked
    ))
    returning i.list_id, i.tenant_id
  loop
    delete from public.recipient_list_entries e where e.list_id = import.list_id;
    update public.recipient_lists l set status = 'failed', status_reason = 'gave_up', finished_at = now()
    where l.id = import.list_id;
    perform private.note_set_aside('recipient_lists', import.list_id::text, import.tenant_id);
  end loop;
end;
$$;

-- Assigns an import to a reader until the lease ends; null if none waits. `idle_claims` above 1 means that an earlier
-- reader started at the same position and died.
create function public.claim_recipient_import(holder uuid, lease_seconds integer, list_id uuid default null)
returns jsonb
language plpgsql set search_path = '' as $$
declare
  import private.recipient_imports;
begin
  perform private.set_aside_recipient_imports();
  update private.recipient_imports i
  set
    holder = claim_recipient_import.holder, idle_claims = i.idle_claims + 1,
    leased_until = now() + make_interval(secs => lease_seconds)
  where i.list_id = (
    select w.list_id from private.recipient_imports w
    where w.leased_until <= now() and private.module_enabled(w.tenant_id, 'broadcast')
      and (claim_recipient_import.list_id is null or w.list_id = claim_recipient_import.list_id)
    order by w.leased_until, w.created_at
    limit 1
    for update skip locked
  )
  returning i.* into import;
  if not found then
    return null;
  end if;
  return jsonb_build_object(
    'list_id', import.list_id, 'file_path', import.file_path, 'country', import.country,
    'done_line', import.done_line, 'idle_claims', import.idle_claims
  );
end;
$$;

-- Stores a batch: the rows after `after_line` up to `through_line`. Returns false if another reader has the import by
-- now, or it is gone. Safe to repeat.
create function public.record_recipient_import(
  list_id uuid, holder uuid, after_line integer, through_line integer, entries jsonb, errors jsonb,
  lease_seconds integer
) returns boolean
language plpgsql set search_path = '' as $$
declare
  list public.recipient_lists;
  author uuid;
begin
  update private.recipient_imports i
  set
    done_line = through_line, idle_claims = 0,
    leased_until = now() + make_interval(secs => lease_seconds)
  where i.list_id = record_recipient_import.list_id and i.holder = record_recipient_import.holder
    and i.done_line = after_line
  returning i.author into author;
  if not found then
    return exists (
      select 1 from private.recipient_imports i
      where i.list_id = record_recipient_import.list_id and i.holder = record_recipient_import.holder
        and i.done_line = through_line
    );
  end if;
  select l.* into list from public.recipient_lists l where l.id = record_recipient_import.list_id;
  if not private.author_may(author, list.tenant_id, 'recipient_lists.import') then
    perform public.finish_recipient_import(list.id, record_recipient_import.holder, 'not_permitted');
    return false;
  end if;
  perform private.add_recipients(list, record_recipient_import.entries, record_recipient_import.errors);
  return true;
end;
$$;

-- Releases an import before its lease ends, so that another reader continues at once. The claim does not count as a
-- dead reader's.
create function public.release_recipient_import(list_id uuid, holder uuid) returns void
language sql set search_path = '' as $$
  update private.recipient_imports i
  set leased_until = now(), holder = null, idle_claims = greatest(i.idle_claims - 1, 0)
  where i.list_id = release_recipient_import.list_id and i.holder = release_recipient_import.holder;
$$;

-- Ends an import: the file was read or cannot be read. Returns the path of the file, which is no longer needed; null if
-- another reader has the import by now, or it is gone.
create function public.finish_recipient_import(list_id uuid, holder uuid, failure text default null) returns text
language plpgsql set search_path = '' as $$
declare
  file text;
  list public.recipient_lists;
  reason text := failure;
begin
  delete from private.recipient_imports i
  where i.list_id = finish_recipient_import.list_id and i.holder = finish_recipient_import.holder
  returning i.file_path into file;
  if not found then
    return null;
  end if;
  select l.* into list from public.recipient_lists l where l.id = finish_recipient_import.list_id;
  reason := coalesce(reason, case
    when list.on_error = 'refuse' and list.error_count > 0 then 'rows_with_errors'
    when list.entry_count = 0 then 'no_recipients'
  end);
  if reason is not null then
    delete from public.recipient_list_entries e where e.list_id = list.id;
  end if;
  update public.recipient_lists l
  set
    status = case when reason is null then 'ready' when reason = 'rows_with_errors' then 'refused' else 'failed' end,
    status_reason = reason, finished_at = now()
  where l.id = list.id;
  return file;
end;
$$;

-- Files that no import will read: unused for a day after the upload, or left behind by a reader that died.
create function public.stale_import_files(most integer default 100) returns jsonb
language sql stable set search_path = '' as $$
  select coalesce(jsonb_agg(f.name), '[]')
  from (
    select o.name from storage.objects o
    where o.bucket_id = 'imports' and o.created_at < now() - interval '1 day'
      and not exists (select 1 from private.recipient_imports i where i.file_path = o.name)
      and not exists (select 1 from private.contact_import_readers r where r.file_path = o.name)
    order by o.created_at
    limit most
  ) f;
$$;

-- Adds the people of a list to a campaign. Without a mapping, the columns of the list fill the template's variables, by
-- order or by name. Surplus columns are ignored. Contacts give their values to callers who see them.
create function private.add_list_to_campaign(
  campaign public.broadcast_campaigns, template public.broadcast_templates, list uuid, mapping jsonb
) returns void
language plpgsql set search_path = '' as $$
declare
  l public.recipient_lists;
  named constant boolean := template.parameter_format = 'NAMED';
  sees_all constant boolean := private.has_permission('contacts.view');
  used text[];
begin
  perform private.require('recipient_lists.view');
  select k.* into l from public.recipient_lists k where k.id = list and k.tenant_id = campaign.tenant_id;
  if not found then
    raise sqlstate 'PT422' using message = 'There is no such recipient list.', detail = 'invalid_field',
      hint = 'recipient_list_id';
  end if;
  if l.status <> 'ready' then
    raise sqlstate 'PT409' using message = format('The recipient list is not ready: it is %s.', l.status),
      detail = 'list_not_ready', hint = 'recipient_list_id';
  end if;
  perform private.check_mapping(campaign, template, mapping, l.columns);
  used := l.columns[1:cardinality(private.template_variables(template.components))];

  insert into public.broadcast_recipients (tenant_id, campaign_id, position, wa_id, name, variables)
  select
    campaign.tenant_id, campaign.id, (p.entry).line, (p.entry).wa_id, coalesce(k.name, (p.entry).name),
    case
      when mapping is null and named then (p.entry).variables
      when mapping is null then (
        select coalesce(jsonb_agg(coalesce((p.entry).variables ->> c.name, '') order by c.nth), '[]')
        from unnest(used) with ordinality c (name, nth)
      )
      when named then (
        select coalesce(jsonb_object_agg(o.key, coalesce(private.mapped_value(o.value, p.entry, k.known), '')), '{}')
        from jsonb_each(mapping) o
      )
      else (
        select coalesce(jsonb_agg(coalesce(private.mapped_value(a.value, p.entry, k.known), '') order by a.nth), '[]')
        from jsonb_array_elements(mapping) with ordinality a (value, nth)
      )
    end
  from (
    select r as entry, private.phone_key(r.wa_id) as phone_key
    from public.recipient_list_entries r where r.list_id = l.id and r.tenant_id = l.tenant_id
    -- offset 0 computes these once and looks them up together
    offset 0
  ) p
  left join (
    select c.phone_key, c.name, jsonb_build_object(
      'name', coalesce(c.name, c.profile_name), 'email', c.email, 'language', c.language, 'custom', c.custom_fields
    ) as known
    from public.contacts c
    where c.tenant_id = campaign.tenant_id and c.phone_key is not null and (sees_all or private.sees_contact(c))
  ) k on k.phone_key = p.phone_key
  on conflict (campaign_id, private.phone_key(wa_id)) do nothing;

  update public.broadcast_campaigns c set recipient_list_id = l.id, variable_mapping = mapping
  where c.id = campaign.id;
end;
$$;

-- The value of one variable, or the `fallback` of its source where that has none. `contact`: {"name", "email", "language", "custom"}, where known.
create function private.mapped_value(mapping jsonb, entry public.recipient_list_entries, contact jsonb) returns text
language sql immutable set search_path = '' as $$
  select coalesce(nullif(trim(case mapping ->> 'source'
    when 'column' then entry.variables ->> (mapping ->> 'column')
    when 'contact' then case
      when mapping ->> 'field' = 'name' then coalesce(contact ->> 'name', entry.name)
      when mapping ->> 'field' = 'phone_number' then '+' || entry.wa_id
      when mapping ->> 'field' like 'custom.%' then contact -> 'custom' ->> substr(mapping ->> 'field', 8)
      else contact ->> (mapping ->> 'field')
    end
    when 'text' then mapping ->> 'text'
  end), ''), mapping ->> 'fallback');
$$;

create index recipient_list_errors_tail_idx on public.recipient_list_errors (tenant_id, private.written_tail(value));

create trigger count_inserted after insert on public.recipient_list_entries
  referencing new table as changed for each statement execute function private.count_entries();
create trigger count_deleted after delete on public.recipient_list_entries
  referencing old table as changed for each statement execute function private.count_entries();
create trigger touch_updated_at before update on public.recipient_lists
  for each row
  when (old.progress_announced_at is not distinct from new.progress_announced_at)
  execute function private.touch_updated_at();
create trigger announce_updated after update on public.recipient_lists
  for each row
  when (
    old.status is distinct from new.status
    or old.progress_announced_at is distinct from new.progress_announced_at
  )
  execute function private.announce_recipient_list();

-- Changes are written to the audit log. The progress of an import is not a change. Imported people are covered by the
-- entry of the list.
select private.audit_table('recipient_lists', 'id', '-progress_announced_at', '-read_rows', '-entry_count',
  '-error_count', '-duplicate_count');
select private.audit_table('recipient_list_entries', 'list_id,line', 'people');

alter table public.recipient_lists enable row level security;
alter table public.recipient_list_entries enable row level security;
alter table public.recipient_list_errors enable row level security;
alter table private.recipient_imports enable row level security;

create policy "permitted people read lists" on public.recipient_lists for select to authenticated
  using (tenant_id = (select private.tenant_id()) and (select private.has_permission('recipient_lists.view')));
create policy "permitted people read the people of a list" on public.recipient_list_entries
  for select to authenticated
  using (tenant_id = (select private.tenant_id()) and (select private.has_permission('recipient_lists.view')));
create policy "permitted people read the rejected rows of a list" on public.recipient_list_errors
  for select to authenticated
  using (tenant_id = (select private.tenant_id()) and (select private.has_permission('recipient_lists.view')));
create policy "no client access" on private.recipient_imports to authenticated using (false);

grant select on
  public.recipient_lists, public.recipient_list_entries, public.recipient_list_errors
to authenticated;

grant execute on function
  private.recipient_list_json(public.recipient_lists),
  private.opted_out_lines(uuid, integer[]),
  public.list_recipient_lists(text, text, integer, integer),
  public.get_recipient_list(uuid),
  public.list_recipient_list_entries(uuid, text, integer, integer, integer),
  public.list_recipient_list_errors(uuid, integer, integer, integer, text),
  public.create_recipient_list(text, text[], jsonb, jsonb, text),
  public.create_recipient_list_from_contacts(text, jsonb),
  public.begin_recipient_import(text, text, text, text[], integer, text, text),
  public.rename_recipient_list(uuid, text),
  public.delete_recipient_list(uuid)
to authenticated;
