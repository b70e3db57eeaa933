import assert from "node:assert/strict";
import { randomUUID } from "node:crypto";
import { test } from "node:test";
import { eventually, useApp } from "./app.mjs";

const app = await useApp();
const tenant = app.user("admin").tenant_id;

/** Joins a private topic and collects its messages. @param {string} who @param {string} topic */
async function listen(who, topic) {
  const client = await app.signIn(who);
  /** @type {{ event: string, payload: any }[]} */
  const heard = [];
  const channel = client.channel(topic, { config: { private: true } });
  channel.on("broadcast", { event: "*" }, ({ event, payload }) => void heard.push({ event, payload }));
  const state = await new Promise((resolve) => {
    channel.subscribe((status) => {
      if (status === "SUBSCRIBED" || status === "CHANNEL_ERROR" || status === "TIMED_OUT") resolve(status);
    });
  });
  return { heard, state, close: () => client.removeAllChannels().then(() => client.realtime.disconnect()) };
}

/** @param {string} id @param {object} body @param {object} [request] */
const reply = (id, body, request) =>
  app.call("POST", `/api/conversations/${id}/messages`, { as: "admin", body, ...request });

test("a customer writes, an agent answers, and statuses arrive, all of it live", async () => {
  const live = await listen("admin", `tenant:${tenant}:${(await app.live("admin")).epoch}`);
  assert.equal(live.state, "SUBSCRIBED");
  const from = app.newCustomer();
  await app.receivesMessage({ from, name: "Rani", text: "Ada kopi tubruk?" });
  const created = await eventually("the message is heard", () =>
    live.heard.find(({ event, payload }) => event === "message.created" && payload.content === "Ada kopi tubruk?"),
  );
  assert.equal(created.payload.direction, "inbound");

  const conversation = await app.conversationWith(from, "agent");
  assert.equal(conversation.unread_count, 1);
  const answer = await app.call("POST", `/api/conversations/${conversation.id}/messages`, {
    as: "agent",
    body: { type: "text", text: { body: "Ada, Kak!" } },
  });
  assert.equal(answer.status, 201);
  assert.match(answer.body.whatsapp_message_id, /^wamid\./);

  const states = await eventually("the statuses reach read", () => {
    const states = live.heard
      .filter(({ payload }) => payload.id === answer.body.id)
      .map(({ payload }) => payload.status);
    return states.at(-1) === "read" && states;
  });
  const rank = ["sending", "sent", "delivered", "read"];
  assert.deepEqual(
    states,
    [...states].sort((a, b) => rank.indexOf(a) - rank.indexOf(b)),
    "never backwards",
  );
  const thread = await app.succeeds("GET", `/api/conversations/${conversation.id}/messages`, { as: "agent" });
  assert.deepEqual(
    thread.data.map((/** @type {any} */ row) => [row.direction, row.status]),
    [
      ["outbound", "read"],
      ["inbound", "received"],
    ],
  );
  assert.ok(thread.data[0].delivered_at && thread.data[0].read_at);
  const accepted = await app.ledger([from]);
  assert.equal(accepted.get(from)?.length, 1);
  assert.equal(accepted.get(from)?.[0].biz_opaque_callback_data, answer.body.id);
  await live.close();
});

test("a person of another tenant hears and reads nothing", async () => {
  const refused = await listen("stranger", `tenant:${tenant}:${(await app.live("admin")).epoch}`);
  assert.equal(refused.state, "CHANNEL_ERROR");
  const from = app.newCustomer();
  await app.receivesMessage({ from, text: "rahasia" });
  const { id } = await app.conversationWith(from);
  assert.equal(await app.conversationWith(from, "stranger"), undefined);
  for (const [method, path, body] of [
    ["GET", `/api/conversations/${id}`],
    ["GET", `/api/conversations/${id}/messages`],
    ["POST", `/api/conversations/${id}/messages`, { text: "x" }],
  ]) {
    await app.refuses(404, "not_found", String(method), String(path), { as: "stranger", body });
  }
  assert.deepEqual(refused.heard, []);
  await refused.close();
});

test("an agent sees only conversations that are unassigned or assigned to them", async () => {
  const from = app.newCustomer();
  await app.receivesMessage({ from });
  const { id } = await app.conversationWith(from, "agent");
  const [other] = await app.rows("profiles", `display_name=eq.${encodeURIComponent("Agus Prasetyo")}&select=user_id`);
  await app.changes("conversations", `id=eq.${id}`, { assigned_to: other.user_id });
  assert.equal(await app.conversationWith(from, "agent"), undefined);
  await app.refuses(404, "not_found", "GET", `/api/conversations/${id}`, { as: "agent" });
  await app.refuses(404, "not_found", "POST", `/api/conversations/${id}/messages`, {
    as: "agent",
    body: { text: "x" },
  });
  assert.ok(await app.conversationWith(from, "manager"));
});

test("outside the 24-hour window only templates are sent, and the error explains it", async () => {
  const from = app.newCustomer();
  await app.receivesMessage({ from });
  const { id } = await app.conversationWith(from);
  await app.changes("conversations", `id=eq.${id}`, { window_expires_at: "2026-01-01T00:00:00Z" });
  const refused = await app.refuses(409, "window_closed", "POST", `/api/conversations/${id}/messages`, {
    as: "admin",
    body: { text: "x" },
  });
  assert.match(refused.body.error.message, /template/);
  assert.equal((await app.ledger([from])).size, 0);
});

test("the same idempotency key sends once", async () => {
  const from = app.newCustomer();
  await app.receivesMessage({ from });
  const { id } = await app.conversationWith(from);
  const headers = { "idempotency-key": randomUUID() };
  const answers = await Promise.all([1, 2, 3].map(() => reply(id, { text: "sekali" }, { headers })));
  assert.deepEqual(answers.map(({ status }) => status).sort(), [200, 200, 201]);
  assert.equal(new Set(answers.map(({ body }) => body.id)).size, 1);
  await app.metaIsQuiet();
  assert.equal((await app.ledger([from])).get(from)?.length, 1);
});

test("a message that Meta refuses is stored as failed with Meta's reason", async () => {
  const from = app.newCustomer();
  await app.receivesMessage({ from });
  const { id } = await app.conversationWith(from);
  await app.metaFails({ kind: "error_code", code: 131026, to: from, times: 1 });
  const { status, body } = await reply(id, { text: "x" });
  assert.equal(status, 201);
  assert.equal(body.status, "failed");
  assert.equal(body.error_code, 131026);
  assert.ok(body.error_title.length > 0);
  assert.ok(body.failed_at);
});

test("a message that Meta temporarily refuses is retried and sent once", async () => {
  const from = app.newCustomer();
  await app.receivesMessage({ from });
  const { id } = await app.conversationWith(from);
  await app.metaFails({ kind: "error_code", code: 131057, to: from, times: 1 });
  const { body } = await reply(id, { text: "x" });
  app.isSent(body);
  assert.equal((await app.ledger([from])).get(from)?.length, 1);
});

test("a message whose answer from Meta is lost is not repeated, and a status settles it", async () => {
  const from = app.newCustomer();
  await app.receivesMessage({ from });
  const { id } = await app.conversationWith(from);
  await app.meta("PUT", "settings", { deliver_webhooks: false });
  await app.metaFails({ kind: "accept_then_drop", to: from, times: 1 });
  const { body } = await reply(id, { text: "x" });
  assert.equal(body.status, "unknown");
  assert.equal(body.whatsapp_message_id, null);
  await app.meta("PUT", "settings", { deliver_webhooks: true });
  const settled = await eventually("a status settles it", async () => {
    const [row] = await app.rows("messages", `id=eq.${body.id}`);
    return row.status === "read" && row;
  });
  const accepted = (await app.ledger([from])).get(from) ?? [];
  assert.equal(accepted.length, 1);
  assert.equal(settled.whatsapp_message_id, accepted[0].wamid);
});

test("a thread is paged from its newest to its oldest message", async () => {
  const from = app.newCustomer();
  for (const text of ["satu", "dua", "tiga", "empat", "lima"]) await app.receivesMessage({ from, text });
  const { id } = await app.conversationWith(from);
  const seen = [];
  for (let cursor = ""; ;) {
    const page = await app.succeeds("GET", `/api/conversations/${id}/messages?limit=2${cursor}`, { as: "admin" });
    assert.equal(page.total, 5);
    seen.push(...page.data.map((/** @type {any} */ row) => row.content));
    if (page.next_cursor === null) break;
    cursor = `&before=${page.next_cursor}`;
  }
  assert.deepEqual(new Set(seen), new Set(["satu", "dua", "tiga", "empat", "lima"]));
  assert.equal(seen.length, 5);
});
