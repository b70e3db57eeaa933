// Claims of a campaign's recipients: who is skipped and why the rest waits, because of opt-outs, Meta's limit of
// customers in 24 hours, or a number whose quality drops. The file has a database of its own, because a run of the
// sender takes all due work.
import assert from "node:assert/strict";
import { randomUUID } from "node:crypto";
import { afterEach, describe, test } from "node:test";
import { chance } from "./chance.mjs";
import { useDatabase } from "./database.mjs";
import { someWamid, statusOf } from "./inbox.mjs";
import { leasedBy, reportsOf, senders } from "./senders.mjs";
import { someDigits } from "./tenancy.mjs";

const {
  sql,
  asService,
  calls,
  newTenant,
  newUser,
  newNumber,
  newCampaign,
  recipientsOf,
  campaignNow,
  delivers,
  messageNow,
} = await useDatabase({ own: true });
const { begins, claims, records, releases, leaseEnds } = senders({ sql, asService });
const MINUTE = 60_000;
const REFUSED = { error_code: 131_026, error_title: "Undeliverable" };

afterEach(async () => {
  await sql`update public.broadcast_campaigns set status = 'cancelled' where status in ('sending', 'scheduled', 'paused')`;
  await sql`delete from private.sender_leases`;
});

const statusesOf = async (/** @type {any} */ campaign) => (await recipientsOf(campaign)).map(({ status }) => status);
/** @param {any} number @param {Parameters<typeof newCampaign>[1]} [options] */
const newRun = async (number, options) => {
  const campaign = await newCampaign(number, { status: "sending", recipients: 5, ...options });
  const holder = randomUUID();
  await begins(holder);
  return { campaign, holder };
};

describe("a customer who has opted out", () => {
  /** Opts out the contact with this number. @param {{ id: string }} tenant @param {string} wa_id */
  const optsOut = (tenant, wa_id) => sql`
    insert into public.contacts (tenant_id, wa_id, marketing_opted_out_at) values (${tenant.id}, ${wa_id}, now())
    on conflict (tenant_id, wa_id) do update set marketing_opted_out_at = excluded.marketing_opted_out_at`;

  for (const [category, expected] of /** @type {[string, string[]][]} */ ([
    ["MARKETING", ["sending", "skipped", "sending"]],
    ["UTILITY", ["sending", "sending", "sending"]],
    ["AUTHENTICATION", ["sending", "sending", "sending"]],
  ])) {
    test(`gets ${expected[1] === "skipped" ? "no" : "every"} campaign of category ${category}`, async () => {
      const tenant = await newTenant();
      const number = await newNumber(tenant);
      const { campaign, holder } = await newRun(number, { recipients: 3, template: { category } });
      const [, out] = await recipientsOf(campaign);
      await optsOut(tenant, out.wa_id);
      const claim = await claims(number, holder);
      assert.deepEqual(await statusesOf(campaign), expected);
      assert.equal(claim.recipients.length, expected.filter((status) => status === "sending").length);
      const [, { skip_reason, attempts, message_id, claim_id }] = await recipientsOf(campaign);
      if (expected[1] === "skipped")
        assert.deepEqual(
          { skip_reason, attempts, message_id, claim_id },
          { skip_reason: "opted_out", attempts: 0, message_id: null, claim_id: null },
        );
    });
  }

  test("is recognised by any form of the number, and by this tenant alone", async () => {
    const [tenant, other] = [await newTenant(), await newTenant()];
    const number = await newNumber(tenant);
    const [short, long, elsewhere] = ["551187654321", "5511987654321", someDigits()];
    await optsOut(tenant, short);
    await optsOut(other, elsewhere);
    const { campaign, holder } = await newRun(number, { wa_ids: [long, elsewhere] });
    await claims(number, holder);
    assert.deepEqual(await statusesOf(campaign), ["skipped", "sending"]);
  });

  test("after a first attempt gets no second one, and the message says why", async () => {
    const tenant = await newTenant();
    const number = await newNumber(tenant);
    const { campaign, holder } = await newRun(number, { recipients: 1 });
    const first = await claims(number, holder);
    await records(number, holder, reportsOf(first, "retry", REFUSED));
    const [{ wa_id, message_id }] = await recipientsOf(campaign);
    await optsOut(tenant, wa_id);
    assert.deepEqual((await claims(number, holder)).recipients, []);
    const [skipped] = await recipientsOf(campaign);
    assert.deepEqual([skipped.status, skipped.attempts], ["skipped", 1]);
    const message = await messageNow({ id: message_id });
    assert.deepEqual([message.status, message.error_title], ["failed", "The customer has opted out"]);
    assert.equal((await campaignNow(campaign)).status, "failed", "no recipient is left, and none was reached");
  });

  test("is skipped by a retry too", async () => {
    const tenant = await newTenant();
    const number = await newNumber(tenant);
    const { campaign, holder } = await newRun(number, { recipients: 2 });
    await records(number, holder, reportsOf(await claims(number, holder), "failed", REFUSED));
    await optsOut(tenant, (await recipientsOf(campaign))[0].wa_id);
    await calls(await newUser(tenant, "manager"), "act_on_campaign", {
      campaign_id: campaign.id,
      action: "retry",
      options: {},
    });
    await releases(number, holder);
    await begins(holder);
    await claims(number, holder);
    assert.deepEqual(await statusesOf(campaign), ["skipped", "sending"]);
  });
});

describe("Meta's limit of customers in 24 hours", () => {
  const limited = async (limit = "250", businessAccount = someDigits(), tenant = /** @type {any} */ (null)) => {
    const number = await newNumber(tenant ?? (await newTenant()), { businessAccount });
    await sql`update public.whatsapp_sessions set messaging_limit = ${limit} where id = ${number.id}`;
    return number;
  };
  const allowance = async (/** @type {any} */ number) =>
    (await sql`select private.allowance(${number.id}) as left`)[0].left;
  /** @param {any} number @param {string} holder @param {string} [outcome] */
  const sendsAll = async (number, holder, outcome = "sent") => {
    let sent = 0;
    for (let claim; (claim = await claims(number, holder, 4))?.recipients.length > 0;) {
      sent += claim.recipients.length;
      await records(number, holder, reportsOf(claim, outcome, outcome === "sent" ? {} : REFUSED));
    }
    return sent;
  };

  test("is read from Meta's names of limits", async () => {
    const words = [
      "TIER_50",
      "TIER_250",
      "TIER_2K",
      "TIER_10K",
      "TIER_100K",
      "TIER_UNLIMITED",
      "1000",
      "many",
      "",
      null,
    ];
    const [{ limits }] =
      await sql`select jsonb_agg(private.messaging_limit(w) order by n) as limits from unnest(${words}::text[]) with ordinality t (w, n)`;
    assert.deepEqual(limits, [50, 250, 2000, 10_000, 100_000, null, 1000, null, null, null]);
    assert.equal(await allowance(await limited("TIER_UNLIMITED")), null);
  });

  test("holds the rest of every campaign of the number, and gives the reason", async () => {
    const number = await limited("6");
    const { campaign, holder } = await newRun(number, { recipients: 10 });
    const other = await newCampaign(number, { status: "sending", recipients: 1 });
    assert.equal(await sendsAll(number, holder), 6);
    for (const one of [campaign, other]) {
      const now = await campaignNow(one);
      if (now.status === "completed") continue;
      assert.match(now.status_reason, /limit/);
      assert.ok(
        now.held_until > new Date(Date.now() + MINUTE / 2) && now.held_until <= new Date(Date.now() + 16 * MINUTE),
        `${now.held_until}`,
      );
    }
    const left = [...(await statusesOf(campaign)), ...(await statusesOf(other))].filter(
      (status) => status === "pending",
    );
    assert.equal(left.length, 5);
    await releases(number, holder);
    assert.deepEqual(await begins(randomUUID()), { busy: 0, sessions: [] });
  });

  test("is checked again after the wait, and customers of more than 24 hours ago no longer count", async () => {
    const number = await limited("3");
    const { campaign, holder } = await newRun(number, { recipients: 5 });
    assert.equal(await sendsAll(number, holder), 3);
    await releases(number, holder);
    const waitEnds = () => sql`update public.broadcast_campaigns set held_until = now() where id = ${campaign.id}`;
    await waitEnds();
    await begins(holder);
    assert.deepEqual((await claims(number, holder)).recipients, [], "the limit is still used up");
    assert.notEqual((await campaignNow(campaign)).held_until, null);
    await releases(number, holder);

    await sql`update public.messages set sent_at = now() - interval '24 hours 1 second' where session_id = ${number.id}`;
    await waitEnds();
    await begins(holder);
    assert.equal(await sendsAll(number, holder), 2);
    const { status, held_until, status_reason } = await campaignNow(campaign);
    assert.deepEqual(
      { status, held_until, status_reason },
      { status: "completed", held_until: null, status_reason: null },
    );
  });

  test("counts each customer once, and none whose message Meta refused", async () => {
    const number = await limited("4");
    const { campaign: first, holder } = await newRun(number, { recipients: 3 });
    assert.equal(await sendsAll(number, holder), 3);
    assert.equal(await allowance(number), 1);
    const same = (await recipientsOf(first)).map(({ wa_id }) => wa_id);
    await releases(number, holder);
    const second = await newCampaign(number, { status: "sending", wa_ids: same });
    await begins(holder);
    assert.equal(await sendsAll(number, holder), 3, "the same three customers");
    assert.equal((await campaignNow(second)).status, "completed");
    assert.equal(await allowance(number), 1);
    await releases(number, holder);
    await newCampaign(number, { status: "sending", recipients: 1 });
    await begins(holder);
    await sendsAll(number, holder, "failed");
    assert.equal(await allowance(number), 1);
  });

  test("counts a send with an unknown outcome for 24 hours from the attempt", async () => {
    const number = await limited("4");
    const { campaign, holder } = await newRun(number, { recipients: 6 });
    assert.equal(await sendsAll(number, holder, "unknown"), 4);
    assert.equal(await allowance(number), 0);
    const held = (await campaignNow(campaign)).held_until;
    assert.ok(held !== null && held > new Date(), "the rest waits");
    // created long ago, held back, and attempted just now
    await sql`update public.messages set created_at = now() - interval '3 days' where session_id = ${number.id}`;
    assert.equal(await allowance(number), 0);
    await sql`update public.broadcast_recipients set claimed_at = now() - interval '24 hours 1 second' where campaign_id = ${campaign.id} and status = 'unknown'`;
    assert.equal(await allowance(number), 4);
  });

  test("is shared by all numbers of the account, whichever number starts first", async () => {
    const account = someDigits();
    const tenant = await newTenant();
    const numbers = [
      await limited("7", account, tenant),
      await limited("7", account, tenant),
      await limited("7", account, tenant),
    ];
    for (const number of numbers.slice(0, 2)) await newCampaign(number, { status: "sending", recipients: 20 });
    const holder = randomUUID();
    assert.deepEqual(
      leasedBy(await begins(holder)).sort(),
      numbers
        .slice(0, 2)
        .map(({ id }) => id)
        .sort(),
    );
    const first = await claims(numbers[0], holder, 2);
    assert.equal(first.recipients.length, 2);
    // a third number joins while two are sending
    await newCampaign(numbers[2], { status: "sending", recipients: 20 });
    const late = randomUUID();
    await begins(late);
    let sent = first.recipients.length;
    sent += await sendsAll(numbers[2], late);
    sent += await sendsAll(numbers[0], holder);
    sent += await sendsAll(numbers[1], holder);
    assert.ok(sent <= 7, `${sent} of 7`);
    await records(numbers[0], holder, reportsOf(first, "sent"));
    // Another number gets the unused share, at the latest with its next run.
    for (let round = 0; round < 3; round++) {
      await sql`delete from private.sender_leases`;
      await sql`update public.broadcast_campaigns set held_until = now() where status = 'sending' and held_until is not null`;
      await begins(holder);
      for (const number of numbers) sent += await sendsAll(number, holder);
    }
    assert.equal(sent, 7);
    for (const number of numbers) assert.equal(await allowance(number), 0);
  });

  test("ignores messages of other accounts, other tenants and earlier times", async () => {
    const [account, tenant] = [someDigits(), await newTenant()];
    const number = await limited("2", account, tenant);
    for (const other of [await limited("2", someDigits(), tenant), await limited("2", account)]) {
      const { holder } = await newRun(other, { recipients: 2 });
      assert.equal(await sendsAll(other, holder), 2);
      await sql`delete from private.sender_leases`;
    }
    assert.equal(await allowance(number), 2);
  });

  test("is not exceeded by concurrent claims", async () => {
    const number = await limited("10");
    const { campaign, holder } = await newRun(number, { recipients: 40 });
    const all = await Promise.all(Array.from({ length: 8 }, () => claims(number, holder, 3)));
    const handedOut = all.reduce((sum, { recipients }) => sum + recipients.length, 0);
    assert.ok(handedOut <= 10, `${handedOut}`);
    assert.equal((await statusesOf(campaign)).filter((status) => status === "sending").length, handedOut);
  });
});

describe("a number whose quality drops", () => {
  test("to low pauses its campaigns with the reason, and a person can resume them", async () => {
    const tenant = await newTenant();
    const [number, other] = [await newNumber(tenant), await newNumber(tenant)];
    const later = { status: "scheduled", scheduledAt: new Date(Date.now() + 60 * MINUTE) };
    const [running, waiting, elsewhere] = [
      await newCampaign(number, { status: "sending" }),
      await newCampaign(number, later),
      await newCampaign(other, { status: "sending" }),
    ];
    const rates = (/** @type {string | null} */ quality) =>
      sql`update public.whatsapp_sessions set quality_rating = ${quality} where id = ${number.id}`;
    for (const quality of ["GREEN", "YELLOW", "UNKNOWN"]) await rates(quality);
    assert.equal((await campaignNow(running)).status, "sending");
    await rates("RED");
    const now = await campaignNow(running);
    assert.deepEqual([now.status, now.status_reason], ["paused", "The quality of the number has dropped to low"]);
    assert.deepEqual(
      [(await campaignNow(waiting)).status, (await campaignNow(elsewhere)).status],
      ["scheduled", "sending"],
    );
    await calls(await newUser(tenant, "manager"), "act_on_campaign", {
      campaign_id: running.id,
      action: "resume",
      options: {},
    });
    await rates("RED");
    assert.equal((await campaignNow(running)).status, "sending", "a second report of low changes nothing");
  });
});

test("the statistics match the rows after random events", async (t) => {
  const luck = chance();
  t.diagnostic(`CRM_TEST_SEED=${luck.seed}`);
  const tenant = await newTenant();
  const number = await newNumber(tenant);
  const manager = await newUser(tenant, "manager");
  const campaigns = [
    await newCampaign(number, { status: "sending", recipients: 25 }),
    await newCampaign(number, { status: "sending", recipients: 25, template: { category: "UTILITY" } }),
  ];
  const holder = randomUUID();
  await begins(holder);
  /** @type {any[]} */
  const reports = [];
  const someone = async () => luck.pick(await recipientsOf(luck.pick(campaigns)));
  /** @type {Record<string, () => Promise<any>>} */
  const happenings = {
    claim: async () => {
      const claim = await claims(number, holder, luck.integer(1, 8));
      if (claim === null) return begins(holder);
      for (const report of reportsOf(claim, "")) {
        const outcome = luck.pick(["sent", "sent", "sent", "failed", "retry", "unknown"]);
        reports.push({ ...report, outcome, ...(outcome === "sent" ? { whatsapp_message_id: someWamid() } : REFUSED) });
      }
    },
    record: () => records(number, holder, luck.shuffle(reports).slice(0, luck.integer(1, 8))),
    status: async () => {
      const sent = reports.filter(({ outcome }) => outcome === "sent");
      if (sent.length > 0)
        await delivers({
          statuses: [statusOf(number, luck.pick(sent).whatsapp_message_id, luck.pick(["delivered", "read", "failed"]))],
          keep_event: false,
        });
    },
    reply: async () => {
      const { wa_id } = await someone();
      await delivers({
        messages: [
          {
            phone_number_id: number.meta_phone_number_id,
            from: wa_id,
            wamid: someWamid(),
            timestamp: Math.floor(Date.now() / 1000),
            kind: "text",
            preview: luck.pick(["Ya", "STOP", "MULAI"]),
            payload: {},
          },
        ],
        keep_event: false,
      });
    },
    act: async () => {
      const action = luck.pick(["pause", "resume", "resume", "retry", "complete"]);
      const campaign = luck.pick(campaigns);
      try {
        await calls(manager, "act_on_campaign", {
          campaign_id: campaign.id,
          action,
          options: { include_unknown: luck.number() < 0.5 },
        });
      } catch (error) {
        if (/** @type {any} */ (error).code !== "PT409") throw error;
      }
    },
    death: async () => {
      await leaseEnds(number);
      await begins(holder);
    },
  };
  for (let step = 0; step < 60; step++) {
    const happening = luck.pick(["claim", "claim", "record", "record", "status", "reply", "reply", "act", "death"]);
    if (happening !== "record" || reports.length > 0) await happenings[happening]();
    await compare(`CRM_TEST_SEED=${luck.seed} step ${step}: ${happening}`);
  }
  for (const campaign of campaigns)
    if ((await campaignNow(campaign)).status !== "completed")
      await calls(manager, "act_on_campaign", { campaign_id: campaign.id, action: "cancel", options: {} });
  await compare(`CRM_TEST_SEED=${luck.seed} at the end`);

  /** @param {string} context */
  async function compare(context) {
    for (const campaign of campaigns) {
      const { statistics, status } = await calls(manager, "get_campaign", { campaign_id: campaign.id });
      const rows = await recipientsOf(campaign);
      const n = (/** @type {string[]} */ ...statuses) => rows.filter((row) => statuses.includes(row.status)).length;
      const counted = {
        total: rows.length,
        pending: n("pending"),
        sending: n("sending"),
        sent: n("sent", "delivered", "read"),
        delivered: n("delivered", "read"),
        read: n("read"),
        failed: n("failed"),
        unknown: n("unknown"),
        skipped: n("skipped"),
        replied: rows.filter(({ replied_at }) => replied_at !== null).length,
      };
      assert.deepEqual({ ...statistics, ...counted }, statistics, context);
      assert.equal(
        rows.length,
        counted.pending + counted.sending + counted.sent + counted.failed + counted.unknown + counted.skipped,
        context,
      );
      const percent = (/** @type {number} */ part, /** @type {number} */ whole) =>
        whole === 0 ? 0 : Math.floor((1000 * part) / whole) / 10;
      assert.equal(statistics.reply_rate_percent, percent(counted.replied, counted.sent), context);
      assert.equal(
        statistics.progress_percent,
        percent(rows.length - counted.pending - counted.sending, rows.length),
        context,
      );
      for (const row of rows) {
        assert.equal(row.status === "skipped", row.skip_reason !== null, `${context}: a reason for ${row.status}`);
        if (row.skip_reason === "opted_out") assert.equal(campaign.template.category, "MARKETING", context);
      }
      if (["completed", "cancelled"].includes(status)) assert.equal(counted.pending, 0, context);
    }
  }
});
