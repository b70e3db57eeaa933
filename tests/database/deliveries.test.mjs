// The further contents of a delivery beside plain messages, its invalid elements, and deliveries that are replayed.
import assert from "node:assert/strict";
import { randomUUID } from "node:crypto";
import { describe, test } from "node:test";
import { hasFields } from "../fields.mjs";
import { chance } from "./chance.mjs";
import { useDatabase } from "./database.mjs";
import { aboutMessage, dateOf, inboundText, seconds, someWamid, statusOf } from "./inbox.mjs";
import { someDigits } from "./tenancy.mjs";

const {
  sql,
  asService,
  newTenant,
  newUser,
  newNumber,
  receivesMessage,
  delivers,
  newOutbound,
  messageNow,
  conversationOf,
} = await useDatabase();

const START = seconds(7200);
const newInbox = async () => newNumber(await newTenant());
/** @param {any} number */
const messagesOf = async (number) => [
  ...(await sql`select * from public.messages where session_id = ${number.id} order by occurred_at, created_at`),
];
/** @param {any} number */
const conversationsOf = async (number) => [
  ...(await sql`select * from public.conversations where session_id = ${number.id}`),
];
/** @param {number} id */
const eventOf = async (id) => (await sql`select * from public.webhook_events where id = ${id}`)[0];
/** @param {any} number @param {string} kind @param {object} body @param {object} [properties] */
function element(number, kind, body, properties) {
  const made = inboundText(number, { kind, preview: kind, ...properties });
  made.payload = { id: made.wamid, type: kind, ...body };
  return made;
}

describe("besides its text a message stores", () => {
  test("the advertisement that brought it; the conversation keeps the latest", async () => {
    const number = await newInbox();
    const from = someDigits();
    const referral = (/** @type {string} */ source_id) => ({
      source_type: "ad",
      source_id,
      headline: "Diskon",
      ctwa_clid: `click ${source_id}`,
    });
    const from_ad = (/** @type {string} */ id, /** @type {number} */ at) =>
      element(number, "text", { text: { body: "Info?" }, referral: referral(id) }, { from, timestamp: START + at });
    await delivers({ messages: [from_ad("2", 20), from_ad("1", 10)] });
    await delivers({ messages: [inboundText(number, { from, timestamp: START + 30 }), from_ad("0", 5)] });
    assert.deepEqual(
      (await messagesOf(number)).map((row) => row.metadata.referral?.source_id),
      ["0", "1", "2", undefined],
    );
    const [conversation] = await conversationsOf(number);
    assert.deepEqual([conversation.referral, conversation.referral_at], [referral("2"), dateOf(START + 20)]);
  });

  test("whether it was forwarded, its product and group, and the answers of a form", async () => {
    const number = await newInbox();
    const product = { catalog_id: "1", product_retailer_id: "sku" };
    await delivers({
      messages: [
        element(number, "text", { context: { forwarded: true } }),
        element(number, "text", { context: { frequently_forwarded: true, referred_product: product } }),
        element(number, "text", {}, { group_id: "G1" }),
        element(number, "interactive", {}, { form_response: { rating: "5" } }),
        element(number, "text", { context: [], referral: "none" }),
      ],
    });
    const found = (await messagesOf(number)).map((row) => JSON.stringify(row.metadata)).sort();
    assert.deepEqual(
      found,
      [
        { forwarded: true },
        { referred_product: product, frequently_forwarded: true },
        { group_id: "G1" },
        { form_response: { rating: "5" } },
        {},
      ]
        .map((metadata) => JSON.stringify(metadata))
        .sort(),
    );
  });

  test("no open window if it was written to a group", async () => {
    const { conversation } = await receivesMessage(await newInbox(), { group_id: "G1" });
    assert.deepEqual([conversation.window_expires_at, conversation.unread_count], [null, 1]);
  });

  test("all of this even with a text of 65,536 characters", async () => {
    const { message } = await receivesMessage(await newInbox(), { text: "é".repeat(65_536) });
    assert.deepEqual([message.content.length, message.payload.text.body.length], [65_536, 65_536]);
  });
});

describe("an echo of the phone app", () => {
  const echo = (/** @type {any} */ number, /** @type {any} */ properties) => ({
    ...inboundText(number, properties),
    source: "echo",
    direction: "outbound",
  });

  test("is an outgoing message that opens no window and answers earlier messages", async () => {
    const number = await newInbox();
    const { element: asked, conversation } = await receivesMessage(number, { timestamp: START });
    const echoed = echo(number, { from: asked.from, text: "Sudah dikirim", timestamp: START + 60 });
    await delivers({ messages: [echoed] });
    await delivers({ messages: [echoed] });
    const [, message] = await messagesOf(number);
    hasFields(message, {
      direction: "outbound",
      status: "sent",
      content: "Sudah dikirim",
      sent_at: dateOf(START + 60),
      sent_by: null,
      metadata: { source: "echo" },
    });
    const after = await conversationOf(message);
    hasFields(after, {
      unread_count: 0,
      last_message_preview: "Sudah dikirim",
      last_message_direction: "outbound",
      window_expires_at: conversation.window_expires_at,
      last_inbound_at: dateOf(START),
    });
    await delivers({ statuses: [statusOf(number, echoed.wamid, "read", { timestamp: START + 90 })] });
    assert.equal((await messageNow(message)).status, "read");
  });

  test("leaves the same unread count in every order of arrival", async (t) => {
    const random = chance();
    t.diagnostic(`seed ${random.seed}`);
    for (let round = 0; round < 8; round++) {
      const length = 5;
      const kinds = Array.from({ length }, (_, nth) => (nth === 2 ? "echo" : random.pick(["echo", "text", "text"])));
      const expected = length - 1 - kinds.lastIndexOf("echo");
      const orders = [
        [0, 1, 2, 3, 4],
        [4, 3, 2, 1, 0],
        random.shuffle([0, 1, 2, 3, 4]),
        random.shuffle([0, 1, 2, 3, 4]),
      ];
      for (const order of orders) {
        const number = await newInbox();
        const from = someDigits();
        const elements = kinds.map((kind, nth) =>
          (kind === "echo" ? echo : inboundText)(number, { from, timestamp: START + nth * 10 }),
        );
        for (const at of order) await delivers({ messages: [elements[at]] });
        const [{ unread_count }] = await conversationsOf(number);
        assert.equal(unread_count, expected, `${kinds} in the order ${order}`);
      }
    }
  });

  test("to a new customer creates contact and conversation, and its statuses may come first", async () => {
    const number = await newInbox();
    const echoed = echo(number, { from: someDigits(), timestamp: START });
    await delivers({ statuses: [statusOf(number, echoed.wamid, "delivered", { timestamp: START + 2 })] });
    await delivers({ messages: [echoed] });
    const [message] = await messagesOf(number);
    assert.deepEqual(
      [message.status, message.sent_at, message.delivered_at],
      ["delivered", dateOf(START), dateOf(START + 2)],
    );
    const [conversation] = await conversationsOf(number);
    assert.deepEqual(
      [conversation.window_expires_at, conversation.unread_count, conversation.status],
      [null, 0, "open"],
    );
  });

  test("of an edit changes the message it refers to", async () => {
    const number = await newInbox();
    const echoed = echo(number, { from: someDigits(), text: "besok", timestamp: START });
    await delivers({
      messages: [
        echoed,
        {
          ...aboutMessage(number, "edit", echoed.wamid, { from: echoed.from, text: "lusa" }),
          source: "echo",
          direction: "outbound",
        },
      ],
    });
    const [message] = await messagesOf(number);
    assert.deepEqual([message.content, message.original_content], ["lusa", "besok"]);
  });
});

describe("the message history", () => {
  const past = (/** @type {any} */ number, /** @type {any} */ properties) => ({
    ...inboundText(number, properties),
    source: "history",
  });

  test("is stored with its statuses, raises no unread count, opens no window and starts no automatic message", async () => {
    const number = await newInbox();
    const from = someDigits();
    const ours = { direction: "outbound" };
    const elements = [
      past(number, { from, text: "dulu", timestamp: START }),
      ...["READ", "DELIVERED", "SENT", "PLAYED", "PENDING", "ERROR"].map((history_status, i) => ({
        ...past(number, { from, timestamp: START + 1 + i, history_status }),
        ...ours,
      })),
    ];
    await delivers({ messages: elements });
    await delivers({ messages: elements });
    const rows = await messagesOf(number);
    assert.deepEqual(
      rows.map((row) => [row.direction, row.status]),
      [
        ["inbound", "received"],
        ["outbound", "read"],
        ["outbound", "delivered"],
        ["outbound", "sent"],
        ["outbound", "played"],
        ["outbound", "sent"],
        ["outbound", "failed"],
      ],
    );
    assert.ok(rows.every((row) => row.metadata.source === "history"));
    const [conversation] = await conversationsOf(number);
    hasFields(conversation, {
      unread_count: 0,
      window_expires_at: null,
      last_inbound_at: null,
      status: "resolved",
      last_message_at: dateOf(START + 6),
    });
    await delivers({ statuses: [statusOf(number, elements[2].wamid, "sent", { timestamp: START + 60 })] });
    assert.equal((await messageNow(rows[2])).status, "delivered", "no state is lowered");
    const late = await receivesMessage(number, { from });
    assert.deepEqual([late.conversation.status, late.conversation.unread_count], ["open", 1]);
  });

  test("brings files before or after the messages they belong to", async () => {
    const number = await newInbox();
    for (const order of [
      [0, 1],
      [1, 0],
    ]) {
      const wamid = someWamid();
      const from = someDigits();
      const image = {
        ...element(number, "image", { image: { id: "77" } }, { from, wamid, timestamp: START, preview: "📷" }),
        source: "history",
      };
      const placeholder = {
        ...element(number, "media_placeholder", {}, { from, wamid, timestamp: START, preview: "📎" }),
        source: "history",
      };
      for (const at of order) await delivers({ messages: [[placeholder, image][at]] });
      const [message] = await sql`select * from public.messages where whatsapp_message_id = ${wamid}`;
      assert.deepEqual([message.type, message.content, message.payload.image], ["image", "📷", { id: "77" }]);
      const [{ last_message_preview }] =
        await sql`select last_message_preview from public.conversations where id = ${message.conversation_id}`;
      assert.equal(last_message_preview, "📷");
    }
  });
});

test("a file has its row when its message first came as a placeholder, and when it came from the phone app", async () => {
  const number = await newInbox();
  const from = someDigits();
  const file = { image: { id: "77", mime_type: "image/jpeg" } };
  const options = (/** @type {object} */ more) => ({
    from,
    wamid: someWamid(),
    timestamp: START,
    preview: "📷",
    ...more,
  });
  const filled = options({ source: "history" });
  const ours = options({ source: "history", direction: "outbound" });
  const echoed = options({ source: "echo", direction: "outbound" });
  for (const one of [filled, ours]) {
    const of = (/** @type {string} */ kind, /** @type {object} */ body) => ({
      ...element(number, kind, body, one),
      ...one,
    });
    await delivers({ messages: [of("media_placeholder", {})] });
    for (const _ of [1, 2]) await delivers({ messages: [of("image", file)] });
  }
  for (const _ of [1, 2]) await delivers({ messages: [{ ...element(number, "image", file, echoed), ...echoed }] });
  const files = await sql`
    select m.whatsapp_message_id as wamid, f.state, f.meta_media_id, f.expires_at > now() + interval '1 day' as is_kept
    from public.message_media f join public.messages m on m.id = f.message_id where m.session_id = ${number.id}`;
  assert.deepEqual(
    files.map((row) => row.wamid).sort(),
    [filled, ours, echoed].map((one) => /** @type {any} */ (one).wamid).sort(),
  );
  assert.ok(files.every((row) => row.state === "pending" && row.meta_media_id === "77" && row.is_kept));
});

describe("an invalid element is skipped alone:", () => {
  test("a message, a status or an event that the database refuses", async () => {
    const number = await newInbox();
    const { conversation } = await receivesMessage(number);
    const outbound = await newOutbound(conversation);
    const good = inboundText(number);
    const { event_id } = await delivers({
      messages: [
        inboundText(number, { from: "not a number" }),
        good,
        inboundText(number, { from: null, user_id: "x".repeat(161) }),
      ],
      statuses: [
        statusOf(number, outbound.whatsapp_message_id, "delivered"),
        { ...statusOf(number, outbound.whatsapp_message_id, "failed"), timestamp: "yesterday" },
        statusOf(number, outbound.whatsapp_message_id, "read", { errors: [{ code: 99_999_999_999 }] }),
      ],
      events: [
        {
          field: "user_preferences",
          phone_number_id: number.meta_phone_number_id,
          payload: { user_preferences: [{ wa_id: "x", category: "marketing_messages", value: "stop" }] },
        },
        { field: "security", business_account_id: number.meta_business_account_id, payload: { event: "PIN_CHANGED" } },
      ],
    });
    const event = await eventOf(event_id);
    assert.deepEqual(
      [event.outcome, event.messages_count, event.statuses_count, event.events_count],
      ["partial", 1, 2, 1],
    );
    assert.deepEqual(
      event.leftovers.map((/** @type {any} */ row) => row.reason),
      [...Array(3).fill("refused_by_database"), "no_sender"],
    );
    assert.ok((await messagesOf(number)).some((row) => row.whatsapp_message_id === good.wamid));
    assert.equal((await messageNow(outbound)).status, "read");
  });

  test("but an error of another kind fails the whole delivery, so that Meta repeats it", async () => {
    const number = await newInbox();
    const { contact, conversation } = await receivesMessage(number);
    const elements = [inboundText(number), inboundText(number, { from: contact.wa_id })];
    await sql.begin(async (holder) => {
      await holder`select from public.conversations where id = ${conversation.id} for update`;
      await assert.rejects(
        sql.begin(async (sql) => {
          await sql`set local lock_timeout = '50ms'`;
          await sql`select public.ingest_webhook(body => '{}', messages => ${sql.json(elements)})`;
        }),
        { code: "55P03" },
      );
    });
    assert.equal((await messagesOf(number)).length, 1);
  });
});

describe("a replayed delivery", () => {
  test("adds only missing rows, and each message keeps its place in the thread", async () => {
    const number = await newInbox();
    const stranger = { meta_phone_number_id: someDigits() };
    const delivery = {
      body: `{"n":"${randomUUID()}"}`,
      messages: [inboundText(number), inboundText(stranger)],
      statuses: [statusOf(number, someWamid(), "sent")],
    };
    const { event_id } = await delivers(delivery);
    const [conversation] = await conversationsOf(number);
    await delivers({ ...delivery, body: "", replay_of: event_id });
    assert.deepEqual(await conversationsOf(number), [conversation]);
    assert.deepEqual([(await eventOf(event_id)).outcome, (await eventOf(event_id)).body], ["partial", delivery.body]);

    const tenant = await newTenant();
    await sql`
      insert into public.whatsapp_sessions (tenant_id, meta_phone_number_id, meta_business_account_id)
      values (${tenant.id}, ${stranger.meta_phone_number_id}, '1')`;
    await delivers({ ...delivery, body: "", replay_of: event_id });
    const event = await eventOf(event_id);
    assert.deepEqual([event.outcome, event.messages_count, event.leftovers], ["stored", 2, []]);
    assert.ok(event.replayed_at);
    assert.equal((await sql`select from public.messages where tenant_id = ${tenant.id}`).length, 1);
    assert.deepEqual(await conversationsOf(number), [conversation]);
  });

  test("is found by its id or by its time of arrival, page by page", async () => {
    const ids = [];
    for (let n = 0; n < 5; n++) ids.push((await delivers({ body: `replay ${n}` })).event_id);
    const at = new Date("2001-02-03T04:05:06Z");
    await sql`update public.webhook_events set received_at = ${at} where id = any (${ids})`;
    const page = async (/** @type {any} */ only, /** @type {any} */ after, size = 3) => {
      const [row] = await asService(
        (sql) => sql`
        select public.webhook_events_to_replay(${only}, ${only ? null : at}, ${only ? null : at}, ${after}, ${size}) as rows`,
      );
      return row.rows.map((/** @type {any} */ event) => event.id);
    };
    assert.deepEqual(await page(null, null), ids.slice(0, 3));
    assert.deepEqual(await page(null, ids[2]), ids.slice(3));
    assert.deepEqual(await page(ids[1], null), [ids[1]]);
    await sql`delete from public.webhook_events where id = any (${ids})`;
  });

  test("is out of reach for users", async () => {
    const admin = await newUser(await newTenant(), "admin");
    for (const forbidden of [
      "public.webhook_events_to_replay(1, null, null, null, 1)",
      "public.prune_webhook_events()",
    ]) {
      await assert.rejects(
        sql.begin(async (sql) => {
          await sql`select set_config('request.jwt.claims', ${JSON.stringify({ role: "authenticated", sub: admin.id })}, true), set_config('role', 'authenticated', true)`;
          await sql.unsafe(`select ${forbidden}`);
        }),
        { code: "42501" },
      );
    }
  });
});

test("deliveries are kept as long as the setting says, and 30 days without it", async () => {
  const aged = async (/** @type {number} */ days) => {
    const { event_id } = await delivers({ body: `aged ${days}` });
    await sql`update public.webhook_events set received_at = now() - make_interval(days => ${days}) where id = ${event_id}`;
    return event_id;
  };
  const ids = [await aged(29), await aged(31), await aged(50), await aged(70)];
  const left = async () =>
    (await sql`select id from public.webhook_events where id = any (${ids}) order by id`).map((row) => Number(row.id));
  const prune = async (days = null) =>
    (await asService((sql) => sql`select public.prune_webhook_events(${days}) as gone`))[0].gone;
  assert.equal(await prune(60), 1);
  await sql`insert into private.settings values ('webhook_events_days', '40')`;
  try {
    assert.equal(await prune(), 1);
    assert.deepEqual(await left(), ids.slice(0, 2));
  } finally {
    await sql`delete from private.settings where name = 'webhook_events_days'`;
  }
  assert.equal(await prune(), 1);
  assert.deepEqual(await left(), ids.slice(0, 1));
  assert.equal(await prune(), 0);
});
