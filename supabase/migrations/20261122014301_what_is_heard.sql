-- Who sees that conversations exist, but not what they say, hears nothing of what they say either.

-- What a conversation's own row says of it.
create function private.conversation_row(v public.conversations) returns jsonb
language plpgsql stable set search_path = '' as $$
begin
  return jsonb_build_object(
    'id', v.id, 'status', v.status, 'session_id', v.session_id, 'assigned_to', v.assigned_to,
    'priority', v.priority, 'snoozed_until', v.snoozed_until, 'waiting_since', v.waiting_since,
    'unread_count', v.unread_count,
    'last_message_at', v.last_message_at,
    'last_message_preview', v.last_message_preview, 'last_message_type', v.last_message_type,
    'last_message_direction', v.last_message_direction,
    'window_expires_at', v.window_expires_at,
    'window_open', coalesce(v.window_expires_at > now(), false),
    'referral', v.referral, 'referral_at', v.referral_at,
    'created_at', v.created_at, 'updated_at', v.updated_at
  );
end;
$$;

-- What stands around it. Security definer: what the policies of contacts and labels say of a conversation that is seen is
-- said by whoever asks.
create function private.labels_of(v public.conversations) returns jsonb
language plpgsql stable security definer set search_path = '' as $$
begin
  return coalesce((
    select jsonb_agg(jsonb_build_object('id', l.id, 'name', l.name, 'color', l.color) order by lower(l.name), l.id)
    from public.conversation_labels cl join public.labels l on l.id = cl.label_id
    where cl.conversation_id = v.id and cl.tenant_id = v.tenant_id
  ), '[]');
end;
$$;
create function private.customer_of(v public.conversations) returns jsonb
language plpgsql stable security definer set search_path = '' as $$
begin
  return (
    select jsonb_build_object(
      'id', c.id, 'name', coalesce(c.name, c.profile_name), 'profile_name', c.profile_name, 'wa_id', c.wa_id,
      'user_id', c.user_id, 'username', c.username, 'tags', c.tags, 'blocked', c.blocked_at is not null
    )
    from public.contacts c where c.id = v.contact_id and c.tenant_id = v.tenant_id
  );
end;
$$;

-- What is for the caller to see beside the row.
create or replace function private.around_conversation(v public.conversations) returns jsonb
language plpgsql stable security definer set search_path = '' as $$
declare
  -- without a caller it is the database that reads
  nobody constant boolean := private.tenant_id() is null;
begin
  return jsonb_build_object(
    'last_message_preview', case when nobody or private.has_permission('messages.view') then v.last_message_preview end,
    'labels', case when nobody or private.has_permission('labels.view') then private.labels_of(v) else '[]' end,
    'contact', private.customer_of(v)
  );
end;
$$;
create or replace function private.conversation_json(v public.conversations) returns jsonb
language plpgsql stable set search_path = '' as $$
begin
  return private.conversation_row(v) || jsonb_build_object('unread_for_me', private.unread_for_caller(v))
    || private.around_conversation(v);
end;
$$;

-- A conversation as everybody is told of it: what it has does not depend on the rights of whoever changed it.
create function private.told_conversation(v public.conversations) returns jsonb
language plpgsql stable security definer set search_path = '' as $$
begin
  return private.conversation_row(v)
    || jsonb_build_object('labels', private.labels_of(v), 'contact', private.customer_of(v));
end;
$$;

create or replace function private.announce_conversations() returns trigger
language plpgsql security definer set search_path = '' as $$
begin
  if tg_op = 'UPDATE' then
    perform private.tell(
      n.tenant_id, case when o.assigned_to is null then 'unassigned' else 'agent' end, o.assigned_to,
      'conversation.removed', jsonb_build_object('id', n.id)
    )
    from before o
    join changed n on n.id = o.id
    where n.assigned_to is distinct from o.assigned_to and n.last_message_at is not null
      and (o.assigned_to is null or not private.person_may(o.assigned_to, 'conversations.view_all'));
  end if;
  perform private.announce(
    v.tenant_id, v.assigned_to,
    case tg_op when 'INSERT' then 'conversation.created' else 'conversation.updated' end,
    private.told_conversation(v)
  )
  from changed c
  join public.conversations v on v.id = c.id
  where v.last_message_at is not null;
  return null;
end;
$$;

create or replace function private.announce_conversations_by_id(ids uuid[]) returns void
language sql security definer set search_path = '' as $$
  select private.announce(v.tenant_id, v.assigned_to, 'conversation.updated', private.told_conversation(v))
  from public.conversations v
  where v.id = any (ids) and v.last_message_at is not null
  order by v.id;
$$;

-- What is said of conversations is said on their topics: they take the right to read messages.
create or replace function private.may_listen(topic text) returns boolean
language sql stable security definer set search_path = '' as $$
  select case
    when private.tenant_id() is null then false
    when topic = 'tenant:' || private.tenant_id()
      then private.has_permission('conversations.view_all') and private.has_permission('messages.view')
    when topic = 'tenant:' || private.tenant_id() || ':unassigned'
      then private.has_permission('conversations.view') and private.has_permission('messages.view')
        and private.sees_unassigned()
    when topic = any (array(
      select 'tenant:' || private.tenant_id() || ':' || a
      from unnest('{contacts,labels,segments,quick_replies,agents,settings}'::text[]) a
    )) then private.has_permission(split_part(topic, ':', 3) || '.view')
    when topic = 'agent:' || (select auth.uid())
      then private.has_permission('conversations.view') and private.has_permission('messages.view')
    else false
  end;
$$;

-- As before; reading takes the right to read.
create or replace function public.read_conversation(conversation_id uuid) returns jsonb
language plpgsql security definer set search_path = '' as $$
declare
  conversation public.conversations;
  latest public.messages;
  number public.whatsapp_sessions;
begin
  perform private.require('messages.view');
  conversation := private.own_conversation(read_conversation.conversation_id);
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

revoke execute on function private.conversation_row(public.conversations), private.labels_of(public.conversations),
  private.customer_of(public.conversations), private.told_conversation(public.conversations) from public;
grant execute on function private.conversation_row(public.conversations) to authenticated, service_role;
