-- The flows that change a conversation, in three functions: `receive_into_conversations` for messages from customers,
-- `send_into_conversation` for messages to them, and `change_conversations` for decisions of people. Triggers decide
-- nothing about a conversation. They record changes in the history and the audit log, broadcast them, and set
-- `updated_at`.

-- Some functions below name objects that later statements create.
set check_function_bodies = off;

-- When the customer's waiting time began: with the first message that has no answer. It ends when the conversation is
-- answered or resolved. Notices of the platform change nothing.
create function private.waiting_since(
  status text, last_message_direction text, last_message_type text, last_message_at timestamptz, waiting_since timestamptz
) returns timestamptz
language sql immutable set search_path = '' as $$
  select case
    when last_message_direction is distinct from 'inbound' or status = 'resolved' then null
    when last_message_type in ('system', 'request_welcome') then waiting_since
    else coalesce(waiting_since, last_message_at)
  end;
$$;

-- The effect of a delivery on one conversation: its state before (`was_...`) and after.
create type private.reception as (
  conversation_id uuid,
  tenant_id uuid,
  session_id uuid,
  contact_id uuid,
  was_status text,
  was_assigned_to uuid,
  was_unread_count integer,
  was_last_inbound_at timestamptz,
  was_window_expires_at timestamptz,
  contact_is_blocked boolean,
  status text,
  assigned_to uuid,
  unread_count integer,
  waiting_since timestamptz,
  last_message_at timestamptz,
  last_message_preview text,
  last_message_type text,
  last_message_direction text,
  last_inbound_at timestamptz,
  window_expires_at timestamptz,
  referral jsonb,
  referral_at timestamptz,
  echoed_at timestamptz
);

-- The number of the customer's live messages after a message from the phone app of the business.
create function private.count_after_echo(conversation uuid, tenant uuid, echoed_at timestamptz) returns integer
language sql stable set search_path = '' as $$
  select count(*)::integer from public.messages m
  where m.conversation_id = conversation and m.tenant_id = tenant and m.occurred_at > count_after_echo.echoed_at
    and m.direction = 'inbound' and m.target_message_id is null and not m.metadata ? 'source';
$$;

-- Decides how these messages change their conversations. It writes nothing. The caller holds the locks of the
-- conversations.
--
-- Live messages of the customer count as unread and open the conversation and its 24-hour window, with these
-- exceptions:
--   * reactions, edits and revocations need no attention;
--   * notices of the platform (`system`, `request_welcome`) open no window and leave a pending conversation pending;
--   * edits, revocations and messages in a group open no window;
--   * a message that is only a satisfaction score leaves a resolved conversation resolved and read;
--   * a blocked contact's message is shown and opens the 24-hour window, but is not unread, and neither opens the
--     conversation nor lets it wait.
-- Echoes of the phone app answer earlier messages, in whatever order both arrive: a late message from before the last
-- echo is read, and a late echo leaves the messages after it unread. Meta reports whole seconds, so within one second the
-- order of arrival counts. Messages of the history only change the last message in the list.
create function private.decide_reception(stored uuid[]) returns setof private.reception
language sql stable set search_path = '' as $$
  with incoming as (
    select
      f.conversation_id,
      array_agg(f.occurred_at) filter (where f.is_live and f.target_message_id is null) as unread_at,
      coalesce(bool_or(f.is_live and f.target_message_id is null and not f.is_notice), false) as wakes,
      max(f.occurred_at) filter (where f.metadata ->> 'source' = 'echo') as answered_at,
      max(f.occurred_at) filter (where f.is_live and not f.is_notice and f.type not in ('edit', 'revoke')
        and not f.metadata ? 'group_id') as last_inbound_at,
      (array_agg(f.metadata -> 'referral' order by f.occurred_at desc) filter (where f.metadata ? 'referral'))[1]
        as referral,
      max(f.occurred_at) filter (where f.metadata ? 'referral') as referral_at
    from (
      select m.*, m.direction = 'inbound' and not m.metadata ? 'source' as is_live,
        m.type in ('system', 'request_welcome') as is_notice
      from public.messages m where m.id = any (stored)
    ) f
    group by f.conversation_id
  ),
  met as (
    select
      v as was, n.conversation_id, n.answered_at, n.last_inbound_at, n.referral, n.referral_at,
      greatest(v.echoed_at, n.answered_at) as echoed_at,
      c.blocked_at is not null as is_blocked,
      n.wakes and c.blocked_at is null as wakes,
      case when c.blocked_at is null then n.unread_at end as unread_at,
      coalesce(l.occurred_at, v.last_message_at) as shown_at,
      case when l.occurred_at is null then v.last_message_preview else l.preview end as shown_preview,
      coalesce(l.type, v.last_message_type) as shown_type,
      coalesce(l.direction, v.last_message_direction) as shown_direction,
      case when v.status = 'resolved' and n.wakes then private.contains_only_score(v.id, v.tenant_id) else false end
        as contains_only_score
    from incoming n
    join public.conversations v on v.id = n.conversation_id
    join public.contacts c on c.id = v.contact_id
    left join lateral private.last_message(v.id, v.tenant_id) l on true
  ),
  counted as (
    select m.*, case
      when m.contains_only_score then (m.was).unread_count
      when m.answered_at is null then m.added_count
      else least(m.added_count, private.count_after_echo((m.was).id, (m.was).tenant_id, m.echoed_at))
    end as unread_count
    from (
      select e.*, (e.was).unread_count + (
        select count(*)::integer from unnest(e.unread_at) as u (at) where u.at >= coalesce(e.echoed_at, '-infinity')
      ) as added_count
      from met e
    ) m
  ),
  opened as (
    select c.*, case
      when c.contains_only_score then (c.was).status
      when c.wakes and (c.was).status in ('resolved', 'snoozed') then 'open'
      when (c.was).status = 'pending' and c.unread_count > (c.was).unread_count
        and coalesce(c.shown_type, '') not in ('system', 'request_welcome') then 'open'
      else (c.was).status
    end as status
    from counted c
  )
  select
    (o.was).id, (o.was).tenant_id, (o.was).session_id, (o.was).contact_id,
    (o.was).status, (o.was).assigned_to, (o.was).unread_count, (o.was).last_inbound_at, (o.was).window_expires_at,
    o.is_blocked,
    o.status,
    (o.was).assigned_to,
    o.unread_count,
    case when o.is_blocked and o.shown_direction = 'inbound' then (o.was).waiting_since else private.waiting_since(
      o.status, o.shown_direction, o.shown_type, o.shown_at, (o.was).waiting_since
    ) end,
    o.shown_at, o.shown_preview, o.shown_type, o.shown_direction,
    greatest((o.was).last_inbound_at, o.last_inbound_at),
    greatest((o.was).window_expires_at, o.last_inbound_at + interval '24 hours'),
    case when o.referral_at >= coalesce((o.was).referral_at, '-infinity') then o.referral else (o.was).referral end,
    greatest((o.was).referral_at, o.referral_at),
    o.echoed_at
  from opened o;
$$;

-- Does everything that follows from newly stored messages: from customers, from the phone app, and from the history.
-- `stored` are all of them; `created` excludes placeholders that were filled. The caller holds the locks of the
-- conversations. Returns whether automatic messages were queued.
create function private.receive_into_conversations(stored uuid[], created uuid[]) returns boolean
language plpgsql set search_path = '' as $$
declare
  received private.reception[];
begin
  -- 1. Effects of the texts, which do not depend on the conversation.
  perform private.record_keyword_consents(created);
  perform private.count_campaign_replies(created);
  perform private.record_satisfaction_scores(created);
  perform private.add_message_files(stored);

  -- 2. New states of the conversations: blocked contacts, unread, reopening, the window.
  received := array(
    select d from private.decide_reception(stored) d order by d.tenant_id, d.conversation_id
  );
  -- 3. Assignment.
  received := private.assign_received(received);

  update public.conversations v
  set
    status = r.status,
    snoozed_until = case when r.status = 'snoozed' then v.snoozed_until end,
    assigned_to = r.assigned_to,
    unread_count = r.unread_count,
    unseen_since = case when r.unread_count > 0 then coalesce(v.unseen_since, now()) else v.unseen_since end,
    waiting_since = r.waiting_since,
    last_message_at = r.last_message_at,
    last_message_preview = r.last_message_preview,
    last_message_type = r.last_message_type,
    last_message_direction = r.last_message_direction,
    last_inbound_at = r.last_inbound_at,
    window_expires_at = r.window_expires_at,
    referral = r.referral,
    referral_at = r.referral_at,
    echoed_at = r.echoed_at
  from unnest(received) r
  where v.id = r.conversation_id;
  perform private.mark_unread(array(
    select r.conversation_id from unnest(received) r where r.unread_count > r.was_unread_count
  ));

  -- 4. Automatic answers. A chatbot will be added before this: automatic messages skip the conversations it takes.
  return private.answer_automatically(received);
end;
$$;

-- Marks conversations as unread for everyone who has read them.
create function private.mark_unread(conversation_ids uuid[]) returns void
language sql set search_path = '' as $$
  update public.conversation_reads r set marked_unread = true
  where r.conversation_id = any (conversation_ids) and not r.marked_unread;
$$;

-- Shows an outgoing message as the last one of its conversation, and marks the conversation as read and answered. A
-- reaction only marks it as read. Automatic messages and campaigns do not count as answers and do not use this
-- function. The caller holds the lock of the conversation.
create function private.send_into_conversation(message public.messages) returns void
language plpgsql set search_path = '' as $$
begin
  if message.type = 'reaction' then
    update public.conversations v set unread_count = 0 where v.id = message.conversation_id;
    return;
  end if;
  update public.conversations v
  set
    last_message_at = message.occurred_at, last_message_preview = left(message.content, 200),
    last_message_type = message.type, last_message_direction = 'outbound', unread_count = 0, waiting_since = null
  where v.id = message.conversation_id;
end;
$$;

-- Marks the conversation as read for the person who answers. The caller holds its lock.
create function private.mark_read_by_author(message public.messages) returns void
language sql set search_path = '' as $$
  insert into public.conversation_reads as r (conversation_id, user_id, tenant_id, read_through)
  select message.conversation_id, message.sent_by, message.tenant_id, message.created_at
  where message.sent_by is not null
  on conflict (conversation_id, user_id) do update
    set read_through = greatest(r.read_through, excluded.read_through), marked_unread = false;
$$;

-- Applies decisions of people to conversations, with all consequences. `changes` may have "status", "snoozed_until"
-- (only with status `snoozed`), "priority" and "assigned_to" (null: unassigned). The caller has checked the
-- permissions. Conversations without a difference stay untouched. Returns the number of changed conversations. Triggers
-- write the history and the audit log.
create function private.change_conversations(ids uuid[], changes jsonb) returns integer
language plpgsql set search_path = '' as $$
declare
  written integer;
  closed uuid[];
begin
  perform 1 from public.conversations v where v.id = any (ids) order by v.id for no key update;

  with wanted as (
    select
      v.id, v.status as was_status, w.status,
      case when w.status = 'snoozed' then coalesce((changes ->> 'snoozed_until')::timestamptz, v.snoozed_until) end
        as snoozed_until,
      coalesce(changes ->> 'priority', v.priority) as priority,
      case when changes ? 'assigned_to' then (changes ->> 'assigned_to')::uuid else v.assigned_to end as assigned_to
    from public.conversations v
    cross join lateral (select coalesce(changes ->> 'status', v.status) as status) w
    where v.id = any (ids)
  ),
  changed as (
    update public.conversations v
    set
      status = w.status,
      snoozed_until = w.snoozed_until,
      priority = w.priority,
      assigned_to = w.assigned_to,
      waiting_since = case when w.status = v.status then v.waiting_since else private.waiting_since(
        w.status, v.last_message_direction, v.last_message_type, v.last_message_at, v.waiting_since
      ) end,
      -- a conversation that was read before it was resolved has nothing new for people who never opened it
      unseen_since = case when w.status = 'resolved' and v.status <> 'resolved' and v.unread_count = 0 then null
        else v.unseen_since end
    from wanted w
    where v.id = w.id and (v.status, v.snoozed_until, v.priority, v.assigned_to)
      is distinct from (w.status, w.snoozed_until, w.priority, w.assigned_to)
    returning v.id, w.was_status, v.status
  )
  select count(*), array_agg(c.id order by c.id) filter (where c.status = 'resolved' and c.was_status <> 'resolved')
  into written, closed
  from changed c;

  if closed is not null then
    perform private.queue_satisfaction_question(v) from public.conversations v where v.id = any (closed);
  end if;
  return written;
end;
$$;
