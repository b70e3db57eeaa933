// Outgoing messages of every kind: the permission, the addressee, and one send for each idempotency key.
import assert from "node:assert/strict";
import { randomUUID } from "node:crypto";
import { describe, test } from "node:test";
import { hasFields } from "../fields.mjs";
import { useDatabase } from "./database.mjs";
import { dateOf, seconds, someWamid } from "./inbox.mjs";
import { DENIED, isRefused } from "./refusals.mjs";
import { someDigits } from "./tenancy.mjs";

const {
  sql,
  as,
  asAnon,
  asService,
  calls,
  newTenant,
  newUser,
  newNumber,
  newTemplate,
  receivesMessage,
  conversationOf,
  messageNow,
  assign,
} = await useDatabase();

const text = (/** @type {string} */ body) => ({ text: { body } });

/**
 * @param {{ id: string }} user @param {{ id: string }} conversation
 * @param {{ type?: string, content?: string | null, payload?: object, reply_to?: string | null, key?: string | null }} [message]
 */
const sends = (
  user,
  conversation,
  { type = "text", content = "Siap", payload = text("Siap"), reply_to = null, key = null } = {},
) =>
  as(
    user,
    async (sql) =>
      (
        await sql`
    select public.create_message(${conversation.id}, ${type}, ${content}, ${sql.json(/** @type {any} */ (payload))}, ${reply_to}, ${key}) as answer`
      )[0].answer,
  );

/** @param {{ id: string }} user @param {{ session?: any, contact?: any, wa_id?: string | null, name?: string | null, type?: string, payload?: object, key?: string | null }} message */
const sendsTo = (
  user,
  {
    session = null,
    contact = null,
    wa_id = null,
    name = null,
    type = "template",
    payload = { template: {} },
    key = null,
  },
) =>
  as(
    user,
    async (sql) =>
      (
        await sql`
    select public.create_message_to(${session?.id ?? null}, ${contact?.id ?? null}, ${wa_id}, ${name}, ${type}, 'x', ${sql.json(/** @type {any} */ (payload))}, null, ${key}) as answer`
      )[0].answer,
  );

const newInbox = async () => {
  const tenant = await newTenant();
  const number = await newNumber(tenant);
  const [manager, agent] = [await newUser(tenant, "manager"), await newUser(tenant, "agent")];
  return { tenant, number, manager, agent, ...(await receivesMessage(number)) };
};

describe("a message", () => {
  test("is queued as a row, and the answer names its addressee", async () => {
    const { number, agent, conversation, contact } = await newInbox();
    const { message, ...answer } = await sends(agent, conversation, { payload: text("Ada!"), content: "Ada!" });
    assert.deepEqual(answer, {
      repeated: false,
      behind: false,
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
      payload: text("Ada!"),
      sent_by: agent.id,
      session_id: number.id,
    });
    const { unread_count, last_message_preview, last_message_direction } = await conversationOf(row);
    assert.deepEqual([unread_count, last_message_preview, last_message_direction], [0, "Ada!", "outbound"]);
    assert.equal(message.tenant_id, undefined);
  });

  test("waits for the earlier ones of its conversation until each has its outcome", async () => {
    const { number, agent, manager, conversation } = await newInbox();
    const isNext = (/** @type {any} */ { message }) => calls("service", "message_is_next", { message_id: message.id });
    const ends = (/** @type {any} */ { message }, /** @type {string} */ outcome) =>
      calls("service", "record_replies", { results: sql.json([{ message_id: message.id, outcome }]) });
    const first = await sends(agent, conversation);
    const second = await sends(manager, conversation);
    const third = await sends(agent, conversation);
    assert.deepEqual(
      [first, second, third].map(({ behind }) => behind),
      [false, true, true],
    );
    assert.deepEqual(await Promise.all([first, second, third].map(isNext)), [true, false, false]);
    await ends(first, "failed");
    assert.deepEqual(await Promise.all([second, third].map(isNext)), [true, false]);
    await ends(second, "unknown");
    assert.equal(await isNext(third), true);

    const elsewhere = await receivesMessage(number);
    assert.equal((await sends(agent, elsewhere.conversation)).behind, false, "conversations do not wait for others");
    await sql`update public.messages set occurred_at = now() - interval '3 minutes' where id = ${third.message.id}`;
    assert.equal((await sends(agent, conversation)).behind, false, "a dead sender delays no message");
  });

  test("does not wait for automatic messages and campaigns", async () => {
    const { agent, conversation } = await newInbox();
    for (const metadata of [{ automation: "greeting" }, { broadcast_campaign_id: randomUUID() }]) {
      const { message } = await sends(agent, conversation);
      await sql`update public.messages set metadata = ${sql.json(metadata)} where id = ${message.id}`;
    }
    assert.equal((await sends(agent, conversation)).behind, false);
  });

  test("needs the permission of its kind", async () => {
    const { tenant, conversation } = await newInbox();
    const powerless = await newUser(tenant, null);
    for (const type of ["text", "image", "template", "interactive"]) {
      await isRefused(sends(powerless, conversation, { type, payload: { [type]: {} } }), {
        code: "PT403",
        detail: "forbidden",
      });
    }
    await isRefused(
      asAnon((sql) => sql`select public.create_message(${conversation.id}, 'text', 'x', '{}')`),
      { code: DENIED },
    );
  });

  test("is refused to people of other tenants and in a colleague's conversation as if the conversation did not exist", async () => {
    const { tenant, agent, conversation } = await newInbox();
    await isRefused(sends(await newUser(await newTenant(), "admin"), conversation), { code: "PT404" });
    await sql`update public.tenants set agents_see_unassigned = false where id = ${tenant.id}`;
    await isRefused(sends(agent, conversation), { code: "PT404" });
    await assign(conversation, await newUser(tenant, "agent"));
    await isRefused(sends(agent, conversation), { code: "PT404" });
    await assign(conversation, agent);
    await sends(agent, conversation);
  });

  test("other than a template needs an open window", async () => {
    const { agent, number } = await newInbox();
    const { conversation } = await receivesMessage(number, { timestamp: seconds(86_401) });
    for (const type of ["text", "image", "reaction", "interactive", "location", "contacts"]) {
      await isRefused(sends(agent, conversation, { type, payload: { [type]: {} } }), {
        code: "PT409",
        detail: "window_closed",
        message: /template/,
      });
    }
    const { message } = await sends(agent, conversation, { type: "template", payload: { template: { name: "x" } } });
    assert.equal(message.type, "template");
  });

  test("is refused while the number cannot send or Meta does not answer", async () => {
    const { agent, conversation, number } = await newInbox();
    await asService((sql) => sql`select public.record_sends(${number.id}, 10, false)`);
    await isRefused(sends(agent, conversation), { code: "PT503", detail: "meta_unavailable" });
    await asService((sql) => sql`select public.record_sends(${number.id}, 0, true)`);
    await sends(agent, conversation);
    for (const status of ["paused", "broken", "disconnected"]) {
      await sql`update public.whatsapp_sessions set status = ${status} where id = ${number.id}`;
      await isRefused(sends(agent, conversation), { code: "PT409", detail: "number_unavailable" });
    }
  });

  test("answers or reacts to a message of the same conversation, by our id or Meta's", async () => {
    const { agent, number, conversation, message: asked } = await newInbox();
    for (const named of [asked.id, asked.whatsapp_message_id]) {
      const { message } = await sends(agent, conversation, { reply_to: named });
      assert.equal(message.context_message_id, asked.whatsapp_message_id);
      const { message: reaction } = await sends(agent, conversation, {
        type: "reaction",
        content: "👍",
        payload: { reaction: { message_id: named, emoji: "👍" } },
      });
      assert.deepEqual(reaction.payload, { reaction: { message_id: asked.whatsapp_message_id, emoji: "👍" } });
    }
    assert.equal(
      (await conversationOf({ conversation_id: conversation.id })).last_message_preview,
      "Siap",
      "a reaction is not the last message",
    );
    const { message: elsewhere } = await receivesMessage(number);
    for (const named of [elsewhere.id, elsewhere.whatsapp_message_id, randomUUID(), "wamid.x"]) {
      await isRefused(sends(agent, conversation, { reply_to: named }), { code: "PT422", hint: "context.message_id" });
      await isRefused(sends(agent, conversation, { type: "reaction", payload: { reaction: { message_id: named } } }), {
        code: "PT422",
        hint: "reaction.message_id",
      });
    }
  });
});

describe("an idempotency key", () => {
  test("sends once, also at the same moment", async () => {
    const { agent, manager, conversation } = await newInbox();
    const key = randomUUID();
    const answers = await Promise.all([agent, agent, manager, agent].map((user) => sends(user, conversation, { key })));
    assert.equal(new Set(answers.map(({ message }) => message.id)).size, 1);
    assert.deepEqual(answers.map(({ repeated }) => repeated).sort(), [false, true, true, true]);
    await sql`update public.conversations set window_expires_at = now() where id = ${conversation.id}`;
    const again = await sends(agent, conversation, { key });
    assert.deepEqual([again.repeated, again.phone_number_id], [true, undefined]);
  });

  test("with another message is refused", async () => {
    const { agent, conversation, message } = await newInbox();
    await sends(agent, conversation, { key: "k" });
    for (const other of [
      { payload: text("Lain") },
      { reply_to: message.id },
      { type: "location", payload: { location: {} } },
    ]) {
      await isRefused(sends(agent, conversation, { ...other, key: "k" }), { code: "PT422", hint: "Idempotency-Key" });
    }
  });

  test("of a scheduled message is reported as such", async () => {
    const { manager, conversation } = await newInbox();
    const schedules = (/** @type {Date} */ at) =>
      as(
        manager,
        async (sql) =>
          (
            await sql`
      select public.schedule_message(${conversation.id}, 'text', 'Besok', ${sql.json(text("Besok"))}, ${at}, null, 'k') as message`
          )[0].message,
      );
    const at = dateOf(seconds(-3600));
    const first = await schedules(at);
    const again = await schedules(at);
    assert.deepEqual([first.status, first.repeated, again.id, again.repeated], ["pending", undefined, first.id, true]);
  });

  test("is free again after 24 hours", async () => {
    const { agent, conversation } = await newInbox();
    const first = await sends(agent, conversation, { key: "k" });
    await sql`update private.idempotency_keys set created_at = now() - interval '24 hours 1 second' where message_id = ${first.message.id}`;
    const second = await sends(agent, conversation, { key: "k" });
    assert.deepEqual([second.repeated, second.message.id === first.message.id], [false, false]);
    assert.equal((await sends(agent, conversation, { key: "k" })).message.id, second.message.id);
    await sql`update private.idempotency_keys set created_at = now() - interval '25 hours' where message_id = ${second.message.id}`;
    const [{ freed }] = await asService((sql) => sql`select public.expire_idempotency_keys() as freed`);
    assert.ok(freed >= 1);
    assert.equal((await sql`select from private.idempotency_keys where message_id = ${second.message.id}`).count, 0);
  });
});

describe("a message to a number", () => {
  test("creates its contact and conversation once", async () => {
    const tenant = await newTenant();
    const number = await newNumber(tenant);
    const agent = await newUser(tenant, "agent");
    const wa_id = someDigits();
    const answers = await Promise.all(
      Array.from({ length: 4 }, () => sendsTo(agent, { wa_id, name: "Rina", key: "k" })),
    );
    assert.equal(new Set(answers.map(({ message }) => message.id)).size, 1);
    const [{ message }] = answers;
    assert.equal(message.session_id, number.id);
    const contacts = await sql`select * from public.contacts where tenant_id = ${tenant.id}`;
    assert.deepEqual(
      contacts.map(({ wa_id, name }) => [wa_id, name]),
      [[wa_id, "Rina"]],
    );
    assert.equal((await conversationOf(message)).assigned_to, null);
    await isRefused(sendsTo(agent, { wa_id, type: "text", payload: text("x") }), {
      code: "PT409",
      detail: "window_closed",
    });
  });

  test("by an agent who does not see unassigned conversations is assigned to that agent", async () => {
    const tenant = await newTenant({ agentsSeeUnassigned: false });
    await newNumber(tenant);
    const agent = await newUser(tenant, "agent");
    const { message } = await sendsTo(agent, { wa_id: someDigits() });
    assert.equal((await conversationOf(message)).assigned_to, agent.id);
  });

  test("is sent from the number last used with the contact, or from the one it names", async () => {
    const tenant = await newTenant();
    const [first, second] = [await newNumber(tenant), await newNumber(tenant)];
    const manager = await newUser(tenant, "manager");
    const { contact } = await receivesMessage(second);
    assert.equal((await sendsTo(manager, { contact })).message.session_id, second.id);
    assert.equal((await sendsTo(manager, { contact, session: first })).message.session_id, first.id);
    assert.equal((await sendsTo(manager, { wa_id: someDigits() })).message.session_id, first.id);
    const foreign = await newNumber(await newTenant());
    await isRefused(sendsTo(manager, { contact, session: foreign }), { code: "PT422", hint: "session_id" });
  });

  test("repeated under its key is the same message, even if another number would be chosen now", async () => {
    const { tenant, manager, number, contact } = await newInbox();
    const first = await sendsTo(manager, { contact, key: "k" });
    assert.equal(first.message.session_id, number.id);
    await receivesMessage(await newNumber(tenant), { from: contact.wa_id, timestamp: seconds(-60) });
    const again = await sendsTo(manager, { contact, key: "k" });
    assert.deepEqual([again.repeated, again.message.id], [true, first.message.id]);
    await sql`update public.whatsapp_sessions set status = 'paused' where id = ${number.id}`;
    assert.equal((await sendsTo(manager, { wa_id: contact.wa_id, key: "k" })).message.id, first.message.id);
    assert.notEqual((await sendsTo(manager, { contact, key: "other" })).message.session_id, number.id);
  });

  test("is sent from a number whose account has the template", async () => {
    const { tenant, number, manager, contact } = await newInbox();
    const other = await newNumber(tenant);
    const template = await newTemplate(tenant, { businessAccount: other.meta_business_account_id });
    const unfit = await newTemplate(tenant, { businessAccount: other.meta_business_account_id, status: "REJECTED" });
    const named = (/** @type {any} */ { name, language }) => ({ template: { name, language: { code: language } } });
    const from = async (/** @type {any} */ message) =>
      (await sendsTo(manager, { contact, ...message })).phone_number_id;
    assert.equal(await from({ payload: named(template) }), other.meta_phone_number_id);
    assert.equal(await from({ payload: named(template), session: number }), number.meta_phone_number_id);
    assert.equal(await from({ payload: named(unfit) }), number.meta_phone_number_id);
    const elsewhere = await newTemplate(await newTenant());
    assert.equal(await from({ payload: named(elsewhere) }), number.meta_phone_number_id);
  });

  test("of a tenant without a number is refused, and leaves nothing", async () => {
    const tenant = await newTenant();
    const manager = await newUser(tenant, "manager");
    await newNumber(tenant, { status: "paused" });
    await isRefused(sendsTo(manager, { wa_id: someDigits() }), { code: "PT409", detail: "number_unavailable" });
    assert.equal((await sql`select from public.contacts where tenant_id = ${tenant.id}`).count, 0);
  });

  test("is refused if its contact belongs to another tenant or a colleague", async () => {
    const { tenant, agent, conversation, contact, number } = await newInbox();
    const foreigner = await newUser(await newTenant(), "admin");
    await isRefused(sendsTo(foreigner, { contact }), { code: "PT422", hint: "contact_id" });
    await assign(conversation, await newUser(tenant, "agent"));
    await isRefused(sendsTo(agent, { contact }), { code: "PT422", hint: "contact_id" });
    await isRefused(sendsTo(agent, { wa_id: contact.wa_id, session: number }), { code: "PT403" });
  });
});

describe("an uploaded file", () => {
  /** @param {any} inbox @param {object} [more] */
  const uploads = async ({ number, agent }, more = {}) => {
    const id = randomUUID();
    const upload = {
      id,
      tenant_id: number.tenant_id,
      session_id: number.id,
      uploaded_by: agent.id,
      meta_media_id: someDigits(),
      kind: "image",
      mime_type: "image/png",
      sha256: "ab",
      file_size: 3,
      file_name: "menu.png",
      storage_path: `x/${id}`,
      ...more,
    };
    await asService((sql) => sql`select public.finish_upload(${sql.json(upload)})`);
    return upload;
  };
  const header = (/** @type {string} */ kind, /** @type {string} */ id) => ({
    type: "interactive",
    payload: { interactive: { type: "button", header: { type: kind, [kind]: { id } }, body: { text: "x" } } },
  });
  const filled = (/** @type {string} */ kind, /** @type {string} */ id) => [
    { type: "header", parameters: [{ type: kind, [kind]: { id } }] },
  ];
  const template = (/** @type {object[]} */ components) => ({
    type: "template",
    payload: { template: { name: "x", language: { code: "id" }, components } },
  });

  test("is named by our id wherever a message has a file", async () => {
    const inbox = await newInbox();
    const { agent, conversation } = inbox;
    const { id, meta_media_id } = await uploads(inbox);
    const image = await sends(agent, conversation, { type: "image", payload: { image: { id, caption: "Menu" } } });
    assert.deepEqual(image.message.payload, { image: { id: meta_media_id, caption: "Menu" } });
    const buttons = await sends(agent, conversation, header("image", id));
    assert.deepEqual(buttons.message.payload.interactive.header, { type: "image", image: { id: meta_media_id } });
    const document = await sends(agent, conversation, template(filled("document", id)));
    assert.deepEqual(document.message.payload.template.components[0].parameters[0].document, {
      id: meta_media_id,
      filename: "menu.png",
    });
    const cards = await sends(
      agent,
      conversation,
      template([{ type: "carousel", cards: [{ card_index: 0, components: filled("image", id) }] }]),
    );
    assert.deepEqual(cards.message.payload.template.components[0].cards[0].components, filled("image", meta_media_id));
    const metas = await sends(agent, conversation, template(filled("image", "123")));
    assert.deepEqual(metas.message.payload.template.components, filled("image", "123"));
    const named = await sends(agent, conversation, {
      type: "document",
      payload: { document: { id, filename: "lain.png" } },
    });
    assert.equal(named.message.payload.document.filename, "lain.png");
  });

  test("is sent by the person who uploaded it, and by no colleague who knows its id", async () => {
    const inbox = await newInbox();
    const { id, meta_media_id } = await uploads(inbox);
    const image = { type: "image", payload: { image: { id } } };
    await isRefused(sends(inbox.manager, inbox.conversation, image), { code: "PT422", hint: "image.id" });
    const sent = await sends(inbox.agent, inbox.conversation, image);
    assert.deepEqual(sent.message.payload, { image: { id: meta_media_id } });
  });

  test("of another kind or number, deleted or unknown is refused with the field that names it", async () => {
    const inbox = await newInbox();
    const { agent, conversation, tenant } = inbox;
    const { id } = await uploads(inbox);
    const foreign = await uploads(await newInbox());
    const other = await uploads({ agent, number: await newNumber(tenant) });
    const deleted = await uploads(inbox);
    await as(await newUser(tenant, "admin"), (sql) => sql`select public.delete_media(${deleted.id})`);
    for (const [message, hint] of /** @type {[any, string][]} */ ([
      [{ type: "video", payload: { video: { id } } }, "video.id"],
      [header("video", id), "interactive.header.video.id"],
      [header("image", foreign.id), "interactive.header.image.id"],
      [header("image", other.id), "interactive.header.image.id"],
      [{ type: "image", payload: { image: { id: deleted.id } } }, "image.id"],
      [template(filled("image", randomUUID())), "template.components[0].parameters[0].image.id"],
    ]))
      await isRefused(sends(agent, conversation, message), { code: "PT422", detail: "invalid_field", hint });
  });
});

describe("a customer who has opted out of marketing", () => {
  const named = (/** @type {any} */ template) => ({
    type: "template",
    payload: { template: { name: template.name, language: { code: "id" } } },
  });

  test("gets no marketing template, but all other messages", async () => {
    const { tenant, agent, conversation, contact } = await newInbox();
    const [marketing, utility] = [await newTemplate(tenant), await newTemplate(tenant, { category: "UTILITY" })];
    await sends(agent, conversation, named(marketing));
    await sql`update public.contacts set marketing_opted_out_at = now() where id = ${contact.id}`;
    await isRefused(sends(agent, conversation, named(marketing)), { code: "PT409", detail: "contact_opted_out" });
    await sends(agent, conversation, named(utility));
    await sends(agent, conversation);
  });

  test("gets no scheduled marketing template either", async () => {
    const { tenant, manager, conversation, contact } = await newInbox();
    const marketing = await newTemplate(tenant);
    const { type, payload } = named(marketing);
    const [{ message }] = await as(
      manager,
      (sql) => sql`
      select public.schedule_message(${conversation.id}, ${type}, 'x', ${sql.json(payload)}, now() + interval '1 hour') as message`,
    );
    await sql`update public.contacts set marketing_opted_out_at = now() where id = ${contact.id}`;
    await sql`update public.messages set send_at = now() where id = ${message.id}`;
    await asService((sql) => sql`select public.claim_scheduled_messages(1000)`);
    const { status, error_title } = await messageNow(message);
    assert.deepEqual([status, error_title], ["failed", "This contact does not want marketing messages."]);
  });

  test("is also recognised from Meta's answer to a message", async () => {
    const { agent, conversation, contact } = await newInbox();
    const { message } = await sends(agent, conversation);
    const result = {
      message_id: message.id,
      outcome: "failed",
      error_code: 131050,
      error_title: "User has stopped marketing messages",
    };
    for (const _ of [1, 2]) await asService((sql) => sql`select public.record_replies(${sql.json([result])})`);
    const consents = await sql`select state, source from public.contact_consents where contact_id = ${contact.id}`;
    assert.deepEqual(
      consents.map(({ state, source }) => [state, source]),
      [["opted_out", "error_131050"]],
    );
    const [{ marketing_opted_out_at }] =
      await sql`select marketing_opted_out_at from public.contacts where id = ${contact.id}`;
    assert.deepEqual(marketing_opted_out_at, (await messageNow(message)).failed_at);
  });
});

test("a customer without an address cannot be written to", async () => {
  const { agent, conversation, contact } = await newInbox();
  await sql`update public.contacts set wa_id = null, erased_at = now() where id = ${contact.id}`;
  await isRefused(sends(agent, conversation), { code: "PT409", detail: "contact_unreachable" });
});

test("a template is found by the account of the number, approved ones first, and only by people who may send it", async () => {
  const { tenant, agent, conversation, number } = await newInbox();
  const finds = (/** @type {any} */ user, /** @type {any} */ template, /** @type {any} */ of = conversation) =>
    as(
      user,
      async (sql) =>
        (await sql`select public.sendable_template(${template.name}, 'id', ${of?.id ?? null}, null) as found`)[0].found,
    );
  const template = await newTemplate(tenant, { businessAccount: number.meta_business_account_id });
  assert.equal((await finds(agent, template)).status, "APPROVED");
  const other = await newTemplate(tenant, { businessAccount: "1" });
  assert.equal(await finds(agent, other), null);
  assert.equal((await finds(agent, other, null)).status, "APPROVED");
  for (const user of [await newUser(tenant, null), await newUser(await newTenant(), "admin")])
    assert.equal(await finds(user, template), null);
});

describe("reading", () => {
  const reads = (/** @type {any} */ user, /** @type {any} */ conversation) =>
    as(user, async (sql) => (await sql`select public.read_conversation(${conversation.id}) as receipt`)[0].receipt);

  test("empties the unread count and reports the last message to Meta once", async () => {
    const { agent, number, conversation, contact } = await newInbox();
    const { message } = await receivesMessage(number, { from: contact.wa_id });
    assert.deepEqual(await reads(agent, conversation), {
      session_id: number.id,
      phone_number_id: number.meta_phone_number_id,
      wamid: message.whatsapp_message_id,
    });
    assert.equal((await conversationOf(message)).unread_count, 0);
    assert.equal(await reads(agent, conversation), null);
    const { message: later } = await receivesMessage(number, { from: contact.wa_id, timestamp: seconds(-1) });
    await sends(agent, conversation);
    assert.equal((await reads(agent, conversation))?.wamid, later.whatsapp_message_id, "an answer is no reading");
  });

  test("and typing are refused to people of another tenant", async () => {
    const { conversation } = await newInbox();
    const foreigner = await newUser(await newTenant(), "admin");
    await isRefused(reads(foreigner, conversation), { code: "PT404" });
    await isRefused(
      as(foreigner, (sql) => sql`select public.typing_target(${conversation.id})`),
      { code: "PT404" },
    );
    assert.equal((await conversationOf({ conversation_id: conversation.id })).unread_count, 1);
  });

  test("comes with a typing indicator, which needs an open window", async () => {
    const { agent, conversation, message } = await newInbox();
    const types = () =>
      as(agent, async (sql) => (await sql`select public.typing_target(${conversation.id}) as target`)[0].target);
    assert.equal((await types()).wamid, message.whatsapp_message_id);
    assert.equal(await reads(agent, conversation), null);
    await sql`update public.conversations set window_expires_at = ${dateOf(seconds(1))} where id = ${conversation.id}`;
    assert.equal(await types(), null);
  });
});
