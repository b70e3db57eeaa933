// Membership of tenants, the permissions of roles, and the conversations that people see.
import assert from "node:assert/strict";
import { randomUUID } from "node:crypto";
import { describe, test } from "node:test";
import { useDatabase } from "./database.mjs";
import { isRefused, NO_SUCH_ROW } from "./refusals.mjs";

const {
  sql,
  as,
  asAnon,
  newTenant,
  newStranger,
  newUser,
  newUserWith,
  newRole,
  newNumber,
  giveRole,
  deactivate,
  receivesMessage,
  newOutbound,
  assign,
  delivers,
  newCampaign,
} = await useDatabase();

const accessOf = async (/** @type {{ id: string }} */ user, claims = {}) => {
  const [row] = await as(user, (sql) => sql`select public.current_access() as access`, claims);
  return row.access;
};

/** @param {{ id: string }} user @param {string} permission */
const may = async (user, permission) => {
  const [row] = await as(user, (sql) => sql`select private.has_permission(${permission}) as may`);
  return row.may;
};

// The table of the specification, 'RBAC System', with the permissions each line needs.
const RIGHTS = {
  "Manage users": {
    needs: ["agents.create", "agents.update", "agents.delete", "rbac.manage_users"],
    admin: true,
    manager: false,
    agent: false,
  },
  "Manage WhatsApp numbers": { needs: ["numbers.manage"], admin: true, manager: true, agent: false },
  "Create broadcasts": { needs: ["broadcasts.create", "broadcasts.send"], admin: true, manager: true, agent: false },
  "View all chats": { needs: ["conversations.view_all"], admin: true, manager: true, agent: false },
  "Reply to assigned chats": {
    needs: ["conversations.view", "messages.view", "messages.send"],
    admin: true,
    manager: true,
    agent: true,
  },
  "View analytics": { needs: ["reports.view"], admin: true, manager: true, agent: false },
};

describe("rights", () => {
  for (const role of /** @type {const} */ (["admin", "manager", "agent"])) {
    test(`of ${role} are those of the specification`, async () => {
      const user = await newUser(await newTenant(), role);
      const { permissions } = await accessOf(user);
      for (const [action, { needs, ...expected }] of Object.entries(RIGHTS)) {
        for (const permission of needs) {
          assert.equal(
            permissions.includes(permission),
            expected[role],
            `${action}: ${permission} as reported to the API`,
          );
          assert.equal(await may(user, permission), expected[role], `${action}: ${permission} as policies ask`);
        }
      }
    });
  }

  test("of several roles add up", async () => {
    const user = await newUser(await newTenant(), "agent");
    await giveRole(user, "manager");
    const { roles, permissions } = await accessOf(user);
    assert.deepEqual(
      roles.map((/** @type {any} */ role) => role.key),
      ["manager", "agent"],
    );
    assert.ok(permissions.includes("conversations.view_all"));
    assert.ok(!permissions.includes("rbac.manage_users"));
  });

  test("are empty without a role", async () => {
    const user = await newUser(await newTenant(), null);
    const access = await accessOf(user);
    assert.deepEqual([access.roles, access.permissions], [[], []]);
    assert.equal(await may(user, "messages.view"), false);
  });

  test("include no unknown permission", async () => {
    assert.equal(await may(await newUser(await newTenant(), "admin"), "no.such"), false);
  });
});

describe("current_access", () => {
  test("identifies the caller", async () => {
    const tenant = await newTenant();
    const user = await newUser(tenant, "admin");
    const { permissions, roles, modules, version, ...access } = await accessOf(user);
    assert.deepEqual(access, {
      kind: "user",
      user_id: user.id,
      display_name: "admin",
      locale: "id",
      tenant: { id: tenant.id, name: tenant.name, slug: tenant.slug, timezone: "Asia/Jakarta", locale: "id" },
      disabled_permissions: [],
    });
    assert.deepEqual(
      roles.map((/** @type {any} */ role) => [role.key, role.level]),
      [["admin", 9]],
    );
    assert.ok(permissions.length > 0);
    assert.ok(modules.includes("core"));
    assert.ok(version > 0);
  });

  test("is null for a person without a tenant and for a token without a user", async () => {
    assert.equal(await accessOf(await newStranger()), null);
    assert.equal(await accessOf({ id: randomUUID() }), null);
    assert.equal(await accessOf(/** @type {any} */ ({ id: undefined })), null);
  });

  test("is null for a deactivated user", async () => {
    assert.equal(await accessOf(await newUser(await newTenant(), "admin", { deactivated: true })), null);
  });

  test("is refused without a token", async () => {
    await isRefused(
      asAnon((sql) => sql`select public.current_access()`),
      { code: "42501" },
    );
  });
});

describe("a tenant", () => {
  test("is not chosen by metadata a user can edit, nor by claims", async () => {
    const [own, other] = [await newTenant(), await newTenant()];
    const metadata = { tenant_id: other.id, role: "admin", roles: ["admin"] };
    const user = await newUser(own, "agent", { metadata });
    const claims = { user_metadata: metadata, app_metadata: metadata, tenant_id: other.id };
    const access = await accessOf(user, claims);
    assert.equal(access.tenant.id, own.id);
    assert.deepEqual(
      access.roles.map((/** @type {any} */ role) => role.key),
      ["agent"],
    );
    const tenants = await as(user, (sql) => sql`select id from public.tenants`, claims);
    assert.deepEqual(
      tenants.map(({ id }) => id),
      [own.id],
    );
  });

  test("is not taken from metadata for a person without a profile", async () => {
    const { id } = await newTenant();
    const stranger = await newStranger({ metadata: { tenant_id: id } });
    assert.equal(await accessOf(stranger, { user_metadata: { tenant_id: id } }), null);
  });

  test("shows its people and roles to members only", async () => {
    const [own, other] = [await newTenant(), await newTenant()];
    const [agent, colleague, foreigner] = [
      await newUser(own, "agent"),
      await newUser(own, "admin"),
      await newUser(other, "admin"),
    ];
    const role = await newRole(other);
    const people = await as(agent, (sql) => sql`select user_id from public.profiles`);
    assert.deepEqual(people.map((person) => person.user_id).sort(), [agent.id, colleague.id].sort());
    const seen = async (/** @type {any} */ user) =>
      (await as(user, (sql) => sql`select id from public.roles where id = ${role.id}`)).length;
    assert.deepEqual([await seen(agent), await seen(foreigner)], [0, 1]);
  });

  test("cannot be mixed with another, even in direct writes", async () => {
    const [own, other] = [await newTenant(), await newTenant()];
    const [number, foreignNumber] = [await newNumber(own), await newNumber(other)];
    const { conversation, contact } = await receivesMessage(number);
    const foreigner = await newUser(other, "agent");
    const refused = { code: NO_SUCH_ROW };
    await isRefused(
      sql`update public.conversations set assigned_to = ${foreigner.id} where id = ${conversation.id}`,
      refused,
    );
    await isRefused(
      sql`update public.conversations set tenant_id = ${other.id} where id = ${conversation.id}`,
      refused,
    );
    await isRefused(
      sql`insert into public.conversations (tenant_id, session_id, contact_id) values (${own.id}, ${foreignNumber.id}, ${contact.id})`,
      refused,
    );
    await isRefused(
      sql`update public.messages set session_id = ${foreignNumber.id} where conversation_id = ${conversation.id}`,
      refused,
    );
    const campaign = await newCampaign(number);
    await isRefused(
      sql`update public.broadcast_campaigns set session_id = ${foreignNumber.id} where id = ${campaign.id}`,
      refused,
    );
    await isRefused(
      sql`update public.broadcast_campaigns set sender_id = ${foreigner.id} where id = ${campaign.id}`,
      refused,
    );
    await isRefused(
      sql`update public.broadcast_recipients set tenant_id = ${other.id} where campaign_id = ${campaign.id}`,
      refused,
    );
  });
});

test("a deactivated user loses all access at once", async () => {
  const tenant = await newTenant();
  const number = await newNumber(tenant);
  const admin = await newUser(tenant, "admin");
  const { conversation } = await receivesMessage(number);
  await newCampaign(number);
  const tables = [
    "tenants",
    "profiles",
    "roles",
    "permissions",
    "role_permissions",
    "user_roles",
    "whatsapp_sessions",
    "contacts",
    "conversations",
    "messages",
    "broadcast_templates",
    "broadcast_campaigns",
    "broadcast_recipients",
  ];
  const countsOf = () =>
    Promise.all(
      tables.map(async (table) => {
        const [row] = await as(admin, (sql) => sql`select count(*)::integer as n from ${sql("public." + table)}`);
        return row.n;
      }),
    );
  for (const [i, n] of (await countsOf()).entries()) assert.ok(n > 0, `${tables[i]} has rows to hide`);

  await deactivate(admin);
  assert.deepEqual(
    await countsOf(),
    tables.map(() => 0),
  );
  assert.equal(await accessOf(admin), null);
  assert.equal(await may(admin, "messages.send"), false);
  const reply = as(admin, (sql) => sql`select public.create_message(${conversation.id}, 'text', 'Halo', '{}')`);
  await isRefused(reply, { code: "PT403", detail: "forbidden" });
});

describe("a permission opens its own tables alone:", () => {
  const SEEN = {
    // without the right to view messages, through our functions alone
    "conversations.view": [],
    "conversations.view_all": [],
    "messages.view": [],
    "conversations.view, messages.view": ["conversations", "contacts", "messages"],
    "messages.send": [],
    "contacts.view": ["contacts"],
    "broadcasts.view": ["broadcast_templates", "broadcast_campaigns", "broadcast_recipients"],
    "broadcasts.create, broadcasts.send": [],
    "templates.view": ["broadcast_templates"],
    "agents.view, numbers.manage, reports.view, audit.view": [],
  };
  for (const [permissions, expected] of Object.entries(SEEN)) {
    test(permissions, async () => {
      const tenant = await newTenant();
      const number = await newNumber(tenant);
      const user = await newUserWith(tenant, { permissions: permissions.split(", ") });
      await receivesMessage(number);
      await newCampaign(number);
      const tables = [
        "conversations",
        "contacts",
        "messages",
        "broadcast_templates",
        "broadcast_campaigns",
        "broadcast_recipients",
      ];
      const seen = [];
      for (const table of tables) {
        if ((await as(user, (sql) => sql`select from ${sql("public." + table)}`)).count > 0) seen.push(table);
      }
      assert.deepEqual(seen, expected);
    });
  }
});

describe("the inbox", () => {
  /** The conversation as the caller sees it, in every place where it could appear. */
  const viewOf = async (/** @type {any} */ user, /** @type {any} */ { conversation, contact, outbound }) =>
    as(user, async (sql) => {
      const [tables] = await sql`
        select
          (select count(*)::integer from public.conversations where id = ${conversation.id}) as conversations,
          (select count(*)::integer from public.contacts where id = ${contact.id}) as contacts,
          (select count(*)::integer from public.messages where conversation_id = ${conversation.id}) as messages,
          (select count(*)::integer from public.message_status_events where message_id = ${outbound.id}) as statuses`;
      const [answers] = await sql`
        select
          public.get_conversation(${conversation.id}) is not null as one,
          public.read_thread(${conversation.id}, null, null, null, false, 50) is not null as thread,
          public.list_inbox('{}', 'newest', null, 1, 50) as list`;
      const listed = answers.list.rows.filter((/** @type {any} */ row) => row.id === conversation.id).length;
      assert.equal(answers.list.total, answers.list.rows.length, "the total counts the caller's rows");
      return { ...tables, one: answers.one, thread: answers.thread, listed };
    });
  const ALL = { conversations: 1, contacts: 1, messages: 2, statuses: 1, one: true, thread: true, listed: 1 };
  const NOTHING = { conversations: 0, contacts: 0, messages: 0, statuses: 0, one: false, thread: false, listed: 0 };

  /** A conversation with a message, an answer and its status. */
  const newConversation = async (/** @type {any} */ number, /** @type {any} */ assignee) => {
    const { conversation, contact } = await receivesMessage(number);
    const outbound = await newOutbound(conversation);
    const status = {
      phone_number_id: number.meta_phone_number_id,
      wamid: outbound.whatsapp_message_id,
      status: "delivered",
      timestamp: 1_700_000_000,
    };
    await delivers({ statuses: [status] });
    await assign(conversation, assignee);
    return { conversation, contact, outbound };
  };

  test("shows everything to admins and managers, and to agents their own and unassigned conversations", async () => {
    const tenant = await newTenant();
    const number = await newNumber(tenant);
    const [admin, manager, agent, colleague, powerless] = await Promise.all(
      /** @type {const} */ (["admin", "manager", "agent", "agent", null]).map((role) => newUser(tenant, role)),
    );
    const foreigner = await newUser(await newTenant(), "admin");
    const [own, unassigned, colleagues] = [
      await newConversation(number, agent),
      await newConversation(number, null),
      await newConversation(number, colleague),
    ];
    for (const user of [admin, manager]) {
      for (const conversation of [own, unassigned, colleagues]) assert.deepEqual(await viewOf(user, conversation), ALL);
    }
    assert.deepEqual(await viewOf(agent, own), ALL);
    assert.deepEqual(await viewOf(agent, unassigned), ALL);
    assert.deepEqual(await viewOf(agent, colleagues), NOTHING);
    for (const conversation of [own, unassigned, colleagues]) {
      assert.deepEqual(await viewOf(foreigner, conversation), NOTHING);
      assert.deepEqual(await viewOf(powerless, conversation), NOTHING);
    }
    await assign(own.conversation, colleague);
    assert.deepEqual(await viewOf(agent, own), NOTHING);
    assert.deepEqual(await viewOf(colleague, own), ALL);
  });

  test("hides unassigned conversations from agents if the tenant says so", async () => {
    const tenant = await newTenant({ agentsSeeUnassigned: false });
    const number = await newNumber(tenant);
    const [agent, manager] = [await newUser(tenant, "agent"), await newUser(tenant, "manager")];
    const [own, unassigned] = [await newConversation(number, agent), await newConversation(number, null)];
    assert.deepEqual(await viewOf(agent, own), ALL);
    assert.deepEqual(await viewOf(agent, unassigned), NOTHING);
    assert.deepEqual(await viewOf(manager, unassigned), ALL);
  });

  test("pages a thread without a gap, and refuses a cursor of another thread", async () => {
    const tenant = await newTenant();
    const number = await newNumber(tenant);
    const admin = await newUser(tenant, "admin");
    const { conversation } = await receivesMessage(number, { from: "62811" });
    for (let i = 0; i < 6; i++) await receivesMessage(number, { from: "62811" });
    const other = await receivesMessage(number);
    const page = async (/** @type {string | null} */ before) => {
      const [row] = await as(
        admin,
        (sql) => sql`select public.read_thread(${conversation.id}, 'before', ${before}, null, false, 3) as page`,
      );
      return row.page;
    };
    const seen = [];
    let cursor = null;
    do {
      const { rows, older, total } = await page(cursor);
      assert.equal(total, 7);
      seen.push(...rows.map((/** @type {any} */ row) => row.id));
      cursor = older;
    } while (cursor !== null);
    assert.equal(seen.length, 7);
    assert.equal(new Set(seen).size, 7);
    await isRefused(page(other.message.id), { code: "PT422", detail: "invalid_field", hint: "before" });
  });
});
