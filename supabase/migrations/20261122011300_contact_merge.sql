-- Contacts that are one person: how they are found, what would become of them, and how a person joins them.

-- The last digits of a number: what stays the same however its beginning is written.
create function private.phone_tail(wa_id text) returns text
language sql immutable strict parallel safe set search_path = '' as $$
  select right(wa_id, 8);
$$;
grant execute on function private.phone_tail(text) to service_role;
create index contacts_tail_idx on public.contacts (tenant_id, private.phone_tail(wa_id)) where wa_id is not null and erased_at is null;

-- As before, and tags are put together as well.
create or replace function private.merge_contacts(kept uuid, gone uuid) returns void
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
  perform private.move_references('public.contacts', gone, kept);
  delete from public.contacts c where c.id = gone;

  -- Every column that may be empty, also those of later migrations; objects are put together.
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
  -- the name the person was last seen with
  update public.contacts c
  set profile_name = coalesce(old.profile_name, c.profile_name), username = coalesce(old.username, c.username),
    profile_at = old.profile_at
  where c.id = kept and old.profile_at > c.profile_at;
  perform private.settle_consents(array[kept]);
end;
$$;

-- What can be chosen of two contacts.
create function private.mergeable(c public.contacts) returns jsonb
language sql stable set search_path = '' as $$
  select jsonb_build_object(
    'name', c.name, 'phone_number', '+' || c.wa_id, 'user_id', c.user_id, 'email', c.email, 'language', c.language,
    'owner_id', c.owner_id
  ) || coalesce((
    select jsonb_object_agg('custom_fields.' || e.key, e.value) from jsonb_each(c.custom_fields) e
  ), '{}');
$$;

-- What would become of a contact with which another one is merged: each field with both values and what results, what
-- moves, and what is lost. A number or an id of the other one that cannot be kept beside one's own begins a new contact
-- when it writes again: `lost_identities`.
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
      'labels', (select count(*) from public.contact_labels k where k.contact_id = other.id and k.tenant_id = tenant)
    ),
    'opted_out', one.marketing_opted_out_at is not null or other.marketing_opted_out_at is not null,
    'blocked', one.blocked_at is not null or other.blocked_at is not null
  );
end;
$$;

-- Merges `other_id` into a contact, which keeps its id. `fields` names those to take from the other one, as the preview
-- calls them. Answers with the contact.
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
  select f into unknown from unnest(fields) f
  where not private.mergeable(other) ? f or private.mergeable(other) -> f = 'null'
  limit 1;
  if found then
    raise sqlstate 'PT422' using message = format('The other contact has no %s.', unknown), detail = 'invalid_field', hint = 'fields';
  end if;

  perform private.merge_contacts(one.id, other.id);
  -- a "no" of either one holds until there is a later "yes" of the person
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
  -- what comes late under the number that was given up belongs to the same person still
  perform private.remember_identity(one.id, k.phone_key, null, now())
  from unnest(array[one.phone_key, other.phone_key]) as k (phone_key)
  where k.phone_key <> (select c.phone_key from public.contacts c where c.id = one.id);
  return (select private.contact_json(c) from public.contacts c where c.id = one.id);
end;
$$;

-- Pairs of contacts that may be one person, the surest first within a page of contacts by when they were added: the same
-- address; the same last digits; the same name, where both are so called by the tenant. `after` is the contact that
-- another page ended with. Answers with {"rows": [{"contact", "other", "reasons"}], "next_cursor"}.
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
      raise sqlstate 'PT422' using message = 'There is no such place in this list.', detail = 'invalid_field', hint = 'cursor';
    end if;
  end if;
  with page as materialized (
    select c.* from public.contacts c
    where c.tenant_id = tenant and c.erased_at is null
      and (place.id is null or (c.created_at, c.id) < (place.created_at, place.id))
    order by c.created_at desc, c.id desc
    -- looked at in one call, however few pairs there are
    limit 2000
  ),
  found as (
    select p.id, p.created_at, o.id as other, array_agg(distinct o.reason) as reasons
    from page p
    cross join lateral (
      (
        select c.id, 'email' as reason from public.contacts c
        where c.tenant_id = tenant and c.email is not null and lower(c.email) = lower(p.email)
          and c.erased_at is null and (c.created_at, c.id) < (p.created_at, p.id)
        order by c.id limit 5
      )
      union all
      (
        select c.id, 'phone_number' from public.contacts c
        where c.tenant_id = tenant and c.wa_id is not null and c.erased_at is null
          and private.phone_tail(c.wa_id) = private.phone_tail(p.wa_id) and (c.created_at, c.id) < (p.created_at, p.id)
        order by c.id limit 5
      )
      union all
      (
        select c.id, 'name' from public.contacts c
        where c.tenant_id = tenant and c.erased_at is null and p.name is not null and c.name is not null
          and private.contact_sort_name(c.name, c.profile_name, c.username, c.wa_id) collate "C"
            = private.contact_sort_name(p.name, p.profile_name, p.username, p.wa_id) collate "C"
          and (c.created_at, c.id) < (p.created_at, p.id)
        order by c.id limit 5
      )
    ) o
    group by p.id, p.created_at, o.id
    -- a name alone is borne by many: it counts where one of the two has no number, or the numbers are much alike
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

revoke execute on function private.phone_tail(text), private.mergeable(public.contacts) from public;
revoke execute on function public.preview_contact_merge(uuid, uuid), public.merge_contact(uuid, uuid, text[]),
  public.list_contact_duplicates(integer, uuid) from public, anon;
grant execute on function public.preview_contact_merge(uuid, uuid), public.merge_contact(uuid, uuid, text[]),
  public.list_contact_duplicates(integer, uuid) to authenticated;
