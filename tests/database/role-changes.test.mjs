// Creating and changing a tenant's own roles, and giving them to people.
import assert from "node:assert/strict";
import { randomUUID } from "node:crypto";
import { describe, test } from "node:test";
import { useDatabase } from "./database.mjs";
import { isRefused } from "./refusals.mjs";

const { sql, calls, newTenant, newUser, newUserWith, newRole, newApiKey, giveRole, predefined } = await useDatabase();

const newOffice = async () => {
  const tenant = await newTenant();
  return { tenant, owner: await newUser(tenant, "super_admin"), admin: await newUser(tenant, "admin") };
};
const keysOf = (/** @type {any[]} */ roles) => roles.map(({ key }) => key).sort();

describe("a new role", () => {
  test("holds its given permissions and those of lower roles", async () => {
    const { admin } = await newOffice();
    const role = await calls(admin, "create_role", {
      name: "Kasir Toko",
      level: 3,
      description: "Di toko",
      permissions: ["reports.view"],
      taken_away: ["profile.update"],
    });
    const { id, created_at, ...rest } = role;
    assert.deepEqual(rest, {
      key: "kasir_toko",
      name: "Kasir Toko",
      name_id: "Kasir Toko",
      description: "Di toko",
      description_id: "Di toko",
      level: 3,
      inherits: true,
      predefined: false,
      granted: ["reports.view"],
      taken_away: ["profile.update"],
      permissions: ["conversations.view", "reports.view"],
      users_count: 0,
    });
    assert.deepEqual(await calls(admin, "get_role", { role_id: id }), role);
    assert.ok(created_at);
  });

  test("takes the permissions of a template", async () => {
    const { admin } = await newOffice();
    const role = await calls(admin, "create_role", {
      name: "Laporan",
      level: 4,
      inherits: false,
      template: "reporting",
    });
    assert.deepEqual(role.permissions, ["profile.update", "reports.export", "reports.view"]);
  });

  test("has a unique key, whatever its name is", async () => {
    const { admin } = await newOffice();
    const made = [];
    for (const name of ["Tim (A)", "Tim A!", "店員", "9 ke 5", "x".repeat(100)])
      made.push(await calls(admin, "create_role", { name, level: 2 }));
    assert.deepEqual(
      made.map(({ name }) => name),
      ["Tim (A)", "Tim A!", "店員", "9 ke 5", "x".repeat(100)],
    );
    assert.equal(made[0].key, "tim_a");
    assert.match(made[1].key, /^tim_a_[0-9a-f]{8}$/);
    assert.equal(new Set(made.map(({ key }) => key)).size, made.length);
  });

  test("is refused a name that is taken, also by a predefined role", async () => {
    const { admin } = await newOffice();
    await calls(admin, "create_role", { name: "Kasir", level: 3 });
    for (const name of ["KASIR", "manager"]) {
      await isRefused(calls(admin, "create_role", { name, level: 3 }), {
        code: "PT409",
        detail: "name_taken",
        hint: "name",
      });
    }
    const { admin: elsewhere } = await newOffice();
    assert.equal((await calls(elsewhere, "create_role", { name: "Kasir", level: 3 })).key, "kasir");
  });

  for (const [what, parameters, expected] of /** @type {[string, any, any][]} */ ([
    [
      "a permission that does not exist",
      { permissions: ["no.such"] },
      { code: "PT422", detail: "invalid_field", hint: "permissions" },
    ],
    [
      "an unknown permission that is taken away",
      { taken_away: ["no.such"] },
      { code: "PT422", detail: "invalid_field", hint: "taken_away" },
    ],
    [
      "one permission both given and taken away",
      { permissions: ["reports.view"], taken_away: ["reports.view"] },
      { code: "PT422", detail: "invalid_field", hint: "taken_away" },
    ],
    [
      "a template that does not exist",
      { template: "no_such" },
      { code: "PT422", detail: "invalid_field", hint: "template" },
    ],
    ["level 0", { level: 0 }, { code: "PT422", detail: "invalid_field", hint: "level" }],
    ["level 11", { level: 11 }, { code: "PT422", detail: "invalid_field", hint: "level" }],
    ["level 10", { level: 10 }, { code: "PT403", detail: "role_too_high", hint: "level" }],
  ])) {
    test(`is refused with ${what}, and leaves nothing`, async () => {
      const { tenant, owner } = await newOffice();
      await isRefused(calls(owner, "create_role", { name: "Kasir", level: 3, ...parameters }), expected);
      assert.equal((await sql`select from public.roles where tenant_id = ${tenant.id}`).count, 0);
    });
  }
});

describe("changing a role", () => {
  test("sets the named properties, and keeps the rest", async () => {
    const { tenant, admin } = await newOffice();
    const role = await newRole(tenant, { level: 3, permissions: ["reports.view"], takenAway: ["messages.send"] });
    const changed = await calls(admin, "update_role", {
      role_id: role.id,
      changes: { name: "Lain", description: "Baru" },
    });
    assert.deepEqual([changed.name, changed.description, changed.key, changed.level], ["Lain", "Baru", role.key, 3]);
    assert.deepEqual([changed.granted, changed.taken_away], [["reports.view"], ["messages.send"]]);
    const given = await calls(admin, "update_role", {
      role_id: role.id,
      changes: { permissions: ["agents.view", "messages.send"], taken_away: [] },
    });
    assert.deepEqual([given.granted, given.taken_away, given.name], [["agents.view", "messages.send"], [], "Lain"]);
    const applied = await calls(admin, "update_role", { role_id: role.id, changes: { template: "reporting" } });
    assert.deepEqual(applied.granted, ["profile.update", "reports.export", "reports.view"]);
    const raised = await calls(admin, "update_role", { role_id: role.id, changes: { level: 5, inherits: true } });
    assert.deepEqual(
      [raised.level, raised.inherits, raised.permissions.includes("messages.send_media")],
      [5, true, true],
    );
  });

  test("may remove all permissions, and clear those that are taken away", async () => {
    const { tenant, admin } = await newOffice();
    const role = await newRole(tenant, { permissions: ["reports.view"] });
    const changed = await calls(admin, "update_role", {
      role_id: role.id,
      changes: { permissions: [], taken_away: [] },
    });
    assert.deepEqual([changed.granted, changed.taken_away, changed.permissions], [[], [], []]);
  });

  test("to a name that is taken is refused", async () => {
    const { tenant, admin } = await newOffice();
    const role = await newRole(tenant);
    await isRefused(calls(admin, "update_role", { role_id: role.id, changes: { name: "Admin" } }), {
      code: "PT409",
      detail: "name_taken",
      hint: "name",
    });
    assert.equal(
      (await calls(admin, "update_role", { role_id: role.id, changes: { name: role.name.toUpperCase() } })).name,
      role.name.toUpperCase(),
    );
  });

  test("is refused for a predefined role", async () => {
    const { owner } = await newOffice();
    const [agent, superAdmin] = await predefined("agent", "super_admin");
    for (const attempt of [
      calls(owner, "update_role", { role_id: agent, changes: { name: "X" } }),
      calls(owner, "delete_role", { role_id: agent }),
    ]) {
      await isRefused(attempt, { code: "PT409", detail: "predefined_role" });
    }
    await isRefused(calls(owner, "update_role", { role_id: superAdmin, changes: { name: "X" } }), {
      code: "PT403",
      detail: "role_too_high",
    });
  });

  test("includes its deletion, which is refused while a person holds it", async () => {
    const { tenant, admin } = await newOffice();
    const { own: role, ...person } = await newUserWith(tenant);
    const inUse = { code: "PT409", detail: "role_in_use" };
    await isRefused(calls(admin, "delete_role", { role_id: role.id }), inUse);
    await calls(admin, "set_user_roles", { user_id: person.id, role_ids: await predefined("agent") });
    const key = await newApiKey(tenant, role);
    await isRefused(calls(admin, "delete_role", { role_id: role.id }), inUse);
    await calls(admin, "revoke_api_key", { key_id: key.id });
    await calls(admin, "delete_role", { role_id: role.id });
    assert.equal(await calls(admin, "get_role", { role_id: role.id }), null);
    assert.equal((await sql`select from public.api_keys where id = ${key.id}`).count, 1, "the key still names it");
    await isRefused(calls(admin, "delete_role", { role_id: role.id }), { code: "PT404", detail: "not_found" });
  });
});

describe("the list of roles", () => {
  test("has the predefined roles and the tenant's own, highest first", async () => {
    const { tenant, admin } = await newOffice();
    const [role] = [await newRole(tenant, { level: 5 }), await newRole(await newTenant())];
    const list = await calls(admin, "list_roles");
    assert.equal(list.length, 11);
    assert.deepEqual(
      list.map((/** @type {any} */ one) => one.level),
      [10, 9, 8, 7, 6, 5, 5, 4, 3, 2, 1],
    );
    assert.equal(list[6].id, role.id);
    assert.deepEqual(
      list
        .filter((/** @type {any} */ one) => one.key === "admin")
        .map((/** @type {any} */ one) => [one.predefined, one.users_count]),
      [[true, 1]],
    );
  });
});

describe("permission templates", () => {
  test("are predefined, in both languages, and name permissions that exist", async () => {
    const { admin } = await newOffice();
    const list = await calls(admin, "list_permission_templates");
    assert.ok(list.length >= 5);
    const known = new Set((await sql`select permission_key as key from public.permissions`).map(({ key }) => key));
    for (const template of list) {
      assert.deepEqual(
        [template.predefined, template.name !== "" && template.description !== template.description_id],
        [true, true],
        template.key,
      );
      assert.ok(
        template.permissions.length > 0 && template.permissions.every((/** @type {string} */ key) => known.has(key)),
        template.key,
      );
    }
  });

  test("of the tenant are saved by key, replaced and deleted", async () => {
    const { admin } = await newOffice();
    const save = (/** @type {any} */ more) =>
      calls(admin, "save_permission_template", { key: "toko", name: "Toko", permissions: ["reports.view"], ...more });
    const saved = await save({});
    assert.deepEqual([saved.key, saved.permissions, saved.predefined], ["toko", ["reports.view"], false]);
    const replaced = await save({ name: "Toko 2", permissions: ["messages.send", "agents.view", "agents.view"] });
    assert.deepEqual(
      [replaced.id, replaced.name, replaced.permissions],
      [saved.id, "Toko 2", ["agents.view", "messages.send"]],
    );
    const role = await calls(admin, "create_role", { name: "Kasir", level: 3, inherits: false, template: "toko" });
    assert.deepEqual(role.permissions, ["agents.view", "messages.send"]);
    await isRefused(save({ permissions: ["no.such"] }), {
      code: "PT422",
      detail: "invalid_field",
      hint: "permissions",
    });
    await isRefused(save({ key: "marketing" }), { code: "PT409", detail: "name_taken", hint: "key" });
    await calls(admin, "delete_permission_template", { key: "toko" });
    for (const key of ["toko", "marketing"]) {
      await isRefused(calls(admin, "delete_permission_template", { key }), { code: "PT404", detail: "not_found" });
    }
  });

  test("of another tenant are not found", async () => {
    const [{ admin }, { admin: stranger }] = [await newOffice(), await newOffice()];
    await calls(admin, "save_permission_template", { key: "toko", name: "Toko", permissions: ["reports.view"] });
    assert.ok(!keysOf(await calls(stranger, "list_permission_templates")).includes("toko"));
    await isRefused(calls(stranger, "create_role", { name: "Kasir", level: 3, template: "toko" }), {
      code: "PT422",
      detail: "invalid_field",
      hint: "template",
    });
    await isRefused(calls(stranger, "delete_permission_template", { key: "toko" }), {
      code: "PT404",
      detail: "not_found",
    });
  });
});

describe("the roles of a person", () => {
  test("are replaced as a whole", async () => {
    const { tenant, admin } = await newOffice();
    const person = await newUser(tenant, "agent");
    const role = await newRole(tenant, { permissions: ["reports.view"] });
    const access = await calls(admin, "set_user_roles", {
      user_id: person.id,
      role_ids: [role.id, role.id, ...(await predefined("viewer"))],
    });
    assert.deepEqual(keysOf(access.roles), [role.key, "viewer"].sort());
    assert.ok(access.permissions.includes("reports.view") && !access.permissions.includes("messages.send"));
    assert.deepEqual(await calls(admin, "get_user_access", { user_id: person.id }), access);
  });

  test("must include at least one that exists", async () => {
    const { tenant, admin } = await newOffice();
    const person = await newUser(tenant, "agent");
    const foreign = await newRole(await newTenant());
    for (const roleIds of [[], [randomUUID()], [foreign.id], [...(await predefined("agent")), randomUUID()]]) {
      await isRefused(calls(admin, "set_user_roles", { user_id: person.id, role_ids: roleIds }), {
        code: "PT422",
        detail: "invalid_field",
        hint: "role_ids",
      });
    }
    assert.deepEqual(keysOf((await calls(admin, "get_user_access", { user_id: person.id })).roles), ["agent"]);
  });

  test("can be set for people of the tenant alone", async () => {
    const { admin } = await newOffice();
    const stranger = await newUser(await newTenant(), "agent");
    assert.equal(await calls(admin, "get_user_access", { user_id: stranger.id }), null);
    await isRefused(calls(admin, "set_user_roles", { user_id: stranger.id, role_ids: await predefined("agent") }), {
      code: "PT404",
      detail: "not_found",
    });
  });

  test("belong to the tenant, even in direct writes", async () => {
    const { tenant, admin } = await newOffice();
    const foreign = await newRole(await newTenant());
    await isRefused(giveRole(admin, foreign), { code: "23503" });
    await isRefused(newApiKey(tenant, foreign), { code: "23503" });
  });
});

describe("in concurrent requests", () => {
  test("two roles of one name are created once", async () => {
    const { owner, admin } = await newOffice();
    const made = await Promise.allSettled(
      [owner, admin, owner].map((user) => calls(user, "create_role", { name: "Kasir", level: 3 })),
    );
    assert.deepEqual(made.map(({ status }) => status).sort(), ["fulfilled", "rejected", "rejected"]);
    for (const result of made) if (result.status === "rejected") assert.equal(result.reason.detail, "name_taken");
  });

  test("all changes of roles count", async () => {
    const { tenant, owner } = await newOffice();
    const roles = await Promise.all([1, 2, 3].map(() => newRole(tenant, { level: 4, inherits: true })));
    const keys = ["reports.view", "reports.export", "agents.view", "audit.view"];
    await Promise.all(
      roles.flatMap((role) => [
        ...keys.map((key) => sql`insert into public.role_permissions values (${role.id}, ${key}, true)`),
        calls(owner, "update_role", { role_id: role.id, changes: { level: 6 } }),
      ]),
    );
    const ids = roles.map(({ id }) => id);
    const holdings = () => sql`select * from private.role_holdings where role_id = any (${ids}::uuid[]) order by 1, 2`;
    const held = [...(await holdings())];
    await sql`select private.renew_holdings(${ids}::uuid[])`;
    assert.deepEqual(held, [...(await holdings())], "the stored rows match the counted ones");
    for (const id of ids) {
      const own = held.filter((row) => row.role_id === id).map((row) => row.permission_key);
      assert.ok([...keys, "messages.send_template"].every((key) => own.includes(key)));
    }
  });
});
