-- Organisations and their people: sign-up, settings, invitations and agents.
--
-- A user belongs to one tenant through `profiles`, and users cannot change that row's tenant. Every foreign key between
-- business tables carries the tenant's id, so a row can never point into another tenant.

-- Some functions below name objects that later statements create.
set check_function_bodies = off;

create table public.tenants (
  id uuid primary key default gen_random_uuid(),
  name text not null check (char_length(name) between 1 and 200),
  slug text not null unique check (slug ~ '^[a-z0-9](-?[a-z0-9])*$' and char_length(slug) <= 63),
  timezone text not null default 'Asia/Jakarta',
  locale text not null default 'id' check (locale in ('id', 'en')),
  agents_see_unassigned boolean not null default true,
  created_at timestamptz not null default now(),
  updated_at timestamptz not null default now(),
  -- {"monday": [{"from": "09:00", "to": "17:00"}], ...} in the tenant's time zone; empty means always open
  business_hours jsonb not null default '{}' check (jsonb_typeof(business_hours) = 'object'),
  audit_retention_days integer not null default 365 check (audit_retention_days between 30 and 3650),
  -- a message that consists of one of these words ends or renews the customer's consent to marketing
  opt_out_keywords text[] not null default
    '{STOP,BERHENTI,UNSUBSCRIBE,BATAL BERLANGGANAN,STOP PROMO,OPT OUT,STOP PROMOTIONS,STOP PROMOSI,HENTIKAN PROMOSI}'
    check (cardinality(opt_out_keywords) <= 50),
  opt_in_keywords text[] not null default '{START,MULAI,SUBSCRIBE,BERLANGGANAN,OPT IN}'
    check (cardinality(opt_in_keywords) <= 50),
  -- set while the tenant has stopped its scheduler: no scheduled campaign starts
  scheduler_stopped_at timestamptz
);

create table public.profiles (
  user_id uuid primary key references auth.users (id) on delete cascade,
  tenant_id uuid not null references public.tenants (id) on delete cascade,
  display_name text not null default '' check (char_length(display_name) <= 200),
  locale text check (locale in ('id', 'en')),
  deactivated_at timestamptz,
  created_at timestamptz not null default now(),
  updated_at timestamptz not null default now(),
  availability text not null default 'online' check (availability in ('online', 'busy', 'offline')),
  unique (user_id, tenant_id)
);
create index profiles_tenant_id_idx on public.profiles (tenant_id);

create table public.invitations (
  id uuid primary key default gen_random_uuid(),
  tenant_id uuid not null references public.tenants (id) on delete cascade,
  email text not null check (email = lower(email) and char_length(email) between 3 and 320),
  display_name text not null default '' check (char_length(display_name) <= 200),
  role_ids uuid[] not null,
  locale text check (locale in ('id', 'en')),
  invited_by uuid,
  user_id uuid,
  created_at timestamptz not null default now(),
  accepted_at timestamptz,
  withdrawn_at timestamptz,
  foreign key (invited_by, tenant_id) references public.profiles (user_id, tenant_id)
    on delete set null (invited_by)
);
create index invitations_tenant_id_idx on public.invitations (tenant_id, created_at desc, id);
create index invitations_invited_by_idx on public.invitations (invited_by, tenant_id);
create unique index invitations_open_idx on public.invitations (tenant_id, email)
  where accepted_at is null and withdrawn_at is null;

-- The caller's tenant. It is null for a stranger, a deactivated or banned person, and a revoked or expired key, so
-- every policy then returns no rows. Every statement calls this function and the next ones. They are written in plpgsql
-- because it keeps their plans.
-- Security definer: the policy of `profiles` calls it.
create function private.tenant_id() returns uuid
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

-- The caller's user id; null for an API key, because columns that reference people cannot hold one.
-- Security definer: policies call it, also those of the table that it reads.
create function private.person_id() returns uuid
language plpgsql stable security definer set search_path = '' as $$
begin
  return (select p.user_id from public.profiles p where p.user_id = (select auth.uid()));
end;
$$;

create function private.require_timezone(zone text) returns void
language plpgsql stable set search_path = '' as $$
begin
  if not exists (select 1 from pg_catalog.pg_timezone_names z where z.name = zone) then
    raise sqlstate 'PT422' using message = 'There is no such time zone: use a name such as Asia/Jakarta.',
      detail = 'invalid_field', hint = 'timezone';
  end if;
end;
$$;

-- The tenant as the API shows it, including its consent keywords.
create function private.tenant_json(t public.tenants) returns jsonb
language sql stable set search_path = '' as $$
  select to_jsonb(t) - 'scheduler_stopped_at';
$$;

-- Signs an organisation up: creates the tenant and its Super Admin in one transaction. The caller must be signed in,
-- have a confirmed address and belong to no tenant. A missing `slug` is made from the name.
-- Security definer: clients have no right to write people, roles of people and tenants.
create function public.create_tenant(
  name text, slug text default null, timezone text default 'Asia/Jakarta', locale text default 'id',
  display_name text default ''
) returns jsonb
language plpgsql security definer set search_path = '' as $$
declare
  person constant uuid := auth.uid();
  base text;
  made public.tenants;
begin
  -- serializes concurrent sign-ups of one person
  perform 1 from auth.users u
  where u.id = person and u.email_confirmed_at is not null and (u.banned_until is null or u.banned_until <= now())
  for update;
  if not found then
    raise sqlstate 'PT403' using message = 'Confirm your e-mail address first.', detail = 'email_not_confirmed';
  end if;
  if exists (select 1 from public.profiles p where p.user_id = person) then
    raise sqlstate 'PT409' using message = 'You already belong to an organisation.', detail = 'already_member';
  end if;
  perform private.require_timezone(create_tenant.timezone);

  base := coalesce(create_tenant.slug, trim(both '-' from left(
    trim(both '-' from regexp_replace(lower(create_tenant.name), '[^a-z0-9]+', '-', 'g')), 40
  )));
  if base = '' then base := 'org'; end if;
  insert into public.tenants (name, slug, timezone, locale)
  values (create_tenant.name, base, create_tenant.timezone, create_tenant.locale)
  on conflict do nothing
  returning * into made;
  if made.id is null then
    if create_tenant.slug is not null then
      raise sqlstate 'PT409' using message = 'This short name is taken.', detail = 'slug_taken', hint = 'slug';
    end if;
    insert into public.tenants (name, slug, timezone, locale)
    values (
      create_tenant.name, base || '-' || left(replace(gen_random_uuid()::text, '-', ''), 12), create_tenant.timezone,
      create_tenant.locale
    )
    returning * into made;
  end if;
  insert into public.profiles (user_id, tenant_id, display_name)
  values (person, made.id, create_tenant.display_name);
  insert into public.user_roles (user_id, role_id) values (person, '00000000-0000-4000-8000-000000000010');
  return private.tenant_json(made);
end;
$$;

-- Security definer: clients have no right to call `private.tenant_json`.
create function public.get_tenant() returns jsonb
language plpgsql stable security definer set search_path = '' as $$
begin
  perform private.require('settings.view');
  return (select private.tenant_json(t) from public.tenants t where t.id = private.tenant_id());
end;
$$;

-- Changes the settings that `changes` names: name, slug, timezone, locale, business_hours, agents_see_unassigned,
-- audit_retention_days, opt_out_keywords, opt_in_keywords.
-- Security definer: clients have no right to write tenants.
create function public.update_tenant(changes jsonb) returns jsonb
language plpgsql security definer set search_path = '' as $$
declare
  tenant public.tenants;
begin
  perform private.require('settings.update');
  if changes ? 'audit_retention_days' then
    perform private.require('admin.retention');
  end if;
  if changes ? 'timezone' then
    perform private.require_timezone(changes ->> 'timezone');
  end if;
  if changes ? 'slug' and exists (
    select 1 from public.tenants t where t.slug = changes ->> 'slug' and t.id <> private.tenant_id()
  ) then
    raise sqlstate 'PT409' using message = 'This short name is taken.', detail = 'slug_taken', hint = 'slug';
  end if;
  update public.tenants t
  set
    name = coalesce(changes ->> 'name', t.name),
    slug = coalesce(changes ->> 'slug', t.slug),
    timezone = coalesce(changes ->> 'timezone', t.timezone),
    locale = coalesce(changes ->> 'locale', t.locale),
    business_hours = coalesce(changes -> 'business_hours', t.business_hours),
    agents_see_unassigned = coalesce((changes ->> 'agents_see_unassigned')::boolean, t.agents_see_unassigned),
    opt_out_keywords = case when changes ? 'opt_out_keywords'
      then array(select jsonb_array_elements_text(changes -> 'opt_out_keywords')) else t.opt_out_keywords end,
    opt_in_keywords = case when changes ? 'opt_in_keywords'
      then array(select jsonb_array_elements_text(changes -> 'opt_in_keywords')) else t.opt_in_keywords end,
    audit_retention_days = coalesce((changes ->> 'audit_retention_days')::integer, t.audit_retention_days)
  where t.id = private.tenant_id()
  returning * into tenant;
  return private.tenant_json(tenant);
end;
$$;

-- Security definer: it reads the address of a person from `auth.users`.
create function private.agent_json(p public.profiles) returns jsonb
language sql stable security definer set search_path = '' as $$
  select jsonb_build_object(
    'id', p.user_id, 'email', u.email, 'display_name', p.display_name, 'locale', p.locale,
    'active', p.deactivated_at is null, 'deactivated_at', p.deactivated_at, 'availability', p.availability,
    'last_sign_in_at', u.last_sign_in_at, 'created_at', p.created_at, 'updated_at', p.updated_at,
    'roles', coalesce((
      select jsonb_agg(jsonb_build_object('id', r.id, 'key', r.key, 'name', r.name, 'level', r.level)
        order by r.level desc, r.key)
      from public.user_roles ur join public.roles r on r.id = ur.role_id where ur.user_id = p.user_id
    ), '[]'),
    'open_conversations', (
      select count(*) from public.conversations v
      where v.assigned_to = p.user_id and v.tenant_id = p.tenant_id and v.status <> 'resolved'
    )
  )
  from auth.users u where u.id = p.user_id;
$$;

-- Lists people by name. `search` matches a part of a name or address; a null `active` lists active and deactivated
-- people.
-- Security definer: clients have no right to read `auth.users`.
create function public.list_agents(search text, active boolean, page integer, page_size integer) returns jsonb
language plpgsql stable security definer set search_path = '' as $$
begin
  perform private.require('agents.view');
  return (
    with found_people as (
      select p
      from public.profiles p join auth.users u on u.id = p.user_id
      where p.tenant_id = private.tenant_id()
        and (list_agents.active is null or (p.deactivated_at is null) = list_agents.active)
        and (list_agents.search is null or strpos(lower(p.display_name), lower(list_agents.search)) > 0
          or strpos(lower(u.email), lower(list_agents.search)) > 0)
    )
    select jsonb_build_object(
      'total', (select count(*) from found_people),
      'rows', coalesce((
        select jsonb_agg(private.agent_json(x.p) order by lower((x.p).display_name), (x.p).user_id)
        from (
          select f.p from found_people f
          order by lower((f.p).display_name), (f.p).user_id
          limit page_size offset (page - 1)::bigint * page_size
        ) x
      ), '[]')
    )
  );
end;
$$;

-- Security definer: clients have no right to call `private.agent_json`.
create function public.get_agent(user_id uuid) returns jsonb
language plpgsql stable security definer set search_path = '' as $$
begin
  perform private.require('agents.view');
  return (
    select private.agent_json(p) from public.profiles p
    where p.user_id = get_agent.user_id and p.tenant_id = private.tenant_id()
  );
end;
$$;

-- Invites a person, or renews an open invitation. Returns the invitation and what Auth knows about the address:
-- `registered_user_id` if the address is confirmed, `unconfirmed_user_id` if it is not.
-- Security definer: clients have no right to write invitations.
create function public.invite_agent(email text, display_name text, role_ids uuid[], locale text default null)
returns jsonb
language plpgsql security definer set search_path = '' as $$
#variable_conflict use_column
declare
  address constant text := lower(trim(invite_agent.email));
  tenant constant uuid := private.tenant_id();
  person record;
  invitation uuid;
begin
  perform private.require('agents.create');
  perform private.require_grantable(invite_agent.role_ids);
  select u.id, u.email_confirmed_at is not null as confirmed, p.tenant_id into person
  from auth.users u left join public.profiles p on p.user_id = u.id
  where u.email = address
  limit 1;
  if person.tenant_id is not null then
    -- The message is the same for every tenant: it must not reveal that the address belongs to another one.
    raise sqlstate 'PT409' using message = 'This address already belongs to an account.', detail = 'email_taken',
      hint = 'email';
  end if;
  insert into public.invitations as i (tenant_id, email, display_name, role_ids, locale, invited_by)
  values (
    tenant, address, coalesce(invite_agent.display_name, ''),
    array(select distinct w.id from unnest(invite_agent.role_ids) as w (id)), invite_agent.locale, private.person_id()
  )
  on conflict (tenant_id, email) where accepted_at is null and withdrawn_at is null do update set
    display_name = excluded.display_name, role_ids = excluded.role_ids, locale = excluded.locale,
    invited_by = excluded.invited_by, created_at = now()
  returning i.id into invitation;
  return jsonb_build_object(
    'invitation_id', invitation,
    'registered_user_id', case when person.confirmed then person.id end,
    'unconfirmed_user_id', case when not person.confirmed then person.id end
  );
end;
$$;

-- Makes the invited account a member with the roles of the invitation. The server calls it once Auth has the account.
-- Security definer: the service reads no accounts of Auth.
create function public.complete_invitation(invitation_id uuid, user_id uuid) returns jsonb
language plpgsql security definer set search_path = '' as $$
declare
  invitation public.invitations;
begin
  select i.* into invitation from public.invitations i
  where i.id = complete_invitation.invitation_id and i.accepted_at is null and i.withdrawn_at is null
  for update;
  if not found or not exists (
    select 1 from auth.users u where u.id = complete_invitation.user_id and u.email = invitation.email
  ) then
    raise sqlstate 'PT404' using message = 'There is no such invitation.', detail = 'not_found';
  end if;
  -- the audit log names the inviter for the changes below
  perform set_config('app.actor_id', coalesce(invitation.invited_by::text, ''), true);
  insert into public.profiles (user_id, tenant_id, display_name, locale)
  values (complete_invitation.user_id, invitation.tenant_id, invitation.display_name, invitation.locale)
  on conflict do nothing;
  if not found then
    raise sqlstate 'PT409' using message = 'This address already belongs to an account.', detail = 'email_taken',
      hint = 'email';
  end if;
  insert into public.user_roles (user_id, role_id)
  select complete_invitation.user_id, r.id from public.roles r
  where r.id = any (invitation.role_ids) and (r.tenant_id is null or r.tenant_id = invitation.tenant_id);
  update public.invitations i set accepted_at = now(), user_id = complete_invitation.user_id
  where i.id = invitation.id;
  return (select private.agent_json(p) from public.profiles p where p.user_id = complete_invitation.user_id);
end;
$$;

-- Deletes an invitation that could not be completed.
-- Security definer: clients have no right to write invitations.
create function public.withdraw_invitation(invitation_id uuid) returns void
language plpgsql security definer set search_path = '' as $$
begin
  perform private.require('agents.create');
  update public.invitations i set withdrawn_at = now()
  where i.id = withdraw_invitation.invitation_id and i.tenant_id = private.tenant_id()
    and i.accepted_at is null and i.withdrawn_at is null;
end;
$$;

-- Assigns a person's open conversations to a successor, or unassigns them if there is none. The successor must be active
-- and may see conversations.
create function private.reassign_conversations(person uuid, successor uuid) returns integer
language plpgsql set search_path = '' as $$
begin
  if successor is not null and not exists (
    select 1 from public.profiles p
    where p.user_id = successor and p.user_id <> person and p.tenant_id = private.tenant_id()
      and p.deactivated_at is null and private.person_has_permission(p.user_id, 'conversations.view')
  ) then
    raise sqlstate 'PT422' using message = 'There is no such active person.', detail = 'invalid_field',
      hint = 'reassign_to';
  end if;
  -- otherwise a caller who manages people could take over conversations that they do not see
  if successor is not null then
    perform private.require('conversations.assign');
    perform private.require('conversations.view_all');
  end if;
  return private.change_conversations(array(
    select v.id from public.conversations v
    where v.assigned_to = person and v.tenant_id = private.tenant_id() and v.status <> 'resolved'
  ), jsonb_build_object('assigned_to', successor));
end;
$$;

-- Changes the fields that `changes` names: display_name, locale, active, role_ids, reassign_to, availability. A
-- deactivated person loses every session, and their open conversations go to `reassign_to` or become unassigned. People
-- set their own availability; people who may assign conversations set it for others.
-- Security definer: clients have no right to write people.
create function public.update_agent(user_id uuid, changes jsonb) returns jsonb
language plpgsql security definer set search_path = '' as $$
declare
  person constant uuid := update_agent.user_id;
  own constant boolean := person = auth.uid();
  active constant boolean := (changes ->> 'active')::boolean;
  handed_over integer := 0;
begin
  if own and not changes ?| array['active', 'role_ids', 'reassign_to'] then
    perform private.require('profile.update');
  elsif changes - 'availability' = '{}' and changes ? 'availability' then
    perform private.require('agents.assign');
  else
    perform private.require(case when active is false then 'agents.delete' else 'agents.update' end);
    perform private.require_subordinate(person);
  end if;

  update public.profiles p
  set
    display_name = coalesce(changes ->> 'display_name', p.display_name),
    locale = case when changes ? 'locale' then changes ->> 'locale' else p.locale end,
    availability = coalesce(changes ->> 'availability', p.availability),
    deactivated_at = case active when true then null when false then coalesce(p.deactivated_at, now())
      else p.deactivated_at end
  where p.user_id = person and p.tenant_id = private.tenant_id();
  if not found then
    raise sqlstate 'PT404' using message = 'There is no such person.', detail = 'not_found';
  end if;
  if changes ? 'role_ids' then
    perform public.set_user_roles(
      person, array(select jsonb_array_elements_text(changes -> 'role_ids'))::uuid[]
    );
  end if;
  if active is false then
    delete from auth.sessions s where s.user_id = person;
  end if;
  if active is false or changes ? 'reassign_to' then
    handed_over := private.reassign_conversations(person, (changes ->> 'reassign_to')::uuid);
  end if;
  return (
    select private.agent_json(p) || jsonb_build_object('reassigned_conversations', handed_over)
    from public.profiles p where p.user_id = person
  );
end;
$$;

-- Makes an account a member. The operator's command line calls it.
create function public.add_member(
  tenant_id uuid, user_id uuid, display_name text, role_keys text[], locale text default null
) returns jsonb
language plpgsql set search_path = '' as $$
declare
  roles uuid[];
begin
  if not exists (select 1 from public.tenants t where t.id = add_member.tenant_id) then
    raise sqlstate 'PT404' using message = 'There is no such tenant.', detail = 'not_found', hint = 'tenant';
  end if;
  select array_agg(r.id) into roles from public.roles r
  where r.key = any (role_keys) and (r.tenant_id is null or r.tenant_id = add_member.tenant_id);
  if roles is null or cardinality(roles) < (select count(distinct k) from unnest(role_keys) k) then
    raise sqlstate 'PT422' using message = 'There is no such role.', detail = 'invalid_field', hint = 'role';
  end if;
  insert into public.profiles (user_id, tenant_id, display_name, locale)
  values (add_member.user_id, add_member.tenant_id, add_member.display_name, add_member.locale)
  on conflict do nothing;
  if not found then
    raise sqlstate 'PT409' using message = 'This address already belongs to an account.', detail = 'email_taken',
      hint = 'email';
  end if;
  insert into public.user_roles (user_id, role_id) select add_member.user_id, r from unnest(roles) r;
  return (select private.agent_json(p) from public.profiles p where p.user_id = add_member.user_id);
end;
$$;

-- Broadcasts changed settings of a number or a tenant; `id` names it. Clients then read the settings.
create function private.announce_settings() returns trigger
language plpgsql set search_path = '' as $$
declare
  tenant uuid;
  about uuid;
begin
  if tg_table_name = 'tenants' then
    tenant := new.id;
    about := new.id;
  elsif tg_table_name = 'whatsapp_sessions' then
    tenant := new.tenant_id;
    about := new.id;
  elsif tg_op = 'DELETE' then
    tenant := old.tenant_id;
    about := coalesce(old.session_id, old.tenant_id);
  else
    tenant := new.tenant_id;
    about := coalesce(new.session_id, new.tenant_id);
  end if;
  -- a tenant that is being deleted has no audience
  if exists (select 1 from public.tenants t where t.id = tenant) then
    perform private.record_and_broadcast(tenant, 'settings', null, 'settings.updated', jsonb_build_object('id', about));
  end if;
  return null;
end;
$$;

create function private.announce_agent() returns trigger
language plpgsql set search_path = '' as $$
begin
  perform private.record_and_broadcast(
    new.tenant_id, 'agents', null, 'agent.' || case tg_op when 'INSERT' then 'created' else 'updated' end,
    jsonb_build_object('id', new.user_id, 'display_name', new.display_name, 'availability', new.availability,
      'active', new.deactivated_at is null)
  );
  return null;
end;
$$;

create trigger touch_updated_at before update on public.tenants
  for each row execute function private.touch_updated_at();
create trigger touch_updated_at before update on public.profiles
  for each row execute function private.touch_updated_at();
create trigger announce_settings after update on public.tenants
  for each row when (
    (old.name, old.slug, old.timezone, old.locale, old.business_hours, old.agents_see_unassigned)
      is distinct from (new.name, new.slug, new.timezone, new.locale, new.business_hours, new.agents_see_unassigned)
  )
  execute function private.announce_settings();
create trigger announce_created after insert on public.profiles
  for each row execute function private.announce_agent();
create trigger announce_updated after update on public.profiles
  for each row when (
    (old.display_name, old.availability, old.deactivated_at)
      is distinct from (new.display_name, new.availability, new.deactivated_at)
  )
  execute function private.announce_agent();

alter table public.tenants enable row level security;
alter table public.profiles enable row level security;
alter table public.invitations enable row level security;

create policy "people read their tenant" on public.tenants for select to authenticated
  using (id = (select private.tenant_id()));

grant select on public.tenants, public.profiles, public.invitations to authenticated;

grant execute on function
  private.tenant_id(),
  private.person_id(),
  public.create_tenant(text, text, text, text, text),
  public.get_tenant(),
  public.update_tenant(jsonb),
  public.list_agents(text, boolean, integer, integer),
  public.get_agent(uuid),
  public.invite_agent(text, text, uuid[], text),
  public.withdraw_invitation(uuid),
  public.update_agent(uuid, jsonb)
to authenticated;
