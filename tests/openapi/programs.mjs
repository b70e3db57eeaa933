// Programs of other people that read the document.
import { spawn } from "node:child_process";
import path from "node:path";
import { ROOT } from "../../crates/local/stack/stack.mjs";

/**
 * Runs a program of `node_modules` and gives what it printed; fails with it unless the program succeeds.
 * @param {string} program @param {string[]} args @param {{ cwd?: string, environment?: NodeJS.ProcessEnv }} [options]
 */
export function runs(program, args, options) {
  return execute(process.execPath, [path.join(ROOT, "node_modules", ".bin", program), ...args], options);
}

/**
 * @param {string} command @param {string[]} args
 * @param {{ cwd?: string, environment?: NodeJS.ProcessEnv }} [options] @returns {Promise<string>}
 */
export async function execute(command, args, { cwd = ROOT, environment = {} } = {}) {
  const child = spawn(command, args, {
    cwd,
    stdio: ["ignore", "pipe", "pipe"],
    env: { ...process.env, ...environment },
  });
  let printed = "";
  for (const stream of [child.stdout, child.stderr]) stream.on("data", (chunk) => (printed += chunk));
  const code = await new Promise((resolve, reject) => {
    child.once("error", reject);
    child.once("close", resolve);
  });
  if (code !== 0) throw new Error(`${command} ${args.join(" ")} failed (status ${code})\n${printed}`);
  return printed;
}
