// A database that no other test file uses, on the shared server: a copy of one that is made once. A stack for each file
// would take as many seconds as most files do.
import { randomUUID } from "node:crypto";
import path from "node:path";
import postgres from "postgres";
import { applyMigrations, readMigrations } from "../../crates/local/stack/supabase/migrations.mjs";
import { preparePlatform } from "../../crates/local/stack/supabase/platform.mjs";
import { ROOT } from "../../crates/local/stack/stack.mjs";

/** A new project, before its first migration. */
const PLATFORM = "platform";
const PRISTINE = "pristine";

/**
 * @param {string} url of the shared one
 * @param {{ migrated?: boolean }} [options] `migrated` false: as a new project is
 * @returns {Promise<{ url: string, drop: () => Promise<void> }>}
 */
export async function copyDatabase(url, { migrated = true } = {}) {
  const name = `own_${randomUUID().replaceAll("-", "")}`;
  await onDatabase(url, async (sql) => {
    // Files run side by side; the lock ends with the connection.
    await sql`select pg_advisory_lock(hashtextextended(${PRISTINE}, 0))`;
    const makeOnce = async (
      /** @type {string} */ database,
      /** @type {string} */ template,
      /** @type {(url: string) => Promise<void>} */ fill,
    ) => {
      if ((await sql`select from pg_database where datname = ${database}`).count > 0) return;
      await sql.unsafe(`create database half_${database} template ${template} owner postgres`);
      await fill(at(url, `half_${database}`));
      await sql.unsafe(`alter database half_${database} rename to ${database}`);
    };
    await makeOnce(PLATFORM, "template1", (half) => onDatabase(half, (sql) => preparePlatform(sql, null)));
    await makeOnce(PRISTINE, PLATFORM, migrate);
    await sql.unsafe(`create database ${name} template ${migrated ? PRISTINE : PLATFORM} owner postgres`);
  });
  return {
    url: at(url, name),
    drop: () => onDatabase(url, async (sql) => void (await sql.unsafe(`drop database ${name} with (force)`))),
  };
}

/** With the rights that migrations have. @param {string} url */
async function migrate(url) {
  await onDatabase(asOwner(url), (sql) => applyMigrations(sql, readMigrations(path.join(ROOT, "supabase/migrations"))));
}

/** The same database as role `postgres`, which migrations and people use on a hosted project. @param {string} url */
export function asOwner(url) {
  const address = new URL(url);
  address.username = "postgres";
  return address.href;
}

/** @param {string} url @param {(sql: postgres.Sql) => Promise<unknown>} work */
async function onDatabase(url, work) {
  const sql = postgres(url, { max: 1, onnotice: () => {} });
  try {
    await work(sql);
  } finally {
    await sql.end({ timeout: 5 });
  }
}

/** @param {string} url @param {string} database */
function at(url, database) {
  const address = new URL(url);
  address.pathname = `/${database}`;
  return address.href;
}
