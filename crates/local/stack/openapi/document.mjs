// The document of the API, made from the code.
import { execFileSync } from "node:child_process";
import path from "node:path";
import { ROOT } from "../stack.mjs";

/** The file that holds the document. */
export const DOCUMENT_FILE = path.join(ROOT, "crates/crm/openapi.json");

/** The document that the code makes, as text. */
export function documentText() {
  // With `--workspace` the dependencies have the features that the unit tests built them with: nothing is built twice.
  execFileSync("cargo", ["build", "--quiet", "--locked", "--workspace", "--example", "openapi"], {
    cwd: ROOT,
    stdio: ["ignore", "inherit", "inherit"],
  });
  const program = path.resolve(ROOT, process.env.CARGO_TARGET_DIR || "target", "debug", "examples", "openapi");
  return execFileSync(program, { cwd: ROOT, encoding: "utf8", maxBuffer: 64 * 1024 * 1024 });
}
