// The API that a command calls, as one person of one tenant.
import { existsSync, readFileSync } from "node:fs";
import path from "node:path";
import { StackError } from "../supabase/stack-error.mjs";

/**
 * Uses the API key CRM_API_KEY at NEXT_PUBLIC_APP_URL, or the first admin of the running `npm start`.
 * @param {string} root @param {Record<string, string | undefined>} environment
 * @returns {Promise<(method: string, path: string) => Promise<any>>}
 */
export async function openProduct(root, environment) {
  const { CRM_API_KEY: key, NEXT_PUBLIC_APP_URL: url } = environment;
  if (key && url) return caller(url, key);
  if (key) throw new StackError("CRM_API_KEY is set: set NEXT_PUBLIC_APP_URL to the address of the deployment too");
  const file = path.resolve(root, environment.CRM_STACK ?? ".local/stack.json");
  if (!existsSync(file))
    throw new StackError("no product to call: run npm start first, or set NEXT_PUBLIC_APP_URL and CRM_API_KEY");
  const stack = JSON.parse(readFileSync(file, "utf8"));
  const { email, password } = stack.users[0];
  const response = await fetch(`${stack.supabase_url}/auth/v1/token?grant_type=password`, {
    method: "POST",
    headers: { apikey: stack.anon_key, "content-type": "application/json" },
    body: JSON.stringify({ email, password }),
  });
  const { access_token } = await response.json();
  return caller(stack.app_url, access_token);
}

/** @param {string} url @param {string} bearer */
function caller(url, bearer) {
  return async (/** @type {string} */ method, /** @type {string} */ route) => {
    let response;
    try {
      response = await fetch(url.replace(/\/$/, "") + route, {
        method,
        headers: { authorization: `Bearer ${bearer}` },
      });
    } catch (error) {
      throw new StackError(`${url} does not answer: ${/** @type {any} */ (error).cause?.message ?? error}`);
    }
    const answer = await response.json();
    if (!response.ok)
      throw new StackError(
        `${answer.error?.message ?? `answered ${response.status}`} (${answer.error?.code ?? response.status})`,
      );
    return answer;
  };
}
