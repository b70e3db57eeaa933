-- Who answers a conversation: by hand, in turn, or whoever has least to do.

alter table public.profiles
  add column availability text not null default 'online' check (availability in ('online', 'busy', 'offline'));

alter table public.whatsapp_sessions
  -- how new and reopened conversations of the number that nobody has find somebody
  add column assignment text not null default 'manual' check (assignment in ('manual', 'round_robin', 'least_busy')),
  -- who has as many open conversations gets no more by themselves
  add column assignment_max_open integer check (assignment_max_open between 1 and 1000);

-- Who takes part in a number's assignment, and when it was last their turn. Without anybody in the pool, everybody does.
create table private.assignment_members (
  session_id uuid not null,
  user_id uuid not null,
  tenant_id uuid not null references public.tenants (id) on delete cascade,
  in_pool boolean not null default false,
  turn bigint not null default 0,
  primary key (session_id, user_id),
  foreign key (session_id, tenant_id) references public.whatsapp_sessions (id, tenant_id) on delete cascade,
  foreign key (user_id, tenant_id) references public.profiles (user_id, tenant_id) on delete cascade
);
create index assignment_members_session_idx on private.assignment_members (session_id, tenant_id);
create index assignment_members_user_idx on private.assignment_members (user_id, tenant_id);
create index assignment_members_tenant_idx on private.assignment_members (tenant_id);
create sequence private.assignment_turns;
alter table private.assignment_members enable row level security;
create policy "nobody" on private.assignment_members to authenticated using (false);
revoke all on private.assignment_members from public, anon, authenticated;
revoke all on sequence private.assignment_turns from public, anon, authenticated;
grant all on private.assignment_members to service_role;
grant usage on sequence private.assignment_turns to service_role;

-- Whose turn it is: somebody who is online, may answer, is of the number's pool and has room. Null without anybody. One
-- choice at a time in a tenant, until its transaction ends: the next one counts it.
-- Security definer: whoever lets a customer's message in has no right to what is asked here.
create function private.next_agent(session public.whatsapp_sessions, strategy text) returns uuid
language plpgsql security definer set search_path = '' as $$
declare
  pooled boolean;
  chosen uuid;
begin
  perform pg_advisory_xact_lock(hashtextextended('private.next_agent ' || session.tenant_id, 0));
  pooled := exists (select 1 from private.assignment_members m where m.session_id = session.id and m.in_pool);
  select p.user_id into chosen
  from public.profiles p
  left join private.assignment_members m on m.session_id = session.id and m.user_id = p.user_id
  left join lateral (
    select count(*) as n from public.conversations v
    where v.assigned_to = p.user_id and v.tenant_id = p.tenant_id and v.status in ('open', 'pending')
  ) work on true
  where p.tenant_id = session.tenant_id and p.deactivated_at is null and p.availability = 'online'
    and (not pooled or m.in_pool)
    and (session.assignment_max_open is null or work.n < session.assignment_max_open)
    and private.person_may(p.user_id, 'conversations.view') and private.person_may(p.user_id, 'messages.send')
  order by case strategy when 'least_busy' then work.n end, coalesce(m.turn, 0), p.user_id
  limit 1;
  if chosen is not null then
    insert into private.assignment_members as m (session_id, user_id, tenant_id, turn)
    values (session.id, chosen, session.tenant_id, nextval('private.assignment_turns'))
    on conflict (session_id, user_id) do update set turn = excluded.turn;
  end if;
  return chosen;
end;
$$;

-- A customer's message opens a conversation that nobody has. In the transaction that stores it.
create function private.assign_by_itself() returns trigger
language plpgsql security definer set search_path = '' as $$
declare
  session public.whatsapp_sessions;
begin
  select s.* into session from public.whatsapp_sessions s where s.id = new.session_id and s.assignment <> 'manual';
  if found then
    new.assigned_to := private.next_agent(session, session.assignment);
  end if;
  return new;
end;
$$;
-- After `settle_conversation`, by its name. A reopening is told by the message that counts as unread.
create trigger take_turns before update on public.conversations
  for each row
  when (
    new.assigned_to is null and old.assigned_to is null and new.status = 'open'
    and new.last_message_direction = 'inbound' and new.unread_count > old.unread_count
    and (old.status <> 'open' or old.last_message_at is null)
  )
  execute function private.assign_by_itself();

-- Gives a conversation to a person, or to whoever's turn it is (`strategy` round_robin or least_busy), or to nobody.
-- Without the right to assign one may take what is unassigned, and hand back what is one's own.
-- Security definer: clients have no right to write conversations.
create function public.assign_conversation(conversation_id uuid, user_id uuid, strategy text default null) returns jsonb
language plpgsql security definer set search_path = '' as $$
declare
  conversation public.conversations;
  session public.whatsapp_sessions;
  assignee uuid := assign_conversation.user_id;
begin
  perform private.require('conversations.view');
  conversation := private.own_conversation(assign_conversation.conversation_id);
  if not private.has_permission('conversations.assign') and not (
    strategy is null and private.person_id() is not null and private.has_permission('messages.send')
    and case when assignee is null then conversation.assigned_to = private.person_id()
      else assignee = private.person_id() and coalesce(conversation.assigned_to, assignee) = assignee end
  ) then
    raise sqlstate 'PT403' using message = 'You need the permission conversations.assign.', detail = 'forbidden';
  end if;

  if strategy is not null then
    select s.* into strict session from public.whatsapp_sessions s where s.id = conversation.session_id;
    assignee := private.next_agent(session, strategy);
    if assignee is null then
      raise sqlstate 'PT409' using message = 'Nobody is available at the moment.', detail = 'no_agent_available';
    end if;
  elsif assignee is not null and not exists (
    select 1 from public.profiles p
    where p.user_id = assignee and p.tenant_id = conversation.tenant_id
      and private.person_may(p.user_id, 'conversations.view')
  ) then
    raise sqlstate 'PT422' using message = 'There is no such active person who may see conversations.',
      detail = 'invalid_field', hint = 'user_id';
  end if;
  update public.conversations v set assigned_to = assignee
  where v.id = conversation.id and v.assigned_to is distinct from assignee
  returning v.* into conversation;
  if not found then
    select v.* into strict conversation from public.conversations v
    where v.id = assign_conversation.conversation_id;
  end if;
  return private.conversation_json(conversation);
end;
$$;

-- How a number's conversations find somebody: {"strategy", "max_open", "pool"}.
create function private.assignment_json(session public.whatsapp_sessions) returns jsonb
language sql stable security definer set search_path = '' as $$
  select jsonb_build_object(
    'strategy', session.assignment, 'max_open', session.assignment_max_open,
    'pool', coalesce((
      select jsonb_agg(m.user_id order by m.user_id) from private.assignment_members m
      where m.session_id = session.id and m.in_pool and m.tenant_id = private.tenant_id()
    ), '[]')
  );
$$;

-- Null when there is no such number, or none the caller may see.
create function public.get_assignment(session_id uuid) returns jsonb
language sql stable set search_path = '' as $$
  select private.assignment_json(s) from public.whatsapp_sessions s where s.id = get_assignment.session_id;
$$;

-- Changes what is named in `changes`: strategy, max_open (null for none), pool (a list of people; empty for everybody).
-- Security definer: clients have no right to write numbers.
create function public.set_assignment(session_id uuid, changes jsonb) returns jsonb
language plpgsql security definer set search_path = '' as $$
declare
  session public.whatsapp_sessions;
  pool constant uuid[] := array(select jsonb_array_elements_text(
    case when jsonb_typeof(changes -> 'pool') = 'array' then changes -> 'pool' else '[]' end))::uuid[];
begin
  perform private.require('agents.assign');
  update public.whatsapp_sessions s
  set
    assignment = coalesce(changes ->> 'strategy', s.assignment),
    assignment_max_open = case when changes ? 'max_open' then (changes ->> 'max_open')::integer
      else s.assignment_max_open end
  where s.id = set_assignment.session_id and s.tenant_id = private.tenant_id() and s.deleted_at is null
  returning s.* into session;
  if not found then
    raise sqlstate 'PT404' using message = 'There is no such number.', detail = 'not_found';
  end if;
  if changes ? 'pool' then
    if exists (
      select 1 from unnest(pool) w (id)
      where not exists (
        select 1 from public.profiles p
        where p.user_id = w.id and p.tenant_id = session.tenant_id and private.person_may(p.user_id, 'conversations.view')
      )
    ) then
      raise sqlstate 'PT422' using message = 'There is no such active person who may see conversations.',
        detail = 'invalid_field', hint = 'assignment.pool';
    end if;
    update private.assignment_members m set in_pool = m.user_id = any (pool)
    where m.session_id = session.id and m.in_pool <> (m.user_id = any (pool));
    insert into private.assignment_members (session_id, user_id, tenant_id, in_pool)
    select distinct session.id, w.id, session.tenant_id, true from unnest(pool) w (id)
    on conflict do nothing;
  end if;
  return private.assignment_json(session);
end;
$$;

create or replace function private.agent_json(p public.profiles) returns jsonb
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

-- Changes what is named in `changes`: display_name, locale, active, role_ids, reassign_to, availability. Who is
-- deactivated loses every session, and their open conversations go to `reassign_to` or back to everybody. Availability is
-- one's own to say, and of those who distribute work.
create or replace function public.update_agent(user_id uuid, changes jsonb) returns jsonb
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
    handed_over := private.hand_over(person, (changes ->> 'reassign_to')::uuid);
  end if;
  return (
    select private.agent_json(p) || jsonb_build_object('reassigned_conversations', handed_over)
    from public.profiles p where p.user_id = person
  );
end;
$$;

revoke execute on function private.next_agent(public.whatsapp_sessions, text), private.assign_by_itself(),
  private.assignment_json(public.whatsapp_sessions) from public, authenticated;
grant execute on function private.next_agent(public.whatsapp_sessions, text) to service_role;
grant execute on function private.assignment_json(public.whatsapp_sessions) to authenticated, service_role;
revoke execute on function public.assign_conversation(uuid, uuid, text), public.get_assignment(uuid),
  public.set_assignment(uuid, jsonb) from public, anon;
grant execute on function public.assign_conversation(uuid, uuid, text), public.get_assignment(uuid),
  public.set_assignment(uuid, jsonb) to authenticated;
