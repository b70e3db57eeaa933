// Requests repeatedly that the app stores kept deliveries again, until none are left.
import { existsSync, readFileSync } from "node:fs";
import path from "node:path";
import { parseArgs } from "node:util";
import { StackError } from "../supabase/stack-error.mjs";

export const USAGE = `npm run webhooks:replay -- --id NUMBER
npm run webhooks:replay -- --from TIME [--to TIME]
  --id NUMBER   one delivery: a row of webhook_events
  --from TIME   all deliveries received since then, for example 2026-11-22T06:00:00Z
  --to TIME     all deliveries received until then (default now)
  --help        this text`;

/** @typedef {{ id?: number, from?: string, to?: string }} Wanted */
/** @typedef {{ url: string, secret: string }} App */

/** @param {string[]} args @returns {Wanted | "help"} */
export function readArguments(args) {
  let values;
  try {
    ({ values } = parseArgs({
      args,
      options: {
        id: { type: "string" },
        from: { type: "string" },
        to: { type: "string" },
        help: { type: "boolean", short: "h" },
      },
    }));
  } catch (error) {
    throw refusal(/** @type {Error} */ (error).message);
  }
  if (values.help) return "help";
  const { id, from, to } = values;
  if ((id === undefined) === (from === undefined)) throw refusal("either --id or --from is needed");
  if (id !== undefined) {
    if (!/^\d{1,15}$/.test(id) || to !== undefined)
      throw refusal("--id is a number and cannot be combined with other options");
    return { id: Number(id) };
  }
  return { from: time("--from", /** @type {string} */ (from)), ...(to === undefined ? {} : { to: time("--to", to) }) };
}

/** @param {string} option @param {string} text */
function time(option, text) {
  const at = new Date(text);
  if (Number.isNaN(at.getTime())) throw refusal(`${option} is not a time: ${text}`);
  return at.toISOString();
}

/**
 * The app that the environment names, or else the running `npm start`.
 * @param {string} root @param {Record<string, string | undefined>} environment @returns {App}
 */
export function findApp(root, environment) {
  const { NEXT_PUBLIC_APP_URL: url, CRON_SECRET: secret } = environment;
  if (url && secret) return { url: url.replace(/\/$/, ""), secret };
  if (url || secret) throw new StackError("NEXT_PUBLIC_APP_URL and CRON_SECRET must both be set, or neither");
  const file = path.resolve(root, environment.CRM_STACK ?? ".local/stack.json");
  if (!existsSync(file))
    throw new StackError("no project to work on: run npm start first, or set NEXT_PUBLIC_APP_URL and CRON_SECRET");
  const stack = JSON.parse(readFileSync(file, "utf8"));
  return { url: stack.app_url, secret: stack.cron_secret };
}

/** @param {App} app @param {Wanted} wanted @returns {Promise<string>} a one-line summary */
export async function replay(app, wanted) {
  let replayed = 0;
  /** @type {number[]} */
  const refused = [];
  /** @type {number[]} */
  const setAside = [];
  let after = null;
  do {
    const report = await ask(app, { ...wanted, after });
    replayed += report.replayed;
    refused.push(...report.refused);
    setAside.push(...(report.set_aside ?? []));
    after = report.next_after;
  } while (after !== null);
  const rest = refused.length > 0 ? `; refused, and left as they were: ${refused.join(", ")}` : "";
  const aside = setAside.length > 0 ? `; set aside, because two replays died: ${setAside.join(", ")}` : "";
  return `${replayed} ${replayed === 1 ? "delivery" : "deliveries"} stored once more${rest}${aside}`;
}

/** @param {App} app @param {object} body @returns {Promise<{ replayed: number, refused: number[], set_aside?: number[], next_after: number | null }>} */
async function ask({ url, secret }, body) {
  let response;
  let text;
  try {
    response = await fetch(`${url}/api/cron/replay-webhooks`, {
      method: "POST",
      headers: { authorization: `Bearer ${secret}`, "content-type": "application/json" },
      body: JSON.stringify(body),
    });
    text = await response.text();
  } catch (error) {
    throw new StackError(`${url} does not answer: ${/** @type {any} */ (error).cause?.message ?? error}`);
  }
  if (!response.ok) throw new StackError(`${url} answered ${response.status} ${text.slice(0, 300)}`);
  return JSON.parse(text);
}

/** @param {string} reason */
const refusal = (reason) => new StackError(`${reason} (see npm run webhooks:replay -- --help)`);
