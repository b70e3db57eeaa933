// Connected numbers, from connecting to deletion, with tokens of their own.
import assert from "node:assert/strict";
import { randomInt, randomUUID } from "node:crypto";
import { describe, test } from "node:test";
import postgres from "postgres";
import { hasFields } from "../fields.mjs";
import { eventually, useApp } from "./app.mjs";

const app = await useApp();
const sessions = "/api/whatsapp/sessions";
const digits = () => `5559${randomInt(1e10, 1e11)}`;

/** A number at Meta that is not connected yet. @param {object} [properties] */
async function newNumberAtMeta(properties = {}) {
  const number = {
    phone_number_id: digits(),
    business_account_id: digits(),
    display_phone_number: `+62 899-${digits()}`,
    verified_name: "Cabang Baru",
    ...properties,
  };
  await app.meta("POST", "numbers", number);
  return number;
}

/** A token that Meta accepts. */
async function newToken() {
  const token = `EAA${randomUUID().replaceAll("-", "")}`;
  await app.meta("POST", "tokens", { token, valid: true });
  return token;
}

/** @param {any} number @param {object} [more] @param {string} [as] */
const connects = (number, more = {}, as = "admin") =>
  app.call("POST", sessions, {
    as,
    body: { phone_number_id: number.phone_number_id, business_account_id: number.business_account_id, ...more },
  });

/** A number connected with a token of its own. */
async function newConnectedNumber() {
  const number = await newNumberAtMeta();
  const token = await newToken();
  const { status, body } = await connects(number, { token });
  assert.equal(status, 201, JSON.stringify(body));
  return { ...number, id: body.id, token };
}

const STEPS = [
  "default_number",
  "number_health",
  "restrictions",
  "reseal_tokens",
  "idempotency_keys",
  "webhook_events",
  "audit_logs",
  "unsent_uploads",
  "erased_files",
  "changes",
  "media",
];
const housekeeping = (only = "") =>
  app.call("GET", `/api/cron/housekeeping${only && `?only=${only}`}`, {
    headers: { authorization: `Bearer ${app.stack.cron_secret}` },
  });
/** Moves the last health check into the past. @param {string} id */
const forgetsHealth = (id) => app.changes("whatsapp_sessions", `id=eq.${id}`, { health_checked_at: null });

test("the environment's number is connected, with the version of Meta's API", async () => {
  const { data, graph } = await app.succeeds("GET", sessions, { as: "agent" });
  assert.ok(
    data.some(
      (/** @type {any} */ number) =>
        number.phone_number_id === app.phoneNumberId && number.token_source === "environment",
    ),
  );
  assert.deepEqual(graph, { version: "v25.0", expires: "2028-07-29" });
});

test("a number is checked with Meta before it is connected", async () => {
  const number = await newNumberAtMeta({ pin: "123456" });
  const token = await newToken();
  for (const [field, more] of /** @type {[string, object][]} */ ([
    ["token", { token: "EAAnonsense" }],
    ["token", { token: "has spaces" }],
    ["phone_number_id", { token, phone_number_id: "123" }],
    ["phone_number_id", { token, phone_number_id: "+62" }],
    ["business_account_id", { token, business_account_id: "555100000000001" }],
    ["business_account_id", { token, business_account_id: "12345" }],
    ["pin", { token, pin: "654321" }],
    ["pin", { token, pin: "12345" }],
  ])) {
    const { status, body } = await connects(number, more);
    assert.deepEqual([status, body.error?.code], [422, "invalid_field"], JSON.stringify([more, body]));
    assert.ok(field in body.error.fields, JSON.stringify(body));
  }
  assert.equal((await app.rows("whatsapp_sessions", `meta_phone_number_id=eq.${number.phone_number_id}`)).length, 0);
  const { status, body } = await connects(number, { token, pin: "123456", name: "Cabang Bandung" });
  assert.equal(status, 201, JSON.stringify(body));
  hasFields(body, {
    name: "Cabang Bandung",
    verified_name: "Cabang Baru",
    quality_rating: "GREEN",
    status: "connected",
    token_source: "own",
    token_status: "valid",
  });
});

test("the expiry of a token is stored with it", async () => {
  const number = await newNumberAtMeta();
  const token_expires_at = "2099-01-02T03:04:05Z";
  const past = await connects(number, { token: await newToken(), token_expires_at: "2020-01-01T00:00:00Z" });
  assert.deepEqual([past.status, Object.keys(past.body.error.fields)], [422, ["token_expires_at"]]);
  const { body } = await connects(number, { token: await newToken(), token_expires_at });
  assert.equal(body.token_expires_at, token_expires_at);
  const patch = (/** @type {object} */ changes) =>
    app.succeeds("PATCH", `${sessions}/${body.id}`, { as: "admin", body: changes });
  assert.equal((await patch({ action: "connect" })).token_expires_at, token_expires_at);
  assert.equal((await patch({ token: await newToken() })).token_expires_at, null);
  assert.equal((await patch({ token_expires_at })).token_expires_at, token_expires_at);
});

test("a number belongs to one organisation, and the installation's token to its own organisation", async () => {
  const taken = await connects(
    { phone_number_id: app.phoneNumberId, business_account_id: "555100000000001" },
    { token: await newToken() },
    "stranger",
  );
  assert.deepEqual([taken.status, taken.body.error?.code], [409, "number_taken"]);
  const free = await newNumberAtMeta();
  const refused = await connects(free, {}, "stranger");
  assert.deepEqual([refused.status, refused.body.error?.code], [422, "invalid_field"]);
  assert.ok("token" in refused.body.error.fields);
  assert.equal((await connects(free)).status, 201, "the default organisation needs none");
  const forbidden = await connects(await newNumberAtMeta(), {}, "agent");
  assert.deepEqual([forbidden.status, forbidden.body.error?.code], [403, "forbidden"]);
});

test("a number sends with its own token, and no answer contains the token", async () => {
  const number = await newConnectedNumber();
  const from = app.newCustomer();
  await app.receivesMessage({ from, to: number.phone_number_id });
  const conversation = await app.conversationWith(from);
  assert.equal(conversation.session_id, number.id);
  const reply = () =>
    app.call("POST", `/api/conversations/${conversation.id}/messages`, { as: "admin", body: { text: "Halo" } });
  const sent = await reply();
  app.isSent(sent.body);
  assert.equal((await app.ledger([from])).get(from)?.[0].phone_number_id, number.phone_number_id);

  const [list, details, health] = [
    await app.succeeds("GET", sessions, { as: "admin" }),
    await app.succeeds("GET", `${sessions}/${number.id}`, { as: "admin" }),
    await housekeeping(),
  ];
  assert.ok(!JSON.stringify([list, details, health.body, sent.body]).includes(number.token));
  assert.equal(details.day.messages, 1);
  assert.deepEqual(details.breaker.state, "closed");

  await app.meta("POST", "tokens", { token: number.token, valid: false });
  const refused = await reply();
  assert.equal(refused.body.status, "failed", "the installation's token is no substitute");
  const broken = await app.succeeds("GET", `${sessions}/${number.id}`, { as: "admin" });
  assert.deepEqual([broken.status, broken.status_code, broken.token_status], ["broken", "token_invalid", "invalid"]);
  assert.equal((await reply()).body.error.code, "number_unavailable");
  assert.equal(
    (await app.succeeds("GET", sessions, { as: "admin" })).data.find(
      (/** @type {any} */ other) => other.phone_number_id === app.phoneNumberId,
    ).status,
    "connected",
  );

  const wrong = await app.refuses(422, "invalid_field", "PATCH", `${sessions}/${number.id}`, {
    as: "admin",
    body: { token: "EAAother" },
  });
  assert.ok("token" in wrong.body.error.fields);
  const mended = await app.succeeds("PATCH", `${sessions}/${number.id}`, {
    as: "admin",
    body: { token: await newToken() },
  });
  assert.deepEqual([mended.status, mended.token_source, mended.token_status], ["connected", "own", "valid"]);
  app.isSent((await reply()).body);
});

test("a change of a number is made completely or not at all", async () => {
  const number = await newConnectedNumber();
  const path = `${sessions}/${number.id}`;
  const seen = async () => {
    const { name, token_expires_at, assignment } = await app.succeeds("GET", path, { as: "admin" });
    return { name, token_expires_at, assignment };
  };
  const before = await seen();
  const assignment = { strategy: "round_robin", max_open: 3 };
  // Meta refuses the token
  await app.refuses(422, "invalid_field", "PATCH", path, {
    as: "admin",
    body: { name: "Baru", assignment, token: "EAAwrong" },
  });
  assert.deepEqual(await seen(), before);
  // the database refuses the pool: the good token is not stored
  await app.meta("POST", "tokens", { token: number.token, valid: false });
  const refused = await app.refuses(422, "invalid_field", "PATCH", path, {
    as: "admin",
    body: { token: await newToken(), assignment: { pool: ["00000000-0000-4000-8000-000000000001"] } },
  });
  assert.deepEqual(Object.keys(refused.body.error.fields), ["assignment.pool"]);
  await app.refuses(422, "invalid_field", "PATCH", path, { as: "admin", body: { action: "connect" } });
  assert.deepEqual(await seen(), before);
  await app.succeeds("PATCH", path, { as: "admin", body: { name: "Baru", assignment, token: await newToken() } });
  const after = await seen();
  assert.deepEqual([after.name, after.assignment.strategy, after.assignment.max_open], ["Baru", "round_robin", 3]);
});

test("a number is paused, resumed, disconnected, connected again and deleted, and keeps its history", async () => {
  const number = await newConnectedNumber();
  const from = app.newCustomer();
  await app.receivesMessage({ from, to: number.phone_number_id });
  const { id } = await app.conversationWith(from);
  const patch = (/** @type {object} */ body) =>
    app.succeeds("PATCH", `${sessions}/${number.id}`, { as: "admin", body });
  const reply = async () =>
    (await app.call("POST", `/api/conversations/${id}/messages`, { as: "admin", body: { text: "x" } })).status;

  assert.equal((await patch({ status: "paused" })).status, "paused");
  assert.equal(await reply(), 409);
  assert.equal((await patch({ action: "resume", name: "Gudang", messages_per_second: 20 })).name, "Gudang");
  assert.equal(await reply(), 201);
  assert.equal((await patch({ status: "disconnected" })).status, "disconnected");
  assert.equal(await reply(), 409);
  await app.refuses(409, "number_unavailable", "PATCH", `${sessions}/${number.id}`, {
    as: "admin",
    body: { action: "resume" },
  });
  assert.equal((await patch({ action: "connect" })).status, "connected");
  assert.equal(await reply(), 201);
  await app.refuses(422, "invalid_field", "PATCH", `${sessions}/${number.id}`, {
    as: "admin",
    body: { messages_per_second: 500 },
  });

  assert.equal((await app.call("DELETE", `${sessions}/${number.id}`, { as: "admin" })).status, 204);
  assert.ok(
    !(await app.succeeds("GET", sessions, { as: "admin" })).data.some(
      (/** @type {any} */ other) => other.id === number.id,
    ),
  );
  const thread = await app.succeeds("GET", `/api/conversations/${id}/messages`, { as: "admin" });
  assert.equal(thread.total, 3);
  assert.equal(await reply(), 409);
  await app.refuses(404, "not_found", "PATCH", `${sessions}/${number.id}`, { as: "admin", body: { name: "x" } });
  const again = await connects(number, { token: number.token });
  assert.deepEqual([again.status, again.body.id], [201, number.id]);
});

test("a person of another tenant finds no number of ours", async () => {
  const number = await newConnectedNumber();
  for (const [method, body] of /** @type {[string, object?][]} */ ([["GET"], ["PATCH", { name: "x" }], ["DELETE"]])) {
    await app.refuses(404, "not_found", method, `${sessions}/${number.id}`, { as: "stranger", body });
  }
  assert.ok(
    !(await app.succeeds("GET", sessions, { as: "stranger" })).data.some(
      (/** @type {any} */ other) => other.id === number.id,
    ),
  );
  for (const method of ["PATCH", "DELETE"]) {
    await app.refuses(403, "forbidden", method, `${sessions}/${number.id}`, {
      as: "agent",
      body: method === "PATCH" ? { name: "x" } : undefined,
    });
  }
});

test("housekeeping refreshes the health of every number, and a person may refresh it on demand", async () => {
  const number = await newConnectedNumber();
  await app.meta("POST", "numbers", {
    phone_number_id: number.phone_number_id,
    business_account_id: number.business_account_id,
    display_phone_number: number.display_phone_number,
    verified_name: "Nama Baru",
    quality_rating: "RED",
    status: "FLAGGED",
  });
  const now = async (query = "") => app.succeeds("GET", `${sessions}/${number.id}${query}`, { as: "admin" });
  await housekeeping("number_health");
  assert.equal((await now()).quality_rating, "GREEN", "checked a moment ago");
  await forgetsHealth(number.id);
  const { body } = await housekeeping("number_health");
  assert.equal(body.steps[0].ok, true, JSON.stringify(body));
  const seen = await now();
  assert.deepEqual([seen.quality_rating, seen.meta_status, seen.verified_name], ["RED", "FLAGGED", "Nama Baru"]);

  await app.meta("POST", "tokens", { token: number.token, valid: false });
  await forgetsHealth(number.id);
  const broken = await now("?refresh=true");
  assert.deepEqual([broken.status, broken.status_code, broken.token_status], ["broken", "token_invalid", "invalid"]);

  await app.meta("POST", "tokens", { token: number.token, valid: true });
  await forgetsHealth(number.id);
  await housekeeping("number_health");
  const healed = await now();
  assert.deepEqual([healed.status, healed.status_code, healed.token_status], ["connected", null, "valid"]);
});

test("only the scheduler may call housekeeping, and each of its steps succeeds", async () => {
  await app.refuses(401, "unauthorized", "GET", "/api/cron/housekeeping", { as: "admin" });
  const { status, body } = await housekeeping();
  assert.equal(status, 200);
  assert.deepEqual(
    body.steps.map((/** @type {any} */ { step, ok }) => ({ step, ok })),
    STEPS.map((step) => ({ step, ok: true })),
    JSON.stringify(body),
  );
  const odd = await housekeeping("nonsense");
  assert.deepEqual([odd.status, odd.body.error?.code], [422, "invalid_field"]);
});

test("a number rests while Meta does not answer, and continues once it does", async () => {
  const number = await newConnectedNumber();
  const from = app.newCustomer();
  await app.receivesMessage({ from, to: number.phone_number_id });
  const { id } = await app.conversationWith(from);
  const reply = () => app.call("POST", `/api/conversations/${id}/messages`, { as: "admin", body: { text: "x" } });
  await app.metaFails({ kind: "http_status", status: 503, phone_number_id: number.phone_number_id, times: 10 });
  for (let lost = 0; lost < 10; lost++) assert.equal((await reply()).body.status, "unknown");
  const resting = await reply();
  assert.deepEqual([resting.status, resting.body.error?.code], [503, "meta_unavailable"]);
  assert.equal((await app.ledger([from])).size, 0);
  assert.equal((await app.succeeds("GET", `${sessions}/${number.id}`, { as: "admin" })).breaker.state, "open");
  const headers = { authorization: `Bearer ${app.stack.cron_secret}` };
  assert.ok((await app.call("GET", "/api/health/workers", { headers })).body.breakers.open >= 1);

  // After its rest one message tries Meta, and the others wait for its outcome.
  const sql = postgres(String(app.stack.database_url), { max: 1 });
  await sql`update private.number_breakers set open_until = now() where session_id = ${number.id}`.finally(() =>
    sql.end(),
  );
  const delay = 700;
  await app.meta("PUT", "settings", { response_delay_ms: delay });
  const replies = await Promise.all(Array.from({ length: 6 }, reply));
  await app.meta("PUT", "settings", { response_delay_ms: 0 });
  for (const { status, body } of replies)
    assert.equal(status === 201 ? body.status === "failed" : status !== 503, false, JSON.stringify(body));
  const [first, ...others] = ((await app.ledger([from])).get(from) ?? [])
    .map(({ accepted_at }) => Date.parse(accepted_at))
    .sort((one, other) => one - other);
  assert.ok(first);
  for (const accepted_at of others) assert.ok(accepted_at - first >= delay, `${accepted_at - first}`);
  assert.equal((await app.succeeds("GET", `${sessions}/${number.id}`, { as: "admin" })).breaker.state, "closed");
});

describe("the environment's number before its first use", async () => {
  const [phone_number_id, business_account_id] = [digits(), digits()];
  const fresh = await useApp({
    environment: {
      META_WHATSAPP_PHONE_NUMBER_ID: phone_number_id,
      META_WHATSAPP_BUSINESS_ACCOUNT_ID: business_account_id,
    },
  });

  test("exists with its first messages, and keeps all of them", async () => {
    await fresh.meta("POST", "numbers", {
      phone_number_id,
      business_account_id,
      display_phone_number: `+62 899-${digits()}`,
      verified_name: "Toko",
    });
    const customers = Array.from({ length: 8 }, () => fresh.newCustomer());
    await Promise.all(customers.map((from) => fresh.receivesMessage({ from, to: phone_number_id })));
    const [number] = await fresh.rows(
      "whatsapp_sessions",
      `meta_phone_number_id=eq.${phone_number_id}&select=id,tenant_id`,
    );
    assert.equal(number.tenant_id, fresh.user("admin").tenant_id);
    assert.equal((await fresh.rows("messages", `session_id=eq.${number.id}&select=id`)).length, customers.length);
  });
});

test("a token is not stored if the pace beside it is refused", async () => {
  const number = await newConnectedNumber();
  const before = await app.succeeds("GET", `${sessions}/${number.id}`, { as: "admin" });
  const { body } = await app.refuses(422, "invalid_field", "PATCH", `${sessions}/${number.id}`, {
    as: "admin",
    body: { token: await newToken(), messages_per_second: 81 },
  });
  assert.deepEqual(Object.keys(body.error.fields), ["messages_per_second"]);
  const after = await app.succeeds("GET", `${sessions}/${number.id}`, { as: "admin" });
  assert.equal(after.token_changed_at, before.token_changed_at);
});
