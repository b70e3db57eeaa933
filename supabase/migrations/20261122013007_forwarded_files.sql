-- Files of any message can be sent on: Meta is given them again for the number they go out from.

-- The upload by which Meta knows a file for a number; all null without one.
create function private.known_upload(file public.message_media, session uuid) returns public.message_media
language sql stable security definer set search_path = '' as $$
  select u.*
  from public.message_media u
  left join public.messages m on m.id = u.message_id
  where u.storage_path = file.storage_path and u.tenant_id = file.tenant_id and u.session_id = session
    and u.meta_media_id is not null and u.expires_at > now() + interval '1 minute'
    -- by the id it came in with nothing can be sent
    and (u.message_id is null or m.direction = 'outbound')
  order by u.expires_at desc
  limit 1;
$$;

-- The numbers that Meta has to be given the file of a message for, before it can be sent on to these conversations: each
-- with what `finish_upload` takes, but for Meta's id. Only what the caller may send on, and to where it would go.
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

-- As before, with files that a customer sent.
create or replace function public.forward_message(message_id uuid, conversation_ids uuid[]) returns jsonb
language plpgsql security definer set search_path = '' as $$
declare
  message public.messages;
  file public.message_media;
  upload public.message_media;
  conversation public.conversations;
  target uuid;
  body jsonb;
  made jsonb;
  answers jsonb := '[]';
  code text;
  reason text;
begin
  perform private.require('messages.forward');
  message := private.own_message(forward_message.message_id);
  if not private.may_send(message.type) then
    raise sqlstate 'PT403' using message = 'You may not send messages of this kind.', detail = 'forbidden';
  end if;
  if message.deleted_at is not null or message.revoked_at is not null or message.target_message_id is not null
    or message.type not in ('text', 'image', 'video', 'audio', 'document', 'sticker', 'location', 'contacts')
    or (message.type = 'text' and char_length(coalesce(message.content, '')) not between 1 and 4096)
  then
    raise sqlstate 'PT409' using message = 'A message of this kind cannot be forwarded.', detail = 'not_forwardable';
  end if;
  select f.* into file from public.message_media f where f.message_id = message.id order by f.created_at limit 1;

  for target in select w.id from unnest(forward_message.conversation_ids) with ordinality w (id, nth) group by w.id order by w.id loop
    begin
      conversation := private.own_conversation(target);
      if message.type = 'text' then
        body := jsonb_build_object('body', message.content);
      elsif message.type in ('location', 'contacts') then
        body := message.payload -> message.type;
        if message.type = 'location' then
          body := jsonb_strip_nulls(jsonb_build_object('latitude', body -> 'latitude', 'longitude', body -> 'longitude',
            'name', body -> 'name', 'address', body -> 'address'));
        end if;
      elsif message.payload #>> array[message.type, 'link'] is not null then
        body := (message.payload -> message.type) - 'id';
      else
        -- Meta knows a file by the number it was uploaded for
        upload := private.known_upload(file, conversation.session_id);
        -- for a closed window it was not uploaded; that is the reason then
        if upload.id is null and conversation.window_expires_at > now() then
          raise sqlstate 'PT409' using message = 'The file of this message cannot be sent on from this number.',
            detail = 'not_forwardable';
        end if;
        body := jsonb_build_object('id', upload.meta_media_id);
      end if;
      if message.type in ('image', 'video', 'document') then
        body := jsonb_strip_nulls(body || jsonb_build_object('caption', message.payload #> array[message.type, 'caption']));
      end if;
      if message.type = 'document' then
        body := jsonb_strip_nulls(body || jsonb_build_object('filename', coalesce(file.file_name, body ->> 'filename')));
      end if;
      made := private.add_outbound(
        conversation, message.type, message.content, jsonb_build_object(message.type, body), null, null
      );
      update public.messages m set metadata = m.metadata || jsonb_build_object('forward_of', message.id)
      where m.id = (made #>> '{message,id}')::uuid
      returning jsonb_set(made, '{message}', private.message_json(m)) into made;
      answers := answers || jsonb_build_object('conversation_id', target, 'outcome', 'created', 'made', made);
    exception when sqlstate 'PT404' or sqlstate 'PT409' or sqlstate 'PT422' or sqlstate 'PT503' then
      get stacked diagnostics code = pg_exception_detail, reason = message_text;
      answers := answers || jsonb_build_object('conversation_id', target, 'outcome', code, 'reason', reason);
    end;
  end loop;
  return answers;
end;
$$;

revoke execute on function private.known_upload(public.message_media, uuid) from public;
revoke execute on function public.files_to_upload(uuid, uuid[]) from public, anon;
grant execute on function public.files_to_upload(uuid, uuid[]) to authenticated;
