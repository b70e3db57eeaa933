create view public.limits with (security_invoker = on) as
  select current_setting('statement_timeout') as statement, current_setting('lock_timeout') as lock;
create function public.limits_of_request() returns jsonb language sql set search_path = '' as $$
  select to_jsonb(l) from public.limits l;
$$;
create function public.sleep() returns void language sql set search_path = '' as $$ select pg_sleep(60) $$;
create function public.sleep_briefly() returns void
language sql set search_path = '' set statement_timeout = '100ms' as $$ select pg_sleep(60) $$;

grant select on public.limits to anon, authenticated, service_role;
grant execute on function public.limits_of_request(), public.sleep(), public.sleep_briefly()
  to anon, authenticated, service_role;
