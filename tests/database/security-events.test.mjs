// Further entries of the audit log: refusals, wrong passwords, and API keys used from new places.
import assert from "node:assert/strict";
import { randomUUID } from "node:crypto";
import { describe, test } from "node:test";
import { hasFields } from "../fields.mjs";
import { useDatabase } from "./database.mjs";

const { sql, requests, calls, newTenant, newStranger, newUser, newApiKey } = await useDatabase();

/** Security events of a tenant, in order. @param {{ id: string }} tenant */
const eventsOf = async (tenant) => [
  ...(await sql`
  select * from public.audit_logs where tenant_id = ${tenant.id} and action ~ '^(auth|api_key|permission)\\.' order by id`),
];
const passes = (/** @type {{ id: string }} */ tenant, /** @type {string} */ time) =>
  sql.begin(async (sql) => {
    // Time passes for existing entries: the log itself never changes them.
    await sql`set local session_replication_role = replica`;
    await sql`update public.audit_logs set occurred_at = occurred_at - ${time}::interval where tenant_id = ${tenant.id}`;
  });
const HEADERS = { "x-request-id": "req-9", "x-client-ip": "192.0.2.9" };
/** @param {{ id: string }} actor @param {any} [more] */
const refuses = (
  actor,
  { action = "permission.refused", type = "user", route = "POST /api/rbac/roles", reason = "forbidden" } = {},
) =>
  requests("service", HEADERS, async (sql) => {
    await sql`select public.record_refusal(${action}, ${type}, ${actor.id}, ${route}, ${reason})`;
  });

describe("a refusal", () => {
  test("is recorded with the person, the permission and the origin", async () => {
    const tenant = await newTenant();
    const user = await newUser(tenant, "agent");
    await refuses(user);
    const [event, ...more] = await eventsOf(tenant);
    assert.deepEqual(more, []);
    hasFields(event, {
      action: "permission.refused",
      actor_type: "user",
      actor_id: user.id,
      actor_name: "agent",
      entity: "route",
      entity_id: "POST /api/rbac/roles",
      after: { reason: "forbidden" },
      before: null,
      request_id: "req-9",
      ip: "192.0.2.9",
    });
  });

  test("of an API key names the key", async () => {
    const tenant = await newTenant();
    const key = await newApiKey(tenant, "agent", { revokedAt: new Date() });
    await refuses(key, { action: "api_key.refused", type: "api_key", reason: "api_key_revoked" });
    const [event] = await eventsOf(tenant);
    assert.deepEqual(
      [event.actor_type, event.actor_id, event.actor_name, event.after],
      ["api_key", key.id, "Shop", { reason: "api_key_revoked" }],
    );
  });

  test("is recorded once a minute for each kind", async () => {
    const tenant = await newTenant();
    const [user, colleague] = [await newUser(tenant, "agent"), await newUser(tenant, "agent")];
    for (let i = 0; i < 3; i++) await refuses(user);
    assert.equal((await eventsOf(tenant)).length, 1);
    await refuses(user, { route: "GET /api/audit-logs" });
    await refuses(user, { reason: "module_disabled" });
    await refuses(colleague);
    assert.equal((await eventsOf(tenant)).length, 4);
    await passes(tenant, "61 seconds");
    await refuses(user);
    assert.equal((await eventsOf(tenant)).length, 5);
  });

  test("of a person without a tenant is not recorded", async () => {
    const stranger = await newStranger();
    await refuses(stranger);
    await refuses({ id: randomUUID() });
    await refuses({ id: randomUUID() }, { type: "api_key" });
    assert.equal((await sql`select from public.audit_logs where actor_id = ${stranger.id}`).count, 0);
  });

  test("of a deactivated person is still recorded for their tenant", async () => {
    const tenant = await newTenant();
    await refuses(await newUser(tenant, "agent", { deactivated: true }), {
      action: "auth.refused",
      reason: "deactivated",
    });
    assert.equal((await eventsOf(tenant)).length, 1);
  });
});

describe("the use of an API key", () => {
  const uses = (/** @type {{ id: string }} */ key, /** @type {string | null} */ ip) =>
    calls("service", "record_api_key_use", { key_id: key.id, ip });
  const lastUse = async (/** @type {{ id: string }} */ key) =>
    (await sql`select last_used_at from public.api_keys where id = ${key.id}`)[0].last_used_at;

  test("records its time", async () => {
    const key = await newApiKey(await newTenant(), "agent");
    await uses(key, null);
    const first = await lastUse(key);
    assert.ok(Math.abs(first.getTime() - Date.now()) < 60_000);
    await uses(key, "192.0.2.1");
    assert.deepEqual(await lastUse(key), first, "not at every use");
    await sql`update public.api_keys set last_used_at = now() - interval '16 seconds' where id = ${key.id}`;
    await uses(key, "192.0.2.1");
    assert.ok((await lastUse(key)).getTime() >= first.getTime());
  });

  test("from a new place is an event, except from the first place", async () => {
    const tenant = await newTenant();
    const key = await newApiKey(tenant, "agent");
    await uses(key, "192.0.2.1");
    assert.deepEqual(await eventsOf(tenant), []);
    await uses(key, "192.0.2.1");
    assert.deepEqual(await eventsOf(tenant), []);
    await uses(key, "198.51.100.7");
    await uses(key, "198.51.100.7");
    await uses(key, "192.0.2.1");
    const events = await eventsOf(tenant);
    assert.deepEqual(
      events.map(({ action, actor_type, actor_id, after }) => [action, actor_type, actor_id, after]),
      [["api_key.new_place", "api_key", key.id, { ip: "198.51.100.7" }]],
    );
  });

  test("from two new places at once records both", async () => {
    const tenant = await newTenant();
    const key = await newApiKey(tenant, "agent");
    await uses(key, "192.0.2.1");
    await Promise.all(["192.0.2.2", "192.0.2.3", "192.0.2.2"].map((ip) => uses(key, ip)));
    assert.deepEqual((await eventsOf(tenant)).map(({ after }) => after.ip).sort(), ["192.0.2.2", "192.0.2.3"]);
  });
});

describe("the check of a password", () => {
  const attempts = (/** @type {{ id: string }} */ user, /** @type {boolean} */ valid) =>
    sql.begin(async (sql) => {
      await sql`set local role supabase_auth_admin`;
      const [{ answer }] =
        await sql`select public.hook_password_verification_attempt(${sql.json({ user_id: user.id, valid })}) as answer`;
      return answer;
    });

  test("that fails is recorded once a minute, and the hook lets Auth decide", async () => {
    const tenant = await newTenant();
    const user = await newUser(tenant, "agent");
    for (let i = 0; i < 2; i++) assert.deepEqual(await attempts(user, false), { decision: "continue" });
    const events = await eventsOf(tenant);
    assert.deepEqual(
      events.map(({ action, actor_id, entity, after }) => [action, actor_id, entity, after]),
      [["auth.log_in_refused", user.id, "auth", { reason: "wrong_password" }]],
    );
  });

  test("that succeeds is not recorded", async () => {
    const tenant = await newTenant();
    assert.deepEqual(await attempts(await newUser(tenant, "agent"), true), { decision: "continue" });
    assert.deepEqual(await eventsOf(tenant), []);
  });

  test("of a person without a tenant is left to Auth as well", async () => {
    assert.deepEqual(await attempts(await newStranger(), false), { decision: "continue" });
  });
});
