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

-- The steps of housekeeping that began, and how often since one last ended.
create table private.housekeeping_steps (
  name text primary key,
  tries smallint not null,
  begun_at timestamptz not null
);

-- Counts the beginning of a step. Returns false if the step is set aside because housekeeping died of it: it begins once a
-- day then, so that the steps behind it run in between.
create function public.begin_housekeeping_step(step text) returns boolean
language plpgsql set search_path = '' as $$
begin
  insert into private.housekeeping_steps as s (name, tries, begun_at) values (step, 1, now())
  on conflict (name) do update set tries = least(s.tries + 1, 1000), begun_at = now()
    where s.tries < private.most_tries() or s.begun_at <= now() - interval '1 day';
  if found then
    return true;
  end if;
  if not exists (
    select 1 from private.set_aside_work a
    where a.queue = 'housekeeping' and a.item = step and a.set_aside_at > now() - interval '1 day'
  ) then
    perform private.note_set_aside('housekeeping', step, null);
  end if;
  return false;
end;
$$;

-- Ends a step, whatever its result.
create function public.end_housekeeping_step(step text) returns void
language sql set search_path = '' as $$
  update private.housekeeping_steps s set tries = 0 where s.name = step and s.tries > 0;
$$;

alter table private.housekeeping_steps enable row level security;
create policy "no client access" on private.housekeeping_steps to authenticated using (false);

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
