-- The campaign sender's side of the queue: lease a number, claim a batch, record it, release.
--
-- One holder at a time sends for a number. Safety does not hang on the lease: a recipient is claimed once,
-- and whoever finds claims of a holder that is gone marks them `unknown`, never `pending`. The lease keeps
-- the pace.

create table private.sender_leases (
  session_id uuid primary key references public.whatsapp_sessions (id) on delete cascade,
  holder uuid not null,
  leased_until timestamptz not null
);
alter table private.sender_leases enable row level security;

create table private.cron_runs (
  name text primary key,
  started_at timestamptz not null,
  finished_at timestamptz,
  outcome jsonb
);
alter table private.cron_runs enable row level security;

grant all on private.sender_leases, private.cron_runs to service_role;

-- Announces the numbers of campaigns, each at most once a second (the trigger on `progress_announced_at` does
-- it). Answers with those it was too early for: ask again in a second.
create function public.announce_campaigns(campaigns uuid[]) returns uuid[]
language sql set search_path = '' as $$
  with free as (
    select c.id from public.broadcast_campaigns c
    where c.id = any (campaigns) and c.progress_announced_at <= clock_timestamp() - interval '1 second'
    order by c.id
    for update
  ),
  announced as (
    update public.broadcast_campaigns c set progress_announced_at = clock_timestamp()
    from free
    where c.id = free.id
    returning c.id
  )
  select coalesce(array_agg(c.id), '{}') from public.broadcast_campaigns c
  where c.id = any (campaigns) and c.id not in (select id from announced);
$$;

-- Ends campaigns that have nobody left to send to.
create function private.complete_campaigns(campaigns uuid[]) returns void
language sql set search_path = '' as $$
  update public.broadcast_campaigns c
  set status = 'completed', completed_at = now()
  where c.id = any (campaigns) and c.status = 'sending'
    and not exists (
      select 1 from public.broadcast_recipients r where r.campaign_id = c.id and r.status = 'pending'
    )
    and not exists (
      select 1 from public.broadcast_recipients r where r.campaign_id = c.id and r.status = 'sending'
    );
$$;

-- What was claimed by a holder that is gone: nobody knows whether Meta got it.
create function private.forsake_claims(sessions uuid[]) returns void
language plpgsql set search_path = '' as $$
declare
  campaigns uuid[];
  orphans uuid[];
begin
  select array_agg(c.id) into campaigns from public.broadcast_campaigns c
  where c.session_id = any (sessions)
    and exists (select 1 from public.broadcast_recipients r where r.campaign_id = c.id and r.status = 'sending');
  if campaigns is null then
    return;
  end if;

  select array_agg(r.message_id order by r.message_id) into orphans
  from public.broadcast_recipients r
  where r.campaign_id = any (campaigns) and r.status = 'sending';

  perform 1 from public.messages m where m.id = any (orphans) order by m.id for update;
  update public.messages m set status = 'unknown'
  where m.id = any (orphans) and m.status in ('queued', 'sending');
  perform private.settle_recipients(orphans);
  perform private.complete_campaigns(campaigns);
end;
$$;

-- Opens a run of the sender: starts campaigns that are due, tidies up what died half-way, and leases the
-- numbers that have work and no holder. Answers {"sessions": [...], "busy": n}: how many others have work, or a
-- holder at work.
create function public.begin_sender_run(holder uuid, lease_seconds integer, max_sessions integer) returns jsonb
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
  where c.status = 'scheduled' and c.scheduled_at <= now();

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
    where s.status = 'connected'
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

-- The body of a template with its variables filled in: what the thread shows. A list of variables begins with
-- the header's, if it takes one.
create function private.render_template(components jsonb, variables jsonb) returns text
language plpgsql immutable set search_path = '' as $$
declare
  header jsonb;
  body text;
  before_body integer;
  named jsonb := variables;
begin
  select c into header from jsonb_array_elements(components) as c where upper(c ->> 'type') = 'HEADER';
  select c ->> 'text' into body from jsonb_array_elements(components) as c where upper(c ->> 'type') = 'BODY';
  if jsonb_typeof(variables) = 'array' then
    before_body := case
      when header is null then 0
      when upper(coalesce(header ->> 'format', 'TEXT')) <> 'TEXT' or header ->> 'text' like '%{{%' then 1
      else 0
    end;
    select coalesce(jsonb_object_agg(v.nth - before_body, v.value), '{}') into named
    from jsonb_array_elements(variables) with ordinality as v (value, nth)
    where v.nth > before_body;
  end if;

  -- In one pass: a value may look like a placeholder itself.
  return (
    select string_agg(m.part[1] || coalesce(named ->> btrim(m.part[2], '{}'), m.part[2]), '' order by m.nth)
    from regexp_matches(body, '(.*?)(\{\{\w+\}\}|$)', 'g') with ordinality as m (part, nth)
  );
end;
$$;

-- Hands out the next recipients of a number and renews its lease. Each gets its contact, conversation and
-- message row first. Campaigns of one number take equal shares. Answers with null when the lease is lost,
-- otherwise with {"claim_id", "templates", "recipients", "next_due_ms"}: when nothing is due, how long until something
-- is (null: nothing is left).
create function public.claim_recipients(
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
    and exists (select 1 from public.whatsapp_sessions s where s.id = session and s.status = 'connected');
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

-- Gives claimed recipients their contact, conversation and message, unless an earlier attempt did.
create function private.prepare_messages(session uuid, claimed uuid[]) returns void
language plpgsql set search_path = '' as $$
begin
  insert into public.contacts (tenant_id, wa_id, name)
  select r.tenant_id, r.wa_id, min(r.name)
  from public.broadcast_recipients r
  where r.id = any (claimed) and r.message_id is null
  group by r.tenant_id, r.wa_id
  order by r.tenant_id, r.wa_id
  on conflict (tenant_id, wa_id) do nothing;

  -- A campaign does not fill the inbox: its conversations open when the customer answers.
  insert into public.conversations (tenant_id, session_id, contact_id, status)
  select distinct r.tenant_id, session, c.id, 'resolved'
  from public.broadcast_recipients r
  join public.contacts c on c.tenant_id = r.tenant_id and c.wa_id = r.wa_id
  where r.id = any (claimed) and r.message_id is null
  order by 2, 3
  on conflict (session_id, contact_id) do nothing;

  with fresh as (
    insert into public.messages (
      tenant_id, session_id, conversation_id, direction, type, status, content, payload, metadata, sent_by
    )
    select
      r.tenant_id, session, v.id, 'outbound', 'template', 'sending',
      private.render_template(t.components, r.variables),
      jsonb_build_object('template', jsonb_build_object(
        'name', t.name, 'language', t.language, 'variables', r.variables
      )),
      jsonb_build_object('broadcast_campaign_id', r.campaign_id, 'broadcast_recipient_id', r.id),
      k.sender_id
    from public.broadcast_recipients r
    join public.broadcast_campaigns k on k.id = r.campaign_id
    join public.broadcast_templates t on t.id = k.template_id
    join public.contacts c on c.tenant_id = r.tenant_id and c.wa_id = r.wa_id
    join public.conversations v on v.session_id = session and v.contact_id = c.id
    where r.id = any (claimed) and r.message_id is null
    returning id, (metadata ->> 'broadcast_recipient_id')::uuid as recipient_id
  )
  update public.broadcast_recipients r set message_id = f.id from fresh f where r.id = f.recipient_id;

  update public.messages m set status = 'sending'
  from public.broadcast_recipients r
  where r.id = any (claimed) and m.id = r.message_id and m.status = 'queued';
end;
$$;

-- Records what became of claimed recipients, renews the lease if it still holds, and ends campaigns that are
-- through. Recording never depends on the lease: what happened, happened. `results` is a list of
-- {"recipient_id", "message_id", "claim_id", "outcome", "whatsapp_message_id"?, "error_code"?, "error_title"?,
-- "error_details"?, "retry_in_ms"?, "pause_campaign"?}; outcomes as in `record_outcomes`. Answers with the
-- campaigns whose numbers changed.
create function public.record_recipients(
  session_id uuid, holder uuid, lease_seconds integer, results jsonb
) returns uuid[]
language plpgsql set search_path = '' as $$
declare
  touched uuid[];
  campaigns uuid[];
begin
  update private.sender_leases l
  set leased_until = now() + make_interval(secs => lease_seconds)
  where l.session_id = record_recipients.session_id and l.holder = record_recipients.holder
    and l.leased_until > now();

  -- A report that arrives twice must not give back what has been handed out again since.
  results := (
    select coalesce(jsonb_agg(r.value), '[]')
    from jsonb_array_elements(results) as r
    where r.value ->> 'outcome' not in ('retry', 'held') or exists (
      select 1 from public.broadcast_recipients b
      where b.id = (r.value ->> 'recipient_id')::uuid and b.claim_id = (r.value ->> 'claim_id')::uuid
    )
  );
  perform private.record_outcomes(results);

  select array_agg(r.message_id), array_agg(distinct b.campaign_id) into touched, campaigns
  from jsonb_to_recordset(results) as r (recipient_id uuid, message_id uuid)
  join public.broadcast_recipients b on b.id = r.recipient_id;
  perform private.settle_recipients(touched);

  update public.broadcast_recipients b
  set
    status = 'pending',
    claim_id = null,
    attempts = case when r.outcome = 'held' then b.attempts - 1 else b.attempts end,
    due_at = now() + make_interval(secs => coalesce(r.retry_in_ms, 0) / 1000.0),
    error_code = r.error_code,
    error_title = r.error_title,
    error_details = r.error_details
  from jsonb_to_recordset(results) as r (
    recipient_id uuid, message_id uuid, claim_id uuid, outcome text, error_code integer, error_title text,
    error_details text, retry_in_ms double precision
  )
  join public.messages m on m.id = r.message_id
  where b.id = r.recipient_id and r.outcome in ('retry', 'held') and m.status = 'queued'
    and b.claim_id = r.claim_id and b.status in ('sending', 'unknown');

  -- Its last recipients had been taken for lost.
  update public.broadcast_campaigns c
  set status = 'sending', completed_at = null
  where c.id = any (campaigns) and c.status = 'completed'
    and exists (select 1 from public.broadcast_recipients r where r.campaign_id = c.id and r.status = 'pending');

  update public.broadcast_campaigns c
  set status = 'paused', status_reason = p.reason
  from (
    select b.campaign_id, min(r.error_title) as reason
    from jsonb_to_recordset(results) as r (recipient_id uuid, pause_campaign boolean, error_title text)
    join public.broadcast_recipients b on b.id = r.recipient_id
    where r.pause_campaign
    group by b.campaign_id
  ) p
  where c.id = p.campaign_id and c.status = 'sending';

  perform private.complete_campaigns(campaigns);
  return coalesce(campaigns, '{}');
end;
$$;

-- Gives a number back, so that the next run need not wait for the lease to end.
create function public.release_sender(session_id uuid, holder uuid) returns void
language sql set search_path = '' as $$
  delete from private.sender_leases l
  where l.session_id = release_sender.session_id and l.holder = release_sender.holder;
$$;

create function public.finish_sender_run(outcome jsonb) returns void
language sql set search_path = '' as $$
  update private.cron_runs
  set finished_at = now(), outcome = finish_sender_run.outcome
  where name = 'process-broadcasts';
$$;

-- How the background work is doing, without a word about whose it is. Queues are counted up to 10,000.
create function public.worker_health() returns jsonb
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

revoke execute on all functions in schema private from public;
revoke execute on function
  public.begin_sender_run(uuid, integer, integer),
  public.claim_recipients(uuid, uuid, integer, integer),
  public.record_recipients(uuid, uuid, integer, jsonb),
  public.release_sender(uuid, uuid),
  public.finish_sender_run(jsonb),
  public.announce_campaigns(uuid[]),
  public.worker_health()
  from public, anon, authenticated;
grant execute on function
  public.begin_sender_run(uuid, integer, integer),
  public.claim_recipients(uuid, uuid, integer, integer),
  public.record_recipients(uuid, uuid, integer, jsonb),
  public.release_sender(uuid, uuid),
  public.finish_sender_run(jsonb),
  public.announce_campaigns(uuid[]),
  public.worker_health()
  to service_role;
