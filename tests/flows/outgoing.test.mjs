// Every kind of message on its way to the customer, and refusals before the send of all that Meta would refuse.
import assert from "node:assert/strict";
import { randomUUID } from "node:crypto";
import { test } from "node:test";
import { eventually, useApp } from "./app.mjs";

const app = await useApp();

/** A customer who has just written. */
async function newChat() {
  const from = app.newCustomer();
  const wamid = await app.receivesMessage({ from });
  const { id } = await app.conversationWith(from);
  return { from, wamid, id, path: `/api/conversations/${id}/messages` };
}
/** The last message that Meta received for a customer. @param {string} from */
const lastAt = async (from) => (await app.ledger([from])).get(from)?.at(-1);

const buttons = { type: "button", body: { text: "Jadi?" }, action: { buttons: [{ reply: { id: "y", title: "Ya" } }] } };
const list = {
  type: "list",
  body: { text: "Pilih" },
  action: { button: "Menu", sections: [{ rows: [{ id: "1", title: "Kopi" }] }] },
};

test("every kind of message reaches Meta in Meta's format", async () => {
  const { from, path } = await newChat();
  for (const [type, body, sent = body] of /** @type {[string, any, any?][]} */ ([
    ["text", { body: "Lihat https://kopi.test", preview_url: true }],
    ["image", { link: "https://kopi.test/menu.jpg", caption: "Menu" }],
    ["video", { link: "https://kopi.test/kopi.mp4" }],
    ["audio", { link: "https://kopi.test/lagu.mp3" }],
    ["document", { link: "https://kopi.test/menu.pdf", filename: "menu.pdf", caption: "Menu" }],
    ["sticker", { link: "https://kopi.test/s.webp" }],
    ["location", { latitude: -6.2, longitude: 106.8, name: "Kopi Senja", address: "Jl. Senja 1" }],
    [
      "contacts",
      [{ name: { formatted_name: "Sari W", first_name: "Sari" }, phones: [{ phone: "+62811", type: "CELL" }] }],
    ],
    ["interactive", buttons, { ...buttons, action: { buttons: [{ type: "reply", reply: { id: "y", title: "Ya" } }] } }],
    ["interactive", list],
    [
      "interactive",
      {
        type: "cta_url",
        body: { text: "x" },
        action: { name: "cta_url", parameters: { display_text: "Buka", url: "https://kopi.test" } },
      },
    ],
    [
      "interactive",
      { type: "location_request_message", body: { text: "Di mana?" }, action: { name: "send_location" } },
    ],
  ])) {
    const { status, body: message } = await app.call("POST", path, { as: "agent", body: { type, [type]: body } });
    assert.equal(status, 201, JSON.stringify(message));
    app.isSent(message);
    const entry = await lastAt(from);
    assert.equal(entry.type, type);
    assert.deepEqual(entry.payload[type], sent);
    assert.equal(entry.biz_opaque_callback_data, message.id);
  }
});

test("messages of a conversation are sent in the order in which they were written", async () => {
  const { from, path } = await newChat();
  await app.metaFails({ kind: "error_code", code: 131_056, to: from, times: 1 });
  const writes = (/** @type {string} */ text) => app.succeeds("POST", path, { as: "agent", body: { text } });
  const first = writes("Satu");
  await eventually("the first is temporarily refused", async () => {
    const { faults } = await app.meta("GET", "faults");
    return faults.every((/** @type {any} */ { to }) => to !== from);
  });
  const answers = await Promise.all([first, writes("Dua")]);
  assert.deepEqual(
    answers.map(({ content }) => content),
    ["Satu", "Dua"],
  );
  await eventually("both are sent", async () => (await app.ledger([from])).get(from)?.length === 2);
  assert.deepEqual(
    ((await app.ledger([from])).get(from) ?? []).map(({ payload }) => payload.text.body),
    ["Satu", "Dua"],
  );
});

test("answers and reactions name the message they refer to", async () => {
  const { from, wamid, id, path } = await newChat();
  const thread = await app.succeeds("GET", path, { as: "agent" });
  const answer = await app.succeeds("POST", path, {
    as: "agent",
    body: { text: "Ini", context: { message_id: thread.data[0].id } },
  });
  assert.equal(answer.context_message_id, wamid);
  assert.deepEqual((await lastAt(from)).payload.context, { message_id: wamid });
  for (const emoji of ["👍", ""]) {
    await app.succeeds("POST", path, {
      as: "agent",
      body: { type: "reaction", reaction: { message_id: wamid, emoji } },
    });
    assert.deepEqual((await lastAt(from)).payload.reaction, { message_id: wamid, emoji });
  }
  const conversation = await app.succeeds("GET", `/api/conversations/${id}`, { as: "agent" });
  assert.equal(conversation.last_message_preview, "Ini");
});

test("a message that Meta would refuse is refused before the send, by field and in both languages", async () => {
  const { from, path } = await newChat();
  const long = (/** @type {number} */ count) => "x".repeat(count);
  for (const [field, body] of /** @type {[string, any][]} */ ([
    ["text", { text: long(4097) }],
    ["text.body", { text: { body: long(4097) } }],
    ["image", { type: "image" }],
    ["image", { type: "image", image: {} }],
    ["image.caption", { type: "image", image: { link: "https://x.test", caption: long(1025) } }],
    ["audio.caption", { type: "audio", audio: { link: "https://x.test", caption: "x" } }],
    ["video.link", { type: "video", video: { link: "ftp://x.test" } }],
    ["location.latitude", { type: "location", location: { latitude: 91, longitude: 0 } }],
    ["location.longitude", { type: "location", location: { latitude: 1 } }],
    ["contacts", { type: "contacts", contacts: [] }],
    ["reaction.emoji", { type: "reaction", reaction: { message_id: "wamid.x", emoji: "bagus" } }],
    ["reaction.message_id", { type: "reaction", reaction: { message_id: "wamid.x", emoji: "👍" } }],
    ["interactive.action.buttons", { type: "interactive", interactive: { ...buttons, action: { buttons: [] } } }],
    ["interactive.body.text", { type: "interactive", interactive: { ...buttons, body: { text: long(1025) } } }],
    [
      "interactive.action.button",
      { type: "interactive", interactive: { ...list, action: { ...list.action, button: long(21) } } },
    ],
    ["template.name", { type: "template", template: { name: "tidak_ada", language: "id" } }],
    ["template.variables.1", { type: "template", template: { name: "promo_akhir_tahun", language: "id" } }],
    [
      "template.variables.1",
      { type: "template", template: { name: "promo_akhir_tahun", language: "id", variables: ["a\nb"] } },
    ],
    [
      "template.components[0].parameters[0].text",
      {
        type: "template",
        template: {
          name: "promo_akhir_tahun",
          language: "id",
          components: [{ type: "body", parameters: [{ type: "text", text: "" }] }],
        },
      },
    ],
    [
      "template.components.body",
      { type: "template", template: { name: "promo_akhir_tahun", language: "id", components: [] } },
    ],
    [
      "template.components[0].parameters",
      {
        type: "template",
        template: {
          name: "promo_akhir_tahun",
          language: "id",
          components: [
            {
              type: "body",
              parameters: [
                { type: "text", text: "a" },
                { type: "text", text: "b" },
              ],
            },
          ],
        },
      },
    ],
    [
      "interactive.action.sections[0].rows",
      {
        type: "interactive",
        interactive: {
          ...list,
          action: {
            ...list.action,
            sections: [
              { title: "a", rows: [] },
              { ...list.action.sections[0], title: "b" },
            ],
          },
        },
      },
    ],
    [
      "interactive.header.image.id",
      { type: "interactive", interactive: { ...buttons, header: { type: "image", image: { id: randomUUID() } } } },
    ],
    ["context.message_id", { text: "x", context: { message_id: randomUUID() } }],
  ])) {
    const sentences = await Promise.all(
      ["en", "id"].map(async (language) => {
        const { body: answer } = await app.refuses(422, "invalid_field", "POST", path, {
          as: "agent",
          body,
          headers: { "accept-language": language },
        });
        assert.ok(field in answer.error.fields, `${field}: ${JSON.stringify(answer)}`);
        return answer.error.fields[field];
      }),
    );
    assert.notEqual(sentences[0], sentences[1], field);
  }
  assert.equal((await app.ledger([from])).size, 0);
});

test("a number that has never written gets only a template", async () => {
  const to = app.newCustomer();
  const send = (/** @type {any} */ body, /** @type {object} */ more = {}) =>
    app.call("POST", "/api/whatsapp/messages", { as: "agent", body: { to: `+${to}`, ...body }, ...more });
  const closed = await send({ type: "text", text: "Halo" });
  assert.deepEqual([closed.status, closed.body.error.code], [409, "window_closed"]);
  assert.equal(await app.conversationWith(to), undefined);

  const headers = { "idempotency-key": randomUUID() };
  const template = {
    type: "template",
    template: { name: "promo_akhir_tahun", language: { code: "id" }, variables: ["Rina"] },
  };
  const first = await send({ ...template, name: "Rina" }, { headers });
  assert.equal(first.status, 201, JSON.stringify(first.body));
  assert.match(first.body.content, /^Halo Rina, nikmati/);
  const again = await send({ ...template, name: "Rina" }, { headers });
  assert.deepEqual([again.status, again.body.id], [200, first.body.id]);
  const other = await send({ ...template, template: { ...template.template, variables: ["Budi"] } }, { headers });
  assert.deepEqual([other.status, Object.keys(other.body.error.fields)], [422, ["Idempotency-Key"]]);
  const accepted = (await app.ledger([to])).get(to) ?? [];
  assert.equal(accepted.length, 1);
  assert.deepEqual(accepted[0].payload.template.components, [
    { type: "body", parameters: [{ type: "text", text: "Rina" }] },
  ]);

  const components = [{ type: "body", parameters: [{ type: "text", text: "Ani" }] }];
  const raw = await send({ type: "template", template: { name: "promo_akhir_tahun", language: "id", components } });
  assert.match(raw.body.content, /^Halo Ani/);
  const conversation = await app.conversationWith(to);
  assert.deepEqual([conversation.contact.name, conversation.window_open], ["Rina", false]);

  for (const [field, body] of /** @type {[string, any][]} */ ([
    ["to", { to: "0812" }],
    ["to", { contact_id: conversation.contact.id }],
    ["text", { text: 5 }],
    ["session_id", { session_id: randomUUID(), text: "x" }],
  ])) {
    const refused = await send(body);
    assert.deepEqual([refused.status, refused.body.error?.code], [422, "invalid_field"], JSON.stringify(refused.body));
    assert.ok(field in refused.body.error.fields, JSON.stringify(refused.body));
  }
});

test("a number may be written in its national form", async () => {
  const customer = app.newCustomer();
  const to = `0${customer.slice(2, 5)}-${customer.slice(5, 9)}-${customer.slice(9)}`;
  const template = { name: "promo_akhir_tahun", language: "id", variables: ["Rina"] };
  const { status, body } = await app.call("POST", "/api/whatsapp/messages", {
    as: "agent",
    body: { to, type: "template", template },
  });
  assert.equal(status, 201, JSON.stringify(body));
  assert.equal((await lastAt(customer)).payload.to, `+${customer}`);
});

test("a customer who opted out of marketing gets no marketing template", async () => {
  const { from, path } = await newChat();
  const { contact } = await app.conversationWith(from);
  await app.succeeds("POST", `/api/crm/contacts/${contact.id}/consents`, { as: "admin", body: { state: "opted_out" } });
  const body = { type: "template", template: { name: "promo_akhir_tahun", language: "id", variables: ["Rina"] } };
  await app.refuses(409, "contact_opted_out", "POST", path, { as: "agent", body });
  await app.succeeds("POST", path, { as: "agent", body: { text: "Maaf" } });
});

test("a message that Meta may have sent is reported as unknown, and is never repeated", async () => {
  const { from, path } = await newChat();
  await app.metaFails({ kind: "http_status", status: 500, to: from, times: 1 });
  const { body } = await app.call("POST", path, { as: "agent", body: { text: "x" } });
  assert.equal(body.status, "unknown");
  assert.match(body.error_title, /may have been sent/);
  assert.equal((await app.ledger([from])).size, 0);
});

for (const code of [131_000, 131_016, 2]) {
  test(`Meta's own error ${code} is a refusal, after which the message is sent again`, async () => {
    const { from, path } = await newChat();
    await app.metaFails({ kind: "error_code", code, to: from, times: 1 });
    const { body } = await app.call("POST", path, { as: "agent", body: { text: "x" } });
    assert.ok(["sent", "delivered", "read"].includes(body.status), JSON.stringify(body));
    assert.equal((await app.ledger([from])).get(from)?.length, 1);
  });
}

test("the customer sees reading and typing once", async () => {
  const { wamid, id } = await newChat();
  const reads = async () =>
    (await app.meta("GET", "reads")).reads.filter((/** @type {any} */ read) => read.message_id === wamid);
  for (const _ of [1, 2])
    assert.equal((await app.call("POST", `/api/conversations/${id}/read`, { as: "agent" })).status, 204);
  await eventually("Meta gets the read receipt", async () => (await reads()).length === 1);
  assert.equal((await app.succeeds("GET", `/api/conversations/${id}`, { as: "agent" })).unread_count, 0);
  assert.equal((await app.call("POST", `/api/conversations/${id}/typing`, { as: "agent" })).status, 204);
  await eventually("typing is shown", async () => (await reads()).some((/** @type {any} */ read) => read.typing));
  assert.equal((await reads()).length, 2);
});

test("a person of another tenant can neither send, read nor type here", async () => {
  const { id, path, from } = await newChat();
  await app.refuses(404, "not_found", "POST", path, { as: "stranger", body: { text: "x" } });
  for (const where of [`/api/conversations/${id}/read`, `/api/conversations/${id}/typing`]) {
    await app.refuses(404, "not_found", "POST", where, { as: "stranger" });
  }
  const conversation = await app.conversationWith(from);
  const refused = await app.refuses(422, "invalid_field", "POST", "/api/whatsapp/messages", {
    as: "stranger",
    body: { contact_id: conversation.contact.id, text: "x" },
  });
  assert.ok("contact_id" in refused.body.error.fields);
  assert.equal((await app.ledger([from])).size, 0);
  assert.equal(conversation.unread_count, 1);
});
