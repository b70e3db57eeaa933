// How memberships end, and what becomes of the account, its sessions and the keys that the person created.
import assert from "node:assert/strict";
import { randomUUID } from "node:crypto";
import { describe, test } from "node:test";
import { useDatabase } from "./database.mjs";
import { isRefused } from "./refusals.mjs";

const {
  sql,
  as,
  calls,
  requests,
  newTenant,
  newStranger,
  newUser,
  newNumber,
  newApiKey,
  predefined,
  receivesMessage,
  assign,
} = await useDatabase();
const [AGENT, ADMIN] = await predefined("agent", "admin");

const newOffice = async () => {
  const tenant = await newTenant();
  return {
    tenant,
    owner: await newUser(tenant, "super_admin"),
    admin: await newUser(tenant, "admin"),
    agent: await newUser(tenant, "agent"),
  };
};
/** Gives a person a session of Auth. @param {{ id: string }} user */
const newSession = (user) => sql`insert into auth.sessions (id, user_id) values (${randomUUID()}, ${user.id})`;
const sessionsOf = async (/** @type {{ id: string }} */ user) =>
  (await sql`select from auth.sessions where user_id = ${user.id}`).count;
const accountOf = async (/** @type {{ id: string }} */ user) => ({
  ...(await sql`select * from auth.users where id = ${user.id}`)[0],
});
const deactivates = (/** @type {any} */ by, /** @type {any} */ user, more = {}) =>
  calls(by, "update_agent", { user_id: user.id, changes: { active: false, ...more } });
const takesBack = (/** @type {any} */ by, /** @type {any} */ user) =>
  calls(by, "update_agent", { user_id: user.id, changes: { active: true } });
const tenantOf = async (/** @type {any} */ user) => (await calls(user, "current_access"))?.tenant.id ?? null;
/** A key that a person has created. @param {{ id: string }} creator */
const creates = (creator) => calls(creator, "create_api_key", { name: "Toko", role_id: AGENT });
/** Brings a person in by an invitation. @param {any} by @param {any} person */
const joins = async (by, person, roleIds = [AGENT]) => {
  const [{ email }] = await sql`select email from auth.users where id = ${person.id}`;
  const { id } = await calls(by, "invite_agent", { email, display_name: "", role_ids: roleIds });
  const { token } = await calls("service", "prepare_invitation_mail", { invitation_id: id });
  return calls(person, "accept_invitation", { token });
};

describe("a person who is deactivated", () => {
  test("keeps the account as it is, and may open another organisation", async () => {
    const { admin, agent } = await newOffice();
    const before = await accountOf(agent);
    await newSession(agent);
    await deactivates(admin, agent);
    assert.equal(await tenantOf(agent), null);
    assert.equal(await sessionsOf(agent), 0);
    assert.deepEqual(await accountOf(agent), before, "neither banned nor changed");
    const own = await calls(agent, "create_tenant", { name: "Sendiri" });
    assert.equal(await tenantOf(agent), own.id);
  });

  test("is out of reach of the former organisation once they belong to another", async () => {
    const { tenant, owner, admin, agent } = await newOffice();
    await deactivates(admin, agent);
    const own = await calls(agent, "create_tenant", { name: "Sendiri" });
    await newSession(agent);
    await isRefused(takesBack(owner, agent), { code: "PT409", detail: "person_left" });
    await isRefused(calls(owner, "set_user_roles", { user_id: agent.id, role_ids: [ADMIN] }), {
      code: "PT409",
      detail: "person_left",
    });
    await deactivates(admin, agent);
    assert.deepEqual([await tenantOf(agent), await sessionsOf(agent)], [own.id, 1]);

    // what becomes of the account is none of the former organisation's business
    const [{ email }] = await sql`select email from auth.users where id = ${agent.id}`;
    const address = `${randomUUID()}@example.test`;
    await sql`update auth.users set email = ${address}, last_sign_in_at = now() where id = ${agent.id}`;
    const shown = await calls(owner, "get_agent", { user_id: agent.id });
    assert.deepEqual([shown.email, shown.left, shown.last_sign_in_at, shown.roles], [email, true, null, []]);
    const found = await calls(owner, "list_agents", { search: address, active: null, page: 1, page_size: 9 });
    assert.equal(found.total, 0);
    assert.notEqual(tenant.id, own.id);
  });

  test("can be taken back while they belong nowhere, with their roles", async () => {
    const { tenant, admin, agent } = await newOffice();
    await deactivates(admin, agent);
    const back = await takesBack(admin, agent);
    assert.deepEqual(
      [back.active, back.left, back.roles.map((/** @type {any} */ r) => r.key)],
      [true, false, ["agent"]],
    );
    assert.equal(await tenantOf(agent), tenant.id);
  });

  test("stays banned if the operator has banned them", async () => {
    const { admin, agent } = await newOffice();
    const until = new Date(Date.now() + 86_400_000);
    await sql`update auth.users set banned_until = ${until} where id = ${agent.id}`;
    await deactivates(admin, agent);
    await takesBack(admin, agent);
    assert.deepEqual((await accountOf(agent)).banned_until, until);
    assert.equal(await tenantOf(agent), null);
  });
});

describe("a person who leaves", () => {
  test("loses every right at once, gives open conversations back and keeps the account", async () => {
    const { tenant, agent } = await newOffice();
    const { conversation } = await receivesMessage(await newNumber(tenant));
    await assign(conversation, agent);
    await newSession(agent);
    const before = await accountOf(agent);
    await calls(agent, "leave_tenant");
    assert.equal(await tenantOf(agent), null);
    assert.equal((await as(agent, (sql) => sql`select from public.conversations`)).count, 0);
    assert.equal((await as(agent, (sql) => sql`select from public.profiles`)).count, 0);
    assert.deepEqual([await accountOf(agent), await sessionsOf(agent)], [before, 1]);
    const [left] = await sql`select assigned_to from public.conversations where id = ${conversation.id}`;
    assert.equal(left.assigned_to, null);
    await isRefused(calls(agent, "leave_tenant"), { code: "PT403", detail: "forbidden" });
  });

  test("is not the last Super Admin, and not a key", async () => {
    const { tenant, owner } = await newOffice();
    await isRefused(calls(owner, "leave_tenant"), { code: "PT409", detail: "last_super_admin" });
    assert.equal(await tenantOf(owner), tenant.id);
    await newUser(tenant, "super_admin");
    await calls(owner, "leave_tenant");
    await isRefused(calls(await newApiKey(tenant, "admin"), "leave_tenant"), { code: "PT403", detail: "forbidden" });
  });

  test("comes back by an invitation alone, with its roles alone", async () => {
    const { tenant, owner, admin, agent } = await newOffice();
    await calls(admin, "leave_tenant");
    await isRefused(takesBack(owner, admin), { code: "PT409", detail: "person_left" });
    const access = await joins(owner, admin);
    assert.deepEqual([access.tenant.id, access.roles.map((/** @type {any} */ r) => r.key)], [tenant.id, ["agent"]]);
    const shown = await calls(owner, "get_agent", { user_id: admin.id });
    assert.deepEqual([shown.active, shown.left, shown.display_name], [true, false, "admin"]);
    assert.notEqual(agent.id, admin.id);
  });

  test("takes no right along into another organisation, and hears nothing of the former", async () => {
    const former = await newOffice();
    const number = await newNumber(former.tenant);
    const { conversation, contact } = await receivesMessage(number);
    await assign(conversation, former.admin);
    await sql`update public.conversations set status = 'resolved' where id = ${conversation.id}`;
    await calls(former.admin, "leave_tenant");
    const { tenant, owner } = await newOffice();
    const access = await joins(owner, former.admin);
    assert.deepEqual([access.tenant.id, access.roles.map((/** @type {any} */ r) => r.key)], [tenant.id, ["agent"]]);
    assert.ok(!access.permissions.includes("agents.create"));
    const roles = await as(former.admin, (sql) => sql`select tenant_id from public.user_roles`);
    assert.ok(roles.every(({ tenant_id }) => tenant_id === tenant.id));

    const heard = async () =>
      (
        await sql`
        select from realtime.messages where topic ~ ${`^agent:${former.admin.id}:[0-9]+$`} and payload ->> 'id' = ${conversation.id}`
      ).count;
    const before = await heard();
    await sql`update public.conversations set priority = 'high' where id = ${conversation.id}`;
    assert.equal(await heard(), before);
    await receivesMessage(number, { from: contact.wa_id });
    const [reopened] = await sql`select status, assigned_to from public.conversations where id = ${conversation.id}`;
    assert.deepEqual([reopened.status, reopened.assigned_to], ["open", null]);
  });

  test("is noticed by a process that remembers the rights they had", async () => {
    const { tenant, owner, agent } = await newOffice();
    const other = await newOffice();
    const versionOf = async () => (await calls(agent, "current_access")).version;
    const remembered = String(await versionOf());
    await calls(agent, "leave_tenant");
    await joins(other.owner, agent);
    for (let i = 0; i < 20; i++) await sql`update public.tenants set slug = slug where id = ${other.tenant.id}`;
    await isRefused(
      requests(agent, { "x-access-version": remembered }, (sql) => sql`select 1`),
      { code: "PT409", detail: "access_changed" },
    );
    const versions = await sql`select version from private.access_versions`;
    assert.equal(new Set(versions.map(({ version }) => version)).size, versions.length);
    assert.notEqual(tenant.id, owner.id);
  });
});

describe("API keys of a person who goes", () => {
  test("are asked about, kept and shown", async () => {
    const { tenant, owner, admin } = await newOffice();
    const key = await creates(admin);
    const message = new RegExp(`Toko \\(${key.prefix}\\)`);
    const undecided = { code: "PT409", detail: "api_keys_undecided", hint: "api_keys", message };
    await isRefused(deactivates(owner, admin), undecided);
    await isRefused(calls(admin, "leave_tenant"), undecided);
    assert.equal(await tenantOf(admin), tenant.id);
    const listed = async () => (await calls(owner, "list_api_keys", { page: 1, page_size: 9 })).rows[0];
    assert.deepEqual([(await listed()).created_by, (await listed()).created_by_active], [admin.id, true]);
    await deactivates(owner, admin, { api_keys: "keep" });
    assert.deepEqual([(await listed()).status, (await listed()).created_by_active], ["active", false]);
  });

  test("are revoked where that is said", async () => {
    const { owner, admin } = await newOffice();
    await creates(admin);
    await isRefused(deactivates(owner, admin, { api_keys: "burn" }), {
      code: "PT422",
      detail: "invalid_field",
      hint: "api_keys",
    });
    await calls(admin, "leave_tenant", { api_keys: "revoke" });
    const [key] = (await calls(owner, "list_api_keys", { page: 1, page_size: 9 })).rows;
    assert.deepEqual([key.status, key.created_by_active], ["revoked", false]);
  });

  test("are revoked only by a person who may, and named only to a person who may see them", async () => {
    const { tenant, owner, admin } = await newOffice();
    const [{ key }] = [await creates(admin)];
    assert.ok(key);
    await sql`insert into public.roles (tenant_id, key, name, level, inherits) values (${tenant.id}, 'remover', 'Remover', 9, false)`;
    await sql`
      insert into public.role_permissions (role_id, permission_key)
      select id, 'agents.delete' from public.roles where tenant_id = ${tenant.id} and key = 'remover'`;
    const remover = await newUser(tenant, null);
    await sql`
      insert into public.user_roles (user_id, tenant_id, role_id)
      select ${remover.id}, ${tenant.id}, id from public.roles where tenant_id = ${tenant.id} and key = 'remover'`;
    await sql`update public.api_keys set created_by = ${(await newUser(tenant, "agent")).id} where tenant_id = ${tenant.id}`;
    const [{ created_by }] = await sql`select created_by from public.api_keys where tenant_id = ${tenant.id}`;
    await assert.rejects(deactivates(remover, { id: created_by }), (/** @type {any} */ error) => {
      assert.deepEqual([error.detail, error.message.includes("Toko")], ["api_keys_undecided", false]);
      return true;
    });
    await isRefused(deactivates(remover, { id: created_by }, { api_keys: "revoke" }), {
      code: "PT403",
      detail: "forbidden",
    });
    assert.ok(await tenantOf(owner));
  });
});

describe("names", () => {
  const UNSEEN = ["\u200b", "\u202e\u2066", " \u3164\u2800", "\u{e0020}", "\u00ad\ufeff"];

  test("that show nothing are refused by every table that has names", async () => {
    const { tenant, admin } = await newOffice();
    const rows = {
      tenants: (/** @type {string} */ name) => sql`update public.tenants set name = ${name} where id = ${tenant.id}`,
      profiles: (/** @type {string} */ name) =>
        sql`update public.profiles set display_name = ${name} where user_id = ${admin.id}`,
      roles: (/** @type {string} */ name) =>
        sql`insert into public.roles (tenant_id, key, name, level) values (${tenant.id}, ${`r_${randomUUID().slice(0, 8)}`}, ${name}, 2)`,
      labels: (/** @type {string} */ name) =>
        sql`insert into public.labels (tenant_id, name, color) values (${tenant.id}, ${name.trim()}, '#112233')`,
      segments: (/** @type {string} */ name) =>
        sql`insert into public.segments (tenant_id, name, filter) values (${tenant.id}, ${name.trim()}, '{}')`,
      invitations: (/** @type {string} */ name) =>
        sql`insert into public.invitations (tenant_id, email, role_ids, display_name) values (${tenant.id}, 'a@example.test', '{}', ${name})`,
    };
    for (const write of Object.values(rows)) for (const name of UNSEEN) await isRefused(write(name), { code: "23514" });
    for (const seen of ["سارة", "👩\u200d🌾", "Sari\u200b"]) await rows.profiles(seen);
  });
});

test("an account that was deleted by its owner leaves nothing that blocks the address", async () => {
  const { owner, agent } = await newOffice();
  const [{ email }] = await sql`select email from auth.users where id = ${agent.id}`;
  await sql`delete from auth.users where id = ${agent.id}`;
  const person = await newStranger();
  await sql`update auth.users set email = ${email} where id = ${person.id}`;
  assert.ok((await joins(owner, person)).tenant.id);
});
