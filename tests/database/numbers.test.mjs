// Connected numbers: their owner, their tokens, their health and their breaker.
import assert from "node:assert/strict";
import { randomUUID } from "node:crypto";
import { describe, test } from "node:test";
import { hasFields } from "../fields.mjs";
import { useDatabase } from "./database.mjs";
import { dateOf, seconds, statusOf } from "./inbox.mjs";
import { DENIED, isRefused } from "./refusals.mjs";
import { someDigits } from "./tenancy.mjs";

const {
  sql,
  as,
  asAnon,
  asService,
  newTenant,
  newUser,
  newNumber,
  newCampaign,
  campaignNow,
  receivesMessage,
  newOutbound,
  delivers,
} = await useDatabase();

const health = {
  display_phone_number: "+62 811",
  verified_name: "Toko",
  quality_rating: "GREEN",
  status: "CONNECTED",
  throughput: { level: "STANDARD" },
};
const sealed = (text = randomUUID()) => ({ sealed: text, key_id: "k1" });

/** @param {{ id: string }} tenant @param {{ phone?: string, token?: object | null, actor?: string | null, name?: string | null }} [options] */
async function connects(tenant, { phone = someDigits(), token = null, actor = null, name = null } = {}) {
  const [{ place }] = await as(
    await newUser(tenant, "admin"),
    (sql) => sql`select public.find_number_session(${phone}) as place`,
  );
  const [{ number }] = await asService(
    (sql) => sql`
    select public.connect_number(${actor}, ${tenant.id}, ${place.session_id}, ${phone}, '111', ${name}, ${sql.json(health)},
      ${token && sql.json(token)}) as number`,
  );
  return { ...number, phone };
}
const changes = (/** @type {any} */ user, /** @type {any} */ number, /** @type {object} */ change) =>
  as(
    user,
    async (sql) =>
      (await sql`select public.change_number(${number.id}, ${sql.json(/** @type {any} */ (change))}) as number`)[0]
        .number,
  );
const deletes = (/** @type {any} */ user, /** @type {any} */ number) =>
  as(user, async (sql) => (await sql`select public.delete_number(${number.id}) as answer`)[0].answer);
const lists = (/** @type {any} */ user) =>
  as(user, async (sql) => (await sql`select public.list_numbers() as numbers`)[0].numbers);
const tokenOf = async (/** @type {any} */ number) =>
  (await sql`select * from private.number_tokens where session_id = ${number.id}`)[0];

describe("connecting a number", () => {
  test("gives it to the tenant, with the properties that Meta reports", async () => {
    const tenant = await newTenant();
    const admin = await newUser(tenant, "admin");
    const number = await connects(tenant);
    hasFields(number, {
      status: "connected",
      quality_rating: "GREEN",
      verified_name: "Toko",
      throughput_level: "STANDARD",
      token_source: "environment",
      token_status: "valid",
      name: "Toko",
    });
    assert.deepEqual(
      (await lists(admin)).map(({ id }) => id),
      [number.id],
    );
    assert.deepEqual(await lists(await newUser(await newTenant(), "admin")), []);
  });

  test("keeps the issue time of its token until the token is replaced", async () => {
    const tenant = await newTenant();
    const admin = await newUser(tenant, "admin");
    const [phone, at] = [someDigits(), "2099-01-02T03:04:05+00:00"];
    const again = async (/** @type {object | null} */ expiry) => {
      const [{ place }] = await as(admin, (sql) => sql`select public.find_number_session(${phone}) as place`);
      const [{ number }] = await asService(
        (sql) => sql`
        select public.connect_number(null, ${tenant.id}, ${place.session_id}, ${phone}, '111', null, ${sql.json(health)}, ${sql.json(sealed())},
          ${expiry && sql.json(/** @type {any} */ (expiry))}) as number`,
      );
      return number;
    };
    const number = await again({ at });
    assert.equal(number.token_expires_at, at);
    assert.equal((await again(null)).token_expires_at, at);
    assert.equal((await again({ at: null })).token_expires_at, null);
    assert.equal((await changes(admin, number, { token_expires_at: at })).token_expires_at, at);
    assert.equal((await changes(admin, number, { name: "Toko" })).token_expires_at, at);
    assert.equal((await changes(admin, number, { token_expires_at: null })).token_expires_at, null);
  });

  test("is refused if another tenant has it, also at the same moment", async () => {
    const phone = someDigits();
    const [one, two] = [await newTenant(), await newTenant()];
    await connects(one, { phone });
    await isRefused(connects(two, { phone }), { code: "PT409", detail: "number_taken" });
    const other = someDigits();
    const attempts = await Promise.allSettled(
      [one, two, one, two].map((tenant) =>
        asService(
          (sql) => sql`
      select public.connect_number(null, ${tenant.id}, ${randomUUID()}, ${other}, '111', null, '{}')`,
        ),
      ),
    );
    assert.equal(attempts.filter(({ status }) => status === "fulfilled").length, 1);
    for (const attempt of attempts)
      if (attempt.status === "rejected") assert.equal(attempt.reason.detail, "number_taken");
  });

  test("cannot overwrite another tenant's row by its id", async () => {
    const mine = await connects(await newTenant());
    const thief = await newTenant();
    await isRefused(
      asService(
        (sql) => sql`
      select public.connect_number(null, ${thief.id}, ${mine.id}, ${someDigits()}, '111', 'x', '{}')`,
      ),
      { code: "PT404" },
    );
    const [row] = await sql`select tenant_id, meta_phone_number_id from public.whatsapp_sessions where id = ${mine.id}`;
    assert.deepEqual([row.tenant_id === thief.id, row.meta_phone_number_id], [false, mine.phone]);
  });

  test("again restores its history, and after its deletion another tenant may connect it", async () => {
    const [one, two] = [await newTenant(), await newTenant()];
    const admin = await newUser(one, "admin");
    const number = await connects(one, { token: sealed() });
    const { conversation } = await receivesMessage({ ...number, meta_phone_number_id: number.phone });
    assert.ok(await tokenOf(number));
    assert.deepEqual(await deletes(admin, number), { business_account_id: "111", account_in_use: true });
    assert.equal(await tokenOf(number), undefined, "its token is gone");
    assert.deepEqual(await lists(admin), []);
    assert.equal((await sql`select from public.conversations where id = ${conversation.id}`).count, 1, "history stays");
    await isRefused(deletes(admin, number), { code: "PT404" });

    const again = await connects(one, { phone: number.phone });
    assert.deepEqual([again.id, again.status, again.deleted_at], [number.id, "connected", null]);
    await deletes(admin, number);
    const theirs = await connects(two, { phone: number.phone });
    assert.notEqual(theirs.id, number.id);
    await isRefused(connects(one, { phone: number.phone }), { code: "PT409", detail: "number_taken" });
  });

  test("is open to the service alone", async () => {
    const tenant = await newTenant();
    const admin = await newUser(tenant, "admin");
    await isRefused(
      as(
        admin,
        (sql) => sql`
      select public.connect_number(null, ${tenant.id}, ${randomUUID()}, ${someDigits()}, '111', 'x', '{}')`,
      ),
      { code: DENIED },
    );
    await isRefused(
      asAnon((sql) => sql`select public.list_numbers()`),
      { code: DENIED },
    );
  });

  test("from the environment happens once, and not again after its deletion", async () => {
    const tenant = await newTenant();
    const admin = await newUser(tenant, "admin");
    const phone = someDigits();
    const ensure = (/** @type {{ id: string }} */ tenant) =>
      asService((sql) => sql`select public.ensure_default_number(${tenant.id}, ${phone}, '111')`);
    await Promise.all([ensure(tenant), ensure(tenant), ensure({ id: randomUUID() })]);
    const numbers = await lists(admin);
    assert.equal(numbers.length, 1);
    await deletes(admin, numbers[0]);
    await ensure(tenant);
    assert.deepEqual(await lists(admin), []);
  });
});

describe("changing a number", () => {
  test("pauses, resumes and disconnects it", async () => {
    const tenant = await newTenant();
    const manager = await newUser(tenant, "admin");
    const number = await connects(tenant);
    const states = [];
    for (const action of ["pause", "resume", "disconnect"])
      states.push((await changes(manager, number, { action })).status);
    assert.deepEqual(states, ["paused", "connected", "disconnected"]);
    await isRefused(changes(manager, number, { action: "resume" }), { code: "PT409", detail: "number_unavailable" });
    const renamed = await changes(manager, number, { name: "Pusat", messages_per_second: 80 });
    assert.deepEqual([renamed.name, renamed.messages_per_second, renamed.status], ["Pusat", 80, "disconnected"]);
  });

  test("accepts a pace within Meta's limit alone", async () => {
    const tenant = await newTenant();
    const admin = await newUser(tenant, "admin");
    const number = await connects(tenant);
    await isRefused(changes(admin, number, { messages_per_second: 81 }), {
      code: "PT422",
      hint: "messages_per_second",
    });
    await sql`update public.whatsapp_sessions set throughput_level = 'HIGH' where id = ${number.id}`;
    assert.equal((await changes(admin, number, { messages_per_second: 1000 })).messages_per_second, 1000);
  });

  test("to an unusable status holds its campaigns", async () => {
    const tenant = await newTenant();
    const admin = await newUser(tenant, "admin");
    const number = await newNumber(tenant);
    const campaign = await newCampaign(number, { status: "paused" });
    await sql`update public.broadcast_campaigns set status = 'scheduled', scheduled_at = now() + interval '1 day' where id = ${campaign.id}`;
    await changes(admin, number, { action: "disconnect" });
    const { status, status_reason } = await campaignNow(campaign);
    assert.deepEqual([status, status_reason], ["paused", "The number was disconnected."]);
  });

  test("is refused to another tenant and to people without the permission", async () => {
    const tenant = await newTenant();
    const number = await connects(tenant);
    const foreigner = await newUser(await newTenant(), "admin");
    const agent = await newUser(tenant, "agent");
    for (const [user, code] of /** @type {const} */ ([
      [foreigner, "PT404"],
      [agent, "PT403"],
    ])) {
      await isRefused(changes(user, number, { name: "x" }), { code });
      await isRefused(deletes(user, number), { code });
    }
    await isRefused(
      as(agent, (sql) => sql`select public.find_number_session('1')`),
      { code: "PT403" },
    );
    const [{ delivery }] = await as(foreigner, (sql) => sql`select public.number_delivery(${number.id}) as delivery`);
    assert.equal(delivery, null);
  });
});

describe("an access token", () => {
  test("is sealed, and out of reach for every client", async () => {
    const tenant = await newTenant();
    const admin = await newUser(tenant, "admin");
    const text = `sealed-${randomUUID()}`;
    const number = await connects(tenant, { token: sealed(text) });
    assert.equal((await tokenOf(number)).sealed, text);
    await isRefused(
      as(admin, (sql) => sql`select * from private.number_tokens`),
      { code: DENIED },
    );
    await isRefused(
      as(admin, (sql) => sql`select public.number_access(${number.id})`),
      { code: DENIED },
    );
    const seen = JSON.stringify([
      await lists(admin),
      await as(admin, (sql) => sql`select public.get_number(${number.id})`),
      await as(admin, (sql) => sql`select * from public.whatsapp_sessions`),
    ]);
    assert.ok(!seen.includes(text));
    const [{ access }] = await asService((sql) => sql`select public.number_access(${number.id}) as access`);
    assert.deepEqual(access, {
      token: { sealed: text, key_id: "k1" },
      own_token: true,
      held: false,
      trial: false,
      failures: 0,
    });
  });

  test("is resealed only if it is still the one that was opened", async () => {
    const number = await connects(await newTenant(), { token: sealed("old") });
    const reseal = (/** @type {string} */ was, /** @type {string} */ text) =>
      asService(
        async (sql) =>
          (await sql`select public.reseal_number_token(${number.id}, ${was}, ${text}, 'k2') as done`)[0].done,
      );
    const waiting = async (/** @type {string} */ key) =>
      asService(async (sql) =>
        (await sql`select public.list_number_tokens(${key}, null, 1000) as tokens`)[0].tokens.filter(
          (/** @type {any} */ token) => token.session_id === number.id,
        ),
      );
    assert.deepEqual(await waiting("k2"), [{ session_id: number.id, sealed: "old", key_id: "k1" }]);
    assert.equal(await reseal("another", "x"), false);
    assert.equal(await reseal("old", "new"), true);
    assert.equal((await tokenOf(number)).sealed, "new");
    assert.deepEqual(await waiting("k2"), []);
  });

  test("that Meta refuses breaks the number, and a later successful check does not repair it", async () => {
    const tenant = await newTenant();
    const number = await connects(tenant);
    const record = (/** @type {object | null} */ health, /** @type {string | null} */ problem, invalid = false) =>
      asService(
        async (sql) =>
          (
            await sql`select public.record_number_health(${number.id}, ${health && sql.json(/** @type {any} */ (health))}, ${problem}, ${invalid}) as number`
          )[0].number,
      );
    const away = await record(null, "Meta was not reached");
    assert.deepEqual(
      [away.status, away.token_status, away.health_error],
      ["connected", "valid", "Meta was not reached"],
    );
    const broken = await record(null, "Token expired", true);
    assert.deepEqual(
      [broken.status, broken.status_reason, broken.token_status],
      ["broken", "Token expired", "invalid"],
    );
    const seen = await record({ ...health, quality_rating: "RED" }, null);
    assert.deepEqual(
      [seen.status, seen.status_code, seen.status_reason, seen.quality_rating, seen.token_status, seen.health_error],
      ["connected", null, null, "RED", "valid", null],
      "Meta accepts the token again",
    );
  });

  test("does not connect a number that is broken for another reason than its token", async () => {
    const tenant = await newTenant();
    const report = (/** @type {any} */ number, status = "CONNECTED") =>
      asService(
        async (sql) =>
          (await sql`select public.record_number_health(${number.id}, ${sql.json({ status })}) as number`)[0].number,
      );
    const breaks = (/** @type {any} */ number, /** @type {string} */ code) =>
      asService((sql) => sql`select public.break_number(${number.id}, 'no', ${code})`);

    const unpaid = await connects(tenant);
    await breaks(unpaid, "payment_problem");
    assert.equal((await report(unpaid)).status, "broken");

    const blocked = await connects(tenant);
    await breaks(blocked, "token_invalid");
    await sql`update public.whatsapp_sessions set account_standing = 'account_disabled' where id = ${blocked.id}`;
    assert.equal((await report(blocked)).status, "broken");

    const banned = await connects(tenant);
    await breaks(banned, "token_invalid");
    const now = await report(banned, "BANNED");
    assert.deepEqual([now.status, now.status_code], ["broken", "number_banned"]);
    assert.equal((await report(banned)).status, "connected", "the ban was lifted");
  });
});

describe("a number's breaker", () => {
  const access = (/** @type {any} */ number) =>
    asService(async (sql) => (await sql`select public.number_access(${number.id}) as access`)[0].access);
  const note = (/** @type {any} */ number, /** @type {number} */ failed, answered = false) =>
    asService(
      async (sql) => (await sql`select public.record_sends(${number.id}, ${failed}, ${answered}) as state`)[0].state,
    );
  const rested = (/** @type {any} */ number) => sql`
    update private.number_breakers set open_until = now() - interval '1 second', trial_until = null where session_id = ${number.id}`;
  /**
   * Notes a failure, and returns the seconds for which the breaker is open from then on: one transaction has one now().
   */
  const opensFor = (/** @type {any} */ number, failed = 1) =>
    sql.begin(async (sql) => {
      const [{ state }] = await sql`select public.record_sends(${number.id}, ${failed}, false) as state`;
      assert.equal(state, "open");
      const [{ seconds }] = await sql`
        select extract(epoch from open_until - now())::float as seconds from private.number_breakers where session_id = ${number.id}`;
      return seconds;
    });
  const openUntil = async (/** @type {any} */ number) =>
    (await sql`select open_until from private.number_breakers where session_id = ${number.id}`)[0].open_until;

  test("opens after ten lost answers in a row, and any answer restarts the count", async () => {
    const number = await connects(await newTenant());
    assert.equal(await note(number, 9), "closed");
    assert.equal(await note(number, 0, true), "closed");
    for (let lost = 1; lost < 10; lost++) assert.equal(await note(number, 1), "closed");
    assert.equal(await opensFor(number), 30);
    assert.deepEqual(await access(number).then(({ held, trial }) => [held, trial]), [true, false]);
    const until = await openUntil(number);
    assert.equal(await note(number, 3), "open");
    assert.deepEqual(await openUntil(number), until, "late failures do not keep it open longer");
  });

  test("lets one request at a time try the number, and stays open twice as long after each failure", async () => {
    const number = await connects(await newTenant());
    await note(number, 10);
    for (const next of [60, 120, 240, 300, 300]) {
      await rested(number);
      const asked = await Promise.all(Array.from({ length: 5 }, () => access(number)));
      assert.equal(asked.filter(({ trial }) => trial).length, 1);
      assert.equal(asked.filter(({ held }) => held).length, 4);
      assert.equal(await opensFor(number), next);
    }
    await rested(number);
    await access(number);
    assert.equal(await note(number, 0, true), "closed");
    assert.equal(await opensFor(number, 10), 30, "the earlier failures are forgotten");
  });

  test("starts no trial for a caller that only reads", async () => {
    const number = await connects(await newTenant());
    await note(number, 10);
    await rested(number);
    await asService((sql) => sql`select public.number_access(${number.id}, false)`);
    assert.equal((await access(number)).trial, true);
  });

  test("allows another trial if the first reports no outcome", async () => {
    const number = await connects(await newTenant());
    await note(number, 10);
    await rested(number);
    assert.equal((await access(number)).trial, true);
    assert.equal((await access(number)).held, true);
    await sql`update private.number_breakers set trial_until = now() - interval '1 second' where session_id = ${number.id}`;
    assert.equal((await access(number)).trial, true);
  });

  test("appears in the number's figures and in the health of all numbers", async () => {
    const tenant = await newTenant();
    const admin = await newUser(tenant, "admin");
    const number = await connects(tenant);
    await note(number, 10);
    const [{ delivery }] = await as(admin, (sql) => sql`select public.number_delivery(${number.id}) as delivery`);
    assert.equal(delivery.breaker.state, "open");
    const [{ health }] = await asService((sql) => sql`select public.breaker_health() as health`);
    assert.ok(health.open >= 1);
    assert.ok(!JSON.stringify(health).includes(number.id));
  });
});

test("delivery figures count the outcomes of a day's and a week's messages", async () => {
  const tenant = await newTenant();
  const admin = await newUser(tenant, "admin");
  const number = await newNumber(tenant);
  const { conversation } = await receivesMessage(number);
  const at = seconds(600);
  const sent = await Promise.all(Array.from({ length: 4 }, () => newOutbound(conversation, { sentAt: dateOf(at) })));
  await delivers({
    statuses: sent
      .slice(0, 3)
      .map((message, i) => statusOf(number, message.whatsapp_message_id, "delivered", { timestamp: at + 2 * (i + 1) })),
  });
  await delivers({ statuses: [statusOf(number, sent[0].whatsapp_message_id, "read", { timestamp: at + 62 })] });
  await newOutbound(conversation, { status: "failed", wamid: null });
  const lost = await newOutbound(conversation, { sentAt: dateOf(at) });
  await delivers({ statuses: [statusOf(number, lost.whatsapp_message_id, "failed", { timestamp: at + 5 })] });
  const old = await newOutbound(conversation);
  await sql`update public.messages set created_at = now() - interval '2 days' where id = ${old.id}`;
  const [{ delivery }] = await as(admin, (sql) => sql`select public.number_delivery(${number.id}) as delivery`);
  assert.deepEqual(delivery.day, {
    messages: 6,
    accepted: 5,
    delivered: 3,
    read: 1,
    failed: 2,
    unknown: 0,
    delivery_rate: 0.6,
    read_rate: 0.3333,
    seconds_to_delivered: { median: 4, p95: 5.8 },
    seconds_to_read: { median: 60, p95: 60 },
  });
  assert.equal(delivery.week.messages, 7);
});

test("a number changes with its assignment in one transaction, and a check changes nothing", async () => {
  const tenant = await newTenant();
  const admin = await newUser(tenant, "admin");
  const number = await connects(tenant);
  const now = async () => {
    const [row] = await sql`select name, assignment from public.whatsapp_sessions where id = ${number.id}`;
    return [row.name, row.assignment];
  };
  const [before] = [await now()];
  const wanted = { name: "Baru", assignment: { strategy: "round_robin" } };
  await changes(admin, number, { ...wanted, check_only: true });
  assert.deepEqual(await now(), before);
  await assert.rejects(
    changes(admin, number, { name: "Baru", assignment: { strategy: "round_robin", pool: [randomUUID()] } }),
  );
  assert.deepEqual(await now(), before);
  await changes(admin, number, wanted);
  assert.deepEqual(await now(), ["Baru", "round_robin"]);
});

test("a number that Meta has banned sends nothing until Meta lifts the ban", async () => {
  const tenant = await newTenant();
  const admin = await newUser(tenant, "admin");
  for (const before of ["connected", "paused"]) {
    const number = await connects(tenant);
    await sql`update public.whatsapp_sessions set status = ${before} where id = ${number.id}`;
    const says = async (/** @type {string} */ status) => {
      await asService((sql) => sql`select public.record_number_health(${number.id}, ${sql.json({ status })})`);
      const [now] = (await lists(admin)).filter((/** @type {any} */ { id }) => id === number.id);
      return [now.status, now.status_code, now.meta_status, now.status_reason === null];
    };
    assert.deepEqual(await says("FLAGGED"), [before, null, "FLAGGED", true]);
    for (const _ of [1, 2]) assert.deepEqual(await says("BANNED"), ["broken", "number_banned", "BANNED", false]);
    assert.deepEqual(await says("CONNECTED"), [before, null, "CONNECTED", true]);
    await sql`update public.whatsapp_sessions set status = 'disconnected' where id = ${number.id}`;
    assert.deepEqual(await says("BANNED"), ["disconnected", null, "BANNED", true]);
  }
});

test("a number that Meta refuses shows the reason, and whether its token is the cause", async () => {
  const tenant = await newTenant();
  const admin = await newUser(tenant, "admin");
  for (const [code, token_status] of [
    ["token_invalid", "invalid"],
    ["not_registered", "valid"],
    ["payment_problem", "valid"],
  ]) {
    const number = await connects(tenant);
    await asService((sql) => sql`select public.break_number(${number.id}, 'Meta says no', ${code})`);
    const [shown] = (await lists(admin)).filter((/** @type {any} */ { id }) => id === number.id);
    assert.deepEqual(
      [shown.status, shown.status_code, shown.status_reason, shown.token_status],
      ["broken", code, "Meta says no", token_status],
    );
  }
  // as the previous release calls it
  const number = await connects(tenant);
  await asService((sql) => sql`select public.break_number(session_id => ${number.id}, reason => 'no')`);
  assert.equal((await lists(admin)).at(-1).status, "broken");
});
