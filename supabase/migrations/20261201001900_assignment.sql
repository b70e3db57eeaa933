-- Assignment of conversations: by hand, in turn, or to the person with the fewest open conversations. A conversation
-- that is unassigned, or whose assignee may no longer see it, is assigned when the customer writes.

create sequence private.assignment_turns;

-- The people in a number's assignment pool, and when each was last chosen. An empty pool includes all people.
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

-- The next person to get a conversation of the number, or null if none is available. `also_open` counts conversations
-- that are decided but not written yet: {"<user_id>": <count>}. The person is online, may answer, is in the number's
-- pool, and is below the limit. Without a pool, people who may assign conversations are chosen only if no other person
-- can answer. One transaction at a time chooses in a tenant, so that the next one counts its result.
create function private.next_agent(session public.whatsapp_sessions, strategy text, also_open jsonb default '{}') returns uuid
language plpgsql set search_path = '' as $$
declare
  pooled boolean;
  chosen uuid;
begin
  perform pg_advisory_xact_lock(hashtextextended('private.next_agent ' || session.tenant_id, 0));
  pooled := exists (select 1 from private.assignment_members m where m.session_id = session.id and m.in_pool);
  with people as materialized (
    select p.user_id, p.availability, private.person_has_permission(p.user_id, p.tenant_id, 'conversations.assign') as distributes
    from public.profiles p
    where p.tenant_id = session.tenant_id and p.deactivated_at is null
      and private.person_has_permission(p.user_id, p.tenant_id, 'conversations.view') and private.person_has_permission(p.user_id, p.tenant_id, 'messages.send')
  )
  select p.user_id into chosen
  from people p
  left join private.assignment_members m on m.session_id = session.id and m.user_id = p.user_id
  left join lateral (
    select count(*) + coalesce((also_open ->> p.user_id::text)::bigint, 0) as n from public.conversations v
    where v.assigned_to = p.user_id and v.tenant_id = session.tenant_id and v.status in ('open', 'pending')
  ) work on true
  where p.availability = 'online'
    and case when pooled then m.in_pool
      else not p.distributes or not exists (select 1 from people o where not o.distributes) end
    and (session.assignment_max_open is null or work.n < session.assignment_max_open)
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

-- The assignee of a conversation that opens because the customer wrote: its current assignee if they may still see
-- conversations, otherwise the next person if the number assigns automatically. `also_open` as in `next_agent`.
create function private.assignee_of_opened(session uuid, tenant uuid, assigned_to uuid, also_open jsonb default '{}')
returns uuid
language plpgsql set search_path = '' as $$
declare
  number public.whatsapp_sessions;
begin
  if private.person_has_permission(assigned_to, tenant, 'conversations.view') then
    return assigned_to;
  end if;
  select s.* into number from public.whatsapp_sessions s where s.id = session and s.assignment <> 'manual';
  -- Choosing waits for all other choices in the tenant, so it happens only if there is a candidate.
  if found and exists (
    select 1 from public.profiles p
    where p.tenant_id = tenant and p.deactivated_at is null and p.availability = 'online'
  ) then
    return private.next_agent(number, number.assignment, also_open);
  end if;
  return null;
end;
$$;

-- Assigns conversations that customers open: unassigned ones and reopened ones. It proceeds one by one, so that each
-- choice counts the ones before it.
create function private.assign_received(received private.reception[]) returns private.reception[]
language plpgsql set search_path = '' as $$
declare
  r private.reception;
  also_open jsonb := '{}';
begin
  for i in 1..cardinality(received) loop
    r := received[i];
    if r.status = 'open' and r.last_message_direction = 'inbound' and r.unread_count > r.was_unread_count
      and (r.was_assigned_to is null or r.was_status <> 'open')
    then
      r.assigned_to := private.assignee_of_opened(r.session_id, r.tenant_id, r.was_assigned_to, also_open);
      if r.assigned_to is not null
        and (r.assigned_to is distinct from r.was_assigned_to or r.was_status not in ('open', 'pending'))
      then
        also_open := also_open || jsonb_build_object(
          r.assigned_to, coalesce((also_open ->> r.assigned_to::text)::integer, 0) + 1
        );
      end if;
      received[i] := r;
    end if;
  end loop;
  return received;
end;
$$;

-- Assigns a conversation to a person, to the next person (`strategy` round_robin or least_busy), or to none. Without
-- the permission to assign, people may take unassigned conversations and give back their own.
-- Security definer: clients have no right to write conversations.
create function public.assign_conversation(conversation_id uuid, user_id uuid, strategy text default null)
returns jsonb
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
      raise sqlstate 'PT409' using message = 'No agent is available at the moment.', detail = 'no_agent_available';
    end if;
  elsif assignee is not null and not exists (
    select 1 from public.profiles p
    where p.user_id = assignee and p.tenant_id = conversation.tenant_id
      and private.person_has_permission(p.user_id, p.tenant_id, 'conversations.view')
  ) then
    raise sqlstate 'PT422' using message = 'There is no such active person who may see conversations.',
      detail = 'invalid_field', hint = 'user_id';
  end if;
  perform private.change_conversations(array[conversation.id], jsonb_build_object('assigned_to', assignee));
  select v.* into strict conversation from public.conversations v where v.id = conversation.id;
  return private.conversation_json(conversation);
end;
$$;

-- The people in the pool of a number of the caller's tenant.
-- Security definer: clients have no right to read `private.assignment_members`.
create function private.pool_of(session uuid) returns jsonb
language sql stable security definer set search_path = '' as $$
  select coalesce(jsonb_agg(m.user_id order by m.user_id), '[]') from private.assignment_members m
  where m.session_id = session and m.in_pool and m.tenant_id = private.tenant_id();
$$;

-- The assignment settings of a number: {"strategy", "max_open", "pool"}.
create function private.assignment_json(session public.whatsapp_sessions) returns jsonb
language sql stable set search_path = '' as $$
  select jsonb_build_object(
    'strategy', session.assignment, 'max_open', session.assignment_max_open,
    'pool', private.pool_of(session.id)
  );
$$;

-- Null if the number does not exist or the caller may not see it.
create function public.get_assignment(session_id uuid) returns jsonb
language sql stable set search_path = '' as $$
  select private.assignment_json(s) from public.whatsapp_sessions s where s.id = get_assignment.session_id;
$$;

-- Changes the settings that `changes` names: strategy, max_open (null: no limit), pool (a list of people; empty: all
-- people).
-- Security definer: clients have no right to write numbers.
create function public.set_assignment(session_id uuid, changes jsonb) returns jsonb
language plpgsql security definer set search_path = '' as $$
declare
  session public.whatsapp_sessions;
  was constant jsonb := private.pool_of(set_assignment.session_id);
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
        where p.user_id = w.id and p.tenant_id = session.tenant_id and private.person_has_permission(p.user_id, p.tenant_id, 'conversations.view')
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
    perform private.record_change(
      session.tenant_id, 'assignment_members', session.id::text, jsonb_build_object('pool', was),
      jsonb_build_object('pool', private.pool_of(session.id))
    );
  end if;
  return private.assignment_json(session);
end;
$$;

alter table private.assignment_members enable row level security;

create policy "no client access" on private.assignment_members to authenticated using (false);

grant execute on function
  public.assign_conversation(uuid, uuid, text),
  private.pool_of(uuid),
  private.assignment_json(public.whatsapp_sessions),
  public.get_assignment(uuid),
  public.set_assignment(uuid, jsonb)
to authenticated;

grant usage on sequence private.assignment_turns to service_role;
