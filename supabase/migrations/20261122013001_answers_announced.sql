-- Answers of customers are told like every other change of a campaign's numbers.

-- The campaigns that these messages answer.
create function private.answered_campaigns(messages jsonb) returns uuid[]
language sql stable set search_path = '' as $$
  select coalesce(array_agg(distinct r.campaign_id), '{}')
  from jsonb_array_elements(messages) as e
  join public.whatsapp_sessions s on s.meta_phone_number_id = e ->> 'phone_number_id'
  join public.messages m on m.session_id = s.id and m.whatsapp_message_id = e ->> 'wamid'
  join public.broadcast_recipients r on r.reply_message_id = m.id;
$$;

-- Stores elements of one kind: all at once, or each by itself where that fails. Answers with how many are stored, which
-- campaigns changed, and what could not be stored.
create or replace function private.store_elements(
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
        campaigns := private.answered_campaigns(elements);
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
  select * into stored_messages from private.store_elements('messages', messages, patient);
  select * into stored_statuses from private.store_elements('statuses', statuses, patient);
  select * into stored_events from private.store_events(events, patient);
  automatic := coalesce(current_setting('app.automatic_messages', true), '') = 'queued';
  changed_campaigns := array(
    select distinct c from unnest(stored_messages.campaigns || stored_statuses.campaigns) as c
  );

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

  return jsonb_build_object('event_id', event_id, 'campaigns', changed_campaigns, 'automatic', automatic);
end;
$$;

revoke execute on function private.answered_campaigns(jsonb) from public;
