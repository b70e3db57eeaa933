// Every function that takes an id, called by a Super Admin of another tenant with the ids of this one: it returns
// nothing about the row, or refuses, and changes nothing. The functions come from the catalogue, so a new one is tried
// automatically.
import assert from "node:assert/strict";
import { randomUUID } from "node:crypto";
import { describe, test } from "node:test";
import { rolledBack, useDatabase } from "./database.mjs";
import { CALLED_BY_USERS } from "./matrix.mjs";
import { someDigits } from "./tenancy.mjs";

const database = await useDatabase();
const { sql, calls } = database;

/** The further parameters of a call, by function: with them the call succeeds on rows of the caller's own tenant. */
const SAMPLES = {
  update_role: { changes: { description: "x" } },
  update_agent: { changes: { display_name: "x" } },
  set_user_roles: {},
  create_api_key: { name: "Toko", expires_at: null },
  invite_agent: { email: "neu@example.test", display_name: "", locale: null },
  create_message: { type: "text", content: "Halo", payload: { text: { body: "Halo" } } },
  create_message_to: { wa_id: null, name: null, type: "text", content: "Halo", payload: { text: { body: "Halo" } } },
  sendable_template: { name: "promo", language: "id" },
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
const image = (/** @type {string} */ id) => ({ type: "image", content: "", payload: { image: { id } } });
const reaction = (/** @type {string} */ id) => ({
  type: "reaction",
  content: "👍",
  payload: { reaction: { message_id: id, emoji: "👍" } },
});
/** Ids within other parameters. @type {[string, (own: any, id: string) => any][]} */
const NESTED = [
  ["update_agent", (own, id) => ({ user_id: own.person, changes: { role_ids: [id] } })],
  ["update_agent", (own, id) => ({ user_id: own.person, changes: { active: false, reassign_to: id } })],
  ["update_role", (own, id) => ({ role_id: own.role, changes: { id, tenant_id: id, description: "x" } })],
  [
    "create_campaign",
    (own, id) => ({
      name: "Promo",
      recipients: [],
      template_id: own.template,
      session_id: own.number,
      options: { draft: true, recipient_list_id: id },
    }),
  ],
  [
    "create_campaign",
    (own, id) => ({
      name: "Promo",
      recipients: [],
      template_id: own.template,
      session_id: own.number,
      options: { draft: true, segment_id: id },
    }),
  ],
  ["create_recipient_list_from_contacts", (own, id) => ({ name: "Pelanggan", filter: { segment_id: id } })],
  ["create_recipient_list_from_contacts", (own, id) => ({ name: "Pelanggan", filter: { label: id } })],
  ...["owner_id", "assigned_to", "session_id"].map(
    (field) =>
      /** @type {[string, (own: any, id: string) => any]} */ ([
        "preview_segment",
        (own, id) => ({ filter: { any: [{ field, op: "is", value: id }] } }),
      ]),
  ),
  ["preview_segment", (own, id) => ({ filter: { not: { field: "label", op: "has", value: id } } })],
  ["preview_segment", (own, id) => ({ filter: { not: { campaign: id, did: "read" } } })],
  ["update_campaign", (own, id) => ({ campaign_id: own.campaign, changes: { sender_id: id } })],
  ["create_message", (own, id) => ({ conversation_id: own.conversation, ...image(id) })],
  ["create_message", (own, id) => ({ conversation_id: own.conversation, ...reaction(id) })],
  ["create_message", (own, id) => ({ conversation_id: own.conversation, ...SAMPLES.create_message, reply_to: id })],
  ["set_assignment", (own, id) => ({ session_id: own.number, changes: { pool: [id] } })],
  ["act_on_conversations", (own, id) => ({ ids: [own.conversation], action: "assign", options: { user_id: id } })],
  ["act_on_conversations", (own, id) => ({ ids: [own.conversation], action: "label", options: { label_ids: [id] } })],
  [
    "list_inbox",
    (own, id) => ({
      filter: { label: id, session_id: id, assigned_to: id },
      sort: "newest",
      cursor: null,
      page: 1,
      page_size: 10,
    }),
  ],
  [
    "create_message_to",
    (own, id) => ({ session_id: own.number, contact_id: own.contact, ...SAMPLES.create_message_to, ...image(id) }),
  ],
  ["create_contact", (_own, id) => ({ contact: { wa_id: someDigits(), owner_id: id } })],
  ["create_contact", (_own, id) => ({ contact: { wa_id: someDigits(), label_ids: [id] } })],
  ["update_contact", (own, id) => ({ contact_id: own.contact, changes: { label_ids: [id] } })],
  [
    "change_contacts",
    (own, id) => ({ contact_ids: [own.contact], filter: null, action: "add_labels", options: { label_ids: [id] } }),
  ],
  [
    "change_contacts",
    (_own, id) => ({ contact_ids: null, filter: { label_id: id }, action: "add_tags", options: { tags: ["x"] } }),
  ],
  ["list_contacts", (_own, id) => ({ filter: { owner: id } })],
];
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

const functions = await sql`
  select p.proname as name, array(
    select jsonb_build_object('name', a.name, 'type', format_type(a.type, null))
    from unnest(p.proargnames, p.proargtypes::oid[]) as a (name, type)
  ) as parameters
  from pg_proc p
  where p.pronamespace = 'public'::regnamespace and p.proname = any (${CALLED_BY_USERS})
    and p.proargtypes::oid[] && array['uuid', 'uuid[]']::regtype[]::oid[]
  order by 1`;
const [victim, own] = [await newTenantWithAll(), await newTenantWithAll()];

for (const { name, parameters } of functions) {
  const idParameters = parameters.filter((/** @type {any} */ { type }) => type === "uuid" || type === "uuid[]");

  describe(name, () => {
    test("succeeds on rows of the caller's own tenant", async () => {
      await rolledBack(sql, ({ calls }) => calls(own.owner, name, callWith(name, idParameters)));
    });

    for (const parameter of idParameters) {
      test(`finds no ${parameter.name} of another tenant`, async () => {
        await changesNothing(async () => {
          for (const [kind, id] of Object.entries(victim.ids)) {
            await tellsNothing(name, callWith(name, idParameters, parameter, id), `${parameter.name} is a ${kind}`);
          }
        });
      });
    }
  });
}

for (const [name, parametersWith] of NESTED) {
  test(`${name} finds no id of another tenant in ${JSON.stringify(parametersWith({}, "…"))}`, async () => {
    await changesNothing(async () => {
      for (const [kind, id] of Object.entries(victim.ids)) await tellsNothing(name, parametersWith(own.ids, id), kind);
    });
  });
}

/** @param {string} name @param {any[]} idParameters @param {any} [replaced] @param {string} [id] in its place */
function callWith(name, idParameters, replaced, id) {
  const call = { .../** @type {Record<string, any>} */ (SAMPLES)[name] };
  for (const { name: parameter, type } of idParameters) {
    if (replaced?.name !== parameter && parameter in call) continue;
    const value = replaced?.name === parameter ? id : own.ids[KINDS_OF[name]?.[parameter] ?? kindOf(parameter)];
    call[parameter] = type === "uuid[]" ? [value] : value;
  }
  return call;
}

/** @param {string} name @param {Record<string, any>} parameters @param {string} what */
async function tellsNothing(name, parameters, what) {
  try {
    const result = await calls(own.owner, name, parameters);
    // The answer may repeat the requested ids with the outcome not_found.
    const answer =
      JSON.stringify(Array.isArray(result) ? result.filter(({ outcome }) => outcome !== "not_found") : result) ?? "";
    for (const id of Object.values(victim.ids)) assert.ok(!answer.includes(id), `${what}: ${answer}`);
  } catch (error) {
    const { code, message } = /** @type {any} */ (error);
    if (!["PT403", "PT404", "PT422"].includes(code)) throw new Error(`${what}: ${code} ${message}`, { cause: error });
  }
}

/** @param {() => Promise<void>} attempts */
async function changesNothing(attempts) {
  const before = await stateOf(victim);
  await attempts();
  assert.equal(await stateOf(victim), before);
}

/** The tenant's rows, to compare them. @param {any} office */
async function stateOf({ tenant }) {
  const tables = await sql`
    select c.relname as name from pg_class c join pg_attribute a on a.attrelid = c.oid and a.attname = 'tenant_id'
    where c.relnamespace = 'public'::regnamespace and c.relkind = 'r' order by 1`;
  const states = tables.map(
    ({ name }) =>
      sql`select ${name} as name, md5(string_agg(t::text, ',' order by t::text)) as state from ${sql(`public.${name}`)} t where tenant_id = ${tenant.id}`,
  );
  const rights = sql`
    select md5(string_agg(ur::text, ',' order by ur::text)) as state
    from public.user_roles ur join public.profiles p on p.user_id = ur.user_id where p.tenant_id = ${tenant.id}`;
  return JSON.stringify([...(await Promise.all(states.map(async (query) => (await query)[0]))), ...(await rights)]);
}

async function newTenantWithAll() {
  const { newTenant, newUser, newRole, newApiKey, newNumber, newTemplate, newCampaign, receivesMessage, newOutbound } =
    database;
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
