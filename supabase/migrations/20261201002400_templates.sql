-- Message templates, from the first draft to their state at Meta.
--
-- A template that Meta has not seen is a DRAFT and is edited directly. A submitted template keeps Meta's version,
-- because campaigns send it, and changes wait in `draft` until Meta accepts them. The API calls a function that begins,
-- then Meta, then a function that records the result. Only the service may record.

create table public.broadcast_templates (
  id uuid primary key default gen_random_uuid(),
  tenant_id uuid not null references public.tenants (id) on delete cascade,
  meta_business_account_id text check (meta_business_account_id ~ '^[0-9]{1,32}$'),
  meta_template_id text,
  name text not null check (name ~ '^[a-z0-9_]+$' and char_length(name) <= 512),
  language text not null default 'id' check (char_length(language) between 2 and 15),
  category text not null default 'MARKETING' check (category in ('MARKETING', 'UTILITY', 'AUTHENTICATION')),
  -- Meta's status, or DRAFT for a template that Meta has not seen
  status text not null default 'DRAFT',
  parameter_format text not null default 'POSITIONAL' check (parameter_format in ('POSITIONAL', 'NAMED')),
  -- HEADER, BODY, FOOTER and BUTTONS in the format of Meta's API
  components jsonb not null default '[]' check (jsonb_typeof(components) = 'array'),
  rejected_reason text,
  quality_score text,
  created_by uuid,
  created_at timestamptz not null default now(),
  updated_at timestamptz not null default now(),
  -- details of the status: why and until when the template is paused
  status_detail text,
  status_at timestamptz,
  quality_at timestamptz,
  category_at timestamptz,
  -- a change of category that Meta has announced, and its date
  upcoming_category text,
  upcoming_category_at timestamptz,
  -- the sample file of the header: in bucket `broadcast-media`, or Meta's handle of an upload
  sample_path text check (char_length(sample_path) between 1 and 1024),
  sample_handle text check (char_length(sample_handle) between 1 and 4096),
  -- changes that Meta has not accepted yet: {"category", "parameter_format", "components", "sample_path",
  -- "sample_handle"}
  draft jsonb check (jsonb_typeof(draft) = 'object'),
  -- the category before Meta changed it
  previous_category text,
  submitted_at timestamptz,
  -- the times of accepted edits of the approved template, which Meta limits
  edited_at timestamptz[] not null default '{}',
  -- a submission in progress, the status before it, and its start
  submission_id uuid,
  submitting_from text,
  submitting_since timestamptz,
  deleted_at timestamptz,
  components_at timestamptz,
  unique nulls not distinct (tenant_id, meta_business_account_id, name, language),
  unique (id, tenant_id),
  foreign key (created_by, tenant_id) references public.profiles (user_id, tenant_id)
    on delete set null (created_by)
);
create index broadcast_templates_created_by_idx on public.broadcast_templates (created_by, tenant_id);
create index broadcast_templates_business_account_idx
  on public.broadcast_templates (meta_business_account_id, name, language);
create index broadcast_templates_meta_template_id_idx on public.broadcast_templates (tenant_id, meta_template_id);
create unique index broadcast_templates_submission_id_idx on public.broadcast_templates (submission_id);

-- The body of a template with its variables filled in, as the thread shows it. A list of variables begins with the
-- header's, if the header has one.
create function private.render_template(components jsonb, variables jsonb) returns text
language plpgsql immutable set search_path = '' as $$
declare
  header jsonb;
  body text;
  before_body integer;
  named jsonb := variables;
begin
  select c into header from jsonb_array_elements(components) as c where upper(c ->> 'type') = 'HEADER';
  select c ->> 'text' into body from jsonb_array_elements(components) as c where upper(c ->> 'type') = 'BODY';
  if jsonb_typeof(variables) = 'array' then
    before_body := case
      when header is null then 0
      when upper(coalesce(header ->> 'format', 'TEXT')) <> 'TEXT' or header ->> 'text' like '%{{%' then 1
      else 0
    end;
    select coalesce(jsonb_object_agg(v.nth - before_body, v.value), '{}') into named
    from jsonb_array_elements(variables) with ordinality as v (value, nth)
    where v.nth > before_body;
  end if;

  -- In one pass, because a value may look like a placeholder.
  return (
    select string_agg(m.part[1] || coalesce(named ->> btrim(m.part[2], '{}'), m.part[2]), '' order by m.nth)
    from regexp_matches(body, '(.*?)(\{\{\w+\}\}|$)', 'g') with ordinality as m (part, nth)
  );
end;
$$;

-- A template for clients. `next_edit_at`: when Meta accepts the next edit of the approved template.
create function private.template_json(t public.broadcast_templates) returns jsonb
language sql stable set search_path = '' as $$
  select to_jsonb(t) - '{tenant_id,submission_id,submitting_from,submitting_since,edited_at}'::text[]
    || jsonb_build_object(
      'submitting', coalesce(t.submitting_since > now() - interval '2 minutes', false),
      'next_edit_at', (
        select max(n.at) from (
          select max(e) + interval '24 hours' as at from unnest(t.edited_at) e
          union all
          select min(e) + interval '30 days' from (
            select e from unnest(t.edited_at) e where e > now() - interval '30 days' order by e desc limit 10
          ) m having count(*) = 10
        ) n
        where n.at > now() and t.status = 'APPROVED'
      )
    );
$$;

create function public.list_templates(
  status_filter text default null, category_filter text default null, language_filter text default null,
  search text default null, page integer default 1, page_size integer default 20
) returns jsonb
language sql stable set search_path = '' as $$
  with found as (
    select t
    from public.broadcast_templates t
    where (t.status = status_filter or (status_filter is null and t.status <> 'DELETED'))
      and (category_filter is null or t.category = category_filter)
      and (language_filter is null or t.language = language_filter)
      and (search is null or strpos(t.name, lower(search)) > 0 or strpos(lower(t.components::text), lower(search)) > 0)
  )
  select jsonb_build_object(
    'total', (select count(*) from found),
    'rows', coalesce((
      select jsonb_agg(private.template_json(p.t) order by (p.t).created_at desc, (p.t).id)
      from (
        select f.t from found f order by (f.t).created_at desc, (f.t).id
        limit page_size offset (page - 1)::bigint * page_size
      ) p
    ), '[]')
  );
$$;

-- Null if the template does not exist or the caller may not see it.
create function public.get_template(template_id uuid) returns jsonb
language sql stable set search_path = '' as $$
  select private.template_json(t) from public.broadcast_templates t where t.id = get_template.template_id;
$$;

-- The account of a new template: the named one, which must have a number of the tenant, or the tenant's only one. Null
-- if there are several or none.
create function private.template_account(tenant uuid, wanted text) returns text
language plpgsql stable set search_path = '' as $$
declare
  accounts constant text[] := array(
    select distinct s.meta_business_account_id from public.whatsapp_sessions s
    where s.tenant_id = tenant and s.status <> 'disconnected'
  );
begin
  if wanted is null then
    return case when cardinality(accounts) = 1 then accounts[1] end;
  elsif wanted <> all (accounts) then
    raise sqlstate 'PT422' using message = 'No number of this account is connected.', detail = 'invalid_field',
      hint = 'business_account_id';
  end if;
  return wanted;
end;
$$;

-- A number through which the API reaches an account; null if there is none.
create function private.template_number(tenant uuid, account text) returns uuid
language sql stable set search_path = '' as $$
  select s.id from public.whatsapp_sessions s
  where s.tenant_id = tenant and s.meta_business_account_id = account and s.status <> 'disconnected'
  order by s.status = 'connected' desc, s.status = 'paused' desc, s.created_at, s.id
  limit 1;
$$;

create function private.check_sample_path(tenant uuid, path text) returns void
language plpgsql stable set search_path = '' as $$
begin
  if path is not null and not private.is_published(tenant, path) then
    raise sqlstate 'PT422' using message = 'The sample is not a published file of your organisation.', detail = 'invalid_field',
      hint = 'header.sample_path';
  end if;
end;
$$;

-- Returns the template with this id, locked, if it belongs to the caller's tenant.
create function private.own_template(template_id uuid) returns public.broadcast_templates
language plpgsql set search_path = '' as $$
declare
  template public.broadcast_templates;
begin
  select t.* into template from public.broadcast_templates t
  where t.id = own_template.template_id and t.tenant_id = private.tenant_id() and t.status <> 'DELETED'
  for update;
  if not found then
    raise sqlstate 'PT404' using message = 'There is no such template.', detail = 'not_found';
  elsif template.submitting_since > now() - interval '2 minutes' then
    raise sqlstate 'PT409' using message = 'The template is being submitted at this moment.',
      detail = 'template_submitting';
  end if;
  return template;
end;
$$;

-- Creates a draft.
-- Security definer: clients have no right to write templates.
create function public.create_template(template jsonb) returns jsonb
language plpgsql security definer set search_path = '' as $$
declare
  tenant constant uuid := private.tenant_id();
  made public.broadcast_templates;
begin
  perform private.require('templates.create');
  perform private.check_sample_path(tenant, template ->> 'sample_path');
  insert into public.broadcast_templates as t (
    tenant_id, meta_business_account_id, name, language, category, parameter_format, components, sample_path,
    sample_handle, created_by
  )
  values (
    tenant, private.template_account(tenant, template ->> 'business_account_id'), template ->> 'name',
    template ->> 'language', template ->> 'category', template ->> 'parameter_format', template -> 'components',
    template ->> 'sample_path', template ->> 'sample_handle', private.person_id()
  )
  -- a deleted template of this name becomes a draft again; its old campaigns still refer to it
  on conflict (tenant_id, meta_business_account_id, name, language) do update
  set
    status = 'DRAFT', meta_template_id = null, category = excluded.category,
    parameter_format = excluded.parameter_format, components = excluded.components,
    sample_path = excluded.sample_path, sample_handle = excluded.sample_handle, draft = null,
    previous_category = null, submitted_at = null, edited_at = '{}', deleted_at = null, rejected_reason = null,
    quality_score = null, created_by = excluded.created_by, created_at = now()
  where t.status = 'DELETED'
  returning t.* into made;
  if made.id is null then
    raise sqlstate 'PT409' using message = 'There is a template of this name in this language.',
      detail = 'template_exists', hint = 'name';
  end if;
  return private.template_json(made);
end;
$$;

-- Replaces the content of a template. `expected`: the time of the last change that the caller knows.
-- Security definer: clients have no right to write templates.
create function public.update_template(template_id uuid, template jsonb, expected timestamptz) returns jsonb
language plpgsql security definer set search_path = '' as $$
declare
  old public.broadcast_templates;
  made public.broadcast_templates;
  account text;
begin
  perform private.require('templates.update');
  old := private.own_template(update_template.template_id);
  -- many clients keep times to the millisecond
  if date_trunc('milliseconds', old.updated_at) <> date_trunc('milliseconds', expected) then
    raise sqlstate 'PT409' using message = 'The template has just been changed. Please reload it.',
      detail = 'template_changed';
  end if;
  perform private.check_sample_path(old.tenant_id, template ->> 'sample_path');

  if old.status = 'DRAFT' then
    account := private.template_account(
      old.tenant_id, coalesce(template ->> 'business_account_id', old.meta_business_account_id)
    );
    if exists (
      select 1 from public.broadcast_templates o
      where o.tenant_id = old.tenant_id and o.meta_business_account_id is not distinct from account
        and o.name = template ->> 'name' and o.language = template ->> 'language' and o.id <> old.id
    ) then
      raise sqlstate 'PT409' using message = 'There is a template of this name in this language.',
        detail = 'template_exists', hint = 'name';
    end if;
    update public.broadcast_templates t
    set
      meta_business_account_id = account, name = template ->> 'name', language = template ->> 'language',
      category = template ->> 'category', parameter_format = template ->> 'parameter_format',
      components = template -> 'components', sample_path = template ->> 'sample_path',
      sample_handle = template ->> 'sample_handle'
    where t.id = old.id
    returning t.* into made;
    return private.template_json(made);
  end if;

  if old.status not in ('APPROVED', 'REJECTED', 'PAUSED') then
    raise sqlstate 'PT409' using
      message = format('The template is %s; WhatsApp lets only approved, rejected and paused ones be edited.', old.status),
      detail = 'template_not_editable';
  elsif template ->> 'name' <> old.name or template ->> 'language' <> old.language then
    raise sqlstate 'PT422' using message = 'Name and language cannot be changed after submission.',
      detail = 'invalid_field', hint = case when template ->> 'name' <> old.name then 'name' else 'language' end;
  elsif old.status = 'APPROVED' and template ->> 'category' <> old.category then
    raise sqlstate 'PT422' using message = 'The category of an approved template cannot be changed.',
      detail = 'invalid_field', hint = 'category';
  end if;
  update public.broadcast_templates t
  set draft = jsonb_build_object(
    'category', template -> 'category', 'parameter_format', template -> 'parameter_format',
    'components', template -> 'components', 'sample_path', template -> 'sample_path',
    'sample_handle', template -> 'sample_handle'
  )
  where t.id = old.id
  returning t.* into made;
  return private.template_json(made);
end;
$$;

-- Returns the request to Meta and blocks concurrent submissions.
-- Security definer: clients have no right to write templates.
create function public.begin_template_submission(template_id uuid, expected timestamptz) returns jsonb
language plpgsql security definer set search_path = '' as $$
declare
  template public.broadcast_templates;
  account text;
  session uuid;
  next_edit timestamptz;
  wanted text;
begin
  perform private.require('templates.submit');
  template := private.own_template(begin_template_submission.template_id);
  if date_trunc('milliseconds', template.updated_at) <> date_trunc('milliseconds', expected) then
    raise sqlstate 'PT409' using message = 'The template has just been changed. Please reload it.',
      detail = 'template_changed';
  end if;

  wanted := case
    when template.status = 'DRAFT' then 'create'
    when template.status = 'REJECTED' then 'edit'
    when template.status = 'PAUSED' and template.draft is null then 'unpause'
    when template.status in ('APPROVED', 'PAUSED') and template.draft is not null then 'edit'
  end;
  if wanted is null then
    raise sqlstate 'PT409' using
      message = case when template.status = 'APPROVED' then 'Nothing has been changed since the template was approved.'
        else format('The template is %s and cannot be submitted.', template.status) end,
      detail = case when template.status = 'APPROVED' then 'template_unchanged' else 'template_not_editable' end;
  end if;
  next_edit := (private.template_json(template) ->> 'next_edit_at')::timestamptz;
  if wanted = 'edit' and next_edit is not null then
    raise sqlstate 'PT409' using
      message = format('WhatsApp takes one edit of an approved template in 24 hours and ten in 30 days: again from %s UTC.',
        to_char(next_edit at time zone 'UTC', 'YYYY-MM-DD HH24:MI')),
      detail = 'template_edit_limit';
  end if;

  account := coalesce(template.meta_business_account_id, private.template_account(template.tenant_id, null));
  if account is null then
    raise sqlstate 'PT422' using message = 'Name the WhatsApp Business account the template is for.',
      detail = 'invalid_field', hint = 'business_account_id';
  end if;
  session := private.template_number(template.tenant_id, account);
  if session is null then
    raise sqlstate 'PT409' using message = 'No number of the template''s account is connected.',
      detail = 'no_connected_number';
  end if;
  if template.meta_business_account_id is null and exists (
    select 1 from public.broadcast_templates o
    where o.tenant_id = template.tenant_id and o.meta_business_account_id = account and o.name = template.name
      and o.language = template.language
  ) then
    raise sqlstate 'PT409' using message = 'There is a template of this name in this language.',
      detail = 'template_exists', hint = 'name';
  end if;

  update public.broadcast_templates t
  set
    meta_business_account_id = account, submission_id = gen_random_uuid(), submitting_from = t.status,
    submitting_since = now()
  where t.id = template.id
  returning t.* into template;
  return jsonb_build_object(
    'submission_id', template.submission_id, 'action', wanted, 'session_id', session, 'business_account_id', account
  );
end;
$$;

-- Records the result of a submission: {"outcome": "submitted" | "refused", "meta_template_id"?, "status"?,
-- "category"?}. If a webhook came first, its status is newer and stays.
create function public.record_template_submission(submission_id uuid, result jsonb, actor uuid) returns jsonb
language plpgsql set search_path = '' as $$
declare
  template public.broadcast_templates;
  untouched boolean;
begin
  perform set_config('app.actor_id', coalesce(actor::text, ''), true);
  select t.* into template from public.broadcast_templates t
  where t.submission_id = record_template_submission.submission_id
  for update;
  if not found then
    return null;
  end if;
  untouched := template.updated_at = template.submitting_since;
  if result ->> 'outcome' = 'submitted' then
    update public.broadcast_templates t
    set
      meta_template_id = coalesce(result ->> 'meta_template_id', t.meta_template_id),
      status = case when untouched then coalesce(result ->> 'status', 'PENDING') else t.status end,
      rejected_reason = case when untouched then null else t.rejected_reason end,
      category = coalesce(result ->> 'category', t.draft ->> 'category', t.category),
      previous_category = case
        when result ->> 'category' <> coalesce(t.draft ->> 'category', t.category)
        then coalesce(t.draft ->> 'category', t.category) else t.previous_category end,
      parameter_format = coalesce(t.draft ->> 'parameter_format', t.parameter_format),
      components = coalesce(t.draft -> 'components', t.components),
      sample_path = case when t.draft is null then t.sample_path else t.draft ->> 'sample_path' end,
      sample_handle = case when t.draft is null then t.sample_handle else t.draft ->> 'sample_handle' end,
      draft = null,
      submitted_at = now(),
      edited_at = case when t.submitting_from = 'APPROVED' then t.edited_at[greatest(1, cardinality(t.edited_at) - 8):] || now()
        else t.edited_at end,
      submission_id = null, submitting_from = null, submitting_since = null
    where t.id = template.id
    returning t.* into template;
  else
    update public.broadcast_templates t
    set submission_id = null, submitting_from = null, submitting_since = null
    where t.id = template.id
    returning t.* into template;
  end if;
  return private.template_json(template);
end;
$$;

-- Returns the deletion to request from Meta: {"ids", "session_id"?, "business_account_id"?, "name"?,
-- "meta_template_id"?}. Drafts that Meta never saw are deleted at once, and the result then has no session.
-- Security definer: clients have no right to call `private.own_template`.
create function public.begin_template_deletion(template_id uuid, all_languages boolean) returns jsonb
language plpgsql security definer set search_path = '' as $$
declare
  template public.broadcast_templates;
  wanted uuid[];
  session uuid;
begin
  perform private.require('templates.delete');
  template := private.own_template(begin_template_deletion.template_id);
  wanted := case when all_languages then array(
    select t.id from public.broadcast_templates t
    where t.tenant_id = template.tenant_id and t.name = template.name and t.status <> 'DELETED'
      and t.meta_business_account_id is not distinct from template.meta_business_account_id
    order by t.id
    for update
  ) else array[template.id] end;

  if exists (
    select 1 from public.broadcast_campaigns c
    where c.template_id = any (wanted) and c.status in ('scheduled', 'sending', 'paused')
  ) then
    raise sqlstate 'PT409' using message = 'A campaign that has not ended uses this template.',
      detail = 'template_in_use';
  elsif exists (
    select 1 from public.broadcast_templates t where t.id = any (wanted) and t.status = 'DISABLED'
  ) then
    raise sqlstate 'PT409' using message = 'WhatsApp does not let disabled templates be deleted.',
      detail = 'template_not_deletable';
  end if;

  if not exists (
    select 1 from public.broadcast_templates t where t.id = any (wanted) and t.meta_template_id is not null
  ) then
    perform private.remove_templates(wanted);
    return jsonb_build_object('ids', wanted);
  end if;
  session := private.template_number(template.tenant_id, template.meta_business_account_id);
  if session is null then
    raise sqlstate 'PT409' using message = 'No number of the template''s account is connected.',
      detail = 'no_connected_number';
  end if;
  return jsonb_build_object(
    'ids', wanted, 'session_id', session, 'business_account_id', template.meta_business_account_id,
    'name', template.name, 'meta_template_id', template.meta_template_id
  );
end;
$$;

-- Deletes templates. Those that other rows refer to are only marked as deleted.
create function private.remove_templates(ids uuid[]) returns void
language plpgsql set search_path = '' as $$
declare
  one uuid;
begin
  foreach one in array ids loop
    begin
      delete from public.broadcast_templates t where t.id = one;
    exception when foreign_key_violation then
      update public.broadcast_templates t set status = 'DELETED', deleted_at = now(), draft = null where t.id = one;
    end;
  end loop;
end;
$$;

create function public.record_template_deletion(ids uuid[], actor uuid) returns void
language plpgsql set search_path = '' as $$
begin
  perform set_config('app.actor_id', coalesce(actor::text, ''), true);
  perform private.remove_templates(ids);
end;
$$;

-- The accounts whose templates have to be read, each with a number to read them by.
-- Security definer: clients have no right to call `private.template_number`.
create function public.begin_template_sync() returns jsonb
language plpgsql security definer set search_path = '' as $$
declare
  tenant constant uuid := private.tenant_id();
begin
  perform private.require('templates.sync');
  return jsonb_build_object('started_at', clock_timestamp(), 'accounts', coalesce((
    select jsonb_agg(jsonb_build_object(
      'business_account_id', a.id, 'session_id', private.template_number(tenant, a.id)
    ) order by a.id)
    from (
      select distinct s.meta_business_account_id as id from public.whatsapp_sessions s
      where s.tenant_id = tenant and s.status <> 'disconnected'
    ) a
  ), '[]'));
end;
$$;

-- Removes sample files from components: Meta returns another URL for them each time.
create function private.without_samples(components jsonb) returns jsonb
language sql immutable set search_path = '' as $$
  select coalesce(jsonb_agg(c.value #- '{example,header_handle}' order by c.position), '[]')
  from jsonb_array_elements(components) with ordinality as c (value, position);
$$;

-- Replaces the tenant's templates of an account by Meta's current ones. Templates that changed after `started_at` are
-- newer than the data and stay.
create function public.record_template_sync(
  session_id uuid, templates jsonb, started_at timestamptz, actor uuid
) returns jsonb
language plpgsql set search_path = '' as $$
declare
  session public.whatsapp_sessions;
  added integer;
  changed integer;
  removed integer;
begin
  perform set_config('app.actor_id', coalesce(actor::text, ''), true);
  select s.* into strict session from public.whatsapp_sessions s where s.id = record_template_sync.session_id;

  with remote as (
    select r.* from jsonb_to_recordset(templates) as r (
      id text, name text, language text, status text, category text, previous_category text, parameter_format text,
      components jsonb, quality_score text, rejected_reason text
    )
  ),
  matched as (
    select r.*, k.row_id
    from remote r
    cross join lateral (
      select t.id as row_id from public.broadcast_templates t
      where t.tenant_id = session.tenant_id
        and (t.meta_business_account_id = session.meta_business_account_id or t.meta_business_account_id is null)
        and (t.meta_template_id = r.id or (t.name = r.name and t.language = r.language))
      order by t.meta_template_id is not distinct from r.id desc, t.meta_business_account_id nulls last
      limit 1
    ) k
  ),
  renewed as (
    update public.broadcast_templates t
    set
      meta_business_account_id = session.meta_business_account_id, meta_template_id = m.id, status = m.status,
      category = m.category, previous_category = coalesce(m.previous_category, t.previous_category),
      parameter_format = m.parameter_format, components = m.components, quality_score = m.quality_score,
      rejected_reason = m.rejected_reason, deleted_at = null,
      -- if Meta already has the template, its local draft becomes a change
      draft = case
        when t.status = 'DRAFT' and private.without_samples(t.components) <> private.without_samples(m.components)
        then jsonb_build_object(
          'category', t.category, 'parameter_format', t.parameter_format, 'components', t.components,
          'sample_path', t.sample_path, 'sample_handle', t.sample_handle
        )
        else t.draft
      end
    from matched m
    where t.id = m.row_id and t.updated_at < record_template_sync.started_at and t.submission_id is null
      and (
        t.meta_business_account_id, t.meta_template_id, t.status, t.category, t.parameter_format,
        private.without_samples(t.components), t.quality_score, t.rejected_reason
      ) is distinct from (
        session.meta_business_account_id, m.id, m.status, m.category, m.parameter_format,
        private.without_samples(m.components), m.quality_score, m.rejected_reason
      )
    returning 1
  )
  select count(*) into changed from renewed;

  with new as (
    insert into public.broadcast_templates as t (
      tenant_id, meta_business_account_id, meta_template_id, name, language, category, previous_category, status,
      parameter_format, components, quality_score, rejected_reason
    )
    select
      session.tenant_id, session.meta_business_account_id, r.id, r.name, r.language, r.category, r.previous_category,
      r.status, r.parameter_format, r.components, r.quality_score, r.rejected_reason
    from jsonb_to_recordset(templates) as r (
      id text, name text, language text, status text, category text, previous_category text, parameter_format text,
      components jsonb, quality_score text, rejected_reason text
    )
    where not exists (
      select 1 from public.broadcast_templates o
      where o.tenant_id = session.tenant_id
        and (o.meta_business_account_id = session.meta_business_account_id or o.meta_business_account_id is null)
        and (o.meta_template_id = r.id or (o.name = r.name and o.language = r.language))
    )
    on conflict (tenant_id, meta_business_account_id, name, language) do nothing
    returning 1
  )
  select count(*) into added from new;

  with gone as (
    update public.broadcast_templates t
    set status = 'DELETED', deleted_at = now(), draft = null
    where t.tenant_id = session.tenant_id and t.meta_business_account_id = session.meta_business_account_id
      and t.meta_template_id is not null and t.status <> 'DELETED' and t.submission_id is null
      and t.updated_at < record_template_sync.started_at
      and not exists (select 1 from jsonb_array_elements(templates) r where r.value ->> 'id' = t.meta_template_id)
    returning 1
  )
  select count(*) into removed from gone;

  return jsonb_build_object('added', added, 'changed', changed, 'removed', removed);
end;
$$;

-- The names of a template's variables. A list of values has as many elements. A positional variable of the header is named
-- `header_1`, a named one keeps its name, and the code of an authentication template is variable 1.
create function private.template_variables(components jsonb) returns text[]
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
    -- Meta writes the surrounding text
    select '1' from buttons b
    where b.type = 'OTP' and not exists (select 1 from parts p where p.type = 'BODY' and p.text is not null)
  ) w;
$$;

-- The rules for values that Meta documents. The sender checks the same rules: see `TemplateDefinition::check`.
create function private.invalid_values(
  components jsonb, body_length integer, repeats integer, header jsonb, variables jsonb
) returns boolean
language sql immutable set search_path = '' as $$
  select
    jsonb_path_exists(variables, '$.* ? (@ like_regex "[\n\r\t]|     ")')
    or jsonb_path_exists(variables, '$[*] ? (@ like_regex "[\n\r\t]|     ")')
    -- rendered only if it may be too long
    or case when body_length + repeats * char_length(variables::text) > 1024
      then char_length(private.render_template(components, variables)) > 1024 else false end
    or case
      when header is null then false
      when header ->> 'format' = 'TEXT' then
        (header ->> 'length')::integer
          + coalesce(char_length(coalesce(variables ->> 0, variables ->> (header ->> 'name'))), 0) > 60
      when header ->> 'format' = 'LOCATION' then false
      else coalesce(nullif(coalesce(variables ->> 0, variables ->> 'header'), ''), '1') !~ '^(https://.*|[0-9]+)$'
    end;
$$;

create trigger touch_updated_at before update on public.broadcast_templates
  for each row execute function private.touch_updated_at();

-- Changes are written to the audit log.
select private.audit_table('broadcast_templates', 'id');

alter table public.broadcast_templates enable row level security;

create policy "permitted people read templates" on public.broadcast_templates for select to authenticated
  using (
    tenant_id = (select private.tenant_id())
    and ((select private.has_permission('broadcasts.view')) or (select private.has_permission('templates.view')))
  );

grant select on public.broadcast_templates to authenticated;

grant execute on function
  private.render_template(jsonb, jsonb),
  private.template_json(public.broadcast_templates),
  public.list_templates(text, text, text, text, integer, integer),
  public.get_template(uuid),
  public.create_template(jsonb),
  public.update_template(uuid, jsonb, timestamptz),
  public.begin_template_submission(uuid, timestamptz),
  public.begin_template_deletion(uuid, boolean),
  public.begin_template_sync()
to authenticated;
