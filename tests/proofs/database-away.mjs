// Makes the database unavailable in the middle of a campaign. All recipients must get the message exactly once.
import assert from "node:assert/strict";
import { readdirSync, readFileSync } from "node:fs";
import { setTimeout as pause } from "node:timers/promises";
import postgres from "postgres";
import { eventually } from "../flows/app.mjs";

const RECIPIENTS = 2000;
const PER_SECOND = 40;

/** @typedef {{ goes: () => Promise<void>, returns: () => Promise<void> }} Absence */

/** @param {import("../flows/app.mjs").App} app @param {{ seconds: number, say: (line: string) => void }} options */
export async function databaseAway(app, { seconds, say }) {
  await app.meta("PUT", "settings", {
    throughput: 0,
    read_ratio: 0,
    webhook_delay_ms: { sent: 0, delivered: 0, read: 0 },
  });
  for (const [how, absence] of /** @type {[string, Absence][]} */ ([
    ["stands still", standsStill(app)],
    ["refuses everybody", refuses(app)],
  ])) {
    say(`it ${how} for ${seconds} s`);
    await campaignDuring(app, absence, { seconds, say });
  }
}

/** @param {import("../flows/app.mjs").App} app @param {Absence} absence @param {{ seconds: number, say: (line: string) => void }} options */
async function campaignDuring(app, absence, { seconds, say }) {
  const { id: session_id } = await app.newNumber({ perSecond: PER_SECOND });
  const people = Array.from({ length: RECIPIENTS }, () => app.newCustomer());
  const { id } = await app.createsDueCampaign(people, { session_id });
  const run = app.runsCron();
  await eventually("sending has begun", async () => (await app.ledger(people)).size > RECIPIENTS / 20);

  await absence.goes();
  const before = (await app.ledger(people)).size;
  await pause(seconds * 1000);
  const during = (await app.ledger(people)).size;
  await absence.returns();
  say(`  ${before} accepted before, ${during - before} more meanwhile`);
  // Messages that were already claimed are sent while the lease is certain to hold.
  assert.ok(during - before < PER_SECOND * 15, "sending continued without the database");

  const first = await run;
  say(`  the run that survived it answered ${first.status} ${JSON.stringify(first.body.numbers ?? first.body)}`);
  await eventually("the campaign ends", async () => {
    const { status } = await app.runsCron();
    return status === 200 && (await app.campaign(id)).status === "completed";
  });
  await app.metaIsQuiet();
  const { statistics } = await app.campaign(id);
  const ledger = await app.ledger(people);
  const twice = [...ledger.values()].filter((accepted) => accepted.length > 1).length;
  say(
    `  ${RECIPIENTS} recipients: ${ledger.size} accepted, ${twice} twice; ${statistics.sent} sent, ${statistics.failed} failed, ${statistics.unknown} unknown`,
  );
  assert.deepEqual(
    [twice, ledger.size, statistics.sent, statistics.failed, statistics.unknown],
    [0, RECIPIENTS, RECIPIENTS, 0, 0],
  );
}

/** Connections stay open, but the database does not answer. @param {import("../flows/app.mjs").App} app @returns {Absence} */
function standsStill(app) {
  /** @type {number[]} */
  let processes = [];
  return {
    async goes() {
      processes = await databaseProcesses(app);
      for (const pid of processes) process.kill(pid, "SIGSTOP");
    },
    async returns() {
      for (const pid of [...processes].reverse()) {
        try {
          process.kill(pid, "SIGCONT");
        } catch {
          // The process has ended in the meantime.
        }
      }
    },
  };
}

/** Connections are cut, and new ones are refused. @param {import("../flows/app.mjs").App} app @returns {Absence} */
function refuses(app) {
  const beside = () =>
    postgres((app.stack.database_url ?? "").replace(/\/postgres$/, "/template1"), { max: 1, onnotice: () => {} });
  /** @param {(sql: import("postgres").Sql) => Promise<unknown>} work */
  const doing = async (work) => {
    const sql = beside();
    await work(sql);
    await sql.end({ timeout: 2 });
  };
  return {
    goes: () =>
      doing(async (sql) => {
        await sql`alter database postgres with allow_connections false`;
        await sql`select pg_terminate_backend(pid) from pg_stat_activity where datname = 'postgres' and pid <> pg_backend_pid()`;
      }),
    returns: () => doing((sql) => sql`alter database postgres with allow_connections true`),
  };
}

/** The server and all processes that it has started. @param {import("../flows/app.mjs").App} app @returns {Promise<number[]>} */
async function databaseProcesses(app) {
  const sql = postgres(app.stack.database_url ?? "", { max: 1 });
  const [{ folder }] = await sql`select current_setting('data_directory') as folder`;
  await sql.end();
  const server = Number(readFileSync(`${folder}/postmaster.pid`, "utf8").split("\n")[0]);
  return [
    server,
    ...readdirSync("/proc")
      .filter((name) => /^\d+$/.test(name) && parentOf(name) === server)
      .map(Number),
  ];
}

/** @param {string} pid */
function parentOf(pid) {
  try {
    // The name is in parentheses and may contain spaces.
    return Number(/\) \S (\d+)/.exec(readFileSync(`/proc/${pid}/stat`, "utf8"))?.[1]);
  } catch {
    return null;
  }
}
