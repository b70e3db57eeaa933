-- Campaigns from draft to end: what may be done in which state, when they leave, and what fills their templates.

alter table public.tenants
  -- nothing scheduled starts while it is set: the tenant has stopped its scheduler
  add column scheduler_stopped_at timestamptz;

alter table public.broadcast_campaigns
  -- the wall time somebody typed, where each recipient shall get it at that time of their own day
  add column scheduled_local timestamp,
  add column recipient_local boolean not null default false,
  -- {"from": "21:00", "to": "08:00"}: nothing leaves then, in the recipient's zone for `recipient_local`, otherwise
  -- in the tenant's
  add column quiet_hours jsonb check (
    quiet_hours is null or coalesce(
      quiet_hours ->> 'from' ~ '^([01][0-9]|2[0-3]):[0-5][0-9]$' and quiet_hours ->> 'to' ~ '^([01][0-9]|2[0-3]):[0-5][0-9]$'
        and quiet_hours ->> 'from' <> quiet_hours ->> 'to',
      false
    )
  ),
  -- it waits, though its time has come, for what `status_reason` says
  add column held_until timestamptz,
  -- what it was made from
  add column copied_from uuid,
  add column cancelled_at timestamptz;

alter table public.broadcast_recipients
  -- why it was left out
  add column skip_reason text check (skip_reason in ('opted_out', 'cancelled', 'blocked')),
  add column timezone text,
  add column replied_at timestamptz,
  add column reply_message_id uuid references public.messages (id) on delete set null;
create index broadcast_recipients_reply_idx on public.broadcast_recipients (reply_message_id)
  where reply_message_id is not null;
-- The list in its order, and the foreign key. With the tenant, which the policy asks for: see messages_thread_idx.
create index broadcast_recipients_list_idx on public.broadcast_recipients (campaign_id, tenant_id, position, id);
drop index public.broadcast_recipients_campaign_idx;

-- Where a phone number's country is, by its calling code. Countries with several zones have that of most people.
create table public.calling_codes (
  prefix text primary key check (prefix ~ '^[0-9]{1,4}$'),
  country text not null check (country ~ '^[A-Z]{2}$'),
  timezone text not null
);
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
alter table public.calling_codes enable row level security;
revoke all on public.calling_codes from anon, authenticated;
grant select on public.calling_codes to authenticated;
grant all on public.calling_codes to service_role;
create policy "members read the list of countries" on public.calling_codes for select to authenticated
  using ((select private.tenant_id()) is not null);

-- The country of a number: the longest prefix decides.
create function private.calling_code(wa_id text) returns public.calling_codes
language plpgsql stable security definer set search_path = '' as $$
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

-- When the quiet hours that hold at `moment` in `zone` end; null when none do.
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

-- A moment as somebody typed it: with an offset it is that moment, without one it is the tenant's wall time.
create function private.moment(typed text, zone text, field text) returns timestamptz
language plpgsql stable set search_path = '' as $$
declare
  -- Postgres reads much more, and passes over an offset it does not expect.
  day constant text := '[0-9]{4}-[0-9]{2}-[0-9]{2}';
  clock constant text := '[Tt ][0-9]{2}:[0-9]{2}(:[0-9]{2}([.][0-9]+)?)?';
begin
  if typed ~ format('^%s%s ?([Zz]|[+-][0-9]{2}(:?[0-9]{2})?)$', day, clock) then
    return typed::timestamptz;
  elsif typed ~ format('^%s(%s)?$', day, clock) then
    return typed::timestamp at time zone zone;
  end if;
  raise invalid_datetime_format;
exception
  when others then
    raise sqlstate 'PT422' using message = 'Write a time as 2026-12-01T09:00, or with its offset.', detail = 'invalid_field',
      hint = field;
end;
$$;

create or replace function private.campaign_counts(campaign uuid) returns jsonb
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

create or replace function private.campaign_json(c public.broadcast_campaigns) returns jsonb
language sql stable set search_path = '' as $$
  select jsonb_build_object(
    'id', c.id, 'name', c.name, 'status', c.status, 'status_reason', c.status_reason,
    'session_id', c.session_id, 'template_id', c.template_id, 'sender_id', c.sender_id,
    'scheduled_at', c.scheduled_at,
    'scheduled_local', coalesce(c.scheduled_local, c.scheduled_at at time zone t.timezone), 'timezone', t.timezone,
    'recipient_local', c.recipient_local, 'quiet_hours', c.quiet_hours, 'held_until', c.held_until,
    'started_at', c.started_at, 'completed_at', c.completed_at, 'cancelled_at', c.cancelled_at,
    'created_at', c.created_at, 'updated_at', c.updated_at, 'copied_from', c.copied_from,
    'statistics', private.campaign_counts(c.id)
  )
  from public.tenants t where t.id = c.tenant_id;
$$;

-- Sets a campaign going: at once, or at its time. With `recipient_local` each recipient is due when the clock of their
-- country shows the time; who has no known country goes by the tenant's clock.
create function private.launch_campaign(campaign uuid, typed_time text) returns void
language plpgsql security definer set search_path = '' as $$
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
    when typed_time is not null then private.moment(typed_time, zone, 'scheduled_at')
    -- set going before: `scheduled_at` is the earliest of its recipients'
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
  where k.id = c.id;
end;
$$;

-- The campaign, locked, if the caller may do this to it and it is in one of these states.
create function private.require_campaign(campaign uuid, permission text, states text[], verb text)
returns public.broadcast_campaigns
language plpgsql security definer set search_path = '' as $$
declare
  c public.broadcast_campaigns;
begin
  perform private.require(permission);
  select k.* into c from public.broadcast_campaigns k
  where k.id = campaign and k.tenant_id = private.tenant_id()
  for update;
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

-- What a person does to a campaign; answers with it. `options` of `send`: {"scheduled_at"?}; of `retry`:
-- {"include_unknown"?, "recipient_ids"?}.
create function public.act_on_campaign(campaign_id uuid, action text, options jsonb default '{}') returns jsonb
language plpgsql security definer set search_path = '' as $$
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

-- Leaves recipients out for good. A message that Meta refused for the moment will not go out any more.
create function private.skip_recipients(recipients uuid[], reason text) returns void
language plpgsql security definer set search_path = '' as $$
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
      -- what was claimed to be left out was no attempt
      attempts = case when r.status = 'sending' then r.attempts - 1 else r.attempts end
    -- what a sender has claimed meanwhile is on its way
    where r.id = any (recipients) and r.status = case reason when 'cancelled' then 'pending' else 'sending' end
    returning r.message_id
  )
  update public.messages m
  set
    status = 'failed', failed_at = now(),
    error_title = case reason when 'cancelled' then 'The campaign was cancelled' else 'The customer has opted out' end
  from skipped s
  where m.id = s.message_id and m.status in ('pending', 'queued');
end;
$$;

-- Refuses what Meta would refuse for everybody.
create function private.require_sendable(c public.broadcast_campaigns) returns void
language plpgsql stable security definer set search_path = '' as $$
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

-- Failed recipients are due again, with a message of their own; those whose outcome is unknown only if somebody says
-- so, for they may get it twice. Who has opted out since is left out by the sender.
create function private.retry_recipients(campaign uuid, include_unknown boolean, recipients uuid[]) returns integer
language plpgsql security definer set search_path = '' as $$
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
  return touched;
end;
$$;

-- A draft with the same template, number and recipients.
create function private.copy_campaign(c public.broadcast_campaigns) returns public.broadcast_campaigns
language plpgsql security definer set search_path = '' as $$
declare
  copy public.broadcast_campaigns;
begin
  insert into public.broadcast_campaigns
    (tenant_id, name, status, session_id, template_id, sender_id, recipient_local, quiet_hours, copied_from)
  values (
    c.tenant_id, left(c.name, 190) || ' (2)', 'draft', c.session_id, c.template_id, private.person_id(),
    c.recipient_local, c.quiet_hours, c.id
  )
  returning * into copy;
  insert into public.broadcast_recipients (tenant_id, campaign_id, position, wa_id, name, variables)
  select r.tenant_id, copy.id, r.position, r.wa_id, r.name, r.variables
  from public.broadcast_recipients r where r.campaign_id = c.id;
  return copy;
end;
$$;

-- Changes a campaign that has not begun: name, scheduled_at, quiet_hours, recipient_local, sender_id.
create function public.update_campaign(campaign_id uuid, changes jsonb) returns jsonb
language plpgsql security definer set search_path = '' as $$
declare
  c public.broadcast_campaigns;
begin
  c := private.require_campaign(campaign_id, 'broadcasts.update', array['draft', 'scheduled'], 'changed');
  if changes ? 'sender_id' and changes ->> 'sender_id' is not null and not exists (
    select 1 from public.profiles p
    where p.user_id = (changes ->> 'sender_id')::uuid and p.tenant_id = c.tenant_id and p.deactivated_at is null
  ) then
    raise sqlstate 'PT422' using message = 'There is no such person.', detail = 'invalid_field', hint = 'sender_id';
  end if;
  update public.broadcast_campaigns k
  set
    name = coalesce(changes ->> 'name', k.name),
    quiet_hours = case when changes ? 'quiet_hours' then nullif(changes -> 'quiet_hours', 'null') else k.quiet_hours end,
    recipient_local = coalesce((changes ->> 'recipient_local')::boolean, k.recipient_local),
    sender_id = case when changes ? 'sender_id' then (changes ->> 'sender_id')::uuid else k.sender_id end,
    scheduled_at = case when changes ? 'scheduled_at' then (
      select private.moment(changes ->> 'scheduled_at', t.timezone, 'scheduled_at')
      from public.tenants t where t.id = k.tenant_id and changes ->> 'scheduled_at' is not null
    ) else k.scheduled_at end
  where k.id = c.id and not (k.status = 'scheduled' and changes ? 'scheduled_at' and changes ->> 'scheduled_at' is null);
  if not found then
    raise sqlstate 'PT422' using message = 'A scheduled campaign needs a time.', detail = 'invalid_field',
      hint = 'scheduled_at';
  end if;
  if c.status = 'scheduled' and (changes ? 'scheduled_at' or changes ? 'recipient_local') then
    -- those of other zones go back to the common time first
    update public.broadcast_recipients r set due_at = now(), timezone = null
    where r.campaign_id = c.id and r.timezone is not null;
    perform private.launch_campaign(c.id, coalesce(changes ->> 'scheduled_at', c.scheduled_local::text));
  end if;
  return (select private.campaign_json(k) from public.broadcast_campaigns k where k.id = c.id);
end;
$$;

-- Removes a campaign that nobody got anything from.
create function public.delete_campaign(campaign_id uuid) returns void
language plpgsql security definer set search_path = '' as $$
declare
  c public.broadcast_campaigns;
begin
  c := private.require_campaign(campaign_id, 'broadcasts.delete', array['draft', 'scheduled', 'cancelled'], 'deleted');
  if exists (
    select 1 from public.broadcast_recipients r where r.campaign_id = c.id and r.message_id is not null
  ) then
    raise sqlstate 'PT409' using message = 'A campaign that reached somebody stays.', detail = 'campaign_state';
  end if;
  delete from public.broadcast_campaigns k where k.id = c.id;
end;
$$;

-- Stops, starts or triggers the tenant's scheduler. Triggered, it starts what is due without waiting for the minute.
create function public.control_scheduler(action text) returns jsonb
language plpgsql security definer set search_path = '' as $$
declare
  tenant constant uuid := private.tenant_id();
  started integer := 0;
begin
  perform private.require('queue.manage');
  if action = 'stop' then
    update public.tenants t set scheduler_stopped_at = coalesce(t.scheduler_stopped_at, now()) where t.id = tenant;
  elsif action = 'start' then
    update public.tenants t set scheduler_stopped_at = null where t.id = tenant and t.scheduler_stopped_at is not null;
  elsif action = 'trigger' then
    update public.broadcast_campaigns c set status = 'sending', started_at = now()
    where c.tenant_id = tenant and c.status = 'scheduled' and c.scheduled_at <= now();
    get diagnostics started = row_count;
  else
    raise sqlstate 'PT404' using message = 'There is no such action.', detail = 'not_found';
  end if;
  return (
    select jsonb_build_object(
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

revoke execute on all functions in schema private from public;
grant execute on function private.quiet_until(jsonb, text, timestamptz), private.calling_code(text) to service_role;
revoke execute on function public.act_on_campaign(uuid, text, jsonb), public.update_campaign(uuid, jsonb),
  public.delete_campaign(uuid), public.control_scheduler(text) from public, anon;
grant execute on function public.act_on_campaign(uuid, text, jsonb), public.update_campaign(uuid, jsonb),
  public.delete_campaign(uuid), public.control_scheduler(text) to authenticated;
