-- What conversations, contacts, segments and live updates build on: labels, what a tenant keeps about a contact, and one
-- way of telling of a change.

create table public.labels (
  id uuid primary key default gen_random_uuid(),
  tenant_id uuid not null references public.tenants (id) on delete cascade,
  name text not null check (char_length(name) between 1 and 50 and name = trim(name)),
  color text not null default '#64748b' check (color ~ '^#[0-9a-f]{6}$'),
  description text not null default '' check (char_length(description) <= 200),
  created_by uuid,
  created_at timestamptz not null default now(),
  updated_at timestamptz not null default now(),
  unique (id, tenant_id),
  foreign key (created_by, tenant_id) references public.profiles (user_id, tenant_id) on delete set null (created_by)
);
create unique index labels_name_idx on public.labels (tenant_id, lower(name));
create index labels_created_by_idx on public.labels (created_by, tenant_id) where created_by is not null;
create trigger touch_updated_at before update on public.labels
  for each row execute function private.touch_updated_at();

create table public.conversation_labels (
  conversation_id uuid not null,
  label_id uuid not null,
  tenant_id uuid not null references public.tenants (id) on delete cascade,
  created_by uuid,
  created_at timestamptz not null default now(),
  primary key (conversation_id, tenant_id, label_id),
  foreign key (conversation_id, tenant_id) references public.conversations (id, tenant_id) on delete cascade,
  foreign key (label_id, tenant_id) references public.labels (id, tenant_id) on delete cascade,
  foreign key (created_by, tenant_id) references public.profiles (user_id, tenant_id) on delete set null (created_by)
);
create index conversation_labels_label_idx on public.conversation_labels (label_id, tenant_id, conversation_id);
create index conversation_labels_tenant_idx on public.conversation_labels (tenant_id);
create index conversation_labels_created_by_idx on public.conversation_labels (created_by, tenant_id)
  where created_by is not null;

create table public.contact_labels (
  contact_id uuid not null,
  label_id uuid not null,
  tenant_id uuid not null references public.tenants (id) on delete cascade,
  created_by uuid,
  created_at timestamptz not null default now(),
  primary key (contact_id, tenant_id, label_id),
  foreign key (contact_id, tenant_id) references public.contacts (id, tenant_id) on delete cascade,
  foreign key (label_id, tenant_id) references public.labels (id, tenant_id) on delete cascade,
  foreign key (created_by, tenant_id) references public.profiles (user_id, tenant_id) on delete set null (created_by)
);
create index contact_labels_label_idx on public.contact_labels (label_id, tenant_id, contact_id);
create index contact_labels_tenant_idx on public.contact_labels (tenant_id);
create index contact_labels_created_by_idx on public.contact_labels (created_by, tenant_id)
  where created_by is not null;

-- The fields that a tenant keeps of its contacts. Values stand in `contacts.custom_fields`, by key: strings for text,
-- choice and date (YYYY-MM-DD), numbers, true and false.
create table public.contact_fields (
  id uuid primary key default gen_random_uuid(),
  tenant_id uuid not null references public.tenants (id) on delete cascade,
  key text not null check (key ~ '^[a-z][a-z0-9_]{0,39}$'),
  name text not null check (char_length(name) between 1 and 100),
  type text not null check (type in ('text', 'number', 'boolean', 'date', 'choice')),
  -- what can be chosen
  choices text[] not null default '{}',
  position integer not null default 0,
  created_at timestamptz not null default now(),
  updated_at timestamptz not null default now(),
  unique (tenant_id, key),
  check ((type = 'choice') = (cardinality(choices) > 0))
);
create trigger touch_updated_at before update on public.contact_fields
  for each row execute function private.touch_updated_at();

alter table public.contacts
  add column email text check (char_length(email) <= 254),
  add column language text check (language ~ '^[a-z]{2,3}(_[A-Z]{2})?$'),
  add column tags text[] not null default '{}' check (cardinality(tags) <= 50),
  add column custom_fields jsonb not null default '{}' check (jsonb_typeof(custom_fields) = 'object'),
  add column owner_id uuid,
  -- we send them nothing more, and Meta lets nothing of theirs through
  add column blocked_at timestamptz,
  add constraint contacts_owner_fkey foreign key (owner_id, tenant_id)
    references public.profiles (user_id, tenant_id) on delete set null (owner_id);
create index contacts_owner_idx on public.contacts (owner_id, tenant_id) where owner_id is not null;
create index contacts_tags_idx on public.contacts using gin (tags) where tags <> '{}';
create index contacts_newest_idx on public.contacts (tenant_id, created_at desc, id desc);

alter table public.labels enable row level security;
alter table public.conversation_labels enable row level security;
alter table public.contact_labels enable row level security;
alter table public.contact_fields enable row level security;
revoke all on public.labels, public.conversation_labels, public.contact_labels, public.contact_fields
  from anon, authenticated;
grant select on public.labels, public.conversation_labels, public.contact_labels, public.contact_fields to authenticated;
grant all on public.labels, public.conversation_labels, public.contact_labels, public.contact_fields to service_role;

create policy "members with the right read labels" on public.labels for select to authenticated
  using (tenant_id = (select private.tenant_id()) and (select private.has_permission('labels.view')));
create policy "members read labels of conversations they may see" on public.conversation_labels
  for select to authenticated
  using (
    tenant_id = (select private.tenant_id())
    and (select private.has_permission('labels.view'))
    and exists (select 1 from public.conversations v where v.id = conversation_labels.conversation_id)
  );
create policy "members read labels of contacts they may see" on public.contact_labels for select to authenticated
  using (
    tenant_id = (select private.tenant_id())
    and (select private.has_permission('labels.view'))
    and exists (select 1 from public.contacts c where c.id = contact_labels.contact_id)
  );
-- whoever sees any contact sees what its fields mean
create policy "members read the fields of contacts" on public.contact_fields for select to authenticated
  using (
    tenant_id = (select private.tenant_id())
    and ((select private.has_permission('contacts.view')) or (select private.has_permission('conversations.view')))
  );

select private.audit_table('labels', 'id');
select private.audit_table('conversation_labels', 'conversation_id,label_id', 'people');
select private.audit_table('contact_labels', 'contact_id,label_id', 'people');
select private.audit_table('contact_fields', 'id');

alter publication supabase_realtime add table public.conversation_labels;
alter table public.conversation_labels replica identity full;

-- What was told, for clients that were away. Ordered by transaction: a client that has heard everything below a number
-- asks for what is from it on, and may hear some of it twice, but misses nothing, however long a transaction took.
create table private.changes (
  id bigint generated always as identity primary key,
  xid xid8 not null default pg_current_xact_id(),
  tenant_id uuid not null references public.tenants (id) on delete cascade,
  -- who was told: see private.tell
  audience text not null,
  assigned_to uuid,
  event text not null,
  -- what changed, by the part of the event before the dot
  entity_id uuid not null,
  changed_at timestamptz not null default now()
);
create index changes_tenant_idx on private.changes (tenant_id, xid, id);
create index changes_changed_at_idx on private.changes using brin (changed_at);
alter table private.changes enable row level security;
create policy "nobody" on private.changes to authenticated using (false);
revoke all on private.changes from public, anon, authenticated;
grant all on private.changes to service_role;

-- Tells an audience of a change, now and when it asks later (`private.changes`). `payload` has the `id` of what changed;
-- it is sent with `sequence`: the number to ask from after a loss of connection. Everything below it was told before.
--   conversations   who sees a conversation assigned to `assignee` (or to nobody)
--   unassigned      agents who see what is unassigned
--   agent           `assignee`
--   tenant          who sees every conversation
--   anything else   who may view it: `labels` is told to holders of `labels.view`, on topic tenant:<tenant>:labels
-- Security definer: whoever changes a row need not be able to send to topics.
create function private.tell(tenant uuid, audience text, assignee uuid, event text, payload jsonb) returns void
language plpgsql security definer set search_path = '' as $$
declare
  said constant jsonb := payload || jsonb_build_object('sequence', pg_snapshot_xmin(pg_current_snapshot())::text::bigint);
begin
  insert into private.changes (tenant_id, audience, assigned_to, event, entity_id)
  values (tenant, audience, assignee, event, (payload ->> 'id')::uuid);

  if audience in ('conversations', 'tenant') then
    perform realtime.send(said, event, 'tenant:' || tenant, true);
  end if;
  if audience = 'agent' or (audience = 'conversations' and assignee is not null) then
    perform realtime.send(said, event, 'agent:' || assignee, true);
  elsif audience = 'conversations' then
    perform realtime.send(said, event, 'tenant:' || tenant || ':unassigned', true);
  elsif audience <> 'tenant' then
    perform realtime.send(said, event, 'tenant:' || tenant || ':' || audience, true);
  end if;
end;
$$;

-- Tells everyone who may see a conversation that is assigned like this.
create or replace function private.announce(tenant uuid, assignee uuid, event text, payload jsonb) returns void
language sql set search_path = '' as $$
  select private.tell(tenant, 'conversations', assignee, event, payload);
$$;

create or replace function private.announce_campaign() returns trigger
language plpgsql security definer set search_path = '' as $$
begin
  perform private.tell(new.tenant_id, 'tenant', null, 'campaign.updated', private.campaign_json(new));
  return null;
end;
$$;
create or replace function private.announce_number() returns trigger
language plpgsql security definer set search_path = '' as $$
begin
  perform private.tell(new.tenant_id, 'tenant', null, 'number.updated', private.number_json(new));
  return null;
end;
$$;
create or replace function private.announce_account_event() returns trigger
language plpgsql security definer set search_path = '' as $$
begin
  perform private.tell(
    new.tenant_id, 'tenant', null, 'account_event.created', to_jsonb(new) - 'tenant_id' - 'fingerprint' - 'payload'
  );
  return null;
end;
$$;
create or replace function private.announce_recipient_list() returns trigger
language plpgsql security definer set search_path = '' as $$
begin
  perform private.tell(
    new.tenant_id, 'tenant', null, 'recipient_list.updated',
    private.recipient_list_json(new) - '{name,source,columns,created_by}'::text[]
  );
  return null;
end;
$$;

-- Security definer: it reads who the caller is.
create or replace function private.may_listen(topic text) returns boolean
language sql stable security definer set search_path = '' as $$
  select case
    when private.tenant_id() is null then false
    when topic = 'tenant:' || private.tenant_id() then private.has_permission('conversations.view_all')
    when topic = 'tenant:' || private.tenant_id() || ':unassigned'
      then private.has_permission('conversations.view') and private.sees_unassigned()
    when topic = any (array(
      select 'tenant:' || private.tenant_id() || ':' || a
      from unnest('{contacts,labels,segments,quick_replies,agents,settings}'::text[]) a
    )) then private.has_permission(split_part(topic, ':', 3) || '.view')
    when topic = 'agent:' || (select auth.uid()) then private.has_permission('conversations.view')
    else false
  end;
$$;

-- What housekeeping does with `run_retention`: functions of schema public without required parameters.
create or replace function public.run_retention(task text) returns jsonb
language plpgsql set search_path = '' as $$
declare
  answer jsonb;
  routine regprocedure;
begin
  select p.oid::regprocedure into routine from pg_catalog.pg_proc p
  where p.pronamespace = 'public'::regnamespace and p.proname = task and p.proname like 'prune\_%'
    and p.pronargs = p.pronargdefaults;
  if routine is null then
    raise sqlstate 'PT404' using message = 'There is no such task.', detail = 'not_found';
  end if;
  execute format('select to_jsonb(public.%I())', task) into answer;
  return answer;
end;
$$;

revoke execute on function private.tell(uuid, text, uuid, text, jsonb) from public;
