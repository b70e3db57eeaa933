// The Vercel CLI from node_modules, run without the network and without the developer's own login.
import { spawn } from "node:child_process";
import { chmodSync, mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { createRequire } from "node:module";
import { tmpdir } from "node:os";
import path from "node:path";
import { StackError } from "../supabase/stack-error.mjs";
import { runs } from "./tools.mjs";

const require = createRequire(import.meta.url);
const SETTINGS = require.resolve("vercel/package.json");
const { version: VERSION, bin } = require(SETTINGS);
const CLI = path.join(path.dirname(SETTINGS), bin.vercel);

export { VERSION };

/**
 * Runs the CLI until it ends. If this process is asked to stop, it stops the CLI as well.
 * @param {string[]} args
 * @param {object} options
 * @param {string} options.cwd
 * @param {Record<string, string>} [options.environment]
 * @param {"inherit" | "pipe"} [options.output] `pipe`: its standard output is returned
 * @returns {Promise<{ code: number, stdout: string }>}
 */
export async function vercel(args, { cwd, environment = {}, output = "inherit" }) {
  const own = mkdtempSync(path.join(tmpdir(), "vercel-cli-"));
  const child = spawn(process.execPath, [CLI, ...args, "--global-config", path.join(own, "config")], {
    cwd,
    env: {
      ...process.env,
      PATH: searchPath(own),
      VERCEL_TELEMETRY_DISABLED: "1",
      NO_UPDATE_NOTIFIER: "1",
      ...environment,
    },
    stdio: ["ignore", output, "inherit"],
  });
  const stop = () => void child.kill("SIGTERM");
  for (const signal of ["SIGINT", "SIGTERM", "SIGHUP"]) process.on(signal, stop);
  let stdout = "";
  child.stdout?.setEncoding("utf8").on("data", (text) => (stdout += text));
  try {
    const code = await new Promise((resolve, reject) => {
      child.once("error", (error) => reject(new StackError(`the Vercel CLI cannot be started: ${error.message}`)));
      child.once("close", (status) => resolve(status ?? 1));
    });
    return { code, stdout };
  } finally {
    for (const signal of ["SIGINT", "SIGTERM", "SIGHUP"]) process.off(signal, stop);
    rmSync(own, { recursive: true, force: true });
  }
}

/**
 * A search path with a fake rustup. If Rust was not installed with rustup, the CLI would download rustup; it only checks whether
 * rustup exists.
 */
function searchPath(/** @type {string} */ folder) {
  const known = process.env.PATH ?? "";
  if (runs("rustup", ["-V"])) return known;
  const rustup = path.join(folder, "rustup");
  writeFileSync(rustup, "#!/bin/sh\n");
  chmodSync(rustup, 0o755);
  return `${known}${path.delimiter}${folder}`;
}
