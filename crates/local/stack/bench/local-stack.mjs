// The local stack, for measurements that need the real database. It starts on first use and stops at the end.
import postgres from "postgres";
import { startStack } from "../stack.mjs";
import { newFolder } from "./folder.mjs";

const stopping = new AbortController();
/** @type {ReturnType<typeof startStack> | null} */
let starting = null;
/** @type {Set<postgres.Sql>} */
const connected = new Set();

/** @returns {Promise<import("../stack.mjs").Stack>} */
export async function localStack() {
  starting ??= startStack({ dataDir: newFolder(), durable: false, signal: stopping.signal });
  return (await starting).stack;
}

/**
 * Runs work on the stack's database, as the superuser on one connection.
 * @template Result
 * @param {import("../stack.mjs").Stack} stack @param {(sql: postgres.Sql) => Promise<Result>} work @returns {Promise<Result>}
 */
export async function onDatabase(stack, work) {
  const sql = postgres(stack.database_url ?? "", { max: 1, onnotice: () => {} });
  connected.add(sql);
  try {
    return await work(sql);
  } finally {
    await sql.end({ timeout: 0 });
    connected.delete(sql);
  }
}

export async function stopLocalStack() {
  stopping.abort();
  // A query that is still running when the server stops would crash this process.
  await Promise.all([...connected].map((sql) => sql.end({ timeout: 0 })));
  // A stack that could not start has already reported its error to the caller of `localStack`.
  const started = await starting?.catch(() => null);
  await started?.stop();
}
