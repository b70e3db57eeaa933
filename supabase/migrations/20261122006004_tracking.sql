-- Following campaigns: their recipients one by one, and the queue as a whole.

-- One page of a campaign's recipients in their order. `after` is the `next_cursor` of the page before. Null when there is
-- no such campaign for the caller.
create function public.list_campaign_recipients(
  campaign_id uuid, status_filter text default null, error_code integer default null, search text default null,
  replied boolean default null, after uuid default null, page_size integer default 50
) returns jsonb
language plpgsql stable set search_path = '' as $$
declare
  campaign public.broadcast_campaigns;
  cursor_position integer := -1;
  cursor_id uuid := '00000000-0000-0000-0000-000000000000';
begin
  select c.* into campaign from public.broadcast_campaigns c where c.id = list_campaign_recipients.campaign_id;
  if not found then
    return null;
  end if;
  if after is not null then
    select r.position, r.id into cursor_position, cursor_id from public.broadcast_recipients r
    where r.id = after and r.campaign_id = campaign.id;
    if not found then
      raise sqlstate 'PT422' using message = 'There is no such recipient in this campaign.', detail = 'invalid_field',
        hint = 'after';
    end if;
  end if;
  return (
    with page as (
      select r
      from public.broadcast_recipients r
      where r.campaign_id = campaign.id and (r.position, r.id) > (cursor_position, cursor_id)
        and (status_filter is null or r.status = status_filter)
        and (list_campaign_recipients.error_code is null or r.error_code = list_campaign_recipients.error_code)
        and (list_campaign_recipients.replied is null
          or (r.replied_at is not null) = list_campaign_recipients.replied)
        and (list_campaign_recipients.search is null or strpos(r.wa_id, list_campaign_recipients.search) > 0
          or strpos(lower(r.name), lower(list_campaign_recipients.search)) > 0)
      order by r.position, r.id
      limit page_size + 1
    ),
    numbered as (
      select (page.r).id as id, row_number() over (order by (page.r).position, (page.r).id) as nth,
        jsonb_build_object(
          'id', (page.r).id, 'position', (page.r).position, 'phone_number', (page.r).wa_id, 'name', (page.r).name,
          'variables', (page.r).variables, 'status', (page.r).status, 'skip_reason', (page.r).skip_reason,
          'due_at', case when (page.r).status = 'pending' then (page.r).due_at end, 'timezone', (page.r).timezone,
          'attempts', (page.r).attempts, 'message_id', (page.r).message_id, 'error_code', (page.r).error_code,
          'error_title', (page.r).error_title, 'error_details', (page.r).error_details, 'sent_at', (page.r).sent_at,
          'delivered_at', (page.r).delivered_at, 'read_at', (page.r).read_at, 'failed_at', (page.r).failed_at,
          'replied_at', (page.r).replied_at, 'reply_message_id', (page.r).reply_message_id,
          'preview', private.render_template(t.components, (page.r).variables)
        ) as row
      from page
      left join public.broadcast_templates t on t.id = campaign.template_id
    )
    select jsonb_build_object(
      'next_cursor', case when count(*) > page_size then (array_agg(id order by nth))[page_size] end,
      'rows', coalesce(jsonb_agg(row order by nth) filter (where nth <= page_size), '[]')
    )
    from numbered
  );
end;
$$;

create function private.queue_counts(campaigns uuid[]) returns jsonb
language sql stable set search_path = '' as $$
  select jsonb_build_object(
    'waiting', count(*) filter (where r.status = 'pending' and r.due_at <= now()),
    'delayed', count(*) filter (where r.status = 'pending' and r.due_at > now()),
    'active', count(*) filter (where r.status = 'sending'),
    'completed', count(*) filter (where r.status in ('sent', 'delivered', 'read')),
    'failed', count(*) filter (where r.status = 'failed'),
    'unknown', count(*) filter (where r.status = 'unknown'),
    'skipped', count(*) filter (where r.status = 'skipped')
  )
  from public.broadcast_recipients r where r.campaign_id = any (campaigns);
$$;

-- The queue of the tenant: as a whole, by number and by campaign. Campaigns that ended more than a week ago and left
-- nobody to try again are not counted.
create function public.get_queue() returns jsonb
language plpgsql stable security definer set search_path = '' as $$
declare
  tenant constant uuid := private.tenant_id();
  current_campaigns uuid[];
begin
  perform private.require('queue.view');
  current_campaigns := array(
    select c.id from public.broadcast_campaigns c
    where c.tenant_id = tenant and (
      c.status in ('sending', 'paused') or (c.status = 'completed' and c.completed_at > now() - interval '7 days')
    )
    order by c.created_at desc
    limit 200
  );
  return jsonb_build_object(
    'total', private.queue_counts(current_campaigns),
    'numbers', coalesce((
      select jsonb_agg(jsonb_build_object(
        'session_id', s.id, 'name', s.name, 'display_phone_number', s.display_phone_number, 'status', s.status,
        'messages_per_second', s.messages_per_second,
        'sending_now', exists (
          select 1 from private.sender_leases l where l.session_id = s.id and l.leased_until > now()
        ),
        'counts', private.queue_counts(array(
          select c.id from public.broadcast_campaigns c where c.session_id = s.id and c.id = any (current_campaigns)
        ))
      ) order by s.created_at)
      from public.whatsapp_sessions s where s.tenant_id = tenant
    ), '[]'),
    'campaigns', coalesce((
      select jsonb_agg(jsonb_build_object(
        'campaign_id', c.id, 'name', c.name, 'status', c.status, 'status_reason', c.status_reason,
        'held_until', c.held_until, 'session_id', c.session_id, 'counts', private.queue_counts(array[c.id])
      ) order by c.created_at desc)
      from public.broadcast_campaigns c where c.id = any (current_campaigns)
    ), '[]')
  );
end;
$$;

-- Campaigns that wait for their time.
create function public.list_scheduled_campaigns() returns jsonb
language plpgsql stable security definer set search_path = '' as $$
begin
  perform private.require('queue.view');
  return (
    select jsonb_build_object(
      'now', now(), 'timezone', t.timezone, 'running', t.scheduler_stopped_at is null,
      'campaigns', coalesce((
        select jsonb_agg(private.campaign_json(c) order by c.scheduled_at, c.id)
        from public.broadcast_campaigns c where c.tenant_id = t.id and c.status = 'scheduled'
      ), '[]')
    )
    from public.tenants t where t.id = private.tenant_id()
  );
end;
$$;

-- Every failed recipient of the tenant's campaigns of the last week is due again; see `act_on_campaign` for one
-- campaign. Answers with how many, by campaign.
create function public.retry_failed() returns jsonb
language plpgsql security definer set search_path = '' as $$
declare
  c public.broadcast_campaigns;
  touched integer;
  total integer := 0;
  campaigns integer := 0;
begin
  perform private.require('queue.manage');
  perform private.require('broadcasts.retry');
  for c in
    select k.* from public.broadcast_campaigns k
    join public.broadcast_templates t on t.id = k.template_id and t.status = 'APPROVED'
    where k.tenant_id = private.tenant_id()
      and (k.status = 'sending' or (k.status = 'completed' and k.completed_at > now() - interval '7 days'))
      and exists (select 1 from public.broadcast_recipients r where r.campaign_id = k.id and r.status = 'failed')
    order by k.id
    for update of k
  loop
    touched := private.retry_recipients(c.id, false, null);
    update public.broadcast_campaigns k set status = 'sending', completed_at = null where k.id = c.id;
    total := total + touched;
    campaigns := campaigns + 1;
  end loop;
  return jsonb_build_object('retried', total, 'campaigns', campaigns);
end;
$$;

grant execute on function private.render_template(jsonb, jsonb) to authenticated;
revoke execute on function
  public.list_campaign_recipients(uuid, text, integer, text, boolean, uuid, integer), public.get_queue(),
  public.list_scheduled_campaigns(), public.retry_failed(), private.queue_counts(uuid[])
  from public, anon;
grant execute on function
  public.list_campaign_recipients(uuid, text, integer, text, boolean, uuid, integer), public.get_queue(),
  public.list_scheduled_campaigns(), public.retry_failed()
  to authenticated;
