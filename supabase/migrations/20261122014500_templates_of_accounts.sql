-- A template belongs to one WhatsApp Business account: a message without a named number goes out from a number of that account.

-- `number`, or where its account lacks the template that `payload` names, the oldest connected number whose account has it.
create function private.number_with_template(number public.whatsapp_sessions, payload jsonb)
returns public.whatsapp_sessions
language plpgsql stable security definer set search_path = '' as $$
declare
  other public.whatsapp_sessions;
begin
  select s.* into other
  from public.broadcast_templates t
  join public.whatsapp_sessions s on s.tenant_id = t.tenant_id and s.status = 'connected' and s.deleted_at is null
    and (t.meta_business_account_id is null or t.meta_business_account_id = s.meta_business_account_id)
  where t.tenant_id = number.tenant_id and t.status = 'APPROVED'
    and t.name = payload #>> '{template,name}' and t.language = payload #>> '{template,language,code}'
  order by s.id = number.id desc, s.created_at, s.id
  limit 1;
  return case when other.id is null then number else other end;
end;
$$;
revoke execute on function private.number_with_template(public.whatsapp_sessions, jsonb) from public, authenticated;
grant execute on function private.number_with_template(public.whatsapp_sessions, jsonb) to service_role;

create or replace function public.create_message_to(
  session_id uuid, contact_id uuid, wa_id text, name text, type text, content text, payload jsonb,
  reply_to text default null, idempotency_key text default null
) returns jsonb
language plpgsql security definer set search_path = '' as $$
declare
  tenant constant uuid := private.tenant_id();
  contact uuid := create_message_to.contact_id;
  named uuid;
  number public.whatsapp_sessions;
  conversation public.conversations;
begin
  if tenant is null or not private.may_send(type) then
    raise sqlstate 'PT403' using message = 'You may not send messages of this kind.', detail = 'forbidden';
  end if;
  if contact is null then
    contact := private.contact_of(tenant, create_message_to.wa_id, create_message_to.name);
  elsif not exists (
    select 1 from public.contacts c
    where c.id = contact and c.tenant_id = tenant and (
      private.has_permission('contacts.view')
      or exists (
        select 1 from public.conversations v
        where v.contact_id = c.id and v.tenant_id = tenant and private.sees_assigned_to(v.assigned_to)
      )
    )
  ) then
    raise sqlstate 'PT422' using message = 'There is no such contact.', detail = 'invalid_field', hint = 'contact_id';
  end if;
  -- where it went the first time, whatever number comes first by now
  named := coalesce(create_message_to.session_id, (
    select v.session_id
    from private.idempotency_keys k join public.conversations v on v.id = k.conversation_id
    where k.key = create_message_to.idempotency_key and v.contact_id = contact and v.tenant_id = tenant
      and k.created_at > now() - interval '24 hours'
    order by k.created_at
    limit 1
  ));
  number := private.number_for(contact, named);
  if named is null and type = 'template' then
    number := private.number_with_template(number, payload);
  end if;

  select v.* into conversation from public.conversations v
  where v.session_id = number.id and v.contact_id = contact
  for update;
  if not found then
    if not private.has_permission('conversations.create') then
      raise sqlstate 'PT403' using message = 'You may not begin conversations.', detail = 'forbidden';
    end if;
    insert into public.conversations (tenant_id, session_id, contact_id, assigned_to)
    values (
      tenant, number.id, contact, case when not private.sees_assigned_to(null) then private.person_id() end
    )
    on conflict on constraint conversations_session_id_contact_id_key do nothing;
    select v.* into strict conversation from public.conversations v
    where v.session_id = number.id and v.contact_id = contact
    for update;
  end if;
  if not private.sees_assigned_to(conversation.assigned_to) then
    raise sqlstate 'PT403' using message = 'A colleague is in conversation with this contact.', detail = 'forbidden';
  end if;
  return private.add_outbound(conversation, type, content, payload, reply_to, idempotency_key);
end;
$$;
