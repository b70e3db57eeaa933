// The database stands still in the middle of a campaign: nobody is lost and nobody gets it twice.
import assert from "node:assert/strict";
import { readdirSync, readFileSync } from "node:fs";
import { setTimeout as pause } from "node:timers/promises";
import postgres from "postgres";
import { eventually } from "../flows/app.mjs";

const RECIPIENTS = 2000;
const PER_SECOND = 40;

/** @param {import("../flows/app.mjs").App} app @param {{ seconds: number, say: (line: string) => void }} options */
export async function databaseAway(app, { seconds, say }) {
  await app.meta("PUT", "settings", { throughput: 0, read_ratio: 0, webhook_delay_ms: { sent: 0, delivered: 0, read: 0 } });
  const { id: session_id } = await app.newNumber({ perSecond: PER_SECOND });
  const people = Array.from({ length: RECIPIENTS }, () => app.newCustomer());
  const { id } = await app.createsCampaign(people, { session_id });
  const run = app.runsCron();
  await eventually("it is under way", async () => (await app.ledger(people)).size > RECIPIENTS / 20);

  const processes = await databaseProcesses(app);
  for (const pid of processes) process.kill(pid, "SIGSTOP");
  const before = (await app.ledger(people)).size;
  await pause(seconds * 1000);
  const during = (await app.ledger(people)).size;
  for (const pid of [...processes].reverse()) process.kill(pid, "SIGCONT");
  say(`away for ${seconds} s with ${before} accepted; ${during - before} more were accepted meanwhile`);
  // Longer than one lease holds: what the sender may not be sure of it does not send.
  assert.ok(during - before < PER_SECOND * 20, "it went on without the database");

  const first = await run;
  say(`the run that lived through it answered ${first.status} ${JSON.stringify(first.body.numbers ?? first.body)}`);
  const campaign = await eventually("the campaign ends", async () => {
    await app.runsCron();
    const campaign = await app.campaign(id);
    return campaign.status === "completed" && campaign;
  }, 180_000);
  await app.metaIsQuiet();
  const { statistics } = await app.campaign(campaign.id);
  const ledger = await app.ledger(people);
  const twice = [...ledger.values()].filter((accepted) => accepted.length > 1).length;
  say(`${RECIPIENTS} recipients: ${ledger.size} accepted, ${twice} twice; ${statistics.sent} sent, ${statistics.failed} failed, ${statistics.unknown} unknown`);
  assert.deepEqual([twice, statistics.sent + statistics.failed + statistics.unknown, statistics.sent], [0, RECIPIENTS, ledger.size]);
  assert.deepEqual([statistics.unknown, statistics.failed], [0, 0]);
}

/** The server and everything it has started. @param {import("../flows/app.mjs").App} app @returns {Promise<number[]>} */
async function databaseProcesses(app) {
  const sql = postgres(app.stack.database_url ?? "", { max: 1 });
  const [{ folder }] = await sql`select current_setting('data_directory') as folder`;
  await sql.end();
  const server = Number(readFileSync(`${folder}/postmaster.pid`, "utf8").split("\n")[0]);
  return [server, ...readdirSync("/proc").filter((name) => /^\d+$/.test(name) && parentOf(name) === server).map(Number)];
}

/** @param {string} pid */
function parentOf(pid) {
  try {
    // the name stands in brackets, and may have spaces
    return Number(/\) \S (\d+)/.exec(readFileSync(`/proc/${pid}/stat`, "utf8"))?.[1]);
  } catch {
    return null;
  }
}
