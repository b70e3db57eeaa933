// Automatic messages through the running product: sent behind the webhook or by cron, once.
import assert from "node:assert/strict";
import { describe, test } from "node:test";
import { eventually, useApp } from "./app.mjs";

// A tenant of its own, because greetings would reach other tests.
const app = await useApp({ own: true, cron: false });
const sets = (/** @type {object} */ settings) =>
  app.succeeds("PUT", "/api/automations", { as: "admin", body: settings });
const on = { enabled: true };
const ALWAYS = {};
const NEVER = { monday: [{ from: "00:00", to: "00:01" }] };
const sentTo = async (/** @type {string} */ customer) => (await app.ledger([customer])).get(customer) ?? [];
const automaticOf = async (/** @type {any} */ conversation) =>
  (await app.succeeds("GET", `/api/conversations/${conversation.id}/messages`, { as: "admin" })).data.filter(
    (/** @type {any} */ { metadata }) => metadata.automation,
  );

test("settings are stored, refused by field, and changed by people with the permission", async () => {
  const hours = { saturday: [{ from: "20:00", to: "02:00" }] };
  const answer = await sets({
    business_hours: hours,
    holidays: [{ date: "2026-12-25", name: "Natal" }],
    greeting: { ...on, text: "Hai {{contact.name}}", after_days: 30 },
  });
  assert.deepEqual(
    [answer.default.business_hours, answer.default.holidays, answer.default.greeting.after_days, answer.numbers],
    [hours, [{ date: "2026-12-25", name: "Natal" }], 30, []],
  );
  assert.deepEqual(await app.succeeds("GET", "/api/automations", { as: "manager" }), answer);
  for (const [field, body] of /** @type {[string, object][]} */ ([
    ["business_hours.monday", { business_hours: { monday: [{ from: "9", to: "10:00" }] } }],
    ["away.text", { away: { ...on, text: "x".repeat(4001) } }],
    ["session_id", { session_id: "6f9619ff-8b86-4011-b42d-00c04fc964ff", away: on }],
  ])) {
    const refused = await app.refuses(422, "invalid_field", "PUT", "/api/automations", { as: "admin", body });
    assert.ok(field in refused.body.error.fields, JSON.stringify(refused.body));
  }
  await app.refuses(422, "unknown_variable", "PUT", "/api/automations", {
    as: "admin",
    body: { away: { ...on, text: "{{contact.password}}" } },
  });
  await app.refuses(403, "forbidden", "PUT", "/api/automations", { as: "manager", body: {} });
});

describe("a customer who writes", () => {
  test("is greeted within a moment, once", async () => {
    await sets({ business_hours: ALWAYS, greeting: { ...on, text: "Hai {{contact.name}}!" } });
    const from = app.newCustomer();
    await app.receivesMessage({ from, name: "Rina" });
    const [sent] = await eventually("the greeting is sent", async () => {
      const found = await sentTo(from);
      return found.length > 0 && found;
    });
    assert.ok(sent);
    await app.receivesMessage({ from, name: "Rina", text: "Ada?" });
    assert.equal((await app.runsCron()).status, 200);
    await app.metaIsQuiet();
    const conversation = await app.conversationWith(from);
    const [message, ...more] = await automaticOf(conversation);
    assert.deepEqual([message.content, message.sent_by, more], ["Hai Rina!", null, []]);
    assert.equal((await sentTo(from)).length, 1);
    assert.deepEqual([conversation.last_message_direction, conversation.unread_count], ["inbound", 2]);
  });

  test("gets the away message outside business hours, and a temporary refusal is retried", async () => {
    await sets({ business_hours: NEVER, greeting: on, away: { ...on, text: "Kami tutup." } });
    const from = app.newCustomer();
    await app.metaFails({ kind: "error_code", code: 133_004, to: from, times: 1 });
    await app.receivesMessage({ from });
    await eventually("the away message is sent", async () => (await sentTo(from)).length > 0);
    await app.metaIsWell();
    await app.metaIsQuiet();
    const [message, ...more] = await automaticOf(await app.conversationWith(from));
    assert.deepEqual([message.content, more], ["Kami tutup.", []]);
    await sets({ business_hours: ALWAYS });
  });
});

test("the messages of a conversation reach the customer in order, even if Meta temporarily refuses one", async () => {
  await sets({ business_hours: ALWAYS, greeting: { ...on, text: "Hai!" }, csat: { ...on, not_again_days: 7 } });
  const from = app.newCustomer();
  await app.metaFails({ kind: "error_code", code: 131_056, to: from, times: 1 });
  await app.receivesMessage({ from });
  await eventually("the greeting is refused", async () => (await app.meta("GET", "faults")).faults.length === 0);
  const conversation = await app.conversationWith(from);
  await app.succeeds("PATCH", `/api/conversations/${conversation.id}`, { as: "manager", body: { status: "resolved" } });
  await eventually("both are sent", async () => (await sentTo(from)).length === 2);
  assert.deepEqual(
    (await sentTo(from)).map(({ type }) => type),
    ["text", "interactive"],
  );
});

test("cron asks about a resolved conversation, the customer scores it once, and the report shows it", async () => {
  await sets({ business_hours: ALWAYS, csat: { ...on, not_again_days: 7 } });
  const from = app.newCustomer();
  await app.receivesMessage({ from });
  const conversation = await app.conversationWith(from);
  await app.succeeds("PATCH", `/api/conversations/${conversation.id}`, { as: "manager", body: { status: "resolved" } });
  await app.runsCron();
  const [question] = await eventually("the question is sent", async () => {
    const found = await automaticOf(conversation);
    return found[0]?.whatsapp_message_id && found;
  });
  const rows =
    question.payload?.interactive.action.sections[0].rows ??
    (await app.rows("messages", `id=eq.${question.id}`))[0].payload.interactive.action.sections[0].rows;
  const value = {
    messaging_product: "whatsapp",
    metadata: { display_phone_number: "", phone_number_id: app.phoneNumberId },
    contacts: [{ wa_id: from, profile: { name: "Rina" } }],
    messages: [
      {
        from,
        id: `wamid.${from}`,
        timestamp: String(Math.floor(Date.now() / 1000)),
        type: "interactive",
        context: { id: question.whatsapp_message_id },
        interactive: { type: "list_reply", list_reply: { id: rows[0].id, title: rows[0].title } },
      },
    ],
  };
  const { status } = await app.postsWebhook({
    object: "whatsapp_business_account",
    entry: [{ id: "555100000000001", changes: [{ field: "messages", value }] }],
  });
  assert.equal(status, 200);
  const report = await app.succeeds("GET", "/api/analytics/csat", { as: "manager" });
  assert.deepEqual(
    [report.summary.answered, report.summary.average, report.data[0].conversation_id, report.data[0].score],
    [1, 5, conversation.id, 5],
  );
  assert.equal(
    (await app.succeeds("GET", `/api/conversations/${conversation.id}`, { as: "manager" })).status,
    "resolved",
  );
  await app.refuses(403, "forbidden", "GET", "/api/analytics/csat", { as: "agent" });
  assert.deepEqual((await app.succeeds("GET", "/api/analytics/csat", { as: "stranger" })).data, []);
});
