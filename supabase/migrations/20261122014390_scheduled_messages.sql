-- Messages that are sent later.

-- As before; that somebody will write opens nothing, and gives the conversation to nobody.
create or replace function public.schedule_message(
  conversation_id uuid, type text, content text, payload jsonb, send_at timestamptz, reply_to text default null,
  idempotency_key text default null
) returns jsonb
language plpgsql security definer set search_path = '' as $$
declare
  conversation public.conversations;
  message public.messages;
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
  -- The window is that of when it goes out.
  conversation.window_expires_at := 'infinity';
  made := private.add_outbound(
    conversation, schedule_message.type, schedule_message.content, schedule_message.payload, schedule_message.reply_to,
    schedule_message.idempotency_key
  );
  if not (made ->> 'repeated')::boolean then
    update public.messages m
    set status = 'pending', send_at = schedule_message.send_at, occurred_at = schedule_message.send_at
    where m.id = (made #>> '{message,id}')::uuid
    returning m.* into message;
    made := jsonb_set(made, '{message}', private.message_json(message));
    -- nothing was said yet, and nobody wrote
    perform set_config('app.keeps_state', 'on', true);
    update public.conversations v
    set last_message_at = o.last_message_at, last_message_preview = o.last_message_preview,
      last_message_type = o.last_message_type, last_message_direction = o.last_message_direction,
      unread_count = o.unread_count, waiting_since = o.waiting_since
    from (select (conversation).*) o
    where v.id = conversation.id;
    perform set_config('app.keeps_state', '', true);
  end if;
  return made -> 'message';
end;
$$;

-- Scheduled messages whose time has come, as `create_message` answers them. Each is handed out once: it is `sending` from
-- then on. What cannot be sent is failed with the reason, and keeps nobody else waiting; nor does a number whose breaker
-- is open. Whoever holds a conversation at the moment is not waited for: the next run has its messages.
create or replace function public.claim_scheduled_messages(batch integer) returns jsonb
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
    -- conversations are taken before messages, as everywhere
    conversation_ids := array(
      select v.id from public.conversations v
      where v.id = any (array(
        select w.conversation_id from (
          select m.conversation_id, m.send_at, m.id
          from public.messages m
          where m.status = 'pending' and m.send_at <= now() and not private.breaker_holds(m.session_id)
          order by m.send_at, m.id
          limit batch
        ) w
      ))
      order by v.id
      for update skip locked
    );
    for due in
      select m.id, m.type, m.conversation_id, s.status as session_status, s.meta_phone_number_id, c.wa_id, c.user_id,
        c.blocked_at, coalesce(v.window_expires_at > now(), false) as window_open
      from public.messages m
      join public.conversations v on v.id = m.conversation_id
      join public.whatsapp_sessions s on s.id = m.session_id
      join public.contacts c on c.id = v.contact_id
      where m.conversation_id = any (conversation_ids) and m.status = 'pending' and m.send_at <= now()
      order by m.send_at, m.id
      limit batch - jsonb_array_length(answers)
      for update of m skip locked
    loop
      settled := true;
      reason := case
        when due.session_status <> 'connected' then 'The number of this conversation cannot send.'
        when due.blocked_at is not null then 'This contact is blocked.'
        when due.type <> 'template' and not due.window_open
          then 'The customer last wrote more than 24 hours ago: only an approved template may be sent now.'
      end;
      update public.messages m
      set
        status = case when reason is null then 'sending' else 'failed' end,
        failed_at = case when reason is not null then now() end,
        error_title = reason, occurred_at = now(),
        -- whoever looks for sends that died counts from now
        created_at = now()
      where m.id = due.id
      returning m.* into message;
      if reason is null then
        update public.conversations v
        set last_message_at = message.occurred_at, last_message_preview = left(message.content, 200),
          last_message_type = message.type, last_message_direction = 'outbound', unread_count = 0
        where v.id = due.conversation_id;
        answers := answers || jsonb_build_object(
          'message', private.message_json(message), 'repeated', false, 'phone_number_id', due.meta_phone_number_id,
          'wa_id', due.wa_id, 'user_id', due.user_id
        );
      end if;
    end loop;
    exit when jsonb_array_length(answers) > 0 or not settled;
  end loop;
  return answers;
end;
$$;
