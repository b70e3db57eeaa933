// Every function that takes an id, called by a Super Admin of another tenant with the ids of this one: it returns
// nothing about the row, or refuses, and changes nothing. The functions come from the catalogue, so a new one is tried
// automatically.
import assert from "node:assert/strict";
import { describe, test } from "node:test";
import { callWith, newTenantWithAll, SAMPLES } from "./call-arguments.mjs";
import { rolledBack, useDatabase } from "./database.mjs";
import { CALLED_BY_USERS } from "./matrix.mjs";
import { someDigits } from "./tenancy.mjs";

const database = await useDatabase();
const { sql, calls } = database;

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
const functions = await sql`
  select p.proname as name, array(
    select jsonb_build_object('name', a.name, 'type', format_type(a.type, null))
    from unnest(p.proargnames, p.proargtypes::oid[]) as a (name, type)
  ) as parameters
  from pg_proc p
  where p.pronamespace = 'public'::regnamespace and p.proname = any (${CALLED_BY_USERS})
    and p.proargtypes::oid[] && array['uuid', 'uuid[]']::regtype[]::oid[]
  order by 1`;
const [victim, own] = [await newTenantWithAll(database), await newTenantWithAll(database)];

for (const { name, parameters } of functions) {
  const idParameters = parameters.filter((/** @type {any} */ { type }) => type === "uuid" || type === "uuid[]");

  describe(name, () => {
    test("succeeds on rows of the caller's own tenant", async () => {
      await rolledBack(sql, ({ calls }) => calls(own.owner, name, callWith(own.ids, name, idParameters)));
    });

    for (const parameter of idParameters) {
      test(`finds no ${parameter.name} of another tenant`, async () => {
        await changesNothing(async () => {
          for (const [kind, id] of Object.entries(victim.ids)) {
            await tellsNothing(
              name,
              callWith(own.ids, name, idParameters, parameter, id),
              `${parameter.name} is a ${kind}`,
            );
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
