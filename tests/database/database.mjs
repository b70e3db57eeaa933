// The database under test, with the sentences that tests use.
import { after } from "node:test";
import postgres from "postgres";
import { openStack } from "../stack.mjs";
import { broadcasts } from "./broadcasts.mjs";
import { acceptRequests, callers } from "./callers.mjs";
import { inbox } from "./inbox.mjs";
import { copyDatabase } from "./own-database.mjs";
import { recipientLists } from "./recipient-lists.mjs";
import { tenancy } from "./tenancy.mjs";

const CONNECTIONS = 20;

/**
 * Every step of a test goes through the returned `world`: as the superuser by `sql`, as any other caller by `as`.
 * @param {{ own?: boolean }} [options] `own`: a database that no other file uses
 */
export async function useDatabase({ own = false } = {}) {
  const { stack, stop } = await openStack({ functions: false });
  const { url, drop } = own
    ? await copyDatabase(stack.database_url)
    : { url: stack.database_url, drop: async () => {} };
  const sql = connect(url);
  after(async () => {
    await sql.end({ timeout: 5 });
    await drop();
    await stop();
  });
  await acceptRequests(sql);
  return { ...world(sql), connect: (options) => connect(url, options) };
}

/** @param {postgres.Sql} sql a pool, or a transaction: then everything happens in it */
export function world(sql) {
  const known = { sql, ...callers(sql) };
  return { ...known, ...tenancy(known), ...inbox(known), ...broadcasts(known), ...recipientLists(known) };
}

/**
 * Runs `work` in a transaction and rolls it back.
 * @template Result
 * @param {postgres.Sql} sql
 * @param {(world: ReturnType<typeof world>) => Promise<Result>} work
 * @returns {Promise<Result>}
 */
export async function rolledBack(sql, work) {
  const over = new Error("rolled back");
  let result;
  try {
    await sql.begin(async (transaction) => {
      result = await work(world(transaction));
      throw over;
    });
  } catch (error) {
    if (error !== over) throw error;
  }
  return result;
}

/** @param {string} url @param {postgres.Options<any>} [options] */
function connect(url, options) {
  return postgres(url, { max: CONNECTIONS, onnotice: () => {}, ...options });
}
