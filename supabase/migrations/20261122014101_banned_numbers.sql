-- What Meta says of a number. One that it has banned is broken until the ban is lifted: everything sent from it would be
-- refused.
create or replace function private.take_health(session uuid, health jsonb) returns void
language sql set search_path = '' as $$
  update public.whatsapp_sessions s
  set
    display_phone_number = coalesce(health ->> 'display_phone_number', s.display_phone_number),
    verified_name = coalesce(health ->> 'verified_name', s.verified_name),
    quality_rating = coalesce(health ->> 'quality_rating', s.quality_rating),
    meta_status = coalesce(health ->> 'status', s.meta_status),
    name_status = coalesce(health ->> 'name_status', s.name_status),
    throughput_level = coalesce(health #>> '{throughput,level}', s.throughput_level),
    messaging_limit = coalesce(health ->> 'whatsapp_business_manager_messaging_limit', s.messaging_limit),
    health_checked_at = now(),
    health_error = null,
    access_status = 'valid',
    status = case b.turn when 'banned' then 'broken' when 'lifted' then coalesce(s.status_before, 'connected')
      else s.status end,
    status_code = case b.turn when 'banned' then 'number_banned' when 'lifted' then null else s.status_code end,
    status_reason = case b.turn
      when 'banned' then case t.locale when 'id' then 'Meta memblokir nomor ini.' else 'Meta has banned this number.' end
      when 'lifted' then null
      else s.status_reason
    end,
    status_before = case b.turn when 'banned' then s.status when 'lifted' then null else s.status_before end
  from public.tenants t
  cross join lateral (
    select case
      when health ->> 'status' = 'BANNED' then 'banned'
      when health ->> 'status' is not null then 'lifted'
    end as word
  ) w
  cross join lateral (
    select case
      when w.word = 'banned' and o.status in ('connected', 'paused') then 'banned'
      when w.word = 'lifted' and o.status = 'broken' and o.status_code = 'number_banned' then 'lifted'
    end as turn
    from public.whatsapp_sessions o
    where o.id = session
  ) b
  where s.id = session and t.id = s.tenant_id;
$$;
