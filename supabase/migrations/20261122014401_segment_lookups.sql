-- Segments and what contacts are chosen by: texts are looked up in the index of words, numbers count in the form they are
-- written in at home, what somebody did under a former number is theirs, and no moment is too odd to be refused.

-- The forms of a number that stands in lists and campaigns, by its key.
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

-- Digits as WhatsApp writes them: who leaves the country code out is at home.
create function private.with_country_code(digits text) returns text
language sql immutable strict parallel safe set search_path = '' as $$
  select case
    when digits ~ '^00[1-9]' then substr(digits, 3)
    when digits ~ '^0[1-9]' then '62' || substr(digits, 2)
    else digits
  end;
$$;

-- What a contact's words must be like whose name, address or number holds this: for the index to find them. Of texts that
-- are more than plain letters the words may differ, and of one or two letters it knows too many.
create function private.indexed_words(plain text) returns text
language sql immutable strict parallel safe set search_path = '' as $$
  select case
    when char_length(plain) >= 3 and octet_length(plain) = char_length(plain)
      then format(' and c.search_words like %L', '%' || regexp_replace(plain, '([\\%_])', '\\\1', 'g') || '%')
    else ''
  end;
$$;

create or replace function private.filter_moment(value jsonb, zone text, day_after boolean, path text) returns timestamptz
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

-- What a campaign's recipient did, under whichever number.
create or replace function private.campaign_condition(tenant uuid, node jsonb, path text) returns text
language plpgsql stable set search_path = '' as $$
declare
  campaign text;
  whom text;
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
  whom := format('r.campaign_id = %s and r.tenant_id = %L::uuid', campaign, tenant);
  done := case did
    when 'received' then $q$r.status in ('sent', 'delivered', 'read')$q$
    when 'delivered' then $q$r.status in ('delivered', 'read')$q$
    when 'read' then $q$r.status = 'read'$q$
    when 'replied' then 'r.replied_at is not null'
    else $q$r.status = 'failed'$q$
  end || since;
  return format(
    'c.id in (select k.id from public.broadcast_recipients r join public.contacts k on k.tenant_id = %3$L::uuid'
      -- numbers with several forms are few, and their key is dear
      || ' and k.phone_key = case when r.wa_id ~ ''^(5[245]|620)'' then private.phone_key(r.wa_id) else r.wa_id end'
      || ' where %1$s and %2$s'
      -- what somebody did under a number that they had then
      || ' union all select f.contact_id from private.former_identities f'
      || ' where f.tenant_id = %3$L::uuid and f.phone_key is not null and exists (select 1 from public.broadcast_recipients r'
      || ' where %1$s and %2$s and r.wa_id = any (private.phone_forms(f.phone_key)) and r.created_at <= f.until))',
    whom, done, tenant
  );
end;
$$;

-- The condition of one comparison; null when the field does not know the operator.
create or replace function private.field_condition(tenant uuid, field text, op text, value jsonb, zone text, path text) returns text
language plpgsql stable set search_path = '' as $$
declare
  at constant text := path || '.value';
  -- as much of it as the index has
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
          -- the index holds contacts with tags only
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

-- How many contacts of the tenant a filter leaves, of those the caller may see. `sample`: with the newest of them.
-- Security definer: what row level security says of contacts is asked in its own words, for it costs too much row by row.
create or replace function private.count_segment(tenant uuid, filter jsonb, path text, sample integer, out contact_count integer, out contacts jsonb)
language plpgsql stable security definer set search_path = '' as $$
declare
  condition constant text := private.filter_condition(tenant, filter, path) || case
    when private.has_permission('contacts.view') then ''
    else ' and exists (select 1 from public.conversations v where v.contact_id = c.id and v.tenant_id = $1
      and private.sees_assigned_to(v.assigned_to))' end;
begin
  execute 'select count(*)::integer from public.contacts c where c.tenant_id = $1 and c.erased_at is null and ' || condition
    into contact_count using tenant;
  contacts := '[]';
  if sample > 0 and contact_count > 0 then
    -- few are found by what they have, and many among the newest
    execute 'select jsonb_agg(to_jsonb(s)) from (
        select c.id, coalesce(c.name, c.profile_name) as name, c.wa_id as phone_number, c.email, c.tags, c.created_at
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

-- The contacts of a tenant that a filter leaves. What contacts can be chosen by is decided here and nowhere else:
-- `search`, `created_since`, `created_until`, `wrote_since`, `session_id` (has a conversation with that number), `tag`,
-- `label`, `segment_id`, and `segment`: a filter as segments have it.
create or replace function private.contacts_matching(tenant uuid, filter jsonb) returns setof uuid
language plpgsql stable security definer set search_path = '' as $$
declare
  saved jsonb;
  conditions text := 'true';
  pattern text;
begin
  -- as the list of contacts is searched
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

revoke execute on function private.phone_forms(text), private.with_country_code(text), private.indexed_words(text) from public;
