// Reactions, edits and revocations: a message shows the result of all of them, in whatever order they arrived.
import assert from "node:assert/strict";
import { describe, test } from "node:test";
import { chance } from "./chance.mjs";
import { useDatabase } from "./database.mjs";
import { aboutMessage, dateOf, inboundText, seconds } from "./inbox.mjs";
import { someDigits } from "./tenancy.mjs";

const { sql, as, newTenant, newUser, newNumber, receivesMessage, delivers, newOutbound, messageNow, conversationOf } =
  await useDatabase();

const START = seconds(3600);
const newInbox = async () => newNumber(await newTenant());
/** @param {any} number @param {string} wamid */
const messageOf = async (number, wamid) =>
  (await sql`select * from public.messages where session_id = ${number.id} and whatsapp_message_id = ${wamid}`)[0];
/** @param {any} message */
const reactionsOn = (message) => message.reactions.map((/** @type {any} */ { direction, emoji }) => [direction, emoji]);

/** @param {any} number */
async function newThread(number) {
  const { element, message, conversation } = await receivesMessage(number, {
    text: "Jam berapa buka?",
    timestamp: START,
  });
  const from = element.from;
  const outbound = await newOutbound(conversation, { at: dateOf(START + 1) });
  const admin = await newUser({ id: number.tenant_id }, "admin");
  const thread = async () => {
    const [row] = await as(
      admin,
      (sql) => sql`select public.read_thread(${conversation.id}, null, null, null, false, 50) as page`,
    );
    return row.page;
  };
  return { from, message, outbound, conversation, admin, thread };
}

describe("a reaction", () => {
  test("is shown on its message, raises no unread count and is not a line of the thread", async () => {
    const number = await newInbox();
    const { from, outbound, conversation, thread } = await newThread(number);
    const before = await conversationOf({ conversation_id: conversation.id });
    await delivers({
      messages: [
        aboutMessage(number, "reaction", outbound.whatsapp_message_id, { from, emoji: "👍", timestamp: START + 60 }),
      ],
    });
    assert.deepEqual(reactionsOn(await messageNow(outbound)), [["inbound", "👍"]]);
    const after = await conversationOf({ conversation_id: conversation.id });
    assert.deepEqual(
      [after.unread_count, after.last_message_preview, after.last_message_type, after.last_message_at],
      [before.unread_count, "Siap", "text", dateOf(START + 1)],
    );
    const { total, rows } = await thread();
    assert.equal(total, 2);
    assert.deepEqual(
      rows.map((/** @type {any} */ row) => row.type),
      ["text", "text"],
    );
    assert.equal(rows[0].reactions[0].emoji, "👍");
  });

  test("replaces the earlier one of the same side, and an empty one removes it", async () => {
    const number = await newInbox();
    const { from, message, conversation } = await newThread(number);
    const react = (/** @type {string | null} */ emoji, /** @type {number} */ at) =>
      aboutMessage(number, "reaction", message.whatsapp_message_id, { from, emoji, timestamp: START + at });
    await delivers({ messages: [react("👍", 10)] });
    await delivers({ messages: [react("❤️", 20)] });
    await sql`
      insert into public.messages (tenant_id, session_id, conversation_id, direction, type, status, payload)
      values (${conversation.tenant_id}, ${number.id}, ${conversation.id}, 'outbound', 'reaction', 'sending',
        ${sql.json({ reaction: { message_id: message.whatsapp_message_id, emoji: "🙏" } })})`;
    assert.deepEqual(reactionsOn(await messageNow(message)), [
      ["inbound", "❤️"],
      ["outbound", "🙏"],
    ]);
    await delivers({ messages: [react("", 30)] });
    assert.deepEqual(reactionsOn(await messageNow(message)), [["outbound", "🙏"]]);
    await sql`update public.messages set status = 'failed' where session_id = ${number.id} and type = 'reaction' and direction = 'outbound'`;
    assert.deepEqual(reactionsOn(await messageNow(message)), []);
    await delivers({ messages: [react(null, 40)] });
    assert.deepEqual(reactionsOn(await messageNow(message)), []);
  });

  test("to a message we do not have is a line of its own until that message arrives", async () => {
    const number = await newInbox();
    const from = someDigits();
    const late = inboundText(number, { from, text: "Asli", timestamp: START });
    await delivers({
      messages: [aboutMessage(number, "reaction", late.wamid, { from, emoji: "😂", timestamp: START + 5 })],
    });
    const [orphan] = await sql`select * from public.messages where session_id = ${number.id}`;
    const conversation = await conversationOf(orphan);
    assert.deepEqual(
      [conversation.unread_count, conversation.last_message_preview, conversation.last_message_type],
      [0, "😂", "reaction"],
    );
    await delivers({ messages: [late] });
    assert.deepEqual(reactionsOn(await messageOf(number, late.wamid)), [["inbound", "😂"]]);
    const settled = await conversationOf(orphan);
    assert.deepEqual(
      [settled.unread_count, settled.last_message_preview, settled.last_message_type],
      [1, "Asli", "text"],
    );
  });

  test("to our own message is attached once the message's WhatsApp id is recorded", async () => {
    const number = await newInbox();
    const { from, conversation } = await newThread(number);
    const message = await newOutbound(conversation, { wamid: null });
    await delivers({ messages: [aboutMessage(number, "reaction", "wamid.late", { from, emoji: "👍" })] });
    assert.deepEqual(reactionsOn(await messageNow(message)), []);
    await sql`update public.messages set whatsapp_message_id = 'wamid.late' where id = ${message.id}`;
    assert.deepEqual(reactionsOn(await messageNow(message)), [["inbound", "👍"]]);
  });
});

describe("an edit and a revocation", () => {
  test("change what is shown and keep the original text in the history", async () => {
    const number = await newInbox();
    const { from, message, admin, thread } = await newThread(number);
    await sql`update public.messages set occurred_at = ${dateOf(START - 60)} where session_id = ${number.id} and direction = 'outbound'`;
    const about = (/** @type {"edit" | "revoke"} */ kind, /** @type {number} */ at, text = "") =>
      aboutMessage(number, kind, message.whatsapp_message_id, { from, text, timestamp: START + at });
    await delivers({ messages: [about("edit", 10, "Jam berapa tutup?")] });
    const edited = await messageNow(message);
    assert.deepEqual(
      [edited.content, edited.original_content, edited.edited_at, edited.payload.text.body],
      ["Jam berapa tutup?", "Jam berapa buka?", dateOf(START + 10), "Jam berapa buka?"],
    );
    const conversation = await conversationOf(message);
    assert.deepEqual([conversation.last_message_preview, conversation.unread_count], ["Jam berapa tutup?", 1]);

    await delivers({ messages: [about("revoke", 20)] });
    const revoked = await messageNow(message);
    assert.deepEqual(
      [revoked.content, revoked.original_content, revoked.revoked_at],
      [null, "Jam berapa buka?", dateOf(START + 20)],
    );
    const after = await conversationOf(message);
    assert.deepEqual([after.last_message_preview, after.last_message_type, after.unread_count], ["🚫", "revoke", 1]);
    assert.deepEqual([after.window_expires_at, after.last_inbound_at], [conversation.window_expires_at, dateOf(START)]);

    const { rows } = await thread();
    const [shown] = rows.filter((/** @type {any} */ row) => row.id === message.id);
    assert.deepEqual([shown.content, shown.payload, "original_content" in shown], [null, {}, false]);
    const [{ history }] = await as(admin, (sql) => sql`select public.get_message(${message.id}) as history`);
    assert.equal(history.original_content, "Jam berapa buka?");
    assert.deepEqual(
      history.changes.map((/** @type {any} */ change) => [change.type, change.content]),
      [
        ["edit", "Jam berapa tutup?"],
        ["revoke", "🚫"],
      ],
    );
  });

  test("of another person's message change nothing", async () => {
    const number = await newInbox();
    const { from, outbound } = await newThread(number);
    await delivers({
      messages: [
        aboutMessage(number, "edit", outbound.whatsapp_message_id, { from, text: "palsu" }),
        aboutMessage(number, "revoke", outbound.whatsapp_message_id, { from }),
      ],
    });
    const { content, edited_at, revoked_at } = await messageNow(outbound);
    assert.deepEqual([content, edited_at, revoked_at], ["Siap", null, null]);
  });
});

test("give the same result in any order of arrival", async (t) => {
  const luck = chance();
  t.diagnostic(`CRM_TEST_SEED=${luck.seed}`);
  const states = [];
  for (let round = 0; round < 12; round++) {
    const number = await newInbox();
    const from = someDigits();
    const original = inboundText(number, { from, text: "satu", timestamp: START });
    const other = inboundText(number, { from, text: "lain", timestamp: START + 1 });
    const about = (/** @type {any} */ kind, /** @type {any} */ target, /** @type {number} */ at, properties = {}) =>
      aboutMessage(number, kind, target.wamid, { from, timestamp: START + at, ...properties });
    const elements = [
      original,
      other,
      about("reaction", original, 2, { emoji: "👍" }),
      about("reaction", original, 3, { emoji: "😮" }),
      about("reaction", other, 4, { emoji: "👍" }),
      about("reaction", other, 5, { emoji: "" }),
      about("edit", original, 6, { text: "dua" }),
      about("edit", original, 7, { text: "tiga" }),
      about("revoke", other, 8),
    ];
    const order = luck.shuffle(elements);
    const cut = luck.integer(0, elements.length);
    for (const part of [order.slice(0, cut), order.slice(cut), order.slice(0, 3)])
      if (part.length > 0) await delivers({ messages: part });
    const [one, two] = [await messageOf(number, original.wamid), await messageOf(number, other.wamid)];
    const conversation = await conversationOf(one);
    states.push({
      one: [one.content, one.original_content, one.edited_at, one.revoked_at, reactionsOn(one)],
      two: [two.content, two.original_content, two.edited_at, two.revoked_at, reactionsOn(two)],
      conversation: [
        conversation.unread_count,
        conversation.last_message_preview,
        conversation.last_message_at,
        conversation.window_expires_at,
      ],
    });
  }
  assert.deepEqual(states[0], {
    one: ["tiga", "satu", dateOf(START + 7), null, [["inbound", "😮"]]],
    two: [null, "lain", null, dateOf(START + 8), []],
    conversation: [2, "🚫", dateOf(START + 1), dateOf(START + 5 + 86_400)],
  });
  for (const state of states) assert.deepEqual(state, states[0]);
});

test("a person of another tenant reads neither the history nor the state of a message", async () => {
  const number = await newInbox();
  const { message, outbound, conversation } = await newThread(number);
  await delivers({
    statuses: [
      {
        phone_number_id: number.meta_phone_number_id,
        wamid: outbound.whatsapp_message_id,
        status: "read",
        timestamp: START + 5,
        payload: { conversation: { id: "c1" } },
      },
    ],
  });
  const ids = [outbound.id, message.id, outbound.id];
  const ask = (/** @type {any} */ user) =>
    as(
      user,
      (sql) => sql`
    select public.get_message(${outbound.id}) as history, public.message_statuses(${ids}) as statuses`,
    );
  const own = await newUser({ id: number.tenant_id }, "agent");
  const [seen] = await ask(own);
  assert.deepEqual(
    seen.history.events.map((/** @type {any} */ event) => [event.status, event.conversation]),
    [["read", { id: "c1" }]],
  );
  assert.deepEqual(
    seen.statuses.map((/** @type {any} */ row) => [row.id, row.status]),
    [
      [outbound.id, "read"],
      [message.id, "received"],
    ],
  );

  const colleague = await newUser({ id: number.tenant_id }, "agent");
  await sql`update public.conversations set assigned_to = ${colleague.id} where id = ${conversation.id}`;
  for (const stranger of [await newUser(await newTenant(), "admin"), own]) {
    assert.deepEqual([...(await ask(stranger))], [{ history: null, statuses: [] }]);
  }
});

describe("a message under the other form of its wamid", () => {
  /** A wamid that encodes a customer, as Meta's do. @param {string} customer @param {string} id */
  const wamidOf = (customer, id) => {
    const bytes = [
      28,
      24,
      customer.length,
      ...Buffer.from(customer),
      21,
      2,
      0,
      18,
      24,
      id.length,
      ...Buffer.from(id),
      0,
    ];
    return `wamid.${Buffer.from(bytes).toString("base64")}`;
  };

  test("is found by a reaction, an edit and a revocation, in either order", async () => {
    for (const order of [
      [0, 1],
      [1, 0],
    ]) {
      for (const kind of /** @type {const} */ (["reaction", "edit", "revoke"])) {
        const number = await newNumber(await newTenant());
        const [from, user_id] = [someDigits(), `ID.${someDigits()}`];
        const id = `3EB0${someDigits()}`;
        const said = inboundText(number, { from, user_id, wamid: wamidOf(from, id), timestamp: START });
        const about = aboutMessage(number, kind, wamidOf(user_id, id), {
          from,
          user_id,
          emoji: "👍",
          text: "lusa",
          timestamp: START + 5,
        });
        for (const at of order) await delivers({ messages: [[said, about][at]] });
        const [message] = await sql`select * from public.messages where whatsapp_message_id = ${said.wamid}`;
        const found = { reaction: message.reactions.length > 0, edit: message.edited_at, revoke: message.revoked_at };
        assert.ok(found[kind], `${kind} in the order ${order}`);
        if (kind === "revoke") assert.equal(message.content, null);
      }
    }
  });

  test("is another message than one with another id, and any other wamid is its own key", async () => {
    const keys = async (/** @type {string[]} */ ...wamids) =>
      (await sql`select private.message_key(w) as key from unnest(${wamids}::text[]) w`).map((row) => row.key);
    const [one, same, other] = await keys(
      wamidOf("628990001", "3EB0AAAAAAAAAA"),
      wamidOf("ID.77", "3EB0AAAAAAAAAA"),
      wamidOf("628990001", "3EB0AAAAAAAAAB"),
    );
    assert.equal(one, same);
    assert.notEqual(one, other);
    for (const wamid of ["wamid.1", "wamid.AAAA", `wamid.${"A".repeat(40)}`, wamidOf("?", "3EB0AAAAAAAAAA"), "x"]) {
      assert.deepEqual(await keys(wamid), [wamid]);
    }
  });
});
