-- What contacts and conversations have to do with each other.

-- As before, and with what was done with the conversations.
create or replace function public.list_contact_timeline(contact_id uuid, page_size integer, after text default null) returns jsonb
language plpgsql stable security definer set search_path = '' as $$
declare
  tenant constant uuid := private.tenant_id();
  contact public.contacts;
  place jsonb;
  before_at timestamptz := 'infinity';
  before_id uuid := '00000000-0000-0000-0000-000000000000';
  sees_messages constant boolean := private.has_permission('messages.view');
  sees_campaigns constant boolean := private.has_permission('broadcasts.view');
begin
  select c.* into contact from public.contacts c where c.id = list_contact_timeline.contact_id and c.tenant_id = tenant;
  if contact.id is null or not private.sees_contact(contact) then
    return null;
  end if;
  if after is not null then
    begin
      place := convert_from(decode(after, 'base64'), 'UTF8')::jsonb;
      before_at := (place ->> 'at')::timestamptz;
      before_id := (place ->> 'id')::uuid;
    exception when others then
      raise sqlstate 'PT422' using message = 'There is no such place in this list.', detail = 'invalid_field', hint = 'cursor';
    end;
  end if;

  return (
    with threads as materialized (
      select v.id, v.session_id from public.conversations v
      where v.contact_id = contact.id and v.tenant_id = tenant and private.sees_assigned_to(v.assigned_to)
    ),
    events as (
      select m.*
      from threads t
      cross join lateral (
        select o.occurred_at as at, o.id,
          case when o.metadata ? 'broadcast_campaign_id' then 'campaign' else 'message' end as kind,
          jsonb_build_object(
            'conversation_id', o.conversation_id, 'session_id', o.session_id, 'direction', o.direction, 'type', o.type,
            'status', o.status, 'content', left(case when o.revoked_at is null then o.content end, 500),
            'delivered_at', o.delivered_at, 'read_at', o.read_at
          ) || case when o.metadata ? 'broadcast_campaign_id' then jsonb_build_object(
            'campaign_id', o.metadata -> 'broadcast_campaign_id',
            'campaign_name', (
              select k.name from public.broadcast_campaigns k
              where k.id = (o.metadata ->> 'broadcast_campaign_id')::uuid and sees_campaigns
            ),
            'replied_at', (select r.replied_at from public.broadcast_recipients r where r.message_id = o.id)
          ) else '{}' end as details
        from public.messages o
        where o.conversation_id = t.id and o.tenant_id = tenant and sees_messages
          and (o.occurred_at, o.id) < (before_at, before_id)
          and o.occurred_at <= before_at
          and (o.target_message_id is null or private.stands_alone(o.session_id, o.target_message_id))
        order by o.occurred_at desc, o.id desc
        limit page_size + 1
      ) m
      union all
      select e.*
      from threads t
      cross join lateral (
        select o.occurred_at as at, o.id, 'event' as kind, jsonb_build_object(
          'conversation_id', o.conversation_id, 'event', o.kind, 'actor_id', o.actor_id,
          'actor_name', (select nullif(p.display_name, '') from public.profiles p where p.user_id = o.actor_id)
        ) || jsonb_strip_nulls(o.details) as details
        from public.conversation_events o
        where o.conversation_id = t.id and o.tenant_id = tenant and (o.occurred_at, o.id) < (before_at, before_id)
        order by o.occurred_at desc, o.id desc
        limit page_size + 1
      ) e
      union all
      select k.occurred_at, k.id, 'consent', jsonb_build_object('state', k.state, 'source', k.source, 'note', k.proof -> 'note')
      from public.contact_consents k
      where k.contact_id = contact.id and k.tenant_id = tenant and (k.occurred_at, k.id) < (before_at, before_id)
      union all
      select n.at, n.id, 'note', n.details
      from (
        select n.created_at as at, n.id, private.contact_note_json(n) - 'id' - 'created_at' as details
        from public.contact_notes n
        where n.contact_id = contact.id and n.tenant_id = tenant and private.has_permission('notes.view')
          and (n.created_at, n.id) < (before_at, before_id)
        order by n.created_at desc, n.id desc
        limit page_size + 1
      ) n
      union all
      select a.at, a.id, 'change', a.details
      from (
        select l.occurred_at as at, md5(l.id::text)::uuid as id, jsonb_build_object(
          'action', l.action, 'actor_name', l.actor_name,
          'fields', (select jsonb_agg(f order by f) from jsonb_object_keys(coalesce(l.after, '{}')) f where l.action = 'contacts.updated')
        ) as details
        from public.audit_logs l
        where l.tenant_id = tenant and l.entity = 'contacts' and l.entity_id = contact.id::text and l.actor_type <> 'system'
          -- what somebody allows is told with their consent
          and (l.action <> 'contacts.updated' or l.after - '{marketing_opted_out_at,updated_at}'::text[] <> '{}')
          and (l.occurred_at, md5(l.id::text)::uuid) < (before_at, before_id)
        order by l.occurred_at desc, md5(l.id::text)::uuid desc
        limit page_size + 1
      ) a
    ),
    shown as (
      select e.*, row_number() over (order by e.at desc, e.id desc) as nth from events e
      order by e.at desc, e.id desc limit page_size + 1
    )
    select jsonb_build_object(
      'next_cursor', (
        select translate(encode(convert_to(jsonb_build_object('at', s.at, 'id', s.id)::text, 'UTF8'), 'base64'), E'\n', '')
        from shown s where s.nth = page_size and (select count(*) from shown) > page_size
      ),
      'rows', coalesce(jsonb_agg(jsonb_build_object('id', s.id, 'kind', s.kind, 'at', s.at, 'details', s.details) order by s.nth)
        filter (where s.nth <= page_size), '[]')
    )
    from shown s
  );
end;
$$;

-- The conversation of somebody who is blocked waits for nobody. Named to run after what else settles a conversation.
drop trigger keep_blocked_quiet on public.conversations;
drop function private.keep_blocked_quiet();
create function private.silence_blocked() returns trigger
language plpgsql security definer set search_path = '' as $$
begin
  if exists (select 1 from public.contacts c where c.id = new.contact_id and c.blocked_at is not null) then
    new.unread_count := old.unread_count;
    new.status := old.status;
    new.waiting_since := old.waiting_since;
  end if;
  return new;
end;
$$;
create trigger silence_blocked before update on public.conversations
  for each row when (new.unread_count > old.unread_count)
  execute function private.silence_blocked();
revoke execute on function private.silence_blocked() from public;

-- Clients that were away read contacts as they are now.
insert into private.live_kinds (kind, reader) values ('contact', 'public.get_contact');
