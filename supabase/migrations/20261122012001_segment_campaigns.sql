-- Lists and campaigns for the contacts of a segment, as they are when the list or the campaign is made.

-- Makes a list of the contacts that a filter leaves, as they are at this moment. Contacts whose phone number is not known
-- cannot be on it.
create or replace function public.create_recipient_list_from_contacts(name text, filter jsonb default '{}') returns jsonb
language plpgsql security definer set search_path = '' as $$
declare
  tenant constant uuid := private.tenant_id();
  list public.recipient_lists;
begin
  perform private.require('recipient_lists.create');
  perform private.require('contacts.view');
  if filter ?| '{segment_id,segment}' then
    perform private.require('segments.view');
  end if;
  insert into public.recipient_lists as l (tenant_id, name, source, created_by, finished_at)
  values (
    tenant, create_recipient_list_from_contacts.name,
    jsonb_build_object('type', 'contacts', 'filter', create_recipient_list_from_contacts.filter),
    private.person_id(), now()
  )
  returning l.* into list;
  insert into public.recipient_list_entries (list_id, tenant_id, line, wa_id, name)
  select
    list.id, tenant, row_number() over (order by c.created_at, c.id), c.wa_id,
    left(nullif(trim(coalesce(c.name, c.profile_name)), ''), 200)
  from private.contacts_matching(tenant, create_recipient_list_from_contacts.filter) m
  join public.contacts c on c.id = m
  where c.wa_id ~ '^[0-9]{8,15}$';
  if not found then
    raise sqlstate 'PT422' using message = 'No contact with a phone number matches.', detail = 'invalid_field',
      hint = 'filter';
  end if;
  update public.recipient_lists l set total_rows = l.entry_count, read_rows = l.entry_count
  where l.id = list.id
  returning l.* into list;
  return private.recipient_list_json(list);
end;
$$;

-- Puts the contacts of a segment into a campaign, as the segment is now. Contacts whose phone number is not known cannot
-- get one. There are no columns: variables take the contact's name, phone number, or a text.
create function private.add_segment_to_campaign(
  campaign public.broadcast_campaigns, template public.broadcast_templates, segment uuid, mapping jsonb
) returns void
language plpgsql security definer set search_path = '' as $$
declare
  named constant boolean := template.parameter_format = 'NAMED';
begin
  perform private.require('segments.view');
  perform private.require('contacts.view');
  if not exists (select 1 from public.segments s where s.id = segment and s.tenant_id = campaign.tenant_id) then
    raise sqlstate 'PT422' using message = 'There is no such segment.', detail = 'invalid_field', hint = 'segment_id';
  end if;
  if mapping is not null and jsonb_typeof(mapping) <> (case when named then 'object' else 'array' end) then
    raise sqlstate 'PT422' using
      message = case when named then 'The template names its variables: map each by its name.'
        else 'The template counts its variables: map them in their order.' end,
      detail = 'invalid_field', hint = 'variable_mapping';
  end if;
  if jsonb_path_exists(mapping, '$.* ? (@.source == "column")')
    or jsonb_path_exists(mapping, '$[*] ? (@.source == "column")')
  then
    raise sqlstate 'PT422' using message = 'A segment has no columns.', detail = 'invalid_field',
      hint = 'variable_mapping';
  end if;

  insert into public.broadcast_recipients (tenant_id, campaign_id, position, wa_id, name, variables)
  select
    campaign.tenant_id, campaign.id, row_number() over (order by c.created_at, c.id), c.wa_id, n.shown,
    case
      when named then coalesce((
        select jsonb_object_agg(o.key, coalesce(private.mapped_value(o.value, n.entry, n.shown), ''))
        from jsonb_each(mapping) o
      ), '{}')
      else coalesce((
        select jsonb_agg(coalesce(private.mapped_value(a.value, n.entry, n.shown), '') order by a.nth)
        from jsonb_array_elements(mapping) with ordinality a (value, nth)
      ), '[]')
    end
  from private.contacts_matching(campaign.tenant_id, jsonb_build_object('segment_id', segment)) m
  join public.contacts c on c.id = m
  cross join lateral (
    select left(nullif(trim(coalesce(c.name, c.profile_name)), ''), 200) as shown,
      jsonb_populate_record(null::public.recipient_list_entries, jsonb_build_object('wa_id', c.wa_id)) as entry
  ) n
  where c.wa_id ~ '^[0-9]{8,15}$'
  on conflict on constraint broadcast_recipients_campaign_id_wa_id_key do nothing;

  update public.broadcast_campaigns c set segment_id = segment, variable_mapping = mapping
  where c.id = campaign.id;
end;
$$;

-- Creates a campaign with its recipients, or nothing. `recipients` is a list of
-- {"wa_id", "name"?, "variables"?}; a number listed twice is kept once. `options`: {"draft"?, "scheduled_at"? (as typed:
-- without an offset in the tenant's zone), "recipient_local"?, "quiet_hours"?, "recipient_list_id"? or "segment_id"?, "variable_mapping"?}.
-- Security definer: clients have no right to write these tables.
create or replace function public.create_campaign(
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
  if options ->> 'segment_id' is not null then
    perform private.add_segment_to_campaign(
      campaign, template, (options ->> 'segment_id')::uuid, nullif(options -> 'variable_mapping', 'null')
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

create or replace function private.campaign_json(c public.broadcast_campaigns) returns jsonb
language sql stable set search_path = '' as $$
  select jsonb_build_object(
    'id', c.id, 'name', c.name, 'status', c.status, 'status_reason', c.status_reason,
    'session_id', c.session_id, 'template_id', c.template_id, 'sender_id', c.sender_id,
    'scheduled_at', c.scheduled_at,
    'scheduled_local', coalesce(c.scheduled_local, c.scheduled_at at time zone t.timezone), 'timezone', t.timezone,
    'recipient_local', c.recipient_local, 'quiet_hours', c.quiet_hours, 'held_until', c.held_until,
    'started_at', c.started_at, 'completed_at', c.completed_at, 'cancelled_at', c.cancelled_at,
    'created_at', c.created_at, 'updated_at', c.updated_at, 'copied_from', c.copied_from,
    'recipient_list_id', c.recipient_list_id, 'segment_id', c.segment_id,
    'statistics', private.campaign_counts(c.id)
  )
  from public.tenants t where t.id = c.tenant_id;
$$;

revoke execute on function public.list_segments(text, integer, integer, boolean), public.get_segment(uuid),
  public.preview_segment(jsonb), public.save_segment(jsonb, uuid), public.delete_segment(uuid)
  from public, anon;
grant execute on function public.list_segments(text, integer, integer, boolean), public.get_segment(uuid),
  public.preview_segment(jsonb), public.save_segment(jsonb, uuid), public.delete_segment(uuid)
  to authenticated;
revoke execute on function private.add_segment_to_campaign(
  public.broadcast_campaigns, public.broadcast_templates, uuid, jsonb
) from public;
