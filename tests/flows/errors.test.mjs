import assert from "node:assert/strict";
import { test } from "node:test";
import { useApp } from "./app.mjs";

const app = await useApp({ demo: false });
const document = await app.succeeds("GET", "/api/openapi.json");
const ID = "6f9619ff-8b86-4011-b42d-00c04fc964ff";
const METHODS = ["get", "post", "put", "patch", "delete"];
/** @type {[string, Record<string, any>][]} */
const routes = Object.entries(document.paths);

test("every documented route answers, and every other method gets 405 with Allow", async () => {
  for (const [path, operations] of routes) {
    for (const method of METHODS) {
      if (method in operations || (path.startsWith("/api/cron/") && method === "post")) continue;
      const refused = await app.refuses(405, "method_not_allowed", method.toUpperCase(), path.replace("{id}", ID));
      const allowed = String(refused.headers.get("allow")).toLowerCase();
      for (const known of Object.keys(operations)) assert.ok(allowed.includes(known), `${path} allows ${allowed}`);
    }
  }
});

test("without a token every protected route answers 401", async () => {
  for (const [path, operations] of routes) {
    for (const [method, operation] of Object.entries(operations)) {
      if (!operation.security?.length) continue;
      const body = method === "post" ? {} : undefined;
      const refused = await app.refuses(401, "unauthorized", method.toUpperCase(), path.replace("{id}", ID), { body });
      assert.equal(refused.headers.get("www-authenticate"), "Bearer");
    }
  }
});

test("a foreign, forged or missing token gets an answer without any detail", async () => {
  const encode = (/** @type {object} */ part) => Buffer.from(JSON.stringify(part)).toString("base64url");
  const claims = {
    sub: ID,
    role: "authenticated",
    aud: "authenticated",
    iss: `${app.stack.supabase_url}/auth/v1`,
    exp: 4_000_000_000,
  };
  for (const token of [
    `${encode({ alg: "none" })}.${encode(claims)}.x`,
    `${encode({ alg: "HS256" })}.${encode(claims)}.AAAA`,
    "x",
    app.stack.anon_key,
    app.stack.service_role_key,
  ]) {
    await app.refuses(401, "unauthorized", "GET", "/api/auth/me", { headers: { authorization: `Bearer ${token}` } });
  }
  await app.refuses(401, "unauthorized", "GET", "/api/auth/me", { headers: { authorization: "Basic eDp5" } });
});

test("cron requires its complete secret", async () => {
  const { cron_secret } = app.stack;
  for (const secret of ["", "wrong", cron_secret.slice(0, -1), `${cron_secret}x`]) {
    await app.refuses(401, "unauthorized", "GET", "/api/cron/process-broadcasts", {
      headers: { authorization: `Bearer ${secret}` },
    });
  }
});

test("unknown routes answer 404 in the common format, in the client's language", async () => {
  for (const path of ["/api/nowhere", "/api/conversations/1/2/3/4", "/api"])
    await app.refuses(404, "not_found", "GET", path);
  const answer = await app.refuses(404, "not_found", "GET", "/api/nowhere", { headers: { "accept-language": "id" } });
  assert.match(answer.body.error.message, /tidak ada/);
});

test("malformed bodies and queries get an error that names the wrong part", async () => {
  const messages = `/api/conversations/${ID}/messages`;
  const json = { "content-type": "application/json" };
  await app.refuses(400, "invalid_json", "POST", messages, { as: "admin", raw: '{"text":', headers: json });
  await app.refuses(400, "invalid_json", "POST", messages, { as: "admin", raw: '{"text":"x"} {}', headers: json });
  await app.refuses(415, "unsupported_media_type", "POST", messages, { as: "admin", raw: "text=x" });
  for (const [field, body] of /** @type {[string, unknown][]} */ ([
    ["text", {}],
    ["text", { text: "" }],
    ["text", { text: "x".repeat(4097) }],
    ["text", { text: 5 }],
    ["type", { type: "telepathy", text: "x" }],
  ])) {
    const refused = await app.refuses(422, "invalid_field", "POST", messages, { as: "admin", body });
    assert.ok(field in refused.body.error.fields, JSON.stringify(refused.body));
  }
  for (const [field, query] of [
    ["limit", "limit=0"],
    ["limit", "limit=101"],
    ["page", "page=x"],
    ["status", "status=lost"],
  ]) {
    const refused = await app.refuses(422, "invalid_field", "GET", `/api/conversations?${query}`, { as: "admin" });
    assert.ok(field in refused.body.error.fields, JSON.stringify(refused.body));
  }
  await app.refuses(404, "not_found", "GET", "/api/conversations/not-an-id", { as: "admin" });
});

test("health is public and contains no secret", async () => {
  const health = await app.succeeds("GET", "/api/health");
  assert.deepEqual([health.status, health.database, health.redis], ["ok", "ok", "ok"]);
  assert.equal(health.meta.graph_version, "v25.0");
  const workers = await app.succeeds("GET", "/api/health/workers");
  assert.deepEqual(workers, { status: "ok" });
  const withSecret = (/** @type {string} */ secret) =>
    app.call("GET", "/api/health/workers", { headers: { authorization: `Bearer ${secret}` } });
  assert.deepEqual((await withSecret("not-the-secret")).body, { status: "ok" });
  const { body } = await withSecret(String(app.stack.cron_secret));
  assert.deepEqual(
    [body.status, typeof body.recipients_waiting, typeof body.breakers.open],
    ["ok", "number", "number"],
  );
  // the rights of a tenant show nothing of the load of all tenants
  assert.deepEqual(await app.succeeds("GET", "/api/health/workers", { as: "admin" }), { status: "ok" });
});

test("every answer has the security headers, and the start page loads nothing from elsewhere", async () => {
  for (const path of ["/", "/style.css", "/api/health"]) {
    const { headers } = await fetch(app.stack.app_url + path);
    assert.match(String(headers.get("content-security-policy")), /default-src 'none'.*frame-ancestors 'none'/, path);
    assert.equal(headers.get("x-content-type-options"), "nosniff", path);
    assert.equal(headers.get("x-frame-options"), "DENY", path);
  }
  const page = await (await fetch(`${app.stack.app_url}/`)).text();
  assert.doesNotMatch(page, /<style|<script|\son\w+=|https?:/);
});

test("a refusal names the missing permission and who can give it, in both languages", async () => {
  for (const [language, giver] of [
    ["en", /administrator of your organisation can give it/],
    ["id", /Administrator organisasi Anda dapat memberikannya/],
  ]) {
    const { body } = await app.refuses(403, "forbidden", "GET", "/api/audit-logs", {
      as: "agent",
      headers: { "accept-language": /** @type {string} */ (language) },
    });
    assert.match(body.error.message, /`audit\.view`/);
    assert.match(body.error.message, /** @type {RegExp} */ (giver));
  }
});

test("a wrong value is explained in both languages, without the words of a parser", async () => {
  for (const [language, words] of [
    ["en", /^must be one of .*pause/],
    ["id", /^harus salah satu dari .*pause/],
  ]) {
    const { body } = await app.refuses(422, "invalid_field", "PATCH", `/api/whatsapp/sessions/${ID}`, {
      as: "admin",
      headers: { "accept-language": /** @type {string} */ (language) },
      body: { action: "explode" },
    });
    assert.match(body.error.fields.action, /** @type {RegExp} */ (words));
    const time = await app.refuses(422, "invalid_field", "PATCH", `/api/whatsapp/sessions/${ID}`, {
      as: "admin",
      headers: { "accept-language": /** @type {string} */ (language) },
      body: { token_expires_at: "2027-01" },
    });
    assert.match(time.body.error.fields.token_expires_at, /2027-01-31T09:00:00/);
  }
});
