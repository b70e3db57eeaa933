// The check of a campaign before it is sent: its problems, its cost and its end.
import assert from "node:assert/strict";
import { describe, test } from "node:test";
import { useDatabase } from "./database.mjs";
import { isRefused } from "./refusals.mjs";

const { sql, calls, newTenant, newUser, newUserWith, newNumber, newCampaign } = await useDatabase();
const MINUTE = 60_000;
const DAY = 86_400_000;
const PEOPLE = ["6281500000001", "6281500000002", "60120000001", "12120000001", "299000001"];

/** @param {Parameters<typeof newNumber>[1]} [options] */
const newOffice = async (options) => {
  const tenant = await newTenant();
  return {
    tenant,
    number: await newNumber(tenant, options),
    manager: await newUser(tenant, "manager"),
    admin: await newUser(tenant, "admin"),
  };
};
const checks = (/** @type {any} */ user, /** @type {any} */ campaign) =>
  calls(user, "check_campaign", { campaign_id: campaign.id });
/** The check without problems about missing prices. @param {any} check */
const codesOf = (check) =>
  check.problems
    .filter(({ code }) => code !== "price_unknown")
    .map(({ severity, code, count, value }) => [severity, code, ...[count, value].filter((x) => x !== undefined)]);

describe("a check", () => {
  test("of a campaign without problems finds nothing", async () => {
    const { number, manager, admin } = await newOffice();
    await calls(admin, "set_message_prices", {
      prices: sql.json([
        { country: "*", category: "MARKETING", effective_from: "2026-01-01", currency: "USD", amount: 0.05 },
      ]),
    });
    const check = await checks(manager, await newCampaign(number, { status: "draft", recipients: 3 }));
    assert.deepEqual(
      [check.sendable, check.problems, check.estimate.recipients, check.estimate.seconds],
      [true, [], 3, 1],
    );
  });

  for (const {
    code,
    severity,
    make,
    more = [],
  } of /** @type {{ code: string, severity: string, make: (office: any) => Promise<any>, more?: any[] }[]} */ ([
    {
      code: "no_recipients",
      severity: "error",
      make: ({ number }) => newCampaign(number, { status: "draft", recipients: 0 }),
    },
    ...[
      [[{ type: "CAROUSEL", cards: [] }], "carousel"],
      [
        [{ type: "BUTTONS", buttons: [{ type: "CATALOG" }, { type: "FLOW" }, { type: "QUICK_REPLY" }] }],
        "button catalog",
      ],
    ].map(([components, part]) => ({
      code: "template_unsupported",
      severity: "error",
      make: (/** @type {any} */ { number }) => newCampaign(number, { status: "draft", template: { components } }),
      more: [part],
    })),
    {
      code: "template_not_approved",
      severity: "error",
      make: ({ number }) => newCampaign(number, { status: "draft", template: { status: "PAUSED" } }),
      more: ["PAUSED"],
    },
    {
      code: "template_category",
      severity: "warning",
      make: ({ number }) => newCampaign(number, { status: "draft", template: { category: "AUTHENTICATION" } }),
      more: ["AUTHENTICATION"],
    },
    {
      code: "number_unavailable",
      severity: "error",
      make: async ({ number }) => {
        await sql`update public.whatsapp_sessions set status = 'broken', status_reason = 'The token has expired' where id = ${number.id}`;
        return newCampaign(number, { status: "draft" });
      },
      more: ["The token has expired"],
    },
    {
      code: "number_quality",
      severity: "warning",
      make: async ({ number }) => {
        await sql`update public.whatsapp_sessions set quality_rating = 'RED' where id = ${number.id}`;
        return newCampaign(number, { status: "draft" });
      },
      more: ["RED"],
    },
    {
      code: "opted_out",
      severity: "warning",
      make: async ({ tenant, number }) => {
        await sql`insert into public.contacts (tenant_id, wa_id, marketing_opted_out_at) values (${tenant.id}, ${PEOPLE[0]}, now()), (${tenant.id}, '60120000009', now())`;
        return newCampaign(number, { status: "draft", wa_ids: PEOPLE });
      },
      more: [1],
    },
    {
      code: "blocked",
      severity: "warning",
      make: async ({ tenant, number }) => {
        await sql`insert into public.contacts (tenant_id, wa_id, blocked_at) values (${tenant.id}, ${PEOPLE[0]}, now())`;
        return newCampaign(number, { status: "draft", wa_ids: PEOPLE });
      },
      more: [1],
    },
    {
      code: "scheduler_stopped",
      severity: "warning",
      make: async ({ admin, number }) => {
        await calls(admin, "control_scheduler", { action: "stop" });
        return newCampaign(number, { status: "draft" });
      },
    },
    {
      code: "messaging_limit",
      severity: "warning",
      make: async ({ number }) => {
        await sql`update public.whatsapp_sessions set messaging_limit = 'TIER_250' where id = ${number.id}`;
        return newCampaign(number, { status: "draft", recipients: 260 });
      },
      more: [10, "TIER_250"],
    },
  ])) {
    test(`finds ${code}, which is ${severity === "error" ? "an error" : "a warning"}`, async () => {
      const office = await newOffice();
      const check = await checks(office.manager, await make(office));
      assert.deepEqual(codesOf(check), [[severity, code, ...more]]);
      assert.equal(check.sendable, severity !== "error");
    });
  }

  const MEDIA = { type: "HEADER", format: "IMAGE" };
  const NAMED_HEADER = { type: "HEADER", format: "TEXT", text: "Untuk {{1}}" };
  const BUTTONS = {
    type: "BUTTONS",
    buttons: [
      { type: "QUICK_REPLY", text: "Ya" },
      { type: "URL", text: "Lihat", url: "https://example.test/{{1}}" },
      { type: "URL", text: "Toko", url: "https://example.test" },
    ],
  };
  for (const {
    text,
    components,
    variables,
    complete,
  } of /** @type {{ text: string, components: any[], variables: any, complete: boolean }[]} */ ([
    { text: "Halo", components: [], variables: [], complete: true },
    { text: "Halo {{1}}", components: [], variables: ["Rina"], complete: true },
    { text: "Halo {{1}}", components: [], variables: [], complete: false },
    { text: "Halo {{1}}", components: [], variables: [""], complete: false },
    { text: "Halo {{1}}", components: [], variables: [null], complete: false },
    { text: "Halo {{1}} dan {{1}}", components: [], variables: ["Rina"], complete: true },
    { text: "Halo {{1}} dan {{2}}", components: [], variables: ["Rina"], complete: false },
    { text: "Halo {{name}}", components: [], variables: { name: "Rina" }, complete: true },
    { text: "Halo {{name}}", components: [], variables: { nama: "Rina" }, complete: false },
    { text: "Halo {{name}}", components: [], variables: { name: "" }, complete: false },
    { text: "Halo {{1}}", components: [MEDIA], variables: ["Rina"], complete: false },
    { text: "Halo {{1}}", components: [MEDIA], variables: ["https://example.test/a.jpg", "Rina"], complete: true },
    {
      text: "Halo {{name}}",
      components: [MEDIA],
      variables: { name: "Rina", header: "https://example.test/a.jpg" },
      complete: true,
    },
    { text: "Halo {{name}}", components: [MEDIA], variables: { name: "Rina" }, complete: false },
    { text: "Halo {{1}}", components: [NAMED_HEADER], variables: { 1: "Rina", header_1: "Ani" }, complete: true },
    { text: "Halo {{1}}", components: [NAMED_HEADER], variables: { 1: "Rina" }, complete: false },
    {
      text: "Halo {{name}}",
      components: [{ ...NAMED_HEADER, text: "Untuk {{shop}}" }],
      variables: { name: "Rina", shop: "Kopi Senja" },
      complete: true,
    },
    {
      text: "Halo {{name}}",
      components: [{ ...NAMED_HEADER, text: "Untuk {{shop}}" }],
      variables: { name: "Rina" },
      complete: false,
    },
    { text: "Halo {{1}}", components: [BUTTONS], variables: ["Rina"], complete: false },
    { text: "Halo {{1}}", components: [BUTTONS], variables: ["Rina", "promo"], complete: true },
    { text: "Halo {{1}}", components: [BUTTONS], variables: { 1: "Rina", button_1: "promo" }, complete: true },
  ])) {
    test(`of ${JSON.stringify(text)}${components.length ? ` with ${components[0].format ?? components[0].type}` : ""} and ${JSON.stringify(variables)} finds ${complete ? "all variables" : "missing variables"}`, async () => {
      const { number, manager } = await newOffice();
      const campaign = await newCampaign(number, { status: "draft", template: { text, components } });
      await sql`update public.broadcast_recipients set variables = ${sql.json(variables)} where campaign_id = ${campaign.id}`;
      assert.deepEqual(codesOf(await checks(manager, campaign)), complete ? [] : [["error", "missing_variables", 1]]);
    });
  }

  for (const {
    text,
    components,
    variables,
    refused,
  } of /** @type {{ text: string, components: any[], variables: any, refused: boolean }[]} */ ([
    { text: "Halo {{1}}", components: [], variables: ["Rina\nAyu"], refused: true },
    { text: "Halo {{1}}", components: [], variables: ["Rina\tAyu"], refused: true },
    { text: "Halo {{1}}", components: [], variables: ["Rina     Ayu"], refused: true },
    { text: "Halo {{1}}", components: [], variables: ["Rina    Ayu"], refused: false },
    { text: "Halo {{name}}", components: [], variables: { name: "Rina\nAyu" }, refused: true },
    { text: "Halo {{1}}", components: [], variables: ["x".repeat(1019)], refused: false },
    { text: "Halo {{1}}", components: [], variables: ["x".repeat(1020)], refused: true },
    { text: "Halo {{1}} dan {{1}}", components: [], variables: ["x".repeat(507)], refused: false },
    { text: "Halo {{1}} dan {{1}}", components: [], variables: ["x".repeat(508)], refused: true },
    { text: "Halo {{1}}", components: [MEDIA], variables: ["https://example.test/a.jpg", "Rina"], refused: false },
    { text: "Halo {{1}}", components: [MEDIA], variables: ["123456", "Rina"], refused: false },
    { text: "Halo {{1}}", components: [MEDIA], variables: ["foto.jpg", "Rina"], refused: true },
    {
      text: "Halo {{name}}",
      components: [MEDIA],
      variables: { name: "Rina", header: "http://example.test/a.jpg" },
      refused: true,
    },
    { text: "Halo {{1}}", components: [NAMED_HEADER], variables: ["x".repeat(54), "Rina"], refused: false },
    { text: "Halo {{1}}", components: [NAMED_HEADER], variables: ["x".repeat(55), "Rina"], refused: true },
    { text: "Halo {{1}}", components: [], variables: ["Rina", "more than it needs"], refused: false },
  ])) {
    test(`of ${JSON.stringify(text)} and ${JSON.stringify(variables).slice(0, 40)} finds ${refused ? "a value that Meta refuses" : "nothing"}`, async () => {
      const { number, manager } = await newOffice();
      const campaign = await newCampaign(number, { status: "draft", template: { text, components } });
      await sql`update public.broadcast_recipients set variables = ${sql.json(variables)} where campaign_id = ${campaign.id}`;
      assert.deepEqual(codesOf(await checks(manager, campaign)), refused ? [["error", "invalid_variables", 1]] : []);
    });
  }

  test("is open to people of the tenant who may see campaigns", async () => {
    const { tenant, number } = await newOffice();
    const campaign = await newCampaign(number, { status: "draft" });
    assert.equal(await checks(await newUser(await newTenant(), "super_admin"), campaign), null);
    await isRefused(checks(await newUser(tenant, null), campaign), { code: "PT403", detail: "forbidden" });
    assert.equal(
      (await checks(await newUserWith(tenant, { permissions: ["broadcasts.view"] }), campaign)).sendable,
      true,
    );
  });
});

describe("an estimate of time", () => {
  const endOf = async (
    /** @type {string} */ start,
    /** @type {number} */ seconds,
    /** @type {any} */ quiet,
    zone = "Asia/Jakarta",
  ) =>
    (
      await sql`select private.end_of_sending(${start}::timestamptz, ${seconds}, ${quiet === null ? null : sql.json(quiet)}, ${zone}) as at`
    )[0].at
      .toISOString()
      .replace(":00.000Z", "Z");
  const NIGHT = { from: "21:00", to: "08:00" };
  for (const {
    start,
    seconds,
    quiet,
    end,
  } of /** @type {{ start: string, seconds: number, quiet: any, end: string }[]} */ ([
    { start: "2031-01-15T03:00Z", seconds: 3600, quiet: null, end: "2031-01-15T04:00Z" },
    { start: "2031-01-15T03:00Z", seconds: 3600, quiet: NIGHT, end: "2031-01-15T04:00Z" },
    // 13:00Z is 20:00 there: an hour before the night starts, and the second hour is sent after it
    { start: "2031-01-15T13:00Z", seconds: 7200, quiet: NIGHT, end: "2031-01-16T02:00Z" },
    { start: "2031-01-15T13:00Z", seconds: 3600, quiet: NIGHT, end: "2031-01-15T14:00Z" },
    { start: "2031-01-15T18:00Z", seconds: 60, quiet: NIGHT, end: "2031-01-16T01:01Z" },
    // thirteen hours of sending a day
    { start: "2031-01-15T01:00Z", seconds: 30 * 3600, quiet: NIGHT, end: "2031-01-17T05:00Z" },
    { start: "2031-01-15T04:00Z", seconds: 7200, quiet: { from: "12:00", to: "13:00" }, end: "2031-01-15T07:00Z" },
  ])) {
    test(`${seconds} s from ${start}${quiet ? `, quiet from ${quiet.from} to ${quiet.to},` : ""} end at ${end}`, async () =>
      assert.equal(await endOf(start, seconds, quiet), end));
  }

  test("follows from the recipients, the pace and the number of skipped recipients", async () => {
    const { tenant, number, manager } = await newOffice({ perSecond: 4 });
    await sql`insert into public.contacts (tenant_id, wa_id, marketing_opted_out_at) values (${tenant.id}, ${PEOPLE[0]}, now())`;
    const { estimate } = await checks(
      manager,
      await newCampaign(number, {
        status: "draft",
        wa_ids: [...PEOPLE, ...Array.from({ length: 8 }, (_, n) => `628160000000${n}`)],
      }),
    );
    assert.deepEqual(
      [estimate.recipients, estimate.skipped, estimate.messages_per_second, estimate.seconds],
      [12, 1, 4, 3],
    );
    assert.equal(Date.parse(estimate.finishes_at) - Date.parse(estimate.begins_at), 3000);
    assert.ok(Math.abs(Date.parse(estimate.begins_at) - Date.now()) < MINUTE);
  });

  test("begins when the campaign does", async () => {
    const { number, manager } = await newOffice();
    const at = new Date(Math.floor(Date.now() / 1000) * 1000 + DAY);
    const { estimate } = await checks(manager, await newCampaign(number, { status: "scheduled", scheduledAt: at }));
    assert.deepEqual(
      [Date.parse(estimate.begins_at), Date.parse(estimate.finishes_at)],
      [at.getTime(), at.getTime() + 1000],
    );
  });

  test("adds a day each time Meta's limit is used up", async () => {
    const { number, manager } = await newOffice();
    await sql`update public.whatsapp_sessions set messaging_limit = '4' where id = ${number.id}`;
    const { estimate } = await checks(manager, await newCampaign(number, { status: "draft", recipients: 10 }));
    assert.deepEqual([estimate.over_limit, estimate.remaining_limit], [6, 4]);
    assert.equal(Math.round((Date.parse(estimate.finishes_at) - Date.parse(estimate.begins_at)) / DAY), 2);
  });

  test("ends in the last time zone when each recipient is sent to by their own clock", async () => {
    const { tenant, number, manager } = await newOffice();
    const campaign = await newCampaign(number, { status: "draft", wa_ids: PEOPLE, recipientLocal: true });
    await calls(manager, "act_on_campaign", {
      campaign_id: campaign.id,
      action: "send",
      options: { scheduled_at: "2031-01-15T09:00" },
    });
    const { estimate } = await checks(manager, campaign);
    assert.equal(
      new Date(estimate.finishes_at).toISOString(),
      "2031-01-15T14:00:01.000Z",
      `New York comes last, tenant ${tenant.id}`,
    );
  });

  test("uses the recipients' time zones and quiet hours before a draft is sent", async () => {
    const { number, manager } = await newOffice();
    const campaign = await newCampaign(number, {
      status: "draft",
      wa_ids: ["6281500000001", "12120000001"],
      recipientLocal: true,
      scheduledAt: new Date("2031-01-15T02:00:00Z"),
      quietHours: { from: "20:00", to: "10:00" },
    });
    const { estimate } = await checks(manager, campaign);
    // nine o'clock in Jakarta, quiet until ten; New York is twelve hours behind
    assert.deepEqual(
      [estimate.begins_at, estimate.finishes_at].map((at) => new Date(at).toISOString()),
      ["2031-01-15T03:00:00.000Z", "2031-01-15T15:00:01.000Z"],
    );
  });

  test("begins when quiet hours end", async () => {
    const { number, manager } = await newOffice();
    const campaign = await newCampaign(number, {
      status: "draft",
      scheduledAt: new Date("2031-01-15T18:00:00Z"),
      quietHours: { from: "21:00", to: "08:00" },
    });
    const { estimate } = await checks(manager, campaign);
    assert.deepEqual(
      [estimate.begins_at, estimate.finishes_at].map((at) => new Date(at).toISOString()),
      ["2031-01-16T01:00:00.000Z", "2031-01-16T01:00:01.000Z"],
    );
  });

  test("shares the number with other campaigns that are sent at the same time", async () => {
    const { number, manager } = await newOffice();
    const secondsOf = async (/** @type {any} */ campaign) => {
      const { estimate } = await checks(manager, campaign);
      return Math.round((Date.parse(estimate.finishes_at) - Date.parse(estimate.begins_at)) / 1000);
    };
    const campaign = await newCampaign(number, { status: "draft", recipients: 100 });
    assert.equal(await secondsOf(campaign), 10);
    const [small, large] = [
      await newCampaign(number, { status: "sending", recipients: 20 }),
      await newCampaign(number, { status: "sending", recipients: 300 }),
    ];
    assert.equal(await secondsOf(campaign), 22, "twenty of one campaign and a hundred of the other");
    await sql`update public.broadcast_campaigns set status = 'cancelled' where id in ${sql([small.id, large.id])}`;
  });
});

describe("an estimate of cost", () => {
  const price = (
    /** @type {string} */ country,
    /** @type {number | null} */ amount,
    { from = "2026-01-01", currency = "USD", category = "MARKETING" } = {},
  ) => ({ country, category, effective_from: from, currency, amount });
  const sets = (/** @type {any} */ user, /** @type {any[]} */ prices) =>
    calls(user, "set_message_prices", { prices: sql.json(prices) });
  /** @param {any} check */
  const costsOf = ({ estimate }) =>
    Object.fromEntries(
      estimate.countries.map(({ country, recipients, price, currency, cost }) => [
        country,
        [recipients, price && Number(price), currency, cost && Number(cost)],
      ]),
    );

  test("is by country, falls back to the default price, and reports a country without a price", async () => {
    const { number, manager, admin } = await newOffice();
    const campaign = await newCampaign(number, { status: "draft", wa_ids: PEOPLE });
    const none = await checks(manager, campaign);
    assert.deepEqual(
      [none.estimate.cost, none.estimate.cost_complete],
      [{ USD: "0.193200" }, false],
      "the listed price",
    );
    assert.deepEqual(none.problems, [{ code: "price_unknown", severity: "warning", count: 1 }]);
    assert.ok(
      none.estimate.countries.every(({ price_source, price }) => price_source === (price === null ? null : "listed")),
    );

    await sets(admin, [price("ID", 0.0411), price("MY", 0.086, { currency: "MYR" })]);
    const some = await checks(manager, campaign);
    assert.deepEqual(costsOf(some), {
      ID: [2, 0.0411, "USD", 0.0822],
      MY: [1, 0.086, "MYR", 0.086],
      US: [1, 0.025, "USD", 0.025],
      "?": [1, null, null, null],
    });
    assert.deepEqual(some.estimate.countries.map(({ country, price_source }) => [country, price_source]).sort(), [
      ["?", null],
      ["ID", "own"],
      ["MY", "own"],
      ["US", "listed"],
    ]);
    assert.deepEqual(
      [
        Object.entries(some.estimate.cost)
          .map(([currency, sum]) => [currency, Number(sum)])
          .sort(),
        some.estimate.cost_complete,
      ],
      [
        [
          ["MYR", 0.086],
          ["USD", 0.1072],
        ],
        false,
      ],
    );
    assert.deepEqual(some.problems, [{ code: "price_unknown", severity: "warning", count: 1 }]);

    await sets(admin, [price("*", 0.05)]);
    const all = await checks(manager, campaign);
    assert.deepEqual(
      [costsOf(all).US, costsOf(all)["?"], costsOf(all).ID[1]],
      [[1, 0.05, "USD", 0.05], [1, 0.05, "USD", 0.05], 0.0411],
      "the tenant's own default price goes before the listed price",
    );
    assert.deepEqual([all.problems, all.estimate.cost_complete], [[], true]);
  });

  test("leaves out skipped recipients, and uses the template's category", async () => {
    const { tenant, number, manager, admin } = await newOffice();
    await sets(admin, [price("*", 0.05), price("*", 0.01, { category: "UTILITY" })]);
    await sql`insert into public.contacts (tenant_id, wa_id, marketing_opted_out_at) values (${tenant.id}, ${PEOPLE[0]}, now())`;
    for (const [category, people, amount] of /** @type {[string, number, number][]} */ ([
      ["MARKETING", 4, 0.05],
      ["UTILITY", 5, 0.01],
    ])) {
      const { estimate } = await checks(
        manager,
        await newCampaign(number, { status: "draft", wa_ids: PEOPLE, template: { category } }),
      );
      assert.equal(Number(estimate.cost.USD).toFixed(4), (people * amount).toFixed(4));
    }
  });

  test("uses the price that is valid on the day, by the tenant's calendar", async () => {
    const { tenant, number, manager, admin } = await newOffice();
    await sql`update public.tenants set timezone = 'Asia/Jayapura' where id = ${tenant.id}`;
    await sets(admin, [
      price("ID", 0.04),
      price("ID", 0.06, { from: "2031-02-01" }),
      price("ID", 0.09, { from: "2032-01-01" }),
      price("*", 0.5, { from: "2030-01-01" }),
    ]);
    for (const [at, amount] of /** @type {[string, number][]} */ ([
      ["2031-01-31T23:59", 0.04],
      ["2031-02-01T00:01", 0.06],
      ["2031-12-31T12:00", 0.06],
      ["2032-01-01T00:00", 0.09],
    ])) {
      const campaign = await newCampaign(number, { status: "draft", wa_ids: [PEOPLE[0]] });
      await calls(manager, "act_on_campaign", {
        campaign_id: campaign.id,
        action: "send",
        options: { scheduled_at: at },
      });
      assert.equal(costsOf(await checks(manager, campaign)).ID[1], amount, at);
    }
  });

  test("follows prices that are entered, changed and removed", async () => {
    const { tenant, admin } = await newOffice();
    const brief = (/** @type {any[]} */ list) =>
      list
        .filter(({ source }) => source === "own")
        .map(({ country, category, effective_from, currency, amount }) => [
          country,
          category,
          effective_from,
          currency,
          Number(amount),
        ]);
    const set = await sets(admin, [
      price("MY", 0.08),
      price("ID", 0.04),
      price("ID", 0.05, { from: "2026-07-01" }),
      price("ID", 0.04),
    ]);
    assert.deepEqual(brief(set), [
      ["ID", "MARKETING", "2026-07-01", "USD", 0.05],
      ["ID", "MARKETING", "2026-01-01", "USD", 0.04],
      ["MY", "MARKETING", "2026-01-01", "USD", 0.08],
    ]);
    const changed = await sets(admin, [price("MY", null), price("ID", 660, { currency: "IDR" })]);
    assert.deepEqual(brief(changed), [
      ["ID", "MARKETING", "2026-07-01", "USD", 0.05],
      ["ID", "MARKETING", "2026-01-01", "IDR", 660],
    ]);
    const listed = (/** @type {any[]} */ list, /** @type {string} */ country) =>
      list.filter((one) => one.country === country && one.category === "MARKETING" && one.source === "listed").length;
    assert.deepEqual(
      [listed(set, "MY"), listed(changed, "MY"), listed(changed, "ID")],
      [0, 1, 0],
      "the listed price of a day counts if the tenant has no entry for it",
    );
    const viewer = await newUserWith(tenant, { permissions: ["broadcasts.view"] });
    assert.deepEqual(await calls(viewer, "list_message_prices"), changed);
    await isRefused(sets(viewer, [price("ID", 1)]), { code: "PT403", detail: "forbidden" });
    await isRefused(calls(await newUser(tenant, null), "list_message_prices"), { code: "PT403", detail: "forbidden" });
  });

  test("uses the tenant's own prices", async () => {
    const [own, other] = [await newOffice(), await newOffice()];
    await sets(own.admin, [price("*", 0.05)]);
    await sets(other.admin, [price("*", null)]);
    const ownOf = async (/** @type {any} */ user) =>
      (await calls(user, "list_message_prices")).filter(({ source }) => source === "own").length;
    assert.deepEqual([await ownOf(other.admin), await ownOf(own.admin)], [0, 1]);
    assert.equal(
      (await checks(other.manager, await newCampaign(other.number, { status: "draft", wa_ids: ["299000001"] })))
        .estimate.cost_complete,
      false,
    );
  });

  test("an invalid price is refused", async () => {
    const { admin } = await newOffice();
    for (const wrong of [
      price("Indonesia", 1),
      price("id", 1),
      price("ID", -1),
      price("ID", 1, { currency: "Rp" }),
      price("ID", 1, { category: "SERVICE" }),
    ]) {
      await isRefused(sets(admin, [wrong]), { code: "23514" });
    }
  });
});
