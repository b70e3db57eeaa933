// Published files: reserved, recorded, listed and deleted by permitted people of the tenant, and audited.
import assert from "node:assert/strict";
import { randomUUID } from "node:crypto";
import { describe, test } from "node:test";
import { useDatabase } from "./database.mjs";
import { isRefused } from "./refusals.mjs";

const { sql, calls, newTenant, newUser, newTemplate, newPublishedFile } = await useDatabase({ own: true });

const places = (/** @type {any} */ user) =>
  calls(user, "place_published_file", { kind: "image", mime_type: "image/png", file_name: "promo.png" });
const publishes = (/** @type {any} */ user, /** @type {any} */ place, /** @type {object} */ changes = {}) =>
  calls(user, "publish_file", {
    file: {
      ...place,
      kind: "image",
      mime_type: "image/png",
      file_size: 3,
      sha256: "0".repeat(64),
      ...changes,
    },
  });
const deletes = (/** @type {any} */ user, /** @type {string} */ id) =>
  calls(user, "delete_published_file", { file_id: id });
const listed = async (/** @type {any} */ user, kind = null) =>
  calls(user, "list_published_files", { kind, page: 1, page_size: 100 });
const dueFiles = async () =>
  (await calls("service", "files_to_remove", { batch: 1000 })).map((/** @type {any} */ file) => file.path);

describe("a published file", () => {
  test("is recorded at its reserved place, with its author in the audit log", async () => {
    const tenant = await newTenant();
    const lead = await newUser(tenant, "team_lead");
    const file = await publishes(lead, await places(lead));
    assert.equal(file.path, `${tenant.id}/${file.id}.png`);
    const [entry] = await sql`
      select actor_id, action from public.audit_logs where entity_id = ${file.id} order by id desc limit 1`;
    assert.equal(entry.actor_id, lead.id);
    assert.deepEqual((await listed(await newUser(tenant, "viewer"))).rows, [file]);
    assert.deepEqual((await listed(lead, "video")).total, 0);
    assert.equal((await listed(await newUser(await newTenant(), "super_admin"))).total, 0);
  });

  test("is published and deleted by permitted people of its tenant alone", async () => {
    const tenant = await newTenant();
    const [lead, manager] = [await newUser(tenant, "team_lead"), await newUser(tenant, "manager")];
    const place = await places(lead);
    for (const role of ["viewer", "junior_agent", "senior_agent"]) {
      const low = await newUser(tenant, role);
      await isRefused(places(low), { code: "PT403" });
      await isRefused(calls(low, "place_direct_publication"), { code: "PT403" });
      await isRefused(publishes(low, place), { code: "PT403" });
    }
    const foreigner = await newUser(await newTenant(), "super_admin");
    await isRefused(publishes(foreigner, place), { code: "23514" });
    const file = await publishes(lead, place);
    await isRefused(deletes(lead, file.id), { code: "PT403" });
    await isRefused(deletes(foreigner, file.id), { code: "PT404" });
    assert.equal(await deletes(manager, file.id), file.path);
    assert.ok((await dueFiles()).includes(file.path), "housekeeping removes the object, if the function did not");
  });

  test("names no place that was not reserved, and none twice", async () => {
    const tenant = await newTenant();
    const lead = await newUser(tenant, "team_lead");
    const id = randomUUID();
    const invented = { id, file_name: "x.png", storage_path: `${tenant.id}/${id}.png` };
    await isRefused(publishes(lead, invented), { code: "PT422", hint: "storage_path" });
    const place = await places(lead);
    await publishes(lead, place);
    await isRefused(publishes(lead, place), { code: "PT422", hint: "storage_path" });
    await isRefused(publishes(lead, await places(lead), { kind: "sticker" }), { code: "23514" });
  });

  test("stays while a template or a quick reply uses it", async () => {
    const tenant = await newTenant();
    const manager = await newUser(tenant, "manager");
    const [first, second, third] = [
      await newPublishedFile(tenant),
      await newPublishedFile(tenant),
      await newPublishedFile(tenant),
    ];
    const template = await newTemplate(tenant, { status: "APPROVED" });
    await sql`
      update public.broadcast_templates
      set sample_path = ${first.storage_path}, draft = ${sql.json({ sample_path: second.storage_path })}
      where id = ${template.id}`;
    const reply = await calls(manager, "save_quick_reply", {
      changes: { shortcut: "menu", shared: true, media: { type: "document", path: third.storage_path } },
    });
    for (const { id } of [first, second, third])
      await isRefused(deletes(manager, id), { code: "PT409", detail: "published_file_in_use" });
    await calls(manager, "delete_quick_reply", { quick_reply_id: reply.id });
    await deletes(manager, third.id);
  });

  test("that is uploaded and never recorded is removed after three hours", async () => {
    const lead = await newUser(await newTenant(), "team_lead");
    const [left, direct, kept] = [
      await places(lead),
      await calls(lead, "place_direct_publication"),
      await places(lead),
    ];
    await publishes(lead, kept);
    assert.ok(!(await dueFiles()).includes(left.storage_path));
    await sql`update private.files_to_remove set due_at = due_at - interval '3 hours' where due_at > now()`;
    const due = await dueFiles();
    assert.ok(due.includes(left.storage_path) && due.includes(direct));
    assert.ok(!due.includes(kept.storage_path));
    await isRefused(publishes(lead, left), { code: "PT422", hint: "storage_path" });
  });

  test("goes with its tenant", async () => {
    const tenant = await newTenant();
    const file = await newPublishedFile(tenant);
    await sql`delete from public.tenants where id = ${tenant.id}`;
    assert.ok((await dueFiles()).includes(file.storage_path));
  });
});
