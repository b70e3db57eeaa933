// `npm run check-queue`: counts waiting, active, completed and failed recipients, by number and by campaign.
import { prepare } from "./launch/prepare.mjs";
import { ROOT } from "./stack.mjs";
import { StackError } from "./supabase/stack-error.mjs";

await prepare(ROOT);
const { openProduct } = await import("./queue/product.mjs");
const COLUMNS = ["waiting", "delayed", "active", "completed", "failed", "unknown", "skipped"];

try {
  const ask = await openProduct(ROOT, process.env);
  const queue = await ask("GET", "/api/queue");
  const row = (/** @type {string} */ name, /** @type {any} */ counts) => ({
    "": name,
    ...Object.fromEntries(COLUMNS.map((column) => [column, counts[column]])),
  });
  console.table([
    row("all", queue.total),
    ...queue.numbers.map((/** @type {any} */ number) =>
      row(`${number.display_phone_number || number.name} (${number.status})`, number.counts),
    ),
    ...queue.campaigns.map((/** @type {any} */ campaign) =>
      row(`${campaign.name} (${campaign.status_reason ?? campaign.status})`, campaign.counts),
    ),
  ]);
} catch (error) {
  process.stderr.write(`${error instanceof StackError ? error.message : /** @type {Error} */ (error).stack}\n`);
  process.exitCode = 1;
}
