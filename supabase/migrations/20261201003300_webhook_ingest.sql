-- Webhook deliveries from Meta. Each delivery is kept as received, and stored in one call that is safe to repeat. If
-- Postgres rejects one element, only that element is skipped: the whole batch is tried first, then each element alone.
--
-- Messages come from customers, from the phone app of the business (echoes), and from the time before the number was
-- connected (history). Statuses belong to our messages. They also report on recipients: the number behind the one we
-- dialled, the user id, and opt-outs from marketing (131050).
--
-- Deliveries can arrive at the same moment. Messages of one conversation then wait for each other instead of
-- deadlocking. Messages that arrive while their author's number changes find the resulting contact.

create table public.webhook_events (
  id bigint generated always as identity primary key,
  received_at timestamptz not null default now(),
  -- the raw bytes: as text, or in base64 if they are not valid text
  body text not null,
  encoding text not null default 'utf-8' check (encoding in ('utf-8', 'base64')),
  -- stored: every element was stored. partial: some were not (`leftovers`). not_json: nothing could be read
  outcome text not null check (outcome in ('stored', 'partial', 'not_json')),
  messages_count integer not null default 0,
  statuses_count integer not null default 0,
  -- elements that are kept only in the raw delivery, with the reason
  leftovers jsonb not null default '[]',
  events_count integer not null default 0,
  replayed_at timestamptz,
  -- how many replays began since one last ended
  replay_tries smallint not null default 0
);
create index webhook_events_received_at_idx on public.webhook_events (received_at);
create index webhook_events_unsettled_idx on public.webhook_events (received_at) where outcome <> 'stored';
-- Erasure finds replayed deliveries by the time of the replay.
create index webhook_events_replayed_at_idx on public.webhook_events (replayed_at) where replayed_at is not null;

-- Settings of the operator, such as how long deliveries are kept (`webhook_events_days`, default 30).
create table private.settings (
  name text primary key,
  value jsonb not null
);

-- Stores messages: a list of {"phone_number_id", "wamid", "from"?, "user_id"?, "profile_name"?, "username"?,
-- "timestamp"?, "kind", "preview"?, "context_id"?, "group_id"?, "form_response"?, "payload"}. `from` and `user_id` are
-- the customer's, in both directions. Echoes and history also have "source" (`echo`, `history`), "direction" and
-- "history_status". `private.receive_into_conversations` decides the consequences. Returns how many messages belong to
-- numbers we know (`stored`), and whether automatic messages were queued (`automatic`).
create function private.ingest_messages(elements jsonb, out stored integer, out automatic boolean)
language plpgsql set search_path = '' as $$
declare
  routed jsonb;
  -- stored in this call: new messages, and placeholders that got their content
  fresh uuid[];
  created uuid[];
  place record;
begin
  automatic := false;
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
    stored := 0;
    return;
  end if;
  stored := jsonb_array_length(routed);

  -- A number that changes hands affects two contacts, so it excludes all other deliveries of the tenant. Other
  -- deliveries run concurrently.
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

  -- Messages that are already stored add nothing, and their author may have another number since.
  select jsonb_agg(r.value) into routed
  from jsonb_array_elements(routed) as r (value)
  where not exists (
    select 1 from public.messages m
    where m.session_id = (r.value ->> 'session_id')::uuid and m.whatsapp_message_id = r.value ->> 'wamid'
      and (m.type <> 'media_placeholder' or r.value ->> 'kind' = 'media_placeholder')
  );
  if routed is null then
    return;
  end if;

  -- Late messages under a number or id that was given up since belong to the contact who had it then.
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

  -- Messages from before the number was connected open no conversation.
  insert into public.conversations (tenant_id, session_id, contact_id, status)
  select r.tenant_id, r.session_id, r.contact_id, case when bool_and(r.source = 'history') then 'resolved' else 'open' end
  from jsonb_to_recordset(routed) as r (tenant_id uuid, session_id uuid, contact_id uuid, source text)
  group by r.tenant_id, r.session_id, r.contact_id
  order by r.session_id, r.contact_id
  on conflict (session_id, contact_id) do nothing;

  -- The lock comes before rows that reference the conversation: storing a message takes a weaker lock on it, and two
  -- transactions with weak locks would wait for each other. With the lock, a reaction that arrives together with its
  -- message also finds it.
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
    raise sqlstate '40001' using message = 'a contact was merged with another one meanwhile';
  end if;

  with written as (
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
    -- The history first reports media without content, and delivers the content later.
    on conflict (session_id, whatsapp_message_id) do update
      set type = excluded.type, content = excluded.content, payload = excluded.payload
      where m.type = 'media_placeholder' and excluded.type <> 'media_placeholder'
    returning m.id, m.xmax = 0 as is_new
  )
  select array_agg(w.id), array_agg(w.id) filter (where w.is_new) into fresh, created from written w;
  if fresh is null then
    return;
  end if;

  automatic := private.receive_into_conversations(fresh, created);
  perform private.ingest_past_statuses(routed, fresh);
  perform private.apply_identity_notices(fresh);
end;
$$;

-- Stores statuses. A status is matched by wamid, or, if the send was never recorded, by our message id in
-- `biz_opaque_callback_data`. A status without a plausible time counts as the same event when it is delivered or
-- replayed again. Returns how many were stored, and which campaigns' counts changed.
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

  -- The response to the send may be late or lost. The status contains the wamid, which also identifies earlier statuses
  -- that came without our id.
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
      private.meta_time((e.value ->> 'timestamp')::bigint),
      -- a code beyond an integer is not Meta's, and no reason to lose the status
      case when e.value #>> '{errors,0,code}' ~ '^-?[0-9]{1,9}$' then (e.value #>> '{errors,0,code}')::integer end,
      e.value #>> '{errors,0,title}', e.value #>> '{errors,0,details}', nullif(e.value -> 'pricing', 'null'),
      coalesce(e.value -> 'payload', '{}')
    from jsonb_array_elements(elements) with ordinality as e (value, nth)
    join public.whatsapp_sessions s on s.meta_phone_number_id = e.value ->> 'phone_number_id'
    left join public.messages m on m.session_id = s.id and m.whatsapp_message_id = e.value ->> 'wamid'
    -- without a plausible time, a repetition is recognised by its status alone
    where private.is_plausible_time((e.value ->> 'timestamp')::bigint) or not exists (
      select 1 from public.message_status_events k
      where k.session_id = s.id and k.whatsapp_message_id = e.value ->> 'wamid' and k.status = e.value ->> 'status'
    )
    order by s.id, e.value ->> 'wamid', e.value ->> 'status', e.nth
    on conflict (session_id, whatsapp_message_id, status, occurred_at) do nothing
    returning message_id
  )
  select array_agg(distinct k.message_id) into late from kept k where k.message_id <> all (touched);

  -- These sends were recorded after the look-up above.
  if late is not null then
    perform 1 from public.messages m where m.id = any (late) order by m.id for update;
    touched := touched || late;
  end if;

  perform private.refresh_message_states(touched);
  campaigns := private.refresh_recipient_states(touched);
  perform private.apply_recipient_statuses(elements);

  select count(*) into stored
  from jsonb_array_elements(elements) as e
  join public.whatsapp_sessions s on s.meta_phone_number_id = e ->> 'phone_number_id';
end;
$$;

-- Records the outcomes of messages sent elsewhere: echoes were sent, and the history reports their states. They are
-- stored as events, so that later statuses from Meta find a consistent history.
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

  -- statuses that arrived before the echo
  update public.message_status_events e
  set message_id = m.id
  from public.messages m
  where m.id = any (settled) and e.session_id = m.session_id and e.whatsapp_message_id = m.whatsapp_message_id
    and e.message_id is null;
  perform private.refresh_message_states(settled);
end;
$$;

-- Stores elements of one kind: all together, or one by one if that fails. Returns how many were stored, which campaigns
-- changed, and the elements that could not be stored.
create function private.store_elements(
  kind text, elements jsonb, patient boolean, out stored integer, out campaigns uuid[], out automatic boolean,
  out leftovers jsonb
)
language plpgsql set search_path = '' as $$
declare
  element jsonb;
  part record;
begin
  stored := 0;
  campaigns := '{}';
  automatic := false;
  leftovers := '[]';
  if jsonb_array_length(elements) = 0 then
    return;
  end if;
  begin
    case kind
      when 'messages' then
        select i.stored, i.automatic into stored, automatic from private.ingest_messages(elements) i;
        campaigns := private.answered_campaigns(elements);
      when 'statuses' then
        select i.stored, i.campaigns into stored, campaigns from private.ingest_statuses(elements) i;
    end case;
  exception when others then
    if private.is_transient(sqlstate, patient) then
      raise;
    end if;
    stored := 0;
    campaigns := '{}';
    automatic := false;
    if jsonb_array_length(elements) = 1 then
      leftovers := jsonb_build_array(jsonb_build_object(
        'reason', 'refused_by_database', 'sqlstate', sqlstate, 'phone_number_id', elements #> '{0,phone_number_id}'
      ));
      return;
    end if;
    for element in select e from jsonb_array_elements(elements) as e loop
      select * into part from private.store_elements(kind, jsonb_build_array(element), patient);
      stored := stored + part.stored;
      campaigns := campaigns || part.campaigns;
      automatic := automatic or part.automatic;
      leftovers := leftovers || part.leftovers;
    end loop;
  end;
end;
$$;

create function private.store_events(events jsonb, patient boolean, out stored integer, out leftovers jsonb)
language plpgsql set search_path = '' as $$
declare
  event jsonb;
  reason text;
begin
  stored := 0;
  leftovers := '[]';
  for event in select e from jsonb_array_elements(events) as e loop
    begin
      reason := private.ingest_event(event);
    exception when others then
      if private.is_transient(sqlstate, patient) then
        raise;
      end if;
      reason := 'refused_by_database';
    end;
    if reason is null then
      stored := stored + 1;
    else
      leftovers := leftovers || jsonb_strip_nulls(jsonb_build_object(
        'field', event -> 'field', 'phone_number_id', event -> 'phone_number_id', 'reason', reason
      ));
    end if;
  end loop;
end;
$$;

-- Stores one delivery from Meta: always the raw body, and each element that belongs to a number we know. `messages`
-- include echoes and history; `events` come from other fields; `others` are elements that the parser did not recognise.
-- Safe to repeat, also concurrently. Returns the id of the raw event, the campaigns whose counts changed, whether
-- automatic messages were queued (`automatic`), and the unconnected numbers of the delivery, so that the API can create
-- the environment's number. `replay_of` is the id of the kept delivery that is replayed. With `patient`, an element
-- that keeps conflicting with concurrent calls is skipped alone. Without `keep_event` only the elements are stored.
create function public.ingest_webhook(
  body text, encoding text default 'utf-8', is_json boolean default true, messages jsonb default '[]',
  statuses jsonb default '[]', others jsonb default '[]', keep_event boolean default true, events jsonb default '[]',
  replay_of bigint default null, patient boolean default false
) returns jsonb
language plpgsql set search_path = '' as $$
declare
  event_id bigint := replay_of;
  rest jsonb := others;
  stored_messages record;
  stored_statuses record;
  stored_events record;
  unknown_numbers jsonb;
  delivery_outcome text;
  changed_campaigns uuid[];
begin
  -- Before the elements are stored: a number that is connected meanwhile must not make a lost message look stored.
  select jsonb_agg(jsonb_build_object('reason', 'unknown_number', 'phone_number_id', n.phone_number_id))
  into unknown_numbers
  from (
    select distinct e ->> 'phone_number_id' as phone_number_id
    from jsonb_array_elements(messages || statuses) as e
  ) n
  where not exists (
    select 1 from public.whatsapp_sessions s where s.meta_phone_number_id = n.phone_number_id
  );

  select * into stored_messages from private.store_elements('messages', messages, patient);
  select * into stored_statuses from private.store_elements('statuses', statuses, patient);
  select * into stored_events from private.store_events(events, patient);
  changed_campaigns := array(
    select distinct c from unnest(stored_messages.campaigns || stored_statuses.campaigns) as c
  );

  rest := rest || coalesce(unknown_numbers, '[]') || stored_messages.leftovers || stored_statuses.leftovers
    || stored_events.leftovers;

  if not keep_event then
    return jsonb_build_object('campaigns', changed_campaigns, 'automatic', stored_messages.automatic);
  end if;

  delivery_outcome := case when not is_json then 'not_json' when rest = '[]' then 'stored' else 'partial' end;
  if replay_of is null then
    insert into public.webhook_events
      (body, encoding, outcome, messages_count, statuses_count, events_count, leftovers)
    values (
      ingest_webhook.body, ingest_webhook.encoding, delivery_outcome, stored_messages.stored, stored_statuses.stored,
      stored_events.stored, rest
    )
    returning id into event_id;
  else
    update public.webhook_events w
    set
      outcome = delivery_outcome, messages_count = stored_messages.stored, statuses_count = stored_statuses.stored,
      events_count = stored_events.stored, leftovers = rest, replayed_at = now()
    where w.id = replay_of;
  end if;

  return jsonb_build_object(
    'event_id', event_id, 'campaigns', changed_campaigns, 'automatic', stored_messages.automatic, 'unknown_numbers', coalesce(unknown_numbers, '[]')
  );
end;
$$;

-- Kept deliveries in order, after `after_id`, selected by id or by arrival: a list of {"id", "body", "encoding"}.
create function public.webhook_events_to_replay(
  only_id bigint, received_from timestamptz, received_to timestamptz, after_id bigint, page_size integer
) returns jsonb
language sql stable set search_path = '' as $$
  select coalesce(jsonb_agg(jsonb_build_object('id', w.id, 'body', w.body, 'encoding', w.encoding) order by w.id), '[]')
  from (
    select w.id, w.body, w.encoding
    from public.webhook_events w
    where w.id > coalesce(after_id, 0)
      and (only_id is null or w.id = only_id)
      and (received_from is null or w.received_at >= received_from)
      and (received_to is null or w.received_at <= received_to)
    order by w.id
    limit page_size
  ) w;
$$;

-- Counts the beginning of a replay. Returns false if the delivery is set aside because replays died of it; `insists`
-- replays it anyway.
create function public.begin_webhook_replay(event_id bigint, insists boolean default false) returns boolean
language plpgsql set search_path = '' as $$
begin
  update public.webhook_events w
  set replay_tries = least(w.replay_tries + 1, 1000)
  where w.id = event_id and (insists or w.replay_tries < private.most_tries());
  if found then
    return true;
  end if;
  if not exists (
    select 1 from private.set_aside_work a where a.queue = 'webhook_replays' and a.item = event_id::text
  ) then
    perform private.note_set_aside('webhook_replays', event_id::text, null);
  end if;
  return false;
end;
$$;

-- Ends a replay, whatever its result: the worker is alive.
create function public.end_webhook_replay(event_id bigint) returns void
language sql set search_path = '' as $$
  update public.webhook_events w set replay_tries = 0 where w.id = event_id and w.replay_tries > 0;
$$;

-- Deletes deliveries older than `keep_days`, the setting, or 30 days. Returns the number deleted. A call deletes at
-- most 5000, so the caller repeats it until nothing is left.
create function public.prune_webhook_events(keep_days integer default null) returns integer
language sql set search_path = '' as $$
  with gone as (
    delete from public.webhook_events w
    where w.id = any (array(
      select o.id from public.webhook_events o
      where o.received_at < now() - make_interval(days => greatest(1, coalesce(
        keep_days, (select (s.value #>> '{}')::integer from private.settings s where s.name = 'webhook_events_days'), 30
      )))
      order by o.received_at
      limit 5000
      for update skip locked
    ))
    returning 1
  )
  select count(*)::integer from gone;
$$;

-- Whether `meta_time` accepts Meta's time.
create function private.is_plausible_time(seconds bigint) returns boolean
language sql stable set search_path = '' as $$
  select coalesce(seconds between 1 and extract(epoch from now())::bigint + 86400, false);
$$;

alter table public.webhook_events enable row level security;
alter table private.settings enable row level security;

create policy "no client access" on public.webhook_events
  for select to authenticated using (false);
create policy "no client access" on private.settings to authenticated using (false);
