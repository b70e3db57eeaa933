// The output of `vercel build`: `.vercel/output`, in the format of the Build Output API.
import { existsSync, globSync, readFileSync, statSync } from "node:fs";
import path from "node:path";

/**
 * @typedef {object} BuiltFunction
 * @property {string} name as routes call it: `api/conversations/[id]`
 * @property {string} folder
 * @property {string[]} files in the folder
 * @property {string} executable what is started
 * @property {Record<string, any>} settings its `.vc-config.json`
 * @property {number} bytes all of it
 */

/** @param {string} root */
export const outputFolder = (root) => path.join(root, ".vercel", "output");

/** @param {string} root @returns {{ config: any, functions: BuiltFunction[], staticFiles: string[] }} */
export function readOutput(root) {
  const folder = outputFolder(root);
  const functionsFolder = path.join(folder, "functions");
  const functions = globSync("**/*.func", { cwd: functionsFolder })
    .sort()
    .map((name) => readFunction(functionsFolder, name));
  return {
    config: readJson(path.join(folder, "config.json")),
    functions,
    staticFiles: filesBelow(path.join(folder, "static")),
  };
}

/** @param {string} root @param {string} name @returns {BuiltFunction} */
function readFunction(root, name) {
  const folder = path.join(root, name);
  const settings = readJson(path.join(folder, ".vc-config.json"));
  const files = filesBelow(folder);
  const bytes = files.reduce((sum, file) => sum + statSync(path.join(folder, file)).size, 0);
  return {
    name: name.slice(0, -".func".length),
    folder,
    files,
    executable: path.join(folder, settings.handler),
    settings,
    bytes,
  };
}

/** All files below a folder, including hidden ones. @param {string} folder */
export function filesBelow(folder) {
  if (!existsSync(folder)) return [];
  const entries = globSync(["**/*", "**/.*", "**/.*/**/*"], { cwd: folder, withFileTypes: true }).filter(
    (entry) => !entry.isDirectory(),
  );
  return [...new Set(entries.map((entry) => path.relative(folder, path.join(entry.parentPath, entry.name))))].sort();
}

/** Whether the output is newer than all its sources. @param {string} root */
export function isCurrent(root) {
  const made = path.join(outputFolder(root), "builds.json");
  if (!existsSync(made) || !existsSync(path.join(outputFolder(root), "config.json"))) return false;
  const since = statSync(made).mtimeMs;
  const sources = ["Cargo.toml", "Cargo.lock", "vercel.json", "api/**", "public/**", "crates/!(local)/**"];
  return globSync(sources, { cwd: root }).every((file) => statSync(path.join(root, file)).mtimeMs < since);
}

/** @param {string} file */
const readJson = (file) => JSON.parse(readFileSync(file, "utf8"));
