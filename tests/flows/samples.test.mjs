// Meta's own samples, if they lie beside the project: posted alone, twice, shuffled and all at once, they leave the
// same result.
import assert from "node:assert/strict";
import { readFileSync } from "node:fs";
import { test } from "node:test";
import { chance } from "../database/chance.mjs";
import { useApp } from "./app.mjs";

const FOLDER = new URL("../../../shared/meta/webhook-samples/", import.meta.url);
const app = await useApp();
const began = Date.now();

/** Numbers of the samples by their accounts. */
const OFFICES = {
  102290129340398: { 106540352242922: "15550001001", 106540352242923: "15550001002" },
  202290129340399: { 206540352242931: "15550001003" },
};

/** @returns {{ file: string, messages: number, statuses: number, body: string }[] | null} */
function samples() {
  let index;
  try {
    index = readFileSync(new URL("INDEX.tsv", FOLDER), "utf8");
  } catch {
    return null;
  }
  return index
    .trim()
    .split("\n")
    .slice(1)
    .map((line) => line.split("\t"))
    .map(([file, , messages, statuses]) => ({
      file,
      messages: Number(messages),
      statuses: Number(statuses),
      body: readFileSync(new URL(file, FOLDER), "utf8"),
    }));
}

/** @param {string} table @param {object} row */
async function insert(table, row) {
  const response = await fetch(`${app.stack.supabase_url}/rest/v1/${table}`, {
    method: "POST",
    headers: { ...app.serviceHeaders(), "content-type": "application/json", prefer: "return=representation" },
    body: JSON.stringify(row),
  });
  assert.ok(response.ok, await response.clone().text());
  const [made] = await response.json();
  return made;
}
/** @param {string} table @param {string} query */
async function remove(table, query) {
  const response = await fetch(`${app.stack.supabase_url}/rest/v1/${table}?${query}`, {
    method: "DELETE",
    headers: app.serviceHeaders(),
  });
  assert.ok(response.ok, await response.text());
}

/**
 * The rows that one way of posting leaves in tenants of its own, without our own ids and times.
 * @param {string} name
 * @param {() => Promise<void>} post
 */
async function left(name, post) {
  const tenants = [];
  for (const [account, numbers] of Object.entries(OFFICES)) {
    const tenant = await insert("tenants", { name: account, slug: `samples-${name}-${account}` });
    tenants.push(tenant.id);
    for (const [id, display] of Object.entries(numbers)) {
      await insert("whatsapp_sessions", {
        tenant_id: tenant.id,
        meta_phone_number_id: id,
        meta_business_account_id: account,
        display_phone_number: display,
      });
    }
  }
  const of = `tenant_id=in.(${tenants})&limit=5000`;
  try {
    await post();
    const [contacts, conversations, messages, events, notices, numbers, consents] = await Promise.all(
      [
        "contacts",
        "conversations",
        "messages",
        "message_status_events",
        "account_events",
        "whatsapp_sessions",
        "contact_consents",
      ].map((table) => app.rows(table, of)),
    );
    const person = new Map(contacts.map((row) => [row.id, `${row.wa_id} ${row.user_id}`]));
    const line = new Map(numbers.map((row) => [row.id, row.meta_phone_number_id]));
    const thread = new Map(
      conversations.map((row) => [row.id, `${line.get(row.session_id)} ${person.get(row.contact_id)}`]),
    );
    const sorted = (/** @type {object[]} */ rows) => rows.map((row) => JSON.stringify(row)).sort();
    const some = (/** @type {any} */ row, /** @type {string[]} */ ...fields) =>
      Object.fromEntries(fields.map((field) => [field, row[field]]));
    const conversationFields = ["status", "unread_count", "last_message_at", "last_inbound_at", "window_expires_at"];
    const messageFields = ["whatsapp_message_id", "direction", "type", "status", "content", "payload", "metadata"];
    return {
      contacts: sorted(
        contacts.map((row) =>
          some(row, "wa_id", "user_id", "profile_name", "username", "name", "marketing_opted_out_at"),
        ),
      ),
      conversations: sorted(
        conversations.map((row) => ({
          thread: thread.get(row.id),
          ...some(row, ...conversationFields, "referral", "last_message_preview"),
        })),
      ),
      messages: sorted(
        messages.map((row) => ({
          line: line.get(row.session_id),
          thread: thread.get(row.conversation_id),
          ...some(row, ...messageFields, "context_message_id", "occurred_at", "edited_at", "revoked_at"),
          reactions: row.reactions.map((/** @type {any} */ reaction) => some(reaction, "emoji", "direction")),
        })),
      ),
      events: sorted(
        events.map((row) => ({
          line: line.get(row.session_id),
          known: row.message_id !== null,
          ...some(row, "whatsapp_message_id", "status", "occurred_at", "error_code"),
        })),
      ),
      notices: sorted(
        notices.map((row) => ({
          line: line.get(row.session_id),
          ...some(row, "field", "kind", "severity"),
          // An event without a time happened when it arrived.
          occurred_at: Date.parse(row.occurred_at) >= began ? "now" : row.occurred_at,
        })),
      ),
      numbers: sorted(
        numbers.map((row) =>
          some(
            row,
            "meta_phone_number_id",
            ...["status", "status_code", "quality_rating", "messaging_limit", "throughput_level", "name_status"],
          ),
        ),
      ),
      consents: sorted(
        consents.map((row) => ({ person: person.get(row.contact_id), ...some(row, "state", "source", "occurred_at") })),
      ),
    };
  } finally {
    await remove("tenants", `id=in.(${tenants})`);
  }
}

/** @param {string} body */
async function post(body) {
  const answer = await app.postsWebhook(body);
  assert.equal(answer.status, 200, JSON.stringify(answer.body));
}

test("Meta's samples leave the same result in any order, and the result that their index names", async (t) => {
  const all = samples();
  if (all === null) {
    t.skip("no samples beside the project");
    return;
  }
  assert.ok(all.length > 50);
  const luck = chance();
  t.diagnostic(`CRM_TEST_SEED=${luck.seed}; ${all.length} samples`);

  const alone = await left("alone", async () => {
    for (const { body } of all) await post(body);
  });
  const expected = all.flatMap(({ body }) => idsIn(JSON.parse(body)));
  assert.ok(expected.length > 50);
  const stored = new Set([...alone.messages, ...alone.events].map((row) => JSON.parse(row).whatsapp_message_id));
  assert.deepEqual(
    expected.filter((id) => !stored.has(id)),
    [],
  );

  const twice = await left("twice", async () => {
    for (const { body } of all) {
      await post(body);
      await post(body);
    }
  });
  assert.deepEqual(twice, alone);
  const shuffled = await left("shuffled", async () => {
    for (const { body } of luck.shuffle([...all, ...all])) await post(body);
  });
  assert.deepEqual(shuffled, alone);
  const atOnce = await left("at-once", async () => {
    const queue = luck.shuffle([...all, ...all, ...all]);
    await Promise.all(
      Array.from({ length: 16 }, async () => {
        for (let next = queue.pop(); next; next = queue.pop()) await post(next.body);
      }),
    );
  });
  assert.deepEqual(atOnce, alone);
});

/** The messages and statuses that a sample brings to our numbers. @param {any} body @returns {string[]} */
function idsIn(body) {
  const ours = Object.values(OFFICES).flatMap((numbers) => Object.keys(numbers));
  return body.entry
    .flatMap((/** @type {any} */ entry) => entry.changes)
    .flatMap((/** @type {any} */ { field, value }) => {
      if (!ours.includes(value.metadata?.phone_number_id)) return [];
      const threads = (value.history ?? []).flatMap((/** @type {any} */ chunk) => chunk.threads ?? []);
      const lists = {
        messages: [value.messages, value.statuses],
        smb_message_echoes: [value.message_echoes],
        history: [value.messages, ...threads.map((/** @type {any} */ thread) => thread.messages)],
      };
      return (lists[field] ?? [])
        .flatMap((/** @type {any} */ list) => list ?? [])
        .map((/** @type {any} */ { id }) => id);
    });
}
