// The sizes of the functions' binaries.
import { readFileSync, statSync } from "node:fs";
import path from "node:path";
import { ROOT } from "../stack.mjs";
import { binary } from "./function-process.mjs";

const MB = 1e6;

/** @returns {Promise<import("./figure.mjs").Figure[]>} */
export async function sizes() {
  const manifest = readFileSync(path.join(ROOT, "Cargo.toml"), "utf8");
  const names = Array.from(manifest.matchAll(/\[\[bin\]\]\s*name = "([^"]+)"/g), ([, name]) => name);
  if (names.length === 0) throw new Error("no functions in Cargo.toml");
  return names.map((name) => ({
    what: `binary of ${name}`,
    prototype: "5.3 MB",
    most: 8,
    value: statSync(binary(name)).size / MB,
    unit: "MB",
    digits: 2,
  }));
}
