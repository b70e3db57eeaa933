-- What keeps a campaign from going on though its time has come: quiet hours, Meta's limit of customers in 24 hours, and a
-- tenant that has switched broadcasts off or stopped its scheduler. Rows stay, and go on when it is over.
-- And who is left out: customers who have opted out of marketing.

-- How many more customers may be written to in this run; null: as many as there are.
alter table private.sender_leases add column allowance integer;
create index messages_templates_sent_idx on public.messages (session_id, sent_at)
  where direction = 'outbound' and type = 'template' and sent_at is not null;

-- Meta's limit in words (`TIER_2K`, `TIER_UNLIMITED`) or digits; null: none that we know.
create function private.messaging_limit(words text) returns integer
language sql immutable set search_path = '' as $$
  select case
    when words ~ '^[0-9]{1,9}$' then words::integer
    when words ~ '^TIER_[0-9]{1,6}$' then substr(words, 6)::integer
    when words ~ '^TIER_[0-9]{1,6}K$' then 1000 * rtrim(substr(words, 6), 'K')::integer
  end;
$$;

-- How many more customers Meta lets the number's account write to: its limit, less those who got a template in the last
-- 24 hours or are about to. Meta counts the business portfolio; the accounts of a tenant are what we know of it.
create function private.allowance(session uuid) returns integer
language plpgsql stable security definer set search_path = '' as $$
declare
  number public.whatsapp_sessions;
  most integer;
begin
  select s.* into number from public.whatsapp_sessions s where s.id = session;
  most := private.messaging_limit(number.messaging_limit);
  if most is null then
    return null;
  end if;
  return greatest(0, most - (
    select count(distinct v.contact_id)
    from (
      select m.conversation_id
      from public.whatsapp_sessions s
      join public.messages m on m.session_id = s.id and m.direction = 'outbound' and m.type = 'template'
        and m.sent_at > now() - interval '24 hours'
      where s.tenant_id = number.tenant_id and s.meta_business_account_id = number.meta_business_account_id
      union all
      select m.conversation_id
      from public.messages m
      join public.whatsapp_sessions s on s.id = m.session_id
      where m.status = 'sending' and m.type = 'template'
        and s.tenant_id = number.tenant_id and s.meta_business_account_id = number.meta_business_account_id
    ) w
    join public.conversations v on v.id = w.conversation_id
  ))::integer;
end;
$$;

-- Shares what the accounts of these numbers have left among them. What was given to other numbers that send at the
-- moment is theirs.
create function private.share_allowance(sessions uuid[]) returns void
language sql security definer set search_path = '' as $$
  update private.sender_leases l
  set allowance = case when a.remaining is not null
    then (greatest(0, a.remaining - a.given) + a.numbers - a.nth) / a.numbers end
  from (
    select
      s.id, private.allowance(s.id) as remaining, row_number() over account as nth,
      count(*) over (partition by s.tenant_id, s.meta_business_account_id) as numbers,
      (
        select coalesce(sum(greatest(0, o.allowance)), 0)
        from public.whatsapp_sessions n join private.sender_leases o on o.session_id = n.id
        where n.tenant_id = s.tenant_id and n.meta_business_account_id = s.meta_business_account_id
          and o.leased_until > now() and n.id <> all (sessions)
      ) as given
    from public.whatsapp_sessions s
    where s.id = any (sessions)
    window account as (partition by s.tenant_id, s.meta_business_account_id order by s.id)
  ) a
  where l.session_id = a.id;
$$;

-- Campaigns in their quiet hours wait for the end of them, and those whose wait is over go on. `session` null: of every
-- number, and of recipients who have quiet hours by their own clock, too: for many of them at once that is dear.
create function private.hold_campaigns(session uuid) returns void
language plpgsql security definer set search_path = '' as $$
begin
  update public.broadcast_campaigns c
  set held_until = null, status_reason = null
  where c.status = 'sending' and c.held_until <= now() and (session is null or c.session_id = session);

  update public.broadcast_campaigns c
  set held_until = private.quiet_until(c.quiet_hours, t.timezone, now()), status_reason = 'Quiet hours'
  from public.tenants t
  where t.id = c.tenant_id and c.status = 'sending' and c.held_until is null and c.quiet_hours is not null
    and not c.recipient_local and (session is null or c.session_id = session)
    and private.quiet_until(c.quiet_hours, t.timezone, now()) is not null;

  if session is null then
    update public.broadcast_recipients r
    set due_at = q.until
    from (
      select z.campaign_id, z.zone, private.quiet_until(z.quiet_hours, z.zone, now()) as until
      from (
        select distinct c.id as campaign_id, c.quiet_hours, coalesce(p.timezone, t.timezone) as zone
        from public.broadcast_campaigns c
        join public.tenants t on t.id = c.tenant_id
        join public.broadcast_recipients p on p.campaign_id = c.id and p.status = 'pending' and p.due_at <= now()
        where c.status = 'sending' and c.recipient_local and c.quiet_hours is not null
      ) z
    ) q
    join public.broadcast_campaigns k on k.id = q.campaign_id
    join public.tenants n on n.id = k.tenant_id
    where r.campaign_id = q.campaign_id and r.status = 'pending' and r.due_at <= now()
      and coalesce(r.timezone, n.timezone) = q.zone and q.until is not null;
  end if;
end;
$$;

-- Gives back of a claim whose quiet hours have begun since. Answers with the others.
create function private.put_off(claimed uuid[]) returns uuid[]
language plpgsql security definer set search_path = '' as $$
declare
  later uuid[];
begin
  with put_off as (
    update public.broadcast_recipients r
    set status = 'pending', due_at = q.until, claim_id = null, attempts = r.attempts - 1
    from (
      select p.id, private.quiet_until(c.quiet_hours, coalesce(p.timezone, t.timezone), now()) as until
      from public.broadcast_recipients p
      join public.broadcast_campaigns c on c.id = p.campaign_id and c.recipient_local and c.quiet_hours is not null
      join public.tenants t on t.id = c.tenant_id
      where p.id = any (claimed)
    ) q
    where r.id = q.id and q.until is not null
    returning r.id
  )
  select array_agg(id) into later from put_off;
  if later is null then
    return claimed;
  end if;
  return (select array_agg(c.id) from unnest(claimed) as c (id) where c.id <> all (later));
end;
$$;

-- The rest of a number's campaigns follows when the first of the last 24 hours' customers no longer counts; asked again
-- every quarter of an hour, for Meta may raise the limit.
create function private.hold_for_limit(session uuid) returns void
language plpgsql security definer set search_path = '' as $$
begin
  update public.broadcast_campaigns c
  set
    held_until = least(now() + interval '15 minutes', greatest(now() + interval '1 minute', (
      select min(m.sent_at) + interval '24 hours'
      from public.whatsapp_sessions s
      join public.whatsapp_sessions o on o.tenant_id = s.tenant_id and o.meta_business_account_id = s.meta_business_account_id
      join public.messages m on m.session_id = o.id and m.direction = 'outbound' and m.type = 'template'
        and m.sent_at > now() - interval '24 hours'
      where s.id = session
    ))),
    status_reason = 'Meta''s limit of customers in 24 hours is reached; the rest follows by itself'
  where c.session_id = session and c.status = 'sending' and c.held_until is null;
end;
$$;

-- Takes out of a claim who must not get it, for good: they are skipped, with the reason. Answers with the others.
create function private.leave_out(claimed uuid[], campaigns uuid[]) returns uuid[]
language plpgsql security definer set search_path = '' as $$
declare
  skipped uuid[];
begin
  select array_agg(r.id) into skipped
  from public.broadcast_recipients r
  join public.broadcast_campaigns c on c.id = r.campaign_id
  join public.broadcast_templates t on t.id = c.template_id and t.category = 'MARKETING'
  join public.contacts k on k.tenant_id = r.tenant_id and k.phone_key = private.phone_key(r.wa_id)
  where r.id = any (claimed) and k.marketing_opted_out_at is not null;
  if skipped is null then
    return claimed;
  end if;
  perform private.skip_recipients(skipped, 'opted_out');
  perform private.complete_campaigns(campaigns);
  return (select array_agg(c.id) from unnest(claimed) as c (id) where c.id <> all (skipped));
end;
$$;

create or replace function public.begin_sender_run(holder uuid, lease_seconds integer, max_sessions integer) returns jsonb
language plpgsql set search_path = '' as $$
declare
  leased uuid[];
  wanting integer;
begin
  -- One opening at a time: a lease given a moment ago must be seen by the next.
  perform pg_advisory_xact_lock(hashtextextended('begin_sender_run', 0));

  insert into private.cron_runs (name, started_at) values ('process-broadcasts', now())
  on conflict (name) do update set started_at = excluded.started_at, finished_at = null;

  update public.broadcast_campaigns c
  set status = 'sending', started_at = now()
  where c.status = 'scheduled' and c.scheduled_at <= now() and private.module_enabled(c.tenant_id, 'broadcast')
    and not exists (select 1 from public.tenants t where t.id = c.tenant_id and t.scheduler_stopped_at is not null);

  perform private.hold_campaigns(null);

  -- Statuses that slipped between a send and its record. Messages are locked first, as everywhere.
  leased := array(
    select distinct m.id
    from public.message_status_events e
    join public.messages m on m.session_id = e.session_id and m.whatsapp_message_id = e.whatsapp_message_id
    where e.message_id is null and e.received_at > now() - interval '1 hour'
  );
  if cardinality(leased) > 0 then
    perform 1 from public.messages m where m.id = any (leased) order by m.id for update;
    update public.message_status_events e
    set message_id = m.id
    from public.messages m
    where m.id = any (leased) and e.session_id = m.session_id
      and e.whatsapp_message_id = m.whatsapp_message_id and e.message_id is null;
    perform private.settle_messages(leased);
    perform private.settle_recipients(leased);
  end if;

  -- Replies whose function died between the call to Meta and its record.
  update public.messages m set status = 'unknown'
  where m.id = any (array(
    select o.id from public.messages o
    where o.status = 'sending' and o.created_at < now() - interval '2 minutes'
      and not exists (select 1 from public.broadcast_recipients r where r.message_id = o.id)
    -- what is locked is being recorded
    for update skip locked
  ));

  -- Campaigns of numbers nobody holds, with claims left behind: settled even if nothing is left to send.
  perform private.forsake_claims(array(
    select distinct c.session_id from public.broadcast_campaigns c
    where exists (select 1 from public.broadcast_recipients r where r.campaign_id = c.id and r.status = 'sending')
      and not exists (
        select 1 from private.sender_leases l where l.session_id = c.session_id and l.leased_until > now()
      )
  ));

  -- Campaigns whose last recipients were settled by a status, or recorded side by side.
  perform private.complete_campaigns(array(
    select c.id from public.broadcast_campaigns c where c.status = 'sending' order by c.id
  ));

  with work as (
    select s.id
    from public.whatsapp_sessions s
    where s.status = 'connected' and private.module_enabled(s.tenant_id, 'broadcast')
      and exists (
        select 1
        from public.broadcast_campaigns c
        where c.session_id = s.id and c.status = 'sending' and c.held_until is null
          and exists (
            select 1 from public.broadcast_recipients r
            where r.campaign_id = c.id and r.status = 'pending' and r.due_at <= now()
          )
      )
    order by s.id
  ),
  -- A number somebody holds may have everything claimed, and come back with more: or its holder has died.
  held as (
    select l.session_id as id
    from private.sender_leases l
    where l.leased_until > now()
      and exists (
        select 1 from public.broadcast_campaigns c where c.session_id = l.session_id and c.status = 'sending'
      )
  ),
  taken as (
    insert into private.sender_leases as l (session_id, holder, leased_until)
    select w.id, begin_sender_run.holder, now() + make_interval(secs => lease_seconds)
    from work w
    where not exists (
      select 1 from private.sender_leases o where o.session_id = w.id and o.leased_until > now()
    )
    limit max_sessions
    on conflict (session_id) do update
      set holder = excluded.holder, leased_until = excluded.leased_until
      where l.leased_until <= now()
    returning l.session_id
  )
  select array_agg(t.session_id), (select count(*) from (select id from work union select id from held) u)
  into leased, wanting from taken t;

  perform private.share_allowance(leased);

  return jsonb_build_object(
    'busy', wanting - coalesce(cardinality(leased), 0),
    'sessions', coalesce((
      select jsonb_agg(jsonb_build_object(
        'session_id', s.id, 'phone_number_id', s.meta_phone_number_id, 'messages_per_second', s.messages_per_second
      ))
      from public.whatsapp_sessions s
      where s.id = any (leased)
    ), '[]')
  );
end;
$$;

create or replace function public.claim_recipients(
  session_id uuid, holder uuid, batch_size integer, lease_seconds integer
) returns jsonb
language plpgsql set search_path = '' as $$
declare
  session constant uuid := claim_recipients.session_id;
  claim constant uuid := gen_random_uuid();
  active uuid[];
  claimed uuid[];
  allowance integer;
  wanted integer := batch_size;
begin
  update private.sender_leases l
  set leased_until = now() + make_interval(secs => lease_seconds)
  where l.session_id = session and l.holder = claim_recipients.holder and l.leased_until > now()
    and exists (
      select 1 from public.whatsapp_sessions s
      where s.id = session and s.status = 'connected' and private.module_enabled(s.tenant_id, 'broadcast')
    );
  if not found then
    return null;
  end if;

  perform private.hold_campaigns(session);
  select l.allowance into allowance from private.sender_leases l where l.session_id = session;
  if allowance <= 0 then
    -- Some were counted who had been written to before, or never got it.
    perform private.share_allowance(array[session]);
    select l.allowance into allowance from private.sender_leases l where l.session_id = session;
    -- otherwise what is left is in the hands of another number of the account
    if allowance <= 0 and private.allowance(session) = 0 then
      perform private.hold_for_limit(session);
    end if;
  end if;

  active := array(
    select c.id from public.broadcast_campaigns c
    where c.session_id = session and c.status = 'sending' and c.held_until is null
      and exists (
        select 1 from public.broadcast_recipients r
        where r.campaign_id = c.id and r.status = 'pending' and r.due_at <= now()
      )
    -- who goes short in this batch is a matter of chance
    order by random()
    limit batch_size
  );

  wanted := greatest(0, least(batch_size, allowance));
  if cardinality(active) > 0 and wanted > 0 then
    with mine as (
      update public.broadcast_recipients r
      set status = 'sending', attempts = r.attempts + 1, claim_id = claim
      where r.id = any (array(
        select q.id
        from unnest(active) with ordinality as a (campaign_id, turn)
        cross join lateral (
          select n.id, row_number() over (order by n.due_at, n.position) as nth
          from (
            select p.id, p.due_at, p.position
            from public.broadcast_recipients p
            where p.campaign_id = a.campaign_id and p.status = 'pending' and p.due_at <= now()
            order by p.due_at, p.position
            limit ceil(wanted::numeric / cardinality(active))::integer
            for update skip locked
          ) n
        ) q
        order by q.nth, a.turn
        limit wanted
      ))
      returning r.id
    )
    select array_agg(id) into claimed from mine;
    claimed := private.leave_out(private.put_off(claimed), active);
  end if;

  if claimed is null then
    return jsonb_build_object('claim_id', claim, 'templates', '{}'::jsonb, 'recipients', '[]'::jsonb, 'next_due_ms', (
      -- null when nothing waits: `greatest` alone would make a zero of it
      select min(greatest(0, ceil(1000 * extract(epoch from d.due_at - clock_timestamp()))))
      from public.broadcast_campaigns c
      cross join lateral (
        select r.due_at from public.broadcast_recipients r
        where r.campaign_id = c.id and r.status = 'pending'
        order by r.due_at, r.position
        limit 1
      ) d
      where c.session_id = session and c.status = 'sending' and c.held_until is null and wanted > 0
    ));
  end if;

  update private.sender_leases l set allowance = l.allowance - cardinality(claimed) where l.session_id = session;
  perform private.prepare_messages(session, claimed);

  return jsonb_build_object(
    'claim_id', claim,
    'next_due_ms', null,
    'templates', (
      select jsonb_object_agg(t.id, jsonb_build_object(
        'name', t.name, 'language', t.language, 'components', t.components
      ))
      from public.broadcast_templates t
      where t.id in (select c.template_id from public.broadcast_campaigns c where c.id = any (active))
    ),
    'recipients', (
      select jsonb_agg(jsonb_build_object(
        'recipient_id', r.id, 'message_id', r.message_id, 'wa_id', r.wa_id, 'variables', r.variables,
        'attempts', r.attempts, 'template_id', c.template_id
      ) order by r.due_at, r.position)
      from public.broadcast_recipients r
      join public.broadcast_campaigns c on c.id = r.campaign_id
      where r.id = any (claimed)
    )
  );
end;
$$;

create or replace function public.worker_health() returns jsonb
language sql stable set search_path = '' as $$
  select jsonb_build_object(
    'last_run', (
      select jsonb_build_object(
        'started_at', r.started_at, 'finished_at', r.finished_at,
        'seconds_ago', floor(extract(epoch from now() - r.started_at))
      )
      from private.cron_runs r where r.name = 'process-broadcasts'
    ),
    'numbers_sending', (select count(*) from private.sender_leases l where l.leased_until > now()),
    'campaigns_sending', (select count(*) from public.broadcast_campaigns c where c.status = 'sending'),
    'recipients_waiting', (
      select count(*) from (
        select 1
        from public.broadcast_campaigns c
        join public.broadcast_recipients r on r.campaign_id = c.id and r.status = 'pending'
        where c.status = 'sending'
        limit 10000
      ) q
    ),
    'overdue_seconds', (
      -- nobody was due before the campaign was
      select floor(extract(epoch from now() - min(greatest(d.due_at, c.started_at))))
      from public.broadcast_campaigns c
      join public.whatsapp_sessions s on s.id = c.session_id and s.status = 'connected'
        and private.module_enabled(s.tenant_id, 'broadcast')
      cross join lateral (
        select r.due_at from public.broadcast_recipients r
        where r.campaign_id = c.id and r.status = 'pending' and r.due_at <= now()
        order by r.due_at, r.position
        limit 1
      ) d
      where c.status = 'sending' and c.held_until is null
        and not exists (
          select 1 from private.sender_leases l where l.session_id = s.id and l.leased_until > now()
        )
    )
  );
$$;

-- A campaign does not go on with a number whose quality has dropped: complaints would cost the number.
create function private.pause_for_quality() returns trigger
language plpgsql security definer set search_path = '' as $$
begin
  update public.broadcast_campaigns c
  set status = 'paused', status_reason = 'The quality of the number has dropped to low'
  where c.session_id = new.id and c.status = 'sending';
  return null;
end;
$$;
create trigger pause_for_quality after update on public.whatsapp_sessions
  for each row when (new.quality_rating = 'RED' and old.quality_rating is distinct from 'RED')
  execute function private.pause_for_quality();

revoke execute on all functions in schema private from public;
grant execute on function private.hold_campaigns(uuid), private.hold_for_limit(uuid), private.allowance(uuid),
  private.share_allowance(uuid[]), private.put_off(uuid[]), private.leave_out(uuid[], uuid[]) to service_role;
