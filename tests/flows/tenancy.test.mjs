// Organisations and their people, as admins and integrations use them.
import assert from "node:assert/strict";
import { randomUUID } from "node:crypto";
import { describe, test } from "node:test";
import { createClient } from "@supabase/supabase-js";
import { DENIED } from "../database/refusals.mjs";
import { eventually, useApp } from "./app.mjs";

const app = await useApp();
const PASSWORD = "a-long-enough-password";
const owner = await app.newMember("super_admin");
const client = () =>
  createClient(app.stack.supabase_url, app.stack.anon_key, {
    auth: { persistSession: false, autoRefreshToken: false },
  });
const bearer = (/** @type {string} */ token) => ({ headers: { authorization: `Bearer ${token}` } });

describe("sign-up", () => {
  test("creates an organisation with its Super Admin, once", async () => {
    const email = `${randomUUID()}@example.test`;
    const signedUp = await client().auth.signUp({
      email,
      password: PASSWORD,
      options: { data: { tenant_id: app.user("admin").tenant_id, role: "super_admin" } },
    });
    assert.equal(signedUp.error, null);
    const token = String(signedUp.data.session?.access_token);
    await app.refuses(403, "no_tenant", "GET", "/api/auth/me", bearer(token));

    const body = { name: "Warung Bu Tini", display_name: "Tini" };
    const tenant = await app.succeeds("POST", "/api/tenant", { ...bearer(token), body });
    assert.deepEqual([tenant.name, tenant.timezone, tenant.locale], ["Warung Bu Tini", "Asia/Jakarta", "id"]);
    const me = await app.succeeds("GET", "/api/auth/me", bearer(token));
    assert.deepEqual(
      [me.email, me.display_name, me.tenant.id, me.roles.map((/** @type {any} */ role) => role.key)],
      [email, "Tini", tenant.id, ["super_admin"]],
    );
    assert.ok(me.permissions.includes("admin.full_access"));
    assert.ok(me.modules.includes("broadcast"));
    const { data } = await app.succeeds("GET", "/api/agents", bearer(token));
    assert.deepEqual(
      data.map((/** @type {any} */ agent) => agent.email),
      [email],
      "no person of another organisation",
    );

    await app.refuses(409, "already_member", "POST", "/api/tenant", { ...bearer(token), body });
    await app.refuses(409, "already_member", "POST", "/api/tenant", { as: owner, body });
  });

  test("names the wrong field, and leaves nothing", async () => {
    const signedUp = await client().auth.signUp({ email: `${randomUUID()}@example.test`, password: PASSWORD });
    const token = String(signedUp.data.session?.access_token);
    for (const [field, wrong] of Object.entries({
      name: " ",
      slug: "Not A Slug",
      timezone: "Mars/Olympus",
      locale: "fr",
      tenant_id: randomUUID(),
      id: randomUUID(),
    })) {
      const refused = await app.refuses(422, "invalid_field", "POST", "/api/tenant", {
        ...bearer(token),
        body: { name: "Toko", [field]: wrong },
      });
      assert.ok(field in refused.body.error.fields, JSON.stringify(refused.body));
    }
    const slug = (await app.rows("tenants", `id=eq.${app.user("admin").tenant_id}&select=slug`))[0].slug;
    await app.refuses(409, "slug_taken", "POST", "/api/tenant", { ...bearer(token), body: { name: "Toko", slug } });
    await app.refuses(403, "no_tenant", "GET", "/api/auth/me", bearer(token));
  });
});

describe("settings", () => {
  test("are changed one by one and shown back", async () => {
    const hours = {
      monday: [
        { from: "08:00", to: "12:00" },
        { from: "13:00", to: "17:00" },
      ],
    };
    const before = await app.succeeds("GET", "/api/tenant", { as: "admin" });
    const after = await app.succeeds("PATCH", "/api/tenant", {
      as: "admin",
      body: { timezone: "Asia/Makassar", business_hours: hours },
    });
    assert.deepEqual(
      { ...after, updated_at: null },
      { ...before, timezone: "Asia/Makassar", business_hours: hours, updated_at: null },
    );
    assert.equal((await app.succeeds("GET", "/api/auth/me", { as: "agent" })).tenant.timezone, "Asia/Makassar");
    await app.refuses(403, "forbidden", "PATCH", "/api/tenant", { as: "admin", body: { audit_retention_days: 90 } });
    await app.succeeds("PATCH", "/api/tenant", {
      as: owner,
      body: { audit_retention_days: 90, timezone: before.timezone, business_hours: {} },
    });
    for (const [field, wrong] of /** @type {[string, unknown][]} */ ([
      ["audit_retention_days", 1],
      ["timezone", "Jakarta"],
      ["name", ""],
      ["business_hours.monday", { monday: [{ from: "9", to: "10:00" }] }],
    ])) {
      const refused = await app.refuses(422, "invalid_field", "PATCH", "/api/tenant", {
        as: owner,
        body: { [field.split(".")[0]]: wrong },
      });
      assert.ok(field in refused.body.error.fields, JSON.stringify(refused.body));
    }
  });
});

describe("people", () => {
  test("who are deactivated lose all access at once, and their open conversations are handed on", async () => {
    const leaving = await app.newMember("agent");
    const staying = await app.newMember("agent");
    const from = app.newCustomer();
    await app.receivesMessage({ from });
    const conversation = await app.conversationWith(from);
    await app.changes("conversations", `id=eq.${conversation.id}`, { assigned_to: app.idOf(leaving) });
    await app.succeeds("GET", `/api/conversations/${conversation.id}`, { as: leaving });
    const session = await client().auth.signInWithPassword(app.user(leaving));

    const after = await app.succeeds("DELETE", `/api/agents/${app.idOf(leaving)}?reassign_to=${app.idOf(staying)}`, {
      as: "admin",
    });
    assert.deepEqual([after.active, after.reassigned_conversations, after.open_conversations], [false, 1, 0]);
    await app.refuses(403, "no_tenant", "GET", `/api/conversations/${conversation.id}`, { as: leaving });
    await app.succeeds("GET", `/api/conversations/${conversation.id}`, { as: staying });
    const refreshed = await client().auth.refreshSession({
      refresh_token: String(session.data.session?.refresh_token),
    });
    assert.equal(refreshed.error?.code, "refresh_token_not_found", "the session is gone");
    const again = await client().auth.signInWithPassword(app.user(leaving));
    assert.equal(again.error, null, "the account is the person's own");
    const token = String(again.data.session?.access_token);
    await app.refuses(403, "no_tenant", "GET", "/api/auth/me", bearer(token));

    await app.succeeds("PATCH", `/api/agents/${app.idOf(leaving)}`, { as: "admin", body: { active: true } });
    app.tokens.delete(leaving);
    await app.succeeds("GET", "/api/auth/me", { as: leaving });
  });

  test("change their own name, and other people's only with the permission", async () => {
    const agent = await app.newMember("agent");
    const changed = await app.succeeds("PATCH", `/api/agents/${app.idOf(agent)}`, {
      as: agent,
      body: { display_name: "Dewi", locale: "en" },
    });
    assert.deepEqual([changed.display_name, changed.locale], ["Dewi", "en"]);
    await app.refuses(403, "forbidden", "PATCH", `/api/agents/${app.idOf(agent)}`, {
      as: "agent",
      body: { display_name: "x" },
    });
    for (const body of [{ role_ids: [await app.roleId("admin")] }, { active: true }]) {
      await app.refuses(403, "forbidden", "PATCH", `/api/agents/${app.idOf(agent)}`, { as: agent, body });
    }
    const admin = await app.newMember("admin");
    await app.refuses(403, "own_account", "PATCH", `/api/agents/${app.idOf(admin)}`, {
      as: admin,
      body: { role_ids: [await app.roleId("super_admin")] },
    });
    await app.refuses(403, "role_too_high", "PATCH", `/api/agents/${app.idOf(admin)}`, {
      as: await app.newMember("admin"),
      body: { active: false },
    });
  });
});

describe("roles", () => {
  test("of the tenant's own are created, applied and changed, and refused above the caller's level", async () => {
    const name = `Kasir ${randomUUID()}`;
    const role = await app.succeeds("POST", "/api/rbac/roles", {
      as: "admin",
      body: { name, level: 4, inherits: false, permissions: ["conversations.view"] },
    });
    assert.deepEqual([role.permissions, role.predefined, role.users_count], [["conversations.view"], false, 0]);
    const cashier = await app.newMember("restricted");
    const given = await app.succeeds("PUT", `/api/rbac/users/${app.idOf(cashier)}`, {
      as: "admin",
      body: { role_ids: [role.id] },
    });
    assert.deepEqual(given.permissions, ["conversations.view"]);

    // Several functions, each with its own cache, see it at once.
    await app.succeeds("GET", "/api/conversations", { as: cashier });
    await app.refuses(403, "forbidden", "GET", "/api/broadcast/campaigns", { as: cashier });
    await app.succeeds("PATCH", `/api/rbac/roles/${role.id}`, {
      as: "admin",
      body: { permissions: ["broadcasts.view"] },
    });
    await app.refuses(403, "forbidden", "GET", "/api/conversations", { as: cashier });

    await app.refuses(409, "name_taken", "POST", "/api/rbac/roles", { as: "admin", body: { name, level: 3 } });
    await app.refuses(403, "role_too_high", "POST", "/api/rbac/roles", { as: "admin", body: { name: "x", level: 9 } });
    await app.refuses(403, "permission_not_held", "POST", "/api/rbac/roles", {
      as: "admin",
      body: { name: `x ${randomUUID()}`, level: 2, permissions: ["billing.manage"] },
    });
    const predefined = await app.roleId("agent");
    await app.refuses(409, "predefined_role", "PATCH", `/api/rbac/roles/${predefined}`, {
      as: "admin",
      body: { level: 3 },
    });
    await app.refuses(409, "role_in_use", "DELETE", `/api/rbac/roles/${role.id}`, { as: "admin" });
    const applied = await app.succeeds("PATCH", `/api/rbac/roles/${role.id}`, {
      as: "admin",
      body: { template: "reporting" },
    });
    assert.deepEqual(applied.permissions, ["profile.update", "reports.export", "reports.view"]);
    for (const [field, wrong] of Object.entries({
      tenant_id: randomUUID(),
      id: randomUUID(),
      predefined: true,
      permissions: ["no.such"],
      template: "no_such",
      level: 0,
    })) {
      const refused = await app.refuses(422, "invalid_field", "PATCH", `/api/rbac/roles/${role.id}`, {
        as: "admin",
        body: { [field]: wrong },
      });
      assert.ok(field in refused.body.error.fields, JSON.stringify(refused.body));
    }
    await app.succeeds("PUT", `/api/rbac/users/${app.idOf(cashier)}`, {
      as: "admin",
      body: { role_ids: [predefined] },
    });
    assert.equal((await app.call("DELETE", `/api/rbac/roles/${role.id}`, { as: "admin" })).status, 204);
    await app.refuses(404, "not_found", "GET", `/api/rbac/roles/${role.id}`, { as: "admin" });
  });

  test("are effective at once when granted too: no cache delays them", async () => {
    const person = await app.newMember("guest");
    await app.refuses(403, "forbidden", "GET", "/api/broadcast/campaigns", { as: person });
    await app.succeeds("PUT", `/api/rbac/users/${app.idOf(person)}`, {
      as: "admin",
      body: { role_ids: [await app.roleId("manager")] },
    });
    await app.succeeds("GET", "/api/broadcast/campaigns", { as: person });
  });
});

describe("modules", () => {
  test("that are switched off answer so, stop their work and keep their data", async () => {
    const campaign = await app.createsCampaign([app.newCustomer(), app.newCustomer()], { draft: true });
    // It is being sent, and no sender has begun.
    const started_at = new Date().toISOString();
    await app.changes("broadcast_campaigns", `id=eq.${campaign.id}`, { status: "sending", started_at });
    const off = await app.succeeds("PATCH", "/api/modules/broadcast", { as: "admin", body: { enabled: false } });
    assert.equal(off.enabled, false);
    for (const as of ["admin", "manager", "agent"])
      await app.refuses(403, "module_disabled", "GET", "/api/broadcast/campaigns", { as });
    await app.succeeds("GET", "/api/broadcast/campaigns", { as: "stranger" });
    await app.runsCron();
    const [waiting] = await app.rows("broadcast_campaigns", `id=eq.${campaign.id}&select=status`);
    assert.equal(waiting.status, "sending");
    const pending = await app.rows("broadcast_recipients", `campaign_id=eq.${campaign.id}&select=status`);
    assert.deepEqual(
      pending.map(({ status }) => status),
      ["pending", "pending"],
    );
    assert.ok(!(await app.succeeds("GET", "/api/auth/me", { as: "admin" })).modules.includes("broadcast"));

    await app.succeeds("PATCH", "/api/modules/broadcast", { as: "admin", body: { enabled: true } });
    await app.runsCron();
    await eventually("the campaign goes on", async () => (await app.campaign(campaign.id)).status === "completed");
    await app.refuses(409, "module_required", "PATCH", "/api/modules/inbox", { as: "admin", body: { enabled: false } });
    await app.refuses(404, "not_found", "GET", "/api/modules/nonsense", { as: "admin" });
  });
});

describe("API keys", () => {
  test("open the routes of their role, are shown once, and end at once", async () => {
    const made = await app.succeeds("POST", "/api/api-keys", {
      as: "admin",
      body: { name: "Toko online", role_id: await app.roleId("manager"), expires_at: "2099-01-01T00:00:00Z" },
    });
    assert.match(made.key, /^crm_[0-9a-f]{64}$/);
    const { data } = await app.succeeds("GET", "/api/api-keys", { as: "admin" });
    const listed = data.find((/** @type {any} */ key) => key.id === made.id);
    assert.deepEqual([listed.prefix, listed.status, "key" in listed], [made.key.slice(0, 12), "active", false]);
    assert.ok(!JSON.stringify(await app.rows("audit_logs", "entity=eq.api_keys")).includes(made.key));

    const me = await app.succeeds("GET", "/api/auth/me", bearer(made.key));
    assert.deepEqual(
      [me.kind, me.user_id, me.display_name, me.tenant.id],
      ["api_key", made.id, "Toko online", app.user("admin").tenant_id],
    );
    const from = app.newCustomer();
    await app.receivesMessage({ from });
    const conversation = await app.conversationWith(from);
    const sent = await app.succeeds("POST", `/api/conversations/${conversation.id}/messages`, {
      ...bearer(made.key),
      body: { text: "Pesanan Anda dikirim" },
    });
    app.isSent(sent);
    assert.equal(sent.sent_by, null);
    await app.refuses(403, "forbidden", "GET", "/api/api-keys", bearer(made.key));
    const template = await app.template();
    const campaign = await app.succeeds("POST", "/api/broadcast/campaigns", {
      ...bearer(made.key),
      body: {
        name: "Dari toko",
        template_id: template.id,
        recipients: [{ phone_number: app.newCustomer(), variables: ["A"] }],
        scheduled_at: "2099-01-01T00:00:00Z",
      },
    });
    assert.equal(campaign.sender_id, null);
    const [logged] = await app.rows("audit_logs", `entity=eq.broadcast_campaigns&entity_id=eq.${campaign.id}`);
    assert.deepEqual([logged.actor_type, logged.actor_id, logged.actor_name], ["api_key", made.id, "Toko online"]);
    const used = (await app.succeeds("GET", "/api/api-keys", { as: "admin" })).data.find(
      (/** @type {any} */ key) => key.id === made.id,
    );
    assert.notEqual(used.last_used_at, null);
    const around = await fetch(`${app.stack.supabase_url}/rest/v1/conversations?select=id`, {
      headers: { apikey: app.stack.anon_key, "x-api-key": made.key },
    });
    assert.deepEqual([around.status, (await around.json()).details], [403, "functions_only"]);

    assert.equal((await app.succeeds("DELETE", `/api/api-keys/${made.id}`, { as: "admin" })).status, "revoked");
    for (const path of ["/api/auth/me", "/api/conversations", `/api/conversations/${conversation.id}`]) {
      await app.refuses(401, "api_key_revoked", "GET", path, bearer(made.key));
    }
    await app.refuses(401, "unknown_api_key", "GET", "/api/auth/me", bearer(`crm_${"0".repeat(64)}`));
  });

  test("need a role below their creator's, and an expiry in the future", async () => {
    await app.refuses(403, "role_too_high", "POST", "/api/api-keys", {
      as: "admin",
      body: { name: "x", role_id: await app.roleId("super_admin") },
    });
    for (const [field, wrong] of Object.entries({
      role_id: randomUUID(),
      expires_at: "2020-01-01T00:00:00Z",
      name: "",
      tenant_id: randomUUID(),
    })) {
      const body = { name: "x", role_id: await app.roleId("agent"), [field]: wrong };
      const refused = await app.refuses(422, "invalid_field", "POST", "/api/api-keys", { as: "admin", body });
      assert.ok(field in refused.body.error.fields, JSON.stringify(refused.body));
    }
  });
});

describe("the audit log", () => {
  test("records each change with its actor and request, and each refusal", async () => {
    const name = `Peran ${randomUUID()}`;
    const made = await app.call("POST", "/api/rbac/roles", {
      as: "admin",
      body: { name, level: 3 },
      headers: { "x-request-id": "audit-test-0001" },
    });
    assert.equal(made.headers.get("x-request-id"), "audit-test-0001");
    const of = (/** @type {string} */ query) => app.succeeds("GET", `/api/audit-logs?${query}`, { as: "admin" });
    const {
      data: [created],
    } = await of(`entity=roles&entity_id=${made.body.id}`);
    assert.deepEqual(
      [created.action, created.actor_type, created.after.name, created.before, created.request_id],
      ["roles.created", "user", name, null, "audit-test-0001"],
    );
    await app.succeeds("PATCH", `/api/rbac/roles/${made.body.id}`, { as: "admin", body: { description: "baru" } });
    const {
      data: [updated],
    } = await of(`entity=roles&entity_id=${made.body.id}&action=roles.updated`);
    assert.deepEqual([updated.before, updated.after], [{ description: "" }, { description: "baru" }]);

    const agent = await app.newMember("agent");
    await app.refuses(403, "forbidden", "GET", "/api/audit-logs", { as: agent });
    const refused = await eventually(
      "the refusal is written",
      async () => (await of(`actor=${app.idOf(agent)}&action=permission.refused`)).data[0],
    );
    assert.deepEqual(
      [refused.entity, refused.entity_id, refused.after],
      ["route", "GET /api/audit-logs", { reason: "forbidden" }],
    );

    const wrong = await client().auth.signInWithPassword({ ...app.user(agent), password: "wrong" });
    assert.equal(wrong.error?.code, "invalid_credentials");
    await eventually(
      "the wrong password is written",
      async () => (await of(`actor=${app.idOf(agent)}&action=auth.log_in_refused`)).data[0],
    );

    const foreign = await app.succeeds("GET", `/api/audit-logs?entity_id=${made.body.id}`, { as: "stranger" });
    assert.deepEqual(foreign, { data: [], next_cursor: null });
  });

  test("has pages without a gap and a CSV export", async () => {
    const seen = [];
    for (let cursor = null; ;) {
      const page = await app.succeeds(
        "GET",
        `/api/audit-logs?limit=7&entity=user_roles${cursor ? `&before=${cursor}` : ""}`,
        { as: "admin" },
      );
      seen.push(...page.data.map((/** @type {any} */ entry) => entry.id));
      cursor = page.next_cursor;
      if (!cursor) break;
    }
    const all = await app.rows(
      "audit_logs",
      `select=id&entity=eq.user_roles&tenant_id=eq.${app.user("admin").tenant_id}&order=id.desc`,
    );
    assert.deepEqual(
      seen,
      all.map(({ id }) => String(id)),
    );

    const csv = await app.call("GET", "/api/audit-logs?format=csv&entity=user_roles", { as: "admin" });
    assert.match(String(csv.headers.get("content-type")), /^text\/csv/);
    assert.equal(String(csv.body).trim().split("\r\n").length, all.length + 1);
    for (const query of [
      "before=x",
      "before=-1",
      "limit=0",
      "since=yesterday",
      "actor=me",
      "format=xml",
      "entity=" + "x".repeat(300),
    ]) {
      await app.refuses(422, "invalid_field", "GET", `/api/audit-logs?${query}`, { as: "admin" });
    }
  });
});

describe("attacks", () => {
  const INJECTIONS = [
    "1) or (1=1",
    "'; drop table tenants; --",
    "*",
    "%",
    "eq.x",
    "or=(id.not.is.null)",
    "a,b)",
    "\u0000",
    "${jndi}",
    "../../x",
    "id.desc",
  ];

  test("no list parameter injects a filter, an order or SQL", async () => {
    const { paths } = await app.succeeds("GET", "/api/openapi.json");
    for (const [path, operations] of Object.entries(paths)) {
      const parameters = /** @type {any} */ (operations.get?.parameters ?? []).filter(
        (/** @type {any} */ parameter) => parameter.in === "query",
      );
      if (path.startsWith("/api/whatsapp/webhook") || path.startsWith("/api/cron/") || path.includes("{id}")) continue;
      // one thing, such as the invitation of a token
      if (parameters.some((/** @type {any} */ parameter) => parameter.required)) continue;
      const whole = parameters.length > 0 ? await app.succeeds("GET", path, { as: owner }) : null;
      for (const { name } of [
        ...parameters,
        { name: "or" },
        { name: "select" },
        { name: "order" },
        { name: "tenant_id" },
      ]) {
        if (parameters.length === 0) continue;
        for (const injection of INJECTIONS) {
          const { status, body } = await app.call("GET", `${path}?${name}=${encodeURIComponent(injection)}`, {
            as: owner,
          });
          assert.ok(
            [200, 422].includes(status),
            `${path}?${name}=${injection} answered ${status} ${JSON.stringify(body)}`,
          );
          if (status === 200 && whole.total !== undefined)
            assert.ok(body.total <= whole.total, `${path}?${name}=${injection} found more`);
        }
      }
    }
  });

  test("supabase-js gets no row past the policies, and changes nothing at all", async () => {
    const stranger = await app.signIn("stranger");
    for (const table of [
      "profiles",
      "roles",
      "api_keys",
      "invitations",
      "audit_logs",
      "tenant_modules",
      "permission_templates",
    ]) {
      const { data } = await stranger.from(table).select("*").eq("tenant_id", app.user("admin").tenant_id);
      assert.deepEqual(data, [], table);
    }
    const admin = await app.signIn("admin");
    const asFunctions = await app.signIn("admin", { asFunctions: true });
    for (const [table, row] of Object.entries({
      user_roles: {
        user_id: app.idOf(owner),
        tenant_id: app.user("admin").tenant_id,
        role_id: await app.roleId("admin"),
      },
      profiles: { display_name: "x" },
      audit_logs: { action: "x" },
      role_permissions: { role_id: await app.roleId("agent"), permission_key: "admin.full_access" },
      tenants: { name: "x" },
    })) {
      for (const [client, code] of /** @type {const} */ ([
        [admin, "PT403"],
        [asFunctions, DENIED],
      ])) {
        const answers = {
          insert: await client.from(table).insert(row),
          update: await client.from(table).update(row).not(Object.keys(row)[0], "is", null),
          delete: await client.from(table).delete().not(Object.keys(row)[0], "is", null),
        };
        for (const [operation, { status, error }] of Object.entries(answers))
          assert.deepEqual([status, error?.code], [403, code], `${operation} ${table}`);
      }
    }
    const called = await admin.rpc("update_tenant", { changes: { name: "x" } });
    assert.deepEqual([called.status, called.error?.details], [403, "functions_only"]);
    const raised = await admin.auth.updateUser({
      data: { tenant_id: app.user("stranger").tenant_id, role: "super_admin", permissions: ["admin.full_access"] },
    });
    assert.equal(raised.error, null);
    const { data: session } = await admin.auth.refreshSession();
    const me = await app.succeeds("GET", "/api/auth/me", bearer(String(session.session?.access_token)));
    assert.deepEqual([me.tenant.id, me.roles[0].key], [app.user("admin").tenant_id, "admin"]);
  });
});
