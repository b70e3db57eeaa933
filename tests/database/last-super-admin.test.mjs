// A tenant with a Super Admin always keeps one: every way of removing the last one is refused.
import assert from "node:assert/strict";
import { describe, test } from "node:test";
import { useDatabase } from "./database.mjs";
import { isRefused } from "./refusals.mjs";
import { becomesTrue, isWaitedFor } from "./waiting.mjs";

const { sql, as, calls, newTenant, newUser, newApiKey, predefined } = await useDatabase();
const [SUPER_ADMIN, AGENT] = await predefined("super_admin", "agent");
const REFUSED = { code: "PT409", detail: "last_super_admin" };

const newOffice = async () => {
  const tenant = await newTenant();
  // A deactivated Super Admin does not count.
  await newUser(tenant, "super_admin", { deactivated: true });
  return { tenant, owner: await newUser(tenant, "super_admin") };
};
const countIn = async (/** @type {{ id: string }} */ tenant) =>
  (
    await sql`
  select from public.profiles p join public.user_roles ur on ur.user_id = p.user_id
  where p.tenant_id = ${tenant.id} and p.deactivated_at is null and ur.role_id = ${SUPER_ADMIN}`
  ).count;

describe("the last Super Admin stays", () => {
  for (const [what, attempt] of /** @type {[string, (owner: any, key: any) => Promise<any>][]} */ ([
    [
      "when a key takes the role",
      (owner, key) => calls(key, "set_user_roles", { user_id: owner.id, role_ids: [AGENT] }),
    ],
    [
      "when a key deactivates",
      (owner, key) => calls(key, "update_agent", { user_id: owner.id, changes: { active: false } }),
    ],
    ["when the role is taken in the table", (owner) => sql`delete from public.user_roles where user_id = ${owner.id}`],
    [
      "when the role is exchanged in the table",
      (owner) => sql`update public.user_roles set role_id = ${AGENT} where user_id = ${owner.id}`,
    ],
    [
      "when the profile is deactivated",
      (owner) => sql`update public.profiles set deactivated_at = now() where user_id = ${owner.id}`,
    ],
    ["when the profile is deleted", (owner) => sql`delete from public.profiles where user_id = ${owner.id}`],
    [
      "when the profile moves to another tenant",
      async (owner) => {
        const other = await newTenant();
        return sql`update public.profiles set tenant_id = ${other.id} where user_id = ${owner.id}`;
      },
    ],
    ["when the account is deleted", (owner) => sql`delete from auth.users where id = ${owner.id}`],
  ])) {
    test(what, async () => {
      const { tenant, owner } = await newOffice();
      await isRefused(attempt(owner, await newApiKey(tenant, "super_admin")), REFUSED);
      assert.equal(await countIn(tenant), 1);
    });
  }

  for (const [what, attempt] of /** @type {[string, (tenant: any) => Promise<any>][]} */ ([
    [
      "deactivated",
      (tenant) =>
        sql`update public.profiles set deactivated_at = now() where tenant_id = ${tenant.id} and deactivated_at is null`,
    ],
    ["deleted", (tenant) => sql`delete from public.profiles where tenant_id = ${tenant.id}`],
    [
      "without any role",
      (tenant) =>
        sql`delete from public.user_roles where user_id in (select user_id from public.profiles where tenant_id = ${tenant.id})`,
    ],
  ])) {
    test(`when all of them are ${what} at once`, async () => {
      const { tenant } = await newOffice();
      await newUser(tenant, "super_admin");
      await isRefused(attempt(tenant), REFUSED);
      assert.equal(await countIn(tenant), 2);
    });
  }
});

describe("one of two Super Admins may go", () => {
  test("by losing the role", async () => {
    const { tenant, owner } = await newOffice();
    const other = await newUser(tenant, "super_admin");
    await calls(owner, "set_user_roles", { user_id: other.id, role_ids: [AGENT] });
    assert.equal(await countIn(tenant), 1);
  });

  test("by being deleted", async () => {
    const { tenant, owner } = await newOffice();
    await newUser(tenant, "super_admin");
    await sql`delete from auth.users where id = ${owner.id}`;
    assert.equal(await countIn(tenant), 1);
  });

  test("and both go with their tenant", async () => {
    const { tenant } = await newOffice();
    await sql`delete from public.tenants where id = ${tenant.id}`;
    assert.equal((await sql`select from public.profiles where tenant_id = ${tenant.id}`).count, 0);
  });
});

describe("of two Super Admins who remove each other at the same time, only one succeeds", () => {
  /** @type {Record<string, (sql: any, user: any) => Promise<any>>} */
  const removes = {
    role: (sql, user) => sql`select public.set_user_roles(${user.id}, ${[AGENT]})`,
    account: (sql, user) => sql`select public.update_agent(${user.id}, '{"active": false}')`,
  };
  const REMOVED_MEANWHILE = {
    role: { code: "PT403", detail: "role_too_high" },
    account: { code: "PT404", detail: "not_found" },
  };
  for (const [one, other] of /** @type {const} */ ([
    ["role", "role"],
    ["account", "account"],
    ["role", "account"],
    ["account", "role"],
  ])) {
    test(`by ${one} and by ${other}`, async () => {
      const { tenant, owner } = await newOffice();
      const second = await newUser(tenant, "super_admin");
      /** @type {Promise<any> | undefined} */
      let waiting;
      await as(owner, async (held) => {
        const [{ pid }] = await held`select pg_backend_pid() as pid`;
        await removes[one](held, second);
        waiting = as(second, (sql) => removes[other](sql, owner));
        waiting.catch(() => {});
        await becomesTrue(() => isWaitedFor(sql, pid));
      });
      await isRefused(/** @type {Promise<any>} */ (waiting), REMOVED_MEANWHILE[one]);
      assert.equal(await countIn(tenant), 1);
    });
  }

  test("in the tables", async () => {
    const { tenant, owner } = await newOffice();
    const second = await newUser(tenant, "super_admin");
    /** @type {Promise<any> | undefined} */
    let waiting;
    await sql.begin(async (held) => {
      const [{ pid }] = await held`select pg_backend_pid() as pid`;
      await held`delete from public.user_roles where user_id = ${second.id}`;
      waiting = sql`update public.profiles set deactivated_at = now() where user_id = ${owner.id}`.execute();
      waiting.catch(() => {});
      await becomesTrue(() => isWaitedFor(sql, pid));
    });
    await isRefused(/** @type {Promise<any>} */ (waiting), REFUSED);
    assert.equal(await countIn(tenant), 1);
  });
});
