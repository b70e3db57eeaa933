-- What stands in each row of the inbox is read once for a row, not once for each policy of a row: whoever sees a
-- conversation sees its customer, and its labels with the right to labels.

-- Security definer: what the policies of contacts and labels say of a conversation that is seen is said here.
create function private.around_conversation(v public.conversations) returns jsonb
language plpgsql stable security definer set search_path = '' as $$
begin
  return jsonb_build_object(
    'labels', coalesce((
      select jsonb_agg(jsonb_build_object('id', l.id, 'name', l.name, 'color', l.color) order by lower(l.name), l.id)
      from public.conversation_labels cl join public.labels l on l.id = cl.label_id
      where cl.conversation_id = v.id and cl.tenant_id = v.tenant_id
        -- without a caller it is the database that tells
        and (select private.tenant_id() is null or private.has_permission('labels.view'))
    ), '[]'),
    'contact', (
      select jsonb_build_object(
        'id', c.id, 'name', coalesce(c.name, c.profile_name), 'profile_name', c.profile_name, 'wa_id', c.wa_id,
        'user_id', c.user_id, 'username', c.username, 'tags', c.tags, 'blocked', c.blocked_at is not null
      )
      from public.contacts c where c.id = v.contact_id and c.tenant_id = v.tenant_id
    )
  );
end;
$$;

create or replace function private.conversation_json(v public.conversations) returns jsonb
language plpgsql stable set search_path = '' as $$
begin
  return jsonb_build_object(
    'id', v.id, 'status', v.status, 'session_id', v.session_id, 'assigned_to', v.assigned_to,
    'priority', v.priority, 'snoozed_until', v.snoozed_until, 'waiting_since', v.waiting_since,
    'unread_count', v.unread_count, 'unread_for_me', private.unread_for_caller(v),
    'last_message_at', v.last_message_at,
    'last_message_preview', v.last_message_preview, 'last_message_type', v.last_message_type,
    'last_message_direction', v.last_message_direction,
    'window_expires_at', v.window_expires_at,
    'window_open', coalesce(v.window_expires_at > now(), false),
    'referral', v.referral, 'referral_at', v.referral_at,
    'created_at', v.created_at, 'updated_at', v.updated_at
  ) || private.around_conversation(v);
end;
$$;

-- The conversations of the caller's tenant that have a label; row level security has the word on each. Security definer:
-- the policy of labels would look at each of them by itself.
create function private.labelled_conversations(label uuid) returns uuid[]
language plpgsql stable security definer set search_path = '' as $$
begin
  if not private.has_permission('labels.view') then
    return '{}';
  end if;
  return array(
    select cl.conversation_id from public.conversation_labels cl
    where cl.label_id = label and cl.tenant_id = private.tenant_id()
  );
end;
$$;

-- The conversations the caller may see that have a message to show. `filter` has, each if present: "status" (a list),
-- "assigned_to" (a person's id, or `none`), "label", "session_id", "unread", "window_open", "priority", "search". `sort`
-- is newest, oldest, waiting (the customer has the last word, the longest first) or priority. Pages go by number or, where
-- there is one, by the cursor of the page before: a conversation that nothing happens to is then met exactly once.
-- The condition is put together of fixed words; what is asked for are parameters. Row level security holds; that an agent
-- sees their own is said again, for the index.
create or replace function public.list_inbox(filter jsonb, sort text, cursor text, page integer, page_size integer) returns jsonb
language plpgsql stable set search_path = '' as $$
declare
  conditions text[] := array['v.last_message_at is not null'];
  matching text;
  place jsonb;
  ordering text;
  beyond text;
  hits uuid[];
  complete boolean := true;
  answer jsonb;
  person constant uuid := (select auth.uid());
begin
  if not private.has_permission('conversations.view_all') then
    conditions := conditions || case when private.sees_unassigned()
      then '(v.assigned_to = $2 or v.assigned_to is null)' else 'v.assigned_to = $2' end;
  end if;
  conditions := conditions || 'v.tenant_id = $11'::text;
  if filter ? 'status' then conditions := conditions || 'v.status = any ($3)'::text; end if;
  if filter ->> 'assigned_to' = 'none' then
    conditions := conditions || 'v.assigned_to is null'::text;
  elsif filter ? 'assigned_to' then
    conditions := conditions || 'v.assigned_to = $4'::text;
  end if;
  if filter ? 'label' then
    conditions := conditions || 'v.id = any (private.labelled_conversations($5))'::text;
  end if;
  if filter ? 'session_id' then conditions := conditions || 'v.session_id = $6'::text; end if;
  if filter ? 'unread' then
    conditions := conditions || case when (filter ->> 'unread')::boolean then 'v.unread_count > 0'
      else 'v.unread_count = 0' end;
  end if;
  if filter ? 'window_open' then
    conditions := conditions || case when (filter ->> 'window_open')::boolean then 'v.window_expires_at > now()'
      else '(v.window_expires_at is null or v.window_expires_at <= now())' end;
  end if;
  if filter ? 'priority' then conditions := conditions || 'v.priority = any ($7)'::text; end if;
  if filter ? 'search' then
    select s.ids, s.complete into hits, complete from private.search_conversations(filter ->> 'search') s;
    conditions := conditions || 'v.id = any ($8)'::text;
  end if;
  if sort = 'waiting' then conditions := conditions || 'v.waiting_since is not null'::text; end if;
  matching := array_to_string(conditions, ' and ');

  if cursor is not null then
    place := private.read_cursor(cursor, sort);
  end if;
  ordering := case sort
    when 'newest' then 'v.last_message_at desc, v.id desc'
    when 'oldest' then 'v.last_message_at, v.id'
    when 'waiting' then 'v.waiting_since, v.id'
    when 'priority' then 'v.priority_rank desc, v.last_message_at desc, v.id desc'
  end;
  beyond := case
    when place is null then ''
    when sort = 'newest' then ' and (v.last_message_at, v.id) < (($9 ->> 2)::timestamptz, ($9 ->> 1)::uuid)'
    when sort = 'oldest' then ' and (v.last_message_at, v.id) > (($9 ->> 2)::timestamptz, ($9 ->> 1)::uuid)'
    when sort = 'waiting' then ' and (v.waiting_since, v.id) > (($9 ->> 2)::timestamptz, ($9 ->> 1)::uuid)'
    else ' and (v.priority_rank, v.last_message_at, v.id)
      < (($9 ->> 3)::smallint, ($9 ->> 2)::timestamptz, ($9 ->> 1)::uuid)'
  end;

  execute format(
    'with page as materialized (
      select v from public.conversations v where %1$s%2$s order by %3$s limit $10 offset $12
    ),
    numbered as (
      select (p.v).id, row_number() over (order by %4$s) as nth, p.v from page p
    )
    select jsonb_build_object(
      ''total'', (select count(*) from public.conversations v where %1$s),
      ''rows'', coalesce((
        select jsonb_agg(private.conversation_json(n.v) order by n.nth) from numbered n where n.nth < $10
      ), ''[]''),
      ''next'', (
        select jsonb_build_array($1, (n.v).id,
          case $1 when ''waiting'' then (n.v).waiting_since else (n.v).last_message_at end, (n.v).priority_rank)
        from numbered n where n.nth = $10 - 1 and exists (select 1 from numbered o where o.nth = $10)
      )
    )', matching, beyond, ordering, replace(ordering, 'v.', '(p.v).')
  ) into answer using
    sort, person, array(select jsonb_array_elements_text(filter -> 'status')),
    case when filter ->> 'assigned_to' <> 'none' then (filter ->> 'assigned_to')::uuid end, (filter ->> 'label')::uuid,
    (filter ->> 'session_id')::uuid, array(select jsonb_array_elements_text(filter -> 'priority')), hits, place,
    page_size + 1, private.tenant_id(), case when place is null then (page - 1)::bigint * page_size else 0 end;
  return answer - 'next' || jsonb_build_object(
    'next_cursor', private.write_cursor(nullif(answer -> 'next', 'null')), 'complete', complete
  );
end;
$$;


revoke execute on function private.around_conversation(public.conversations), private.labelled_conversations(uuid)
  from public;
grant execute on function private.around_conversation(public.conversations), private.labelled_conversations(uuid)
  to authenticated, service_role;
