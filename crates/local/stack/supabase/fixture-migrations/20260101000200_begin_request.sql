-- The function that PostgREST calls before each query. A badge identifies an anonymous caller; other headers are
-- refused.
create schema private;
grant usage on schema private to anon, authenticated, service_role;

create table private.badges (
  badge text primary key,
  user_id uuid not null references auth.users (id) on delete cascade
);
create index badges_user_id_idx on private.badges (user_id);
grant select, insert on private.badges to postgres;

create function private.badge_holder(badge text) returns uuid language sql stable security definer set search_path = '' as $$
  select b.user_id from private.badges b where b.badge = badge_holder.badge;
$$;

create function public.give_badge(badge text, user_id uuid) returns void language sql security definer set search_path = '' as $$
  insert into private.badges (badge, user_id) values (badge, user_id);
$$;
revoke execute on function public.give_badge(text, uuid) from public, anon, authenticated;
grant execute on function public.give_badge(text, uuid) to service_role;

create function private.begin_request() returns void language plpgsql as $$
declare
  headers constant json := current_setting('request.headers', true)::json;
  holder uuid;
begin
  if headers ->> 'x-report' is not null then
    raise sqlstate 'PT418' using message = 'reported', detail = json_build_object(
      'role', current_user, 'claims', current_setting('request.jwt.claims')::json ->> 'role',
      'method', current_setting('request.method'), 'path', current_setting('request.path'),
      'read_only', current_setting('transaction_read_only'), 'value', headers ->> 'x-report'
    )::text;
  end if;
  if headers ->> 'x-badge' is null or current_user <> 'anon' then
    return;
  end if;
  holder := private.badge_holder(headers ->> 'x-badge');
  if holder is null then
    raise sqlstate 'PT403' using message = 'This badge is not known', detail = 'badge_unknown', hint = 'x-badge';
  end if;
  perform set_config('request.jwt.claims', json_build_object('sub', holder, 'role', 'authenticated', 'badge', true)::text, true);
  perform set_config('role', 'authenticated', true);
end;
$$;
grant execute on function private.begin_request() to anon, authenticated, service_role;
grant execute on function private.badge_holder(text) to anon;

alter role authenticator set pgrst.db_pre_request = 'private.begin_request';
notify pgrst, 'reload config';
