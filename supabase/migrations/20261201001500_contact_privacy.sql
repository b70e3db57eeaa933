-- Deletion of contacts: the personal data is deleted, and the counts stay. docs/contacts.md explains this to users. The
-- data of a person is found under all their numbers, in every form, and among contacts that were merged into theirs.
-- The same search serves to export the data and to erase it.

-- Files that still have to be deleted from Storage.
create table private.files_to_remove (
  bucket text not null,
  path text not null,
  -- not before; later for the place of an upload, whose row is deleted when the file is recorded
  due_at timestamptz not null default now(),
  primary key (bucket, path)
);
create index files_to_remove_due_idx on private.files_to_remove (due_at, path);

-- The entries of the audit log about a deleted contact. Deletion leaves them, so that it hides nothing; a later erasure
-- finds them here, when no other row names the person any more.
create table private.deleted_contacts (
  contact_id uuid primary key,
  tenant_id uuid not null references public.tenants (id) on delete cascade,
  log_ids bigint[] not null,
  foreign key (contact_id, tenant_id) references public.contacts (id, tenant_id) on delete cascade
);
create index deleted_contacts_contact_idx on private.deleted_contacts (contact_id, tenant_id);
create index deleted_contacts_tenant_idx on private.deleted_contacts (tenant_id);

-- JSON without the list elements that name a person.
create function private.json_without_person(value jsonb, names text[]) returns jsonb
language plpgsql immutable set search_path = '' as $$
begin
  case jsonb_typeof(value)
    when 'array' then
      return (
        select coalesce(jsonb_agg(private.json_without_person(e.value, names) order by e.nth), '[]')
        from jsonb_array_elements(value) with ordinality as e (value, nth)
        where jsonb_typeof(e.value) <> 'object' or not exists (
          select 1 from jsonb_each_text(e.value) f where ltrim(f.value, '+') = any (names)
        )
      );
    when 'object' then
      return (
        select coalesce(jsonb_object_agg(e.key, private.json_without_person(e.value, names)), '{}') from jsonb_each(value) e
      );
    else
      return value;
  end case;
end;
$$;

-- A stored delivery without the parts that a tenant received about a person. Parts of other tenants stay unchanged. A
-- delivery that is not valid JSON is emptied.
create function private.delivery_without_person(body text, numbers text[], accounts text[], names text[]) returns text
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
            then private.json_without_person(c.value, names) else c.value end
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

-- Removes personal data from entries of the audit log: what happened, when and by whom, stays.
-- Security definer: the service has no right to change entries of the audit log.
create function private.erase_log_entries(log_ids bigint[]) returns void
language plpgsql security definer set search_path = '' as $$
begin
  perform set_config('app.erasing_audit_logs', 'on', true);
  update public.audit_logs l set before = null, after = '{"erased": true}' where l.id = any (log_ids);
  perform set_config('app.erasing_audit_logs', 'off', true);
end;
$$;

-- Deletes a person and returns how much was deleted. With `with_log` it also removes what the audit log says of the
-- person; otherwise the log keeps it until its retention ends. The remaining rows of messages and campaign recipients hold only
-- times, kinds and states. A required number is replaced by a random one that begins with 0, which no phone number
-- does.
-- Security definer: the service has no right to read the audit log of all tenants.
create function private.erase_contact(contact public.contacts, with_log boolean) returns jsonb
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
  conversation_note_ids text[];
  -- contacts that were merged into this one
  merged_ids text[];
  media_ids text[];
  -- the number in every form that a recipient list or a campaign may contain
  numbers text[];
  names text[];
  deliveries bigint[];
  log_ids bigint[];
  answer jsonb;
  touched bigint;
begin
  select array_agg(distinct n.number), array_agg(distinct n.name) into numbers, names
  from (
    select contact.wa_id as number, contact.wa_id as name
    union all select null, contact.user_id
    union all select null, f.user_id from private.former_identities f
    where f.contact_id = contact.id and f.tenant_id = tenant
    union all select v, v from unnest(private.contact_numbers(contact)) v
  ) n;
  numbers := array_remove(numbers, null);
  names := array_remove(names, null);
  message_ids := array(
    select m.id from public.messages m where m.conversation_id = any (conversation_ids) and m.tenant_id = tenant
  );
  note_ids := array(select n.id::text from public.contact_notes n where n.contact_id = contact.id and n.tenant_id = tenant);
  consent_ids := array(select k.id::text from public.contact_consents k where k.contact_id = contact.id and k.tenant_id = tenant);

  conversation_note_ids := array(
    select n.id::text from public.conversation_notes n where n.conversation_id = any (conversation_ids) and n.tenant_id = tenant
  );
  merged_ids := array(
    select l.entity_id from public.audit_logs l
    where l.tenant_id = tenant and l.action = 'contacts.deleted'
      and (l.before ->> 'wa_id' = any (numbers) or l.before ->> 'user_id' = any (names))
  );

  -- Stored deliveries are found by time, which they share with the rows stored from them.
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
  set body = private.delivery_without_person(
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
    -- campaigns and statistics are counted by these members
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
  -- in any form that the file contained
  update public.recipient_list_errors e set value = ''
  where e.tenant_id = tenant and private.written_tail(e.value) = any (array(select right(n, 8) from unnest(numbers) n));
  update public.contact_import_errors e set value = ''
  where e.tenant_id = tenant and private.written_tail(e.value) = any (array(select right(n, 8) from unnest(numbers) n));

  delete from public.contact_labels k where k.contact_id = contact.id and k.tenant_id = tenant;
  delete from public.contact_notes n where n.contact_id = contact.id and n.tenant_id = tenant;
  delete from public.contact_consents k where k.contact_id = contact.id and k.tenant_id = tenant;
  delete from private.former_identities f where f.contact_id = contact.id and f.tenant_id = tenant;
  -- notes of conversations are also about the person
  delete from public.conversation_notes n where n.conversation_id = any (conversation_ids) and n.tenant_id = tenant;
  -- A conversation without a last message appears in no list.
  update public.conversations v
  set
    status = 'resolved', snoozed_until = null, unread_count = 0, unseen_since = null, waiting_since = null,
    last_message_at = null, last_message_preview = null, last_message_type = null, last_message_direction = null,
    window_expires_at = null, referral = null, referral_at = null
  where v.id = any (conversation_ids);
  update public.contacts c
  set
    wa_id = null, user_id = null, user_id_at = null, username = null, profile_name = null, profile_at = null, name = null,
    email = null, language = null, tags = '{}', custom_fields = '{}', owner_id = null, marketing_opted_out_at = null,
    blocked_at = null, erased_at = now()
  where c.id = contact.id;

  log_ids := array(
    select l.id from public.audit_logs l
    where l.tenant_id = tenant and (
      (l.entity = 'contacts' and l.entity_id = any (merged_ids || contact.id::text))
      or (l.entity = 'conversation_notes' and l.entity_id = any (conversation_note_ids))
      or (l.entity = 'conversations' and l.entity_id = any (conversation_ids::text[]))
      or (l.entity = 'messages' and l.entity_id = any (message_ids::text[]))
      or (l.entity = 'broadcast_recipients' and l.entity_id = any (recipient_ids::text[]))
      or (l.entity = 'contact_notes' and l.entity_id = any (note_ids))
      or (l.entity = 'contact_consents' and l.entity_id = any (consent_ids))
      or (l.entity = 'message_media' and l.entity_id = any (media_ids))
    )
    -- audit entries of recipient lists contain the number
    union
    select b.id from public.audit_logs b
    where b.tenant_id = tenant and b.entity in ('recipient_list_entries', 'contacts') and b.before ->> 'wa_id' = any (numbers)
    union
    select a.id from public.audit_logs a
    where a.tenant_id = tenant and a.entity in ('recipient_list_entries', 'contacts') and a.after ->> 'wa_id' = any (numbers)
  );
  if with_log then
    perform private.erase_log_entries(log_ids);
    perform private.record_use('contacts.erased', 'contacts', contact.id::text, answer);
  else
    insert into private.deleted_contacts (contact_id, tenant_id, log_ids) values (contact.id, tenant, log_ids);
  end if;

  perform private.record_and_broadcast(tenant, 'contacts', null, 'contact.deleted', jsonb_build_object('id', contact.id));
  perform private.announce(tenant, v.assigned_to, 'conversation.deleted', jsonb_build_object('id', v.id))
  from public.conversations v where v.id = any (conversation_ids);
  return answer;
end;
$$;

-- Deletes a contact with its conversations, all of which the caller must see. Returns how much was deleted.
-- Security definer: clients have no right to call `private.erase_contact`.
create function public.delete_contact(contact_id uuid) returns jsonb
language plpgsql security definer set search_path = '' as $$
declare
  contact public.contacts;
begin
  perform private.require('contacts.delete');
  contact := private.own_contact(delete_contact.contact_id);
  perform 1 from public.conversations v
  where v.contact_id = contact.id and v.tenant_id = contact.tenant_id order by v.id for update;
  perform private.require_conversations_of(array[contact.id]);
  return private.erase_contact(contact, with_log => false);
end;
$$;

-- Erases a person at their request, from the audit log as well. A contact that was deleted before is erased from the log.
-- Security definer: clients have no right to call `private.erase_contact`.
create function public.erase_contact(contact_id uuid) returns jsonb
language plpgsql security definer set search_path = '' as $$
declare
  gone private.deleted_contacts;
  nothing constant jsonb := jsonb_build_object(
    'conversations', 0, 'messages', 0, 'files', 0, 'recipients', 0, 'list_entries', 0, 'deliveries', 0
  );
begin
  perform private.require('contacts.erase');
  delete from private.deleted_contacts d
  where d.contact_id = erase_contact.contact_id and d.tenant_id = private.tenant_id()
  returning d.* into gone;
  if gone.contact_id is not null then
    perform private.erase_log_entries(gone.log_ids);
    perform private.record_use('contacts.erased', 'contacts', gone.contact_id::text, nothing);
    return nothing;
  end if;
  return private.erase_contact(private.own_contact(erase_contact.contact_id), with_log => true);
end;
$$;

-- Deletes the named contacts, or those that match a filter; at most 100 in one call. It skips contacts with a conversation
-- that the caller does not see. Returns {"matched", "changed"}. If
-- they differ, call again.
-- Security definer: clients have no right to call `private.contact_condition`.
-- Time limit: it erases a batch of contacts with their messages.
create function public.delete_contacts(
  contact_ids uuid[], filter jsonb, everyone boolean default false, expected_count bigint default null
) returns jsonb
language plpgsql security definer set search_path = '' set statement_timeout = '60s' as $$
declare
  matched bigint;
  chosen uuid[];
  condition text;
begin
  perform private.require('contacts.delete');
  perform private.check_scope(contact_ids, filter, everyone);
  condition := private.contact_condition(coalesce(filter, '{}')) || ' and ($1 is null or c.id = any ($1))';
  if not private.has_permission('conversations.view_all') then
    condition := condition || ' and private.sees_conversations_of(array[c.id])';
  end if;
  execute 'select count(*) from public.contacts c where ' || condition into matched using contact_ids;
  if contact_ids is null and expected_count is null then
    raise sqlstate 'PT422' using
      message = format('The action would delete %s contacts. Say so in expected_count.', matched),
      detail = 'invalid_field', hint = 'expected_count';
  end if;
  perform private.check_expected(matched, expected_count);
  execute format('select array(select c.id from public.contacts c where %s order by c.id limit 100)', condition)
    into chosen using contact_ids;
  perform private.erase_contact(c, with_log => false) from public.contacts c where c.id = any (chosen) order by c.id;
  return jsonb_build_object('matched', matched, 'changed', cardinality(chosen));
end;
$$;

-- Files to delete from Storage, the oldest first: [{"bucket", "path"}]. They are returned again until
-- `record_files_removed`.
create function public.files_to_remove(batch integer) returns jsonb
language sql stable set search_path = '' as $$
  select coalesce(jsonb_agg(jsonb_build_object('bucket', f.bucket, 'path', f.path)), '[]')
  from (select * from private.files_to_remove f where f.due_at <= now() order by f.due_at, f.path limit batch) f;
$$;

-- Reserves the place of an upload: unless `private.keep_file` follows, the object is removed. An upload address is valid
-- for two hours.
create function private.reserve_file(bucket text, path text) returns void
language sql set search_path = '' as $$
  insert into private.files_to_remove (bucket, path, due_at) values (bucket, path, now() + interval '3 hours');
$$;

-- Keeps the object at a reserved place, because a row names it from now on. False if the place is not reserved any more.
create function private.keep_file(bucket text, path text) returns boolean
language plpgsql set search_path = '' as $$
begin
  delete from private.files_to_remove f
  where f.bucket = keep_file.bucket and f.path = keep_file.path and f.due_at > now();
  return found;
end;
$$;

create function public.record_files_removed(bucket text, paths text[]) returns void
language sql set search_path = '' as $$
  delete from private.files_to_remove f where f.bucket = record_files_removed.bucket and f.path = any (paths);
$$;

-- All data about one person except their messages, which `list_contact_data_messages` returns. The audit log records who
-- read it.
-- Security definer: clients have no right to read `private.former_identities`.
create function public.get_contact_data(contact_id uuid) returns jsonb
language plpgsql security definer set search_path = '' as $$
declare
  tenant constant uuid := private.tenant_id();
begin
  perform private.require('contacts.erase');
  perform private.record_use('contacts.data_read', 'contacts', c.id::text, null)
  from public.contacts c
  where c.id = get_contact_data.contact_id and c.tenant_id = tenant and private.sees_contact(c);
  return (
    select jsonb_build_object(
      'contact', private.contact_json(c) || jsonb_build_object('user_id_at', c.user_id_at, 'profile_at', c.profile_at),
      'former_identities', coalesce((
        select jsonb_agg(jsonb_build_object('phone_number', '+' || f.phone_key, 'user_id', f.user_id, 'until', f.until) order by f.until)
        from private.former_identities f where f.contact_id = c.id and f.tenant_id = tenant
      ), '[]'),
      'consents', coalesce((
        select jsonb_agg(private.consent_json(k) order by k.occurred_at) from public.contact_consents k
        where k.contact_id = c.id and k.tenant_id = tenant
      ), '[]'),
      'notes', coalesce((
        select jsonb_agg(private.contact_note_json(n) order by n.created_at) from public.contact_notes n
        where n.contact_id = c.id and n.tenant_id = tenant
      ), '[]'),
      'conversation_notes', coalesce((
        select jsonb_agg(jsonb_build_object(
          'conversation_id', n.conversation_id, 'content', n.content, 'author_id', n.author_id, 'author_name', (
            select nullif(p.display_name, '') from public.profiles p
            where p.user_id = n.author_id and p.tenant_id = n.tenant_id
          ), 'created_at', n.created_at, 'edited_at', n.edited_at
        ) order by n.created_at)
        from public.conversations v
        join public.conversation_notes n on n.conversation_id = v.id and n.tenant_id = v.tenant_id
        where v.contact_id = c.id and v.tenant_id = tenant
      ), '[]'),
      'satisfaction', coalesce((
        select jsonb_agg(jsonb_build_object(
          'conversation_id', s.conversation_id, 'asked_at', s.created_at, 'score', s.score, 'answered_at', s.answered_at
        ) order by s.created_at)
        from public.conversations v
        join public.csat_responses s on s.conversation_id = v.id and s.tenant_id = v.tenant_id
        where v.contact_id = c.id and v.tenant_id = tenant
      ), '[]'),
      'conversations', coalesce((
        select jsonb_agg(to_jsonb(v) - 'tenant_id' order by v.created_at) from public.conversations v
        where v.contact_id = c.id and v.tenant_id = tenant
      ), '[]'),
      'campaigns', coalesce((
        select jsonb_agg(jsonb_build_object(
          'campaign_id', k.id, 'campaign_name', k.name, 'phone_number', '+' || r.wa_id, 'name', r.name, 'variables', r.variables, 'status', r.status,
          'sent_at', r.sent_at, 'delivered_at', r.delivered_at, 'read_at', r.read_at, 'replied_at', r.replied_at
        ) order by r.created_at)
        from public.broadcast_campaigns k
        join public.broadcast_recipients r on r.campaign_id = k.id and r.wa_id = any (private.contact_numbers(c))
        where k.tenant_id = tenant
      ), '[]'),
      'recipient_lists', coalesce((
        select jsonb_agg(jsonb_build_object(
          'list_id', l.id, 'list_name', l.name, 'phone_number', '+' || e.wa_id, 'name', e.name, 'variables', e.variables
        ) order by l.created_at)
        from public.recipient_list_entries e join public.recipient_lists l on l.id = e.list_id
        where e.tenant_id = tenant and e.wa_id = any (private.contact_numbers(c))
      ), '[]')
    )
    from public.contacts c
    where c.id = get_contact_data.contact_id and c.tenant_id = tenant and private.sees_contact(c)
  );
end;
$$;

-- A page of a contact's messages and their files, in the order they were stored.
-- Security definer: clients have no right to call `private.sees_contact`.
create function public.list_contact_data_messages(contact_id uuid, page_size integer, after timestamptz default null, after_id uuid default null)
returns jsonb
language plpgsql security definer set search_path = '' as $$
declare
  tenant constant uuid := private.tenant_id();
begin
  perform private.require('contacts.erase');
  perform private.record_use('contacts.data_read', 'contacts', c.id::text, null)
  from public.contacts c
  where c.id = list_contact_data_messages.contact_id and c.tenant_id = tenant and private.sees_contact(c);
  return (
    select coalesce(jsonb_agg(to_jsonb(m) - 'tenant_id' - 'idempotency_key' - 'message_key' - 'target_key' - 'files' || jsonb_build_object(
      'media', coalesce((
        select jsonb_agg(jsonb_build_object(
          'id', f.id, 'kind', f.kind, 'file_name', f.file_name, 'mime_type', f.mime_type, 'file_size', f.file_size,
          'state', f.state, 'link', '/api/whatsapp/media/' || f.id
        ))
        from public.message_media f where f.message_id = m.id
      ), '[]')
    ) order by m.occurred_at, m.id), '[]')
    from (
      select o.*
      from public.conversations v
      join public.contacts c on c.id = v.contact_id and private.sees_contact(c)
      cross join lateral (
        select m.* from public.messages m
        where m.conversation_id = v.id and m.tenant_id = v.tenant_id
          and m.occurred_at >= coalesce(list_contact_data_messages.after, '-infinity')
          and (m.occurred_at, m.id) > (coalesce(list_contact_data_messages.after, '-infinity'), coalesce(after_id, '00000000-0000-0000-0000-000000000000'))
        order by m.occurred_at, m.id
        limit page_size
      ) o
      where v.contact_id = list_contact_data_messages.contact_id and v.tenant_id = tenant
      order by o.occurred_at, o.id
      limit page_size
    ) m
  );
end;
$$;

-- The current and earlier numbers of a contact, in every form that a recipient list or a campaign may contain.
create function private.contact_numbers(contact public.contacts) returns text[]
language sql stable set search_path = '' as $$
  select coalesce(array_agg(distinct f), '{}')
  from (
    select contact.wa_id as f
    union all select unnest(private.phone_forms(contact.phone_key))
    union all
    select unnest(private.phone_forms(i.phone_key)) from private.former_identities i
    where i.contact_id = contact.id and i.tenant_id = contact.tenant_id and i.phone_key is not null
  ) n
  where f is not null;
$$;

-- The last digits of a value that may be a phone number, in any spelling.
create function private.written_tail(value text) returns text
language sql immutable strict parallel safe set search_path = '' as $$
  select case when char_length(d.digits) >= 8 then right(d.digits, 8) end
  from (select regexp_replace(value, '[^0-9]', '', 'g') as digits) d;
$$;

create index contact_import_errors_tail_idx on public.contact_import_errors (tenant_id, private.written_tail(value));

alter table private.deleted_contacts enable row level security;
alter table private.files_to_remove enable row level security;

create policy "no client access" on private.deleted_contacts to authenticated using (false);
create policy "no client access" on private.files_to_remove to authenticated using (false);

grant execute on function
  public.delete_contact(uuid),
  public.erase_contact(uuid),
  public.delete_contacts(uuid[], jsonb, boolean, bigint),
  public.get_contact_data(uuid),
  public.list_contact_data_messages(uuid, integer, timestamptz, uuid)
to authenticated;
