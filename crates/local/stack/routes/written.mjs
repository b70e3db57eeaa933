// What is written from the list of routes: a function file and a binary for each, their time limits, and the rewrite that
// must not hide those with parameters.
import { StackError } from "../supabase/stack-error.mjs";

/** @typedef {import("./list.mjs").Route} Route */

const BINARIES = /(?:\[\[bin\]\]\nname = .*\npath = .*\ntest = false\n\n?)+/;
const LIMITS = /("functions": \{\n)((?: {4}".*\n)*)( {2}\})/;
const REWRITE = /("source": )"\/api\([^"]*"/;

/** @param {Route} route */
export const functionFile = ({ path }) => `api/${path}.rs`;

/** @param {Route} route */
export function functionText({ path, router, about, allocatesQuickly }) {
  const end = /[.?]$/.test(about) ? "" : ".";
  return [
    `//! \`/api/${path.replace("[id]", "{id}")}\`: ${about}${end}`,
    "",
    "use std::process::ExitCode;",
    "",
    ...(allocatesQuickly ? ["function::allocate_quickly!();", ""] : []),
    "fn main() -> ExitCode {",
    `    function::serve(${router}())`,
    "}",
    "",
  ].join("\n");
}

/** The binary's name: the route with `-` for `/`, without brackets. @param {Route} route */
const binaryName = ({ path }) => path.replace(/[/.]/g, "-").replace(/[[\]]/g, "");

/** @param {string} text of Cargo.toml @param {Route[]} routes */
export function withBinaries(text, routes) {
  const binaries = routes.map(
    (route) => `[[bin]]\nname = "${binaryName(route)}"\npath = "${functionFile(route)}"\ntest = false\n`,
  );
  return replaced("Cargo.toml", text, BINARIES, () => binaries.join("\n"));
}

/** @param {string} text of vercel.json @param {Route[]} routes */
export function withLimitsAndRewrite(text, routes) {
  const limited = replaced("vercel.json", text, LIMITS, (start, /** @type {string} */ lines, end) => {
    const own = routes.flatMap((route) =>
      route.maxDuration === null ? [] : [`    "${functionFile(route)}": { "maxDuration": ${route.maxDuration} },\n`],
    );
    // Patterns stand for the functions that have no limit of their own: they come last, and are kept by hand.
    const patterns = lines.split(/(?<=\n)/).filter((line) => line.includes("*"));
    return start + [...own, ...patterns].join("") + end;
  });
  const source = JSON.stringify(`/api(/(?!${withParameters(routes)}).*)?`);
  return replaced("vercel.json", limited, REWRITE, (start) => `${start}${source}`);
}

/** What the rewrite leaves alone: it comes before functions with parameters, and would hide them. @param {Route[]} routes */
function withParameters(routes) {
  const ending = routes.map(({ path }) => /^([^[]*)\/\[id\]$/.exec(path)?.[1]).filter((start) => start !== undefined);
  /** @type {Map<string, string[]>} */
  const going = new Map();
  for (const { path } of routes) {
    const [, start, rest] = /^(.*?)\/\[id\]\/(.*)$/.exec(path) ?? [];
    if (rest?.includes("[")) throw new StackError(`"${path}" has two parameters: routes have one at most`);
    if (rest) going.set(start, [...(going.get(start) ?? []), rest]);
  }
  return [
    `${oneOf(ending)}/[^/]+$`,
    ...[...going]
      .sort(([one], [other]) => (one < other ? -1 : 1))
      .map(([start, rests]) => `${start}/[^/]+/${oneOf(rests)}$`),
  ].join("|");
}

/** @param {string[]} alternatives */
function oneOf(alternatives) {
  const all = [...alternatives].sort().map((text) => text.replaceAll(".", "\\."));
  return all.length === 1 ? all[0] : `(?:${all.join("|")})`;
}

/** @param {string} file @param {string} text @param {RegExp} part @param {(...parts: string[]) => string} write */
function replaced(file, text, part, write) {
  if (!part.test(text)) throw new StackError(`${file} lacks the part that is written from the routes: ${part.source}`);
  return text.replace(part, (_, ...parts) => write(...parts));
}
