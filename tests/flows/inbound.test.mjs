// Every kind of webhook from Meta, through the real functions, and the result that people see.
import assert from "node:assert/strict";
import { execFile } from "node:child_process";
import { writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import path from "node:path";
import { describe, test } from "node:test";
import { fileURLToPath } from "node:url";
import { promisify } from "node:util";
import { useApp } from "./app.mjs";

const app = await useApp();
const ROOT = fileURLToPath(new URL("../../", import.meta.url));
const now = () => Math.floor(Date.now() / 1000);

/** @param {object} value */
const delivery = (value, field = "messages") => ({
  object: "whatsapp_business_account",
  entry: [
    {
      id: "555100000000001",
      time: now(),
      changes: [
        {
          field,
          value: { metadata: { display_phone_number: "628111000001", phone_number_id: app.phoneNumberId }, ...value },
        },
      ],
    },
  ],
});
/** @param {object} value @param {string} [field] */
async function posts(value, field) {
  const answer = await app.postsWebhook(delivery(value, field));
  assert.equal(answer.status, 200, JSON.stringify(answer.body));
}
/** @param {string} from @param {string} id @param {object} element */
const message = (from, id, element) => ({ from, id: `wamid.${from}.${id}`, timestamp: String(now()), ...element });
/** @param {string} from */
async function threadWith(from) {
  const conversation = await app.conversationWith(from);
  const { data } = await app.succeeds("GET", `/api/conversations/${conversation.id}/messages?limit=100`, {
    as: "admin",
  });
  return { conversation, messages: data };
}

const KINDS = [
  ["text", { text: { body: "Halo" } }, "Halo"],
  ["image", { image: { id: "71", mime_type: "image/jpeg", caption: "Struk" } }, "Struk"],
  ["image", { image: { id: "72", mime_type: "image/jpeg" } }, "📷"],
  ["video", { video: { id: "73" } }, "🎥"],
  ["audio", { audio: { id: "74", voice: true, mime_type: "audio/ogg; codecs=opus" } }, "🎤"],
  ["document", { document: { id: "75", filename: "nota.pdf" } }, "nota.pdf"],
  ["sticker", { sticker: { id: "76", animated: true } }, "🏷️"],
  ["location", { location: { latitude: "-6.2", longitude: 106.8 } }, "-6.2, 106.8"],
  ["contacts", { contacts: [{ name: { formatted_name: "Budi" }, phones: [{ phone: "+62 8" }] }] }, "Budi"],
  ["interactive", { interactive: { type: "button_reply", button_reply: { id: "1", title: "Ya" } } }, "Ya"],
  ["interactive", { interactive: { type: "list_reply", list_reply: { id: "1", title: "Satu" } } }, "Satu"],
  [
    "interactive",
    { interactive: { type: "nfm_reply", nfm_reply: { name: "flow", body: "Sent", response_json: '{"rating":"5"}' } } },
    "Sent",
  ],
  ["button", { button: { text: "Berhenti", payload: "STOP" } }, "Berhenti"],
  [
    "order",
    { order: { catalog_id: "1", product_items: [{ product_retailer_id: "a", quantity: "2", item_price: 1.5 }] } },
    "🛒 1",
  ],
  ["request_welcome", {}, "👋"],
  ["unsupported", { errors: [{ code: 131_051, title: "Message type unknown" }] }, "Message type unknown"],
  ["hologram", { hologram: { depth: 3 } }, "❔"],
  [undefined, { text: { body: "tanpa jenis" } }, "tanpa jenis"],
];

test("every kind of message is shown with its structure and a preview", async () => {
  const from = app.newCustomer();
  await posts({
    messages: KINDS.map(([type, body], n) =>
      message(from, `${n}`, {
        ...(type && { type }),
        .../** @type {object} */ (body),
        timestamp: String(now() - 100 + n),
      }),
    ),
  });
  const { conversation, messages } = await threadWith(from);
  assert.deepEqual(
    messages.map((row) => [row.type, row.content]).reverse(),
    KINDS.map(([type, , preview]) => [type ?? "unknown", preview]),
  );
  assert.deepEqual(
    [conversation.last_message_preview, conversation.last_message_type, conversation.unread_count],
    ["tanpa jenis", "unknown", KINDS.length],
  );
  const form = messages.find((row) => row.metadata.form_response);
  assert.deepEqual(form.metadata.form_response, { rating: "5" });
  assert.equal(messages.find((row) => row.type === "order").payload.order.product_items[0].quantity, "2");
});

test("a reaction, an edit and a revocation appear on their message, and in its history", async () => {
  const from = app.newCustomer();
  await posts({
    messages: [message(from, "revoke", { type: "revoke", revoke: { original_message_id: `wamid.${from}.2` } })],
  });
  await posts({
    contacts: [{ wa_id: from, profile: { name: "Wulan" } }],
    messages: [
      message(from, "1", { type: "text", text: { body: "satu" } }),
      message(from, "2", { type: "text", text: { body: "rahasia" } }),
      message(from, "react", { type: "reaction", reaction: { message_id: `wamid.${from}.1`, emoji: "\u{1f44d}" } }),
      message(from, "edit", {
        type: "edit",
        edit: { original_message_id: `wamid.${from}.1`, message: { type: "text", text: { body: "dua" } } },
      }),
    ],
  });
  const { conversation, messages } = await threadWith(from);
  assert.deepEqual(
    messages.map((row) => row.content),
    [null, "dua"],
  );
  assert.ok(messages[0].revoked_at && messages[1].edited_at);
  assert.deepEqual(
    messages[1].reactions.map((row) => [row.emoji, row.direction]),
    [["👍", "inbound"]],
  );
  assert.doesNotMatch(JSON.stringify(messages[0]), /rahasia/);
  assert.deepEqual([conversation.unread_count, conversation.last_message_type], [2, "revoke"]);

  const history = await app.succeeds("GET", `/api/messages/${messages[0].id}`, { as: "admin" });
  assert.equal(history.original_content, "rahasia");
  assert.deepEqual(
    history.changes.map((row) => row.type),
    ["revoke"],
  );
  await app.refuses(404, "not_found", "GET", `/api/messages/${messages[0].id}`, { as: "stranger" });
  await app.refuses(401, "unauthorized", "GET", `/api/messages/${messages[0].id}`);
});

test("a failure shows Meta's code in the reader's language, and one request returns a thousand states", async () => {
  const from = app.newCustomer();
  await app.receivesMessage({ from });
  const { conversation } = await threadWith(from);
  const sent = await app.succeeds("POST", `/api/conversations/${conversation.id}/messages`, {
    as: "admin",
    body: { text: "Siap" },
  });
  // Before the simulator reports the delivery.
  const status = {
    id: sent.whatsapp_message_id,
    status: "failed",
    timestamp: String(now() - 100),
    recipient_id: from,
    errors: [{ code: 131_026, title: "Message undeliverable", error_data: { details: "x" } }],
    pricing: { category: "service" },
    conversation: { id: "c1" },
  };
  const other = app.newCustomer();
  await posts({ messages: [message(other, "in", { type: "text", text: { body: "hai" } })] });
  const inbound = (await threadWith(other)).messages[0];

  await posts({ statuses: [{ ...status, id: `wamid.unknown.${from}` }, status] });
  const read = (/** @type {string} */ language) =>
    app.succeeds("GET", `/api/messages/${sent.id}`, { as: "admin", headers: { "accept-language": language } });
  const [english, indonesian] = [await read("en"), await read("id")];
  assert.equal(english.status, "failed");
  assert.deepEqual([english.error.code, english.error.title], [131_026, "Message undeliverable"]);
  assert.match(english.error.explanation, /could not be delivered/);
  assert.match(indonesian.error.explanation, /tidak dapat disampaikan/);
  const failed = english.events.find((/** @type {any} */ event) => event.status === "failed");
  assert.deepEqual([failed.pricing.category, failed.conversation.id, failed.error.code], ["service", "c1", 131_026]);

  const strange = "6f9619ff-8b86-4011-b42d-00c04fc964ff";
  const ask = (/** @type {unknown} */ ids, as = "admin") =>
    app.call("POST", "/api/messages/status", { as, body: { ids } });
  const { status: code, body } = await ask([inbound.id, sent.id, strange, sent.id]);
  assert.equal(code, 200);
  assert.deepEqual(
    body.data.map((/** @type {any} */ row) => [row.id, row.status, row.error?.code ?? null]),
    [
      [inbound.id, "received", null],
      [sent.id, "failed", 131_026],
    ],
  );
  assert.deepEqual(body.unknown, [strange]);
  assert.deepEqual((await ask([sent.id], "stranger")).body, { data: [], unknown: [sent.id] });
  assert.equal((await ask(Array.from({ length: 1000 }, () => strange))).status, 200);
  for (const ids of [[], Array.from({ length: 1001 }, () => strange), ["x"], undefined])
    assert.equal((await ask(ids)).status, 422, JSON.stringify(ids)?.slice(0, 50));
});

test("messages from the phone app and from the history are stored, and open no conversation", async () => {
  const [from, old] = [app.newCustomer(), app.newCustomer()];
  await posts(
    {
      message_echoes: [
        {
          from: "628111000001",
          to: from,
          id: `wamid.${from}.e`,
          timestamp: String(now()),
          type: "text",
          text: { body: "dari ponsel" },
        },
      ],
    },
    "smb_message_echoes",
  );
  await posts(
    {
      history: [
        {
          metadata: { phase: 0 },
          threads: [
            {
              id: old,
              messages: [
                {
                  from: old,
                  id: `wamid.${old}.1`,
                  timestamp: "1700000000",
                  type: "text",
                  text: { body: "dulu" },
                  history_context: { status: "READ" },
                },
                {
                  from: "628111000001",
                  to: old,
                  id: `wamid.${old}.2`,
                  timestamp: "1700000001",
                  type: "text",
                  text: { body: "ya" },
                  history_context: { status: "DELIVERED" },
                },
              ],
            },
          ],
        },
      ],
    },
    "history",
  );
  const echo = await threadWith(from);
  assert.deepEqual(
    echo.messages.map((row) => [row.direction, row.status, row.content]),
    [["outbound", "sent", "dari ponsel"]],
  );
  const past = await threadWith(old);
  assert.deepEqual(
    past.messages.map((row) => [row.direction, row.status]),
    [
      ["outbound", "delivered"],
      ["inbound", "received"],
    ],
  );
  for (const { conversation } of [echo, past]) {
    assert.deepEqual([conversation.window_open, conversation.unread_count], [false, 0]);
    await app.refuses(409, "window_closed", "POST", `/api/conversations/${conversation.id}/messages`, {
      as: "admin",
      body: { text: "x" },
    });
  }
});

test("a ban stops the number and gives the reason, until it ends", async () => {
  const from = app.newCustomer();
  await app.receivesMessage({ from });
  const { conversation } = await threadWith(from);
  const ban = (/** @type {string} */ state) =>
    posts({ event: "DISABLED_UPDATE", ban_info: { waba_ban_state: state } }, "account_update");
  await ban("DISABLE");
  try {
    const refused = await app.refuses(
      409,
      "number_unavailable",
      "POST",
      `/api/conversations/${conversation.id}/messages`,
      { as: "admin", body: { text: "x" }, headers: { "accept-language": "en" } },
    );
    assert.match(refused.body.error.message, /Meta/);
  } finally {
    await ban("REINSTATE");
  }
  await app.succeeds("POST", `/api/conversations/${conversation.id}/messages`, { as: "admin", body: { text: "lagi" } });
});

describe("a stored delivery", () => {
  test("is replayed by operators without any change", async () => {
    const from = app.newCustomer();
    await posts({ messages: [message(from, "1", { type: "text", text: { body: "sekali" } })] });
    const [event] = await app.rows("webhook_events", `body=like.*${from}*`);
    const before = await threadWith(from);

    await app.refuses(401, "unauthorized", "POST", "/api/cron/replay-webhooks", { body: { id: event.id } });
    const headers = { authorization: `Bearer ${app.stack.cron_secret}` };
    await app.refuses(422, "invalid_field", "POST", "/api/cron/replay-webhooks", { headers, body: {} });
    assert.deepEqual(await app.succeeds("POST", "/api/cron/replay-webhooks", { headers, body: { id: event.id } }), {
      replayed: 1,
      refused: [],
      set_aside: [],
      next_after: null,
    });
    assert.deepEqual(await threadWith(from), before);
    const [again] = await app.rows("webhook_events", `id=eq.${event.id}`);
    assert.ok(again.replayed_at);
    assert.equal(again.body, event.body);

    const stackFile = path.join(tmpdir(), `replay-${from}.json`);
    writeFileSync(stackFile, JSON.stringify(app.stack));
    const run = await promisify(execFile)(
      process.execPath,
      ["crates/local/stack/replay-webhooks.mjs", "--from", event.received_at],
      {
        cwd: ROOT,
        env: { ...process.env, CRM_STACK: stackFile, NEXT_PUBLIC_APP_URL: "", CRON_SECRET: "" },
      },
    );
    assert.match(run.stdout, /^\d+ deliver(y|ies) stored once more\n$/, run.stderr);
    assert.deepEqual(await threadWith(from), before);
  });
});
