-- Messages as they come in: from customers, from the phone app of the business (echoes), and from before the number was
-- connected (history).

-- What a message tells beside its body.
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

-- Stores messages: a list of {"phone_number_id", "wamid", "from"?, "user_id"?, "profile_name"?, "username"?,
-- "timestamp"?, "kind", "preview"?, "context_id"?, "group_id"?, "form_response"?, "payload"}, where `from` and `user_id`
-- are the customer's, whoever wrote. Echoes and history also have "source" (`echo`, `history`), "direction" and
-- "history_status". Answers with how many belong to numbers we know.
create or replace function private.ingest_messages(elements jsonb) returns integer
language plpgsql set search_path = '' as $$
declare
  routed jsonb;
  known integer;
  fresh uuid[];
begin
  select jsonb_agg(
    e.value || jsonb_build_object(
      'tenant_id', s.tenant_id, 'session_id', s.id, 'nth', e.nth, 'wa_id', e.value -> 'from',
      'source', coalesce(e.value -> 'source', '"live"'), 'direction', coalesce(e.value -> 'direction', '"inbound"'),
      'at', private.meta_time((e.value ->> 'timestamp')::bigint)
    )
  ) into routed
  from jsonb_array_elements(elements) with ordinality as e (value, nth)
  join public.whatsapp_sessions s on s.meta_phone_number_id = e.value ->> 'phone_number_id';
  if routed is null then
    return 0;
  end if;
  known := jsonb_array_length(routed);

  -- What is there already tells nothing new, and its writer may be known by another number since.
  select jsonb_agg(r.value) into routed
  from jsonb_array_elements(routed) as r (value)
  where not exists (
    select 1 from public.messages m
    where m.session_id = (r.value ->> 'session_id')::uuid and m.whatsapp_message_id = r.value ->> 'wamid'
      and (m.type <> 'media_placeholder' or r.value ->> 'kind' = 'media_placeholder')
  );
  if routed is null then
    return known;
  end if;

  -- Old words under a number or an id that was given up since: their writer is known by another one.
  select jsonb_agg(r.value || jsonb_strip_nulls(jsonb_build_object('contact_id', (
    select f.contact_id from private.former_identities f
    where f.tenant_id = (r.value ->> 'tenant_id')::uuid and f.until >= (r.value ->> 'at')::timestamptz
      and (f.phone_key = private.phone_key(r.value ->> 'wa_id')
        or (r.value ->> 'wa_id' is null and f.user_id = r.value ->> 'user_id'))
    order by f.until
    limit 1
  )))) into routed
  from jsonb_array_elements(routed) as r (value);

  perform private.upsert_contacts((
    select coalesce(jsonb_agg(r.value), '[]') from jsonb_array_elements(routed) as r (value)
    where not r.value ? 'contact_id'
  ));

  -- One index look-up each: a join on "phone number or user id" would read the whole table.
  select jsonb_agg(r.value || jsonb_build_object('contact_id', coalesce(
    (r.value ->> 'contact_id')::uuid,
    (
      select c.id from public.contacts c
      where c.tenant_id = (r.value ->> 'tenant_id')::uuid and c.phone_key = private.phone_key(r.value ->> 'wa_id')
    ),
    (
      select c.id from public.contacts c
      where c.tenant_id = (r.value ->> 'tenant_id')::uuid and c.user_id = r.value ->> 'user_id'
    )
  ))) into routed
  from jsonb_array_elements(routed) as r (value);

  -- Rows are taken in one order everywhere, so that simultaneous deliveries wait instead of dying. What was said
  -- before the number was connected opens no conversation.
  insert into public.conversations (tenant_id, session_id, contact_id, status)
  select r.tenant_id, r.session_id, r.contact_id, case when bool_and(r.source = 'history') then 'resolved' else 'open' end
  from jsonb_to_recordset(routed) as r (tenant_id uuid, session_id uuid, contact_id uuid, source text)
  group by r.tenant_id, r.session_id, r.contact_id
  order by r.session_id, r.contact_id
  on conflict (session_id, contact_id) do nothing;

  with stored as (
    insert into public.messages as m (
      tenant_id, session_id, conversation_id, direction, type, status, content, payload, metadata, whatsapp_message_id,
      context_message_id, occurred_at, created_at, sent_at
    )
    select distinct on (r.session_id, r.wamid)
      r.tenant_id, r.session_id, v.id, r.direction, left(r.kind, 64),
      case r.direction when 'inbound' then 'received' else 'sent' end, r.preview, coalesce(r.payload, '{}'),
      private.message_metadata(to_jsonb(r)), r.wamid, r.context_id, r.at,
      -- keeps messages of one second in their order
      now() + r.nth * interval '1 microsecond',
      case r.direction when 'outbound' then r.at end
    from jsonb_to_recordset(routed) as r (
      tenant_id uuid, session_id uuid, contact_id uuid, nth integer, kind text, preview text, payload jsonb,
      wamid text, context_id text, at timestamptz, direction text, source text, group_id text, form_response jsonb
    )
    join public.conversations v on v.session_id = r.session_id and v.contact_id = r.contact_id
    order by r.session_id, r.wamid, r.kind = 'media_placeholder', r.nth
    -- The history tells of media first, and brings them later.
    on conflict (session_id, whatsapp_message_id) do update
      set type = excluded.type, content = excluded.content, payload = excluded.payload
      where m.type = 'media_placeholder' and excluded.type <> 'media_placeholder'
    returning id
  )
  select array_agg(s.id) into fresh from stored s;
  if fresh is null then
    return known;
  end if;

  perform 1 from public.conversations v
  where v.id in (select m.conversation_id from public.messages m where m.id = any (fresh))
  order by v.id
  for update;

  with news as (
    select
      f.conversation_id,
      -- A reaction, an edit, a revocation ask for nobody's attention.
      count(*) filter (where f.is_live and f.target_message_id is null) as unread,
      coalesce(bool_or(f.is_live and f.target_message_id is null and not f.is_notice), false) as wakes,
      max(f.occurred_at) filter (where f.metadata ->> 'source' = 'echo') as answered_at,
      -- Notices of the platform are no words of the customer, nor are changes to what was said: they open no window.
      -- What is said to a group does not either.
      max(f.occurred_at) filter (where f.is_live and not f.is_notice and f.type not in ('edit', 'revoke')
        and not f.metadata ? 'group_id') as last_inbound_at,
      (array_agg(f.metadata -> 'referral' order by f.occurred_at desc) filter (where f.metadata ? 'referral'))[1]
        as referral,
      max(f.occurred_at) filter (where f.metadata ? 'referral') as referral_at
    from (
      select m.*, m.direction = 'inbound' and not m.metadata ? 'source' as is_live,
        m.type in ('system', 'request_welcome') as is_notice
      from public.messages m where m.id = any (fresh)
    ) f
    group by f.conversation_id
  )
  update public.conversations v
  set
    -- an answer from the phone app: what was asked before has been read there
    unread_count = case when n.answered_at >= coalesce(greatest(v.last_inbound_at, n.last_inbound_at), '-infinity')
      then 0 else v.unread_count + n.unread end,
    status = case when n.wakes and v.status in ('resolved', 'snoozed') then 'open' else v.status end,
    last_message_at = coalesce(l.occurred_at, v.last_message_at),
    last_message_preview = case when l.occurred_at is null then v.last_message_preview else l.preview end,
    last_message_type = coalesce(l.type, v.last_message_type),
    last_message_direction = coalesce(l.direction, v.last_message_direction),
    last_inbound_at = greatest(v.last_inbound_at, n.last_inbound_at),
    window_expires_at = greatest(v.window_expires_at, n.last_inbound_at + interval '24 hours'),
    referral = case when n.referral_at >= coalesce(v.referral_at, '-infinity') then n.referral else v.referral end,
    referral_at = greatest(v.referral_at, n.referral_at)
  from news n
  join public.conversations c on c.id = n.conversation_id
  left join lateral private.last_message(c.id, c.tenant_id) l on true
  where v.id = c.id;

  perform private.ingest_past_statuses(routed, fresh);
  perform private.follow_notices(fresh);
  return known;
end;
$$;

-- What became of messages we sent from elsewhere: echoes went out, the history says how far they came. Kept as events,
-- so that later statuses of Meta's find a consistent history.
create function private.ingest_past_statuses(routed jsonb, fresh uuid[]) returns void
language plpgsql set search_path = '' as $$
declare
  settled uuid[];
begin
  with kept as (
    insert into public.message_status_events (
      tenant_id, session_id, message_id, whatsapp_message_id, status, occurred_at, payload
    )
    select r.tenant_id, r.session_id, m.id, r.wamid, coalesce(case lower(r.history_status)
        when 'error' then 'failed' when 'pending' then 'sent' else lower(left(r.history_status, 64)) end, 'sent'),
      r.at, jsonb_build_object('source', r.source)
    from jsonb_to_recordset(routed) as r (
      tenant_id uuid, session_id uuid, wamid text, direction text, source text, history_status text, at timestamptz
    )
    cross join lateral (
      select o.id from public.messages o where o.session_id = r.session_id and o.whatsapp_message_id = r.wamid
    ) m
    where r.direction = 'outbound' and m.id = any (fresh)
    order by r.session_id, r.wamid
    on conflict (session_id, whatsapp_message_id, status, occurred_at) do nothing
    returning message_id
  )
  select array_agg(distinct k.message_id) into settled from kept k;
  if settled is null then
    return;
  end if;

  -- statuses that came before the echo
  update public.message_status_events e
  set message_id = m.id
  from public.messages m
  where m.id = any (settled) and e.session_id = m.session_id and e.whatsapp_message_id = m.whatsapp_message_id
    and e.message_id is null;
  perform private.settle_messages(settled);
end;
$$;

-- Notices among fresh messages that tell of a changed identity.
create function private.follow_notices(fresh uuid[]) returns void
language plpgsql set search_path = '' as $$
declare
  notice record;
begin
  for notice in
    select m.id, m.payload, m.occurred_at
    from public.messages m
    where m.id = any (fresh) and m.type = 'system' and jsonb_typeof(m.payload -> 'system') = 'object'
    order by m.occurred_at, m.created_at
  loop
    -- An earlier notice may have moved it.
    perform private.carry_over(v.contact_id, notice.payload -> 'system', ltrim(notice.payload ->> 'from', '+'),
      notice.occurred_at)
    from public.messages m join public.conversations v on v.id = m.conversation_id
    where m.id = notice.id;
  end loop;
end;
$$;

-- Messages of the history are many and old: nobody's screen waits for them.
create or replace function private.announce_messages() returns trigger
language plpgsql security definer set search_path = '' as $$
begin
  perform private.announce(
    m.tenant_id, v.assigned_to, case tg_op when 'INSERT' then 'message.created' else 'message.updated' end,
    -- the thread shows the text; the full element is read with the message
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

revoke execute on function private.message_metadata(jsonb), private.ingest_past_statuses(jsonb, uuid[]),
  private.follow_notices(uuid[]), private.announce_messages() from public;
