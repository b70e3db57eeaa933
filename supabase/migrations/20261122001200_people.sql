-- Organisations and their people: sign-up, settings, invitations, agents, API keys.

alter table public.tenants
  -- {"monday": [{"from": "09:00", "to": "17:00"}], ...} in the tenant's time zone; empty: always open
  add column business_hours jsonb not null default '{}' check (jsonb_typeof(business_hours) = 'object'),
  add column audit_retention_days integer not null default 365 check (audit_retention_days between 30 and 3650),
  -- words that, alone in a message, end or renew a customer's consent to marketing
  add column opt_out_keywords text[] not null default
    '{STOP,BERHENTI,UNSUBSCRIBE,BATAL BERLANGGANAN,STOP PROMO,OPT OUT}'
    check (cardinality(opt_out_keywords) <= 50),
  add column opt_in_keywords text[] not null default '{START,MULAI,SUBSCRIBE,BERLANGGANAN,OPT IN}'
    check (cardinality(opt_in_keywords) <= 50);

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

alter table public.invitations enable row level security;
revoke all on public.invitations from anon, authenticated;
grant select on public.invitations to authenticated;
grant all on public.invitations to service_role;
create policy "members with the right read invitations" on public.invitations for select to authenticated
  using (tenant_id = (select private.tenant_id()) and (select private.has_permission('agents.view')));

create function private.require_timezone(zone text) returns void
language plpgsql stable set search_path = '' as $$
begin
  if not exists (select 1 from pg_catalog.pg_timezone_names z where z.name = zone) then
    raise sqlstate 'PT422' using message = 'There is no such time zone: use a name such as Asia/Jakarta.',
      detail = 'invalid_field', hint = 'timezone';
  end if;
end;
$$;

create function private.tenant_json(t public.tenants) returns jsonb
language sql stable set search_path = '' as $$
  select to_jsonb(t);
$$;

-- Sign-up: the organisation and its Super Admin, together or not at all. For somebody who is signed in, has confirmed
-- their address and belongs nowhere yet. Without `slug` one is made from the name.
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
  -- one sign-up of a person at a time
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

create function public.get_tenant() returns jsonb
language plpgsql stable security definer set search_path = '' as $$
begin
  perform private.require('settings.view');
  return (select private.tenant_json(t) from public.tenants t where t.id = private.tenant_id());
end;
$$;

-- Changes what is named in `changes`: name, slug, timezone, locale, business_hours, agents_see_unassigned,
-- audit_retention_days, opt_out_keywords, opt_in_keywords.
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

create function private.agent_json(p public.profiles) returns jsonb
language sql stable security definer set search_path = '' as $$
  select jsonb_build_object(
    'id', p.user_id, 'email', u.email, 'display_name', p.display_name, 'locale', p.locale,
    'active', p.deactivated_at is null, 'deactivated_at', p.deactivated_at,
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

-- People by name; `search` is part of a name or address, `active` null for everybody.
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

-- Invites somebody, or renews an open invitation. Answers with the invitation and what Auth knows of the address:
-- `registered_user_id` for somebody who confirmed it, `unconfirmed_user_id` for somebody who did not.
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
    -- The same words whoever they belong to: other tenants' people are not ours to name.
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

-- Makes the invited account a member, with the roles of the invitation: for the server, once Auth has the account.
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
  -- what follows is done by whoever invited
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

-- Takes back what could not be completed.
create function public.withdraw_invitation(invitation_id uuid) returns void
language plpgsql security definer set search_path = '' as $$
begin
  perform private.require('agents.create');
  update public.invitations i set withdrawn_at = now()
  where i.id = withdraw_invitation.invitation_id and i.tenant_id = private.tenant_id()
    and i.accepted_at is null and i.withdrawn_at is null;
end;
$$;

-- Open conversations of somebody go to a colleague, or back to everybody.
create function private.hand_over(person uuid, successor uuid) returns integer
language plpgsql security definer set search_path = '' as $$
declare
  handed_over integer;
begin
  if successor is not null and not exists (
    select 1 from public.profiles p
    where p.user_id = successor and p.user_id <> person and p.tenant_id = private.tenant_id()
      and p.deactivated_at is null
  ) then
    raise sqlstate 'PT422' using message = 'There is no such active person.', detail = 'invalid_field',
      hint = 'reassign_to';
  end if;
  update public.conversations v set assigned_to = successor
  where v.assigned_to = person and v.tenant_id = private.tenant_id() and v.status <> 'resolved';
  get diagnostics handed_over = row_count;
  return handed_over;
end;
$$;

-- Changes what is named in `changes`: display_name, locale, active, role_ids, reassign_to. Who is deactivated loses
-- every session, and their open conversations go to `reassign_to` or back to everybody.
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
  else
    perform private.require(case when active is false then 'agents.delete' else 'agents.update' end);
    perform private.require_subordinate(person);
  end if;

  update public.profiles p
  set
    display_name = coalesce(changes ->> 'display_name', p.display_name),
    locale = case when changes ? 'locale' then changes ->> 'locale' else p.locale end,
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
    handed_over := private.hand_over(person, (changes ->> 'reassign_to')::uuid);
  end if;
  return (
    select private.agent_json(p) || jsonb_build_object('reassigned_conversations', handed_over)
    from public.profiles p where p.user_id = person
  );
end;
$$;

-- Makes an account a member: for the operator's command line.
create function public.add_member(
  tenant_id uuid, user_id uuid, display_name text, role_keys text[], locale text default null
) returns jsonb
language plpgsql security definer set search_path = '' as $$
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

create function private.api_key_json(k public.api_keys) returns jsonb
language sql stable security definer set search_path = '' as $$
  select jsonb_build_object(
    'id', k.id, 'name', k.name, 'prefix', k.prefix, 'created_by', k.created_by, 'created_at', k.created_at,
    'expires_at', k.expires_at, 'last_used_at', k.last_used_at, 'revoked_at', k.revoked_at,
    'status', case when k.revoked_at is not null then 'revoked' when k.expires_at <= now() then 'expired'
      else 'active' end,
    'role', (
      select jsonb_build_object('id', r.id, 'key', r.key, 'name', r.name, 'level', r.level)
      from public.roles r where r.id = k.role_id
    )
  );
$$;

create function public.list_api_keys(page integer, page_size integer) returns jsonb
language plpgsql stable security definer set search_path = '' as $$
begin
  perform private.require('api_keys.view');
  return jsonb_build_object(
    'total', (select count(*) from public.api_keys k where k.tenant_id = private.tenant_id()),
    'rows', coalesce((
      select jsonb_agg(private.api_key_json(x.k) order by (x.k).created_at desc, (x.k).id)
      from (
        select k from public.api_keys k
        where k.tenant_id = private.tenant_id()
        order by k.created_at desc, k.id
        limit page_size offset (page - 1)::bigint * page_size
      ) x
    ), '[]')
  );
end;
$$;

-- A new key, shown this once.
create function public.create_api_key(name text, role_id uuid, expires_at timestamptz default null) returns jsonb
language plpgsql security definer set search_path = '' as $$
declare
  secret constant text := 'crm_' || replace(gen_random_uuid()::text || gen_random_uuid()::text, '-', '');
  made public.api_keys;
begin
  perform private.require('api_keys.create');
  if create_api_key.expires_at <= now() then
    raise sqlstate 'PT422' using message = 'The key must expire in the future.', detail = 'invalid_field',
      hint = 'expires_at';
  end if;
  perform private.require_grantable(array[create_api_key.role_id], 'role_id');
  insert into public.api_keys (tenant_id, name, prefix, role_id, created_by, expires_at)
  values (
    private.tenant_id(), create_api_key.name, left(secret, 12), create_api_key.role_id, private.person_id(),
    create_api_key.expires_at
  )
  returning * into made;
  insert into private.api_key_secrets (api_key_id, key_hash) values (made.id, sha256(convert_to(secret, 'UTF8')));
  return private.api_key_json(made) || jsonb_build_object('key', secret);
end;
$$;

create function public.revoke_api_key(key_id uuid) returns jsonb
language plpgsql security definer set search_path = '' as $$
declare
  key public.api_keys;
begin
  perform private.require('api_keys.revoke');
  update public.api_keys k
  set revoked_at = coalesce(k.revoked_at, now()), revoked_by = coalesce(k.revoked_by, private.person_id())
  where k.id = revoke_api_key.key_id and k.tenant_id = private.tenant_id()
  returning k.* into key;
  if not found then
    raise sqlstate 'PT404' using message = 'There is no such API key.', detail = 'not_found';
  end if;
  return private.api_key_json(key);
end;
$$;

-- A reply of an integration has no person as its sender.
create or replace function public.create_reply(
  conversation_id uuid,
  type text,
  content text,
  payload jsonb,
  idempotency_key text default null
) returns jsonb
language plpgsql security definer set search_path = '' as $$
declare
  conversation public.conversations;
  contact public.contacts;
  session public.whatsapp_sessions;
  message public.messages;
begin
  if not private.has_permission('messages.send') then
    raise sqlstate 'PT403' using message = 'You may not send messages.', detail = 'forbidden';
  end if;

  if content is null or char_length(content) not between 1 and 4096 then
    raise sqlstate 'PT422' using message = 'A message has 1 to 4096 characters.', detail = 'invalid_field',
      hint = 'text';
  end if;

  select v.* into conversation from public.conversations v
  where v.id = create_reply.conversation_id
    and v.tenant_id = private.tenant_id()
    and (
      private.has_permission('conversations.view_all')
      or (private.has_permission('conversations.view') and (
        v.assigned_to = auth.uid() or (v.assigned_to is null and private.sees_unassigned())
      ))
    )
  for update;
  if not found then
    raise sqlstate 'PT404' using message = 'There is no such conversation.', detail = 'not_found';
  end if;
  select c.* into strict contact from public.contacts c where c.id = conversation.contact_id;
  select s.* into strict session from public.whatsapp_sessions s where s.id = conversation.session_id;

  if idempotency_key is not null then
    select m.* into message from public.messages m
    where m.conversation_id = conversation.id and m.idempotency_key = create_reply.idempotency_key;
    if found then
      return jsonb_build_object('message', to_jsonb(message), 'repeated', true);
    end if;
  end if;

  if session.status <> 'connected' then
    raise sqlstate 'PT409' using
      message = format('The number of this conversation is %s%s.', session.status,
        coalesce(': ' || session.status_reason, '')),
      detail = 'number_unavailable';
  end if;
  if conversation.window_expires_at is null or conversation.window_expires_at <= now() then
    raise sqlstate 'PT409' using
      message = 'The customer last wrote more than 24 hours ago: only an approved template may be sent now.',
      detail = 'window_closed';
  end if;

  insert into public.messages (
    tenant_id, session_id, conversation_id, direction, type, status, content, payload, sent_by, idempotency_key
  )
  values (
    conversation.tenant_id, session.id, conversation.id, 'outbound', create_reply.type, 'sending',
    create_reply.content, create_reply.payload, private.person_id(), create_reply.idempotency_key
  )
  returning * into message;

  update public.conversations v
  set
    last_message_at = message.occurred_at,
    last_message_preview = left(message.content, 200),
    last_message_direction = 'outbound',
    unread_count = 0
  where v.id = conversation.id;

  return jsonb_build_object(
    'message', to_jsonb(message),
    'repeated', false,
    'phone_number_id', session.meta_phone_number_id,
    'wa_id', contact.wa_id,
    'user_id', contact.user_id
  );
end;
$$;
revoke execute on all functions in schema private from public;
revoke execute on function
  public.create_tenant(text, text, text, text, text), public.get_tenant(), public.update_tenant(jsonb),
  public.list_agents(text, boolean, integer, integer), public.get_agent(uuid),
  public.invite_agent(text, text, uuid[], text), public.withdraw_invitation(uuid), public.update_agent(uuid, jsonb),
  public.list_api_keys(integer, integer), public.create_api_key(text, uuid, timestamptz), public.revoke_api_key(uuid),
  public.complete_invitation(uuid, uuid), public.add_member(uuid, uuid, text, text[], text)
  from public, anon, authenticated;
grant execute on function
  public.create_tenant(text, text, text, text, text), public.get_tenant(), public.update_tenant(jsonb),
  public.list_agents(text, boolean, integer, integer), public.get_agent(uuid),
  public.invite_agent(text, text, uuid[], text), public.withdraw_invitation(uuid), public.update_agent(uuid, jsonb),
  public.list_api_keys(integer, integer), public.create_api_key(text, uuid, timestamptz), public.revoke_api_key(uuid)
  to authenticated;
grant execute on function public.complete_invitation(uuid, uuid), public.add_member(uuid, uuid, text, text[], text)
  to service_role;
