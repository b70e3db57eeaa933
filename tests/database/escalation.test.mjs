// Rights cannot be used to gain more rights: attempts of people who may manage roles, people and keys, and of people
// who may not. After each attempt, all rights are unchanged.
import assert from "node:assert/strict";
import { randomUUID } from "node:crypto";
import { describe, test } from "node:test";
import { rolledBack, useDatabase } from "./database.mjs";
import { ROLES } from "./matrix.mjs";
import { isRefused } from "./refusals.mjs";

const database = await useDatabase();
const { sql } = database;

const MANAGING = [
  "rbac.view",
  "rbac.manage_roles",
  "rbac.manage_permissions",
  "rbac.manage_users",
  "agents.view",
  "agents.create",
  "agents.update",
  "agents.delete",
  "api_keys.view",
  "api_keys.create",
  "api_keys.revoke",
];

/** A tenant with people and roles to act on. @param {ReturnType<typeof import("./database.mjs").world>} world */
async function newStage({ newTenant, newUser, newUserWith, newRole, newApiKey, predefined }) {
  const tenant = await newTenant();
  const [superAdmin, manager, agentRole] = await predefined("super_admin", "manager", "agent");
  const { own, ...deputy } = await newUserWith(tenant, { level: 8, inherits: true, permissions: MANAGING });
  const { own: narrowRole, ...narrow } = await newUserWith(tenant, { level: 8, permissions: MANAGING });
  return {
    tenant,
    own,
    deputy,
    narrow,
    narrowRole,
    superAdmin,
    manager,
    agentRole,
    key: await newApiKey(tenant, own),
    owner: await newUser(tenant, "super_admin"),
    admin: await newUser(tenant, "admin"),
    peer: await newUser(tenant, "manager"),
    subordinate: await newUser(tenant, "junior_agent"),
    // Roles of low levels: one that the deputy may change, and others with permissions that the deputy or the narrow
    // role lacks.
    low: await newRole(tenant, { level: 3, permissions: ["rbac.view"] }),
    beyond: await newRole(tenant, { level: 3, permissions: ["billing.manage"] }),
    hiding: await newRole(tenant, { level: 3, inherits: true, takenAway: ["profile.update", "conversations.view"] }),
    bottom: await newRole(tenant, { level: 1, inherits: true }),
    high: await newRole(tenant, { level: 8 }),
  };
}

/** @typedef {Awaited<ReturnType<typeof newStage>>} Stage */
/** @type {(name: string, parameters: Record<string, any>) => (calls: any, who: any) => Promise<any>} */
const calling = (name, parameters) => (calls, who) => calls(who, name, parameters);
const creating = (/** @type {any} */ more) =>
  calling("create_role", { name: randomUUID(), level: 3, inherits: false, ...more });
const changing = (/** @type {{ id: string }} */ role, /** @type {any} */ changes) =>
  calling("update_role", { role_id: role.id, changes });
const giving = (/** @type {{ id: string }} */ user, /** @type {string[]} */ ...roleIds) =>
  calling("set_user_roles", { user_id: user.id, role_ids: roleIds });
const inviting = (/** @type {string[]} */ ...roleIds) =>
  calling("invite_agent", { email: `${randomUUID()}@example.test`, display_name: "", role_ids: roleIds });
const keying = (/** @type {string} */ roleId) => calling("create_api_key", { name: "Toko", role_id: roleId });
const updating = (/** @type {{ id: string }} */ user, /** @type {any} */ changes) =>
  calling("update_agent", { user_id: user.id, changes });

/**
 * The attempts of a person of level 8 who may manage, and the refusal of each.
 * @type {Record<string, [(stage: Stage) => ReturnType<typeof calling>, string]>}
 */
const ATTEMPTS = {
  "create a role with a permission one lacks": [
    () => creating({ permissions: ["billing.manage"] }),
    "permission_not_held",
  ],
  "create a role with full access": [() => creating({ permissions: ["admin.full_access"] }), "permission_not_held"],
  "create a role by a template that holds more": [() => creating({ template: "marketing" }), "permission_not_held"],
  "create a role of one's own level": [() => creating({ level: 8 }), "role_too_high"],
  "create a role of a higher level": [() => creating({ level: 9 }), "role_too_high"],
  "give a role a permission one lacks": [
    ({ low }) => changing(low, { permissions: ["billing.manage"] }),
    "permission_not_held",
  ],
  "give a role a template that holds more": [
    ({ low }) => changing(low, { template: "marketing" }),
    "permission_not_held",
  ],
  "raise a role to one's own level": [({ low }) => changing(low, { level: 8 }), "role_too_high"],
  "raise a role above oneself": [({ low }) => changing(low, { level: 10 }), "role_too_high"],
  "change a role that holds more, even its name": [
    ({ beyond }) => changing(beyond, { name: "Lain" }),
    "permission_not_held",
  ],
  "change one's own role": [
    ({ own }) => changing(own, { permissions: [...MANAGING, "conversations.delete"] }),
    "role_too_high",
  ],
  "rename one's own role": [({ own }) => changing(own, { name: "Bos" }), "role_too_high"],
  "change another role of one's level": [({ high }) => changing(high, { description: "x" }), "role_too_high"],
  "change a predefined role of one's level": [
    ({ manager }) => changing({ id: manager }, { permissions: [] }),
    "role_too_high",
  ],
  "delete a role of one's level": [({ high }) => calling("delete_role", { role_id: high.id }), "role_too_high"],
  "give a person Super Admin": [({ subordinate, superAdmin }) => giving(subordinate, superAdmin), "role_too_high"],
  "give a person one's own role": [({ subordinate, own }) => giving(subordinate, own.id), "role_too_high"],
  "give a person a role of one's level": [({ subordinate, manager }) => giving(subordinate, manager), "role_too_high"],
  "give a person a low role that holds more": [
    ({ subordinate, beyond }) => giving(subordinate, beyond.id),
    "permission_not_held",
  ],
  "give such a role among others": [
    ({ subordinate, low, beyond }) => giving(subordinate, low.id, beyond.id),
    "permission_not_held",
  ],
  "take a peer's roles": [({ peer, low }) => giving(peer, low.id), "role_too_high"],
  "take a superior's roles": [({ admin, low }) => giving(admin, low.id), "role_too_high"],
  "take the Super Admin's roles": [({ owner, low }) => giving(owner, low.id), "role_too_high"],
  "deactivate a peer": [({ peer }) => updating(peer, { active: false }), "role_too_high"],
  "deactivate a superior": [({ owner }) => updating(owner, { active: false }), "role_too_high"],
  "rename a superior": [({ owner }) => updating(owner, { display_name: "x" }), "role_too_high"],
  "give roles by changing a person": [
    ({ subordinate, superAdmin }) => updating(subordinate, { role_ids: [superAdmin] }),
    "role_too_high",
  ],
  "invite a Super Admin": [({ superAdmin }) => inviting(superAdmin), "role_too_high"],
  "invite a peer": [({ manager }) => inviting(manager), "role_too_high"],
  "invite a person with a low role that holds more": [({ beyond }) => inviting(beyond.id), "permission_not_held"],
  "create a key of Super Admin": [({ superAdmin }) => keying(superAdmin), "role_too_high"],
  "create a key of one's own role": [({ own }) => keying(own.id), "role_too_high"],
  "create a key of a low role that holds more": [({ beyond }) => keying(beyond.id), "permission_not_held"],
};

/**
 * The attempts of a person who lacks permissions that lower roles inherit.
 * @type {Record<string, [(stage: Stage) => ReturnType<typeof calling>, string]>}
 */
const BY_INHERITANCE = {
  "create a role that inherits more": [() => creating({ level: 5, inherits: true }), "permission_not_held"],
  "let a role inherit": [({ low }) => changing(low, { inherits: true }), "permission_not_held"],
  "raise a role that inherits": [({ bottom }) => changing(bottom, { level: 5 }), "permission_not_held"],
  "restore a permission that was taken away": [
    ({ hiding }) => changing(hiding, { taken_away: [] }),
    "permission_not_held",
  ],
  "give a person a predefined role that holds more": [
    ({ subordinate, agentRole }) => giving(subordinate, agentRole),
    "permission_not_held",
  ],
  "invite a person with such a role": [({ agentRole }) => inviting(agentRole), "permission_not_held"],
  "create a key with such a role": [({ agentRole }) => keying(agentRole), "permission_not_held"],
};

/** The rows that the rights in the tenant follow from. @param {any} sql @param {Stage} stage */
async function rightsIn(sql, { tenant }) {
  const [{ rights }] = await sql`
    select jsonb_build_object(
      'roles', (select jsonb_agg(to_jsonb(r) order by r.id) from public.roles r where r.tenant_id = ${tenant.id}),
      'holdings', (
        select jsonb_agg(to_jsonb(h) order by h.role_id, h.permission_key)
        from private.role_holdings h join public.roles r on r.id = h.role_id where r.tenant_id = ${tenant.id}),
      'people', (
        select jsonb_agg(jsonb_build_array(p.user_id, p.display_name, p.deactivated_at, ur.role_id) order by p.user_id, ur.role_id)
        from public.profiles p left join public.user_roles ur on ur.user_id = p.user_id where p.tenant_id = ${tenant.id}),
      'keys', (select jsonb_agg(jsonb_build_array(k.id, k.role_id) order by k.id) from public.api_keys k where k.tenant_id = ${tenant.id}),
      'invitations', (select jsonb_agg(to_jsonb(i)) from public.invitations i where i.tenant_id = ${tenant.id})
    ) as rights`;
  return rights;
}

// All refused attempts share one stage, because they leave it unchanged.
const stage = await newStage(database);
/** @type {Record<string, { id: string }>} */
const lower = {};
for (const role of ROLES.slice(2)) lower[role] = await database.newUser(stage.tenant, role);
const rights = await rightsIn(sql, stage);

/** @param {any} attacker @param {[(stage: Stage) => ReturnType<typeof calling>, string]} attempt */
async function isResisted(attacker, [attempt, refusal]) {
  await isRefused(attempt(stage)(database.calls, attacker), { code: "PT403", detail: refusal });
  assert.deepEqual(await rightsIn(sql, stage), rights);
}

describe("a person who may manage cannot", () => {
  for (const [what, attempt] of Object.entries(ATTEMPTS)) test(what, () => isResisted(stage.deputy, attempt));
  for (const [what, attempt] of Object.entries(BY_INHERITANCE)) test(what, () => isResisted(stage.narrow, attempt));
});

describe("an API key that may manage cannot", () => {
  for (const [what, attempt] of Object.entries(ATTEMPTS)) test(what, () => isResisted(stage.key, attempt));
});

describe("a person cannot change their own account:", () => {
  for (const [what, make] of /** @type {[string, (user: any, stage: Stage) => ReturnType<typeof calling>][]} */ ([
    ["give it Super Admin", (user, { superAdmin }) => giving(user, superAdmin)],
    ["give it a lower role", (user, { low }) => giving(user, low.id)],
    ["give it roles by changing the profile", (user, { superAdmin }) => updating(user, { role_ids: [superAdmin] })],
    ["deactivate", (user) => updating(user, { active: false })],
  ])) {
    test(what, async () => {
      for (const who of /** @type {const} */ (["deputy", "admin", "owner"])) {
        await isResisted(stage[who], [() => make(stage[who], stage), "own_account"]);
      }
    });
  }
});

describe("an Admin cannot", () => {
  for (const [
    what,
    attempt,
    refusal,
  ] of /** @type {[string, (stage: Stage) => ReturnType<typeof calling>, string][]} */ ([
    ["give Super Admin", ({ subordinate, superAdmin }) => giving(subordinate, superAdmin), "role_too_high"],
    ["act on the Super Admin", ({ owner }) => updating(owner, { active: false }), "role_too_high"],
    [
      "create a role with full access",
      () => creating({ level: 1, permissions: ["admin.full_access"] }),
      "permission_not_held",
    ],
    [
      "create a role that shortens the retention of the audit log",
      () => creating({ level: 1, permissions: ["admin.retention"] }),
      "permission_not_held",
    ],
    ["create a key of a peer's level", ({ superAdmin }) => keying(superAdmin), "role_too_high"],
  ])) {
    test(what, () => isResisted(stage.admin, [attempt, refusal]));
  }
});

describe("lower roles are refused every attempt:", () => {
  for (const role of ROLES.slice(2)) {
    test(role, async () => {
      for (const [attempt] of Object.values(ATTEMPTS)) await isResisted(lower[role], [attempt, "forbidden"]);
    });
  }
});

test("roles in a token or in metadata that a user can edit have no effect", async () => {
  const { viewer } = lower;
  const planted = {
    role: "super_admin",
    roles: ["super_admin"],
    tenant_id: stage.tenant.id,
    permissions: ["rbac.manage_users"],
    level: 10,
    api_key: true,
  };
  await sql`update auth.users set raw_user_meta_data = ${sql.json(planted)} where id = ${viewer.id}`;
  const claims = {
    user_metadata: planted,
    app_metadata: planted,
    tenant_id: stage.tenant.id,
    user_role: "super_admin",
  };
  const attempt = database.as(
    viewer,
    (sql) => sql`select public.set_user_roles(${stage.subordinate.id}, ${[stage.superAdmin]})`,
    claims,
  );
  await isRefused(attempt, { code: "PT403", detail: "forbidden" });
  assert.deepEqual(await rightsIn(sql, stage), rights);
});

describe("a person who may manage can", () => {
  for (const [what, make] of /** @type {[string, (stage: Stage) => ReturnType<typeof calling>][]} */ ([
    [
      "create a role below their level with permissions they hold",
      () => creating({ level: 7, permissions: ["rbac.view", "agents.delete"] }),
    ],
    ["change such a role", ({ low }) => changing(low, { level: 7, permissions: ["agents.delete"] })],
    ["give such a role", ({ subordinate, low }) => giving(subordinate, low.id)],
    ["deactivate a person below them", ({ subordinate }) => updating(subordinate, { active: false })],
    ["invite a person below them", ({ agentRole }) => inviting(agentRole)],
    ["create a key below their level", ({ agentRole }) => keying(agentRole)],
  ])) {
    test(what, () =>
      rolledBack(sql, async (world) => {
        const stage = await newStage(world);
        for (const who of [stage.deputy, stage.key, stage.owner]) assert.ok(await make(stage)(world.calls, who));
      }),
    );
  }

  test("give and take Super Admin, if they have it", () =>
    rolledBack(sql, async (world) => {
      const stage = await newStage(world);
      const { owner, subordinate, superAdmin, agentRole } = stage;
      assert.ok(await giving(subordinate, superAdmin)(world.calls, owner));
      assert.ok(await giving(owner, agentRole)(world.calls, subordinate));
    }));
});
