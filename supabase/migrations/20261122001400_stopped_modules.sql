-- Campaigns of a tenant that has switched broadcasts off stand still: none starts, none is sent. Their rows stay, and go on
-- when the module is switched on again.

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
  where c.status = 'scheduled' and c.scheduled_at <= now() and private.module_enabled(c.tenant_id, 'broadcast');

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
        where c.session_id = s.id and c.status = 'sending'
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

  active := array(
    select c.id from public.broadcast_campaigns c
    where c.session_id = session and c.status = 'sending'
      and exists (
        select 1 from public.broadcast_recipients r
        where r.campaign_id = c.id and r.status = 'pending' and r.due_at <= now()
      )
    -- who goes short in this batch is a matter of chance
    order by random()
    limit batch_size
  );

  if cardinality(active) > 0 then
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
            limit ceil(batch_size::numeric / cardinality(active))::integer
            for update skip locked
          ) n
        ) q
        order by q.nth, a.turn
        limit batch_size
      ))
      returning r.id
    )
    select array_agg(id) into claimed from mine;
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
      where c.session_id = session and c.status = 'sending'
    ));
  end if;

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

-- What stands still on purpose is not overdue.
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
      select floor(extract(epoch from now() - min(d.due_at)))
      from public.broadcast_campaigns c
      join public.whatsapp_sessions s on s.id = c.session_id and s.status = 'connected'
        and private.module_enabled(s.tenant_id, 'broadcast')
      cross join lateral (
        select r.due_at from public.broadcast_recipients r
        where r.campaign_id = c.id and r.status = 'pending' and r.due_at <= now()
        order by r.due_at, r.position
        limit 1
      ) d
      where c.status = 'sending'
        and not exists (
          select 1 from private.sender_leases l where l.session_id = s.id and l.leased_until > now()
        )
    )
  );
$$;
