-- The campaign sender's access to the queue: lease a number, claim a batch, record it, release the number.
--
-- One holder at a time sends for a number. The lease only keeps the pace; correctness does not depend on it. A
-- recipient is claimed once, and claims of a holder that died become `unknown`, never `pending`.
--
-- A due campaign waits during quiet hours, at Meta's limit of customers in 24 hours, and while the tenant has switched
-- broadcasts off or stopped its scheduler. Its recipients stay queued and continue afterwards. Customers who have opted
-- out of marketing are skipped.

create table private.sender_leases (
  session_id uuid primary key references public.whatsapp_sessions (id) on delete cascade,
  holder uuid not null,
  leased_until timestamptz not null,
  -- How many more customers this run may write to; null: no limit.
  allowance integer
);

create table private.cron_runs (
  name text primary key,
  started_at timestamptz not null,
  finished_at timestamptz,
  outcome jsonb
);

-- Completes campaigns without recipients left to send to.
create function private.complete_campaigns(campaigns uuid[]) returns void
language sql set search_path = '' as $$
  update public.broadcast_campaigns c
  set status = 'completed', status_reason = null, completed_at = now()
  where c.id = any (campaigns) and c.status = 'sending'
    and not exists (
      select 1 from public.broadcast_recipients r where r.campaign_id = c.id and r.status = 'pending'
    )
    and not exists (
      select 1 from public.broadcast_recipients r where r.campaign_id = c.id and r.status = 'sending'
    );
  select private.judge_ended_campaigns(campaigns);
$$;

-- Counts a dead sender for campaigns it had claims of, and pauses those that killed too many. A person resumes them.
create function private.count_dead_runs(campaigns uuid[]) returns void
language plpgsql set search_path = '' as $$
declare
  campaign record;
begin
  update public.broadcast_campaigns c set dead_runs = c.dead_runs + 1, probed_at = null where c.id = any (campaigns);
  for campaign in
    update public.broadcast_campaigns c
    set
      status = 'paused',
      status_reason = case t.locale
        when 'id' then 'Pengiriman terputus dua kali. Periksa kampanye ini, lalu lanjutkan.'
        else 'Sending was interrupted twice. Check the campaign, then resume it.'
      end
    from public.tenants t
    where c.id = any (campaigns) and c.status = 'sending' and c.dead_runs >= private.most_tries() and t.id = c.tenant_id
      -- the last claims may have settled all recipients
      and exists (select 1 from public.broadcast_recipients r where r.campaign_id = c.id and r.status = 'pending')
    returning c.id, c.tenant_id
  loop
    perform private.note_set_aside('campaigns', campaign.id::text, campaign.tenant_id);
  end loop;
end;
$$;

-- Marks the claims of a dead holder as `unknown`, because Meta may have the messages.
create function private.expire_dead_claims(sessions uuid[]) returns void
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
  perform private.refresh_recipient_states(orphans);
  perform private.count_dead_runs(campaigns);
  perform private.complete_campaigns(campaigns);
end;
$$;

-- Starts the campaigns that are due.
create function private.start_due_campaigns() returns void
language sql set search_path = '' as $$
  update public.broadcast_campaigns c
  set status = 'sending', started_at = now()
  where c.status = 'scheduled' and c.scheduled_at <= now() and private.module_enabled(c.tenant_id, 'broadcast')
    and not exists (select 1 from public.tenants t where t.id = c.tenant_id and t.scheduler_stopped_at is not null);
$$;

-- Reconciles the remains of earlier runs: statuses without their message, replies without an outcome, claims of dead
-- holders, and campaigns without pending recipients.
create function private.reconcile_dead_runs() returns void
language plpgsql set search_path = '' as $$
declare
  messages uuid[];
begin
  -- Statuses that arrived between a send and its record. Messages are locked first, as everywhere.
  messages := array(
    select distinct m.id
    from public.message_status_events e
    join public.messages m on m.session_id = e.session_id and m.whatsapp_message_id = e.whatsapp_message_id
    where e.message_id is null and e.received_at > now() - interval '1 hour'
  );
  if cardinality(messages) > 0 then
    perform 1 from public.messages m where m.id = any (messages) order by m.id for update;
    update public.message_status_events e
    set message_id = m.id
    from public.messages m
    where m.id = any (messages) and e.session_id = m.session_id
      and e.whatsapp_message_id = m.whatsapp_message_id and e.message_id is null;
    perform private.refresh_message_states(messages);
    perform private.refresh_recipient_states(messages);
  end if;

  -- Replies whose function died between the request to Meta and its record.
  update public.messages m set status = 'unknown'
  where m.id = any (array(
    select o.id from public.messages o
    where o.status = 'sending' and o.created_at < now() - interval '2 minutes'
      and not exists (select 1 from public.broadcast_recipients r where r.message_id = o.id)
      -- automatic messages have a lease of their own
      and not exists (select 1 from private.automatic_messages a where a.message_id = o.id)
    -- a locked message is being recorded
    for update skip locked
  ));

  -- Claims left behind for numbers without a holder. They are settled even if nothing is left to send.
  perform private.expire_dead_claims(array(
    select distinct c.session_id from public.broadcast_campaigns c
    where exists (select 1 from public.broadcast_recipients r where r.campaign_id = c.id and r.status = 'sending')
      and not exists (
        select 1 from private.sender_leases l where l.session_id = c.session_id and l.leased_until > now()
      )
  ));

  -- Campaigns whose last recipients were settled by a status, or recorded concurrently.
  perform private.complete_campaigns(array(
    select c.id from public.broadcast_campaigns c where c.status = 'sending' order by c.id
  ));
end;
$$;

-- Leases the numbers that have work and no holder. Returns {"sessions": [...], "busy": n}, where n counts the other
-- numbers with work or an active holder. The caller prevents concurrent calls.
--
-- A sender that dies takes the claims of all its numbers with it. A number whose campaign may be the cause is leased alone
-- and marked `probe`: its sender makes one small claim. Once an outcome is recorded, the number is no longer suspect. A
-- probe without an outcome (for example at Meta's limit) is repeated after a minute, so that it keeps no other number
-- waiting. A number rests, and has no work, while its breaker is open.
create function private.lease_numbers(holder uuid, lease_seconds integer, max_sessions integer) returns jsonb
language plpgsql set search_path = '' as $$
declare
  leased uuid[];
  probes uuid[];
  waiting_count integer;
begin
  with work as (
    select
      s.id,
      d.suspect,
      d.probed_at
    from public.whatsapp_sessions s
    cross join lateral (
      select count(*) > 0 as suspect, max(c.probed_at) as probed_at from public.broadcast_campaigns c
      where c.session_id = s.id and c.status = 'sending' and c.dead_runs > 0
    ) d
    where s.status = 'connected' and private.module_enabled(s.tenant_id, 'broadcast')
      and not (d.suspect and coalesce(d.probed_at > now() - interval '1 minute', false))
      and not exists (
        select 1 from private.number_breakers b
        where b.session_id = s.id and b.state <> 'closed' and greatest(b.open_until, b.trial_until) > now()
      )
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
  free as (
    select w.* from work w
    where not exists (
      select 1 from private.sender_leases o where o.session_id = w.id and o.leased_until > now()
    )
  ),
  -- A held number may have all recipients claimed and return some of them, or its holder may have died.
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
    select w.id, lease_numbers.holder, now() + make_interval(secs => lease_seconds)
    from free w
    where case
      when exists (select 1 from free f where f.suspect) then
        w.id = (select f.id from free f where f.suspect order by f.probed_at nulls first, f.id limit 1)
      else true
    end
    limit max_sessions
    on conflict (session_id) do update
      set holder = excluded.holder, leased_until = excluded.leased_until
      where l.leased_until <= now()
    returning l.session_id
  )
  select array_agg(t.session_id), (select count(*) from (select id from work union select id from held) u)
  into leased, waiting_count from taken t;

  perform private.share_allowance(leased);

  with probed as (
    update public.broadcast_campaigns c set probed_at = now()
    where c.session_id = any (leased) and c.status = 'sending' and c.dead_runs > 0
    returning c.session_id
  )
  select coalesce(array_agg(p.session_id), '{}') into probes from probed p;

  return jsonb_build_object(
    'busy', waiting_count - coalesce(cardinality(leased), 0),
    'sessions', coalesce((
      select jsonb_agg(jsonb_build_object(
        'session_id', s.id, 'phone_number_id', s.meta_phone_number_id, 'messages_per_second', s.messages_per_second,
        'probe', s.id = any (probes)
      ))
      from public.whatsapp_sessions s
      where s.id = any (leased)
    ), '[]')
  );
end;
$$;

-- Begins a run of the sender: starts due campaigns, reconciles dead runs, and leases the numbers that have work and no
-- holder. Returns the result of `private.lease_numbers`.
create function public.begin_sender_run(holder uuid, lease_seconds integer, max_sessions integer) returns jsonb
language plpgsql set search_path = '' as $$
begin
  -- One run begins at a time, so that it sees the leases of the one before.
  perform pg_advisory_xact_lock(hashtextextended('begin_sender_run', 0));

  insert into private.cron_runs (name, started_at) values ('process-broadcasts', now())
  on conflict (name) do update set started_at = excluded.started_at, finished_at = null;

  perform public.end_restrictions();
  perform private.start_due_campaigns();
  perform private.hold_campaigns(null);
  perform private.reconcile_dead_runs();
  return private.lease_numbers(holder, lease_seconds, max_sessions);
end;
$$;

-- Creates contact, conversation and message for claimed recipients, unless an earlier attempt did. A recipient matches
-- the contact of the same number in any form. The claimed recipients are read first: without statistics, Postgres would
-- start with all contacts.
create function private.prepare_messages(session uuid, claimed uuid[]) returns void
language plpgsql set search_path = '' as $$
begin
  insert into public.contacts (tenant_id, wa_id, name)
  select r.tenant_id, min(r.wa_id), min(r.name)
  from public.broadcast_recipients r
  where r.id = any (claimed) and r.message_id is null
  group by r.tenant_id, private.phone_key(r.wa_id)
  order by r.tenant_id, private.phone_key(r.wa_id)
  on conflict (tenant_id, phone_key) do nothing;

  -- A campaign does not fill the inbox: its conversations open when the customer answers.
  with mine as materialized (
    select r.tenant_id, private.phone_key(r.wa_id) as phone_key
    from public.broadcast_recipients r where r.id = any (claimed) and r.message_id is null
  )
  insert into public.conversations (tenant_id, session_id, contact_id, status)
  select distinct r.tenant_id, session, c.id, 'resolved'
  from mine r
  join public.contacts c on c.tenant_id = r.tenant_id and c.phone_key = r.phone_key
  order by 2, 3
  on conflict (session_id, contact_id) do nothing;

  with mine as materialized (
    select r.id, r.tenant_id, r.campaign_id, r.variables, private.phone_key(r.wa_id) as phone_key
    from public.broadcast_recipients r where r.id = any (claimed) and r.message_id is null
  ),
  fresh as (
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
    from mine r
    join public.broadcast_campaigns k on k.id = r.campaign_id
    join public.broadcast_templates t on t.id = k.template_id
    join public.contacts c on c.tenant_id = r.tenant_id and c.phone_key = r.phone_key
    join public.conversations v on v.session_id = session and v.contact_id = c.id
    returning id, (metadata ->> 'broadcast_recipient_id')::uuid as recipient_id
  )
  update public.broadcast_recipients r set message_id = f.id from fresh f where r.id = f.recipient_id;

  update public.messages m set status = 'sending'
  from public.broadcast_recipients r
  where r.id = any (claimed) and m.id = r.message_id and m.status = 'queued';
end;
$$;

-- Records the outcomes of claimed recipients, renews the lease if it is still held, and completes finished campaigns.
-- Outcomes are recorded even if the lease is lost, because the messages were sent. `results` is a list of
-- {"recipient_id", "message_id", "claim_id", "outcome", "whatsapp_message_id"?, "error_code"?, "error_title"?,
-- "error_details"?, "retry_in_ms"?, "pause_campaign"?}; outcomes as in `record_outcomes`. Returns the campaigns whose
-- counts changed. In a campaign that was cancelled meanwhile, recipients that would be retried are skipped. The lock
-- makes cancelling and recording see each other.
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

  if jsonb_path_exists(results, '$[*] ? (@.outcome == "retry" || @.outcome == "held")') then
    perform 1 from public.broadcast_campaigns c
    where c.id = any (array(
      select b.campaign_id from jsonb_to_recordset(results) as r (recipient_id uuid)
      join public.broadcast_recipients b on b.id = r.recipient_id
    ))
    order by c.id
    for no key update;
  end if;

  -- A repeated report must not return a recipient to the queue that has been claimed again since.
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
  perform private.refresh_recipient_states(touched);

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
  perform private.skip_cancelled(campaigns);

  -- The sender is alive. Campaigns that were paused because it seemed dead go on.
  update public.broadcast_campaigns c
  set
    dead_runs = 0,
    status = case when c.status = 'paused' and c.dead_runs >= private.most_tries() then 'sending' else c.status end,
    status_reason = case
      when c.status = 'paused' and c.dead_runs >= private.most_tries() then null else c.status_reason
    end
  where c.id = any (campaigns) and c.dead_runs > 0;

  -- The campaign was completed because its last recipients were taken for lost.
  update public.broadcast_campaigns c
  set status = 'sending', completed_at = null
  where c.id = any (campaigns) and c.status in ('completed', 'failed')
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

create function public.finish_sender_run(outcome jsonb) returns void
language sql set search_path = '' as $$
  update private.cron_runs
  set finished_at = now(), outcome = finish_sender_run.outcome
  where name = 'process-broadcasts';
$$;

-- The state of the background work, without naming tenants. Queues are counted up to 10,000. `writes_guarded` says whether
-- PostgREST ran `private.begin_request` before this call.
create function public.worker_health() returns jsonb
language sql stable set search_path = '' as $$
  -- Numbers with due recipients and no holder, since when, and until when their breaker stops sends.
  with waiting as (
    -- recipients are not due before their campaign started
    select s.id, min(greatest(d.due_at, c.started_at)) as since, max(greatest(b.open_until, b.trial_until)) as rests_until
    from public.broadcast_campaigns c
    join public.whatsapp_sessions s on s.id = c.session_id and s.status = 'connected'
      and private.module_enabled(s.tenant_id, 'broadcast')
    left join private.number_breakers b on b.session_id = s.id and b.state <> 'closed'
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
    group by s.id
  )
  select jsonb_build_object(
    'writes_guarded', coalesce(current_setting('app.request_is_ours', true) = 'on', false),
    'last_run', (
      select jsonb_build_object(
        'started_at', r.started_at, 'finished_at', r.finished_at,
        'seconds_ago', floor(extract(epoch from now() - r.started_at))
      )
      from private.cron_runs r where r.name = 'process-broadcasts'
    ),
    'set_aside', (
      select coalesce(jsonb_object_agg(w.queue, w.items), '{}')
      from (
        select a.queue, count(*) as items from private.set_aside_work a
        where a.set_aside_at > now() - interval '7 days'
        group by a.queue
      ) w
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
    'numbers_resting', (select count(*) from waiting w where w.rests_until > now()),
    'overdue_seconds', (
      select floor(extract(epoch from now() - min(greatest(w.since, w.rests_until))))
      from waiting w
      where greatest(w.since, w.rests_until) <= now()
    )
  );
$$;

-- Meta's limit, written as a name (`TIER_2K`, `TIER_UNLIMITED`) or in digits; null if unknown.
create function private.messaging_limit(words text) returns integer
language sql immutable set search_path = '' as $$
  select case
    when words ~ '^[0-9]{1,9}$' then words::integer
    when words ~ '^TIER_[0-9]{1,6}$' then substr(words, 6)::integer
    when words ~ '^TIER_[0-9]{1,6}K$' then 1000 * rtrim(substr(words, 6), 'K')::integer
  end;
$$;

-- How many more customers the number's account may write to: Meta's limit, minus the customers who got a template in
-- the last 24 hours or are about to. Meta counts the whole business portfolio. We know only the accounts of the tenant.
create function private.allowance(session uuid) returns integer
language plpgsql stable set search_path = '' as $$
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
    select count(distinct w.contact_id)
    from private.counted_sends(number.tenant_id, number.meta_business_account_id) w
  ))::integer;
end;
$$;

-- Divides the remaining allowance of each account between these numbers. The shares of other active numbers stay with
-- them.
create function private.share_allowance(sessions uuid[]) returns void
language sql set search_path = '' as $$
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

-- Holds campaigns during their quiet hours, and continues those whose wait is over. A null `session` means all numbers,
-- and also covers recipients with quiet hours by their own clock. That is too expensive to do for every claim.
create function private.hold_campaigns(session uuid) returns void
language plpgsql set search_path = '' as $$
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

-- Returns claimed recipients to the queue whose quiet hours have begun. Returns the others.
create function private.defer_for_quiet_hours(claimed uuid[]) returns uuid[]
language plpgsql set search_path = '' as $$
declare
  later uuid[];
begin
  with deferred as (
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
  select array_agg(id) into later from deferred;
  if later is null then
    return claimed;
  end if;
  return (select array_agg(c.id) from unnest(claimed) as c (id) where c.id <> all (later));
end;
$$;

-- Holds the number's campaigns until the oldest customer of the last 24 hours no longer counts. The limit is checked
-- again every 15 minutes, because Meta may raise it.
create function private.hold_for_limit(session uuid) returns void
language plpgsql set search_path = '' as $$
begin
  update public.broadcast_campaigns c
  set
    held_until = least(now() + interval '15 minutes', greatest(now() + interval '1 minute', (
      select min(w.since) + interval '24 hours'
      from public.whatsapp_sessions s
      cross join lateral private.counted_sends(s.tenant_id, s.meta_business_account_id) w
      where s.id = session
    ))),
    status_reason = 'Meta''s limit of customers in 24 hours is reached; the rest follows automatically'
  where c.session_id = session and c.status = 'sending' and c.held_until is null;
end;
$$;

-- Skips claimed recipients who must not get the message, and records why. Returns the others.
create function private.skip_ineligible(claimed uuid[], campaigns uuid[]) returns uuid[]
language plpgsql set search_path = '' as $$
declare
  skipped uuid[];
  group_of record;
begin
  for group_of in
    select f.reason, array_agg(f.id) as ids
    from (
      select r.id, case
        -- the replacement for an erased number: see private.erase_contact
        when r.wa_id like '0%' then 'erased'
        when k.blocked_at is not null then 'blocked'
        when k.marketing_opted_out_at is not null and t.category = 'MARKETING' then 'opted_out'
      end as reason
      from public.broadcast_recipients r
      join public.broadcast_campaigns c on c.id = r.campaign_id
      join public.broadcast_templates t on t.id = c.template_id
      left join lateral (
        select private.phone_key(r.wa_id) as phone_key
      ) n on true
      left join lateral (
        select p.blocked_at, p.marketing_opted_out_at from public.contacts p
        where p.tenant_id = r.tenant_id and p.phone_key = n.phone_key
        union all
        -- a number that no contact has any more: the consent of its last owner counts
        select p.blocked_at, p.marketing_opted_out_at
        from (
          select f.contact_id from private.former_identities f
          where f.tenant_id = r.tenant_id and f.phone_key = n.phone_key
          order by f.until desc
          limit 1
        ) f
        join public.contacts p on p.id = f.contact_id
        limit 1
      ) k on true
      where r.id = any (claimed)
    ) f
    where f.reason is not null
    group by f.reason
  loop
    perform private.skip_recipients(group_of.ids, group_of.reason);
    skipped := skipped || group_of.ids;
  end loop;
  if skipped is null then
    return claimed;
  end if;
  perform private.complete_campaigns(campaigns);
  return (select array_agg(c.id) from unnest(claimed) as c (id) where c.id <> all (skipped));
end;
$$;

-- Pauses campaigns of a number whose quality has dropped, because complaints could cost the number.
create function private.pause_for_quality() returns trigger
language plpgsql set search_path = '' as $$
begin
  update public.broadcast_campaigns c
  set status = 'paused', status_reason = 'The quality of the number has dropped to low'
  where c.session_id = new.id and c.status = 'sending';
  return null;
end;
$$;

-- Templates of an account that Meta counts, or may count, toward its limit of customers in 24 hours. Messages with an
-- unknown outcome are included. `since` is when they began to count.
create function private.counted_sends(tenant uuid, account text)
returns table (contact_id uuid, since timestamptz)
language sql stable set search_path = '' rows 100 as $$
  select v.contact_id, w.since
  from (
    select m.conversation_id, m.sent_at as since
    from public.whatsapp_sessions s
    join public.messages m on m.session_id = s.id and m.direction = 'outbound' and m.type = 'template'
      and m.sent_at > now() - interval '24 hours'
    where s.tenant_id = tenant and s.meta_business_account_id = account
    union all
    select m.conversation_id, now()
    from public.messages m
    join public.whatsapp_sessions s on s.id = m.session_id
    where m.status = 'sending' and m.type = 'template' and s.tenant_id = tenant and s.meta_business_account_id = account
    union all
    select m.conversation_id, coalesce(r.claimed_at, m.created_at)
    from public.whatsapp_sessions s
    join public.messages m on m.session_id = s.id and m.direction = 'outbound' and m.type = 'template'
      and m.status = 'unknown'
    left join public.broadcast_recipients r on r.message_id = m.id
    where s.tenant_id = tenant and s.meta_business_account_id = account
      and coalesce(r.claimed_at, m.created_at) > now() - interval '24 hours'
  ) w
  join public.conversations v on v.id = w.conversation_id and v.tenant_id = tenant;
$$;

-- Returns claims to the queue that their holder never received: claims of the number that are not in `known_claims`. A
-- holder makes one claim after another, and an earlier holder's claims are settled before a number changes hands. So
-- these recipients were sent nothing. In a cancelled campaign they are skipped.
create function private.requeue_unacknowledged_claims(session uuid, known_claims uuid[]) returns void
language plpgsql set search_path = '' as $$
declare
  unacknowledged uuid[];
  campaigns uuid[];
begin
  select array_agg(r.message_id), array_agg(distinct c.id) into unacknowledged, campaigns
  from public.broadcast_campaigns c
  join public.broadcast_recipients r on r.campaign_id = c.id and r.status = 'sending' and r.claim_id <> all (known_claims)
  where c.session_id = session and c.status in ('sending', 'paused', 'cancelled');
  if unacknowledged is null then
    return;
  end if;
  perform 1 from public.broadcast_campaigns c where c.id = any (campaigns) order by c.id for no key update;
  perform 1 from public.messages m where m.id = any (unacknowledged) order by m.id for update;
  with unsent as (
    update public.messages m set status = 'queued'
    where m.id = any (unacknowledged) and m.status = 'sending'
    returning m.id
  )
  update public.broadcast_recipients r
  set status = 'pending', claim_id = null, attempts = r.attempts - 1
  from unsent u
  where r.message_id = u.id and r.status = 'sending';
  perform private.skip_cancelled(campaigns);
end;
$$;

-- Claims the next recipients of a number and renews its lease. Each recipient gets its contact, conversation and
-- message row first. The campaigns of a number take equal shares. Returns null if the lease is lost, otherwise
-- {"claim_id", "templates", "recipients", "next_due_ms"}. If nothing is due, `next_due_ms` is the time until something
-- is (null: nothing is left). `known_claims` are the claims whose outcomes the holder still has to record. Without the
-- list, no claims return to the queue.
create function public.claim_recipients(
  session_id uuid, holder uuid, batch_size integer, lease_seconds integer, known_claims uuid[] default null
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

  if known_claims is not null then
    perform private.requeue_unacknowledged_claims(session, known_claims);
  end if;
  perform private.hold_campaigns(session);
  select l.allowance into allowance from private.sender_leases l where l.session_id = session;
  if allowance <= 0 then
    -- Some counted customers had been written to before, or never got the message.
    perform private.share_allowance(array[session]);
    select l.allowance into allowance from private.sender_leases l where l.session_id = session;
    -- otherwise another number of the account holds the rest
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
    -- random, so that no campaign is always the one that gets less
    order by random()
    limit batch_size
  );

  wanted := greatest(0, least(batch_size, allowance));
  if cardinality(active) > 0 and wanted > 0 then
    with mine as (
      update public.broadcast_recipients r
      set status = 'sending', attempts = r.attempts + 1, claim_id = claim, claimed_at = now()
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
    claimed := private.skip_ineligible(private.defer_for_quiet_hours(claimed), active);
  end if;

  if claimed is null then
    return jsonb_build_object('claim_id', claim, 'templates', '{}'::jsonb, 'recipients', '[]'::jsonb, 'next_due_ms', (
      -- null if nothing waits: `greatest` alone would turn null into zero
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

-- Releases a number, so that the next run need not wait for the lease to end. If no other holder has taken it since,
-- claims that the holder never received also return to the queue (`known_claims`, as in `claim_recipients`).
create function public.release_sender(session_id uuid, holder uuid, known_claims uuid[] default null) returns void
language plpgsql set search_path = '' as $$
begin
  delete from private.sender_leases l
  where l.session_id = release_sender.session_id and l.holder = release_sender.holder;
  if found and known_claims is not null then
    perform private.requeue_unacknowledged_claims(release_sender.session_id, known_claims);
  end if;
end;
$$;

-- Passes a valid lease from one holder to another. The first caller gets it. Returns the numbers that passed.
create function public.take_over_sender(
  session_ids uuid[], former_holder uuid, holder uuid, lease_seconds integer
) returns jsonb
language sql set search_path = '' as $$
  with taken as (
    update private.sender_leases l
    set holder = take_over_sender.holder, leased_until = now() + make_interval(secs => lease_seconds)
    where l.session_id = any (session_ids) and l.holder = former_holder and l.leased_until > now()
    returning l.session_id
  )
  select coalesce(jsonb_agg(jsonb_build_object(
    'session_id', s.id, 'phone_number_id', s.meta_phone_number_id, 'messages_per_second', s.messages_per_second
  )), '[]')
  from taken t
  join public.whatsapp_sessions s on s.id = t.session_id;
$$;

create trigger pause_for_quality after update on public.whatsapp_sessions
  for each row when (new.quality_rating = 'RED' and old.quality_rating is distinct from 'RED')
  execute function private.pause_for_quality();

alter table private.sender_leases enable row level security;
alter table private.cron_runs enable row level security;

create policy "no client access" on private.cron_runs to authenticated using (false);
create policy "no client access" on private.sender_leases to authenticated using (false);
