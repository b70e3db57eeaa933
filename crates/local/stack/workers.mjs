// `npm run workers`: calls the crons of a deployment at their times, for hosts without cron. It runs until it is stopped.
import { readFileSync } from "node:fs";
import path from "node:path";
import { ROOT } from "./stack.mjs";
import { dueAt, openWorkers } from "./queue/workers.mjs";
import { StackError } from "./supabase/stack-error.mjs";

const say = (/** @type {string} */ line) => process.stdout.write(`${new Date().toISOString()} ${line}\n`);

try {
  const call = openWorkers(ROOT, process.env);
  const { crons } = JSON.parse(readFileSync(path.join(ROOT, "vercel.json"), "utf8"));
  const tick = () => {
    const due = dueAt(crons, new Date());
    for (const route of due) call(route).then((/** @type {string} */ outcome) => say(`${route}: ${outcome}`));
    const untilNextMinute = 60_000 - (Date.now() % 60_000);
    setTimeout(tick, untilNextMinute + 50);
  };
  tick();
} catch (error) {
  process.stderr.write(`${error instanceof StackError ? error.message : /** @type {Error} */ (error).stack}\n`);
  process.exitCode = 1;
}
