// A built function, started in the same way as on Vercel.
import { spawn } from "node:child_process";
import { existsSync } from "node:fs";
import { createServer } from "node:net";
import path from "node:path";
import { releaseFolder } from "../launch/build.mjs";
import { freePorts } from "../launch/ports.mjs";
import { ROOT } from "../stack.mjs";
import { newFolder } from "./folder.mjs";

const START_LIMIT = 60_000;

export const APP_SECRET = "bench-app-secret";
export const VERIFY_TOKEN = "bench-verify-token";
export const META_TOKEN = "EAAbench";
export const CRON_SECRET = "bench-cron-secret";

/** @type {Set<import("node:child_process").ChildProcess>} */
const running = new Set();
process.on("exit", () => {
  for (const child of running) child.kill("SIGKILL");
});

/** @param {string} name the function's binary */
export function binary(name) {
  const file = path.join(releaseFolder(ROOT), name);
  if (!existsSync(file)) throw new Error(`${file} is not built`);
  return file;
}

/**
 * @typedef {object} FunctionProcess
 * @property {number} pid
 * @property {number} port
 * @property {() => Promise<void>} stop lets it finish
 */

/**
 * @param {string} name
 * @param {object} [options]
 * @param {Record<string, string>} [options.environment]
 * @param {string[]} [options.under] the command line of a program that runs it
 * @param {() => void} [options.onSpawn] called right before the process is made
 * @returns {Promise<FunctionProcess>} once it listens
 */
export async function startFunction(name, { environment = {}, under = [], onSpawn } = {}) {
  const file = binary(name);
  const { app: port } = await freePorts();
  const socket = path.join(newFolder(), "ipc");
  const ipc = createServer();
  await new Promise((resolve) => ipc.listen(socket, () => resolve(undefined)));

  const [command, ...args] = [...under, file];
  const env = {
    PATH: process.env.PATH,
    VERCEL_DEV_PORT: String(port),
    VERCEL_IPC_PATH: socket,
    SUPABASE_URL: "http://127.0.0.1:9",
    SUPABASE_ANON_KEY: "sb_publishable_bench",
    SUPABASE_SERVICE_ROLE_KEY: "sb_secret_bench",
    META_APP_SECRET: APP_SECRET,
    META_WEBHOOK_VERIFY_TOKEN: VERIFY_TOKEN,
    META_WHATSAPP_TOKEN: META_TOKEN,
    CRON_SECRET,
    ...environment,
  };
  onSpawn?.();
  const child = spawn(command, args, { env, stdio: ["ignore", "ignore", "pipe"] });
  running.add(child);
  let said = "";
  child.stderr.on("data", (chunk) => (said = (said + chunk).slice(-2000)));
  const exited = new Promise((resolve) => child.once("close", (code, signal) => resolve(signal ?? code)));
  const stop = async () => {
    child.kill("SIGTERM");
    const status = await exited;
    running.delete(child);
    ipc.close();
    if (status !== 0) throw new Error(`${name} ended with ${status}: ${said}`);
  };
  try {
    await new Promise((resolve, reject) => {
      const late = setTimeout(
        () => reject(new Error(`${name} did not listen within ${START_LIMIT / 1000} s: ${said}`)),
        START_LIMIT,
      );
      child.once("error", reject);
      child.once("close", () => reject(new Error(`${name} ended before it listened: ${said}`)));
      ipc.once("connection", (from) => {
        // The first frame reports that the function listens. Later frames are ignored.
        from.once("data", () => {
          clearTimeout(late);
          resolve(undefined);
        });
        from.on("error", () => {});
      });
    });
  } catch (error) {
    await stop().catch(() => {});
    throw error;
  }
  return { pid: /** @type {number} */ (child.pid), port, stop };
}
