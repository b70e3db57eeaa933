-- Campaigns from draft to completion: their states and actions, their schedule, the variables of their templates,
-- replies of customers, and progress. The recipients are the queue: there is no other.

create table public.broadcast_campaigns (
  id uuid primary key default gen_random_uuid(),
  tenant_id uuid not null references public.tenants (id) on delete cascade,
  name text not null check (char_length(name) between 1 and 200 and private.is_visible(name)),
  status text not null default 'draft' check (status in (
    'draft', 'scheduled', 'sending', 'paused', 'completed', 'failed', 'cancelled'
  )),
  -- why it is paused or failed, for people
  status_reason text,
  session_id uuid not null,
  template_id uuid not null,
  sender_id uuid,
  scheduled_at timestamptz,
  started_at timestamptz,
  completed_at timestamptz,
  -- when its counts were last broadcast to the tenant's topic
  progress_announced_at timestamptz not null default '-infinity',
  created_at timestamptz not null default now(),
  updated_at timestamptz not null default now(),
  -- the local time that a person entered: each recipient gets the message at this time of their own day
  scheduled_local timestamp,
  recipient_local boolean not null default false,
  -- {"from": "21:00", "to": "08:00"}: no messages are sent then. The zone is the recipient's for `recipient_local`,
  -- otherwise the tenant's
  quiet_hours jsonb check (
    quiet_hours is null or coalesce(
      quiet_hours ->> 'from' ~ '^([01][0-9]|2[0-3]):[0-5][0-9]$' and quiet_hours ->> 'to' ~ '^([01][0-9]|2[0-3]):[0-5][0-9]$'
        and quiet_hours ->> 'from' <> quiet_hours ->> 'to',
      false
    )
  ),
  -- the campaign is due but waits until then, for the reason in `status_reason`
  held_until timestamptz,
  -- the campaign it was copied from
  copied_from uuid,
  cancelled_at timestamptz,
  recipient_list_id uuid,
  variable_mapping jsonb,
  -- how many senders died with claims of it since outcomes were last recorded
  dead_runs smallint not null default 0,
  -- when a sender last tried a small batch of it alone, because another one had died; null: not since that death
  probed_at timestamptz,
  -- The segment that the recipients were taken from. The recipients stay when the segment changes or is deleted.
  segment_id uuid,
  unique (id, tenant_id),
  check (status <> 'scheduled' or scheduled_at is not null),
  foreign key (session_id, tenant_id) references public.whatsapp_sessions (id, tenant_id) on delete cascade,
  foreign key (template_id, tenant_id) references public.broadcast_templates (id, tenant_id),
  foreign key (sender_id, tenant_id) references public.profiles (user_id, tenant_id)
    on delete set null (sender_id)
);
create index broadcast_campaigns_list_idx on public.broadcast_campaigns (tenant_id, created_at desc, id);
create index broadcast_campaigns_session_idx on public.broadcast_campaigns (session_id, tenant_id);
create index broadcast_campaigns_template_idx on public.broadcast_campaigns (template_id, tenant_id);
create index broadcast_campaigns_sender_idx on public.broadcast_campaigns (sender_id, tenant_id);
create index broadcast_campaigns_sending_idx on public.broadcast_campaigns (session_id)
  where status = 'sending';
create index broadcast_campaigns_scheduled_idx on public.broadcast_campaigns (scheduled_at)
  where status = 'scheduled';
create index broadcast_campaigns_recipient_list_idx on public.broadcast_campaigns (recipient_list_id)
  where recipient_list_id is not null;
create index broadcast_campaigns_segment_idx on public.broadcast_campaigns (segment_id, tenant_id)
  where segment_id is not null;

create table public.broadcast_recipients (
  id uuid primary key default gen_random_uuid(),
  tenant_id uuid not null references public.tenants (id) on delete cascade,
  campaign_id uuid not null,
  position integer not null default 0,
  wa_id text not null check (wa_id ~ '^[0-9]{1,20}$'),
  name text check (char_length(name) <= 200),
  -- the values for the template: a list for positional variables, an object for named ones
  variables jsonb not null default '[]' check (case jsonb_typeof(variables)
    -- One recipient that cannot be read would stop the number's whole queue.
    when 'array' then not jsonb_path_exists(variables, 'strict $[*] ? (@.type() == "array" || @.type() == "object")')
    when 'object' then not jsonb_path_exists(variables, 'strict $.* ? (@.type() == "array" || @.type() == "object")')
    else false
  end),
  status text not null default 'pending' check (status in (
    'pending', 'sending', 'sent', 'delivered', 'read', 'failed', 'unknown', 'skipped'
  )),
  message_id uuid unique references public.messages (id) on delete set null,
  -- the claim that handed it out last: an outcome that returns it to the queue must name this claim
  claim_id uuid,
  -- how many requests to Meta were made
  attempts smallint not null default 0,
  due_at timestamptz not null default now(),
  error_code integer,
  error_title text,
  error_details text,
  sent_at timestamptz,
  delivered_at timestamptz,
  read_at timestamptz,
  failed_at timestamptz,
  created_at timestamptz not null default now(),
  -- why it was skipped
  skip_reason text check (skip_reason in ('opted_out', 'cancelled', 'blocked', 'erased')),
  timezone text,
  replied_at timestamptz,
  reply_message_id uuid references public.messages (id) on delete set null,
  -- when it was last handed out
  claimed_at timestamptz,
  foreign key (campaign_id, tenant_id) references public.broadcast_campaigns (id, tenant_id) on delete cascade
);
-- A campaign contains each person once, in whichever form their number is written.
create unique index broadcast_recipients_person_idx
  on public.broadcast_recipients (campaign_id, private.phone_key(wa_id));
create index broadcast_recipients_number_idx on public.broadcast_recipients (campaign_id, wa_id);
create index broadcast_recipients_tenant_idx on public.broadcast_recipients (tenant_id);
create index broadcast_recipients_status_idx on public.broadcast_recipients (campaign_id, status);
create index broadcast_recipients_queue_idx on public.broadcast_recipients (campaign_id, due_at, position)
  where status = 'pending';
create index broadcast_recipients_sending_idx on public.broadcast_recipients (campaign_id)
  where status = 'sending';
create index broadcast_recipients_reply_idx on public.broadcast_recipients (reply_message_id)
  where reply_message_id is not null;
-- Orders the recipients and serves the foreign key. It contains the tenant because the policy filters by it: see
-- messages_thread_idx.
create index broadcast_recipients_list_idx on public.broadcast_recipients (campaign_id, tenant_id, position, id);

-- The country of a phone number, by its calling code. A country with several zones has the zone of most of its people.
create table public.calling_codes (
  prefix text primary key check (prefix ~ '^[0-9]{1,4}$'),
  country text not null check (country ~ '^[A-Z]{2}$'),
  timezone text not null
);

-- The counts of a campaign, always computed from its rows so that they cannot drift. `sent`, `delivered` and `read`
-- include recipients in later states.
create function private.campaign_counts(campaign uuid) returns jsonb
language sql stable set search_path = '' as $$
  with n as (
    select
      count(*) as total,
      count(*) filter (where status = 'pending') as pending,
      count(*) filter (where status = 'sending') as sending,
      count(*) filter (where status in ('sent', 'delivered', 'read')) as sent,
      count(*) filter (where status in ('delivered', 'read')) as delivered,
      count(*) filter (where status = 'read') as read,
      count(*) filter (where status = 'failed') as failed,
      count(*) filter (where status = 'unknown') as unknown,
      count(*) filter (where status = 'skipped') as skipped,
      count(*) filter (where replied_at is not null) as replied
    from public.broadcast_recipients
    where campaign_id = campaign
  )
  select jsonb_build_object(
    'total', total, 'pending', pending, 'sending', sending, 'sent', sent, 'delivered', delivered, 'read', read,
    'failed', failed, 'unknown', unknown, 'skipped', skipped, 'replied', replied,
    'progress_percent', case when total = 0 then 0 else
      floor(1000.0 * (total - pending - sending) / total) / 10 end,
    'delivery_rate_percent', case when sent = 0 then 0 else floor(1000.0 * delivered / sent) / 10 end,
    'read_rate_percent', case when sent = 0 then 0 else floor(1000.0 * read / sent) / 10 end,
    'reply_rate_percent', case when sent = 0 then 0 else floor(1000.0 * replied / sent) / 10 end
  )
  from n;
$$;

create function private.campaign_json(c public.broadcast_campaigns) returns jsonb
language sql stable set search_path = '' as $$
  select jsonb_build_object(
    'id', c.id, 'name', c.name, 'status', c.status, 'status_reason', c.status_reason,
    'session_id', c.session_id, 'template_id', c.template_id, 'sender_id', c.sender_id,
    'scheduled_at', c.scheduled_at,
    'scheduled_local', coalesce(c.scheduled_local, c.scheduled_at at time zone t.timezone), 'timezone', t.timezone,
    'recipient_local', c.recipient_local, 'quiet_hours', c.quiet_hours, 'held_until', c.held_until,
    'started_at', c.started_at, 'completed_at', c.completed_at, 'cancelled_at', c.cancelled_at,
    'created_at', c.created_at, 'updated_at', c.updated_at, 'copied_from', c.copied_from,
    'recipient_list_id', c.recipient_list_id, 'segment_id', c.segment_id,
    'statistics', private.campaign_counts(c.id)
  )
  from public.tenants t where t.id = c.tenant_id;
$$;

create function public.list_campaigns(status_filter text, page integer, page_size integer) returns jsonb
language sql stable set search_path = '' as $$
  select jsonb_build_object(
    'total', (
      select count(*) from public.broadcast_campaigns c where status_filter is null or c.status = status_filter
    ),
    'rows', coalesce((
      select jsonb_agg(private.campaign_json(p.c) order by (p.c).created_at desc, (p.c).id)
      from (
        select c
        from public.broadcast_campaigns c
        where status_filter is null or c.status = status_filter
        order by c.created_at desc, c.id
        limit page_size offset (page - 1)::bigint * page_size
      ) p
    ), '[]')
  );
$$;

-- Null if the campaign does not exist or the caller may not see it.
create function public.get_campaign(campaign_id uuid) returns jsonb
language sql stable set search_path = '' as $$
  select private.campaign_json(c) || jsonb_build_object(
    'template', (
      select jsonb_build_object('id', t.id, 'name', t.name, 'language', t.language, 'category', t.category)
      from public.broadcast_templates t where t.id = c.template_id
    ),
    'failures', coalesce((
      select jsonb_agg(jsonb_build_object(
        'error_code', f.error_code, 'error_title', f.error_title, 'count', f.n
      ) order by f.n desc, f.error_code)
      from (
        select r.error_code, min(r.error_title) as error_title, count(*) as n
        from public.broadcast_recipients r
        where r.campaign_id = c.id and r.status = 'failed'
        group by r.error_code
      ) f
    ), '[]')
  )
  from public.broadcast_campaigns c
  where c.id = get_campaign.campaign_id;
$$;

-- Updates recipients from the states of their messages. Returns the campaigns whose counts changed. The caller holds
-- the locks of the messages.
create function private.refresh_recipient_states(message_ids uuid[]) returns uuid[]
language plpgsql set search_path = '' as $$
declare
  campaigns uuid[];
begin
  with changed as (
    update public.broadcast_recipients r
    set
      status = case m.status when 'played' then 'read' else m.status end,
      error_code = m.error_code,
      error_title = m.error_title,
      error_details = m.error_details,
      sent_at = m.sent_at,
      delivered_at = m.delivered_at,
      read_at = m.read_at,
      failed_at = m.failed_at
    from public.messages m
    where m.id = any (message_ids) and r.message_id = m.id
      and m.status in ('sent', 'delivered', 'read', 'played', 'failed', 'unknown')
      and (r.status, r.error_code, r.error_title, r.error_details, r.sent_at, r.delivered_at, r.read_at, r.failed_at)
        is distinct from (case m.status when 'played' then 'read' else m.status end, m.error_code, m.error_title,
          m.error_details, m.sent_at, m.delivered_at, m.read_at, m.failed_at)
    returning r.campaign_id
  )
  select array_agg(distinct campaign_id) into campaigns from changed;
  perform private.judge_ended_campaigns(campaigns);
  return coalesce(campaigns, '{}');
end;
$$;

-- A campaign that has ended is `failed` if it reached no recipient, and `completed` otherwise. An outcome that is not
-- known may be a message that arrived. Statuses that come after the end are judged too.
create function private.judge_ended_campaigns(campaigns uuid[]) returns void
language sql set search_path = '' as $$
  update public.broadcast_campaigns c
  set status = case when n.reached then 'completed' else 'failed' end,
    status_reason = case when not n.reached then case t.locale
      when 'id' then 'Tidak ada penerima yang dapat dijangkau.'
      else 'No recipient could be reached.'
    end end
  from public.broadcast_campaigns e
  join public.tenants t on t.id = e.tenant_id
  cross join lateral (
    select exists (
      select 1 from public.broadcast_recipients r
      where r.campaign_id = e.id and r.status in ('sent', 'delivered', 'read', 'unknown')
    ) as reached
  ) n
  where e.id = any (campaigns) and e.status in ('completed', 'failed') and c.id = e.id
    -- a recipient that waits again is judged when the campaign ends again
    and not exists (
      select 1 from public.broadcast_recipients r where r.campaign_id = e.id and r.status in ('pending', 'sending')
    )
    and c.status <> case when n.reached then 'completed' else 'failed' end;
$$;

-- Broadcasts the counts of campaigns, each at most once a second, through the trigger on `progress_announced_at`.
-- Returns the campaigns for which it was too early: call again in a second.
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

-- Security definer: it also runs when Auth removes an account, and the role of Auth has no rights here.
create function private.announce_campaign() returns trigger
language plpgsql security definer set search_path = '' as $$
begin
  perform private.record_and_broadcast(new.tenant_id, 'broadcasts', null, 'campaign.updated', private.campaign_json(new));
  return null;
end;
$$;

-- Passes on what statuses say about recipients. It uses only statuses of our messages to known contacts.
create function private.apply_recipient_statuses(elements jsonb) returns void
language plpgsql set search_path = '' as $$
declare
  people jsonb;
  refusals jsonb;
begin
  select
    jsonb_agg(distinct jsonb_build_object(
      'contact_id', r.contact_id, 'wa_id', r.element -> 'recipient_id', 'user_id', r.element -> 'recipient_user_id',
      'at', private.meta_time((r.element ->> 'timestamp')::bigint)
    )) filter (where r.element #>> '{payload,recipient_type}' is distinct from 'group'
      and coalesce(r.element ->> 'recipient_id', r.element ->> 'recipient_user_id') is not null),
    jsonb_agg(jsonb_build_object(
      'tenant_id', r.tenant_id, 'contact_id', r.contact_id, 'state', 'opted_out', 'source', 'error_131050',
      'proof', r.element -> 'payload', 'occurred_at', private.meta_time((r.element ->> 'timestamp')::bigint)
    )) filter (where r.element ->> 'status' = 'failed' and r.element #>> '{errors,0,code}' = '131050')
  into people, refusals
  from (
    select m.tenant_id, e as element, (
      select v.contact_id from public.conversations v where v.id = m.conversation_id
    ) as contact_id
    from jsonb_array_elements(elements) as e
    join public.whatsapp_sessions s on s.meta_phone_number_id = e ->> 'phone_number_id'
    cross join lateral (
      select o.tenant_id, o.conversation_id from public.messages o
      where o.session_id = s.id and o.whatsapp_message_id = e ->> 'wamid' and o.direction = 'outbound'
    ) m
  ) r;

  -- Before the rest, because a contact may be merged into another one below.
  if refusals is not null then
    perform private.record_consents(refusals);
  end if;
  if people is not null then
    perform private.store_recipient_identities(people);
  end if;
end;
$$;

-- Pauses the campaigns of a number that was taken out of use, until a person continues them.
create function private.pause_campaigns_of(session uuid, reason text) returns void
language sql set search_path = '' as $$
  update public.broadcast_campaigns c
  set status = 'paused', status_reason = reason
  where c.session_id = session and c.status in ('sending', 'scheduled');
$$;

-- The calling code of a number: the longest matching prefix.
create function private.calling_code(wa_id text) returns public.calling_codes
language plpgsql stable set search_path = '' as $$
declare
  code public.calling_codes;
begin
  select c.* into code from public.calling_codes c
  where c.prefix in (left(wa_id, 4), left(wa_id, 3), left(wa_id, 2), left(wa_id, 1))
  order by length(c.prefix) desc
  limit 1;
  return code;
end;
$$;

-- The end of the quiet hours in effect at `moment` in `zone`; null outside quiet hours.
create function private.quiet_until(quiet jsonb, zone text, moment timestamptz) returns timestamptz
language sql stable set search_path = '' as $$
  select case
    when quiet is null then null
    when starts < ends and wall between starts and ends and wall <> ends then (day + ends) at time zone zone
    when starts > ends and wall >= starts then (day + 1 + ends) at time zone zone
    when starts > ends and wall < ends then (day + ends) at time zone zone
  end
  from (
    select (quiet ->> 'from')::time as starts, (quiet ->> 'to')::time as ends,
      (moment at time zone zone)::time as wall, (moment at time zone zone)::date as day
  ) t;
$$;

-- Parses a time that a person entered. Without an offset it is the tenant's local time.
create function private.moment(typed text, zone text, field text) returns timestamptz
language plpgsql stable set search_path = '' as $$
declare
  -- Postgres accepts many more formats, and ignores an offset where it does not expect one.
  day constant text := '[0-9]{4}-[0-9]{2}-[0-9]{2}';
  clock constant text := '[Tt ][0-9]{2}:[0-9]{2}(:[0-9]{2}([.][0-9]+)?)?';
begin
  if typed ~ format('^%s%s ?([Zz]|[+-][0-9]{2}(:?[0-9]{2})?)$', day, clock) then
    return typed::timestamptz;
  elsif typed ~ format('^%s%s$', day, clock) then
    return typed::timestamp at time zone zone;
  end if;
  raise invalid_datetime_format;
exception
  when others then
    raise sqlstate 'PT422' using message = 'Write a time as 2026-12-01T09:00, or with its offset.', detail = 'invalid_field',
      hint = field;
end;
$$;

-- Parses a time to start at, which must be ahead. A past one is a slip of the pen: sending now needs no time.
create function private.moment_ahead(typed text, zone text, field text, recipient_local boolean default false)
returns timestamptz
language plpgsql stable set search_path = '' as $$
declare
  moment constant timestamptz := private.moment(typed, zone, field);
begin
  -- the same time of day comes up to a day later elsewhere
  if moment <= now() - (case when recipient_local then interval '1 day' else '0' end) then
    raise sqlstate 'PT422' using
      message = format('This time has passed. Leave %s out to send now.', field), detail = 'invalid_field', hint = field;
  end if;
  return moment;
end;
$$;

-- Starts a campaign now or at its time. With `recipient_local` each recipient is due when their country's clock shows
-- the time. Recipients without a known country use the tenant's clock.
-- Errors of its check that `accepted` does not name refuse it.
create function private.launch_campaign(campaign uuid, typed_time text, accepted jsonb default null) returns void
language plpgsql set search_path = '' as $$
declare
  c public.broadcast_campaigns;
  zone text;
  at timestamptz;
begin
  select k.* into c from public.broadcast_campaigns k where k.id = campaign for update;
  select t.timezone into zone from public.tenants t where t.id = c.tenant_id;
  if not exists (select 1 from public.broadcast_recipients r where r.campaign_id = c.id and r.status = 'pending') then
    raise sqlstate 'PT422' using message = 'A campaign needs at least one recipient.', detail = 'invalid_field',
      hint = 'recipients';
  end if;
  at := case
    -- The clocks of recipients differ: below, one of them must be ahead.
    when typed_time is not null and c.recipient_local then private.moment(typed_time, zone, 'scheduled_at')
    when typed_time is not null then private.moment_ahead(typed_time, zone, 'scheduled_at')
    -- launched before: `scheduled_at` is the earliest time among its recipients
    when c.recipient_local and c.scheduled_local is not null then c.scheduled_local at time zone zone
    else c.scheduled_at
  end;

  if c.recipient_local then
    if at is null then
      raise sqlstate 'PT422' using message = 'A campaign by local time needs a time.', detail = 'invalid_field',
        hint = 'scheduled_at';
    end if;
    update public.broadcast_recipients r
    set timezone = z.timezone, due_at = (at at time zone zone) at time zone z.timezone
    from (
      select p.id, coalesce((private.calling_code(p.wa_id)).timezone, zone) as timezone
      from public.broadcast_recipients p where p.campaign_id = c.id and p.status = 'pending'
    ) z
    where r.id = z.id;
    if typed_time is not null and not exists (
      select 1 from public.broadcast_recipients r
      where r.campaign_id = c.id and r.status = 'pending' and r.due_at > now()
    ) then
      raise sqlstate 'PT422' using message = 'This time has passed for every recipient.', detail = 'invalid_field',
        hint = 'scheduled_at';
    end if;
  end if;

  update public.broadcast_campaigns k
  set
    status = case when coalesce(n.first > now(), false) then 'scheduled' else 'sending' end,
    status_reason = null,
    scheduled_at = n.first,
    scheduled_local = case when c.recipient_local then at at time zone zone end,
    started_at = case when coalesce(n.first > now(), false) then null else coalesce(k.started_at, now()) end
  from (
    select case when c.recipient_local then (
      select min(r.due_at) from public.broadcast_recipients r where r.campaign_id = c.id and r.status = 'pending'
    ) else at end as first
  ) n
  where k.id = c.id
  returning k.* into c;
  perform private.require_checked(c, accepted);
end;
$$;

-- Refuses a person in whose name the caller may not send. The messages of a campaign show its sender as their author.
-- Callers name themselves, or a person below their own level.
create function private.require_sender(sender uuid, tenant uuid) returns void
language plpgsql stable set search_path = '' as $$
begin
  if not exists (
    select 1 from public.profiles p
    where p.user_id = sender and p.tenant_id = tenant and p.deactivated_at is null
  ) then
    raise sqlstate 'PT422' using message = 'There is no such person.', detail = 'invalid_field', hint = 'sender_id';
  end if;
  if sender is distinct from private.person_id() and private.caller_level() < 10
    and private.level_of(sender) >= private.caller_level()
  then
    raise sqlstate 'PT403' using message = 'You can send in your own name, and for people below your own level.',
      detail = 'role_too_high', hint = 'sender_id';
  end if;
end;
$$;

-- Returns the campaign if the caller may do this and it is in one of these states. The lock blocks only changes.
create function private.require_campaign(campaign uuid, permission text, states text[], verb text)
returns public.broadcast_campaigns
language plpgsql set search_path = '' as $$
declare
  c public.broadcast_campaigns;
begin
  perform private.require(permission);
  select k.* into c from public.broadcast_campaigns k
  where k.id = campaign and k.tenant_id = private.tenant_id()
  -- the lock permits references: a claim looks the campaign up for its recipients
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

-- Applies a person's action to a campaign and returns it. `options` of `send`: {"scheduled_at"?}; of `retry`:
-- {"include_unknown"?, "recipient_ids"?}; of `send`, `accept_problems` too. Cancelling and claiming take locks in the same order.
-- Security definer: clients have no right to write campaigns.
-- Time limit: it changes up to every recipient of the campaign.
create function public.act_on_campaign(campaign_id uuid, action text, options jsonb default '{}') returns jsonb
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
      perform private.launch_campaign(c.id, options ->> 'scheduled_at', options -> 'accept_problems');
    when 'pause' then
      c := private.require_campaign(campaign_id, 'broadcasts.pause', array['sending', 'scheduled'], 'paused');
      update public.broadcast_campaigns k set status = 'paused', status_reason = null where k.id = c.id;
    when 'resume' then
      c := private.require_campaign(campaign_id, 'broadcasts.pause', array['paused'], 'resumed');
      -- its time has passed while it was paused: resuming it is what sends it
      if c.started_at is null and coalesce(c.scheduled_at <= now(), true) then
        perform private.require('broadcasts.send');
      end if;
      perform private.require_sendable(c);
      update public.broadcast_campaigns k
      set
        status = case when k.started_at is null and k.scheduled_at > now() then 'scheduled' else 'sending' end,
        status_reason = null,
        -- the reason for holding it is checked again
        held_until = null,
        dead_runs = 0,
        started_at = case when k.started_at is null and k.scheduled_at > now() then null
          else coalesce(k.started_at, now()) end
      where k.id = c.id;
      perform private.complete_campaigns(array[c.id]);
    when 'cancel' then
      c := private.require_campaign(
        campaign_id, 'broadcasts.cancel', array['draft', 'scheduled', 'sending', 'paused'], 'cancelled'
      );
      -- Recipients that were handed out are with Meta, or about to be, and keep their outcome.
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
        raise sqlstate 'PT409' using message = 'There is no recipient to retry.', detail = 'nothing_to_retry';
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

-- Skips recipients permanently. A message that Meta refused temporarily will not be sent.
create function private.skip_recipients(recipients uuid[], reason text) returns void
language plpgsql set search_path = '' as $$
begin
  perform 1 from public.messages m
  where m.id = any (array(
    select r.message_id from public.broadcast_recipients r where r.id = any (recipients) and r.message_id is not null
  ))
  order by m.id
  for update;
  with skipped as (
    update public.broadcast_recipients r
    set
      status = 'skipped', skip_reason = reason, claim_id = null,
      -- a claim that was skipped counts as no attempt
      attempts = case when r.status = 'sending' then r.attempts - 1 else r.attempts end
    -- recipients that a sender has claimed meanwhile are being sent
    where r.id = any (recipients) and r.status = case reason when 'cancelled' then 'pending' else 'sending' end
    returning r.message_id
  )
  update public.messages m
  set
    status = 'failed', failed_at = now(),
    error_title = case reason
      when 'cancelled' then 'The campaign was cancelled'
      when 'blocked' then 'The contact is blocked'
      when 'erased' then 'The contact was deleted'
      else 'The customer has opted out'
    end
  from skipped s
  where m.id = s.message_id and m.status in ('pending', 'queued');
end;
$$;

-- Refuses a campaign that Meta would refuse for every recipient.
create function private.require_sendable(c public.broadcast_campaigns) returns void
language plpgsql stable set search_path = '' as $$
declare
  template public.broadcast_templates;
begin
  select t.* into template from public.broadcast_templates t where t.id = c.template_id;
  if template.status <> 'APPROVED' then
    raise sqlstate 'PT422' using
      message = format('The template is %s; only an approved template can be sent.', template.status),
      detail = 'template_not_approved', hint = 'template_id';
  end if;
end;
$$;

-- Queues failed recipients again, with a new message. Recipients with an unknown outcome are queued only on request,
-- because they may get the message twice. The sender skips people who have opted out since.
create function private.retry_recipients(campaign uuid, include_unknown boolean, recipients uuid[]) returns integer
language plpgsql set search_path = '' as $$
declare
  touched integer;
begin
  update public.broadcast_recipients r
  set
    status = 'pending', message_id = null, claim_id = null, attempts = 0, due_at = now(), error_code = null,
    error_title = null, error_details = null, sent_at = null, delivered_at = null, read_at = null, failed_at = null
  where r.campaign_id = campaign
    and (r.status = 'failed' or (include_unknown and r.status = 'unknown'))
    and (recipients is null or r.id = any (recipients));
  get diagnostics touched = row_count;
  if touched > 0 then
    perform private.record_use(
      'broadcast_campaigns.retried', 'broadcast_campaigns', campaign::text, jsonb_build_object('recipients', touched)
    );
  end if;
  return touched;
end;
$$;

-- Creates a draft with the same template, number, recipients and source of recipients. People who were erased are not
-- copied.
create function private.copy_campaign(c public.broadcast_campaigns) returns public.broadcast_campaigns
language plpgsql set search_path = '' as $$
declare
  copy public.broadcast_campaigns;
begin
  insert into public.broadcast_campaigns (
    tenant_id, name, status, session_id, template_id, sender_id, recipient_local, quiet_hours, copied_from,
    recipient_list_id, segment_id, variable_mapping
  )
  values (
    c.tenant_id, left(c.name, 190) || ' (2)', 'draft', c.session_id, c.template_id, private.person_id(),
    c.recipient_local, c.quiet_hours, c.id, c.recipient_list_id, c.segment_id, c.variable_mapping
  )
  returning * into copy;
  insert into public.broadcast_recipients (tenant_id, campaign_id, position, wa_id, name, variables)
  select r.tenant_id, copy.id, r.position, r.wa_id, r.name, r.variables
  from public.broadcast_recipients r where r.campaign_id = c.id and r.wa_id not like '0%';
  return copy;
end;
$$;

-- Changes a campaign that has not started: name, scheduled_at, quiet_hours, recipient_local, sender_id, template_id,
-- session_id, and its recipients: recipients, recipient_list_id, segment_id, variable_mapping. A scheduled campaign goes
-- out without a further step, so changes of more than its name need the permission to send.
-- Security definer: clients have no right to write campaigns and recipients.
-- Time limit: it replaces the recipients, of whom there can be 100,000.
create function public.update_campaign(campaign_id uuid, changes jsonb) returns jsonb
language plpgsql security definer set search_path = '' set statement_timeout = '60s' as $$
declare
  c public.broadcast_campaigns;
  template public.broadcast_templates;
  chosen record;
  people constant boolean := changes ?| array['recipients', 'recipient_list_id', 'segment_id', 'variable_mapping'];
begin
  c := private.require_campaign(campaign_id, 'broadcasts.update', array['draft', 'scheduled'], 'changed');
  if c.status = 'scheduled' and changes - 'name' <> '{}' then
    perform private.require('broadcasts.send');
  end if;
  if (changes ->> 'sender_id')::uuid <> coalesce(c.sender_id, '00000000-0000-0000-0000-000000000000') then
    perform private.require_sender((changes ->> 'sender_id')::uuid, c.tenant_id);
  end if;
  if people or changes ?| array['template_id', 'session_id'] then
    select f.* into chosen from private.template_and_number(
      c.tenant_id, coalesce((changes ->> 'template_id')::uuid, c.template_id),
      coalesce((changes ->> 'session_id')::uuid, c.session_id), c.status = 'draft'
    ) f;
    template := chosen.template;
    update public.broadcast_campaigns k set template_id = template.id, session_id = chosen.the_session where k.id = c.id;
  end if;
  update public.broadcast_campaigns k
  set
    name = coalesce(changes ->> 'name', k.name),
    quiet_hours = case when changes ? 'quiet_hours' then nullif(changes -> 'quiet_hours', 'null') else k.quiet_hours end,
    recipient_local = coalesce((changes ->> 'recipient_local')::boolean, k.recipient_local),
    sender_id = case when changes ? 'sender_id' then (changes ->> 'sender_id')::uuid else k.sender_id end,
    scheduled_at = case when changes ? 'scheduled_at' then (
      select private.moment_ahead(
        changes ->> 'scheduled_at', t.timezone, 'scheduled_at',
        coalesce((changes ->> 'recipient_local')::boolean, k.recipient_local)
      )
      from public.tenants t where t.id = k.tenant_id and changes ->> 'scheduled_at' is not null
    ) else k.scheduled_at end
  where k.id = c.id and not (k.status = 'scheduled' and changes ? 'scheduled_at' and changes ->> 'scheduled_at' is null);
  if not found then
    raise sqlstate 'PT422' using message = 'A scheduled campaign needs a time.', detail = 'invalid_field',
      hint = 'scheduled_at';
  end if;

  if people then
    -- New values for the same people: they are taken from the same source again.
    if not changes ?| array['recipients', 'recipient_list_id', 'segment_id'] then
      if c.recipient_list_id is null and c.segment_id is null then
        raise sqlstate 'PT422' using message = 'Only the values of a list or a segment are mapped.',
          detail = 'invalid_field', hint = 'variable_mapping';
      end if;
      changes := changes || jsonb_build_object('recipient_list_id', c.recipient_list_id, 'segment_id', c.segment_id);
    elsif not changes ? 'variable_mapping' and (
      (changes ->> 'recipient_list_id')::uuid = c.recipient_list_id or (changes ->> 'segment_id')::uuid = c.segment_id
    ) then
      changes := changes || jsonb_build_object('variable_mapping', c.variable_mapping);
    end if;
    delete from public.broadcast_recipients r where r.campaign_id = c.id;
    update public.broadcast_campaigns k set recipient_list_id = null, segment_id = null, variable_mapping = null
    where k.id = c.id;
    perform private.fill_campaign(c, template, coalesce(changes -> 'recipients', '[]'), changes, c.status = 'draft');
  end if;
  if c.status = 'scheduled' and (people or changes ?| array['template_id', 'session_id'] or changes ?| array['scheduled_at', 'recipient_local']) then
    -- recipients of other zones first return to the common time
    update public.broadcast_recipients r set due_at = now(), timezone = null
    where r.campaign_id = c.id and r.timezone is not null;
    perform private.launch_campaign(
      c.id, coalesce(changes ->> 'scheduled_at', c.scheduled_local::text), changes -> 'accept_problems'
    );
  end if;
  return (select private.campaign_json(k) from public.broadcast_campaigns k where k.id = c.id);
end;
$$;

-- Deletes a campaign that has sent no message.
-- Security definer: clients have no right to write campaigns.
-- Time limit: it removes the recipients, of whom there can be 100,000.
create function public.delete_campaign(campaign_id uuid) returns void
language plpgsql security definer set search_path = '' set statement_timeout = '60s' as $$
declare
  c public.broadcast_campaigns;
begin
  c := private.require_campaign(campaign_id, 'broadcasts.delete', array['draft', 'scheduled', 'cancelled'], 'deleted');
  if exists (
    select 1 from public.broadcast_recipients r where r.campaign_id = c.id and r.message_id is not null
  ) then
    raise sqlstate 'PT409' using message = 'A campaign that has reached recipients cannot be deleted.', detail = 'campaign_state';
  end if;
  delete from public.broadcast_campaigns k where k.id = c.id;
end;
$$;

-- Stops, starts or triggers the tenant's scheduler, or shows its state (`show`). `trigger` starts due campaigns without
-- waiting for the next minute.
-- Security definer: clients have no right to write campaigns and tenants.
create function public.control_scheduler(action text) returns jsonb
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

-- Records consents from live messages of customers: a message that consists of a keyword is a statement about
-- marketing, and is kept as evidence. It counts as sent, even if the same delivery edits or revokes it.
create function private.record_keyword_consents(created uuid[]) returns void
language plpgsql set search_path = '' as $$
declare
  consents jsonb;
begin
  select jsonb_agg(jsonb_build_object(
    'tenant_id', a.tenant_id, 'contact_id', v.contact_id,
    'state', case when k.word = any (k.outs) then 'opted_out' else 'opted_in' end,
    'source', 'keyword', 'proof', jsonb_build_object('message_id', a.id, 'text', left(k.sent_text, 200)),
    'occurred_at', a.occurred_at
  )) into consents
  from public.messages a
  join public.conversations v on v.id = a.conversation_id
  join public.tenants t on t.id = a.tenant_id
  cross join lateral (
    select case when a.edited_at is null and a.revoked_at is null then a.content else a.original_content end as sent_text
  ) w
  cross join lateral (
    select w.sent_text, private.keyword_of(w.sent_text) as word,
      array(select private.keyword_of(o) from unnest(t.opt_out_keywords) o) as outs,
      array(select private.keyword_of(i) from unnest(t.opt_in_keywords) i) as ins
  ) k
  where a.id = any (created) and a.direction = 'inbound' and a.type in ('text', 'button', 'interactive')
    and not a.metadata ? 'source' and char_length(k.sent_text) <= 200
    and k.word <> '' and (k.word = any (k.outs) or k.word = any (k.ins));
  if consents is not null then
    perform private.record_consents(consents);
  end if;
end;
$$;

-- Counts replies to campaigns: a customer's first live answer within a week.
create function private.count_campaign_replies(created uuid[]) returns void
language sql set search_path = '' as $$
  update public.broadcast_recipients r
  set replied_at = f.occurred_at, reply_message_id = f.id
  from (
    select distinct on (c.message_id) c.message_id, a.id, a.occurred_at
    from public.messages a
    cross join lateral (
      select coalesce(
        (
          select m.id from public.messages m
          where m.session_id = a.session_id and m.message_key = private.message_key(a.context_message_id)
            and m.metadata ? 'broadcast_recipient_id'
          order by m.whatsapp_message_id = a.context_message_id desc, m.id
          limit 1
        ),
        (
          select m.id
          from (
            select o.id, o.metadata, o.status from public.messages o
            where o.conversation_id = a.conversation_id and o.tenant_id = a.tenant_id and o.id <> a.id
              -- Meta reports whole seconds: an answer within the same second looks older than the campaign's message
              and o.occurred_at between a.occurred_at - interval '7 days' and a.occurred_at + interval '1 second'
            order by o.occurred_at desc, o.created_at desc, o.id desc
            limit 20
          ) m
          where m.metadata ? 'broadcast_recipient_id' and m.status not in ('queued', 'failed')
          limit 1
        )
      ) as message_id
    ) c
    where a.id = any (created) and a.direction = 'inbound' and not a.metadata ? 'source'
      and a.type not in ('system', 'request_welcome') and a.target_message_id is null
    order by c.message_id, a.occurred_at
  ) f
  where r.message_id = f.message_id and r.replied_at is null;
$$;

-- `delayed`: the recipient or the campaign is not due yet, or waits for the end of quiet hours or for Meta's limit.
create function private.queue_counts(campaigns uuid[]) returns jsonb
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
    -- offset 0 makes the planner read recipients by campaign, however many there are
    offset 0
  ) r;
$$;

-- The tenant's queue in total, by number and by campaign, including campaigns that are not due yet. It excludes
-- campaigns that ended more than a week ago and have no recipients to retry.
-- Security definer: clients have no right to read `private.sender_leases`.
create function public.get_queue() returns jsonb
language plpgsql stable security definer set search_path = '' as $$
declare
  tenant constant uuid := private.tenant_id();
  current_campaigns uuid[];
begin
  perform private.require('queue.view');
  current_campaigns := array(
    select c.id from public.broadcast_campaigns c
    where c.tenant_id = tenant and (
      c.status in ('scheduled', 'sending', 'paused') or (c.status in ('completed', 'failed') and c.completed_at > now() - interval '7 days')
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

-- Campaigns that are not due yet.
-- Security definer: a caller with `queue.view` alone sees no campaign under row-level security.
create function public.list_scheduled_campaigns() returns jsonb
language plpgsql stable security definer set search_path = '' as $$
begin
  perform private.require('queue.view');
  return (
    select jsonb_build_object(
      'now', now(), 'timezone', t.timezone, 'running', t.scheduler_stopped_at is null,
      'campaigns', coalesce((
        select jsonb_agg(private.campaign_json(c) order by c.scheduled_at, c.id)
        from public.broadcast_campaigns c where c.tenant_id = t.id and c.status = 'scheduled'
      ), '[]')
    )
    from public.tenants t where t.id = private.tenant_id()
  );
end;
$$;

-- Queues all failed recipients of the tenant's campaigns of the last week again; `act_on_campaign` does so for one
-- campaign. Returns the numbers of recipients by campaign.
-- Security definer: clients have no right to write campaigns.
-- Time limit: it changes the failed recipients of every campaign.
create function public.retry_failed() returns jsonb
language plpgsql security definer set search_path = '' set statement_timeout = '60s' as $$
declare
  c public.broadcast_campaigns;
  touched integer;
  total integer := 0;
  campaigns integer := 0;
begin
  perform private.require('queue.manage');
  perform private.require('broadcasts.retry');
  for c in
    select k.* from public.broadcast_campaigns k
    join public.broadcast_templates t on t.id = k.template_id and t.status = 'APPROVED'
    where k.tenant_id = private.tenant_id()
      and (k.status = 'sending' or (k.status in ('completed', 'failed') and k.completed_at > now() - interval '7 days'))
      and exists (select 1 from public.broadcast_recipients r where r.campaign_id = k.id and r.status = 'failed')
    order by k.id
    for update of k
  loop
    touched := private.retry_recipients(c.id, false, null);
    update public.broadcast_campaigns k set status = 'sending', status_reason = null, completed_at = null where k.id = c.id;
    total := total + touched;
    campaigns := campaigns + 1;
  end loop;
  return jsonb_build_object('retried', total, 'campaigns', campaigns);
end;
$$;

-- Creates a campaign with its recipients in one transaction. `recipients` is a list of {"wa_id", "name"?,
-- "variables"?}; duplicate numbers are kept once. `options`: {"draft"?, "scheduled_at"? (without an offset in the
-- tenant's zone), "recipient_local"?, "quiet_hours"?, "recipient_list_id"? or "segment_id"?, "variable_mapping"?}.
-- Security definer: clients have no right to write these tables.
-- Time limit: it stores the recipients, of whom there can be 100,000.
create function public.create_campaign(
  name text,
  template_id uuid,
  recipients jsonb,
  session_id uuid default null,
  sender_id uuid default null,
  scheduled_at timestamptz default null,
  options jsonb default '{}'
) returns jsonb
language plpgsql security definer set search_path = '' set statement_timeout = '60s' as $$
declare
  tenant constant uuid := private.tenant_id();
  chosen record;
  the_sender constant uuid := coalesce(create_campaign.sender_id, private.person_id());
  template public.broadcast_templates;
  campaign public.broadcast_campaigns;
  draft constant boolean := coalesce((options ->> 'draft')::boolean, false);
begin
  if tenant is null or not private.has_permission('broadcasts.create')
    or (not draft and not private.has_permission('broadcasts.send'))
  then
    raise sqlstate 'PT403' using message = 'You may not create campaigns.', detail = 'forbidden';
  end if;
  select f.* into chosen
  from private.template_and_number(tenant, create_campaign.template_id, create_campaign.session_id, draft) f;
  template := chosen.template;

  if the_sender is not null then
    perform private.require_sender(the_sender, tenant);
  end if;

  insert into public.broadcast_campaigns as c
    (tenant_id, name, status, session_id, template_id, sender_id, scheduled_at, recipient_local, quiet_hours)
  values (
    tenant, create_campaign.name, 'draft', chosen.the_session, template.id, the_sender, create_campaign.scheduled_at,
    coalesce((options ->> 'recipient_local')::boolean, false), nullif(options -> 'quiet_hours', 'null')
  )
  returning c.* into campaign;
  perform private.fill_campaign(campaign, template, recipients, options, draft);

  if draft then
    update public.broadcast_campaigns c
    set scheduled_at = (
      select private.moment_ahead(options ->> 'scheduled_at', t.timezone, 'scheduled_at', c.recipient_local)
      from public.tenants t where t.id = tenant and options ->> 'scheduled_at' is not null
    )
    where c.id = campaign.id and options ? 'scheduled_at';
  else
    perform private.launch_campaign(campaign.id, options ->> 'scheduled_at', options -> 'accept_problems');
  end if;
  return (select private.campaign_json(c) from public.broadcast_campaigns c where c.id = campaign.id);
end;
$$;

-- The campaigns that these messages answer.
create function private.answered_campaigns(messages jsonb) returns uuid[]
language sql stable set search_path = '' as $$
  select coalesce(array_agg(distinct r.campaign_id), '{}')
  from jsonb_array_elements(messages) as e
  join public.whatsapp_sessions s on s.meta_phone_number_id = e ->> 'phone_number_id'
  join public.messages m on m.session_id = s.id and m.whatsapp_message_id = e ->> 'wamid'
  join public.broadcast_recipients r on r.reply_message_id = m.id;
$$;

-- Refuses a mapping that does not fit the template, or that names unknown columns or fields. `columns` are those of the
-- recipient list; null: there is no list.
create function private.check_mapping(
  campaign public.broadcast_campaigns, template public.broadcast_templates, mapping jsonb, columns text[]
) returns void
language plpgsql stable set search_path = '' as $$
declare
  named constant boolean := template.parameter_format = 'NAMED';
  wanted constant text[] := private.template_variables(template.components);
  sources jsonb;
  missing_variable text;
  unknown text;
begin
  if mapping is null then
    return;
  end if;
  if jsonb_typeof(mapping) <> (case when named then 'object' else 'array' end) then
    raise sqlstate 'PT422' using
      message = case when named then 'The template names its variables: map each by its name.'
        else 'The template counts its variables: map them in their order.' end,
      detail = 'invalid_field', hint = 'variable_mapping';
  end if;
  if not named and jsonb_array_length(mapping) <> cardinality(wanted) then
    raise sqlstate 'PT422' using
      message = format('The template has %s variables, and %s are mapped.', cardinality(wanted), jsonb_array_length(mapping)),
      detail = 'variables_unmapped', hint = 'variable_mapping';
  end if;
  if named then
    select w into missing_variable from unnest(wanted) w where not mapping ? w order by w limit 1;
    if missing_variable is not null then
      raise sqlstate 'PT422' using message = format('The variable %s has no value.', missing_variable),
        detail = 'variables_unmapped', hint = 'variable_mapping';
    end if;
  end if;

  sources := case when named then jsonb_path_query_array(mapping, '$.*') else mapping end;
  if columns is null and jsonb_path_exists(sources, '$[*] ? (@.source == "column")') then
    raise sqlstate 'PT422' using message = 'A segment has no columns.', detail = 'invalid_field', hint = 'variable_mapping';
  end if;
  select m.value ->> 'column' into unknown from jsonb_array_elements(sources) m
  where m.value ->> 'source' = 'column' and m.value ->> 'column' <> all (columns)
  limit 1;
  if unknown is not null then
    raise sqlstate 'PT422' using message = format('The list has no column %s.', left(unknown, 100)),
      detail = 'invalid_field', hint = 'variable_mapping';
  end if;
  select m.value ->> 'field' into unknown from jsonb_array_elements(sources) m
  where m.value ->> 'source' = 'contact' and m.value ->> 'field' <> all ('{name,phone_number,email,language}')
    and not exists (
      select 1 from public.contact_fields f
      where f.tenant_id = campaign.tenant_id and m.value ->> 'field' = 'custom.' || f.key
    )
  limit 1;
  if unknown is not null then
    raise sqlstate 'PT422' using message = format('There is no such field of contacts: %s.', left(unknown, 100)),
      detail = 'invalid_field', hint = 'variable_mapping';
  end if;
end;
$$;

-- Refuses a template with variables that the columns cannot fill.
create function private.require_values(template public.broadcast_templates, columns text[]) returns void
language plpgsql stable set search_path = '' as $$
declare
  wanted constant text[] := private.template_variables(template.components);
  missing_variable text;
begin
  if template.parameter_format = 'NAMED' then
    select w into missing_variable from unnest(wanted) w where w <> all (columns) order by w limit 1;
  elsif cardinality(wanted) > cardinality(columns) then
    missing_variable := format('{{%s}}', cardinality(columns) + 1);
  end if;
  if missing_variable is not null then
    raise sqlstate 'PT422' using
      message = format('The variable %s has no value. Map it in variable_mapping.', missing_variable),
      detail = 'variables_unmapped', hint = 'variable_mapping';
  end if;
end;
$$;

-- A template and a number of the caller's tenant that can send it. If no number is named, the only one that can.
create function private.template_and_number(
  tenant uuid, template_id uuid, session_id uuid, draft boolean, out template public.broadcast_templates, out the_session uuid
)
language plpgsql stable set search_path = '' as $$
declare
  numbers integer;
begin
  select t.* into template from public.broadcast_templates t
  where t.id = template_and_number.template_id and t.tenant_id = tenant;
  if not found then
    raise sqlstate 'PT422' using message = 'There is no such template.', detail = 'invalid_field',
      hint = 'template_id';
  end if;
  if template.status <> 'APPROVED' and not draft then
    raise sqlstate 'PT422' using
      message = format('The template is %s; only an approved template can be sent.', template.status),
      detail = 'template_not_approved', hint = 'template_id';
  end if;

  the_session := template_and_number.session_id;
  if the_session is null then
    select count(*), (array_agg(s.id))[1] into numbers, the_session from public.whatsapp_sessions s
    where s.tenant_id = tenant and s.deleted_at is null
      and (template.meta_business_account_id is null
        or s.meta_business_account_id = template.meta_business_account_id);
    if numbers <> 1 then
      raise sqlstate 'PT422' using
        message = case when numbers = 0 then 'No connected number can send this template.'
          else 'Several numbers can send this template: name one.' end,
        detail = 'invalid_field', hint = 'session_id';
    end if;
  elsif not exists (
    select 1 from public.whatsapp_sessions s
    where s.id = the_session and s.tenant_id = tenant and s.deleted_at is null
      and (template.meta_business_account_id is null
        or s.meta_business_account_id = template.meta_business_account_id)
  ) then
    raise sqlstate 'PT422' using message = 'There is no such number, or the template is not of its account.',
      detail = 'invalid_field', hint = 'session_id';
  end if;
end;
$$;

-- Adds the recipients of a campaign: `recipients`, and those of `options` {"recipient_list_id"?, "segment_id"?,
-- "variable_mapping"?}. Unless the campaign is a draft, every variable of the template must have a value.
create function private.fill_campaign(
  campaign public.broadcast_campaigns, template public.broadcast_templates, recipients jsonb, options jsonb, draft boolean
) returns void
language plpgsql set search_path = '' as $$
declare
  mapping constant jsonb := nullif(options -> 'variable_mapping', 'null');
begin
  insert into public.broadcast_recipients (tenant_id, campaign_id, position, wa_id, name, variables)
  select campaign.tenant_id, campaign.id, r.position, r.value ->> 'wa_id', r.value ->> 'name',
    coalesce(nullif(r.value -> 'variables', 'null'), '[]')
  from jsonb_array_elements(recipients) with ordinality as r (value, position)
  on conflict (campaign_id, private.phone_key(wa_id)) do nothing;
  if options ->> 'recipient_list_id' is not null then
    perform private.add_list_to_campaign(campaign, template, (options ->> 'recipient_list_id')::uuid, mapping);
  end if;
  if options ->> 'segment_id' is not null then
    perform private.add_segment_to_campaign(campaign, template, (options ->> 'segment_id')::uuid, mapping);
  end if;
  if mapping is null and not draft and exists (select 1 from public.broadcast_recipients r where r.campaign_id = campaign.id) then
    perform private.require_values(template, l.columns) from public.recipient_lists l
    where l.id = (options ->> 'recipient_list_id')::uuid and l.tenant_id = campaign.tenant_id;
    perform private.require_values(template, '{}') where options ->> 'segment_id' is not null;
  end if;
end;
$$;

-- Skips the pending recipients of cancelled campaigns.
create function private.skip_cancelled(campaigns uuid[]) returns void
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

-- One page of a campaign's recipients in their order, requested by number or by `after`, the `next_cursor` of the
-- previous page. The total is counted for pages by number only. Null if the caller's tenant has no such campaign.
create function public.list_campaign_recipients(
  campaign_id uuid, status_filter text default null, error_code integer default null, search text default null,
  replied boolean default null, after uuid default null, page_size integer default 50, page integer default null
) returns jsonb
language plpgsql stable set search_path = '' as $$
declare
  campaign public.broadcast_campaigns;
  cursor_position integer := -1;
  cursor_id uuid := '00000000-0000-0000-0000-000000000000';
  -- a number as people write it: its digits, without a leading zero or international prefix
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
          'id', (page.r).id, 'position', (page.r).position, 'phone_number', '+' || (page.r).wa_id, 'name', (page.r).name,
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

create trigger touch_updated_at before update on public.broadcast_campaigns
  for each row
  when (old.progress_announced_at is not distinct from new.progress_announced_at)
  execute function private.touch_updated_at();
create trigger announce_updated after update on public.broadcast_campaigns
  for each row
  when (
    old.status is distinct from new.status
    or old.progress_announced_at is distinct from new.progress_announced_at
  )
  execute function private.announce_campaign();

-- Changes are written to the audit log.
select private.audit_table('broadcast_campaigns', 'id', '-progress_announced_at', '-dead_runs', '-probed_at');
select private.audit_table('broadcast_recipients', 'id', 'people');

alter table public.broadcast_campaigns enable row level security;
alter table public.broadcast_recipients enable row level security;
alter table public.calling_codes enable row level security;

create policy "permitted people read campaigns" on public.broadcast_campaigns
  for select to authenticated
  using (tenant_id = (select private.tenant_id()) and (select private.has_permission('broadcasts.view')));
create policy "permitted people read recipients" on public.broadcast_recipients
  for select to authenticated
  using (tenant_id = (select private.tenant_id()) and (select private.has_permission('broadcasts.view')));
create policy "people read the list of countries" on public.calling_codes for select to authenticated
  using ((select private.tenant_id()) is not null);

grant select on public.broadcast_campaigns, public.broadcast_recipients, public.calling_codes to authenticated;

grant execute on function
  private.campaign_counts(uuid),
  private.campaign_json(public.broadcast_campaigns),
  public.list_campaigns(text, integer, integer),
  public.get_campaign(uuid),
  public.act_on_campaign(uuid, text, jsonb),
  public.update_campaign(uuid, jsonb),
  public.delete_campaign(uuid),
  public.control_scheduler(text),
  public.get_queue(),
  public.list_scheduled_campaigns(),
  public.retry_failed(),
  public.create_campaign(text, uuid, jsonb, uuid, uuid, timestamptz, jsonb),
  public.list_campaign_recipients(uuid, text, integer, text, boolean, uuid, integer, integer)
to authenticated;

insert into public.calling_codes (prefix, country, timezone) values
  ('62', 'ID', 'Asia/Jakarta'), ('60', 'MY', 'Asia/Kuala_Lumpur'), ('65', 'SG', 'Asia/Singapore'), ('63', 'PH', 'Asia/Manila'),
  ('66', 'TH', 'Asia/Bangkok'), ('84', 'VN', 'Asia/Ho_Chi_Minh'), ('95', 'MM', 'Asia/Yangon'), ('855', 'KH', 'Asia/Phnom_Penh'),
  ('856', 'LA', 'Asia/Vientiane'), ('673', 'BN', 'Asia/Brunei'), ('670', 'TL', 'Asia/Dili'), ('61', 'AU', 'Australia/Sydney'),
  ('64', 'NZ', 'Pacific/Auckland'), ('675', 'PG', 'Pacific/Port_Moresby'), ('679', 'FJ', 'Pacific/Fiji'),
  ('81', 'JP', 'Asia/Tokyo'), ('82', 'KR', 'Asia/Seoul'), ('86', 'CN', 'Asia/Shanghai'), ('852', 'HK', 'Asia/Hong_Kong'),
  ('853', 'MO', 'Asia/Macau'), ('886', 'TW', 'Asia/Taipei'), ('91', 'IN', 'Asia/Kolkata'), ('92', 'PK', 'Asia/Karachi'),
  ('94', 'LK', 'Asia/Colombo'), ('880', 'BD', 'Asia/Dhaka'), ('977', 'NP', 'Asia/Kathmandu'), ('93', 'AF', 'Asia/Kabul'),
  ('98', 'IR', 'Asia/Tehran'), ('964', 'IQ', 'Asia/Baghdad'), ('966', 'SA', 'Asia/Riyadh'), ('971', 'AE', 'Asia/Dubai'),
  ('965', 'KW', 'Asia/Kuwait'), ('974', 'QA', 'Asia/Qatar'), ('973', 'BH', 'Asia/Bahrain'), ('968', 'OM', 'Asia/Muscat'),
  ('967', 'YE', 'Asia/Aden'), ('962', 'JO', 'Asia/Amman'), ('961', 'LB', 'Asia/Beirut'), ('972', 'IL', 'Asia/Jerusalem'),
  ('970', 'PS', 'Asia/Gaza'), ('90', 'TR', 'Europe/Istanbul'), ('7', 'RU', 'Europe/Moscow'), ('77', 'KZ', 'Asia/Almaty'),
  ('998', 'UZ', 'Asia/Tashkent'), ('994', 'AZ', 'Asia/Baku'), ('995', 'GE', 'Asia/Tbilisi'), ('374', 'AM', 'Asia/Yerevan'),
  ('380', 'UA', 'Europe/Kyiv'), ('375', 'BY', 'Europe/Minsk'), ('48', 'PL', 'Europe/Warsaw'), ('49', 'DE', 'Europe/Berlin'),
  ('44', 'GB', 'Europe/London'), ('353', 'IE', 'Europe/Dublin'), ('33', 'FR', 'Europe/Paris'), ('34', 'ES', 'Europe/Madrid'),
  ('351', 'PT', 'Europe/Lisbon'), ('39', 'IT', 'Europe/Rome'), ('31', 'NL', 'Europe/Amsterdam'), ('32', 'BE', 'Europe/Brussels'),
  ('41', 'CH', 'Europe/Zurich'), ('43', 'AT', 'Europe/Vienna'), ('45', 'DK', 'Europe/Copenhagen'), ('46', 'SE', 'Europe/Stockholm'),
  ('47', 'NO', 'Europe/Oslo'), ('358', 'FI', 'Europe/Helsinki'), ('354', 'IS', 'Atlantic/Reykjavik'), ('30', 'GR', 'Europe/Athens'),
  ('36', 'HU', 'Europe/Budapest'), ('40', 'RO', 'Europe/Bucharest'), ('420', 'CZ', 'Europe/Prague'), ('421', 'SK', 'Europe/Bratislava'),
  ('359', 'BG', 'Europe/Sofia'), ('381', 'RS', 'Europe/Belgrade'), ('385', 'HR', 'Europe/Zagreb'), ('370', 'LT', 'Europe/Vilnius'),
  ('371', 'LV', 'Europe/Riga'), ('372', 'EE', 'Europe/Tallinn'), ('20', 'EG', 'Africa/Cairo'), ('212', 'MA', 'Africa/Casablanca'),
  ('213', 'DZ', 'Africa/Algiers'), ('216', 'TN', 'Africa/Tunis'), ('218', 'LY', 'Africa/Tripoli'), ('234', 'NG', 'Africa/Lagos'),
  ('233', 'GH', 'Africa/Accra'), ('225', 'CI', 'Africa/Abidjan'), ('221', 'SN', 'Africa/Dakar'), ('237', 'CM', 'Africa/Douala'),
  ('254', 'KE', 'Africa/Nairobi'), ('255', 'TZ', 'Africa/Dar_es_Salaam'), ('256', 'UG', 'Africa/Kampala'), ('250', 'RW', 'Africa/Kigali'),
  ('251', 'ET', 'Africa/Addis_Ababa'), ('27', 'ZA', 'Africa/Johannesburg'), ('260', 'ZM', 'Africa/Lusaka'), ('263', 'ZW', 'Africa/Harare'),
  ('258', 'MZ', 'Africa/Maputo'), ('244', 'AO', 'Africa/Luanda'), ('1', 'US', 'America/New_York'), ('52', 'MX', 'America/Mexico_City'),
  ('55', 'BR', 'America/Sao_Paulo'), ('54', 'AR', 'America/Argentina/Buenos_Aires'), ('56', 'CL', 'America/Santiago'),
  ('57', 'CO', 'America/Bogota'), ('51', 'PE', 'America/Lima'), ('58', 'VE', 'America/Caracas'), ('593', 'EC', 'America/Guayaquil'),
  ('591', 'BO', 'America/La_Paz'), ('595', 'PY', 'America/Asuncion'), ('598', 'UY', 'America/Montevideo'), ('502', 'GT', 'America/Guatemala'),
  ('503', 'SV', 'America/El_Salvador'), ('504', 'HN', 'America/Tegucigalpa'), ('505', 'NI', 'America/Managua'), ('506', 'CR', 'America/Costa_Rica'),
  ('507', 'PA', 'America/Panama'), ('53', 'CU', 'America/Havana'), ('509', 'HT', 'America/Port-au-Prince');
