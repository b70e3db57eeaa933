-- Deliveries at the same moment: messages of one conversation wait for each other instead of dying (each stored a message,
-- which holds the conversation, and then wanted to change it), and messages that come while their writer's number changes
-- find the contact it is by then.

create or replace function private.refresh_conversations(ids uuid[]) returns void
language plpgsql set search_path = '' as $$
begin
  perform 1 from public.conversations v where v.id = any (ids) order by v.id for no key update;

  update public.conversations v
  set
    last_message_at = l.occurred_at,
    last_message_preview = l.preview,
    last_message_type = l.type,
    last_message_direction = l.direction
  from public.conversations c
  cross join lateral private.last_message(c.id, c.tenant_id) l
  where c.id = any (ids) and v.id = c.id
    and (v.last_message_at, v.last_message_preview, v.last_message_type, v.last_message_direction)
      is distinct from (l.occurred_at, l.preview, l.type, l.direction);
end;
$$;

create or replace function private.ingest_messages(elements jsonb) returns integer
language plpgsql set search_path = '' as $$
declare
  routed jsonb;
  known integer;
  fresh uuid[];
  place record;
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

  -- A number that changes hands is a matter between two contacts: nothing of the tenant is stored beside it. All else
  -- goes on side by side.
  for place in
    select r.tenant_id, bool_or(r.kind = 'system') as is_moving
    from jsonb_to_recordset(routed) as r (tenant_id uuid, kind text)
    group by r.tenant_id
    order by r.tenant_id
  loop
    if place.is_moving then
      perform pg_catalog.pg_advisory_xact_lock(pg_catalog.hashtextextended('identities:' || place.tenant_id, 0));
    else
      perform pg_catalog.pg_advisory_xact_lock_shared(pg_catalog.hashtextextended('identities:' || place.tenant_id, 0));
    end if;
  end loop;

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

  -- What was said before the number was connected opens no conversation.
  insert into public.conversations (tenant_id, session_id, contact_id, status)
  select r.tenant_id, r.session_id, r.contact_id, case when bool_and(r.source = 'history') then 'resolved' else 'open' end
  from jsonb_to_recordset(routed) as r (tenant_id uuid, session_id uuid, contact_id uuid, source text)
  group by r.tenant_id, r.session_id, r.contact_id
  order by r.session_id, r.contact_id
  on conflict (session_id, contact_id) do nothing;

  -- Before anything names them: who stores a message holds its conversation already, and two who hold one both would wait
  -- for each other. A reaction that comes at the same moment as its message finds it, too.
  perform 1 from public.conversations v
  join (
    select distinct r.session_id, r.contact_id
    from jsonb_to_recordset(routed) as r (session_id uuid, contact_id uuid)
  ) r on r.session_id = v.session_id and r.contact_id = v.contact_id
  order by v.id
  for no key update of v;
  if exists (
    select 1
    from jsonb_to_recordset(routed) as r (session_id uuid, contact_id uuid, wa_id text, user_id text)
    where coalesce(r.wa_id, r.user_id) is not null and not exists (
      select 1 from public.conversations v where v.session_id = r.session_id and v.contact_id = r.contact_id
    )
  ) then
    raise sqlstate '40001' using message = 'a contact was joined with another meanwhile';
  end if;

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
