-- What people do with messages: page through a thread and search it, delete, send again, forward, and send later.

alter table public.messages
  -- removed here; the customer keeps it
  add column deleted_at timestamptz,
  -- when a message that is `pending` is to be sent
  add column send_at timestamptz;
create index messages_resent_idx on public.messages ((metadata ->> 'resend_of')) where metadata ? 'resend_of';
create index messages_scheduled_idx on public.messages (send_at) where status = 'pending' and send_at is not null;

-- What was deleted stays empty, whatever is told of it later.
create function private.keep_deleted() returns trigger
language plpgsql set search_path = '' as $$
begin
  new.content := null;
  new.original_content := null;
  new.payload := '{}';
  new.reactions := '[]';
  return new;
end;
$$;
create trigger keep_deleted before update on public.messages
  for each row when (new.deleted_at is not null) execute function private.keep_deleted();

-- As before; what is to be sent later is not said yet.
create or replace function private.last_message(conversation uuid, tenant uuid) returns table (
  occurred_at timestamptz, preview text, type text, direction text
)
language sql stable set search_path = '' as $$
  select
    m.occurred_at,
    -- a sign that needs no translation
    case when m.revoked_at is null and m.deleted_at is null then left(m.content, 200) else '🚫' end,
    case when m.deleted_at is not null then 'deleted' when m.revoked_at is null then m.type else 'revoke' end,
    m.direction
  from public.messages m
  where m.conversation_id = conversation and m.tenant_id = tenant and not m.metadata ? 'broadcast_campaign_id'
    and (m.target_message_id is null or private.stands_alone(m.session_id, m.target_message_id))
    and (m.send_at is null or m.status not in ('pending', 'failed'))
  order by m.occurred_at desc, m.created_at desc, m.id desc
  limit 1;
$$;

-- A part of a thread, the newest first: the newest messages, or those `before`, `after` or `around` a message of it. With
-- `search`: those that have its words. With `scheduled`: those that are to be sent, the next first. `older` and `newer`
-- are what to ask with for the page before and after, null at the ends. Null when there is no such conversation, or none
-- the caller may see.
create function public.read_thread(
  conversation_id uuid, place text, message_id uuid, search text, scheduled boolean, page_size integer
) returns jsonb
language plpgsql stable set search_path = '' as $$
declare
  conversation public.conversations;
  anchor public.messages;
  phrase tsquery;
  condition text := '';
  older uuid[] := '{}';
  newer uuid[] := '{}';
  more_older boolean := false;
  more_newer boolean := false;
  most_newer integer;
  ids uuid[];
begin
  select v.* into conversation from public.conversations v where v.id = read_thread.conversation_id;
  if not found then
    return null;
  end if;
  if scheduled then
    return (
      select jsonb_build_object('total', count(*), 'older', null, 'newer', null,
        'rows', coalesce(jsonb_agg(private.message_json(m) order by m.send_at, m.id), '[]'))
      from public.messages m
      where m.conversation_id = read_thread.conversation_id and m.tenant_id = conversation.tenant_id
        and m.status = 'pending' and m.send_at is not null
    );
  end if;
  if message_id is not null then
    select m.* into anchor from public.messages m
    where m.id = read_thread.message_id and m.conversation_id = read_thread.conversation_id;
    if not found then
      raise sqlstate 'PT422' using message = 'There is no such message in this conversation.',
        detail = 'invalid_field', hint = coalesce(place, 'before');
    end if;
  end if;
  if search is not null then
    phrase := private.word_query(private.search_words(search));
    if phrase is null then
      return jsonb_build_object('total', 0, 'older', null, 'newer', null, 'rows', '[]'::jsonb);
    end if;
    condition := ' and m.content is not null and private.message_words(m.tenant_id, m.occurred_at, m.content) @@ $4';
  end if;

  most_newer := case place when 'after' then page_size when 'around' then page_size / 2 else 0 end;
  if most_newer > 0 then
    execute format(
      'select array(
        select m.id from public.messages m
        where m.conversation_id = $1 and m.tenant_id = $2
          and (m.occurred_at, m.created_at, m.id) > ($5, $6, $7)
          and (m.target_message_id is null or private.stands_alone(m.session_id, m.target_message_id))%s
        order by m.occurred_at, m.created_at, m.id
        limit $3 + 1
      )', condition
    ) into newer using conversation.id, conversation.tenant_id, most_newer, phrase, anchor.occurred_at,
      anchor.created_at, anchor.id;
    more_newer := cardinality(newer) > most_newer;
    newer := newer[1:most_newer];
  end if;
  if place is distinct from 'after' then
    execute format(
      'select array(
        select m.id from public.messages m
        where m.conversation_id = $1 and m.tenant_id = $2
          and (m.occurred_at, m.created_at, m.id) %s ($5, $6, $7)
          and (m.target_message_id is null or private.stands_alone(m.session_id, m.target_message_id))%s
        order by m.occurred_at desc, m.created_at desc, m.id desc
        limit $3 + 1
      )', case place when 'around' then '<=' else '<' end, condition
    ) into older using conversation.id, conversation.tenant_id, page_size - cardinality(newer), phrase,
      coalesce(anchor.occurred_at, 'infinity'), coalesce(anchor.created_at, 'infinity'),
      coalesce(anchor.id, 'ffffffff-ffff-ffff-ffff-ffffffffffff');
    more_older := cardinality(older) > page_size - cardinality(newer);
    older := older[1:page_size - cardinality(newer)];
  end if;
  ids := older || newer;
  return jsonb_build_object(
    'total', case when phrase is null then (
      select count(*) from public.messages m
      where m.conversation_id = conversation.id and m.tenant_id = conversation.tenant_id
        and (m.target_message_id is null or private.stands_alone(m.session_id, m.target_message_id))
    ) else (
      select count(*) from public.messages m
      where m.conversation_id = conversation.id and m.tenant_id = conversation.tenant_id and m.content is not null
        and (m.target_message_id is null or private.stands_alone(m.session_id, m.target_message_id))
        and private.message_words(m.tenant_id, m.occurred_at, m.content) @@ phrase
    ) end,
    'older', case when more_older then older[cardinality(older)]
      when place = 'after' and cardinality(newer) > 0 then newer[1] end,
    'newer', case when more_newer then newer[cardinality(newer)]
      when place = 'before' and cardinality(older) > 0 then older[1] end,
    'rows', coalesce((
      select jsonb_agg(private.message_json(m) order by m.occurred_at desc, m.created_at desc, m.id desc)
      from public.messages m where m.id = any (ids)
    ), '[]')
  );
end;
$$;

-- A message of a conversation that the caller sees, both locked.
create function private.own_message(message_id uuid) returns public.messages
language plpgsql security definer set search_path = '' as $$
declare
  message public.messages;
begin
  perform private.require('messages.view');
  select m.* into message from public.messages m
  where m.id = own_message.message_id and m.tenant_id = private.tenant_id();
  if not found then
    raise sqlstate 'PT404' using message = 'There is no such message.', detail = 'not_found';
  end if;
  perform private.own_conversation(message.conversation_id);
  select m.* into strict message from public.messages m where m.id = own_message.message_id for update;
  return message;
exception when sqlstate 'PT404' then
  raise sqlstate 'PT404' using message = 'There is no such message.', detail = 'not_found';
end;
$$;

-- Removes what a message says, here and nowhere else; what is to be sent later is not sent. Who scheduled it may take it
-- back; else it takes the right to delete. Answers with the message and the paths of files that nothing else needs.
-- Security definer: clients have no right to write messages.
create function public.delete_message(message_id uuid) returns jsonb
language plpgsql security definer set search_path = '' as $$
declare
  message public.messages;
  paths text[];
begin
  message := private.own_message(delete_message.message_id);
  if message.status = 'pending' and message.send_at is not null then
    if message.sent_by is distinct from private.person_id() or message.sent_by is null
      or not private.has_permission('messages.schedule')
    then
      perform private.require('messages.delete');
    end if;
  else
    perform private.require('messages.delete');
  end if;
  if message.status = 'sending' then
    raise sqlstate 'PT409' using message = 'The message is just being sent.', detail = 'message_sending';
  elsif message.target_message_id is not null then
    raise sqlstate 'PT409' using message = 'A reaction, an edit or a revocation is no message of its own.',
      detail = 'message_not_deletable';
  end if;
  if message.deleted_at is null then
    paths := array(
      select distinct f.storage_path from public.message_media f
      where f.message_id = message.id and f.storage_path is not null
    );
    update public.message_media f
    set state = 'gone', storage_path = null, file_name = f.kind, sha256 = null, last_error = null
    where f.message_id = message.id;
    -- what it said before, or after, it was edited
    update public.messages e
    set content = null, original_content = null,
      payload = jsonb_build_object('edit', jsonb_build_object('original_message_id', e.target_message_id))
    where e.session_id = message.session_id and e.target_message_id = message.whatsapp_message_id and e.type = 'edit';
    update public.messages m
    set
      deleted_at = now(),
      status = case when m.status = 'pending' and m.send_at is not null then 'failed' else m.status end,
      error_title = case when m.status = 'pending' and m.send_at is not null then 'Cancelled' else m.error_title end,
      metadata = (
        select coalesce(jsonb_object_agg(e.key, e.value), '{}') from jsonb_each(m.metadata) e
        where e.key in ('source', 'group_id', 'broadcast_campaign_id', 'resend_of', 'forward_of')
      )
    where m.id = message.id
    returning m.* into message;
    perform private.refresh_conversations(array[message.conversation_id]);
  end if;
  return jsonb_build_object('message', private.message_json(message), 'paths', to_jsonb(array(
    select p.path from unnest(paths) p (path)
    where not exists (select 1 from public.message_media o where o.storage_path = p.path)
  )));
end;
$$;

-- A message that failed, or whose outcome is unknown, once more: a row of its own that names it. Answers as
-- `create_message`.
-- Security definer: clients have no right to write messages.
create function public.resend_message(message_id uuid, idempotency_key text default null) returns jsonb
language plpgsql security definer set search_path = '' as $$
declare
  message public.messages;
  made jsonb;
begin
  message := private.own_message(resend_message.message_id);
  if not private.may_send(message.type) then
    raise sqlstate 'PT403' using message = 'You may not send messages of this kind.', detail = 'forbidden';
  end if;
  if idempotency_key is null or not exists (
    select 1 from private.idempotency_keys k
    where k.conversation_id = message.conversation_id and k.key = resend_message.idempotency_key
  ) then
    if message.direction <> 'outbound' or message.status not in ('failed', 'unknown') or message.deleted_at is not null
    then
      raise sqlstate 'PT409' using message = 'Only a message that failed, or whose outcome is unknown, can be sent again.',
        detail = 'message_not_failed';
    elsif exists (
      select 1 from public.messages o where o.metadata ->> 'resend_of' = message.id::text and o.metadata ? 'resend_of'
        and o.status <> 'failed'
    ) then
      raise sqlstate 'PT409' using message = 'This message was sent again already.', detail = 'already_resent';
    end if;
  end if;
  made := private.add_outbound(
    private.own_conversation(message.conversation_id), message.type, message.content, message.payload,
    message.context_message_id, resend_message.idempotency_key
  );
  if not (made ->> 'repeated')::boolean then
    update public.messages m set metadata = m.metadata || jsonb_build_object('resend_of', message.id)
    where m.id = (made #>> '{message,id}')::uuid
    returning jsonb_set(made, '{message}', private.message_json(m)) into made;
  end if;
  return made;
end;
$$;

-- Sends what a message says on to other conversations: text, a place, contacts, and files that Meta or we still have.
-- Answers [{"conversation_id", "outcome"}]: `created` with what `create_message` answers as "made", or the code of the refusal with its
-- sentence as "reason"; what the caller may not see is `not_found`.
-- Security definer: clients have no right to write messages.
create function public.forward_message(message_id uuid, conversation_ids uuid[]) returns jsonb
language plpgsql security definer set search_path = '' as $$
declare
  message public.messages;
  file public.message_media;
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
      -- Meta knows a file by the number it was uploaded for
      elsif file.meta_media_id is not null and file.session_id = conversation.session_id and message.direction = 'outbound'
        and file.expires_at > now()
      then
        body := jsonb_build_object('id', file.meta_media_id);
      else
        raise sqlstate 'PT409' using message = 'The file of this message cannot be sent on from this number.',
          detail = 'not_forwardable';
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

-- A message that is sent later, checked now as far as it can be: whether the window is open then is seen then. Answers
-- with it; the same idempotency key answers with the same message.
-- Security definer: clients have no right to write messages.
create function public.schedule_message(
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
    -- nothing was said yet
    update public.conversations v
    set last_message_at = o.last_message_at, last_message_preview = o.last_message_preview,
      last_message_type = o.last_message_type, last_message_direction = o.last_message_direction,
      unread_count = o.unread_count, waiting_since = o.waiting_since
    from (select (conversation).*) o
    where v.id = conversation.id;
  end if;
  return made -> 'message';
end;
$$;

-- Scheduled messages whose time has come, as `create_message` answers them. Each is handed out once: it is `sending` from
-- then on. What cannot be sent is failed with the reason.
create function public.claim_scheduled_messages(batch integer) returns jsonb
language plpgsql set search_path = '' as $$
declare
  due record;
  reason text;
  message public.messages;
  answers jsonb := '[]';
begin
  for due in
    select m.id, m.type, m.conversation_id, s.id as session_id, s.status as session_status, s.meta_phone_number_id,
      c.wa_id, c.user_id, c.blocked_at
    from public.messages m
    join public.conversations v on v.id = m.conversation_id
    join public.whatsapp_sessions s on s.id = m.session_id
    join public.contacts c on c.id = v.contact_id
    where m.status = 'pending' and m.send_at <= now()
    order by m.send_at, m.id
    limit batch
    for update of m skip locked
  loop
    -- who has answered since holds the row: as it is now
    perform 1 from public.conversations v where v.id = due.conversation_id for update;
    reason := case
      when due.session_status <> 'connected' then 'The number of this conversation cannot send.'
      when due.blocked_at is not null then 'This contact is blocked.'
      when due.type <> 'template' and not coalesce((
        select v.window_expires_at > now() from public.conversations v where v.id = due.conversation_id
      ), false) then 'The customer last wrote more than 24 hours ago: only an approved template may be sent now.'
    end;
    continue when reason is null and private.breaker_holds(due.session_id);
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
  return answers;
end;
$$;

-- One conversation out of two with the same person and number.
create or replace function private.merge_conversations(kept uuid, gone uuid) returns void
language plpgsql set search_path = '' as $$
declare
  old public.conversations;
begin
  perform 1 from public.conversations v where v.id in (kept, gone) order by v.id for update;
  select * into strict old from public.conversations v where v.id = gone;

  update public.messages m
  set
    conversation_id = kept,
    idempotency_key = case when exists (
      select 1 from public.messages o where o.conversation_id = kept and o.idempotency_key = m.idempotency_key
    ) then null else m.idempotency_key end
  where m.conversation_id = gone;
  -- who has read one of them only has something to read
  delete from public.conversation_reads r
  where r.conversation_id = kept and exists (
    select 1 from public.conversation_reads o
    where o.conversation_id = gone and o.user_id = r.user_id and o.read_through < r.read_through
  );
  perform private.move_references('public.conversations', gone, kept);
  delete from public.conversations v where v.id = gone;

  perform set_config('app.keeps_state', 'on', true);
  update public.conversations v
  set
    unread_count = v.unread_count + old.unread_count,
    assigned_to = coalesce(v.assigned_to, old.assigned_to),
    -- whichever asks for more attention
    status = case
      when 'open' in (v.status, old.status) then 'open'
      when 'pending' in (v.status, old.status) then 'pending'
      when 'snoozed' in (v.status, old.status) then 'snoozed'
      else v.status
    end,
    snoozed_until = least(v.snoozed_until, old.snoozed_until),
    priority = case when old.priority_rank > v.priority_rank then old.priority else v.priority end,
    waiting_since = least(v.waiting_since, old.waiting_since),
    last_inbound_at = greatest(v.last_inbound_at, old.last_inbound_at),
    window_expires_at = greatest(v.window_expires_at, old.window_expires_at),
    created_at = least(v.created_at, old.created_at)
  where v.id = kept;
  perform private.refresh_conversations(array[kept]);
  perform set_config('app.keeps_state', '', true);
  insert into public.conversation_events (tenant_id, conversation_id, kind, actor_id, details)
  values (old.tenant_id, kept, 'merged', private.person_id(), jsonb_build_object('merged', gone));

  -- Clients may have the conversation that is no more on their screens.
  perform private.announce(old.tenant_id, old.assigned_to, 'conversation.merged',
    jsonb_build_object('id', gone, 'merged_into', kept));
end;
$$;

grant execute on function private.fold_text(text), private.search_words(text), private.month_of(timestamptz),
  private.message_words(uuid, timestamptz, text), private.word_query(text[]) to authenticated;
revoke execute on function private.keep_deleted(), private.own_message(uuid) from public, authenticated;
grant execute on function private.own_message(uuid) to service_role;
revoke execute on function public.read_thread(uuid, text, uuid, text, boolean, integer), public.delete_message(uuid),
  public.resend_message(uuid, text), public.forward_message(uuid, uuid[]),
  public.schedule_message(uuid, text, text, jsonb, timestamptz, text, text) from public, anon;
grant execute on function public.read_thread(uuid, text, uuid, text, boolean, integer), public.delete_message(uuid),
  public.resend_message(uuid, text), public.forward_message(uuid, uuid[]),
  public.schedule_message(uuid, text, text, jsonb, timestamptz, text, text) to authenticated;
revoke execute on function public.claim_scheduled_messages(integer) from public, anon, authenticated;
grant execute on function public.claim_scheduled_messages(integer) to service_role;
