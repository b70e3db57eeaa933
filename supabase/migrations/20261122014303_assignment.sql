-- Conversations that have nobody, or somebody who is no more, find somebody when the customer writes.

-- As before; without a pool, those who distribute work have none given to them, as long as there is anybody else to answer.
create or replace function private.next_agent(session public.whatsapp_sessions, strategy text) returns uuid
language plpgsql security definer set search_path = '' as $$
declare
  pooled boolean;
  chosen uuid;
begin
  perform pg_advisory_xact_lock(hashtextextended('private.next_agent ' || session.tenant_id, 0));
  pooled := exists (select 1 from private.assignment_members m where m.session_id = session.id and m.in_pool);
  with people as materialized (
    select p.user_id, p.availability, private.person_may(p.user_id, 'conversations.assign') as distributes
    from public.profiles p
    where p.tenant_id = session.tenant_id and p.deactivated_at is null
      and private.person_may(p.user_id, 'conversations.view') and private.person_may(p.user_id, 'messages.send')
  )
  select p.user_id into chosen
  from people p
  left join private.assignment_members m on m.session_id = session.id and m.user_id = p.user_id
  left join lateral (
    select count(*) as n from public.conversations v
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

-- The customer wrote: a conversation that opens is taken from who may not see conversations any more; one that nobody has
-- goes to whose turn it is, also when nobody was there before. In the transaction that stores the message.
create or replace function private.assign_by_itself() returns trigger
language plpgsql security definer set search_path = '' as $$
declare
  session public.whatsapp_sessions;
begin
  if new.assigned_to is not null then
    if private.person_may(new.assigned_to, 'conversations.view') then
      return new;
    end if;
    new.assigned_to := null;
  end if;
  select s.* into session from public.whatsapp_sessions s where s.id = new.session_id and s.assignment <> 'manual';
  -- choosing is one at a time in a tenant: not for nothing
  if found and exists (
    select 1 from public.profiles p
    where p.tenant_id = new.tenant_id and p.deactivated_at is null and p.availability = 'online'
  ) then
    new.assigned_to := private.next_agent(session, session.assignment);
  end if;
  return new;
end;
$$;
drop trigger take_turns on public.conversations;
create trigger take_turns before update on public.conversations
  for each row
  when (
    new.status = 'open' and new.last_message_direction = 'inbound' and new.unread_count > old.unread_count
    and new.assigned_to is not distinct from old.assigned_to
    and (old.assigned_to is null or old.status <> 'open')
  )
  execute function private.assign_by_itself();

-- As before; nobody is handed what they could not see.
create or replace function private.hand_over(person uuid, successor uuid) returns integer
language plpgsql security definer set search_path = '' as $$
declare
  handed_over integer;
begin
  if successor is not null and not exists (
    select 1 from public.profiles p
    where p.user_id = successor and p.user_id <> person and p.tenant_id = private.tenant_id()
      and p.deactivated_at is null and private.person_may(p.user_id, 'conversations.view')
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
