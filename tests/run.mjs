// `npm test`: every check, in order of what fails fastest. `npm test -- unit database` runs only those parts.
import { spawn } from "node:child_process";
import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import path from "node:path";
import { build } from "../crates/local/stack/launch/build.mjs";
import { prepare } from "../crates/local/stack/launch/prepare.mjs";
import { ROOT, startStack } from "../crates/local/stack/stack.mjs";
import { TIME_LIMIT_SCALE } from "./stack.mjs";

await prepare(ROOT);

const say = (/** @type {string} */ line) => process.stdout.write(`${line}\n`);

/** @param {string} command @param {string[]} args @param {NodeJS.ProcessEnv} [environment] */
async function run(command, args, environment = {}) {
  const child = spawn(command, args, {
    cwd: ROOT,
    stdio: ["ignore", "inherit", "inherit"],
    env: { ...process.env, ...environment },
  });
  const code = await new Promise((resolve) => {
    child.once("error", () => resolve(127));
    child.once("exit", resolve);
  });
  if (code !== 0) throw new Error(`${command} ${args.join(" ")} failed (status ${code})`);
}

/** @param {string[]} files patterns @param {{ atOnce?: number, environment?: NodeJS.ProcessEnv }} [options] */
const nodeTests = (files, { atOnce = 2, environment = {} } = {}) =>
  run(
    process.execPath,
    ["--disable-warning=ExperimentalWarning", "--test", "--test-force-exit", `--test-concurrency=${atOnce}`, ...files],
    environment,
  );

/** One stack for all database tests: they share it and make tenants of their own. */
async function onOneStack(/** @type {(stackFile: string) => Promise<void>} */ tests) {
  const folder = mkdtempSync(path.join(tmpdir(), "crm-tests-"));
  const { stop } = await startStack({
    dataDir: folder,
    functions: false,
    durable: false,
    timeLimitScale: TIME_LIMIT_SCALE,
  });
  try {
    await tests(path.join(folder, "stack.json"));
  } finally {
    await stop();
    rmSync(folder, { recursive: true, force: true });
  }
}

/** @type {Record<string, () => Promise<void>>} */
const parts = {
  format: async () => {
    await run("cargo", ["fmt", "--all", "--check"]);
    await run(process.execPath, ["node_modules/prettier/bin/prettier.cjs", "--cache", "--check", "**/*.mjs"]);
    await run(process.execPath, ["crates/local/stack/routes.mjs", "--check"]);
  },
  lint: () => run("cargo", ["clippy", "--workspace", "--all-targets", "--locked", "--quiet", "--", "-D", "warnings"]),
  unit: () => run("cargo", ["test", "--workspace", "--locked", "--quiet", "--no-fail-fast"]),
  openapi: () => nodeTests(["tests/openapi/**/*.test.mjs"]),
  build: () => build(ROOT, say),
  stack: () => nodeTests(["crates/local/stack/**/*.test.mjs"]),
  database: () =>
    onOneStack((stackFile) =>
      nodeTests(["tests/database/**/*.test.mjs"], { environment: { CRM_TEST_STACK: stackFile } }),
    ),
  flows: () => nodeTests(["tests/flows/**/*.test.mjs"]),
  vercel: () => nodeTests(["tests/vercel/**/*.test.mjs"]),
};

/** Parts that start what `build` makes. Every other part runs whatever failed before it, so one run shows all faults. */
const RUNS_BINARIES = new Set(["stack", "database", "flows", "vercel"]);

const asked = process.argv.slice(2);
const unknown = asked.filter((name) => !(name in parts));
if (unknown.length > 0) {
  say(`unknown: ${unknown.join(", ")}; the parts are ${Object.keys(parts).join(", ")}`);
  process.exit(2);
}
const began = performance.now();
/** @type {string[]} */
const times = [];
/** @type {Set<string>} */
const failed = new Set();
for (const name of asked.length > 0 ? asked : Object.keys(parts)) {
  say(`\n=== ${name}`);
  if (RUNS_BINARIES.has(name) && failed.has("build")) {
    failed.add(name);
    times.push(`${name} not run, because the build failed`);
    continue;
  }
  const since = performance.now();
  try {
    await parts[name]();
  } catch (error) {
    say(error instanceof Error ? error.message : String(error));
    failed.add(name);
  }
  times.push(`${name} ${((performance.now() - since) / 1000).toFixed(0)} s${failed.has(name) ? " (failed)" : ""}`);
}
say(`\n=== ${times.join(", ")}; ${((performance.now() - began) / 1000).toFixed(0)} s in all`);
process.exit(failed.size > 0 ? 1 : 0);
