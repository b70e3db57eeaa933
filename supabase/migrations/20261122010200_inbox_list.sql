-- The list of conversations: filters, search, orders, and pages that stay true while messages arrive.

-- A text as it is compared: without case and accents. Most texts are plain, and plainly done.
create function private.fold_text(words text) returns text
language sql immutable strict parallel safe set search_path = '' as $$
  select case when octet_length(words) = char_length(words) then lower(words)
    else translate(
      lower(regexp_replace(normalize(words, nfkd), '[\u0300-\u036f]', '', 'g')), 'đłøßæœıð', 'dlosaeid'
    ) end;
$$;

-- Its words, each once, as far as a search looks.
create function private.search_words(words text) returns text[]
language sql immutable strict parallel safe set search_path = '' as $$
  select coalesce(array_agg(distinct left(w.word, 40)), '{}')
  from regexp_split_to_table(
    private.fold_text(left(words, 4000)), '[\s\u0001-\u002f\u003a-\u0040\u005b-\u0060\u007b-\u00bf\u2000-\u206f]+'
  ) w (word)
  where w.word <> '';
$$;

-- What a message is found by: its words, and the month it is of within its tenant, so that a search goes from month to
-- month and ends when it has enough. Campaigns are not searched.
create function private.month_of(moment timestamptz) returns integer
language plpgsql immutable strict parallel safe set search_path = '' as $$
begin
  return floor(extract(epoch from moment) / 2592000)::integer;
end;
$$;
create function private.message_words(tenant uuid, moment timestamptz, content text) returns tsvector
language sql immutable parallel safe set search_path = '' as $$
  select array_to_tsvector(
    private.search_words(coalesce(content, '')) || array['#' || tenant || ':' || private.month_of(moment)]
  );
$$;
create index messages_words_idx on public.messages
  using gin (private.message_words(tenant_id, occurred_at, content))
  where content is not null and not metadata ? 'broadcast_campaign_id' and target_message_id is null;

-- The query that finds all these words by their beginnings; null when there are none.
create function private.word_query(words text[]) returns tsquery
language sql immutable strict parallel safe set search_path = '' as $$
  select string_agg('''' || replace(w, '''', '') || ''':*', ' & ')::tsquery from unnest(words) w;
$$;

-- Conversations of the caller's that match, by customer or by what was said: of the latter up to 500, the latest months
-- first. Security definer: the index can only be used where row level security does not stand between; it asks for the
-- same rights in the same words.
create function private.search_conversations(needle text, out ids uuid[], out complete boolean)
language plpgsql stable security definer set search_path = '' set enable_seqscan = off as $$
declare
  tenant constant uuid := private.tenant_id();
  all_of_them constant boolean := private.has_permission('conversations.view_all');
  unassigned constant boolean := private.sees_unassigned();
  asks constant uuid := (select auth.uid());
  most constant integer := 500;
  words constant text[] := private.search_words(needle);
  phrase constant tsquery := private.word_query(words);
  -- "+62 812-3456", "0812 3456" and "8123456" are one number
  patterns constant text[] := private.search_patterns(needle);
  -- the one that finds the fewest, for the index: it is not asked for a list of them
  longest constant text := (select p from unnest(patterns) p order by char_length(p) desc limit 1);
  month integer;
  first_month integer;
  looked integer := 0;
  hits uuid[];
  read integer;
begin
  ids := '{}';
  complete := true;
  if tenant is null or phrase is null or not (all_of_them or private.has_permission('conversations.view')) then
    return;
  end if;

  ids := array(
    select v.id
    from public.conversations v
    where v.tenant_id = tenant
      and (all_of_them or v.assigned_to = asks or (v.assigned_to is null and unassigned))
      and v.contact_id in (
        select c.id from public.contacts c
        where c.tenant_id = tenant and c.erased_at is null
          and c.search_words like longest and c.search_words like all (patterns)
        limit 1000
      )
    limit most + 1
  );
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
    with hit as materialized (
      select m.conversation_id from public.messages m
      where private.message_words(m.tenant_id, m.occurred_at, m.content) @@
          (('''#' || tenant || ':' || month || '''')::tsquery && phrase)
        and m.content is not null and not m.metadata ? 'broadcast_campaign_id' and m.target_message_id is null
      limit 20000
    )
    select array(
      select v.id
      from (select distinct h.conversation_id from hit h) h
      join public.conversations v on v.id = h.conversation_id and v.tenant_id = tenant
      where all_of_them or v.assigned_to = asks or (v.assigned_to is null and unassigned)
      order by v.last_message_at desc
    ), (select count(*) from hit) into hits, read;
    looked := looked + read;
    ids := array(select unnest(ids) union select unnest(hits[1:most]));
    if cardinality(ids) >= most or read = 20000 or looked > 60000 then
      complete := false;
      exit;
    end if;
    month := month - 1;
  end loop;
end;
$$;

-- Reads a cursor: base64 of [order, id, key...].
create function private.read_cursor(cursor text, sort text) returns jsonb
language plpgsql immutable set search_path = '' as $$
declare
  place jsonb;
begin
  place := convert_from(decode(translate(cursor, '-_', '+/'), 'base64'), 'UTF8')::jsonb;
  if place ->> 0 is distinct from sort or (place ->> 1)::uuid is null then
    raise data_exception;
  end if;
  perform (place ->> 2)::timestamptz, (place ->> 3)::integer;
  return place;
exception when data_exception then
  raise sqlstate 'PT422' using message = 'This is no cursor of this list.', detail = 'invalid_field', hint = 'cursor';
end;
$$;
create function private.write_cursor(place jsonb) returns text
language sql immutable set search_path = '' as $$
  select translate(replace(encode(convert_to(place::text, 'UTF8'), 'base64'), E'\n', ''), '+/', '-_');
$$;

-- The conversations the caller may see that have a message to show. `filter` has, each if present: "status" (a list),
-- "assigned_to" (a person's id, or `none`), "label", "session_id", "unread", "window_open", "priority", "search". `sort`
-- is newest, oldest, waiting (the customer has the last word, the longest first) or priority. Pages go by number or, where
-- there is one, by the cursor of the page before: a conversation that nothing happens to is then met exactly once.
-- The condition is put together of fixed words; what is asked for are parameters. Row level security holds; that an agent
-- sees their own is said again, for the index.
create function public.list_inbox(filter jsonb, sort text, cursor text, page integer, page_size integer) returns jsonb
language plpgsql stable set search_path = '' as $$
declare
  conditions text[] := array['v.last_message_at is not null'];
  matching text;
  place jsonb;
  ordering text;
  beyond text;
  hits uuid[];
  complete boolean := true;
  answer jsonb;
  person constant uuid := (select auth.uid());
begin
  if not private.has_permission('conversations.view_all') then
    conditions := conditions || case when private.sees_unassigned()
      then '(v.assigned_to = $2 or v.assigned_to is null)' else 'v.assigned_to = $2' end;
  end if;
  conditions := conditions || 'v.tenant_id = $11'::text;
  if filter ? 'status' then conditions := conditions || 'v.status = any ($3)'::text; end if;
  if filter ->> 'assigned_to' = 'none' then
    conditions := conditions || 'v.assigned_to is null'::text;
  elsif filter ? 'assigned_to' then
    conditions := conditions || 'v.assigned_to = $4'::text;
  end if;
  if filter ? 'label' then
    conditions := conditions || 'v.id in (
      select cl.conversation_id from public.conversation_labels cl where cl.label_id = $5 and cl.tenant_id = $11
    )'::text;
  end if;
  if filter ? 'session_id' then conditions := conditions || 'v.session_id = $6'::text; end if;
  if filter ? 'unread' then
    conditions := conditions || case when (filter ->> 'unread')::boolean then 'v.unread_count > 0'
      else 'v.unread_count = 0' end;
  end if;
  if filter ? 'window_open' then
    conditions := conditions || case when (filter ->> 'window_open')::boolean then 'v.window_expires_at > now()'
      else '(v.window_expires_at is null or v.window_expires_at <= now())' end;
  end if;
  if filter ? 'priority' then conditions := conditions || 'v.priority = any ($7)'::text; end if;
  if filter ? 'search' then
    select s.ids, s.complete into hits, complete from private.search_conversations(filter ->> 'search') s;
    conditions := conditions || 'v.id = any ($8)'::text;
  end if;
  if sort = 'waiting' then conditions := conditions || 'v.waiting_since is not null'::text; end if;
  matching := array_to_string(conditions, ' and ');

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
    when sort = 'newest' then ' and (v.last_message_at, v.id) < (($9 ->> 2)::timestamptz, ($9 ->> 1)::uuid)'
    when sort = 'oldest' then ' and (v.last_message_at, v.id) > (($9 ->> 2)::timestamptz, ($9 ->> 1)::uuid)'
    when sort = 'waiting' then ' and (v.waiting_since, v.id) > (($9 ->> 2)::timestamptz, ($9 ->> 1)::uuid)'
    else ' and (v.priority_rank, v.last_message_at, v.id)
      < (($9 ->> 3)::smallint, ($9 ->> 2)::timestamptz, ($9 ->> 1)::uuid)'
  end;

  execute format(
    'with page as materialized (
      select v from public.conversations v where %1$s%2$s order by %3$s limit $10 offset $12
    ),
    numbered as (
      select (p.v).id, row_number() over (order by %4$s) as nth, p.v from page p
    )
    select jsonb_build_object(
      ''total'', (select count(*) from public.conversations v where %1$s),
      ''rows'', coalesce((
        select jsonb_agg(private.conversation_json(n.v) order by n.nth) from numbered n where n.nth < $10
      ), ''[]''),
      ''next'', (
        select jsonb_build_array($1, (n.v).id,
          case $1 when ''waiting'' then (n.v).waiting_since else (n.v).last_message_at end, (n.v).priority_rank)
        from numbered n where n.nth = $10 - 1 and exists (select 1 from numbered o where o.nth = $10)
      )
    )', matching, beyond, ordering, replace(ordering, 'v.', '(p.v).')
  ) into answer using
    sort, person, array(select jsonb_array_elements_text(filter -> 'status')),
    case when filter ->> 'assigned_to' <> 'none' then (filter ->> 'assigned_to')::uuid end, (filter ->> 'label')::uuid,
    (filter ->> 'session_id')::uuid, array(select jsonb_array_elements_text(filter -> 'priority')), hits, place,
    page_size + 1, private.tenant_id(), case when place is null then (page - 1)::bigint * page_size else 0 end;
  return answer - 'next' || jsonb_build_object(
    'next_cursor', private.write_cursor(nullif(answer -> 'next', 'null')), 'complete', complete
  );
end;
$$;

-- How many conversations stand behind each tab: of those the caller may see that have a message to show.
create function public.count_inbox() returns jsonb
language plpgsql stable set search_path = '' as $$
declare
  person constant uuid := (select auth.uid());
begin
  return (
    with states as (
      select v.status, count(*) as n, count(*) filter (where v.unread_count > 0) as unread,
        count(*) filter (where v.assigned_to = person) as mine,
        count(*) filter (where v.assigned_to is null) as unassigned
      from public.conversations v
      where v.last_message_at is not null and v.tenant_id = private.tenant_id()
      group by v.status
    )
    select jsonb_build_object(
      'all', coalesce(sum(s.n), 0),
      'unread', coalesce(sum(s.unread), 0),
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

-- For the release before this one.
create or replace function public.list_conversations(status_filter text, page integer, page_size integer) returns jsonb
language sql stable set search_path = '' as $$
  select public.list_inbox(
    case when status_filter is null then '{}' else jsonb_build_object('status', jsonb_build_array(status_filter)) end,
    'newest', null, page, page_size
  );
$$;

revoke execute on function private.fold_text(text), private.search_words(text), private.month_of(timestamptz),
  private.message_words(uuid, timestamptz, text),
  private.word_query(text[]), private.search_conversations(text), private.read_cursor(text, text),
  private.write_cursor(jsonb) from public;
grant execute on function private.fold_text(text), private.search_words(text), private.month_of(timestamptz),
  private.message_words(uuid, timestamptz, text),
  private.word_query(text[]), private.search_conversations(text), private.read_cursor(text, text),
  private.write_cursor(jsonb) to service_role;
grant execute on function private.search_conversations(text), private.read_cursor(text, text),
  private.write_cursor(jsonb) to authenticated;
revoke execute on function public.list_inbox(jsonb, text, text, integer, integer), public.count_inbox()
  from public, anon;
grant execute on function public.list_inbox(jsonb, text, text, integer, integer), public.count_inbox()
  to authenticated;
