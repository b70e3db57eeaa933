-- Published files: samples of templates and files of quick replies. Meta and browsers fetch them by their address, so
-- everyone who has the address can read them.
--
-- Objects are stored in bucket `broadcast-media` under `<tenant>/<id of the row>.<extension>`. Only our functions write
-- there, after they have recognised the type from the bytes. An object is deleted with its row.

create table public.published_files (
  id uuid primary key,
  tenant_id uuid not null references public.tenants (id) on delete cascade,
  kind text not null check (kind in ('image', 'video', 'audio', 'document')),
  mime_type text not null check (char_length(mime_type) between 1 and 200),
  file_size bigint not null check (file_size between 1 and 104857600),
  sha256 text not null check (sha256 ~ '^[0-9a-f]{64}$'),
  -- sanitized by private.safe_file_name
  file_name text not null check (char_length(file_name) between 1 and 130),
  storage_path text not null unique,
  -- a person or an API key
  created_by uuid,
  created_at timestamptz not null default now(),
  check (storage_path ~ ('^' || tenant_id || '/' || id || '\.[a-z0-9]{2,5}$'))
);
create index published_files_list_idx on public.published_files (tenant_id, created_at desc, id);

create function private.published_file_json(f public.published_files) returns jsonb
language sql stable set search_path = '' as $$
  select jsonb_build_object(
    'id', f.id, 'kind', f.kind, 'mime_type', f.mime_type, 'file_size', f.file_size, 'sha256', f.sha256,
    'file_name', f.file_name, 'path', f.storage_path, 'created_at', f.created_at
  );
$$;

-- Reserves the place of a file that is about to be published: {"id", "storage_path", "file_name"}.
-- Security definer: clients have no right to reserve places.
create function public.place_published_file(kind text, mime_type text, file_name text) returns jsonb
language plpgsql security definer set search_path = '' as $$
declare
  id constant uuid := gen_random_uuid();
  path constant text := format('%s/%s.%s', private.tenant_id(), id, private.extension_of(place_published_file.mime_type));
begin
  perform private.require('media.publish');
  perform private.reserve_file('broadcast-media', path);
  return jsonb_build_object(
    'id', id,
    'storage_path', path,
    'file_name', private.safe_file_name(
      place_published_file.file_name, place_published_file.kind, place_published_file.mime_type
    )
  );
end;
$$;

-- Reserves the place for the first copy of a large file, which the client uploads directly: a path in bucket `chat-media`,
-- which only our functions read. The copy is always removed.
-- Security definer: clients have no right to reserve places.
create function public.place_direct_publication() returns text
language plpgsql security definer set search_path = '' as $$
declare
  path constant text := format('%s/published/%s', private.tenant_id(), gen_random_uuid());
begin
  perform private.require('media.publish');
  perform private.reserve_file('chat-media', path);
  return path;
end;
$$;

-- Records a file that our function has stored in bucket `broadcast-media`.
-- Security definer: clients have no right to write files.
create function public.publish_file(file jsonb) returns jsonb
language plpgsql security definer set search_path = '' as $$
declare
  published public.published_files;
begin
  perform private.require('media.publish');
  if not private.keep_file('broadcast-media', file ->> 'storage_path') then
    raise sqlstate 'PT422' using message = 'There is no such upload.', detail = 'invalid_field', hint = 'storage_path';
  end if;
  insert into public.published_files (
    id, tenant_id, kind, mime_type, file_size, sha256, file_name, storage_path, created_by
  )
  select f.id, private.tenant_id(), f.kind, f.mime_type, f.file_size, f.sha256, f.file_name, f.storage_path, auth.uid()
  from jsonb_to_record(file) as f (
    id uuid, kind text, mime_type text, file_size bigint, sha256 text, file_name text, storage_path text
  )
  returning * into published;
  return private.published_file_json(published);
end;
$$;

-- One page of published files, the newest first: {"total", "rows"}.
create function public.list_published_files(kind text, page integer, page_size integer) returns jsonb
language sql stable set search_path = '' as $$
  select jsonb_build_object(
    'total', (
      select count(*) from public.published_files f
      where list_published_files.kind is null or f.kind = list_published_files.kind
    ),
    'rows', coalesce((
      select jsonb_agg(private.published_file_json(p) order by p.created_at desc, p.id)
      from (
        select f.* from public.published_files f
        where list_published_files.kind is null or f.kind = list_published_files.kind
        order by f.created_at desc, f.id
        limit page_size offset (page - 1)::bigint * page_size
      ) p
    ), '[]')
  );
$$;

-- Deletes a published file that no template and no quick reply names. Returns the path of its object, which housekeeping
-- removes if the caller does not.
-- Security definer: clients have no right to write files.
create function public.delete_published_file(file_id uuid) returns text
language plpgsql security definer set search_path = '' as $$
declare
  file public.published_files;
begin
  perform private.require('media.delete');
  select f.* into file from public.published_files f
  where f.id = delete_published_file.file_id and f.tenant_id = private.tenant_id()
  for update;
  if not found then
    raise sqlstate 'PT404' using message = 'There is no such file.', detail = 'not_found';
  elsif exists (
    select 1 from public.broadcast_templates t
    where t.tenant_id = file.tenant_id and file.storage_path in (t.sample_path, t.draft ->> 'sample_path')
  ) or exists (
    select 1 from public.quick_replies q where q.tenant_id = file.tenant_id and q.media ->> 'path' = file.storage_path
  ) then
    raise sqlstate 'PT409' using message = 'A template or a quick reply uses this file.', detail = 'published_file_in_use';
  end if;
  delete from public.published_files f where f.id = file.id;
  return file.storage_path;
end;
$$;

-- Whether the path is that of a published file of this tenant. Templates and quick replies name no other file: other
-- paths would give access to other tenants' files.
create function private.is_published(tenant uuid, path text) returns boolean
language sql stable set search_path = '' as $$
  select exists (select 1 from public.published_files f where f.storage_path = path and f.tenant_id = tenant);
$$;

create function private.queue_unpublished_files() returns trigger
language plpgsql set search_path = '' as $$
begin
  insert into private.files_to_remove (bucket, path)
  select 'broadcast-media', b.storage_path from before b
  on conflict do nothing;
  return null;
end;
$$;

create trigger queue_unpublished_files after delete on public.published_files
  referencing old table as before for each statement execute function private.queue_unpublished_files();

-- Changes are written to the audit log.
select private.audit_table('published_files', 'id');

alter table public.published_files enable row level security;

create policy "permitted people read published files of their tenant" on public.published_files
  for select to authenticated
  using (tenant_id = (select private.tenant_id()) and (select private.has_permission('media.view')));

grant select on public.published_files to authenticated;

grant execute on function
  private.published_file_json(public.published_files),
  private.is_published(uuid, text),
  public.place_published_file(text, text, text),
  public.place_direct_publication(),
  public.publish_file(jsonb),
  public.list_published_files(text, integer, integer),
  public.delete_published_file(uuid)
to authenticated;
