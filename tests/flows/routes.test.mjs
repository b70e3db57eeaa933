// Every route, tried by every kind of caller.
import assert from "node:assert/strict";
import { randomUUID } from "node:crypto";
import { before, describe, test } from "node:test";
import { useApp } from "./app.mjs";
import { BODIES, ROLES, ROUTES } from "./route-matrix.mjs";

const app = await useApp();
const document = await app.succeeds("GET", "/api/openapi.json");
const documented = Object.entries(document.paths).flatMap(([path, operations]) =>
  Object.keys(/** @type {object} */ (operations)).map((method) => `${method.toUpperCase()} ${path}`),
);
const UNKNOWN_ID = "6f9619ff-8b86-4011-b42d-00c04fc964ff";
/** @type {Record<string, string>} */
const people = {};
/** @type {Record<string, string>} */
const things = {};
let deactivated = "";
let key = "";

before(async () => {
  for (const role of ROLES) people[role] = await app.newMember(role);
  deactivated = await app.newMember("admin");
  await app.token(deactivated);
  await app.succeeds("DELETE", `/api/agents/${app.idOf(deactivated)}`, { as: people.super_admin });
  const [conversation] = await app.rows(
    "conversations",
    `tenant_id=eq.${app.user("admin").tenant_id}&select=id&limit=1`,
  );
  const role = await app.succeeds("POST", "/api/rbac/roles", {
    as: people.admin,
    body: { name: `Kasir ${randomUUID()}`, level: 2 },
  });
  const made = await app.succeeds("POST", "/api/api-keys", {
    as: people.admin,
    body: { name: "kasir", role_id: await app.roleId("manager") },
  });
  const campaign = await app.createsCampaign([app.newCustomer()], { scheduled_at: "2099-01-01T00:00:00Z" });
  const list = await app.succeeds("POST", "/api/broadcast/recipient-lists", {
    as: people.admin,
    body: { name: "Kasir", recipients: ["6281234567890"] },
  });
  const segment = await app.succeeds("POST", "/api/crm/segments", {
    as: people.admin,
    body: { name: `Kasir ${randomUUID()}`, filter: { field: "name", op: "is_set" } },
  });
  things.segment = segment.id;
  const reply = await app.succeeds("POST", "/api/quick-replies", {
    as: people.admin,
    body: { shortcut: `k${randomUUID().slice(0, 8)}`, content: "Halo" },
  });
  things.quick_reply = reply.id;
  things.published_file = (await app.publishes(Buffer.from("%PDF-1.7 menu"), { as: "manager", name: "menu.pdf" })).id;
  key = made.key;
  const [number] = await app.rows("whatsapp_sessions", `tenant_id=eq.${app.user("admin").tenant_id}&select=id&limit=1`);
  const [message] = await app.rows("messages", `tenant_id=eq.${app.user("admin").tenant_id}&select=id&limit=1`);
  const label = await app.succeeds("POST", "/api/crm/labels", {
    as: people.admin,
    body: { name: `Kasir ${randomUUID()}` },
  });
  const note = await app.succeeds("POST", `/api/conversations/${conversation.id}/notes`, {
    as: people.admin,
    body: { content: "Kasir" },
  });
  Object.assign(things, { number: number.id, message: message.id, label: label.id, note: note.id });
  const contact = await app.succeeds("POST", "/api/crm/contacts", {
    as: people.admin,
    body: { phone_number: `+${app.newCustomer()}` },
  });
  const field = await app.succeeds("POST", "/api/crm/fields", {
    as: people.admin,
    body: { key: "route_matrix", name: "Kota", type: "text" },
  });
  const invitation = await app.succeeds("POST", "/api/agents", {
    as: people.admin,
    body: { email: `${randomUUID()}@example.test`, role_ids: [await app.roleId("agent")] },
  });
  Object.assign(things, { contact: contact.id, field: field.id, invitation: invitation.id });
  Object.assign(things, {
    conversation: conversation.id,
    role: role.id,
    person: app.idOf(people.agent),
    key: made.id,
    campaign: campaign.id,
    list: list.id,
    template: (await app.template()).id,
  });
});

test("the matrix names every route, and no other", () => {
  assert.deepEqual(Object.keys(ROUTES).sort(), documented.sort());
});

/** @param {string} route @param {string} id @param {object} request */
function ask(route, id, request) {
  const [method, path] = route.split(" ");
  const body = ["POST", "PUT", "PATCH"].includes(method) ? (BODIES[route] ?? {}) : undefined;
  return app.call(method, path.replace("{id}", id), { body, ...request });
}

describe("every route", () => {
  for (const [route, who] of Object.entries(ROUTES)) {
    test(`${route} admits its callers alone`, async () => {
      const anonymous = await ask(route, UNKNOWN_ID, {});
      if (who.open) {
        assert.deepEqual(
          { status: anonymous.status, code: anonymous.body.error?.code },
          { code: undefined, ...who.open },
        );
        return;
      }
      assert.equal(anonymous.status, 401, JSON.stringify(anonymous.body));
      assert.equal(anonymous.body.error.code, "unauthorized");

      for (const [name, headers] of Object.entries({
        cron: { authorization: `Bearer ${app.stack.cron_secret}` },
        nonsense: { authorization: "Bearer x" },
      })) {
        const { status } = await ask(route, UNKNOWN_ID, { headers });
        assert.equal(status === 401, !(who.secret && name === "cron"), `${name} got ${status}`);
      }
      if (who.secret || who.signed) {
        const { status } = await ask(route, UNKNOWN_ID, { as: people.super_admin });
        assert.equal(status, 401, "a Super Admin is not Meta, nor cron");
        return;
      }

      const lowest = who.from ? ROLES.indexOf(who.from) : 0;
      for (const [level, role] of ROLES.entries()) {
        const { status, body } = await ask(route, UNKNOWN_ID, { as: people[role] });
        if (level < lowest) {
          assert.deepEqual(
            [status, body.error?.code],
            [403, "forbidden"],
            `${role} got ${status} ${JSON.stringify(body)}`,
          );
        } else {
          assert.ok(
            ![401, 403].includes(status) || body.error?.code === "own_account" || forOthers(route, role),
            `${role} got ${status} ${JSON.stringify(body)}`,
          );
          assert.ok(status < 500, `${role} got ${status} ${JSON.stringify(body)}`);
        }
      }

      const gone = await ask(route, UNKNOWN_ID, { as: deactivated });
      if (!who.account) assert.deepEqual([gone.status, gone.body.error?.code], [403, "no_tenant"]);

      const byKey = await ask(route, UNKNOWN_ID, { headers: { authorization: `Bearer ${key}` } });
      const keyMay = lowest <= ROLES.indexOf("manager");
      if (who.account) assert.equal(byKey.status, 401, "an API key creates no organisation");
      else
        assert.equal(
          byKey.status === 403,
          !keyMay || forOthers(route, "manager"),
          `the key got ${byKey.status} ${JSON.stringify(byKey.body)}`,
        );

      if (who.foreign) {
        const before = await app.rows(
          "audit_logs",
          `select=id&order=id.desc&limit=1&tenant_id=eq.${app.user("admin").tenant_id}&action=not.like.*refused`,
        );
        const stranger = await ask(route, things[who.foreign], { as: "owner-of-another" });
        assert.deepEqual(
          [stranger.status, stranger.body.error?.code],
          [404, "not_found"],
          JSON.stringify(stranger.body),
        );
        const after = await app.rows(
          "audit_logs",
          `select=id&order=id.desc&limit=1&tenant_id=eq.${app.user("admin").tenant_id}&action=not.like.*refused`,
        );
        assert.deepEqual(after, before, "nothing was changed");
      }
    });
  }
});

/**
 * Asserts that a person who may change only themselves is refused others.
 * @param {string} route
 * @param {string} role
 */
function forOthers(route, role) {
  return route === "PATCH /api/agents/{id}" && ROLES.indexOf(role) < ROLES.indexOf("admin");
}

before(async () => {
  await app.newMember("super_admin", { tenant: app.user("stranger").tenant_id, name: "owner-of-another" });
});

test("every route belongs to one module of the registry", async () => {
  const { data } = await app.succeeds("GET", "/api/modules", { as: people.admin });
  for (const path of Object.keys(document.paths)) {
    const owners = data.filter((/** @type {any} */ module) =>
      module.routes.some((/** @type {string} */ route) => path === route || path.startsWith(`${route}/`)),
    );
    assert.deepEqual(owners.length, 1, `${path} belongs to ${owners.map((/** @type {any} */ module) => module.id)}`);
  }
});

test("the document names the permission of every route", async () => {
  const { data } = await app.succeeds("GET", "/api/rbac/roles", { as: people.admin });
  const held = new Map(data.map((/** @type {any} */ role) => [role.key, new Set(role.permissions)]));
  /** @param {any} needed @param {Set<string>} permissions @returns {boolean} */
  const meets = (needed, permissions) => {
    if (needed.any) return needed.any.some((/** @type {any} */ one) => meets(one, permissions));
    if (needed.all) return needed.all.every((/** @type {any} */ one) => meets(one, permissions));
    return needed === "member" || permissions.has(needed);
  };
  for (const [route, who] of Object.entries(ROUTES)) {
    const [method, path] = route.split(" ");
    const operation = document.paths[path][method.toLowerCase()];
    const needed = operation["x-permission"];
    const special = who.secret ? "cron" : who.signed ? "signature" : who.account ? "account" : undefined;
    assert.equal(operation["x-public"] === true, who.open !== undefined, route);
    if (special) assert.equal(needed, special, route);
    if (who.from) {
      const lowest = ROLES.find((role) => meets(needed, held.get(role) ?? new Set()));
      assert.equal(lowest, who.from, `${route} needs ${JSON.stringify(needed)}`);
    }
  }
});
