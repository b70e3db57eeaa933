import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import path from "node:path";

/** @type {string[]} */
const made = [];
process.on("exit", () => {
  for (const folder of made) rmSync(folder, { recursive: true, force: true });
});

/** Creates a temporary folder that is deleted at the end of the run. */
export function newFolder() {
  const folder = mkdtempSync(path.join(tmpdir(), "crm-bench-"));
  made.push(folder);
  return folder;
}
