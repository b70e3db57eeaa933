-- Housekeeping: the cleanup that runs every hour.

-- Calls a retention function by name: a function of schema public without required parameters. Returns its result, or
-- null if this release has no such function.
create function public.run_retention(task text) returns jsonb
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

-- The start and the result of the last housekeeping.
create function public.begin_housekeeping() returns void
language sql set search_path = '' as $$
  insert into private.cron_runs (name, started_at) values ('housekeeping', now())
  on conflict (name) do update set started_at = excluded.started_at, finished_at = null;
$$;

create function public.finish_housekeeping(outcome jsonb) returns void
language sql set search_path = '' as $$
  update private.cron_runs set finished_at = now(), outcome = finish_housekeeping.outcome where name = 'housekeeping';
$$;
