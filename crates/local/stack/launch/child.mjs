// A long-lived part of the stack: gets its configuration on stdin, says when it is ready, and ends with its stdin.
import { spawn } from "node:child_process";
import { createWriteStream } from "node:fs";
import { createInterface } from "node:readline";
import { StackError } from "../supabase/stack-error.mjs";

const READY_LIMIT = 180_000;
const STOP_LIMIT = 20_000;

/**
 * @typedef {object} Child
 * @property {string} name
 * @property {Promise<void>} exited
 * @property {() => Promise<void>} stop
 * @property {(line: string, event: string) => Promise<any>} ask says a line on its stdin and gives the event that answers it
 */

/**
 * @param {object} options
 * @param {string} options.name
 * @param {string} options.command
 * @param {string[]} [options.args]
 * @param {object} options.config
 * @param {string} options.cwd
 * @param {Record<string, string>} [options.env] beside our own environment
 * @param {string} options.logFile
 * @param {(line: string) => void} [options.onLog]
 * @param {AbortSignal} [options.signal] ends it while it is starting
 * @returns {Promise<Child>} once it is ready
 */
export async function startChild({ name, command, args = [], config, cwd, env, logFile, onLog, signal }) {
  // In a group of its own: Ctrl-C reaches the launcher alone, which stops its parts in order.
  const child = spawn(command, args, {
    cwd,
    env: { ...process.env, ...env },
    stdio: ["pipe", "pipe", "pipe"],
    detached: true,
  });
  const log = createWriteStream(logFile, { flags: "w", mode: 0o600 });
  log.on("error", () => {});
  child.stdin.on("error", () => {});
  createInterface({ input: child.stderr }).on("line", (line) => {
    log.write(`${line}\n`);
    onLog?.(line);
  });
  /** @type {Promise<void>} */
  const exited = new Promise((resolve) => {
    child.once("close", () => {
      log.end();
      resolve();
    });
  });

  /** @type {Map<string, ((answer: any) => void)[]>} */
  const asked = new Map();
  const ask = (/** @type {string} */ line, /** @type {string} */ event) =>
    new Promise((resolve, reject) => {
      asked.set(event, [...(asked.get(event) ?? []), resolve]);
      void exited.then(() => reject(new StackError(`${name} has ended`)));
      child.stdin.write(`${line}\n`);
    });

  const stop = async () => {
    if (child.exitCode !== null || child.signalCode !== null || child.pid === undefined) return;
    child.stdin.end();
    child.kill("SIGTERM");
    const limit = setTimeout(() => child.kill("SIGKILL"), STOP_LIMIT);
    await exited;
    clearTimeout(limit);
  };

  const abort = () => void stop();
  signal?.addEventListener("abort", abort);
  try {
    if (signal?.aborted) throw new StackError("stopped");
    await new Promise((resolve, reject) => {
      const late = setTimeout(
        () => reject(new StackError(`${name} did not get ready within ${READY_LIMIT / 1000} s: see ${logFile}`)),
        READY_LIMIT,
      );
      const settle = (/** @type {(value: any) => void} */ then) => (/** @type {any} */ value) => {
        clearTimeout(late);
        then(value);
      };
      const ready = settle(resolve);
      const failed = settle(reject);
      child.once("error", (error) => failed(new StackError(`${name} cannot be started: ${error.message}`)));
      child.once("close", (code, signal) =>
        failed(new StackError(`${name} ended while starting (${signal ?? `status ${code}`}): see ${logFile}`)),
      );
      createInterface({ input: child.stdout }).on("line", (line) => {
        const event = parse(line);
        if (event?.event === "ready") ready(undefined);
        else if (event?.event === "error") failed(new StackError(event.message));
        else if (asked.has(event?.event)) asked.get(event.event)?.shift()?.(event);
        else onLog?.(line);
      });
      child.stdin.write(`${JSON.stringify(config)}\n`);
    });
  } catch (error) {
    await stop();
    throw error;
  } finally {
    signal?.removeEventListener("abort", abort);
  }
  return { name, exited, stop, ask };
}

/** @param {string} line */
function parse(line) {
  try {
    return JSON.parse(line);
  } catch {
    return null;
  }
}
