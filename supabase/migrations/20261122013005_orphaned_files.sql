-- Files in Storage follow their rows: what no row names any more is removed, whoever removed the row.

-- Security definer: whoever deletes a message has no right to the list.
create function private.queue_orphaned_files() returns trigger
language plpgsql security definer set search_path = '' as $$
begin
  insert into private.files_to_remove (bucket, path)
  select distinct 'chat-media', p.path
  from before b
  -- one that is being fetched goes where its row says
  cross join lateral (
    select coalesce(b.storage_path, case b.state when 'pending' then format('%s/%s/%s', b.tenant_id, b.session_id, b.id) end)
  ) p (path)
  where p.path is not null and not exists (select 1 from public.message_media o where o.storage_path = p.path)
  on conflict do nothing;
  return null;
end;
$$;
create trigger queue_orphaned_files after delete on public.message_media
  referencing old table as before for each statement execute function private.queue_orphaned_files();

create index message_media_unsent_idx on public.message_media (expires_at) where message_id is null;

-- Forgets uploads that nobody sent while Meta had them. Answers with how many.
create function public.prune_unsent_uploads(batch integer default 10000) returns bigint
language plpgsql set search_path = '' as $$
declare
  pruned bigint;
begin
  delete from public.message_media f
  where f.id = any (array(
    select u.id from public.message_media u
    where u.message_id is null and u.expires_at < now()
    order by u.expires_at
    limit batch
    for update skip locked
  ));
  get diagnostics pruned = row_count;
  return pruned;
end;
$$;

revoke execute on function private.queue_orphaned_files() from public;
revoke execute on function public.prune_unsent_uploads(integer) from public, anon, authenticated;
grant execute on function public.prune_unsent_uploads(integer) to service_role;
