-- Storage and Realtime: buckets and the access to their files, the published tables, and the access to topics.

create policy "people listen to their own topics" on realtime.messages for select to authenticated
  using (extension in ('broadcast', 'presence') and (select private.may_listen((select realtime.topic()))));
create policy "people read files of messages they may see" on storage.objects for select to authenticated
  using (
    bucket_id = 'chat-media'
    and exists (select 1 from public.message_media f where f.storage_path = objects.name)
  );
create policy "people read the campaign files of their tenant" on storage.objects for select to authenticated
  using (
    bucket_id = 'broadcast-media' and (storage.foldername(name))[1] = (select private.tenant_id())::text
  );
create policy "permitted people add campaign files of their tenant" on storage.objects
  for insert to authenticated
  with check (
    bucket_id = 'broadcast-media' and (storage.foldername(name))[1] = (select private.tenant_id())::text
    and (select private.has_permission('media.upload'))
  );
create policy "permitted people change campaign files of their tenant" on storage.objects
  for update to authenticated
  using (
    bucket_id = 'broadcast-media' and (storage.foldername(name))[1] = (select private.tenant_id())::text
    and (select private.has_permission('media.upload'))
  )
  with check (
    bucket_id = 'broadcast-media' and (storage.foldername(name))[1] = (select private.tenant_id())::text
    and (select private.has_permission('media.upload'))
  );
create policy "permitted people remove campaign files of their tenant" on storage.objects
  for delete to authenticated
  using (
    bucket_id = 'broadcast-media' and (storage.foldername(name))[1] = (select private.tenant_id())::text
    and (select private.has_permission('media.delete'))
  );
create policy "people join the presence of conversations they may see" on realtime.messages for select to authenticated
  using (extension in ('broadcast', 'presence') and (select private.may_join_presence((select realtime.topic()))));
create policy "people announce their presence in conversations they may see" on realtime.messages for insert to authenticated
  with check (extension in ('broadcast', 'presence') and (select private.may_join_presence((select realtime.topic()))));

insert into storage.buckets (id, name, public, file_size_limit) values
  ('chat-media', 'chat-media', false, 104857600),
  ('broadcast-media', 'broadcast-media', true, 104857600),
  ('imports', 'imports', false, 10485760)
on conflict (id) do nothing;

alter table public.messages replica identity full;
alter table public.conversations replica identity full;
alter table public.contacts replica identity full;
alter table public.conversation_labels replica identity full;
alter table public.conversation_notes replica identity full;
alter publication supabase_realtime
  add table public.messages, public.conversations, public.contacts, public.conversation_labels, public.conversation_notes;
