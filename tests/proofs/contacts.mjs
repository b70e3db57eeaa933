// Imports 100,000 contacts from a file, imports them again with another city, and exports them. Checks time, memory and
// exact counts.
import assert from "node:assert/strict";
import { eventually } from "../flows/app.mjs";
import { watchMemory } from "./memory.mjs";

const CONTACTS = "/api/crm/contacts";

/** @param {import("../flows/app.mjs").App} app @param {{ rows: number, say: (line: string) => void }} options */
export async function contacts(app, { rows, say }) {
  const peaks = watchMemory(app, ["crm-contacts-import", "cron-imports", "crm-contacts-export"]);
  await app.succeeds("POST", "/api/crm/fields", { as: "manager", body: { key: "kota", name: "Kota", type: "text" } });
  const before = (await app.succeeds("GET", `${CONTACTS}?limit=1`, { as: "manager" })).total;
  const numbers = Array.from({ length: rows }, (_, n) => String(6_287_000_000_000 + n));

  for (const [city, created, updated] of /** @type {const} */ ([
    ["Solo", rows, 0],
    ["Malang", 0, rows],
  ])) {
    const csv = `nama,nomor hp,kota\n${numbers.map((number, n) => `Pelanggan ${n},${number},${city}`).join("\n")}\n`;
    const began = performance.now();
    const done = await imports(app, csv);
    say(
      `${city}: ${rows} rows (${(csv.length / 1e6).toFixed(1)} MB) in ${seconds(began)} s: ${done.created_count} created, ${done.updated_count} updated, ${done.error_count} not taken`,
    );
    assert.deepEqual([done.created_count, done.updated_count, done.error_count], [created, updated, 0]);
  }
  assert.equal((await app.succeeds("GET", `${CONTACTS}?limit=1`, { as: "manager" })).total, before + rows);

  for (const format of ["csv", "xlsx"]) {
    const began = performance.now();
    const response = await fetch(`${app.stack.app_url}${CONTACTS}/export?format=${format}`, {
      headers: { authorization: `Bearer ${await app.token("manager")}` },
    });
    assert.equal(response.status, 200);
    const bytes = Buffer.from(await response.arrayBuffer());
    say(`exported as ${format} in ${seconds(began)} s, ${(bytes.length / 1e6).toFixed(1)} MB`);
    if (format === "csv") assert.equal(bytes.toString().trimEnd().split("\r\n").length, before + rows + 1);
  }
  for (const [bin, megabytes] of peaks.stop()) say(`peak memory of ${bin}: ${megabytes.toFixed(1)} MB`);
}

/** @param {import("../flows/app.mjs").App} app @param {string} csv */
async function imports(app, csv) {
  const address = await app.succeeds("PUT", `${CONTACTS}/import`, { as: "manager", body: { file_name: "semua.csv" } });
  const put = await fetch(address.upload_url, { method: "PUT", headers: { "content-type": "text/csv" }, body: csv });
  assert.ok(put.ok, `Storage answered ${put.status}`);
  const { id } = await app.succeeds("POST", `${CONTACTS}/import`, {
    as: "manager",
    body: { storage_path: address.storage_path, on_existing: "update" },
  });
  return eventually(
    "the file is imported",
    async () => {
      await app.call("GET", "/api/cron/imports", { headers: { authorization: `Bearer ${app.stack.cron_secret}` } });
      const now = await app.succeeds("GET", `${CONTACTS}/import?id=${id}`, { as: "manager" });
      assert.notEqual(now.status, "failed", JSON.stringify(now));
      return now.status === "finished" && now;
    },
    600_000,
  );
}

const seconds = (/** @type {number} */ from) => ((performance.now() - from) / 1000).toFixed(1);
