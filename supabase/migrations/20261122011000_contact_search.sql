-- Contacts as people look for them: by any part of a name, an address or a tag, by a number in any spelling, and by what
-- the tenant keeps about them; answered from indexes.

create extension if not exists pg_trgm with schema extensions;
create extension if not exists btree_gin with schema extensions;

alter table public.contacts
  -- The personal data is gone and nobody is shown it any more: the row stays for what is counted.
  add column erased_at timestamptz;
do $$
declare
  identified text;
begin
  select k.conname into strict identified from pg_catalog.pg_constraint k
  where k.conrelid = 'public.contacts'::regclass and k.contype = 'c'
    and pg_catalog.pg_get_constraintdef(k.oid) like '%wa_id IS NOT NULL%OR%user_id IS NOT NULL%';
  execute format('alter table public.contacts drop constraint %I', identified);
end;
$$;
alter table public.contacts add constraint contacts_identified
  check (wa_id is not null or user_id is not null or erased_at is not null);

-- Everything of a contact that a search finds, each word behind a space.
create function private.contact_words(
  name text, profile_name text, username text, email text, tags text[], wa_id text
) returns text
language sql immutable parallel safe set search_path = '' as $$
  select private.fold_text(
    ' ' || coalesce(name, '') || ' ' || coalesce(left(profile_name, 500), '') || ' ' || coalesce(username, '') || ' '
    || coalesce(email, '') || ' ' || coalesce(array_to_string(tags, ' '), '') || ' ' || coalesce(wa_id, '')
  );
$$;

-- What contacts are sorted by when they are sorted by name.
create function private.contact_sort_name(name text, profile_name text, username text, wa_id text) returns text
language sql immutable parallel safe set search_path = '' as $$
  select private.fold_text(left(trim(coalesce(name, profile_name, username, wa_id, '')), 200)) collate "C";
$$;
grant execute on function private.contact_words(text, text, text, text, text[], text),
  private.contact_sort_name(text, text, text, text) to service_role;

-- Kept beside them: asking for each candidate anew takes most of a search.
alter table public.contacts add column search_words text
  generated always as (private.contact_words(name, profile_name, username, email, tags, wa_id)) stored;
select private.audit_table('contacts', 'id', '-search_words');

drop index public.contacts_newest_idx;
create index contacts_newest_idx on public.contacts (tenant_id, created_at desc, id desc) where erased_at is null;
create index contacts_name_idx on public.contacts (
  tenant_id, (private.contact_sort_name(name, profile_name, username, wa_id) collate "C"), id
) where erased_at is null;
create index contacts_search_idx on public.contacts using gin (
  tenant_id extensions.uuid_ops,
  search_words extensions.gin_trgm_ops
) where erased_at is null;
create index contacts_custom_fields_idx on public.contacts using gin (custom_fields jsonb_path_ops) where custom_fields <> '{}';
create index contacts_opted_out_idx on public.contacts (tenant_id, created_at desc, id desc)
  where marketing_opted_out_at is not null;
create index contacts_blocked_idx on public.contacts (tenant_id, created_at desc, id desc) where blocked_at is not null;
create index contacts_email_idx on public.contacts (tenant_id, lower(email)) where email is not null;

-- What words must be like: all of them, each anywhere in a contact's words, but one or two letters at the beginning of
-- a word. A number is its digits, without the zeros before it: those stand where others write the country code.
create function private.search_patterns(search text) returns text[]
language sql immutable parallel safe set search_path = '' as $$
  with words as (
    select case when search ~ '^[0-9+() ./-]+$' then array[search]
      else regexp_split_to_array(trim(private.fold_text(search)), '\s+') end as list
  )
  select array_agg(
    case
      when w ~ '^[0-9+() ./-]+$' and char_length(d.digits) >= 3 then '%' || d.digits || '%'
      when char_length(w) < 3 then '% ' || e.escaped || '%'
      else '%' || e.escaped || '%'
    end
  )
  from words, unnest(words.list) w
  cross join lateral (
    select coalesce(nullif(ltrim(regexp_replace(w, '[^0-9]', '', 'g'), '0'), ''), regexp_replace(w, '[^0-9]', '', 'g')) as digits
  ) d
  cross join lateral (select regexp_replace(w, '([\\%_])', '\\\1', 'g') as escaped) e
  where w <> '';
$$;

-- The one rule of who sees a contact, as the policy has it, for functions that pass row level security.
create function private.sees_contact(c public.contacts) returns boolean
language sql stable security definer set search_path = '' as $$
  select c.erased_at is null and c.tenant_id = private.tenant_id() and (
    private.has_permission('contacts.view')
    or exists (
      select 1 from public.conversations v
      where v.contact_id = c.id and v.tenant_id = c.tenant_id and private.sees_assigned_to(v.assigned_to)
    )
  );
$$;

-- A contact that the caller sees, locked.
create function private.own_contact(contact_id uuid) returns public.contacts
language plpgsql security definer set search_path = '' as $$
declare
  contact public.contacts;
begin
  select c.* into contact from public.contacts c
  where c.id = own_contact.contact_id and c.tenant_id = private.tenant_id()
  for update;
  if contact.id is null or not private.sees_contact(contact) then
    raise sqlstate 'PT404' using message = 'There is no such contact.', detail = 'not_found';
  end if;
  return contact;
end;
$$;

-- A contact without what not everybody sees who sees the contact.
create function private.contact_row_json(c public.contacts) returns jsonb
language sql stable set search_path = '' as $$
  select jsonb_build_object(
    'id', c.id, 'name', c.name, 'profile_name', c.profile_name, 'username', c.username,
    'phone_number', '+' || c.wa_id, 'wa_id', c.wa_id, 'user_id', c.user_id, 'email', c.email, 'language', c.language,
    'tags', c.tags, 'custom_fields', c.custom_fields, 'owner_id', c.owner_id,
    'marketing_opted_out_at', c.marketing_opted_out_at, 'blocked_at', c.blocked_at,
    'created_at', c.created_at, 'updated_at', c.updated_at
  );
$$;
create function private.contact_json(c public.contacts) returns jsonb
language sql stable set search_path = '' as $$
  select private.contact_row_json(c) || jsonb_build_object(
    'last_activity_at', (
      select max(v.last_message_at) from public.conversations v where v.contact_id = c.id and v.tenant_id = c.tenant_id
    ),
    'labels', coalesce((
      select jsonb_agg(jsonb_build_object('id', l.id, 'name', l.name, 'color', l.color) order by lower(l.name))
      from public.contact_labels k join public.labels l on l.id = k.label_id
      where k.contact_id = c.id and k.tenant_id = c.tenant_id and private.has_permission('labels.view')
    ), '[]')
  );
$$;

-- A filter as a condition on `c`, for contacts that the caller may see. `filter` may have
--   search      words, or a part of a number
--   label_id, tag
--   owner       `me`, `none` or who
--   opted_out, blocked
--   fields      {"<key>": <value>}: all of them
-- Every value is quoted; there is nothing of the caller's in it besides.
create function private.contact_condition(filter jsonb) returns text
language plpgsql stable security definer set search_path = '' as $$
declare
  conditions text[] := array[format('c.tenant_id = %L', private.tenant_id()), 'c.erased_at is null'];
  pattern text;
begin
  if private.tenant_id() is null then
    return 'false';
  end if;
  if not private.has_permission('contacts.view') then
    if not private.has_permission('conversations.view') then
      return 'false';
    end if;
    conditions := conditions || format(
      'exists (select 1 from public.conversations v where v.contact_id = c.id and v.tenant_id = c.tenant_id%s)',
      case when not private.has_permission('conversations.view_all') then format(
        ' and (v.assigned_to = %L%s)', auth.uid(),
        case when private.sees_unassigned() then ' or v.assigned_to is null' else '' end
      ) else '' end
    );
  end if;
  if trim(filter ->> 'search') <> '' then
    foreach pattern in array private.search_patterns(filter ->> 'search') loop
      conditions := conditions || format('c.search_words like %L', pattern);
    end loop;
  end if;
  if filter ->> 'label_id' is not null then
    conditions := conditions || case when private.has_permission('labels.view') then format(
      'exists (select 1 from public.contact_labels l where l.contact_id = c.id and l.tenant_id = c.tenant_id and l.label_id = %L)',
      (filter ->> 'label_id')::uuid
    ) else 'false' end;
  end if;
  if filter ->> 'tag' is not null then
    conditions := conditions || format('c.tags <> ''{}'' and c.tags @> array[%L]', filter ->> 'tag');
  end if;
  if filter ->> 'owner' is not null then
    conditions := conditions || case filter ->> 'owner'
      when 'none' then 'c.owner_id is null'
      when 'me' then format('c.owner_id = %L', auth.uid())
      else format('c.owner_id = %L', (filter ->> 'owner')::uuid)
    end;
  end if;
  if filter ->> 'opted_out' is not null then
    conditions := conditions || case when (filter ->> 'opted_out')::boolean then 'c.marketing_opted_out_at is not null'
      else 'c.marketing_opted_out_at is null' end;
  end if;
  if filter ->> 'blocked' is not null then
    conditions := conditions || case when (filter ->> 'blocked')::boolean then 'c.blocked_at is not null'
      else 'c.blocked_at is null' end;
  end if;
  if jsonb_typeof(filter -> 'fields') = 'object' and filter -> 'fields' <> '{}' then
    conditions := conditions || format('c.custom_fields <> ''{}'' and c.custom_fields @> %L', filter -> 'fields');
  end if;
  return array_to_string(conditions, ' and ');
end;
$$;

-- One page of the contacts that a filter leaves, with what is given a `cursor` behind another page. `sort`:
--   newest         by when they were added
--   name           as they are shown
--   last_activity  by their last message; those without one are left out
-- Without `counted` there is no total. Security definer: no index could be used under row level security; the same rule
-- is in `private.contact_condition`.
create function public.list_contacts(
  filter jsonb default '{}', sort text default 'newest', page integer default 1, page_size integer default 20,
  after text default null, counted boolean default true
) returns jsonb
language plpgsql stable security definer set search_path = '' as $$
declare
  condition text := private.contact_condition(filter);
  source text := 'public.contacts c';
  key text;
  direction text;
  place jsonb;
  behind text := '';
  total bigint;
  answer jsonb;
begin
  perform private.require(case when private.has_permission('contacts.view') then 'contacts.view' else 'conversations.view' end);
  case sort
    when 'name' then
      key := 'private.contact_sort_name(c.name, c.profile_name, c.username, c.wa_id) collate "C"';
      direction := 'asc';
    when 'last_activity' then
      source := 'public.conversations a join public.contacts c on c.id = a.contact_id and c.tenant_id = a.tenant_id';
      key := 'a.last_message_at';
      direction := 'desc nulls last';
      condition := condition || format(
        ' and a.tenant_id = %L and a.last_message_at is not null and not exists (
          select 1 from public.conversations o
          where o.contact_id = a.contact_id and o.tenant_id = a.tenant_id
            and (o.last_message_at > a.last_message_at or o.last_message_at = a.last_message_at and o.id < a.id)
        )', private.tenant_id()
      );
    else
      key := 'c.created_at';
      direction := 'desc';
  end case;
  if counted then
    execute format('select count(*) from %s where %s', source, condition) into total;
  end if;

  if after is not null then
    begin
      place := convert_from(decode(after, 'base64'), 'UTF8')::jsonb;
      if place ->> 'sort' is distinct from sort then
        raise invalid_parameter_value;
      end if;
      behind := case sort
        when 'name' then format(' and (%s, c.id) > (%L, %L::uuid)', key, place ->> 'key', (place ->> 'id')::uuid)
        when 'last_activity' then format(
          ' and a.last_message_at <= %1$L and (a.last_message_at < %1$L or a.id > %2$L::uuid)',
          (place ->> 'key')::timestamptz, (place ->> 'id')::uuid
        )
        else format(' and (c.created_at, c.id) < (%L, %L::uuid)', (place ->> 'key')::timestamptz, (place ->> 'id')::uuid)
      end;
    exception when others then
      raise sqlstate 'PT422' using message = 'There is no such place in this list.', detail = 'invalid_field', hint = 'cursor';
    end;
  end if;

  execute format(
    $query$
      with found as materialized (
        select c, %1$s as key, %2$s.id as place from %3$s
        where %4$s%5$s
        order by %1$s %6$s, %2$s.id %7$s
        limit %8$s offset %9$s
      ),
      numbered as (select f.*, row_number() over () as nth from found f)
      select jsonb_build_object(
        'total', %10$L::bigint,
        'next_cursor', (
          select translate(encode(convert_to(jsonb_build_object('sort', %11$L, 'key', n.key, 'id', n.place)::text, 'UTF8'), 'base64'), E'\n', '')
          from numbered n
          where n.nth = %8$s - 1 and (select count(*) from numbered) = %8$s
        ),
        'rows', coalesce((select jsonb_agg(private.contact_json(n.c) order by n.nth) from numbered n where n.nth < %8$s), '[]')
      )
    $query$,
    key, case sort when 'last_activity' then 'a' else 'c' end, source, condition, behind, direction,
    case when sort in ('name', 'last_activity') then 'asc' else 'desc' end, page_size + 1,
    case when after is null then (page - 1)::bigint * page_size else 0 end, total, sort
  ) into answer;
  return answer;
end;
$$;

-- Null when there is none, or none the caller may see.
create function public.get_contact(contact_id uuid) returns jsonb
language sql stable security definer set search_path = '' as $$
  select private.contact_json(c) from public.contacts c
  where c.id = get_contact.contact_id and c.tenant_id = private.tenant_id() and private.sees_contact(c);
$$;

revoke execute on function private.contact_words(text, text, text, text, text[], text),
  private.contact_sort_name(text, text, text, text), private.search_patterns(text), private.sees_contact(public.contacts),
  private.own_contact(uuid), private.contact_row_json(public.contacts), private.contact_json(public.contacts),
  private.contact_condition(jsonb)
  from public, authenticated;
revoke execute on function public.list_contacts(jsonb, text, integer, integer, text, boolean), public.get_contact(uuid)
  from public, anon;
grant execute on function public.list_contacts(jsonb, text, integer, integer, text, boolean), public.get_contact(uuid)
  to authenticated;
