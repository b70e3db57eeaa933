-- A message with everything that happened to it, and the states of many at once.

-- Null when there is none, or none the caller may see.
create function public.get_message(message_id uuid) returns jsonb
language sql stable set search_path = '' as $$
  select private.message_json(m) || jsonb_build_object(
    'original_content', m.original_content,
    'events', coalesce((
      select jsonb_agg(jsonb_build_object(
        'status', e.status, 'occurred_at', e.occurred_at, 'received_at', e.received_at, 'error_code', e.error_code,
        'error_title', e.error_title, 'error_details', e.error_details, 'pricing', e.pricing,
        'conversation', e.payload -> 'conversation'
      ) order by e.occurred_at, e.id)
      from public.message_status_events e where e.message_id = m.id
    ), '[]'),
    'changes', coalesce((
      select jsonb_agg(jsonb_build_object(
        'message_id', a.id, 'type', a.type, 'direction', a.direction, 'content', a.content,
        'emoji', a.payload #>> '{reaction,emoji}', 'occurred_at', a.occurred_at, 'status', a.status
      ) order by a.occurred_at, a.created_at, a.id)
      from public.messages a
      where a.session_id = m.session_id and a.target_message_id = m.whatsapp_message_id
    ), '[]')
  )
  from public.messages m
  where m.id = get_message.message_id;
$$;

-- The states of those of the given messages that the caller may see, in the order they were asked for.
create function public.message_statuses(ids uuid[]) returns jsonb
language sql stable set search_path = '' as $$
  select coalesce(jsonb_agg(jsonb_build_object(
    'id', m.id, 'conversation_id', m.conversation_id, 'whatsapp_message_id', m.whatsapp_message_id, 'status', m.status,
    'sent_at', m.sent_at, 'delivered_at', m.delivered_at, 'read_at', m.read_at, 'failed_at', m.failed_at,
    'error_code', m.error_code, 'error_title', m.error_title, 'error_details', m.error_details
  ) order by i.nth), '[]')
  from (select u.id, min(u.nth) as nth from unnest(ids) with ordinality as u (id, nth) group by u.id) i
  join public.messages m on m.id = i.id;
$$;

revoke execute on function public.get_message(uuid), public.message_statuses(uuid[]) from public, anon;
grant execute on function public.get_message(uuid), public.message_statuses(uuid[]) to authenticated;
