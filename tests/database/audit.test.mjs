// Writing the audit log: every change is recorded in its own transaction, with its actor and without secrets.
import assert from "node:assert/strict";
import { randomUUID } from "node:crypto";
import { describe, test } from "node:test";
import { hasFields } from "../fields.mjs";
import { rolledBack, useDatabase } from "./database.mjs";
import { UNAUDITED } from "./matrix.mjs";

const {
  sql,
  as,
  asService,
  requests,
  calls,
  newTenant,
  newUser,
  newRole,
  newApiKey,
  newNumber,
  newTemplate,
  newCampaign,
  newStranger,
  receivesMessage,
  predefined,
} = await useDatabase();
const [AGENT] = await predefined("agent");

const newOffice = async () => {
  const tenant = await newTenant();
  return { tenant, owner: await newUser(tenant, "super_admin") };
};
/**
 * The entries of a tenant, in order.
 * @param {{ id: string }} tenant
 * @param {string} [entity]
 * @param {import("postgres").Sql} [on]
 */
const logOf = async (tenant, entity, on = sql) => [
  ...(await on`
  select * from public.audit_logs where tenant_id = ${tenant.id} ${entity === undefined ? on`` : on`and entity = ${entity}`} order by id`),
];
/** The entries that were written while `work` ran. @param {{ id: string }} tenant @param {() => Promise<any>} work */
const writtenBy = async (tenant, work) => {
  const before = await logOf(tenant);
  await work();
  return (await logOf(tenant)).slice(before.length);
};

describe("the audit log records changes", () => {
  test("of every table, apart from those listed with a reason", async () => {
    const tables = await sql`
      select c.relname as name, (
        select array_agg(t.tgname::text order by t.tgname) from pg_trigger t join pg_proc p on p.oid = t.tgfoid
        where t.tgrelid = c.oid and p.proname = 'audit' and p.pronamespace = 'private'::regnamespace and t.tgenabled = 'O'
      ) as triggers
      from pg_class c where c.relnamespace = 'public'::regnamespace and c.relkind in ('r', 'p') order by 1`;
    const unwatched = tables.filter(({ triggers }) => triggers === null).map(({ name }) => name);
    assert.deepEqual(unwatched, Object.keys(UNAUDITED).sort());
    for (const { name, triggers } of tables) {
      if (triggers !== null) assert.deepEqual(triggers, ["audit_deleted", "audit_inserted", "audit_updated"], name);
    }
  });

  test("with the row's id, the changed values, and the whole of a deleted row", async () => {
    const tenant = await newTenant();
    const role = await newRole(tenant, { level: 3 });
    const entries = await writtenBy(tenant, async () => {
      await sql`update public.roles set name = 'Kasir', level = 4 where id = ${role.id}`;
      await sql`delete from public.roles where id = ${role.id}`;
    });
    const [updated, deleted] = entries;
    assert.deepEqual([updated.action, updated.entity, updated.entity_id], ["roles.updated", "roles", role.id]);
    assert.deepEqual(
      [updated.before, updated.after],
      [
        { name: role.name, level: 3 },
        { name: "Kasir", level: 4 },
      ],
    );
    assert.deepEqual([deleted.action, deleted.before.name, deleted.after], ["roles.deleted", "Kasir", null]);
    const [created] = (await logOf(tenant, "roles")).filter(({ action }) => action === "roles.created");
    assert.deepEqual([created.entity_id, created.before, created.after.key], [role.id, null, role.key]);
    assert.ok(Math.abs(created.occurred_at.getTime() - Date.now()) < 60_000);
    assert.equal(entries.length, 2);
  });

  test("only where a value differs", async () => {
    const { tenant } = await newOffice();
    const entries = await writtenBy(tenant, async () => {
      await sql`update public.tenants set name = name, updated_at = now() where id = ${tenant.id}`;
      await sql`update public.tenants set name = 'x' where false`;
    });
    assert.deepEqual(entries, []);
  });

  test("in the transaction of the change, so a rollback leaves no entry", async () => {
    const { tenant } = await newOffice();
    const entries = await writtenBy(tenant, () =>
      rolledBack(sql, async ({ sql }) => {
        await sql`update public.tenants set name = 'Lain' where id = ${tenant.id}`;
        assert.equal((await logOf(tenant, "tenants", sql)).at(-1)?.action, "tenants.updated");
      }),
    );
    assert.deepEqual(entries, []);
  });

  test("of a statement with several rows one by one", async () => {
    const tenant = await newTenant();
    const entries = await writtenBy(
      tenant,
      () => sql`
      insert into public.contacts (tenant_id, wa_id) select ${tenant.id}, (62000 + n)::text from generate_series(1, 3) n`,
    );
    assert.deepEqual(
      entries.map(({ action, after }) => [action, after.wa_id]).sort(),
      [1, 2, 3].map((n) => ["contacts.created", String(62000 + n)]),
    );
    const moved = await writtenBy(
      tenant,
      () => sql`update public.contacts set name = wa_id where tenant_id = ${tenant.id}`,
    );
    assert.deepEqual(
      moved.map(({ before, after }) => [before.name, after.name.slice(0, 4)]),
      [
        [null, "6200"],
        [null, "6200"],
        [null, "6200"],
      ],
    );
  });

  test("of a large statement as one entry for each tenant, with the number of rows", async () => {
    const [{ tenant }, { tenant: other }] = [await newOffice(), await newOffice()];
    const inserts = () => sql`
      insert into public.contacts (tenant_id, wa_id)
      select case when n <= 700 then ${tenant.id}::uuid else ${other.id}::uuid end, (630000 + n)::text from generate_series(1, 1001) n`;
    const mine = (/** @type {any[]} */ entries) =>
      entries.map(({ action, entity_id, before, after }) => [action, entity_id, before, after]);
    const before = await logOf(other);
    assert.deepEqual(mine(await writtenBy(tenant, inserts)), [["contacts.created", null, null, { rows: 700 }]]);
    const both = sql`tenant_id in (${tenant.id}, ${other.id})`;
    assert.deepEqual(mine(await writtenBy(tenant, () => sql`update public.contacts set name = 'x' where ${both}`)), [
      ["contacts.updated", null, null, { rows: 700 }],
    ]);
    assert.deepEqual(mine(await writtenBy(tenant, () => sql`delete from public.contacts where ${both}`)), [
      ["contacts.deleted", null, null, { rows: 700 }],
    ]);
    assert.deepEqual(
      mine((await logOf(other)).slice(before.length)).map(([action, , , after]) => [action, after.rows]),
      [
        ["contacts.created", 301],
        ["contacts.updated", 301],
        ["contacts.deleted", 301],
      ],
    );
  });

  test("of a deleted tenant, and keeps them", async () => {
    const { tenant } = await newOffice();
    await sql`delete from public.tenants where id = ${tenant.id}`;
    const log = await logOf(tenant);
    assert.ok(log.some(({ action }) => action === "tenants.deleted"));
    assert.ok(log.some(({ action }) => action === "profiles.deleted"));
  });

  test("of roles, their permissions and the people who hold them", async () => {
    const { tenant, owner } = await newOffice();
    const user = await newUser(tenant, "viewer");
    const entries = await writtenBy(tenant, async () => {
      await calls(owner, "set_user_roles", { user_id: user.id, role_ids: [AGENT] });
      await calls(owner, "create_role", {
        name: "Kasir",
        level: 3,
        permissions: ["reports.view"],
        taken_away: ["messages.send"],
      });
      await calls(owner, "set_module", { module_id: "billing", enabled: false });
    });
    assert.deepEqual(
      entries.map(({ action }) => action),
      [
        "user_roles.created",
        "user_roles.deleted",
        "roles.created",
        "role_permissions.created",
        "role_permissions.created",
        "tenant_modules.created",
      ],
    );
    assert.equal(entries[0].entity_id, `${user.id},${AGENT}`);
    assert.deepEqual(
      entries
        .slice(3, 5)
        .map(({ after }) => [after.permission_key, after.granted])
        .sort(),
      [
        ["messages.send", false],
        ["reports.view", true],
      ],
    );
    assert.ok(entries.every((entry) => entry.actor_id === owner.id));
  });

  test("of predefined roles for no tenant", async () => {
    await rolledBack(sql, async ({ sql }) => {
      const [{ last }] = await sql`select coalesce(max(id), 0) as last from public.audit_logs`;
      await sql`insert into public.role_permissions values (${AGENT}, 'reports.view')`;
      assert.equal(
        (await sql`select from public.audit_logs where id > ${last} and entity_id = ${`${AGENT},reports.view`}`).count,
        0,
      );
    });
  });
});

describe("an entry names as its actor", () => {
  test("a person, with the request", async () => {
    const { tenant, owner } = await newOffice();
    await sql`update public.profiles set display_name = 'Ratna' where user_id = ${owner.id}`;
    const [entry] = await writtenBy(tenant, () =>
      requests(
        owner,
        { "x-request-id": "req-1", "x-client-ip": "192.0.2.7" },
        (sql) => sql`select public.update_tenant('{"name": "Baru"}')`,
      ),
    );
    hasFields(entry, {
      actor_type: "user",
      actor_id: owner.id,
      actor_name: "Ratna",
      request_id: "req-1",
      ip: "192.0.2.7",
    });
  });

  test("a person without a name by their address", async () => {
    const { tenant, owner } = await newOffice();
    await sql`update public.profiles set display_name = '' where user_id = ${owner.id}`;
    const [entry] = await writtenBy(tenant, () => calls(owner, "update_tenant", { changes: { name: "Baru" } }));
    assert.equal(entry.actor_name, `${owner.id}@example.test`);
  });

  test("an API key", async () => {
    const { tenant } = await newOffice();
    const key = await newApiKey(tenant, "admin");
    const [entry] = await writtenBy(tenant, () => calls(key, "update_tenant", { changes: { name: "Baru" } }));
    assert.deepEqual([entry.actor_type, entry.actor_id, entry.actor_name], ["api_key", key.id, "Shop"]);
  });

  test("the system", async () => {
    const { tenant } = await newOffice();
    const number = await newNumber(tenant);
    const [entry] = await writtenBy(tenant, () =>
      calls("service", "break_number", { session_id: number.id, reason: "token" }),
    );
    assert.deepEqual(
      [entry.action, entry.actor_type, entry.actor_id, entry.actor_name],
      ["whatsapp_sessions.updated", "system", null, null],
    );
  });

  test("the person the server acts for, and no caller can claim to be another", async () => {
    const { tenant, owner } = await newOffice();
    const person = await newStranger();
    const invited = { email: person.email, display_name: "", role_ids: [AGENT] };
    const [invitation] = await writtenBy(tenant, () => calls(owner, "invite_agent", invited));
    assert.deepEqual([invitation.action, invitation.actor_id], ["invitations.created", owner.id]);
    const { token } = await calls("service", "prepare_invitation_mail", { invitation_id: invitation.entity_id });
    const entries = await writtenBy(tenant, () => calls(person, "accept_invitation", { token }));
    assert.deepEqual(
      entries.map(({ action, actor_id }) => [action, actor_id]),
      [
        ["profiles.created", person.id],
        ["user_roles.created", person.id],
        ["invitations.updated", person.id],
      ],
    );
    assert.ok(!JSON.stringify(await logOf(tenant)).includes(token), "the log does not have the token");
    const [claimed] = await writtenBy(tenant, () =>
      as(owner, async (sql) => {
        await sql`select set_config('app.actor_id', ${person.id}, true)`;
        return sql`select public.update_tenant('{"name": "Baru"}')`;
      }),
    );
    assert.equal(claimed.actor_id, owner.id);
  });

  test("the person who signed up", async () => {
    const person = await newStranger();
    const tenant = await calls(person, "create_tenant", { name: `Toko ${randomUUID()}` });
    const log = await logOf(tenant);
    assert.deepEqual(
      log.map(({ action }) => action),
      ["tenants.created", "profiles.created", "user_roles.created"],
    );
    assert.ok(log.every(({ actor_id }) => actor_id === person.id));
  });
});

describe("the audit log on conversations", () => {
  test("masks the text of a message, and records nothing that a customer does", async () => {
    const { tenant, owner } = await newOffice();
    const number = await newNumber(tenant);
    const { conversation } = await receivesMessage(number, { text: "rahasia pelanggan" });
    assert.deepEqual(
      (await logOf(tenant))
        .map(({ entity }) => entity)
        .filter((entity) => ["messages", "conversations"].includes(entity)),
      [],
    );
    const entries = await writtenBy(tenant, () =>
      calls(owner, "create_message", {
        conversation_id: conversation.id,
        type: "text",
        content: "jawaban rahasia",
        payload: { text: { body: "jawaban rahasia" } },
      }),
    );
    assert.deepEqual(
      entries.map(({ action }) => action),
      ["messages.created"],
    );
    assert.deepEqual(
      [entries[0].after.content, entries[0].after.payload, entries[0].after.type],
      ["***", "***", "text"],
    );
    assert.ok(!JSON.stringify(await logOf(tenant)).includes("rahasia"));
  });

  test("records assignments by people alone", async () => {
    const { tenant, owner } = await newOffice();
    const { conversation } = await receivesMessage(await newNumber(tenant));
    const assigns = (/** @type {import("postgres").Sql} */ sql) =>
      sql`update public.conversations set assigned_to = ${owner.id}, unread_count = 0, last_message_preview = 'x' where id = ${conversation.id}`;
    const bySystem = await writtenBy(tenant, () => asService(assigns));
    assert.deepEqual(bySystem, []);
    await sql`update public.conversations set assigned_to = null, unread_count = 3 where id = ${conversation.id}`;
    const [entry, ...more] = await writtenBy(tenant, () =>
      asService(async (sql) => {
        await sql`select set_config('app.actor_id', ${owner.id}, true)`;
        await assigns(sql);
        return sql`update public.conversations set unread_count = 5 where id = ${conversation.id}`;
      }),
    );
    assert.deepEqual(
      [entry.action, entry.before, entry.after, more],
      ["conversations.updated", { assigned_to: null }, { assigned_to: owner.id }, []],
    );
  });

  test("masks the variables of a campaign's recipients", async () => {
    const { tenant, owner } = await newOffice();
    await newNumber(tenant);
    const template = await newTemplate(tenant);
    const entries = await writtenBy(tenant, () =>
      calls(owner, "create_campaign", {
        name: "Promo",
        template_id: template.id,
        recipients: [{ wa_id: "62811", variables: ["rahasia"] }],
        scheduled_at: new Date(Date.now() + 86_400_000),
      }),
    );
    assert.deepEqual(
      entries.map(({ action }) => action),
      ["broadcast_campaigns.created", "broadcast_recipients.created", "broadcast_campaigns.updated"],
    );
    assert.equal(entries[1].after.variables, "***");
  });
});

describe("secrets", () => {
  test("are masked by the names of their columns", async () => {
    const [{ masked }] = await sql`select private.masked('things', ${sql.json({
      access_token: "s",
      secret: "s",
      client_secret: "s",
      password_hash: "s",
      key_hash: "s",
      token_sealed: "s",
      pin: "s",
      name: "n",
      prefix: "p",
      pinned: true,
      empty_token: null,
    })}) as masked`;
    assert.deepEqual(masked, {
      access_token: "***",
      secret: "***",
      client_secret: "***",
      password_hash: "***",
      key_hash: "***",
      token_sealed: "***",
      pin: "***",
      name: "n",
      prefix: "p",
      pinned: true,
      empty_token: null,
    });
  });

  test("of API keys appear nowhere in the log", async () => {
    const { tenant, owner } = await newOffice();
    const { key } = await calls(owner, "create_api_key", { name: "Toko", role_id: AGENT });
    const log = JSON.stringify(await logOf(tenant, "api_keys"));
    assert.ok(log.includes("Toko") && !log.includes(key.slice(12)));
  });

  test("stay out of the log when an API key is used, because a use is no change", async () => {
    const { tenant } = await newOffice();
    const key = await newApiKey(tenant, "agent");
    assert.deepEqual(
      await writtenBy(tenant, () => calls("service", "record_api_key_use", { key_id: key.id, ip: "192.0.2.1" })),
      [],
    );
    assert.notEqual((await sql`select last_used_at from public.api_keys where id = ${key.id}`)[0].last_used_at, null);
  });
});

test("the audit log does not record the progress of a campaign as a change", async () => {
  const { tenant } = await newOffice();
  const campaign = await newCampaign(await newNumber(tenant));
  assert.deepEqual(
    await writtenBy(
      tenant,
      () => sql`update public.broadcast_campaigns set progress_announced_at = now() where id = ${campaign.id}`,
    ),
    [],
  );
  const [entry] = await writtenBy(
    tenant,
    () => sql`update public.broadcast_campaigns set status = 'cancelled' where id = ${campaign.id}`,
  );
  assert.deepEqual([entry.before, entry.after], [{ status: "completed" }, { status: "cancelled" }]);
});
