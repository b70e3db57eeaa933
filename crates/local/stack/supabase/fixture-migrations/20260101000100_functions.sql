create function public.echo(value jsonb) returns jsonb language sql set search_path = '' as $$ select value $$;
create function public.whoami() returns jsonb language sql stable set search_path = '' as $$
  select jsonb_build_object('role', current_user, 'uid', auth.uid(), 'jwt_role', auth.role(), 'claims', auth.jwt());
$$;
create function public.nothing() returns void language plpgsql set search_path = '' as $$
begin
  perform set_config('fixture.called', 'yes', false);
end;
$$;
create function public.count_to(last integer, step integer default 1) returns setof integer
language sql immutable set search_path = '' as $$ select generate_series(1, last, step) $$;
create function public.first_notes(amount integer) returns setof public.notes
language sql stable set search_path = '' as $$ select * from public.notes order by id limit amount $$;
create function public.refuse(code text) returns jsonb language plpgsql set search_path = '' as $$
begin
  raise exception using errcode = code, message = 'refused', detail = 'because', hint = 'do not';
end;
$$;
create function public.write_in_stable() returns void language plpgsql stable set search_path = '' as $$
begin
  perform public.write_note();
end;
$$;
create function public.write_note() returns void language sql security definer set search_path = '' as $$
  delete from public.notes where false;
$$;
create function public.only_service() returns text language sql set search_path = '' as $$ select 'served' $$;

grant execute on function public.echo(jsonb), public.whoami(), public.nothing(), public.count_to(integer, integer),
  public.first_notes(integer), public.refuse(text), public.write_in_stable(), public.write_note()
  to anon, authenticated, service_role;
grant execute on function public.only_service() to service_role;
