// Prepares a database like a new hosted Supabase project.
import { createHash } from "node:crypto";
import { readFileSync } from "node:fs";
import { getAuthSchemaSql, getStorageSchemaSql } from "@supabase/lite";

const PLATFORM = readFileSync(new URL("platform.sql", import.meta.url), "utf8");

/**
 * Runs the platform script if this version of it has not run on this database.
 * @param {import("postgres").Sql} superuser
 * @param {string | null} password of role `postgres`, which is no superuser from then on; null leaves the role unchanged,
 *   because on a server that is not ours it may be the superuser
 */
export async function preparePlatform(superuser, password) {
  const script = [getAuthSchemaSql(false), getStorageSchemaSql(false), PLATFORM].join("\n");
  const version = createHash("sha256")
    .update(script)
    .update(password ?? "")
    .digest("hex");
  const [{ known }] = await superuser`select to_regclass('supabase_local.platform') is not null as known`;
  if (known) {
    const [row] = await superuser`select version from supabase_local.platform`;
    if (row?.version === version) return;
  }
  await superuser.begin(async (sql) => {
    await sql.unsafe(script);
    if (password !== null) await sql.unsafe(`alter role postgres nosuperuser password ${quoteLiteral(password)}`);
    await sql.unsafe(
      "create schema if not exists supabase_local; create table if not exists supabase_local.platform (version text not null); truncate supabase_local.platform",
    );
    await sql`insert into supabase_local.platform (version) values (${version})`;
  });
}

/** @param {string} text */
function quoteLiteral(text) {
  return `'${text.replaceAll("'", "''")}'`;
}
