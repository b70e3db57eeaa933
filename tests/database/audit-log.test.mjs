// Storing and reading the audit log: it is append-only, belongs to one tenant, is read page by page, and its entries
// are pruned after their retention.
import assert from "node:assert/strict";
import { randomUUID } from "node:crypto";
import { describe, test } from "node:test";
import { rolledBack, useDatabase } from "./database.mjs";
import { DENIED, isRefused } from "./refusals.mjs";

const { sql, as, asAnon, asService, calls, newTenant, newUser, newUserWith, newApiKey } = await useDatabase();

const newOffice = async () => {
  const tenant = await newTenant();
  return { tenant, owner: await newUser(tenant, "super_admin") };
};
/** Entries of an action of their own. @param {{ id: string }} tenant @param {number} count @param {any} [more] */
const writes = (tenant, count, { action = "test.done", actor = null, entity = "things", days = 0 } = {}) => sql`
  insert into public.audit_logs (tenant_id, actor_type, actor_id, action, entity, entity_id, occurred_at)
  select ${tenant.id}, ${actor === null ? "system" : "user"}, ${actor}::uuid, ${action}, ${entity}, n::text, now() - make_interval(days => ${days})
  from generate_series(1, ${count}::integer) n`;
const countOf = async (/** @type {{ id: string }} */ tenant, on = sql) =>
  (await on`select from public.audit_logs where tenant_id = ${tenant.id}`).count;
const list = (/** @type {any} */ user, parameters = {}) => calls(user, "list_audit_logs", parameters);
const idsOf = (/** @type {any} */ page) => page.rows.map((/** @type {any} */ row) => row.entity_id);

describe("the audit log is append-only:", () => {
  const ATTEMPTS = {
    update: (/** @type {any} */ sql, /** @type {any} */ tenant) =>
      sql`update public.audit_logs set action = 'x' where tenant_id = ${tenant.id}`,
    delete: (/** @type {any} */ sql, /** @type {any} */ tenant) =>
      sql`delete from public.audit_logs where tenant_id = ${tenant.id}`,
    truncate: (/** @type {any} */ sql) => sql`truncate public.audit_logs`,
  };
  for (const [what, attempt] of Object.entries(ATTEMPTS)) {
    test(`its owner cannot ${what}`, async () => {
      const { tenant } = await newOffice();
      const before = await countOf(tenant);
      assert.ok(before > 0);
      await isRefused(attempt(sql, tenant), { code: DENIED, message: /append-only/ });
      assert.equal(await countOf(tenant), before);
    });

    test(`the service, a Super Admin and a stranger cannot ${what}`, async () => {
      const { tenant, owner } = await newOffice();
      await isRefused(
        asService((sql) => attempt(sql, tenant)),
        { code: DENIED },
      );
      await isRefused(
        as(owner, (sql) => attempt(sql, tenant)),
        { code: DENIED },
      );
      await isRefused(
        asAnon((sql) => attempt(sql, tenant)),
        { code: DENIED },
      );
    });
  }

  test("only the database itself writes into it", async () => {
    const { tenant, owner } = await newOffice();
    const insert = (/** @type {any} */ sql) =>
      sql`insert into public.audit_logs (tenant_id, actor_type, action) values (${tenant.id}, 'system', 'x')`;
    await isRefused(as(owner, insert), { code: DENIED });
    await isRefused(asService(insert), { code: DENIED });
    await isRefused(
      as(owner, (sql) => sql`select private.record_event('x', 'user', ${owner.id}, null, null, null)`),
      { code: DENIED },
    );
  });
});

describe("the audit log is read", () => {
  test("newest first, without entries of other tenants", async () => {
    const [{ tenant, owner }, { tenant: other }] = [await newOffice(), await newOffice()];
    await writes(tenant, 3);
    await writes(other, 3, { action: "test.elsewhere" });
    const page = await list(owner, { entity: "things" });
    assert.deepEqual([idsOf(page), page.next_cursor], [["3", "2", "1"], null]);
    const [row] = page.rows;
    assert.deepEqual(Object.keys(row).sort(), [
      "action",
      "actor_id",
      "actor_name",
      "actor_type",
      "after",
      "before",
      "entity",
      "entity_id",
      "id",
      "ip",
      "occurred_at",
      "request_id",
    ]);
    assert.equal(typeof row.id, "string");
    const all = await list(owner, { page_size: 1000 });
    assert.equal(all.rows.length, await countOf(tenant));
  });

  test("by those with the permission", async () => {
    const { tenant } = await newOffice();
    await writes(tenant, 1);
    const [manager, auditor, key] = [
      await newUser(tenant, "manager"),
      await newUserWith(tenant, { permissions: ["audit.view"] }),
      await newApiKey(tenant, "admin"),
    ];
    await isRefused(list(manager), { code: "PT403", detail: "forbidden" });
    for (const caller of [auditor, key]) assert.deepEqual(idsOf(await list(caller, { action: "test.done" })), ["1"]);
    assert.equal((await as(manager, (sql) => sql`select from public.audit_logs`)).count, 0);
    await isRefused(list({ id: randomUUID() }), { code: "PT403", detail: "forbidden" });
  });

  test("with filters for actor, action, entity and time", async () => {
    const { tenant, owner } = await newOffice();
    const actor = randomUUID();
    await writes(tenant, 1, { actor, action: "test.one" });
    await writes(tenant, 2, { action: "test.two", days: 5 });
    await writes(tenant, 3, { entity: "others", action: "test.three", days: 10 });
    const ago = (/** @type {number} */ days) => new Date(Date.now() - days * 86_400_000);
    const found = async (/** @type {any} */ filter) =>
      (await list(owner, filter)).rows
        .map((/** @type {any} */ row) => row.action)
        .filter((/** @type {string} */ action) => action.startsWith("test."));
    assert.deepEqual(await found({ actor }), ["test.one"]);
    assert.deepEqual(await found({ action: "test.two" }), ["test.two", "test.two"]);
    assert.deepEqual(await found({ entity: "others" }), ["test.three", "test.three", "test.three"]);
    assert.deepEqual(await found({ entity: "others", entity_id: "2" }), ["test.three"]);
    assert.deepEqual(await found({ since: ago(7), until: ago(3) }), ["test.two", "test.two"]);
    assert.deepEqual(await found({ until: ago(3), entity: "things", entity_id: "1", action: "test.two" }), [
      "test.two",
    ]);
    assert.deepEqual(await found({ actor: randomUUID() }), []);
    assert.deepEqual(await found({ action: "test.%" }), []);
  });

  test("page by page without a gap, while entries are added", async () => {
    const { tenant, owner } = await newOffice();
    await writes(tenant, 25);
    const seen = [];
    let cursor = null;
    do {
      const page = /** @type {any} */ (await list(owner, { entity: "things", page_size: 4, before_id: cursor }));
      assert.ok(page.rows.length <= 4);
      seen.push(...idsOf(page));
      cursor = page.next_cursor;
      await Promise.all([writes(tenant, 1), writes(tenant, 2, { entity: "others" })]);
    } while (cursor !== null);
    assert.deepEqual(
      seen,
      Array.from({ length: 25 }, (_, i) => String(25 - i)),
    );
  });

  test("to its end when the last page is exactly full", async () => {
    const { tenant, owner } = await newOffice();
    await writes(tenant, 4);
    const page = await list(owner, { entity: "things", page_size: 4 });
    assert.deepEqual([page.rows.length, page.next_cursor], [4, null]);
    assert.deepEqual(await list(owner, { entity: "things", before_id: page.rows[3].id }), {
      rows: [],
      next_cursor: null,
    });
  });
});

describe("an entry is pruned", () => {
  // Pruning covers every tenant, so it runs in a transaction of its own.
  test("when it is older than its tenant's retention", async () => {
    const [{ tenant, owner }, { tenant: longer }] = [await newOffice(), await newOffice()];
    await calls(owner, "update_tenant", { changes: { audit_retention_days: 30 } });
    for (const one of [tenant, longer]) {
      await writes(one, 2, { action: "test.old", days: 31 });
      await writes(one, 2, { action: "test.new", days: 29 });
    }
    await rolledBack(sql, async ({ sql, calls }) => {
      assert.ok((await calls("service", "prune_audit_logs")) >= 2);
      const left = async (/** @type {any} */ tenant, /** @type {string} */ action) =>
        (await sql`select from public.audit_logs where tenant_id = ${tenant.id} and action = ${action}`).count;
      assert.deepEqual([await left(tenant, "test.old"), await left(tenant, "test.new")], [0, 2]);
      assert.deepEqual([await left(longer, "test.old"), await left(longer, "test.new")], [2, 2]);
      // The log is append-only again at once.
      await isRefused(
        sql.savepoint((sql) => sql`delete from public.audit_logs where tenant_id = ${tenant.id}`),
        { code: DENIED },
      );
    });
  });

  test("after a year if its tenant no longer exists", async () => {
    const gone = { id: randomUUID() };
    await writes(gone, 2, { days: 366 });
    await writes(gone, 3, { days: 364 });
    await rolledBack(sql, async ({ sql, calls }) => {
      await calls("service", "prune_audit_logs");
      assert.equal(await countOf(gone, sql), 3);
    });
  });

  test("in batches, oldest first", async () => {
    const { tenant } = await newOffice();
    for (const days of [500, 400, 450]) await writes(tenant, 1, { action: `test.${days}`, days });
    const left = async (/** @type {any} */ on) =>
      (
        await on`select action from public.audit_logs where tenant_id = ${tenant.id} and action like 'test.%' order by 1`
      ).map((/** @type {any} */ row) => row.action);
    await rolledBack(sql, async ({ sql, calls }) => {
      await calls("service", "prune_audit_logs", { batch: 1 });
      assert.deepEqual(await left(sql), ["test.400", "test.450"]);
      await calls("service", "prune_audit_logs", { batch: 1 });
      assert.deepEqual(await left(sql), ["test.400"]);
    });
  });
});
