// The database fails in the middle of deliveries and comes back.
import assert from "node:assert/strict";
import { after, test } from "node:test";
import postgres from "postgres";
import { eventually, useApp } from "./app.mjs";

const app = await useApp({ own: true, demo: false });
// From another database, because this one is about to refuse all connections.
const beside = postgres(app.stack.database_url.replace(/\/postgres$/, "/template1"), { max: 1, onnotice: () => {} });
after(() => beside.end({ timeout: 2 }));

/** Refuses all new connections, and ends each existing one after its transaction. */
async function goesAway() {
  await beside`alter database postgres with allow_connections false`;
  for (let left = 1; left > 0;) {
    await beside`
      select pg_terminate_backend(pid) from pg_stat_activity
      where datname = 'postgres' and (state = 'idle' or backend_type = 'walsender') and pid <> pg_backend_pid()`;
    [{ left }] = await beside`
      select count(*)::integer as left from pg_stat_activity where datname = 'postgres' and backend_type = 'client backend'`;
  }
}
const comesBack = () => beside`alter database postgres with allow_connections true`;

/** @param {string} from @param {number} n */
const delivery = (from, n) => ({
  object: "whatsapp_business_account",
  entry: [
    {
      id: "555100000000001",
      changes: [
        {
          field: "messages",
          value: {
            messaging_product: "whatsapp",
            metadata: { display_phone_number: "628111000001", phone_number_id: app.phoneNumberId },
            contacts: [{ profile: { name: "Wulan" }, wa_id: from }],
            messages: [0, 1, 2].map((part) => ({
              from,
              id: `wamid.${from}.${n}.${part}`,
              timestamp: String(Math.floor(Date.now() / 1000)),
              type: "text",
              text: { body: `${n}.${part}` },
            })),
          },
        },
      ],
    },
  ],
});

test("deliveries are refused with 5xx, leave nothing half stored, and exist exactly once after Meta's redelivery", async () => {
  const from = app.newCustomer();
  const all = Array.from({ length: 40 }, (_, n) => delivery(from, n));
  /** @type {object[]} */
  let left = [];
  const post = async (/** @type {object} */ body) => {
    const { status } = await app.postsWebhook(body);
    assert.ok(status === 200 || status >= 500, `answered ${status}`);
    if (status !== 200) left.push(body);
  };
  const first = all.slice(0, 10).map(post);
  const gone = goesAway();
  await Promise.all([...first, gone, ...all.slice(10).map(post)]);
  assert.ok(left.length > 0, "the database was away for some of them");
  const whileAway = await app.postsWebhook(delivery(from, 99));
  assert.ok(whileAway.status >= 500 && whileAway.body.error.code, JSON.stringify(whileAway.body));
  assert.equal((await app.call("GET", "/api/health")).status, 503);

  await comesBack();
  await eventually("the database answers", async () => (await app.call("GET", "/api/health")).status === 200);
  const stored = await app.rows(
    "messages",
    `direction=eq.inbound&select=whatsapp_message_id,conversation_id&limit=1000`,
  );
  const before = stored.filter((row) => row.whatsapp_message_id.includes(from));
  for (const n of all.keys()) {
    const parts = before.filter((row) => row.whatsapp_message_id.startsWith(`wamid.${from}.${n}.`)).length;
    assert.ok(parts === 0 || parts === 3, `delivery ${n} left ${parts} of its 3 messages`);
  }

  // Meta repeats the deliveries that got no 200, and some of the others.
  const again = [...left, ...all.slice(0, 5)];
  left = [];
  await Promise.all(again.map(post));
  assert.deepEqual(left, []);
  const messages = (await app.rows("messages", "direction=eq.inbound&select=whatsapp_message_id&limit=1000")).filter(
    (row) => row.whatsapp_message_id.includes(from),
  );
  assert.equal(messages.length, 120);
  assert.equal(new Set(messages.map((row) => row.whatsapp_message_id)).size, 120);
  assert.equal((await app.conversationWith(from)).unread_count, 120);
});

test("health says if PostgREST does not run the function that refuses writes past the API", async () => {
  const inside = postgres(app.stack.database_url, { max: 1, onnotice: () => {} });
  const health = () => app.call("GET", "/api/health");
  const becomes = (/** @type {number} */ status) =>
    eventually(`health answers ${status}`, async () => {
      const answer = await health();
      return answer.status === status && answer.body;
    });
  try {
    await inside`alter role authenticator reset pgrst.db_pre_request`;
    await inside`notify pgrst, 'reload config'`;
    const { status, database } = await becomes(503);
    assert.deepEqual([status, database], ["degraded", "unguarded"]);
  } finally {
    await inside`alter role authenticator set pgrst.db_pre_request = 'private.begin_request'`;
    await inside`notify pgrst, 'reload config'`;
    await inside.end({ timeout: 2 });
  }
  const { status, database } = await becomes(200);
  assert.deepEqual([status, database], ["ok", "ok"]);
});
