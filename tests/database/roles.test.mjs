// The permissions of the predefined roles and of the roles that inherit from them. The file has a database of its own,
// because all tenants share the predefined roles and the list of permissions.
import assert from "node:assert/strict";
import { describe, test } from "node:test";
import { chance } from "./chance.mjs";
import { rolledBack, useDatabase } from "./database.mjs";
import { ROLES } from "./matrix.mjs";
import { ADDED } from "./role-table.mjs";

const { sql, as, newTenant, newUser, newUserWith, newRole } = await useDatabase({ own: true });

/** The specification's permissions, and one for each further feature. */
const CATEGORIES = {
  conversations: ["view", "create", "update", "delete", "assign"],
  messages: ["send", "view", "delete"],
  contacts: ["view", "create", "update", "delete", "import", "export"],
  broadcasts: ["view", "create", "send", "delete"],
  agents: ["view", "create", "update", "delete", "assign"],
  reports: ["view", "export"],
  settings: ["view", "update"],
  rbac: ["manage_roles", "manage_permissions", "manage_users"],
  admin: ["full_access"],
};

/** @param {{ id: string }} role @param {import("postgres").Sql} [on] */
const holdingsOf = async (role, on = sql) =>
  (await on`select permission_key from private.role_holdings where role_id = ${role.id} order by 1`).map(
    (row) => row.permission_key,
  );
/** @param {string} key */
const predefinedRole = async (key, on = sql) =>
  (await on`select * from public.roles where tenant_id is null and key = ${key}`)[0];
const added = (/** @type {string} */ role) =>
  Object.entries(ADDED[role]).flatMap(([category, actions]) => actions.map((action) => `${category}.${action}`));

describe("the predefined roles", () => {
  test("are ten, from level 10 to level 1", async () => {
    const roles = await sql`select key, level from public.roles where tenant_id is null order by level desc`;
    assert.deepEqual(
      roles.map(({ key, level }) => [key, level]),
      ROLES.map((key, i) => [key, 10 - i]),
    );
  });

  test("are described in both languages", async () => {
    const roles = await sql`select * from public.roles where tenant_id is null`;
    for (const { key, ...texts } of roles) {
      for (const text of ["name", "name_id", "description", "description_id"])
        assert.ok(texts[text], `${text} of ${key}`);
      assert.notEqual(texts.description, texts.description_id, key);
    }
  });

  for (const [level, role] of ROLES.toReversed().entries()) {
    test(`${role} holds the permissions of lower roles, and its own`, async () => {
      const expected = ROLES.toReversed()
        .slice(0, level + 1)
        .flatMap(added)
        .sort();
      const user = await newUser(await newTenant(), role);
      const [{ access }] = await as(user, (sql) => sql`select public.current_access() as access`);
      assert.deepEqual(access.permissions, expected);
      const all = await sql`select permission_key as key from public.permissions order by 1`;
      const answers = await as(
        user,
        (sql) => sql`
        select k as key from unnest(${all.map(({ key }) => key)}::text[]) k where private.has_permission(k) order by 1`,
      );
      assert.deepEqual(
        answers.map(({ key }) => key),
        expected,
        "as policies ask",
      );
    });
  }
});

describe("permissions", () => {
  test("are at least 80, and each is added by a role", async () => {
    const all = (await sql`select permission_key as key from public.permissions order by 1`).map(({ key }) => key);
    assert.ok(all.length >= 80, `${all.length}`);
    assert.deepEqual(all, ROLES.flatMap(added).sort());
  });

  test("are named and described in both languages, by category and module", async () => {
    const rows = await sql`select * from public.permissions`;
    for (const row of rows) {
      for (const text of ["permission_name", "permission_name_id", "description", "description_id", "module_id"]) {
        assert.ok(row[text], `${text} of ${row.permission_key}`);
      }
      assert.notEqual(row.permission_name, row.permission_name_id, row.permission_key);
      assert.equal(row.category, row.permission_key.split(".")[0]);
    }
  });

  test("have every category of the specification, and those of later features", async () => {
    const keys = new Set((await sql`select permission_key as key from public.permissions`).map(({ key }) => key));
    for (const [category, actions] of Object.entries(CATEGORIES)) {
      for (const action of actions) assert.ok(keys.has(`${category}.${action}`), `${category}.${action}`);
    }
    const later = [
      "media",
      "numbers",
      "notes",
      "labels",
      "segments",
      "quick_replies",
      "templates",
      "recipient_lists",
      "queue",
      "chatbots",
      "modules",
      "api_keys",
      "audit",
      "webhooks",
      "billing",
    ];
    const categories = new Set([...keys].map((key) => key.split(".")[0]));
    for (const category of later) assert.ok(categories.has(category), category);
  });

  test("need only a key, a name and a category", async () => {
    await rolledBack(sql, async ({ sql, as, newTenant, newUser }) => {
      await sql`insert into public.permissions (permission_key, permission_name, category) values ('myfeature.view', 'View My Feature', 'myfeature')`;
      const [{ list }] = await as(
        await newUser(await newTenant(), "admin"),
        (sql) => sql`select public.list_permissions() as list`,
      );
      assert.deepEqual(
        list.find((/** @type {any} */ row) => row.permission_key === "myfeature.view"),
        {
          permission_key: "myfeature.view",
          permission_name: "View My Feature",
          permission_name_id: "View My Feature",
          description: "",
          description_id: "",
          category: "myfeature",
          module_id: "core",
        },
      );
    });
  });
});

describe("a role of the tenant's own", () => {
  test("inherits from the predefined roles below its level", async () => {
    const [viewer, role] = [
      await predefinedRole("viewer"),
      await newRole(await newTenant(), { level: 4, inherits: true }),
    ];
    assert.deepEqual(await holdingsOf(role), await holdingsOf(viewer));
  });

  test("of the same level as a predefined one inherits the same permissions, but not that role's own", async () => {
    const role = await newRole(await newTenant(), { level: 5, inherits: true });
    assert.deepEqual(await holdingsOf(role), await holdingsOf(await predefinedRole("junior_agent")));
  });

  test("lacks the permissions that are taken from it", async () => {
    const role = await newRole(await newTenant(), {
      level: 6,
      inherits: true,
      permissions: ["reports.view"],
      takenAway: ["messages.send", "billing.manage"],
    });
    const agent = await holdingsOf(await predefinedRole("agent"));
    assert.deepEqual(
      await holdingsOf(role),
      [...agent.filter((key) => key !== "messages.send"), "reports.view"].sort(),
    );
  });

  test("that does not inherit holds its own permissions alone", async () => {
    const role = await newRole(await newTenant(), { level: 9, permissions: ["reports.view"] });
    assert.deepEqual(await holdingsOf(role), ["reports.view"]);
  });

  test("inherits nothing from other roles of the tenant", async () => {
    const tenant = await newTenant();
    await newRole(tenant, { level: 2, permissions: ["audit.view"] });
    assert.deepEqual(
      await holdingsOf(await newRole(tenant, { level: 3, inherits: true })),
      await holdingsOf(await predefinedRole("guest")),
    );
  });

  test("changes with its level and with its inheritance", async () => {
    const role = await newRole(await newTenant(), { level: 3, inherits: true });
    await sql`update public.roles set level = 7 where id = ${role.id}`;
    assert.deepEqual(await holdingsOf(role), await holdingsOf(await predefinedRole("senior_agent")));
    await sql`update public.roles set inherits = false where id = ${role.id}`;
    assert.deepEqual(await holdingsOf(role), []);
  });

  test("with full access holds permissions that are added later, except those taken from it", async () => {
    await rolledBack(sql, async ({ sql, newTenant, newUser, newUserWith, as }) => {
      const tenant = await newTenant();
      const { own: role, ...user } = await newUserWith(tenant, {
        permissions: ["admin.full_access"],
        takenAway: ["billing.manage"],
      });
      await sql`insert into public.permissions (permission_key, permission_name, category) values ('later.view', 'View', 'later')`;
      const all = (await sql`select permission_key as key from public.permissions order by 1`).map(({ key }) => key);
      assert.deepEqual(
        await holdingsOf(role, sql),
        all.filter((key) => key !== "billing.manage"),
      );
      const may = async (/** @type {any} */ user) =>
        (await as(user, (sql) => sql`select private.has_permission('later.view') as may`))[0].may;
      assert.deepEqual(
        [await may(user), await may(await newUser(tenant, "super_admin")), await may(await newUser(tenant, "admin"))],
        [true, true, false],
      );
    });
  });
});

test("several roles add up, and one role may give a permission that another takes away", async () => {
  const tenant = await newTenant();
  const user = await newUserWith(tenant, { level: 6, inherits: true, takenAway: ["messages.send"] });
  const may = async () => (await as(user, (sql) => sql`select private.has_permission('messages.send') as may`))[0].may;
  assert.equal(await may(), false);
  await sql`insert into public.user_roles (user_id, tenant_id, role_id) select ${user.id}, ${user.tenant.id}, id from public.roles where tenant_id is null and key = 'junior_agent'`;
  assert.equal(await may(), true);
});

test("after any grants and removals the nearest entry decides", async () => {
  const { seed, integer, pick } = chance();
  const permissions = (await sql`select permission_key as key from public.permissions`).map(({ key }) => key);
  await rolledBack(sql, async ({ sql, newTenant, newRole }) => {
    const tenant = await newTenant();
    const some = ["reports.view", "messages.send", "conversations.view", "admin.full_access", "billing.manage"];
    const own = [];
    for (let i = 0; i < 6; i++) own.push(await newRole(tenant, { level: integer(1, 9), inherits: integer(0, 3) > 0 }));
    const roles = [...(await sql`select * from public.roles where tenant_id is null`), ...own];
    for (let round = 0; round < 30; round++) {
      const [role, permission] = [pick(roles), pick(some)];
      await pick([
        () => sql`delete from public.role_permissions where role_id = ${role.id} and permission_key = ${permission}`,
        () =>
          sql`insert into public.role_permissions values (${role.id}, ${permission}, true) on conflict (role_id, permission_key) do update set granted = true`,
        () =>
          sql`insert into public.role_permissions values (${role.id}, ${permission}, false) on conflict (role_id, permission_key) do update set granted = false`,
      ])();
      if (round % 3 > 0) continue;
      const mentions = await sql`select role_id, permission_key, granted from public.role_permissions`;
      for (const one of roles) {
        assert.deepEqual(
          await holdingsOf(one, sql),
          held(one, roles, mentions, permissions),
          `CRM_TEST_SEED=${seed}, round ${round}, level ${one.level}`,
        );
      }
    }
  });
});

/**
 * The rule, written independently.
 * @param {any} role
 * @param {any[]} roles
 * @param {readonly any[]} mentions
 * @param {string[]} permissions
 */
function held(role, roles, mentions, permissions) {
  const ancestors = roles
    .filter((other) => role.inherits && other.tenant_id === null && other.level < role.level)
    .sort((one, other) => other.level - one.level);
  const nearest = (/** @type {string} */ permission) =>
    [role, ...ancestors]
      .map((one) => mentions.find((mention) => mention.role_id === one.id && mention.permission_key === permission))
      .find((mention) => mention !== undefined);
  const everything = nearest("admin.full_access")?.granted === true;
  return permissions
    .filter((permission) => {
      const mention = nearest(permission);
      return mention?.granted || (everything && !(mention?.role_id === role.id && !mention.granted));
    })
    .sort();
}
