// The catalogue that a folder of migrations makes, on a Postgres of its own: roles and their settings belong to the
// whole server, so two folders on one server would mix theirs.
import { randomBytes } from "node:crypto";
import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import path from "node:path";
import { freePorts } from "../../../crates/local/stack/launch/ports.mjs";
import { connect } from "../../../crates/local/stack/supabase/database.mjs";
import { applyMigrations, readMigrations } from "../../../crates/local/stack/supabase/migrations.mjs";
import { preparePlatform } from "../../../crates/local/stack/supabase/platform.mjs";
import { startPostgres, SUPERUSER } from "../../../crates/local/stack/supabase/postgres.mjs";
import { readCatalogue } from "./catalogue.mjs";

/** @param {string} migrations a folder @returns {Promise<import("./catalogue.mjs").Catalogue>} */
export async function buildCatalogue(migrations) {
  const folder = mkdtempSync(path.join(tmpdir(), "crm-schema-"));
  const password = randomBytes(12).toString("hex");
  const port = (await freePorts()).postgres;
  const server = await startPostgres({
    dataDir: path.join(folder, "postgres"),
    logFile: path.join(folder, "postgres.log"),
    port,
    password,
    durable: false,
  });
  const as = (/** @type {string} */ role) =>
    connect(`postgresql://${role}:${password}@127.0.0.1:${port}/postgres`, { max: 1 });
  const superuser = as(SUPERUSER);
  try {
    await preparePlatform(superuser, password);
    const owner = as("postgres");
    try {
      await applyMigrations(owner, readMigrations(migrations));
    } finally {
      await owner.end({ timeout: 1 });
    }
    return await readCatalogue(superuser);
  } finally {
    await superuser.end({ timeout: 1 });
    await server.stop();
    rmSync(folder, { recursive: true, force: true });
  }
}
