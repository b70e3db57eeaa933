-- Contacts: the people a tenant writes with, the data it keeps about them, and the search for them. A search finds any
-- part of a name, an address or a tag, a phone number in any spelling, and values of the tenant's own fields. Indexes
-- answer it.

-- Some functions below name objects that later statements create.
set check_function_bodies = off;

-- The same key for every form of one phone number. WhatsApp keeps old forms as ids: Brazilian mobiles without the ninth
-- digit, Mexican numbers with a 1, Argentinian ones with or without the 9. The Brazilian 9 is removed only where the
-- number cannot be a landline.
create function private.phone_key(wa_id text) returns text
language sql immutable strict parallel safe set search_path = '' as $$
  select case
    when wa_id ~ '^55[1-9][0-9]9[6-9][0-9]{7}$' then left(wa_id, 4) || substr(wa_id, 6)
    when wa_id ~ '^521[0-9]{10}$' then '52' || substr(wa_id, 4)
    when wa_id ~ '^549[0-9]{10}$' then '54' || substr(wa_id, 4)
    when wa_id ~ '^6208[0-9]{7,12}$' then '62' || substr(wa_id, 4)
    else wa_id
  end;
$$;

-- The searchable text of a contact: its words, each after a space.
create function private.contact_words(
  name text, profile_name text, username text, email text, tags text[], wa_id text
) returns text
language sql immutable parallel safe set search_path = '' as $$
  select private.fold_text(
    ' ' || coalesce(name, '') || ' ' || coalesce(left(profile_name, 500), '') || ' ' || coalesce(username, '') || ' '
    || coalesce(email, '') || ' ' || coalesce(array_to_string(tags, ' '), '') || ' ' || coalesce(wa_id, '')
  );
$$;

create table public.contacts (
  id uuid primary key default gen_random_uuid(),
  tenant_id uuid not null references public.tenants (id) on delete cascade,
  -- digits without `+`; null while Meta hides the phone number
  wa_id text check (wa_id ~ '^[0-9]{1,20}$'),
  -- Meta's business-scoped user id (`CC.xxxx`)
  user_id text check (char_length(user_id) between 1 and 160),
  username text,
  -- the name in WhatsApp; `name` is entered by the tenant and takes precedence
  profile_name text,
  name text check (char_length(name) <= 200),
  created_at timestamptz not null default now(),
  updated_at timestamptz not null default now(),
  marketing_opted_out_at timestamptz,
  phone_key text generated always as (private.phone_key(wa_id)) stored,
  -- when the person was last seen with this user id and this profile name: older data that arrives late does not
  -- replace it
  user_id_at timestamptz,
  profile_at timestamptz,
  email text check (char_length(email) <= 254),
  language text check (language ~ '^[a-z]{2,3}(_[A-Z]{2})?$'),
  tags text[] not null default '{}' check (cardinality(tags) <= 50),
  custom_fields jsonb not null default '{}' check (jsonb_typeof(custom_fields) = 'object'),
  owner_id uuid,
  -- we send this contact nothing, and Meta does not deliver their messages
  blocked_at timestamptz,
  -- The personal data is deleted and the contact is hidden. The row stays for counts.
  erased_at timestamptz,
  -- A stored column: computing the words for each candidate would take most of a search's time.
  search_words text
    generated always as (private.contact_words(name, profile_name, username, email, tags, wa_id)) stored,
  unique (tenant_id, wa_id),
  unique (tenant_id, user_id),
  unique (id, tenant_id),
  constraint contacts_owner_fkey foreign key (owner_id, tenant_id)
    references public.profiles (user_id, tenant_id) on delete set null (owner_id),
  constraint contacts_identified
    check (wa_id is not null or user_id is not null or erased_at is not null)
);
create unique index contacts_phone_key on public.contacts (tenant_id, phone_key);
create index contacts_owner_idx on public.contacts (owner_id, tenant_id) where owner_id is not null;
create index contacts_tags_idx on public.contacts using gin (tags) where tags <> '{}';
create index contacts_newest_idx on public.contacts (tenant_id, created_at desc, id desc) where erased_at is null;
create index contacts_search_idx on public.contacts using gin (
  tenant_id extensions.uuid_ops,
  search_words extensions.gin_trgm_ops
) where erased_at is null;
create index contacts_custom_fields_idx on public.contacts using gin (custom_fields jsonb_path_ops) where custom_fields <> '{}';
create index contacts_opted_out_idx on public.contacts (tenant_id, created_at desc, id desc)
  where marketing_opted_out_at is not null;
create index contacts_blocked_idx on public.contacts (tenant_id, created_at desc, id desc) where blocked_at is not null;
create index contacts_email_idx on public.contacts (tenant_id, lower(email)) where email is not null;

-- The contact fields that a tenant defines. Their values are in `contacts.custom_fields` by key: strings for text,
-- choice and date (YYYY-MM-DD), numbers, and booleans.
create table public.contact_fields (
  id uuid primary key default gen_random_uuid(),
  tenant_id uuid not null references public.tenants (id) on delete cascade,
  key text not null check (key ~ '^[a-z][a-z0-9_]{0,39}$'),
  name text not null check (char_length(name) between 1 and 100 and private.is_visible(name)),
  type text not null check (type in ('text', 'number', 'boolean', 'date', 'choice')),
  -- the permitted choices
  choices text[] not null default '{}',
  position integer not null default 0,
  created_at timestamptz not null default now(),
  updated_at timestamptz not null default now(),
  unique (tenant_id, key),
  check ((type = 'choice') = (cardinality(choices) > 0))
);

create table public.contact_notes (
  id uuid primary key default gen_random_uuid(),
  tenant_id uuid not null references public.tenants (id) on delete cascade,
  contact_id uuid not null,
  content text not null check (char_length(content) between 1 and 5000),
  created_by uuid,
  created_at timestamptz not null default now(),
  foreign key (contact_id, tenant_id) references public.contacts (id, tenant_id) on delete cascade,
  foreign key (created_by, tenant_id) references public.profiles (user_id, tenant_id) on delete set null (created_by)
);
create index contact_notes_contact_idx on public.contact_notes (contact_id, tenant_id, created_at desc, id desc);
create index contact_notes_tenant_idx on public.contact_notes (tenant_id);
create index contact_notes_created_by_idx on public.contact_notes (created_by, tenant_id) where created_by is not null;

-- The contacts of a tenant that match a filter. This function is the only place that decides how contacts can be
-- selected: `search`, `created_since`, `created_until`, `wrote_since`, `session_id` (has a conversation with that
-- number), `tag`, `label`, `segment_id`, and `segment` (the filter of a segment).
create function private.contacts_matching(tenant uuid, filter jsonb) returns setof uuid
language plpgsql stable set search_path = '' as $$
declare
  saved jsonb;
  conditions text := 'true';
  pattern text;
begin
  -- the same search as in the list of contacts
  foreach pattern in array private.search_patterns(coalesce(filter ->> 'search', '')) loop
    conditions := conditions || format(' and c.search_words like %L', pattern);
  end loop;
  if filter ->> 'segment_id' is not null then
    select s.filter into saved from public.segments s
    where s.id = (contacts_matching.filter ->> 'segment_id')::uuid and s.tenant_id = tenant;
    if not found then
      perform private.refuse_filter('filter.segment_id', 'There is no such segment.');
    end if;
    conditions := conditions || ' and ' || private.filter_condition(tenant, saved, 'filter.segment_id');
  end if;
  if filter ->> 'segment' is not null then
    conditions := conditions || ' and ' || private.filter_condition(tenant, filter -> 'segment', 'filter.segment');
  end if;
  if filter ->> 'tag' is not null then
    conditions := conditions || ' and ' || private.filter_condition(
      tenant, jsonb_build_object('field', 'tags', 'op', 'has', 'value', filter -> 'tag'), 'filter.tag'
    );
  end if;
  if filter ->> 'label' is not null then
    conditions := conditions || ' and ' || private.filter_condition(
      tenant, jsonb_build_object('field', 'label', 'op', 'has', 'value', filter -> 'label'), 'filter.label'
    );
  end if;

  return query execute $q$
    select c.id
    from public.contacts c
    where c.tenant_id = $1 and c.erased_at is null
      and ($2 ->> 'created_since' is null or c.created_at >= ($2 ->> 'created_since')::timestamptz)
      and ($2 ->> 'created_until' is null or c.created_at < ($2 ->> 'created_until')::timestamptz)
      and (
        ($2 ->> 'wrote_since' is null and $2 ->> 'session_id' is null)
        or exists (
          select 1 from public.conversations v
          where v.contact_id = c.id and v.tenant_id = $1
            and ($2 ->> 'wrote_since' is null or v.last_inbound_at >= ($2 ->> 'wrote_since')::timestamptz)
            and ($2 ->> 'session_id' is null or v.session_id = ($2 ->> 'session_id')::uuid)
        )
      )
      and $q$ || conditions
  using tenant, filter;
end;
$$;

-- The key by which contacts are sorted by name.
create function private.contact_sort_name(name text, profile_name text, username text, wa_id text) returns text
language sql immutable parallel safe set search_path = '' as $$
  select private.fold_text(left(trim(coalesce(name, profile_name, username, wa_id, '')), 200)) collate "C";
$$;

-- The patterns that a contact's words must match. All of them must match: one or two letters at the beginning of a
-- word, longer ones anywhere. A phone number becomes its digits without leading zeros, because the contact may have a
-- country code there. Both forms of a number match: WhatsApp's ids in Brazil, Mexico and Argentina differ from written
-- numbers by a digit after the country code (see private.phone_key), and +62 is often followed by the domestic 0. A
-- search that contains no word, only accents, finds no contact.
create function private.search_patterns(search text) returns text[]
language sql immutable parallel safe set search_path = '' as $$
  with words as (
    select case when search ~ '^[0-9+() ./-]+$' then array[search]
      else regexp_split_to_array(trim(private.fold_text(search)), '\s+') end as list
  )
  select coalesce(array_agg(
    case
      when w ~ '^[0-9+() ./-]+$' and char_length(d.digits) >= 3 then '%' || private.written_number(d.digits) || '%'
      when char_length(w) < 3 then '% ' || e.escaped || '%'
      else '%' || e.escaped || '%'
    end
  ), case when trim(search) = '' then '{}' else array['%' || search || '%'] end)
  from words, unnest(words.list) w
  cross join lateral (
    select coalesce(nullif(ltrim(regexp_replace(w, '[^0-9]', '', 'g'), '0'), ''), regexp_replace(w, '[^0-9]', '', 'g')) as digits
  ) d
  cross join lateral (select regexp_replace(w, '([\\%_])', '\\\1', 'g') as escaped) e
  where w <> '';
$$;

-- Whether the caller sees a contact: the rule of the policy, for functions that bypass row level security.
create function private.sees_contact(c public.contacts) returns boolean
language sql stable set search_path = '' as $$
  select c.erased_at is null and c.tenant_id = private.tenant_id() and (
    private.has_permission('contacts.view')
    or exists (
      select 1 from public.conversations v
      where v.contact_id = c.id and v.tenant_id = c.tenant_id and private.sees_customer_of(v)
    )
  );
$$;

-- Returns a contact that the caller sees, locked.
create function private.own_contact(contact_id uuid) returns public.contacts
language plpgsql set search_path = '' as $$
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

-- A contact without the parts that need further permissions.
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
    'owner_name', (
      select nullif(p.display_name, '') from public.profiles p
      where p.user_id = c.owner_id and p.tenant_id = c.tenant_id
    ),
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

-- Translates a filter into a condition on `c`, limited to contacts that the caller may see. `filter` may have
--   search      words, or a part of a number
--   label_id, tag, segment_id
--   owner       `me`, `none` or a person's id
--   opted_out, blocked
--   fields      {"<key>": <value>}: all must match
-- Every value of the caller is quoted.
create function private.contact_condition(filter jsonb) returns text
language plpgsql stable set search_path = '' as $$
declare
  conditions text[] := array[format('c.tenant_id = %L', private.tenant_id()), 'c.erased_at is null'];
  pattern text;
  saved jsonb;
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
        case when private.sees_unassigned() then ' or (v.assigned_to is null and v.last_message_at is not null)' else '' end
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
  if filter ->> 'segment_id' is not null and not private.has_permission('segments.view') then
    return 'false';
  elsif filter ->> 'segment_id' is not null then
    select s.filter into saved from public.segments s
    where s.id = (contact_condition.filter ->> 'segment_id')::uuid and s.tenant_id = private.tenant_id();
    if not found then
      perform private.refuse_filter('segment_id', 'There is no such segment.');
    end if;
    conditions := conditions || private.filter_condition(private.tenant_id(), saved, 'segment_id');
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

-- One page of the contacts that match a filter. With `cursor`, the page after another one. `sort`:
--   newest         by creation, the newest first
--   name           by the displayed name
--   last_activity  by the last message; contacts without messages are omitted
-- Without `counted` there is no total.
-- Security definer: no index could be used under row level security; the same rule is in `private.contact_condition`.
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
      raise sqlstate 'PT422' using message = 'This is not a cursor of this list.', detail = 'invalid_field', hint = 'cursor';
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

-- Null if the contact does not exist or the caller may not see it.
-- Security definer: clients have no right to call `private.contact_json`.
create function public.get_contact(contact_id uuid) returns jsonb
language sql stable security definer set search_path = '' as $$
  select private.contact_json(c) from public.contacts c
  where c.id = get_contact.contact_id and c.tenant_id = private.tenant_id() and private.sees_contact(c);
$$;

create function private.contact_field_json(f public.contact_fields) returns jsonb
language sql stable set search_path = '' as $$
  select to_jsonb(f) - 'tenant_id';
$$;

-- Whether a value is valid for a field.
create function private.is_field_value(type text, choices text[], value jsonb) returns boolean
language plpgsql immutable set search_path = '' as $$
begin
  case type
    when 'number' then return jsonb_typeof(value) = 'number';
    when 'boolean' then return jsonb_typeof(value) = 'boolean';
    when 'text' then return jsonb_typeof(value) = 'string' and char_length(value #>> '{}') between 1 and 1000;
    when 'choice' then return jsonb_typeof(value) = 'string' and value #>> '{}' = any (choices);
    when 'date' then
      return jsonb_typeof(value) = 'string' and value #>> '{}' ~ '^[0-9]{4}-[0-9]{2}-[0-9]{2}$'
        and (value #>> '{}')::date is not null;
    else return false;
  end case;
exception when datetime_field_overflow or invalid_datetime_format then
  return false;
end;
$$;

-- Refuses values for fields that the tenant does not have. A null value removes the field's value.
create function private.check_custom_fields(tenant uuid, given jsonb) returns void
language plpgsql set search_path = '' as $$
declare
  wrong record;
begin
  -- locks the definitions of the fields until the values are written
  perform 1 from public.contact_fields f
  where f.tenant_id = check_custom_fields.tenant and f.key in (select jsonb_object_keys(given))
  order by f.id
  for share;
  select e.key, f.type, f.choices into wrong
  from jsonb_each(given) e
  left join public.contact_fields f on f.tenant_id = tenant and f.key = e.key
  where f.id is null or (e.value <> 'null' and not private.is_field_value(f.type, f.choices, e.value))
  order by e.key
  limit 1;
  if found then
    raise sqlstate 'PT422' using
      message = case wrong.type
        when 'number' then 'must be a number' when 'boolean' then 'must be true or false'
        when 'text' then 'must be a text of 1 to 1000 characters' when 'date' then 'must be a date such as 2026-02-17'
        when 'choice' then 'must be one of: ' || array_to_string(wrong.choices, ', ')
        else 'There is no such field.'
      end,
      detail = 'invalid_field', hint = 'custom_fields.' || wrong.key;
  end if;
end;
$$;

create function public.list_contact_fields() returns jsonb
language sql stable set search_path = '' as $$
  select coalesce(jsonb_agg(private.contact_field_json(f) order by f.position, lower(f.name), f.key), '[]')
  from public.contact_fields f;
$$;

-- Defines a field. `field` is {"key", "name", "type", "choices"?, "position"?}.
-- Security definer: clients have no right to write fields.
create function public.create_contact_field(field jsonb) returns jsonb
language plpgsql security definer set search_path = '' as $$
declare
  tenant constant uuid := private.tenant_id();
  made public.contact_fields;
begin
  perform private.require('contacts.manage_fields');
  -- serialized, so that concurrent calls cannot exceed the limit
  perform 1 from public.tenants t where t.id = tenant for update;
  if (select count(*) from public.contact_fields f where f.tenant_id = tenant) >= 100 then
    raise sqlstate 'PT409' using message = 'There are 100 fields already.', detail = 'too_many_fields';
  end if;
  insert into public.contact_fields as f (tenant_id, key, name, type, choices, position)
  select tenant, field ->> 'key', field ->> 'name', field ->> 'type',
    array(select jsonb_array_elements_text(coalesce(field -> 'choices', '[]'))), coalesce((field ->> 'position')::integer, 0)
  on conflict (tenant_id, key) do nothing
  returning f.* into made;
  if not found then
    raise sqlstate 'PT409' using message = 'There is a field with this key.', detail = 'name_taken', hint = 'key';
  end if;
  return private.contact_field_json(made);
end;
$$;

-- Changes the properties of a field that `changes` names: `name`, `type`, `choices`, `position`. Existing values must
-- fit the new type. Every value fits type text.
-- Security definer: clients have no right to write contacts and fields.
-- Time limit: a choice that is renamed or removed changes every contact that has it.
create function public.update_contact_field(field_id uuid, changes jsonb) returns jsonb
language plpgsql security definer set search_path = '' set statement_timeout = '60s' as $$
declare
  old public.contact_fields;
  wanted public.contact_fields;
  unfit bigint;
begin
  perform private.require('contacts.manage_fields');
  select f.* into old from public.contact_fields f
  where f.id = update_contact_field.field_id and f.tenant_id = private.tenant_id()
  for update;
  if not found then
    raise sqlstate 'PT404' using message = 'There is no such field.', detail = 'not_found';
  end if;
  wanted := old;
  wanted.name := coalesce(changes ->> 'name', old.name);
  wanted.type := coalesce(changes ->> 'type', old.type);
  wanted.position := coalesce((changes ->> 'position')::integer, old.position);
  wanted.choices := case
    when wanted.type <> 'choice' then '{}'
    when changes ? 'choices' then array(select jsonb_array_elements_text(changes -> 'choices'))
    else old.choices
  end;
  if (wanted.type = 'choice') <> (cardinality(wanted.choices) > 0) then
    raise sqlstate 'PT422' using message = 'List the permitted choices.', detail = 'invalid_field', hint = 'choices';
  end if;
  if (wanted.type, wanted.choices) is distinct from (old.type, old.choices) then
    select count(*) into unfit from public.contacts c
    where c.tenant_id = old.tenant_id and c.custom_fields <> '{}' and c.custom_fields ? old.key
      and private.field_value_as(wanted.type, wanted.choices, c.custom_fields -> old.key) is null;
    if unfit > 0 then
      raise sqlstate 'PT409' using
        message = format('%s contacts have values that would not fit.', unfit), detail = 'field_values';
    end if;
    if wanted.type <> old.type then
      update public.contacts c
      set custom_fields = c.custom_fields
        || jsonb_build_object(old.key, private.field_value_as(wanted.type, wanted.choices, c.custom_fields -> old.key))
      where c.tenant_id = old.tenant_id and c.custom_fields <> '{}' and c.custom_fields ? old.key
        and c.custom_fields -> old.key <> private.field_value_as(wanted.type, wanted.choices, c.custom_fields -> old.key);
    end if;
  end if;
  update public.contact_fields f
  set name = wanted.name, type = wanted.type, choices = wanted.choices, position = wanted.position
  where f.id = old.id
  returning f.* into wanted;
  return private.contact_field_json(wanted);
end;
$$;

-- Deletes a field and its values.
-- Security definer: clients have no right to write contacts and fields.
-- Time limit: it changes every contact that has a value.
create function public.delete_contact_field(field_id uuid) returns void
language plpgsql security definer set search_path = '' set statement_timeout = '60s' as $$
declare
  gone public.contact_fields;
begin
  perform private.require('contacts.manage_fields');
  delete from public.contact_fields f
  where f.id = delete_contact_field.field_id and f.tenant_id = private.tenant_id()
  returning f.* into gone;
  if gone.id is null then
    raise sqlstate 'PT404' using message = 'There is no such field.', detail = 'not_found';
  end if;
  update public.contacts c set custom_fields = c.custom_fields - gone.key
  where c.tenant_id = gone.tenant_id and c.custom_fields <> '{}' and c.custom_fields ? gone.key;
end;
$$;

-- Sorts tags and removes duplicates that differ only in case.
create function private.clean_tags(tags text[]) returns text[]
language sql immutable set search_path = '' as $$
  select coalesce(array_agg(t.tag order by t.nth), '{}')
  from (
    select distinct on (lower(trim(u.tag))) left(trim(u.tag), 50) as tag, u.nth
    from unnest(tags) with ordinality as u (tag, nth)
    where trim(u.tag) <> ''
    order by lower(trim(u.tag)), u.nth
  ) t;
$$;

-- Refuses an owner who is not an active person of the tenant.
create function private.check_owner(tenant uuid, owner uuid) returns void
language plpgsql stable set search_path = '' as $$
begin
  if owner is not null and not exists (
    select 1 from public.profiles p where p.user_id = owner and p.tenant_id = tenant and p.deactivated_at is null
  ) then
    raise sqlstate 'PT422' using message = 'There is no such person.', detail = 'invalid_field', hint = 'owner_id';
  end if;
end;
$$;

-- Refuses labels of other tenants.
create function private.check_labels(tenant uuid, labels uuid[]) returns void
language plpgsql stable set search_path = '' as $$
begin
  perform private.require('labels.assign');
  if exists (
    select 1 from unnest(labels) i where not exists (select 1 from public.labels l where l.id = i and l.tenant_id = tenant)
  ) then
    raise sqlstate 'PT422' using message = 'There is no such label.', detail = 'invalid_field', hint = 'label_ids';
  end if;
end;
$$;

-- Changes the fields of a contact that `changes` names: `name`, `email`, `language`, `tags`, `custom_fields` (by key;
-- null removes a value), `owner_id`, `label_ids`.
create function private.change_contact(contact public.contacts, changes jsonb) returns jsonb
language plpgsql set search_path = '' as $$
declare
  changed public.contacts := contact;
  wanted_labels uuid[];
begin
  if changes ? 'custom_fields' then
    perform private.check_custom_fields(contact.tenant_id, changes -> 'custom_fields');
  end if;
  if changes ? 'owner_id' then
    perform private.check_owner(contact.tenant_id, (changes ->> 'owner_id')::uuid);
  end if;
  if changes ? 'label_ids' then
    wanted_labels := private.uuids(changes -> 'label_ids');
    perform private.check_labels(contact.tenant_id, wanted_labels);
    delete from public.contact_labels k
    where k.contact_id = contact.id and k.tenant_id = contact.tenant_id and k.label_id <> all (wanted_labels);
    insert into public.contact_labels (contact_id, label_id, tenant_id, created_by)
    select contact.id, l, contact.tenant_id, private.person_id() from unnest(wanted_labels) l
    on conflict do nothing;
  end if;
  update public.contacts c
  set
    name = case when changes ? 'name' then nullif(trim(changes ->> 'name'), '') else c.name end,
    email = case when changes ? 'email' then nullif(trim(changes ->> 'email'), '') else c.email end,
    language = case when changes ? 'language' then changes ->> 'language' else c.language end,
    tags = case when changes ? 'tags' then private.clean_tags(array(
      select jsonb_array_elements_text(coalesce(nullif(changes -> 'tags', 'null'), '[]'))
    )) else c.tags end,
    custom_fields = case when changes ? 'custom_fields'
      then jsonb_strip_nulls(c.custom_fields || (changes -> 'custom_fields')) else c.custom_fields end,
    owner_id = case when changes ? 'owner_id' then (changes ->> 'owner_id')::uuid else c.owner_id end
  where c.id = contact.id and changes ?| '{name,email,language,tags,custom_fields,owner_id}'
  returning c.* into changed;
  if not found then
    changed := contact;
  end if;
  return private.contact_json(changed);
end;
$$;

-- Adds a contact. `contact` is {"wa_id", ...} with the fields of `private.change_contact`. Returns {"contact"}, or
-- {"existing"} if a contact already has the number: its id, or null if the caller may not see it.
-- Security definer: clients have no right to write contacts.
create function public.create_contact(contact jsonb) returns jsonb
language plpgsql security definer set search_path = '' as $$
declare
  tenant constant uuid := private.tenant_id();
  made public.contacts;
  existing uuid;
begin
  perform private.require('contacts.create');
  insert into public.contacts as c (tenant_id, wa_id) values (tenant, contact ->> 'wa_id')
  on conflict (tenant_id, phone_key) do nothing
  returning c.* into made;
  if not found then
    select c.id into existing from public.contacts c
    where c.tenant_id = tenant and c.phone_key = private.phone_key(contact ->> 'wa_id') and private.sees_contact(c);
    return jsonb_build_object('existing', existing);
  end if;
  return jsonb_build_object('contact', private.change_contact(made, contact - 'wa_id'));
end;
$$;

-- Changes a contact. With `unless_changed_since` the change requires that `updated_at` still has that value.
-- Security definer: clients have no right to call `private.change_contact`.
create function public.update_contact(contact_id uuid, changes jsonb, unless_changed_since timestamptz default null)
returns jsonb
language plpgsql security definer set search_path = '' as $$
declare
  contact public.contacts;
begin
  perform private.require('contacts.update');
  -- fields are locked before contacts, in the same order as by a change of a field
  if changes ? 'custom_fields' then
    perform private.check_custom_fields(private.tenant_id(), changes -> 'custom_fields');
  end if;
  contact := private.own_contact(update_contact.contact_id);
  if contact.updated_at > unless_changed_since then
    raise sqlstate 'PT409' using message = 'This contact has changed in the meantime. Please reload it.',
      detail = 'contact_changed';
  end if;
  return private.change_contact(contact, changes);
end;
$$;

-- Checks what a mass action covers: the contacts with these ids, those that pass a filter, or with `everyone` all of
-- them. A filter without a condition is no filter: programs write one when a value is missing.
create function private.check_scope(contact_ids uuid[], filter jsonb, everyone boolean) returns void
language plpgsql immutable set search_path = '' as $$
declare
  conditions constant jsonb := coalesce(jsonb_strip_nulls(nullif(filter, 'null')), '{}')
    - case when trim(filter ->> 'search') = '' then 'search' else '' end
    - case when jsonb_strip_nulls(filter -> 'fields') = '{}' then 'fields' else '' end;
  given constant integer := (contact_ids is not null)::integer + (conditions <> '{}')::integer + everyone::integer;
begin
  if given = 0 then
    raise sqlstate 'PT422' using
      message = 'The filter has no condition. Give one, or ids, or "all": true for every contact.',
      detail = 'invalid_field', hint = 'filter';
  elsif given > 1 then
    raise sqlstate 'PT422' using message = 'Give one of ids, a filter, and "all": true.', detail = 'invalid_field',
      hint = case when everyone then 'all' else 'filter' end;
  end if;
end;
$$;

-- Refuses a mass action on another number of contacts than the caller expects.
create function private.check_expected(matched bigint, expected bigint) returns void
language plpgsql immutable set search_path = '' as $$
begin
  if matched <> expected then
    raise sqlstate 'PT409' using
      message = format('The action would apply to %s contacts, and not to %s.', matched, expected),
      detail = 'count_differs', hint = 'expected_count';
  end if;
end;
$$;

-- Applies one action to the named contacts, or to those that match a filter. `action`: `add_tags`, `remove_tags`
-- (`tags`), `add_labels`, `remove_labels` (`label_ids`), `set_owner` (`owner_id`). It skips contacts that the caller
-- may not see, and tags beyond a contact's limit of fifty. Returns {"matched", "changed"}.
-- Security definer: clients have no right to write contacts and labels.
-- Time limit: it changes every contact that matches.
create function public.change_contacts(
  contact_ids uuid[], filter jsonb, action text, options jsonb, everyone boolean default false,
  expected_count bigint default null
) returns jsonb
language plpgsql security definer set search_path = '' set statement_timeout = '60s' as $$
declare
  tenant constant uuid := private.tenant_id();
  chosen uuid[];
  changed bigint := 0;
  wanted text[] := private.clean_tags(array(
    select jsonb_array_elements_text(coalesce(nullif(options -> 'tags', 'null'), '[]'))
  ));
  wanted_labels uuid[] := private.uuids(options -> 'label_ids');
begin
  if action in ('add_labels', 'remove_labels') then
    perform private.check_labels(tenant, wanted_labels);
  else
    perform private.require('contacts.update');
  end if;
  if action = 'set_owner' then
    perform private.check_owner(tenant, (options ->> 'owner_id')::uuid);
  end if;
  perform private.check_scope(contact_ids, filter, everyone);
  execute format(
    'select array_agg(c.id) from public.contacts c where %s and ($1 is null or c.id = any ($1))',
    private.contact_condition(coalesce(filter, '{}'))
  ) into chosen using contact_ids;
  perform private.check_expected(coalesce(cardinality(chosen), 0), expected_count);

  case action
    when 'add_tags' then
      update public.contacts c set tags = (private.clean_tags(c.tags || wanted))[1:50]
      where c.id = any (chosen) and (private.clean_tags(c.tags || wanted))[1:50] <> c.tags;
    when 'remove_tags' then
      update public.contacts c
      set tags = array(
        select u.tag from unnest(c.tags) with ordinality as u (tag, nth)
        where not exists (select 1 from unnest(wanted) w where lower(w) = lower(u.tag)) order by u.nth
      )
      where c.id = any (chosen) and exists (
        select 1 from unnest(c.tags) u (tag) join unnest(wanted) w on lower(w) = lower(u.tag)
      );
    when 'add_labels' then
      insert into public.contact_labels (contact_id, label_id, tenant_id, created_by)
      select c, l, tenant, private.person_id() from unnest(chosen) c cross join unnest(wanted_labels) l
      on conflict do nothing;
    when 'remove_labels' then
      delete from public.contact_labels k
      where k.contact_id = any (chosen) and k.tenant_id = tenant and k.label_id = any (wanted_labels);
    when 'set_owner' then
      update public.contacts c set owner_id = (options ->> 'owner_id')::uuid
      where c.id = any (chosen) and c.owner_id is distinct from (options ->> 'owner_id')::uuid;
    else
      raise sqlstate 'PT422' using message = 'There is no such action.', detail = 'invalid_field', hint = 'action';
  end case;
  get diagnostics changed = row_count;
  return jsonb_build_object('matched', coalesce(cardinality(chosen), 0), 'changed', changed);
end;
$$;

create function private.contact_note_json(n public.contact_notes) returns jsonb
language sql stable set search_path = '' as $$
  select to_jsonb(n) - 'tenant_id' - 'contact_id' || jsonb_build_object('created_by_name', (
    select nullif(p.display_name, '') from public.profiles p
    where p.user_id = n.created_by and p.tenant_id = n.tenant_id
  ));
$$;

-- One page of a contact's notes, the newest first; null without the contact.
-- Security definer: clients have no right to call `private.contact_note_json`.
create function public.list_contact_notes(contact_id uuid, page integer, page_size integer) returns jsonb
language plpgsql stable security definer set search_path = '' as $$
begin
  perform private.require('notes.view');
  return (
    select jsonb_build_object(
      'total', (select count(*) from public.contact_notes n where n.contact_id = c.id and n.tenant_id = c.tenant_id),
      'rows', coalesce((
        select jsonb_agg(private.contact_note_json(p.n) order by (p.n).created_at desc, (p.n).id desc)
        from (
          select n from public.contact_notes n
          where n.contact_id = c.id and n.tenant_id = c.tenant_id
          order by n.created_at desc, n.id desc
          limit page_size offset (page - 1)::bigint * page_size
        ) p
      ), '[]')
    )
    from public.contacts c
    where c.id = list_contact_notes.contact_id and c.tenant_id = private.tenant_id() and private.sees_contact(c)
  );
end;
$$;

-- Security definer: clients have no right to write notes.
create function public.create_contact_note(contact_id uuid, content text) returns jsonb
language plpgsql security definer set search_path = '' as $$
declare
  contact public.contacts;
  made public.contact_notes;
begin
  perform private.require('notes.create');
  contact := private.own_contact(create_contact_note.contact_id);
  insert into public.contact_notes as n (tenant_id, contact_id, content, created_by)
  values (contact.tenant_id, contact.id, create_contact_note.content, private.person_id())
  returning n.* into made;
  return private.contact_note_json(made);
end;
$$;

-- Deletes a note of the caller, or with `notes.delete` any note.
-- Security definer: clients have no right to write notes.
create function public.delete_contact_note(contact_id uuid, note_id uuid) returns void
language plpgsql security definer set search_path = '' as $$
declare
  contact public.contacts;
begin
  perform private.require('notes.view');
  contact := private.own_contact(delete_contact_note.contact_id);
  delete from public.contact_notes n
  where n.id = delete_contact_note.note_id and n.contact_id = contact.id and n.tenant_id = contact.tenant_id
    and (private.has_permission('notes.delete') or n.created_by = private.person_id());
  if not found then
    raise sqlstate 'PT404' using message = 'You have no such note.', detail = 'not_found';
  end if;
end;
$$;

-- Blocks or unblocks a contact. Returns {"contact", "numbers"}. The API passes the change on to Meta for these numbers
-- of ours: [{"session_id", "phone_number_id", "user"}].
-- Security definer: clients have no right to write contacts.
create function public.block_contact(contact_id uuid, blocked boolean) returns jsonb
language plpgsql security definer set search_path = '' as $$
declare
  contact public.contacts;
begin
  perform private.require('contacts.block');
  contact := private.own_contact(block_contact.contact_id);
  update public.contacts c set blocked_at = case when blocked then coalesce(c.blocked_at, now()) end
  where c.id = contact.id
  returning c.* into contact;
  return jsonb_build_object(
    'contact', private.contact_json(contact),
    'numbers', coalesce((
      select jsonb_agg(jsonb_build_object(
        'session_id', s.id, 'phone_number_id', s.meta_phone_number_id, 'user', coalesce('+' || contact.wa_id, contact.user_id)
      ) order by s.id)
      from public.conversations v
      join public.whatsapp_sessions s on s.id = v.session_id and s.status = 'connected'
      where v.contact_id = contact.id and v.tenant_id = contact.tenant_id and v.last_inbound_at is not null
    ), '[]')
  );
end;
$$;

-- Broadcasts a change to people who may view contacts. Updates of "last seen" columns are not broadcast, nor are
-- campaign recipients who never wrote. A statement that changes many contacts is broadcast once, and clients reload
-- their page. Imports broadcast their own progress.
-- Security definer: it also runs when Auth removes an account, and the role of Auth has no rights here.
create function private.announce_contacts() returns trigger
language plpgsql security definer set search_path = '' as $$
declare
  ignored_columns constant text[] := '{profile_at,user_id_at,updated_at}';
  verb constant text := case tg_op when 'INSERT' then 'created' else 'updated' end;
  ids uuid[];
begin
  if current_setting('app.importing_contacts', true) = 'on' then
    return null;
  end if;
  if tg_op = 'INSERT' then
    select array_agg(a.id) into ids from after a
    where auth.uid() is not null or a.profile_at is not null or a.user_id is not null;
  else
    select array_agg(a.id) into ids
    from after a join before b on b.id = a.id
    where a.erased_at is null and to_jsonb(a) - ignored_columns <> to_jsonb(b) - ignored_columns;
  end if;
  if cardinality(ids) <= 50 then
    perform private.record_and_broadcast(c.tenant_id, 'contacts', null, 'contact.' || verb, private.contact_row_json(c))
    from public.contacts c where c.id = any (ids) order by c.created_at, c.id;
  else
    perform private.record_and_broadcast(n.tenant_id, 'contacts', null, 'contacts.' || verb, jsonb_build_object('id', n.tenant_id, 'rows', n.rows))
    from (select c.tenant_id, count(*) as rows from public.contacts c where c.id = any (ids) group by c.tenant_id) n;
  end if;
  return null;
end;
$$;

-- A deleted row was merged into another contact, or its tenant was deleted.
create function private.announce_deleted_contacts() returns trigger
language plpgsql set search_path = '' as $$
begin
  perform private.record_and_broadcast(b.tenant_id, 'contacts', null, 'contact.deleted', jsonb_build_object('id', b.id))
  from before b join public.tenants t on t.id = b.tenant_id;
  return null;
end;
$$;

-- A change of a note is broadcast with the id of its contact, to people who may view contacts.
create function private.announce_contact_note() returns trigger
language plpgsql set search_path = '' as $$
declare
  note constant public.contact_notes := case tg_op when 'DELETE' then old else new end;
begin
  if tg_op = 'INSERT' or exists (select 1 from public.contacts c where c.id = note.contact_id and c.erased_at is null) then
    perform private.record_and_broadcast(note.tenant_id, 'contacts', null, 'contact_note.' || case tg_op when 'DELETE' then 'deleted' else 'created' end,
      jsonb_build_object('id', note.id, 'contact_id', note.contact_id));
  end if;
  return null;
end;
$$;

-- The last digits of a number, which are the same in all its spellings.
create function private.phone_tail(wa_id text) returns text
language sql immutable strict parallel safe set search_path = '' as $$
  select right(wa_id, 8);
$$;

-- One page of a contact's history, the newest first: messages, campaigns, consents, notes, events of the conversations,
-- and the names of changed fields. Each entry appears only if the caller may see it. Null without the contact. `after`
-- is the `next_cursor` of the previous page.
-- Security definer: clients have no right to call `private.contact_note_json`.
create function public.list_contact_timeline(contact_id uuid, page_size integer, after text default null) returns jsonb
language plpgsql stable security definer set search_path = '' as $$
declare
  tenant constant uuid := private.tenant_id();
  contact public.contacts;
  place jsonb;
  before_at timestamptz := 'infinity';
  before_id uuid := '00000000-0000-0000-0000-000000000000';
  sees_messages constant boolean := private.has_permission('messages.view');
  sees_campaigns constant boolean := private.has_permission('broadcasts.view');
begin
  select c.* into contact from public.contacts c where c.id = list_contact_timeline.contact_id and c.tenant_id = tenant;
  if contact.id is null or not private.sees_contact(contact) then
    return null;
  end if;
  if after is not null then
    begin
      place := convert_from(decode(after, 'base64'), 'UTF8')::jsonb;
      before_at := (place ->> 'at')::timestamptz;
      before_id := (place ->> 'id')::uuid;
    exception when others then
      raise sqlstate 'PT422' using message = 'This is not a cursor of this list.', detail = 'invalid_field', hint = 'cursor';
    end;
  end if;

  return (
    with threads as materialized (
      select v.id, v.session_id from public.conversations v
      where v.contact_id = contact.id and v.tenant_id = tenant and private.sees_assigned_to(v.assigned_to)
    ),
    events as (
      select m.*
      from threads t
      cross join lateral (
        select o.occurred_at as at, o.id,
          case when o.metadata ? 'broadcast_campaign_id' then 'campaign' else 'message' end as kind,
          jsonb_build_object(
            'conversation_id', o.conversation_id, 'session_id', o.session_id, 'direction', o.direction, 'type', o.type,
            'status', o.status, 'content', left(case when o.revoked_at is null then o.content end, 500),
            'delivered_at', o.delivered_at, 'read_at', o.read_at
          ) || case when o.metadata ? 'broadcast_campaign_id' then jsonb_build_object(
            'campaign_id', o.metadata -> 'broadcast_campaign_id',
            'campaign_name', (
              select k.name from public.broadcast_campaigns k
              where k.id = (o.metadata ->> 'broadcast_campaign_id')::uuid and sees_campaigns
            ),
            'replied_at', (select r.replied_at from public.broadcast_recipients r where r.message_id = o.id)
          ) else '{}' end as details
        from public.messages o
        where o.conversation_id = t.id and o.tenant_id = tenant and sees_messages
          and (o.occurred_at, o.id) < (before_at, before_id)
          and o.occurred_at <= before_at
          and (o.target_message_id is null or private.is_shown_separately(o.session_id, o.target_message_id))
        order by o.occurred_at desc, o.id desc
        limit page_size + 1
      ) m
      union all
      select e.*
      from threads t
      cross join lateral (
        select o.occurred_at as at, o.id, 'event' as kind, jsonb_build_object(
          'conversation_id', o.conversation_id, 'event', o.kind, 'actor_id', o.actor_id,
          'actor_name', (
            select nullif(p.display_name, '') from public.profiles p
            where p.user_id = o.actor_id and p.tenant_id = o.tenant_id
          )
        ) || jsonb_strip_nulls(o.details) as details
        from public.conversation_events o
        where o.conversation_id = t.id and o.tenant_id = tenant and (o.occurred_at, o.id) < (before_at, before_id)
        order by o.occurred_at desc, o.id desc
        limit page_size + 1
      ) e
      union all
      select k.occurred_at, k.id, 'consent', jsonb_build_object('state', k.state, 'source', k.source, 'note', k.proof -> 'note')
      from public.contact_consents k
      where k.contact_id = contact.id and k.tenant_id = tenant and (k.occurred_at, k.id) < (before_at, before_id)
      union all
      select n.at, n.id, 'note', n.details
      from (
        select n.created_at as at, n.id, private.contact_note_json(n) - 'id' - 'created_at' as details
        from public.contact_notes n
        where n.contact_id = contact.id and n.tenant_id = tenant and private.has_permission('notes.view')
          and (n.created_at, n.id) < (before_at, before_id)
        order by n.created_at desc, n.id desc
        limit page_size + 1
      ) n
      union all
      select a.at, a.id, 'change', a.details
      from (
        select l.occurred_at as at, md5(l.id::text)::uuid as id, jsonb_build_object(
          'action', l.action, 'actor_name', l.actor_name,
          'fields', (select jsonb_agg(f order by f) from jsonb_object_keys(coalesce(l.after, '{}')) f where l.action = 'contacts.updated')
        ) as details
        from public.audit_logs l
        where l.tenant_id = tenant and l.entity = 'contacts' and l.entity_id = contact.id::text and l.actor_type <> 'system'
          -- consent entries already show changes of consent
          and (l.action <> 'contacts.updated' or l.after - '{marketing_opted_out_at,updated_at}'::text[] <> '{}')
          and (l.occurred_at, md5(l.id::text)::uuid) < (before_at, before_id)
        order by l.occurred_at desc, md5(l.id::text)::uuid desc
        limit page_size + 1
      ) a
    ),
    shown as (
      select e.*, row_number() over (order by e.at desc, e.id desc) as nth from events e
      order by e.at desc, e.id desc limit page_size + 1
    )
    select jsonb_build_object(
      'next_cursor', (
        select translate(encode(convert_to(jsonb_build_object('at', s.at, 'id', s.id)::text, 'UTF8'), 'base64'), E'\n', '')
        from shown s where s.nth = page_size and (select count(*) from shown) > page_size
      ),
      'rows', coalesce(jsonb_agg(jsonb_build_object('id', s.id, 'kind', s.kind, 'at', s.at, 'details', s.details) order by s.nth)
        filter (where s.nth <= page_size), '[]')
    )
    from shown s
  );
end;
$$;

create function private.announce_contact_field() returns trigger
language plpgsql set search_path = '' as $$
declare
  field constant public.contact_fields := case tg_op when 'DELETE' then old else new end;
begin
  if exists (select 1 from public.tenants t where t.id = field.tenant_id) then
    perform private.record_and_broadcast(
      field.tenant_id, 'contacts', null,
      'contact_field.' || case tg_op when 'INSERT' then 'created' when 'UPDATE' then 'updated' else 'deleted' end,
      case tg_op when 'DELETE' then jsonb_build_object('id', field.id) else private.contact_field_json(field) end
    );
  end if;
  return null;
end;
$$;

create function private.live_contact_field(id uuid) returns jsonb
language sql stable set search_path = '' as $$
  select private.contact_field_json(f) from public.contact_fields f where f.id = live_contact_field.id;
$$;

-- All forms of a number in recipient lists and campaigns, from its key.
create function private.phone_forms(phone_key text) returns text[]
language sql immutable strict parallel safe set search_path = '' as $$
  select array_remove(array[
    phone_key,
    case when phone_key ~ '^55[0-9]{10}$' then left(phone_key, 4) || '9' || substr(phone_key, 5) end,
    case when phone_key ~ '^52[0-9]{10}$' then '521' || substr(phone_key, 3) end,
    case when phone_key ~ '^54[0-9]{10}$' then '549' || substr(phone_key, 3) end,
    case when phone_key ~ '^628[0-9]{7,12}$' then '620' || substr(phone_key, 3) end
  ], null);
$$;

-- Adds Indonesia's country code to digits that have none, as WhatsApp writes numbers.
create function private.with_country_code(digits text) returns text
language sql immutable strict parallel safe set search_path = '' as $$
  select case
    when digits ~ '^00[1-9]' then substr(digits, 3)
    when digits ~ '^0[1-9]' then '62' || substr(digits, 2)
    else digits
  end;
$$;

-- A pattern by which the index finds contacts whose name, address or number contains the text. It is null for texts
-- with other characters than plain letters, because the stored words may differ, and for one or two letters, which
-- match too many.
create function private.indexed_words(plain text) returns text
language sql immutable strict parallel safe set search_path = '' as $$
  select case
    when char_length(plain) >= 3 and octet_length(plain) = char_length(plain)
      then format(' and c.search_words like %L', '%' || regexp_replace(plain, '([\\%_])', '\\\1', 'g') || '%')
    else ''
  end;
$$;

-- Converts a value to the type of another field; null if it does not fit.
create function private.field_value_as(type text, choices text[], value jsonb) returns jsonb
language sql immutable parallel safe set search_path = '' as $$
  select case
    when private.is_field_value(type, choices, value) then value
    when type in ('text', 'choice') and jsonb_typeof(value) <> 'string' then (
      select t from to_jsonb(left(value #>> '{}', 1000)) t where private.is_field_value(type, choices, t)
    )
    when jsonb_typeof(value) <> 'string' then null
    when type = 'number' and value #>> '{}' ~ '^-?[0-9]{1,30}(\.[0-9]{1,10})?$' then to_jsonb((value #>> '{}')::numeric)
    when type = 'boolean' and value #>> '{}' in ('true', 'false') then (value #>> '{}')::jsonb
  end;
$$;

-- A pattern that matches both forms of a whole phone number; other digits are returned unchanged.
create function private.written_number(digits text) returns text
language sql immutable parallel safe set search_path = '' as $$
  select case
    when digits ~ '^55[1-9][0-9]9?[6-9][0-9]{7}$' then left(digits, 4) || '%' || right(digits, 8)
    when digits ~ '^521?[0-9]{10}$' then '52%' || right(digits, 10)
    when digits ~ '^549?[0-9]{10}$' then '54%' || right(digits, 10)
    when digits ~ '^6208[0-9]+$' then '62' || substr(digits, 4)
    else digits
  end;
$$;

create index contacts_name_idx on public.contacts (
  tenant_id, (private.contact_sort_name(name, profile_name, username, wa_id) collate "C"), id
) where erased_at is null;
create index contacts_tail_idx on public.contacts (tenant_id, private.phone_tail(wa_id)) where wa_id is not null and erased_at is null;

create trigger touch_updated_at before update on public.contacts
  for each row execute function private.touch_updated_at();
create trigger touch_updated_at before update on public.contact_fields
  for each row execute function private.touch_updated_at();
create trigger announce_created after insert on public.contacts
  referencing new table as after for each statement execute function private.announce_contacts();
create trigger announce_updated after update on public.contacts
  referencing old table as before new table as after for each statement execute function private.announce_contacts();
create trigger announce_deleted after delete on public.contacts
  referencing old table as before for each statement execute function private.announce_deleted_contacts();
create trigger announce_note after insert or delete on public.contact_notes
  for each row execute function private.announce_contact_note();
create trigger announce_contact_field after insert or update or delete on public.contact_fields
  for each row execute function private.announce_contact_field();

-- Changes are written to the audit log.
select private.audit_table('contact_fields', 'id');
select private.audit_table('contacts', 'id', '-search_words');
select private.audit_table('contact_notes', 'id');

alter table public.contacts enable row level security;
alter table public.contact_fields enable row level security;
alter table public.contact_notes enable row level security;

-- people who see any contact may read the definitions of the fields
create policy "people read the fields of contacts" on public.contact_fields for select to authenticated
  using (
    tenant_id = (select private.tenant_id())
    and ((select private.has_permission('contacts.view')) or (select private.has_permission('conversations.view')))
  );
create policy "permitted people read notes of contacts they may see" on public.contact_notes
  for select to authenticated
  using (
    tenant_id = (select private.tenant_id())
    and (select private.has_permission('notes.view'))
    and exists (select 1 from public.contacts c where c.id = contact_notes.contact_id)
  );

grant select on public.contacts, public.contact_fields, public.contact_notes to authenticated;

grant execute on function
  private.phone_key(text),
  public.list_contacts(jsonb, text, integer, integer, text, boolean),
  public.get_contact(uuid),
  private.contact_field_json(public.contact_fields),
  public.list_contact_fields(),
  public.create_contact_field(jsonb),
  public.update_contact_field(uuid, jsonb),
  public.delete_contact_field(uuid),
  public.create_contact(jsonb),
  public.update_contact(uuid, jsonb, timestamptz),
  public.change_contacts(uuid[], jsonb, text, jsonb, boolean, bigint),
  public.list_contact_notes(uuid, integer, integer),
  public.create_contact_note(uuid, text),
  public.delete_contact_note(uuid, uuid),
  public.block_contact(uuid, boolean),
  public.list_contact_timeline(uuid, integer, text),
  private.live_contact_field(uuid)
to authenticated;
