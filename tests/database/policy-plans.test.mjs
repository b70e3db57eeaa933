// The cost of row-level security: one evaluation for each statement, whatever the number of rows, and pages by index
// for a tenant with one in a hundred of all messages. The file has a database of its own, because plans depend on the
// contents of the tables.
import assert from "node:assert/strict";
import { after, describe, test } from "node:test";
import { useDatabase, world } from "./database.mjs";

/** A million rows take a minute to insert, and get the same plans: CRM_TEST_MESSAGES=1000000. */
const MESSAGES = Number(process.env.CRM_TEST_MESSAGES) || 100_000;
const IN_A_CONVERSATION = 50;
const SHARE = 100; // of all messages, one in this many belongs to the tenant

const database = await useDatabase({ own: true });
const watched = database.connect({ max: 1 });
after(() => watched.end());
const { as } = world(watched);
const { admin, agent, conversation } = await fill();
await watched.unsafe("set random_page_cost = 1.1; set track_functions = 'all'");

describe("a policy is evaluated once for a statement", () => {
  for (const table of ["messages", "conversations", "contacts"]) {
    for (const [name, user] of Object.entries({ admin, agent })) {
      test(`of ${table}, for an ${name}`, async () => {
        const [one, all] = [
          await callsFor(user, `select id from public.${table} limit 1`),
          await callsFor(user, `select id from public.${table}`),
        ];
        assert.equal(one.rows, 1);
        assert.ok(all.rows >= 10, `${all.rows} rows`);
        assert.ok(all.calls.tenant_id > 0, "calls are counted");
        assert.deepEqual(all.calls, one.calls);
      });
    }
  }

  test("and a policy evaluated for each row is detected", async () => {
    const { rows, calls } = await callsFor(
      admin,
      "select id from public.messages where type = 'none' or private.has_permission('messages.view')",
    );
    assert.ok(calls.has_permission >= rows && rows > 100, `${calls.has_permission} calls for ${rows} rows`);
  });
});

describe("a tenant with a small share of all messages reads by index", () => {
  for (const [what, query, index] of /** @type {const} */ ([
    ["its newest messages", "select * from public.messages order by created_at desc limit 50", "messages_tenant_idx"],
    [
      "a later page of them",
      "select * from public.messages where created_at < now() - interval '3 hours' order by created_at desc limit 50",
      "messages_tenant_idx",
    ],
    [
      "a thread",
      `select * from public.messages where conversation_id = '${conversation.id}' order by occurred_at desc, created_at desc, id desc limit 50`,
      "messages_thread_idx",
    ],
    [
      "its conversations",
      "select * from public.conversations order by last_message_at desc, id desc limit 20",
      "conversations_inbox_idx",
    ],
  ])) {
    for (const [name, user] of Object.entries({ admin, agent })) {
      test(`${what}, for an ${name}`, async () => {
        const nodes = await planOf(user, query);
        assert.deepEqual(
          nodes.filter(
            (node) =>
              node["Node Type"] === "Seq Scan" &&
              ["messages", "conversations", "contacts"].includes(node["Relation Name"]),
          ),
          [],
        );
        assert.ok(
          nodes.some((node) => node["Index Name"] === index),
          nodes.map((node) => `${node["Node Type"]} ${node["Index Name"] ?? ""}`).join(", "),
        );
        const read = Math.max(
          ...nodes
            .filter((node) => node["Relation Name"] === "messages")
            .map((node) => node["Actual Rows"] * node["Actual Loops"]),
          0,
        );
        assert.ok(read <= (MESSAGES / SHARE) * 2, `${read} messages read`);
      });
    }
  }
});

/** The number of calls of our functions during a statement. @param {{ id: string }} user @param {string} query */
function callsFor(user, query) {
  return as(user, async (sql) => {
    // Earlier transactions may still be added to the counts.
    const counted = async () =>
      new Map(
        (
          await sql`
      select funcname as name, calls::integer as calls from pg_stat_xact_user_functions where schemaname = 'private'`
        ).map(({ name, calls }) => [name, calls]),
      );
    const before = await counted();
    const { count: rows } = await sql.unsafe(query);
    const calls = [...(await counted())]
      .map(([name, calls]) => [name, calls - (before.get(name) ?? 0)])
      .filter(([, calls]) => calls > 0);
    return { rows, calls: Object.fromEntries(calls) };
  });
}

/** Every node of the executed plan. @param {{ id: string }} user @param {string} query @returns {Promise<any[]>} */
async function planOf(user, query) {
  const [row] = await as(user, (sql) => sql.unsafe(`explain (analyze, format json) ${query}`));
  const flat = (/** @type {any} */ node) => [node, ...(node.Plans ?? []).flatMap(flat)];
  return flat(row["QUERY PLAN"][0].Plan);
}

async function fill() {
  const { sql, newTenant, newUser, newNumber } = database;
  const [tenant, large] = [await newTenant(), await newTenant()];
  const [admin, agent] = [await newUser(tenant, "admin"), await newUser(tenant, "agent")];
  const [number, largeNumber] = [await newNumber(tenant), await newNumber(large)];
  const conversations = MESSAGES / IN_A_CONVERSATION;
  await sql.begin(async (sql) => {
    // Triggers are off: bulk rows need neither announcements nor foreign key checks.
    await sql`set local session_replication_role = replica`;
    await sql`
      insert into public.contacts (tenant_id, wa_id)
      select case when n % ${SHARE}::integer = 0 then ${tenant.id}::uuid else ${large.id}::uuid end, (620000000 + n)::text
      from generate_series(1, ${conversations}::integer) n`;
    await sql`
      insert into public.conversations (tenant_id, session_id, contact_id, assigned_to, last_message_at)
      select c.tenant_id, case when c.tenant_id = ${tenant.id} then ${number.id}::uuid else ${largeNumber.id}::uuid end, c.id,
        case when c.tenant_id = ${tenant.id} and right(c.wa_id, 3)::integer % 200 = 0 then ${agent.id}::uuid end,
        now() - random() * interval '30 days'
      from public.contacts c`;
    await sql`
      insert into public.messages (tenant_id, session_id, conversation_id, direction, status, content, whatsapp_message_id, occurred_at, created_at)
      select v.tenant_id, v.session_id, v.id, 'inbound', 'received', 'Halo', 'wamid.' || v.id || n, at.time, at.time
      from public.conversations v
      cross join generate_series(1, ${IN_A_CONVERSATION}::integer) n
      cross join lateral (select v.last_message_at - n * interval '1 minute' as time) at`;
  });
  await sql`analyze`;
  const [conversation] = await sql`select id from public.conversations where assigned_to = ${agent.id} limit 1`;
  return { admin, agent, conversation };
}
