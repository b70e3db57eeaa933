// Starts and stops a whole local stack, for `npm start`, and for tests and benchmarks on free ports in folders of their
// own.
import { existsSync, mkdirSync, rmSync } from "node:fs";
import path from "node:path";
import { fileURLToPath } from "node:url";
import { fastFolder, releaseFolder } from "./launch/build.mjs";
import { startChild } from "./launch/child.mjs";
import { configure } from "./launch/configuration.mjs";
import { lockData } from "./launch/data-lock.mjs";
import { freePorts, requireFree } from "./launch/ports.mjs";
import { keepSecrets } from "./launch/secrets.mjs";
import { seed } from "./launch/seed.mjs";
import { writeWhole } from "./launch/whole-file.mjs";
import { StackError } from "./supabase/stack-error.mjs";

export const ROOT = path.resolve(path.dirname(fileURLToPath(import.meta.url)), "../../..");
// How long the parts of a killed launcher take to end.
const LETTING_GO = 10_000;
const SUPABASE = fileURLToPath(new URL("supabase/server.mjs", import.meta.url));

/**
 * @typedef {object} StackOptions
 * @property {string} dataDir the folder of all data; created if it is missing
 * @property {import("./launch/ports.mjs").Ports} [ports] free ports if left out
 * @property {boolean} [fresh] begin with an empty database
 * @property {boolean} [cron] whether crons run (default no)
 * @property {boolean} [demo] demo data beyond the users (default no)
 * @property {boolean} [functions] run the functions, the Meta simulator and the Redis API (default yes)
 * @property {import("./launch/build.mjs").Product} [product] the program that runs the functions (default: their binaries, as tests and deployments use)
 * @property {string} [functionsDir] the folder of the binaries (default: the folder of cargo)
 * @property {boolean} [durable] false: fast, but data is lost if the machine stops (default yes)
 * @property {number} [timeLimitScale] multiplies the time limits that Supabase sets on requests (default 1, as on a hosted
 *   project): for tests that share a busy machine
 * @property {{ sent: number, delivered: number, read: number }} [webhookDelay] milliseconds from a send to the simulator's webhooks
 * @property {Record<string, string | undefined>} [environment] variables that replace the local defaults (default: none)
 * @property {(step: string) => void} [onStep]
 * @property {(line: string) => void} [onLog] receives the log lines of the functions and the simulator
 * @property {AbortSignal} [signal] stops a running start
 */

/**
 * @typedef {object} Stack the content of `.local/stack.json`
 * @property {string} app_url @property {string} supabase_url @property {string} anon_key @property {string} service_role_key
 * @property {string | null} database_url @property {string} meta_url @property {string} upstash_url @property {string} upstash_token
 * @property {string} app_secret @property {string} verify_token @property {string} cron_secret
 * @property {{ email: string, password: string, role: string, tenant_id: string }[]} users @property {number} pid
 */

/**
 * @typedef {object} Parts parts that can be changed while everything else continues to run
 * @property {() => Promise<string | null>} replaceFunctions replaces the functions by the new build; returns the reason if that fails
 * @property {() => Promise<void>} restartGateway restarts the gateway, the functions and the simulators, which keep their state
 * @property {() => Promise<{ applied: string[], changed: string[], failure: string | null }>} migrate applies new migrations
 */

/**
 * @param {StackOptions} options
 * @returns {Promise<{ stack: Stack, stop: () => Promise<void>, failed: Promise<string>, parts: Parts }>} once everything
 *   answers; `failed` settles when a part ends unexpectedly
 */
export async function startStack(options) {
  const step = options.onStep ?? (() => {});
  const dataDir = path.resolve(options.dataDir);
  mkdirSync(dataDir, { recursive: true });
  const unlock = lockData(dataDir);
  const stackFile = path.join(dataDir, "stack.json");
  rmSync(stackFile, { force: true });

  /** @type {import("./launch/child.mjs").Child[]} */
  const children = [];
  /** @type {(name: string) => void} */
  let fail = () => {};
  /** @type {Promise<string>} */
  const failed = new Promise((resolve) => (fail = resolve));
  /** @param {Parameters<typeof startChild>[0]} child */
  async function add(child) {
    const started = await startChild(child);
    children.push(started);
    void started.exited.then(() => {
      if (children.includes(started)) fail(started.name);
    });
    return started;
  }
  /** @type {Promise<void> | null} */
  let stopping = null;
  const stop = () => (stopping ??= stopAll());
  async function stopAll() {
    rmSync(stackFile, { force: true });
    // The functions first, because they need the database to finish their work.
    for (const child of [...children].reverse()) await child.stop();
    unlock();
  }
  const goOn = () => {
    if (options.signal?.aborted) throw new StackError("stopped");
  };

  try {
    const server = options.product === "server";
    const functionsDir = options.functionsDir ?? (server ? fastFolder(ROOT) : releaseFolder(ROOT));
    const config = configure({
      root: ROOT,
      dataDir,
      functionsDir,
      server: server ? path.join(functionsDir, "crm-server") : null,
      ports: options.ports ?? (await freePorts()),
      secrets: keepSecrets(dataDir),
      fresh: options.fresh ?? false,
      cron: options.cron ?? false,
      durable: options.durable ?? true,
      timeLimitScale: options.timeLimitScale ?? 1,
      webhookDelay: options.webhookDelay,
      given: options.environment ?? {},
    });
    const killedBefore = existsSync(path.join(dataDir, "supabase", "postgres", "postmaster.pid"));
    await requireFree(config.usedPorts, killedBefore ? LETTING_GO : 0);
    goOn();
    if (options.fresh) rmSync(config.functions.meta.state_file, { force: true });

    /** @type {import("./launch/child.mjs").Child | null} */
    let supabase = null;
    if (config.supabase) {
      step("Starting Postgres and Supabase");
      supabase = await add({
        name: "Supabase",
        command: process.execPath,
        args: ["--disable-warning=ExperimentalWarning", SUPABASE],
        config: config.supabase,
        cwd: ROOT,
        env: { NODE_COMPILE_CACHE: path.join(ROOT, "node_modules", ".cache", "node") },
        logFile: path.join(dataDir, "supabase.log"),
        onLog: options.onLog,
        signal: options.signal,
      });
    }
    goOn();
    step("Seeding");
    const { supabase_url: supabaseUrl, service_role_key: serviceKey } = config.addresses;
    await seed({ supabaseUrl, serviceKey, demo: options.demo ?? false });
    goOn();

    /** @type {import("./launch/child.mjs").Child | null} */
    let gateway = null;
    const startGateway = async () => {
      const command = path.join(functionsDir, "crm-local");
      if (!existsSync(command)) throw new StackError(`${command} is not built: start without --skip-build`);
      gateway = await add({
        name: "crm-local",
        command,
        args: ["serve"],
        config: config.functions,
        cwd: ROOT,
        logFile: path.join(dataDir, "crm-local.log"),
        onLog: options.onLog,
        signal: options.signal,
      });
    };
    if (options.functions ?? true) {
      step("Starting functions, Meta and Redis");
      await startGateway();
    }
    goOn();

    /** @type {Parts} */
    const parts = {
      replaceFunctions: async () => (await gateway?.ask("rebuilt", "replaced"))?.failure ?? null,
      restartGateway: async () => {
        const before = gateway;
        gateway = null;
        if (before) children.splice(children.indexOf(before), 1);
        await before?.stop();
        await startGateway();
      },
      migrate: async () => (await supabase?.ask("migrate", "migrated")) ?? { applied: [], changed: [], failure: null },
    };
    const stack = { ...config.addresses, pid: process.pid };
    writeWhole(stackFile, stack);
    return { stack, stop, failed, parts };
  } catch (error) {
    await stop();
    throw error;
  }
}
