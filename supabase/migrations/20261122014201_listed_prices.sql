-- Prices to begin with: what Meta's rate card was reported to say, by countries of which several published copies of it
-- agree. A tenant's own entries go before them. Rate cards change every quarter: each price has its day, and says that it
-- is nobody's own.

create table private.listed_prices (
  country text not null check (country ~ '^[A-Z]{2}$'),
  category text not null check (category in ('MARKETING', 'UTILITY', 'AUTHENTICATION')),
  effective_from date not null,
  currency text not null default 'USD' check (currency ~ '^[A-Z]{3}$'),
  amount numeric(12, 6) not null check (amount >= 0),
  primary key (country, category, effective_from)
);
-- The list price per delivered message in US dollars, without volume tiers and without what applies to passcodes from
-- abroad. Copies of the cards of 1 January, 1 April and 1 July 2026 that agree; countries of which they do not, such as GB
-- and TR, are left to the tenant.
with card (countries, marketing, others, since) as (
  values
    ('{ID}'::text[], 0.0411, 0.0250, date '2026-01-01'),
    ('{MY}', 0.0860, 0.0140, '2026-01-01'),
    -- what the card calls the rest of Asia Pacific
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

-- The tenant's own prices, and those listed in their place where there is none of the same day.
create function private.prices_of(tenant uuid) returns jsonb
language sql stable security definer set search_path = '' as $$
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

create or replace function public.list_message_prices() returns jsonb
language plpgsql stable security definer set search_path = '' as $$
begin
  perform private.require('broadcasts.view');
  return private.prices_of(private.tenant_id());
end;
$$;

create or replace function public.set_message_prices(prices jsonb) returns jsonb
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

-- The price of a message on a day: the tenant's own for the country, its own for all others, the listed one.
create function private.price_on(tenant uuid, of_country text, of_category text, day date)
returns table (amount numeric, currency text, effective_from date, source text)
language sql stable security definer set search_path = '' rows 1 as $$
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

alter table private.listed_prices enable row level security;
create policy "nobody" on private.listed_prices to authenticated using (false);
revoke all on private.listed_prices from public;
revoke execute on function private.prices_of(uuid), private.price_on(uuid, text, text, date) from public;
