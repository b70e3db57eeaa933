// Figures of a process from the kernel.
import { execFileSync } from "node:child_process";
import { existsSync, readFileSync } from "node:fs";
import { Skipped } from "./figure.mjs";

const TICKS_PER_SECOND = existsSync("/proc/self/stat")
  ? Number(execFileSync("getconf", ["CLK_TCK"], { encoding: "utf8" }))
  : 0;

export function requireProc() {
  if (TICKS_PER_SECOND === 0) throw new Skipped("needs Linux: there is no /proc");
}

/** The processor time so far, in seconds, of all threads. @param {number} pid */
export function cpuSeconds(pid) {
  const stat = readFileSync(`/proc/${pid}/stat`, "utf8");
  // The name in parentheses may contain any character, so the fields are counted from the third one, after it.
  const fields = stat.slice(stat.lastIndexOf(")") + 2).split(" ");
  return (Number(fields[11]) + Number(fields[12])) / TICKS_PER_SECOND;
}

/** Memory in bytes: the current amount, the part of it that no file backs, and the peak. @param {number} pid */
export function memory(pid) {
  const status = readFileSync(`/proc/${pid}/status`, "utf8");
  const bytes = (/** @type {string} */ name) =>
    Number(new RegExp(`^${name}:\\s+(\\d+) kB$`, "m").exec(status)?.[1]) * 1024;
  return { now: bytes("VmRSS"), anonymous: bytes("RssAnon"), peak: bytes("VmHWM") };
}
