// `npm run webhooks:replay -- --from 2026-11-22T00:00Z --to 2026-11-22T06:00Z`, or `-- --id 4711`: processes
// stored deliveries of Meta again. Works against the running `npm start`, or against the app that NEXT_PUBLIC_APP_URL and
// CRON_SECRET name.
import { ROOT } from "./stack.mjs";
import { findApp, readArguments, replay, USAGE } from "./replay/replay.mjs";
import { StackError } from "./supabase/stack-error.mjs";

try {
  const wanted = readArguments(process.argv.slice(2));
  process.stdout.write(`${wanted === "help" ? USAGE : await replay(findApp(ROOT, process.env), wanted)}\n`);
} catch (error) {
  process.stderr.write(`${error instanceof StackError ? error.message : /** @type {Error} */ (error).stack}\n`);
  process.exitCode = 1;
}
