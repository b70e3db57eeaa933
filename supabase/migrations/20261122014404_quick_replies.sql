-- Quick replies: names by their parts and the writer's address as variables; one whose text stays can be changed, though a
-- field it names is gone.

-- The first word of a name, or what follows it.
create function private.part_of_name(name text, first boolean) returns text
language sql immutable parallel safe set search_path = '' as $$
  select case when first then (regexp_match(name, '^\s*(\S+)'))[1] else (regexp_match(name, '^\s*\S+\s+(.+)$'))[1] end;
$$;

-- Refuses variables that there are not.
create or replace function private.check_text_variables(tenant uuid, words text, field text) returns void
language plpgsql stable set search_path = '' as $$
declare
  unknown text;
begin
  select v into unknown
  from unnest(private.text_variables(words)) v
  where v <> all ('{contact.name,contact.first_name,contact.last_name,contact.phone_number,contact.email,agent.name,agent.first_name,agent.last_name,agent.email,tenant.name}') and not exists (
    select 1 from public.contact_fields f where f.tenant_id = tenant and v = 'contact.custom.' || f.key
  )
  limit 1;
  if unknown is not null then
    raise sqlstate 'PT422' using message = format('There is no variable {{%s}}.', left(unknown, 100)),
      detail = 'unknown_variable', hint = field;
  end if;
end;
$$;

drop function private.fill_text(text, public.contacts, text, text);
drop function private.variable_value(text, public.contacts, text, text);
create function private.variable_value(
  variable text, contact public.contacts, agent_name text, tenant_name text, agent_email text default null
) returns text
language sql immutable set search_path = '' as $$
  select nullif(trim(case
    when variable = 'contact.name' then coalesce(contact.name, contact.profile_name)
    when variable = 'contact.phone_number' then '+' || contact.wa_id
    when variable = 'contact.email' then contact.email
    when variable = 'contact.first_name' then private.part_of_name(coalesce(contact.name, contact.profile_name), true)
    when variable = 'contact.last_name' then private.part_of_name(coalesce(contact.name, contact.profile_name), false)
    when variable = 'agent.name' then agent_name
    when variable = 'agent.first_name' then private.part_of_name(agent_name, true)
    when variable = 'agent.last_name' then private.part_of_name(agent_name, false)
    when variable = 'agent.email' then agent_email
    when variable = 'tenant.name' then tenant_name
    when variable like 'contact.custom.%' then contact.custom_fields ->> substr(variable, 16)
  end), '');
$$;

-- A text with its variables filled in, each once: values that look like variables stay as they are. What has no value is
-- left empty, and named in `missing`.
create function private.fill_text(
  words text, contact public.contacts, agent_name text, tenant_name text, agent_email text default null,
  out filled text, out missing text[]
)
language sql immutable set search_path = '' as $$
  with parts as (
    select p.part, p.nth from regexp_split_to_table(words, '\{\{\s*[^{}]*?\s*\}\}') with ordinality p (part, nth)
  ),
  slots as (
    select m.slot[1] as variable, private.variable_value(m.slot[1], contact, agent_name, tenant_name, agent_email) as value, m.nth
    from regexp_matches(words, '\{\{\s*([^{}]*?)\s*\}\}', 'g') with ordinality m (slot, nth)
  )
  select
    string_agg(p.part || coalesce(s.value, ''), '' order by p.nth),
    coalesce(array_agg(distinct s.variable order by s.variable) filter (where s.variable is not null and s.value is null), '{}')
  from parts p left join slots s using (nth);
$$;

-- {"enabled", "text"?} and one number of days; other members are refused.
create or replace function private.check_message_setting(
  tenant uuid, field text, setting jsonb, longest integer, days text default null
) returns void
language plpgsql stable set search_path = '' as $$
begin
  if jsonb_typeof(setting) is distinct from 'object' or exists (
    select 1 from jsonb_object_keys(setting) k where k not in ('enabled', 'text') and k is distinct from days
  ) then
    perform private.refuse_setting(field, 'This setting is not known.');
  elsif jsonb_typeof(setting -> 'enabled') is distinct from 'boolean' then
    perform private.refuse_setting(field || '.enabled', 'True or false is needed here.');
  elsif coalesce(jsonb_typeof(setting -> 'text'), 'null') not in ('null', 'string')
    or char_length(setting ->> 'text') > longest
  then
    perform private.refuse_setting(field || '.text', format('A text has at most %s characters.', longest));
  elsif coalesce(jsonb_typeof(setting -> days), 'null') <> 'null'
    and (setting ->> days !~ '^[0-9]{1,3}$' or jsonb_typeof(setting -> days) <> 'number' or (setting ->> days)::integer > 365)
  then
    perform private.refuse_setting(field || '.' || days, 'A whole number of days from 0 to 365 is needed here.');
  end if;
  perform private.check_text_variables(tenant, coalesce(setting ->> 'text', ''), field || '.text');
  if exists (select 1 from unnest(private.text_variables(coalesce(setting ->> 'text', ''))) v where v like 'agent.%') then
    perform private.refuse_setting(field || '.text', 'No agent writes this message.');
  end if;
end;
$$;

-- A quick reply as it reads in a conversation, counted as used: {"content", "media", "missing"}.
create or replace function public.render_quick_reply(quick_reply_id uuid, conversation_id uuid) returns jsonb
language plpgsql security definer set search_path = '' as $$
declare
  conversation public.conversations;
  reply public.quick_replies;
  contact public.contacts;
  text_filled record;
begin
  perform private.require('quick_replies.view');
  conversation := private.own_conversation(conversation_id);
  update public.quick_replies q set usage_count = q.usage_count + 1, last_used_at = now()
  where q.id = render_quick_reply.quick_reply_id and q.tenant_id = private.tenant_id()
    and (q.owner_id is null or q.owner_id = private.person_id())
  returning * into reply;
  if not found then
    raise sqlstate 'PT404' using message = 'There is no such quick reply.', detail = 'not_found';
  end if;
  select c.* into strict contact from public.contacts c where c.id = conversation.contact_id;
  select f.* into text_filled
  from public.tenants t
  left join public.profiles p on p.user_id = private.person_id()
  left join auth.users u on u.id = p.user_id
  cross join lateral private.fill_text(reply.content, contact, p.display_name, t.name, u.email) f
  where t.id = reply.tenant_id;
  return jsonb_build_object(
    'content', text_filled.filled, 'media', reply.media, 'missing', text_filled.missing
  );
end;
$$;

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

revoke execute on function private.part_of_name(text, boolean), private.variable_value(text, public.contacts, text, text, text),
  private.fill_text(text, public.contacts, text, text, text) from public;
