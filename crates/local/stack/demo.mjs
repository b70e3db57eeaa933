// `npm run demo`: shows the product at work, step by step, on the running stack or on its own one. It ends with a comparison
// of our counts and those of Meta's simulator; the exit code is 0 if they agree.
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
  heading("Our counts compared with Meta's");
  agreed = table([...chatRows, ...campaignRows]);
  say(agreed ? "\nAll agree." : "\nThey do not agree.");
} catch (error) {
  say(`\nThe demo broke off: ${error instanceof Error ? error.message : error}`);
} finally {
  await stop();
}
process.exit(agreed ? 0 : 1);
