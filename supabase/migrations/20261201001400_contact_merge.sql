-- Merging: finding contacts that are the same person, previewing a merge, and merging two contacts.

-- Some functions below name objects that later statements create.
set check_function_bodies = off;

-- Changes all references from `gone` to `kept`. It finds tables by their foreign keys, so it includes tables that are
-- added later. It drops a row if `kept` already has the same one.
create function private.move_references(target regclass, gone uuid, kept uuid) returns void
language plpgsql set search_path = '' as $$
declare
  reference record;
  place tid;
begin
  for reference in
    select f.conrelid::regclass as referrer, a.attname as referring
    from pg_catalog.pg_constraint f
    cross join lateral unnest(f.conkey, f.confkey) as k (own, other)
    join pg_catalog.pg_attribute a on a.attrelid = f.conrelid and a.attnum = k.own
    join pg_catalog.pg_attribute o on o.attrelid = f.confrelid and o.attnum = k.other
    where f.contype = 'f' and f.confrelid = target and o.attname = 'id'
    order by 1, 2
  loop
    begin
      execute format('update %s set %I = $1 where %I = $2', reference.referrer, reference.referring, reference.referring)
        using kept, gone;
    exception when unique_violation then
      for place in execute format('select ctid from %s where %I = $1', reference.referrer, reference.referring) using gone
      loop
        begin
          execute format('update %s set %I = $1 where ctid = $2', reference.referrer, reference.referring)
            using kept, place;
        exception when unique_violation then
          execute format('delete from %s where ctid = $1', reference.referrer) using place;
        end;
      end loop;
    end;
  end loop;
end;
$$;

-- Merges two conversations with the same person and number. A person who has read only one of them sees the result as
-- unread.
create function private.merge_conversations(kept uuid, gone uuid) returns void
language plpgsql set search_path = '' as $$
declare
  own public.conversations;
  old public.conversations;
  is_quiet boolean;
begin
  perform 1 from public.conversations v where v.id in (kept, gone) order by v.id for update;
  select * into strict own from public.conversations v where v.id = kept;
  select * into strict old from public.conversations v where v.id = gone;
  is_quiet := old.unread_count > 0 and exists (
    select 1 from public.contacts c where c.id = own.contact_id and c.blocked_at is not null
  );

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

  -- The more urgent state wins. The conversation of a blocked contact keeps its state, because it needs no attention.
  update public.conversations v
  set
    unread_count = n.unread_count,
    unseen_since = case when n.unread_count > 0 then coalesce(least(v.unseen_since, old.unseen_since), now())
      else least(v.unseen_since, old.unseen_since) end,
    assigned_to = case
      when n.status = 'open' and v.last_message_direction = 'inbound' and n.unread_count > v.unread_count
        and coalesce(v.assigned_to, old.assigned_to) is not distinct from v.assigned_to
        and (v.assigned_to is null or v.status <> 'open')
      then private.assignee_of_opened(v.session_id, v.tenant_id, v.assigned_to)
      else coalesce(v.assigned_to, old.assigned_to)
    end,
    status = n.status,
    snoozed_until = case when n.status = 'snoozed' then least(v.snoozed_until, old.snoozed_until) end,
    priority = case when old.priority_rank > v.priority_rank then old.priority else v.priority end,
    waiting_since = case when is_quiet then v.waiting_since else private.waiting_since(
      n.status, v.last_message_direction, v.last_message_type, v.last_message_at,
      least(v.waiting_since, old.waiting_since)
    ) end,
    last_inbound_at = greatest(v.last_inbound_at, old.last_inbound_at),
    echoed_at = greatest(v.echoed_at, old.echoed_at),
    window_expires_at = greatest(v.window_expires_at, old.window_expires_at),
    created_at = least(v.created_at, old.created_at)
  from (
    select
      case
        when is_quiet then own.unread_count
        -- the phone app answered one of the two as well
        when greatest(own.echoed_at, old.echoed_at) is not null then least(
          own.unread_count + old.unread_count,
          greatest(own.unread_count, old.unread_count, private.count_after_echo(
            kept, own.tenant_id, greatest(own.echoed_at, old.echoed_at)
          ))
        )
        else own.unread_count + old.unread_count
      end as unread_count,
      case
        when is_quiet then own.status
        when 'open' in (own.status, old.status) then 'open'
        when 'pending' in (own.status, old.status) then 'pending'
        when 'snoozed' in (own.status, old.status) then 'snoozed'
        else own.status
      end as status
  ) n
  where v.id = kept;
  perform private.begin_service_window(own);
  perform private.refresh_conversations(array[kept]);
  insert into public.conversation_events (tenant_id, conversation_id, kind, actor_id, details)
  values (old.tenant_id, kept, 'merged', private.person_id(), jsonb_build_object('merged', gone));

  -- Clients may still show the conversation that no longer exists.
  perform private.announce(old.tenant_id, old.assigned_to, 'conversation.merged',
    jsonb_build_object('id', gone, 'merged_into', kept));
end;
$$;

-- Merges two contacts of the same person. Values of `kept` stay, values of `gone` fill its gaps, and tags are combined.
create function private.merge_contacts(kept uuid, gone uuid) returns void
language plpgsql set search_path = '' as $$
declare
  old public.contacts;
  pair record;
  gaps text;
begin
  if kept = gone then
    return;
  end if;
  perform 1 from public.contacts c where c.id in (kept, gone) order by c.id for update;
  select c.* into old from public.contacts c
  where c.id = gone and c.tenant_id = (select k.tenant_id from public.contacts k where k.id = kept);
  if not found then
    return;
  end if;

  for pair in
    select k.id as kept, g.id as gone
    from public.conversations g
    join public.conversations k on k.session_id = g.session_id and k.contact_id = merge_contacts.kept
    where g.contact_id = merge_contacts.gone
    order by g.id
  loop
    perform private.merge_conversations(pair.kept, pair.gone);
  end loop;
  -- both had the same number or id before: keep the later end
  update private.former_identities k set until = g.until
  from private.former_identities g
  where k.contact_id = kept and g.contact_id = gone and g.tenant_id = k.tenant_id and g.until > k.until
    and (g.phone_key = k.phone_key or g.user_id = k.user_id);
  perform private.move_references('public.contacts', gone, kept);
  delete from public.contacts c where c.id = gone;

  -- All nullable columns, including those of later migrations. Objects are combined.
  select string_agg(
    case when a.atttypid = 'jsonb'::regtype
      then format('%1$I = case when jsonb_typeof(c.%1$I) = ''object'' and jsonb_typeof(($1).%1$I) = ''object''
        then ($1).%1$I || c.%1$I else coalesce(c.%1$I, ($1).%1$I) end', a.attname)
      else format('%1$I = coalesce(c.%1$I, ($1).%1$I)', a.attname)
    end, ', ')
  into gaps
  from pg_catalog.pg_attribute a
  where a.attrelid = 'public.contacts'::regclass and a.attnum > 0 and not a.attisdropped and a.attgenerated = ''
    and (not a.attnotnull or a.atttypid = 'jsonb'::regtype);
  execute format('update public.contacts c set %s, created_at = least(c.created_at, ($1).created_at),
    tags = (private.clean_tags(c.tags || ($1).tags))[1:50] where c.id = $2', gaps)
    using old, kept;
  -- the profile name the person was last seen with
  update public.contacts c
  set profile_name = coalesce(old.profile_name, c.profile_name), username = coalesce(old.username, c.username),
    profile_at = old.profile_at
  where c.id = kept and old.profile_at > c.profile_at;
  perform private.refresh_consents(array[kept]);
end;
$$;

-- The last message of a customer that opens Meta's 24-hour window.
create function private.last_inbound(conversation uuid, tenant uuid) returns timestamptz
language sql stable set search_path = '' as $$
  select max(m.occurred_at) from public.messages m
  where m.conversation_id = conversation and m.tenant_id = tenant and m.direction = 'inbound'
    and not m.metadata ?| array['source', 'group_id'] and m.type not in ('system', 'request_welcome', 'edit', 'revoke');
$$;

-- The fields whose values can be chosen in a merge.
create function private.mergeable(c public.contacts) returns jsonb
language sql stable set search_path = '' as $$
  select jsonb_build_object(
    'name', c.name, 'phone_number', '+' || c.wa_id, 'user_id', c.user_id, 'email', c.email, 'language', c.language,
    'owner_id', c.owner_id
  ) || coalesce((
    select jsonb_object_agg('custom_fields.' || e.key, e.value) from jsonb_each(c.custom_fields) e
  ), '{}');
$$;

-- The result of a merge before it happens: both values of each field and the result, the rows that move, and the data
-- that is lost. `lost_identities` are numbers and ids of the other contact that the result cannot keep. They start a
-- new contact when they write again.
-- Security definer: clients have no right to call `private.clean_tags`.
create function public.preview_contact_merge(contact_id uuid, other_id uuid) returns jsonb
language plpgsql stable security definer set search_path = '' as $$
declare
  tenant constant uuid := private.tenant_id();
  one public.contacts;
  other public.contacts;
begin
  perform private.require('contacts.merge');
  select c.* into one from public.contacts c where c.id = preview_contact_merge.contact_id and c.tenant_id = tenant;
  select c.* into other from public.contacts c where c.id = preview_contact_merge.other_id and c.tenant_id = tenant;
  if one.id is null or not private.sees_contact(one) then
    raise sqlstate 'PT404' using message = 'There is no such contact.', detail = 'not_found';
  elsif other.id is null or other.id = one.id or not private.sees_contact(other) then
    raise sqlstate 'PT422' using message = 'There is no such other contact.', detail = 'invalid_field', hint = 'with';
  end if;
  perform private.require_conversations_of(array[one.id, other.id]);
  return jsonb_build_object(
    'contact', private.contact_json(one),
    'with', private.contact_json(other),
    'fields', (
      select jsonb_agg(jsonb_build_object(
        'field', k.key, 'this', o.value -> k.key, 'other', t.value -> k.key,
        'result', coalesce(nullif(o.value -> k.key, 'null'), t.value -> k.key),
        'conflict', o.value -> k.key <> t.value -> k.key and 'null' not in (o.value -> k.key, t.value -> k.key)
      ) order by k.key)
      from (select private.mergeable(one) as value) o
      cross join (select private.mergeable(other) as value) t
      cross join lateral (
        select jsonb_object_keys(o.value) as key union select jsonb_object_keys(t.value)
      ) k
      where coalesce(o.value -> k.key, 'null') <> 'null' or coalesce(t.value -> k.key, 'null') <> 'null'
    ),
    'tags', private.clean_tags(one.tags || other.tags),
    'lost_identities', array_remove(array[
      case when one.wa_id is not null then '+' || other.wa_id end, case when one.user_id is not null then other.user_id end
    ], null),
    'moves', jsonb_build_object(
      'conversations', (select count(*) from public.conversations v where v.contact_id = other.id and v.tenant_id = tenant),
      'joined_conversations', (
        select count(*) from public.conversations v join public.conversations o on o.session_id = v.session_id and o.contact_id = one.id
        where v.contact_id = other.id and v.tenant_id = tenant
      ),
      'messages', (
        select count(*) from public.conversations v
        join public.messages m on m.conversation_id = v.id and m.tenant_id = v.tenant_id
        where v.contact_id = other.id and v.tenant_id = tenant
      ),
      'notes', (select count(*) from public.contact_notes n where n.contact_id = other.id and n.tenant_id = tenant),
      'consents', (select count(*) from public.contact_consents k where k.contact_id = other.id and k.tenant_id = tenant),
      'campaigns', (
        select count(distinct k.id) from public.broadcast_campaigns k
        join public.broadcast_recipients r on r.campaign_id = k.id and r.wa_id = any (private.contact_numbers(other))
        where k.tenant_id = tenant
      ),
      'labels', (select count(*) from public.contact_labels k where k.contact_id = other.id and k.tenant_id = tenant)
    ),
    'opted_out', one.marketing_opted_out_at is not null or other.marketing_opted_out_at is not null,
    'blocked', one.blocked_at is not null or other.blocked_at is not null
  );
end;
$$;

-- Merges `other_id` into a contact, which keeps its id. `fields` names the fields to take from the other contact, as in
-- the preview. Returns the contact.
-- Security definer: clients have no right to write contacts.
create function public.merge_contact(contact_id uuid, other_id uuid, fields text[] default '{}') returns jsonb
language plpgsql security definer set search_path = '' as $$
declare
  tenant constant uuid := private.tenant_id();
  one public.contacts;
  other public.contacts;
  unknown text;
begin
  perform private.require('contacts.merge');
  perform 1 from public.contacts c
  where c.id in (merge_contact.contact_id, merge_contact.other_id) and c.tenant_id = tenant order by c.id for update;
  one := private.own_contact(merge_contact.contact_id);
  select c.* into other from public.contacts c where c.id = merge_contact.other_id and c.tenant_id = tenant;
  if other.id is null or other.id = one.id or not private.sees_contact(other) then
    raise sqlstate 'PT422' using message = 'There is no such other contact.', detail = 'invalid_field', hint = 'with';
  end if;
  -- locked, so that none goes to a colleague before it is joined
  perform 1 from public.conversations v
  where v.contact_id in (one.id, other.id) and v.tenant_id = tenant order by v.id for update;
  perform private.require_conversations_of(array[one.id, other.id]);
  select f into unknown from unnest(fields) f
  where not private.mergeable(other) ? f or private.mergeable(other) -> f = 'null'
  limit 1;
  if found then
    raise sqlstate 'PT422' using message = format('The other contact has no %s.', unknown), detail = 'invalid_field', hint = 'fields';
  end if;

  perform private.merge_contacts(one.id, other.id);
  -- a refusal of either contact counts until the person consents later
  update public.contacts c
  set
    name = case when 'name' = any (fields) then other.name else c.name end,
    email = case when 'email' = any (fields) then other.email else c.email end,
    language = case when 'language' = any (fields) then other.language else c.language end,
    owner_id = case when 'owner_id' = any (fields) then other.owner_id else c.owner_id end,
    wa_id = case when 'phone_number' = any (fields) then other.wa_id else c.wa_id end,
    user_id = case when 'user_id' = any (fields) then other.user_id else c.user_id end,
    custom_fields = c.custom_fields || coalesce((
      select jsonb_object_agg(e.key, e.value) from jsonb_each(other.custom_fields) e
      where 'custom_fields.' || e.key = any (fields)
    ), '{}')
  where c.id = one.id and cardinality(fields) > 0;
  -- late messages under the number that was given up still belong to this person
  perform private.remember_identity(one.id, k.phone_key, null, now())
  from unnest(array[one.phone_key, other.phone_key]) as k (phone_key)
  where k.phone_key <> (select c.phone_key from public.contacts c where c.id = one.id);
  return (select private.contact_json(c) from public.contacts c where c.id = one.id);
end;
$$;

-- Pairs of contacts that may be the same person, the most likely first within a page of contacts by creation. Reasons:
-- the same address, the same last digits, or the same name if the tenant entered both. `after` is the last contact of
-- the previous page. Returns {"rows": [{"contact", "other", "reasons"}], "next_cursor"}.
-- Security definer: clients have no right to call `private.contact_json`.
create function public.list_contact_duplicates(page_size integer, after uuid default null) returns jsonb
language plpgsql stable security definer set search_path = '' as $$
declare
  tenant constant uuid := private.tenant_id();
  place public.contacts;
  scanned integer;
  last_seen uuid;
  pairs jsonb;
begin
  perform private.require('contacts.merge');
  perform private.require('contacts.view');
  if after is not null then
    select c.* into place from public.contacts c where c.id = list_contact_duplicates.after and c.tenant_id = tenant;
    if not found then
      raise sqlstate 'PT422' using message = 'This is not a cursor of this list.', detail = 'invalid_field', hint = 'cursor';
    end if;
  end if;
  with page as materialized (
    select c.* from public.contacts c
    where c.tenant_id = tenant and c.erased_at is null
      and (place.id is null or (c.created_at, c.id) < (place.created_at, place.id))
    order by c.created_at desc, c.id desc
    -- a limit on the contacts examined per call
    limit 2000
  ),
  found as (
    select p.id, p.created_at, o.id as other, array_agg(distinct o.reason) as reasons
    from page p
    cross join lateral (
      -- This order has no index on purpose: the planner would scan one from end to end, expecting many matches.
      (
        select c.id, 'email' as reason from public.contacts c
        where c.tenant_id = tenant and c.email is not null and lower(c.email) = lower(p.email)
          and c.erased_at is null and (c.created_at, c.id) < (p.created_at, p.id)
        order by c.id::text limit 5
      )
      union all
      (
        select c.id, 'phone_number' from public.contacts c
        where c.tenant_id = tenant and c.wa_id is not null and c.erased_at is null
          and private.phone_tail(c.wa_id) = private.phone_tail(p.wa_id) and (c.created_at, c.id) < (p.created_at, p.id)
        order by c.id::text limit 5
      )
      union all
      (
        select c.id, 'name' from public.contacts c
        where c.tenant_id = tenant and c.erased_at is null and p.name is not null and c.name is not null
          and private.contact_sort_name(c.name, c.profile_name, c.username, c.wa_id) collate "C"
            = private.contact_sort_name(p.name, p.profile_name, p.username, p.wa_id) collate "C"
          and (c.created_at, c.id) < (p.created_at, p.id)
        order by c.id::text limit 5
      )
    ) o
    group by p.id, p.created_at, o.id
    -- many people share a name: it counts only if one contact has no number, or the numbers are very similar
    having array_agg(distinct o.reason) <> '{name}' or exists (
      select 1 from public.contacts a, public.contacts b
      where a.id = p.id and b.id = o.id
        and (a.wa_id is null or b.wa_id is null or right(a.wa_id, 5) = right(b.wa_id, 5) or left(a.wa_id, char_length(a.wa_id) - 2) = left(b.wa_id, char_length(b.wa_id) - 2))
    )
  ),
  shown as (
    select f.*, row_number() over (order by f.created_at desc, f.id desc, cardinality(f.reasons) desc, f.other) as nth
    from found f
  ),
  cut as (
    -- a page ends between two contacts
    select s.* from shown s
    where s.nth <= page_size or s.id = (select l.id from shown l where l.nth = page_size)
  )
  select
    (select count(*) from page),
    case when (select count(*) from shown) > (select count(*) from cut) then (select c.id from cut c order by c.nth desc limit 1)
      else (select p.id from page p order by p.created_at, p.id limit 1) end,
    coalesce((
      select jsonb_agg(jsonb_build_object(
        'contact', private.contact_json(a), 'other', private.contact_json(b), 'reasons', c.reasons
      ) order by c.nth)
      from cut c join public.contacts a on a.id = c.id join public.contacts b on b.id = c.other
    ), '[]'),
    (select count(*) from shown) > (select count(*) from cut)
  into scanned, last_seen, pairs
  ;
  return jsonb_build_object(
    'rows', pairs,
    'next_cursor', case when scanned = 2000 or last_seen <> coalesce((
      select c.id from public.contacts c where c.tenant_id = tenant and c.erased_at is null order by c.created_at, c.id limit 1
    ), last_seen) then last_seen end
  );
end;
$$;

grant execute on function
  public.preview_contact_merge(uuid, uuid),
  public.merge_contact(uuid, uuid, text[]),
  public.list_contact_duplicates(integer, uuid)
to authenticated;
