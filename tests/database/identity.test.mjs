// One person is one contact, in whatever form their number comes, when they hide it, and when they change it.
import assert from "node:assert/strict";
import { randomInt, randomUUID } from "node:crypto";
import { describe, test } from "node:test";
import { hasFields } from "../fields.mjs";
import { chance } from "./chance.mjs";
import { useDatabase } from "./database.mjs";
import { dateOf, inboundText, seconds, statusOf } from "./inbox.mjs";
import { retried } from "./refusals.mjs";
import { someDigits } from "./tenancy.mjs";
import { becomesTrue, isWaitedFor } from "./waiting.mjs";

const {
  sql,
  connect,
  newTenant,
  newUser,
  newNumber,
  receivesMessage,
  delivers,
  newOutbound,
  newCampaign,
  conversationOf,
  assign,
} = await useDatabase();

const START = seconds(7200);
const newInbox = async () => newNumber(await newTenant());
const someUserId = () => `ID.${randomUUID()}`;
/** @param {any} number */
const contactsOf = async (number) => [
  ...(await sql`select * from public.contacts where tenant_id = ${number.tenant_id} order by created_at, id`),
];
/** @param {any} number */
const conversationsOf = async (number) => [
  ...(await sql`select * from public.conversations where session_id = ${number.id}`),
];
/** @param {any} number @param {object} notice @param {object} [properties] */
function notice(number, notice, properties) {
  const element = inboundText(number, { kind: "system", text: "changed", ...properties });
  element.payload = { id: element.wamid, from: element.from, type: "system", system: notice };
  return element;
}
const local = () => String(randomInt(1e7, 9.9e7)).padStart(8, "0");

describe("one number in two forms is one contact:", () => {
  const eight = local();
  const FORMS = {
    "Brazil with and without the ninth digit": [`55119${`8${eight.slice(1)}`}`, `5511${`8${eight.slice(1)}`}`],
    "Mexico with and without the 1": [`52155${eight}`, `5255${eight}`],
    "Argentina with and without the 9": [`54911${eight}`, `5411${eight}`],
    "Indonesia with and without the national 0": [`620812${eight}`, `62812${eight}`],
  };
  for (const [name, [one, two]] of Object.entries(FORMS)) {
    test(name, async () => {
      for (const [first, second] of [
        [one, two],
        [two, one],
      ]) {
        const number = await newInbox();
        await receivesMessage(number, { from: first, profile_name: "Rina" });
        const again = await receivesMessage(number, { from: second });
        const contacts = await contactsOf(number);
        assert.deepEqual(
          contacts.map((contact) => [contact.wa_id, contact.profile_name]),
          [[second, "Rina"]],
        );
        assert.equal(again.conversation.unread_count, 2);
      }
      const number = await newInbox();
      await delivers({ messages: [one, two, one].map((from) => inboundText(number, { from })) });
      assert.equal((await contactsOf(number)).length, 1);
      assert.deepEqual(
        (await conversationsOf(number)).map((row) => row.unread_count),
        [3],
      );
    });
  }

  test("but a Brazilian landline stays apart from a mobile number that resembles it", async () => {
    const number = await newInbox();
    await delivers({ messages: ["5511941234567", "551141234567"].map((from) => inboundText(number, { from })) });
    assert.equal((await contactsOf(number)).length, 2);
  });

  test("and a campaign to one form reaches the contact of the other", async () => {
    const number = await newInbox();
    const { contact, conversation } = await receivesMessage(number, { from: `5511${`8${eight.slice(1)}`}` });
    const campaign = await newCampaign(number, { status: "paused" });
    await sql`update public.broadcast_recipients set wa_id = ${`55119${`8${eight.slice(1)}`}`} where campaign_id = ${campaign.id}`;
    const [recipient] = await sql`select id from public.broadcast_recipients where campaign_id = ${campaign.id}`;
    await sql`select private.prepare_messages(${number.id}, ${[recipient.id]})`;
    assert.deepEqual(
      (await contactsOf(number)).map((row) => row.id),
      [contact.id],
    );
    const [message] =
      await sql`select conversation_id from public.messages where session_id = ${number.id} and direction = 'outbound'`;
    assert.equal(message.conversation_id, conversation.id);
  });
});

describe("a person with two contacts", () => {
  test("is merged when number and user id come together, and all data of both is kept", async () => {
    const tenant = await newTenant();
    const [number, second] = [await newNumber(tenant), await newNumber(tenant)];
    const agent = await newUser(tenant, "agent");
    const [from, user_id] = [someDigits(), someUserId()];
    const shown = await receivesMessage(number, { from, timestamp: START, text: "satu" });
    await sql`update public.conversations set status = 'resolved' where id = ${shown.conversation.id}`;
    const hidden = await receivesMessage(number, {
      from: null,
      user_id,
      profile_name: "Rina",
      timestamp: START + 100,
      text: "dua",
    });
    const elsewhere = await receivesMessage(second, { from: null, user_id, timestamp: START + 50 });
    await sql`update public.contacts set name = 'Ibu Rina' where id = ${hidden.contact.id}`;
    await assign(hidden.conversation, agent);
    await newOutbound(hidden.conversation, { at: dateOf(START + 101) });
    await sql`select private.record_consents(${sql.json([
      {
        tenant_id: tenant.id,
        contact_id: hidden.contact.id,
        state: "opted_out",
        source: "person",
        occurred_at: dateOf(START),
      },
    ])})`;

    const both = await receivesMessage(number, { from, user_id, timestamp: START + 200, text: "tiga" });
    const [contact, ...more] = await contactsOf(number);
    assert.deepEqual(more, []);
    hasFields(contact, {
      wa_id: from,
      user_id,
      name: "Ibu Rina",
      profile_name: "Rina",
      marketing_opted_out_at: dateOf(START),
    });
    const [conversation, ...others] = await conversationsOf(number);
    assert.deepEqual(others, []);
    hasFields(conversation, {
      id: both.conversation.id,
      unread_count: 3,
      assigned_to: agent.id,
      status: "open",
      last_message_preview: "tiga",
    });
    assert.deepEqual(
      [conversation.last_inbound_at, conversation.window_expires_at],
      [dateOf(START + 200), dateOf(START + 200 + 86_400)],
    );
    const messages =
      await sql`select content, conversation_id from public.messages where session_id = ${number.id} order by occurred_at`;
    assert.deepEqual(
      messages.map((row) => row.content),
      ["satu", "dua", "Siap", "tiga"],
    );
    assert.ok(messages.every((row) => row.conversation_id === conversation.id));
    const [other] = await conversationsOf(second);
    assert.deepEqual([other.id, other.contact_id], [elsewhere.conversation.id, contact.id]);
  });

  test("keeps the name a person typed for the number", async () => {
    const number = await newInbox();
    const [from, user_id] = [someDigits(), someUserId()];
    const { contact } = await receivesMessage(number, { from });
    await sql`update public.contacts set name = 'Toko Rina' where id = ${contact.id}`;
    const hidden = await receivesMessage(number, { from: null, user_id });
    await sql`update public.contacts set name = 'Rina?' where id = ${hidden.contact.id}`;
    await receivesMessage(number, { from, user_id });
    assert.deepEqual(
      (await contactsOf(number)).map((row) => row.name),
      ["Toko Rina"],
    );
  });

  test("is merged once by concurrent deliveries", async () => {
    const number = await newInbox();
    const people = Array.from({ length: 6 }, () => ({ from: someDigits(), user_id: someUserId() }));
    for (const { from, user_id } of people) {
      await delivers({ messages: [inboundText(number, { from }), inboundText(number, { from: null, user_id })] });
    }
    assert.equal((await contactsOf(number)).length, 12);
    const connections = connect({ max: 8 });
    try {
      await Promise.all(
        Array.from({ length: 8 }, (_, worker) =>
          retried(() =>
            connections.begin(async (sql) => {
              const some = worker % 2 === 0 ? people : [...people].reverse();
              await sql`set local role service_role`;
              await sql`select public.ingest_webhook(body => '{}', messages => ${sql.json(some.map((person) => inboundText(number, person)))})`;
            }),
          ),
        ),
      );
    } finally {
      await connections.end();
    }
    const contacts = await contactsOf(number);
    assert.deepEqual(
      new Set(contacts.map((row) => `${row.wa_id} ${row.user_id}`)),
      new Set(people.map((row) => `${row.from} ${row.user_id}`)),
    );
    assert.deepEqual(
      (await conversationsOf(number)).map((row) => row.unread_count),
      people.map(() => 10),
    );
  });

  test("of one tenant is never merged with a person of another", async () => {
    const [own, other] = [await newInbox(), await newInbox()];
    const [from, user_id] = [someDigits(), someUserId()];
    await receivesMessage(own, { from });
    await receivesMessage(other, { from: null, user_id });
    await receivesMessage(own, { from, user_id });
    assert.deepEqual(
      (await contactsOf(own)).map((row) => [row.wa_id, row.user_id]),
      [[from, user_id]],
    );
    assert.deepEqual(
      (await contactsOf(other)).map((row) => [row.wa_id, row.user_id]),
      [[null, user_id]],
    );
    const [a] = await contactsOf(own);
    const [b] = await contactsOf(other);
    await sql`select private.merge_contacts(${a.id}, ${b.id})`;
    assert.equal((await contactsOf(other)).length, 1);
  });
});

test("names and user ids are those of the latest message, in whatever order the messages arrive", async () => {
  const ids = [someUserId(), someUserId()];
  for (const order of [
    [0, 1, 2, 3],
    [3, 2, 1, 0],
    [2, 0, 3, 1],
    [1, 3, 0, 2],
  ]) {
    const number = await newInbox();
    const [one, two] = [someDigits(), someDigits()];
    const elements = [
      inboundText(number, { from: one, user_id: ids[0], profile_name: "Rina", timestamp: START }),
      inboundText(number, { from: one, user_id: ids[1], profile_name: "Rina K", timestamp: START + 20 }),
      inboundText(number, { from: two, user_id: ids[0], profile_name: "Sari", timestamp: START + 30 }),
      inboundText(number, {
        from: null,
        user_id: ids[1],
        profile_name: "Rina",
        username: "rina",
        timestamp: START + 10,
      }),
    ];
    for (const at of order) await delivers({ messages: [elements[at]] });
    const contacts = (await contactsOf(number)).map((row) => [row.wa_id, row.user_id, row.profile_name, row.username]);
    assert.deepEqual(
      new Map(contacts.map((row) => [row[0], row])),
      new Map([
        [one, [one, ids[1], "Rina K", "rina"]],
        [two, [two, ids[0], "Sari", null]],
      ]),
      `${order}`,
    );
    assert.deepEqual((await conversationsOf(number)).map((row) => row.unread_count).sort(), [1, 3], `${order}`);
  }
});

describe("a changed number", () => {
  const change = (
    /** @type {any} */ number,
    /** @type {string} */ from,
    /** @type {string} */ to,
    at = START + 100,
    properties = {},
  ) =>
    notice(number, { type: "user_changed_number", body: "changed", wa_id: to }, { from, timestamp: at, ...properties });

  test("moves the contact along, and its notice raises no unread count", async () => {
    const number = await newInbox();
    const [old, fresh] = [someDigits(), someDigits()];
    const { contact } = await receivesMessage(number, { from: old, timestamp: START });
    await sql`update public.contacts set name = 'Rina' where id = ${contact.id}`;
    await delivers({ messages: [change(number, old, fresh)] });
    const after = await receivesMessage(number, { from: fresh, timestamp: START + 200 });
    assert.equal(after.contact.id, contact.id);
    assert.deepEqual(
      (await contactsOf(number)).map((row) => [row.wa_id, row.name]),
      [[fresh, "Rina"]],
    );
    assert.equal((await conversationsOf(number)).length, 1);
    const stranger = await receivesMessage(number, { from: old, timestamp: START + 300 });
    assert.notEqual(stranger.contact.id, contact.id, "the next owner of the old number is another person");
  });

  test("leaves the same result in any order of arrival", async () => {
    const orders = [
      [0, 1, 2, 3],
      [3, 2, 1, 0],
      [1, 3, 0, 2],
      [2, 0, 3, 1],
      [2, 3, 1, 0],
      [0, 2, 1, 3],
      [3, 0, 2, 1],
      [1, 2, 0, 3],
    ];
    for (const order of orders) {
      const number = await newInbox();
      const [one, two, three] = [someDigits(), someDigits(), someDigits()];
      const elements = [
        inboundText(number, { from: one, timestamp: START, text: "satu" }),
        change(number, one, two),
        change(number, two, three, START + 200),
        inboundText(number, { from: three, timestamp: START + 300, text: "dua" }),
      ];
      for (const at of order) await delivers({ messages: [elements[at]] });
      await delivers({ messages: order.map((at) => elements[at]) });
      assert.deepEqual(
        (await contactsOf(number)).map((row) => row.wa_id),
        [three],
        `${order}`,
      );
      assert.deepEqual(
        (await conversationsOf(number)).map((row) => [row.unread_count, row.last_message_preview]),
        [[4, "dua"]],
        `${order}`,
      );
    }
  });

  test("and an earlier message lead to one contact if delivered at the same moment", async () => {
    const number = await newInbox();
    const [old, fresh] = [someDigits(), someDigits()];
    const { contact } = await receivesMessage(number, { from: old, timestamp: START });
    let late;
    await sql.begin(async (first) => {
      await first`select public.ingest_webhook(body => '{}', messages => ${sql.json([change(number, old, fresh)])})`;
      late = delivers({ messages: [inboundText(number, { from: old, timestamp: START + 50, text: "masih lama" })] });
      const [{ pid }] = await first`select pg_backend_pid() as pid`;
      await becomesTrue(() => isWaitedFor(sql, pid));
    });
    await late;
    assert.deepEqual(
      (await contactsOf(number)).map((row) => [row.id, row.wa_id]),
      [[contact.id, fresh]],
    );
    assert.deepEqual(
      (await conversationsOf(number)).map((row) => row.unread_count),
      [3],
    );
  });

  test("blocks deliveries of its own tenant only", async () => {
    const [number, other] = [await newInbox(), await newInbox()];
    await sql.begin(async (first) => {
      await first`select public.ingest_webhook(body => '{}', messages => ${sql.json([change(number, someDigits(), someDigits())])})`;
      await receivesMessage(other);
    });
    assert.equal((await contactsOf(other)).length, 1);
  });

  test("followed by a second one leaves one contact, even if all messages arrive at once", async () => {
    const number = await newInbox();
    const numbers = [someDigits(), someDigits(), someDigits()];
    const elements = numbers.flatMap((from, nth) => [
      inboundText(number, { from, timestamp: START + 100 * nth, text: `${nth}` }),
      ...(nth < 2 ? [change(number, from, numbers[nth + 1], START + 100 * nth + 50)] : []),
      inboundText(number, { from, timestamp: START + 100 * nth + 10, text: `${nth}` }),
    ]);
    const queue = chance().shuffle([...elements, ...elements]);
    await Promise.all(
      Array.from({ length: 8 }, async () => {
        for (let next = queue.pop(); next; next = queue.pop()) {
          const element = next;
          await retried(() => delivers({ messages: [element] }));
        }
      }),
    );
    assert.deepEqual(
      (await contactsOf(number)).map((row) => row.wa_id),
      [numbers[2]],
    );
    assert.deepEqual(
      (await conversationsOf(number)).map((row) => [row.unread_count, row.last_message_preview]),
      [[8, "2"]],
    );
  });

  test("back to an old number leaves one contact, in whatever order the notices arrive", async () => {
    for (const order of [
      [0, 1, 2, 3, 4, 5, 6],
      [2, 0, 5, 1, 6, 4, 3],
      [6, 5, 4, 3, 2, 1, 0],
      [3, 5, 1, 0, 6, 2, 4],
      [5, 0, 1, 6, 3, 4, 2],
    ]) {
      const number = await newInbox();
      const [one, two, three] = [someDigits(), someDigits(), someDigits()];
      const elements = [
        inboundText(number, { from: one, timestamp: START, text: "satu" }),
        change(number, one, two, START + 10),
        inboundText(number, { from: two, timestamp: START + 20, text: "dua" }),
        change(number, two, three, START + 30),
        inboundText(number, { from: three, timestamp: START + 40, text: "tiga" }),
        change(number, three, one, START + 50),
        inboundText(number, { from: one, timestamp: START + 60, text: "lagi" }),
      ];
      for (const element of elements) element.payload.from = element.from;
      for (const at of order) await delivers({ messages: [elements[at]] });
      assert.deepEqual(
        (await contactsOf(number)).map((row) => row.wa_id),
        [one],
        `${order}`,
      );
      assert.deepEqual(
        (await conversationsOf(number)).map((row) => [row.unread_count, row.last_message_preview]),
        [[7, "lagi"]],
        `${order}`,
      );
    }
  });

  test("to which a new owner came before the notice leaves each person their own messages", async () => {
    for (const order of [
      [0, 1, 2, 3],
      [2, 0, 3, 1],
      [3, 2, 0, 1],
      [1, 2, 3, 0],
    ]) {
      const number = await newInbox();
      const [old, fresh] = [someDigits(), someDigits()];
      const elements = [
        inboundText(number, { from: old, timestamp: START, text: "dulu" }),
        change(number, old, fresh, START + 10),
        inboundText(number, { from: old, timestamp: START + 20, text: "orang lain", profile_name: "Budi" }),
        inboundText(number, { from: fresh, timestamp: START + 30, text: "baru", profile_name: "Rina" }),
      ];
      for (const element of elements) element.payload.from = element.from;
      for (const at of order) await delivers({ messages: [elements[at]] });
      await delivers({ messages: elements });
      const rows = await sql`
        select c.wa_id, c.profile_name, v.unread_count, v.last_message_preview, v.window_expires_at
        from public.conversations v join public.contacts c on c.id = v.contact_id where v.session_id = ${number.id}`;
      assert.deepEqual(
        new Map(rows.map((row) => [row.wa_id, Object.values(row).slice(1)])),
        new Map([
          [old, ["Budi", 1, "orang lain", dateOf(START + 20 + 86_400)]],
          [fresh, ["Rina", 3, "baru", dateOf(START + 30 + 86_400)]],
        ]),
        `${order}`,
      );
    }
  });

  test("is remembered if only the notice names the old number", async () => {
    const number = await newInbox();
    const [old, fresh] = [someDigits(), someDigits()];
    const { contact } = await receivesMessage(number, { from: old, timestamp: START });
    const element = change(number, old, fresh);
    element.payload = { id: element.wamid, type: "system", system: { ...element.payload.system, customer: old } };
    await delivers({ messages: [element] });
    const late = await receivesMessage(number, { from: old, timestamp: START + 50 });
    assert.equal(late.contact.id, contact.id);
    assert.deepEqual(
      (await contactsOf(number)).map((row) => row.wa_id),
      [fresh],
    );
  });

  test("and its new user id are one change", async () => {
    const number = await newInbox();
    const [old, fresh, before, after] = [someDigits(), someDigits(), someUserId(), someUserId()];
    const { contact } = await receivesMessage(number, { from: old, user_id: before, timestamp: START });
    await delivers({
      messages: [
        notice(
          number,
          { type: "user_changed_number", wa_id: fresh, user_id: after, previous_user_id: before },
          { from: old, timestamp: START + 10 },
        ),
      ],
    });
    const hidden = await receivesMessage(number, { from: null, user_id: after, timestamp: START + 20 });
    const late = await receivesMessage(number, { from: null, user_id: before, timestamp: START + 5 });
    assert.deepEqual([hidden.contact.id, late.contact.id], [contact.id, contact.id]);
    assert.deepEqual(
      (await contactsOf(number)).map((row) => [row.wa_id, row.user_id]),
      [[fresh, after]],
    );
  });

  test("without a readable new number changes nothing", async () => {
    const number = await newInbox();
    const { contact } = await receivesMessage(number, { from: someDigits() });
    for (const body of [
      {},
      { type: "user_changed_number" },
      { type: "user_changed_number", wa_id: "soon" },
      { type: "customer_identity_changed" },
      { type: 7 },
    ]) {
      await delivers({ messages: [notice(number, body, { from: contact.wa_id })] });
    }
    const messages = await sql`select from public.messages where session_id = ${number.id}`;
    assert.equal(messages.length, 6);
    assert.deepEqual(
      (await contactsOf(number)).map((row) => row.wa_id),
      [contact.wa_id],
    );
  });
});

test("a changed user id moves a hidden contact along", async () => {
  const number = await newInbox();
  const [before, after] = [someUserId(), someUserId()];
  const { contact } = await receivesMessage(number, { from: null, user_id: before, timestamp: START });
  await receivesMessage(number, { from: null, user_id: after, timestamp: START + 50 });
  await delivers({
    messages: [
      notice(
        number,
        { type: "user_changed_user_id", user_id: after, previous_user_id: before },
        { from: null, user_id: before, timestamp: START + 20 },
      ),
    ],
  });
  const contacts = await contactsOf(number);
  assert.deepEqual(
    contacts.map((row) => row.user_id),
    [after],
  );
  assert.equal(contacts[0].id, contact.id);
  assert.deepEqual(
    (await conversationsOf(number)).map((row) => row.unread_count),
    [3],
  );
});

test("a changed user id that comes with a new number moves both along", async () => {
  const shapes = (/** @type {any} */ before, /** @type {any} */ after) => [
    { type: "user_changed_user_id", wa_id: after.from, user_id: after.user_id },
    { type: "user_changed_user_id", wa_id: after.from, user_id: after.user_id, previous_user_id: before.user_id },
    { body: "changed", wa_id: after.from, user_id: before.user_id, new_user_id: after.user_id },
  ];
  for (const shape of [0, 1, 2]) {
    const number = await newInbox();
    const [before, after] = [1, 2].map(() => ({ from: someDigits(), user_id: someUserId() }));
    const { contact } = await receivesMessage(number, { ...before, timestamp: START });
    const told = shapes(before, after)[shape];
    await delivers({ messages: [notice(number, told, { from: before.from, user_id: null, timestamp: START + 20 })] });
    const later = await receivesMessage(number, { ...after, timestamp: START + 50 });
    assert.equal(later.contact.id, contact.id, JSON.stringify(told));
    assert.deepEqual(
      (await contactsOf(number)).map((row) => [row.wa_id, row.user_id]),
      [[after.from, after.user_id]],
      JSON.stringify(told),
    );
    assert.equal((await conversationsOf(number)).length, 1);
  }
});

test("a changed identity key of a number changes no number", async () => {
  const number = await newInbox();
  const { contact } = await receivesMessage(number, { from: someDigits(), timestamp: START });
  const told = { type: "customer_identity_changed", customer: contact.wa_id, wa_id: someDigits() };
  await delivers({ messages: [notice(number, told, { from: contact.wa_id, timestamp: START + 20 })] });
  assert.deepEqual(
    (await contactsOf(number)).map((row) => row.wa_id),
    [contact.wa_id],
  );
});

describe("a status adds to the recipient's contact", () => {
  test("the form of the number that WhatsApp uses, and the user id", async () => {
    const number = await newInbox();
    const eight = `8${local().slice(1)}`;
    const { conversation, contact } = await receivesMessage(number, { from: `55119${eight}` });
    const message = await newOutbound(conversation);
    const user_id = someUserId();
    const recipient = { recipient_id: `5511${eight}`, recipient_user_id: user_id };
    await delivers({ statuses: [statusOf(number, message.whatsapp_message_id, "sent", recipient)] });
    assert.deepEqual(
      (await contactsOf(number)).map((row) => [row.id, row.wa_id, row.user_id]),
      [[contact.id, `5511${eight}`, user_id]],
    );
  });

  test("the number behind the id, and merges the two contacts", async () => {
    const number = await newInbox();
    const [from, user_id] = [someDigits(), someUserId()];
    await receivesMessage(number, { from });
    const { conversation } = await receivesMessage(number, { from: null, user_id });
    const message = await newOutbound(conversation);
    await delivers({
      statuses: [
        statusOf(number, message.whatsapp_message_id, "sent", { recipient_id: from, recipient_user_id: user_id }),
      ],
    });
    assert.deepEqual(
      (await contactsOf(number)).map((row) => [row.wa_id, row.user_id]),
      [[from, user_id]],
    );
    assert.equal((await conversationOf({ conversation_id: (await conversationsOf(number))[0].id })).unread_count, 2);
  });

  test("nothing if it belongs to a group, another number or an unknown message", async () => {
    const number = await newInbox();
    const { conversation, contact } = await receivesMessage(number, { from: someDigits() });
    const message = await newOutbound(conversation);
    const group = statusOf(number, message.whatsapp_message_id, "sent", {
      recipient_id: contact.wa_id,
      recipient_user_id: someUserId(),
    });
    group.payload.recipient_type = "group";
    await delivers({
      statuses: [
        group,
        statusOf(number, message.whatsapp_message_id, "read", {
          recipient_id: someDigits(),
          recipient_user_id: someUserId(),
        }),
        statusOf(number, "wamid.unknown", "read", { recipient_id: contact.wa_id, recipient_user_id: someUserId() }),
      ],
    });
    assert.deepEqual(
      (await contactsOf(number)).map((row) => [row.wa_id, row.user_id]),
      [[contact.wa_id, null]],
    );
  });
});
