-- Connected numbers: their health as reported by Meta, and how a tenant connects and removes them.
--
-- A number belongs to one tenant. Only the service may call the functions that connect a number, because the API first
-- checks with Meta that the tenant owns it.

create table public.whatsapp_sessions (
  id uuid primary key default gen_random_uuid(),
  tenant_id uuid not null references public.tenants (id) on delete cascade,
  name text not null default '' check (char_length(name) <= 200 and (name = '' or private.is_visible(name))),
  meta_phone_number_id text unique check (meta_phone_number_id ~ '^[0-9]{1,32}$'),
  meta_business_account_id text not null check (meta_business_account_id ~ '^[0-9]{1,32}$'),
  display_phone_number text not null default '',
  -- connected: receives and sends. paused: a person stopped sending. broken: Meta refuses our token or has blocked the
  -- account; `status_reason` says which. disconnected: a person took the number out of use; its messages stay.
  status text not null default 'connected' check (status in ('connected', 'paused', 'broken', 'disconnected')),
  status_reason text,
  -- The pace of campaigns. The default of 10 protects a number's quality. Meta allows 80, and 1000 for large senders.
  messages_per_second integer not null default 10 check (messages_per_second between 1 and 1000),
  created_at timestamptz not null default now(),
  updated_at timestamptz not null default now(),
  -- GREEN, YELLOW, RED or UNKNOWN
  quality_rating text,
  -- the limit of the whole business portfolio, in Meta's terms: TIER_250, TIER_2K, TIER_10K, TIER_100K, TIER_UNLIMITED
  messaging_limit text,
  verified_name text,
  -- APPROVED, DECLINED, PENDING_REVIEW, ...
  name_status text,
  -- STANDARD or HIGH
  throughput_level text,
  -- Meta's status: CONNECTED, FLAGGED, RESTRICTED, BANNED, ...
  meta_status text,
  health_checked_at timestamptz,
  -- the reason for `broken` as a code: account_disabled, account_restricted, account_deleted, account_disconnected, or
  -- a code of the caller that found the number broken. `status_reason` explains it in the tenant's language.
  status_code text,
  -- the status before Meta blocked the number
  status_before text check (status_before in ('connected', 'paused')),
  -- Meta's latest notices: about the account's standing, and about its connection with us. Null: no problem is known.
  account_standing text check (account_standing in ('account_disabled', 'account_restricted')),
  account_connection text
    check (account_connection in ('account_deleted', 'account_disconnected')),
  -- the times of the notices that were applied: an older or repeated notice changes nothing
  account_standing_at timestamptz,
  account_connection_at timestamptz,
  quality_at timestamptz,
  limit_at timestamptz,
  name_at timestamptz,
  -- the error of the last health check
  health_error text,
  -- environment: uses META_WHATSAPP_TOKEN. own: uses a token in private.number_tokens
  access_source text not null default 'environment' check (access_source in ('environment', 'own')),
  access_status text not null default 'unchecked'
    check (access_status in ('unchecked', 'valid', 'invalid')),
  -- when the number last received a token of its own
  access_changed_at timestamptz,
  -- the id of a deleted number; another tenant may have connected it since
  former_phone_number_id text check (former_phone_number_id ~ '^[0-9]{1,32}$'),
  deleted_at timestamptz,
  -- how new and reopened conversations of the number are assigned
  assignment text not null default 'manual' check (assignment in ('manual', 'round_robin', 'least_busy')),
  -- automatic assignment skips people with this many open conversations
  assignment_max_open integer check (assignment_max_open between 1 and 1000),
  -- when `account_standing` ends; null: Meta will report the end
  account_standing_until timestamptz,
  -- when Meta's token for the number expires, as entered by a person; null: it does not expire
  access_expires_at timestamptz,
  unique (id, tenant_id),
  check ((meta_phone_number_id is null) = (deleted_at is not null))
);
create index whatsapp_sessions_tenant_id_idx on public.whatsapp_sessions (tenant_id);
create index whatsapp_sessions_business_account_idx on public.whatsapp_sessions (meta_business_account_id);
create index whatsapp_sessions_former_idx on public.whatsapp_sessions (former_phone_number_id, tenant_id)
  where former_phone_number_id is not null;
create index whatsapp_sessions_standing_until_idx on public.whatsapp_sessions (account_standing_until)
  where account_standing_until is not null;

create function private.number_json(s public.whatsapp_sessions) returns jsonb
language sql stable set search_path = '' as $$
  select jsonb_build_object(
    'id', s.id, 'name', s.name,
    'phone_number_id', coalesce(s.meta_phone_number_id, s.former_phone_number_id),
    'business_account_id', s.meta_business_account_id,
    'display_phone_number', s.display_phone_number, 'verified_name', s.verified_name,
    'status', s.status, 'status_reason', s.status_reason, 'status_code', s.status_code,
    'messages_per_second', s.messages_per_second,
    'quality_rating', s.quality_rating, 'messaging_limit', s.messaging_limit, 'name_status', s.name_status,
    'throughput_level', s.throughput_level, 'meta_status', s.meta_status,
    'health_checked_at', s.health_checked_at, 'health_error', s.health_error,
    'token_source', s.access_source, 'token_status', s.access_status, 'token_changed_at', s.access_changed_at,
    'token_expires_at', s.access_expires_at,
    'created_at', s.created_at, 'updated_at', s.updated_at, 'deleted_at', s.deleted_at
  );
$$;

-- Broadcasts changes of a number. A health check that found no difference is not broadcast.
create function private.announce_number() returns trigger
language plpgsql set search_path = '' as $$
begin
  perform private.record_and_broadcast(new.tenant_id, 'numbers', null, 'number.updated', private.number_json(new));
  return null;
end;
$$;

-- The caller's numbers. Deleted numbers are not listed, although their conversations still refer to them.
create function public.list_numbers() returns jsonb
language sql stable set search_path = '' as $$
  select coalesce(jsonb_agg(private.number_json(s) order by s.created_at, s.id), '[]')
  from public.whatsapp_sessions s
  where s.deleted_at is null;
$$;

create function public.get_number(session_id uuid) returns jsonb
language sql stable set search_path = '' as $$
  select private.number_json(s) from public.whatsapp_sessions s where s.id = get_number.session_id;
$$;

-- Returns a number of the caller's tenant, locked, if the caller may change it.
create function private.own_number(session_id uuid) returns public.whatsapp_sessions
language plpgsql set search_path = '' as $$
declare
  number public.whatsapp_sessions;
begin
  if not private.has_permission('numbers.manage') then
    raise sqlstate 'PT403' using message = 'You may not manage numbers.', detail = 'forbidden';
  end if;
  select s.* into number from public.whatsapp_sessions s
  where s.id = own_number.session_id and s.tenant_id = private.tenant_id() and s.deleted_at is null
  for update;
  if not found then
    raise sqlstate 'PT404' using message = 'There is no such number.', detail = 'not_found';
  end if;
  return number;
end;
$$;

-- Changes a number: {"name", "messages_per_second", "action", "token_expires_at", "assignment", "check_only"}, all
-- optional. `assignment` has the changes of `set_assignment`. With `check_only` the changes are made and undone, so that
-- they are refused before the API asks Meta. A broken or disconnected number is connected by `connect_number`, because the
-- API must ask Meta first.
-- Security definer: clients have no right to write numbers.
create function public.change_number(session_id uuid, changes jsonb) returns jsonb
language plpgsql security definer set search_path = '' as $$
declare
  number public.whatsapp_sessions := private.own_number(change_number.session_id);
  fastest constant integer := case when number.throughput_level = 'HIGH' then 1000 else 80 end;
begin
  perform private.require('numbers.manage');
  if (changes ->> 'messages_per_second')::integer not between 1 and fastest then
    raise sqlstate 'PT422' using message = format('This number may send 1 to %s messages per second.', fastest),
      detail = 'invalid_field', hint = 'messages_per_second';
  end if;
  case changes ->> 'action'
    when 'pause' then
      if number.status not in ('connected', 'paused') then
        raise sqlstate 'PT409' using message = 'Only a connected number can be paused.', detail = 'number_unavailable';
      end if;
      number.status := 'paused';
      number.status_reason := null;
    when 'resume' then
      if number.status not in ('connected', 'paused') then
        raise sqlstate 'PT409' using message = 'Only a paused number can be resumed. Connect it again.',
          detail = 'number_unavailable';
      end if;
      number.status := 'connected';
      number.status_reason := null;
    when 'disconnect' then
      number.status := 'disconnected';
      number.status_reason := null;
      perform private.pause_campaigns_of(number.id, 'The number was disconnected.');
    else
      null;
  end case;

  begin
    update public.whatsapp_sessions s
    set
      name = coalesce(changes ->> 'name', s.name),
      messages_per_second = coalesce((changes ->> 'messages_per_second')::integer, s.messages_per_second),
      access_expires_at = case when changes ? 'token_expires_at' then (changes ->> 'token_expires_at')::timestamptz
        else s.access_expires_at end,
      status = number.status,
      status_reason = number.status_reason,
      status_code = case when number.status = 'broken' then s.status_code end,
      status_before = case when number.status = 'broken' then s.status_before end
    where s.id = number.id
    returning s.* into number;
    if changes ? 'assignment' then
      perform public.set_assignment(number.id, changes -> 'assignment');
    end if;
    if (changes ->> 'check_only')::boolean then
      raise sqlstate 'UNDO0' using message = 'The changes were only checked.';
    end if;
  exception when sqlstate 'UNDO0' then
    null;
  end;
  return private.number_json(number);
end;
$$;

-- Deletes a number. Its conversations and messages stay, its token is deleted, and its id becomes free for other
-- tenants. Returns its account, and whether another of our numbers uses that account.
-- Security definer: clients have no right to write numbers.
create function public.delete_number(session_id uuid) returns jsonb
language plpgsql security definer set search_path = '' as $$
declare
  number public.whatsapp_sessions := private.own_number(delete_number.session_id);
begin
  perform private.require('numbers.manage');
  update public.whatsapp_sessions s
  set
    status = 'disconnected', status_reason = null, status_code = null, access_expires_at = null, deleted_at = now(),
    former_phone_number_id = s.meta_phone_number_id, meta_phone_number_id = null
  where s.id = number.id;
  delete from private.number_tokens t where t.session_id = number.id;
  perform private.pause_campaigns_of(number.id, 'The number was disconnected.');
  return jsonb_build_object('business_account_id', number.meta_business_account_id, 'account_in_use', exists (
    select 1 from public.whatsapp_sessions o
    where o.meta_business_account_id = number.meta_business_account_id and o.deleted_at is null
  ));
end;
$$;

-- The session id under which a number of the caller is or will be stored: {"session_id", "access_source"}.
-- `access_source` is set for a number that was connected before and gets its history back. Refuses a number of another
-- tenant.
-- Security definer: the caller cannot see another tenant's number, which still blocks the connection.
create function public.find_number_session(phone_number_id text) returns jsonb
language plpgsql stable security definer set search_path = '' as $$
declare
  number public.whatsapp_sessions;
begin
  if not private.has_permission('numbers.manage') then
    raise sqlstate 'PT403' using message = 'You may not manage numbers.', detail = 'forbidden';
  end if;
  select s.* into number from public.whatsapp_sessions s
  where s.meta_phone_number_id = find_number_session.phone_number_id;
  if not found then
    select s.* into number from public.whatsapp_sessions s
    where s.former_phone_number_id = find_number_session.phone_number_id and s.tenant_id = private.tenant_id()
    order by s.deleted_at desc
    limit 1;
  elsif number.tenant_id <> private.tenant_id() then
    raise sqlstate 'PT409' using message = 'This number is connected to another organisation.',
      detail = 'number_taken';
  end if;
  return jsonb_build_object('session_id', coalesce(number.id, gen_random_uuid()), 'token_source', number.access_source);
end;
$$;

-- Stores Meta's report about a number: {"display_phone_number", "verified_name", "quality_rating", "status",
-- "name_status", "throughput": {"level"}, "whatsapp_business_manager_messaging_limit"}. Missing fields stay unchanged.
-- A number that Meta has banned becomes broken until Meta lifts the ban, because Meta refuses everything sent from it.
create function private.store_health(session uuid, health jsonb) returns void
language sql set search_path = '' as $$
  update public.whatsapp_sessions s
  set
    display_phone_number = coalesce(health ->> 'display_phone_number', s.display_phone_number),
    verified_name = coalesce(health ->> 'verified_name', s.verified_name),
    quality_rating = coalesce(health ->> 'quality_rating', s.quality_rating),
    meta_status = coalesce(health ->> 'status', s.meta_status),
    name_status = coalesce(health ->> 'name_status', s.name_status),
    throughput_level = coalesce(health #>> '{throughput,level}', s.throughput_level),
    messaging_limit = coalesce(health ->> 'whatsapp_business_manager_messaging_limit', s.messaging_limit),
    health_checked_at = now(),
    health_error = null,
    access_status = 'valid',
    status = case b.turn when 'banned' then 'broken' when 'lifted' then coalesce(s.status_before, 'connected')
      else s.status end,
    status_code = case b.turn when 'banned' then 'number_banned' when 'lifted' then null else s.status_code end,
    status_reason = case b.turn
      when 'banned' then case t.locale when 'id' then 'Meta memblokir nomor ini.' else 'Meta has banned this number.' end
      when 'lifted' then null
      else s.status_reason
    end,
    status_before = case b.turn
      when 'banned' then case when s.status = 'broken' then coalesce(s.status_before, 'connected') else s.status end
      when 'lifted' then null
      else s.status_before
    end
  from public.tenants t
  cross join lateral (
    select case
      when health ->> 'status' = 'BANNED' then 'banned'
      when health ->> 'status' is not null then 'lifted'
    end as word
  ) w
  cross join lateral (
    select case
      when w.word = 'banned'
        and (o.status in ('connected', 'paused') or (o.status = 'broken' and o.status_code = 'token_invalid'))
        then 'banned'
      when w.word = 'lifted' and o.status = 'broken' and o.status_code = 'number_banned' then 'lifted'
      -- Meta accepted the token for this report. An account that Meta has blocked stays broken.
      when w.word is distinct from 'banned' and o.status = 'broken' and o.status_code = 'token_invalid'
        and o.account_standing is null and o.account_connection is null
        then 'lifted'
    end as turn
    from public.whatsapp_sessions o
    where o.id = session
  ) b
  where s.id = session and t.id = s.tenant_id;
$$;

-- Creates the number of the environment for the tenant of the environment, once. A deleted number is not created again.
create function public.ensure_default_number(tenant_id uuid, phone_number_id text, business_account_id text)
returns uuid
language sql set search_path = '' as $$
  insert into public.whatsapp_sessions (tenant_id, meta_phone_number_id, meta_business_account_id)
  select t.id, ensure_default_number.phone_number_id, ensure_default_number.business_account_id
  from public.tenants t
  where t.id = ensure_default_number.tenant_id and not exists (
    select 1 from public.whatsapp_sessions s
    where s.former_phone_number_id = ensure_default_number.phone_number_id and s.tenant_id = t.id
  )
  on conflict (meta_phone_number_id) do nothing
  returning id;
$$;

-- Numbers whose health was last checked before `older_than`, with the credentials for a check.
create function public.numbers_to_check(older_than timestamptz, page_size integer, only_session uuid default null)
returns jsonb
language sql stable set search_path = '' as $$
  select coalesce(jsonb_agg(n.number), '[]')
  from (
    select jsonb_build_object(
      'session_id', s.id, 'phone_number_id', s.meta_phone_number_id, 'business_account_id', s.meta_business_account_id
    ) as number
    from public.whatsapp_sessions s
    where s.deleted_at is null and s.status <> 'disconnected'
      and (only_session is null or s.id = only_session)
      and (s.health_checked_at is null or s.health_checked_at < older_than)
    order by s.health_checked_at nulls first, s.id
    limit page_size
  ) n;
$$;

-- Records the result of a health check: Meta's report, or an error. A refused token marks the number as broken.
create function public.record_number_health(
  session_id uuid, health jsonb default null, problem text default null, token_invalid boolean default false
) returns jsonb
language plpgsql set search_path = '' as $$
declare
  number public.whatsapp_sessions;
begin
  if health is not null then
    perform private.store_health(record_number_health.session_id, health);
  else
    update public.whatsapp_sessions s
    set
      health_checked_at = now(), health_error = problem,
      access_status = case when token_invalid then 'invalid' else s.access_status end,
      status = case when token_invalid and s.status = 'connected' then 'broken' else s.status end,
      status_reason = case when token_invalid and s.status = 'connected' then problem else s.status_reason end,
      status_code = case when token_invalid and s.status = 'connected' then 'token_invalid' else s.status_code end
    where s.id = record_number_health.session_id;
  end if;
  select s.* into number from public.whatsapp_sessions s where s.id = record_number_health.session_id;
  return case when number.id is not null then private.number_json(number) end;
end;
$$;

-- The number that sends a first message: the named one, else the one last used with the contact, else the first.
create function private.number_for(contact uuid, named uuid) returns public.whatsapp_sessions
language plpgsql stable set search_path = '' as $$
declare
  number public.whatsapp_sessions;
begin
  if named is not null then
    select s.* into number from public.whatsapp_sessions s
    where s.id = named and s.tenant_id = private.tenant_id() and s.deleted_at is null;
    if not found then
      raise sqlstate 'PT422' using message = 'There is no such number.', detail = 'invalid_field', hint = 'session_id';
    end if;
    return number;
  end if;
  select s.* into number from public.conversations v
  join public.whatsapp_sessions s on s.id = v.session_id and s.status = 'connected'
  where v.contact_id = contact and v.tenant_id = private.tenant_id()
  order by v.last_message_at desc nulls last
  limit 1;
  if not found then
    select s.* into number from public.whatsapp_sessions s
    where s.tenant_id = private.tenant_id() and s.status = 'connected'
    order by s.created_at, s.id
    limit 1;
  end if;
  if number.id is null then
    raise sqlstate 'PT409' using message = 'No number is connected.', detail = 'number_unavailable';
  end if;
  return number;
end;
$$;

create function public.connect_number(
  actor uuid, tenant_id uuid, session_id uuid, phone_number_id text, business_account_id text, name text, health jsonb,
  sealed jsonb default null, expiry jsonb default null
) returns jsonb
language plpgsql set search_path = '' as $$
declare
  number public.whatsapp_sessions;
begin
  perform set_config('app.actor_id', coalesce(actor::text, ''), true);
  begin
    insert into public.whatsapp_sessions as s (
      id, tenant_id, name, meta_phone_number_id, meta_business_account_id, access_source,
      access_changed_at, access_expires_at
    )
    values (
      connect_number.session_id, connect_number.tenant_id, coalesce(connect_number.name, health ->> 'verified_name', ''),
      connect_number.phone_number_id, connect_number.business_account_id,
      case when sealed is null then 'environment' else 'own' end, case when sealed is not null then now() end,
      (expiry ->> 'at')::timestamptz
    )
    on conflict (id) do update set
      name = coalesce(connect_number.name, s.name),
      meta_phone_number_id = excluded.meta_phone_number_id,
      meta_business_account_id = excluded.meta_business_account_id,
      access_source = excluded.access_source,
      access_changed_at = coalesce(excluded.access_changed_at, s.access_changed_at),
      access_expires_at = case when expiry is null then s.access_expires_at else excluded.access_expires_at end,
      status = 'connected',
      status_reason = null,
      status_code = null,
      status_before = null,
      -- the account is subscribed again
      account_connection = null,
      deleted_at = null,
      former_phone_number_id = null
    where s.tenant_id = excluded.tenant_id
    returning s.* into number;
  exception when unique_violation then
    raise sqlstate 'PT409' using message = 'This number has just been connected elsewhere.',
      detail = 'number_taken';
  end;
  if number.id is null then
    raise sqlstate 'PT404' using message = 'There is no such number.', detail = 'not_found';
  end if;

  if sealed is null then
    delete from private.number_tokens t where t.session_id = number.id;
  else
    insert into private.number_tokens (session_id, sealed, key_id)
    values (number.id, sealed ->> 'sealed', sealed ->> 'key_id')
    on conflict on constraint number_tokens_pkey do update
      set sealed = excluded.sealed, key_id = excluded.key_id, updated_at = now();
  end if;
  perform private.store_health(number.id, health);
  select s.* into number from public.whatsapp_sessions s where s.id = number.id;
  return private.number_json(number);
end;
$$;

-- Returns `number`, unless its account lacks the template that `payload` names: then the oldest connected number whose
-- account has it.
create function private.number_with_template(number public.whatsapp_sessions, payload jsonb)
returns public.whatsapp_sessions
language plpgsql stable set search_path = '' as $$
declare
  other public.whatsapp_sessions;
begin
  select s.* into other
  from public.broadcast_templates t
  join public.whatsapp_sessions s on s.tenant_id = t.tenant_id and s.status = 'connected' and s.deleted_at is null
    and (t.meta_business_account_id is null or t.meta_business_account_id = s.meta_business_account_id)
  where t.tenant_id = number.tenant_id and t.status = 'APPROVED'
    and t.name = payload #>> '{template,name}' and t.language = payload #>> '{template,language,code}'
  order by s.id = number.id desc, s.created_at, s.id
  limit 1;
  return case when other.id is null then number else other end;
end;
$$;

create trigger touch_updated_at before update on public.whatsapp_sessions
  for each row execute function private.touch_updated_at();
create trigger announce_created after insert on public.whatsapp_sessions
  for each row execute function private.announce_number();
create trigger announce_updated after update on public.whatsapp_sessions
  for each row
  when (
    private.number_json(old) - '{updated_at,health_checked_at}'::text[]
      is distinct from private.number_json(new) - '{updated_at,health_checked_at}'::text[]
  )
  execute function private.announce_number();
create trigger announce_settings after update on public.whatsapp_sessions
  for each row when (
    (old.assignment, old.assignment_max_open) is distinct from (new.assignment, new.assignment_max_open)
  )
  execute function private.announce_settings();

-- Changes are written to the audit log.
select private.audit_table('whatsapp_sessions', 'id', '-health_checked_at');

alter table public.whatsapp_sessions enable row level security;

create policy "permitted people read numbers" on public.whatsapp_sessions for select to authenticated
  using (tenant_id = (select private.tenant_id()) and (select private.has_permission('numbers.view')));

grant select on public.whatsapp_sessions to authenticated;

grant execute on function
  private.number_json(public.whatsapp_sessions),
  public.list_numbers(),
  public.get_number(uuid),
  public.change_number(uuid, jsonb),
  public.delete_number(uuid),
  public.find_number_session(text)
to authenticated;
