// The access version of a tenant: it changes whenever the rights of its people change, and a request that names an
// older version is refused.
import assert from "node:assert/strict";
import { describe, test } from "node:test";
import { rolledBack, useDatabase } from "./database.mjs";
import { isRefused } from "./refusals.mjs";

const {
  sql,
  as,
  requests,
  calls,
  newTenant,
  newStranger,
  newUser,
  newUserWith,
  newRole,
  newApiKey,
  newNumber,
  predefined,
  receivesMessage,
  deactivate,
} = await useDatabase();
const [AGENT] = await predefined("agent");

const newOffice = async () => {
  const tenant = await newTenant();
  const { own: role, ...person } = await newUserWith(tenant, { permissions: ["reports.view"] });
  return { tenant, owner: await newUser(tenant, "super_admin"), person, role };
};
const versionOf = async (/** @type {{ id: string }} */ user) =>
  (await as(user, (sql) => sql`select private.access_version()::text as version`))[0].version;
/** The user reads nothing but their own access, and already knows version `version`. */
const asks = (/** @type {any} */ user, /** @type {string} */ version) =>
  requests(
    user,
    { "x-access-version": version },
    async (sql) => (await sql`select public.current_access() as access`)[0].access,
  );
const CHANGED = { code: "PT409", detail: "access_changed" };

describe("the access version changes when", () => {
  for (const [
    what,
    change,
  ] of /** @type {[string, (office: Awaited<ReturnType<typeof newOffice>>) => Promise<any>][]} */ ([
    ["a role is created", ({ owner }) => calls(owner, "create_role", { name: "Kasir", level: 3 })],
    [
      "a role is given a permission",
      ({ owner, role }) =>
        calls(owner, "update_role", { role_id: role.id, changes: { permissions: ["reports.view", "agents.view"] } }),
    ],
    [
      "a permission is taken from a role",
      ({ owner, role }) => calls(owner, "update_role", { role_id: role.id, changes: { permissions: [] } }),
    ],
    [
      "a role changes its level",
      ({ owner, role }) => calls(owner, "update_role", { role_id: role.id, changes: { level: 4 } }),
    ],
    [
      "a role inherits",
      ({ owner, role }) => calls(owner, "update_role", { role_id: role.id, changes: { inherits: true } }),
    ],
    [
      "a person gets other roles",
      ({ owner, person }) => calls(owner, "set_user_roles", { user_id: person.id, role_ids: [AGENT] }),
    ],
    ["a role is deleted in the table", ({ role }) => sql`delete from public.roles where id = ${role.id}`],
    [
      "a person is deactivated",
      ({ owner, person }) => calls(owner, "update_agent", { user_id: person.id, changes: { active: false } }),
    ],
    [
      "a person is renamed",
      ({ owner, person }) => calls(owner, "update_agent", { user_id: person.id, changes: { display_name: "Rina" } }),
    ],
    ["a person is deleted", ({ person }) => sql`delete from auth.users where id = ${person.id}`],
    [
      "a person joins",
      async ({ tenant }) =>
        calls("service", "add_member", {
          tenant_id: tenant.id,
          user_id: (await newStranger()).id,
          display_name: "Rina",
          role_keys: ["agent"],
        }),
    ],
    ["a module is switched off", ({ owner }) => calls(owner, "set_module", { module_id: "billing", enabled: false })],
    ["a setting changes", ({ owner }) => calls(owner, "update_tenant", { changes: { agents_see_unassigned: false } })],
  ])) {
    test(what, async () => {
      const office = await newOffice();
      const before = await versionOf(office.owner);
      await change(office);
      assert.notEqual(await versionOf(office.owner), before);
    });
  }

  test("a predefined role changes, for every tenant", async () => {
    const { owner } = await newOffice();
    // This runs in its own transaction, because all tenants share the predefined roles.
    await rolledBack(sql, async ({ sql, as }) => {
      const version = async () =>
        (await as(owner, (sql) => sql`select private.access_version()::text as version`))[0].version;
      const before = await version();
      await sql`insert into public.role_permissions values (${AGENT}, 'reports.view')`;
      assert.notEqual(await version(), before);
    });
  });
});

describe("the access version stays the same when", () => {
  for (const [
    what,
    change,
  ] of /** @type {[string, (office: Awaited<ReturnType<typeof newOffice>>) => Promise<any>][]} */ ([
    ["messages arrive", async ({ tenant }) => receivesMessage(await newNumber(tenant))],
    ["a conversation is read", ({ owner }) => calls(owner, "list_roles")],
    [
      "a role is updated without a change",
      ({ owner, role }) =>
        calls(owner, "update_role", { role_id: role.id, changes: { permissions: ["reports.view"] } }),
    ],
    [
      "an API key is used",
      async ({ tenant }) =>
        calls("service", "record_api_key_use", { key_id: (await newApiKey(tenant, "agent")).id, ip: "192.0.2.1" }),
    ],
    [
      "another tenant changes",
      async () => {
        const { owner } = await newOffice();
        return calls(owner, "create_role", { name: "Kasir", level: 3 });
      },
    ],
  ])) {
    test(what, async () => {
      const office = await newOffice();
      const before = await versionOf(office.owner);
      await change(office);
      assert.equal(await versionOf(office.owner), before);
    });
  }
});

describe("a request that names an access version", () => {
  test("passes if the version is current", async () => {
    const { owner } = await newOffice();
    const { version } = await calls(owner, "current_access");
    assert.equal(String(version), await versionOf(owner));
    assert.equal((await asks(owner, String(version))).user_id, owner.id);
  });

  test("is refused if the version is outdated, until the access is read again", async () => {
    const { owner, person } = await newOffice();
    const version = await versionOf(person);
    await asks(person, version);
    await calls(owner, "set_user_roles", { user_id: person.id, role_ids: [AGENT] });
    await isRefused(asks(person, version), CHANGED);
    const { version: now, roles } = await calls(person, "current_access");
    assert.deepEqual(
      roles.map((/** @type {any} */ role) => role.key),
      ["agent"],
    );
    assert.equal((await asks(person, String(now))).user_id, person.id);
  });

  test("is refused if the caller is deactivated, banned or unknown", async () => {
    const { person, tenant } = await newOffice();
    const version = await versionOf(person);
    const banned = await newUser(tenant, "agent");
    await sql`update auth.users set banned_until = now() + interval '1 hour' where id = ${banned.id}`;
    await isRefused(asks(banned, await versionOf(await newUser(tenant, "agent"))), CHANGED);
    await deactivate(person);
    await isRefused(asks(person, version), CHANGED);
    await isRefused(asks(await newStranger(), "1"), CHANGED);
  });

  test("is refused if the version is malformed", async () => {
    const { owner } = await newOffice();
    for (const version of ["", "0", "x", "1.0", "99999999999999999999"]) await isRefused(asks(owner, version), CHANGED);
  });

  test("is checked for an API key as for a person", async () => {
    const { tenant, owner } = await newOffice();
    const key = await newApiKey(tenant, await newRole(tenant, { permissions: ["reports.view"] }));
    const version = await versionOf(owner);
    const asksWithKey = () =>
      requests(
        null,
        { "x-api-key": key.secret, "x-access-version": version },
        async (sql) => (await sql`select public.current_access() as access`)[0].access,
      );
    assert.equal((await asksWithKey()).user_id, key.id);
    await calls(owner, "set_module", { module_id: "analytics", enabled: false });
    await isRefused(asksWithKey(), CHANGED);
  });
});
