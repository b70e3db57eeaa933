-- Everything that people and integrations send outside of campaigns: all kinds of messages, into a conversation or to a
-- number, now or later; resending, forwarding, read receipts and typing indicators.
--
-- Every outgoing message is stored before the request to Meta, and its outcome is recorded after it. A sender reports
-- one outcome per message:
--   sent      Meta accepted it and returned a wamid
--   failed    Meta refused it permanently
--   retry     Meta refused it temporarily, or was not reached: nothing was sent
--   held      like retry, but the cause is the number or the account: the attempt is not counted
--   unknown   it may have been sent. It is never repeated automatically; a status from Meta decides

-- Some functions below name objects that later statements create.
set check_function_bodies = off;

-- The messages that were sent with an `Idempotency-Key`. A key counts for 24 hours, whether or not its row was deleted
-- by then: see `private.known_key`.
create table private.idempotency_keys (
  conversation_id uuid not null references public.conversations (id) on delete cascade,
  key text not null check (char_length(key) between 1 and 200),
  message_id uuid not null references public.messages (id) on delete cascade,
  -- a hash of the request: the same key with another request is refused
  request_hash text not null,
  created_at timestamptz not null default now(),
  primary key (conversation_id, key)
);
create index idempotency_keys_message_idx on private.idempotency_keys (message_id);
create index idempotency_keys_created_at_idx on private.idempotency_keys (created_at);

-- The message that a key of a conversation stands for; null for a key that is new or older than 24 hours.
create function private.known_key(conversation uuid, key text) returns private.idempotency_keys
language sql stable set search_path = '' as $$
  select k from private.idempotency_keys k
  where k.conversation_id = conversation and k.key = known_key.key and k.created_at > now() - interval '24 hours';
$$;

-- Records outcomes of messages. A status from Meta that arrived first takes precedence.
create function private.record_outcomes(results jsonb) returns void
language plpgsql set search_path = '' as $$
declare
  touched uuid[];
  refusals jsonb;
begin
  select array_agg(r.message_id order by r.message_id) into touched
  from jsonb_to_recordset(results) as r (message_id uuid);

  perform 1 from public.messages m where m.id = any (touched) order by m.id for update;

  -- A message that has an outcome keeps it. Either a status from Meta was more precise than the response, or the same
  -- outcome is recorded twice because our answer was lost.
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

  -- Statuses that arrived before the outcome.
  update public.message_status_events e
  set message_id = m.id
  from public.messages m
  where m.id = any (touched) and e.session_id = m.session_id
    and e.whatsapp_message_id = m.whatsapp_message_id and e.message_id is null;
  perform private.refresh_message_states(touched);

  -- Meta's response, not only a later status, can say that a person opted out of marketing.
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

-- Records the outcomes of replies and returns the current messages.
create function public.record_replies(results jsonb) returns jsonb
language plpgsql set search_path = '' as $$
begin
  perform private.record_outcomes(results);
  return (
    select coalesce(jsonb_agg(to_jsonb(m) - 'message_key' - 'target_key'), '[]')
    from public.messages m
    where m.id in (select r.message_id from jsonb_to_recordset(results) as r (message_id uuid))
  );
end;
$$;

-- Whether an earlier message by a person or an integration in the same conversation is still being sent. Campaign
-- messages and automatic messages have an order of their own. A message that has been sending for two minutes has lost
-- its sender.
create function private.waits_for_earlier_message(m public.messages) returns boolean
language sql stable set search_path = '' as $$
  select exists (
    select 1 from public.messages e
    where e.conversation_id = m.conversation_id and e.tenant_id = m.tenant_id
      and e.occurred_at > now() - interval '2 minutes' and e.direction = 'outbound' and e.status = 'sending'
      and (e.occurred_at, e.created_at, e.id) < (m.occurred_at, m.created_at, m.id)
      and not e.metadata ?| '{automation,broadcast_campaign_id}'
  );
$$;

-- Whether a message is next: no earlier one is still being sent.
create function public.message_is_next(message_id uuid) returns boolean
language sql stable set search_path = '' as $$
  select not coalesce((select private.waits_for_earlier_message(m) from public.messages m where m.id = message_is_next.message_id), false);
$$;

-- Whether the caller has the permission for a type of message.
create function private.may_send(type text) returns boolean
language sql stable set search_path = '' as $$
  select private.has_permission(case
    when type = 'template' then 'messages.send_template'
    when type in ('image', 'video', 'audio', 'document', 'sticker') then 'messages.send_media'
    else 'messages.send'
  end);
$$;

-- The wamid of a message in a conversation, given our id or the wamid.
create function private.wamid_in(conversation uuid, named text, field text) returns text
language plpgsql stable set search_path = '' as $$
declare
  wamid text;
begin
  select m.whatsapp_message_id into wamid from public.messages m
  where m.conversation_id = conversation and m.whatsapp_message_id is not null and (
    case when named ~ '^[0-9a-f]{8}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{12}$' then m.id = named::uuid
      else m.whatsapp_message_id = named end
  );
  if wamid is null then
    raise sqlstate 'PT422' using message = 'There is no such message in this conversation.',
      detail = 'invalid_field', hint = field;
  end if;
  return wamid;
end;
$$;

-- The words that a message shows to the customer, read from the request to Meta. Null for a kind without words, and for a
-- template that the number's account does not have.
create function private.outbound_words(session public.whatsapp_sessions, type text, payload jsonb) returns text
language sql stable set search_path = '' as $$
  select nullif(case
    when type = 'text' then payload #>> '{text,body}'
    when type in ('image', 'video', 'audio', 'document', 'sticker') then payload #>> array[type, 'caption']
    when type = 'interactive' then payload #>> '{interactive,body,text}'
    when type = 'reaction' then payload #>> '{reaction,emoji}'
    when type = 'template' then (
      select private.render_template(t.components, coalesce((
        select jsonb_object_agg(
          coalesce(p.value ->> 'parameter_name', p.nth::text),
          coalesce(
            p.value ->> 'text', p.value #>> '{currency,fallback_value}', p.value #>> '{date_time,fallback_value}', ''
          )
        )
        from jsonb_array_elements(private.json_list(payload #> '{template,components}')) c
        cross join jsonb_array_elements(private.json_list(c -> 'parameters')) with ordinality as p (value, nth)
        where lower(c ->> 'type') = 'body'
      ), '{}'))
      from public.broadcast_templates t
      where t.tenant_id = session.tenant_id
        and t.name = payload #>> '{template,name}' and t.language = payload #>> '{template,language,code}'
        and (t.meta_business_account_id is null or t.meta_business_account_id = session.meta_business_account_id)
      order by t.status = 'APPROVED' desc, t.meta_business_account_id nulls last
      limit 1
    )
  end, '');
$$;

-- Creates an outgoing message in a conversation that the caller has locked. It first checks all that can be checked:
-- the number, the contact, the 24-hour window, and for marketing the consent. Payloads name files and messages by our
-- ids, which are replaced by Meta's. With `send_at` the message waits until then, and the conversation stays unchanged,
-- except that its author has read it.
create function private.add_outbound(
  conversation public.conversations, type text, content text, payload jsonb, reply_to text, idempotency_key text,
  send_at timestamptz default null
) returns jsonb
language plpgsql set search_path = '' as $$
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
    known := private.known_key(conversation.id, add_outbound.idempotency_key);
    if known.message_id is not null then
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

  if contact.blocked_at is not null then
    raise sqlstate 'PT409' using message = 'This contact is blocked.', detail = 'contact_blocked';
  end if;

  insert into public.messages (
    tenant_id, session_id, conversation_id, direction, type, status, content, payload, context_message_id, sent_by,
    occurred_at, send_at
  )
  values (
    conversation.tenant_id, session.id, conversation.id, 'outbound', add_outbound.type,
    case when add_outbound.send_at is null then 'sending' else 'pending' end,
    -- The thread shows what the customer reads. The caller's preview stands for a kind without words.
    coalesce(private.outbound_words(session, add_outbound.type, body), add_outbound.content), body, context,
    private.person_id(), coalesce(add_outbound.send_at, now()), add_outbound.send_at
  )
  returning * into message;
  perform private.add_message_files(array[message.id]);
  if idempotency_key is not null then
    insert into private.idempotency_keys (conversation_id, key, message_id, request_hash)
    values (conversation.id, add_outbound.idempotency_key, message.id, request_hash)
    on conflict on constraint idempotency_keys_pkey do update
      set message_id = excluded.message_id, request_hash = excluded.request_hash, created_at = excluded.created_at;
  end if;

  perform private.mark_read_by_author(message);
  if add_outbound.send_at is null then
    perform private.send_into_conversation(message);
  end if;

  return jsonb_build_object(
    'message', private.message_json(message),
    'repeated', false,
    'behind', private.waits_for_earlier_message(message),
    'phone_number_id', session.meta_phone_number_id,
    'wa_id', contact.wa_id,
    'user_id', contact.user_id
  );
end;
$$;

-- Creates a message in a conversation. The same idempotency key in the same conversation returns the same message for
-- 24 hours.
-- Security definer: clients have no right to write messages.
create function public.create_message(
  conversation_id uuid, type text, content text, payload jsonb, reply_to text default null,
  idempotency_key text default null
) returns jsonb
language plpgsql security definer set search_path = '' as $$
begin
  if private.tenant_id() is null or not private.may_send(type) then
    raise sqlstate 'PT403' using message = 'You may not send messages of this kind.', detail = 'forbidden';
  end if;
  return private.add_outbound(
    private.own_conversation(conversation_id), type, content, payload, reply_to, idempotency_key
  );
end;
$$;

-- The contact of a phone number, created if there is none.
create function private.contact_of(tenant uuid, phone text, called text) returns uuid
language plpgsql set search_path = '' as $$
declare
  found_id uuid;
begin
  loop
    select c.id into found_id from public.contacts c 
    where c.tenant_id = tenant and c.phone_key = private.phone_key(phone);
    exit when found;
    insert into public.contacts (tenant_id, wa_id, name) values (tenant, phone, called)
    on conflict do nothing
    returning id into found_id;
    exit when found;
  end loop;
  return found_id;
end;
$$;

-- Creates a message to a contact or a phone number, and the conversation if there is none. A repeated key finds its
-- message even if another number would be chosen by now. A template belongs to one WhatsApp Business account: if no
-- number is named, the message goes out from a number of that account.
-- Security definer: clients have no right to write messages.
create function public.create_message_to(
  session_id uuid, contact_id uuid, wa_id text, name text, type text, content text, payload jsonb,
  reply_to text default null, idempotency_key text default null
) returns jsonb
language plpgsql security definer set search_path = '' as $$
declare
  tenant constant uuid := private.tenant_id();
  contact uuid := create_message_to.contact_id;
  named uuid;
  number public.whatsapp_sessions;
  conversation public.conversations;
begin
  if tenant is null or not private.may_send(type) then
    raise sqlstate 'PT403' using message = 'You may not send messages of this kind.', detail = 'forbidden';
  end if;
  if contact is null then
    contact := private.contact_of(tenant, create_message_to.wa_id, create_message_to.name);
    -- Knowing a phone number does not open a contact that a colleague looks after.
    if exists (
      select 1 from public.contacts c
      where c.id = contact and not private.sees_contact(c) and (
        c.owner_id <> auth.uid()
        or exists (select 1 from public.conversations v where v.contact_id = c.id and v.tenant_id = c.tenant_id)
      )
    ) then
      raise sqlstate 'PT403' using message = 'A colleague looks after this contact.', detail = 'forbidden';
    end if;
  elsif not exists (
    select 1 from public.contacts c
    where c.id = contact and c.tenant_id = tenant and (
      private.has_permission('contacts.view')
      or exists (
        select 1 from public.conversations v
        where v.contact_id = c.id and v.tenant_id = tenant and private.sees_customer_of(v)
      )
    )
  ) then
    raise sqlstate 'PT422' using message = 'There is no such contact.', detail = 'invalid_field', hint = 'contact_id';
  end if;
  -- the number that was chosen the first time
  named := coalesce(create_message_to.session_id, (
    select v.session_id
    from private.idempotency_keys k join public.conversations v on v.id = k.conversation_id
    where k.key = create_message_to.idempotency_key and v.contact_id = contact and v.tenant_id = tenant
      and k.created_at > now() - interval '24 hours'
    order by k.created_at
    limit 1
  ));
  number := private.number_for(contact, named);
  if named is null and type = 'template' then
    number := private.number_with_template(number, payload);
  end if;

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

-- A template that can be sent from a conversation's number, or from one of the tenant's numbers; null if none has this
-- name and language. A template of the number's account takes precedence over one without an account.
-- Security definer: people who send templates may have no right to list them.
create function public.sendable_template(name text, language text, conversation_id uuid, session_id uuid)
returns jsonb
language sql stable security definer set search_path = '' as $$
  select jsonb_build_object('status', t.status, 'category', t.category, 'components', t.components)
  from public.broadcast_templates t
  where t.tenant_id = private.tenant_id() and private.has_permission('messages.send_template')
    and t.name = sendable_template.name and t.language = sendable_template.language
    and (
      t.meta_business_account_id is null
      or (sendable_template.conversation_id is null and sendable_template.session_id is null)
      or t.meta_business_account_id in (
        select s.meta_business_account_id from public.whatsapp_sessions s
        where s.tenant_id = t.tenant_id and (
          s.id = sendable_template.session_id
          or s.id = (select v.session_id from public.conversations v where v.id = sendable_template.conversation_id)
        )
      )
    )
  order by t.status = 'APPROVED' desc, t.meta_business_account_id nulls last
  limit 1;
$$;

-- The message whose author is shown a typing indicator; null if there is none within the window.
-- Security definer: as for reading receipts; it checks row level security explicitly.
create function public.typing_target(conversation_id uuid) returns jsonb
language plpgsql security definer set search_path = '' as $$
declare
  conversation public.conversations;
  target jsonb;
begin
  if not private.has_permission('messages.send') then
    raise sqlstate 'PT403' using message = 'You may not send messages.', detail = 'forbidden';
  end if;
  conversation := private.own_conversation(typing_target.conversation_id);
  select jsonb_build_object('session_id', s.id, 'phone_number_id', s.meta_phone_number_id, 'wamid', m.whatsapp_message_id)
  into target
  from public.messages m join public.whatsapp_sessions s on s.id = m.session_id and s.status = 'connected'
  where m.conversation_id = conversation.id and m.tenant_id = conversation.tenant_id and m.direction = 'inbound'
    and m.whatsapp_message_id is not null and conversation.window_expires_at > now()
  order by m.occurred_at desc, m.created_at desc, m.id desc
  limit 1;
  if target is not null then
    update public.conversations v
    set unread_count = 0, read_message_id = m.id
    from public.messages m
    where v.id = conversation.id and m.session_id = v.session_id and m.whatsapp_message_id = target ->> 'wamid'
      and (v.unread_count, v.read_message_id) is distinct from (0, m.id);
  end if;
  return target;
end;
$$;

-- Deletes expired idempotency keys, at most 100,000 per call, which stays well below the 8 s limit of the service.
-- Returns their number.
create function public.expire_idempotency_keys() returns integer
language plpgsql set search_path = '' as $$
declare
  freed integer;
begin
  delete from private.idempotency_keys k
  where k.ctid = any (array(
    select o.ctid from private.idempotency_keys o
    where o.created_at < now() - interval '24 hours'
    order by o.created_at
    limit 100000
    for update skip locked
  ));
  get diagnostics freed = row_count;
  delete from private.repeatable_requests r
  where r.ctid = any (array(
    select o.ctid from private.repeatable_requests o
    where o.created_at < now() - interval '24 hours'
    order by o.created_at
    limit 100000
    for update skip locked
  ));
  return freed;
end;
$$;

-- Resends a message that failed or has an unknown outcome. The new message refers to the old one. Returns the same as
-- `create_message`.
-- Security definer: clients have no right to write messages.
create function public.resend_message(message_id uuid, idempotency_key text default null) returns jsonb
language plpgsql security definer set search_path = '' as $$
declare
  message public.messages;
  known private.idempotency_keys;
  again public.messages;
  made jsonb;
begin
  message := private.own_message(resend_message.message_id);
  if not private.may_send(message.type) then
    raise sqlstate 'PT403' using message = 'You may not send messages of this kind.', detail = 'forbidden';
  end if;
  -- A known key only repeats the answer of the request that used it. Every other request passes the checks below.
  known := private.known_key(message.conversation_id, resend_message.idempotency_key);
  if known.message_id is not null then
    select m.* into strict again from public.messages m where m.id = known.message_id;
    if again.metadata ->> 'resend_of' is distinct from message.id::text then
      raise sqlstate 'PT422' using message = 'This key was used for another message.', detail = 'invalid_field',
        hint = 'Idempotency-Key';
    end if;
    return jsonb_build_object('message', private.message_json(again), 'repeated', true);
  end if;
  if message.direction <> 'outbound' or message.status not in ('failed', 'unknown') or message.deleted_at is not null then
    raise sqlstate 'PT409' using message = 'Only a message that failed, or whose outcome is unknown, can be sent again.',
      detail = 'message_not_failed';
  elsif private.sent_by_another_attempt(message) then
    raise sqlstate 'PT409' using message = 'This message was sent again already.', detail = 'already_resent';
  end if;
  made := private.add_outbound(
    private.own_conversation(message.conversation_id), message.type, message.content, message.payload,
    message.context_message_id, resend_message.idempotency_key
  );
  update public.messages m set metadata = m.metadata || jsonb_build_object('resend_of', message.id)
  where m.id = (made #>> '{message,id}')::uuid
  returning jsonb_set(made, '{message}', private.message_json(m)) into made;
  return made;
end;
$$;

-- Forwards the content of a message to other conversations: text, a location, contacts, and files that Meta or we still
-- have, including those from customers. Returns [{"conversation_id", "outcome"}]. The outcome is `created`, with the
-- result of `create_message` as "made", or the code of the refusal, with its sentence as "reason". It is `not_found`
-- for conversations that the caller may not see.
-- Security definer: clients have no right to write messages.
create function public.forward_message(message_id uuid, conversation_ids uuid[]) returns jsonb
language plpgsql security definer set search_path = '' as $$
declare
  message public.messages;
  file public.message_media;
  upload public.message_media;
  conversation public.conversations;
  target uuid;
  body jsonb;
  made jsonb;
  answers jsonb := '[]';
  code text;
  reason text;
begin
  perform private.require('messages.forward');
  message := private.own_message(forward_message.message_id);
  if not private.may_send(message.type) then
    raise sqlstate 'PT403' using message = 'You may not send messages of this kind.', detail = 'forbidden';
  end if;
  if message.deleted_at is not null or message.revoked_at is not null or message.target_message_id is not null
    or message.type not in ('text', 'image', 'video', 'audio', 'document', 'sticker', 'location', 'contacts')
    or (message.type = 'text' and char_length(coalesce(message.content, '')) not between 1 and 4096)
  then
    raise sqlstate 'PT409' using message = 'A message of this kind cannot be forwarded.', detail = 'not_forwardable';
  end if;
  select f.* into file from public.message_media f where f.message_id = message.id order by f.created_at limit 1;

  for target in select w.id from unnest(forward_message.conversation_ids) with ordinality w (id, nth) group by w.id order by w.id loop
    begin
      conversation := private.own_conversation(target);
      if message.type = 'text' then
        body := jsonb_build_object('body', message.content);
      elsif message.type in ('location', 'contacts') then
        body := message.payload -> message.type;
        if message.type = 'location' then
          body := jsonb_strip_nulls(jsonb_build_object('latitude', body -> 'latitude', 'longitude', body -> 'longitude',
            'name', body -> 'name', 'address', body -> 'address'));
        end if;
      elsif message.payload #>> array[message.type, 'link'] is not null then
        body := (message.payload -> message.type) - 'id';
      else
        -- Meta knows a file by the number it was uploaded for
        upload := private.known_upload(file, conversation.session_id);
        -- files are not uploaded for closed windows; the window is then the reason
        if upload.id is null and conversation.window_expires_at > now() then
          raise sqlstate 'PT409' using message = 'The file of this message cannot be forwarded from this number.',
            detail = 'not_forwardable';
        end if;
        body := jsonb_build_object('id', upload.meta_media_id);
      end if;
      if message.type in ('image', 'video', 'document') then
        body := jsonb_strip_nulls(body || jsonb_build_object('caption', message.payload #> array[message.type, 'caption']));
      end if;
      if message.type = 'document' then
        body := jsonb_strip_nulls(body || jsonb_build_object('filename', coalesce(file.file_name, body ->> 'filename')));
      end if;
      made := private.add_outbound(
        conversation, message.type, message.content, jsonb_build_object(message.type, body), null, null
      );
      update public.messages m set metadata = m.metadata || jsonb_build_object('forward_of', message.id)
      where m.id = (made #>> '{message,id}')::uuid
      returning jsonb_set(made, '{message}', private.message_json(m)) into made;
      answers := answers || jsonb_build_object('conversation_id', target, 'outcome', 'created', 'made', made);
    exception when sqlstate 'PT404' or sqlstate 'PT409' or sqlstate 'PT422' or sqlstate 'PT503' then
      get stacked diagnostics code = pg_exception_detail, reason = message_text;
      answers := answers || jsonb_build_object('conversation_id', target, 'outcome', code, 'reason', reason);
    end;
  end loop;
  return answers;
end;
$$;

-- Schedules a message. Everything is checked now, except the window, which is checked when the message is sent.
-- Scheduling does not open or assign the conversation. Returns the message; the same idempotency key returns the same
-- message and says so.
-- Security definer: clients have no right to write messages.
create function public.schedule_message(
  conversation_id uuid, type text, content text, payload jsonb, send_at timestamptz, reply_to text default null,
  idempotency_key text default null
) returns jsonb
language plpgsql security definer set search_path = '' as $$
declare
  conversation public.conversations;
  made jsonb;
begin
  perform private.require('messages.schedule');
  if private.tenant_id() is null or not private.may_send(type) then
    raise sqlstate 'PT403' using message = 'You may not send messages of this kind.', detail = 'forbidden';
  end if;
  if schedule_message.send_at <= now() or schedule_message.send_at > now() + interval '30 days' then
    raise sqlstate 'PT422' using message = 'A message can be scheduled up to 30 days ahead.', detail = 'invalid_field',
      hint = 'send_at';
  end if;
  if type = 'reaction' then
    raise sqlstate 'PT422' using message = 'A reaction cannot be scheduled.', detail = 'invalid_field', hint = 'type';
  end if;
  conversation := private.own_conversation(schedule_message.conversation_id);
  -- The window is checked when the message is sent.
  conversation.window_expires_at := 'infinity';
  made := private.add_outbound(
    conversation, schedule_message.type, schedule_message.content, schedule_message.payload, schedule_message.reply_to,
    schedule_message.idempotency_key, schedule_message.send_at
  );
  return (made -> 'message')
    || case when (made ->> 'repeated')::boolean then '{"repeated": true}'::jsonb else '{}' end;
end;
$$;

-- Returns scheduled messages that are due, in the form of `create_message`. Each is returned once and is `sending` from
-- then on. A message that cannot be sent fails with the reason and does not delay others; neither does a number with an
-- open breaker. The call skips conversations that are locked, and the next run takes their messages. It returns the
-- first due message of a conversation; the next one follows in a later call.
create function public.claim_scheduled_messages(batch integer) returns jsonb
language plpgsql set search_path = '' as $$
declare
  conversation_ids uuid[];
  due record;
  reason text;
  message public.messages;
  answers jsonb := '[]';
  settled boolean;
begin
  for round in 1..50 loop
    settled := false;
    -- conversations are locked before messages, as everywhere
    conversation_ids := array(
      select v.id from public.conversations v
      where v.id = any (array(
        select w.conversation_id from (
          select m.conversation_id, min(m.send_at) as send_at
          from public.messages m
          where m.status = 'pending' and m.send_at <= now() and not private.breaker_holds(m.session_id)
          group by m.conversation_id
          order by 2, 1
          limit batch
        ) w
      ))
      order by v.id
      for update skip locked
    );
    for due in
      select m.id, m.type, m.conversation_id, s.status as session_status, s.meta_phone_number_id, c.wa_id, c.user_id,
        c.blocked_at, c.marketing_opted_out_at is not null and private.is_marketing(m.payload, m.type, s) as unwanted,
        coalesce(v.window_expires_at > now(), false) as window_open
      from public.messages m
      join public.conversations v on v.id = m.conversation_id
      join public.whatsapp_sessions s on s.id = m.session_id
      join public.contacts c on c.id = v.contact_id
      where m.status = 'pending' and m.id = any (array(
        select distinct on (f.conversation_id) f.id
        from public.messages f
        where f.conversation_id = any (conversation_ids) and f.status = 'pending' and f.send_at <= now()
        order by f.conversation_id, f.send_at, f.created_at, f.id
      ))
      order by m.send_at, m.id
      limit batch - jsonb_array_length(answers)
      for update of m skip locked
    loop
      settled := true;
      reason := case
        when due.session_status <> 'connected' then 'The number of this conversation cannot send.'
        when due.blocked_at is not null then 'This contact is blocked.'
        when due.wa_id is null and due.user_id is null then 'This contact has no WhatsApp number or id any more.'
        when due.unwanted then 'This contact does not want marketing messages.'
        when due.type <> 'template' and not due.window_open
          then 'The customer last wrote more than 24 hours ago: only an approved template may be sent now.'
      end;
      update public.messages m
      set
        status = case when reason is null then 'sending' else 'failed' end,
        failed_at = case when reason is not null then now() end,
        error_title = reason, occurred_at = now(),
        -- the search for dead senders counts from now
        created_at = now()
      where m.id = due.id
      returning m.* into message;
      if reason is null then
        perform private.send_into_conversation(message);
        answers := answers || jsonb_build_object(
          'message', private.message_json(message), 'repeated', false, 'behind', private.waits_for_earlier_message(message),
          'phone_number_id', due.meta_phone_number_id, 'wa_id', due.wa_id, 'user_id', due.user_id
        );
      end if;
    end loop;
    exit when jsonb_array_length(answers) > 0 or not settled;
  end loop;
  return answers;
end;
$$;

-- The same message with Meta's ids of files in place of ours: in a media message, in the header of buttons, and in the
-- values of a template.
create function private.with_uploads(body jsonb, type text, session public.whatsapp_sessions) returns jsonb
language plpgsql stable set search_path = '' as $$
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
      and f.message_id is null and f.uploaded_by = auth.uid() and f.state = 'stored' and f.expires_at > now();
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

-- Whether a template is for marketing. Unknown templates are not.
create function private.is_marketing(body jsonb, type text, session public.whatsapp_sessions) returns boolean
language sql stable set search_path = '' as $$
  select type = 'template' and coalesce((
    select t.category = 'MARKETING' from public.broadcast_templates t
    where t.tenant_id = session.tenant_id and t.name = body #>> '{template,name}'
      and t.language = body #>> '{template,language,code}'
      and (t.meta_business_account_id is null or t.meta_business_account_id = session.meta_business_account_id)
    order by t.status = 'APPROVED' desc, t.meta_business_account_id nulls last
    limit 1
  ), false);
$$;

alter table private.idempotency_keys enable row level security;

create policy "no client access" on private.idempotency_keys to authenticated using (false);

grant execute on function
  public.create_message(uuid, text, text, jsonb, text, text),
  public.create_message_to(uuid, uuid, text, text, text, text, jsonb, text, text),
  public.sendable_template(text, text, uuid, uuid),
  public.typing_target(uuid),
  public.resend_message(uuid, text),
  public.forward_message(uuid, uuid[]),
  public.schedule_message(uuid, text, text, jsonb, timestamptz, text, text)
to authenticated;
