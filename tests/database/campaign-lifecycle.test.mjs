// The life of a campaign: which action is allowed in which state and to whom, and how it changes the recipients. The
// file has a database of its own, because a run of the sender takes all due work.
import assert from "node:assert/strict";
import { randomUUID } from "node:crypto";
import { afterEach, describe, test } from "node:test";
import { hasFields } from "../fields.mjs";
import { useDatabase } from "./database.mjs";
import { statusOf } from "./inbox.mjs";
import { isRefused } from "./refusals.mjs";
import { reportsOf, senders } from "./senders.mjs";

const {
  sql,
  asService,
  calls,
  newTenant,
  newUser,
  newUserWith,
  newApiKey,
  newNumber,
  newTemplate,
  newCampaign,
  recipientsOf,
  campaignNow,
  delivers,
  messageNow,
} = await useDatabase({ own: true });
const { begins, claims, records, leaseEnds } = senders({ sql, asService });
const HOUR = 3_600_000;
const REFUSED = { error_code: 131_026, error_title: "Undeliverable" };

afterEach(async () => {
  await sql`update public.broadcast_campaigns set status = 'cancelled' where status in ('sending', 'scheduled', 'paused')`;
});

const newOffice = async () => {
  const tenant = await newTenant();
  return { tenant, number: await newNumber(tenant), manager: await newUser(tenant, "manager") };
};
/** @param {{ id: string }} user @param {{ id: string }} campaign @param {string} action @param {object} [options] */
const acts = (user, campaign, action, options = {}) => {
  if (action === "delete") return calls(user, "delete_campaign", { campaign_id: campaign.id });
  if (action === "update")
    return calls(user, "update_campaign", { campaign_id: campaign.id, changes: { name: "Promo 2", ...options } });
  return calls(user, "act_on_campaign", { campaign_id: campaign.id, action, options });
};
/** A campaign with its recipients and messages. @param {{ id: string }} campaign */
const stateOf = async (campaign) => JSON.stringify([await campaignNow(campaign), await recipientsOf(campaign)]);
const setRecipient = (/** @type {any} */ campaign, /** @type {number} */ position, /** @type {string} */ status) =>
  sql`update public.broadcast_recipients set status = ${status} where campaign_id = ${campaign.id} and position = ${position}`;

const STATUSES = ["draft", "scheduled", "sending", "paused", "completed", "failed", "cancelled"];
/**
 * The states that an action is allowed in, each with the state it leads to.
 * @type {Record<string, Record<string, string>>}
 */
const ACTIONS = {
  send: { draft: "sending", scheduled: "sending" },
  pause: { scheduled: "paused", sending: "paused" },
  resume: { paused: "scheduled" },
  cancel: { draft: "cancelled", scheduled: "cancelled", sending: "cancelled", paused: "cancelled" },
  complete: Object.fromEntries(STATUSES.map((status) => [status, status])),
  retry: { sending: "sending", paused: "paused", completed: "sending", failed: "sending" },
  duplicate: Object.fromEntries(STATUSES.map((status) => [status, status])),
  update: { draft: "draft", scheduled: "scheduled" },
  delete: { draft: "gone", scheduled: "gone", cancelled: "gone" },
};
const PERMISSIONS = {
  send: "broadcasts.send",
  pause: "broadcasts.pause",
  resume: "broadcasts.pause",
  cancel: "broadcasts.cancel",
  complete: "broadcasts.update",
  retry: "broadcasts.retry",
  duplicate: "broadcasts.create",
  update: "broadcasts.update",
  delete: "broadcasts.delete",
};

describe("an action on a campaign:", () => {
  /** A campaign with one pending recipient and one who failed. @param {any} number @param {string} status */
  const newOne = async (number, status) => {
    const campaign = await newCampaign(number, { status, recipients: 2, scheduledAt: new Date(Date.now() + HOUR) });
    await setRecipient(campaign, 2, "failed");
    return campaign;
  };

  for (const [action, results] of Object.entries(ACTIONS)) {
    test(`${action} is allowed in its states and refused in all others`, async () => {
      const { number, manager } = await newOffice();
      for (const status of STATUSES) {
        const campaign = await newOne(number, status);
        if (status in results) {
          await acts(manager, campaign, action);
          assert.equal((await campaignNow(campaign))?.status ?? "gone", results[status], status);
        } else {
          const before = await stateOf(campaign);
          await isRefused(acts(manager, campaign, action), {
            code: "PT409",
            detail: "campaign_state",
            message: new RegExp(status),
          });
          assert.equal(await stateOf(campaign), before);
        }
      }
    });

    test(`${action} needs its permission, and answers 404 to another tenant`, async () => {
      const { tenant, number } = await newOffice();
      const campaign = await newOne(number, Object.keys(results)[0]);
      const before = await stateOf(campaign);
      const others = [...new Set(Object.values(PERMISSIONS))].filter(
        (permission) => permission !== PERMISSIONS[action],
      );
      const powerless = await newUserWith(tenant, { permissions: ["broadcasts.view", ...others] });
      await isRefused(acts(powerless, campaign, action), { code: "PT403", detail: "forbidden" });
      const stranger = await newUser(await newTenant(), "super_admin");
      await isRefused(acts(stranger, campaign, action), { code: "PT404", detail: "not_found" });
      assert.equal(await stateOf(campaign), before);
      await acts(await newUserWith(tenant, { permissions: [PERMISSIONS[action]] }), campaign, action);
    });
  }

  test("with an unknown name is refused", async () => {
    const { number, manager } = await newOffice();
    await isRefused(acts(manager, await newOne(number, "draft"), "explode"), { code: "PT404", detail: "not_found" });
  });
});

describe("a draft", () => {
  const creates = (
    /** @type {any} */ user,
    /** @type {any} */ template,
    /** @type {object} */ options,
    recipients = [{ wa_id: "62811", variables: ["Rina"] }],
  ) =>
    calls(user, "create_campaign", {
      name: "Promo",
      template_id: template.id,
      recipients: sql.json(recipients),
      options: sql.json({ draft: true, ...options }),
    });

  test("can be saved with an unapproved template or without recipients, but not sent", async () => {
    const { tenant, manager } = await newOffice();
    const template = await newTemplate(tenant, { status: "DRAFT" });
    const draft = await creates(manager, template, {}, []);
    assert.deepEqual(
      [draft.status, draft.started_at, draft.scheduled_at, draft.statistics.total],
      ["draft", null, null, 0],
    );
    await isRefused(acts(manager, draft, "send"), {
      code: "PT422",
      detail: "template_not_approved",
      hint: "template_id",
    });
    await sql`update public.broadcast_templates set status = 'APPROVED' where id = ${template.id}`;
    await isRefused(acts(manager, draft, "send"), { code: "PT422", detail: "invalid_field", hint: "recipients" });
    const full = await creates(manager, template, {});
    assert.equal((await acts(manager, full, "send")).status, "sending");
  });

  test("needs the permission to create campaigns, which does not allow sending", async () => {
    const { tenant } = await newOffice();
    const template = await newTemplate(tenant);
    const author = await newUserWith(tenant, { permissions: ["broadcasts.create"] });
    const draft = await creates(author, template, {});
    await isRefused(creates(author, template, { draft: false }), { code: "PT403", detail: "forbidden" });
    await isRefused(acts(author, draft, "send"), { code: "PT403", detail: "forbidden" });
  });

  test("has no sender if an API key created it", async () => {
    const { tenant } = await newOffice();
    const key = await newApiKey(tenant, "manager");
    assert.equal((await creates(key, await newTemplate(tenant), {})).sender_id, null);
  });

  test("keeps its scheduled time until it is sent", async () => {
    const { tenant, manager } = await newOffice();
    const draft = await creates(manager, await newTemplate(tenant), {
      scheduled_at: "2031-01-02T09:00",
      quiet_hours: { from: "21:00", to: "08:00" },
    });
    assert.deepEqual(
      [draft.status, draft.scheduled_local, draft.quiet_hours],
      ["draft", "2031-01-02T09:00:00", { from: "21:00", to: "08:00" }],
    );
    assert.equal(new Date(draft.scheduled_at).toISOString(), "2031-01-02T02:00:00.000Z");
    const changed = await acts(manager, draft, "update", { scheduled_at: "2031-01-03T09:00", quiet_hours: null });
    assert.deepEqual(
      [changed.name, changed.scheduled_local, changed.quiet_hours],
      ["Promo 2", "2031-01-03T09:00:00", null],
    );
    const sent = await acts(manager, draft, "send", { scheduled_at: "2031-01-04T09:00" });
    assert.deepEqual([sent.status, sent.scheduled_local, sent.started_at], ["scheduled", "2031-01-04T09:00:00", null]);
  });

  test("is refused if its quiet hours lack a valid beginning or end", async () => {
    const { tenant, manager } = await newOffice();
    const template = await newTemplate(tenant);
    for (const quiet_hours of [
      { from: "21:00" },
      { from: "21:00", to: null },
      { from: "9:00", to: "10:00" },
      { from: "24:00", to: "08:00" },
      { from: "08:00", to: "08:00" },
      {},
      "night",
    ]) {
      await isRefused(creates(manager, template, { quiet_hours }), { code: "23514" });
    }
  });
});

describe("a scheduled campaign", () => {
  const later = new Date(Date.now() + HOUR);

  test("can be sent at once", async () => {
    const { number, manager } = await newOffice();
    const campaign = await newCampaign(number, { status: "scheduled", scheduledAt: later });
    const sent = await acts(manager, campaign, "send");
    assert.equal(sent.status, "sending");
    assert.ok(sent.started_at !== null && new Date(sent.scheduled_at).getTime() <= Date.now() + 1000);
  });

  test("can be moved to another time, and a missing time is refused", async () => {
    const { number, manager } = await newOffice();
    const campaign = await newCampaign(number, { status: "scheduled", scheduledAt: later });
    const moved = await acts(manager, campaign, "update", { scheduled_at: "2031-01-02T09:00+07:00" });
    assert.deepEqual([moved.status, moved.scheduled_local], ["scheduled", "2031-01-02T09:00:00"]);
    await isRefused(acts(manager, campaign, "update", { scheduled_at: null }), {
      code: "PT422",
      detail: "invalid_field",
      hint: "scheduled_at",
    });
    for (const scheduled_at of ["2020-01-01T09:00", "2031-01-02"])
      await isRefused(acts(manager, campaign, "update", { scheduled_at }), {
        code: "PT422",
        detail: "invalid_field",
        hint: "scheduled_at",
      });
    assert.equal((await campaignNow(campaign)).status, "scheduled", "a past time is a slip, and not now");
  });

  test("that was paused waits if it is resumed before its time, and starts at once if after it", async () => {
    const { number, manager } = await newOffice();
    const campaign = await newCampaign(number, { status: "scheduled", scheduledAt: later });
    await acts(manager, campaign, "pause");
    assert.deepEqual(
      [(await acts(manager, campaign, "resume")).status, (await campaignNow(campaign)).started_at],
      ["scheduled", null],
    );
    await acts(manager, campaign, "pause");
    await sql`update public.broadcast_campaigns set scheduled_at = now() - interval '1 minute' where id = ${campaign.id}`;
    const resumed = await acts(manager, campaign, "resume");
    assert.equal(resumed.status, "sending");
    assert.notEqual(resumed.started_at, null);
  });

  test("accepts only an active person of the tenant as its sender", async () => {
    const { tenant, number, manager } = await newOffice();
    const campaign = await newCampaign(number, { status: "scheduled", scheduledAt: later });
    const stranger = await newUser(await newTenant(), "agent");
    const gone = await newUser(tenant, "agent", { deactivated: true });
    for (const { id } of [stranger, gone, { id: randomUUID() }]) {
      await isRefused(acts(manager, campaign, "update", { sender_id: id }), {
        code: "PT422",
        detail: "invalid_field",
        hint: "sender_id",
      });
    }
    const colleague = await newUser(tenant, "agent");
    assert.equal((await acts(manager, campaign, "update", { sender_id: colleague.id })).sender_id, colleague.id);
    assert.equal((await acts(manager, campaign, "update", { sender_id: null })).sender_id, null);
  });
});

describe("a running campaign", () => {
  /**
   * A campaign with two recipients sent, one failed, one to be retried, one unknown, one being sent and one pending.
   */
  const newRun = async () => {
    const office = await newOffice();
    const campaign = await newCampaign(office.number, { status: "sending", recipients: 7 });
    const holder = randomUUID();
    await begins(holder);
    const claim = await claims(office.number, holder, 6);
    const outcomes = ["sent", "sent", "failed", "retry", "unknown"];
    const reports = reportsOf(claim, "").map(
      (report, i) =>
        reportsOf({ ...claim, recipients: [report] }, outcomes[i], i > 1 ? { ...REFUSED, retry_in_ms: 60_000 } : {})[0],
    );
    await records(office.number, holder, reports.slice(0, 5));
    await delivers({ statuses: [statusOf(office.number, reports[0].whatsapp_message_id, "delivered")] });
    assert.deepEqual(await statusesOf(campaign), [
      "delivered",
      "sent",
      "failed",
      "pending",
      "unknown",
      "sending",
      "pending",
    ]);
    return { ...office, campaign, holder, claim };
  };
  const statusesOf = async (/** @type {any} */ campaign) => (await recipientsOf(campaign)).map(({ status }) => status);

  test("that is cancelled skips pending recipients, and still records the outcome of the others", async () => {
    const { number, manager, campaign, holder, claim } = await newRun();
    const cancelled = await acts(manager, campaign, "cancel");
    assert.deepEqual(
      [cancelled.status, cancelled.statistics.skipped, cancelled.cancelled_at !== null],
      ["cancelled", 2, true],
    );
    assert.deepEqual(await statusesOf(campaign), [
      "delivered",
      "sent",
      "failed",
      "skipped",
      "unknown",
      "sending",
      "skipped",
    ]);
    const rows = await recipientsOf(campaign);
    assert.deepEqual(
      rows.map(({ skip_reason }) => skip_reason),
      [null, null, null, "cancelled", null, null, "cancelled"],
    );
    const dropped = await messageNow({ id: rows[3].message_id });
    assert.deepEqual(
      [dropped.status, dropped.error_title],
      ["failed", "The campaign was cancelled"],
      "it will not be sent any more",
    );
    await records(number, holder, reportsOf({ ...claim, recipients: [claim.recipients[5]] }, "sent"));
    assert.equal((await statusesOf(campaign))[5], "sent");
    assert.equal((await campaignNow(campaign)).status, "cancelled");
    await isRefused(acts(manager, campaign, "delete"), { code: "PT409", detail: "campaign_state" });
  });

  for (const outcome of ["retry", "held"]) {
    test(`that is cancelled skips a recipient whose send comes back as ${outcome}`, async () => {
      const { number, manager, campaign, holder, claim } = await newRun();
      await acts(manager, campaign, "cancel");
      await records(
        number,
        holder,
        reportsOf({ ...claim, recipients: [claim.recipients[5]] }, outcome, { ...REFUSED, retry_in_ms: 2000 }),
      );
      const left = (await recipientsOf(campaign))[5];
      assert.deepEqual(
        [left.status, left.skip_reason, (await messageNow({ id: left.message_id })).status],
        ["skipped", "cancelled", "failed"],
      );
      const { statistics } = await acts(manager, campaign, "complete");
      assert.deepEqual([statistics.pending, statistics.sending, statistics.progress_percent], [0, 0, 100]);
    });

    test(`that is cancelled at the moment a send comes back as ${outcome} leaves no recipient pending`, async () => {
      const { number, manager, campaign, holder, claim } = await newRun();
      const report = reportsOf({ ...claim, recipients: [claim.recipients[5]] }, outcome, {
        ...REFUSED,
        retry_in_ms: 2000,
      });
      await Promise.all([records(number, holder, report), acts(manager, campaign, "cancel")]);
      assert.equal((await statusesOf(campaign)).filter((status) => ["pending", "sending"].includes(status)).length, 0);
    });
  }

  test("that is cancelled while a sender claims keeps all claimed recipients", async () => {
    const { number, manager, campaign, holder } = await newRun();
    await sql`update public.broadcast_recipients set due_at = now() where campaign_id = ${campaign.id} and status = 'pending'`;
    const [claim] = await Promise.all([claims(number, holder, 5), acts(manager, campaign, "cancel")]);
    const rows = await recipientsOf(campaign);
    for (const { recipient_id } of claim.recipients)
      assert.equal(rows.find(({ id }) => id === recipient_id).status, "sending");
    assert.equal(rows.filter(({ status }) => status === "pending").length, 0);
  });

  test("that is paused continues after a resume, and is completed when no recipient is left", async () => {
    const { number, manager, campaign, holder, claim } = await newRun();
    await acts(manager, campaign, "pause");
    assert.deepEqual((await claims(number, holder)).recipients, []);
    assert.equal((await acts(manager, campaign, "resume")).status, "sending");
    assert.equal((await claims(number, holder)).recipients.length, 1);
    await acts(manager, campaign, "pause");
    await records(number, holder, reportsOf({ ...claim, recipients: [claim.recipients[5]] }, "sent"));
    await sql`update public.broadcast_recipients set status = 'sent' where campaign_id = ${campaign.id} and status in ('pending', 'sending')`;
    assert.equal((await campaignNow(campaign)).status, "paused");
    assert.equal((await acts(manager, campaign, "resume")).status, "completed");
  });

  test("that is retried gives failed recipients a new message, and leaves all others alone", async () => {
    const { number, manager, campaign, holder } = await newRun();
    const before = await recipientsOf(campaign);
    const retried = await acts(manager, campaign, "retry");
    assert.equal(retried.retried, 1);
    const after = await recipientsOf(campaign);
    for (const i of [0, 1, 3, 4, 5, 6]) assert.deepEqual(after[i], before[i]);
    const { status, message_id, attempts, error_code, failed_at } = after[2];
    assert.deepEqual(
      { status, message_id, attempts, error_code, failed_at },
      { status: "pending", message_id: null, attempts: 0, error_code: null, failed_at: null },
    );
    const claim = await claims(number, holder);
    const again = claim.recipients.find((/** @type {any} */ { recipient_id }) => recipient_id === after[2].id);
    assert.notEqual(again.message_id, before[2].message_id);
    assert.equal(
      (await messageNow({ id: before[2].message_id })).status,
      "failed",
      "the refused message stays in the thread",
    );
  });

  test("retries unknown recipients only if the request says so, and only those it names", async () => {
    const { manager, campaign } = await newRun();
    const rows = await recipientsOf(campaign);
    const stranger = await newRun();
    const foreign = { recipient_ids: (await recipientsOf(stranger.campaign)).map(({ id }) => id) };
    await isRefused(acts(manager, campaign, "retry", foreign), { code: "PT409", detail: "nothing_to_retry" });
    assert.equal((await statusesOf(stranger.campaign))[2], "failed");
    await isRefused(acts(manager, campaign, "retry", { recipient_ids: [rows[0].id, rows[4].id] }), {
      code: "PT409",
      detail: "nothing_to_retry",
    });
    assert.equal(
      (await acts(manager, campaign, "retry", { include_unknown: true, recipient_ids: [rows[0].id, rows[4].id] }))
        .retried,
      1,
    );
    assert.deepEqual(await statusesOf(campaign), [
      "delivered",
      "sent",
      "failed",
      "pending",
      "pending",
      "sending",
      "pending",
    ]);
  });

  test("that has ended is sending again after a retry, and is completed once more", async () => {
    const { number, manager, campaign, holder, claim } = await newRun();
    await records(number, holder, reportsOf({ ...claim, recipients: [claim.recipients[5]] }, "failed", REFUSED));
    await sql`update public.broadcast_recipients set status = 'sent' where campaign_id = ${campaign.id} and status = 'pending'`;
    assert.equal((await acts(manager, campaign, "complete")).status, "completed");
    const again = await acts(manager, campaign, "retry");
    assert.deepEqual([again.status, again.completed_at, again.retried], ["sending", null, 2]);
    await records(number, holder, reportsOf(await claims(number, holder), "sent"));
    assert.equal((await campaignNow(campaign)).status, "completed");
    await isRefused(acts(manager, campaign, "retry"), { code: "PT409", detail: "nothing_to_retry" });
  });

  test("whose template was withdrawn can neither resume nor retry", async () => {
    const { manager, campaign } = await newRun();
    await sql`update public.broadcast_templates set status = 'PAUSED' where id = ${campaign.template.id}`;
    const refusal = { code: "PT422", detail: "template_not_approved", hint: "template_id" };
    await isRefused(acts(manager, campaign, "retry"), refusal);
    await acts(manager, campaign, "pause");
    await isRefused(acts(manager, campaign, "resume"), refusal);
  });

  test("that a dead sender left finished is completed by a check", async () => {
    const { number, manager, campaign } = await newRun();
    assert.equal((await acts(manager, campaign, "complete")).status, "sending", "recipients are still pending");
    await sql`update public.broadcast_recipients set status = 'sent' where campaign_id = ${campaign.id} and status in ('pending', 'sending')`;
    await leaseEnds(number);
    assert.equal((await acts(manager, campaign, "complete")).status, "completed");
  });
});

test("a copy is a draft with the same recipients, all pending again", async () => {
  const { number, manager } = await newOffice();
  const campaign = await newCampaign(number, {
    status: "completed",
    recipients: 3,
    quietHours: { from: "21:00", to: "08:00" },
  });
  await setRecipient(campaign, 1, "read");
  await setRecipient(campaign, 2, "failed");
  const copy = await acts(manager, campaign, "duplicate");
  hasFields(copy, {
    status: "draft",
    name: "Promo (2)",
    copied_from: campaign.id,
    session_id: campaign.session_id,
    template_id: campaign.template_id,
    sender_id: manager.id,
    quiet_hours: { from: "21:00", to: "08:00" },
  });
  hasFields(copy.statistics, { pending: 3, total: 3 });
  const content = async (/** @type {any} */ one) =>
    (await recipientsOf(one)).map(({ position, wa_id, name, variables }) => ({ position, wa_id, name, variables }));
  assert.deepEqual(await content(copy), await content(campaign));
});

describe("a draft", () => {
  /** @param {any} office */
  const newDraft = async ({ tenant, manager }) => {
    const template = await newTemplate(tenant);
    const draft = await calls(manager, "create_campaign", {
      name: "Promo",
      template_id: template.id,
      recipients: sql.json([]),
      options: sql.json({ draft: true }),
    });
    return { draft, template };
  };
  const changes = (/** @type {any} */ user, /** @type {any} */ campaign, /** @type {any} */ what) =>
    calls(user, "update_campaign", { campaign_id: campaign.id, changes: sql.json(what) });
  const people = (/** @type {string[]} */ ...numbers) => numbers.map((wa_id) => ({ wa_id, variables: ["Rina"] }));

  test("takes recipients, replaces them, and takes another template and number", async () => {
    const office = await newOffice();
    const { draft } = await newDraft(office);
    assert.equal(
      (await changes(office.manager, draft, { recipients: people("6281100000001", "6281100000002") })).statistics.total,
      2,
    );
    assert.equal((await changes(office.manager, draft, { recipients: people("6281100000003") })).statistics.total, 1);
    assert.deepEqual(
      (await recipientsOf(draft)).map(({ wa_id }) => wa_id),
      ["6281100000003"],
    );
    const [template, number] = [await newTemplate(office.tenant), await newNumber(office.tenant)];
    const changed = await changes(office.manager, draft, { template_id: template.id, session_id: number.id });
    assert.deepEqual([changed.template_id, changed.session_id, changed.statistics.total], [template.id, number.id, 1]);
    assert.equal((await acts(office.manager, draft, "send")).status, "sending");
    await isRefused(changes(office.manager, draft, { recipients: people("6281100000004") }), {
      code: "PT409",
      detail: "campaign_state",
    });
  });

  test("takes nothing from another tenant", async () => {
    const [office, other] = [await newOffice(), await newOffice()];
    const { draft } = await newDraft(office);
    const theirs = await newTemplate(other.tenant);
    const list = await calls(other.manager, "create_recipient_list", {
      name: "Mereka",
      columns: [],
      entries: sql.json([{ line: 1, wa_id: "6281100000005", variables: {} }]),
      errors: sql.json([]),
      on_error: "keep",
    });
    for (const [field, value] of [
      ["template_id", theirs.id],
      ["session_id", other.number.id],
      ["recipient_list_id", list.id],
      ["segment_id", randomUUID()],
    ]) {
      await isRefused(changes(office.manager, draft, { [field]: value }), {
        code: "PT422",
        detail: "invalid_field",
        hint: field,
      });
    }
    assert.deepEqual(await recipientsOf(draft), []);
    await isRefused(changes(other.manager, draft, { recipients: people("6281100000006") }), {
      code: "PT404",
      detail: "not_found",
    });
  });

  test("that is scheduled lets people who may send replace the recipients, and keeps its time", async () => {
    const { tenant, number, manager } = await newOffice();
    const campaign = await newCampaign(number, { status: "scheduled", scheduledAt: new Date(Date.now() + HOUR) });
    const helper = await newUserWith(tenant, { permissions: ["broadcasts.update", "broadcasts.view"] });
    await isRefused(changes(helper, campaign, { recipients: people("6281100000007") }), {
      code: "PT403",
      detail: "forbidden",
    });
    const changed = await changes(manager, campaign, { recipients: people("6281100000007") });
    assert.deepEqual(
      [changed.status, changed.scheduled_at && Date.parse(changed.scheduled_at), changed.statistics.total],
      ["scheduled", campaign.scheduled_at.getTime(), 1],
    );
    await isRefused(changes(manager, campaign, { recipients: [] }), {
      code: "PT422",
      detail: "invalid_field",
      hint: "recipients",
    });
    assert.equal((await recipientsOf(campaign)).length, 1, "unchanged");
  });
});

test("a deleted number sends no campaigns", async () => {
  const { tenant, number, manager } = await newOffice();
  const template = await newTemplate(tenant);
  const creates = (/** @type {any} */ session_id) =>
    calls(manager, "create_campaign", {
      name: "Promo",
      template_id: template.id,
      recipients: sql.json([{ wa_id: "62811", variables: ["Rina"] }]),
      session_id,
      options: sql.json({ draft: true }),
    });
  const second = await newNumber(tenant);
  const admin = await newUser(tenant, "admin");
  await calls(admin, "delete_number", { session_id: number.id });
  await isRefused(creates(number.id), { code: "PT422", detail: "invalid_field", hint: "session_id" });
  assert.equal((await creates(null)).session_id, second.id, "the only number that is left");
});
