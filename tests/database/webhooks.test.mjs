// Deliveries of Meta: stored once and in the right place, in whatever order and however often they come.
import assert from "node:assert/strict";
import { randomUUID } from "node:crypto";
import { describe, test } from "node:test";
import { hasFields } from "../fields.mjs";
import { chance } from "./chance.mjs";
import { useDatabase } from "./database.mjs";
import { dateOf, inboundText, seconds, someWamid, statusOf } from "./inbox.mjs";
import { retried } from "./refusals.mjs";
import { someDigits } from "./tenancy.mjs";
import { becomesTrue, isWaitedFor } from "./waiting.mjs";

const {
  sql,
  connect,
  newTenant,
  newUser,
  as,
  asService,
  newNumber,
  receivesMessage,
  delivers,
  conversationOf,
  newOutbound,
  messageNow,
} = await useDatabase();

const DAY = 86_400;
const newInbox = async () => newNumber(await newTenant());
/** @param {any} number */
const contactsOf = async (number) => [
  ...(await sql`select * from public.contacts where tenant_id = ${number.tenant_id} order by wa_id, user_id`),
];
/** @param {any} number */
const conversationsOf = async (number) => [
  ...(await sql`select * from public.conversations where session_id = ${number.id}`),
];
/** @param {any} number */
const messagesOf = async (number) => [...(await sql`select * from public.messages where session_id = ${number.id}`)];
/** @param {number} id */
const eventOf = async (id) => (await sql`select * from public.webhook_events where id = ${id}`)[0];

describe("a text message", () => {
  test("creates contact, conversation and message, and opens the window", async () => {
    const number = await newInbox();
    const at = seconds(90);
    const { element, message, conversation, contact } = await receivesMessage(number, {
      from: "6281200000001",
      profile_name: "Rina",
      text: "Apa kabar?",
      timestamp: at,
      context_id: "wamid.before",
    });
    assert.deepEqual(
      {
        tenant_id: contact.tenant_id,
        wa_id: contact.wa_id,
        user_id: contact.user_id,
        profile_name: contact.profile_name,
        name: contact.name,
      },
      { tenant_id: number.tenant_id, wa_id: "6281200000001", user_id: null, profile_name: "Rina", name: null },
    );
    const { id, tenant_id, contact_id, created_at, updated_at, unseen_since, ...state } = conversation;
    assert.deepEqual([tenant_id, contact_id, unseen_since !== null], [number.tenant_id, contact.id, true]);
    assert.deepEqual(state, {
      session_id: number.id,
      status: "open",
      assigned_to: null,
      unread_count: 1,
      last_message_at: dateOf(at),
      last_message_preview: "Apa kabar?",
      last_message_type: "text",
      last_message_direction: "inbound",
      last_inbound_at: dateOf(at),
      echoed_at: null,
      window_expires_at: dateOf(at + DAY),
      referral: null,
      referral_at: null,
      read_message_id: null,
      priority: "none",
      priority_rank: 0,
      snoozed_until: null,
      waiting_since: dateOf(at),
    });
    hasFields(message, {
      direction: "inbound",
      type: "text",
      status: "received",
      content: "Apa kabar?",
      occurred_at: dateOf(at),
      context_message_id: "wamid.before",
      payload: element.payload,
    });
  });

  test("that is repeated changes nothing", async () => {
    const number = await newInbox();
    const { element, conversation, message } = await receivesMessage(number);
    await delivers({ messages: [element] });
    await delivers({ messages: [element, element] });
    assert.deepEqual(await conversationOf(message), conversation);
    assert.deepEqual(await messagesOf(number), [message]);
  });

  test("is kept raw with each delivery", async () => {
    const number = await newInbox();
    const element = inboundText(number);
    const body = JSON.stringify({ object: "whatsapp_business_account", nonce: randomUUID() });
    for (const _ of [1, 2]) {
      const { event_id } = await delivers({
        body,
        messages: [element],
        statuses: [statusOf(number, someWamid(), "sent")],
      });
      const { received_at, id, ...event } = await eventOf(event_id);
      assert.deepEqual(event, {
        body,
        encoding: "utf-8",
        outcome: "stored",
        messages_count: 1,
        statuses_count: 1,
        events_count: 0,
        leftovers: [],
        replay_tries: 0,
        replayed_at: null,
      });
    }
  });

  test("reopens a resolved, snoozed or pending conversation, and leaves an assigned one to its agent", async () => {
    const tenant = await newTenant();
    const number = await newNumber(tenant);
    const agent = await newUser(tenant, "agent");
    for (const [before, after] of [
      ["resolved", "open"],
      ["snoozed", "open"],
      ["pending", "open"],
    ]) {
      const { conversation, contact, message } = await receivesMessage(number);
      await sql`update public.conversations set status = ${before}, assigned_to = ${agent.id} where id = ${conversation.id}`;
      await receivesMessage(number, { from: contact.wa_id });
      const { status, assigned_to, unread_count } = await conversationOf(message);
      assert.deepEqual([status, assigned_to, unread_count], [after, agent.id, 2]);
    }
  });

  test("differs from a notice of the platform, which opens no window", async () => {
    const number = await newInbox();
    const { conversation } = await receivesMessage(number, { kind: "system", text: "changed number" });
    assert.deepEqual(
      [conversation.window_expires_at, conversation.last_inbound_at, conversation.unread_count],
      [null, null, 1],
    );
  });

  test("of an unknown kind is stored with its readable parts", async () => {
    const number = await newInbox();
    const { message, conversation } = await receivesMessage(number, { kind: "hologram".repeat(20), preview: null });
    assert.deepEqual([message.type.length, message.content, conversation.last_message_preview], [64, null, null]);
  });

  test("that is long is previewed in 200 characters and stored whole", async () => {
    const { message, conversation } = await receivesMessage(await newInbox(), { preview: "é".repeat(4096) });
    assert.deepEqual([message.content.length, conversation.last_message_preview], [4096, "é".repeat(200)]);
  });
});

describe("two deliveries at the same moment", () => {
  test("store a message once: the second waits for the first", async () => {
    const number = await newInbox();
    const element = inboundText(number);
    let second;
    await sql.begin(async (first) => {
      await first`select public.ingest_webhook(body => '{}', messages => ${sql.json([element])})`;
      second = delivers({ messages: [element] }).then(
        () => "stored",
        (error) => error.code,
      );
      const [{ pid }] = await first`select pg_backend_pid() as pid`;
      await becomesTrue(() => isWaitedFor(sql, pid));
    });
    assert.equal(await second, "stored");
    const [conversation, ...more] = await conversationsOf(number);
    assert.deepEqual([conversation.unread_count, more.length], [1, 0]);
    assert.equal((await messagesOf(number)).length, 1);
    assert.equal((await contactsOf(number)).length, 1);
  });

  test("of different messages count both", async () => {
    const number = await newInbox();
    const from = someDigits();
    await receivesMessage(number, { from });
    await Promise.all(
      Array.from({ length: 8 }, () => retried(() => delivers({ messages: [inboundText(number, { from })] }))),
    );
    const [conversation] = await conversationsOf(number);
    assert.equal(conversation.unread_count, 9);
    assert.equal((await messagesOf(number)).length, 9);
  });
});

describe("one ingest call", () => {
  test("takes messages and statuses of several numbers and tenants", async () => {
    const [one, two] = [await newInbox(), await newInbox()];
    const three = await newNumber({ id: one.tenant_id });
    const from = someDigits();
    const wamid = someWamid();
    const before = await receivesMessage(two, { from });
    const outbound = await newOutbound(before.conversation);
    await delivers({
      // The same person and even the same wamid with each: wamids are unique per number only.
      messages: [one, two, three].map((number) => inboundText(number, { from, wamid })),
      statuses: [statusOf(two, outbound.whatsapp_message_id, "delivered")],
    });
    for (const [number, messages] of /** @type {const} */ ([
      [one, 1],
      [two, 3],
      [three, 1],
    ])) {
      const rows = await messagesOf(number);
      assert.equal(rows.length, messages);
      assert.ok(rows.every((row) => row.tenant_id === number.tenant_id));
      assert.equal((await conversationsOf(number)).length, 1);
    }
    assert.equal((await contactsOf(one)).length, 1, "one contact of the tenant for both of its numbers");
    assert.equal((await contactsOf(two)).length, 1);
    assert.equal((await messageNow(outbound)).status, "delivered");
  });

  test("keeps elements of unknown numbers as leftovers, and stores the rest", async () => {
    const number = await newInbox();
    const [unknown, other] = [{ meta_phone_number_id: someDigits() }, { meta_phone_number_id: someDigits() }];
    const element = inboundText(number);
    const { event_id } = await delivers({
      messages: [inboundText(unknown), element, inboundText(unknown)],
      statuses: [statusOf(other, someWamid(), "sent")],
      others: [{ field: "account_update", reason: "not_handled" }],
    });
    const { leftovers, ...event } = await eventOf(event_id);
    assert.deepEqual([event.outcome, event.messages_count, event.statuses_count], ["partial", 1, 0]);
    const byNumber = (/** @type {any} */ a, /** @type {any} */ b) =>
      String(a.phone_number_id).localeCompare(String(b.phone_number_id));
    assert.deepEqual(
      leftovers.sort(byNumber),
      [
        { field: "account_update", reason: "not_handled" },
        ...[unknown, other].map((number) => ({
          reason: "unknown_number",
          phone_number_id: number.meta_phone_number_id,
        })),
      ].sort(byNumber),
    );
    assert.deepEqual(
      (await messagesOf(number)).map((row) => row.whatsapp_message_id),
      [element.wamid],
    );
  });

  test("keeps a body that is not JSON", async () => {
    const { event_id } = await delivers({ body: "<html>", is_json: false });
    const { body, outcome } = await eventOf(event_id);
    assert.deepEqual([body, outcome], ["<html>", "not_json"]);
  });

  test("keeps no event if only elements are to be stored", async () => {
    const number = await newInbox();
    const element = inboundText(number);
    const answer = await delivers({ messages: [element], keep_event: false });
    assert.deepEqual(answer, { campaigns: [], automatic: false });
    assert.equal((await messagesOf(number)).length, 1);
  });

  test("takes a thousand elements", async () => {
    const number = await newInbox();
    const people = Array.from({ length: 40 }, () => someDigits());
    const start = seconds(2000);
    const messages = Array.from({ length: 600 }, (_, i) =>
      inboundText(number, { from: people[i % 40], timestamp: start + i, text: `${i}` }),
    );
    const { conversation } = await receivesMessage(number, { from: people[0], timestamp: start - 1 });
    const outbound = await Promise.all(
      Array.from({ length: 100 }, () => newOutbound(conversation, { at: dateOf(start - 10) })),
    );
    const statuses = outbound.flatMap(({ whatsapp_message_id: wamid }) =>
      ["sent", "delivered", "read", "played"].map((status, i) =>
        statusOf(number, wamid, status, { timestamp: start + i }),
      ),
    );
    const { event_id } = await delivers({ messages, statuses });
    const { messages_count, statuses_count, outcome } = await eventOf(event_id);
    assert.deepEqual([messages_count, statuses_count, outcome], [600, 400, "stored"]);
    const conversations = await conversationsOf(number);
    assert.equal(conversations.length, 40);
    assert.equal(
      conversations.reduce((sum, row) => sum + row.unread_count, 0),
      601,
    );
    const last = new Map(messages.map((element) => [element.from, element.preview]));
    for (const row of conversations) {
      const [contact] = await sql`select wa_id from public.contacts where id = ${row.contact_id}`;
      assert.equal(row.last_message_preview, last.get(contact.wa_id));
    }
    const [{ played }] = await sql`
      select count(*)::integer as played from public.messages where session_id = ${number.id} and status = 'played'`;
    assert.equal(played, 100);
  });
});

describe("a sender", () => {
  test("without a phone number is known by the user id, and stays one contact when the number appears", async () => {
    const number = await newInbox();
    const user_id = `ID.${randomUUID()}`;
    const hidden = await receivesMessage(number, { from: null, user_id, profile_name: "Rina", username: "rina" });
    assert.deepEqual(
      [hidden.contact.wa_id, hidden.contact.user_id, hidden.contact.profile_name, hidden.contact.username],
      [null, user_id, "Rina", "rina"],
    );
    const from = someDigits();
    const shown = await receivesMessage(number, { from, user_id });
    assert.equal(shown.contact.id, hidden.contact.id);
    assert.deepEqual([shown.contact.wa_id, shown.contact.user_id], [from, user_id]);
    assert.equal(shown.conversation.id, hidden.conversation.id);
    const hiddenAgain = await receivesMessage(number, { from: null, user_id });
    const plain = await receivesMessage(number, { from });
    assert.deepEqual([hiddenAgain.contact.id, plain.contact.id], [hidden.contact.id, hidden.contact.id]);
    assert.equal((await contactsOf(number)).length, 1);
  });

  test("who is hidden and visible in one delivery is one contact", async () => {
    const number = await newInbox();
    const user_id = `ID.${randomUUID()}`;
    const from = someDigits();
    await delivers({
      messages: [
        inboundText(number, { from: null, user_id }),
        inboundText(number, { from, user_id }),
        inboundText(number, { from }),
        inboundText(number, { from: null, user_id }),
      ],
    });
    const contacts = await contactsOf(number);
    assert.deepEqual(
      contacts.map((contact) => [contact.wa_id, contact.user_id]),
      [[from, user_id]],
    );
    assert.deepEqual(
      (await conversationsOf(number)).map((row) => row.unread_count),
      [4],
    );
  });

  test("who is known by phone number gets the user id when it appears", async () => {
    const number = await newInbox();
    const { contact } = await receivesMessage(number);
    const user_id = `ID.${randomUUID()}`;
    const again = await receivesMessage(number, { from: contact.wa_id, user_id });
    assert.deepEqual([again.contact.id, again.contact.user_id], [contact.id, user_id]);
    const hidden = await receivesMessage(number, { from: null, user_id });
    assert.equal(hidden.contact.id, contact.id);
  });

  test("who has two phone numbers fails no delivery", async () => {
    const number = await newInbox();
    const user_id = `ID.${randomUUID()}`;
    const [old, fresh] = [someDigits(), someDigits()].sort();
    await delivers({
      messages: [inboundText(number, { from: old, user_id }), inboundText(number, { from: fresh, user_id })],
    });
    const contacts = await contactsOf(number);
    assert.deepEqual(
      contacts.map((contact) => contact.wa_id),
      [old, fresh],
    );
    assert.equal(contacts.filter((contact) => contact.user_id === user_id).length, 1);
    assert.equal((await messagesOf(number)).length, 2);
  });

  test("who is known twice, by phone number and by user id, fails no delivery", async () => {
    const number = await newInbox();
    const [from, user_id] = [someDigits(), `ID.${randomUUID()}`];
    await receivesMessage(number, { from });
    await receivesMessage(number, { from: null, user_id });
    const both = await receivesMessage(number, { from, user_id });
    assert.equal(both.contact.wa_id, from);
    assert.equal((await messagesOf(number)).length, 3);
  });

  test("of one tenant is unknown to another", async () => {
    const [own, other] = [await newInbox(), await newInbox()];
    const who = { from: someDigits(), user_id: `ID.${randomUUID()}` };
    const [one, two] = [await receivesMessage(own, who), await receivesMessage(other, who)];
    assert.notEqual(one.contact.id, two.contact.id);
    assert.deepEqual([one.contact.tenant_id, two.contact.tenant_id], [own.tenant_id, other.tenant_id]);
  });

  test("may change the profile name, but not the name a person typed", async () => {
    const number = await newInbox();
    const { contact } = await receivesMessage(number, { profile_name: "Rina" });
    await sql`update public.contacts set name = 'Ibu Rina (langganan)' where id = ${contact.id}`;
    const renamed = await receivesMessage(number, { from: contact.wa_id, profile_name: "Rina K" });
    assert.deepEqual([renamed.contact.profile_name, renamed.contact.name], ["Rina K", "Ibu Rina (langganan)"]);
    const silent = await receivesMessage(number, { from: contact.wa_id });
    assert.equal(silent.contact.profile_name, "Rina K", "a delivery without a name removes none");
  });

  test("who writes twice in one delivery gets the name of the later message", async () => {
    const number = await newInbox();
    const from = someDigits();
    await delivers({ messages: ["Rina", "Rina K"].map((profile_name) => inboundText(number, { from, profile_name })) });
    assert.deepEqual(
      (await contactsOf(number)).map((contact) => contact.profile_name),
      ["Rina K"],
    );
  });
});

describe("order", () => {
  const [early, late] = [seconds(600), seconds(60)];

  test("of arrival does not decide the latest message", async () => {
    const number = await newInbox();
    const from = someDigits();
    await receivesMessage(number, { from, text: "second", timestamp: late });
    const { conversation } = await receivesMessage(number, { from, text: "first", timestamp: early });
    hasFields(conversation, {
      last_message_preview: "second",
      last_message_at: dateOf(late),
      last_inbound_at: dateOf(late),
      window_expires_at: dateOf(late + DAY),
      unread_count: 2,
    });
  });

  test("within a delivery does not decide the latest message", async () => {
    const number = await newInbox();
    const from = someDigits();
    await delivers({
      messages: [
        inboundText(number, { from, text: "second", timestamp: late }),
        inboundText(number, { from, text: "first", timestamp: early }),
      ],
    });
    const [conversation] = await conversationsOf(number);
    assert.deepEqual([conversation.last_message_preview, conversation.last_message_at], ["second", dateOf(late)]);
  });

  test("of messages of the same second is that of their arrival", async () => {
    const tenant = await newTenant();
    const number = await newNumber(tenant);
    const from = someDigits();
    const text = (/** @type {number} */ n) => inboundText(number, { from, text: `${n}`, timestamp: late });
    await delivers({ messages: [1, 2, 3, 4, 5].map(text) });
    for (const n of [6, 7, 8]) await delivers({ messages: [text(n)] });
    const [conversation] = await conversationsOf(number);
    assert.equal(conversation.last_message_preview, "8");

    const admin = await newUser(tenant, "admin");
    const read = [];
    let before = null;
    do {
      const [row] = await as(
        admin,
        (sql) => sql`select public.read_thread(${conversation.id}, 'before', ${before}, null, false, 3) as page`,
      );
      read.push(...row.page.rows.map((/** @type {any} */ message) => message.content));
      before = row.page.older;
    } while (before !== null);
    assert.deepEqual(read, ["8", "7", "6", "5", "4", "3", "2", "1"]);
  });

  test("of messages of the same second in one delivery decides the preview", async () => {
    const number = await newInbox();
    const people = Array.from({ length: 20 }, () => someDigits());
    const messages = [1, 2, 3].flatMap((n) =>
      people.map((from) => inboundText(number, { from, text: `${n}`, timestamp: late })),
    );
    await delivers({ messages });
    assert.deepEqual(
      (await conversationsOf(number)).map((row) => row.last_message_preview),
      people.map(() => "3"),
    );
  });
});

describe("an absurd time", () => {
  const ABSURD = {
    missing: null,
    zero: 0,
    negative: -5,
    "in milliseconds": Date.now(),
    "in a year": seconds(-365 * DAY),
    "beyond any calendar": Number.MAX_SAFE_INTEGER,
  };
  for (const [name, timestamp] of Object.entries(ABSURD)) {
    test(`(${name}) counts as now`, async () => {
      const number = await newInbox();
      const before = Date.now();
      const { message, conversation } = await receivesMessage(number, { timestamp });
      const outbound = await newOutbound(conversation);
      await delivers({ statuses: [statusOf(number, outbound.whatsapp_message_id, "delivered", { timestamp })] });
      for (const time of [
        message.occurred_at,
        conversation.last_message_at,
        (await messageNow(outbound)).delivered_at,
      ]) {
        assert.ok(Math.abs(time - before) < 60_000, `${time}`);
      }
      assert.ok(Math.abs(conversation.window_expires_at - before - DAY * 1000) < 60_000);
    });
  }
});

test("sixteen connections that post overlapping deliveries leave the result of one connection", async (t) => {
  const luck = chance();
  t.diagnostic(`CRM_TEST_SEED=${luck.seed}`);
  const numbers = [await newInbox(), await newInbox()];
  const start = seconds(3600);
  // 12 people, some known by phone number, some by user id, some by both, each writing to both numbers
  const people = Array.from({ length: 12 }, (_, i) => ({
    from: i % 3 === 1 ? null : someDigits(),
    user_id: i % 3 === 0 ? null : `ID.${randomUUID()}`,
  }));
  const messages = numbers.flatMap((number) =>
    people.flatMap((person, p) =>
      [0, 1, 2].map((n) => inboundText(number, { ...person, timestamp: start + p * 10 + n, text: `${p}.${n}` })),
    ),
  );
  const kinds = ["sent", "delivered", "read"];
  const statuses = [];
  for (const number of numbers) {
    const { conversation } = await receivesMessage(number, { from: people[0].from, timestamp: start - 1 });
    const outbound = await Promise.all(
      Array.from({ length: 15 }, () => newOutbound(conversation, { at: dateOf(start - 10) })),
    );
    for (const { whatsapp_message_id: wamid } of outbound) {
      statuses.push(...kinds.map((status, i) => statusOf(number, wamid, status, { timestamp: start + i })));
    }
  }

  const connections = connect({ max: 16 });
  try {
    // The first worker posts every element in some delivery; the others post random ones.
    const deliveries = Array.from({ length: 16 }, (_, worker) => {
      const [some, others] = [luck.shuffle(messages), luck.shuffle(statuses)];
      return worker === 0
        ? chunks(some, 12).map((part, i) => ({ messages: part, statuses: chunks(others, 15)[i] ?? [] }))
        : Array.from({ length: 6 }, () => ({
            messages: luck.shuffle(messages).slice(0, luck.integer(1, 25)),
            statuses: luck.shuffle(statuses).slice(0, luck.integer(1, 40)),
          }));
    });
    await Promise.all(
      deliveries.map(async (own) => {
        for (const delivery of own) {
          await retried(() =>
            connections.begin(async (sql) => {
              await sql`set local role service_role`;
              await sql`select public.ingest_webhook(body => '{}', messages => ${sql.json(delivery.messages)}, statuses => ${sql.json(delivery.statuses)})`;
            }),
          );
        }
      }),
    );
  } finally {
    await connections.end();
  }

  for (const number of numbers) {
    const rows = await sql`
      select c.wa_id, c.user_id, v.unread_count, v.last_message_preview, v.last_message_at
      from public.conversations v join public.contacts c on c.id = v.contact_id
      where v.session_id = ${number.id}`;
    const key = (/** @type {any} */ row) => `${row.wa_id} ${row.user_id}`;
    assert.deepEqual(
      new Map(rows.map((row) => [key(row), [row.unread_count, row.last_message_preview, row.last_message_at]])),
      new Map(
        people.map((person, p) => [
          `${person.from} ${person.user_id}`,
          [p === 0 ? 4 : 3, `${p}.2`, dateOf(start + p * 10 + 2)],
        ]),
      ),
    );
    const [counts] = await sql`
      select
        count(*) filter (where direction = 'inbound')::integer as inbound,
        count(*) filter (where direction = 'outbound' and status = 'read' and sent_at is not null and delivered_at is not null)::integer as read
      from public.messages where session_id = ${number.id}`;
    assert.deepEqual(counts, { inbound: people.length * 3 + 1, read: 15 });
  }
});

test("users cannot make a delivery", async () => {
  const number = await newInbox();
  const admin = await newUser({ id: number.tenant_id }, "admin");
  const forged = as(
    admin,
    (sql) => sql`select public.ingest_webhook(body => '{}', messages => ${sql.json([inboundText(number)])})`,
  );
  await assert.rejects(forged, { code: "42501" });
  assert.equal((await messagesOf(number)).length, 0);
  // the service's own call would have stored it
  await asService(
    (sql) => sql`select public.ingest_webhook(body => '{}', messages => ${sql.json([inboundText(number)])})`,
  );
  assert.equal((await messagesOf(number)).length, 1);
});

/** @template Item @param {Item[]} list @param {number} size @returns {Item[][]} */
function chunks(list, size) {
  return Array.from({ length: Math.ceil(list.length / size) }, (_, i) => list.slice(i * size, (i + 1) * size));
}
