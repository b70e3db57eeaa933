-- The modules of the product, and which of them each tenant has switched off.

create table public.modules (
  id text primary key check (id ~ '^[a-z]+(-[a-z]+)*$'),
  name text not null,
  name_id text not null,
  description text not null,
  description_id text not null,
  version text not null default '1.0.0' check (version ~ '^[0-9]+\.[0-9]+\.[0-9]+$'),
  -- true: the product does not work without this module, so it cannot be disabled
  is_core boolean not null default false,
  -- prefixes of its routes
  routes text[] not null,
  -- modules that this module needs
  dependencies text[] not null default '{}'
);

-- The modules a tenant has switched off. All other modules are on.
create table public.tenant_modules (
  tenant_id uuid not null references public.tenants (id) on delete cascade,
  module_id text not null references public.modules (id) on delete cascade,
  enabled boolean not null,
  updated_at timestamptz not null default now(),
  primary key (tenant_id, module_id)
);
create index tenant_modules_module_id_idx on public.tenant_modules (module_id);

create function private.module_enabled(tenant uuid, module text) returns boolean
language plpgsql stable set search_path = '' as $$
begin
  return not exists (
    select 1 from public.tenant_modules t where t.tenant_id = tenant and t.module_id = module and not t.enabled
  );
end;
$$;

create function private.module_json(m public.modules, tenant uuid) returns jsonb
language sql stable set search_path = '' as $$
  select jsonb_build_object(
    'id', m.id, 'name', m.name, 'name_id', m.name_id, 'description', m.description,
    'description_id', m.description_id, 'version', m.version, 'core', m.is_core, 'routes', to_jsonb(m.routes),
    'dependencies', to_jsonb(m.dependencies), 'enabled', private.module_enabled(tenant, m.id),
    'permissions', coalesce((
      select jsonb_agg(p.permission_key order by p.permission_key)
      from public.permissions p where p.module_id = m.id
    ), '[]')
  );
$$;

create function public.list_modules() returns jsonb
language plpgsql stable set search_path = '' as $$
begin
  perform private.require('modules.view');
  return (
    select jsonb_agg(private.module_json(m, private.tenant_id()) order by m.is_core desc, m.id) from public.modules m
  );
end;
$$;

create function public.get_module(module_id text) returns jsonb
language plpgsql stable set search_path = '' as $$
begin
  perform private.require('modules.view');
  return (
    select private.module_json(m, private.tenant_id()) from public.modules m where m.id = get_module.module_id
  );
end;
$$;

-- Switches a module on or off for the tenant. The module's data stays.
-- Security definer: clients have no right to write modules.
create function public.set_module(module_id text, enabled boolean) returns jsonb
language plpgsql security definer set search_path = '' as $$
declare
  tenant constant uuid := private.tenant_id();
  module public.modules;
  others text;
begin
  perform private.require('modules.manage');
  select m.* into module from public.modules m where m.id = set_module.module_id;
  if not found then
    raise sqlstate 'PT404' using message = 'There is no such module.', detail = 'not_found';
  end if;
  -- Modules depend on each other, so one transaction at a time changes them.
  perform 1 from public.tenants t where t.id = tenant for no key update;
  if not set_module.enabled then
    if module.is_core then
      raise sqlstate 'PT409' using message = 'The product does not work without this module.',
        detail = 'module_required';
    end if;
    select string_agg(m.name, ', ' order by m.name) into others from public.modules m
    where module.id = any (m.dependencies) and private.module_enabled(tenant, m.id);
    if others is not null then
      raise sqlstate 'PT409' using message = format('Other modules need it: %s.', others), detail = 'module_required';
    end if;
  else
    select string_agg(m.name, ', ' order by m.name) into others from public.modules m
    where m.id = any (module.dependencies) and not private.module_enabled(tenant, m.id);
    if others is not null then
      raise sqlstate 'PT409' using message = format('It needs other modules: %s.', others),
        detail = 'module_dependency';
    end if;
  end if;
  insert into public.tenant_modules as t (tenant_id, module_id, enabled)
  values (tenant, module.id, set_module.enabled)
  on conflict on constraint tenant_modules_pkey do update set enabled = excluded.enabled where t.enabled <> excluded.enabled;
  return private.module_json(module, tenant);
end;
$$;

create trigger touch_updated_at before update on public.tenant_modules
  for each row execute function private.touch_updated_at();

alter table public.modules enable row level security;
alter table public.tenant_modules enable row level security;

create policy "people read the list of modules" on public.modules for select to authenticated
  using ((select private.tenant_id()) is not null);
create policy "people read which modules are off" on public.tenant_modules for select to authenticated
  using (tenant_id = (select private.tenant_id()));

grant select on public.modules, public.tenant_modules to authenticated;

grant execute on function
  private.module_json(public.modules, uuid),
  private.module_enabled(uuid, text),
  public.list_modules(),
  public.get_module(text),
  public.set_module(text, boolean)
to authenticated;

create trigger renew_access_insert after insert on public.tenant_modules referencing new table as changed
  for each statement execute function private.renew_access();
create trigger renew_access_update after update on public.tenant_modules referencing new table as changed
  for each statement execute function private.renew_access();
create trigger renew_access_delete after delete on public.tenant_modules referencing old table as changed
  for each statement execute function private.renew_access();

insert into public.modules (id, name, name_id, description, description_id, is_core, routes, dependencies) values
  ('core', 'Organisation', 'Organisasi',
    'People, roles, settings, API keys and the audit log.', 'Orang, peran, pengaturan, kunci API, dan log audit.', true,
    '{/api/auth,/api/tenant,/api/rbac,/api/agents,/api/modules,/api/api-keys,/api/audit-logs,/api/health,/api/openapi.json,/api/cron/housekeeping,/api/changes}',
    '{}'),
  ('whatsapp', 'WhatsApp', 'WhatsApp',
    'Connected numbers, messages and media on Meta''s Cloud API.', 'Nomor terhubung, pesan, dan media di Cloud API Meta.', true,
    '{/api/whatsapp,/api/messages,/api/cron/replay-webhooks}', '{core}'),
  ('inbox', 'Inbox', 'Kotak masuk',
    'Conversations with customers: answers, assignment, notes and labels.', 'Percakapan dengan pelanggan: balasan, penugasan, catatan, dan label.', true,
    '{/api/conversations,/api/automations}', '{whatsapp}'),
  ('crm', 'Contacts', 'Kontak',
    'Contacts, segments, import and export.', 'Kontak, segmen, impor, dan ekspor.', false,
    '{/api/crm}', '{core}'),
  ('broadcast', 'Broadcasts', 'Siaran',
    'Campaigns, templates, recipient lists and the sending queue.', 'Kampanye, template, daftar penerima, dan antrean pengiriman.', false,
    '{/api/broadcast,/api/queue,/api/cron/process-broadcasts,/api/cron/imports}', '{whatsapp}'),
  ('quick-replies', 'Quick replies', 'Balasan cepat',
    'Prepared answers with shortcuts and variables.', 'Jawaban siap pakai dengan pintasan dan variabel.', false,
    '{/api/quick-replies}', '{inbox}'),
  ('chatbot', 'Chatbots', 'Chatbot',
    'Automatic answers to greetings and keywords.', 'Jawaban otomatis untuk sapaan dan kata kunci.', false,
    '{/api/chatbots}', '{inbox}'),
  ('analytics', 'Reports', 'Laporan',
    'Figures on messages, agents and campaigns.', 'Angka tentang pesan, agen, dan kampanye.', false,
    '{/api/analytics}', '{core}'),
  ('billing', 'Billing', 'Penagihan',
    'Plan, usage and invoices.', 'Paket, pemakaian, dan tagihan.', false,
    '{/api/billing}', '{core}'),
  ('webhooks', 'Outgoing webhooks', 'Webhook keluar',
    'Notifies other systems of events.', 'Memberi tahu sistem lain tentang kejadian di sini.', false,
    '{/api/webhooks,/api/cron/deliver-webhooks}', '{core}');

-- Foreign keys of earlier tables.
alter table public.permissions add constraint permissions_module_id_fkey
  foreign key (module_id) references public.modules (id);
