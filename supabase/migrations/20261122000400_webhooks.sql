-- What Meta tells us: every delivery is kept as it came, and stored in one call that is safe to repeat.

create table public.webhook_events (
  id bigint generated always as identity primary key,
  received_at timestamptz not null default now(),
  -- the raw bytes: as text, or in base64 where they are no text
  body text not null,
  encoding text not null default 'utf-8' check (encoding in ('utf-8', 'base64')),
  -- stored: everything in it found its place. partial: some did not (`leftovers`). not_json: nothing to read.
  outcome text not null check (outcome in ('stored', 'partial', 'not_json')),
  messages_count integer not null default 0,
  statuses_count integer not null default 0,
  -- elements of fields and numbers that are kept here only, with the reason
  leftovers jsonb not null default '[]'
);
create index webhook_events_received_at_idx on public.webhook_events (received_at);
create index webhook_events_unsettled_idx on public.webhook_events (received_at) where outcome <> 'stored';

alter table public.webhook_events enable row level security;
revoke all on public.webhook_events from anon, authenticated;
grant all on public.webhook_events to service_role;
create policy "a delivery may hold several tenants' data: no client reads it" on public.webhook_events
  for select to authenticated using (false);

create function private.meta_time(seconds bigint) returns timestamptz
language sql stable set search_path = '' as $$
  -- A clock that is absurdly ahead must not pin a conversation to the top for ever.
  select case when seconds between 1 and extract(epoch from now())::bigint + 86400
    then to_timestamp(seconds) else now() end;
$$;

-- Contacts of inbound messages: known by phone number, by Meta's user id, or both.
create function private.upsert_contacts(people jsonb) returns void
language plpgsql set search_path = '' as $$
begin
  -- A contact known only by its user id shows its phone number for the first time.
  update public.contacts c
  set wa_id = p.wa_id
  from jsonb_to_recordset(people) as p (tenant_id uuid, wa_id text, user_id text)
  where c.tenant_id = p.tenant_id and c.user_id = p.user_id and c.wa_id is null and p.wa_id is not null
    and not exists (
      select 1 from public.contacts o where o.tenant_id = p.tenant_id and o.wa_id = p.wa_id
    );

  insert into public.contacts as c (tenant_id, wa_id, user_id, profile_name, username)
  select
    p.tenant_id, p.wa_id,
    -- A user id is one contact's: where it comes with several phone numbers, the last has it.
    case when p.nth = max(p.nth) over (partition by p.tenant_id, p.user_id) and not exists (
      select 1 from public.contacts o where o.tenant_id = p.tenant_id and o.user_id = p.user_id
    ) then p.user_id end,
    p.profile_name, p.username
  from (
    select
      p.tenant_id, p.wa_id, max(p.nth) as nth,
      (array_agg(p.user_id order by p.nth desc) filter (where p.user_id is not null))[1] as user_id,
      (array_agg(p.profile_name order by p.nth desc) filter (where p.profile_name is not null))[1] as profile_name,
      (array_agg(p.username order by p.nth desc) filter (where p.username is not null))[1] as username
    from jsonb_to_recordset(people)
      as p (tenant_id uuid, wa_id text, user_id text, profile_name text, username text, nth integer)
    where p.wa_id is not null
    group by p.tenant_id, p.wa_id
  ) p
  order by p.tenant_id, p.wa_id
  on conflict (tenant_id, wa_id) do update set
    profile_name = coalesce(excluded.profile_name, c.profile_name),
    username = coalesce(excluded.username, c.username),
    user_id = coalesce(c.user_id, excluded.user_id)
  where (coalesce(excluded.profile_name, c.profile_name), coalesce(excluded.username, c.username),
      coalesce(c.user_id, excluded.user_id))
    is distinct from (c.profile_name, c.username, c.user_id);

  insert into public.contacts as c (tenant_id, user_id, profile_name, username)
  select
    p.tenant_id, p.user_id,
    (array_agg(p.profile_name order by p.nth desc) filter (where p.profile_name is not null))[1],
    (array_agg(p.username order by p.nth desc) filter (where p.username is not null))[1]
  from jsonb_to_recordset(people)
    as p (tenant_id uuid, wa_id text, user_id text, profile_name text, username text, nth integer)
  where p.wa_id is null and p.user_id is not null
  group by p.tenant_id, p.user_id
  order by p.tenant_id, p.user_id
  on conflict (tenant_id, user_id) do update set
    profile_name = coalesce(excluded.profile_name, c.profile_name),
    username = coalesce(excluded.username, c.username)
  where (coalesce(excluded.profile_name, c.profile_name), coalesce(excluded.username, c.username))
    is distinct from (c.profile_name, c.username);
end;
$$;

create function private.ingest_messages(elements jsonb) returns integer
language plpgsql set search_path = '' as $$
declare
  routed jsonb;
begin
  select jsonb_agg(
    e.value || jsonb_build_object(
      'tenant_id', s.tenant_id, 'session_id', s.id, 'nth', e.nth, 'wa_id', e.value -> 'from'
    )
  ) into routed
  from jsonb_array_elements(elements) with ordinality as e (value, nth)
  join public.whatsapp_sessions s on s.meta_phone_number_id = e.value ->> 'phone_number_id';
  if routed is null then
    return 0;
  end if;

  perform private.upsert_contacts(routed);

  -- One index look-up each: a join on "phone number or user id" would read the whole table.
  select jsonb_agg(r.value || jsonb_build_object('contact_id', case
    when r.value ->> 'wa_id' is not null then (
      select c.id from public.contacts c
      where c.tenant_id = (r.value ->> 'tenant_id')::uuid and c.wa_id = r.value ->> 'wa_id'
    )
    else (
      select c.id from public.contacts c
      where c.tenant_id = (r.value ->> 'tenant_id')::uuid and c.user_id = r.value ->> 'user_id'
    )
  end)) into routed
  from jsonb_array_elements(routed) as r (value);

  -- Rows are taken in one order everywhere, so that simultaneous deliveries wait instead of dying.
  insert into public.conversations (tenant_id, session_id, contact_id)
  select distinct r.tenant_id, r.session_id, r.contact_id
  from jsonb_to_recordset(routed) as r (tenant_id uuid, session_id uuid, contact_id uuid)
  order by r.session_id, r.contact_id
  on conflict (session_id, contact_id) do nothing;

  with fresh as (
    insert into public.messages (
      tenant_id, session_id, conversation_id, direction, type, status, content, payload, whatsapp_message_id,
      context_message_id, occurred_at, created_at
    )
    select distinct on (r.session_id, r.wamid)
      r.tenant_id, r.session_id, v.id, 'inbound', left(r.kind, 64), 'received', r.preview,
      coalesce(r.payload, '{}'), r.wamid, r.context_id, private.meta_time(r.timestamp),
      -- keeps messages of one second in their order
      now() + r.nth * interval '1 microsecond'
    from jsonb_to_recordset(routed) as r (
      tenant_id uuid, session_id uuid, contact_id uuid, nth integer, kind text, preview text, payload jsonb,
      wamid text, context_id text, timestamp bigint
    )
    join public.conversations v on v.session_id = r.session_id and v.contact_id = r.contact_id
    order by r.session_id, r.wamid, r.nth
    on conflict (session_id, whatsapp_message_id) do nothing
    returning id, conversation_id, type, content, occurred_at, created_at
  ),
  news as (
    select
      f.conversation_id,
      count(*) as messages,
      max(f.occurred_at) as last_at,
      (array_agg(left(f.content, 200) order by f.occurred_at desc, f.created_at desc))[1] as preview,
      -- notices of the platform are no words of the customer: they open no window
      max(f.occurred_at) filter (where f.type not in ('system', 'request_welcome')) as last_inbound_at
    from fresh f
    group by f.conversation_id
  ),
  locked as materialized (
    select v.id
    from public.conversations v
    where v.id in (select n.conversation_id from news n)
    order by v.id
    for update
  )
  update public.conversations v
  set
    unread_count = v.unread_count + n.messages,
    status = case when n.last_inbound_at is not null and v.status in ('resolved', 'snoozed')
      then 'open' else v.status end,
    last_message_at = greatest(v.last_message_at, n.last_at),
    last_message_preview = case when v.last_message_at > n.last_at then v.last_message_preview else n.preview end,
    last_message_direction = case when v.last_message_at > n.last_at then v.last_message_direction
      else 'inbound' end,
    last_inbound_at = greatest(v.last_inbound_at, n.last_inbound_at),
    window_expires_at = greatest(v.window_expires_at, n.last_inbound_at + interval '24 hours')
  from news n
  join locked l on l.id = n.conversation_id
  where v.id = l.id;

  return jsonb_array_length(routed);
end;
$$;

-- Statuses: each is kept; a message is found by its wamid or, when its send was never recorded, by the id of
-- ours that it carries as `biz_opaque_callback_data`.
-- Answers with how many it stored and which campaigns' numbers changed.
create function private.ingest_statuses(elements jsonb, out stored integer, out campaigns uuid[])
language plpgsql set search_path = '' as $$
declare
  touched uuid[];
  late uuid[];
begin
  select coalesce(array_agg(m.id order by m.id), '{}') into touched
  from (
    select distinct coalesce(by_wamid.id, by_callback.id) as id
    from jsonb_array_elements(elements) as e
    join public.whatsapp_sessions s on s.meta_phone_number_id = e ->> 'phone_number_id'
    left join public.messages by_wamid
      on by_wamid.session_id = s.id and by_wamid.whatsapp_message_id = e ->> 'wamid'
    left join public.messages by_callback
      on by_wamid.id is null
      and by_callback.id = case
        when e ->> 'callback_data' ~ '^[0-9a-f]{8}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{12}$'
        then (e ->> 'callback_data')::uuid end
      and by_callback.session_id = s.id
      and by_callback.direction = 'outbound'
  ) m
  where m.id is not null;

  perform 1 from public.messages m where m.id = any (touched) order by m.id for update;

  -- The send's own answer may still be on its way, or lost: the status tells its wamid, and with it whose the
  -- statuses are that came before and told no id of ours.
  with named as (
    update public.messages m
    set whatsapp_message_id = e.wamid
    from (
      select distinct on (s.id, e ->> 'callback_data')
        s.id as session_id, e ->> 'callback_data' as callback_data, e ->> 'wamid' as wamid
      from jsonb_array_elements(elements) as e
      join public.whatsapp_sessions s on s.meta_phone_number_id = e ->> 'phone_number_id'
      order by 1, 2, 3
    ) e
    where m.id = any (touched) and m.whatsapp_message_id is null
      and m.id::text = e.callback_data and m.session_id = e.session_id
      and not exists (
        select 1 from public.messages o
        where o.session_id = m.session_id and o.whatsapp_message_id = e.wamid
      )
    returning m.id, m.session_id, m.whatsapp_message_id
  )
  update public.message_status_events e
  set message_id = n.id
  from named n
  where e.session_id = n.session_id and e.whatsapp_message_id = n.whatsapp_message_id and e.message_id is null;

  with kept as (
    insert into public.message_status_events (
      tenant_id, session_id, message_id, whatsapp_message_id, status, occurred_at, error_code, error_title,
      error_details, pricing, payload
    )
    select
      s.tenant_id, s.id, m.id, e.value ->> 'wamid', e.value ->> 'status',
      private.meta_time((e.value ->> 'timestamp')::bigint), (e.value #>> '{errors,0,code}')::integer,
      e.value #>> '{errors,0,title}', e.value #>> '{errors,0,details}', nullif(e.value -> 'pricing', 'null'),
      coalesce(e.value -> 'payload', '{}')
    from jsonb_array_elements(elements) with ordinality as e (value, nth)
    join public.whatsapp_sessions s on s.meta_phone_number_id = e.value ->> 'phone_number_id'
    left join public.messages m on m.session_id = s.id and m.whatsapp_message_id = e.value ->> 'wamid'
    order by s.id, e.value ->> 'wamid', e.value ->> 'status', e.nth
    on conflict (session_id, whatsapp_message_id, status, occurred_at) do nothing
    returning message_id
  )
  select array_agg(distinct k.message_id) into late from kept k where k.message_id <> all (touched);

  -- Their sends were recorded since we looked.
  if late is not null then
    perform 1 from public.messages m where m.id = any (late) order by m.id for update;
    touched := touched || late;
  end if;

  perform private.settle_messages(touched);
  campaigns := private.settle_recipients(touched);

  select count(*) into stored
  from jsonb_array_elements(elements) as e
  join public.whatsapp_sessions s on s.meta_phone_number_id = e ->> 'phone_number_id';
end;
$$;

-- Recipients follow their messages; answers with the campaigns whose numbers changed. Callers hold the locks
-- of the messages.
create function private.settle_recipients(message_ids uuid[]) returns uuid[]
language plpgsql set search_path = '' as $$
declare
  campaigns uuid[];
begin
  with changed as (
    update public.broadcast_recipients r
    set
      status = case m.status when 'played' then 'read' else m.status end,
      error_code = m.error_code,
      error_title = m.error_title,
      error_details = m.error_details,
      sent_at = m.sent_at,
      delivered_at = m.delivered_at,
      read_at = m.read_at,
      failed_at = m.failed_at
    from public.messages m
    where m.id = any (message_ids) and r.message_id = m.id
      and m.status in ('sent', 'delivered', 'read', 'played', 'failed', 'unknown')
      and (r.status, r.error_code, r.error_title, r.error_details, r.sent_at, r.delivered_at, r.read_at, r.failed_at)
        is distinct from (case m.status when 'played' then 'read' else m.status end, m.error_code, m.error_title,
          m.error_details, m.sent_at, m.delivered_at, m.read_at, m.failed_at)
    returning r.campaign_id
  )
  select array_agg(distinct campaign_id) into campaigns from changed;
  return coalesce(campaigns, '{}');
end;
$$;

-- Stores one delivery of Meta: the raw body always, and each element that belongs to a number we know.
-- Safe to repeat and to run at the same time as itself. Answers with the id
-- of the event and the campaigns whose numbers changed. Without `keep_event` only the elements are stored.
create function public.ingest_webhook(
  body text,
  encoding text default 'utf-8',
  is_json boolean default true,
  messages jsonb default '[]',
  statuses jsonb default '[]',
  others jsonb default '[]',
  keep_event boolean default true
) returns jsonb
language plpgsql set search_path = '' as $$
declare
  event_id bigint;
  leftovers jsonb := others;
  message_count integer := 0;
  status_count integer := 0;
  campaigns uuid[] := '{}';
  strangers jsonb;
begin
  if jsonb_array_length(messages) > 0 then
    message_count := private.ingest_messages(messages);
  end if;
  if jsonb_array_length(statuses) > 0 then
    select i.stored, i.campaigns into status_count, campaigns from private.ingest_statuses(statuses) i;
  end if;

  if message_count < jsonb_array_length(messages) or status_count < jsonb_array_length(statuses) then
    select jsonb_agg(jsonb_build_object('reason', 'unknown_number', 'phone_number_id', n.phone_number_id))
    into strangers
    from (
      select distinct e ->> 'phone_number_id' as phone_number_id
      from jsonb_array_elements(messages || statuses) as e
      where not exists (
        select 1 from public.whatsapp_sessions s where s.meta_phone_number_id = e ->> 'phone_number_id'
      )
    ) n;
    leftovers := leftovers || coalesce(strangers, '[]');
  end if;

  if not keep_event then
    return jsonb_build_object('campaigns', campaigns);
  end if;

  insert into public.webhook_events
    (body, encoding, outcome, messages_count, statuses_count, leftovers)
  values (
    ingest_webhook.body, ingest_webhook.encoding,
    case when not is_json then 'not_json' when leftovers = '[]' then 'stored' else 'partial' end,
    message_count, status_count, leftovers
  )
  returning id into event_id;

  return jsonb_build_object('event_id', event_id, 'campaigns', campaigns);
end;
$$;

revoke execute on function public.ingest_webhook(text, text, boolean, jsonb, jsonb, jsonb, boolean)
  from public, anon, authenticated;
grant execute on function public.ingest_webhook(text, text, boolean, jsonb, jsonb, jsonb, boolean) to service_role;
