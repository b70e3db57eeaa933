-- Managing roles, who holds them, permission templates and modules.
--
-- The rules, for whoever asks: nobody grants a permission they lack, changes a role at or above their own level,
-- acts on somebody at or above it, or on their own roles; a Super Admin may act on Super Admins, but the last one
-- stays. Functions are security definer: clients have no right to write these tables.

create function private.require(wanted text) returns void
language plpgsql stable set search_path = '' as $$
begin
  if not private.has_permission(wanted) then
    raise sqlstate 'PT403' using message = format('You need the permission %s.', wanted), detail = 'forbidden';
  end if;
end;
$$;

-- 0 without a role.
create function private.caller_level() returns integer
language sql stable security definer set search_path = '' as $$
  select coalesce(max(r.level), 0) from public.roles r where r.id in (select private.caller_roles());
$$;

create function private.level_of(person uuid) returns integer
language sql stable security definer set search_path = '' as $$
  select coalesce(max(r.level), 0)
  from public.user_roles ur join public.roles r on r.id = ur.role_id
  where ur.user_id = person;
$$;

-- What a role holds and the caller does not. Disabled modules do not matter here: they may be enabled tomorrow.
create function private.beyond_caller(role uuid) returns text[]
language sql stable security definer set search_path = '' as $$
  select array(
    select h.permission_key from private.role_holdings h where h.role_id = role
    except
    select h.permission_key from private.role_holdings h where h.role_id in (select private.caller_roles())
    order by 1
  );
$$;

create function private.refuse_beyond_caller(role uuid, field text) returns void
language plpgsql stable set search_path = '' as $$
declare
  beyond constant text[] := private.beyond_caller(role);
begin
  if cardinality(beyond) > 0 then
    raise sqlstate 'PT403' using
      message = format('You cannot give what you do not hold: %s.', array_to_string(beyond[1:10], ', ')),
      detail = 'permission_not_held', hint = field;
  end if;
end;
$$;

-- Refuses unless the caller may give all of these roles to somebody.
create function private.require_grantable(role_ids uuid[], field text default 'role_ids') returns void
language plpgsql stable security definer set search_path = '' as $$
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

-- Refuses unless the caller may act on this person. Answers with the profile, locked.
create function private.require_subordinate(person uuid) returns public.profiles
language plpgsql security definer set search_path = '' as $$
declare
  profile public.profiles;
begin
  -- People of a tenant are changed one at a time, and what the caller may do is looked at again after the wait.
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

-- A tenant that has a Super Admin keeps one, whoever changes what. `leaving` does not count.
create function private.require_a_super_admin(tenant uuid, leaving uuid) returns void
language plpgsql security definer set search_path = '' as $$
begin
  -- Two who remove each other must not both succeed. A tenant that is being deleted is not there any more.
  perform 1 from public.tenants t where t.id = tenant for no key update;
  if found and not exists (
    select 1
    from public.profiles p
    join public.user_roles ur on ur.user_id = p.user_id
    where ur.role_id = '00000000-0000-4000-8000-000000000010'
      and p.tenant_id = tenant and p.deactivated_at is null and p.user_id is distinct from leaving
  ) then
    raise sqlstate 'PT409' using message = 'The last Super Admin cannot be removed.', detail = 'last_super_admin';
  end if;
end;
$$;

create function private.keep_a_super_admin() returns trigger
language plpgsql security definer set search_path = '' as $$
begin
  if tg_table_name = 'user_roles' then
    perform private.require_a_super_admin(p.tenant_id, null)
    from public.profiles p where p.user_id = old.user_id and p.deactivated_at is null;
  elsif exists (
    select 1 from public.user_roles ur
    where ur.user_id = old.user_id and ur.role_id = '00000000-0000-4000-8000-000000000010'
  ) then
    perform private.require_a_super_admin(old.tenant_id, old.user_id);
  end if;
  return case when tg_when = 'BEFORE' then old end;
end;
$$;
create trigger keep_a_super_admin after update or delete on public.user_roles
  for each row when (old.role_id = '00000000-0000-4000-8000-000000000010')
  execute function private.keep_a_super_admin();
create trigger keep_a_super_admin_active after update on public.profiles
  for each row when (
    old.deactivated_at is null and (new.deactivated_at is not null or new.tenant_id <> old.tenant_id)
  )
  execute function private.keep_a_super_admin();
-- before: its roles go with it
create trigger keep_a_super_admin before delete on public.profiles
  for each row when (old.deactivated_at is null)
  execute function private.keep_a_super_admin();

create function private.role_json(r public.roles) returns jsonb
language sql stable security definer set search_path = '' as $$
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
      select count(*) from public.user_roles ur join public.profiles p on p.user_id = ur.user_id
      where ur.role_id = r.id and p.tenant_id = private.tenant_id() and p.deactivated_at is null
    )
  );
$$;

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

-- Null when there is none of that id for the caller.
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

-- Puts the permissions of a role in the place of what it had. `template` names a set to take them from.
create function private.set_role_permissions(role uuid, granted text[], taken_away text[], template text)
returns void
language plpgsql security definer set search_path = '' as $$
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
    raise sqlstate 'PT422' using message = 'A permission is both given and taken away.', detail = 'invalid_field',
      hint = 'taken_away';
  end if;

  -- Only what changes is written: the audit log tells what was meant.
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

-- A role of the tenant. `permissions` and `template` are two ways to say what it holds.
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

-- The role, locked, if the caller may change it.
create function private.require_changeable_role(role_id uuid) returns public.roles
language plpgsql security definer set search_path = '' as $$
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

-- Changes what is named in `changes`: name, description, level, inherits, permissions, taken_away, template.
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

-- Refused while anybody holds it.
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
    raise sqlstate 'PT409' using message = 'Somebody, or an API key, holds this role: give them another first.',
      detail = 'role_in_use';
  end if;
  -- keys that can never be used again need no role of their own
  update public.api_keys k set role_id = '00000000-0000-4000-8000-000000000001' where k.role_id = role.id;
  delete from public.roles r where r.id = role.id;
end;
$$;

create function public.list_permissions() returns jsonb
language plpgsql stable security definer set search_path = '' as $$
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
language plpgsql stable security definer set search_path = '' as $$
begin
  perform private.require('rbac.view');
  return (
    select coalesce(jsonb_agg(private.permission_template_json(t) order by t.tenant_id nulls first, t.name, t.id), '[]')
    from public.permission_templates t
    where t.tenant_id is null or t.tenant_id = private.tenant_id()
  );
end;
$$;

-- A set of the tenant's own, made or replaced by its key.
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

-- Somebody's roles and what follows from them. Null when there is no such person in the tenant.
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
        from public.user_roles ur join public.roles r on r.id = ur.role_id where ur.user_id = p.user_id
      ), '[]'),
      'permissions', coalesce((
        select jsonb_agg(distinct h.permission_key order by h.permission_key)
        from public.user_roles ur join private.role_holdings h on h.role_id = ur.role_id
        where ur.user_id = p.user_id
      ), '[]')
    )
    from public.profiles p
    where p.user_id = get_user_access.user_id and p.tenant_id = private.tenant_id()
  );
end;
$$;

-- Gives somebody these roles in place of those they have.
create function public.set_user_roles(user_id uuid, role_ids uuid[]) returns jsonb
language plpgsql security definer set search_path = '' as $$
declare
  person public.profiles;
begin
  perform private.require('rbac.manage_users');
  person := private.require_subordinate(set_user_roles.user_id);
  perform private.require_grantable(set_user_roles.role_ids);
  -- First what is new: the last Super Admin must not be missed in between.
  insert into public.user_roles (user_id, role_id)
  select distinct person.user_id, w.id from unnest(set_user_roles.role_ids) as w (id)
  on conflict do nothing;
  delete from public.user_roles ur
  where ur.user_id = person.user_id and ur.role_id <> all (set_user_roles.role_ids);
  return public.get_user_access(person.user_id);
end;
$$;

create function private.module_json(m public.modules, tenant uuid) returns jsonb
language sql stable security definer set search_path = '' as $$
  select jsonb_build_object(
    'id', m.id, 'name', m.name, 'name_id', m.name_id, 'description', m.description,
    'description_id', m.description_id, 'version', m.version, 'core', m.is_core, 'routes', to_jsonb(m.routes),
    'dependencies', to_jsonb(m.dependencies), 'enabled', private.module_enabled(tenant, m.id),
    'permissions', coalesce((
      select jsonb_agg(p.permission_key order by p.permission_key)
      from public.permissions p where p.module_id = m.id
    ), '[]')
  );
$$;

create function public.list_modules() returns jsonb
language plpgsql stable security definer set search_path = '' as $$
begin
  perform private.require('modules.view');
  return (
    select jsonb_agg(private.module_json(m, private.tenant_id()) order by m.is_core desc, m.id) from public.modules m
  );
end;
$$;

create function public.get_module(module_id text) returns jsonb
language plpgsql stable security definer set search_path = '' as $$
begin
  perform private.require('modules.view');
  return (
    select private.module_json(m, private.tenant_id()) from public.modules m where m.id = get_module.module_id
  );
end;
$$;

-- Switches a module on or off for the tenant. Its data stays.
create function public.set_module(module_id text, enabled boolean) returns jsonb
language plpgsql security definer set search_path = '' as $$
declare
  tenant constant uuid := private.tenant_id();
  module public.modules;
  others text;
begin
  perform private.require('modules.manage');
  select m.* into module from public.modules m where m.id = set_module.module_id;
  if not found then
    raise sqlstate 'PT404' using message = 'There is no such module.', detail = 'not_found';
  end if;
  -- Modules depend on each other: one change at a time.
  perform 1 from public.tenants t where t.id = tenant for no key update;
  if not set_module.enabled then
    if module.is_core then
      raise sqlstate 'PT409' using message = 'The product does not work without this module.',
        detail = 'module_required';
    end if;
    select string_agg(m.name, ', ' order by m.name) into others from public.modules m
    where module.id = any (m.dependencies) and private.module_enabled(tenant, m.id);
    if others is not null then
      raise sqlstate 'PT409' using message = format('Other modules need it: %s.', others), detail = 'module_required';
    end if;
  else
    select string_agg(m.name, ', ' order by m.name) into others from public.modules m
    where m.id = any (module.dependencies) and not private.module_enabled(tenant, m.id);
    if others is not null then
      raise sqlstate 'PT409' using message = format('It needs other modules: %s.', others),
        detail = 'module_dependency';
    end if;
  end if;
  insert into public.tenant_modules as t (tenant_id, module_id, enabled)
  values (tenant, module.id, set_module.enabled)
  on conflict on constraint tenant_modules_pkey do update set enabled = excluded.enabled where t.enabled <> excluded.enabled;
  return private.module_json(module, tenant);
end;
$$;

revoke execute on all functions in schema private from public;
revoke execute on function
  public.list_roles(), public.get_role(uuid), public.create_role(text, integer, text, boolean, text[], text[], text),
  public.update_role(uuid, jsonb), public.delete_role(uuid), public.list_permissions(),
  public.list_permission_templates(), public.save_permission_template(text, text, text[], text),
  public.delete_permission_template(text), public.get_user_access(uuid), public.set_user_roles(uuid, uuid[]),
  public.list_modules(), public.get_module(text), public.set_module(text, boolean)
  from public, anon;
grant execute on function
  public.list_roles(), public.get_role(uuid), public.create_role(text, integer, text, boolean, text[], text[], text),
  public.update_role(uuid, jsonb), public.delete_role(uuid), public.list_permissions(),
  public.list_permission_templates(), public.save_permission_template(text, text, text[], text),
  public.delete_permission_template(text), public.get_user_access(uuid), public.set_user_roles(uuid, uuid[]),
  public.list_modules(), public.get_module(text), public.set_module(text, boolean)
  to authenticated;
