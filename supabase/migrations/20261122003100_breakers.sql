-- A circuit breaker for each number, shared by every function: while Meta does not answer, nothing is thrown at it.
--
--   closed     all is well, or nothing failed yet
--   open       ten sends in a row brought no answer: nobody sends until `open_until`
--   half_open  that time is over: one send at a time tries it out, by whoever took the trial
--
-- Refusals are answers: only lost answers and unreachable servers count. The clock is the database's.

create table private.number_breakers (
  session_id uuid primary key references public.whatsapp_sessions (id) on delete cascade,
  state text not null default 'closed' check (state in ('closed', 'open', 'half_open')),
  -- in a row
  failures integer not null default 0,
  -- how often it opened since it was last closed: each time it stays open twice as long
  opened integer not null default 0,
  open_until timestamptz,
  -- who tries it out must have told by then
  trial_until timestamptz,
  changed_at timestamptz not null default now()
);
alter table private.number_breakers enable row level security;
revoke all on private.number_breakers from public, anon, authenticated;
grant all on private.number_breakers to service_role;
create index number_breakers_troubled_idx on private.number_breakers (state) where state <> 'closed';

-- Whether nobody may send for the number at the moment.
create function private.breaker_holds(session uuid) returns boolean
language sql stable security definer set search_path = '' as $$
  select exists (
    select 1 from private.number_breakers b
    where b.session_id = session
      and ((b.state = 'open' and b.open_until > now()) or (b.state = 'half_open' and b.trial_until > now()))
  );
$$;

create function private.breaker_json(session uuid) returns jsonb
language sql stable security definer set search_path = '' as $$
  select coalesce((
    select jsonb_build_object(
      'state', case when b.state = 'open' and b.open_until <= now() then 'half_open' else b.state end,
      'failures', b.failures, 'open_until', b.open_until, 'changed_at', b.changed_at
    )
    from private.number_breakers b where b.session_id = session
  ), jsonb_build_object('state', 'closed', 'failures', 0, 'open_until', null, 'changed_at', null));
$$;

-- What it takes to send for a number: {"sealed", "key_id"} of its own token or nulls, and whether the breaker lets
-- through. Where it has been open long enough, the asker who is about to send takes the trial.
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
      from private.session_tokens t where t.session_id = number_access.session_id
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

-- Tells how sends ended: how many brought no answer, and whether any did. Answers with the state that follows.
create function public.note_sends(session_id uuid, failed integer, answered boolean) returns text
language plpgsql set search_path = '' as $$
declare
  before text;
  breaker private.number_breakers;
begin
  if answered and failed = 0 and not exists (
    select 1 from private.number_breakers b where b.session_id = note_sends.session_id and b.failures > 0
  ) then
    return 'closed';
  end if;
  insert into private.number_breakers (session_id) values (note_sends.session_id)
  on conflict on constraint number_breakers_pkey do nothing;
  select b.* into breaker from private.number_breakers b where b.session_id = note_sends.session_id for update;
  before := breaker.state;

  if answered then
    breaker.state := 'closed';
    breaker.failures := 0;
    breaker.opened := 0;
    breaker.open_until := null;
    breaker.trial_until := null;
  else
    breaker.failures := breaker.failures + failed;
    -- What was on its way while it opened says nothing new.
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
  where b.session_id = note_sends.session_id;

  if breaker.state <> before then
    perform realtime.send(
      private.number_json(s) || jsonb_build_object('breaker', private.breaker_json(s.id)),
      'number.updated', 'tenant:' || s.tenant_id, true
    )
    from public.whatsapp_sessions s where s.id = note_sends.session_id;
  end if;
  return breaker.state;
end;
$$;

-- How many numbers rest, without a word about whose they are.
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

-- How messages of a number fared in the last day and week: counts, shares, and seconds from one state to the next.
create index messages_outbound_idx on public.messages (session_id, created_at) where direction = 'outbound';

create function private.delivery_since(session uuid, since timestamptz) returns jsonb
language sql stable set search_path = '' as $$
  with sent as (
    select
      m.status, m.delivered_at is not null as delivered, m.read_at is not null as read,
      -- Meta tells whole seconds, we do not
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
      count(*) filter (where status in ('sent', 'delivered', 'read', 'played')) as accepted,
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

-- Breaker and delivery figures of one of the caller's numbers.
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

revoke execute on function private.breaker_holds(uuid), private.breaker_json(uuid),
  private.delivery_since(uuid, timestamptz) from public, authenticated;
grant execute on function private.breaker_holds(uuid), private.breaker_json(uuid),
  private.delivery_since(uuid, timestamptz) to service_role;
revoke execute on function public.number_delivery(uuid) from public, anon;
grant execute on function public.number_delivery(uuid) to authenticated;
revoke execute on function public.number_access(uuid, boolean), public.note_sends(uuid, integer, boolean),
  public.breaker_health() from public, anon, authenticated;
grant execute on function public.number_access(uuid, boolean), public.note_sends(uuid, integer, boolean),
  public.breaker_health() to service_role;
