// Contacts are found through indexes even among many. The file has a database of its own, because plans depend on the
// contents of the tables.
import assert from "node:assert/strict";
import { after, describe, test } from "node:test";
import { useDatabase, world } from "./database.mjs";

const CONTACTS = 20_000; // of each tenant
const database = await useDatabase({ own: true });
/** The notices of Postgres while the watched connection works. @type {string[]} */
let notices = [];
const watched = database.connect({ max: 1, onnotice: ({ message }) => notices.push(message ?? "") });
const { sql, calls, newTenant, newUser, newNumber, assign } = world(watched);
after(() => watched.end());
const known = await fill();
// It reports statements within functions too.
await sql.unsafe(`
  load 'auto_explain';
  set random_page_cost = 1.1;
  set auto_explain.log_min_duration = 0;
  set auto_explain.log_nested_statements = on;
  set client_min_messages = log`);

/** Pages as a client asks for them, and the index that finds them. @type {[string, { user?: string, filter?: object, options?: object }, RegExp][]} */
const PAGES = [
  ["the newest", {}, /contacts_newest_idx/],
  ["by name", { options: { sort: "name" } }, /contacts_name_idx/],
  ["by last activity", { options: { sort: "last_activity" } }, /conversations_\w+/],
  // A frequent word may be looked up through the newest contacts: Postgres estimates its frequency from a sample
  ["a word", { filter: { search: "sari 12345" } }, /contacts_search_idx/],
  ["a number as people write it", { filter: { search: "0812-0012-345" } }, /contacts_search_idx/],
  ["a tag", { filter: { tag: "t77" } }, /contacts_tags_idx/],
  // Postgres estimates the number of contacts with a value: it may use the field's index, or look through the newest
  // contacts
  ["a field", { filter: { fields: { city: "kota 77" } } }, /contacts_(custom_fields|newest)_idx/],
  ["a label", { filter: { label_id: "label" } }, /contact_labels_\w+/],
  ["contacts that opted out", { filter: { opted_out: true } }, /contacts_opted_out_idx/],
  ["blocked contacts", { filter: { blocked: true } }, /contacts_blocked_idx/],
  ["an agent's own", { user: "agent" }, /conversations_\w+/],
];

describe("among many contacts", () => {
  for (const [name, { user = "manager", filter = {}, options = {} }, index] of PAGES) {
    test(`${name}: a page reads no table from end to end`, async () => {
      const asked = Object.fromEntries(
        Object.entries(filter).map(([key, value]) => [key, value === "label" ? known.label : value]),
      );
      notices = [];
      const { rows } = await calls(known[user], "list_contacts", {
        filter: asked,
        page_size: 20,
        counted: false,
        ...options,
      });
      assert.ok(rows.length > 0, "it finds a contact");
      const plans = notices.filter((notice) => notice.includes("with found as materialized"));
      assert.equal(plans.length, 1, "the page's plan is reported");
      assert.doesNotMatch(plans[0], /Seq Scan on (contacts|conversations|contact_labels)\b/);
      assert.match(plans[0], index);
    });
  }
});

async function fill() {
  const offices = [];
  for (let n = 0; n < 3; n++) offices.push(await newTenant({ agentsSeeUnassigned: false }));
  const [tenant] = offices;
  const numbers = [];
  for (const office of offices) numbers.push(await newNumber(office));
  const [manager, agent] = [await newUser(tenant, "manager"), await newUser(tenant, "agent")];
  const [label] = await sql`insert into public.labels (tenant_id, name) values (${tenant.id}, 'VIP') returning id`;
  const [common] = await sql`insert into public.labels (tenant_id, name) values (${tenant.id}, 'Biasa') returning id`;
  await sql.begin(async (sql) => {
    // Triggers are off: bulk rows need neither announcements nor foreign key checks.
    await sql`set local session_replication_role = replica`;
    await sql`
      insert into public.contacts (tenant_id, wa_id, name, tags, custom_fields, marketing_opted_out_at, blocked_at, created_at)
      select t, (628120000000 + n)::text, 'Sari ' || n, array['t' || n % 500], jsonb_build_object('city', 'kota ' || n % 5000),
        case when n % 200 = 0 then now() end, case when n % 300 = 0 then now() end, now() - n * interval '1 minute'
      from unnest(${offices.map(({ id }) => id)}::uuid[]) t cross join generate_series(1, ${CONTACTS}::integer) n`;
    await sql`
      insert into public.conversations (tenant_id, session_id, contact_id, status, last_message_at, last_message_direction)
      select s.tenant_id, s.id, c.id, 'resolved', now() - random() * interval '30 days', 'outbound'
      from public.whatsapp_sessions s join public.contacts c on c.tenant_id = s.tenant_id
      where s.id = any (${numbers.map(({ id }) => id)}::uuid[]) and c.id::text < '8'`;
    await sql`
      insert into public.contact_labels (contact_id, label_id, tenant_id)
      select c.id, l, c.tenant_id
      from public.contacts c cross join lateral unnest(case when c.id::text < '01' then array[${label.id}::uuid, ${common.id}] else array[${common.id}::uuid] end) l
      where c.tenant_id = ${tenant.id}`;
  });
  const own = await sql`select id from public.conversations where tenant_id = ${tenant.id} limit 5`;
  for (const conversation of own) await assign(/** @type {any} */ (conversation), agent);
  await sql`vacuum analyze`;
  /** @type {Record<string, any>} */
  return { manager, agent, label: label.id };
}
