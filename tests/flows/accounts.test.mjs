// Accounts belong to their owners: how people join by mail and leave, and what an organisation cannot do to an address.
import assert from "node:assert/strict";
import { randomUUID } from "node:crypto";
import { describe, test } from "node:test";
import { createClient } from "@supabase/supabase-js";
import { eventually, useApp } from "./app.mjs";

const app = await useApp();
const PASSWORD = "a-long-enough-password";
const newAddress = () => `${randomUUID()}@example.test`;
const client = () =>
  createClient(app.stack.supabase_url, app.stack.anon_key, {
    auth: { persistSession: false, autoRefreshToken: false },
  });
const bearer = (/** @type {string} */ token) => ({ headers: { authorization: `Bearer ${token}` } });
const agentRole = await app.roleId("agent");

/** Signs up, as anybody can. @param {string} [email] @returns {Promise<{ email: string, token: string }>} */
async function signsUp(email = newAddress()) {
  const { data, error } = await client().auth.signUp({ email, password: PASSWORD });
  assert.equal(error, null);
  return { email, token: String(data.session?.access_token) };
}

/** Invites an address. @param {string} email @param {object} [more] */
const invites = (email, { as = "admin", ...more } = {}) =>
  app.succeeds("POST", "/api/agents", { as, body: { email, display_name: "Sinta", role_ids: [agentRole], ...more } });

/** The mails to an address, the latest first. @param {string} address @returns {Promise<{ type: string, action_link: string }[]>} */
async function mailsTo(address) {
  const all = await (await fetch(`${app.stack.supabase_url}/_local/mails`)).json();
  return all.filter((/** @type {any} */ { to }) => to === address);
}

/** Follows the link of the latest mail to an address, as its owner. @param {string} address */
async function follows(address, expected = 1) {
  const [mail] = await eventually(`a mail to ${address}`, async () => {
    const mails = await mailsTo(address);
    return mails.length >= expected ? mails : null;
  });
  const response = await fetch(mail.action_link, { redirect: "manual" });
  const target = new URL(String(response.headers.get("location")));
  const result = new URLSearchParams(target.hash.slice(1));
  return {
    type: mail.type,
    invitation: String(target.searchParams.get("invitation")),
    token: String(result.get("access_token")),
    refreshToken: String(result.get("refresh_token")),
  };
}
/** @param {{ invitation: string, token: string }} link @param {object} [more] */
const accepting = ({ invitation, token }, more = {}) => ({ ...bearer(token), body: { token: invitation, ...more } });
const ACCEPT = "/api/agents/invitations/accept";

describe("an invited person", () => {
  test("without an account follows the link, chooses a password and is a member", async () => {
    const email = newAddress();
    const invitation = await invites(email.toUpperCase());
    assert.deepEqual([invitation.email, invitation.status, invitation.roles[0].key], [email, "open", "agent"]);
    const link = await follows(email);
    assert.equal(link.type, "invite");
    await app.refuses(403, "no_tenant", "GET", "/api/auth/me", bearer(link.token));
    const preview = await app.succeeds("GET", `${ACCEPT}?token=${link.invitation}`, bearer(link.token));
    assert.equal(preview.needs_password, true);
    for (const password of [undefined, "short", "x".repeat(73)]) {
      const refused = await app.refuses(422, "invalid_field", "POST", ACCEPT, accepting(link, { password }));
      assert.ok("password" in refused.body.error.fields);
    }
    const access = await app.succeeds("POST", ACCEPT, accepting(link, { password: PASSWORD }));
    assert.deepEqual([access.tenant.id, access.roles[0].key], [app.user("admin").tenant_id, "agent"]);
    const { data } = await client().auth.signInWithPassword({ email, password: PASSWORD });
    const me = await app.succeeds("GET", "/api/auth/me", bearer(String(data.session?.access_token)));
    assert.deepEqual([me.email, me.display_name], [email, "Sinta"]);
    await app.refuses(409, "email_taken", "POST", "/api/agents", {
      as: "admin",
      body: { email, role_ids: [agentRole] },
    });
    await app.refuses(409, "already_member", "POST", ACCEPT, accepting(link));
  });

  test("with an account gets a link to sign in, and keeps the password", async () => {
    const { email } = await signsUp();
    await invites(email);
    const link = await follows(email);
    assert.equal(link.type, "magiclink");
    await app.refuses(422, "invalid_field", "POST", ACCEPT, accepting(link, { password: "another-password" }));
    await app.succeeds("POST", ACCEPT, accepting(link));
    assert.equal((await client().auth.signInWithPassword({ email, password: PASSWORD })).error, null);
  });

  test("is not a member before, and another person does not become one with the link", async () => {
    const { email, token } = await signsUp();
    await invites(email);
    const link = await follows(email);
    await app.refuses(403, "no_tenant", "GET", "/api/auth/me", bearer(token));
    const other = await signsUp();
    await app.refuses(403, "other_address", "POST", ACCEPT, accepting({ ...link, token: other.token }));
    await app.refuses(404, "not_found", "POST", ACCEPT, accepting({ ...link, invitation: randomUUID() }));
    await app.refuses(401, "unauthorized", "POST", ACCEPT, { body: { token: link.invitation } });
  });

  test("is told that a link has ended, by withdrawal or by a later mail", async () => {
    const email = newAddress();
    const { id } = await invites(email);
    const link = await follows(email);
    await app.refuses(429, "too_many_requests", "POST", `/api/agents/invitations/${id}/resend`, { as: "admin" });
    const listed = await eventually("the mail is noted", async () => {
      const { data } = await app.succeeds("GET", "/api/agents/invitations?limit=100", { as: "admin" });
      return data.find((/** @type {any} */ open) => open.id === id && open.mailed_at !== null);
    });
    assert.equal(listed.email, email);
    assert.equal((await app.call("DELETE", `/api/agents/invitations/${id}`, { as: "admin" })).status, 204);
    await app.refuses(404, "not_found", "POST", ACCEPT, accepting(link, { password: PASSWORD }));
    const log = await app.rows("audit_logs", `entity=eq.invitations&entity_id=eq.${id}&order=id&select=action`);
    assert.deepEqual(
      log.map(({ action }) => action),
      ["invitations.created", "invitations.updated"],
    );
  });
});

describe("an organisation that anybody has opened", () => {
  /** @returns {Promise<string>} the token of its Super Admin */
  async function selfMade() {
    const { token } = await signsUp();
    await app.succeeds("POST", "/api/tenant", { ...bearer(token), body: { name: "Jahat" } });
    return token;
  }

  test("cannot tell whether an address has an account", async () => {
    const owner = await selfMade();
    const pending = newAddress();
    await app.auth("POST", "admin/users", { email: pending, password: PASSWORD, email_confirm: false });
    const member = await app.newMember("agent");
    const addresses = [newAddress(), (await signsUp()).email, pending, app.user(member).email];
    const answers = [];
    for (const email of addresses) {
      const { status, body } = await app.call("POST", "/api/agents", {
        ...bearer(owner),
        body: { email, role_ids: [agentRole] },
      });
      answers.push([status, Object.keys(body).sort(), body.status, body.mailed_at]);
    }
    for (const answer of answers) assert.deepEqual(answer, answers[0]);
    await eventually("every mail is noted alike", async () => {
      const { data } = await app.succeeds("GET", "/api/agents/invitations", bearer(owner));
      return data.length === addresses.length && data.every((/** @type {any} */ open) => open.mailed_at !== null);
    });
  });

  test("neither conscripts, replaces nor locks out the owner of an address", async () => {
    const owner = await selfMade();
    const { email, token } = await signsUp();
    const pending = newAddress();
    const { id } = await app.auth("POST", "admin/users", { email: pending, password: PASSWORD, email_confirm: false });
    for (const address of [email, pending])
      await app.succeeds("POST", "/api/agents", { ...bearer(owner), body: { email: address, role_ids: [agentRole] } });
    const { data } = await app.succeeds("GET", "/api/agents", bearer(owner));
    assert.equal(data.length, 1, "only the owner");
    const kept = await app.auth("GET", `admin/users/${id}`);
    assert.deepEqual([kept.email, kept.email_confirmed_at, kept.banned_until], [pending, undefined, undefined]);
    await app.succeeds("POST", "/api/tenant", { ...bearer(token), body: { name: "Sendiri" } });
    for (const field of ["password", "email_confirm"]) {
      const body = { email: newAddress(), role_ids: [agentRole], [field]: PASSWORD };
      const refused = await app.refuses(422, "invalid_field", "POST", "/api/agents", { ...bearer(owner), body });
      assert.ok(field in refused.body.error.fields);
    }
  });

  test("does not let in a stranger who has signed up with the address before its owner", async () => {
    const email = newAddress();
    await app.auth("POST", "admin/users", { email, password: "password-of-the-stranger", email_confirm: false });
    await invites(email);
    const link = await follows(email);
    // the address is confirmed now, so the stranger's password opens the account
    const stranger = await client().auth.signInWithPassword({ email, password: "password-of-the-stranger" });
    const strangersToken = String(stranger.data.session?.access_token);
    await app.refuses(404, "not_found", "POST", ACCEPT, accepting({ invitation: randomUUID(), token: strangersToken }));
    await app.refuses(422, "invalid_field", "POST", ACCEPT, accepting(link, { password: "password-of-the-stranger" }));
    await app.succeeds("POST", ACCEPT, accepting(link, { password: PASSWORD }));
    const again = await client().auth.signInWithPassword({ email, password: "password-of-the-stranger" });
    assert.equal(again.error?.code, "invalid_credentials");
    const refreshed = await client().auth.refreshSession({
      refresh_token: String(stranger.data.session?.refresh_token),
    });
    assert.ok(refreshed.error, "the stranger's session has ended");
    assert.equal((await client().auth.refreshSession({ refresh_token: link.refreshToken })).error, null);
  });

  test("cannot lift the ban of the operator, nor ban an account", async () => {
    const person = await app.newMember("agent");
    await app.auth("PUT", `admin/users/${app.idOf(person)}`, { ban_duration: "24h" });
    for (const active of [false, true])
      await app.succeeds("PATCH", `/api/agents/${app.idOf(person)}`, { as: "admin", body: { active } });
    const banned = await client().auth.signInWithPassword(app.user(person));
    assert.equal(banned.error?.code, "user_banned");
  });
});

describe("addresses", () => {
  test("that are too long or none are refused by name", async () => {
    for (const email of [
      "sinta",
      `${"a".repeat(65)}@example.test`,
      `a@${"toko.".repeat(50)}test`,
      `${"a".repeat(238)}@example.test`,
      `a@${"k".repeat(64)}.test`,
      "sinta\u200b@example.test",
    ]) {
      const refused = await app.refuses(422, "invalid_field", "POST", "/api/agents", {
        as: "admin",
        body: { email, role_ids: [agentRole] },
      });
      assert.deepEqual(Object.keys(refused.body.error.fields), ["email"]);
    }
    const longest = `${"a".repeat(60)}@${"k".repeat(60)}.${"k".repeat(60)}.${"k".repeat(60)}.test`;
    assert.equal((await invites(longest)).email, longest);
  });
});

describe("names that show nothing", () => {
  test("are refused wherever a name is given", async () => {
    const { token } = await signsUp();
    const person = await app.newMember("agent");
    for (const name of ["\u200b\u200b", "\u202e", "\u3164"]) {
      for (const [method, path, as, body] of /** @type {[string, string, string | null, object][]} */ ([
        ["POST", "/api/tenant", null, { name }],
        ["PATCH", `/api/agents/${app.idOf(person)}`, person, { display_name: name }],
        ["POST", "/api/agents", "admin", { email: newAddress(), role_ids: [agentRole], display_name: name }],
        ["POST", "/api/rbac/roles", "admin", { name, level: 2 }],
        ["POST", "/api/crm/labels", "admin", { name }],
        ["POST", "/api/api-keys", "admin", { name, role_id: agentRole }],
        ["POST", "/api/crm/contacts", "admin", { name, phone_number: `+${app.newCustomer()}` }],
      ])) {
        const refused = await app.refuses(
          422,
          "invalid_field",
          method,
          path,
          as ? { as, body } : { ...bearer(token), body },
        );
        assert.match(Object.keys(refused.body.error.fields).join(), /^(display_)?name$/, path);
      }
    }
  });
});

describe("leaving", () => {
  test("ends the membership at once, and the person opens an organisation of their own", async () => {
    const person = await app.newMember("agent");
    assert.equal((await app.call("POST", "/api/auth/leave", { as: person })).status, 204);
    await app.refuses(403, "no_tenant", "GET", "/api/auth/me", { as: person });
    await app.refuses(409, "person_left", "PATCH", `/api/agents/${app.idOf(person)}`, {
      as: "admin",
      body: { active: true },
    });
    const tenant = await app.succeeds("POST", "/api/tenant", { as: person, body: { name: "Sendiri" } });
    assert.equal((await app.succeeds("GET", "/api/auth/me", { as: person })).tenant.id, tenant.id);
    await app.refuses(409, "last_super_admin", "POST", "/api/auth/leave", { as: person });
    const shown = await app.succeeds("GET", `/api/agents/${app.idOf(person)}`, { as: "admin" });
    assert.deepEqual([shown.active, shown.left], [false, true]);
  });

  test("asks about API keys that the person has created, as deactivating does", async () => {
    const owner = await app.newMember("super_admin");
    const [first, second] = [await app.newMember("admin"), await app.newMember("admin")];
    const keyOf = (/** @type {string} */ as) =>
      app.succeeds("POST", "/api/api-keys", { as, body: { name: "Kasir", role_id: agentRole } });
    const [kept, revoked] = [await keyOf(first), await keyOf(second)];
    const undecided = await app.refuses(409, "api_keys_undecided", "DELETE", `/api/agents/${app.idOf(first)}`, {
      as: owner,
    });
    assert.ok(undecided.body.error.fields.api_keys.includes(kept.prefix));
    await app.succeeds("DELETE", `/api/agents/${app.idOf(first)}?api_keys=keep`, { as: owner });
    await app.succeeds("GET", "/api/auth/me", bearer(kept.key));
    await app.refuses(409, "api_keys_undecided", "POST", "/api/auth/leave", { as: second });
    const left = await app.call("POST", "/api/auth/leave", { as: second, body: { api_keys: "revoke" } });
    assert.equal(left.status, 204);
    await app.refuses(401, "api_key_revoked", "GET", "/api/auth/me", bearer(revoked.key));
    const { data } = await app.succeeds("GET", "/api/api-keys?limit=100", { as: owner });
    const shown = data.find((/** @type {any} */ key) => key.id === kept.id);
    assert.deepEqual([shown.created_by_active, shown.status], [false, "active"]);
    await app.refuses(403, "forbidden", "POST", "/api/auth/leave", { ...bearer(kept.key), body: {} });
  });
});
