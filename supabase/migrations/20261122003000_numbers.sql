-- Connected numbers: their own access tokens, their health as Meta tells it, and how they come and go.
--
-- A number belongs to one tenant. What makes it so has been checked with Meta before it gets here: the functions
-- that connect are the service's alone, or anybody could claim a number by its id.

alter table public.whatsapp_sessions
  add column if not exists verified_name text,
  add column if not exists quality_rating text,
  add column if not exists messaging_limit text,
  add column if not exists name_status text,
  add column if not exists throughput_level text,
  -- Meta's own word: CONNECTED, BANNED, RESTRICTED and others
  add column if not exists meta_status text,
  add column if not exists health_checked_at timestamptz,
  -- why the last check told nothing
  add column if not exists health_error text,
  -- environment: META_WHATSAPP_TOKEN serves it. own: see private.session_tokens
  add column access_source text not null default 'environment' check (access_source in ('environment', 'own')),
  add column access_status text not null default 'unchecked'
    check (access_status in ('unchecked', 'valid', 'invalid')),
  -- when it was last given a token of its own
  add column access_changed_at timestamptz,
  -- the id of a deleted number, which somebody else may connect since
  add column former_phone_number_id text check (former_phone_number_id ~ '^[0-9]{1,32}$'),
  add column deleted_at timestamptz,
  alter column meta_phone_number_id drop not null,
  add check ((meta_phone_number_id is null) = (deleted_at is not null)),
  drop constraint whatsapp_sessions_status_check,
  -- disconnected: a person took it out of use; what was said stays.
  add constraint whatsapp_sessions_status_check
    check (status in ('connected', 'paused', 'broken', 'disconnected'));
create index whatsapp_sessions_former_idx on public.whatsapp_sessions (former_phone_number_id, tenant_id)
  where former_phone_number_id is not null;

-- That Meta was asked is no change.
drop trigger audit_updated on public.whatsapp_sessions;
create trigger audit_updated after update on public.whatsapp_sessions referencing old table as before new table as after
  for each statement execute function private.audit('id', '-health_checked_at');

-- Access tokens of numbers, sealed by the API with a key that the database does not know.
create table private.session_tokens (
  session_id uuid primary key references public.whatsapp_sessions (id) on delete cascade,
  sealed text not null,
  -- which key sealed it: tells what a rotation has still to do
  key_id text not null,
  updated_at timestamptz not null default now()
);
alter table private.session_tokens enable row level security;
revoke all on private.session_tokens from public, anon, authenticated;
grant all on private.session_tokens to service_role;
create index session_tokens_key_idx on private.session_tokens (key_id, session_id);

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
    'created_at', s.created_at, 'updated_at', s.updated_at, 'deleted_at', s.deleted_at
  );
$$;
grant execute on function private.number_json(public.whatsapp_sessions) to authenticated, service_role;

-- Tells the tenant of a number that changed; health that was only confirmed is no news.
create function private.announce_number() returns trigger
language plpgsql security definer set search_path = '' as $$
begin
  perform realtime.send(private.number_json(new), 'number.updated', 'tenant:' || new.tenant_id, true);
  return null;
end;
$$;
create trigger announce_created after insert on public.whatsapp_sessions
  for each row execute function private.announce_number();
create trigger announce_updated after update on public.whatsapp_sessions
  for each row
  when (
    private.number_json(old) - '{updated_at,health_checked_at}'::text[]
      is distinct from private.number_json(new) - '{updated_at,health_checked_at}'::text[]
  )
  execute function private.announce_number();

-- The caller's numbers. Those that were deleted are not listed; what was said with them still names them.
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

-- A number of the caller's tenant, locked, if the caller may change it.
create function private.own_number(session_id uuid) returns public.whatsapp_sessions
language plpgsql security definer set search_path = '' as $$
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

-- Campaigns of a number that is taken out of use wait for a person.
create function private.pause_campaigns_of(session uuid, reason text) returns void
language sql set search_path = '' as $$
  update public.broadcast_campaigns c
  set status = 'paused', status_reason = reason
  where c.session_id = session and c.status in ('sending', 'scheduled');
$$;

-- What a person changes of a number: {"name", "messages_per_second", "action"}, each if present. To connect one that is
-- broken or disconnected Meta is asked first: see connect_number.
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

  update public.whatsapp_sessions s
  set
    name = coalesce(changes ->> 'name', s.name),
    messages_per_second = coalesce((changes ->> 'messages_per_second')::integer, s.messages_per_second),
    status = number.status,
    status_reason = number.status_reason,
    status_code = case when number.status = 'broken' then s.status_code end,
    status_before = case when number.status = 'broken' then s.status_before end
  where s.id = number.id
  returning s.* into number;
  return private.number_json(number);
end;
$$;

-- Takes a number out for good. Conversations and messages stay; its token goes, and its id is free for others.
-- Answers with its account, and whether another number of ours is on that account.
-- Security definer: clients have no right to write numbers.
create function public.delete_number(session_id uuid) returns jsonb
language plpgsql security definer set search_path = '' as $$
declare
  number public.whatsapp_sessions := private.own_number(delete_number.session_id);
begin
  perform private.require('numbers.manage');
  update public.whatsapp_sessions s
  set
    status = 'disconnected', status_reason = null, deleted_at = now(),
    former_phone_number_id = s.meta_phone_number_id, meta_phone_number_id = null
  where s.id = number.id;
  delete from private.session_tokens t where t.session_id = number.id;
  perform private.pause_campaigns_of(number.id, 'The number was disconnected.');
  return jsonb_build_object('business_account_id', number.meta_business_account_id, 'account_in_use', exists (
    select 1 from public.whatsapp_sessions o
    where o.meta_business_account_id = number.meta_business_account_id and o.deleted_at is null
  ));
end;
$$;

-- Under which id a number of the caller's is or will be kept: {"session_id", "access_source"}, the latter of one that
-- was connected before and gets its history back. Refused when it is another tenant's.
-- Security definer: another tenant's number is not seen, and yet in the way.
create function public.number_place(phone_number_id text) returns jsonb
language plpgsql stable security definer set search_path = '' as $$
declare
  number public.whatsapp_sessions;
begin
  if not private.has_permission('numbers.manage') then
    raise sqlstate 'PT403' using message = 'You may not manage numbers.', detail = 'forbidden';
  end if;
  select s.* into number from public.whatsapp_sessions s
  where s.meta_phone_number_id = number_place.phone_number_id;
  if not found then
    select s.* into number from public.whatsapp_sessions s
    where s.former_phone_number_id = number_place.phone_number_id and s.tenant_id = private.tenant_id()
    order by s.deleted_at desc
    limit 1;
  elsif number.tenant_id <> private.tenant_id() then
    raise sqlstate 'PT409' using message = 'This number is connected to another organisation.',
      detail = 'number_taken';
  end if;
  return jsonb_build_object('session_id', coalesce(number.id, gen_random_uuid()), 'token_source', number.access_source);
end;
$$;

-- What Meta says about a number, into its row: {"display_phone_number", "verified_name", "quality_rating", "status",
-- "name_status", "throughput": {"level"}, "whatsapp_business_manager_messaging_limit"}. What Meta leaves out stays.
create function private.take_health(session uuid, health jsonb) returns void
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
    access_status = 'valid'
  where s.id = session;
$$;

-- Connects a number that has been checked with Meta, anew or again. `sealed` is {"sealed", "key_id"}, null for the
-- environment's token. Refused when somebody else was faster.
create function public.connect_number(
  actor uuid, tenant_id uuid, session_id uuid, phone_number_id text, business_account_id text, name text, health jsonb,
  sealed jsonb default null
) returns jsonb
language plpgsql set search_path = '' as $$
declare
  number public.whatsapp_sessions;
begin
  perform set_config('app.actor_id', coalesce(actor::text, ''), true);
  begin
    insert into public.whatsapp_sessions as s (
      id, tenant_id, name, meta_phone_number_id, meta_business_account_id, access_source,
      access_changed_at
    )
    values (
      connect_number.session_id, connect_number.tenant_id, coalesce(connect_number.name, health ->> 'verified_name', ''),
      connect_number.phone_number_id, connect_number.business_account_id,
      case when sealed is null then 'environment' else 'own' end, case when sealed is not null then now() end
    )
    on conflict (id) do update set
      name = coalesce(connect_number.name, s.name),
      meta_phone_number_id = excluded.meta_phone_number_id,
      meta_business_account_id = excluded.meta_business_account_id,
      access_source = excluded.access_source,
      access_changed_at = coalesce(excluded.access_changed_at, s.access_changed_at),
      status = 'connected',
      status_reason = null,
      status_code = null,
      status_before = null,
      -- subscribed again by now
      account_connection = null,
      deleted_at = null,
      former_phone_number_id = null
    where s.tenant_id = excluded.tenant_id
    returning s.* into number;
  exception when unique_violation then
    raise sqlstate 'PT409' using message = 'This number has just been connected by somebody else.',
      detail = 'number_taken';
  end;
  if number.id is null then
    raise sqlstate 'PT404' using message = 'There is no such number.', detail = 'not_found';
  end if;

  if sealed is null then
    delete from private.session_tokens t where t.session_id = number.id;
  else
    insert into private.session_tokens (session_id, sealed, key_id)
    values (number.id, sealed ->> 'sealed', sealed ->> 'key_id')
    on conflict on constraint session_tokens_pkey do update
      set sealed = excluded.sealed, key_id = excluded.key_id, updated_at = now();
  end if;
  perform private.take_health(number.id, health);
  select s.* into number from public.whatsapp_sessions s where s.id = number.id;
  return private.number_json(number);
end;
$$;

-- The number that the environment names, for the tenant it names: made once. One that was deleted stays deleted.
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

-- Numbers whose health was not asked for since `older_than`, with what it takes to ask.
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

-- What a check told: Meta's health, or why there is none. A token that Meta refuses breaks the number.
create function public.record_number_health(
  session_id uuid, health jsonb default null, problem text default null, token_invalid boolean default false
) returns jsonb
language plpgsql set search_path = '' as $$
declare
  number public.whatsapp_sessions;
begin
  if health is not null then
    perform private.take_health(record_number_health.session_id, health);
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

-- Sealed tokens that another key than this one sealed, a page at a time.
create function public.list_session_tokens(current_key text, after uuid, page_size integer) returns jsonb
language sql stable set search_path = '' as $$
  select coalesce(jsonb_agg(jsonb_build_object('session_id', p.session_id, 'sealed', p.sealed, 'key_id', p.key_id)), '[]')
  from (
    select t.* from private.session_tokens t
    where t.key_id <> current_key and (after is null or t.session_id > after)
    order by t.session_id
    limit page_size
  ) p;
$$;

-- Puts a token sealed anew in the place of the one it was opened from. False when that has been replaced since.
create function public.reseal_session_token(session_id uuid, was text, sealed text, key_id text) returns boolean
language plpgsql set search_path = '' as $$
begin
  update private.session_tokens t
  set sealed = reseal_session_token.sealed, key_id = reseal_session_token.key_id, updated_at = now()
  where t.session_id = reseal_session_token.session_id and t.sealed = was;
  return found;
end;
$$;

revoke execute on function private.own_number(uuid), private.pause_campaigns_of(uuid, text),
  private.take_health(uuid, jsonb), private.announce_number() from public, authenticated;
revoke execute on function private.number_json(public.whatsapp_sessions) from public;
grant execute on function private.take_health(uuid, jsonb), private.own_number(uuid),
  private.pause_campaigns_of(uuid, text) to service_role;

revoke execute on function public.list_numbers(), public.get_number(uuid), public.change_number(uuid, jsonb),
  public.delete_number(uuid), public.number_place(text) from public, anon;
grant execute on function public.list_numbers(), public.get_number(uuid), public.change_number(uuid, jsonb),
  public.delete_number(uuid), public.number_place(text) to authenticated;
revoke execute on function
  public.connect_number(uuid, uuid, uuid, text, text, text, jsonb, jsonb),
  public.ensure_default_number(uuid, text, text),
  public.numbers_to_check(timestamptz, integer, uuid),
  public.record_number_health(uuid, jsonb, text, boolean),
  public.list_session_tokens(text, uuid, integer),
  public.reseal_session_token(uuid, text, text, text)
  from public, anon, authenticated;
grant execute on function
  public.connect_number(uuid, uuid, uuid, text, text, text, jsonb, jsonb),
  public.ensure_default_number(uuid, text, text),
  public.numbers_to_check(timestamptz, integer, uuid),
  public.record_number_health(uuid, jsonb, text, boolean),
  public.list_session_tokens(text, uuid, integer),
  public.reseal_session_token(uuid, text, text, text)
  to service_role;
