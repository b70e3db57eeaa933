-- What people do with contacts: add and change them, define their fields, put labels and tags on them, give them to
-- somebody, take notes, record what they consent to, and block them.

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
alter table public.contact_notes enable row level security;
revoke all on public.contact_notes from anon, authenticated;
grant select on public.contact_notes to authenticated;
grant all on public.contact_notes to service_role;
create policy "members with the right read notes of contacts they may see" on public.contact_notes
  for select to authenticated
  using (
    tenant_id = (select private.tenant_id())
    and (select private.has_permission('notes.view'))
    and exists (select 1 from public.contacts c where c.id = contact_notes.contact_id)
  );
select private.audit_table('contact_notes', 'id');

-- Fields ------------------------------------------------------------------------------------------------------------

create function private.contact_field_json(f public.contact_fields) returns jsonb
language sql stable set search_path = '' as $$
  select to_jsonb(f) - 'tenant_id';
$$;
grant execute on function private.contact_field_json(public.contact_fields) to authenticated;

-- Whether a field may have a value.
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

-- Refuses values that the tenant has no fields for. Null means: none.
create function private.check_custom_fields(tenant uuid, given jsonb) returns void
language plpgsql stable set search_path = '' as $$
declare
  wrong record;
begin
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
create function public.create_contact_field(field jsonb) returns jsonb
language plpgsql security definer set search_path = '' as $$
declare
  tenant constant uuid := private.tenant_id();
  made public.contact_fields;
begin
  perform private.require('contacts.manage_fields');
  -- one at a time, for the limit to hold
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

-- Changes what is named of a field: `name`, `type`, `choices`, `position`. Values that contacts have must fit what it
-- becomes; of a text, every value does.
create function public.update_contact_field(field_id uuid, changes jsonb) returns jsonb
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
    if wanted.type = 'text' then
      update public.contacts c
      set custom_fields = jsonb_set(c.custom_fields, array[old.key], to_jsonb(left(c.custom_fields ->> old.key, 1000)))
      where c.tenant_id = old.tenant_id and c.custom_fields <> '{}' and c.custom_fields ? old.key
        and jsonb_typeof(c.custom_fields -> old.key) <> 'string';
    else
      select count(*) into unfit from public.contacts c
      where c.tenant_id = old.tenant_id and c.custom_fields <> '{}' and c.custom_fields ? old.key
        and not private.is_field_value(wanted.type, wanted.choices, c.custom_fields -> old.key);
      if unfit > 0 then
        raise sqlstate 'PT409' using
          message = format('%s contacts have values that would not fit.', unfit), detail = 'field_values';
      end if;
    end if;
  end if;
  update public.contact_fields f
  set name = wanted.name, type = wanted.type, choices = wanted.choices, position = wanted.position
  where f.id = old.id
  returning f.* into wanted;
  return private.contact_field_json(wanted);
end;
$$;

-- Ends a field, and its values with it.
create function public.delete_contact_field(field_id uuid) returns void
language plpgsql security definer set search_path = '' as $$
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

-- Contacts ----------------------------------------------------------------------------------------------------------

-- Tags in their order, each once, whatever its capital letters.
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

-- Refuses an owner who is not one of the tenant's active people.
create function private.check_owner(tenant uuid, owner uuid) returns void
language plpgsql stable security definer set search_path = '' as $$
begin
  if owner is not null and not exists (
    select 1 from public.profiles p where p.user_id = owner and p.tenant_id = tenant and p.deactivated_at is null
  ) then
    raise sqlstate 'PT422' using message = 'There is no such person.', detail = 'invalid_field', hint = 'owner_id';
  end if;
end;
$$;

-- Refuses labels that are not the tenant's.
create function private.check_labels(tenant uuid, labels uuid[]) returns void
language plpgsql stable security definer set search_path = '' as $$
begin
  perform private.require('labels.assign');
  if exists (
    select 1 from unnest(labels) i where not exists (select 1 from public.labels l where l.id = i and l.tenant_id = tenant)
  ) then
    raise sqlstate 'PT422' using message = 'There is no such label.', detail = 'invalid_field', hint = 'label_ids';
  end if;
end;
$$;

create function private.uuids(list jsonb) returns uuid[]
language sql immutable set search_path = '' as $$
  select array(select distinct e::uuid from jsonb_array_elements_text(coalesce(nullif(list, 'null'), '[]')) e);
$$;

-- Gives a contact what `changes` names: `name`, `email`, `language`, `tags`, `custom_fields` (by key, null ends one),
-- `owner_id`, `label_ids`.
create function private.change_contact(contact public.contacts, changes jsonb) returns jsonb
language plpgsql security definer set search_path = '' as $$
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

-- Adds a contact. `contact` is {"wa_id", ...} with what `private.change_contact` takes. Answers with {"contact"}, or with
-- {"existing"} where the number is a contact's already: its id, null if the caller may not see it.
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

-- Changes what is named of a contact. With `unless_changed_since` only while it is as it was then (`updated_at`).
create function public.update_contact(contact_id uuid, changes jsonb, unless_changed_since timestamptz default null)
returns jsonb
language plpgsql security definer set search_path = '' as $$
declare
  contact public.contacts;
begin
  perform private.require('contacts.update');
  contact := private.own_contact(update_contact.contact_id);
  if contact.updated_at > unless_changed_since then
    raise sqlstate 'PT409' using message = 'Somebody has changed this contact meanwhile. Please reload it.',
      detail = 'contact_changed';
  end if;
  return private.change_contact(contact, changes);
end;
$$;

-- Does one thing with many contacts: those named, or those a filter leaves. `action`: `add_tags`, `remove_tags`
-- (`tags`), `add_labels`, `remove_labels` (`label_ids`), `set_owner` (`owner_id`). Contacts the caller may not see are
-- passed over. Answers with {"matched", "changed"}.
create function public.change_contacts(contact_ids uuid[], filter jsonb, action text, options jsonb) returns jsonb
language plpgsql security definer set search_path = '' as $$
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
      where c.id = any (chosen) and private.clean_tags(c.tags || wanted) <> c.tags;
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

-- Consents ----------------------------------------------------------------------------------------------------------

create function private.consent_json(k public.contact_consents) returns jsonb
language sql stable set search_path = '' as $$
  select to_jsonb(k) - 'tenant_id' - 'contact_id';
$$;

-- What a contact has said about marketing, the latest first; null without the contact.
create function public.list_contact_consents(contact_id uuid) returns jsonb
language sql stable security definer set search_path = '' as $$
  select jsonb_build_object(
    'marketing_opted_out_at', c.marketing_opted_out_at,
    'rows', coalesce((
      select jsonb_agg(private.consent_json(k) order by k.occurred_at desc, k.state desc)
      from public.contact_consents k
      where k.contact_id = c.id and k.tenant_id = c.tenant_id
    ), '[]')
  )
  from public.contacts c
  where c.id = list_contact_consents.contact_id and c.tenant_id = private.tenant_id() and private.sees_contact(c);
$$;

-- Records what a contact has said elsewhere: on the phone, in a shop, on paper. `note` says where.
create function public.record_contact_consent(contact_id uuid, state text, note text default null) returns jsonb
language plpgsql security definer set search_path = '' as $$
declare
  contact public.contacts;
  who record;
begin
  perform private.require('contacts.update');
  contact := private.own_contact(record_contact_consent.contact_id);
  select * into who from private.actor();
  perform private.record_consents(jsonb_build_array(jsonb_build_object(
    'tenant_id', contact.tenant_id, 'contact_id', contact.id, 'state', record_contact_consent.state, 'source', 'person',
    'proof', jsonb_strip_nulls(jsonb_build_object(
      'note', nullif(trim(note), ''), 'recorded_by', who.actor_id, 'recorded_by_name', who.actor_name
    )),
    'occurred_at', clock_timestamp()
  )));
  return public.list_contact_consents(contact.id);
end;
$$;

-- Notes -------------------------------------------------------------------------------------------------------------

create function private.contact_note_json(n public.contact_notes) returns jsonb
language sql stable set search_path = '' as $$
  select to_jsonb(n) - 'tenant_id' - 'contact_id' || jsonb_build_object('created_by_name', (
    select nullif(p.display_name, '') from public.profiles p where p.user_id = n.created_by
  ));
$$;

-- One page of a contact's notes, the latest first; null without the contact.
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

-- Removes a note of one's own, or anybody's with `notes.delete`.
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
    raise sqlstate 'PT404' using message = 'There is no such note of yours.', detail = 'not_found';
  end if;
end;
$$;

-- Blocking ----------------------------------------------------------------------------------------------------------

-- Blocks a contact, or ends that. Answers with {"contact", "numbers"}: whom Meta is to be told of, at which of our
-- numbers: [{"session_id", "phone_number_id", "user"}].
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

-- Nothing is sent to somebody who is blocked, whoever asks and however: a person is told, what a machine wanted to send
-- has failed. Campaigns leave them out when they claim.
create function private.refuse_blocked() returns trigger
language plpgsql security definer set search_path = '' as $$
begin
  if new.status in ('pending', 'queued', 'sending') and exists (
    select 1 from public.conversations v join public.contacts c on c.id = v.contact_id
    where v.id = new.conversation_id and c.blocked_at is not null
  ) then
    if auth.uid() is not null then
      raise sqlstate 'PT409' using message = 'This contact is blocked.', detail = 'contact_blocked';
    end if;
    new.status := 'failed';
    new.failed_at := now();
    new.error_title := 'The contact is blocked';
  end if;
  return new;
end;
$$;
create trigger refuse_blocked before insert on public.messages
  for each row
  when (new.direction = 'outbound' and not new.metadata ?| array['source', 'broadcast_campaign_id'])
  execute function private.refuse_blocked();

-- What somebody who is blocked writes is kept, and asks for nobody's attention.
create function private.keep_blocked_quiet() returns trigger
language plpgsql security definer set search_path = '' as $$
begin
  if exists (select 1 from public.contacts c where c.id = new.contact_id and c.blocked_at is not null) then
    new.unread_count := old.unread_count;
    new.status := old.status;
  end if;
  return new;
end;
$$;
create trigger keep_blocked_quiet before update on public.conversations
  for each row when (new.unread_count > old.unread_count)
  execute function private.keep_blocked_quiet();

alter table public.broadcast_recipients drop constraint broadcast_recipients_skip_reason_check;
alter table public.broadcast_recipients add constraint broadcast_recipients_skip_reason_check
  check (skip_reason in ('opted_out', 'cancelled', 'blocked', 'erased'));

create or replace function private.skip_recipients(recipients uuid[], reason text) returns void
language plpgsql security definer set search_path = '' as $$
begin
  perform 1 from public.messages m
  where m.id = any (array(
    select r.message_id from public.broadcast_recipients r where r.id = any (recipients) and r.message_id is not null
  ))
  order by m.id
  for update;
  with skipped as (
    update public.broadcast_recipients r
    set
      status = 'skipped', skip_reason = reason, claim_id = null,
      -- what was claimed to be left out was no attempt
      attempts = case when r.status = 'sending' then r.attempts - 1 else r.attempts end
    -- what a sender has claimed meanwhile is on its way
    where r.id = any (recipients) and r.status = case reason when 'cancelled' then 'pending' else 'sending' end
    returning r.message_id
  )
  update public.messages m
  set
    status = 'failed', failed_at = now(),
    error_title = case reason
      when 'cancelled' then 'The campaign was cancelled'
      when 'blocked' then 'The contact is blocked'
      when 'erased' then 'The contact was deleted'
      else 'The customer has opted out'
    end
  from skipped s
  where m.id = s.message_id and m.status in ('pending', 'queued');
end;
$$;

create or replace function private.leave_out(claimed uuid[], campaigns uuid[]) returns uuid[]
language plpgsql security definer set search_path = '' as $$
declare
  skipped uuid[];
  group_of record;
begin
  for group_of in
    select f.reason, array_agg(f.id) as ids
    from (
      select r.id, case
        -- what stands in the place of a number that was erased: see private.erase_contact
        when r.wa_id like '0%' then 'erased'
        when k.blocked_at is not null then 'blocked'
        when k.marketing_opted_out_at is not null and t.category = 'MARKETING' then 'opted_out'
      end as reason
      from public.broadcast_recipients r
      join public.broadcast_campaigns c on c.id = r.campaign_id
      join public.broadcast_templates t on t.id = c.template_id
      left join public.contacts k on k.tenant_id = r.tenant_id and k.phone_key = private.phone_key(r.wa_id)
      where r.id = any (claimed)
    ) f
    where f.reason is not null
    group by f.reason
  loop
    perform private.skip_recipients(group_of.ids, group_of.reason);
    skipped := skipped || group_of.ids;
  end loop;
  if skipped is null then
    return claimed;
  end if;
  perform private.complete_campaigns(campaigns);
  return (select array_agg(c.id) from unnest(claimed) as c (id) where c.id <> all (skipped));
end;
$$;

-- Live --------------------------------------------------------------------------------------------------------------

-- Tells who may view contacts of a change. What only says "seen again" is none, nor is a recipient of a campaign whom
-- nobody has seen yet; a statement that touches many is told once, and clients read their page again; an import tells of
-- itself.
create function private.announce_contacts() returns trigger
language plpgsql security definer set search_path = '' as $$
declare
  machine constant text[] := '{profile_at,user_id_at,updated_at}';
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
    where a.erased_at is null and to_jsonb(a) - machine <> to_jsonb(b) - machine;
  end if;
  if cardinality(ids) <= 50 then
    perform private.tell(c.tenant_id, 'contacts', null, 'contact.' || verb, private.contact_row_json(c))
    from public.contacts c where c.id = any (ids) order by c.created_at, c.id;
  else
    perform private.tell(n.tenant_id, 'contacts', null, 'contacts.' || verb, jsonb_build_object('id', n.tenant_id, 'rows', n.rows))
    from (select c.tenant_id, count(*) as rows from public.contacts c where c.id = any (ids) group by c.tenant_id) n;
  end if;
  return null;
end;
$$;
create trigger announce_created after insert on public.contacts
  referencing new table as after for each statement execute function private.announce_contacts();
create trigger announce_updated after update on public.contacts
  referencing old table as before new table as after for each statement execute function private.announce_contacts();

-- A row that is no more was merged into another one, or its tenant is gone.
create function private.announce_deleted_contacts() returns trigger
language plpgsql security definer set search_path = '' as $$
begin
  perform private.tell(b.tenant_id, 'contacts', null, 'contact.deleted', jsonb_build_object('id', b.id))
  from before b join public.tenants t on t.id = b.tenant_id;
  return null;
end;
$$;
create trigger announce_deleted after delete on public.contacts
  referencing old table as before for each statement execute function private.announce_deleted_contacts();

-- Labels of contacts are a change of the contact.
create function private.announce_contact_labels() returns trigger
language plpgsql security definer set search_path = '' as $$
declare
  ids uuid[];
begin
  select array_agg(distinct k.contact_id) into ids from changed k;
  if cardinality(ids) <= 50 then
    perform private.tell(c.tenant_id, 'contacts', null, 'contact.updated', private.contact_row_json(c))
    from public.contacts c where c.id = any (ids) and c.erased_at is null order by c.id;
  else
    perform private.tell(n.tenant_id, 'contacts', null, 'contacts.updated', jsonb_build_object('id', n.tenant_id, 'rows', n.rows))
    from (select c.tenant_id, count(*) as rows from public.contacts c where c.id = any (ids) group by c.tenant_id) n;
  end if;
  return null;
end;
$$;
create trigger announce_inserted after insert on public.contact_labels
  referencing new table as changed for each statement execute function private.announce_contact_labels();
create trigger announce_deleted after delete on public.contact_labels
  referencing old table as changed for each statement execute function private.announce_contact_labels();

-- Notes are told by their contact's id, to those who may view contacts.
create function private.announce_contact_note() returns trigger
language plpgsql security definer set search_path = '' as $$
declare
  note constant public.contact_notes := case tg_op when 'DELETE' then old else new end;
begin
  if tg_op = 'INSERT' or exists (select 1 from public.contacts c where c.id = note.contact_id and c.erased_at is null) then
    perform private.tell(note.tenant_id, 'contacts', null, 'contact_note.' || case tg_op when 'DELETE' then 'deleted' else 'created' end,
      jsonb_build_object('id', note.id, 'contact_id', note.contact_id));
  end if;
  return null;
end;
$$;
create trigger announce_note after insert or delete on public.contact_notes
  for each row execute function private.announce_contact_note();

revoke execute on function
  private.contact_field_json(public.contact_fields), private.is_field_value(text, text[], jsonb),
  private.check_custom_fields(uuid, jsonb), private.clean_tags(text[]), private.check_owner(uuid, uuid),
  private.check_labels(uuid, uuid[]), private.uuids(jsonb), private.change_contact(public.contacts, jsonb),
  private.consent_json(public.contact_consents), private.contact_note_json(public.contact_notes), private.refuse_blocked(),
  private.keep_blocked_quiet(), private.announce_contacts(), private.announce_deleted_contacts(),
  private.announce_contact_labels(), private.announce_contact_note()
  from public;
revoke execute on function
  public.list_contact_fields(), public.create_contact_field(jsonb), public.update_contact_field(uuid, jsonb),
  public.delete_contact_field(uuid), public.create_contact(jsonb), public.update_contact(uuid, jsonb, timestamptz),
  public.change_contacts(uuid[], jsonb, text, jsonb), public.list_contact_consents(uuid),
  public.record_contact_consent(uuid, text, text), public.list_contact_notes(uuid, integer, integer),
  public.create_contact_note(uuid, text), public.delete_contact_note(uuid, uuid), public.block_contact(uuid, boolean)
  from public, anon;
grant execute on function
  public.list_contact_fields(), public.create_contact_field(jsonb), public.update_contact_field(uuid, jsonb),
  public.delete_contact_field(uuid), public.create_contact(jsonb), public.update_contact(uuid, jsonb, timestamptz),
  public.change_contacts(uuid[], jsonb, text, jsonb), public.list_contact_consents(uuid),
  public.record_contact_consent(uuid, text, text), public.list_contact_notes(uuid, integer, integer),
  public.create_contact_note(uuid, text), public.delete_contact_note(uuid, uuid), public.block_contact(uuid, boolean)
  to authenticated;
