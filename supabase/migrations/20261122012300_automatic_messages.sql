-- Messages the product sends by itself. Each is a row of `messages` (state `queued`, `metadata.automation` says what for)
-- with a row of work beside it, both made in the transaction of what they answer: none is lost. Work is handed out once:
-- whoever holds it when it dies has perhaps sent it, and it becomes `unknown`; it is never handed out again.

create table private.automatic_messages (
  message_id uuid primary key references public.messages (id) on delete cascade,
  tenant_id uuid not null references public.tenants (id) on delete cascade,
  session_id uuid not null references public.whatsapp_sessions (id) on delete cascade,
  conversation_id uuid not null references public.conversations (id) on delete cascade,
  purpose text not null check (purpose in ('greeting', 'away', 'csat', 'bot', 'scheduled')),
  due_at timestamptz not null default now(),
  -- who is sending it, and until when they must have told
  claim_id uuid,
  leased_until timestamptz,
  attempts integer not null default 0,
  created_at timestamptz not null default now(),
  check ((claim_id is null) = (leased_until is null))
);
create index automatic_messages_due_idx on private.automatic_messages (due_at) where claim_id is null;
create index automatic_messages_leased_idx on private.automatic_messages (leased_until) where claim_id is not null;
create index automatic_messages_tenant_idx on private.automatic_messages (tenant_id);
create index automatic_messages_session_idx on private.automatic_messages (session_id);
create index automatic_messages_conversation_idx on private.automatic_messages (conversation_id);
alter table private.automatic_messages enable row level security;
create policy "nobody" on private.automatic_messages to authenticated using (false);
revoke all on private.automatic_messages from public, anon, authenticated;
grant all on private.automatic_messages to service_role;

-- Leaves a message to be sent by itself. Whoever calls it has decided that it may be sent at all. The inbox does not move:
-- what a machine says answers nobody. Answers with the message's id.
create function private.queue_automatic(
  conversation public.conversations, purpose text, type text, content text, payload jsonb, due_at timestamptz default now()
) returns uuid
language plpgsql security definer set search_path = '' as $$
declare
  message uuid;
begin
  insert into public.messages (
    tenant_id, session_id, conversation_id, direction, type, status, content, payload, metadata, occurred_at
  )
  values (
    conversation.tenant_id, conversation.session_id, conversation.id, 'outbound', queue_automatic.type, 'queued',
    queue_automatic.content, queue_automatic.payload, jsonb_build_object('automation', queue_automatic.purpose),
    greatest(now(), queue_automatic.due_at)
  )
  returning id into message;
  insert into private.automatic_messages (message_id, tenant_id, session_id, conversation_id, purpose, due_at)
  values (message, conversation.tenant_id, conversation.session_id, conversation.id, queue_automatic.purpose,
    queue_automatic.due_at);
  -- `ingest_webhook` tells its caller that there is something to send
  perform set_config('app.automatic_messages', 'queued', true);
  return message;
end;
$$;

-- Hands out messages that are due: {"claim_id", "messages": [{"message_id", "session_id", "phone_number_id", "wa_id",
-- "user_id", "type", "payload", "context_message_id", "attempts"}]}. Those whose sender died become `unknown`; those that
-- may not be sent any more fail. The rest of a number that is paused, or whose breaker is open, waits.
create function public.claim_automatic_messages(batch_size integer, lease_seconds integer) returns jsonb
language plpgsql set search_path = '' as $$
declare
  claim constant uuid := gen_random_uuid();
  dead uuid[];
  late uuid[];
  claimed uuid[];
begin
  with gone as (
    delete from private.automatic_messages a
    where a.message_id = any (array(
      select d.message_id from private.automatic_messages d
      where d.claim_id is not null and d.leased_until <= now()
      order by d.leased_until
      limit 1000
      for update skip locked
    ))
    returning a.message_id
  )
  select array_agg(g.message_id order by g.message_id) into dead from gone g;
  if dead is not null then
    perform 1 from public.messages m where m.id = any (dead) order by m.id for update;
    update public.messages m set status = 'unknown' where m.id = any (dead) and m.status in ('queued', 'sending');
  end if;

  with gone as (
    delete from private.automatic_messages a
    where a.message_id = any (array(
      select d.message_id
      from private.automatic_messages d
      join public.messages m on m.id = d.message_id
      join public.conversations v on v.id = d.conversation_id
      join public.contacts c on c.id = v.contact_id
      join public.whatsapp_sessions s on s.id = d.session_id
      where d.claim_id is null and d.due_at <= now()
        and ((m.type <> 'template' and coalesce(v.window_expires_at, '-infinity') <= now())
          or c.blocked_at is not null or s.deleted_at is not null or m.status <> 'queued')
      order by d.due_at
      limit 1000
      for update of d skip locked
    ))
    returning a.message_id
  )
  select array_agg(g.message_id order by g.message_id) into late from gone g;
  if late is not null then
    perform 1 from public.messages m where m.id = any (late) order by m.id for update;
    update public.messages m
    set status = 'failed', failed_at = now(), error_title = 'The customer may not be written to any more'
    where m.id = any (late) and m.status = 'queued';
  end if;

  with mine as (
    update private.automatic_messages a
    set claim_id = claim, leased_until = now() + make_interval(secs => lease_seconds), attempts = a.attempts + 1
    where a.message_id = any (array(
      select d.message_id
      from private.automatic_messages d
      join public.whatsapp_sessions s on s.id = d.session_id and s.status = 'connected'
      where d.claim_id is null and d.due_at <= now() and not private.breaker_holds(d.session_id)
      order by d.due_at, d.message_id
      limit batch_size
      for update of d skip locked
    ))
    returning a.message_id
  )
  select array_agg(m.message_id order by m.message_id) into claimed from mine m;
  if claimed is null then
    return jsonb_build_object('claim_id', claim, 'messages', '[]'::jsonb);
  end if;
  perform 1 from public.messages m where m.id = any (claimed) order by m.id for update;
  update public.messages m set status = 'sending' where m.id = any (claimed) and m.status = 'queued';

  return jsonb_build_object('claim_id', claim, 'messages', (
    select jsonb_agg(jsonb_build_object(
      'message_id', m.id, 'session_id', m.session_id, 'phone_number_id', s.meta_phone_number_id, 'wa_id', c.wa_id,
      'user_id', c.user_id, 'type', m.type, 'payload', m.payload, 'context_message_id', m.context_message_id,
      'attempts', a.attempts
    ) order by a.due_at, m.id)
    from public.messages m
    join private.automatic_messages a on a.message_id = m.id
    join public.whatsapp_sessions s on s.id = m.session_id
    join public.conversations v on v.id = m.conversation_id
    join public.contacts c on c.id = v.contact_id
    where m.id = any (claimed)
  ));
end;
$$;

-- Records what became of messages that were handed out: `results` as of `record_replies`, each with its "claim_id" and,
-- to be tried again, "retry_in_ms". Safe to repeat.
create function public.record_automatic_messages(results jsonb) returns void
language plpgsql set search_path = '' as $$
begin
  -- Work is locked before messages, as by whoever claims. A report that comes too late must not give back what was
  -- given up since: nobody would send it, or somebody would twice.
  perform 1 from private.automatic_messages a
  where a.message_id in (select r.message_id from jsonb_to_recordset(results) as r (message_id uuid))
  order by a.message_id
  for update;
  results := (
    select coalesce(jsonb_agg(r.value), '[]')
    from jsonb_array_elements(results) as r
    where r.value ->> 'outcome' not in ('retry', 'held') or exists (
      select 1 from private.automatic_messages a
      where a.message_id = (r.value ->> 'message_id')::uuid and a.claim_id = (r.value ->> 'claim_id')::uuid
    )
  );
  perform private.record_outcomes(results);

  update private.automatic_messages a
  set
    claim_id = null, leased_until = null,
    attempts = case when r.outcome = 'held' then a.attempts - 1 else a.attempts end,
    due_at = now() + make_interval(secs => coalesce(r.retry_in_ms, 0) / 1000.0)
  from jsonb_to_recordset(results) as r (message_id uuid, outcome text, retry_in_ms double precision)
  join public.messages m on m.id = r.message_id and m.status = 'queued'
  where a.message_id = r.message_id and r.outcome in ('retry', 'held');
  delete from private.automatic_messages a
  using public.messages m
  where m.id = a.message_id and m.status not in ('queued', 'sending')
    and a.message_id in (select r.message_id from jsonb_to_recordset(results) as r (message_id uuid));
end;
$$;

-- What a machine says is not what the inbox shows of a conversation.
create or replace function private.last_message(conversation uuid, tenant uuid) returns table (
  occurred_at timestamptz, preview text, type text, direction text
)
language sql stable set search_path = '' as $$
  select
    m.occurred_at,
    -- a sign that needs no translation
    case when m.revoked_at is null and m.deleted_at is null then left(m.content, 200) else '🚫' end,
    case when m.deleted_at is not null then 'deleted' when m.revoked_at is null then m.type else 'revoke' end,
    m.direction
  from public.messages m
  where m.conversation_id = conversation and m.tenant_id = tenant and not m.metadata ?| '{broadcast_campaign_id,automation}'
    and (m.target_message_id is null or private.stands_alone(m.session_id, m.target_message_id))
    and (m.send_at is null or m.status not in ('pending', 'failed'))
  order by m.occurred_at desc, m.created_at desc, m.id desc
  limit 1;
$$;

-- Stores one delivery of Meta: the raw body always, and each element that belongs to a number we know. `messages` may be
-- echoes and history too; `events` are those of other fields; `others` is what the parser could not place. Safe to
-- repeat and to run at the same time as itself. Answers with the id of the raw event and the campaigns whose numbers
-- changed, and whether there are messages to be sent by themselves (`automatic`). With `replay_of` the kept delivery of that id is what this was read from. With `patient` an element that keeps
-- losing against others is given up alone. Without `keep_event` only the elements are stored.
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
  automatic boolean;
begin
  select * into stored_messages from private.store_elements('messages', messages, patient);
  select * into stored_statuses from private.store_elements('statuses', statuses, patient);
  select * into stored_events from private.store_events(events, patient);

  automatic := coalesce(current_setting('app.automatic_messages', true), '') = 'queued';

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
    return jsonb_build_object('campaigns', stored_statuses.campaigns, 'automatic', automatic);
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
    'event_id', event_id, 'campaigns', stored_statuses.campaigns, 'automatic', automatic
  );
end;
$$;

revoke execute on function private.queue_automatic(public.conversations, text, text, text, jsonb, timestamptz) from public;
revoke execute on function public.claim_automatic_messages(integer, integer), public.record_automatic_messages(jsonb)
  from public, anon, authenticated;
grant execute on function public.claim_automatic_messages(integer, integer), public.record_automatic_messages(jsonb)
  to service_role;
