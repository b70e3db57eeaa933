-- Connected numbers, contacts, conversations, messages and the history of their delivery.
--
-- Tenant ids are carried in every foreign key between business tables, so that no row can ever point into
-- another tenant, whoever writes it.

create table public.whatsapp_sessions (
  id uuid primary key default gen_random_uuid(),
  tenant_id uuid not null references public.tenants (id) on delete cascade,
  name text not null default '' check (char_length(name) <= 200),
  meta_phone_number_id text not null unique check (meta_phone_number_id ~ '^[0-9]{1,32}$'),
  meta_business_account_id text not null check (meta_business_account_id ~ '^[0-9]{1,32}$'),
  display_phone_number text not null default '',
  -- connected: receives and sends. paused: a person stopped sending. broken: Meta refuses our token or has
  -- blocked the account (`status_reason` says which).
  status text not null default 'connected' check (status in ('connected', 'paused', 'broken')),
  status_reason text,
  -- The pace of campaigns. 10 is gentle on a number's quality; Meta allows 80, and 1000 to large senders.
  messages_per_second integer not null default 10 check (messages_per_second between 1 and 1000),
  created_at timestamptz not null default now(),
  updated_at timestamptz not null default now(),
  unique (id, tenant_id)
);
create index whatsapp_sessions_tenant_id_idx on public.whatsapp_sessions (tenant_id);
create index whatsapp_sessions_business_account_idx on public.whatsapp_sessions (meta_business_account_id);

create table public.contacts (
  id uuid primary key default gen_random_uuid(),
  tenant_id uuid not null references public.tenants (id) on delete cascade,
  -- digits without `+`; absent while Meta hides the phone number
  wa_id text check (wa_id ~ '^[0-9]{1,20}$'),
  -- Meta's business-scoped user id (`CC.xxxx`)
  user_id text check (char_length(user_id) between 1 and 160),
  username text,
  -- what WhatsApp says; `name` is what a person of the tenant typed, and wins
  profile_name text,
  name text check (char_length(name) <= 200),
  created_at timestamptz not null default now(),
  updated_at timestamptz not null default now(),
  unique (tenant_id, wa_id),
  unique (tenant_id, user_id),
  unique (id, tenant_id),
  check (wa_id is not null or user_id is not null)
);

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
  -- until then free-form messages are allowed: 24 hours after the customer last wrote
  window_expires_at timestamptz,
  created_at timestamptz not null default now(),
  updated_at timestamptz not null default now(),
  unique (session_id, contact_id),
  unique (id, tenant_id),
  foreign key (tenant_id) references public.tenants (id) on delete cascade,
  foreign key (session_id, tenant_id) references public.whatsapp_sessions (id, tenant_id) on delete cascade,
  foreign key (contact_id, tenant_id) references public.contacts (id, tenant_id) on delete cascade,
  foreign key (assigned_to, tenant_id) references public.profiles (user_id, tenant_id)
    on delete set null (assigned_to)
);
create index conversations_inbox_idx on public.conversations (tenant_id, last_message_at desc nulls last, id);
create index conversations_assigned_idx
  on public.conversations (assigned_to, tenant_id, last_message_at desc nulls last, id);
create index conversations_session_idx on public.conversations (session_id, tenant_id);
create index conversations_contact_idx on public.conversations (contact_id, tenant_id);

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
  -- what a person reads: the text, or a preview of anything else
  content text,
  -- inbound: the element as Meta sent it; outbound: what we ask Meta to send
  payload jsonb not null default '{}',
  metadata jsonb not null default '{}',
  whatsapp_message_id text,
  -- the wamid this message answers
  context_message_id text,
  sent_by uuid,
  idempotency_key text check (char_length(idempotency_key) between 1 and 200),
  error_code integer,
  error_title text,
  error_details text,
  pricing jsonb,
  -- where the message stands in its thread: Meta's time for inbound, ours for outbound
  occurred_at timestamptz not null default now(),
  sent_at timestamptz,
  delivered_at timestamptz,
  read_at timestamptz,
  failed_at timestamptz,
  created_at timestamptz not null default now(),
  -- wamids are unique per number only
  unique (session_id, whatsapp_message_id),
  unique (conversation_id, idempotency_key),
  foreign key (tenant_id) references public.tenants (id) on delete cascade,
  foreign key (session_id, tenant_id) references public.whatsapp_sessions (id, tenant_id) on delete cascade,
  foreign key (conversation_id, tenant_id) references public.conversations (id, tenant_id) on delete cascade,
  foreign key (sent_by, tenant_id) references public.profiles (user_id, tenant_id) on delete set null (sent_by)
);
-- A thread in its order, and the foreign key. With the tenant, which the policy asks for: without it the planner takes
-- an index that has it and sorts the whole thread. Meta tells whole seconds: within one, messages stand in the order
-- they came in.
create index messages_thread_idx
  on public.messages (conversation_id, tenant_id, occurred_at desc, created_at desc, id desc);
create index messages_tenant_idx on public.messages (tenant_id, created_at desc);
create index messages_session_idx on public.messages (session_id, tenant_id);
create index messages_sent_by_idx on public.messages (sent_by, tenant_id) where sent_by is not null;
create index messages_sending_idx on public.messages (created_at) where status = 'sending';

create table public.message_status_events (
  id bigint generated always as identity primary key,
  tenant_id uuid not null references public.tenants (id) on delete cascade,
  session_id uuid not null,
  -- null while we do not know the message: the event came first, or was sent by other means
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
  -- a redelivery is the same event
  unique (session_id, whatsapp_message_id, status, occurred_at),
  foreign key (session_id, tenant_id) references public.whatsapp_sessions (id, tenant_id) on delete cascade
);
create index message_status_events_message_idx on public.message_status_events (message_id, occurred_at);
create index message_status_events_session_idx on public.message_status_events (session_id, tenant_id);
create index message_status_events_tenant_idx on public.message_status_events (tenant_id);
create index message_status_events_unmatched_idx on public.message_status_events (received_at)
  where message_id is null;

create trigger touch_updated_at before update on public.whatsapp_sessions
  for each row execute function private.touch_updated_at();
create trigger touch_updated_at before update on public.contacts
  for each row execute function private.touch_updated_at();
create trigger touch_updated_at before update on public.conversations
  for each row execute function private.touch_updated_at();

-- May the caller see a conversation that is assigned like this? The one rule behind the policies of
-- conversations, messages and contacts, and behind the functions that write.
create function private.sees_unassigned() returns boolean
language sql stable security definer set search_path = '' as $$
  select coalesce((
    select t.agents_see_unassigned
    from public.profiles p join public.tenants t on t.id = p.tenant_id
    where p.user_id = (select auth.uid()) and p.deactivated_at is null
  ), false);
$$;
grant execute on function private.sees_unassigned() to authenticated;

alter table public.whatsapp_sessions enable row level security;
alter table public.contacts enable row level security;
alter table public.conversations enable row level security;
alter table public.messages enable row level security;
alter table public.message_status_events enable row level security;

revoke all on public.whatsapp_sessions, public.contacts, public.conversations, public.messages,
  public.message_status_events from anon, authenticated;
grant select on public.whatsapp_sessions, public.contacts, public.conversations, public.messages,
  public.message_status_events to authenticated;
grant all on public.whatsapp_sessions, public.contacts, public.conversations, public.messages,
  public.message_status_events to service_role;

create policy "members read their numbers" on public.whatsapp_sessions for select to authenticated
  using (tenant_id = (select private.tenant_id()));

create policy "members read conversations they may see" on public.conversations for select to authenticated
  using (
    tenant_id = (select private.tenant_id())
    and (
      (select private.has_permission('conversations.view_all'))
      or (
        (select private.has_permission('conversations.view'))
        and (
          assigned_to = (select auth.uid())
          or (assigned_to is null and (select private.sees_unassigned()))
        )
      )
    )
  );

create policy "members read contacts they may see" on public.contacts for select to authenticated
  using (
    tenant_id = (select private.tenant_id())
    and (
      (select private.has_permission('contacts.view'))
      or exists (select 1 from public.conversations c where c.contact_id = contacts.id)
    )
  );

create policy "members read messages of conversations they may see" on public.messages
  for select to authenticated
  using (
    tenant_id = (select private.tenant_id())
    and (select private.has_permission('messages.view'))
    and (
      (select private.has_permission('conversations.view_all'))
      or exists (select 1 from public.conversations c where c.id = messages.conversation_id)
    )
  );

create policy "members read the history of messages they may see" on public.message_status_events
  for select to authenticated
  using (
    tenant_id = (select private.tenant_id())
    and exists (select 1 from public.messages m where m.id = message_status_events.message_id)
  );

-- The state of a message follows from the set of its events, whatever the order they came in: `failed` is
-- final unless the message was delivered before it; otherwise the furthest state holds. Statuses we do not
-- know are kept as history and change nothing. Callers hold the rows' locks.
create function private.settle_messages(ids uuid[]) returns void
language plpgsql set search_path = '' as $$
begin
  if cardinality(ids) = 0 then
    return;
  end if;

  -- Materialised: a plan made while the tables were small would gather them anew for each message.
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
revoke execute on function private.settle_messages(uuid[]) from public, authenticated;
grant execute on function private.settle_messages(uuid[]) to service_role;
