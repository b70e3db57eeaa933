-- Live updates. The database broadcasts each change to the private topics of the people who may see it:
--   tenant:<tenant>:<epoch>             people who see every conversation
--   tenant:<tenant>:unassigned:<epoch>  agents, if the tenant shows them unassigned conversations
--   agent:<user>:<epoch>                the agent's own conversations
--   tenant:<tenant>:<subject>:<epoch>   people who may view the subject: see private.live_subjects
--   tenant:<tenant>:access:<epoch>      every member: `access.changed`, after which the epoch is another one
-- Realtime asks once, when a client joins, and not for each message. Therefore a change of rights renews the epoch, and
-- people who joined before hear nothing more (private.renew_access_of). Broadcasts are also recorded for three days, so that
-- a client that was disconnected can read the current state of everything it missed.

-- Some functions below name objects that later statements create.
set check_function_bodies = off;

-- Recorded broadcasts, for clients that were disconnected. They are ordered by transaction. A client that has received
-- every change below a sequence asks for the changes from there on. It may receive some changes twice, but misses none,
-- even if a transaction took long.
create table private.changes (
  id bigint generated always as identity primary key,
  xid xid8 not null default pg_current_xact_id(),
  tenant_id uuid not null references public.tenants (id) on delete cascade,
  -- the recipients: see private.record_and_broadcast
  audience text not null,
  assigned_to uuid,
  event text not null,
  -- the id of the changed entity; the part of the event before the dot says its kind
  entity_id uuid not null,
  changed_at timestamptz not null default now()
);
create index changes_changed_at_idx on private.changes using brin (changed_at);
create index changes_place_idx on private.changes (tenant_id, xid, id)
  include (audience, assigned_to, event, entity_id);

-- How clients read each kind of entity: the name of a function that takes an id, runs with the caller's rights, and
-- returns null if the caller may not see the entity. The key is the part of the event before the dot, or the whole
-- event where that one has a reader of its own. The name is a text because pg_upgrade refuses databases with columns of
-- type `regproc`.
create table private.live_kinds (
  kind text primary key,
  reader text not null check (reader ~ '^(public|private)\.[a-z_]+$')
);

-- The last transaction whose broadcasts have been deleted.
create table private.changes_pruned (
  one_row boolean primary key default true check (one_row),
  through xid8 not null
);

-- The subjects besides conversations whose changes the caller may hear. Each takes the permission that reading it takes.
create function private.live_subjects() returns setof text
language sql stable set search_path = '' as $$
  select s.subject
  from (values
    ('account_events', 'numbers.events'), ('agents', 'agents.view'), ('broadcasts', 'broadcasts.view'),
    ('contacts', 'contacts.view'), ('labels', 'labels.view'), ('numbers', 'numbers.view'),
    ('quick_replies', 'quick_replies.view'), ('recipient_lists', 'recipient_lists.view'), ('reports', 'reports.view'),
    ('segments', 'segments.view'), ('settings', 'settings.view')
  ) s (subject, permission)
  where private.has_permission(s.permission);
$$;

-- The epoch of the caller's tenant and the names of the topics that the caller may listen to:
-- {"epoch", "topics"}. Null for an API key, because only a person can open a connection to Realtime.
-- Security definer: it reads who the caller is, and clients have no right to read `private.access_versions`.
create function public.get_live() returns jsonb
language plpgsql stable security definer set search_path = '' as $$
declare
  tenant constant uuid := private.tenant_id();
  person constant uuid := private.person_id();
  epoch constant bigint := private.live_epoch(tenant);
  reads constant boolean := private.has_permission('messages.view');
  views constant boolean := reads and private.has_permission('conversations.view');
begin
  if tenant is null or person is null then
    return null;
  end if;
  return jsonb_build_object('epoch', epoch, 'topics', (
    select jsonb_agg(t.name || ':' || epoch order by t.place, t.name)
    from (
      select 1 as place, 'tenant:' || tenant || ':access' as name
      union all
      select 2, 'tenant:' || tenant where reads and private.has_permission('conversations.view_all')
      union all
      select 3, 'agent:' || person where views
      union all
      select 4, 'tenant:' || tenant || ':unassigned' where views and private.sees_unassigned()
      union all
      select 5, 'tenant:' || tenant || ':' || s from private.live_subjects() s
    ) t
  ));
end;
$$;

-- Whether the caller may listen to this topic. Topics of conversations require the permission to read messages.
create function private.may_listen(topic text) returns boolean
language sql stable set search_path = '' as $$
  select coalesce(public.get_live() -> 'topics' ? topic, false);
$$;

-- Broadcasts an event to everyone who may see a conversation with this assignee.
create function private.announce(tenant uuid, assignee uuid, event text, payload jsonb) returns void
language sql set search_path = '' as $$
  select private.record_and_broadcast(tenant, 'conversations', assignee, event, payload);
$$;

-- Records a change and broadcasts it to an audience. The `payload` has the `id` of the changed entity. The broadcast
-- adds `sequence`, from which a client asks for changes after it loses its connection: every change below it has been
-- sent.
--   conversations   people who see a conversation that is assigned to `assignee`, or unassigned if that is null
--   unassigned      agents who see unassigned conversations
--   agent           `assignee`
--   anything else   people who may view this subject: see private.live_subjects
-- Security definer: a person who changes a row may have no right to send to topics.
create function private.record_and_broadcast(tenant uuid, audience text, assignee uuid, event text, payload jsonb) returns void
language plpgsql security definer set search_path = '' as $$
declare
  broadcast constant jsonb := payload || jsonb_build_object('sequence', pg_snapshot_xmin(pg_current_snapshot())::text::bigint);
  epoch constant text := ':' || private.live_epoch(tenant);
begin
  insert into private.changes (tenant_id, audience, assigned_to, event, entity_id)
  values (tenant, audience, assignee, event, (payload ->> 'id')::uuid);

  if audience = 'conversations' then
    perform realtime.send(broadcast, event, 'tenant:' || tenant || epoch, true);
  end if;
  if audience = 'agent' or (audience = 'conversations' and assignee is not null) then
    -- conversations of a former member can still name them: they listen for another tenant now
    if exists (
      select 1 from public.profiles p
      where p.user_id = assignee and p.tenant_id = record_and_broadcast.tenant and p.deactivated_at is null
    ) then
      perform realtime.send(broadcast, event, 'agent:' || assignee || epoch, true);
    end if;
  elsif audience = 'conversations' then
    perform realtime.send(broadcast, event, 'tenant:' || tenant || ':unassigned' || epoch, true);
  else
    perform realtime.send(broadcast, event, 'tenant:' || tenant || ':' || audience || epoch, true);
  end if;
end;
$$;

-- The changes for the caller from a transaction on: [{"kind", "event", "id", "reader"}]. Each entity appears once, in
-- the order of its latest change. Transactions are never split between pages. `next` is where the next page begins, or
-- null.
-- Security definer: clients have no right to read the table.
create function private.changes_from(place xid8, most integer, out entries jsonb, out next text)
language plpgsql stable security definer set search_path = '' as $$
declare
  tenant constant uuid := private.tenant_id();
  caller_id constant uuid := (select auth.uid());
  views constant boolean := private.has_permission('conversations.view');
  views_all constant boolean := private.has_permission('conversations.view_all');
  unassigned constant boolean := views and private.sees_unassigned();
  subjects constant text[] := array(select private.live_subjects());
  -- the last transaction of this page
  edge xid8;
begin
  select c.xid into edge from private.changes c
  where c.tenant_id = tenant and c.xid >= place
  order by c.xid, c.id
  offset most limit 1;
  if edge is not null then
    -- a transaction that is larger than a page is returned whole
    next := case when edge = place then ((edge::text)::numeric + 1)::text else edge::text end;
  end if;
  select jsonb_agg(jsonb_build_object('kind', t.kind, 'event', t.event, 'id', t.entity_id, 'reader', (
    select k.reader from private.live_kinds k where k.kind = t.kind
  )) order by t.xid, t.last) into entries
  from (
    select k.kind, c.entity_id, (array_agg(c.event order by c.id desc))[1] as event,
      (array_agg(c.xid order by c.id desc))[1] as xid, max(c.id) as last
    from private.changes c
    cross join lateral (
      select case when exists (select 1 from private.live_kinds l where l.kind = c.event) then c.event
        else split_part(c.event, '.', 1) end as kind
    ) k
    where c.tenant_id = tenant and c.xid >= place and (next is null or c.xid < next::xid8)
      and case c.audience
        when 'conversations' then views_all or (views and case when c.assigned_to is null then unassigned
          else c.assigned_to = caller_id end)
        when 'unassigned' then unassigned
        when 'agent' then views and c.assigned_to = caller_id
        else c.audience = any (subjects)
      end
    group by k.kind, c.entity_id
  ) t;
  entries := coalesce(entries, '[]');
end;
$$;

-- Security definer: clients have no right to read `private.changes_pruned`.
create function private.changes_pruned_through() returns numeric
language sql stable security definer set search_path = '' as $$
  select coalesce((select p.through::text::numeric from private.changes_pruned p), 0)
  where private.tenant_id() is not null;
$$;

-- The current state of every entity that changed since a `sequence`, each once. Without a sequence it returns the one
-- to begin with. An entity that is deleted, or that the caller no longer may see, appears as `<kind>.removed`. The
-- sequence is the oldest transaction that is still open: all changes below it have been broadcast. A cursor keeps the
-- sequence of its first page next to its position.
create function public.list_changes(after text default null, page_size integer default 500) returns jsonb
language plpgsql stable set search_path = '' as $$
declare
  floor text := pg_snapshot_xmin(pg_current_snapshot())::text;
  place text := after;
  found_changes record;
  entry jsonb;
  data jsonb;
  answers jsonb := '[]';
begin
  if private.tenant_id() is null then
    raise sqlstate 'PT403' using message = 'You belong to no organisation.', detail = 'forbidden';
  end if;
  if after is null then
    return jsonb_build_object('changes', '[]'::jsonb, 'sequence', floor::bigint, 'more', false);
  end if;
  if after !~ '^[0-9]{1,18}(-[0-9]{1,18})?$' then
    raise sqlstate 'PT422' using message = 'This is not a valid sequence.', detail = 'invalid_field', hint = 'after';
  end if;
  if after like '%-%' then
    floor := split_part(after, '-', 1);
    place := split_part(after, '-', 2);
  end if;
  if place::numeric > pg_snapshot_xmax(pg_current_snapshot())::text::numeric
    or place::numeric <= private.changes_pruned_through()
    or floor::numeric > pg_snapshot_xmax(pg_current_snapshot())::text::numeric
  then
    raise sqlstate 'PT409' using message = 'The changes since then are no longer kept. Please reload everything.',
      detail = 'resync_required';
  end if;

  select * into found_changes from private.changes_from(place::xid8, page_size);
  for entry in select * from jsonb_array_elements(found_changes.entries) loop
    if entry ->> 'reader' is null then
      answers := answers || jsonb_build_array(entry - 'reader' - 'kind');
      continue;
    end if;
    execute format('select %s($1)', entry ->> 'reader') into data using (entry ->> 'id')::uuid;
    answers := answers || jsonb_build_array(case
      when data is null then jsonb_build_object(
        'event', split_part(entry ->> 'event', '.', 1) || '.removed', 'id', entry -> 'id')
      else jsonb_build_object(
        'event', case when entry ->> 'event' like '%.removed' then split_part(entry ->> 'event', '.', 1) || '.updated'
          else entry ->> 'event' end,
        'id', entry -> 'id', 'data', data)
    end);
  end loop;
  return jsonb_build_object(
    'changes', answers,
    'sequence', case when found_changes.next is null then to_jsonb(floor::bigint)
      else to_jsonb(floor || '-' || found_changes.next) end,
    'more', found_changes.next is not null
  );
end;
$$;

-- Deletes changes that were recorded more than three days ago. Returns their number.
create function public.prune_changes(batch integer default 50000) returns bigint
language plpgsql set search_path = '' as $$
declare
  began constant timestamptz := clock_timestamp();
  removed bigint := 0;
  gone bigint;
  last xid8;
begin
  for i in 1..20 loop
    -- A statement of the service may run for 8 s. The limit leaves the rest to the next hour's run.
    exit when clock_timestamp() > began + interval '3 seconds';
    with old as (
      delete from private.changes c
      where c.id = any (array(
        select o.id from private.changes o where o.changed_at < now() - interval '3 days' limit batch
      ))
      returning c.xid
    )
    select count(*), (array_agg(o.xid order by o.xid desc))[1] into gone, last from old o;
    exit when gone = 0;
    removed := removed + gone;
    insert into private.changes_pruned as p (through) values (last)
    on conflict (one_row) do update set through = case when p.through > excluded.through then p.through
      else excluded.through end;
  end loop;
  return removed;
end;
$$;

-- Whether the caller may join conversation:<id>:<epoch>. There, clients show each other by presence and broadcast who is
-- viewing a conversation or writing in it.
-- Security definer: clients have no right to call `private.sees_customer_of`.
create function private.may_join_presence(topic text) returns boolean
language plpgsql stable security definer set search_path = '' as $$
begin
  if topic !~ '^conversation:[0-9a-f]{8}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{12}:[0-9]{1,19}$'
    or split_part(topic, ':', 3) <> private.live_epoch(private.tenant_id())::text
  then
    return false;
  end if;
  return exists (
    select 1 from public.conversations v
    where v.id = split_part(topic, ':', 2)::uuid and v.tenant_id = private.tenant_id()
      and private.sees_customer_of(v)
  );
end;
$$;

alter table private.changes enable row level security;
alter table private.live_kinds enable row level security;
alter table private.changes_pruned enable row level security;

create policy "no client access" on private.changes to authenticated using (false);
create policy "no client access" on private.live_kinds to authenticated using (false);
create policy "no client access" on private.changes_pruned to authenticated using (false);

grant execute on function
  public.get_live(),
  private.may_listen(text),
  private.changes_from(xid8, integer),
  private.changes_pruned_through(),
  public.list_changes(text, integer),
  private.may_join_presence(text)
to authenticated;

insert into private.live_kinds (kind, reader) values
  ('conversation', 'public.get_conversation'), ('message', 'private.live_message'),
  ('message.media', 'private.live_media'), ('note', 'private.live_note'), ('mention', 'private.live_note'),
  ('label', 'private.live_label'), ('campaign', 'public.get_campaign'), ('number', 'public.get_number'),
  ('recipient_list', 'public.get_recipient_list'), ('account_event', 'private.live_account_event'),
  ('contact', 'public.get_contact'), ('segment', 'public.get_segment'), ('quick_reply', 'public.get_quick_reply'),
  ('agent', 'public.get_agent'), ('csat', 'private.live_satisfaction'), ('contact_field', 'private.live_contact_field');
