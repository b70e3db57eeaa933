-- Messages and the history of their delivery.
--
-- Reactions, edits and revocations change the message they refer to. Each is stored as a row of its own. The target is
-- computed from all of them, so it does not matter in which order they arrive, or whether the target arrives first.

-- What identifies a message in its wamid besides the customer. Meta encodes the customer's number in it, or the
-- business-scoped id, so that one message may have two wamids. Anything else than such a wamid is its own key.
create function private.message_key(wamid text) returns text
language sql immutable parallel safe set search_path = '' as $$
  select case
    when wamid ~ '^wamid\.[A-Za-z0-9+/]+={0,2}$' and length(wamid) > 30 and (length(wamid) - 6) % 4 = 0 then coalesce((
      select encode(substr(b.bytes, 4 + get_byte(b.bytes, 2)), 'hex')
      from (select decode(substr(wamid, 7), 'base64') as bytes) b
      -- two marks, the length of the customer's identity, the identity, and at least 16 bytes of the message's own
      where length(b.bytes) > 20 and get_byte(b.bytes, 0) = 28 and get_byte(b.bytes, 1) = 24
        and get_byte(b.bytes, 2) > 0 and length(b.bytes) >= 19 + get_byte(b.bytes, 2)
        and encode(substr(b.bytes, 4, get_byte(b.bytes, 2)), 'escape') ~ '^([0-9]+|[A-Z]{2}[.][A-Za-z0-9.]+)$'
    ), wamid)
    else wamid
  end;
$$;

create table public.messages (
  id uuid primary key default gen_random_uuid(),
  tenant_id uuid not null,
  session_id uuid not null,
  conversation_id uuid not null,
  direction text not null check (direction in ('inbound', 'outbound')),
  type text not null default 'text' check (char_length(type) between 1 and 64),
  status text not null default 'pending' check (status in (
    'received', 'pending', 'queued', 'sending', 'sent', 'delivered', 'read', 'played', 'failed', 'unknown'
  )),
  -- the text, or a preview of other content
  content text,
  -- inbound: the element from Meta; outbound: the request to Meta
  payload jsonb not null default '{}',
  metadata jsonb not null default '{}',
  whatsapp_message_id text,
  -- the wamid of the message this one answers
  context_message_id text,
  sent_by uuid,
  idempotency_key text check (char_length(idempotency_key) between 1 and 200),
  error_code integer,
  error_title text,
  error_details text,
  pricing jsonb,
  -- the position in the thread: Meta's time for inbound messages, ours for outbound ones
  occurred_at timestamptz not null default now(),
  sent_at timestamptz,
  delivered_at timestamptz,
  read_at timestamptz,
  failed_at timestamptz,
  created_at timestamptz not null default now(),
  -- the wamid of the message that this one reacts to, edits or revokes
  target_message_id text generated always as (nullif(left(case type
    when 'reaction' then payload #>> '{reaction,message_id}'
    when 'edit' then payload #>> '{edit,original_message_id}'
    when 'revoke' then payload #>> '{revoke,original_message_id}'
  end, 512), '')) stored,
  -- the two wamids without the customer in them: see private.message_key
  message_key text generated always as (private.message_key(whatsapp_message_id)) stored,
  target_key text generated always as (private.message_key(nullif(left(case type
    when 'reaction' then payload #>> '{reaction,message_id}'
    when 'edit' then payload #>> '{edit,original_message_id}'
    when 'revoke' then payload #>> '{revoke,original_message_id}'
  end, 512), ''))) stored,
  -- on a target: the current reactions, [{"emoji", "direction", "occurred_at", "message_id"}]
  reactions jsonb not null default '[]',
  edited_at timestamptz,
  revoked_at timestamptz,
  -- the content before it was edited or revoked
  original_content text,
  -- deleted here; the customer keeps the message
  deleted_at timestamptz,
  -- when a `pending` message is to be sent
  send_at timestamptz,
  -- wamids are unique per number only
  unique (session_id, whatsapp_message_id),
  unique (conversation_id, idempotency_key),
  foreign key (tenant_id) references public.tenants (id) on delete cascade,
  foreign key (session_id, tenant_id) references public.whatsapp_sessions (id, tenant_id) on delete cascade,
  foreign key (conversation_id, tenant_id) references public.conversations (id, tenant_id) on delete cascade,
  foreign key (sent_by, tenant_id) references public.profiles (user_id, tenant_id) on delete set null (sent_by)
);
-- Orders a thread and serves the foreign key. It contains the tenant, because the policy filters by it: otherwise the
-- planner takes an index that contains the tenant and sorts the whole thread. Meta reports whole seconds, so messages
-- of one second are ordered by their arrival.
create index messages_thread_idx
  on public.messages (conversation_id, tenant_id, occurred_at desc, created_at desc, id desc);
create index messages_tenant_idx on public.messages (tenant_id, created_at desc);
create index messages_session_idx on public.messages (session_id, tenant_id);
create index messages_sent_by_idx on public.messages (sent_by, tenant_id) where sent_by is not null;
create index messages_sending_idx on public.messages (created_at) where status = 'sending';
create index messages_target_idx on public.messages (session_id, target_key) where target_key is not null;
create index messages_key_idx on public.messages (session_id, message_key) where message_key is not null;
-- For private.delivery_since: delivery figures of the last day and week.
create index messages_outbound_idx on public.messages (session_id, created_at) where direction = 'outbound';
create index messages_templates_sent_idx on public.messages (session_id, sent_at)
  where direction = 'outbound' and type = 'template' and sent_at is not null;
create index messages_resent_idx on public.messages ((metadata ->> 'resend_of')) where metadata ? 'resend_of';
create index messages_scheduled_idx on public.messages (send_at) where status = 'pending' and send_at is not null;
create index messages_templates_unknown_idx on public.messages (session_id)
  where direction = 'outbound' and type = 'template' and status = 'unknown';

create table public.message_status_events (
  id bigint generated always as identity primary key,
  tenant_id uuid not null references public.tenants (id) on delete cascade,
  session_id uuid not null,
  -- null while the message is unknown: the event arrived first, or the message was sent by other means
  message_id uuid references public.messages (id) on delete cascade,
  whatsapp_message_id text not null,
  status text not null,
  occurred_at timestamptz not null,
  received_at timestamptz not null default now(),
  error_code integer,
  error_title text,
  error_details text,
  pricing jsonb,
  payload jsonb not null default '{}',
  -- a redelivered event is stored once
  unique (session_id, whatsapp_message_id, status, occurred_at),
  foreign key (session_id, tenant_id) references public.whatsapp_sessions (id, tenant_id) on delete cascade
);
create index message_status_events_message_idx on public.message_status_events (message_id, occurred_at);
create index message_status_events_session_idx on public.message_status_events (session_id, tenant_id);
create index message_status_events_tenant_idx on public.message_status_events (tenant_id);
create index message_status_events_unmatched_idx on public.message_status_events (received_at)
  where message_id is null;

-- Computes the state of messages from all their events, in whatever order those arrived. `failed` is final unless the
-- message was delivered before it. Otherwise the furthest state counts. Unknown statuses are kept as history and change
-- nothing. The caller holds the rows' locks.
create function private.refresh_message_states(ids uuid[]) returns void
language plpgsql set search_path = '' as $$
begin
  if cardinality(ids) = 0 then
    return;
  end if;

  -- Materialised: a plan made while the tables were small would aggregate the events again for each message.
  with facts as materialized (
    select
      e.message_id,
      min(e.occurred_at) filter (where e.status = 'sent') as sent_at,
      min(e.occurred_at) filter (where e.status = 'delivered') as delivered_at,
      min(e.occurred_at) filter (where e.status in ('read', 'played')) as read_at,
      min(e.occurred_at) filter (where e.status in ('delivered', 'read', 'played')) as arrived_at,
      min(e.occurred_at) filter (where e.status = 'failed') as failed_at,
      bool_or(e.status = 'played') as played,
      (array_agg(e.pricing order by e.occurred_at, e.status) filter (where e.pricing is not null))[1] as pricing
    from public.message_status_events e
    where e.message_id = any (ids)
    group by e.message_id
  ),
  states as (
    select
      f.*,
      case
        when f.failed_at is not null and (f.arrived_at is null or f.failed_at < f.arrived_at) then 'failed'
        when f.played then 'played'
        when f.read_at is not null then 'read'
        when f.delivered_at is not null then 'delivered'
        when f.sent_at is not null then 'sent'
      end as status
    from facts f
  )
  update public.messages m
  set
    status = s.status,
    sent_at = least(m.sent_at, s.sent_at),
    delivered_at = s.delivered_at,
    read_at = s.read_at,
    failed_at = case when s.status = 'failed' then s.failed_at end,
    error_code = f.error_code,
    error_title = f.error_title,
    error_details = f.error_details,
    pricing = coalesce(s.pricing, m.pricing)
  from states s
  left join lateral (
    select e.error_code, e.error_title, e.error_details
    from public.message_status_events e
    where s.status = 'failed' and e.message_id = s.message_id and e.status = 'failed'
    order by e.occurred_at
    limit 1
  ) f on true
  where m.id = s.message_id
    and m.direction = 'outbound'
    and s.status is not null
    and (m.status, m.sent_at, m.delivered_at, m.read_at, m.failed_at, m.error_code, m.error_title, m.error_details,
        m.pricing)
      is distinct from (s.status, least(m.sent_at, s.sent_at), s.delivered_at, s.read_at,
        case when s.status = 'failed' then s.failed_at end, f.error_code, f.error_title, f.error_details,
        coalesce(s.pricing, m.pricing));
end;
$$;

-- A message for clients. The content of a revoked message is hidden; `get_message` returns it in the history.
create function private.message_json(m public.messages) returns jsonb
language sql stable set search_path = '' as $$
  select to_jsonb(m) - 'tenant_id' - 'idempotency_key' - 'original_content' - 'message_key' - 'target_key'
    || case when m.revoked_at is null then '{}'::jsonb else jsonb_build_object('payload', '{}'::jsonb) end;
$$;

-- Messages of the history are not broadcast: they are many and old.
-- Security definer: it also runs when Auth removes an account, and the role of Auth has no rights here.
create function private.announce_messages() returns trigger
language plpgsql security definer set search_path = '' as $$
begin
  perform private.announce(
    m.tenant_id, v.assigned_to, case tg_op when 'INSERT' then 'message.created' else 'message.updated' end,
    -- the thread shows the text; clients read the full element with the message
    private.message_json(m) - 'payload'
  )
  from changed c
  join public.messages m on m.id = c.id
  join public.conversations v on v.id = m.conversation_id
  where not c.metadata ? 'broadcast_campaign_id' and c.metadata ->> 'source' is distinct from 'history'
  order by m.occurred_at;
  return null;
end;
$$;

-- Whether the thread shows a row as a message of its own. A row whose target we have is shown at its target.
create function private.is_shown_separately(session uuid, target_wamid text) returns boolean
language sql stable set search_path = '' as $$
  select target_wamid is null or not exists (
    select 1 from public.messages o
    where o.session_id = session and o.message_key = private.message_key(target_wamid)
  );
$$;

-- Recomputes these messages from everything that refers to them. Only the author of a message can edit or revoke it.
-- Each side has one reaction; in a group each person has one.
create function private.refresh_annotations(targets uuid[]) returns void
language plpgsql set search_path = '' as $$
declare
  changed_conversations uuid[];
begin
  perform 1 from public.messages m where m.id = any (targets) order by m.id for update;

  with states as (
    select
      m.id,
      case when m.edited_at is null and m.revoked_at is null then m.content else m.original_content end as original,
      edit.content as new_content, edit.occurred_at as edited_at, revoke.occurred_at as revoked_at,
      coalesce(reactions.list, '[]') as reactions
    from unnest(targets) as t (id)
    join public.messages m on m.id = t.id
    left join lateral (
      select e.content, e.occurred_at
      from public.messages e
      where e.session_id = m.session_id and e.target_key = m.message_key and e.type = 'edit'
        and e.direction = m.direction and e.status <> 'failed'
      order by e.occurred_at desc, e.created_at desc, e.id desc
      limit 1
    ) edit on true
    left join lateral (
      select min(r.occurred_at) as occurred_at
      from public.messages r
      where r.session_id = m.session_id and r.target_key = m.message_key and r.type = 'revoke'
        and r.direction = m.direction and r.status <> 'failed'
    ) revoke on true
    left join lateral (
      select jsonb_agg(jsonb_build_object(
        'emoji', s.emoji, 'direction', s.direction, 'occurred_at', s.occurred_at, 'message_id', s.id
      ) order by s.occurred_at, s.id) as list
      from (
        select distinct on (r.direction, r.person)
          r.id, r.direction, r.occurred_at, r.payload #>> '{reaction,emoji}' as emoji
        from (
          select a.*, case when a.metadata ? 'group_id'
            then coalesce(a.payload ->> 'from_user_id', a.payload ->> 'from') end as person
          from public.messages a
          where a.session_id = m.session_id and a.target_key = m.message_key
            and a.type = 'reaction' and a.status <> 'failed'
        ) r
        order by r.direction, r.person, r.occurred_at desc, r.created_at desc, r.id desc
      ) s
      where s.emoji <> ''
    ) reactions on true
  ),
  changed as (
    update public.messages m
    set
      original_content = case when s.edited_at is null and s.revoked_at is null then null else s.original end,
      content = case when s.revoked_at is not null then null when s.edited_at is not null then s.new_content
        else s.original end,
      edited_at = s.edited_at,
      revoked_at = s.revoked_at,
      reactions = s.reactions
    from states s
    where m.id = s.id
      and (m.edited_at, m.revoked_at, m.reactions, m.content) is distinct from (s.edited_at, s.revoked_at, s.reactions,
        case when s.revoked_at is not null then null when s.edited_at is not null then s.new_content
          else s.original end)
    returning m.conversation_id, m.edited_at, m.revoked_at
  )
  select array_agg(distinct c.conversation_id) into changed_conversations
  from changed c where c.edited_at is not null or c.revoked_at is not null;

  if changed_conversations is not null then
    perform private.refresh_conversations(changed_conversations);
  end if;
end;
$$;

create function private.annotate_created() returns trigger
language plpgsql set search_path = '' as $$
declare
  targets uuid[];
begin
  select array_agg(distinct t.id) into targets
  from (
    select o.id
    from changed c
    join public.messages o on o.session_id = c.session_id and o.message_key = c.target_key
    where c.target_key is not null
    union all
    select c.id from changed c
    where c.whatsapp_message_id is not null and exists (
      select 1 from public.messages a
      where a.session_id = c.session_id and a.target_key = c.message_key
    )
  ) t
  where t.id is not null;
  if targets is not null then
    perform private.refresh_annotations(targets);
  end if;
  return null;
end;
$$;

-- An outgoing reaction may fail, and a message may get its wamid only after a reaction to it has arrived.
-- Security definer: it also runs when Auth removes an account, and the role of Auth has no rights here.
create function private.annotate_updated() returns trigger
language plpgsql security definer set search_path = '' as $$
declare
  targets uuid[];
begin
  select array_agg(distinct t.id) into targets
  from (
    select o.id
    from changed c
    join before b on b.id = c.id
    join public.messages o on o.session_id = c.session_id and o.message_key = c.target_key
    where c.target_key is not null and (b.status = 'failed') <> (c.status = 'failed')
    union all
    select c.id from changed c join before b on b.id = c.id
    where c.whatsapp_message_id is not null and b.whatsapp_message_id is null and exists (
      select 1 from public.messages a
      where a.session_id = c.session_id and a.target_key = c.message_key
    )
  ) t
  where t.id is not null;
  if targets is not null then
    perform private.refresh_annotations(targets);
  end if;
  return null;
end;
$$;

-- The parts of Meta's element that are stored besides the body.
create function private.message_metadata(element jsonb) returns jsonb
language sql immutable set search_path = '' as $$
  select jsonb_strip_nulls(jsonb_build_object(
    'referral', case jsonb_typeof(element #> '{payload,referral}') when 'object' then element #> '{payload,referral}' end,
    'forwarded', element #> '{payload,context,forwarded}',
    'frequently_forwarded', element #> '{payload,context,frequently_forwarded}',
    'referred_product', element #> '{payload,context,referred_product}',
    'group_id', element -> 'group_id',
    'form_response', element -> 'form_response',
    'source', nullif(element -> 'source', '"live"')
  ));
$$;

-- Null if the message does not exist or the caller may not see it. Events of the same second are returned in their
-- logical order.
create function public.get_message(message_id uuid) returns jsonb
language sql stable set search_path = '' as $$
  select private.message_json(m) || jsonb_build_object(
    'original_content', m.original_content,
    'events', coalesce((
      select jsonb_agg(jsonb_build_object(
        'status', e.status, 'occurred_at', e.occurred_at, 'received_at', e.received_at, 'error_code', e.error_code,
        'error_title', e.error_title, 'error_details', e.error_details, 'pricing', e.pricing,
        'conversation', e.payload -> 'conversation', 'payment', e.payload -> 'payment'
      ) order by e.occurred_at, array_position(array['sent', 'delivered', 'read', 'played', 'failed'], e.status), e.id)
      from public.message_status_events e where e.message_id = m.id
    ), '[]'),
    'changes', coalesce((
      select jsonb_agg(jsonb_build_object(
        'message_id', a.id, 'type', a.type, 'direction', a.direction, 'content', a.content,
        'emoji', a.payload #>> '{reaction,emoji}', 'occurred_at', a.occurred_at, 'status', a.status
      ) order by a.occurred_at, a.created_at, a.id)
      from public.messages a
      where a.session_id = m.session_id and a.target_key = m.message_key
    ), '[]')
  )
  from public.messages m
  where m.id = get_message.message_id;
$$;

-- The states of the given messages that the caller may see, in the given order.
create function public.message_statuses(ids uuid[]) returns jsonb
language sql stable set search_path = '' as $$
  select coalesce(jsonb_agg(jsonb_build_object(
    'id', m.id, 'conversation_id', m.conversation_id, 'whatsapp_message_id', m.whatsapp_message_id, 'status', m.status,
    'sent_at', m.sent_at, 'delivered_at', m.delivered_at, 'read_at', m.read_at, 'failed_at', m.failed_at,
    'error_code', m.error_code, 'error_title', m.error_title, 'error_details', m.error_details
  ) order by i.nth), '[]')
  from (select u.id, min(u.nth) as nth from unnest(ids) with ordinality as u (id, nth) group by u.id) i
  join public.messages m on m.id = i.id;
$$;

-- Keeps a deleted message empty, whatever later events say.
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

-- Returns a message of a conversation that the caller sees, both locked.
create function private.own_message(message_id uuid) returns public.messages
language plpgsql set search_path = '' as $$
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

-- Deletes the content of a message, here but not at the customer. A scheduled message is not sent. Its author may
-- cancel it; all other deletions need the permission to delete. Members of `metadata` that describe the message's kind
-- stay, because they are not personal data. Returns the message and the paths of files that no other row needs.
-- Security definer: clients have no right to write messages.
create function public.delete_message(message_id uuid) returns jsonb
language plpgsql security definer set search_path = '' as $$
declare
  message public.messages;
  paths text[];
begin
  message := private.own_message(delete_message.message_id);
  if message.status = 'sending' then
    raise sqlstate 'PT409' using message = 'The message is just being sent.', detail = 'message_sending';
  elsif message.status = 'pending' and message.send_at is not null then
    if message.sent_by is distinct from private.person_id() or message.sent_by is null
      or not private.has_permission('messages.schedule')
    then
      perform private.require('messages.delete');
    end if;
  else
    perform private.require('messages.delete');
  end if;
  if message.target_message_id is not null then
    raise sqlstate 'PT409' using message = 'A reaction, an edit or a revocation cannot be deleted separately.',
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
    -- versions before and after an edit
    update public.messages e
    set content = null, original_content = null,
      payload = jsonb_build_object('edit', jsonb_build_object('original_message_id', e.target_message_id))
    where e.session_id = message.session_id and e.target_key = message.message_key and e.type = 'edit';
    update public.messages m
    set
      deleted_at = now(),
      status = case when m.status = 'pending' and m.send_at is not null then 'failed' else m.status end,
      error_title = case when m.status = 'pending' and m.send_at is not null then 'Cancelled' else m.error_title end,
      -- a cancelled message leaves the schedule
      occurred_at = case when m.status = 'pending' and m.send_at is not null then now() else m.occurred_at end,
      metadata = (
        select coalesce(jsonb_object_agg(e.key, e.value), '{}') from jsonb_each(m.metadata) e
        where e.key in ('source', 'group_id', 'broadcast_campaign_id', 'automation', 'resend_of', 'forward_of')
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

create function private.live_message(id uuid) returns jsonb
language sql stable set search_path = '' as $$
  select private.message_json(m) - 'payload' from public.messages m where m.id = live_message.id;
$$;

create trigger announce_created after insert on public.messages
  referencing new table as changed for each statement execute function private.announce_messages();
create trigger announce_updated after update on public.messages
  referencing new table as changed for each statement execute function private.announce_messages();
create trigger annotate_created after insert on public.messages
  referencing new table as changed for each statement execute function private.annotate_created();
create trigger annotate_updated after update on public.messages
  referencing old table as before new table as changed for each statement execute function private.annotate_updated();
create trigger keep_deleted before update on public.messages
  for each row when (new.deleted_at is not null) execute function private.keep_deleted();

-- Changes are written to the audit log.
select private.audit_table('messages', 'id', 'people');

alter table public.messages enable row level security;
alter table public.message_status_events enable row level security;

create policy "people read messages of conversations they may see" on public.messages
  for select to authenticated
  using (
    tenant_id = (select private.tenant_id())
    and (select private.has_permission('messages.view'))
    and (
      (select private.has_permission('conversations.view_all'))
      or exists (select 1 from public.conversations c where c.id = messages.conversation_id)
    )
  );
create policy "people read the history of messages they may see" on public.message_status_events
  for select to authenticated
  using (
    tenant_id = (select private.tenant_id())
    and exists (select 1 from public.messages m where m.id = message_status_events.message_id)
  );

grant select on public.messages, public.message_status_events to authenticated;

grant execute on function
  private.message_json(public.messages),
  private.is_shown_separately(uuid, text),
  private.message_key(text),
  public.get_message(uuid),
  public.message_statuses(uuid[]),
  public.delete_message(uuid),
  private.live_message(uuid)
to authenticated;
