-- Lists of people that campaigns are sent to: from a file, given one by one, or chosen from the contacts.

create table public.recipient_lists (
  id uuid primary key default gen_random_uuid(),
  tenant_id uuid not null references public.tenants (id) on delete cascade,
  name text not null check (char_length(name) between 1 and 200),
  -- {"type": "file", "file_name"}, {"type": "manual"} or {"type": "contacts", "filter"}
  source jsonb not null check (source ->> 'type' in ('file', 'manual', 'contacts')),
  -- refused: a row has an error, and whoever made the list wanted all or nothing
  status text not null default 'ready' check (status in ('importing', 'ready', 'refused', 'failed')),
  -- why it is refused or failed, for programs
  status_reason text,
  on_error text not null default 'keep' check (on_error in ('keep', 'refuse')),
  -- the variables in their order: what `{{1}}`, `{{2}}` … take
  columns text[] not null default '{}' check (cardinality(columns) <= 200),
  -- rows of the file, and how many of them have been read
  total_rows integer not null default 0 check (total_rows >= 0),
  read_rows integer not null default 0,
  -- kept by triggers
  entry_count integer not null default 0,
  -- rows with errors; a number that is there again is a duplicate and no error
  error_count integer not null default 0,
  duplicate_count integer not null default 0,
  -- when its numbers were last announced to the tenant's topic
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
  -- where it stood in the file
  line integer not null check (line > 0),
  wa_id text not null check (wa_id ~ '^[0-9]{8,15}$'),
  name text check (char_length(name) between 1 and 200),
  -- texts by the names of the list's columns
  variables jsonb not null default '{}' check (jsonb_typeof(variables) = 'object'),
  primary key (list_id, tenant_id, line),
  -- nobody is on a list twice
  unique (list_id, wa_id),
  foreign key (list_id, tenant_id) references public.recipient_lists (id, tenant_id) on delete cascade
);
-- whose lists somebody is on, when they are to be forgotten
create index recipient_list_entries_person_idx on public.recipient_list_entries (tenant_id, wa_id);

-- Rows that are not on the list, and why.
create table public.recipient_list_errors (
  list_id uuid not null,
  tenant_id uuid not null,
  line integer not null check (line > 0),
  -- the column as the file names it
  field text not null default '' check (char_length(field) <= 100),
  code text not null check (code ~ '^[a-z_]{1,40}$'),
  -- what stood there, or as much of it as tells people what is meant
  value text not null default '' check (char_length(value) <= 200),
  -- of a duplicate: the row that is kept
  first_line integer,
  primary key (list_id, tenant_id, line, field),
  foreign key (list_id, tenant_id) references public.recipient_lists (id, tenant_id) on delete cascade
);

-- Files on their way into lists: where they lie, how far they have been read, and who is reading.
create table private.recipient_imports (
  list_id uuid not null,
  tenant_id uuid not null,
  -- in bucket `imports`
  file_path text not null unique,
  -- where numbers without a country code are from
  country text not null check (country ~ '^[A-Z]{2}$'),
  done_line integer not null default 0,
  holder uuid,
  leased_until timestamptz not null default '-infinity',
  -- how often somebody has begun since a batch was last recorded
  idle_claims integer not null default 0,
  created_at timestamptz not null default now(),
  primary key (list_id, tenant_id),
  foreign key (list_id, tenant_id) references public.recipient_lists (id, tenant_id) on delete cascade
);

-- Files of imports: nobody reaches them but the service, and whoever holds an address it has signed.
insert into storage.buckets (id, name, public, file_size_limit) values ('imports', 'imports', false, 10485760)
on conflict (id) do nothing;

create function private.count_entries() returns trigger
language plpgsql security definer set search_path = '' as $$
begin
  update public.recipient_lists l
  set entry_count = l.entry_count + case tg_op when 'INSERT' then c.n else -c.n end
  from (select list_id, count(*) as n from changed group by list_id) c
  where l.id = c.list_id;
  return null;
end;
$$;
create trigger count_inserted after insert on public.recipient_list_entries
  referencing new table as changed for each statement execute function private.count_entries();
create trigger count_deleted after delete on public.recipient_list_entries
  referencing old table as changed for each statement execute function private.count_entries();

create trigger touch_updated_at before update on public.recipient_lists
  for each row
  when (old.progress_announced_at is not distinct from new.progress_announced_at)
  execute function private.touch_updated_at();

alter table public.recipient_lists enable row level security;
alter table public.recipient_list_entries enable row level security;
alter table public.recipient_list_errors enable row level security;
alter table private.recipient_imports enable row level security;

revoke all on public.recipient_lists, public.recipient_list_entries, public.recipient_list_errors
  from anon, authenticated;
grant select on public.recipient_lists, public.recipient_list_entries, public.recipient_list_errors to authenticated;
grant all on public.recipient_lists, public.recipient_list_entries, public.recipient_list_errors,
  private.recipient_imports to service_role;

create policy "members with the right read lists" on public.recipient_lists for select to authenticated
  using (tenant_id = (select private.tenant_id()) and (select private.has_permission('recipient_lists.view')));
create policy "members with the right read who is on a list" on public.recipient_list_entries
  for select to authenticated
  using (tenant_id = (select private.tenant_id()) and (select private.has_permission('recipient_lists.view')));
create policy "members with the right read what is not on a list" on public.recipient_list_errors
  for select to authenticated
  using (tenant_id = (select private.tenant_id()) and (select private.has_permission('recipient_lists.view')));

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

-- How far an import is, is no change; who is put on a list by a file is told by the file's row.
select private.audit_table('recipient_lists', 'id', '-progress_announced_at', '-read_rows', '-entry_count',
  '-error_count', '-duplicate_count');
select private.audit_table('recipient_list_entries', 'list_id,line', 'people');

-- Tells the tenant how far an import is. Names of lists and files are for those who may read lists.
create function private.announce_recipient_list() returns trigger
language plpgsql security definer set search_path = '' as $$
begin
  perform realtime.send(
    private.recipient_list_json(new) - '{name,source,columns,created_by}'::text[],
    'recipient_list.updated', 'tenant:' || new.tenant_id, true
  );
  return null;
end;
$$;
create trigger announce_updated after update on public.recipient_lists
  for each row
  when (
    old.status is distinct from new.status
    or old.progress_announced_at is distinct from new.progress_announced_at
  )
  execute function private.announce_recipient_list();

-- Whether a contact wants no marketing.
create function private.opted_out(c public.contacts) returns boolean
language sql immutable set search_path = '' as $$
  select c.marketing_opted_out_at is not null;
$$;

-- Who on a list wants no marketing: their lines. Security definer: whoever reads a list is told so without the
-- right to every contact.
create function private.opted_out_lines(list uuid, lines integer[] default null) returns setof integer
language sql stable security definer set search_path = '' as $$
  select e.line
  from public.recipient_list_entries e
  join public.contacts c on c.tenant_id = e.tenant_id and c.wa_id = e.wa_id
  where e.list_id = list and e.tenant_id = (select private.tenant_id())
    and (select private.has_permission('recipient_lists.view'))
    and (lines is null or e.line = any (lines))
    and private.opted_out(c);
$$;

-- A list's people for a campaign, in their order: variables by name, and as a list in the order of the columns. Empty
-- for a list that is not ready. For functions that have checked whose list it is.
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
  left join public.contacts c on c.tenant_id = e.tenant_id and c.wa_id = e.wa_id
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

-- Null when there is none, or none the caller may see.
create function public.get_recipient_list(list_id uuid) returns jsonb
language sql stable set search_path = '' as $$
  select private.recipient_list_json(l) || jsonb_build_object(
    'opted_out_count', (select count(*) from private.opted_out_lines(l.id))
  )
  from public.recipient_lists l
  where l.id = get_recipient_list.list_id;
$$;

-- One page of who is on a list; null without the list. `after_line` goes on where another page ended.
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
        'line', p.line, 'phone_number', p.wa_id, 'name', p.name, 'variables', p.variables,
        'opted_out', exists (select 1 from silent s where s.line = p.line)
      ) order by p.line)
      from page_entries p
    ), '[]')
  )
  from public.recipient_lists l
  where l.id = list_recipient_list_entries.list_id;
$$;

-- One page of what is not on a list, and why; null without the list.
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

revoke execute on function private.count_entries(), private.recipient_list_json(public.recipient_lists),
  private.announce_recipient_list(), private.opted_out(public.contacts), private.opted_out_lines(uuid, integer[]),
  private.recipient_list_rows(uuid)
  from public;
grant execute on function private.recipient_list_json(public.recipient_lists),
  private.opted_out_lines(uuid, integer[]) to authenticated;
revoke execute on function
  public.list_recipient_lists(text, text, integer, integer), public.get_recipient_list(uuid),
  public.list_recipient_list_entries(uuid, text, integer, integer, integer),
  public.list_recipient_list_errors(uuid, integer, integer, integer, text)
  from public, anon;
grant execute on function
  public.list_recipient_lists(text, text, integer, integer), public.get_recipient_list(uuid),
  public.list_recipient_list_entries(uuid, text, integer, integer, integer),
  public.list_recipient_list_errors(uuid, integer, integer, integer, text)
  to authenticated;
