// `npm run demo`: the product at work, told step by step, against the running stack or one of its own. Ends with what we
// say beside what Meta's simulator says; the exit code tells whether they agree.
import { existsSync, readFileSync } from "node:fs";
import path from "node:path";
import { prepare } from "./launch/prepare.mjs";
import { ROOT } from "./stack.mjs";

await prepare(ROOT);
const { openStack } = await import("./demo/open-stack.mjs");
const { chat } = await import("./demo/chat.mjs");
const { campaign } = await import("./demo/campaign.mjs");
const { Product } = await import("./demo/product.mjs");
const { say, heading, table } = await import("./demo/screen.mjs");

const given = path.resolve(ROOT, process.env.CRM_STACK ?? ".local/stack.json");
const { stack, stop } = await openStack(existsSync(given) ? JSON.parse(readFileSync(given, "utf8")) : null);
let agreed = false;
try {
  const product = new Product(stack);
  const chatRows = await chat(product);
  const campaignRows = await campaign(product);
  heading("Our numbers beside Meta's ledger");
  agreed = table([...chatRows, ...campaignRows]);
  say(agreed ? "\nAll agree." : "\nThey do not agree.");
} catch (error) {
  say(`\nThe demo broke off: ${error instanceof Error ? error.message : error}`);
} finally {
  await stop();
}
process.exit(agreed ? 0 : 1);
