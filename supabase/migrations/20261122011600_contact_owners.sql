-- Owners by their names: in lists and exports, and in files that are imported.

create or replace function private.contact_json(c public.contacts) returns jsonb
language sql stable set search_path = '' as $$
  select private.contact_row_json(c) || jsonb_build_object(
    'owner_name', (select nullif(p.display_name, '') from public.profiles p where p.user_id = c.owner_id),
    'last_activity_at', (
      select max(v.last_message_at) from public.conversations v where v.contact_id = c.id and v.tenant_id = c.tenant_id
    ),
    'labels', coalesce((
      select jsonb_agg(jsonb_build_object('id', l.id, 'name', l.name, 'color', l.color) order by lower(l.name))
      from public.contact_labels k join public.labels l on l.id = k.label_id
      where k.contact_id = c.id and k.tenant_id = c.tenant_id and private.has_permission('labels.view')
    ), '[]')
  );
$$;

-- It reads people's addresses, which the service does not.
alter function private.import_contacts(public.contact_imports, jsonb, jsonb) security definer;
