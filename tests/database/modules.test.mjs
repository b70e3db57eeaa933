// Modules: the list of modules, and the effects of switching one off. The file has a database of its own, because a run
// of the sender takes all due work.
import assert from "node:assert/strict";
import { randomUUID } from "node:crypto";
import { describe, test } from "node:test";
import { useDatabase } from "./database.mjs";
import { isRefused } from "./refusals.mjs";

const { sql, calls, newTenant, newUser, newUserWith, newApiKey, newNumber, newCampaign, campaignNow, recipientsOf } =
  await useDatabase({ own: true });

const newOffice = async () => {
  const tenant = await newTenant();
  return { tenant, admin: await newUser(tenant, "admin") };
};
const sets = (/** @type {any} */ user, /** @type {string} */ module, /** @type {boolean} */ enabled) =>
  calls(user, "set_module", { module_id: module, enabled });

describe("the list of modules", () => {
  test("has the properties that the specification requires, in both languages", async () => {
    const { admin } = await newOffice();
    const list = await calls(admin, "list_modules");
    for (const {
      id,
      name,
      name_id,
      description,
      description_id,
      version,
      routes,
      permissions,
      dependencies,
      enabled,
    } of list) {
      assert.ok(name && name_id && description && description_id && description !== description_id, id);
      assert.match(version, /^\d+\.\d+\.\d+$/, id);
      assert.ok(routes.length > 0 && routes.every((/** @type {string} */ route) => route.startsWith("/api/")), id);
      assert.ok(permissions.length > 0, `${id} has permissions`);
      for (const dependency of dependencies)
        assert.ok(
          list.some((/** @type {any} */ other) => other.id === dependency),
          `${id} needs ${dependency}`,
        );
      assert.equal(enabled, true, id);
    }
    assert.deepEqual(
      await calls(admin, "get_module", { module_id: "crm" }),
      list.find((/** @type {any} */ one) => one.id === "crm"),
    );
    assert.equal(await calls(admin, "get_module", { module_id: "no-such" }), null);
  });

  test("names each route once", async () => {
    const routes = (await sql`select unnest(routes) as route from public.modules`).map(({ route }) => route);
    assert.deepEqual(
      routes.filter((route) =>
        routes.some((other) => other !== route && route.startsWith(`${other}/`) && !route.startsWith("/api/cron/")),
      ),
      [],
    );
    assert.equal(new Set(routes).size, routes.length);
  });
});

describe("a module that is switched off", () => {
  test("takes its permissions from all people of the tenant", async () => {
    const { tenant, admin } = await newOffice();
    const [owner, key, elsewhere] = [
      await newUser(tenant, "super_admin"),
      await newApiKey(tenant, "manager"),
      await newUser(await newTenant(), "admin"),
    ];
    const before = await calls(owner, "current_access");
    assert.equal((await sets(admin, "analytics", false)).enabled, false);
    for (const caller of [admin, owner, key]) {
      const access = await calls(caller, "current_access");
      assert.ok(!access.permissions.includes("reports.view"));
      assert.ok(!access.modules.includes("analytics"));
      assert.deepEqual(access.disabled_permissions, ["reports.export", "reports.view"]);
    }
    assert.ok((await calls(elsewhere, "current_access")).permissions.includes("reports.view"));
    assert.equal((await calls(admin, "get_module", { module_id: "analytics" })).enabled, false);
    await sets(admin, "analytics", true);
    assert.deepEqual((await calls(owner, "current_access")).permissions, before.permissions);
  });

  test("does not limit the permissions that a person may give to others", async () => {
    const { admin } = await newOffice();
    await sets(admin, "analytics", false);
    const role = await calls(admin, "create_role", { name: "Laporan", level: 3, permissions: ["reports.view"] });
    assert.ok(role.permissions.includes("reports.view"));
  });

  test("keeps its data, and shows it again after it is switched on", async () => {
    const { tenant, admin } = await newOffice();
    const campaign = await newCampaign(await newNumber(tenant));
    await sets(admin, "broadcast", false);
    assert.equal(await calls(admin, "get_campaign", { campaign_id: campaign.id }), null);
    await isRefused(
      calls(admin, "create_campaign", { name: "Promo", template_id: campaign.template.id, recipients: [] }),
      { code: "PT403", detail: "forbidden" },
    );
    await sets(admin, "broadcast", true);
    assert.equal((await calls(admin, "get_campaign", { campaign_id: campaign.id })).id, campaign.id);
  });

  test("cannot be a module that the product needs, or an unknown one", async () => {
    const { admin } = await newOffice();
    for (const module of ["core", "whatsapp", "inbox"]) {
      await isRefused(sets(admin, module, false), { code: "PT409", detail: "module_required" });
    }
    await isRefused(sets(admin, "no-such", false), { code: "PT404", detail: "not_found" });
  });

  test("cannot be one that others need, and needs its own dependencies to be switched on again", async () => {
    await sql`insert into public.modules (id, name, name_id, description, description_id, routes, dependencies)
      values ('shop', 'Shop', 'Toko', 'Sells.', 'Menjual.', '{/api/shop}', '{crm}') on conflict do nothing`;
    const { admin } = await newOffice();
    await isRefused(sets(admin, "crm", false), { code: "PT409", detail: "module_required", message: /Shop/ });
    await sets(admin, "shop", false);
    await sets(admin, "crm", false);
    await isRefused(sets(admin, "shop", true), { code: "PT409", detail: "module_dependency", message: /Contacts/ });
    await sets(admin, "crm", true);
    await sets(admin, "shop", true);
    await sql`delete from public.modules where id = 'shop'`;
  });

  test("is switched by people with the permission", async () => {
    const { tenant } = await newOffice();
    const manager = await newUser(tenant, "manager");
    await isRefused(sets(manager, "billing", false), { code: "PT403", detail: "forbidden" });
    await isRefused(calls(await newUser(tenant, "agent"), "list_modules"), { code: "PT403", detail: "forbidden" });
    await sets(await newUserWith(tenant, { permissions: ["modules.manage"] }), "billing", false);
  });
});

describe("campaigns of a tenant that switched broadcasts off", () => {
  const begins = (/** @type {string} */ holder) =>
    calls("service", "begin_sender_run", { holder, lease_seconds: 600, max_sessions: 50 });
  const claims = (/** @type {any} */ number, /** @type {string} */ holder) =>
    calls("service", "claim_recipients", { session_id: number.id, holder, batch_size: 1, lease_seconds: 600 });
  const endsRun = () => sql`delete from private.sender_leases`;

  test("neither start nor continue, and do both after it is switched on again", async () => {
    const { tenant, admin } = await newOffice();
    const [number, otherNumber] = [await newNumber(tenant), await newNumber(tenant)];
    const sending = await newCampaign(number, { status: "sending" });
    const due = await newCampaign(otherNumber, { status: "scheduled", scheduledAt: new Date(Date.now() - 1000) });
    await sets(admin, "broadcast", false);
    assert.deepEqual((await begins(randomUUID())).sessions, []);
    assert.deepEqual([(await campaignNow(sending)).status, (await campaignNow(due)).status], ["sending", "scheduled"]);
    assert.equal((await calls("service", "worker_health")).overdue_seconds, null, "no work is overdue");

    await sets(admin, "broadcast", true);
    const run = await begins(randomUUID());
    assert.deepEqual(
      run.sessions.map((/** @type {any} */ session) => session.session_id).sort(),
      [number.id, otherNumber.id].sort(),
    );
    assert.equal((await campaignNow(due)).status, "sending");
    await endsRun();
    await sql`update public.broadcast_campaigns set status = 'cancelled' where tenant_id = ${tenant.id}`;
  });

  test("stop in the middle of a run", async () => {
    const { tenant, admin } = await newOffice();
    const number = await newNumber(tenant);
    const campaign = await newCampaign(number, { status: "sending", recipients: 3 });
    const holder = randomUUID();
    await begins(holder);
    assert.equal((await claims(number, holder)).recipients.length, 1);
    await sets(admin, "broadcast", false);
    assert.equal(await claims(number, holder), null);
    assert.deepEqual((await recipientsOf(campaign)).map(({ status }) => status).sort(), [
      "pending",
      "pending",
      "sending",
    ]);
    await endsRun();
    await sets(admin, "broadcast", true);
    const next = randomUUID();
    assert.equal((await begins(next)).sessions.length, 1);
    assert.equal((await claims(number, next)).recipients.length, 1);
    await endsRun();
    await sql`update public.broadcast_campaigns set status = 'cancelled' where tenant_id = ${tenant.id}`;
  });
});
