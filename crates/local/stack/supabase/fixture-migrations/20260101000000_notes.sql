-- A small project that uses the same features as the real one.
alter default privileges in schema public revoke all on tables from anon, authenticated;
alter default privileges in schema public revoke all on functions from anon, authenticated;
alter default privileges revoke execute on functions from public;

create table public.notes (
  id bigint generated always as identity primary key,
  owner_id uuid not null references auth.users (id) on delete cascade,
  body text not null,
  secret text not null default 'hidden',
  facts jsonb not null default '{}',
  tags text[] not null default '{}',
  done boolean not null default false,
  created_at timestamptz not null default now(),
  unique (owner_id, body)
);
create index notes_owner_id_idx on public.notes (owner_id);
alter table public.notes enable row level security;
alter table public.notes replica identity full;
revoke all on public.notes from anon, authenticated;
grant select (id, owner_id, body, facts, tags, done, created_at), insert (owner_id, body), update (body, done), delete
  on public.notes to authenticated;
grant all on public.notes to service_role;
create policy "owners" on public.notes to authenticated
  using (owner_id = (select auth.uid())) with check (owner_id = (select auth.uid()));
alter publication supabase_realtime add table public.notes;

create policy "listen to oneself" on realtime.messages for select to authenticated
  using (extension in ('broadcast', 'presence') and (select realtime.topic()) = 'user:' || (select auth.uid()));
create policy "speak on one's own channel" on realtime.messages for insert to authenticated
  with check (extension = 'broadcast' and (select realtime.topic()) = 'user:' || (select auth.uid()));

create function public.announce_note() returns trigger
language plpgsql security definer set search_path = '' as $$
begin
  perform realtime.broadcast_changes(
    'user:' || new.owner_id, 'note.' || lower(tg_op), tg_op, tg_table_name, tg_table_schema, new, old
  );
  return null;
end;
$$;
create trigger announce after insert on public.notes for each row execute function public.announce_note();
