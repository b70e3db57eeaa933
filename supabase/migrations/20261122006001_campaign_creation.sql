-- Making a campaign: a draft, or one that leaves at once or at its time.

drop function public.create_campaign(text, uuid, jsonb, uuid, uuid, timestamptz);

-- Creates a campaign with its recipients, or nothing. `recipients` is a list of
-- {"wa_id", "name"?, "variables"?}; a number listed twice is kept once. `options`: {"draft"?, "scheduled_at"? (as typed:
-- without an offset in the tenant's zone), "recipient_local"?, "quiet_hours"?}. Security definer: clients have no right
-- to write these tables.
create function public.create_campaign(
  name text,
  template_id uuid,
  recipients jsonb,
  session_id uuid default null,
  sender_id uuid default null,
  scheduled_at timestamptz default null,
  options jsonb default '{}'
) returns jsonb
language plpgsql security definer set search_path = '' as $$
declare
  tenant constant uuid := private.tenant_id();
  the_session uuid := create_campaign.session_id;
  the_sender constant uuid := coalesce(create_campaign.sender_id, private.person_id());
  template public.broadcast_templates;
  campaign public.broadcast_campaigns;
  numbers integer;
  draft constant boolean := coalesce((options ->> 'draft')::boolean, false);
begin
  if tenant is null or not private.has_permission('broadcasts.create')
    or (not draft and not private.has_permission('broadcasts.send'))
  then
    raise sqlstate 'PT403' using message = 'You may not create campaigns.', detail = 'forbidden';
  end if;

  select t.* into template from public.broadcast_templates t
  where t.id = create_campaign.template_id and t.tenant_id = tenant;
  if not found then
    raise sqlstate 'PT422' using message = 'There is no such template.', detail = 'invalid_field',
      hint = 'template_id';
  end if;
  if template.status <> 'APPROVED' and not draft then
    raise sqlstate 'PT422' using
      message = format('The template is %s; only an approved template can be sent.', template.status),
      detail = 'template_not_approved', hint = 'template_id';
  end if;

  if the_session is null then
    select count(*), (array_agg(s.id))[1] into numbers, the_session from public.whatsapp_sessions s
    where s.tenant_id = tenant and s.deleted_at is null
      and (template.meta_business_account_id is null
        or s.meta_business_account_id = template.meta_business_account_id);
    if numbers <> 1 then
      raise sqlstate 'PT422' using
        message = case when numbers = 0 then 'No connected number can send this template.'
          else 'Several numbers can send this template: name one.' end,
        detail = 'invalid_field', hint = 'session_id';
    end if;
  elsif not exists (
    select 1 from public.whatsapp_sessions s
    where s.id = the_session and s.tenant_id = tenant and s.deleted_at is null
      and (template.meta_business_account_id is null
        or s.meta_business_account_id = template.meta_business_account_id)
  ) then
    raise sqlstate 'PT422' using message = 'There is no such number, or the template is not of its account.',
      detail = 'invalid_field', hint = 'session_id';
  end if;

  if the_sender is not null and not exists (
    select 1 from public.profiles p
    where p.user_id = the_sender and p.tenant_id = tenant and p.deactivated_at is null
  ) then
    raise sqlstate 'PT422' using message = 'There is no such person.', detail = 'invalid_field',
      hint = 'sender_id';
  end if;

  insert into public.broadcast_campaigns as c
    (tenant_id, name, status, session_id, template_id, sender_id, scheduled_at, recipient_local, quiet_hours)
  values (
    tenant, create_campaign.name, 'draft', the_session, template.id, the_sender, create_campaign.scheduled_at,
    coalesce((options ->> 'recipient_local')::boolean, false), nullif(options -> 'quiet_hours', 'null')
  )
  returning c.* into campaign;

  insert into public.broadcast_recipients (tenant_id, campaign_id, position, wa_id, name, variables)
  select tenant, campaign.id, r.position, r.value ->> 'wa_id', r.value ->> 'name',
    coalesce(nullif(r.value -> 'variables', 'null'), '[]')
  from jsonb_array_elements(recipients) with ordinality as r (value, position)
  on conflict on constraint broadcast_recipients_campaign_id_wa_id_key do nothing;
  if draft then
    update public.broadcast_campaigns c
    set scheduled_at = (
      select private.moment(options ->> 'scheduled_at', t.timezone, 'scheduled_at')
      from public.tenants t where t.id = tenant and options ->> 'scheduled_at' is not null
    )
    where c.id = campaign.id and options ? 'scheduled_at';
  else
    perform private.launch_campaign(campaign.id, options ->> 'scheduled_at');
  end if;
  return (select private.campaign_json(c) from public.broadcast_campaigns c where c.id = campaign.id);
end;
$$;

revoke execute on function public.create_campaign(text, uuid, jsonb, uuid, uuid, timestamptz, jsonb) from public, anon;
grant execute on function public.create_campaign(text, uuid, jsonb, uuid, uuid, timestamptz, jsonb) to authenticated;
