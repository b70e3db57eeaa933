-- Reactions, edits and revocations change the message they are about. Each is kept as the row it came as; what the
-- target shows follows from all of them, so neither their order nor whether the target came first matters.

alter table public.messages
  -- the wamid of the message this one reacts to, edits or takes back
  add column target_message_id text generated always as (nullif(left(case type
    when 'reaction' then payload #>> '{reaction,message_id}'
    when 'edit' then payload #>> '{edit,original_message_id}'
    when 'revoke' then payload #>> '{revoke,original_message_id}'
  end, 512), '')) stored,
  -- on a target: the reactions that stand, [{"emoji", "direction", "occurred_at", "message_id"}]
  add column reactions jsonb not null default '[]',
  add column edited_at timestamptz,
  add column revoked_at timestamptz,
  -- what it said before it was edited or revoked
  add column original_content text;
create index messages_target_idx on public.messages (session_id, target_message_id)
  where target_message_id is not null;

alter table public.conversations
  -- so that clients can name a message that has no words in their own language; `revoke`: it was taken back
  add column last_message_type text,
  -- the advertisement or post that brought the customer, as it came with the latest message that names one
  add column referral jsonb,
  add column referral_at timestamptz;

-- Whether a thread shows the row by itself. One whose target we have is shown on its target.
create function private.stands_alone(session uuid, target_wamid text) returns boolean
language sql stable set search_path = '' as $$
  select target_wamid is null or not exists (
    select 1 from public.messages o where o.session_id = session and o.whatsapp_message_id = target_wamid
  );
$$;
grant execute on function private.stands_alone(uuid, text) to authenticated, service_role;

-- The message a list shows for a conversation: the newest of its thread. Messages of campaigns do not fill the inbox.
create function private.last_message(conversation uuid, tenant uuid) returns table (
  occurred_at timestamptz, preview text, type text, direction text
)
language sql stable set search_path = '' as $$
  select
    m.occurred_at,
    -- a sign that needs no translation
    case when m.revoked_at is null then left(m.content, 200) else '🚫' end,
    case when m.revoked_at is null then m.type else 'revoke' end,
    m.direction
  from public.messages m
  where m.conversation_id = conversation and m.tenant_id = tenant and not m.metadata ? 'broadcast_campaign_id'
    and (m.target_message_id is null or private.stands_alone(m.session_id, m.target_message_id))
  order by m.occurred_at desc, m.created_at desc, m.id desc
  limit 1;
$$;

create function private.refresh_conversations(ids uuid[]) returns void
language plpgsql set search_path = '' as $$
begin
  perform 1 from public.conversations v where v.id = any (ids) order by v.id for update;

  update public.conversations v
  set
    last_message_at = l.occurred_at,
    last_message_preview = l.preview,
    last_message_type = l.type,
    last_message_direction = l.direction
  from public.conversations c
  cross join lateral private.last_message(c.id, c.tenant_id) l
  where c.id = any (ids) and v.id = c.id
    and (v.last_message_at, v.last_message_preview, v.last_message_type, v.last_message_direction)
      is distinct from (l.occurred_at, l.preview, l.type, l.direction);
end;
$$;

-- Whoever answers tells what the list shows, but not of what kind it is.
create function private.name_last_message() returns trigger
language plpgsql set search_path = '' as $$
begin
  new.last_message_type := coalesce((
    select m.type from public.messages m
    where m.conversation_id = new.id and m.tenant_id = new.tenant_id and m.occurred_at = new.last_message_at
    order by m.created_at desc, m.id desc
    limit 1
  ), new.last_message_type);
  return new;
end;
$$;
create trigger name_last_message before update on public.conversations
  for each row
  when (new.last_message_direction = 'outbound' and new.last_message_at is distinct from old.last_message_at)
  execute function private.name_last_message();

-- What the given messages show, from everything that is about them. Only the writer of a message can edit it or take
-- it back; each side has one reaction, and in a group each person.
create function private.settle_annotations(targets uuid[]) returns void
language plpgsql set search_path = '' as $$
declare
  reworded uuid[];
begin
  perform 1 from public.messages m where m.id = any (targets) order by m.id for update;

  with states as (
    select
      m.id,
      case when m.edited_at is null and m.revoked_at is null then m.content else m.original_content end as original,
      edit.content as new_content, edit.occurred_at as edited_at, revoke.occurred_at as revoked_at,
      coalesce(reactions.list, '[]') as reactions
    from unnest(targets) as t (id)
    join public.messages m on m.id = t.id
    left join lateral (
      select e.content, e.occurred_at
      from public.messages e
      where e.session_id = m.session_id and e.target_message_id = m.whatsapp_message_id and e.type = 'edit'
        and e.direction = m.direction and e.status <> 'failed'
      order by e.occurred_at desc, e.created_at desc, e.id desc
      limit 1
    ) edit on true
    left join lateral (
      select min(r.occurred_at) as occurred_at
      from public.messages r
      where r.session_id = m.session_id and r.target_message_id = m.whatsapp_message_id and r.type = 'revoke'
        and r.direction = m.direction and r.status <> 'failed'
    ) revoke on true
    left join lateral (
      select jsonb_agg(jsonb_build_object(
        'emoji', s.emoji, 'direction', s.direction, 'occurred_at', s.occurred_at, 'message_id', s.id
      ) order by s.occurred_at, s.id) as list
      from (
        select distinct on (r.direction, r.person)
          r.id, r.direction, r.occurred_at, r.payload #>> '{reaction,emoji}' as emoji
        from (
          select a.*, case when a.metadata ? 'group_id'
            then coalesce(a.payload ->> 'from_user_id', a.payload ->> 'from') end as person
          from public.messages a
          where a.session_id = m.session_id and a.target_message_id = m.whatsapp_message_id
            and a.type = 'reaction' and a.status <> 'failed'
        ) r
        order by r.direction, r.person, r.occurred_at desc, r.created_at desc, r.id desc
      ) s
      where s.emoji <> ''
    ) reactions on true
  ),
  changed as (
    update public.messages m
    set
      original_content = case when s.edited_at is null and s.revoked_at is null then null else s.original end,
      content = case when s.revoked_at is not null then null when s.edited_at is not null then s.new_content
        else s.original end,
      edited_at = s.edited_at,
      revoked_at = s.revoked_at,
      reactions = s.reactions
    from states s
    where m.id = s.id
      and (m.edited_at, m.revoked_at, m.reactions, m.content) is distinct from (s.edited_at, s.revoked_at, s.reactions,
        case when s.revoked_at is not null then null when s.edited_at is not null then s.new_content
          else s.original end)
    returning m.conversation_id, m.edited_at, m.revoked_at
  )
  select array_agg(distinct c.conversation_id) into reworded
  from changed c where c.edited_at is not null or c.revoked_at is not null;

  if reworded is not null then
    perform private.refresh_conversations(reworded);
  end if;
end;
$$;

create function private.annotate_created() returns trigger
language plpgsql set search_path = '' as $$
declare
  targets uuid[];
begin
  select array_agg(distinct t.id) into targets
  from (
    select (
      select o.id from public.messages o
      where o.session_id = c.session_id and o.whatsapp_message_id = c.target_message_id
    ) as id
    from changed c
    where c.target_message_id is not null
    union all
    select c.id from changed c
    where c.whatsapp_message_id is not null and exists (
      select 1 from public.messages a
      where a.session_id = c.session_id and a.target_message_id = c.whatsapp_message_id
    )
  ) t
  where t.id is not null;
  if targets is not null then
    perform private.settle_annotations(targets);
  end if;
  return null;
end;
$$;

-- An outgoing reaction may fail, and a message may get its wamid after somebody reacted to it.
create function private.annotate_updated() returns trigger
language plpgsql set search_path = '' as $$
declare
  targets uuid[];
begin
  select array_agg(distinct t.id) into targets
  from (
    select (
      select o.id from public.messages o
      where o.session_id = c.session_id and o.whatsapp_message_id = c.target_message_id
    ) as id
    from changed c join before b on b.id = c.id
    where c.target_message_id is not null and (b.status = 'failed') <> (c.status = 'failed')
    union all
    select c.id from changed c join before b on b.id = c.id
    where c.whatsapp_message_id is not null and b.whatsapp_message_id is null and exists (
      select 1 from public.messages a
      where a.session_id = c.session_id and a.target_message_id = c.whatsapp_message_id
    )
  ) t
  where t.id is not null;
  if targets is not null then
    perform private.settle_annotations(targets);
  end if;
  return null;
end;
$$;

create trigger annotate_created after insert on public.messages
  referencing new table as changed for each statement execute function private.annotate_created();
create trigger annotate_updated after update on public.messages
  referencing old table as before new table as changed for each statement execute function private.annotate_updated();

-- What somebody took back is not shown any more; `get_message` has it in the history.
create or replace function private.message_json(m public.messages) returns jsonb
language sql stable set search_path = '' as $$
  select to_jsonb(m) - 'tenant_id' - 'idempotency_key' - 'original_content'
    || case when m.revoked_at is null then '{}'::jsonb else jsonb_build_object('payload', '{}'::jsonb) end;
$$;

create or replace function private.conversation_json(v public.conversations) returns jsonb
language sql stable set search_path = '' as $$
  select jsonb_build_object(
    'id', v.id, 'status', v.status, 'session_id', v.session_id, 'assigned_to', v.assigned_to,
    'unread_count', v.unread_count, 'last_message_at', v.last_message_at,
    'last_message_preview', v.last_message_preview, 'last_message_type', v.last_message_type,
    'last_message_direction', v.last_message_direction,
    'window_expires_at', v.window_expires_at,
    'window_open', coalesce(v.window_expires_at > now(), false),
    'referral', v.referral, 'referral_at', v.referral_at,
    'created_at', v.created_at, 'updated_at', v.updated_at,
    'contact', (
      select jsonb_build_object(
        'id', c.id, 'name', coalesce(c.name, c.profile_name), 'profile_name', c.profile_name, 'wa_id', c.wa_id,
        'user_id', c.user_id, 'username', c.username
      )
      from public.contacts c where c.id = v.contact_id
    )
  );
$$;

-- As before, without the rows that are shown on another.
create or replace function public.list_messages(conversation_id uuid, before uuid, page_size integer) returns jsonb
language plpgsql stable set search_path = '' as $$
declare
  cursor_at timestamptz := 'infinity';
  cursor_created timestamptz := 'infinity';
  cursor_id uuid := 'ffffffff-ffff-ffff-ffff-ffffffffffff';
begin
  if not exists (select 1 from public.conversations v where v.id = list_messages.conversation_id) then
    return null;
  end if;
  if before is not null then
    select m.occurred_at, m.created_at, m.id into cursor_at, cursor_created, cursor_id from public.messages m
    where m.id = before and m.conversation_id = list_messages.conversation_id;
    if not found then
      raise sqlstate 'PT422' using message = 'There is no such message in this conversation.',
        detail = 'invalid_field', hint = 'before';
    end if;
  end if;

  return (
    with page as (
      select m
      from public.messages m
      where m.conversation_id = list_messages.conversation_id
        and (m.occurred_at, m.created_at, m.id) < (cursor_at, cursor_created, cursor_id)
        and (m.target_message_id is null or private.stands_alone(m.session_id, m.target_message_id))
      order by m.occurred_at desc, m.created_at desc, m.id desc
      limit page_size + 1
    ),
    numbered as (
      select (page.m).id as id, private.message_json(page.m) as row,
        row_number() over (order by (page.m).occurred_at desc, (page.m).created_at desc, (page.m).id desc) as nth
      from page
    )
    select jsonb_build_object(
      'total', (
        select count(*) from public.messages m
        where m.conversation_id = list_messages.conversation_id
          and (m.target_message_id is null or private.stands_alone(m.session_id, m.target_message_id))
      ),
      'next_cursor', case when count(*) > page_size then (array_agg(id order by nth))[page_size] end,
      'rows', coalesce(jsonb_agg(row order by nth) filter (where nth <= page_size), '[]')
    )
    from numbered
  );
end;
$$;

revoke execute on function private.stands_alone(uuid, text) from public;
revoke execute on function private.name_last_message(), private.last_message(uuid, uuid), private.refresh_conversations(uuid[]),
  private.settle_annotations(uuid[]),
  private.annotate_created(), private.annotate_updated() from public;
