// Waits until a condition is true.
import assert from "node:assert/strict";
import { setTimeout as pause } from "node:timers/promises";

/** A wait that takes longer fails. Nothing is measured with it. */
const LIMIT = 120_000;
const BETWEEN_LOOKS = 5;

/** @param {() => Promise<boolean>} condition */
export async function becomesTrue(condition) {
  for (const end = Date.now() + LIMIT; !(await condition()); await pause(BETWEEN_LOOKS)) {
    if (Date.now() > end) assert.fail(`not true within ${LIMIT / 1000} s: ${condition}`);
  }
}

/** Whether another connection waits for a lock of this one. @param {import("postgres").Sql} sql @param {number} pid */
export async function isWaitedFor(sql, pid) {
  return (await sql`select from pg_stat_activity where ${pid} = any (pg_blocking_pids(pid))`).count > 0;
}
