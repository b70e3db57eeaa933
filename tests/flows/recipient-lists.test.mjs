// Recipient lists through the running product: files of every kind become lists, even if readers are killed.
import assert from "node:assert/strict";
import { randomUUID } from "node:crypto";
import { readFileSync } from "node:fs";
import { after, describe, test } from "node:test";
import { hasFields } from "../fields.mjs";
import { HOLDS, openHolds } from "../proofs/hold.mjs";
import { eventually, useApp } from "./app.mjs";
import { xlsx } from "./xlsx.mjs";

const LISTS = "/api/broadcast/recipient-lists";
const ROWS = Number(process.env.CRM_IMPORT_ROWS ?? 100_000);
const app = await useApp({ cron: false });
const holds = await openHolds(app.stack.database_url);
after(holds.close);
const { sql } = holds;

/** @param {string | Buffer} content @param {Record<string, string>} [fields] */
function form(content, fields = {}) {
  const body = new FormData();
  for (const [name, value] of Object.entries({ name: "Pelanggan", ...fields })) body.append(name, value);
  body.append("file", new Blob([/** @type {any} */ (content)]), "pelanggan.csv");
  return body;
}

/** @param {string | Buffer} content @param {Record<string, string>} [fields] */
async function uploads(content, fields) {
  const headers = { authorization: `Bearer ${await app.token("manager")}` };
  const response = await fetch(app.stack.app_url + LISTS, { method: "POST", headers, body: form(content, fields) });
  return { status: response.status, body: await response.json() };
}

const get = (/** @type {string} */ path, as = "manager") => app.succeeds("GET", `${LISTS}/${path}`, { as });
const ended = (/** @type {{ id: string }} */ { id }) =>
  eventually("the import ends", async () => {
    const list = await get(id);
    return list.status !== "importing" && list;
  });
const runsImports = () =>
  app.call("GET", "/api/cron/imports", { headers: { authorization: `Bearer ${app.stack.cron_secret}` } });

/** @param {string} bin */
async function processOf(bin) {
  const functions = await (await fetch(`${app.stack.app_url}/_gateway/functions`)).json();
  return (functions.functions ?? functions).find((/** @type {any} */ known) => known.bin === bin)?.pid;
}

const person = (/** @type {number} */ i) => `6285${String(i).padStart(9, "0")}`;

describe("a file", () => {
  test("becomes a list, and its errors name line and reason", async () => {
    const csv =
      '\ufeffNama;No. HP;Kota\r\nAni;0812-3456-7890;Solo\r\nBudi;+62 813 1111 2222;"Bogor; Jawa"\r\nCici;=cmd;X\r\nDedi;081234567890;Solo\r\nEni;6.28E+12;X\r\n';
    const { status, body } = await uploads(csv);
    assert.deepEqual(
      [status, body.status, body.total_rows, body.columns, body.source],
      [201, "ready", 5, ["Kota"], { type: "file", file_name: "pelanggan.csv" }],
      JSON.stringify(body),
    );
    const list = await ended(body);
    hasFields(list, {
      status: "ready",
      read_rows: 5,
      entry_count: 2,
      error_count: 2,
      duplicate_count: 1,
      opted_out_count: 0,
      progress_percent: 100,
    });
    const { data, total } = await get(`${list.id}/entries`);
    assert.equal(total, 2);
    assert.deepEqual(
      data.map((/** @type {any} */ entry) => [entry.line, entry.phone_number, entry.name, entry.variables]),
      [
        [2, "+6281234567890", "Ani", { Kota: "Solo" }],
        [3, "+6281311112222", "Budi", { Kota: "Bogor; Jawa" }],
      ],
    );
    const errors = await app.call("GET", `${LISTS}/${list.id}/errors`, {
      as: "manager",
      headers: { "accept-language": "id" },
    });
    assert.match(errors.headers.get("content-type") ?? "", /^text\/csv/);
    assert.equal(
      errors.body.split("\r\n")[1],
      '4,No. HP,\'=cmd,"bukan nomor telepon: hanya boleh berisi angka, `+`, spasi, dan tanda hubung"',
    );
    assert.equal(
      errors.body.split("\r\n")[2],
      '5,phone_number,6281234567890,"nomor yang sama dengan baris 2, yang dipertahankan"',
    );
    const page = await app.succeeds("GET", `${LISTS}/${list.id}/errors?format=json`, { as: "manager" });
    assert.deepEqual(
      page.data.map((/** @type {any} */ error) => error.code),
      ["phone_invalid", "duplicate", "phone_rounded"],
    );
    const export_ = await app.call("GET", `${LISTS}/${list.id}/entries?format=csv`, { as: "manager" });
    assert.equal(
      export_.body.replace("\ufeff", ""),
      "contacts_name,phone_number,Kota\r\nAni,+6281234567890,Solo\r\nBudi,+6281311112222,Bogor; Jawa\r\n",
    );
    assert.equal((await sql`select from storage.objects where bucket_id = 'imports'`).count, 0, "the file is gone");
  });

  test("with an error makes no list if the request wants all or nothing", async () => {
    const { body } = await uploads("nomor\n6281234567890\nabc\n", { on_error: "refuse" });
    const list = await ended(body);
    assert.deepEqual(
      [list.status, list.status_reason, list.entry_count, list.error_count],
      ["refused", "rows_with_errors", 0, 1],
    );
  });

  test("that is not a table is refused at once, with an explanation", async () => {
    for (const content of [
      "",
      "nama,kota\nAni,Solo\n",
      "nomor\n",
      Buffer.from([0xd0, 0xcf, 0x11, 0xe0, 0, 0]),
      Buffer.from("PK\x03\x04nonsense", "latin1"),
    ]) {
      const { status, body } = await uploads(content);
      assert.deepEqual([status, body.error.code, Object.keys(body.error.fields)], [422, "invalid_field", ["file"]]);
    }
  });

  test("that is too large for a request goes to Storage first, to the uploader's own folder", async () => {
    const upload = await app.succeeds("POST", `${LISTS}/uploads`, { as: "manager" });
    const put = await fetch(upload.upload_url, {
      method: "PUT",
      body: "nomor\n6281234567890\n",
      headers: { "content-type": "text/csv" },
    });
    assert.equal(put.status, 200, await put.text());
    const body = { name: "Besar", storage_path: upload.storage_path };
    const refused = await app.refuses(422, "invalid_field", "POST", LISTS, { as: "stranger", body });
    assert.deepEqual(Object.keys(refused.body.error.fields), ["storage_path"]);
    await app.refuses(422, "invalid_field", "POST", LISTS, {
      as: "manager",
      body: { ...body, storage_path: `${app.user("manager").tenant_id}/${randomUUID()}` },
    });
    const list = await ended(await app.succeeds("POST", LISTS, { as: "manager", body }));
    assert.deepEqual([list.status, list.entry_count], ["ready", 1]);
  });

  test("may be a spreadsheet with numeric cells", async () => {
    const { body } = await uploads(
      xlsx([
        ["contacts_name", "phone_number", "tier"],
        ["Ani & Co", 6281234567890, "Gold"],
        ["Budi", 81234567891, 7],
      ]),
    );
    const list = await ended(body);
    const { data } = await get(`${list.id}/entries`);
    assert.deepEqual(
      data.map((/** @type {any} */ entry) => [entry.phone_number, entry.name, entry.variables.tier]),
      [
        ["+6281234567890", "Ani & Co", "Gold"],
        ["+6281234567891", "Budi", "7"],
      ],
    );
  });

  test("is continued by cron if its reader is killed, and no row is read twice", async () => {
    const rows = Array.from({ length: 60_000 }, (_, i) => person(i));
    const held = await holds.hold(HOLDS.laterBatch);
    const { body } = await uploads(`nomor\n${rows.join("\n")}\n${person(7)}\n`);
    await eventually("the import is under way", async () => (await held.waiting()) > 0);
    const reader = await processOf("broadcast-recipient-lists");
    process.kill(reader, "SIGKILL");
    await eventually("the reader is gone", async () => (await processOf("broadcast-recipient-lists")) !== reader);
    await held.release({ cancel: true });
    const { status, read_rows } = await get(body.id);
    assert.ok(status === "importing" && read_rows > 0 && read_rows < 60_000, `killed in the middle: ${read_rows}`);

    assert.deepEqual((await runsImports()).body, { finished: 0, to_be_continued: 0 }, "cron waits for the dead reader");
    await sql`update private.recipient_imports set leased_until = now() where list_id = ${body.id}`;
    assert.deepEqual((await runsImports()).body, { finished: 1, to_be_continued: 0 });
    const list = await get(body.id);
    assert.deepEqual(
      [list.status, list.read_rows, list.entry_count, list.duplicate_count],
      ["ready", 60_001, 60_000, 1],
    );
    const [{ people }] =
      await sql`select count(distinct wa_id)::integer as people from public.recipient_list_entries where list_id = ${body.id}`;
    assert.equal(people, 60_000);
  });
});

test(`${ROWS} rows are imported in bounded memory`, async (t) => {
  for (const kind of ["csv", "xlsx"]) {
    const rows = Array.from({ length: ROWS }, (_, i) => [`Pelanggan ${i}`, Number(person(i)), `ORD-${i}`, "Premium"]);
    const header = ["contacts_name", "phone_number", "order", "tier"];
    const file =
      kind === "csv" ? [header, ...rows].map((cells) => cells.join(",")).join("\n") : xlsx([header, ...rows]);
    const upload = await app.succeeds("POST", `${LISTS}/uploads`, { as: "manager" });
    assert.equal(
      (await fetch(upload.upload_url, { method: "PUT", body: file, headers: { "content-type": "text/csv" } })).status,
      200,
    );
    const before = await processOf("broadcast-recipient-lists");
    if (before) {
      process.kill(before, "SIGKILL");
      await eventually("the process is gone", async () => (await processOf("broadcast-recipient-lists")) !== before);
    }
    const start = Date.now();
    const made = await app.succeeds("POST", LISTS, {
      as: "manager",
      body: { name: kind, storage_path: upload.storage_path },
    });
    const answered = Date.now() - start;
    const list = await ended(made);
    assert.deepEqual([list.status, list.entry_count, list.error_count], ["ready", ROWS, 0]);
    const pid = await processOf("broadcast-recipient-lists");
    const peak = Number(/VmHWM:\s+(\d+)/.exec(readFileSync(`/proc/${pid}/status`, "utf8"))?.[1]) / 1024;
    const megabytes = file.length / 1e6;
    t.diagnostic(
      `${kind}: ${megabytes.toFixed(1)} MB, answered after ${answered} ms, read after ${Date.now() - start} ms, peak ${peak.toFixed(0)} MB`,
    );
    assert.ok(peak < 150, `${peak} MB`);
  }
});

test("people are given one by one, and all of them must be valid unless the request says otherwise", async () => {
  const recipients = [
    "0812 3456 7890",
    { phone_number: "6281234567891", name: "Ani", variables: { kota: "Solo" } },
    { phone_number: "abc" },
  ];
  const refused = await app.refuses(422, "invalid_field", "POST", LISTS, {
    as: "manager",
    body: { name: "Tamu", recipients },
  });
  assert.deepEqual(Object.keys(refused.body.error.fields), ["recipients[2].phone_number"]);
  const list = await app.succeeds("POST", LISTS, {
    as: "manager",
    body: { name: "Tamu", recipients, on_error: "keep" },
  });
  assert.deepEqual([list.status, list.entry_count, list.error_count, list.columns], ["ready", 2, 1, ["kota"]]);
  await app.refuses(422, "invalid_field", "POST", LISTS, {
    as: "manager",
    body: { name: "Tamu", recipients, filter: {} },
  });
  await app.refuses(422, "invalid_field", "POST", LISTS, { as: "manager", body: { name: "Tamu" } });
});

test("contacts become a list", async () => {
  const customer = app.newCustomer();
  await app.receivesMessage({ from: customer, name: "Rina" });
  const body = { name: "Kontak", source: "contacts", filter: { search: customer } };
  const list = await app.succeeds("POST", LISTS, { as: "manager", body });
  const { data } = await get(`${list.id}/entries`);
  assert.deepEqual(
    data.map((/** @type {any} */ entry) => [entry.phone_number, entry.name]),
    [[`+${customer}`, "Rina"]],
  );
  await app.refuses(422, "invalid_field", "POST", LISTS, { as: "manager", body: { ...body, filter: { tag: "vip" } } });
});

test("a list is renamed and deleted, and a person of another tenant does not find it", async () => {
  const { id } = await app.succeeds("POST", LISTS, {
    as: "manager",
    body: { name: "Tamu", recipients: ["6281234567890"] },
  });
  for (const [method, path] of [
    ["GET", id],
    ["DELETE", id],
    ["GET", `${id}/entries`],
    ["GET", `${id}/entries?format=csv`],
    ["GET", `${id}/errors`],
  ]) {
    await app.refuses(404, "not_found", method, `${LISTS}/${path}`, { as: "stranger" });
  }
  assert.equal(
    (await app.succeeds("PATCH", `${LISTS}/${id}`, { as: "manager", body: { name: " Tamu VIP " } })).name,
    "Tamu VIP",
  );
  const { data } = await app.succeeds("GET", `${LISTS}?search=vip`, { as: "manager" });
  assert.deepEqual(
    data.map((/** @type {any} */ list) => list.id),
    [id],
  );
  assert.equal((await app.call("DELETE", `${LISTS}/${id}`, { as: "manager" })).status, 204);
  await app.refuses(404, "not_found", "GET", `${LISTS}/${id}`, { as: "manager" });
});

test("the sample file can be imported, and its example number is sent nothing", async () => {
  const { body } = await app.call("GET", `${LISTS}/template?variables=1`, { as: "manager" });
  assert.equal(body.split("\r\n")[0].replace("\ufeff", ""), "contacts_name,phone_number,var1");
  const made = await uploads(`${body}Ani,081234567890,Solo\r\n`);
  const list = await ended(made.body);
  assert.deepEqual([list.entry_count, list.error_count, list.columns], [1, 1, ["var1"]]);
});
