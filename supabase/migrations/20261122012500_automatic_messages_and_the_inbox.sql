-- Automatic messages beside what people do in the inbox: what somebody deleted is not sent, and what is to be sent later is
-- not shown as said.

-- Hands out messages that are due: {"claim_id", "messages": [{"message_id", "session_id", "phone_number_id", "wa_id",
-- "user_id", "type", "payload", "context_message_id", "attempts"}]}. Those whose sender died become `unknown`; those that
-- may not be sent any more fail. The rest of a number that is paused, or whose breaker is open, waits.
create or replace function public.claim_automatic_messages(batch_size integer, lease_seconds integer) returns jsonb
language plpgsql set search_path = '' as $$
declare
  claim constant uuid := gen_random_uuid();
  dead uuid[];
  late uuid[];
  claimed uuid[];
begin
  with gone as (
    delete from private.automatic_messages a
    where a.message_id = any (array(
      select d.message_id from private.automatic_messages d
      where d.claim_id is not null and d.leased_until <= now()
      order by d.leased_until
      limit 1000
      for update skip locked
    ))
    returning a.message_id
  )
  select array_agg(g.message_id order by g.message_id) into dead from gone g;
  if dead is not null then
    perform 1 from public.messages m where m.id = any (dead) order by m.id for update;
    update public.messages m set status = 'unknown' where m.id = any (dead) and m.status in ('queued', 'sending');
  end if;

  with gone as (
    delete from private.automatic_messages a
    where a.message_id = any (array(
      select d.message_id
      from private.automatic_messages d
      join public.messages m on m.id = d.message_id
      join public.conversations v on v.id = d.conversation_id
      join public.contacts c on c.id = v.contact_id
      join public.whatsapp_sessions s on s.id = d.session_id
      where d.claim_id is null and d.due_at <= now()
        and ((m.type <> 'template' and coalesce(v.window_expires_at, '-infinity') <= now())
          or c.blocked_at is not null or s.deleted_at is not null or m.status <> 'queued' or m.deleted_at is not null)
      order by d.due_at
      limit 1000
      for update of d skip locked
    ))
    returning a.message_id
  )
  select array_agg(g.message_id order by g.message_id) into late from gone g;
  if late is not null then
    perform 1 from public.messages m where m.id = any (late) order by m.id for update;
    update public.messages m
    set status = 'failed', failed_at = now(), error_title = 'The customer may not be written to any more'
    where m.id = any (late) and m.status = 'queued';
  end if;

  with mine as (
    update private.automatic_messages a
    set claim_id = claim, leased_until = now() + make_interval(secs => lease_seconds), attempts = a.attempts + 1
    where a.message_id = any (array(
      select d.message_id
      from private.automatic_messages d
      join public.whatsapp_sessions s on s.id = d.session_id and s.status = 'connected'
      where d.claim_id is null and d.due_at <= now() and not private.breaker_holds(d.session_id)
      order by d.due_at, d.message_id
      limit batch_size
      for update of d skip locked
    ))
    returning a.message_id
  )
  select array_agg(m.message_id order by m.message_id) into claimed from mine m;
  if claimed is null then
    return jsonb_build_object('claim_id', claim, 'messages', '[]'::jsonb);
  end if;
  perform 1 from public.messages m where m.id = any (claimed) order by m.id for update;
  update public.messages m set status = 'sending' where m.id = any (claimed) and m.status = 'queued';

  return jsonb_build_object('claim_id', claim, 'messages', (
    select jsonb_agg(jsonb_build_object(
      'message_id', m.id, 'session_id', m.session_id, 'phone_number_id', s.meta_phone_number_id, 'wa_id', c.wa_id,
      'user_id', c.user_id, 'type', m.type, 'payload', m.payload, 'context_message_id', m.context_message_id,
      'attempts', a.attempts
    ) order by a.due_at, m.id)
    from public.messages m
    join private.automatic_messages a on a.message_id = m.id
    join public.whatsapp_sessions s on s.id = m.session_id
    join public.conversations v on v.id = m.conversation_id
    join public.contacts c on c.id = v.contact_id
    where m.id = any (claimed)
  ));
end;
$$;

-- As before; what a machine says is not what the inbox shows of a conversation.
create or replace function private.last_message(conversation uuid, tenant uuid) returns table (
  occurred_at timestamptz, preview text, type text, direction text
)
language sql stable set search_path = '' as $$
  select
    m.occurred_at,
    -- a sign that needs no translation
    case when m.revoked_at is null and m.deleted_at is null then left(m.content, 200) else '🚫' end,
    case when m.deleted_at is not null then 'deleted' when m.revoked_at is null then m.type else 'revoke' end,
    m.direction
  from public.messages m
  where m.conversation_id = conversation and m.tenant_id = tenant and not m.metadata ?| '{broadcast_campaign_id,automation}'
    and (m.target_message_id is null or private.stands_alone(m.session_id, m.target_message_id))
    and (m.send_at is null or m.status not in ('pending', 'failed'))
  order by m.occurred_at desc, m.created_at desc, m.id desc
  limit 1;
$$;
