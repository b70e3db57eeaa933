// `npm run bench`: measures the figures of docs/figures.md. `npm run bench -- spawn` measures one of them.
// It marks figures that miss their bound, and fails only if a measurement itself fails.
import { build } from "./launch/build.mjs";
import { prepare } from "./launch/prepare.mjs";
import { ROOT } from "./stack.mjs";

await prepare(ROOT);
const { Skipped } = await import("./bench/figure.mjs");
const { stopLocalStack } = await import("./bench/local-stack.mjs");
const { machine } = await import("./bench/machine.mjs");
const { tables } = await import("./bench/table.mjs");

/** @type {Record<string, () => Promise<import("./bench/figure.mjs").Figure[]>>} */
const sections = {
  spawn: (await import("./bench/spawn.mjs")).spawn,
  instructions: (await import("./bench/instructions.mjs")).instructions,
  "webhook-cpu": (await import("./bench/webhook-cpu.mjs")).webhookCpu,
  sender: (await import("./bench/sender.mjs")).sender,
  bullmq: (await import("./bench/bullmq.mjs")).bullmq,
  // Before the benchmarks that fill the tables, because it starts with an empty database.
  claim: (await import("./bench/claim.mjs")).claim,
  "big-webhook": (await import("./bench/big-webhook.mjs")).bigWebhook,
  inbox: (await import("./bench/inbox.mjs")).inbox,
  sizes: (await import("./bench/sizes.mjs")).sizes,
};

const say = (/** @type {string} */ line) => process.stdout.write(`${line}\n`);
/** Runs only when it is named, because it installs packages that are not part of the product. */
const ON_DEMAND = ["bullmq"];
const asked = process.argv.slice(2).filter((argument) => argument !== "--skip-build");
const unknown = asked.filter((name) => !(name in sections));
if (unknown.length > 0) {
  say(`unknown: ${unknown.join(", ")}; usage: npm run bench -- [--skip-build] [${Object.keys(sections).join("] [")}]`);
  process.exit(2);
}
/** @type {Promise<never> | null} */
let interrupted = null;
for (const signal of ["SIGINT", "SIGTERM"])
  process.once(signal, () => (interrupted = stopLocalStack().then(() => process.exit(130))));

if (!process.argv.includes("--skip-build")) {
  try {
    await build(ROOT, say);
  } catch (error) {
    say(error instanceof Error ? error.message : String(error));
    process.exit(1);
  }
}
// Read before the benchmarks, whose own load would be included later.
const conditions = machine();
say(conditions);

const measured = [];
let broken = false;
for (const name of asked.length > 0 ? asked : Object.keys(sections).filter((name) => !ON_DEMAND.includes(name))) {
  const since = performance.now();
  process.stdout.write(`measuring ${name} ... `);
  try {
    measured.push({ name, figures: await sections[name]() });
  } catch (error) {
    await interrupted;
    const reason = error instanceof Error ? error.message : String(error);
    if (!(error instanceof Skipped)) broken = true;
    measured.push({
      name,
      figures: [{ what: name, skipped: error instanceof Skipped ? reason : `BROKEN: ${reason}` }],
    });
  }
  say(`${((performance.now() - since) / 1000).toFixed(0)} s`);
}
await stopLocalStack();
say(`\n${tables(measured)}\n\n${conditions}`);
process.exit(broken ? 1 : 0);
