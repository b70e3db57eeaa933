-- Requests with an `Idempotency-Key`: one that is repeated within 24 hours has the effect and the answer of the first.
-- Messages have keys of their own, which stand for the message (`outgoing_and_scheduled`).

create table private.repeatable_requests (
  tenant_id uuid not null references public.tenants (id) on delete cascade,
  -- the person or the API key
  actor_id uuid not null,
  route text not null,
  key text not null check (char_length(key) between 1 and 200),
  -- a hash of query and body: the same key with another request is refused
  request_hash text not null,
  -- the request that carries it out
  claim uuid not null unique,
  claimed_at timestamptz not null default now(),
  -- when the request wrote first, set in the transaction of that write
  written_at timestamptz,
  -- the answer, sealed by the API: it may hold a secret that is shown once
  status smallint,
  answer text,
  created_at timestamptz not null default now(),
  primary key (tenant_id, actor_id, route, key)
);
create index repeatable_requests_created_at_idx on private.repeatable_requests (created_at);

-- Claims a key for a request. Returns {"state"}:
--   begun       the request may run
--   answered    an earlier request was answered: {"status", "answer", "claim"}
--   running     an earlier request may still run
--   unfinished  an earlier request wrote something and was never answered
--   different   an earlier request had another query or body
-- A request that wrote nothing within 10 minutes, longer than any function runs, has died, and its key is free.
create function public.begin_repeatable_request(
  tenant_id uuid, actor_id uuid, route text, key text, request_hash text, claim uuid
) returns jsonb
language plpgsql set search_path = '' as $$
declare
  known private.repeatable_requests;
begin
  delete from private.repeatable_requests r
  where r.tenant_id = begin_repeatable_request.tenant_id and r.actor_id = begin_repeatable_request.actor_id
    and r.route = begin_repeatable_request.route and r.key = begin_repeatable_request.key
    and (r.created_at <= now() - interval '24 hours'
      or r.written_at is null and r.status is null and r.claimed_at <= now() - interval '10 minutes');
  insert into private.repeatable_requests (tenant_id, actor_id, route, key, request_hash, claim)
  values (tenant_id, actor_id, route, key, request_hash, claim)
  on conflict on constraint repeatable_requests_pkey do nothing;
  if found then
    return jsonb_build_object('state', 'begun');
  end if;
  select r.* into strict known from private.repeatable_requests r
  where r.tenant_id = begin_repeatable_request.tenant_id and r.actor_id = begin_repeatable_request.actor_id
    and r.route = begin_repeatable_request.route and r.key = begin_repeatable_request.key;
  return case
    when known.request_hash <> begin_repeatable_request.request_hash then jsonb_build_object('state', 'different')
    when known.status is not null then jsonb_build_object(
      'state', 'answered', 'status', known.status, 'answer', known.answer, 'claim', known.claim
    )
    when known.claimed_at > now() - interval '10 minutes' then jsonb_build_object('state', 'running')
    else jsonb_build_object('state', 'unfinished')
  end;
end;
$$;

-- Notes that a request with a key writes, in the transaction of its write. The write is undone if the key was given to
-- another request meanwhile.
-- Security definer: callers have no right to the table.
create function private.note_repeatable_write(the_claim uuid) returns void
language plpgsql security definer set search_path = '' as $$
begin
  update private.repeatable_requests r set written_at = coalesce(r.written_at, now())
  where r.claim = the_claim and r.status is null;
  if not found then
    raise sqlstate 'PT409' using message = 'Another request with this Idempotency-Key took over.',
      detail = 'request_running';
  end if;
end;
$$;

-- Keeps the answer of a request. A refusal before the first write frees the key, and so does a failure: nothing was done.
-- After a write a refusal is kept as well, and a failure leaves the key unfinished.
create function public.finish_repeatable_request(claim uuid, status integer, answer text) returns void
language plpgsql set search_path = '' as $$
begin
  if finish_repeatable_request.status >= 400 then
    delete from private.repeatable_requests r
    where r.claim = finish_repeatable_request.claim and r.written_at is null;
  end if;
  update private.repeatable_requests r
  set status = finish_repeatable_request.status, answer = finish_repeatable_request.answer
  where r.claim = finish_repeatable_request.claim and finish_repeatable_request.status < 500;
  update private.repeatable_requests r set claimed_at = '-infinity'
  where r.claim = finish_repeatable_request.claim and finish_repeatable_request.status >= 500;
end;
$$;

alter table private.repeatable_requests enable row level security;
create policy "no client access" on private.repeatable_requests to authenticated using (false);

grant execute on function private.note_repeatable_write(uuid) to authenticated;
