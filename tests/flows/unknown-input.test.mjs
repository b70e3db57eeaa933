// What a request says and its operation does not know is refused: for every operation of the document.
import assert from "node:assert/strict";
import { before, describe, test } from "node:test";
import { useApp } from "./app.mjs";
import { BODIES, ROUTES } from "./route-matrix.mjs";

const app = await useApp();
const document = await app.succeeds("GET", "/api/openapi.json");
const UNKNOWN_ID = "6f9619ff-8b86-4011-b42d-00c04fc964ff";
let owner = "";

before(async () => {
  owner = await app.newMember("super_admin");
});

/** @type {{ route: string, method: string, path: string, operation: any }[]} */
const operations = Object.entries(document.paths).flatMap(([path, methods]) =>
  Object.entries(/** @type {Record<string, any>} */ (methods)).map(([method, operation]) => ({
    route: `${method.toUpperCase()} ${path}`,
    method: method.toUpperCase(),
    path: path.replace("{id}", UNKNOWN_ID),
    operation,
  })),
);

/** @param {string} route @param {string} method @param {string} path @param {object} [request] */
function ask(route, method, path, request) {
  const who = ROUTES[route];
  const as = who.open || who.secret || who.signed ? {} : { as: owner };
  const headers = who.secret ? { headers: { authorization: `Bearer ${app.stack.cron_secret}` } } : {};
  return app.call(method, path, { ...as, ...headers, ...request });
}

/** @param {any} answer @param {string} field */
function refusesField({ status, body }, field) {
  assert.deepEqual([status, body.error?.code], [422, "invalid_field"], JSON.stringify(body));
  assert.ok(field in (body.error.fields ?? {}), `${JSON.stringify(body)} does not name ${field}`);
}

/** Meta decides what its webhook contains. @param {string} route */
const isMetas = (route) => route === "POST /api/whatsapp/webhook";
/** Operations that Meta, monitors and browsers call: they may add parameters. */
const OPEN = ["GET /api/whatsapp/webhook", "GET /api/health", "GET /api/health/workers", "GET /api/openapi.json"];
/** @param {any} operation */
const jsonBody = (operation) => operation.requestBody?.content?.["application/json"];
/** @param {any} operation */
const queryNames = (operation) =>
  (operation.parameters ?? [])
    .filter((/** @type {any} */ parameter) => parameter.in === "query")
    .map((/** @type {any} */ parameter) => parameter.name);

describe("an unknown query parameter", () => {
  for (const { route, method, path } of operations.filter(({ route }) => OPEN.includes(route) || isMetas(route))) {
    test(`is accepted by ${route}`, async () => {
      const answer = await ask(route, method, `${path}?zzz=1`);
      assert.notEqual(answer.status, 422, JSON.stringify(answer.body));
    });
  }

  for (const { route, method, path } of operations.filter(({ route }) => !isMetas(route) && !OPEN.includes(route))) {
    test(`is refused by ${route}`, async () => {
      const body = ["POST", "PUT", "PATCH"].includes(method) ? (BODIES[route] ?? {}) : undefined;
      const answer = await ask(route, method, `${path}?zzz=1`, { body });
      // An operation whose body is wrong as well may name that first.
      if (answer.body.error?.fields && !("zzz" in answer.body.error.fields)) assert.equal(answer.status, 422);
      else refusesField(answer, "zzz");
    });
  }
});

describe("a repeated query parameter", () => {
  for (const { route, method, path, operation } of operations) {
    for (const name of queryNames(operation)) {
      test(`${name} is refused by ${route}`, async () => {
        refusesField(await ask(route, method, `${path}?${name}=1&${name}=2`), name);
      });
    }
  }
});

describe("an unknown field of the body", () => {
  for (const { route, method, path, operation } of operations.filter(({ route }) => !isMetas(route))) {
    test(`is refused by ${route}`, async () => {
      if (method === "GET") return;
      const described = jsonBody(operation);
      const example = described?.example ?? Object.values(described?.examples ?? {})[0]?.value ?? {};
      refusesField(await ask(route, method, path, { body: { ...example, zzz: 1 } }), "zzz");
    });
  }
});

describe("an array in the place of the body's object", () => {
  for (const { route, method, path, operation } of operations) {
    if (!jsonBody(operation) || isMetas(route)) continue;
    test(`is refused by ${route}`, async () => {
      const answer = await ask(route, method, path, { body: ["New name", null, null, null, null, null] });
      assert.deepEqual([answer.status, answer.body.error?.code], [422, "invalid_field"], JSON.stringify(answer.body));
    });
  }
});

describe("a request that was meant differently", () => {
  test("names the field that was meant", async () => {
    const template_id = (await app.template()).id;
    const given = { name: "Salah", template_id, recipients: [app.newCustomer()] };
    for (const [wrong, meant] of [
      ["scheduledAt", "scheduled_at"],
      ["schedule_at", "scheduled_at"],
      ["Draft", "draft"],
      ["recipients_list_id", "recipient_list_id"],
    ]) {
      const body = { ...given, [wrong]: "2099-01-01T00:00:00Z" };
      const { body: answer } = await app.refuses(422, "invalid_field", "POST", "/api/broadcast/campaigns", {
        as: "admin",
        body,
      });
      assert.match(answer.error.fields[wrong], new RegExp(`\`${meant}\``));
    }
  });

  test("downloads no address book that was not asked for", async () => {
    const answer = await app.call("GET", "/api/crm/contacts/export?tags=zzz", { as: "admin" });
    refusesField(answer, "tags");
    assert.match(answer.body.error.fields.tags, /`tag`/);
  });

  test("renames no organisation", async () => {
    const before = await app.succeeds("GET", "/api/tenant", { as: "admin" });
    const answer = await app.call("PATCH", "/api/tenant", { as: "admin", body: ["New name", null, null, null] });
    refusesField(answer, "body");
    assert.equal((await app.succeeds("GET", "/api/tenant", { as: "admin" })).name, before.name);
  });

  test("sends nothing: nested fields are refused as well", async () => {
    const template_id = (await app.template()).id;
    for (const recipient of [{ phone_number: app.newCustomer(), variable: ["x"] }, [app.newCustomer(), "Ani"]]) {
      const answer = await app.call("POST", "/api/broadcast/campaigns", {
        as: "admin",
        body: { name: "Salah", template_id, recipients: [recipient] },
      });
      assert.equal(answer.status, 422, JSON.stringify(answer.body));
    }
    const both = { text: "x", send_at: "2099-01-01T00:00:00Z", scheduled_at: "2099-01-01T00:00:00Z" };
    const answer = await app.call("POST", `/api/conversations/${UNKNOWN_ID}/messages`, { as: "admin", body: both });
    refusesField(answer, "send_at");
  });
});
