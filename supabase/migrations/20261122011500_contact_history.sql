-- What happened with a contact, and everything that is kept about one.

-- One page of a contact's history, the latest first: messages and campaigns, consents, notes, and changes by the names of
-- what changed; each as far as the caller may see it. Null without the contact. `after` is the `next_cursor` of the page
-- above.
create function public.list_contact_timeline(contact_id uuid, page_size integer, after text default null) returns jsonb
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

-- Everything that is kept about one person, but for their messages: `list_contact_data_messages` has those.
create function public.get_contact_data(contact_id uuid) returns jsonb
language plpgsql stable security definer set search_path = '' as $$
declare
  tenant constant uuid := private.tenant_id();
begin
  perform private.require('contacts.erase');
  return (
    select jsonb_build_object(
      'contact', private.contact_json(c) || jsonb_build_object('user_id_at', c.user_id_at, 'profile_at', c.profile_at),
      'former_identities', coalesce((
        select jsonb_agg(jsonb_build_object('phone_number', '+' || f.phone_key, 'user_id', f.user_id, 'until', f.until) order by f.until)
        from private.former_identities f where f.contact_id = c.id and f.tenant_id = tenant
      ), '[]'),
      'consents', coalesce((
        select jsonb_agg(private.consent_json(k) order by k.occurred_at) from public.contact_consents k
        where k.contact_id = c.id and k.tenant_id = tenant
      ), '[]'),
      'notes', coalesce((
        select jsonb_agg(private.contact_note_json(n) order by n.created_at) from public.contact_notes n
        where n.contact_id = c.id and n.tenant_id = tenant
      ), '[]'),
      'conversations', coalesce((
        select jsonb_agg(to_jsonb(v) - 'tenant_id' order by v.created_at) from public.conversations v
        where v.contact_id = c.id and v.tenant_id = tenant
      ), '[]'),
      'campaigns', coalesce((
        select jsonb_agg(jsonb_build_object(
          'campaign_id', k.id, 'campaign_name', k.name, 'name', r.name, 'variables', r.variables, 'status', r.status,
          'sent_at', r.sent_at, 'delivered_at', r.delivered_at, 'read_at', r.read_at, 'replied_at', r.replied_at
        ) order by r.created_at)
        from public.broadcast_campaigns k
        join public.broadcast_recipients r on r.campaign_id = k.id and r.wa_id in (c.wa_id, c.phone_key)
        where k.tenant_id = tenant
      ), '[]'),
      'recipient_lists', coalesce((
        select jsonb_agg(jsonb_build_object('list_id', l.id, 'list_name', l.name, 'name', e.name, 'variables', e.variables) order by l.created_at)
        from public.recipient_list_entries e join public.recipient_lists l on l.id = e.list_id
        where e.tenant_id = tenant and e.wa_id in (c.wa_id, c.phone_key)
      ), '[]')
    )
    from public.contacts c
    where c.id = get_contact_data.contact_id and c.tenant_id = tenant and private.sees_contact(c)
  );
end;
$$;

-- A contact's messages in the order they were stored, with their files, a page at a time.
create function public.list_contact_data_messages(contact_id uuid, page_size integer, after timestamptz default null, after_id uuid default null)
returns jsonb
language plpgsql stable security definer set search_path = '' as $$
declare
  tenant constant uuid := private.tenant_id();
begin
  perform private.require('contacts.erase');
  return (
    select coalesce(jsonb_agg(to_jsonb(m) - 'tenant_id' - 'idempotency_key' - 'files' || jsonb_build_object(
      'media', coalesce((
        select jsonb_agg(jsonb_build_object(
          'id', f.id, 'kind', f.kind, 'file_name', f.file_name, 'mime_type', f.mime_type, 'file_size', f.file_size,
          'state', f.state, 'link', '/api/whatsapp/media/' || f.id
        ))
        from public.message_media f where f.message_id = m.id
      ), '[]')
    ) order by m.occurred_at, m.id), '[]')
    from (
      select o.*
      from public.conversations v
      join public.contacts c on c.id = v.contact_id and private.sees_contact(c)
      cross join lateral (
        select m.* from public.messages m
        where m.conversation_id = v.id and m.tenant_id = v.tenant_id
          and m.occurred_at >= coalesce(list_contact_data_messages.after, '-infinity')
          and (m.occurred_at, m.id) > (coalesce(list_contact_data_messages.after, '-infinity'), coalesce(after_id, '00000000-0000-0000-0000-000000000000'))
        order by m.occurred_at, m.id
        limit page_size
      ) o
      where v.contact_id = list_contact_data_messages.contact_id and v.tenant_id = tenant
      order by o.occurred_at, o.id
      limit page_size
    ) m
  );
end;
$$;

revoke execute on function public.list_contact_timeline(uuid, integer, text), public.get_contact_data(uuid),
  public.list_contact_data_messages(uuid, integer, timestamptz, uuid) from public, anon;
grant execute on function public.list_contact_timeline(uuid, integer, text), public.get_contact_data(uuid),
  public.list_contact_data_messages(uuid, integer, timestamptz, uuid) to authenticated;
