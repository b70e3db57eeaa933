// People of a tenant: invitations, changes and deactivation.
import assert from "node:assert/strict";
import { randomUUID } from "node:crypto";
import { describe, test } from "node:test";
import { useDatabase } from "./database.mjs";
import { isRefused } from "./refusals.mjs";

const {
  sql,
  as,
  calls,
  newTenant,
  newStranger,
  newUser,
  newUserWith,
  newRole,
  newNumber,
  newApiKey,
  predefined,
  receivesMessage,
  assign,
} = await useDatabase();
const [SUPER_ADMIN, MANAGER, AGENT] = await predefined("super_admin", "manager", "agent");

const newOffice = async () => {
  const tenant = await newTenant();
  return {
    tenant,
    admin: await newUser(tenant, "admin"),
    agent: await newUser(tenant, "agent"),
    colleague: await newUser(tenant, "agent"),
  };
};
const keysOf = (/** @type {any[]} */ roles) => roles.map(({ key }) => key).sort();

describe("the operator's add_member", () => {
  test("makes an account a member", async () => {
    const [tenant, person] = [await newTenant(), await newStranger()];
    const role = await newRole(tenant);
    const agent = await calls("service", "add_member", {
      tenant_id: tenant.id,
      user_id: person.id,
      display_name: "Rina",
      role_keys: ["agent", role.key],
    });
    assert.deepEqual([agent.display_name, keysOf(agent.roles)], ["Rina", ["agent", role.key].sort()]);
  });

  test("is refused if a part does not exist, and leaves nothing", async () => {
    const [tenant, person] = [await newTenant(), await newStranger()];
    const foreign = await newRole(await newTenant());
    const adds = (/** @type {any} */ more) =>
      calls("service", "add_member", {
        tenant_id: tenant.id,
        user_id: person.id,
        display_name: "Rina",
        role_keys: ["agent"],
        ...more,
      });
    await isRefused(adds({ tenant_id: randomUUID() }), { code: "PT404", detail: "not_found", hint: "tenant" });
    for (const keys of [[], ["no_such"], ["agent", "no_such"], [foreign.key]]) {
      await isRefused(adds({ role_keys: keys }), { code: "PT422", detail: "invalid_field", hint: "role" });
    }
    assert.equal((await sql`select from public.profiles where user_id = ${person.id}`).count, 0);
    await adds({});
    await isRefused(adds({}), { code: "PT409", detail: "email_taken", hint: "email" });
  });
});

describe("people", () => {
  test("are listed by name, searched and paged", async () => {
    const tenant = await newTenant();
    const admin = await newUser(tenant, "admin");
    for (const [i, name] of ["Citra", "adi", "Budi"].entries()) {
      const user = await newUser(tenant, "agent", { deactivated: i === 2 });
      await sql`update public.profiles set display_name = ${name} where user_id = ${user.id}`;
    }
    await newUser(await newTenant(), "agent");
    const list = async (/** @type {any} */ more = {}) => {
      const { total, rows } = await calls(admin, "list_agents", {
        search: null,
        active: null,
        page: 1,
        page_size: 50,
        ...more,
      });
      return [total, rows.map((/** @type {any} */ row) => row.display_name)];
    };
    assert.deepEqual(await list(), [4, ["adi", "admin", "Budi", "Citra"]]);
    assert.deepEqual(await list({ page: 2, page_size: 3 }), [4, ["Citra"]]);
    assert.deepEqual(await list({ active: true }), [3, ["adi", "admin", "Citra"]]);
    assert.deepEqual(await list({ active: false }), [1, ["Budi"]]);
    assert.deepEqual(await list({ search: "UD" }), [1, ["Budi"]]);
    assert.deepEqual(await list({ search: "%" }), [0, []]);
  });

  test("are shown with their roles and open conversations, to their own tenant", async () => {
    const { tenant, admin, agent } = await newOffice();
    const number = await newNumber(tenant);
    for (const status of ["open", "resolved", "pending"]) {
      const { conversation } = await receivesMessage(number);
      await assign(conversation, agent);
      await sql`update public.conversations set status = ${status} where id = ${conversation.id}`;
    }
    const shown = await calls(admin, "get_agent", { user_id: agent.id });
    assert.deepEqual([shown.id, keysOf(shown.roles), shown.open_conversations], [agent.id, ["agent"], 2]);
    assert.equal(await calls(await newUser(await newTenant(), "admin"), "get_agent", { user_id: agent.id }), null);
  });
});

describe("a change of a person", () => {
  test("sets the named properties", async () => {
    const { admin, agent } = await newOffice();
    const changed = await calls(admin, "update_agent", {
      user_id: agent.id,
      changes: { display_name: "Rina", locale: "en", role_ids: [MANAGER] },
    });
    assert.deepEqual(
      [changed.display_name, changed.locale, keysOf(changed.roles), changed.reassigned_conversations],
      ["Rina", "en", ["manager"], 0],
    );
    const reset = await calls(admin, "update_agent", { user_id: agent.id, changes: { locale: null } });
    assert.deepEqual([reset.display_name, reset.locale], ["Rina", null]);
  });

  test("may be made by that person, except to their own rights", async () => {
    const { agent, colleague, admin } = await newOffice();
    assert.equal(
      (await calls(agent, "update_agent", { user_id: agent.id, changes: { display_name: "Saya" } })).display_name,
      "Saya",
    );
    await isRefused(calls(agent, "update_agent", { user_id: colleague.id, changes: { display_name: "Dia" } }), {
      code: "PT403",
      detail: "forbidden",
    });
    for (const changes of [
      { active: false },
      { active: true },
      { role_ids: [AGENT] },
      { reassign_to: colleague.id },
      { display_name: "X", role_ids: [SUPER_ADMIN] },
    ]) {
      await isRefused(calls(admin, "update_agent", { user_id: admin.id, changes }), {
        code: "PT403",
        detail: "own_account",
      });
    }
  });

  test("is limited to people of the tenant below one's own level", async () => {
    const { tenant, admin } = await newOffice();
    const [stranger, peer] = [await newUser(await newTenant(), "agent"), await newUser(tenant, "admin")];
    for (const userId of [stranger.id, randomUUID()]) {
      await isRefused(calls(admin, "update_agent", { user_id: userId, changes: { display_name: "X" } }), {
        code: "PT404",
        detail: "not_found",
      });
    }
    await isRefused(calls(admin, "update_agent", { user_id: peer.id, changes: { display_name: "X" } }), {
      code: "PT403",
      detail: "role_too_high",
    });
  });

  test("needs the permission for each property", async () => {
    const { tenant, agent } = await newOffice();
    const editor = await newUserWith(tenant, { level: 9, permissions: ["agents.update"] });
    const forbidden = { code: "PT403", detail: "forbidden" };
    await calls(editor, "update_agent", { user_id: agent.id, changes: { display_name: "Rina" } });
    await isRefused(calls(editor, "update_agent", { user_id: agent.id, changes: { active: false } }), forbidden);
    await isRefused(calls(editor, "update_agent", { user_id: agent.id, changes: { role_ids: [AGENT] } }), forbidden);
    const remover = await newUserWith(tenant, { level: 9, permissions: ["agents.delete"] });
    await calls(remover, "update_agent", { user_id: agent.id, changes: { active: false } });
    await isRefused(calls(remover, "update_agent", { user_id: agent.id, changes: { active: true } }), forbidden);
    // A forbidden property is refused even together with allowed ones.
    await isRefused(
      calls(remover, "update_agent", { user_id: agent.id, changes: { active: false, role_ids: [AGENT] } }),
      forbidden,
    );
  });
});

describe("the deactivation of a person", () => {
  const newWorkload = async () => {
    const { tenant, admin, agent, colleague } = await newOffice();
    const number = await newNumber(tenant);
    const conversations = [];
    for (const status of ["open", "snoozed", "resolved"]) {
      const { conversation } = await receivesMessage(number);
      await assign(conversation, agent);
      await sql`update public.conversations set status = ${status} where id = ${conversation.id}`;
      conversations.push(conversation);
    }
    const assignees = async () =>
      Promise.all(
        conversations.map(
          async ({ id }) => (await sql`select assigned_to from public.conversations where id = ${id}`)[0].assigned_to,
        ),
      );
    return { tenant, admin, agent, colleague, assignees };
  };

  test("ends every session and all access, and unassigns open conversations", async () => {
    const { admin, agent, assignees } = await newWorkload();
    await sql`insert into auth.sessions (id, user_id) values (${randomUUID()}, ${agent.id}), (${randomUUID()}, ${agent.id})`;
    const answer = await calls(admin, "update_agent", { user_id: agent.id, changes: { active: false } });
    assert.deepEqual([answer.active, answer.reassigned_conversations], [false, 2]);
    assert.equal((await sql`select from auth.sessions where user_id = ${agent.id}`).count, 0);
    assert.equal(await calls(agent, "current_access"), null);
    assert.deepEqual(await assignees(), [null, null, agent.id]);
    const back = await calls(admin, "update_agent", { user_id: agent.id, changes: { active: true } });
    assert.deepEqual([back.active, back.deactivated_at, keysOf(back.roles)], [true, null, ["agent"]]);
    assert.notEqual(await calls(agent, "current_access"), null);
  });

  test("hands open conversations to a colleague", async () => {
    const { admin, agent, colleague, assignees } = await newWorkload();
    const answer = await calls(admin, "update_agent", {
      user_id: agent.id,
      changes: { active: false, reassign_to: colleague.id },
    });
    assert.equal(answer.reassigned_conversations, 2);
    assert.deepEqual(await assignees(), [colleague.id, colleague.id, agent.id]);
  });

  test("is refused with an inactive or foreign successor", async () => {
    const { tenant, admin, agent, assignees } = await newWorkload();
    const [away, stranger] = [
      await newUser(tenant, "agent", { deactivated: true }),
      await newUser(await newTenant(), "agent"),
    ];
    for (const successor of [away.id, stranger.id, agent.id, randomUUID()]) {
      await isRefused(
        calls(admin, "update_agent", { user_id: agent.id, changes: { active: false, reassign_to: successor } }),
        {
          code: "PT422",
          detail: "invalid_field",
          hint: "reassign_to",
        },
      );
    }
    assert.deepEqual(await assignees(), [agent.id, agent.id, agent.id]);
    assert.notEqual(await calls(agent, "current_access"), null);
  });

  test("keeps the time of the first one", async () => {
    const { admin, agent } = await newOffice();
    const first = await calls(admin, "update_agent", { user_id: agent.id, changes: { active: false } });
    const again = await calls(admin, "update_agent", { user_id: agent.id, changes: { active: false } });
    assert.equal(again.deactivated_at, first.deactivated_at);
  });
});

test("a person banned in Auth loses all access until the ban ends", async () => {
  const { agent } = await newOffice();
  const bans = (/** @type {Date | null} */ until) =>
    sql`update auth.users set banned_until = ${until} where id = ${agent.id}`;
  await bans(new Date(Date.now() + 60_000));
  assert.equal(await calls(agent, "current_access"), null);
  assert.equal((await as(agent, (sql) => sql`select from public.profiles`)).count, 0);
  await bans(new Date(Date.now() - 1000));
  assert.notEqual(await calls(agent, "current_access"), null);
});

test("an API key of the same level may manage people too", async () => {
  const { tenant, agent } = await newOffice();
  const key = await newApiKey(tenant, "admin");
  const changed = await calls(key, "update_agent", { user_id: agent.id, changes: { display_name: "Rina" } });
  assert.equal(changed.display_name, "Rina");
  await isRefused(calls(key, "update_agent", { user_id: key.id, changes: { display_name: "Saya" } }), {
    code: "PT404",
    detail: "not_found",
  });
});
