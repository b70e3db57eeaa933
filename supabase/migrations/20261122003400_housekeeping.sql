-- What is tidied up every hour.

-- Keys of sends that may be used again. Answers with how many.
create function public.expire_idempotency_keys() returns integer
language plpgsql set search_path = '' as $$
declare
  freed integer;
begin
  delete from private.idempotency_keys k where k.created_at < now() - interval '24 hours';
  get diagnostics freed = row_count;
  return freed;
end;
$$;

-- Runs a retention function by its name, where this release has it. Answers with what it answers, null without.
create function public.run_retention(task text) returns jsonb
language plpgsql set search_path = '' as $$
declare
  answer jsonb;
  routine regprocedure;
begin
  if task not in ('prune_webhook_events', 'prune_audit_logs') then
    raise sqlstate 'PT404' using message = 'There is no such task.', detail = 'not_found';
  end if;
  select p.oid::regprocedure into routine from pg_catalog.pg_proc p
  where p.pronamespace = 'public'::regnamespace and p.proname = task and p.pronargs = p.pronargdefaults;
  if routine is null then
    return null;
  end if;
  execute format('select to_jsonb(public.%I())', task) into answer;
  return answer;
end;
$$;

-- When housekeeping last ran, and how it ended.
create function public.begin_housekeeping() returns void
language sql set search_path = '' as $$
  insert into private.cron_runs (name, started_at) values ('housekeeping', now())
  on conflict (name) do update set started_at = excluded.started_at, finished_at = null;
$$;
create function public.finish_housekeeping(outcome jsonb) returns void
language sql set search_path = '' as $$
  update private.cron_runs set finished_at = now(), outcome = finish_housekeeping.outcome where name = 'housekeeping';
$$;

revoke execute on function public.expire_idempotency_keys(), public.run_retention(text),
  public.begin_housekeeping(), public.finish_housekeeping(jsonb) from public, anon, authenticated;
grant execute on function public.expire_idempotency_keys(), public.run_retention(text),
  public.begin_housekeeping(), public.finish_housekeeping(jsonb) to service_role;
