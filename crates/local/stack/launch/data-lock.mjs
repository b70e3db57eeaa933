// One stack at a time on a data folder.
import { closeSync, openSync, readFileSync, rmSync, writeSync } from "node:fs";
import path from "node:path";
import { StackError } from "../supabase/stack-error.mjs";

/** Refuses when a stack runs on the folder. @param {string} dataDir */
export function requireIdle(dataDir) {
  const holder = readHolder(lockOf(dataDir));
  if (holder && isRunning(holder)) throw alreadyRunning(dataDir, holder.pid);
}

/** @param {string} dataDir */
const lockOf = (dataDir) => path.join(dataDir, "stack.lock");

/** @param {string} dataDir @param {number} pid */
const alreadyRunning = (dataDir, pid) =>
  new StackError(
    `a stack is already running on ${dataDir} (process ${pid}): stop it first, or name another folder with --data`,
  );

/**
 * Takes the folder, also from a process that has died without giving it back.
 * @param {string} dataDir @returns {() => void} gives it back
 */
export function lockData(dataDir) {
  const file = lockOf(dataDir);
  for (let attempt = 0; attempt < 3; attempt++) {
    try {
      const descriptor = openSync(file, "wx", 0o600);
      writeSync(descriptor, JSON.stringify({ pid: process.pid, started: startOf(process.pid) }));
      closeSync(descriptor);
      return () => rmSync(file, { force: true });
    } catch (error) {
      if (/** @type {NodeJS.ErrnoException} */ (error).code !== "EEXIST") throw error;
      requireIdle(dataDir);
      rmSync(file, { force: true });
    }
  }
  throw new StackError(`${file} cannot be taken: another stack is starting on ${dataDir}`);
}

/** @param {string} file @returns {{ pid: number, started: string | null } | null} */
function readHolder(file) {
  try {
    const holder = JSON.parse(readFileSync(file, "utf8"));
    return Number.isInteger(holder?.pid) && holder.pid > 0 ? holder : null;
  } catch {
    return null;
  }
}

/** Numbers of processes are given away again: the time it started tells whether this is still the same. @param {{ pid: number, started: string | null }} holder */
function isRunning({ pid, started }) {
  try {
    process.kill(pid, 0);
  } catch (error) {
    if (/** @type {NodeJS.ErrnoException} */ (error).code === "ESRCH") return false;
  }
  const now = startOf(pid);
  return now === null || started === null || now === started;
}

/** @param {number} pid */
function startOf(pid) {
  try {
    // After the name in brackets, which may hold anything: field 22, and the state in field 3.
    const fields = readFileSync(`/proc/${pid}/stat`, "utf8")
      .replace(/^.*\) /s, "")
      .split(" ");
    return fields[0] === "Z" ? "ended" : fields[19];
  } catch {
    return null;
  }
}
