// Puts the local users and, if wanted, demo data into the database: through the Auth admin API and PostgREST with the
// service key, as any client could. What is there already stays.
import { StackError } from "../supabase/stack-error.mjs";
import { CONVERSATIONS, PEOPLE, TEMPLATES, templateId, TENANTS, USERS } from "./demo-tenants.mjs";

/** @typedef {{ supabaseUrl: string, serviceKey: string, demo: boolean }} SeedOptions */

/** @param {SeedOptions} options */
export async function seed({ supabaseUrl, serviceKey, demo }) {
  const call = caller(supabaseUrl, serviceKey);
  await call.add(
    "tenants",
    "id",
    TENANTS.map(({ id, name, slug }) => ({ id, name, slug, timezone: "Asia/Jakarta" })),
  );
  await call.add(
    "whatsapp_sessions",
    "meta_phone_number_id",
    TENANTS.map(({ id, name, number }) => ({
      tenant_id: id,
      name,
      meta_phone_number_id: number.phone_number_id,
      meta_business_account_id: number.business_account_id,
      display_phone_number: number.display_phone_number,
    })),
  );
  const people = await seedPeople(call);
  if (demo) await seedDemo(call, people);
}

/** @param {ReturnType<typeof caller>} call @returns {Promise<Map<string, string>>} ids by address */
async function seedPeople(call) {
  const { users } = await call.send("GET", "/auth/v1/admin/users?per_page=1000");
  /** @type {Map<string, string>} */
  const ids = new Map(users.map((/** @type {any} */ user) => [user.email, user.id]));
  for (const { email, name } of PEOPLE) {
    if (ids.has(email)) continue;
    const password = USERS.find((user) => user.email === email)?.password;
    const user = await call.send("POST", "/auth/v1/admin/users", {
      email,
      password,
      email_confirm: true,
      user_metadata: { name },
    });
    ids.set(email, user.id);
  }
  await call.add(
    "profiles",
    "user_id,tenant_id",
    PEOPLE.map(({ email, name, tenant_id }) => ({ user_id: ids.get(email), tenant_id, display_name: name })),
  );
  const roles = await call.send("GET", "/rest/v1/roles?tenant_id=is.null&select=id,key");
  const holders = PEOPLE.flatMap(({ email, role, tenant_id }) => {
    const held = roles.find((/** @type {any} */ known) => known.key === role);
    return held ? [{ user_id: ids.get(email), tenant_id, role_id: held.id }] : [];
  });
  await call.add("user_roles", "user_id,tenant_id,role_id", holders);
  return ids;
}

/** @param {ReturnType<typeof caller>} call @param {Map<string, string>} people */
async function seedDemo(call, people) {
  await call.add(
    "broadcast_templates",
    "tenant_id,meta_business_account_id,name,language",
    TENANTS.flatMap((tenant) =>
      TEMPLATES.map(({ name, language, category, components }, i) => ({
        tenant_id: tenant.id,
        meta_business_account_id: tenant.number.business_account_id,
        meta_template_id: templateId(tenant, i),
        name,
        language,
        category,
        status: "APPROVED",
        parameter_format: "POSITIONAL",
        components,
      })),
    ),
  );

  const [tenant] = TENANTS;
  const wamid = (/** @type {string} */ from, /** @type {number} */ place) => `wamid.demo.${from}.${place}`;
  const seeded = await call.send(
    "GET",
    `/rest/v1/messages?whatsapp_message_id=eq.${wamid(CONVERSATIONS[0].from, 0)}&select=id`,
  );
  if (seeded.length > 0) return;

  const now = Date.now();
  const inbound = CONVERSATIONS.flatMap(({ from, name, messages }) =>
    messages.flatMap(({ minutes, text, by }, place) => {
      if (by) return [];
      const timestamp = Math.floor(now / 1000) - minutes * 60;
      const id = wamid(from, place);
      return [
        {
          phone_number_id: tenant.number.phone_number_id,
          from,
          profile_name: name,
          kind: "text",
          preview: text,
          wamid: id,
          timestamp,
          payload: { from, id, timestamp: String(timestamp), type: "text", text: { body: text } },
        },
      ];
    }),
  );
  await call.send("POST", "/rest/v1/rpc/ingest_webhook", { body: "{}", messages: inbound });

  const conversations = await call.send(
    "GET",
    `/rest/v1/conversations?tenant_id=eq.${tenant.id}&select=id,session_id,contact:contacts(wa_id)`,
  );
  for (const { from, messages, assigned } of CONVERSATIONS) {
    const conversation = conversations.find((/** @type {any} */ known) => known.contact.wa_id === from);
    const replies = messages.flatMap(({ minutes, text, by }, place) => {
      if (!by) return [];
      const at = (/** @type {number} */ seconds) => new Date(now - minutes * 60_000 + seconds * 1000).toISOString();
      return [
        {
          tenant_id: tenant.id,
          session_id: conversation.session_id,
          conversation_id: conversation.id,
          direction: "outbound",
          type: "text",
          status: "read",
          content: text,
          payload: { type: "text", text: { body: text } },
          whatsapp_message_id: wamid(from, place),
          sent_by: people.get(by),
          occurred_at: at(0),
          created_at: at(0),
          sent_at: at(1),
          delivered_at: at(2),
          read_at: at(40),
        },
      ];
    });
    if (replies.length > 0) await call.add("messages", "session_id,whatsapp_message_id", replies);
    const last = /** @type {typeof messages[number]} */ (messages.at(-1));
    await call.send("PATCH", `/rest/v1/conversations?id=eq.${conversation.id}`, {
      ...(assigned ? { assigned_to: people.get(assigned), unread_count: 0 } : {}),
      last_message_at: new Date(now - last.minutes * 60_000).toISOString(),
      last_message_preview: last.text,
      last_message_direction: last.by ? "outbound" : "inbound",
    });
  }
}

/** @param {string} supabaseUrl @param {string} key */
function caller(supabaseUrl, key) {
  /** @param {string} method @param {string} path @param {unknown} [body] @param {Record<string, string>} [more] @returns {Promise<any>} */
  const send = async (method, path, body, more = {}) => {
    const headers = { apikey: key, authorization: `Bearer ${key}`, "content-type": "application/json", ...more };
    let response;
    try {
      response = await fetch(supabaseUrl + path, {
        method,
        headers,
        body: body === undefined ? undefined : JSON.stringify(body),
      });
    } catch (error) {
      throw new StackError(
        `Supabase at ${supabaseUrl} does not answer: ${/** @type {any} */ (error).cause?.message ?? error}`,
      );
    }
    const text = await response.text();
    if (!response.ok)
      throw new StackError(
        `seeding: ${method} ${path.split("?")[0]} answered ${response.status} ${text.slice(0, 500)}`,
      );
    return text === "" ? null : JSON.parse(text);
  };
  return {
    send,
    /** Rows that are not there yet. @param {string} table @param {string} key @param {object[]} rows */
    add: (table, key, rows) =>
      send("POST", `/rest/v1/${table}?on_conflict=${key}`, rows, {
        prefer: "resolution=ignore-duplicates,return=minimal",
      }),
  };
}
