-- Making a campaign, for recipients named one by one or for a recipient list: a mapping says what fills each variable.

alter table public.broadcast_campaigns
  add column recipient_list_id uuid references public.recipient_lists (id) on delete set null,
  add column variable_mapping jsonb;
create index broadcast_campaigns_recipient_list_idx on public.broadcast_campaigns (recipient_list_id)
  where recipient_list_id is not null;

-- One value of a mapping: {"source": "column", "column"}, {"source": "contact", "field": "name" | "phone_number"} or
-- {"source": "text", "text"}.
create function private.mapped_value(mapping jsonb, entry public.recipient_list_entries, contact_name text)
returns text
language sql immutable set search_path = '' as $$
  select case mapping ->> 'source'
    when 'column' then entry.variables ->> (mapping ->> 'column')
    when 'contact' then case mapping ->> 'field'
      when 'name' then coalesce(contact_name, entry.name)
      when 'phone_number' then '+' || entry.wa_id
    end
    when 'text' then mapping ->> 'text'
  end;
$$;

-- Puts the people of a list into a campaign. Without a mapping the columns of the list are the variables, in their order
-- or by their names, as the template has them.
create function private.add_list_to_campaign(
  campaign public.broadcast_campaigns, template public.broadcast_templates, list uuid, mapping jsonb
) returns void
language plpgsql security definer set search_path = '' as $$
declare
  l public.recipient_lists;
  named constant boolean := template.parameter_format = 'NAMED';
  unknown text;
begin
  perform private.require('recipient_lists.view');
  select k.* into l from public.recipient_lists k where k.id = list and k.tenant_id = campaign.tenant_id;
  if not found then
    raise sqlstate 'PT422' using message = 'There is no such recipient list.', detail = 'invalid_field',
      hint = 'recipient_list_id';
  end if;
  if l.status <> 'ready' then
    raise sqlstate 'PT409' using message = format('The recipient list is not ready: it is %s.', l.status),
      detail = 'list_not_ready', hint = 'recipient_list_id';
  end if;
  if mapping is not null then
    if jsonb_typeof(mapping) <> (case when named then 'object' else 'array' end) then
      raise sqlstate 'PT422' using
        message = case when named then 'The template names its variables: map each by its name.'
          else 'The template counts its variables: map them in their order.' end,
        detail = 'invalid_field', hint = 'variable_mapping';
    end if;
    select m.value ->> 'column' into unknown
    from (
      select a.value from jsonb_array_elements(case when named then '[]' else mapping end) a
      union all
      select o.value from jsonb_each(case when named then mapping else '{}' end) o
    ) m
    where m.value ->> 'source' = 'column' and m.value ->> 'column' <> all (l.columns)
    limit 1;
    if unknown is not null then
      raise sqlstate 'PT422' using message = format('The list has no column %s.', left(unknown, 100)),
        detail = 'invalid_field', hint = 'variable_mapping';
    end if;
  end if;

  insert into public.broadcast_recipients (tenant_id, campaign_id, position, wa_id, name, variables)
  select
    campaign.tenant_id, campaign.id, e.line, e.wa_id, coalesce(k.name, e.name),
    case
      when mapping is null and named then e.variables
      when mapping is null then (
        select coalesce(jsonb_agg(coalesce(e.variables ->> c.name, '') order by c.nth), '[]')
        from unnest(l.columns) with ordinality c (name, nth)
      )
      when named then (
        select coalesce(jsonb_object_agg(o.key, coalesce(private.mapped_value(o.value, e, k.shown), '')), '{}')
        from jsonb_each(mapping) o
      )
      else (
        select coalesce(jsonb_agg(coalesce(private.mapped_value(a.value, e, k.shown), '') order by a.nth), '[]')
        from jsonb_array_elements(mapping) with ordinality a (value, nth)
      )
    end
  from public.recipient_list_entries e
  left join lateral (
    select c.name, coalesce(c.name, c.profile_name) as shown from public.contacts c
    where c.tenant_id = e.tenant_id and c.phone_key = private.phone_key(e.wa_id)
    limit 1
  ) k on true
  where e.list_id = l.id and e.tenant_id = l.tenant_id
  on conflict on constraint broadcast_recipients_campaign_id_wa_id_key do nothing;

  update public.broadcast_campaigns c set recipient_list_id = l.id, variable_mapping = mapping
  where c.id = campaign.id;
end;
$$;

drop function public.create_campaign(text, uuid, jsonb, uuid, uuid, timestamptz);

-- Creates a campaign with its recipients, or nothing. `recipients` is a list of
-- {"wa_id", "name"?, "variables"?}; a number listed twice is kept once. `options`: {"draft"?, "scheduled_at"? (as typed:
-- without an offset in the tenant's zone), "recipient_local"?, "quiet_hours"?, "recipient_list_id"?, "variable_mapping"?}. Security definer: clients have no right
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
  if options ->> 'recipient_list_id' is not null then
    perform private.add_list_to_campaign(
      campaign, template, (options ->> 'recipient_list_id')::uuid, nullif(options -> 'variable_mapping', 'null')
    );
  end if;
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

revoke execute on all functions in schema private from public;
revoke execute on function public.create_campaign(text, uuid, jsonb, uuid, uuid, timestamptz, jsonb) from public, anon;
grant execute on function public.create_campaign(text, uuid, jsonb, uuid, uuid, timestamptz, jsonb) to authenticated;
