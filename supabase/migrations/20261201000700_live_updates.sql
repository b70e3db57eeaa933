-- Live updates. The database tells private topics what changed, so that a change by anyone reaches everyone
-- who may see it and nobody else:
--   tenant:<tenant>             those who see every conversation; campaign progress too
--   tenant:<tenant>:unassigned  agents, where the tenant shows them what is unassigned
--   agent:<user>                an agent's own conversations
-- and tenant:<tenant>:settings, :agents, :reports and :contacts for what their names say.
-- What was told is kept for a while: a client that was away catches up with what it missed, as it is now.

-- Some functions below name what is created after them.
set check_function_bodies = off;

-- What was told, for clients that were away. Ordered by transaction: a client that has heard everything below a number
-- asks for what is from it on, and may hear some of it twice, but misses nothing, however long a transaction took.
create table private.changes (
  id bigint generated always as identity primary key,
  xid xid8 not null default pg_current_xact_id(),
  tenant_id uuid not null references public.tenants (id) on delete cascade,
  -- who was told: see private.tell
  audience text not null,
  assigned_to uuid,
  event text not null,
  -- what changed, by the part of the event before the dot
  entity_id uuid not null,
  changed_at timestamptz not null default now()
);
create index changes_changed_at_idx on private.changes using brin (changed_at);
create index changes_place_idx on private.changes (tenant_id, xid, id)
  include (audience, assigned_to, event, entity_id);

-- How each kind of thing is read: the name of a function of its id that runs in the caller's name, and answers null to who
-- may not see it. By the part of the event before the dot, or by the whole event where it differs. A name, not `regproc`:
-- pg_upgrade refuses databases with columns of that type.
create table private.live_kinds (
  kind text primary key,
  reader text not null check (reader ~ '^(public|private)\.[a-z_]+$')
);

-- Through which transaction what was told is kept no more.
create table private.changes_pruned (
  one_row boolean primary key default true check (one_row),
  through xid8 not null
);

-- May the caller listen to this topic? What is said of conversations is said on their topics: they take the right to read
-- messages.
-- Security definer: it reads who the caller is.
create function private.may_listen(topic text) returns boolean
language sql stable security definer set search_path = '' as $$
  select case
    when private.tenant_id() is null then false
    when topic = 'tenant:' || private.tenant_id()
      then private.has_permission('conversations.view_all') and private.has_permission('messages.view')
    when topic = 'tenant:' || private.tenant_id() || ':unassigned'
      then private.has_permission('conversations.view') and private.has_permission('messages.view')
        and private.sees_unassigned()
    when topic = any (array(
      select 'tenant:' || private.tenant_id() || ':' || a
      from unnest('{contacts,labels,segments,quick_replies,agents,settings,reports}'::text[]) a
    )) then private.has_permission(split_part(topic, ':', 3) || '.view')
    when topic = 'agent:' || (select auth.uid())
      then private.has_permission('conversations.view') and private.has_permission('messages.view')
    else false
  end;
$$;

-- Tells everyone who may see a conversation that is assigned like this. Security definer: whoever changes a
-- row need not be able to send to topics.
create function private.announce(tenant uuid, assignee uuid, event text, payload jsonb) returns void
language sql set search_path = '' as $$
  select private.tell(tenant, 'conversations', assignee, event, payload);
$$;

-- Tells an audience of a change, now and when it asks later (`private.changes`). `payload` has the `id` of what changed;
-- it is sent with `sequence`: the number to ask from after a loss of connection. Everything below it was told before.
--   conversations   who sees a conversation assigned to `assignee` (or to nobody)
--   unassigned      agents who see what is unassigned
--   agent           `assignee`
--   tenant          who sees every conversation
--   anything else   who may view it: `labels` is told to holders of `labels.view`, on topic tenant:<tenant>:labels
-- Security definer: whoever changes a row need not be able to send to topics.
create function private.tell(tenant uuid, audience text, assignee uuid, event text, payload jsonb) returns void
language plpgsql security definer set search_path = '' as $$
declare
  said constant jsonb := payload || jsonb_build_object('sequence', pg_snapshot_xmin(pg_current_snapshot())::text::bigint);
begin
  insert into private.changes (tenant_id, audience, assigned_to, event, entity_id)
  values (tenant, audience, assignee, event, (payload ->> 'id')::uuid);

  if audience in ('conversations', 'tenant') then
    perform realtime.send(said, event, 'tenant:' || tenant, true);
  end if;
  if audience = 'agent' or (audience = 'conversations' and assignee is not null) then
    perform realtime.send(said, event, 'agent:' || assignee, true);
  elsif audience = 'conversations' then
    perform realtime.send(said, event, 'tenant:' || tenant || ':unassigned', true);
  elsif audience <> 'tenant' then
    perform realtime.send(said, event, 'tenant:' || tenant || ':' || audience, true);
  end if;
end;
$$;

-- What the caller was to be told from a transaction on: [{"kind", "event", "id", "reader"}], each thing once, in the order
-- of the last word on it. No transaction is cut: `next` is where to go on, null at the end.
-- Security definer: nobody reads the table.
create function private.changes_from(place xid8, most integer, out entries jsonb, out next text)
language plpgsql stable security definer set search_path = '' as $$
declare
  tenant constant uuid := private.tenant_id();
  asks constant uuid := (select auth.uid());
  views constant boolean := private.has_permission('conversations.view');
  views_all constant boolean := private.has_permission('conversations.view_all');
  unassigned constant boolean := views and private.sees_unassigned();
  audiences constant text[] := array(
    select split_part(p.permission_key, '.', 1) from public.permissions p
    where p.permission_key like '%.view' and private.has_permission(p.permission_key)
  );
  -- the last transaction that is told whole
  edge xid8;
begin
  select c.xid into edge from private.changes c
  where c.tenant_id = tenant and c.xid >= place
  order by c.xid, c.id
  offset most limit 1;
  if edge is not null then
    -- a transaction that is larger than a page is one
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
          else c.assigned_to = asks end)
        when 'unassigned' then unassigned
        when 'agent' then views and c.assigned_to = asks
        when 'tenant' then views_all
        else c.audience = any (audiences)
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

-- What the caller missed since a `sequence`, each thing once and as it is now; without one, the sequence to begin with. A
-- thing the caller sees no more, or that is gone, is told as `<kind>.removed`.
-- Everything below the oldest transaction that is still open has been told, and nothing from it on is sure to have been:
-- that is the sequence. Pages of one catching-up keep the sequence they began with beside where they are.
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
    raise sqlstate 'PT422' using message = 'This is no sequence.', detail = 'invalid_field', hint = 'after';
  end if;
  if after like '%-%' then
    floor := split_part(after, '-', 1);
    place := split_part(after, '-', 2);
  end if;
  if place::numeric > pg_snapshot_xmax(pg_current_snapshot())::text::numeric
    or place::numeric <= private.changes_pruned_through()
    or floor::numeric > pg_snapshot_xmax(pg_current_snapshot())::text::numeric
  then
    raise sqlstate 'PT409' using message = 'What happened since then is not kept. Please load everything anew.',
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

-- What was told more than three days ago. Answers with how many.
create function public.prune_changes(batch integer default 50000) returns bigint
language plpgsql set search_path = '' as $$
declare
  began constant timestamptz := clock_timestamp();
  removed bigint := 0;
  gone bigint;
  last xid8;
begin
  for i in 1..20 loop
    -- A statement of the service ends after 8 s, and then nothing would be removed. The next hour goes on.
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

-- Who is looking at a conversation, or writing in it, is told among those who see it: on conversation:<id>, by presence
-- and broadcast of the clients themselves.
-- Security definer: clients have no right to call `private.sees_assigned_to`.
create function private.may_meet(topic text) returns boolean
language plpgsql stable security definer set search_path = '' as $$
begin
  if topic !~ '^conversation:[0-9a-f]{8}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{12}$' then
    return false;
  end if;
  return exists (
    select 1 from public.conversations v
    where v.id = split_part(topic, ':', 2)::uuid and v.tenant_id = private.tenant_id()
      and private.sees_assigned_to(v.assigned_to)
  );
end;
$$;

alter table private.changes enable row level security;
alter table private.live_kinds enable row level security;
alter table private.changes_pruned enable row level security;

create policy "nobody" on private.changes to authenticated using (false);
create policy "nobody" on private.live_kinds to authenticated using (false);
create policy "nobody" on private.changes_pruned to authenticated using (false);

grant execute on function
  private.may_listen(text),
  private.changes_from(xid8, integer),
  private.changes_pruned_through(),
  public.list_changes(text, integer),
  private.may_meet(text)
to authenticated;

insert into private.live_kinds (kind, reader) values
  ('conversation', 'public.get_conversation'), ('message', 'private.live_message'),
  ('message.media', 'private.live_media'), ('note', 'private.live_note'), ('mention', 'private.live_note'),
  ('label', 'private.live_label'), ('campaign', 'public.get_campaign'), ('number', 'public.get_number'),
  ('recipient_list', 'public.get_recipient_list'), ('account_event', 'private.live_account_event'),
  ('contact', 'public.get_contact'), ('segment', 'public.get_segment'), ('quick_reply', 'public.get_quick_reply'),
  ('agent', 'public.get_agent'), ('csat', 'private.live_csat'), ('contact_field', 'private.live_contact_field');
