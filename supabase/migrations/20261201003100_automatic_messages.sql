-- Automatic messages: business hours, greeting and away message, for a tenant and for single numbers. Each automatic
-- message is a row of `messages` (state `queued`, its purpose in `metadata.automation`) and a row of work. The
-- transaction that causes the message creates both, so none is lost. Work is handed out once. If its holder dies, Meta
-- may have the message: it becomes `unknown` and is never handed out again.

-- Some functions below name objects that later statements create.
set check_function_bodies = off;

create table private.automatic_messages (
  message_id uuid primary key references public.messages (id) on delete cascade,
  tenant_id uuid not null references public.tenants (id) on delete cascade,
  session_id uuid not null references public.whatsapp_sessions (id) on delete cascade,
  conversation_id uuid not null references public.conversations (id) on delete cascade,
  purpose text not null check (purpose in ('greeting', 'away', 'csat', 'bot', 'scheduled')),
  -- the position among the messages of its conversation: the time it was queued, or the later time it was queued for. A
  -- retry moves only `due_at`
  turn_at timestamptz not null default clock_timestamp(),
  due_at timestamptz not null default now(),
  -- the current sender, and when its claim ends
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
create index automatic_messages_turn_idx on private.automatic_messages (conversation_id, turn_at, message_id);

-- The settings of a tenant's numbers (`session_id` null), and the deviations of single numbers: a null value there
-- means the tenant's setting. The weekly hours of the tenant are `tenants.business_hours`.
create table public.service_settings (
  id uuid primary key default gen_random_uuid(),
  tenant_id uuid not null references public.tenants (id) on delete cascade,
  session_id uuid,
  -- of a number: {"monday": [{"from": "09:00", "to": "17:00"}], …}; an end before the beginning is on the next day
  business_hours jsonb,
  -- [{"date": "2026-12-25", "name"?}]: no hours begin on these days
  holidays jsonb,
  -- {"enabled", "text", "after_days"?}: for new customers, or after so many days of silence
  greeting jsonb,
  -- {"enabled", "text"}: outside business hours
  away jsonb,
  -- {"enabled", "text", "not_again_days"}: after a person resolved a conversation
  csat jsonb,
  created_at timestamptz not null default now(),
  updated_at timestamptz not null default now(),
  unique nulls not distinct (tenant_id, session_id),
  check (business_hours is null or session_id is not null),
  foreign key (session_id, tenant_id) references public.whatsapp_sessions (id, tenant_id) on delete cascade
);
create index service_settings_session_idx on public.service_settings (session_id, tenant_id) where session_id is not null;

-- The start of a customer's current unbroken 24-hour window, and the automatic messages sent in it.
create table private.service_windows (
  conversation_id uuid primary key references public.conversations (id) on delete cascade,
  started_at timestamptz not null,
  greeted_at timestamptz,
  away_at timestamptz
);

-- Queues an automatic message. The caller has decided that it may be sent; to a blocked contact it fails at once. The
-- inbox does not change, because an automatic message answers nothing. Returns the message's id.
create function private.queue_automatic_message(
  conversation public.conversations, purpose text, type text, content text, payload jsonb, due_at timestamptz default now()
) returns uuid
language plpgsql set search_path = '' as $$
declare
  is_blocked constant boolean := exists (
    select 1 from public.contacts c where c.id = conversation.contact_id and c.blocked_at is not null
  );
  message uuid;
begin
  insert into public.messages (
    tenant_id, session_id, conversation_id, direction, type, status, content, payload, metadata, occurred_at, failed_at,
    error_title
  )
  values (
    conversation.tenant_id, conversation.session_id, conversation.id, 'outbound', queue_automatic_message.type,
    case when is_blocked then 'failed' else 'queued' end, queue_automatic_message.content, queue_automatic_message.payload,
    jsonb_build_object('automation', queue_automatic_message.purpose), greatest(now(), queue_automatic_message.due_at),
    case when is_blocked then now() end, case when is_blocked then 'The contact is blocked' end
  )
  returning id into message;
  if not is_blocked then
    insert into private.automatic_messages (message_id, tenant_id, session_id, conversation_id, purpose, turn_at, due_at)
    values (message, conversation.tenant_id, conversation.session_id, conversation.id, queue_automatic_message.purpose,
      greatest(clock_timestamp(), queue_automatic_message.due_at), queue_automatic_message.due_at);
  end if;
  return message;
end;
$$;

-- Returns due messages: {"claim_id", "messages": [{"message_id", "session_id", "phone_number_id", "wa_id", "user_id",
-- "type", "payload", "context_message_id", "attempts"}]}. Messages of dead senders become `unknown`, and messages that
-- may no longer be sent fail. Messages of a number that is paused or has an open breaker wait. The messages of a
-- conversation go out in order: each is returned when the one before it has its outcome. A message that is being sent,
-- or waits for a retry, still has its row here.
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
          or c.blocked_at is not null or s.deleted_at is not null or m.status <> 'queued' or m.deleted_at is not null)
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
    set status = 'failed', failed_at = now(), error_title = 'The customer may no longer be written to'
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
        and not exists (
          select 1 from private.automatic_messages e
          where e.conversation_id = d.conversation_id and (e.turn_at, e.message_id) < (d.turn_at, d.message_id)
        )
      order by d.due_at, d.turn_at, d.message_id
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
    ) order by a.due_at, a.turn_at, m.id)
    from public.messages m
    join private.automatic_messages a on a.message_id = m.id
    join public.whatsapp_sessions s on s.id = m.session_id
    join public.conversations v on v.id = m.conversation_id
    join public.contacts c on c.id = v.contact_id
    where m.id = any (claimed)
  ));
end;
$$;

-- Records the outcomes of messages: `results` as in `record_replies`, each with its "claim_id" and, for a retry,
-- "retry_in_ms". Safe to repeat.
create function public.record_automatic_messages(results jsonb) returns void
language plpgsql set search_path = '' as $$
begin
  -- Work is locked before messages, as in claims. A report must not requeue a message after its claim has expired: it
  -- would never be sent, or be sent twice.
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

-- Whether the business is open at a moment, by the clock of `zone`. Without hours it is always open, except on
-- holidays. Hours past midnight belong to the day they began on.
create function private.is_open(hours jsonb, holidays jsonb, zone text, moment timestamptz) returns boolean
language sql stable set search_path = '' as $$
  with clock as (
    select d.day, to_char(d.day, 'FMday') as weekday, d.yesterday, to_char(moment at time zone zone, 'HH24:MI') as at
    from (
      select (moment at time zone zone)::date - n as day, n = 1 as yesterday from generate_series(0, 1) n
    ) d
  ),
  working as (
    select c.* from clock c
    where not exists (
      select 1 from jsonb_array_elements(private.json_list(holidays)) h where h ->> 'date' = c.day::text
    )
  )
  select case
    when not exists (
      select 1 from jsonb_each(case jsonb_typeof(hours) when 'object' then hours else '{}' end) d
      where private.json_list(d.value) <> '[]'
    ) then exists (select 1 from working w where not w.yesterday)
    else exists (
      select 1
      from working w
      cross join lateral jsonb_array_elements(private.json_list(hours -> w.weekday)) s
      where case
        when s ->> 'from' < s ->> 'to' then not w.yesterday and w.at >= s ->> 'from' and w.at < s ->> 'to'
        when w.yesterday then w.at < s ->> 'to'
        else w.at >= s ->> 'from'
      end
    )
  end;
$$;

create function private.default_text(purpose text, locale text) returns text
language sql immutable set search_path = '' as $$
  select case purpose || ' ' || locale
    when 'greeting id' then 'Halo {{contact.name}}! Terima kasih sudah menghubungi {{tenant.name}}. Kami akan segera membalas pesan Anda.'
    when 'greeting en' then 'Hello {{contact.name}}! Thank you for writing to {{tenant.name}}. We will answer shortly.'
    when 'away id' then 'Terima kasih atas pesan Anda. Saat ini kami sedang tutup, dan akan membalas begitu kami buka kembali.'
    when 'away en' then 'Thank you for your message. We are closed at the moment, and will answer as soon as we are open again.'
    when 'csat id' then 'Terima kasih sudah menghubungi kami. Seberapa puas Anda dengan pelayanan kami?'
    when 'csat en' then 'Thank you for writing to us. How satisfied are you with our service?'
  end;
$$;

-- The settings in effect for a number: its own, or else the tenant's.
create function private.number_settings(session uuid, tenant uuid) returns table (
  zone text, locale text, tenant_name text, hours jsonb, holidays jsonb, greeting jsonb, away jsonb, csat jsonb
)
language sql stable set search_path = '' as $$
  select
    t.timezone, t.locale, t.name, coalesce(n.business_hours, t.business_hours), coalesce(n.holidays, d.holidays, '[]'),
    coalesce(n.greeting, d.greeting, '{}'), coalesce(n.away, d.away, '{}'), coalesce(n.csat, d.csat, '{}')
  from public.tenants t
  left join public.service_settings d on d.tenant_id = t.id and d.session_id is null
  left join public.service_settings n on n.tenant_id = t.id and n.session_id = session
  where t.id = tenant;
$$;

-- Whether a message needs an answer: reactions, notices and satisfaction scores do not.
create function private.needs_answer(m public.messages) returns boolean
language sql immutable set search_path = '' as $$
  select m.direction = 'inbound' and not m.metadata ?| '{source,group_id}' and m.target_message_id is null
    and m.type not in ('system', 'request_welcome', 'reaction', 'edit', 'revoke') and not private.answers_satisfaction_question(m);
$$;

-- Answers customers' messages automatically. New customers get a greeting within business hours; outside of them
-- customers get the away message. Each is sent at most once per open window. The caller holds the locks of the
-- conversations, so that simultaneous deliveries follow each other. Returns whether a message was queued.
create function private.answer_automatically(received private.reception[]) returns boolean
language plpgsql set search_path = '' as $$
declare
  candidate record;
  queued boolean := false;
begin
  -- A new window starts without automatic messages, whichever message opened it.
  update private.service_windows k set started_at = r.last_inbound_at, greeted_at = null, away_at = null
  from unnest(received) r
  where k.conversation_id = r.conversation_id and r.last_inbound_at is distinct from r.was_last_inbound_at
    and coalesce(r.was_window_expires_at, '-infinity') <= r.last_inbound_at;

  for candidate in
    with numbers as materialized (
      select s.id, s.tenant_id, private.is_open(o.hours, o.holidays, o.zone, now()) as is_open, o.greeting, o.away,
        o.locale, o.tenant_name
      from (select distinct r.session_id, r.tenant_id from unnest(received) r) n
      join public.whatsapp_sessions s on s.id = n.session_id and s.status = 'connected'
      cross join lateral private.number_settings(n.session_id, n.tenant_id) o
      where (o.greeting ->> 'enabled')::boolean or (o.away ->> 'enabled')::boolean
    )
    select r.conversation_id, r.last_inbound_at, r.was_last_inbound_at, n.is_open, n.locale, n.tenant_name,
      case when n.is_open then 'greeting' else 'away' end as purpose,
      case when n.is_open then n.greeting else n.away end as chosen
    from unnest(received) r
    join numbers n on n.id = r.session_id
    where r.last_inbound_at is distinct from r.was_last_inbound_at and r.window_expires_at > now()
      and not r.contact_is_blocked
      and exists (
        select 1 from public.messages m
        where m.conversation_id = r.conversation_id and m.tenant_id = r.tenant_id
          and m.occurred_at > coalesce(r.was_last_inbound_at, '-infinity') and private.needs_answer(m)
      )
    order by r.conversation_id
  loop
    if private.queue_greeting_or_away(
      candidate.conversation_id, candidate.purpose, candidate.chosen, candidate.locale, candidate.tenant_name,
      candidate.last_inbound_at - candidate.was_last_inbound_at
    ) then
      queued := true;
    end if;
  end loop;
  return queued;
end;
$$;

-- Begins a new window when messages were moved into a conversation (`was` is the conversation before). Automatic
-- messages of an earlier window no longer count. The moved messages are not answered automatically again, because they
-- were handled when they arrived.
create function private.begin_service_window(was public.conversations) returns void
language sql set search_path = '' as $$
  update private.service_windows k set started_at = v.last_inbound_at, greeted_at = null, away_at = null
  from public.conversations v
  where v.id = was.id and k.conversation_id = v.id and v.last_inbound_at is distinct from was.last_inbound_at
    and coalesce(was.window_expires_at, '-infinity') <= v.last_inbound_at;
$$;

-- Queues the greeting or the away message (`purpose`, with its settings) in one conversation, unless it was already
-- sent in this window. A greeting goes only to customers who never wrote (`silent_for` null) or have been silent for
-- the set number of days.
create function private.queue_greeting_or_away(
  conversation_id uuid, purpose text, settings jsonb, locale text, tenant_name text, silent_for interval
) returns boolean
language plpgsql set search_path = '' as $$
declare
  conversation public.conversations;
  contact public.contacts;
  w private.service_windows;
  words text;
begin
  select v.* into strict conversation from public.conversations v where v.id = queue_greeting_or_away.conversation_id;
  insert into private.service_windows (conversation_id, started_at)
  values (conversation.id, conversation.last_inbound_at)
  on conflict on constraint service_windows_pkey do nothing;
  select k.* into strict w from private.service_windows k where k.conversation_id = conversation.id;

  if coalesce((settings ->> 'enabled')::boolean, false) is false then
    return false;
  elsif purpose = 'away' and w.away_at is not null then
    return false;
  elsif purpose = 'greeting' and (
    w.greeted_at is not null
    or (silent_for is null or silent_for > make_interval(days => (settings ->> 'after_days')::integer)) is not true
  ) then
    return false;
  end if;

  select c.* into strict contact from public.contacts c where c.id = conversation.contact_id;
  words := left((private.fill_text(
    coalesce(nullif(settings ->> 'text', ''), private.default_text(purpose, locale)), contact, null, tenant_name
  )).filled, 4096);
  if trim(words) = '' then
    return false;
  end if;
  perform private.queue_automatic_message(
    conversation, purpose, 'text', words, jsonb_build_object('text', jsonb_build_object('body', words))
  );
  update private.service_windows k
  set greeted_at = case purpose when 'greeting' then now() else k.greeted_at end,
    away_at = case purpose when 'away' then now() else k.away_at end
  where k.conversation_id = conversation.id;
  return true;
end;
$$;

-- Settings for clients. A null value of a number means the tenant's setting; the tenant's own values include the
-- defaults.
create function private.number_settings_json(s public.service_settings, t public.tenants) returns jsonb
language sql stable set search_path = '' as $$
  select case when s.session_id is null then jsonb_build_object(
    'session_id', null, 'business_hours', t.business_hours, 'holidays', coalesce(s.holidays, '[]'),
    'greeting', coalesce(s.greeting, jsonb_build_object(
      'enabled', false, 'text', private.default_text('greeting', t.locale), 'after_days', null
    )),
    'away', coalesce(s.away, jsonb_build_object('enabled', false, 'text', private.default_text('away', t.locale))),
    'csat', coalesce(s.csat, jsonb_build_object(
      'enabled', false, 'text', private.default_text('csat', t.locale), 'not_again_days', 7
    ))
  ) else jsonb_build_object(
    'session_id', s.session_id, 'business_hours', s.business_hours, 'holidays', s.holidays, 'greeting', s.greeting,
    'away', s.away, 'csat', s.csat
  ) end;
$$;

-- {"timezone", "open_now", "default": settings, "numbers": [settings of numbers that differ]}.
create function public.get_automations() returns jsonb
language plpgsql stable set search_path = '' as $$
begin
  perform private.require('settings.view');
  return (
    select jsonb_build_object(
      'timezone', t.timezone,
      'open_now', private.is_open(t.business_hours, coalesce(d.holidays, '[]'), t.timezone, now()),
      'default', private.number_settings_json(d, t),
      'numbers', coalesce((
        select jsonb_agg(private.number_settings_json(n, t) order by n.created_at, n.id)
        from public.service_settings n where n.tenant_id = t.id and n.session_id is not null
      ), '[]')
    )
    from public.tenants t
    left join public.service_settings d on d.tenant_id = t.id and d.session_id is null
    where t.id = private.tenant_id()
  );
end;
$$;

create function private.refuse_setting(field text, problem text) returns void
language plpgsql immutable set search_path = '' as $$
begin
  raise sqlstate 'PT422' using message = problem, detail = 'invalid_field', hint = field;
end;
$$;

create function private.check_hours(hours jsonb) returns void
language plpgsql immutable set search_path = '' as $$
declare
  day record;
begin
  if jsonb_typeof(hours) is distinct from 'object' then
    perform private.refuse_setting('business_hours', 'Hours are listed by day.');
  end if;
  for day in select e.key, e.value from jsonb_each(hours) e loop
    if day.key not in ('monday', 'tuesday', 'wednesday', 'thursday', 'friday', 'saturday', 'sunday')
      or jsonb_typeof(day.value) <> 'array' or jsonb_array_length(day.value) > 5
      or exists (
        select 1 from jsonb_array_elements(day.value) s
        where coalesce(s ->> 'from', '') !~ '^([01][0-9]|2[0-3]):[0-5][0-9]$'
          or coalesce(s ->> 'to', '') !~ '^(([01][0-9]|2[0-3]):[0-5][0-9]|24:00)$' or s ->> 'from' = s ->> 'to'
      )
    then
      perform private.refuse_setting('business_hours.' || left(day.key, 20), 'A day lists up to 5 times as HH:MI.');
    end if;
  end loop;
end;
$$;

-- Checks {"enabled", "text"?} and one number of days; other members are refused.
create function private.check_message_setting(
  tenant uuid, field text, setting jsonb, longest integer, days text default null
) returns void
language plpgsql stable set search_path = '' as $$
begin
  if jsonb_typeof(setting) is distinct from 'object' or exists (
    select 1 from jsonb_object_keys(setting) k where k not in ('enabled', 'text') and k is distinct from days
  ) then
    perform private.refuse_setting(field, 'This setting is not known.');
  elsif jsonb_typeof(setting -> 'enabled') is distinct from 'boolean' then
    perform private.refuse_setting(field || '.enabled', 'True or false is needed here.');
  elsif coalesce(jsonb_typeof(setting -> 'text'), 'null') not in ('null', 'string')
    or char_length(setting ->> 'text') > longest
  then
    perform private.refuse_setting(field || '.text', format('A text has at most %s characters.', longest));
  elsif coalesce(jsonb_typeof(setting -> days), 'null') <> 'null'
    and (setting ->> days !~ '^[0-9]{1,3}$' or jsonb_typeof(setting -> days) <> 'number' or (setting ->> days)::integer > 365)
  then
    perform private.refuse_setting(field || '.' || days, 'A whole number of days from 0 to 365 is needed here.');
  end if;
  perform private.check_text_variables(tenant, coalesce(setting ->> 'text', ''), field || '.text');
  if exists (select 1 from unnest(private.text_variables(coalesce(setting ->> 'text', ''))) v where v like 'agent.%') then
    perform private.refuse_setting(field || '.text', 'No agent writes this message.');
  end if;
end;
$$;

-- Replaces the settings of the tenant (`session_id` null) or of one number. A null or missing member of `settings`
-- (business_hours, holidays, greeting, away, csat) is unset. The tenant's hours are the exception: they are also an
-- independent setting, and stay.
-- Security definer: clients have no right to write settings and tenants.
create function public.save_automations(settings jsonb, session_id uuid default null) returns jsonb
language plpgsql security definer set search_path = '' as $$
declare
  tenant constant uuid := private.tenant_id();
  given constant jsonb := jsonb_strip_nulls(settings);
begin
  perform private.require('settings.update');
  if session_id is not null and not exists (
    select 1 from public.whatsapp_sessions s
    where s.id = save_automations.session_id and s.tenant_id = tenant and s.deleted_at is null
  ) then
    raise sqlstate 'PT422' using message = 'There is no such number.', detail = 'invalid_field', hint = 'session_id';
  end if;
  if given ? 'business_hours' then
    perform private.check_hours(given -> 'business_hours');
  end if;
  if given ? 'holidays' and (
    jsonb_typeof(given -> 'holidays') <> 'array' or jsonb_array_length(given -> 'holidays') > 200
  ) then
    perform private.refuse_setting('holidays', 'A list of up to 200 days is needed here.');
  elsif exists (
    select 1 from jsonb_array_elements(private.json_list(given -> 'holidays')) h
    where jsonb_typeof(h) <> 'object' or coalesce(h ->> 'date', '') !~ '^[0-9]{4}-[0-9]{2}-[0-9]{2}$'
      or coalesce(char_length(h ->> 'name'), 0) > 100
  ) then
    perform private.refuse_setting('holidays', 'Each holiday has a date (2026-12-25) and an optional name.');
  end if;
  if given ? 'greeting' then
    perform private.check_message_setting(tenant, 'greeting', given -> 'greeting', 4000, 'after_days');
  end if;
  if given ? 'away' then
    perform private.check_message_setting(tenant, 'away', given -> 'away', 4000);
  end if;
  if given ? 'csat' then
    perform private.check_message_setting(tenant, 'csat', given -> 'csat', 1000, 'not_again_days');
  end if;

  if session_id is null and given ? 'business_hours' then
    update public.tenants t set business_hours = given -> 'business_hours' where t.id = tenant;
  end if;
  insert into public.service_settings as s (tenant_id, session_id, business_hours, holidays, greeting, away, csat)
  values (
    tenant, save_automations.session_id, case when save_automations.session_id is not null then given -> 'business_hours' end,
    given -> 'holidays', given -> 'greeting', given -> 'away', given -> 'csat'
  )
  on conflict on constraint service_settings_tenant_id_session_id_key do update
    set business_hours = excluded.business_hours, holidays = excluded.holidays, greeting = excluded.greeting,
      away = excluded.away, csat = excluded.csat;
  -- a number without deviations needs no row
  delete from public.service_settings s
  where s.tenant_id = tenant and s.session_id = save_automations.session_id
    and num_nonnulls(s.business_hours, s.holidays, s.greeting, s.away, s.csat) = 0;
  return public.get_automations();
end;
$$;

create trigger touch_updated_at before update on public.service_settings
  for each row execute function private.touch_updated_at();
create trigger announce_settings after insert or update or delete on public.service_settings
  for each row execute function private.announce_settings();

-- Changes are written to the audit log.
select private.audit_table('service_settings', 'id');

alter table private.automatic_messages enable row level security;
alter table public.service_settings enable row level security;
alter table private.service_windows enable row level security;

create policy "permitted people read the settings of numbers" on public.service_settings for select to authenticated
  using (tenant_id = (select private.tenant_id()) and (select private.has_permission('settings.view')));
create policy "no client access" on private.automatic_messages to authenticated using (false);
create policy "no client access" on private.service_windows to authenticated using (false);

grant select on public.service_settings to authenticated;

grant execute on function
  private.json_list(jsonb),
  private.default_text(text, text),
  private.is_open(jsonb, jsonb, text, timestamptz),
  private.number_settings_json(public.service_settings, public.tenants),
  public.get_automations(),
  public.save_automations(jsonb, uuid)
to authenticated;
