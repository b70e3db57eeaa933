// Replies of people: checked before the send, recorded after it.
import assert from "node:assert/strict";
import { randomUUID } from "node:crypto";
import { describe, test } from "node:test";
import { hasFields } from "../fields.mjs";
import { useDatabase, world } from "./database.mjs";
import { dateOf, seconds, someWamid, statusOf } from "./inbox.mjs";
import { DENIED, isRefused } from "./refusals.mjs";
import { becomesTrue, isWaitedFor } from "./waiting.mjs";

const {
  sql,
  as,
  asAnon,
  asService,
  newTenant,
  newUser,
  newStranger,
  newNumber,
  receivesMessage,
  delivers,
  conversationOf,
  newOutbound,
  messageNow,
  assign,
} = await useDatabase();

/** @param {{ id: string }} user @param {{ id: string }} conversation @param {{ text?: string, key?: string | null }} [options] */
async function replies(user, conversation, { text = "Siap!", key = null } = {}) {
  const [row] = await as(
    user,
    (sql) => sql`
    select public.create_message(${conversation.id}, 'text', ${text}, ${sql.json({ text: { body: text } })}, idempotency_key => ${key}) as answer`,
  );
  return row.answer;
}

/** @param {any} message @param {string} outcome @param {object} [report] */
async function records(message, outcome, report = {}) {
  const results = [{ message_id: message.id, outcome, ...report }];
  const [row] = await asService((sql) => sql`select public.record_replies(${sql.json(results)}) as messages`);
  return row.messages;
}

const newInbox = async () => {
  const tenant = await newTenant();
  const number = await newNumber(tenant);
  const [manager, agent] = [await newUser(tenant, "manager"), await newUser(tenant, "agent")];
  return { tenant, number, manager, agent, ...(await receivesMessage(number)) };
};
const countOf = async (/** @type {any} */ conversation) =>
  (await sql`select from public.messages where conversation_id = ${conversation.id} and direction = 'outbound'`).count;

describe("a reply", () => {
  test("is queued as a row, and the answer names its addressee", async () => {
    const { number, agent, conversation, contact } = await newInbox();
    const { message, ...answer } = await replies(agent, conversation, { text: "Ada!" });
    assert.deepEqual(answer, {
      behind: false,
      repeated: false,
      phone_number_id: number.meta_phone_number_id,
      wa_id: contact.wa_id,
      user_id: null,
    });
    const row = await messageNow(message);
    hasFields(row, {
      direction: "outbound",
      type: "text",
      status: "sending",
      content: "Ada!",
      payload: { text: { body: "Ada!" } },
      sent_by: agent.id,
      whatsapp_message_id: null,
      tenant_id: number.tenant_id,
      session_id: number.id,
    });
    const { unread_count, last_message_preview, last_message_direction, last_message_at, window_expires_at } =
      await conversationOf(row);
    assert.deepEqual(
      [unread_count, last_message_preview, last_message_direction, last_message_at],
      [0, "Ada!", "outbound", row.occurred_at],
    );
    assert.deepEqual(window_expires_at, conversation.window_expires_at, "our own message does not extend the window");
  });

  test("goes to a customer without a phone number by the user id", async () => {
    const { number, manager } = await newInbox();
    const user_id = `ID.${randomUUID()}`;
    const { conversation } = await receivesMessage(number, { from: null, user_id });
    const answer = await replies(manager, conversation);
    assert.deepEqual([answer.wa_id, answer.user_id], [null, user_id]);
  });

  test("is refused to people of another tenant as if the conversation did not exist", async () => {
    const { conversation } = await newInbox();
    const foreigner = await newUser(await newTenant(), "admin");
    await isRefused(replies(foreigner, conversation), { code: "PT404", detail: "not_found" });
    await isRefused(replies(foreigner, { id: randomUUID() }), { code: "PT404", detail: "not_found" });
    assert.equal(await countOf(conversation), 0);
  });

  test("is refused to an agent in a colleague's conversation, but not to a manager", async () => {
    const { tenant, manager, agent, conversation } = await newInbox();
    await assign(conversation, await newUser(tenant, "agent"));
    await isRefused(replies(agent, conversation), { code: "PT404", detail: "not_found" });
    assert.equal(await countOf(conversation), 0);
    await replies(manager, conversation);
    assert.equal(await countOf(conversation), 1);
  });

  test("in an unassigned conversation is allowed to agents if the tenant permits it", async () => {
    for (const agentsSeeUnassigned of [true, false]) {
      const tenant = await newTenant({ agentsSeeUnassigned });
      const agent = await newUser(tenant, "agent");
      const { conversation } = await receivesMessage(await newNumber(tenant));
      const reply = replies(agent, conversation);
      if (agentsSeeUnassigned) await reply;
      else await isRefused(reply, { code: "PT404" });
      await assign(conversation, agent);
      await replies(agent, conversation);
    }
  });

  test("is refused without the permission", async () => {
    const { tenant, conversation } = await newInbox();
    for (const user of [
      await newUser(tenant, null),
      await newUser(tenant, "admin", { deactivated: true }),
      await newStranger(),
    ]) {
      await isRefused(replies(user, conversation), { code: "PT403", detail: "forbidden" });
    }
    await isRefused(
      asAnon((sql) => sql`select public.create_message(${conversation.id}, 'text', 'x', '{}')`),
      { code: DENIED },
    );
    assert.equal(await countOf(conversation), 0);
  });

  test("is refused after 24 hours, with advice on what to do", async () => {
    const { agent, conversation, number, contact } = await newInbox();
    const day = 86_400;
    const old = await receivesMessage(number, { timestamp: seconds(day + 1) });
    const closed = { code: "PT409", detail: "window_closed", message: /template/ };
    await isRefused(replies(agent, old.conversation), closed);
    const recent = await receivesMessage(number, { timestamp: seconds(day - 120) });
    await replies(agent, recent.conversation);
    // A campaign opened it: the customer never wrote.
    await sql`update public.conversations set window_expires_at = null where id = ${conversation.id}`;
    await isRefused(replies(agent, conversation), closed);
    await receivesMessage(number, { from: contact.wa_id });
    await replies(agent, conversation);
  });

  test("is refused while the number cannot send, with the reason", async () => {
    const { agent, conversation, number } = await newInbox();
    for (const [status, reason] of [
      ["broken", "Token expired"],
      ["paused", null],
    ]) {
      await sql`update public.whatsapp_sessions set status = ${status}, status_reason = ${reason} where id = ${number.id}`;
      await isRefused(replies(agent, conversation), {
        code: "PT409",
        detail: "number_unavailable",
        message: new RegExp(`${status}${reason ? `: ${reason}` : ""}\\.`),
      });
    }
    assert.equal(await countOf(conversation), 0);
  });

  test("with the same idempotency key is the same row, also at the same moment", async () => {
    const { agent, manager, conversation } = await newInbox();
    const key = randomUUID();
    const answers = await Promise.all(
      [agent, agent, manager, agent].map((user) => replies(user, conversation, { key })),
    );
    assert.equal(new Set(answers.map(({ message }) => message.id)).size, 1);
    assert.deepEqual(answers.map(({ repeated }) => repeated).sort(), [false, true, true, true]);
    assert.equal(await countOf(conversation), 1);
    const [first] = answers;
    await records(first.message, "sent", { whatsapp_message_id: someWamid() });
    // The window may be closed by the time the request is repeated.
    await sql`update public.conversations set window_expires_at = now() where id = ${conversation.id}`;
    const again = await replies(agent, conversation, { key });
    assert.deepEqual([again.repeated, again.message.id, again.message.status], [true, first.message.id, "sent"]);
    assert.equal(again.phone_number_id, undefined, "no address to send to");
  });

  test("with a key in use waits for the other request's row, and returns it", async () => {
    const { agent, conversation } = await newInbox();
    const key = randomUUID();
    let second;
    const first = await sql.begin(async (transaction) => {
      const [{ pid }] = await transaction`select pg_backend_pid() as pid`;
      const answer = await world(transaction).as(
        agent,
        (sql) => sql`
        select public.create_message(${conversation.id}, 'text', 'Siap!', '{"text": {"body": "Siap!"}}', idempotency_key => ${key}) as answer`,
      );
      second = replies(agent, conversation, { key });
      await becomesTrue(() => isWaitedFor(sql, pid));
      return answer[0].answer;
    });
    const { repeated, message } = await second;
    assert.deepEqual([repeated, message.id], [true, first.message.id]);
  });

  test("with the same key in another conversation is a new one", async () => {
    const { agent, number, conversation } = await newInbox();
    const other = await receivesMessage(number);
    const [one, two] = [
      await replies(agent, conversation, { key: "1" }),
      await replies(agent, other.conversation, { key: "1" }),
    ];
    assert.notEqual(one.message.id, two.message.id);
    assert.equal(two.repeated, false);
  });
});

describe("an outcome", () => {
  const newReply = async () => {
    const inbox = await newInbox();
    const { message } = await replies(inbox.agent, inbox.conversation);
    return { ...inbox, message };
  };
  const error = { error_code: 131_026, error_title: "Undeliverable", error_details: "Not on WhatsApp" };
  const statusAndError = (/** @type {any} */ row) => [row.status, row.error_code, row.error_title, row.error_details];

  test("of sent records wamid and time", async () => {
    const { message } = await newReply();
    const wamid = someWamid();
    const [answer] = await records(message, "sent", { whatsapp_message_id: wamid });
    const row = await messageNow(message);
    assert.deepEqual(
      [answer.id, answer.status, row.status, row.whatsapp_message_id],
      [message.id, "sent", "sent", wamid],
    );
    assert.ok(Math.abs(row.sent_at - Date.now()) < 60_000);
    assert.deepEqual(statusAndError(row), ["sent", null, null, null]);
  });

  test("of failed keeps Meta's reason", async () => {
    const { message } = await newReply();
    await records(message, "failed", error);
    const row = await messageNow(message);
    assert.deepEqual(statusAndError(row), ["failed", 131_026, "Undeliverable", "Not on WhatsApp"]);
    assert.ok(row.failed_at !== null && row.sent_at === null && row.whatsapp_message_id === null);
  });

  test("of unknown stays until a status settles it", async () => {
    const { message, number } = await newReply();
    await records(message, "unknown", { error_title: "Answer lost" });
    assert.equal((await messageNow(message)).status, "unknown");
    const wamid = someWamid();
    await delivers({ statuses: [statusOf(number, wamid, "sent", { callback_data: message.id })] });
    const row = await messageNow(message);
    assert.deepEqual([...statusAndError(row), row.whatsapp_message_id], ["sent", null, null, null, wamid]);
  });

  for (const outcome of ["retry", "held"]) {
    test(`of ${outcome} queues the message, and a later outcome counts`, async () => {
      const { message } = await newReply();
      await records(message, outcome, error);
      assert.deepEqual(statusAndError(await messageNow(message)), [
        "queued",
        131_026,
        "Undeliverable",
        "Not on WhatsApp",
      ]);
      await records(message, "sent", { whatsapp_message_id: someWamid() });
      assert.deepEqual(
        statusAndError(await messageNow(message)),
        ["sent", null, null, null],
        "the error belonged to another attempt",
      );
    });
  }

  test("recorded again changes nothing", async () => {
    for (const [outcome, report] of /** @type {const} */ ([
      ["sent", { whatsapp_message_id: someWamid() }],
      ["failed", error],
    ])) {
      const { message } = await newReply();
      await records(message, outcome, report);
      const first = await messageNow(message);
      const [again] = await records(message, outcome, report);
      assert.deepEqual(await messageNow(message), first);
      assert.equal(again.id, message.id);
    }
  });

  test("that contradicts an earlier one changes nothing", async () => {
    const { message } = await newReply();
    await records(message, "sent", { whatsapp_message_id: someWamid() });
    const sent = await messageNow(message);
    for (const outcome of ["failed", "retry", "unknown"]) await records(message, outcome, error);
    assert.deepEqual(await messageNow(message), sent);
    await records(message, "sent", { whatsapp_message_id: someWamid() });
    assert.deepEqual(await messageNow(message), sent, "the first wamid stays");
  });

  test("after Meta's statuses yields to them", async () => {
    for (const late of ["sent", "unknown", "failed", "retry"]) {
      const { message, number } = await newReply();
      const wamid = someWamid();
      const at = seconds(5);
      await delivers({
        statuses: [statusOf(number, wamid, "delivered", { timestamp: at, callback_data: message.id })],
      });
      await records(message, late, late === "sent" ? { whatsapp_message_id: wamid } : error);
      const row = await messageNow(message);
      assert.deepEqual(
        [late, row.status, row.delivered_at, row.whatsapp_message_id, row.failed_at],
        [late, "delivered", dateOf(at), wamid, null],
      );
      assert.deepEqual(statusAndError(row).slice(1), [null, null, null], late);
    }
  });

  test("of an inbound or unknown message is not recorded", async () => {
    const { message } = await receivesMessage(await newNumber(await newTenant()));
    await records(message, "failed", error);
    assert.deepEqual(await messageNow(message), message);
    assert.deepEqual(await records({ id: randomUUID() }, "sent", { whatsapp_message_id: someWamid() }), []);
  });

  test("of many messages is recorded in one call", async () => {
    const { conversation } = await newInbox();
    const messages = await Promise.all(
      Array.from({ length: 20 }, () => newOutbound(conversation, { status: "sending", wamid: null })),
    );
    const results = messages.map(({ id }, i) =>
      i % 2 === 0
        ? { message_id: id, outcome: "sent", whatsapp_message_id: someWamid() }
        : { message_id: id, outcome: "failed", ...error },
    );
    const [row] = await asService((sql) => sql`select public.record_replies(${sql.json(results)}) as messages`);
    assert.equal(row.messages.length, 20);
    for (const [i, message] of messages.entries()) {
      assert.equal((await messageNow(message)).status, i % 2 === 0 ? "sent" : "failed");
    }
  });
});

describe("a number that Meta refuses", () => {
  const breaks = (/** @type {any} */ number, /** @type {string} */ reason) =>
    asService((sql) => sql`select public.break_number(${number.id}, ${reason})`);
  const now = async (/** @type {any} */ number) => {
    const [row] = await sql`select status, status_reason from public.whatsapp_sessions where id = ${number.id}`;
    return [row.status, row.status_reason];
  };

  test("is marked with the first reason, and no other number is", async () => {
    const tenant = await newTenant();
    const [number, other] = [await newNumber(tenant), await newNumber(tenant)];
    await breaks(number, "Token expired");
    await breaks(number, "Something else");
    assert.deepEqual(await now(number), ["broken", "Token expired"]);
    assert.deepEqual(await now(other), ["connected", null]);
  });

  test("stays paused if a person has paused it", async () => {
    const number = await newNumber(await newTenant(), { status: "paused" });
    await breaks(number, "Token expired");
    assert.deepEqual(await now(number), ["paused", null]);
  });
});
