-- Tenants, their people and what those may do.
--
-- A user belongs to one tenant through `profiles`; nothing a user can edit decides it. Whether a user may do
-- something is answered by `private.has_permission`, for policies and for the API alike.

-- Nothing in `public` is reachable because it exists: every grant below and in later migrations is by name.
alter default privileges in schema public revoke all on tables from anon, authenticated;
alter default privileges in schema public revoke all on sequences from anon, authenticated;
alter default privileges in schema public revoke all on functions from anon, authenticated;
alter default privileges revoke execute on functions from public;

-- Helpers of policies and functions: not exposed by PostgREST.
create schema private;
grant usage on schema private to authenticated, service_role;
alter default privileges in schema private grant all on tables to service_role;
alter default privileges in schema private grant execute on functions to service_role;

create function private.touch_updated_at() returns trigger
language plpgsql set search_path = '' as $$
begin
  new.updated_at := now();
  return new;
end;
$$;

create table public.tenants (
  id uuid primary key default gen_random_uuid(),
  name text not null check (char_length(name) between 1 and 200),
  slug text not null unique check (slug ~ '^[a-z0-9](-?[a-z0-9])*$' and char_length(slug) <= 63),
  timezone text not null default 'Asia/Jakarta',
  locale text not null default 'id' check (locale in ('id', 'en')),
  agents_see_unassigned boolean not null default true,
  created_at timestamptz not null default now(),
  updated_at timestamptz not null default now()
);

create table public.profiles (
  user_id uuid primary key references auth.users (id) on delete cascade,
  tenant_id uuid not null references public.tenants (id) on delete cascade,
  display_name text not null default '' check (char_length(display_name) <= 200),
  locale text check (locale in ('id', 'en')),
  deactivated_at timestamptz,
  created_at timestamptz not null default now(),
  updated_at timestamptz not null default now(),
  unique (user_id, tenant_id)
);
create index profiles_tenant_id_idx on public.profiles (tenant_id);

create table public.roles (
  id uuid primary key default gen_random_uuid(),
  -- null: predefined, the same for every tenant
  tenant_id uuid references public.tenants (id) on delete cascade,
  key text not null check (key ~ '^[a-z][a-z0-9_]*$'),
  name text not null,
  level integer not null check (level between 1 and 10),
  created_at timestamptz not null default now(),
  unique nulls not distinct (tenant_id, key)
);

create table public.permissions (
  permission_key text primary key check (permission_key ~ '^[a-z_]+\.[a-z_]+$'),
  permission_name text not null,
  category text not null
);

create table public.role_permissions (
  role_id uuid not null references public.roles (id) on delete cascade,
  permission_key text not null references public.permissions (permission_key) on delete cascade,
  primary key (role_id, permission_key)
);
create index role_permissions_permission_key_idx on public.role_permissions (permission_key);

create table public.user_roles (
  user_id uuid not null references public.profiles (user_id) on delete cascade,
  role_id uuid not null references public.roles (id) on delete cascade,
  created_at timestamptz not null default now(),
  primary key (user_id, role_id)
);
create index user_roles_role_id_idx on public.user_roles (role_id);

create trigger touch_updated_at before update on public.tenants
  for each row execute function private.touch_updated_at();
create trigger touch_updated_at before update on public.profiles
  for each row execute function private.touch_updated_at();

insert into public.permissions (permission_key, permission_name, category) values
  ('conversations.view', 'View the conversations assigned to oneself', 'conversations'),
  ('conversations.view_all', 'View every conversation', 'conversations'),
  ('messages.view', 'View messages', 'messages'),
  ('messages.send', 'Send messages', 'messages'),
  ('contacts.view', 'View every contact', 'contacts'),
  ('broadcasts.view', 'View campaigns', 'broadcasts'),
  ('broadcasts.create', 'Create campaigns', 'broadcasts'),
  ('broadcasts.send', 'Send campaigns', 'broadcasts'),
  ('agents.view', 'View agents', 'agents'),
  ('agents.manage', 'Manage agents', 'agents'),
  ('numbers.view', 'View connected numbers', 'settings'),
  ('numbers.manage', 'Manage connected numbers', 'settings'),
  ('reports.view', 'View reports', 'reports');

insert into public.roles (id, key, name, level) values
  ('00000000-0000-4000-8000-000000000009', 'admin', 'Admin', 9),
  ('00000000-0000-4000-8000-000000000008', 'manager', 'Manager', 8),
  ('00000000-0000-4000-8000-000000000005', 'agent', 'Agent', 5);

insert into public.role_permissions (role_id, permission_key)
select r.id, p.permission_key
from public.roles r
join public.permissions p on
  r.key = 'admin'
  or (r.key = 'manager' and p.permission_key <> 'agents.manage')
  or (r.key = 'agent' and p.permission_key in ('conversations.view', 'messages.view', 'messages.send'));

-- The caller's tenant. Null for a stranger and for a deactivated user, which every policy turns into "nothing".
-- Security definer: it is what the policy of `profiles` itself is made of.
create function private.tenant_id() returns uuid
language sql stable security definer set search_path = '' as $$
  select tenant_id from public.profiles where user_id = (select auth.uid()) and deactivated_at is null;
$$;

-- May the caller do this? Security definer: a caller need not be able to read roles to have them.
create function private.has_permission(wanted text) returns boolean
language sql stable security definer set search_path = '' as $$
  select exists (
    select 1
    from public.profiles p
    join public.user_roles ur on ur.user_id = p.user_id
    join public.role_permissions rp on rp.role_id = ur.role_id
    where p.user_id = (select auth.uid()) and p.deactivated_at is null and rp.permission_key = wanted
  );
$$;
grant execute on function private.tenant_id(), private.has_permission(text) to authenticated;

alter table public.tenants enable row level security;
alter table public.profiles enable row level security;
alter table public.roles enable row level security;
alter table public.permissions enable row level security;
alter table public.role_permissions enable row level security;
alter table public.user_roles enable row level security;

revoke all on public.tenants, public.profiles, public.roles, public.permissions, public.role_permissions,
  public.user_roles from anon, authenticated;
grant select on public.tenants, public.profiles, public.roles, public.permissions, public.role_permissions,
  public.user_roles to authenticated;
grant all on public.tenants, public.profiles, public.roles, public.permissions, public.role_permissions,
  public.user_roles to service_role;

create policy "members read their tenant" on public.tenants for select to authenticated
  using (id = (select private.tenant_id()));
create policy "members read the people of their tenant" on public.profiles for select to authenticated
  using (tenant_id = (select private.tenant_id()));
create policy "members read predefined and own roles" on public.roles for select to authenticated
  using (
    (select private.tenant_id()) is not null
    and (tenant_id is null or tenant_id = (select private.tenant_id()))
  );
create policy "members read the list of permissions" on public.permissions for select to authenticated
  using ((select private.tenant_id()) is not null);
create policy "members read what visible roles hold" on public.role_permissions for select to authenticated
  using (exists (select 1 from public.roles r where r.id = role_id));
create policy "members read who holds which role" on public.user_roles for select to authenticated
  using (exists (select 1 from public.profiles p where p.user_id = user_roles.user_id));

-- Everything a request must know about its caller, in one call. Null for a user without a tenant and for a
-- deactivated one.
create function public.current_access() returns jsonb
language sql stable set search_path = '' as $$
  select jsonb_build_object(
    'user_id', p.user_id,
    'display_name', p.display_name,
    'locale', coalesce(p.locale, t.locale),
    'tenant', jsonb_build_object(
      'id', t.id, 'name', t.name, 'slug', t.slug, 'timezone', t.timezone, 'locale', t.locale
    ),
    'roles', coalesce((
      select jsonb_agg(
        jsonb_build_object('id', r.id, 'key', r.key, 'name', r.name, 'level', r.level) order by r.level desc, r.key
      )
      from public.user_roles ur join public.roles r on r.id = ur.role_id
      where ur.user_id = p.user_id
    ), '[]'),
    'permissions', coalesce((
      select jsonb_agg(distinct rp.permission_key order by rp.permission_key)
      from public.user_roles ur join public.role_permissions rp on rp.role_id = ur.role_id
      where ur.user_id = p.user_id
    ), '[]')
  )
  from public.profiles p
  join public.tenants t on t.id = p.tenant_id
  where p.user_id = (select auth.uid()) and p.deactivated_at is null;
$$;
revoke execute on function public.current_access() from public, anon;
grant execute on function public.current_access() to authenticated;
