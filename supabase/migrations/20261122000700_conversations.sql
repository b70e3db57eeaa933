-- The inbox as clients read it. Rows are filtered by the policies: a caller gets what the caller may see.

create function private.conversation_json(v public.conversations) returns jsonb
language sql stable set search_path = '' as $$
  select jsonb_build_object(
    'id', v.id, 'status', v.status, 'session_id', v.session_id, 'assigned_to', v.assigned_to,
    'unread_count', v.unread_count, 'last_message_at', v.last_message_at,
    'last_message_preview', v.last_message_preview, 'last_message_direction', v.last_message_direction,
    'window_expires_at', v.window_expires_at,
    'window_open', coalesce(v.window_expires_at > now(), false),
    'created_at', v.created_at, 'updated_at', v.updated_at,
    'contact', (
      select jsonb_build_object(
        'id', c.id, 'name', coalesce(c.name, c.profile_name), 'profile_name', c.profile_name, 'wa_id', c.wa_id,
        'user_id', c.user_id, 'username', c.username
      )
      from public.contacts c where c.id = v.contact_id
    )
  );
$$;

create function private.message_json(m public.messages) returns jsonb
language sql stable set search_path = '' as $$
  select to_jsonb(m) - 'tenant_id' - 'idempotency_key';
$$;
grant execute on function private.conversation_json(public.conversations), private.message_json(public.messages)
  to authenticated, service_role;

-- Conversations that have a message to show, newest first.
create function public.list_conversations(status_filter text, page integer, page_size integer) returns jsonb
language sql stable set search_path = '' as $$
  select jsonb_build_object(
    'total', (
      select count(*) from public.conversations v
      where v.last_message_at is not null and (status_filter is null or v.status = status_filter)
    ),
    'rows', coalesce((
      select jsonb_agg(private.conversation_json(p.v) order by (p.v).last_message_at desc, (p.v).id)
      from (
        select v
        from public.conversations v
        where v.last_message_at is not null and (status_filter is null or v.status = status_filter)
        order by v.last_message_at desc nulls last, v.id
        limit page_size offset (page - 1)::bigint * page_size
      ) p
    ), '[]')
  );
$$;

-- Null when there is none, or none the caller may see.
create function public.get_conversation(conversation_id uuid) returns jsonb
language sql stable set search_path = '' as $$
  select private.conversation_json(v) from public.conversations v where v.id = get_conversation.conversation_id;
$$;

-- One page of a thread, newest first. `before` is the `next_cursor` of the page above it: the id of its oldest
-- message. Null when there is no such conversation, or none the caller may see.
create function public.list_messages(conversation_id uuid, before uuid, page_size integer) returns jsonb
language plpgsql stable set search_path = '' as $$
declare
  cursor_at timestamptz := 'infinity';
  cursor_created timestamptz := 'infinity';
  cursor_id uuid := 'ffffffff-ffff-ffff-ffff-ffffffffffff';
begin
  if not exists (select 1 from public.conversations v where v.id = list_messages.conversation_id) then
    return null;
  end if;
  if before is not null then
    select m.occurred_at, m.created_at, m.id into cursor_at, cursor_created, cursor_id from public.messages m
    where m.id = before and m.conversation_id = list_messages.conversation_id;
    if not found then
      raise sqlstate 'PT422' using message = 'There is no such message in this conversation.',
        detail = 'invalid_field', hint = 'before';
    end if;
  end if;

  return (
    with page as (
      select m
      from public.messages m
      where m.conversation_id = list_messages.conversation_id
        and (m.occurred_at, m.created_at, m.id) < (cursor_at, cursor_created, cursor_id)
      order by m.occurred_at desc, m.created_at desc, m.id desc
      limit page_size + 1
    ),
    numbered as (
      select (page.m).id as id, private.message_json(page.m) as row,
        row_number() over (order by (page.m).occurred_at desc, (page.m).created_at desc, (page.m).id desc) as nth
      from page
    )
    select jsonb_build_object(
      'total', (select count(*) from public.messages m where m.conversation_id = list_messages.conversation_id),
      'next_cursor', case when count(*) > page_size then (array_agg(id order by nth))[page_size] end,
      'rows', coalesce(jsonb_agg(row order by nth) filter (where nth <= page_size), '[]')
    )
    from numbered
  );
end;
$$;

revoke execute on function public.list_conversations(text, integer, integer), public.get_conversation(uuid),
  public.list_messages(uuid, uuid, integer) from public, anon;
grant execute on function public.list_conversations(text, integer, integer), public.get_conversation(uuid),
  public.list_messages(uuid, uuid, integer) to authenticated;
