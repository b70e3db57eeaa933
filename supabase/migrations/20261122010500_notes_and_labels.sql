-- Internal notes on conversations, and labels.

create table public.conversation_notes (
  id uuid primary key default gen_random_uuid(),
  tenant_id uuid not null references public.tenants (id) on delete cascade,
  conversation_id uuid not null,
  -- null: an integration, or somebody who is no more
  author_id uuid,
  content text not null check (char_length(content) between 1 and 5000),
  -- people of the tenant who are asked to look
  mentions uuid[] not null default '{}' check (cardinality(mentions) <= 50),
  created_at timestamptz not null default now(),
  edited_at timestamptz,
  foreign key (conversation_id, tenant_id) references public.conversations (id, tenant_id) on delete cascade,
  foreign key (author_id, tenant_id) references public.profiles (user_id, tenant_id) on delete set null (author_id)
);
create index conversation_notes_conversation_idx
  on public.conversation_notes (conversation_id, tenant_id, created_at desc, id desc);
create index conversation_notes_tenant_idx on public.conversation_notes (tenant_id);
create index conversation_notes_author_idx on public.conversation_notes (author_id, tenant_id)
  where author_id is not null;
alter table public.conversation_notes enable row level security;
revoke all on public.conversation_notes from anon, authenticated;
grant select on public.conversation_notes to authenticated;
grant all on public.conversation_notes to service_role;
create policy "members with the right read notes of conversations they may see" on public.conversation_notes
  for select to authenticated
  using (
    tenant_id = (select private.tenant_id())
    and (select private.has_permission('notes.view'))
    and exists (select 1 from public.conversations v where v.id = conversation_notes.conversation_id)
  );
alter publication supabase_realtime add table public.conversation_notes;
alter table public.conversation_notes replica identity full;

-- What people write to each other stays where it is; the log says that they did.
create or replace function private.masked(entity text, changed jsonb) returns jsonb
language sql immutable set search_path = '' as $$
  select coalesce(jsonb_object_agg(
    e.key,
    case
      when e.value = 'null' then e.value
      when e.key ~ '(token|secret|password|hash|sealed|pin$)' and e.key <> 'key_prefix' then to_jsonb('***'::text)
      when entity = 'messages' and e.key in ('content', 'payload', 'metadata') then to_jsonb('***'::text)
      when entity = 'conversation_notes' and e.key = 'content' then to_jsonb('***'::text)
      when e.key in ('last_message_preview', 'variables', 'reactions', 'proof', 'file_name', 'original_content')
        then to_jsonb('***'::text)
      else e.value
    end
  ), '{}')
  from jsonb_each(changed) e;
$$;
select private.audit_table('conversation_notes', 'id');

create function private.note_json(n public.conversation_notes) returns jsonb
language sql stable set search_path = '' as $$
  select to_jsonb(n) - 'tenant_id';
$$;

-- To those who see the conversation: that there is a note, not what it says, which takes a right of its own.
create function private.announce_note() returns trigger
language plpgsql security definer set search_path = '' as $$
declare
  note constant public.conversation_notes := case tg_op when 'DELETE' then old else new end;
begin
  perform private.announce(
    note.tenant_id, v.assigned_to,
    'note.' || case tg_op when 'INSERT' then 'created' when 'UPDATE' then 'updated' else 'deleted' end,
    jsonb_build_object('id', note.id, 'conversation_id', note.conversation_id, 'author_id', note.author_id)
  )
  from public.conversations v where v.id = note.conversation_id;
  return null;
end;
$$;
create trigger announce_note after insert or update or delete on public.conversation_notes
  for each row execute function private.announce_note();

-- A page of a conversation's notes, the newest first. `before` is the last note of the page above. Null when there is no
-- such conversation, or none the caller may see.
create function public.list_notes(conversation_id uuid, before uuid, page_size integer) returns jsonb
language plpgsql stable set search_path = '' as $$
declare
  cursor_at timestamptz := 'infinity';
  cursor_id uuid := 'ffffffff-ffff-ffff-ffff-ffffffffffff';
begin
  if not exists (select 1 from public.conversations v where v.id = list_notes.conversation_id) then
    return null;
  end if;
  if before is not null then
    select n.created_at, n.id into cursor_at, cursor_id from public.conversation_notes n
    where n.id = before and n.conversation_id = list_notes.conversation_id;
    if not found then
      raise sqlstate 'PT422' using message = 'There is no such note of this conversation.', detail = 'invalid_field',
        hint = 'before';
    end if;
  end if;
  return (
    with page as (
      select n, row_number() over (order by n.created_at desc, n.id desc) as nth
      from public.conversation_notes n
      where n.conversation_id = list_notes.conversation_id and (n.created_at, n.id) < (cursor_at, cursor_id)
      order by n.created_at desc, n.id desc
      limit page_size + 1
    )
    select jsonb_build_object(
      'rows', coalesce(jsonb_agg(private.note_json(p.n) order by p.nth) filter (where p.nth <= page_size), '[]'),
      'next_cursor', case when count(*) > page_size then (array_agg((p.n).id order by p.nth))[page_size] end
    )
    from page p
  );
end;
$$;

-- Refuses mentions of people who could not read the note; tells the others.
create function private.mention(note public.conversation_notes, assignee uuid, mentioned uuid[]) returns void
language plpgsql security definer set search_path = '' as $$
begin
  if exists (
    select 1 from unnest(mentioned) w (id)
    where not exists (
      select 1 from public.profiles p
      where p.user_id = w.id and p.tenant_id = note.tenant_id and private.person_may(p.user_id, 'notes.view') and (
        private.person_may(p.user_id, 'conversations.view_all')
        or (private.person_may(p.user_id, 'conversations.view') and (
          p.user_id = assignee
          or (assignee is null and exists (
            select 1 from public.tenants t where t.id = p.tenant_id and t.agents_see_unassigned
          ))
        ))
      )
    )
  ) then
    raise sqlstate 'PT422' using message = 'Somebody who is mentioned may not see this conversation.',
      detail = 'invalid_field', hint = 'mentions';
  end if;
  perform private.tell(note.tenant_id, 'agent', w.id, 'mention.created',
    jsonb_build_object('id', note.id, 'conversation_id', note.conversation_id, 'author_id', note.author_id))
  from unnest(mentioned) w (id);
end;
$$;

-- Security definer, here and below: clients have no right to write these tables.
create function public.create_note(conversation_id uuid, content text, mentions uuid[] default '{}') returns jsonb
language plpgsql security definer set search_path = '' as $$
declare
  conversation public.conversations;
  note public.conversation_notes;
begin
  perform private.require('notes.create');
  conversation := private.own_conversation(create_note.conversation_id);
  insert into public.conversation_notes (tenant_id, conversation_id, author_id, content, mentions)
  values (
    conversation.tenant_id, conversation.id, private.person_id(), create_note.content,
    array(select distinct w from unnest(create_note.mentions) w order by w)
  )
  returning * into note;
  perform private.mention(note, conversation.assigned_to, note.mentions);
  return private.note_json(note);
end;
$$;

-- A note of a conversation the caller sees, locked.
create function private.own_note(note_id uuid) returns public.conversation_notes
language plpgsql security definer set search_path = '' as $$
declare
  note public.conversation_notes;
begin
  perform private.require('notes.view');
  select n.* into note from public.conversation_notes n
  where n.id = own_note.note_id and n.tenant_id = private.tenant_id()
  for update;
  if not found then
    raise sqlstate 'PT404' using message = 'There is no such note.', detail = 'not_found';
  end if;
  perform private.own_conversation(note.conversation_id);
  return note;
end;
$$;

-- Only its author changes a note. Who is mentioned anew is told.
create function public.update_note(note_id uuid, content text default null, mentions uuid[] default null) returns jsonb
language plpgsql security definer set search_path = '' as $$
declare
  note public.conversation_notes;
  fresh uuid[];
begin
  perform private.require('notes.update');
  note := private.own_note(update_note.note_id);
  if note.author_id is distinct from private.person_id() or note.author_id is null then
    raise sqlstate 'PT403' using message = 'Only who wrote a note may change it.', detail = 'forbidden';
  end if;
  fresh := array(select distinct w from unnest(update_note.mentions) w where w <> all (note.mentions) order by w);
  update public.conversation_notes n
  set
    content = coalesce(update_note.content, n.content),
    mentions = coalesce(array(
      select distinct w from unnest(coalesce(update_note.mentions, n.mentions)) w order by w
    ), '{}'),
    edited_at = now()
  where n.id = note.id
  returning n.* into note;
  perform private.mention(note, (private.own_conversation(note.conversation_id)).assigned_to, fresh);
  return private.note_json(note);
end;
$$;

-- One's own note, or with the right anybody's.
create function public.delete_note(note_id uuid) returns void
language plpgsql security definer set search_path = '' as $$
declare
  note public.conversation_notes;
begin
  note := private.own_note(delete_note.note_id);
  if not (private.has_permission('notes.update') and note.author_id = private.person_id()) then
    perform private.require('notes.delete');
  end if;
  delete from public.conversation_notes n where n.id = note.id;
end;
$$;

create function private.label_json(l public.labels) returns jsonb
language sql stable set search_path = '' as $$
  select jsonb_build_object(
    'id', l.id, 'name', l.name, 'color', l.color, 'description', l.description, 'created_by', l.created_by,
    'created_at', l.created_at, 'updated_at', l.updated_at
  );
$$;
create function private.announce_label() returns trigger
language plpgsql security definer set search_path = '' as $$
declare
  label constant public.labels := case tg_op when 'DELETE' then old else new end;
begin
  -- a tenant that is being deleted has nobody to tell
  if exists (select 1 from public.tenants t where t.id = label.tenant_id) then
    perform private.tell(
      label.tenant_id, 'labels', null,
      'label.' || case tg_op when 'INSERT' then 'created' when 'UPDATE' then 'updated' else 'deleted' end,
      case tg_op when 'DELETE' then jsonb_build_object('id', label.id) else private.label_json(label) end
    );
  end if;
  return null;
end;
$$;
create trigger announce_label after insert or update or delete on public.labels
  for each row execute function private.announce_label();

-- The tenant's labels by name, with how many conversations and contacts the caller sees that have them.
create function public.list_labels() returns jsonb
language sql stable set search_path = '' as $$
  select coalesce(jsonb_agg(private.label_json(l) || jsonb_build_object(
    'conversations', (
      select count(*) from public.conversation_labels cl where cl.label_id = l.id and cl.tenant_id = l.tenant_id
    ),
    'contacts', (select count(*) from public.contact_labels cl where cl.label_id = l.id and cl.tenant_id = l.tenant_id)
  ) order by lower(l.name), l.id), '[]')
  from public.labels l;
$$;

create function public.create_label(name text, color text default null, description text default null) returns jsonb
language plpgsql security definer set search_path = '' as $$
#variable_conflict use_column
declare
  label public.labels;
begin
  perform private.require('labels.create');
  if (select count(*) from public.labels l where l.tenant_id = private.tenant_id()) >= 1000 then
    raise sqlstate 'PT409' using message = 'There are 1000 labels already.', detail = 'too_many';
  end if;
  insert into public.labels (tenant_id, name, color, description, created_by)
  values (
    private.tenant_id(), create_label.name, coalesce(lower(create_label.color), '#64748b'),
    coalesce(create_label.description, ''), private.person_id()
  )
  on conflict do nothing
  returning * into label;
  if not found then
    raise sqlstate 'PT409' using message = 'There is a label of this name already.', detail = 'name_taken', hint = 'name';
  end if;
  return private.label_json(label);
end;
$$;

-- Changes what is named in `changes`: name, color, description.
create function public.update_label(label_id uuid, changes jsonb) returns jsonb
language plpgsql security definer set search_path = '' as $$
declare
  label public.labels;
begin
  perform private.require('labels.update');
  update public.labels l
  set
    name = coalesce(changes ->> 'name', l.name),
    color = coalesce(lower(changes ->> 'color'), l.color),
    description = coalesce(changes ->> 'description', l.description)
  where l.id = update_label.label_id and l.tenant_id = private.tenant_id()
  returning l.* into label;
  if not found then
    raise sqlstate 'PT404' using message = 'There is no such label.', detail = 'not_found';
  end if;
  return private.label_json(label);
exception when unique_violation then
  raise sqlstate 'PT409' using message = 'There is a label of this name already.', detail = 'name_taken', hint = 'name';
end;
$$;

create function public.delete_label(label_id uuid) returns void
language plpgsql security definer set search_path = '' as $$
begin
  perform private.require('labels.delete');
  delete from public.labels l where l.id = delete_label.label_id and l.tenant_id = private.tenant_id();
  if not found then
    raise sqlstate 'PT404' using message = 'There is no such label.', detail = 'not_found';
  end if;
end;
$$;

-- Puts labels on a conversation (`action` add), takes them off (remove), or has it wear these and no others (replace).
-- Answers with those it has now.
create function public.label_conversation(conversation_id uuid, label_ids uuid[], action text default 'add') returns jsonb
language plpgsql security definer set search_path = '' as $$
declare
  conversation public.conversations;
  wanted constant uuid[] := array(select distinct w from unnest(label_conversation.label_ids) w);
begin
  perform private.require('labels.assign');
  conversation := private.own_conversation(label_conversation.conversation_id);
  if action <> 'remove' and (
    select count(*) from public.labels l where l.id = any (wanted) and l.tenant_id = conversation.tenant_id
  ) < cardinality(wanted) then
    raise sqlstate 'PT422' using message = 'There is no such label.', detail = 'invalid_field', hint = 'label_ids';
  end if;
  if action <> 'add' then
    delete from public.conversation_labels cl
    where cl.conversation_id = conversation.id and cl.tenant_id = conversation.tenant_id
      and (cl.label_id = any (wanted)) = (action = 'remove');
  end if;
  if action <> 'remove' then
    insert into public.conversation_labels (conversation_id, label_id, tenant_id, created_by)
    select conversation.id, w, conversation.tenant_id, private.person_id() from unnest(wanted) w
    on conflict do nothing;
  end if;
  return private.conversation_json(conversation) -> 'labels';
end;
$$;

-- One action on up to 200 conversations: resolve, reopen, pending, snooze (until), assign (user_id or strategy), unassign, label and unlabel
-- (label_ids), read, unread, priority. Answers [{"id", "outcome"}], in the order asked: `done`, or the code of the refusal; what the
-- caller may not see is `not_found`.
create function public.act_on_conversations(ids uuid[], action text, options jsonb default '{}') returns jsonb
language plpgsql security definer set search_path = '' as $$
declare
  conversation uuid;
  outcomes jsonb := '{}';
  code text;
begin
  perform private.require('conversations.view');
  -- in one order, so that two at once wait instead of dying
  for conversation in select distinct w from unnest(act_on_conversations.ids) w order by w loop
    begin
      case act_on_conversations.action
        when 'resolve' then perform public.update_conversation(conversation, '{"status": "resolved"}');
        when 'reopen' then perform public.update_conversation(conversation, '{"status": "open"}');
        when 'pending' then perform public.update_conversation(conversation, '{"status": "pending"}');
        when 'snooze' then perform public.update_conversation(
          conversation, jsonb_build_object('status', 'snoozed', 'snoozed_until', options -> 'snoozed_until'));
        when 'priority' then perform public.update_conversation(
          conversation, jsonb_build_object('priority', options -> 'priority'));
        when 'assign' then perform public.assign_conversation(
          conversation, (options ->> 'user_id')::uuid, options ->> 'strategy');
        when 'unassign' then perform public.assign_conversation(conversation, null);
        when 'label', 'unlabel' then perform public.label_conversation(
          conversation, array(select jsonb_array_elements_text(options -> 'label_ids'))::uuid[],
          case act_on_conversations.action when 'label' then 'add' else 'remove' end);
        when 'read' then
          perform private.require('messages.view');
          perform public.read_conversation(conversation);
        when 'unread' then perform public.unread_conversation(conversation);
      end case;
      code := 'done';
    exception
      when sqlstate 'PT404' then code := 'not_found';
      when sqlstate 'PT409' then get stacked diagnostics code = pg_exception_detail;
    end;
    outcomes := outcomes || jsonb_build_object(conversation, code);
  end loop;
  return (
    select coalesce(jsonb_agg(jsonb_build_object('id', w.id, 'outcome', outcomes ->> w.id::text) order by w.nth), '[]')
    from unnest(act_on_conversations.ids) with ordinality w (id, nth)
  );
end;
$$;

revoke execute on function private.note_json(public.conversation_notes), private.announce_note(),
  private.mention(public.conversation_notes, uuid, uuid[]), private.own_note(uuid), private.label_json(public.labels),
  private.announce_label() from public, authenticated;
grant execute on function private.note_json(public.conversation_notes), private.label_json(public.labels)
  to authenticated, service_role;
grant execute on function private.mention(public.conversation_notes, uuid, uuid[]), private.own_note(uuid)
  to service_role;
revoke execute on function public.list_notes(uuid, uuid, integer), public.create_note(uuid, text, uuid[]),
  public.update_note(uuid, text, uuid[]), public.delete_note(uuid), public.list_labels(),
  public.create_label(text, text, text), public.update_label(uuid, jsonb), public.delete_label(uuid),
  public.label_conversation(uuid, uuid[], text), public.act_on_conversations(uuid[], text, jsonb) from public, anon;
grant execute on function public.list_notes(uuid, uuid, integer), public.create_note(uuid, text, uuid[]),
  public.update_note(uuid, text, uuid[]), public.delete_note(uuid), public.list_labels(),
  public.create_label(text, text, text), public.update_label(uuid, jsonb), public.delete_label(uuid),
  public.label_conversation(uuid, uuid[], text), public.act_on_conversations(uuid[], text, jsonb) to authenticated;
