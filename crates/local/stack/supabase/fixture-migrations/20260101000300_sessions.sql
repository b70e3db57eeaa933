-- Ends a user's sessions with the rights of the migrations' own role.
create function public.end_sessions(owner_id uuid) returns integer
language sql security definer set search_path = '' as $$
  with ended as (delete from auth.sessions where user_id = owner_id returning 1) select count(*)::integer from ended;
$$;
grant execute on function public.end_sessions(uuid) to service_role;
