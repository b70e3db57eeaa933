// A database that no other test file uses, on the server they share: a copy of one that is made once. A stack for each
// file would take as many seconds as most files do.
import { randomUUID } from "node:crypto";
import path from "node:path";
import postgres from "postgres";
import { applyMigrations, readMigrations } from "../../crates/local/stack/supabase/migrations.mjs";
import { preparePlatform } from "../../crates/local/stack/supabase/platform.mjs";
import { ROOT } from "../../crates/local/stack/stack.mjs";

const PRISTINE = "pristine";

/**
 * @param {string} url of the shared one
 * @returns {Promise<{ url: string, drop: () => Promise<void> }>}
 */
export async function copyDatabase(url) {
  const name = `own_${randomUUID().replaceAll("-", "")}`;
  const onServer = async (/** @type {(sql: postgres.Sql) => Promise<void>} */ work) => {
    const sql = postgres(url, { max: 1, onnotice: () => {} });
    try {
      await work(sql);
    } finally {
      await sql.end({ timeout: 5 });
    }
  };
  await onServer(async (sql) => {
    // Files run side by side; the lock ends with the connection.
    await sql`select pg_advisory_lock(hashtextextended(${PRISTINE}, 0))`;
    if ((await sql`select from pg_database where datname = ${PRISTINE}`).count === 0) {
      await sql.unsafe(`create database half_${PRISTINE}`);
      await migrate(at(url, `half_${PRISTINE}`));
      await sql.unsafe(`alter database half_${PRISTINE} rename to ${PRISTINE}`);
    }
    await sql.unsafe(`create database ${name} template ${PRISTINE}`);
  });
  return {
    url: at(url, name),
    drop: () => onServer(async (sql) => void (await sql.unsafe(`drop database ${name} with (force)`))),
  };
}

/** @param {string} url */
async function migrate(url) {
  const owner = url.replace(/\/\/[^:@/]+:/, "//postgres:");
  for (const [address, work] of /** @type {[string, (sql: postgres.Sql) => Promise<any>][]} */ ([
    [url, (sql) => preparePlatform(sql, null)],
    [owner, (sql) => applyMigrations(sql, readMigrations(path.join(ROOT, "supabase/migrations")))],
  ])) {
    const sql = postgres(address, { max: 1, onnotice: () => {} });
    try {
      await work(sql);
    } finally {
      await sql.end({ timeout: 5 });
    }
  }
}

/** @param {string} url @param {string} database */
function at(url, database) {
  const address = new URL(url);
  address.pathname = `/${database}`;
  return address.href;
}
