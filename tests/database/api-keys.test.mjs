// API keys: how they are created, shown once, used as an identity of their own, and revoked.
import assert from "node:assert/strict";
import { randomUUID } from "node:crypto";
import { describe, test } from "node:test";
import { hasFields } from "../fields.mjs";
import { useDatabase, world } from "./database.mjs";
import { DENIED, isRefused } from "./refusals.mjs";

const {
  sql,
  as,
  requests,
  calls,
  newTenant,
  newUser,
  newRole,
  newApiKey,
  newNumber,
  newTemplate,
  predefined,
  receivesMessage,
} = await useDatabase();
const [ADMIN, MANAGER] = await predefined("admin", "manager");

const newOffice = async () => {
  const tenant = await newTenant();
  return { tenant, owner: await newUser(tenant, "super_admin"), admin: await newUser(tenant, "admin") };
};
const accessWith = (/** @type {string} */ secret, /** @type {any} */ user = null) =>
  requests(
    user,
    { "x-api-key": secret },
    async (sql) => (await sql`select public.current_access() as access`)[0].access,
  );

describe("a new API key", () => {
  test("is shown once, and only its hash is stored", async () => {
    const { tenant, admin } = await newOffice();
    const { key, ...made } = await calls(admin, "create_api_key", { name: "Toko online", role_id: MANAGER });
    assert.match(key, /^crm_[0-9a-f]{64}$/);
    hasFields(made, {
      name: "Toko online",
      prefix: key.slice(0, 12),
      status: "active",
      created_by: admin.id,
      expires_at: null,
      last_used_at: null,
    });
    assert.equal(made.role.key, "manager");
    const listed = await calls(admin, "list_api_keys", { page: 1, page_size: 10 });
    assert.deepEqual(listed, { total: 1, rows: [made] });

    // The database holds neither the key nor the part behind its prefix.
    const columns = await sql`
      select c.table_schema as schema, c.table_name as name from information_schema.tables c
      where c.table_schema in ('public', 'private') and c.table_type = 'BASE TABLE'`;
    for (const { schema, name } of columns) {
      const found = await sql`select from ${sql(`${schema}.${name}`)} t where strpos(t::text, ${key.slice(12)}) > 0`;
      assert.equal(found.count, 0, `${schema}.${name}`);
    }
    const [hash] =
      await sql`select key_hash = sha256(convert_to(${key}, 'UTF8')) as matches from private.api_key_secrets where api_key_id = ${made.id}`;
    assert.equal(hash.matches, true);
    assert.equal((await accessWith(key)).tenant.id, tenant.id);
  });

  test("differs from every other key", async () => {
    const { admin } = await newOffice();
    const keys = await Promise.all(
      [1, 2, 3].map(() => calls(admin, "create_api_key", { name: "Toko", role_id: MANAGER })),
    );
    assert.equal(new Set(keys.map(({ key }) => key)).size, 3);
  });

  test("is refused with a role that its creator may not give, a role of another tenant, or an expiry in the past", async () => {
    const { tenant, admin } = await newOffice();
    const makes = (/** @type {any} */ more) =>
      calls(admin, "create_api_key", { name: "Toko", role_id: MANAGER, ...more });
    await isRefused(makes({ role_id: ADMIN }), { code: "PT403", detail: "role_too_high", hint: "role_id" });
    const beyond = await newRole(tenant, { level: 2, permissions: ["admin.retention"] });
    await isRefused(makes({ role_id: beyond.id }), { code: "PT403", detail: "permission_not_held", hint: "role_id" });
    for (const roleId of [(await newRole(await newTenant())).id, randomUUID(), null]) {
      await isRefused(makes({ role_id: roleId }), { code: "PT422", detail: "invalid_field", hint: "role_id" });
    }
    await isRefused(makes({ expires_at: new Date(Date.now() - 1000) }), {
      code: "PT422",
      detail: "invalid_field",
      hint: "expires_at",
    });
    assert.equal((await sql`select from public.api_keys where tenant_id = ${tenant.id}`).count, 0);
  });

  test("is created and revoked by those with the permission", async () => {
    const { tenant, owner, admin } = await newOffice();
    const manager = await newUser(tenant, "manager");
    const forbidden = { code: "PT403", detail: "forbidden" };
    const key = await newApiKey(tenant, "agent");
    await isRefused(calls(manager, "create_api_key", { name: "Toko", role_id: MANAGER }), forbidden);
    await isRefused(calls(manager, "list_api_keys", { page: 1, page_size: 10 }), forbidden);
    await isRefused(calls(manager, "revoke_api_key", { key_id: key.id }), forbidden);
    const ended = await calls(admin, "revoke_api_key", { key_id: key.id });
    assert.equal(ended.status, "revoked");
    assert.equal(
      (await calls(owner, "revoke_api_key", { key_id: key.id })).revoked_at,
      ended.revoked_at,
      "the time of the first revocation stays",
    );
    const [{ revoked_by }] = await sql`select revoked_by from public.api_keys where id = ${key.id}`;
    assert.equal(revoked_by, admin.id);
    await isRefused(calls(await newUser(await newTenant(), "super_admin"), "revoke_api_key", { key_id: key.id }), {
      code: "PT404",
      detail: "not_found",
    });
  });
});

describe("a request", () => {
  test("with an API key acts as that key, with its role", async () => {
    const { tenant } = await newOffice();
    const key = await newApiKey(tenant, "agent");
    const access = await accessWith(key.secret);
    assert.deepEqual(
      [access.kind, access.user_id, access.display_name, access.tenant.id],
      ["api_key", key.id, "Shop", tenant.id],
    );
    assert.deepEqual(
      access.roles.map((/** @type {any} */ role) => role.key),
      ["agent"],
    );
    const agent = await calls(await newUser(tenant, "agent"), "current_access");
    assert.deepEqual(access.permissions, agent.permissions);
  });

  for (const [what, newKey, expected] of /** @type {[string, (tenant: any) => Promise<string>, any][]} */ ([
    ["that does not exist", async () => `crm_${randomUUID()}`, { code: "PT401", detail: "unknown_api_key" }],
    ["that is empty", async () => "", { code: "PT401", detail: "unknown_api_key" }],
    [
      "that is only a prefix",
      async (tenant) => (await newApiKey(tenant, "agent")).prefix,
      { code: "PT401", detail: "unknown_api_key" },
    ],
    [
      "that is an id",
      async (tenant) => (await newApiKey(tenant, "agent")).id,
      { code: "PT401", detail: "unknown_api_key" },
    ],
    [
      "that has expired",
      async (tenant) => (await newApiKey(tenant, "agent", { expiresAt: new Date(Date.now() - 1) })).secret,
      { code: "PT401", detail: "api_key_expired" },
    ],
    [
      "that is revoked",
      async (tenant) => (await newApiKey(tenant, "agent", { revokedAt: new Date() })).secret,
      { code: "PT401", detail: "api_key_revoked" },
    ],
  ])) {
    test(`with a key ${what} is refused`, async () => {
      await isRefused(accessWith(await newKey(await newTenant())), expected);
    });
  }

  test("with an API key reads the rows of its own tenant alone, as a person with that role does", async () => {
    const { tenant, admin } = await newOffice();
    const key = await newApiKey(tenant, "manager");
    const [{ conversation }, foreign] = [
      await receivesMessage(await newNumber(tenant)),
      await receivesMessage(await newNumber(await newTenant())),
    ];
    const seen = await requests(
      null,
      { "x-api-key": key.secret },
      async (sql) => sql`
      select c.id from public.conversations c where c.id in (${conversation.id}, ${foreign.conversation.id})`,
    );
    assert.deepEqual(
      seen.map(({ id }) => id),
      [conversation.id],
    );
    await isRefused(
      requests(null, { "x-api-key": key.secret }, (sql) => sql`update public.conversations set status = 'resolved'`),
      { code: DENIED },
    );
    await calls(admin, "revoke_api_key", { key_id: key.id });
    assert.equal(
      (await as(key, (sql) => sql`select from public.conversations`)).count,
      0,
      "a revoked key reads nothing",
    );
  });

  test("with an API key is identified in a read-only transaction, such as a GET", async () => {
    const key = await newApiKey(await newTenant(), "agent");
    const access = await sql.begin("read only", (sql) =>
      world(sql).requests(
        null,
        { "x-api-key": key.secret },
        async (sql) => (await sql`select public.current_access() as access`)[0].access,
      ),
    );
    assert.equal(access.user_id, key.id);
  });

  test("with a user's token acts as the user, even beside an API key", async () => {
    const { tenant, owner } = await newOffice();
    const [key, agent] = [await newApiKey(tenant, "admin"), await newUser(await newTenant(), "agent")];
    const access = await accessWith(key.secret, agent);
    assert.deepEqual([access.user_id, access.kind], [agent.id, "user"]);
    assert.equal((await accessWith("wrong", owner)).user_id, owner.id);
  });

  test("with the service key acts as the service, even beside an API key", async () => {
    const { tenant } = await newOffice();
    const key = await newApiKey(tenant, "agent");
    const [{ role }] = await requests(
      "service",
      { "x-api-key": key.secret },
      (sql) => sql`select current_user as role`,
    );
    assert.equal(role, "service_role");
  });

  test("without key and token stays anonymous", async () => {
    for (const headers of [{}, { "x-request-id": "1" }]) {
      const role = await requests(
        null,
        /** @type {any} */ (headers),
        async (sql) => (await sql`select current_user as role`)[0].role,
      );
      assert.equal(role, "anon");
    }
  });
});

test("a row that an API key writes names no person", async () => {
  const { tenant } = await newOffice();
  const number = await newNumber(tenant);
  const { conversation } = await receivesMessage(number);
  const [key, template] = [await newApiKey(tenant, "manager"), await newTemplate(tenant)];
  const { message } = await calls(key, "create_message", {
    conversation_id: conversation.id,
    type: "text",
    content: "Halo",
    payload: {},
  });
  assert.equal(message.sent_by, null);
  const campaign = await calls(key, "create_campaign", {
    name: "Promo",
    template_id: template.id,
    recipients: [{ wa_id: "6281234", variables: ["Rina"] }],
  });
  const [{ sender_id }] = await sql`select sender_id from public.broadcast_campaigns where id = ${campaign.id}`;
  assert.equal(sender_id, null);
  await sql`update public.broadcast_campaigns set status = 'cancelled' where id = ${campaign.id}`;
  const made = await calls(await newApiKey(tenant, "admin"), "create_api_key", { name: "Toko", role_id: MANAGER });
  assert.equal(made.created_by, null);
});
