-- What was wrong where messages are sent again or deleted, and where a thread is searched.

-- The members of `metadata` that say what a message is: they stay when it is deleted, and are nobody's data.
create or replace function public.delete_message(message_id uuid) returns jsonb
language plpgsql security definer set search_path = '' as $$
declare
  message public.messages;
  paths text[];
begin
  message := private.own_message(delete_message.message_id);
  if message.status = 'sending' then
    raise sqlstate 'PT409' using message = 'The message is just being sent.', detail = 'message_sending';
  elsif message.status = 'pending' and message.send_at is not null then
    if message.sent_by is distinct from private.person_id() or message.sent_by is null
      or not private.has_permission('messages.schedule')
    then
      perform private.require('messages.delete');
    end if;
  else
    perform private.require('messages.delete');
  end if;
  if message.target_message_id is not null then
    raise sqlstate 'PT409' using message = 'A reaction, an edit or a revocation is no message of its own.',
      detail = 'message_not_deletable';
  end if;
  if message.deleted_at is null then
    paths := array(
      select distinct f.storage_path from public.message_media f
      where f.message_id = message.id and f.storage_path is not null
    );
    update public.message_media f
    set state = 'gone', storage_path = null, file_name = f.kind, sha256 = null, last_error = null
    where f.message_id = message.id;
    -- what it said before, or after, it was edited
    update public.messages e
    set content = null, original_content = null,
      payload = jsonb_build_object('edit', jsonb_build_object('original_message_id', e.target_message_id))
    where e.session_id = message.session_id and e.target_message_id = message.whatsapp_message_id and e.type = 'edit';
    update public.messages m
    set
      deleted_at = now(),
      status = case when m.status = 'pending' and m.send_at is not null then 'failed' else m.status end,
      error_title = case when m.status = 'pending' and m.send_at is not null then 'Cancelled' else m.error_title end,
      -- it has no time to come any more
      occurred_at = case when m.status = 'pending' and m.send_at is not null then now() else m.occurred_at end,
      metadata = (
        select coalesce(jsonb_object_agg(e.key, e.value), '{}') from jsonb_each(m.metadata) e
        where e.key in ('source', 'group_id', 'broadcast_campaign_id', 'automation', 'resend_of', 'forward_of')
      )
    where m.id = message.id
    returning m.* into message;
    perform private.refresh_conversations(array[message.conversation_id]);
  end if;
  return jsonb_build_object('message', private.message_json(message), 'paths', to_jsonb(array(
    select p.path from unnest(paths) p (path)
    where not exists (select 1 from public.message_media o where o.storage_path = p.path)
  )));
end;
$$;

-- Whether what a message says went out by another attempt: what it was sent again from, that again, and what else was.
-- An attempt before it whose outcome nobody knows is what it was sent again for.
create function private.sent_otherwise(message public.messages) returns boolean
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

-- A message that failed, or whose outcome is unknown, once more: a row of its own that names it. Answers as
-- `create_message`.
-- Security definer: clients have no right to write messages.
create or replace function public.resend_message(message_id uuid, idempotency_key text default null) returns jsonb
language plpgsql security definer set search_path = '' as $$
declare
  message public.messages;
  made jsonb;
begin
  message := private.own_message(resend_message.message_id);
  if not private.may_send(message.type) then
    raise sqlstate 'PT403' using message = 'You may not send messages of this kind.', detail = 'forbidden';
  end if;
  if idempotency_key is null or not exists (
    select 1 from private.idempotency_keys k
    where k.conversation_id = message.conversation_id and k.key = resend_message.idempotency_key
  ) then
    if message.direction <> 'outbound' or message.status not in ('failed', 'unknown') or message.deleted_at is not null
    then
      raise sqlstate 'PT409' using message = 'Only a message that failed, or whose outcome is unknown, can be sent again.',
        detail = 'message_not_failed';
    elsif private.sent_otherwise(message) then
      raise sqlstate 'PT409' using message = 'This message was sent again already.', detail = 'already_resent';
    end if;
  end if;
  made := private.add_outbound(
    private.own_conversation(message.conversation_id), message.type, message.content, message.payload,
    message.context_message_id, resend_message.idempotency_key
  );
  if not (made ->> 'repeated')::boolean then
    update public.messages m set metadata = m.metadata || jsonb_build_object('resend_of', message.id)
    where m.id = (made #>> '{message,id}')::uuid
    returning jsonb_set(made, '{message}', private.message_json(m)) into made;
  end if;
  return made;
end;
$$;

-- As before, but a search finds parts of words as well: within one thread nothing has to come from an index.
create or replace function public.read_thread(
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
  -- What is to be sent later stands before everything, and what comes meanwhile behind it: new is what came since it was
  -- planned. Meta tells whole seconds.
  if place = 'after' and anchor.status = 'pending' and anchor.send_at is not null then
    anchor.occurred_at := anchor.created_at - interval '2 seconds';
  end if;
  if search is not null then
    -- punctuation is no part of a word, so nothing is to be escaped
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
          and (m.target_message_id is null or private.stands_alone(m.session_id, m.target_message_id))%s
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
          and (m.target_message_id is null or private.stands_alone(m.session_id, m.target_message_id))%s
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
      and (m.target_message_id is null or private.stands_alone(m.session_id, m.target_message_id))%s',
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

revoke execute on function private.sent_otherwise(public.messages) from public;
