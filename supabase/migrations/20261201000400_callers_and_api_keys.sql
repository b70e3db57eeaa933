-- Callers and their rights: people with access tokens, and integrations with API keys.

-- API keys of integrations. The hash of a key is kept in a private table, which clients cannot read.
create table public.api_keys (
  id uuid primary key default gen_random_uuid(),
  tenant_id uuid not null references public.tenants (id) on delete cascade,
  name text not null check (char_length(name) between 1 and 100 and private.is_visible(name)),
  -- the first characters of the key, by which people recognise it
  prefix text not null,
  role_id uuid not null references public.roles (id),
  created_by uuid,
  created_at timestamptz not null default now(),
  expires_at timestamptz,
  last_used_at timestamptz,
  revoked_at timestamptz,
  revoked_by uuid,
  foreign key (created_by, tenant_id) references public.profiles (user_id, tenant_id)
    on delete set null (created_by),
  foreign key (revoked_by, tenant_id) references public.profiles (user_id, tenant_id)
    on delete set null (revoked_by)
);
create index api_keys_tenant_id_idx on public.api_keys (tenant_id, created_at desc, id);
create index api_keys_role_id_idx on public.api_keys (role_id);
create index api_keys_created_by_idx on public.api_keys (created_by, tenant_id);
create index api_keys_revoked_by_idx on public.api_keys (revoked_by, tenant_id);

create table private.api_key_secrets (
  api_key_id uuid primary key references public.api_keys (id) on delete cascade,
  -- SHA-256 of the key, which has 244 random bits
  key_hash bytea not null unique
);

-- The IP addresses from which a key has been used.
create table private.api_key_places (
  api_key_id uuid not null references public.api_keys (id) on delete cascade,
  ip text not null,
  first_used_at timestamptz not null default now(),
  last_used_at timestamptz not null default now(),
  primary key (api_key_id, ip)
);

-- The proofs by which the database recognises our functions. The functions derive a proof from the service key, and send
-- it in the header `x-function-proof` with each request of a person or an API key.
create table private.function_proofs (
  -- SHA-256 of the proof
  proof_hash bytea primary key check (octet_length(proof_hash) = 32),
  expires_at timestamptz not null
);

create sequence private.access_version_numbers;

-- A version number per tenant. It increases when the rights of a person or a key of the tenant may have changed. No two
-- tenants ever have the same number: a person who changes the tenant is noticed as well.
create table private.access_versions (
  tenant_id uuid primary key references public.tenants (id) on delete cascade,
  version bigint not null default nextval('private.access_version_numbers'),
  -- It ends the name of every live topic. A change of rights renews it: people who joined before hear nothing more. A
  -- change that touches no rights, as of a name, renews the version alone.
  epoch bigint not null default nextval('private.access_version_numbers'),
  previous_epoch bigint
);

-- Everything a request needs to know about its caller, in one call. Null for a caller without a tenant.
-- Security definer: clients have no right to read `private.role_holdings`.
create function public.current_access() returns jsonb
language plpgsql stable security definer set search_path = '' as $$
declare
  tenant constant uuid := private.tenant_id();
  roles constant uuid[] := array(select private.caller_roles());
  disabled constant text[] := array(
    select t.module_id from public.tenant_modules t where t.tenant_id = tenant and not t.enabled
  );
begin
  return (
    select jsonb_build_object(
      'kind', case when k.id is null then 'user' else 'api_key' end,
      'user_id', auth.uid(),
      'display_name', coalesce(p.display_name, k.name),
      'locale', coalesce(p.locale, t.locale),
      'version', private.access_version(),
      'tenant', jsonb_build_object(
        'id', t.id, 'name', t.name, 'slug', t.slug, 'timezone', t.timezone, 'locale', t.locale
      ),
      'roles', coalesce((
        select jsonb_agg(
          jsonb_build_object('id', r.id, 'key', r.key, 'name', r.name, 'level', r.level) order by r.level desc, r.key
        )
        from public.roles r where r.id = any (roles)
      ), '[]'),
      'permissions', coalesce((
        select jsonb_agg(distinct h.permission_key order by h.permission_key)
        from private.role_holdings h join public.permissions d on d.permission_key = h.permission_key
        where h.role_id = any (roles) and d.module_id <> all (disabled)
      ), '[]'),
      'modules', (select jsonb_agg(m.id order by m.id) from public.modules m where m.id <> all (disabled)),
      -- permissions of modules that are switched off
      'disabled_permissions', coalesce((
        select jsonb_agg(d.permission_key order by d.permission_key)
        from public.permissions d where d.module_id = any (disabled)
      ), '[]')
    )
    from public.tenants t
    left join public.profiles p on p.user_id = (select auth.uid()) and p.tenant_id = t.id
    left join public.api_keys k on k.id = (select auth.uid())
    where t.id = tenant
  );
end;
$$;

-- Null for a caller without a tenant.
-- Security definer: clients have no right to read `private.access_versions`.
create function private.access_version() returns bigint
language plpgsql stable security definer set search_path = '' as $$
declare
  tenant constant uuid := private.tenant_id();
begin
  if tenant is null then
    return null;
  end if;
  return coalesce((select v.version from private.access_versions v where v.tenant_id = tenant), 0);
end;
$$;

-- The epoch of a tenant's live topics.
create function private.live_epoch(tenant uuid) returns bigint
language sql stable set search_path = '' as $$
  select coalesce((select v.epoch from private.access_versions v where v.tenant_id = tenant), 0);
$$;

-- Renews the version of tenants, and where `rights` may have changed the epoch of their live topics. The members hear of it
-- on their old topic, and ask for the names of the new ones.
create function private.renew_access_of(tenants uuid[], rights boolean) returns void
language plpgsql set search_path = '' as $$
declare
  renewed record;
begin
  for renewed in
    insert into private.access_versions as v (tenant_id)
    -- a tenant that is being deleted has no row left to lock
    select t.id from public.tenants t where t.id = any (tenants) order by t.id
    on conflict (tenant_id) do update set
      version = excluded.version,
      epoch = case when rights then excluded.epoch else v.epoch end,
      previous_epoch = v.epoch
    returning v.tenant_id, v.previous_epoch
  loop
    if rights and renewed.previous_epoch is not null then
      perform realtime.send(
        jsonb_build_object('id', renewed.tenant_id), 'access.changed',
        format('tenant:%s:access:%s', renewed.tenant_id, renewed.previous_epoch), true
      );
    end if;
  end loop;
end;
$$;

-- Security definer: it also runs when Auth removes an account, and the role of Auth has no rights here.
create function private.renew_access() returns trigger
language plpgsql security definer set search_path = '' as $$
declare
  tenants uuid[];
  rights boolean := true;
begin
  case tg_table_name
    when 'tenants' then tenants := array(select c.id from changed c);
    when 'role_permissions' then
      tenants := array(
        select distinct t.id from changed c
        join public.roles r on r.id = c.role_id
        join public.tenants t on t.id = r.tenant_id or r.tenant_id is null
      );
    when 'roles' then
      tenants := array(
        select distinct t.id from changed c join public.tenants t on t.id = c.tenant_id or c.tenant_id is null
      );
    else tenants := array(select distinct c.tenant_id from changed c);
  end case;
  if tg_op = 'UPDATE' and tg_table_name = 'tenants' then
    rights := exists (
      select from before b join changed c on c.id = b.id where c.agents_see_unassigned <> b.agents_see_unassigned
    );
  elsif tg_op = 'UPDATE' and tg_table_name = 'profiles' then
    rights := exists (
      select from before b
      where not exists (
        select from changed c
        where c.user_id = b.user_id and c.tenant_id = b.tenant_id
          and (c.deactivated_at is null) = (b.deactivated_at is null)
      )
    );
  end if;
  perform private.renew_access_of(tenants, rights);
  return null;
end;
$$;

-- A ban ends the rights of an account without a change in a table of ours.
-- Security definer: it runs when Auth changes an account, and the role of Auth has no rights here.
create function private.renew_access_of_account() returns trigger
language plpgsql security definer set search_path = '' as $$
begin
  perform private.renew_access_of(
    array(select p.tenant_id from public.profiles p where p.user_id = new.id and p.left_at is null), true
  );
  return null;
end;
$$;

-- The API key of a request without a token. The refusals are sentences, because developers of integrations read them.
-- Security definer: it looks a key up by its hash, which clients have no right to read.
create function private.api_key_of(key text) returns uuid
language plpgsql stable security definer set search_path = '' as $$
declare
  found_key public.api_keys;
begin
  select k.* into found_key
  from private.api_key_secrets s join public.api_keys k on k.id = s.api_key_id
  where s.key_hash = sha256(convert_to(key, 'UTF8'));
  if not found then
    raise sqlstate 'PT401' using message = 'There is no such API key.', detail = 'unknown_api_key';
  elsif found_key.revoked_at is not null then
    raise sqlstate 'PT401' using message = 'The API key has been revoked.', detail = 'api_key_revoked',
      hint = found_key.id::text;
  elsif found_key.expires_at <= now() then
    raise sqlstate 'PT401' using message = 'The API key has expired.', detail = 'api_key_expired',
      hint = found_key.id::text;
  end if;
  return found_key.id;
end;
$$;

-- Accepts a proof for a day. The functions call it with the service key when the database refuses their proof. Therefore
-- a deployment needs no step for it, and the proof of a deleted service key ends within a day.
create function public.register_function_proof(proof_hash text) returns void
language plpgsql set search_path = '' as $$
begin
  insert into private.function_proofs as p (proof_hash, expires_at)
  values (decode(register_function_proof.proof_hash, 'hex'), now() + interval '1 day')
  on conflict on constraint function_proofs_pkey do update set expires_at = excluded.expires_at;
  delete from private.function_proofs p
  where p.proof_hash in (
    select e.proof_hash from private.function_proofs e where e.expires_at < now() for update skip locked
  );
end;
$$;

-- Security definer: callers have no right to read the proofs.
create function private.is_function_proof(proof text) returns boolean
language plpgsql stable security definer set search_path = '' as $$
begin
  return exists (
    select from private.function_proofs p
    where p.proof_hash = sha256(convert_to(proof, 'UTF8')) and p.expires_at > now()
  );
end;
$$;

-- PostgREST runs this before each request (https://docs.postgrest.org/en/stable/references/transactions.html). It turns
-- the API key of a request without a token into an identity, so that row level security applies to keys as it does to
-- people. It also refuses a caller whose rights have changed since the API last read them.
--
-- A request without the proof of our functions only reads, with the token of a person. PostgREST opens a transaction that
-- can write for each request that may write: for every method of a table other than GET and HEAD, and for a POST to a
-- volatile function. In any other request Postgres refuses each write, and no statement can undo that.
create function private.begin_request() returns void
language plpgsql set search_path = '' as $$
declare
  headers constant json := nullif(current_setting('request.headers', true), '')::json;
  proof constant text := headers ->> 'x-function-proof';
  key constant text := headers ->> 'x-api-key';
  version constant text := headers ->> 'x-access-version';
  claim constant text := headers ->> 'x-request-claim';
  time_limit text;
begin
  if current_user <> 'service_role' then
    if proof is null then
      if key is not null then
        raise sqlstate 'PT403' using message = 'The database takes no API keys. Send the key to the API.',
          detail = 'functions_only';
      elsif current_setting('transaction_read_only') = 'off' then
        raise sqlstate 'PT403' using message = 'Only the API writes. The database serves reads.',
          detail = 'functions_only';
      end if;
      return;
    end if;
    -- A statement of its own: callers without the proof pay nothing for the check.
    if not private.is_function_proof(proof) then
      raise sqlstate 'PT401' using message = 'The database does not know this proof.', detail = 'unknown_function_proof';
    end if;
  end if;
  -- `private.request_header` believes the headers of this request.
  perform set_config('app.request_is_ours', 'on', true);

  if key is not null and current_user = 'anon' then
    perform set_config('request.jwt.claims', json_build_object(
      'sub', private.api_key_of(key), 'role', 'authenticated', 'aud', 'authenticated', 'api_key', true
    )::text, true);
    perform set_config('role', 'authenticated', true);
    -- PostgREST has applied the time limit of `anon`, or the longer one of the called function. A key gets the limit of
    -- a person.
    select split_part(s.setting, '=', 2) into time_limit
    from pg_catalog.pg_roles r cross join lateral unnest(r.rolconfig) as s (setting)
    where r.rolname = 'authenticated' and s.setting like 'statement\_timeout=%';
    if current_setting('statement_timeout') <> '0'
      and current_setting('statement_timeout')::interval < time_limit::interval then
      perform set_config('statement_timeout', time_limit, true);
    end if;
  end if;
  -- Two steps: Postgres checks the right to every function in an expression, even to one that it does not call.
  if version is not null and current_user = 'authenticated' then
    if version is distinct from private.access_version()::text then
      raise sqlstate 'PT409' using message = 'The permissions of the caller have changed.', detail = 'access_changed';
    end if;
  end if;
  if claim is not null and current_setting('transaction_read_only') = 'off' then
    perform private.note_repeatable_write(claim::uuid);
  end if;
end;
$$;

-- Whether the request comes from our functions.
create function private.request_is_ours() returns boolean
language sql stable set search_path = '' as $$
  select coalesce(current_setting('app.request_is_ours', true) = 'on', false);
$$;

create function private.api_key_json(k public.api_keys) returns jsonb
language sql stable set search_path = '' as $$
  select jsonb_build_object(
    'id', k.id, 'name', k.name, 'prefix', k.prefix, 'created_by', k.created_by,
    'created_by_active', case when k.created_by is not null then exists (
      select 1 from public.profiles p
      where p.user_id = k.created_by and p.tenant_id = k.tenant_id and p.deactivated_at is null
    ) end, 'created_at', k.created_at,
    'expires_at', k.expires_at, 'last_used_at', k.last_used_at, 'revoked_at', k.revoked_at,
    'status', case when k.revoked_at is not null then 'revoked' when k.expires_at <= now() then 'expired'
      else 'active' end,
    'role', (
      select jsonb_build_object('id', r.id, 'key', r.key, 'name', r.name, 'level', r.level)
      from public.roles r where r.id = k.role_id
    )
  );
$$;

-- Security definer: clients have no right to call `private.api_key_json`.
create function public.list_api_keys(page integer, page_size integer) returns jsonb
language plpgsql stable security definer set search_path = '' as $$
begin
  perform private.require('api_keys.view');
  return jsonb_build_object(
    'total', (select count(*) from public.api_keys k where k.tenant_id = private.tenant_id()),
    'rows', coalesce((
      select jsonb_agg(private.api_key_json(x.k) order by (x.k).created_at desc, (x.k).id)
      from (
        select k from public.api_keys k
        where k.tenant_id = private.tenant_id()
        order by k.created_at desc, k.id
        limit page_size offset (page - 1)::bigint * page_size
      ) x
    ), '[]')
  );
end;
$$;

-- Creates a key. The response is the only place where it is shown.
-- Security definer: clients have no right to write API keys and keys.
create function public.create_api_key(name text, role_id uuid, expires_at timestamptz default null) returns jsonb
language plpgsql security definer set search_path = '' as $$
declare
  secret constant text := 'crm_' || replace(gen_random_uuid()::text || gen_random_uuid()::text, '-', '');
  made public.api_keys;
begin
  perform private.require('api_keys.create');
  if create_api_key.expires_at <= now() then
    raise sqlstate 'PT422' using message = 'The key must expire in the future.', detail = 'invalid_field',
      hint = 'expires_at';
  end if;
  perform private.require_grantable(array[create_api_key.role_id], 'role_id');
  insert into public.api_keys (tenant_id, name, prefix, role_id, created_by, expires_at)
  values (
    private.tenant_id(), create_api_key.name, left(secret, 12), create_api_key.role_id, private.person_id(),
    create_api_key.expires_at
  )
  returning * into made;
  insert into private.api_key_secrets (api_key_id, key_hash) values (made.id, sha256(convert_to(secret, 'UTF8')));
  return private.api_key_json(made) || jsonb_build_object('key', secret);
end;
$$;

-- Security definer: clients have no right to write API keys.
create function public.revoke_api_key(key_id uuid) returns jsonb
language plpgsql security definer set search_path = '' as $$
declare
  key public.api_keys;
begin
  perform private.require('api_keys.revoke');
  update public.api_keys k
  set revoked_at = coalesce(k.revoked_at, now()), revoked_by = coalesce(k.revoked_by, private.person_id())
  where k.id = revoke_api_key.key_id and k.tenant_id = private.tenant_id()
  returning k.* into key;
  if not found then
    raise sqlstate 'PT404' using message = 'There is no such API key.', detail = 'not_found';
  end if;
  return private.api_key_json(key);
end;
$$;

-- Does with the keys that a person who goes has created what `decision` says: `keep` or `revoke`. Without a decision it
-- refuses if there are any, and names them to those who may see them.
create function private.settle_api_keys(person uuid, decision text) returns void
language plpgsql set search_path = '' as $$
declare
  tenant constant uuid := private.tenant_id();
  own constant boolean := person = auth.uid();
  keys text[];
begin
  if decision not in ('keep', 'revoke') then
    raise sqlstate 'PT422' using message = 'Say keep or revoke.', detail = 'invalid_field', hint = 'api_keys';
  end if;
  select array_agg(format('%s (%s)', k.name, k.prefix) order by k.created_at, k.id) into keys
  from public.api_keys k
  where k.tenant_id = tenant and k.created_by = person and k.revoked_at is null
    and (k.expires_at is null or k.expires_at > now());
  if keys is null or decision = 'keep' then
    return;
  end if;
  if decision is null then
    raise sqlstate 'PT409' using message = format(
      'API keys that this person created still work: %s. Say with api_keys whether to keep or to revoke them.',
      case when own or private.has_permission('api_keys.view') then
        array_to_string(keys[1:10], ', ') || case when cardinality(keys) > 10 then ', …' else '' end
      else cardinality(keys)::text end
    ), detail = 'api_keys_undecided', hint = 'api_keys';
  end if;
  if not own then
    perform private.require('api_keys.revoke');
  end if;
  update public.api_keys k set revoked_at = now(), revoked_by = private.person_id()
  where k.tenant_id = tenant and k.created_by = person and k.revoked_at is null;
end;
$$;

-- Records the time and the address of a use. A new address is a security event, except the first address of a key.
create function public.record_api_key_use(key_id uuid, ip text) returns void
language plpgsql set search_path = '' as $$
declare
  is_new boolean;
begin
  update public.api_keys k set last_used_at = now()
  where k.id = record_api_key_use.key_id
    and (k.last_used_at is null or k.last_used_at < now() - interval '15 seconds');
  if record_api_key_use.ip is null then
    return;
  end if;
  insert into private.api_key_places as p (api_key_id, ip) values (record_api_key_use.key_id, record_api_key_use.ip)
  on conflict on constraint api_key_places_pkey do update set last_used_at = now()
  returning p.first_used_at = p.last_used_at and xmax = 0 into is_new;
  if is_new and exists (
    select 1 from private.api_key_places p
    where p.api_key_id = record_api_key_use.key_id and p.ip <> record_api_key_use.ip
  ) then
    perform private.record_event(
      'api_key.new_place', 'api_key', record_api_key_use.key_id, 'api_keys', record_api_key_use.key_id::text,
      jsonb_build_object('ip', record_api_key_use.ip)
    );
  end if;
end;
$$;

create trigger refuse_foreign_role before insert or update of role_id, tenant_id on public.api_keys
  for each row execute function private.refuse_foreign_role();

alter table public.api_keys enable row level security;
alter table private.api_key_secrets enable row level security;
alter table private.api_key_places enable row level security;
alter table private.access_versions enable row level security;
alter table private.function_proofs enable row level security;

create policy "permitted people read the keys of their tenant" on public.api_keys for select to authenticated
  using (tenant_id = (select private.tenant_id()) and (select private.has_permission('api_keys.view')));
create policy "no client access" on private.api_key_secrets to authenticated using (false);
create policy "no client access" on private.api_key_places to authenticated using (false);
create policy "no client access" on private.access_versions to authenticated using (false);
create policy "no client access" on private.function_proofs to authenticated using (false);

grant select on public.api_keys to authenticated;

grant execute on function
  private.api_key_of(text),
  private.is_function_proof(text),
  private.begin_request()
to anon, authenticated;

grant execute on function
  public.current_access(),
  private.access_version(),
  private.request_is_ours(),
  public.list_api_keys(integer, integer),
  public.create_api_key(text, uuid, timestamptz),
  public.revoke_api_key(uuid)
to authenticated;

do $$
declare
  watched_table text;
  operation text;
begin
  foreach watched_table in array array['tenants', 'profiles', 'user_roles', 'role_permissions', 'roles'] loop
    foreach operation in array array['insert', 'update', 'delete'] loop
      continue when watched_table = 'tenants' and operation = 'delete';
      execute format(
        'create trigger renew_access_%s after %s on public.%I referencing %s table as changed
          for each statement execute function private.renew_access()',
        operation, operation, watched_table,
        case operation when 'insert' then 'new' when 'delete' then 'old' else 'old table as before new' end
      );
    end loop;
  end loop;
end;
$$;

create trigger renew_access after update of banned_until on auth.users
  for each row when (old.banned_until is distinct from new.banned_until)
  execute function private.renew_access_of_account();

alter role authenticator set pgrst.db_pre_request = 'private.begin_request';
notify pgrst, 'reload config';
