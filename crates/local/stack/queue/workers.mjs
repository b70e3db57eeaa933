// The crons of a deployment, called from outside.
import { existsSync, readFileSync } from "node:fs";
import path from "node:path";
import { StackError } from "../supabase/stack-error.mjs";

/**
 * The routes that are due in this minute. A schedule has the five fields of cron in UTC; each is `*` or a number.
 * @param {{ path: string, schedule: string }[]} crons @param {Date} now
 */
export function dueAt(crons, now) {
  const place = [now.getUTCMinutes(), now.getUTCHours(), now.getUTCDate(), now.getUTCMonth() + 1, now.getUTCDay()];
  return crons
    .filter(({ path: route, schedule }) => {
      const fields = schedule.trim().split(/\s+/);
      if (fields.length !== 5 || !fields.every((field) => /^(\*|\d+)$/.test(field)))
        throw new StackError(`the schedule "${schedule}" of ${route} is not understood`);
      return fields.every((field, nth) => field === "*" || Number(field) === place[nth]);
    })
    .map(({ path: route }) => route);
}

/**
 * Calls a cron of NEXT_PUBLIC_APP_URL with CRON_SECRET, or of the running `npm start`, and says what came of it.
 * @param {string} root @param {Record<string, string | undefined>} environment
 * @returns {(route: string) => Promise<string>}
 */
export function openWorkers(root, environment) {
  let { NEXT_PUBLIC_APP_URL: url, CRON_SECRET: secret } = environment;
  if (!url || !secret) {
    const file = path.resolve(root, environment.CRM_STACK ?? ".local/stack.json");
    if (!existsSync(file))
      throw new StackError("no product to call: set NEXT_PUBLIC_APP_URL and CRON_SECRET, or run npm start first");
    const stack = JSON.parse(readFileSync(file, "utf8"));
    [url, secret] = [stack.app_url, stack.cron_secret];
  }
  const address = String(url).replace(/\/$/, "");
  return async (route) => {
    try {
      const response = await fetch(address + route, { headers: { authorization: `Bearer ${secret}` } });
      await response.body?.cancel();
      return response.ok ? "done" : `answered ${response.status}`;
    } catch (error) {
      return `not reached: ${/** @type {any} */ (error).cause?.code ?? error}`;
    }
  };
}
