// The effects of a message on its conversation: state, unread count, assignment and automatic messages.
import assert from "node:assert/strict";
import { describe, test } from "node:test";
import { useDatabase } from "./database.mjs";
import { aboutMessage, inboundText, seconds } from "./inbox.mjs";
import { someDigits } from "./tenancy.mjs";

const { sql, calls, newTenant, newUser, newNumber, delivers, receivesMessage } = await useDatabase();

/** @param {{ assignment?: string, settings?: object }} [options] */
async function newOffice({ assignment = "manual", settings = {} } = {}) {
  const tenant = await newTenant();
  const [admin, agent] = [await newUser(tenant, "admin"), await newUser(tenant, "agent")];
  const number = await newNumber(tenant);
  await sql`update public.whatsapp_sessions set assignment = ${assignment} where id = ${number.id}`;
  await sql`update public.profiles set availability = 'online' where user_id = ${agent.id}`;
  await calls(admin, "save_automations", { settings: sql.json({ business_hours: {}, ...settings }), session_id: null });
  return { tenant, admin, agent, number };
}
const now = async (/** @type {{ id: string }} */ { id }) =>
  (await sql`select * from public.conversations where id = ${id}`)[0];
const GREETING = { greeting: { enabled: true, text: "Hai" } };
const automaticIn = async (/** @type {{ id: string }} */ { id }) =>
  (
    await sql`
      select m.metadata ->> 'automation' as purpose from public.messages m
      where m.conversation_id = ${id} and m.metadata ? 'automation' order by m.created_at`
  ).map(({ purpose }) => purpose);
const eventsOf = async (/** @type {{ id: string }} */ { id }) =>
  (
    await sql`
      select kind, actor_id, details from public.conversation_events
      where conversation_id = ${id} order by occurred_at, kind`
  ).map(({ kind, actor_id, details }) => [kind, actor_id, details.to]);

/**
 * A conversation that has been read, in this state.
 * @param {any} admin @param {any} number @param {string} status
 */
async function settled(admin, number, status) {
  const received = await receivesMessage(number, { timestamp: seconds(3600) });
  const { id } = received.conversation;
  await calls(admin, "read_conversation", { conversation_id: id });
  const changes = status === "snoozed" ? { status, snoozed_until: "2099-01-01T00:00:00Z" } : { status };
  if (status !== "open") await calls(admin, "update_conversation", { conversation_id: id, changes });
  return received;
}

describe("a customer's message", () => {
  const notice = (/** @type {any} */ number, /** @type {string} */ kind, /** @type {object} */ more) => {
    const element = inboundText(number, { ...more, kind });
    element.payload = { id: element.wamid, type: kind };
    return element;
  };
  /** @type {Record<string, { opens: string[], counts: boolean, element: (number: any, more: object, wamid: string) => any }>} */
  const kinds = {
    "a text": { opens: ["pending", "snoozed", "resolved"], counts: true, element: inboundText },
    "a message in a group": {
      opens: ["pending", "snoozed", "resolved"],
      counts: true,
      element: (number, more) => inboundText(number, { ...more, group_id: "g" }),
    },
    "a notice": { opens: [], counts: true, element: (number, more) => notice(number, "system", more) },
    "a reaction": {
      opens: [],
      counts: false,
      element: (number, more, wamid) => aboutMessage(number, "reaction", wamid, { ...more, emoji: "👍" }),
    },
    "an edit": {
      opens: [],
      counts: false,
      element: (number, more, wamid) => aboutMessage(number, "edit", wamid, { ...more, text: "Ubah" }),
    },
    history: {
      opens: [],
      counts: false,
      element: (number, more) => inboundText(number, { ...more, source: "history" }),
    },
  };
  for (const [name, { opens, counts, element }] of Object.entries(kinds)) {
    for (const status of ["open", "pending", "snoozed", "resolved"]) {
      const expected = opens.includes(status) ? "open" : status;
      test(`as ${name} makes a conversation that is ${status} ${expected}`, async () => {
        const { number, admin } = await newOffice();
        const { conversation, contact, message } = await settled(admin, number, status);
        await delivers({ messages: [element(number, { from: contact.wa_id }, message.whatsapp_message_id)] });
        const after = await now(conversation);
        assert.deepEqual([after.status, after.unread_count], [expected, counts ? 1 : 0]);
        assert.equal(after.snoozed_until === null, expected !== "snoozed");
      });
    }
  }

  for (const status of ["open", "pending", "resolved"]) {
    test(`leaves a ${status} conversation as it was if the contact is blocked`, async () => {
      const { number, admin } = await newOffice({ assignment: "round_robin", settings: GREETING });
      await sql`update public.profiles set availability = 'offline' where tenant_id = ${number.tenant_id}`;
      const { conversation, contact } = await settled(admin, number, status);
      await sql`update public.profiles set availability = 'online' where tenant_id = ${number.tenant_id}`;
      const before = await now(conversation);
      const said = await automaticIn(conversation);
      await calls(admin, "block_contact", { contact_id: contact.id, blocked: true });
      await delivers({ messages: [inboundText(number, { from: contact.wa_id, text: "Kenapa?" })] });
      const after = await now(conversation);
      for (const key of ["status", "unread_count", "assigned_to", "waiting_since", "unseen_since"]) {
        assert.deepEqual(after[key], before[key], key);
      }
      assert.equal(after.last_message_preview, "Kenapa?");
      assert.deepEqual(await automaticIn(conversation), said);
    });
  }

  test("of a blocked contact opens nothing, also when an answer from the phone app comes with it", async () => {
    const { number, admin } = await newOffice();
    const { conversation, contact } = await settled(admin, number, "resolved");
    await calls(admin, "block_contact", { contact_id: contact.id, blocked: true });
    await delivers({
      messages: [
        inboundText(number, { from: contact.wa_id, text: "Kenapa?", timestamp: seconds(20) }),
        inboundText(number, { from: contact.wa_id, source: "echo", direction: "outbound", timestamp: seconds(10) }),
      ],
    });
    const after = await now(conversation);
    assert.deepEqual([after.status, after.unread_count, after.waiting_since], ["resolved", 0, null]);
  });

  test("is unread again for those who have read, and for them alone", async () => {
    const { number, admin, agent } = await newOffice();
    const { conversation, contact } = await receivesMessage(number);
    await calls(admin, "read_conversation", { conversation_id: conversation.id });
    await delivers({ messages: [inboundText(number, { from: contact.wa_id })] });
    const reads = await sql`
      select user_id, marked_unread from public.conversation_reads where conversation_id = ${conversation.id}`;
    assert.deepEqual([...reads], [{ user_id: admin.id, marked_unread: true }]);
    assert.notEqual(agent.id, admin.id);
  });

  test("is read by an answer from the phone app if the answer is later", async () => {
    const { number, contact, conversation } = await (async () => {
      const office = await newOffice();
      return { ...office, ...(await receivesMessage(office.number, { timestamp: seconds(100) })) };
    })();
    const echo = (/** @type {number} */ ago) =>
      inboundText(number, {
        from: contact.wa_id,
        source: "echo",
        direction: "outbound",
        timestamp: seconds(ago),
      });
    await delivers({ messages: [echo(200)] });
    assert.equal((await now(conversation)).unread_count, 1);
    await delivers({ messages: [echo(50), inboundText(number, { from: contact.wa_id, timestamp: seconds(60) })] });
    const after = await now(conversation);
    assert.deepEqual([after.unread_count, after.waiting_since], [0, null]);
  });

  test("is recorded in the history of the conversation: the opening and the assignment", async () => {
    const { number, admin, agent } = await newOffice({ assignment: "round_robin" });
    await sql`update public.profiles set availability = 'offline' where user_id = ${agent.id}`;
    const { conversation, contact } = await settled(admin, number, "resolved");
    await sql`update public.profiles set availability = 'online' where user_id = ${agent.id}`;
    await delivers({ messages: [inboundText(number, { from: contact.wa_id })] });
    const events = await eventsOf(conversation);
    assert.deepEqual(
      [events[0], events.slice(1).sort()],
      [
        ["status_changed", admin.id, "resolved"],
        [
          ["assigned", null, agent.id],
          ["status_changed", null, "open"],
        ],
      ],
    );
  });

  for (const kind of /** @type {const} */ (["edit", "revoke"])) {
    test(`as an opt-out word counts, also when the same delivery brings the ${kind} of it`, async () => {
      const { number } = await newOffice();
      const word = inboundText(number, { text: "STOP", timestamp: seconds(60) });
      const after = aboutMessage(number, kind, word.wamid, { from: word.from, text: "Halo", timestamp: seconds(50) });
      await delivers({ messages: [word, after] });
      const [contact] = await sql`
        select marketing_opted_out_at is not null as opted_out from public.contacts
        where tenant_id = ${number.tenant_id} and wa_id = ${word.from}`;
      assert.equal(contact.opted_out, true);
    });
  }

  test("among many at the same time is shared out evenly", async () => {
    const { number, tenant, agent } = await newOffice({ assignment: "least_busy" });
    const colleague = await newUser(tenant, "agent");
    await sql`update public.profiles set availability = 'online' where user_id = ${colleague.id}`;
    await delivers({ messages: Array.from({ length: 10 }, () => inboundText(number)) });
    const held = await sql`
      select assigned_to, count(*)::int as n from public.conversations where session_id = ${number.id} group by 1`;
    assert.deepEqual(
      new Map(held.map(({ assigned_to, n }) => [assigned_to, n])),
      new Map([
        [agent.id, 5],
        [colleague.id, 5],
      ]),
    );
  });

  test("never exceeds a person's limit, even among many at the same time", async () => {
    const { number } = await newOffice({ assignment: "round_robin" });
    await sql`update public.whatsapp_sessions set assignment_max_open = 3 where id = ${number.id}`;
    await delivers({ messages: Array.from({ length: 5 }, () => inboundText(number)) });
    const [{ held }] = await sql`
      select count(*) filter (where assigned_to is not null)::int as held from public.conversations where session_id = ${number.id}`;
    assert.equal(held, 3);
  });

  test("from before a change of its number opens the writer's pending conversation under the new number", async () => {
    const { number, admin } = await newOffice();
    const [old, fresh] = [someDigits(), someDigits()];
    const { conversation } = await receivesMessage(number, { from: fresh, timestamp: seconds(500) });
    await calls(admin, "read_conversation", { conversation_id: conversation.id });
    await calls(admin, "update_conversation", { conversation_id: conversation.id, changes: { status: "pending" } });
    const change = notice(number, "system", { from: old, timestamp: seconds(300) });
    change.payload.system = { type: "user_changed_number", wa_id: fresh };
    const words = [400, 200].map((ago) => inboundText(number, { from: old, timestamp: seconds(ago) }));
    for (const element of words) element.payload.from = old;
    for (const element of [...words, change]) await delivers({ messages: [element] });
    const after = await now(conversation);
    assert.deepEqual([after.status, after.unread_count > 0, after.unseen_since !== null], ["open", true, true]);
  });
});

describe("our message to a customer", () => {
  const body = (/** @type {any} */ conversation, /** @type {string} */ text) => ({
    conversation_id: conversation.id,
    type: "text",
    content: text,
    payload: { text: { body: text } },
  });

  test("written by a person answers and reads, for that person alone", async () => {
    const { number, admin, agent } = await newOffice();
    const { conversation } = await receivesMessage(number);
    await calls(agent, "read_conversation", { conversation_id: conversation.id });
    await calls(agent, "unread_conversation", { conversation_id: conversation.id });
    await calls(admin, "create_message", body(conversation, "Siap"));
    const after = await now(conversation);
    assert.deepEqual(
      [after.unread_count, after.waiting_since, after.last_message_preview, after.last_message_direction],
      [0, null, "Siap", "outbound"],
    );
    const reads = await sql`
      select user_id, marked_unread from public.conversation_reads where conversation_id = ${conversation.id}`;
    assert.deepEqual(
      new Map(reads.map(({ user_id, marked_unread }) => [user_id, marked_unread])),
      new Map([
        [admin.id, false],
        [agent.id, true],
      ]),
    );
  });

  test("that is a reaction only reads: the customer still waits", async () => {
    const { number, admin } = await newOffice();
    const { conversation, message } = await receivesMessage(number);
    const before = await now(conversation);
    const payload = { type: "reaction", reaction: { message_id: message.id, emoji: "👍" } };
    await calls(admin, "create_message", { ...body(conversation, "👍"), type: "reaction", payload });
    const after = await now(conversation);
    assert.deepEqual(
      [after.unread_count, after.waiting_since, after.last_message_preview],
      [0, before.waiting_since, before.last_message_preview],
    );
  });

  test("that is automatic answers nothing", async () => {
    const { number } = await newOffice({ settings: GREETING });
    const { conversation } = await receivesMessage(number);
    assert.deepEqual(await automaticIn(conversation), ["greeting"]);
    const after = await now(conversation);
    assert.deepEqual(
      [after.unread_count, after.waiting_since, after.last_message_direction],
      [1, after.last_message_at, "inbound"],
    );
  });

  test("that is scheduled changes nothing now, and answers when it is sent", async () => {
    const { number, admin } = await newOffice();
    const { conversation } = await receivesMessage(number);
    const { updated_at, ...before } = await now(conversation);
    const planned = await calls(admin, "schedule_message", {
      ...body(conversation, "Besok"),
      send_at: new Date(Date.now() + 3_600_000),
    });
    const { updated_at: later, ...after } = await now(conversation);
    assert.deepEqual(after, before);
    assert.ok(later >= updated_at);
    await sql`update public.messages set send_at = now() where id = ${planned.id}`;
    await calls("service", "claim_scheduled_messages", { batch: 100 });
    const sent = await now(conversation);
    assert.deepEqual(
      [sent.unread_count, sent.waiting_since, sent.last_message_preview, sent.last_message_type],
      [0, null, "Besok", "text"],
    );
  });
});

describe("a change without a customer's message", () => {
  test("or with one from a blocked customer leaves a snoozed conversation asleep until its time", async () => {
    const { number, admin } = await newOffice();
    const { conversation, contact } = await settled(admin, number, "snoozed");
    const { snoozed_until } = await now(conversation);
    await calls(admin, "block_contact", { contact_id: contact.id, blocked: true });
    await delivers({ messages: [inboundText(number, { from: contact.wa_id })] });
    const after = await now(conversation);
    assert.deepEqual([after.status, after.snoozed_until], ["snoozed", snoozed_until]);
  });

  test("that marks a conversation as unread assigns it to no person", async () => {
    const { number, admin } = await newOffice();
    const { conversation } = await settled(admin, number, "open");
    await sql`update public.whatsapp_sessions set assignment = 'round_robin' where id = ${number.id}`;
    await calls(admin, "unread_conversation", { conversation_id: conversation.id });
    const after = await now(conversation);
    assert.deepEqual([after.unread_count, after.assigned_to], [1, null]);
    assert.deepEqual(await eventsOf(conversation), []);
  });

  test("that merges two conversations of one person sends no greeting", async () => {
    const { number, admin } = await newOffice();
    const [kept, gone] = [
      await receivesMessage(number, { timestamp: seconds(2 * 86_400) }),
      await receivesMessage(number, { timestamp: seconds(200) }),
    ];
    const settings = { greeting: { enabled: true, text: "Hai", after_days: 1 } };
    await calls(admin, "save_automations", { settings: sql.json(settings), session_id: null });
    await sql`select private.merge_contacts(kept => ${kept.contact.id}, gone => ${gone.contact.id})`;
    assert.deepEqual(await automaticIn(kept.conversation), []);
    const after = await now(kept.conversation);
    assert.deepEqual([after.unread_count, after.last_inbound_at], [2, gone.message.occurred_at]);
  });
});
