-- What each person has not read is told by rows of their own, so that the inbox can be filtered by it.

alter table public.conversations
  -- since when there is something of the customer that whoever never opened the conversation has not seen: from the
  -- first message after it was resolved. Null when there is nothing.
  add column heard_since timestamptz;
alter table public.conversations disable trigger user;
update public.conversations v set heard_since = coalesce(v.waiting_since, v.last_inbound_at, v.last_message_at, v.created_at)
where v.unread_count > 0;
alter table public.conversations enable trigger user;

drop index public.conversations_unread_idx;
create index conversations_unread_idx on public.conversations (tenant_id, last_message_at desc, id desc)
  include (assigned_to) where heard_since is not null;

-- `marked_unread` is true from when the customer writes, or the person puts the conversation back, until the person reads.
update public.conversation_reads r set marked_unread = true
where not r.marked_unread and exists (
  select 1 from public.messages m
  where m.conversation_id = r.conversation_id and m.tenant_id = r.tenant_id and m.direction = 'inbound'
    and m.occurred_at > r.read_through - interval '7 days' and m.created_at > r.read_through
    and m.target_message_id is null and not m.metadata ? 'source'
);
create index conversation_reads_unread_idx on public.conversation_reads (user_id, tenant_id, conversation_id)
  where marked_unread;

-- Named to run after what decides whether a message counts.
create function private.tally_unread() returns trigger
language plpgsql set search_path = '' as $$
begin
  if new.unread_count > 0 then
    new.heard_since := coalesce(new.heard_since, now());
  elsif tg_op = 'UPDATE' and new.status = 'resolved' and old.status <> 'resolved' then
    new.heard_since := null;
  end if;
  return new;
end;
$$;
create trigger tally_unread before insert or update on public.conversations
  for each row execute function private.tally_unread();

-- A message that counts is new to everybody who has read before. By whoever holds the conversation, as all who read do.
create function private.flag_unread() returns trigger
language plpgsql security definer set search_path = '' as $$
begin
  if coalesce(current_setting('app.keeps_state', true), '') <> 'on' then
    update public.conversation_reads r set marked_unread = true
    where r.conversation_id = new.id and not r.marked_unread;
  end if;
  return null;
end;
$$;
create trigger flag_unread after update on public.conversations
  for each row when (new.unread_count > old.unread_count)
  execute function private.flag_unread();

select private.audit_table('conversations', 'id', 'people', '-last_message_at', '-last_message_preview',
  '-last_message_direction', '-last_message_type', '-last_inbound_at', '-window_expires_at', '-unread_count',
  '-read_message_id', '-waiting_since', '-priority_rank', '-heard_since');

-- Until the moment it is called, not until the request began: who waited for the conversation has read what came meanwhile.
create or replace function private.keep_read(conversation public.conversations, unread boolean) returns void
language plpgsql security definer set search_path = '' as $$
declare
  person constant uuid := private.person_id();
begin
  if person is not null then
    insert into public.conversation_reads as r (conversation_id, user_id, tenant_id, read_through, marked_unread)
    values (conversation.id, person, conversation.tenant_id, clock_timestamp(), unread)
    on conflict (conversation_id, user_id) do update
      set read_through = case when unread then r.read_through else excluded.read_through end,
        marked_unread = excluded.marked_unread;
  end if;
end;
$$;

create or replace function private.unread_for_caller(v public.conversations) returns integer
language plpgsql stable security definer set search_path = '' as $$
declare
  mine public.conversation_reads;
  since timestamptz := v.heard_since;
  least_of_all integer := 1;
  unread integer;
begin
  select r.* into mine from public.conversation_reads r
  where r.conversation_id = v.id and r.user_id = (select auth.uid());
  if found then
    since := case when mine.marked_unread then mine.read_through end;
  else
    least_of_all := greatest(v.unread_count, 1);
  end if;
  if since is null then
    return 0;
  end if;
  select count(*) into unread from (
    select 1 from public.messages m
    where m.conversation_id = v.id and m.tenant_id = v.tenant_id and m.occurred_at > since - interval '7 days'
      and m.created_at > since and m.direction = 'inbound' and m.target_message_id is null
      and not m.metadata ? 'source'
    order by m.occurred_at desc, m.created_at desc, m.id desc
    limit 100
  ) u;
  return least(greatest(unread, least_of_all), 100);
end;
$$;

-- The conversations that are read for the caller though the customer was heard, and those that are unread because the
-- caller opened them before.
create function private.read_by_caller(out settled uuid[], out flagged uuid[])
language plpgsql stable security definer set search_path = '' as $$
declare
  asks constant uuid := (select auth.uid());
  tenant constant uuid := private.tenant_id();
begin
  settled := array(
    select r.conversation_id from public.conversation_reads r
    join public.conversations v on v.id = r.conversation_id and v.heard_since is not null
    where r.user_id = asks and r.tenant_id = tenant and not r.marked_unread
  );
  flagged := array(
    select r.conversation_id from public.conversation_reads r
    where r.user_id = asks and r.tenant_id = tenant and r.marked_unread
  );
end;
$$;

-- What the filter of the inbox says, as a condition on conversations `v` of the caller's: see `list_inbox`. Every value is
-- quoted; there is nothing of the caller's in it besides. That an agent sees their own is said for the index.
create function private.inbox_condition(filter jsonb, sort text) returns text
language plpgsql stable security definer set search_path = '' as $$
declare
  conditions text[] := array[format('v.tenant_id = %L', private.tenant_id()), 'v.last_message_at is not null'];
  mine record;
begin
  if private.tenant_id() is null or not (
    private.has_permission('conversations.view_all') or private.has_permission('conversations.view')
  ) then
    return 'false';
  end if;
  if not private.has_permission('conversations.view_all') then
    conditions := conditions || format(
      case when private.sees_unassigned() then '(v.assigned_to = %L or v.assigned_to is null)' else 'v.assigned_to = %L' end,
      auth.uid()
    );
  end if;
  if filter ? 'status' then
    conditions := conditions || format(
      'v.status = any (%L::text[])', array(select jsonb_array_elements_text(filter -> 'status'))
    );
  end if;
  if filter ->> 'assigned_to' = 'none' then
    conditions := conditions || 'v.assigned_to is null'::text;
  elsif filter ? 'assigned_to' then
    conditions := conditions || format('v.assigned_to = %L::uuid', (filter ->> 'assigned_to')::uuid);
  end if;
  if filter ? 'label' then
    conditions := conditions || format(
      'v.id = any (%L::uuid[])', private.labelled_conversations((filter ->> 'label')::uuid)
    );
  end if;
  if filter ? 'session_id' then
    conditions := conditions || format('v.session_id = %L::uuid', (filter ->> 'session_id')::uuid);
  end if;
  if filter ? 'unread' then
    select * into mine from private.read_by_caller();
    conditions := conditions || format(
      case when (filter ->> 'unread')::boolean
        then '((v.heard_since is not null and v.id <> all (%L::uuid[])) or v.id = any (%L::uuid[]))'
        else '((v.heard_since is null or v.id = any (%L::uuid[])) and v.id <> all (%L::uuid[]))' end,
      mine.settled, mine.flagged
    );
  end if;
  if filter ? 'window_open' then
    conditions := conditions || case when (filter ->> 'window_open')::boolean then 'v.window_expires_at > now()'
      else '(v.window_expires_at is null or v.window_expires_at <= now())' end;
  end if;
  if filter ? 'priority' then
    conditions := conditions || format(
      'v.priority = any (%L::text[])', array(select jsonb_array_elements_text(filter -> 'priority'))
    );
  end if;
  if sort = 'waiting' then
    conditions := conditions || 'v.waiting_since is not null'::text;
  end if;
  return array_to_string(conditions, ' and ');
end;
$$;

-- Conversations of the caller's that pass the filter and match, by customer or by what was said: of each the latest
-- 2000 at first.
-- Security definer: the index can only be used where row level security does not stand between; `inbox_condition` asks for
-- the same rights in the same words.
drop function private.search_conversations(text);
create function private.search_conversations(filter jsonb, sort text, out ids uuid[], out complete boolean)
language plpgsql stable security definer set search_path = '' set enable_seqscan = off as $$
declare
  tenant constant uuid := private.tenant_id();
  passes constant text := private.inbox_condition(filter, sort);
  most constant integer := 2000;
  -- a number as WhatsApp and telephone books show it: with signs that are not typed
  needle constant text := translate(
    filter ->> 'search', U&'\00a0\2007\2009\202f\2010\2011\2012\2013\2014\2212\200b\200e\200f\202a\202b\202c\202d\202e\2066\2067\2068\2069\feff',
    '    ------'
  );
  phrase constant tsquery := private.word_query(private.search_words(needle));
  -- "+62 812-3456", "0812 3456" and "8123456" are one number
  patterns constant text[] := private.search_patterns(needle);
  -- the one that finds the fewest, for the index: it is not asked for a list of them
  longest constant text := (select p from unnest(patterns) p order by char_length(p) desc limit 1);
  customers uuid[];
  month integer;
  first_month integer;
  looked integer := 0;
  hits uuid[];
  read integer;
begin
  ids := '{}';
  complete := true;
  if phrase is null or passes = 'false' then
    return;
  end if;

  customers := array(
    select c.id from public.contacts c
    where c.tenant_id = tenant and c.erased_at is null
      and c.search_words like longest and c.search_words like all (patterns)
    limit most + 1
  );
  if cardinality(customers) <= most then
    execute format(
      'select array(select v.id from public.conversations v where %s and v.contact_id = any ($1)
        order by v.last_message_at desc limit $2)', passes
    ) into ids using customers, most + 1;
  else
    -- where many match, the latest are soon met
    execute format(
      'select array(
        select v.id from public.conversations v join public.contacts c on c.id = v.contact_id
        where %s and c.erased_at is null and c.search_words like all ($1) order by v.last_message_at desc limit $2
      )', passes
    ) into ids using patterns, most + 1;
  end if;
  if cardinality(ids) > most then
    complete := false;
    ids := ids[1:most];
  end if;

  if not private.has_permission('messages.view') then
    return;
  end if;
  select private.month_of(max(v.last_message_at)) into month from public.conversations v where v.tenant_id = tenant;
  select private.month_of(min(m.occurred_at)) into first_month from (
    select m.occurred_at from public.messages m where m.tenant_id = tenant order by m.created_at limit 1
  ) m;
  -- a history that came in late may be older than the first message that did
  first_month := greatest(first_month - 24, month - 120);
  while month >= first_month loop
    execute format(
      'with hit as materialized (
        select m.conversation_id from public.messages m
        where private.message_words(m.tenant_id, m.occurred_at, m.content) @@ $1
          and m.content is not null and not m.metadata ? ''broadcast_campaign_id'' and m.target_message_id is null
        limit 20000
      )
      select array(
        select v.id
        from (select distinct h.conversation_id from hit h) h
        join public.conversations v on v.id = h.conversation_id
        where %s
        order by v.last_message_at desc
      ), (select count(*) from hit)', passes
    ) into hits, read using ('''#' || tenant || ':' || month || '''')::tsquery && phrase;
    looked := looked + read;
    ids := array(select distinct h from unnest(ids || hits[1:most]) h);
    if cardinality(ids) >= 2 * most or read = 20000 or looked > 60000 then
      complete := false;
      exit;
    end if;
    month := month - 1;
  end loop;
end;
$$;

-- The conversations the caller may see that have a message to show. `filter` has, each if present: "status" (a list),
-- "assigned_to" (a person's id, or `none`), "label", "session_id", "unread" (for the caller), "window_open", "priority",
-- "search". `sort` is newest, oldest, waiting (the customer has the last word, the longest first) or priority. Pages go by
-- number or, where there is one, by the cursor of the page before: a conversation that nothing happens to is then met
-- exactly once. Row level security holds.
create or replace function public.list_inbox(filter jsonb, sort text, cursor text, page integer, page_size integer) returns jsonb
language plpgsql stable set search_path = '' as $$
declare
  matching text := private.inbox_condition(filter, sort);
  place jsonb;
  ordering text;
  beyond text;
  hits uuid[];
  complete boolean := true;
  answer jsonb;
begin
  if filter ? 'search' then
    select s.ids, s.complete into hits, complete from private.search_conversations(filter, sort) s;
    matching := matching || ' and v.id = any ($2)';
  end if;

  if cursor is not null then
    place := private.read_cursor(cursor, sort);
  end if;
  ordering := case sort
    when 'newest' then 'v.last_message_at desc, v.id desc'
    when 'oldest' then 'v.last_message_at, v.id'
    when 'waiting' then 'v.waiting_since, v.id'
    when 'priority' then 'v.priority_rank desc, v.last_message_at desc, v.id desc'
  end;
  beyond := case
    when place is null then ''
    when sort = 'newest' then ' and (v.last_message_at, v.id) < (($3 ->> 2)::timestamptz, ($3 ->> 1)::uuid)'
    when sort = 'oldest' then ' and (v.last_message_at, v.id) > (($3 ->> 2)::timestamptz, ($3 ->> 1)::uuid)'
    when sort = 'waiting' then ' and (v.waiting_since, v.id) > (($3 ->> 2)::timestamptz, ($3 ->> 1)::uuid)'
    else ' and (v.priority_rank, v.last_message_at, v.id)
      < (($3 ->> 3)::smallint, ($3 ->> 2)::timestamptz, ($3 ->> 1)::uuid)'
  end;

  execute format(
    'with page as materialized (
      select v from public.conversations v where %1$s%2$s order by %3$s limit $4 offset $5
    ),
    numbered as (
      select (p.v).id, row_number() over (order by %4$s) as nth, p.v from page p
    )
    select jsonb_build_object(
      ''total'', (select count(*) from public.conversations v where %1$s),
      ''rows'', coalesce((
        select jsonb_agg(private.conversation_json(n.v) order by n.nth) from numbered n where n.nth < $4
      ), ''[]''),
      ''next'', (
        select jsonb_build_array($1, (n.v).id,
          case $1 when ''waiting'' then (n.v).waiting_since else (n.v).last_message_at end, (n.v).priority_rank)
        from numbered n where n.nth = $4 - 1 and exists (select 1 from numbered o where o.nth = $4)
      )
    )', matching, beyond, ordering, replace(ordering, 'v.', '(p.v).')
  ) into answer using sort, hits, place, page_size + 1, case when place is null then (page - 1)::bigint * page_size else 0 end;
  return answer - 'next' || jsonb_build_object(
    'next_cursor', private.write_cursor(nullif(answer -> 'next', 'null')), 'complete', complete
  );
end;
$$;

-- Reads a cursor: base64 of [order, id, key...].
create or replace function private.read_cursor(cursor text, sort text) returns jsonb
language plpgsql immutable set search_path = '' as $$
declare
  place jsonb;
begin
  place := convert_from(decode(translate(cursor, '-_', '+/'), 'base64'), 'UTF8')::jsonb;
  if place ->> 0 is distinct from sort or (place ->> 1)::uuid is null or (place ->> 2)::timestamptz is null then
    raise data_exception;
  end if;
  perform (place ->> 3)::smallint;
  return place;
exception when data_exception then
  raise sqlstate 'PT422' using message = 'This is no cursor of this list.', detail = 'invalid_field', hint = 'cursor';
end;
$$;

-- How many conversations stand behind each tab: of those the caller may see that have a message to show. `unread` is the
-- caller's own.
create or replace function public.count_inbox() returns jsonb
language plpgsql stable set search_path = '' as $$
declare
  person constant uuid := (select auth.uid());
  tenant constant uuid := private.tenant_id();
  read record;
begin
  select * into read from private.read_by_caller();
  return (
    with states as (
      select v.status, count(*) as n,
        count(*) filter (where v.assigned_to = person) as mine,
        count(*) filter (where v.assigned_to is null) as unassigned
      from public.conversations v
      where v.last_message_at is not null and v.tenant_id = tenant
      group by v.status
    )
    select jsonb_build_object(
      'all', coalesce(sum(s.n), 0),
      'unread', (
        select count(*) from public.conversations v
        where v.last_message_at is not null and v.tenant_id = tenant and v.heard_since is not null
      ) - (
        select count(*) from public.conversations v
        where v.id = any (read.settled) and v.last_message_at is not null and v.heard_since is not null
      ) + (
        select count(*) from public.conversations v
        where v.id = any (read.flagged) and v.last_message_at is not null and v.heard_since is null
      ),
      -- of what is not resolved
      'mine', coalesce(sum(s.mine) filter (where s.status <> 'resolved'), 0),
      'unassigned', coalesce(sum(s.unassigned) filter (where s.status <> 'resolved'), 0),
      'open', coalesce(sum(s.n) filter (where s.status = 'open'), 0),
      'pending', coalesce(sum(s.n) filter (where s.status = 'pending'), 0),
      'snoozed', coalesce(sum(s.n) filter (where s.status = 'snoozed'), 0),
      'resolved', coalesce(sum(s.n) filter (where s.status = 'resolved'), 0)
    )
    from states s
  );
end;
$$;

-- As before; who has read one of them only has something to read.
create or replace function private.merge_conversations(kept uuid, gone uuid) returns void
language plpgsql set search_path = '' as $$
declare
  old public.conversations;
begin
  perform 1 from public.conversations v where v.id in (kept, gone) order by v.id for update;
  select * into strict old from public.conversations v where v.id = gone;

  update public.messages m
  set
    conversation_id = kept,
    idempotency_key = case when exists (
      select 1 from public.messages o where o.conversation_id = kept and o.idempotency_key = m.idempotency_key
    ) then null else m.idempotency_key end
  where m.conversation_id = gone;
  delete from public.conversation_reads r
  where r.conversation_id = kept and exists (
    select 1 from public.conversation_reads o
    where o.conversation_id = gone and o.user_id = r.user_id and o.read_through < r.read_through
  );
  perform private.move_references('public.conversations', gone, kept);
  delete from public.conversations v where v.id = gone;
  update public.conversation_reads r set marked_unread = true
  where r.conversation_id = kept and not r.marked_unread and exists (
    select 1 from public.messages m
    where m.conversation_id = kept and m.tenant_id = r.tenant_id and m.direction = 'inbound'
      and m.occurred_at > r.read_through - interval '7 days' and m.created_at > r.read_through
      and m.target_message_id is null and not m.metadata ? 'source'
  );

  perform set_config('app.keeps_state', 'on', true);
  update public.conversations v
  set
    unread_count = v.unread_count + old.unread_count,
    heard_since = least(v.heard_since, old.heard_since),
    assigned_to = coalesce(v.assigned_to, old.assigned_to),
    -- whichever asks for more attention
    status = case
      when 'open' in (v.status, old.status) then 'open'
      when 'pending' in (v.status, old.status) then 'pending'
      when 'snoozed' in (v.status, old.status) then 'snoozed'
      else v.status
    end,
    snoozed_until = least(v.snoozed_until, old.snoozed_until),
    priority = case when old.priority_rank > v.priority_rank then old.priority else v.priority end,
    waiting_since = least(v.waiting_since, old.waiting_since),
    last_inbound_at = greatest(v.last_inbound_at, old.last_inbound_at),
    window_expires_at = greatest(v.window_expires_at, old.window_expires_at),
    created_at = least(v.created_at, old.created_at)
  where v.id = kept;
  perform private.refresh_conversations(array[kept]);
  perform set_config('app.keeps_state', '', true);
  insert into public.conversation_events (tenant_id, conversation_id, kind, actor_id, details)
  values (old.tenant_id, kept, 'merged', private.person_id(), jsonb_build_object('merged', gone));

  -- Clients may have the conversation that is no more on their screens.
  perform private.announce(old.tenant_id, old.assigned_to, 'conversation.merged',
    jsonb_build_object('id', gone, 'merged_into', kept));
end;
$$;

revoke execute on function private.tally_unread(), private.flag_unread(), private.read_by_caller(),
  private.inbox_condition(jsonb, text), private.search_conversations(jsonb, text) from public;
grant execute on function private.read_by_caller(), private.inbox_condition(jsonb, text),
  private.search_conversations(jsonb, text) to authenticated;
grant execute on function private.search_conversations(jsonb, text) to service_role;
