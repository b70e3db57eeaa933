-- What changes many contacts at once: those that changed are found before their conversations are looked for. Asked for
-- together with a limit, the planner compares every old row with every new one, for it hopes to have enough soon.

create or replace function private.announce_contact_of_conversations() returns trigger
language plpgsql security definer set search_path = '' as $$
declare
  ids uuid[];
begin
  select array_agg(n.id) into ids
  from changed n
  join before o on o.id = n.id
  where (coalesce(n.name, n.profile_name), n.wa_id, n.user_id, n.username, n.tags, n.blocked_at)
    is distinct from (coalesce(o.name, o.profile_name), o.wa_id, o.user_id, o.username, o.tags, o.blocked_at);
  if ids is not null then
    perform private.announce_conversations_by_id(array(
      select v.id from public.conversations v
      where v.contact_id = any (ids)
      -- an import that renames everybody is news to nobody's screen
      limit 500
    ));
  end if;
  return null;
end;
$$;
