-- Conversations that have nobody, or somebody who is no more, find somebody when the customer writes.

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
