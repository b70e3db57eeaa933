-- Segments: saved filters of contacts. Their contacts are counted on request.
--
-- A filter is a tree in JSON:
--   {"all": [filter, …]}, {"any": [filter, …]}, {"not": filter}
--   {"field": …, "op": …, "value": …}
--   {"campaign": id, "did": "received" | "delivered" | "read" | "replied" | "failed", "within_days"?: n}
-- The functions below translate it into a condition made of fixed parts. Values of the filter are checked for their
-- type and then quoted. Texts use the index of words. Phone numbers match in their domestic spelling as well. Campaign
-- events under a former number count for the same person. Out-of-range times are accepted.

create table public.segments (
  id uuid primary key default gen_random_uuid(),
  tenant_id uuid not null references public.tenants (id) on delete cascade,
  name text not null check (char_length(name) between 1 and 100 and name = trim(name) and private.is_visible(name)),
  description text not null default '' check (char_length(description) <= 500),
  filter jsonb not null check (jsonb_typeof(filter) = 'object' and octet_length(filter::text) <= 100000),
  created_by uuid,
  created_at timestamptz not null default now(),
  updated_at timestamptz not null default now(),
  unique (id, tenant_id),
  foreign key (created_by, tenant_id) references public.profiles (user_id, tenant_id) on delete set null (created_by)
);
create unique index segments_name_idx on public.segments (tenant_id, lower(name));
create index segments_created_by_idx on public.segments (created_by, tenant_id) where created_by is not null;

-- Foreign keys of earlier tables.
alter table public.broadcast_campaigns add constraint broadcast_campaigns_segment_fkey
  foreign key (segment_id, tenant_id)
    references public.segments (id, tenant_id) on delete set null (segment_id);

create function private.refuse_filter(path text, problem text) returns void
language plpgsql immutable set search_path = '' as $$
begin
  raise sqlstate 'PT422' using message = problem, detail = 'invalid_filter', hint = path;
end;
$$;

-- The texts of a filter's value: one, or a list for `one_of`.
create function private.filter_texts(value jsonb, many boolean, path text) returns text[]
language plpgsql immutable set search_path = '' as $$
declare
  texts text[];
begin
  if many then
    if jsonb_typeof(value) is distinct from 'array' or jsonb_array_length(value) not between 1 and 100 then
      perform private.refuse_filter(path, 'A list of 1 to 100 values is needed here.');
    end if;
    if jsonb_path_exists(value, 'strict $[*] ? (@.type() != "string")') then
      perform private.refuse_filter(path, 'Only texts may be listed here.');
    end if;
    texts := array(select jsonb_array_elements_text(value));
  else
    if jsonb_typeof(value) is distinct from 'string' then
      perform private.refuse_filter(path, 'A text is needed here.');
    end if;
    texts := array[value #>> '{}'];
  end if;
  if exists (select 1 from unnest(texts) t where char_length(t) not between 1 and 200) then
    perform private.refuse_filter(path, 'A text has 1 to 200 characters.');
  end if;
  return texts;
end;
$$;

-- Parses a time with an offset, or a day that begins at midnight of the tenant. `day_after` returns the end of the day.
create function private.filter_moment(value jsonb, zone text, day_after boolean, path text) returns timestamptz
language plpgsql stable set search_path = '' as $$
declare
  typed constant text := case jsonb_typeof(value) when 'string' then value #>> '{}' end;
begin
  if typed ~ '^[0-9]{4}-[0-9]{2}-[0-9]{2}$' then
    return (typed::date + day_after::integer)::timestamp at time zone zone;
  elsif typed ~ '^[0-9]{4}-[0-9]{2}-[0-9]{2}T[0-9]{2}:[0-9]{2}(:[0-9]{2}(\.[0-9]{1,6})?)?(Z|[+-][0-9]{2}:[0-9]{2})$' then
    return typed::timestamptz;
  end if;
  perform private.refuse_filter(path, 'A day (2026-01-31) or a moment with its offset is needed here.');
exception when datetime_field_overflow or invalid_datetime_format or invalid_time_zone_displacement_value then
  perform private.refuse_filter(path, 'There is no such day or moment.');
end;
$$;

create function private.filter_days(value jsonb, path text) returns integer
language plpgsql immutable set search_path = '' as $$
begin
  if jsonb_typeof(value) is distinct from 'number' or value::text !~ '^[0-9]{1,4}$' or value::text::integer > 3650 then
    perform private.refuse_filter(path, 'A whole number of days from 0 to 3650 is needed here.');
  end if;
  return value::text::integer;
end;
$$;

-- Checks ids that a filter names against the tenant's rows. Returns them as literals, separated by commas.
create function private.filter_ids(tenant uuid, kind text, value jsonb, many boolean, path text) returns text
language plpgsql stable set search_path = '' as $$
declare
  texts constant text[] := private.filter_texts(value, many, path);
  ids uuid[];
  known integer;
begin
  if exists (
    select 1 from unnest(texts) t
    where t !~* '^[0-9a-f]{8}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{12}$'
  ) then
    perform private.refuse_filter(path, 'An id is needed here.');
  end if;
  ids := array(select distinct t::uuid from unnest(texts) t);
  case kind
    when 'person' then
      select count(*) into known from public.profiles p where p.user_id = any (ids) and p.tenant_id = tenant;
    when 'number' then
      select count(*) into known from public.whatsapp_sessions s where s.id = any (ids) and s.tenant_id = tenant;
    when 'label' then
      select count(*) into known from public.labels l where l.id = any (ids) and l.tenant_id = tenant;
    when 'campaign' then
      select count(*) into known from public.broadcast_campaigns k where k.id = any (ids) and k.tenant_id = tenant;
  end case;
  if known <> cardinality(ids) then
    perform private.refuse_filter(path, case kind
      when 'person' then 'There is no such person.' when 'number' then 'There is no such number.'
      when 'label' then 'There is no such label.' else 'There is no such campaign.' end);
  end if;
  return (select string_agg(format('%L::uuid', i), ', ' order by i) from unnest(ids) i);
end;
$$;

create function private.filter_literals(texts text[]) returns text
language sql immutable set search_path = '' as $$
  select string_agg(format('%L', t), ', ') from unnest(texts) t;
$$;

-- A case-insensitive comparison of texts. `x` is one of the expressions below, never text of the filter.
create function private.text_condition(x text, op text, value jsonb, path text) returns text
language plpgsql immutable set search_path = '' as $$
declare
  texts text[];
begin
  if op not in ('is', 'is_not', 'contains', 'starts_with', 'one_of') then
    return null;
  end if;
  texts := private.filter_texts(value, op = 'one_of', path);
  texts := array(select lower(t) from unnest(texts) t);
  return case op
    when 'contains' then format('strpos(lower(%s), %L) > 0', x, texts[1])
    when 'starts_with' then format('starts_with(lower(%s), %L)', x, texts[1])
    when 'is_not' then format('(lower(%s) = %L) is not true', x, texts[1])
    else format('lower(%s) in (%s)', x, private.filter_literals(texts))
  end;
end;
$$;

-- A comparison of times, for values that a contact has once.
create function private.moment_condition(x text, op text, value jsonb, zone text, path text) returns text
language plpgsql stable set search_path = '' as $$
begin
  return case op
    when 'before' then format('%s < %L::timestamptz', x, private.filter_moment(value, zone, false, path))
    when 'after' then format('%s >= %L::timestamptz', x, private.filter_moment(value, zone, true, path))
    when 'more_than_days_ago'
      then format('%s < now() - %L::interval', x, make_interval(days => private.filter_days(value, path)))
    when 'within_days'
      then format('%s >= now() - %L::interval', x, make_interval(days => private.filter_days(value, path)))
  end;
end;
$$;

-- A comparison of a contact field that the tenant defined, by its type.
create function private.custom_condition(tenant uuid, key text, op text, value jsonb, zone text, path text) returns text
language plpgsql stable set search_path = '' as $$
declare
  field public.contact_fields;
  x text;
  day text;
  today constant text := format('(now() at time zone %L)::date', zone);
begin
  select f.* into field from public.contact_fields f where f.tenant_id = tenant and f.key = custom_condition.key;
  if not found then
    perform private.refuse_filter(path || '.field', 'There is no such field of contacts.');
  end if;
  x := format('nullif(c.custom_fields ->> %L, '''')', field.key);
  if op = 'is_set' then
    return x || ' is not null';
  elsif op = 'is_not_set' then
    return x || ' is null';
  end if;

  case field.type
    when 'number' then
      if op in ('is', 'is_not', 'greater_than', 'less_than') then
        if jsonb_typeof(value) is distinct from 'number' or char_length(value::text) > 40 then
          perform private.refuse_filter(path || '.value', 'A number is needed here.');
        end if;
        x := format('(case when jsonb_typeof(c.custom_fields -> %1$L) = ''number'' then (c.custom_fields ->> %1$L)::numeric end)',
          field.key);
        return case op
          when 'is' then format('(%s = %L::numeric and c.custom_fields @> %L::jsonb and c.custom_fields <> ''{}'')',
            x, value::text, jsonb_build_object(field.key, value))
          when 'is_not' then format('(%s = %L::numeric) is not true', x, value::text)
          when 'greater_than' then format('%s > %L::numeric', x, value::text)
          else format('%s < %L::numeric', x, value::text)
        end;
      end if;
    when 'boolean' then
      if op in ('is', 'is_not') then
        if jsonb_typeof(value) is distinct from 'boolean' then
          perform private.refuse_filter(path || '.value', 'True or false is needed here.');
        end if;
        return format(
          case op when 'is' then '(c.custom_fields @> %L::jsonb and c.custom_fields <> ''{}'')'
            else 'not c.custom_fields @> %L::jsonb' end,
          jsonb_build_object(field.key, value)
        );
      end if;
    when 'date' then
      -- dates compare correctly as texts, and a text that is no date does no harm
      x := x || ' collate "C"';
      if op in ('is', 'is_not', 'before', 'after') then
        if jsonb_typeof(value) is distinct from 'string' or value #>> '{}' !~ '^[0-9]{4}-[0-9]{2}-[0-9]{2}$' then
          perform private.refuse_filter(path || '.value', 'A day (2026-01-31) is needed here.');
        end if;
        perform private.filter_moment(value, zone, false, path || '.value');
        day := value #>> '{}';
        return case op
          when 'is' then format('%s = %L', x, day)
          when 'is_not' then format('(%s = %L) is not true', x, day)
          when 'before' then format('%s < %L', x, day)
          else format('%s > %L', x, day)
        end;
      elsif op = 'more_than_days_ago' then
        return format('%s < (%s - %s)::text', x, today, private.filter_days(value, path || '.value'));
      elsif op = 'within_days' then
        return format('%1$s >= (%2$s - %3$s)::text and %1$s <= %2$s::text', x, today,
          private.filter_days(value, path || '.value'));
      end if;
    when 'choice' then
      if op in ('is', 'is_not', 'one_of') then
        return case op
          when 'is_not' then format('not c.custom_fields @> %L::jsonb', jsonb_build_object(
            field.key, (private.filter_texts(value, false, path || '.value'))[1]
          ))
          else (
            select format('(c.custom_fields <> ''{}'' and (%s))', string_agg(
              format('c.custom_fields @> %L::jsonb', jsonb_build_object(field.key, t)), ' or '
            ))
            from unnest(private.filter_texts(value, op = 'one_of', path || '.value')) t
          )
        end;
      end if;
    else
      return private.text_condition(x, op, value, path || '.value');
  end case;
  return null;
end;
$$;

-- A comparison of a contact's conversations. Their latest message is the latest of all of them.
create function private.conversation_condition(
  tenant uuid, field text, op text, value jsonb, zone text, path text, out condition text
)
language plpgsql stable set search_path = '' as $$
declare
  has constant text := format(
    'exists (select 1 from public.conversations v where v.contact_id = c.id and v.tenant_id = %L::uuid and ', tenant
  );
  texts text[];
  kind text;
begin
  if field in ('last_message_at', 'last_inbound_at') then
    field := 'v.' || field;
    condition := case op
      when 'is_set' then has || field || ' is not null)'
      when 'is_not_set' then 'not ' || has || field || ' is not null)'
      when 'after' then has || private.moment_condition(field, op, value, zone, path) || ')'
      when 'within_days' then has || private.moment_condition(field, op, value, zone, path) || ')'
      when 'before' then format('(%1$s%2$s is not null) and not %1$s%2$s >= %3$L::timestamptz))',
        has, field, private.filter_moment(value, zone, false, path))
      when 'more_than_days_ago' then format('(%1$s%2$s is not null) and not %1$s%2$s >= now() - %3$L::interval))',
        has, field, make_interval(days => private.filter_days(value, path)))
    end;
  elsif field = 'conversation_status' then
    if op in ('is', 'is_not', 'one_of') then
      texts := private.filter_texts(value, op = 'one_of', path);
      if not texts <@ '{open,pending,snoozed,resolved}'::text[] then
        perform private.refuse_filter(path, 'A conversation is open, pending, snoozed or resolved.');
      end if;
      condition := case op when 'is_not' then 'not ' else '' end || has
        || format('v.status in (%s))', private.filter_literals(texts));
    end if;
  else
    kind := case field when 'assigned_to' then 'person' else 'number' end;
    field := 'v.' || field;
    if op in ('is', 'is_not', 'one_of') then
      condition := case op when 'is_not' then 'not ' else '' end || has || field
        || format(' in (%s))', private.filter_ids(tenant, kind, value, op = 'one_of', path));
    elsif op in ('is_set', 'is_not_set') and kind = 'person' then
      condition := case op when 'is_not_set' then 'not ' else '' end || has || field || ' is not null)';
    end if;
  end if;
end;
$$;

-- The condition of one comparison; null if the field does not support the operator.
create function private.field_condition(tenant uuid, field text, op text, value jsonb, zone text, path text) returns text
language plpgsql stable set search_path = '' as $$
declare
  at constant text := path || '.value';
  -- truncated like the expression of the index
  name constant text := 'nullif(left(coalesce(c.name, c.profile_name), 500), '''')';
  texts text[];
  written text[];
begin
  if field like 'custom.%' then
    return private.custom_condition(tenant, substr(field, 8), op, value, zone, path);
  end if;
  case field
    when 'name', 'email' then
      return case op
        when 'is_set' then case field when 'name' then name else 'c.email' end || ' is not null'
        when 'is_not_set' then case field when 'name' then name else 'c.email' end || ' is null'
        else private.text_condition(case field when 'name' then name else 'c.email' end, op, value, at)
          || case when op in ('is', 'contains', 'starts_with') then private.indexed_words(lower(value #>> '{}')) else '' end
      end;
    when 'phone_number' then
      if op in ('is_set', 'is_not_set') then
        return case op when 'is_set' then 'c.wa_id is not null' else 'c.wa_id is null' end;
      elsif op in ('is', 'is_not', 'one_of', 'contains', 'starts_with') then
        texts := array(
          select regexp_replace(t, '[-+ ().]', '', 'g') from unnest(private.filter_texts(value, op = 'one_of', at)) t
        );
        if exists (select 1 from unnest(texts) t where t !~ '^[0-9]{1,20}$') then
          perform private.refuse_filter(at, 'A phone number consists of digits.');
        end if;
        written := texts;
        texts := array(select private.with_country_code(t) from unnest(texts) t);
        return case op
          when 'contains' then format('(strpos(c.wa_id, %L) > 0%s', written[1], private.indexed_words(written[1])) || case
            when texts <> written
              then format(' or starts_with(c.wa_id, %L)%s', texts[1], private.indexed_words(texts[1])) else ''
          end || ')'
          when 'starts_with' then format('starts_with(c.wa_id, %L)%s', texts[1], private.indexed_words(texts[1]))
          when 'is_not' then format('c.phone_key is distinct from %L', private.phone_key(texts[1]))
          else format('c.phone_key in (%s)', private.filter_literals(array(
            select private.phone_key(t) from unnest(texts) t
          )))
        end;
      end if;
    when 'language' then
      if op in ('is_set', 'is_not_set') then
        return case op when 'is_set' then 'c.language is not null' else 'c.language is null' end;
      elsif op in ('is', 'is_not', 'one_of') then
        return private.text_condition('c.language', op, value, at);
      end if;
    when 'country' then
      if op in ('is', 'is_not', 'one_of') then
        texts := private.filter_texts(value, op = 'one_of', at);
        if exists (
          select 1 from unnest(texts) t where not exists (select 1 from public.calling_codes k where k.country = t)
        ) then
          perform private.refuse_filter(at, 'A country is named by two capital letters, like ID.');
        end if;
        -- the longest calling code decides
        return format(case op when 'is_not' then '(%s) is not true' else '(%s)' end, (
          select string_agg(format('(starts_with(c.wa_id, %L)%s)', k.prefix, coalesce((
            select string_agg(format(' and not starts_with(c.wa_id, %L)', o.prefix), '')
            from public.calling_codes o
            where o.prefix <> k.prefix and starts_with(o.prefix, k.prefix) and o.country <> all (texts)
          ), '')), ' or ')
          from public.calling_codes k where k.country = any (texts)
        ));
      end if;
    when 'tags' then
      if op in ('is_set', 'is_not_set') then
        return case op when 'is_set' then 'c.tags <> ''{}''' else 'c.tags = ''{}''' end;
      elsif op in ('has', 'has_not', 'one_of') then
        texts := private.filter_texts(value, op = 'one_of', at);
        return case op
          when 'has_not' then format('not c.tags && %L::text[]', texts)
          -- the index contains only contacts with tags
          else format('(c.tags && %L::text[] and c.tags <> ''{}'')', texts)
        end;
      end if;
    when 'owner_id' then
      if op in ('is_set', 'is_not_set') then
        return case op when 'is_set' then 'c.owner_id is not null' else 'c.owner_id is null' end;
      elsif op in ('is', 'is_not', 'one_of') then
        return format(
          case op when 'is_not' then '(c.owner_id in (%s)) is not true' else 'c.owner_id in (%s)' end,
          private.filter_ids(tenant, 'person', value, op = 'one_of', at)
        );
      end if;
    when 'created_at' then
      return private.moment_condition('c.created_at', op, value, zone, at);
    when 'opted_out', 'blocked' then
      if op = 'is' then
        if jsonb_typeof(value) is distinct from 'boolean' then
          perform private.refuse_filter(at, 'True or false is needed here.');
        end if;
        return format(
          case field when 'blocked' then 'c.blocked_at is %s null' else 'c.marketing_opted_out_at is %s null' end,
          case when value::boolean then 'not' else '' end
        );
      end if;
    when 'label' then
      if op in ('has', 'has_not', 'one_of') then
        return case op when 'has_not' then 'not ' else '' end || format(
          'exists (select 1 from public.contact_labels l where l.contact_id = c.id and l.tenant_id = %L::uuid and l.label_id in (%s))',
          tenant, private.filter_ids(tenant, 'label', value, op = 'one_of', at)
        );
      end if;
    when 'last_message_at', 'last_inbound_at', 'conversation_status', 'assigned_to', 'session_id' then
      return private.conversation_condition(tenant, field, op, value, zone, at);
    else
      perform private.refuse_filter(path || '.field', 'There is no such field.');
  end case;
  return null;
end;
$$;

-- A comparison of the events of a campaign's recipient, under any of the contact's numbers.
create function private.campaign_condition(tenant uuid, node jsonb, path text) returns text
language plpgsql stable set search_path = '' as $$
declare
  campaign text;
  recipient_condition text;
  done text;
  did constant text := case jsonb_typeof(node -> 'did') when 'string' then node ->> 'did' end;
  since text := '';
begin
  if did is null or did not in ('received', 'delivered', 'read', 'replied', 'failed') then
    perform private.refuse_filter(path || '.did', 'Known are received, delivered, read, replied and failed.');
  end if;
  if node ? 'within_days' then
    since := format(
      case did
        when 'received' then ' and coalesce(r.sent_at, r.delivered_at, r.read_at)'
        when 'delivered' then ' and coalesce(r.delivered_at, r.read_at)'
        when 'read' then ' and r.read_at'
        when 'replied' then ' and r.replied_at'
        else ' and r.failed_at'
      end || ' >= now() - %L::interval',
      make_interval(days => private.filter_days(node -> 'within_days', path || '.within_days'))
    );
  end if;
  campaign := private.filter_ids(tenant, 'campaign', node -> 'campaign', false, path || '.campaign');
  recipient_condition := format('r.campaign_id = %s and r.tenant_id = %L::uuid', campaign, tenant);
  done := case did
    when 'received' then $q$r.status in ('sent', 'delivered', 'read')$q$
    when 'delivered' then $q$r.status in ('delivered', 'read')$q$
    when 'read' then $q$r.status = 'read'$q$
    when 'replied' then 'r.replied_at is not null'
    else $q$r.status = 'failed'$q$
  end || since;
  return format(
    'c.id in (select k.id from public.broadcast_recipients r join public.contacts k on k.tenant_id = %3$L::uuid'
      -- numbers with several forms are few, and computing their key is expensive
      || ' and k.phone_key = case when r.wa_id ~ ''^(5[245]|620)'' then private.phone_key(r.wa_id) else r.wa_id end'
      || ' where %1$s and %2$s'
      -- events under a number that the contact had at that time
      || ' union all select f.contact_id from private.former_identities f'
      || ' where f.tenant_id = %3$L::uuid and f.phone_key is not null and exists (select 1 from public.broadcast_recipients r'
      || ' where %1$s and %2$s and r.wa_id = any (private.phone_forms(f.phone_key)) and r.created_at <= f.until))',
    recipient_condition, done, tenant
  );
end;
$$;

-- Translates a filter into a condition on a contact `c` and counts its comparisons. Null counts as false. Unknown parts
-- are refused with their path.
create function private.segment_condition(
  tenant uuid, zone text, node jsonb, path text, depth integer, inout leaves integer, out condition text
)
language plpgsql stable set search_path = '' as $$
declare
  kinds constant text[] := array(select k from jsonb_object_keys(
    case jsonb_typeof(node) when 'object' then node else '{}' end
  ) k order by k);
  word text;
  part record;
  parts text[] := '{}';
  element jsonb;
  nth integer := 0;
begin
  if kinds in ('{all}', '{any}', '{not}') then
    if depth > 5 then
      perform private.refuse_filter(path, 'A filter has at most 5 levels.');
    end if;
    word := kinds[1];
    if word = 'not' then
      select * into part
      from private.segment_condition(tenant, zone, node -> 'not', path || '.not', depth + 1, leaves);
      leaves := part.leaves;
      condition := format('((%s) is not true)', part.condition);
      return;
    end if;
    if jsonb_typeof(node -> word) <> 'array' or jsonb_array_length(node -> word) not between 1 and 50 then
      perform private.refuse_filter(path || '.' || word, 'A list of 1 to 50 filters is needed here.');
    end if;
    for element in select e from jsonb_array_elements(node -> word) e loop
      select * into part from private.segment_condition(
        tenant, zone, element, format('%s.%s[%s]', path, word, nth), depth + 1, leaves
      );
      leaves := part.leaves;
      parts := parts || part.condition;
      nth := nth + 1;
    end loop;
    condition := '(' || array_to_string(parts, case word when 'all' then ' and ' else ' or ' end) || ')';
    return;
  end if;

  leaves := leaves + 1;
  if leaves > 50 then
    perform private.refuse_filter(path, 'A filter has at most 50 comparisons.');
  end if;
  if 'campaign' = any (kinds) and kinds <@ '{campaign,did,within_days}' then
    condition := private.campaign_condition(tenant, node, path);
  elsif 'field' = any (kinds) and kinds <@ '{field,op,value}' then
    if jsonb_typeof(node -> 'field') <> 'string' then
      perform private.refuse_filter(path || '.field', 'A text is needed here.');
    elsif jsonb_typeof(node -> 'op') is distinct from 'string' then
      perform private.refuse_filter(path || '.op', 'A text is needed here.');
    elsif node ->> 'op' in ('is_set', 'is_not_set') and node ? 'value' then
      perform private.refuse_filter(path || '.value', 'This comparison takes no value.');
    end if;
    condition := private.field_condition(tenant, node ->> 'field', node ->> 'op', node -> 'value', zone, path);
    if condition is null then
      perform private.refuse_filter(path || '.op', 'This field cannot be compared like that.');
    end if;
    condition := '(' || condition || ')';
  else
    perform private.refuse_filter(path,
      'A filter is a group of filters (all, any, not), a comparison (field, op, value), or a campaign event (campaign, did).');
  end if;
end;
$$;

-- The condition of a whole filter of a tenant.
create function private.filter_condition(tenant uuid, filter jsonb, path text) returns text
language sql stable set search_path = '' as $$
  select s.condition
  from public.tenants t
  cross join lateral private.segment_condition(t.id, t.timezone, filter, path, 1, 0) s
  where t.id = tenant;
$$;

-- The number of the tenant's contacts that match a filter and that the caller may see. `sample`: how many of the newest
-- to return.
create function private.count_segment(tenant uuid, filter jsonb, path text, sample integer, out contact_count integer, out contacts jsonb)
language plpgsql stable set search_path = '' as $$
declare
  condition constant text := private.filter_condition(tenant, filter, path) || case
    when private.has_permission('contacts.view') then ''
    else ' and exists (select 1 from public.conversations v where v.contact_id = c.id and v.tenant_id = $1
      and private.sees_customer_of(v))' end;
begin
  execute 'select count(*)::integer from public.contacts c where c.tenant_id = $1 and c.erased_at is null and ' || condition
    into contact_count using tenant;
  contacts := '[]';
  if sample > 0 and contact_count > 0 then
    -- a small result is sorted whole; a large one is found among the newest contacts
    execute 'select jsonb_agg(to_jsonb(s)) from (
        select c.id, coalesce(c.name, c.profile_name) as name, ''+'' || c.wa_id as phone_number, c.email, c.tags, c.created_at
        from (
          select c.* from public.contacts c where c.tenant_id = $1 and c.erased_at is null and ' || condition
          || case when contact_count <= 2000 then ' offset 0' else '' end || '
        ) c
        order by c.created_at desc, c.id desc limit $2
      ) s'
      into contacts using tenant, sample;
  end if;
end;
$$;

-- A segment with its count. If the filter refers to something that was deleted, `problem` names the place and there is
-- no count.
create function private.segment_json(s public.segments, counted boolean) returns jsonb
language plpgsql stable set search_path = '' as $$
declare
  members integer;
  words text;
  place text;
begin
  if counted then
    begin
      select c.contact_count into members from private.count_segment(s.tenant_id, s.filter, 'filter', 0) c;
    exception when sqlstate 'PT422' then
      get stacked diagnostics words = message_text, place = pg_exception_hint;
    end;
  end if;
  return jsonb_build_object(
    'id', s.id, 'name', s.name, 'description', s.description, 'filter', s.filter, 'created_by', s.created_by,
    'created_at', s.created_at, 'updated_at', s.updated_at
  ) || case when counted then jsonb_build_object(
    'contact_count', members,
    'problem', case when words is not null then jsonb_build_object('field', place, 'message', words) end
  ) else '{}' end;
end;
$$;

-- Security definer: clients have no right to call `private.segment_json`.
create function public.list_segments(search text, page integer, page_size integer, counted boolean default true)
returns jsonb
language plpgsql stable security definer set search_path = '' as $$
begin
  perform private.require('segments.view');
  return (
    with found_segments as (
      select s from public.segments s
      where s.tenant_id = private.tenant_id()
        and (list_segments.search is null or strpos(lower(s.name), lower(list_segments.search)) > 0)
    )
    select jsonb_build_object(
      'total', (select count(*) from found_segments),
      'rows', coalesce((
        select jsonb_agg(private.segment_json(p.s, counted) order by lower((p.s).name), (p.s).id)
        from (
          select f.s from found_segments f order by lower((f.s).name), (f.s).id
          limit page_size offset (page - 1)::bigint * page_size
        ) p
      ), '[]')
    )
  );
end;
$$;

-- Security definer: clients have no right to call `private.segment_json`.
create function public.get_segment(segment_id uuid) returns jsonb
language plpgsql stable security definer set search_path = '' as $$
declare
  segment public.segments;
begin
  perform private.require('segments.view');
  select s.* into segment from public.segments s
  where s.id = get_segment.segment_id and s.tenant_id = private.tenant_id();
  if not found then
    return null;
  end if;
  return private.segment_json(segment, true);
end;
$$;

-- The result of a filter: {"contact_count", "contacts": the newest 20}.
-- Security definer: clients have no right to call `private.count_segment`.
create function public.preview_segment(filter jsonb) returns jsonb
language plpgsql stable security definer set search_path = '' as $$
declare
  counted record;
begin
  perform private.require('segments.view');
  select * into counted from private.count_segment(private.tenant_id(), preview_segment.filter, 'filter', 20);
  return jsonb_build_object('contact_count', counted.contact_count, 'contacts', counted.contacts);
end;
$$;

-- Creates or changes a segment. Fields that `changes` does not name (name, description, filter) stay.
-- Security definer: clients have no right to write segments.
create function public.save_segment(changes jsonb, segment_id uuid default null) returns jsonb
language plpgsql security definer set search_path = '' as $$
declare
  tenant constant uuid := private.tenant_id();
  segment public.segments;
begin
  perform private.require(case when segment_id is null then 'segments.create' else 'segments.update' end);
  if segment_id is null or changes ? 'filter' then
    perform private.filter_condition(tenant, coalesce(changes -> 'filter', 'null'), 'filter');
    if octet_length((changes -> 'filter')::text) > 100000 then
      perform private.refuse_filter('filter', 'This filter is too long.');
    end if;
  end if;
  if segment_id is null then
    insert into public.segments (tenant_id, name, description, filter, created_by)
    values (
      tenant, changes ->> 'name', coalesce(changes ->> 'description', ''), changes -> 'filter', private.person_id()
    )
    returning * into segment;
  else
    update public.segments s
    set
      name = coalesce(changes ->> 'name', s.name), description = coalesce(changes ->> 'description', s.description),
      filter = coalesce(changes -> 'filter', s.filter)
    where s.id = save_segment.segment_id and s.tenant_id = tenant
    returning * into segment;
    if not found then
      raise sqlstate 'PT404' using message = 'There is no such segment.', detail = 'not_found';
    end if;
  end if;
  return private.segment_json(segment, true);
exception when unique_violation then
  raise sqlstate 'PT409' using message = 'This name is taken.', detail = 'name_taken', hint = 'name';
end;
$$;

-- Deletes a segment. Campaigns and recipient lists that used it keep their people.
-- Security definer: clients have no right to write segments.
create function public.delete_segment(segment_id uuid) returns void
language plpgsql security definer set search_path = '' as $$
begin
  perform private.require('segments.delete');
  delete from public.segments s where s.id = delete_segment.segment_id and s.tenant_id = private.tenant_id();
  if not found then
    raise sqlstate 'PT404' using message = 'There is no such segment.', detail = 'not_found';
  end if;
end;
$$;

-- Security definer: it also runs when Auth removes an account, and the role of Auth has no rights here.
create function private.announce_segment() returns trigger
language plpgsql security definer set search_path = '' as $$
begin
  if tg_op = 'DELETE' then
    -- a tenant that is being deleted has no audience
    if exists (select 1 from public.tenants t where t.id = old.tenant_id) then
      perform private.record_and_broadcast(old.tenant_id, 'segments', null, 'segment.deleted', jsonb_build_object('id', old.id));
    end if;
  else
    perform private.record_and_broadcast(
      new.tenant_id, 'segments', null,
      case tg_op when 'INSERT' then 'segment.created' else 'segment.updated' end, private.segment_json(new, false)
    );
  end if;
  return null;
end;
$$;

-- Adds the contacts that a segment matches now to a campaign. Contacts without a known phone number are not included.
-- There are no columns: variables take the contact's name, its phone number, or a fixed text.
create function private.add_segment_to_campaign(
  campaign public.broadcast_campaigns, template public.broadcast_templates, segment uuid, mapping jsonb
) returns void
language plpgsql set search_path = '' as $$
declare
  named constant boolean := template.parameter_format = 'NAMED';
begin
  perform private.require('segments.view');
  perform private.require('contacts.view');
  if not exists (select 1 from public.segments s where s.id = segment and s.tenant_id = campaign.tenant_id) then
    raise sqlstate 'PT422' using message = 'There is no such segment.', detail = 'invalid_field', hint = 'segment_id';
  end if;
  perform private.check_mapping(campaign, template, mapping, null);

  insert into public.broadcast_recipients (tenant_id, campaign_id, position, wa_id, name, variables)
  select
    campaign.tenant_id, campaign.id, row_number() over (order by c.created_at, c.id), c.wa_id, n.shown,
    case
      when named then coalesce((
        select jsonb_object_agg(o.key, coalesce(private.mapped_value(o.value, n.entry, n.known), ''))
        from jsonb_each(mapping) o
      ), '{}')
      else coalesce((
        select jsonb_agg(coalesce(private.mapped_value(a.value, n.entry, n.known), '') order by a.nth)
        from jsonb_array_elements(mapping) with ordinality a (value, nth)
      ), '[]')
    end
  from private.contacts_matching(campaign.tenant_id, jsonb_build_object('segment_id', segment)) m
  join public.contacts c on c.id = m
  cross join lateral (
    select k.shown, jsonb_populate_record(null::public.recipient_list_entries, jsonb_build_object('wa_id', c.wa_id)) as entry,
      jsonb_build_object('name', k.shown, 'email', c.email, 'language', c.language, 'custom', c.custom_fields) as known
    from (select left(nullif(trim(coalesce(c.name, c.profile_name)), ''), 200) as shown) k
  ) n
  where c.wa_id ~ '^[0-9]{8,15}$'
  on conflict (campaign_id, private.phone_key(wa_id)) do nothing;

  update public.broadcast_campaigns c set segment_id = segment, variable_mapping = mapping
  where c.id = campaign.id;
end;
$$;

create trigger touch_updated_at before update on public.segments
  for each row execute function private.touch_updated_at();
create trigger announce after insert or update or delete on public.segments
  for each row execute function private.announce_segment();

-- Changes are written to the audit log.
select private.audit_table('segments', 'id');

alter table public.segments enable row level security;

create policy "permitted people read segments" on public.segments for select to authenticated
  using (tenant_id = (select private.tenant_id()) and (select private.has_permission('segments.view')));

grant select on public.segments to authenticated;

grant execute on function
  public.list_segments(text, integer, integer, boolean),
  public.get_segment(uuid),
  public.preview_segment(jsonb),
  public.save_segment(jsonb, uuid),
  public.delete_segment(uuid)
to authenticated;
