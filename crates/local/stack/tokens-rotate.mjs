#!/usr/bin/env node
// `npm run tokens:rotate`: lets the deployment seal the access token of every number again with the first key of
// TOKEN_ENCRYPTION_KEY. Asks the deployment named by NEXT_PUBLIC_APP_URL and CRON_SECRET, or the running `npm start`.
import { readFileSync } from "node:fs";
import path from "node:path";

const stackFile = path.join(import.meta.dirname, "..", "..", "..", ".local", "stack.json");

/** @returns {{ app_url: string, cron_secret: string }} */
function deployment() {
  const { NEXT_PUBLIC_APP_URL: app_url, CRON_SECRET: cron_secret } = process.env;
  if (app_url && cron_secret) return { app_url, cron_secret };
  try {
    return JSON.parse(readFileSync(stackFile, "utf8"));
  } catch {
    console.error("Set NEXT_PUBLIC_APP_URL and CRON_SECRET of the deployment, or run npm start.");
    process.exit(1);
  }
}

const { app_url, cron_secret } = deployment();
const answer = await fetch(new URL("/api/cron/housekeeping?only=reseal_tokens", app_url), {
  method: "POST",
  headers: { authorization: `Bearer ${cron_secret}` },
}).catch((error) => {
  console.error(`${app_url} does not answer: ${error.cause?.message ?? error.message}`);
  process.exit(1);
});
const body = await answer.json().catch(() => null);
const step = body?.steps?.[0];
if (!answer.ok || !step?.ok) {
  console.error(`The deployment refused: ${body?.error?.message ?? `HTTP ${answer.status}; see its log`}`);
  process.exit(1);
}
const { resealed, failed } = step.result;
console.log(`${resealed} token${resealed === 1 ? "" : "s"} sealed again.`);
if (failed > 0) {
  console.error(`${failed} could not be opened: the key that sealed them is not in TOKEN_ENCRYPTION_KEY.`);
  process.exit(1);
}
console.log("From now on only the first key is needed.");
