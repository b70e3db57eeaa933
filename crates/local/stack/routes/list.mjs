// The list of routes in `crates/crm`, read as text: what is written from it can be written while nothing compiles.
import { StackError } from "../supabase/stack-error.mjs";

/** The list, named from the root. */
export const LIST = "crates/crm/src/routes.rs";

const LINE = /^ {4}"([^"]+)" => ((?:\w+::)+\w+)\(\): "([^"]+)"(.*);$/;
const PATH = /^(?:[a-z][a-z.-]*|\[id\])(?:\/(?:[a-z][a-z.-]*|\[id\]))*$/;

/**
 * @typedef {object} Route
 * @property {string} path below `/api/`, a parameter as `[id]`
 * @property {string} router the Rust function that makes its router
 * @property {string} about what it is for, in a few words
 * @property {boolean} allocatesQuickly whether its function allocates with mimalloc
 * @property {number | null} maxDuration seconds a request may take, where it is not the usual
 */

/** @param {string} text of the list @returns {Route[]} in the order of their paths */
export function readRoutes(text) {
  const lines = text.split("\n");
  const first = lines.indexOf("route_list! {") + 1;
  const end = lines.indexOf("}", first);
  if (first === 0 || end === -1) throw new StackError(`${LIST} has no list: route_list! { … }`);
  const routes = lines.slice(first, end).flatMap((line, i) => {
    if (line.trim() === "" || line.trim().startsWith("//")) return [];
    return [readLine(line, `${LIST}:${first + i + 1}`)];
  });
  routes.sort((one, other) => (one.path < other.path ? -1 : 1));
  for (const [i, { path }] of routes.entries()) {
    if (i > 0 && routes[i - 1].path === path) throw new StackError(`${LIST} has "${path}" twice`);
  }
  return routes;
}

/** @param {string} line @param {string} place @returns {Route} */
function readLine(line, place) {
  const match = LINE.exec(line);
  if (!match) throw new StackError(`${place} is not a route: "path/[id]" => feature::router(): "what it is for";`);
  const [, path, router, about, flags] = match;
  if (!PATH.test(path)) throw new StackError(`${place}: "${path}" is no path below /api; a parameter is called [id]`);
  const route = { path, router, about, allocatesQuickly: false, maxDuration: /** @type {number | null} */ (null) };
  for (const flag of flags.split(",").slice(1)) {
    const seconds = /^ max_duration = (\d+)$/.exec(flag);
    if (flag === " allocate_quickly") route.allocatesQuickly = true;
    else if (seconds) route.maxDuration = Number(seconds[1]);
    else throw new StackError(`${place}: "${flag.trim()}" is neither allocate_quickly nor max_duration = <seconds>`);
  }
  return route;
}
