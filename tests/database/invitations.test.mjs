// Invitations: how a person joins, and what a tenant cannot do with an address that is not its own.
import assert from "node:assert/strict";
import { randomUUID } from "node:crypto";
import { describe, test } from "node:test";
import { hasFields } from "../fields.mjs";
import { rolledBack, useDatabase } from "./database.mjs";
import { isRefused } from "./refusals.mjs";

const { sql, as, calls, newTenant, newStranger, newUser, newUserWith, newRole, newApiKey, predefined } =
  await useDatabase();
const [SUPER_ADMIN, ADMIN, MANAGER, AGENT] = await predefined("super_admin", "admin", "manager", "agent");

const newOffice = async () => {
  const tenant = await newTenant();
  return { tenant, admin: await newUser(tenant, "admin"), agent: await newUser(tenant, "agent") };
};
const someAddress = () => `${randomUUID()}@example.test`;
const invites = (/** @type {any} */ user, email = someAddress(), /** @type {any} */ more = {}) =>
  calls(user, "invite_agent", { email, display_name: "Baru", role_ids: [AGENT], ...more });
/** The token that the mail of an invitation has. @param {{ id: string }} invitation */
const mailed = async ({ id }) => (await calls("service", "prepare_invitation_mail", { invitation_id: id })).token;
const accepts = (/** @type {any} */ person, /** @type {string} */ token) =>
  calls(person, "accept_invitation", { token });
/** Lets the minute between two mails pass. @param {{ id: string }} tenant */
const aMinuteLater = (tenant) =>
  sql`update private.invitation_mails set asked_at = asked_at - interval '1 minute' where tenant_id = ${tenant.id}`;
const keysOf = (/** @type {any[]} */ roles) => roles.map(({ key }) => key).sort();
const UNKNOWN = { code: "PT404", detail: "not_found" };

describe("an invitation", () => {
  test("makes the person who accepts it a member, with its roles, once", async () => {
    const { tenant, admin } = await newOffice();
    const role = await newRole(tenant);
    const person = await newStranger();
    const invitation = await invites(admin, ` ${person.email.toUpperCase()} `, {
      role_ids: [AGENT, role.id, role.id],
      locale: "en",
    });
    hasFields(invitation, { email: person.email, status: "open", invited_by: admin.id, mailed_at: null });
    const token = await mailed(invitation);
    const preview = await calls(person, "preview_invitation", { token });
    assert.deepEqual([preview.organisation, keysOf(preview.roles)], [tenant.name, ["agent", role.key].sort()]);
    const access = await accepts(person, token);
    assert.deepEqual([access.tenant.id, keysOf(access.roles)], [tenant.id, ["agent", role.key].sort()]);
    const told = await calls(admin, "get_agent", { user_id: person.id });
    hasFields(told, { email: person.email, display_name: "Baru", locale: "en", active: true });
    assert.equal((await calls(admin, "list_invitations", { page: 1, page_size: 10 })).total, 0);
    await calls(person, "leave_tenant");
    await isRefused(accepts(person, token), UNKNOWN);
  });

  test("of an address with an account, of any kind, is told as that of an address without one", async () => {
    const { admin } = await newOffice();
    const elsewhere = await newUser(await newTenant(), "agent");
    const [member] = await sql`select email from auth.users where id = ${elsewhere.id}`;
    const addresses = [
      someAddress(),
      (await newStranger()).email,
      (await newStranger({ confirmed: false })).email,
      member.email,
    ];
    const told = [];
    for (const email of addresses) {
      const { id, email: shown, created_at, expires_at, ...rest } = await invites(admin, email);
      assert.equal(shown, email);
      assert.ok(id && created_at && expires_at);
      told.push(rest);
    }
    for (const answer of told) assert.deepEqual(answer, told[0]);
    assert.notEqual(await calls(elsewhere, "current_access"), null);
  });

  test("changes no account before its owner accepts it", async () => {
    const { admin } = await newOffice();
    const people = [await newStranger(), await newStranger({ confirmed: false })];
    const accounts = () =>
      sql`select * from auth.users where id = any (${people.map(({ id }) => id)}::uuid[]) order by id`;
    const before = await accounts();
    for (const person of people) {
      await mailed(await invites(admin, person.email));
      assert.equal(await calls(person, "current_access"), null);
    }
    assert.deepEqual([...(await accounts())], [...before]);
    await calls(people[0], "create_tenant", { name: "Sendiri" });
  });

  test("is refused to a person with another address, with none that is confirmed, and to a key", async () => {
    const { tenant, admin } = await newOffice();
    const person = await newStranger();
    const token = await mailed(await invites(admin, person.email));
    await isRefused(accepts(await newStranger(), token), { code: "PT403", detail: "other_address" });
    await sql`update auth.users set email_confirmed_at = null where id = ${person.id}`;
    await isRefused(accepts(person, token), { code: "PT403", detail: "email_not_confirmed" });
    await isRefused(accepts(await newApiKey(tenant, "admin"), token), { code: "PT403", detail: "email_not_confirmed" });
    await sql`update auth.users set email_confirmed_at = now(), banned_until = now() + interval '1 day' where id = ${person.id}`;
    await isRefused(accepts(person, token), { code: "PT403", detail: "email_not_confirmed" });
    await isRefused(accepts(await newStranger(), randomUUID()), UNKNOWN);
    assert.equal(await calls(person, "current_access"), null);
  });

  test("is refused to a member of another tenant until they leave it", async () => {
    const { tenant, admin } = await newOffice();
    const other = await newTenant();
    await newUser(other, "super_admin");
    const member = await newUser(other, "manager");
    const [{ email }] = await sql`select email from auth.users where id = ${member.id}`;
    const token = await mailed(await invites(admin, email));
    await isRefused(accepts(member, token), { code: "PT409", detail: "already_member" });
    await calls(member, "leave_tenant");
    assert.equal((await accepts(member, token)).tenant.id, tenant.id);
  });

  test("expires after seven days", async () => {
    const { admin } = await newOffice();
    const person = await newStranger();
    const invitation = await invites(admin, person.email);
    const token = await mailed(invitation);
    await sql`update public.invitations set expires_at = now() where id = ${invitation.id}`;
    await isRefused(accepts(person, token), { code: "PT409", detail: "invitation_expired" });
    assert.equal(await calls("service", "prepare_invitation_mail", { invitation_id: invitation.id }), null);
    const [listed] = (await calls(admin, "list_invitations", { page: 1, page_size: 10 })).rows;
    assert.equal(listed.status, "expired");
  });

  test("again renews the open one, and ends the link of the mail before", async () => {
    const { tenant, admin } = await newOffice();
    const person = await newStranger();
    const first = await invites(admin, person.email, { role_ids: [MANAGER] });
    const token = await mailed(first);
    await aMinuteLater(tenant);
    const again = await invites(admin, person.email, { display_name: "Lain", role_ids: [AGENT] });
    assert.deepEqual([again.id, again.display_name, keysOf(again.roles)], [first.id, "Lain", ["agent"]]);
    await isRefused(accepts(person, token), UNKNOWN);
    const second = await mailed(again);
    await aMinuteLater(tenant);
    await calls(admin, "resend_invitation", { invitation_id: again.id });
    await isRefused(accepts(person, second), UNKNOWN);
    assert.deepEqual(keysOf((await accepts(person, await mailed(again))).roles), ["agent"]);
  });

  test("is refused for an address of the own organisation, and for what is no address", async () => {
    const { admin, agent } = await newOffice();
    const [{ email }] = await sql`select email from auth.users where id = ${agent.id}`;
    await isRefused(invites(admin, email), { code: "PT409", detail: "email_taken", hint: "email" });
    for (const wrong of [
      "x",
      `${"a".repeat(65)}@example.test`,
      `a@${"example.".repeat(40)}test`,
      "a\u200b@example.test",
    ]) {
      await isRefused(invites(admin, wrong), { code: "PT422", detail: "invalid_field", hint: "email" });
    }
  });

  test("is refused without a role, and with one that may not be given", async () => {
    const { admin } = await newOffice();
    for (const roleIds of [[], [randomUUID()]]) {
      await isRefused(invites(admin, someAddress(), { role_ids: roleIds }), {
        code: "PT422",
        detail: "invalid_field",
        hint: "role_ids",
      });
    }
    for (const role of [ADMIN, SUPER_ADMIN]) {
      await isRefused(invites(admin, someAddress(), { role_ids: [role] }), {
        code: "PT403",
        detail: "role_too_high",
        hint: "role_ids",
      });
    }
  });

  test("can be neither changed, sent again nor withdrawn by a person who could not have made it", async () => {
    const { tenant, admin, agent } = await newOffice();
    const owner = await newUser(tenant, "super_admin");
    const invitation = await invites(owner, someAddress(), { role_ids: [ADMIN] });
    await aMinuteLater(tenant);
    const tooHigh = { code: "PT403", detail: "role_too_high" };
    await isRefused(invites(admin, invitation.email), tooHigh);
    const stranger = await newUser(await newTenant(), "super_admin");
    for (const name of ["resend_invitation", "withdraw_invitation"]) {
      const call = (/** @type {any} */ user) => calls(user, name, { invitation_id: invitation.id });
      await isRefused(call(admin), tooHigh);
      await isRefused(call(agent), { code: "PT403", detail: "forbidden" });
      await isRefused(call(stranger), UNKNOWN);
    }
    const remover = await newUserWith(tenant, { level: 9, permissions: ["agents.delete"] });
    const low = await invites(owner);
    await calls(remover, "withdraw_invitation", { invitation_id: low.id });
  });

  test("that is withdrawn cannot be accepted", async () => {
    const { admin } = await newOffice();
    const person = await newStranger();
    const invitation = await invites(admin, person.email);
    const token = await mailed(invitation);
    await calls(admin, "withdraw_invitation", { invitation_id: invitation.id });
    await isRefused(accepts(person, token), UNKNOWN);
    await isRefused(calls(admin, "withdraw_invitation", { invitation_id: invitation.id }), UNKNOWN);
    assert.equal(await calls("service", "prepare_invitation_mail", { invitation_id: invitation.id }), null);
  });

  test("gives no role of a tenant that it is not of", async () => {
    const { tenant } = await newOffice();
    const [person, foreign] = [await newStranger(), await newRole(await newTenant())];
    const [invitation] = await sql`
      insert into public.invitations (tenant_id, email, role_ids) values (${tenant.id}, ${person.email}, ${[AGENT, foreign.id]}) returning id`;
    assert.deepEqual(keysOf((await accepts(person, await mailed(/** @type {any} */ (invitation)))).roles), ["agent"]);
  });

  test("is withdrawn when the person who made it goes", async () => {
    const { tenant, admin } = await newOffice();
    const owner = await newUser(tenant, "super_admin");
    const person = await newStranger();
    const token = await mailed(await invites(admin, person.email, { role_ids: [MANAGER] }));
    await calls(owner, "update_agent", { user_id: admin.id, changes: { active: false } });
    await isRefused(accepts(person, token), UNKNOWN);
  });

  test("ends when the person who made it could not make it any more", async () => {
    const { tenant, admin } = await newOffice();
    const recruiter = await newRole(tenant, { level: 5, permissions: ["agents.create"] });
    for (const [roles, given, opens] of /** @type {[any[], any, boolean][]} */ ([
      [[AGENT], AGENT, false],
      [[recruiter.id], MANAGER, false],
      [[recruiter.id], (await newRole(tenant, { level: 4 })).id, true],
    ])) {
      const person = await newStranger();
      const token = await mailed(await invites(admin, person.email, { role_ids: [given] }));
      await rolledBack(sql, async ({ sql, calls }) => {
        await sql`delete from public.user_roles where user_id = ${admin.id}`;
        await sql`insert into public.user_roles (user_id, tenant_id, role_id) select ${admin.id}, ${tenant.id}, id from unnest(${roles}::uuid[]) id`;
        const accepting = calls(person, "accept_invitation", { token });
        if (opens) assert.equal((await accepting).tenant.id, tenant.id);
        else await isRefused(accepting, { code: "PT409", detail: "invitation_expired" });
      });
    }
  });

  test("of a key ends with the key", async () => {
    const { tenant } = await newOffice();
    for (const end of ["revoked_at", "expires_at"]) {
      const key = await newApiKey(tenant, "admin");
      const person = await newStranger();
      const token = await mailed(await invites(key, person.email));
      assert.ok(await calls(person, "preview_invitation", { token }));
      await sql`update public.api_keys set ${sql(end)} = now() where id = ${key.id}`;
      for (const name of ["preview_invitation", "accept_invitation"])
        await isRefused(calls(person, name, { token }), { code: "PT409", detail: "invitation_expired" });
    }
  });

  test("is also made by a key", async () => {
    const { tenant } = await newOffice();
    const invitation = await invites(await newApiKey(tenant, "admin"));
    assert.equal(invitation.invited_by, null);
  });

  test("is read by no client beside its answer: neither the token nor who asked for mails", async () => {
    const { admin } = await newOffice();
    await mailed(await invites(admin));
    for (const table of ["invitation_secrets", "invitation_mails"]) {
      await isRefused(
        as(admin, (sql) => sql`select * from ${sql(`private.${table}`)}`),
        { code: "42501" },
      );
    }
  });
});

describe("an account whose address was confirmed after an invitation", () => {
  const needsPassword = async (/** @type {any} */ person, /** @type {string} */ token) =>
    (await calls(person, "preview_invitation", { token })).needs_password;

  test("needs a new password, since a stranger may have chosen the one that it has", async () => {
    const { tenant, admin } = await newOffice();
    const person = await newStranger({ confirmed: false });
    const first = await invites(admin, person.email);
    await sql`update auth.users set email_confirmed_at = now() + interval '1 second' where id = ${person.id}`;
    assert.equal(await needsPassword(person, await mailed(first)), true);
    // another mail, and another invitation, do not make the old password trustworthy
    await aMinuteLater(tenant);
    await calls(admin, "resend_invitation", { invitation_id: first.id });
    assert.equal(await needsPassword(person, await mailed(first)), true);
    const elsewhere = await newOffice();
    const other = await invites(elsewhere.admin, person.email);
    assert.equal(await needsPassword(person, await mailed(other)), true);
    await accepts(person, await mailed(other));
    await calls(person, "leave_tenant");
    assert.equal(await needsPassword(person, await mailed(first)), false, "the owner has chosen one by now");
  });

  test("and one that was confirmed before keeps its own", async () => {
    const { admin } = await newOffice();
    const person = await newStranger();
    await sql`update auth.users set email_confirmed_at = now() - interval '1 second' where id = ${person.id}`;
    assert.equal(await needsPassword(person, await mailed(await invites(admin, person.email))), false);
  });
});

describe("the limits of invitations", () => {
  const TOO_MANY = { code: "PT429", detail: "too_many_requests" };

  test("are one mail a minute to an address", async () => {
    const { admin } = await newOffice();
    const invitation = await invites(admin);
    await isRefused(invites(admin, invitation.email), TOO_MANY);
    await isRefused(calls(admin, "resend_invitation", { invitation_id: invitation.id }), TOO_MANY);
    await calls(admin, "withdraw_invitation", { invitation_id: invitation.id });
    await isRefused(invites(admin, invitation.email), TOO_MANY);
  });

  test("are 200 mails in a day, and 100 invitations at a time", async () => {
    const { tenant, admin } = await newOffice();
    await sql`
      insert into private.invitation_mails (tenant_id, email)
      select ${tenant.id}, n || '@example.test' from generate_series(1, 200) n`;
    await isRefused(invites(admin), TOO_MANY);
    await sql`update private.invitation_mails set asked_at = now() - interval '25 hours' where tenant_id = ${tenant.id}`;
    await sql`
      insert into public.invitations (tenant_id, email, role_ids)
      select ${tenant.id}, n || '@example.test', ${[AGENT]} from generate_series(1, 100) n`;
    await isRefused(invites(admin), { code: "PT409", detail: "too_many" });
    await sql`update public.invitations set expires_at = now() where tenant_id = ${tenant.id}`;
    await invites(admin);
    const [{ kept }] = await sql`
      select count(*)::integer as kept from private.invitation_mails where tenant_id = ${tenant.id}`;
    assert.equal(kept, 1, "what is older than a day is gone");
  });

  test("are ten mails a day to an address, whichever tenants ask, and no tenant is told", async () => {
    const email = someAddress();
    const answers = [];
    for (let i = 0; i < 11; i++) {
      const { admin } = await newOffice();
      const { id } = await invites(admin, email);
      const prepared = await calls("service", "prepare_invitation_mail", { invitation_id: id });
      if (prepared) await calls("service", "record_invitation_mail", { invitation_id: id });
      const [listed] = (await calls(admin, "list_invitations", { page: 1, page_size: 1 })).rows;
      answers.push([prepared !== null, listed.mailed_at !== null]);
    }
    assert.deepEqual(answers, [...Array(10).fill([true, true]), [false, true]]);
  });
});
