// Automatic messages: greeting, away message and satisfaction question, each sent once and only when it should be.
import assert from "node:assert/strict";
import { randomUUID } from "node:crypto";
import { before, describe, test } from "node:test";
import { hasFields } from "../fields.mjs";
import { useDatabase } from "./database.mjs";
import { aboutMessage, inboundText, seconds, someWamid, statusOf } from "./inbox.mjs";
import { isRefused, retried } from "./refusals.mjs";
import { someDigits } from "./tenancy.mjs";

// Work of all tenants is claimed together.
const database = await useDatabase({ own: true });
const {
  sql,
  calls,
  newTenant,
  newUser,
  newApiKey,
  newNumber,
  receivesMessage,
  delivers,
  conversationOf,
  messageNow,
  assign,
} = database;
const HOUR = 3600;
const DAY = 24 * HOUR;
const ALWAYS = {};
/** @type {Record<string, object[]>} */
const NEVER = { monday: [{ from: "00:00", to: "00:01" }] };

const json = (/** @type {any} */ value) => sql.json(value);
const sets = (/** @type {any} */ user, /** @type {object} */ settings, /** @type {any} */ number = null) =>
  calls(user, "save_automations", { settings: json(settings), session_id: number?.id ?? null });
const saidBy = (/** @type {any} */ conversation) => sql`
  select m.*, m.metadata ->> 'automation' as automation from public.messages m
  where m.conversation_id = ${conversation.id} and m.metadata ? 'automation' order by m.created_at`;
const automaticIn = async (/** @type {any} */ conversation) =>
  (await saidBy(conversation)).map(({ automation }) => automation);
const claims = (batch = 100, lease = 60) =>
  calls("service", "claim_automatic_messages", { batch_size: batch, lease_seconds: lease });
const records = (
  /** @type {any} */ claim,
  /** @type {any} */ message,
  /** @type {string} */ outcome,
  /** @type {object} */ report = {},
) =>
  calls("service", "record_automatic_messages", {
    results: json([{ message_id: message.message_id ?? message.id, claim_id: claim.claim_id, outcome, ...report }]),
  });
/** Queues an automatic message. @param {any} conversation @param {{ due_at?: Date }} [options] @param {any} [on] */
const queues = async (conversation, { due_at } = {}, on = sql) => {
  const payload = json({ text: { body: "Halo" } });
  const [{ id }] = await on`
    select private.queue_automatic_message(v, 'bot', 'text', 'Halo', ${payload}, coalesce(${due_at ?? null}::timestamptz, now())) as id
    from public.conversations v where v.id = ${conversation.id}`;
  return id;
};
const idsOf = (/** @type {any} */ claim) =>
  claim.messages.map((/** @type {any} */ { message_id }) => message_id).sort();
const drainQueue = async () => {
  for (let claim = await claims(); claim.messages.length > 0; claim = await claims()) {
    for (const message of claim.messages) await records(claim, message, "sent", { whatsapp_message_id: someWamid() });
  }
};
/** Moves a conversation into the past. @param {any} conversation @param {number} ago in seconds */
const ages = async (conversation, ago) => {
  await sql`update public.messages set occurred_at = occurred_at - make_interval(secs => ${ago}) where conversation_id = ${conversation.id}`;
  await sql`
    update public.conversations set last_inbound_at = null where id = ${conversation.id}`;
  await sql`
    update public.conversations v set last_inbound_at = l.at, window_expires_at = l.at + interval '24 hours'
    from (select max(occurred_at) as at from public.messages where conversation_id = ${conversation.id} and direction = 'inbound') l where v.id = ${conversation.id}`;
};

/** @param {{ greeting?: object, away?: object, csat?: object, hours?: object, holidays?: object[], locale?: string }} [settings] */
async function newOffice({ hours = ALWAYS, locale = "id", ...settings } = {}) {
  const tenant = await newTenant();
  await sql`update public.tenants set locale = ${locale}, name = 'Kopi' where id = ${tenant.id}`;
  const [admin, agent] = [await newUser(tenant, "admin"), await newUser(tenant, "agent")];
  const number = await newNumber(tenant);
  await sets(admin, { business_hours: hours, ...settings });
  return { tenant, admin, agent, number };
}
const on = (/** @type {object} */ more = {}) => ({ enabled: true, ...more });

describe("business is open", () => {
  const isOpen = async (
    /** @type {object} */ hours,
    /** @type {string} */ moment,
    { zone = "Asia/Jakarta", holidays = /** @type {object[]} */ ([]) } = {},
  ) =>
    (await sql`select private.is_open(${json(hours)}, ${json(holidays)}, ${zone}, ${moment}::timestamptz) as open`)[0]
      .open;
  const office = Object.fromEntries(
    ["monday", "tuesday", "wednesday", "thursday", "friday"].map((day) => [
      day,
      [
        { from: "08:00", to: "12:00" },
        { from: "13:00", to: "17:00" },
      ],
    ]),
  );

  test("by the tenant's clock, from the first minute until the end", async () => {
    // 23 November 2026 is a Monday; WIB is UTC+7
    for (const [moment, open] of /** @type {[string, boolean][]} */ ([
      ["2026-11-23T00:59:59Z", false],
      ["2026-11-23T01:00:00Z", true],
      ["2026-11-23T04:59:59Z", true],
      ["2026-11-23T05:00:00Z", false],
      ["2026-11-23T06:00:00Z", true],
      ["2026-11-23T09:59:59Z", true],
      ["2026-11-23T10:00:00Z", false],
      ["2026-11-22T02:00:00Z", false],
      ["2026-11-27T02:00:00Z", true],
      ["2026-11-28T02:00:00Z", false],
    ]))
      assert.equal(await isOpen(office, moment), open, moment);
    assert.equal(await isOpen(office, "2026-11-22T23:30:00Z", { zone: "Asia/Jayapura" }), true, "Monday there, 08:30");
  });

  test("past midnight, into a day that is otherwise closed", async () => {
    const bar = {
      saturday: [{ from: "20:00", to: "02:00" }],
      monday: [{ from: "18:00", to: "24:00" }],
      wednesday: [{ from: "22:00", to: "00:00" }],
    };
    for (const [local, open] of /** @type {[string, boolean][]} */ ([
      ["2026-11-21T19:59", false],
      ["2026-11-21T20:00", true],
      ["2026-11-21T23:59", true],
      ["2026-11-22T00:00", true],
      ["2026-11-22T01:59", true],
      ["2026-11-22T02:00", false],
      ["2026-11-22T21:00", false],
      ["2026-11-23T23:59", true],
      ["2026-11-24T00:00", false],
      ["2026-11-25T23:59", true],
      ["2026-11-26T00:00", false],
      ["2026-11-21T01:00", false],
    ]))
      assert.equal(await isOpen(bar, `${local}:00+07:00`), open, local);
  });

  test("as clocks show it when they change", async () => {
    const day = { sunday: [{ from: "03:00", to: "09:00" }], saturday: [{ from: "22:00", to: "02:30" }] };
    // Berlin: on 29 March 2026 02:00 becomes 03:00, on 25 October 03:00 becomes 02:00
    for (const [moment, open] of /** @type {[string, boolean][]} */ ([
      ["2026-03-29T00:59:00Z", true],
      ["2026-03-29T01:00:00Z", true],
      ["2026-03-29T06:59:00Z", true],
      ["2026-03-29T07:00:00Z", false],
      ["2026-10-25T00:29:00Z", true],
      ["2026-10-25T00:30:00Z", false],
      ["2026-10-25T01:29:00Z", true],
      ["2026-10-25T01:30:00Z", false],
      ["2026-10-25T02:00:00Z", true],
      ["2026-10-25T08:00:00Z", false],
    ]))
      assert.equal(await isOpen(day, moment, { zone: "Europe/Berlin" }), open, moment);
    const office9 = { monday: [{ from: "09:00", to: "17:00" }] };
    assert.deepEqual(
      [
        await isOpen(office9, "2026-07-06T13:30:00Z", { zone: "America/New_York" }),
        await isOpen(office9, "2026-12-07T13:30:00Z", { zone: "America/New_York" }),
      ],
      [true, false],
    );
  });

  test("not on holidays, though hours that began the evening before continue", async () => {
    const holidays = [{ date: "2026-12-25", name: "Natal" }];
    const bar = { thursday: [{ from: "20:00", to: "02:00" }], friday: [{ from: "20:00", to: "02:00" }] };
    for (const [local, open] of /** @type {[string, boolean][]} */ ([
      ["2026-12-24T21:00", true],
      ["2026-12-25T01:00", true],
      ["2026-12-25T21:00", false],
      ["2026-12-26T01:00", false],
    ])) {
      assert.equal(await isOpen(bar, `${local}:00+07:00`, { holidays }), open, local);
    }
    assert.deepEqual(
      [await isOpen({}, "2026-12-25T03:00:00Z", { holidays }), await isOpen({}, "2026-12-26T03:00:00Z", { holidays })],
      [false, true],
    );
    assert.equal(await isOpen({ monday: [] }, "2026-12-22T03:00:00Z"), true, "always open without hours");
  });

  test("or closed even with malformed hours", async () => {
    for (const hours of [null, [], "x", { monday: "x" }, { monday: [7] }, { monday: [{}] }])
      assert.equal(
        typeof (await isOpen(/** @type {any} */ (hours), "2026-11-23T02:00:00Z")),
        "boolean",
        JSON.stringify(hours),
      );
  });
});

describe("a greeting", () => {
  test("is queued for a customer's first message, in the same transaction", async () => {
    const { number, tenant } = await newOffice({ greeting: on() });
    const element = inboundText(number, { profile_name: "Rina" });
    const answer = await delivers({ messages: [element] });
    assert.equal(answer.automatic, true);
    const [conversation] = await sql`select * from public.conversations where tenant_id = ${tenant.id}`;
    const [message] = await saidBy(conversation);
    const words = "Halo Rina! Terima kasih sudah menghubungi Kopi. Kami akan segera membalas pesan Anda.";
    hasFields(message, {
      automation: "greeting",
      status: "queued",
      direction: "outbound",
      type: "text",
      content: words,
      payload: { text: { body: words } },
      sent_by: null,
    });
    assert.deepEqual(
      [conversation.unread_count, conversation.last_message_direction, conversation.last_message_preview],
      [1, "inbound", "Halo"],
      "a machine answers no message",
    );
    assert.equal((await delivers({ messages: [element] })).automatic, false, "delivered twice");
    assert.equal((await saidBy(conversation)).length, 1);
    await receivesMessage(number, { from: element.from, text: "Ada?" });
    assert.equal((await saidBy(conversation)).length, 1);
  });

  test("uses the tenant's own text, or a default in the tenant's language", async () => {
    const { number } = await newOffice({ greeting: on({ text: "Hai {{contact.name}}, {{contact.phone_number}}" }) });
    const { conversation, contact } = await receivesMessage(number);
    assert.equal((await saidBy(conversation))[0].content, `Hai , +${contact.wa_id}`);
    const english = await newOffice({ greeting: on({ text: "" }), locale: "en" });
    assert.match((await saidBy((await receivesMessage(english.number)).conversation))[0].content, /^Hello /);
  });

  test("is sent once, however many deliveries come at the same moment", async () => {
    const { number } = await newOffice({ greeting: on() });
    for (let round = 0; round < 5; round++) {
      const from = someDigits();
      await Promise.all(
        Array.from({ length: 8 }, () => retried(() => delivers({ messages: [inboundText(number, { from })] }))),
      );
      const [conversation] = await sql`
        select v.* from public.conversations v join public.contacts c on c.id = v.contact_id where c.wa_id = ${from}`;
      assert.equal(
        (await sql`select from public.messages where conversation_id = ${conversation.id} and direction = 'inbound'`)
          .count,
        8,
      );
      assert.deepEqual(await automaticIn(conversation), ["greeting"]);
    }
  });

  test("is repeated after days of silence if the tenant sets that, once for each window", async () => {
    const { number, admin } = await newOffice({ greeting: on({ after_days: 3 }) });
    const { conversation, contact } = await receivesMessage(number);
    const writes = () => receivesMessage(number, { from: contact.wa_id });
    await ages(conversation, 2 * DAY);
    await writes();
    assert.deepEqual(await automaticIn(conversation), ["greeting"]);
    await ages(conversation, 4 * DAY);
    await writes();
    await writes();
    assert.deepEqual(await automaticIn(conversation), ["greeting", "greeting"]);
    await sets(admin, { greeting: on() });
    await ages(conversation, 40 * DAY);
    await writes();
    assert.equal((await saidBy(conversation)).length, 2, "never without the setting");
  });

  for (const [
    what,
    prepare,
    properties,
  ] of /** @type {[string, ((office: any, contact: any) => Promise<any>) | null, object][]} */ ([
    ["the history", null, { source: "history", direction: "inbound" }],
    ["the phone app", null, { source: "echo", direction: "outbound" }],
    ["a group", null, { group_id: "g" }],
    ["a notice", null, { kind: "system" }],
    ["a message a day old", null, { timestamp: seconds(DAY + 60) }],
    [
      "a paused number",
      ({ number }) => sql`update public.whatsapp_sessions set status = 'paused' where id = ${number.id}`,
      {},
    ],
    [
      "a blocked customer",
      (_, contact) => sql`update public.contacts set blocked_at = now() where id = ${contact.id}`,
      {},
    ],
    ["an organisation that has switched it off", ({ admin }) => sets(admin, { greeting: { enabled: false } }), {}],
  ])) {
    test(`is not sent for ${what}`, async () => {
      const office = await newOffice({ greeting: on() });
      const [contact] =
        await sql`insert into public.contacts (tenant_id, wa_id) values (${office.tenant.id}, ${someDigits()}) returning *`;
      await prepare?.(office, contact);
      const element = inboundText(office.number, { from: contact.wa_id, ...properties });
      assert.equal((await delivers({ messages: [element] })).automatic, false);
      assert.equal(
        (await sql`select from public.messages where tenant_id = ${office.tenant.id} and metadata ? 'automation'`)
          .count,
        0,
      );
    });
  }

  test("is not sent for a reaction, an edit or a revocation", async () => {
    const { number, admin } = await newOffice();
    const { contact, message, conversation } = await receivesMessage(number);
    await ages(conversation, 4 * DAY);
    await sets(admin, { greeting: on({ after_days: 3 }), away: on() });
    for (const kind of /** @type {const} */ (["reaction", "edit", "revoke"]))
      await delivers({
        messages: [
          aboutMessage(number, kind, message.whatsapp_message_id, { from: contact.wa_id, emoji: "👍", text: "x" }),
        ],
      });
    assert.deepEqual(await automaticIn(conversation), []);
  });
});

describe("an away message", () => {
  test("is sent outside business hours instead of the greeting, once for each window", async () => {
    const { number, admin } = await newOffice({ hours: NEVER, greeting: on(), away: on() });
    const { conversation, contact } = await receivesMessage(number);
    await receivesMessage(number, { from: contact.wa_id });
    assert.deepEqual(await automaticIn(conversation), ["away"]);
    await sets(admin, { business_hours: ALWAYS, away: on(), greeting: on() });
    await receivesMessage(number, { from: contact.wa_id });
    assert.deepEqual(await automaticIn(conversation), ["away"]);
    await sets(admin, { business_hours: NEVER, away: on(), greeting: on() });
    await ages(conversation, 2 * DAY);
    await receivesMessage(number, { from: contact.wa_id });
    assert.deepEqual(await automaticIn(conversation), ["away", "away"]);
  });

  test("of a new window does not depend on the kind of message that opened it", async () => {
    const { number } = await newOffice({ hours: NEVER, away: on() });
    const { conversation, contact, message } = await receivesMessage(number);
    await ages(conversation, 2 * DAY);
    await delivers({
      messages: [
        aboutMessage(number, "reaction", message.whatsapp_message_id, {
          from: contact.wa_id,
          emoji: "👍",
          timestamp: seconds(10),
        }),
      ],
    });
    assert.deepEqual(await automaticIn(conversation), ["away"]);
    await receivesMessage(number, { from: contact.wa_id });
    assert.deepEqual(await automaticIn(conversation), ["away", "away"]);
  });

  test("uses a number's own settings where they differ", async () => {
    const { number, admin, tenant } = await newOffice({ away: on({ text: "Tutup" }) });
    const other = await newNumber(tenant);
    await sets(admin, { business_hours: NEVER }, other);
    assert.deepEqual(await automaticIn((await receivesMessage(number)).conversation), [], "always open");
    assert.deepEqual(
      (await saidBy((await receivesMessage(other)).conversation)).map(({ content }) => content),
      ["Tutup"],
    );
    await sets(admin, { business_hours: NEVER, away: on({ text: "Cabang tutup" }) }, other);
    assert.deepEqual(
      (await saidBy((await receivesMessage(other)).conversation)).map(({ content }) => content),
      ["Cabang tutup"],
    );
    await sets(admin, {}, other);
    assert.deepEqual((await calls(admin, "get_automations")).numbers, []);
  });
});

describe("an automatic message", () => {
  before(drainQueue);

  test("is claimed once, with all data that a sender needs, and recorded", async () => {
    const { number } = await newOffice({ greeting: on() });
    const { conversation, contact } = await receivesMessage(number);
    const [first, second] = await Promise.all([claims(), claims()]);
    const handed = [...first.messages, ...second.messages];
    const [message] = await saidBy(conversation);
    assert.deepEqual(handed, [
      {
        message_id: message.id,
        session_id: number.id,
        phone_number_id: number.meta_phone_number_id,
        wa_id: contact.wa_id,
        user_id: null,
        type: "text",
        payload: message.payload,
        context_message_id: null,
        attempts: 1,
      },
    ]);
    assert.equal(message.status, "sending");
    const claim = first.messages.length ? first : second;
    const wamid = someWamid();
    await records(claim, message, "sent", { whatsapp_message_id: wamid });
    await records(claim, message, "sent", { whatsapp_message_id: wamid });
    assert.deepEqual(
      [(await messageNow(message)).status, (await messageNow(message)).whatsapp_message_id],
      ["sent", wamid],
    );
    assert.equal((await sql`select from private.automatic_messages where message_id = ${message.id}`).count, 0);
    await delivers({ statuses: [statusOf(number, wamid, "delivered")] });
    assert.equal((await messageNow(message)).status, "delivered");
  });

  test("of a dead sender is unknown, and never claimed again", async () => {
    const { number } = await newOffice({ greeting: on() });
    const { conversation } = await receivesMessage(number);
    const claim = await claims(100, 60);
    assert.equal(claim.messages.length, 1);
    assert.deepEqual((await claims()).messages, [], "the lease is valid");
    await sql`update private.automatic_messages set leased_until = now() - interval '1 second'`;
    assert.deepEqual((await claims()).messages, []);
    const [message] = await saidBy(conversation);
    assert.equal(message.status, "unknown");
    assert.deepEqual((await claims()).messages, []);
    // A late retry of the dead sender is not repeated, because Meta may have accepted the message.
    await records(claim, message, "retry", { error_title: "x", retry_in_ms: 0 });
    assert.equal((await messageNow(message)).status, "unknown");
    assert.deepEqual((await claims()).messages, []);
    // A status from Meta settles it, by our id.
    await delivers({ statuses: [statusOf(number, someWamid(), "sent", { callback_data: message.id })] });
    assert.equal((await messageNow(message)).status, "sent");
  });

  test("that Meta refuses temporarily waits before its retry, and a held one costs no attempt", async () => {
    const { number } = await newOffice({ greeting: on() });
    const { conversation } = await receivesMessage(number);
    let claim = await claims();
    await records(claim, claim.messages[0], "retry", { error_title: "x", retry_in_ms: 60_000 });
    assert.deepEqual((await claims()).messages, []);
    assert.equal((await saidBy(conversation))[0].status, "queued");
    await sql`update private.automatic_messages set due_at = now()`;
    claim = await claims();
    assert.equal(claim.messages[0].attempts, 2);
    await records(claim, claim.messages[0], "held", { retry_in_ms: 0 });
    claim = await claims();
    assert.equal(claim.messages[0].attempts, 2);
    await records(claim, claim.messages[0], "failed", { error_code: 131_026, error_title: "Undeliverable" });
    const [message] = await saidBy(conversation);
    assert.deepEqual([message.status, message.error_code], ["failed", 131_026]);
    assert.deepEqual((await claims()).messages, []);
  });

  test("of a conversation is claimed in order, each after the one before it has its outcome", async () => {
    const { number } = await newOffice();
    const [chat, other] = [await receivesMessage(number), await receivesMessage(number)];
    // One transaction gives them the same time.
    const [[first, second, third], elsewhere] = await sql.begin(async (transaction) => [
      [
        await queues(chat.conversation, {}, transaction),
        await queues(chat.conversation, {}, transaction),
        await queues(chat.conversation, {}, transaction),
      ],
      await queues(other.conversation, {}, transaction),
    ]);
    let claim = await claims();
    assert.deepEqual(idsOf(claim), [first, elsewhere].sort(), "one of each conversation");
    assert.deepEqual((await claims()).messages, [], "the first is being sent");
    await records(claim, { id: first }, "retry", { error_title: "x", retry_in_ms: 60_000 });
    assert.deepEqual((await claims()).messages, [], "the first waits for another attempt");
    await records(claim, { id: elsewhere }, "held", { retry_in_ms: 60_000 });
    await sql`update private.automatic_messages set due_at = now() where message_id = ${first}`;
    claim = await claims();
    assert.deepEqual(idsOf(claim), [first]);
    await records(claim, { id: first }, "sent", { whatsapp_message_id: someWamid() });
    claim = await claims();
    assert.deepEqual(idsOf(claim), [second]);
    await sql`update private.automatic_messages set leased_until = now() - interval '1 second' where message_id = ${second}`;
    assert.deepEqual(idsOf(await claims()), [third], "the second is unknown, and delays no other");
  });

  test("with a later time delays no other until that time", async () => {
    const { number } = await newOffice();
    const { conversation } = await receivesMessage(number);
    const later = await queues(conversation, { due_at: new Date(Date.now() + HOUR * 1000) });
    const now = await queues(conversation);
    let claim = await claims();
    assert.deepEqual(idsOf(claim), [now]);
    await records(claim, { id: now }, "sent", { whatsapp_message_id: someWamid() });
    assert.deepEqual((await claims()).messages, []);
    await sql`
      update private.automatic_messages
      set due_at = due_at - interval '1 hour', turn_at = turn_at - interval '1 hour'
      where message_id = ${later}`;
    const after = await queues(conversation);
    claim = await claims();
    assert.deepEqual(idsOf(claim), [later]);
    await records(claim, { id: later }, "sent", { whatsapp_message_id: someWamid() });
    assert.deepEqual(idsOf(await claims()), [after]);
  });

  test("waits while its number is paused, and fails once the window has closed", async () => {
    const { number } = await newOffice({ greeting: on() });
    const { conversation } = await receivesMessage(number);
    await sql`update public.whatsapp_sessions set status = 'paused' where id = ${number.id}`;
    assert.deepEqual((await claims()).messages, []);
    await sql`update public.conversations set window_expires_at = now() where id = ${conversation.id}`;
    await sql`update public.whatsapp_sessions set status = 'connected' where id = ${number.id}`;
    assert.deepEqual((await claims()).messages, []);
    assert.equal((await saidBy(conversation))[0].status, "failed");
  });

  test("that a person deleted is not sent", async () => {
    const { number, admin } = await newOffice({ greeting: on() });
    const { conversation } = await receivesMessage(number);
    const [{ id }] = await saidBy(conversation);
    await calls(admin, "delete_message", { message_id: id });
    assert.deepEqual((await claims()).messages, []);
    assert.equal((await messageNow({ id })).status, "failed");
    const { last_message_direction, last_message_type, waiting_since } = await conversationOf({
      conversation_id: conversation.id,
    });
    assert.deepEqual(
      [last_message_direction, last_message_type, waiting_since !== null],
      ["inbound", "text", true],
      "it was not a message of ours",
    );
  });

  test("is claimed by concurrent senders without a duplicate", async () => {
    const { number } = await newOffice({ greeting: on() });
    await delivers({ messages: Array.from({ length: 40 }, () => inboundText(number)) });
    const handed = (await Promise.all(Array.from({ length: 10 }, () => claims(7)))).flatMap(({ messages }) => messages);
    const rest = (await claims()).messages;
    assert.equal(new Set([...handed, ...rest].map(({ message_id }) => message_id)).size, 40);
    assert.equal(handed.length + rest.length, 40);
  });

  test("keeps the order of each conversation with concurrent senders", async () => {
    const { number } = await newOffice();
    const chats = await Promise.all(Array.from({ length: 3 }, () => receivesMessage(number)));
    const queued = new Map();
    for (let nth = 0; nth < 8; nth++) {
      for (const { conversation } of chats) {
        const id = await queues(conversation);
        queued.set(conversation.id, [...(queued.get(conversation.id) ?? []), id]);
      }
    }
    const chatOf = new Map([...queued].flatMap(([chat, ids]) => ids.map((/** @type {string} */ id) => [id, chat])));
    const sent = new Map(chats.map(({ conversation }) => [conversation.id, /** @type {string[]} */ ([])]));
    const underWay = new Set();
    const sender = async () => {
      while ([...sent.values()].flat().length < 24) {
        const claim = await claims(2);
        for (const { message_id } of claim.messages) {
          const chat = chatOf.get(message_id);
          assert.ok(!underWay.has(chat), "two messages of a conversation at once");
          underWay.add(chat);
        }
        for (const message of claim.messages) {
          const chat = chatOf.get(message.message_id);
          sent.get(chat)?.push(message.message_id);
          underWay.delete(chat);
          await records(claim, message, "sent", { whatsapp_message_id: someWamid() });
        }
      }
    };
    await Promise.all(Array.from({ length: 5 }, sender));
    assert.deepEqual(sent, queued);
  });
});

describe("the satisfaction question", () => {
  const becomes = (
    /** @type {string} */ status,
    /** @type {any} */ conversations,
    /** @type {import("postgres").Sql} */ asker = sql,
  ) =>
    asker`select private.change_conversations(${[conversations].flat().map(({ id }) => id)}::uuid[], ${json({ status })})`;
  const resolves = (/** @type {any} */ user, /** @type {any} */ conversations) =>
    database.as(user, async (sql) => {
      // As the function of the inbox does, which bypasses row level security in the caller's name.
      await sql`select set_config('role', 'none', true)`;
      await becomes("resolved", conversations, sql);
    });
  const surveyOf = async (/** @type {any} */ conversation) => [
    ...(await sql`select * from public.csat_responses where conversation_id = ${conversation.id} order by created_at`),
  ];
  const chooses = (
    /** @type {any} */ number,
    /** @type {any} */ contact,
    /** @type {string} */ id,
    /** @type {object} */ more = {},
  ) => {
    const element = inboundText(number, { from: contact.wa_id, kind: "interactive", text: "⭐", ...more });
    element.payload = {
      id: element.wamid,
      type: "interactive",
      interactive: { type: "list_reply", list_reply: { id, title: "⭐" } },
    };
    return delivers({ messages: [element] });
  };

  test("is sent once when a person resolves the conversation, with five answers", async () => {
    const { number, agent, tenant, admin } = await newOffice({ csat: on() });
    const { conversation } = await receivesMessage(number);
    await assign(conversation, agent);
    await resolves(admin, conversation);
    const [question] = await surveyOf(conversation);
    assert.deepEqual([question.agent_id, question.resolved_by, question.score], [agent.id, admin.id, null]);
    const [message] = await saidBy(conversation);
    assert.deepEqual(
      [message.automation, message.type, message.status, message.id],
      ["csat", "interactive", "queued", question.message_id],
    );
    const { action, body, type } = message.payload.interactive;
    assert.deepEqual([type, action.button, body.text], ["list", "Beri nilai", message.content]);
    assert.deepEqual(
      action.sections[0].rows.map((/** @type {any} */ { id }) => id),
      [5, 4, 3, 2, 1].map((score) => `csat:${question.id}:${score}`),
    );
    for (const { title, description } of action.sections[0].rows)
      assert.ok(title.length <= 24 && description.length <= 72);
    await becomes("open", conversation);
    await resolves(admin, conversation);
    assert.equal((await surveyOf(conversation)).length, 1, "not again within a week");
    await sql`update public.csat_responses set created_at = now() - interval '8 days' where tenant_id = ${tenant.id}`;
    await becomes("open", conversation);
    await resolves(agent, conversation);
    assert.equal((await surveyOf(conversation)).length, 2);
  });

  test("is sent for each conversation of a bulk action, but not after machines, keys or campaigns, in closed windows, or if it is switched off", async () => {
    const { number, admin, tenant } = await newOffice({ csat: on() });
    const several = [await receivesMessage(number), await receivesMessage(number), await receivesMessage(number)].map(
      ({ conversation }) => conversation,
    );
    await resolves(admin, several);
    for (const conversation of several) assert.deepEqual(await automaticIn(conversation), ["csat"]);
    const quiet = await receivesMessage(number);
    await becomes("resolved", quiet.conversation);
    const byKey = await receivesMessage(number);
    await resolves(await newApiKey(tenant, "manager"), byKey.conversation);
    const closed = await receivesMessage(number, { timestamp: seconds(DAY + 60) });
    await resolves(admin, closed.conversation);
    const blocked = await receivesMessage(number);
    await sql`update public.contacts set blocked_at = now() where id = ${blocked.contact.id}`;
    await resolves(admin, blocked.conversation);
    const off = await receivesMessage(number);
    await sets(admin, { csat: { enabled: false } });
    await resolves(admin, off.conversation);
    for (const { conversation } of [quiet, byKey, closed, blocked, off])
      assert.deepEqual([await automaticIn(conversation), await surveyOf(conversation)], [[], []]);
  });

  test("is answered by a choice, which does not reopen the conversation; the latest choice counts", async () => {
    const { number, admin } = await newOffice({ csat: on(), greeting: on(), away: on() });
    const { conversation, contact } = await receivesMessage(number);
    await resolves(admin, conversation);
    const before = await conversationOf({ conversation_id: conversation.id });
    const [{ id }] = await surveyOf(conversation);
    await chooses(number, contact, `csat:${id}:4`);
    await chooses(number, contact, `csat:${id}:2`, { timestamp: seconds(-2) });
    const [{ score, answered_at }] = await surveyOf(conversation);
    assert.deepEqual([score, answered_at !== null], [2, true]);
    const after = await conversationOf({ conversation_id: conversation.id });
    assert.deepEqual([after.status, after.unread_count], ["resolved", before.unread_count]);
    await receivesMessage(number, { from: contact.wa_id, text: "Satu lagi", timestamp: seconds(-4) });
    assert.equal((await conversationOf({ conversation_id: conversation.id })).status, "open", "words reopen it");
  });

  test("cannot be answered by another customer, or with an invalid score", async () => {
    const { number, admin } = await newOffice({ csat: on() });
    const { conversation, contact } = await receivesMessage(number);
    await resolves(admin, conversation);
    const [{ id }] = await surveyOf(conversation);
    const other = await receivesMessage(number);
    await chooses(number, other.contact, `csat:${id}:1`);
    const stranger = await newOffice();
    await receivesMessage(stranger.number, { from: contact.wa_id });
    await chooses(stranger.number, contact, `csat:${id}:1`);
    for (const wrong of [
      `csat:${id}:6`,
      `csat:${id}:0`,
      `csat:${id}`,
      `csat:${randomUUID()}:5`,
      `csat:x:5`,
      id,
      `csat:${id}:5'; drop table public.csat_responses; --`,
    ])
      await chooses(number, contact, wrong);
    assert.deepEqual(
      (await surveyOf(conversation)).map(({ score }) => score),
      [null],
    );
  });

  test("is reported as a total and by agent, number and day, to people with the permission", async () => {
    const { number, admin, agent, tenant } = await newOffice({ csat: on() });
    const report = (/** @type {any} */ user, /** @type {object} */ more = {}) =>
      calls(user, "csat_report", {
        asked_from: new Date(Date.now() - DAY * 1000),
        asked_until: new Date(Date.now() + DAY * 1000),
        ...more,
      });
    const scores = [5, 4, 3, null, 1];
    for (const [i, score] of scores.entries()) {
      const { conversation, contact } = await receivesMessage(number);
      if (i < 3) await assign(conversation, agent);
      await resolves(admin, conversation);
      const [{ id, message_id }] = await surveyOf(conversation);
      if (score !== null) await chooses(number, contact, `csat:${id}:${score}`);
      else await sql`update public.messages set status = 'failed' where id = ${message_id}`;
    }
    const { conversation } = await receivesMessage(number);
    await resolves(admin, conversation);
    const all = await report(admin);
    assert.deepEqual(all.summary, { asked: 5, answered: 4, average: 3.25, scores: { 1: 1, 2: 0, 3: 1, 4: 1, 5: 1 } });
    assert.deepEqual(
      all.agents.map((/** @type {any} */ { agent_id, asked, answered, average }) => [
        agent_id,
        asked,
        answered,
        average,
      ]),
      [
        [agent.id, 3, 3, 4],
        [admin.id, 2, 1, 1],
      ],
    );
    assert.deepEqual(
      all.numbers.map((/** @type {any} */ { session_id, asked }) => [session_id, asked]),
      [[number.id, 5]],
    );
    assert.equal(
      all.days.reduce((/** @type {number} */ sum, /** @type {any} */ { asked }) => sum + asked, 0),
      5,
    );
    assert.equal((await report(admin, { agent_filter: agent.id })).summary.asked, 3);
    const pages = [];
    for (let after = null; ;) {
      const page = await report(admin, { after, page_size: 3 });
      pages.push(...page.rows);
      after = page.next_cursor;
      if (after === null) break;
    }
    assert.deepEqual(
      pages.map(({ score }) => score),
      [1, 3, 4, 5],
    );
    await isRefused(report(agent), { code: "PT403" });
    const stranger = await newUser(await newTenant(), "super_admin");
    assert.deepEqual(
      [
        (await report(stranger)).summary.asked,
        (await report(stranger, { agent_filter: agent.id, session_filter: number.id })).rows,
      ],
      [0, []],
    );
    await isRefused(report(stranger, { after: pages[0].id }), { code: "PT422", hint: "after" });
    assert.ok(tenant);
  });
});

describe("settings", () => {
  test("are shown with their defaults, and stored", async () => {
    const tenant = await newTenant();
    const admin = await newUser(tenant, "admin");
    const first = await calls(admin, "get_automations");
    hasFields(first, { numbers: [], timezone: "Asia/Jakarta", open_now: true });
    hasFields(first.default.greeting, { enabled: false });
    hasFields(first.default.away, { enabled: false });
    hasFields(first.default.csat, { enabled: false, not_again_days: 7 });
    assert.match(first.default.greeting.text, /\{\{contact.name\}\}/);
    const hours = { monday: [{ from: "22:00", to: "06:00" }] };
    const kept = await sets(admin, {
      business_hours: hours,
      holidays: [{ date: "2026-12-25", name: "Natal" }],
      greeting: { enabled: true, text: "Hai", after_days: 30 },
    });
    assert.deepEqual(
      [kept.default.business_hours, kept.default.holidays, kept.default.greeting],
      [hours, [{ date: "2026-12-25", name: "Natal" }], { enabled: true, text: "Hai", after_days: 30 }],
    );
    assert.deepEqual((await calls(admin, "get_tenant")).business_hours, hours, "the stored settings");
    assert.deepEqual((await sets(admin, { away: on() })).default.business_hours, hours, "unnamed settings stay");
  });

  test("are refused with the field of an invalid value", async () => {
    const { admin } = await newOffice();
    for (const [settings, hint] of /** @type {[any, string][]} */ ([
      [{ business_hours: [] }, "business_hours"],
      [{ business_hours: { monday: [{ from: "9:00", to: "10:00" }] } }, "business_hours.monday"],
      [{ business_hours: { monday: [{ from: "09:00", to: "09:00" }] } }, "business_hours.monday"],
      [{ business_hours: { funday: [] } }, "business_hours.funday"],
      [{ holidays: ["2026-12-25"] }, "holidays"],
      [{ holidays: [{ date: "Natal" }] }, "holidays"],
      [{ holidays: {} }, "holidays"],
      [{ greeting: { enabled: "yes" } }, "greeting.enabled"],
      [{ greeting: { enabled: true, text: "x".repeat(4001) } }, "greeting.text"],
      [{ greeting: { enabled: true, after_days: 366 } }, "greeting.after_days"],
      [{ greeting: { enabled: true, after_days: "3" } }, "greeting.after_days"],
      [{ greeting: { enabled: true, x: 1 } }, "greeting"],
      [{ away: true }, "away"],
      [{ away: { enabled: true, text: "{{contact.x}}" } }, "away.text"],
      [{ away: { enabled: true, text: "{{agent.name}}" } }, "away.text"],
      [{ away: { enabled: true, text: "{{agent.email}}" } }, "away.text"],
      [{ csat: { enabled: true, text: "x".repeat(1001) } }, "csat.text"],
      [{ csat: { enabled: true, not_again_days: 1.5 } }, "csat.not_again_days"],
    ]))
      await isRefused(sets(admin, settings), { code: "PT422", hint });
  });

  test("need their permission, and are closed to other tenants", async () => {
    const { admin, agent, number, tenant } = await newOffice({ away: on({ text: "Rahasia" }) });
    const manager = await newUser(tenant, "manager");
    await calls(manager, "get_automations");
    await isRefused(sets(manager, {}), { code: "PT403" });
    await isRefused(calls(agent, "get_automations"), { code: "PT403" });
    const stranger = await newUser(await newTenant(), "admin");
    await isRefused(sets(stranger, { away: on() }, number), { code: "PT422", hint: "session_id" });
    assert.ok(!JSON.stringify(await calls(stranger, "get_automations")).includes("Rahasia"));
    assert.equal((await calls(admin, "get_automations")).default.away.text, "Rahasia");
  });
});
