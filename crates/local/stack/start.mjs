// `npm start`: installs, builds and runs the whole product on this machine. `npm run dev` is the same with --watch.
//
// Starts on Node 20 or newer without installed packages, and continues on the Node of the packages once they are installed.
import { spawn } from "node:child_process";
import { existsSync } from "node:fs";
import path from "node:path";
import { performance } from "node:perf_hooks";
import { fileURLToPath } from "node:url";
import { readArguments, USAGE } from "./launch/arguments.mjs";
import { build, fastFolder } from "./launch/build.mjs";
import { requireIdle } from "./launch/data-lock.mjs";
import { install, isInstalled } from "./launch/install.mjs";
import { portsFrom } from "./launch/ports.mjs";
import { serveChanges } from "./launch/serve-changes.mjs";
import { changesOf } from "./launch/watch.mjs";
import { writeRoutes } from "./routes/write.mjs";
import { startStack, ROOT } from "./stack.mjs";
import { StackError } from "./supabase/stack-error.mjs";

const OLDEST_NODE = 20;
const WANTED_NODE = 24;
const PARENT_CHECK = 1000;
const began = performance.now();

/** @param {string} line */
const say = (line) => process.stdout.write(`${line}\n`);
const seconds = () => `${((performance.now() - began) / 1000).toFixed(1)} s`;

/** @param {unknown} error @returns {never} */
function fail(error) {
  process.stderr.write(`${describe(error)}\n`);
  process.exit(1);
}

/** @param {any} error */
function describe(error) {
  if (error instanceof StackError) return error.message;
  if (error?.code === "ENOSPC") return `no space left on the disk (${error.path ?? error.syscall})`;
  // Node describes an error of the system in one line, with the path.
  if (error?.syscall) return error.message;
  return String(error?.stack ?? error);
}

async function main() {
  const node = Number(process.versions.node.split(".")[0]);
  if (node < OLDEST_NODE)
    throw new StackError(`Node ${OLDEST_NODE} or newer is needed, this is ${process.versions.node}`);
  const options = readArguments(process.argv.slice(2));
  if (options.help) return say(USAGE);
  const dataDir = path.resolve(ROOT, options.data);
  requireIdle(dataDir);

  if (!isInstalled(ROOT)) {
    say("Installing npm packages");
    await install(ROOT);
  }
  if (node < WANTED_NODE) return continueOnNewerNode();

  const stopWith = stopper();
  if (options.functions && options.build) {
    say(options.product === "server" ? "Building (cargo build --profile fast)" : "Building (cargo build --release)");
    await build(ROOT, say, { product: options.product });
    say(`  built (${seconds()})`);
  }
  if (stopWith.signal.aborted) return;
  const { stack, stop, failed, parts } = await startStack({
    dataDir,
    ports: portsFrom(options.port),
    fresh: options.fresh,
    cron: options.cron,
    demo: options.demo,
    functions: options.functions,
    product: options.product,
    environment: process.env,
    onStep: (step) => say(step),
    onLog: (line) => process.stderr.write(`${line}\n`),
    signal: stopWith.signal,
  }).catch((error) => {
    if (stopWith.signal.aborted) process.exit(0);
    throw error;
  });

  banner(stack, options);
  if (options.watch) {
    say("Watching crates and supabase/migrations");
    const { signal } = stopWith;
    const rebuild = () => {
      for (const file of writeRoutes(ROOT)) say(`  ${file} is written from the list of routes`);
      return build(ROOT, say, { product: options.product, again: true, signal });
    };
    void serveChanges({ changes: changesOf(ROOT, signal), folder: fastFolder(ROOT), build: rebuild, parts, say });
  }
  const reason = await Promise.race([stopWith.asked, failed]);
  if (reason !== undefined && !stopWith.signal.aborted)
    process.stderr.write(`${reason} has ended unexpectedly: stopping\n`);
  await stop();
  process.exit(stopWith.signal.aborted ? 0 : 1);
}

/** Continues on the Node of node_modules. This process ends with it, and it notices when this process ends. */
function continueOnNewerNode() {
  const newer = path.join(ROOT, "node_modules", ".bin", "node");
  if (!existsSync(newer))
    throw new StackError(`Node ${WANTED_NODE} is missing in node_modules: delete node_modules and start again`);
  const child = spawn(newer, [fileURLToPath(import.meta.url), ...process.argv.slice(2)], {
    stdio: ["inherit", "inherit", "inherit", "ipc"],
  });
  // On Ctrl-C the terminal signals both processes.
  for (const signal of /** @type {const} */ (["SIGINT", "SIGTERM", "SIGHUP"]))
    process.on(signal, () => child.kill(signal === "SIGINT" ? "SIGTERM" : signal));
  child.once("exit", (code, signal) => process.exit(code ?? (signal ? 1 : 0)));
}

/** Everything that stops this process: signals, and the end of the process that started it. */
function stopper() {
  const controller = new AbortController();
  const asked = new Promise((resolve) => {
    const stop = () => {
      controller.abort();
      resolve(undefined);
    };
    for (const signal of ["SIGINT", "SIGTERM", "SIGHUP"]) process.on(signal, stop);
    process.on("disconnect", stop);
    if (process.env.npm_lifecycle_event) {
      // The script starts this process by `exec`: its parent is npm, and a killed npm would go unnoticed.
      const npm = process.ppid;
      setInterval(() => {
        if (process.ppid !== npm) stop();
      }, PARENT_CHECK).unref();
    }
  });
  return { signal: controller.signal, asked };
}

/** @param {import("./stack.mjs").Stack} stack @param {ReturnType<typeof readArguments>} options */
function banner(stack, options) {
  const rows = [
    ["App", stack.app_url],
    ["Supabase", stack.supabase_url],
    ["Meta simulator", stack.meta_url],
    ["Redis (Upstash)", stack.upstash_url],
    ["Postgres", stack.database_url?.replace(/:[^:@/]+@/, ":***@") ?? "elsewhere"],
  ];
  say("");
  for (const [name, address] of rows) say(`  ${name.padEnd(16)} ${address}`);
  say("");
  for (const { email, password, role } of stack.users) say(`  ${email.padEnd(18)} ${password}  ${role}`);
  say("");
  say(
    `Ready in ${seconds()}${options.cron ? "" : ", nothing ticks"}. Keys and secrets: ${path.join(options.data, "stack.json")}. Ctrl-C stops everything.`,
  );
}

main().catch(fail);
