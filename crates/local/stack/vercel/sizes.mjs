// How large the functions are, and what is sent of each.
import { readFile } from "node:fs/promises";
import path from "node:path";
import { promisify } from "node:util";
import { deflateRaw } from "node:zlib";
import { table } from "./table.mjs";

const deflate = promisify(deflateRaw);

/** @param {import("./output.mjs").BuiltFunction[]} functions @returns {Promise<string[]>} */
export async function sizes(functions) {
  const rows = await Promise.all(functions.map(async (built) => [`/${built.name}`, built.settings.maxDuration, built.bytes / 1e6, (await zipped(built)) / 1e6]));
  return table(["Route", "Limit s", "MB", "MB zipped"], rows);
}

/** @param {import("./output.mjs").BuiltFunction} built */
async function zipped({ folder, files }) {
  const lengths = await Promise.all(files.map(async (file) => (await deflate(await readFile(path.join(folder, file)))).length));
  return lengths.reduce((sum, length) => sum + length, 0);
}
