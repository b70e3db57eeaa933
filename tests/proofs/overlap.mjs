// Runs eight crons at once, every few seconds, for half a minute. Each recipient must get the message only once, and
// the rate of each number must be within 5 %.
import assert from "node:assert/strict";
import { setTimeout as pause } from "node:timers/promises";
import { paceOf } from "../flows/pace.mjs";

const NUMBERS = 3;
const PER_SECOND = 10;
const OVERLAPPING = 8;

/** @param {import("../flows/app.mjs").App} app @param {{ seconds: number, say: (line: string) => void }} options */
export async function overlap(app, { seconds, say }) {
  await app.meta("PUT", "settings", {
    throughput: 0,
    read_ratio: 0,
    webhook_delay_ms: { sent: 0, delivered: 0, read: 0 },
  });
  const campaigns = await Promise.all(
    Array.from({ length: NUMBERS }, async () => {
      const { id: session_id } = await app.newNumber({ perSecond: PER_SECOND });
      const people = Array.from({ length: PER_SECOND * seconds + 1 }, () => app.newCustomer());
      const { id } = await app.createsDueCampaign(people, { session_id });
      return { id, people };
    }),
  );

  let crons = 0;
  const statuses = async () =>
    (await Promise.all(campaigns.map(({ id }) => app.campaign(id)))).map(({ status }) => status);
  const wave = async () => {
    crons += OVERLAPPING;
    const answers = await Promise.all(Array.from({ length: OVERLAPPING }, () => app.runsCron()));
    for (const { status } of answers) assert.equal(status, 200);
  };
  const waves = [wave()];
  for (const end = Date.now() + (seconds + 60) * 1000; (await statuses()).some((status) => status !== "completed");) {
    assert.ok(Date.now() < end, "the campaigns do not end");
    await pause(5000);
    waves.push(wave());
  }
  await Promise.all(waves);

  for (const { id, people } of campaigns) {
    const { statistics } = await app.campaign(id);
    const { sends, seconds: took, perSecond } = await paceOf(app, people);
    const ledger = await app.ledger(people);
    const twice = [...ledger.values()].filter((accepted) => accepted.length > 1).length;
    const off = 100 * (perSecond / PER_SECOND - 1);
    say(
      `${people.length} recipients: ${sends} accepted in ${took.toFixed(1)} s, ${twice} twice, ${perSecond.toFixed(2)}/s (${off.toFixed(1)} %)`,
    );
    assert.deepEqual([twice, sends, statistics.sent], [0, people.length, people.length]);
    assert.ok(Math.abs(off) <= 5, `the pace is ${off.toFixed(1)} % off`);
  }
  say(`${crons} cron calls, ${OVERLAPPING} at a time`);
}
