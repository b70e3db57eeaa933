-- A restriction that Meta gives an end ends by itself: Meta sends no word of it.

alter table public.whatsapp_sessions
  -- when what `account_standing` says is over; null: when Meta says so
  add column account_standing_until timestamptz;
create index whatsapp_sessions_standing_until_idx on public.whatsapp_sessions (account_standing_until)
  where account_standing_until is not null;

-- A moment as Meta writes it: seconds or milliseconds since 1970, or a date with its offset. Null for anything else.
create function private.notice_moment(words text) returns timestamptz
language plpgsql immutable set search_path = '' as $$
begin
  return case
    when words ~ '^[0-9]{13}$' then to_timestamp(words::numeric / 1000)
    when words ~ '^[0-9]{1,12}$' then to_timestamp(words::numeric)
    when words ~ '^[0-9]{4}-[0-9]{2}-[0-9]{2}[Tt ][0-9:.]+ ?([Zz]|[+-][0-9:]+)$' then words::timestamptz
  end;
exception
  when others then
    return null;
end;
$$;

-- When the last restriction of messaging in a notice ends; null when one of them has no end, or one that was over before
-- the notice.
create function private.restricted_until(value jsonb, at timestamptz) returns timestamptz
language sql immutable set search_path = '' as $$
  select case when bool_and(coalesce(m.moment > at, false)) then max(m.moment) end
  from jsonb_array_elements(private.json_list(value -> 'restriction_info')) as r
  cross join lateral private.notice_moment(r ->> 'expiration') as m (moment)
  where r ->> 'restriction_type' ~ 'MESSAGING';
$$;

create or replace function private.follow_account(tenant uuid, account text, consequence jsonb, at timestamptz) returns void
language plpgsql set search_path = '' as $$
begin
  perform 1 from public.whatsapp_sessions s
  where s.tenant_id = tenant and s.meta_business_account_id = account order by s.id for update;

  update public.whatsapp_sessions s
  set
    account_standing = case when consequence ? 'standing' then consequence ->> 'standing' else s.account_standing end,
    account_standing_at = case when consequence ? 'standing' then at else s.account_standing_at end,
    account_standing_until = case when consequence ? 'standing' then (consequence ->> 'until')::timestamptz
      else s.account_standing_until end,
    account_connection = case when consequence ? 'connection' then consequence ->> 'connection'
      else s.account_connection end,
    account_connection_at = case when consequence ? 'connection' then at else s.account_connection_at end
  where s.tenant_id = tenant and s.meta_business_account_id = account and at >= coalesce(
    case when consequence ? 'standing' then s.account_standing_at else s.account_connection_at end, '-infinity'
  );

  update public.whatsapp_sessions s
  set
    status = case when n.code is not null then 'broken' else coalesce(s.status_before, 'connected') end,
    status_reason = case when n.code is not null then private.account_sentence(n.code) ->> t.locale end,
    status_code = n.code,
    status_before = case when n.code is null then null when s.status = 'broken' then s.status_before else s.status end
  from (
    select o.id, coalesce(o.account_standing, o.account_connection) as code from public.whatsapp_sessions o
    where o.tenant_id = tenant and o.meta_business_account_id = account
  ) n
  join public.tenants t on t.id = tenant
  where s.id = n.id
    -- what broke for another reason is not mended by this
    and case
      when n.code is null then s.status = 'broken' and s.status_code like 'account\_%'
      -- good news of one kind does not stop a number that a person has connected again in spite of the other
      when coalesce(consequence ->> 'standing', consequence ->> 'connection') is null then s.status = 'broken'
      else s.status in ('connected', 'paused', 'broken')
    end
    and s.status_code is distinct from n.code;
end;
$$;

create or replace function private.ingest_event(event jsonb) returns text
language plpgsql set search_path = '' as $$
declare
  field constant text := event ->> 'field';
  account constant text := event ->> 'business_account_id';
  value constant jsonb := event -> 'payload';
  kind constant text := private.notice_kind(field, value);
  at constant timestamptz := private.meta_time(coalesce((event ->> 'timestamp')::bigint,
    case when value ->> 'timestamp' ~ '^[0-9]{1,15}$' then (value ->> 'timestamp')::bigint end));
  summary constant jsonb := private.notice_summary(field, kind, value);
  digits constant text := regexp_replace(coalesce(value ->> 'display_phone_number', ''), '[^0-9]', '', 'g');
  session public.whatsapp_sessions;
  tenant uuid;
  number uuid;
begin
  if field = 'user_preferences' then
    select s.* into session from public.whatsapp_sessions s
    where s.meta_phone_number_id = event ->> 'phone_number_id';
    if not found then
      return 'unknown_number';
    end if;
    perform private.ingest_preferences(session, value);
    return null;
  end if;

  if not exists (
    select 1 from public.whatsapp_sessions s
    where s.meta_business_account_id = account and s.status <> 'disconnected'
  ) then
    return 'unknown_account';
  end if;
  for tenant in
    select distinct s.tenant_id from public.whatsapp_sessions s
    where s.meta_business_account_id = account and s.status <> 'disconnected'
    order by 1
  loop
    number := (
      select s.id from public.whatsapp_sessions s
      where s.tenant_id = tenant and s.meta_business_account_id = account and s.status <> 'disconnected'
        and (s.meta_phone_number_id = event ->> 'phone_number_id'
          or (digits <> '' and regexp_replace(s.display_phone_number, '[^0-9]', '', 'g') = digits)
          -- its only number, which does not know how it is displayed
          or (digits <> '' and s.display_phone_number = '' and not exists (
            select 1 from public.whatsapp_sessions o
            where o.tenant_id = tenant and o.meta_business_account_id = account and o.id <> s.id
          )))
      order by s.id
      limit 1
    );
    insert into public.account_events (
      tenant_id, meta_business_account_id, session_id, field, kind, severity, summary, payload, fingerprint, occurred_at
    )
    values (
      tenant, account, number, field, kind, summary ->> 'severity', summary - 'severity', value,
      md5(concat_ws(' ', field, account, event ->> 'timestamp', value)), at
    )
    on conflict (tenant_id, fingerprint) do nothing;
    if not found then
      -- Delivered again: it has been followed.
      continue;
    end if;

    case
      when field = 'account_update' then
        if private.notice_consequence(kind, value) is not null then
          perform private.follow_account(
            tenant, account,
            private.notice_consequence(kind, value) || jsonb_build_object('until', private.restricted_until(value, at)), at
          );
        end if;
      when field in ('phone_number_quality_update', 'phone_number_name_update', 'business_capability_update') then
        perform private.follow_number(tenant, account, number, field, kind, value, at);
      when field like '%template%' then
        perform private.follow_template(tenant, account, field, kind, value, at);
      else
        null;
    end case;
  end loop;
  return null;
end;
$$;

-- Restrictions whose time is over. Answers with how many numbers they held. Called whenever a run of the sender begins, and
-- by housekeeping.
create function public.end_restrictions() returns integer
language plpgsql set search_path = '' as $$
declare
  account record;
  ended integer := 0;
begin
  for account in
    select s.tenant_id, s.meta_business_account_id as id, max(s.account_standing_until) as until,
      max(s.account_standing_at) as told_at, count(*) as numbers
    from public.whatsapp_sessions s
    where s.account_standing_until <= now()
    group by s.tenant_id, s.meta_business_account_id
    order by s.tenant_id, s.meta_business_account_id
  loop
    -- as of the notice itself: a later one that is delivered late still counts
    perform private.follow_account(account.tenant_id, account.id, '{"standing": null}', account.told_at);
    ended := ended + account.numbers;
    insert into public.account_events (
      tenant_id, meta_business_account_id, field, kind, severity, summary, payload, fingerprint, occurred_at
    )
    values (
      account.tenant_id, account.id, 'account_update', 'RESTRICTION_ENDED', 'info', private.account_sentence(null), '{}',
      md5(concat_ws(' ', 'restriction_ended', account.id, extract(epoch from account.until))), account.until
    )
    on conflict (tenant_id, fingerprint) do nothing;
  end loop;
  return ended;
end;
$$;

revoke execute on function private.notice_moment(text), private.restricted_until(jsonb, timestamptz) from public;
revoke execute on function public.end_restrictions() from public, anon, authenticated;
grant execute on function public.end_restrictions() to service_role;
