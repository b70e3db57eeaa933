// Meta's notices about accounts, numbers, templates and people's marketing preferences.
import assert from "node:assert/strict";
import { randomUUID } from "node:crypto";
import { describe, test } from "node:test";
import { chance } from "./chance.mjs";
import { rolledBack, useDatabase } from "./database.mjs";
import { dateOf, seconds, statusOf } from "./inbox.mjs";
import { someDigits } from "./tenancy.mjs";

const { sql, as, asService, newTenant, newUser, newNumber, newTemplate, receivesMessage, delivers, newOutbound } =
  await useDatabase();

const START = seconds(7200);
const newOffice = async () => {
  const tenant = await newTenant();
  return { tenant, number: await newNumber(tenant) };
};
/** @param {any} number @param {string} field @param {object} payload @param {number} [timestamp] */
const notice = (number, field, payload, timestamp = START) => ({
  field,
  business_account_id: number.meta_business_account_id,
  timestamp,
  payload,
});
/** @param {any} number */
const numberNow = async (number) => (await sql`select * from public.whatsapp_sessions where id = ${number.id}`)[0];
/** @param {any} template */
const templateNow = async (template) =>
  (await sql`select * from public.broadcast_templates where id = ${template.id}`)[0];
/** @param {any} tenant */
const noticesOf = async (tenant) => [
  ...(await sql`select * from public.account_events where tenant_id = ${tenant.id} order by occurred_at, created_at`),
];

describe("a ban", () => {
  const update = (/** @type {any} */ number, /** @type {string} */ event, at = START, more = {}) =>
    notice(number, "account_update", { event, ...more }, at);
  const banned = (/** @type {any} */ number, at = START) =>
    update(number, "DISABLED_UPDATE", at, { ban_info: { waba_ban_state: "DISABLE", waba_ban_date: "2026-11-22" } });
  const reinstated = (/** @type {any} */ number, at = START) =>
    update(number, "DISABLED_UPDATE", at, { ban_info: { waba_ban_state: "REINSTATE" } });

  test("stops every number of the account, gives the reason, and can end", async () => {
    const { tenant, number } = await newOffice();
    await sql`update public.tenants set locale = 'en' where id = ${tenant.id}`;
    const businessAccount = number.meta_business_account_id;
    const paused = await newNumber(tenant, { businessAccount, status: "paused" });
    const tokenless = await newNumber(tenant, {
      businessAccount,
      status: "broken",
      reason: "the token is not accepted",
    });
    const other = await newNumber(tenant);
    await delivers({ events: [banned(number)] });
    for (const one of [number, paused]) {
      const { status, status_code, status_reason } = await numberNow(one);
      assert.deepEqual([status, status_code], ["broken", "account_disabled"]);
      assert.match(status_reason, /^Meta has disabled/);
    }
    assert.equal((await numberNow(other)).status, "connected");
    await delivers({ events: [reinstated(number, START + 10)] });
    assert.deepEqual(
      await Promise.all(
        [number, paused].map(async (one) => {
          const row = await numberNow(one);
          return [row.status, row.status_code, row.status_reason];
        }),
      ),
      [
        ["connected", null, null],
        ["paused", null, null],
      ],
    );
    assert.equal(
      (await numberNow(tokenless)).status,
      "connected",
      "broken before, and well in Meta's eyes: the next send decides",
    );
  });

  test("that a person has overridden is not restored by good news of another kind", async () => {
    const { number } = await newOffice();
    await delivers({ events: [banned(number)] });
    await sql`update public.whatsapp_sessions set status = 'connected', status_reason = null, status_code = null where id = ${number.id}`;
    await delivers({ events: [update(number, "PARTNER_ADDED", START + 10)] });
    assert.equal((await numberNow(number)).status, "connected");
    await delivers({ events: [banned(number, START + 20)] });
    assert.equal((await numberNow(number)).status, "broken");
  });

  test("of one number stops that number alone, and ends for it alone", async () => {
    const { tenant, number } = await newOffice();
    const businessAccount = number.meta_business_account_id;
    const digits = someDigits();
    await sql`update public.whatsapp_sessions set display_phone_number = ${`+${digits.slice(0, 2)} ${digits.slice(2)}`} where id = ${number.id}`;
    const other = await newNumber(tenant, { businessAccount });
    const states = async () => [(await numberNow(number)).status, (await numberNow(other)).status];
    const removed = { phone_number: `+${digits}`, disconnection_info: { reason: "USER_INITIATED_DISCONNECT" } };
    await delivers({ events: [update(number, "PARTNER_REMOVED", START, removed)] });
    assert.deepEqual(await states(), ["broken", "connected"]);
    const [event] = await noticesOf(tenant);
    assert.equal(event.session_id, number.id);
    assert.match(event.summary.en, new RegExp(digits));
    await delivers({ events: [update(number, "ACCOUNT_RECONNECTED", START + 1, { phone_number: digits })] });
    assert.deepEqual(await states(), ["connected", "connected"]);
    const unknown = { phone_number: someDigits() };
    await delivers({ events: [update(number, "PARTNER_REMOVED", START + 2, unknown)] });
    assert.deepEqual(await states(), ["connected", "connected"], "a number that is not connected here");
    await delivers({ events: [update(number, "PARTNER_REMOVED", START + 3)] });
    assert.deepEqual(await states(), ["broken", "broken"], "the whole account");
  });

  test("is reported in the language of the tenant", async () => {
    const { tenant, number } = await newOffice();
    await sql`update public.tenants set locale = 'id' where id = ${tenant.id}`;
    await delivers({ events: [banned(number)] });
    assert.match((await numberNow(number)).status_reason, /^Meta menonaktifkan/);
    const [event] = await noticesOf(tenant);
    assert.deepEqual([event.kind, event.severity, event.field], ["DISABLED_UPDATE", "critical", "account_update"]);
    assert.match(event.summary.en, /disabled/);
    assert.match(event.summary.id, /menonaktifkan/);
  });

  test("is recognised in each of its shapes", async () => {
    for (const [event, more, code] of /** @type {const} */ ([
      [
        "ACCOUNT_RESTRICTION",
        { restriction_info: { restriction_type: "RESTRICTED_BIZ_INITIATED_MESSAGING" } },
        "account_restricted",
      ],
      ["DISABLED_UPDATE", { ban_info: { waba_ban_state: ["DISABLE"] } }, "account_disabled"],
    ])) {
      const { number } = await newOffice();
      await delivers({ events: [update(number, event, START, more)] });
      assert.equal((await numberNow(number)).status_code, code);
      await delivers({
        events: [update(number, "DISABLED_UPDATE", START + 10, { ban_info: { waba_ban_state: ["REINSTATE"] } })],
      });
      assert.equal((await numberNow(number)).status, "connected");
    }
  });

  test("is not lifted by news that the connection works", async () => {
    const { tenant, number } = await newOffice();
    await delivers({ events: [banned(number), update(number, "PARTNER_ADDED", START + 10)] });
    assert.equal((await numberNow(number)).status_code, "account_disabled");
    const [, connected] = await noticesOf(tenant);
    assert.equal(connected.summary.en, "The WhatsApp account is connected to this product.");
  });

  test("that is only announced, other troubles of the account, and mere news stop no number", async () => {
    const { tenant, number } = await newOffice();
    await delivers({
      events: [
        update(number, "DISABLED_UPDATE", START, {
          ban_info: { waba_ban_state: "SCHEDULE_FOR_DISABLE", waba_ban_date: "soon" },
        }),
        update(number, "ACCOUNT_VIOLATION", START, { violation_info: { violation_type: "ADULT" } }),
        update(number, "ACCOUNT_RESTRICTION", START, {
          restriction_info: [{ restriction_type: "RESTRICTED_ADD_PHONE_NUMBER_ACTION" }],
        }),
        update(number, "AD_ACCOUNT_LINKED"),
        notice(number, "account_alerts", {
          alert_info: { alert_severity: "WARNING", alert_type: "X", alert_description: "Y" },
        }),
      ],
    });
    assert.equal((await numberNow(number)).status, "connected");
    assert.deepEqual((await noticesOf(tenant)).map((event) => event.severity).sort(), [
      "info",
      "warning",
      "warning",
      "warning",
      "warning",
    ]);
  });

  for (const [code, event, more] of /** @type {const} */ ([
    [
      "account_restricted",
      "ACCOUNT_RESTRICTION",
      { restriction_info: [{ restriction_type: "RESTRICTED_BIZ_INITIATED_MESSAGING", expiration: 1 }] },
    ],
    ["account_deleted", "ACCOUNT_DELETED", {}],
    ["account_disconnected", "PARTNER_REMOVED", {}],
    ["account_disconnected", "ACCOUNT_OFFBOARDED", {}],
  ])) {
    test(`by ${event} stops the number too`, async () => {
      const { number } = await newOffice();
      await delivers({ events: [update(number, event, START, more)] });
      const { status, status_code } = await numberNow(number);
      assert.deepEqual([status, status_code], ["broken", code]);
    });
  }

  describe("with an end", () => {
    const now = seconds();
    const restricted = (/** @type {any} */ number, /** @type {any[]} */ ends, at = START) =>
      update(number, "ACCOUNT_RESTRICTION", at, {
        restriction_info: ends.map((expiration) => ({
          restriction_type: "RESTRICTED_BIZ_INITIATED_MESSAGING",
          expiration,
        })),
      });
    const ends = async () => asService((sql) => sql`select public.end_restrictions()`);
    const passes = (/** @type {any} */ number) => sql`
      update public.whatsapp_sessions set account_standing_until = now() - interval '1 second' where id = ${number.id}`;

    test("ends automatically: the number returns to its earlier status, and people get a notice", async () => {
      const { tenant, number } = await newOffice();
      const paused = await newNumber(tenant, { businessAccount: number.meta_business_account_id, status: "paused" });
      await delivers({ events: [restricted(number, [now + 3600])] });
      await ends();
      assert.equal((await numberNow(number)).status, "broken", "not yet");
      for (const one of [number, paused]) await passes(one);
      await ends();
      const rows = await Promise.all([number, paused].map(numberNow));
      assert.deepEqual(
        rows.map((row) => [row.status, row.status_code, row.status_reason, row.account_standing_until]),
        [
          ["connected", null, null, null],
          ["paused", null, null, null],
        ],
      );
      assert.deepEqual(
        (await noticesOf(tenant)).map(({ kind }) => kind),
        ["ACCOUNT_RESTRICTION", "RESTRICTION_ENDED"],
      );
      await ends();
      assert.equal((await noticesOf(tenant)).length, 2, "reported once");
    });

    test("is checked whenever a run of the sender begins", async () => {
      const { number } = await newOffice();
      await delivers({ events: [restricted(number, [now + 3600])] });
      await passes(number);
      await rolledBack(sql, async ({ asService, sql }) => {
        await asService((sql) => sql`select public.begin_sender_run(${randomUUID()}, 15, 0)`);
        const [{ status }] = await sql`select status from public.whatsapp_sessions where id = ${number.id}`;
        assert.equal(status, "connected");
      });
    });

    for (const [words, expiration, until] of /** @type {[string, any[], number | null][]} */ ([
      ["seconds", [now + 60], now + 60],
      ["seconds in words", [String(now + 60)], now + 60],
      ["milliseconds", [(now + 60) * 1000], now + 60],
      ["a date", [dateOf(now + 60).toISOString()], now + 60],
      ["the latest of several", [now + 60, now + 120], now + 120],
      ["no end, if one has none", [now + 60, undefined], null],
      ["no end if it was over before it arrived", [1], null],
      ["no end if it is unreadable", ["soon"], null],
    ])) {
      test(`has an end that is read from ${words}`, async () => {
        const { number } = await newOffice();
        await delivers({ events: [restricted(number, expiration)] });
        const row = await numberNow(number);
        assert.deepEqual(
          [row.status, row.account_standing_until?.getTime() ?? null],
          ["broken", until === null ? null : until * 1000],
        );
      });
    }

    test("and a later one lasts until the later end, in whatever order the notices arrive", async () => {
      for (const order of [
        [0, 1],
        [1, 0],
      ]) {
        const { number } = await newOffice();
        const restrictions = [restricted(number, [now - 60], START), restricted(number, [now + 3600], START + 60)];
        for (const i of order) {
          await delivers({ events: [restrictions[i]] });
          await ends();
        }
        const row = await numberNow(number);
        assert.deepEqual([row.status, row.account_standing_until?.getTime()], ["broken", (now + 3600) * 1000]);
      }
    });

    test("does not end a later ban, or a status that a person has set since", async () => {
      const [one, two] = [await newOffice(), await newOffice()];
      await delivers({
        events: [
          restricted(one.number, [now - 60]),
          banned(one.number, START + 10),
          restricted(two.number, [now + 60]),
        ],
      });
      await sql`update public.whatsapp_sessions set status = 'paused', status_reason = null, status_code = null where id = ${two.number.id}`;
      await passes(two.number);
      await ends();
      assert.deepEqual(
        [(await numberNow(one.number)).status_code, (await numberNow(two.number)).status],
        ["account_disabled", "paused"],
      );
    });
  });

  test("follows the order of Meta's timestamps, in whatever order the notices arrive", async (t) => {
    const luck = chance();
    t.diagnostic(`CRM_TEST_SEED=${luck.seed}`);
    for (let round = 0; round < 8; round++) {
      const { tenant, number } = await newOffice();
      const events = [
        banned(number),
        reinstated(number, START + 10),
        banned(number, START + 20),
        reinstated(number, START + 30),
        update(number, "PARTNER_REMOVED", START + 5),
        update(number, "PARTNER_ADDED", START + 15),
        update(number, "PARTNER_REMOVED", START + 40),
      ];
      for (const event of luck.shuffle([...events, events[0], events[4]])) await delivers({ events: [event] });
      const { status, status_code } = await numberNow(number);
      assert.deepEqual([status, status_code], ["broken", "account_disconnected"]);
      assert.equal((await noticesOf(tenant)).length, events.length, "a repeated notice is not reported twice");
    }
  });

  test("changes no other tenant, and no other tenant can read it", async () => {
    const [one, two] = [await newOffice(), await newOffice()];
    await delivers({ events: [banned(one.number)] });
    assert.equal((await numberNow(two.number)).status, "connected");
    assert.deepEqual(await noticesOf(two.tenant), []);
    const admin = await newUser(two.tenant, "admin");
    assert.deepEqual([...(await as(admin, (sql) => sql`select id from public.account_events`))], []);
    const own = await newUser(one.tenant, "admin");
    assert.equal((await as(own, (sql) => sql`select id from public.account_events`)).length, 1);
    const { event_id } = await delivers({ events: [banned({ meta_business_account_id: someDigits() })] });
    const [event] = await sql`select outcome, leftovers from public.webhook_events where id = ${event_id}`;
    assert.deepEqual([event.outcome, event.leftovers[0].reason], ["partial", "unknown_account"]);
  });
});

describe("a notice about a number", () => {
  test("updates quality, limit and throughput", async () => {
    const { number } = await newOffice();
    await sql`update public.whatsapp_sessions set display_phone_number = '+62 811-000' where id = ${number.id}`;
    const quality = (/** @type {string} */ event, /** @type {string} */ current_limit, /** @type {number} */ at) =>
      notice(number, "phone_number_quality_update", { display_phone_number: "62811000", event, current_limit }, at);
    await delivers({ events: [quality("FLAGGED", "TIER_2K", START)] });
    const flagged = await numberNow(number);
    assert.deepEqual(
      [flagged.quality_rating, flagged.messaging_limit, flagged.throughput_level],
      ["RED", "TIER_2K", null],
    );
    await delivers({
      events: [quality("THROUGHPUT_UPGRADE", "TIER_UNLIMITED", START + 5), quality("UNFLAGGED", "TIER_10K", START - 5)],
    });
    const upgraded = await numberNow(number);
    assert.deepEqual(
      [upgraded.quality_rating, upgraded.messaging_limit, upgraded.throughput_level],
      ["RED", "TIER_UNLIMITED", "HIGH"],
    );
  });

  test("about a limit counts for all numbers of the account, in every form that Meta uses", async () => {
    const { tenant, number } = await newOffice();
    const second = await newNumber(tenant, { businessAccount: number.meta_business_account_id });
    const forms = [
      [250, "TIER_250"],
      [2000, "TIER_2K"],
      ["TIER_100K", "TIER_100K"],
      [-1, "TIER_UNLIMITED"],
    ];
    for (const [i, [given, expected]] of forms.entries()) {
      const name = i % 2 === 0 ? "max_daily_conversations_per_business" : "max_daily_conversation_per_phone";
      await delivers({ events: [notice(number, "business_capability_update", { [name]: given }, START + i)] });
      for (const one of [number, second]) assert.equal((await numberNow(one)).messaging_limit, expected);
    }
  });

  test("of an account says what it is about", async () => {
    const { tenant, number } = await newOffice();
    const said = async (/** @type {string} */ field, /** @type {object} */ payload) => {
      await sql`delete from public.account_events where tenant_id = ${tenant.id}`;
      await delivers({ events: [notice(number, field, payload)] });
      const [event] = await noticesOf(tenant);
      assert.notEqual(event.summary.id, "");
      return [event.severity, event.summary.en];
    };
    const lifted = { violation_info: { violation_type: "DIRECT_SEND_UTILITY_CATEGORY_ABUSE_UNBAN" } };
    assert.deepEqual(await said("account_update", { event: "ACCOUNT_RESTRICTION", ...lifted }), [
      "info",
      "Meta has lifted a restriction of the WhatsApp account: direct send utility category abuse unban.",
    ]);
    const flow = "Flow onboarding changed status from DRAFT to PUBLISHED";
    assert.deepEqual(await said("flows", { event: "FLOW_STATUS_CHANGE", message: flow }), ["info", `Meta: ${flow}`]);
    const template = { message_template_name: "promo", message_template_language: "id" };
    assert.deepEqual(
      await said("template_correct_category_detection", { ...template, correct_category: "MARKETING" }),
      ["warning", "Meta holds that template promo (id) belongs to category marketing."],
    );
  });

  test("gets a summary in words", async () => {
    const { tenant, number } = await newOffice();
    const other = await newNumber(tenant, { businessAccount: number.meta_business_account_id });
    await sql`update public.whatsapp_sessions set display_phone_number = '62811000' where id = ${number.id}`;
    const display_phone_number = "62811000";
    const entity = { entity_type: "PHONE_NUMBER", entity_id: other.meta_phone_number_id };
    await delivers({
      events: [
        notice(number, "phone_number_quality_update", { display_phone_number, event: "UNFLAGGED" }),
        notice(
          number,
          "business_username_update",
          { display_phone_number, username: "toko", status: "approved" },
          START + 1,
        ),
        notice(number, "flows", { event: "FLOW_STATUS_CHANGE" }, START + 2),
        notice(
          number,
          "account_alerts",
          {
            ...entity,
            alert_info: { alert_severity: "CRITICAL", alert_type: "OBA_REJECTED", alert_description: "No" },
          },
          START + 3,
        ),
      ],
    });
    assert.deepEqual(
      (await noticesOf(tenant)).map((event) => [event.summary.en, event.session_id]),
      [
        ["The quality of number 62811000 is no longer low.", number.id],
        ['The username "toko" of number 62811000 is approved.', number.id],
        ["Meta reports: flows, flow status change.", null],
        ["Meta: No", other.id],
      ],
    );
  });

  test("updates the name", async () => {
    const { number } = await newOffice();
    const name = (/** @type {string} */ decision, /** @type {number} */ at) =>
      notice(
        number,
        "phone_number_name_update",
        { display_phone_number: "1", decision, requested_verified_name: "Toko" },
        at,
      );
    await delivers({ events: [name("DECLINED", START)] });
    const { name_status, verified_name } = await numberNow(number);
    assert.deepEqual([name_status, verified_name], ["DECLINED", null]);
    await delivers({ events: [name("APPROVED", START + 1)] });
    assert.equal((await numberNow(number)).verified_name, "Toko");
  });
});

describe("a notice about a template", () => {
  /** @param {any} number @param {any} template @param {string} event @param {object} [more] @param {number} [at] */
  const status = (number, template, event, more = {}, at = START) =>
    notice(
      number,
      "message_template_status_update",
      {
        event,
        message_template_id: template.meta_template_id ?? 1,
        message_template_name: template.name,
        message_template_language: template.language,
        reason: "NONE",
        ...more,
      },
      at,
    );
  const newOwn = async () => {
    const { tenant, number } = await newOffice();
    return {
      tenant,
      number,
      template: await newTemplate(tenant, { businessAccount: number.meta_business_account_id, status: "PENDING" }),
    };
  };

  test("updates its status, by name first and then by an id beyond JavaScript's safe integers", async () => {
    const { number, template } = await newOwn();
    const id = "9007199254740993";
    const { payload, ...event } = status(number, template, "APPROVED", { message_template_category: "UTILITY" });
    const [row] = await sql`
      select public.ingest_webhook(body => '{}', events => jsonb_build_array(${sql.json(event)}::jsonb
        || jsonb_build_object('payload', ${sql.json(payload)}::jsonb || ('{"message_template_id": ' || ${id}::text || '}')::jsonb)))`;
    assert.ok(row);
    const approved = await templateNow(template);
    assert.deepEqual(
      [approved.status, approved.meta_template_id, approved.category, approved.rejected_reason],
      ["APPROVED", id, "UTILITY", null],
    );

    const renamed = { ...template, name: "another", meta_template_id: id };
    await delivers({ events: [status(number, renamed, "REJECTED", { reason: "ABUSIVE_CONTENT" }, START + 10)] });
    const rejected = await templateNow(template);
    assert.deepEqual([rejected.status, rejected.rejected_reason], ["REJECTED", "ABUSIVE_CONTENT"]);
    await delivers({
      events: [
        status(number, renamed, "PAUSED", { other_info: { title: "FIRST_PAUSE", description: "3 hours" } }, START + 5),
      ],
    });
    assert.equal((await templateNow(template)).status, "REJECTED", "an older notice changes nothing");
    await delivers({
      events: [
        status(number, renamed, "PAUSED", { other_info: { title: "FIRST_PAUSE", description: "3 hours" } }, START + 20),
      ],
    });
    const paused = await templateNow(template);
    assert.deepEqual(
      [paused.status, paused.status_detail, paused.rejected_reason],
      ["PAUSED", "FIRST_PAUSE: 3 hours", null],
    );
    await delivers({
      events: [
        status(number, renamed, "REINSTATED", {}, START + 30),
        status(number, renamed, "FLAGGED", {}, START + 31),
      ],
    });
    assert.equal((await templateNow(template)).status, "APPROVED");
  });

  test("matches the language in any spelling", async () => {
    const { number, template } = await newOwn();
    await sql`update public.broadcast_templates set language = 'en_US' where id = ${template.id}`;
    await delivers({ events: [status(number, { ...template, language: "en-US" }, "APPROVED")] });
    assert.equal((await templateNow(template)).status, "APPROVED");
  });

  test("updates quality, category and content", async () => {
    const { number, template } = await newOwn();
    const about = {
      message_template_id: 12,
      message_template_name: template.name,
      message_template_language: template.language,
    };
    await delivers({
      events: [
        notice(number, "message_template_quality_update", {
          ...about,
          previous_quality_score: "GREEN",
          new_quality_score: "YELLOW",
        }),
        notice(number, "template_category_update", {
          ...about,
          correct_category: "MARKETING",
          new_category: "UTILITY",
          category_update_timestamp: START + 86_400,
        }),
        notice(number, "message_template_components_update", {
          ...about,
          message_template_element: "Hai {{1}}",
          message_template_footer: "Toko",
          message_template_buttons: [
            {
              message_template_button_type: "URL",
              message_template_button_text: "Lihat",
              message_template_button_url: "https://example.com",
            },
          ],
        }),
      ],
    });
    const row = await templateNow(template);
    assert.deepEqual(
      [row.quality_score, row.category, row.upcoming_category, row.upcoming_category_at],
      ["YELLOW", "UTILITY", "MARKETING", dateOf(START + 86_400)],
    );
    assert.deepEqual(row.components, [
      { type: "BODY", text: "Hai {{1}}" },
      { type: "FOOTER", text: "Toko" },
      { type: "BUTTONS", buttons: [{ type: "URL", text: "Lihat", url: "https://example.com" }] },
    ]);
    await delivers({
      events: [notice(number, "template_category_update", { ...about, new_category: "MARKETING" }, START + 86_400)],
    });
    const moved = await templateNow(template);
    assert.deepEqual([moved.category, moved.upcoming_category, moved.upcoming_category_at], ["MARKETING", null, null]);
  });

  test("without a known event changes nothing of the template", async () => {
    const { number, template } = await newOwn();
    await delivers({ events: [status(number, template, "APPROVED"), status(number, template, "", {}, START + 1)] });
    assert.equal((await templateNow(template)).status, "APPROVED");
    const date = { disable_info: { disable_date: Date.UTC(2026, 10, 22) / 1000 } };
    await delivers({ events: [status(number, template, "DISABLED", date, START + 2)] });
    assert.equal((await templateNow(template)).status_detail, "2026-11-22");
  });

  test("changes nothing that it does not name, whatever else it holds", async () => {
    const { number, template } = await newOwn();
    await delivers({ events: [status(number, template, "APPROVED")] });
    const approved = await templateNow(template);
    const about = {
      message_template_id: template.meta_template_id ?? 1,
      message_template_name: template.name,
      message_template_language: template.language,
    };
    const others = {
      new_quality_score: "YELLOW",
      new_category: "MARKETING",
      decision: "REJECTED",
      status: "DISABLED",
      event: "PAUSED",
    };
    /** @type {[string, string][]} fields, each without the member that its event has */
    const fields = [
      ["message_template_status_update", "event"],
      ["message_template_quality_update", "new_quality_score"],
      ["template_category_update", "new_category"],
    ];
    for (const [nth, [field, member]] of fields.entries()) {
      const payload = { ...about, ...others, [member]: undefined };
      await delivers({ events: [notice(number, field, JSON.parse(JSON.stringify(payload)), START + 10 + nth)] });
    }
    const { status: state, quality_score, category, upcoming_category } = await templateNow(template);
    assert.deepEqual(
      [state, quality_score, category, upcoming_category],
      [approved.status, approved.quality_score, approved.category, approved.upcoming_category],
    );
    const named = await numberNow(number);
    await delivers({
      events: [
        notice(
          number,
          "phone_number_name_update",
          { display_phone_number: number.display_phone_number, ...others, decision: "" },
          START + 20,
        ),
      ],
    });
    assert.equal((await numberNow(number)).name_status, named.name_status);
  });

  test("with an older text changes nothing, and a text header replaces an image header", async () => {
    const { number, template } = await newOwn();
    await sql`update public.broadcast_templates set components = ${sql.json([{ type: "HEADER", format: "IMAGE", example: { header_handle: ["h"] } }])} where id = ${template.id}`;
    const wording = (/** @type {string} */ text, /** @type {number} */ at) =>
      notice(
        number,
        "message_template_components_update",
        {
          message_template_id: 12,
          message_template_name: template.name,
          message_template_language: template.language,
          message_template_title: text,
          message_template_element: text,
        },
        at,
      );
    await delivers({ events: [wording("baru", START + 10)] });
    await delivers({ events: [wording("lama", START)] });
    assert.deepEqual((await templateNow(template)).components, [
      { type: "HEADER", format: "TEXT", text: "baru" },
      { type: "BODY", text: "baru" },
    ]);
  });

  test("changes no template of another account or tenant", async () => {
    const [one, two] = [await newOwn(), await newOwn()];
    const elsewhere = await newTemplate(one.tenant, { businessAccount: someDigits(), status: "PENDING" });
    for (const template of [two.template, elsewhere]) {
      await sql`update public.broadcast_templates set name = ${one.template.name} where id = ${template.id}`;
    }
    await delivers({ events: [status(one.number, one.template, "APPROVED")] });
    assert.deepEqual(
      [
        (await templateNow(one.template)).status,
        (await templateNow(two.template)).status,
        (await templateNow(elsewhere)).status,
      ],
      ["APPROVED", "PENDING", "PENDING"],
    );
  });
});

describe("a marketing preference", () => {
  /** @param {any} number @param {any[]} user_preferences @param {any[]} [contacts] */
  const wishes = (number, user_preferences, contacts = []) => ({
    field: "user_preferences",
    phone_number_id: number.meta_phone_number_id,
    payload: { contacts, user_preferences },
  });
  /** @param {string} value @param {object} who @param {number | string} timestamp */
  const wish = (value, who, timestamp) => ({
    ...who,
    category: "marketing_messages",
    value,
    timestamp,
    detail: "reported",
  });
  /** @param {any} number */
  const contactsOf = async (number) => [
    ...(await sql`select * from public.contacts where tenant_id = ${number.tenant_id}`),
  ];

  test("to stop is kept with its proof until it is withdrawn", async () => {
    const { number } = await newOffice();
    const { contact } = await receivesMessage(number);
    await delivers({ events: [wishes(number, [wish("stop", { wa_id: contact.wa_id }, `${START}`)])] });
    assert.deepEqual((await contactsOf(number))[0].marketing_opted_out_at, dateOf(START));
    await delivers({
      events: [
        wishes(number, [
          wish("resume", { wa_id: contact.wa_id }, START + 10),
          wish("stop", { wa_id: contact.wa_id }, START + 5),
        ]),
      ],
    });
    assert.equal((await contactsOf(number))[0].marketing_opted_out_at, null);
    const consents =
      await sql`select state, source, proof ->> 'detail' as detail from public.contact_consents where contact_id = ${contact.id} order by occurred_at`;
    assert.deepEqual(
      consents.map((row) => [row.state, row.source, row.detail]),
      [
        ["opted_out", "meta_preference", "reported"],
        ["opted_out", "meta_preference", "reported"],
        ["opted_in", "meta_preference", "reported"],
      ],
    );
  });

  test("is kept beside one of an impossible sender", async () => {
    const { number } = await newOffice();
    const who = { wa_id: someDigits() };
    const { event_id } = await delivers({
      events: [
        wishes(
          number,
          /** @type {any[]} */ ([
            null,
            7,
            wish("stop", { wa_id: "anonymous" }, START),
            wish("stop", { user_id: "x".repeat(161) }, START),
            wish("STOP", who, START),
          ]),
        ),
      ],
    });
    const [event] = await sql`select outcome, leftovers from public.webhook_events where id = ${event_id}`;
    assert.deepEqual([event.outcome, event.leftovers[0].reason], ["partial", "no_sender"]);
    assert.deepEqual(
      (await contactsOf(number)).map((row) => [row.wa_id, row.marketing_opted_out_at]),
      [[who.wa_id, dateOf(START)]],
    );
  });

  test('counts once if it is repeated, and "stop" wins over a simultaneous "resume"', async () => {
    const { number } = await newOffice();
    const who = { wa_id: someDigits() };
    const delivery = { events: [wishes(number, [wish("resume", who, START), wish("stop", who, START)])] };
    await delivers(delivery);
    await delivers(delivery);
    const [contact] = await contactsOf(number);
    assert.deepEqual(contact.marketing_opted_out_at, dateOf(START));
    assert.equal((await sql`select from public.contact_consents where contact_id = ${contact.id}`).length, 2);
  });

  test("is read without a category, and with a time in milliseconds or none", async () => {
    const { number } = await newOffice();
    const who = { wa_id: someDigits() };
    const states = async () =>
      (
        await sql`
        select k.state, k.occurred_at from public.contact_consents k join public.contacts c on c.id = k.contact_id
        where c.tenant_id = ${number.tenant_id} and c.wa_id = ${who.wa_id} order by k.occurred_at`
      ).map((row) => [row.state, row.occurred_at.getTime()]);
    await delivers({ events: [wishes(number, [{ ...who, value: "stop", timestamp: START * 1000 + 5 }])] });
    assert.deepEqual(await states(), [["opted_out", START * 1000]]);
    // the time of the delivery
    const later = { ...wishes(number, [{ ...who, value: "resume" }]), timestamp: START + 60 };
    await delivers({ events: [later] });
    await delivers({ events: [later] });
    assert.deepEqual((await states()).slice(1), [["opted_in", (START + 60) * 1000]]);
    // no time at all: a redelivery adds no second row
    for (const _ of [1, 2]) await delivers({ events: [wishes(number, [{ ...who, value: "stop" }])] });
    assert.deepEqual(
      (await states()).map(([state]) => state),
      ["opted_out", "opted_in", "opted_out"],
    );
    const { event_id } = await delivers({ events: [wishes(number, [{ ...who, value: "perhaps" }])] });
    const [event] = await sql`select outcome, leftovers from public.webhook_events where id = ${event_id}`;
    assert.deepEqual([event.outcome, event.leftovers[0].reason], ["partial", "not_handled"]);
  });

  test("of a person who never wrote and hides the number is kept too", async () => {
    const { number } = await newOffice();
    const user_id = `ID.${randomUUID()}`;
    await delivers({
      events: [
        wishes(
          number,
          [wish("stop", { user_id }, START), { category: "else", value: "stop", wa_id: "1" }, { value: "stop" }, 7],
          [{ user_id, profile: { name: "Sari" } }],
        ),
      ],
    });
    const contacts = await contactsOf(number);
    assert.deepEqual(
      contacts.map((row) => [row.user_id, row.profile_name, row.marketing_opted_out_at]),
      [[user_id, "Sari", dateOf(START)]],
    );
    assert.deepEqual([...(await sql`select id from public.conversations where session_id = ${number.id}`)], []);
  });

  test("that Meta reports with a failed message (131050) is kept once", async () => {
    const { number } = await newOffice();
    const { conversation, contact } = await receivesMessage(number);
    const message = await newOutbound(conversation);
    const status = statusOf(number, message.whatsapp_message_id, "failed", {
      timestamp: START,
      errors: [{ code: 131_050, title: "Stopped" }],
    });
    await delivers({ statuses: [status] });
    await delivers({ statuses: [status] });
    assert.deepEqual((await contactsOf(number))[0].marketing_opted_out_at, dateOf(START));
    const consents = await sql`select source from public.contact_consents where contact_id = ${contact.id}`;
    assert.deepEqual(
      consents.map((row) => row.source),
      ["error_131050"],
    );
    const stranger = await newUser(await newTenant(), "admin");
    assert.deepEqual([...(await as(stranger, (sql) => sql`select id from public.contact_consents`))], []);
  });
});
