-- A quick reply whose text stays can be changed, though a field it names is gone.

-- Makes a quick reply, or changes one: what is not named in `changes` (shortcut, title, content, category, media, and
-- when it is made scope) stays. A shortcut may be given with its slash.
create or replace function public.save_quick_reply(changes jsonb, quick_reply_id uuid default null) returns jsonb
language plpgsql security definer set search_path = '' as $$
declare
  tenant constant uuid := private.tenant_id();
  own constant boolean := coalesce(changes ->> 'scope', 'shared') = 'personal';
  reply public.quick_replies;
  unchanged text;
begin
  if quick_reply_id is not null then
    reply := private.changeable_quick_reply(quick_reply_id, 'quick_replies.update');
    unchanged := reply.content;
  else
    perform private.require(case when own then 'quick_replies.create' else 'quick_replies.update' end);
    if own and private.person_id() is null then
      raise sqlstate 'PT422' using message = 'Only a person has quick replies of their own.', detail = 'invalid_field',
        hint = 'scope';
    end if;
    reply.tenant_id := tenant;
    reply.owner_id := case when own then private.person_id() end;
    reply.created_by := private.person_id();
    reply.title := '';
    reply.content := '';
  end if;
  if changes ? 'shortcut' or quick_reply_id is null then
    reply.shortcut := lower(regexp_replace(changes ->> 'shortcut', '^/', ''));
    if reply.shortcut is null or reply.shortcut !~ '^[a-z0-9_-]{1,40}$' then
      raise sqlstate 'PT422' using message = 'A shortcut has 1 to 40 letters, digits, hyphens and underscores.',
        detail = 'invalid_field', hint = 'shortcut';
    end if;
  end if;
  reply.title := coalesce(changes ->> 'title', reply.title);
  reply.content := coalesce(changes ->> 'content', reply.content);
  if changes ? 'category' then
    reply.category := nullif(trim(changes ->> 'category'), '');
  end if;
  if changes ? 'media' then
    reply.media := nullif(changes -> 'media', 'null');
    -- only files of the tenant's own folder, or it would be a way to others'
    if reply.media is not null and (
      coalesce(reply.media ->> 'type', '') not in ('image', 'video', 'audio', 'document')
      or coalesce(reply.media ->> 'path', '') !~ ('^' || tenant || '/[A-Za-z0-9][A-Za-z0-9._/ -]{0,200}$')
      or reply.media ->> 'path' ~ '\.\.'
      or not exists (
        select 1 from storage.objects o where o.bucket_id = 'broadcast-media' and o.name = reply.media ->> 'path'
      )
    ) then
      raise sqlstate 'PT422' using message = 'There is no such file.', detail = 'invalid_field', hint = 'media.path';
    end if;
  end if;
  if reply.content = '' and reply.media is null then
    raise sqlstate 'PT422' using message = 'A quick reply needs a text or a file.', detail = 'invalid_field',
      hint = 'content';
  elsif char_length(reply.content) > (case when reply.media is null then 4096 else 1024 end) then
    raise sqlstate 'PT422' using message = 'A text has at most 4096 characters, beside a file 1024.',
      detail = 'invalid_field', hint = 'content';
  elsif reply.content <> '' and reply.media ->> 'type' = 'audio' then
    raise sqlstate 'PT422' using message = 'WhatsApp shows no text beside audio.', detail = 'invalid_field',
      hint = 'content';
  end if;
  -- a field that is gone since stands in the way of nothing else
  if quick_reply_id is null or changes ? 'content' and reply.content <> unchanged then
    perform private.check_text_variables(tenant, reply.content, 'content');
  end if;

  if quick_reply_id is null then
    insert into public.quick_replies (tenant_id, owner_id, shortcut, title, content, category, media, created_by)
    values (
      tenant, reply.owner_id, reply.shortcut, reply.title, reply.content, reply.category, reply.media, reply.created_by
    )
    returning * into reply;
  else
    update public.quick_replies q
    set shortcut = reply.shortcut, title = reply.title, content = reply.content, category = reply.category,
      media = reply.media
    where q.id = reply.id
    returning * into reply;
  end if;
  return private.quick_reply_json(reply);
exception when unique_violation then
  raise sqlstate 'PT409' using message = 'This shortcut is taken.', detail = 'shortcut_taken', hint = 'shortcut';
end;
$$;
