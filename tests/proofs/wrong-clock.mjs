// Runs the sender with a clock that is wrong by ten minutes. Leases, claims and the pace must follow the database's
// clock.
import assert from "node:assert/strict";
import { eventually } from "../flows/app.mjs";
import { paceOf } from "../flows/pace.mjs";

/** @param {import("../flows/app.mjs").App} app whose sender has the wrong clock @param {{ say: (line: string) => void }} options */
export async function wrongClock(app, { say }) {
  const PER_SECOND = 20;
  await app.setsPace(PER_SECOND);
  const people = Array.from({ length: 500 }, () => app.newCustomer());
  const { id } = await app.createsDueCampaign(people);
  const first = app.runsCron();
  await eventually("sending has begun", async () => (await app.ledger(people)).size > 20);
  // A second run during the first must find the number busy and must not expire its claims.
  const second = app.runsCron();
  const [{ headers }] = await Promise.all([first, second]);
  const ahead = (Date.parse(headers.get("date") ?? "") - Date.now()) / 1000;
  say(`the sender's clock is ${ahead.toFixed(0)} s ahead`);
  assert.ok(ahead > 590, "the sender's clock is right, so the test proves nothing");
  const campaign = await eventually("the campaign ends", async () => {
    await app.runsCron();
    const campaign = await app.campaign(id);
    return campaign.status === "completed" && campaign;
  });
  await app.metaIsQuiet();
  const ledger = await app.ledger(people);
  const twice = [...ledger.values()].filter((accepted) => accepted.length > 1).length;
  const { perSecond } = await paceOf(app, people);
  const { statistics } = await app.campaign(campaign.id);
  say(
    `${people.length} recipients: ${ledger.size} accepted, ${twice} twice, ${statistics.unknown} unknown, ${perSecond.toFixed(2)}/s of ${PER_SECOND}`,
  );
  assert.deepEqual([ledger.size, twice, statistics.sent, statistics.unknown], [people.length, 0, people.length, 0]);
  assert.ok(Math.abs(perSecond / PER_SECOND - 1) < 0.1, `${perSecond}/s`);
}
