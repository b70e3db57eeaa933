-- What people allow us to send them. Every word of theirs is kept; what holds follows from the latest.

alter table public.contacts add column marketing_opted_out_at timestamptz;

create table public.contact_consents (
  id uuid primary key default gen_random_uuid(),
  tenant_id uuid not null references public.tenants (id) on delete cascade,
  contact_id uuid not null,
  purpose text not null default 'marketing' check (purpose in ('marketing')),
  state text not null check (state in ('opted_in', 'opted_out')),
  source text not null check (source in ('meta_preference', 'keyword', 'person', 'import', 'error_131050')),
  -- what shows it: the element as Meta sent it, the words of the customer, who entered it
  proof jsonb not null default '{}',
  occurred_at timestamptz not null default now(),
  created_at timestamptz not null default now(),
  unique (contact_id, purpose, source, state, occurred_at),
  foreign key (contact_id, tenant_id) references public.contacts (id, tenant_id) on delete cascade
);
create index contact_consents_contact_idx on public.contact_consents (contact_id, tenant_id);
create index contact_consents_tenant_idx on public.contact_consents (tenant_id);

alter table public.contact_consents enable row level security;
revoke all on public.contact_consents from anon, authenticated;
grant select on public.contact_consents to authenticated;
grant all on public.contact_consents to service_role;
create policy "members read the consents of contacts they may see" on public.contact_consents
  for select to authenticated
  using (
    tenant_id = (select private.tenant_id())
    and exists (select 1 from public.contacts c where c.id = contact_consents.contact_id)
  );

-- What holds now. Of two words at the same moment the "no" counts.
create function private.settle_consents(contacts uuid[]) returns void
language sql set search_path = '' as $$
  update public.contacts c
  set marketing_opted_out_at = l.opted_out_at
  from unnest(contacts) as i (id)
  cross join lateral (
    select case when k.state = 'opted_out' then k.occurred_at end as opted_out_at
    from public.contact_consents k
    where k.contact_id = i.id and k.purpose = 'marketing'
    order by k.occurred_at desc, k.state desc
    limit 1
  ) l
  where c.id = i.id and c.marketing_opted_out_at is distinct from l.opted_out_at;
$$;

-- Keeps consents. `consents` is a list of {"tenant_id", "contact_id", "state", "source", "proof"?, "occurred_at"}. Safe
-- to repeat.
create function private.record_consents(consents jsonb) returns void
language plpgsql set search_path = '' as $$
begin
  insert into public.contact_consents (tenant_id, contact_id, state, source, proof, occurred_at)
  select k.tenant_id, k.contact_id, k.state, k.source, coalesce(k.proof, '{}'), coalesce(k.occurred_at, now())
  from jsonb_to_recordset(consents)
    as k (tenant_id uuid, contact_id uuid, state text, source text, proof jsonb, occurred_at timestamptz)
  order by k.contact_id, k.occurred_at, k.state
  on conflict (contact_id, purpose, source, state, occurred_at) do nothing;

  perform private.settle_consents(array(
    select distinct k.contact_id from jsonb_to_recordset(consents) as k (contact_id uuid) order by 1
  ));
end;
$$;

-- A list, or none where Meta sent something else.
create function private.json_list(value jsonb) returns jsonb
language sql immutable parallel safe set search_path = '' as $$
  select case jsonb_typeof(value) when 'array' then value else '[]' end;
$$;

-- Meta's field `user_preferences`: who wants no more marketing, or wants it again. It also tells of people who never
-- wrote: their word is kept all the same.
create function private.ingest_preferences(session public.whatsapp_sessions, notice jsonb) returns void
language plpgsql set search_path = '' as $$
declare
  words jsonb;
begin
  select jsonb_agg(jsonb_build_object(
    'tenant_id', session.tenant_id, 'nth', p.nth,
    'wa_id', coalesce(nullif(ltrim(p.value ->> 'wa_id', '+'), ''), c.value ->> 'wa_id'),
    'user_id', coalesce(p.value ->> 'user_id', c.value ->> 'user_id'),
    'profile_name', c.value #>> '{profile,name}', 'username', c.value #>> '{profile,username}',
    'state', case p.value ->> 'value' when 'stop' then 'opted_out' else 'opted_in' end,
    'source', 'meta_preference', 'proof', p.value,
    'occurred_at', t.at, 'at', t.at
  )) into words
  from jsonb_array_elements(private.json_list(notice -> 'user_preferences')) with ordinality as p (value, nth)
  left join lateral (
    select c.value from jsonb_array_elements(private.json_list(notice -> 'contacts')) as c
    where c.value ->> 'wa_id' = p.value ->> 'wa_id' or c.value ->> 'user_id' = p.value ->> 'user_id'
    limit 1
  ) c on true
  cross join lateral (
    select private.meta_time(case when p.value ->> 'timestamp' ~ '^[0-9]{1,15}$'
      then (p.value ->> 'timestamp')::bigint end) as at
  ) t
  where p.value ->> 'category' = 'marketing_messages' and p.value ->> 'value' in ('stop', 'resume', 'signup')
    and coalesce(p.value ->> 'wa_id', p.value ->> 'user_id') is not null;
  if words is null then
    return;
  end if;

  perform private.upsert_contacts(words);
  perform private.record_consents((
    select jsonb_agg(w.value || jsonb_build_object('contact_id', private.find_contact(
      session.tenant_id, w.value ->> 'wa_id', w.value ->> 'user_id', (w.value ->> 'occurred_at')::timestamptz
    )))
    from jsonb_array_elements(words) as w
  ));
end;
$$;

revoke execute on function private.settle_consents(uuid[]), private.record_consents(jsonb), private.json_list(jsonb),
  private.ingest_preferences(public.whatsapp_sessions, jsonb) from public;
