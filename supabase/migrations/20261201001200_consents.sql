-- Consents: what people allow us to send them. Every statement of theirs is kept, and the latest one counts.

create table public.contact_consents (
  id uuid primary key default gen_random_uuid(),
  tenant_id uuid not null references public.tenants (id) on delete cascade,
  contact_id uuid not null,
  purpose text not null default 'marketing' check (purpose in ('marketing')),
  state text not null check (state in ('opted_in', 'opted_out')),
  source text not null check (source in ('meta_preference', 'keyword', 'person', 'import', 'error_131050')),
  -- the evidence: Meta's element, the customer's words, or the person who entered it
  proof jsonb not null default '{}',
  occurred_at timestamptz not null default now(),
  created_at timestamptz not null default now(),
  unique (contact_id, purpose, source, state, occurred_at),
  foreign key (contact_id, tenant_id) references public.contacts (id, tenant_id) on delete cascade
);
create index contact_consents_contact_idx on public.contact_consents (contact_id, tenant_id);
create index contact_consents_tenant_idx on public.contact_consents (tenant_id);

-- Computes the current consent. Of two statements at the same moment, the refusal counts.
create function private.refresh_consents(contacts uuid[]) returns void
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

-- Stores consents. `consents` is a list of {"tenant_id", "contact_id", "state", "source", "proof"?, "occurred_at"}.
-- Safe to repeat.
create function private.record_consents(consents jsonb) returns void
language plpgsql set search_path = '' as $$
begin
  insert into public.contact_consents (tenant_id, contact_id, state, source, proof, occurred_at)
  select k.tenant_id, k.contact_id, k.state, k.source, coalesce(k.proof, '{}'), coalesce(k.occurred_at, now())
  from jsonb_to_recordset(consents)
    as k (tenant_id uuid, contact_id uuid, state text, source text, proof jsonb, occurred_at timestamptz)
  order by k.contact_id, k.occurred_at, k.state
  on conflict (contact_id, purpose, source, state, occurred_at) do nothing;

  perform private.refresh_consents(array(
    select distinct k.contact_id from jsonb_to_recordset(consents) as k (contact_id uuid) order by 1
  ));
end;
$$;

-- Whether a contact has opted out of marketing.
create function private.opted_out(c public.contacts) returns boolean
language sql immutable set search_path = '' as $$
  select c.marketing_opted_out_at is not null;
$$;

-- Normalizes a message for comparison with keywords: lower case, and one space between words.
create function private.keyword_of(words text) returns text
language sql immutable parallel safe set search_path = '' as $$
  select upper(btrim(regexp_replace(left(words, 200), '[^[:alnum:]]+', ' ', 'g')));
$$;

create function private.consent_json(k public.contact_consents) returns jsonb
language sql stable set search_path = '' as $$
  select to_jsonb(k) - 'tenant_id' - 'contact_id';
$$;

-- A contact's consents to marketing, the newest first; null without the contact.
create function public.list_contact_consents(contact_id uuid) returns jsonb
language sql stable set search_path = '' as $$
  select jsonb_build_object(
    'marketing_opted_out_at', c.marketing_opted_out_at,
    'rows', coalesce((
      select jsonb_agg(private.consent_json(k) order by k.occurred_at desc, k.state desc)
      from public.contact_consents k
      where k.contact_id = c.id and k.tenant_id = c.tenant_id
    ), '[]')
  )
  from public.contacts c
  where c.id = list_contact_consents.contact_id and c.erased_at is null;
$$;

-- Records a consent given outside of WhatsApp: on the phone, in a shop, on paper. `note` says where.
-- Security definer: clients have no right to call `private.actor`.
create function public.record_contact_consent(contact_id uuid, state text, note text default null) returns jsonb
language plpgsql security definer set search_path = '' as $$
declare
  contact public.contacts;
  who record;
begin
  perform private.require('contacts.update');
  contact := private.own_contact(record_contact_consent.contact_id);
  select * into who from private.actor();
  perform private.record_consents(jsonb_build_array(jsonb_build_object(
    'tenant_id', contact.tenant_id, 'contact_id', contact.id, 'state', record_contact_consent.state, 'source', 'person',
    'proof', jsonb_strip_nulls(jsonb_build_object(
      'note', nullif(trim(note), ''), 'recorded_by', who.actor_id, 'recorded_by_name', who.actor_name
    )),
    'occurred_at', clock_timestamp()
  )));
  return public.list_contact_consents(contact.id);
end;
$$;

-- Handles Meta's field `user_preferences`: people who stop or resume marketing. Consents of people who never wrote are
-- kept as well. `told_at` is the time of the delivery, for entries without one. An entry without any time that repeats
-- the last statement of the person adds nothing. Returns the reason if an entry names no person or is none of these,
-- otherwise null.
create function private.ingest_preferences(session public.whatsapp_sessions, notice jsonb, told_at bigint) returns text
language plpgsql set search_path = '' as $$
declare
  words jsonb;
  reason text;
begin
  select jsonb_agg(jsonb_build_object(
    'tenant_id', session.tenant_id, 'nth', p.nth,
    'wa_id', who.wa_id, 'user_id', who.user_id,
    'profile_name', c.value #>> '{profile,name}', 'username', c.value #>> '{profile,username}',
    'state', case lower(p.value ->> 'value') when 'stop' then 'opted_out' else 'opted_in' end,
    'source', 'meta_preference', 'proof', p.value,
    'occurred_at', private.meta_time(t.seconds), 'at', private.meta_time(t.seconds),
    'is_timed', private.is_plausible_time(t.seconds)
  )) into words
  from jsonb_array_elements(private.json_elements(notice -> 'user_preferences')) with ordinality as p (value, nth)
  left join lateral (
    select c.value from jsonb_array_elements(private.json_elements(notice -> 'contacts')) as c
    where c.value ->> 'wa_id' = p.value ->> 'wa_id' or c.value ->> 'user_id' = p.value ->> 'user_id'
    limit 1
  ) c on true
  cross join lateral (
    -- seconds, or milliseconds
    select case
      when p.value ->> 'timestamp' ~ '^[0-9]{1,11}$' then (p.value ->> 'timestamp')::bigint
      when p.value ->> 'timestamp' ~ '^[0-9]{12,15}$' then (p.value ->> 'timestamp')::bigint / 1000
      else told_at
    end as seconds
  ) t
  cross join lateral (
    select
      coalesce(substring(p.value ->> 'wa_id' from '^[+]?([0-9]{1,20})$'), substring(c.value ->> 'wa_id' from '^[0-9]{1,20}$'))
        as wa_id,
      coalesce(substring(p.value ->> 'user_id' from '^.{1,160}$'), substring(c.value ->> 'user_id' from '^.{1,160}$'))
        as user_id
  ) who
  where coalesce(p.value ->> 'category', 'marketing_messages') = 'marketing_messages' and lower(p.value ->> 'value') in ('stop', 'resume', 'signup');
  -- an entry without a person is skipped and does not affect the others
  select jsonb_agg(w) filter (where coalesce(w ->> 'wa_id', w ->> 'user_id') is not null),
    case when bool_or(coalesce(w ->> 'wa_id', w ->> 'user_id') is null) then 'no_sender' end
  into words, reason
  from jsonb_array_elements(words) as w;
  reason := coalesce(reason, (
    select 'not_handled' from jsonb_array_elements(private.json_elements(notice -> 'user_preferences')) as p
    where coalesce(p ->> 'category', 'marketing_messages') <> 'marketing_messages'
      or coalesce(lower(p ->> 'value') not in ('stop', 'resume', 'signup'), true)
    limit 1
  ));
  if words is null then
    return reason;
  end if;

  perform private.upsert_contacts(words);
  select jsonb_agg(w.value || jsonb_build_object('contact_id', private.find_contact(
    session.tenant_id, w.value ->> 'wa_id', w.value ->> 'user_id', (w.value ->> 'occurred_at')::timestamptz
  ))) into words
  from jsonb_array_elements(words) as w;
  select jsonb_agg(w.value) into words
  from jsonb_array_elements(words) as w
  where (w.value ->> 'is_timed')::boolean or w.value ->> 'state' is distinct from (
    select k.state from public.contact_consents k
    where k.contact_id = (w.value ->> 'contact_id')::uuid and k.purpose = 'marketing' and k.source = 'meta_preference'
    order by k.occurred_at desc, k.state desc
    limit 1
  );
  if words is not null then
    perform private.record_consents(words);
  end if;
  return reason;
end;
$$;

-- Changes are written to the audit log.
select private.audit_table('contact_consents', 'id', 'people');

alter table public.contact_consents enable row level security;

create policy "people read the consents of contacts they may see" on public.contact_consents
  for select to authenticated
  using (
    tenant_id = (select private.tenant_id())
    and exists (select 1 from public.contacts c where c.id = contact_consents.contact_id)
  );

grant select on public.contact_consents to authenticated;

grant execute on function
  private.consent_json(public.contact_consents),
  public.list_contact_consents(uuid),
  public.record_contact_consent(uuid, text, text)
to authenticated;
