// Tracking campaigns: the recipients one by one, and the queue as a whole.
import assert from "node:assert/strict";
import { randomUUID } from "node:crypto";
import { describe, test } from "node:test";
import { useDatabase } from "./database.mjs";
import { isRefused } from "./refusals.mjs";

const { sql, calls, newTenant, newUser, newUserWith, newNumber, newCampaign, recipientsOf, campaignNow } =
  await useDatabase();

const newOffice = async () => {
  const tenant = await newTenant();
  return { tenant, number: await newNumber(tenant), manager: await newUser(tenant, "manager") };
};
/** @param {any} campaign @param {string[]} statuses of its recipients in their order; null leaves one as it is */
const become = async (campaign, statuses) => {
  await sql`
    update public.broadcast_recipients r set status = s.status, skip_reason = case s.status when 'skipped' then 'opted_out' end
    from unnest(${statuses}::text[]) with ordinality s (status, nth) where r.campaign_id = ${campaign.id} and r.position = s.nth`;
};

describe("the list of a campaign's recipients", () => {
  const lists = (/** @type {any} */ user, /** @type {any} */ campaign, options = {}) =>
    calls(user, "list_campaign_recipients", { campaign_id: campaign.id, ...options });
  const places = (/** @type {any} */ page) => page.rows.map(({ position }) => position);

  test("shows every detail of each recipient", async () => {
    const { number, manager } = await newOffice();
    const campaign = await newCampaign(number, { recipients: 1 });
    await sql`
      update public.broadcast_recipients set
        status = 'failed', name = 'Ibu Rina', attempts = 3, error_code = 131026, error_title = 'Undeliverable', error_details = 'No WhatsApp',
        failed_at = '2031-01-01T00:00Z', timezone = 'Asia/Jakarta'
      where campaign_id = ${campaign.id}`;
    const [{ id, wa_id }] = await recipientsOf(campaign);
    const { rows, next_cursor } = await lists(manager, campaign);
    assert.equal(next_cursor, null);
    assert.deepEqual(rows, [
      {
        id,
        position: 1,
        phone_number: `+${wa_id}`,
        name: "Ibu Rina",
        variables: ["Rina"],
        status: "failed",
        skip_reason: null,
        due_at: null,
        timezone: "Asia/Jakarta",
        attempts: 3,
        message_id: null,
        error_code: 131_026,
        error_title: "Undeliverable",
        error_details: "No WhatsApp",
        sent_at: null,
        delivered_at: null,
        read_at: null,
        failed_at: "2031-01-01T00:00:00+00:00",
        replied_at: null,
        reply_message_id: null,
        preview: "Halo Rina",
      },
    ]);
  });

  test("comes in pages with each recipient once, even if statuses change between the pages", async () => {
    const { number, manager } = await newOffice();
    const campaign = await newCampaign(number, { recipients: 11 });
    // imported concurrently
    await sql`update public.broadcast_recipients set position = 4 where campaign_id = ${campaign.id} and position between 4 and 8`;
    const seen = [];
    let after = null;
    do {
      const page = await lists(manager, campaign, { page_size: 3, after });
      assert.ok(page.rows.length <= 3);
      seen.push(...page.rows.map(({ id }) => id));
      await become(campaign, ["sent", "failed", "read"]);
      after = page.next_cursor;
    } while (after !== null);
    const all = await recipientsOf(campaign);
    assert.deepEqual([seen.length, new Set(seen).size], [11, 11]);
    assert.deepEqual([...seen].sort(), all.map(({ id }) => id).sort());
    assert.deepEqual(
      [
        (await lists(manager, campaign, { page_size: 11 })).next_cursor,
        (await lists(manager, campaign, { page_size: 11, after: seen[10] })).rows,
      ],
      [null, []],
    );
  });

  test("is filtered", async () => {
    const { number, manager } = await newOffice();
    const campaign = await newCampaign(number, { wa_ids: ["6281", "6282", "6283", "6284", "60171"] });
    await become(campaign, ["failed", "failed", "read", "skipped", "pending"]);
    await sql`update public.broadcast_recipients set error_code = 131026 where campaign_id = ${campaign.id} and position = 1`;
    await sql`update public.broadcast_recipients set name = 'Ibu Rina_%' where campaign_id = ${campaign.id} and position = 2`;
    await sql`update public.broadcast_recipients set replied_at = now() where campaign_id = ${campaign.id} and position = 3`;
    for (const [filter, expected] of /** @type {[any, number[]][]} */ ([
      [{ status_filter: "failed" }, [1, 2]],
      [{ status_filter: "skipped" }, [4]],
      [{ status_filter: "sent" }, []],
      [{ error_code: 131_026 }, [1]],
      [{ status_filter: "failed", error_code: 131_049 }, []],
      [{ search: "628" }, [1, 2, 3, 4]],
      [{ search: "RINA" }, [2]],
      [{ search: "_%" }, [2]],
      [{ search: "%" }, [2]],
      [{ replied: true }, [3]],
      [{ replied: false, search: "628" }, [1, 2, 4]],
    ])) {
      assert.deepEqual(places(await lists(manager, campaign, filter)), expected, JSON.stringify(filter));
    }
    const first = await lists(manager, campaign, { status_filter: "failed", page_size: 1 });
    assert.deepEqual(
      places(await lists(manager, campaign, { status_filter: "failed", page_size: 1, after: first.next_cursor })),
      [2],
    );
  });

  test("shows the reasons, and when a waiting recipient is due", async () => {
    const { number, manager } = await newOffice();
    const campaign = await newCampaign(number, { recipients: 2 });
    await become(campaign, ["skipped", "pending"]);
    const {
      rows: [skipped, pending],
    } = await lists(manager, campaign);
    assert.deepEqual(
      [skipped.skip_reason, skipped.due_at, pending.skip_reason, pending.due_at !== null],
      ["opted_out", null, null, true],
    );
  });

  test("holds one campaign's recipients, for people who may see it", async () => {
    const { tenant, number, manager } = await newOffice();
    const [campaign, other] = [await newCampaign(number), await newCampaign(number)];
    const [foreign] = await recipientsOf(other);
    for (const after of [foreign.id, randomUUID()])
      await isRefused(lists(manager, campaign, { after }), { code: "PT422", detail: "invalid_field", hint: "after" });
    for (const stranger of [
      await newUser(await newTenant(), "super_admin"),
      await newUser(tenant, null),
      await newUser(tenant, "agent"),
    ])
      assert.equal(await lists(stranger, campaign), null);
  });
});

describe("the queue", () => {
  const gets = (/** @type {any} */ user) => calls(user, "get_queue");
  const ALL = ["pending", "pending", "sending", "sent", "delivered", "read", "failed", "unknown", "skipped"];
  const COUNTS = { waiting: 1, delayed: 1, active: 1, completed: 3, failed: 1, unknown: 1, skipped: 1 };
  const NONE = { waiting: 0, delayed: 0, active: 0, completed: 0, failed: 0, unknown: 0, skipped: 0 };
  const newOne = async (/** @type {any} */ number, status = "paused") => {
    const campaign = await newCampaign(number, { status, recipients: ALL.length });
    await become(campaign, ALL);
    await sql`update public.broadcast_recipients set due_at = now() + interval '1 hour' where campaign_id = ${campaign.id} and position = 2`;
    return campaign;
  };

  test("is counted as a whole, by number and by campaign", async () => {
    const { tenant, number } = await newOffice();
    const second = await newNumber(tenant, { perSecond: 80 });
    const [first, other] = [await newOne(number), await newOne(second)];
    const viewer = await newUserWith(tenant, { permissions: ["queue.view"] });
    const queue = await gets(viewer);
    assert.deepEqual(queue.total, Object.fromEntries(Object.entries(COUNTS).map(([name, count]) => [name, 2 * count])));
    assert.deepEqual(
      queue.numbers.map(({ session_id, messages_per_second, sending_now, counts }) => ({
        session_id,
        messages_per_second,
        sending_now,
        counts,
      })),
      [
        { session_id: number.id, messages_per_second: 10, sending_now: false, counts: COUNTS },
        { session_id: second.id, messages_per_second: 80, sending_now: false, counts: COUNTS },
      ],
    );
    assert.deepEqual(
      queue.campaigns.map(({ campaign_id, status, counts }) => ({ campaign_id, status, counts })),
      [other, first].map(({ id }) => ({ campaign_id: id, status: "paused", counts: COUNTS })),
    );
    await sql`insert into private.sender_leases values (${number.id}, ${randomUUID()}, now() + interval '1 minute')`;
    assert.deepEqual(
      (await gets(viewer)).numbers.map(({ sending_now }) => sending_now),
      [true, false],
    );
  });

  test("holds running campaigns, and those that ended within a week", async () => {
    const { tenant, number } = await newOffice();
    const viewer = await newUserWith(tenant, { permissions: ["queue.view"] });
    for (const status of ["draft", "cancelled", "failed"])
      await newCampaign(number, { status, scheduledAt: new Date() });
    const [recent, old] = [await newOne(number, "completed"), await newOne(number, "completed")];
    await sql`update public.broadcast_campaigns set completed_at = now() - interval '1 day' where id = ${recent.id}`;
    await sql`update public.broadcast_campaigns set completed_at = now() - interval '8 days' where id = ${old.id}`;
    assert.deepEqual(
      (await gets(viewer)).campaigns.map(({ campaign_id }) => campaign_id),
      [recent.id],
    );
  });

  test("calls a campaign delayed that waits for a time, quiet hours or Meta's limit", async () => {
    const { tenant, number } = await newOffice();
    const viewer = await newUserWith(tenant, { permissions: ["queue.view"] });
    await newCampaign(number, { status: "scheduled", recipients: 2, scheduledAt: new Date(Date.now() + 3_600_000) });
    const held = await newCampaign(number, { status: "sending", recipients: 3 });
    await sql`update public.broadcast_campaigns set held_until = now() + interval '1 hour' where id = ${held.id}`;
    const { total, numbers } = await gets(viewer);
    assert.deepEqual([total.waiting, total.delayed, numbers[0].counts.delayed], [0, 5, 5]);
    await sql`update public.broadcast_campaigns set status = 'cancelled' where id = ${held.id}`;
  });

  test("belongs to the tenant, and is shown to people with the permission", async () => {
    const { tenant, number } = await newOffice();
    await newOne(number);
    assert.deepEqual(await gets(await newUser(await newTenant(), "super_admin")), {
      total: NONE,
      numbers: [],
      campaigns: [],
    });
    await isRefused(gets(await newUserWith(tenant, { permissions: ["broadcasts.view"] })), {
      code: "PT403",
      detail: "forbidden",
    });
  });
});

describe("a retry of all failed recipients", () => {
  const statuses = async (/** @type {any} */ campaign) => (await recipientsOf(campaign)).map(({ status }) => status);
  const may = { permissions: ["queue.manage", "broadcasts.retry"] };

  test("covers running campaigns and those of the last week, and failed recipients alone", async () => {
    const { tenant, number } = await newOffice();
    const made = /** @type {Record<string, any>} */ ({});
    for (const [name, status, ended] of /** @type {[string, string, string | null][]} */ ([
      ["recent", "completed", "1 day"],
      ["old", "completed", "8 days"],
      ["paused", "paused", null],
      ["cancelled", "cancelled", null],
      ["withdrawn", "completed", "1 day"],
      ["fine", "completed", "1 day"],
    ])) {
      made[name] = await newCampaign(number, { status, recipients: 4 });
      await become(
        made[name],
        name === "fine" ? ["sent", "read", "sent", "sent"] : ["failed", "delivered", "unknown", "skipped"],
      );
      if (ended)
        await sql`update public.broadcast_campaigns set completed_at = now() - ${ended}::interval where id = ${made[name].id}`;
    }
    await sql`update public.broadcast_templates set status = 'REJECTED' where id = ${made.withdrawn.template.id}`;
    const operator = await newUserWith(tenant, may);
    assert.deepEqual(await calls(operator, "retry_failed"), { retried: 1, campaigns: 1 });
    assert.deepEqual(await statuses(made.recent), ["pending", "delivered", "unknown", "skipped"]);
    const { status, completed_at } = await campaignNow(made.recent);
    assert.deepEqual({ status, completed_at }, { status: "sending", completed_at: null });
    for (const name of ["old", "paused", "cancelled", "withdrawn"])
      assert.equal((await statuses(made[name]))[0], "failed", name);
    assert.equal((await campaignNow(made.fine)).status, "completed");
    assert.deepEqual(await calls(operator, "retry_failed"), { retried: 0, campaigns: 0 });
  });

  test("needs both permissions, and stays within the tenant", async () => {
    const { tenant, number } = await newOffice();
    const campaign = await newCampaign(number, { status: "completed" });
    await become(campaign, ["failed"]);
    await sql`update public.broadcast_campaigns set completed_at = now() where id = ${campaign.id}`;
    for (const permission of may.permissions) {
      await isRefused(calls(await newUserWith(tenant, { permissions: [permission] }), "retry_failed"), {
        code: "PT403",
        detail: "forbidden",
      });
    }
    assert.deepEqual(await calls(await newUser(await newTenant(), "super_admin"), "retry_failed"), {
      retried: 0,
      campaigns: 0,
    });
    assert.deepEqual(await statuses(campaign), ["failed"]);
  });
});
