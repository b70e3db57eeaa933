-- The contacts of a segment: listed, exported and changed together like those of any other filter.

-- A filter as a condition on `c`, for contacts that the caller may see. `filter` may have
--   search      words, or a part of a number
--   label_id, tag, segment_id
--   owner       `me`, `none` or who
--   opted_out, blocked
--   fields      {"<key>": <value>}: all of them
-- Every value is quoted; there is nothing of the caller's in it besides.
create or replace function private.contact_condition(filter jsonb) returns text
language plpgsql stable security definer set search_path = '' as $$
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
