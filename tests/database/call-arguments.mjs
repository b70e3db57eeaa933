// A tenant with a row of every kind, and arguments for each function that users call.
import { randomUUID } from "node:crypto";
import { someDigits } from "./tenancy.mjs";

/** The further parameters of a call, by function: with them the call succeeds on rows of the caller's own tenant. */
export const SAMPLES = {
  update_role: { changes: { description: "x" } },
  update_agent: { changes: { display_name: "x" } },
  set_user_roles: {},
  create_api_key: { name: "Toko", expires_at: null },
  invite_agent: { email: "neu@example.test", display_name: "", locale: null },
  create_message: { type: "text", content: "Halo", payload: { text: { body: "Halo" } } },
  create_message_to: { wa_id: null, name: null, type: "text", content: "Halo", payload: { text: { body: "Halo" } } },
  sendable_template: { name: "promo", language: "id" },
  place_published_file: { kind: "image", mime_type: "image/png", file_name: "promo.png" },
  list_published_files: { kind: null, page: 1, page_size: 10 },
  begin_upload: { kind: "image", mime_type: "image/jpeg", file_name: "image.jpg" },
  change_number: { changes: { name: "Toko" } },
  create_campaign: {
    name: "Promo",
    recipients: [{ wa_id: "62811", variables: ["Rina"] }],
    sender_id: null,
    scheduled_at: new Date(Date.now() + 86_400_000),
  },
  act_on_campaign: { action: "duplicate", options: {} },
  update_campaign: { changes: { name: "Promo" } },
  delete_campaign: {},
  check_campaign: {},
  list_campaign_recipients: { after: null, page_size: 10 },
  update_conversation: { changes: { priority: "high" } },
  assign_conversation: { strategy: null },
  act_on_conversations: { action: "resolve", options: {} },
  list_conversation_events: { before: null, page_size: 10 },
  set_assignment: { changes: { strategy: "manual" } },
  list_notes: { before: null, page_size: 10 },
  create_note: { content: "x", mentions: [] },
  update_note: { content: "x", mentions: [] },
  update_label: { changes: { description: "x" } },
  label_conversation: { action: "add" },
  read_thread: { place: null, message_id: null, search: null, scheduled: false, page_size: 10 },
  resend_message: { idempotency_key: null },
  forward_message: {},
  files_to_upload: {},
  schedule_message: {
    type: "text",
    content: "Halo",
    payload: { text: { body: "Halo" } },
    send_at: new Date(Date.now() + 86_400_000),
    reply_to: null,
  },
  list_recipient_list_entries: { search: null, page: 1, page_size: 10 },
  list_recipient_list_errors: { page: 1, page_size: 10 },
  rename_recipient_list: { name: "Pelanggan" },
  save_quick_reply: { changes: { title: "Halo" } },
  render_quick_reply: {},
  save_automations: { settings: { away: { enabled: false } } },
  csat_report: { asked_from: new Date(0), asked_until: new Date(), after: null },
  save_segment: { changes: { name: "Penting" } },
  update_template: { template: { components: [] }, expected: null },
  begin_template_submission: { expected: null },
  begin_template_deletion: { all_languages: false },
  update_contact: { changes: { name: "Sari" } },
  change_contacts: { filter: null, action: "add_tags", options: { tags: ["baru"] } },
  delete_contacts: { filter: null },
  block_contact: { blocked: true },
  record_contact_consent: { state: "opted_out" },
  list_contact_notes: { page: 1, page_size: 10 },
  create_contact_note: { content: "Catatan" },
  update_contact_field: { changes: { name: "Kota" } },
  list_contact_duplicates: { page_size: 10 },
  list_contact_import_errors: { page: 1, page_size: 10 },
  list_contact_timeline: { page_size: 10 },
  list_contact_data_messages: { page_size: 10, after_id: null },
};
/**
 * Functions whose id parameters do not refer to the kind in their names.
 * @type {Record<string, Record<string, string>>}
 */
const KINDS_OF = {
  act_on_conversations: { ids: "conversation" },
  resend_message: { message_id: "failed" },
  begin_template_submission: { template_id: "changed" },
  begin_template_deletion: { template_id: "unused" },
  update_template: { template_id: "changed" },
  update_note: { note_id: "conversation_note" },
  delete_note: { note_id: "conversation_note" },
  list_contact_duplicates: { after: "contact" },
};
/** The kind of row that an id parameter refers to, where its name does not say it. @type {Record<string, string>} */
const KINDS = {
  user_id: "person",
  sender_id: "person",
  actor: "person",
  role_ids: "role",
  session_id: "number",
  key_id: "key",
  mentions: "person",
  label_ids: "label",
  conversation_ids: "conversation",
  before: "message",
  ids: "message",
  session_filter: "number",
  agent_filter: "person",
  contact_ids: "contact",
  other_id: "other",
};
const kindOf = (/** @type {string} */ parameter) => KINDS[parameter] ?? parameter.replace(/_id$/, "");

/**
 * The arguments of a call, with the ids of one tenant.
 * @param {Record<string, string>} ids of `newTenantWithAll`
 * @param {string} name of the function
 * @param {any[]} idParameters
 * @param {any} [replaced] the parameter that gets another id
 * @param {string} [id] in its place
 */
export function callWith(ids, name, idParameters, replaced, id) {
  const call = { .../** @type {Record<string, any>} */ (SAMPLES)[name] };
  for (const { name: parameter, type } of idParameters) {
    if (replaced?.name !== parameter && parameter in call) continue;
    const value = replaced?.name === parameter ? id : ids[KINDS_OF[name]?.[parameter] ?? kindOf(parameter)];
    call[parameter] = type === "uuid[]" ? [value] : value;
  }
  return call;
}

/** @param {ReturnType<typeof import("./database.mjs").world>} database */
export async function newTenantWithAll(database) {
  const {
    sql,
    newTenant,
    newUser,
    newRole,
    newApiKey,
    newNumber,
    newTemplate,
    newCampaign,
    receivesMessage,
    newOutbound,
    newPublishedFile,
  } = database;
  const tenant = await newTenant();
  const owner = await newUser(tenant, "super_admin");
  const number = await newNumber(tenant);
  const { conversation, contact, message } = await receivesMessage(number);
  const [file] = await sql`
    insert into public.message_media (tenant_id, session_id, kind, meta_media_id, file_name, storage_path, state, expires_at)
    values (${tenant.id}, ${number.id}, 'image', ${someDigits()}, 'image.jpg', ${randomUUID()}, 'stored', now() + interval '1 day') returning id`;
  const [invitation] = await sql`
    insert into public.invitations (tenant_id, email, role_ids) values (${tenant.id}, ${`${randomUUID()}@example.test`}, '{}') returning id`;
  const [list] =
    await sql`insert into public.recipient_lists (tenant_id, name, source) values (${tenant.id}, 'Pelanggan', '{"type": "manual"}') returning id`;
  const other = await receivesMessage(number);
  const [label] = await sql`insert into public.labels (tenant_id, name) values (${tenant.id}, 'VIP') returning id`;
  const [field] =
    await sql`insert into public.contact_fields (tenant_id, key, name, type) values (${tenant.id}, 'city', 'City', 'text') returning id`;
  const [note] = await sql`
    insert into public.contact_notes (tenant_id, contact_id, content, created_by) values (${tenant.id}, ${contact.id}, 'x', ${owner.id}) returning id`;
  const [contactImport] = await sql`
    insert into public.contact_imports (tenant_id, storage_path, country, mapping) values (${tenant.id}, 'x', 'ID', '[]') returning id`;
  const [reply] =
    await sql`insert into public.quick_replies (tenant_id, shortcut, content) values (${tenant.id}, 'halo', 'Halo') returning id`;
  const publishedFile = await newPublishedFile(tenant);
  const [segment] = await sql`
    insert into public.segments (tenant_id, name, filter) values (${tenant.id}, ${randomUUID()}, '{"field": "name", "op": "is_set"}') returning id`;
  const [changed, unused] = [
    await newTemplate(tenant, { status: "REJECTED", businessAccount: number.meta_business_account_id }),
    await newTemplate(tenant, { status: "DRAFT" }),
  ];
  const failed = await newOutbound(conversation, { status: "failed" });
  const [conversationNote] = await sql`
    insert into public.conversation_notes (tenant_id, conversation_id, author_id, content) values (${tenant.id}, ${conversation.id}, ${owner.id}, 'x') returning id`;
  /** @type {Record<string, string>} */
  const ids = {
    failed: failed.id,
    conversation_note: conversationNote.id,
    tenant: tenant.id,
    person: (await newUser(tenant, "agent")).id,
    role: (await newRole(tenant)).id,
    key: (await newApiKey(tenant, "agent")).id,
    invitation: invitation.id,
    number: number.id,
    conversation: conversation.id,
    contact: contact.id,
    message: message.id,
    media: file.id,
    file: publishedFile.id,
    template: (await newTemplate(tenant)).id,
    campaign: (await newCampaign(number, { status: "draft" })).id,
    list: list.id,
    changed: changed.id,
    unused: unused.id,
    other: other.contact.id,
    label: label.id,
    field: field.id,
    note: note.id,
    import: contactImport.id,
    segment: segment.id,
    quick_reply: reply.id,
  };
  return { tenant, owner, ids };
}
