-- What can be permitted, by module; which role holds what; and how roles inherit.
--
-- A role holds what it is granted, and what the predefined roles of lower levels hold, unless it is taken away:
-- of all mentions of a permission the one nearest to the role decides. What follows from that is kept in
-- `private.role_holdings`, which triggers renew, so that asking is one look-up.

create table public.modules (
  id text primary key check (id ~ '^[a-z]+(-[a-z]+)*$'),
  name text not null,
  name_id text not null,
  description text not null,
  description_id text not null,
  version text not null default '1.0.0' check (version ~ '^[0-9]+\.[0-9]+\.[0-9]+$'),
  -- the product does not work without it: cannot be disabled
  is_core boolean not null default false,
  -- its routes, by how they begin
  routes text[] not null,
  -- modules it needs
  dependencies text[] not null default '{}'
);

insert into public.modules (id, name, name_id, description, description_id, is_core, routes, dependencies) values
  ('core', 'Organisation', 'Organisasi',
    'People, roles, settings, API keys and the audit log.', 'Orang, peran, pengaturan, kunci API, dan log audit.', true,
    '{/api/auth,/api/tenant,/api/rbac,/api/agents,/api/modules,/api/api-keys,/api/audit-logs,/api/health,/api/openapi.json,/api/cron/housekeeping}',
    '{}'),
  ('whatsapp', 'WhatsApp', 'WhatsApp',
    'Connected numbers, messages and media on Meta''s Cloud API.', 'Nomor terhubung, pesan, dan media di Cloud API Meta.', true,
    '{/api/whatsapp,/api/messages,/api/cron/replay-webhooks}', '{core}'),
  ('inbox', 'Inbox', 'Kotak masuk',
    'Conversations with customers: answers, assignment, notes and labels.', 'Percakapan dengan pelanggan: balasan, penugasan, catatan, dan label.', true,
    '{/api/conversations}', '{whatsapp}'),
  ('crm', 'Contacts', 'Kontak',
    'Contacts, segments, import and export.', 'Kontak, segmen, impor, dan ekspor.', false,
    '{/api/crm}', '{core}'),
  ('broadcast', 'Broadcasts', 'Siaran',
    'Campaigns, templates, recipient lists and the sending queue.', 'Kampanye, template, daftar penerima, dan antrean pengiriman.', false,
    '{/api/broadcast,/api/queue,/api/cron/process-broadcasts}', '{whatsapp}'),
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
    'Tells other systems what happens here.', 'Memberi tahu sistem lain tentang kejadian di sini.', false,
    '{/api/webhooks,/api/cron/deliver-webhooks}', '{core}');

-- With defaults: an extension adds a permission by its key, name and category.
alter table public.permissions
  add column permission_name_id text not null default '',
  add column description text not null default '',
  add column description_id text not null default '',
  add column module_id text not null default 'core' references public.modules (id);
create index permissions_module_id_idx on public.permissions (module_id);

alter table public.roles
  add column name_id text,
  add column description text not null default '' check (char_length(description) <= 500),
  add column description_id text,
  -- whether it holds what the predefined roles of lower levels hold
  add column inherits boolean not null default true,
  add constraint roles_name_check check (char_length(name) between 1 and 100);
-- false: taken away, though a lower role holds it
alter table public.role_permissions add column granted boolean not null default true;

insert into public.roles (id, key, name, name_id, level, description, description_id) values
  ('00000000-0000-4000-8000-000000000010', 'super_admin', 'Super Admin', 'Super Admin', 10,
    'Owns the organisation: may do everything.', 'Pemilik organisasi: boleh melakukan semuanya.'),
  ('00000000-0000-4000-8000-000000000009', 'admin', 'Admin', 'Admin', 9,
    'Manages people, roles, settings and integrations.', 'Mengelola orang, peran, pengaturan, dan integrasi.'),
  ('00000000-0000-4000-8000-000000000008', 'manager', 'Manager', 'Manajer', 8,
    'Runs numbers, campaigns and reports.', 'Menjalankan nomor, kampanye, dan laporan.'),
  ('00000000-0000-4000-8000-000000000007', 'team_lead', 'Team Lead', 'Ketua Tim', 7,
    'Sees every conversation and assigns them.', 'Melihat dan menugaskan semua percakapan.'),
  ('00000000-0000-4000-8000-000000000006', 'senior_agent', 'Senior Agent', 'Agen Senior', 6,
    'An agent who also looks after contacts.', 'Agen yang juga mengurus kontak.'),
  ('00000000-0000-4000-8000-000000000005', 'agent', 'Agent', 'Agen', 5,
    'Answers the conversations assigned to them.', 'Menjawab percakapan yang ditugaskan kepadanya.'),
  ('00000000-0000-4000-8000-000000000004', 'junior_agent', 'Junior Agent', 'Agen Junior', 4,
    'Answers with text and media, and takes notes.', 'Menjawab dengan teks dan media, dan membuat catatan.'),
  ('00000000-0000-4000-8000-000000000003', 'viewer', 'Viewer', 'Pengamat', 3,
    'Reads the conversations assigned to them.', 'Membaca percakapan yang ditugaskan kepadanya.'),
  ('00000000-0000-4000-8000-000000000002', 'guest', 'Guest', 'Tamu', 2,
    'Sees that conversations exist, not what they say.', 'Melihat adanya percakapan, bukan isinya.'),
  ('00000000-0000-4000-8000-000000000001', 'restricted', 'Restricted', 'Terbatas', 1,
    'Sees the own profile only.', 'Hanya melihat profil sendiri.')
on conflict (id) do update set
  name_id = excluded.name_id, description = excluded.description, description_id = excluded.description_id;

delete from public.role_permissions rp using public.roles r where r.id = rp.role_id and r.tenant_id is null;
delete from public.permissions where permission_key = 'agents.manage';

-- `level`: the lowest predefined role that holds it.
create temporary table listed (
  permission_key text, module_id text, level integer, permission_name text, permission_name_id text,
  description text, description_id text
) on commit drop;

insert into listed values
  ('profile.update', 'core', 1, 'Change the own profile', 'Mengubah profil sendiri', 'Name, language and password of oneself.', 'Nama, bahasa, dan kata sandi sendiri.'),

  ('conversations.view', 'inbox', 2, 'View assigned conversations', 'Melihat percakapan yang ditugaskan', 'The list of conversations assigned to oneself, and unassigned ones where the organisation allows it.', 'Daftar percakapan yang ditugaskan kepada diri sendiri, dan yang belum ditugaskan bila organisasi mengizinkan.'),
  ('conversations.create', 'inbox', 5, 'Start conversations', 'Memulai percakapan', 'Begin a conversation with a contact.', 'Memulai percakapan dengan kontak.'),
  ('conversations.update', 'inbox', 5, 'Change conversations', 'Mengubah percakapan', 'Status, priority and snoozing.', 'Status, prioritas, dan penundaan.'),
  ('conversations.view_all', 'inbox', 7, 'View all conversations', 'Melihat semua percakapan', 'Conversations of everybody.', 'Percakapan semua orang.'),
  ('conversations.assign', 'inbox', 7, 'Assign conversations', 'Menugaskan percakapan', 'Give conversations to agents or take them away.', 'Memberikan percakapan kepada agen atau mengambilnya.'),
  ('conversations.delete', 'inbox', 9, 'Delete conversations', 'Menghapus percakapan', 'Remove a conversation with its messages.', 'Menghapus percakapan beserta pesannya.'),

  ('messages.view', 'inbox', 3, 'Read messages', 'Membaca pesan', 'The messages of conversations one may see.', 'Pesan dalam percakapan yang boleh dilihat.'),
  ('messages.send', 'inbox', 4, 'Send messages', 'Mengirim pesan', 'Answer within the 24-hour window.', 'Menjawab dalam jendela 24 jam.'),
  ('messages.send_media', 'inbox', 4, 'Send media', 'Mengirim media', 'Images, videos, documents and voice messages.', 'Gambar, video, dokumen, dan pesan suara.'),
  ('messages.send_template', 'inbox', 5, 'Send templates', 'Mengirim template', 'Single template messages, also outside the 24-hour window.', 'Pesan template satuan, juga di luar jendela 24 jam.'),
  ('messages.forward', 'inbox', 5, 'Forward messages', 'Meneruskan pesan', 'Send a message on to another conversation.', 'Meneruskan pesan ke percakapan lain.'),
  ('messages.schedule', 'inbox', 6, 'Schedule messages', 'Menjadwalkan pesan', 'Have an answer sent later.', 'Mengirim jawaban nanti.'),
  ('messages.delete', 'inbox', 7, 'Delete messages', 'Menghapus pesan', 'Remove a message here; the customer keeps it.', 'Menghapus pesan di sini; pelanggan tetap memilikinya.'),

  ('media.view', 'whatsapp', 3, 'View media', 'Melihat media', 'Open files of messages one may see.', 'Membuka berkas dari pesan yang boleh dilihat.'),
  ('media.upload', 'whatsapp', 4, 'Upload media', 'Mengunggah media', 'Upload files to be sent.', 'Mengunggah berkas untuk dikirim.'),
  ('media.delete', 'whatsapp', 8, 'Delete media', 'Menghapus media', 'Remove stored files.', 'Menghapus berkas yang tersimpan.'),

  ('numbers.view', 'whatsapp', 4, 'View connected numbers', 'Melihat nomor terhubung', 'Connected numbers and their health.', 'Nomor terhubung dan kesehatannya.'),
  ('numbers.manage', 'whatsapp', 8, 'Manage connected numbers', 'Mengelola nomor terhubung', 'Connect, change, pause and disconnect numbers.', 'Menghubungkan, mengubah, menjeda, dan memutuskan nomor.'),
  ('numbers.events', 'whatsapp', 8, 'View account events', 'Melihat kejadian akun', 'Meta''s notices about numbers and accounts.', 'Pemberitahuan Meta tentang nomor dan akun.'),
  ('numbers.replay', 'whatsapp', 9, 'Replay deliveries', 'Memutar ulang kiriman', 'Have deliveries of Meta read again.', 'Membaca ulang kiriman dari Meta.'),

  ('notes.view', 'inbox', 3, 'Read notes', 'Membaca catatan', 'Internal notes of conversations and contacts.', 'Catatan internal percakapan dan kontak.'),
  ('notes.create', 'inbox', 4, 'Write notes', 'Menulis catatan', 'Internal notes, with mentions.', 'Catatan internal, dengan sebutan.'),
  ('notes.update', 'inbox', 5, 'Change own notes', 'Mengubah catatan sendiri', 'Correct notes one has written.', 'Memperbaiki catatan yang ditulis sendiri.'),
  ('notes.delete', 'inbox', 7, 'Delete notes', 'Menghapus catatan', 'Remove notes of anybody.', 'Menghapus catatan siapa pun.'),

  ('labels.view', 'inbox', 3, 'View labels', 'Melihat label', 'Labels of conversations and contacts.', 'Label percakapan dan kontak.'),
  ('labels.assign', 'inbox', 5, 'Use labels', 'Memakai label', 'Put labels on conversations and contacts.', 'Memberi label pada percakapan dan kontak.'),
  ('labels.create', 'inbox', 7, 'Create labels', 'Membuat label', 'Make new labels.', 'Membuat label baru.'),
  ('labels.update', 'inbox', 7, 'Change labels', 'Mengubah label', 'Name and colour of labels.', 'Nama dan warna label.'),
  ('labels.delete', 'inbox', 8, 'Delete labels', 'Menghapus label', 'Remove labels everywhere.', 'Menghapus label di mana pun.'),

  ('contacts.create', 'crm', 5, 'Create contacts', 'Membuat kontak', 'Add contacts.', 'Menambah kontak.'),
  ('contacts.update', 'crm', 5, 'Change contacts', 'Mengubah kontak', 'Names, fields and tags of contacts one may see.', 'Nama, isian, dan tag kontak yang boleh dilihat.'),
  ('contacts.view', 'crm', 6, 'View all contacts', 'Melihat semua kontak', 'Contacts of everybody, not only of own conversations.', 'Kontak semua orang, bukan hanya dari percakapan sendiri.'),
  ('contacts.merge', 'crm', 6, 'Merge contacts', 'Menggabungkan kontak', 'Join contacts that are one person.', 'Menggabungkan kontak yang sebenarnya satu orang.'),
  ('contacts.block', 'crm', 7, 'Block contacts', 'Memblokir kontak', 'Block contacts, at Meta too.', 'Memblokir kontak, juga di Meta.'),
  ('contacts.delete', 'crm', 8, 'Delete contacts', 'Menghapus kontak', 'Erase a contact''s personal data.', 'Menghapus data pribadi kontak.'),
  ('contacts.import', 'crm', 8, 'Import contacts', 'Mengimpor kontak', 'Read contacts from files.', 'Membaca kontak dari berkas.'),
  ('contacts.export', 'crm', 8, 'Export contacts', 'Mengekspor kontak', 'Download contacts.', 'Mengunduh kontak.'),
  ('contacts.manage_fields', 'crm', 8, 'Define contact fields', 'Menentukan isian kontak', 'The organisation''s own contact fields.', 'Isian kontak khusus organisasi.'),
  ('contacts.erase', 'crm', 9, 'Answer privacy requests', 'Memenuhi permintaan privasi', 'Export or erase everything about one person.', 'Mengekspor atau menghapus semua tentang satu orang.'),

  ('segments.view', 'crm', 6, 'View segments', 'Melihat segmen', 'Saved filters of contacts.', 'Saringan kontak tersimpan.'),
  ('segments.create', 'crm', 8, 'Create segments', 'Membuat segmen', 'Save filters of contacts.', 'Menyimpan saringan kontak.'),
  ('segments.update', 'crm', 8, 'Change segments', 'Mengubah segmen', 'Change saved filters.', 'Mengubah saringan tersimpan.'),
  ('segments.delete', 'crm', 8, 'Delete segments', 'Menghapus segmen', 'Remove saved filters.', 'Menghapus saringan tersimpan.'),

  ('quick_replies.view', 'quick-replies', 3, 'View quick replies', 'Melihat balasan cepat', 'Prepared answers of the organisation and oneself.', 'Jawaban siap pakai milik organisasi dan sendiri.'),
  ('quick_replies.create', 'quick-replies', 5, 'Create own quick replies', 'Membuat balasan cepat sendiri', 'Prepared answers for oneself.', 'Jawaban siap pakai untuk diri sendiri.'),
  ('quick_replies.update', 'quick-replies', 7, 'Change shared quick replies', 'Mengubah balasan cepat bersama', 'Create and change answers that everybody uses.', 'Membuat dan mengubah jawaban yang dipakai semua orang.'),
  ('quick_replies.delete', 'quick-replies', 7, 'Delete shared quick replies', 'Menghapus balasan cepat bersama', 'Remove answers that everybody uses.', 'Menghapus jawaban yang dipakai semua orang.'),

  ('templates.view', 'broadcast', 5, 'View templates', 'Melihat template', 'Templates and their state at Meta.', 'Template dan statusnya di Meta.'),
  ('templates.create', 'broadcast', 8, 'Create templates', 'Membuat template', 'Write templates.', 'Menulis template.'),
  ('templates.update', 'broadcast', 8, 'Change templates', 'Mengubah template', 'Edit templates where Meta allows it.', 'Menyunting template sejauh diizinkan Meta.'),
  ('templates.submit', 'broadcast', 8, 'Submit templates', 'Mengajukan template', 'Send templates to Meta for approval.', 'Mengajukan template ke Meta untuk disetujui.'),
  ('templates.delete', 'broadcast', 8, 'Delete templates', 'Menghapus template', 'Delete templates, at Meta too.', 'Menghapus template, juga di Meta.'),
  ('templates.sync', 'broadcast', 8, 'Synchronise templates', 'Menyinkronkan template', 'Read the state of templates from Meta.', 'Membaca status template dari Meta.'),

  ('recipient_lists.view', 'broadcast', 8, 'View recipient lists', 'Melihat daftar penerima', 'Lists of recipients.', 'Daftar penerima.'),
  ('recipient_lists.create', 'broadcast', 8, 'Create recipient lists', 'Membuat daftar penerima', 'Make and change lists of recipients.', 'Membuat dan mengubah daftar penerima.'),
  ('recipient_lists.import', 'broadcast', 8, 'Import recipients', 'Mengimpor penerima', 'Read recipients from files.', 'Membaca penerima dari berkas.'),
  ('recipient_lists.export', 'broadcast', 8, 'Export recipients', 'Mengekspor penerima', 'Download lists of recipients.', 'Mengunduh daftar penerima.'),
  ('recipient_lists.delete', 'broadcast', 8, 'Delete recipient lists', 'Menghapus daftar penerima', 'Remove lists of recipients.', 'Menghapus daftar penerima.'),

  ('broadcasts.view', 'broadcast', 8, 'View campaigns', 'Melihat kampanye', 'Campaigns, their recipients and figures.', 'Kampanye, penerima, dan angkanya.'),
  ('broadcasts.create', 'broadcast', 8, 'Create campaigns', 'Membuat kampanye', 'Prepare campaigns.', 'Menyiapkan kampanye.'),
  ('broadcasts.update', 'broadcast', 8, 'Change campaigns', 'Mengubah kampanye', 'Change campaigns that have not begun.', 'Mengubah kampanye yang belum dimulai.'),
  ('broadcasts.send', 'broadcast', 8, 'Send campaigns', 'Mengirim kampanye', 'Send or schedule campaigns.', 'Mengirim atau menjadwalkan kampanye.'),
  ('broadcasts.pause', 'broadcast', 8, 'Pause campaigns', 'Menjeda kampanye', 'Pause and resume campaigns.', 'Menjeda dan melanjutkan kampanye.'),
  ('broadcasts.cancel', 'broadcast', 8, 'Cancel campaigns', 'Membatalkan kampanye', 'End campaigns before everybody was reached.', 'Mengakhiri kampanye sebelum semua terkirim.'),
  ('broadcasts.retry', 'broadcast', 8, 'Retry failed recipients', 'Mengulang penerima gagal', 'Send again to those who were not reached.', 'Mengirim ulang kepada yang gagal.'),
  ('broadcasts.export', 'broadcast', 8, 'Export campaign results', 'Mengekspor hasil kampanye', 'Download recipients with their outcome.', 'Mengunduh penerima beserta hasilnya.'),
  ('broadcasts.delete', 'broadcast', 8, 'Delete campaigns', 'Menghapus kampanye', 'Remove campaigns that were not sent.', 'Menghapus kampanye yang belum dikirim.'),

  ('queue.view', 'broadcast', 8, 'View the queue', 'Melihat antrean', 'What waits, is under way, or failed.', 'Yang menunggu, sedang berjalan, atau gagal.'),
  ('queue.manage', 'broadcast', 8, 'Manage the queue', 'Mengelola antrean', 'Retry what failed; start and stop the scheduler.', 'Mengulang yang gagal; memulai dan menghentikan penjadwal.'),

  ('chatbots.view', 'chatbot', 8, 'View chatbots', 'Melihat chatbot', 'Chatbots and their flows.', 'Chatbot dan alurnya.'),
  ('chatbots.create', 'chatbot', 8, 'Create chatbots', 'Membuat chatbot', 'Make chatbots.', 'Membuat chatbot.'),
  ('chatbots.update', 'chatbot', 8, 'Change chatbots', 'Mengubah chatbot', 'Change chatbots, switch them on and off.', 'Mengubah, mengaktifkan, dan menonaktifkan chatbot.'),
  ('chatbots.delete', 'chatbot', 8, 'Delete chatbots', 'Menghapus chatbot', 'Remove chatbots.', 'Menghapus chatbot.'),

  ('reports.view', 'analytics', 7, 'View reports', 'Melihat laporan', 'Dashboard and reports.', 'Dasbor dan laporan.'),
  ('reports.export', 'analytics', 8, 'Export reports', 'Mengekspor laporan', 'Download reports.', 'Mengunduh laporan.'),

  ('agents.view', 'core', 7, 'View agents', 'Melihat agen', 'People of the organisation and their roles.', 'Orang dalam organisasi dan perannya.'),
  ('agents.assign', 'core', 7, 'Distribute work', 'Membagi pekerjaan', 'Availability and automatic assignment.', 'Ketersediaan dan penugasan otomatis.'),
  ('agents.create', 'core', 9, 'Invite agents', 'Mengundang agen', 'Invite people into the organisation.', 'Mengundang orang ke organisasi.'),
  ('agents.update', 'core', 9, 'Change agents', 'Mengubah agen', 'Change people, deactivate and reactivate them.', 'Mengubah, menonaktifkan, dan mengaktifkan orang.'),
  ('agents.delete', 'core', 9, 'Remove agents', 'Mengeluarkan agen', 'Deactivate people and withdraw invitations.', 'Menonaktifkan orang dan menarik undangan.'),

  ('settings.view', 'core', 8, 'View settings', 'Melihat pengaturan', 'Settings of the organisation.', 'Pengaturan organisasi.'),
  ('settings.update', 'core', 9, 'Change settings', 'Mengubah pengaturan', 'Name, time zone, business hours and rules of the organisation.', 'Nama, zona waktu, jam kerja, dan aturan organisasi.'),

  ('rbac.view', 'core', 8, 'View roles', 'Melihat peran', 'Roles, permissions and who holds them.', 'Peran, izin, dan pemegangnya.'),
  ('rbac.manage_roles', 'core', 9, 'Manage roles', 'Mengelola peran', 'Create, change and delete own roles of lower levels.', 'Membuat, mengubah, dan menghapus peran sendiri di tingkat lebih rendah.'),
  ('rbac.manage_permissions', 'core', 9, 'Manage permissions', 'Mengelola izin', 'What roles hold, and permission templates.', 'Izin dalam peran, dan template izin.'),
  ('rbac.manage_users', 'core', 9, 'Manage users'' roles', 'Mengelola peran pengguna', 'Give and take roles of lower levels.', 'Memberi dan mencabut peran di tingkat lebih rendah.'),

  ('modules.view', 'core', 8, 'View modules', 'Melihat modul', 'Modules and whether they are enabled.', 'Modul dan status aktifnya.'),
  ('modules.manage', 'core', 9, 'Manage modules', 'Mengelola modul', 'Enable and disable modules.', 'Mengaktifkan dan menonaktifkan modul.'),

  ('api_keys.view', 'core', 9, 'View API keys', 'Melihat kunci API', 'API keys, without their secret.', 'Kunci API, tanpa rahasianya.'),
  ('api_keys.create', 'core', 9, 'Create API keys', 'Membuat kunci API', 'Make API keys for integrations.', 'Membuat kunci API untuk integrasi.'),
  ('api_keys.revoke', 'core', 9, 'Revoke API keys', 'Mencabut kunci API', 'End API keys.', 'Mengakhiri kunci API.'),

  ('audit.view', 'core', 9, 'View the audit log', 'Melihat log audit', 'Who changed what, and security events.', 'Siapa mengubah apa, dan kejadian keamanan.'),
  ('audit.export', 'core', 9, 'Export the audit log', 'Mengekspor log audit', 'Download the audit log.', 'Mengunduh log audit.'),

  ('webhooks.view', 'webhooks', 9, 'View outgoing webhooks', 'Melihat webhook keluar', 'Endpoints and deliveries.', 'Titik tujuan dan pengiriman.'),
  ('webhooks.create', 'webhooks', 9, 'Create outgoing webhooks', 'Membuat webhook keluar', 'Add endpoints.', 'Menambah titik tujuan.'),
  ('webhooks.update', 'webhooks', 9, 'Change outgoing webhooks', 'Mengubah webhook keluar', 'Change endpoints, send again.', 'Mengubah titik tujuan, mengirim ulang.'),
  ('webhooks.delete', 'webhooks', 9, 'Delete outgoing webhooks', 'Menghapus webhook keluar', 'Remove endpoints.', 'Menghapus titik tujuan.'),

  ('billing.view', 'billing', 9, 'View billing', 'Melihat penagihan', 'Plan, usage and invoices.', 'Paket, pemakaian, dan tagihan.'),
  ('billing.manage', 'billing', 10, 'Manage billing', 'Mengelola penagihan', 'Change the plan.', 'Mengubah paket.'),

  ('admin.retention', 'core', 10, 'Set retention', 'Menentukan masa simpan', 'How long the audit log is kept.', 'Berapa lama log audit disimpan.'),
  ('admin.full_access', 'core', 10, 'Full system access', 'Akses penuh sistem', 'Everything, including what is added later.', 'Semuanya, termasuk yang ditambahkan kemudian.');

insert into public.permissions
  (permission_key, permission_name, permission_name_id, description, description_id, category, module_id)
select
  l.permission_key, l.permission_name, l.permission_name_id, l.description, l.description_id,
  split_part(l.permission_key, '.', 1), l.module_id
from listed l
on conflict (permission_key) do update set
  permission_name = excluded.permission_name, permission_name_id = excluded.permission_name_id,
  description = excluded.description, description_id = excluded.description_id, category = excluded.category,
  module_id = excluded.module_id;

insert into public.role_permissions (role_id, permission_key)
select r.id, l.permission_key from listed l join public.roles r on r.tenant_id is null and r.level = l.level;

-- What each role holds when everything is counted.
create table private.role_holdings (
  role_id uuid not null references public.roles (id) on delete cascade,
  permission_key text not null references public.permissions (permission_key) on delete cascade,
  primary key (role_id, permission_key)
);
create index role_holdings_permission_key_idx on private.role_holdings (permission_key);
alter table private.role_holdings enable row level security;

-- Counts anew what these roles hold; null: all of them. Security definer: whoever changes a role has no right to
-- what follows from it.
create function private.renew_holdings(changed uuid[]) returns void
language plpgsql security definer set search_path = '' as $$
begin
  -- Two changes of a tenant side by side would each miss the other's: `renew_access`, which comes first by its name,
  -- has them wait for each other. Whoever counts all roles waits for everybody.
  if changed is null then
    perform pg_advisory_xact_lock(hashtextextended('private.role_holdings', 0));
  else
    perform pg_advisory_xact_lock_shared(hashtextextended('private.role_holdings', 0));
  end if;
  delete from private.role_holdings h where changed is null or h.role_id = any (changed);
  with mentions as (
    select distinct on (r.id, rp.permission_key) r.id as role_id, rp.permission_key, rp.granted, s.id = r.id as own
    from public.roles r
    join public.roles s on s.id = r.id or (r.inherits and s.tenant_id is null and s.level < r.level)
    join public.role_permissions rp on rp.role_id = s.id
    where changed is null or r.id = any (changed)
    order by r.id, rp.permission_key, (s.id = r.id) desc, s.level desc
  )
  insert into private.role_holdings (role_id, permission_key)
  select m.role_id, m.permission_key from mentions m where m.granted
  union
  select m.role_id, p.permission_key
  from mentions m
  cross join public.permissions p
  where m.permission_key = 'admin.full_access' and m.granted
    and not exists (
      select 1 from mentions t
      where t.role_id = m.role_id and t.permission_key = p.permission_key and t.own and not t.granted
    );
end;
$$;

create function private.renew_holdings_of_changed_roles() returns trigger
language plpgsql security definer set search_path = '' as $$
declare
  touched uuid[];
begin
  if tg_table_name = 'permissions' then
    perform private.renew_holdings(null);
    return null;
  elsif tg_table_name = 'roles' then
    touched := array(select c.id from changed c);
    if exists (select 1 from changed c where c.tenant_id is null) then touched := null; end if;
  else
    touched := array(select distinct c.role_id from changed c);
    if exists (select 1 from public.roles r where r.id = any (touched) and r.tenant_id is null) then
      touched := null;
    end if;
  end if;
  -- a statement may have touched no row
  if touched is distinct from '{}' then
    perform private.renew_holdings(touched);
  end if;
  return null;
end;
$$;

create trigger renew_holdings_inserted after insert on public.permissions
  for each statement execute function private.renew_holdings_of_changed_roles();
create trigger renew_holdings_inserted after insert on public.roles
  referencing new table as changed for each statement execute function private.renew_holdings_of_changed_roles();
create trigger renew_holdings_updated after update on public.roles
  referencing new table as changed for each statement execute function private.renew_holdings_of_changed_roles();
create trigger renew_holdings_deleted after delete on public.roles
  referencing old table as changed for each statement execute function private.renew_holdings_of_changed_roles();
create trigger renew_holdings_inserted after insert on public.role_permissions
  referencing new table as changed for each statement execute function private.renew_holdings_of_changed_roles();
create trigger renew_holdings_updated after update on public.role_permissions
  referencing new table as changed for each statement execute function private.renew_holdings_of_changed_roles();
create trigger renew_holdings_deleted after delete on public.role_permissions
  referencing old table as changed for each statement execute function private.renew_holdings_of_changed_roles();
select private.renew_holdings(null);

-- Named sets of permissions that can be applied to a role.
create table public.permission_templates (
  id uuid primary key default gen_random_uuid(),
  -- null: predefined, the same for every tenant
  tenant_id uuid references public.tenants (id) on delete cascade,
  key text not null check (key ~ '^[a-z][a-z0-9_]{0,62}$'),
  name text not null check (char_length(name) between 1 and 100),
  name_id text,
  description text not null default '' check (char_length(description) <= 500),
  description_id text,
  permissions text[] not null,
  created_at timestamptz not null default now(),
  updated_at timestamptz not null default now(),
  unique nulls not distinct (tenant_id, key)
);
create trigger touch_updated_at before update on public.permission_templates
  for each row execute function private.touch_updated_at();

insert into public.permission_templates (key, name, name_id, description, description_id, permissions)
select t.key, t.name, t.name_id, t.description, t.description_id, array(
  select p.permission_key from public.permissions p
  where p.category || '.*' = any (t.wanted) or p.permission_key = any (t.wanted)
  order by 1
)
from (values
  ('customer_service', 'Customer service', 'Layanan pelanggan',
    'Answers assigned conversations and looks after their contacts.', 'Menjawab percakapan yang ditugaskan dan mengurus kontaknya.',
    '{profile.update,conversations.view,conversations.create,conversations.update,messages.view,messages.send,messages.send_media,messages.send_template,media.view,media.upload,notes.view,notes.create,notes.update,labels.view,labels.assign,contacts.create,contacts.update,quick_replies.view,quick_replies.create,templates.view}'::text[]),
  ('supervisor', 'Supervisor', 'Pengawas',
    'Sees every conversation, assigns them and reads reports.', 'Melihat dan menugaskan semua percakapan, dan membaca laporan.',
    '{profile.update,conversations.view,conversations.view_all,conversations.update,conversations.assign,messages.*,media.*,notes.*,labels.*,contacts.view,contacts.update,contacts.merge,contacts.block,quick_replies.*,agents.view,agents.assign,reports.view}'),
  ('marketing', 'Marketing', 'Pemasaran',
    'Templates, recipient lists and campaigns; no conversations.', 'Template, daftar penerima, dan kampanye; tanpa percakapan.',
    '{profile.update,templates.*,recipient_lists.*,broadcasts.*,queue.view,segments.*,contacts.view,contacts.import,reports.view,reports.export,numbers.view,media.view,media.upload}'),
  ('reporting', 'Reports only', 'Hanya laporan',
    'Reads and exports reports.', 'Membaca dan mengekspor laporan.',
    '{profile.update,reports.view,reports.export}'),
  ('integration', 'Integration', 'Integrasi',
    'For API keys: sends messages and keeps contacts up to date.', 'Untuk kunci API: mengirim pesan dan memperbarui kontak.',
    '{conversations.view,conversations.view_all,conversations.create,messages.view,messages.send,messages.send_media,messages.send_template,media.view,media.upload,contacts.view,contacts.create,contacts.update,templates.view,numbers.view}'),
  ('auditor', 'Auditor', 'Auditor',
    'Reads settings, roles and the audit log; changes nothing.', 'Membaca pengaturan, peran, dan log audit; tidak mengubah apa pun.',
    '{settings.view,rbac.view,modules.view,agents.view,audit.view,audit.export,api_keys.view}')
) as t (key, name, name_id, description, description_id, wanted);

-- Modules a tenant has switched off; what is not listed is on.
create table public.tenant_modules (
  tenant_id uuid not null references public.tenants (id) on delete cascade,
  module_id text not null references public.modules (id) on delete cascade,
  enabled boolean not null,
  updated_at timestamptz not null default now(),
  primary key (tenant_id, module_id)
);
create index tenant_modules_module_id_idx on public.tenant_modules (module_id);
create trigger touch_updated_at before update on public.tenant_modules
  for each row execute function private.touch_updated_at();

alter table public.modules enable row level security;
alter table public.permission_templates enable row level security;
alter table public.tenant_modules enable row level security;
revoke all on public.modules, public.permission_templates, public.tenant_modules from anon, authenticated;
grant select on public.modules, public.permission_templates, public.tenant_modules to authenticated;
grant all on public.modules, public.permission_templates, public.tenant_modules to service_role;

create policy "members read the list of modules" on public.modules for select to authenticated
  using ((select private.tenant_id()) is not null);
create policy "members with the right read predefined and own templates" on public.permission_templates
  for select to authenticated
  using (
    (tenant_id is null or tenant_id = (select private.tenant_id())) and (select private.has_permission('rbac.view'))
  );
create policy "members read which modules are off" on public.tenant_modules for select to authenticated
  using (tenant_id = (select private.tenant_id()));

create function private.module_enabled(tenant uuid, module text) returns boolean
language plpgsql stable security definer set search_path = '' as $$
begin
  return not exists (
    select 1 from public.tenant_modules t where t.tenant_id = tenant and t.module_id = module and not t.enabled
  );
end;
$$;

revoke execute on function private.renew_holdings(uuid[]), private.renew_holdings_of_changed_roles(),
  private.module_enabled(uuid, text) from public;
