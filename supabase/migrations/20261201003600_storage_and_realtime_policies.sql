-- Storage and Realtime: buckets, and the access to topics.
--
-- Table `storage.objects` has no policy, so clients reach no file with their own token: they could sign links that outlive
-- their account, and copy private files into the public bucket. Our functions hand out short links.

create policy "people listen to their own topics" on realtime.messages for select to authenticated
  using (extension in ('broadcast', 'presence') and (select private.may_listen((select realtime.topic()))));
create policy "people join the presence of conversations they may see" on realtime.messages for select to authenticated
  using (extension in ('broadcast', 'presence') and (select private.may_join_presence((select realtime.topic()))));
create policy "people announce their presence in conversations they may see" on realtime.messages for insert to authenticated
  with check (extension in ('broadcast', 'presence') and (select private.may_join_presence((select realtime.topic()))));

insert into storage.buckets (id, name, public, file_size_limit) values
  ('chat-media', 'chat-media', false, 104857600),
  ('broadcast-media', 'broadcast-media', true, 104857600),
  ('imports', 'imports', false, 10485760)
on conflict (id) do nothing;
