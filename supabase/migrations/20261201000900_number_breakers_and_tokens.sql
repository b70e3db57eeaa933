-- The access tokens of numbers, and a circuit breaker for each number. All functions share the breaker, so that they
-- stop sending while Meta does not answer.
--
--   closed     sends go out
--   open       ten sends in a row brought no answer: no sends until `open_until`
--   half_open  that time is over: one caller at a time holds the trial and sends one message
--
-- A refusal by Meta is an answer. Only timeouts and unreachable servers count as failures. All times are the
-- database's.

-- Some functions below name objects that later statements create.
set check_function_bodies = off;

-- Access tokens of numbers. The API encrypts them with a key that the database does not have.
create table private.number_tokens (
  session_id uuid primary key references public.whatsapp_sessions (id) on delete cascade,
  sealed text not null,
  -- the key that encrypted the token; a rotation finds the remaining tokens by it
  key_id text not null,
  updated_at timestamptz not null default now()
);
create index number_tokens_key_idx on private.number_tokens (key_id, session_id);

create table private.number_breakers (
  session_id uuid primary key references public.whatsapp_sessions (id) on delete cascade,
  state text not null default 'closed' check (state in ('closed', 'open', 'half_open')),
  -- consecutive failures
  failures integer not null default 0,
  -- how often the breaker opened since it was last closed; each time it stays open twice as long
  opened integer not null default 0,
  open_until timestamptz,
  -- the holder of the trial must report before this time
  trial_until timestamptz,
  changed_at timestamptz not null default now()
);
create index number_breakers_troubled_idx on private.number_breakers (state) where state <> 'closed';

-- Whether a retry may succeed: the call lost against a concurrent one, or the database has a temporary problem. Duplicate
-- and missing rows may also come from a concurrent call. They count as well, unless `patient` is set.
create function private.is_transient(state text, patient boolean) returns boolean
language sql immutable set search_path = '' as $$
  select left(state, 2) in ('08', '25', '40', '42', '53', '55', '57', '58', 'XX', 'F0')
    or (not patient and state in ('23503', '23505', 'P0002'));
$$;

-- One page of the tokens that are encrypted with another key than `current_key`.
create function public.list_number_tokens(current_key text, after uuid, page_size integer) returns jsonb
language sql stable set search_path = '' as $$
  select coalesce(jsonb_agg(jsonb_build_object('session_id', p.session_id, 'sealed', p.sealed, 'key_id', p.key_id)), '[]')
  from (
    select t.* from private.number_tokens t
    where t.key_id <> current_key and (after is null or t.session_id > after)
    order by t.session_id
    limit page_size
  ) p;
$$;

-- Replaces a token by the same token encrypted with a new key. Returns false if the stored token has changed since it
-- was read.
create function public.reseal_number_token(session_id uuid, was text, sealed text, key_id text) returns boolean
language plpgsql set search_path = '' as $$
begin
  update private.number_tokens t
  set sealed = reseal_number_token.sealed, key_id = reseal_number_token.key_id, updated_at = now()
  where t.session_id = reseal_number_token.session_id and t.sealed = was;
  return found;
end;
$$;

-- Whether the breaker of a number currently stops all sends.
create function private.breaker_holds(session uuid) returns boolean
language sql stable set search_path = '' as $$
  select exists (
    select 1 from private.number_breakers b
    where b.session_id = session
      and ((b.state = 'open' and b.open_until > now()) or (b.state = 'half_open' and b.trial_until > now()))
  );
$$;

create function private.breaker_json(session uuid) returns jsonb
language sql stable set search_path = '' as $$
  select coalesce((
    select jsonb_build_object(
      'state', case when b.state = 'open' and b.open_until <= now() then 'half_open' else b.state end,
      'failures', b.failures, 'open_until', b.open_until, 'changed_at', b.changed_at
    )
    from private.number_breakers b where b.session_id = session
  ), jsonb_build_object('state', 'closed', 'failures', 0, 'open_until', null, 'changed_at', null));
$$;

-- The credentials for sending: {"sealed", "key_id"} of the number's own token, or nulls, and whether the breaker allows
-- a send. If the breaker has been open long enough, a caller that is about to send takes the trial.
create function public.number_access(session_id uuid, sending boolean default true) returns jsonb
language plpgsql set search_path = '' as $$
declare
  breaker private.number_breakers;
  trial boolean := false;
  held boolean := false;
begin
  select b.* into breaker from private.number_breakers b where b.session_id = number_access.session_id;
  if sending and breaker.state <> 'closed' then
    update private.number_breakers b
    set state = 'half_open', trial_until = now() + interval '30 seconds', changed_at = now()
    where b.session_id = number_access.session_id and b.state <> 'closed'
      and b.open_until <= now() and coalesce(b.trial_until, '-infinity') <= now();
    trial := found;
    held := not trial and private.breaker_holds(number_access.session_id);
  end if;
  return jsonb_build_object(
    'token', (
      select jsonb_build_object('sealed', t.sealed, 'key_id', t.key_id)
      from private.number_tokens t where t.session_id = number_access.session_id
    ),
    'own_token', exists (
      select 1 from public.whatsapp_sessions s where s.id = number_access.session_id and s.access_source = 'own'
    ),
    'held', held,
    'trial', trial,
    'failures', coalesce(breaker.failures, 0)
  );
end;
$$;

-- Records the outcome of sends: how many brought no answer, and whether any was answered. Returns the new state.
create function public.record_sends(session_id uuid, failed integer, answered boolean) returns text
language plpgsql set search_path = '' as $$
declare
  before text;
  breaker private.number_breakers;
begin
  if answered and failed = 0 and not exists (
    select 1 from private.number_breakers b where b.session_id = record_sends.session_id and b.failures > 0
  ) then
    return 'closed';
  end if;
  insert into private.number_breakers (session_id) values (record_sends.session_id)
  on conflict on constraint number_breakers_pkey do nothing;
  select b.* into breaker from private.number_breakers b where b.session_id = record_sends.session_id for update;
  before := breaker.state;

  if answered then
    breaker.state := 'closed';
    breaker.failures := 0;
    breaker.opened := 0;
    breaker.open_until := null;
    breaker.trial_until := null;
  else
    breaker.failures := breaker.failures + failed;
    -- Sends that were already under way when the breaker opened do not count.
    if breaker.state = 'half_open' or (breaker.state = 'closed' and breaker.failures >= 10) then
      breaker.state := 'open';
      breaker.open_until := now() + least(interval '30 seconds' * 2 ^ breaker.opened, interval '5 minutes');
      breaker.opened := least(breaker.opened + 1, 10);
      breaker.trial_until := null;
    end if;
  end if;

  update private.number_breakers b
  set
    state = breaker.state, failures = breaker.failures, opened = breaker.opened, open_until = breaker.open_until,
    trial_until = breaker.trial_until,
    changed_at = case when breaker.state <> before then now() else b.changed_at end
  where b.session_id = record_sends.session_id;

  if breaker.state <> before then
    perform realtime.send(
      private.number_json(s) || jsonb_build_object('breaker', private.breaker_json(s.id)),
      'number.updated', format('tenant:%s:numbers:%s', s.tenant_id, private.live_epoch(s.tenant_id)), true
    )
    from public.whatsapp_sessions s where s.id = record_sends.session_id;
  end if;
  return breaker.state;
end;
$$;

-- How many breakers are open or half-open, and for how long, without naming their numbers.
create function public.breaker_health() returns jsonb
language sql stable set search_path = '' as $$
  select jsonb_build_object(
    'open', count(*) filter (where b.state = 'open' and b.open_until > now()),
    'half_open', count(*) filter (where b.state = 'half_open' or (b.state = 'open' and b.open_until <= now())),
    'open_longest_seconds', floor(extract(epoch from now() - min(b.changed_at)))
  )
  from private.number_breakers b
  where b.state <> 'closed';
$$;

-- Delivery figures of a number: counts, rates, and seconds between states. A message with an id from Meta was accepted,
-- even if Meta could not deliver it later. The delivery rate refers to accepted messages.
create function private.delivery_since(session uuid, since timestamptz) returns jsonb
language sql stable set search_path = '' as $$
  with sent as (
    select
      m.status, m.whatsapp_message_id is not null as accepted, m.delivered_at is not null as delivered,
      m.read_at is not null as read,
      -- Meta reports whole seconds, our times are finer
      extract(epoch from greatest(m.delivered_at - m.sent_at, case when m.delivered_at is not null then interval '0' end))
        as to_delivered,
      extract(epoch from greatest(
        m.read_at - coalesce(m.delivered_at, m.sent_at), case when m.read_at is not null then interval '0' end
      )) as to_read
    from public.messages m
    where m.session_id = session and m.direction = 'outbound' and m.created_at >= since
  ),
  figures as (
    select
      count(*) as total,
      count(*) filter (where accepted) as accepted,
      count(*) filter (where delivered or read) as delivered,
      count(*) filter (where read) as read,
      count(*) filter (where status = 'failed') as failed,
      count(*) filter (where status = 'unknown') as unknown,
      percentile_cont(array[0.5, 0.95]) within group (order by to_delivered) as to_delivered,
      percentile_cont(array[0.5, 0.95]) within group (order by to_read) as to_read
    from sent
  )
  select jsonb_build_object(
    'messages', total, 'accepted', accepted, 'delivered', delivered, 'read', read, 'failed', failed, 'unknown', unknown,
    'delivery_rate', round(delivered::numeric / nullif(accepted, 0), 4),
    'read_rate', round(read::numeric / nullif(delivered, 0), 4),
    'seconds_to_delivered', jsonb_build_object(
      'median', round(to_delivered[1]::numeric, 1), 'p95', round(to_delivered[2]::numeric, 1)
    ),
    'seconds_to_read', jsonb_build_object(
      'median', round(to_read[1]::numeric, 1), 'p95', round(to_read[2]::numeric, 1)
    )
  )
  from figures;
$$;

-- The breaker and the delivery figures of one of the caller's numbers.
-- Security definer: the figures count every message of the number, also those of colleagues.
create function public.number_delivery(session_id uuid) returns jsonb
language sql stable security definer set search_path = '' as $$
  select jsonb_build_object(
    'breaker', private.breaker_json(s.id),
    'day', private.delivery_since(s.id, now() - interval '24 hours'),
    'week', private.delivery_since(s.id, now() - interval '7 days')
  )
  from public.whatsapp_sessions s
  where s.id = number_delivery.session_id and s.tenant_id = private.tenant_id()
    and private.has_permission('numbers.view');
$$;

-- The encrypted token for a number's account. The breaker does not apply, because it concerns messages only.
create function public.number_token(session_id uuid) returns jsonb
language sql stable set search_path = '' as $$
  select jsonb_build_object(
    'token', (
      select jsonb_build_object('sealed', t.sealed, 'key_id', t.key_id)
      from private.number_tokens t where t.session_id = s.id
    ),
    'own_token', s.access_source = 'own'
  )
  from public.whatsapp_sessions s
  where s.id = number_token.session_id;
$$;

create function public.break_number(session_id uuid, reason text, code text default null) returns void
language sql set search_path = '' as $$
  update public.whatsapp_sessions s
  set
    status = 'broken', status_reason = reason, status_code = break_number.code,
    access_status = case when break_number.code = 'token_invalid' then 'invalid' else s.access_status end
  where s.id = break_number.session_id and s.status = 'connected';
$$;

alter table private.number_tokens enable row level security;
alter table private.number_breakers enable row level security;

create policy "no client access" on private.number_tokens to authenticated using (false);
create policy "no client access" on private.number_breakers to authenticated using (false);

grant execute on function public.number_delivery(uuid) to authenticated;
