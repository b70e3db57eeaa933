// What the audit log says besides changes of tables: exports, personal data that was read, pools, accounts, replays; and
// what only an erasure removes from it.
import assert from "node:assert/strict";
import { before, describe, test } from "node:test";
import { hasFields } from "../fields.mjs";
import { useDatabase } from "./database.mjs";
import { DENIED, isRefused } from "./refusals.mjs";

const { sql, calls, asService, newTenant, newUser, newApiKey, newNumber, newCampaign, receivesMessage, newStranger } =
  await useDatabase();

/** @type {any} */
let tenant;
/** @type {any} */
let people;
/** @type {any} */
let number;
before(async () => {
  tenant = await newTenant();
  number = await newNumber(tenant);
  people = { stranger: await newUser(await newTenant(), "super_admin") };
  for (const role of ["admin", "manager", "team_lead", "agent"]) people[role] = await newUser(tenant, role);
});
/** @param {any} tenant @param {string} action @param {string} [id] */
const entries = async (tenant, action, id) => [
  ...(await sql`
    select * from public.audit_logs where tenant_id = ${tenant.id} and action = ${action}
      ${id === undefined ? sql`` : sql`and entity_id = ${id}`} order by id`),
];

describe("an export", () => {
  test("is written with its actor, and only the server writes it", async () => {
    const key = await newApiKey(tenant, "manager");
    const details = { format: "csv", filters: ["tag"] };
    for (const [type, actor] of /** @type {[string, any][]} */ ([
      ["user", people.manager],
      ["api_key", key],
    ])) {
      const written = { actor_type: type, actor_id: actor.id, entity: "contacts", entity_id: null, details };
      await calls("service", "record_export", written);
      hasFields((await entries(tenant, "contacts.exported")).at(-1), {
        actor_type: type,
        actor_id: actor.id,
        entity: "contacts",
        after: details,
      });
      await isRefused(calls(people.admin, "record_export", written), { code: DENIED });
      await isRefused(calls(people.stranger, "record_export", written), { code: DENIED });
    }
  });
});

describe("the personal data of a contact", () => {
  test("is read with an entry of the reader, and refused without one", async () => {
    const { contact } = await receivesMessage(number, {});
    await isRefused(calls(people.manager, "get_contact_data", { contact_id: contact.id }), { code: "PT403" });
    assert.equal(await calls(people.stranger, "get_contact_data", { contact_id: contact.id }), null);
    assert.deepEqual(await entries(tenant, "contacts.data_read", contact.id), []);
    assert.ok(await calls(people.admin, "get_contact_data", { contact_id: contact.id }));
    await calls(people.admin, "list_contact_data_messages", { contact_id: contact.id, page_size: 10 });
    const [entry, ...more] = await entries(tenant, "contacts.data_read", contact.id);
    hasFields(entry, { actor_type: "user", actor_id: people.admin.id, entity: "contacts" });
    assert.deepEqual(more, [], "one entry for the pages of one export");
    const other = await receivesMessage(number, {});
    await calls(people.admin, "list_contact_data_messages", { contact_id: other.contact.id, page_size: 10 });
    assert.equal((await entries(tenant, "contacts.data_read", other.contact.id)).length, 1, "the messages alone");
  });

  test("stays in the log when a contact is deleted, and goes when it is erased", async () => {
    const { contact } = await receivesMessage(number, {});
    const name = `Nama ${contact.wa_id}`;
    await calls(people.agent, "update_contact", { contact_id: contact.id, changes: { name } });
    await calls(people.manager, "create_contact_note", { contact_id: contact.id, content: "pelanggan lama" });
    await newCampaign(number, { wa_ids: [contact.wa_id] });
    const told = async () =>
      (
        await sql`
          select from public.audit_logs l
          where l.tenant_id = ${tenant.id} and (strpos(l::text, ${contact.wa_id}) > 0 or strpos(l::text, 'pelanggan lama') > 0)`
      ).count;
    const before = await told();
    assert.ok(before > 0);
    await calls(people.manager, "delete_contact", { contact_id: contact.id });
    assert.ok((await told()) > before, "what was written stays, and who deleted it is added");
    await isRefused(calls(people.manager, "erase_contact", { contact_id: contact.id }), { code: "PT403" });
    await isRefused(calls(people.stranger, "erase_contact", { contact_id: contact.id }), { code: "PT404" });
    await isRefused(calls(people.manager, "delete_contact", { contact_id: contact.id }), { code: "PT404" });
    assert.ok((await told()) > before);

    await calls(people.admin, "erase_contact", { contact_id: contact.id });
    assert.equal(await told(), 0);
    const [erased] = await entries(tenant, "contacts.erased", contact.id);
    hasFields(erased, { actor_id: people.admin.id });
    const kept = await sql`
      select actor_id, after from public.audit_logs
      where tenant_id = ${tenant.id} and entity = 'contacts' and entity_id = ${contact.id} and action = 'contacts.updated'`;
    assert.deepEqual(
      [...new Set(kept.map(({ after }) => JSON.stringify(after)))],
      ['{"erased":true}'],
      "that it happened, and who did it, stays",
    );
    assert.ok(kept.some(({ actor_id }) => actor_id === people.agent.id));
    await isRefused(calls(people.admin, "erase_contact", { contact_id: contact.id }), { code: "PT404" });
  });

  test("stays in the log when contacts are deleted in bulk", async () => {
    const { contact } = await receivesMessage(number, {});
    await calls(people.manager, "update_contact", { contact_id: contact.id, changes: { name: "Massal" } });
    await calls(people.manager, "delete_contacts", { contact_ids: [contact.id], filter: null });
    const [first] = await entries(tenant, "contacts.updated", contact.id);
    assert.equal(first.after.name, "Massal");
    await calls(people.admin, "erase_contact", { contact_id: contact.id });
    assert.deepEqual((await entries(tenant, "contacts.updated", contact.id))[0].after, { erased: true });
  });
});

test("a pool of a number is written before and after its change, and not where nothing changes", async () => {
  const session_id = (await newNumber(tenant)).id;
  const set = (/** @type {any} */ user, /** @type {string[]} */ pool) =>
    calls(user, "set_assignment", { session_id, changes: { pool } });
  await isRefused(set(people.agent, [people.agent.id]), { code: "PT403" });
  await isRefused(set(people.stranger, []), { code: "PT404" });
  await set(people.team_lead, [people.agent.id]);
  await set(people.team_lead, [people.agent.id]);
  await set(people.team_lead, []);
  const written = await entries(tenant, "assignment_members.updated", session_id);
  assert.deepEqual(
    written.map(({ actor_id, before, after }) => [actor_id, before.pool, after.pool]),
    [
      [people.team_lead.id, [], [people.agent.id]],
      [people.team_lead.id, [people.agent.id], []],
    ],
  );
});

test("a password and an address that Auth changes are written, without the password", async () => {
  const user = await newUser(tenant, "agent");
  await sql`update auth.users set encrypted_password = '$2a$10$sangat-rahasia' where id = ${user.id}`;
  await sql`update auth.users set email = ${`baru-${user.id}@kopi.test`} where id = ${user.id}`;
  await sql`update auth.users set last_sign_in_at = now() where id = ${user.id}`;
  const written = await sql`
    select * from public.audit_logs where tenant_id = ${tenant.id} and entity = 'auth' and entity_id = ${user.id} order by id`;
  assert.deepEqual(
    written.map(({ action, actor_id }) => [action, actor_id]),
    [
      ["auth.password_changed", user.id],
      ["auth.email_changed", user.id],
    ],
  );
  assert.equal(written[1].after.email, `baru-${user.id}@kopi.test`);
  assert.ok(!JSON.stringify(written).includes("rahasia"));
  const { id } = await newStranger();
  await sql`update auth.users set encrypted_password = 'x' where id = ${id}`;
  assert.equal((await sql`select from public.audit_logs where entity_id = ${id}`).count, 0, "belongs nowhere");
});

test("a replay of deliveries is written once, for tenants with a number", async () => {
  const [empty, details] = [await newTenant(), { from: "2026-11-22T00:00:00Z", to: "2026-11-22T06:00:00Z" }];
  for (let i = 0; i < 2; i++) await calls("service", "record_replay", { details });
  const written = await entries(tenant, "webhook_events.replayed");
  assert.deepEqual(
    written.map(({ actor_type, after }) => [actor_type, after]),
    [["system", details]],
  );
  assert.deepEqual(await entries(empty, "webhook_events.replayed"), []);
  await isRefused(calls(people.admin, "record_replay", { details }), { code: DENIED });
});

test("refusals are written up to a bound, and the last entry says so", async () => {
  const user = await newUser(tenant, "agent");
  await asService(async (sql) => {
    for (let i = 0; i < 130; i++) {
      await sql`select public.record_refusal('permission.refused', 'user', ${user.id}, ${`GET /api/${i}`}, 'forbidden')`;
    }
  });
  const written = (await entries(tenant, "permission.refused")).filter(({ actor_id }) => actor_id === user.id);
  assert.equal(written.length, 100);
  assert.deepEqual(written[0].after, { reason: "forbidden" });
  assert.match(JSON.stringify(written[99].after), /not recorded/);
});

test("recipients that are queued again are written with their number", async () => {
  const campaign = await newCampaign(number, { wa_ids: ["62811222333"] });
  await sql`update public.broadcast_recipients set status = 'failed' where campaign_id = ${campaign.id}`;
  await sql`update public.broadcast_campaigns set status = 'completed', completed_at = now() where id = ${campaign.id}`;
  await isRefused(calls(people.agent, "retry_failed"), { code: "PT403" });
  await calls(people.manager, "retry_failed");
  const [entry] = await entries(tenant, "broadcast_campaigns.retried", campaign.id);
  hasFields(entry, { actor_id: people.manager.id, after: { recipients: 1 } });
  await sql`update public.broadcast_campaigns set status = 'cancelled' where id = ${campaign.id}`;
});
