-- A number that was given up and taken up again, told in whatever order, leaves one person.

create or replace function private.carry_over(contact uuid, notice jsonb, old_wa_id text, at timestamptz) returns void
language plpgsql set search_path = '' as $$
declare
  known public.contacts;
  new_wa_id constant text := nullif(ltrim(coalesce(notice ->> 'new_wa_id', notice ->> 'wa_id'), '+'), '');
  new_user_id constant text := nullif(notice ->> 'user_id', '');
  former_user_id text := nullif(notice ->> 'previous_user_id', '');
  person uuid := contact;
  holder uuid;
begin
  select c.* into strict known from public.contacts c where c.id = contact;

  if notice ->> 'type' = 'user_changed_number' and new_wa_id ~ '^[0-9]{1,20}$'
    and private.phone_key(new_wa_id) is distinct from private.phone_key(old_wa_id)
  then
    if former_user_id is null and new_user_id is distinct from known.user_id then
      former_user_id := known.user_id;
    end if;
    -- The new number may itself have been left since.
    holder := private.find_contact(known.tenant_id, new_wa_id, null, at);
    if known.phone_key = private.phone_key(old_wa_id) and exists (
      select 1
      from public.conversations v
      join public.messages m on m.conversation_id = v.id and m.tenant_id = v.tenant_id
      where v.contact_id = contact and m.direction = 'inbound' and m.occurred_at > at
        and (private.phone_key(ltrim(m.payload ->> 'from', '+')) = known.phone_key
          or (m.type = 'system' and m.payload #>> '{system,type}' = 'user_changed_number' and private.phone_key(
            ltrim(coalesce(m.payload #>> '{system,new_wa_id}', m.payload #>> '{system,wa_id}'), '+')) = known.phone_key))
    ) then
      -- This came late, and somebody else writes from the old number by now, or the same person again.
      if holder is null then
        insert into public.contacts (tenant_id, wa_id) values (known.tenant_id, new_wa_id) returning id into holder;
      end if;
      perform private.hand_down(contact, holder, at);
      person := holder;
    elsif holder is not null and holder <> contact then
      perform private.merge_contacts(kept => holder, gone => contact);
      person := holder;
    elsif holder is null then
      update public.contacts c set wa_id = new_wa_id where c.id = contact;
    end if;
    perform private.remember_identity(person, private.phone_key(old_wa_id), null, at);
  elsif notice ->> 'type' <> 'user_changed_user_id' or new_user_id is null then
    return;
  end if;

  if former_user_id is not null and former_user_id is distinct from new_user_id then
    -- Known under the old id alone, from before the change.
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
    perform private.give_user_id(person, new_user_id, at);
  end if;
end;
$$;

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
  -- known by the same number or id before: until the later of the two
  update private.former_identities k set until = g.until
  from private.former_identities g
  where k.contact_id = kept and g.contact_id = gone and g.tenant_id = k.tenant_id and g.until > k.until
    and (g.phone_key = k.phone_key or g.user_id = k.user_id);
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

-- A notice may name the person in its body only.
create or replace function private.follow_notices(fresh uuid[]) returns void
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
    -- An earlier notice may have moved it.
    perform private.carry_over(v.contact_id, notice.payload -> 'system',
      ltrim(coalesce(notice.payload ->> 'from', notice.payload #>> '{system,customer}'), '+'),
      notice.occurred_at)
    from public.messages m join public.conversations v on v.id = m.conversation_id
    where m.id = notice.id;
  end loop;
end;
$$;
