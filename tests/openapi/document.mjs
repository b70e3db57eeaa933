// The document of the API without a running product.
import { execFileSync } from "node:child_process";
import { readFileSync } from "node:fs";
import { ROOT } from "../../crates/local/stack/stack.mjs";

/** The document that the code makes, as text. */
export function documentText() {
  const written = process.env.CRM_TEST_OPENAPI;
  if (written) return readFileSync(written, "utf8");
  return execFileSync("cargo", ["run", "--quiet", "--locked", "--package", "crm", "--example", "openapi"], {
    cwd: ROOT,
    encoding: "utf8",
    maxBuffer: 64 * 1024 * 1024,
    stdio: ["ignore", "pipe", "inherit"],
  });
}
