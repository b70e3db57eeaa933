// Who may make a campaign go out, in whose name, which permissions a template may hold, and what may be sent again.
import assert from "node:assert/strict";
import { randomUUID } from "node:crypto";
import { describe, test } from "node:test";
import { useDatabase } from "./database.mjs";
import { isRefused } from "./refusals.mjs";

const {
  sql,
  calls,
  newTenant,
  newUser,
  newUserWith,
  newApiKey,
  newNumber,
  newTemplate,
  newCampaign,
  newOutbound,
  receivesMessage,
  assign,
} = await useDatabase({ own: true });

const FORBIDDEN = { code: "PT403", detail: "forbidden" };
const HOUR = 3_600_000;

const newOffice = async () => {
  const tenant = await newTenant();
  return { tenant, number: await newNumber(tenant), manager: await newUser(tenant, "manager") };
};
/** @param {any} user @param {any} campaign @param {object} changes */
const changes = (user, campaign, changes) =>
  calls(user, "update_campaign", { campaign_id: campaign.id, changes: sql.json(/** @type {any} */ (changes)) });
/** @param {any} user @param {any} campaign @param {string} action */
const acts = (user, campaign, action) => calls(user, "act_on_campaign", { campaign_id: campaign.id, action });
const stateOf = async (/** @type {any} */ campaign) =>
  JSON.stringify(await sql`select * from public.broadcast_campaigns where id = ${campaign.id}`);

describe("a scheduled campaign", () => {
  test("is brought forward, held back or changed only by people who may send", async () => {
    const { tenant, number, manager } = await newOffice();
    const editor = await newUserWith(tenant, { permissions: ["broadcasts.view", "broadcasts.update"] });
    const stranger = await newUser(await newTenant(), "super_admin");
    const campaign = await newCampaign(number, {
      status: "scheduled",
      scheduledAt: new Date(Date.now() + 24 * HOUR),
    });
    const before = await stateOf(campaign);
    for (const change of [
      { scheduled_at: "2020-01-01T00:00" },
      { scheduled_at: "2031-01-01T00:00Z" },
      { recipient_local: true },
      { quiet_hours: { from: "21:00", to: "08:00" } },
      { quiet_hours: null },
      { recipients: [{ wa_id: "62811" }] },
      { sender_id: editor.id },
    ]) {
      await isRefused(changes(editor, campaign, change), FORBIDDEN);
      await isRefused(changes(stranger, campaign, change), { code: "PT404" });
    }
    assert.equal(await stateOf(campaign), before);
    assert.equal((await changes(editor, campaign, { name: "Nama baru" })).status, "scheduled");
    const scheduled_at = new Date(Date.now() + HOUR).toISOString();
    const earlier = await changes(manager, campaign, { scheduled_at });
    assert.deepEqual([earlier.status, new Date(earlier.scheduled_at)], ["scheduled", new Date(scheduled_at)]);
  });

  test("that was paused past its time is sent only by people who may send", async () => {
    const { tenant, number, manager } = await newOffice();
    const pauser = await newUserWith(tenant, { permissions: ["broadcasts.pause"] });
    const campaign = await newCampaign(number, { status: "scheduled", scheduledAt: new Date(Date.now() + HOUR) });
    await acts(pauser, campaign, "pause");
    assert.equal((await acts(pauser, campaign, "resume")).status, "scheduled");
    await acts(pauser, campaign, "pause");
    await sql`update public.broadcast_campaigns set scheduled_at = now() - interval '1 minute' where id = ${campaign.id}`;
    await isRefused(acts(pauser, campaign, "resume"), FORBIDDEN);
    assert.equal((await acts(manager, campaign, "resume")).status, "sending");
    await acts(pauser, campaign, "pause");
    assert.equal((await acts(pauser, campaign, "resume")).status, "sending", "it has begun already");
  });
});

describe("the sender of a campaign", () => {
  /** @param {any} user @param {any} template @param {string | null} sender_id */
  const creates = (user, template, sender_id) =>
    calls(user, "create_campaign", {
      name: "Promo",
      template_id: template.id,
      recipients: sql.json([{ wa_id: "62811", variables: ["Rina"] }]),
      sender_id,
      options: sql.json({ draft: true }),
    });
  const TOO_HIGH = { code: "PT403", detail: "role_too_high", hint: "sender_id" };

  test("is the caller, or a person below their level", async () => {
    const { tenant, manager } = await newOffice();
    const template = await newTemplate(tenant);
    const [peer, admin, agent] = [
      await newUser(tenant, "manager"),
      await newUser(tenant, "admin"),
      await newUser(tenant, "agent"),
    ];
    const key = await newApiKey(tenant, "manager");
    for (const caller of [manager, key]) {
      for (const other of [peer, admin]) await isRefused(creates(caller, template, other.id), TOO_HIGH);
      assert.equal((await creates(caller, template, agent.id)).sender_id, agent.id);
    }
    const draft = await creates(manager, template, manager.id);
    assert.equal(draft.sender_id, manager.id);
    for (const other of [peer, admin]) await isRefused(changes(manager, draft, { sender_id: other.id }), TOO_HIGH);
    assert.equal((await changes(manager, draft, { sender_id: agent.id })).sender_id, agent.id);
    assert.equal((await changes(manager, draft, { sender_id: null })).sender_id, null);
    const theirs = await creates(admin, template, admin.id);
    assert.equal(
      (await changes(manager, theirs, { sender_id: admin.id, name: "Tetap" })).sender_id,
      admin.id,
      "as before",
    );
  });
});

describe("a permission template", () => {
  test("holds only what its author holds", async () => {
    const tenant = await newTenant();
    const admin = await newUser(tenant, "admin");
    const save = (/** @type {any} */ user, /** @type {string[]} */ permissions) =>
      calls(user, "save_permission_template", { key: "toko", name: "Toko", permissions });
    for (const permissions of [["admin.full_access"], ["billing.manage"], ["reports.view", "admin.retention"]]) {
      await isRefused(save(admin, permissions), { code: "PT403", detail: "permission_not_held", hint: "permissions" });
      await isRefused(save(await newUser(tenant, "agent"), permissions), FORBIDDEN);
    }
    assert.deepEqual((await save(admin, ["reports.view"])).permissions, ["reports.view"]);
    const owner = await newUser(tenant, "super_admin");
    assert.deepEqual((await save(owner, ["billing.manage"])).permissions, ["billing.manage"]);
  });
});

describe("sending again", () => {
  const newChat = async () => {
    const { tenant, number } = await newOffice();
    const agent = await newUser(tenant, "agent");
    const received = await receivesMessage(number, { timestamp: Math.floor(Date.now() / 1000), text: "halo" });
    await assign(received.conversation, agent);
    return { tenant, agent, ...received };
  };
  const ages = (/** @type {string} */ key) =>
    sql`update private.idempotency_keys set created_at = now() - interval '25 hours' where key = ${key}`;
  const sent = async (/** @type {any} */ conversation) =>
    (await sql`select from public.messages where conversation_id = ${conversation.id} and direction = 'outbound'`)
      .count;

  test("is for failed messages alone, however old the key of the request is", async () => {
    const { agent, conversation, message: inbound } = await newChat();
    const key = randomUUID();
    const first = await calls(agent, "create_message", {
      conversation_id: conversation.id,
      type: "text",
      content: "Siap",
      payload: { text: { body: "Siap" } },
      idempotency_key: key,
    });
    await sql`update public.messages set status = 'sent' where id = ${first.message.id}`;
    const NOT_FAILED = { code: "PT409", detail: "message_not_failed" };
    const OTHER_KEY = { code: "PT422", detail: "invalid_field", hint: "Idempotency-Key" };
    const again = (/** @type {any} */ message) =>
      calls(agent, "resend_message", { message_id: message.id, idempotency_key: key });
    for (const message of [first.message, inbound]) await isRefused(again(message), OTHER_KEY);
    await ages(key);
    for (const message of [first.message, inbound]) await isRefused(again(message), NOT_FAILED);
    assert.equal(await sent(conversation), 1);
  });

  test("answers a repeated request with the message of the first, and after a day checks it anew", async () => {
    const { agent, conversation } = await newChat();
    const failed = await newOutbound(conversation, { status: "failed", wamid: null });
    await sql`update public.messages set payload = '{"text": {"body": "Siap"}}' where id = ${failed.id}`;
    const key = randomUUID();
    const again = () => calls(agent, "resend_message", { message_id: failed.id, idempotency_key: key });
    const made = await again();
    await sql`update public.messages set status = 'sent' where id = ${made.message.id}`;
    assert.deepEqual([(await again()).repeated, (await again()).message.id], [true, made.message.id]);
    await ages(key);
    await isRefused(again(), { code: "PT409", detail: "already_resent" });
    assert.equal(await sent(conversation), 2);
  });
});
