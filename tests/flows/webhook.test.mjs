import assert from "node:assert/strict";
import { readFileSync } from "node:fs";
import { test } from "node:test";
import { useApp } from "./app.mjs";

const app = await useApp();

/** @param {object} value */
const delivery = (value, field = "messages") => ({
  object: "whatsapp_business_account",
  entry: [{ id: "555100000000001", changes: [{ field, value }] }],
});
/** @param {string} from @param {string} id @param {object} element */
const message = (from, id, element) =>
  delivery({
    messaging_product: "whatsapp",
    metadata: { display_phone_number: "628111000001", phone_number_id: app.phoneNumberId },
    contacts: [{ profile: { name: "Wulan" }, wa_id: from }],
    messages: [{ from, id, timestamp: String(Math.floor(Date.now() / 1000)), ...element }],
  });

test("Meta's verification gets its challenge, and any other caller gets 403", async () => {
  const ask = (/** @type {string} */ token, mode = "subscribe") =>
    app.call("GET", `/api/whatsapp/webhook?hub.mode=${mode}&hub.verify_token=${token}&hub.challenge=1158201444`);
  const answer = await ask(app.stack.verify_token);
  assert.equal(answer.status, 200);
  assert.equal(String(answer.body), "1158201444");
  for (const refused of [await ask("wrong"), await ask(""), await ask(app.stack.verify_token, "unsubscribe")]) {
    assert.equal(refused.status, 403);
    assert.equal(refused.body.error.code, "wrong_verify_token");
  }
});

test("a body without Meta's signature is refused and leaves nothing", async () => {
  const from = app.newCustomer();
  const body = message(from, "wamid.unsigned", { type: "text", text: { body: "x" } });
  const raw = JSON.stringify(body);
  await app.refuses(401, "unauthorized", "POST", "/api/whatsapp/webhook", { raw });
  await app.refuses(401, "unauthorized", "POST", "/api/whatsapp/webhook", {
    raw,
    headers: { "x-hub-signature-256": "sha256=00" },
  });
  const forged = await app.postsWebhook(body, { secret: "another secret" });
  assert.deepEqual([forged.status, forged.body.error?.code], [401, "unauthorized"]);
  assert.deepEqual(await app.rows("contacts", `wa_id=eq.${from}`), []);
});

test("an over-long body is refused with 413", async () => {
  const answer = await app.postsWebhook("x".repeat(4 * 1024 * 1024 + 1));
  assert.equal(answer.status, 413);
  assert.equal(answer.body.error.code, "payload_too_large");
});

test("a signed body that is not JSON is answered 200 and stored raw", async () => {
  const marker = `nonsense ${app.newCustomer()}`;
  assert.equal((await app.postsWebhook(marker)).status, 200);
  const [event] = await app.rows("webhook_events", `body=eq.${encodeURIComponent(marker)}`);
  assert.equal(event.outcome, "not_json");

  const binary = Buffer.from([0xff, 0x00, 0x80]);
  const { createHmac } = await import("node:crypto");
  const signature = `sha256=${createHmac("sha256", app.stack.app_secret).update(binary).digest("hex")}`;
  const answer = await app.call("POST", "/api/whatsapp/webhook", {
    raw: binary,
    headers: { "x-hub-signature-256": signature },
  });
  assert.equal(answer.status, 200);
  const [kept] = await app.rows(
    "webhook_events",
    `encoding=eq.base64&body=eq.${encodeURIComponent(binary.toString("base64"))}`,
  );
  assert.ok(kept);
});

test("a text creates contact, conversation and message, and a second delivery changes nothing", async () => {
  const from = app.newCustomer();
  const body = message(from, `wamid.${from}`, { type: "text", text: { body: "Apakah buka hari Minggu? \u0000👋" } });
  for (const answer of await Promise.all([app.postsWebhook(body), app.postsWebhook(body), app.postsWebhook(body)])) {
    assert.equal(answer.status, 200);
  }
  const conversation = await app.conversationWith(from);
  assert.equal(conversation.contact.name, "Wulan");
  assert.equal(conversation.unread_count, 1);
  assert.equal(conversation.window_open, true);
  const thread = await app.succeeds("GET", `/api/conversations/${conversation.id}/messages`, { as: "admin" });
  assert.equal(thread.total, 1);
  assert.equal(thread.data[0].content, "Apakah buka hari Minggu? 👋");
  assert.equal(thread.data[0].direction, "inbound");
  assert.equal(thread.data[0].type, "text");
});

test("other types are stored whole, and an invalid element is skipped alone", async () => {
  const from = app.newCustomer();
  const good = {
    from,
    id: `wamid.good.${from}`,
    timestamp: 1_790_000_000,
    type: "image",
    image: { id: "1", caption: "Struk", mime_type: "image/jpeg" },
  };
  const body = message(from, `wamid.odd.${from}`, { type: "hologram", hologram: { depth: 3 } });
  body.entry[0].changes[0].value = {
    .../** @type {any} */ (body.entry[0].changes[0].value),
    statuses: [null, { id: 7 }, "x"],
  };
  /** @type {any} */ (body.entry[0].changes[0].value).messages.push(null, 5, { from: {}, id: [] }, good);
  assert.equal((await app.postsWebhook(body)).status, 200);

  const messages = await app.rows(
    "messages",
    `whatsapp_message_id=in.(wamid.good.${from},wamid.odd.${from})&order=type`,
  );
  assert.deepEqual(
    messages.map((row) => row.type),
    ["hologram", "image"],
  );
  assert.equal(messages[0].payload.hologram.depth, 3);
  assert.equal(messages[1].payload.image.id, "1");
  assert.match(messages[1].content, /Struk/);
});

test("unknown fields and numbers are answered 200 and stored", async () => {
  const marker = app.newCustomer();
  assert.equal((await app.postsWebhook(delivery({ marker }, "a_field_of_tomorrow"))).status, 200);
  const unknown = message(marker, `wamid.${marker}`, { type: "text", text: { body: "x" } });
  /** @type {any} */ (unknown.entry[0].changes[0].value).metadata.phone_number_id = "999999999999999";
  assert.equal((await app.postsWebhook(unknown)).status, 200);
  const events = await app.rows("webhook_events", `body=like.*${marker}*&order=id`);
  assert.deepEqual(
    events.map((event) => event.outcome),
    ["partial", "partial"],
  );
  assert.equal(events[0].leftovers[0].field, "a_field_of_tomorrow");
  assert.equal(events[1].leftovers[0].reason, "unknown_number");
  assert.deepEqual(await app.rows("contacts", `wa_id=eq.${marker}`), []);
});

test("1,000 updates in one POST are stored by one call", async () => {
  const prefix = app.newCustomer();
  const messages = Array.from({ length: 1000 }, (_, i) => ({
    from: `${prefix}${i % 50}`.slice(-15),
    id: `wamid.${prefix}.${i}`,
    timestamp: "1790000000",
    type: "text",
    text: { body: "x".repeat(2500) },
  }));
  const body = message(prefix, "wamid.ignored", { type: "text", text: { body: "x" } });
  /** @type {any} */ (body.entry[0].changes[0].value).messages = messages;
  assert.equal((await app.postsWebhook(body)).status, 200);
  const stored = await app.rows("messages", `whatsapp_message_id=like.wamid.${prefix}.*&select=id&limit=2000`);
  assert.equal(stored.length, 1000);
});

test("Meta's own samples are all answered 200, if they lie beside the project", async (t) => {
  const folder = new URL("../../../shared/meta/webhook-samples/", import.meta.url);
  let index;
  try {
    index = readFileSync(new URL("INDEX.tsv", folder), "utf8");
  } catch {
    t.skip("no samples beside the project");
    return;
  }
  const files = index
    .trim()
    .split("\n")
    .slice(1)
    .map((line) => line.split("\t")[0]);
  assert.ok(files.length > 50);
  for (const file of files) {
    const answer = await app.postsWebhook(readFileSync(new URL(file, folder), "utf8"));
    assert.equal(answer.status, 200, file);
  }
});
