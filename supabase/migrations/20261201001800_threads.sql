-- Threads: paging through the messages of a conversation, and searching them.

-- A page of a thread, the newest first: the newest messages, or those `before`, `after` or `around` one of its
-- messages. With `search`: messages that contain its words or parts of words. A thread is small enough to search
-- without an index. With `scheduled`: messages that are scheduled, the earliest first. `older` and `newer` are the
-- arguments for the neighbouring pages, null at the ends. Null if the conversation does not exist or the caller may not
-- see it.
create function public.read_thread(
  conversation_id uuid, place text, message_id uuid, search text, scheduled boolean, page_size integer
) returns jsonb
language plpgsql stable set search_path = '' as $$
declare
  conversation public.conversations;
  anchor public.messages;
  patterns text[];
  condition text := '';
  older uuid[] := '{}';
  newer uuid[] := '{}';
  more_older boolean := false;
  more_newer boolean := false;
  most_newer integer;
  ids uuid[];
  total bigint;
begin
  select v.* into conversation from public.conversations v where v.id = read_thread.conversation_id;
  if not found then
    return null;
  end if;
  if scheduled then
    return (
      select jsonb_build_object('total', count(*), 'older', null, 'newer', null,
        'rows', coalesce(jsonb_agg(private.message_json(m) order by m.send_at, m.id), '[]'))
      from public.messages m
      where m.conversation_id = read_thread.conversation_id and m.tenant_id = conversation.tenant_id
        and m.status = 'pending' and m.send_at is not null
    );
  end if;
  if message_id is not null then
    select m.* into anchor from public.messages m
    where m.id = read_thread.message_id and m.conversation_id = read_thread.conversation_id;
    if not found then
      raise sqlstate 'PT422' using message = 'There is no such message in this conversation.',
        detail = 'invalid_field', hint = coalesce(place, 'before');
    end if;
  end if;
  -- A scheduled message is displayed after all others. The messages after it are those that came since it was
  -- scheduled. Meta reports whole seconds.
  if place = 'after' and anchor.status = 'pending' and anchor.send_at is not null then
    anchor.occurred_at := anchor.created_at - interval '2 seconds';
  end if;
  if search is not null then
    -- words contain no punctuation, so nothing needs escaping
    patterns := array(select '%' || w || '%' from unnest(private.search_words(search)) w);
    if patterns = '{}' then
      return jsonb_build_object('total', 0, 'older', null, 'newer', null, 'rows', '[]'::jsonb);
    end if;
    condition := ' and m.content is not null and private.fold_text(m.content) like all ($4)';
  end if;

  most_newer := case place when 'after' then page_size when 'around' then page_size / 2 else 0 end;
  if most_newer > 0 then
    execute format(
      'select array(
        select m.id from public.messages m
        where m.conversation_id = $1 and m.tenant_id = $2
          and (m.occurred_at, m.created_at, m.id) > ($5, $6, $7) and m.id <> $7
          and (m.target_message_id is null or private.is_shown_separately(m.session_id, m.target_message_id))%s
        order by m.occurred_at, m.created_at, m.id
        limit $3 + 1
      )', condition
    ) into newer using conversation.id, conversation.tenant_id, most_newer, patterns, anchor.occurred_at,
      anchor.created_at, anchor.id;
    more_newer := cardinality(newer) > most_newer;
    newer := newer[1:most_newer];
  end if;
  if place is distinct from 'after' then
    execute format(
      'select array(
        select m.id from public.messages m
        where m.conversation_id = $1 and m.tenant_id = $2
          and (m.occurred_at, m.created_at, m.id) %s ($5, $6, $7)
          and (m.target_message_id is null or private.is_shown_separately(m.session_id, m.target_message_id))%s
        order by m.occurred_at desc, m.created_at desc, m.id desc
        limit $3 + 1
      )', case place when 'around' then '<=' else '<' end, condition
    ) into older using conversation.id, conversation.tenant_id, page_size - cardinality(newer), patterns,
      coalesce(anchor.occurred_at, 'infinity'), coalesce(anchor.created_at, 'infinity'),
      coalesce(anchor.id, 'ffffffff-ffff-ffff-ffff-ffffffffffff');
    more_older := cardinality(older) > page_size - cardinality(newer);
    older := older[1:page_size - cardinality(newer)];
  end if;
  ids := older || newer;
  execute format(
    'select count(*) from public.messages m
    where m.conversation_id = $1 and m.tenant_id = $2
      and (m.target_message_id is null or private.is_shown_separately(m.session_id, m.target_message_id))%s',
    replace(condition, '$4', '$3')
  ) into total using conversation.id, conversation.tenant_id, patterns;
  return jsonb_build_object(
    'total', total,
    'older', case when more_older then older[cardinality(older)]
      when place = 'after' and cardinality(newer) > 0 then newer[1] end,
    'newer', case when more_newer then newer[cardinality(newer)]
      when place = 'before' and cardinality(older) > 0 then older[1] end,
    'rows', coalesce((
      select jsonb_agg(private.message_json(m) order by m.occurred_at desc, m.created_at desc, m.id desc)
      from public.messages m where m.id = any (ids)
    ), '[]')
  );
end;
$$;

-- Whether another attempt delivered the same message: the message it was resent from, that one's origin, or another
-- resend. An earlier attempt with an unknown outcome does not count, because it is the reason for the resend.
create function private.sent_by_another_attempt(message public.messages) returns boolean
language sql stable set search_path = '' as $$
  with recursive before as (
    select message.id, message.metadata, message.status, 0 as depth
    union all
    select o.id, o.metadata, o.status, b.depth + 1
    from before b
    join public.messages o on o.id = (b.metadata ->> 'resend_of')::uuid
    where b.depth < 100
  ),
  family as (
    (select b.id from before b order by b.depth desc limit 1)
    union
    select o.id from family f join public.messages o on o.metadata ->> 'resend_of' = f.id::text and o.metadata ? 'resend_of'
  )
  select exists (
    select 1 from family f join public.messages o on o.id = f.id
    where o.id <> message.id and o.status <> 'failed'
      and not (o.status = 'unknown' and exists (select 1 from before b where b.id = o.id))
  );
$$;

grant execute on function public.read_thread(uuid, text, uuid, text, boolean, integer) to authenticated;
