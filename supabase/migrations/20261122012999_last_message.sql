-- What the inbox shows of a conversation: not what a machine says, nor what is to be said later, nor what was deleted.
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
