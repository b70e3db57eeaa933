import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import path from "node:path";

/** @type {string[]} */
const made = [];
process.on("exit", () => {
  for (const folder of made) rmSync(folder, { recursive: true, force: true });
});

/** A folder of this run, gone with it. */
export function newFolder() {
  const folder = mkdtempSync(path.join(tmpdir(), "crm-bench-"));
  made.push(folder);
  return folder;
}
