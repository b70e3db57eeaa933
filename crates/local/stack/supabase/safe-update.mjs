// Refuses what the extension `safeupdate` refuses in PostgREST's sessions on a hosted project: to change or remove the
// rows of a table without a condition. The local Postgres lacks the extension, so requests are judged by their query,
// and a lint over the functions (tests/database/unconditional-changes.mjs) covers the statements within them.

const VERBS = new Map([
  ["PATCH", "UPDATE"],
  ["DELETE", "DELETE"],
]);
// All other parameters of PostgREST are conditions.
const NO_CONDITIONS = new Set(["select", "columns", "order", "limit", "offset", "on_conflict", "apikey"]);

/**
 * @param {string} method @param {URL} url of a request to PostgREST
 * @returns {object | null} the error that PostgREST answers; null if the request may continue
 */
export function changesEveryRow(method, url) {
  const verb = VERBS.get(method);
  if (verb === undefined || url.pathname.startsWith("/rest/v1/rpc/")) return null;
  if ([...url.searchParams.keys()].some((name) => !NO_CONDITIONS.has(name))) return null;
  return { code: "21000", details: null, hint: null, message: `${verb} requires a WHERE clause` };
}
