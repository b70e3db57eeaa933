-- Fields of contacts: what every value fits, a field can become; nobody writes a value while it does.

-- A value as a field of another type has it; null where it does not fit.
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

-- Refuses values that the tenant has no fields for. Null means: none.
create or replace function private.check_custom_fields(tenant uuid, given jsonb) returns void
language plpgsql set search_path = '' as $$
declare
  wrong record;
begin
  -- what a field is stays until the values are written
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

-- Changes what is named of a field: `name`, `type`, `choices`, `position`. Values that contacts have must fit what it
-- becomes; of a text, every value does.
create or replace function public.update_contact_field(field_id uuid, changes jsonb) returns jsonb
language plpgsql security definer set search_path = '' as $$
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
    raise sqlstate 'PT422' using message = 'Name what can be chosen.', detail = 'invalid_field', hint = 'choices';
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

-- Changes what is named of a contact. With `unless_changed_since` only while it is as it was then (`updated_at`).
create or replace function public.update_contact(contact_id uuid, changes jsonb, unless_changed_since timestamptz default null)
returns jsonb
language plpgsql security definer set search_path = '' as $$
declare
  contact public.contacts;
begin
  perform private.require('contacts.update');
  -- fields are held before contacts, as by who changes a field
  if changes ? 'custom_fields' then
    perform private.check_custom_fields(private.tenant_id(), changes -> 'custom_fields');
  end if;
  contact := private.own_contact(update_contact.contact_id);
  if contact.updated_at > unless_changed_since then
    raise sqlstate 'PT409' using message = 'Somebody has changed this contact meanwhile. Please reload it.',
      detail = 'contact_changed';
  end if;
  return private.change_contact(contact, changes);
end;
$$;

-- What a cell says to a field; null where it says nothing the field can have.
create or replace function private.read_field_value(type text, choices text[], cell text) returns jsonb
language plpgsql immutable set search_path = '' as $$
begin
  case type
    when 'number' then
      return case when cell ~ '^-?[0-9]{1,30}([.,][0-9]{1,10})?$' then to_jsonb(replace(cell, ',', '.')::numeric) end;
    when 'boolean' then
      return case
        when lower(cell) in ('true', 'yes', 'ya', 'y', '1', 'x', 'benar') then 'true'::jsonb
        when lower(cell) in ('false', 'no', 'tidak', 't', 'n', '0', 'salah') then 'false'::jsonb
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
    -- a field that is gone since the import began
    else
      return null;
  end case;
exception when datetime_field_overflow or invalid_datetime_format then
  return null;
end;
$$;

-- PostgREST takes it for the transaction: what touches every contact of a large tenant takes longer than a signed-in
-- user's calls may at Supabase.
alter function public.update_contact_field(uuid, jsonb) set statement_timeout = '60s';
alter function public.delete_contact_field(uuid) set statement_timeout = '60s';
alter function public.delete_contacts(uuid[], jsonb) set statement_timeout = '60s';

-- Does one thing with many contacts: those named, or those a filter leaves. `action`: `add_tags`, `remove_tags`
-- (`tags`), `add_labels`, `remove_labels` (`label_ids`), `set_owner` (`owner_id`). Contacts the caller may not see are
-- passed over, and so are tags beyond a contact's fifty. Answers with {"matched", "changed"}.
create or replace function public.change_contacts(contact_ids uuid[], filter jsonb, action text, options jsonb) returns jsonb
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
  execute format(
    'select array_agg(c.id) from public.contacts c where %s and ($1 is null or c.id = any ($1))',
    private.contact_condition(coalesce(filter, '{}'))
  ) into chosen using contact_ids;

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

revoke execute on function private.field_value_as(text, text[], jsonb) from public;
