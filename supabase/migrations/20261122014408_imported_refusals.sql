-- Files tell who wants no marketing: what another system knows, and our own exports, are not forgotten.

-- Keeps a batch, or only counts it. `entries` are {"line", "wa_id", "name"?, "email"?, "language"?, "tags"?, "labels"?
-- (names), "owner"? (an address or a name), "opted_out"? and since when "opted_out_at"?, "fields"? (cells by key)}.
-- Security definer: it reads people's addresses, which the service does not.
create or replace function private.import_contacts(import public.contact_imports, entries jsonb, errors jsonb) returns void
language plpgsql security definer set search_path = '' as $$
declare
  good jsonb;
  bad jsonb;
  made uuid[];
  refusals jsonb;
  known integer := 0;
  fresh integer := 0;
begin
  -- what a field is stays until the values are written
  perform 1 from public.contact_fields f where f.tenant_id = import.tenant_id order by f.id for share;
  with given as materialized (
    select e.value as entry, (e.value ->> 'line')::integer as line, private.phone_key(e.value ->> 'wa_id') as key
    from jsonb_array_elements(entries) e
  ),
  column_of as (
    select m ->> 'field' as field, m ->> 'column' as name from jsonb_array_elements(import.mapping) m
  ),
  people as materialized (
    select p.user_id, lower(u.email) as email, lower(p.display_name) as name
    from public.profiles p join auth.users u on u.id = p.user_id
    where p.tenant_id = import.tenant_id and p.deactivated_at is null
  ),
  read as materialized (
    select
      g.line, g.key, g.entry,
      (select min(o.line) from given o where o.key = g.key and o.line < g.line) as first_line,
      case when g.entry ->> 'owner' is not null then (
        select p.user_id from people p where lower(g.entry ->> 'owner') in (p.email, p.name)
        order by p.email = lower(g.entry ->> 'owner') desc limit 1
      ) end as owner,
      f.fields, f.wrong_field, f.wrong_value, l.labels, l.wrong_label
    from given g
    cross join lateral (
      select
        coalesce(jsonb_object_agg(k.key, private.read_field_value(d.type, d.choices, k.value))
          filter (where private.read_field_value(d.type, d.choices, k.value) is not null), '{}') as fields,
        min(k.key) filter (where private.read_field_value(d.type, d.choices, k.value) is null) as wrong_field,
        min(k.value) filter (where private.read_field_value(d.type, d.choices, k.value) is null) as wrong_value
      from jsonb_each_text(coalesce(g.entry -> 'fields', '{}')) k
      left join public.contact_fields d on d.tenant_id = import.tenant_id and d.key = k.key
    ) f
    cross join lateral (
      select array_agg(b.id) filter (where b.id is not null) as labels, min(n) filter (where b.id is null) as wrong_label
      from jsonb_array_elements_text(coalesce(g.entry -> 'labels', '[]')) n
      left join public.labels b on b.tenant_id = import.tenant_id and lower(b.name) = lower(n)
    ) l
  ),
  judged as materialized (
    select r.*, case
      when r.first_line is not null then 'duplicate'
      when r.wrong_field is not null then 'field_invalid'
      when r.wrong_label is not null then 'label_unknown'
      when r.entry ->> 'owner' is not null and r.owner is null then 'owner_unknown'
    end as problem
    from read r
  )
  select
    coalesce(jsonb_agg(j.entry || jsonb_build_object('owner_id', j.owner, 'custom_fields', j.fields, 'label_ids', to_jsonb(j.labels)))
      filter (where j.problem is null), '[]'),
    coalesce(jsonb_agg(jsonb_build_object(
      'line', j.line, 'code', j.problem, 'first_line', j.first_line,
      'field', coalesce((
        select c.name from column_of c where c.field = case j.problem
          when 'duplicate' then 'phone_number' when 'field_invalid' then 'custom_fields.' || j.wrong_field
          when 'label_unknown' then 'labels' else 'owner' end
        limit 1
      ), ''),
      'value', case j.problem when 'duplicate' then j.entry ->> 'wa_id' when 'field_invalid' then j.wrong_value
        when 'label_unknown' then j.wrong_label else j.entry ->> 'owner' end
    )) filter (where j.problem is not null), '[]')
  into good, bad
  from judged j;

  insert into public.contact_import_errors (import_id, tenant_id, line, field, code, value, first_line)
  select import.id, import.tenant_id, r.line, coalesce(left(r.field, 100), ''), r.code, coalesce(left(r.value, 200), ''), r.first_line
  from jsonb_to_recordset(errors || bad) as r (line integer, field text, code text, value text, first_line integer)
  on conflict do nothing;

  if import.dry_run then
    select count(*) into known
    from jsonb_array_elements(good) g
    join public.contacts c on c.tenant_id = import.tenant_id and c.phone_key = private.phone_key(g ->> 'wa_id');
    fresh := jsonb_array_length(good) - known;
  else
    perform set_config('app.importing_contacts', 'on', true);
    perform set_config('app.actor_id', coalesce(import.created_by::text, ''), true);
    with added as (
      insert into public.contacts (tenant_id, wa_id, name, email, language, tags, custom_fields, owner_id)
      select import.tenant_id, g.wa_id, g.name, g.email, g.language, (private.clean_tags(coalesce(g.tags, '{}')))[1:50], g.custom_fields, g.owner_id
      from jsonb_to_recordset(good) as g (
        line integer, wa_id text, name text, email text, language text, tags text[], custom_fields jsonb, owner_id uuid
      )
      order by private.phone_key(g.wa_id)
      on conflict (tenant_id, phone_key) do nothing
      returning id
    )
    select array_agg(a.id) into made from added a;
    fresh := coalesce(cardinality(made), 0);
    known := jsonb_array_length(good) - fresh;
    if import.on_existing = 'update' and known > 0 then
      update public.contacts c
      set
        name = coalesce(g.name, c.name), email = coalesce(g.email, c.email), language = coalesce(g.language, c.language),
        tags = (private.clean_tags(c.tags || coalesce(g.tags, '{}')))[1:50], custom_fields = c.custom_fields || g.custom_fields,
        owner_id = coalesce(g.owner_id, c.owner_id)
      from jsonb_to_recordset(good) as g (
        wa_id text, name text, email text, language text, tags text[], custom_fields jsonb, owner_id uuid
      )
      where c.tenant_id = import.tenant_id and c.phone_key = private.phone_key(g.wa_id) and c.id <> all (coalesce(made, '{}'));
    end if;
    insert into public.contact_labels (contact_id, label_id, tenant_id, created_by)
    select c.id, l, import.tenant_id, import.created_by
    from jsonb_to_recordset(good) as g (wa_id text, label_ids uuid[])
    join public.contacts c on c.tenant_id = import.tenant_id and c.phone_key = private.phone_key(g.wa_id)
    cross join unnest(g.label_ids) l
    where import.on_existing = 'update' or c.id = any (coalesce(made, '{}'))
    on conflict do nothing;
    -- who said no elsewhere has said no; a later yes of theirs holds
    select jsonb_agg(jsonb_build_object(
      'tenant_id', import.tenant_id, 'contact_id', c.id, 'state', 'opted_out', 'source', 'import',
      'proof', jsonb_build_object('import_id', import.id, 'line', g.line, 'recorded_by', import.created_by),
      'occurred_at', least(coalesce(g.opted_out_at, now()), now())
    )) into refusals
    from jsonb_to_recordset(good) as g (line integer, wa_id text, opted_out boolean, opted_out_at timestamptz)
    join public.contacts c on c.tenant_id = import.tenant_id and c.phone_key = private.phone_key(g.wa_id)
    where g.opted_out and c.marketing_opted_out_at is null
      and (import.on_existing = 'update' or c.id = any (coalesce(made, '{}')));
    if refusals is not null then
      perform private.record_consents(refusals);
    end if;
    perform set_config('app.importing_contacts', 'off', true);
  end if;

  update public.contact_imports i
  set
    read_rows = i.read_rows + jsonb_array_length(entries) + b.rows,
    created_count = i.created_count + fresh,
    updated_count = i.updated_count + case import.on_existing when 'update' then known else 0 end,
    skipped_count = i.skipped_count + case import.on_existing when 'skip' then known else 0 end,
    error_count = i.error_count + b.rows + jsonb_array_length(bad),
    progress_announced_at = case when i.progress_announced_at <= now() - interval '1 second' then now() else i.progress_announced_at end
  from (select count(distinct r.line)::integer as rows from jsonb_to_recordset(errors) as r (line integer)) b
  where i.id = import.id;
end;
$$;
