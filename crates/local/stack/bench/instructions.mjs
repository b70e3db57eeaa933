// Counts the instructions per webhook with valgrind's callgrind. It compares a run with another of twice as many
// requests, and divides the difference by the number of requests.
import { spawnSync } from "node:child_process";
import { readFileSync } from "node:fs";
import path from "node:path";
import { sendRepeatedly } from "./connection.mjs";
import { Skipped } from "./figure.mjs";
import { newFolder } from "./folder.mjs";
import { startFunction } from "./function-process.mjs";
import { startPostgrest } from "./stand-ins.mjs";
import { textWebhooks } from "./webhook-request.mjs";

const REQUESTS = 1000;

/** @returns {Promise<import("./figure.mjs").Figure[]>} */
export async function instructions() {
  if (spawnSync("valgrind", ["--version"]).status !== 0) throw new Skipped("valgrind is not installed");
  const postgrest = await startPostgrest();
  try {
    const environment = { SUPABASE_URL: postgrest.url };
    const refused = await perRequest(environment, textWebhooks(REQUESTS, { signed: false }), 401);
    const stored = await perRequest(environment, textWebhooks(REQUESTS, { signed: true }), 200);
    return [
      {
        what: "instructions per webhook, signature checked, refused with 401",
        prototype: "71 k",
        most: 100,
        value: refused / 1000,
        unit: "k",
      },
      {
        what: "instructions per webhook, text message stored by one call",
        prototype: "138 k",
        most: 200,
        value: stored / 1000,
        unit: "k",
      },
    ];
  } finally {
    await postgrest.stop();
  }
}

/** @param {Record<string, string>} environment @param {Buffer[]} requests @param {number} status */
async function perRequest(environment, requests, status) {
  const once = await instructionsOf(environment, requests, REQUESTS, status);
  const twice = await instructionsOf(environment, requests, 2 * REQUESTS, status);
  return (twice - once) / REQUESTS;
}

/** @param {Record<string, string>} environment @param {Buffer[]} requests @param {number} count @param {number} status */
async function instructionsOf(environment, requests, count, status) {
  const folder = newFolder();
  const log = path.join(folder, "log");
  const under = [
    "valgrind",
    "--tool=callgrind",
    `--callgrind-out-file=${path.join(folder, "out")}`,
    `--log-file=${log}`,
  ];
  const started = await startFunction("whatsapp-webhook", { environment, under });
  await sendRepeatedly({ port: started.port, requests, count, connections: 1, status });
  await started.stop();
  const collected = /Collected : (\d+)/.exec(readFileSync(log, "utf8"));
  if (collected === null) throw new Error("callgrind did not say what it counted");
  return Number(collected[1]);
}
