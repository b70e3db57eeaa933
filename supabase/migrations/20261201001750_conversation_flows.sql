-- What becomes of a conversation, in three functions that are called by name and read from top to bottom:
-- `receive_into_conversations` for what customers write, `send_into_conversation` for what is said to them, and
-- `change_conversations` for what people decide. No trigger decides anything about a conversation: triggers only record a
-- change (the history, the audit log), announce it and note its time.

-- Some functions below name what is created after them.
set check_function_bodies = off;

-- Since when the customer waits: from their first message that has no answer, until the conversation is answered or
-- resolved. A notice of the platform changes nothing.
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

-- A delivery's effect on one conversation: what the conversation was (`was_...`), and what it becomes.
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
  referral_at timestamptz
);

-- Decides what the conversations of these messages become. Nothing is written here. The caller holds the conversations.
--
-- Live messages of the customer count as unread, open the conversation and its 24-hour window. Not all of them do all of it:
--   * a reaction, an edit and a revocation ask for no attention;
--   * notices of the platform (`system`, `request_welcome`) open no window and leave a pending conversation pending;
--   * an edit, a revocation and a message in a group open no window;
--   * a score alone leaves a resolved conversation resolved and read;
--   * a blocked contact's message leaves the conversation as it was: it is shown, and asks for no attention.
-- Echoes of the phone app answer what came before them. The history changes only what the list shows last.
create function private.decide_reception(stored uuid[]) returns setof private.reception
language sql stable set search_path = '' as $$
  with news as (
    select
      f.conversation_id,
      count(*) filter (where f.is_live and f.target_message_id is null) as unread,
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
      v as was, n.*, c.blocked_at is not null as is_blocked,
      coalesce(l.occurred_at, v.last_message_at) as shown_at,
      case when l.occurred_at is null then v.last_message_preview else l.preview end as shown_preview,
      coalesce(l.type, v.last_message_type) as shown_type,
      coalesce(l.direction, v.last_message_direction) as shown_direction,
      case when v.status = 'resolved' and n.wakes then private.is_score_alone(v.id, v.tenant_id) else false end
        as is_score_alone
    from news n
    join public.conversations v on v.id = n.conversation_id
    join public.contacts c on c.id = v.contact_id
    left join lateral private.last_message(v.id, v.tenant_id) l on true
  ),
  counted as (
    select m.*, case
      when m.is_score_alone then (m.was).unread_count
      -- an answer from the phone app: what was asked before it has been read there
      when m.answered_at >= coalesce(greatest((m.was).last_inbound_at, m.last_inbound_at), '-infinity') then 0
      else (m.was).unread_count + m.unread
    end as unread_count
    from met m
  ),
  opened as (
    select c.*, c.unread_count > (c.was).unread_count as is_new, case
      when c.is_score_alone then (c.was).status
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
    case when o.is_blocked and o.is_new then (o.was).status else o.status end,
    (o.was).assigned_to,
    case when o.is_blocked and o.is_new then (o.was).unread_count else o.unread_count end,
    case when o.is_blocked and o.is_new then (o.was).waiting_since else private.waiting_since(
      o.status, o.shown_direction, o.shown_type, o.shown_at, (o.was).waiting_since
    ) end,
    o.shown_at, o.shown_preview, o.shown_type, o.shown_direction,
    greatest((o.was).last_inbound_at, o.last_inbound_at),
    greatest((o.was).window_expires_at, o.last_inbound_at + interval '24 hours'),
    case when o.referral_at >= coalesce((o.was).referral_at, '-infinity') then o.referral else (o.was).referral end,
    greatest((o.was).referral_at, o.referral_at)
  from opened o;
$$;

-- Everything that follows from messages that were just stored: what customers wrote, what the phone app echoed, and the
-- history. `stored` are all of them; `created` are those that are new, and not a placeholder that was filled. The caller
-- holds the conversations. Answers whether automatic messages were queued.
create function private.receive_into_conversations(stored uuid[], created uuid[]) returns boolean
language plpgsql set search_path = '' as $$
declare
  received private.reception[];
begin
  -- 1. What the words themselves say, whatever becomes of the conversation.
  perform private.record_keyword_consents(created);
  perform private.count_campaign_replies(created);
  perform private.record_satisfaction_scores(created);
  perform private.note_media(created);

  -- 2. What each conversation becomes: blocked contacts, unread, reopening, the window.
  received := array(
    select d from private.decide_reception(stored) d order by d.tenant_id, d.conversation_id
  );
  -- 3. Who it is assigned to.
  received := private.assign_received(received);

  update public.conversations v
  set
    status = r.status,
    snoozed_until = case when r.status = 'snoozed' then v.snoozed_until end,
    assigned_to = r.assigned_to,
    unread_count = r.unread_count,
    heard_since = case when r.unread_count > 0 then coalesce(v.heard_since, now()) else v.heard_since end,
    waiting_since = r.waiting_since,
    last_message_at = r.last_message_at,
    last_message_preview = r.last_message_preview,
    last_message_type = r.last_message_type,
    last_message_direction = r.last_message_direction,
    last_inbound_at = r.last_inbound_at,
    window_expires_at = r.window_expires_at,
    referral = r.referral,
    referral_at = r.referral_at
  from unnest(received) r
  where v.id = r.conversation_id;
  perform private.mark_unread(array(
    select r.conversation_id from unnest(received) r where r.unread_count > r.was_unread_count
  ));

  -- 4. What answers the customer. A chatbot will come first here: what it takes, the automatic messages leave alone.
  return private.answer_automatically(received);
end;
$$;

-- Makes conversations unread again for everyone who has read them.
create function private.mark_unread(conversation_ids uuid[]) returns void
language sql set search_path = '' as $$
  update public.conversation_reads r set marked_unread = true
  where r.conversation_id = any (conversation_ids) and not r.marked_unread;
$$;

-- Shows a message of ours as the last one of its conversation, which has been read and answered by it. A reaction only
-- shows that it has been read. Automatic messages and campaigns answer nothing: they do not come here.
-- The caller holds the conversation.
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

-- The person who answers has read the conversation. The caller holds it.
create function private.read_by_answering(message public.messages) returns void
language sql set search_path = '' as $$
  insert into public.conversation_reads as r (conversation_id, user_id, tenant_id, read_through)
  select message.conversation_id, message.sent_by, message.tenant_id, message.created_at
  where message.sent_by is not null
  on conflict (conversation_id, user_id) do update
    set read_through = greatest(r.read_through, excluded.read_through), marked_unread = false;
$$;

-- Changes what people decide about conversations, and does all that follows from it. `changes` may have "status",
-- "snoozed_until" (kept only while the status is `snoozed`), "priority" and "assigned_to" (null: nobody). The caller has
-- checked that they may be made. Conversations that are like that already are left alone. Answers with how many changed.
-- The history of the conversation and the audit log are written by the triggers that record every change.
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
      -- what was resolved after it was read has nothing new for those who never opened it
      heard_since = case when w.status = 'resolved' and v.status <> 'resolved' and v.unread_count = 0 then null
        else v.heard_since end
    from wanted w
    where v.id = w.id and (v.status, v.snoozed_until, v.priority, v.assigned_to)
      is distinct from (w.status, w.snoozed_until, w.priority, w.assigned_to)
    returning v.id, w.was_status, v.status
  )
  select count(*), array_agg(c.id order by c.id) filter (where c.status = 'resolved' and c.was_status <> 'resolved')
  into written, closed
  from changed c;

  if closed is not null then
    perform private.ask_satisfaction(v) from public.conversations v where v.id = any (closed);
  end if;
  return written;
end;
$$;
