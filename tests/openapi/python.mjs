// Tools written in Python that read the document, where this machine has Python and reaches its package registry.
import { createHash } from "node:crypto";
import { existsSync, mkdirSync, rmSync, writeFileSync } from "node:fs";
import path from "node:path";
import { ROOT } from "../../crates/local/stack/stack.mjs";
import { execute } from "./programs.mjs";

const TOOLS = ["openapi-spec-validator==0.9.0", "openapi-python-client==0.29.1"];

/** @typedef {{ python: string, run: (tool: string, args: string[], options?: object) => Promise<string> }} PythonTools */

/** @type {Promise<PythonTools | { missing: string }> | undefined} */
let installed;

/** The tools in a virtual environment of their own, kept in `.local/`; or why they cannot be had here. */
export function pythonTools() {
  installed ??= install();
  return installed;
}

/** @returns {Promise<PythonTools | { missing: string }>} */
async function install() {
  const version = createHash("sha256").update(TOOLS.join()).digest("hex").slice(0, 12);
  const folder = path.join(ROOT, ".local", `python-${version}`);
  const complete = path.join(folder, "complete");
  if (!existsSync(complete)) {
    rmSync(folder, { recursive: true, force: true });
    mkdirSync(path.dirname(folder), { recursive: true });
    try {
      await execute("python3", ["-m", "venv", folder]);
      const pip = [
        "-m",
        "pip",
        "install",
        "--quiet",
        "--disable-pip-version-check",
        "--retries",
        "1",
        "--timeout",
        "20",
      ];
      await execute(path.join(folder, "bin", "python"), [...pip, ...TOOLS]);
      writeFileSync(complete, "");
    } catch (error) {
      return {
        missing: `no Python tools on this machine: ${/** @type {Error} */ (error).message.split("\n").slice(0, 3).join(" ")}`,
      };
    }
  }
  return {
    python: path.join(folder, "bin", "python"),
    run: (tool, args, options) => execute(path.join(folder, "bin", tool), args, options),
  };
}
