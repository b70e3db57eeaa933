-- What people do with conversations: state, priority, deletion, reading.

-- Changes what is named in `changes`: status, snoozed_until (with status snoozed), priority.
-- Security definer: clients have no right to write conversations.
create function public.update_conversation(conversation_id uuid, changes jsonb) returns jsonb
language plpgsql security definer set search_path = '' as $$
declare
  conversation public.conversations;
  until constant timestamptz := (changes ->> 'snoozed_until')::timestamptz;
  state text;
begin
  perform private.require('conversations.update');
  conversation := private.own_conversation(update_conversation.conversation_id);
  state := coalesce(changes ->> 'status', conversation.status);
  if state = 'snoozed' and coalesce(until, case when not changes ? 'status' then conversation.snoozed_until end) is null
  then
    raise sqlstate 'PT422' using message = 'Say until when the conversation is snoozed.', detail = 'invalid_field',
      hint = 'snoozed_until';
  elsif until is not null and state <> 'snoozed' then
    raise sqlstate 'PT422' using message = 'Only a snoozed conversation has a time to wake at.',
      detail = 'invalid_field', hint = 'snoozed_until';
  elsif until <= now() then
    raise sqlstate 'PT422' using message = 'This time has passed.', detail = 'invalid_field', hint = 'snoozed_until';
  end if;
  update public.conversations v
  set
    status = state,
    snoozed_until = coalesce(until, v.snoozed_until),
    priority = coalesce(changes ->> 'priority', v.priority)
  where v.id = conversation.id
    and (v.status, v.snoozed_until, v.priority)
      is distinct from (state, coalesce(until, v.snoozed_until), coalesce(changes ->> 'priority', v.priority));
  select v.* into strict conversation from public.conversations v where v.id = conversation.id;
  return private.conversation_json(conversation);
end;
$$;

-- Removes a conversation with its messages. Answers with the paths of files that nothing else needs.
-- Security definer: clients have no right to write conversations.
create function public.delete_conversation(conversation_id uuid) returns jsonb
language plpgsql security definer set search_path = '' as $$
declare
  conversation public.conversations;
  paths text[];
begin
  perform private.require('conversations.delete');
  conversation := private.own_conversation(delete_conversation.conversation_id);
  paths := array(
    select distinct f.storage_path
    from public.messages m join public.message_media f on f.message_id = m.id
    where m.conversation_id = conversation.id and m.tenant_id = conversation.tenant_id and f.storage_path is not null
  );
  delete from public.conversations v where v.id = conversation.id;
  perform private.announce(
    conversation.tenant_id, conversation.assigned_to, 'conversation.deleted', jsonb_build_object('id', conversation.id)
  );
  return to_jsonb(array(
    select p.path from unnest(paths) p (path)
    where not exists (select 1 from public.message_media o where o.storage_path = p.path)
  ));
end;
$$;

-- Snoozed conversations whose time has come. Answers with how many.
create function public.wake_conversations() returns integer
language plpgsql set search_path = '' as $$
declare
  woken integer;
begin
  update public.conversations v set status = 'open'
  where v.id = any (array(
    select o.id from public.conversations o
    where o.status = 'snoozed' and o.snoozed_until <= now()
    order by o.snoozed_until
    limit 5000
    for update skip locked
  ));
  get diagnostics woken = row_count;
  return woken;
end;
$$;

create or replace function public.read_conversation(conversation_id uuid) returns jsonb
language plpgsql security definer set search_path = '' as $$
declare
  conversation public.conversations := private.own_conversation(read_conversation.conversation_id);
  latest public.messages;
  number public.whatsapp_sessions;
begin
  perform private.require('conversations.view');
  perform private.keep_read(conversation, false);
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

-- Puts a conversation back among the unread, for everybody and for the caller. What Meta was told stays.
-- Security definer: clients have no right to write conversations.
create function public.unread_conversation(conversation_id uuid) returns void
language plpgsql security definer set search_path = '' as $$
declare
  conversation public.conversations;
begin
  perform private.require('messages.view');
  conversation := private.own_conversation(unread_conversation.conversation_id);
  perform private.keep_read(conversation, true);
  -- nobody wrote
  perform set_config('app.keeps_state', 'on', true);
  update public.conversations v set unread_count = 1 where v.id = conversation.id and v.unread_count = 0;
  perform set_config('app.keeps_state', '', true);
end;
$$;

-- A page of what was done with a conversation, the newest first. `before` is the last event of the page above. Null when
-- there is no such conversation, or none the caller may see.
create function public.list_conversation_events(conversation_id uuid, before uuid, page_size integer) returns jsonb
language plpgsql stable set search_path = '' as $$
declare
  cursor_at timestamptz := 'infinity';
  cursor_id uuid := 'ffffffff-ffff-ffff-ffff-ffffffffffff';
begin
  if not exists (select 1 from public.conversations v where v.id = list_conversation_events.conversation_id) then
    return null;
  end if;
  if before is not null then
    select e.occurred_at, e.id into cursor_at, cursor_id from public.conversation_events e
    where e.id = before and e.conversation_id = list_conversation_events.conversation_id;
    if not found then
      raise sqlstate 'PT422' using message = 'There is no such event of this conversation.', detail = 'invalid_field',
        hint = 'before';
    end if;
  end if;
  return (
    with page as (
      select e.*, row_number() over (order by e.occurred_at desc, e.id desc) as nth
      from public.conversation_events e
      where e.conversation_id = list_conversation_events.conversation_id and (e.occurred_at, e.id) < (cursor_at, cursor_id)
      order by e.occurred_at desc, e.id desc
      limit page_size + 1
    )
    select jsonb_build_object(
      'rows', coalesce(jsonb_agg(jsonb_build_object(
        'id', p.id, 'kind', p.kind, 'actor_id', p.actor_id, 'details', p.details, 'occurred_at', p.occurred_at
      ) order by p.nth) filter (where p.nth <= page_size), '[]'),
      'next_cursor', case when count(*) > page_size then (array_agg(p.id order by p.nth))[page_size] end
    )
    from page p
  );
end;
$$;

revoke execute on function public.update_conversation(uuid, jsonb), public.delete_conversation(uuid),
  public.unread_conversation(uuid), public.list_conversation_events(uuid, uuid, integer) from public, anon;
grant execute on function public.update_conversation(uuid, jsonb), public.delete_conversation(uuid),
  public.unread_conversation(uuid), public.list_conversation_events(uuid, uuid, integer) to authenticated;
revoke execute on function public.wake_conversations() from public, anon, authenticated;
grant execute on function public.wake_conversations() to service_role;
