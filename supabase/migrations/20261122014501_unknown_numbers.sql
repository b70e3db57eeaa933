-- As before, and: names the numbers of a delivery that nobody has connected, so that the environment's number can be made
-- when it is first written to.
create or replace function public.ingest_webhook(
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
  changed_campaigns uuid[];
  automatic boolean;
begin
  -- First: a number that is connected meanwhile must not make a message look stored that was not.
  select jsonb_agg(jsonb_build_object('reason', 'unknown_number', 'phone_number_id', n.phone_number_id))
  into strangers
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
  automatic := coalesce(current_setting('app.automatic_messages', true), '') = 'queued';
  changed_campaigns := array(
    select distinct c from unnest(stored_messages.campaigns || stored_statuses.campaigns) as c
  );

  rest := rest || coalesce(strangers, '[]') || stored_messages.leftovers || stored_statuses.leftovers
    || stored_events.leftovers;

  if not keep_event then
    return jsonb_build_object('campaigns', changed_campaigns, 'automatic', automatic);
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

  return jsonb_build_object(
    'event_id', event_id, 'campaigns', changed_campaigns, 'automatic', automatic, 'unknown_numbers', coalesce(strangers, '[]')
  );
end;
$$;
