// The contents of each role's lists and downloads: the customers in them, out of all customers.
import assert from "node:assert/strict";
import { randomUUID } from "node:crypto";
import { describe, test } from "node:test";
import { useApp } from "./app.mjs";
import { ROLES } from "./route-matrix.mjs";

const app = await useApp();
const FROM_MANAGER = ["super_admin", "admin", "manager"];
const FROM_ADMIN = ["super_admin", "admin"];
const SEES_ALL = [...FROM_MANAGER, "team_lead"];
const SEES_CONTACTS = [...SEES_ALL, "senior_agent"];

const people = Object.fromEntries(await Promise.all(ROLES.map(async (role) => [role, await app.newMember(role)])));
/**
 * The customers: one of each person, and one of an unassigned conversation.
 * @type {Record<string, { from: string, id: string, contact: any }>}
 */
const chats = {};
for (const role of [...ROLES, "unassigned"]) {
  const from = app.newCustomer();
  await app.receivesMessage({ from, name: `Pelanggan ${role}`, text: `rahasia ${role}` });
  const { id, contact } = await app.conversationWith(from);
  if (role !== "unassigned") await app.changes("conversations", `id=eq.${id}`, { assigned_to: app.idOf(people[role]) });
  chats[role] = { from, id, contact };
}
const allCustomers = Object.values(chats)
  .map(({ from }) => from)
  .sort();
const own = (/** @type {string} */ role) => [chats[role].from, chats.unassigned.from].sort();
const campaign = await app.createsCampaign(allCustomers);
const list = await app.succeeds("POST", "/api/broadcast/recipient-lists", {
  as: "manager",
  body: { name: `Daftar ${randomUUID()}`, recipients: allCustomers.map((phone_number) => ({ phone_number })) },
});

/** The customers that a text names. @param {unknown} body */
const named = (body) =>
  allCustomers.filter((from) => (typeof body === "string" ? body : JSON.stringify(body)).includes(from));

/**
 * Every table that can be downloaded, and the customers that each role finds in it.
 * @type {Record<string, { path: string, holds: (role: string) => string[] | null }>}
 */
const DOWNLOADS = {
  "contacts (csv)": {
    path: "/api/crm/contacts/export",
    holds: (role) => (FROM_MANAGER.includes(role) ? allCustomers : null),
  },
  "contacts of a search": {
    path: `/api/crm/contacts/export?search=${allCustomers[0]}`,
    holds: (role) => (FROM_MANAGER.includes(role) ? [allCustomers[0]] : null),
  },
  "recipients of a campaign": {
    path: `/api/broadcast/campaigns/${campaign.id}/recipients?format=csv`,
    holds: (role) => (FROM_MANAGER.includes(role) ? allCustomers : null),
  },
  "entries of a list": {
    path: `/api/broadcast/recipient-lists/${list.id}/entries?format=csv`,
    holds: (role) => (FROM_MANAGER.includes(role) ? allCustomers : null),
  },
  "the audit log": {
    path: "/api/audit-logs?format=csv&entity=contacts",
    holds: (role) => (FROM_ADMIN.includes(role) ? [] : null),
  },
  "all data of one person": {
    path: `/api/crm/contacts/${chats.agent.contact.id}/data`,
    holds: (role) => (FROM_ADMIN.includes(role) ? [chats.agent.from] : null),
  },
};

for (const role of ROLES) {
  describe(role, () => {
    test("lists and finds the conversations and contacts that the role may see", async () => {
      const as = people[role];
      const conversations = role === "restricted" ? null : SEES_ALL.includes(role) ? allCustomers : own(role);
      for (const query of [
        "",
        "&search=Pelanggan",
        "&status=open",
        ...(["guest", "restricted"].includes(role) ? [] : ["&search=rahasia"]),
      ]) {
        const { status, body } = await app.call("GET", `/api/conversations?limit=100${query}`, { as });
        assert.equal(status, conversations === null ? 403 : 200, query);
        if (conversations !== null) assert.deepEqual(named(body), conversations, query);
        if (role === "guest")
          assert.ok(!JSON.stringify(body).includes("rahasia"), "that they exist, but not their texts");
      }
      const contacts = role === "restricted" ? null : SEES_CONTACTS.includes(role) ? allCustomers : own(role);
      const { status, body } = await app.call("GET", "/api/crm/contacts?limit=100", { as });
      assert.equal(status, contacts === null ? 403 : 200);
      if (contacts !== null) assert.deepEqual(named(body), contacts);
    });

    for (const [name, { path, holds }] of Object.entries(DOWNLOADS)) {
      test(`downloads ${name}, or is refused`, async () => {
        const expected = holds(role);
        const { status, body } = await app.call("GET", path, { as: people[role] });
        assert.equal(status, expected === null ? 403 : 200, JSON.stringify(body).slice(0, 200));
        if (name !== "the audit log") assert.deepEqual(named(body), expected ?? []);
      });
    }
  });
}

test("a person of another tenant finds none of these customers in their own downloads", async () => {
  for (const [name, { path }] of Object.entries(DOWNLOADS)) {
    const { status, body } = await app.call("GET", path, { as: "stranger" });
    const ofOne = [campaign, list, chats.agent.contact].some(({ id }) => path.includes(id));
    assert.equal(status, ofOne ? 404 : 200, name);
    assert.deepEqual(named(body), [], name);
  }
});

test("a role that may export, but not see all contacts, exports none", async () => {
  const role = await app.succeeds("POST", "/api/rbac/roles", {
    as: "admin",
    body: {
      name: `Ekspor ${randomUUID()}`,
      level: 4,
      inherits: false,
      permissions: ["contacts.export", "conversations.view"],
    },
  });
  const clerk = await app.newMember("restricted");
  await app.succeeds("PUT", `/api/rbac/users/${app.idOf(clerk)}`, { as: "admin", body: { role_ids: [role.id] } });
  await app.refuses(403, "forbidden", "GET", "/api/crm/contacts/export", { as: clerk });
});
