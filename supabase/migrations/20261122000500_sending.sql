-- Every outgoing message is a row before Meta hears of it, and its outcome is recorded after.
--
-- Outcomes a sender reports, one per message:
--   sent      Meta accepted it and gave a wamid
--   failed    Meta refused it for good
--   retry     Meta refused it for now, or was never reached: nothing went out
--   held      as retry, for no fault of this message (its number or account is the cause): no attempt is counted
--   unknown   it may have gone out. It is never repeated by itself; a status from Meta settles it

-- A reply of a person. Checks everything that can be known before Meta is asked, and leaves a row in state
-- `sending`. The same idempotency key in the same conversation answers with the message it made before.
-- Security definer: clients have no right to write messages.
create function public.create_reply(
  conversation_id uuid,
  type text,
  content text,
  payload jsonb,
  idempotency_key text default null
) returns jsonb
language plpgsql security definer set search_path = '' as $$
declare
  conversation public.conversations;
  contact public.contacts;
  session public.whatsapp_sessions;
  message public.messages;
begin
  if not private.has_permission('messages.send') then
    raise sqlstate 'PT403' using message = 'You may not send messages.', detail = 'forbidden';
  end if;

  if content is null or char_length(content) not between 1 and 4096 then
    raise sqlstate 'PT422' using message = 'A message has 1 to 4096 characters.', detail = 'invalid_field',
      hint = 'text';
  end if;

  select v.* into conversation from public.conversations v
  where v.id = create_reply.conversation_id
    and v.tenant_id = private.tenant_id()
    and (
      private.has_permission('conversations.view_all')
      or (private.has_permission('conversations.view') and (
        v.assigned_to = auth.uid() or (v.assigned_to is null and private.sees_unassigned())
      ))
    )
  for update;
  if not found then
    raise sqlstate 'PT404' using message = 'There is no such conversation.', detail = 'not_found';
  end if;
  select c.* into strict contact from public.contacts c where c.id = conversation.contact_id;
  select s.* into strict session from public.whatsapp_sessions s where s.id = conversation.session_id;

  if idempotency_key is not null then
    select m.* into message from public.messages m
    where m.conversation_id = conversation.id and m.idempotency_key = create_reply.idempotency_key;
    if found then
      return jsonb_build_object('message', to_jsonb(message), 'repeated', true);
    end if;
  end if;

  if session.status <> 'connected' then
    raise sqlstate 'PT409' using
      message = format('The number of this conversation is %s%s.', session.status,
        coalesce(': ' || session.status_reason, '')),
      detail = 'number_unavailable';
  end if;
  if conversation.window_expires_at is null or conversation.window_expires_at <= now() then
    raise sqlstate 'PT409' using
      message = 'The customer last wrote more than 24 hours ago: only an approved template may be sent now.',
      detail = 'window_closed';
  end if;

  insert into public.messages (
    tenant_id, session_id, conversation_id, direction, type, status, content, payload, sent_by, idempotency_key
  )
  values (
    conversation.tenant_id, session.id, conversation.id, 'outbound', create_reply.type, 'sending',
    create_reply.content, create_reply.payload, auth.uid(), create_reply.idempotency_key
  )
  returning * into message;

  update public.conversations v
  set
    last_message_at = message.occurred_at,
    last_message_preview = left(message.content, 200),
    last_message_direction = 'outbound',
    unread_count = 0
  where v.id = conversation.id;

  return jsonb_build_object(
    'message', to_jsonb(message),
    'repeated', false,
    'phone_number_id', session.meta_phone_number_id,
    'wa_id', contact.wa_id,
    'user_id', contact.user_id
  );
end;
$$;
revoke execute on function public.create_reply(uuid, text, text, jsonb, text) from public, anon;
grant execute on function public.create_reply(uuid, text, text, jsonb, text) to authenticated;

-- Writes outcomes onto messages. A status that came before the outcome wins over it.
create function private.record_outcomes(results jsonb) returns void
language plpgsql set search_path = '' as $$
declare
  touched uuid[];
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
end;
$$;

-- Records the outcomes of replies and answers with the messages as they are now.
create function public.record_replies(results jsonb) returns jsonb
language plpgsql set search_path = '' as $$
begin
  perform private.record_outcomes(results);
  return (
    select coalesce(jsonb_agg(to_jsonb(m)), '[]')
    from public.messages m
    where m.id in (select r.message_id from jsonb_to_recordset(results) as r (message_id uuid))
  );
end;
$$;

-- Marks a number as unusable until a person mends it.
create function public.break_session(session_id uuid, reason text) returns void
language sql set search_path = '' as $$
  update public.whatsapp_sessions s
  set status = 'broken', status_reason = reason
  where s.id = break_session.session_id and s.status = 'connected';
$$;

revoke execute on function private.record_outcomes(jsonb) from public, authenticated;
revoke execute on function public.record_replies(jsonb), public.break_session(uuid, text)
  from public, anon, authenticated;
grant execute on function private.record_outcomes(jsonb) to service_role;
grant execute on function public.record_replies(jsonb), public.break_session(uuid, text) to service_role;
