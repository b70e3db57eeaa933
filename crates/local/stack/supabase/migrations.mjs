// Applies supabase/migrations in order, each in its own transaction, as the Supabase CLI does.
import { existsSync, readdirSync, readFileSync } from "node:fs";
import path from "node:path";
import { StackError } from "./stack-error.mjs";

const FILE = /^(\d+)_(.*)\.sql$/;

/** @typedef {{ version: string, name: string, file: string, text: string }} Migration */

/** @param {string} folder @returns {Migration[]} in order */
export function readMigrations(folder) {
  if (!existsSync(folder)) return [];
  const migrations = [];
  for (const entry of readdirSync(folder).sort()) {
    const match = FILE.exec(entry);
    if (!match) continue;
    const file = path.join(folder, entry);
    migrations.push({ version: match[1], name: match[2], file, text: readFileSync(file, "utf8") });
  }
  for (let i = 1; i < migrations.length; i++) {
    if (migrations[i].version === migrations[i - 1].version) {
      throw new StackError(`${migrations[i - 1].file} and ${migrations[i].file} have the same version`);
    }
  }
  return migrations;
}

/**
 * Applies the pending migrations.
 * @param {import("postgres").Sql} owner role `postgres`, with the rights that a hosted project gives it
 * @param {Migration[]} migrations
 * @returns {Promise<{ applied: string[], changed: string[] }>} `applied`: files applied now; `changed`: files that differ from
 *   the applied version
 */
export async function applyMigrations(owner, migrations) {
  await owner.unsafe(
    "create schema if not exists supabase_migrations;" +
      "create table if not exists supabase_migrations.schema_migrations (version text not null primary key, statements text[], name text)",
  );
  const history = await owner`select version, statements from supabase_migrations.schema_migrations`;
  // The Supabase CLI splits a file into its statements. This code keeps the file whole, so that a later change of it
  // can be detected.
  const done = new Map(history.map((row) => [row.version, row.statements?.length === 1 ? row.statements[0] : null]));
  const [applied, changed] = [/** @type {string[]} */ ([]), /** @type {string[]} */ ([])];
  for (const migration of migrations) {
    if (done.has(migration.version)) {
      const before = done.get(migration.version);
      if (before !== null && before !== migration.text) changed.push(migration.file);
      continue;
    }
    try {
      await owner.begin(async (sql) => {
        await sql.unsafe(migration.text);
        await sql.unsafe("reset role; reset all");
        await sql`insert into supabase_migrations.schema_migrations (version, statements, name)
          values (${migration.version}, ${[migration.text]}, ${migration.name})`;
      });
    } catch (error) {
      throw new StackError(explain(migration, error));
    }
    applied.push(migration.file);
  }
  return { applied, changed };
}

/** @param {Migration} migration @param {any} error */
function explain(migration, error) {
  let place = migration.file;
  if (error.position) {
    // The position counts characters, not UTF-16 units.
    const before = [...migration.text]
      .slice(0, Number(error.position) - 1)
      .join("")
      .split("\n");
    place += `:${before.length}:${(before.at(-1)?.length ?? 0) + 1}`;
  }
  const parts = [error.message];
  if (error.detail) parts.push(`(${error.detail})`);
  if (error.hint) parts.push(`Hint: ${error.hint}`);
  if (error.where) parts.push(`In: ${error.where.split("\n")[0]}`);
  return `migration ${place}: ${parts.join(" ")} [${error.code ?? "?"}]`;
}
