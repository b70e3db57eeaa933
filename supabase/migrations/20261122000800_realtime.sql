-- Live updates. The database tells private topics what changed, so that a change by anyone reaches everyone
-- who may see it and nobody else:
--   tenant:<tenant>             those who see every conversation; campaign progress too
--   tenant:<tenant>:unassigned  agents, where the tenant shows them what is unassigned
--   agent:<user>                an agent's own conversations
-- Events: message.created, message.updated, conversation.created, conversation.updated, campaign.updated.
-- Messages of campaigns are announced as progress of the campaign, at most once a second.

alter publication supabase_realtime add table public.messages, public.conversations, public.contacts;
alter table public.messages replica identity full;
alter table public.conversations replica identity full;
alter table public.contacts replica identity full;

-- May the caller listen to this topic? Security definer: it reads who the caller is.
create function private.may_listen(topic text) returns boolean
language sql stable security definer set search_path = '' as $$
  select case
    when private.tenant_id() is null then false
    when topic = 'tenant:' || private.tenant_id() then private.has_permission('conversations.view_all')
    when topic = 'tenant:' || private.tenant_id() || ':unassigned'
      then private.has_permission('conversations.view') and private.sees_unassigned()
    when topic = 'agent:' || (select auth.uid()) then private.has_permission('conversations.view')
    else false
  end;
$$;
grant execute on function private.may_listen(text) to authenticated;

create policy "members listen to their own topics" on realtime.messages for select to authenticated
  using (extension in ('broadcast', 'presence') and (select private.may_listen((select realtime.topic()))));

-- Tells everyone who may see a conversation that is assigned like this. Security definer: whoever changes a
-- row need not be able to send to topics.
create function private.announce(tenant uuid, assignee uuid, event text, payload jsonb) returns void
language plpgsql security definer set search_path = '' as $$
begin
  perform realtime.send(payload, event, 'tenant:' || tenant, true);
  if assignee is null then
    perform realtime.send(payload, event, 'tenant:' || tenant || ':unassigned', true);
  else
    perform realtime.send(payload, event, 'agent:' || assignee, true);
  end if;
end;
$$;

create function private.announce_messages() returns trigger
language plpgsql security definer set search_path = '' as $$
begin
  perform private.announce(
    m.tenant_id, v.assigned_to, case tg_op when 'INSERT' then 'message.created' else 'message.updated' end,
    -- the thread shows the text; the full element is read with the message
    private.message_json(m) - 'payload'
  )
  from changed c
  join public.messages m on m.id = c.id
  join public.conversations v on v.id = m.conversation_id
  where not c.metadata ? 'broadcast_campaign_id'
  order by m.occurred_at;
  return null;
end;
$$;

create trigger announce_created after insert on public.messages
  referencing new table as changed for each statement execute function private.announce_messages();
create trigger announce_updated after update on public.messages
  referencing new table as changed for each statement execute function private.announce_messages();

create function private.announce_conversations() returns trigger
language plpgsql security definer set search_path = '' as $$
begin
  perform private.announce(
    v.tenant_id, v.assigned_to,
    case tg_op when 'INSERT' then 'conversation.created' else 'conversation.updated' end,
    private.conversation_json(v)
  )
  from changed c
  join public.conversations v on v.id = c.id
  where v.last_message_at is not null;
  return null;
end;
$$;

create trigger announce_created after insert on public.conversations
  referencing new table as changed for each statement execute function private.announce_conversations();
create trigger announce_updated after update on public.conversations
  referencing new table as changed for each statement execute function private.announce_conversations();

create function private.announce_campaign() returns trigger
language plpgsql security definer set search_path = '' as $$
begin
  perform realtime.send(private.campaign_json(new), 'campaign.updated', 'tenant:' || new.tenant_id, true);
  return null;
end;
$$;

create trigger announce_updated after update on public.broadcast_campaigns
  for each row
  when (
    old.status is distinct from new.status
    or old.progress_announced_at is distinct from new.progress_announced_at
  )
  execute function private.announce_campaign();

revoke execute on all functions in schema private from public;
