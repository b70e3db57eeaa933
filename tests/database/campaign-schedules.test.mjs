// The time at which campaigns are sent: times as people type them, each recipient's own clock, quiet hours, and the
// scheduler. The file has a database of its own, because a run of the sender takes all due work.
import assert from "node:assert/strict";
import { randomUUID } from "node:crypto";
import { afterEach, describe, test } from "node:test";
import { useDatabase } from "./database.mjs";
import { isRefused } from "./refusals.mjs";
import { leasedBy, senders } from "./senders.mjs";

const {
  sql,
  asService,
  calls,
  newTenant,
  newUser,
  newUserWith,
  newNumber,
  newTemplate,
  newCampaign,
  recipientsOf,
  campaignNow,
} = await useDatabase({ own: true });
const { begins, claims, leaseEnds } = senders({ sql, asService });
const MINUTE = 60_000;

afterEach(async () => {
  await sql`update public.broadcast_campaigns set status = 'cancelled' where status in ('sending', 'scheduled', 'paused')`;
  await sql`delete from private.sender_leases`;
});

const newOffice = async (timezone = "Asia/Jakarta") => {
  const tenant = await newTenant();
  await sql`update public.tenants set timezone = ${timezone} where id = ${tenant.id}`;
  return {
    tenant,
    number: await newNumber(tenant),
    template: await newTemplate(tenant),
    manager: await newUser(tenant, "manager"),
  };
};
/** @param {any} office @param {object} options of `create_campaign` @param {string[]} [people] */
const creates = ({ manager, template }, options, people = ["6281200000001"]) =>
  calls(manager, "create_campaign", {
    name: "Promo",
    template_id: template.id,
    recipients: sql.json(people.map((wa_id) => ({ wa_id, variables: ["Rina"] }))),
    options: sql.json(options),
  });
const acts = (/** @type {any} */ user, /** @type {any} */ campaign, /** @type {string} */ action, options = {}) =>
  calls(user, "act_on_campaign", { campaign_id: campaign.id, action, options });
const utc = (/** @type {string | Date} */ time) => new Date(time).toISOString().replace(":00.000Z", "Z");
/** The time that a clock shows in this number of minutes. @param {string} zone @param {number} minutes */
const clock = async (zone, minutes) =>
  (await sql`select to_char(now() at time zone ${zone} + make_interval(mins => ${minutes}), 'HH24:MI') as wall`)[0]
    .wall;
/** Quiet hours from an hour ago until an hour from now, in that zone. @param {string} zone */
const aroundNow = async (zone) => ({ from: await clock(zone, -60), to: await clock(zone, 60) });

describe("a time that a person typed", () => {
  for (const [typed, zone, moment] of [
    ["2031-01-02T09:00", "Asia/Jakarta", "2031-01-02T02:00Z"],
    ["2031-01-02 09:00", "Asia/Jayapura", "2031-01-02T00:00Z"],
    ["2031-01-02T00:30:00", "Asia/Makassar", "2031-01-01T16:30Z"],
    ["2031-01-02T09:00Z", "Asia/Jakarta", "2031-01-02T09:00Z"],
    ["2031-01-02T09:00:00.000z", "Asia/Jakarta", "2031-01-02T09:00Z"],
    ["2031-01-02T09:00+09:00", "Asia/Jakarta", "2031-01-02T00:00Z"],
    ["2031-01-02T09:00-0330", "Asia/Jakarta", "2031-01-02T12:30Z"],
    ["2031-01-02T09:00+07", "Asia/Jayapura", "2031-01-02T02:00Z"],
    ["2031-07-01T09:00", "Europe/London", "2031-07-01T08:00Z"],
  ]) {
    test(`${typed} in ${zone} is ${moment}`, async () => {
      const [row] = await sql`select private.moment(${typed}, ${zone}, 'scheduled_at') as moment`;
      assert.equal(utc(row.moment), moment);
    });
  }

  test("is refused if it is ambiguous", async () => {
    const wrong = [
      "",
      "now",
      "tomorrow",
      "infinity",
      "09:00",
      "2031-01-02",
      "2031-13-01T09:00",
      "2031-02-30",
      "2031-01-02T25:00",
      "02/01/2031 09:00",
      "2031-01-02T09:00 UTC",
      "2031-01-02T09:00 WIB",
      "2031-01-02+07",
    ];
    for (const typed of wrong) {
      await isRefused(sql`select private.moment(${typed}, 'Asia/Jakarta', 'scheduled_at')`, {
        code: "PT422",
        detail: "invalid_field",
        hint: "scheduled_at",
      });
    }
  });

  for (const [zone, moment] of [
    ["Asia/Jakarta", "2031-01-02T02:00Z"],
    ["Asia/Jayapura", "2031-01-02T00:00Z"],
  ]) {
    test(`is in the tenant's zone ${zone}, and is shown in it`, async () => {
      const campaign = await creates(await newOffice(zone), { scheduled_at: "2031-01-02T09:00" });
      assert.deepEqual(
        [campaign.status, utc(campaign.scheduled_at), campaign.scheduled_local, campaign.timezone],
        ["scheduled", moment, "2031-01-02T09:00:00", zone],
      );
    });
  }
});

describe("a time by the clock of each recipient", () => {
  const PEOPLE = [
    "6281200000001",
    "60120000001",
    "8190000001",
    "447700000001",
    "4915100000001",
    "12120000001",
    "61400000001",
    "79000000001",
    "299000001",
  ];
  /** Indonesia, Malaysia, Japan, Britain, Germany, New York, Sydney, Russia, and one whose country is not known. */
  const dueTimes = async (/** @type {any} */ campaign) =>
    (await recipientsOf(campaign)).map(({ due_at }) => utc(due_at));
  const LOCAL = { recipient_local: true };

  for (const [typed, expected] of /** @type {[string, string[]][]} */ ([
    [
      "2031-01-15T09:00",
      ["15T02:00", "15T01:00", "15T00:00", "15T09:00", "15T08:00", "15T14:00", "14T22:00", "15T06:00", "15T02:00"].map(
        (time) => `2031-01-${time}Z`,
      ),
    ],
    [
      "2031-07-15T09:00",
      ["15T02:00", "15T01:00", "15T00:00", "15T08:00", "15T07:00", "15T13:00", "14T23:00", "15T06:00", "15T02:00"].map(
        (time) => `2031-07-${time}Z`,
      ),
    ],
    // a time that the clocks of Britain and Germany skip or show twice
    [
      "2031-03-30T01:30",
      ["29T18:30", "29T17:30", "29T16:30", "30T01:30", "30T00:30", "30T05:30", "29T14:30", "29T22:30", "29T18:30"].map(
        (time) => `2031-03-${time}Z`,
      ),
    ],
  ])) {
    test(`(${typed}) is converted for each of them`, async () => {
      const office = await newOffice();
      const campaign = await creates(office, { ...LOCAL, scheduled_at: typed }, PEOPLE);
      assert.deepEqual(await dueTimes(campaign), expected);
      assert.deepEqual(
        [campaign.status, utc(campaign.scheduled_at), campaign.scheduled_local],
        ["scheduled", [...expected].sort()[0], `${typed}:00`],
      );
    });
  }

  test("uses the longest calling code that matches", async () => {
    const countries =
      await sql`select w, (private.calling_code(w)).country from unnest(array['770000', '790000', '8550000', '8520000', '850000', '5930000', '62']) w`;
    assert.deepEqual(
      countries.map(({ country }) => country),
      ["KZ", "RU", "KH", "HK", null, "EC", "ID"],
    );
  });

  test("starts with the first recipient, and the others wait for their time", async () => {
    const office = await newOffice();
    // nine o'clock is past in the east but not in the west
    const campaign = await creates(
      office,
      {
        ...LOCAL,
        scheduled_at: `${(await sql`select to_char(now() at time zone 'Asia/Jakarta', 'YYYY-MM-DD"T"HH24:MI') as wall`)[0].wall}`,
      },
      PEOPLE,
    );
    assert.equal(campaign.status, "sending");
    const holder = randomUUID();
    assert.deepEqual(leasedBy(await begins(holder)), [office.number.id]);
    const { recipients } = await claims(office.number, holder, 20);
    assert.deepEqual(
      recipients.map((/** @type {any} */ { wa_id }) => wa_id).sort(),
      [0, 1, 2, 6, 8].map((i) => PEOPLE[i]).sort(),
    );
    const next = await claims(office.number, holder, 20);
    assert.deepEqual(next.recipients, []);
    assert.ok(
      next.next_due_ms > 3.5 * 60 * MINUTE && next.next_due_ms <= 4 * 60 * MINUTE,
      "Russia is four hours behind",
    );
  });

  test("is refused if it is missing", async () => {
    const office = await newOffice();
    await isRefused(creates(office, LOCAL), { code: "PT422", detail: "invalid_field", hint: "scheduled_at" });
    const draft = await creates(office, { ...LOCAL, draft: true });
    await isRefused(acts(office.manager, draft, "send"), {
      code: "PT422",
      detail: "invalid_field",
      hint: "scheduled_at",
    });
  });

  test("stays when the campaign is sent once more, and a new time moves all recipients", async () => {
    const office = await newOffice();
    const campaign = await creates(office, { ...LOCAL, scheduled_at: "2031-01-15T09:00" }, PEOPLE);
    const before = await dueTimes(campaign);
    const again = await acts(office.manager, campaign, "send");
    assert.deepEqual([again.scheduled_local, again.scheduled_at], [campaign.scheduled_local, campaign.scheduled_at]);
    assert.deepEqual(await dueTimes(campaign), before);
    const updates = (/** @type {object} */ changes) =>
      calls(office.manager, "update_campaign", { campaign_id: campaign.id, changes });
    const moved = await updates({ scheduled_at: "2031-01-15T10:00" });
    assert.equal(moved.scheduled_local, "2031-01-15T10:00:00");
    assert.deepEqual(
      await dueTimes(campaign),
      before.map((time) => utc(new Date(Date.parse(time) + 60 * MINUTE))),
    );
    const common = await updates({ recipient_local: false });
    assert.deepEqual([utc(common.scheduled_at), common.scheduled_local], ["2031-01-15T03:00Z", "2031-01-15T10:00:00"]);
    assert.ok(
      (await recipientsOf(campaign)).every(({ due_at, timezone }) => due_at <= new Date() && timezone === null),
    );
    assert.deepEqual(
      [utc((await updates({ recipient_local: true })).scheduled_at), (await dueTimes(campaign))[0]],
      ["2031-01-14T23:00Z", "2031-01-15T03:00Z"],
    );
  });
});

describe("quiet hours", () => {
  const NIGHT = { from: "21:00", to: "08:00" };
  const NOON = { from: "12:00", to: "13:30" };
  for (const {
    quiet,
    zone,
    moment,
    end,
  } of /** @type {{ quiet: any, zone: string, moment: string, end: string | null }[]} */ ([
    { quiet: NIGHT, zone: "Asia/Jakarta", moment: "2031-01-15T13:59Z", end: null },
    { quiet: NIGHT, zone: "Asia/Jakarta", moment: "2031-01-15T14:00Z", end: "2031-01-16T01:00Z" },
    { quiet: NIGHT, zone: "Asia/Jakarta", moment: "2031-01-15T17:00Z", end: "2031-01-16T01:00Z" },
    { quiet: NIGHT, zone: "Asia/Jakarta", moment: "2031-01-16T00:59Z", end: "2031-01-16T01:00Z" },
    { quiet: NIGHT, zone: "Asia/Jakarta", moment: "2031-01-16T01:00Z", end: null },
    { quiet: NOON, zone: "Asia/Jakarta", moment: "2031-01-15T05:00Z", end: "2031-01-15T06:30Z" },
    { quiet: NOON, zone: "Asia/Jakarta", moment: "2031-01-15T06:29Z", end: "2031-01-15T06:30Z" },
    { quiet: NOON, zone: "Asia/Jakarta", moment: "2031-01-15T06:30Z", end: null },
    { quiet: NOON, zone: "Asia/Jakarta", moment: "2031-01-15T04:59Z", end: null },
    {
      quiet: { from: "00:00", to: "06:00" },
      zone: "Asia/Jayapura",
      moment: "2031-01-14T15:00Z",
      end: "2031-01-14T21:00Z",
    },
    {
      quiet: { from: "22:00", to: "00:00" },
      zone: "Asia/Jakarta",
      moment: "2031-01-15T16:59Z",
      end: "2031-01-15T17:00Z",
    },
    // the night in which the clocks go forward is an hour shorter
    { quiet: NIGHT, zone: "Europe/London", moment: "2031-03-29T22:00Z", end: "2031-03-30T07:00Z" },
    { quiet: null, zone: "Asia/Jakarta", moment: "2031-01-15T17:00Z", end: null },
  ])) {
    test(`${quiet ? `from ${quiet.from} to ${quiet.to}` : "that are not set"} in ${zone} at ${moment} ${end ? `end at ${end}` : "are not in force"}`, async () => {
      const [row] =
        await sql`select private.quiet_until(${quiet === null ? null : sql.json(quiet)}, ${zone}, ${moment}::timestamptz) as until`;
      assert.equal(row.until && utc(row.until), end);
    });
  }

  test("hold a campaign, give the reason, and let it continue automatically", async () => {
    const { number } = await newOffice("Asia/Jayapura");
    const quiet = await newCampaign(number, { status: "sending", quietHours: await aroundNow("Asia/Jayapura") });
    const holder = randomUUID();
    assert.deepEqual(await begins(holder), { busy: 0, sessions: [] });
    const held = await campaignNow(quiet);
    assert.equal(held.status_reason, "Quiet hours");
    assert.ok(Math.abs(held.held_until - Date.now() - 60 * MINUTE) < 2 * MINUTE, `${held.held_until}`);
    assert.deepEqual(await begins(randomUUID()), { busy: 0, sessions: [] });
    const { overdue_seconds } = (await asService((sql) => sql`select public.worker_health() as health`))[0].health;
    assert.equal(overdue_seconds, null, "a campaign that waits on purpose is not late");

    await sql`
      update public.broadcast_campaigns set held_until = now(), quiet_hours = ${sql.json({ from: await clock("Asia/Jayapura", -120), to: await clock("Asia/Jayapura", -5) })}
      where id = ${quiet.id}`;
    assert.deepEqual(leasedBy(await begins(holder)), [number.id]);
    const { held_until, status_reason } = await campaignNow(quiet);
    assert.deepEqual({ held_until, status_reason }, { held_until: null, status_reason: null });
    assert.equal((await claims(number, holder)).recipients.length, 1);
  });

  test("that begin during a run stop their campaign at the next claim, and no other campaign", async () => {
    const { number } = await newOffice();
    const [quiet, other] = [
      await newCampaign(number, { status: "sending", recipients: 4 }),
      await newCampaign(number, { status: "sending", recipients: 4 }),
    ];
    const holder = randomUUID();
    await begins(holder);
    await sql`update public.broadcast_campaigns set quiet_hours = ${sql.json(await aroundNow("Asia/Jakarta"))} where id = ${quiet.id}`;
    await claims(number, holder, 20);
    const sending = async (/** @type {any} */ campaign) =>
      (await recipientsOf(campaign)).filter(({ status }) => status === "sending").length;
    assert.deepEqual([await sending(quiet), await sending(other)], [0, 4]);
  });

  test("by the clock of each recipient hold those for whom it is night, before and during a run", async () => {
    for (const inTheMiddle of [false, true]) {
      const { number } = await newOffice();
      const [east, west] = ["6281200000001", "12120000001"];
      const campaign = await newCampaign(number, { status: "sending", recipientLocal: true, wa_ids: [east, west] });
      await sql`update public.broadcast_recipients set timezone = (private.calling_code(wa_id)).timezone where campaign_id = ${campaign.id}`;
      const night = sql`update public.broadcast_campaigns set quiet_hours = ${sql.json(await aroundNow("Asia/Jakarta"))} where id = ${campaign.id}`;
      const holder = randomUUID();
      if (!inTheMiddle) await night;
      assert.deepEqual(leasedBy(await begins(holder)), [number.id]);
      if (inTheMiddle) await night;
      const { recipients } = await claims(number, holder);
      assert.deepEqual(
        recipients.map((/** @type {any} */ { wa_id }) => wa_id),
        [west],
      );
      const [later] = await recipientsOf(campaign);
      assert.deepEqual([later.status, later.attempts, later.claim_id], ["pending", 0, null]);
      assert.ok(Math.abs(later.due_at - Date.now() - 60 * MINUTE) < 2 * MINUTE, `${later.due_at}`);
      assert.equal((await campaignNow(campaign)).held_until, null);
      await leaseEnds(number);
    }
  });

  test("of a paused campaign are evaluated again when it is resumed", async () => {
    const { number, manager } = await newOffice();
    const campaign = await newCampaign(number, { status: "sending", quietHours: await aroundNow("Asia/Jakarta") });
    await begins(randomUUID());
    await acts(manager, campaign, "pause");
    const resumed = await acts(manager, campaign, "resume");
    assert.deepEqual([resumed.status, resumed.held_until, resumed.status_reason], ["sending", null, null]);
    assert.deepEqual(await begins(randomUUID()), { busy: 0, sessions: [] });
    assert.notEqual((await campaignNow(campaign)).held_until, null);
  });
});

describe("the scheduler", () => {
  const controls = (/** @type {any} */ user, /** @type {string} */ action) =>
    calls(user, "control_scheduler", { action });
  const overdue = () => new Date(Date.now() - 10 * MINUTE);

  test("catches up once after a missed minute", async () => {
    const { number } = await newOffice();
    const campaign = await newCampaign(number, { status: "scheduled", scheduledAt: overdue() });
    await Promise.all([begins(randomUUID()), begins(randomUUID())]);
    const started = await campaignNow(campaign);
    assert.equal(started.status, "sending");
    await begins(randomUUID());
    assert.deepEqual((await campaignNow(campaign)).started_at, started.started_at);
    const { overdue_seconds } = (await asService((sql) => sql`select public.worker_health() as health`))[0].health;
    assert.equal(overdue_seconds, null);
  });

  test("does not report a campaign as late that has only begun", async () => {
    const { number } = await newOffice();
    const campaign = await newCampaign(number, { status: "scheduled", scheduledAt: overdue() });
    await sql`update public.broadcast_recipients set due_at = now() - interval '3 days' where campaign_id = ${campaign.id}`;
    await begins(randomUUID(), 0);
    const { overdue_seconds } = (await asService((sql) => sql`select public.worker_health() as health`))[0].health;
    assert.ok(overdue_seconds < 60, `${overdue_seconds}`);
  });

  test("starts nothing while it is stopped, and lets running campaigns continue", async () => {
    const {
      number,
      manager: { tenant },
    } = await newOffice();
    const admin = await newUser(tenant, "admin");
    const [due, running] = [
      await newCampaign(number, { status: "scheduled", scheduledAt: overdue() }),
      await newCampaign(number, { status: "sending" }),
    ];
    const later = await newCampaign(number, { status: "scheduled", scheduledAt: new Date(Date.now() + 60 * MINUTE) });
    const stopped = await controls(admin, "stop");
    assert.deepEqual(
      [stopped.running, stopped.scheduled, stopped.started_campaigns, Date.parse(stopped.next_at)],
      [false, 2, 0, due.scheduled_at.getTime()],
    );
    assert.equal((await controls(admin, "stop")).stopped_at, stopped.stopped_at);
    const holder = randomUUID();
    assert.deepEqual(leasedBy(await begins(holder)), [number.id]);
    assert.deepEqual(await Promise.all([due, running, later].map(async (one) => (await campaignNow(one)).status)), [
      "scheduled",
      "sending",
      "scheduled",
    ]);

    const triggered = await controls(admin, "trigger");
    assert.deepEqual(
      [triggered.running, triggered.started_campaigns, triggered.scheduled],
      [false, 1, 1],
      "a person triggers it",
    );
    assert.deepEqual(await Promise.all([due, later].map(async (one) => (await campaignNow(one)).status)), [
      "sending",
      "scheduled",
    ]);
    await sql`update public.broadcast_campaigns set scheduled_at = now() where id = ${later.id}`;
    await begins(randomUUID());
    assert.equal((await campaignNow(later)).status, "scheduled");
    assert.deepEqual((({ running, stopped_at }) => [running, stopped_at])(await controls(admin, "start")), [
      true,
      null,
    ]);
    await begins(randomUUID());
    assert.equal((await campaignNow(later)).status, "sending");
  });

  test("belongs to one tenant", async () => {
    const [own, other] = [await newOffice(), await newOffice()];
    const campaign = await newCampaign(other.number, { status: "scheduled", scheduledAt: overdue() });
    const admin = await newUser(own.tenant, "admin");
    assert.deepEqual(
      (({ started_campaigns, scheduled, next_at }) => [started_campaigns, scheduled, next_at])(
        await controls(admin, "trigger"),
      ),
      [0, 0, null],
    );
    await controls(admin, "stop");
    assert.equal((await campaignNow(campaign)).status, "scheduled");
    await begins(randomUUID());
    assert.equal((await campaignNow(campaign)).status, "sending");
  });

  test("needs its permission and a known action", async () => {
    const { tenant } = await newOffice();
    const viewer = await newUserWith(tenant, { permissions: ["queue.view", "broadcasts.send"] });
    for (const action of ["stop", "start", "trigger"])
      await isRefused(controls(viewer, action), { code: "PT403", detail: "forbidden" });
    await isRefused(controls(await newUserWith(tenant, { permissions: ["queue.manage"] }), "explode"), {
      code: "PT404",
      detail: "not_found",
    });
  });

  test("lists the campaigns that wait for their time, the next one first", async () => {
    const { tenant, number } = await newOffice("Asia/Jayapura");
    const times = [3, 1, 2].map((hours) => new Date(Date.now() + hours * 60 * MINUTE));
    const made = [];
    for (const scheduledAt of times) made.push(await newCampaign(number, { status: "scheduled", scheduledAt }));
    await newCampaign(number, { status: "sending" });
    const viewer = await newUserWith(tenant, { permissions: ["queue.view"] });
    const shown = await calls(viewer, "list_scheduled_campaigns");
    assert.deepEqual(
      [shown.running, shown.timezone, shown.campaigns.map((/** @type {any} */ { id }) => id)],
      [true, "Asia/Jayapura", [1, 2, 0].map((i) => made[i].id)],
    );
    const stranger = await newUser(await newTenant(), "super_admin");
    assert.deepEqual((await calls(stranger, "list_scheduled_campaigns")).campaigns, []);
    await isRefused(calls(await newUser(tenant, null), "list_scheduled_campaigns"), {
      code: "PT403",
      detail: "forbidden",
    });
  });
});
