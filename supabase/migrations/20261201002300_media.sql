-- Files of messages. Inbound files are fetched from Meta into Storage before Meta deletes them. Outbound files are
-- uploaded.
--
-- Objects are stored in bucket `chat-media` under `<tenant>/<number>/<id of the row>`, so no user-chosen name is part
-- of a path. An object is deleted when no row refers to it any more, no matter how the last row was deleted.

create table public.message_media (
  id uuid primary key default gen_random_uuid(),
  tenant_id uuid not null references public.tenants (id) on delete cascade,
  session_id uuid not null,
  -- null: uploaded, and not sent yet
  message_id uuid references public.messages (id) on delete cascade,
  -- a person or an API key
  uploaded_by uuid,
  -- Meta's id of the file: valid for this number, for 7 days if inbound and 30 if uploaded
  meta_media_id text,
  kind text not null check (kind in ('image', 'video', 'audio', 'document', 'sticker')),
  mime_type text,
  sha256 text,
  file_size bigint check (file_size >= 0),
  -- sanitized by private.safe_file_name
  file_name text not null,
  -- an upload that was sent several times has one row per message, and one object
  storage_path text,
  -- pending: to be fetched. failed: given up. gone: Meta no longer has it
  state text not null default 'pending' check (state in ('pending', 'stored', 'failed', 'gone')),
  attempts smallint not null default 0,
  -- how many claims there were since a result was last recorded
  unfinished_claims smallint not null default 0,
  next_attempt_at timestamptz not null default now(),
  -- Meta keeps the file until then
  expires_at timestamptz not null,
  last_error text,
  created_at timestamptz not null default now(),
  check (state <> 'stored' or storage_path is not null),
  foreign key (session_id, tenant_id) references public.whatsapp_sessions (id, tenant_id) on delete cascade
);
create index message_media_message_idx on public.message_media (message_id);
create index message_media_session_idx on public.message_media (session_id, tenant_id, meta_media_id);
create index message_media_tenant_idx on public.message_media (tenant_id);
create index message_media_path_idx on public.message_media (storage_path) where storage_path is not null;
create index message_media_pending_idx on public.message_media (next_attempt_at) where state = 'pending';
create index message_media_unsent_idx on public.message_media (expires_at) where message_id is null;

create function private.extension_of(mime_type text) returns text
language sql immutable set search_path = '' as $$
  select case split_part(lower(mime_type), ';', 1)
    when 'audio/aac' then 'aac' when 'audio/amr' then 'amr' when 'audio/mpeg' then 'mp3' when 'audio/mp4' then 'm4a'
    when 'audio/ogg' then 'ogg' when 'image/jpeg' then 'jpg' when 'image/png' then 'png' when 'image/webp' then 'webp'
    when 'video/mp4' then 'mp4' when 'video/3gpp' then '3gp' when 'application/pdf' then 'pdf'
    when 'text/plain' then 'txt' when 'application/msword' then 'doc' when 'application/vnd.ms-excel' then 'xls'
    when 'application/vnd.ms-powerpoint' then 'ppt' when 'application/vnd.oasis.opendocument.text' then 'odt'
    when 'application/vnd.openxmlformats-officedocument.wordprocessingml.document' then 'docx'
    when 'application/vnd.openxmlformats-officedocument.spreadsheetml.sheet' then 'xlsx'
    when 'application/vnd.openxmlformats-officedocument.presentationml.presentation' then 'pptx'
    else 'bin'
  end;
$$;

-- Makes a file name safe: without separators, control characters and direction marks, without a leading dot, and with
-- the extension of its type.
create function private.safe_file_name(name text, kind text, mime_type text) returns text
language sql immutable set search_path = '' as $$
  with cleaned as (
    select btrim(
      regexp_replace(
        regexp_replace(
          coalesce(name, ''), '[\u0001-\u001f\u007f-\u009f\u200b-\u200f\u2028-\u202e\u2066-\u2069\ufeff]', '', 'g'
        ),
        '[/\\:*?"<>|%]+', '_', 'g'
      ),
      ' ._'
    ) as name
  )
  select case
    when c.name = '' then kind || '.' || private.extension_of(mime_type)
    when lower(c.name) ~ ('\.' || private.extension_of(mime_type) || '$')
      or (private.extension_of(mime_type) = 'jpg' and lower(c.name) ~ '\.jpeg$')
      then right(c.name, 120)
    else left(c.name, 110) || '.' || private.extension_of(mime_type)
  end
  from cleaned c;
$$;

-- Creates the rows of files for new messages. Inbound files still have to be fetched; outbound ones were uploaded or
-- have a URL.
create function private.add_message_files(stored uuid[]) returns void
language plpgsql set search_path = '' as $$
begin
  insert into public.message_media (
    tenant_id, session_id, message_id, meta_media_id, kind, mime_type, sha256, file_name, expires_at
  )
  select
    m.tenant_id, m.session_id, m.id, f.id, m.type, f.mime_type, left(f.sha256, 100),
    private.safe_file_name(f.name, m.type, f.mime_type),
    -- Meta hands out a file of the history anew
    case when m.metadata ->> 'source' = 'history' then now() + interval '7 days'
      else greatest(m.occurred_at + interval '7 days', now() + interval '1 hour') end
  from public.messages m
  cross join lateral (
    select
      m.payload #>> array[m.type, 'id'] as id, left(m.payload #>> array[m.type, 'mime_type'], 200) as mime_type,
      m.payload #>> array[m.type, 'sha256'] as sha256, left(m.payload #>> array[m.type, 'filename'], 1000) as name
  ) f
  where m.id = any (stored) and (m.direction = 'inbound' or m.metadata ? 'source')
    and not exists (select 1 from public.message_media o where o.message_id = m.id)
    and m.type in ('image', 'video', 'audio', 'document', 'sticker') and f.id ~ '^[A-Za-z0-9_-]{1,128}$';

  insert into public.message_media (
    tenant_id, session_id, message_id, uploaded_by, meta_media_id, kind, mime_type, sha256, file_size, file_name,
    storage_path, state, expires_at
  )
  select
    m.tenant_id, m.session_id, m.id, u.uploaded_by, u.meta_media_id, u.kind, u.mime_type, u.sha256, u.file_size,
    u.file_name, u.storage_path, u.state, u.expires_at
  from public.messages m
  join public.message_media u
    on u.session_id = m.session_id and u.tenant_id = m.tenant_id
    and u.meta_media_id = m.payload #>> array[m.type, 'id'] and u.message_id is null
  where m.id = any (stored) and m.direction = 'outbound' and not m.metadata ? 'source'
    and m.type in ('image', 'video', 'audio', 'document', 'sticker');
end;
$$;

-- Broadcasts to people who see the message that its file is available or has failed.
create function private.announce_media() returns trigger
language plpgsql set search_path = '' as $$
begin
  perform private.announce(v.tenant_id, v.assigned_to, 'message.media', jsonb_build_object(
    'id', new.id, 'message_id', new.message_id, 'conversation_id', m.conversation_id, 'state', new.state
  ))
  from public.messages m join public.conversations v on v.id = m.conversation_id
  where m.id = new.message_id;
  return null;
end;
$$;

create function private.media_json(f public.message_media) returns jsonb
language sql stable set search_path = '' as $$
  select jsonb_build_object(
    'id', f.id, 'message_id', f.message_id, 'session_id', f.session_id, 'kind', f.kind, 'mime_type', f.mime_type,
    'file_name', f.file_name, 'file_size', f.file_size, 'sha256', f.sha256, 'state', f.state,
    'meta_media_id', f.meta_media_id, 'expires_at', f.expires_at, 'created_at', f.created_at
  );
$$;

-- A file by its own id or by that of its message; null if it does not exist or the caller may not see it.
create function public.get_media(media_id uuid) returns jsonb
language sql stable set search_path = '' as $$
  select private.media_json(f) || jsonb_build_object('storage_path', f.storage_path)
  from public.message_media f
  where f.id = get_media.media_id or f.message_id = get_media.media_id
  order by f.id = get_media.media_id desc
  limit 1;
$$;

-- Reserves the destination of an upload: {"id", "session_id", "phone_number_id", "storage_path", "file_name"}. The default is
-- the tenant's first connected number.
-- Security definer: clients have no right to write files.
create function public.begin_upload(session_id uuid, kind text, mime_type text, file_name text) returns jsonb
language plpgsql security definer set search_path = '' as $$
declare
  number public.whatsapp_sessions;
  id constant uuid := gen_random_uuid();
begin
  if not private.has_permission('media.upload') then
    raise sqlstate 'PT403' using message = 'You may not upload files.', detail = 'forbidden';
  end if;
  select s.* into number from public.whatsapp_sessions s
  where s.tenant_id = private.tenant_id() and s.deleted_at is null
    and (begin_upload.session_id is null and s.status = 'connected' or s.id = begin_upload.session_id)
  order by s.created_at, s.id
  limit 1;
  if not found then
    raise sqlstate 'PT422' using message = 'There is no such number.', detail = 'invalid_field', hint = 'session_id';
  elsif number.status <> 'connected' then
    raise sqlstate 'PT409' using message = format('This number is %s.', number.status), detail = 'number_unavailable';
  end if;
  perform private.reserve_file('chat-media', format('%s/%s/%s', number.tenant_id, number.id, id));
  return jsonb_build_object(
    'id', id, 'tenant_id', number.tenant_id, 'session_id', number.id, 'phone_number_id', number.meta_phone_number_id,
    'storage_path', format('%s/%s/%s', number.tenant_id, number.id, id),
    'file_name', private.safe_file_name(begin_upload.file_name, begin_upload.kind, begin_upload.mime_type),
    'uploaded_by', auth.uid()
  );
end;
$$;

-- Records an upload that Storage and Meta have received.
create function public.finish_upload(upload jsonb) returns jsonb
language sql set search_path = '' as $$
  select private.keep_file('chat-media', upload ->> 'storage_path');
  insert into public.message_media as f (
    id, tenant_id, session_id, uploaded_by, meta_media_id, kind, mime_type, sha256, file_size, file_name, storage_path,
    state, expires_at
  )
  select
    u.id, u.tenant_id, u.session_id, u.uploaded_by, u.meta_media_id, u.kind, u.mime_type, u.sha256, u.file_size,
    u.file_name, u.storage_path, 'stored', now() + interval '30 days'
  from jsonb_to_record(upload) as u (
    id uuid, tenant_id uuid, session_id uuid, uploaded_by uuid, meta_media_id text, kind text, mime_type text,
    sha256 text, file_size bigint, file_name text, storage_path text
  )
  returning private.media_json(f);
$$;

-- Deletes a stored file; the message stays. Returns the path of the object if no other row needs it.
-- Security definer: clients have no right to write files.
create function public.delete_media(media_id uuid) returns jsonb
language plpgsql security definer set search_path = '' as $$
declare
  file public.message_media;
begin
  if not private.has_permission('media.delete') then
    raise sqlstate 'PT403' using message = 'You may not delete files.', detail = 'forbidden';
  end if;
  select f.* into file from public.message_media f
  where f.id = delete_media.media_id and f.tenant_id = private.tenant_id()
  for update;
  if not found or not exists (
    select 1 from public.messages m join public.conversations v on v.id = m.conversation_id
    where m.id = file.message_id and private.sees_assigned_to(v.assigned_to)
    union all
    -- not sent yet
    select 1 where file.message_id is null
      and (file.uploaded_by = auth.uid() or private.has_permission('conversations.view_all'))
  ) then
    raise sqlstate 'PT404' using message = 'There is no such file.', detail = 'not_found';
  end if;
  update public.message_media f set state = 'gone', storage_path = null, last_error = null where f.id = file.id;
  return jsonb_build_object('storage_path', case when not exists (
    select 1 from public.message_media o where o.storage_path = file.storage_path
  ) then file.storage_path end);
end;
$$;

-- Returns files that are due, with the credentials to fetch them. A file is returned again after increasing delays
-- until its result is recorded. A file at which a worker died is returned alone, when no other file is due, and given up
-- when the next worker dies as well.
create function public.claim_media(batch integer) returns jsonb
language plpgsql set search_path = '' as $$
declare
  files jsonb;
  file record;
  due uuid[];
begin
  for file in
    update public.message_media f
    set state = 'failed', last_error = 'Two workers died while they fetched this file.'
    where f.id = any (array(
      select o.id from public.message_media o
      where o.state = 'pending' and o.next_attempt_at <= now() and o.unfinished_claims >= private.most_tries()
      limit 1000
      for update skip locked
    ))
    returning f.id, f.tenant_id
  loop
    perform private.note_set_aside('media', file.id::text, file.tenant_id);
  end loop;

  update public.message_media f
  set state = 'gone', last_error = coalesce(f.last_error, 'Meta keeps files for seven days.')
  where f.id = any (array(
    select o.id from public.message_media o
    where o.state = 'pending' and o.expires_at <= now() and o.next_attempt_at <= now()
    limit 1000
    for update skip locked
  ));

  due := array(
    select o.id from public.message_media o
    where o.state = 'pending' and o.next_attempt_at <= now() and o.unfinished_claims = 0
    order by o.next_attempt_at
    limit batch
    for update skip locked
  );
  if due = '{}' then
    due := array(
      select o.id from public.message_media o
      where o.state = 'pending' and o.next_attempt_at <= now()
      order by o.next_attempt_at
      limit least(batch, 1)
      for update skip locked
    );
  end if;

  with mine as (
    update public.message_media f
    set
      attempts = f.attempts + 1,
      unfinished_claims = f.unfinished_claims + 1,
      next_attempt_at = now() + (array['2 minutes', '10 minutes', '1 hour', '4 hours', '12 hours']::interval[])[
        least(f.attempts + 1, 5)
      ]
    where f.id = any (due)
    returning f.*
  )
  select jsonb_agg(jsonb_build_object(
    'id', m.id, 'session_id', m.session_id, 'phone_number_id', s.meta_phone_number_id,
    'meta_media_id', m.meta_media_id, 'mime_type', m.mime_type, 'sha256', m.sha256,
    'storage_path', format('%s/%s/%s', m.tenant_id, m.session_id, m.id)
  )) into files
  from mine m join public.whatsapp_sessions s on s.id = m.session_id
  where s.meta_phone_number_id is not null;
  return coalesce(files, '[]');
end;
$$;

-- Records the result of a fetch: `stored` with its data, `gone`, or any other outcome with its reason. Other outcomes
-- are retried while Meta keeps the file. The file is given up when the next attempt would be too late.
create function public.finish_media(
  media_id uuid, outcome text, storage_path text default null, file_size bigint default null,
  sha256 text default null, mime_type text default null, problem text default null
) returns void
language sql set search_path = '' as $$
  update public.message_media f
  set
    state = case
      when outcome = 'stored' then 'stored'
      when outcome = 'gone' then 'gone'
      when f.next_attempt_at >= f.expires_at then 'failed'
      else f.state
    end,
    storage_path = case when outcome = 'stored' then finish_media.storage_path end,
    file_size = coalesce(finish_media.file_size, f.file_size),
    sha256 = coalesce(finish_media.sha256, f.sha256),
    mime_type = coalesce(finish_media.mime_type, f.mime_type),
    last_error = problem,
    unfinished_claims = 0
  where f.id = finish_media.media_id and f.state = 'pending';
$$;

create function private.live_media(id uuid) returns jsonb
language sql stable set search_path = '' as $$
  select jsonb_build_object('id', f.id, 'message_id', f.message_id, 'conversation_id', m.conversation_id, 'state', f.state)
  from public.message_media f join public.messages m on m.id = f.message_id where f.id = live_media.id;
$$;

create function private.queue_orphaned_files() returns trigger
language plpgsql set search_path = '' as $$
begin
  insert into private.files_to_remove (bucket, path)
  select distinct 'chat-media', p.path
  from before b
  -- a file that is being fetched is stored at the path of its row
  cross join lateral (
    select coalesce(b.storage_path, case b.state when 'pending' then format('%s/%s/%s', b.tenant_id, b.session_id, b.id) end)
  ) p (path)
  where p.path is not null and not exists (select 1 from public.message_media o where o.storage_path = p.path)
  on conflict do nothing;
  return null;
end;
$$;

-- Deletes uploads that were not sent while Meta had them. Returns their number.
create function public.prune_unsent_uploads(batch integer default 10000) returns bigint
language plpgsql set search_path = '' as $$
declare
  pruned bigint;
begin
  delete from public.message_media f
  where f.id = any (array(
    select u.id from public.message_media u
    where u.message_id is null and u.expires_at < now()
    order by u.expires_at
    limit batch
    for update skip locked
  ));
  get diagnostics pruned = row_count;
  return pruned;
end;
$$;

-- The upload by which Meta knows a file for a number; all null without one.
create function private.known_upload(file public.message_media, session uuid) returns public.message_media
language sql stable set search_path = '' as $$
  select u.*
  from public.message_media u
  left join public.messages m on m.id = u.message_id
  where u.storage_path = file.storage_path and u.tenant_id = file.tenant_id and u.session_id = session
    and u.meta_media_id is not null and u.expires_at > now() + interval '1 minute'
    -- an inbound media id cannot be used for sending
    and (u.message_id is null or m.direction = 'outbound')
  order by u.expires_at desc
  limit 1;
$$;

-- The numbers for which a message's file has to be uploaded to Meta before it can be forwarded to these conversations.
-- Each comes with the arguments of `finish_upload` except Meta's id. It covers only messages and conversations that the
-- caller may forward from and to.
-- Security definer: clients have no right to call `private.known_upload`.
create function public.files_to_upload(message_id uuid, conversation_ids uuid[]) returns jsonb
language plpgsql security definer set search_path = '' as $$
declare
  message public.messages;
  file public.message_media;
begin
  perform private.require('messages.forward');
  message := private.own_message(files_to_upload.message_id);
  if message.deleted_at is not null or message.revoked_at is not null or not private.may_send(message.type)
    or message.payload #>> array[message.type, 'link'] is not null
  then
    return '[]';
  end if;
  select f.* into file from public.message_media f
  where f.message_id = message.id and f.storage_path is not null and f.state = 'stored'
  order by f.created_at limit 1;
  if not found then
    return '[]';
  end if;
  return coalesce((
    select jsonb_agg(jsonb_build_object(
      'phone_number_id', n.meta_phone_number_id,
      'upload', jsonb_build_object(
        'id', gen_random_uuid(), 'tenant_id', file.tenant_id, 'session_id', n.id, 'uploaded_by', auth.uid(), 'kind', file.kind,
        'mime_type', file.mime_type, 'sha256', file.sha256, 'file_size', file.file_size, 'file_name', file.file_name,
        'storage_path', file.storage_path
      )
    ))
    from (
      select distinct s.id, s.meta_phone_number_id
      from public.conversations v
      join public.whatsapp_sessions s on s.id = v.session_id and s.status = 'connected'
      where v.id = any (files_to_upload.conversation_ids) and v.tenant_id = message.tenant_id
        and v.window_expires_at > now() and private.sees_assigned_to(v.assigned_to)
    ) n
    where (private.known_upload(file, n.id)).id is null
  ), '[]');
end;
$$;

create trigger announce_media after update on public.message_media
  for each row when (old.state is distinct from new.state and new.message_id is not null)
  execute function private.announce_media();
create trigger queue_orphaned_files after delete on public.message_media
  referencing old table as before for each statement execute function private.queue_orphaned_files();

-- Changes are written to the audit log.
select private.audit_table('message_media', 'id', 'people');

alter table public.message_media enable row level security;

create policy "people read files they uploaded or whose messages they may see" on public.message_media
  for select to authenticated
  using (
    tenant_id = (select private.tenant_id())
    and (select private.has_permission('media.view'))
    and (
      (message_id is null and uploaded_by = (select auth.uid()))
      or exists (select 1 from public.messages m where m.id = message_media.message_id)
    )
  );

grant select on public.message_media to authenticated;

grant execute on function
  private.media_json(public.message_media),
  public.get_media(uuid),
  public.begin_upload(uuid, text, text, text),
  public.delete_media(uuid),
  private.live_media(uuid),
  public.files_to_upload(uuid, uuid[])
to authenticated;
