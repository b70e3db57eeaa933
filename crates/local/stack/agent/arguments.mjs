// The options of `npm run agent:create -- ...`.
import { StackError } from "../supabase/stack-error.mjs";

export const USAGE = `npm run agent:create -- --email a@b.c --name "A B" --role agent [options]
  --email ADDRESS   the address the user signs in with
  --name NAME       the name that colleagues see
  --role KEY        a role of the tenant; several with commas
  --password TEXT   the password (default: one is generated and printed)
  --tenant WHICH    its id or slug (default DEFAULT_TENANT_ID, or the demo tenant of npm start)
  --locale id|en    the user's language (default the tenant's)
  --help            this text`;

const NAMES = ["email", "name", "role", "password", "tenant", "locale"];

/** @typedef {{ email: string, name: string, roles: string[], password?: string, tenant?: string, locale?: string }} WantedAgent */

/** @param {string[]} args @returns {WantedAgent | "help"} */
export function readArguments(args) {
  /** @type {Record<string, string>} */
  const given = {};
  for (let i = 0; i < args.length; i++) {
    const [option, inline] = args[i].split(/=(.*)/s, 2);
    if (option === "--help" || option === "-h") return "help";
    const name = option.replace(/^--/, "");
    if (!option.startsWith("--") || !NAMES.includes(name)) throw refusal(`unknown option ${args[i]}`);
    const value = inline ?? args[++i];
    if (value === undefined || value === "" || (inline === undefined && value.startsWith("--")))
      throw refusal(`${option} needs a value`);
    if (name in given) throw refusal(`${option} is given twice`);
    given[name] = value;
  }
  for (const name of ["email", "name", "role"]) if (!given[name]) throw refusal(`--${name} is missing`);
  if (given.locale !== undefined && !["id", "en"].includes(given.locale)) throw refusal("--locale is id or en");
  const roles = given.role
    .split(",")
    .map((role) => role.trim())
    .filter(Boolean);
  if (roles.length === 0) throw refusal("--role needs a value");
  return {
    email: given.email.trim(),
    name: given.name,
    roles,
    password: given.password,
    tenant: given.tenant,
    locale: given.locale,
  };
}

/** @param {string} reason */
const refusal = (reason) => new StackError(`${reason} (see npm run agent:create -- --help)`);
