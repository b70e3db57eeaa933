-- Quick replies: prepared answers of the tenant or of one person.
--
-- Their texts have the same variables as automatic messages: {{contact.name}}, {{contact.phone_number}},
-- {{contact.email}}, {{contact.custom.<field>}}, {{agent.name}}, {{tenant.name}}, and parts of names.

create table public.quick_replies (
  id uuid primary key default gen_random_uuid(),
  tenant_id uuid not null references public.tenants (id) on delete cascade,
  -- the owner; null: shared by everyone
  owner_id uuid,
  shortcut text not null check (shortcut ~ '^[a-z0-9_-]{1,40}$'),
  title text not null default '' check (char_length(title) <= 100 and (title = '' or private.is_visible(title))),
  content text not null default '' check (char_length(content) <= 4096),
  category text check (char_length(category) between 1 and 50 and category = trim(category)),
  -- a file to send along: {"type", "path" in bucket broadcast-media, "filename"?}. It is sent by URL, because an upload
  -- to Meta expires after 30 days.
  media jsonb check (
    media ->> 'type' in ('image', 'video', 'audio', 'document') and jsonb_typeof(media -> 'path') = 'string'
  ),
  usage_count integer not null default 0,
  last_used_at timestamptz,
  created_by uuid,
  created_at timestamptz not null default now(),
  updated_at timestamptz not null default now(),
  unique (id, tenant_id),
  check (content <> '' or media is not null),
  foreign key (owner_id, tenant_id) references public.profiles (user_id, tenant_id) on delete cascade,
  foreign key (created_by, tenant_id) references public.profiles (user_id, tenant_id) on delete set null (created_by)
);
create unique index quick_replies_shared_idx on public.quick_replies (tenant_id, shortcut) where owner_id is null;
create index quick_replies_tenant_idx on public.quick_replies (tenant_id);
create unique index quick_replies_own_idx on public.quick_replies (owner_id, tenant_id, shortcut) where owner_id is not null;
create index quick_replies_created_by_idx on public.quick_replies (created_by, tenant_id) where created_by is not null;

create function private.text_variables(words text) returns text[]
language sql immutable set search_path = '' as $$
  select coalesce(array_agg(distinct m[1] order by m[1]), '{}')
  from regexp_matches(words, '\{\{\s*([^{}]*?)\s*\}\}', 'g') m;
$$;

-- Refuses unknown variables.
create function private.check_text_variables(tenant uuid, words text, field text) returns void
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

create function private.quick_reply_json(q public.quick_replies) returns jsonb
language sql stable set search_path = '' as $$
  select to_jsonb(q) - '{tenant_id,owner_id}'::text[] || jsonb_build_object(
    'scope', case when q.owner_id is null then 'shared' else 'personal' end,
    'variables', private.text_variables(q.content)
  );
$$;

-- One page of quick replies, and all their categories. `scope`: shared, personal or all. `sort`: usage, shortcut or
-- newest.
create function public.list_quick_replies(
  search text, category_filter text, scope text, sort text, page integer, page_size integer
) returns jsonb
language sql stable set search_path = '' as $$
  with visible as (
    select q from public.quick_replies q
    where case list_quick_replies.scope
      when 'shared' then q.owner_id is null
      when 'personal' then q.owner_id is not null
      else true
    end
  ),
  found_replies as (
    select v.q from visible v
    where (category_filter is null or (v.q).category = category_filter)
      and (
        list_quick_replies.search is null
        or strpos((v.q).shortcut, lower(ltrim(list_quick_replies.search, '/'))) > 0
        or strpos(private.fold_text((v.q).title), private.fold_text(list_quick_replies.search)) > 0
        or strpos(private.fold_text((v.q).content), private.fold_text(list_quick_replies.search)) > 0
      )
  )
  select jsonb_build_object(
    'total', (select count(*) from found_replies),
    'categories', coalesce((
      select jsonb_agg(jsonb_build_object('name', c.name, 'count', c.n) order by lower(c.name), c.name)
      from (select (v.q).category as name, count(*) as n from visible v where (v.q).category is not null group by 1) c
    ), '[]'),
    'rows', coalesce((
      select jsonb_agg(private.quick_reply_json(p.q) order by p.nth)
      from (
        select f.q, row_number() over (
          order by
            case when sort = 'usage' then (f.q).usage_count end desc nulls last,
            case when sort = 'newest' then (f.q).created_at end desc nulls last,
            (f.q).shortcut, (f.q).id
        ) as nth
        from found_replies f
        order by nth
        limit page_size offset (page - 1)::bigint * page_size
      ) p
    ), '[]')
  );
$$;

-- Null if the quick reply does not exist or belongs to another person.
create function public.get_quick_reply(quick_reply_id uuid) returns jsonb
language sql stable set search_path = '' as $$
  select private.quick_reply_json(q) from public.quick_replies q where q.id = get_quick_reply.quick_reply_id;
$$;

-- Returns a quick reply that the caller sees, locked, if the caller may change it. Shared ones require `shared_right`,
-- own ones the permission to have any.
create function private.changeable_quick_reply(quick_reply uuid, shared_right text) returns public.quick_replies
language plpgsql set search_path = '' as $$
declare
  found_reply public.quick_replies;
begin
  select q.* into found_reply from public.quick_replies q
  where q.id = quick_reply and q.tenant_id = private.tenant_id() and private.has_permission('quick_replies.view')
    and (q.owner_id is null or q.owner_id = private.person_id())
  for update;
  if not found then
    raise sqlstate 'PT404' using message = 'There is no such quick reply.', detail = 'not_found';
  end if;
  perform private.require(case when found_reply.owner_id is null then shared_right else 'quick_replies.create' end);
  return found_reply;
end;
$$;

-- Creates or changes a quick reply. Fields that `changes` does not name (shortcut, title, content, category, media, and
-- scope for a new one) stay. A shortcut may begin with its slash.
-- Security definer: clients have no right to write quick replies.
create function public.save_quick_reply(changes jsonb, quick_reply_id uuid default null) returns jsonb
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
    -- only published files of the tenant: other paths would give access to other tenants' files
    if reply.media is not null and (
      coalesce(reply.media ->> 'type', '') not in ('image', 'video', 'audio', 'document')
      or not private.is_published(tenant, reply.media ->> 'path')
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
  -- an unchanged text may refer to a field that was deleted since
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

-- Security definer: clients have no right to write quick replies.
create function public.delete_quick_reply(quick_reply_id uuid) returns void
language plpgsql security definer set search_path = '' as $$
begin
  perform private.require('quick_replies.view');
  delete from public.quick_replies q
  where q.id = (private.changeable_quick_reply(delete_quick_reply.quick_reply_id, 'quick_replies.delete')).id;
end;
$$;

-- A quick reply with its variables filled for a conversation, counted as used: {"content", "media", "missing"}.
-- Security definer: clients have no right to write quick replies.
create function public.render_quick_reply(quick_reply_id uuid, conversation_id uuid) returns jsonb
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
  left join public.profiles p on p.user_id = private.person_id() and p.tenant_id = t.id
  left join auth.users u on u.id = p.user_id
  cross join lateral private.fill_text(reply.content, contact, p.display_name, t.name, u.email) f
  where t.id = reply.tenant_id;
  return jsonb_build_object(
    'content', text_filled.filled, 'media', reply.media, 'missing', text_filled.missing
  );
end;
$$;

-- Security definer: it also runs when Auth removes an account, and the role of Auth has no rights here.
create function private.announce_quick_reply() returns trigger
language plpgsql security definer set search_path = '' as $$
declare
  reply constant public.quick_replies := case tg_op when 'DELETE' then old else new end;
begin
  -- a tenant that is being deleted has no audience
  if tg_op = 'DELETE' and not exists (select 1 from public.tenants t where t.id = old.tenant_id) then
    return null;
  end if;
  perform private.record_and_broadcast(
    reply.tenant_id, case when reply.owner_id is null then 'quick_replies' else 'agent' end, reply.owner_id,
    'quick_reply.' || case tg_op when 'INSERT' then 'created' when 'UPDATE' then 'updated' else 'deleted' end,
    case tg_op when 'DELETE' then jsonb_build_object('id', reply.id) else private.quick_reply_json(reply) end
  );
  return null;
end;
$$;

-- The first word of a name, or the rest of it.
create function private.part_of_name(name text, first boolean) returns text
language sql immutable parallel safe set search_path = '' as $$
  select case when first then (regexp_match(name, '^\s*(\S+)'))[1] else (regexp_match(name, '^\s*\S+\s+(.+)$'))[1] end;
$$;

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

-- Fills the variables of a text in one pass, so that values that look like variables stay unchanged. A variable without
-- a value becomes empty and is named in `missing`.
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

create trigger touch_updated_at before update on public.quick_replies
  for each row when (old.usage_count = new.usage_count) execute function private.touch_updated_at();
create trigger announce_changed after insert or delete on public.quick_replies
  for each row execute function private.announce_quick_reply();
create trigger announce_updated after update on public.quick_replies
  for each row when (old.usage_count = new.usage_count) execute function private.announce_quick_reply();

-- Changes are written to the audit log.
select private.audit_table('quick_replies', 'id', '-usage_count', '-last_used_at');

alter table public.quick_replies enable row level security;

create policy "permitted people read shared quick replies and their own" on public.quick_replies
  for select to authenticated
  using (
    tenant_id = (select private.tenant_id()) and (select private.has_permission('quick_replies.view'))
    and (owner_id is null or owner_id = (select private.person_id()))
  );

grant select on public.quick_replies to authenticated;

grant execute on function
  private.text_variables(text),
  private.quick_reply_json(public.quick_replies),
  public.list_quick_replies(text, text, text, text, integer, integer),
  public.get_quick_reply(uuid),
  public.save_quick_reply(jsonb, uuid),
  public.delete_quick_reply(uuid),
  public.render_quick_reply(uuid, uuid)
to authenticated;
