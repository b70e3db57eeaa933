-- The audit log: changes and refusals, and who caused them. Triggers write it in the transaction of the change. The
-- erasure of a contact removes personal data from entries, and entries are deleted at the end of the tenant's retention
-- period. Nothing else changes them.

create table public.audit_logs (
  id bigint generated always as identity primary key,
  -- no foreign keys: entries outlive the rows they describe
  tenant_id uuid not null,
  occurred_at timestamptz not null default clock_timestamp(),
  -- system: cron, a webhook from Meta, or the operator
  actor_type text not null check (actor_type in ('user', 'api_key', 'system')),
  actor_id uuid,
  actor_name text,
  -- `<entity>.created|updated|deleted`, or a security event such as `auth.log_in_refused`
  action text not null,
  entity text,
  entity_id text,
  -- the row; of an update only the changed columns. Secrets and texts of customers are masked
  before jsonb,
  after jsonb,
  request_id text,
  ip text
);
create index audit_logs_list_idx on public.audit_logs (tenant_id, id desc);
create index audit_logs_actor_idx on public.audit_logs (tenant_id, actor_id, id desc);
create index audit_logs_action_idx on public.audit_logs (tenant_id, action, id desc);
create index audit_logs_entity_idx on public.audit_logs (tenant_id, entity, entity_id, id desc);
create index audit_logs_occurred_at_idx on public.audit_logs (tenant_id, occurred_at);
create index audit_logs_number_before_idx on public.audit_logs (tenant_id, (before ->> 'wa_id'))
  where entity in ('recipient_list_entries', 'contacts') and before ->> 'wa_id' is not null;
create index audit_logs_number_after_idx on public.audit_logs (tenant_id, (after ->> 'wa_id'))
  where entity in ('recipient_list_entries', 'contacts') and after ->> 'wa_id' is not null;

-- Refuses changes of the log, with two exceptions: the erasure of a contact's personal data, and the deletion of entries at
-- the end of their retention period.
create function private.keep_audit_logs() returns trigger
language plpgsql set search_path = '' as $$
begin
  if current_setting('app.pruning_audit_logs', true) = 'on' and tg_op = 'DELETE' then
    return null;
  end if;
  if current_setting('app.erasing_audit_logs', true) = 'on' and tg_op = 'UPDATE' then
    return null;
  end if;
  raise insufficient_privilege using message = 'The audit log is append-only.';
end;
$$;

-- The actor of a change. A server that acts for a person sets `app.actor_id`.
-- Security definer: it reads the address of a person from `auth.users`.
create function private.actor(out actor_type text, out actor_id uuid, out actor_name text)
language plpgsql stable security definer set search_path = '' as $$
begin
  actor_id := coalesce(auth.uid(), nullif(current_setting('app.actor_id', true), '')::uuid);
  if actor_id is null then
    actor_type := 'system';
    return;
  end if;
  select 'user', coalesce(nullif(p.display_name, ''), u.email) into actor_type, actor_name
  from auth.users u
  left join lateral (
    select m.display_name from public.profiles m where m.user_id = u.id
    order by m.deactivated_at desc nulls first limit 1
  ) p on true
  where u.id = actor_id;
  if not found then
    select 'api_key', k.name into actor_type, actor_name from public.api_keys k where k.id = actor_id;
    actor_type := coalesce(actor_type, 'user');
  end if;
end;
$$;

-- A header of a request that comes from our functions or has the service key. Headers of any other request say what its
-- sender likes; for those the function returns null.
create function private.request_header(name text) returns text
language sql stable set search_path = '' as $$
  select case when current_setting('app.request_is_ours', true) = 'on'
    then left((nullif(current_setting('request.headers', true), '')::json) ->> name, 200) end;
$$;

-- Masks secrets, by the names of their columns, and the texts of messages and notes.
create function private.masked(entity text, changed jsonb) returns jsonb
language sql immutable set search_path = '' as $$
  select coalesce(jsonb_object_agg(
    e.key,
    case
      when e.value = 'null' then e.value
      when e.key ~ '(token|secret|password|hash|sealed|pin$)' and e.key <> 'key_prefix' then to_jsonb('***'::text)
      when entity = 'messages' and e.key in ('content', 'payload', 'metadata') then to_jsonb('***'::text)
      when entity = 'conversation_notes' and e.key = 'content' then to_jsonb('***'::text)
      when e.key in ('last_message_preview', 'variables', 'reactions', 'proof', 'file_name', 'original_content')
        then to_jsonb('***'::text)
      else e.value
    end
  ), '{}')
  from jsonb_each(changed) e;
$$;

-- The tenant of a row; null for a row without a tenant, or whose tenant is being deleted.
create function private.tenant_of(entity text, changed jsonb) returns uuid
language sql stable set search_path = '' as $$
  select case entity
    when 'tenants' then (changed ->> 'id')::uuid
    when 'role_permissions' then (
      select r.tenant_id from public.roles r where r.id = (changed ->> 'role_id')::uuid
    )
    else (changed ->> 'tenant_id')::uuid
  end;
$$;

-- Writes the changes of a statement to the log. Arguments: the key columns, separated by commas, then
--   people    log only the changes of people and integrations: for tables that programs fill, whose rows are their own
--             history
--   -column   ignore changes of this column alone
-- A statement that touches more than 1000 rows becomes one entry per tenant, with the number of rows.
-- Security definer: no caller has the right to write the audit log.
create function private.audit() returns trigger
language plpgsql security definer set search_path = '' as $$
declare
  entity constant text := tg_table_name;
  keys constant text[] := string_to_array(tg_argv[0], ',');
  ignored constant text[] := array(select substr(o, 2) from unnest(tg_argv[1:]) o where o like '-%') || '{updated_at}';
  verb constant text := case tg_op when 'INSERT' then 'created' when 'UPDATE' then 'updated' else 'deleted' end;
  who record;
  befores jsonb[] := '{}';
  afters jsonb[] := '{}';
  tenants jsonb[];
  touched integer;
begin
  select * into who from private.actor();
  if who.actor_type = 'system' and 'people' = any (tg_argv[1:]) then
    return null;
  end if;

  if tg_op = 'DELETE' then
    select count(*) into touched from before;
    if touched <= 1000 then befores := array(select to_jsonb(b) from before b);
    else befores := array(select to_jsonb(b) from before b limit 1); end if;
  else
    select count(*) into touched from after;
    if touched <= 1000 then afters := array(select to_jsonb(a) from after a);
    else afters := array(select to_jsonb(a) from after a limit 1); end if;
    if tg_op = 'UPDATE' and touched <= 1000 then befores := array(select to_jsonb(b) from before b); end if;
  end if;
  if touched = 0 then
    return null;
  end if;

  if touched > 1000 then
    if coalesce(afters[1], befores[1]) ? 'tenant_id' then
      execute format(
        'select array_agg(jsonb_build_object(''id'', t.tenant_id, ''rows'', t.n)) from (
          select c.tenant_id, count(*) as n from %I c group by c.tenant_id
        ) t', case tg_op when 'DELETE' then 'before' else 'after' end
      ) into tenants;
    else
      tenants := array[jsonb_build_object(
        'id', private.tenant_of(entity, coalesce(afters[1], befores[1])), 'rows', touched
      )];
    end if;
    insert into public.audit_logs
      (tenant_id, actor_type, actor_id, actor_name, action, entity, after, request_id, ip)
    select (t ->> 'id')::uuid, who.actor_type, who.actor_id, who.actor_name, entity || '.' || verb, entity,
      jsonb_build_object('rows', t -> 'rows'), private.request_header('x-request-id'),
      private.request_header('x-client-ip')
    from unnest(tenants) t
    where t ->> 'id' is not null;
    return null;
  end if;

  insert into public.audit_logs
    (tenant_id, actor_type, actor_id, actor_name, action, entity, entity_id, before, after, request_id, ip)
  select
    c.tenant_id, who.actor_type, who.actor_id, who.actor_name, entity || '.' || verb, entity, c.id,
    case when tg_op <> 'INSERT' then private.masked(entity, c.before) end,
    case when tg_op <> 'DELETE' then private.masked(entity, c.after) end,
    private.request_header('x-request-id'), private.request_header('x-client-ip')
  from (
    select
      coalesce(a.id, b.id) as id,
      private.tenant_of(entity, coalesce(a.changed, b.changed)) as tenant_id,
      case when tg_op = 'UPDATE' then (
        select jsonb_object_agg(e.key, e.value) from jsonb_each(b.changed) e
        where e.value is distinct from a.changed -> e.key and e.key <> all (ignored)
      ) else b.changed end as before,
      case when tg_op = 'UPDATE' then (
        select jsonb_object_agg(e.key, e.value) from jsonb_each(a.changed) e
        where e.value is distinct from b.changed -> e.key and e.key <> all (ignored)
      ) else a.changed end as after
    from (
      select u.changed, (select string_agg(u.changed ->> k, ',' order by n) from unnest(keys) with ordinality x (k, n)) as id
      from unnest(befores) u (changed)
    ) b
    full join (
      select u.changed, (select string_agg(u.changed ->> k, ',' order by n) from unnest(keys) with ordinality x (k, n)) as id
      from unnest(afters) u (changed)
    ) a on a.id = b.id
  ) c
  where c.tenant_id is not null and (tg_op <> 'UPDATE' or c.after is not null)
  order by c.id;
  return null;
end;
$$;

-- Makes the log record the changes of a table. A second call replaces the options of the first.
create function private.audit_table(name text, variadic options text[]) returns void
language plpgsql set search_path = '' as $$
declare
  arguments constant text := (select string_agg(quote_literal(o), ', ' order by n) from unnest(options) with ordinality x (o, n));
begin
  execute format('create or replace trigger audit_inserted after insert on public.%I referencing new table as after
    for each statement execute function private.audit(%s)', name, arguments);
  execute format('create or replace trigger audit_updated after update on public.%I referencing old table as before
    new table as after for each statement execute function private.audit(%s)', name, arguments);
  execute format('create or replace trigger audit_deleted after delete on public.%I referencing old table as before
    for each statement execute function private.audit(%s)', name, arguments);
end;
$$;

-- Records a security event, such as a refusal. The event belongs to the tenant of its actor. A repetition by the same
-- actor within a minute is not recorded, and neither are more than 100 refusals of an actor in an hour: the last one says
-- that more may follow.
-- Security definer: the service has no right to write the audit log.
create function private.record_event(
  action text, actor_type text, actor_id uuid, entity text, entity_id text, details jsonb
) returns void
language plpgsql security definer set search_path = '' as $$
declare
  tenant uuid;
  name text;
  most constant integer := 100;
  refusals integer := 0;
begin
  if actor_type = 'api_key' then
    select k.tenant_id, k.name into tenant, name from public.api_keys k where k.id = record_event.actor_id;
  else
    select p.tenant_id, coalesce(nullif(p.display_name, ''), u.email) into tenant, name
    from public.profiles p join auth.users u on u.id = p.user_id
    where p.user_id = record_event.actor_id and p.left_at is null;
  end if;
  if tenant is null then
    return;
  end if;
  if record_event.action like '%.refused' or record_event.action like '%\_refused' then
    select count(*) into refusals from (
      select 1 from public.audit_logs l
      where l.tenant_id = tenant and l.actor_id = record_event.actor_id and l.action = record_event.action
        and l.occurred_at > now() - interval '1 hour'
      limit most
    ) r;
    if refusals >= most then
      return;
    end if;
  end if;
  insert into public.audit_logs
    (tenant_id, actor_type, actor_id, actor_name, action, entity, entity_id, after, request_id, ip)
  select tenant, record_event.actor_type, record_event.actor_id, name, record_event.action, record_event.entity,
    record_event.entity_id,
    case when refusals = most - 1 then coalesce(record_event.details, '{}') || '{"further_ones_within_the_hour": "not recorded"}'
      else record_event.details end,
    private.request_header('x-request-id'),
    private.request_header('x-client-ip')
  where not exists (
    select 1 from public.audit_logs l
    where l.tenant_id = tenant and l.actor_id = record_event.actor_id and l.action = record_event.action
      and l.entity_id is not distinct from record_event.entity_id and l.after is not distinct from record_event.details
      and l.occurred_at > now() - interval '1 minute'
  );
end;
$$;

-- Records that the caller used a right without changing a row, such as reading the personal data of a contact. `details`
-- must hold no personal data, because an erasure does not find it.
create function private.record_use(action text, entity text, entity_id text, details jsonb) returns void
language sql set search_path = '' as $$
  select private.record_event(
    record_use.action, a.actor_type, a.actor_id, record_use.entity, record_use.entity_id, record_use.details
  )
  from private.actor() a;
$$;

-- Records a change by the caller that no trigger writes: of settings in a table that programs fill.
-- Security definer: no caller has the right to write the audit log.
create function private.record_change(tenant uuid, entity text, entity_id text, before jsonb, after jsonb) returns void
language sql security definer set search_path = '' as $$
  insert into public.audit_logs
    (tenant_id, actor_type, actor_id, actor_name, action, entity, entity_id, before, after, request_id, ip)
  select record_change.tenant, a.actor_type, a.actor_id, a.actor_name, record_change.entity || '.updated',
    record_change.entity, record_change.entity_id, record_change.before, record_change.after,
    private.request_header('x-request-id'), private.request_header('x-client-ip')
  from private.actor() a
  where record_change.before is distinct from record_change.after;
$$;

-- Records that a caller downloads a table as a file. `details` names the format and the filters, without their values.
-- Only the server calls it, before the download begins.
create function public.record_export(
  actor_type text, actor_id uuid, entity text, entity_id text default null, details jsonb default null
) returns void
language sql set search_path = '' as $$
  select private.record_event(entity || '.exported', actor_type, actor_id, entity, entity_id, details);
$$;

-- Records that the operator has stored deliveries of Meta processed again, in the log of each tenant with a number. The
-- calls of one replay make one entry an hour. Only the server calls it.
-- Security definer: the service has no right to write the audit log.
create function public.record_replay(details jsonb) returns void
language plpgsql security definer set search_path = '' as $$
begin
  insert into public.audit_logs (tenant_id, actor_type, action, entity, after, request_id, ip)
  select t.id, 'system', 'webhook_events.replayed', 'webhook_events', record_replay.details,
    private.request_header('x-request-id'), private.request_header('x-client-ip')
  from public.tenants t
  where exists (select 1 from public.whatsapp_sessions s where s.tenant_id = t.id) and not exists (
    select 1 from public.audit_logs l
    where l.tenant_id = t.id and l.action = 'webhook_events.replayed' and l.after = record_replay.details
      and l.occurred_at > now() - interval '1 hour'
  );
end;
$$;

-- Records that the password or the e-mail address of a person has changed. Supabase Auth makes these changes, for the
-- person or for an operator with the service key; it does not tell which, so the entry names the owner of the account.
-- Security definer: the role of Auth has no rights here.
create function private.audit_account() returns trigger
language plpgsql security definer set search_path = '' as $$
begin
  insert into public.audit_logs
    (tenant_id, actor_type, actor_id, actor_name, action, entity, entity_id, before, after)
  select p.tenant_id, 'user', new.id, coalesce(nullif(p.display_name, ''), new.email), c.action, 'auth', new.id::text,
    c.before, c.after
  from public.profiles p
  cross join lateral (
    select 'auth.password_changed' as action, null::jsonb as before, null::jsonb as after
    where new.encrypted_password is distinct from old.encrypted_password
    union all
    select 'auth.email_changed', jsonb_build_object('email', old.email), jsonb_build_object('email', new.email)
    where new.email is distinct from old.email
  ) c
  -- an account is no former organisation's business
  where p.user_id = new.id and p.deactivated_at is null;
  return null;
end;
$$;

-- Records a refusal by the API. Only the server calls it.
create function public.record_refusal(action text, actor_type text, actor_id uuid, route text, reason text)
returns void
language sql set search_path = '' as $$
  select private.record_event(
    action, actor_type, actor_id, 'route', route, jsonb_strip_nulls(jsonb_build_object('reason', reason))
  );
$$;

-- The hook that Supabase Auth calls after each check of a password
-- (https://supabase.com/docs/guides/auth/auth-hooks/password-verification-hook). A wrong password is a security event.
-- Security definer: the role of Auth reaches none of our tables.
create function public.hook_password_verification_attempt(event jsonb) returns jsonb
language plpgsql security definer set search_path = '' as $$
begin
  if not (event ->> 'valid')::boolean then
    perform private.record_event(
      'auth.log_in_refused', 'user', (event ->> 'user_id')::uuid, 'auth', event ->> 'user_id',
      '{"reason": "wrong_password"}'
    );
  end if;
  return '{"decision": "continue"}';
end;
$$;

-- One page of the log, newest first. `before_id` is the `next_cursor` of the previous page.
create function public.list_audit_logs(
  actor uuid default null, action text default null, entity text default null, entity_id text default null,
  since timestamptz default null, until timestamptz default null, before_id bigint default null,
  page_size integer default 50
) returns jsonb
language plpgsql stable set search_path = '' as $$
begin
  perform private.require('audit.view');
  return (
    with page as (
      select l.*
      from public.audit_logs l
      where l.tenant_id = (select private.tenant_id())
        and (before_id is null or l.id < before_id)
        and (list_audit_logs.actor is null or l.actor_id = list_audit_logs.actor)
        and (list_audit_logs.action is null or l.action = list_audit_logs.action)
        and (list_audit_logs.entity is null or l.entity = list_audit_logs.entity)
        and (list_audit_logs.entity_id is null or l.entity_id = list_audit_logs.entity_id)
        and (since is null or l.occurred_at >= since)
        and (until is null or l.occurred_at < until)
      order by l.id desc
      limit page_size + 1
    )
    select jsonb_build_object(
      'next_cursor', case when count(*) > page_size then (array_agg(p.id order by p.id desc))[page_size]::text end,
      'rows', coalesce((
        select jsonb_agg(to_jsonb(x) - 'tenant_id' || jsonb_build_object('id', x.id::text) order by x.id desc)
        from (select * from page order by page.id desc limit page_size) x
      ), '[]')
    )
    from page p
  );
end;
$$;

-- Deletes entries older than the tenant's retention period; entries of a deleted tenant are kept for a year. One call
-- deletes at most `batch` entries of a tenant and five times as many in total. Returns the number of deleted entries.
-- Security definer: the service has no right to remove entries of the audit log.
create function public.prune_audit_logs(batch integer default 10000) returns bigint
language plpgsql security definer set search_path = '' as $$
declare
  pruned bigint;
begin
  perform set_config('app.pruning_audit_logs', 'on', true);
  with recursive logged as (
    (select l.tenant_id from public.audit_logs l order by l.tenant_id limit 1)
    union all
    select (select l.tenant_id from public.audit_logs l where l.tenant_id > g.tenant_id order by l.tenant_id limit 1)
    from logged g where g.tenant_id is not null
  ),
  old as (
    select o.id
    from logged g
    left join public.tenants t on t.id = g.tenant_id
    cross join lateral (
      select l.id from public.audit_logs l
      where l.tenant_id = g.tenant_id
        and l.occurred_at < now() - make_interval(days => coalesce(t.audit_retention_days, 365))
      order by l.occurred_at
      limit batch
    ) o
    -- A statement of the service may run for 8 s. The limit leaves the rest to the next hour's run.
    limit 5 * batch::bigint
  )
  delete from public.audit_logs l using old where l.id = old.id;
  get diagnostics pruned = row_count;
  perform set_config('app.pruning_audit_logs', 'off', true);
  return pruned;
end;
$$;

create trigger keep before update or delete or truncate on public.audit_logs
  for each statement execute function private.keep_audit_logs();
create trigger audit_account after update of email, encrypted_password on auth.users
  for each row
  when (old.email is distinct from new.email or old.encrypted_password is distinct from new.encrypted_password)
  execute function private.audit_account();

select private.audit_table('tenants', 'id');
select private.audit_table('profiles', 'user_id');
select private.audit_table('roles', 'id');
select private.audit_table('role_permissions', 'role_id,permission_key');
select private.audit_table('user_roles', 'user_id,role_id');
select private.audit_table('permission_templates', 'id');
select private.audit_table('tenant_modules', 'tenant_id,module_id');
select private.audit_table('api_keys', 'id', '-last_used_at');
select private.audit_table('invitations', 'id', '-mailed_at');

alter table public.audit_logs enable row level security;

create policy "permitted people read the log of their tenant" on public.audit_logs for select to authenticated
  using (tenant_id = (select private.tenant_id()) and (select private.has_permission('audit.view')));

grant select on public.audit_logs to authenticated;

grant execute on function public.list_audit_logs(uuid, text, text, text, timestamptz, timestamptz, bigint, integer) to authenticated;

grant execute on function public.hook_password_verification_attempt(jsonb) to supabase_auth_admin;

revoke insert, update, delete, truncate, references, trigger, maintain on public.audit_logs from service_role;
grant usage on schema public to supabase_auth_admin;
