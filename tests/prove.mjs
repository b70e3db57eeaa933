// `npm run prove -- crashes --rounds 200 --seed 1`: what the tests show in small, shown at length. Each on a stack of its own.
import { chmodSync, mkdtempSync, readdirSync, rmSync, symlinkSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import path from "node:path";
import { parseArgs } from "node:util";
import { build, releaseFolder } from "../crates/local/stack/launch/build.mjs";
import { prepare } from "../crates/local/stack/launch/prepare.mjs";
import { ROOT } from "../crates/local/stack/stack.mjs";

await prepare(ROOT);
const { App } = await import("./flows/app.mjs");
const { openStack } = await import("./stack.mjs");

const say = (/** @type {string} */ line) => process.stdout.write(`${line}\n`);
const USAGE = `usage: npm run prove -- [--skip-build] <proof>
  crashes [--rounds 200] [--recipients 1000] [--seed 1] [--minutes 60]
  overlap [--seconds 30]
  database-away [--seconds 30]
  big-campaign [--recipients 100000]
  contacts [--rows 100000]
  wrong-clock (with libfaketime.so.1 at CRM_FAKETIME)`;

/** @typedef {{ rounds: string, recipients?: string, seed: string, minutes: string, seconds: string, rows: string }} Options */
/** @type {Record<string, { stack?: () => object, prove: (app: import("./flows/app.mjs").App, options: Options) => Promise<void> }>} */
const proofs = {
  crashes: { prove: crashes },
  overlap: {
    prove: async (app, { seconds }) =>
      (await import("./proofs/overlap.mjs")).overlap(app, { seconds: Number(seconds), say }),
  },
  "database-away": {
    prove: async (app, { seconds }) =>
      (await import("./proofs/database-away.mjs")).databaseAway(app, { seconds: Number(seconds), say }),
  },
  "big-campaign": {
    stack: asHosted,
    prove: async (app, { recipients = "100000" }) =>
      (await import("./proofs/big-campaign.mjs")).bigCampaign(app, { recipients: Number(recipients), say }),
  },
  contacts: {
    stack: asHosted,
    prove: async (app, { rows }) => (await import("./proofs/contacts.mjs")).contacts(app, { rows: Number(rows), say }),
  },
  "wrong-clock": {
    stack: wrongClockStack,
    prove: async (app) => (await import("./proofs/wrong-clock.mjs")).wrongClock(app, { say }),
  },
};

const text = /** @type {const} */ ("string");
const { values, positionals } = parseArgs({
  allowPositionals: true,
  options: {
    "skip-build": { type: "boolean" },
    rounds: { type: text, default: "200" },
    recipients: { type: text },
    seed: { type: text, default: "1" },
    minutes: { type: text, default: "60" },
    seconds: { type: text, default: "30" },
    rows: { type: text, default: "100000" },
  },
});
const proof = proofs[positionals[0] ?? ""];
if (!proof || positionals.length !== 1) {
  say(USAGE);
  process.exit(2);
}
if (!values["skip-build"]) await build(ROOT, say);

const { stack, stop } = await openStack({
  own: true,
  demo: true,
  webhookDelay: { sent: 0, delivered: 0, read: 0 },
  ...proof.stack?.(),
});
let status = 0;
try {
  await proof.prove(new App(stack), values);
} catch (error) {
  say(error instanceof Error ? (error.stack ?? error.message) : String(error));
  status = 1;
}
await stop();
process.exit(status);

/** The time limits of a hosted project: a proof about size must keep them. */
function asHosted() {
  return { timeLimitScale: 1 };
}

/** @param {import("./flows/app.mjs").App} app @param {Options} options */
async function crashes(app, { rounds, recipients = "1000", seed, minutes }) {
  const { openCrashes, STEPS } = await import("./proofs/crashes.mjs");
  const known = await openCrashes(app, { seed: Number(seed) });
  const total = { rounds: 0, recipients: 0, sent: 0, failed: 0, unknown: 0, died: 0, unanswered: 0 };
  const end = Date.now() + Number(minutes) * 60_000;
  try {
    for (let n = 0; n < Number(rounds) && Date.now() < end; n++) {
      const step = STEPS[n % STEPS.length];
      const round = await known.round(step, { recipients: Number(recipients) });
      total.rounds += 1;
      total.recipients += Number(recipients);
      for (const count of /** @type {const} */ (["sent", "failed", "unknown", "died", "unanswered"]))
        total[count] += round[count];
      say(
        `${n + 1} ${step}${round.cancelled ? " (cancelled)" : ""}: ${round.sent} sent, ${round.failed} failed, ${round.unknown} unknown (${round.died} with the process, ${round.unanswered} unanswered), ${round.seconds.toFixed(1)} s`,
      );
    }
  } finally {
    say(`seed ${seed}: ${JSON.stringify(total)}`);
    await known.close();
  }
}

/** The sender under a clock that is ten minutes fast. */
function wrongClockStack() {
  const library = process.env.CRM_FAKETIME;
  if (!library) throw new Error("CRM_FAKETIME is not set: install libfaketime and name its libfaketime.so.1");
  const folder = mkdtempSync(path.join(tmpdir(), "crm-clock-"));
  process.once("exit", () => rmSync(folder, { recursive: true, force: true }));
  const built = releaseFolder(ROOT);
  const sender = "cron-process-broadcasts";
  for (const name of readdirSync(built)) {
    if (name !== sender) symlinkSync(path.join(built, name), path.join(folder, name));
  }
  const script = path.join(folder, sender);
  writeFileSync(
    script,
    `#!/bin/sh\nLD_PRELOAD='${library}' FAKETIME=+600s FAKETIME_DONT_FAKE_MONOTONIC=1 DONT_FAKE_MONOTONIC=1 exec '${path.join(built, sender)}'\n`,
  );
  chmodSync(script, 0o755);
  return { functionsDir: folder };
}
