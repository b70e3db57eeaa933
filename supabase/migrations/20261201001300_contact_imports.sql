-- Imports of contacts from files. Files are read in batches that record their progress, like recipient lists. A dry run
-- counts the effects and writes nothing; its file stays for a day, so that it can be imported.
--
-- One program reads the files of both kinds (`crates/tables/src/file_import.rs`). It calls five functions of each kind:
-- claim, record, release, finish, and the list of errors. The tables are separate because the kinds keep different
-- data. An import of contacts is a row of its own with a mapping and a dry run. A file of recipients becomes the
-- recipient list itself, and may be refused as a whole. A foreign key deletes readers and errors with their import or
-- their list, which one table for both kinds could not have.

create table public.contact_imports (
  id uuid primary key default gen_random_uuid(),
  tenant_id uuid not null references public.tenants (id) on delete cascade,
  file_name text not null default '' check (char_length(file_name) <= 200),
  -- in bucket `imports`
  storage_path text not null,
  -- the country of numbers without a country code
  country text not null check (country ~ '^[A-Z]{2}$'),
  -- the meaning of each column: [{"column", "field"}]; `field` is phone_number, name, email, language, tags, labels,
  -- owner, custom_fields.<key>, or null for a column that is not imported
  mapping jsonb not null check (jsonb_typeof(mapping) = 'array'),
  on_existing text not null default 'update' check (on_existing in ('update', 'skip')),
  dry_run boolean not null default false,
  status text not null default 'importing' check (status in ('importing', 'finished', 'failed')),
  -- the reason for a failure, as a code
  status_reason text,
  total_rows integer not null default 0 check (total_rows >= 0),
  read_rows integer not null default 0,
  created_count integer not null default 0,
  updated_count integer not null default 0,
  skipped_count integer not null default 0,
  error_count integer not null default 0,
  progress_announced_at timestamptz not null default '-infinity',
  created_by uuid,
  created_at timestamptz not null default now(),
  finished_at timestamptz,
  unique (id, tenant_id),
  foreign key (created_by, tenant_id) references public.profiles (user_id, tenant_id) on delete set null (created_by)
);
create index contact_imports_list_idx on public.contact_imports (tenant_id, created_at desc, id);
create index contact_imports_created_by_idx on public.contact_imports (created_by, tenant_id) where created_by is not null;

-- Rejected rows and the reasons.
create table public.contact_import_errors (
  import_id uuid not null,
  tenant_id uuid not null,
  line integer not null check (line > 0),
  -- the column as the file names it
  field text not null default '' check (char_length(field) <= 100),
  code text not null check (code ~ '^[a-z_]{1,40}$'),
  value text not null default '' check (char_length(value) <= 200),
  first_line integer,
  primary key (import_id, tenant_id, line, field),
  foreign key (import_id, tenant_id) references public.contact_imports (id, tenant_id) on delete cascade
);

-- The position up to which a file has been read, and its current reader.
create table private.contact_import_readers (
  import_id uuid not null,
  tenant_id uuid not null,
  file_path text not null unique,
  -- the person or the API key that began it
  author uuid not null,
  done_line integer not null default 0,
  holder uuid,
  leased_until timestamptz not null default '-infinity',
  -- how many claims there were since a batch was last recorded
  idle_claims integer not null default 0,
  created_at timestamptz not null default now(),
  primary key (import_id, tenant_id),
  foreign key (import_id, tenant_id) references public.contact_imports (id, tenant_id) on delete cascade
);

create function private.contact_import_json(i public.contact_imports) returns jsonb
language sql stable set search_path = '' as $$
  select to_jsonb(i) - 'tenant_id' - 'progress_announced_at' || jsonb_build_object('progress_percent', case
    when i.status <> 'importing' then 100
    when i.total_rows = 0 then 0
    else least(floor(1000.0 * i.read_rows / i.total_rows) / 10, 100)
  end);
$$;

-- Security definer: it also runs when Auth removes an account, and the role of Auth has no rights here.
create function private.announce_contact_import() returns trigger
language plpgsql security definer set search_path = '' as $$
begin
  perform private.record_and_broadcast(new.tenant_id, 'contacts', null, 'contacts.imported',
    private.contact_import_json(new) - '{file_name,storage_path,mapping,created_by}'::text[]);
  return null;
end;
$$;

-- The permissions that an import needs.
create function private.contact_import_permissions(mapping jsonb, on_existing text) returns text[]
language sql immutable set search_path = '' as $$
  select array['contacts.import']
    -- a file may name any contact, also those that its author does not see
    || case when on_existing = 'update' then array['contacts.view'] else '{}' end
    || case when exists (select 1 from jsonb_array_elements(mapping) m where m ->> 'field' = 'labels')
      then array['labels.assign'] else '{}' end;
$$;

-- Starts the import of a file in bucket `imports`, in the tenant's folder. `import` is {"storage_path", "file_name",
-- "country", "mapping", "total_rows", "on_existing", "dry_run"}.
-- Security definer: clients have no right to write imports.
create function public.begin_contact_import(import jsonb) returns jsonb
language plpgsql security definer set search_path = '' as $$
declare
  tenant constant uuid := private.tenant_id();
  unknown text;
  made public.contact_imports;
begin
  perform private.require('contacts.import');
  if import ->> 'storage_path' !~ ('^' || tenant || '/[0-9a-f-]{36}$') then
    raise sqlstate 'PT422' using message = 'There is no such file.', detail = 'invalid_field', hint = 'storage_path';
  end if;
  select substr(m ->> 'field', 15) into unknown
  from jsonb_array_elements(import -> 'mapping') m
  where m ->> 'field' like 'custom_fields.%' and not exists (
    select 1 from public.contact_fields f where f.tenant_id = tenant and f.key = substr(m ->> 'field', 15)
  )
  limit 1;
  if found then
    raise sqlstate 'PT422' using message = 'There is no such field: ' || unknown, detail = 'invalid_field', hint = 'mapping';
  end if;
  perform private.require(p)
  from unnest(private.contact_import_permissions(import -> 'mapping', coalesce(import ->> 'on_existing', 'update'))) p;
  insert into public.contact_imports as i
    (tenant_id, file_name, storage_path, country, mapping, on_existing, dry_run, total_rows, created_by)
  values (
    tenant, left(import ->> 'file_name', 200), import ->> 'storage_path', import ->> 'country', import -> 'mapping',
    coalesce(import ->> 'on_existing', 'update'), coalesce((import ->> 'dry_run')::boolean, false),
    (import ->> 'total_rows')::integer, private.person_id()
  )
  returning i.* into made;
  insert into private.contact_import_readers (import_id, tenant_id, file_path, author)
  values (made.id, tenant, made.storage_path, auth.uid())
  on conflict on constraint contact_import_readers_file_path_key do nothing;
  if not found then
    raise sqlstate 'PT409' using message = 'This file is being imported already.', detail = 'file_in_use';
  end if;
  return private.contact_import_json(made);
end;
$$;

create function public.list_contact_imports(page integer, page_size integer) returns jsonb
language sql stable set search_path = '' as $$
  select jsonb_build_object(
    'total', (select count(*) from public.contact_imports),
    'rows', coalesce((
      select jsonb_agg(private.contact_import_json(p.i) order by (p.i).created_at desc, (p.i).id)
      from (
        select i from public.contact_imports i order by i.created_at desc, i.id
        limit page_size offset (page - 1)::bigint * page_size
      ) p
    ), '[]')
  );
$$;

-- Null if the import does not exist or the caller may not see it.
create function public.get_contact_import(import_id uuid) returns jsonb
language sql stable set search_path = '' as $$
  select private.contact_import_json(i) from public.contact_imports i where i.id = get_contact_import.import_id;
$$;

-- One page of the rejected rows and the reasons; null without the import.
create function public.list_contact_import_errors(
  import_id uuid, page integer, page_size integer, after_line integer default 0, after_field text default ''
) returns jsonb
language sql stable set search_path = '' as $$
  select jsonb_build_object(
    'total', (select count(*) from public.contact_import_errors e where e.import_id = list_contact_import_errors.import_id),
    'rows', coalesce((
      select jsonb_agg(jsonb_build_object(
        'line', p.line, 'field', p.field, 'code', p.code, 'value', p.value, 'first_line', p.first_line
      ) order by p.line, p.field)
      from (
        select e.* from public.contact_import_errors e
        where e.import_id = list_contact_import_errors.import_id and (e.line, e.field) > (after_line, after_field)
        order by e.line, e.field
        limit page_size offset (page - 1)::bigint * page_size
      ) p
    ), '[]')
  )
  from public.contact_imports i
  where i.id = list_contact_import_errors.import_id;
$$;

-- Fails the imports whose readers died too often at the same position, so that they cannot kill another one.
create function private.set_aside_contact_imports() returns void
language plpgsql set search_path = '' as $$
declare
  import record;
begin
  for import in
    delete from private.contact_import_readers r
    where r.import_id = any (array(
      select w.import_id from private.contact_import_readers w
      where w.leased_until <= now() and w.idle_claims >= private.most_tries()
      limit 100
      for update skip locked
    ))
    returning r.import_id, r.tenant_id
  loop
    update public.contact_imports i set status = 'failed', status_reason = 'gave_up', finished_at = now()
    where i.id = import.import_id;
    perform private.note_set_aside('contact_imports', import.import_id::text, import.tenant_id);
  end loop;
end;
$$;

-- Assigns an import to a reader until the lease ends; null if none waits. The claim counts as a try until a batch is
-- recorded or the import is released.
create function public.claim_contact_import(holder uuid, lease_seconds integer, import_id uuid default null) returns jsonb
language plpgsql set search_path = '' as $$
declare
  reader private.contact_import_readers;
begin
  perform private.set_aside_contact_imports();
  update private.contact_import_readers r
  set
    holder = claim_contact_import.holder, idle_claims = r.idle_claims + 1,
    leased_until = now() + make_interval(secs => lease_seconds)
  where r.import_id = (
    select w.import_id from private.contact_import_readers w
    where w.leased_until <= now() and private.module_enabled(w.tenant_id, 'crm')
      and (claim_contact_import.import_id is null or w.import_id = claim_contact_import.import_id)
    order by w.leased_until, w.created_at
    limit 1
    for update skip locked
  )
  returning r.* into reader;
  if not found then
    return null;
  end if;
  return (
    select jsonb_build_object(
      'id', i.id, 'file_path', reader.file_path, 'country', i.country, 'mapping', i.mapping,
      'done_line', reader.done_line, 'idle_claims', reader.idle_claims
    )
    from public.contact_imports i where i.id = reader.import_id
  );
end;
$$;

-- Converts a cell to the type of a field; null if the cell holds no valid value.
-- The words for true and false are those of tables::truth_value.
create function private.read_field_value(type text, choices text[], cell text) returns jsonb
language plpgsql immutable set search_path = '' as $$
begin
  case type
    when 'number' then
      return case when cell ~ '^-?[0-9]{1,30}([.,][0-9]{1,10})?$' then to_jsonb(replace(cell, ',', '.')::numeric) end;
    when 'boolean' then
      return case
        when lower(cell) in ('true', 't', 'yes', 'ya', 'y', '1', 'x', 'benar', 'on') then 'true'::jsonb
        when lower(cell) in ('false', 'f', 'no', 'tidak', 'n', '0', '-', 'salah', 'off') then 'false'::jsonb
      end;
    when 'date' then
      return to_jsonb(to_char(case
        when cell ~ '^[0-9]{4}-[0-9]{1,2}-[0-9]{1,2}( .*)?$' then left(cell, 10)::date
        -- day, month, year, as in Indonesia
        when cell ~ '^[0-9]{1,2}[/.-][0-9]{1,2}[/.-][0-9]{4}$' then make_date(
          split_part(translate(cell, '/.', '--'), '-', 3)::integer, split_part(translate(cell, '/.', '--'), '-', 2)::integer,
          split_part(translate(cell, '/.', '--'), '-', 1)::integer
        )
      end, 'YYYY-MM-DD'));
    when 'choice' then
      return (select to_jsonb(c) from unnest(choices) c where lower(c) = lower(cell) limit 1);
    when 'text' then
      return to_jsonb(left(cell, 1000));
    -- a field that was deleted after the import began
    else
      return null;
  end case;
exception when datetime_field_overflow or invalid_datetime_format then
  return null;
end;
$$;

-- Stores a batch, or only counts it in a dry run. `entries` are {"line", "wa_id", "name"?, "email"?, "language"?,
-- "tags"?, "labels"? (names), "owner"? (an address or a name), "opted_out"? and its time "opted_out_at"?, "fields"?
-- (cells by key)}.
-- Security definer: it reads people's addresses, which the service does not.
create function private.import_contacts(import public.contact_imports, entries jsonb, errors jsonb) returns void
language plpgsql security definer set search_path = '' as $$
declare
  good jsonb;
  bad jsonb;
  made uuid[];
  refusals jsonb;
  known integer := 0;
  fresh integer := 0;
begin
  -- locks the definitions of the fields until the values are written
  perform 1 from public.contact_fields f where f.tenant_id = import.tenant_id order by f.id for share;
  with given as materialized (
    select e.value as entry, (e.value ->> 'line')::integer as line, private.phone_key(e.value ->> 'wa_id') as key
    from jsonb_array_elements(entries) e
  ),
  column_of as (
    select m ->> 'field' as field, m ->> 'column' as name from jsonb_array_elements(import.mapping) m
  ),
  people as materialized (
    select p.user_id, lower(u.email) as email, lower(p.display_name) as name
    from public.profiles p join auth.users u on u.id = p.user_id
    where p.tenant_id = import.tenant_id and p.deactivated_at is null
  ),
  read as materialized (
    select
      g.line, g.key, g.entry,
      (select min(o.line) from given o where o.key = g.key and o.line < g.line) as first_line,
      case when g.entry ->> 'owner' is not null then (
        select p.user_id from people p where lower(g.entry ->> 'owner') in (p.email, p.name)
        order by p.email = lower(g.entry ->> 'owner') desc limit 1
      ) end as owner,
      f.fields, f.wrong_field, f.wrong_value, l.labels, l.wrong_label
    from given g
    cross join lateral (
      select
        coalesce(jsonb_object_agg(k.key, private.read_field_value(d.type, d.choices, k.value))
          filter (where private.read_field_value(d.type, d.choices, k.value) is not null), '{}') as fields,
        min(k.key) filter (where private.read_field_value(d.type, d.choices, k.value) is null) as wrong_field,
        min(k.value) filter (where private.read_field_value(d.type, d.choices, k.value) is null) as wrong_value
      from jsonb_each_text(coalesce(g.entry -> 'fields', '{}')) k
      left join public.contact_fields d on d.tenant_id = import.tenant_id and d.key = k.key
    ) f
    cross join lateral (
      select array_agg(b.id) filter (where b.id is not null) as labels, min(n) filter (where b.id is null) as wrong_label
      from jsonb_array_elements_text(coalesce(g.entry -> 'labels', '[]')) n
      left join public.labels b on b.tenant_id = import.tenant_id and lower(b.name) = lower(n)
    ) l
  ),
  classified as materialized (
    select r.*, case
      when r.first_line is not null then 'duplicate'
      when r.wrong_field is not null then 'field_invalid'
      when r.wrong_label is not null then 'label_unknown'
      when r.entry ->> 'owner' is not null and r.owner is null then 'owner_unknown'
    end as problem
    from read r
  )
  select
    coalesce(jsonb_agg(j.entry || jsonb_build_object('owner_id', j.owner, 'custom_fields', j.fields, 'label_ids', to_jsonb(j.labels)))
      filter (where j.problem is null), '[]'),
    coalesce(jsonb_agg(jsonb_build_object(
      'line', j.line, 'code', j.problem, 'first_line', j.first_line,
      'field', coalesce((
        select c.name from column_of c where c.field = case j.problem
          when 'duplicate' then 'phone_number' when 'field_invalid' then 'custom_fields.' || j.wrong_field
          when 'label_unknown' then 'labels' else 'owner' end
        limit 1
      ), ''),
      'value', case j.problem when 'duplicate' then j.entry ->> 'wa_id' when 'field_invalid' then j.wrong_value
        when 'label_unknown' then j.wrong_label else j.entry ->> 'owner' end
    )) filter (where j.problem is not null), '[]')
  into good, bad
  from classified j;

  insert into public.contact_import_errors (import_id, tenant_id, line, field, code, value, first_line)
  select import.id, import.tenant_id, r.line, coalesce(left(r.field, 100), ''), r.code, coalesce(left(r.value, 200), ''), r.first_line
  from jsonb_to_recordset(errors || bad) as r (line integer, field text, code text, value text, first_line integer)
  on conflict do nothing;

  if import.dry_run then
    select count(*) into known
    from jsonb_array_elements(good) g
    join public.contacts c on c.tenant_id = import.tenant_id and c.phone_key = private.phone_key(g ->> 'wa_id');
    fresh := jsonb_array_length(good) - known;
  else
    perform set_config('app.importing_contacts', 'on', true);
    perform set_config('app.actor_id', coalesce(import.created_by::text, ''), true);
    with added as (
      insert into public.contacts (tenant_id, wa_id, name, email, language, tags, custom_fields, owner_id)
      select import.tenant_id, g.wa_id, g.name, g.email, g.language, (private.clean_tags(coalesce(g.tags, '{}')))[1:50], g.custom_fields, g.owner_id
      from jsonb_to_recordset(good) as g (
        line integer, wa_id text, name text, email text, language text, tags text[], custom_fields jsonb, owner_id uuid
      )
      order by private.phone_key(g.wa_id)
      on conflict (tenant_id, phone_key) do nothing
      returning id
    )
    select array_agg(a.id) into made from added a;
    fresh := coalesce(cardinality(made), 0);
    known := jsonb_array_length(good) - fresh;
    if import.on_existing = 'update' and known > 0 then
      update public.contacts c
      set
        name = coalesce(g.name, c.name), email = coalesce(g.email, c.email), language = coalesce(g.language, c.language),
        tags = (private.clean_tags(c.tags || coalesce(g.tags, '{}')))[1:50], custom_fields = c.custom_fields || g.custom_fields,
        owner_id = coalesce(g.owner_id, c.owner_id)
      from jsonb_to_recordset(good) as g (
        wa_id text, name text, email text, language text, tags text[], custom_fields jsonb, owner_id uuid
      )
      where c.tenant_id = import.tenant_id and c.phone_key = private.phone_key(g.wa_id) and c.id <> all (coalesce(made, '{}'));
    end if;
    insert into public.contact_labels (contact_id, label_id, tenant_id, created_by)
    select c.id, l, import.tenant_id, import.created_by
    from jsonb_to_recordset(good) as g (wa_id text, label_ids uuid[])
    join public.contacts c on c.tenant_id = import.tenant_id and c.phone_key = private.phone_key(g.wa_id)
    cross join unnest(g.label_ids) l
    where import.on_existing = 'update' or c.id = any (coalesce(made, '{}'))
    on conflict do nothing;
    -- An opt-out in the file counts, whatever else becomes of its row: also if known contacts are left alone, if an earlier
    -- row has the same number, or if a label is unknown. A later opt-in of the person replaces it.
    select jsonb_agg(jsonb_build_object(
      'tenant_id', import.tenant_id, 'contact_id', o.id, 'state', 'opted_out', 'source', 'import',
      'proof', jsonb_build_object('import_id', import.id, 'line', o.line, 'recorded_by', import.created_by),
      'occurred_at', least(coalesce(o.opted_out_at, now()), now())
    )) into refusals
    from (
      select distinct on (c.id) c.id, g.line, g.opted_out_at
      from jsonb_to_recordset(entries) as g (line integer, wa_id text, opted_out boolean, opted_out_at timestamptz)
      join public.contacts c on c.tenant_id = import.tenant_id and c.phone_key = private.phone_key(g.wa_id)
      where g.opted_out and c.marketing_opted_out_at is null
      -- the latest counts; a row without a time says: now
      order by c.id, g.opted_out_at desc nulls first, g.line
    ) o;
    if refusals is not null then
      perform private.record_consents(refusals);
    end if;
    perform set_config('app.importing_contacts', 'off', true);
  end if;

  update public.contact_imports i
  set
    read_rows = i.read_rows + jsonb_array_length(entries) + b.rows,
    created_count = i.created_count + fresh,
    updated_count = i.updated_count + case import.on_existing when 'update' then known else 0 end,
    skipped_count = i.skipped_count + case import.on_existing when 'skip' then known else 0 end,
    error_count = i.error_count + b.rows + jsonb_array_length(bad),
    progress_announced_at = case when i.progress_announced_at <= now() - interval '1 second' then now() else i.progress_announced_at end
  from (select count(distinct r.line)::integer as rows from jsonb_to_recordset(errors) as r (line integer)) b
  where i.id = import.id;
end;
$$;

-- Stores a batch: the rows after `after_line` up to `through_line`. Returns false if another reader has the import by
-- now, or it is gone. Safe to repeat. The import fails if its author may no longer import: what was stored stays.
create function public.record_contact_import(
  import_id uuid, holder uuid, after_line integer, through_line integer, entries jsonb, errors jsonb, lease_seconds integer
) returns boolean
language plpgsql set search_path = '' as $$
declare
  import public.contact_imports;
  author uuid;
begin
  update private.contact_import_readers r
  set done_line = through_line, idle_claims = 0, leased_until = now() + make_interval(secs => lease_seconds)
  where r.import_id = record_contact_import.import_id and r.holder = record_contact_import.holder
    and r.done_line = after_line
  returning r.author into author;
  if not found then
    return exists (
      select 1 from private.contact_import_readers r
      where r.import_id = record_contact_import.import_id and r.holder = record_contact_import.holder
        and r.done_line = through_line
    );
  end if;
  select i.* into import from public.contact_imports i where i.id = record_contact_import.import_id;
  if exists (
    select from unnest(private.contact_import_permissions(import.mapping, import.on_existing)) p
    where not private.author_may(author, import.tenant_id, p)
  ) then
    perform public.finish_contact_import(import.id, record_contact_import.holder, 'not_permitted');
    return false;
  end if;
  perform private.import_contacts(import, entries, errors);
  return true;
end;
$$;

-- Releases an import before its lease ends, so that another reader continues at once.
create function public.release_contact_import(import_id uuid, holder uuid) returns void
language sql set search_path = '' as $$
  update private.contact_import_readers r
  set leased_until = now(), holder = null, idle_claims = greatest(r.idle_claims - 1, 0)
  where r.import_id = release_contact_import.import_id and r.holder = release_contact_import.holder;
$$;

-- Ends an import. Returns the path of the file if it is no longer needed.
create function public.finish_contact_import(import_id uuid, holder uuid, failure text default null) returns text
language plpgsql set search_path = '' as $$
declare
  import public.contact_imports;
begin
  delete from private.contact_import_readers r
  where r.import_id = finish_contact_import.import_id and r.holder = finish_contact_import.holder;
  if not found then
    return null;
  end if;
  update public.contact_imports i
  set status = case when failure is null then 'finished' else 'failed' end, status_reason = failure, finished_at = now()
  where i.id = finish_contact_import.import_id
  returning i.* into import;
  return case when not import.dry_run then import.storage_path end;
end;
$$;

create trigger announce_updated after update on public.contact_imports
  for each row
  when (
    old.status is distinct from new.status or old.progress_announced_at is distinct from new.progress_announced_at
  )
  execute function private.announce_contact_import();

-- Changes are written to the audit log.
select private.audit_table('contact_imports', 'id', '-progress_announced_at', '-read_rows', '-created_count', '-updated_count',
  '-skipped_count', '-error_count');

alter table public.contact_imports enable row level security;
alter table public.contact_import_errors enable row level security;
alter table private.contact_import_readers enable row level security;

create policy "permitted people read imports" on public.contact_imports for select to authenticated
  using (tenant_id = (select private.tenant_id()) and (select private.has_permission('contacts.import')));
create policy "permitted people read the rejected rows of imports" on public.contact_import_errors
  for select to authenticated
  using (tenant_id = (select private.tenant_id()) and (select private.has_permission('contacts.import')));
create policy "no client access" on private.contact_import_readers to authenticated using (false);

grant select on public.contact_imports, public.contact_import_errors to authenticated;

grant execute on function
  private.contact_import_json(public.contact_imports),
  public.begin_contact_import(jsonb),
  public.list_contact_imports(integer, integer),
  public.get_contact_import(uuid),
  public.list_contact_import_errors(uuid, integer, integer, integer, text)
to authenticated;
