-- Everything a person or an integration sends outside of campaigns: any kind of message, into a conversation or to a
-- number; reading and typing. `create_reply` stays for the release before this one.

alter table public.conversations
  -- the last message of the customer that Meta was told to be read
  add column read_message_id uuid;

-- What was sent under which `Idempotency-Key`, for 24 hours.
create table private.idempotency_keys (
  conversation_id uuid not null references public.conversations (id) on delete cascade,
  key text not null check (char_length(key) between 1 and 200),
  message_id uuid not null references public.messages (id) on delete cascade,
  -- of what was asked for: the same key with something else is a mistake
  request_hash text not null,
  created_at timestamptz not null default now(),
  primary key (conversation_id, key)
);
create index idempotency_keys_message_idx on private.idempotency_keys (message_id);
create index idempotency_keys_created_at_idx on private.idempotency_keys (created_at);
alter table private.idempotency_keys enable row level security;
revoke all on private.idempotency_keys from public, anon, authenticated;
grant all on private.idempotency_keys to service_role;

-- The right a kind of message takes.
create function private.may_send(type text) returns boolean
language sql stable security definer set search_path = '' as $$
  select private.has_permission(case
    when type = 'template' then 'messages.send_template'
    when type in ('image', 'video', 'audio', 'document', 'sticker') then 'messages.send_media'
    else 'messages.send'
  end);
$$;

-- The one rule of who sees a conversation, as the policy has it, for functions that pass row level security.
create function private.sees_assigned_to(assignee uuid) returns boolean
language sql stable security definer set search_path = '' as $$
  select private.has_permission('conversations.view_all')
    or (private.has_permission('conversations.view') and case
      when assignee is null then private.sees_unassigned()
      else coalesce(assignee = (select auth.uid()), false)
    end);
$$;

-- A conversation of the caller's tenant that the caller sees, locked.
create function private.own_conversation(conversation_id uuid) returns public.conversations
language plpgsql security definer set search_path = '' as $$
declare
  conversation public.conversations;
begin
  select v.* into conversation from public.conversations v
  where v.id = own_conversation.conversation_id and v.tenant_id = private.tenant_id()
  for update;
  if conversation.id is null or not private.sees_assigned_to(conversation.assigned_to) then
    raise sqlstate 'PT404' using message = 'There is no such conversation.', detail = 'not_found';
  end if;
  return conversation;
end;
$$;

-- The wamid of a message in a conversation, named by our id or by itself.
create function private.wamid_in(conversation uuid, named text, field text) returns text
language plpgsql stable security definer set search_path = '' as $$
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

-- Leaves a message in state `sending`, after everything that can be known has been checked; callers hold the lock of
-- the conversation. Where the payload names an upload or a message by our id, Meta's takes its place.
create function private.add_outbound(
  conversation public.conversations, type text, content text, payload jsonb, reply_to text, idempotency_key text
) returns jsonb
language plpgsql security definer set search_path = '' as $$
declare
  contact public.contacts;
  session public.whatsapp_sessions;
  message public.messages;
  upload public.message_media;
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
  elsif body #>> array[type, 'id'] ~ '^[0-9a-f]{8}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{12}$' then
    select f.* into upload from public.message_media f
    where f.id = (body #>> array[type, 'id'])::uuid and f.tenant_id = conversation.tenant_id
      and f.session_id = session.id and f.message_id is null and f.expires_at > now();
    if not found then
      raise sqlstate 'PT422' using message = 'There is no such upload for this number.', detail = 'invalid_field',
        hint = type || '.id';
    elsif upload.kind <> type and type <> 'document' then
      raise sqlstate 'PT422' using message = format('The uploaded file is of kind %s.', upload.kind),
        detail = 'invalid_field', hint = type || '.id';
    end if;
    body := jsonb_set(body, array[type, 'id'], to_jsonb(upload.meta_media_id));
    if type = 'document' and body #> '{document,filename}' is null then
      body := jsonb_set(body, '{document,filename}', to_jsonb(upload.file_name));
    end if;
  end if;

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

-- A message into a conversation. The same idempotency key in the same conversation answers within 24 hours with the
-- message it made before.
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

-- The number a first message goes out from: the one named, or the one last used with the contact, or the first.
create function private.number_for(contact uuid, named uuid) returns public.whatsapp_sessions
language plpgsql stable security definer set search_path = '' as $$
declare
  number public.whatsapp_sessions;
begin
  if named is not null then
    select s.* into number from public.whatsapp_sessions s
    where s.id = named and s.tenant_id = private.tenant_id() and s.deleted_at is null;
    if not found then
      raise sqlstate 'PT422' using message = 'There is no such number.', detail = 'invalid_field', hint = 'session_id';
    end if;
    return number;
  end if;
  select s.* into number from public.conversations v
  join public.whatsapp_sessions s on s.id = v.session_id and s.status = 'connected'
  where v.contact_id = contact and v.tenant_id = private.tenant_id()
  order by v.last_message_at desc nulls last
  limit 1;
  if not found then
    select s.* into number from public.whatsapp_sessions s
    where s.tenant_id = private.tenant_id() and s.status = 'connected'
    order by s.created_at, s.id
    limit 1;
  end if;
  if number.id is null then
    raise sqlstate 'PT409' using message = 'No number is connected.', detail = 'number_unavailable';
  end if;
  return number;
end;
$$;

-- The contact of a phone number, made where there is none.
create function private.contact_of(tenant uuid, phone text, called text) returns uuid
language plpgsql security definer set search_path = '' as $$
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

-- A message to a contact or a phone number, whose conversation is made where there is none.
-- Security definer: clients have no right to write messages.
create function public.create_message_to(
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
  number := private.number_for(contact, create_message_to.session_id);

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

-- A template as it may be sent from a conversation's number, or from one of the tenant's numbers: null when there is
-- none of that name and language. The account's own goes before one that is not bound to an account.
-- Security definer: who sends templates need not be able to read them all.
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

-- Marks a conversation as read. Answers with the message Meta is to be told of, if it was not told yet:
-- {"session_id", "phone_number_id", "wamid"}.
-- Security definer: clients have no right to write conversations.
create function public.read_conversation(conversation_id uuid) returns jsonb
language plpgsql security definer set search_path = '' as $$
declare
  conversation public.conversations := private.own_conversation(read_conversation.conversation_id);
  latest public.messages;
  number public.whatsapp_sessions;
begin
  perform private.require('conversations.view');
  select m.* into latest from public.messages m
  where m.conversation_id = conversation.id and m.tenant_id = conversation.tenant_id and m.direction = 'inbound'
    and m.whatsapp_message_id is not null
  order by m.occurred_at desc, m.created_at desc, m.id desc
  limit 1;
  select s.* into strict number from public.whatsapp_sessions s where s.id = conversation.session_id;
  update public.conversations v
  set unread_count = 0, read_message_id = coalesce(latest.id, v.read_message_id)
  where v.id = conversation.id and (v.unread_count, v.read_message_id) is distinct from (0, latest.id);
  if latest.id is null or conversation.read_message_id = latest.id or number.status not in ('connected', 'paused') then
    return null;
  end if;
  return jsonb_build_object(
    'session_id', number.id, 'phone_number_id', number.meta_phone_number_id, 'wamid', latest.whatsapp_message_id
  );
end;
$$;

-- The message whose writer is shown that somebody is typing; null when there is none within the window.
-- Security definer: as for reading; row level security is asked in its own words.
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

revoke execute on function private.may_send(text), private.sees_assigned_to(uuid), private.own_conversation(uuid),
  private.wamid_in(uuid, text, text),
  private.add_outbound(public.conversations, text, text, jsonb, text, text), private.number_for(uuid, uuid),
  private.contact_of(uuid, text, text) from public, authenticated;
grant execute on function private.may_send(text), private.sees_assigned_to(uuid), private.own_conversation(uuid),
  private.wamid_in(uuid, text, text),
  private.add_outbound(public.conversations, text, text, jsonb, text, text), private.number_for(uuid, uuid),
  private.contact_of(uuid, text, text) to service_role;
revoke execute on function
  public.create_message(uuid, text, text, jsonb, text, text),
  public.create_message_to(uuid, uuid, text, text, text, text, jsonb, text, text),
  public.sendable_template(text, text, uuid, uuid), public.read_conversation(uuid), public.typing_target(uuid)
  from public, anon;
grant execute on function
  public.create_message(uuid, text, text, jsonb, text, text),
  public.create_message_to(uuid, uuid, text, text, text, text, jsonb, text, text),
  public.sendable_template(text, text, uuid, uuid), public.read_conversation(uuid), public.typing_target(uuid)
  to authenticated;
