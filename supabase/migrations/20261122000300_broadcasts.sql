-- Templates, campaigns and their recipients. The recipients are the queue: there is no other.

create table public.broadcast_templates (
  id uuid primary key default gen_random_uuid(),
  tenant_id uuid not null references public.tenants (id) on delete cascade,
  meta_business_account_id text check (meta_business_account_id ~ '^[0-9]{1,32}$'),
  meta_template_id text,
  name text not null check (name ~ '^[a-z0-9_]+$' and char_length(name) <= 512),
  language text not null default 'id' check (char_length(language) between 2 and 15),
  category text not null default 'MARKETING' check (category in ('MARKETING', 'UTILITY', 'AUTHENTICATION')),
  -- as Meta names it: DRAFT is ours, for a template Meta has not seen
  status text not null default 'DRAFT',
  parameter_format text not null default 'POSITIONAL' check (parameter_format in ('POSITIONAL', 'NAMED')),
  -- HEADER, BODY, FOOTER, BUTTONS in the shape of Meta's API
  components jsonb not null default '[]' check (jsonb_typeof(components) = 'array'),
  rejected_reason text,
  quality_score text,
  created_by uuid,
  created_at timestamptz not null default now(),
  updated_at timestamptz not null default now(),
  unique nulls not distinct (tenant_id, meta_business_account_id, name, language),
  unique (id, tenant_id),
  foreign key (created_by, tenant_id) references public.profiles (user_id, tenant_id)
    on delete set null (created_by)
);
create index broadcast_templates_created_by_idx on public.broadcast_templates (created_by, tenant_id);
create index broadcast_templates_business_account_idx
  on public.broadcast_templates (meta_business_account_id, name, language);

create table public.broadcast_campaigns (
  id uuid primary key default gen_random_uuid(),
  tenant_id uuid not null references public.tenants (id) on delete cascade,
  name text not null check (char_length(name) between 1 and 200),
  status text not null default 'draft' check (status in (
    'draft', 'scheduled', 'sending', 'paused', 'completed', 'failed', 'cancelled'
  )),
  -- why it is paused or failed, for people
  status_reason text,
  session_id uuid not null,
  template_id uuid not null,
  sender_id uuid,
  scheduled_at timestamptz,
  started_at timestamptz,
  completed_at timestamptz,
  -- when its numbers were last announced to the tenant's topic
  progress_announced_at timestamptz not null default '-infinity',
  created_at timestamptz not null default now(),
  updated_at timestamptz not null default now(),
  unique (id, tenant_id),
  check (status <> 'scheduled' or scheduled_at is not null),
  foreign key (session_id, tenant_id) references public.whatsapp_sessions (id, tenant_id) on delete cascade,
  foreign key (template_id, tenant_id) references public.broadcast_templates (id, tenant_id),
  foreign key (sender_id, tenant_id) references public.profiles (user_id, tenant_id)
    on delete set null (sender_id)
);
create index broadcast_campaigns_list_idx on public.broadcast_campaigns (tenant_id, created_at desc, id);
create index broadcast_campaigns_session_idx on public.broadcast_campaigns (session_id, tenant_id);
create index broadcast_campaigns_template_idx on public.broadcast_campaigns (template_id, tenant_id);
create index broadcast_campaigns_sender_idx on public.broadcast_campaigns (sender_id, tenant_id);
create index broadcast_campaigns_sending_idx on public.broadcast_campaigns (session_id)
  where status = 'sending';
create index broadcast_campaigns_scheduled_idx on public.broadcast_campaigns (scheduled_at)
  where status = 'scheduled';

create table public.broadcast_recipients (
  id uuid primary key default gen_random_uuid(),
  tenant_id uuid not null references public.tenants (id) on delete cascade,
  campaign_id uuid not null,
  position integer not null default 0,
  wa_id text not null check (wa_id ~ '^[0-9]{1,20}$'),
  name text check (char_length(name) <= 200),
  -- what fills the template: a list for positional variables, an object for named ones
  variables jsonb not null default '[]' check (case jsonb_typeof(variables)
    -- One recipient that cannot be read would stop the number's whole queue.
    when 'array' then not jsonb_path_exists(variables, 'strict $[*] ? (@.type() == "array" || @.type() == "object")')
    when 'object' then not jsonb_path_exists(variables, 'strict $.* ? (@.type() == "array" || @.type() == "object")')
    else false
  end),
  status text not null default 'pending' check (status in (
    'pending', 'sending', 'sent', 'delivered', 'read', 'failed', 'unknown', 'skipped'
  )),
  message_id uuid unique references public.messages (id) on delete set null,
  -- the claim it was last handed out with: an outcome that gives it back must name it
  claim_id uuid,
  -- how often Meta was asked
  attempts smallint not null default 0,
  due_at timestamptz not null default now(),
  error_code integer,
  error_title text,
  error_details text,
  sent_at timestamptz,
  delivered_at timestamptz,
  read_at timestamptz,
  failed_at timestamptz,
  created_at timestamptz not null default now(),
  -- nobody is in a campaign twice
  unique (campaign_id, wa_id),
  foreign key (campaign_id, tenant_id) references public.broadcast_campaigns (id, tenant_id) on delete cascade
);
create index broadcast_recipients_campaign_idx on public.broadcast_recipients (campaign_id, tenant_id);
create index broadcast_recipients_tenant_idx on public.broadcast_recipients (tenant_id);
create index broadcast_recipients_status_idx on public.broadcast_recipients (campaign_id, status);
create index broadcast_recipients_queue_idx on public.broadcast_recipients (campaign_id, due_at, position)
  where status = 'pending';
create index broadcast_recipients_sending_idx on public.broadcast_recipients (campaign_id)
  where status = 'sending';

create trigger touch_updated_at before update on public.broadcast_templates
  for each row execute function private.touch_updated_at();
create trigger touch_updated_at before update on public.broadcast_campaigns
  for each row
  when (old.progress_announced_at is not distinct from new.progress_announced_at)
  execute function private.touch_updated_at();

alter table public.broadcast_templates enable row level security;
alter table public.broadcast_campaigns enable row level security;
alter table public.broadcast_recipients enable row level security;

revoke all on public.broadcast_templates, public.broadcast_campaigns, public.broadcast_recipients
  from anon, authenticated;
grant select on public.broadcast_templates, public.broadcast_campaigns, public.broadcast_recipients
  to authenticated;
grant all on public.broadcast_templates, public.broadcast_campaigns, public.broadcast_recipients
  to service_role;

create policy "members with the right read templates" on public.broadcast_templates
  for select to authenticated
  using (tenant_id = (select private.tenant_id()) and (select private.has_permission('broadcasts.view')));
create policy "members with the right read campaigns" on public.broadcast_campaigns
  for select to authenticated
  using (tenant_id = (select private.tenant_id()) and (select private.has_permission('broadcasts.view')));
create policy "members with the right read recipients" on public.broadcast_recipients
  for select to authenticated
  using (tenant_id = (select private.tenant_id()) and (select private.has_permission('broadcasts.view')));

-- A campaign's numbers, counted from its rows each time: they cannot drift. `sent`, `delivered` and `read`
-- include those that went further, as people read them.
create function private.campaign_counts(campaign uuid) returns jsonb
language sql stable set search_path = '' as $$
  with n as (
    select
      count(*) as total,
      count(*) filter (where status = 'pending') as pending,
      count(*) filter (where status = 'sending') as sending,
      count(*) filter (where status in ('sent', 'delivered', 'read')) as sent,
      count(*) filter (where status in ('delivered', 'read')) as delivered,
      count(*) filter (where status = 'read') as read,
      count(*) filter (where status = 'failed') as failed,
      count(*) filter (where status = 'unknown') as unknown,
      count(*) filter (where status = 'skipped') as skipped
    from public.broadcast_recipients
    where campaign_id = campaign
  )
  select jsonb_build_object(
    'total', total, 'pending', pending, 'sending', sending, 'sent', sent, 'delivered', delivered, 'read', read,
    'failed', failed, 'unknown', unknown, 'skipped', skipped,
    'progress_percent', case when total = 0 then 0 else
      floor(1000.0 * (total - pending - sending) / total) / 10 end,
    'delivery_rate_percent', case when sent = 0 then 0 else floor(1000.0 * delivered / sent) / 10 end,
    'read_rate_percent', case when sent = 0 then 0 else floor(1000.0 * read / sent) / 10 end
  )
  from n;
$$;

create function private.campaign_json(c public.broadcast_campaigns) returns jsonb
language sql stable set search_path = '' as $$
  select jsonb_build_object(
    'id', c.id, 'name', c.name, 'status', c.status, 'status_reason', c.status_reason,
    'session_id', c.session_id, 'template_id', c.template_id, 'sender_id', c.sender_id,
    'scheduled_at', c.scheduled_at, 'started_at', c.started_at, 'completed_at', c.completed_at,
    'created_at', c.created_at, 'updated_at', c.updated_at,
    'statistics', private.campaign_counts(c.id)
  );
$$;
grant execute on function private.campaign_counts(uuid), private.campaign_json(public.broadcast_campaigns)
  to authenticated;

create function public.list_campaigns(status_filter text, page integer, page_size integer) returns jsonb
language sql stable set search_path = '' as $$
  select jsonb_build_object(
    'total', (
      select count(*) from public.broadcast_campaigns c where status_filter is null or c.status = status_filter
    ),
    'rows', coalesce((
      select jsonb_agg(private.campaign_json(p.c) order by (p.c).created_at desc, (p.c).id)
      from (
        select c
        from public.broadcast_campaigns c
        where status_filter is null or c.status = status_filter
        order by c.created_at desc, c.id
        limit page_size offset (page - 1)::bigint * page_size
      ) p
    ), '[]')
  );
$$;

-- Null when there is none, or none the caller may see.
create function public.get_campaign(campaign_id uuid) returns jsonb
language sql stable set search_path = '' as $$
  select private.campaign_json(c) || jsonb_build_object(
    'template', (
      select jsonb_build_object('id', t.id, 'name', t.name, 'language', t.language, 'category', t.category)
      from public.broadcast_templates t where t.id = c.template_id
    ),
    'failures', coalesce((
      select jsonb_agg(jsonb_build_object(
        'error_code', f.error_code, 'error_title', f.error_title, 'count', f.n
      ) order by f.n desc, f.error_code)
      from (
        select r.error_code, min(r.error_title) as error_title, count(*) as n
        from public.broadcast_recipients r
        where r.campaign_id = c.id and r.status = 'failed'
        group by r.error_code
      ) f
    ), '[]')
  )
  from public.broadcast_campaigns c
  where c.id = get_campaign.campaign_id;
$$;

-- Creates a campaign with its recipients, or nothing. `recipients` is a list of
-- {"wa_id", "name"?, "variables"?}; a number listed twice is kept once. Starts with the next cron minute
-- unless `scheduled_at` is later. Security definer: clients have no right to write these tables.
create function public.create_campaign(
  name text,
  template_id uuid,
  recipients jsonb,
  session_id uuid default null,
  sender_id uuid default null,
  scheduled_at timestamptz default null
) returns jsonb
language plpgsql security definer set search_path = '' as $$
declare
  tenant constant uuid := private.tenant_id();
  the_session uuid := create_campaign.session_id;
  the_sender constant uuid := coalesce(create_campaign.sender_id, auth.uid());
  template public.broadcast_templates;
  campaign public.broadcast_campaigns;
  numbers integer;
begin
  if tenant is null or not private.has_permission('broadcasts.create')
    or not private.has_permission('broadcasts.send')
  then
    raise sqlstate 'PT403' using message = 'You may not create campaigns.', detail = 'forbidden';
  end if;

  select t.* into template from public.broadcast_templates t
  where t.id = create_campaign.template_id and t.tenant_id = tenant;
  if not found then
    raise sqlstate 'PT422' using message = 'There is no such template.', detail = 'invalid_field',
      hint = 'template_id';
  end if;
  if template.status <> 'APPROVED' then
    raise sqlstate 'PT422' using
      message = format('The template is %s; only an approved template can be sent.', template.status),
      detail = 'template_not_approved', hint = 'template_id';
  end if;

  if the_session is null then
    select count(*), (array_agg(s.id))[1] into numbers, the_session from public.whatsapp_sessions s
    where s.tenant_id = tenant
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
    where s.id = the_session and s.tenant_id = tenant
      and (template.meta_business_account_id is null
        or s.meta_business_account_id = template.meta_business_account_id)
  ) then
    raise sqlstate 'PT422' using message = 'There is no such number, or the template is not of its account.',
      detail = 'invalid_field', hint = 'session_id';
  end if;

  if not exists (
    select 1 from public.profiles p
    where p.user_id = the_sender and p.tenant_id = tenant and p.deactivated_at is null
  ) then
    raise sqlstate 'PT422' using message = 'There is no such person.', detail = 'invalid_field',
      hint = 'sender_id';
  end if;

  insert into public.broadcast_campaigns as c
    (tenant_id, name, status, session_id, template_id, sender_id, scheduled_at, started_at)
  select
    tenant, create_campaign.name, case when later then 'scheduled' else 'sending' end, the_session, template.id,
    the_sender, create_campaign.scheduled_at, case when later then null else now() end
  from (select coalesce(create_campaign.scheduled_at > now(), false) as later) as moment
  returning c.* into campaign;

  insert into public.broadcast_recipients (tenant_id, campaign_id, position, wa_id, name, variables)
  select tenant, campaign.id, r.position, r.value ->> 'wa_id', r.value ->> 'name',
    coalesce(nullif(r.value -> 'variables', 'null'), '[]')
  from jsonb_array_elements(recipients) with ordinality as r (value, position)
  on conflict on constraint broadcast_recipients_campaign_id_wa_id_key do nothing;
  if not found then
    raise sqlstate 'PT422' using message = 'A campaign needs at least one recipient.',
      detail = 'invalid_field', hint = 'recipients';
  end if;

  return private.campaign_json(campaign);
end;
$$;

revoke execute on function public.list_campaigns(text, integer, integer), public.get_campaign(uuid),
  public.create_campaign(text, uuid, jsonb, uuid, uuid, timestamptz) from public, anon;
grant execute on function public.list_campaigns(text, integer, integer), public.get_campaign(uuid),
  public.create_campaign(text, uuid, jsonb, uuid, uuid, timestamptz) to authenticated;
