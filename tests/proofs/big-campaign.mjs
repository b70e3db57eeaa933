// Sends a campaign to 100,000 people, from the upload of their file to the last status.
import assert from "node:assert/strict";
import { hasFields } from "../fields.mjs";
import { eventually } from "../flows/app.mjs";
import { watchMemory } from "./memory.mjs";

const LISTS = "/api/broadcast/recipient-lists";
/** The highest rate that the schema allows for one number. */
const PER_SECOND = 1000;

/** @param {import("../flows/app.mjs").App} app @param {{ recipients: number, say: (line: string) => void }} options */
export async function bigCampaign(app, { recipients, say }) {
  await app.meta("PUT", "settings", {
    read_ratio: 0,
    pair_limit: false,
    webhook_delay_ms: { sent: 0, delivered: 0, read: 0 },
  });
  await app.setsPace(PER_SECOND);
  const peaks = watchMemory(app, [
    "cron-process-broadcasts",
    "broadcast-recipient-lists",
    "cron-imports",
    "whatsapp-webhook",
    "broadcast-campaigns",
  ]);

  const people = Array.from({ length: recipients }, (_, n) => String(6_287_000_000_000 + n));
  const csv = `nama,nomor,kota\n${people.map((number, n) => `Pelanggan ${n},${number},Solo`).join("\n")}\n`;
  const uploading = performance.now();
  const list = await uploads(app, csv);
  const ready = await eventually("the list is there", async () => {
    await app.call("GET", "/api/cron/imports", { headers: { authorization: `Bearer ${app.stack.cron_secret}` } });
    const now = await app.succeeds("GET", `${LISTS}/${list.id}`, { as: "manager" });
    return now.status === "ready" && now;
  });
  assert.equal(ready.entry_count, recipients);
  const imported = performance.now();
  say(`imported ${recipients} rows (${(csv.length / 1e6).toFixed(1)} MB) in ${seconds(uploading, imported)} s`);

  const campaign = await app.succeeds("POST", "/api/broadcast/campaigns", {
    as: "manager",
    body: {
      name: "Semua",
      template_id: (await app.template()).id,
      recipient_list_id: list.id,
      variable_mapping: [{ source: "contact", field: "name" }],
    },
  });
  const created = performance.now();
  say(`created the campaign in ${seconds(imported, created)} s`);
  const runs = [];
  for (;;) {
    const began = performance.now();
    const { status, body } = await app.runsCron();
    assert.equal(status, 200, JSON.stringify(body));
    const sent = [...body.numbers].reduce((sum, number) => sum + number.sent, 0);
    runs.push(`${sent} in ${seconds(began, performance.now())} s`);
    if ((await app.campaign(campaign.id)).status === "completed") break;
    assert.ok(runs.length < 60, `it does not end: ${runs.join(", ")}`);
  }
  const sent = performance.now();
  say(
    `sent in ${seconds(created, sent)} s (${(recipients / ((sent - created) / 1000)).toFixed(0)}/s), by run: ${runs.join(", ")}`,
  );
  await eventually(
    "Meta's webhooks arrive",
    async () => (await app.meta("GET", "idle")).pending_webhooks === 0,
    600_000,
  );
  say(
    `every status stored ${seconds(sent, performance.now())} s later; ${seconds(uploading, performance.now())} s in all`,
  );

  const { statistics } = await app.campaign(campaign.id);
  const summary = await app.meta("GET", "ledger/summary");
  say(`statistics ${JSON.stringify(statistics)}`);
  say(
    `Meta: ${summary.accepted} accepted, ${summary.recipients} recipients, ${summary.duplicates} duplicates, ${JSON.stringify(summary.by_status)}`,
  );
  for (const [bin, megabytes] of peaks.stop()) say(`peak memory of ${bin}: ${megabytes.toFixed(1)} MB`);
  // Meta accepts a number that is not on WhatsApp, and reports the failure later.
  const failed = summary.by_status.failed ?? 0;
  hasFields(statistics, {
    total: recipients,
    sent: recipients - failed,
    delivered: recipients - failed,
    failed,
    pending: 0,
    sending: 0,
    unknown: 0,
  });
  assert.deepEqual([summary.accepted, summary.recipients, summary.duplicates], [recipients, recipients, 0]);
}

/** @param {import("../flows/app.mjs").App} app @param {string} csv */
async function uploads(app, csv) {
  const body = new FormData();
  body.append("name", "Semua");
  body.append("file", new Blob([csv]), "semua.csv");
  const response = await fetch(app.stack.app_url + LISTS, {
    method: "POST",
    headers: { authorization: `Bearer ${await app.token("manager")}` },
    body,
  });
  const list = /** @type {any} */ (await response.json());
  assert.equal(response.status, 201, JSON.stringify(list));
  return list;
}

const seconds = (/** @type {number} */ from, /** @type {number} */ to) => ((to - from) / 1000).toFixed(1);
