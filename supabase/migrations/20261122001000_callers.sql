-- Who is calling: a person by an access token, or an integration by an API key; and what that caller may do.

-- Keys for integrations. What opens them is kept apart, as a hash, where no client reaches it.
create table public.api_keys (
  id uuid primary key default gen_random_uuid(),
  tenant_id uuid not null references public.tenants (id) on delete cascade,
  name text not null check (char_length(name) between 1 and 100),
  -- how the key begins, for people to tell keys apart
  prefix text not null,
  role_id uuid not null references public.roles (id),
  created_by uuid,
  created_at timestamptz not null default now(),
  expires_at timestamptz,
  last_used_at timestamptz,
  revoked_at timestamptz,
  revoked_by uuid,
  foreign key (created_by, tenant_id) references public.profiles (user_id, tenant_id)
    on delete set null (created_by),
  foreign key (revoked_by, tenant_id) references public.profiles (user_id, tenant_id)
    on delete set null (revoked_by)
);
create index api_keys_tenant_id_idx on public.api_keys (tenant_id, created_at desc, id);
create index api_keys_role_id_idx on public.api_keys (role_id);
create index api_keys_created_by_idx on public.api_keys (created_by, tenant_id);
create index api_keys_revoked_by_idx on public.api_keys (revoked_by, tenant_id);

create table private.api_key_secrets (
  api_key_id uuid primary key references public.api_keys (id) on delete cascade,
  -- SHA-256 of the key, which has 244 random bits
  key_hash bytea not null unique
);
-- Where a key has been used from.
create table private.api_key_places (
  api_key_id uuid not null references public.api_keys (id) on delete cascade,
  ip text not null,
  first_used_at timestamptz not null default now(),
  last_used_at timestamptz not null default now(),
  primary key (api_key_id, ip)
);
-- Goes up whenever what somebody of the tenant may do could have changed.
create table private.access_versions (
  tenant_id uuid primary key references public.tenants (id) on delete cascade,
  version bigint not null default 1
);
alter table private.api_key_secrets enable row level security;
alter table private.api_key_places enable row level security;
alter table private.access_versions enable row level security;

-- Null for a stranger, for a deactivated or banned person, for a key that is revoked or has expired: every policy
-- turns that into "nothing". This and what follows is asked by every statement: plpgsql keeps the plans, where sql
-- would make them anew each time.
create or replace function private.tenant_id() returns uuid
language plpgsql stable security definer set search_path = '' as $$
begin
  return coalesce(
    (
      select p.tenant_id
      from public.profiles p
      join auth.users u on u.id = p.user_id
      where p.user_id = (select auth.uid()) and p.deactivated_at is null
        and (u.banned_until is null or u.banned_until <= now())
    ),
    (
      select k.tenant_id
      from public.api_keys k
      where k.id = (select auth.uid()) and k.revoked_at is null and (k.expires_at is null or k.expires_at > now())
    )
  );
end;
$$;

-- The caller as a person: null for an API key, which no column of people may name.
create function private.person_id() returns uuid
language plpgsql stable security definer set search_path = '' as $$
begin
  return (select p.user_id from public.profiles p where p.user_id = (select auth.uid()));
end;
$$;

create function private.caller_roles() returns setof uuid
language plpgsql stable security definer set search_path = '' as $$
begin
  if private.tenant_id() is not null then
    return query
      select ur.role_id from public.user_roles ur where ur.user_id = (select auth.uid())
      union all
      select k.role_id from public.api_keys k where k.id = (select auth.uid());
  end if;
end;
$$;

-- May the caller do this? The one answer for policies, functions and the API. A disabled module takes its
-- permissions with it.
create or replace function private.has_permission(wanted text) returns boolean
language plpgsql stable security definer set search_path = '' as $$
begin
  return exists (
    select 1
    from private.role_holdings h
    join public.permissions p on p.permission_key = h.permission_key
    where h.permission_key = wanted and h.role_id in (select private.caller_roles())
      and private.module_enabled((select private.tenant_id()), p.module_id)
  );
end;
$$;

create or replace function private.sees_unassigned() returns boolean
language plpgsql stable security definer set search_path = '' as $$
begin
  return coalesce(
    (select t.agents_see_unassigned from public.tenants t where t.id = (select private.tenant_id())), false
  );
end;
$$;

-- Null for a caller without a tenant.
create function private.access_version() returns bigint
language plpgsql stable security definer set search_path = '' as $$
declare
  tenant constant uuid := private.tenant_id();
begin
  if tenant is null then
    return null;
  end if;
  return coalesce((select v.version from private.access_versions v where v.tenant_id = tenant), 0);
end;
$$;

create function private.renew_access() returns trigger
language plpgsql security definer set search_path = '' as $$
declare
  tenants uuid[];
begin
  case tg_table_name
    when 'tenants' then tenants := array(select c.id from changed c);
    when 'user_roles' then
      tenants := array(
        select distinct p.tenant_id from changed c join public.profiles p on p.user_id = c.user_id
      );
    when 'role_permissions' then
      tenants := array(
        select distinct t.id from changed c
        join public.roles r on r.id = c.role_id
        join public.tenants t on t.id = r.tenant_id or r.tenant_id is null
      );
    when 'roles' then
      tenants := array(
        select distinct t.id from changed c join public.tenants t on t.id = c.tenant_id or c.tenant_id is null
      );
    else tenants := array(select distinct c.tenant_id from changed c);
  end case;
  insert into private.access_versions as v (tenant_id)
  -- a tenant that is being deleted takes its rows with it
  select t.id from public.tenants t where t.id = any (tenants) order by t.id
  on conflict (tenant_id) do update set version = v.version + 1;
  return null;
end;
$$;

do $$
declare
  watched text;
  operation text;
begin
  foreach watched in array array[
    'tenants', 'profiles', 'user_roles', 'role_permissions', 'roles', 'tenant_modules'
  ] loop
    foreach operation in array array['insert', 'update', 'delete'] loop
      continue when watched = 'tenants' and operation = 'delete';
      execute format(
        'create trigger renew_access_%s after %s on public.%I referencing %s table as changed
          for each statement execute function private.renew_access()',
        operation, operation, watched, case operation when 'delete' then 'old' else 'new' end
      );
    end loop;
  end loop;
end;
$$;

-- A role is predefined or of the same tenant as whoever holds it.
create function private.refuse_foreign_role() returns trigger
language plpgsql security definer set search_path = '' as $$
declare
  holder_tenant uuid;
begin
  if tg_table_name = 'user_roles' then
    select p.tenant_id into holder_tenant from public.profiles p where p.user_id = new.user_id;
  else
    holder_tenant := new.tenant_id;
  end if;
  if exists (select 1 from public.roles r where r.id = new.role_id and r.tenant_id <> holder_tenant) then
    raise foreign_key_violation using message = 'The role is of another tenant.';
  end if;
  return new;
end;
$$;
create trigger refuse_foreign_role before insert or update on public.user_roles
  for each row execute function private.refuse_foreign_role();
create trigger refuse_foreign_role before insert or update of role_id, tenant_id on public.api_keys
  for each row execute function private.refuse_foreign_role();

-- The key with which a request without a token came. Refused in words: integrations have people who read them.
create function private.api_key_of(key text) returns uuid
language plpgsql stable security definer set search_path = '' as $$
declare
  found_key public.api_keys;
begin
  select k.* into found_key
  from private.api_key_secrets s join public.api_keys k on k.id = s.api_key_id
  where s.key_hash = sha256(convert_to(key, 'UTF8'));
  if not found then
    raise sqlstate 'PT401' using message = 'There is no such API key.', detail = 'unknown_api_key';
  elsif found_key.revoked_at is not null then
    raise sqlstate 'PT401' using message = 'The API key has been revoked.', detail = 'api_key_revoked',
      hint = found_key.id::text;
  elsif found_key.expires_at <= now() then
    raise sqlstate 'PT401' using message = 'The API key has expired.', detail = 'api_key_expired',
      hint = found_key.id::text;
  end if;
  return found_key.id;
end;
$$;

-- What PostgREST runs before each request (https://docs.postgrest.org/en/stable/references/transactions.html):
-- turns the key of a request without a token into its identity, so that row level security holds for it as for
-- a person; and refuses a caller whose rights changed since the API last read them.
create function private.begin_request() returns void
language plpgsql set search_path = '' as $$
declare
  headers constant json := nullif(current_setting('request.headers', true), '')::json;
  key constant text := headers ->> 'x-api-key';
  version constant text := headers ->> 'x-access-version';
begin
  if key is not null and current_user = 'anon' then
    perform set_config('request.jwt.claims', json_build_object(
      'sub', private.api_key_of(key), 'role', 'authenticated', 'aud', 'authenticated', 'api_key', true
    )::text, true);
    perform set_config('role', 'authenticated', true);
  end if;
  -- In two steps: an expression that names a function needs the right to it, even where it is not called.
  if version is not null and current_user = 'authenticated' then
    if version is distinct from private.access_version()::text then
      raise sqlstate 'PT409' using message = 'What the caller may do has changed.', detail = 'access_changed';
    end if;
  end if;
end;
$$;
grant usage on schema private to anon;
revoke execute on function private.person_id(), private.caller_roles(), private.access_version(),
  private.renew_access(), private.refuse_foreign_role(), private.api_key_of(text), private.begin_request()
  from public;
grant execute on function private.begin_request(), private.api_key_of(text) to anon, authenticated, service_role;
grant execute on function private.person_id(), private.access_version() to authenticated, service_role;
alter role authenticator set pgrst.db_pre_request = 'private.begin_request';
notify pgrst, 'reload config';

-- Everything a request must know about its caller, in one call. Null for a caller without a tenant.
create or replace function public.current_access() returns jsonb
language plpgsql stable security definer set search_path = '' as $$
declare
  tenant constant uuid := private.tenant_id();
  roles constant uuid[] := array(select private.caller_roles());
  disabled constant text[] := array(
    select t.module_id from public.tenant_modules t where t.tenant_id = tenant and not t.enabled
  );
begin
  return (
    select jsonb_build_object(
      'kind', case when k.id is null then 'user' else 'api_key' end,
      'user_id', auth.uid(),
      'display_name', coalesce(p.display_name, k.name),
      'locale', coalesce(p.locale, t.locale),
      'version', private.access_version(),
      'tenant', jsonb_build_object(
        'id', t.id, 'name', t.name, 'slug', t.slug, 'timezone', t.timezone, 'locale', t.locale
      ),
      'roles', coalesce((
        select jsonb_agg(
          jsonb_build_object('id', r.id, 'key', r.key, 'name', r.name, 'level', r.level) order by r.level desc, r.key
        )
        from public.roles r where r.id = any (roles)
      ), '[]'),
      'permissions', coalesce((
        select jsonb_agg(distinct h.permission_key order by h.permission_key)
        from private.role_holdings h join public.permissions d on d.permission_key = h.permission_key
        where h.role_id = any (roles) and d.module_id <> all (disabled)
      ), '[]'),
      'modules', (select jsonb_agg(m.id order by m.id) from public.modules m where m.id <> all (disabled)),
      -- of modules that are switched off, whoever would hold them
      'disabled_permissions', coalesce((
        select jsonb_agg(d.permission_key order by d.permission_key)
        from public.permissions d where d.module_id = any (disabled)
      ), '[]')
    )
    from public.tenants t
    left join public.profiles p on p.user_id = (select auth.uid())
    left join public.api_keys k on k.id = (select auth.uid())
    where t.id = tenant
  );
end;
$$;

alter table public.api_keys enable row level security;
revoke all on public.api_keys from anon, authenticated;
grant select on public.api_keys to authenticated;
grant all on public.api_keys, private.api_key_secrets, private.api_key_places, private.access_versions to service_role;
create policy "members with the right read the keys of their tenant" on public.api_keys for select to authenticated
  using (tenant_id = (select private.tenant_id()) and (select private.has_permission('api_keys.view')));

-- What a table shows directly is no more than what the API shows by the same permissions: people of the inbox know
-- each other's names and the numbers they write from; who holds what is for those who look after people or roles.
grant execute on function private.caller_roles() to authenticated;
drop policy "members read the people of their tenant" on public.profiles;
create policy "members read their own profile, and their colleagues'" on public.profiles for select to authenticated
  using (
    tenant_id = (select private.tenant_id())
    and (
      user_id = (select auth.uid())
      or (select private.has_permission('conversations.view'))
      or (select private.has_permission('agents.view'))
    )
  );
drop policy "members read predefined and own roles" on public.roles;
create policy "members read roles they hold or look after" on public.roles for select to authenticated
  using (
    (select private.tenant_id()) is not null
    and (tenant_id is null or tenant_id = (select private.tenant_id()))
    and (
      id in (select private.caller_roles())
      or (select private.has_permission('rbac.view'))
      or (select private.has_permission('agents.view'))
    )
  );
drop policy "members read who holds which role" on public.user_roles;
create policy "members read which roles they hold, and colleagues'" on public.user_roles for select to authenticated
  using (
    exists (select 1 from public.profiles p where p.user_id = user_roles.user_id)
    and (
      user_id = (select auth.uid())
      or (select private.has_permission('rbac.view'))
      or (select private.has_permission('agents.view'))
    )
  );
drop policy "members read their numbers" on public.whatsapp_sessions;
create policy "members read the numbers they work with" on public.whatsapp_sessions for select to authenticated
  using (
    tenant_id = (select private.tenant_id())
    and (
      (select private.has_permission('numbers.view')) or (select private.has_permission('conversations.view'))
    )
  );

-- Templates are read by those who send them singly, too.
drop policy "members with the right read templates" on public.broadcast_templates;
create policy "members with the right read templates" on public.broadcast_templates for select to authenticated
  using (
    tenant_id = (select private.tenant_id())
    and ((select private.has_permission('broadcasts.view')) or (select private.has_permission('templates.view')))
  );
