-- How lists are made and changed, and how files become lists: in batches, each in a transaction that also says how far
-- the file has been read, so that a reader that dies costs nothing and repeats nothing.

-- Keeps what was read: entries {"line", "wa_id", "name"?, "variables"?} and errors {"line", "field", "code", "value"}.
-- Of rows with one number the first is kept; the others are errors that name it.
create function private.add_recipients(list public.recipient_lists, entries jsonb, errors jsonb) returns void
language plpgsql set search_path = '' as $$
declare
  kept integer[];
  doubled integer;
begin
  with given as (
    select e.* from jsonb_to_recordset(entries) as e (line integer, wa_id text, name text, variables jsonb)
  ),
  added as (
    insert into public.recipient_list_entries as e (list_id, tenant_id, line, wa_id, name, variables)
    select list.id, list.tenant_id, g.line, g.wa_id, g.name, coalesce(g.variables, '{}')
    from given g
    order by g.line
    on conflict on constraint recipient_list_entries_list_id_wa_id_key do nothing
    returning e.line
  )
  select array_agg(a.line) into kept from added a;

  insert into public.recipient_list_errors (list_id, tenant_id, line, field, code, value, first_line)
  select list.id, list.tenant_id, g.line, 'phone_number', 'duplicate', g.wa_id, e.line
  from jsonb_to_recordset(entries) as g (line integer, wa_id text)
  join public.recipient_list_entries e on e.list_id = list.id and e.wa_id = g.wa_id
  where g.line <> all (coalesce(kept, '{}')) and jsonb_array_length(entries) > coalesce(cardinality(kept), 0);
  get diagnostics doubled = row_count;

  insert into public.recipient_list_errors (list_id, tenant_id, line, field, code, value)
  select list.id, list.tenant_id, r.line, left(r.field, 100), r.code, left(r.value, 200)
  from jsonb_to_recordset(errors) as r (line integer, field text, code text, value text);

  update public.recipient_lists l
  set
    read_rows = l.read_rows + jsonb_array_length(entries) + c.bad,
    error_count = l.error_count + c.bad,
    duplicate_count = l.duplicate_count + doubled,
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

-- Makes a list of people who are given one by one. Security definer: clients have no right to write these tables.
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

-- The contacts of a tenant that a filter leaves. What contacts can be chosen by is decided here and nowhere else:
-- `search`, `created_since`, `created_until`, `wrote_since`, `session_id` (has a conversation with that number).
create function private.contacts_matching(tenant uuid, filter jsonb) returns setof uuid
language sql stable set search_path = '' as $$
  select c.id
  from public.contacts c
  where c.tenant_id = tenant
    and (
      filter ->> 'search' is null
      or strpos(lower(coalesce(c.name, c.profile_name, '')), lower(filter ->> 'search')) > 0
      or strpos(c.wa_id, filter ->> 'search') > 0
    )
    and (filter ->> 'created_since' is null or c.created_at >= (filter ->> 'created_since')::timestamptz)
    and (filter ->> 'created_until' is null or c.created_at < (filter ->> 'created_until')::timestamptz)
    and (
      (filter ->> 'wrote_since' is null and filter ->> 'session_id' is null)
      or exists (
        select 1 from public.conversations v
        where v.contact_id = c.id and v.tenant_id = tenant
          and (filter ->> 'wrote_since' is null or v.last_inbound_at >= (filter ->> 'wrote_since')::timestamptz)
          and (filter ->> 'session_id' is null or v.session_id = (filter ->> 'session_id')::uuid)
      )
    );
$$;

-- Makes a list of the contacts that a filter leaves, as they are at this moment. Contacts whose phone number is not known
-- cannot be on it.
create function public.create_recipient_list_from_contacts(name text, filter jsonb default '{}') returns jsonb
language plpgsql security definer set search_path = '' as $$
declare
  tenant constant uuid := private.tenant_id();
  list public.recipient_lists;
begin
  perform private.require('recipient_lists.create');
  perform private.require('contacts.view');
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

-- Makes a list that is filled from a file. The file lies in bucket `imports`, in the folder of the tenant.
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
  insert into private.recipient_imports (list_id, tenant_id, file_path, country)
  values (list.id, tenant, begin_recipient_import.file_path, begin_recipient_import.country)
  on conflict on constraint recipient_imports_file_path_key do nothing;
  if not found then
    raise sqlstate 'PT409' using message = 'This file is being imported already.', detail = 'file_in_use';
  end if;
  return private.recipient_list_json(list);
end;
$$;

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

-- Ends a list, and an import that fills it. Answers with the file that is left over, if there is one.
create function public.delete_recipient_list(list_id uuid) returns text
language plpgsql security definer set search_path = '' as $$
declare
  file text;
begin
  perform private.require('recipient_lists.delete');
  select i.file_path into file from private.recipient_imports i
  where i.list_id = delete_recipient_list.list_id and i.tenant_id = private.tenant_id()
  -- the import before the list, as its reader locks them
  for update;
  delete from public.recipient_lists l
  where l.id = delete_recipient_list.list_id and l.tenant_id = private.tenant_id();
  if not found then
    raise sqlstate 'PT404' using message = 'There is no such list.', detail = 'not_found';
  end if;
  return file;
end;
$$;

-- Hands an import to a reader, for as long as the lease lasts; null when none waits. `idle_claims` above 1: others began
-- at the same place and died there.
create function public.claim_recipient_import(holder uuid, lease_seconds integer, list_id uuid default null)
returns jsonb
language plpgsql set search_path = '' as $$
declare
  import private.recipient_imports;
begin
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

-- Keeps a batch: the rows after `after_line` up to `through_line`. False when the import is another reader's by now, or
-- gone. Safe to repeat.
create function public.record_recipient_import(
  list_id uuid, holder uuid, after_line integer, through_line integer, entries jsonb, errors jsonb,
  lease_seconds integer
) returns boolean
language plpgsql set search_path = '' as $$
declare
  list public.recipient_lists;
begin
  update private.recipient_imports i
  set
    done_line = through_line, idle_claims = 0,
    leased_until = now() + make_interval(secs => lease_seconds)
  where i.list_id = record_recipient_import.list_id and i.holder = record_recipient_import.holder
    and i.done_line = after_line;
  if not found then
    return exists (
      select 1 from private.recipient_imports i
      where i.list_id = record_recipient_import.list_id and i.holder = record_recipient_import.holder
        and i.done_line = through_line
    );
  end if;
  select l.* into list from public.recipient_lists l where l.id = record_recipient_import.list_id;
  perform private.add_recipients(list, record_recipient_import.entries, record_recipient_import.errors);
  return true;
end;
$$;

-- Gives an import back before its end, for another reader to go on at once: whoever does so has not died of it.
create function public.release_recipient_import(list_id uuid, holder uuid) returns void
language sql set search_path = '' as $$
  update private.recipient_imports i
  set leased_until = now(), holder = null, idle_claims = greatest(i.idle_claims - 1, 0)
  where i.list_id = release_recipient_import.list_id and i.holder = release_recipient_import.holder;
$$;

-- Ends an import: the file has been read, or cannot be. Answers with the file, which is not needed any more; null when
-- the import is another reader's by now, or gone.
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

-- Files that no import will read: uploaded and not used within a day, or left over when a reader died.
create function public.stale_import_files(most integer default 100) returns jsonb
language sql stable set search_path = '' as $$
  select coalesce(jsonb_agg(f.name), '[]')
  from (
    select o.name from storage.objects o
    where o.bucket_id = 'imports' and o.created_at < now() - interval '1 day'
      and not exists (select 1 from private.recipient_imports i where i.file_path = o.name)
    order by o.created_at
    limit most
  ) f;
$$;

update public.modules set routes = routes || '{/api/cron/imports}' where id = 'broadcast';

revoke execute on function private.add_recipients(public.recipient_lists, jsonb, jsonb),
  private.contacts_matching(uuid, jsonb) from public;
revoke execute on function
  public.create_recipient_list(text, text[], jsonb, jsonb, text),
  public.create_recipient_list_from_contacts(text, jsonb),
  public.begin_recipient_import(text, text, text, text[], integer, text, text),
  public.rename_recipient_list(uuid, text), public.delete_recipient_list(uuid),
  public.claim_recipient_import(uuid, integer, uuid),
  public.record_recipient_import(uuid, uuid, integer, integer, jsonb, jsonb, integer),
  public.release_recipient_import(uuid, uuid), public.finish_recipient_import(uuid, uuid, text),
  public.stale_import_files(integer)
  from public, anon, authenticated;
grant execute on function
  public.create_recipient_list(text, text[], jsonb, jsonb, text),
  public.create_recipient_list_from_contacts(text, jsonb),
  public.begin_recipient_import(text, text, text, text[], integer, text, text),
  public.rename_recipient_list(uuid, text), public.delete_recipient_list(uuid)
  to authenticated;
grant execute on function
  public.claim_recipient_import(uuid, integer, uuid),
  public.record_recipient_import(uuid, uuid, integer, integer, jsonb, jsonb, integer),
  public.release_recipient_import(uuid, uuid), public.finish_recipient_import(uuid, uuid, text),
  public.stale_import_files(integer)
  to service_role;
