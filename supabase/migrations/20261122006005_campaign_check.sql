-- Before a campaign leaves: what stands in its way, what it will cost, and when it will be through.

-- What Meta asks for a delivered template message, by the recipient's country. Entered by the tenant from Meta's rate card
-- (https://business.whatsapp.com/products/platform-pricing), each price with the day it holds from.
create table public.message_prices (
  tenant_id uuid not null references public.tenants (id) on delete cascade,
  country text not null check (country ~ '^([A-Z]{2}|\*)$'),
  category text not null check (category in ('MARKETING', 'UTILITY', 'AUTHENTICATION')),
  effective_from date not null,
  currency text not null check (currency ~ '^[A-Z]{3}$'),
  amount numeric(12, 6) not null check (amount >= 0),
  updated_at timestamptz not null default now(),
  primary key (tenant_id, country, category, effective_from)
);
create trigger touch_updated_at before update on public.message_prices
  for each row execute function private.touch_updated_at();
alter table public.message_prices enable row level security;
revoke all on public.message_prices from anon, authenticated;
grant select on public.message_prices to authenticated;
grant all on public.message_prices to service_role;
create policy "members with the right read prices" on public.message_prices for select to authenticated
  using (tenant_id = (select private.tenant_id()) and (select private.has_permission('broadcasts.view')));
select private.audit_table('message_prices', 'tenant_id,country,category,effective_from');

create function public.list_message_prices() returns jsonb
language plpgsql stable set search_path = '' as $$
begin
  perform private.require('broadcasts.view');
  return (
    select coalesce(jsonb_agg(
      to_jsonb(p) - 'tenant_id' || jsonb_build_object('amount', p.amount::text)
      order by p.country, p.category, p.effective_from desc
    ), '[]')
    from public.message_prices p
  );
end;
$$;

-- Enters prices: a list of {"country" (or `*` for all others), "category", "effective_from", "currency", "amount"}; null
-- as amount takes a price away.
create function public.set_message_prices(prices jsonb) returns jsonb
language plpgsql security definer set search_path = '' as $$
begin
  perform private.require('settings.update');
  delete from public.message_prices p
  using jsonb_to_recordset(prices) as w (country text, category text, effective_from date, amount numeric)
  where p.tenant_id = private.tenant_id() and p.country = w.country and p.category = w.category
    and p.effective_from = w.effective_from and w.amount is null;
  insert into public.message_prices as p (tenant_id, country, category, effective_from, currency, amount)
  select distinct on (w.country, w.category, w.effective_from)
    private.tenant_id(), w.country, w.category, w.effective_from, w.currency, w.amount
  from jsonb_to_recordset(prices)
    as w (country text, category text, effective_from date, currency text, amount numeric)
  where w.amount is not null
  on conflict (tenant_id, country, category, effective_from) do update
    set currency = excluded.currency, amount = excluded.amount
    where (p.currency, p.amount) is distinct from (excluded.currency, excluded.amount);
  return (
    select coalesce(jsonb_agg(
      to_jsonb(p) - 'tenant_id' || jsonb_build_object('amount', p.amount::text)
      order by p.country, p.category, p.effective_from desc
    ), '[]')
    from public.message_prices p where p.tenant_id = private.tenant_id()
  );
end;
$$;

-- When `seconds` of sending that begin at `start` are over, if nothing leaves in quiet hours.
create function private.end_of_sending(start timestamptz, seconds double precision, quiet jsonb, zone text)
returns timestamptz
language plpgsql stable set search_path = '' as $$
declare
  at timestamptz := start;
  left_over interval := make_interval(secs => seconds);
  quiet_from timestamptz;
begin
  if quiet is null then
    return start + left_over;
  end if;
  for i in 1 .. 400 loop
    at := coalesce(private.quiet_until(quiet, zone, at), at);
    quiet_from := ((at at time zone zone)::date + (quiet ->> 'from')::time) at time zone zone;
    if quiet_from <= at then
      quiet_from := quiet_from + interval '1 day';
    end if;
    if at + left_over <= quiet_from then
      return at + left_over;
    end if;
    left_over := left_over - (quiet_from - at);
    at := quiet_from;
  end loop;
  return at;
end;
$$;

-- What a template wants to be filled with, as named variables call it. A list of values is as long.
create function private.template_variables(components jsonb) returns text[]
language sql immutable set search_path = '' as $$
  with parts as (
    select upper(c.value ->> 'type') as type, upper(coalesce(c.value ->> 'format', 'TEXT')) as format,
      c.value ->> 'text' as text, c.value as whole
    from jsonb_array_elements(components) c
  ),
  buttons as (
    select 'button_' || (b.nth - 1) as name, upper(b.value ->> 'type') as type, b.value ->> 'url' as url
    from parts p, jsonb_array_elements(p.whole -> 'buttons') with ordinality as b (value, nth)
    where p.type = 'BUTTONS' and jsonb_typeof(p.whole -> 'buttons') = 'array'
  )
  select coalesce(array_agg(distinct w.name), '{}')
  from (
    select m[1] as name
    from parts p, regexp_matches(p.text, '\{\{\s*(\w+)\s*\}\}', 'g') m where p.type = 'BODY'
    union all
    select 'header_' || m[1]
    from parts p, regexp_matches(p.text, '\{\{\s*(\w+)\s*\}\}', 'g') m where p.type = 'HEADER' and p.format = 'TEXT'
    union all
    select 'header' from parts p where p.type = 'HEADER' and p.format <> 'TEXT'
    union all
    select b.name from buttons b
    where b.type = 'COPY_CODE' or (b.type = 'URL' and b.url ~ '\{\{' and b.url !~ '^https://www[.]whatsapp[.]com/otp/')
  ) w;
$$;

-- Null when there is no such campaign for the caller. Problems of severity `error` keep it from being sent, or let every
-- message fail; `warning` concerns some recipients, or the time.
create function public.check_campaign(campaign_id uuid) returns jsonb
language plpgsql stable security definer set search_path = '' as $$
declare
  tenant public.tenants;
  c public.broadcast_campaigns;
  t public.broadcast_templates;
  s public.whatsapp_sessions;
  wanted text[];
  facts record;
  costs record;
  most integer;
  may_write integer;
  beyond integer := 0;
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
    count(*) as waiting,
    count(*) filter (where t.category = 'MARKETING' and k.marketing_opted_out_at is not null) as opted_out,
    count(*) - count(distinct private.phone_key(r.wa_id)) as duplicates,
    count(*) filter (where case jsonb_typeof(r.variables)
      when 'array' then jsonb_array_length(r.variables) < cardinality(wanted)
        or jsonb_path_exists(r.variables, '$[*] ? (@ == null || @ == "")')
      else exists (select 1 from unnest(wanted) w where coalesce(r.variables ->> w, '') = '')
    end) as incomplete
  into facts
  from public.broadcast_recipients r
  left join public.contacts k on k.tenant_id = r.tenant_id and k.phone_key = private.phone_key(r.wa_id)
  where r.campaign_id = c.id and r.status = 'pending';

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
  if facts.opted_out > 0 then
    problems := problems || private.problem('opted_out', 'warning', facts.opted_out);
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
    beyond := greatest(0, facts.waiting - facts.opted_out - may_write);
    if beyond > 0 then
      problems := problems || private.problem('messaging_limit', 'warning', beyond, s.messaging_limit);
    end if;
  end if;

  begins := greatest(now(), c.scheduled_at);
  seconds := ceil((facts.waiting - facts.opted_out)::numeric / s.messages_per_second);
  ends := private.end_of_sending(begins, seconds, c.quiet_hours, tenant.timezone)
    + make_interval(days => case when beyond = 0 then 0 else ceil(beyond::numeric / greatest(most, 1))::integer end);
  if c.recipient_local then
    ends := greatest(ends, (
      select max(r.due_at) from public.broadcast_recipients r where r.campaign_id = c.id and r.status = 'pending'
    ));
  end if;

  with groups as (
    select coalesce((private.calling_code(r.wa_id)).country, '?') as country, count(*) as recipients
    from public.broadcast_recipients r
    left join public.contacts k on k.tenant_id = r.tenant_id and k.phone_key = private.phone_key(r.wa_id)
    where r.campaign_id = c.id and r.status = 'pending'
      and not (t.category = 'MARKETING' and k.marketing_opted_out_at is not null)
    group by 1
  ),
  priced as (
    select g.country, g.recipients, p.amount, p.currency, p.effective_from
    from groups g
    left join lateral (
      select m.amount, m.currency, m.effective_from from public.message_prices m
      where m.tenant_id = c.tenant_id and m.category = t.category and m.country in (g.country, '*')
        and m.effective_from <= (begins at time zone tenant.timezone)::date
      order by m.country = '*', m.effective_from desc
      limit 1
    ) p on true
  )
  select
    coalesce(jsonb_agg(jsonb_build_object(
      'country', country, 'recipients', recipients, 'price', amount::text, 'currency', currency,
      'price_from', effective_from, 'cost', (amount * recipients)::text
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
      'recipients', facts.waiting - facts.opted_out, 'skipped', facts.opted_out,
      'messages_per_second', s.messages_per_second, 'seconds', seconds, 'begins_at', begins, 'finishes_at', ends,
      'over_limit', beyond, 'remaining_limit', may_write,
      'category', t.category, 'cost', costs.totals, 'cost_complete', costs.without_price = 0, 'countries', costs.countries
    )
  );
end;
$$;

create function private.problem(code text, severity text, count bigint, value text default null) returns jsonb
language sql immutable set search_path = '' as $$
  select jsonb_build_array(jsonb_strip_nulls(jsonb_build_object(
    'code', code, 'severity', severity, 'count', count, 'value', value
  )));
$$;

revoke execute on all functions in schema private from public;
revoke execute on function public.list_message_prices(), public.set_message_prices(jsonb), public.check_campaign(uuid)
  from public, anon;
grant execute on function public.list_message_prices(), public.set_message_prices(jsonb), public.check_campaign(uuid)
  to authenticated;
