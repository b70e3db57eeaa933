-- One contact per person. A contact is known by phone number in any form, by Meta's user id, or by both. Two contacts
-- that prove to be the same person are merged, and a changed number keeps its history. Notices may arrive in any order:
-- a number that was given up and taken again still results in one contact.

-- Some functions below name objects that later statements create.
set check_function_bodies = off;

-- Earlier numbers and user ids of a contact, and when they ended. Messages sent under them before that time belong to
-- the contact.
create table private.former_identities (
  id bigint generated always as identity primary key,
  tenant_id uuid not null references public.tenants (id) on delete cascade,
  contact_id uuid not null,
  phone_key text,
  user_id text,
  until timestamptz not null,
  unique nulls not distinct (tenant_id, phone_key, user_id, contact_id),
  check ((phone_key is null) <> (user_id is null)),
  foreign key (contact_id, tenant_id) references public.contacts (id, tenant_id) on delete cascade
);
create index former_identities_user_idx on private.former_identities (tenant_id, user_id) where user_id is not null;
create index former_identities_contact_idx on private.former_identities (contact_id, tenant_id);
create index former_identities_phone_idx on private.former_identities (tenant_id, phone_key, until) where phone_key is not null;

-- Creates or updates the contacts of people Meta names by phone number, user id, or both. `people` is a list of
-- {"tenant_id", "wa_id"?, "user_id"?, "profile_name"?, "username"?, "at", "nth"}. If a person appears several times,
-- the latest entry counts.
create function private.upsert_contacts(people jsonb) returns void
language plpgsql set search_path = '' as $$
declare
  pair record;
begin
  -- People who show a number and an id together for the first time. This is rare: about once per person.
  for pair in
    select p.tenant_id, p.wa_id, p.user_id, p.at, by_phone.id as by_phone, by_user.id as by_user,
      by_user.wa_id as old_wa_id, by_user.user_id_at as old_at
    from (
      select distinct on (p.tenant_id, p.user_id, private.phone_key(p.wa_id)) p.tenant_id, p.user_id, p.wa_id, p.at
      from jsonb_to_recordset(people) as p (tenant_id uuid, wa_id text, user_id text, at timestamptz, nth integer)
      where p.wa_id is not null and p.user_id is not null
      order by p.tenant_id, p.user_id, private.phone_key(p.wa_id), p.at desc, p.nth desc
    ) p
    left join lateral (
      select c.id from public.contacts c
      where c.tenant_id = p.tenant_id and c.phone_key = private.phone_key(p.wa_id)
    ) by_phone on true
    left join lateral (
      select c.id, c.wa_id, c.user_id_at from public.contacts c where c.tenant_id = p.tenant_id and c.user_id = p.user_id
    ) by_user on true
    where by_phone.id is distinct from by_user.id
    order by p.tenant_id, p.user_id, p.at, p.wa_id
  loop
    if pair.by_phone is not null then
      perform private.assign_user_id(pair.by_phone, pair.user_id, pair.at);
    elsif pair.old_wa_id is null then
      perform private.assign_phone_number(pair.by_user, pair.wa_id);
    elsif pair.old_at is null or pair.old_at <= pair.at then
      -- the loop below gives the id to the contact with the number it was seen with last
      perform private.remember_identity(pair.by_user, null, pair.user_id, coalesce(pair.old_at, pair.at));
      update public.contacts c set user_id = null, user_id_at = null where c.id = pair.by_user;
    end if;
  end loop;

  insert into public.contacts as c (tenant_id, wa_id, user_id, user_id_at, profile_name, username, profile_at)
  select
    p.tenant_id, p.wa_id,
    case when p.has_user_id then p.user_id end, case when p.has_user_id then p.user_id_at end,
    p.profile_name, p.username, p.profile_at
  from (
    select
      p.*,
      -- A user id belongs to one contact. If it comes with several phone numbers, the last one gets it.
      p.user_id is not null and p.place = max(p.place) over (partition by p.tenant_id, p.user_id) and not exists (
        select 1 from public.contacts o where o.tenant_id = p.tenant_id and o.user_id = p.user_id
      ) as has_user_id
    from (
      select
        p.tenant_id, private.phone_key(p.wa_id) as key, max(array[extract(epoch from p.at), p.nth]) as place,
        (array_agg(p.wa_id order by p.at desc, p.nth desc))[1] as wa_id,
        (array_agg(p.user_id order by p.at desc, p.nth desc) filter (where p.user_id is not null))[1] as user_id,
        max(p.at) filter (where p.user_id is not null) as user_id_at,
        (array_agg(p.profile_name order by p.at desc, p.nth desc) filter (where p.profile_name is not null))[1]
          as profile_name,
        (array_agg(p.username order by p.at desc, p.nth desc) filter (where p.username is not null))[1] as username,
        max(p.at) filter (where coalesce(p.profile_name, p.username) is not null) as profile_at
      from jsonb_to_recordset(people) as p (
        tenant_id uuid, wa_id text, user_id text, profile_name text, username text, at timestamptz, nth integer
      )
      where p.wa_id is not null
      group by p.tenant_id, private.phone_key(p.wa_id)
    ) p
  ) p
  order by p.tenant_id, p.key
  on conflict (tenant_id, phone_key) do update set
    -- the form that WhatsApp uses now
    wa_id = excluded.wa_id,
    profile_name = case when c.profile_at > excluded.profile_at then coalesce(c.profile_name, excluded.profile_name)
      else coalesce(excluded.profile_name, c.profile_name) end,
    username = case when c.profile_at > excluded.profile_at then coalesce(c.username, excluded.username)
      else coalesce(excluded.username, c.username) end,
    profile_at = greatest(c.profile_at, excluded.profile_at),
    user_id = coalesce(c.user_id, excluded.user_id),
    user_id_at = case when c.user_id is null or c.user_id = excluded.user_id
      then greatest(c.user_id_at, excluded.user_id_at) else c.user_id_at end
  -- An unchanged row is written at most once a day, not for each message.
  where excluded.wa_id <> c.wa_id
    or (c.user_id is null and excluded.user_id is not null)
    or excluded.user_id_at > coalesce(c.user_id_at, '-infinity') + interval '1 day'
    or excluded.profile_at > coalesce(c.profile_at, '-infinity') + interval '1 day'
    or (c.profile_name is null and excluded.profile_name is not null)
    or (c.username is null and excluded.username is not null)
    or (excluded.profile_at >= coalesce(c.profile_at, '-infinity')
      and (coalesce(excluded.profile_name, c.profile_name), coalesce(excluded.username, c.username))
        is distinct from (c.profile_name, c.username));

  insert into public.contacts as c (tenant_id, user_id, user_id_at, profile_name, username, profile_at)
  select
    p.tenant_id, p.user_id, max(p.at),
    (array_agg(p.profile_name order by p.at desc, p.nth desc) filter (where p.profile_name is not null))[1],
    (array_agg(p.username order by p.at desc, p.nth desc) filter (where p.username is not null))[1],
    max(p.at) filter (where coalesce(p.profile_name, p.username) is not null)
  from jsonb_to_recordset(people) as p (
    tenant_id uuid, wa_id text, user_id text, profile_name text, username text, at timestamptz, nth integer
  )
  where p.wa_id is null and p.user_id is not null
  group by p.tenant_id, p.user_id
  order by p.tenant_id, p.user_id
  on conflict (tenant_id, user_id) do update set
    profile_name = case when c.profile_at > excluded.profile_at then coalesce(c.profile_name, excluded.profile_name)
      else coalesce(excluded.profile_name, c.profile_name) end,
    username = case when c.profile_at > excluded.profile_at then coalesce(c.username, excluded.username)
      else coalesce(excluded.username, c.username) end,
    profile_at = greatest(c.profile_at, excluded.profile_at),
    user_id_at = greatest(c.user_id_at, excluded.user_id_at)
  where excluded.user_id_at > coalesce(c.user_id_at, '-infinity') + interval '1 day'
    or excluded.profile_at > coalesce(c.profile_at, '-infinity') + interval '1 day'
    or (c.profile_name is null and excluded.profile_name is not null)
    or (c.username is null and excluded.username is not null)
    or (excluded.profile_at >= coalesce(c.profile_at, '-infinity')
      and (coalesce(excluded.profile_name, c.profile_name), coalesce(excluded.username, c.username))
        is distinct from (c.profile_name, c.username));
end;
$$;

-- Gives a contact a phone number, or the form that WhatsApp uses. Returns the contact that has the number now: another
-- one, if both were the same person.
create function private.assign_phone_number(contact uuid, new_wa_id text) returns uuid
language plpgsql set search_path = '' as $$
declare
  known public.contacts;
  holder uuid;
begin
  select c.* into strict known from public.contacts c where c.id = contact for update;
  select c.id into holder from public.contacts c
  where c.tenant_id = known.tenant_id and c.phone_key = private.phone_key(new_wa_id);
  if holder is not null and holder <> contact then
    perform private.merge_contacts(kept => holder, gone => contact);
    return holder;
  end if;
  update public.contacts c set wa_id = new_wa_id where c.id = contact and c.wa_id is distinct from new_wa_id;
  return contact;
end;
$$;

-- Records an earlier number or user id of a contact.
create function private.remember_identity(contact uuid, old_phone_key text, old_user_id text, at timestamptz) returns void
language sql set search_path = '' as $$
  insert into private.former_identities (tenant_id, contact_id, phone_key, user_id, until)
  select c.tenant_id, c.id, old_phone_key, old_user_id, at
  from public.contacts c
  where c.id = contact and (old_phone_key is not null or old_user_id is not null)
  on conflict (tenant_id, phone_key, user_id, contact_id) do update
    set until = greatest(former_identities.until, excluded.until);
$$;

-- Gives a contact the user id it was seen with at that time. A contact that already had the id is the same person and
-- is merged, unless it has another phone number: then the contact that was seen with the id last gets it.
create function private.assign_user_id(contact uuid, new_user_id text, at timestamptz) returns void
language plpgsql set search_path = '' as $$
declare
  known public.contacts;
  holder public.contacts;
begin
  select c.* into strict known from public.contacts c where c.id = contact for update;
  if known.user_id = new_user_id then
    update public.contacts c set user_id_at = greatest(c.user_id_at, at) where c.id = contact;
    return;
  end if;

  select c.* into holder from public.contacts c where c.tenant_id = known.tenant_id and c.user_id = new_user_id for update;
  if holder.id is not null and holder.wa_id is null then
    -- the merge frees the id before it is assigned below
    perform private.merge_contacts(kept => contact, gone => holder.id);
  elsif holder.id is not null and holder.user_id_at > at then
    return;
  elsif holder.id is not null then
    perform private.remember_identity(holder.id, null, new_user_id, coalesce(holder.user_id_at, at));
    update public.contacts c set user_id = null, user_id_at = null where c.id = holder.id;
  end if;

  if known.user_id_at > at then
    perform private.remember_identity(contact, null, new_user_id, at);
  else
    perform private.remember_identity(contact, null, known.user_id, coalesce(known.user_id_at, at));
    update public.contacts c set user_id = new_user_id, user_id_at = at where c.id = contact;
  end if;
end;
$$;

-- The contact of a person Meta names, by the identity the person had at that time.
create function private.find_contact(tenant uuid, wa_id text, user_id text, at timestamptz) returns uuid
language sql stable set search_path = '' as $$
  select coalesce(
    (
      select f.contact_id from private.former_identities f
      where f.tenant_id = tenant and f.phone_key = private.phone_key(find_contact.wa_id) and f.until >= at
      order by f.until
      limit 1
    ),
    (
      select f.contact_id from private.former_identities f
      where find_contact.wa_id is null and f.tenant_id = tenant and f.user_id = find_contact.user_id and f.until >= at
      order by f.until
      limit 1
    ),
    (
      select c.id from public.contacts c
      where c.tenant_id = tenant and c.phone_key = private.phone_key(find_contact.wa_id)
    ),
    (
      select c.id from public.contacts c
      where find_contact.wa_id is null and c.tenant_id = tenant and c.user_id = find_contact.user_id
    )
  );
$$;

-- Moves the messages of a contact up to a time to another contact, because the number has changed hands since.
create function private.move_history(contact uuid, new_owner uuid, at timestamptz) returns void
language plpgsql set search_path = '' as $$
declare
  thread record;
  place public.conversations;
  opened public.conversations;
  moved integer;
begin
  for thread in
    select v.id, v.tenant_id, v.session_id, v.status, v.snoozed_until, v.unread_count from public.conversations v
    where v.contact_id = contact and exists (
      select 1 from public.messages m
      where m.conversation_id = v.id and m.tenant_id = v.tenant_id and m.occurred_at <= at
    )
    order by v.id
    for update
  loop
    insert into public.conversations (tenant_id, session_id, contact_id, status, snoozed_until)
    values (thread.tenant_id, thread.session_id, new_owner, thread.status, thread.snoozed_until)
    on conflict (session_id, contact_id) do nothing;
    select v.* into strict place from public.conversations v
    where v.session_id = thread.session_id and v.contact_id = new_owner for update;

    select count(*) into moved from public.messages m
    where m.conversation_id = thread.id and m.tenant_id = thread.tenant_id and m.occurred_at <= at
      and m.direction = 'inbound' and m.target_message_id is null and not m.metadata ? 'source';
    moved := least(moved, thread.unread_count);
    update public.messages m set conversation_id = place.id, idempotency_key = null
    where m.conversation_id = thread.id and m.tenant_id = thread.tenant_id and m.occurred_at <= at;

    -- Unread messages count as new here: they open a pending conversation, as a message of the customer would.
    update public.conversations v
    set
      unread_count = v.unread_count + moved,
      unseen_since = coalesce(v.unseen_since, now()),
      status = case when v.status = 'pending' and coalesce(v.last_message_type, '') not in ('system', 'request_welcome')
        then 'open' else v.status end
    where v.id = place.id and moved > 0
      and not exists (select 1 from public.contacts c where c.id = v.contact_id and c.blocked_at is not null)
    returning v.* into opened;
    if opened.id is not null then
      perform private.mark_unread(array[place.id]);
    end if;
    if opened.status = 'open' and opened.last_message_direction = 'inbound'
      and (opened.assigned_to is null or place.status <> 'open')
    then
      update public.conversations v
      set assigned_to = private.assignee_of_opened(v.session_id, v.tenant_id, v.assigned_to)
      where v.id = place.id;
    end if;
    update public.conversations v set unread_count = v.unread_count - moved where v.id = thread.id and moved > 0;
    update public.conversations v
    set
      last_inbound_at = private.last_inbound(v.id, v.tenant_id),
      window_expires_at = private.last_inbound(v.id, v.tenant_id) + interval '24 hours'
    where v.id in (thread.id, place.id);
    perform private.begin_service_window(place);
    perform private.refresh_conversations(array[thread.id, place.id]);
  end loop;
end;
$$;

-- Applies a notice from WhatsApp that a person's number or user id has changed. Safe to repeat.
create function private.apply_number_change(contact uuid, notice jsonb, old_wa_id text, at timestamptz) returns void
language plpgsql set search_path = '' as $$
declare
  known public.contacts;
  new_wa_id constant text := nullif(ltrim(coalesce(notice ->> 'new_wa_id', notice ->> 'wa_id'), '+'), '');
  -- Meta names the ids `previous_user_id` and `user_id`, or `user_id` and `new_user_id`.
  new_user_id constant text := coalesce(nullif(notice ->> 'new_user_id', ''), nullif(notice ->> 'user_id', ''));
  former_user_id text := coalesce(nullif(notice ->> 'previous_user_id', ''),
    case when notice ->> 'new_user_id' <> '' then nullif(notice ->> 'user_id', '') end);
  is_change constant boolean := coalesce(notice ->> 'type', 'user_changed_user_id')
    in ('user_changed_number', 'user_changed_user_id');
  person uuid := contact;
  holder uuid;
begin
  select c.* into strict known from public.contacts c where c.id = contact;

  -- A new number may come with the notice of a new id.
  if is_change and new_wa_id ~ '^[0-9]{1,20}$'
    and private.phone_key(new_wa_id) is distinct from private.phone_key(old_wa_id)
  then
    if former_user_id is null and new_user_id is distinct from known.user_id then
      former_user_id := known.user_id;
    end if;
    -- The new number may also have been given up since.
    holder := private.find_contact(known.tenant_id, new_wa_id, null, at);
    if known.phone_key = private.phone_key(old_wa_id) and exists (
      select 1
      from public.conversations v
      join public.messages m on m.conversation_id = v.id and m.tenant_id = v.tenant_id
      where v.contact_id = contact and m.direction = 'inbound' and m.occurred_at > at
        and (private.phone_key(ltrim(m.payload ->> 'from', '+')) = known.phone_key
          or (m.type = 'system' and m.payload #>> '{system,type}' in ('user_changed_number', 'user_changed_user_id')
            and private.phone_key(
            ltrim(coalesce(m.payload #>> '{system,new_wa_id}', m.payload #>> '{system,wa_id}'), '+')) = known.phone_key))
    ) then
      -- A late notice: by now another person, or the same person again, writes from the old number.
      if holder is null then
        insert into public.contacts (tenant_id, wa_id) values (known.tenant_id, new_wa_id) returning id into holder;
      end if;
      perform private.move_history(contact, holder, at);
      person := holder;
    elsif holder is not null and holder <> contact then
      perform private.merge_contacts(kept => holder, gone => contact);
      person := holder;
    elsif holder is null then
      update public.contacts c set wa_id = new_wa_id where c.id = contact;
    end if;
    perform private.remember_identity(person, private.phone_key(old_wa_id), null, at);
  elsif not is_change or notice ->> 'type' = 'user_changed_number' or new_user_id is null then
    return;
  end if;

  if former_user_id is not null and former_user_id is distinct from new_user_id then
    -- A contact known only by the old user id, from before the change.
    select c.id into holder from public.contacts c
    where c.tenant_id = known.tenant_id and c.user_id = former_user_id and c.wa_id is null and c.id <> person;
    if holder is not null then
      perform private.merge_contacts(kept => person, gone => holder);
    end if;
    perform private.remember_identity(person, null, former_user_id, at);
    update public.contacts c set user_id = null, user_id_at = null
    where c.id = person and c.user_id = former_user_id and c.wa_id is not null;
  end if;
  if new_user_id is not null then
    perform private.assign_user_id(person, new_user_id, at);
  end if;
end;
$$;

-- Stores identities that Meta reports for recipients of our messages: the number behind the one we dialled, and the
-- user id of the number. `known` is a list of {"contact_id", "wa_id"?, "user_id"?, "at"}.
create function private.store_recipient_identities(known jsonb) returns void
language plpgsql set search_path = '' as $$
declare
  report record;
  person uuid;
begin
  for report in
    select c.id, c.wa_id as old_wa_id, c.phone_key, c.user_id as old_user_id, k.wa_id, k.user_id, max(k.at) as at
    from jsonb_to_recordset(known) as k (contact_id uuid, wa_id text, user_id text, at timestamptz)
    cross join lateral (select c.* from public.contacts c where c.id = k.contact_id) c
    where (k.wa_id ~ '^[0-9]{1,20}$' and c.wa_id is distinct from k.wa_id
        and (c.wa_id is null or c.phone_key = private.phone_key(k.wa_id)))
      or (c.user_id is null and char_length(k.user_id) between 1 and 160)
    group by 1, 2, 3, 4, 5, 6
    order by 1, 5, 6
  loop
    select c.id into person from public.contacts c where c.id = report.id;
    if person is null then
      continue;
    end if;
    if report.wa_id ~ '^[0-9]{1,20}$' and report.old_wa_id is distinct from report.wa_id
      and (report.old_wa_id is null or report.phone_key = private.phone_key(report.wa_id))
    then
      person := private.assign_phone_number(person, report.wa_id);
    end if;
    if report.old_user_id is null and report.user_id is not null
      and (report.wa_id is null or report.phone_key is null or report.phone_key = private.phone_key(report.wa_id))
    then
      perform private.assign_user_id(person, report.user_id, report.at);
    end if;
  end loop;
end;
$$;

-- Applies the notices of changed identities among new messages. Some notices name the person only in their body.
create function private.apply_identity_notices(fresh uuid[]) returns void
language plpgsql set search_path = '' as $$
declare
  notice record;
begin
  for notice in
    select m.id, m.payload, m.occurred_at
    from public.messages m
    where m.id = any (fresh) and m.type = 'system' and jsonb_typeof(m.payload -> 'system') = 'object'
    order by m.occurred_at, m.created_at
  loop
    -- An earlier notice may have moved the conversation to another contact.
    perform private.apply_number_change(v.contact_id, notice.payload -> 'system',
      ltrim(coalesce(notice.payload ->> 'from', notice.payload #>> '{system,customer}'), '+'),
      notice.occurred_at)
    from public.messages m join public.conversations v on v.id = m.conversation_id
    where m.id = notice.id;
  end loop;
end;
$$;

alter table private.former_identities enable row level security;

create policy "no client access" on private.former_identities to authenticated using (false);
