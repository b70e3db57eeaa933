// The local stack, for what is measured through the real database: started when first asked for, stopped at the end.
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
 * Works on the stack's database, as the superuser and on one connection.
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
  // A query that is under way when the server goes would take this process with it.
  await Promise.all([...connected].map((sql) => sql.end({ timeout: 0 })));
  // One that could not start has said so to who asked for it.
  const started = await starting?.catch(() => null);
  await started?.stop();
}
