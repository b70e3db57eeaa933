// `npm run retry-failed`: queues failed recipients of the last week's campaigns again.
import { prepare } from "./launch/prepare.mjs";
import { ROOT } from "./stack.mjs";
import { StackError } from "./supabase/stack-error.mjs";

await prepare(ROOT);
const { openProduct } = await import("./queue/product.mjs");

try {
  const ask = await openProduct(ROOT, process.env);
  const { retried, campaigns } = await ask("POST", "/api/queue/retry");
  process.stdout.write(`${retried} recipients of ${campaigns} campaigns are due again\n`);
} catch (error) {
  process.stderr.write(`${error instanceof StackError ? error.message : /** @type {Error} */ (error).stack}\n`);
  process.exitCode = 1;
}
