-- Business hours, greeting, away message and the question how it was: for a tenant, and for single numbers.

-- How a tenant's numbers behave (`session_id` null), and where one of them differs: what is null there is the tenant's.
-- The weekly hours of the tenant are `tenants.business_hours`.
create table public.service_settings (
  id uuid primary key default gen_random_uuid(),
  tenant_id uuid not null references public.tenants (id) on delete cascade,
  session_id uuid,
  -- of a number: {"monday": [{"from": "09:00", "to": "17:00"}], …}; an end before its beginning is on the next day
  business_hours jsonb,
  -- [{"date": "2026-12-25", "name"?}]: nothing begins on these days
  holidays jsonb,
  -- {"enabled", "text", "after_days"?}: for who writes first, or after so many days of silence
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
create trigger touch_updated_at before update on public.service_settings
  for each row execute function private.touch_updated_at();
alter table public.service_settings enable row level security;
revoke all on public.service_settings from anon, authenticated;
grant select on public.service_settings to authenticated;
grant all on public.service_settings to service_role;
create policy "members with the right read how numbers behave" on public.service_settings for select to authenticated
  using (tenant_id = (select private.tenant_id()) and (select private.has_permission('settings.view')));
select private.audit_table('service_settings', 'id');

update public.modules set routes = routes || '{/api/automations}' where id = 'inbox';

-- Since when a customer's 24 hours run without a break, and what was said by itself in them.
create table private.service_windows (
  conversation_id uuid primary key references public.conversations (id) on delete cascade,
  started_at timestamptz not null,
  greeted_at timestamptz,
  away_at timestamptz
);
alter table private.service_windows enable row level security;
create policy "nobody" on private.service_windows to authenticated using (false);
revoke all on private.service_windows from public, anon, authenticated;
grant all on private.service_windows to service_role;

-- How satisfied customers were. A row is a question; `score` its answer.
create table public.csat_responses (
  id uuid primary key default gen_random_uuid(),
  tenant_id uuid not null references public.tenants (id) on delete cascade,
  session_id uuid not null,
  conversation_id uuid not null,
  -- the question
  message_id uuid references public.messages (id) on delete set null,
  -- who was responsible when it was resolved: whom it was assigned to, or who resolved it
  agent_id uuid,
  resolved_by uuid,
  score smallint check (score between 1 and 5),
  -- when the customer answered; the latest answer counts
  answered_at timestamptz,
  created_at timestamptz not null default now(),
  check ((score is null) = (answered_at is null)),
  foreign key (session_id, tenant_id) references public.whatsapp_sessions (id, tenant_id) on delete cascade,
  foreign key (conversation_id, tenant_id) references public.conversations (id, tenant_id) on delete cascade,
  foreign key (agent_id, tenant_id) references public.profiles (user_id, tenant_id) on delete set null (agent_id),
  foreign key (resolved_by, tenant_id) references public.profiles (user_id, tenant_id) on delete set null (resolved_by)
);
create index csat_responses_tenant_idx on public.csat_responses (tenant_id, created_at desc, id desc);
create index csat_responses_conversation_idx on public.csat_responses (conversation_id, tenant_id, created_at desc);
create index csat_responses_session_idx on public.csat_responses (session_id, tenant_id);
create index csat_responses_agent_idx on public.csat_responses (agent_id, tenant_id) where agent_id is not null;
create index csat_responses_resolved_by_idx on public.csat_responses (resolved_by, tenant_id) where resolved_by is not null;
create index csat_responses_message_idx on public.csat_responses (message_id) where message_id is not null;
alter table public.csat_responses enable row level security;
revoke all on public.csat_responses from anon, authenticated;
grant select on public.csat_responses to authenticated;
grant all on public.csat_responses to service_role;
create policy "members with the right read how satisfied customers were" on public.csat_responses
  for select to authenticated
  using (tenant_id = (select private.tenant_id()) and (select private.has_permission('reports.view')));
select private.audit_table('csat_responses', 'id', 'people');

-- Whether business is open at a moment, by the clock of `zone`. Without any hours it always is, but for holidays. What
-- goes on after midnight belongs to the day it began on.
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

-- What holds for a number: its own settings, or else the tenant's.
create function private.service_of(session uuid, tenant uuid) returns table (
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

-- Whether a message is somebody's answer to one of our questions how it was.
create function private.answers_csat(m public.messages) returns boolean
language sql immutable set search_path = '' as $$
  select coalesce(m.direction = 'inbound' and m.type = 'interactive'
    and m.payload #>> '{interactive,list_reply,id}' ~ '^csat:[0-9a-f-]{36}:[1-5]$', false);
$$;

-- Whether a customer says something in it that asks for an answer: no reaction, no notice, no score.
create function private.asks_for_answer(m public.messages) returns boolean
language sql immutable set search_path = '' as $$
  select m.direction = 'inbound' and not m.metadata ?| '{source,group_id}' and m.target_message_id is null
    and m.type not in ('system', 'request_welcome', 'reaction', 'edit', 'revoke') and not private.answers_csat(m);
$$;

-- A customer wrote: within business hours a greeting for who is new, outside of them the away message, each at most once
-- while the window stays open. The row is locked by whoever changed it, so that simultaneous deliveries come one after
-- the other. Security definer: the work of machines is nobody's to write.
create function private.answer_automatically() returns trigger
language plpgsql security definer set search_path = '' as $$
declare
  settings record;
  contact public.contacts;
  w private.service_windows;
  purpose text;
  chosen jsonb;
  words text;
begin
  -- whatever opened it: a window that begins knows of nothing said in the last one
  if coalesce(old.window_expires_at, '-infinity') <= new.last_inbound_at then
    update private.service_windows k set started_at = new.last_inbound_at, greeted_at = null, away_at = null
    where k.conversation_id = new.id;
  end if;

  select * into settings from private.service_of(new.session_id, new.tenant_id);
  if coalesce((settings.greeting ->> 'enabled')::boolean, false) is false
    and coalesce((settings.away ->> 'enabled')::boolean, false) is false
  then
    return null;
  end if;
  if new.window_expires_at <= now()
    or not exists (
      select 1 from public.messages m
      where m.conversation_id = new.id and m.tenant_id = new.tenant_id
        and m.occurred_at > coalesce(old.last_inbound_at, '-infinity') and private.asks_for_answer(m)
    )
    or not exists (select 1 from public.whatsapp_sessions s where s.id = new.session_id and s.status = 'connected')
  then
    return null;
  end if;
  select c.* into strict contact from public.contacts c where c.id = new.contact_id;
  if contact.blocked_at is not null then
    return null;
  end if;

  insert into private.service_windows (conversation_id, started_at)
  values (new.id, new.last_inbound_at)
  on conflict (conversation_id) do nothing;
  select k.* into strict w from private.service_windows k where k.conversation_id = new.id;

  if not private.is_open(settings.hours, settings.holidays, settings.zone, now()) then
    purpose := 'away';
    chosen := settings.away;
    if w.away_at is not null then
      return null;
    end if;
  else
    purpose := 'greeting';
    chosen := settings.greeting;
    if w.greeted_at is not null or (
      old.last_inbound_at is null
      or new.last_inbound_at - old.last_inbound_at > make_interval(days => (chosen ->> 'after_days')::integer)
    ) is not true then
      return null;
    end if;
  end if;
  if coalesce((chosen ->> 'enabled')::boolean, false) is false then
    return null;
  end if;

  words := left((private.fill_text(
    coalesce(nullif(chosen ->> 'text', ''), private.default_text(purpose, settings.locale)),
    contact, null, settings.tenant_name
  )).filled, 4096);
  if trim(words) = '' then
    return null;
  end if;
  perform private.queue_automatic(new, purpose, 'text', words, jsonb_build_object('text', jsonb_build_object('body', words)));
  update private.service_windows k
  set greeted_at = case purpose when 'greeting' then now() else k.greeted_at end,
    away_at = case purpose when 'away' then now() else k.away_at end
  where k.conversation_id = new.id;
  return null;
end;
$$;
create trigger answer_automatically after update on public.conversations
  for each row when (new.last_inbound_at is distinct from old.last_inbound_at and new.last_inbound_at is not null)
  execute function private.answer_automatically();

-- A person resolved a conversation: the customer is asked how it was, while the window is open. A bulk of conversations
-- asks each customer; what machines resolve asks nobody.
create function private.ask_satisfaction() returns trigger
language plpgsql security definer set search_path = '' as $$
declare
  person constant uuid := private.person_id();
  settings record;
  contact public.contacts;
  question public.csat_responses;
  words text;
begin
  if person is null or coalesce(new.window_expires_at, '-infinity') <= now() then
    return null;
  end if;
  select * into settings from private.service_of(new.session_id, new.tenant_id);
  select c.* into strict contact from public.contacts c where c.id = new.contact_id;
  if coalesce((settings.csat ->> 'enabled')::boolean, false) is false or contact.blocked_at is not null
    or not exists (select 1 from public.whatsapp_sessions s where s.id = new.session_id and s.status = 'connected')
    or exists (
      select 1 from public.csat_responses r
      where r.conversation_id = new.id and r.tenant_id = new.tenant_id
        and r.created_at > now() - make_interval(days => coalesce((settings.csat ->> 'not_again_days')::integer, 7))
    )
  then
    return null;
  end if;

  insert into public.csat_responses (tenant_id, session_id, conversation_id, agent_id, resolved_by)
  values (new.tenant_id, new.session_id, new.id, coalesce(new.assigned_to, person), person)
  returning * into question;
  words := left((private.fill_text(
    coalesce(nullif(settings.csat ->> 'text', ''), private.default_text('csat', settings.locale)),
    contact, null, settings.tenant_name
  )).filled, 1024);
  question.message_id := private.queue_automatic(new, 'csat', 'interactive', words, jsonb_build_object('interactive',
    jsonb_build_object(
      'type', 'list', 'body', jsonb_build_object('text', words),
      'action', jsonb_build_object(
        'button', case settings.locale when 'id' then 'Beri nilai' else 'Rate us' end,
        'sections', jsonb_build_array(jsonb_build_object(
          'title', case settings.locale when 'id' then 'Nilai' else 'Rating' end,
          'rows', (
            select jsonb_agg(jsonb_build_object(
              'id', format('csat:%s:%s', question.id, s.score), 'title', repeat('⭐', s.score),
              'description', case settings.locale when 'id' then s.id else s.en end
            ) order by s.score desc)
            from (values
              (5, 'Sangat puas', 'Very satisfied'), (4, 'Puas', 'Satisfied'), (3, 'Cukup', 'Neutral'),
              (2, 'Tidak puas', 'Dissatisfied'), (1, 'Sangat tidak puas', 'Very dissatisfied')
            ) s (score, id, en)
          )
        ))
      )
    )
  ));
  update public.csat_responses r set message_id = question.message_id where r.id = question.id;
  return null;
end;
$$;
create trigger ask_satisfaction after update on public.conversations
  for each row when (new.status = 'resolved' and old.status is distinct from 'resolved')
  execute function private.ask_satisfaction();

-- Scores of customers, by the id that our question gave each of its rows. Ids of other conversations' questions are
-- somebody's invention.
create function private.follow_scores() returns trigger
language plpgsql security definer set search_path = '' as $$
begin
  update public.csat_responses r
  set score = a.score, answered_at = a.occurred_at
  from (
    select distinct on (m.question) m.* from (
      select
        split_part(n.payload #>> '{interactive,list_reply,id}', ':', 2)::uuid as question,
        split_part(n.payload #>> '{interactive,list_reply,id}', ':', 3)::smallint as score,
        n.conversation_id, n.occurred_at, n.created_at
      from changed n
      where n.direction = 'inbound' and n.type = 'interactive' and not n.metadata ? 'source'
        and n.payload #>> '{interactive,list_reply,id}'
          ~ '^csat:[0-9a-f]{8}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{12}:[1-5]$'
    ) m
    order by m.question, m.occurred_at desc, m.created_at desc
  ) a
  where r.id = a.question and r.conversation_id = a.conversation_id
    and a.occurred_at >= coalesce(r.answered_at, '-infinity');
  return null;
end;
$$;
create trigger follow_scores after insert on public.messages
  referencing new table as changed for each statement execute function private.follow_scores();

-- A score is no reason to open a conversation again, nor to read it. What came in this transaction is told by when it was
-- made; Meta tells whole seconds.
create function private.keep_resolved() returns trigger
language plpgsql security definer set search_path = '' as $$
declare
  asked constant timestamptz := (
    select r.created_at from public.csat_responses r
    where r.conversation_id = new.id and r.tenant_id = new.tenant_id
    order by r.created_at desc
    limit 1
  );
  scored boolean;
  addressed boolean;
begin
  if asked is null then
    return new;
  end if;
  select bool_or(private.answers_csat(m)), bool_or(private.asks_for_answer(m)) into scored, addressed
  from public.messages m
  where m.conversation_id = new.id and m.tenant_id = new.tenant_id and m.created_at >= now()
    and m.occurred_at >= asked - interval '1 minute';
  if scored and not addressed then
    new.status := old.status;
    new.unread_count := old.unread_count;
  end if;
  return new;
end;
$$;
create trigger keep_resolved before update on public.conversations
  for each row when (old.status = 'resolved' and new.status = 'open')
  execute function private.keep_resolved();

-- Settings as clients see them: what is not set is null for a number, and what holds for the tenant.
create function private.service_json(s public.service_settings, t public.tenants) returns jsonb
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
language plpgsql stable security definer set search_path = '' as $$
begin
  perform private.require('settings.view');
  return (
    select jsonb_build_object(
      'timezone', t.timezone,
      'open_now', private.is_open(t.business_hours, coalesce(d.holidays, '[]'), t.timezone, now()),
      'default', private.service_json(d, t),
      'numbers', coalesce((
        select jsonb_agg(private.service_json(n, t) order by n.created_at, n.id)
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

-- {"enabled", "text"?} and one number of days; other members are refused.
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
  if 'agent.name' = any (private.text_variables(coalesce(setting ->> 'text', ''))) then
    perform private.refuse_setting(field || '.text', 'No agent writes this message.');
  end if;
end;
$$;

-- Sets how numbers behave: of the tenant (`session_id` null), or where one number differs. What is null or left out in
-- `settings` (business_hours, holidays, greeting, away, csat) is as if it had never been set; only the hours of the tenant,
-- which are a setting of its own as well, stay.
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
    perform private.refuse_setting('holidays', 'Each holiday has a date (2026-12-25), and a name if you like.');
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
  -- a number that differs in nothing
  delete from public.service_settings s
  where s.tenant_id = tenant and s.session_id = save_automations.session_id
    and num_nonnulls(s.business_hours, s.holidays, s.greeting, s.away, s.csat) = 0;
  return public.get_automations();
end;
$$;

-- How satisfied customers were, of those asked from one moment to another: as a whole, by agent, by number and by day of
-- the tenant; with one page of the answers, the newest first. `after` is the `next_cursor` of the page before.
create function public.csat_report(
  asked_from timestamptz, asked_until timestamptz, session_filter uuid default null, agent_filter uuid default null,
  after uuid default null, page_size integer default 50
) returns jsonb
language plpgsql stable security definer set search_path = '' as $$
declare
  tenant constant uuid := private.tenant_id();
  cursor_at timestamptz := 'infinity';
  answer jsonb;
begin
  perform private.require('reports.view');
  if after is not null then
    select r.created_at into cursor_at from public.csat_responses r where r.id = after and r.tenant_id = tenant;
    if not found then
      raise sqlstate 'PT422' using message = 'There is no such answer.', detail = 'invalid_field', hint = 'after';
    end if;
  end if;
  with asked as materialized (
    select r.* from public.csat_responses r
    left join public.messages m on m.id = r.message_id
    where r.tenant_id = tenant and r.created_at >= asked_from and r.created_at < asked_until
      and (session_filter is null or r.session_id = session_filter)
      and (agent_filter is null or r.agent_id = agent_filter)
      and m.status is distinct from 'failed'
  ),
  page as (
    select a.*, row_number() over (order by a.created_at desc, a.id desc) as nth
    from asked a
    where a.score is not null and (after is null or (a.created_at, a.id) < (cursor_at, after))
    order by a.created_at desc, a.id desc
    limit csat_report.page_size + 1
  )
  select jsonb_build_object(
    'summary', (
      select jsonb_build_object(
        'asked', count(*), 'answered', count(a.score), 'average', round(avg(a.score), 2),
        'scores', (
          select jsonb_object_agg(n::text, (select count(*) from asked s where s.score = n)) from generate_series(1, 5) n
        )
      )
      from asked a
    ),
    'agents', coalesce((
      select jsonb_agg(jsonb_build_object(
        'agent_id', g.agent_id, 'name', p.display_name, 'asked', g.asked, 'answered', g.answered, 'average', g.average
      ) order by g.average desc nulls last, g.agent_id)
      from (
        select a.agent_id, count(*) as asked, count(a.score) as answered, round(avg(a.score), 2) as average
        from asked a group by 1
      ) g
      left join public.profiles p on p.user_id = g.agent_id and p.tenant_id = tenant
    ), '[]'),
    'numbers', coalesce((
      select jsonb_agg(jsonb_build_object(
        'session_id', g.session_id, 'asked', g.asked, 'answered', g.answered, 'average', g.average
      ) order by g.average desc nulls last, g.session_id)
      from (
        select a.session_id, count(*) as asked, count(a.score) as answered, round(avg(a.score), 2) as average
        from asked a group by 1
      ) g
    ), '[]'),
    'days', coalesce((
      select jsonb_agg(jsonb_build_object(
        'date', g.day, 'asked', g.asked, 'answered', g.answered, 'average', g.average
      ) order by g.day)
      from (
        select (a.created_at at time zone t.timezone)::date as day, count(*) as asked, count(a.score) as answered,
          round(avg(a.score), 2) as average
        from asked a join public.tenants t on t.id = tenant group by 1
      ) g
    ), '[]'),
    'next_cursor', (select p.id from page p where p.nth = csat_report.page_size and exists (
      select 1 from page o where o.nth > csat_report.page_size
    )),
    'rows', coalesce((
      select jsonb_agg(jsonb_build_object(
        'id', p.id, 'conversation_id', p.conversation_id, 'session_id', p.session_id, 'agent_id', p.agent_id,
        'resolved_by', p.resolved_by, 'score', p.score, 'asked_at', p.created_at, 'answered_at', p.answered_at
      ) order by p.nth)
      from page p where p.nth <= csat_report.page_size
    ), '[]')
  ) into answer;
  return answer;
end;
$$;

revoke execute on function private.is_open(jsonb, jsonb, text, timestamptz), private.default_text(text, text),
  private.service_of(uuid, uuid), private.answers_csat(public.messages),
  private.asks_for_answer(public.messages), private.answer_automatically(), private.ask_satisfaction(),
  private.follow_scores(), private.keep_resolved(), private.service_json(public.service_settings, public.tenants),
  private.refuse_setting(text, text), private.check_hours(jsonb),
  private.check_message_setting(uuid, text, jsonb, integer, text)
  from public;
revoke execute on function public.get_automations(), public.save_automations(jsonb, uuid),
  public.csat_report(timestamptz, timestamptz, uuid, uuid, uuid, integer) from public, anon;
grant execute on function public.get_automations(), public.save_automations(jsonb, uuid),
  public.csat_report(timestamptz, timestamptz, uuid, uuid, uuid, integer) to authenticated;
