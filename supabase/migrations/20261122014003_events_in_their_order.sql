-- What happened to a message within one second is told in the order in which it must have happened.

create or replace function public.get_message(message_id uuid) returns jsonb
language sql stable set search_path = '' as $$
  select private.message_json(m) || jsonb_build_object(
    'original_content', m.original_content,
    'events', coalesce((
      select jsonb_agg(jsonb_build_object(
        'status', e.status, 'occurred_at', e.occurred_at, 'received_at', e.received_at, 'error_code', e.error_code,
        'error_title', e.error_title, 'error_details', e.error_details, 'pricing', e.pricing,
        'conversation', e.payload -> 'conversation'
      ) order by e.occurred_at, array_position(array['sent', 'delivered', 'read', 'played', 'failed'], e.status), e.id)
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
