-- What Meta says about numbers and accounts: the state of each number, and every notice of it.

alter table public.whatsapp_sessions
  -- GREEN, YELLOW, RED or UNKNOWN
  add column if not exists quality_rating text,
  -- of the whole business portfolio, as Meta's API has it: TIER_250, TIER_2K, TIER_10K, TIER_100K, TIER_UNLIMITED
  add column if not exists messaging_limit text,
  add column if not exists verified_name text,
  -- APPROVED, DECLINED, PENDING_REVIEW, ...
  add column if not exists name_status text,
  -- STANDARD or HIGH
  add column if not exists throughput_level text,
  -- CONNECTED, FLAGGED, RESTRICTED, BANNED, ...: Meta's own word
  add column if not exists meta_status text,
  add column if not exists health_checked_at timestamptz,
  -- why it is broken, in one word: account_disabled, account_restricted, account_deleted, account_disconnected. Others
  -- come from those who find them. `status_reason` says it in the tenant's language.
  add column if not exists status_code text,
  -- what it was before Meta blocked it
  add column if not exists status_before text check (status_before in ('connected', 'paused')),
  -- what Meta's latest notices say: of the account's standing, and of its connection with us. Null: nothing is wrong.
  add column if not exists account_standing text check (account_standing in ('account_disabled', 'account_restricted')),
  add column if not exists account_connection text
    check (account_connection in ('account_deleted', 'account_disconnected')),
  -- the times of the notices that were followed: an older one that comes late, or again, changes nothing
  add column if not exists account_standing_at timestamptz,
  add column if not exists account_connection_at timestamptz,
  add column if not exists quality_at timestamptz,
  add column if not exists limit_at timestamptz,
  add column if not exists name_at timestamptz;

create table public.account_events (
  id uuid primary key default gen_random_uuid(),
  tenant_id uuid not null references public.tenants (id) on delete cascade,
  meta_business_account_id text not null,
  -- the number it is about; null when it is about the account
  session_id uuid,
  -- Meta's field, and what happened: DISABLED_UPDATE, APPROVED, FLAGGED, ...
  field text not null,
  kind text not null,
  severity text not null check (severity in ('info', 'warning', 'critical')),
  -- one sentence for people, {"en", "id"}
  summary jsonb not null,
  payload jsonb not null,
  -- the same notice delivered again
  fingerprint text not null,
  occurred_at timestamptz not null,
  created_at timestamptz not null default now(),
  unique (tenant_id, fingerprint),
  foreign key (session_id, tenant_id) references public.whatsapp_sessions (id, tenant_id)
    on delete set null (session_id)
);
create index account_events_list_idx on public.account_events (tenant_id, occurred_at desc, id);
create index account_events_session_idx on public.account_events (session_id, tenant_id);

alter table public.account_events enable row level security;
revoke all on public.account_events from anon, authenticated;
grant select on public.account_events to authenticated;
grant all on public.account_events to service_role;
create policy "members with the right read notices of their accounts" on public.account_events
  for select to authenticated
  using (tenant_id = (select private.tenant_id()) and (select private.has_permission('numbers.events')));

create function private.announce_account_event() returns trigger
language plpgsql security definer set search_path = '' as $$
begin
  perform realtime.send(
    to_jsonb(new) - 'tenant_id' - 'fingerprint' - 'payload', 'account_event.created', 'tenant:' || new.tenant_id, true
  );
  return null;
end;
$$;
create trigger announce_created after insert on public.account_events
  for each row execute function private.announce_account_event();

revoke execute on function private.announce_account_event() from public;
