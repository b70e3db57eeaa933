-- Storage and Realtime: buckets and who reaches their files, the tables that are published, who may listen to which topic,
-- and how each kind of thing that is told of is read.

create policy "members listen to their own topics" on realtime.messages for select to authenticated
  using (extension in ('broadcast', 'presence') and (select private.may_listen((select realtime.topic()))));
create policy "members read files of messages they may see" on storage.objects for select to authenticated
  using (
    bucket_id = 'chat-media'
    and exists (select 1 from public.message_media f where f.storage_path = objects.name)
  );
create policy "members read the campaign files of their tenant" on storage.objects for select to authenticated
  using (
    bucket_id = 'broadcast-media' and (storage.foldername(name))[1] = (select private.tenant_id())::text
  );
create policy "members with the right add campaign files of their tenant" on storage.objects
  for insert to authenticated
  with check (
    bucket_id = 'broadcast-media' and (storage.foldername(name))[1] = (select private.tenant_id())::text
    and (select private.has_permission('media.upload'))
  );
create policy "members with the right change campaign files of their tenant" on storage.objects
  for update to authenticated
  using (
    bucket_id = 'broadcast-media' and (storage.foldername(name))[1] = (select private.tenant_id())::text
    and (select private.has_permission('media.upload'))
  )
  with check (
    bucket_id = 'broadcast-media' and (storage.foldername(name))[1] = (select private.tenant_id())::text
    and (select private.has_permission('media.upload'))
  );
create policy "members with the right remove campaign files of their tenant" on storage.objects
  for delete to authenticated
  using (
    bucket_id = 'broadcast-media' and (storage.foldername(name))[1] = (select private.tenant_id())::text
    and (select private.has_permission('media.delete'))
  );
create policy "members meet in conversations they may see" on realtime.messages for select to authenticated
  using (extension in ('broadcast', 'presence') and (select private.may_meet((select realtime.topic()))));
create policy "members show themselves in conversations they may see" on realtime.messages for insert to authenticated
  with check (extension in ('broadcast', 'presence') and (select private.may_meet((select realtime.topic()))));

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

insert into private.live_kinds (kind, reader) values
  ('conversation', 'public.get_conversation'), ('message', 'private.live_message'),
  ('message.media', 'private.live_media'), ('note', 'private.live_note'), ('mention', 'private.live_note'),
  ('label', 'private.live_label'), ('campaign', 'public.get_campaign'), ('number', 'public.get_number'),
  ('recipient_list', 'public.get_recipient_list'), ('account_event', 'private.live_account_event'),
  ('contact', 'public.get_contact'), ('segment', 'public.get_segment'), ('quick_reply', 'public.get_quick_reply'),
  ('agent', 'public.get_agent'), ('csat', 'private.live_csat'), ('contact_field', 'private.live_contact_field');
