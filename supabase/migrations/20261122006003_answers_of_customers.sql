-- What customers answer to campaigns: words that end or renew their consent, and replies that are counted.

-- A message as keywords are compared: capital letters, and what stands between words as one space.
create function private.keyword_of(words text) returns text
language sql immutable parallel safe set search_path = '' as $$
  select upper(btrim(regexp_replace(left(words, 200), '[^[:alnum:]]+', ' ', 'g')));
$$;

-- Live messages of customers: a keyword alone in its message is a word about marketing, kept with the message as proof;
-- and the first answer within a week to a message of a campaign is counted there. Security definer: the rows of many
-- tables follow.
create function private.follow_answers() returns trigger
language plpgsql security definer set search_path = '' as $$
declare
  consents jsonb;
begin
  select jsonb_agg(jsonb_build_object(
    'tenant_id', a.tenant_id, 'contact_id', v.contact_id,
    'state', case when k.word = any (k.outs) then 'opted_out' else 'opted_in' end,
    'source', 'keyword', 'proof', jsonb_build_object('message_id', a.id, 'text', left(a.content, 200)),
    'occurred_at', a.occurred_at
  )) into consents
  from changed a
  join public.conversations v on v.id = a.conversation_id
  join public.tenants t on t.id = a.tenant_id
  cross join lateral (
    select private.keyword_of(a.content) as word,
      array(select private.keyword_of(o) from unnest(t.opt_out_keywords) o) as outs,
      array(select private.keyword_of(i) from unnest(t.opt_in_keywords) i) as ins
  ) k
  where a.direction = 'inbound' and a.type in ('text', 'button', 'interactive') and not a.metadata ? 'source'
    and char_length(a.content) <= 200 and k.word <> '' and (k.word = any (k.outs) or k.word = any (k.ins));
  if consents is not null then
    perform private.record_consents(consents);
  end if;

  update public.broadcast_recipients r
  set replied_at = f.occurred_at, reply_message_id = f.id
  from (
    select distinct on (c.message_id) c.message_id, a.id, a.occurred_at
    from changed a
    cross join lateral (
      select coalesce(
        (
          select m.id from public.messages m
          where m.session_id = a.session_id and m.whatsapp_message_id = a.context_message_id
            and m.metadata ? 'broadcast_recipient_id'
        ),
        (
          select m.id
          from (
            select o.id, o.metadata, o.status from public.messages o
            where o.conversation_id = a.conversation_id and o.tenant_id = a.tenant_id and o.id <> a.id
              -- Meta tells whole seconds: an answer within the same one looks older than what it answers
              and o.occurred_at between a.occurred_at - interval '7 days' and a.occurred_at + interval '1 second'
            order by o.occurred_at desc, o.created_at desc, o.id desc
            limit 20
          ) m
          where m.metadata ? 'broadcast_recipient_id' and m.status not in ('queued', 'failed')
          limit 1
        )
      ) as message_id
    ) c
    where a.direction = 'inbound' and not a.metadata ? 'source' and a.type not in ('system', 'request_welcome')
      and a.target_message_id is null
    order by c.message_id, a.occurred_at
  ) f
  where r.message_id = f.message_id and r.replied_at is null;
  return null;
end;
$$;
create trigger follow_answers after insert on public.messages
  referencing new table as changed for each statement execute function private.follow_answers();

-- The keywords are settings like others.
create or replace function private.tenant_json(t public.tenants) returns jsonb
language sql stable set search_path = '' as $$
  select to_jsonb(t) - 'scheduler_stopped_at';
$$;

revoke execute on all functions in schema private from public;
