-- What is said of a campaign holds: nobody waits in one that was cancelled, the queue knows what is delayed, the check
-- knows who is left out and what cannot be sent, and the estimate knows clocks and neighbours.

-- As before. In a campaign that was cancelled meanwhile, what would be tried again is left out; the lock has whoever
-- cancels and whoever records see each other.
create or replace function public.record_recipients(
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
  perform private.leave_cancelled(campaigns);

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

-- Leaves out who would still wait in a campaign that was cancelled.
create function private.leave_cancelled(campaigns uuid[]) returns void
language plpgsql set search_path = '' as $$
declare
  left_over uuid[];
begin
  select array_agg(r.id) into left_over
  from public.broadcast_campaigns c
  join public.broadcast_recipients r on r.campaign_id = c.id and r.status = 'pending'
  where c.id = any (campaigns) and c.status = 'cancelled';
  if left_over is not null then
    perform private.skip_recipients(left_over, 'cancelled');
  end if;
end;
$$;

-- As before, of cancelled campaigns too: who was handed out there and never sent to is left out.
create or replace function private.return_unheard(session uuid, known_claims uuid[]) returns void
language plpgsql set search_path = '' as $$
declare
  unheard uuid[];
  campaigns uuid[];
begin
  select array_agg(r.message_id), array_agg(distinct c.id) into unheard, campaigns
  from public.broadcast_campaigns c
  join public.broadcast_recipients r on r.campaign_id = c.id and r.status = 'sending' and r.claim_id <> all (known_claims)
  where c.session_id = session and c.status in ('sending', 'paused', 'cancelled');
  if unheard is null then
    return;
  end if;
  perform 1 from public.broadcast_campaigns c where c.id = any (campaigns) order by c.id for no key update;
  perform 1 from public.messages m where m.id = any (unheard) order by m.id for update;
  with unsent as (
    update public.messages m set status = 'queued'
    where m.id = any (unheard) and m.status = 'sending'
    returning m.id
  )
  update public.broadcast_recipients r
  set status = 'pending', claim_id = null, attempts = r.attempts - 1
  from unsent u
  where r.message_id = u.id and r.status = 'sending';
  perform private.leave_cancelled(campaigns);
end;
$$;

-- As before, locked for nobody but who changes it.
create or replace function private.require_campaign(campaign uuid, permission text, states text[], verb text)
returns public.broadcast_campaigns
language plpgsql security definer set search_path = '' as $$
declare
  c public.broadcast_campaigns;
begin
  perform private.require(permission);
  select k.* into c from public.broadcast_campaigns k
  where k.id = campaign and k.tenant_id = private.tenant_id()
  -- not against who only refers to it: a claim looks it up for its recipients
  for no key update;
  if not found then
    raise sqlstate 'PT404' using message = 'There is no such campaign.', detail = 'not_found';
  end if;
  if c.status <> all (states) then
    raise sqlstate 'PT409' using message = format('A campaign that is %s cannot be %s.', c.status, verb),
      detail = 'campaign_state';
  end if;
  return c;
end;
$$;

-- As before. Whoever cancels and whoever claims at the same moment lock in the same order.
create or replace function public.act_on_campaign(campaign_id uuid, action text, options jsonb default '{}') returns jsonb
language plpgsql security definer set search_path = '' set statement_timeout = '60s' as $$
declare
  c public.broadcast_campaigns;
  touched integer;
begin
  case action
    when 'send' then
      c := private.require_campaign(campaign_id, 'broadcasts.send', array['draft', 'scheduled'], 'sent');
      if (options ->> 'scheduled_at') is null then
        update public.broadcast_campaigns k set scheduled_at = now() where k.id = c.id and not k.recipient_local;
      end if;
      perform private.require_sendable(c);
      perform private.launch_campaign(c.id, options ->> 'scheduled_at');
    when 'pause' then
      c := private.require_campaign(campaign_id, 'broadcasts.pause', array['sending', 'scheduled'], 'paused');
      update public.broadcast_campaigns k set status = 'paused', status_reason = null where k.id = c.id;
    when 'resume' then
      c := private.require_campaign(campaign_id, 'broadcasts.pause', array['paused'], 'resumed');
      perform private.require_sendable(c);
      update public.broadcast_campaigns k
      set
        status = case when k.started_at is null and k.scheduled_at > now() then 'scheduled' else 'sending' end,
        status_reason = null,
        -- what held it is looked at anew
        held_until = null,
        started_at = case when k.started_at is null and k.scheduled_at > now() then null
          else coalesce(k.started_at, now()) end
      where k.id = c.id;
      perform private.complete_campaigns(array[c.id]);
    when 'cancel' then
      c := private.require_campaign(
        campaign_id, 'broadcasts.cancel', array['draft', 'scheduled', 'sending', 'paused'], 'cancelled'
      );
      -- What has been handed out is with Meta, or about to be: it keeps its outcome.
      perform private.skip_recipients(array(
        select r.id from public.broadcast_recipients r where r.campaign_id = c.id and r.status = 'pending'
        -- before their messages, as claims do
        order by r.id
        for update
      ), 'cancelled');
      update public.broadcast_campaigns k set status = 'cancelled', cancelled_at = now() where k.id = c.id;
    when 'complete' then
      c := private.require_campaign(
        campaign_id, 'broadcasts.update',
        array['draft', 'scheduled', 'sending', 'paused', 'completed', 'failed', 'cancelled'], 'checked'
      );
      perform private.complete_campaigns(array[c.id]);
    when 'retry' then
      c := private.require_campaign(
        campaign_id, 'broadcasts.retry', array['sending', 'paused', 'completed', 'failed'], 'tried again'
      );
      perform private.require_sendable(c);
      touched := private.retry_recipients(
        c.id, coalesce((options ->> 'include_unknown')::boolean, false),
        case when options ? 'recipient_ids'
          then array(select jsonb_array_elements_text(options -> 'recipient_ids'))::uuid[] end
      );
      if touched = 0 then
        raise sqlstate 'PT409' using message = 'Nobody is left to try again.', detail = 'nothing_to_retry';
      end if;
      update public.broadcast_campaigns k
      set status = case when k.status = 'paused' then 'paused' else 'sending' end, completed_at = null,
        status_reason = case when k.status = 'paused' then k.status_reason end
      where k.id = c.id;
    when 'duplicate' then
      c := private.require_campaign(
        campaign_id, 'broadcasts.create',
        array['draft', 'scheduled', 'sending', 'paused', 'completed', 'failed', 'cancelled'], 'copied'
      );
      c := private.copy_campaign(c);
    else
      raise sqlstate 'PT404' using message = 'There is no such action.', detail = 'not_found';
  end case;
  return (select private.campaign_json(k) from public.broadcast_campaigns k where k.id = c.id)
    || case when touched is null then '{}' else jsonb_build_object('retried', touched) end;
end;
$$;

-- `delayed`: their time has not come, or their campaign waits for its own, for the end of quiet hours or for Meta's limit.
create or replace function private.queue_counts(campaigns uuid[]) returns jsonb
language sql stable set search_path = '' as $$
  select jsonb_build_object(
    'waiting', count(*) filter (where r.status = 'pending' and not (c.waits or r.due_at > now())),
    'delayed', count(*) filter (where r.status = 'pending' and (c.waits or r.due_at > now())),
    'active', count(*) filter (where r.status = 'sending'),
    'completed', count(*) filter (where r.status in ('sent', 'delivered', 'read')),
    'failed', count(*) filter (where r.status = 'failed'),
    'unknown', count(*) filter (where r.status = 'unknown'),
    'skipped', count(*) filter (where r.status = 'skipped')
  )
  from (
    select k.id, k.status = 'scheduled' or (k.status = 'sending' and coalesce(k.held_until > now(), false)) as waits
    from public.broadcast_campaigns k where k.id = any (campaigns)
  ) c
  cross join lateral (
    select p.status, p.due_at from public.broadcast_recipients p where p.campaign_id = c.id
    -- by the campaign, however many there are
    offset 0
  ) r;
$$;

-- As before, with campaigns that wait for their time.
create or replace function public.get_queue() returns jsonb
language plpgsql stable security definer set search_path = '' as $$
declare
  tenant constant uuid := private.tenant_id();
  current_campaigns uuid[];
begin
  perform private.require('queue.view');
  current_campaigns := array(
    select c.id from public.broadcast_campaigns c
    where c.tenant_id = tenant and (
      c.status in ('scheduled', 'sending', 'paused') or (c.status = 'completed' and c.completed_at > now() - interval '7 days')
    )
    order by c.status in ('sending', 'paused') desc, c.created_at desc
    limit 200
  );
  return jsonb_build_object(
    'total', private.queue_counts(current_campaigns),
    'numbers', coalesce((
      select jsonb_agg(jsonb_build_object(
        'session_id', s.id, 'name', s.name, 'display_phone_number', s.display_phone_number, 'status', s.status,
        'messages_per_second', s.messages_per_second,
        'sending_now', exists (
          select 1 from private.sender_leases l where l.session_id = s.id and l.leased_until > now()
        ),
        'counts', private.queue_counts(array(
          select c.id from public.broadcast_campaigns c where c.session_id = s.id and c.id = any (current_campaigns)
        ))
      ) order by s.created_at)
      from public.whatsapp_sessions s where s.tenant_id = tenant
    ), '[]'),
    'campaigns', coalesce((
      select jsonb_agg(jsonb_build_object(
        'campaign_id', c.id, 'name', c.name, 'status', c.status, 'status_reason', c.status_reason,
        'held_until', c.held_until, 'session_id', c.session_id, 'counts', private.queue_counts(array[c.id])
      ) order by c.created_at desc)
      from public.broadcast_campaigns c where c.id = any (current_campaigns)
    ), '[]')
  );
end;
$$;

-- Stops, starts or triggers the tenant's scheduler, or shows it (`show`). Triggered, it starts what is due without waiting
-- for the minute.
create or replace function public.control_scheduler(action text) returns jsonb
language plpgsql security definer set search_path = '' as $$
declare
  tenant constant uuid := private.tenant_id();
  started integer := 0;
begin
  perform private.require(case action when 'show' then 'queue.view' else 'queue.manage' end);
  if action = 'stop' then
    update public.tenants t set scheduler_stopped_at = coalesce(t.scheduler_stopped_at, now()) where t.id = tenant;
  elsif action = 'start' then
    update public.tenants t set scheduler_stopped_at = null where t.id = tenant and t.scheduler_stopped_at is not null;
  elsif action = 'trigger' then
    update public.broadcast_campaigns c set status = 'sending', started_at = now()
    where c.tenant_id = tenant and c.status = 'scheduled' and c.scheduled_at <= now();
    get diagnostics started = row_count;
  elsif action is distinct from 'show' then
    raise sqlstate 'PT404' using message = 'There is no such action.', detail = 'not_found';
  end if;
  return (
    select jsonb_build_object(
      'status', case when t.scheduler_stopped_at is null then 'running' else 'stopped' end,
      'running', t.scheduler_stopped_at is null, 'stopped_at', t.scheduler_stopped_at, 'started_campaigns', started,
      'scheduled', (select count(*) from public.broadcast_campaigns c where c.tenant_id = tenant and c.status = 'scheduled'),
      'next_at', (
        select min(c.scheduled_at) from public.broadcast_campaigns c where c.tenant_id = tenant and c.status = 'scheduled'
      )
    )
    from public.tenants t where t.id = tenant
  );
end;
$$;

drop function public.list_campaign_recipients(uuid, text, integer, text, boolean, uuid, integer);
-- One page of a campaign's recipients in their order: the one behind `after`, the `next_cursor` of the page before, or by
-- its number. The total is counted where a page by number is asked for. Null when there is no such campaign for the caller.
create function public.list_campaign_recipients(
  campaign_id uuid, status_filter text default null, error_code integer default null, search text default null,
  replied boolean default null, after uuid default null, page_size integer default 50, page integer default null
) returns jsonb
language plpgsql stable set search_path = '' as $$
declare
  campaign public.broadcast_campaigns;
  cursor_position integer := -1;
  cursor_id uuid := '00000000-0000-0000-0000-000000000000';
  -- a number as people write it: its digits, without the zero or the code for abroad before them
  digits constant text := case when search ~ '^[0-9 +().\-]+$'
    then coalesce(nullif(ltrim(regexp_replace(search, '[^0-9]', '', 'g'), '0'), ''), search) else search end;
  total bigint;
begin
  select c.* into campaign from public.broadcast_campaigns c where c.id = list_campaign_recipients.campaign_id;
  if not found then
    return null;
  end if;
  if after is not null then
    select r.position, r.id into cursor_position, cursor_id from public.broadcast_recipients r
    where r.id = after and r.campaign_id = campaign.id;
    if not found then
      raise sqlstate 'PT422' using message = 'There is no such recipient in this campaign.', detail = 'invalid_field',
        hint = 'after';
    end if;
  end if;
  if page is not null then
    select count(*) into total
    from public.broadcast_recipients r
    where r.campaign_id = campaign.id
      and (status_filter is null or r.status = status_filter)
      and (list_campaign_recipients.error_code is null or r.error_code = list_campaign_recipients.error_code)
      and (list_campaign_recipients.replied is null
        or (r.replied_at is not null) = list_campaign_recipients.replied)
      and (digits is null or strpos(r.wa_id, digits) > 0 or strpos(lower(r.name), lower(search)) > 0);
  end if;
  return (
    with page as (
      select r
      from public.broadcast_recipients r
      where r.campaign_id = campaign.id and (r.position, r.id) > (cursor_position, cursor_id)
        and (status_filter is null or r.status = status_filter)
        and (list_campaign_recipients.error_code is null or r.error_code = list_campaign_recipients.error_code)
        and (list_campaign_recipients.replied is null
          or (r.replied_at is not null) = list_campaign_recipients.replied)
        and (digits is null or strpos(r.wa_id, digits) > 0 or strpos(lower(r.name), lower(search)) > 0)
      order by r.position, r.id
      limit page_size + 1 offset (coalesce(list_campaign_recipients.page, 1) - 1)::bigint * page_size
    ),
    numbered as (
      select (page.r).id as id, row_number() over (order by (page.r).position, (page.r).id) as nth,
        jsonb_build_object(
          'id', (page.r).id, 'position', (page.r).position, 'phone_number', (page.r).wa_id, 'name', (page.r).name,
          'variables', (page.r).variables, 'status', (page.r).status, 'skip_reason', (page.r).skip_reason,
          'due_at', case when (page.r).status = 'pending' then (page.r).due_at end, 'timezone', (page.r).timezone,
          'attempts', (page.r).attempts, 'message_id', (page.r).message_id, 'error_code', (page.r).error_code,
          'error_title', (page.r).error_title, 'error_details', (page.r).error_details, 'sent_at', (page.r).sent_at,
          'delivered_at', (page.r).delivered_at, 'read_at', (page.r).read_at, 'failed_at', (page.r).failed_at,
          'replied_at', (page.r).replied_at, 'reply_message_id', (page.r).reply_message_id,
          'preview', private.render_template(t.components, (page.r).variables)
        ) as row
      from page
      left join public.broadcast_templates t on t.id = campaign.template_id
    )
    select jsonb_build_object(
      'total', total,
      'next_cursor', case when count(*) > page_size then (array_agg(id order by nth))[page_size] end,
      'rows', coalesce(jsonb_agg(row order by nth) filter (where nth <= page_size), '[]')
    )
    from numbered
  );
end;
$$;

-- What a value may not hold, as far as Meta tells: see `TemplateDefinition::check`, which the sender asks.
create function private.unfit_values(
  components jsonb, body_length integer, repeats integer, header jsonb, variables jsonb
) returns boolean
language sql immutable set search_path = '' as $$
  select
    jsonb_path_exists(variables, '$.* ? (@ like_regex "[\n\r\t]|     ")')
    or jsonb_path_exists(variables, '$[*] ? (@ like_regex "[\n\r\t]|     ")')
    -- filled in only where it may be too long
    or case when body_length + repeats * char_length(variables::text) > 1024
      then char_length(private.render_template(components, variables)) > 1024 else false end
    or case
      when header is null then false
      when header ->> 'format' = 'TEXT' then
        (header ->> 'length')::integer
          + coalesce(char_length(coalesce(variables ->> 0, variables ->> (header ->> 'name'))), 0) > 60
      when header ->> 'format' = 'LOCATION' then false
      else coalesce(nullif(coalesce(variables ->> 0, variables ->> 'header'), ''), '1') !~ '^(https://.*|[0-9]+)$'
    end;
$$;

-- As before, and: who is blocked or erased is left out, values that Meta would refuse are named, a campaign by the
-- recipients' clocks begins and ends by them already as a draft, and what leaves from the same number at the same time
-- takes its share of it.
create or replace function public.check_campaign(campaign_id uuid) returns jsonb
language plpgsql stable security definer set search_path = '' as $$
declare
  tenant public.tenants;
  c public.broadcast_campaigns;
  t public.broadcast_templates;
  s public.whatsapp_sessions;
  wanted text[];
  facts record;
  costs record;
  header jsonb;
  body_length integer;
  -- placeholders of the body, each as often as it stands there
  repeats integer;
  most integer;
  may_write integer;
  beyond integer := 0;
  mine bigint;
  others bigint := 0;
  begins timestamptz;
  ends timestamptz;
  seconds double precision;
  problems jsonb := '[]';
begin
  perform private.require('broadcasts.view');
  select k.* into c from public.broadcast_campaigns k
  where k.id = check_campaign.campaign_id and k.tenant_id = private.tenant_id();
  if not found then
    return null;
  end if;
  select n.* into tenant from public.tenants n where n.id = c.tenant_id;
  select k.* into t from public.broadcast_templates k where k.id = c.template_id;
  select k.* into s from public.whatsapp_sessions k where k.id = c.session_id;
  wanted := private.template_variables(t.components);
  select
    max(char_length(p.value ->> 'text')) filter (where upper(p.value ->> 'type') = 'BODY'),
    max(regexp_count(p.value ->> 'text', '\{\{\s*\w+\s*\}\}')) filter (where upper(p.value ->> 'type') = 'BODY'),
    (jsonb_agg(jsonb_build_object(
      'format', upper(coalesce(p.value ->> 'format', 'TEXT')),
      'length', char_length(regexp_replace(coalesce(p.value ->> 'text', ''), '\{\{\s*\w+\s*\}\}', '')),
      'name', coalesce('header_' || substring(p.value ->> 'text' from '\{\{\s*([0-9]+)\s*\}\}'),
        substring(p.value ->> 'text' from '\{\{\s*(\w+)\s*\}\}'))
    )) filter (
      where upper(p.value ->> 'type') = 'HEADER'
        and (upper(coalesce(p.value ->> 'format', 'TEXT')) <> 'TEXT' or p.value ->> 'text' ~ '\{\{\s*\w+\s*\}\}')
    )) -> 0
  into body_length, repeats, header
  from jsonb_array_elements(t.components) p;

  select
    count(*) as waiting,
    count(*) filter (where o.reason = 'opted_out') as opted_out,
    count(*) filter (where o.reason in ('blocked', 'erased')) as barred,
    count(*) - count(distinct private.phone_key(r.wa_id)) as duplicates,
    count(*) filter (where v.incomplete) as incomplete,
    count(*) filter (
      where not v.incomplete and private.unfit_values(
        t.components, coalesce(body_length, 0), coalesce(repeats, 0), header, r.variables
      )
    ) as unfit
  into facts
  from public.broadcast_recipients r
  left join public.contacts k on k.tenant_id = r.tenant_id and k.phone_key = private.phone_key(r.wa_id)
  cross join lateral (
    -- as the sender leaves them out: see private.leave_out
    select case
      when r.wa_id like '0%' then 'erased'
      when k.blocked_at is not null then 'blocked'
      when k.marketing_opted_out_at is not null and t.category = 'MARKETING' then 'opted_out'
    end as reason
  ) o
  cross join lateral (
    select o.reason is distinct from 'erased' and case jsonb_typeof(r.variables)
      when 'array' then jsonb_array_length(r.variables) < cardinality(wanted)
        or jsonb_path_exists(r.variables, '$[*] ? (@ == null || @ == "")')
      else exists (select 1 from unnest(wanted) w where coalesce(r.variables ->> w, '') = '')
    end as incomplete
  ) v
  where r.campaign_id = c.id and r.status = 'pending';
  mine := facts.waiting - facts.opted_out - facts.barred;

  if facts.waiting = 0 and c.status in ('draft', 'scheduled') then
    problems := problems || private.problem('no_recipients', 'error', null);
  end if;
  if t.status <> 'APPROVED' then
    problems := problems || private.problem('template_not_approved', 'error', null, t.status);
  end if;
  if t.category = 'AUTHENTICATION' then
    problems := problems || private.problem('template_category', 'warning', null, t.category);
  end if;
  if s.status <> 'connected' then
    problems := problems || private.problem('number_unavailable', 'error', null, coalesce(s.status_reason, s.status));
  end if;
  if s.quality_rating = 'RED' then
    problems := problems || private.problem('number_quality', 'warning', null, s.quality_rating);
  end if;
  if facts.incomplete > 0 then
    problems := problems || private.problem('missing_variables', 'error', facts.incomplete);
  end if;
  if facts.unfit > 0 then
    problems := problems || private.problem('invalid_variables', 'error', facts.unfit);
  end if;
  if facts.opted_out > 0 then
    problems := problems || private.problem('opted_out', 'warning', facts.opted_out);
  end if;
  if facts.barred > 0 then
    problems := problems || private.problem('blocked', 'warning', facts.barred);
  end if;
  if facts.duplicates > 0 then
    problems := problems || private.problem('duplicates', 'warning', facts.duplicates);
  end if;
  if tenant.scheduler_stopped_at is not null then
    problems := problems || private.problem('scheduler_stopped', 'warning', null);
  end if;

  most := private.messaging_limit(s.messaging_limit);
  may_write := private.allowance(s.id);
  if may_write is not null then
    beyond := greatest(0, mine - may_write);
    if beyond > 0 then
      problems := problems || private.problem('messaging_limit', 'warning', beyond, s.messaging_limit);
    end if;
  end if;

  begins := greatest(now(), c.scheduled_at, c.held_until);
  seconds := ceil(mine::numeric / s.messages_per_second);
  -- Campaigns of one number take turns: until this one is through, each other has had as many, or all of its own.
  if begins <= now() + interval '1 minute' then
    select coalesce(sum(least(n.pending, mine)), 0) into others
    from public.broadcast_campaigns k
    cross join lateral (
      select count(*) as pending from public.broadcast_recipients r where r.campaign_id = k.id and r.status = 'pending'
    ) n
    where k.session_id = c.session_id and k.status = 'sending' and k.held_until is null and k.id <> c.id;
  end if;
  if c.recipient_local and (c.scheduled_at is not null or c.scheduled_local is not null) then
    select
      min(coalesce(private.quiet_until(c.quiet_hours, z.zone, z.start), z.start)),
      max(private.end_of_sending(z.start, ceil(z.recipients::numeric / s.messages_per_second), c.quiet_hours, z.zone))
    into begins, ends
    from (
      select y.zone, count(*) as recipients, greatest(now(), max(case
        -- set going: each knows when
        when y.due_at is not null then y.due_at
        else (coalesce(c.scheduled_local, c.scheduled_at at time zone tenant.timezone)) at time zone y.zone
      end)) as start
      from (
        select coalesce(r.timezone, (private.calling_code(r.wa_id)).timezone, tenant.timezone) as zone,
          case when r.timezone is not null then r.due_at end as due_at
        from public.broadcast_recipients r where r.campaign_id = c.id and r.status = 'pending'
      ) y
      group by y.zone
    ) z;
    begins := coalesce(begins, now());
    ends := greatest(coalesce(ends, begins), begins + make_interval(secs => seconds));
  else
    ends := private.end_of_sending(
      begins, seconds + ceil(others::numeric / s.messages_per_second), c.quiet_hours, tenant.timezone
    );
    begins := coalesce(private.quiet_until(c.quiet_hours, tenant.timezone, begins), begins);
  end if;
  ends := ends + make_interval(days => case when beyond = 0 then 0 else ceil(beyond::numeric / greatest(most, 1))::integer end);

  with groups as (
    select coalesce((private.calling_code(r.wa_id)).country, '?') as country, count(*) as recipients
    from public.broadcast_recipients r
    left join public.contacts k on k.tenant_id = r.tenant_id and k.phone_key = private.phone_key(r.wa_id)
    where r.campaign_id = c.id and r.status = 'pending' and r.wa_id not like '0%' and k.blocked_at is null
      and not (t.category = 'MARKETING' and k.marketing_opted_out_at is not null)
    group by 1
  ),
  priced as (
    select g.country, g.recipients, p.amount, p.currency, p.effective_from, p.source
    from groups g
    left join lateral private.price_on(
      c.tenant_id, g.country, t.category, (begins at time zone tenant.timezone)::date
    ) p on true
  )
  select
    coalesce(jsonb_agg(jsonb_build_object(
      'country', country, 'recipients', recipients, 'price', amount::text, 'currency', currency,
      'price_from', effective_from, 'price_source', source, 'cost', (amount * recipients)::text
    ) order by recipients desc, country), '[]') as countries,
    coalesce((
      select jsonb_object_agg(x.currency, x.total::text)
      from (select currency, sum(amount * recipients) as total from priced where amount is not null group by 1) x
    ), '{}') as totals,
    coalesce(sum(recipients) filter (where amount is null), 0) as without_price
  into costs
  from priced;
  if costs.without_price > 0 then
    problems := problems || private.problem('price_unknown', 'warning', costs.without_price::integer);
  end if;

  return jsonb_build_object(
    'sendable', not jsonb_path_exists(problems, '$[*] ? (@.severity == "error")'),
    'problems', problems,
    'estimate', jsonb_build_object(
      'recipients', mine, 'skipped', facts.opted_out + facts.barred,
      'messages_per_second', s.messages_per_second, 'seconds', seconds, 'begins_at', begins, 'finishes_at', ends,
      'over_limit', beyond, 'remaining_limit', may_write,
      'category', t.category, 'cost', costs.totals, 'cost_complete', costs.without_price = 0, 'countries', costs.countries
    )
  );
end;
$$;

revoke execute on function private.leave_cancelled(uuid[]), private.unfit_values(jsonb, integer, integer, jsonb, jsonb)
  from public;
grant execute on function private.leave_cancelled(uuid[]) to service_role;
revoke execute on function
  public.list_campaign_recipients(uuid, text, integer, text, boolean, uuid, integer, integer) from public, anon;
grant execute on function
  public.list_campaign_recipients(uuid, text, integer, text, boolean, uuid, integer, integer) to authenticated;
