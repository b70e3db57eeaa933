// Brings what is written from the list of routes up to date.
import { mkdirSync, readdirSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import path from "node:path";
import { LIST, readRoutes } from "./list.mjs";
import { functionFile, functionText, withBinaries, withLimitsAndRewrite } from "./written.mjs";

/**
 * @param {string} root
 * @param {{ check?: boolean }} [options] `check`: changes nothing
 * @returns {string[]} the files that were, or are, not as the list says
 */
export function writeRoutes(root, { check = false } = {}) {
  const read = (/** @type {string} */ file) => readFileSync(path.join(root, file), "utf8");
  const routes = readRoutes(read(LIST));
  const present = readdirSync(path.join(root, "api"), { recursive: true, withFileTypes: true })
    .filter((entry) => entry.isFile())
    .map((entry) => path.relative(root, path.join(entry.parentPath, entry.name)));
  const [cargo, vercel] = [read("Cargo.toml"), read("vercel.json")];

  /** @type {Map<string, string | null>} null: the file goes */
  const wanted = new Map(present.map((file) => [file, null]));
  for (const route of routes) wanted.set(functionFile(route), functionText(route));
  wanted.set("Cargo.toml", withBinaries(cargo, routes));
  wanted.set("vercel.json", withLimitsAndRewrite(vercel, routes));

  const different = [...wanted].filter(([file, text]) => {
    const exists = present.includes(file) || !file.startsWith("api/");
    return text !== (exists ? read(file) : null);
  });
  if (!check) {
    for (const [file, text] of different) {
      const place = path.join(root, file);
      if (text === null) rmSync(place);
      else {
        mkdirSync(path.dirname(place), { recursive: true });
        writeFileSync(place, text);
      }
    }
  }
  return different.map(([file]) => file).sort();
}
