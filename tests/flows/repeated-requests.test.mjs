// A POST that is repeated with its Idempotency-Key has the effect and the answer of the first.
import assert from "node:assert/strict";
import { randomUUID } from "node:crypto";
import { before, describe, test } from "node:test";
import { useApp } from "./app.mjs";

const app = await useApp();
const document = await app.succeeds("GET", "/api/openapi.json");
let admin = "";
let template_id = "";

before(async () => {
  admin = await app.newMember("super_admin");
  template_id = (await app.template()).id;
});

const person = (customer = app.newCustomer()) => ({ phone_number: customer, variables: ["Ani"] });
/** @param {string} path @param {unknown} body @param {string} key @param {string} [as] */
const posts = (path, body, key, as = admin) =>
  app.call("POST", path, { as, body, headers: { "idempotency-key": key } });

test("every POST by a member takes a key, and says so", () => {
  const without = Object.entries(document.paths)
    .filter(([, operations]) => {
      const { post } = /** @type {any} */ (operations);
      const members = post && !post["x-public"] && !["cron", "signature", "account"].includes(post["x-permission"]);
      return members && !(post.parameters ?? []).some((/** @type {any} */ { name }) => name === "Idempotency-Key");
    })
    .map(([path]) => path);
  assert.deepEqual(without, []);
});

describe("a request that creates something", () => {
  for (const [name, path, body, count] of /** @type {[string, string, () => any, string][]} */ ([
    [
      "a campaign",
      "/api/broadcast/campaigns",
      () => ({ name: `Promo ${randomUUID()}`, template_id, recipients: [person()], draft: true }),
      "broadcast_campaigns",
    ],
    [
      "a recipient list",
      "/api/broadcast/recipient-lists",
      () => ({ name: `Daftar ${randomUUID()}`, recipients: [app.newCustomer()] }),
      "recipient_lists",
    ],
    [
      "a template",
      "/api/broadcast/templates",
      () => ({
        name: `t_${randomUUID().replaceAll("-", "_")}`,
        language: "id",
        category: "UTILITY",
        content: "Pesanan Anda siap diambil.",
      }),
      "broadcast_templates",
    ],
    [
      "an import",
      "/api/crm/contacts/import",
      () => ({ file: `Nomor,Nama\n+${app.newCustomer()},Ani` }),
      "contact_imports",
    ],
    ["an API key", "/api/api-keys", () => ({ name: `kasir ${randomUUID()}`, role_id: apiRole }), "api_keys"],
    [
      "an invitation",
      "/api/agents",
      () => ({ email: `${randomUUID()}@example.test`, role_ids: [apiRole] }),
      "invitations",
    ],
    [
      "a segment",
      "/api/crm/segments",
      () => ({ name: `S ${randomUUID()}`, filter: { field: "name", op: "is_set" } }),
      "segments",
    ],
  ])) {
    test(`makes ${name} once`, async () => {
      const [request, key] = [body(), randomUUID()];
      const first = await posts(path, request, key);
      assert.ok(first.status < 300, JSON.stringify(first.body));
      const again = await posts(path, request, key);
      assert.deepEqual([again.status, again.body], [first.status, first.body]);
      assert.equal(again.headers.get("idempotency-replayed"), "true");
      assert.equal(first.headers.get("idempotency-replayed"), null);

      const other = await posts(path, { ...request, [Object.keys(request)[0]]: "lain" }, key);
      assert.deepEqual([other.status, other.body.error?.code], [422, "invalid_field"], JSON.stringify(other.body));
      assert.ok("Idempotency-Key" in other.body.error.fields);
      if (first.body.id) {
        const rows = await app.rows(count, `id=eq.${first.body.id}&select=id`);
        assert.equal(rows.length, 1);
      }
    });
  }
  let apiRole = "";
  before(async () => {
    apiRole = await app.roleId("agent");
  });
});

describe("a key", () => {
  const contact = () => ({ phone_number: `+${app.newCustomer()}`, name: "Ani" });

  test("belongs to its caller", async () => {
    const [request, key] = [{ name: `Promo ${randomUUID()}`, template_id, draft: true }, randomUUID()];
    const mine = await posts("/api/broadcast/campaigns", request, key);
    const colleague = await app.newMember("super_admin");
    const theirs = await posts("/api/broadcast/campaigns", request, key, colleague);
    assert.equal(theirs.status, 201);
    assert.notEqual(theirs.body.id, mine.body.id);
    const low = await posts("/api/broadcast/campaigns", request, key, await app.newMember("guest"));
    assert.equal(low.status, 403, "a person who may not do this gets no answer of others");
  });

  test("runs one of many requests at the same time", async () => {
    const [request, key] = [contact(), randomUUID()];
    const answers = await Promise.all(Array.from({ length: 8 }, () => posts("/api/crm/contacts", request, key)));
    const made = answers.filter(({ status }) => status === 201);
    assert.ok(made.length >= 1);
    assert.equal(new Set(made.map(({ body }) => body.id)).size, 1);
    for (const { status, body } of answers)
      assert.ok(status === 201 || (status === 409 && body.error.code === "request_running"), JSON.stringify(body));
    const rows = await app.rows("contacts", `wa_id=eq.${request.phone_number.slice(1)}&select=id`);
    assert.equal(rows.length, 1);
  });

  test("is free after a refusal", async () => {
    const key = randomUUID();
    const wrong = await posts("/api/crm/contacts", { phone_number: "x" }, key);
    assert.equal(wrong.status, 422);
    assert.equal((await posts("/api/crm/contacts", contact(), key)).status, 201);
  });

  test("must be a plain text", async () => {
    const answer = await posts("/api/crm/contacts", contact(), "x".repeat(201));
    assert.deepEqual([answer.status, Object.keys(answer.body.error.fields)], [422, ["Idempotency-Key"]]);
  });

  test("reaches each recipient of a campaign once", async () => {
    const customer = app.newCustomer();
    const [request, key] = [
      { name: `Promo ${randomUUID()}`, template_id, recipients: [person(customer)] },
      randomUUID(),
    ];
    const first = await posts("/api/broadcast/campaigns", request, key);
    const again = await posts("/api/broadcast/campaigns", request, key);
    assert.equal(again.body.id, first.body.id);
    const rows = await app.rows("broadcast_recipients", `wa_id=eq.${customer}&select=id`);
    assert.equal(rows.length, 1);
  });
});
