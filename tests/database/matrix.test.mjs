// Every table and function, tried by every kind of caller. The file has a database of its own, because it adds a
// permission and a module to lists that belong to all tenants.
import assert from "node:assert/strict";
import { describe, test } from "node:test";
import { rolledBack, useDatabase } from "./database.mjs";
import {
  allowedToService,
  CALLED_BY_AUTH,
  CALLED_BY_SERVICE,
  CALLED_BY_USERS,
  CALLERS,
  PRIVATE_RUN_BY_ALL,
  PRIVATE_RUN_BY_USERS,
  ROLES,
  TABLES,
} from "./matrix.mjs";
import { DENIED } from "./refusals.mjs";

const database = await useDatabase({ own: true });
const { sql } = database;
const OPERATIONS = /** @type {const} */ (["select", "insert", "update", "delete"]);

const tables = await sql`
  select c.relname as name, (
    select array_agg(a.attname::text) from pg_attribute a where a.attrelid = c.oid and a.attnum = any (i.indkey)
  ) as key, (
    select min(a.attname::text) from pg_attribute a
    where a.attrelid = c.oid and a.attnum > 0 and not a.attisdropped and a.attidentity = '' and a.attgenerated = ''
  ) as settable, (
    select array_agg(a.attname::text) from pg_attribute a
    where a.attrelid = c.oid and a.attnum > 0 and not a.attisdropped and a.attgenerated = ''
  ) as writable
  from pg_class c
  left join pg_index i on i.indrelid = c.oid and i.indisprimary
  where c.relnamespace = 'public'::regnamespace and c.relkind in ('r', 'p', 'v', 'm', 'f')
  order by 1`;
const { callers, rows } = await prepare();

describe("tables", () => {
  test("of schema public are those of the matrix", () => {
    assert.deepEqual(
      tables.map(({ name }) => name),
      Object.keys(TABLES).sort(),
    );
  });

  for (const { name, key, settable, writable } of tables) {
    test(`${name} is closed to all other callers`, async () => {
      const [row] = await sql`select * from ${sql("public." + name)} where ${matches(name, key)}`;
      assert.ok(row, "a row that could be seen");
      /** @type {Record<string, Record<string, string>>} */
      const actual = Object.fromEntries(
        await Promise.all(
          CALLERS.map(async (caller) => {
            const outcomes = [];
            for (const operation of OPERATIONS)
              outcomes.push([operation, await outcomeOf(caller, operation, { name, key, settable, writable })]);
            return [caller, Object.fromEntries(outcomes)];
          }),
        ),
      );
      assert.deepEqual(actual, expected(name));
    });
  }
});

/** @param {string} name */
function expected(name) {
  const { seenBy } = TABLES[name];
  return Object.fromEntries(
    CALLERS.map((caller) => {
      if (caller === "service") {
        return [
          caller,
          Object.fromEntries(
            OPERATIONS.map((operation) => [operation, allowedToService(name).includes(operation) ? "done" : "denied"]),
          ),
        ];
      }
      const select = seenBy.includes(caller) ? "done" : seenBy.length === 0 || caller === "anon" ? "denied" : "hidden";
      return [caller, { select, insert: "denied", update: "denied", delete: "denied" }];
    }),
  );
}

/**
 * done: the row was reached. hidden: the caller may ask, and gets no row. denied: the caller may not even ask.
 * @param {typeof CALLERS[number]} caller
 * @param {typeof OPERATIONS[number]} operation
 * @param {{ name: string, key: string[], settable: string, writable: string[] }} table
 */
async function outcomeOf(caller, operation, { name, key, settable, writable }) {
  const table = sql("public." + name);
  const where = matches(name, key);
  const whole = sql.json(rows[name]);
  const act = async (/** @type {import("postgres").Sql} */ sql) => {
    switch (operation) {
      case "select":
        return sql`select from ${table} where ${where}`;
      case "update":
        return sql`update ${table} set ${sql(settable)} = ${sql(settable)} where ${where}`;
      case "delete":
        return sql`delete from ${table} where ${where}`;
      case "insert": {
        // Postgres checks the right to insert before the key. A caller with the right needs a free key.
        if (caller === "service" && allowedToService(name).includes("delete"))
          await sql`delete from ${table} where ${where}`;
        return sql`insert into ${table} (${sql(writable)}) overriding system value select ${sql(writable)} from jsonb_populate_record(null::${table}, ${whole})`;
      }
    }
  };
  try {
    return await rolledBack(sql, async ({ as, asAnon, asService }) => {
      const run =
        caller === "anon"
          ? asAnon(act)
          : caller === "service"
            ? asService(act)
            : as(callers[caller] ?? assert.fail(caller), act);
      return (await run).count === 1 ? "done" : "hidden";
    });
  } catch (error) {
    const { code, message } = /** @type {any} */ (error);
    return code === DENIED ? "denied" : `${code}: ${message}`;
  }
}

/** The row of a table that this test made. @param {string} name @param {string[]} key */
function matches(name, key) {
  const row = rows[name] ?? assert.fail(`no row is made for table ${name}: do so in prepare()`);
  return key.map((column) => sql`${sql(column)} = ${row[column]}`).reduce((all, one) => sql`${all} and ${one}`);
}

/** One row for each table, of one tenant, and the callers. */
async function prepare() {
  const {
    newTenant,
    newUser,
    newUserWith,
    newApiKey,
    newNumber,
    receivesMessage,
    newOutbound,
    delivers,
    newCampaign,
    newRecipientList,
    newPublishedFile,
    assign,
  } = database;
  const tenant = await newTenant();
  /** @type {Record<string, { id: string }>} */
  const callers = {};
  for (const role of ROLES) callers[role] = await newUser(tenant, role);
  callers.api_key = await newApiKey(tenant, "manager");
  callers.foreigner = await newUser(await newTenant(), "super_admin");
  callers.deactivated = await newUser(tenant, "super_admin", { deactivated: true });
  const { agent } = callers;

  await sql`insert into public.permissions (permission_key, permission_name, category) values ('things.do', 'Do things', 'things')`;
  const { own: role, ...colleague } = await newUserWith(tenant, { permissions: ["things.do"] });
  const key = await newApiKey(tenant, "agent");
  await sql`
    insert into public.modules (id, name, name_id, description, description_id, routes) values ('things', 'Things', 'Hal', '', '', '{}')`;
  await sql`insert into public.tenant_modules values (${tenant.id}, 'things', true)`;
  await sql`insert into public.permission_templates (tenant_id, key, name, permissions) values (${tenant.id}, 'own', 'Own', '{}')`;
  await sql`insert into public.invitations (tenant_id, email, role_ids) values (${tenant.id}, 'new@example.test', '{}')`;
  const number = await newNumber(tenant);
  const { conversation, message, contact } = await receivesMessage(number);
  await assign(conversation, agent);
  const outbound = await newOutbound(conversation);
  const [file] = await sql`
    insert into public.message_media (tenant_id, session_id, message_id, kind, file_name, expires_at)
    values (${tenant.id}, ${number.id}, ${message.id}, 'image', 'image.jpg', now()) returning id`;
  const status = {
    phone_number_id: number.meta_phone_number_id,
    wamid: outbound.whatsapp_message_id,
    status: "sent",
    timestamp: 1_700_000_000,
  };
  const { event_id: event } = await delivers({ statuses: [status] });
  const campaign = await newCampaign(number);
  const preference = { wa_id: contact.wa_id, category: "marketing_messages", value: "stop", timestamp: "1700000000" };
  await delivers({
    events: [
      {
        field: "user_preferences",
        phone_number_id: number.meta_phone_number_id,
        payload: { user_preferences: [preference] },
      },
      { field: "security", business_account_id: number.meta_business_account_id, payload: { event: "PIN_CHANGED" } },
    ],
  });

  await sql`
    insert into public.message_prices (tenant_id, country, category, effective_from, currency, amount)
    values (${tenant.id}, 'ID', 'MARKETING', '2026-01-01', 'USD', 0.04)`;
  await sql`insert into public.calling_codes values ('0', 'XX', 'UTC')`;
  const list = await newRecipientList(callers.manager, { entries: [["6281234567890"], ["6281234567890"]] });
  const [label] = await sql`insert into public.labels (tenant_id, name) values (${tenant.id}, 'VIP') returning id`;
  await sql`insert into public.conversation_labels (conversation_id, label_id, tenant_id) values (${conversation.id}, ${label.id}, ${tenant.id})`;
  await sql`insert into public.contact_labels (contact_id, label_id, tenant_id) values (${contact.id}, ${label.id}, ${tenant.id})`;
  await sql`insert into public.contact_fields (tenant_id, key, name, type) values (${tenant.id}, 'city', 'City', 'text')`;
  await sql`insert into public.contact_notes (tenant_id, contact_id, content) values (${tenant.id}, ${contact.id}, 'x')`;
  const [contactImport] = await sql`
    insert into public.contact_imports (tenant_id, storage_path, country, mapping) values (${tenant.id}, 'x', 'ID', '[]') returning id`;
  await sql`
    insert into public.contact_import_errors (import_id, tenant_id, line, code) values (${contactImport.id}, ${tenant.id}, 2, 'duplicate')`;
  const [segment] = await sql`
    insert into public.segments (tenant_id, name, filter) values (${tenant.id}, 'Penting', '{"field": "name", "op": "is_set"}') returning id`;
  const [quickReply] = await sql`
    insert into public.quick_replies (tenant_id, shortcut, content) values (${tenant.id}, 'halo', 'Halo') returning id`;
  await sql`insert into public.service_settings (tenant_id) values (${tenant.id})`;
  await sql`insert into public.csat_responses (tenant_id, session_id, conversation_id) values (${tenant.id}, ${number.id}, ${conversation.id})`;

  await sql`insert into public.conversation_events (tenant_id, conversation_id, kind) values (${tenant.id}, ${conversation.id}, 'merged')`;
  await sql`insert into public.conversation_notes (tenant_id, conversation_id, content) values (${tenant.id}, ${conversation.id}, 'x')`;
  await sql`insert into public.conversation_reads (conversation_id, user_id, tenant_id, read_through) values (${conversation.id}, ${agent.id}, ${tenant.id}, now())`;

  const found = {
    tenants: sql`id = ${tenant.id}`,
    profiles: sql`user_id = ${colleague.id}`,
    roles: sql`id = ${role.id}`,
    permissions: sql`permission_key = 'things.do'`,
    modules: sql`id = 'things'`,
    tenant_modules: sql`tenant_id = ${tenant.id}`,
    permission_templates: sql`tenant_id = ${tenant.id}`,
    invitations: sql`tenant_id = ${tenant.id}`,
    api_keys: sql`id = ${key.id}`,
    audit_logs: sql`tenant_id = ${tenant.id} and entity = 'tenants'`,
    role_permissions: sql`role_id = ${role.id}`,
    user_roles: sql`role_id = ${role.id}`,
    whatsapp_sessions: sql`id = ${number.id}`,
    contacts: sql`id = ${contact.id}`,
    conversations: sql`id = ${conversation.id}`,
    messages: sql`id = ${message.id}`,
    message_status_events: sql`message_id = ${outbound.id}`,
    message_media: sql`id = ${file.id}`,
    published_files: sql`id = ${(await newPublishedFile(tenant)).id}`,
    webhook_events: sql`id = ${event}`,
    contact_consents: sql`contact_id = ${contact.id}`,
    account_events: sql`tenant_id = ${tenant.id}`,
    broadcast_templates: sql`id = ${campaign.template.id}`,
    broadcast_campaigns: sql`id = ${campaign.id}`,
    calling_codes: sql`prefix = '0'`,
    message_prices: sql`tenant_id = ${tenant.id}`,
    broadcast_recipients: sql`campaign_id = ${campaign.id}`,
    recipient_lists: sql`id = ${list.id}`,
    recipient_list_entries: sql`list_id = ${list.id}`,
    recipient_list_errors: sql`list_id = ${list.id}`,
    labels: sql`id = ${label.id}`,
    conversation_labels: sql`label_id = ${label.id}`,
    contact_labels: sql`label_id = ${label.id}`,
    contact_fields: sql`tenant_id = ${tenant.id}`,
    conversation_events: sql`tenant_id = ${tenant.id} and kind = 'merged'`,
    conversation_notes: sql`tenant_id = ${tenant.id}`,
    conversation_reads: sql`tenant_id = ${tenant.id}`,
    contact_notes: sql`tenant_id = ${tenant.id}`,
    contact_imports: sql`tenant_id = ${tenant.id}`,
    contact_import_errors: sql`tenant_id = ${tenant.id}`,
    quick_replies: sql`id = ${quickReply.id}`,
    service_settings: sql`tenant_id = ${tenant.id}`,
    csat_responses: sql`tenant_id = ${tenant.id}`,
    segments: sql`id = ${segment.id}`,
  };
  /** @type {Record<string, any>} */
  const rows = {};
  for (const [name, condition] of Object.entries(found)) {
    const [row] = await sql`select to_jsonb(t) as value from ${sql("public." + name)} t where ${condition}`;
    rows[name] = row.value;
  }
  // Templates outlive their campaigns: this campaign would prevent the deletion of its template.
  const [unused] = await sql`
    insert into public.broadcast_templates (tenant_id, name) values (${tenant.id}, 'unused') returning to_jsonb(broadcast_templates) as value`;
  rows.broadcast_templates = unused.value;
  return { rows, callers };
}

describe("functions", async () => {
  const functions = await sql`
    select
      n.nspname as schema, p.proname as name, p.prorettype = 'trigger'::regtype as is_trigger,
      has_function_privilege('anon', p.oid, 'execute') as anon,
      has_function_privilege('authenticated', p.oid, 'execute') as authenticated,
      has_function_privilege('supabase_auth_admin', p.oid, 'execute') as auth,
      has_function_privilege('service_role', p.oid, 'execute') as service
    from pg_proc p join pg_namespace n on n.oid = p.pronamespace
    where n.nspname in ('public', 'private')`;
  const names = (/** @type {(row: any) => boolean} */ wanted) =>
    functions
      .filter(wanted)
      .map(({ name }) => name)
      .sort();
  const isPublic = (/** @type {any} */ row) => row.schema === "public";

  test("of schema public are those of the matrix, each once", () => {
    assert.deepEqual(names(isPublic), [...CALLED_BY_USERS, ...CALLED_BY_SERVICE, ...CALLED_BY_AUTH].sort());
  });

  test("are closed to callers without a token, except those that identify the caller", () => {
    assert.deepEqual(
      names((row) => row.anon),
      [...PRIVATE_RUN_BY_ALL].sort(),
    );
  });

  test("are open to users by name", () => {
    assert.deepEqual(
      names((row) => isPublic(row) && row.authenticated),
      [...CALLED_BY_USERS].sort(),
    );
  });

  test("of schema private are open to users by name", () => {
    assert.deepEqual(
      names((row) => !isPublic(row) && row.authenticated),
      [...PRIVATE_RUN_BY_USERS].sort(),
    );
  });

  test("are open to Supabase Auth by name", () => {
    assert.deepEqual(
      names((row) => row.auth),
      [...CALLED_BY_AUTH].sort(),
    );
  });

  test("are all open to the service", () => {
    assert.deepEqual(
      names((row) => !row.service && !row.is_trigger),
      [],
    );
  });
});
