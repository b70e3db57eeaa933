-- What a message to be sent is checked for beside its window, and what Meta's answers mean for the number and the person.

alter table public.whatsapp_sessions
  -- until when Meta issued its own token, as somebody told; null: it does not expire
  add column access_expires_at timestamptz;

-- Why a number is broken, also for programs: `code` is one word, such as token_invalid or not_registered.
drop function public.break_session(uuid, text);
create function public.break_session(session_id uuid, reason text, code text default null) returns void
language sql set search_path = '' as $$
  update public.whatsapp_sessions s
  set
    status = 'broken', status_reason = reason, status_code = break_session.code,
    access_status = case when break_session.code = 'token_invalid' then 'invalid' else s.access_status end
  where s.id = break_session.session_id and s.status = 'connected';
$$;
revoke execute on function public.break_session(uuid, text, text) from public, anon, authenticated;
grant execute on function public.break_session(uuid, text, text) to service_role;

create or replace function private.number_json(s public.whatsapp_sessions) returns jsonb
language sql stable set search_path = '' as $$
  select jsonb_build_object(
    'id', s.id, 'name', s.name,
    'phone_number_id', coalesce(s.meta_phone_number_id, s.former_phone_number_id),
    'business_account_id', s.meta_business_account_id,
    'display_phone_number', s.display_phone_number, 'verified_name', s.verified_name,
    'status', s.status, 'status_reason', s.status_reason, 'status_code', s.status_code,
    'messages_per_second', s.messages_per_second,
    'quality_rating', s.quality_rating, 'messaging_limit', s.messaging_limit, 'name_status', s.name_status,
    'throughput_level', s.throughput_level, 'meta_status', s.meta_status,
    'health_checked_at', s.health_checked_at, 'health_error', s.health_error,
    'token_source', s.access_source, 'token_status', s.access_status, 'token_changed_at', s.access_changed_at,
    'token_expires_at', s.access_expires_at,
    'created_at', s.created_at, 'updated_at', s.updated_at, 'deleted_at', s.deleted_at
  );
$$;

-- As before; `expiry` tells until when the token was issued, as {"at"}. Null: nothing is known that was not before.
drop function public.connect_number(uuid, uuid, uuid, text, text, text, jsonb, jsonb);
create function public.connect_number(
  actor uuid, tenant_id uuid, session_id uuid, phone_number_id text, business_account_id text, name text, health jsonb,
  sealed jsonb default null, expiry jsonb default null
) returns jsonb
language plpgsql set search_path = '' as $$
declare
  number public.whatsapp_sessions;
begin
  perform set_config('app.actor_id', coalesce(actor::text, ''), true);
  begin
    insert into public.whatsapp_sessions as s (
      id, tenant_id, name, meta_phone_number_id, meta_business_account_id, access_source,
      access_changed_at, access_expires_at
    )
    values (
      connect_number.session_id, connect_number.tenant_id, coalesce(connect_number.name, health ->> 'verified_name', ''),
      connect_number.phone_number_id, connect_number.business_account_id,
      case when sealed is null then 'environment' else 'own' end, case when sealed is not null then now() end,
      (expiry ->> 'at')::timestamptz
    )
    on conflict (id) do update set
      name = coalesce(connect_number.name, s.name),
      meta_phone_number_id = excluded.meta_phone_number_id,
      meta_business_account_id = excluded.meta_business_account_id,
      access_source = excluded.access_source,
      access_changed_at = coalesce(excluded.access_changed_at, s.access_changed_at),
      access_expires_at = case when expiry is null then s.access_expires_at else excluded.access_expires_at end,
      status = 'connected',
      status_reason = null,
      status_code = null,
      status_before = null,
      -- subscribed again by now
      account_connection = null,
      deleted_at = null,
      former_phone_number_id = null
    where s.tenant_id = excluded.tenant_id
    returning s.* into number;
  exception when unique_violation then
    raise sqlstate 'PT409' using message = 'This number has just been connected by somebody else.',
      detail = 'number_taken';
  end;
  if number.id is null then
    raise sqlstate 'PT404' using message = 'There is no such number.', detail = 'not_found';
  end if;

  if sealed is null then
    delete from private.session_tokens t where t.session_id = number.id;
  else
    insert into private.session_tokens (session_id, sealed, key_id)
    values (number.id, sealed ->> 'sealed', sealed ->> 'key_id')
    on conflict on constraint session_tokens_pkey do update
      set sealed = excluded.sealed, key_id = excluded.key_id, updated_at = now();
  end if;
  perform private.take_health(number.id, health);
  select s.* into number from public.whatsapp_sessions s where s.id = number.id;
  return private.number_json(number);
end;
$$;
revoke execute on function public.connect_number(uuid, uuid, uuid, text, text, text, jsonb, jsonb, jsonb)
  from public, anon, authenticated;
grant execute on function public.connect_number(uuid, uuid, uuid, text, text, text, jsonb, jsonb, jsonb) to service_role;

create or replace function public.change_number(session_id uuid, changes jsonb) returns jsonb
language plpgsql security definer set search_path = '' as $$
declare
  number public.whatsapp_sessions := private.own_number(change_number.session_id);
  fastest constant integer := case when number.throughput_level = 'HIGH' then 1000 else 80 end;
begin
  perform private.require('numbers.manage');
  if (changes ->> 'messages_per_second')::integer not between 1 and fastest then
    raise sqlstate 'PT422' using message = format('This number may send 1 to %s messages per second.', fastest),
      detail = 'invalid_field', hint = 'messages_per_second';
  end if;
  case changes ->> 'action'
    when 'pause' then
      if number.status not in ('connected', 'paused') then
        raise sqlstate 'PT409' using message = 'Only a connected number can be paused.', detail = 'number_unavailable';
      end if;
      number.status := 'paused';
      number.status_reason := null;
    when 'resume' then
      if number.status not in ('connected', 'paused') then
        raise sqlstate 'PT409' using message = 'Only a paused number can be resumed. Connect it again.',
          detail = 'number_unavailable';
      end if;
      number.status := 'connected';
      number.status_reason := null;
    when 'disconnect' then
      number.status := 'disconnected';
      number.status_reason := null;
      perform private.pause_campaigns_of(number.id, 'The number was disconnected.');
    else
      null;
  end case;

  update public.whatsapp_sessions s
  set
    name = coalesce(changes ->> 'name', s.name),
    messages_per_second = coalesce((changes ->> 'messages_per_second')::integer, s.messages_per_second),
    access_expires_at = case when changes ? 'token_expires_at' then (changes ->> 'token_expires_at')::timestamptz
      else s.access_expires_at end,
    status = number.status,
    status_reason = number.status_reason,
    status_code = case when number.status = 'broken' then s.status_code end,
    status_before = case when number.status = 'broken' then s.status_before end
  where s.id = number.id
  returning s.* into number;
  return private.number_json(number);
end;
$$;

create or replace function public.delete_number(session_id uuid) returns jsonb
language plpgsql security definer set search_path = '' as $$
declare
  number public.whatsapp_sessions := private.own_number(delete_number.session_id);
begin
  perform private.require('numbers.manage');
  update public.whatsapp_sessions s
  set
    status = 'disconnected', status_reason = null, status_code = null, access_expires_at = null, deleted_at = now(),
    former_phone_number_id = s.meta_phone_number_id, meta_phone_number_id = null
  where s.id = number.id;
  delete from private.session_tokens t where t.session_id = number.id;
  perform private.pause_campaigns_of(number.id, 'The number was disconnected.');
  return jsonb_build_object('business_account_id', number.meta_business_account_id, 'account_in_use', exists (
    select 1 from public.whatsapp_sessions o
    where o.meta_business_account_id = number.meta_business_account_id and o.deleted_at is null
  ));
end;
$$;

create or replace function private.record_outcomes(results jsonb) returns void
language plpgsql set search_path = '' as $$
declare
  touched uuid[];
  refusals jsonb;
begin
  select array_agg(r.message_id order by r.message_id) into touched
  from jsonb_to_recordset(results) as r (message_id uuid);

  perform 1 from public.messages m where m.id = any (touched) order by m.id for update;

  -- What has its outcome keeps it: a status from Meta told more than the answer to the call, or this is recorded
  -- twice because an answer of ours was lost on its way.
  update public.messages m
  set
    status = case when r.outcome in ('retry', 'held') then 'queued' else r.outcome end,
    whatsapp_message_id = coalesce(m.whatsapp_message_id, r.whatsapp_message_id),
    sent_at = case when r.outcome = 'sent' then coalesce(m.sent_at, now()) else m.sent_at end,
    failed_at = case when r.outcome = 'failed' then now() end,
    error_code = r.error_code,
    error_title = r.error_title,
    error_details = r.error_details
  from jsonb_to_recordset(results) as r (
    message_id uuid, outcome text, whatsapp_message_id text, error_code integer, error_title text,
    error_details text
  )
  where m.id = r.message_id and m.direction = 'outbound'
    and m.status in ('pending', 'queued', 'sending', 'unknown');

  -- Statuses that came first.
  update public.message_status_events e
  set message_id = m.id
  from public.messages m
  where m.id = any (touched) and e.session_id = m.session_id
    and e.whatsapp_message_id = m.whatsapp_message_id and e.message_id is null;
  perform private.settle_messages(touched);

  -- Meta's word that somebody wants no marketing, in its answer and not in a status of later.
  select jsonb_agg(jsonb_build_object(
    'tenant_id', m.tenant_id, 'contact_id', v.contact_id, 'state', 'opted_out', 'source', 'error_131050',
    'proof', jsonb_build_object('message_id', m.id), 'occurred_at', m.failed_at
  ) order by v.contact_id) into refusals
  from public.messages m join public.conversations v on v.id = m.conversation_id and v.tenant_id = m.tenant_id
  where m.id = any (touched) and m.status = 'failed' and m.error_code = 131050 and m.failed_at is not null;
  if refusals is not null then
    perform private.record_consents(refusals);
  end if;
end;
$$;

-- The same message with Meta's ids of files in the place of ours, wherever it names an upload: by itself, above buttons, or
-- among the values of a template.
create function private.with_uploads(body jsonb, type text, session public.whatsapp_sessions) returns jsonb
language plpgsql stable security definer set search_path = '' as $$
declare
  place record;
  upload public.message_media;
  sent jsonb := body;
begin
  if type not in ('image', 'video', 'audio', 'document', 'sticker', 'interactive', 'template') then
    return body;
  end if;
  for place in
    with recursive parts (path, value) as (
      select array[]::text[], body
      union all
      select p.path || c.key, c.value
      from parts p
      cross join lateral (
        select o.key, o.value
        from jsonb_each(case jsonb_typeof(p.value) when 'object' then p.value else '{}' end) as o
        union all
        select (a.nth - 1)::text, a.value
        from jsonb_array_elements(private.json_list(p.value)) with ordinality as a (value, nth)
      ) c
    )
    select p.path, p.path[cardinality(p.path) - 1] as kind, (p.value #>> '{}')::uuid as id,
      regexp_replace(array_to_string(p.path, '.'), '\.([0-9]+)', '[\1]', 'g') as field
    from parts p
    where p.path[cardinality(p.path)] = 'id'
      and p.path[cardinality(p.path) - 1] in ('image', 'video', 'gif', 'audio', 'document', 'sticker')
      and p.value #>> '{}' ~ '^[0-9a-f]{8}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{12}$'
  loop
    select f.* into upload from public.message_media f
    where f.id = place.id and f.tenant_id = session.tenant_id and f.session_id = session.id
      and f.message_id is null and f.state = 'stored' and f.expires_at > now();
    if not found then
      raise sqlstate 'PT422' using message = 'There is no such upload for this number.', detail = 'invalid_field',
        hint = place.field;
    elsif place.kind <> 'document' and upload.kind <> replace(place.kind, 'gif', 'video') then
      raise sqlstate 'PT422' using message = format('The uploaded file is of kind %s.', upload.kind),
        detail = 'invalid_field', hint = place.field;
    end if;
    sent := jsonb_set(sent, place.path, to_jsonb(upload.meta_media_id));
    if place.kind = 'document' then
      sent := jsonb_set(sent, trim_array(place.path, 1), jsonb_build_object('filename', upload.file_name)
        || (sent #> trim_array(place.path, 1)));
    end if;
  end loop;
  return sent;
end;
$$;
revoke execute on function private.with_uploads(jsonb, text, public.whatsapp_sessions) from public, authenticated;
grant execute on function private.with_uploads(jsonb, text, public.whatsapp_sessions) to service_role;

-- Whether a template is for marketing: unknown ones, and those of other categories, are not.
create function private.is_marketing(body jsonb, type text, session public.whatsapp_sessions) returns boolean
language sql stable security definer set search_path = '' as $$
  select type = 'template' and coalesce((
    select t.category = 'MARKETING' from public.broadcast_templates t
    where t.tenant_id = session.tenant_id and t.name = body #>> '{template,name}'
      and t.language = body #>> '{template,language,code}'
      and (t.meta_business_account_id is null or t.meta_business_account_id = session.meta_business_account_id)
    order by t.status = 'APPROVED' desc, t.meta_business_account_id nulls last
    limit 1
  ), false);
$$;
revoke execute on function private.is_marketing(jsonb, text, public.whatsapp_sessions) from public, authenticated;
grant execute on function private.is_marketing(jsonb, text, public.whatsapp_sessions) to service_role;

-- As before, and: to nobody who has no address any more, and no marketing to who wants none. Files are named by our ids
-- wherever a message has them.
create or replace function private.add_outbound(
  conversation public.conversations, type text, content text, payload jsonb, reply_to text, idempotency_key text
) returns jsonb
language plpgsql security definer set search_path = '' as $$
declare
  contact public.contacts;
  session public.whatsapp_sessions;
  message public.messages;
  known private.idempotency_keys;
  request_hash constant text := md5(concat_ws(' ', type, payload, reply_to));
  body jsonb := payload;
  context text;
begin
  if idempotency_key is not null then
    select k.* into known from private.idempotency_keys k
    where k.conversation_id = conversation.id and k.key = add_outbound.idempotency_key;
    if known.created_at > now() - interval '24 hours' then
      if known.request_hash <> request_hash then
        raise sqlstate 'PT422' using message = 'This key was used for another message.',
          detail = 'invalid_field', hint = 'Idempotency-Key';
      end if;
      select m.* into strict message from public.messages m where m.id = known.message_id;
      return jsonb_build_object('message', private.message_json(message), 'repeated', true);
    end if;
  end if;

  select c.* into strict contact from public.contacts c where c.id = conversation.contact_id;
  select s.* into strict session from public.whatsapp_sessions s where s.id = conversation.session_id;
  if session.status <> 'connected' then
    raise sqlstate 'PT409' using
      message = format('The number of this conversation is %s%s.', session.status,
        coalesce(': ' || session.status_reason, '')),
      detail = 'number_unavailable';
  end if;
  if private.breaker_holds(session.id) then
    raise sqlstate 'PT503' using message = 'Meta does not answer at the moment. Please try again in a minute.',
      detail = 'meta_unavailable';
  end if;
  if contact.wa_id is null and contact.user_id is null then
    raise sqlstate 'PT409' using message = 'This contact has no WhatsApp number or id any more.',
      detail = 'contact_unreachable';
  end if;
  if contact.marketing_opted_out_at is not null and private.is_marketing(payload, type, session) then
    raise sqlstate 'PT409' using message = 'This contact does not want marketing messages.',
      detail = 'contact_opted_out';
  end if;
  if type <> 'template' and (conversation.window_expires_at is null or conversation.window_expires_at <= now()) then
    raise sqlstate 'PT409' using
      message = 'The customer last wrote more than 24 hours ago: only an approved template may be sent now.',
      detail = 'window_closed';
  end if;

  if reply_to is not null then
    context := private.wamid_in(conversation.id, reply_to, 'context.message_id');
  end if;
  if type = 'reaction' then
    body := jsonb_set(body, '{reaction,message_id}', to_jsonb(
      private.wamid_in(conversation.id, body #>> '{reaction,message_id}', 'reaction.message_id')
    ));
  end if;
  body := private.with_uploads(body, type, session);

  insert into public.messages (
    tenant_id, session_id, conversation_id, direction, type, status, content, payload, context_message_id, sent_by
  )
  values (
    conversation.tenant_id, session.id, conversation.id, 'outbound', add_outbound.type, 'sending',
    add_outbound.content, body, context, private.person_id()
  )
  returning * into message;
  if idempotency_key is not null then
    insert into private.idempotency_keys (conversation_id, key, message_id, request_hash)
    values (conversation.id, add_outbound.idempotency_key, message.id, request_hash)
    on conflict on constraint idempotency_keys_pkey do update
      set message_id = excluded.message_id, request_hash = excluded.request_hash, created_at = excluded.created_at;
  end if;

  update public.conversations v
  set
    last_message_at = case when message.type = 'reaction' then v.last_message_at else message.occurred_at end,
    last_message_preview = case when message.type = 'reaction' then v.last_message_preview
      else left(message.content, 200) end,
    last_message_type = case when message.type = 'reaction' then v.last_message_type else message.type end,
    last_message_direction = case when message.type = 'reaction' then v.last_message_direction else 'outbound' end,
    unread_count = 0
  where v.id = conversation.id;

  return jsonb_build_object(
    'message', private.message_json(message),
    'repeated', false,
    'phone_number_id', session.meta_phone_number_id,
    'wa_id', contact.wa_id,
    'user_id', contact.user_id
  );
end;
$$;

-- As before; a repeated key finds its message also where another number would be the first by now.
create or replace function public.create_message_to(
  session_id uuid, contact_id uuid, wa_id text, name text, type text, content text, payload jsonb,
  reply_to text default null, idempotency_key text default null
) returns jsonb
language plpgsql security definer set search_path = '' as $$
declare
  tenant constant uuid := private.tenant_id();
  contact uuid := create_message_to.contact_id;
  number public.whatsapp_sessions;
  conversation public.conversations;
begin
  if tenant is null or not private.may_send(type) then
    raise sqlstate 'PT403' using message = 'You may not send messages of this kind.', detail = 'forbidden';
  end if;
  if contact is null then
    contact := private.contact_of(tenant, create_message_to.wa_id, create_message_to.name);
  elsif not exists (
    select 1 from public.contacts c
    where c.id = contact and c.tenant_id = tenant and (
      private.has_permission('contacts.view')
      or exists (
        select 1 from public.conversations v
        where v.contact_id = c.id and v.tenant_id = tenant and private.sees_assigned_to(v.assigned_to)
      )
    )
  ) then
    raise sqlstate 'PT422' using message = 'There is no such contact.', detail = 'invalid_field', hint = 'contact_id';
  end if;
  number := private.number_for(contact, coalesce(create_message_to.session_id, (
    -- where it went the first time, whatever number comes first by now
    select v.session_id
    from private.idempotency_keys k join public.conversations v on v.id = k.conversation_id
    where k.key = create_message_to.idempotency_key and v.contact_id = contact and v.tenant_id = tenant
      and k.created_at > now() - interval '24 hours'
    order by k.created_at
    limit 1
  )));

  select v.* into conversation from public.conversations v
  where v.session_id = number.id and v.contact_id = contact
  for update;
  if not found then
    if not private.has_permission('conversations.create') then
      raise sqlstate 'PT403' using message = 'You may not begin conversations.', detail = 'forbidden';
    end if;
    insert into public.conversations (tenant_id, session_id, contact_id, assigned_to)
    values (
      tenant, number.id, contact, case when not private.sees_assigned_to(null) then private.person_id() end
    )
    on conflict on constraint conversations_session_id_contact_id_key do nothing;
    select v.* into strict conversation from public.conversations v
    where v.session_id = number.id and v.contact_id = contact
    for update;
  end if;
  if not private.sees_assigned_to(conversation.assigned_to) then
    raise sqlstate 'PT403' using message = 'A colleague is in conversation with this contact.', detail = 'forbidden';
  end if;
  return private.add_outbound(conversation, type, content, payload, reply_to, idempotency_key);
end;
$$;
