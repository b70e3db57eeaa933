// Contacts through the running product: created, found, changed, imported, exported, blocked at Meta and erased.
import assert from "node:assert/strict";
import { randomUUID } from "node:crypto";
import { describe, test } from "node:test";
import { eventually, useApp } from "./app.mjs";
import { xlsx } from "./xlsx.mjs";

const CONTACTS = "/api/crm/contacts";
const app = await useApp({ cron: false });
const post = (/** @type {string} */ path, /** @type {object} */ body, as = "manager") =>
  app.succeeds("POST", path, { as, body });
const get = (/** @type {string} */ path, as = "manager") => app.succeeds("GET", path, { as });

let next = 0;
/** A valid Indonesian number. */
const someNumber = () => `62812${String(Date.now()).slice(-5)}${String(next++).padStart(3, "0")}`;

/** @param {string | Buffer} content @param {Record<string, string>} [fields] */
async function imports(content, fields = {}) {
  const body = new FormData();
  for (const [name, value] of Object.entries(fields)) body.append(name, value);
  body.append("file", new Blob([/** @type {any} */ (content)]), "kontak.csv");
  const headers = { authorization: `Bearer ${await app.token("manager")}` };
  const response = await fetch(`${app.stack.app_url}${CONTACTS}/import`, { method: "POST", headers, body });
  return { status: response.status, body: await response.json() };
}
const ended = (/** @type {{ id: string }} */ { id }) =>
  eventually("the import ends", async () => {
    const found = await get(`${CONTACTS}/import?id=${id}`);
    return found.status !== "importing" && found;
  });

describe("a contact", () => {
  test("is created with a number in any form, found and changed, and cannot be created twice", async () => {
    const [number, key] = [someNumber(), randomUUID().slice(0, 8)];
    const contact = await post(CONTACTS, {
      phone_number: `0${number.slice(2, 5)}-${number.slice(5, 9)} ${number.slice(9)}`,
      name: `Zoë ${key}`,
      tags: [key],
      language: "id",
    });
    assert.deepEqual([contact.phone_number, contact.tags, contact.language], [`+${number}`, [key], "id"]);
    const twice = await app.call("POST", CONTACTS, { as: "manager", body: { phone_number: `+${number}` } });
    assert.deepEqual(
      [twice.status, twice.body.error.code, twice.body.error.fields.id],
      [409, "contact_exists", contact.id],
    );
    const found = await get(`${CONTACTS}?search=${encodeURIComponent(`zoe ${key}`)}&tag=${key}`);
    assert.deepEqual([found.total, found.data[0].id, found.next_cursor], [1, contact.id, null]);

    const changed = await app.succeeds("PATCH", `${CONTACTS}/${contact.id}`, {
      as: "manager",
      body: { name: null, email: `${key}@kopi.test`, updated_at: contact.updated_at },
    });
    assert.deepEqual([changed.name, changed.email], [null, `${key}@kopi.test`]);
    await app.refuses(409, "contact_changed", "PATCH", `${CONTACTS}/${contact.id}`, {
      as: "manager",
      body: { name: "x", updated_at: contact.updated_at },
    });
    for (const country of ["Indonesia", "XX"]) {
      const body = { phone_number: "0812-3456-7890", country };
      const refused = await app.refuses(422, "invalid_field", "POST", CONTACTS, { as: "manager", body });
      assert.deepEqual(Object.keys(refused.body.error.fields), ["country"]);
    }
    for (const [body, field] of /** @type {const} */ ([
      [{ phone_number: "+6281" }, "phone_number"],
      [{ email: "x" }, "email"],
      [{ custom_fields: { nothing_such: 1 } }, "custom_fields.nothing_such"],
      [{ owner_id: randomUUID() }, "owner_id"],
      [{ nickname: "x" }, "nickname"],
    ])) {
      const refused = await app.refuses(422, "invalid_field", "PATCH", `${CONTACTS}/${contact.id}`, {
        as: "manager",
        body,
      });
      assert.ok(field in refused.body.error.fields, JSON.stringify(refused.body));
    }
    await app.refuses(404, "not_found", "GET", `${CONTACTS}/${contact.id}`, { as: "stranger" });

    const { data } = await post(`${CONTACTS}/${contact.id}/consents`, { state: "opted_out", note: "telepon" });
    assert.deepEqual([data[0].state, data[0].source, data[0].proof.note], ["opted_out", "person", "telepon"]);
    const note = await post(`${CONTACTS}/${contact.id}/notes`, { content: "suka kopi" });
    const timeline = await get(`${CONTACTS}/${contact.id}/timeline`);
    assert.deepEqual(
      timeline.data.map((/** @type {any} */ event) => event.kind).slice(0, 2),
      ["note", "consent"],
      JSON.stringify(timeline.data.slice(0, 3)),
    );
    await app.succeeds("DELETE", `${CONTACTS}/${contact.id}/notes?note_id=${note.id}`, { as: "manager" });
    const bulk = await post(`${CONTACTS}/bulk`, { filter: { tag: key }, action: "add_tags", tags: ["baru"] });
    assert.deepEqual(bulk, { matched: 1, changed: 1 });
    const before = await app.succeeds("GET", CONTACTS, { as: "admin" });
    for (const scope of [
      {},
      { filter: {} },
      { filter: { tag: null } },
      { all: false },
      { filter: { tag: "x" }, all: true },
    ]) {
      for (const rest of [
        { action: "delete", expected_count: before.total },
        { action: "add_tags", tags: ["x"] },
      ]) {
        await app.refuses(422, "invalid_field", "POST", `${CONTACTS}/bulk`, {
          as: "admin",
          body: { ...scope, ...rest },
        });
      }
    }
    const guessed = { as: "admin", body: { all: true, action: "delete", expected_count: before.total + 1 } };
    await app.refuses(409, "count_differs", "POST", `${CONTACTS}/bulk`, guessed);
    await app.refuses(422, "invalid_field", "POST", `${CONTACTS}/bulk`, {
      as: "admin",
      body: { all: true, action: "delete" },
    });
    assert.equal((await app.succeeds("GET", CONTACTS, { as: "admin" })).total, before.total);
    await app.refuses(422, "invalid_field", "POST", `${CONTACTS}/bulk`, {
      as: "manager",
      body: { action: "add_tags", tags: ["x"] },
    });
  });

  test("is created with a number as address books mark it", async () => {
    const number = someNumber();
    const contact = await post(CONTACTS, {
      phone_number: `\u202a+${number.slice(0, 2)} ${number.slice(2, 5)}\u2011${number.slice(5)}\u202c`,
    });
    assert.equal(contact.wa_id, number);
    await app.refuses(409, "contact_exists", "POST", CONTACTS, {
      as: "manager",
      body: { phone_number: `\u200e${number}` },
    });
  });

  test("is found by no search without letters, and reserved field keys and unknown segments are refused", async () => {
    assert.equal((await get(`${CONTACTS}?search=%CC%81`)).total, 0);
    const refused = await app.refuses(422, "invalid_field", "POST", "/api/crm/fields", {
      as: "manager",
      body: { key: "email", name: "Surel", type: "text" },
    });
    assert.deepEqual(Object.keys(refused.body.error.fields), ["key"]);
    await app.refuses(422, "invalid_field", "GET", `${CONTACTS}?segment_id=x`, { as: "manager" });
    await app.refuses(422, "invalid_filter", "GET", `${CONTACTS}?segment_id=${randomUUID()}`, { as: "manager" });
  });

  test("is blocked at Meta too, if Meta allows it", async () => {
    const customer = app.newCustomer();
    await app.receivesMessage({ from: customer });
    const { id, contact } = await app.conversationWith(customer);
    const blocked = await post(`${CONTACTS}/${contact.id}/block`, {});
    assert.deepEqual(
      blocked.meta.map((/** @type {any} */ outcome) => [outcome.done, outcome.reason]),
      [[true, null]],
    );
    await app.refuses(409, "contact_blocked", "POST", `/api/conversations/${id}/messages`, {
      as: "admin",
      body: { text: "Halo" },
    });
    const free = await app.succeeds("DELETE", `${CONTACTS}/${contact.id}/block`, { as: "manager" });
    assert.equal(free.contact.blocked_at, null);
  });

  test("is erased with its messages", async () => {
    const customer = app.newCustomer();
    await app.receivesMessage({ from: customer, text: `rahasia ${customer}` });
    const { contact } = await app.conversationWith(customer);
    const data = await get(`${CONTACTS}/${contact.id}/data`, "admin");
    assert.deepEqual(
      data.messages.map((/** @type {any} */ message) => message.content),
      [`rahasia ${customer}`],
    );
    const read = await get(`/api/audit-logs?action=contacts.data_read&entity_id=${contact.id}`, "admin");
    assert.deepEqual(
      read.data.map((/** @type {any} */ entry) => entry.entity_id),
      [contact.id],
    );
    const erased = await app.succeeds("DELETE", `${CONTACTS}/${contact.id}/data`, { as: "admin" });
    assert.deepEqual([erased.messages, erased.conversations], [1, 1]);
    await app.refuses(404, "not_found", "GET", `${CONTACTS}/${contact.id}`, { as: "admin" });
    assert.deepEqual(await app.rows("messages", `select=content&content=like.*${customer}*`), []);
  });
});

describe("a file of contacts", () => {
  test("is tried, imported, exported, and imported again", async () => {
    const [known, fresh, key] = [someNumber(), someNumber(), `k${randomUUID().slice(0, 8)}`];
    await post("/api/crm/fields", { key, name: `Kota ${key}`, type: "text" });
    await post(CONTACTS, { phone_number: `+${known}`, name: "Lama" });
    const csv = `Nama;No. HP;Tag;Kota ${key};Lain\nBaru;${fresh};${key};Solo;x\nLama lagi;${known};${key};=1+1;y\nSalah;abc;;;\n`;
    const trial = await imports(csv, { dry_run: "true" });
    assert.equal(trial.status, 201, JSON.stringify(trial.body));
    assert.deepEqual(
      trial.body.mapping.map((/** @type {any} */ column) => column.field),
      ["name", "phone_number", "tags", `custom_fields.${key}`, null],
    );
    const tried = await ended(trial.body);
    assert.deepEqual(
      [tried.status, tried.created_count, tried.updated_count, tried.error_count],
      ["finished", 1, 1, 1],
    );
    assert.equal((await get(`${CONTACTS}?search=${fresh}`)).total, 0, "a trial writes nothing");

    const done = await ended(await post(`${CONTACTS}/import`, { storage_path: trial.body.storage_path }));
    assert.deepEqual([done.status, done.created_count, done.updated_count, done.error_count], ["finished", 1, 1, 1]);
    const errors = await app.call("GET", `${CONTACTS}/import?id=${done.id}&errors=csv`, {
      as: "manager",
      headers: { "accept-language": "id" },
    });
    assert.equal(
      errors.body.split("\r\n")[1],
      '4,No. HP,abc,"bukan nomor telepon: hanya boleh berisi angka, `+`, spasi, dan tanda hubung"',
    );

    const table = await app.call("GET", `${CONTACTS}/export?tag=${key}&sort=name`, { as: "manager" });
    assert.match(table.headers.get("content-type") ?? "", /^text\/csv/);
    const [head, first, second] = table.body.replace("\ufeff", "").split("\r\n");
    const columns = head.split(",");
    const cell = (/** @type {string} */ line, /** @type {string} */ column) => line.split(",")[columns.indexOf(column)];
    assert.deepEqual(
      [cell(first, "phone_number"), cell(first, "name"), cell(first, key)],
      [`+${fresh}`, "Baru", "Solo"],
    );
    assert.equal(cell(second, key), "'=1+1", "no formula");
    const again = await ended((await imports(table.body, { on_existing: "skip" })).body);
    assert.deepEqual([again.created_count, again.skipped_count, again.error_count], [0, 2, 0]);
    const logged = await get("/api/audit-logs?action=contacts.exported&limit=1", "admin");
    assert.deepEqual(logged.data[0].after, { format: "csv", filters: ["tag"] });
    assert.equal(logged.data[0].actor_id, await app.personOf("manager"));
    await app.refuses(403, "forbidden", "GET", `${CONTACTS}/export`, { as: "agent" });
  });

  test("may be a spreadsheet, and so may the export", async () => {
    const number = someNumber();
    const { body } = await imports(
      xlsx([
        ["Nama", "WhatsApp"],
        ["Ani", Number(number)],
      ]),
    );
    const done = await ended(body);
    assert.deepEqual([done.status, done.created_count], ["finished", 1]);
    const headers = { authorization: `Bearer ${await app.token("manager")}` };
    const response = await fetch(`${app.stack.app_url}${CONTACTS}/export?format=xlsx&search=${number}`, { headers });
    assert.match(response.headers.get("content-disposition") ?? "", /contacts\.xlsx/);
    const again = await ended((await imports(Buffer.from(await response.arrayBuffer()), { on_existing: "skip" })).body);
    assert.deepEqual([again.total_rows, again.skipped_count], [1, 1]);
  });
});
