// Organisations: created by a person who signs up, together with the first Super Admin, and their settings.
import assert from "node:assert/strict";
import { randomUUID } from "node:crypto";
import { describe, test } from "node:test";
import { useDatabase } from "./database.mjs";
import { isRefused } from "./refusals.mjs";

const { sql, calls, newTenant, newStranger, newUser, newApiKey } = await useDatabase();
/** A person who signed in anonymously. */
async function newAnonymous() {
  const id = randomUUID();
  await sql`insert into auth.users (id, is_anonymous) values (${id}, true)`;
  return { id };
}
const someName = () => `Toko ${randomUUID()}`;

describe("sign-up", () => {
  test("creates the organisation and its Super Admin", async () => {
    const person = await newStranger();
    const slug = `toko-${randomUUID()}`;
    const tenant = await calls(person, "create_tenant", {
      name: "Toko Kopi",
      slug,
      timezone: "Asia/Makassar",
      locale: "en",
      display_name: "Rina",
    });
    assert.deepEqual(
      [tenant.name, tenant.slug, tenant.timezone, tenant.locale],
      ["Toko Kopi", slug, "Asia/Makassar", "en"],
    );
    assert.deepEqual(
      [tenant.agents_see_unassigned, tenant.business_hours, tenant.audit_retention_days],
      [true, {}, 365],
    );
    const access = await calls(person, "current_access");
    assert.deepEqual(
      [access.tenant.id, access.display_name, access.roles.map((/** @type {any} */ role) => role.key)],
      [tenant.id, "Rina", ["super_admin"]],
    );
  });

  test("sets Jakarta's time zone and Indonesian unless the request says otherwise", async () => {
    const tenant = await calls(await newStranger(), "create_tenant", { name: someName() });
    assert.deepEqual([tenant.timezone, tenant.locale], ["Asia/Jakarta", "id"]);
  });

  test("derives a short name if none is given", async () => {
    const word = randomUUID().slice(0, 8);
    const slugs = [];
    for (const name of [`Kopi & Teh ${word}!`, `kopi teh ${word}`, "店", "- -", "x".repeat(200)]) {
      slugs.push((await calls(await newStranger(), "create_tenant", { name })).slug);
    }
    assert.equal(slugs[0], `kopi-teh-${word}`);
    assert.match(slugs[1], new RegExp(`^kopi-teh-${word}-[0-9a-f]{12}$`));
    assert.match(slugs[2], /^org(-[0-9a-f]{12})?$/);
    assert.match(slugs[4], /^x{40}(-[0-9a-f]{12})?$/);
  });

  for (const [what, newPerson, expected] of /** @type {[string, () => Promise<any>, any][]} */ ([
    [
      "an unconfirmed address",
      () => newStranger({ confirmed: false }),
      { code: "PT403", detail: "email_not_confirmed" },
    ],
    ["an anonymous person", newAnonymous, { code: "PT403", detail: "email_not_confirmed" }],
    [
      "a token of an unknown user",
      async () => ({ id: randomUUID() }),
      { code: "PT403", detail: "email_not_confirmed" },
    ],
    ["a token without a user", async () => ({ id: undefined }), { code: "PT403", detail: "email_not_confirmed" }],
    [
      "an API key",
      async () => newApiKey(await newTenant(), "super_admin"),
      { code: "PT403", detail: "email_not_confirmed" },
    ],
    [
      "a member of another organisation",
      async () => newUser(await newTenant(), "agent"),
      { code: "PT409", detail: "already_member" },
    ],
  ])) {
    test(`is refused to ${what}, and leaves nothing`, async () => {
      const slug = `toko-${randomUUID()}`;
      await isRefused(calls(await newPerson(), "create_tenant", { name: "Toko", slug }), expected);
      assert.equal((await sql`select from public.tenants where slug = ${slug}`).count, 0);
    });
  }

  test("is refused to a banned person", async () => {
    const person = await newStranger();
    await sql`update auth.users set banned_until = now() + interval '1 hour' where id = ${person.id}`;
    await isRefused(calls(person, "create_tenant", { name: someName() }), {
      code: "PT403",
      detail: "email_not_confirmed",
    });
  });

  test("is refused with a short name that is taken, or an unknown time zone", async () => {
    const [person, taken] = [await newStranger(), await newTenant()];
    await isRefused(calls(person, "create_tenant", { name: "Toko", slug: taken.slug }), {
      code: "PT409",
      detail: "slug_taken",
      hint: "slug",
    });
    await isRefused(calls(person, "create_tenant", { name: "Toko", timezone: "Asia/Bandung" }), {
      code: "PT422",
      detail: "invalid_field",
      hint: "timezone",
    });
    assert.equal(await calls(person, "current_access"), null);
  });

  test("leaves no organisation without its Super Admin", async () => {
    const [person, slug] = [await newStranger(), `toko-${randomUUID()}`];
    // The profile refuses such a name after the organisation was created.
    await isRefused(calls(person, "create_tenant", { name: "Toko", slug, display_name: "x".repeat(201) }), {
      code: "23514",
    });
    assert.equal((await sql`select from public.tenants where slug = ${slug}`).count, 0);
    assert.equal(await calls(person, "current_access"), null);
  });

  test("twice at the same time creates one", async () => {
    const person = await newStranger();
    const results = await Promise.allSettled([1, 2, 3].map(() => calls(person, "create_tenant", { name: someName() })));
    assert.deepEqual(results.map(({ status }) => status).sort(), ["fulfilled", "rejected", "rejected"]);
    for (const result of results) {
      if (result.status === "rejected") assert.equal(result.reason.detail, "already_member");
    }
  });
});

describe("the settings of an organisation", () => {
  test("change one by one, by name", async () => {
    const tenant = await newTenant();
    const owner = await newUser(tenant, "super_admin");
    const before = await calls(owner, "get_tenant");
    const hours = { monday: [{ from: "09:00", to: "17:00" }] };
    const slug = `toko-${randomUUID()}`;
    const changes = {
      name: "Toko Baru",
      slug,
      timezone: "Asia/Jayapura",
      locale: "en",
      business_hours: hours,
      agents_see_unassigned: false,
      audit_retention_days: 90,
    };
    const changed = await calls(owner, "update_tenant", { changes });
    assert.deepEqual({ ...changed, updated_at: null }, { ...before, ...changes, updated_at: null });
    assert.deepEqual(await calls(owner, "get_tenant"), changed);
    const { name, ...kept } = await calls(owner, "update_tenant", { changes: { name: "Lagi" } });
    assert.deepEqual([name, kept.slug, kept.business_hours], ["Lagi", slug, hours]);
  });

  test("are those of the caller's own organisation, even if the changes name another", async () => {
    const [tenant, other] = [await newTenant(), await newTenant()];
    const changed = await calls(await newUser(tenant, "super_admin"), "update_tenant", {
      changes: { id: other.id, tenant_id: other.id, name: "Diambil", created_at: "2020-01-01" },
    });
    assert.equal(changed.id, tenant.id);
    const rows = await sql`select id, name from public.tenants where id in (${tenant.id}, ${other.id})`;
    assert.equal(rows.find(({ id }) => id === other.id)?.name, other.name);
    assert.notEqual(changed.created_at, "2020-01-01");
  });

  test("need their permissions", async () => {
    const tenant = await newTenant();
    const [admin, manager, agent] = [
      await newUser(tenant, "admin"),
      await newUser(tenant, "manager"),
      await newUser(tenant, "agent"),
    ];
    const forbidden = { code: "PT403", detail: "forbidden" };
    await isRefused(calls(admin, "update_tenant", { changes: { audit_retention_days: 30 } }), forbidden);
    await isRefused(calls(manager, "update_tenant", { changes: { name: "X" } }), forbidden);
    assert.equal((await calls(manager, "get_tenant")).id, tenant.id);
    await isRefused(calls(agent, "get_tenant"), forbidden);
  });

  test("refuse invalid values", async () => {
    const owner = await newUser(await newTenant(), "super_admin");
    const taken = await newTenant();
    await isRefused(calls(owner, "update_tenant", { changes: { timezone: "Mars" } }), {
      code: "PT422",
      detail: "invalid_field",
      hint: "timezone",
    });
    await isRefused(calls(owner, "update_tenant", { changes: { slug: taken.slug } }), {
      code: "PT409",
      detail: "slug_taken",
      hint: "slug",
    });
    for (const changes of [
      { audit_retention_days: 29 },
      { locale: "fr" },
      { business_hours: [] },
      { name: "" },
      { slug: "A B" },
    ]) {
      await isRefused(calls(owner, "update_tenant", { changes }), { code: "23514" });
    }
  });
});
