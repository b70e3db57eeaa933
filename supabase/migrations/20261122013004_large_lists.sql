-- A campaign to a list of 100,000 people is made in one call.

-- Puts the people of a list into a campaign. Without a mapping the columns of the list are the variables, in their order
-- or by their names, as the template has them.
create or replace function private.add_list_to_campaign(
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
    campaign.tenant_id, campaign.id, (p.entry).line, (p.entry).wa_id, coalesce(k.name, (p.entry).name),
    case
      when mapping is null and named then (p.entry).variables
      when mapping is null then (
        select coalesce(jsonb_agg(coalesce((p.entry).variables ->> c.name, '') order by c.nth), '[]')
        from unnest(l.columns) with ordinality c (name, nth)
      )
      when named then (
        select coalesce(jsonb_object_agg(o.key, coalesce(private.mapped_value(o.value, p.entry, k.shown), '')), '{}')
        from jsonb_each(mapping) o
      )
      else (
        select coalesce(jsonb_agg(coalesce(private.mapped_value(a.value, p.entry, k.shown), '') order by a.nth), '[]')
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
    select c.phone_key, c.name, coalesce(c.name, c.profile_name) as shown from public.contacts c
    where c.tenant_id = campaign.tenant_id and c.phone_key is not null
  ) k on k.phone_key = p.phone_key
  on conflict on constraint broadcast_recipients_campaign_id_wa_id_key do nothing;

  update public.broadcast_campaigns c set recipient_list_id = l.id, variable_mapping = mapping
  where c.id = campaign.id;
end;
$$;

-- PostgREST takes it for the transaction: longer than what a signed-in user's calls may take at Supabase.
alter function public.create_campaign(text, uuid, jsonb, uuid, uuid, timestamptz, jsonb) set statement_timeout = '60s';
