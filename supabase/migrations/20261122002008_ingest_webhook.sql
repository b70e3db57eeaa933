-- One delivery of Meta in one call. What breaks in it costs only itself, here too: where the whole cannot be stored, its
-- elements are stored one by one.

alter table public.webhook_events
  add column events_count integer not null default 0,
  add column replayed_at timestamptz;

-- How long deliveries are kept, and other settings of the operator's: (`webhook_events_days`, 30).
create table private.settings (
  name text primary key,
  value jsonb not null
);
alter table private.settings enable row level security;
grant all on private.settings to service_role;

-- Whether the same call may succeed another time: it lost against another, or the database is in trouble. A row that is
-- there already or no more may be another's doing, until `patient`.
create function private.is_passing(state text, patient boolean) returns boolean
language sql immutable set search_path = '' as $$
  select left(state, 2) in ('08', '25', '40', '42', '53', '55', '57', '58', 'XX', 'F0')
    or (not patient and state in ('23503', '23505', 'P0002'));
$$;

-- Stores elements of one kind: all at once, or each by itself where that fails. Answers with how many are stored, which
-- campaigns changed, and what could not be stored.
create function private.store_elements(
  kind text, elements jsonb, patient boolean, out stored integer, out campaigns uuid[], out leftovers jsonb
)
language plpgsql set search_path = '' as $$
declare
  element jsonb;
  part record;
begin
  stored := 0;
  campaigns := '{}';
  leftovers := '[]';
  if jsonb_array_length(elements) = 0 then
    return;
  end if;
  begin
    case kind
      when 'messages' then
        stored := private.ingest_messages(elements);
      when 'statuses' then
        select i.stored, i.campaigns into stored, campaigns from private.ingest_statuses(elements) i;
    end case;
  exception when others then
    if private.is_passing(sqlstate, patient) then
      raise;
    end if;
    stored := 0;
    campaigns := '{}';
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
      if private.is_passing(sqlstate, patient) then
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

drop function public.ingest_webhook(text, text, boolean, jsonb, jsonb, jsonb, boolean);

-- Stores one delivery of Meta: the raw body always, and each element that belongs to a number we know. `messages` may be
-- echoes and history too; `events` are those of other fields; `others` is what the parser could not place. Safe to
-- repeat and to run at the same time as itself. Answers with the id of the raw event and the campaigns whose numbers
-- changed. With `replay_of` the kept delivery of that id is what this was read from. With `patient` an element that keeps
-- losing against others is given up alone. Without `keep_event` only the elements are stored.
create function public.ingest_webhook(
  body text,
  encoding text default 'utf-8',
  is_json boolean default true,
  messages jsonb default '[]',
  statuses jsonb default '[]',
  others jsonb default '[]',
  keep_event boolean default true,
  events jsonb default '[]',
  replay_of bigint default null,
  patient boolean default false
) returns jsonb
language plpgsql set search_path = '' as $$
declare
  event_id bigint := replay_of;
  rest jsonb := others;
  stored_messages record;
  stored_statuses record;
  stored_events record;
  strangers jsonb;
  verdict text;
begin
  select * into stored_messages from private.store_elements('messages', messages, patient);
  select * into stored_statuses from private.store_elements('statuses', statuses, patient);
  select * into stored_events from private.store_events(events, patient);

  select jsonb_agg(jsonb_build_object('reason', 'unknown_number', 'phone_number_id', n.phone_number_id))
  into strangers
  from (
    select distinct e ->> 'phone_number_id' as phone_number_id
    from jsonb_array_elements(messages || statuses) as e
  ) n
  where not exists (
    select 1 from public.whatsapp_sessions s where s.meta_phone_number_id = n.phone_number_id
  );
  rest := rest || coalesce(strangers, '[]') || stored_messages.leftovers || stored_statuses.leftovers
    || stored_events.leftovers;

  if not keep_event then
    return jsonb_build_object('campaigns', stored_statuses.campaigns);
  end if;

  verdict := case when not is_json then 'not_json' when rest = '[]' then 'stored' else 'partial' end;
  if replay_of is null then
    insert into public.webhook_events
      (body, encoding, outcome, messages_count, statuses_count, events_count, leftovers)
    values (
      ingest_webhook.body, ingest_webhook.encoding, verdict, stored_messages.stored, stored_statuses.stored,
      stored_events.stored, rest
    )
    returning id into event_id;
  else
    update public.webhook_events w
    set
      outcome = verdict, messages_count = stored_messages.stored, statuses_count = stored_statuses.stored,
      events_count = stored_events.stored, leftovers = rest, replayed_at = now()
    where w.id = replay_of;
  end if;

  return jsonb_build_object('event_id', event_id, 'campaigns', stored_statuses.campaigns);
end;
$$;

-- Kept deliveries in their order, from `after_id` on: by id, or by when they came. Answers with a list of {"id", "body",
-- "encoding"}.
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

-- Forgets deliveries that are older than they need be kept: `keep_days`, or the setting, or 30. Answers with how many; a
-- call takes at most 5000, so call again while there are any.
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

revoke execute on function private.is_passing(text, boolean), private.store_elements(text, jsonb, boolean),
  private.store_events(jsonb, boolean) from public;
revoke execute on function
  public.ingest_webhook(text, text, boolean, jsonb, jsonb, jsonb, boolean, jsonb, bigint, boolean),
  public.webhook_events_to_replay(bigint, timestamptz, timestamptz, bigint, integer),
  public.prune_webhook_events(integer)
  from public, anon, authenticated;
grant execute on function
  public.ingest_webhook(text, text, boolean, jsonb, jsonb, jsonb, boolean, jsonb, bigint, boolean),
  public.webhook_events_to_replay(bigint, timestamptz, timestamptz, bigint, integer),
  public.prune_webhook_events(integer)
  to service_role;
