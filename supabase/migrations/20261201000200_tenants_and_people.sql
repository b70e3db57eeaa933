-- Organisations and their people: sign-up, settings, invitations and agents.
--
-- A person is a member of a tenant through `profiles`, of one tenant at a time. Rows of former memberships stay, because
-- what a person did stays. Users cannot change the tenant of a row. Every foreign key between business tables carries
-- the tenant's id, so a row can never point into another tenant.
--
-- An account is its owner's. A person becomes a member by opening a tenant, by accepting a mailed invitation, or through
-- the operator. A tenant can end a membership, but it can neither ban nor delete an account.

-- Some functions below name objects that later statements create.
set check_function_bodies = off;

create table public.tenants (
  id uuid primary key default gen_random_uuid(),
  name text not null check (char_length(name) between 1 and 200 and private.is_visible(name)),
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
  user_id uuid not null references auth.users (id) on delete cascade,
  tenant_id uuid not null references public.tenants (id) on delete cascade,
  display_name text not null default ''
    check (char_length(display_name) <= 200 and (display_name = '' or private.is_visible(display_name))),
  locale text check (locale in ('id', 'en')),
  deactivated_at timestamptz,
  created_at timestamptz not null default now(),
  updated_at timestamptz not null default now(),
  availability text not null default 'online' check (availability in ('online', 'busy', 'offline')),
  -- when the person ended the membership: only an accepted invitation renews it
  left_at timestamptz check (left_at is null or deactivated_at is not null),
  primary key (user_id, tenant_id)
);
-- one membership at a time
create unique index profiles_membership_idx on public.profiles (user_id) where left_at is null;
create index profiles_tenant_id_idx on public.profiles (tenant_id);

create table public.invitations (
  id uuid primary key default gen_random_uuid(),
  tenant_id uuid not null references public.tenants (id) on delete cascade,
  email text not null check (email is not distinct from private.email_address(email)),
  display_name text not null default ''
    check (char_length(display_name) <= 200 and (display_name = '' or private.is_visible(display_name))),
  role_ids uuid[] not null check (cardinality(role_ids) <= 100),
  locale text check (locale in ('id', 'en')),
  invited_by uuid,
  -- the person or the API key that made it; null: the operator
  author uuid,
  -- who accepted it
  user_id uuid,
  created_at timestamptz not null default now(),
  expires_at timestamptz not null default now() + interval '7 days',
  -- when Auth was last given the mail; null if it has not been reached
  mailed_at timestamptz,
  accepted_at timestamptz,
  withdrawn_at timestamptz,
  foreign key (invited_by, tenant_id) references public.profiles (user_id, tenant_id)
    on delete set null (invited_by)
);
create index invitations_tenant_id_idx on public.invitations (tenant_id, created_at desc, id);
create index invitations_invited_by_idx on public.invitations (invited_by, tenant_id);
create unique index invitations_open_idx on public.invitations (tenant_id, email)
  where accepted_at is null and withdrawn_at is null;
create index invitations_email_idx on public.invitations (email);

-- The addresses that people had when they left: what becomes of an account later does not concern the tenant. Colleagues
-- read profiles, and addresses only with `agents.view`.
create table private.former_addresses (
  user_id uuid not null,
  tenant_id uuid not null,
  email text not null,
  primary key (user_id, tenant_id),
  foreign key (user_id, tenant_id) references public.profiles (user_id, tenant_id) on delete cascade
);

create table private.invitation_secrets (
  invitation_id uuid primary key references public.invitations (id) on delete cascade,
  -- SHA-256 of the token in the latest mail, which has 244 random bits
  token_hash bytea not null unique
);

-- The mails that tenants have asked for, for the limits on them. They are kept for a day.
create table private.invitation_mails (
  id bigint generated always as identity primary key,
  tenant_id uuid not null references public.tenants (id) on delete cascade,
  email text not null,
  asked_at timestamptz not null default now()
);
create index invitation_mails_tenant_id_idx on private.invitation_mails (tenant_id, asked_at);
create index invitation_mails_email_idx on private.invitation_mails (email, asked_at);
create index invitation_mails_asked_at_idx on private.invitation_mails (asked_at);

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
  return (
    select p.user_id from public.profiles p where p.user_id = (select auth.uid()) and p.deactivated_at is null
  );
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

-- Returns the caller's confirmed address and locks the caller's account, so that one person joins one tenant at a time.
-- Security definer: callers have no right to read `auth.users`.
create function private.require_joinable() returns text
language plpgsql security definer set search_path = '' as $$
declare
  address text;
begin
  select lower(u.email) into address from auth.users u
  where u.id = (select auth.uid()) and u.email_confirmed_at is not null
    and (u.banned_until is null or u.banned_until <= now())
  for update;
  if not found then
    raise sqlstate 'PT403' using message = 'Confirm your e-mail address first.', detail = 'email_not_confirmed';
  end if;
  if exists (
    select 1 from public.profiles p where p.user_id = (select auth.uid()) and p.deactivated_at is null
  ) then
    raise sqlstate 'PT409' using message = 'You already belong to an organisation: leave it first.',
      detail = 'already_member';
  end if;
  return address;
end;
$$;

-- Ends a membership for good, and every right that came with it. The person is the one who decides it.
create function private.end_membership(person uuid, tenant uuid) returns void
language plpgsql set search_path = '' as $$
begin
  insert into private.former_addresses as a (user_id, tenant_id, email)
  select p.user_id, p.tenant_id, u.email from public.profiles p join auth.users u on u.id = p.user_id
  where p.user_id = person and p.tenant_id = tenant and p.left_at is null and u.email is not null
  on conflict on constraint former_addresses_pkey do update set email = excluded.email;
  update public.profiles p set deactivated_at = coalesce(p.deactivated_at, now()), left_at = now()
  where p.user_id = person and p.tenant_id = tenant and p.left_at is null;
  delete from public.user_roles ur where ur.user_id = person and ur.tenant_id = tenant;
end;
$$;

-- Makes a person a member who has no active membership. A tenant that has deactivated the person cannot take them back
-- afterwards, unless they accept another invitation.
create function private.begin_membership(person uuid, tenant uuid, display_name text, locale text, roles uuid[])
returns void
language plpgsql set search_path = '' as $$
begin
  perform private.end_membership(person, p.tenant_id) from public.profiles p
  where p.user_id = person and p.left_at is null;
  insert into public.profiles as p (user_id, tenant_id, display_name, locale)
  values (person, tenant, begin_membership.display_name, begin_membership.locale)
  on conflict (user_id, tenant_id) do update
  set deactivated_at = null, left_at = null, locale = excluded.locale,
    display_name = coalesce(nullif(excluded.display_name, ''), p.display_name);
  delete from private.former_addresses a where a.user_id = person and a.tenant_id = tenant;
  insert into public.user_roles (user_id, tenant_id, role_id)
  select person, tenant, r.id from public.roles r
  where r.id = any (roles) and (r.tenant_id is null or r.tenant_id = tenant);
end;
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
  perform private.require_joinable();
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
  perform private.begin_membership(
    person, made.id, create_tenant.display_name, null, array['00000000-0000-4000-8000-000000000010'::uuid]
  );
  return private.tenant_json(made);
end;
$$;

create function public.get_tenant() returns jsonb
language plpgsql stable set search_path = '' as $$
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

-- A person of the tenant. Of a person who is gone it shows nothing that the account has done since.
-- Security definer: it reads the address of a person from `auth.users`.
create function private.agent_json(p public.profiles) returns jsonb
language sql stable security definer set search_path = '' as $$
  select jsonb_build_object(
    'id', p.user_id, 'email', coalesce(a.email, u.email), 'display_name', p.display_name, 'locale', p.locale,
    'active', p.deactivated_at is null, 'deactivated_at', p.deactivated_at, 'left', p.left_at is not null,
    'availability', p.availability, 'last_sign_in_at', case
      when p.deactivated_at is null or u.last_sign_in_at <= p.deactivated_at then u.last_sign_in_at end, 'created_at', p.created_at, 'updated_at', p.updated_at,
    'roles', coalesce((
      select jsonb_agg(jsonb_build_object('id', r.id, 'key', r.key, 'name', r.name, 'level', r.level)
        order by r.level desc, r.key)
      from public.user_roles ur join public.roles r on r.id = ur.role_id
      where ur.user_id = p.user_id and ur.tenant_id = p.tenant_id
    ), '[]'),
    'open_conversations', (
      select count(*) from public.conversations v
      where v.assigned_to = p.user_id and v.tenant_id = p.tenant_id and v.status <> 'resolved'
    )
  )
  from auth.users u
  left join private.former_addresses a on a.user_id = p.user_id and a.tenant_id = p.tenant_id
  where u.id = p.user_id;
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
      from public.profiles p
      join auth.users u on u.id = p.user_id
      left join private.former_addresses a on a.user_id = p.user_id and a.tenant_id = p.tenant_id
      where p.tenant_id = private.tenant_id()
        and (list_agents.active is null or (p.deactivated_at is null) = list_agents.active)
        and (list_agents.search is null or strpos(lower(p.display_name), lower(list_agents.search)) > 0
          or strpos(lower(coalesce(a.email, u.email)), lower(list_agents.search)) > 0)
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

create function private.invitation_json(i public.invitations) returns jsonb
language sql stable set search_path = '' as $$
  select jsonb_build_object(
    'id', i.id, 'email', i.email, 'display_name', i.display_name, 'locale', i.locale, 'invited_by', i.invited_by,
    'status', case when i.expires_at <= now() then 'expired' else 'open' end, 'created_at', i.created_at,
    'expires_at', i.expires_at, 'mailed_at', i.mailed_at,
    'roles', coalesce((
      select jsonb_agg(jsonb_build_object('id', r.id, 'key', r.key, 'name', r.name, 'level', r.level)
        order by r.level desc, r.key)
      from public.roles r where r.id = any (i.role_ids) and (r.tenant_id is null or r.tenant_id = i.tenant_id)
    ), '[]')
  );
$$;

-- Refuses unless the caller may act on this invitation. Returns it, locked.
create function private.require_invitation(invitation_id uuid) returns public.invitations
language plpgsql set search_path = '' as $$
declare
  invitation public.invitations;
begin
  select i.* into invitation from public.invitations i
  where i.id = require_invitation.invitation_id and i.tenant_id = private.tenant_id()
    and i.accepted_at is null and i.withdrawn_at is null
  for update;
  if not found then
    raise sqlstate 'PT404' using message = 'There is no such invitation.', detail = 'not_found';
  end if;
  if private.caller_level() < 10 and exists (
    select 1 from public.roles r where r.id = any (invitation.role_ids) and r.level >= private.caller_level()
  ) then
    raise sqlstate 'PT403' using message = 'This invitation is not below your own level.', detail = 'role_too_high';
  end if;
  return invitation;
end;
$$;

-- Refuses a mail beyond the limits of a tenant: one a minute to an address, and 200 a day. The caller has locked the
-- tenant.
create function private.ask_for_invitation_mail(tenant uuid, address text) returns void
language plpgsql set search_path = '' as $$
begin
  delete from private.invitation_mails m
  where m.id in (
    select o.id from private.invitation_mails o where o.asked_at < now() - interval '1 day' for update skip locked
  );
  if exists (
    select 1 from private.invitation_mails m
    where m.tenant_id = tenant and m.email = address and m.asked_at > now() - interval '1 minute'
  ) then
    raise sqlstate 'PT429' using message = 'Wait a minute before the next mail to this address.',
      detail = 'too_many_requests';
  end if;
  if (
    select count(*) from private.invitation_mails m
    where m.tenant_id = tenant and m.asked_at > now() - interval '1 day'
  ) >= 200 then
    raise sqlstate 'PT429' using message = 'An organisation can have at most 200 invitations mailed in a day.',
      detail = 'too_many_requests';
  end if;
  insert into private.invitation_mails (tenant_id, email) values (tenant, address);
end;
$$;

-- Invites the owner of an address, or renews the open invitation of the address. The answer does not depend on whether
-- the address has an account: a tenant learns nothing about people who are not its members.
-- Security definer: clients have no right to write invitations.
create function public.invite_agent(email text, display_name text, role_ids uuid[], locale text default null)
returns jsonb
language plpgsql security definer set search_path = '' as $$
#variable_conflict use_column
declare
  tenant constant uuid := private.tenant_id();
  address constant text := private.email_address(invite_agent.email);
  known uuid;
  invitation public.invitations;
begin
  perform private.require('agents.create');
  if address is null then
    raise sqlstate 'PT422' using message = 'This is not an e-mail address.', detail = 'invalid_field', hint = 'email';
  end if;
  perform private.require_grantable(invite_agent.role_ids);
  -- one at a time, because of the limits
  perform 1 from public.tenants t where t.id = tenant for no key update;
  if exists (
    select 1 from public.profiles p join auth.users u on u.id = p.user_id
    where p.tenant_id = tenant and p.left_at is null and lower(u.email) = address
  ) then
    raise sqlstate 'PT409' using message = 'This address belongs to a person of your organisation.',
      detail = 'email_taken', hint = 'email';
  end if;
  select i.id into known from public.invitations i
  where i.tenant_id = tenant and i.email = address and i.accepted_at is null and i.withdrawn_at is null;
  if known is not null then
    perform private.require_invitation(known);
  elsif (
    select count(*) from public.invitations i
    where i.tenant_id = tenant and i.accepted_at is null and i.withdrawn_at is null and i.expires_at > now()
  ) >= 100 then
    raise sqlstate 'PT409' using message = 'At most 100 invitations can be open.', detail = 'too_many';
  end if;
  perform private.ask_for_invitation_mail(tenant, address);
  insert into public.invitations as i (tenant_id, email, display_name, role_ids, locale, invited_by, author)
  values (
    tenant, address, coalesce(invite_agent.display_name, ''),
    array(select distinct w.id from unnest(invite_agent.role_ids) as w (id)), invite_agent.locale, private.person_id(),
    auth.uid()
  )
  on conflict (tenant_id, email) where accepted_at is null and withdrawn_at is null do update set
    display_name = excluded.display_name, role_ids = excluded.role_ids, locale = excluded.locale,
    invited_by = excluded.invited_by, author = excluded.author, expires_at = excluded.expires_at, mailed_at = null
  returning i.* into invitation;
  -- the link of an earlier mail has ended, since it was for other roles
  delete from private.invitation_secrets s where s.invitation_id = invitation.id;
  return private.invitation_json(invitation);
end;
$$;

-- The invitations that have been neither accepted nor withdrawn, the newest first.
create function public.list_invitations(page integer, page_size integer) returns jsonb
language plpgsql stable set search_path = '' as $$
begin
  perform private.require('agents.view');
  return (
    with pending as (
      select i from public.invitations i
      where i.tenant_id = private.tenant_id() and i.accepted_at is null and i.withdrawn_at is null
    )
    select jsonb_build_object(
      'total', (select count(*) from pending),
      'rows', coalesce((
        select jsonb_agg(private.invitation_json(x.i) order by (x.i).created_at desc, (x.i).id)
        from (
          select p.i from pending p
          order by (p.i).created_at desc, (p.i).id
          limit page_size offset (page - 1)::bigint * page_size
        ) x
      ), '[]')
    )
  );
end;
$$;

-- Renews an invitation for seven days, for another mail. The link of the mail before ends.
-- Security definer: clients have no right to write invitations.
create function public.resend_invitation(invitation_id uuid) returns jsonb
language plpgsql security definer set search_path = '' as $$
declare
  tenant constant uuid := private.tenant_id();
  invitation public.invitations;
begin
  perform private.require('agents.create');
  perform 1 from public.tenants t where t.id = tenant for no key update;
  invitation := private.require_invitation(resend_invitation.invitation_id);
  perform private.ask_for_invitation_mail(tenant, invitation.email);
  update public.invitations i set expires_at = now() + interval '7 days', mailed_at = null
  where i.id = invitation.id
  returning i.* into invitation;
  delete from private.invitation_secrets s where s.invitation_id = invitation.id;
  return private.invitation_json(invitation);
end;
$$;

-- Security definer: clients have no right to write invitations.
create function public.withdraw_invitation(invitation_id uuid) returns void
language plpgsql security definer set search_path = '' as $$
declare
  invitation public.invitations;
begin
  if not private.has_permission('agents.delete') then
    perform private.require('agents.create');
  end if;
  invitation := private.require_invitation(withdraw_invitation.invitation_id);
  update public.invitations i set withdrawn_at = now() where i.id = invitation.id;
  delete from private.invitation_secrets s where s.invitation_id = invitation.id;
end;
$$;

-- Withdraws what a person who goes has left open: it must not bring in anyone afterwards.
create function private.withdraw_invitations_of(person uuid, tenant uuid) returns void
language plpgsql set search_path = '' as $$
begin
  update public.invitations i set withdrawn_at = now()
  where i.invited_by = person and i.tenant_id = tenant and i.accepted_at is null and i.withdrawn_at is null;
end;
$$;

-- What the mail of an invitation needs: a token that replaces the one before, and whether the address is that of a
-- confirmed account, whose owner Auth sends another kind of link. Null if no mail may be sent. Only the server learns
-- it. An address gets at most ten such mails a day. That more were asked for is not told, since others may have asked.
-- Security definer: the service reads no accounts of Auth.
create function public.prepare_invitation_mail(invitation_id uuid) returns jsonb
language plpgsql security definer set search_path = '' as $$
declare
  secret constant text := replace(gen_random_uuid()::text || gen_random_uuid()::text, '-', '');
  invitation public.invitations;
begin
  select i.* into invitation from public.invitations i
  where i.id = prepare_invitation_mail.invitation_id and i.accepted_at is null and i.withdrawn_at is null
    and i.expires_at > now()
  for update;
  if not found then
    return null;
  end if;
  if (
    select count(*) from private.invitation_mails m
    where m.email = invitation.email and m.asked_at > now() - interval '1 day'
  ) > 10 then
    update public.invitations i set mailed_at = now() where i.id = invitation.id;
    return null;
  end if;
  insert into private.invitation_secrets as s (invitation_id, token_hash)
  values (invitation.id, sha256(convert_to(secret, 'UTF8')))
  on conflict on constraint invitation_secrets_pkey do update set token_hash = excluded.token_hash;
  return jsonb_build_object(
    'email', invitation.email, 'token', secret, 'confirmed', exists (
      select 1 from auth.users u where u.email = invitation.email and u.email_confirmed_at is not null
    )
  );
end;
$$;

-- Notes that Auth has taken the mail.
create function public.record_invitation_mail(invitation_id uuid) returns void
language sql set search_path = '' as $$
  update public.invitations i set mailed_at = now() where i.id = record_invitation_mail.invitation_id;
$$;

-- The invitation of a token, locked, if the caller is the person it is for. It has ended if its author could not make it
-- any more: a person who has left or has a lower role by now, or an API key that was revoked.
-- Security definer: callers have no right to read the tokens, nor invitations of a tenant that they do not belong to.
create function private.invitation_of_token(token text) returns public.invitations
language plpgsql security definer set search_path = '' as $$
declare
  address constant text := private.require_joinable();
  invitation public.invitations;
begin
  select i.* into invitation
  from private.invitation_secrets s join public.invitations i on i.id = s.invitation_id
  where s.token_hash = sha256(convert_to(invitation_of_token.token, 'UTF8'))
    and i.accepted_at is null and i.withdrawn_at is null
  for update of i;
  if not found then
    raise sqlstate 'PT404' using message = 'There is no such invitation. Ask for another one.', detail = 'not_found';
  end if;
  if invitation.email <> address then
    raise sqlstate 'PT403' using message = 'This invitation is for another address.', detail = 'other_address';
  end if;
  if invitation.expires_at <= now() or (invitation.author is not null and not (
    private.author_may(invitation.author, invitation.tenant_id, 'agents.create')
    and private.author_may_give(invitation.author, invitation.tenant_id, invitation.role_ids)
  )) then
    raise sqlstate 'PT409' using message = 'This invitation has expired. Ask for another one.',
      detail = 'invitation_expired';
  end if;
  return invitation;
end;
$$;

-- Shows an invitation to the person it is for. `needs_password`: the address was confirmed after an invitation to it, so
-- a password of the account may be that of a stranger who typed the address before its owner did.
-- Security definer: callers have no right to read tenants that they do not belong to.
create function public.preview_invitation(token text) returns jsonb
language plpgsql security definer set search_path = '' as $$
declare
  invitation constant public.invitations := private.invitation_of_token(token);
begin
  return private.invitation_json(invitation) - 'invited_by' - 'mailed_at' - 'status' || jsonb_build_object(
    'organisation', (select t.name from public.tenants t where t.id = invitation.tenant_id),
    'needs_password', (
      select u.email_confirmed_at >= (select min(i.created_at) from public.invitations i where i.email = invitation.email)
      from auth.users u where u.id = (select auth.uid())
    ) and not exists (
      -- with that one the owner has chosen the password
      select 1 from public.invitations i where i.user_id = (select auth.uid()) and i.accepted_at is not null
    )
  );
end;
$$;

-- Makes the caller a member with the roles of the invitation, and returns what the caller may do from now on.
-- Security definer: callers have no right to write people, roles of people and invitations.
create function public.accept_invitation(token text) returns jsonb
language plpgsql security definer set search_path = '' as $$
declare
  person constant uuid := auth.uid();
  invitation constant public.invitations := private.invitation_of_token(token);
begin
  perform private.begin_membership(
    person, invitation.tenant_id, invitation.display_name, invitation.locale, invitation.role_ids
  );
  update public.invitations i set accepted_at = now(), user_id = person where i.id = invitation.id;
  delete from private.invitation_secrets s where s.invitation_id = invitation.id;
  return public.current_access();
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
      and p.deactivated_at is null and private.person_has_permission(p.user_id, p.tenant_id, 'conversations.view')
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

-- Changes the fields that `changes` names: display_name, locale, active, role_ids, reassign_to, api_keys, availability. A
-- deactivated person loses the membership and its sessions. Their open conversations go to `reassign_to` or become
-- unassigned, their invitations are withdrawn, and `api_keys` decides about their keys. People set their own
-- availability; people who may assign conversations set it for others.
-- Security definer: clients have no right to write people.
create function public.update_agent(user_id uuid, changes jsonb) returns jsonb
language plpgsql security definer set search_path = '' as $$
declare
  person constant uuid := update_agent.user_id;
  own constant boolean := person = auth.uid();
  active constant boolean := (changes ->> 'active')::boolean;
  before public.profiles;
  handed_over integer := 0;
begin
  if own and not changes ?| array['active', 'role_ids', 'reassign_to', 'api_keys'] then
    perform private.require('profile.update');
  elsif changes - 'availability' = '{}' and changes ? 'availability' then
    perform private.require('agents.assign');
  else
    perform private.require(case when active is false then 'agents.delete' else 'agents.update' end);
    perform private.require_subordinate(person);
  end if;

  select p.* into before from public.profiles p
  where p.user_id = person and p.tenant_id = private.tenant_id()
  for update;
  if not found then
    raise sqlstate 'PT404' using message = 'There is no such person.', detail = 'not_found';
  end if;
  if active and before.left_at is not null then
    raise sqlstate 'PT409' using message = 'This person has left the organisation: invite them again.',
      detail = 'person_left';
  end if;
  if active is false and before.deactivated_at is null then
    perform private.settle_api_keys(person, changes ->> 'api_keys');
    perform private.withdraw_invitations_of(person, before.tenant_id);
    -- A person has one membership at a time, so these sessions are of this one. The account stays the person's own.
    delete from auth.sessions s where s.user_id = person;
  end if;
  update public.profiles p
  set
    display_name = coalesce(changes ->> 'display_name', p.display_name),
    locale = case when changes ? 'locale' then changes ->> 'locale' else p.locale end,
    availability = coalesce(changes ->> 'availability', p.availability),
    deactivated_at = case active when true then null when false then coalesce(p.deactivated_at, now())
      else p.deactivated_at end
  where p.user_id = person and p.tenant_id = before.tenant_id;
  if changes ? 'role_ids' then
    perform public.set_user_roles(
      person, array(select jsonb_array_elements_text(changes -> 'role_ids'))::uuid[]
    );
  end if;
  if active is false or changes ? 'reassign_to' then
    handed_over := private.reassign_conversations(person, (changes ->> 'reassign_to')::uuid);
  end if;
  return (
    select private.agent_json(p) || jsonb_build_object('reassigned_conversations', handed_over)
    from public.profiles p where p.user_id = person and p.tenant_id = before.tenant_id
  );
end;
$$;

-- Ends the caller's own membership. The account and its sessions stay, for another tenant. `api_keys` as in
-- `update_agent`.
-- Security definer: clients have no right to write people.
create function public.leave_tenant(api_keys text default null) returns void
language plpgsql security definer set search_path = '' as $$
declare
  tenant constant uuid := private.tenant_id();
  person constant uuid := private.person_id();
begin
  if tenant is null or person is null then
    raise sqlstate 'PT403' using message = 'Only a person can leave an organisation.', detail = 'forbidden';
  end if;
  -- one transaction at a time changes the people of a tenant
  perform 1 from public.tenants t where t.id = tenant for no key update;
  if private.tenant_id() is distinct from tenant then
    raise sqlstate 'PT403' using message = 'Only a person can leave an organisation.', detail = 'forbidden';
  end if;
  perform private.settle_api_keys(person, leave_tenant.api_keys);
  perform private.withdraw_invitations_of(person, tenant);
  perform private.reassign_conversations(person, null);
  perform private.end_membership(person, tenant);
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
  if exists (
    select 1 from public.profiles p where p.user_id = add_member.user_id and p.left_at is null
  ) then
    raise sqlstate 'PT409' using message = 'This address already belongs to a member.', detail = 'email_taken',
      hint = 'email';
  end if;
  perform private.begin_membership(
    add_member.user_id, add_member.tenant_id, add_member.display_name, add_member.locale, roles
  );
  return (
    select private.agent_json(p) from public.profiles p
    where p.user_id = add_member.user_id and p.tenant_id = add_member.tenant_id
  );
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
alter table private.former_addresses enable row level security;
alter table private.invitation_secrets enable row level security;
alter table private.invitation_mails enable row level security;

create policy "people read their tenant" on public.tenants for select to authenticated
  using (id = (select private.tenant_id()));
create policy "no client access" on private.former_addresses to authenticated using (false);
create policy "no client access" on private.invitation_secrets to authenticated using (false);
create policy "no client access" on private.invitation_mails to authenticated using (false);

grant select on public.tenants, public.profiles, public.invitations to authenticated;

grant execute on function
  private.tenant_id(),
  private.person_id(),
  public.create_tenant(text, text, text, text, text),
  private.tenant_json(public.tenants),
  public.get_tenant(),
  public.update_tenant(jsonb),
  public.list_agents(text, boolean, integer, integer),
  public.get_agent(uuid),
  public.invite_agent(text, text, uuid[], text),
  private.invitation_json(public.invitations),
  public.list_invitations(integer, integer),
  public.resend_invitation(uuid),
  public.withdraw_invitation(uuid),
  public.preview_invitation(text),
  public.accept_invitation(text),
  public.update_agent(uuid, jsonb),
  public.leave_tenant(text)
to authenticated;
