// The sizes of the functions, unpacked and compressed for the upload.
import { readFile } from "node:fs/promises";
import path from "node:path";
import { promisify } from "node:util";
import { deflateRaw } from "node:zlib";
import { table } from "./table.mjs";

const deflate = promisify(deflateRaw);

/** @param {number} bytes */
export const megabytes = (bytes) => (bytes / 1e6).toFixed(1);

/** @param {import("./output.mjs").BuiltFunction[]} functions @returns {Promise<string[]>} */
export async function sizes(functions) {
  const rows = await Promise.all(
    functions.map(async (built) => [
      `/${built.name}`,
      `${built.settings.maxDuration} s`,
      megabytes(built.bytes),
      megabytes(await zipped(built)),
    ]),
  );
  return table(["route", "limit", "MB", "MB zipped"], rows);
}

/** @param {import("./output.mjs").BuiltFunction} built */
async function zipped({ folder, files }) {
  const lengths = await Promise.all(
    files.map(async (file) => (await deflate(await readFile(path.join(folder, file)))).length),
  );
  return lengths.reduce((sum, length) => sum + length, 0);
}
