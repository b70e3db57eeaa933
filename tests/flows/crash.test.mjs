// The process that sends a campaign is killed in the middle, again and again. `CRM_CRASH_ROUNDS` sets how often.
import assert from "node:assert/strict";
import { test } from "node:test";
import { eventually, useApp } from "./app.mjs";

const ROUNDS = Number(process.env.CRM_CRASH_ROUNDS ?? 2);
const RECIPIENTS = 500;
const app = await useApp();

async function senderProcess() {
  const functions = await (await fetch(`${app.stack.app_url}/_gateway/functions`)).json();
  const list = functions.functions ?? functions;
  return list.find((/** @type {any} */ known) => known.bin === "cron-process-broadcasts")?.pid;
}

for (let round = 1; round <= ROUNDS; round += 1) {
  test(`round ${round}: kill -9 in the middle of a campaign`, async (t) => {
    // Fast enough for many rounds, slow enough to be in the middle.
    await app.setsPace(200);
    await app.meta("PUT", "settings", { response_delay_ms: 20 });
    const numbers = Array.from({ length: RECIPIENTS }, () => app.newCustomer());
    const { id } = await app.createsCampaign(numbers);

    const cut = app.runsCron();
    const after = 20 + Math.floor(Math.random() * (RECIPIENTS - 100));
    await eventually("the campaign is under way", async () => (await app.ledger(numbers)).size >= after);
    process.kill(await senderProcess(), "SIGKILL");
    const killed = await cut;
    assert.equal(killed.status, 500);
    assert.equal(killed.body.error.code, "function_crashed");

    const campaign = await eventually("the campaign ends", async () => {
      await app.runsCron();
      const campaign = await app.campaign(id);
      return campaign.status === "completed" && campaign;
    }, 90_000);
    assert.equal(campaign.statistics.pending + campaign.statistics.sending, 0);

    await app.metaIsQuiet();
    const { statistics } = await app.campaign(id);
    const ledger = await app.ledger(numbers);
    const twice = [...ledger].filter(([, entries]) => entries.length > 1);
    assert.deepEqual(twice, [], "somebody got it twice");
    assert.equal(statistics.sent + statistics.failed + statistics.unknown, RECIPIENTS, "somebody is not accounted for");
    assert.equal(statistics.sent, ledger.size, "what Meta accepted is known as sent");
    t.diagnostic(`killed after ${after}: ${statistics.sent} sent, ${statistics.unknown} unknown, ${statistics.failed} failed`);
  });
}
