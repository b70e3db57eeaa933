-- The check of a campaign before it is sent: problems, costs, and the expected end.
--
-- The listed prices come from published copies of Meta's rate card; each is included only where several copies agree. A
-- tenant's own prices take precedence. Meta changes the rate card every quarter, so each price has a date, and listed
-- prices are marked as such.

-- The price of a delivered template message by the recipient's country. The tenant enters it from Meta's rate card
-- (https://business.whatsapp.com/products/platform-pricing), with the day from which it applies.
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

create table private.listed_prices (
  country text not null check (country ~ '^[A-Z]{2}$'),
  category text not null check (category in ('MARKETING', 'UTILITY', 'AUTHENTICATION')),
  effective_from date not null,
  currency text not null default 'USD' check (currency ~ '^[A-Z]{3}$'),
  amount numeric(12, 6) not null check (amount >= 0),
  primary key (country, category, effective_from)
);

-- Security definer: clients have no right to call `private.prices_of`.
create function public.list_message_prices() returns jsonb
language plpgsql stable security definer set search_path = '' as $$
begin
  perform private.require('broadcasts.view');
  return private.prices_of(private.tenant_id());
end;
$$;

-- Sets prices: a list of {"country" (or `*` for all others), "category", "effective_from", "currency", "amount"}; a
-- null amount deletes a price.
-- Security definer: clients have no right to write prices.
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
  return private.prices_of(private.tenant_id());
end;
$$;

-- The end of `seconds` of sending from `start`, with pauses during quiet hours.
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

-- Problems and estimates of a campaign. A problem of severity `error` prevents sending or makes every
-- message fail. A `warning` concerns some recipients, or the time. Blocked and erased contacts are not counted, and
-- values that Meta would refuse are named. A campaign in the recipients' local time is calculated by their clocks, even
-- as a draft. Other campaigns of the same number take their share of its pace.
create function private.check_of(c public.broadcast_campaigns) returns jsonb
language plpgsql stable set search_path = '' as $$
declare
  tenant public.tenants;
  t public.broadcast_templates;
  s public.whatsapp_sessions;
  wanted text[];
  facts record;
  costs record;
  header jsonb;
  body_length integer;
  -- how often each placeholder appears in the body
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
    count(*) filter (where v.incomplete) as incomplete,
    count(*) filter (
      where not v.incomplete and private.invalid_values(
        t.components, coalesce(body_length, 0), coalesce(repeats, 0), header, r.variables
      )
    ) as unfit
  into facts
  from public.broadcast_recipients r
  left join public.contacts k on k.tenant_id = r.tenant_id and k.phone_key = private.phone_key(r.wa_id)
  cross join lateral (
    -- the same rules as in private.skip_ineligible
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
  if private.unsendable_parts(t.components) is not null then
    problems := problems || private.problem('template_unsupported', 'error', null, private.unsendable_parts(t.components));
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
  -- The campaigns of a number share its pace equally: until this one ends, each other one has sent as many messages, or
  -- all of its own.
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
        -- launched: each recipient has a time
        when y.due_at is not null then y.due_at
        else (coalesce(c.scheduled_local, c.scheduled_at at time zone tenant.timezone)) at time zone y.zone
      end)) as start
      from (
        select coalesce(r.timezone, l.timezone, tenant.timezone) as zone,
          case when r.timezone is not null then r.due_at end as due_at
        from public.broadcast_recipients r
        join (
          select left(o.wa_id, 4) as digits, (private.calling_code(left(o.wa_id, 4))).timezone
          from public.broadcast_recipients o
          where o.campaign_id = c.id and o.status = 'pending'
          group by 1
        ) l on l.digits = left(r.wa_id, 4)
        where r.campaign_id = c.id and r.status = 'pending'
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

  with prefixes as (
    -- A calling code has at most four digits. Looking it up for each recipient would take most of the check's time.
    select left(r.wa_id, 4) as digits, count(*) as recipients
    from public.broadcast_recipients r
    left join public.contacts k on k.tenant_id = r.tenant_id and k.phone_key = private.phone_key(r.wa_id)
    where r.campaign_id = c.id and r.status = 'pending' and r.wa_id not like '0%' and k.blocked_at is null
      and not (t.category = 'MARKETING' and k.marketing_opted_out_at is not null)
    group by 1
  ),
  groups as (
    select coalesce((private.calling_code(p.digits)).country, '?') as country, sum(p.recipients)::bigint as recipients
    from prefixes p
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

-- Null if the caller's tenant has no such campaign.
-- Security definer: clients have no right to call `private.check_of`.
-- Time limit: it reads every recipient that waits, of whom there can be 100,000. The API waits 15 s.
create function public.check_campaign(campaign_id uuid) returns jsonb
language plpgsql stable security definer set search_path = '' set statement_timeout = '14s' as $$
begin
  perform private.require('broadcasts.view');
  return (
    select private.check_of(k) from public.broadcast_campaigns k
    where k.id = check_campaign.campaign_id and k.tenant_id = private.tenant_id()
  );
end;
$$;

-- Refuses a campaign whose check has errors, except those whose codes `accepted` lists.
create function private.require_checked(c public.broadcast_campaigns, accepted jsonb) returns void
language plpgsql stable set search_path = '' as $$
declare
  codes text;
  sentence text;
begin
  select string_agg(p ->> 'code', ',' order by p ->> 'code'),
    string_agg((p ->> 'code') || coalesce(format(' (%s)', p ->> 'count'), ''), ', ' order by p ->> 'code')
  into codes, sentence
  from jsonb_array_elements(private.check_of(c) -> 'problems') p
  where p ->> 'severity' = 'error' and not coalesce(accepted, '[]') ? (p ->> 'code');
  if codes is not null then
    raise sqlstate 'PT422' using
      message = format('The check of the campaign has errors: %s. Correct them, or name them in accept_problems.', sentence),
      detail = 'campaign_problems', hint = codes;
  end if;
end;
$$;

-- The parts of a template that a campaign cannot fill in, as `TemplateDefinition` names them; null if there are none.
create function private.unsendable_parts(components jsonb) returns text
language sql immutable set search_path = '' as $$
  select string_agg(p.name, ', ')
  from (
    select lower(c.value ->> 'type') as name from jsonb_array_elements(components) c
    where upper(c.value ->> 'type') <> all ('{HEADER,BODY,FOOTER,BUTTONS}')
    union all
    select 'header ' || lower(c.value ->> 'format') from jsonb_array_elements(components) c
    where upper(c.value ->> 'type') = 'HEADER'
      and upper(coalesce(c.value ->> 'format', 'TEXT')) <> all ('{TEXT,IMAGE,VIDEO,GIF,DOCUMENT,LOCATION}')
    union all
    select format('button %s', lower(b.value ->> 'type')) from jsonb_array_elements(components) c
    cross join lateral jsonb_array_elements(
      case when jsonb_typeof(c.value -> 'buttons') = 'array' then c.value -> 'buttons' else '[]' end
    ) b
    where upper(c.value ->> 'type') = 'BUTTONS' and upper(b.value ->> 'type') <> all (
      '{URL,OTP,COPY_CODE,FLOW,QUICK_REPLY,PHONE_NUMBER,VOICE_CALL,REQUEST_CONTACT_INFO}'
    )
  ) p;
$$;

create function private.problem(code text, severity text, count bigint, value text default null) returns jsonb
language sql immutable set search_path = '' as $$
  select jsonb_build_array(jsonb_strip_nulls(jsonb_build_object(
    'code', code, 'severity', severity, 'count', count, 'value', value
  )));
$$;

-- The tenant's own prices, and the listed ones where it has none of the same day.
create function private.prices_of(tenant uuid) returns jsonb
language sql stable set search_path = '' as $$
  select coalesce(jsonb_agg(w.price order by w.country, w.category, w.effective_from desc), '[]')
  from (
    select p.country, p.category, p.effective_from,
      to_jsonb(p) - 'tenant_id' || jsonb_build_object('amount', p.amount::text, 'source', 'own') as price
    from public.message_prices p where p.tenant_id = tenant
    union all
    select l.country, l.category, l.effective_from,
      to_jsonb(l) || jsonb_build_object('amount', l.amount::text, 'source', 'listed')
    from private.listed_prices l
    where not exists (
      select 1 from public.message_prices p
      where p.tenant_id = tenant and p.country = l.country and p.category = l.category and p.effective_from = l.effective_from
    )
  ) w;
$$;

-- The price of a message on a day. Precedence: the tenant's price for the country, its price for all others, the listed
-- price.
create function private.price_on(tenant uuid, of_country text, of_category text, day date)
returns table (amount numeric, currency text, effective_from date, source text)
language sql stable set search_path = '' rows 1 as $$
  select w.amount, w.currency, w.effective_from, w.source
  from (
    select case when m.country = '*' then 2 else 1 end as rank, m.amount, m.currency, m.effective_from, 'own' as source
    from public.message_prices m
    where m.tenant_id = tenant and m.category = of_category and m.country in (of_country, '*') and m.effective_from <= day
    union all
    select 3, l.amount, l.currency, l.effective_from, 'listed'
    from private.listed_prices l
    where l.country = of_country and l.category = of_category and l.effective_from <= day
  ) w
  order by w.rank, w.effective_from desc
  limit 1;
$$;

create trigger touch_updated_at before update on public.message_prices
  for each row execute function private.touch_updated_at();

-- Changes are written to the audit log.
select private.audit_table('message_prices', 'tenant_id,country,category,effective_from');

alter table public.message_prices enable row level security;
alter table private.listed_prices enable row level security;

create policy "permitted people read prices" on public.message_prices for select to authenticated
  using (tenant_id = (select private.tenant_id()) and (select private.has_permission('broadcasts.view')));
create policy "no client access" on private.listed_prices to authenticated using (false);

grant select on public.message_prices to authenticated;

grant execute on function
  public.list_message_prices(),
  public.set_message_prices(jsonb),
  public.check_campaign(uuid)
to authenticated;

with card (countries, marketing, others, since) as (
  values
    ('{ID}'::text[], 0.0411, 0.0250, date '2026-01-01'),
    ('{MY}', 0.0860, 0.0140, '2026-01-01'),
    -- "Rest of Asia Pacific" on the rate card
    ('{SG,PH,TH,VN}', 0.0732, 0.0113, '2026-01-01'),
    ('{IN}', 0.0118, 0.0014, '2026-01-01'),
    ('{PK}', 0.0473, 0.0054, '2026-01-01'),
    ('{PK}', 0.0473, 0.0100, '2026-04-01'),
    ('{SA}', 0.0455, 0.0107, '2026-01-01'),
    ('{SA}', 0.0501, 0.0107, '2026-04-01'),
    ('{AE}', 0.0499, 0.0157, '2026-01-01'),
    ('{EG}', 0.0644, 0.0036, '2026-01-01'),
    ('{NG}', 0.0516, 0.0067, '2026-01-01'),
    ('{ZA}', 0.0379, 0.0076, '2026-01-01'),
    ('{IL}', 0.0353, 0.0053, '2026-01-01'),
    ('{DE}', 0.1365, 0.0550, '2026-01-01'),
    ('{FR}', 0.0859, 0.0300, '2026-01-01'),
    ('{IT}', 0.0691, 0.0300, '2026-01-01'),
    ('{ES}', 0.0615, 0.0200, '2026-01-01'),
    ('{NL}', 0.1597, 0.0500, '2026-01-01'),
    ('{US}', 0.0250, 0.0034, '2026-01-01'),
    ('{MX}', 0.0305, 0.0085, '2026-01-01'),
    ('{BR}', 0.0625, 0.0068, '2026-01-01'),
    ('{AR}', 0.0618, 0.0260, '2026-01-01'),
    ('{CL}', 0.0889, 0.0200, '2026-01-01'),
    ('{CO}', 0.0125, 0.0008, '2026-01-01'),
    ('{PE}', 0.0703, 0.0200, '2026-01-01')
)
insert into private.listed_prices (country, category, effective_from, amount)
select c.country, t.category, p.since, case t.category when 'MARKETING' then p.marketing else p.others end
from card p
cross join unnest(p.countries) c (country)
cross join unnest('{MARKETING,UTILITY,AUTHENTICATION}'::text[]) t (category);
