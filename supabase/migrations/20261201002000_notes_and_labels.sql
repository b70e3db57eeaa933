-- Internal notes on conversations, and labels for conversations and contacts.

create table public.labels (
  id uuid primary key default gen_random_uuid(),
  tenant_id uuid not null references public.tenants (id) on delete cascade,
  name text not null check (char_length(name) between 1 and 50 and name = trim(name) and private.is_visible(name)),
  color text not null default '#64748b' check (color ~ '^#[0-9a-f]{6}$'),
  description text not null default '' check (char_length(description) <= 200),
  created_by uuid,
  created_at timestamptz not null default now(),
  updated_at timestamptz not null default now(),
  unique (id, tenant_id),
  foreign key (created_by, tenant_id) references public.profiles (user_id, tenant_id) on delete set null (created_by)
);
create unique index labels_name_idx on public.labels (tenant_id, lower(name));
create index labels_created_by_idx on public.labels (created_by, tenant_id) where created_by is not null;

create table public.conversation_labels (
  conversation_id uuid not null,
  label_id uuid not null,
  tenant_id uuid not null references public.tenants (id) on delete cascade,
  created_by uuid,
  created_at timestamptz not null default now(),
  primary key (conversation_id, tenant_id, label_id),
  foreign key (conversation_id, tenant_id) references public.conversations (id, tenant_id) on delete cascade,
  foreign key (label_id, tenant_id) references public.labels (id, tenant_id) on delete cascade,
  foreign key (created_by, tenant_id) references public.profiles (user_id, tenant_id) on delete set null (created_by)
);
create index conversation_labels_label_idx on public.conversation_labels (label_id, tenant_id, conversation_id);
create index conversation_labels_tenant_idx on public.conversation_labels (tenant_id);
create index conversation_labels_created_by_idx on public.conversation_labels (created_by, tenant_id)
  where created_by is not null;

create table public.contact_labels (
  contact_id uuid not null,
  label_id uuid not null,
  tenant_id uuid not null references public.tenants (id) on delete cascade,
  created_by uuid,
  created_at timestamptz not null default now(),
  primary key (contact_id, tenant_id, label_id),
  foreign key (contact_id, tenant_id) references public.contacts (id, tenant_id) on delete cascade,
  foreign key (label_id, tenant_id) references public.labels (id, tenant_id) on delete cascade,
  foreign key (created_by, tenant_id) references public.profiles (user_id, tenant_id) on delete set null (created_by)
);
create index contact_labels_label_idx on public.contact_labels (label_id, tenant_id, contact_id);
create index contact_labels_tenant_idx on public.contact_labels (tenant_id);
create index contact_labels_created_by_idx on public.contact_labels (created_by, tenant_id)
  where created_by is not null;

create table public.conversation_notes (
  id uuid primary key default gen_random_uuid(),
  tenant_id uuid not null references public.tenants (id) on delete cascade,
  conversation_id uuid not null,
  -- null: an integration, or a person who was removed
  author_id uuid,
  content text not null check (char_length(content) between 1 and 5000),
  -- people who are notified of the note
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

create function private.record_label_changes() returns trigger
language plpgsql set search_path = '' as $$
begin
  insert into public.conversation_events (tenant_id, conversation_id, kind, actor_id, details)
  select c.tenant_id, c.conversation_id, case tg_op when 'INSERT' then 'label_added' else 'label_removed' end,
    private.person_id(), jsonb_build_object('label_id', l.id, 'name', l.name)
  from changed c
  -- the deletion of a label is recorded here; a deleted conversation takes its history with it
  join public.labels l on l.id = c.label_id
  join public.conversations v on v.id = c.conversation_id;
  return null;
end;
$$;

create function private.announce_conversation_labels() returns trigger
language plpgsql set search_path = '' as $$
begin
  perform private.announce_conversations_by_id(array(
    select distinct c.conversation_id from changed c join public.labels l on l.id = c.label_id
  ));
  return null;
end;
$$;

create function private.note_json(n public.conversation_notes) returns jsonb
language sql stable set search_path = '' as $$
  select to_jsonb(n) - 'tenant_id';
$$;

-- Broadcasts to people who see the conversation that a note changed. The text is not sent, because reading it needs a
-- permission of its own.
-- Security definer: it also runs when Auth removes an account, and the role of Auth has no rights here.
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

-- One page of a conversation's notes, the newest first. `before` is the last note of the previous page. Null if the
-- conversation does not exist or the caller may not see it.
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

-- Refuses mentions of people who could not read the note, and notifies the others.
create function private.mention(note public.conversation_notes, assignee uuid, mentioned uuid[]) returns void
language plpgsql set search_path = '' as $$
begin
  if exists (
    select 1 from unnest(mentioned) w (id)
    where not exists (
      select 1 from public.profiles p
      where p.user_id = w.id and p.tenant_id = note.tenant_id and private.person_has_permission(p.user_id, p.tenant_id, 'notes.view') and (
        private.person_has_permission(p.user_id, p.tenant_id, 'conversations.view_all')
        or (private.person_has_permission(p.user_id, p.tenant_id, 'conversations.view') and (
          p.user_id = assignee
          or (assignee is null and exists (
            select 1 from public.tenants t where t.id = p.tenant_id and t.agents_see_unassigned
          ))
        ))
      )
    )
  ) then
    raise sqlstate 'PT422' using message = 'A mentioned person may not see this conversation.',
      detail = 'invalid_field', hint = 'mentions';
  end if;
  perform private.record_and_broadcast(note.tenant_id, 'agent', w.id, 'mention.created',
    jsonb_build_object('id', note.id, 'conversation_id', note.conversation_id, 'author_id', note.author_id))
  from unnest(mentioned) w (id);
end;
$$;

-- Adds a note to a conversation.
-- Security definer: clients have no right to write notes.
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

-- Returns a note of a conversation that the caller sees, locked.
create function private.own_note(note_id uuid) returns public.conversation_notes
language plpgsql set search_path = '' as $$
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

-- Changes a note. Only its author may do so. Newly mentioned people are notified.
-- Security definer: clients have no right to write notes.
create function public.update_note(note_id uuid, content text default null, mentions uuid[] default null) returns jsonb
language plpgsql security definer set search_path = '' as $$
declare
  note public.conversation_notes;
  fresh uuid[];
begin
  perform private.require('notes.update');
  note := private.own_note(update_note.note_id);
  if note.author_id is distinct from private.person_id() or note.author_id is null then
    raise sqlstate 'PT403' using message = 'Only the author of a note may change it.', detail = 'forbidden';
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

-- Deletes the caller's own note (`notes.update`) or any note (`notes.delete`).
-- Security definer: clients have no right to write notes.
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

-- Security definer: it also runs when Auth removes an account, and the role of Auth has no rights here.
create function private.announce_label() returns trigger
language plpgsql security definer set search_path = '' as $$
declare
  label constant public.labels := case tg_op when 'DELETE' then old else new end;
begin
  -- a tenant that is being deleted has no audience
  if exists (select 1 from public.tenants t where t.id = label.tenant_id) then
    perform private.record_and_broadcast(
      label.tenant_id, 'labels', null,
      'label.' || case tg_op when 'INSERT' then 'created' when 'UPDATE' then 'updated' else 'deleted' end,
      case tg_op when 'DELETE' then jsonb_build_object('id', label.id) else private.label_json(label) end
    );
  end if;
  return null;
end;
$$;

-- The tenant's labels by name, with the numbers of conversations and contacts that have them and that the caller sees.
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

-- Security definer: clients have no right to write labels.
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

-- Changes the fields that `changes` names: name, color, description.
-- Security definer: clients have no right to write labels.
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

-- Security definer: clients have no right to write labels.
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

-- Adds labels to a conversation (`action` add), removes them (remove), or replaces all of its labels (replace). Returns
-- its labels.
-- Security definer: clients have no right to write labels.
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

create function private.live_note(id uuid) returns jsonb
language sql stable set search_path = '' as $$
  select private.note_json(n) from public.conversation_notes n where n.id = live_note.id;
$$;

create function private.live_label(id uuid) returns jsonb
language sql stable set search_path = '' as $$
  select private.label_json(l) from public.labels l where l.id = live_label.id;
$$;

-- The conversations of the caller's tenant that have a label. Row level security then filters them.
-- Security definer: the policy of labels would be evaluated for each row.
create function private.labelled_conversations(label uuid) returns uuid[]
language plpgsql stable security definer set search_path = '' as $$
begin
  if not private.has_permission('labels.view') then
    return '{}';
  end if;
  return array(
    select cl.conversation_id from public.conversation_labels cl
    where cl.label_id = label and cl.tenant_id = private.tenant_id()
  );
end;
$$;

-- A change of a contact's labels is broadcast as a change of the contact.
create function private.announce_contact_labels() returns trigger
language plpgsql set search_path = '' as $$
declare
  ids uuid[];
begin
  select array_agg(distinct k.contact_id) into ids from changed k;
  if cardinality(ids) <= 50 then
    perform private.record_and_broadcast(c.tenant_id, 'contacts', null, 'contact.updated', private.contact_row_json(c))
    from public.contacts c where c.id = any (ids) and c.erased_at is null order by c.id;
  else
    perform private.record_and_broadcast(n.tenant_id, 'contacts', null, 'contacts.updated', jsonb_build_object('id', n.tenant_id, 'rows', n.rows))
    from (select c.tenant_id, count(*) as rows from public.contacts c where c.id = any (ids) group by c.tenant_id) n;
  end if;
  return null;
end;
$$;

-- The labels of a conversation, for clients.
create function private.labels_of(v public.conversations) returns jsonb
language plpgsql stable set search_path = '' as $$
begin
  return coalesce((
    select jsonb_agg(jsonb_build_object('id', l.id, 'name', l.name, 'color', l.color) order by lower(l.name), l.id)
    from public.conversation_labels cl join public.labels l on l.id = cl.label_id
    where cl.conversation_id = v.id and cl.tenant_id = v.tenant_id
  ), '[]');
end;
$$;

create trigger touch_updated_at before update on public.labels
  for each row execute function private.touch_updated_at();
create trigger record_labels_added after insert on public.conversation_labels
  referencing new table as changed for each statement execute function private.record_label_changes();
create trigger record_labels_removed after delete on public.conversation_labels
  referencing old table as changed for each statement execute function private.record_label_changes();
create trigger announce_labels_added after insert on public.conversation_labels
  referencing new table as changed for each statement execute function private.announce_conversation_labels();
create trigger announce_labels_removed after delete on public.conversation_labels
  referencing old table as changed for each statement execute function private.announce_conversation_labels();
create trigger announce_note after insert or update or delete on public.conversation_notes
  for each row execute function private.announce_note();
create trigger announce_label after insert or update or delete on public.labels
  for each row execute function private.announce_label();
create trigger announce_inserted after insert on public.contact_labels
  referencing new table as changed for each statement execute function private.announce_contact_labels();
create trigger announce_deleted after delete on public.contact_labels
  referencing old table as changed for each statement execute function private.announce_contact_labels();

-- Changes are written to the audit log.
select private.audit_table('labels', 'id');
select private.audit_table('conversation_labels', 'conversation_id,label_id', 'people');
select private.audit_table('contact_labels', 'contact_id,label_id', 'people');
select private.audit_table('conversation_notes', 'id');

alter table public.labels enable row level security;
alter table public.conversation_labels enable row level security;
alter table public.contact_labels enable row level security;
alter table public.conversation_notes enable row level security;

create policy "permitted people read labels" on public.labels for select to authenticated
  using (tenant_id = (select private.tenant_id()) and (select private.has_permission('labels.view')));
create policy "people read labels of conversations they may see" on public.conversation_labels
  for select to authenticated
  using (
    tenant_id = (select private.tenant_id())
    and (select private.has_permission('labels.view'))
    and exists (select 1 from public.conversations v where v.id = conversation_labels.conversation_id)
  );
create policy "people read labels of contacts they may see" on public.contact_labels for select to authenticated
  using (
    tenant_id = (select private.tenant_id())
    and (select private.has_permission('labels.view'))
    and exists (select 1 from public.contacts c where c.id = contact_labels.contact_id)
  );
create policy "permitted people read notes of conversations they may see" on public.conversation_notes
  for select to authenticated
  using (
    tenant_id = (select private.tenant_id())
    and (select private.has_permission('notes.view'))
    and exists (select 1 from public.conversations v where v.id = conversation_notes.conversation_id)
  );

grant select on
  public.labels, public.conversation_labels, public.contact_labels, public.conversation_notes
to authenticated;

grant execute on function
  private.note_json(public.conversation_notes),
  public.list_notes(uuid, uuid, integer),
  public.create_note(uuid, text, uuid[]),
  public.update_note(uuid, text, uuid[]),
  public.delete_note(uuid),
  private.label_json(public.labels),
  public.list_labels(),
  public.create_label(text, text, text),
  public.update_label(uuid, jsonb),
  public.delete_label(uuid),
  public.label_conversation(uuid, uuid[], text),
  private.live_note(uuid),
  private.live_label(uuid),
  private.labelled_conversations(uuid)
to authenticated;
