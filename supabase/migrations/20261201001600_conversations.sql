-- The state of a conversation: its status, its priority, how long the customer has been waiting, how far each person
-- has read, and its history. The policies filter rows, so callers get only what they may see.

-- Some functions below name objects that later statements create.
set check_function_bodies = off;

create table public.conversations (
  id uuid primary key default gen_random_uuid(),
  tenant_id uuid not null,
  session_id uuid not null,
  contact_id uuid not null,
  status text not null default 'open' check (status in ('open', 'pending', 'snoozed', 'resolved')),
  assigned_to uuid,
  unread_count integer not null default 0 check (unread_count >= 0),
  last_message_at timestamptz,
  last_message_preview text,
  last_message_direction text check (last_message_direction in ('inbound', 'outbound')),
  last_inbound_at timestamptz,
  -- the time of the last message from the phone app of the business: earlier messages were read there
  echoed_at timestamptz,
  -- free-form messages are allowed until then: 24 hours after the customer last wrote
  window_expires_at timestamptz,
  created_at timestamptz not null default now(),
  updated_at timestamptz not null default now(),
  -- clients use the type to name a message without text in their own language; `revoke`: the message was taken back
  last_message_type text,
  -- the advertisement or post that brought the customer, from the latest message that names one
  referral jsonb,
  referral_at timestamptz,
  -- the last message of the customer that was reported to Meta as read
  read_message_id uuid,
  priority text not null default 'none' check (priority in ('none', 'low', 'medium', 'high', 'urgent')),
  priority_rank smallint not null generated always as (case priority
    when 'urgent' then 4 when 'high' then 3 when 'medium' then 2 when 'low' then 1 else 0 end) stored,
  snoozed_until timestamptz,
  -- when the customer's first unanswered message came; null after an answer or a resolution
  waiting_since timestamptz,
  -- when the first message came that a person who never opened the conversation has not seen; null if there is none.
  -- The time starts anew after the conversation was resolved.
  unseen_since timestamptz,
  unique (session_id, contact_id),
  unique (id, tenant_id),
  foreign key (tenant_id) references public.tenants (id) on delete cascade,
  foreign key (session_id, tenant_id) references public.whatsapp_sessions (id, tenant_id) on delete cascade,
  foreign key (contact_id, tenant_id) references public.contacts (id, tenant_id) on delete cascade,
  foreign key (assigned_to, tenant_id) references public.profiles (user_id, tenant_id)
    on delete set null (assigned_to)
);
create index conversations_contact_idx on public.conversations (contact_id, tenant_id);
create index conversations_inbox_idx on public.conversations (tenant_id, last_message_at desc, id desc)
  include (assigned_to);
create index conversations_status_idx on public.conversations (tenant_id, status, last_message_at desc, id desc)
  include (assigned_to, unread_count);
create index conversations_assigned_idx
  on public.conversations (assigned_to, tenant_id, last_message_at desc, id desc) include (status);
create index conversations_session_idx on public.conversations (session_id, tenant_id, last_message_at desc, id desc);
create index conversations_priority_idx
  on public.conversations (tenant_id, priority_rank desc, last_message_at desc, id desc);
create index conversations_waiting_idx on public.conversations (tenant_id, waiting_since, id)
  where waiting_since is not null;
create index conversations_window_idx on public.conversations (tenant_id, window_expires_at);
create index conversations_snoozed_idx on public.conversations (snoozed_until) where status = 'snoozed';
create index conversations_unread_idx on public.conversations (tenant_id, last_message_at desc, id desc)
  include (assigned_to) where unseen_since is not null;

-- The history of a conversation: each action, its actor, and in `details` the old and new values.
create table public.conversation_events (
  id uuid primary key default gen_random_uuid(),
  tenant_id uuid not null references public.tenants (id) on delete cascade,
  conversation_id uuid not null,
  kind text not null check (kind in (
    'status_changed', 'assigned', 'unassigned', 'priority_changed', 'label_added', 'label_removed', 'merged'
  )),
  -- null: an automatic action, or an integration
  actor_id uuid,
  details jsonb not null default '{}',
  occurred_at timestamptz not null default clock_timestamp(),
  foreign key (conversation_id, tenant_id) references public.conversations (id, tenant_id) on delete cascade,
  foreign key (actor_id, tenant_id) references public.profiles (user_id, tenant_id) on delete set null (actor_id)
);
create index conversation_events_conversation_idx
  on public.conversation_events (conversation_id, tenant_id, occurred_at desc, id desc);
create index conversation_events_tenant_idx on public.conversation_events (tenant_id);
create index conversation_events_actor_idx on public.conversation_events (actor_id, tenant_id)
  where actor_id is not null;

-- How far each person has read.
create table public.conversation_reads (
  conversation_id uuid not null,
  user_id uuid not null,
  tenant_id uuid not null references public.tenants (id) on delete cascade,
  read_through timestamptz not null,
  -- the person marked it as unread, to come back to it
  marked_unread boolean not null default false,
  primary key (conversation_id, user_id),
  foreign key (conversation_id, tenant_id) references public.conversations (id, tenant_id) on delete cascade,
  foreign key (user_id, tenant_id) references public.profiles (user_id, tenant_id) on delete cascade
);
create index conversation_reads_conversation_idx on public.conversation_reads (conversation_id, tenant_id);
create index conversation_reads_user_idx on public.conversation_reads (user_id, tenant_id);
create index conversation_reads_tenant_idx on public.conversation_reads (tenant_id);
create index conversation_reads_unread_idx on public.conversation_reads (user_id, tenant_id, conversation_id)
  where marked_unread;

-- Whether agents of the caller's tenant see conversations without an assignee.
-- Security definer: policies call it, and the table that it reads has a policy.
create function private.sees_unassigned() returns boolean
language plpgsql stable security definer set search_path = '' as $$
begin
  return coalesce(
    (select t.agents_see_unassigned from public.tenants t where t.id = (select private.tenant_id())), false
  );
end;
$$;

create function private.conversation_json(v public.conversations) returns jsonb
language plpgsql stable set search_path = '' as $$
begin
  return private.conversation_row(v) || jsonb_build_object('unread_for_me', private.unread_for_caller(v))
    || private.conversation_context(v);
end;
$$;

-- Null if the conversation does not exist or the caller may not see it.
create function public.get_conversation(conversation_id uuid) returns jsonb
language sql stable set search_path = '' as $$
  select private.conversation_json(v) from public.conversations v where v.id = get_conversation.conversation_id;
$$;

-- Notifies people who lose sight of a conversation: listeners to an agent's topic or the unassigned topic would not
-- notice otherwise. People who see every conversation keep it.
-- Security definer: it also runs when Auth removes an account, and the role of Auth has no rights here.
create function private.announce_conversations() returns trigger
language plpgsql security definer set search_path = '' as $$
begin
  if tg_op = 'UPDATE' then
    perform private.record_and_broadcast(
      n.tenant_id, case when o.assigned_to is null then 'unassigned' else 'agent' end, o.assigned_to,
      'conversation.removed', jsonb_build_object('id', n.id)
    )
    from before o
    join changed n on n.id = o.id
    where n.assigned_to is distinct from o.assigned_to and n.last_message_at is not null
      and (o.assigned_to is null or not private.person_has_permission(o.assigned_to, o.tenant_id, 'conversations.view_all'));
  end if;
  perform private.announce(
    v.tenant_id, v.assigned_to,
    case tg_op when 'INSERT' then 'conversation.created' else 'conversation.updated' end,
    private.conversation_for_broadcast(v)
  )
  from changed c
  join public.conversations v on v.id = c.id
  where v.last_message_at is not null;
  return null;
end;
$$;

-- The last message as the inbox shows it: the newest of the thread, except automatic messages and messages of
-- campaigns, scheduled messages and deleted ones.
create function private.last_message(conversation uuid, tenant uuid) returns table (
  occurred_at timestamptz, preview text, type text, direction text
)
language sql stable set search_path = '' as $$
  select
    m.occurred_at,
    -- a symbol that needs no translation
    case when m.revoked_at is null and m.deleted_at is null then left(m.content, 200) else '🚫' end,
    case when m.deleted_at is not null then 'deleted' when m.revoked_at is null then m.type else 'revoke' end,
    m.direction
  from public.messages m
  where m.conversation_id = conversation and m.tenant_id = tenant and not m.metadata ?| '{broadcast_campaign_id,automation}'
    and (m.target_message_id is null or private.is_shown_separately(m.session_id, m.target_message_id))
    and (m.send_at is null or m.status not in ('pending', 'failed'))
  order by m.occurred_at desc, m.created_at desc, m.id desc
  limit 1;
$$;

-- Updates the last message of conversations after messages were edited, deleted or moved.
create function private.refresh_conversations(ids uuid[]) returns void
language plpgsql set search_path = '' as $$
begin
  perform 1 from public.conversations v where v.id = any (ids) order by v.id for no key update;

  update public.conversations v
  set
    last_message_at = l.occurred_at,
    last_message_preview = l.preview,
    last_message_type = l.type,
    last_message_direction = l.direction,
    waiting_since = private.waiting_since(v.status, l.direction, l.type, l.occurred_at, v.waiting_since)
  from public.conversations c
  cross join lateral private.last_message(c.id, c.tenant_id) l
  where c.id = any (ids) and v.id = c.id
    and (v.last_message_at, v.last_message_preview, v.last_message_type, v.last_message_direction)
      is distinct from (l.occurred_at, l.preview, l.type, l.direction);
end;
$$;

-- Whether the caller sees conversations of this assignee: the rule of the policy, for functions that bypass row level
-- security.
create function private.sees_assigned_to(assignee uuid) returns boolean
language sql stable set search_path = '' as $$
  select private.has_permission('conversations.view_all')
    or (private.has_permission('conversations.view') and case
      when assignee is null then private.sees_unassigned()
      else coalesce(assignee = (select auth.uid()), false)
    end);
$$;

-- Whether the caller sees a conversation and its customer: the rule of the policy. A conversation in which only campaigns
-- and automatic messages went out has no last message. Until the customer writes or a person does, only its assignee and
-- people who see every conversation see it, so that a campaign shows its recipients to no others.
create function private.sees_customer_of(v public.conversations) returns boolean
language sql stable set search_path = '' as $$
  select private.sees_assigned_to(v.assigned_to) and (
    v.last_message_at is not null or v.assigned_to is not null or private.has_permission('conversations.view_all')
  );
$$;

-- Returns a conversation that the caller sees, locked.
create function private.own_conversation(conversation_id uuid) returns public.conversations
language plpgsql set search_path = '' as $$
declare
  conversation public.conversations;
begin
  select v.* into conversation from public.conversations v
  where v.id = own_conversation.conversation_id and v.tenant_id = private.tenant_id()
  for update;
  if conversation.id is null or not private.sees_customer_of(conversation) then
    raise sqlstate 'PT404' using message = 'There is no such conversation.', detail = 'not_found';
  end if;
  return conversation;
end;
$$;

-- Whether the caller sees every conversation of these contacts. An action that joins or deletes contacts also joins or
-- deletes their conversations with the notes in them, so one conversation of a colleague is enough to refuse it.
create function private.sees_conversations_of(contacts uuid[]) returns boolean
language sql stable set search_path = '' as $$
  select not exists (
    select 1 from public.conversations v
    where v.contact_id = any (contacts) and v.tenant_id = private.tenant_id()
      and not private.sees_assigned_to(v.assigned_to)
  );
$$;

create function private.require_conversations_of(contacts uuid[]) returns void
language plpgsql stable set search_path = '' as $$
begin
  if not private.sees_conversations_of(contacts) then
    raise sqlstate 'PT403' using
      message = 'You do not see every conversation of this contact.', detail = 'conversations_hidden';
  end if;
end;
$$;

-- Marks a conversation as read. Returns the message to report to Meta as read, if it was not reported yet:
-- {"session_id", "phone_number_id", "wamid"}.
-- Security definer: clients have no right to write conversations.
create function public.read_conversation(conversation_id uuid) returns jsonb
language plpgsql security definer set search_path = '' as $$
declare
  conversation public.conversations;
  latest public.messages;
  number public.whatsapp_sessions;
begin
  perform private.require('messages.view');
  conversation := private.own_conversation(read_conversation.conversation_id);
  perform private.record_read(conversation, false);
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

-- Security definer: a person who changes a conversation has no right to write its history.
create function private.record_conversation_changes() returns trigger
language plpgsql security definer set search_path = '' as $$
begin
  insert into public.conversation_events (tenant_id, conversation_id, kind, actor_id, details)
  select n.tenant_id, n.id, e.kind, private.person_id(), e.details
  from changed n
  join before o on o.id = n.id
  cross join lateral (
    select 'status_changed' as kind, jsonb_strip_nulls(jsonb_build_object(
      'from', o.status, 'to', n.status, 'snoozed_until', n.snoozed_until)) as details
    where n.status <> o.status or n.snoozed_until <> o.snoozed_until
    union all
    select case when n.assigned_to is null then 'unassigned' else 'assigned' end,
      jsonb_build_object('from', o.assigned_to, 'to', n.assigned_to)
    where n.assigned_to is distinct from o.assigned_to
    union all
    select 'priority_changed', jsonb_build_object('from', o.priority, 'to', n.priority)
    where n.priority <> o.priority
  ) e;
  return null;
end;
$$;

-- The time is that of the call, not of the request: after waiting for the lock, the caller also sees the messages that
-- came meanwhile.
create function private.record_read(conversation public.conversations, unread boolean) returns void
language plpgsql set search_path = '' as $$
declare
  person constant uuid := private.person_id();
begin
  if person is not null then
    insert into public.conversation_reads as r (conversation_id, user_id, tenant_id, read_through, marked_unread)
    values (conversation.id, person, conversation.tenant_id, clock_timestamp(), unread)
    on conflict (conversation_id, user_id) do update
      set read_through = case when unread then r.read_through else excluded.read_through end,
        marked_unread = excluded.marked_unread;
  end if;
end;
$$;

-- The number of the customer's messages that the caller has not read, up to 100. For a caller who never opened the
-- conversation it counts messages that no person has read. It compares the times of arrival, because Meta may deliver
-- an old message late.
-- Security definer: it counts messages without asking the policy for each row.
create function private.unread_for_caller(v public.conversations) returns integer
language plpgsql stable security definer set search_path = '' as $$
declare
  mine public.conversation_reads;
  since timestamptz := v.unseen_since;
  least_of_all integer := 1;
  unread integer;
begin
  select r.* into mine from public.conversation_reads r
  where r.conversation_id = v.id and r.user_id = (select auth.uid());
  if found then
    since := case when mine.marked_unread then mine.read_through end;
  else
    least_of_all := greatest(v.unread_count, 1);
  end if;
  if since is null then
    return 0;
  end if;
  select count(*) into unread from (
    select 1 from public.messages m
    where m.conversation_id = v.id and m.tenant_id = v.tenant_id and m.occurred_at > since - interval '7 days'
      and m.created_at > since and m.direction = 'inbound' and m.target_message_id is null
      and not m.metadata ? 'source'
    order by m.occurred_at desc, m.created_at desc, m.id desc
    limit 100
  ) u;
  return least(greatest(unread, least_of_all), 100);
end;
$$;

-- Broadcasts conversations after a change of data shown with them, such as labels and the customer's name.
create function private.announce_conversations_by_id(ids uuid[]) returns void
language sql set search_path = '' as $$
  select private.announce(v.tenant_id, v.assigned_to, 'conversation.updated', private.conversation_for_broadcast(v))
  from public.conversations v
  where v.id = any (ids) and v.last_message_at is not null
  order by v.id;
$$;

-- The changed contacts are selected first, then their conversations. In one query with a limit, the planner would
-- compare every old row with every new one.
-- Security definer: it also runs when Auth removes an account, and the role of Auth has no rights here.
create function private.announce_contact_of_conversations() returns trigger
language plpgsql security definer set search_path = '' as $$
declare
  ids uuid[];
begin
  select array_agg(n.id) into ids
  from changed n
  join before o on o.id = n.id
  where (coalesce(n.name, n.profile_name), n.wa_id, n.user_id, n.username, n.tags, n.blocked_at)
    is distinct from (coalesce(o.name, o.profile_name), o.wa_id, o.user_id, o.username, o.tags, o.blocked_at);
  if ids is not null then
    perform private.announce_conversations_by_id(array(
      select v.id from public.conversations v
      where v.contact_id = any (ids)
      -- an import may rename many contacts: the limit keeps it from flooding clients
      limit 500
    ));
  end if;
  return null;
end;
$$;

-- Changes the fields that `changes` names: status, snoozed_until (with status snoozed), priority.
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
  -- Only these fields: the assignment needs a permission of its own.
  perform private.change_conversations(array[conversation.id], jsonb_build_object(
    'status', state, 'snoozed_until', until, 'priority', changes ->> 'priority'
  ));
  select v.* into strict conversation from public.conversations v where v.id = conversation.id;
  return private.conversation_json(conversation);
end;
$$;

-- Deletes a conversation with its messages. Returns the paths of files that no other row needs.
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

-- Opens snoozed conversations whose time has come. Returns their number.
create function public.wake_conversations() returns integer
language sql set search_path = '' as $$
  select private.change_conversations(array(
    select o.id from public.conversations o
    where o.status = 'snoozed' and o.snoozed_until <= now()
    order by o.snoozed_until
    limit 5000
    for update skip locked
  ), '{"status": "open"}');
$$;

-- Marks a conversation as unread for all people. Meta keeps the read receipt.
-- Security definer: clients have no right to write conversations.
create function public.unread_conversation(conversation_id uuid) returns void
language plpgsql security definer set search_path = '' as $$
declare
  conversation public.conversations;
begin
  perform private.require('messages.view');
  conversation := private.own_conversation(unread_conversation.conversation_id);
  perform private.record_read(conversation, true);
  -- A blocked contact's conversation needs no attention from colleagues. The status stays, because the customer did not
  -- write.
  update public.conversations v set unread_count = 1, unseen_since = coalesce(v.unseen_since, now())
  where v.id = conversation.id and v.unread_count = 0
    and not exists (select 1 from public.contacts c where c.id = v.contact_id and c.blocked_at is not null);
end;
$$;

-- One page of a conversation's history, the newest first. `before` is the last event of the previous page. Null if the
-- conversation does not exist or the caller may not see it.
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

-- Applies one action to up to 200 conversations: resolve, reopen, pending, snooze (until), assign (user_id or
-- strategy), unassign, label and unlabel (label_ids), read, unread, priority. Returns [{"id", "outcome"}] in the
-- requested order. The outcome is `done` or the code of the refusal, and `not_found` for conversations that the caller
-- may not see.
create function public.act_on_conversations(ids uuid[], action text, options jsonb default '{}') returns jsonb
language plpgsql set search_path = '' as $$
declare
  conversation uuid;
  outcomes jsonb := '{}';
  code text;
begin
  perform private.require('conversations.view');
  -- a fixed order, so that two concurrent calls wait instead of deadlocking
  for conversation in select distinct w from unnest(act_on_conversations.ids) w order by w loop
    begin
      case act_on_conversations.action
        when 'resolve' then perform public.update_conversation(conversation, '{"status": "resolved"}');
        when 'reopen' then perform public.update_conversation(conversation, '{"status": "open"}');
        when 'pending' then perform public.update_conversation(conversation, '{"status": "pending"}');
        when 'snooze' then perform public.update_conversation(
          conversation, jsonb_build_object('status', 'snoozed', 'snoozed_until', options -> 'snoozed_until'));
        when 'priority' then perform public.update_conversation(
          conversation, jsonb_build_object('priority', options -> 'priority'));
        when 'assign' then perform public.assign_conversation(
          conversation, (options ->> 'user_id')::uuid, options ->> 'strategy');
        when 'unassign' then perform public.assign_conversation(conversation, null);
        when 'label', 'unlabel' then perform public.label_conversation(
          conversation, array(select jsonb_array_elements_text(options -> 'label_ids'))::uuid[],
          case act_on_conversations.action when 'label' then 'add' else 'remove' end);
        when 'read' then
          perform private.require('messages.view');
          perform public.read_conversation(conversation);
        when 'unread' then perform public.unread_conversation(conversation);
      end case;
      code := 'done';
    exception
      when sqlstate 'PT404' then code := 'not_found';
      when sqlstate 'PT409' then get stacked diagnostics code = pg_exception_detail;
    end;
    outcomes := outcomes || jsonb_build_object(conversation, code);
  end loop;
  return (
    select coalesce(jsonb_agg(jsonb_build_object('id', w.id, 'outcome', outcomes ->> w.id::text) order by w.nth), '[]')
    from unnest(act_on_conversations.ids) with ordinality w (id, nth)
  );
end;
$$;

-- `settled`: conversations with unseen messages that the caller has read. `flagged`: conversations that the caller
-- marked as unread.
-- Security definer: clients have no right to read `public.conversation_reads` past its policy row by row.
create function private.read_by_caller(out settled uuid[], out flagged uuid[])
language plpgsql stable security definer set search_path = '' as $$
declare
  caller_id constant uuid := (select auth.uid());
  tenant constant uuid := private.tenant_id();
begin
  settled := array(
    select r.conversation_id from public.conversation_reads r
    join public.conversations v on v.id = r.conversation_id and v.unseen_since is not null
    where r.user_id = caller_id and r.tenant_id = tenant and not r.marked_unread
  );
  flagged := array(
    select r.conversation_id from public.conversation_reads r
    where r.user_id = caller_id and r.tenant_id = tenant and r.marked_unread
  );
end;
$$;

-- The part of a conversation's JSON that comes from its own row.
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

create function private.customer_of(v public.conversations) returns jsonb
language plpgsql stable set search_path = '' as $$
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

-- A conversation as it is broadcast: its content does not depend on the rights of the person who changed it.
create function private.conversation_for_broadcast(v public.conversations) returns jsonb
language plpgsql stable set search_path = '' as $$
begin
  return private.conversation_row(v)
    || jsonb_build_object('labels', private.labels_of(v), 'contact', private.customer_of(v));
end;
$$;

create trigger touch_updated_at before update on public.conversations
  for each row execute function private.touch_updated_at();
create trigger announce_created after insert on public.conversations
  referencing new table as changed for each statement execute function private.announce_conversations();
create trigger record_changes after update on public.conversations
  referencing old table as before new table as changed
  for each statement execute function private.record_conversation_changes();
create trigger announce_updated after update on public.conversations
  referencing old table as before new table as changed
  for each statement execute function private.announce_conversations();
create trigger announce_to_conversations after update on public.contacts
  referencing old table as before new table as changed
  for each statement execute function private.announce_contact_of_conversations();

-- Changes are written to the audit log.
select private.audit_table('conversations', 'id', 'people', '-last_message_at', '-last_message_preview',
  '-last_message_direction', '-last_message_type', '-last_inbound_at', '-echoed_at', '-window_expires_at', '-unread_count',
  '-read_message_id', '-waiting_since', '-priority_rank', '-unseen_since');

alter table public.conversations enable row level security;
alter table public.conversation_events enable row level security;
alter table public.conversation_reads enable row level security;

-- A conversation has the text of its last message. The API leaves it out for people without `messages.view`; they read
-- conversations through the API alone.
create policy "people read conversations they may see" on public.conversations for select to authenticated
  using (
    tenant_id = (select private.tenant_id())
    and ((select private.has_permission('messages.view')) or (select private.request_is_ours()))
    and (
      (select private.has_permission('conversations.view_all'))
      or (
        (select private.has_permission('conversations.view'))
        and (
          assigned_to = (select auth.uid())
          or (assigned_to is null and last_message_at is not null and (select private.sees_unassigned()))
        )
      )
    )
  );
create policy "people read contacts they may see" on public.contacts for select to authenticated
  using (
    tenant_id = (select private.tenant_id())
    and (
      (select private.has_permission('contacts.view'))
      or exists (select 1 from public.conversations c where c.contact_id = contacts.id)
    )
  );
create policy "people read the history of conversations they may see" on public.conversation_events
  for select to authenticated
  using (
    tenant_id = (select private.tenant_id())
    and exists (select 1 from public.conversations v where v.id = conversation_events.conversation_id)
  );
create policy "people read how far they have read" on public.conversation_reads for select to authenticated
  using (tenant_id = (select private.tenant_id()) and user_id = (select auth.uid()));

grant select on public.conversations, public.conversation_events, public.conversation_reads to authenticated;

grant execute on function
  private.sees_unassigned(),
  private.conversation_json(public.conversations),
  public.get_conversation(uuid),
  public.read_conversation(uuid),
  private.unread_for_caller(public.conversations),
  public.update_conversation(uuid, jsonb),
  public.delete_conversation(uuid),
  public.unread_conversation(uuid),
  public.list_conversation_events(uuid, uuid, integer),
  public.act_on_conversations(uuid[], text, jsonb),
  private.read_by_caller(),
  private.conversation_row(public.conversations)
to authenticated;
