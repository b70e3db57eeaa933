-- Changes of settings, of people and of what customers think of us reach the screens of who may see them, as all others do:
-- on tenant:<tenant>:settings, :agents and :reports, and those of the fields of contacts on :contacts.

create or replace function private.may_listen(topic text) returns boolean
language sql stable security definer set search_path = '' as $$
  select case
    when private.tenant_id() is null then false
    when topic = 'tenant:' || private.tenant_id()
      then private.has_permission('conversations.view_all') and private.has_permission('messages.view')
    when topic = 'tenant:' || private.tenant_id() || ':unassigned'
      then private.has_permission('conversations.view') and private.has_permission('messages.view')
        and private.sees_unassigned()
    when topic = any (array(
      select 'tenant:' || private.tenant_id() || ':' || a
      from unnest('{contacts,labels,segments,quick_replies,agents,settings,reports}'::text[]) a
    )) then private.has_permission(split_part(topic, ':', 3) || '.view')
    when topic = 'agent:' || (select auth.uid())
      then private.has_permission('conversations.view') and private.has_permission('messages.view')
    else false
  end;
$$;

-- `id` is that of the number, or of the tenant. What it is now is read from the settings.
create function private.announce_settings() returns trigger
language plpgsql security definer set search_path = '' as $$
declare
  tenant uuid;
  about uuid;
begin
  if tg_table_name = 'tenants' then
    tenant := new.id;
    about := new.id;
  elsif tg_table_name = 'whatsapp_sessions' then
    tenant := new.tenant_id;
    about := new.id;
  elsif tg_op = 'DELETE' then
    tenant := old.tenant_id;
    about := coalesce(old.session_id, old.tenant_id);
  else
    tenant := new.tenant_id;
    about := coalesce(new.session_id, new.tenant_id);
  end if;
  -- a tenant that is being deleted has nobody to tell
  if exists (select 1 from public.tenants t where t.id = tenant) then
    perform private.tell(tenant, 'settings', null, 'settings.updated', jsonb_build_object('id', about));
  end if;
  return null;
end;
$$;
create trigger announce_settings after insert or update or delete on public.service_settings
  for each row execute function private.announce_settings();
create trigger announce_settings after update on public.tenants
  for each row when (
    (old.name, old.slug, old.timezone, old.locale, old.business_hours, old.agents_see_unassigned)
      is distinct from (new.name, new.slug, new.timezone, new.locale, new.business_hours, new.agents_see_unassigned)
  )
  execute function private.announce_settings();
create trigger announce_settings after update on public.whatsapp_sessions
  for each row when (
    (old.assignment, old.assignment_max_open) is distinct from (new.assignment, new.assignment_max_open)
  )
  execute function private.announce_settings();

create function private.announce_agent() returns trigger
language plpgsql security definer set search_path = '' as $$
begin
  perform private.tell(
    new.tenant_id, 'agents', null, 'agent.' || case tg_op when 'INSERT' then 'created' else 'updated' end,
    jsonb_build_object('id', new.user_id, 'display_name', new.display_name, 'availability', new.availability,
      'active', new.deactivated_at is null)
  );
  return null;
end;
$$;
create trigger announce_created after insert on public.profiles
  for each row execute function private.announce_agent();
create trigger announce_updated after update on public.profiles
  for each row when (
    (old.display_name, old.availability, old.deactivated_at)
      is distinct from (new.display_name, new.availability, new.deactivated_at)
  )
  execute function private.announce_agent();

create function private.announce_csat() returns trigger
language plpgsql security definer set search_path = '' as $$
begin
  perform private.tell(
    new.tenant_id, 'reports', null, 'csat.' || case tg_op when 'INSERT' then 'created' else 'updated' end,
    jsonb_build_object('id', new.id, 'conversation_id', new.conversation_id, 'agent_id', new.agent_id, 'score', new.score)
  );
  return null;
end;
$$;
create trigger announce_created after insert on public.csat_responses
  for each row execute function private.announce_csat();
create trigger announce_updated after update on public.csat_responses
  for each row when (old.score is distinct from new.score)
  execute function private.announce_csat();

create function private.announce_contact_field() returns trigger
language plpgsql security definer set search_path = '' as $$
declare
  field constant public.contact_fields := case tg_op when 'DELETE' then old else new end;
begin
  if exists (select 1 from public.tenants t where t.id = field.tenant_id) then
    perform private.tell(
      field.tenant_id, 'contacts', null,
      'contact_field.' || case tg_op when 'INSERT' then 'created' when 'UPDATE' then 'updated' else 'deleted' end,
      case tg_op when 'DELETE' then jsonb_build_object('id', field.id) else private.contact_field_json(field) end
    );
  end if;
  return null;
end;
$$;
create trigger announce_contact_field after insert or update or delete on public.contact_fields
  for each row execute function private.announce_contact_field();

create function private.live_csat(id uuid) returns jsonb
language sql stable set search_path = '' as $$
  select jsonb_build_object('id', r.id, 'conversation_id', r.conversation_id, 'agent_id', r.agent_id, 'score', r.score)
  from public.csat_responses r where r.id = live_csat.id;
$$;
create function private.live_contact_field(id uuid) returns jsonb
language sql stable set search_path = '' as $$
  select private.contact_field_json(f) from public.contact_fields f where f.id = live_contact_field.id;
$$;
insert into private.live_kinds (kind, reader) values
  ('agent', 'public.get_agent'), ('csat', 'private.live_csat'), ('contact_field', 'private.live_contact_field');

revoke execute on function private.announce_settings(), private.announce_agent(), private.announce_csat(),
  private.announce_contact_field(), private.live_csat(uuid), private.live_contact_field(uuid) from public;
grant execute on function private.live_csat(uuid), private.live_contact_field(uuid) to authenticated, service_role;
