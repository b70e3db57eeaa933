-- A status without a time, or with one that cannot be, is the same event when it is delivered again or replayed.

-- Whether `meta_time` takes Meta's word for it.
create function private.tells_time(seconds bigint) returns boolean
language sql stable set search_path = '' as $$
  select coalesce(seconds between 1 and extract(epoch from now())::bigint + 86400, false);
$$;

create or replace function private.ingest_statuses(elements jsonb, out stored integer, out campaigns uuid[])
language plpgsql set search_path = '' as $$
declare
  touched uuid[];
  late uuid[];
begin
  select coalesce(array_agg(m.id order by m.id), '{}') into touched
  from (
    select distinct coalesce(by_wamid.id, by_callback.id) as id
    from jsonb_array_elements(elements) as e
    join public.whatsapp_sessions s on s.meta_phone_number_id = e ->> 'phone_number_id'
    left join public.messages by_wamid
      on by_wamid.session_id = s.id and by_wamid.whatsapp_message_id = e ->> 'wamid'
    left join public.messages by_callback
      on by_wamid.id is null
      and by_callback.id = case
        when e ->> 'callback_data' ~ '^[0-9a-f]{8}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{12}$'
        then (e ->> 'callback_data')::uuid end
      and by_callback.session_id = s.id
      and by_callback.direction = 'outbound'
  ) m
  where m.id is not null;

  perform 1 from public.messages m where m.id = any (touched) order by m.id for update;

  -- The send's own answer may still be on its way, or lost: the status tells its wamid, and with it whose the
  -- statuses are that came before and told no id of ours.
  with named as (
    update public.messages m
    set whatsapp_message_id = e.wamid
    from (
      select distinct on (s.id, e ->> 'callback_data')
        s.id as session_id, e ->> 'callback_data' as callback_data, e ->> 'wamid' as wamid
      from jsonb_array_elements(elements) as e
      join public.whatsapp_sessions s on s.meta_phone_number_id = e ->> 'phone_number_id'
      order by 1, 2, 3
    ) e
    where m.id = any (touched) and m.whatsapp_message_id is null
      and m.id::text = e.callback_data and m.session_id = e.session_id
      and not exists (
        select 1 from public.messages o
        where o.session_id = m.session_id and o.whatsapp_message_id = e.wamid
      )
    returning m.id, m.session_id, m.whatsapp_message_id
  )
  update public.message_status_events e
  set message_id = n.id
  from named n
  where e.session_id = n.session_id and e.whatsapp_message_id = n.whatsapp_message_id and e.message_id is null;

  with kept as (
    insert into public.message_status_events (
      tenant_id, session_id, message_id, whatsapp_message_id, status, occurred_at, error_code, error_title,
      error_details, pricing, payload
    )
    select
      s.tenant_id, s.id, m.id, e.value ->> 'wamid', e.value ->> 'status',
      private.meta_time((e.value ->> 'timestamp')::bigint),
      -- a code beyond an integer is none of Meta's, and no reason to lose the status
      case when e.value #>> '{errors,0,code}' ~ '^-?[0-9]{1,9}$' then (e.value #>> '{errors,0,code}')::integer end,
      e.value #>> '{errors,0,title}', e.value #>> '{errors,0,details}', nullif(e.value -> 'pricing', 'null'),
      coalesce(e.value -> 'payload', '{}')
    from jsonb_array_elements(elements) with ordinality as e (value, nth)
    join public.whatsapp_sessions s on s.meta_phone_number_id = e.value ->> 'phone_number_id'
    left join public.messages m on m.session_id = s.id and m.whatsapp_message_id = e.value ->> 'wamid'
    -- one that tells no time cannot be told from itself by it
    where private.tells_time((e.value ->> 'timestamp')::bigint) or not exists (
      select 1 from public.message_status_events k
      where k.session_id = s.id and k.whatsapp_message_id = e.value ->> 'wamid' and k.status = e.value ->> 'status'
    )
    order by s.id, e.value ->> 'wamid', e.value ->> 'status', e.nth
    on conflict (session_id, whatsapp_message_id, status, occurred_at) do nothing
    returning message_id
  )
  select array_agg(distinct k.message_id) into late from kept k where k.message_id <> all (touched);

  -- Their sends were recorded since we looked.
  if late is not null then
    perform 1 from public.messages m where m.id = any (late) order by m.id for update;
    touched := touched || late;
  end if;

  perform private.settle_messages(touched);
  campaigns := private.settle_recipients(touched);
  perform private.follow_recipients(elements);

  select count(*) into stored
  from jsonb_array_elements(elements) as e
  join public.whatsapp_sessions s on s.meta_phone_number_id = e ->> 'phone_number_id';
end;
$$;

revoke execute on function private.tells_time(bigint) from public;
