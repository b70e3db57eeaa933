// Builds what answers requests, the functions or the server, and the Rust half of the stack.
import { spawn, spawnSync } from "node:child_process";
import path from "node:path";
import { createInterface } from "node:readline";
import { StackError } from "../supabase/stack-error.mjs";

const SAY_EVERY = 3000;
const SAY_AT_LEAST_EVERY = 15_000;

/** @typedef {"functions" | "server"} Product one binary per route as on Vercel, or one for all of them */

/** What cargo is told to build, beside the local stack itself, and the folder below `target` where it puts that. */
const BUILDS = {
  functions: { args: ["--release", "-p", "whatsapp-crm"], folder: "release" },
  server: { args: ["--profile", "fast", "-p", "crm-server"], folder: "fast" },
};

/** Where cargo puts what it builds. @param {string} root @param {Product} product */
const folderOf = (root, product) =>
  path.resolve(root, process.env.CARGO_TARGET_DIR || "target", BUILDS[product].folder);
/** Where cargo puts what it builds for release. @param {string} root */
export const releaseFolder = (root) => folderOf(root, "functions");
/** Where cargo puts the server and its local stack. @param {string} root */
export const fastFolder = (root) => folderOf(root, "server");

/**
 * @param {string} root @param {(line: string) => void} say
 * @param {{ product?: Product, again?: boolean, signal?: AbortSignal }} [options] `again`: quietly, but for what is wrong
 * @returns {Promise<void>}
 */
export async function build(root, say, { product = "functions", again = false, signal } = {}) {
  for (const tool of again ? [] : ["cargo", "rustc"]) {
    if (spawnSync(tool, ["--version"], { cwd: root, stdio: "ignore" }).status !== 0) {
      throw new StackError(`${tool} is not installed: get Rust from https://rustup.rs and start again`);
    }
  }
  const args = ["build", "--bins", "-p", "crm-local", ...BUILDS[product].args, ...(again ? ["--quiet"] : [])];
  // On a terminal cargo draws its own progress.
  const drawn = again || (process.stdout.isTTY && process.stderr.isTTY);
  const child = spawn("cargo", args, { cwd: root, stdio: ["ignore", "inherit", drawn ? "inherit" : "pipe"], signal });
  const tail = drawn ? [] : followBuild(child, say);
  const code = await new Promise((resolve) => {
    child.once("error", () => resolve(1));
    child.once("close", resolve);
  });
  if (code === 0) return;
  if (tail.length > 0) process.stderr.write(`${tail.join("\n")}\n`);
  throw new StackError("cargo build failed: see the messages above");
}

/** Says now and then how far cargo is. @param {import("node:child_process").ChildProcess} child @param {(line: string) => void} say @returns {string[]} its last lines */
function followBuild(child, say) {
  /** @type {string[]} */
  const tail = [];
  const began = Date.now();
  let compiled = 0;
  let said = began;
  const quiet = setInterval(() => {
    if (Date.now() - said >= SAY_AT_LEAST_EVERY) say(`  still building (${Math.round((Date.now() - began) / 1000)} s)`);
  }, SAY_AT_LEAST_EVERY);
  child.once("close", () => clearInterval(quiet));
  createInterface({ input: /** @type {import("node:stream").Readable} */ (child.stderr) }).on("line", (line) => {
    tail.push(line);
    if (tail.length > 60) tail.shift();
    const crate = /^\s*Compiling (\S+)/.exec(line)?.[1];
    if (!crate) return;
    compiled++;
    if (Date.now() - said < SAY_EVERY) return;
    said = Date.now();
    say(`  ${compiled} crates begun, now ${crate}`);
  });
  return tail;
}
