// The project that a command works on. Commands call it with its service key.
import { existsSync, readFileSync } from "node:fs";
import path from "node:path";
import { StackError } from "../supabase/stack-error.mjs";

/** @typedef {{ call: (method: string, path: string, body?: unknown) => Promise<any>, defaultTenant: string | undefined }} Project */

/**
 * The project that the environment names, or else the running `npm start`.
 * @param {string} root @param {Record<string, string | undefined>} environment @returns {Project}
 */
export function findProject(root, environment) {
  const url = environment.SUPABASE_URL || environment.NEXT_PUBLIC_SUPABASE_URL;
  const key = environment.SUPABASE_SERVICE_ROLE_KEY;
  if (url && key) return { call: caller(url, key), defaultTenant: environment.DEFAULT_TENANT_ID };
  if (url || key) throw new StackError("SUPABASE_URL and SUPABASE_SERVICE_ROLE_KEY must both be set, or neither");
  const file = path.resolve(root, environment.CRM_STACK ?? ".local/stack.json");
  if (!existsSync(file))
    throw new StackError(
      "no project to work on: run npm start first, or set SUPABASE_URL and SUPABASE_SERVICE_ROLE_KEY",
    );
  const stack = JSON.parse(readFileSync(file, "utf8"));
  return {
    call: caller(stack.supabase_url, stack.service_role_key),
    defaultTenant: environment.DEFAULT_TENANT_ID || stack.users[0]?.tenant_id,
  };
}

/** An error answer of the project. */
export class Refused extends StackError {
  /** @param {number} status @param {string} code @param {string} message */
  constructor(status, code, message) {
    super(message);
    this.status = status;
    this.code = code;
  }
}

/** @param {string} url @param {string} key */
function caller(url, key) {
  const base = url.replace(/\/$/, "");
  const headers = {
    apikey: key,
    "content-type": "application/json",
    // Keys of the newer kind are not tokens.
    ...(key.startsWith("sb_") ? {} : { authorization: `Bearer ${key}` }),
  };
  /** @param {string} method @param {string} path @param {unknown} [body] */
  return async (method, path, body) => {
    let response;
    let text;
    try {
      response = await fetch(base + path, {
        method,
        headers,
        body: body === undefined ? undefined : JSON.stringify(body),
      });
      text = await response.text();
    } catch (error) {
      throw new StackError(
        `Supabase at ${base} does not answer: ${/** @type {any} */ (error).cause?.message ?? error}`,
      );
    }
    const value = parse(text);
    if (response.ok) return value;
    throw new Refused(response.status, ...reasonOf(value, response.status));
  };
}

/**
 * Reads an error of Auth or PostgREST.
 * @param {any} value @param {number} status @returns {[string, string]} the code and a one-line message
 */
function reasonOf(value, status) {
  const code =
    value?.error_code ?? (/^PT\d{3}$/.test(value?.code ?? "") ? value.details : value?.code) ?? String(status);
  const message = String(value?.msg ?? value?.message ?? "no reason given").replace(/\s+/g, " ");
  return [String(code), `${message} (${code}${value?.hint && value.details === code ? `, ${value.hint}` : ""})`];
}

/** @param {string} text */
function parse(text) {
  try {
    return text === "" ? null : JSON.parse(text);
  } catch {
    return null;
  }
}
