-- A contact that is deleted: the personal data goes, what was counted stays. docs/contacts.md says to users what this is.

-- Files in Storage that are to be removed, until they are.
create table private.files_to_remove (
  bucket text not null,
  path text not null,
  queued_at timestamptz not null default now(),
  primary key (bucket, path)
);
alter table private.files_to_remove enable row level security;
create policy "nobody" on private.files_to_remove to authenticated using (false);
grant all on private.files_to_remove to service_role;

-- Deliveries that were read a second time are found by when that was.
create index webhook_events_replayed_at_idx on public.webhook_events (replayed_at) where replayed_at is not null;

-- The log keeps that something happened, when and by whom; of an erased person it forgets what.
create or replace function private.keep_audit_logs() returns trigger
language plpgsql set search_path = '' as $$
begin
  if current_setting('app.pruning_audit_logs', true) = 'on' and tg_op = 'DELETE' then
    return null;
  end if;
  if current_setting('app.erasing_audit_logs', true) = 'on' and tg_op = 'UPDATE' then
    return null;
  end if;
  raise insufficient_privilege using message = 'The audit log is append-only.';
end;
$$;

-- JSON without the elements of lists that name somebody.
create function private.without_person(value jsonb, names text[]) returns jsonb
language plpgsql immutable set search_path = '' as $$
begin
  case jsonb_typeof(value)
    when 'array' then
      return (
        select coalesce(jsonb_agg(private.without_person(e.value, names) order by e.nth), '[]')
        from jsonb_array_elements(value) with ordinality as e (value, nth)
        where jsonb_typeof(e.value) <> 'object' or not exists (
          select 1 from jsonb_each_text(e.value) f where ltrim(f.value, '+') = any (names)
        )
      );
    when 'object' then
      return (
        select coalesce(jsonb_object_agg(e.key, private.without_person(e.value, names)), '{}') from jsonb_each(value) e
      );
    else
      return value;
  end case;
end;
$$;

-- A kept delivery without what it tells a tenant about somebody; other tenants' parts stay as they came. One that is no
-- JSON is emptied.
create function private.delivery_without(body text, numbers text[], accounts text[], names text[]) returns text
language plpgsql immutable set search_path = '' as $$
declare
  delivery jsonb;
begin
  begin
    delivery := body::jsonb;
  exception when others then
    return '';
  end;
  if jsonb_typeof(delivery -> 'entry') is distinct from 'array' then
    return '{}';
  end if;
  return jsonb_set(delivery, '{entry}', (
    select coalesce(jsonb_agg(
      case when jsonb_typeof(e.value -> 'changes') = 'array' then jsonb_set(e.value, '{changes}', (
        select coalesce(jsonb_agg(
          case when c.value #>> '{value,metadata,phone_number_id}' = any (numbers) or e.value ->> 'id' = any (accounts)
            then private.without_person(c.value, names) else c.value end
          order by c.nth
        ), '[]')
        from jsonb_array_elements(e.value -> 'changes') with ordinality as c (value, nth)
      )) else e.value end
      order by e.nth
    ), '[]')
    from jsonb_array_elements(delivery -> 'entry') with ordinality as e (value, nth)
  ))::text;
end;
$$;

-- Erases a person, and answers with how much there was. What stays is counted and says nothing about anybody: rows of
-- messages and of campaigns' recipients with their times, kinds and states. A number that a column needs is replaced by
-- one that nobody can have and that has nothing to do with it: it begins with 0.
create function private.erase_contact(contact public.contacts) returns jsonb
language plpgsql security definer set search_path = '' as $$
declare
  tenant constant uuid := contact.tenant_id;
  conversation_ids constant uuid[] := array(
    select v.id from public.conversations v
    where v.contact_id = contact.id and v.tenant_id = tenant order by v.id for update
  );
  message_ids uuid[];
  recipient_ids uuid[];
  note_ids text[];
  consent_ids text[];
  media_ids text[];
  -- of the number in every form that a list or a campaign may have it in
  numbers text[];
  names text[];
  deliveries bigint[];
  answer jsonb;
  touched bigint;
begin
  select array_agg(distinct n.number), array_agg(distinct n.name) into numbers, names
  from (
    select contact.wa_id as number, contact.wa_id as name
    union all select null, contact.user_id
    union all select f.phone_key, coalesce(f.phone_key, f.user_id) from private.former_identities f
    where f.contact_id = contact.id and f.tenant_id = tenant
    union all
    select v.form, v.form
    from (values
      (contact.phone_key),
      (case when contact.phone_key ~ '^55[0-9]{10}$' then left(contact.phone_key, 4) || '9' || substr(contact.phone_key, 5) end),
      (case when contact.phone_key ~ '^52[0-9]{10}$' then '521' || substr(contact.phone_key, 3) end),
      (case when contact.phone_key ~ '^54[0-9]{10}$' then '549' || substr(contact.phone_key, 3) end)
    ) as v (form)
  ) n;
  numbers := array_remove(numbers, null);
  names := array_remove(names, null);
  message_ids := array(
    select m.id from public.messages m where m.conversation_id = any (conversation_ids) and m.tenant_id = tenant
  );
  note_ids := array(select n.id::text from public.contact_notes n where n.contact_id = contact.id and n.tenant_id = tenant);
  consent_ids := array(select k.id::text from public.contact_consents k where k.contact_id = contact.id and k.tenant_id = tenant);

  -- Kept deliveries are found by their time, which is that of what was stored from them.
  deliveries := array(
    select w.id
    from (
      select distinct date_trunc('milliseconds', t.at) as at
      from (
        select m.created_at as at from public.messages m where m.id = any (message_ids)
        union all select e.received_at from public.message_status_events e where e.message_id = any (message_ids)
        union all select k.created_at from public.contact_consents k where k.contact_id = contact.id and k.tenant_id = tenant
        union all select contact.created_at
      ) t
    ) t
    join public.webhook_events w on w.received_at between t.at - interval '20 milliseconds' and t.at + interval '2 milliseconds'
    union
    select w.id
    from public.messages m
    join public.webhook_events w on w.replayed_at between m.created_at - interval '20 milliseconds' and m.created_at
    where m.id = any (message_ids)
    union
    select w.id from public.webhook_events w where w.outcome <> 'stored'
  );
  update public.webhook_events w
  set body = private.delivery_without(
    w.body,
    array(select s.meta_phone_number_id from public.whatsapp_sessions s where s.tenant_id = tenant and s.meta_phone_number_id is not null),
    array(select s.meta_business_account_id from public.whatsapp_sessions s where s.tenant_id = tenant),
    names
  )
  where w.id = any (deliveries) and exists (select 1 from unnest(names) n where strpos(w.body, n) > 0);
  get diagnostics touched = row_count;
  answer := jsonb_build_object(
    'conversations', cardinality(conversation_ids), 'messages', cardinality(message_ids), 'deliveries', touched
  );

  insert into private.files_to_remove (bucket, path)
  select distinct 'chat-media', coalesce(f.storage_path, format('%s/%s/%s', f.tenant_id, f.session_id, f.id))
  from public.message_media f
  where f.message_id = any (message_ids) and (f.storage_path is not null or f.state = 'pending') and not exists (
    select 1 from public.message_media o
    where o.storage_path = f.storage_path and not coalesce(o.message_id = any (message_ids), false)
  )
  on conflict do nothing;
  with gone as (
    delete from public.message_media f where f.message_id = any (message_ids) returning f.id
  )
  select array_agg(g.id::text) into media_ids from gone g;
  answer := answer || jsonb_build_object('files', coalesce(cardinality(media_ids), 0));

  delete from private.idempotency_keys k where k.conversation_id = any (conversation_ids);
  update public.message_status_events e
  set whatsapp_message_id = 'erased.' || e.message_id, payload = '{}', error_details = null
  where e.message_id = any (message_ids);
  update public.messages m
  set
    content = null, payload = '{}', original_content = null, reactions = '[]', whatsapp_message_id = null,
    context_message_id = null, idempotency_key = null, error_details = null,
    status = case when m.status in ('pending', 'queued') then 'failed' else m.status end,
    failed_at = case when m.status in ('pending', 'queued') then now() else m.failed_at end,
    -- what campaigns and statistics are counted by
    metadata = (
      select coalesce(jsonb_object_agg(e.key, e.value), '{}') from jsonb_each(m.metadata) e
      where e.key in ('source', 'broadcast_campaign_id', 'broadcast_recipient_id')
    ) || '{"erased": true}'
  where m.id = any (message_ids);

  recipient_ids := array(
    select r.id from public.broadcast_recipients r where r.message_id = any (message_ids)
    union
    select r.id from public.broadcast_campaigns k
    join public.broadcast_recipients r on r.campaign_id = k.id and r.wa_id = any (numbers)
    where k.tenant_id = tenant
  );
  update public.broadcast_recipients r
  set
    wa_id = '0' || lpad(trunc(random() * 1e15)::text, 15, '0') || lpad(trunc(random() * 1e4)::text, 4, '0'),
    name = null, variables = case jsonb_typeof(r.variables) when 'object' then '{}' else '[]' end::jsonb, error_details = null
  where r.id = any (recipient_ids);
  answer := answer || jsonb_build_object('recipients', cardinality(recipient_ids));

  delete from public.recipient_list_entries e where e.tenant_id = tenant and e.wa_id = any (numbers);
  get diagnostics touched = row_count;
  answer := answer || jsonb_build_object('list_entries', touched);
  update public.recipient_list_errors e set value = ''
  where e.tenant_id = tenant and e.value = any (numbers)
    and e.list_id in (select l.id from public.recipient_lists l where l.tenant_id = tenant and l.error_count + l.duplicate_count > 0);

  delete from public.contact_labels k where k.contact_id = contact.id and k.tenant_id = tenant;
  delete from public.contact_notes n where n.contact_id = contact.id and n.tenant_id = tenant;
  delete from public.contact_consents k where k.contact_id = contact.id and k.tenant_id = tenant;
  delete from private.former_identities f where f.contact_id = contact.id and f.tenant_id = tenant;
  -- notes of conversations are about the person as well
  if to_regclass('public.conversation_notes') is not null then
    execute 'delete from public.conversation_notes where conversation_id = any ($1) and tenant_id = $2'
      using conversation_ids, tenant;
  end if;
  -- Without a last message no list shows it.
  update public.conversations v
  set
    status = 'resolved', unread_count = 0, last_message_at = null, last_message_preview = null, last_message_type = null,
    last_message_direction = null, window_expires_at = null, referral = null, referral_at = null
  where v.id = any (conversation_ids);
  update public.contacts c
  set
    wa_id = null, user_id = null, user_id_at = null, username = null, profile_name = null, profile_at = null, name = null,
    email = null, language = null, tags = '{}', custom_fields = '{}', owner_id = null, marketing_opted_out_at = null,
    blocked_at = null, erased_at = now()
  where c.id = contact.id;

  perform set_config('app.erasing_audit_logs', 'on', true);
  update public.audit_logs l
  set before = null, after = '{"erased": true}'
  where l.tenant_id = tenant and (
    (l.entity = 'contacts' and l.entity_id = contact.id::text)
    or (l.entity = 'conversations' and l.entity_id = any (conversation_ids::text[]))
    or (l.entity = 'messages' and l.entity_id = any (message_ids::text[]))
    or (l.entity = 'broadcast_recipients' and l.entity_id = any (recipient_ids::text[]))
    or (l.entity = 'contact_notes' and l.entity_id = any (note_ids))
    or (l.entity = 'contact_consents' and l.entity_id = any (consent_ids))
    or (l.entity = 'message_media' and l.entity_id = any (media_ids))
  );
  -- who was put on lists or merged is told by the number
  update public.audit_logs l
  set before = null, after = '{"erased": true}'
  where l.tenant_id = tenant and l.entity in ('recipient_list_entries', 'contacts')
    and (l.before ->> 'wa_id' = any (numbers) or l.after ->> 'wa_id' = any (numbers));
  perform set_config('app.erasing_audit_logs', 'off', true);

  perform private.tell(tenant, 'contacts', null, 'contact.deleted', jsonb_build_object('id', contact.id));
  perform private.announce(tenant, v.assigned_to, 'conversation.deleted', jsonb_build_object('id', v.id))
  from public.conversations v where v.id = any (conversation_ids);
  return answer;
end;
$$;

-- Deletes a contact. Answers with how much was erased.
create function public.delete_contact(contact_id uuid) returns jsonb
language plpgsql security definer set search_path = '' as $$
begin
  perform private.require('contacts.delete');
  return private.erase_contact(private.own_contact(delete_contact.contact_id));
end;
$$;

-- The same as an answer to a person who asks for it.
create function public.erase_contact(contact_id uuid) returns jsonb
language plpgsql security definer set search_path = '' as $$
begin
  perform private.require('contacts.erase');
  return private.erase_contact(private.own_contact(erase_contact.contact_id));
end;
$$;

-- Deletes contacts: those named, or those a filter leaves; at most 100 of them in one call. Answers with {"matched",
-- "changed"}: where they differ, call again.
create function public.delete_contacts(contact_ids uuid[], filter jsonb) returns jsonb
language plpgsql security definer set search_path = '' as $$
declare
  matched bigint;
  chosen uuid[];
  condition text;
begin
  perform private.require('contacts.delete');
  condition := private.contact_condition(coalesce(filter, '{}')) || ' and ($1 is null or c.id = any ($1))';
  execute 'select count(*) from public.contacts c where ' || condition into matched using contact_ids;
  execute format('select array(select c.id from public.contacts c where %s order by c.id limit 100)', condition)
    into chosen using contact_ids;
  perform private.erase_contact(c) from public.contacts c where c.id = any (chosen) order by c.id;
  return jsonb_build_object('matched', matched, 'changed', cardinality(chosen));
end;
$$;

-- Files to remove from Storage, the oldest first: [{"bucket", "path"}]. Said again until `note_files_removed`.
create function public.files_to_remove(batch integer) returns jsonb
language sql stable set search_path = '' as $$
  select coalesce(jsonb_agg(jsonb_build_object('bucket', f.bucket, 'path', f.path)), '[]')
  from (select * from private.files_to_remove f order by f.queued_at, f.path limit batch) f;
$$;
create function public.note_files_removed(bucket text, paths text[]) returns void
language sql set search_path = '' as $$
  delete from private.files_to_remove f where f.bucket = note_files_removed.bucket and f.path = any (paths);
$$;

revoke execute on function private.without_person(jsonb, text[]), private.delivery_without(text, text[], text[], text[]),
  private.erase_contact(public.contacts) from public;
revoke execute on function public.delete_contact(uuid), public.erase_contact(uuid), public.delete_contacts(uuid[], jsonb),
  public.files_to_remove(integer), public.note_files_removed(text, text[]) from public, anon, authenticated;
grant execute on function public.delete_contact(uuid), public.erase_contact(uuid), public.delete_contacts(uuid[], jsonb)
  to authenticated;
grant execute on function public.files_to_remove(integer), public.note_files_removed(text, text[]) to service_role;
