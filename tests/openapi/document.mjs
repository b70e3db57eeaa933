// The document of the API without a running product.
import { execFileSync } from "node:child_process";
import { readFileSync } from "node:fs";
import path from "node:path";
import { ROOT } from "../../crates/local/stack/stack.mjs";

/** The document that the code makes, as text. */
export function documentText() {
  const written = process.env.CRM_TEST_OPENAPI;
  if (written) return readFileSync(written, "utf8");
  // With `--workspace` the dependencies have the features that the unit tests built them with: nothing is built twice.
  execFileSync("cargo", ["build", "--quiet", "--locked", "--workspace", "--example", "openapi"], {
    cwd: ROOT,
    stdio: ["ignore", "inherit", "inherit"],
  });
  const program = path.resolve(ROOT, process.env.CARGO_TARGET_DIR || "target", "debug", "examples", "openapi");
  return execFileSync(program, { cwd: ROOT, encoding: "utf8", maxBuffer: 64 * 1024 * 1024 });
}
