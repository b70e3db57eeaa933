-- How messages of a number fared. Meta has accepted what has an id of Meta's, also where it could not deliver it later:
-- those are what the rate of delivery is about.
create or replace function private.delivery_since(session uuid, since timestamptz) returns jsonb
language sql stable set search_path = '' as $$
  with sent as (
    select
      m.status, m.whatsapp_message_id is not null as accepted, m.delivered_at is not null as delivered,
      m.read_at is not null as read,
      -- Meta tells whole seconds, we do not
      extract(epoch from greatest(m.delivered_at - m.sent_at, case when m.delivered_at is not null then interval '0' end))
        as to_delivered,
      extract(epoch from greatest(
        m.read_at - coalesce(m.delivered_at, m.sent_at), case when m.read_at is not null then interval '0' end
      )) as to_read
    from public.messages m
    where m.session_id = session and m.direction = 'outbound' and m.created_at >= since
  ),
  figures as (
    select
      count(*) as total,
      count(*) filter (where accepted) as accepted,
      count(*) filter (where delivered or read) as delivered,
      count(*) filter (where read) as read,
      count(*) filter (where status = 'failed') as failed,
      count(*) filter (where status = 'unknown') as unknown,
      percentile_cont(array[0.5, 0.95]) within group (order by to_delivered) as to_delivered,
      percentile_cont(array[0.5, 0.95]) within group (order by to_read) as to_read
    from sent
  )
  select jsonb_build_object(
    'messages', total, 'accepted', accepted, 'delivered', delivered, 'read', read, 'failed', failed, 'unknown', unknown,
    'delivery_rate', round(delivered::numeric / nullif(accepted, 0), 4),
    'read_rate', round(read::numeric / nullif(delivered, 0), 4),
    'seconds_to_delivered', jsonb_build_object(
      'median', round(to_delivered[1]::numeric, 1), 'p95', round(to_delivered[2]::numeric, 1)
    ),
    'seconds_to_read', jsonb_build_object(
      'median', round(to_read[1]::numeric, 1), 'p95', round(to_read[2]::numeric, 1)
    )
  )
  from figures;
$$;
