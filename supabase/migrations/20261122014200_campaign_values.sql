-- What fills a template for the people of a list or a segment: as many values as it has variables, whatever else the list
-- knows of them, and more of what is known of the contact.

-- As before; a header's named variable goes by its own name, as it is sent, and the code of an authentication template by
-- its number.
create or replace function private.template_variables(components jsonb) returns text[]
language sql immutable set search_path = '' as $$
  with parts as (
    select upper(c.value ->> 'type') as type, upper(coalesce(c.value ->> 'format', 'TEXT')) as format,
      c.value ->> 'text' as text, c.value as whole
    from jsonb_array_elements(components) c
  ),
  buttons as (
    select 'button_' || (b.nth - 1) as name, upper(b.value ->> 'type') as type, b.value ->> 'url' as url
    from parts p, jsonb_array_elements(p.whole -> 'buttons') with ordinality as b (value, nth)
    where p.type = 'BUTTONS' and jsonb_typeof(p.whole -> 'buttons') = 'array'
  )
  select coalesce(array_agg(distinct w.name), '{}')
  from (
    select m[1] as name
    from parts p, regexp_matches(p.text, '\{\{\s*(\w+)\s*\}\}', 'g') m where p.type = 'BODY'
    union all
    select case when m[1] ~ '^[0-9]+$' then 'header_' || m[1] else m[1] end
    from parts p, regexp_matches(p.text, '\{\{\s*(\w+)\s*\}\}', 'g') m where p.type = 'HEADER' and p.format = 'TEXT'
    union all
    select 'header' from parts p where p.type = 'HEADER' and p.format <> 'TEXT'
    union all
    select b.name from buttons b
    where b.type = 'COPY_CODE' or (b.type = 'URL' and b.url ~ '\{\{' and b.url !~ '^https://www[.]whatsapp[.]com/otp/')
    union all
    -- Meta writes the text around it
    select '1' from buttons b
    where b.type = 'OTP' and not exists (select 1 from parts p where p.type = 'BODY' and p.text is not null)
  ) w;
$$;

-- Refuses a mapping that does not fit the template, or that names what is not there. `columns` are the list's; null: there
-- is no list.
create function private.check_mapping(
  campaign public.broadcast_campaigns, template public.broadcast_templates, mapping jsonb, columns text[]
) returns void
language plpgsql stable set search_path = '' as $$
declare
  named constant boolean := template.parameter_format = 'NAMED';
  wanted constant text[] := private.template_variables(template.components);
  sources jsonb;
  lacking text;
  unknown text;
begin
  if mapping is null then
    return;
  end if;
  if jsonb_typeof(mapping) <> (case when named then 'object' else 'array' end) then
    raise sqlstate 'PT422' using
      message = case when named then 'The template names its variables: map each by its name.'
        else 'The template counts its variables: map them in their order.' end,
      detail = 'invalid_field', hint = 'variable_mapping';
  end if;
  if not named and jsonb_array_length(mapping) <> cardinality(wanted) then
    raise sqlstate 'PT422' using
      message = format('The template has %s variables, and %s are mapped.', cardinality(wanted), jsonb_array_length(mapping)),
      detail = 'variables_unmapped', hint = 'variable_mapping';
  end if;
  if named then
    select w into lacking from unnest(wanted) w where not mapping ? w order by w limit 1;
    if lacking is not null then
      raise sqlstate 'PT422' using message = format('Nothing fills the variable %s.', lacking),
        detail = 'variables_unmapped', hint = 'variable_mapping';
    end if;
  end if;

  sources := case when named then jsonb_path_query_array(mapping, '$.*') else mapping end;
  if columns is null and jsonb_path_exists(sources, '$[*] ? (@.source == "column")') then
    raise sqlstate 'PT422' using message = 'A segment has no columns.', detail = 'invalid_field', hint = 'variable_mapping';
  end if;
  select m.value ->> 'column' into unknown from jsonb_array_elements(sources) m
  where m.value ->> 'source' = 'column' and m.value ->> 'column' <> all (columns)
  limit 1;
  if unknown is not null then
    raise sqlstate 'PT422' using message = format('The list has no column %s.', left(unknown, 100)),
      detail = 'invalid_field', hint = 'variable_mapping';
  end if;
  select m.value ->> 'field' into unknown from jsonb_array_elements(sources) m
  where m.value ->> 'source' = 'contact' and m.value ->> 'field' <> all ('{name,phone_number,email,language}')
    and not exists (
      select 1 from public.contact_fields f
      where f.tenant_id = campaign.tenant_id and m.value ->> 'field' = 'custom.' || f.key
    )
  limit 1;
  if unknown is not null then
    raise sqlstate 'PT422' using message = format('There is no such field of contacts: %s.', left(unknown, 100)),
      detail = 'invalid_field', hint = 'variable_mapping';
  end if;
end;
$$;

-- Refuses a campaign that leaves at once and whose template nobody on it could be sent.
create function private.require_values(template public.broadcast_templates, columns text[]) returns void
language plpgsql stable set search_path = '' as $$
declare
  wanted constant text[] := private.template_variables(template.components);
  lacking text;
begin
  if template.parameter_format = 'NAMED' then
    select w into lacking from unnest(wanted) w where w <> all (columns) order by w limit 1;
  elsif cardinality(wanted) > cardinality(columns) then
    lacking := format('{{%s}}', cardinality(columns) + 1);
  end if;
  if lacking is not null then
    raise sqlstate 'PT422' using
      message = format('Nothing fills the variable %s: say by variable_mapping what does.', lacking),
      detail = 'variables_unmapped', hint = 'variable_mapping';
  end if;
end;
$$;

drop function private.mapped_value(jsonb, public.recipient_list_entries, text);
-- `contact`: {"name", "email", "language", "custom"}, of what is known.
create function private.mapped_value(mapping jsonb, entry public.recipient_list_entries, contact jsonb) returns text
language sql immutable set search_path = '' as $$
  select case mapping ->> 'source'
    when 'column' then entry.variables ->> (mapping ->> 'column')
    when 'contact' then case
      when mapping ->> 'field' = 'name' then coalesce(contact ->> 'name', entry.name)
      when mapping ->> 'field' = 'phone_number' then '+' || entry.wa_id
      when mapping ->> 'field' like 'custom.%' then contact -> 'custom' ->> substr(mapping ->> 'field', 8)
      else contact ->> (mapping ->> 'field')
    end
    when 'text' then mapping ->> 'text'
  end;
$$;

-- As before, with as many of the list's columns as the template has variables: a list may know more than a template asks.
create or replace function private.add_list_to_campaign(
  campaign public.broadcast_campaigns, template public.broadcast_templates, list uuid, mapping jsonb
) returns void
language plpgsql security definer set search_path = '' as $$
declare
  l public.recipient_lists;
  named constant boolean := template.parameter_format = 'NAMED';
  used text[];
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
  perform private.check_mapping(campaign, template, mapping, l.columns);
  used := l.columns[1:cardinality(private.template_variables(template.components))];

  insert into public.broadcast_recipients (tenant_id, campaign_id, position, wa_id, name, variables)
  select
    campaign.tenant_id, campaign.id, (p.entry).line, (p.entry).wa_id, coalesce(k.name, (p.entry).name),
    case
      when mapping is null and named then (p.entry).variables
      when mapping is null then (
        select coalesce(jsonb_agg(coalesce((p.entry).variables ->> c.name, '') order by c.nth), '[]')
        from unnest(used) with ordinality c (name, nth)
      )
      when named then (
        select coalesce(jsonb_object_agg(o.key, coalesce(private.mapped_value(o.value, p.entry, k.known), '')), '{}')
        from jsonb_each(mapping) o
      )
      else (
        select coalesce(jsonb_agg(coalesce(private.mapped_value(a.value, p.entry, k.known), '') order by a.nth), '[]')
        from jsonb_array_elements(mapping) with ordinality a (value, nth)
      )
    end
  from (
    select r as entry, private.phone_key(r.wa_id) as phone_key
    from public.recipient_list_entries r where r.list_id = l.id and r.tenant_id = l.tenant_id
    -- worked out once, and looked up together
    offset 0
  ) p
  left join (
    select c.phone_key, c.name, jsonb_build_object(
      'name', coalesce(c.name, c.profile_name), 'email', c.email, 'language', c.language, 'custom', c.custom_fields
    ) as known
    from public.contacts c
    where c.tenant_id = campaign.tenant_id and c.phone_key is not null
  ) k on k.phone_key = p.phone_key
  on conflict on constraint broadcast_recipients_campaign_id_wa_id_key do nothing;

  update public.broadcast_campaigns c set recipient_list_id = l.id, variable_mapping = mapping
  where c.id = campaign.id;
end;
$$;

create or replace function private.add_segment_to_campaign(
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
  perform private.check_mapping(campaign, template, mapping, null);

  insert into public.broadcast_recipients (tenant_id, campaign_id, position, wa_id, name, variables)
  select
    campaign.tenant_id, campaign.id, row_number() over (order by c.created_at, c.id), c.wa_id, n.shown,
    case
      when named then coalesce((
        select jsonb_object_agg(o.key, coalesce(private.mapped_value(o.value, n.entry, n.known), ''))
        from jsonb_each(mapping) o
      ), '{}')
      else coalesce((
        select jsonb_agg(coalesce(private.mapped_value(a.value, n.entry, n.known), '') order by a.nth)
        from jsonb_array_elements(mapping) with ordinality a (value, nth)
      ), '[]')
    end
  from private.contacts_matching(campaign.tenant_id, jsonb_build_object('segment_id', segment)) m
  join public.contacts c on c.id = m
  cross join lateral (
    select k.shown, jsonb_populate_record(null::public.recipient_list_entries, jsonb_build_object('wa_id', c.wa_id)) as entry,
      jsonb_build_object('name', k.shown, 'email', c.email, 'language', c.language, 'custom', c.custom_fields) as known
    from (select left(nullif(trim(coalesce(c.name, c.profile_name)), ''), 200) as shown) k
  ) n
  where c.wa_id ~ '^[0-9]{8,15}$'
  on conflict on constraint broadcast_recipients_campaign_id_wa_id_key do nothing;

  update public.broadcast_campaigns c set segment_id = segment, variable_mapping = mapping
  where c.id = campaign.id;
end;
$$;

-- A template and a number of the caller's tenant that can send it. Without a number: the only one that can.
create function private.template_and_number(
  tenant uuid, template_id uuid, session_id uuid, draft boolean, out template public.broadcast_templates, out the_session uuid
)
language plpgsql stable security definer set search_path = '' as $$
declare
  numbers integer;
begin
  select t.* into template from public.broadcast_templates t
  where t.id = template_and_number.template_id and t.tenant_id = tenant;
  if not found then
    raise sqlstate 'PT422' using message = 'There is no such template.', detail = 'invalid_field',
      hint = 'template_id';
  end if;
  if template.status <> 'APPROVED' and not draft then
    raise sqlstate 'PT422' using
      message = format('The template is %s; only an approved template can be sent.', template.status),
      detail = 'template_not_approved', hint = 'template_id';
  end if;

  the_session := template_and_number.session_id;
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
end;
$$;

-- Puts into a campaign whom it is for: `recipients`, and those of `options` {"recipient_list_id"?, "segment_id"?,
-- "variable_mapping"?}. One that is no draft leaves with what it has.
create function private.fill_campaign(
  campaign public.broadcast_campaigns, template public.broadcast_templates, recipients jsonb, options jsonb, draft boolean
) returns void
language plpgsql security definer set search_path = '' as $$
declare
  mapping constant jsonb := nullif(options -> 'variable_mapping', 'null');
begin
  insert into public.broadcast_recipients (tenant_id, campaign_id, position, wa_id, name, variables)
  select campaign.tenant_id, campaign.id, r.position, r.value ->> 'wa_id', r.value ->> 'name',
    coalesce(nullif(r.value -> 'variables', 'null'), '[]')
  from jsonb_array_elements(recipients) with ordinality as r (value, position)
  on conflict on constraint broadcast_recipients_campaign_id_wa_id_key do nothing;
  if options ->> 'recipient_list_id' is not null then
    perform private.add_list_to_campaign(campaign, template, (options ->> 'recipient_list_id')::uuid, mapping);
  end if;
  if options ->> 'segment_id' is not null then
    perform private.add_segment_to_campaign(campaign, template, (options ->> 'segment_id')::uuid, mapping);
  end if;
  if mapping is null and not draft and exists (select 1 from public.broadcast_recipients r where r.campaign_id = campaign.id) then
    perform private.require_values(template, l.columns) from public.recipient_lists l
    where l.id = (options ->> 'recipient_list_id')::uuid and l.tenant_id = campaign.tenant_id;
    perform private.require_values(template, '{}') where options ->> 'segment_id' is not null;
  end if;
end;
$$;

create or replace function public.create_campaign(
  name text,
  template_id uuid,
  recipients jsonb,
  session_id uuid default null,
  sender_id uuid default null,
  scheduled_at timestamptz default null,
  options jsonb default '{}'
) returns jsonb
language plpgsql security definer set search_path = '' set statement_timeout = '60s' as $$
declare
  tenant constant uuid := private.tenant_id();
  chosen record;
  the_sender constant uuid := coalesce(create_campaign.sender_id, private.person_id());
  template public.broadcast_templates;
  campaign public.broadcast_campaigns;
  draft constant boolean := coalesce((options ->> 'draft')::boolean, false);
begin
  if tenant is null or not private.has_permission('broadcasts.create')
    or (not draft and not private.has_permission('broadcasts.send'))
  then
    raise sqlstate 'PT403' using message = 'You may not create campaigns.', detail = 'forbidden';
  end if;
  select f.* into chosen
  from private.template_and_number(tenant, create_campaign.template_id, create_campaign.session_id, draft) f;
  template := chosen.template;

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
    tenant, create_campaign.name, 'draft', chosen.the_session, template.id, the_sender, create_campaign.scheduled_at,
    coalesce((options ->> 'recipient_local')::boolean, false), nullif(options -> 'quiet_hours', 'null')
  )
  returning c.* into campaign;
  perform private.fill_campaign(campaign, template, recipients, options, draft);

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

-- Changes a campaign that has not begun: name, scheduled_at, quiet_hours, recipient_local, sender_id, template_id,
-- session_id, and whom it is for: recipients, recipient_list_id, segment_id, variable_mapping.
create or replace function public.update_campaign(campaign_id uuid, changes jsonb) returns jsonb
language plpgsql security definer set search_path = '' set statement_timeout = '60s' as $$
declare
  c public.broadcast_campaigns;
  template public.broadcast_templates;
  chosen record;
  people constant boolean := changes ?| array['recipients', 'recipient_list_id', 'segment_id', 'variable_mapping'];
begin
  c := private.require_campaign(campaign_id, 'broadcasts.update', array['draft', 'scheduled'], 'changed');
  if changes ? 'sender_id' and changes ->> 'sender_id' is not null and not exists (
    select 1 from public.profiles p
    where p.user_id = (changes ->> 'sender_id')::uuid and p.tenant_id = c.tenant_id and p.deactivated_at is null
  ) then
    raise sqlstate 'PT422' using message = 'There is no such person.', detail = 'invalid_field', hint = 'sender_id';
  end if;
  if people or changes ?| array['template_id', 'session_id'] then
    -- what is on its way out goes to whom somebody with that right has chosen
    if c.status <> 'draft' then
      perform private.require('broadcasts.send');
    end if;
    select f.* into chosen from private.template_and_number(
      c.tenant_id, coalesce((changes ->> 'template_id')::uuid, c.template_id),
      coalesce((changes ->> 'session_id')::uuid, c.session_id), c.status = 'draft'
    ) f;
    template := chosen.template;
    update public.broadcast_campaigns k set template_id = template.id, session_id = chosen.the_session where k.id = c.id;
  end if;
  update public.broadcast_campaigns k
  set
    name = coalesce(changes ->> 'name', k.name),
    quiet_hours = case when changes ? 'quiet_hours' then nullif(changes -> 'quiet_hours', 'null') else k.quiet_hours end,
    recipient_local = coalesce((changes ->> 'recipient_local')::boolean, k.recipient_local),
    sender_id = case when changes ? 'sender_id' then (changes ->> 'sender_id')::uuid else k.sender_id end,
    scheduled_at = case when changes ? 'scheduled_at' then (
      select private.moment(changes ->> 'scheduled_at', t.timezone, 'scheduled_at')
      from public.tenants t where t.id = k.tenant_id and changes ->> 'scheduled_at' is not null
    ) else k.scheduled_at end
  where k.id = c.id and not (k.status = 'scheduled' and changes ? 'scheduled_at' and changes ->> 'scheduled_at' is null);
  if not found then
    raise sqlstate 'PT422' using message = 'A scheduled campaign needs a time.', detail = 'invalid_field',
      hint = 'scheduled_at';
  end if;

  if people then
    -- Other values for the same people: they are taken from where they came from.
    if not changes ?| array['recipients', 'recipient_list_id', 'segment_id'] then
      if c.recipient_list_id is null and c.segment_id is null then
        raise sqlstate 'PT422' using message = 'Only the values of a list or a segment are mapped.',
          detail = 'invalid_field', hint = 'variable_mapping';
      end if;
      changes := changes || jsonb_build_object('recipient_list_id', c.recipient_list_id, 'segment_id', c.segment_id);
    elsif not changes ? 'variable_mapping' and (
      (changes ->> 'recipient_list_id')::uuid = c.recipient_list_id or (changes ->> 'segment_id')::uuid = c.segment_id
    ) then
      changes := changes || jsonb_build_object('variable_mapping', c.variable_mapping);
    end if;
    delete from public.broadcast_recipients r where r.campaign_id = c.id;
    update public.broadcast_campaigns k set recipient_list_id = null, segment_id = null, variable_mapping = null
    where k.id = c.id;
    perform private.fill_campaign(c, template, coalesce(changes -> 'recipients', '[]'), changes, c.status = 'draft');
  end if;
  if c.status = 'scheduled' and (people or changes ?| array['scheduled_at', 'recipient_local']) then
    -- those of other zones go back to the common time first
    update public.broadcast_recipients r set due_at = now(), timezone = null
    where r.campaign_id = c.id and r.timezone is not null;
    perform private.launch_campaign(c.id, coalesce(changes ->> 'scheduled_at', c.scheduled_local::text));
  end if;
  return (select private.campaign_json(k) from public.broadcast_campaigns k where k.id = c.id);
end;
$$;

-- A draft with the same template, number and recipients, and what they were taken from. People who were erased since
-- stay behind.
create or replace function private.copy_campaign(c public.broadcast_campaigns) returns public.broadcast_campaigns
language plpgsql security definer set search_path = '' as $$
declare
  copy public.broadcast_campaigns;
begin
  insert into public.broadcast_campaigns (
    tenant_id, name, status, session_id, template_id, sender_id, recipient_local, quiet_hours, copied_from,
    recipient_list_id, segment_id, variable_mapping
  )
  values (
    c.tenant_id, left(c.name, 190) || ' (2)', 'draft', c.session_id, c.template_id, private.person_id(),
    c.recipient_local, c.quiet_hours, c.id, c.recipient_list_id, c.segment_id, c.variable_mapping
  )
  returning * into copy;
  insert into public.broadcast_recipients (tenant_id, campaign_id, position, wa_id, name, variables)
  select r.tenant_id, copy.id, r.position, r.wa_id, r.name, r.variables
  from public.broadcast_recipients r where r.campaign_id = c.id and r.wa_id not like '0%';
  return copy;
end;
$$;

-- A hundred thousand recipients take longer than what is usual for a call.
alter function public.delete_campaign(uuid) set statement_timeout = '60s';
alter function public.retry_failed() set statement_timeout = '60s';

revoke execute on function
  private.check_mapping(public.broadcast_campaigns, public.broadcast_templates, jsonb, text[]),
  private.require_values(public.broadcast_templates, text[]),
  private.mapped_value(jsonb, public.recipient_list_entries, jsonb),
  private.template_and_number(uuid, uuid, uuid, boolean),
  private.fill_campaign(public.broadcast_campaigns, public.broadcast_templates, jsonb, jsonb, boolean)
  from public;
