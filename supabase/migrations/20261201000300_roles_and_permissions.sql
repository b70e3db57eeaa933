-- Permissions, the roles that hold them, how roles inherit, and the roles of each person.
--
-- A role holds the permissions granted to it and those of the predefined roles of lower levels, except those taken away
-- from it. If several roles mention a permission, the mention nearest to the role decides. Triggers keep the result in
-- `private.role_holdings`, so a check is one look-up. `private.has_permission` answers whether the caller may do
-- something, for policies and for the API.
--
-- Callers who manage roles follow these rules. They cannot grant a permission they lack. They cannot change a role at
-- or above their own level, act on a person at or above it, or change their own roles. A Super Admin may act on Super
-- Admins, but each tenant keeps its last one.

create table public.roles (
  id uuid primary key default gen_random_uuid(),
  -- null: predefined, the same for every tenant
  tenant_id uuid references public.tenants (id) on delete cascade,
  key text not null check (key ~ '^[a-z][a-z0-9_]*$'),
  name text not null,
  level integer not null check (level between 1 and 10),
  created_at timestamptz not null default now(),
  name_id text,
  description text not null default '' check (char_length(description) <= 500),
  description_id text,
  -- true: the role also holds the permissions of the predefined roles of lower levels
  inherits boolean not null default true,
  unique nulls not distinct (tenant_id, key),
  constraint roles_name_check check (char_length(name) between 1 and 100 and private.is_visible(name))
);

create table public.permissions (
  permission_key text primary key check (permission_key ~ '^[a-z_]+\.[a-z_]+$'),
  permission_name text not null,
  category text not null,
  -- The columns have defaults: an extension adds a permission by its key, name and category.
  permission_name_id text not null default '',
  description text not null default '',
  description_id text not null default '',
  module_id text not null default 'core'
);
create index permissions_module_id_idx on public.permissions (module_id);

create table public.role_permissions (
  role_id uuid not null references public.roles (id) on delete cascade,
  permission_key text not null references public.permissions (permission_key) on delete cascade,
  -- false: taken away, even if a lower role holds it
  granted boolean not null default true,
  primary key (role_id, permission_key)
);
create index role_permissions_permission_key_idx on public.role_permissions (permission_key);

create table public.user_roles (
  user_id uuid not null,
  tenant_id uuid not null,
  role_id uuid not null references public.roles (id) on delete cascade,
  created_at timestamptz not null default now(),
  primary key (user_id, tenant_id, role_id),
  foreign key (user_id, tenant_id) references public.profiles (user_id, tenant_id)
    on update cascade on delete cascade
);
create index user_roles_role_id_idx on public.user_roles (role_id);

-- The permissions that each role holds in effect.
create table private.role_holdings (
  role_id uuid not null references public.roles (id) on delete cascade,
  permission_key text not null references public.permissions (permission_key) on delete cascade,
  primary key (role_id, permission_key)
);
create index role_holdings_permission_key_idx on private.role_holdings (permission_key);

-- Named sets of permissions that can be applied to a role.
create table public.permission_templates (
  id uuid primary key default gen_random_uuid(),
  -- null: predefined, the same for every tenant
  tenant_id uuid references public.tenants (id) on delete cascade,
  key text not null check (key ~ '^[a-z][a-z0-9_]{0,62}$'),
  name text not null check (char_length(name) between 1 and 100 and private.is_visible(name)),
  name_id text,
  description text not null default '' check (char_length(description) <= 500),
  description_id text,
  permissions text[] not null,
  created_at timestamptz not null default now(),
  updated_at timestamptz not null default now(),
  unique nulls not distinct (tenant_id, key)
);

-- Whether the caller has a permission. Policies, functions and the API all ask here. Disabling a module disables its
-- permissions.
-- Security definer: callers may have roles that they have no right to read.
create function private.has_permission(wanted text) returns boolean
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

-- Recomputes the effective permissions of these roles; null recomputes all roles.
create function private.renew_holdings(changed uuid[]) returns void
language plpgsql set search_path = '' as $$
begin
  -- Two concurrent changes in one tenant would miss each other. Trigger `renew_access` runs first because of its name
  -- and makes them wait for each other. A recomputation of all roles waits for all changes.
  if changed is null then
    perform pg_advisory_xact_lock(hashtextextended('private.role_holdings', 0));
  else
    perform pg_advisory_xact_lock_shared(hashtextextended('private.role_holdings', 0));
  end if;
  delete from private.role_holdings h where changed is null or h.role_id = any (changed);
  with mentions as (
    select distinct on (r.id, rp.permission_key) r.id as role_id, rp.permission_key, rp.granted, s.id = r.id as own
    from public.roles r
    join public.roles s on s.id = r.id or (r.inherits and s.tenant_id is null and s.level < r.level)
    join public.role_permissions rp on rp.role_id = s.id
    where changed is null or r.id = any (changed)
    order by r.id, rp.permission_key, (s.id = r.id) desc, s.level desc
  )
  insert into private.role_holdings (role_id, permission_key)
  select m.role_id, m.permission_key from mentions m where m.granted
  union
  select m.role_id, p.permission_key
  from mentions m
  cross join public.permissions p
  where m.permission_key = 'admin.full_access' and m.granted
    and not exists (
      select 1 from mentions t
      where t.role_id = m.role_id and t.permission_key = p.permission_key and t.own and not t.granted
    );
end;
$$;

create function private.renew_holdings_of_changed_roles() returns trigger
language plpgsql set search_path = '' as $$
declare
  touched uuid[];
begin
  if tg_table_name = 'permissions' then
    perform private.renew_holdings(null);
    return null;
  elsif tg_table_name = 'roles' then
    touched := array(select c.id from changed c);
    if exists (select 1 from changed c where c.tenant_id is null) then touched := null; end if;
  else
    touched := array(select distinct c.role_id from changed c);
    if exists (select 1 from public.roles r where r.id = any (touched) and r.tenant_id is null) then
      touched := null;
    end if;
  end if;
  -- the statement may have touched no row
  if touched is distinct from '{}' then
    perform private.renew_holdings(touched);
  end if;
  return null;
end;
$$;

-- Security definer: policies call it, also those of the tables that it reads.
create function private.caller_roles() returns setof uuid
language plpgsql stable security definer set search_path = '' as $$
declare
  tenant constant uuid := private.tenant_id();
begin
  if tenant is not null then
    return query
      select ur.role_id from public.user_roles ur where ur.user_id = (select auth.uid()) and ur.tenant_id = tenant
      union all
      select k.role_id from public.api_keys k where k.id = (select auth.uid());
  end if;
end;
$$;

-- A person may only hold a predefined role or a role of their own tenant.
create function private.refuse_foreign_role() returns trigger
language plpgsql set search_path = '' as $$
begin
  if exists (select 1 from public.roles r where r.id = new.role_id and r.tenant_id <> new.tenant_id) then
    raise foreign_key_violation using message = 'The role is of another tenant.';
  end if;
  return new;
end;
$$;

create function private.require(wanted text) returns void
language plpgsql stable set search_path = '' as $$
begin
  if not private.has_permission(wanted) then
    raise sqlstate 'PT403' using message = format('You need the permission %s.', wanted), detail = 'forbidden';
  end if;
end;
$$;

-- The highest level among the caller's roles, or 0 without a role.
create function private.caller_level() returns integer
language sql stable set search_path = '' as $$
  select coalesce(max(r.level), 0) from public.roles r where r.id in (select private.caller_roles());
$$;

create function private.level_of(person uuid) returns integer
language sql stable set search_path = '' as $$
  select coalesce(max(r.level), 0)
  from public.user_roles ur join public.roles r on r.id = ur.role_id
  where ur.user_id = person and ur.tenant_id = private.tenant_id();
$$;

-- Refuses permissions that the caller lacks. Permissions of disabled modules count, because a module can be enabled again.
create function private.refuse_not_held(permissions text[], field text) returns void
language plpgsql stable set search_path = '' as $$
declare
  beyond constant text[] := array(
    select p from unnest(refuse_not_held.permissions) p
    except
    select h.permission_key from private.role_holdings h where h.role_id in (select private.caller_roles())
    order by 1
  );
begin
  if cardinality(beyond) > 0 then
    raise sqlstate 'PT403' using
      message = format('You cannot grant permissions that you do not hold: %s.', array_to_string(beyond[1:10], ', ')),
      detail = 'permission_not_held', hint = field;
  end if;
end;
$$;

create function private.refuse_beyond_caller(role uuid, field text) returns void
language plpgsql stable set search_path = '' as $$
begin
  perform private.refuse_not_held(array(
    select h.permission_key from private.role_holdings h where h.role_id = role
  ), field);
end;
$$;

-- Refuses unless the caller may grant all of these roles.
create function private.require_grantable(role_ids uuid[], field text default 'role_ids') returns void
language plpgsql stable set search_path = '' as $$
declare
  tenant constant uuid := private.tenant_id();
  own_level constant integer := private.caller_level();
  role public.roles;
begin
  if role_ids is null or cardinality(role_ids) = 0 then
    raise sqlstate 'PT422' using message = 'Name at least one role.', detail = 'invalid_field', hint = field;
  end if;
  for role in
    select r.* from unnest(role_ids) as wanted (id) left join public.roles r
      on r.id = wanted.id and (r.tenant_id is null or r.tenant_id = tenant)
  loop
    if role.id is null then
      raise sqlstate 'PT422' using message = 'There is no such role.', detail = 'invalid_field', hint = field;
    end if;
    if role.level >= own_level and own_level < 10 then
      raise sqlstate 'PT403' using
        message = format('The role %s is not below your own level.', role.name),
        detail = 'role_too_high', hint = field;
    end if;
    perform private.refuse_beyond_caller(role.id, field);
  end loop;
end;
$$;

-- Refuses unless the caller may act on this person. Returns the profile, locked.
create function private.require_subordinate(person uuid) returns public.profiles
language plpgsql set search_path = '' as $$
declare
  profile public.profiles;
begin
  -- One transaction at a time changes the people of a tenant. The caller's rights are checked again after the wait.
  perform 1 from public.tenants t where t.id = private.tenant_id() for no key update;
  select p.* into profile from public.profiles p
  where p.user_id = person and p.tenant_id = private.tenant_id()
  for update;
  if not found then
    raise sqlstate 'PT404' using message = 'There is no such person.', detail = 'not_found';
  end if;
  if person = auth.uid() then
    raise sqlstate 'PT403' using message = 'You cannot do this to yourself.', detail = 'own_account';
  end if;
  if private.level_of(person) >= private.caller_level() and private.caller_level() < 10 then
    raise sqlstate 'PT403' using message = 'This person is not below your own level.', detail = 'role_too_high';
  end if;
  return profile;
end;
$$;

-- Keeps at least one Super Admin in a tenant that has one. The person in `leaving` does not count.
create function private.require_a_super_admin(tenant uuid, leaving uuid) returns void
language plpgsql set search_path = '' as $$
begin
  -- The lock keeps two Super Admins from removing each other at the same time. A tenant that is being deleted has no
  -- row left.
  perform 1 from public.tenants t where t.id = tenant for no key update;
  if found and not exists (
    select 1
    from public.profiles p
    join public.user_roles ur on ur.user_id = p.user_id and ur.tenant_id = p.tenant_id
    where ur.role_id = '00000000-0000-4000-8000-000000000010'
      and p.tenant_id = tenant and p.deactivated_at is null and p.user_id is distinct from leaving
  ) then
    raise sqlstate 'PT409' using message = 'The last Super Admin cannot be removed.', detail = 'last_super_admin';
  end if;
end;
$$;

-- Security definer: it also runs when Auth removes an account, and the role of Auth has no rights here.
create function private.keep_a_super_admin() returns trigger
language plpgsql security definer set search_path = '' as $$
begin
  if tg_table_name = 'user_roles' then
    perform private.require_a_super_admin(p.tenant_id, null)
    from public.profiles p
    where p.user_id = old.user_id and p.tenant_id = old.tenant_id and p.deactivated_at is null;
  elsif exists (
    select 1 from public.user_roles ur
    where ur.user_id = old.user_id and ur.role_id = '00000000-0000-4000-8000-000000000010'
      -- a row that has moved has taken its roles along
      and ur.tenant_id in (old.tenant_id, new.tenant_id)
  ) then
    perform private.require_a_super_admin(old.tenant_id, old.user_id);
  end if;
  return case when tg_when = 'BEFORE' then old end;
end;
$$;

create function private.role_json(r public.roles) returns jsonb
language sql stable set search_path = '' as $$
  select jsonb_build_object(
    'id', r.id, 'key', r.key, 'name', r.name, 'name_id', coalesce(r.name_id, r.name), 'description', r.description,
    'description_id', coalesce(r.description_id, r.description), 'level', r.level, 'inherits', r.inherits,
    'predefined', r.tenant_id is null, 'created_at', r.created_at,
    'granted', coalesce((
      select jsonb_agg(rp.permission_key order by rp.permission_key)
      from public.role_permissions rp where rp.role_id = r.id and rp.granted
    ), '[]'),
    'taken_away', coalesce((
      select jsonb_agg(rp.permission_key order by rp.permission_key)
      from public.role_permissions rp where rp.role_id = r.id and not rp.granted
    ), '[]'),
    'permissions', coalesce((
      select jsonb_agg(h.permission_key order by h.permission_key)
      from private.role_holdings h where h.role_id = r.id
    ), '[]'),
    'users_count', (
      select count(*)
      from public.user_roles ur join public.profiles p on p.user_id = ur.user_id and p.tenant_id = ur.tenant_id
      where ur.role_id = r.id and p.tenant_id = private.tenant_id() and p.deactivated_at is null
    )
  );
$$;

-- Security definer: clients have no right to call `private.role_json`.
create function public.list_roles() returns jsonb
language plpgsql stable security definer set search_path = '' as $$
begin
  perform private.require('rbac.view');
  return (
    select coalesce(jsonb_agg(private.role_json(r) order by r.level desc, r.tenant_id nulls first, r.name, r.id), '[]')
    from public.roles r
    where r.tenant_id is null or r.tenant_id = private.tenant_id()
  );
end;
$$;

-- Null if the caller's tenant has no such role.
-- Security definer: clients have no right to call `private.role_json`.
create function public.get_role(role_id uuid) returns jsonb
language plpgsql stable security definer set search_path = '' as $$
begin
  perform private.require('rbac.view');
  return (
    select private.role_json(r) from public.roles r
    where r.id = get_role.role_id and (r.tenant_id is null or r.tenant_id = private.tenant_id())
  );
end;
$$;

-- Replaces the permissions of a role. `template` names a permission template to take them from.
create function private.set_role_permissions(role uuid, granted text[], taken_away text[], template text)
returns void
language plpgsql set search_path = '' as $$
declare
  wanted text[] := granted;
  unknown text;
begin
  if template is not null then
    select t.permissions into wanted from public.permission_templates t
    where t.key = template and (t.tenant_id is null or t.tenant_id = private.tenant_id())
    order by t.tenant_id nulls last
    limit 1;
    if not found then
      raise sqlstate 'PT422' using message = 'There is no such template.', detail = 'invalid_field',
        hint = 'template';
    end if;
  end if;
  select w.key into unknown
  from unnest(coalesce(wanted, '{}') || coalesce(taken_away, '{}')) as w (key)
  where not exists (select 1 from public.permissions p where p.permission_key = w.key)
  limit 1;
  if unknown is not null then
    raise sqlstate 'PT422' using message = format('There is no permission %s.', left(unknown, 100)),
      detail = 'invalid_field', hint = case when unknown = any (wanted) then 'permissions' else 'taken_away' end;
  end if;
  if wanted && taken_away then
    raise sqlstate 'PT422' using message = 'A permission is both granted and taken away.', detail = 'invalid_field',
      hint = 'taken_away';
  end if;

  -- Only differences are written, so the audit log shows exactly the change.
  if wanted is not null then
    delete from public.role_permissions rp
    where rp.role_id = role and rp.granted and rp.permission_key <> all (wanted);
    insert into public.role_permissions as rp (role_id, permission_key, granted)
    select distinct role, w.key, true from unnest(wanted) as w (key)
    on conflict (role_id, permission_key) do update set granted = true where not rp.granted;
  end if;
  if taken_away is not null then
    delete from public.role_permissions rp
    where rp.role_id = role and not rp.granted and rp.permission_key <> all (taken_away);
    insert into public.role_permissions as rp (role_id, permission_key, granted)
    select distinct role, w.key, false from unnest(taken_away) as w (key)
    on conflict (role_id, permission_key) do update set granted = false where rp.granted;
  end if;
end;
$$;

create function private.require_level(level integer) returns void
language plpgsql stable set search_path = '' as $$
begin
  if level not between 1 and 10 then
    raise sqlstate 'PT422' using message = 'A level is a number from 1 to 9.', detail = 'invalid_field',
      hint = 'level';
  end if;
  if level >= private.caller_level() then
    raise sqlstate 'PT403' using message = 'A role must be below your own level.', detail = 'role_too_high',
      hint = 'level';
  end if;
end;
$$;

-- Creates a role of the tenant. Its permissions come from `permissions` or from `template`.
-- Security definer: clients have no right to write roles.
create function public.create_role(
  name text, level integer, description text default '', inherits boolean default true,
  permissions text[] default null, taken_away text[] default null, template text default null
) returns jsonb
language plpgsql security definer set search_path = '' as $$
declare
  tenant constant uuid := private.tenant_id();
  made public.roles;
  base text;
begin
  perform private.require('rbac.manage_roles');
  perform private.require_level(create_role.level);
  if permissions is not null or taken_away is not null or template is not null then
    perform private.require('rbac.manage_permissions');
  end if;
  perform 1 from public.tenants t where t.id = tenant for no key update;
  if exists (
    select 1 from public.roles r
    where lower(r.name) = lower(create_role.name) and (r.tenant_id is null or r.tenant_id = tenant)
  ) then
    raise sqlstate 'PT409' using message = 'There is a role of this name.', detail = 'name_taken', hint = 'name';
  end if;

  base := trim(both '_' from regexp_replace(lower(create_role.name), '[^a-z0-9]+', '_', 'g'));
  if base !~ '^[a-z]' then base := 'role_' || base; end if;
  base := trim(both '_' from left(base, 50));
  insert into public.roles (tenant_id, key, name, level, description, inherits)
  select tenant, case when n.taken then base || '_' || left(replace(gen_random_uuid()::text, '-', ''), 8) else base end,
    create_role.name, create_role.level, coalesce(create_role.description, ''), coalesce(create_role.inherits, true)
  from (
    select exists (
      select 1 from public.roles r where r.key = base and (r.tenant_id is null or r.tenant_id = tenant)
    ) as taken
  ) n
  returning * into made;
  perform private.set_role_permissions(made.id, permissions, taken_away, template);
  perform private.refuse_beyond_caller(made.id, case when template is null then 'permissions' else 'template' end);
  return private.role_json(made);
end;
$$;

-- Returns the role, locked, if the caller may change it.
create function private.require_changeable_role(role_id uuid) returns public.roles
language plpgsql set search_path = '' as $$
declare
  role public.roles;
begin
  select r.* into role from public.roles r
  where r.id = role_id and (r.tenant_id is null or r.tenant_id = private.tenant_id())
  for update;
  if not found then
    raise sqlstate 'PT404' using message = 'There is no such role.', detail = 'not_found';
  end if;
  if role.level >= private.caller_level() then
    raise sqlstate 'PT403' using message = 'You cannot change a role at or above your own level.',
      detail = 'role_too_high';
  end if;
  if role.tenant_id is null then
    raise sqlstate 'PT409' using
      message = 'Predefined roles are the same everywhere: make a role of your own instead.',
      detail = 'predefined_role';
  end if;
  return role;
end;
$$;

-- Changes the fields that `changes` names: name, description, level, inherits, permissions, taken_away, template.
-- Security definer: clients have no right to write roles.
create function public.update_role(role_id uuid, changes jsonb) returns jsonb
language plpgsql security definer set search_path = '' as $$
declare
  role public.roles;
begin
  perform private.require('rbac.manage_roles');
  role := private.require_changeable_role(update_role.role_id);
  if changes ?| array['permissions', 'taken_away', 'template', 'inherits'] then
    perform private.require('rbac.manage_permissions');
  end if;
  if changes ? 'level' then
    perform private.require_level((changes ->> 'level')::integer);
  end if;
  if changes ? 'name' and exists (
    select 1 from public.roles r
    where lower(r.name) = lower(changes ->> 'name') and r.id <> role.id
      and (r.tenant_id is null or r.tenant_id = role.tenant_id)
  ) then
    raise sqlstate 'PT409' using message = 'There is a role of this name.', detail = 'name_taken', hint = 'name';
  end if;

  update public.roles r
  set
    name = coalesce(changes ->> 'name', r.name),
    description = coalesce(changes ->> 'description', r.description),
    level = coalesce((changes ->> 'level')::integer, r.level),
    inherits = coalesce((changes ->> 'inherits')::boolean, r.inherits)
  where r.id = role.id
    and (coalesce(changes ->> 'name', r.name), coalesce(changes ->> 'description', r.description),
        coalesce((changes ->> 'level')::integer, r.level), coalesce((changes ->> 'inherits')::boolean, r.inherits))
      is distinct from (r.name, r.description, r.level, r.inherits);
  perform private.set_role_permissions(
    role.id,
    case when changes ? 'permissions' then array(select jsonb_array_elements_text(changes -> 'permissions')) end,
    case when changes ? 'taken_away' then array(select jsonb_array_elements_text(changes -> 'taken_away')) end,
    changes ->> 'template'
  );
  perform private.refuse_beyond_caller(
    role.id, case when changes ? 'template' then 'template' when changes ? 'permissions' then 'permissions'
      when changes ? 'level' then 'level' when changes ? 'inherits' then 'inherits' else 'taken_away' end
  );
  return (select private.role_json(r) from public.roles r where r.id = role.id);
end;
$$;

-- Deletes a role. Refuses while a person or an active API key holds it.
-- Security definer: clients have no right to write API keys and roles.
create function public.delete_role(role_id uuid) returns void
language plpgsql security definer set search_path = '' as $$
declare
  role public.roles;
begin
  perform private.require('rbac.manage_roles');
  role := private.require_changeable_role(delete_role.role_id);
  if exists (select 1 from public.user_roles ur where ur.role_id = role.id)
    or exists (select 1 from public.api_keys k where k.role_id = role.id and k.revoked_at is null)
  then
    raise sqlstate 'PT409' using message = 'A person or an API key holds this role. Assign them another role first.',
      detail = 'role_in_use';
  end if;
  -- revoked keys need no role of their own
  update public.api_keys k set role_id = '00000000-0000-4000-8000-000000000001' where k.role_id = role.id;
  delete from public.roles r where r.id = role.id;
end;
$$;

create function public.list_permissions() returns jsonb
language plpgsql stable set search_path = '' as $$
begin
  perform private.require('rbac.view');
  return (
    select jsonb_agg(jsonb_build_object(
      'permission_key', p.permission_key, 'permission_name', p.permission_name,
      'permission_name_id', coalesce(nullif(p.permission_name_id, ''), p.permission_name),
      'description', p.description, 'description_id', coalesce(nullif(p.description_id, ''), p.description),
      'category', p.category, 'module_id', p.module_id
    ) order by p.category, p.permission_key)
    from public.permissions p
  );
end;
$$;

create function private.permission_template_json(t public.permission_templates) returns jsonb
language sql stable set search_path = '' as $$
  select jsonb_build_object(
    'id', t.id, 'key', t.key, 'name', t.name, 'name_id', coalesce(t.name_id, t.name), 'description', t.description,
    'description_id', coalesce(t.description_id, t.description), 'permissions', to_jsonb(t.permissions),
    'predefined', t.tenant_id is null, 'created_at', t.created_at, 'updated_at', t.updated_at
  );
$$;

create function public.list_permission_templates() returns jsonb
language plpgsql stable set search_path = '' as $$
begin
  perform private.require('rbac.view');
  return (
    select coalesce(jsonb_agg(private.permission_template_json(t) order by t.tenant_id nulls first, t.name, t.id), '[]')
    from public.permission_templates t
    where t.tenant_id is null or t.tenant_id = private.tenant_id()
  );
end;
$$;

-- Creates a permission template of the tenant, or replaces the one with the same key.
-- Security definer: clients have no right to write permission templates.
create function public.save_permission_template(key text, name text, permissions text[], description text default '')
returns jsonb
language plpgsql security definer set search_path = '' as $$
declare
  saved public.permission_templates;
  unknown text;
begin
  perform private.require('rbac.manage_permissions');
  select w.key into unknown from unnest(save_permission_template.permissions) as w (key)
  where not exists (select 1 from public.permissions p where p.permission_key = w.key) limit 1;
  if unknown is not null then
    raise sqlstate 'PT422' using message = format('There is no permission %s.', left(unknown, 100)),
      detail = 'invalid_field', hint = 'permissions';
  end if;
  perform private.refuse_not_held(save_permission_template.permissions, 'permissions');
  if exists (
    select 1 from public.permission_templates t where t.tenant_id is null and t.key = save_permission_template.key
  ) then
    raise sqlstate 'PT409' using message = 'A predefined template has this key.', detail = 'name_taken', hint = 'key';
  end if;
  insert into public.permission_templates as t (tenant_id, key, name, description, permissions)
  values (
    private.tenant_id(), save_permission_template.key, save_permission_template.name,
    coalesce(save_permission_template.description, ''),
    array(select distinct w.key from unnest(save_permission_template.permissions) as w (key) order by 1)
  )
  on conflict on constraint permission_templates_tenant_id_key_key do update
    set name = excluded.name, description = excluded.description, permissions = excluded.permissions
  returning * into saved;
  return private.permission_template_json(saved);
end;
$$;

-- Security definer: clients have no right to write permission templates.
create function public.delete_permission_template(key text) returns void
language plpgsql security definer set search_path = '' as $$
begin
  perform private.require('rbac.manage_permissions');
  delete from public.permission_templates t
  where t.key = delete_permission_template.key and t.tenant_id = private.tenant_id();
  if not found then
    raise sqlstate 'PT404' using message = 'There is no such template.', detail = 'not_found';
  end if;
end;
$$;

-- The roles of a person and the resulting permissions. Null if the tenant has no such person.
-- Security definer: clients have no right to read `private.role_holdings`.
create function public.get_user_access(user_id uuid) returns jsonb
language plpgsql stable security definer set search_path = '' as $$
begin
  perform private.require('rbac.view');
  return (
    select jsonb_build_object(
      'user_id', p.user_id, 'display_name', p.display_name, 'active', p.deactivated_at is null,
      'roles', coalesce((
        select jsonb_agg(jsonb_build_object('id', r.id, 'key', r.key, 'name', r.name, 'level', r.level)
          order by r.level desc, r.key)
        from public.user_roles ur join public.roles r on r.id = ur.role_id
        where ur.user_id = p.user_id and ur.tenant_id = p.tenant_id
      ), '[]'),
      'permissions', coalesce((
        select jsonb_agg(distinct h.permission_key order by h.permission_key)
        from public.user_roles ur join private.role_holdings h on h.role_id = ur.role_id
        where ur.user_id = p.user_id and ur.tenant_id = p.tenant_id
      ), '[]')
    )
    from public.profiles p
    where p.user_id = get_user_access.user_id and p.tenant_id = private.tenant_id()
  );
end;
$$;

-- Replaces the roles of a person.
-- Security definer: clients have no right to write roles of people.
create function public.set_user_roles(user_id uuid, role_ids uuid[]) returns jsonb
language plpgsql security definer set search_path = '' as $$
declare
  person public.profiles;
begin
  perform private.require('rbac.manage_users');
  person := private.require_subordinate(set_user_roles.user_id);
  perform private.require_grantable(set_user_roles.role_ids);
  if person.left_at is not null then
    raise sqlstate 'PT409' using message = 'This person has left the organisation: invite them again.',
      detail = 'person_left';
  end if;
  -- New roles are inserted first: otherwise the last Super Admin would be missing for a moment.
  insert into public.user_roles (user_id, tenant_id, role_id)
  select distinct person.user_id, person.tenant_id, w.id from unnest(set_user_roles.role_ids) as w (id)
  on conflict do nothing;
  delete from public.user_roles ur
  where ur.user_id = person.user_id and ur.tenant_id = person.tenant_id and ur.role_id <> all (set_user_roles.role_ids);
  return public.get_user_access(person.user_id);
end;
$$;

-- Whether a person is an active member of a tenant and has a permission there, independent of the caller.
-- Security definer: it reads from `auth.users` whether a person is banned.
create function private.person_has_permission(person uuid, tenant uuid, wanted text) returns boolean
language plpgsql stable security definer set search_path = '' as $$
begin
  return exists (
    select 1
    from public.profiles p
    join auth.users u on u.id = p.user_id
    join public.user_roles ur on ur.user_id = p.user_id and ur.tenant_id = p.tenant_id
    join private.role_holdings h on h.role_id = ur.role_id
    where p.user_id = person and p.tenant_id = person_has_permission.tenant and p.deactivated_at is null
      and (u.banned_until is null or u.banned_until <= now())
      and h.permission_key = wanted
  );
end;
$$;

-- Whether the person or the API key that began a piece of work still has a permission. Work that goes on after the request
-- of its author asks before each step.
-- Security definer: the service reads no API keys and holdings of roles.
create function private.author_may(author uuid, tenant uuid, wanted text) returns boolean
language plpgsql stable security definer set search_path = '' as $$
begin
  return private.person_has_permission(author, author_may.tenant, wanted) or exists (
    select 1
    from public.api_keys k
    join private.role_holdings h on h.role_id = k.role_id
    where k.id = author and k.tenant_id = author_may.tenant and k.revoked_at is null
      and (k.expires_at is null or k.expires_at > now())
      and h.permission_key = wanted
  );
end;
$$;

-- Whether the level of the person or the API key that began a piece of work still allows to give these roles.
create function private.author_may_give(author uuid, tenant uuid, role_ids uuid[]) returns boolean
language plpgsql stable set search_path = '' as $$
declare
  own_level constant integer := (
    select max(r.level) from public.roles r
    where r.id in (
      select ur.role_id from public.user_roles ur where ur.user_id = author and ur.tenant_id = author_may_give.tenant
      union all
      select k.role_id from public.api_keys k where k.id = author and k.tenant_id = author_may_give.tenant
    )
  );
begin
  return own_level = 10 or not exists (
    select 1 from public.roles r where r.id = any (author_may_give.role_ids) and r.level >= own_level
  );
end;
$$;

create trigger renew_holdings_inserted after insert on public.permissions
  for each statement execute function private.renew_holdings_of_changed_roles();
create trigger renew_holdings_inserted after insert on public.roles
  referencing new table as changed for each statement execute function private.renew_holdings_of_changed_roles();
create trigger renew_holdings_updated after update on public.roles
  referencing new table as changed for each statement execute function private.renew_holdings_of_changed_roles();
create trigger renew_holdings_deleted after delete on public.roles
  referencing old table as changed for each statement execute function private.renew_holdings_of_changed_roles();
create trigger renew_holdings_inserted after insert on public.role_permissions
  referencing new table as changed for each statement execute function private.renew_holdings_of_changed_roles();
create trigger renew_holdings_updated after update on public.role_permissions
  referencing new table as changed for each statement execute function private.renew_holdings_of_changed_roles();
create trigger renew_holdings_deleted after delete on public.role_permissions
  referencing old table as changed for each statement execute function private.renew_holdings_of_changed_roles();
create trigger touch_updated_at before update on public.permission_templates
  for each row execute function private.touch_updated_at();
create trigger refuse_foreign_role before insert or update on public.user_roles
  for each row execute function private.refuse_foreign_role();
create trigger keep_a_super_admin after update or delete on public.user_roles
  for each row when (old.role_id = '00000000-0000-4000-8000-000000000010')
  execute function private.keep_a_super_admin();
create trigger keep_a_super_admin_active after update on public.profiles
  for each row when (
    old.deactivated_at is null and (new.deactivated_at is not null or new.tenant_id <> old.tenant_id)
  )
  execute function private.keep_a_super_admin();
-- runs before the deletion, because the person's roles are deleted with it
create trigger keep_a_super_admin before delete on public.profiles
  for each row when (old.deactivated_at is null)
  execute function private.keep_a_super_admin();

alter table public.roles enable row level security;
alter table public.permissions enable row level security;
alter table public.role_permissions enable row level security;
alter table public.user_roles enable row level security;
alter table private.role_holdings enable row level security;
alter table public.permission_templates enable row level security;

create policy "people read the list of permissions" on public.permissions for select to authenticated
  using ((select private.tenant_id()) is not null);
create policy "people read the permissions of visible roles" on public.role_permissions for select to authenticated
  using (exists (select 1 from public.roles r where r.id = role_id));
create policy "permitted people read predefined and own permission templates" on public.permission_templates
  for select to authenticated
  using (
    (tenant_id is null or tenant_id = (select private.tenant_id())) and (select private.has_permission('rbac.view'))
  );
create policy "people read their own profile, and their colleagues'" on public.profiles for select to authenticated
  using (
    tenant_id = (select private.tenant_id())
    and (
      user_id = (select auth.uid())
      or (select private.has_permission('conversations.view'))
      or (select private.has_permission('agents.view'))
    )
  );
create policy "people read roles they hold or manage" on public.roles for select to authenticated
  using (
    (select private.tenant_id()) is not null
    and (tenant_id is null or tenant_id = (select private.tenant_id()))
    and (
      id in (select private.caller_roles())
      or (select private.has_permission('rbac.view'))
      or (select private.has_permission('agents.view'))
    )
  );
create policy "people read which roles they hold, and colleagues'" on public.user_roles for select to authenticated
  using (
    tenant_id = (select private.tenant_id())
    and exists (
      select 1 from public.profiles p
      where p.user_id = user_roles.user_id and p.tenant_id = user_roles.tenant_id
    )
    and (
      user_id = (select auth.uid())
      or (select private.has_permission('rbac.view'))
      or (select private.has_permission('agents.view'))
    )
  );
create policy "permitted people read invitations" on public.invitations for select to authenticated
  using (tenant_id = (select private.tenant_id()) and (select private.has_permission('agents.view')));
create policy "no client access" on private.role_holdings to authenticated using (false);

grant select on
  public.roles, public.permissions, public.role_permissions, public.user_roles, public.permission_templates
to authenticated;

grant execute on function
  private.has_permission(text),
  private.caller_roles(),
  private.require(text),
  public.list_roles(),
  public.get_role(uuid),
  public.create_role(text, integer, text, boolean, text[], text[], text),
  public.update_role(uuid, jsonb),
  public.delete_role(uuid),
  public.list_permissions(),
  private.permission_template_json(public.permission_templates),
  public.list_permission_templates(),
  public.save_permission_template(text, text, text[], text),
  public.delete_permission_template(text),
  public.get_user_access(uuid),
  public.set_user_roles(uuid, uuid[])
to authenticated;

-- The predefined roles, all permissions, and the lowest role that holds each.
insert into public.roles (id, key, name, name_id, level, description, description_id) values
  ('00000000-0000-4000-8000-000000000010', 'super_admin', 'Super Admin', 'Super Admin', 10,
    'Owns the organisation: may do everything.', 'Pemilik organisasi: boleh melakukan semuanya.'),
  ('00000000-0000-4000-8000-000000000009', 'admin', 'Admin', 'Admin', 9,
    'Manages people, roles, settings and integrations.', 'Mengelola orang, peran, pengaturan, dan integrasi.'),
  ('00000000-0000-4000-8000-000000000008', 'manager', 'Manager', 'Manajer', 8,
    'Runs numbers, campaigns and reports.', 'Menjalankan nomor, kampanye, dan laporan.'),
  ('00000000-0000-4000-8000-000000000007', 'team_lead', 'Team Lead', 'Ketua Tim', 7,
    'Sees every conversation and assigns them.', 'Melihat dan menugaskan semua percakapan.'),
  ('00000000-0000-4000-8000-000000000006', 'senior_agent', 'Senior Agent', 'Agen Senior', 6,
    'An agent who also looks after contacts.', 'Agen yang juga mengurus kontak.'),
  ('00000000-0000-4000-8000-000000000005', 'agent', 'Agent', 'Agen', 5,
    'Answers the conversations assigned to them.', 'Menjawab percakapan yang ditugaskan kepadanya.'),
  ('00000000-0000-4000-8000-000000000004', 'junior_agent', 'Junior Agent', 'Agen Junior', 4,
    'Answers with text and media, and takes notes.', 'Menjawab dengan teks dan media, dan membuat catatan.'),
  ('00000000-0000-4000-8000-000000000003', 'viewer', 'Viewer', 'Pengamat', 3,
    'Reads the conversations assigned to them.', 'Membaca percakapan yang ditugaskan kepadanya.'),
  ('00000000-0000-4000-8000-000000000002', 'guest', 'Guest', 'Tamu', 2,
    'Sees that conversations exist, but not their messages.', 'Melihat adanya percakapan, bukan isinya.'),
  ('00000000-0000-4000-8000-000000000001', 'restricted', 'Restricted', 'Terbatas', 1,
    'Sees only their own profile.', 'Hanya melihat profil sendiri.');

-- `level`: of the lowest predefined role that holds the permission.
create temporary table listed (
  permission_key text, module_id text, level integer, permission_name text, permission_name_id text,
  description text, description_id text
) on commit drop;

insert into listed values
  ('profile.update', 'core', 1, 'Change own profile', 'Mengubah profil sendiri', 'Own name, language and password.', 'Nama, bahasa, dan kata sandi sendiri.'),

  ('conversations.view', 'inbox', 2, 'View assigned conversations', 'Melihat percakapan yang ditugaskan', 'The list of own conversations, and of unassigned ones if the organisation allows it.', 'Daftar percakapan yang ditugaskan kepada diri sendiri, dan yang belum ditugaskan bila organisasi mengizinkan.'),
  ('conversations.create', 'inbox', 5, 'Start conversations', 'Memulai percakapan', 'Begin a conversation with a contact.', 'Memulai percakapan dengan kontak.'),
  ('conversations.update', 'inbox', 5, 'Change conversations', 'Mengubah percakapan', 'Status, priority and snoozing.', 'Status, prioritas, dan penundaan.'),
  ('conversations.view_all', 'inbox', 7, 'View all conversations', 'Melihat semua percakapan', 'Conversations of all people.', 'Percakapan semua orang.'),
  ('conversations.assign', 'inbox', 7, 'Assign conversations', 'Menugaskan percakapan', 'Give conversations to agents or take them away.', 'Memberikan percakapan kepada agen atau mengambilnya.'),
  ('conversations.delete', 'inbox', 9, 'Delete conversations', 'Menghapus percakapan', 'Remove a conversation with its messages.', 'Menghapus percakapan beserta pesannya.'),

  ('messages.view', 'inbox', 3, 'Read messages', 'Membaca pesan', 'Messages of visible conversations.', 'Pesan dalam percakapan yang boleh dilihat.'),
  ('messages.send', 'inbox', 4, 'Send messages', 'Mengirim pesan', 'Answer within the 24-hour window.', 'Menjawab dalam jendela 24 jam.'),
  ('messages.send_media', 'inbox', 4, 'Send media', 'Mengirim media', 'Images, videos, documents and voice messages.', 'Gambar, video, dokumen, dan pesan suara.'),
  ('messages.send_template', 'inbox', 5, 'Send templates', 'Mengirim template', 'Single template messages, also outside the 24-hour window.', 'Pesan template satuan, juga di luar jendela 24 jam.'),
  ('messages.forward', 'inbox', 5, 'Forward messages', 'Meneruskan pesan', 'Send a message on to another conversation.', 'Meneruskan pesan ke percakapan lain.'),
  ('messages.schedule', 'inbox', 6, 'Schedule messages', 'Menjadwalkan pesan', 'Send an answer later.', 'Mengirim jawaban nanti.'),
  ('messages.delete', 'inbox', 7, 'Delete messages', 'Menghapus pesan', 'Remove a message here; the customer keeps it.', 'Menghapus pesan di sini; pelanggan tetap memilikinya.'),

  ('media.view', 'whatsapp', 3, 'View media', 'Melihat media', 'Open files of visible messages.', 'Membuka berkas dari pesan yang boleh dilihat.'),
  ('media.upload', 'whatsapp', 4, 'Upload media', 'Mengunggah media', 'Upload files to be sent.', 'Mengunggah berkas untuk dikirim.'),
  ('media.publish', 'whatsapp', 7, 'Publish media', 'Menerbitkan media', 'Store files of templates and quick replies, which everyone with the address can read.', 'Menyimpan berkas template dan balasan cepat, yang dapat dibaca siapa pun yang punya alamatnya.'),
  ('media.delete', 'whatsapp', 8, 'Delete media', 'Menghapus media', 'Remove stored files.', 'Menghapus berkas yang tersimpan.'),

  ('numbers.view', 'whatsapp', 4, 'View connected numbers', 'Melihat nomor terhubung', 'Connected numbers and their health.', 'Nomor terhubung dan kesehatannya.'),
  ('numbers.manage', 'whatsapp', 8, 'Manage connected numbers', 'Mengelola nomor terhubung', 'Connect, change, pause and disconnect numbers.', 'Menghubungkan, mengubah, menjeda, dan memutuskan nomor.'),
  ('numbers.events', 'whatsapp', 8, 'View account events', 'Melihat kejadian akun', 'Meta''s notices about numbers and accounts.', 'Pemberitahuan Meta tentang nomor dan akun.'),
  ('numbers.replay', 'whatsapp', 9, 'Replay deliveries', 'Memutar ulang kiriman', 'Process deliveries from Meta again.', 'Membaca ulang kiriman dari Meta.'),

  ('notes.view', 'inbox', 3, 'Read notes', 'Membaca catatan', 'Internal notes of conversations and contacts.', 'Catatan internal percakapan dan kontak.'),
  ('notes.create', 'inbox', 4, 'Write notes', 'Menulis catatan', 'Internal notes, with mentions.', 'Catatan internal, dengan sebutan.'),
  ('notes.update', 'inbox', 5, 'Change own notes', 'Mengubah catatan sendiri', 'Correct own notes.', 'Memperbaiki catatan yang ditulis sendiri.'),
  ('notes.delete', 'inbox', 7, 'Delete notes', 'Menghapus catatan', 'Remove notes of all people.', 'Menghapus catatan siapa pun.'),

  ('labels.view', 'inbox', 3, 'View labels', 'Melihat label', 'Labels of conversations and contacts.', 'Label percakapan dan kontak.'),
  ('labels.assign', 'inbox', 5, 'Use labels', 'Memakai label', 'Put labels on conversations and contacts.', 'Memberi label pada percakapan dan kontak.'),
  ('labels.create', 'inbox', 7, 'Create labels', 'Membuat label', 'Make new labels.', 'Membuat label baru.'),
  ('labels.update', 'inbox', 7, 'Change labels', 'Mengubah label', 'Name and colour of labels.', 'Nama dan warna label.'),
  ('labels.delete', 'inbox', 8, 'Delete labels', 'Menghapus label', 'Remove labels everywhere.', 'Menghapus label di mana pun.'),

  ('contacts.create', 'crm', 5, 'Create contacts', 'Membuat kontak', 'Add contacts.', 'Menambah kontak.'),
  ('contacts.update', 'crm', 5, 'Change contacts', 'Mengubah kontak', 'Names, fields and tags of visible contacts.', 'Nama, isian, dan tag kontak yang boleh dilihat.'),
  ('contacts.view', 'crm', 6, 'View all contacts', 'Melihat semua kontak', 'All contacts, not only those of own conversations.', 'Kontak semua orang, bukan hanya dari percakapan sendiri.'),
  ('contacts.merge', 'crm', 6, 'Merge contacts', 'Menggabungkan kontak', 'Merge contacts of the same person.', 'Menggabungkan kontak yang sebenarnya satu orang.'),
  ('contacts.block', 'crm', 7, 'Block contacts', 'Memblokir kontak', 'Block contacts, at Meta too.', 'Memblokir kontak, juga di Meta.'),
  ('contacts.delete', 'crm', 8, 'Delete contacts', 'Menghapus kontak', 'Erase a contact''s personal data.', 'Menghapus data pribadi kontak.'),
  ('contacts.import', 'crm', 8, 'Import contacts', 'Mengimpor kontak', 'Read contacts from files.', 'Membaca kontak dari berkas.'),
  ('contacts.export', 'crm', 8, 'Export contacts', 'Mengekspor kontak', 'Download contacts.', 'Mengunduh kontak.'),
  ('contacts.manage_fields', 'crm', 8, 'Define contact fields', 'Menentukan isian kontak', 'The organisation''s own contact fields.', 'Isian kontak khusus organisasi.'),
  ('contacts.erase', 'crm', 9, 'Answer privacy requests', 'Memenuhi permintaan privasi', 'Export or erase everything about one person.', 'Mengekspor atau menghapus semua tentang satu orang.'),

  ('segments.view', 'crm', 6, 'View segments', 'Melihat segmen', 'Saved filters of contacts.', 'Saringan kontak tersimpan.'),
  ('segments.create', 'crm', 8, 'Create segments', 'Membuat segmen', 'Save filters of contacts.', 'Menyimpan saringan kontak.'),
  ('segments.update', 'crm', 8, 'Change segments', 'Mengubah segmen', 'Change saved filters.', 'Mengubah saringan tersimpan.'),
  ('segments.delete', 'crm', 8, 'Delete segments', 'Menghapus segmen', 'Remove saved filters.', 'Menghapus saringan tersimpan.'),

  ('quick_replies.view', 'quick-replies', 3, 'View quick replies', 'Melihat balasan cepat', 'Prepared answers of the organisation and own ones.', 'Jawaban siap pakai milik organisasi dan sendiri.'),
  ('quick_replies.create', 'quick-replies', 5, 'Create own quick replies', 'Membuat balasan cepat sendiri', 'Prepared answers for own use.', 'Jawaban siap pakai untuk diri sendiri.'),
  ('quick_replies.update', 'quick-replies', 7, 'Change shared quick replies', 'Mengubah balasan cepat bersama', 'Create and change shared answers.', 'Membuat dan mengubah jawaban yang dipakai semua orang.'),
  ('quick_replies.delete', 'quick-replies', 7, 'Delete shared quick replies', 'Menghapus balasan cepat bersama', 'Remove shared answers.', 'Menghapus jawaban yang dipakai semua orang.'),

  ('templates.view', 'broadcast', 5, 'View templates', 'Melihat template', 'Templates and their state at Meta.', 'Template dan statusnya di Meta.'),
  ('templates.create', 'broadcast', 8, 'Create templates', 'Membuat template', 'Write templates.', 'Menulis template.'),
  ('templates.update', 'broadcast', 8, 'Change templates', 'Mengubah template', 'Edit templates where Meta allows it.', 'Menyunting template sejauh diizinkan Meta.'),
  ('templates.submit', 'broadcast', 8, 'Submit templates', 'Mengajukan template', 'Send templates to Meta for approval.', 'Mengajukan template ke Meta untuk disetujui.'),
  ('templates.delete', 'broadcast', 8, 'Delete templates', 'Menghapus template', 'Delete templates, at Meta too.', 'Menghapus template, juga di Meta.'),
  ('templates.sync', 'broadcast', 8, 'Synchronise templates', 'Menyinkronkan template', 'Read the state of templates from Meta.', 'Membaca status template dari Meta.'),

  ('recipient_lists.view', 'broadcast', 8, 'View recipient lists', 'Melihat daftar penerima', 'Lists of recipients.', 'Daftar penerima.'),
  ('recipient_lists.create', 'broadcast', 8, 'Create recipient lists', 'Membuat daftar penerima', 'Make and change lists of recipients.', 'Membuat dan mengubah daftar penerima.'),
  ('recipient_lists.import', 'broadcast', 8, 'Import recipients', 'Mengimpor penerima', 'Read recipients from files.', 'Membaca penerima dari berkas.'),
  ('recipient_lists.export', 'broadcast', 8, 'Export recipients', 'Mengekspor penerima', 'Download lists of recipients.', 'Mengunduh daftar penerima.'),
  ('recipient_lists.delete', 'broadcast', 8, 'Delete recipient lists', 'Menghapus daftar penerima', 'Remove lists of recipients.', 'Menghapus daftar penerima.'),

  ('broadcasts.view', 'broadcast', 8, 'View campaigns', 'Melihat kampanye', 'Campaigns, their recipients and figures.', 'Kampanye, penerima, dan angkanya.'),
  ('broadcasts.create', 'broadcast', 8, 'Create campaigns', 'Membuat kampanye', 'Prepare campaigns.', 'Menyiapkan kampanye.'),
  ('broadcasts.update', 'broadcast', 8, 'Change campaigns', 'Mengubah kampanye', 'Change campaigns that have not begun.', 'Mengubah kampanye yang belum dimulai.'),
  ('broadcasts.send', 'broadcast', 8, 'Send campaigns', 'Mengirim kampanye', 'Send or schedule campaigns.', 'Mengirim atau menjadwalkan kampanye.'),
  ('broadcasts.pause', 'broadcast', 8, 'Pause campaigns', 'Menjeda kampanye', 'Pause and resume campaigns.', 'Menjeda dan melanjutkan kampanye.'),
  ('broadcasts.cancel', 'broadcast', 8, 'Cancel campaigns', 'Membatalkan kampanye', 'End campaigns before all recipients were reached.', 'Mengakhiri kampanye sebelum semua terkirim.'),
  ('broadcasts.retry', 'broadcast', 8, 'Retry failed recipients', 'Mengulang penerima gagal', 'Send again to recipients who were not reached.', 'Mengirim ulang kepada yang gagal.'),
  ('broadcasts.export', 'broadcast', 8, 'Export campaign results', 'Mengekspor hasil kampanye', 'Download recipients with their outcome.', 'Mengunduh penerima beserta hasilnya.'),
  ('broadcasts.delete', 'broadcast', 8, 'Delete campaigns', 'Menghapus kampanye', 'Remove campaigns that were not sent.', 'Menghapus kampanye yang belum dikirim.'),

  ('queue.view', 'broadcast', 8, 'View the queue', 'Melihat antrean', 'Waiting, current and failed recipients.', 'Yang menunggu, sedang berjalan, atau gagal.'),
  ('queue.manage', 'broadcast', 8, 'Manage the queue', 'Mengelola antrean', 'Retry failed recipients; start and stop the scheduler.', 'Mengulang yang gagal; memulai dan menghentikan penjadwal.'),

  ('chatbots.view', 'chatbot', 8, 'View chatbots', 'Melihat chatbot', 'Chatbots and their flows.', 'Chatbot dan alurnya.'),
  ('chatbots.create', 'chatbot', 8, 'Create chatbots', 'Membuat chatbot', 'Make chatbots.', 'Membuat chatbot.'),
  ('chatbots.update', 'chatbot', 8, 'Change chatbots', 'Mengubah chatbot', 'Change chatbots, switch them on and off.', 'Mengubah, mengaktifkan, dan menonaktifkan chatbot.'),
  ('chatbots.delete', 'chatbot', 8, 'Delete chatbots', 'Menghapus chatbot', 'Remove chatbots.', 'Menghapus chatbot.'),

  ('reports.view', 'analytics', 7, 'View reports', 'Melihat laporan', 'Dashboard and reports.', 'Dasbor dan laporan.'),
  ('reports.export', 'analytics', 8, 'Export reports', 'Mengekspor laporan', 'Download reports.', 'Mengunduh laporan.'),

  ('agents.view', 'core', 7, 'View agents', 'Melihat agen', 'People of the organisation and their roles.', 'Orang dalam organisasi dan perannya.'),
  ('agents.assign', 'core', 7, 'Distribute work', 'Membagi pekerjaan', 'Availability and automatic assignment.', 'Ketersediaan dan penugasan otomatis.'),
  ('agents.create', 'core', 9, 'Invite agents', 'Mengundang agen', 'Invite people into the organisation.', 'Mengundang orang ke organisasi.'),
  ('agents.update', 'core', 9, 'Change agents', 'Mengubah agen', 'Change people, deactivate and reactivate them.', 'Mengubah, menonaktifkan, dan mengaktifkan orang.'),
  ('agents.delete', 'core', 9, 'Remove agents', 'Mengeluarkan agen', 'Deactivate people and withdraw invitations.', 'Menonaktifkan orang dan menarik undangan.'),

  ('settings.view', 'core', 8, 'View settings', 'Melihat pengaturan', 'Settings of the organisation.', 'Pengaturan organisasi.'),
  ('settings.update', 'core', 9, 'Change settings', 'Mengubah pengaturan', 'Name, time zone, business hours and rules of the organisation.', 'Nama, zona waktu, jam kerja, dan aturan organisasi.'),

  ('rbac.view', 'core', 8, 'View roles', 'Melihat peran', 'Roles, permissions and the people who hold them.', 'Peran, izin, dan pemegangnya.'),
  ('rbac.manage_roles', 'core', 9, 'Manage roles', 'Mengelola peran', 'Create, change and delete own roles of lower levels.', 'Membuat, mengubah, dan menghapus peran sendiri di tingkat lebih rendah.'),
  ('rbac.manage_permissions', 'core', 9, 'Manage permissions', 'Mengelola izin', 'Permissions of roles, and permission templates.', 'Izin dalam peran, dan template izin.'),
  ('rbac.manage_users', 'core', 9, 'Manage users'' roles', 'Mengelola peran pengguna', 'Give and take roles of lower levels.', 'Memberi dan mencabut peran di tingkat lebih rendah.'),

  ('modules.view', 'core', 8, 'View modules', 'Melihat modul', 'Modules and whether they are enabled.', 'Modul dan status aktifnya.'),
  ('modules.manage', 'core', 9, 'Manage modules', 'Mengelola modul', 'Enable and disable modules.', 'Mengaktifkan dan menonaktifkan modul.'),

  ('api_keys.view', 'core', 9, 'View API keys', 'Melihat kunci API', 'API keys, without their secret.', 'Kunci API, tanpa rahasianya.'),
  ('api_keys.create', 'core', 9, 'Create API keys', 'Membuat kunci API', 'Make API keys for integrations.', 'Membuat kunci API untuk integrasi.'),
  ('api_keys.revoke', 'core', 9, 'Revoke API keys', 'Mencabut kunci API', 'End API keys.', 'Mengakhiri kunci API.'),

  ('audit.view', 'core', 9, 'View the audit log', 'Melihat log audit', 'Changes, the people who made them, and security events.', 'Siapa mengubah apa, dan kejadian keamanan.'),
  ('audit.export', 'core', 9, 'Export the audit log', 'Mengekspor log audit', 'Download the audit log.', 'Mengunduh log audit.'),

  ('webhooks.view', 'webhooks', 9, 'View outgoing webhooks', 'Melihat webhook keluar', 'Endpoints and deliveries.', 'Titik tujuan dan pengiriman.'),
  ('webhooks.create', 'webhooks', 9, 'Create outgoing webhooks', 'Membuat webhook keluar', 'Add endpoints.', 'Menambah titik tujuan.'),
  ('webhooks.update', 'webhooks', 9, 'Change outgoing webhooks', 'Mengubah webhook keluar', 'Change endpoints, send again.', 'Mengubah titik tujuan, mengirim ulang.'),
  ('webhooks.delete', 'webhooks', 9, 'Delete outgoing webhooks', 'Menghapus webhook keluar', 'Remove endpoints.', 'Menghapus titik tujuan.'),

  ('billing.view', 'billing', 9, 'View billing', 'Melihat penagihan', 'Plan, usage and invoices.', 'Paket, pemakaian, dan tagihan.'),
  ('billing.manage', 'billing', 10, 'Manage billing', 'Mengelola penagihan', 'Change the plan.', 'Mengubah paket.'),

  ('admin.retention', 'core', 10, 'Set retention', 'Menentukan masa simpan', 'How long the audit log is kept.', 'Berapa lama log audit disimpan.'),
  ('admin.full_access', 'core', 10, 'Full system access', 'Akses penuh sistem', 'All permissions, including future ones.', 'Semuanya, termasuk yang ditambahkan kemudian.');

insert into public.permissions
  (permission_key, permission_name, permission_name_id, description, description_id, category, module_id)
select
  l.permission_key, l.permission_name, l.permission_name_id, l.description, l.description_id,
  split_part(l.permission_key, '.', 1), l.module_id
from listed l;

insert into public.role_permissions (role_id, permission_key)
select r.id, l.permission_key from listed l join public.roles r on r.tenant_id is null and r.level = l.level;

insert into public.permission_templates (key, name, name_id, description, description_id, permissions)
select t.key, t.name, t.name_id, t.description, t.description_id, array(
  select p.permission_key from public.permissions p
  where p.category || '.*' = any (t.wanted) or p.permission_key = any (t.wanted)
  order by 1
)
from (values
  ('customer_service', 'Customer service', 'Layanan pelanggan',
    'Answers assigned conversations and looks after their contacts.', 'Menjawab percakapan yang ditugaskan dan mengurus kontaknya.',
    '{profile.update,conversations.view,conversations.create,conversations.update,messages.view,messages.send,messages.send_media,messages.send_template,media.view,media.upload,notes.view,notes.create,notes.update,labels.view,labels.assign,contacts.create,contacts.update,quick_replies.view,quick_replies.create,templates.view}'::text[]),
  ('supervisor', 'Supervisor', 'Pengawas',
    'Sees every conversation, assigns them and reads reports.', 'Melihat dan menugaskan semua percakapan, dan membaca laporan.',
    '{profile.update,conversations.view,conversations.view_all,conversations.update,conversations.assign,messages.*,media.*,notes.*,labels.*,contacts.view,contacts.update,contacts.merge,contacts.block,quick_replies.*,agents.view,agents.assign,reports.view}'),
  ('marketing', 'Marketing', 'Pemasaran',
    'Templates, recipient lists and campaigns; no conversations.', 'Template, daftar penerima, dan kampanye; tanpa percakapan.',
    '{profile.update,templates.*,recipient_lists.*,broadcasts.*,queue.view,segments.*,contacts.view,contacts.import,reports.view,reports.export,numbers.view,media.view,media.upload,media.publish}'),
  ('reporting', 'Reports only', 'Hanya laporan',
    'Reads and exports reports.', 'Membaca dan mengekspor laporan.',
    '{profile.update,reports.view,reports.export}'),
  ('integration', 'Integration', 'Integrasi',
    'For API keys: sends messages and keeps contacts up to date.', 'Untuk kunci API: mengirim pesan dan memperbarui kontak.',
    '{conversations.view,conversations.view_all,conversations.create,messages.view,messages.send,messages.send_media,messages.send_template,media.view,media.upload,contacts.view,contacts.create,contacts.update,templates.view,numbers.view}'),
  ('auditor', 'Auditor', 'Auditor',
    'Reads settings, roles and the audit log; changes nothing.', 'Membaca pengaturan, peran, dan log audit; tidak mengubah apa pun.',
    '{settings.view,rbac.view,modules.view,agents.view,audit.view,audit.export,api_keys.view}')
) as t (key, name, name_id, description, description_id, wanted);
