-- What a conversation is besides its messages: its state, how urgent it is, since when the customer waits, who has read
-- how far, and what was done with it.

alter table public.conversations
  add column priority text not null default 'none' check (priority in ('none', 'low', 'medium', 'high', 'urgent')),
  add column priority_rank smallint not null generated always as (case priority
    when 'urgent' then 4 when 'high' then 3 when 'medium' then 2 when 'low' then 1 else 0 end) stored,
  add column snoozed_until timestamptz,
  -- since when the customer has the last word and nobody settled it
  add column waiting_since timestamptz;

update public.conversations v set waiting_since = v.last_message_at
where v.last_message_direction = 'inbound' and v.status <> 'resolved';

-- A page in each order, and each count, comes from an index. The assignee stands in it for agents, who see their own.
drop index public.conversations_inbox_idx;
drop index public.conversations_assigned_idx;
drop index public.conversations_session_idx;
create index conversations_inbox_idx on public.conversations (tenant_id, last_message_at desc, id desc)
  include (assigned_to);
create index conversations_status_idx on public.conversations (tenant_id, status, last_message_at desc, id desc)
  include (assigned_to, unread_count);
create index conversations_assigned_idx
  on public.conversations (assigned_to, tenant_id, last_message_at desc, id desc) include (status);
create index conversations_session_idx on public.conversations (session_id, tenant_id, last_message_at desc, id desc);
create index conversations_unread_idx on public.conversations (tenant_id, last_message_at desc, id desc)
  include (assigned_to) where unread_count > 0;
create index conversations_priority_idx
  on public.conversations (tenant_id, priority_rank desc, last_message_at desc, id desc);
create index conversations_waiting_idx on public.conversations (tenant_id, waiting_since, id)
  where waiting_since is not null;
create index conversations_window_idx on public.conversations (tenant_id, window_expires_at);
create index conversations_snoozed_idx on public.conversations (snoozed_until) where status = 'snoozed';

-- May somebody do this, whoever asks? For what concerns other people than the caller.
create function private.person_may(person uuid, wanted text) returns boolean
language plpgsql stable security definer set search_path = '' as $$
begin
  return exists (
    select 1
    from public.profiles p
    join auth.users u on u.id = p.user_id
    join public.user_roles ur on ur.user_id = p.user_id
    join private.role_holdings h on h.role_id = ur.role_id
    where p.user_id = person and p.deactivated_at is null and (u.banned_until is null or u.banned_until <= now())
      and h.permission_key = wanted
  );
end;
$$;

create function private.settle_conversation() returns trigger
language plpgsql set search_path = '' as $$
begin
  -- A customer who writes again opens what waited for them. Resolved and snoozed ones are opened as they write.
  if tg_op = 'UPDATE' and new.status = 'pending' and old.status = 'pending' and new.unread_count > old.unread_count
    and coalesce(current_setting('app.keeps_state', true), '') <> 'on'
  then
    new.status := 'open';
  end if;
  if new.status <> 'snoozed' then
    new.snoozed_until := null;
  end if;
  new.waiting_since := case
    when new.last_message_direction is distinct from 'inbound' or new.status = 'resolved' then null
    when new.last_message_type in ('system', 'request_welcome') then new.waiting_since
    else coalesce(new.waiting_since, new.last_message_at)
  end;
  return new;
end;
$$;
create trigger settle_conversation before insert or update on public.conversations
  for each row execute function private.settle_conversation();

-- What was done with a conversation, by whom. `details` say what from and what to.
create table public.conversation_events (
  id uuid primary key default gen_random_uuid(),
  tenant_id uuid not null references public.tenants (id) on delete cascade,
  conversation_id uuid not null,
  kind text not null check (kind in (
    'status_changed', 'assigned', 'unassigned', 'priority_changed', 'label_added', 'label_removed', 'merged'
  )),
  -- null: nobody did it by hand, or an integration did
  actor_id uuid,
  details jsonb not null default '{}',
  occurred_at timestamptz not null default clock_timestamp(),
  foreign key (conversation_id, tenant_id) references public.conversations (id, tenant_id) on delete cascade,
  foreign key (actor_id, tenant_id) references public.profiles (user_id, tenant_id) on delete set null (actor_id)
);
create index conversation_events_conversation_idx
  on public.conversation_events (conversation_id, tenant_id, occurred_at desc, id desc);
create index conversation_events_tenant_idx on public.conversation_events (tenant_id);
create index conversation_events_actor_idx on public.conversation_events (actor_id, tenant_id)
  where actor_id is not null;
alter table public.conversation_events enable row level security;
revoke all on public.conversation_events from anon, authenticated;
grant select on public.conversation_events to authenticated;
grant all on public.conversation_events to service_role;
create policy "members read the history of conversations they may see" on public.conversation_events
  for select to authenticated
  using (
    tenant_id = (select private.tenant_id())
    and exists (select 1 from public.conversations v where v.id = conversation_events.conversation_id)
  );

-- Security definer: whoever changes a conversation has no right to its history.
create function private.note_conversation_changes() returns trigger
language plpgsql security definer set search_path = '' as $$
begin
  insert into public.conversation_events (tenant_id, conversation_id, kind, actor_id, details)
  select n.tenant_id, n.id, e.kind, private.person_id(), e.details
  from changed n
  join before o on o.id = n.id
  cross join lateral (
    select 'status_changed' as kind, jsonb_strip_nulls(jsonb_build_object(
      'from', o.status, 'to', n.status, 'snoozed_until', n.snoozed_until)) as details
    where n.status <> o.status or n.snoozed_until <> o.snoozed_until
    union all
    select case when n.assigned_to is null then 'unassigned' else 'assigned' end,
      jsonb_build_object('from', o.assigned_to, 'to', n.assigned_to)
    where n.assigned_to is distinct from o.assigned_to
    union all
    select 'priority_changed', jsonb_build_object('from', o.priority, 'to', n.priority)
    where n.priority <> o.priority
  ) e;
  return null;
end;
$$;
create trigger note_changes after update on public.conversations
  referencing old table as before new table as changed
  for each statement execute function private.note_conversation_changes();

create function private.note_label_changes() returns trigger
language plpgsql security definer set search_path = '' as $$
begin
  insert into public.conversation_events (tenant_id, conversation_id, kind, actor_id, details)
  select c.tenant_id, c.conversation_id, case tg_op when 'INSERT' then 'label_added' else 'label_removed' end,
    private.person_id(), jsonb_build_object('label_id', l.id, 'name', l.name)
  from changed c
  -- a label that goes is removed everywhere, and a conversation takes its history with it
  join public.labels l on l.id = c.label_id
  join public.conversations v on v.id = c.conversation_id;
  return null;
end;
$$;
create trigger note_labels_added after insert on public.conversation_labels
  referencing new table as changed for each statement execute function private.note_label_changes();
create trigger note_labels_removed after delete on public.conversation_labels
  referencing old table as changed for each statement execute function private.note_label_changes();

-- How far each person has read.
create table public.conversation_reads (
  conversation_id uuid not null,
  user_id uuid not null,
  tenant_id uuid not null references public.tenants (id) on delete cascade,
  read_through timestamptz not null,
  -- the person wants to come back to it
  marked_unread boolean not null default false,
  primary key (conversation_id, user_id),
  foreign key (conversation_id, tenant_id) references public.conversations (id, tenant_id) on delete cascade,
  foreign key (user_id, tenant_id) references public.profiles (user_id, tenant_id) on delete cascade
);
create index conversation_reads_conversation_idx on public.conversation_reads (conversation_id, tenant_id);
create index conversation_reads_user_idx on public.conversation_reads (user_id, tenant_id);
create index conversation_reads_tenant_idx on public.conversation_reads (tenant_id);
alter table public.conversation_reads enable row level security;
revoke all on public.conversation_reads from anon, authenticated;
grant select on public.conversation_reads to authenticated;
grant all on public.conversation_reads to service_role;
create policy "members read how far they have read" on public.conversation_reads for select to authenticated
  using (tenant_id = (select private.tenant_id()) and user_id = (select auth.uid()));

-- Security definer: clients have no right to write it.
create function private.keep_read(conversation public.conversations, unread boolean) returns void
language plpgsql security definer set search_path = '' as $$
declare
  person constant uuid := private.person_id();
begin
  if person is not null then
    insert into public.conversation_reads as r (conversation_id, user_id, tenant_id, read_through, marked_unread)
    values (conversation.id, person, conversation.tenant_id, now(), unread)
    on conflict (conversation_id, user_id) do update
      set read_through = case when unread then r.read_through else excluded.read_through end,
        marked_unread = excluded.marked_unread;
  end if;
end;
$$;

-- Whoever answers has read.
create function private.read_by_answering() returns trigger
language plpgsql security definer set search_path = '' as $$
begin
  insert into public.conversation_reads as r (conversation_id, user_id, tenant_id, read_through)
  select c.conversation_id, c.sent_by, c.tenant_id, max(c.created_at)
  from changed c
  where c.direction = 'outbound' and c.sent_by is not null and not c.metadata ? 'broadcast_campaign_id'
    and c.status = 'sending'
  group by c.conversation_id, c.sent_by, c.tenant_id
  order by c.conversation_id, c.sent_by
  on conflict (conversation_id, user_id) do update
    set read_through = greatest(r.read_through, excluded.read_through), marked_unread = false;
  return null;
end;
$$;
create trigger read_by_answering after insert on public.messages
  referencing new table as changed for each statement execute function private.read_by_answering();

-- How many messages of the customer the caller has not read, up to 100; what nobody has read, for who never opened it.
-- By when they came in: Meta's time of a message that was held back is older than what was read before it.
create function private.unread_for_caller(v public.conversations) returns integer
language plpgsql stable security definer set search_path = '' as $$
declare
  mine public.conversation_reads;
  unread integer;
begin
  select r.* into mine from public.conversation_reads r
  where r.conversation_id = v.id and r.user_id = (select auth.uid());
  if not found then
    return v.unread_count;
  end if;
  select count(*) into unread from (
    select 1 from public.messages m
    where m.conversation_id = v.id and m.tenant_id = v.tenant_id and m.occurred_at > mine.read_through - interval '7 days'
      and m.created_at > mine.read_through and m.direction = 'inbound' and m.target_message_id is null
      and not m.metadata ? 'source'
    order by m.occurred_at desc, m.created_at desc, m.id desc
    limit 100
  ) u;
  return case when mine.marked_unread then greatest(unread, 1) else unread end;
end;
$$;

create or replace function private.conversation_json(v public.conversations) returns jsonb
language sql stable set search_path = '' as $$
  select jsonb_build_object(
    'id', v.id, 'status', v.status, 'session_id', v.session_id, 'assigned_to', v.assigned_to,
    'priority', v.priority, 'snoozed_until', v.snoozed_until, 'waiting_since', v.waiting_since,
    'unread_count', v.unread_count, 'unread_for_me', private.unread_for_caller(v),
    'last_message_at', v.last_message_at,
    'last_message_preview', v.last_message_preview, 'last_message_type', v.last_message_type,
    'last_message_direction', v.last_message_direction,
    'window_expires_at', v.window_expires_at,
    'window_open', coalesce(v.window_expires_at > now(), false),
    'referral', v.referral, 'referral_at', v.referral_at,
    'created_at', v.created_at, 'updated_at', v.updated_at,
    'labels', coalesce((
      select jsonb_agg(jsonb_build_object('id', l.id, 'name', l.name, 'color', l.color) order by lower(l.name), l.id)
      from public.conversation_labels cl join public.labels l on l.id = cl.label_id
      where cl.conversation_id = v.id and cl.tenant_id = v.tenant_id
    ), '[]'),
    'contact', (
      select jsonb_build_object(
        'id', c.id, 'name', coalesce(c.name, c.profile_name), 'profile_name', c.profile_name, 'wa_id', c.wa_id,
        'user_id', c.user_id, 'username', c.username, 'tags', c.tags, 'blocked', c.blocked_at is not null
      )
      from public.contacts c where c.id = v.contact_id
    )
  );
$$;

-- Who sees it no more is told so: those who hold an agent's or the unassigned topic have no other way to know. Whoever
-- sees every conversation keeps it.
create or replace function private.announce_conversations() returns trigger
language plpgsql security definer set search_path = '' as $$
begin
  if tg_op = 'UPDATE' then
    perform private.tell(
      n.tenant_id, case when o.assigned_to is null then 'unassigned' else 'agent' end, o.assigned_to,
      'conversation.removed', jsonb_build_object('id', n.id)
    )
    from before o
    join changed n on n.id = o.id
    where n.assigned_to is distinct from o.assigned_to and n.last_message_at is not null
      and (o.assigned_to is null or not private.person_may(o.assigned_to, 'conversations.view_all'));
  end if;
  perform private.announce(
    v.tenant_id, v.assigned_to,
    case tg_op when 'INSERT' then 'conversation.created' else 'conversation.updated' end,
    private.conversation_json(v) - 'unread_for_me'
  )
  from changed c
  join public.conversations v on v.id = c.id
  where v.last_message_at is not null;
  return null;
end;
$$;
drop trigger announce_updated on public.conversations;
create trigger announce_updated after update on public.conversations
  referencing old table as before new table as changed
  for each statement execute function private.announce_conversations();

-- What is shown of a conversation besides its own row: its labels, its customer's name.
create function private.announce_conversations_by_id(ids uuid[]) returns void
language sql security definer set search_path = '' as $$
  select private.announce(v.tenant_id, v.assigned_to, 'conversation.updated', private.conversation_json(v) - 'unread_for_me')
  from public.conversations v
  where v.id = any (ids) and v.last_message_at is not null
  order by v.id;
$$;
create function private.announce_conversation_labels() returns trigger
language plpgsql security definer set search_path = '' as $$
begin
  perform private.announce_conversations_by_id(array(
    select distinct c.conversation_id from changed c join public.labels l on l.id = c.label_id
  ));
  return null;
end;
$$;
create trigger announce_labels_added after insert on public.conversation_labels
  referencing new table as changed for each statement execute function private.announce_conversation_labels();
create trigger announce_labels_removed after delete on public.conversation_labels
  referencing old table as changed for each statement execute function private.announce_conversation_labels();

create function private.announce_contact_of_conversations() returns trigger
language plpgsql security definer set search_path = '' as $$
begin
  perform private.announce_conversations_by_id(array(
    select v.id
    from changed n
    join before o on o.id = n.id
    join public.conversations v on v.contact_id = n.id and v.tenant_id = n.tenant_id
    where (coalesce(n.name, n.profile_name), n.wa_id, n.user_id, n.username, n.tags, n.blocked_at)
      is distinct from (coalesce(o.name, o.profile_name), o.wa_id, o.user_id, o.username, o.tags, o.blocked_at)
    -- an import that renames everybody is news to nobody's screen
    limit 500
  ));
  return null;
end;
$$;
create trigger announce_to_conversations after update on public.contacts
  referencing old table as before new table as changed
  for each statement execute function private.announce_contact_of_conversations();

select private.audit_table('conversations', 'id', 'people', '-last_message_at', '-last_message_preview',
  '-last_message_direction', '-last_message_type', '-last_inbound_at', '-window_expires_at', '-unread_count',
  '-read_message_id', '-waiting_since', '-priority_rank');

revoke execute on function private.person_may(uuid, text), private.settle_conversation(),
  private.note_conversation_changes(), private.note_label_changes(), private.read_by_answering(),
  private.keep_read(public.conversations, boolean), private.unread_for_caller(public.conversations),
  private.announce_conversations_by_id(uuid[]), private.announce_conversation_labels(),
  private.announce_contact_of_conversations() from public, authenticated;
grant execute on function private.unread_for_caller(public.conversations) to authenticated, service_role;
grant execute on function private.person_may(uuid, text), private.keep_read(public.conversations, boolean),
  private.announce_conversations_by_id(uuid[]) to service_role;
