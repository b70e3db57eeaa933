-- The list of conversations: filters, search, orders, and cursors that stay valid while messages arrive.

-- Some functions below name objects that later statements create.
set check_function_bodies = off;

-- The distinct words of a text, limited to the length that searches consider.
create function private.search_words(words text) returns text[]
language sql immutable strict parallel safe set search_path = '' as $$
  select coalesce(array_agg(distinct left(w.word, 40)), '{}')
  from regexp_split_to_table(
    private.fold_text(left(words, 4000)), '[\s\u0001-\u002f\u003a-\u0040\u005b-\u0060\u007b-\u00bf\u2000-\u206f]+'
  ) w (word)
  where w.word <> '';
$$;

-- Written in plpgsql, which plans the queries once and not for each message.
create function private.message_words(tenant uuid, moment timestamptz, content text) returns tsvector
language plpgsql immutable parallel safe set search_path = '' as $$
begin
  return array_to_tsvector(
    private.word_forms(private.search_words(coalesce(content, ''))) || ('#' || tenant || ':' || private.month_of(moment))
  );
end;
$$;

-- The query for texts with words that begin like all of these; null without words.
create function private.word_query(words text[]) returns tsquery
language sql immutable strict parallel safe set search_path = '' as $$
  select string_agg('''' || replace(w, '''', '') || ''':*', ' & ')::tsquery from unnest(words) w;
$$;

-- Reads a cursor: base64 of [order, id, key...].
create function private.read_cursor(cursor text, sort text) returns jsonb
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
  raise sqlstate 'PT422' using message = 'This is not a cursor of this list.', detail = 'invalid_field', hint = 'cursor';
end;
$$;

create function private.write_cursor(place jsonb) returns text
language sql immutable set search_path = '' as $$
  select translate(replace(encode(convert_to(place::text, 'UTF8'), 'base64'), E'\n', ''), '+/', '-_');
$$;

-- One page of the conversations that the caller may see and that have a message to show. `filter`, all optional:
-- "status" (a list), "assigned_to" (a person's id, or `none`), "label", "session_id", "unread" (for the caller),
-- "window_open", "priority", "search". `sort` is newest, oldest, waiting (customers who wait for an answer, the longest
-- first) or priority. Pages are requested by number or by the previous page's cursor. With cursors, an unchanged
-- conversation appears exactly once. Row level security applies.
create function public.list_inbox(filter jsonb, sort text, cursor text, page integer, page_size integer) returns jsonb
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

-- The number of conversations behind each tab, among those the caller may see and that have a message to show. `unread`
-- counts for the caller.
create function public.count_inbox() returns jsonb
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
        where v.last_message_at is not null and v.tenant_id = tenant and v.unseen_since is not null
      ) - (
        select count(*) from public.conversations v
        where v.id = any (read.settled) and v.last_message_at is not null and v.unseen_since is not null
      ) + (
        select count(*) from public.conversations v
        where v.id = any (read.flagged) and v.last_message_at is not null and v.unseen_since is null
      ),
      -- among conversations that are not resolved
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

-- The data shown with a conversation that comes from other tables and depends on the caller's rights.
-- Security definer: it checks what the policies of contacts and labels would check, for a conversation that the caller
-- sees.
create function private.conversation_context(v public.conversations) returns jsonb
language plpgsql stable security definer set search_path = '' as $$
declare
  -- without a caller, the database itself reads
  without_caller constant boolean := private.tenant_id() is null;
begin
  return jsonb_build_object(
    'last_message_preview', case when without_caller or private.has_permission('messages.view') then v.last_message_preview end,
    'labels', case when without_caller or private.has_permission('labels.view') then private.labels_of(v) else '[]' end,
    'contact', private.customer_of(v)
  );
end;
$$;

-- Translates the inbox filter into a condition on the caller's conversations `v`: see `list_inbox`. Every value of the
-- caller is quoted. For agents it names their own conversations, so that the index serves.
-- Security definer: it checks the rights of the caller itself, because policies are too slow row by row.
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
        then '((v.unseen_since is not null and v.id <> all (%L::uuid[])) or v.id = any (%L::uuid[]))'
        else '((v.unseen_since is null or v.id = any (%L::uuid[])) and v.id <> all (%L::uuid[]))' end,
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

-- Security definer: it checks the rights of the caller itself, because policies are too slow row by row.
create function private.search_conversations(filter jsonb, sort text, out ids uuid[], out complete boolean)
language plpgsql stable security definer set search_path = '' set enable_seqscan = off as $$
declare
  tenant constant uuid := private.tenant_id();
  passes constant text := private.inbox_condition(filter, sort);
  most constant integer := 2000;
  -- a phone number may contain typographic characters that people do not type
  needle constant text := translate(
    filter ->> 'search', U&'\00a0\2007\2009\202f\2010\2011\2012\2013\2014\2212\200b\200e\200f\202a\202b\202c\202d\202e\2066\2067\2068\2069\feff',
    '    ------'
  );
  phrase constant tsquery := private.word_query(private.search_words(needle));
  -- "+62 812-3456", "0812 3456" and "8123456" are one number
  patterns constant text[] := private.search_patterns(needle);
  -- the longest pattern has the fewest matches; the index is asked for this one only
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
    -- if many match, a scan from the newest finds enough quickly
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
  -- a history that arrived late may be older than the first message that arrived
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

-- The words themselves and their stems without Indonesian prefixes (me-, pe-, ber-, ter-, per-, di-, ke-, se-, with the
-- first sound that me- and pe- replace). A word like "INV2931" also yields its number. Searches match beginnings, so
-- suffixes need no treatment. A stem that is not a real word is harmless.
create function private.word_forms(words text[]) returns text[]
language plpgsql immutable strict parallel safe set search_path = '' as $$
declare
  forms text[] := words;
  word text;
  rest text;
  place integer := 1;
  form_count integer := cardinality(words);
begin
  if array_to_string(words, ' ') ~ '[a-z][0-9]{3}' then
    forms := forms || array(select substring(w from '[a-z]([0-9]{3,})') from unnest(words) w where w ~ '[a-z][0-9]{3}');
  end if;
  -- The loop avoids patterns, because it runs for each word of each message. Two prefixes can be combined, as in
  -- "memperbaiki" and "keterlambatan", so each stem is examined once more.
  for depth in 1..2 loop
    while place <= form_count loop
      word := forms[place];
      place := place + 1;
      continue when left(word, 2) <> all ('{me,pe,be,te,di,ke,se}') or char_length(word) < 6;
      if left(word, 2) in ('di', 'ke', 'se') then
        forms := forms || substr(word, 3);
      elsif left(word, 3) in ('ber', 'ter', 'per') then
        if char_length(word) > 6 then
          forms := forms || substr(word, 4);
        end if;
      end if;
      if left(word, 2) in ('me', 'pe') then
        rest := substr(word, 3);
        forms := forms || rest;
        if left(rest, 2) = 'ng' then
          forms := forms || substr(rest, 3);
          if substr(rest, 3, 1) in ('a', 'i', 'u', 'e', 'o') then
            forms := forms || ('k' || substr(rest, 3));
          end if;
        elsif left(rest, 2) = 'ny' then
          forms := forms || ('s' || substr(rest, 3));
        elsif left(rest, 1) in ('m', 'n') then
          forms := forms || substr(rest, 2);
          if substr(rest, 2, 1) in ('a', 'i', 'u', 'e', 'o') then
            forms := forms || (case left(rest, 1) when 'm' then 'p' else 't' end || substr(rest, 2));
          end if;
        end if;
      end if;
    end loop;
    exit when cardinality(forms) = form_count;
    form_count := cardinality(forms);
  end loop;
  return forms;
end;
$$;

create index messages_words_idx on public.messages
  using gin (private.message_words(tenant_id, occurred_at, content))
  where content is not null and not metadata ? 'broadcast_campaign_id' and target_message_id is null;

grant execute on function
  private.search_words(text),
  private.message_words(uuid, timestamptz, text),
  private.word_query(text[]),
  private.read_cursor(text, text),
  private.write_cursor(jsonb),
  public.list_inbox(jsonb, text, text, integer, integer),
  public.count_inbox(),
  private.conversation_context(public.conversations),
  private.inbox_condition(jsonb, text),
  private.search_conversations(jsonb, text),
  private.word_forms(text[])
to authenticated;
